//! What each thing that can be asked of the API needs, and whether the one who asks has it: the one place for both.

use super::caller::{Caller, Callers, Evidence, Stranger};
use super::connection::Peer;
use super::problem::Problem;
use super::trail::{self, Refusals, Trace, template};
use crate::config::Role;
use crate::metrics::AdminRefusal;
use crate::types::{Address, UserKey};
use actix_web::body::BoxBody;
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::{StatusCode, header};
use actix_web::middleware::Next;
use actix_web::{Error, FromRequest, HttpMessage as _, HttpRequest, HttpResponse, web};
use std::future::{Ready, ready};

/// What can be done with the API, as far as it matters who does it. Every route names one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Right {
    /// Whether the server lives and how it does: no secret.
    Watch,
    /// Policies, and the names of realms; an operator sees those of own realms.
    ReadPolicies,
    /// What decides in a realm.
    ReadRealm,
    /// What a policy would have decided in a realm.
    AskPast,
    /// A component comes, checked for a realm.
    Upload,
    /// What decides in a realm changes, or what is in its shadow.
    Bind,
    /// What decided before decides again.
    RollBack,
    /// A component goes; the port sees to it that it is no other realm's, too.
    Retire,
    /// What operators did; an operator sees what is of own realms, or of all.
    ReadEntries,
    /// What is of the users of a realm: preferences, message store.
    Users,
    /// Notifications of all realms.
    Outbox,
}

/// Which operators may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operators {
    /// Of any realm.
    Any,
    /// Of all realms.
    All,
    /// Of the realm in the path.
    OfPath,
    /// Of the realm in the query; without it, of all realms or of only one.
    OfQuery,
    /// Of the realm in the body, which the handler gets to see; without it, of all realms or of only one.
    OfBody,
    /// Of the realm of the user in the path.
    OfUser,
}

/// Who may: one line of the matrix in `docs/operators.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Roles {
    pub(super) operators: Operators,
    pub(super) auditor: bool,
    pub(super) sre: bool,
}

impl Right {
    /// Who has it; `None`: everybody.
    pub(super) const fn roles(self) -> Option<Roles> {
        use Operators::{All, Any, OfBody, OfPath, OfQuery, OfUser};
        let (operators, auditor, sre) = match self {
            Self::Watch => return None,
            Self::ReadPolicies | Self::ReadEntries => (Any, true, true),
            Self::ReadRealm => (OfPath, true, true),
            Self::AskPast => (OfBody, true, false),
            Self::Upload => (OfQuery, false, false),
            Self::Bind => (OfPath, false, false),
            Self::RollBack => (OfPath, false, true),
            Self::Retire => (Any, false, false),
            Self::Users => (OfUser, false, false),
            Self::Outbox => (All, false, false),
        };
        Some(Roles { operators, auditor, sre })
    }

    /// Whether the log names who used it: what changes something, or looks into what is of users.
    const fn leaves_trace(self) -> bool {
        match self {
            Self::Watch | Self::ReadPolicies | Self::ReadRealm | Self::ReadEntries => false,
            Self::AskPast | Self::Upload | Self::Bind | Self::RollBack | Self::Retire | Self::Users | Self::Outbox => {
                true
            }
        }
    }
}

impl Roles {
    /// The roles in words, as a refusal and the documents tell them.
    pub(super) fn words(self) -> String {
        let operators = match self.operators {
            Operators::Any => "operator of a realm",
            Operators::All => "operator:*",
            Operators::OfPath | Operators::OfQuery | Operators::OfBody => "operator of the realm",
            Operators::OfUser => "operator of the user's realm",
        };
        let others = [(self.auditor, "auditor"), (self.sre, "sre")];
        let others = others.into_iter().filter(|(may, _)| *may).map(|(_, name)| name);
        std::iter::once(operators).chain(others).collect::<Vec<_>>().join(", ")
    }

