//! Group commit: one thread makes all waiting appends durable with one fsync, and keeps watch over the disk.
//!
//! One committer with explicit batches beats many threads that each ask for a synced write: it is measured in
//! `benches/journal.rs`. What "making durable" means is a [`Sink`]'s affair; this file knows no store.

use super::{Append, Body, Commit, Counters, JournalError, Limit, Totals};
use crate::types::MessageId;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// A batch grows no further once it has so many octets, so that a write batch of long bodies has a bounded size.
const BATCH_OCTETS: usize = 8 << 20;

/// Bodies that are removed after one batch, so that the next does not wait long.
const DISCARDS_MAX: usize = 32;

/// What one append is reckoned to take beside its record and bodies: keys, heads, the queue's own entry.
const APPEND_OVERHEAD: usize = 512;

/// Where batches become durable.
pub(super) trait Sink: Send + 'static {
    /// Makes the batch durable in one synced write. Appends that cannot be taken (a conflict) get their error in
    /// `verdicts`, which comes filled with one `Ok` for each append, and do not disturb the others. Returns the octets
    /// written and how long the write took.
    ///
    /// # Errors
    /// If the write failed: then nothing of the batch is durable as far as anybody may rely on it.
    fn commit(&mut self, batch: &[Waiting], verdicts: &mut [Result<(), JournalError>])
    -> Result<Written, JournalError>;

    /// Removes a body that no append has brought; tells whether there was one. One that was brought is left alone.
    ///
    /// # Errors
    /// If the store takes no writes: what is left is removed after the next start.
    fn discard(&mut self, discard: &Discard) -> Result<bool, JournalError>;

    /// Tries a synced write that changes nothing of worth.
    ///
    /// # Errors
    /// If the store takes no writes.
    fn probe(&mut self) -> Result<(), JournalError>;

    /// Octets free on the disk; `None` if it cannot be told.
    fn disk_free(&mut self) -> Option<u64>;
}

/// What a batch came to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Written {
    pub octets: usize,
    pub took: Duration,
    /// What all queues hold now.
    pub totals: Totals,
}

/// A body whose writer has gone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Discard {
    pub message: MessageId,
    /// All its pieces have numbers below this.
    pub bound: u32,
}

/// An append in the queue.
pub(super) struct Waiting {
    pub append: Append,
    since: Instant,
    resolve: oneshot::Sender<Result<(), JournalError>>,
}

/// The committer's limits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub waiting_max: usize,
    pub octets_max: usize,
    pub batch_max: usize,
    pub disk_free_min: u64,
    /// How often the disk is looked at, and a failed store tried again.
    pub check_every: Duration,
}

/// The owner's side: hands appends over, stops the thread.
pub(super) struct Committer {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    state: Mutex<State>,
    wake: Condvar,
    limits: Limits,
    counters: Arc<dyn Counters>,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Waiting>,
    /// Of everything in `queue`.
    octets: usize,
    /// Bodies to be removed, unless one of the appends before them brings them: each with the number of appends that had
    /// been handed over by then. No more than there were writers.
    discards: VecDeque<(u64, Discard)>,
    /// Appends handed over so far …
    queued: u64,
    /// … and taken up by the committer.
    taken: u64,
    closed: bool,
    /// The committer waits for `wake`; nobody needs to wake one that works.
    asleep: bool,
    /// The write that failed; no append is taken until a probe succeeds.
    failure: Option<JournalError>,
    /// Octets free, once they are fewer than the limit.
    low_disk: Option<u64>,
}

impl Committer {
    /// Starts the thread `journal`.
    ///
    /// # Errors
    /// [`JournalError::Open`] if the system gives no thread.
    pub fn start(sink: impl Sink, limits: Limits, counters: Arc<dyn Counters>) -> Result<Self, JournalError> {
        let shared = Arc::new(Shared { state: Mutex::default(), wake: Condvar::new(), limits, counters });
        let mut worker = Worker { shared: Arc::clone(&shared), sink, checked: None, verdicts: Vec::new() };
        // Before the first append, so that a full disk is known at once.
        worker.check();
        let thread =
            std::thread::Builder::new().name("journal".to_owned()).spawn(move || worker.run()).map_err(|error| {
                JournalError::Open {
                    cause: format!("no thread could be started for the committer: {error}"),
                    advice: "raise the limit of processes and threads (ulimit -u, TasksMax) and start again",
                }
            })?;
        Ok(Self { shared, thread: Mutex::new(Some(thread)) })
    }

