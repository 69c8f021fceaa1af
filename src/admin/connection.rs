//! Connections: how many there are, whose certificate came with one, and an end to those that nobody uses.

mod sent;
#[cfg(test)]
mod tests;

use crate::metrics::{Limit, Metrics};
use crate::types::Digest;
use actix_tls::accept::rustls_0_23::TlsStream;
use actix_web::body::{BoxBody, MessageBody as _};
use actix_web::dev::{Extensions, ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::rt::net::TcpStream;
use actix_web::{Error, rt};
use sent::Sent;
use socket2::{SockRef, Socket};
use std::any::Any;
use std::collections::HashMap;
use std::net::Shutdown;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

/// When a connection is shut down. The timers of the server below know the first request of a connection only, and
/// none of a request whose body never ends: whoever reaches the socket could hold every connection for ever.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// No request has begun or ended for so long.
    pub(super) idle: Duration,
    /// The client has taken nothing of an answer for so long.
    pub(super) unread: Duration,
    /// In place of both, while as many connections are open as may be: others are waiting.
    pub(super) crowded: Duration,
    /// A handler has been at work for so long: more than the longest upload and its examination.
    pub(super) request: Duration,
    /// How often all this is looked at.
    pub(super) look: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            idle: super::KEEP_ALIVE,
            unread: Duration::from_mins(1),
            crowded: Duration::from_secs(2),
            request: Duration::from_hours(2),
            look: Duration::from_secs(1),
        }
    }
}

/// Who is at the other end.
pub(super) struct Peer {
    /// SHA-256 of its certificate, which was verified in the handshake; nothing without TLS or without a certificate.
    pub(super) certificate: Option<Digest>,
}

/// Every open connection. That the limit is reached (the server then stops accepting) is counted.
pub(super) struct Connections {
    open: Mutex<Open>,
    max: usize,
    times: Times,
    metrics: Arc<Metrics>,
}

#[derive(Default)]
struct Open {
    connections: HashMap<u64, Arc<Connection>>,
    /// How many there have been.
    count: u64,
}

/// One of them.
struct Connection {
    /// A duplicate, to shut it down with.
    socket: Socket,
    activity: Mutex<Activity>,
}

/// What is done for a connection, and since when nothing has changed in that.
struct Activity {
    handlers: usize,
    answers: usize,
    since: Instant,
    /// It is shut down, and ends as soon as the server below sees it.
    shut: bool,
}

/// Why a connection is shut down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    /// Nobody uses it.
    Idle,
    /// Its request takes longer than any may.
    Request,
}

/// Lives as long as its connection, and is found from its requests.
struct Held {
    number: u64,
    connection: Arc<Connection>,
    all: Weak<Connections>,
}

impl Connections {
    pub(super) fn new(max: usize, times: Times, metrics: Arc<Metrics>) -> Self {
        Self { open: Mutex::default(), max, times, metrics }
    }

    /// A connection is there, its handshake done.
    pub(super) fn opened(self: &Arc<Self>, stream: &dyn Any, extensions: &mut Extensions) {
        extensions.insert(Peer { certificate: certificate(stream) });
        let Some(stream) = plain(stream) else { return };
        let shared = SockRef::from(stream);
        match shared.try_clone() {
            Ok(socket) => {
                extensions.insert(self.hold(socket));
            }
            Err(error) => {
                tracing::warn!(target: "admin", %error, "a connection is refused: there are no file descriptors left");
                // It may be gone already.
                let _ = shared.shutdown(Shutdown::Both);
            }
        }
    }

    fn hold(self: &Arc<Self>, socket: Socket) -> Held {
        let activity = Mutex::new(Activity { handlers: 0, answers: 0, since: Instant::now(), shut: false });
        let connection = Arc::new(Connection { socket, activity });
        let mut open = self.open();
        open.count = open.count.wrapping_add(1);
        let number = open.count;
        open.connections.insert(number, Arc::clone(&connection));
        if open.connections.len() >= self.max {
            self.metrics.limit_hit(Limit::AdminConnections);
        }
        Held { number, connection, all: Arc::downgrade(self) }
    }