    /// Whether this caller may, if it is about this realm.
    fn allow(self, caller: &Caller, about: &About) -> bool {
        let operator = match (self.operators, about) {
            (Operators::Any, _) | (_, About::NotKnown) => caller.operates_any(),
            (Operators::All, _) | (_, About::NoRealm) => caller.has(&Role::Operator(None)),
            (_, About::Realm(realm)) => caller.operates(realm),
        };
        operator || self.auditor && caller.has(&Role::Auditor) || self.sre && caller.has(&Role::Sre)
    }
}

/// What a request is about.
enum About {
    Realm(String),
    /// No one realm: all of them.
    NoRealm,
    /// The realm is in the body.
    NotKnown,
}

impl About {
    /// Host names know no case.
    fn of(realm: Option<String>) -> Self {
        realm.map_or(Self::NoRealm, |realm| Self::Realm(realm.to_ascii_lowercase()))
    }

    fn realm(self) -> Option<String> {
        match self {
            Self::Realm(realm) => Some(realm),
            Self::NoRealm | Self::NotKnown => None,
        }
    }
}

/// Somebody who may: what a handler gets. A handler that takes it cannot be reached without.
#[derive(Clone, Debug)]
pub(super) struct Granted {
    pub(super) caller: Caller,
    /// The realm it is about, in lower case, if it is about one.
    pub(super) realm: Option<String>,
    /// The user of the path, if there is one.
    pub(super) user: Option<UserKey>,
}

impl FromRequest for Granted {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(request.extensions().get::<Self>().cloned().ok_or_else(unchecked))
    }
}

/// Somebody who may in some realm: what a handler gets in place of [`Granted`] if the realm is in the body.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    granted: Granted,
    roles: Roles,
}

impl Pending {
    /// Whether it may in this realm; without one in all of them, or in the only one that it decides for.
    pub(super) fn of_realm(self, request: &HttpRequest, realm: Option<String>) -> Result<Granted, Problem> {
        let Self { granted, roles } = self;
        let caller = &granted.caller;
        let whole = realm.is_none() && roles.allow(caller, &About::NoRealm);
        let only = || caller.only_realm().filter(|_| !whole).map(str::to_owned);
        let about = About::of(realm.or_else(only));
        match about {
            About::Realm(_) if !roles.allow(caller, &about) => Err(denied_for(request, caller, roles)),
            About::NoRealm if !whole => Err(Problem::bad_request("name the realm: {\"realm\": …}")),
            _ => Ok(Granted { realm: about.realm(), ..granted }),
        }
    }
}

impl FromRequest for Pending {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(request.extensions().get::<Self>().cloned().ok_or_else(unchecked))
    }
}

fn unchecked() -> Problem {
    Problem::internal("nobody has checked who asks: please report it")
}

/// Lets a request through to its handler, or answers 401 or 403.
pub(super) async fn check(
    right: Right,
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    match granted(right, request.request()).await {
        Ok(Some((granted, roles))) => {
            let trace = right.leaves_trace().then(|| Trace::of(&request, granted.clone()));
            request.extensions_mut().insert(trail::Name(granted.caller.name().to_owned()));
            match roles.operators {
                Operators::OfBody => request.extensions_mut().insert(Pending { granted, roles }).is_some(),
                _ => request.extensions_mut().insert(granted).is_some(),
            };
            let result = next.call(request).await;
            if let Some(trace) = trace {
                let status = |error: &Error| error.as_response_error().status_code();
                trace.ended(result.as_ref().map_or_else(status, ServiceResponse::status));
            }
            result
        }
        Ok(None) => next.call(request).await,
        Err(refusal) => Ok(request.into_response(refusal)),
    }
}

/// The refusal of a request whose sender is nobody we know: for what has no right of its own.
pub(super) fn stranger(request: &HttpRequest) -> Option<HttpResponse> {
    who(request).err().map(|stranger| unauthorized(request, stranger))
}

