//! The preferences documents kept here: `/v1/users/{sip-uri}/preferences/{rules|profile}`, with entity tags.

use super::Slot;
use super::problem::Problem;
use crate::gateway::preferences::{Document, DocumentError, Documents, Precondition};
use crate::types::Address;
use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};
use std::sync::Arc;

/// What it is served as.
const MEDIA_TYPE: &str = "application/xml; charset=utf-8";

/// The paths of this file.
pub(super) fn routes(app: &mut web::ServiceConfig) {
    app.service(
        web::resource("/v1/users/{user}/preferences/{document}")
            .route(web::get().to(get))
            .route(web::put().to(put))
            .route(web::delete().to(delete))
            .default_service(web::to(other)),
    );
}

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

async fn get(
    request: HttpRequest,
    slot: web::Data<Slot<dyn Documents>>,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Problem> {
    let Some(kept) = Target::of(&slot, path)?.off_thread(|it| it.documents.get(&it.user, it.document)).await? else {
        return Ok(nothing());
    };
    let tag = kept.tag();
    if tags(&request, &header::IF_NONE_MATCH)?.is_some_and(|known| known.contains(&tag)) {
        return Ok(HttpResponse::NotModified().insert_header((header::ETAG, tag)).finish());
    }
    Ok(HttpResponse::Ok().content_type(MEDIA_TYPE).insert_header((header::ETAG, tag)).body(kept.body))
}

async fn put(
    request: HttpRequest,
    body: web::Payload,
    slot: web::Data<Slot<dyn Documents>>,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Problem> {
    let target = Target::of(&slot, path)?;
    let condition = condition(&request)?;
    let limit = target.documents.octets_max();
    let body = match body.to_bytes_limited(limit).await {
        Ok(Ok(body)) => body,
        Ok(Err(error)) => return Err(Problem::new(StatusCode::BAD_REQUEST, error.to_string())),
        // How many more there would have been, nobody waited to see.
        Err(_) => return Err(refusal(&DocumentError::TooLong { octets: limit.saturating_add(1), limit })),
    };
    let written = target.off_thread(move |it| it.documents.put(&it.user, it.document, body, &condition)).await?;
    let mut response = if written.created { HttpResponse::Created() } else { HttpResponse::NoContent() };
    Ok(response.insert_header((header::ETAG, written.tag)).finish())
}

async fn delete(
    request: HttpRequest,
    slot: web::Data<Slot<dyn Documents>>,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Problem> {
    let target = Target::of(&slot, path)?;
    let condition = condition(&request)?;
    let was_there = target.off_thread(move |it| it.documents.delete(&it.user, it.document, &condition)).await?;
    Ok(if was_there { HttpResponse::NoContent().finish() } else { nothing() })
}

async fn other() -> HttpResponse {
    let detail = "a document is read, put or deleted: use GET, PUT or DELETE".to_owned();
    let mut response: HttpResponse = Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail).into();
    response.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static("GET, PUT, DELETE"));
    response
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

/// `If-Match` with tags or `*`, or `If-None-Match: *`; else no condition.
fn condition(request: &HttpRequest) -> Result<Precondition, Problem> {
    let detail = match (tags(request, &header::IF_MATCH)?, tags(request, &header::IF_NONE_MATCH)?) {
        (None, None) => return Ok(Precondition::None),
        (Some(tags), None) if tags == ["*"] => return Ok(Precondition::Matches(Vec::new())),
        (Some(tags), None) => return Ok(Precondition::Matches(tags)),
        (None, Some(tags)) if tags == ["*"] => return Ok(Precondition::Absent),
        (None, Some(_)) => "If-None-Match of a change can only be *: use If-Match with the tag you know",
        (Some(_), Some(_)) => "If-Match and If-None-Match exclude each other: give one",
    };
    Err(Problem::new(StatusCode::BAD_REQUEST, detail.to_owned()))
}

/// The entity tags of a header. A weak one equals none of ours.
fn tags(request: &HttpRequest, name: &header::HeaderName) -> Result<Option<Vec<String>>, Problem> {
    let mut found = None;
    for value in request.headers().get_all(name) {
        let text = value
            .to_str()
            .map_err(|_| Problem::new(StatusCode::BAD_REQUEST, format!("{name} is no list of entity tags")))?;
        found.get_or_insert_with(Vec::new).extend(text.split(',').map(|tag| tag.trim().to_owned()));
    }
    Ok(found)
}
