//! What an operator's policy is asked, and what it may answer: plain values, one pair per decision.
//!
//! A question carries everything and no body; a verdict is an *input* of [`super::decide`] and is stored in the event
//! together with who gave it. Replay never asks again.

use crate::types::{Address, ClientId, Digest, MessageId, Timestamp};
use serde::{Deserialize, Serialize};

/// One decision to take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// A message is about to be deferred (DEF-4, DEF-5).
    Admission { context: Context, message: MessageView },
    /// It is stored: push or manage (DEF-6).
    Handling { context: Context, message: MessageView },
    /// This message to this client (PUSH-1a, MNG-6a-i).
    Delivery { context: Context, message: MessageView, client: ClientView },
    /// It has reached its expiry (EXP-1).
    Expiry { context: Context, message: MessageView },
    /// Something happened that the recipient may be told of (PUSH-N1, MNG-N0, EXP-2a-ii, EXP-2b-ii).
    Notification { context: Context, message: MessageView, cause: NotificationCause },
}

/// Which decision a question is about; the name of its WIT interface, of its metric label and of its binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Hook {
    Admission,
    Handling,
    Delivery,
    Expiry,
    Notification,
}

/// What every question tells: the moment, the user, the state of their queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    pub now: Timestamp,
    /// The operator's SIP domain.
    pub realm: String,
    pub user: Address,
    /// Messages in the queue, the one in question not counted before it is admitted.
    pub queue_depth: u64,
    /// Octets of their bodies.
    pub queue_bytes: u64,
    /// The registered clients, the latest registration first.
    pub clients: Vec<ClientView>,
    pub preferences: Preferences,
    /// The provider's maximum expiry, in seconds (DEF-5a-ii).
    pub expiry_max_secs: u64,
}

/// A registered CPM client, as a policy sees it.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientView {
    pub id: ClientId,
    /// Feature tags as in [`super::event::Client::tags`].
    pub tags: Vec<String>,
    pub registered_at: Timestamp,
    pub expires_at: Timestamp,
}

/// A message, as a policy sees it: no body.
#[derive(Clone, PartialEq, Eq)]
pub struct MessageView {
    pub id: MessageId,
    pub mode: Mode,
    /// The authenticated sender; `None` if they asked for anonymity or are not known.
    pub sender: Option<Address>,
    /// Octets of the body.
    pub size: u64,
    pub content_type: String,
    pub subject: Option<String>,
    pub received_at: Timestamp,
    /// `Expires` as asked by the sender, in seconds.
    pub expires_asked_secs: Option<u64>,
    /// When it expires; for an admission question, when it would by the standard rule.
    pub expires_at: Timestamp,
    /// Delivery attempts so far.
    pub attempts: u32,
    /// Push or manage, once that is chosen.
    pub handling: Option<Handling>,
}

/// Pager Mode or Large Message Mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mode {
    Pager,
    Large,
}

/// The user's XDM preferences, already evaluated for this message (spec chapter 3), the realm's defaults filled in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preferences {
    /// DEF-6: `None` if there is no rule for deferred messages.
    pub allow_push: Option<bool>,
    /// EXP-1: the preference `expired`; `None` if not set.
    pub expired: Option<Disposal>,
    /// Do-not-disturb of the active user preference profile.
    pub do_not_disturb: bool,
    /// SNDP-6: the preference `allow-offline-storage`.
    pub offline_storage: bool,
}

/// What a notification would be about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NotificationCause {
    Deferred,
    ExpiredDiscarded,
    ExpiredStored,
    /// What waits to be managed is told again, because the user is back (I-34).
    Reminder,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    Admission(Admission),
    Handling(Handling),
    Delivery(Delivery),
    Expiry(Disposal),
    Notification(Notification),
}

/// Verdict of `admission`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Admission {
    /// Take it; the expiry time is at most this many seconds after its receipt (and never above the provider's maximum).
    Accept { expiry_max_secs: u64 },
    /// Refuse it with this SIP status (400 to 699) and reason phrase.
    Refuse { status: u16, reason: String },
}

/// Verdict of `handling` (DEF-6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Handling {
    Push,
    Manage,
}

/// Verdict of `delivery`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Delivery {
    /// Deliver now.
    Now,
    /// Ask again at this moment.
    HoldUntil(Timestamp),
    /// Keep it in the queue; ask again at the next registration.
    Keep,
}

/// Verdict of `expiry` (EXP-2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Disposal {
    Discard,
    Store,
}

/// Verdict of `notification`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notification {
    pub in_band: bool,
    pub out_of_band: bool,
    /// `None`: at once.
    pub at: Option<Timestamp>,
}

/// A verdict and who gave it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ruling<V> {
    pub verdict: V,
    pub judge: Judge,
}

/// Who gave a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Judge {
    /// A component, by the SHA-256 of its file.
    Component(Digest),
    /// The native standard rule, because no component is bound to this decision.
    Native,
    /// The native standard rule, because the component failed.
    Fallback(Digest, Failure),
}

/// How a component failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Failure {
    /// It trapped (unreachable, stack overflow, out of bounds …).
    Trap,
    /// It ran past its deadline.
    Timeout,
    /// It asked for more memory than allowed.
    Memory,
    /// It answered with an error of its own.
    Refused,
    /// Its answer makes no sense (a SIP status of 200, say).
    Nonsense,
    /// No instance could be had.
    Unavailable,
}

impl Question {
    /// Which decision this is about.
    #[must_use]
    pub const fn hook(&self) -> Hook {
        match self {
            Self::Admission { .. } => Hook::Admission,
            Self::Handling { .. } => Hook::Handling,
            Self::Delivery { .. } => Hook::Delivery,
            Self::Expiry { .. } => Hook::Expiry,
            Self::Notification { .. } => Hook::Notification,
        }
    }

    /// What every question tells.
    #[must_use]
    pub const fn context(&self) -> &Context {
        match self {
            Self::Admission { context, .. }
            | Self::Handling { context, .. }
            | Self::Delivery { context, .. }
            | Self::Expiry { context, .. }
            | Self::Notification { context, .. } => context,
        }
    }

    /// The message it is about.
    #[must_use]
    pub const fn message(&self) -> &MessageView {
        match self {
            Self::Admission { message, .. }
            | Self::Handling { message, .. }
            | Self::Delivery { message, .. }
            | Self::Expiry { message, .. }
            | Self::Notification { message, .. } => message,
        }
    }
}

impl Verdict {
    /// Which decision this is on.
    #[must_use]
    pub const fn hook(&self) -> Hook {
        match self {
            Self::Admission(_) => Hook::Admission,
            Self::Handling(_) => Hook::Handling,
            Self::Delivery(_) => Hook::Delivery,
            Self::Expiry(_) => Hook::Expiry,
            Self::Notification(_) => Hook::Notification,
        }
    }
}

/// The names of all hooks, for the words of errors.
pub const NAMES_OF_HOOKS: &str = "admission, delivery, expiry, handling, notification";

impl Hook {
    /// Every hook, in the order of their names.
    pub const ALL: [Self; 5] = [Self::Admission, Self::Delivery, Self::Expiry, Self::Handling, Self::Notification];

    /// The name of its interface in `wit/policy.wit`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Admission => "admission",
            Self::Handling => "handling",
            Self::Delivery => "delivery",
            Self::Expiry => "expiry",
            Self::Notification => "notification",
        }
    }

    /// The hook of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|hook| hook.name() == name)
    }
}
