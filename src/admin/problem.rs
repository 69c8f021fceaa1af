//! Errors as `application/problem+json` (RFC 9457).

use super::Condition;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde::Serialize;

/// What went wrong, for a machine and for a reader.
#[derive(Debug, Serialize)]
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
    fn new(status: StatusCode, detail: String) -> Self {
        let title = status.canonical_reason().unwrap_or_default();
        Self { r#type: "about:blank", title, status: status.as_u16(), detail, waiting_for: Vec::new() }
    }

    pub(super) fn not_found() -> Self {
        let detail = "nothing is here; try /metrics, /healthz or /readyz".to_owned();
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    pub(super) fn method_not_allowed() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "this can only be read: use GET".to_owned())
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
        Self::build(status).content_type("application/problem+json").body(body)
    }
}
