//! What a request asks of us: an answer, a command for a user's queue, or to be passed on.

use super::challenge::Gate;
use super::large::Invitation;
use super::manage::{self, Management};
use super::reg_event::{self, Order};
use super::reply::{self, ReplyContext};
use super::{RealmSettings, Settings, defer, forward, large, register, trust};
use crate::config::Transport;
use crate::net::Target;
use crate::queue::command::Command;
use crate::sip::{Method, Request, Response};
use crate::types::{Address, OriginKey, SeedSecret, Timestamp};
use bytes::Bytes;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

/// Methods we serve, for `Allow`.
pub(super) const SERVED: [Method; 9] = [
    Method::Invite,
    Method::Ack,
    Method::Cancel,
    Method::Bye,
    Method::Update,
    Method::Message,
    Method::Notify,
    Method::Options,
    Method::Register,
];

/// A request as it came in.
#[derive(Clone, Copy)]
pub struct Receipt<'a> {
    pub request: &'a Request,
    pub peer: SocketAddr,
    pub transport: Transport,
    pub received_at: Timestamp,
}

/// What is to be done with it.
pub enum Received {
    Answer(Response),
    Command(Box<Verb>),
    /// A management INVITE that may be acted on.
    Manage(Box<Management>),
    /// An INVITE with a large message that may be taken (DEF-2).
    Large(Box<Invitation>),
    /// A NOTIFY of the reg event: for the subscriptions.
    Notify,
    /// Our own delivery came back by the filter criteria: on to its next Route entry (spec 1.3, "Loop trap").
    Forward {
        request: Request,
        target: Target,
    },
    /// Nothing can be answered (an ACK).
    Nothing,
}

/// A command for a served user's queue, with what its answer needs.
pub struct Verb {
    pub user: Address,
    pub realm: Arc<RealmSettings>,
    pub command: Command,
    /// The body of a message to be deferred.
    pub body: Option<Bytes>,
    pub context: ReplyContext,
    /// What a third-party REGISTER means for the subscription to the user's registration state, once it is accepted.
    pub order: Option<Order>,
}

/// Requests are full of personal data, so only their outline is shown.
impl fmt::Debug for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answer(response) => write!(f, "Answer({})", response.status),
            Self::Command(verb) => f.debug_tuple("Command").field(verb).finish(),
            Self::Manage(management) => f.debug_tuple("Manage").field(management).finish(),
            Self::Large(invitation) => f.debug_tuple("Large").field(invitation).finish(),
            Self::Forward { request, .. } => write!(f, "Forward({})", request.method),
            Self::Notify => f.write_str("Notify"),
            Self::Nothing => f.write_str("Nothing"),
        }
    }
}

/// The user is shown by their key.
impl fmt::Debug for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (user, body) = (&self.user, self.body.as_ref().map(Bytes::len));
        let mut shown = f.debug_struct("Verb");
        shown.field("user", user).field("command", &self.command).field("body", &body).finish_non_exhaustive()
    }
}

/// Dispatches by method, after the checks that hold for all (RFC 3261 section 8.2).
#[must_use]
pub fn receive(settings: &Settings, gate: &Gate, secret: SeedSecret, receipt: Receipt) -> Received {
    let request = receipt.request;
    if request.method == Method::Ack {
        return Received::Nothing;
    }
    if request.method == Method::Message && secret.made(request.call_id().unwrap_or_default()) {
        let trusted = trust::is_trusted(settings, receipt.peer.ip());
        return forward::on(settings, request, trusted);
    }
    if request.method == Method::Notify {
        let inspected = inspect(settings, request, &[]);
        let inspected = inspected.and_then(|()| reg_event::inspect(settings, request, receipt.peer.ip()));
        return inspected.map_or_else(Received::Answer, |()| Received::Notify);
    }
    let outcome = match request.method {
        Method::Message => {
            inspect(settings, request, &[]).and_then(|()| defer::receive(settings, gate, secret, receipt))
        }
        Method::Register => inspect(settings, request, &[]).and_then(|()| register::receive(settings, gate, receipt)),
        Method::Options => inspect(settings, request, &[]).and_then(|()| Err(reply::options(settings, request))),
        // What belongs to a dialog was answered by `net`; here comes only what belongs to none (RFC 3261 section 12.2.2).
        Method::Invite if request.to_tag().is_some() => Err(reply::plain(settings, request, 481)),
        Method::Invite => return invite(settings, gate, secret, receipt),
        Method::Cancel | Method::Bye | Method::Update => Err(reply::plain(settings, request, 481)),
        _ => Err(reply::not_allowed(settings, request)),
    };
    outcome.map_or_else(Received::Answer, |verb| Received::Command(Box::new(verb)))
}

/// A new call: for the management of deferred messages (MNG-0), or with a large message (DEF-2).
fn invite(settings: &Settings, gate: &Gate, secret: SeedSecret, receipt: Receipt) -> Received {
    let request = receipt.request;
    if manage::is_management(settings, &request.uri) {
        let inspected = inspect(settings, request, &manage::EXTENSIONS);
        let management = inspected.and_then(|()| manage::receive(settings, gate, receipt));
        return management.map_or_else(Received::Answer, |management| Received::Manage(Box::new(management)));
    }
    if secret.made(request.call_id().unwrap_or_default()) {
        return forward::on(settings, request, trust::is_trusted(settings, receipt.peer.ip()));
    }
    let Some(large) = settings.large else { return Received::Answer(reply::not_allowed(settings, request)) };
    let inspected = inspect(settings, request, &large::EXTENSIONS);
    let invitation = inspected.and_then(|()| large::receive(settings, &large, gate, secret, receipt));
    invitation.map_or_else(Received::Answer, |invitation| Received::Large(Box::new(invitation)))
}

/// RFC 3261 section 8.2.2.3: an extension that we do not know may not be required of us; `besides` are known for this
/// method. Max-Forwards is no affair of an endpoint: at 0 the request has still come to where it goes (RFC 4475 section
/// 3.3.11).
fn inspect(settings: &Settings, request: &Request, besides: &[&str]) -> Result<(), Response> {
    let required = request.headers.all("Require").flat_map(|line| line.split(',')).map(str::trim);
    let known = || reply::SUPPORTED.iter().chain(besides);
    let supported = |tag: &str| known().any(|known| known.eq_ignore_ascii_case(tag));
    let unknown: Vec<&str> = required.filter(|tag| !tag.is_empty() && !supported(tag)).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let mut response = reply::plain(settings, request, 420);
    response.headers.push("Unsupported", unknown.join(", "));
    Err(response)
}

/// The user a terminating request is for (spec 4.2, P-Served-User), and their realm.
///
/// # Errors
/// 404 if no realm of ours serves the address (also if it is no address at all).
pub(super) fn served(
    settings: &Settings,
    request: &Request,
    address: &str,
) -> Result<(Address, Arc<RealmSettings>), Response> {
    let not_found = || reply::plain(settings, request, 404);
    let address = Address::parse(address).map_err(|_| not_found())?;
    if address.host().is_empty() {
        let realm = settings.home().ok_or_else(not_found)?;
        return Ok((address.in_realm(&realm.name), Arc::clone(realm)));
    }
    let realm = settings.realm(address.host()).ok_or_else(not_found)?;
    Ok((address, Arc::clone(realm)))
}

/// What makes a request recognisable when it comes again.
pub(super) fn origin(request: &Request) -> OriginKey {
    let cseq = request.headers.get("CSeq").unwrap_or_default();
    OriginKey::of(request.call_id().unwrap_or_default(), &request.from_tag().unwrap_or_default(), cseq)
}
