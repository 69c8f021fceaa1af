//! The journal's in-memory twin: the same promises without a disk, for tests, the simulation and crash scenarios.

use super::{
    Append, Body, BodyWriter, Commit, HEAD_MAX, Head, Journal, JournalError, JournalRead, Kept, Loaded, PIECE,
    Snapshot, Stored, layout,
};
use crate::types::{Chain, Digest, MessageId, SeedSecret, Timestamp, UserKey};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

type Resolve = oneshot::Sender<Result<(), JournalError>>;

/// Keeps everything in memory. Appends become "durable" at once, or when the test says so.
///
/// "Durable" means: what [`MemoryJournal::crash`] leaves.
#[derive(Debug)]
pub struct MemoryJournal {
    state: Arc<Mutex<State>>,
    manual: bool,
    waiting_max: usize,
    secret: [u8; 16],
}

#[derive(Debug, Default)]
struct State {
    users: BTreeMap<UserKey, Log>,
    bodies: HashMap<MessageId, Bytes>,
    /// Bodies that are being written.
    writing: HashMap<MessageId, Writing>,
    /// Of those that were when the power failed.
    orphans: Vec<MessageId>,
    /// How often the power has failed: a writer from before can do nothing any more.
    crashes: u64,
    index: HashMap<MessageId, UserKey>,
    due: BTreeSet<(Timestamp, UserKey)>,
    pending: VecDeque<(Append, Resolve)>,
    /// Snapshots put since the last commit, as they were before: a crash brings these back, for the real journal does
    /// not fsync snapshots.
    unsynced: BTreeMap<UserKey, Option<Snapshot>>,
    snapshots: BTreeMap<UserKey, Snapshot>,
    fault: Option<JournalError>,
    disk_free: Option<u64>,
    closed: bool,
}

/// A body that is being written.
#[derive(Debug, Default)]
struct Writing {
    octets: Vec<u8>,
    is_finished: bool,
    /// Its writer has gone: it lives only as long as an append that brings it waits.
    is_abandoned: bool,
}

#[derive(Debug, Default)]
struct Log {
    records: Vec<(Chain, Bytes)>,
    due: Option<Timestamp>,
}

impl Log {
    fn head(&self) -> Head {
        self.records.last().map_or(Head::EMPTY, |(chain, _)| Head { seq: self.records.len() as u64, chain: *chain })
    }

    /// The chain after record `seq`; `None` beyond the head.
    fn chain_at(&self, seq: u64) -> Option<Chain> {
        match usize::try_from(seq).ok()? {
            0 => Some(Chain::GENESIS),
            n => self.records.get(n - 1).map(|(chain, _)| *chain),
        }
    }

    /// Records from `seq` on.
    fn from(&self, seq: u64) -> impl Iterator<Item = Stored> + '_ {
        let skip = usize::try_from(seq.saturating_sub(1)).unwrap_or(usize::MAX);
        (1_u64..).zip(&self.records).skip(skip).map(|(seq, (chain, record))| Stored {
            seq,
            chain: *chain,
            record: record.clone(),
        })
    }
}

impl Default for MemoryJournal {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryJournal {
    /// Commits resolve at once.
    #[must_use]
    pub fn new() -> Self {
        Self {
            state: Arc::default(),
            manual: false,
            waiting_max: crate::config::Journal::default().appends_waiting_max,
            secret: [0x5a; 16],
        }
    }

    /// Commits resolve when [`MemoryJournal::commit_pending`] or [`MemoryJournal::commit_next`] is called.
    #[must_use]
    pub fn manual() -> Self {
        Self { manual: true, ..Self::new() }
    }

    /// With another limit of waiting appends than the configuration's default.
    #[must_use]
    pub fn with_waiting_max(self, waiting_max: usize) -> Self {
        Self { waiting_max, ..self }
    }

    /// Makes everything durable that waits; returns how many appends that were.
    pub fn commit_pending(&self) -> usize {
        self.commit_next(usize::MAX)
    }

    /// Makes the oldest `count` waiting appends durable; returns how many there were.
    pub fn commit_next(&self, count: usize) -> usize {
        let mut state = self.lock();
        let state = &mut *state;
        let count = count.min(state.pending.len());
        for _ in 0..count {
            if let Some((append, resolve)) = state.pending.pop_front() {
                let verdict = state.commit(append);
                // Whoever asked may have gone; the append stands all the same.
                let _ = resolve.send(verdict);
            }
        }
        count
    }

    /// Appends that wait.
    pub fn pending(&self) -> usize {
        self.lock().pending.len()
    }

    /// Bodies that are being written, and those that wait for [`Journal::sweep`].
    pub fn unowned(&self) -> usize {
        let state = self.lock();
        state.writing.len() + state.orphans.len()
    }

    /// The power fails and comes back: what was not committed is gone (its commits never resolve), and so are
    /// snapshots put since the last commit; bodies that were being written are orphans. The journal can be used as if it had been opened again.
    pub fn crash(&self) {
        let mut state = self.lock();
        state.pending.clear();
        let writing = std::mem::take(&mut state.writing);
        state.orphans.extend(writing.into_keys());
        state.crashes += 1;
        for (user, before) in std::mem::take(&mut state.unsynced) {
            match before {
                Some(snapshot) => state.snapshots.insert(user, snapshot),
                None => state.snapshots.remove(&user),
            };
        }
        state.closed = false;
        state.fault = None;
    }

