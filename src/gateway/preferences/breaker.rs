//! Leaves an XDMS alone that has failed too often: it is tried again with one request after a pause.

use super::Counters;
use crate::types::Timestamp;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// One for each XDMS. It has no clock: the moments come in.
pub(super) struct Breaker {
    state: Mutex<State>,
    failures_max: u32,
    pause: Duration,
    counters: Arc<dyn Counters>,
}

#[derive(Clone, Copy)]
enum State {
    /// Asked as usual; so many failures in a row.
    Closed { failures: u32 },
    /// Not asked until then. At that moment one request may try, and has as long again to tell.
    Open { until: Timestamp },
}

/// What the log shall say, written when no lock is held.
enum Turn {
    None,
    Opened,
    Closed,
}

impl Breaker {
    /// Opens after so many failures in a row (at least one), for this long.
    pub(super) fn new(failures_max: u32, pause: Duration, counters: Arc<dyn Counters>) -> Self {
        Self { state: Mutex::new(State::Closed { failures: 0 }), failures_max, pause, counters }
    }

    /// Whether a request may be sent now; whoever sends one must tell how it went.
    pub(super) fn admits(&self, now: Timestamp) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match *state {
            State::Closed { .. } => true,
            State::Open { until } if now < until => false,
            State::Open { .. } => {
                *state = State::Open { until: now.after(self.pause) };
                true
            }
        }
    }

    /// The XDMS answered.
    pub(super) fn succeeded(&self) {
        let was = self.set(|_| State::Closed { failures: 0 });
        if matches!(was, Turn::Closed) {
            self.counters.left_alone(false);
            tracing::info!("the XDMS answers again");
        }
    }

    /// It did not, or told of trouble of its own.
    pub(super) fn failed(&self, now: Timestamp) {
        let open = State::Open { until: now.after(self.pause) };
        let was = self.set(|state| match state {
            State::Closed { failures } if failures + 1 < self.failures_max => State::Closed { failures: failures + 1 },
            _ => open,
        });
        if matches!(was, Turn::Opened) {
            self.counters.left_alone(true);
            tracing::error!(
                failures = self.failures_max,
                pause = ?self.pause,
                "the XDMS fails: it is left alone for a while, and profiles known before or the defaults hold; see to it"
            );
        }
    }

    fn set(&self, next: impl FnOnce(State) -> State) -> Turn {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let was = *state;
        *state = next(was);
        match (was, *state) {
            (State::Closed { .. }, State::Open { .. }) => Turn::Opened,
            (State::Open { .. }, State::Closed { .. }) => Turn::Closed,
            _ => Turn::None,
        }
    }
}
