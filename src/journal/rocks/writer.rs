//! Writing a body in pieces, long before the append that brings it.

use super::columns::{Column, column};
use super::open::store;
use super::options;
use super::read::View;
use super::unowned::Yard;
use crate::journal::committer::Discard;
use crate::journal::{BodyWriter, HEAD_MAX, JournalError, Kept, PIECE, layout};
use crate::types::{Digest, MessageId};
use bytes::Bytes;
use rocksdb::WriteBatch;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

/// The number of no piece: the longest body has fewer.
const NONE: u32 = u32::MAX;

/// Gathers one piece at a time.
pub(super) struct RocksWriter {
    yard: Arc<Yard>,
    message: MessageId,
    /// The piece in memory, if there is one …
    number: u32,
    octets: Vec<u8>,
    /// … and whether there is more in it than is stored.
    is_dirty: bool,
    /// Stored pieces have numbers below this.
    stored: u32,
    /// What the marker says; 0 if there is none yet.
    bound: u32,
    /// Where the octets end.
    end: u64,
    /// The digest of everything so far, as long as it came in order.
    digest: Option<Sha256>,
    failure: Option<JournalError>,
}

impl RocksWriter {
    pub fn new(yard: Arc<Yard>, message: MessageId) -> Self {
        Self {
            yard,
            message,
            number: 0,
            octets: Vec::new(),
            is_dirty: false,
            stored: 0,
            bound: 0,
            end: 0,
            digest: Some(Sha256::new()),
            failure: None,
        }
    }

    fn put(&mut self, position: u64, mut octets: &[u8]) -> Result<(), JournalError> {
        let (mut at, end) = layout::range_of(position, octets.len())?;
        match &mut self.digest {
            Some(digest) if position == self.end => digest.update(octets),
            _ if octets.is_empty() => {}
            _ => self.digest = None,
        }
        while !octets.is_empty() {
            let (number, offset) = (at / PIECE, at % PIECE);
            // Within the longest body there are no more pieces than that.
            self.turn_to(u32::try_from(number).unwrap_or(u32::MAX))?;
            let (here, rest) = octets.split_at(octets.len().min(PIECE - offset));
            self.lay(offset, here);
            if self.octets.len() == PIECE && offset + here.len() == PIECE {
                self.store()?;
                self.let_go();
            }
            at += here.len();
            octets = rest;
        }
        self.end = self.end.max(end as u64);
        Ok(())
    }

    /// Puts octets into the piece in memory.
    fn lay(&mut self, offset: usize, octets: &[u8]) {
        let end = offset + octets.len();
        if end > self.octets.capacity() {
            // It grows with what comes, and never beyond a piece.
            let wanted = (2 * self.octets.capacity()).clamp(end, PIECE);
            self.octets.reserve_exact(wanted - self.octets.len());
        }
        if offset == self.octets.len() {
            self.octets.extend_from_slice(octets);
        } else {
            self.octets.resize(self.octets.len().max(end), 0);
            self.octets[offset..end].copy_from_slice(octets);
        }
        self.is_dirty = true;
    }

    /// Makes this the piece in memory; what there is of it already is read.
    fn turn_to(&mut self, number: u32) -> Result<(), JournalError> {
        if number == self.number {
            return Ok(());
        }
        self.store()?;
        self.octets.clear();
        self.number = number;
        if number < self.stored {
            self.octets = self.stored_piece(number)?.unwrap_or_default();
        }
        Ok(())
    }

    /// What comes next is for another piece, as a rule; a thousand transfers hold nothing for nothing.
    fn let_go(&mut self) {
        (self.number, self.octets) = (NONE, Vec::new());
    }

    fn stored_piece(&self, number: u32) -> Result<Option<Vec<u8>>, JournalError> {
        let value = View::live(&self.yard.db).piece_value(&self.message, number)?;
        value.map(|value| layout::unfinished_piece(&self.message, number, &value).map(<[u8]>::to_vec)).transpose()
    }

