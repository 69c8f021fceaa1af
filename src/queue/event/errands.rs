//! What happened beside deliveries: management, notifications, reports to senders, the message store, interworking.
//!
//! Whatever takes time and may fail is an *errand*: it is created by the event that calls for it, numbered, begun
//! ([`ErrandBegun`]), and ends with an event of its own or with [`ErrandFailed`].

use super::Transaction;
use crate::queue::question::{Hook, Notification, NotificationCause, Preferences, Ruling};
use crate::types::{ClientId, MessageId, Timestamp};
use serde::{Deserialize, Serialize};

/// The number of an errand: unique among those of a user.
pub type ErrandId = u64;

/// The user's preferences changed: what they barred is asked for anew (I-31).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreferencesChanged {}

/// The decision of the next event was taken without the user's own preferences at hand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreferencesMissed {
    pub message: MessageId,
    pub decision: Hook,
    pub stand_in: StandIn,
}

/// The preferences that a question was asked with, where they said anything: as they were for this message at this moment,
/// the realm's defaults filled in. Stands before the events of that decision; without it, they said nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreferencesHeeded {
    pub message: MessageId,
    pub decision: Hook,
    pub preferences: Preferences,
}

/// What stood in for preferences that could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StandIn {
    /// Those read last.
    Stale,
    /// The realm's defaults.
    RealmDefault,
}

/// A client asked for these messages to be dealt with (MNG-3 … MNG-7).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManagementRequested {
    /// Who asked, as far as it is registered.
    pub client: Option<ClientId>,
    /// Those of the list that are in the queue and free to be dealt with.
    pub items: Vec<(MessageId, Action)>,
}

/// What `cpm_action` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    Delete,
    Interwork,
    Store,
    Deliver,
}

/// The user deleted the message (MNG-3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageDeleted {
    pub message: MessageId,
}

/// The ISF took the message (MNG-4), which leaves the queue with this same event (I-33).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageInterworked {
    pub errand: ErrandId,
    pub message: MessageId,
    /// The 2xx status.
    pub status: u16,
}

/// The message is in the message store (MNG-5, EXP-2b-i) and leaves the queue with this same event (I-16).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageStored {
    pub errand: ErrandId,
    pub message: MessageId,
    pub location: Location,
    pub cause: StoreCause,
}

/// A place in the message store: a UID means nothing without its folder and the folder's UIDVALIDITY.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Location {
    pub folder: String,
    pub uidvalidity: u32,
    pub uid: u32,
}

/// Why a message was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StoreCause {
    /// The user said so (MNG-5).
    Managed,
    /// It expired (EXP-2b).
    Expired,
}

/// The preferences at expiry could not be read: the message is kept, undelivered, until this moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DisposalPostponed {
    pub message: MessageId,
    pub until: Timestamp,
}

/// The recipient may be told of a message that waits to be pushed (PUSH-N1): the policy is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotificationCalledFor {
    pub message: MessageId,
}

/// What the policy said on telling the recipient.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotificationPlanned {
    pub message: MessageId,
    pub cause: NotificationCause,
    pub ruling: Ruling<Notification>,
    /// Who will be told; empty: nobody.
    pub channels: Vec<Channel>,
    /// Not before this moment.
    pub at: Timestamp,
}

/// A way to tell somebody something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Channel {
    /// A system message to this client (MNG-N1).
    InBand(ClientId),
    /// The out-of-band notifier (MNG-N2, PUSH-N1).
    OutOfBand,
}

/// The recipient has been told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotificationSent {
    pub errand: ErrandId,
    pub channel: Channel,
    /// The next one out of band goes not before this moment, unless the user comes back first.
    pub again_at: Option<Timestamp>,
}

/// A disposition notification is owed to the sender, once for this message and kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DispositionOwed {
    pub message: MessageId,
    pub disposition: Disposition,
}

/// A disposition notification would be owed, but as many wait as may (`errands.waiting-max`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DispositionForgone {
    pub message: MessageId,
    pub disposition: Disposition,
}

/// What a disposition notification says (RFC 5438).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Disposition {
    /// Positive: `delivered`.
    Delivered,
    /// Negative: `failed`.
    Failed,
    /// `processing-notification` with `stored`, in place of `delivered` where the operator wants it (I-17).
    Stored,
}

/// The disposition notification was taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DispositionSent {
    pub errand: ErrandId,
    pub message: MessageId,
    pub disposition: Disposition,
    pub status: u16,
}

/// The message is to be recorded in the conversation history before it is pushed (SNDP-6).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryAwaited {
    pub message: MessageId,
}

/// It is recorded, and its UID will be told (SNDP-7).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryRecorded {
    pub errand: ErrandId,
    pub message: MessageId,
    pub location: Location,
}

/// The record was taken back, because the delivery failed (SNDP-ERR-1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryWithdrawn {
    pub errand: ErrandId,
    pub message: MessageId,
}

/// A try of an errand begins; on the wire it carries these names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrandBegun {
    pub errand: ErrandId,
    pub kind: ErrandKind,
    pub message: Option<MessageId>,
    pub transaction: Transaction,
}

/// What an errand is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ErrandKind {
    Notify,
    Report,
    Store,
    Record,
    Withdraw,
    Interwork,
}

/// A try of an errand failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrandFailed {
    pub errand: ErrandId,
    pub kind: ErrandKind,
    pub message: Option<MessageId>,
    pub failure: ErrandFailure,
    /// When it is tried again; `None`: it is given up.
    pub retry: Option<Timestamp>,
}

/// How a try of an errand failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ErrandFailure {
    /// A final response of 300 to 699.
    Status(u16),
    /// No answer in time.
    Timeout,
    /// The request could not be sent, or the other side could not be reached.
    Transport,
    /// We had too much in flight.
    Congestion,
    /// We were not there to hear the answer.
    Interrupted,
    /// The other side will not do it, now or later.
    Refused,
    /// There is nobody who could do it: no ISF, no notifier.
    Unconfigured,
    /// There is nothing to tell any more, or nobody to tell it to.
    Moot,
}
