//! Sending a Deferred CPM Message, Pager Mode (8.3.2.3.3) or Large (8.3.2.3.4): what its outcome means for message and client.

use super::{Env, Step};
use crate::queue::command::{DeliveryEnded, Outcome};
use crate::queue::event::{
    DeliveryFailed, DeliveryFailure, Event, MessageDelivered, Retry, TransferFailed, TransferFault,
};
use crate::queue::state::{Attempt, Entry, Queue, Registered};
use std::time::Duration;

/// SNDP-OK, SNDP-ERR-2; SNDL-END-2, SNDL-ERR-2. The ending of an attempt that is not open any more changes nothing.
pub(super) fn ended(queue: &Queue, ended: &DeliveryEnded, env: &Env) -> Step {
    let is_meant = |a: &&Attempt| a.client == ended.client && a.transaction.call_id == ended.call_id;
    let entry = queue.message(&ended.message);
    let Some((entry, attempt)) = entry.and_then(|entry| Some((entry, entry.open.iter().find(is_meant)?))) else {
        return Step::nothing();
    };
    let (message, client) = (ended.message, ended.client.clone());
    if let Outcome::Response { status: status @ 200..=299, .. } = ended.outcome {
        return Step::event(Event::MessageDelivered(MessageDelivered { message, client, status }));
    }
    let retry = retry(queue, (entry, attempt), ended.outcome, env);
    Step::event(match failure(ended.outcome) {
        Failure::Delivery(failure) => Event::DeliveryFailed(DeliveryFailed { message, client, failure, retry }),
        Failure::Transfer(fault) => Event::TransferFailed(TransferFailed { message, client, fault, retry }),
    })
}

/// Before the call stood, or after.
enum Failure {
    Delivery(DeliveryFailure),
    Transfer(TransferFault),
}

const fn failure(outcome: Outcome) -> Failure {
    Failure::Delivery(match outcome {
        Outcome::Response { status, .. } => DeliveryFailure::Status(status),
        Outcome::Timeout => DeliveryFailure::Timeout,
        Outcome::Transport => DeliveryFailure::Transport,
        Outcome::Congestion => DeliveryFailure::Congestion,
        Outcome::Unsent => DeliveryFailure::Interrupted,
        Outcome::Broken(fault) => return Failure::Transfer(fault),
    })
}

/// What a failed attempt says, and of whom (spec 4.1, "Retry").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consequence {
    /// Of the client: ask it again after a pause.
    ClientPauses,
    /// Of the client: it is gone until it registers anew.
    ClientAway,
    /// Of this message at this client: another client may take it.
    PairBarred,
    /// Of this message at this client, and perhaps it is not its fault: it is tried again, but holds up no other.
    PairPauses,
    /// Of this message: the user does not want it now.
    MessageDeclined,
    /// Nothing: nobody was asked.
    Nothing,
}

/// The table of spec 4.1.
#[must_use]
pub const fn consequence(outcome: Outcome) -> Consequence {
    match outcome {
        Outcome::Timeout | Outcome::Transport | Outcome::Congestion => Consequence::ClientPauses,
        Outcome::Unsent => Consequence::Nothing,
        Outcome::Broken(fault) => broken(fault),
        Outcome::Response { status, .. } => match status {
            404 | 410 | 604 => Consequence::ClientAway,
            413 | 415 | 488 | 513 | 606 => Consequence::PairBarred,
            // Not in that table: these find fault with the request itself (RFC 3261 section 21.4), so that one message
            // they are always given for must not stop all those behind it.
            400 | 405 | 406 | 414 | 416 | 420 | 421 | 493 => Consequence::PairPauses,
            603 => Consequence::MessageDeclined,
            _ => Consequence::ClientPauses,
        },
    }
}

/// Not in that table; read as it reads the SIP statuses of the same meaning (I-39).
const fn broken(fault: TransferFault) -> Consequence {
    match fault {
        TransferFault::Answer | TransferFault::TooLarge | TransferFault::Status(413 | 415) => Consequence::PairBarred,
        TransferFault::Status(400 | 403 | 501) | TransferFault::Damaged | TransferFault::Unconfigured => {
            Consequence::PairPauses
        }
        TransferFault::NotBound | TransferFault::Status(_) | TransferFault::Unanswered | TransferFault::Closed => {
            Consequence::ClientPauses
        }
    }
}

fn retry(queue: &Queue, (entry, attempt): (&Entry, &Attempt), outcome: Outcome, env: &Env) -> Retry {
    let client = queue.client(&attempt.client);
    // A phone that was off and is back was asked before it came back: it is asked again now (PUSH-W2).
    let outdated = client.is_some_and(|registered| attempt.started_at < registered.since);
    match consequence(outcome) {
        Consequence::PairBarred => Retry::PairWhenRegistered,
        Consequence::MessageDeclined => Retry::MessageWhenRegistered,
        Consequence::PairPauses => {
            let failures = entry.attempts.saturating_sub(1);
            Retry::PairAt(env.now.after(pause(failures, outcome, env)))
        }
        Consequence::Nothing => Retry::AtOnce,
        Consequence::ClientAway | Consequence::ClientPauses if outdated => Retry::AtOnce,
        Consequence::ClientAway => Retry::ClientWhenRegistered,
        Consequence::ClientPauses => {
            let failures = client.map_or(0, |registered| failures_before(registered, env));
            Retry::ClientAt(env.now.after(pause(failures, outcome, env)))
        }
    }
}

/// Failures in a row before this one. If the client is paused already, this attempt was in flight together with the one
/// that paused it, and the two count once.
fn failures_before(registered: &Registered, env: &Env) -> u32 {
    let counted = u32::from(registered.reach.pause.holds(env.now));
    registered.reach.failures.saturating_sub(counted)
}

/// The pause doubles with every failure in a row; a Retry-After that asks for more is honoured up to the same maximum.
fn pause(failures: u32, outcome: Outcome, env: &Env) -> Duration {
    let doubled = env.rules.backoff_min_secs.saturating_mul(1_u64.checked_shl(failures).unwrap_or(u64::MAX));
    let asked = match outcome {
        Outcome::Response { retry_after_secs: Some(secs), .. } => u64::from(secs),
        _ => 0,
    };
    Duration::from_secs(doubled.max(asked).min(env.rules.backoff_max_secs))
}
