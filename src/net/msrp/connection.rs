//! The life of one connection, accepted or made: handshake, service, end.

use super::counters::Stray;
use super::error::TransferError;
use super::fingerprint::Fingerprint;
use super::link::{Link, PATIENCE};
use super::reading::{End, Reading};
use super::shared::{Permit, Shared};
use super::tls::is_wrong_certificate;
use super::writing::Writing;
use crate::msrp::MsrpUri;
use rustls::pki_types::ServerName;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, split};
use tokio::net::{TcpListener, TcpStream, lookup_host};
use tokio::time::{sleep, timeout};
use tokio_rustls::{TlsAcceptor, TlsStream};

/// After a failed accept (out of file descriptors), so long nothing is accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Octets that may wait inside TLS.
const TLS_BUFFER: usize = 32 << 10;

/// Accepts until all ends.
pub(super) async fn accept(shared: Arc<Shared>, listener: TcpListener, acceptor: Option<TlsAcceptor>) {
    loop {
        let accepted = tokio::select! {
            () = shared.stopped() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else {
            sleep(ACCEPT_PAUSE).await;
            continue;
        };
        // Beyond the limit it is closed unheard.
        let Some(permit) = shared.connection() else { continue };
        let (shared, acceptor) = (Arc::clone(&shared), acceptor.clone());
        tokio::spawn(async move { serve_accepted(shared, permit, stream, acceptor).await });
    }
}

async fn serve_accepted(shared: Arc<Shared>, permit: Permit, stream: TcpStream, acceptor: Option<TlsAcceptor>) {
    // Answers must not wait for acknowledgements of earlier ones.
    stream.set_nodelay(true).ok();
    let Some(acceptor) = acceptor else {
        let link = Link::new(shared, false, None);
        return serve(link, stream, permit).await;
    };
    let handshake = acceptor.accept_with(stream, |tls| tls.set_buffer_limit(Some(TLS_BUFFER)));
    let Ok(Ok(stream)) = timeout(shared.settings.bind, handshake).await else {
        return shared.counters.stray(Stray::Tls);
    };
    let certificate = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    let fingerprint = certificate.map(|certificate| Fingerprint::of(certificate));
    let link = Link::new(shared, true, fingerprint);
    serve(link, TlsStream::from(stream), permit).await;
}

/// Connects to the first hop of a path, and serves that in a task of its own.
pub(super) async fn connect(
    shared: &Arc<Shared>,
    hop: &MsrpUri,
    pinned: Option<Fingerprint>,
) -> Result<Arc<Link>, TransferError> {
    let permit = shared.connection().ok_or(TransferError::Busy)?;
    let stream = reach(hop).await.map_err(|error| TransferError::Connect(error.kind()))?;
    stream.set_nodelay(true).ok();
    if !hop.is_secure() {
        let link = Link::new(Arc::clone(shared), false, None);
        tokio::spawn(serve(Arc::clone(&link), stream, permit));
        return Ok(link);
    }
    let failed = |cause: String| TransferError::Tls { cause };
    let identity = shared.identity.as_ref().ok_or_else(|| failed("no certificate of our own".to_owned()))?;
    let connector = identity.connector(pinned).map_err(|error| failed(error.to_string()))?;
    let name = ServerName::try_from(hop.host().to_owned()).map_err(|error| failed(error.to_string()))?;
    let handshake = connector.connect_with(name, stream, |tls| tls.set_buffer_limit(Some(TLS_BUFFER)));
    let stream = handshake.await.map_err(|error| {
        if is_wrong_certificate(&error) { TransferError::Fingerprint } else { failed(error.to_string()) }
    })?;
    let link = Link::new(Arc::clone(shared), true, pinned);
    tokio::spawn(serve(Arc::clone(&link), TlsStream::from(stream), permit));
    Ok(link)
}

/// The first of its addresses that answers.
async fn reach(hop: &MsrpUri) -> io::Result<TcpStream> {
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    let addresses: Vec<SocketAddr> = lookup_host((hop.host(), hop.port())).await?.collect();
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Reads and writes until either ends, or nobody has any use for the connection.
async fn serve<S: AsyncRead + AsyncWrite>(link: Arc<Link>, stream: S, _permit: Permit) {
    let (read, write) = split(Box::pin(stream));
    let mut reading = Reading::new(Arc::clone(&link), read);
    let mut writing = Writing::new(Arc::clone(&link), write);
    let (error, can_write) = tokio::select! {
        end = reading.run() => match end {
            End::Closed => (TransferError::Closed, true),
            End::Garbage => (TransferError::Malformed, true),
        },
        _ = writing.run() => (TransferError::Closed, false),
        () = link.watch() => (TransferError::Closed, true),
        () = link.shared.stopped() => (TransferError::Stopping, true),
    };
    if can_write {
        writing.last_words();
    }
    link.end(&error);
    if can_write {
        // A peer that does not read, or has gone, is told nothing.
        timeout(PATIENCE, writing.close()).await.ok();
    }
}
