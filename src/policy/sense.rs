//! Which verdicts make sense: the last gate between a component's answer and the queue.

use crate::queue::question::{Admission, Context, Delivery, Notification, Verdict};

/// Longest reason phrase, octets.
pub const REASON_BYTES_MAX: usize = 128;

/// A verdict that makes no sense, said in words for its author.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Nonsense {
    #[error("it refuses with status {0}, which is not from 400 to 699")]
    Status(u16),
    #[error("its reason phrase has {0} octets, more than {REASON_BYTES_MAX}")]
    ReasonLength(usize),
    #[error("its reason phrase has control characters")]
    ReasonCharacter,
    #[error("it accepts the message for 0 seconds; refuse it instead")]
    NoTime,
    #[error("it answers with the extension '{0}', which this version does not know")]
    Extension(String),
}

/// The verdict as the queue may have it: what is merely out of date is put right, what makes no sense is an error.
///
/// # Errors
/// [`Nonsense`] if no meaning can be found.
pub fn make_sense(verdict: Verdict, context: &Context) -> Result<Verdict, Nonsense> {
    Ok(match verdict {
        Verdict::Admission(Admission::Accept { expiry_max_secs: 0 }) => return Err(Nonsense::NoTime),
        Verdict::Admission(Admission::Accept { expiry_max_secs }) => {
            // DEF-5a: the provider's maximum stands above any policy.
            Verdict::Admission(Admission::Accept { expiry_max_secs: expiry_max_secs.min(context.expiry_max_secs) })
        }
        Verdict::Admission(Admission::Refuse { status, reason }) => {
            check_reason(status, &reason)?;
            Verdict::Admission(Admission::Refuse { status, reason })
        }
        Verdict::Delivery(Delivery::HoldUntil(at)) if at <= context.now => Verdict::Delivery(Delivery::Now),
        Verdict::Notification(plan) => {
            let told = plan.in_band || plan.out_of_band;
            Verdict::Notification(Notification { at: plan.at.filter(|at| told && *at > context.now), ..plan })
        }
        other => other,
    })
}

fn check_reason(status: u16, reason: &str) -> Result<(), Nonsense> {
    if !(400..=699).contains(&status) {
        return Err(Nonsense::Status(status));
    }
    if reason.len() > REASON_BYTES_MAX {
        return Err(Nonsense::ReasonLength(reason.len()));
    }
    if reason.chars().any(char::is_control) {
        return Err(Nonsense::ReasonCharacter);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::samples::sample_context;
    use crate::types::Timestamp;

    fn refuse(status: u16, reason: &str) -> Verdict {
        Verdict::Admission(Admission::Refuse { status, reason: reason.to_owned() })
    }

    #[test]
    fn a_refusal_has_a_final_failure_status_and_a_printable_reason() {
        let context = sample_context();
        for (status, reason) in [(400, ""), (486, "Busy Here"), (699, "Später"), (603, &"x".repeat(128))] {
            assert_eq!(make_sense(refuse(status, reason), &context), Ok(refuse(status, reason)));
        }
        for status in [0, 100, 200, 302, 399, 700, u16::MAX] {
            assert_eq!(make_sense(refuse(status, ""), &context), Err(Nonsense::Status(status)));
        }
        for reason in ["a\r\nVia: x", "a\nb", "\0", "bell\u{7}", "c1 \u{85}"] {
            assert_eq!(make_sense(refuse(480, reason), &context), Err(Nonsense::ReasonCharacter), "{reason:?}");
        }
        assert_eq!(make_sense(refuse(480, &"x".repeat(129)), &context), Err(Nonsense::ReasonLength(129)));
    }

    #[test]
    fn def_5a_no_policy_goes_above_the_providers_maximum() {
        let context = sample_context();
        let accept = |secs| Verdict::Admission(Admission::Accept { expiry_max_secs: secs });
        let max = context.expiry_max_secs;
        assert_eq!(make_sense(accept(max - 1), &context), Ok(accept(max - 1)));
        assert_eq!(make_sense(accept(u64::MAX), &context), Ok(accept(max)));
        assert_eq!(make_sense(accept(0), &context), Err(Nonsense::NoTime));
    }

    #[test]
    fn a_moment_that_is_past_means_now() {
        let context = sample_context();
        let later = Timestamp(context.now.millis() + 1);
        for past in [Timestamp(0), context.now] {
            assert_eq!(
                make_sense(Verdict::Delivery(Delivery::HoldUntil(past)), &context),
                Ok(Verdict::Delivery(Delivery::Now))
            );
        }
        let held = Verdict::Delivery(Delivery::HoldUntil(later));
        assert_eq!(make_sense(held.clone(), &context), Ok(held));
        let plan = |in_band, at| Verdict::Notification(Notification { in_band, out_of_band: false, at });
        assert_eq!(make_sense(plan(true, Some(context.now)), &context), Ok(plan(true, None)));
        assert_eq!(make_sense(plan(true, Some(later)), &context), Ok(plan(true, Some(later))));
        assert_eq!(make_sense(plan(false, Some(later)), &context), Ok(plan(false, None)));
    }
}
