//! All errands of a user, and how each event changes them.

use super::errand::{Errand, Gone, News, Report, Stage, Task, Telling};
use super::{Entry, Queue};
use crate::queue::event::{
    Action, Channel, DispositionOwed, ErrandBegun, ErrandFailed, ErrandId, HistoryRecorded, Location,
    ManagementRequested, MessageStored, NotificationPlanned, NotificationSent, StoreCause,
};
use crate::queue::question::{Handling, NotificationCause};
use crate::queue::state::entry::{History, Stray};
use crate::types::{MessageId, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// What is to be done for a user besides deliveries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Errands {
    /// In the order they were created.
    pub(super) all: BTreeMap<ErrandId, Errand>,
    next: ErrandId,
    /// Of which the policy has not been asked yet.
    pub(super) tellings: VecDeque<Telling>,
    pub(super) absence: Absence,
}

/// How often the user was told out of band since a client was registered last (spec 1.8, I-32).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Absence {
    pub told: u32,
    /// Not told again before this moment.
    pub again_at: Timestamp,
}

impl Errands {
    fn create(&mut self, task: Task, not_before: Timestamp, now: Timestamp) {
        let id = self.next;
        self.next += 1;
        let stage = Stage::Waiting(not_before);
        self.all.insert(id, Errand { id, task, tries: 0, created_at: now, stage });
    }

    /// Two lists of what waits, to the same client, are one.
    fn create_or_join(&mut self, channel: Channel, news: News, not_before: Timestamp, now: Timestamp) {
        let is_twin = |errand: &&mut Errand| match &errand.task {
            Task::Notify { channel: to, news: News::Waiting } => *to == channel && !errand.is_open(),
            _ => false,
        };
        match self.all.values_mut().find(is_twin).filter(|_| news == News::Waiting) {
            Some(Errand { tries: 0, stage: Stage::Waiting(at), .. }) => *at = (*at).min(not_before),
            // One that has failed keeps its pause.
            Some(_) => {}
            None => self.create(Task::Notify { channel, news }, not_before, now),
        }
    }
}

impl Queue {
    /// The errands, in the order they were created.
    pub fn errands(&self) -> impl Iterator<Item = &Errand> {
        self.errands.all.values()
    }

    /// An errand that is not done yet.
    #[must_use]
    pub fn errand(&self, id: ErrandId) -> Option<&Errand> {
        self.errands.all.get(&id)
    }

    /// The first thing of which the policy is to be asked whether the recipient is told.
    #[must_use]
    pub fn first_telling(&self) -> Option<&Telling> {
        self.errands.tellings.front()
    }

    /// How often the user was told out of band in their present absence.
    #[must_use]
    pub const fn absence(&self) -> Absence {
        self.errands.absence
    }

    /// What a client may be told of: everything that waits for it, in order of arrival. PUSH-N1 tells of messages that
    /// will be pushed, so they count as well.
    pub fn waiting(&self, now: Timestamp) -> impl Iterator<Item = &Entry> {
        self.messages().filter(move |entry| entry.handling.is_some() && entry.is_free(now))
    }

    /// The messages that wait to be managed, in order of arrival (MNG-N1f, MNG-7).
    pub fn manageable(&self, now: Timestamp) -> impl Iterator<Item = &Entry> {
        self.waiting(now).filter(|entry| entry.handling == Some(Handling::Manage))
    }

    pub(super) fn tell(&mut self, cause: NotificationCause, message: MessageId, gone: Option<Gone>) {
        self.errands.tellings.push_back(Telling { cause, message, gone: gone.map(Box::new) });
    }

    pub(super) fn management_requested(&mut self, event: &ManagementRequested, at: Timestamp) {
        if let Some(registered) = event.client.as_ref().and_then(|client| self.registered_mut(client)) {
            // It has just spoken to us, so it is worth asking.
            registered.reach = super::Reach::default();
        }
        for (message, action) in &event.items {
            match action {
                Action::Deliver => self.change(message, |entry| {
                    // Who is not registered cannot be reached, and takes nothing from who is.
                    let Some(client) = &event.client else { return };
                    entry.requested = Some(client.clone());
                    entry.declined = false;
                    entry.bars.retain(|(barred, _)| barred != client);
                }),
                Action::Store => self.occupy(Task::Store { message: *message, cause: StoreCause::Managed }, at),
                Action::Interwork => self.occupy(Task::Interwork { message: *message }, at),
                // It leaves the queue with an event of its own.
                Action::Delete => {}
            }
        }
    }

    /// Creates an errand that keeps its message busy.
    pub(super) fn occupy(&mut self, task: Task, at: Timestamp) {
        if let Some(message) = task.occupies() {
            self.change(&message, |entry| entry.busy = true);
        }
        self.errands.create(task, at, at);
    }

