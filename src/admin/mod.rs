//! The HTTP API for operators: metrics, health, readiness, policies, the outbox of notifications, the message store kept
//! here, and users' preferences documents; and who may do what with it.

mod access;
mod basics;
mod caller;
mod connection;
mod openapi;
mod outbox;
mod policies;
mod preferences;
mod problem;
mod readiness;
mod receive;
mod routes;
mod store;
mod tags;
mod tls;
mod trail;

#[cfg(test)]
mod tests;

pub use readiness::{Condition, Readiness};
pub use tls::TlsError;

use crate::config::{self, Config};
use crate::gateway::notifier::Outbox;
use crate::gateway::preferences::Documents;
use crate::gateway::store::Reading;
use crate::metrics::Metrics;
use crate::policy::policies::{Hindsight, Policies};
use actix_web::dev::{Server, ServerHandle};
use actix_web::http::KeepAlive;
use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, web};
use caller::Callers;
use connection::{Connections, Times};
use problem::Problem;
use receive::{CutOff, Patience, Receptions};
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::Semaphore;
use trail::Refusals;

/// A client that does not finish its handshake, or the head of its first request, in this time is cut off.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection without a request ends after this time.
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
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// A part of the server that the API shows as soon as it is there: the API starts first, so that everybody can see how
/// the rest does. A clone is the same one.
pub struct Slot<T: ?Sized>(Arc<OnceLock<Option<Arc<T>>>>);

impl<T: ?Sized> Slot<T> {
    /// From now on it is there; only the first call of this or the next counts.
    pub fn fill(&self, part: Arc<T>) {
        // The first one stays.
        let _ = self.0.set(Some(part));
    }

    /// It will never be there: this server has none.
    pub fn leave_empty(&self) {
        // The first one stays.
        let _ = self.0.set(None);
    }

    fn get(&self) -> Option<Arc<T>> {
        self.0.get().cloned().flatten()
    }

