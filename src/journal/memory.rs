//! The journal's in-memory twin: the same promises without a disk, for tests, the simulation and crash scenarios.

use super::{Append, Commit, Head, Journal, JournalError, JournalRead, Loaded, Snapshot, Stored};
use crate::types::{Chain, MessageId, SeedSecret, Timestamp, UserKey};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

type Resolve = oneshot::Sender<Result<(), JournalError>>;

/// Keeps everything in memory. Appends become "durable" at once, or when the test says so.
///
/// "Durable" means: what [`MemoryJournal::crash`] leaves.
#[derive(Debug)]
pub struct MemoryJournal {
    state: Mutex<State>,
    manual: bool,
    waiting_max: usize,
    secret: [u8; 16],
}

#[derive(Debug, Default)]
struct State {
    users: BTreeMap<UserKey, Log>,
    bodies: HashMap<MessageId, Bytes>,
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
            state: Mutex::default(),
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

    /// The power fails and comes back: what was not committed is gone (its commits never resolve), and so are
    /// snapshots put since the last commit. The journal can be used as if it had been opened again.
    pub fn crash(&self) {
        let mut state = self.lock();
        state.pending.clear();
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
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn commit(&mut self, append: Append) -> Result<(), JournalError> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        let found = self.users.get(&append.user).map_or(0, |log| log.head().seq);
        let expected = append.seq.wrapping_sub(1);
        if found != expected {
            return Err(JournalError::Conflict { user: append.user, expected, found });
        }
        let log = self.users.entry(append.user).or_default();
        if let Some(before) = std::mem::replace(&mut log.due, append.due) {
            self.due.remove(&(before, append.user));
        }
        self.due.extend(append.due.map(|due| (due, append.user)));
        log.records.push((append.chain, append.record));
        for (message, body) in append.bodies {
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
