//! The HTTP API for operators: metrics, health, readiness, the outbox of notifications, the message store kept here, and
//! users' preferences documents.

mod outbox;
mod preferences;
mod problem;
mod readiness;
mod store;

#[cfg(test)]
mod tests;

pub use outbox::OutboxSlot;
pub use readiness::{Condition, Readiness};
pub use store::StoreView;

use crate::config;
use crate::gateway::preferences::Documents;
use crate::metrics::{Limit, Metrics};
use actix_web::dev::{Extensions, Server, ServerHandle};
use actix_web::http::{KeepAlive, header};
use actix_web::{App, HttpResponse, HttpServer, web};
use problem::Problem;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// A client that does not finish its request in this time is cut off.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How long a scrape may still run when the server stops, seconds.
const SHUTDOWN_SECS: u64 = 1;

/// Why the API cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    #[error(
        "cannot listen on {address} for the admin API: {cause}; is another server running? choose another socket with --admin or admin.listen"
    )]
    Bind { address: SocketAddr, cause: std::io::Error },
}

/// A part of the server that the API shows as soon as it is there: the API starts first, so that everybody can see how
/// the rest does. A clone is the same one.
pub struct Slot<T: ?Sized>(Arc<OnceLock<Arc<T>>>);

impl<T: ?Sized> Slot<T> {
    /// From now on it is there; only the first call counts.
    pub fn fill(&self, part: Arc<T>) {
        // The first one stays.
        let _ = self.0.set(part);
    }

    fn get(&self) -> Option<Arc<T>> {
        self.0.get().cloned()
    }
}

impl<T: ?Sized> Clone for Slot<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: ?Sized> Default for Slot<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

/// What the API looks into; each is opened when its part has started.
#[derive(Clone, Default)]
pub struct Views {
    pub outbox: OutboxSlot,
    pub store: StoreView,
    /// The documents under `/v1/users/{sip-uri}/preferences`.
    pub preferences: Slot<dyn Documents>,
}

/// Binds the socket and makes the server, which must be awaited or spawned on an actix system. Also gives the address
/// it listens on, which differs from the configured one if that has port 0.
///
/// # Errors
/// [`AdminError::Bind`] if the socket cannot be had.
pub fn bind(
    config: &config::Admin,
    metrics: Arc<Metrics>,
    readiness: Readiness,
    views: Views,
) -> Result<(Server, SocketAddr), AdminError> {
    let failed = |cause| AdminError::Bind { address: config.listen, cause };
    let gauge = Connections { open: Arc::default(), max: config.connections_max, metrics: Arc::clone(&metrics) };
    let (metrics, readiness) = (web::Data::from(metrics), web::Data::new(readiness));
    let (outbox, store) = (web::Data::new(views.outbox), web::Data::new(views.store));
    let preferences = web::Data::new(views.preferences);
    let app = move || {
        let app = App::new().app_data(metrics.clone()).app_data(readiness.clone());
        let app = app.app_data(outbox.clone()).app_data(store.clone()).app_data(preferences.clone());
        app.configure(routes)
    };
    let server = HttpServer::new(app)
        .workers(1)
        .max_connections(config.connections_max)
        .client_request_timeout(REQUEST_TIMEOUT)
        .keep_alive(KeepAlive::Timeout(KEEP_ALIVE))
        .shutdown_timeout(SHUTDOWN_SECS)
        .disable_signals()
        .on_connect(move |_, extensions| gauge.opened(extensions))
        .bind(config.listen)
        .map_err(failed)?;
    let address = server.addrs().first().copied().unwrap_or(config.listen);
    Ok((server.run(), address))
}

/// The API, running on the actix system it was started on.
pub struct Running(ServerHandle);

impl Running {
    /// Ends it; a scrape that is running may end first.
    pub async fn stop(self) {
        self.0.stop(true).await;
    }
}

/// Binds and serves. Also gives the address it listens on.
///
/// # Errors
/// As [`bind`].
pub fn start(
    config: &config::Admin,
    metrics: Arc<Metrics>,
    readiness: Readiness,
    views: Views,
) -> Result<(Running, SocketAddr), AdminError> {
    let (server, address) = bind(config, metrics, readiness, views)?;
    let running = Running(server.handle());
    actix_web::rt::spawn(server);
    Ok((running, address))
}

/// Every path of the API.
fn routes(app: &mut web::ServiceConfig) {
    let resource = |path: &str| web::resource(path).default_service(web::to(only_get));
    app.service(resource("/metrics").route(web::get().to(scrape)).route(web::head().to(scrape)))
        .service(resource("/healthz").route(web::get().to(healthy)).route(web::head().to(healthy)))
        .service(resource("/readyz").route(web::get().to(ready)).route(web::head().to(ready)))
        .configure(outbox::routes)
        .configure(store::routes)
        .configure(preferences::routes)
        .default_service(web::to(nothing_here));
}

async fn scrape(metrics: web::Data<Metrics>) -> HttpResponse {
    match metrics.render() {
        Ok(text) => HttpResponse::Ok().content_type(Metrics::media_type()).body(text),
        Err(error) => Problem::internal(&error.to_string()).into(),
    }
}

/// Answering at all is the answer.
async fn healthy() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("alive\n")
}

async fn ready(readiness: web::Data<Readiness>) -> HttpResponse {
    let missing = readiness.missing();
    if missing.is_empty() {
        return HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("ready\n");
    }
    Problem::not_ready(&missing).into()
}

async fn nothing_here() -> HttpResponse {
    Problem::not_found().into()
}

async fn only_get() -> HttpResponse {
    let mut response: HttpResponse = Problem::method_not_allowed().into();
    response.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static("GET, HEAD"));
    response
}

/// Counts open connections, so that reaching the limit (actix then stops accepting) can be seen.
struct Connections {
    open: Arc<AtomicUsize>,
    max: usize,
    metrics: Arc<Metrics>,
}

/// Lives as long as its connection.
struct Open(Arc<AtomicUsize>);

impl Connections {
    fn opened(&self, connection: &mut Extensions) {
        if self.open.fetch_add(1, Ordering::Relaxed) + 1 >= self.max {
            self.metrics.limit_hit(Limit::AdminConnections);
        }
        connection.insert(Open(Arc::clone(&self.open)));
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
