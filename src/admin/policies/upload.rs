//! `POST /v1/policies`: a component comes.

use super::{Port, refusal, run};
use crate::admin::Limits;
use crate::admin::access::Granted;
use crate::admin::problem::Problem;
use crate::admin::receive::{Cut, NoRoom, announced};
use crate::metrics::Limit;
use crate::policy::policies::{Announced, PoliciesError, ReceptionError, Signature, SignatureError, Signed, Upload};
use actix_web::http::header;
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, web};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

/// What a component is served and taken as.
pub(super) const MEDIA_TYPE: &str = "application/wasm";
/// The header with the detached signature.
const SIGNATURE: &str = "restante-signature";
/// Of Ed25519 (RFC 8032 section 5.1.6).
const SIGNATURE_BYTES: usize = 64;

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
        (status = 503, description = "Others are being received or examined: try again.", body = Problem,
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
        return Err(turned_away(&port, signed(octets), too_large(octets)).await);
    }
    if !request.content_type().eq_ignore_ascii_case(MEDIA_TYPE) {
        return Err(turned_away(&port, signed(octets), ReceptionError::MediaType.into()).await);
    }
    let signature = match signature(&request) {
        Ok(signature) => signature,
        Err(error) => return Err(turned_away(&port, signed(octets), error.into()).await),
    };
    // Components are large: so many are in memory, and nobody sends several to take the room of others.
    let (sending, seat) = match limits.receptions.begin(granted.caller.name()) {
        Ok(room) => room,
        Err(none) => return Err(turned_away(&port, signed(octets), no_room(&limits, none).into()).await),
    };
    let component: Bytes = match limits.receive(&request, body, limit).await {
        Ok(component) => component,
        Err(cut) => {
            let error = match cut {
                Cut::TooLong(octets) => too_large(octets),
                Cut::TooSlow(patience) => ReceptionError::TooSlow(patience.pause, patience.whole).into(),
                Cut::Broken => ReceptionError::Broken.into(),
            };
            return Err(turned_away(&port, signed(octets), error).await);
        }
    };
    drop(sending);
    let order = Upload { component, name, signature, realm: granted.realm.clone() };
    let upload = Signed { author: granted.caller.author(), reason: reason.clone().unwrap_or_default(), order };
    let done = run(&port, move |policies| {
        let _seat = seat;
        policies.upload(upload)
    })
    .await?;
    let report = serde_json::to_value(&done.report).map_err(|error| Problem::internal(&error.to_string()))?;
    let (digest, new, signed, name) = (done.digest.to_string(), done.new, done.signed, done.name);
    let view = UploadView { digest, new, signed, name, report };
    let mut response = if view.new { HttpResponse::Created() } else { HttpResponse::Ok() };
    Ok(response.insert_header((header::LOCATION, format!("/v1/policies/{}", view.digest))).json(view))
}

fn no_room(limits: &Limits, none: NoRoom) -> ReceptionError {
    match none {
        NoRoom::Another => ReceptionError::Another,
        NoRoom::Full(max) => {
            limits.metrics.limit_hit(Limit::PolicyUploads);
            ReceptionError::Full(max)
        }
    }
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
    if key.is_empty() || octets.len() != SIGNATURE_BYTES || values.next().is_some() {
        return Err(SignatureError::Form);
    }
    Ok(Some(Signature { key: key.to_owned(), octets }))
}
