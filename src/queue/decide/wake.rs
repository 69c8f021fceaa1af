//! Waking: what was in flight when the server stopped is repeated under its own names, or given up and begun anew.

use super::{Decision, Env, Step, errand};
use crate::queue::effect::{Effect, Send};
use crate::queue::event::{DeliveryFailed, DeliveryFailure, Event, Retry};
use crate::queue::question::Mode;
use crate::queue::state::{Attempt, Entry, Queue};
use std::time::Duration;

/// A client's transaction layer absorbs repeats for 64·T1 = 32 s (RFC 3261 section 17.2.2); some of it is kept for the
/// way there and its retransmissions.
const RESUMABLE: Duration = Duration::from_secs(28);

/// Resumes or gives up every attempt in flight, of deliveries and of errands.
pub(super) fn decide(queue: &Queue, env: &Env) -> Step {
    let mut decision = Decision::default();
    let open = queue.in_flight().filter_map(|arrival| queue.arrived(*arrival));
    for (entry, attempt) in open.flat_map(|entry| entry.open.iter().map(move |attempt| (entry, attempt))) {
        if is_resumable(queue, entry, attempt, env) {
            decision.effects.push(Effect::Send(Send {
                message: entry.id,
                client: attempt.client.clone(),
                transaction: attempt.transaction.clone(),
            }));
        } else {
            decision.events.push(Event::DeliveryFailed(DeliveryFailed {
                message: entry.id,
                client: attempt.client.clone(),
                failure: DeliveryFailure::Interrupted,
                retry: Retry::AtOnce,
            }));
        }
    }
    for (events, effects) in queue.errands().filter_map(|errand| errand::wake(queue, errand, RESUMABLE, env)) {
        decision.events.extend(events);
        decision.effects.extend(effects);
    }
    Step::Done(decision)
}

/// Nothing is delivered after its expiry, and nothing is sent to a client whose way we no longer know. The call of a large
/// message is gone with its connection.
fn is_resumable(queue: &Queue, entry: &Entry, attempt: &Attempt, env: &Env) -> bool {
    env.now.since(attempt.started_at) <= RESUMABLE
        && entry.envelope.mode == Mode::Pager
        && entry.expires_at > env.now
        && queue.client(&attempt.client).is_some_and(|registered| registered.client.expires_at > env.now)
}
