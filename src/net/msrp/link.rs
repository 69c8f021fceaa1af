//! One connection: the sessions that sit on it, what waits to be written, and when it ends.
//!
//! Its two halves ([`super::reading`], [`super::writing`]) and its watch run in one task; sessions come and go from others.

use super::counters::Stray;
use super::error::TransferError;
use super::fingerprint::Fingerprint;
use super::seat::{Demand, Job, Outward, Seat, Side, Work};
use super::shared::{Shared, lock};
use crate::msrp::{ReceiverEvent, SenderEvent};
use crate::types::Timestamp;
use bytes::Bytes;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::sleep_until;

/// Octets of answers and reports that may wait; then nothing more is read.
const OUTBOX_BYTES_MAX: usize = 32 << 10;
/// So long the last octets of a connection that ends are tried.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

pub(super) struct Link {
    pub(super) shared: Arc<Shared>,
    /// Over TLS.
    secure: bool,
    /// Of the peer's certificate.
    fingerprint: Option<Fingerprint>,
    state: Mutex<State>,
    /// There is something to write.
    pub(super) to_write: Notify,
    /// The outbox has room again.
    room: Notify,
    /// A deadline came nearer.
    sooner: Notify,
}

pub(super) struct State {
    pub(super) seats: HashMap<Arc<str>, Seat>,
    /// Answers and reports.
    outbox: VecDeque<Bytes>,
    outbox_octets: usize,
    /// Messages that may have something to send, in the order of their turns.
    pub(super) turns: VecDeque<Arc<str>>,
    /// Since when nobody sits here.
    unseated: Option<Timestamp>,
    /// Somebody sat here once.
    was_bound: bool,
    /// It ends as soon as nobody sits here.
    hasty: bool,
    /// It has ended, or is about to: nobody may sit down.
    ended: bool,
    /// When the watch looks next.
    armed: Timestamp,
}

impl State {
    /// Whether answers or reports wait.
    pub(super) fn has_answers(&self) -> bool {
        !self.outbox.is_empty()
    }
}

impl Link {
    pub(super) fn new(shared: Arc<Shared>, secure: bool, fingerprint: Option<Fingerprint>) -> Arc<Self> {
        let state = State {
            seats: HashMap::new(),
            outbox: VecDeque::new(),
            outbox_octets: 0,
            turns: VecDeque::new(),
            unseated: Some(shared.clock.now()),
            was_bound: false,
            hasty: false,
            ended: false,
            armed: Timestamp::MAX,
        };
        Arc::new(Self {
            shared,
            secure,
            fingerprint,
            state: Mutex::new(state),
            to_write: Notify::new(),
            room: Notify::new(),
            sooner: Notify::new(),
        })
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    pub(super) fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }

    /// Whether it is what a session wants. A fingerprint that was announced must be there.
    pub(super) fn satisfies(&self, demand: &Demand) -> bool {
        self.secure == demand.secure && (demand.fingerprint.is_none() || demand.fingerprint == self.fingerprint)
    }

    pub(super) fn is_open(&self) -> bool {
        !self.state().ended
    }

    /// A session sits down; its job comes back if it is too late for that.
    pub(super) fn attach(&self, job: Box<Job>) -> Option<Box<Job>> {
        let now = self.now();
        let mut state = self.state();
        if state.ended {
            return Some(job);
        }
        let Job { id, work, done, bound, .. } = *job;
        let side = match work {
            Work::In(incoming) => Side::In(Some(incoming)),
            Work::Out(sender, source) => {
                state.turns.push_back(Arc::clone(&id));
                Side::Out(Outward { sender, source: Some(source), queued: true, leaving: None })
            }
        };
        state.seats.insert(id, Seat { side, done: Some(done), progressed: now, cancel: Arc::default() });
        state.unseated = None;
        state.was_bound = true;
        state.hasty = false;
        drop(state);
        if let Some(bound) = bound {
            bound.send(()).ok();
        }
        self.to_write.notify_one();
        self.sooner.notify_one();
        None
    }

    /// A session that binds a connection of ours itself: by an empty SEND, or by its first chunk.
    pub(super) fn bind(work: &mut Work) -> Vec<Bytes> {
        let mut first = Vec::new();
        match work {
            Work::In(incoming) => {
                incoming.receiver.bind();
                while let Some(event) = incoming.receiver.poll_event() {
                    if let ReceiverEvent::Transmit(octets) = event {
                        first.push(octets);
                    }
                }
            }
            Work::Out(sender, _) => sender.bound(),
        }
        first
    }

    /// The session was given up from outside.
    pub(super) fn detach(&self, id: &str) {
        let mut state = self.state();
        // Where the end was told already, only its name went.
        if state.seats.get(id).is_some_and(|seat| seat.done.is_some()) {
            self.conclude(&mut state, id, Err(TransferError::Closed));
        }
    }

    /// The end of a transfer: tells it, and frees the seat.
    pub(super) fn conclude(&self, state: &mut State, id: &str, result: Result<(), TransferError>) {
        let Some(seat) = state.seats.get_mut(id) else { return };
        state.hasty |= result.as_ref().is_err_and(|error| !error.is_answered());
        let is_failure = result.is_err();
        seat.tell(result);
        match &mut seat.side {
            Side::Out(outward) if is_failure => {
                outward.sender.abort();
                outward.source = None;
                outward.leaving.get_or_insert(self.shared.clock.now());
                if !std::mem::replace(&mut outward.queued, true) {
                    let id = state.seats.get_key_value(id).map(|(id, _)| Arc::clone(id));
                    state.turns.extend(id);
                }
                self.to_write.notify_one();
                self.sooner.notify_one();
            }
            Side::In(_) | Side::Out(_) => self.vacate(state, id),
        }
    }

