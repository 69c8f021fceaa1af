//! The policies: `/v1/policies`, `/v1/realms` and `/v1/operator-events`, over the port [`Policies`].

pub(super) mod hindsight;
pub(super) mod orders;
mod refusal;
mod served;
pub(super) mod upload;

pub(super) use served::SERVED_MAX;

use super::access::Granted;
use super::problem::Problem;
use super::{Limits, Slot};
use crate::policy::policies::{Entries, Policies, PoliciesError};
use crate::policy::view::{EntryView, PolicyView, RealmView};
use crate::types::Digest;
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Most entries in one answer, and how many an answer has if nothing is asked.
const ENTRIES_MAX: usize = 1000;
const ENTRIES: usize = 100;
/// The port, as it is shared by the handlers.
type Port = web::Data<Slot<dyn Policies>>;

/// All policies.
#[derive(Serialize, ToSchema)]
pub(super) struct PolicyList {
    /// The latest upload first.
    policies: Vec<PolicyView>,
}

/// The realms that the caller may see.
#[derive(Serialize, ToSchema)]
pub(super) struct RealmList {
    realms: Vec<String>,
}

/// A page of the operator stream.
#[derive(Serialize, ToSchema)]
pub(super) struct EntryPage {
    entries: Vec<EntryView>,
    /// What to ask for with `after` next: the last entry that was looked at, shown or not.
    next: u64,
}

/// Which entries are wanted.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct EntriesQuery {
    /// Entries after this number.
    after: Option<u64>,
    /// At most so many, 1 to 1000; 100 if it is not said. Fewer if they are long.
    limit: Option<usize>,
}

/// Every policy. An operator sees those that came for own realms or for all, that are bound in own realms or could be
/// rolled back to there, and built-in ones; and of the places where one is bound, those of own realms.
#[utoipa::path(get, path = "/v1/policies", operation_id = "list_policies", tag = "policies", responses(
    (status = 200, description = "The policies.", body = PolicyList),
))]
pub(super) async fn list(port: Port, granted: Granted) -> Result<HttpResponse, Problem> {
    let seen = granted.caller.seen();
    let policies = run(&port, move |policies| Ok(policies.list(&seen))).await?;
    Ok(HttpResponse::Ok().json(PolicyList { policies }))
}

/// One policy, of those that `GET /v1/policies` shows.
#[utoipa::path(get, path = "/v1/policies/{policy}", operation_id = "show_policy", tag = "policies",
    params(("policy" = String, Path, description = "Its digest, 8 or more first digits of it, its name, or `standard`.")),
    responses((status = 200, description = "The policy.", body = PolicyView)))]
pub(super) async fn show(port: Port, granted: Granted, policy: web::Path<String>) -> Result<HttpResponse, Problem> {
    let seen = granted.caller.seen();
    let view = run(&port, move |policies| policies.show(policies.resolve(&policy, &seen)?, &seen)).await?;
    Ok(HttpResponse::Ok().json(view))
}

/// The component of a policy, of those that `GET /v1/policies` shows.
#[utoipa::path(get, path = "/v1/policies/{policy}/component", operation_id = "policy_component", tag = "policies",
    params(("policy" = String, Path, description = "As of `GET /v1/policies/{policy}`.")),
    responses(
        (status = 200, description = "The component.", body = upload::Octets, content_type = "application/wasm"),
        (status = 304, description = "It is known: `If-None-Match` has its entity tag."),
        (status = 503, description = "Others are being fetched: try again.", body = Problem,
            content_type = "application/problem+json"),
    ))]
