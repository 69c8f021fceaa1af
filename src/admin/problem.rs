//! Errors as `application/problem+json` (RFC 9457).

use super::Condition;
use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use std::fmt;

/// What went wrong, for a machine and for a reader.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Problem {
    /// There is no page about it: the title is the status's meaning.
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: String,
    #[serde(rename = "waiting-for", skip_serializing_if = "Vec::is_empty")]
    waiting_for: Vec<&'static str>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, detail: String) -> Self {
        let title = status.canonical_reason().unwrap_or_default();
        Self { r#type: "about:blank", title, status: status.as_u16(), detail, waiting_for: Vec::new() }
    }

    pub(super) fn not_found() -> Self {
        let detail = "nothing is here; try /metrics, /healthz, /readyz or /v1/outbox".to_owned();
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    pub(super) fn bad_request(detail: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail.to_owned())
    }

    pub(super) fn method_not_allowed() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "this can only be read: use GET".to_owned())
    }

    pub(super) fn no_such(detail: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail.to_owned())
    }

    pub(super) fn unavailable(detail: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail.to_owned())
    }

    pub(super) fn internal(detail: &str) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, detail.to_owned())
    }

    pub(super) fn not_ready(missing: &[Condition]) -> Self {
        let detail = missing.iter().map(|condition| condition.absence()).collect::<Vec<_>>().join("; ");
        let waiting_for = missing.iter().map(|condition| condition.name()).collect();
        Self { waiting_for, ..Self::new(StatusCode::SERVICE_UNAVAILABLE, detail) }
    }
}

impl From<Problem> for HttpResponse {
    fn from(problem: Problem) -> Self {
        let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_string(&problem).unwrap_or_default();
        let mut response = Self::build(status);
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.insert_header((header::RETRY_AFTER, "1"));
        }
        response.content_type("application/problem+json").body(body)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

/// So that a handler can fail with one.
impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        self.clone().into()
    }
}
