//! What all actors share, and what they are given to do.

use crate::config;
use crate::journal::Journal;
use crate::metrics::Metrics;
use crate::net::{Endpoint, ServerKey};
use crate::pf::{RealmSettings, ReplyContext, Settings};
use crate::policy::Judges;
use crate::queue::command::Command;
use crate::types::{IdSource, SeedSecret, Timestamp};
use bytes::Bytes;
use std::fmt;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Where time comes from.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Ports and settings common to all actors.
pub struct Shared {
    pub journal: Arc<dyn Journal>,
    pub judges: Arc<dyn Judges>,
    pub metrics: Arc<Metrics>,
    pub endpoint: Endpoint,
    pub settings: Arc<Settings>,
    pub actors: config::Actors,
    pub snapshot_every: u64,
    pub clock: Clock,
    /// Users being woken at the same time.
    pub permits: Arc<Semaphore>,
}

/// One command for one user, with whatever its end needs.
#[derive(Debug)]
pub struct Job {
    pub command: Command,
    /// The body of a message to be deferred.
    pub body: Option<Bytes>,
    /// To whom the reply goes; nobody waits for a tick.
    pub answer: Option<Answer>,
}

/// Where a reply goes.
#[derive(Debug)]
pub struct Answer {
    pub key: ServerKey,
    pub context: ReplyContext,
}

impl Job {
    /// A command that nobody waits for.
    #[must_use]
    pub const fn of(command: Command) -> Self {
        Self { command, body: None, answer: None }
    }
}

impl Shared {
    /// The present moment.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// Fresh ids for one command; `None` if the system has no random bits to give.
    #[must_use]
    pub fn ids(&self) -> Option<IdSource> {
        let mut seed = [0; 16];
        getrandom::fill(&mut seed).ok()?;
        Some(IdSource::new(seed, self.secret()))
    }

    /// The secret of the data directory.
    #[must_use]
    pub fn secret(&self) -> SeedSecret {
        self.journal.secret()
    }

    /// The realm that serves this domain; a user whose realm is no longer configured is served by the first one's rules.
    #[must_use]
    pub fn realm(&self, host: &str) -> Option<Arc<RealmSettings>> {
        self.settings.realm(host).or_else(|| self.settings.home()).cloned()
    }

    /// Answers "not now": 503 with Retry-After.
    pub fn turn_away(&self, answer: Option<&Answer>) {
        if let Some(answer) = answer {
            self.endpoint.respond(answer.key, &self.settings.unavailable(&answer.context));
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shared")
    }
}
