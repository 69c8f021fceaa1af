//! When a binding has failed so often that it is not asked any more.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Failures within a sliding window, and whether there were too many of them. Once tripped it stays so.
#[derive(Debug)]
pub(super) struct Trip {
    failures_max: u32,
    window: Duration,
    /// The moments of the latest failures, the latest last; at most `failures_max`.
    recent: Mutex<VecDeque<Duration>>,
    tripped: AtomicBool,
}

impl Trip {
    pub(super) fn new(failures_max: u32, window: Duration) -> Self {
        Self { failures_max: failures_max.max(1), window, recent: Mutex::default(), tripped: AtomicBool::new(false) }
    }

    /// One more failure; the number of failures if it is the one too many.
    pub(super) fn failed(&self, now: Duration) -> Option<u32> {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let full = |recent: &VecDeque<Duration>| recent.len() >= self.failures_max as usize;
        while full(&recent) {
            recent.pop_front();
        }
        recent.push_back(now);
        let all = full(&recent) && recent.front().is_some_and(|first| now.saturating_sub(*first) <= self.window);
        // Whoever is asked while it is being tripped does not trip it again.
        (all && !self.tripped.swap(true, Ordering::Relaxed)).then_some(self.failures_max)
    }

    /// Failures within the window that ends now.
    pub(super) fn failures(&self, now: Duration) -> u32 {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let within = recent.iter().filter(|at| now.saturating_sub(**at) <= self.window).count();
        u32::try_from(within).unwrap_or(u32::MAX)
    }

    pub(super) fn is_tripped(&self) -> bool {
        self.tripped.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn so_many_failures_within_the_window_trip_it_once() {
        let trip = Trip::new(3, 60 * SECOND);
        assert_eq!(trip.failed(SECOND), None);
        assert_eq!(trip.failed(30 * SECOND), None);
        assert!(!trip.is_tripped());
        assert_eq!(trip.failed(61 * SECOND), Some(3), "the first is just within the window");
        assert!(trip.is_tripped());
        assert_eq!(trip.failed(62 * SECOND), None);
        assert!(trip.is_tripped());
    }

    #[test]
    fn failures_that_are_far_apart_never_trip_it() {
        let trip = Trip::new(3, 60 * SECOND);
        for n in 0..100 {
            assert_eq!(trip.failed(31 * SECOND * n), None);
            assert!(trip.failures(31 * SECOND * n) <= 2);
        }
        assert!(!trip.is_tripped());
        assert_eq!(trip.failures(31 * SECOND * 200), 0);
    }

    proptest! {
        #[test]
        fn it_trips_with_the_first_failure_that_has_enough_before_it(
            failures_max in 1..8_u32,
            window in 1..50_u64,
            gaps in prop::collection::vec(0..20_u64, 1..60),
        ) {
            let trip = Trip::new(failures_max, Duration::from_secs(window));
            let (mut now, mut all, mut tripped) = (0, Vec::new(), false);
            for gap in gaps {
                now += gap;
                all.push(now);
                let within = all.iter().filter(|at| now - **at <= window).count();
                let due = within >= failures_max as usize && !tripped;
                tripped |= due;
                prop_assert_eq!(trip.failed(Duration::from_secs(now)), due.then_some(failures_max));
                prop_assert_eq!(trip.is_tripped(), tripped);
                prop_assert_eq!(trip.failures(Duration::from_secs(now)) as usize, within.min(failures_max as usize));
            }
        }
    }
}
