//! Connections: how many there are, and whose certificate came with one.

use crate::metrics::{Limit, Metrics};
use crate::types::Digest;
use actix_tls::accept::rustls_0_23::TlsStream;
use actix_web::dev::Extensions;
use actix_web::rt::net::TcpStream;
use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Who is at the other end.
pub(super) struct Peer {
    /// SHA-256 of its certificate, which was verified in the handshake; nothing without TLS or without a certificate.
    pub(super) certificate: Option<Digest>,
}

/// Counts open connections, so that reaching the limit (actix then stops accepting) can be seen.
pub(super) struct Connections {
    pub(super) open: Arc<AtomicUsize>,
    pub(super) max: usize,
    pub(super) metrics: Arc<Metrics>,
}

/// Lives as long as its connection.
struct Open(Arc<AtomicUsize>);

impl Connections {
    /// A connection is there, its handshake done.
    pub(super) fn opened(&self, stream: &dyn Any, connection: &mut Extensions) {
        if self.open.fetch_add(1, Ordering::Relaxed) + 1 >= self.max {
            self.metrics.limit_hit(Limit::AdminConnections);
        }
        connection.insert(Open(Arc::clone(&self.open)));
        connection.insert(Peer { certificate: certificate(stream) });
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The leaf: the first of the chain.
fn certificate(stream: &dyn Any) -> Option<Digest> {
    let stream = stream.downcast_ref::<TlsStream<TcpStream>>()?;
    let (_, session) = stream.get_ref();
    session.peer_certificates()?.first().map(|leaf| Digest::of(leaf))
}
