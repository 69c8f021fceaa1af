//! The Subscription-State header of a NOTIFY (RFC 6665 section 4.1.3).

use crate::sip::delta_seconds;
use crate::sip::param::{Params, trim, unquoted};

/// What the notifier says of the subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubscriptionState {
    /// `active`, `pending` or a state we do not know: it lives, for so many seconds if that is said.
    Lives { expires_secs: Option<u32> },
    /// `terminated`; `retry_after_secs` says when to come again.
    Terminated { reason: Reason, retry_after_secs: Option<u32> },
}

/// Why the notifier ended a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Subscribe again at once.
    Deactivated,
    /// Subscribe again later.
    Probation,
    /// Do not subscribe again: policy.
    Rejected,
    /// It ran out; subscribe again at once if you like.
    Timeout,
    /// No permission could be had in time; subscribe again if you like.
    GiveUp,
    /// The resource is gone.
    NoResource,
    /// The state will never change (RFC 6665).
    Invariant,
    /// None given, or one that we do not know.
    Other,
}

impl SubscriptionState {
    /// Reads the value; none if it has no state.
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        let (token, params) = value.split_at(value.find(';').unwrap_or(value.len()));
        let token = trim(token);
        if token.is_empty() {
            return None;
        }
        let param = |name: &str| {
            let found = Params::new(params).filter_map(Result::ok).find(|(known, _)| known.eq_ignore_ascii_case(name));
            found.and_then(|(_, value)| value).map(unquoted)
        };
        let secs = |name| param(name).and_then(|value| delta_seconds(&value));
        if !token.eq_ignore_ascii_case("terminated") {
            return Some(Self::Lives { expires_secs: secs("expires") });
        }
        let reason = param("reason").map_or(Reason::Other, |reason| Reason::of(&reason));
        Some(Self::Terminated { reason, retry_after_secs: secs("retry-after") })
    }
}

impl Reason {
    fn of(text: &str) -> Self {
        let reasons = [
            ("deactivated", Self::Deactivated),
            ("probation", Self::Probation),
            ("rejected", Self::Rejected),
            ("timeout", Self::Timeout),
            ("giveup", Self::GiveUp),
            ("noresource", Self::NoResource),
            ("invariant", Self::Invariant),
        ];
        reasons.iter().find(|(name, _)| text.eq_ignore_ascii_case(name)).map_or(Self::Other, |(_, reason)| *reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_reasons_and_times_are_read() {
        let read = |text| SubscriptionState::parse(text).unwrap();
        assert_eq!(read("active;expires=598"), SubscriptionState::Lives { expires_secs: Some(598) });
        assert_eq!(read(" Pending ; Expires = 5 "), SubscriptionState::Lives { expires_secs: Some(5) });
        assert_eq!(read("waiting-for-godot"), SubscriptionState::Lives { expires_secs: None });
        let ended = |reason, retry_after_secs| SubscriptionState::Terminated { reason, retry_after_secs };
        assert_eq!(read("terminated;reason=probation;retry-after=7"), ended(Reason::Probation, Some(7)));
        assert_eq!(read("TERMINATED;reason=NoResource"), ended(Reason::NoResource, None));
        assert_eq!(read("terminated;reason=whim;retry-after=soon"), ended(Reason::Other, None));
        assert_eq!(SubscriptionState::parse(" ;expires=5"), None);
    }
}
