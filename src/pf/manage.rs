//! Management of deferred messages by a client (8.3.2.3.2, MNG-0 … MNG-2): the INVITE to `CPMDeferredMsgMgmt` and the
//! answers to it (WX-6, WX-7, WX-8). What is done with the messages is `queue`'s affair, once the ACK has come (I-13).
//!
//! No feature tag is asked for: who calls this address means this service, whatever their network made of the
//! Accept-Contact.

use super::body::{self, BodyFault};
use super::challenge::Gate;
use super::receive::{Receipt, origin, served};
use super::register::client_id;
use super::reply::{self, ReplyContext};
use super::{RealmSettings, Settings, defer, trust};
use crate::config::Transport;
use crate::formats::Limits;
use crate::formats::resource_lists::{self, ENTRIES_MAX, Entry, Requested};
use crate::formats::sdp::{self, Offer, Own};
use crate::queue::command::{Item, Manage};
use crate::queue::event::Action;
use crate::sip::{Headers, NameAddr, Part, Request, Response, Scheme, Uri, delta_seconds};
use crate::types::{Address, ClientId, MessageId, Timestamp};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// The user part of the address for management (MNG-0).
pub const USER: &str = "CPMDeferredMsgMgmt";
/// Option tags that a management INVITE may require of us (spec 4.5, RFC 4028).
pub const EXTENSIONS: [&str; 2] = ["recipient-list-invite", "timer"];

/// Shortest session interval (RFC 4028 section 4), seconds.
const MIN_SE: u32 = 90;

/// A management INVITE that may be acted on.
#[derive(Debug)]
pub struct Management {
    pub user: Address,
    pub realm: Arc<RealmSettings>,
    pub manage: Manage,
    /// For refusals by the queue or for want of room.
    pub context: ReplyContext,
    /// For [`accepted`] and [`no_messages`].
    pub opening: Opening,
}

/// What the answers need of the INVITE.
#[derive(Clone)]
pub struct Opening {
    /// Without its body.
    request: Request,
    offer: Option<Offer>,
    timer: Option<Timer>,
    transport: Transport,
    received_at: Timestamp,
}

/// The session timer asked for.
#[derive(Clone, Copy)]
struct Timer {
    secs: u32,
    by_us: bool,
}

/// The request is full of personal data.
impl fmt::Debug for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opening").field("offer", &self.offer).finish_non_exhaustive()
    }
}

/// Whether a request is for the management address: of our own host, or of a realm.
#[must_use]
pub fn is_management(settings: &Settings, uri: &str) -> bool {
    let Ok(uri) = Uri::parse(uri) else { return false };
    let host = uri.host.trim_matches(['[', ']']);
    let ip = host.parse::<IpAddr>().ok();
    let ours = host.eq_ignore_ascii_case(settings.host.trim_matches(['[', ']']))
        || settings.realm(host).is_some()
        || settings.listening.iter().any(|listen| ip == Some(listen.address.ip()));
    let named = uri.user.as_deref().is_some_and(|user| user.eq_ignore_ascii_case(USER));
    ours && named && matches!(uri.scheme, Scheme::Sip | Scheme::Sips)
}

/// MNG-0. Everything that can be wrong is told now, because after the 200 OK nothing can be (I-19).
///
/// # Errors
/// 404 for another address, 401 or 403 if nobody we serve is proven to ask (I-38), 400, 413 or 415 for the body, 422 for
/// too short a session interval.
pub fn receive(settings: &Settings, gate: &Gate, receipt: Receipt) -> Result<Management, Response> {
    let request = receipt.request;
    if !is_management(settings, &request.uri) {
        return Err(reply::plain(settings, request, 404));
    }
    let (user, realm) = owner(settings, gate, receipt)?;
    let client = client(settings, request)?;
    let timer = timer(settings, request)?;
    defer::readable(settings, request)?;
    let Body { offer, list } = body(request).map_err(|fault| fault.answer(settings, request))?;
    let list = list.map(|entries| items(settings, &entries));
    let context = ReplyContext::invite(request, origin(request));
    let kept = Request { body: bytes::Bytes::new(), ..request.clone() };
    let (transport, received_at) = (receipt.transport, receipt.received_at);
    let opening = Opening { request: kept, offer, timer, transport, received_at };
    Ok(Management { user, realm, manage: Manage { client, list }, context, opening })
}

