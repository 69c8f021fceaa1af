//! Answers: replies of the queue and refusals of our own become SIP responses (WX-2, WX-3-200).

use super::Settings;
use super::receive::{SERVED, origin};
use crate::queue::effect::{BoundContact, Reply};
use crate::sip::{NameAddr, Request, Response, allow, reason_phrase};
use crate::types::{OriginKey, Timestamp};
use std::fmt;

/// Option tags that may be required of us.
pub(super) const SUPPORTED: [&str; 1] = ["path"];

/// What the answer to a command needs of its request.
#[derive(Clone)]
pub struct ReplyContext {
    request: Request,
    /// Made from the request, so that the same request gets the same answer, also after a restart.
    to_tag: String,
    kind: Kind,
}

#[derive(Clone)]
enum Kind {
    Message {
        trusted: bool,
        /// The recipient's realm, by its domain.
        realm: String,
    },
    /// A client's own REGISTER: its bindings are listed.
    Register,
    /// A third-party REGISTER: its Contact is echoed with the Expires it asked for.
    ThirdParty { contact: Option<String>, expires_secs: u32 },
    /// A NOTIFY of the reg event.
    Notify,
    /// An INVITE, for management or with a large message.
    Invite,
}

/// The request is full of personal data.
impl fmt::Debug for ReplyContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplyContext").field("to_tag", &self.to_tag).finish_non_exhaustive()
    }
}

impl ReplyContext {
    pub(super) fn message(request: &Request, origin: OriginKey, trusted: bool, realm: &str) -> Self {
        Self::new(request, origin, Kind::Message { trusted, realm: realm.to_owned() })
    }

    pub(super) fn register(request: &Request, origin: OriginKey) -> Self {
        Self::new(request, origin, Kind::Register)
    }

    pub(super) fn third_party(
        request: &Request,
        origin: OriginKey,
        contact: Option<String>,
        expires_secs: u32,
    ) -> Self {
        Self::new(request, origin, Kind::ThirdParty { contact, expires_secs })
    }

    /// Of a NOTIFY of the reg event that the subscription took.
    #[must_use]
    pub fn notify(request: &Request) -> Self {
        Self::new(request, origin(request), Kind::Notify)
    }

    pub(super) fn invite(request: &Request, origin: OriginKey) -> Self {
        Self::new(request, origin, Kind::Invite)
    }

    /// Keeps what a response copies (RFC 3261 section 8.2.6.2); the body is not among it.
    fn new(request: &Request, origin: OriginKey, kind: Kind) -> Self {
        let request = Request { body: bytes::Bytes::new(), ..request.clone() };
        Self { request, to_tag: to_tag(origin), kind }
    }
}

/// The response for what the queue said.
#[must_use]
pub fn reply(settings: &Settings, context: &ReplyContext, reply: &Reply, now: Timestamp) -> Response {
    let respond = |status: u16, reason: &str| {
        let mut response = Response::to(&context.request, status, reason, &context.to_tag);
        response.headers.push("Server", settings.release.clone());
        response
    };
    match reply {
        Reply::Accepted => {
            let mut response = respond(202, reason_phrase(202));
            if let Kind::Message { trusted: true, realm } = &context.kind {
                echo_charging(realm, &context.request, &mut response);
            }
            response
        }
        // INVITEs are answered by their own procedures.
        Reply::Managed | Reply::NothingToManage | Reply::Invited => respond(500, reason_phrase(500)),
        // That there are too many clients here is no reason for the notifier to end the subscription; only "later" is.
        Reply::Refused { status, .. } if matches!(context.kind, Kind::Notify) && *status != 503 => {
            respond(200, reason_phrase(200))
        }
        Reply::Refused { status, reason, retry_after_secs } => {
            let mut response = respond(*status, reason);
            if let Some(secs) = retry_after_secs {
                response.headers.push("Retry-After", secs.to_string());
            }
            response
        }
        Reply::Registered(bindings) => {
            let mut response = respond(200, reason_phrase(200));
            contacts(context, bindings, &mut response);
            response.headers.push("Date", now.sip_date());
            response
        }
    }
}

fn contacts(context: &ReplyContext, bindings: &[BoundContact], response: &mut Response) {
    match &context.kind {
        Kind::ThirdParty { contact: Some(contact), expires_secs } => {
            response.headers.push("Contact", format!("<{contact}>;expires={expires_secs}"));
        }
        Kind::Register => {
            for binding in bindings {
                let instance =
                    binding.instance.as_ref().map(|instance| format!(";+sip.instance={}", NameAddr::quote(instance)));
                let (contact, expires) = (&binding.contact, binding.expires_secs);
                let value = format!("<{contact}>;expires={expires}{}", instance.unwrap_or_default());
                response.headers.push("Contact", value);
            }
            // RFC 3327 section 5.3: the path taken is told to the client.
            for path in context.request.headers.all("Path") {
                response.headers.push("Path", path.to_owned());
            }
        }
        Kind::ThirdParty { contact: None, .. } | Kind::Message { .. } | Kind::Notify | Kind::Invite => {}
    }
}

/// WX-2: the sender's network correlates by the icid it sent; we add whose network answered.
pub(super) fn echo_charging(realm: &str, request: &Request, response: &mut Response) {
    if let Some(vector) = request.headers.get("P-Charging-Vector") {
        let told = vector.to_ascii_lowercase().contains("term-ioi");
        let term = if told { String::new() } else { format!(";term-ioi={realm}") };
        response.headers.push("P-Charging-Vector", format!("{vector}{term}"));
    }
}

/// The tag of all answers to one request.
pub(super) fn to_tag(origin: OriginKey) -> String {
    format!("pf-{}", &origin.to_string()[..16])
}

/// A response of our own with the usual reason phrase.
pub(super) fn plain(settings: &Settings, request: &Request, status: u16) -> Response {
    because(settings, request, status, reason_phrase(status))
}

/// A response of our own that says why.
pub(super) fn because(settings: &Settings, request: &Request, status: u16, reason: &str) -> Response {
    let origin = origin(request);
    let mut response = Response::to(request, status, reason, &to_tag(origin));
    response.headers.push("Server", settings.release.clone());
    response
}

/// 405 with what we do serve.
pub(super) fn not_allowed(settings: &Settings, request: &Request) -> Response {
    let mut response = plain(settings, request, 405);
    response.headers.push("Allow", allow(&SERVED));
    response
}

/// The answer to OPTIONS (RFC 3261 section 11.2).
pub(super) fn options(settings: &Settings, request: &Request) -> Response {
    let mut response = plain(settings, request, 200);
    response.headers.push("Allow", allow(&SERVED));
    response.headers.push("Accept", "*/*");
    response.headers.push("Accept-Encoding", "identity");
    response.headers.push("Accept-Language", "*");
    // `timer` is for calls (RFC 4028), so it may not be required of every request.
    response.headers.push("Supported", format!("{}, timer", SUPPORTED.join(", ")));
    response
}

impl Settings {
    /// 503 with Retry-After: too much is waiting, try again.
    #[must_use]
    pub fn unavailable(&self, context: &ReplyContext) -> Response {
        let refused = Reply::Refused {
            status: 503,
            reason: reason_phrase(503).to_owned(),
            retry_after_secs: Some(self.retry_after_secs),
        };
        reply(self, context, &refused, Timestamp::default())
    }
}
