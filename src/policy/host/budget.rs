//! A share of a processor's time: so much each second, at most a second's worth saved up.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// At most so much is saved up, in time that passes.
const SAVED_MAX: u64 = 1_000_000_000;

/// Spent by any number of threads at once. What is spent is known only afterwards, so that the last call may go beyond
/// what was left; the debt is paid before the next.
#[derive(Debug)]
pub(super) struct Budget {
    ms_per_second: u64,
    /// The moment at which everything spent is saved up again, nanoseconds since the host began.
    whole_at: AtomicU64,
}

impl Budget {
    /// Full.
    pub(super) const fn new(ms_per_second: u64) -> Self {
        let ms_per_second = if ms_per_second == 0 { 1 } else { ms_per_second };
        Self { ms_per_second, whole_at: AtomicU64::new(0) }
    }

    /// Whether anything is left at this moment.
    pub(super) fn has_some(&self, since: Duration) -> bool {
        self.whole_at.load(Ordering::Relaxed) < nanos(since).saturating_add(SAVED_MAX)
    }

    /// So much was spent.
    pub(super) fn spend(&self, since: Duration, took: Duration) {
        let cost = nanos(took).saturating_mul(1000) / self.ms_per_second;
        let more = |whole_at: u64| Some(whole_at.max(nanos(since)).saturating_add(cost));
        // The closure always gives a value: this cannot fail.
        let _ = self.whole_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn half_a_second_a_second_may_be_spent() {
        let budget = Budget::new(500);
        assert!(budget.has_some(Duration::ZERO));
        for _ in 0..49 {
            budget.spend(Duration::ZERO, 10 * MS);
        }
        assert!(budget.has_some(Duration::ZERO), "490 of 500 ms are spent");
        budget.spend(Duration::ZERO, 10 * MS);
        assert!(!budget.has_some(Duration::ZERO));
        assert!(budget.has_some(MS), "half a millisecond has come back");
    }

    #[test]
    fn no_more_than_a_second_is_saved_up() {
        let (budget, late) = (Budget::new(500), Duration::from_hours(1));
        budget.spend(late, 500 * MS);
        assert!(!budget.has_some(late));
        assert!(budget.has_some(late + 2 * MS));
    }

    #[test]
    fn a_debt_is_paid_first() {
        let budget = Budget::new(100);
        budget.spend(Duration::ZERO, 200 * MS);
        assert!(!budget.has_some(1000 * MS));
        assert!(budget.has_some(1001 * MS));
    }

    proptest! {
        #[test]
        fn whoever_spends_what_there_is_gets_the_share_and_one_call_more(
            share in 1..4000_u64, call_us in 1..20_000_u64, steps in 10..200_u64,
        ) {
            let (budget, call, step) = (Budget::new(share), Duration::from_micros(call_us), 10 * MS);
            let (mut now, mut spent) = (Duration::ZERO, Duration::ZERO);
            for _ in 0..steps {
                // At most 10,000 calls a step: enough for any share of these.
                for _ in 0..10_000 {
                    if !budget.has_some(now) {
                        break;
                    }
                    budget.spend(now, call);
                    spent += call;
                }
                now += step;
            }
            let earned = Duration::from_millis(share) + Duration::from_nanos(nanos(now) / 1000 * share);
            prop_assert!(spent <= earned + call, "{spent:?} of {earned:?}");
        }
    }
}
