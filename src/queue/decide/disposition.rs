//! Disposition notifications that the PF owes to a sender (8.3.2.2): only if asked for, once for each message and kind.

use super::{Env, errand};
use crate::queue::event::{Disposition, DispositionForgone, DispositionOwed, ErrandKind, Event};
use crate::queue::state::{Entry, Queue};
use crate::types::MessageId;

/// MNG-5x, EXP-2b-iii: the message was put into the message store.
pub(super) fn positive(queue: &Queue, message: &MessageId, env: &Env) -> Option<Event> {
    let entry = queue.message(message)?;
    let disposition = if env.rules.errands.report_stored && asked(entry, "processing") {
        // I-17, where the operator wants it so.
        Disposition::Stored
    } else {
        asked(entry, "positive-delivery").then_some(Disposition::Delivered)?
    };
    Some(owed(queue, entry, disposition, env))
}

/// MNG-3x, EXP-2a-iii: the message will not be delivered.
pub(super) fn negative(queue: &Queue, message: &MessageId, env: &Env) -> Option<Event> {
    let entry = queue.message(message)?;
    asked(entry, "negative-delivery").then(|| owed(queue, entry, Disposition::Failed, env))
}

/// Whether the sender asked for this kind, and said by which name (RFC 5438 section 6.3).
fn asked(entry: &Entry, disposition: &str) -> bool {
    let imdn = entry.envelope.imdn.as_ref().filter(|imdn| imdn.message_id.is_some());
    imdn.is_some_and(|imdn| imdn.dispositions.iter().any(|asked| asked.eq_ignore_ascii_case(disposition)))
        && entry.envelope.return_address.is_some()
}

/// With as many owed as may be, this one is not; the log says so.
fn owed(queue: &Queue, entry: &Entry, disposition: Disposition, env: &Env) -> Event {
    let message = entry.id;
    if errand::has_room(queue, ErrandKind::Report, env) {
        Event::DispositionOwed(DispositionOwed { message, disposition })
    } else {
        Event::DispositionForgone(DispositionForgone { message, disposition })
    }
}
