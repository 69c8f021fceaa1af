//! What the tasks beside the main loop do, and what they tell it: connections, messages from streams, resolved names.

use super::flow::ConnId;
use crate::sip::{Frame, Limits, Message, ReadError, Stream};
use bytes::Bytes;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// A connection that is not made in this time is not there (the UDP fall-back waits for it).
pub(super) const CONNECT_PATIENCE: Duration = Duration::from_secs(1);
/// Events that may wait for the main loop; then the tasks wait, and with them their peers.
pub(super) const EVENTS_MAX: usize = 1024;
/// Octets read from a stream at a time.
const READ_CHUNK: usize = 4096;
/// After a failed accept (out of file descriptors), so long nothing is accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Where the tasks tell.
pub(super) type Events = mpsc::Sender<Event>;

#[derive(Debug)]
pub(super) enum Event {
    Accepted {
        stream: TcpStream,
        peer: SocketAddr,
    },
    Connected {
        id: ConnId,
        result: io::Result<TcpStream>,
    },
    Message {
        id: ConnId,
        message: Message,
    },
    /// A keep-alive of two line ends (RFC 5626 section 4.4.1).
    Ping {
        id: ConnId,
    },
    /// A message that cannot be taken; after a fatal one the stream is read no further.
    Malformed {
        id: ConnId,
        error: ReadError,
    },
    /// Ended by the peer, by silence, or by an error.
    Closed {
        id: ConnId,
    },
    Resolved {
        host: String,
        addresses: Vec<IpAddr>,
    },
}

/// Accepts for ever. The main loop counts and refuses.
pub(super) async fn accept(listener: TcpListener, events: Events) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                if events.send(Event::Accepted { stream, peer }).await.is_err() {
                    return;
                }
            }
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

pub(super) async fn connect(id: ConnId, peer: SocketAddr, events: Events) {
    let result = match timeout(CONNECT_PATIENCE, TcpStream::connect(peer)).await {
        Ok(result) => result,
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    };
    // Only a main loop that has ended does not listen.
    events.send(Event::Connected { id, result }).await.ok();
}

pub(super) async fn resolve(host: String, events: Events) {
    let addresses = match timeout(Duration::from_secs(5), tokio::net::lookup_host((host.as_str(), 0))).await {
        Ok(Ok(found)) => found.map(|address| address.ip()).collect(),
        Ok(Err(_)) | Err(_) => Vec::new(),
    };
    events.send(Event::Resolved { host, addresses }).await.ok();
}

/// Reads messages until the stream ends, breaks, or is silent for `idle`.
pub(super) async fn read(mut half: OwnedReadHalf, id: ConnId, idle: Duration, limits: Limits, events: Events) {
    let mut stream = Stream::new(limits);
    let mut chunk = vec![0; READ_CHUNK];
    let last = loop {
        let Ok(Ok(n @ 1..)) = timeout(idle, half.read(&mut chunk)).await else { break Event::Closed { id } };
        stream.push(chunk.get(..n).unwrap_or_default());
        if let Err(last) = frames(&mut stream, id, &events).await {
            break last;
        }
    };
    events.send(last).await.ok();
}

/// Hands over every message that is complete.
async fn frames(stream: &mut Stream, id: ConnId, events: &Events) -> Result<(), Event> {
    loop {
        let event = match stream.next() {
            Ok(Some(Frame::Message(message))) => Event::Message { id, message },
            Ok(Some(Frame::Ping)) => Event::Ping { id },
            Ok(None) => return Ok(()),
            Err(error) if error.is_fatal() => return Err(Event::Malformed { id, error }),
            Err(error) => Event::Malformed { id, error },
        };
        if events.send(event).await.is_err() {
            return Err(Event::Closed { id });
        }
    }
}

/// Writes what it is given until it is given no more.
pub(super) async fn write(
    mut half: OwnedWriteHalf,
    id: ConnId,
    patience: Duration,
    mut queue: mpsc::Receiver<Bytes>,
    backlog: Arc<AtomicUsize>,
    events: Events,
) {
    while let Some(bytes) = queue.recv().await {
        if !matches!(timeout(patience, half.write_all(&bytes)).await, Ok(Ok(()))) {
            events.send(Event::Closed { id }).await.ok();
            return;
        }
        backlog.fetch_sub(bytes.len(), Ordering::Relaxed);
    }
}
