//! Handling Deferred CPM Messages on Expiry Time (8.3.2.3.5).

use super::{Decision, Env, Step, context, disposition, message_view, missed, ruling_on};
use crate::formats::Origin;
use crate::queue::event::{DisposalPostponed, Event, MessageDiscarded, StoreAwaited};
use crate::queue::question::{Disposal, Hook, Question, Ruling, Verdict};
use crate::queue::state::{Entry, Queue};
use std::time::Duration;

/// EXP-1, EXP-2. A message that is to be stored waits for the message store and is delivered to nobody any more.
pub(super) fn decide(queue: &Queue, entry: &Entry, ruling: Option<&Ruling<Verdict>>, env: &Env) -> Step {
    if let Some(postponed) = postponed(entry, env) {
        return Step::event(Event::DisposalPostponed(postponed));
    }
    let Some(ruling) = ruling_on!(ruling, Expiry) else {
        let message = message_view(entry);
        return Step::Ask(Question::Expiry { context: context(queue, &message, env), message });
    };
    let message = entry.id;
    let mut events: Vec<Event> = missed(message, Hook::Expiry, env).into_iter().collect();
    match ruling.verdict {
        Disposal::Discard => {
            // EXP-2a-iii.
            events.extend(disposition::negative(queue, &message, env));
            events.push(Event::MessageDiscarded(MessageDiscarded { message, ruling }));
        }
        Disposal::Store => events.push(Event::StoreAwaited(StoreAwaited { message, ruling })),
    }
    Step::Done(Decision { events, effects: Vec::new() })
}

/// What the user wants done is not discarded because it could not be looked up (spec chapter 3): it is asked again, so
/// many times, before the realm's default stands in.
fn postponed(entry: &Entry, env: &Env) -> Option<DisposalPostponed> {
    let rules = &env.rules.errands;
    let times = entry.postponed.map_or(0, |(times, _)| times);
    (env.profile.origin == Origin::Unreachable && times < rules.postponements_max).then(|| DisposalPostponed {
        message: entry.id,
        until: env.now.after(Duration::from_secs(rules.postpone_secs)),
    })
}
