//! A small HTTP server of the tests' own: real bytes on a real socket, every answer as the test says.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// What it does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// These octets, and waits for the next request.
    Say(Vec<u8>),
    /// These octets, then the connection is closed.
    SayAndClose(Vec<u8>),
    /// Nothing at all, with the connection left open.
    Silence,
}

/// One request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Start line and headers, without the empty line.
    pub head: String,
    pub body: Vec<u8>,
}

impl Seen {
    /// `GET /path`.
    pub fn what(&self) -> &str {
        self.head.lines().next().unwrap_or_default().trim_end_matches(" HTTP/1.1")
    }

    /// The first value of this header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let fields = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        fields.filter(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
    }
}

/// The server; it ends with the runtime it was started on.
#[derive(Debug)]
pub(crate) struct FakeServer {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    connections: Arc<AtomicUsize>,
}

impl FakeServer {
    pub(crate) async fn start(act: impl Fn(&Seen) -> Act + Send + Sync + 'static) -> Self {
        Self::with(None, act).await
    }

    pub(crate) async fn with(tls: Option<TlsAcceptor>, act: impl Fn(&Seen) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, connections) = (Arc::<Mutex<Vec<Seen>>>::default(), Arc::<AtomicUsize>::default());
        let server = Self { address, seen: Arc::clone(&seen), connections: Arc::clone(&connections) };
        let act = Arc::new(act);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::Relaxed);
                let (seen, act, tls) = (Arc::clone(&seen), Arc::clone(&act), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => converse(stream, &seen, &*act).await,
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => converse(stream, &seen, &*act).await,
                            Err(_) => None,
                        },
                    }
                });
            }
        });
        server
    }

    /// `http://host:port` and this path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Every request so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Connections taken so far.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

/// A whole answer; `headers` as `Name: value` lines.
pub(crate) fn answer(status: u16, headers: &[&str], body: &[u8]) -> Vec<u8> {
    let fields: String = headers.iter().flat_map(|line| [*line, "\r\n"]).collect();
    let mut octets = format!("HTTP/1.1 {status} X\r\n{fields}Content-Length: {}\r\n\r\n", body.len()).into_bytes();
    octets.extend_from_slice(body);
    octets
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    seen: &Mutex<Vec<Seen>>,
    act: &(impl Fn(&Seen) -> Act + ?Sized),
) -> Option<()> {
    let mut octets = Vec::new();
    loop {
        let request = read(&mut stream, &mut octets).await?;
        seen.lock().unwrap_or_else(PoisonError::into_inner).push(request.clone());
        match act(&request) {
            Act::Say(answer) => stream.write_all(&answer).await.ok()?,
            Act::SayAndClose(answer) => {
                stream.write_all(&answer).await.ok()?;
                return stream.shutdown().await.ok();
            }
            Act::Silence => std::future::pending().await,
        }
    }
}

/// The next request; nothing when the connection is over.
async fn read<S: AsyncRead + Unpin>(stream: &mut S, octets: &mut Vec<u8>) -> Option<Seen> {
    let end = loop {
        if let Some(end) = octets.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        more(stream, octets).await?;
    };
    let head = String::from_utf8_lossy(&octets[..end]).into_owned();
    let mut seen = Seen { head, body: Vec::new() };
    let length = seen.header("content-length").map_or(0, |value| value.parse().unwrap());
    let body = end + 4;
    while octets.len() < body + length {
        more(stream, octets).await?;
    }
    seen.body = octets[body..body + length].to_vec();
    octets.drain(..body + length);
    Some(seen)
}

async fn more<S: AsyncRead + Unpin>(stream: &mut S, octets: &mut Vec<u8>) -> Option<()> {
    (stream.read_buf(octets).await.ok()? > 0).then_some(())
}
