//! The outbox's keys and numbers on the shelf (docs/data-format.md).

use super::OutboxError;
use crate::shelf::owner::OUTBOX;
use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

/// `oe` and a sequence number: a line.
pub(super) const ENTRIES: [u8; 2] = [OUTBOX, b'e'];
/// `oi` and an id: its sequence number, also for a while after it was taken off.
const IDS: [u8; 2] = [OUTBOX, b'i'];
/// `os`: [`State`].
pub(super) const STATE: [u8; 2] = [OUTBOX, b's'];
/// `ot` and a number: the id that was taken off as this one.
pub(super) const TAKEN: [u8; 2] = [OUTBOX, b't'];

/// Longest id, octets.
pub(super) const ID_MAX: usize = 200;

/// Where the outbox stands; written with every change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    /// The last sequence number given.
    pub last: u64,
    /// Entries that are here.
    pub waiting: u64,
    /// Entries that were ever taken off.
    pub taken: u64,
    /// Of these, the last one whose id was forgotten.
    pub forgotten: u64,
}

impl State {
    pub(super) fn write(&self) -> Bytes {
        let mut value = BytesMut::with_capacity(32);
        for number in [self.last, self.waiting, self.taken, self.forgotten] {
            value.put_u64(number);
        }
        value.freeze()
    }

    pub(super) fn read(mut value: &[u8]) -> Result<Self, OutboxError> {
        if value.len() != 32 {
            return Err(OutboxError::Damaged { what: "its state has the wrong length" });
        }
        let mut next = || value.get_u64();
        Ok(Self { last: next(), waiting: next(), taken: next(), forgotten: next() })
    }
}

pub(super) fn entry(seq: u64) -> Bytes {
    numbered(ENTRIES, seq)
}

pub(super) fn taken(number: u64) -> Bytes {
    numbered(TAKEN, number)
}

fn numbered(prefix: [u8; 2], number: u64) -> Bytes {
    let mut key = BytesMut::with_capacity(10);
    key.put_slice(&prefix);
    key.put_u64(number);
    key.freeze()
}

/// `None` if it is empty or too long.
pub(super) fn id(id: &str) -> Option<Bytes> {
    let good = !id.is_empty() && id.len() <= ID_MAX;
    good.then(|| Bytes::from([&IDS, id.as_bytes()].concat()))
}

/// The number of an entry's or a taken id's key.
pub(super) fn seq_of(key: &[u8]) -> Result<u64, OutboxError> {
    read_number(key.get(ENTRIES.len()..).unwrap_or_default())
}

pub(super) fn number(number: u64) -> Bytes {
    Bytes::copy_from_slice(&number.to_be_bytes())
}

pub(super) fn read_number(value: &[u8]) -> Result<u64, OutboxError> {
    let octets = value.try_into().map_err(|_| OutboxError::Damaged { what: "a number has the wrong length" })?;
    Ok(u64::from_be_bytes(octets))
}
