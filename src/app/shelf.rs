//! The journal's database as the shelf of the outside parts' embedded defaults, and as the catalogue of policies.

use crate::journal::{JournalError, RocksReader, RocksShelf};
use crate::shelf::{Change, Shelf, ShelfError};
use bytes::Bytes;
use std::sync::Arc;

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

/// The catalogue of policies of a data directory, for reading beside the server that writes it.
#[derive(Clone, Debug)]
pub struct ReadCatalogue(pub Arc<RocksReader>);

impl Shelf for ReadCatalogue {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, ShelfError> {
        self.0.catalogued(key).map_err(failed)
    }

    /// Nothing: whoever reads beside a server writes nothing.
    fn write(&self, _: Vec<Change>) -> Result<(), ShelfError> {
        Err(ShelfError { cause: "it is open for reading only".to_owned() })
    }

    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<(Bytes, Bytes)>, ShelfError> {
        self.0.catalogue(prefix, after, limit).map_err(failed)
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
