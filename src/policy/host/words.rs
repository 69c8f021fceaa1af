//! Verdicts in words, for whoever compares two of them.

use crate::policy::mask::fit_for_log;
use crate::queue::question::{Admission, Delivery, Disposal, Handling, Notification, Question, Verdict};

/// One line; the only words of others in it are a refusal's reason.
pub fn verdict_in_words(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Admission(Admission::Accept { expiry_max_secs }) => format!("accept for at most {expiry_max_secs} s"),
        Verdict::Admission(Admission::Refuse { status, reason }) => format!("refuse with {status} {reason}"),
        Verdict::Handling(Handling::Push) => "push".to_owned(),
        Verdict::Handling(Handling::Manage) => "manage".to_owned(),
        Verdict::Delivery(Delivery::Now) => "deliver now".to_owned(),
        Verdict::Delivery(Delivery::HoldUntil(at)) => format!("hold until {at}"),
        Verdict::Delivery(Delivery::Keep) => "keep until it registers".to_owned(),
        Verdict::Expiry(Disposal::Discard) => "discard".to_owned(),
        Verdict::Expiry(Disposal::Store) => "store".to_owned(),
        Verdict::Notification(plan) => notification(*plan),
    }
}

/// The same verdict as others may see it: a policy may put anything into the reason of a refusal, so it is masked and cut
/// like a line for the log.
pub fn masked(verdict: &Verdict, question: &Question) -> Verdict {
    match verdict {
        Verdict::Admission(Admission::Refuse { status, reason }) => {
            Verdict::Admission(Admission::Refuse { status: *status, reason: fit_for_log(reason, Some(question)) })
        }
        other => other.clone(),
    }
}

fn notification(plan: Notification) -> String {
    let way = match (plan.in_band, plan.out_of_band) {
        (false, false) => return "tell nobody".to_owned(),
        (true, false) => "in-band",
        (false, true) => "out-of-band",
        (true, true) => "in-band and out-of-band",
    };
    plan.at.map_or_else(|| format!("notify {way}"), |at| format!("notify {way} at {at}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Timestamp;

    #[test]
    fn every_verdict_has_words_of_its_own() {
        let at = Timestamp(1_772_442_847_000);
        let plan = |in_band, out_of_band, at| Verdict::Notification(Notification { in_band, out_of_band, at });
        let all = [
            (Verdict::Admission(Admission::Accept { expiry_max_secs: 60 }), "accept for at most 60 s"),
            (
                Verdict::Admission(Admission::Refuse { status: 480, reason: "Not now".to_owned() }),
                "refuse with 480 Not now",
            ),
            (Verdict::Handling(Handling::Push), "push"),
            (Verdict::Handling(Handling::Manage), "manage"),
            (Verdict::Delivery(Delivery::Now), "deliver now"),
            (Verdict::Delivery(Delivery::HoldUntil(at)), "hold until 2026-03-02T09:14:07.000Z"),
            (Verdict::Delivery(Delivery::Keep), "keep until it registers"),
            (Verdict::Expiry(Disposal::Discard), "discard"),
            (Verdict::Expiry(Disposal::Store), "store"),
            (plan(false, false, None), "tell nobody"),
            (plan(true, false, None), "notify in-band"),
            (plan(false, true, Some(at)), "notify out-of-band at 2026-03-02T09:14:07.000Z"),
            (plan(true, true, None), "notify in-band and out-of-band"),
        ];
        for (verdict, words) in all {
            assert_eq!(verdict_in_words(&verdict), words);
        }
    }
}
