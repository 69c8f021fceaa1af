//! Pushing Deferred CPM Messages (8.3.2.3.1): which message goes to which client next.

use super::{Env, Step, client_view, context, message_view, preferences, ruling_on};
use crate::queue::effect::{Effect, Send};
use crate::queue::event::{DeliveryStarted, DeliveryWithheld, Event, HistoryAwaited, Transaction};
use crate::queue::question::{Delivery, Handling, Judge, Question, Ruling, Verdict};
use crate::queue::state::{Entry, History, Queue, Registered};

/// PUSH-W1, PUSH-W2: the first message, in order of arrival, for which a client is ready; PUSH-1a for this pair.
pub(super) fn next(queue: &Queue, ruling: Option<&Ruling<Verdict>>, env: &Env) -> Step {
    let Some((entry, client)) = next_pair(queue, env) else { return Step::nothing() };
    let Some(ruling) = ruling_on!(ruling, Delivery) else {
        let message = message_view(entry);
        let context = context(queue, &message, env);
        return Step::Ask(Question::Delivery { context, message, client: client_view(client) });
    };
    match ruling.verdict {
        Delivery::HoldUntil(at) if at > env.now => withhold(entry, client, ruling),
        Delivery::Keep => withhold(entry, client, ruling),
        // A hold that is over is no hold.
        Delivery::Now | Delivery::HoldUntil(_) if is_to_be_recorded(entry, env) => {
            Step::event(Event::HistoryAwaited(HistoryAwaited { message: entry.id }))
        }
        Delivery::Now | Delivery::HoldUntil(_) => start(entry, client, ruling.judge, env),
    }
}

/// SNDP-6: before it goes out, so that it can tell its UID (SNDP-7). What is out already to another client goes on without.
fn is_to_be_recorded(entry: &Entry, env: &Env) -> bool {
    entry.history == History::None && entry.open.is_empty() && preferences(&message_view(entry), env).offline_storage
}

/// Messages wait for each other only while one is in flight: what a client may not have now does not hold up the next.
fn next_pair<'a>(queue: &'a Queue, env: &Env) -> Option<(&'a Entry, &'a Registered)> {
    if !queue.clients().any(|client| client.is_ready(env.now)) {
        return None;
    }
    if queue.in_flight().len() >= env.rules.in_flight_max {
        let in_flight = queue.in_flight().filter_map(|arrival| queue.arrived(*arrival));
        return first_pair(queue, in_flight, env);
    }
    first_pair(queue, queue.messages(), env)
}

fn first_pair<'a>(
    queue: &'a Queue,
    mut entries: impl Iterator<Item = &'a Entry>,
    env: &Env,
) -> Option<(&'a Entry, &'a Registered)> {
    entries.find_map(|entry| {
        let client = is_deliverable(entry, env).then(|| next_client(queue, entry, env))??;
        Some((entry, client))
    })
}

/// PUSH-W1; MNG-W: what is managed waits for a client to ask for it.
fn is_deliverable(entry: &Entry, env: &Env) -> bool {
    let is_wanted = entry.handling == Some(Handling::Push) || entry.requested.is_some();
    is_wanted && entry.is_free(env.now)
}

/// Never two deliveries in flight of one message to the same client.
fn next_client<'a>(queue: &'a Queue, entry: &Entry, env: &Env) -> Option<&'a Registered> {
    queue.clients().find(|registered| {
        let id = &registered.client.id;
        let is_meant = entry.handling == Some(Handling::Push) || entry.requested.as_ref() == Some(id);
        is_meant
            && registered.is_ready(env.now)
            && !entry.is_barred(id, env.now)
            && !entry.open.iter().any(|attempt| attempt.client == *id)
    })
}

fn withhold(entry: &Entry, client: &Registered, ruling: Ruling<Delivery>) -> Step {
    let client = client.client.id.clone();
    Step::event(Event::DeliveryWithheld(DeliveryWithheld { message: entry.id, client, ruling }))
}

/// PUSH-1b. The names of the transaction are in the event, so that a crash repeats it under the same names.
fn start(entry: &Entry, client: &Registered, judge: Judge, env: &Env) -> Step {
    let transaction = Transaction::named(&env.ids.call(&entry.id, entry.attempts));
    let (message, client) = (entry.id, client.client.id.clone());
    let send = Send { message, client: client.clone(), transaction: transaction.clone() };
    Step::Done(super::Decision {
        events: vec![Event::DeliveryStarted(DeliveryStarted { message, client, transaction, judge })],
        effects: vec![Effect::Send(send)],
    })
}
