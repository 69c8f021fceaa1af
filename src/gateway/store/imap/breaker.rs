//! Leaving a server alone that failed several times in a row, for longer and longer: it costs nothing while it is down.

use std::time::Duration;
use tokio::time::Instant;

/// Failures in a row, and until when nothing is asked.
#[derive(Debug)]
pub(super) struct Breaker {
    failures_max: u32,
    rest_min: Duration,
    rest_max: Duration,
    failures: u32,
    /// The rest that comes next.
    rest: Duration,
    until: Option<Instant>,
    /// One request has gone ahead after a rest.
    trying: bool,
}

impl Breaker {
    pub const fn new(failures_max: u32, rest_min: Duration, rest_max: Duration) -> Self {
        Self { failures_max, rest_min, rest_max, failures: 0, rest: rest_min, until: None, trying: false }
    }

    /// Whether something may be asked now. After a rest one request goes ahead, and the others wait for its outcome, a
    /// rest more at most.
    ///
    /// # Errors
    /// How long the rest still is.
    pub fn admit(&mut self, now: Instant) -> Result<(), Duration> {
        match self.until {
            Some(until) if now < until => Err(until - now),
            Some(_) => {
                self.until = Some(now + self.rest);
                self.trying = true;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// The server answered; tells whether it had been left alone.
    pub const fn answered(&mut self) -> bool {
        self.failures = 0;
        self.rest = self.rest_min;
        self.trying = false;
        self.until.take().is_some()
    }

    /// The server failed; tells for how long it is left alone from now on, if this begins a rest.
    pub fn failed(&mut self, now: Instant) -> Option<Duration> {
        self.failures = self.failures.saturating_add(1);
        // What was under way when the rest began says nothing new.
        let is_late = !self.trying && self.until.is_some_and(|until| now < until);
        if self.failures < self.failures_max || is_late {
            return None;
        }
        self.trying = false;
        let rest = self.rest;
        self.until = Some(now + rest);
        self.rest = (rest * 2).min(self.rest_max);
        Some(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn after_failures_in_a_row_the_server_rests_longer_and_longer_until_it_answers() {
        let mut breaker = Breaker::new(3, SECOND, 3 * SECOND);
        let start = Instant::now();
        assert_eq!((breaker.failed(start), breaker.failed(start)), (None, None));
        assert_eq!(breaker.admit(start), Ok(()));
        assert_eq!(breaker.failed(start), Some(SECOND));
        assert_eq!(breaker.admit(start), Err(SECOND));
        let later = start + SECOND;
        assert_eq!(breaker.admit(later), Ok(()), "one goes ahead");
        assert!(breaker.admit(later).is_err(), "the others wait for it");
        assert_eq!(breaker.failed(later), Some(2 * SECOND));
        assert_eq!(breaker.failed(later), None, "those that were under way do not count");
        let later = later + 2 * SECOND;
        assert_eq!(breaker.admit(later), Ok(()));
        assert_eq!(breaker.failed(later), Some(3 * SECOND), "up to the longest");
        assert!(breaker.answered(), "it was resting");
        assert_eq!(breaker.admit(later), Ok(()));
        assert_eq!(breaker.failed(later), None, "and the counting begins anew");
    }
}
