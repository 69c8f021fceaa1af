//! `/v1/outbox`: where the operator's gateway fetches notifications and takes them off.

use super::Slot;
use super::problem::Problem;
use crate::gateway::notifier::{Outbox, OutboxError, Page};
use actix_web::{HttpResponse, web};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

/// Most notifications in one answer, and what an answer has if nothing is asked.
const LIMIT_MAX: usize = 1000;
const LIMIT: usize = 100;

/// Which notifications are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Those after this number.
    #[param(value_type = Option<u64>)]
    after: Option<String>,
    /// At most so many, 1 to 1000; 100 if it is not said.
    #[param(value_type = Option<u64>)]
    limit: Option<String>,
}

/// Which notifications were fetched.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Through {
    /// The last number that was fetched.
    #[param(value_type = u64)]
    through: Option<String>,
}

/// Notifications that wait.
#[derive(ToSchema)]
#[expect(dead_code, reason = "what the answer is made of; its lines are JSON already")]
pub(super) struct Notices {
    notices: Vec<NumberedNotice>,
    /// All that wait, those not in this answer included.
    waiting: u64,
}

/// One of them.
#[derive(ToSchema)]
#[expect(dead_code, reason = "as of `Notices`")]
pub(super) struct NumberedNotice {
    seq: u64,
    /// As a webhook gets it.
    notice: Value,
}

/// What an acknowledgement did.
#[derive(Serialize, ToSchema)]
pub(super) struct Taken {
    /// So many were taken off.
    taken: usize,
}

/// Notifications that wait for the operator's gateway.
#[utoipa::path(get, path = "/v1/outbox", operation_id = "list_notifications", tag = "outbox", params(Which), responses(
    (status = 200, description = "The oldest first.", body = Notices),
))]
pub(super) async fn list(slot: web::Data<Slot<Outbox>>, which: web::Query<Which>) -> Result<HttpResponse, Problem> {
    let after = number("after", which.after.as_deref())?.unwrap_or(0);
    let limit =
        number("limit", which.limit.as_deref())?.map_or(LIMIT, |limit| usize::try_from(limit).unwrap_or(LIMIT_MAX));
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(Problem::bad_request("limit must be 1 to 1000"));
    }
    let page = blocking(&slot, move |outbox| outbox.list(after, limit)).await?;
    Ok(HttpResponse::Ok().content_type("application/json").body(body(&page)))
}

/// The lines are JSON already.
fn body(page: &Page) -> String {
    let entry = |(seq, line): &(u64, Bytes)| format!("{{\"seq\":{seq},\"notice\":{}}}", String::from_utf8_lossy(line));
    let entries: Vec<String> = page.entries.iter().map(entry).collect();
    format!("{{\"notices\":[\n{}\n],\"waiting\":{}}}\n", entries.join(",\n"), page.waiting)
}

/// Takes off every notification up to and with a number.
#[utoipa::path(post, path = "/v1/outbox/ack", operation_id = "acknowledge_notifications", tag = "outbox",
    params(Through), responses((status = 200, description = "They are off.", body = Taken)))]
pub(super) async fn acknowledge(
    slot: web::Data<Slot<Outbox>>,
    which: web::Query<Through>,
) -> Result<HttpResponse, Problem> {
    let through = number("through", which.through.as_deref())?;
    let through = through.ok_or_else(|| Problem::bad_request("say through=N, the last number that was fetched"))?;
    let taken = blocking(&slot, move |outbox| outbox.acknowledge(through)).await?;
    Ok(HttpResponse::Ok().content_type("application/json").body(format!("{{\"taken\":{taken}}}\n")))
}

/// Takes off one notification.
#[utoipa::path(delete, path = "/v1/outbox/{id}", operation_id = "remove_notification", tag = "outbox",
    params(("id" = String, Path, description = "The `id` of the notification.")),
    responses((status = 204, description = "It is off.")))]
pub(super) async fn remove(slot: web::Data<Slot<Outbox>>, id: web::Path<String>) -> Result<HttpResponse, Problem> {
    let id = id.into_inner();
    if blocking(&slot, move |outbox| outbox.remove(&id)).await? {
        Ok(HttpResponse::NoContent().finish())
    } else {
        Err(Problem::no_such("no notification with this id is in the outbox"))
    }
}

/// The outbox may wait for the disk.
async fn blocking<T: Send + 'static>(
    slot: &Slot<Outbox>,
    ask: impl FnOnce(&Outbox) -> Result<T, OutboxError> + Send + 'static,
) -> Result<T, Problem> {
    let closed = || Problem::unavailable("the outbox is not open yet: the server is starting");
    let outbox = slot.get().ok_or_else(closed)?;
    let asked = web::block(move || ask(&outbox)).await;
    asked.map_err(|error| Problem::internal(&error.to_string()))?.map_err(|error| Problem::internal(&error.to_string()))
}

fn number(name: &'static str, text: Option<&str>) -> Result<Option<u64>, Problem> {
    let wrong = |_| Problem::bad_request(&format!("{name} must be a number"));
    text.map(|text| text.parse().map_err(wrong)).transpose()
}
