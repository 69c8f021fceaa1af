//! Defer CPM Messages (8.3.2.3), Large Message Mode: an INVITE becomes an invitation, or is refused (DEF-2).

use super::invitation::{Invitation, Said};
use super::refusal::Unacceptable;
use super::service::{Service, service};
use super::{can_be_called, peer};
use crate::formats::sdp::{self, Media, Offer, Setup};
use crate::net::msrp::{Peer, Way};
use crate::pf::body::{self, BodyFault};
use crate::pf::receive::{Receipt, served};
use crate::pf::{Gate, LargeSettings, Settings, defer, reply, trust};
use crate::sip::{Part, Request, Response};
use crate::types::SeedSecret;

/// Option tags that such an INVITE may require of us (RFC 4028, RFC 5366).
pub(in crate::pf) const EXTENSIONS: [&str; 2] = ["timer", "recipient-list-invite"];
/// Longest recipient list that is stored with a message, octets (DEF-2b): it is held in memory with the envelope.
pub(super) const LIST_BYTES_MAX: usize = 32 << 10;

/// DEF-2. Everything that can be wrong is told before the 200 OK, because the sender sends its message on it.
///
/// # Errors
/// 404 or 416 if nobody here is meant; 401 or 403 for the sender; 488 for another service, and for an offer that is none
/// of a large message; 400, 413 or 415 for the body; 413 for an announced size that is too large; 422 for too short a
/// session.
pub(in crate::pf) fn receive(
    settings: &Settings,
    large: &LargeSettings,
    gate: &Gate,
    secret: SeedSecret,
    receipt: Receipt,
) -> Result<Invitation, Response> {
    let request = receipt.request;
    let trusted = trust::is_trusted(settings, receipt.peer.ip());
    let (user, realm) = served(settings, request, &defer::recipient(settings, request, trusted)?)?;
    let identities = trust::identities(settings, gate, receipt)?;
    let refuse = |why: Unacceptable| refused(settings, request, why);
    let service = service(request);
    if service == Service::Other {
        return Err(refuse(Unacceptable::OtherService));
    }
    defer::readable(settings, request)?;
    let Body { offer, list } = Body::read(request).map_err(|fault| fault.answer(settings, request))?;
    let offer = offer.ok_or_else(|| refuse(Unacceptable::NoOffer))?;
    let media = offer.message_media().ok_or_else(|| refuse(Unacceptable::NoMessageMedium))?;
    if media.is_file && service == Service::Unnamed {
        // A sender who says that it is a message may still name the transfer, because RFC 5547 wants it.
        return Err(refuse(Unacceptable::File));
    }
    let (peer, way) = check(&media).map_err(refuse)?;
    if media.size.is_some_and(|size| size > large.message_bytes_max) {
        return Err(reply::plain(settings, request, 413));
    }
    let said = Said { receipt, identities: &identities, trusted, list: list.as_ref(), secret };
    Invitation::new(settings, (user, realm), &said, (offer, media.size), (peer, way))
}

fn refused(settings: &Settings, request: &Request, why: Unacceptable) -> Response {
    let mut response = reply::plain(settings, request, 488);
    why.explain(settings, &mut response);
    response
}

/// Whether a message can come over this medium, from whom, and who connects.
fn check(media: &Media) -> Result<(Peer, Way), Unacceptable> {
    if media.port == 0 {
        return Err(Unacceptable::NoMessageMedium);
    }
    if !media.direction.sends() {
        return Err(Unacceptable::NotSent);
    }
    if !media.accepts_cpim {
        return Err(Unacceptable::NoCpim);
    }
    let peer = peer(media).ok_or(Unacceptable::NoPath)?;
    match media.setup_of_answer() {
        Some(Setup::HoldConn) => Err(Unacceptable::HeldConnection),
        Some(Setup::Active) if can_be_called(media) => Ok((peer, Way::Active)),
        Some(Setup::Active) => Err(Unacceptable::NotCallable),
        _ => Ok((peer, Way::Passive)),
    }
}

/// What a body says.
#[derive(Default)]
struct Body {
    offer: Option<Offer>,
    /// DEF-2b.
    list: Option<Part>,
}

impl Body {
    /// A session description, or one beside a recipient list.
    fn read(request: &Request) -> Result<Self, BodyFault> {
        let mut body = Self::default();
        for part in body::parts(request)? {
            body.take(part)?;
        }
        Ok(body)
    }

    fn take(&mut self, part: Part) -> Result<(), BodyFault> {
        let twice = match part.media_type().as_str() {
            sdp::CONTENT_TYPE => self.offer.replace(Offer::read(&part.body)?).is_some(),
            body::LIST if part.body.len() > LIST_BYTES_MAX => return Err(BodyFault::TooLarge),
            body::LIST => self.list.replace(part).is_some(),
            _ if body::is_optional(&part.headers) => false,
            _ => return Err(BodyFault::Unknown),
        };
        if twice { Err(BodyFault::TWICE) } else { Ok(()) }
    }
}
