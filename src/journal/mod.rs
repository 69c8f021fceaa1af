//! Where records become durable: the port, its RocksDB form, and an in-memory twin that passes the same suite.
//!
//! The journal knows nothing of what a record says: it stores bytes under a user and a sequence number, keeps the chain
//! head, the due index, the bodies and the snapshots beside them, and makes one append atomic and durable.

mod committer;
#[cfg(test)]
mod conformance;
mod counters;
mod layout;
mod memory;
mod rocks;

pub use crate::types::PIECE;
pub use counters::{Counters, Limit, Uncounted};
pub use memory::MemoryJournal;
pub use rocks::{Closing, RocksJournal, RocksReader, RocksShelf};

use crate::types::{Chain, Digest, MessageId, SeedSecret, Timestamp, UserKey};
use bytes::Bytes;
use std::fmt;

/// Most octets of a body's beginning that [`BodyWriter::finish`] gives back: room for the CPIM headers.
pub const HEAD_MAX: usize = 16 << 10;

/// One accepted command, ready to be stored. Everything in it becomes durable together, or nothing does.
#[derive(Clone, Debug)]
pub struct Append {
    pub user: UserKey,
    /// Sequence number of this record, from 1. The head must stand at `seq - 1`, else [`JournalError::Conflict`].
    pub seq: u64,
    /// The chain after this record.
    pub chain: Chain,
    /// The encoded record (`queue::schema`).
    pub record: Bytes,
    /// Bodies to keep, with the message they belong to.
    pub bodies: Vec<(MessageId, Body)>,
    /// Messages that came to their end with this record: their bodies go.
    pub ended: Vec<MessageId>,
    /// Octets of the bodies that go.
    pub freed: u64,
    /// The user's one entry in the due index from now on: the earliest moment at which something must be done for them.
    pub due: Option<Timestamp>,
}

/// A body that an append brings.
#[derive(Clone, PartialEq, Eq)]
pub enum Body {
    /// All of it.
    Whole(Bytes),
    /// Its pieces were written with a [`BodyWriter`], which has finished with this length, octets: with this append they
    /// become durable and belong to the message.
    Kept { length: u64 },
}

impl Body {
    /// Octets of it.
    #[must_use]
    pub fn length(&self) -> u64 {
        match self {
            Self::Whole(octets) => octets.len() as u64,
            Self::Kept { length } => *length,
        }
    }
}

/// What it holds is personal data.
impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if matches!(self, Self::Whole(_)) { "Whole" } else { "Kept" };
        f.debug_struct(kind).field("length", &self.length()).finish()
    }
}

/// A body whose octets have all been written, and wait for the append that brings them.
#[derive(Clone, PartialEq, Eq)]
pub struct Kept {
    /// Octets.
    pub length: u64,
    /// SHA-256 of the octets.
    pub digest: Digest,
    /// The first octets, at most [`HEAD_MAX`].
    pub head: Bytes,
}

/// What it holds is personal data.
impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").field("length", &self.length).finish_non_exhaustive()
    }
}

/// A body on its way in, from [`Journal::begin_body`]. Calls may wait for the disk and belong on a thread that may; at
/// most one piece of [`PIECE`] octets is in memory.
///
/// What was written belongs to nobody until an append brings it as [`Body::Kept`]. Without one it is discarded: when this
/// is dropped (which waits for nothing), or after a crash by [`Journal::sweep`]. Keep it until that append's commit has
/// resolved.
pub trait BodyWriter: Send {
    /// Puts octets at a position, in any order; later ones over earlier ones.
    ///
    /// # Errors
    /// [`JournalError::DiskFull`], [`JournalError::TooLarge`], [`JournalError::Store`] or [`JournalError::Damaged`]. After
    /// an error every call gives it again: the body is lost.
    fn write(&mut self, position: u64, octets: &[u8]) -> Result<(), JournalError>;

    /// All is written, `length` octets without a gap. Called once, and nothing is written after it.
    ///
    /// # Errors
    /// As [`BodyWriter::write`].
    fn finish(&mut self, length: u64) -> Result<Kept, JournalError>;
}

