//! Registrations: a client's own REGISTER, and the third-party REGISTER of an S-CSCF (WX-3).

use super::challenge::Gate;
use super::receive::{Receipt, Verb, origin, served};
use super::reg_event::{Interest, Order};
use super::reply::{self, ReplyContext};
use super::{RealmSettings, Settings, tags, trust};
use crate::config::Registrations;
use crate::queue::command::{Binding, Command, Register};
use crate::queue::event::{Client, Flow, Gone, Source};
use crate::sip::{Limits, Message, NameAddr, Request, Response, datagram, delta_seconds, split_list};
use crate::types::{Address, ClientId, Timestamp};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

/// Registration life if a third-party REGISTER does not say.
const DEFAULT_EXPIRES_SECS: u32 = 3600;
/// Parts of a third-party REGISTER's body that are looked at.
const PARTS_MAX: usize = 16;

/// A REGISTER for a user of ours.
///
/// # Errors
/// The response that refuses or challenges it.
pub(super) fn receive(settings: &Settings, gate: &Gate, receipt: Receipt) -> Result<Verb, Response> {
    let request = receipt.request;
    let trusted = trust::is_trusted(settings, receipt.peer.ip());
    let to = NameAddr::list(&request.headers, "To").into_iter().next().map(|to| to.uri).unwrap_or_default();
    let (user, realm) = served(settings, request, &to)?;
    if trusted && is_third_party(request, &to) {
        return Ok(third_party(request, user, realm, &to, receipt.received_at));
    }
    if !trusted && realm.digest && gate.authenticate(settings, request, &realm, receipt.received_at)? != user.user() {
        return Err(reply::plain(settings, request, 403));
    }
    let changes = own_bindings(settings, &realm, receipt)?;
    let context = ReplyContext::register(request, origin(request));
    let command = Command::Register(Register { source: Source::Client, changes });
    Ok(Verb { user, realm, command, body: None, context, order: None })
}

/// From is not the user: an S-CSCF registers on their behalf (TS 24.229 section 5.4.1.7).
fn is_third_party(request: &Request, to: &str) -> bool {
    let from = NameAddr::list(&request.headers, "From");
    from.first().is_none_or(|from| Address::parse(&from.uri) != Address::parse(to))
}

/// What a REGISTER, own or embedded, says of its contacts.
struct Told<'a> {
    request: &'a Request,
    source: Source,
    route: Vec<String>,
    flow: Option<Flow>,
    now: Timestamp,
}

impl Told<'_> {
    fn client(&self, contact: &NameAddr, secs: u32) -> Client {
        let instance = contact.param("+sip.instance").map(std::borrow::Cow::into_owned);
        Client {
            id: client_id(contact),
            instance,
            contact: contact.uri.clone(),
            tags: tags::feature_tags(&contact.params),
            source: self.source,
            route: self.route.clone(),
            flow: self.flow,
            call_id: self.request.call_id().unwrap_or_default().to_owned(),
            cseq: self.request.cseq().map_or(0, |(number, _)| number),
            registered_at: self.now,
            expires_at: self.now.after(Duration::from_secs(secs.into())),
        }
    }
}

/// A client is its instance, else its contact.
pub(super) fn client_id(contact: &NameAddr) -> ClientId {
    ClientId(contact.param("+sip.instance").map_or_else(|| contact.uri.clone(), std::borrow::Cow::into_owned))
}

/// Expires of one contact: its parameter, else the header, else the default (RFC 3261 section 10.3). What is no number
/// counts as the default (sections 20.10 and 20.19).
fn asked_secs(request: &Request, contact: &NameAddr, default: u32) -> u32 {
    let asked = contact.param("expires").map_or_else(|| request.expires(), |value| delta_seconds(value.trim()));
    asked.unwrap_or(default)
}

/// RFC 3261 section 10.3, steps 6 and 7.
fn own_bindings(settings: &Settings, realm: &RealmSettings, receipt: Receipt) -> Result<Vec<Binding>, Response> {
    let request = receipt.request;
    let contacts = NameAddr::list(&request.headers, "Contact");
    if contacts.len() != request.headers.all("Contact").flat_map(split_list).count() {
        // Left out, it would not be registered, and nobody would know.
        return Err(reply::because(settings, request, 400, "Malformed Contact"));
    }
    if contacts.iter().any(NameAddr::is_wildcard) {
        let alone = contacts.len() == 1 && request.expires() == Some(0);
        return if alone {
            Ok(vec![Binding::RemoveAll(Gone::Explicit)])
        } else {
            Err(reply::because(settings, request, 400, "Wildcard Contact Needs Expires 0"))
        };
    }
    let flow = Flow { reliable: receipt.transport.is_reliable(), peer: receipt.peer };
    let route = NameAddr::list(&request.headers, "Path").into_iter().map(|path| path.uri).collect();
    let told = Told { request, source: Source::Client, route, flow: Some(flow), now: receipt.received_at };
    contacts.iter().map(|contact| own_binding(settings, realm, &told, contact)).collect()
}

