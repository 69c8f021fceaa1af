//! Sending a Pager Mode Deferred CPM Message (8.3.2.3.3): the MESSAGE of WX-9 and where it goes.

use super::{CPM_DEFERRED, RealmSettings, Settings, tags};
use crate::config::Transport;
use crate::net::Target;
use crate::queue::event::{Client, Envelope, KeptName, Source, Transaction};
use crate::sip::{self, Method, NameAddr, Request, Uri};
use crate::types::Timestamp;
use bytes::Bytes;
use std::net::{IpAddr, SocketAddr};

/// A delivery to be put on the wire.
#[derive(Clone, Copy)]
pub struct Push<'a> {
    pub envelope: &'a Envelope,
    pub expires_at: Timestamp,
    pub client: &'a Client,
    pub transaction: &'a Transaction,
    pub body: &'a Bytes,
    /// Its UID in the message store, if its history was recorded.
    pub message_uid: Option<u32>,
}

/// The way a request to a client takes.
pub(super) struct Way {
    /// Route entries, each with `lr`.
    route: Vec<String>,
    /// The hop that the request is sent to.
    hop: Uri,
    /// The client's contact, if nobody after us turns the CPM Address into it: the client registered with us, and no
    /// proxy of the realm is asked.
    contact: Option<Uri>,
}

/// SNDP-0 … SNDP-5. Complete but for Via, which the endpoint adds; `None` if the registration gives no way at all.
#[must_use]
pub fn push(settings: &Settings, realm: &RealmSettings, push: &Push, now: Timestamp) -> Option<(Request, Target)> {
    let way = way(realm, push.client)?;
    // SNDP-3.
    let mut request = Request::new(Method::Message, way.request_uri(&push.envelope.request_uri));
    request.headers.push("Max-Forwards", "70");
    way.push_route(&push.envelope.request_uri, &mut request);
    names(settings, push.envelope, push.transaction, &mut request);
    identity(push.envelope, push.client, &mut request);
    replayed(push.envelope, &mut request);
    if let Some(uid) = push.message_uid {
        // SNDP-7.
        request.headers.push("Message-UID", uid.to_string());
    }
    if settings.push_expires {
        // I-27: nothing on the way keeps it past its life. A remainder under a second is still a life.
        request.headers.push("Expires", push.expires_at.since(now).as_secs().max(1).to_string());
    }
    request.headers.push("User-Agent", settings.release.clone());
    if let Some(media) = push.envelope.all(KeptName::ContentType).next() {
        request.headers.push("Content-Type", media.0.clone());
    }
    request.body = push.body.clone();
    Some((request, way.target(push.client)))
}

impl Way {
    /// To a client of our own registrar we do what its S-CSCF would: its contact, and whom it was called as.
    pub(super) fn request_uri(&self, address: &str) -> String {
        self.contact.as_ref().map_or_else(|| address.to_owned(), ToString::to_string)
    }

    /// Route, and P-Called-Party-ID where the Request-URI does not tell the address any more.
    pub(super) fn push_route(&self, address: &str, request: &mut Request) {
        for hop in &self.route {
            request.headers.push("Route", hop.clone());
        }
        if self.contact.is_some() {
            request.headers.push("P-Called-Party-ID", format!("<{address}>"));
        }
    }

    /// Where the request goes first.
    pub(super) fn target(&self, client: &Client) -> Target {
        let flow = if self.route.is_empty() { flow(client, &self.hop) } else { None };
        target(&self.hop, flow)
    }
}

/// Where a URI says a request goes.
pub(super) fn target(uri: &Uri, flow: Option<(Transport, SocketAddr)>) -> Target {
    Target { flow, ..Target::of(uri) }
}

/// A client behind a NAT names an address that is not the one it is seen at: then only the flow it came over leads back.
/// A connection always does.
fn flow(client: &Client, contact: &Uri) -> Option<(Transport, SocketAddr)> {
    let flow = client.flow?;
    let named = contact.host.trim_matches(['[', ']']).parse::<IpAddr>();
    let seen = named.is_ok_and(|named| named.to_canonical() == flow.peer.ip().to_canonical());
    (flow.reliable || !seen).then_some((flow.transport(), flow.peer))
}

