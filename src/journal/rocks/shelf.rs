//! Shelves: small ordered maps in the same database, for what the outside parts' embedded defaults and the catalogue of
//! policies keep.

use super::columns::{Column, column};
use super::read::View;
use super::{open, options};
use crate::journal::JournalError;
use bytes::Bytes;
use rocksdb::{DB, WriteBatch};
use std::sync::Arc;

/// An ordered map of bytes beside the journal, from [`RocksJournal::shelf`](super::RocksJournal::shelf) or
/// [`RocksJournal::catalogue`](super::RocksJournal::catalogue). Every call may wait for the disk and belongs on a thread
/// that may.
///
/// It keeps the database open: it goes on working after the journal was closed, and the data directory is free for
/// another process only when the journal and every clone of this are dropped.
#[derive(Clone)]
pub struct RocksShelf {
    db: Arc<DB>,
    column: Column,
}

impl RocksShelf {
    pub(super) const fn new(db: Arc<DB>, column: Column) -> Self {
        Self { db, column }
    }

    /// The value of a key.
    ///
    /// # Errors
    /// [`JournalError::Store`] or [`JournalError::Damaged`].
    pub fn get(&self, key: &[u8]) -> Result<Option<Bytes>, JournalError> {
        View::live(&self.db).shelved(self.column, key)
    }

    /// Puts (`Some`) or deletes (`None`) each key: all or none, later ones over earlier ones. Fsynced when it returns.
    ///
    /// # Errors
    /// [`JournalError::Store`] or [`JournalError::Damaged`]. After an error the changes may be there at the next
    /// opening all the same.
    pub fn write<K, V>(&self, changes: impl IntoIterator<Item = (K, Option<V>)>) -> Result<(), JournalError>
    where
        K: AsRef<[u8]>,
        V: AsRef<[u8]>,
    {
        let family = column(&self.db, self.column)?;
        let mut batch = WriteBatch::default();
        for (key, value) in changes {
            match value {
                Some(value) => batch.put_cf(&family, key, value),
                None => batch.delete_cf(&family, key),
            }
        }
        if batch.is_empty() {
            return Ok(());
        }
        self.db.write_opt(batch, &options::synced()).map_err(|error| open::store(&error))
    }

    /// The entries whose key begins with `prefix` and is greater than `after`, in order of key, at most `limit`, all of
    /// one moment.
    ///
    /// # Errors
    /// [`JournalError::Store`] or [`JournalError::Damaged`].
    pub fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<(Bytes, Bytes)>, JournalError> {
        View::live(&self.db).shelf(self.column, prefix, after, limit)
    }
}

impl std::fmt::Debug for RocksShelf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RocksShelf").field("directory", &self.db.path()).field("column", &self.column).finish()
    }
}

#[cfg(test)]
mod tests;
