//! What can go wrong with large messages: at start, with a session, with a transfer.

use super::counters::Ended;
use crate::config::MsrpListen;
use crate::msrp::{ReceiveFailure, SendFailure};
use std::io;
use std::path::PathBuf;

/// Why there are no large messages, or no session for one. Every text says what happened, why, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum MsrpError {
    #[error(
        "cannot listen on {listen}: {cause}; choose an address of this machine and a free port in msrp.listen, or stop the \
         program that holds it"
    )]
    Bind { listen: MsrpListen, cause: io::Error },
    #[error("cannot start the msrp threads: {0}; the machine lacks threads or file descriptors, raise their limits")]
    Thread(io::Error),
    #[error("msrp.tls-certificate: {} holds no certificate: {cause}; give a PEM file", file.display())]
    Certificate { file: PathBuf, cause: String },
    #[error("msrp.tls-key: {} holds no private key: {cause}; give a PEM file", file.display())]
    Key { file: PathBuf, cause: String },
    #[error("TLS for large messages cannot be had: {0}; check that msrp.tls-key belongs to msrp.tls-certificate")]
    Tls(#[from] rustls::Error),
    #[error(
        "msrp.host: the address of '{host}' cannot be found ({cause}); give an IP address, or mend the name service"
    )]
    Host { host: String, cause: io::Error },
    #[error("as many large messages are under way as there may be (msrp.sessions-max): try again later")]
    Busy,
    #[error("no msrps socket: give msrp.listen one, with a certificate")]
    NoTls,
    #[error("no msrp socket: give msrp.listen one that is not msrps")]
    NoPlain,
    #[error("the system gives no random numbers, so no session can be named")]
    Random,
    #[error("the server is stopping")]
    Closed,
}

/// Why a large message was not transferred.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransferError {
    #[error("the peer did not connect and bind in time (msrp.bind-secs)")]
    NotBound,
    #[error("nothing moved for too long (msrp.idle-secs)")]
    Idle,
    #[error("the connection was lost before the end")]
    Closed,
    #[error("what the peer sent is no MSRP")]
    Malformed,
    #[error("the peer answered {0}")]
    Status(u16),
    #[error("the peer did not answer a chunk in time (msrp.response-secs)")]
    Unanswered,
    #[error("the peer gave the message up")]
    Aborted,
    #[error("the peer cannot be reached: {0}")]
    Connect(io::ErrorKind),
    #[error("no TLS with the peer: {cause}")]
    Tls { cause: String },
    #[error("the peer's certificate is not the one that it announced")]
    Fingerprint,
    #[error("the peer announced no path that can be used")]
    Path,
    #[error("the message was refused with {0}")]
    Refused(u16),
    #[error("the message could not be read here")]
    Source,
    #[error("as many connections are open as there may be (msrp.connections-max)")]
    Busy,
    #[error("the server is stopping")]
    Stopping,
}

/// What a sink refuses octets with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("refused with {status}")]
pub struct Refusal {
    /// An MSRP status: 413 stops the peer (RFC 4975 section 10.5).
    pub status: u16,
}

/// The octets of a message cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the octets of the message cannot be read")]
pub struct SourceError;

impl TransferError {
    pub(super) const fn ended(&self) -> Ended {
        match self {
            Self::NotBound => Ended::NotBound,
            Self::Idle => Ended::Idle,
            Self::Closed => Ended::Closed,
            Self::Malformed | Self::Path => Ended::Malformed,
            Self::Status(_) => Ended::Refused,
            Self::Unanswered => Ended::Unanswered,
            Self::Aborted => Ended::Aborted,
            Self::Connect(_) | Self::Busy => Ended::Connect,
            Self::Tls { .. } | Self::Fingerprint => Ended::Tls,
            Self::Refused(_) => Ended::Declined,
            Self::Source => Ended::Source,
            Self::Stopping => Ended::Stopping,
        }
    }

    /// Whether the peer was told what happened, so that the connection can wait for its next wish.
    pub(super) const fn is_answered(&self) -> bool {
        matches!(self, Self::Status(_) | Self::Refused(_) | Self::Aborted)
    }
}

impl From<SendFailure> for TransferError {
    fn from(failure: SendFailure) -> Self {
        match failure {
            SendFailure::Status(status) => Self::Status(status),
            SendFailure::Timeout => Self::Unanswered,
            SendFailure::Aborted => Self::Source,
        }
    }
}

impl From<ReceiveFailure> for TransferError {
    fn from(failure: ReceiveFailure) -> Self {
        match failure {
            ReceiveFailure::Refused(status) => Self::Refused(status),
            ReceiveFailure::TooLarge | ReceiveFailure::TooManyRanges => Self::Refused(413),
            ReceiveFailure::Aborted => Self::Aborted,
            ReceiveFailure::Bind(status) => Self::Status(status),
        }
    }
}
