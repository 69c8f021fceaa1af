//! One user's queue as a value, and how each event changes it. Nothing here decides anything and nothing can fail.

mod entry;
mod errand;
mod errands;
mod indexes;

use super::event::{
    Client, ClientRegistered, DeliveryFailed, DeliveryStarted, DeliveryWithheld, DisposalPostponed, Event,
    HandlingChosen, MessageDeferred, MessageDelivered, MessageDiscarded, Retry, StoreAwaited, StoreCause,
    TransferFailed,
};
use super::question::{Delivery, Handling, NotificationCause};
use crate::types::{Address, ClientId, MessageId, OriginKey, Timestamp};
use errands::Errands;
use indexes::Indexes;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

pub use entry::{Attempt, Bar, Entry, History, Pause, Reach, Registered, Stray};
pub use errand::{Errand, Gone, News, Report, Stage, Task, Telling};
pub use errands::Absence;

/// How long a request of a sender is remembered, so that sending it again (64·T1, RFC 3261 section 17.2.2) is answered
/// the same even after a restart.
pub const ORIGIN_MEMORY: Duration = Duration::from_secs(64);
/// How many are remembered.
pub const ORIGINS_MAX: usize = 1024;

/// The state of one user's queue: a fold over their events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queue {
    user: Address,
    /// Registered clients, oldest registration first.
    clients: Vec<Registered>,
    /// Messages in order of arrival.
    messages: BTreeMap<Arrival, Entry>,
    next_arrival: Arrival,
    /// Octets of all bodies in the queue.
    bytes: u64,
    origins: VecDeque<(OriginKey, Timestamp)>,
    indexes: Indexes,
    errands: Errands,
}

/// The how-manieth message of this user.
pub type Arrival = u64;

impl Queue {
    /// The empty queue of a user of whom nothing is known.
    #[must_use]
    pub fn new(user: Address) -> Self {
        Self {
            user,
            clients: Vec::new(),
            messages: BTreeMap::new(),
            next_arrival: 0,
            bytes: 0,
            origins: VecDeque::new(),
            indexes: Indexes::default(),
            errands: Errands::default(),
        }
    }

    /// Whose queue this is.
    #[must_use]
    pub const fn user(&self) -> &Address {
        &self.user
    }

    /// Messages in the queue.
    #[must_use]
    pub fn depth(&self) -> u64 {
        self.messages.len() as u64
    }

    /// Octets of their bodies.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The registered clients, the latest registration first.
    pub fn clients(&self) -> impl Iterator<Item = &Registered> {
        self.clients.iter().rev()
    }

    /// A registered client.
    #[must_use]
    pub fn client(&self, id: &ClientId) -> Option<&Registered> {
        self.clients.iter().find(|registered| registered.client.id == *id)
    }

    /// The messages in order of arrival.
    pub fn messages(&self) -> impl Iterator<Item = &Entry> {
        self.messages.values()
    }

    /// A message in the queue.
    #[must_use]
    pub fn message(&self, id: &MessageId) -> Option<&Entry> {
        self.messages.get(self.indexes.by_id.get(id)?)
    }

    /// Whether this request of a sender has been accepted a moment ago.
    #[must_use]
    pub fn knows_origin(&self, origin: &OriginKey, now: Timestamp) -> bool {
        self.origins.iter().rev().any(|(known, at)| known == origin && now.since(*at) <= ORIGIN_MEMORY)
    }

    /// Messages with an attempt in flight, or about to be.
    pub fn in_flight(&self) -> impl ExactSizeIterator<Item = &Arrival> {
        self.indexes.in_flight.iter()
    }

    /// The message of this arrival.
    #[must_use]
    pub fn arrived(&self, arrival: Arrival) -> Option<&Entry> {
        self.messages.get(&arrival)
    }

    /// The first message whose handling is to be chosen.
    #[must_use]
    pub fn first_unhandled(&self) -> Option<&Entry> {
        self.arrived(*self.indexes.unhandled.first()?)
    }

    /// A message that has expired, has no attempt in flight (I-29) and is no errand's, the earliest expiry first.
    #[must_use]
    pub fn first_expired(&self, now: Timestamp) -> Option<&Entry> {
        let expired = self.indexes.by_expiry.iter().take_while(|(at, _)| *at <= now);
        expired
            .map(|(_, arrival)| arrival)
            .find_map(|a| self.arrived(*a).filter(|entry| entry.open.is_empty() && !entry.busy))
    }