    /// Shuts down what is over.
    fn look(&self, now: Instant) {
        let open = self.open();
        let crowded = open.connections.len() >= self.max;
        for connection in open.connections.values() {
            if connection.end(now, &self.times, crowded) == Some(Over::Request) {
                self.metrics.limit_hit(Limit::AdminRequestTime);
                tracing::warn!(target: "admin", "a request is cut off: it has taken longer than any may");
            }
        }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks after them until the server is gone.
pub(super) fn watch(connections: &Arc<Connections>) {
    let (all, pause) = (Arc::downgrade(connections), connections.times.look);
    rt::spawn(async move {
        loop {
            rt::time::sleep(pause).await;
            let Some(all) = all.upgrade() else { return };
            all.look(Instant::now());
        }
    });
}

impl Connection {
    /// Shuts it down if it is time, and tells why.
    fn end(&self, now: Instant, times: &Times, crowded: bool) -> Option<Over> {
        let mut activity = self.activity();
        let over = activity.over(now, times, crowded).filter(|_| !activity.shut)?;
        activity.shut = true;
        // It may be gone already.
        let _ = self.socket.shutdown(Shutdown::Both);
        Some(over)
    }

    fn activity(&self) -> MutexGuard<'_, Activity> {
        self.activity.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Activity)) {
        let mut activity = self.activity();
        change(&mut activity);
        activity.since = Instant::now();
    }
}

impl Activity {
    fn over(&self, now: Instant, times: &Times, crowded: bool) -> Option<Over> {
        let (most, over) = match (self.handlers, self.answers) {
            (0, _) if crowded => (times.crowded, Over::Idle),
            (0, 0) => (times.idle, Over::Idle),
            (0, _) => (times.unread, Over::Idle),
            _ => (times.request, Over::Request),
        };
        (now.saturating_duration_since(self.since) >= most).then_some(over)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(all) = self.all.upgrade() {
            all.open().connections.remove(&self.number);
        }
    }
}

/// A handler is at work.
struct AtWork(Arc<Connection>);

impl AtWork {
    fn begin(connection: &Arc<Connection>) -> Self {
        connection.change(|it| it.handlers += 1);
        Self(Arc::clone(connection))
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.change(|it| it.handlers = it.handlers.saturating_sub(1));
    }
}

/// An answer is being sent.
struct Answering(Arc<Connection>);

impl Answering {
    fn begin(connection: &Arc<Connection>) -> Self {
        connection.change(|it| it.answers += 1);
        Self(Arc::clone(connection))
    }

    /// The client has taken some of it.
    fn goes_on(&self) {
        self.0.change(|_| {});
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.change(|it| it.answers = it.answers.saturating_sub(1));
    }
}

/// Goes around every request: its connection is in use until the answer is sent.
pub(super) async fn follow(request: ServiceRequest, next: Next<BoxBody>) -> Result<ServiceResponse<BoxBody>, Error> {
    let connection = request.conn_data::<Held>().map(|held| Arc::clone(&held.connection));
    let at_work = connection.as_ref().map(AtWork::begin);
    let response = next.call(request).await?;
    let answering = connection.as_ref().map(Answering::begin);
    drop(at_work);
    Ok(response.map_body(|_, body| Sent::new(body, answering).boxed()))
}

/// The connection below TLS, if there is TLS.
fn plain(stream: &dyn Any) -> Option<&TcpStream> {
    let below = stream.downcast_ref::<TlsStream<TcpStream>>().map(|stream| stream.get_ref().0);
    below.or_else(|| stream.downcast_ref())
}

/// The leaf: the first of the chain.
fn certificate(stream: &dyn Any) -> Option<Digest> {
    let stream = stream.downcast_ref::<TlsStream<TcpStream>>()?;
    let (_, session) = stream.get_ref();
    session.peer_certificates()?.first().map(|leaf| Digest::of(leaf))
}
