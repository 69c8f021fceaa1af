//! The committer's way into RocksDB: checks each append against its user's head and writes a batch in one synced write.

use super::columns::{Column, column};
use super::open::store;
use super::options;
use super::read::View;
use super::unowned;
use crate::journal::committer::{Discard, Sink, Waiting, Written};
use crate::journal::{Append, Body, Head, JournalError, Totals, layout};
use crate::types::{MessageId, PIECE, Timestamp, UserKey};
use bytes::Bytes;
use rocksdb::{BoundColumnFamily, DB, FlushOptions, WriteBatch, WriteOptions};
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

/// Tombstones in the memtable of `due` are not seen by the compaction that removes them: after so many it is flushed.
const DUE_DELETIONS_MAX: u32 = 100_000;

/// Makes batches durable in RocksDB.
pub(super) struct RocksSink {
    db: Arc<DB>,
    directory: PathBuf,
    write: WriteOptions,
    /// Due entries deleted since `due` was last flushed.
    due_deletions: u32,
    /// Kept between batches for their memory.
    heads: HashMap<UserKey, (u64, Option<Timestamp>)>,
    totals: Totals,
    pieces: HashMap<MessageId, u32>,
    value: Vec<u8>,
    /// Bodies that a failed write would have brought: it may be in the log all the same, and they with it at the next
    /// start, where the marker tells. Until then they are left alone.
    uncertain: HashSet<MessageId>,
}

impl RocksSink {
    pub fn new(db: Arc<DB>, directory: PathBuf, totals: Totals) -> Self {
        Self {
            db,
            totals,
            directory,
            write: options::synced(),
            due_deletions: 0,
            heads: HashMap::new(),
            pieces: HashMap::new(),
            value: Vec::new(),
            uncertain: HashSet::new(),
        }
    }

    /// The head must stand right before the append, counting what is earlier in this batch.
    /// Gives the user's entry in the due index.
    fn check(&self, append: &Append) -> Result<Option<Timestamp>, JournalError> {
        let (found, due) = match self.heads.get(&append.user) {
            Some(known) => *known,
            None => View::live(&self.db).head(&append.user)?.map_or((0, None), |(head, due)| (head.seq, due)),
        };
        let expected = append.seq.wrapping_sub(1);
        if found == expected { Ok(due) } else { Err(JournalError::Conflict { user: append.user, expected, found }) }
    }

    /// A body that was written in pieces must be there, whole, and nobody's yet.
    fn check_kept(&self, append: &Append) -> Result<(), JournalError> {
        for (message, body) in &append.bodies {
            if let Body::Kept { length } = body
                && View::live(&self.db).marker(message)?.is_none_or(|writing| writing.length != Some(*length))
            {
                return Err(layout::damaged_body(message, layout::UNWRITTEN));
            }
        }
        Ok(())
    }

    /// Pieces to delete of a message that ended. The usual body has one piece, and then the filters say so without a
    /// read that could wait for the disk.
    fn pieces_of(&self, bodies: &Arc<BoundColumnFamily<'_>>, message: &MessageId) -> Result<u32, JournalError> {
        if let Some(pieces) = self.pieces.get(message) {
            return Ok(*pieces);
        }
        if self.db.key_may_exist_cf(bodies, layout::piece_key(message, 1)) {
            // A damaged first piece must not keep its user from going on: what can be named is deleted.
            match View::live(&self.db).pieces(message) {
                // None stored: it may be in this very batch, and is short then.
                Ok(pieces) => Ok(pieces.max(1)),
                Err(JournalError::Damaged { .. }) => Ok(1),
                Err(error) => Err(error),
            }
        } else {
            Ok(1)
        }
    }

    fn put_body(
        value: &mut Vec<u8>,
        into: &mut WriteBatch,
        bodies: &Arc<BoundColumnFamily<'_>>,
        message: &MessageId,
        body: &Bytes,
    ) -> u32 {
        let (first, rest) = body.split_at(body.len().min(PIECE));
        layout::write_first_piece(value, body.len() as u64, first);
        into.put_cf(bodies, layout::piece_key(message, 0), value);
        let mut pieces = 1;
        for piece in rest.chunks(PIECE) {
            into.put_cf(bodies, layout::piece_key(message, pieces), piece);
            pieces += 1;
        }
        pieces
    }
}

/// The column families an append touches, looked up once a batch.
struct Columns<'a> {
    events: Arc<BoundColumnFamily<'a>>,
    heads: Arc<BoundColumnFamily<'a>>,
    bodies: Arc<BoundColumnFamily<'a>>,
    due: Arc<BoundColumnFamily<'a>>,
    index: Arc<BoundColumnFamily<'a>>,
    meta: Arc<BoundColumnFamily<'a>>,
}

