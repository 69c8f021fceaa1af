//! Every path of the API, with what it needs: nothing is served that is not in this table.

use super::access::{self, Right};
use super::problem::Problem;
use super::{basics, outbox, policies, preferences, store};
use actix_web::http::{Method, StatusCode, header};
use actix_web::middleware::from_fn;
use actix_web::{HttpRequest, HttpResponse, Resource, Route, web};
use utoipa::openapi::HttpMethod;
use utoipa::openapi::path::Operation;

/// One method of one path.
pub(super) struct Endpoint {
    /// As the document writes it.
    pub(super) path: String,
    pub(super) method: HttpMethod,
    pub(super) right: Right,
    /// Its entry in the document.
    pub(super) operation: Operation,
    /// As the router wants it, where a parameter has a form of its own.
    pattern: Option<&'static str>,
    handler: fn() -> Route,
}

impl Endpoint {
    /// Path, method and entry in the document are what `#[utoipa::path]` says above the handler.
    fn of<P: utoipa::Path>(right: Right, handler: fn() -> Route) -> Self {
        let method = P::methods().into_iter().next().unwrap_or(HttpMethod::Get);
        Self { path: P::path(), method, right, operation: P::operation(), pattern: None, handler }
    }

    fn matching(self, pattern: &'static str) -> Self {
        Self { pattern: Some(pattern), ..self }
    }

    fn route(&self, method: Method) -> Route {
        let right = self.right;
        (self.handler)().method(method).wrap(from_fn(move |request, next| access::check(right, request, next)))
    }

    /// What a client may send: whatever can be got can be asked for its head.
    fn methods(&self) -> Vec<Method> {
        match self.method {
            HttpMethod::Get => vec![Method::GET, Method::HEAD],
            HttpMethod::Put => vec![Method::PUT],
            HttpMethod::Delete => vec![Method::DELETE],
            HttpMethod::Post => vec![Method::POST],
            // No handler says so; a guard that never holds is the safe answer.
            _ => Vec::new(),
        }
    }
}

/// The table. The first path that fits is taken.
pub(super) fn all() -> Vec<Endpoint> {
    use Right::{AskPast, Bind, Outbox, ReadEntries, ReadPolicies, ReadRealm, Retire, RollBack, Upload, Users, Watch};
    vec![
        Endpoint::of::<basics::__path_scrape>(Watch, || web::to(basics::scrape)),
        Endpoint::of::<basics::__path_healthy>(Watch, || web::to(basics::healthy)),
        Endpoint::of::<basics::__path_ready>(Watch, || web::to(basics::ready)),
        Endpoint::of::<basics::__path_document>(Watch, || web::to(basics::document)),
        Endpoint::of::<outbox::__path_list>(Outbox, || web::to(outbox::list)),
        Endpoint::of::<outbox::__path_acknowledge>(Outbox, || web::to(outbox::acknowledge)),
        Endpoint::of::<outbox::__path_remove>(Outbox, || web::to(outbox::remove)),
        Endpoint::of::<store::__path_list>(Users, || web::to(store::list)),
        Endpoint::of::<store::__path_one>(Users, || web::to(store::one))
            .matching("/v1/users/{user}/store/{folder:.+}/{uid:[0-9]+}"),
        Endpoint::of::<preferences::__path_get>(Users, || web::to(preferences::get)),
        Endpoint::of::<preferences::__path_put>(Users, || web::to(preferences::put)),
        Endpoint::of::<preferences::__path_delete>(Users, || web::to(preferences::delete)),
        Endpoint::of::<policies::__path_list>(ReadPolicies, || web::to(policies::list)),
        Endpoint::of::<policies::upload::__path_upload>(Upload, || web::to(policies::upload::upload)),
        Endpoint::of::<policies::__path_show>(ReadPolicies, || web::to(policies::show)),
        Endpoint::of::<policies::__path_component>(ReadPolicies, || web::to(policies::component)),
        Endpoint::of::<policies::orders::__path_retire>(Retire, || web::to(policies::orders::retire)),
        Endpoint::of::<policies::hindsight::__path_diff>(AskPast, || web::to(policies::hindsight::diff)),
        Endpoint::of::<policies::__path_realms>(ReadPolicies, || web::to(policies::realms)),
        Endpoint::of::<policies::__path_realm>(ReadRealm, || web::to(policies::realm)),
        Endpoint::of::<policies::orders::__path_activate>(Bind, || web::to(policies::orders::activate)),
        Endpoint::of::<policies::orders::__path_shadow>(Bind, || web::to(policies::orders::shadow)),
        Endpoint::of::<policies::orders::__path_end_shadow>(Bind, || web::to(policies::orders::end_shadow)),
        Endpoint::of::<policies::orders::__path_rollback>(RollBack, || web::to(policies::orders::rollback)),
        Endpoint::of::<policies::__path_events>(ReadEntries, || web::to(policies::events)),
    ]
}

/// Puts the table onto the server.
pub(super) fn mount(app: &mut web::ServiceConfig) {
    let mut paths: Vec<(String, Vec<Endpoint>)> = Vec::new();
    for endpoint in all() {
        match paths.iter_mut().find(|(path, _)| *path == endpoint.path) {
            Some((_, endpoints)) => endpoints.push(endpoint),
            None => paths.push((endpoint.path.clone(), vec![endpoint])),
        }
    }
    for (path, endpoints) in &paths {
        app.service(resource(path, endpoints));
    }
    app.default_service(web::to(nothing_here));
}

fn resource(path: &str, endpoints: &[Endpoint]) -> Resource {
    let pattern = endpoints.iter().find_map(|endpoint| endpoint.pattern).unwrap_or(path);
    let mut resource = web::resource(pattern);
    let mut allowed = Vec::new();
    for endpoint in endpoints {
        for method in endpoint.methods() {
            allowed.push(method.to_string());
            resource = resource.route(endpoint.route(method));
        }
    }
    let open = endpoints.iter().any(|endpoint| endpoint.right.roles().is_none());
    let allowed = allowed.join(", ");
    resource.default_service(web::to(move |request: HttpRequest| {
        let answer = other_method(&request, open, &allowed);
        async move { answer }
    }))
}

/// Who is nobody we know is not told either what there is.
async fn nothing_here(request: HttpRequest) -> HttpResponse {
    access::stranger(&request).unwrap_or_else(|| Problem::not_found().into())
}

fn other_method(request: &HttpRequest, open: bool, allowed: &str) -> HttpResponse {
    if !open && let Some(refusal) = access::stranger(request) {
        return refusal;
    }
    let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, format!("this takes {allowed} only"));
    let mut response: HttpResponse = problem.into();
    if let Ok(allowed) = header::HeaderValue::from_str(allowed) {
        response.headers_mut().insert(header::ALLOW, allowed);
    }
    response
}
