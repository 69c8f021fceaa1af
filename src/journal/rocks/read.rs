//! Reading: what the running server and the audit beside it have in common.

use super::columns::{Column, column};
use super::open::store;
use crate::journal::{Head, JournalError, Loaded, Snapshot, Stored, layout};
use crate::types::{Chain, MessageId, PIECE, Timestamp, UserKey};
use bytes::{BufMut as _, Bytes, BytesMut};
use rocksdb::{DB, DBPinnableSlice, DBRawIteratorWithThreadMode, ReadOptions, ReadTier, SnapshotWithThreadMode};

/// A view of the database for one question.
pub(super) struct View<'a> {
    db: &'a DB,
    snapshot: Option<SnapshotWithThreadMode<'a, DB>>,
    in_memory: bool,
}

impl<'a> View<'a> {
    /// All reads see one moment.
    pub fn consistent(db: &'a DB) -> Self {
        Self { db, snapshot: Some(db.snapshot()), in_memory: false }
    }

    /// Each read sees the latest: for questions of one read, and for a secondary, which has no snapshots and changes
    /// only when it is told to.
    pub const fn live(db: &'a DB) -> Self {
        Self { db, snapshot: None, in_memory: false }
    }

    /// Fails instead of waiting for the disk.
    pub fn in_memory(self) -> Self {
        Self { in_memory: true, ..self }
    }

    fn options(&self) -> ReadOptions {
        let mut options = ReadOptions::default();
        if let Some(snapshot) = &self.snapshot {
            options.set_snapshot(snapshot);
        }
        if self.in_memory {
            options.set_read_tier(ReadTier::BlockCache);
        }
        options
    }

