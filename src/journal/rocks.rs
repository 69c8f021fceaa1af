//! The journal on RocksDB: one database, one committer, column families by access pattern.

mod columns;
mod open;
mod options;
mod read;
mod secondary;
mod shelf;
mod sink;

pub use secondary::RocksReader;
pub use shelf::RocksShelf;

use super::committer::{Committer, Limits};
use super::{Append, Commit, Counters, Head, Journal, JournalError, JournalRead, Loaded, Snapshot, Stored, layout};
use crate::config;
use crate::types::{MessageId, SeedSecret, Timestamp, UserKey};
use bytes::Bytes;
use columns::{Column, column};
use read::View;
use rocksdb::DB;
use std::sync::Arc;
use std::time::Duration;

/// How often the free space is looked at, and a failed store tried again.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// The data directory of a running server. One process holds it at a time.
///
/// Dropping it closes it ([`Journal::close`]).
pub struct RocksJournal {
    db: Arc<DB>,
    committer: Committer,
    secret: SeedSecret,
}

impl RocksJournal {
    /// Opens the data directory, making it if there is none, and starts the committer. What was acknowledged before a
    /// crash is replayed from RocksDB's write-ahead log here.
    ///
    /// # Errors
    /// [`JournalError::Open`] with advice (held by another process, not writable), [`JournalError::Newer`],
    /// [`JournalError::Damaged`] or [`JournalError::Store`].
    pub fn open(config: &config::Journal, counters: Arc<dyn Counters>) -> Result<Self, JournalError> {
        let db = Arc::new(open::primary(config)?);
        let secret = open::establish(&db)?;
        let limits = Limits {
            waiting_max: config.appends_waiting_max,
            octets_max: config.write_buffer_bytes,
            batch_max: config.batch_max,
            disk_free_min: config.disk_free_min,
            check_every: CHECK_EVERY,
        };
        let totals = open::totals(&db)?;
        counters.held(totals);
        let sink = sink::RocksSink::new(Arc::clone(&db), config.directory.clone(), totals);
        Ok(Self { committer: Committer::start(sink, limits, counters)?, db, secret })
    }

    /// The ordered map beside the journal in the same database, for the outside parts' embedded defaults.
    pub fn shelf(&self) -> RocksShelf {
        RocksShelf::new(Arc::clone(&self.db))
    }
}

impl std::fmt::Debug for RocksJournal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RocksJournal").field("directory", &self.db.path()).finish_non_exhaustive()
    }
}

impl Drop for RocksJournal {
    fn drop(&mut self) {
        self.close();
    }
}

impl JournalRead for RocksJournal {
    fn load(&self, user: &UserKey) -> Result<Loaded, JournalError> {
        View::consistent(&self.db).load(user)
    }

    fn records(&self, user: &UserKey, seq: u64, limit: usize) -> Result<Vec<Stored>, JournalError> {
        View::consistent(&self.db).records(user, seq, limit)
    }

    fn body(&self, message: &MessageId) -> Result<Option<Bytes>, JournalError> {
        View::consistent(&self.db).body(message)
    }

    fn due(&self, from: Timestamp, until: Timestamp, limit: usize) -> Result<Vec<(Timestamp, UserKey)>, JournalError> {
        View::live(&self.db).due(from, until, limit)
    }

    fn owner_of(&self, message: &MessageId) -> Result<Option<UserKey>, JournalError> {
        View::live(&self.db).owner_of(message)
    }

    fn users(&self, after: Option<&UserKey>, limit: usize) -> Result<Vec<(UserKey, Head)>, JournalError> {
        View::live(&self.db).users(after, limit)
    }
}

impl Journal for RocksJournal {
    fn append(&self, append: Append) -> Result<Commit, JournalError> {
        self.committer.append(append)
    }

    fn put_snapshot(&self, user: &UserKey, snapshot: &Snapshot) -> Result<(), JournalError> {
        // In the log like everything else, so that recovery keeps the order, but without an fsync of its own: the next
        // group commit takes it along, and losing it costs a longer replay.
        let column = column(&self.db, Column::Snapshots)?;
        self.db.put_cf(&column, user.0, layout::write_snapshot(snapshot)).map_err(|error| open::store(&error))
    }

    fn load_in_memory(&self, user: &UserKey) -> Option<Loaded> {
        View::consistent(&self.db).in_memory().load_short(user).ok().flatten()
    }

    fn body_in_memory(&self, message: &MessageId) -> Option<Bytes> {
        View::live(&self.db).in_memory().body(message).ok().flatten()
    }

    fn secret(&self) -> SeedSecret {
        self.secret
    }

    fn healthy(&self) -> Result<(), JournalError> {
        self.committer.healthy()
    }

    fn close(&self) {
        self.committer.close();
        // Every acknowledged append is synced already; this takes along the snapshots since.
        if let Err(error) = self.db.flush_wal(true) {
            tracing::warn!(%error, "the last snapshots may not have reached the disk; nothing else is lost");
        }
    }
}

#[cfg(test)]
mod tests;