    /// From now on every append fails like this, until `None` heals the disk.
    pub fn set_fault(&self, fault: Option<JournalError>) {
        self.lock().fault = fault;
    }

    /// Octets free on a disk that is too full (appends with bodies are refused), or `None` for a disk with room.
    pub fn set_disk_full(&self, free: Option<u64>) {
        self.lock().disk_free = free;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    fn commit(&mut self, append: Append) -> Result<(), JournalError> {
        let bodies: Vec<_> = append.bodies.iter().map(|(message, _)| *message).collect();
        let verdict = self.committed(append);
        // Whether it was taken or not, what nobody writes any more goes.
        for message in bodies {
            if self.writing.get(&message).is_some_and(|writing| writing.is_abandoned) {
                self.writing.remove(&message);
            }
        }
        verdict
    }

    /// The octets of a body that an append brings.
    fn brought(&self, message: &MessageId, body: &Body) -> Result<Bytes, JournalError> {
        match body {
            Body::Whole(octets) => Ok(octets.clone()),
            Body::Kept { length } => self
                .writing
                .get(message)
                .filter(|writing| writing.is_finished && writing.octets.len() as u64 == *length)
                .map(|writing| Bytes::copy_from_slice(&writing.octets))
                .ok_or_else(|| layout::damaged_body(message, layout::UNWRITTEN)),
        }
    }

    fn committed(&mut self, append: Append) -> Result<(), JournalError> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        let found = self.users.get(&append.user).map_or(0, |log| log.head().seq);
        let expected = append.seq.wrapping_sub(1);
        if found != expected {
            return Err(JournalError::Conflict { user: append.user, expected, found });
        }
        let bodies = append
            .bodies
            .iter()
            .map(|(message, body)| Ok((*message, self.brought(message, body)?)))
            .collect::<Result<Vec<_>, JournalError>>()?;
        let log = self.users.entry(append.user).or_default();
        if let Some(before) = std::mem::replace(&mut log.due, append.due) {
            self.due.remove(&(before, append.user));
        }
        self.due.extend(append.due.map(|due| (due, append.user)));
        log.records.push((append.chain, append.record));
        for (message, body) in bodies {
            self.writing.remove(&message);
            self.bodies.insert(message, body);
            self.index.insert(message, append.user);
        }
        for message in &append.ended {
            self.bodies.remove(message);
        }
        self.unsynced.clear();
        Ok(())
    }
}

impl JournalRead for MemoryJournal {
    fn load(&self, user: &UserKey) -> Result<Loaded, JournalError> {
        let state = self.lock();
        let Some(log) = state.users.get(user) else {
            return Ok(Loaded { head: Head::EMPTY, snapshot: None, tail: Vec::new() });
        };
        let head = log.head();
        let fits = |snapshot: &&Snapshot| log.chain_at(snapshot.seq) == Some(snapshot.chain);
        let snapshot = state.snapshots.get(user).filter(fits).cloned();
        let after = snapshot.as_ref().map_or(0, |snapshot| snapshot.seq);
        Ok(Loaded { head, snapshot, tail: log.from(after + 1).collect() })
    }

    fn records(&self, user: &UserKey, seq: u64, limit: usize) -> Result<Vec<Stored>, JournalError> {
        let state = self.lock();
        Ok(state.users.get(user).map_or_else(Vec::new, |log| log.from(seq).take(limit).collect()))
    }

    fn body(&self, message: &MessageId) -> Result<Option<Bytes>, JournalError> {
        Ok(self.lock().bodies.get(message).cloned())
    }

    fn piece(&self, message: &MessageId, number: u32) -> Result<Option<Bytes>, JournalError> {
        let state = self.lock();
        let Some(body) = state.bodies.get(message) else { return Ok(None) };
        let number = usize::try_from(number).unwrap_or(usize::MAX);
        let is_empty = body.is_empty() && number == 0;
        let piece = body.chunks(PIECE).nth(number).map(|piece| body.slice_ref(piece));
        Ok(piece.or_else(|| is_empty.then(Bytes::new)))
    }

    fn body_length(&self, message: &MessageId) -> Result<Option<u64>, JournalError> {
        Ok(self.lock().bodies.get(message).map(|body| body.len() as u64))
    }

    fn due(&self, from: Timestamp, until: Timestamp, limit: usize) -> Result<Vec<(Timestamp, UserKey)>, JournalError> {
        if from > until {
            return Ok(Vec::new());
        }
        let range = (from, UserKey([0; 16]))..=(until, UserKey([0xff; 16]));
        Ok(self.lock().due.range(range).take(limit).copied().collect())
    }

    fn owner_of(&self, message: &MessageId) -> Result<Option<UserKey>, JournalError> {
        Ok(self.lock().index.get(message).copied())
    }

