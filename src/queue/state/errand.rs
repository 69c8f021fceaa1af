//! An errand: something to do for a user that takes time and may fail; and what it needs to know when its message is gone.

use crate::queue::event::{
    Channel, Disposition, Envelope, ErrandId, ErrandKind, Imdn, KeptName, Location, StoreCause, Transaction,
};
use crate::queue::question::{Handling, NotificationCause};
use crate::types::{MessageId, Octets, Timestamp};
use serde::{Deserialize, Serialize};

/// Something to do, from the event that calls for it until it is done or given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Errand {
    pub id: ErrandId,
    pub task: Task,
    /// Tries begun so far.
    pub tries: u32,
    pub created_at: Timestamp,
    pub stage: Stage,
}

/// Where an errand stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// Not before this moment.
    Waiting(Timestamp),
    /// A try is under way.
    Open { transaction: Transaction, since: Timestamp },
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Task {
    /// Tell the recipient.
    Notify { channel: Channel, news: News },
    /// Tell the sender (RFC 5438).
    Report(Box<Report>),
    /// Put the message into the message store, and take it out of the queue.
    Store { message: MessageId, cause: StoreCause },
    /// Record it in the conversation history, before a push.
    Record { message: MessageId },
    /// Take a record back.
    Withdraw { message: MessageId, location: Location },
    /// Send it to the ISF.
    Interwork { message: MessageId },
}

/// What the recipient is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum News {
    /// What waits to be managed, as it is when it is told (MNG-N1f, MNG-7).
    Waiting,
    /// That a message has expired (EXP-2a-ii, EXP-2b-ii).
    Ended(Box<Gone>),
}

/// A message that is not in the queue any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gone {
    pub id: MessageId,
    pub envelope: Envelope,
    pub received_at: Timestamp,
    pub expires_at: Timestamp,
    pub handling: Option<Handling>,
    pub attempts: u32,
    /// Where it is, if it was stored.
    pub location: Option<Location>,
}

/// A disposition notification to be sent: all that it needs of its message.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    pub message: MessageId,
    pub disposition: Disposition,
    /// The recipient, who "sends" it.
    pub recipient: String,
    /// The sender, who gets it (I-18).
    pub return_address: String,
    pub imdn: Imdn,
    pub conversation_id: Option<Octets>,
    pub contribution_id: Option<Octets>,
}

/// Something of which the policy has not been asked yet whether the recipient is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Telling {
    pub cause: NotificationCause,
    pub message: MessageId,
    /// The message, if it has left the queue.
    pub gone: Option<Box<Gone>>,
}

impl Task {
    /// What it is for.
    #[must_use]
    pub const fn kind(&self) -> ErrandKind {
        match self {
            Self::Notify { .. } => ErrandKind::Notify,
            Self::Report(_) => ErrandKind::Report,
            Self::Store { .. } => ErrandKind::Store,
            Self::Record { .. } => ErrandKind::Record,
            Self::Withdraw { .. } => ErrandKind::Withdraw,
            Self::Interwork { .. } => ErrandKind::Interwork,
        }
    }

    /// The message it is about, if it is about one.
    #[must_use]
    pub fn message(&self) -> Option<MessageId> {
        match self {
            Self::Notify { news: News::Waiting, .. } => None,
            Self::Notify { news: News::Ended(gone), .. } => Some(gone.id),
            Self::Report(report) => Some(report.message),
            Self::Store { message, .. }
            | Self::Record { message }
            | Self::Withdraw { message, .. }
            | Self::Interwork { message } => Some(*message),
        }
    }

    /// Whether it is one of those that go not more often than the user's absence allows.
    #[must_use]
    pub const fn is_out_of_band(&self) -> bool {
        matches!(self, Self::Notify { channel: Channel::OutOfBand, .. })
    }

    /// The message that nothing else may be done with meanwhile.
    #[must_use]
    pub fn occupies(&self) -> Option<MessageId> {
        match self {
            Self::Notify { .. } | Self::Report(_) => None,
            _ => self.message(),
        }
    }
}

impl Errand {
    /// Whether a try is under way.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Open { .. })
    }

    /// Whether its next try may begin.
    #[must_use]
    pub fn is_due(&self, now: Timestamp) -> bool {
        matches!(self.stage, Stage::Waiting(at) if at <= now)
    }
}

impl Report {
    /// `None` if there is nobody to tell, or no name to tell it by.
    pub(super) fn of(message: MessageId, envelope: &Envelope, disposition: Disposition) -> Option<Self> {
        let stored = |name| envelope.all(name).next().cloned();
        Some(Self {
            message,
            disposition,
            recipient: envelope.request_uri.clone(),
            return_address: envelope.return_address.clone()?,
            imdn: envelope.imdn.clone()?,
            conversation_id: stored(KeptName::ConversationId),
            contribution_id: stored(KeptName::ContributionId),
        })
    }
}
