//! The message store on an IMAP4rev1 server with UIDPLUS (RFC 3501, 4315).
//!
//! Our own few commands and no library: the crates at hand either lose APPENDUID on the way, or read whatever a server
//! sends into memory without a limit. The reader (`wire`) is pure; `link` speaks one command at a time, `session`
//! knows the commands, and here are the pool, the deadlines and the rest of a server that is down.

mod breaker;
mod credentials;
mod link;
mod pool;
mod session;
mod wire;

use super::{Append, BoxFuture, Counters, Limit, Location, Mark, MessageStore, Operation, Outcome, StoreError, folder};
use crate::config::{ImapServer, Security, Store};
use crate::types::Address;
use breaker::Breaker;
use credentials::Credentials;
use pool::Pool;
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use session::{Session, Sought};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::runtime::{Builder, Handle};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

/// Why the client of the message store cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("store.ca-file: {} holds no certificates: {cause}; give a PEM file", file.display())]
    Authorities { file: PathBuf, cause: String },
    #[error("this system has no certificate authorities ({cause}); install ca-certificates, or set store.ca-file")]
    SystemAuthorities { cause: String },
    #[error("TLS cannot be had: {0}")]
    Tls(#[from] rustls::Error),
    #[error("the thread of the message store cannot be started: {0}")]
    Thread(#[from] std::io::Error),
}

/// The client: a thread of its own drives its connections, so that they depend on no asker's life. It ends when this is
/// dropped; what is under way then fails as [`StoreError::Stopping`].
pub struct ImapStore {
    shared: Arc<Shared>,
    runtime: Handle,
    _running: oneshot::Sender<()>,
}

struct Shared {
    server: ImapServer,
    tls: TlsConnector,
    credentials: Credentials,
    times: Times,
    waiting_max: usize,
    connections_max: usize,
    waiting: AtomicUsize,
    /// One for each connection at work.
    permits: Semaphore,
    pool: Mutex<Pool>,
    breaker: Mutex<Breaker>,
    counters: Arc<dyn Counters>,
}

struct Times {
    connect: Duration,
    command: Duration,
    request: Duration,
    idle: Duration,
}

impl Times {
    /// For a whole request. The pieces of a large object do not count: each has the time of a command of its own, and an
    /// append that moves on is not given up because it is long.
    fn of(&self, job: Job<'_>) -> Duration {
        let pieces = match job {
            Job::Append { request, .. } => request.object.pieces(),
            Job::Remove(_) => 0,
        };
        self.request.saturating_add(self.command.saturating_mul(pieces))
    }
}

impl ImapStore {
    /// Starts the client; the server is first spoken to when something is asked.
    ///
    /// # Errors
    /// [`StartError`] if there is no trust to be had, or no thread.
    pub fn start(server: &ImapServer, config: &Store, counters: Arc<dyn Counters>) -> Result<Self, StartError> {
        let roots = match (server.security, &config.ca_file) {
            (Security::Plain, _) => rustls::RootCertStore::empty(),
            (_, Some(file)) => authorities(file)?,
            (_, None) => system_authorities()?,
        };
        let secs = Duration::from_secs;
        let shared = Arc::new(Shared {
            server: server.clone(),
            tls: link::connector(roots)?,
            credentials: Credentials::new(config),
            times: Times {
                connect: secs(config.connect_secs),
                command: secs(config.command_secs),
                request: secs(config.request_secs),
                idle: secs(config.connection_idle_secs),
            },
            waiting_max: config.requests_waiting_max,
            connections_max: config.connections_max,
            waiting: AtomicUsize::new(0),
            permits: Semaphore::new(config.connections_max),
            pool: Mutex::default(),
            breaker: Mutex::new(Breaker::new(
                config.failures_max,
                secs(config.rest_min_secs),
                secs(config.rest_max_secs),
            )),
            counters,
        });
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (running, stopped) = oneshot::channel();
        let sweeper = Arc::clone(&shared);
        std::thread::Builder::new().name("store".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = stopped => {}
                    () = sweeper.sweep() => {}
                }
            });
        })?;
        Ok(Self { shared, runtime: handle, _running: running })
    }
}

