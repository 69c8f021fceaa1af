//! Telling the recipient (8.3.2.3.2 MNG-N, PUSH-N1, EXP-2a-ii, EXP-2b-ii): whether, by which way, and when.

use super::{Arrived, Env, Step, context, errand, message_view, ruling_on};
use crate::queue::event::{Channel, ErrandKind, Event, NotificationPlanned};
use crate::queue::question::{Judge, MessageView, Notification, Question, Ruling, Verdict};
use crate::queue::state::{Queue, Telling};

/// Nobody is told.
const NOBODY: Notification = Notification { in_band: false, out_of_band: false, at: None };

/// Asks the policy of the first thing that the recipient may be told.
pub(super) fn decide(queue: &Queue, telling: &Telling, ruling: Option<&Ruling<Verdict>>, env: &Env) -> Step {
    let Some(message) = telling_view(queue, telling) else {
        // It has ended meanwhile, in another way.
        return planned(queue, telling, Ruling { verdict: NOBODY, judge: Judge::Native }, env);
    };
    let Some(ruling) = ruling_on!(ruling, Notification) else {
        let context = context(queue, &message, env);
        return Step::Ask(Question::Notification { context, message, cause: telling.cause });
    };
    planned(queue, telling, ruling, env)
}

/// The message to tell of, as it is or was; `None` if it has ended in a way that is not told.
pub(in crate::queue) fn telling_view(queue: &Queue, telling: &Telling) -> Option<MessageView> {
    let Some(gone) = &telling.gone else { return queue.message(&telling.message).map(message_view) };
    let arrived = Arrived { id: gone.id, received_at: gone.received_at, expires_at: gone.expires_at };
    Some(MessageView { attempts: gone.attempts, handling: gone.handling, ..arrived.view(&gone.envelope) })
}

/// MNG-N0, MNG-N1a: a system message to each registered client; MNG-N2: out of band.
fn planned(queue: &Queue, telling: &Telling, ruling: Ruling<Notification>, env: &Env) -> Step {
    let Notification { in_band, out_of_band, at } = ruling.verdict;
    let clients = queue.clients().map(|registered| Channel::InBand(registered.client.id.clone()));
    let mut channels: Vec<Channel> = if in_band { clients.collect() } else { Vec::new() };
    let at = at.unwrap_or(env.now).max(env.now);
    if out_of_band {
        channels.push(Channel::OutOfBand);
    }
    if !errand::has_room(queue, ErrandKind::Notify, env) {
        channels.clear();
    }
    let (message, cause) = (telling.message, telling.cause);
    Step::event(Event::NotificationPlanned(NotificationPlanned { message, cause, ruling, channels, at }))
}
