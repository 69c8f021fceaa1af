//! The question behind a stored decision, rebuilt from the state before it and the record that it is in.
//!
//! Questions are not stored: all that they were made from is. So any policy can be asked later what it would have said,
//! and what was said can be held against it.

use super::decide::{self, Arrived, Rules, client_view, context_with, message_view, telling_view};
use super::event::{DeliveryStarted, DeliveryWithheld, Event, MessageDeferred, NotificationPlanned, RefusedBy};
use super::question::{
    Admission, Context, Delivery, Disposal, Handling, Hook, Judge, MessageView, Notification, Preferences, Question,
    Ruling, Verdict,
};
use super::state::Queue;
use crate::types::{ClientId, MessageId, Timestamp};

/// A question of the past, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recalled {
    pub question: Question,
    /// As it is stored; of a delivery that began, "now", also if it was a hold that was over.
    pub verdict: Verdict,
    pub judge: Judge,
}

/// What an event tells of a question.
// A memory lives for one question and is never kept in numbers.
#[allow(clippy::large_enum_variant)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Memory {
    /// No question led to it.
    Unasked,
    Asked(Recalled),
    /// A question did, and it cannot be had again.
    Lost(Loss),
}

/// Why a question cannot be had again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Loss {
    /// The policy refused the message (an admission), and what is not taken is not kept.
    Refused,
    /// The message was recorded in the history before its delivery (SNDP-6): who said "now", and of which client, is told
    /// only by the delivery that follows, for which the same question is asked again.
    Recorded,
    /// The state does not go with the event: the record is of another program, or damaged.
    Unfit,
}

impl Loss {
    /// The decision that it was about; not known of a record that does not fit.
    #[must_use]
    pub const fn hook(self) -> Option<Hook> {
        match self {
            Self::Refused => Some(Hook::Admission),
            Self::Recorded => Some(Hook::Delivery),
            Self::Unfit => None,
        }
    }
}

/// A verdict as far as it has an effect: of two that come to the same, the same.
#[must_use]
pub fn effective(question: &Question, verdict: &Verdict) -> Verdict {
    let (context, message) = (question.context(), question.message());
    match verdict {
        Verdict::Admission(Admission::Accept { expiry_max_secs }) => {
            // DEF-5a: the shortest of what was asked for, the provider's maximum and the policy's.
            let asked = message.expires_asked_secs.unwrap_or(u64::MAX);
            let expiry_max_secs = asked.min(context.expiry_max_secs).min(*expiry_max_secs);
            Verdict::Admission(Admission::Accept { expiry_max_secs })
        }
        Verdict::Delivery(Delivery::HoldUntil(at)) if *at <= context.now => Verdict::Delivery(Delivery::Now),
        Verdict::Notification(Notification { in_band, out_of_band, at }) => {
            let at = at.filter(|at| *at > context.now && (*in_band || *out_of_band));
            Verdict::Notification(Notification { in_band: *in_band, out_of_band: *out_of_band, at })
        }
        other => other.clone(),
    }
}

/// What the event at this place of a record tells of a question. `queue` is the state right before that event, `now` the
/// time of the record, `rules` those of the user's realm.
///
/// Exact, if the realm's longest expiry is what it was, and if the record was written by a program that tells preferences
/// ([`Event::PreferencesHeeded`]); before that, they are taken to have said nothing.
#[must_use]
pub fn recall(queue: &Queue, record: &[Event], at: usize, now: Timestamp, rules: &Rules) -> Memory {
    let Some((before, event)) = record.get(..at).zip(record.get(at)) else { return Memory::Unasked };
    let past = Past { queue, before, now, rules };
    match event {
        Event::MessageDeferred(event) => past.admission(event),
        Event::DeferralRefused(event) => match event.by {
            RefusedBy::Policy(_) => Memory::Lost(Loss::Refused),
            RefusedBy::MessagesMax | RefusedBy::BytesMax => Memory::Unasked,
        },
        Event::HandlingChosen(event) => past.handling(event.message, &event.ruling),
        Event::DeliveryStarted(DeliveryStarted { message, client, judge, .. }) => {
            past.delivery(*message, client, &Ruling { verdict: Delivery::Now, judge: *judge })
        }
        Event::DeliveryWithheld(DeliveryWithheld { message, client, ruling }) => {
            past.delivery(*message, client, ruling)
        }
        Event::HistoryAwaited(_) => Memory::Lost(Loss::Recorded),
        Event::MessageDiscarded(event) => past.expiry(event.message, &event.ruling),
        Event::StoreAwaited(event) => past.expiry(event.message, &event.ruling),
        Event::NotificationPlanned(event) => past.notification(event),
        _ => Memory::Unasked,
    }
}

