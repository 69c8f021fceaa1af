//! Idle connections, kept by user: each is logged in for one, so another's is of no use.

use super::session::Session;
use crate::types::UserKey;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::Instant;

/// Idle connections, the longest idle first. Together with those at work they are never more than the limit.
#[derive(Default)]
pub(super) struct Pool {
    idle: VecDeque<Idle>,
}

struct Idle {
    user: UserKey,
    session: Session,
    since: Instant,
}

impl Pool {
    /// The connection of this user that was used last.
    pub fn take(&mut self, user: &UserKey) -> Option<Session> {
        let at = self.idle.iter().rposition(|idle| idle.user == *user)?;
        self.idle.remove(at).map(|idle| idle.session)
    }

    pub fn put(&mut self, user: UserKey, session: Session, now: Instant) {
        self.idle.push_back(Idle { user, session, since: now });
    }

    /// Makes room: those above this number, the longest idle ones.
    pub fn above(&mut self, number: usize) -> Vec<Session> {
        let above = self.idle.len().saturating_sub(number);
        self.idle.drain(..above).map(|idle| idle.session).collect()
    }

    /// Those that have been idle for so long.
    pub fn idle_for(&mut self, limit: Duration, now: Instant) -> Vec<Session> {
        let old = self.idle.iter().take_while(|idle| now.duration_since(idle.since) >= limit).count();
        self.idle.drain(..old).map(|idle| idle.session).collect()
    }

    pub fn len(&self) -> usize {
        self.idle.len()
    }
}
