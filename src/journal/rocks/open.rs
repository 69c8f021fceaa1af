//! Opening a data directory: errors that say what to do, the format check, and the secret of a new directory.

use super::columns::{Column, column};
use super::options;
use crate::config;
use crate::journal::{JournalError, Totals, layout};
use crate::types::SeedSecret;
use rocksdb::{DB, Error, ErrorKind, IteratorMode, Options, ReadOptions, WriteBatch};
use std::io;
use std::path::Path;
use std::time::Duration;

/// RocksDB's own file that names the current manifest: there is a database where it is.
const CURRENT: &str = "CURRENT";
/// How often a data directory in use is opened before the missing file is taken for a real loss, and the pause between.
const OPEN_TRIES: u32 = 40;
const REPLACING: Duration = Duration::from_millis(25);

/// Opens for reading and writing.
pub(super) fn primary(config: &config::Journal) -> Result<DB, JournalError> {
    let directory = &config.directory;
    std::fs::create_dir_all(directory).map_err(|error| unusable(&error, directory))?;
    let options = options::database(config);
    let present = if directory.join(CURRENT).exists() {
        DB::list_cf(&options, directory).map_err(|error| refused(&error))?
    } else {
        Vec::new()
    };
    let families = options::descriptors(config, &present);
    DB::open_cf_descriptors(&options, directory, families).map_err(|error| refused(&error))
}

/// Opens beside a running server, with `own` for RocksDB's info log. The server may replace a file between our reading its
/// name and our opening it: then there is a newer list of files to read.
pub(super) fn secondary(directory: &Path, own: &Path) -> Result<DB, JournalError> {
    if !directory.join(CURRENT).exists() {
        return Err(JournalError::Open {
            cause: "there is no journal in it".to_owned(),
            advice: "name the directory that the server has as journal.directory",
        });
    }
    let mut tries = 1;
    loop {
        match secondary_once(directory, own) {
            Err(error) if is_replaced(&error) && tries < OPEN_TRIES => {
                tries += 1;
                std::thread::sleep(REPLACING);
            }
            opened => return opened.map_err(|error| refused(&error)),
        }
    }
}

fn secondary_once(directory: &Path, own: &Path) -> Result<DB, Error> {
    let (options, config) = options::secondary();
    let present = DB::list_cf(&Options::default(), directory)?;
    // Only what is there can be opened: a secondary makes nothing.
    let families = options::descriptors(&config, &present)
        .into_iter()
        .filter(|family| present.iter().any(|name| name == family.name()));
    DB::open_cf_descriptors_as_secondary(&options, directory, own, families)
}

/// Whether a file was gone that had been there.
fn is_replaced(error: &Error) -> bool {
    error.kind() == ErrorKind::IOError && error.as_ref().contains("No such file or directory")
}

/// Checks the format; in a new directory writes it, with a fresh secret.
pub(super) fn establish(db: &DB) -> Result<SeedSecret, JournalError> {
    if let Some(secret) = established(db)? {
        return Ok(secret);
    }
    let mut secret = [0; 16];
    getrandom::fill(&mut secret).map_err(|error| JournalError::Open {
        cause: format!("the system gave no random bits: {error}"),
        advice: "see to the system's random source and start again",
    })?;
    let meta = column(db, Column::Meta)?;
    let mut batch = WriteBatch::default();
    batch.put_cf(&meta, layout::META_FORMAT, layout::FORMAT.to_be_bytes());
    batch.put_cf(&meta, layout::META_SECRET, secret);
    db.write_opt(batch, &options::synced()).map_err(|error| store(&error))?;
    Ok(SeedSecret(secret))
}

/// What all queues hold, as of the last commit.
pub(super) fn totals(db: &DB) -> Result<Totals, JournalError> {
    let meta = column(db, Column::Meta)?;
    let stored = db.get_pinned_cf(&meta, layout::META_TOTALS).map_err(|error| store(&error))?;
    stored.map_or(Ok(Totals::default()), |stored| layout::read_totals(&stored))
}

/// The secret of an existing directory of a format we know; `None` if it is new.
pub(super) fn established(db: &DB) -> Result<Option<SeedSecret>, JournalError> {
    let meta = column(db, Column::Meta)?;
    let get = |key| db.get_pinned_cf(&meta, key).map_err(|error| store(&error));
    let Some(format) = get(layout::META_FORMAT)? else {
        // Made, but never written to: the first start was cut short. Anything else without a format is not ours.
        let mut first = db.iterator_cf_opt(&column(db, Column::Heads)?, ReadOptions::default(), IteratorMode::Start);
        return match first.next() {
            None => Ok(None),
            Some(_) => Err(layout::damaged("meta", "format", "it is missing")),
        };
    };
    let found = layout::read_format(&format)?;
    if found > layout::FORMAT {
        return Err(JournalError::Newer { found, known: layout::FORMAT });
    }
    if found == 0 {
        return Err(layout::damaged("meta", "format", "there is no format 0"));
    }
    let secret = get(layout::META_SECRET)?.ok_or_else(|| layout::damaged("meta", "secret", "it is missing"))?;
    layout::read_secret(&secret).map(Some)
}

/// An error while the store is in use. RocksDB's texts name files and reasons, never content.
pub(super) fn store(error: &Error) -> JournalError {
    match error.kind() {
        ErrorKind::Corruption => JournalError::Damaged {
            place: error.as_ref().to_owned(),
            what: "a checksum or a structure of the store is wrong",
        },
        _ => JournalError::Store { cause: error.as_ref().to_owned() },
    }
}

fn unusable(error: &io::Error, directory: &Path) -> JournalError {
    let advice = match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => NOT_WRITABLE,
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            "journal.directory, or a part of its path, is a file: name a directory"
        }
        io::ErrorKind::StorageFull => FULL,
        _ => "see that the path exists and can be written",
    };
    JournalError::Open { cause: format!("{}: {error}", directory.display()), advice }
}

const NOT_WRITABLE: &str = "give the server's user the right to write there, or set journal.directory";
const FULL: &str = "free some space on the disk and start again";

/// An error at opening.
fn refused(error: &Error) -> JournalError {
    let text = error.as_ref();
    let advice = if text.contains("LOCK") && !text.contains("Permission denied") {
        "another restante holds this data directory: stop it first, or give each server its own; to look beside a \
         running server use restante audit"
    } else if text.contains("Permission denied") || text.contains("Read-only file system") {
        NOT_WRITABLE
    } else if text.contains("No space left") {
        FULL
    } else if text.contains("Too many open files") {
        "raise the limit of open files (ulimit -n, LimitNOFILE) and start again"
    } else {
        match error.kind() {
            ErrorKind::Corruption => {
                return JournalError::Damaged { place: text.to_owned(), what: "RocksDB cannot read its own files" };
            }
            ErrorKind::InvalidArgument => "it holds a database that is not restante's: set journal.directory",
            _ => "see the disk's health and RocksDB's LOG file in the data directory",
        }
    };
    JournalError::Open { cause: text.to_owned(), advice }
}