    fn users(&self, after: Option<&UserKey>, limit: usize) -> Result<Vec<(UserKey, Head)>, JournalError> {
        use std::ops::Bound::{Excluded, Unbounded};
        let from = after.map_or(Unbounded, Excluded);
        let state = self.lock();
        Ok(state.users.range((from, Unbounded)).take(limit).map(|(user, log)| (*user, log.head())).collect())
    }
}

impl Journal for MemoryJournal {
    fn append(&self, append: Append) -> Result<Commit, JournalError> {
        let mut state = self.lock();
        if state.closed {
            return Err(JournalError::Closed);
        }
        if let Some(fault) = &state.fault {
            return Err(fault.clone());
        }
        if let Some(free) = state.disk_free.filter(|_| !append.bodies.is_empty()) {
            return Err(JournalError::DiskFull { free });
        }
        if state.pending.len() >= self.waiting_max {
            return Err(JournalError::Busy { waiting: state.pending.len() });
        }
        let (resolve, commit) = oneshot::channel();
        if self.manual {
            state.pending.push_back((append, resolve));
        } else {
            let verdict = state.commit(append);
            // The receiver is in our hands.
            let _ = resolve.send(verdict);
        }
        Ok(commit)
    }

    fn begin_body(&self, message: MessageId) -> Result<Box<dyn BodyWriter>, JournalError> {
        self.healthy()?;
        let mut state = self.lock();
        state.writable()?;
        state.writing.insert(message, Writing::default());
        Ok(Box::new(MemoryWriter { state: Arc::clone(&self.state), crashes: state.crashes, message, failure: None }))
    }

    fn sweep(&self, limit: usize) -> Result<usize, JournalError> {
        let mut state = self.lock();
        let count = limit.min(state.orphans.len());
        state.orphans.drain(..count);
        Ok(count)
    }

    fn put_snapshot(&self, user: &UserKey, snapshot: &Snapshot) -> Result<(), JournalError> {
        let mut state = self.lock();
        let before = state.snapshots.insert(*user, snapshot.clone());
        state.unsynced.entry(*user).or_insert(before);
        Ok(())
    }

    fn load_in_memory(&self, user: &UserKey) -> Option<Loaded> {
        self.load(user).ok()
    }

    fn body_in_memory(&self, message: &MessageId) -> Option<Bytes> {
        self.lock().bodies.get(message).cloned()
    }

    fn secret(&self) -> SeedSecret {
        SeedSecret(self.secret)
    }

    fn healthy(&self) -> Result<(), JournalError> {
        let state = self.lock();
        match &state.fault {
            Some(fault) => Err(fault.clone()),
            None if state.closed => Err(JournalError::Closed),
            None => Ok(()),
        }
    }

    fn close(&self) {
        self.lock().closed = true;
        self.commit_pending();
    }
}

impl State {
    /// Whether pieces of bodies are taken.
    fn writable(&self) -> Result<(), JournalError> {
        match (&self.fault, self.disk_free) {
            (Some(fault), _) => Err(fault.clone()),
            (None, Some(free)) => Err(JournalError::DiskFull { free }),
            (None, None) => Ok(()),
        }
    }
}

/// Writes a body of the twin.
struct MemoryWriter {
    state: Arc<Mutex<State>>,
    /// At the beginning of the body.
    crashes: u64,
    message: MessageId,
    failure: Option<JournalError>,
}

impl MemoryWriter {
    fn with<T>(&mut self, work: impl FnOnce(&mut Writing) -> Result<T, JournalError>) -> Result<T, JournalError> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        let mut state = lock(&self.state);
        let state = &mut *state;
        let is_lost = state.crashes != self.crashes;
        let done = state.writable().and_then(|()| match state.writing.get_mut(&self.message) {
            Some(writing) if !is_lost => work(writing),
            _ => Err(JournalError::Closed),
        });
        done.inspect_err(|error| self.failure = Some(error.clone()))
    }
}

impl BodyWriter for MemoryWriter {
    fn write(&mut self, position: u64, octets: &[u8]) -> Result<(), JournalError> {
        self.with(|writing| {
            let (begin, end) = layout::range_of(position, octets.len())?;
            if writing.octets.len() < end {
                writing.octets.resize(end, 0);
            }
            writing.octets[begin..end].copy_from_slice(octets);
            Ok(())
        })
    }

    fn finish(&mut self, length: u64) -> Result<Kept, JournalError> {
        let message = self.message;
        self.with(|writing| {
            if writing.octets.len() as u64 != length {
                return Err(layout::damaged_body(&message, layout::OTHER_LENGTH));
            }
            writing.is_finished = true;
            let head = &writing.octets[..writing.octets.len().min(HEAD_MAX)];
            Ok(Kept { length, digest: Digest::of(&writing.octets), head: Bytes::copy_from_slice(head) })
        })
    }
}

impl Drop for MemoryWriter {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        if state.crashes != self.crashes {
            return;
        }
        let message = self.message;
        let waits =
            state.pending.iter().any(|(append, _)| append.bodies.iter().any(|(brought, _)| *brought == message));
        if waits {
            state.writing.entry(message).and_modify(|writing| writing.is_abandoned = true);
        } else {
            state.writing.remove(&message);
        }
    }
}
