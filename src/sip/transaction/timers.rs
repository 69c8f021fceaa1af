//! Timers as data: one table of durations, one queue per line of it.
//!
//! Every line has one constant duration, so what is set later is due later, and a queue is a plain FIFO: setting and
//! firing cost the same at ten and at 400,000 transactions. A timer is never cancelled; it fires into a transaction that
//! has moved on, which ignores it.

use super::slab::Handle;
use crate::types::Timestamp;
use std::collections::VecDeque;
use std::fmt::Debug;
use std::time::Duration;

/// Round-trip time estimate (RFC 3261 section 17.1.1.1).
pub const T1: Duration = Duration::from_millis(500);
/// Longest retransmission interval of a non-INVITE request.
pub const T2: Duration = Duration::from_secs(4);
/// Longest time a message stays in the network.
pub const T4: Duration = Duration::from_secs(5);
/// Timers B, F, H and J: how long a transaction may take, 64*T1.
pub const TRANSACTION: Duration = Duration::from_secs(32);
/// How long an INVITE may ring: Timer C (RFC 3261 section 16.6), taken over for our own calls and for our own users.
pub const RINGING: Duration = Duration::from_mins(3);

/// The lines of one machine's table; a machine pays for no timer that it does not have.
pub(super) trait Line: Copy + Debug + 'static {
    /// Every line, in the order of [`Line::index`].
    const ALL: &'static [Self];

    fn index(self) -> usize;

    /// The duration, over an unreliable transport. What is zero over a reliable one, the machines do not set there.
    fn after(self) -> Duration;
}

/// The timers of non-INVITE transactions.
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

/// The timers of INVITE transactions (RFC 3261 sections 17.1.1 and 17.2.1, RFC 6026).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InviteTimer {
    /// Retransmission, of the request by Timer A and of a refusal by Timer G: T1 …
    Again1,
    /// … doubled,
    Again2,
    /// … again,
    Again4,
    /// … and again: Timer G stays here, which is T2 …
    Again8,
    /// … while Timer A goes on …
    Again16,
    /// … to its last; the next doubling would be later than Timer B.
    Again32,
    /// Client: no answer at all. Server: no ACK to a refusal.
    BorH,
    /// Client absorbs repeated refusals: at least 32 s.
    D,
    /// Client waits for more 2xx, server absorbs requests that come after its 2xx (RFC 6026 sections 7.1 and 8.4).
    LorM,
    /// Server absorbs repeated ACKs: T4.
    I,
    /// Server must say 100 (section 17.2.1).
    Trying,
    /// Client: a call that only rings. Server: a call that nobody answered.
    Ringing,
    /// Client: no final answer after our CANCEL (section 9.1).
    Cancelled,
}

/// E fires after T1, 2*T1 and 4*T1 before it is reset to T2.
const TRYING: Duration = Duration::from_millis(7 * 500);

/// An INVITE is answered with 100 unless the user does so within 200 ms.
const INVITE_TRYING: Duration = Duration::from_millis(200);

impl Line for Timer {
    const ALL: &'static [Self] =
        &[Self::E1, Self::E2, Self::E4, Self::ET2, Self::F, Self::K, Self::Trying, Self::GiveUp, Self::J];

    fn index(self) -> usize {
        self as usize
    }

    fn after(self) -> Duration {
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
}

impl Line for InviteTimer {
    const ALL: &'static [Self] = &[
        Self::Again1,
        Self::Again2,
        Self::Again4,
        Self::Again8,
        Self::Again16,
        Self::Again32,
        Self::BorH,
        Self::D,
        Self::LorM,
        Self::I,
        Self::Trying,
        Self::Ringing,
        Self::Cancelled,
    ];

    fn index(self) -> usize {
        self as usize
    }

    fn after(self) -> Duration {
        match self {
            Self::Again1 => T1,
            Self::Again2 => T1.saturating_mul(2),
            Self::Again4 => T1.saturating_mul(4),
            Self::Again8 => T2,
            Self::Again16 => T1.saturating_mul(16),
            Self::Again32 => T1.saturating_mul(32),
            Self::BorH | Self::D | Self::LorM | Self::Cancelled => TRANSACTION,
            Self::I => T4,
            Self::Trying => INVITE_TRYING,
            Self::Ringing => RINGING,
        }
    }
}

impl InviteTimer {
    /// Whether something is to be sent again.
    pub(super) const fn is_again(self) -> bool {
        (self as usize) <= Self::Again32 as usize
    }

    /// What Timer A is reset to when it fires: twice the interval. `None` when Timer B comes first, and for other timers.
    pub(super) const fn next_a(self) -> Option<Self> {
        match self {
            Self::Again1 => Some(Self::Again2),
            Self::Again2 => Some(Self::Again4),
            Self::Again4 => Some(Self::Again8),
            Self::Again8 => Some(Self::Again16),
            Self::Again16 => Some(Self::Again32),
            _ => None,
        }
    }

    /// What Timer G is reset to when it fires: MIN(2*G, T2). `None` for other timers.
    pub(super) const fn next_g(self) -> Option<Self> {
        match self {
            Self::Again1 => Some(Self::Again2),
            Self::Again2 => Some(Self::Again4),
            Self::Again4 | Self::Again8 => Some(Self::Again8),
            _ => None,
        }
    }
}

impl Timer {
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
#[derive(Debug)]
pub(super) struct Timers<L: 'static> {
    lanes: Vec<VecDeque<(Timestamp, Handle)>>,
    lines: &'static [L],
}

impl<L: Line> Timers<L> {
    pub(super) fn new() -> Self {
        Self { lanes: L::ALL.iter().map(|_| VecDeque::new()).collect(), lines: L::ALL }
    }

    pub(super) fn set(&mut self, timer: L, handle: Handle, now: Timestamp) {
        if let Some(lane) = self.lanes.get_mut(timer.index()) {
            lane.push_back((now.after(timer.after()), handle));
        }
    }

    /// When [`Timers::pop`] has something next.
    pub(super) fn next(&self) -> Option<Timestamp> {
        self.lanes.iter().filter_map(|lane| lane.front()).map(|(at, _)| *at).min()
    }

    /// The earliest timer that is due.
    pub(super) fn pop(&mut self, now: Timestamp) -> Option<(L, Handle)> {
        let due = |(timer, lane): (&L, &VecDeque<(Timestamp, Handle)>)| {
            lane.front().filter(|(at, _)| *at <= now).map(|(at, _)| (*at, *timer))
        };
        let (_, timer) = self.lines.iter().zip(&self.lanes).filter_map(due).min_by_key(|(at, _)| *at)?;
        let (_, handle) = self.lanes.get_mut(timer.index())?.pop_front()?;
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

    fn ms<L: Line>() -> Vec<u128> {
        assert!(L::ALL.iter().enumerate().all(|(at, line)| line.index() == at));
        L::ALL.iter().map(|line| line.after().as_millis()).collect()
    }

    #[test]
    fn the_tables_are_rfc_3261s_table_4() {
        assert_eq!(TRANSACTION, 64 * T1);
        assert_eq!(ms::<Timer>(), [500, 1000, 2000, 4000, 32_000, 5000, 3500, 28_500, 32_000]);
        let invite = [500, 1000, 2000, 4000, 8000, 16_000, 32_000, 32_000, 32_000, 5000, 200, 180_000, 32_000];
        assert_eq!(ms::<InviteTimer>(), invite);
    }
}
