//! What goes by MSRP once the client has answered: the stored message, described from its envelope (SNDL-OK-4).

use super::CPIM;
use crate::msrp::Outgoing;
use crate::pf::notify::sender;
use crate::queue::event::{Envelope, KeptName};
use crate::sip::media_type;
use bytes::Bytes;

/// The CPIM address of a sender who is not to be named.
const ANONYMOUS: &str = "sip:anonymous@anonymous.invalid";

/// A message to be sent by MSRP.
pub struct LargeOutgoing {
    /// Octets that come before those of the stored body; nearly always none.
    pub prefix: Bytes,
    /// Its size is that of prefix and body.
    pub message: Outgoing,
}

/// Describes the stored message. We ask for no Success-Report: all chunks answered means transferred (spec 4.3).
#[must_use]
pub fn large_outgoing(envelope: &Envelope) -> LargeOutgoing {
    let content_type = envelope.text(KeptName::ContentType).filter(|stored| media_type(stored) == CPIM);
    let message = Outgoing {
        message_id: envelope.text(KeptName::MsrpMessageId).unwrap_or_default(),
        content_type: content_type.unwrap_or_else(|| CPIM.to_owned()),
        content_disposition: envelope.text(KeptName::ContentDisposition),
        size: size(envelope),
        success_report: false,
    };
    LargeOutgoing { prefix: prefix(envelope), message }
}

/// Octets of the message as it is sent (SNDL-7d).
pub(super) fn size(envelope: &Envelope) -> u64 {
    envelope.size.saturating_add(prefix(envelope).len() as u64)
}

/// SNDL-OK-4c in the reading of I-22: a CPIM From that came with the message stays, one that is missing is written, and
/// nobody is un-anonymised.
fn prefix(envelope: &Envelope) -> Bytes {
    let lacks_from = envelope.imdn.as_ref().is_some_and(|imdn| imdn.from.is_none());
    if !lacks_from {
        return Bytes::new();
    }
    let named = sender(envelope).filter(|uri| !uri.bytes().any(|octet| octet.is_ascii_control()));
    Bytes::from(format!("From: <{}>\r\n", named.as_deref().unwrap_or(ANONYMOUS)))
}
