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
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Those after this number.
    after: Option<u64>,
    /// At most so many, 1 to 1000; 100 if it is not said.
    limit: Option<usize>,
}

/// Which notifications were fetched.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Through {
    /// The last number that was fetched.
    through: u64,
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
    let (after, limit) = (which.after.unwrap_or_default(), which.limit.unwrap_or(LIMIT));
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(Problem::bad_request(&format!("limit must be 1 to {LIMIT_MAX}")));
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
    let through = which.through;
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
