//! Handling Deferred CPM Messages on Expiry Time (8.3.2.3.5).

use super::{Env, Step, context, message_view, ruling_on};
use crate::queue::event::{Event, MessageDiscarded, StoreAwaited};
use crate::queue::question::{Disposal, Question, Ruling, Verdict};
use crate::queue::state::{Entry, Queue};

/// EXP-1, EXP-2. A message that is to be stored waits for the message store and is delivered to nobody any more.
pub(super) fn decide(queue: &Queue, entry: &Entry, ruling: Option<&Ruling<Verdict>>, env: &Env) -> Step {
    let Some(ruling) = ruling_on!(ruling, Expiry) else {
        return Step::Ask(Question::Expiry { context: context(queue, env), message: message_view(entry) });
    };
    let message = entry.id;
    Step::event(match ruling.verdict {
        Disposal::Discard => Event::MessageDiscarded(MessageDiscarded { message, ruling }),
        Disposal::Store => Event::StoreAwaited(StoreAwaited { message, ruling }),
    })
}
