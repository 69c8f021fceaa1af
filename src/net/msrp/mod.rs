//! Large messages: TCP and TLS connections driving the sans-IO MSRP machine (RFC 4975), on threads of their own.
//!
//! A [`Session`] is opened before its name goes into a session description, and then receives or sends one message. The
//! listeners bind a connection to it by the session-id of `To-Path` alone (RFC 6714); several sessions may share one. Each
//! connection is one task with two halves. The reading half waits for the sink of the message at hand, the writing half for
//! the peer, and sources are read a slice at a time, so that a transfer costs the same few slices whatever its length and
//! however slow either side is. Who does not move for `msrp.idle-secs` is given up.

mod connection;
mod counters;
mod error;
mod fingerprint;
mod link;
mod reading;
mod routes;
mod seat;
mod session;
mod shared;
mod table;
mod tls;
mod writing;

#[cfg(test)]
mod tests;

pub use counters::{Counters, Direction, Ended, Limit, NoCounters, Stray};
pub use error::{MsrpError, Refusal, SourceError, TransferError};
pub use session::{Local, Peer, Session, Way};

pub use crate::config::MsrpListen;
pub use crate::msrp::{Finished, Outgoing};

use crate::config;
use crate::msrp::MsrpUri;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use shared::{Settings, Shared};
use std::fmt;
use std::net::{IpAddr, TcpListener, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;
use tls::Identity;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

/// Threads that look up host names.
const LOOKUP_THREADS: usize = 4;
/// After the last transfer was ended, so long its connections may take to close.
const CLOSING: Duration = Duration::from_secs(2);

/// Where a message that comes goes to. It is dropped on a thread of ours, whose connections wait for that.
pub trait Sink: Send + 'static {
    /// Octets from this position, counted from 0; in any order, and what comes twice overwrites. Nothing more is read from the
    /// connection until it resolves. May be dropped before that.
    fn write(&mut self, position: u64, octets: Bytes) -> BoxFuture<'_, Result<(), Refusal>>;

    /// All octets are written. `Ok` once the message is safe: only then is the peer told 200. Runs to its end even if the
    /// connection breaks or the transfer's future is dropped meanwhile.
    fn finish(&mut self, done: Finished) -> BoxFuture<'_, Result<(), Refusal>>;
}

/// Where a message that goes comes from. It is dropped on a thread of ours, whose connections wait for that.
pub trait Source: Send + 'static {
    /// Octets from this position, counted from 0; at least one, at most `max`. May be dropped before it resolves.
    fn read(&mut self, position: u64, max: usize) -> BoxFuture<'_, Result<Bytes, SourceError>>;
}

/// The running MSRP end. Cheap to clone; from any thread. When the last clone is dropped, all transfers end.
#[derive(Clone)]
pub struct Msrp {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    plain: Option<End>,
    secure: Option<End>,
    runtime: Option<Runtime>,
}

/// What peers are told to connect to.
struct End {
    host: String,
    address: IpAddr,
    port: u16,
    fingerprint: Option<String>,
}

impl Msrp {
    /// Opens every socket, then serves. Returned are the sockets with their actual ports, in the order of the configuration.
    ///
    /// # Errors
    /// [`MsrpError`] with what the operator can do; nothing is served then.
    pub fn start(config: &config::Msrp, counters: Arc<dyn Counters>) -> Result<(Self, Vec<MsrpListen>), MsrpError> {
        Self::start_with(config, Settings::of(config), counters)
    }

    fn start_with(
        config: &config::Msrp,
        settings: Settings,
        counters: Arc<dyn Counters>,
    ) -> Result<(Self, Vec<MsrpListen>), MsrpError> {
        let identity = Identity::read(config)?;
        let acceptor = identity.as_ref().map(Identity::acceptor).transpose()?;
        let mut sockets: Vec<(TcpListener, MsrpListen)> = Vec::new();
        for &wanted in &config.listen {
            let failed = |cause| MsrpError::Bind { listen: wanted, cause };
            let socket = super::bind::tcp(wanted.address).map_err(failed)?;
            let address = socket.local_addr().map_err(failed)?;
            sockets.push((socket, MsrpListen { secure: wanted.secure, address }));
        }
        let bound: Vec<MsrpListen> = sockets.iter().map(|(_, listen)| *listen).collect();
        let plain = End::of(config.host.as_deref(), &bound, false)?;
        let mut secure = End::of(config.host.as_deref(), &bound, true)?;
        if let (Some(end), Some(identity)) = (&mut secure, &identity) {
            end.fingerprint = Some(identity.fingerprint.to_string());
        }
        let runtime = runtime(config.threads).map_err(MsrpError::Thread)?;
        let shared = {
            let _inside = runtime.enter();
            Arc::new(Shared::new(settings, identity, counters))
        };
        for (socket, listen) in sockets {
            let _inside = runtime.enter();
            let listener =
                tokio::net::TcpListener::from_std(socket).map_err(|cause| MsrpError::Bind { listen, cause })?;
            let acceptor = acceptor.clone().filter(|_| listen.secure);
            if listen.secure && acceptor.is_none() {
                return Err(MsrpError::NoTls);
            }
            runtime.spawn(connection::accept(Arc::clone(&shared), listener, acceptor));
        }
        Ok((Self { inner: Arc::new(Inner { shared, plain, secure, runtime: Some(runtime) }) }, bound))
    }

