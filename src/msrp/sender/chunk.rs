//! A chunk whose octets go while they come: its end-line must never be among them.

use crate::msrp::ids::TransactionIds;
use bytes::Bytes;
use memchr::memmem;

/// The chunk.
pub(super) struct Chunk {
    pub(super) transaction: String,
    /// Octets of it so far.
    pub(super) len: u64,
    /// Seven hyphens and the transaction id: the end-line but for its flag.
    mark: String,
    /// The last octets, fewer than the mark has.
    tail: Vec<u8>,
}

impl Chunk {
    /// A chunk that may begin with these octets.
    pub(super) fn new(ids: &mut TransactionIds, first: &[u8]) -> Self {
        let (transaction, mark) = unused(ids, first);
        Self { transaction, len: 0, mark, tail: Vec::new() }
    }

    /// How many of these octets can follow before the end-line would be among the data: fewer than there are only where
    /// somebody has guessed the id.
    pub(super) fn room(&self, octets: &[u8]) -> usize {
        let begin = octets.get(..self.mark.len()).unwrap_or(octets);
        if memmem::find(&[&self.tail, begin].concat(), self.mark.as_bytes()).is_some_and(|at| at < self.tail.len()) {
            return 0;
        }
        memmem::find(octets, self.mark.as_bytes()).unwrap_or(octets.len())
    }

    /// These octets go.
    pub(super) fn add(&mut self, octets: &Bytes) {
        self.len = self.len.saturating_add(u64::try_from(octets.len()).unwrap_or(u64::MAX));
        let keep = self.mark.len().saturating_sub(1);
        self.tail.extend_from_slice(octets.get(octets.len().saturating_sub(keep)..).unwrap_or_default());
        self.tail.drain(..self.tail.len().saturating_sub(keep));
    }
}

/// A transaction id whose end-line is not in these octets, and its mark. Ids do not come twice, so that sooner or later there
/// is one: the octets have an end.
pub(super) fn unused(ids: &mut TransactionIds, octets: &[u8]) -> (String, String) {
    loop {
        let transaction = ids.next();
        let mark = format!("-------{transaction}");
        if memmem::find(octets, mark.as_bytes()).is_none() {
            return (transaction, mark);
        }
    }
}
