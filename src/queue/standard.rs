//! The standard's own answers to every question: the native rule that stands in wherever no component rules.
//!
//! `policies/standard` says the same in a component; a property test holds the two together.

use super::question::{Admission, Delivery, Disposal, Handling, Notification, Question, Verdict};

/// The standard behaviour. Total: there is no question without an answer.
#[must_use]
pub fn answer(question: &Question) -> Verdict {
    let context = question.context();
    match question {
        // DEF-5a: the provider's maximum is the only limit the standard knows.
        Question::Admission { .. } => {
            Verdict::Admission(Admission::Accept { expiry_max_secs: context.expiry_max_secs })
        }
        // DEF-6a, DEF-6b; no rule at all is push (I-36).
        Question::Handling { .. } => Verdict::Handling(if context.preferences.allow_push == Some(false) {
            Handling::Manage
        } else {
            Handling::Push
        }),
        // PUSH-1a: the active user preference profile may bar the client.
        Question::Delivery { .. } => {
            Verdict::Delivery(if context.preferences.do_not_disturb { Delivery::Keep } else { Delivery::Now })
        }
        // EXP-1; shipped default is discard (spec chapter 9).
        Question::Expiry { .. } => Verdict::Expiry(context.preferences.expired.unwrap_or(Disposal::Discard)),
        Question::Notification { .. } => Verdict::Notification(notification(question)),
    }
}

/// Off in push mode, on in manage mode (I-30, MNG-N0): in-band if a client is registered, else out-of-band.
fn notification(question: &Question) -> Notification {
    let context = question.context();
    let managed = question.message().handling == Some(Handling::Manage);
    let reachable = !context.clients.is_empty();
    Notification { in_band: managed && reachable, out_of_band: managed && !reachable, at: None }
}
