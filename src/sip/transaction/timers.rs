//! Timers as data: one table of durations, one queue per line of it.
//!
//! Every line has one constant duration, so what is set later is due later, and a queue is a plain FIFO: setting and
//! firing cost the same at ten and at 400,000 transactions. A timer is never cancelled; it fires into a transaction that
//! has moved on, which ignores it.

use super::slab::Handle;
use crate::types::Timestamp;
use std::collections::VecDeque;
use std::time::Duration;

/// Round-trip time estimate (RFC 3261 section 17.1.1.1).
pub const T1: Duration = Duration::from_millis(500);
/// Longest retransmission interval of a non-INVITE request.
pub const T2: Duration = Duration::from_secs(4);
/// Longest time a message stays in the network.
pub const T4: Duration = Duration::from_secs(5);
/// Timers F and J: how long a non-INVITE transaction may take, 64*T1.
pub const TRANSACTION: Duration = Duration::from_secs(32);

/// Every timer there is. INVITE's A, B, D, G, H, I (RFC 3261) and L, M (RFC 6026) will be lines of this table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timer {
    /// Client retransmission, first interval: T1 …
    E1,
    /// … doubled,
    E2,
    /// … doubled again,
    E4,
    /// … and from then on T2.
    ET2,
    /// Client gives up (section 17.1.2.2).
    F,
    /// Client absorbs late answers.
    K,
    /// Server must say 100 if nothing else was said: when the peer's Timer E has been reset to T2 (RFC 4320 section 4.1).
    Trying,
    /// Server lets go of a request nobody answered: the rest of 64*T1, when the client has given up (RFC 4320 section 4.2).
    GiveUp,
    /// Server repeats its answer (section 17.2.2).
    J,
}

const LINES: [Timer; 9] =
    [Timer::E1, Timer::E2, Timer::E4, Timer::ET2, Timer::F, Timer::K, Timer::Trying, Timer::GiveUp, Timer::J];

/// E fires after T1, 2*T1 and 4*T1 before it is reset to T2.
const TRYING: Duration = Duration::from_millis(7 * 500);

impl Timer {
    /// The duration, over an unreliable transport. Over a reliable one E, K and J are zero: the machines do not set them.
    pub(super) const fn after(self) -> Duration {
        match self {
            Self::E1 => T1,
            Self::E2 => T1.saturating_mul(2),
            Self::E4 => T1.saturating_mul(4),
            Self::ET2 => T2,
            Self::F | Self::J => TRANSACTION,
            Self::K => T4,
            Self::Trying => TRYING,
            Self::GiveUp => TRANSACTION.saturating_sub(TRYING),
        }
    }

    /// What Timer E is reset to when it fires in the Trying state: MIN(2*E, T2). `None` for other timers.
    pub(super) const fn next_e(self) -> Option<Self> {
        match self {
            Self::E1 => Some(Self::E2),
            Self::E2 => Some(Self::E4),
            Self::E4 | Self::ET2 => Some(Self::ET2),
            _ => None,
        }
    }
}

/// Timers set and not yet fired.
#[derive(Debug, Default)]
pub(super) struct Timers {
    lanes: [VecDeque<(Timestamp, Handle)>; LINES.len()],
}

impl Timers {
    pub(super) fn set(&mut self, timer: Timer, handle: Handle, now: Timestamp) {
        if let Some(lane) = self.lanes.get_mut(timer as usize) {
            lane.push_back((now.after(timer.after()), handle));
        }
    }

    /// When [`Timers::pop`] has something next.
    pub(super) fn next(&self) -> Option<Timestamp> {
        self.lanes.iter().filter_map(|lane| lane.front()).map(|(at, _)| *at).min()
    }

    /// The earliest timer that is due.
    pub(super) fn pop(&mut self, now: Timestamp) -> Option<(Timer, Handle)> {
        let due = |(timer, lane): (&Timer, &VecDeque<(Timestamp, Handle)>)| {
            lane.front().filter(|(at, _)| *at <= now).map(|(at, _)| (*at, *timer))
        };
        let (_, timer) = LINES.iter().zip(&self.lanes).filter_map(due).min_by_key(|(at, _)| *at)?;
        let (_, handle) = self.lanes.get_mut(timer as usize)?.pop_front()?;
        Some((timer, handle))
    }

    /// Keeps the queues in proportion to the `live` transactions: forgets timers of those that have ended.
    pub(super) fn prune(&mut self, live: usize, is_live: impl Fn(Handle) -> bool) {
        const SLACK: usize = 1024;
        for lane in &mut self.lanes {
            if lane.len() > 2 * live + SLACK {
                lane.retain(|(_, handle)| is_live(*handle));
            }
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.lanes.iter().map(VecDeque::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_rfc_3261s_table_4() {
        assert_eq!(TRANSACTION, 64 * T1);
        assert_eq!(LINES.map(|t| t as usize), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
        let ms = LINES.map(|t| t.after().as_millis());
        assert_eq!(ms, [500, 1000, 2000, 4000, 32_000, 5000, 3500, 28_500, 32_000]);
    }
}
