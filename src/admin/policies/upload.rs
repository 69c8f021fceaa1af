//! `POST /v1/policies`: a component comes.

use super::{Port, refusal, run};
use crate::admin::Limits;
use crate::admin::access::Granted;
use crate::admin::problem::Problem;
use crate::admin::receive::{Cut, announced, receive};
use crate::metrics::Limit;
use crate::policy::policies::{Announced, PoliciesError, Signature, SignatureError, Signed, Upload};
use actix_web::http::{StatusCode, header};
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, web};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// What a component is served and taken as.
pub(super) const MEDIA_TYPE: &str = "application/wasm";
/// The header with the detached signature.
const SIGNATURE: &str = "restante-signature";

/// What goes with an upload.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::admin) struct UploadQuery {
    /// What people call the policy: letters, digits, `-`, `_`, `.`.
    name: Option<String>,
    /// Whose it is: its operators see it and may retire it, and it is checked as they want it. Without it: the only realm
    /// of the caller, or, by an `operator:*`, all.
    #[expect(dead_code, reason = "read where it is checked who asks")]
    realm: Option<String>,
    /// Why, for whoever reads the operator stream.
    reason: Option<String>,
}

/// The octets of a component.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "what the document says of a body that is no JSON")]
pub(in crate::admin) struct Octets(Vec<u8>);

/// What came of an upload.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct UploadView {
    /// SHA-256 of the component: the name of the policy.
    digest: String,
    /// It was not there before, as far as the realm of the upload may know.
    new: bool,
    /// A signature came with it that it did not have before.
    signed: bool,
    /// What it is called in the realm of the upload: what came again keeps its name.
    name: Option<String>,
    /// What the examination found, as `restante policy check --json` has it.
    report: Value,
}

/// Uploads a component: it is examined, and kept if it is good. The same one again changes nothing, unless it comes for
/// another realm or with another signature.
#[utoipa::path(post, path = "/v1/policies", operation_id = "upload_policy", tag = "policies",
    params(UploadQuery, ("Restante-Signature" = Option<String>, Header,
        description = "Detached Ed25519 signature over the octets of the component: `KEY-ID:BASE64`.")),
    request_body(content = Octets, content_type = "application/wasm", description = "The component."),
    responses(
        (status = 201, description = "It is kept.", body = UploadView),
        (status = 200, description = "It was there.", body = UploadView),
        (status = 408, description = "It came too slowly.", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "It is longer than `policy.component-bytes-max`.", body = Problem,
            content_type = "application/problem+json"),
        (status = 422, description = "It is not acceptable: see `findings`.", body = Problem,
            content_type = "application/problem+json"),
        (status = 503, description = "Others are being examined: try again.", body = Problem,
            content_type = "application/problem+json"),
    ))]
pub(in crate::admin) async fn upload(
    request: HttpRequest,
    granted: Granted,
    query: web::Query<UploadQuery>,
    limits: web::Data<Limits>,
    port: Port,
    body: web::Payload,
) -> Result<HttpResponse, Problem> {
    let UploadQuery { name, reason, .. } = query.into_inner();
    let limit = limits.component_bytes_max;
    let signed = |octets: u64| Signed {
        author: granted.caller.author(),
        reason: reason.clone().unwrap_or_default(),
        order: Announced { octets, realm: granted.realm.clone() },
    };
    let too_large = |octets| PoliciesError::TooLarge { octets, limit: limit as u64 };
    // Before anything of it is read.
    let octets = announced(&request).unwrap_or_default();
    if octets > limit as u64 {
        limits.metrics.limit_hit(Limit::PolicyComponent);
        return Err(turned_away(&port, signed(octets), too_large(octets)).await);
    }
    if !request.content_type().eq_ignore_ascii_case(MEDIA_TYPE) {
        let detail = format!("a component is sent as {MEDIA_TYPE}: say so with Content-Type");
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
    }
    let signature = match signature(&request) {
        Ok(signature) => signature,
        Err(error) => return Err(turned_away(&port, signed(octets), error.into()).await),
    };
    // As many components as may be examined may be in memory: they are large.
    let seat = Arc::clone(&limits.uploads).try_acquire_owned();
    let seat = seat.map_err(|_| {
        limits.metrics.limit_hit(Limit::PolicyUploads);
        refusal::problem(&PoliciesError::Busy(limits.uploads_max))
    })?;
    let component: Bytes = match receive(&request, body, limit, limits.patience).await {
        Ok(component) => component,
        Err(Cut::TooLong(octets)) => {
            limits.metrics.limit_hit(Limit::PolicyComponent);
            return Err(turned_away(&port, signed(octets), too_large(octets)).await);
        }
        Err(cut) => return Err(cut.problem(limit)),
    };
    let order = Upload { component, name, signature, realm: granted.realm.clone() };
    let upload = Signed { author: granted.caller.author(), reason: reason.clone().unwrap_or_default(), order };
    let done = run(&port, move |policies| {
        let done = policies.upload(upload);
        drop(seat);
        done
    })
    .await?;
    let report = serde_json::to_value(&done.report).map_err(|error| Problem::internal(&error.to_string()))?;
    let (digest, new, signed, name) = (done.digest.to_string(), done.new, done.signed, done.name);
    let view = UploadView { digest, new, signed, name, report };
    let mut response = if view.new { HttpResponse::Created() } else { HttpResponse::Ok() };
    Ok(response.insert_header((header::LOCATION, format!("/v1/policies/{}", view.digest))).json(view))
}

/// What is refused before it is read leaves a trace, too.
async fn turned_away(port: &Port, upload: Signed<Announced>, error: PoliciesError) -> Problem {
    let told = run(port, move |policies| {
        policies.turned_away(upload, &error);
        Ok(error)
    });
    told.await.map_or_else(|problem| problem, |error| refusal::problem(&error))
}

/// `KEY-ID:BASE64`, once or not at all.
fn signature(request: &HttpRequest) -> Result<Option<Signature>, SignatureError> {
    let mut values = request.headers().get_all(SIGNATURE);
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().map_err(|_| SignatureError::Form)?;
    let (key, octets) = text.trim().rsplit_once(':').ok_or(SignatureError::Form)?;
    let octets = STANDARD.decode(octets).map_err(|_| SignatureError::Form)?;
    if key.is_empty() || octets.len() != 64 || values.next().is_some() {
        return Err(SignatureError::Form);
    }
    Ok(Some(Signature { key: key.to_owned(), octets }))
}