    pub fn append(&self, append: Append) -> Result<Commit, JournalError> {
        let octets = octets(&append);
        let limits = &self.shared.limits;
        let mut state = self.shared.lock();
        if state.closed {
            return Err(JournalError::Closed);
        }
        if let Some(failure) = &state.failure {
            return Err(failure.clone());
        }
        if let Some(free) = state.low_disk.filter(|_| !append.bodies.is_empty()) {
            self.shared.counters.limit_hit(Limit::DiskFree);
            return Err(JournalError::DiskFull { free });
        }
        let waiting = state.queue.len();
        let limit = if waiting >= limits.waiting_max {
            Some(Limit::AppendsWaiting)
        } else if waiting > 0 && state.octets + octets > limits.octets_max {
            Some(Limit::OctetsWaiting)
        } else {
            None
        };
        if let Some(limit) = limit {
            self.shared.counters.limit_hit(limit);
            return Err(JournalError::Busy { waiting });
        }
        let (resolve, commit) = oneshot::channel();
        state.octets += octets;
        state.queued += 1;
        state.queue.push_back(Waiting { append, since: Instant::now(), resolve });
        let asleep = std::mem::take(&mut state.asleep);
        drop(state);
        if asleep {
            self.shared.wake.notify_one();
        }
        Ok(commit)
    }

    /// Where writers of bodies leave what nobody wants.
    pub fn discards(&self) -> Discards {
        Discards(Arc::clone(&self.shared))
    }

    pub fn healthy(&self) -> Result<(), JournalError> {
        let state = self.shared.lock();
        match &state.failure {
            Some(failure) => Err(failure.clone()),
            None if state.closed => Err(JournalError::Closed),
            None => Ok(()),
        }
    }

    /// Commits what waits, then ends the thread. Idempotent; returns when the thread is gone.
    pub fn close(&self) {
        self.shared.lock().closed = true;
        self.shared.wake.notify_one();
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the journal's committer had panicked: appends that waited for it were not acknowledged");
        }
    }
}

/// The way of unwanted bodies to the committer, which alone knows whether an append has brought one.
#[derive(Clone)]
pub(super) struct Discards(Arc<Shared>);

impl Discards {
    /// Has a body removed that none of the appends handed over so far brings. Waits for nothing. After closing nothing
    /// happens: it is an orphan then, for the next start.
    pub fn push(&self, discard: Discard) {
        let mut state = self.0.lock();
        if state.closed {
            return;
        }
        let after = state.queued;
        state.discards.push_back((after, discard));
        let asleep = std::mem::take(&mut state.asleep);
        drop(state);
        if asleep {
            self.0.wake.notify_one();
        }
    }
}

/// What the queue reckons for this append.
fn octets(append: &Append) -> usize {
    let whole = |body: &Body| if let Body::Whole(octets) = body { octets.len() } else { 0 };
    append.bodies.iter().map(|(_, body)| whole(body)).sum::<usize>() + append.record.len() + APPEND_OVERHEAD
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for work and moves up to one batch of it, with the discards that come after; `false` when the journal is
    /// closed and nothing is left. May come back with nothing, when it is time to look at an ailing disk again.
    fn take(&self, batch: &mut Vec<Waiting>, discards: &mut Vec<Discard>) -> bool {
        let mut state = self.lock();
        while state.queue.is_empty() && state.discards.is_empty() {
            if state.closed {
                return false;
            }
            state.asleep = true;
            if state.failure.is_none() && state.low_disk.is_none() {
                state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
            } else {
                let waited = self.wake.wait_timeout(state, self.limits.check_every);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
                state.asleep = false;
                break;
            }
        }
        state.asleep = false;
        let mut total = 0;
        while batch.len() < self.limits.batch_max.max(1) && total < BATCH_OCTETS {
            let Some(waiting) = state.queue.pop_front() else { break };
            let octets = octets(&waiting.append);
            total += octets;
            state.octets = state.octets.saturating_sub(octets);
            batch.push(waiting);
        }
        state.taken += batch.len() as u64;
        while discards.len() < DISCARDS_MAX {
            let Some((after, discard)) = state.discards.front().copied() else { break };
            if after > state.taken {
                break;
            }
            discards.push(discard);
            state.discards.pop_front();
        }
        self.counters.waiting(state.queue.len());
        true
    }
}

