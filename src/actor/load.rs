//! Waking: a user's state from the latest snapshot and the records after it, with the chain checked on the way.

use crate::journal::{Head, Journal, JournalError, JournalRead, Loaded, Stored};
use crate::queue::Queue;
use crate::queue::schema::{Record, SchemaError, decode_state};
use crate::types::UserKey;

/// Why a user cannot be woken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("record {seq} of user {user} cannot be read: {cause}")]
    Schema { user: UserKey, seq: u64, cause: SchemaError },
    #[error(
        "the chain of user {user} breaks at record {seq}: the log was altered or damaged; restore it from a backup"
    )]
    Chain { user: UserKey, seq: u64 },
}

/// A user's state as of the head of their log.
#[derive(Clone, Debug)]
pub struct LoadedQueue {
    /// `None` if there is no record of this user yet.
    pub queue: Option<Queue>,
    pub head: Head,
    /// The record up to which a snapshot has everything.
    pub snapshot_seq: u64,
}

/// Loads a user. Blocks on the disk. A snapshot that cannot be used costs a replay and nothing else.
///
/// # Errors
/// [`LoadError`] if the journal fails, or a record is damaged, newer than this program, or not part of the chain.
pub fn load<J: JournalRead + ?Sized>(journal: &J, user: &UserKey) -> Result<LoadedQueue, LoadError> {
    let loaded = journal.load(user)?;
    from_cache(user, &loaded).unwrap_or_else(|| replay(journal, user, &loaded))
}

/// Loads a user whose few records are all in memory; `None` says only "use [`load`]". Never waits for the disk.
pub fn load_in_memory(journal: &dyn Journal, user: &UserKey) -> Option<Result<LoadedQueue, LoadError>> {
    from_cache(user, &journal.load_in_memory(user)?)
}

/// From the snapshot, or from the first record if there is none; `None` if there is one that cannot be used.
fn from_cache(user: &UserKey, loaded: &Loaded) -> Option<Result<LoadedQueue, LoadError>> {
    let Some(snapshot) = &loaded.snapshot else {
        return Some(fold(user, None, Head::EMPTY, &loaded.tail, 0));
    };
    let queue = decode_state(&snapshot.state)?;
    let at = Head { seq: snapshot.seq, chain: snapshot.chain };
    Some(fold(user, Some(queue), at, &loaded.tail, at.seq))
}

/// From the first record on, a slice at a time.
fn replay<J: JournalRead + ?Sized>(journal: &J, user: &UserKey, loaded: &Loaded) -> Result<LoadedQueue, LoadError> {
    const SLICE: usize = 1024;
    let mut state = LoadedQueue { queue: None, head: Head::EMPTY, snapshot_seq: 0 };
    while state.head.seq < loaded.head.seq {
        let records = journal.records(user, state.head.seq + 1, SLICE)?;
        if records.is_empty() {
            return Err(LoadError::Chain { user: *user, seq: state.head.seq + 1 });
        }
        state = fold(user, state.queue, state.head, &records, 0)?;
    }
    Ok(state)
}

fn fold(
    user: &UserKey,
    mut queue: Option<Queue>,
    mut head: Head,
    records: &[Stored],
    snapshot_seq: u64,
) -> Result<LoadedQueue, LoadError> {
    for stored in records {
        let seq = stored.seq;
        let chain = head.chain.extend(&stored.record);
        if seq != head.seq + 1 || chain != stored.chain {
            return Err(LoadError::Chain { user: *user, seq });
        }
        let record = Record::decode(&stored.record).map_err(|cause| LoadError::Schema { user: *user, seq, cause })?;
        let queue = queue.get_or_insert_with(|| Queue::new(record.user.clone()));
        for event in &record.events {
            queue.evolve(event, record.at);
        }
        head = Head { seq, chain };
    }
    Ok(LoadedQueue { queue, head, snapshot_seq })
}
