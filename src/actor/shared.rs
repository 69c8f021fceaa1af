//! What all actors share, and what they are given to do.

use super::dialogs::Dialogs;
use super::large::Large;
use super::pace::Pace;
use super::subscriptions::{Missed, Subscriptions};
use crate::config;
use crate::gateway::notifier::Notifier;
use crate::gateway::preferences::PreferenceSource;
use crate::gateway::store::MessageStore;
use crate::journal::Journal;
use crate::metrics::Metrics;
use crate::net::{DialogKey, Endpoint, ServerKey};
use crate::pf::{self, Invitation, Management, RealmSettings, ReplyContext, Settings};
use crate::policy::Judges;
use crate::queue::command::Command;
use crate::queue::effect::Reply;
use crate::sip::reason_phrase;
use crate::types::{IdSource, SeedSecret, Timestamp};
use bytes::Bytes;
use std::fmt;
use std::sync::Arc;
use tokio::sync::{Semaphore, oneshot};

/// Where time comes from.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Ports and settings common to all actors.
pub struct Shared {
    pub journal: Arc<dyn Journal>,
    pub outside: Outside,
    pub dialogs: Dialogs,
    pub large: Large,
    pub judges: Arc<dyn Judges>,
    pub metrics: Arc<Metrics>,
    pub endpoint: Endpoint,
    pub settings: Arc<Settings>,
    pub actors: config::Actors,
    pub snapshot_every: u64,
    pub clock: Clock,
    /// Pushes begun at the same time.
    pub pace: Pace,
    /// Users being woken at the same time.
    pub permits: Arc<Semaphore>,
    /// Who follows the registration states of users.
    pub subscriptions: Subscriptions,
}

/// The outside parts, each the embedded default or a real one.
pub struct Outside {
    pub preferences: Arc<dyn PreferenceSource>,
    pub store: Arc<dyn MessageStore>,
    pub notifier: Arc<dyn Notifier>,
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
pub enum Answer {
    /// To a request.
    Wire { key: ServerKey, context: ReplyContext },
    /// To a management INVITE, which becomes a dialog if there is anything to manage.
    Invitation { key: ServerKey, management: Box<Management> },
    /// To the INVITE of a large message, which may come if the queue would take it.
    Large { key: ServerKey, invitation: Box<Invitation> },
    /// To another user of ours, or to our own who waits for a large message to be kept.
    Inside(oneshot::Sender<Reply>),
    /// Nowhere, but this dialog has come to its end when the command is done (I-13).
    HangUp(DialogKey),
    /// To a NOTIFY: who told us is to know if it was not done, for it will not be told again.
    Event { key: ServerKey, context: ReplyContext, missed: Missed },
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
    pub fn turn_away(&self, answer: Option<Answer>) {
        match answer {
            Some(Answer::Wire { key, context }) => self.endpoint.respond(key, &self.settings.unavailable(&context)),
            Some(Answer::Invitation { key, management }) => {
                self.endpoint.respond(key, &self.settings.unavailable(&management.context));
            }
            Some(Answer::Event { key, context, missed }) => {
                self.endpoint.respond(key, &self.settings.unavailable(&context));
                missed.tell();
            }
            Some(Answer::Large { key, invitation }) => {
                self.endpoint.respond(key, &self.settings.unavailable(&invitation.context));
            }
            Some(Answer::Inside(waiting)) => {
                let retry_after_secs = Some(self.settings.retry_after_secs);
                let reason = reason_phrase(503).to_owned();
                // They may have lost interest.
                drop(waiting.send(Reply::Refused { status: 503, reason, retry_after_secs }));
            }
            None => {}
            Some(Answer::HangUp(dialog)) => self.endpoint.hang_up(dialog),
        }
    }

    /// Answers as the queue said.
    pub(super) fn reply(&self, answer: Answer, reply: &Reply, now: Timestamp) {
        match answer {
            Answer::Wire { key, context } | Answer::Event { key, context, .. } => {
                self.endpoint.respond(key, &pf::reply(&self.settings, &context, reply, now));
            }
            Answer::Invitation { key, management } => self.answer_invitation(key, *management, reply, now),
            Answer::Large { key, invitation } => {
                self.endpoint.respond(key, &pf::reply(&self.settings, &invitation.context, reply, now));
            }
            // They may have lost interest.
            Answer::Inside(waiting) => drop(waiting.send(reply.clone())),
            Answer::HangUp(dialog) => self.endpoint.hang_up(dialog),
        }
    }

    /// MNG-1, MNG-2.
    fn answer_invitation(&self, key: ServerKey, management: Management, reply: &Reply, now: Timestamp) {
        let Management { user, manage, context, opening, .. } = management;
        match reply {
            Reply::Managed => {
                let dialog = self.endpoint.next_dialog();
                self.dialogs.expect(dialog, user, manage);
                self.endpoint.accept(key, dialog, &pf::accepted(&self.settings, &opening));
            }
            Reply::NothingToManage => self.endpoint.respond(key, &pf::no_messages(&self.settings, &opening)),
            other => self.endpoint.respond(key, &pf::reply(&self.settings, &context, other, now)),
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shared")
    }
}
