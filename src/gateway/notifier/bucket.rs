//! A token bucket: so many per second, a second's worth at once; time comes in as a value.

use crate::types::Timestamp;
use std::time::Duration;

/// A token is a thousand parts, so that a millisecond at one per second is one part.
const PARTS: u64 = 1000;

#[derive(Debug)]
pub(super) struct Bucket {
    per_second: u64,
    parts: u64,
    filled_at: Timestamp,
}

impl Bucket {
    /// Full from the start.
    pub(super) fn new(per_second: u32, now: Timestamp) -> Self {
        let per_second = u64::from(per_second.max(1));
        Self { per_second, parts: per_second * PARTS, filled_at: now }
    }

    /// Takes one, or says after how long there will be one. A clock that goes back stops the filling, no more.
    pub(super) fn take(&mut self, now: Timestamp) -> Result<(), Duration> {
        let since = now.millis().saturating_sub(self.filled_at.millis());
        self.filled_at = now;
        self.parts = self.parts.saturating_add(since.saturating_mul(self.per_second)).min(self.per_second * PARTS);
        match self.parts.checked_sub(PARTS) {
            Some(left) => {
                self.parts = left;
                Ok(())
            }
            None => Err(Duration::from_millis((PARTS - self.parts).div_ceil(self.per_second))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_s_worth_at_once_then_the_rate() {
        let mut bucket = Bucket::new(2, Timestamp(0));
        assert_eq!([0; 2].map(|_| bucket.take(Timestamp(0))), [Ok(()); 2]);
        assert_eq!(bucket.take(Timestamp(0)), Err(Duration::from_millis(500)));
        assert_eq!(bucket.take(Timestamp(100)), Err(Duration::from_millis(400)));
        assert_eq!(bucket.take(Timestamp(500)), Ok(()));
        assert_eq!(bucket.take(Timestamp(999)), Err(Duration::from_millis(1)));
        assert_eq!(bucket.take(Timestamp(1000)), Ok(()));
    }

    #[test]
    fn idleness_saves_no_more_than_a_second_s_worth() {
        let mut bucket = Bucket::new(3, Timestamp(0));
        let taken = (0..10).filter(|_| bucket.take(Timestamp(u64::MAX / 2)).is_ok()).count();
        assert_eq!(taken, 3);
    }

    #[test]
    fn a_clock_that_goes_back_gives_nothing_for_free() {
        let mut bucket = Bucket::new(1, Timestamp(10_000));
        assert_eq!(bucket.take(Timestamp(10_000)), Ok(()));
        assert_eq!(bucket.take(Timestamp(5_000)), Err(Duration::from_secs(1)));
        assert_eq!(bucket.take(Timestamp(6_000)), Ok(()));
    }
}