    /// Stores the piece in memory, unsynced, with the marker that it needs.
    fn store(&mut self) -> Result<(), JournalError> {
        if !self.is_dirty {
            return Ok(());
        }
        let (db, number) = (&self.yard.db, self.number);
        let mut batch = WriteBatch::default();
        if number >= self.bound {
            let bound = layout::writing_bound(number);
            let marker = layout::write_writing(&layout::Writing { bound, length: None });
            batch.put_cf(&column(db, Column::Meta)?, layout::writing_key(&self.message), marker);
        }
        let (bodies, key) = (column(db, Column::Bodies)?, layout::piece_key(&self.message, number));
        if number == 0 {
            let mut first = Vec::with_capacity(self.octets.len() + 8);
            layout::write_unfinished_piece(&mut first, &self.octets);
            batch.put_cf(&bodies, key, first);
        } else {
            batch.put_cf(&bodies, key, &self.octets);
        }
        self.write_batch(batch)?;
        self.bound = self.bound.max(layout::writing_bound(number));
        self.stored = self.stored.max(number + 1);
        self.is_dirty = false;
        Ok(())
    }

    fn write_batch(&self, batch: WriteBatch) -> Result<(), JournalError> {
        self.yard.has_room()?;
        self.yard.pace();
        self.yard.db.write_opt(batch, &options::unsynced()).map_err(|error| store(&error))
    }

    fn complete(&mut self, length: u64) -> Result<Kept, JournalError> {
        if self.end != length {
            return Err(layout::damaged_body(&self.message, layout::OTHER_LENGTH));
        }
        // The first piece is stored once more, with the length in front.
        self.store_unless_first()?;
        let first = if self.number == 0 {
            std::mem::take(&mut self.octets)
        } else {
            self.octets = Vec::new();
            self.stored_piece(0)?.ok_or_else(|| layout::damaged_body(&self.message, "a piece is missing"))?
        };
        let digest = match self.digest.take() {
            Some(digest) => digest,
            None => self.digest_of_stored(length, &first)?,
        };
        let bound = self.bound.max(layout::writing_bound(0));
        let marker = layout::write_writing(&layout::Writing { bound, length: Some(length) });
        let mut value = Vec::with_capacity(first.len() + 8);
        layout::write_first_piece(&mut value, length, &first);
        let (db, mut batch) = (&self.yard.db, WriteBatch::default());
        batch.put_cf(&column(db, Column::Meta)?, layout::writing_key(&self.message), marker);
        batch.put_cf(&column(db, Column::Bodies)?, layout::piece_key(&self.message, 0), value);
        self.write_batch(batch)?;
        (self.bound, self.is_dirty) = (bound, false);
        let head = Bytes::copy_from_slice(&first[..first.len().min(HEAD_MAX)]);
        Ok(Kept { length, digest: Digest(digest.finalize().into()), head })
    }

    fn store_unless_first(&mut self) -> Result<(), JournalError> {
        if self.number == 0 { Ok(()) } else { self.store() }
    }

    /// Reads everything once, in order.
    fn digest_of_stored(&self, length: u64, first: &[u8]) -> Result<Sha256, JournalError> {
        let damaged = |what| layout::damaged_body(&self.message, what);
        let pieces = layout::pieces(length).ok_or_else(|| damaged("its length is impossible"))?;
        let mut digest = Sha256::new();
        for number in 0..pieces {
            let stored = if number == 0 { None } else { self.stored_piece(number)? };
            let piece = match &stored {
                Some(piece) => piece,
                None if number == 0 => first,
                None => return Err(damaged("a piece is missing")),
            };
            if piece.len() as u64 != (length - u64::from(number) * PIECE as u64).min(PIECE as u64) {
                return Err(damaged("a piece has another length than it should"));
            }
            digest.update(piece);
        }
        Ok(digest)
    }

    /// After a failure it fails for good.
    fn unless_failed<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, JournalError>) -> Result<T, JournalError> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        let done = work(self);
        if let Err(error) = &done {
            self.failure = Some(error.clone());
            self.octets = Vec::new();
        }
        done
    }
}

impl BodyWriter for RocksWriter {
    fn write(&mut self, position: u64, octets: &[u8]) -> Result<(), JournalError> {
        self.unless_failed(|writer| writer.put(position, octets))
    }

    fn finish(&mut self, length: u64) -> Result<Kept, JournalError> {
        self.unless_failed(|writer| writer.complete(length))
    }
}

impl Drop for RocksWriter {
    fn drop(&mut self) {
        if self.bound > 0 {
            self.yard.discard(Discard { message: self.message, bound: self.bound });
        } else {
            self.yard.counters.orphan();
        }
    }
}
