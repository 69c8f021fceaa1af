//! What the message store tells the metrics: a port, so that it knows no metrics library.

/// A request to the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    Append,
    /// Looking up whether an object is there already, before a repeated append.
    Search,
    Remove,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Appended or removed; of a search: found.
    Done,
    /// Of a search: not there.
    Absent,
    /// The server cannot be reached, or is left alone for a while.
    Unreachable,
    Timeout,
    /// A limit of ours, or the server says that it is busy.
    Busy,
    Quota,
    Login,
    /// Neither refused nor done: a fault of the server, or of the disk.
    Failed,
    Refused,
}

/// A limit that was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Limit {
    /// `store.connections-max`: a request waits for a connection.
    Connections,
    /// `store.requests-waiting-max`: a request was put off.
    RequestsWaiting,
    /// `store.messages-max-per-user`: an append was refused as over quota.
    Messages,
    /// `store.bytes-max-per-user`: the same.
    Octets,
}

/// Where the store's figures go. Calls come from the store's own thread and from whoever asks: they must be quick and
/// must not block. Every method does nothing unless it is overridden.
pub trait Counters: Send + Sync + 'static {
    /// A request ended.
    fn ended(&self, _operation: Operation, _outcome: Outcome) {}

    /// Connections to the IMAP server: all, and those at work.
    fn connections(&self, _open: usize, _busy: usize) {}

    /// A limit was reached.
    fn limit_hit(&self, _limit: Limit) {}

    /// The server is left alone after failures in a row, or is tried again.
    fn resting(&self, _resting: bool) {}
}

/// Counts nothing: for tests and tools.
#[derive(Clone, Copy, Debug, Default)]
pub struct Uncounted;

impl Counters for Uncounted {}
