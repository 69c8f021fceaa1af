//! The HTTP API for operators: metrics, health and readiness.

mod problem;
mod readiness;

#[cfg(test)]
mod tests;

pub use readiness::{Condition, Readiness};

use crate::config;
use crate::metrics::{Limit, Metrics};
use actix_web::dev::{Extensions, Server, ServerHandle};
use actix_web::http::{KeepAlive, header};
use actix_web::{App, HttpResponse, HttpServer, web};
use problem::Problem;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
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

/// Binds the socket and makes the server, which must be awaited or spawned on an actix system. Also gives the address
/// it listens on, which differs from the configured one if that has port 0.
///
/// # Errors
/// [`AdminError::Bind`] if the socket cannot be had.
pub fn bind(
    config: &config::Admin,
    metrics: Arc<Metrics>,
    readiness: Readiness,
) -> Result<(Server, SocketAddr), AdminError> {
    let failed = |cause| AdminError::Bind { address: config.listen, cause };
    let gauge = Connections { open: Arc::default(), max: config.connections_max, metrics: Arc::clone(&metrics) };
    let (metrics, readiness) = (web::Data::from(metrics), web::Data::new(readiness));
    let server =
        HttpServer::new(move || App::new().app_data(metrics.clone()).app_data(readiness.clone()).configure(routes))
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
) -> Result<(Running, SocketAddr), AdminError> {
    let (server, address) = bind(config, metrics, readiness)?;
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
    let mut response: HttpResponse = Problem::not_ready(&missing).into();
    response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
    response
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