async fn granted(right: Right, request: &HttpRequest) -> Result<Option<(Granted, Roles)>, HttpResponse> {
    let Some(roles) = right.roles() else { return Ok(None) };
    let caller = who(request).map_err(|stranger| unauthorized(request, stranger))?;
    // Decoded as the handlers have them, so that both speak of the same realm and user.
    let path = web::Path::<InPath>::extract(request).await;
    let InPath { realm, user } = path.map(web::Path::into_inner).unwrap_or_default();
    let user = user.and_then(|user| Address::parse(&user).ok());
    let about = about(roles.operators, realm, user.as_ref(), request, &caller);
    if !roles.allow(&caller, &about) {
        return Err(forbidden(request, &caller, roles));
    }
    let granted = Granted { caller, realm: about.realm(), user: user.as_ref().map(Address::key) };
    Ok(Some((granted, roles)))
}

/// What a path may name.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct InPath {
    realm: Option<String>,
    user: Option<String>,
}

/// The realm that a request is about, with the realm or the user of its path.
fn about(
    operators: Operators,
    in_path: Option<String>,
    user: Option<&Address>,
    request: &HttpRequest,
    caller: &Caller,
) -> About {
    let realm = match operators {
        Operators::OfBody => return About::NotKnown,
        Operators::Any | Operators::All => None,
        Operators::OfPath => in_path,
        Operators::OfQuery => query_realm(request).or_else(|| caller.only_realm().map(str::to_owned)),
        // Whoever is no user of a realm is an affair of all of them.
        Operators::OfUser => user.map(|user| user.host().to_owned()).filter(|host| !host.is_empty()),
    };
    About::of(realm)
}

fn query_realm(request: &HttpRequest) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Query {
        realm: Option<String>,
    }
    web::Query::<Query>::from_query(request.query_string()).ok()?.into_inner().realm
}

fn who(request: &HttpRequest) -> Result<Caller, Stranger> {
    let callers = request.app_data::<web::Data<Callers>>().ok_or(Stranger::Nobody)?;
    let headers = request.headers();
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    // Browsers say so of what a page asks for; what somebody types into the address line has `none`.
    let fetched = text("sec-fetch-site").is_some_and(|site| !site.eq_ignore_ascii_case("none"));
    callers.who(&Evidence {
        authorization: headers.get(header::AUTHORIZATION).map(header::HeaderValue::as_bytes),
        certificate: request.conn_data::<Peer>().and_then(|peer| peer.certificate),
        peer: request.peer_addr(),
        host: text(header::HOST.as_str()),
        from_page: fetched || headers.contains_key(header::ORIGIN),
    })
}

/// 401 (RFC 9110 section 15.5.2), with the scheme that would do (RFC 6750 section 3).
fn unauthorized(request: &HttpRequest, stranger: Stranger) -> HttpResponse {
    note(request, stranger.cause(), None);
    let challenge = match stranger.cause() {
        AdminRefusal::Token => "Bearer realm=\"restante\", error=\"invalid_token\"",
        _ => "Bearer realm=\"restante\"",
    };
    let mut response: HttpResponse = Problem::new(StatusCode::UNAUTHORIZED, stranger.to_string()).into();
    response.headers_mut().insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static(challenge));
    response
}

/// 403, with the roles that would do.
fn forbidden(request: &HttpRequest, caller: &Caller, roles: Roles) -> HttpResponse {
    denied_for(request, caller, roles).into()
}

fn denied_for(request: &HttpRequest, caller: &Caller, roles: Roles) -> Problem {
    let detail = format!("{} may not do this: one of these roles is needed: {}", caller.name(), roles.words());
    denied(request, caller, &detail)
}

/// Somebody we know may not do this: counted, logged, and told.
pub(super) fn denied(request: &HttpRequest, caller: &Caller, detail: &str) -> Problem {
    note(request, AdminRefusal::Role, Some(caller));
    Problem::new(StatusCode::FORBIDDEN, detail.to_owned())
}

/// Counts and logs a refusal.
fn note(request: &HttpRequest, cause: AdminRefusal, caller: Option<&Caller>) {
    let Some(refusals) = request.app_data::<web::Data<Refusals>>() else { return };
    let name = caller.map_or("-", Caller::name);
    refusals.note(cause, |left_out| {
        let (method, path) = (request.method(), template(request));
        tracing::warn!(target: "admin", name, %method, path, ?cause, left_out, "a request was refused");
    });
}
