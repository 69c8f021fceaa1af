//! The preferences documents kept here: `/v1/users/{sip-uri}/preferences/{rules|profile}`, with entity tags.

use super::problem::Problem;
use super::receive::Cut;
use super::tags;
use super::{Limits, Slot};
use crate::gateway::preferences::{Document, DocumentError, Documents, Precondition};
use crate::types::Address;
use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};
use std::sync::Arc;

/// What it is served as.
const MEDIA_TYPE: &str = "application/xml; charset=utf-8";

/// Whose document, and where it is kept.
struct Target {
    documents: Arc<dyn Documents>,
    user: Address,
    document: Document,
}

impl Target {
    fn of(slot: &Slot<dyn Documents>, path: web::Path<(String, String)>) -> Result<Self, Problem> {
        let (user, name) = path.into_inner();
        let known = Document::ALL.into_iter().find(|document| document.name() == name);
        let document = known.ok_or_else(|| {
            Problem::new(
                StatusCode::NOT_FOUND,
                "there is no such document: the documents of a user are rules and profile".into(),
            )
        })?;
        let user = Address::parse(&user).map_err(|error| Problem::new(StatusCode::BAD_REQUEST, error.to_string()))?;
        let documents = slot.get().ok_or_else(|| {
            let detail = "the server is starting: try again in a second".to_owned();
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
        })?;
        Ok(Self { documents, user, document })
    }

    /// Runs what may wait for the disk where it may.
    async fn off_thread<T: Send + 'static>(
        self,
        work: impl FnOnce(&Self) -> Result<T, DocumentError> + Send + 'static,
    ) -> Result<T, Problem> {
        match web::block(move || work(&self)).await {
            Ok(done) => done.map_err(|error| refusal(&error)),
            Err(_) => Err(Problem::internal("the work was not done: the server is stopping")),
        }
    }
}

/// A user's preferences document.
#[utoipa::path(get, path = "/v1/users/{user}/preferences/{document}", operation_id = "get_preferences", tag = "users",
    params(
        ("user" = String, Path, description = "A CPM Address, percent-encoded."),
        ("document" = String, Path, description = "`rules` or `profile`."),
        ("If-None-Match" = Option<String>, Header, description = "Entity tags that are known."),
    ),
    responses(
        (status = 200, description = "The document.", body = String, content_type = "application/xml"),
        (status = 304, description = "It is known."),
    ))]
pub(super) async fn get(
    request: HttpRequest,
    slot: web::Data<Slot<dyn Documents>>,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Problem> {
    let Some(kept) = Target::of(&slot, path)?.off_thread(|it| it.documents.get(&it.user, it.document)).await? else {
        return Ok(nothing());
    };
    let tag = kept.tag();
    if tags::is_known(&request, &tag)? {
        return Ok(HttpResponse::NotModified().insert_header((header::ETAG, tag)).finish());
    }
    Ok(HttpResponse::Ok().content_type(MEDIA_TYPE).insert_header((header::ETAG, tag)).body(kept.body))
}

/// Puts a user's preferences document in place.
#[utoipa::path(put, path = "/v1/users/{user}/preferences/{document}", operation_id = "put_preferences", tag = "users",
    params(
        ("user" = String, Path, description = "A CPM Address, percent-encoded."),
        ("document" = String, Path, description = "`rules` or `profile`."),
        ("If-Match" = Option<String>, Header, description = "Only if the document there has one of these entity tags."),
        ("If-None-Match" = Option<String>, Header, description = "`*`: only if there is none."),
    ),
    request_body(content = String, content_type = "application/xml"),
    responses(
        (status = 201, description = "There was none."),
        (status = 204, description = "It took the place of another."),
        (status = 412, description = "Somebody else was quicker.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "It cannot be read.", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn put(
    request: HttpRequest,
    body: web::Payload,
    limits: web::Data<Limits>,
    slot: web::Data<Slot<dyn Documents>>,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Problem> {
    let target = Target::of(&slot, path)?;
    let condition = condition(&request)?;
    let limit = target.documents.octets_max();
    let body = limits.receive(&request, body, limit).await.map_err(|cut| match cut {
        Cut::TooLong(octets) => {
            let octets = usize::try_from(octets).unwrap_or(usize::MAX);
            refusal(&DocumentError::TooLong { octets, limit })
        }
        other => other.problem(limit),
    })?;
    let written = target.off_thread(move |it| it.documents.put(&it.user, it.document, body, &condition)).await?;
    let mut response = if written.created { HttpResponse::Created() } else { HttpResponse::NoContent() };
    Ok(response.insert_header((header::ETAG, written.tag)).finish())
}

/// Removes a user's preferences document: the defaults hold then.
#[utoipa::path(delete, path = "/v1/users/{user}/preferences/{document}", operation_id = "delete_preferences", tag = "users",
    params(
        ("user" = String, Path, description = "A CPM Address, percent-encoded."),
        ("document" = String, Path, description = "`rules` or `profile`."),
        ("If-Match" = Option<String>, Header, description = "Only if it has one of these entity tags."),
    ),
    responses(
        (status = 204, description = "It is gone."),
        (status = 412, description = "It is another one.", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn delete(
    request: HttpRequest,
    slot: web::Data<Slot<dyn Documents>>,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Problem> {
    let target = Target::of(&slot, path)?;
    let condition = condition(&request)?;
    let was_there = target.off_thread(move |it| it.documents.delete(&it.user, it.document, &condition)).await?;
    Ok(if was_there { HttpResponse::NoContent().finish() } else { nothing() })
}

fn nothing() -> HttpResponse {
    Problem::new(StatusCode::NOT_FOUND, "the user has no such document: the defaults hold".to_owned()).into()
}

fn refusal(error: &DocumentError) -> Problem {
    let status = match error {
        DocumentError::NotServed => StatusCode::NOT_FOUND,
        DocumentError::Elsewhere => StatusCode::CONFLICT,
        DocumentError::TooLong { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        DocumentError::Unreadable(_) => StatusCode::UNPROCESSABLE_ENTITY,
        DocumentError::Precondition => StatusCode::PRECONDITION_FAILED,
        DocumentError::Shelf(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    Problem::new(status, error.to_string())
}

/// `If-Match` with tags or `*`, or `If-None-Match: *`; else no condition. A weak tag matches none of ours.
fn condition(request: &HttpRequest) -> Result<Precondition, Problem> {
    let detail = match (tags::listed(request, &header::IF_MATCH)?, tags::listed(request, &header::IF_NONE_MATCH)?) {
        (None, None) => return Ok(Precondition::None),
        (Some(tags), None) if tags == ["*"] => return Ok(Precondition::Matches(Vec::new())),
        (Some(tags), None) => return Ok(Precondition::Matches(tags)),
        (None, Some(tags)) if tags == ["*"] => return Ok(Precondition::Absent),
        (None, Some(_)) => "If-None-Match of a change can only be *: use If-Match with the tag you know",
        (Some(_), Some(_)) => "If-Match and If-None-Match exclude each other: give one",
    };
    Err(Problem::new(StatusCode::BAD_REQUEST, detail.to_owned()))
}