    /// Frees a seat.
    pub(super) fn vacate(&self, state: &mut State, id: &str) {
        if let Some(seat) = state.seats.remove(id) {
            seat.cancel.notify_one();
        }
        if state.seats.is_empty() && state.unseated.is_none() {
            state.unseated = Some(self.now());
            self.sooner.notify_one();
        }
    }

    /// Octets of a message went.
    pub(super) fn progress(&self, id: &str) {
        if let Some(seat) = self.state().seats.get_mut(id) {
            seat.progressed = self.shared.clock.now();
        }
    }

    /// What became of a message that goes, after something was told to its sender. `true` if it sits on.
    pub(super) fn look_after(&self, state: &mut State, id: &Arc<str>) -> bool {
        let now = self.now();
        let Some(seat) = state.seats.get_mut(id) else { return false };
        let Side::Out(outward) = &mut seat.side else { return true };
        let mut ended = None;
        while let Some(event) = outward.sender.poll_event() {
            match event {
                SenderEvent::Bound => seat.progressed = now,
                SenderEvent::Transferred => ended = Some(Ok(())),
                SenderEvent::Failed(failure) => ended = Some(Err(failure.into())),
            }
        }
        if ended.is_none() && !std::mem::replace(&mut outward.queued, true) {
            state.turns.push_back(Arc::clone(id));
            self.to_write.notify_one();
        }
        if let Some(timeout) = outward.sender.poll_timeout()
            && timeout < state.armed
        {
            self.sooner.notify_one();
        }
        if let Some(result) = ended.filter(|_| seat.done.is_some()) {
            self.conclude(state, id, result);
        }
        state.seats.contains_key(id)
    }

    /// Octets of answers and reports; waits while too many wait already.
    pub(super) async fn answer(&self, octets: Bytes) {
        loop {
            {
                let mut state = self.state();
                if state.outbox_octets < OUTBOX_BYTES_MAX || state.ended {
                    state.outbox_octets = state.outbox_octets.saturating_add(octets.len());
                    state.outbox.push_back(octets);
                    break;
                }
            }
            self.room.notified().await;
        }
        self.to_write.notify_one();
    }

    /// Octets of a session that sits down on a connection of ours: there is always room for one empty SEND.
    pub(super) fn say(&self, first: Vec<Bytes>) {
        let mut state = self.state();
        for octets in first {
            state.outbox_octets = state.outbox_octets.saturating_add(octets.len());
            state.outbox.push_back(octets);
        }
        drop(state);
        self.to_write.notify_one();
    }

    /// All answers and reports that wait.
    pub(super) fn take_outbox(&self, state: &mut State, into: &mut VecDeque<Bytes>) {
        into.append(&mut state.outbox);
        state.outbox_octets = 0;
        self.room.notify_one();
    }

    /// Ends when the connection has no use any more.
    pub(super) async fn watch(&self) {
        loop {
            let Some(next) = self.due() else { return };
            tokio::select! {
                () = sleep_until(self.shared.clock.instant(next)) => {}
                () = self.sooner.notified() => {}
            }
        }
    }

    /// Does what is due, and tells when to look again; nothing if the connection is to end.
    fn due(&self) -> Option<Timestamp> {
        let now = self.now();
        let mut guard = self.state();
        let state = &mut *guard;
        let mut next = Timestamp::MAX;
        let ids: Vec<Arc<str>> = state.seats.keys().map(Arc::clone).collect();
        for id in ids {
            next = next.min(self.due_of(state, &id, now)?);
        }
        if let Some(since) = state.unseated {
            let end = since.after(self.shared.settings.bind);
            if state.hasty || end <= now {
                state.ended = true;
                if !state.was_bound {
                    self.shared.counters.stray(Stray::Unbound);
                }
                return None;
            }
            next = next.min(end);
        }
        state.armed = next;
        Some(next)
    }

    /// The same for one session.
    fn due_of(&self, state: &mut State, id: &Arc<str>, now: Timestamp) -> Option<Timestamp> {
        let idle = self.shared.settings.idle;
        let seat = state.seats.get_mut(id)?;
        if seat.done.is_none() && matches!(seat.side, Side::In(_)) {
            // It is being kept: that has its own time.
            return Some(Timestamp::MAX);
        }
        if let Some(outward) = seat.outward() {
            if let Some(since) = outward.leaving {
                let end = since.after(PATIENCE);
                // The end of its frame cannot be written, so nothing can be written after it.
                state.ended |= end <= now;
                return (end > now).then_some(end);
            }
            if outward.sender.poll_timeout().is_some_and(|at| at <= now) {
                outward.sender.handle_timeout(now);
                if !self.look_after(state, id) {
                    return Some(now);
                }
            }
        }
        let seat = state.seats.get_mut(id)?;
        let answer_until = seat.outward().and_then(|outward| outward.sender.poll_timeout());
        let silent_until = seat.progressed.after(idle);
        // Who waits for an answer is not idle.
        let end = answer_until.map_or(silent_until, |at| at.max(silent_until));
        if end <= now {
            self.conclude(state, id, Err(TransferError::Idle));
            return Some(now);
        }
        Some(answer_until.map_or(end, |at| at.min(end)))
    }

    /// The connection is lost: so are all who sit here.
    pub(super) fn end(&self, error: &TransferError) {
        let mut state = self.state();
        state.ended = true;
        for (_, mut seat) in std::mem::take(&mut state.seats) {
            seat.tell(Err(error.clone()));
        }
        state.unseated = Some(self.now());
        self.room.notify_one();
    }
}