impl<'a> Columns<'a> {
    fn of(db: &'a DB) -> Result<Self, JournalError> {
        Ok(Self {
            events: column(db, Column::Events)?,
            heads: column(db, Column::Heads)?,
            bodies: column(db, Column::Bodies)?,
            due: column(db, Column::Due)?,
            index: column(db, Column::Index)?,
            meta: column(db, Column::Meta)?,
        })
    }
}

impl RocksSink {
    /// Adds one checked append to the batch. Everything that can fail comes before anything is added.
    fn add(&mut self, append: &Append, into: &mut WriteBatch, columns: &Columns<'_>) -> Result<(), JournalError> {
        let due_before = self.check(append)?;
        self.check_kept(append)?;
        let ended = append
            .ended
            .iter()
            .map(|message| Ok((message, self.pieces_of(&columns.bodies, message)?)))
            .collect::<Result<Vec<_>, JournalError>>()?;
        let Append { user, seq, chain, record, bodies, due, .. } = append;
        layout::write_event(&mut self.value, chain, record);
        into.put_cf(&columns.events, layout::event_key(user, *seq), &self.value);
        into.put_cf(&columns.heads, user.0, layout::write_head(&Head { seq: *seq, chain: *chain }, *due));
        self.heads.insert(*user, (*seq, *due));
        for (message, body) in bodies {
            let pieces = match body {
                Body::Whole(octets) => Self::put_body(&mut self.value, into, &columns.bodies, message, octets),
                Body::Kept { length } => {
                    // Its pieces were written before, to the same log: this write makes them durable (`options::unsynced`).
                    into.delete_cf(&columns.meta, layout::writing_key(message));
                    layout::pieces(*length).unwrap_or(1)
                }
            };
            into.put_cf(&columns.index, message.0, user.0);
            if pieces > 1 {
                self.pieces.insert(*message, pieces);
            }
        }
        for (message, pieces) in ended {
            // The same append may have brought it.
            let pieces = self.pieces.remove(message).unwrap_or(pieces);
            for piece in 0..pieces {
                into.delete_cf(&columns.bodies, layout::piece_key(message, piece));
            }
        }
        if *due != due_before {
            if let Some(before) = due_before {
                into.delete_cf(&columns.due, layout::due_key(before, user));
                self.due_deletions += 1;
            }
            if let Some(due) = due {
                into.put_cf(&columns.due, layout::due_key(*due, user), []);
            }
        }
        self.totals.count(append);
        Ok(())
    }

    /// Lets the compaction of `due` see its tombstones; does not wait for it.
    fn flush_due(&mut self, columns: &Columns<'_>) {
        if self.due_deletions < DUE_DELETIONS_MAX {
            return;
        }
        self.due_deletions = 0;
        let mut options = FlushOptions::default();
        options.set_wait(false);
        // If it fails for good, the next write fails too and says so.
        if let Err(error) = self.db.flush_cfs_opt(&[&columns.due], &options) {
            tracing::warn!(%error, "the due index could not be flushed: its scans grow slower");
        }
    }
}

impl Sink for RocksSink {
    fn commit(
        &mut self,
        batch: &[Waiting],
        verdicts: &mut [Result<(), JournalError>],
    ) -> Result<Written, JournalError> {
        self.heads.clear();
        self.pieces.clear();
        let db = Arc::clone(&self.db);
        let columns = Columns::of(&db)?;
        let totals = self.totals;
        let mut writes = WriteBatch::default();
        for (waiting, verdict) in batch.iter().zip(verdicts) {
            *verdict = self.add(&waiting.append, &mut writes, &columns);
        }
        if writes.is_empty() {
            return Ok(Written { totals, ..Written::default() });
        }
        writes.put_cf(&columns.meta, layout::META_TOTALS, layout::write_totals(&self.totals));
        let octets = writes.size_in_bytes();
        let began = Instant::now();
        if let Err(error) = db.write_opt(writes, &self.write) {
            self.totals = totals;
            let bodies = batch.iter().flat_map(|waiting| &waiting.append.bodies);
            let kept = bodies.filter(|(_, body)| matches!(body, Body::Kept { .. }));
            self.uncertain.extend(kept.map(|(message, _)| *message));
            return Err(store(&error));
        }
        let took = began.elapsed();
        self.flush_due(&columns);
        Ok(Written { octets, took, totals: self.totals })
    }

    fn probe(&mut self) -> Result<(), JournalError> {
        let meta = column(&self.db, Column::Meta)?;
        self.db.put_cf_opt(&meta, layout::META_PROBE, [], &self.write).map_err(|error| store(&error))
    }

    fn disk_free(&mut self) -> Option<u64> {
        unowned::disk_free(&self.directory)
    }

    fn discard(&mut self, discard: &Discard) -> Result<bool, JournalError> {
        if self.uncertain.remove(&discard.message) {
            return Ok(false);
        }
        unowned::remove(&self.db, &discard.message, Some(discard.bound))
    }
}
