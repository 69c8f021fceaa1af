//! The deadline of one call: processor time if it can be told, so that a thread that the system did not run is not
//! taken for a policy that does not end.

use super::ticker::TICK;
use std::time::{Duration, Instant};

/// What to do with a call at a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Look again after so many ticks.
    Go(u64),
    End,
}

/// Watches the calls of one instance. Nothing is measured before the first check, a tick after the start: nearly all
/// calls end before it and cost nothing.
#[derive(Debug)]
pub struct Watch {
    limit: Duration,
    patience: u32,
    first: Option<(Duration, Instant)>,
}

impl Watch {
    /// `limit` is what one call may take of a processor; after `patience` times as much it ends in any case.
    pub const fn new(limit: Duration, patience: u32) -> Self {
        Self { limit, patience, first: None }
    }

    /// A call begins. Returns the ticks until the first check.
    pub const fn begin(&mut self) -> u64 {
        self.first = None;
        1
    }

    /// The call is still running.
    pub fn check(&mut self) -> Decision {
        self.check_at(processor_time(), Instant::now())
    }

    fn check_at(&mut self, used: Option<Duration>, now: Instant) -> Decision {
        let Some((used_first, first)) = self.first else {
            self.first = Some((used.unwrap_or_default(), now));
            return Decision::Go(ticks(self.limit));
        };
        let wall = now.saturating_duration_since(first);
        let spent = used.map_or(wall, |used| used.saturating_sub(used_first));
        if spent >= self.limit || wall >= self.limit.saturating_mul(self.patience) {
            return Decision::End;
        }
        Decision::Go(ticks(self.limit.saturating_sub(spent)))
    }
}

fn ticks(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(TICK.as_nanos())).unwrap_or(u64::MAX).max(1)
}

/// What this thread has had of a processor; `None` where the kernel does not tell.
fn processor_time() -> Option<Duration> {
    let line = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    line.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_call_that_uses_its_time_ends() {
        let (mut watch, start) = (Watch::new(10 * MS, 10), Instant::now());
        assert_eq!(watch.begin(), 1);
        assert_eq!(watch.check_at(Some(100 * MS), start), Decision::Go(10));
        assert_eq!(watch.check_at(Some(109 * MS), start + 10 * MS), Decision::Go(1));
        assert_eq!(watch.check_at(Some(110 * MS), start + 11 * MS), Decision::End);
    }

    #[test]
    fn a_thread_that_was_not_run_has_used_nothing_but_not_for_ever() {
        let (mut watch, start) = (Watch::new(10 * MS, 10), Instant::now());
        watch.begin();
        assert_eq!(watch.check_at(Some(MS), start), Decision::Go(10));
        assert_eq!(watch.check_at(Some(MS), start + 99 * MS), Decision::Go(10));
        assert_eq!(watch.check_at(Some(MS), start + 100 * MS), Decision::End);
    }

    #[test]
    fn where_the_kernel_does_not_tell_the_wall_clock_counts() {
        let (mut watch, start) = (Watch::new(10 * MS, 10), Instant::now());
        watch.begin();
        assert_eq!(watch.check_at(None, start), Decision::Go(10));
        assert_eq!(watch.check_at(None, start + 10 * MS), Decision::End);
    }
}
