//! One connection to the IMAP server: making it, and one command at a time.

use super::super::{Content, StoreError};
use super::wire::{Code, Condition, Reader, Response, Token, WireError};
use crate::config::{ImapServer, Security};
use bytes::Bytes;
use rustls::pki_types::ServerName;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

/// Most untagged responses that one command may bring.
const DATA_MAX: usize = 10_000;

/// What octets go over.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A connection. After any error it is good for nothing more.
pub(super) struct Link {
    stream: Box<dyn Stream>,
    reader: Reader,
    commands: u32,
    /// Time for one command.
    patience: Duration,
}

/// How a command was answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub condition: Condition,
    pub code: Code,
    /// Codes of untagged statuses, such as UIDVALIDITY.
    pub codes: Vec<Code>,
    pub data: Vec<Vec<Token>>,
}

/// What is sent when the server says go on.
pub(super) enum Then<'a> {
    Nothing,
    Octets(Bytes),
    /// A literal, piece by piece; only then may a command take longer than its time, as long as it moves on.
    Object(&'a Content),
}

impl Link {
    /// Connects, with TLS as the scheme says, and reads the greeting.
    pub async fn open(server: &ImapServer, tls: &TlsConnector, patience: Duration) -> Result<Self, StoreError> {
        let stream = TcpStream::connect((server.host.as_str(), server.port)).await.map_err(|error| lost(&error))?;
        let _ = stream.set_nodelay(true);
        match server.security {
            Security::Plain => Self::greeted(Box::new(stream), patience).await,
            Security::Tls => Self::greeted(Box::new(secured(stream, server, tls).await?), patience).await,
            Security::StartTls => {
                let mut reader = Reader::default();
                let stream = start_tls(stream, &mut reader, patience).await?;
                let stream = secured(stream, server, tls).await?;
                Ok(Self::over(Box::new(stream), patience))
            }
        }
    }

    fn over(stream: Box<dyn Stream>, patience: Duration) -> Self {
        Self { stream, reader: Reader::default(), commands: 0, patience }
    }

    async fn greeted(stream: Box<dyn Stream>, patience: Duration) -> Result<Self, StoreError> {
        let mut link = Self::over(stream, patience);
        greeting(&mut link.stream, &mut link.reader).await?;
        Ok(link)
    }

    /// Sends a command and reads up to its end.
    pub async fn command(&mut self, command: &str) -> Result<Answer, StoreError> {
        self.exchange(command, Then::Nothing).await
    }

    /// Sends a command, and `then` when the server says go on.
    pub async fn exchange(&mut self, command: &str, mut then: Then<'_>) -> Result<Answer, StoreError> {
        self.commands = self.commands.wrapping_add(1);
        let tag = format!("a{}", self.commands);
        let mut deadline = Instant::now() + self.patience;
        within(deadline, self.write(format!("{tag} {command}\r\n").as_bytes())).await?;
        let (mut codes, mut data) = (Vec::new(), Vec::new());
        loop {
            match within(deadline, next(&mut self.stream, &mut self.reader)).await? {
                Response::Continue => match std::mem::replace(&mut then, Then::Nothing) {
                    Then::Octets(octets) => {
                        within(deadline, self.write(&octets)).await?;
                        within(deadline, self.write(b"\r\n")).await?;
                    }
                    Then::Object(object) => deadline = self.literal(object, deadline).await?,
                    Then::Nothing => return Err(protocol("it wants more than the command")),
                },
                Response::Done { tag: done, condition, code } if done == tag => {
                    return Ok(Answer { condition, code, codes, data });
                }
                Response::Done { .. } => return Err(protocol("it answers a command that was not sent")),
                Response::Status { condition: Condition::Bye, code, .. } => return Err(bye(&code)),
                Response::Status { code, .. } => codes.push(code),
                Response::Data(tokens) => data.push(tokens),
            }
            if codes.len() + data.len() > DATA_MAX {
                return Err(protocol("it tells more than was asked"));
            }
        }
    }

