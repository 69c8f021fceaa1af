//! The column families, and the access pattern of each.

use crate::journal::JournalError;
use rocksdb::{BoundColumnFamily, DB};
use std::sync::Arc;

/// One table of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    /// The log: user and sequence number → chain and record. Appended at a user's end, read as a range of one user,
    /// never changed.
    Events,
    /// Where each user's log stands: user → sequence number and chain. Read and written once per append.
    Heads,
    /// User → the latest snapshot. A cache: may be deleted whole.
    Snapshots,
    /// Message and piece → octets of the body. Written once, read a few times, deleted at the message's end.
    Bodies,
    /// Moment and user → nothing. A queue: put at one end, deleted at the other, scanned from a watermark.
    Due,
    /// Message → user, for ever: whose message this is or was.
    Index,
    /// Content keys, so that content can be shredded. Reserved: empty in this version.
    Keys,
    /// Uploaded policies, their compiled code, and the stream of what operators did.
    Catalogue,
    /// Format version and the secret of this directory.
    Meta,
    /// What the outside parts' embedded defaults keep: documents, folders, the outbox.
    Shelf,
}

/// How a column family is used; the options follow from it (`options.rs`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Profile {
    /// Single keys, most of which exist.
    PointLookup,
    /// Ranges inside one user's log.
    UserLog,
    /// Put at one end, deleted at the other: the worst case of an LSM tree.
    Queue,
    /// Values that live for hours or days, many of them large.
    Churn,
}

impl Column {
    pub const ALL: [Self; 10] = [
        Self::Events,
        Self::Heads,
        Self::Snapshots,
        Self::Bodies,
        Self::Due,
        Self::Index,
        Self::Keys,
        Self::Catalogue,
        Self::Meta,
        Self::Shelf,
    ];

    /// The name in the database; part of the data format.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Heads => "heads",
            Self::Snapshots => "snapshots",
            Self::Bodies => "bodies",
            Self::Due => "due",
            Self::Index => "index",
            Self::Keys => "keys",
            Self::Catalogue => "catalogue",
            Self::Meta => "meta",
            Self::Shelf => "shelf",
        }
    }

    pub const fn profile(self) -> Profile {
        match self {
            Self::Events => Profile::UserLog,
            Self::Heads | Self::Snapshots | Self::Index | Self::Keys | Self::Catalogue | Self::Meta => {
                Profile::PointLookup
            }
            Self::Bodies | Self::Shelf => Profile::Churn,
            Self::Due => Profile::Queue,
        }
    }
}

/// The handle of a column family. All are made at opening, so this fails only if the database was opened wrongly.
pub(super) fn column(db: &DB, column: Column) -> Result<Arc<BoundColumnFamily<'_>>, JournalError> {
    db.cf_handle(column.name())
        .ok_or_else(|| JournalError::Store { cause: format!("the column family '{}' is not open", column.name()) })
}
