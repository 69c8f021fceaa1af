//! What must be true of every queue at every moment, whatever brought it there. Shared by stories, laws and simulation.

use crate::queue::decide::Rules;
use crate::queue::event::{Disposition, Event, Transaction};
use crate::queue::question::Handling;
use crate::queue::schema::{Record, decode_state, encode_state};
use crate::queue::{Entry, Queue};
use crate::types::{Address, ClientId, MessageId, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// What the events have told so far, kept apart from the queue: who was promised what.
pub struct Ledger {
    user: Address,
    messages: BTreeMap<MessageId, Promise>,
    calls: BTreeSet<String>,
    reports: Vec<(MessageId, Disposition)>,
    log: Vec<(Timestamp, Vec<Event>)>,
}

/// An accepted message.
struct Promise {
    size: u64,
    expires_at: Timestamp,
    fate: Fate,
    open: BTreeMap<ClientId, Transaction>,
}

/// Where a message has come to. Only the first may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Queued,
    AwaitsStore,
    Delivered,
    Discarded,
    Deleted,
    Interworked,
    Stored,
}

impl Ledger {
    pub fn new(user: Address) -> Self {
        Self { user, messages: BTreeMap::new(), calls: BTreeSet::new(), reports: Vec::new(), log: Vec::new() }
    }

    /// Events that a story makes up: believed.
    pub fn given(&mut self, at: Timestamp, events: &[Event]) {
        self.record(at, events);
    }

    /// The events of a command, each of which must be possible after those before.
    pub fn record(&mut self, at: Timestamp, events: &[Event]) {
        for event in events {
            self.one(at, event);
        }
        if !events.is_empty() {
            self.log.push((at, events.to_vec()));
        }
    }

    fn one(&mut self, at: Timestamp, event: &Event) {
        match event {
            Event::MessageDeferred(deferred) => {
                let (size, expires_at) = (deferred.envelope.size, deferred.expires_at);
                let promise = Promise { size, expires_at, fate: Fate::Queued, open: BTreeMap::new() };
                let before = self.messages.insert(deferred.id, promise);
                assert!(before.is_none(), "a message-URI-ID is never used twice");
            }
            Event::HandlingChosen(chosen) => {
                self.queued(&chosen.message);
            }
            Event::DeliveryWithheld(withheld) => {
                self.queued(&withheld.message);
            }
            Event::DeliveryStarted(started) => {
                let new_call = self.calls.insert(started.transaction.call_id.clone());
                assert!(new_call, "a Call-ID is never used twice");
                let promise = self.queued(&started.message);
                assert!(at < promise.expires_at, "nothing starts at or after its expiry");
                let before = promise.open.insert(started.client.clone(), started.transaction.clone());
                assert!(before.is_none(), "never two attempts in flight of one message to one client");
            }
            Event::DeliveryFailed(failed) => {
                let promise = self.queued(&failed.message);
                assert!(promise.open.remove(&failed.client).is_some(), "only what began can fail");
            }
            Event::TransferFailed(failed) => {
                let promise = self.queued(&failed.message);
                assert!(promise.open.remove(&failed.client).is_some(), "only what began can fail");
            }
            Event::BodyKept(kept) => {
                self.queued(&kept.message);
            }
            Event::MessageDelivered(delivered) => {
                let promise = self.queued(&delivered.message);
                assert!(promise.open.contains_key(&delivered.client), "only what began can succeed");
                promise.open.clear();
                promise.fate = Fate::Delivered;
            }
            Event::MessageDiscarded(discarded) => self.expired(at, &discarded.message, Fate::Discarded),
            Event::MessageDeleted(deleted) => self.queued(&deleted.message).fate = Fate::Deleted,
            Event::MessageInterworked(done) => self.queued(&done.message).fate = Fate::Interworked,
            Event::MessageStored(stored) => self.alive(&stored.message).fate = Fate::Stored,
            Event::DispositionOwed(owed) => {
                self.alive(&owed.message);
                let (message, disposition) = (owed.message, owed.disposition);
                assert!(!self.reports.contains(&(message, disposition)), "a report is owed once");
                self.reports.push((message, disposition));
            }
            Event::ErrandBegun(begun) => {
                assert!(self.calls.insert(begun.transaction.call_id.clone()), "a Call-ID is never used twice");
            }
            Event::StoreAwaited(awaited) => self.expired(at, &awaited.message, Fate::AwaitsStore),
            _ => {}
        }
    }