fn own_binding(
    settings: &Settings,
    realm: &RealmSettings,
    told: &Told,
    contact: &NameAddr,
) -> Result<Binding, Response> {
    let asked = asked_secs(told.request, contact, DEFAULT_EXPIRES_SECS);
    if asked == 0 {
        return Ok(Binding::Remove(client_id(contact)));
    }
    // RFC 3261 section 10.3 step 7: who asks for an hour or more is never told that it is too brief.
    if asked < realm.registration_min_secs.min(DEFAULT_EXPIRES_SECS) {
        let mut response = reply::plain(settings, told.request, 423);
        response.headers.push("Min-Expires", realm.registration_min_secs.to_string());
        return Err(response);
    }
    Ok(Binding::Bind(told.client(contact, asked.min(realm.registration_max_secs))))
}

/// It tells that somebody registered; who, only its body can say, or the reg event.
fn third_party(request: &Request, user: Address, realm: Arc<RealmSettings>, to: &str, now: Timestamp) -> Verb {
    let contact = NameAddr::list(&request.headers, "Contact").into_iter().find(|contact| !contact.is_wildcard());
    let from = NameAddr::list(&request.headers, "From").into_iter().next();
    let hop = contact.clone().or(from).map(|address| address.uri).unwrap_or_default();
    let secs = contact.as_ref().map_or_else(
        || request.expires().unwrap_or(DEFAULT_EXPIRES_SECS),
        |contact| asked_secs(request, contact, DEFAULT_EXPIRES_SECS),
    );
    let follows = realm.registrations == Registrations::RegEvent;
    let context = ReplyContext::third_party(request, origin(request), contact.map(|contact| contact.uri), secs);
    let (changes, order) = if secs == 0 {
        (vec![Binding::RemoveAll(Gone::Network)], follows.then(|| Order::Leave(user.key())))
    } else if let Some(changes) = told_by_body(request, &hop, secs, now) {
        (changes, None)
    } else {
        let nameless = nameless(request, &hop, secs, now);
        if follows {
            let until = now.after(Duration::from_secs(secs.into()));
            let (user, realm, resource) = (user.clone(), Arc::clone(&realm), to.to_owned());
            let interest = Interest { user, realm, resource, hop, until, nameless: Some(nameless) };
            (Vec::new(), Some(Order::Follow(Box::new(interest))))
        } else {
            (vec![Binding::BindNameless(nameless)], None)
        }
    };
    let command = Command::Register(Register { source: Source::Network, changes });
    Verb { user, realm, command, body: None, context, order }
}

/// The clients that the embedded REGISTER or its 200 names; `None` if there is none that names any.
fn told_by_body(request: &Request, hop: &str, secs: u32, now: Timestamp) -> Option<Vec<Binding>> {
    let embedded = embedded(request)?;
    let (headers, inner) = match &embedded {
        Message::Request(inner) => (&inner.headers, inner),
        Message::Response(inner) => (&inner.headers, request),
    };
    let told = Told { request: inner, source: Source::Network, route: vec![hop.to_owned()], flow: None, now };
    let contacts = NameAddr::list(headers, "Contact");
    if contacts.iter().any(NameAddr::is_wildcard) {
        return Some(vec![Binding::RemoveAll(Gone::Network)]);
    }
    let bindings: Vec<Binding> = contacts.iter().map(|contact| network_binding(&told, contact, secs)).collect();
    (!bindings.is_empty()).then_some(bindings)
}

/// Somebody behind the S-CSCF, who stands for all clients that it does not name.
fn nameless(request: &Request, hop: &str, secs: u32, now: Timestamp) -> Client {
    let told = Told { request, source: Source::Network, route: vec![hop.to_owned()], flow: None, now };
    Client { call_id: String::new(), ..told.client(&NameAddr::of(hop), secs) }
}

/// The outer Expires is what the network granted: the longest of all contacts, so none lives longer.
fn network_binding(told: &Told, contact: &NameAddr, granted: u32) -> Binding {
    match asked_secs(told.request, contact, granted) {
        0 => Binding::Remove(client_id(contact)),
        asked => Binding::Bind(told.client(contact, asked.min(granted))),
    }
}

/// The `message/sip` in the body, alone or in a multipart.
fn embedded(request: &Request) -> Option<Message> {
    let media = request.headers.get("Content-Type")?;
    if is_sip(media) {
        return parse(&request.body);
    }
    let parts = crate::sip::parts(media, &request.body, PARTS_MAX).ok()?;
    let part = parts.into_iter().find(|part| part.headers.get("Content-Type").is_some_and(is_sip))?;
    parse(&part.body)
}

fn is_sip(media: &str) -> bool {
    media.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("message/sip")
}

fn parse(bytes: &Bytes) -> Option<Message> {
    datagram(bytes, &Limits::default()).ok()
}
