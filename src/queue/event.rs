//! What has happened to a user's queue: the only thing that is stored, and all that state is made from.
//!
//! Every kind has a fixed number ([`Kind`]); `schema.rs` has the stored shapes. Events say what was decided, not why it
//! could be decided: replay reads them and computes nothing.

mod errands;
mod kept;
mod kind;

use super::question::{Admission, Delivery, Disposal, Handling, Judge, Mode, Ruling};
use crate::config::Transport;
use crate::types::{ClientId, Digest, MessageId, Octets, OriginKey, Timestamp};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

pub use errands::{
    Action, Channel, DisposalPostponed, Disposition, DispositionForgone, DispositionOwed, DispositionSent, ErrandBegun,
    ErrandFailed, ErrandFailure, ErrandId, ErrandKind, HistoryAwaited, HistoryRecorded, HistoryWithdrawn, Location,
    ManagementRequested, MessageDeleted, MessageInterworked, MessageStored, NotificationCalledFor, NotificationPlanned,
    NotificationSent, PreferencesChanged, PreferencesHeeded, PreferencesMissed, StandIn, StoreCause,
};
pub use kept::{KeptHeader, KeptName};
pub use kind::Kind;

/// Something that happened. Past tense, complete in itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    ClientRegistered(ClientRegistered),
    ClientGone(ClientGone),
    MessageDeferred(Box<MessageDeferred>),
    BodyKept(BodyKept),
    DeferralRefused(DeferralRefused),
    HandlingChosen(HandlingChosen),
    DeliveryStarted(DeliveryStarted),
    DeliveryWithheld(DeliveryWithheld),
    MessageDelivered(MessageDelivered),
    DeliveryFailed(DeliveryFailed),
    TransferFailed(TransferFailed),
    MessageDiscarded(MessageDiscarded),
    StoreAwaited(StoreAwaited),
    PreferencesChanged(PreferencesChanged),
    PreferencesMissed(PreferencesMissed),
    PreferencesHeeded(PreferencesHeeded),
    ManagementRequested(ManagementRequested),
    NotificationPlanned(NotificationPlanned),
    NotificationSent(NotificationSent),
    NotificationCalledFor(NotificationCalledFor),
    MessageInterworked(MessageInterworked),
    ErrandBegun(ErrandBegun),
    ErrandFailed(ErrandFailed),
    DisposalPostponed(DisposalPostponed),
    MessageDeleted(MessageDeleted),
    MessageStored(MessageStored),
    DispositionOwed(DispositionOwed),
    DispositionSent(DispositionSent),
    HistoryAwaited(HistoryAwaited),
    HistoryRecorded(HistoryRecorded),
    HistoryWithdrawn(HistoryWithdrawn),
    DispositionForgone(DispositionForgone),
}

/// A client registered or refreshed its registration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientRegistered {
    pub client: Client,
    /// `true` at the edge that starts a push (PUSH-W2); `false` for a refresh.
    pub just_registered: bool,
}

/// A registered CPM client and the way to it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    pub id: ClientId,
    /// `+sip.instance` without its quotes, if the client has one.
    pub instance: Option<String>,
    /// The Contact URI; of the S-CSCF if it did not tell which client registered.
    pub contact: String,
    /// Feature tags: `name`, or `name="value"` once for each value, unescaped (`client.tags` of `wit/policy.wit`). Records
    /// from before policies were told whole tags have ICSIs without a name, and of others the name; a refresh mends that.
    pub tags: Vec<String>,
    pub source: Source,
    /// Path or S-CSCF URIs, in the order of the Route header of a push.
    pub route: Vec<String>,
    /// The connection or address the registration came from, if pushes may go there.
    pub flow: Option<Flow>,
    /// Call-ID and CSeq of the client's own REGISTER, to put repeated ones in order (RFC 3261 section 10.3); the Call-ID
    /// is empty if an S-CSCF did not show it.
    pub call_id: String,
    pub cseq: u32,
    pub registered_at: Timestamp,
    pub expires_at: Timestamp,
}

impl Client {
    /// Whether it stands for all clients of a user whom an S-CSCF told to be registered without telling which one is: it
    /// has no REGISTER of its own, so no Call-ID.
    #[must_use]
    pub fn is_nameless(&self) -> bool {
        self.source == Source::Network && self.instance.is_none() && self.call_id.is_empty()
    }
}

/// How we know of a registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Source {
    /// The client's own REGISTER.
    Client,
    /// A third-party REGISTER of an S-CSCF.
    Network,
}

/// Where a registration came from, as seen on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flow {
    pub reliable: bool,
    pub peer: SocketAddr,
}