    fn alive(&mut self, message: &MessageId) -> &mut Promise {
        let promise = self.messages.get_mut(message).expect("only an accepted message has a story");
        assert!(matches!(promise.fate, Fate::Queued | Fate::AwaitsStore), "a message has one end");
        promise
    }

    fn queued(&mut self, message: &MessageId) -> &mut Promise {
        let promise = self.messages.get_mut(message).expect("only an accepted message has a story");
        assert_eq!(promise.fate, Fate::Queued, "a message has one end, and nothing happens to it after that");
        promise
    }

    fn expired(&mut self, at: Timestamp, message: &MessageId, fate: Fate) {
        // What could not be stored is discarded in the end.
        let promise = if fate == Fate::Discarded { self.alive(message) } else { self.queued(message) };
        assert!(at >= promise.expires_at, "no message is given up before its expiry");
        assert!(promise.open.is_empty(), "an attempt on the wire is awaited (I-29)");
        promise.fate = fate;
    }

    /// What became of a message.
    pub fn fate(&self, message: &MessageId) -> Option<Fate> {
        self.messages.get(message).map(|promise| promise.fate)
    }

    /// The queue as the log alone tells it, through the stored shapes.
    pub fn replayed(&self) -> Queue {
        let mut queue = Queue::new(self.user.clone());
        for (seq, (at, events)) in self.log.iter().enumerate() {
            let record = Record { user: self.user.clone(), seq: seq as u64 + 1, at: *at, events: events.clone() };
            let read = Record::decode(&record.encode()).expect("what is stored can be read");
            assert_eq!(read, record, "what is read is what was stored");
            for event in &read.events {
                queue.evolve(event, read.at);
            }
        }
        queue
    }
}

/// All that can be said of a queue after a command. `unfinished`: the limit of questions stopped it, a Tick must follow.
pub fn check_all(queue: &Queue, ledger: &Ledger, rules: &Rules, now: Timestamp, unfinished: bool) {
    check_now(queue, ledger, rules, now, unfinished);
    replay_equals_live(queue, ledger);
}

/// The same without the replay of all that happened before.
pub fn check_now(queue: &Queue, ledger: &Ledger, rules: &Rules, now: Timestamp, unfinished: bool) {
    never_nowhere(queue, ledger);
    sums(queue);
    queue.check_indexes();
    attempts(queue, ledger, rules);
    errands(queue);
    snapshot_equals_live(queue);
    ticks_lie_ahead(queue, now);
    if !unfinished {
        nothing_left_to_do(queue, rules, now);
    }
}

/// Every accepted message is delivered, discarded, awaiting the store or still queued: never nowhere.
pub fn never_nowhere(queue: &Queue, ledger: &Ledger) {
    for (id, promise) in &ledger.messages {
        let entry = queue.message(id);
        match promise.fate {
            Fate::Queued => assert!(entry.is_some_and(|entry| !entry.awaits_store), "a queued message is in the queue"),
            Fate::AwaitsStore => assert!(entry.is_some_and(|entry| entry.awaits_store), "and so is one to be stored"),
            _ => assert!(entry.is_none(), "what has ended is not in the queue"),
        }
        if let Some(entry) = entry {
            assert_eq!((entry.envelope.size, entry.expires_at), (promise.size, promise.expires_at));
            let open: BTreeMap<_, _> = entry.open.iter().map(|a| (a.client.clone(), a.transaction.clone())).collect();
            assert_eq!(open, promise.open, "what is in flight is known by its names");
        }
    }
    assert!(queue.messages().all(|entry| ledger.messages.contains_key(&entry.id)), "nothing comes from nowhere");
}

/// Depth and octets are the sums over the messages.
pub fn sums(queue: &Queue) {
    assert_eq!(queue.depth(), queue.messages().count() as u64, "the depth");
    assert_eq!(queue.bytes(), queue.messages().map(|entry| entry.envelope.size).sum::<u64>(), "the octets");
}

