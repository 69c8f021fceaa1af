//! The journal's database as the shelf of the outside parts' embedded defaults.

use crate::gateway::shelf::{Change, Shelf, ShelfError};
use crate::journal::{JournalError, RocksShelf};
use bytes::Bytes;

/// A shelf on the disk, in the data directory.
#[derive(Clone, Debug)]
pub struct DiskShelf(pub RocksShelf);

impl Shelf for DiskShelf {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, ShelfError> {
        self.0.get(key).map_err(failed)
    }

    fn write(&self, changes: Vec<Change>) -> Result<(), ShelfError> {
        let changes = changes.into_iter().map(|change| match change {
            Change::Put { key, value } => (key, Some(value)),
            Change::Delete { key } => (key, None),
        });
        self.0.write(changes).map_err(failed)
    }

    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<(Bytes, Bytes)>, ShelfError> {
        self.0.scan(prefix, after, limit).map_err(failed)
    }
}

fn failed(error: JournalError) -> ShelfError {
    match error {
        // The texts around it are the same.
        JournalError::Store { cause } => ShelfError { cause },
        other => ShelfError { cause: other.to_string() },
    }
}

#[cfg(test)]
mod tests;