impl Flow {
    /// The transport of this flow.
    #[must_use]
    pub const fn transport(&self) -> Transport {
        if self.reliable { Transport::Tcp } else { Transport::Udp }
    }
}

/// A client is no longer registered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientGone {
    pub client: ClientId,
    pub cause: Gone,
}

/// Why a client is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Gone {
    /// Its registration ran out, by our own timer.
    Expired,
    /// It said so (Expires 0).
    Explicit,
    /// The S-CSCF said so.
    Network,
}

/// A message was accepted into the queue (DEF-1 … DEF-5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageDeferred {
    pub id: MessageId,
    pub envelope: Envelope,
    pub origin: OriginKey,
    /// The instant the request's last octet was received (I-28).
    pub received_at: Timestamp,
    pub expires_at: Timestamp,
    pub admission: Ruling<Admission>,
}

/// The body of the message accepted with the same record had come piece by piece (DEF-2c-vi).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BodyKept {
    pub message: MessageId,
    /// SHA-256 of all its octets.
    pub digest: Digest,
}

/// What DEF-1a to DEF-1c, and DEF-2a to DEF-2c, want stored, the body apart: it is kept octet for octet under the
/// message's id.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    pub mode: Mode,
    /// The Request-URI of the start-line (DEF-1a); also the CPM Address a push is sent to (SNDP-3).
    pub request_uri: String,
    /// The stored headers, in the order received, with their own octets.
    pub headers: Vec<KeptHeader>,
    /// Octets of the body (DEF-1a-viii); of a large message, of all chunks put together (DEF-2c-iv, I-24).
    pub size: u64,
    /// What IMDN needs of the CPIM headers (DEF-1b).
    pub imdn: Option<Imdn>,
    /// `Expires`, or `Message-Expires` of a large message, as asked for, seconds.
    pub expires_asked_secs: Option<u64>,
    /// The sender asked for anonymity (RFC 3323, RFC 3325).
    pub anonymous: bool,
    /// Where disposition notifications go (I-18): never shown, never exported. An authenticated sender's address.
    pub return_address: Option<String>,
}

impl Envelope {
    /// The values of one stored header.
    pub fn all(&self, name: KeptName) -> impl Iterator<Item = &Octets> {
        self.headers.iter().filter(move |header| header.name == name).map(|header| &header.value)
    }

    /// The first value of one stored header, as text.
    #[must_use]
    pub fn text(&self, name: KeptName) -> Option<String> {
        self.all(name).next().map(|value| value.text().into_owned())
    }
}

/// The CPIM headers relevant for IMDN (RFC 5438), with the namespace prefix resolved.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imdn {
    pub message_id: Option<String>,
    /// The original's `DateTime`.
    pub date_time: Option<String>,
    /// `Disposition-Notification`, item by item.
    pub dispositions: Vec<String>,
    pub from: Option<String>,
    pub to: Option<String>,
    pub original_to: Option<String>,
    pub record_routes: Vec<String>,
}

/// A message was not taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeferralRefused {
    pub origin: OriginKey,
    pub size: u64,
    /// The SIP answer.
    pub status: u16,
    pub reason: String,
    pub by: RefusedBy,
}

/// Who refused a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RefusedBy {
    Policy(Judge),
    /// `queue.messages-max`
    MessagesMax,
    /// `queue.bytes-max`
    BytesMax,
}

/// Push or manage was chosen (DEF-6).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandlingChosen {
    pub message: MessageId,
    pub ruling: Ruling<Handling>,
}

/// A delivery attempt begins. What follows on the wire carries these names, also when it is repeated after a crash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryStarted {
    pub message: MessageId,
    pub client: ClientId,
    pub transaction: Transaction,
    pub judge: Judge,
}

/// The names of a SIP transaction of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transaction {
    /// Without the host part, which is `sip.host` at the time.
    pub call_id: String,
    pub cseq: u32,
    pub branch: String,
    pub from_tag: String,
}

impl Transaction {
    /// The first transaction of the call of this name.
    #[must_use]
    pub fn named(call: &str) -> Self {
        Self {
            call_id: call.to_owned(),
            cseq: 1,
            branch: format!("z9hG4bK{call}"),
            from_tag: call.chars().take(16).collect(),
        }
    }
}

/// The policy does not want this message at this client now (PUSH-1a-i): it stays in the queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryWithheld {
    pub message: MessageId,
    pub client: ClientId,
    pub ruling: Ruling<Delivery>,
}

/// A client took the message, which leaves the queue with this same event (SNDP-OK).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageDelivered {
    pub message: MessageId,
    pub client: ClientId,
    /// The 2xx status (I-14).
    pub status: u16,
}

