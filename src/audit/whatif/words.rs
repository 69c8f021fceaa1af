//! Verdicts and how they differ, in words.

use crate::queue::question::{Admission, Delivery, Disposal, Handling, Notification, Verdict};

/// What kind of verdict it is, without its numbers.
fn class(verdict: &Verdict) -> String {
    let word = match verdict {
        Verdict::Admission(Admission::Accept { .. }) => "accept",
        Verdict::Admission(Admission::Refuse { status, .. }) => return format!("refuse {status}"),
        Verdict::Handling(Handling::Push) => "push",
        Verdict::Handling(Handling::Manage) => "manage",
        Verdict::Delivery(Delivery::Now) => "deliver now",
        Verdict::Delivery(Delivery::HoldUntil(_)) => "hold",
        Verdict::Delivery(Delivery::Keep) => "keep",
        Verdict::Expiry(Disposal::Discard) => "discard",
        Verdict::Expiry(Disposal::Store) => "store",
        Verdict::Notification(notification) => ways(notification),
    };
    word.to_owned()
}

const fn ways(notification: &Notification) -> &'static str {
    match (notification.in_band, notification.out_of_band) {
        (false, false) => "tell nobody",
        (true, false) => "notify in-band",
        (false, true) => "notify out-of-band",
        (true, true) => "notify in-band and out-of-band",
    }
}

/// How one verdict differs from another on the same question: few kinds, whatever their numbers.
pub(super) fn change(recorded: &Verdict, candidate: &Verdict) -> String {
    let (before, after) = (class(recorded), class(candidate));
    if before != after {
        return format!("{before} → {after}");
    }
    let how = match (number(recorded), number(candidate)) {
        (Some(before), Some(after)) if before < after => "longer",
        (Some(before), Some(after)) if before > after => "shorter",
        _ => "in other words",
    };
    format!("{before} → {after}, {how}")
}

/// What tells two of one class apart, the longer the greater.
fn number(verdict: &Verdict) -> Option<u64> {
    match verdict {
        Verdict::Admission(Admission::Accept { expiry_max_secs }) => Some(*expiry_max_secs),
        Verdict::Delivery(Delivery::HoldUntil(at)) => Some(at.0),
        Verdict::Notification(notification) => Some(notification.at.map_or(0, |at| at.0)),
        Verdict::Admission(Admission::Refuse { .. })
        | Verdict::Handling(_)
        | Verdict::Delivery(Delivery::Now | Delivery::Keep)
        | Verdict::Expiry(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Timestamp;

    #[test]
    fn changes_are_of_few_kinds() {
        let accept = |expiry_max_secs| Verdict::Admission(Admission::Accept { expiry_max_secs });
        let refuse = |reason: &str| Verdict::Admission(Admission::Refuse { status: 403, reason: reason.to_owned() });
        let hold = |at| Verdict::Delivery(Delivery::HoldUntil(Timestamp(at)));
        let notify = |in_band, at| {
            Verdict::Notification(Notification { in_band, out_of_band: false, at: Option::map(at, Timestamp) })
        };
        for (before, after, expected) in [
            (accept(60), refuse("No"), "accept → refuse 403"),
            (accept(60), accept(61), "accept → accept, longer"),
            (refuse("No"), refuse("Not"), "refuse 403 → refuse 403, in other words"),
            (Verdict::Handling(Handling::Push), Verdict::Handling(Handling::Manage), "push → manage"),
            (hold(5), Verdict::Delivery(Delivery::Keep), "hold → keep"),
            (hold(5), hold(4), "hold → hold, shorter"),
            (notify(false, None), notify(true, None), "tell nobody → notify in-band"),
            (notify(true, None), notify(true, Some(7)), "notify in-band → notify in-band, longer"),
        ] {
            assert_eq!(change(&before, &after), expected);
        }
    }
}