/// I-38: only the owner manages a queue.
fn owner(settings: &Settings, gate: &Gate, receipt: Receipt) -> Result<(Address, Arc<RealmSettings>), Response> {
    let identities = trust::identities(settings, gate, receipt)?;
    let uris = identities.iter().filter_map(|identity| NameAddr::parse(identity).ok());
    let mut ours = uris.filter_map(|identity| served(settings, receipt.request, &identity.uri).ok());
    ours.next().ok_or_else(|| reply::plain(settings, receipt.request, 403))
}

/// Who asks, by the name that its registration has: its instance, which a GRUU says as well (RFC 5627 section 3.1).
fn client(settings: &Settings, request: &Request) -> Result<ClientId, Response> {
    let contact = NameAddr::list(&request.headers, "Contact").into_iter().next();
    let contact = contact.filter(|contact| !contact.is_wildcard());
    let contact = contact.ok_or_else(|| reply::because(settings, request, 400, "Missing Contact"))?;
    let gruu = || {
        let uri = Uri::parse(&contact.uri).ok()?;
        let gr = uri.params.iter().find(|(name, _)| name.eq_ignore_ascii_case("gr"))?.1.as_deref()?;
        gr.starts_with("urn:").then(|| ClientId(format!("<{gr}>")))
    };
    Ok(contact.param("+sip.instance").is_none().then(gruu).flatten().unwrap_or_else(|| client_id(&contact)))
}

/// RFC 4028 section 9.
fn timer(settings: &Settings, request: &Request) -> Result<Option<Timer>, Response> {
    let tags = ["Supported", "Require"].into_iter().flat_map(|name| request.headers.all(name));
    let understood = tags.flat_map(|line| line.split(',')).any(|tag| tag.trim().eq_ignore_ascii_case("timer"));
    let Some(value) = request.headers.get("Session-Expires").filter(|_| understood) else { return Ok(None) };
    let mut params = value.split(';').map(str::trim);
    let Some(secs) = params.next().and_then(delta_seconds) else {
        return Err(reply::because(settings, request, 400, "Malformed Session-Expires"));
    };
    if secs < MIN_SE {
        let mut response = reply::plain(settings, request, 422);
        response.headers.push("Min-SE", MIN_SE.to_string());
        return Err(response);
    }
    let by_us = params.any(|param| {
        let (name, value) = param.split_once('=').unwrap_or((param, ""));
        name.trim().eq_ignore_ascii_case("refresher") && value.trim().eq_ignore_ascii_case("uas")
    });
    Ok(Some(Timer { secs, by_us }))
}

/// What a body says.
#[derive(Default)]
struct Body {
    offer: Option<Offer>,
    list: Option<Vec<Entry>>,
}

/// A session description, a list, both in a multipart, or nothing.
fn body(request: &Request) -> Result<Body, BodyFault> {
    let mut body = Body::default();
    for part in &body::parts(request)? {
        body.take(part)?;
    }
    Ok(body)
}

impl Body {
    fn take(&mut self, part: &Part) -> Result<(), BodyFault> {
        let twice = match part.media_type().as_str() {
            sdp::CONTENT_TYPE => self.offer.replace(Offer::read(&part.body)?).is_some(),
            body::LIST => {
                let list = resource_lists::read(&part.body, &Limits::default(), ENTRIES_MAX)?;
                self.list.replace(list).is_some()
            }
            _ if body::is_optional(&part.headers) => false,
            _ => return Err(BodyFault::Unknown),
        };
        if twice { Err(BodyFault::TWICE) } else { Ok(()) }
    }
}

