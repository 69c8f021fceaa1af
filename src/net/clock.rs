//! The clocks of the sip thread: one for timers, which never jumps, and one to tell the time.

use crate::types::Timestamp;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Counts on from the moment it was started, whatever happens to the machine's clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    started: Instant,
    base: Timestamp,
}

impl Clock {
    pub(super) fn start() -> Self {
        Self { started: Instant::now(), base: wall() }
    }

    /// Now, for timers.
    pub(super) fn now(&self) -> Timestamp {
        self.base.after(self.started.elapsed())
    }

    /// The instant of a moment of [`Clock::now`], rounded up so that a crowd of timers costs one wake-up.
    pub(super) fn instant(&self, at: Timestamp) -> Instant {
        const GRAIN_MS: u64 = 5;
        // A timer further away than this only makes the thread look once in vain.
        const FAR_MS: u64 = 3_600_000;
        let from_start = u64::try_from(at.since(self.base).as_millis()).unwrap_or(FAR_MS);
        let latest = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(0).saturating_add(FAR_MS);
        let rounded = from_start.min(latest).div_ceil(GRAIN_MS).saturating_mul(GRAIN_MS);
        self.started.checked_add(Duration::from_millis(rounded)).unwrap_or(self.started)
    }
}

/// What the machine's clock shows.
pub(super) fn wall() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
