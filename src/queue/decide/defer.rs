//! Defer CPM Messages (8.3.2.3): what is taken, until when, and how it will be handled.

use super::{Arrived, Env, Step, context, message_view, missed, ruling_on};
use crate::queue::command::Defer;
use crate::queue::effect::{Effect, Reply};
use crate::queue::event::{
    BodyKept, DeferralRefused, Envelope, Event, HandlingChosen, MessageDeferred, NotificationCalledFor, RefusedBy,
};
use crate::queue::question::{Admission, Handling, Hook, Question, Ruling, Verdict};
use crate::queue::state::{Entry, Queue};
use crate::types::{MessageId, Timestamp};
use std::time::Duration;

/// DEF-0 … DEF-5. The same request again gets the same answer and changes nothing.
pub(super) fn decide(queue: &Queue, defer: &Defer, ruling: Option<&Ruling<Verdict>>, env: &Env) -> Step {
    if queue.knows_origin(&defer.origin, env.now) {
        return Step::effect(Effect::Reply(Reply::Accepted));
    }
    if let Some(by) = over_quota(queue, defer, env) {
        return refuse(defer, by, 480, "Queue Full".to_owned(), Some(env.rules.retry_after_secs));
    }
    let Some(admission) = ruling_on!(ruling, Admission) else {
        return Step::Ask(question(queue, defer, env));
    };
    match &admission.verdict {
        Admission::Refuse { status, reason } => {
            refuse(defer, RefusedBy::Policy(admission.judge), *status, reason.clone(), None)
        }
        Admission::Accept { expiry_max_secs } => {
            let expires_at = expires_at(defer, (*expiry_max_secs).min(env.rules.expiry_max_secs));
            accept(defer, admission, expires_at, env)
        }
    }
}

/// Before a large message comes: whether it would be taken, as far as can be said. What is refused now is refused for good;
/// what may come is decided on again when it has come.
pub(super) fn offer(queue: &Queue, defer: &Defer, ruling: Option<&Ruling<Verdict>>, env: &Env) -> Step {
    match decide(queue, defer, ruling, env) {
        Step::Done(decision) if decision.effects == [Effect::Reply(Reply::Accepted)] => {
            Step::effect(Effect::Reply(Reply::Invited))
        }
        step => step,
    }
}

fn over_quota(queue: &Queue, defer: &Defer, env: &Env) -> Option<RefusedBy> {
    if queue.depth() >= env.rules.messages_max {
        return Some(RefusedBy::MessagesMax);
    }
    let bytes = queue.bytes().saturating_add(defer.envelope.size);
    (bytes > env.rules.bytes_max).then_some(RefusedBy::BytesMax)
}

/// DEF-5a-i: what the sender asked for if it is below the maximum; DEF-5a-ii: else the maximum. Counted from the receipt
/// of the request (I-28), never from its Date.
pub(in crate::queue) fn expiry(envelope: &Envelope, received_at: Timestamp, max_secs: u64) -> Timestamp {
    let secs = envelope.expires_asked_secs.map_or(max_secs, |asked| asked.min(max_secs));
    received_at.after(Duration::from_secs(secs))
}

fn expires_at(defer: &Defer, max_secs: u64) -> Timestamp {
    expiry(&defer.envelope, defer.received_at, max_secs)
}

fn question(queue: &Queue, defer: &Defer, env: &Env) -> Question {
    let arrived = Arrived {
        id: named(defer, env),
        received_at: defer.received_at,
        expires_at: expires_at(defer, env.rules.expiry_max_secs),
    };
    let message = arrived.view(&defer.envelope);
    Question::Admission { context: context(queue, &message, env), message }
}

/// DEF-3a: the name is ours; what came piece by piece has got it before.
fn named(defer: &Defer, env: &Env) -> MessageId {
    defer.kept.map_or_else(|| env.ids.message(), |kept| kept.id)
}

fn accept(defer: &Defer, admission: Ruling<Admission>, expires_at: Timestamp, env: &Env) -> Step {
    let message = named(defer, env);
    let deferred = MessageDeferred {
        id: message,
        envelope: defer.envelope.clone(),
        origin: defer.origin,
        received_at: defer.received_at,
        expires_at,
        admission,
    };
    let kept = defer.kept.map(|kept| Event::BodyKept(BodyKept { message, digest: kept.digest }));
    Step::Done(super::Decision {
        events: [Event::MessageDeferred(Box::new(deferred))].into_iter().chain(kept).collect(),
        effects: vec![Effect::Reply(Reply::Accepted)],
    })
}

fn refuse(defer: &Defer, by: RefusedBy, status: u16, reason: String, retry_after_secs: Option<u32>) -> Step {
    let refused =
        DeferralRefused { origin: defer.origin, size: defer.envelope.size, status, reason: reason.clone(), by };
    Step::Done(super::Decision {
        events: vec![Event::DeferralRefused(refused)],
        effects: vec![Effect::Reply(Reply::Refused { status, reason, retry_after_secs })],
    })
}

/// DEF-6: push or manage.
pub(super) fn handling(queue: &Queue, entry: &Entry, ruling: Option<&Ruling<Verdict>>, env: &Env) -> Step {
    let Some(ruling) = ruling_on!(ruling, Handling) else {
        let message = message_view(entry);
        return Step::Ask(Question::Handling { context: context(queue, &message, env), message });
    };
    let message = entry.id;
    // PUSH-N1 is a MAY, for who cannot be reached.
    let is_away = queue.clients().next().is_none();
    let call = env.rules.notify_when_pushing && ruling.verdict == Handling::Push && is_away;
    let mut events = vec![Event::HandlingChosen(HandlingChosen { message, ruling })];
    events.extend(missed(message, Hook::Handling, env));
    events.extend(call.then_some(Event::NotificationCalledFor(NotificationCalledFor { message })));
    Step::Done(super::Decision { events, effects: Vec::new() })
}