    /// A client whose registration has run out.
    #[must_use]
    pub fn first_lapsed(&self, now: Timestamp) -> Option<&Client> {
        self.clients.iter().map(|registered| &registered.client).find(|client| client.expires_at <= now)
    }

    /// The next moment after `now` at which something must be done while the user is awake. What was due until `now` is
    /// done, or waits for something that is not a moment.
    #[must_use]
    pub fn next_tick(&self, now: Timestamp) -> Option<Timestamp> {
        let later = (Timestamp(now.0.saturating_add(1)), 0)..;
        let expiry = self.indexes.by_expiry.range(later.clone()).next().map(|(at, _)| *at);
        let hold = self.indexes.by_hold.range(later).next().map(|(at, _)| *at);
        let lapse = self.clients.iter().map(|registered| registered.client.expires_at);
        let retry = self.clients.iter().filter_map(|registered| match registered.reach.pause {
            Pause::Until(at) if !self.messages.is_empty() => Some(at),
            _ => None,
        });
        let errands = self.errands().filter_map(|errand| match errand.stage {
            Stage::Waiting(at) => Some(at),
            Stage::Open { .. } => None,
        });
        let pauses = lapse.chain(retry).chain(errands).filter(|at| *at > now).min();
        [expiry, hold, pauses].into_iter().flatten().min()
    }

    /// The user's entry in the due index: as [`Queue::next_tick`], but a delivery or an errand under way is due since it
    /// began, so that a restart finds it at once; and an errand that waits for its turn is due now.
    #[must_use]
    pub fn due(&self, now: Timestamp) -> Option<Timestamp> {
        let open = self.indexes.in_flight.first().and_then(|arrival| self.arrived(*arrival));
        let begun = open.and_then(|entry| entry.open.first()).map(|attempt| attempt.started_at);
        let errand = self.errands().map(|errand| match errand.stage {
            Stage::Open { since, .. } => since,
            Stage::Waiting(at) => at,
        });
        [begun, errand.min(), self.next_tick(now)].into_iter().flatten().min()
    }

    /// Folds one event in; `at` is the time of its record.
    pub fn evolve(&mut self, event: &Event, at: Timestamp) {
        match event {
            Event::ClientRegistered(event) => self.client_registered(event, at),
            Event::ClientGone(event) => self.client_gone(&event.client),
            Event::MessageDeferred(event) => self.message_deferred(event),
            Event::BodyKept(event) => self.change(&event.message, |entry| entry.digest = Some(event.digest)),
            Event::DeferralRefused(_)
            | Event::PreferencesMissed(_)
            | Event::PreferencesHeeded(_)
            | Event::DispositionForgone(_) => {}
            Event::HandlingChosen(event) => self.handling_chosen(event),
            Event::DeliveryStarted(event) => self.delivery_started(event, at),
            Event::DeliveryWithheld(event) => self.delivery_withheld(event),
            Event::MessageDelivered(event) => self.message_delivered(event),
            Event::DeliveryFailed(DeliveryFailed { message, client, retry, .. })
            | Event::TransferFailed(TransferFailed { message, client, retry, .. }) => {
                self.attempt_failed(message, client, *retry, at);
            }
            Event::MessageDiscarded(MessageDiscarded { message, .. }) => self.message_discarded(message, at),
            Event::StoreAwaited(StoreAwaited { message, .. }) => self.store_awaited(*message, at),
            Event::PreferencesChanged(_) => self.lift_all_bars(),
            Event::ManagementRequested(event) => self.management_requested(event, at),
            Event::NotificationCalledFor(event) => self.tell(NotificationCause::Deferred, event.message, None),
            Event::NotificationPlanned(event) => self.notification_planned(event, at),
            Event::NotificationSent(event) => self.notification_sent(event),
            Event::MessageInterworked(event) => {
                self.errand_done(event.errand);
                self.end(&event.message, at);
            }
            Event::ErrandBegun(event) => self.errand_begun(event, at),
            Event::ErrandFailed(event) => self.errand_failed(event),
            Event::DisposalPostponed(event) => self.disposal_postponed(event),
            Event::MessageDeleted(event) => self.end(&event.message, at),
            Event::MessageStored(event) => self.message_stored(event),
            Event::DispositionOwed(event) => self.disposition_owed(event, at),
            Event::DispositionSent(event) => self.errand_done(event.errand),
            Event::HistoryAwaited(event) => {
                self.change(&event.message, |entry| entry.history = History::Awaited);
                self.occupy(Task::Record { message: event.message }, at);
            }
            Event::HistoryRecorded(event) => self.history_recorded(event),
            Event::HistoryWithdrawn(event) => self.errand_done(event.errand),
        }
    }

