//! Errands: when a try begins, what its outcome means, and after which failure it is tried again.

use super::{Decision, Env, Step, disposition};
use crate::queue::command::{ErrandEnded, Failed, Success};
use crate::queue::effect::{Effect, Perform};
use crate::queue::event::{
    Channel, DispositionSent, ErrandBegun, ErrandFailed, ErrandFailure, ErrandKind, Event, HistoryRecorded,
    HistoryWithdrawn, MessageDiscarded, MessageInterworked, MessageStored, NotificationSent, StoreCause, Transaction,
};
use crate::queue::question::{Disposal, Judge, Mode, Ruling};
use crate::queue::state::{Errand, News, Queue, Stage, Task};
use crate::types::Timestamp;
use std::time::Duration;

/// Tries of an errand that nobody waits for long: a system message, taking a record back.
const FEW_TRIES: u32 = 3;

/// The first errand whose time has come, if not too many are under way.
pub(super) fn next(queue: &Queue, env: &Env) -> Option<Step> {
    let (mut open, mut is_telling) = (0, false);
    for errand in queue.errands().filter(|errand| errand.is_open()) {
        open += 1;
        is_telling |= errand.task.is_out_of_band();
    }
    if open >= env.rules.errands.in_flight_max {
        return None;
    }
    // Out of band one at a time: when it is through, the next one has its pause.
    let may_begin = |errand: &&Errand| errand.is_due(env.now) && !(is_telling && errand.task.is_out_of_band());
    let due = queue.errands().find(may_begin)?;
    Some(match obstacle(queue, &due.task, env) {
        Some(failure) => Step::Done(Decision { events: given_up(queue, due, failure, env), effects: Vec::new() }),
        None => begin(due, env),
    })
}

fn begin(errand: &Errand, env: &Env) -> Step {
    let name = match errand.task {
        Task::Report(_) => env.ids.report(errand.id, errand.tries),
        _ => env.ids.errand(errand.id, errand.tries),
    };
    let transaction = Transaction::named(&name);
    let (kind, message) = (errand.task.kind(), errand.task.message());
    let begun = ErrandBegun { errand: errand.id, kind, message, transaction: transaction.clone() };
    Step::Done(Decision {
        events: vec![Event::ErrandBegun(begun)],
        effects: vec![Effect::Perform(Perform { errand: errand.id, transaction })],
    })
}

/// What makes it pointless to begin.
fn obstacle(queue: &Queue, task: &Task, env: &Env) -> Option<ErrandFailure> {
    match task {
        Task::Notify { channel: Channel::InBand(client), .. } if queue.client(client).is_none() => {
            Some(ErrandFailure::Moot)
        }
        Task::Notify { news: News::Waiting, .. } if queue.waiting(env.now).next().is_none() => {
            Some(ErrandFailure::Moot)
        }
        Task::Interwork { .. } if !env.rules.errands.has_isf => Some(ErrandFailure::Unconfigured),
        _ => None,
    }
}

/// The outcome of a try. That of a try which is not open any more changes nothing.
pub(super) fn ended(queue: &Queue, ended: &ErrandEnded, env: &Env) -> Step {
    let is_meant = |errand: &&Errand| match &errand.stage {
        Stage::Open { transaction, .. } => transaction.call_id == ended.call_id,
        Stage::Waiting(_) => false,
    };
    let Some(errand) = queue.errand(ended.errand).filter(is_meant) else { return Step::nothing() };
    let events = match &ended.result {
        Ok(success) => done(queue, errand, success, env),
        Err(failed) => failure(queue, errand, *failed, env),
    };
    Step::Done(Decision { events, effects: Vec::new() })
}

fn done(queue: &Queue, errand: &Errand, success: &Success, env: &Env) -> Vec<Event> {
    let id = errand.id;
    let status = match success {
        Success::Response(status) => *status,
        Success::Done | Success::Stored(_) => 200,
    };
    match (&errand.task, success) {
        (Task::Notify { channel, .. }, _) => {
            let again_at = (*channel == Channel::OutOfBand).then(|| again_at(queue, env));
            vec![Event::NotificationSent(NotificationSent { errand: id, channel: channel.clone(), again_at })]
        }
        (Task::Report(report), _) => {
            let (message, disposition) = (report.message, report.disposition);
            vec![Event::DispositionSent(DispositionSent { errand: id, message, disposition, status })]
        }
        (Task::Store { message, cause }, Success::Stored(location)) => {
            let stored = MessageStored { errand: id, message: *message, location: location.clone(), cause: *cause };
            // MNG-5x, EXP-2b-iii.
            disposition::positive(queue, message, env).into_iter().chain([Event::MessageStored(stored)]).collect()
        }
        (Task::Record { message }, Success::Stored(location)) => {
            let (message, location) = (*message, location.clone());
            vec![Event::HistoryRecorded(HistoryRecorded { errand: id, message, location })]
        }
        (Task::Withdraw { message, .. }, _) => {
            vec![Event::HistoryWithdrawn(HistoryWithdrawn { errand: id, message: *message })]
        }
        (Task::Interwork { message }, _) => {
            vec![Event::MessageInterworked(MessageInterworked { errand: id, message: *message, status })]
        }
        // A store that does not say where: as if it had refused.
        (Task::Store { .. } | Task::Record { .. }, _) => given_up(queue, errand, ErrandFailure::Refused, env),
    }
}

