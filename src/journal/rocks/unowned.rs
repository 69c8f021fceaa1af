//! Bodies that belong to nobody yet: what their writers share, and what is done with those that no append brought.

use super::columns::{Column, column};
use super::open::store;
use super::options;
use super::read::View;
use crate::journal::committer::{Discard, Discards};
use crate::journal::{Counters, JournalError, Limit, layout};
use crate::types::MessageId;
use rocksdb::{DB, WriteBatch, properties};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Full memtables of bodies that may wait for the disk. RocksDB itself would stop every writer, the committer too, at one
/// more than that; so writers of pieces stop before.
const MEMTABLES_WAITING: u64 = 2;
/// How long a writer waits before it asks again, and how often it asks before it turns to RocksDB, which then waits or
/// fails.
const PAUSE: Duration = Duration::from_millis(2);
const LOOKS: u32 = 5_000;
/// How old an answer may be: far less than it takes to fill a memtable.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// What writers of bodies share.
pub(super) struct Yard {
    pub db: Arc<DB>,
    pub counters: Arc<dyn Counters>,
    discards: Discards,
    directory: PathBuf,
    /// `journal.disk-free-min`.
    pub disk_free_min: AtomicU64,
    /// Left by the last run.
    orphans: Mutex<Vec<MessageId>>,
    gate: Mutex<Gate>,
}

/// Whether writers of pieces wait. One look is for all of them, so that many who wait do not keep RocksDB busy.
#[derive(Default)]
struct Gate {
    looked: Option<Instant>,
    is_behind: bool,
}

impl Yard {
    /// Before anything is written, so that every marker there is is an orphan's.
    pub fn new(
        db: Arc<DB>,
        directory: PathBuf,
        disk_free_min: u64,
        discards: Discards,
        counters: Arc<dyn Counters>,
    ) -> Result<Self, JournalError> {
        let orphans = Mutex::new(View::live(&db).writing()?);
        let disk_free_min = AtomicU64::new(disk_free_min);
        Ok(Self { db, counters, discards, directory, disk_free_min, orphans, gate: Mutex::default() })
    }

    /// Looks at the disk: pieces may come for a long time without any append, for which the committer looks.
    pub fn has_room(&self) -> Result<(), JournalError> {
        let free_min = self.disk_free_min.load(Ordering::Relaxed);
        match disk_free(&self.directory).filter(|free| *free < free_min) {
            Some(free) => {
                self.counters.limit_hit(Limit::DiskFree);
                Err(JournalError::DiskFull { free })
            }
            None => Ok(()),
        }
    }

    /// Waits while the disk is behind.
    pub fn pace(&self) {
        for _ in 0..LOOKS {
            if !self.is_behind() {
                return;
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Whether the disk is behind, as of a moment ago.
    fn is_behind(&self) -> bool {
        let mut gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        if gate.looked.is_none_or(|looked| looked.elapsed() >= LOOK_EVERY) {
            let waiting = column(&self.db, Column::Bodies)
                .ok()
                .and_then(|bodies| self.db.property_int_value_cf(&bodies, properties::NUM_IMMUTABLE_MEM_TABLE).ok()?);
            *gate = Gate {
                looked: Some(Instant::now()),
                is_behind: waiting.is_some_and(|waiting| waiting >= MEMTABLES_WAITING),
            };
        }
        gate.is_behind
    }

    /// Has the committer remove it, unless an append brought it.
    pub fn discard(&self, discard: Discard) {
        self.discards.push(discard);
    }

    /// Removes orphans of the last run. What of it a crash undoes is found again at the next start.
    pub fn sweep(&self, limit: usize) -> Result<usize, JournalError> {
        let mut swept = 0;
        while swept < limit {
            let Some(message) = self.orphans.lock().unwrap_or_else(PoisonError::into_inner).pop() else { break };
            match remove(&self.db, &message, None) {
                Ok(true) => {
                    self.counters.orphan();
                    swept += 1;
                }
                Ok(false) => {}
                // It keeps its marker, and none of the others waits for it.
                Err(error @ JournalError::Damaged { .. }) => {
                    tracing::warn!(%error, "what came of a message that broke off cannot be removed");
                }
                Err(error) => {
                    self.orphans.lock().unwrap_or_else(PoisonError::into_inner).push(message);
                    return Err(error);
                }
            }
        }
        Ok(swept)
    }
}

/// Removes the pieces of a body that has a marker, and the marker; tells whether it had one. The marker tells how many
/// pieces there may be, if nobody else does.
pub(super) fn remove(db: &DB, message: &MessageId, bound: Option<u32>) -> Result<bool, JournalError> {
    let Some(writing) = View::live(db).marker(message)? else { return Ok(false) };
    let (meta, bodies) = (column(db, Column::Meta)?, column(db, Column::Bodies)?);
    let mut batch = WriteBatch::default();
    for piece in 0..bound.unwrap_or(writing.bound) {
        batch.delete_cf(&bodies, layout::piece_key(message, piece));
    }
    batch.delete_cf(&meta, layout::writing_key(message));
    db.write_opt(batch, &options::unsynced()).map_err(|error| store(&error))?;
    Ok(true)
}

/// Octets free on the disk; `None` if it cannot be told.
pub(super) fn disk_free(directory: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(directory).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}
