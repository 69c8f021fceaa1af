//! Loopback sockets against a peer that writes and reads octets.

#[path = "tests_in.rs"]
mod inward;
#[path = "tests_out.rs"]
mod outward;
#[path = "tests_tls.rs"]
mod secure;

use super::*;
use std::sync::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};

/// So long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(20);
/// The peer's own URI.
const PEER: &str = "msrp://127.0.0.1:9/peer;tcp";

async fn soon<F: Future>(what: F) -> F::Output {
    timeout(PATIENCE, what).await.expect("it never came")
}

/// What was counted.
#[derive(Clone, Debug, Default)]
struct Totals {
    sessions: usize,
    connections: usize,
    ended: Vec<(Direction, Ended)>,
    strays: Vec<Stray>,
    limits: Vec<Limit>,
    octets: [u64; 2],
}

#[derive(Debug, Default)]
struct Tallies(watch::Sender<Totals>);

impl Tallies {
    async fn until(&self, good: impl Fn(&Totals) -> bool) -> Totals {
        let mut totals = self.0.subscribe();
        let found = timeout(PATIENCE, totals.wait_for(|totals| good(totals))).await.map(|found| found.unwrap().clone());
        found.unwrap_or_else(|_| panic!("it was never so: {:?}", self.0.borrow()))
    }

    /// Nothing is left over.
    async fn none_left(&self) -> Totals {
        self.until(|totals| totals.sessions == 0 && totals.connections == 0).await
    }
}

impl Counters for Tallies {
    fn ended(&self, direction: Direction, outcome: Ended) {
        self.0.send_modify(|totals| totals.ended.push((direction, outcome)));
    }
    fn octets(&self, direction: Direction, octets: u64) {
        self.0.send_modify(|totals| totals.octets[usize::from(direction == Direction::Out)] += octets);
    }
    fn sessions(&self, held: usize) {
        self.0.send_modify(|totals| totals.sessions = held);
    }
    fn connections(&self, open: usize) {
        self.0.send_modify(|totals| totals.connections = open);
    }
    fn stray(&self, cause: Stray) {
        self.0.send_modify(|totals| totals.strays.push(cause));
    }
    fn limit_hit(&self, limit: Limit) {
        self.0.send_modify(|totals| totals.limits.push(limit));
    }
}

/// A running end of ours, on sockets of its own.
struct House {
    msrp: Msrp,
    bound: Vec<MsrpListen>,
    tallies: Arc<Tallies>,
}

fn config() -> config::Msrp {
    config::Msrp { listen: vec!["msrp:127.0.0.1:0".parse().unwrap()], threads: 1, ..config::Msrp::default() }
}

impl House {
    fn new() -> Self {
        Self::with(&config(), |_| {})
    }

    /// With other times and limits than the configuration can say.
    fn with(config: &config::Msrp, change: impl FnOnce(&mut Settings)) -> Self {
        let tallies = Arc::new(Tallies::default());
        let mut settings = Settings::of(config);
        change(&mut settings);
        let (msrp, bound) = Msrp::start_with(config, settings, Arc::clone(&tallies) as _).unwrap();
        Self { msrp, bound, tallies }
    }

    fn open(&self) -> (Session, String) {
        let session = self.msrp.open(false).unwrap();
        let uri = session.local().uri.clone();
        (session, uri)
    }

    async fn connect(&self) -> Raw {
        Raw::new(TcpStream::connect(self.bound[0].address).await.unwrap())
    }
}

/// A message that is to come, in a task of its own.
fn receive(session: Session, sink: Box<dyn Sink>) -> Transfer {
    tokio::spawn(session.receive(peer(), Way::Passive, sink))
}

type Transfer = tokio::task::JoinHandle<Result<(), TransferError>>;

fn peer() -> Peer {
    Peer { path: vec![PEER.to_owned()], fingerprint: None, secure: false }
}

async fn ended(transfer: Transfer) -> Result<(), TransferError> {
    soon(transfer).await.unwrap()
}

/// Both directions of a connection.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A peer that writes and reads octets.
struct Raw {
    stream: Box<dyn Stream>,
    buffer: Vec<u8>,
}

/// A frame as it came.
#[derive(Clone, Debug)]
struct Frame {
    transaction: String,
    /// Method or status.
    what: String,
    head: String,
    body: Vec<u8>,
    flag: char,
}

impl Frame {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

impl Raw {
    fn new(stream: impl Stream + 'static) -> Self {
        Self { stream: Box::new(stream), buffer: Vec::new() }
    }

    async fn write(&mut self, octets: &[u8]) {
        soon(self.stream.write_all(octets)).await.unwrap();
        soon(self.stream.flush()).await.unwrap();
    }

    /// Up to and with these octets; nothing at the end of the stream.
    async fn until(&mut self, end: &[u8]) -> Option<Vec<u8>> {
        loop {
            if let Some(at) = self.buffer.windows(end.len()).position(|window| window == end) {
                return Some(self.buffer.drain(..at + end.len()).collect());
            }
            soon(self.stream.read_buf(&mut self.buffer)).await.ok().filter(|read| *read > 0)?;
        }
    }