/// One notification out of band for each absence, then at doubling intervals (spec 1.8).
fn again_at(queue: &Queue, env: &Env) -> Timestamp {
    let rules = &env.rules.errands;
    let doubled = 1_u64.checked_shl(queue.absence().told).unwrap_or(u64::MAX);
    let secs = rules.out_of_band_again_secs.saturating_mul(doubled).min(rules.out_of_band_again_secs_max);
    env.now.after(Duration::from_secs(secs))
}

fn failure(queue: &Queue, errand: &Errand, failed: Failed, env: &Env) -> Vec<Event> {
    match retry(errand, failed, env) {
        Some(at) => vec![failed_event(errand, failed.failure, Some(at))],
        None => given_up(queue, errand, failed.failure, env),
    }
}

fn failed_event(errand: &Errand, failure: ErrandFailure, retry: Option<Timestamp>) -> Event {
    let (kind, message) = (errand.task.kind(), errand.task.message());
    Event::ErrandFailed(ErrandFailed { errand: errand.id, kind, message, failure, retry })
}

/// A message that expired and cannot be stored comes to the other end (EXP-2a): it cannot be kept for ever.
fn given_up(queue: &Queue, errand: &Errand, failure: ErrandFailure, env: &Env) -> Vec<Event> {
    let mut events = vec![failed_event(errand, failure, None)];
    if let Task::Store { message, cause: StoreCause::Expired } = errand.task {
        events.extend(disposition::negative(queue, &message, env));
        let ruling = Ruling { verdict: Disposal::Discard, judge: Judge::Native };
        events.push(Event::MessageDiscarded(MessageDiscarded { message, ruling }));
    }
    events
}

/// When it is tried again; `None` if it is given up.
fn retry(errand: &Errand, failed: Failed, env: &Env) -> Option<Timestamp> {
    let rules = &env.rules.errands;
    let is_young = |secs| env.now.since(errand.created_at) < Duration::from_secs(secs);
    let goes_on = match &errand.task {
        // The sender may be offline too (spec chapter 5).
        Task::Report(_) => !is_final(failed.failure) && is_young(rules.report_secs_max),
        Task::Store { cause: StoreCause::Expired, .. } => !is_final(failed.failure) && is_young(rules.store_secs_max),
        // A gateway that is down, or our own rate, is no reason to leave a user untold.
        Task::Notify { channel: Channel::OutOfBand, .. } => {
            !is_final(failed.failure) && is_young(rules.out_of_band_again_secs_max)
        }
        Task::Notify { .. } | Task::Withdraw { .. } => !is_final(failed.failure) && errand.tries < FEW_TRIES,
        // MNG-4, MNG-5: it stays deferred, and is in the next notification (I-19). A record is not worth waiting for.
        Task::Store { cause: StoreCause::Managed, .. } | Task::Interwork { .. } | Task::Record { .. } => false,
    };
    goes_on.then(|| env.now.after(pause(errand.tries, failed.retry_after_secs, env)))
}

/// Failures that another try cannot mend.
const fn is_final(failure: ErrandFailure) -> bool {
    match failure {
        ErrandFailure::Status(status) => !matches!(status, 408 | 430 | 480 | 486 | 500..=599),
        ErrandFailure::Refused | ErrandFailure::Unconfigured | ErrandFailure::Moot => true,
        ErrandFailure::Timeout | ErrandFailure::Transport | ErrandFailure::Congestion | ErrandFailure::Interrupted => {
            false
        }
    }
}

fn pause(tries: u32, asked_secs: Option<u32>, env: &Env) -> Duration {
    let doubled = 1_u64.checked_shl(tries.saturating_sub(1)).unwrap_or(u64::MAX);
    let secs = env.rules.backoff_min_secs.saturating_mul(doubled).max(asked_secs.unwrap_or_default().into());
    Duration::from_secs(secs.min(env.rules.backoff_max_secs))
}

/// After a restart: what a peer's transaction layer would absorb is sent again under its own names, everything else is
/// begun anew; so is a large message, whose call is gone.
pub(super) fn wake(
    queue: &Queue,
    errand: &Errand,
    resumable: Duration,
    env: &Env,
) -> Option<(Vec<Event>, Vec<Effect>)> {
    let Stage::Open { transaction, since } = &errand.stage else { return None };
    let is_absorbed = match &errand.task {
        Task::Report(_) => true,
        Task::Interwork { message } => queue.message(message).is_some_and(|entry| entry.envelope.mode == Mode::Pager),
        _ => false,
    };
    if is_absorbed && env.now.since(*since) <= resumable {
        let perform = Perform { errand: errand.id, transaction: transaction.clone() };
        return Some((Vec::new(), vec![Effect::Perform(perform)]));
    }
    Some((vec![failed_event(errand, ErrandFailure::Interrupted, Some(env.now))], Vec::new()))
}

/// Whether one more errand of this kind may wait. Each kind has its own room, so that none takes that of the others.
pub(super) fn has_room(queue: &Queue, kind: ErrandKind, env: &Env) -> bool {
    queue.errands().filter(|errand| errand.task.kind() == kind).count() < env.rules.errands.waiting_max
}
