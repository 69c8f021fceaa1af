//! A large message that may be taken: what of its INVITE is stored, and the answer that lets it come (DEF-2a, DEF-2b).

use super::CPIM;
use super::refusal::Unacceptable;
use crate::formats::sdp::{self, Offer, OwnMedia};
use crate::msrp::Finished;
use crate::net::msrp::{Peer, Way};
use crate::pf::receive::{Receipt, origin};
use crate::pf::reply::{self, ReplyContext};
use crate::pf::{CPM_LARGEMSG, RealmSettings, Settings, body, defer, tags, trust};
use crate::queue::effect::Reply;
use crate::queue::event::{Envelope, KeptHeader, KeptName};
use crate::queue::question::Mode;
use crate::sip::{Part, Request, Response, delta_seconds, dialog, media_type, reason_phrase};
use crate::types::{Address, Octets, OriginKey, SeedSecret, Timestamp};
use std::fmt;
use std::sync::Arc;

/// An INVITE with a large message for a user of ours.
#[derive(Clone)]
pub struct Invitation {
    pub user: Address,
    pub realm: Arc<RealmSettings>,
    /// For refusals by the queue or for want of room.
    pub context: ReplyContext,
    /// What makes the INVITE recognisable when it comes again.
    pub origin: OriginKey,
    /// When the INVITE came; the message is received when its last octet is (I-28).
    pub received_at: Timestamp,
    offer: Offer,
    announced: Option<u64>,
    peer: Peer,
    way: Way,
    envelope: Envelope,
    /// The 200 OK without its session description.
    opened: Response,
}

/// What is known of an INVITE once it was looked at.
pub(super) struct Said<'a> {
    pub(super) receipt: Receipt<'a>,
    pub(super) identities: &'a [String],
    pub(super) trusted: bool,
    pub(super) list: Option<&'a Part>,
    pub(super) secret: SeedSecret,
}

/// The user is shown by their key; all else is personal data.
impl fmt::Debug for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Invitation");
        shown.field("user", &self.user).field("announced", &self.announced).field("way", &self.way);
        shown.finish_non_exhaustive()
    }
}

impl Invitation {
    /// # Errors
    /// 422 for too short a session interval, 400 for an INVITE without a usable Contact.
    pub(super) fn new(
        settings: &Settings,
        (user, realm): (Address, Arc<RealmSettings>),
        said: &Said,
        (offer, announced): (Offer, Option<u64>),
        (peer, way): (Peer, Way),
    ) -> Result<Self, Response> {
        let Receipt { request, received_at, .. } = said.receipt;
        let origin = origin(request);
        let opened = opened(settings, &realm, said)?;
        let context = ReplyContext::invite(request, origin);
        let envelope = envelope(said, announced);
        Ok(Self { user, realm, context, origin, received_at, offer, announced, peer, way, envelope, opened })
    }

    /// Octets of the message, if the offer says (SNDL-7d of the sender).
    #[must_use]
    pub const fn announced_size(&self) -> Option<u64> {
        self.announced
    }

    /// Whether the message comes over TLS.
    #[must_use]
    pub const fn is_secure(&self) -> bool {
        self.peer.secure
    }

    /// The sender's end of the MSRP session.
    #[must_use]
    pub const fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Who opens the connection (RFC 6135).
    #[must_use]
    pub const fn way(&self) -> Way {
        self.way
    }

    /// What will be stored, as far as the INVITE tells: the size is the one announced, or 0.
    #[must_use]
    pub fn offered(&self) -> Envelope {
        self.envelope.clone()
    }

    /// The 200 OK with our answer: a session of ours that receives only.
    #[must_use]
    pub fn accepted(&self, own: &OwnMedia) -> Response {
        let mut response = self.opened.clone();
        response.headers.push("Content-Type", sdp::CONTENT_TYPE);
        response.body = self.offer.answer(body::session_id(self.received_at), own).into();
        response
    }