/// Attempts in flight: at most one for a pair, at most so many messages.
pub fn attempts(queue: &Queue, ledger: &Ledger, rules: &Rules) {
    let under_way = queue.messages().filter(|entry| entry.is_under_way()).count();
    let in_flight = queue.messages().filter(|entry| !entry.open.is_empty()).count();
    let told = ledger.messages.values().filter(|promise| !promise.open.is_empty()).count();
    assert_eq!((queue.in_flight().len(), told), (under_way, in_flight), "what is in flight");
    assert!(in_flight <= rules.in_flight_max, "no more in flight than allowed");
    for entry in queue.messages() {
        let clients: BTreeSet<_> = entry.open.iter().map(|attempt| &attempt.client).collect();
        assert_eq!(clients.len(), entry.open.len(), "one attempt in flight for each client");
    }
    let clients: BTreeSet<_> = queue.clients().map(|registered| &registered.client.id).collect();
    assert_eq!(clients.len(), queue.clients().count(), "a client is registered once");
    assert!(clients.len() <= rules.clients_max, "no more clients than allowed");
}

/// A message is busy while an errand is about it, and only then.
pub fn errands(queue: &Queue) {
    let occupied: BTreeSet<MessageId> = queue.errands().filter_map(|errand| errand.task.occupies()).collect();
    for entry in queue.messages() {
        assert_eq!(entry.busy, occupied.contains(&entry.id), "busy by an errand");
        assert!(!entry.awaits_store || entry.busy, "what is to be stored has its errand");
    }
}

/// What the log tells is what the queue is.
pub fn replay_equals_live(queue: &Queue, ledger: &Ledger) {
    assert_eq!(ledger.replayed(), *queue, "replay equals the live state");
}

/// A snapshot is the state.
pub fn snapshot_equals_live(queue: &Queue) {
    assert_eq!(decode_state(&encode_state(queue)).as_ref(), Some(queue), "a snapshot brings the state back");
}

/// The next tick is never now or before: no busy loop.
pub fn ticks_lie_ahead(queue: &Queue, now: Timestamp) {
    assert!(queue.next_tick(now).is_none_or(|next| next > now), "a tick lies ahead");
    let due = queue.due(now).unwrap_or(Timestamp::MAX);
    assert!(queue.next_tick(now).is_none_or(|next| due <= next), "the due index knows it");
}

/// Everything that could be done has been done, found here by looking at everything; and whatever waits for a moment has
/// a tick by then.
pub fn nothing_left_to_do(queue: &Queue, rules: &Rules, now: Timestamp) {
    let next = queue.next_tick(now).unwrap_or(Timestamp::MAX);
    assert!(queue.first_telling().is_none(), "the policy has been asked of everything");
    let open = queue.errands().filter(|errand| errand.is_open()).count();
    let telling = queue.errands().filter(|errand| errand.is_open() && errand.task.is_out_of_band()).count();
    let due = queue.errands().any(|errand| errand.is_due(now) && !(telling > 0 && errand.task.is_out_of_band()));
    assert!(telling <= 1, "out of band one at a time");
    assert!(!due || open >= rules.errands.in_flight_max, "no errand is late");
    for registered in queue.clients() {
        assert!(registered.client.expires_at > now, "no lapsed registration stays");
        assert!(registered.client.expires_at >= next, "a lapse has its tick");
    }
    let full = queue.in_flight().len() >= rules.in_flight_max;
    for entry in queue.messages().filter(|entry| !entry.awaits_store) {
        assert!(entry.handling.is_some(), "no message is left without its handling");
        assert!(
            entry.disposed_at() > now || !entry.open.is_empty() || entry.busy,
            "no expired message stays without an attempt in flight"
        );
        assert!(entry.disposed_at() <= now || entry.disposed_at() >= next, "an expiry has its tick");
        if entry.handling == Some(Handling::Push) && entry.is_free(now) && (!full || !entry.open.is_empty()) {
            every_client_has_a_reason(queue, entry, now, next);
        }
    }
}

/// A client that does not get a message now is barred or paused, in flight, or waits for a moment that has its tick.
fn every_client_has_a_reason(queue: &Queue, entry: &Entry, now: Timestamp, next: Timestamp) {
    use crate::queue::{Bar, Pause};
    for registered in queue.clients() {
        let id = &registered.client.id;
        let in_flight = entry.open.iter().any(|attempt| attempt.client == *id);
        assert!(
            in_flight || entry.is_barred(id, now) || !registered.is_ready(now),
            "a client that is ready and may have the message gets it"
        );
        if let Pause::Until(until) = registered.reach.pause {
            assert!(until <= now || until >= next, "the end of a pause has its tick");
        }
        for (_, bar) in entry.bars.iter().filter(|(barred, _)| barred == id) {
            if let Bar::Until(until) = bar {
                assert!(*until <= now || *until >= next, "the end of a hold has its tick");
            }
        }
    }
}
