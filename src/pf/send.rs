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
}

/// The way a push takes.
struct Way {
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
    // SNDP-3. To a client of our own registrar we do what its S-CSCF would: its contact, and whom it was called as.
    let uri = way.contact.as_ref().map_or_else(|| push.envelope.request_uri.clone(), ToString::to_string);
    let mut request = Request::new(Method::Message, uri);
    let headers = &mut request.headers;
    headers.push("Max-Forwards", "70");
    for hop in &way.route {
        headers.push("Route", hop.clone());
    }
    if way.contact.is_some() {
        headers.push("P-Called-Party-ID", format!("<{}>", push.envelope.request_uri));
    }
    names(settings, push, &mut request);
    identity(push, &mut request);
    stored(push.envelope, &mut request);
    if settings.push_expires {
        // I-27: nothing on the way keeps it past its life. A remainder under a second is still a life.
        request.headers.push("Expires", push.expires_at.since(now).as_secs().max(1).to_string());
    }
    request.headers.push("User-Agent", settings.release.clone());
    if let Some(media) = push.envelope.all(KeptName::ContentType).next() {
        request.headers.push("Content-Type", media.0.clone());
    }
    request.body = push.body.clone();
    let flow = if way.route.is_empty() { flow(push.client, &way.hop) } else { None };
    Some((request, target(&way.hop, flow)))
}

/// Where a URI says a request goes.
pub(super) fn target(uri: &Uri, flow: Option<(Transport, SocketAddr)>) -> Target {
    let transport = match uri.param("transport") {
        Some(name) if name.eq_ignore_ascii_case("tcp") => Some(Transport::Tcp),
        Some(name) if name.eq_ignore_ascii_case("udp") => Some(Transport::Udp),
        _ => None,
    };
    Target { host: uri.host.clone(), port: uri.port, transport, flow }
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
fn way(realm: &RealmSettings, client: &Client) -> Option<Way> {
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

fn loose(uri: &Uri) -> String {
    let uri = uri.clone();
    let uri = if uri.params.iter().any(|(name, _)| name.eq_ignore_ascii_case("lr")) {
        uri
    } else {
        uri.with_param("lr", None)
    };
    format!("<{uri}>")
}

/// A new transaction with the old identity (spec 1.3): the names that `DeliveryStarted` recorded.
fn names(settings: &Settings, push: &Push, request: &mut Request) {
    let Transaction { call_id, cseq, from_tag, .. } = push.transaction;
    let stored = |name| push.envelope.text(name).unwrap_or_default();
    request.headers.push("From", retagged(&stored(KeptName::From), Some(from_tag)));
    request.headers.push("To", retagged(&stored(KeptName::To), None));
    request.headers.push("Call-ID", format!("{call_id}@{}", settings.host));
    request.headers.push("CSeq", sip::cseq(*cseq, &Method::Message));
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

/// SNDP-1, SNDP-2, PUSH-W2: who sent it, as what it goes, and to which client.
fn identity(push: &Push, request: &mut Request) {
    for identity in push.envelope.all(KeptName::PAssertedIdentity) {
        request.headers.push("P-Asserted-Identity", identity.0.clone());
    }
    request.headers.push("P-Asserted-Service", CPM_DEFERRED);
    request.headers.push("Accept-Contact", tags::accept_icsi(CPM_DEFERRED));
    if let Some(instance) = &push.client.instance {
        request.headers.push("Accept-Contact", tags::accept_instance(instance));
    }
}

/// SNDP-5 in the reading of I-25: identifiers, subject and date as they were stored, octet for octet.
fn stored(envelope: &Envelope, request: &mut Request) {
    let replayed = [
        KeptName::ConversationId,
        KeptName::ContributionId,
        KeptName::InReplyToContributionId,
        KeptName::Subject,
        KeptName::Date,
        KeptName::ReferredBy,
    ];
    for name in replayed {
        for value in envelope.all(name) {
            request.headers.push(name.wire(), value.0.clone());
        }
    }
}
