//! What is ordered about policies that are there: bind them, take them back, let them go.

use super::{Port, answer, realm_of, refusal, run};
use crate::admin::Limits;
use crate::admin::access::{Granted, denied};
use crate::admin::problem::Problem;
use crate::admin::receive::Cut;
use crate::metrics::Limit;
use crate::policy::policies::{Bind, Place, Policies, PoliciesError, Realms, Retire, Signed};
use crate::policy::view::{PolicyView, RealmView};
use crate::queue::question::Hook;
use crate::types::Digest;
use actix_web::http::StatusCode;
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use utoipa::ToSchema;

/// What an order may have besides settings, octets.
const ORDER_BYTES: usize = 8 << 10;

/// A policy for decisions of a realm.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(in crate::admin) struct BindOrder {
    /// Its digest, 8 or more first digits of it, its name, or `standard`. Digits and names are looked for among the
    /// policies that operators of this realm may see; a whole digest among those that the caller may see.
    policy: String,
    /// `admission`, `handling`, `delivery`, `expiry`, `notification`; all that it decides if it is not said.
    decisions: Option<Vec<String>>,
    /// As the schema of the policy wants them; `{}` if it is not said.
    settings: Option<Value>,
    /// Why, for whoever reads the operator stream.
    reason: Option<String>,
}

/// Decisions of a realm.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(in crate::admin) struct PlaceOrder {
    /// As of a policy that is bound; all of them if it is not said.
    decisions: Option<Vec<String>>,
    reason: Option<String>,
}

/// Why, and nothing else.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(in crate::admin) struct RetireOrder {
    reason: Option<String>,
}

/// From now on this policy decides.
#[utoipa::path(post, path = "/v1/realms/{realm}/policies/activate", operation_id = "activate_policy", tag = "policies",
    params(("realm" = String, Path, description = "A SIP domain.")), request_body = BindOrder,
    responses((status = 200, description = "What decides in the realm now.", body = RealmView)))]
pub(in crate::admin) async fn activate(
    request: HttpRequest,
    granted: Granted,
    limits: web::Data<Limits>,
    port: Port,
    body: web::Payload,
) -> Result<HttpResponse, Problem> {
    bind(request, granted, &limits, &port, body, |policies, bind| policies.activate(bind)).await
}

/// From now on this policy is asked the same questions as the one that decides, without effect.
#[utoipa::path(post, path = "/v1/realms/{realm}/policies/shadow", operation_id = "shadow_policy", tag = "policies",
    params(("realm" = String, Path, description = "A SIP domain.")), request_body = BindOrder,
    responses((status = 200, description = "What decides in the realm now, and what is in its shadow.", body = RealmView)))]
pub(in crate::admin) async fn shadow(
    request: HttpRequest,
    granted: Granted,
    limits: web::Data<Limits>,
    port: Port,
    body: web::Payload,
) -> Result<HttpResponse, Problem> {
    bind(request, granted, &limits, &port, body, |policies, bind| policies.shadow(bind)).await
}

/// Ends a shadow.
#[utoipa::path(post, path = "/v1/realms/{realm}/policies/end-shadow", operation_id = "end_shadow", tag = "policies",
    params(("realm" = String, Path, description = "A SIP domain.")), request_body = Option<PlaceOrder>,
    responses((status = 200, description = "What decides in the realm now.", body = RealmView)))]
pub(in crate::admin) async fn end_shadow(
    request: HttpRequest,
    granted: Granted,
    limits: web::Data<Limits>,
    port: Port,
    body: web::Payload,
) -> Result<HttpResponse, Problem> {
    place(request, granted, &limits, &port, body, |policies, place| policies.end_shadow(place)).await
}

/// Puts back what decided before, one step.
#[utoipa::path(post, path = "/v1/realms/{realm}/policies/rollback", operation_id = "roll_back", tag = "policies",
    params(("realm" = String, Path, description = "A SIP domain.")), request_body = Option<PlaceOrder>,
    responses((status = 200, description = "What decides in the realm now.", body = RealmView)))]
pub(in crate::admin) async fn rollback(
    request: HttpRequest,
    granted: Granted,
    limits: web::Data<Limits>,
    port: Port,
    body: web::Payload,
) -> Result<HttpResponse, Problem> {
    place(request, granted, &limits, &port, body, |policies, place| policies.rollback(place)).await
}

/// Lets a policy go that is bound nowhere: its component is removed, it leaves every rollback history, what it has decided
/// stays recorded. A policy that came for other realms, too, or that these could go back to, is let go by `operator:*`.
#[utoipa::path(post, path = "/v1/policies/{policy}/retire", operation_id = "retire_policy", tag = "policies",
    params(("policy" = String, Path, description = "As of `GET /v1/policies/{policy}`.")),
    request_body = Option<RetireOrder>,
    responses((status = 200, description = "The policy as it was.", body = PolicyView)))]
