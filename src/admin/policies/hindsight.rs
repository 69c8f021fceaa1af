//! What a policy would have decided otherwise in the past, over the port [`Hindsight`].

use super::orders::optional;
use super::{Port, refusal, run};
use crate::admin::access::Pending;
use crate::admin::problem::Problem;
use crate::admin::{Limits, Slot};
use crate::formats::parse_rfc3339;
use crate::policy::policies::{DiffOrder, EXAMPLES_MAX, Hindsight, HindsightError};
use crate::types::Timestamp;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

/// Differences of each kind that are shown if nothing is said.
const EXAMPLES: usize = 3;

/// Which past, and with which settings.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(in crate::admin) struct PastOrder {
    /// Not what was before this moment (RFC 3339); from the beginning if it is not said.
    since: Option<String>,
    /// Not what was at this moment or later (RFC 3339); to the end if it is not said.
    until: Option<String>,
    /// Only this realm. Without it: the only realm of the caller; all of them, if it may ask that.
    realm: Option<String>,
    /// As the schema of the policy wants them; `{}` if it is not said.
    settings: Option<Value>,
    /// Differences to show of each kind, 0 to 20; 3 if it is not said.
    examples: Option<usize>,
}

/// What was found, and of what: as `restante policy diff --json` prints it.
#[derive(ToSchema)]
#[schema(rename_all = "kebab-case")]
#[expect(dead_code, reason = "what the document says of what comes through the port as it is")]
pub(in crate::admin) struct Review {
    /// Digest of the policy.
    policy: String,
    settings: Value,
    since: Option<String>,
    until: Option<String>,
    /// It failed so often that it was asked no more: what is left counts as failed, too.
    gave_up: bool,
    /// Users who have a log, of all realms.
    users: u64,
    /// Users who had something decided in the time and realms in question.
    replayed: u64,
    /// Records of that time.
    records: u64,
    /// Users whose log cannot be read.
    unreadable: u64,
    /// Events that do not go with the state before them.
    unfit: u64,
    /// By realm, then by decision: `asked`, `same`, `different`, `changes`, `failed`, `not-recallable`.
    realms: Value,
}

/// Asks a policy the questions of the past, and tells what it would have decided otherwise. Nothing changes by it. It
/// takes its time, and is done for one at a time.
#[utoipa::path(post, path = "/v1/policies/{policy}/diff", operation_id = "diff_policy", tag = "policies",
    params(("policy" = String, Path, description = "As of `GET /v1/policies/{policy}`.")),
    request_body = Option<PastOrder>,
    responses(
        (status = 200, description = "What differs.", body = Review),
        (status = 503, description = "Another one is being asked.", body = Problem,
            content_type = "application/problem+json"),
    ))]
pub(in crate::admin) async fn diff(
    request: HttpRequest,
    pending: Pending,
    limits: web::Data<Limits>,
    port: Port,
    hindsight: web::Data<Slot<dyn Hindsight>>,
    policy: web::Path<String>,
    body: web::Payload,
) -> Result<HttpResponse, Problem> {
    let mut order = understood(optional(&request, body, &limits).await?)?;
    let granted = pending.of_realm(&request, order.realm)?;
    order.realm = granted.realm;
    let seen = granted.caller.seen();
    let digest = run(&port, move |policies| policies.resolve(&policy, &seen)).await?;
    let hindsight = hindsight.get().ok_or_else(|| Problem::unavailable("the past is not there yet: try again"))?;
    match web::block(move || hindsight.diff(digest, order)).await {
        Ok(found) => Ok(HttpResponse::Ok().json(found.map_err(|error| refused(&error))?)),
        Err(_) => Err(Problem::internal("the work was not done: the server is stopping, or a fault of it ended it")),
    }
}

fn understood(order: PastOrder) -> Result<DiffOrder, Problem> {
    let unprocessable = |detail: &str| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail.to_owned());
    let moment = |text: Option<String>| -> Result<Option<Timestamp>, Problem> {
        let wrong = || unprocessable("since and until are moments such as 2026-11-23T08:00:00Z (RFC 3339)");
        text.map(|text| parse_rfc3339(&text).ok_or_else(wrong)).transpose()
    };
    let examples = order.examples.unwrap_or(EXAMPLES);
    if examples > EXAMPLES_MAX {
        return Err(unprocessable(&format!("examples must be 0 to {EXAMPLES_MAX}")));
    }
    let realm = order.realm.map(|realm| realm.to_ascii_lowercase());
    let (since, until) = (moment(order.since)?, moment(order.until)?);
    Ok(DiffOrder { since, until, realm, settings: order.settings, examples })
}

fn refused(error: &HindsightError) -> Problem {
    let status = match error {
        HindsightError::Policies(error) => return refusal::problem(error),
        HindsightError::NoTime { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        HindsightError::Busy => StatusCode::SERVICE_UNAVAILABLE,
        HindsightError::Past { .. } | HindsightError::Thread(_) | HindsightError::Interrupted => {
            tracing::error!(target: "admin", %error, "the past could not be asked");
            StatusCode::INTERNAL_SERVER_ERROR
        }
    };
    Problem::new(status, error.to_string())
}