/// What all queues hold together; durable with every append.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub messages: u64,
    /// Octets of their bodies.
    pub octets: u64,
}

impl Totals {
    /// After one more append.
    pub(crate) fn count(&mut self, append: &Append) {
        let came: u64 = append.bodies.iter().map(|(_, body)| body.length()).sum();
        self.messages = (self.messages + append.bodies.len() as u64).saturating_sub(append.ended.len() as u64);
        self.octets = self.octets.saturating_add(came).saturating_sub(append.freed);
    }
}

/// Where a user's log stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    pub seq: u64,
    pub chain: Chain,
}

impl Head {
    /// Of a user of whom nothing is known.
    pub const EMPTY: Self = Self { seq: 0, chain: Chain::GENESIS };
}

/// A stored record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    pub seq: u64,
    /// The chain after this record, as stored; whoever reads may recompute it.
    pub chain: Chain,
    pub record: Bytes,
}

/// A disposable cache of a user's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The record up to which it has everything.
    pub seq: u64,
    /// The chain after that record.
    pub chain: Chain,
    /// Encoded state; its first bytes are the fingerprint of the state type, which the reader checks.
    pub state: Bytes,
}

/// What waking a user takes: the latest snapshot, if any, and every record after it, in one consistent view.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub head: Head,
    pub snapshot: Option<Snapshot>,
    pub tail: Vec<Stored>,
}

/// Resolves when the append is durable, or has failed. Dropping it does not cancel the append.
pub type Commit = tokio::sync::oneshot::Receiver<Result<(), JournalError>>;

/// What the journal can meet. Every text says what happened, why, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    #[error(
        "the log of user {user} stands at {found}, not at {expected}: another writer was there; reload the user and try again"
    )]
    Conflict { user: UserKey, expected: u64, found: u64 },
    #[error(
        "the journal has {waiting} appends waiting, its limit (journal.appends-waiting-max, or journal.write-buffer-bytes for all their octets): the disk is slower than the traffic; try again later"
    )]
    Busy { waiting: usize },
    #[error(
        "only {free} octets are free on the disk of the data directory, less than journal.disk-free-min: free some space; new messages are refused meanwhile"
    )]
    DiskFull { free: u64 },
    #[error("a body of {octets} octets cannot be kept, the most is {max}: lower msrp.message-bytes-max")]
    TooLarge { octets: u64, max: u64 },
    #[error("the journal is closed: the server is stopping")]
    Closed,
    #[error("the data directory cannot be used: {cause}; {advice}")]
    Open { cause: String, advice: &'static str },
    #[error("the store failed: {cause}; see the server's log and the disk's health, then restart")]
    Store { cause: String },
    #[error(
        "what is stored at {place} is damaged: {what}; restore the data directory from a backup, or remove this user's log after an audit"
    )]
    Damaged { place: String, what: &'static str },
    #[error(
        "the data directory has format {found}, this program knows up to {known}: use the newer program that wrote it"
    )]
    Newer { found: u32, known: u32 },
}