/// The realm's next hop, else the registration's Path or S-CSCF, else the client itself. Behind a Path there is no
/// registrar but us, so the contact is ours to put in (RFC 3327 section 5.4); an S-CSCF does it itself.
pub(super) fn way(realm: &RealmSettings, client: &Client) -> Option<Way> {
    if let Some(hop) = &realm.next_hop {
        return Some(Way { route: vec![loose(hop)], hop: hop.clone(), contact: None });
    }
    let contact = match client.source {
        Source::Client => Some(contact(client)?),
        Source::Network => None,
    };
    let route: Vec<Uri> = client.route.iter().filter_map(|uri| Uri::parse(uri).ok()).collect();
    let hop = route.first().or(contact.as_ref())?.clone();
    Some(Way { route: route.iter().map(loose).collect(), hop, contact })
}

/// The Contact URI as a Request-URI, in which headers are not allowed (RFC 3261 section 19.1.1).
fn contact(client: &Client) -> Option<Uri> {
    Uri::parse(&client.contact).ok().map(|uri| Uri { headers: None, ..uri })
}

pub(super) fn loose(uri: &Uri) -> String {
    let uri = uri.clone();
    let uri = if uri.params.iter().any(|(name, _)| name.eq_ignore_ascii_case("lr")) {
        uri
    } else {
        uri.with_param("lr", None)
    };
    format!("<{uri}>")
}

/// A new transaction with the old identity (spec 1.3): the names that `DeliveryStarted` recorded.
pub(super) fn names(settings: &Settings, envelope: &Envelope, transaction: &Transaction, request: &mut Request) {
    let Transaction { call_id, cseq, from_tag, .. } = transaction;
    let stored = |name| envelope.text(name).unwrap_or_default();
    request.headers.push("From", retagged(&stored(KeptName::From), Some(from_tag)));
    request.headers.push("To", retagged(&stored(KeptName::To), None));
    request.headers.push("Call-ID", format!("{call_id}@{}", settings.host));
    request.headers.push("CSeq", sip::cseq(*cseq, &request.method));
}

/// The same party in another dialog.
fn retagged(party: &str, tag: Option<&str>) -> String {
    let Ok(mut address) = NameAddr::parse(party) else { return party.to_owned() };
    address.params.retain(|(name, _)| !name.eq_ignore_ascii_case("tag"));
    match tag {
        Some(tag) => address.with_param("tag", Some(tag)).to_string(),
        None => address.to_string(),
    }
}

/// SNDP-1, SNDP-2, SNDL-1, SNDL-2, PUSH-W2: who sent it, as what it goes, and to which client.
pub(super) fn identity(envelope: &Envelope, client: &Client, request: &mut Request) {
    identities(envelope, request);
    request.headers.push("P-Asserted-Service", CPM_DEFERRED);
    request.headers.push("Accept-Contact", tags::accept_icsi(CPM_DEFERRED));
    if let Some(instance) = &client.instance {
        request.headers.push("Accept-Contact", tags::accept_instance(instance));
    }
}

/// SNDP-2, SNDL-2: the originator as it was authenticated, if they may be named.
pub(super) fn identities(envelope: &Envelope, request: &mut Request) {
    for identity in envelope.all(KeptName::PAssertedIdentity) {
        request.headers.push("P-Asserted-Identity", identity.0.clone());
    }
}

/// SNDP-5 in the reading of I-25, and for large messages I-26: identifiers, subject and date as they were stored, octet for octet.
pub(super) fn replayed(envelope: &Envelope, request: &mut Request) {
    let names = [
        KeptName::ConversationId,
        KeptName::ContributionId,
        KeptName::InReplyToContributionId,
        KeptName::Subject,
        KeptName::Date,
        KeptName::ReferredBy,
    ];
    for name in names {
        for value in envelope.all(name) {
            request.headers.push(name.wire(), value.0.clone());
        }
    }
}
