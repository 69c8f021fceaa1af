//! The journal on RocksDB: one database, one committer, column families by access pattern.

mod columns;
mod open;
mod options;
mod read;
mod secondary;
mod shelf;
mod sink;
mod unowned;
mod writer;

pub use secondary::RocksReader;
pub use shelf::RocksShelf;

use super::committer::{Committer, Limits};
use super::{
    Append, BodyWriter, Commit, Counters, Head, Journal, JournalError, JournalRead, Loaded, Snapshot, Stored, layout,
};
use crate::config;
use crate::types::{MessageId, SeedSecret, Timestamp, UserKey};
use bytes::Bytes;
use columns::{Column, column};
use read::View;
use rocksdb::DB;
use std::sync::Arc;
use std::time::{Duration, Instant};
use unowned::Yard;
use writer::RocksWriter;

/// How often the free space is looked at, and a failed store tried again.
const CHECK_EVERY: Duration = Duration::from_secs(1);
/// How often it is looked whether the database is closed.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// The data directory of a running server. One process holds it at a time.
///
/// Dropping it closes it ([`Journal::close`]).
pub struct RocksJournal {
    db: Arc<DB>,
    committer: Committer,
    yard: Arc<Yard>,
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
        let committer = Committer::start(sink, limits, Arc::clone(&counters))?;
        let (directory, discards) = (config.directory.clone(), committer.discards());
        let yard = Yard::new(Arc::clone(&db), directory, config.disk_free_min, discards, counters)?;
        Ok(Self { committer, db, yard: Arc::new(yard), secret })
    }

    /// For whoever lets go of the database last, and by that closes it.
    pub fn closing(&self) -> Closing {
        Closing(Arc::clone(&self.db))
    }

    /// The ordered map beside the journal in the same database, for the outside parts' embedded defaults.
    pub fn shelf(&self) -> RocksShelf {
        RocksShelf::new(Arc::clone(&self.db), Column::Shelf)
    }

    /// Another one, for uploaded policies and the stream of what operators did.
    pub fn catalogue(&self) -> RocksShelf {
        RocksShelf::new(Arc::clone(&self.db), Column::Catalogue)
    }
}

/// A database on its way out.
pub struct Closing(Arc<DB>);

impl Closing {
    /// Closes it, on this thread, when nobody else holds it any more; gives up after so long, and says so. A process that
    /// ends while another thread closes it is aborted: what RocksDB needs for closing is gone by then.
    #[must_use]
    pub fn end(self, patience: Duration) -> bool {
        let start = Instant::now();
        while Arc::strong_count(&self.0) > 1 {
            if start.elapsed() >= patience {
                return false;
            }
            std::thread::sleep(LOOK_AGAIN);
        }
        true
    }
}

#[cfg(test)]
impl RocksJournal {
    /// From now on the disk counts as full below so many free octets, for pieces of bodies.
    pub(super) fn set_disk_free_min(&self, octets: u64) {
        self.yard.disk_free_min.store(octets, std::sync::atomic::Ordering::Relaxed);
    }

    /// Pieces of this body in the database, whoever owns it, and its marker.
    pub(super) fn left_of(&self, message: &MessageId) -> usize {
        use rocksdb::{Direction, IteratorMode};
        let from = layout::piece_key(message, 0);
        let bodies = column(&self.db, Column::Bodies).unwrap();
        let pieces = self.db.iterator_cf(&bodies, IteratorMode::From(&from, Direction::Forward));
        let pieces = pieces.take_while(|entry| entry.as_ref().is_ok_and(|(key, _)| key.starts_with(&message.0)));
        pieces.count() + usize::from(View::live(&self.db).marker(message).unwrap().is_some())
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

    fn piece(&self, message: &MessageId, number: u32) -> Result<Option<Bytes>, JournalError> {
        View::live(&self.db).piece(message, number)
    }

    fn body_length(&self, message: &MessageId) -> Result<Option<u64>, JournalError> {
        View::live(&self.db).body_length(message)
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

    fn begin_body(&self, message: MessageId) -> Result<Box<dyn BodyWriter>, JournalError> {
        self.committer.healthy()?;
        self.yard.has_room()?;
        Ok(Box::new(RocksWriter::new(Arc::clone(&self.yard), message)))
    }

    fn sweep(&self, limit: usize) -> Result<usize, JournalError> {
        self.yard.sweep(limit)
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
        // A process that ends while RocksDB still works in the background is aborted.
        self.db.cancel_all_background_work(true);
    }
}

#[cfg(test)]
mod tests;