    pub(super) fn notification_planned(&mut self, event: &NotificationPlanned, at: Timestamp) {
        let asked = |telling: &Telling| telling.message == event.message && telling.cause == event.cause;
        let place = self.errands.tellings.iter().position(asked);
        let telling = place.and_then(|place| self.errands.tellings.remove(place));
        for channel in &event.channels {
            let gone = telling.as_ref().and_then(|telling| telling.gone.clone());
            let news = gone.map_or(News::Waiting, News::Ended);
            // Out of band not more often than the absence allows.
            let again_at = if *channel == Channel::OutOfBand { self.errands.absence.again_at } else { event.at };
            self.errands.create_or_join(channel.clone(), news, event.at.max(again_at), at);
        }
    }

    pub(super) fn notification_sent(&mut self, event: &NotificationSent) {
        self.errands.all.remove(&event.errand);
        if let Some(again_at) = event.again_at {
            let absence = &mut self.errands.absence;
            *absence = Absence { told: absence.told.saturating_add(1), again_at };
            for errand in self.errands.all.values_mut().filter(|errand| errand.task.is_out_of_band()) {
                if let Stage::Waiting(at) = &mut errand.stage {
                    *at = (*at).max(again_at);
                }
            }
        }
    }

    /// The user has gone, and may be told of it once more.
    pub(super) fn went(&mut self) {
        self.errands.absence = Absence::default();
    }

    /// The user is back: nobody needs to be told out of band, and what waits to be managed is told anew (I-34).
    pub(super) fn returned(&mut self, now: Timestamp) {
        self.errands.absence = Absence::default();
        self.errands.all.retain(|_, errand| errand.is_open() || !errand.task.is_out_of_band());
        let first = self.manageable(now).next().map(|entry| entry.id);
        if let Some(first) = first {
            self.tell(NotificationCause::Reminder, first, None);
        }
    }

    pub(super) fn disposition_owed(&mut self, event: &DispositionOwed, at: Timestamp) {
        let entry = self.message(&event.message);
        let report = entry.and_then(|entry| Report::of(entry.id, &entry.envelope, event.disposition));
        if let Some(report) = report {
            self.errands.create(Task::Report(Box::new(report)), at, at);
        }
    }

    pub(super) fn history_recorded(&mut self, event: &HistoryRecorded) {
        self.errands.all.remove(&event.errand);
        self.change(&event.message, |entry| {
            entry.busy = false;
            entry.history = History::Recorded(event.location.clone());
        });
    }

    pub(super) fn withdraw(&mut self, message: MessageId, location: Location, at: Timestamp) {
        self.occupy(Task::Withdraw { message, location }, at);
    }

    /// It is done, and its message may go on.
    pub(super) fn errand_done(&mut self, errand: ErrandId) {
        let occupied = self.errands.all.remove(&errand).and_then(|errand| errand.task.occupies());
        if let Some(message) = occupied {
            self.change(&message, |entry| entry.busy = false);
        }
    }

    pub(super) fn message_stored(&mut self, event: &MessageStored) {
        self.errands.all.remove(&event.errand);
        let gone = self.message(&event.message).map(|entry| entry.gone(Some(event.location.clone())));
        // Its record in the history is the very object that was stored.
        self.remove(&event.message);
        if event.cause == StoreCause::Expired {
            self.tell(NotificationCause::ExpiredStored, event.message, gone);
        }
    }

    pub(super) fn errand_begun(&mut self, event: &ErrandBegun, at: Timestamp) {
        if let Some(errand) = self.errands.all.get_mut(&event.errand) {
            errand.tries = errand.tries.saturating_add(1);
            errand.stage = Stage::Open { transaction: event.transaction.clone(), since: at };
        }
    }

    pub(super) fn errand_failed(&mut self, event: &ErrandFailed) {
        let Some(errand) = self.errands.all.get_mut(&event.errand) else { return };
        let (occupied, is_record) = (errand.task.occupies(), matches!(errand.task, Task::Record { .. }));
        let is_of_the_store = is_record || matches!(errand.task, Task::Store { .. } | Task::Withdraw { .. });
        match event.retry {
            Some(at) => errand.stage = Stage::Waiting(at),
            None => self.errand_done(event.errand),
        }
        let Some(message) = occupied else { return };
        self.change(&message, |entry| {
            if is_of_the_store {
                entry.stray = Stray::Perhaps;
            }
            if is_record && event.retry.is_none() {
                // A message is not held up because its history cannot be written.
                entry.history = History::Skipped;
            }
        });
    }
}