/// The half of the journal that only reads: all that an audit beside a running server needs. Every call may wait for
/// the disk and belongs on a thread that may.
pub trait JournalRead: Send + Sync + 'static {
    /// Everything needed to wake a user.
    ///
    /// # Errors
    /// [`JournalError::Store`] or [`JournalError::Damaged`].
    fn load(&self, user: &UserKey) -> Result<Loaded, JournalError>;

    /// Every record of a user from `seq` on, at most `limit`: the whole story, snapshots ignored.
    ///
    /// # Errors
    /// As [`JournalRead::load`].
    fn records(&self, user: &UserKey, seq: u64, limit: usize) -> Result<Vec<Stored>, JournalError>;

    /// The body of a message, `None` if it has gone. All of it at once: for Pager Mode. A large one is read piece by piece
    /// ([`JournalRead::piece`]), so that nobody holds it in memory.
    ///
    /// # Errors
    /// As [`JournalRead::load`].
    fn body(&self, message: &MessageId) -> Result<Option<Bytes>, JournalError>;

    /// One piece of a body, numbered from 0: [`PIECE`] octets, the last one fewer. `None` after the last, and if the body
    /// has gone.
    ///
    /// # Errors
    /// As [`JournalRead::load`].
    fn piece(&self, message: &MessageId, number: u32) -> Result<Option<Bytes>, JournalError>;

    /// Octets of a body, `None` if it has gone.
    ///
    /// # Errors
    /// As [`JournalRead::load`].
    fn body_length(&self, message: &MessageId) -> Result<Option<u64>, JournalError>;

    /// Due entries with `from <= time <= until`, in order of time, at most `limit`.
    ///
    /// # Errors
    /// As [`JournalRead::load`].
    fn due(&self, from: Timestamp, until: Timestamp, limit: usize) -> Result<Vec<(Timestamp, UserKey)>, JournalError>;

    /// Whose message this is or was.
    ///
    /// # Errors
    /// As [`JournalRead::load`].
    fn owner_of(&self, message: &MessageId) -> Result<Option<UserKey>, JournalError>;

    /// Users with a log, in order of key, after `after`, at most `limit`.
    ///
    /// # Errors
    /// As [`JournalRead::load`].
    fn users(&self, after: Option<&UserKey>, limit: usize) -> Result<Vec<(UserKey, Head)>, JournalError>;
}

/// The journal. Only [`Journal::append`], [`Journal::body_in_memory`] and [`Journal::healthy`] are called from actors
/// directly; everything else may block on the disk and belongs on a thread that may.
pub trait Journal: JournalRead {
    /// Hands the append to the committer and returns at once; many appends share one fsync.
    ///
    /// # Errors
    /// [`JournalError::Busy`], [`JournalError::DiskFull`] (only if it brings bodies), [`JournalError::Closed`], or the
    /// failure that [`Journal::healthy`] tells; with nothing taken. A body that is said to be [`Body::Kept`] and is not
    /// fails the commit as [`JournalError::Damaged`].
    fn append(&self, append: Append) -> Result<Commit, JournalError>;

    /// Begins a body that comes in pieces; nothing is written yet. A message has one writer, ever.
    ///
    /// # Errors
    /// [`JournalError::DiskFull`], [`JournalError::Closed`], or the failure that [`Journal::healthy`] tells.
    fn begin_body(&self, message: MessageId) -> Result<Box<dyn BodyWriter>, JournalError>;

    /// Removes bodies that were being written when the server stopped, at most `limit`; tells how many there were. May be
    /// called at any time: those that are being written now are left alone.
    ///
    /// # Errors
    /// [`JournalError::Store`] or [`JournalError::Damaged`].
    fn sweep(&self, limit: usize) -> Result<usize, JournalError>;

    /// Keeps a snapshot (not fsynced: it is a cache), replacing the one before.
    ///
    /// # Errors
    /// [`JournalError::Store`].
    fn put_snapshot(&self, user: &UserKey, snapshot: &Snapshot) -> Result<(), JournalError>;

    /// What waking a user takes, if it is little and can be had without waiting for the disk; `None` says only "ask
    /// [`JournalRead::load`]".
    fn load_in_memory(&self, user: &UserKey) -> Option<Loaded>;

    /// The body if it can be had without waiting for the disk (memtable, block cache); `None` says only "ask
    /// [`JournalRead::body`]".
    fn body_in_memory(&self, message: &MessageId) -> Option<Bytes>;

    /// The secret of this data directory, made when it was first opened.
    fn secret(&self) -> SeedSecret;

    /// Whether appends are taken: the readiness of the whole server. A failed write makes the journal unhealthy until a
    /// write of its own succeeds, which it tries once a second.
    ///
    /// # Errors
    /// The failure that stopped it, or [`JournalError::Closed`].
    fn healthy(&self) -> Result<(), JournalError>;

    /// Commits what was accepted, then refuses more. Idempotent; blocks until done.
    fn close(&self);
}