    /// Sends an object, one piece of it in memory at a time. Each has the time of a command to be read and taken; gives the
    /// new deadline of the command.
    async fn literal(&mut self, object: &Content, mut deadline: Instant) -> Result<Instant, StoreError> {
        within(deadline, self.write(&object.head)).await?;
        for number in 0..object.pieces() {
            deadline = Instant::now() + self.patience;
            let piece = within(deadline, object.piece(number)).await?;
            within(deadline, self.write(&piece)).await?;
        }
        within(deadline, self.write(b"\r\n")).await?;
        // What the server does with a large object takes its own time.
        Ok(if object.rest.is_some() { Instant::now() + self.patience } else { deadline })
    }

    async fn write(&mut self, octets: &[u8]) -> Result<(), StoreError> {
        self.stream.write_all(octets).await.map_err(|error| lost(&error))?;
        self.stream.flush().await.map_err(|error| lost(&error))
    }

    /// Says good-bye, and does not wait for the answer.
    pub async fn close(mut self) {
        let last = async {
            self.write(b"z LOGOUT\r\n").await.ok();
            self.stream.shutdown().await.ok();
        };
        let _ = tokio::time::timeout(Duration::from_secs(1), last).await;
    }
}

async fn within<T>(deadline: Instant, work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let late = StoreError::Timeout { waiting_for: "a command", key: "store.command-secs" };
    tokio::time::timeout_at(deadline, work).await.unwrap_or(Err(late))
}

async fn next<S: Stream + ?Sized>(stream: &mut S, reader: &mut Reader) -> Result<Response, StoreError> {
    loop {
        if let Some(response) = reader.next().map_err(wire)? {
            return Ok(response);
        }
        if stream.read_buf(reader.buffer()).await.map_err(|error| lost(&error))? == 0 {
            return Err(StoreError::Unreachable { cause: "it closed the connection".to_owned() });
        }
    }
}

async fn greeting<S: Stream + ?Sized>(stream: &mut S, reader: &mut Reader) -> Result<(), StoreError> {
    match next(stream, reader).await? {
        Response::Status { condition: Condition::Ok, .. } => Ok(()),
        Response::Status { condition: Condition::Bye, code, .. } => Err(bye(&code)),
        // Somebody whom we did not name would be logged in.
        Response::Status { condition: Condition::PreAuth, .. } => Err(protocol("it has us logged in unasked")),
        _ => Err(protocol("its greeting")),
    }
}

/// RFC 3501 section 6.2.1. What is said before TLS, also in the same breath as the OK, may be anybody's.
async fn start_tls(mut stream: TcpStream, reader: &mut Reader, patience: Duration) -> Result<TcpStream, StoreError> {
    let asked = async {
        greeting(&mut stream, reader).await?;
        stream.write_all(b"s STARTTLS\r\n").await.map_err(|error| lost(&error))?;
        loop {
            match next(&mut stream, reader).await? {
                Response::Done { condition: Condition::Ok, .. } => break,
                Response::Done { .. } | Response::Continue => return Err(StoreError::Lacks { what: "STARTTLS" }),
                Response::Status { .. } | Response::Data(_) => {}
            }
        }
        if reader.is_empty() { Ok(()) } else { Err(protocol("octets between STARTTLS and TLS")) }
    };
    let timeout = StoreError::Timeout { waiting_for: "STARTTLS", key: "store.command-secs" };
    tokio::time::timeout(patience, asked).await.unwrap_or(Err(timeout))?;
    Ok(stream)
}

async fn secured(
    stream: TcpStream,
    server: &ImapServer,
    tls: &TlsConnector,
) -> Result<impl Stream + use<>, StoreError> {
    let name = ServerName::try_from(server.host.clone()).map_err(|_| protocol("its name, which no certificate has"))?;
    tls.connect(name, stream).await.map_err(|error| lost(&error))
}

/// TLS with these authorities.
pub(super) fn connector(roots: rustls::RootCertStore) -> Result<TlsConnector, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

pub(super) const fn protocol(what: &'static str) -> StoreError {
    StoreError::Protocol { what }
}

fn lost(error: &io::Error) -> StoreError {
    StoreError::Unreachable { cause: error.to_string() }
}

fn bye(code: &Code) -> StoreError {
    let why = if code.name.is_empty() { String::new() } else { format!(" ({})", code.name) };
    StoreError::Unreachable { cause: format!("it says good-bye{why}") }
}

const fn wire(error: WireError) -> StoreError {
    match error {
        WireError::TooLong => protocol("a response without end"),
        WireError::Grammar => protocol("a response that is none"),
    }
}
