//! What the client answered to our offer: with whom the message is sent now, and who connects (spec 4.3, WX-11).

use super::{can_be_called, peer};
use crate::formats::sdp::{Media, Offer, Setup};
use crate::net::msrp::{Peer, Way};
use crate::sip::dialog;
use bytes::Bytes;

/// Why nothing can be sent although the call was accepted. It ends with BYE, and the message stays (I-39).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerFault {
    #[error("the answer has no session description that can be read")]
    NoDescription,
    #[error("the answer refuses the medium")]
    Refused,
    #[error("the answer is not willing to receive")]
    NotReceiving,
    #[error("the answer takes no message/cpim")]
    NoCpim,
    #[error("the answer takes no message of this size")]
    TooLarge,
    #[error("the answer changes between TCP and TLS")]
    OtherTransport,
    #[error("the answer has no path of MSRP URIs")]
    NoPath,
    #[error("the answer waits for a connection, and does not tell where to")]
    NotCallable,
}

impl AnswerFault {
    /// The SIP status that would have said the same before the call was accepted, for the choice of a retry (spec 4.1).
    /// `None` for want of a way to the client: as if nothing could be sent.
    #[must_use]
    pub const fn status(self) -> Option<u16> {
        match self {
            Self::TooLarge => Some(413),
            Self::NotCallable => None,
            _ => Some(488),
        }
    }
}

/// Reads the 2xx to [`super::large_invite`]: `size` is that of the message as it is sent, and `secure` says whether TLS was
/// offered.
///
/// # Errors
/// [`AnswerFault`]
pub fn large_answered(
    content_type: Option<&str>,
    body: &Bytes,
    secure: bool,
    size: u64,
) -> Result<(Peer, Way), AnswerFault> {
    let sdp = dialog::sdp_of(content_type, body).ok_or(AnswerFault::NoDescription)?;
    let answer = Offer::read(&sdp).map_err(|_| AnswerFault::NoDescription)?;
    let media = answer.message_media().filter(|media| media.port != 0).ok_or(AnswerFault::Refused)?;
    if media.secure != secure {
        return Err(AnswerFault::OtherTransport);
    }
    if !media.direction.receives() || media.setup == Some(Setup::HoldConn) {
        return Err(AnswerFault::NotReceiving);
    }
    if !media.accepts_cpim {
        return Err(AnswerFault::NoCpim);
    }
    if media.max_size.is_some_and(|most| most < size) {
        return Err(AnswerFault::TooLarge);
    }
    let peer = peer(&media).ok_or(AnswerFault::NoPath)?;
    Ok((peer, way(&media)?))
}

/// SNDL-OK-3: we offered to be called. Who does not call, because it knows RFC 4975 only or errs, is called once if it says
/// where.
fn way(media: &Media) -> Result<Way, AnswerFault> {
    match media.setup {
        Some(Setup::Active | Setup::ActPass) => Ok(Way::Passive),
        _ if can_be_called(media) => Ok(Way::Active),
        _ => Err(AnswerFault::NotCallable),
    }
}