/// An attempt failed; the message stays in the queue (SNDP-ERR-2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryFailed {
    pub message: MessageId,
    pub client: ClientId,
    pub failure: DeliveryFailure,
    pub retry: Retry,
}

/// How an attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeliveryFailure {
    /// A final response of 300 to 699.
    Status(u16),
    /// No final response in 64·T1: unknown rather than failed.
    Timeout,
    /// The request could not be sent.
    Transport,
    /// We had too many transactions open.
    Congestion,
    /// We were not there to hear the answer, or came too late to send it.
    Interrupted,
}

/// The client took the call of a large message, and the message did not get there; it stays in the queue (SNDL-ERR-2,
/// I-39).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferFailed {
    pub message: MessageId,
    pub client: ClientId,
    pub fault: TransferFault,
    pub retry: Retry,
}

/// What went wrong once the call stood. Stored by position: append only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TransferFault {
    /// The session description in its answer is none that a message can be sent by.
    Answer,
    /// It takes no message of this size (`max-size`).
    TooLarge,
    /// It did not connect, or named no session of ours.
    NotBound,
    /// It answered a chunk with this MSRP status.
    Status(u16),
    /// It did not answer a chunk in time, or read no more.
    Unanswered,
    /// The connection or the call ended before the last chunk was answered.
    Closed,
    /// The body could not be read from the disk, or is not what was received.
    Damaged,
    /// There is no MSRP socket any more (`msrp.listen`).
    Unconfigured,
}

/// When it is tried again (spec 4.1, "Retry").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Retry {
    /// At once: it says nothing about client or message.
    AtOnce,
    /// The client may be asked again at this moment, for any message.
    ClientAt(Timestamp),
    /// The client gets nothing before it registers anew.
    ClientWhenRegistered,
    /// This message goes to this client only after it registers anew.
    PairWhenRegistered,
    /// This message goes nowhere before somebody registers anew.
    MessageWhenRegistered,
    /// This message may go to this client again at this moment; others may go at once.
    PairAt(Timestamp),
}

/// The message was discarded at its expiry (EXP-2a-i).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageDiscarded {
    pub message: MessageId,
    pub ruling: Ruling<Disposal>,
}

/// The message has expired and shall be stored (EXP-2b): it is delivered no more and waits for the message store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreAwaited {
    pub message: MessageId,
    pub ruling: Ruling<Disposal>,
}

impl Event {
    /// The message it is about, if it is about one.
    #[must_use]
    pub fn message(&self) -> Option<MessageId> {
        match self {
            Self::ClientRegistered(_)
            | Self::ClientGone(_)
            | Self::DeferralRefused(_)
            | Self::PreferencesChanged(_)
            | Self::ManagementRequested(_)
            | Self::NotificationSent(_) => None,
            Self::ErrandBegun(event) => event.message,
            Self::ErrandFailed(event) => event.message,
            Self::MessageDeferred(event) => Some(event.id),
            Self::BodyKept(event) => Some(event.message),
            Self::HandlingChosen(event) => Some(event.message),
            Self::DeliveryStarted(event) => Some(event.message),
            Self::DeliveryWithheld(event) => Some(event.message),
            Self::MessageDelivered(event) => Some(event.message),
            Self::DeliveryFailed(event) => Some(event.message),
            Self::TransferFailed(event) => Some(event.message),
            Self::MessageDiscarded(event) => Some(event.message),
            Self::StoreAwaited(event) => Some(event.message),
            Self::PreferencesMissed(event) => Some(event.message),
            Self::PreferencesHeeded(event) => Some(event.message),
            Self::NotificationPlanned(event) => Some(event.message),
            Self::NotificationCalledFor(event) => Some(event.message),
            Self::MessageInterworked(event) => Some(event.message),
            Self::DisposalPostponed(event) => Some(event.message),
            Self::MessageDeleted(event) => Some(event.message),
            Self::MessageStored(event) => Some(event.message),
            Self::DispositionOwed(event) => Some(event.message),
            Self::DispositionSent(event) => Some(event.message),
            Self::HistoryAwaited(event) => Some(event.message),
            Self::HistoryRecorded(event) => Some(event.message),
            Self::HistoryWithdrawn(event) => Some(event.message),
            Self::DispositionForgone(event) => Some(event.message),
        }
    }

    /// Whether the message leaves the queue with this event, for good.
    #[must_use]
    pub const fn is_end(&self) -> bool {
        matches!(
            self,
            Self::MessageDelivered(_)
                | Self::MessageDiscarded(_)
                | Self::MessageDeleted(_)
                | Self::MessageInterworked(_)
                | Self::MessageStored(_)
        )
    }
}
