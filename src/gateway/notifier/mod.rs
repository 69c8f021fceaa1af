//! The out-of-band notifier: who is told that messages wait while no client of theirs is registered.
//!
//! One port and three ways behind it: an outbox that the operator's gateway empties ([`Outbox`]), a webhook
//! ([`Webhook`]) and an SMSC ([`Smpp`]); [`Notifiers`] chooses by realm and keeps the overall rate. Each call is one
//! try: when to try again, and how often a user is told at all (spec 1.8, I-32), is the queue's affair.

mod bucket;
mod counters;
mod notifiers;
mod outbox;
mod smpp;
mod webhook;
mod wire;

pub use counters::{Counters, Limit, Outcome, Uncounted};
pub use notifiers::{Clock, Notifiers, SetupError};
pub use outbox::{Outbox, OutboxError, Page};
pub use smpp::{Smpp, SmppSetupError};
pub use webhook::{Webhook, WebhookSetupError};

use crate::queue::question::NotificationCause;
use crate::types::{Address, Timestamp};
use futures_util::future::BoxFuture;
use std::fmt;
use std::time::Duration;

/// Something that a user is to be told while no client of theirs is registered (PUSH-N1, MNG-N2, EXP-2a-ii, EXP-2b-ii).
#[derive(Clone, PartialEq, Eq)]
pub struct Notice {
    /// Unique, and the same whenever this notice is tried again.
    pub id: String,
    pub user: Address,
    /// The realm that serves the user.
    pub realm: String,
    pub cause: NotificationCause,
    /// When it was decided.
    pub at: Timestamp,
    /// How many messages it is about; `messages` may hold fewer.
    pub total: u64,
    /// The messages, the oldest first, as many as are described.
    pub messages: Vec<NoticeMessage>,
}

/// A message that a notice is about.
#[derive(Clone, PartialEq, Eq)]
pub struct NoticeMessage {
    /// The message-URI-ID.
    pub uri: String,
    /// Octets of the body.
    pub size: u64,
    pub received_at: Timestamp,
    pub expires_at: Timestamp,
    /// `None` if the sender asked for anonymity or is not known.
    pub sender: Option<String>,
    pub subject: Option<String>,
    /// Its UID in the message store, if it was put there.
    pub stored_uid: Option<u32>,
}

/// One way of telling users.
pub trait Notifier: Send + Sync {
    /// Tries once. `Ok` means that the outside part has taken the notice over: it need not be repeated.
    ///
    /// On a tokio runtime; dropping the future does not undo what has happened.
    fn notify(&self, notice: Notice) -> BoxFuture<'static, Result<(), NotifyError>>;
}

/// Why a notice was not taken over. No text names a user.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotifyError {
    /// A limit of ours ([`Limit`]): nothing was tried.
    #[error("the limit {} is reached; try again in {after:?}", limit.key())]
    Busy { limit: Limit, after: Duration },
    /// The outside part cannot be reached, does not answer, or asks for patience. It may have taken it all the same.
    #[error("it could not be handed over: {cause}; try again{}", soon(*.after))]
    Later {
        cause: String,
        /// What the outside part asked for.
        after: Option<Duration>,
    },
    /// Trying again is of no use.
    #[error("it was refused for good: {cause}")]
    Refused { cause: String },
}

fn soon(after: Option<Duration>) -> String {
    after.map(|after| format!(" in {after:?}")).unwrap_or_default()
}

impl NotifyError {
    /// Whether trying again is of no use.
    pub const fn is_final(&self) -> bool {
        matches!(self, Self::Refused { .. })
    }

    /// The shortest pause before the next try that makes sense, if that is known.
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Busy { after, .. } => Some(*after),
            Self::Later { after, .. } => *after,
            Self::Refused { .. } => None,
        }
    }
}

impl fmt::Debug for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, user, cause, total, .. } = self;
        write!(f, "Notice({id}, {cause:?}, {total} messages for {})", user.key())
    }
}

impl fmt::Debug for NoticeMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NoticeMessage({} octets, stored as {:?})", self.size, self.stored_uid)
    }
}

#[cfg(test)]
mod tests;