    fn client_registered(&mut self, event: &ClientRegistered, at: Timestamp) {
        let new = &event.client;
        let known = self.clients.iter().position(|registered| registered.client.id == new.id);
        let old = known.map(|place| self.clients.remove(place));
        let (since, reach) = old
            .filter(|old| !event.just_registered && is_same(&old.client, new))
            .map_or((at, Reach::default()), |old| (old.since, old.reach));
        let registered = Registered { client: new.clone(), since, reach };
        match known {
            Some(place) if !event.just_registered => self.clients.insert(place, registered),
            _ => self.clients.push(registered),
        }
        if event.just_registered {
            self.lift_bars(&new.id);
            self.lift_declines();
        }
        // One that has run out and is not struck off yet counts for nothing.
        let live = self.clients.iter().filter(|registered| registered.client.expires_at > at).count();
        if event.just_registered && live <= 1 {
            self.returned(at);
        }
    }

    /// What was held for a client that is gone is asked for anew when it comes back.
    fn client_gone(&mut self, client: &ClientId) {
        self.clients.retain(|registered| registered.client.id != *client);
        self.lift_bars(client);
        if self.clients.is_empty() {
            self.went();
        }
    }

    /// PUSH-W2: whoever just registered is asked again, whatever was refused before.
    fn lift_bars(&mut self, client: &ClientId) {
        let barred = self.messages.values().filter(|entry| entry.bars.iter().any(|(id, _)| id == client));
        for id in barred.map(|entry| entry.id).collect::<Vec<_>>() {
            self.change(&id, |entry| entry.bars.retain(|(barred, _)| barred != client));
        }
    }

    fn lift_all_bars(&mut self) {
        let barred = self.messages.values().filter(|entry| !entry.bars.is_empty());
        for id in barred.map(|entry| entry.id).collect::<Vec<_>>() {
            self.change(&id, |entry| entry.bars.clear());
        }
    }

    fn lift_declines(&mut self) {
        for entry in self.messages.values_mut() {
            entry.declined = false;
        }
    }

    fn message_deferred(&mut self, event: &MessageDeferred) {
        let arrival = self.next_arrival;
        self.next_arrival += 1;
        self.bytes = self.bytes.saturating_add(event.envelope.size);
        self.remember(event.origin, event.received_at);
        let entry = Entry {
            id: event.id,
            envelope: event.envelope.clone(),
            digest: None,
            received_at: event.received_at,
            expires_at: event.expires_at,
            handling: None,
            open: Vec::new(),
            attempts: 0,
            bars: Vec::new(),
            declined: false,
            awaits_store: false,
            busy: false,
            requested: None,
            history: History::None,
            stray: Stray::None,
            postponed: None,
        };
        self.indexes.insert(arrival, &entry);
        self.messages.insert(arrival, entry);
    }

    fn remember(&mut self, origin: OriginKey, at: Timestamp) {
        self.origins.push_back((origin, at));
        let old = |(_, seen): &(OriginKey, Timestamp)| at.since(*seen) > ORIGIN_MEMORY;
        while self.origins.len() > ORIGINS_MAX || self.origins.front().is_some_and(old) {
            self.origins.pop_front();
        }
    }

    fn handling_chosen(&mut self, event: &HandlingChosen) {
        self.change(&event.message, |entry| entry.handling = Some(event.ruling.verdict));
        if event.ruling.verdict == Handling::Manage {
            self.tell(NotificationCause::Deferred, event.message, None);
        }
    }

    fn store_awaited(&mut self, message: MessageId, at: Timestamp) {
        self.change(&message, |entry| entry.awaits_store = true);
        self.occupy(Task::Store { message, cause: StoreCause::Expired }, at);
    }

    fn disposal_postponed(&mut self, event: &DisposalPostponed) {
        self.change(&event.message, |entry| {
            let times = entry.postponed.map_or(0, |(times, _)| times);
            entry.postponed = Some((times + 1, event.until));
        });
    }

    fn message_discarded(&mut self, message: &MessageId, at: Timestamp) {
        let gone = self.message(message).map(|entry| entry.gone(None));
        self.end(message, at);
        self.tell(NotificationCause::ExpiredDiscarded, *message, gone);
    }

    fn delivery_started(&mut self, event: &DeliveryStarted, at: Timestamp) {
        self.change(&event.message, |entry| {
            entry.attempts = entry.attempts.saturating_add(1);
            entry.bars.retain(|(client, _)| *client != event.client);
            entry.open.push(Attempt {
                client: event.client.clone(),
                transaction: event.transaction.clone(),
                started_at: at,
            });
        });
    }