impl MessageStore for ImapStore {
    fn append(&self, request: Append) -> BoxFuture<'static, Result<Location, StoreError>> {
        let shared = Arc::clone(&self.shared);
        let asked = self.runtime.spawn(async move { shared.append(request).await });
        Box::pin(async { asked.await.unwrap_or(Err(StoreError::Stopping)) })
    }

    fn remove(&self, user: &Address, location: &Location) -> BoxFuture<'static, Result<(), StoreError>> {
        let (shared, user, location) = (Arc::clone(&self.shared), user.clone(), location.clone());
        let asked = self.runtime.spawn(async move {
            let ended = shared.request(&user, Job::Remove(&location)).await.map(|_| ());
            shared
                .counters
                .ended(Operation::Remove, ended.as_ref().map_or_else(StoreError::outcome, |()| Outcome::Done));
            ended
        });
        Box::pin(async { asked.await.unwrap_or(Err(StoreError::Stopping)) })
    }
}

/// What is to be done on a connection.
#[derive(Clone, Copy)]
enum Job<'a> {
    Append { path: &'a str, request: &'a Append },
    Remove(&'a Location),
}

/// A request that waits or is at work; counted while it lives.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Shared {
    async fn append(&self, request: Append) -> Result<Location, StoreError> {
        let path = folder::path(&request.folder);
        let ended = self.request(&request.user, Job::Append { path: &path, request: &request }).await;
        let ended = ended.and_then(|location| location.ok_or(link::protocol("it tells no place")));
        self.counters.ended(Operation::Append, ended.as_ref().map_or_else(StoreError::outcome, |_| Outcome::Done));
        ended
    }

    /// One request, within its time and all limits.
    async fn request(&self, user: &Address, job: Job<'_>) -> Result<Option<Location>, StoreError> {
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        if before >= self.waiting_max {
            self.counters.limit_hit(Limit::RequestsWaiting);
            return Err(StoreError::Busy { key: "store.requests-waiting-max" });
        }
        if let Err(left) = lock(&self.breaker).admit(Instant::now()) {
            return Err(StoreError::Resting { secs: left.as_secs() + 1 });
        }
        let late = StoreError::Timeout { waiting_for: "the whole request", key: "store.request-secs" };
        let ended = timeout(self.times.of(job), self.on_a_connection(user, job)).await.unwrap_or(Err(late));
        self.judge(&ended);
        ended
    }

    /// Whether the server is to be left alone, or no longer.
    fn judge(&self, ended: &Result<Option<Location>, StoreError>) {
        match ended {
            Err(error) if error.is_of_the_server() => {
                let rest = lock(&self.breaker).failed(Instant::now());
                if let Some(rest) = rest {
                    self.counters.resting(true);
                    tracing::warn!(rest_secs = rest.as_secs(), "the message store is left alone for a while: {error}");
                }
            }
            // A limit or a trouble of ours: nothing is known of the server.
            Err(StoreError::Busy { .. } | StoreError::Piece(_)) => {}
            Ok(_) | Err(_) => {
                if lock(&self.breaker).answered() {
                    self.counters.resting(false);
                    tracing::info!("the message store answers again");
                }
            }
        }
    }

    async fn on_a_connection(&self, user: &Address, job: Job<'_>) -> Result<Option<Location>, StoreError> {
        if self.permits.available_permits() == 0 {
            self.counters.limit_hit(Limit::Connections);
        }
        let permit = self.permits.acquire().await.map_err(|_| StoreError::Stopping)?;
        let key = user.key();
        let idle = lock(&self.pool).take(&key);
        let is_reused = idle.is_some();
        let mut session = match idle {
            Some(session) => session,
            None => self.connect(user).await?,
        };
        self.tell();
        let mut ended = self.perform(&mut session, job, false).await;
        // The server may have closed an idle connection at any time: that is no failure of this request. How far it
        // got is unknown, so what may be there already is looked for.
        if is_reused && matches!(ended, Err(StoreError::Unreachable { .. })) {
            session = self.connect(user).await?;
            ended = self.perform(&mut session, job, true).await;
        }
        if !ended.as_ref().is_err_and(StoreError::ends_the_connection) {
            lock(&self.pool).put(key, session, Instant::now());
        }
        // Only now, so that together with the idle ones there are never more than the limit.
        drop(permit);
        self.tell();
        ended
    }

    /// A new connection, in place of the longest idle one if there are too many.
    async fn connect(&self, user: &Address) -> Result<Session, StoreError> {
        let busy = self.connections_max.saturating_sub(self.permits.available_permits());
        let above = lock(&self.pool).above(self.connections_max.saturating_sub(busy));
        dismiss(above);
        let late = StoreError::Timeout { waiting_for: "a connection and its login", key: "store.connect-secs" };
        let opened = Session::open(&self.server, &self.tls, &self.credentials, user, self.times.command);
        timeout(self.times.connect, opened).await.unwrap_or(Err(late))
    }

    async fn perform(
        &self,
        session: &mut Session,
        job: Job<'_>,
        is_repeated: bool,
    ) -> Result<Option<Location>, StoreError> {
        match job {
            Job::Append { path, request } => {
                let mark = Mark::of(&request.object.head);
                let sought = Sought { folder: path, id: &request.imdn_message_id, mark };
                if request.may_exist || is_repeated {
                    let found = session.find(&sought).await;
                    self.counters.ended(
                        Operation::Search,
                        match &found {
                            Ok(Some(_)) => Outcome::Done,
                            Ok(None) => Outcome::Absent,
                            Err(error) => error.outcome(),
                        },
                    );
                    if let Some(location) = found? {
                        return Ok(Some(location));
                    }
                }
                session.append(&sought, &request.object).await.map(Some)
            }
            Job::Remove(location) => session.remove(location).await.map(|()| None),
        }
    }

    fn tell(&self) {
        let busy = self.connections_max.saturating_sub(self.permits.available_permits());
        self.counters.connections(busy + lock(&self.pool).len(), busy);
    }

    /// Ends connections that are idle for too long, for ever.
    async fn sweep(&self) {
        let pause = (self.times.idle / 4).clamp(Duration::from_millis(250), Duration::from_secs(15));
        loop {
            tokio::time::sleep(pause).await;
            let old = lock(&self.pool).idle_for(self.times.idle, Instant::now());
            if !old.is_empty() {
                dismiss(old);
                self.tell();
            }
        }
    }
}

/// Ends connections politely, aside.
fn dismiss(sessions: Vec<Session>) {
    for session in sessions {
        drop(tokio::spawn(session.close()));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn authorities(file: &Path) -> Result<rustls::RootCertStore, StartError> {
    let failed = |cause: String| StartError::Authorities { file: file.to_owned(), cause };
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).map_err(|error| failed(error.to_string()))? {
        let certificate = certificate.map_err(|error| failed(error.to_string()))?;
        roots.add(certificate).map_err(|error| failed(error.to_string()))?;
    }
    if roots.is_empty() { Err(failed("it is empty".to_owned())) } else { Ok(roots) }
}

fn system_authorities() -> Result<rustls::RootCertStore, StartError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = rustls::RootCertStore::empty();
    // A system may hold some that are no certificates at all.
    roots.add_parsable_certificates(found.certs);
    if !roots.is_empty() {
        return Ok(roots);
    }
    let cause = found.errors.first().map_or_else(|| "none are installed".to_owned(), ToString::to_string);
    Err(StartError::SystemAuthorities { cause })
}