/// The thread's side.
struct Worker<S> {
    shared: Arc<Shared>,
    sink: S,
    /// When disk and store were last looked at.
    checked: Option<Instant>,
    verdicts: Vec<Result<(), JournalError>>,
}

/// However the thread ends, nobody waits for it afterwards: dropped senders tell the waiting.
struct Farewell(Arc<Shared>);

impl Drop for Farewell {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.closed = true;
        state.queue.clear();
        state.discards.clear();
    }
}

impl<S: Sink> Worker<S> {
    fn run(mut self) {
        let _farewell = Farewell(Arc::clone(&self.shared));
        let (mut batch, mut discards) = (Vec::new(), Vec::new());
        while self.shared.take(&mut batch, &mut discards) {
            if self.checked.is_none_or(|at| at.elapsed() >= self.shared.limits.check_every) {
                self.check();
            }
            if !batch.is_empty() {
                self.commit(&mut batch);
            }
            for discard in discards.drain(..) {
                self.discard(&discard);
            }
        }
    }

    fn discard(&mut self, discard: &Discard) {
        match self.sink.discard(discard) {
            Ok(true) => self.shared.counters.orphan(),
            Ok(false) => {}
            Err(error) => tracing::warn!(
                %error,
                "what came of a message that broke off could not be removed; it is removed after the next start"
            ),
        }
    }

    /// Looks at the free space, and tries to write again after a failure.
    fn check(&mut self) {
        self.checked = Some(Instant::now());
        let limits = self.shared.limits;
        let low = self.sink.disk_free().filter(|free| *free < limits.disk_free_min);
        let (was_low, failed) = {
            let mut state = self.shared.lock();
            (std::mem::replace(&mut state.low_disk, low), state.failure.is_some())
        };
        match (was_low, low) {
            (None, Some(free)) => tracing::error!(
                free,
                needed = limits.disk_free_min,
                "the disk of the data directory is nearly full: new messages are refused until space is freed"
            ),
            (Some(_), None) => tracing::info!("the disk of the data directory has room again: messages are taken"),
            _ => {}
        }
        if failed && self.sink.probe().is_ok() {
            self.shared.lock().failure = None;
            tracing::info!("the journal takes writes again");
        }
    }

    /// One synced write of the batch; its verdicts are in `verdicts` then.
    fn write(&mut self, batch: &[Waiting]) -> Result<Written, JournalError> {
        let failure = self.shared.lock().failure.clone();
        if let Some(failure) = failure {
            // Accepted just before the failure; the store is not asked again before the probe.
            return Err(failure);
        }
        self.verdicts.clear();
        self.verdicts.resize(batch.len(), Ok(()));
        self.sink.commit(batch, &mut self.verdicts).inspect_err(|error| {
            tracing::error!(%error, "a write to the journal failed: nothing is acknowledged until one succeeds");
            self.shared.counters.write_failed();
            self.shared.lock().failure = Some(error.clone());
        })
    }

    /// Writes the batch and tells everyone in it.
    fn commit(&mut self, batch: &mut Vec<Waiting>) {
        match self.write(batch) {
            Ok(written) => {
                self.shared.counters.batch(batch.len(), written.octets, written.took);
                self.shared.counters.held(written.totals);
                let now = Instant::now();
                for (waiting, verdict) in batch.drain(..).zip(self.verdicts.drain(..)) {
                    match &verdict {
                        Ok(()) => self.shared.counters.committed(now.saturating_duration_since(waiting.since)),
                        Err(JournalError::Conflict { .. }) => self.shared.counters.conflict(),
                        Err(_) => {}
                    }
                    // Whoever asked may have gone; the append stands all the same.
                    let _ = waiting.resolve.send(verdict);
                }
            }
            Err(error) => {
                for waiting in batch.drain(..) {
                    let _ = waiting.resolve.send(Err(error.clone()));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
