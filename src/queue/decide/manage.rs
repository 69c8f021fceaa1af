//! Managing Deferred CPM Messages (8.3.2.3.2): what a client wants done with what waits for it.

use super::{Decision, Env, Step, disposition};
use crate::queue::command::Manage;
use crate::queue::effect::{Effect, Reply};
use crate::queue::event::{Action, Event, ManagementRequested, MessageDeleted};
use crate::queue::state::{Entry, Queue};
use crate::types::{ClientId, MessageId};
use std::collections::BTreeSet;

/// MNG-1, MNG-2: whether there is anything to manage (I-37). The actions begin after the ACK (I-13, I-19).
pub(super) fn inquire(queue: &Queue, manage: &Manage, env: &Env) -> Step {
    let is_alive = |entry: &Entry| !entry.awaits_store && entry.expires_at > env.now;
    let is_any = match &manage.list {
        None => queue.messages().any(is_alive),
        Some(list) => list.iter().any(|item| queue.message(&item.message).is_some_and(is_alive)),
    };
    Step::effect(Effect::Reply(if is_any { Reply::Managed } else { Reply::NothingToManage }))
}

/// MNG-3 … MNG-7. Messages that are not named stay deferred, and so do those that are gone or busy by now (I-19).
pub(super) fn decide(queue: &Queue, manage: &Manage, env: &Env) -> Step {
    let items = items(queue, manage, env);
    if items.is_empty() {
        return Step::nothing();
    }
    let client = resolve(queue, &manage.client);
    let deleted: Vec<MessageId> =
        items.iter().filter(|(_, action)| *action == Action::Delete).map(|(message, _)| *message).collect();
    let mut events = vec![Event::ManagementRequested(ManagementRequested { client, items })];
    for message in deleted {
        // MNG-3x.
        events.extend(disposition::negative(queue, &message, env));
        events.push(Event::MessageDeleted(MessageDeleted { message }));
    }
    Step::Done(Decision { events, effects: Vec::new() })
}

/// What is asked for, as far as it can be done now; no list means "deliver all" (MNG-6).
fn items(queue: &Queue, manage: &Manage, env: &Env) -> Vec<(MessageId, Action)> {
    let Some(list) = &manage.list else {
        let free = queue.messages().filter(|entry| entry.is_free(env.now));
        return free.map(|entry| (entry.id, Action::Deliver)).collect();
    };
    let mut named = BTreeSet::new();
    let list =
        list.iter().filter(|item| queue.message(&item.message).is_some_and(|entry| can_be(item.action, entry, env)));
    list.filter(|item| named.insert(item.message)).map(|item| (item.message, item.action)).collect()
}

/// What is on the wire may be delivered at any moment: only one more delivery goes with that.
fn can_be(action: Action, entry: &Entry, env: &Env) -> bool {
    entry.is_free(env.now) && (action == Action::Deliver || !entry.is_under_way())
}

/// The client that asked, as we know it: by its own name, by the contact that it registered under another name, or as the
/// nameless one that stands for all of an S-CSCF. A name that we cannot find on the only client there is was lost on the
/// way: it is the one. Of several, none is taken for another.
fn resolve(queue: &Queue, asking: &ClientId) -> Option<ClientId> {
    let clients = || queue.clients().map(|registered| &registered.client);
    let known = queue.client(asking).map(|registered| &registered.client);
    let by_contact = || clients().find(|client| client.contact == asking.0);
    let nameless = || clients().find(|client| client.is_nameless());
    let only = || clients().next().filter(|_| clients().nth(1).is_none());
    known.or_else(by_contact).or_else(nameless).or_else(only).map(|client| client.id.clone())
}