    /// A session of ours: its name is known to the listeners from now on, so that a peer that connects early is not turned
    /// away. Dropping it forgets it.
    ///
    /// # Errors
    /// [`MsrpError::Busy`], [`MsrpError::NoTls`], [`MsrpError::NoPlain`], [`MsrpError::Closed`] or [`MsrpError::Random`].
    pub fn open(&self, secure: bool) -> Result<Session, MsrpError> {
        let (end, missing) =
            if secure { (&self.inner.secure, MsrpError::NoTls) } else { (&self.inner.plain, MsrpError::NoPlain) };
        let end = end.as_ref().ok_or(missing)?;
        let runtime = self.inner.runtime.as_ref().ok_or(MsrpError::Closed)?.handle().clone();
        let name = self.inner.shared.table.open()?;
        // The host was checked when the configuration was read.
        let uri = MsrpUri::new(secure, &end.host, end.port, &name.id).map_err(|_| MsrpError::Closed)?;
        let local = Local {
            uri: uri.to_string(),
            address: end.address,
            port: end.port,
            secure,
            fingerprint: end.fingerprint.clone(),
        };
        Ok(Session { name, local, uri, shared: Arc::clone(&self.inner.shared), runtime })
    }

    /// No session is opened any more. Returns when the last has ended; what is left after `within` ends as
    /// [`TransferError::Stopping`].
    pub async fn drain(&self, within: Duration) {
        let Some(runtime) = &self.inner.runtime else { return };
        let shared = Arc::clone(&self.inner.shared);
        // On our own threads: only there is the time certain to go on.
        let drained = runtime.spawn(async move {
            shared.table.drain();
            timeout(within, shared.table.emptied()).await.ok();
            shared.stopped.send_replace(true);
            let closed = async {
                while shared.connections() > 0 {
                    shared.closed.notified().await;
                }
            };
            timeout(CLOSING, closed).await.ok();
        });
        drained.await.ok();
    }
}

impl fmt::Debug for Msrp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Msrp")
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Without waiting: this may be the thread of another runtime.
            runtime.shutdown_background();
        }
    }
}

fn runtime(threads: usize) -> std::io::Result<Runtime> {
    let threads = match threads {
        0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        given => given,
    };
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(threads).max_blocking_threads(LOOKUP_THREADS).thread_name("msrp").enable_all().build()
}

impl End {
    /// The first socket of this kind.
    fn of(host: Option<&str>, bound: &[MsrpListen], secure: bool) -> Result<Option<Self>, MsrpError> {
        let Some(listen) = bound.iter().find(|listen| listen.secure == secure) else { return Ok(None) };
        let (ip, port) = (listen.address.ip(), listen.address.port());
        let host = host.map_or_else(|| ip.to_string(), |host| host.trim_matches(['[', ']']).to_owned());
        let address = match host.parse() {
            Ok(address) => address,
            Err(_) if !ip.is_unspecified() => ip,
            Err(_) => resolve(&host, port)?,
        };
        Ok(Some(Self { host, address, port, fingerprint: None }))
    }
}

/// An address of a host name, for the `c=` line of session descriptions.
fn resolve(host: &str, port: u16) -> Result<IpAddr, MsrpError> {
    let failed = |cause| MsrpError::Host { host: host.to_owned(), cause };
    let mut found = (host, port).to_socket_addrs().map_err(failed)?;
    found.next().map(|address| address.ip()).ok_or_else(|| failed(std::io::ErrorKind::NotFound.into()))
}
