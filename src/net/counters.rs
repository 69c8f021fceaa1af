//! The hook through which the network tells what it did: the metrics floor listens, this floor names no metric.

use crate::sip::Method;

/// Counts and gauges. Called on the sip thread (limits also on others): must not block. A `Method` may be any token a peer
/// sent: labels must not be made of unknown ones.
pub trait Counters: Send + Sync + 'static {
    /// A new request (not a retransmission).
    fn request(&self, method: &Method);
    /// A response was sent for the first time.
    fn response_sent(&self, method: &Method, status: u16);
    /// A retransmitted request was absorbed by its transaction.
    fn retransmission_absorbed(&self);
    /// Something was thrown away.
    fn dropped(&self, cause: DropCause);
    /// A configured limit was hit.
    fn limit_hit(&self, limit: Limit);
    /// Transactions now held.
    fn transactions(&self, server: usize, client: usize);
    /// TCP connections now held.
    fn connections(&self, n: usize);
    /// Dialogs now held.
    fn dialogs(&self, n: usize);
}

/// Why something was thrown away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DropCause {
    /// A datagram or stream that is no SIP, and nobody to tell.
    Garbage,
    /// An empty or CRLF-only datagram.
    KeepAlive,
    /// A response that no client transaction waits for and that is not ours to pass on.
    UnmatchedResponse,
    /// An ACK that belongs to no INVITE and no dialog.
    Ack,
    /// An answer of ours that came when its transaction was gone.
    LateAnswer,
    /// A request of a peer that we left unanswered until its sender gave up (RFC 4320 section 4.2: no 408).
    Unanswered,
    /// The socket or connection took no more octets.
    SendFailed,
}

impl DropCause {
    /// A metric label.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Garbage => "garbage",
            Self::KeepAlive => "keep-alive",
            Self::UnmatchedResponse => "unmatched-response",
            Self::Ack => "ack",
            Self::LateAnswer => "late-answer",
            Self::Unanswered => "unanswered",
            Self::SendFailed => "send-failed",
        }
    }
}

/// Which limit was hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Limit {
    /// `sip.server-transactions-max`.
    ServerTransactions,
    /// `sip.client-transactions-max`.
    ClientTransactions,
    /// `sip.dialogs-max`.
    Dialogs,
    /// `sip.connections-max`.
    Connections,
    /// `sip.connection-backlog-max`.
    ConnectionBacklog,
    /// The handler said it is overloaded.
    Handler,
    /// New requests are refused because the server is stopping.
    Draining,
    /// Host names waiting to be resolved.
    Lookups,
    /// Commands waiting for the sip thread.
    Inbox,
}

impl Limit {
    /// A metric label.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ServerTransactions => "server-transactions",
            Self::ClientTransactions => "client-transactions",
            Self::Dialogs => "dialogs",
            Self::Connections => "connections",
            Self::ConnectionBacklog => "connection-backlog",
            Self::Handler => "handler",
            Self::Draining => "draining",
            Self::Lookups => "lookups",
            Self::Inbox => "inbox",
        }
    }
}

/// Counts nothing: for tests and tools.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoCounters;

impl Counters for NoCounters {
    fn request(&self, _: &Method) {}
    fn response_sent(&self, _: &Method, _: u16) {}
    fn retransmission_absorbed(&self) {}
    fn dropped(&self, _: DropCause) {}
    fn limit_hit(&self, _: Limit) {}
    fn transactions(&self, _: usize, _: usize) {}
    fn connections(&self, _: usize) {}
    fn dialogs(&self, _: usize) {}
}