pub(super) async fn component(
    request: HttpRequest,
    granted: Granted,
    port: Port,
    limits: web::Data<Limits>,
    policy: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let (asked, seen) = (policy.clone(), granted.caller.seen());
    let view = run(&port, move |policies| policies.show(policies.resolve(&asked, &seen)?, &seen)).await?;
    if let Some(answer) = served::without_octets(&request, &view)? {
        return Ok(answer);
    }
    let seat = served::seat(&limits)?;
    let seen = granted.caller.seen();
    let found = move |policies: &dyn Policies| {
        let digest = policies.resolve(&policy, &seen)?;
        policies.component(digest, &seen).map(|component| (digest, component))
    };
    let (digest, component): (Digest, _) = run(&port, found).await?;
    // It is named by what is in it.
    let tag = (header::ETAG, format!("\"{digest}\""));
    Ok(HttpResponse::Ok()
        .content_type(upload::MEDIA_TYPE)
        .insert_header(tag)
        .body(served::Served::new(component, seat)))
}

/// The realms of this server; an operator sees own ones.
#[utoipa::path(get, path = "/v1/realms", operation_id = "list_realms", tag = "policies", responses(
    (status = 200, description = "Their names.", body = RealmList),
))]
pub(super) async fn realms(port: Port, granted: Granted) -> Result<HttpResponse, Problem> {
    let mut realms = run(&port, |policies| Ok(policies.realms())).await?;
    realms.retain(|realm| granted.caller.sees(realm));
    Ok(HttpResponse::Ok().json(RealmList { realms }))
}

/// What decides in a realm.
#[utoipa::path(get, path = "/v1/realms/{realm}/policies", operation_id = "realm_policies", tag = "policies",
    params(("realm" = String, Path, description = "A SIP domain.")),
    responses((status = 200, description = "Each decision.", body = RealmView)))]
pub(super) async fn realm(port: Port, granted: Granted) -> Result<HttpResponse, Problem> {
    let realm = realm_of(&granted)?;
    let view = run(&port, move |policies| policies.realm(&realm)).await?;
    Ok(HttpResponse::Ok().json(view))
}

/// What operators did, and what the server had to do itself. An operator sees what is of own realms, and what is of
/// policies that `GET /v1/policies` shows.
#[utoipa::path(get, path = "/v1/operator-events", operation_id = "operator_events", tag = "policies",
    params(EntriesQuery), responses((status = 200, description = "Entries in their order.", body = EntryPage)))]
pub(super) async fn events(
    port: Port,
    granted: Granted,
    query: web::Query<EntriesQuery>,
) -> Result<HttpResponse, Problem> {
    let (after, limit) = (query.after.unwrap_or_default(), query.limit.unwrap_or(ENTRIES));
    if !(1..=ENTRIES_MAX).contains(&limit) {
        return Err(Problem::bad_request(&format!("limit must be 1 to {ENTRIES_MAX}")));
    }
    let seen = granted.caller.seen();
    let Entries { entries, next } = run(&port, move |policies| policies.events(after, limit, &seen)).await?;
    Ok(HttpResponse::Ok().json(EntryPage { entries, next }))
}

/// The realm that the request was let through for.
fn realm_of(granted: &Granted) -> Result<String, Problem> {
    granted.realm.clone().ok_or_else(|| Problem::bad_request("the path names no realm"))
}

/// Asks the port, and tells its refusal.
async fn run<T: Send + 'static>(
    slot: &Slot<dyn Policies>,
    ask: impl FnOnce(&dyn Policies) -> Result<T, PoliciesError> + Send + 'static,
) -> Result<T, Problem> {
    answer(slot, ask).await?.map_err(|error| refusal::problem(&error))
}

/// Asks the port where one may wait for the disk, for compilation and for guests.
async fn answer<T: Send + 'static>(
    slot: &Slot<dyn Policies>,
    ask: impl FnOnce(&dyn Policies) -> Result<T, PoliciesError> + Send + 'static,
) -> Result<Result<T, PoliciesError>, Problem> {
    let policies =
        slot.get().ok_or_else(|| Problem::unavailable("the policies are not there yet: the server is starting"))?;
    match web::block(move || ask(policies.as_ref())).await {
        Ok(answer) => Ok(answer),
        Err(_) => Err(Problem::internal("the work was not done: the server is stopping, or a fault of it ended it")),
    }
}
