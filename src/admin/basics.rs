//! What everybody may ask: metrics, whether the server lives and is ready, and what the API can do.

use super::openapi;
use super::problem::Problem;
use super::readiness::Readiness;
use crate::metrics::Metrics;
use actix_web::{HttpResponse, web};

const TEXT: &str = "text/plain; charset=utf-8";

/// The metrics, for Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "server", responses(
    (status = 200, description = "Every metric.", body = String, content_type = "text/plain"),
))]
pub(super) async fn scrape(metrics: web::Data<Metrics>) -> HttpResponse {
    match metrics.render() {
        Ok(text) => HttpResponse::Ok().content_type(Metrics::media_type()).body(text),
        Err(error) => Problem::internal(&error.to_string()).into(),
    }
}

/// Whether the process answers: that it does is the answer.
#[utoipa::path(get, path = "/healthz", tag = "server", responses(
    (status = 200, description = "It does.", body = String, content_type = "text/plain"),
))]
pub(super) async fn healthy() -> HttpResponse {
    HttpResponse::Ok().content_type(TEXT).body("alive\n")
}

/// Whether the server should be sent traffic.
#[utoipa::path(get, path = "/readyz", tag = "server", responses(
    (status = 200, description = "It should.", body = String, content_type = "text/plain"),
    (status = 503, description = "Not now: `waiting-for` says what is missing.", body = Problem,
        content_type = "application/problem+json"),
))]
pub(super) async fn ready(readiness: web::Data<Readiness>) -> HttpResponse {
    let missing = readiness.missing();
    if missing.is_empty() {
        return HttpResponse::Ok().content_type(TEXT).body("ready\n");
    }
    Problem::not_ready(&missing).into()
}

/// This document.
#[utoipa::path(get, path = "/openapi.json", tag = "server", responses(
    (status = 200, description = "What the API can do (OpenAPI 3.1).", body = Object),
))]
pub(super) async fn document() -> HttpResponse {
    match openapi::document() {
        Ok(text) => HttpResponse::Ok().content_type("application/json").body(text),
        Err(error) => Problem::internal(&error.to_string()).into(),
    }
}