pub(in crate::admin) async fn retire(
    request: HttpRequest,
    granted: Granted,
    limits: web::Data<Limits>,
    port: Port,
    policy: web::Path<String>,
    body: web::Payload,
) -> Result<HttpResponse, Problem> {
    let order: RetireOrder = optional(&request, body, &limits).await?;
    let caller = &granted.caller;
    let (author, reason) = (caller.author(), order.reason.unwrap_or_default());
    let (sees, operates) = (caller.seen(), caller.operated());
    let answer = answer(&port, move |policies| {
        let policy = policies.resolve(&policy, &sees)?;
        policies.retire(Signed { author, reason, order: Retire { policy, sees, operates } })
    });
    match answer.await? {
        Ok(view) => Ok(HttpResponse::Ok().json(view)),
        Err(error @ PoliciesError::OfOthers) => Err(denied(&request, caller, &error.to_string())),
        Err(error) => Err(refusal::problem(&error)),
    }
}

/// The policy that is to be bound. A name, and the beginning of a digest, mean what they mean in the realm, whoever gives
/// the order: nobody else can give them another meaning there. A whole digest has only one.
fn meant(policies: &dyn Policies, text: &str, realm: &str, seen: &Realms) -> Result<Digest, PoliciesError> {
    let in_realm = policies.resolve(text, &Realms::one(realm));
    let Err(PoliciesError::NoSuchPolicy(policy)) = in_realm else { return in_realm };
    let whole = |digest: &Digest| digest.to_string().eq_ignore_ascii_case(text);
    match policies.resolve(text, seen) {
        Ok(digest) if whole(&digest) => Ok(digest),
        Ok(_) | Err(PoliciesError::Ambiguous(..)) => {
            Err(PoliciesError::NotForRealm { policy, realm: realm.to_owned() })
        }
        Err(error) => Err(error),
    }
}

/// Reads the order and gives it.
async fn bind(
    request: HttpRequest,
    granted: Granted,
    limits: &Limits,
    port: &Port,
    body: web::Payload,
    give: fn(&dyn Policies, Signed<Bind>) -> Result<RealmView, PoliciesError>,
) -> Result<HttpResponse, Problem> {
    let realm = realm_of(&granted)?;
    let order: BindOrder = match json(&request, body, limits).await? {
        Some(order) => order,
        None => return Err(Problem::bad_request("an order in JSON is needed: {\"policy\": …}")),
    };
    let decisions = hooks(order.decisions)?;
    let (author, seen) = (granted.caller.author(), granted.caller.seen());
    let view = run(port, move |policies| {
        let policy = meant(policies, &order.policy, &realm, &seen)?;
        let bind = Bind { realm, policy, decisions, settings: order.settings };
        give(policies, Signed { author, reason: order.reason.unwrap_or_default(), order: bind })
    })
    .await?;
    Ok(HttpResponse::Ok().json(view))
}

/// Reads the order and gives it.
async fn place(
    request: HttpRequest,
    granted: Granted,
    limits: &Limits,
    port: &Port,
    body: web::Payload,
    give: fn(&dyn Policies, Signed<Place>) -> Result<RealmView, PoliciesError>,
) -> Result<HttpResponse, Problem> {
    let order: PlaceOrder = optional(&request, body, limits).await?;
    let place = Place { realm: realm_of(&granted)?, decisions: hooks(order.decisions)? };
    let order = Signed { author: granted.caller.author(), reason: order.reason.unwrap_or_default(), order: place };
    let view = run(port, move |policies| give(policies, order)).await?;
    Ok(HttpResponse::Ok().json(view))
}

/// The decisions of these names, each once.
fn hooks(names: Option<Vec<String>>) -> Result<Option<Vec<Hook>>, Problem> {
    let Some(names) = names else { return Ok(None) };
    let mut hooks = Vec::new();
    for name in names {
        let hook = Hook::named(&name).ok_or_else(|| refusal::problem(&PoliciesError::NoSuchDecision(name)))?;
        if !hooks.contains(&hook) {
            hooks.push(hook);
        }
    }
    if hooks.is_empty() {
        let detail = "decisions is empty: name some, or leave it out for all of them".to_owned();
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail));
    }
    Ok(Some(hooks))
}

/// An order of which everything may be left out, and so the whole.
pub(super) async fn optional<T: DeserializeOwned + Default>(
    request: &HttpRequest,
    body: web::Payload,
    limits: &Limits,
) -> Result<T, Problem> {
    json(request, body, limits).await.map(Option::unwrap_or_default)
}

/// The body as JSON; nothing if there is none.
async fn json<T: DeserializeOwned>(
    request: &HttpRequest,
    body: web::Payload,
    limits: &Limits,
) -> Result<Option<T>, Problem> {
    let limit = limits.settings_bytes_max.saturating_add(ORDER_BYTES);
    let body = limits.receive(request, body, limit).await.map_err(|cut| {
        if matches!(cut, Cut::TooLong(_)) {
            limits.metrics.limit_hit(Limit::PolicySettings);
        }
        cut.problem(limit)
    })?;
    if body.is_empty() {
        return Ok(None);
    }
    if !request.content_type().eq_ignore_ascii_case("application/json") {
        let detail = "an order is sent as application/json: say so with Content-Type".to_owned();
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
    }
    // `null` is nothing, too.
    serde_json::from_slice(&body).map_err(|error| Problem::bad_request(&format!("this is no order: {error}")))
}
