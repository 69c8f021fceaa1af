//! The outbox: notices kept on the disk, in order, until the operator's gateway has taken them off.

mod keys;

use super::counters::{Counters, Limit};
use super::{Notice, Notifier, NotifyError, wire};
use crate::shelf::{Change, Shelf, ShelfError};
use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt as _};
use keys::State;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The outbox is full: the gateway has to come first.
const FULL_PAUSE: Duration = Duration::from_mins(1);
/// Entries taken off in one write.
const BATCH: usize = 500;
/// So many ids are remembered after their notices were taken off, so that a notice that comes again all the same (the
/// server was killed before it knew) is not listed a second time.
const REMEMBERED: u64 = 10_000;

/// Notices in order, on a [`Shelf`]. Every call but [`Notifier::notify`] may wait for the disk and belongs on a thread
/// that may.
pub struct Outbox(Arc<Inner>);

struct Inner {
    shelf: Arc<dyn Shelf>,
    counters: Arc<dyn Counters>,
    max: u64,
    /// One writer at a time; what it holds is what the shelf says.
    state: Mutex<State>,
}

/// A part of the outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Sequence number and line (JSON), in order.
    pub entries: Vec<(u64, Bytes)>,
    /// Notices in the outbox altogether.
    pub waiting: u64,
}

/// The outbox failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutboxError {
    #[error(transparent)]
    Shelf(#[from] ShelfError),
    #[error("what is stored in the outbox is damaged: {what}; restore the data directory from a backup")]
    Damaged { what: &'static str },
    #[error(
        "the outbox is full: {waiting} notices wait, its limit (notifier.outbox-max); let the gateway take them off"
    )]
    Full { waiting: u64 },
    #[error("the notice has no valid id: 1 to {max} characters are wanted", max = keys::ID_MAX)]
    Id,
    #[error("the notice cannot be written as JSON: {cause}; this is a fault of the program, please report it")]
    Json { cause: String },
}

impl Outbox {
    /// Opens the outbox on a shelf; what was there is there. It takes up to `max` notices.
    ///
    /// # Errors
    /// [`OutboxError::Shelf`] or [`OutboxError::Damaged`].
    pub fn open(shelf: Arc<dyn Shelf>, max: u64, counters: Arc<dyn Counters>) -> Result<Self, OutboxError> {
        let state = shelf.get(&keys::STATE)?.map_or(Ok(State::default()), |value| State::read(&value))?;
        counters.outbox(state.waiting);
        Ok(Self(Arc::new(Inner { shelf, counters, max, state: Mutex::new(state) })))
    }

    /// Adds a notice, unless one with its id is here or was taken off lately.
    ///
    /// # Errors
    /// [`OutboxError`].
    pub fn put(&self, notice: &Notice) -> Result<(), OutboxError> {
        self.0.put(notice)
    }

    /// The notices after a sequence number (0: from the first), at most `limit`.
    ///
    /// # Errors
    /// [`OutboxError::Shelf`] or [`OutboxError::Damaged`].
    pub fn list(&self, after: u64, limit: usize) -> Result<Page, OutboxError> {
        let waiting = self.0.state().waiting;
        let found = self.0.shelf.scan(&keys::ENTRIES, Some(&keys::entry(after)), limit)?;
        let entries = found.into_iter().map(|(key, line)| Ok((keys::seq_of(&key)?, line)));
        Ok(Page { entries: entries.collect::<Result<_, OutboxError>>()?, waiting })
    }

    /// Takes off one notice by its id. `false` if there is none.
    ///
    /// # Errors
    /// [`OutboxError::Shelf`] or [`OutboxError::Damaged`].
    pub fn remove(&self, id: &str) -> Result<bool, OutboxError> {
        let mut state = self.0.state();
        let Some(key) = keys::id(id) else { return Ok(false) };
        let Some(seq) = self.0.shelf.get(&key)?.map(|value| keys::read_number(&value)).transpose()? else {
            return Ok(false);
        };
        if self.0.shelf.get(&keys::entry(seq))?.is_none() {
            return Ok(false);
        }
        self.0.take_off(&mut state, &[(seq, id.to_owned())])?;
        Ok(true)
    }

