//! What the API can do, as a document for programs (OpenAPI 3.1): made from the table of routes and the handlers.

use super::problem::Problem;
use super::routes::{self, Endpoint};
use utoipa::OpenApi as _;
use utoipa::openapi::path::Operation;
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    Components, ContentBuilder, Info, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, Paths, Ref, RefOr,
};

const PROBLEM: &str = "application/problem+json";

/// The types that the entries of the handlers name.
#[derive(utoipa::OpenApi)]
#[openapi(components(schemas(
    Problem,
    super::outbox::Notices,
    super::outbox::Taken,
    super::store::Listing,
    super::policies::PolicyList,
    super::policies::RealmList,
    super::policies::EntryPage,
    super::policies::upload::Octets,
    super::policies::upload::UploadView,
    super::policies::orders::BindOrder,
    super::policies::orders::PlaceOrder,
    super::policies::orders::RetireOrder,
    super::policies::hindsight::PastOrder,
    super::policies::hindsight::Review,
    crate::policy::view::PolicyView,
    crate::policy::view::RealmView,
)))]
struct Schemas;

/// The document in JSON, as it is served and as `docs/openapi.json` has it.
pub(super) fn document() -> Result<String, serde_json::Error> {
    made().to_pretty_json().map(|text| text + "\n")
}

fn made() -> OpenApi {
    let mut paths = Paths::new();
    for endpoint in routes::all() {
        let (path, method) = (endpoint.path.clone(), endpoint.method.clone());
        paths.add_path_operation(path, vec![method], operation(endpoint));
    }
    OpenApiBuilder::new().info(info()).paths(paths).components(Some(components())).build()
}

fn info() -> Info {
    InfoBuilder::new()
        .title("Restante")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "The HTTP API of Restante, an OMA CPM Participating Function. Errors of requests that can be read are problem documents (RFC 9457). \
             Everything that can be got can be asked for with HEAD as well.",
        ))
        .license(Some(LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build()))
        .build()
}

/// What the handler says, and what holds for all of them.
fn operation(endpoint: Endpoint) -> Operation {
    let Endpoint { right, mut operation, .. } = endpoint;
    let answers = &mut operation.responses.responses;
    let shared = |name: &str| RefOr::Ref(Ref::from_response_name(name));
    answers.entry("default".to_owned()).or_insert_with(|| shared("problem"));
    let Some(roles) = right.roles() else {
        operation.security = Some(Vec::new());
        return operation;
    };
    answers.entry("401".to_owned()).or_insert_with(|| shared("unauthorized"));
    answers.entry("403".to_owned()).or_insert_with(|| shared("forbidden"));
    operation.security =
        Some(["token", "certificate"].map(|scheme| SecurityRequirement::new(scheme, Vec::<String>::new())).into());
    let who = format!("Who may: {}.", roles.words());
    operation.description = Some(match operation.description.take() {
        Some(before) => format!("{before}\n\n{who}"),
        None => who,
    });
    operation
}

fn components() -> Components {
    let mut components = Schemas::openapi().components.unwrap_or_default();
    let token = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("A token whose SHA-256 is in `admin.tokens`."))
        .build();
    let certificate = SecurityScheme::MutualTls {
        description: Some("A client certificate whose SHA-256 is in `admin.certificates`.".to_owned()),
        deprecated: None,
        extensions: None,
    };
    components.security_schemes.insert("token".to_owned(), RefOr::T(SecurityScheme::Http(token)));
    components.security_schemes.insert("certificate".to_owned(), RefOr::T(certificate));
    for (name, what) in [
        ("problem", "What went wrong, why, and what to do."),
        ("unauthorized", "Nobody we know has asked: send a token or a client certificate."),
        ("forbidden", "The caller has none of the roles that may: the detail names them."),
    ] {
        components.responses.insert(name.to_owned(), RefOr::T(problem(what)));
    }
    components
}

fn problem(what: &str) -> Response {
    let schema = RefOr::Ref(Ref::from_schema_name("Problem"));
    ResponseBuilder::new()
        .description(what)
        .content(PROBLEM, ContentBuilder::new().schema(Some(schema)).build())
        .build()
}
