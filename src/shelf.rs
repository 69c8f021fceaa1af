//! Where the embedded defaults keep what is theirs: a small ordered map that is durable before it says so.

use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// An ordered map of bytes. Every call may wait for the disk and belongs on a thread that may. The first octet of a key
/// says whose it is ([`owner`]).
pub trait Shelf: Send + Sync + 'static {
    /// The value of a key.
    ///
    /// # Errors
    /// [`ShelfError`]
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, ShelfError>;

    /// Applies all changes or none; when it returns, they survive `kill -9` and power loss.
    ///
    /// # Errors
    /// [`ShelfError`]
    fn write(&self, changes: Vec<Change>) -> Result<(), ShelfError>;

    /// The entries whose key begins with `prefix` and is greater than `after`, in order of key, at most `limit`.
    ///
    /// # Errors
    /// [`ShelfError`]
    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<(Bytes, Bytes)>, ShelfError>;
}

/// The first octet of a key.
pub mod owner {
    /// Preferences documents.
    pub const DOCUMENTS: u8 = b'd';
    /// Folders and objects of the embedded message store.
    pub const FOLDERS: u8 = b'f';
    /// The outbox of the out-of-band notifier.
    pub const OUTBOX: u8 = b'o';
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    Put { key: Bytes, value: Bytes },
    Delete { key: Bytes },
}

/// The shelf failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the store failed: {cause}; see the server's log and the disk's health, then restart")]
pub struct ShelfError {
    pub cause: String,
}

/// In memory, for tests.
#[derive(Debug, Default)]
pub struct MemoryShelf(Mutex<BTreeMap<Bytes, Bytes>>);

impl Shelf for MemoryShelf {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, ShelfError> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned())
    }

    fn write(&self, changes: Vec<Change>) -> Result<(), ShelfError> {
        let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for change in changes {
            match change {
                Change::Put { key, value } => map.insert(key, value),
                Change::Delete { key } => map.remove(&key),
            };
        }
        Ok(())
    }

    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<(Bytes, Bytes)>, ShelfError> {
        let map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let from = Bytes::copy_from_slice(after.unwrap_or(prefix).max(prefix));
        let entries = map.range(from..).take_while(|(key, _)| key.starts_with(prefix));
        let later = entries.filter(|(key, _)| after.is_none_or(|after| key.as_ref() > after));
        Ok(later.take(limit).map(|(key, value)| (key.clone(), value.clone())).collect())
    }
}
