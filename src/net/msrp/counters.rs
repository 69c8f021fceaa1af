//! The hook through which large messages tell what became of them: the metrics floor listens, this floor names no metric.

/// Counts and gauges. Called on the msrp threads: must not block.
pub trait Counters: Send + Sync + 'static {
    /// A transfer ended.
    fn ended(&self, direction: Direction, outcome: Ended);
    /// So many octets of content came, or were answered for by the peer.
    fn octets(&self, direction: Direction, octets: u64);
    /// Sessions now held.
    fn sessions(&self, held: usize);
    /// Connections now open.
    fn connections(&self, open: usize);
    /// Something belonged to no transfer.
    fn stray(&self, cause: Stray);
    /// A configured limit was hit.
    fn limit_hit(&self, limit: Limit);
}

/// The way of a large message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// To us.
    In,
    /// To a peer.
    Out,
}

/// How a transfer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ended {
    /// The sink took it all, or the peer answered for every chunk.
    Done,
    /// Its future or session was dropped.
    Cancelled,
    NotBound,
    Idle,
    Closed,
    /// The peer refused.
    Refused,
    /// We refused.
    Declined,
    Unanswered,
    Aborted,
    Connect,
    Tls,
    Malformed,
    Source,
    Stopping,
}

/// What belonged to no transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stray {
    /// 481: nobody here has that session.
    UnknownSession,
    /// 506: the session is bound to another connection.
    BoundElsewhere,
    /// The certificate is not the one announced for the session.
    Fingerprint,
    /// No MSRP, or longer than allowed: the connection was closed.
    Garbage,
    /// A connection that nobody bound in time.
    Unbound,
    /// A TLS handshake of a peer failed.
    Tls,
}

/// Which limit was hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Limit {
    /// `msrp.sessions-max`.
    Sessions,
    /// `msrp.connections-max`.
    Connections,
    /// `msrp.message-bytes-max`.
    MessageBytes,
    /// Parts of one message with gaps between them.
    Ranges,
}

/// Counts nothing: for tests and tools.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoCounters;

impl Counters for NoCounters {
    fn ended(&self, _: Direction, _: Ended) {}
    fn octets(&self, _: Direction, _: u64) {}
    fn sessions(&self, _: usize) {}
    fn connections(&self, _: usize) {}
    fn stray(&self, _: Stray) {}
    fn limit_hit(&self, _: Limit) {}
}