    /// Takes off every notice up to and with this sequence number; gives how many there were.
    ///
    /// # Errors
    /// [`OutboxError::Shelf`] or [`OutboxError::Damaged`].
    pub fn acknowledge(&self, through: u64) -> Result<u64, OutboxError> {
        let mut taken = 0;
        loop {
            let mut state = self.0.state();
            let found = self.0.shelf.scan(&keys::ENTRIES, None, BATCH)?;
            let mut batch = Vec::with_capacity(found.len());
            for (key, line) in found {
                let seq = keys::seq_of(&key)?;
                if seq <= through {
                    batch.push((seq, id_of(&line)?));
                }
            }
            if batch.is_empty() {
                return Ok(taken);
            }
            self.0.take_off(&mut state, &batch)?;
            taken += batch.len() as u64;
        }
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, notice: &Notice) -> Result<(), OutboxError> {
        let id = keys::id(&notice.id).ok_or(OutboxError::Id)?;
        let line = wire::line(notice).map_err(|error| OutboxError::Json { cause: error.to_string() })?;
        let mut state = self.state();
        if self.shelf.get(&id)?.is_some() {
            return Ok(());
        }
        if state.waiting >= self.max {
            self.counters.limit_hit(Limit::Outbox);
            return Err(OutboxError::Full { waiting: state.waiting });
        }
        let seq = state.last + 1;
        let next = State { last: seq, waiting: state.waiting + 1, ..*state };
        self.shelf.write(vec![
            Change::Put { key: keys::entry(seq), value: line.into() },
            Change::Put { key: id, value: keys::number(seq) },
            Change::Put { key: Bytes::from_static(&keys::STATE), value: next.write() },
        ])?;
        *state = next;
        self.counters.outbox(next.waiting);
        Ok(())
    }

    /// Deletes these entries. Their ids stay for a while; the oldest of those make room.
    fn take_off(&self, state: &mut State, batch: &[(u64, String)]) -> Result<(), OutboxError> {
        let mut changes = Vec::with_capacity(batch.len() * 4 + 1);
        let mut next = *state;
        for (seq, id) in batch {
            changes.push(Change::Delete { key: keys::entry(*seq) });
            next.waiting = next.waiting.saturating_sub(1);
            next.taken += 1;
            changes.push(Change::Put { key: keys::taken(next.taken), value: Bytes::copy_from_slice(id.as_bytes()) });
        }
        let oldest = next.taken.saturating_sub(REMEMBERED);
        let forget = oldest.saturating_sub(next.forgotten);
        if forget > 0 {
            let after = keys::taken(next.forgotten);
            for (key, id) in self.shelf.scan(&keys::TAKEN, Some(&after), usize::try_from(forget).unwrap_or(BATCH))? {
                let id = str::from_utf8(&id).map_err(|_| OutboxError::Damaged { what: "an id is no text" })?;
                changes.extend(keys::id(id).map(|key| Change::Delete { key }));
                next.forgotten = keys::seq_of(&key)?;
                changes.push(Change::Delete { key });
            }
        }
        changes.push(Change::Put { key: Bytes::from_static(&keys::STATE), value: next.write() });
        self.shelf.write(changes)?;
        *state = next;
        self.counters.outbox(next.waiting);
        Ok(())
    }
}

/// The id in a stored line.
fn id_of(line: &[u8]) -> Result<String, OutboxError> {
    let damaged = || OutboxError::Damaged { what: "a line is no notice" };
    let notice: serde_json::Value = serde_json::from_slice(line).map_err(|_| damaged())?;
    notice.get("id").and_then(serde_json::Value::as_str).map(str::to_owned).ok_or_else(damaged)
}

impl Notifier for Outbox {
    fn notify(&self, notice: Notice) -> BoxFuture<'static, Result<(), NotifyError>> {
        let inner = Arc::clone(&self.0);
        async move {
            let put = tokio::task::spawn_blocking(move || inner.put(&notice)).await;
            put.map_err(|error| NotifyError::Later { cause: error.to_string(), after: None })?
                .map_err(|error| refusal(&error))
        }
        .boxed()
    }
}

fn refusal(error: &OutboxError) -> NotifyError {
    match error {
        OutboxError::Full { .. } => NotifyError::Busy { limit: Limit::Outbox, after: FULL_PAUSE },
        OutboxError::Id | OutboxError::Json { .. } => NotifyError::Refused { cause: error.to_string() },
        OutboxError::Shelf(_) | OutboxError::Damaged { .. } => {
            NotifyError::Later { cause: error.to_string(), after: None }
        }
    }
}

impl std::fmt::Debug for Outbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outbox").field("state", &*self.0.state()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
