//! Defer CPM Messages (8.3.2.3), Pager Mode: a MESSAGE becomes a `Defer` command with exactly what DEF-1 stores.

use super::challenge::Gate;
use super::receive::{Receipt, Verb, origin, served};
use super::reply::{self, ReplyContext};
use super::{Settings, trust};
use crate::cpim;
use crate::queue::command::{Command, Defer};
use crate::queue::event::{Envelope, Imdn, KeptHeader, KeptName};
use crate::queue::question::Mode;
use crate::sip::{self, Header, NameAddr, Request, Response, Uri};
use crate::types::{Address, AddressError, Octets, SeedSecret, Timestamp};

/// Parts of a body that are looked at for the CPIM headers.
const PARTS_MAX: usize = 16;

/// DEF-0: a MESSAGE for a served user.
///
/// # Errors
/// The response that refuses it.
pub(super) fn receive(
    settings: &Settings,
    gate: &Gate,
    secret: SeedSecret,
    receipt: Receipt,
) -> Result<Verb, Response> {
    let request = receipt.request;
    let trusted = trust::is_trusted(settings, receipt.peer.ip());
    let (user, realm) = served(settings, request, &recipient(settings, request, trusted)?)?;
    let identities = trust::identities(settings, gate, receipt)?;
    readable(settings, request)?;
    let defer = Defer {
        envelope: envelope(request, &identities, secret, receipt.received_at),
        origin: origin(request),
        received_at: receipt.received_at,
        kept: None,
    };
    let context = ReplyContext::message(request, defer.origin, trusted, &realm.name);
    let body = Some(request.body.clone());
    Ok(Verb { user, realm, command: Command::Defer(Box::new(defer)), body, context, order: None })
}

/// A message of our own making for a user of ours; `None` if no realm of ours serves them.
pub(super) fn inside(settings: &Settings, request: &Request, secret: SeedSecret, now: Timestamp) -> Option<Verb> {
    let (user, realm) = served(settings, request, &request.uri).ok()?;
    let identities: Vec<String> = request.headers.all("P-Asserted-Identity").map(str::to_owned).collect();
    let envelope = envelope(request, &identities, secret, now);
    let defer = Defer { envelope, origin: origin(request), received_at: now, kept: None };
    let context = ReplyContext::message(request, defer.origin, true, &realm.name);
    let body = Some(request.body.clone());
    Some(Verb { user, realm, command: Command::Defer(Box::new(defer)), body, context, order: None })
}

/// The served user: P-Served-User from the trust domain (RFC 5502), else the Request-URI. On the originating side
/// (`sescase=orig`) that header names the sender, for whom nothing is deferred.
pub(super) fn recipient(settings: &Settings, request: &Request, trusted: bool) -> Result<String, Response> {
    let served = request.headers.get("P-Served-User").filter(|_| trusted);
    let served = served.and_then(|value| NameAddr::parse(value).ok());
    let is_sender = |served: &NameAddr| served.param("sescase").is_some_and(|case| case.eq_ignore_ascii_case("orig"));
    if let Some(served) = served.filter(|served| !is_sender(served)) {
        return Ok(served.uri);
    }
    // RFC 3261 section 8.2.2.1.
    if Address::parse(&request.uri) == Err(AddressError::Scheme) {
        return Err(reply::plain(settings, request, 416));
    }
    Ok(request.uri.clone())
}

/// A body must say what it is; one whose coding we would not store (DEF-1 lists no Content-Encoding) is refused rather
/// than spoilt.
pub(super) fn readable(settings: &Settings, request: &Request) -> Result<(), Response> {
    let coding = request.headers.get("Content-Encoding").map(str::trim);
    if coding.is_some_and(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case("identity")) {
        let mut response = reply::plain(settings, request, 415);
        response.headers.push("Accept-Encoding", "identity");
        return Err(response);
    }
    if !request.body.is_empty() && request.headers.raw("Content-Type").is_none() {
        return Err(reply::because(settings, request, 400, "Missing Content-Type"));
    }
    Ok(())
}

/// DEF-1a to DEF-1c. Headers that are not listed are not stored (DEF-1n), charging ones above all.
fn envelope(request: &Request, identities: &[String], secret: SeedSecret, received_at: Timestamp) -> Envelope {
    Envelope {
        mode: Mode::Pager,
        request_uri: request.uri.clone(),
        headers: kept(request, &KeptName::OF_MESSAGE, identities, received_at),
        size: request.body.len() as u64,
        imdn: imdn_of(request),
        expires_asked_secs: request.expires().map(u64::from),
        anonymous: trust::wants_anonymity(request),
        return_address: return_address(request, identities, secret),
    }
}

/// The listed headers as they came (DEF-1a, DEF-2a); the identity is not taken from here but from whom we believe.
pub(super) fn kept(
    request: &Request,
    names: &[KeptName],
    identities: &[String],
    received_at: Timestamp,
) -> Vec<KeptHeader> {
    let listed = |header: &Header| {
        let name = names.iter().find(|name| header.name.eq_ignore_ascii_case(name.wire()))?;
        let value = Octets::from(&header.value[..]);
        (*name != KeptName::PAssertedIdentity).then_some(KeptHeader { name: *name, value })
    };
    let mut headers: Vec<KeptHeader> = request.headers.iter().filter_map(listed).collect();
    if !trust::wants_anonymity(request) {
        let asserted = |identity: &String| KeptHeader {
            name: KeptName::PAssertedIdentity,
            value: Octets::from(identity.as_str()),
        };
        headers.extend(identities.iter().map(asserted));
    }
    if !headers.iter().any(|header| header.name == KeptName::Date) {
        headers.push(KeptHeader { name: KeptName::Date, value: Octets::from(received_at.sip_date().as_str()) });
    }
    headers
}

/// I-18: who asked for anonymity is owed notifications all the same; nobody else can read where to.
pub(super) fn return_address(request: &Request, identities: &[String], secret: SeedSecret) -> Option<String> {
    let address = bare_uri(identities.first()?);
    Some(if trust::wants_anonymity(request) { secret.seal(&origin(request), &address) } else { address })
}

fn bare_uri(identity: &str) -> String {
    let uri = NameAddr::parse(identity).map_or_else(|_| identity.to_owned(), |address| address.uri);
    Uri::parse(&uri).map_or(uri, |uri| uri.to_string())
}

/// Only CPIM has them: the body itself, or a part of it beside the recipient list (DEF-1a-vii).
fn imdn_of(request: &Request) -> Option<Imdn> {
    let parts = sip::parts(request.headers.get("Content-Type")?, &request.body, PARTS_MAX).ok()?;
    imdn(&parts.into_iter().find(|part| part.media_type() == "message/cpim")?.body)
}

/// DEF-1b: what IMDN needs of a CPIM body, of which the first octets are enough.
pub(super) fn imdn(cpim: &[u8]) -> Option<Imdn> {
    let cpim = cpim::read(cpim)?;
    Some(Imdn {
        message_id: cpim.message_id,
        date_time: cpim.date_time,
        dispositions: cpim.dispositions,
        from: cpim.from,
        to: cpim.to,
        original_to: cpim.original_to,
        record_routes: cpim.record_routes,
    })
}
