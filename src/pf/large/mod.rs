//! Large Message Mode: messages that come by INVITE and MSRP (8.3.2.3, DEF-2), and leave the same way (8.3.2.3.4).

mod answer;
mod invitation;
mod invite;
mod outgoing;
mod receive;
mod refusal;
mod service;

pub use answer::{AnswerFault, large_answered};
pub use invitation::Invitation;
pub use invite::{LargePush, interwork_large, large_invite};
pub use outgoing::{LargeOutgoing, large_outgoing};
pub(super) use receive::{EXTENSIONS, receive};

use crate::formats::sdp::Media;
use crate::msrp::{MsrpUri, Path};
use crate::net::msrp::Peer;

/// The media type of large messages (SNDL-7b, SNDL-OK-4b).
const CPIM: &str = "message/cpim";
/// The discard port: whoever names it cannot be called (RFC 4145 section 4.1).
const DISCARD: u16 = 9;

/// The peer as it described itself; `None` if its path is missing, or none of MSRP.
fn peer(media: &Media) -> Option<Peer> {
    Path::parse(&media.path.join(" ")).ok()?;
    Some(Peer { path: media.path.clone(), fingerprint: media.fingerprint.clone(), secure: media.secure })
}

/// Whether the peer can be called where it says it is.
fn can_be_called(media: &Media) -> bool {
    let first = media.path.first().and_then(|uri| MsrpUri::parse(uri).ok());
    is_callable(media.port) && first.is_some_and(|first| is_callable(first.port()))
}

const fn is_callable(port: u16) -> bool {
    port != 0 && port != DISCARD
}
