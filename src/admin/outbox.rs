//! `/v1/outbox`: where the operator's gateway fetches notifications and takes them off.

use super::problem::Problem;
use crate::gateway::notifier::{Outbox, OutboxError, Page};
use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, web};
use bytes::Bytes;
use serde::Deserialize;
use std::sync::{Arc, OnceLock};

/// Most notifications in one answer, and what an answer has if nothing is asked.
const LIMIT_MAX: usize = 1000;
const LIMIT: usize = 100;

/// The outbox, as soon as it is open; a clone is the same one.
#[derive(Clone, Debug, Default)]
pub struct OutboxSlot(Arc<OnceLock<Arc<Outbox>>>);

impl OutboxSlot {
    /// Opens the API's outbox. Only the first call counts.
    pub fn open(&self, outbox: Arc<Outbox>) {
        let _already_open = self.0.set(outbox);
    }

    fn get(&self) -> Result<Arc<Outbox>, Problem> {
        let closed = || Problem::unavailable("the outbox is not open yet: the server is starting");
        self.0.get().cloned().ok_or_else(closed)
    }
}

/// Its paths.
pub(super) fn routes(app: &mut web::ServiceConfig) {
    let resource = |path: &str, allow: &'static str| {
        web::resource(path).default_service(web::to(move || async move { other_method(allow) }))
    };
    app.service(resource("/v1/outbox", "GET, HEAD").route(web::get().to(list)).route(web::head().to(list)))
        .service(resource("/v1/outbox/ack", "POST").route(web::post().to(acknowledge)))
        .service(resource("/v1/outbox/{id}", "DELETE").route(web::delete().to(remove)));
}

#[derive(Debug, Deserialize)]
struct Which {
    after: Option<String>,
    limit: Option<String>,
    through: Option<String>,
}

/// `?after=N&limit=N`: `{"notices":[{"seq":N,"notice":{…}},…],"waiting":N}`.
async fn list(slot: web::Data<OutboxSlot>, which: web::Query<Which>) -> Result<HttpResponse, Problem> {
    let after = number("after", which.after.as_deref())?.unwrap_or(0);
    let limit =
        number("limit", which.limit.as_deref())?.map_or(LIMIT, |limit| usize::try_from(limit).unwrap_or(LIMIT_MAX));
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(Problem::bad_request("limit must be 1 to 1000"));
    }
    let page = blocking(slot.get()?, move |outbox| outbox.list(after, limit)).await?;
    Ok(HttpResponse::Ok().content_type("application/json").body(body(&page)))
}

/// The lines are JSON already.
fn body(page: &Page) -> String {
    let entry = |(seq, line): &(u64, Bytes)| format!("{{\"seq\":{seq},\"notice\":{}}}", String::from_utf8_lossy(line));
    let entries: Vec<String> = page.entries.iter().map(entry).collect();
    format!("{{\"notices\":[\n{}\n],\"waiting\":{}}}\n", entries.join(",\n"), page.waiting)
}

/// `?through=N`: takes off every notification up to and with this number; `{"taken":N}`.
async fn acknowledge(slot: web::Data<OutboxSlot>, which: web::Query<Which>) -> Result<HttpResponse, Problem> {
    let through = number("through", which.through.as_deref())?;
    let through = through.ok_or_else(|| Problem::bad_request("say through=N, the last number that was fetched"))?;
    let taken = blocking(slot.get()?, move |outbox| outbox.acknowledge(through)).await?;
    Ok(HttpResponse::Ok().content_type("application/json").body(format!("{{\"taken\":{taken}}}\n")))
}

/// Takes off one notification by its id.
async fn remove(slot: web::Data<OutboxSlot>, id: web::Path<String>) -> Result<HttpResponse, Problem> {
    let id = id.into_inner();
    if blocking(slot.get()?, move |outbox| outbox.remove(&id)).await? {
        Ok(HttpResponse::NoContent().finish())
    } else {
        Err(Problem::no_such("no notification with this id is in the outbox"))
    }
}

/// The outbox may wait for the disk.
async fn blocking<T: Send + 'static>(
    outbox: Arc<Outbox>,
    ask: impl FnOnce(&Outbox) -> Result<T, OutboxError> + Send + 'static,
) -> Result<T, Problem> {
    let asked = web::block(move || ask(&outbox)).await;
    asked.map_err(|error| Problem::internal(&error.to_string()))?.map_err(|error| Problem::internal(&error.to_string()))
}

fn number(name: &'static str, text: Option<&str>) -> Result<Option<u64>, Problem> {
    let wrong = |_| Problem::bad_request(&format!("{name} must be a number"));
    text.map(|text| text.parse().map_err(wrong)).transpose()
}

fn other_method(allow: &'static str) -> HttpResponse {
    let mut response: HttpResponse =
        Problem::new(StatusCode::METHOD_NOT_ALLOWED, format!("this takes {allow} only")).into();
    response.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static(allow));
    response
}