    fn stays_empty(&self) -> bool {
        self.0.get().is_some_and(Option::is_none)
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
    /// `/v1/outbox`.
    pub outbox: Slot<Outbox>,
    /// `/v1/users/{sip-uri}/store`; stays empty if the message store is on an IMAP server.
    pub store: Slot<dyn Reading>,
    /// The documents under `/v1/users/{sip-uri}/preferences`.
    pub preferences: Slot<dyn Documents>,
    /// `/v1/policies`, `/v1/realms`, `/v1/operator-events`.
    pub policies: Slot<dyn Policies>,
    /// `/v1/policies/{policy}/diff`.
    pub hindsight: Slot<dyn Hindsight>,
}

/// How much of a body is taken, and how long one waits for it.
struct Limits {
    component_bytes_max: usize,
    settings_bytes_max: usize,
    receptions: Receptions,
    /// Components that are sent.
    served: Arc<Semaphore>,
    patience: Patience,
    cut_off: CutOff,
    times: Times,
    metrics: Arc<Metrics>,
}

impl Limits {
    fn new(policy: &config::Policy, metrics: &Arc<Metrics>) -> Self {
        Self {
            component_bytes_max: policy.component_bytes_max,
            settings_bytes_max: policy.settings_bytes_max,
            receptions: Receptions::new(policy),
            served: Arc::new(Semaphore::new(policies::SERVED_MAX)),
            patience: Patience::default(),
            cut_off: CutOff::default(),
            times: Times::default(),
            metrics: Arc::clone(metrics),
        }
    }
}

/// Binds the socket and makes the server, which must be awaited or spawned on an actix system. Also gives the address
/// it listens on, which differs from the configured one if that has port 0. To be called on that system.
///
/// # Errors
/// [`AdminError`] if the socket cannot be had, or what TLS needs.
pub fn bind(
    config: &Config,
    metrics: Arc<Metrics>,
    readiness: Readiness,
    views: Views,
) -> Result<(Server, SocketAddr), AdminError> {
    let limits = Limits::new(&config.policy, &metrics);
    bind_with(&config.admin, limits, metrics, readiness, views)
}

fn bind_with(
    config: &config::Admin,
    limits: Limits,
    metrics: Arc<Metrics>,
    readiness: Readiness,
    views: Views,
) -> Result<(Server, SocketAddr), AdminError> {
    let failed = |cause| AdminError::Bind { address: config.listen, cause };
    let refusals = Arc::new(Refusals::new(Arc::clone(&metrics)));
    let tls = config.tls.as_ref().map(|tls| tls::server(tls, &refusals)).transpose()?;
    let connections = Arc::new(Connections::new(config.connections_max, limits.times, Arc::clone(&metrics)));
    let looked_after = Arc::clone(&connections);
    let shared = share(config, limits, refusals, metrics, readiness, views);
    let server = HttpServer::new(move || {
        let app = App::new().configure(&shared).configure(routes::mount);
        app.wrap(from_fn(connection::follow))
    })
    .workers(1)
    .max_connections(config.connections_max)
    .client_request_timeout(REQUEST_TIMEOUT)
    .tls_handshake_timeout(REQUEST_TIMEOUT)
    .keep_alive(KeepAlive::Timeout(KEEP_ALIVE))
    .shutdown_timeout(SHUTDOWN_SECS)
    .disable_signals()
    .on_connect(move |stream, extensions| connections.opened(stream, extensions));
    let server = match tls {
        Some(tls) => server.bind_rustls_0_23(config.listen, tls),
        None => server.bind(config.listen),
    };
    let server = server.map_err(failed)?;
    let address = server.addrs().first().copied().unwrap_or(config.listen);
    connection::watch(&looked_after);
    Ok((server.run(), address))
}

/// What the handlers share.
fn share(
    config: &config::Admin,
    limits: Limits,
    refusals: Arc<Refusals>,
    metrics: Arc<Metrics>,
    readiness: Readiness,
    views: Views,
) -> impl Fn(&mut web::ServiceConfig) + Clone + Send + 'static {
    let (callers, limits) = (web::Data::new(Callers::new(config)), web::Data::new(limits));
    let (refusals, metrics, readiness) =
        (web::Data::from(refusals), web::Data::from(metrics), web::Data::new(readiness));
    let (outbox, store) = (web::Data::new(views.outbox), web::Data::new(views.store));
    let (preferences, policies) = (web::Data::new(views.preferences), web::Data::new(views.policies));
    let hindsight = web::Data::new(views.hindsight);
    let query = web::QueryConfig::default()
        .error_handler(|error, _| Problem::bad_request(&format!("this is no query: {error}")).into());
    move |app| {
        app.app_data(query.clone());
        app.app_data(callers.clone()).app_data(limits.clone());
        app.app_data(refusals.clone()).app_data(metrics.clone()).app_data(readiness.clone());
        app.app_data(outbox.clone()).app_data(store.clone());
        app.app_data(preferences.clone()).app_data(policies.clone());
        app.app_data(hindsight.clone());
    }
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
    config: &Config,
    metrics: Arc<Metrics>,
    readiness: Readiness,
    views: Views,
) -> Result<(Running, SocketAddr), AdminError> {
    let (server, address) = bind(config, metrics, readiness, views)?;
    if let Some(remark) = remark(&config.admin, address) {
        tracing::warn!(%address, "{remark}");
    }
    let running = Running(server.handle());
    actix_web::rt::spawn(server);
    Ok((running, address))
}

/// Reads the files of `admin.tls`: whether the API could be served with them.
///
/// # Errors
/// [`TlsError`]
pub fn check_tls(config: &config::AdminTls) -> Result<(), TlsError> {
    tls::check(config)
}

/// What an operator may not have meant, if the API is served at this address.
#[must_use]
pub fn remark(config: &config::Admin, address: SocketAddr) -> Option<&'static str> {
    if address.ip().to_canonical().is_loopback() {
        return None;
    }
    if !config.asks_who() {
        return Some(
            "the HTTP API can be reached from other machines, but only this one may use it, and from here everybody may \
             do everything: name tokens (admin.tokens) or client certificates (admin.certificates)",
        );
    }
    let clear = "tokens for the HTTP API cross the network in clear: set admin.tls, or put a TLS proxy before it";
    config.tls.is_none().then_some(clear)
}