    fn get(&self, from: Column, key: &[u8]) -> Result<Option<DBPinnableSlice<'a>>, JournalError> {
        let db = self.db;
        db.get_pinned_cf_opt(&column(db, from)?, key, &self.options()).map_err(|error| store(&error))
    }

    /// Walks `lower <= key < upper` (to the end without `upper`) until `each` says stop. No iterator is ever unbounded
    /// where there is a bound to give: a scan must not crawl over what was deleted beyond it.
    fn scan(
        &self,
        over: Column,
        lower: &[u8],
        upper: Option<&[u8]>,
        mut each: impl FnMut(&[u8], &[u8]) -> Result<bool, JournalError>,
    ) -> Result<(), JournalError> {
        let mut options = self.options();
        if let Some(upper) = upper {
            options.set_iterate_upper_bound(upper);
        }
        if over == Column::Events {
            // Both bounds are of one user, so the filters over users may be used.
            options.set_prefix_same_as_start(true);
        }
        let mut at: DBRawIteratorWithThreadMode<'_, DB> = self.db.raw_iterator_cf_opt(&column(self.db, over)?, options);
        at.seek(lower);
        while let Some((key, value)) = at.item() {
            if !each(key, value)? {
                return Ok(());
            }
            at.next();
        }
        at.status().map_err(|error| store(&error))
    }

    /// Where the user's log stands, and their entry in the due index.
    pub fn head(&self, user: &UserKey) -> Result<Option<(Head, Option<Timestamp>)>, JournalError> {
        self.get(Column::Heads, &user.0)?.map(|value| layout::read_head(user, &value)).transpose()
    }

    /// As [`View::load`], unless there are many records after the snapshot.
    pub fn load_short(&self, user: &UserKey) -> Result<Option<Loaded>, JournalError> {
        const SHORT: u64 = 64;
        let Some((head, _)) = self.head(user)? else {
            return Ok(Some(Loaded { head: Head::EMPTY, snapshot: None, tail: Vec::new() }));
        };
        let snapshot = self.snapshot_of(user, &head)?;
        let after = snapshot.as_ref().map_or(0, |snapshot| snapshot.seq);
        if head.seq > after + SHORT {
            return Ok(None);
        }
        let tail = self.tail(user, after + 1, usize::MAX, &head)?;
        Ok(Some(Loaded { head, snapshot, tail }))
    }

    pub fn load(&self, user: &UserKey) -> Result<Loaded, JournalError> {
        let head = self.head(user)?.map_or(Head::EMPTY, |(head, _)| head);
        let snapshot = self.snapshot_of(user, &head)?;
        let after = snapshot.as_ref().map_or(0, |snapshot| snapshot.seq);
        let tail = self.tail(user, after + 1, usize::MAX, &head)?;
        Ok(Loaded { head, snapshot, tail })
    }

    pub fn records(&self, user: &UserKey, seq: u64, limit: usize) -> Result<Vec<Stored>, JournalError> {
        let head = self.head(user)?.map_or(Head::EMPTY, |(head, _)| head);
        self.tail(user, seq.max(1), limit, &head)
    }

    /// The snapshot, if it belongs to this log: a cache that disagrees with the records is no cache, but no damage
    /// either.
    fn snapshot_of(&self, user: &UserKey, head: &Head) -> Result<Option<Snapshot>, JournalError> {
        let Some(value) = self.get(Column::Snapshots, &user.0)? else { return Ok(None) };
        let snapshot = layout::read_snapshot(&value);
        let fits = match &snapshot {
            Some(snapshot) if snapshot.seq == 0 => snapshot.chain == Chain::GENESIS,
            Some(snapshot) if snapshot.seq <= head.seq => {
                let key = layout::event_key(user, snapshot.seq);
                let record = self.get(Column::Events, &key)?;
                record.is_some_and(|value| value.get(..snapshot.chain.0.len()) == Some(&snapshot.chain.0))
            }
            _ => false,
        };
        if !fits {
            tracing::warn!(%user, "a snapshot does not belong to the log it stands beside: it is ignored, all records are read");
        }
        Ok(snapshot.filter(|_| fits))
    }

    /// Records `from..`, at most `limit`, without a gap and, if all were read, up to the head.
    fn tail(&self, user: &UserKey, from: u64, limit: usize, head: &Head) -> Result<Vec<Stored>, JournalError> {
        let mut records: Vec<Stored> = Vec::new();
        if limit == 0 {
            return Ok(records);
        }
        let mut next = from;
        let upper = layout::event_key(user, u64::MAX);
        self.scan(Column::Events, &layout::event_key(user, from), Some(&upper), |key, value| {
            let stored = layout::read_event(user, key, value)?;
            if stored.seq != next {
                return Err(layout::damaged_event(user, next, "the record is missing"));
            }
            if stored.seq > head.seq {
                return Err(layout::damaged_event(user, stored.seq, "the record is beyond the head of its log"));
            }
            if stored.seq == head.seq && stored.chain != head.chain {
                return Err(layout::damaged_event(user, stored.seq, "the chain is not that of the head"));
            }
            next += 1;
            records.push(stored);
            Ok(records.len() < limit)
        })?;
        if records.len() < limit && next <= head.seq {
            return Err(layout::damaged_event(user, next, "the record is missing"));
        }
        Ok(records)
    }

    pub fn body(&self, message: &MessageId) -> Result<Option<Bytes>, JournalError> {
        let Some(first) = self.piece_value(message, 0)? else { return Ok(None) };
        let (length, pieces, octets) = layout::read_first_piece(message, &first)?;
        let body = if pieces == 1 {
            Bytes::copy_from_slice(octets)
        } else {
            // Grows with what is really there: a damaged length must not make us ask for all memory.
            let mut body = BytesMut::with_capacity(octets.len() * 2);
            body.put_slice(octets);
            for piece in 1..pieces {
                let Some(octets) = self.piece_value(message, piece)? else {
                    return Err(layout::damaged_body(message, "a piece is missing"));
                };
                body.put_slice(&octets);
            }
            body.freeze()
        };
        if body.len() as u64 == length {
            Ok(Some(body))
        } else {
            Err(layout::damaged_body(message, "its pieces together have another length than it says"))
        }
    }

    /// One piece, its first octets without the length in front.
    pub fn piece(&self, message: &MessageId, number: u32) -> Result<Option<Bytes>, JournalError> {
        let Some(value) = self.piece_value(message, number)? else {
            return match self.body_length(message)?.and_then(layout::pieces) {
                Some(pieces) if number < pieces => Err(layout::damaged_body(message, "a piece is missing")),
                _ => Ok(None),
            };
        };
        let octets = if number == 0 { layout::read_first_piece(message, &value)?.2 } else { &value[..] };
        // A full piece may be any; only the last one may be shorter, and not by more or less than the whole says.
        if octets.len() != PIECE {
            let length = self.body_length(message)?.unwrap_or_default();
            let expected = length.checked_sub(u64::from(number) * PIECE as u64);
            if expected != Some(octets.len() as u64) {
                return Err(layout::damaged_body(message, "a piece has another length than it should"));
            }
        }
        Ok(Some(Bytes::copy_from_slice(octets)))
    }

    pub fn body_length(&self, message: &MessageId) -> Result<Option<u64>, JournalError> {
        let Some(first) = self.piece_value(message, 0)? else { return Ok(None) };
        layout::read_first_piece(message, &first).map(|(length, ..)| Some(length))
    }

    /// A piece as it is stored. What is read of large bodies is read once or twice: it does not push anything else out of
    /// the cache.
    pub fn piece_value(&self, message: &MessageId, number: u32) -> Result<Option<DBPinnableSlice<'a>>, JournalError> {
        let (db, mut options) = (self.db, self.options());
        options.fill_cache(number == 0);
        let key = layout::piece_key(message, number);
        db.get_pinned_cf_opt(&column(db, Column::Bodies)?, key, &options).map_err(|error| store(&error))
    }

    /// What the marker of a body says that is being written; `None` if there is none.
    pub fn marker(&self, message: &MessageId) -> Result<Option<layout::Writing>, JournalError> {
        let marker = self.get(Column::Meta, &layout::writing_key(message))?;
        marker.map(|value| layout::read_writing(message, &value)).transpose()
    }

    /// The messages whose bodies are being written, as their markers say.
    pub fn writing(&self) -> Result<Vec<MessageId>, JournalError> {
        let mut found = Vec::new();
        let upper = after_all_with(layout::META_WRITING);
        self.scan(Column::Meta, layout::META_WRITING, upper.as_deref(), |key, _| {
            found.push(layout::read_writing_key(key)?);
            Ok(true)
        })?;
        Ok(found)
    }

    /// Pieces of a stored body; 0 if there is none.
    pub fn pieces(&self, message: &MessageId) -> Result<u32, JournalError> {
        let Some(first) = self.piece_value(message, 0)? else { return Ok(0) };
        layout::read_first_piece(message, &first).map(|(_, pieces, _)| pieces)
    }

    pub fn due(
        &self,
        from: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<(Timestamp, UserKey)>, JournalError> {
        let mut found = Vec::new();
        if from > until || limit == 0 {
            return Ok(found);
        }
        let upper = layout::due_after(until);
        self.scan(Column::Due, &from.0.to_be_bytes(), upper.as_ref().map(<[u8; 8]>::as_slice), |key, _| {
            found.push(layout::read_due(key)?);
            Ok(found.len() < limit)
        })?;
        Ok(found)
    }

    /// The value of a key in a column that is a shelf.
    pub fn shelved(&self, column: Column, key: &[u8]) -> Result<Option<Bytes>, JournalError> {
        Ok(self.get(column, key)?.map(|value| Bytes::copy_from_slice(&value)))
    }

    /// Entries of such a column whose key begins with `prefix` and is greater than `after`.
    pub fn shelf(
        &self,
        column: Column,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, JournalError> {
        let mut found = Vec::new();
        let upper = after_all_with(prefix);
        if limit == 0 || after.zip(upper.as_deref()).is_some_and(|(after, upper)| after >= upper) {
            return Ok(found);
        }
        // The first key after a key is that key with one octet more.
        let lower = match after {
            Some(after) if after >= prefix => [after, &[0]].concat(),
            _ => prefix.to_vec(),
        };
        self.scan(column, &lower, upper.as_deref(), |key, value| {
            found.push((Bytes::copy_from_slice(key), Bytes::copy_from_slice(value)));
            Ok(found.len() < limit)
        })?;
        Ok(found)
    }

    pub fn owner_of(&self, message: &MessageId) -> Result<Option<UserKey>, JournalError> {
        let value = self.get(Column::Index, &message.0)?;
        value.map(|value| layout::read_user(Column::Index.name(), &message.0, &value)).transpose()
    }

    pub fn users(&self, after: Option<&UserKey>, limit: usize) -> Result<Vec<(UserKey, Head)>, JournalError> {
        let mut found = Vec::new();
        if limit == 0 {
            return Ok(found);
        }
        // The first key after a key of fixed length is that key with one octet more.
        let lower = after.map_or_else(Vec::new, |after| [&after.0[..], &[0]].concat());
        self.scan(Column::Heads, &lower, None, |key, value| {
            let user = layout::read_user(Column::Heads.name(), key, key)?;
            found.push((user, layout::read_head(&user, value)?.0));
            Ok(found.len() < limit)
        })?;
        Ok(found)
    }
}

/// The first key after every key that begins with `prefix`; `None` if there is none.
fn after_all_with(prefix: &[u8]) -> Option<Vec<u8>> {
    let kept = prefix.iter().rposition(|octet| *octet != u8::MAX)?;
    let mut upper = prefix.get(..=kept)?.to_vec();
    *upper.last_mut()? += 1;
    Some(upper)
}
