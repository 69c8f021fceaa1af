//! Reading a data directory beside the server that writes it: for audits.

use super::columns::Column;
use super::open;
use super::read::View;
use crate::journal::{Head, JournalError, JournalRead, Loaded, Stored};
use crate::types::{MessageId, Timestamp, UserKey};
use bytes::Bytes;
use rocksdb::DB;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

/// A reader of a data directory that may be in use. It writes nothing there: RocksDB's *secondary* keeps its own info
/// log in a temporary directory, removed on drop.
///
/// It shows the moment of opening, or of the last [`RocksReader::catch_up`].
pub struct RocksReader {
    // Before `own`, so that the database is closed when its directory goes.
    db: RwLock<DB>,
    pub(super) own: OwnDirectory,
}

impl RocksReader {
    /// Opens the data directory of a running or stopped server.
    ///
    /// # Errors
    /// [`JournalError::Open`] with advice, [`JournalError::Newer`], [`JournalError::Damaged`] or
    /// [`JournalError::Store`].
    pub fn open(directory: &Path) -> Result<Self, JournalError> {
        let own = OwnDirectory::new()?;
        let db = open::secondary(directory, &own.0)?;
        if open::established(&db)?.is_none() {
            return Err(JournalError::Open {
                cause: "nothing was ever written to it".to_owned(),
                advice: "start the server on it once, or name another directory",
            });
        }
        Ok(Self { db: RwLock::new(db), own })
    }

    /// Moves on to what the server has written by now.
    ///
    /// # Errors
    /// [`JournalError::Store`]: the server may just have removed a file that was needed; try again.
    pub fn catch_up(&self) -> Result<(), JournalError> {
        let db = self.db.write().unwrap_or_else(PoisonError::into_inner);
        db.try_catch_up_with_primary().map_err(|error| open::store(&error))
    }

    /// A value of the catalogue ([`RocksJournal::catalogue`](super::RocksJournal::catalogue)).
    ///
    /// # Errors
    /// [`JournalError::Store`] or [`JournalError::Damaged`].
    pub fn catalogued(&self, key: &[u8]) -> Result<Option<Bytes>, JournalError> {
        View::live(&self.db()).shelved(Column::Catalogue, key)
    }

    /// Entries of the catalogue whose key begins with `prefix` and is greater than `after`, in order of key.
    ///
    /// # Errors
    /// [`JournalError::Store`] or [`JournalError::Damaged`].
    pub fn catalogue(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, JournalError> {
        View::live(&self.db()).shelf(Column::Catalogue, prefix, after, limit)
    }

    /// A secondary changes only in `catch_up`, so a read lock makes each question's view consistent.
    fn db(&self) -> RwLockReadGuard<'_, DB> {
        self.db.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for RocksReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RocksReader").field("own", &self.own.0).finish_non_exhaustive()
    }
}

impl JournalRead for RocksReader {
    fn load(&self, user: &UserKey) -> Result<Loaded, JournalError> {
        View::live(&self.db()).load(user)
    }

    fn records(&self, user: &UserKey, seq: u64, limit: usize) -> Result<Vec<Stored>, JournalError> {
        View::live(&self.db()).records(user, seq, limit)
    }

    fn body(&self, message: &MessageId) -> Result<Option<Bytes>, JournalError> {
        View::live(&self.db()).body(message)
    }

    fn piece(&self, message: &MessageId, number: u32) -> Result<Option<Bytes>, JournalError> {
        View::live(&self.db()).piece(message, number)
    }

    fn body_length(&self, message: &MessageId) -> Result<Option<u64>, JournalError> {
        View::live(&self.db()).body_length(message)
    }

    fn due(&self, from: Timestamp, until: Timestamp, limit: usize) -> Result<Vec<(Timestamp, UserKey)>, JournalError> {
        View::live(&self.db()).due(from, until, limit)
    }

    fn owner_of(&self, message: &MessageId) -> Result<Option<UserKey>, JournalError> {
        View::live(&self.db()).owner_of(message)
    }

    fn users(&self, after: Option<&UserKey>, limit: usize) -> Result<Vec<(UserKey, Head)>, JournalError> {
        View::live(&self.db()).users(after, limit)
    }
}

/// A temporary directory that only we can read and that goes with us.
pub(super) struct OwnDirectory(pub PathBuf);

impl OwnDirectory {
    fn new() -> Result<Self, JournalError> {
        use std::os::unix::fs::DirBuilderExt as _;
        let failed = |cause: String| JournalError::Open {
            cause: format!("no temporary directory could be made for reading: {cause}"),
            advice: "set TMPDIR to a directory that you can write to",
        };
        let mut name = [0; 8];
        getrandom::fill(&mut name).map_err(|error| failed(error.to_string()))?;
        let path = std::env::temp_dir().join(format!("restante-reader-{}", hex::encode(name)));
        std::fs::DirBuilder::new().mode(0o700).create(&path).map_err(|error| failed(error.to_string()))?;
        Ok(Self(path))
    }
}

impl Drop for OwnDirectory {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, path = %self.0.display(), "a temporary directory could not be removed");
        }
    }
}
