//! TCP connections: accepted and made, one reader and one writer task each, a bounded backlog, an idle end.

use super::event::{self, Events};
use super::flow::{ConnId, Owner};
use super::outgoing::{FORWARDS_MAX, Pending};
use crate::sip::Limits;
use bytes::Bytes;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::task::AbortHandle;

/// Messages that may wait to be written on one connection, whatever their size.
const MESSAGES_MAX: usize = 4096;

/// What one connection may cost.
#[derive(Clone, Copy, Debug)]
pub(super) struct TcpLimits {
    pub(super) connections: usize,
    pub(super) backlog: usize,
    pub(super) idle: Duration,
    pub(super) message: Limits,
}

/// What became of octets given to a connection.
#[derive(Debug)]
pub(super) enum Sent {
    Ok,
    /// There is no such connection any more.
    Gone,
    /// The peer does not read: the connection was given up.
    Overrun(Orphans),
}

/// What a connection leaves behind.
#[derive(Debug, Default)]
pub(super) struct Orphans {
    /// Client transactions that were sent over it.
    pub(super) started: Vec<Owner>,
    /// Requests that waited for it to be made.
    pub(super) pending: Vec<Pending>,
}

#[derive(Debug)]
enum State {
    /// Being made; octets wait here.
    Connecting(Vec<Bytes>),
    Open {
        writer: mpsc::Sender<Bytes>,
        tasks: [AbortHandle; 2],
    },
}

#[derive(Debug)]
struct Conn {
    peer: SocketAddr,
    state: State,
    /// Octets given and not yet taken by the kernel.
    backlog: Arc<AtomicUsize>,
    orphans: Orphans,
}

/// All connections.
#[derive(Debug)]
pub(super) struct Connections {
    limits: TcpLimits,
    conns: HashMap<ConnId, Conn>,
    by_peer: HashMap<SocketAddr, ConnId>,
    next: u64,
    events: Events,
}

impl Connections {
    pub(super) fn new(limits: TcpLimits, events: Events) -> Self {
        Self { limits, conns: HashMap::new(), by_peer: HashMap::new(), next: 0, events }
    }

    pub(super) fn len(&self) -> usize {
        self.conns.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.conns.len() >= self.limits.connections
    }

    /// Whether every octet was taken by the kernel.
    pub(super) fn is_flushed(&self) -> bool {
        self.conns.values().all(|conn| conn.backlog.load(Ordering::Relaxed) == 0)
    }

    /// The connection to or from this address, if there is one, and whether it is open.
    pub(super) fn to_peer(&self, peer: SocketAddr) -> Option<(ConnId, bool)> {
        let id = *self.by_peer.get(&peer)?;
        Some((id, matches!(self.conns.get(&id)?.state, State::Open { .. })))
    }

    pub(super) fn peer(&self, id: ConnId) -> Option<SocketAddr> {
        self.conns.get(&id).map(|conn| conn.peer)
    }

    fn add(&mut self, peer: SocketAddr) -> ConnId {
        let id = ConnId(self.next);
        self.next += 1;
        let conn =
            Conn { peer, state: State::Connecting(Vec::new()), backlog: Arc::default(), orphans: Orphans::default() };
        self.conns.insert(id, conn);
        self.by_peer.insert(peer, id);
        id
    }

    /// Takes an accepted connection; the caller has checked [`Connections::is_full`].
    pub(super) fn accept(&mut self, stream: TcpStream, peer: SocketAddr) {
        let id = self.add(peer);
        self.open(id, stream);
    }

    /// Begins to make a connection; `Event::Connected` tells how it went. The caller has checked [`Connections::is_full`].
    pub(super) fn connect(&mut self, peer: SocketAddr) -> ConnId {
        let id = self.add(peer);
        tokio::spawn(event::connect(id, peer, self.events.clone()));
        id
    }

    /// The stream is there: starts its tasks, sends what waited, and hands out the requests that did.
    pub(super) fn open(&mut self, id: ConnId, stream: TcpStream) -> Vec<Pending> {
        let Some(conn) = self.conns.get_mut(&id) else { return Vec::new() };
        // Small messages must not wait for acknowledgements of earlier ones.
        stream.set_nodelay(true).ok();
        let (read_half, write_half) = stream.into_split();
        let (writer, queue) = mpsc::channel(MESSAGES_MAX);
        let reader = event::read(read_half, id, self.limits.idle, self.limits.message, self.events.clone());
        let write =
            event::write(write_half, id, self.limits.idle, queue, Arc::clone(&conn.backlog), self.events.clone());
        let tasks = [tokio::spawn(reader).abort_handle(), tokio::spawn(write).abort_handle()];
        if let State::Connecting(waiting) = &mut conn.state {
            for bytes in waiting.drain(..) {
                // There is room: no more than this may wait, and the receiver lives in the task just spawned.
                writer.try_send(bytes).ok();
            }
        }
        conn.state = State::Open { writer, tasks };
        std::mem::take(&mut conn.orphans.pending)
    }

    /// Lets a request wait until the connection is made; gives it back if it may not.
    pub(super) fn wait(&mut self, id: ConnId, pending: Pending) -> Option<Pending> {
        match self.conns.get_mut(&id) {
            Some(conn) if !pending.is_forward() || conn.orphans.pending.len() < FORWARDS_MAX => {
                conn.orphans.pending.push(pending);
                None
            }
            _ => Some(pending),
        }
    }

    /// Remembers that a client transaction depends on this connection; `is_live` tells which of the earlier ones still do.
    pub(super) fn depend(&mut self, id: ConnId, owner: Owner, is_live: impl Fn(Owner) -> bool) {
        if let Some(conn) = self.conns.get_mut(&id) {
            let started = &mut conn.orphans.started;
            if started.len() == started.capacity() {
                started.retain(|owner| is_live(*owner));
            }
            started.push(owner);
        }
    }

    /// Gives octets to a connection.
    pub(super) fn send(&mut self, id: ConnId, bytes: Bytes) -> Sent {
        let Some(conn) = self.conns.get_mut(&id) else { return Sent::Gone };
        let held = conn.backlog.fetch_add(bytes.len(), Ordering::Relaxed).saturating_add(bytes.len());
        if held > self.limits.backlog {
            return Sent::Overrun(self.close(id, true));
        }
        match &mut conn.state {
            State::Connecting(waiting) if waiting.len() < MESSAGES_MAX => waiting.push(bytes),
            State::Connecting(_) => return Sent::Overrun(self.close(id, true)),
            State::Open { writer, .. } => match writer.try_send(bytes) {
                Ok(()) => {}
                Err(TrySendError::Full(_)) => return Sent::Overrun(self.close(id, true)),
                Err(TrySendError::Closed(_)) => return Sent::Gone,
            },
        }
        Sent::Ok
    }

    /// Lets go of a connection. What it was given is still written, unless `abort`.
    pub(super) fn close(&mut self, id: ConnId, abort: bool) -> Orphans {
        let Some(conn) = self.conns.remove(&id) else { return Orphans::default() };
        if self.by_peer.get(&conn.peer) == Some(&id) {
            self.by_peer.remove(&conn.peer);
        }
        if let State::Open { tasks: [reader, writer], .. } = &conn.state {
            reader.abort();
            if abort {
                writer.abort();
            }
        }
        conn.orphans
    }
}