    /// The next frame; nothing at the end of the stream.
    async fn frame(&mut self) -> Option<Frame> {
        let line = String::from_utf8(self.until(b"\r\n").await?).unwrap();
        let mut words = line.split_whitespace();
        assert_eq!(words.next(), Some("MSRP"), "{line}");
        let (transaction, what) = (words.next().unwrap().to_owned(), words.next().unwrap().to_owned());
        let mark = format!("-------{transaction}");
        let mut rest = self.until(mark.as_bytes()).await?;
        rest.truncate(rest.len() - mark.len());
        let end = self.until(b"\r\n").await?;
        let (head, body) = match rest.windows(4).position(|window| window == b"\r\n\r\n") {
            Some(at) => (&rest[..at], rest[at + 4..].strip_suffix(b"\r\n").unwrap_or_default()),
            None => (&rest[..], &[][..]),
        };
        let head = String::from_utf8(head.to_vec()).unwrap();
        Some(Frame { transaction, what, head, body: body.to_vec(), flag: char::from(end[0]) })
    }

    async fn status(&mut self) -> String {
        self.frame().await.expect("a response, and no end").what
    }

    async fn bind(&mut self, uri: &str) {
        self.write(binding("b1nd", uri).as_bytes()).await;
    }

    /// Answers a SEND.
    async fn answer(&mut self, send: &Frame, status: u16) {
        let (to, from) = (send.header("From-Path").unwrap(), send.header("To-Path").unwrap());
        let id = &send.transaction;
        let text = format!("MSRP {id} {status} x\r\nTo-Path: {to}\r\nFrom-Path: {from}\r\n-------{id}$\r\n");
        self.write(text.as_bytes()).await;
    }
}

fn binding(id: &str, uri: &str) -> String {
    format!(
        "MSRP {id} SEND\r\nTo-Path: {uri}\r\nFrom-Path: {PEER}\r\nMessage-ID: {id}\r\nByte-Range: 1-0/0\r\n-------{id}$\r\n"
    )
}

/// A chunk of the message `m1`.
fn chunk(id: &str, uri: &str, range: &str, body: &[u8], flag: char) -> Vec<u8> {
    let head = format!(
        "MSRP {id} SEND\r\nTo-Path: {uri}\r\nFrom-Path: {PEER}\r\nMessage-ID: m1\r\nByte-Range: {range}\r\n\
         Content-Type: message/cpim\r\n\r\n"
    );
    [head.as_bytes(), body, format!("\r\n-------{id}{flag}\r\n").as_bytes()].concat()
}

/// Octets that are different everywhere.
fn content(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at.wrapping_mul(31) ^ (at >> 8)).to_le_bytes()[0]).collect()
}

/// A sink in memory.
#[derive(Clone)]
struct Shelf {
    octets: Arc<Mutex<Vec<u8>>>,
    /// One permit for each slice that may be taken.
    pace: Arc<Semaphore>,
    /// One for the end.
    end: Arc<Semaphore>,
    refusal: Option<u16>,
    finished: Arc<Mutex<Option<Finished>>>,
    /// Octets that were offered so far.
    offered: Arc<watch::Sender<u64>>,
}

impl Shelf {
    fn new() -> Self {
        Self {
            octets: Arc::default(),
            pace: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
            end: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
            refusal: None,
            finished: Arc::default(),
            offered: Arc::default(),
        }
    }

    fn held(&self) -> Vec<u8> {
        self.octets.lock().unwrap().clone()
    }
}

impl Sink for Shelf {
    fn write(&mut self, position: u64, octets: Bytes) -> BoxFuture<'_, Result<(), Refusal>> {
        Box::pin(async move {
            self.offered.send_modify(|offered| *offered += octets.len() as u64);
            self.pace.acquire().await.unwrap().forget();
            if let Some(status) = self.refusal {
                return Err(Refusal { status });
            }
            let mut held = self.octets.lock().unwrap();
            let at = usize::try_from(position).unwrap();
            let end = at + octets.len();
            if held.len() < end {
                held.resize(end, 0);
            }
            held[at..end].copy_from_slice(&octets);
            Ok(())
        })
    }

    fn finish(&mut self, done: Finished) -> BoxFuture<'_, Result<(), Refusal>> {
        Box::pin(async move {
            *self.finished.lock().unwrap() = Some(done);
            self.end.acquire().await.unwrap().forget();
            self.refusal.map_or(Ok(()), |status| Err(Refusal { status }))
        })
    }
}

/// A source in memory.
struct Book {
    octets: Bytes,
    /// Octets that were read so far.
    read: Arc<watch::Sender<u64>>,
    fails_at: Option<u64>,
}

impl Book {
    fn new(octets: Vec<u8>) -> Self {
        Self { octets: octets.into(), read: Arc::default(), fails_at: None }
    }
}

impl Source for Book {
    fn read(&mut self, position: u64, max: usize) -> BoxFuture<'_, Result<Bytes, SourceError>> {
        if self.fails_at.is_some_and(|at| position >= at) {
            return Box::pin(async { Err(SourceError) });
        }
        let at = usize::try_from(position).unwrap();
        let slice = self.octets.slice(at..self.octets.len().min(at + max));
        self.read.send_replace(position + slice.len() as u64);
        Box::pin(async { Ok(slice) })
    }
}

fn outgoing(size: usize) -> Outgoing {
    Outgoing {
        message_id: "m2".to_owned(),
        content_type: "message/cpim".to_owned(),
        content_disposition: None,
        size: size as u64,
        success_report: false,
    }
}
