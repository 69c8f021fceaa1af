//! Errors as `application/problem+json` (RFC 9457).

use super::Condition;
use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use serde_json::{Map, Value};
use std::fmt;
use utoipa::ToSchema;

/// What went wrong, for a machine and for a reader (RFC 9457).
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Problem {
    /// Always `about:blank`: the title is the status's meaning.
    r#type: &'static str,
    title: &'static str,
    status: u16,
    /// What happened, why, and what to do.
    detail: String,
    /// `waiting-for` of `/readyz`: what is missing (`journal`, `policy`, `sip`, `staying`); `findings` and `report` of a
    /// component, `problems` of settings, `bound` of a policy in use, `policies` of a name that several have.
    #[serde(flatten)]
    more: Map<String, Value>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, detail: String) -> Self {
        let title = status.canonical_reason().unwrap_or_default();
        Self { r#type: "about:blank", title, status: status.as_u16(), detail, more: Map::new() }
    }

    /// With a member of its own. What cannot be said in JSON is left out.
    pub(super) fn with(mut self, name: &str, value: &impl Serialize) -> Self {
        if let Ok(value) = serde_json::to_value(value) {
            self.more.insert(name.to_owned(), value);
        }
        self
    }

    pub(super) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "nothing is here; /openapi.json has every path".to_owned())
    }

    pub(super) fn bad_request(detail: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail.to_owned())
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
        let missing: Vec<&str> = missing.iter().map(|condition| condition.name()).collect();
        Self::unavailable(&detail).with("waiting-for", &missing)
    }
}

impl From<Problem> for HttpResponse {
    fn from(problem: Problem) -> Self {
        let status = problem.status_code();
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