    fn delivery_withheld(&mut self, event: &DeliveryWithheld) {
        let bar = match event.ruling.verdict {
            Delivery::HoldUntil(at) => Bar::Until(at),
            Delivery::Keep | Delivery::Now => Bar::UntilRegistered,
        };
        self.change(&event.message, |entry| {
            entry.bar(&event.client, bar);
            // MNG-6a-i: it stays, and is in the next notification.
            if bar == Bar::UntilRegistered {
                entry.requested = None;
            }
        });
    }

    fn message_delivered(&mut self, event: &MessageDelivered) {
        if let Some(registered) = self.registered_mut(&event.client) {
            registered.reach = Reach::default();
        }
        self.remove(&event.message);
    }

    fn attempt_failed(&mut self, message: &MessageId, client: &ClientId, retry: Retry, at: Timestamp) {
        // Who is not registered any more is asked anew when it comes back: there is nobody to bar.
        let is_registered = self.client(client).is_some();
        self.change(message, |entry| {
            entry.open.retain(|attempt| attempt.client != *client);
            match retry {
                Retry::PairWhenRegistered if is_registered => entry.bar(client, Bar::UntilRegistered),
                Retry::PairAt(at) if is_registered => entry.bar(client, Bar::Until(at)),
                Retry::MessageWhenRegistered => entry.declined = true,
                _ => {}
            }
            if retry != Retry::AtOnce && entry.requested.as_ref() == Some(client) {
                entry.requested = None;
            }
        });
        self.take_back_history(message, at);
        let pause = match retry {
            Retry::ClientAt(at) => Pause::Until(at),
            Retry::ClientWhenRegistered => Pause::UntilRegistered,
            Retry::AtOnce | Retry::PairWhenRegistered | Retry::MessageWhenRegistered | Retry::PairAt(_) => return,
        };
        if let Some(registered) = self.registered_mut(client) {
            registered.reach.failed(pause, at);
        }
    }

    /// SNDP-ERR-1, once no attempt is in flight any more; what was not recorded may be tried again.
    fn take_back_history(&mut self, message: &MessageId, at: Timestamp) {
        let Some(entry) = self.message(message).filter(|entry| entry.open.is_empty()) else { return };
        let location = match &entry.history {
            History::None | History::Awaited => return,
            History::Skipped => None,
            History::Recorded(location) => Some(location.clone()),
        };
        self.change(message, |entry| entry.history = History::None);
        if let Some(location) = location {
            self.withdraw(*message, location, at);
        }
    }

    fn registered_mut(&mut self, id: &ClientId) -> Option<&mut Registered> {
        self.clients.iter_mut().find(|registered| registered.client.id == *id)
    }

    /// Changes an entry and keeps the indexes true.
    fn change(&mut self, message: &MessageId, how: impl FnOnce(&mut Entry)) {
        let Some(arrival) = self.indexes.by_id.get(message).copied() else { return };
        let Some(entry) = self.messages.get_mut(&arrival) else { return };
        self.indexes.remove(arrival, entry);
        how(entry);
        self.indexes.insert(arrival, entry);
    }

    /// It leaves the queue, and undelivered, so that no record of it stays in the history (SNDP-ERR-1, I-15).
    fn end(&mut self, message: &MessageId, at: Timestamp) {
        let history = self.message(message).map(|entry| entry.history.clone());
        self.remove(message);
        if let Some(History::Recorded(location)) = history {
            self.withdraw(*message, location, at);
        }
    }

    fn remove(&mut self, message: &MessageId) {
        let Some(arrival) = self.indexes.by_id.get(message).copied() else { return };
        let Some(entry) = self.messages.remove(&arrival) else { return };
        self.indexes.remove(arrival, &entry);
        self.bytes = self.bytes.saturating_sub(entry.envelope.size);
    }
}

/// A client that moved to another address, or that began a new series of registrations (RFC 3261 section 10.2: it was
/// switched on again), is worth asking again.
fn is_same(old: &Client, new: &Client) -> bool {
    old.contact == new.contact && old.call_id == new.call_id
}

#[cfg(test)]
impl Queue {
    /// Panics unless the indexes are exactly what the messages make of them.
    pub(super) fn check_indexes(&self) {
        let mut expected = Indexes::default();
        for (arrival, entry) in &self.messages {
            assert!(*arrival < self.next_arrival, "arrival numbers are never used twice");
            expected.insert(*arrival, entry);
        }
        assert_eq!(self.indexes, expected, "the indexes follow the messages");
    }
}