/// Where the question was asked.
struct Past<'a> {
    queue: &'a Queue,
    /// The events of the record before the one in question.
    before: &'a [Event],
    now: Timestamp,
    rules: &'a Rules,
}

impl Past<'_> {
    fn context(&self, message: MessageId, decision: Hook) -> Context {
        let told = self.before.iter().rev().find_map(|event| match event {
            Event::PreferencesHeeded(heeded) if heeded.message == message && heeded.decision == decision => {
                Some(heeded.preferences.clone())
            }
            _ => None,
        });
        context_with(self.queue, told.unwrap_or_else(Preferences::default), self.now, self.rules)
    }

    fn message(&self, message: &MessageId) -> Option<MessageView> {
        self.queue.message(message).map(message_view)
    }

    fn admission(&self, event: &MessageDeferred) -> Memory {
        let expires_at = decide::expiry(&event.envelope, event.received_at, self.rules.expiry_max_secs);
        let arrived = Arrived { id: event.id, received_at: event.received_at, expires_at };
        let message = arrived.view(&event.envelope);
        let context = self.context(event.id, Hook::Admission);
        let ruling: &Ruling<Admission> = &event.admission;
        asked(Question::Admission { context, message }, Verdict::Admission(ruling.verdict.clone()), ruling.judge)
    }

    fn handling(&self, id: MessageId, ruling: &Ruling<Handling>) -> Memory {
        let Some(message) = self.message(&id) else { return Memory::Lost(Loss::Unfit) };
        let context = self.context(id, Hook::Handling);
        asked(Question::Handling { context, message }, Verdict::Handling(ruling.verdict), ruling.judge)
    }

    fn delivery(&self, id: MessageId, client: &ClientId, ruling: &Ruling<Delivery>) -> Memory {
        let (Some(message), Some(registered)) = (self.message(&id), self.queue.client(client)) else {
            return Memory::Lost(Loss::Unfit);
        };
        let context = self.context(id, Hook::Delivery);
        let question = Question::Delivery { context, message, client: client_view(registered) };
        asked(question, Verdict::Delivery(ruling.verdict), ruling.judge)
    }

    /// What could not be stored is discarded in the end, and nobody is asked again.
    fn expiry(&self, id: MessageId, ruling: &Ruling<Disposal>) -> Memory {
        let Some(entry) = self.queue.message(&id) else { return Memory::Lost(Loss::Unfit) };
        if entry.awaits_store {
            return Memory::Unasked;
        }
        let (message, context) = (message_view(entry), self.context(id, Hook::Expiry));
        asked(Question::Expiry { context, message }, Verdict::Expiry(ruling.verdict), ruling.judge)
    }

    fn notification(&self, event: &NotificationPlanned) -> Memory {
        let is_meant = |told: &&super::Telling| told.message == event.message && told.cause == event.cause;
        let Some(telling) = self.queue.first_telling().filter(is_meant) else { return Memory::Lost(Loss::Unfit) };
        // It had ended meanwhile, in another way: nobody was asked.
        let Some(message) = telling_view(self.queue, telling) else { return Memory::Unasked };
        let context = self.context(message.id, Hook::Notification);
        let question = Question::Notification { context, message, cause: event.cause };
        asked(question, Verdict::Notification(event.ruling.verdict), event.ruling.judge)
    }
}

fn asked(question: Question, verdict: Verdict, judge: Judge) -> Memory {
    Memory::Asked(Recalled { question, verdict, judge })
}