    /// 488: the sender wants TLS, and we have none.
    #[must_use]
    pub fn no_tls(&self, settings: &Settings) -> Response {
        let refused = Reply::Refused { status: 488, reason: reason_phrase(488).to_owned(), retry_after_secs: None };
        let mut response = reply::reply(settings, &self.context, &refused, self.received_at);
        Unacceptable::NoTls.explain(settings, &mut response);
        response
    }

    /// What is stored (DEF-2a to DEF-2c): all chunks are put together, and `head` is the first octets of the message, at
    /// least [`crate::cpim::HEADER_BYTES_MAX`] of them unless it is shorter.
    #[must_use]
    pub fn completed(&self, done: &Finished, head: &[u8]) -> Envelope {
        let mut envelope = self.envelope.clone();
        let mut keep = |name, value: &str| envelope.headers.push(KeptHeader { name, value: Octets::from(value) });
        // DEF-2a-ix, DEF-2c-iii: it is the message's own; where a recipient list goes with it, the wrapper is made at
        // sending time (I-24).
        keep(KeptName::ContentType, &done.content_type);
        keep(KeptName::MsrpMessageId, &done.message_id);
        let others = [
            (KeptName::SuccessReport, &done.success_report),
            (KeptName::FailureReport, &done.failure_report),
            (KeptName::ContentDisposition, &done.content_disposition),
        ];
        for (name, value) in others {
            if let Some(value) = value {
                keep(name, value);
            }
        }
        // DEF-2a-x, DEF-2c-iv: the Byte-Range is 1-*/size.
        envelope.size = done.size;
        envelope.imdn = (media_type(&done.content_type) == CPIM).then(|| defer::imdn(head)).flatten();
        envelope
    }
}

/// DEF-2a, DEF-2b.
fn envelope(said: &Said, announced: Option<u64>) -> Envelope {
    let Receipt { request, received_at, .. } = said.receipt;
    let mut headers = defer::kept(request, &KeptName::OF_INVITE, said.identities, received_at);
    headers.extend(said.list.map(|list| KeptHeader { name: KeptName::RecipientList, value: whole(list) }));
    Envelope {
        mode: Mode::Large,
        request_uri: request.uri.clone(),
        headers,
        size: announced.unwrap_or(0),
        imdn: None,
        expires_asked_secs: expires(request),
        anonymous: trust::wants_anonymity(request),
        return_address: defer::return_address(request, said.identities, said.secret),
    }
}

/// DEF-5b-i: `Message-Expires`, seconds. What is no number counts as absent (spec 1.5); `Expires` is that of the INVITE.
fn expires(request: &Request) -> Option<u64> {
    delta_seconds(request.headers.get("Message-Expires")?.trim()).map(u64::from)
}

/// The part with its headers, as it goes into a multipart body again.
fn whole(part: &Part) -> Octets {
    let mut octets = Vec::new();
    for header in &part.headers {
        octets.extend_from_slice(&[header.name.as_bytes(), b": ", &header.value, b"\r\n"].concat());
    }
    octets.extend_from_slice(b"\r\n");
    octets.extend_from_slice(&part.body);
    Octets(octets)
}

/// The answer that establishes the dialog, as far as it is known before there is an MSRP session.
fn opened(settings: &Settings, realm: &RealmSettings, said: &Said) -> Result<Response, Response> {
    let Receipt { request, transport, .. } = said.receipt;
    let contact = format!("<{}>;{}", settings.contact(transport), tags::icsi_ref(CPM_LARGEMSG));
    let to_tag = reply::to_tag(origin(request));
    let accepted = dialog::accept(request, &to_tag, &contact, settings.session_secs);
    let mut response = accepted.map_err(|mut refused| {
        refused.headers.push("Server", settings.release.clone());
        refused
    })?;
    if said.trusted {
        reply::echo_charging(&realm.name, request, &mut response);
    }
    response.headers.push("Server", settings.release.clone());
    Ok(response)
}