/// The entries that name a message of ours and want one known thing (spec 1.4). The others are left out without a word,
/// so that nobody learns which names exist.
fn items(settings: &Settings, entries: &[Entry]) -> Vec<Item> {
    let item = |entry: &Entry| {
        let Requested::Action(action) = entry.requested else { return None };
        Some(Item { message: message(settings, &entry.uri)?, action: wanted(action) })
    };
    entries.iter().filter_map(item).collect()
}

/// Our message-URI-IDs are 32 lower-case hexadecimal digits at our host (I-21).
fn message(settings: &Settings, uri: &str) -> Option<MessageId> {
    let uri = Uri::parse(uri).ok().filter(|uri| uri.scheme == Scheme::Sip)?;
    let user = uri.user.filter(|_| uri.host.eq_ignore_ascii_case(&settings.host))?;
    MessageId::from_hex(&user).filter(|id| id.to_string() == user)
}

const fn wanted(action: resource_lists::Action) -> Action {
    match action {
        resource_lists::Action::Deliver => Action::Deliver,
        resource_lists::Action::Delete => Action::Delete,
        resource_lists::Action::Store => Action::Store,
        resource_lists::Action::Interwork => Action::Interwork,
    }
}

/// MNG-2, WX-7: the dialog stands, without media (I-13).
#[must_use]
pub fn accepted(settings: &Settings, opening: &Opening) -> Response {
    let mut response = respond(opening, 200);
    for line in opening.request.headers.iter().filter(|header| header.name.eq_ignore_ascii_case("Record-Route")) {
        response.headers.push("Record-Route", line.value.clone());
    }
    // The order of the example: Record-Route stands with Via, before the dialog's own headers.
    let (first, rest): (Vec<_>, Vec<_>) =
        response.headers.iter().cloned().partition(|header| header.name == "Via" || header.name == "Record-Route");
    let mut headers = Headers::with_capacity(first.len() + rest.len() + 7);
    for header in first.into_iter().chain(rest) {
        headers.push(header.name, header.value);
    }
    headers.push("Contact", format!("<{}>", settings.contact(opening.transport)));
    headers.push("P-Asserted-Identity", settings.identity());
    if let Some(timer) = opening.timer {
        if !timer.by_us {
            headers.push("Require", "timer");
        }
        let refresher = if timer.by_us { "uas" } else { "uac" };
        headers.push("Session-Expires", format!("{};refresher={refresher}", timer.secs));
    }
    headers.push("Server", settings.release.clone());
    headers.push("Content-Type", sdp::CONTENT_TYPE);
    let own = own(settings, opening);
    let body = opening.offer.as_ref().map_or_else(|| own.empty_offer(), |offer| offer.refuse(&own));
    Response { headers, body: body.into(), ..response }
}

/// MNG-1, WX-8, I-10: there is nothing to manage.
#[must_use]
pub fn no_messages(settings: &Settings, opening: &Opening) -> Response {
    let mut response = respond(opening, 488);
    response.headers.push("Warning", format!("399 {} \"125 No messages\"", settings.host));
    response.headers.push("Server", settings.release.clone());
    response
}

fn respond(opening: &Opening, status: u16) -> Response {
    let tag = reply::to_tag(origin(&opening.request));
    Response::to(&opening.request, status, "", &tag)
}

/// Where we are: the socket that was called, if it has an address of its own.
fn own(settings: &Settings, opening: &Opening) -> Own {
    let sockets = settings.listening.iter().filter(|listen| listen.transport == opening.transport);
    let mut addresses = sockets.chain(&settings.listening).map(|listen| listen.address.ip());
    let address = addresses.find(|ip| !ip.is_unspecified()).unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    Own { session_id: body::session_id(opening.received_at), version: 1, address }
}
