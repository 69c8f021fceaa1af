//! What may be asked of a queue: imperative, with everything a decision needs in it.

use super::event::{Action, Client, Envelope, ErrandFailure, ErrandId, Gone, Location, Source, TransferFault};
use crate::types::{ClientId, Digest, MessageId, OriginKey, Timestamp};

/// A command for one user's queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    Register(Register),
    Defer(Box<Defer>),
    /// Would this large message be taken? What is known of it before it has come; changes nothing unless it is refused.
    Offer(Box<Defer>),
    DeliveryEnded(DeliveryEnded),
    /// Is there anything to manage (MNG-1)? Changes nothing.
    Inquire(Manage),
    Manage(Manage),
    ErrandEnded(ErrandEnded),
    /// The user's preferences are not what they were.
    PreferencesChanged,
    /// Some moment has come: expiry, lapse, retry, hold.
    Tick,
    /// The queue has just been loaded: what was in flight has lost its transaction.
    Wake,
}

/// A REGISTER, the client's own or a third-party one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Register {
    pub source: Source,
    pub changes: Vec<Binding>,
}

/// One change of the registrations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Binding {
    /// Register or refresh this client.
    Bind(Client),
    /// An S-CSCF tells that the user is registered, but not which client: whoever it told us of before lives on,
    /// else this nameless client stands for all of them.
    BindNameless(Client),
    /// This client is gone.
    Remove(ClientId),
    /// This client is gone, and it is known why.
    End { client: ClientId, cause: Gone },
    /// Every client known from this source is gone.
    RemoveAll(Gone),
    /// The whole state was told: every client known from this source is gone but these.
    RemoveOthers { keep: Vec<ClientId>, cause: Gone },
}

/// A message to be deferred (DEF-0).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defer {
    pub envelope: Envelope,
    pub origin: OriginKey,
    pub received_at: Timestamp,
    /// Of a body that came piece by piece; any other comes with the command and is named then.
    pub kept: Option<Kept>,
}

/// A body whose pieces are kept already (DEF-2c-vi).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The name they are kept under, which becomes the message's.
    pub id: MessageId,
    /// SHA-256 of all octets.
    pub digest: Digest,
}

/// A management INVITE of a client, past its ACK (MNG-3 … MNG-7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manage {
    /// Who asked: the one `deliver` goes to, if it is registered.
    pub client: ClientId,
    /// What is to be done with which message; `None` if there was no list at all, which means "deliver all" (MNG-6).
    pub list: Option<Vec<Item>>,
}

/// An entry of the list. Entries that name no message-URI-ID of ours, or an action that we do not know, or one message
/// with several actions, are left out by whoever read the list: those messages stay deferred (spec 1.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item {
    pub message: MessageId,
    pub action: Action,
}

/// How a delivery in flight ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryEnded {
    pub message: MessageId,
    pub client: ClientId,
    /// Call-ID of the attempt; an ending of another attempt is none of ours.
    pub call_id: String,
    pub outcome: Outcome,
}

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A final response; `retry_after_secs` from its Retry-After.
    Response {
        status: u16,
        retry_after_secs: Option<u32>,
    },
    Timeout,
    Transport,
    Congestion,
    /// The client took the call of a large message, and then not the message (I-39).
    Broken(TransferFault),
    /// Not sent at all: while it waited for its turn the message expired, or the client went.
    Unsent,
}

/// How a try of an errand ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrandEnded {
    pub errand: ErrandId,
    /// Call-ID of the try; an ending of another try is none of ours.
    pub call_id: String,
    pub result: Result<Success, Failed>,
}

/// What an errand brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Success {
    /// A 2xx.
    Response(u16),
    /// It is done, and that is all.
    Done,
    /// It is in the message store, there.
    Stored(Location),
}

/// Why it brought nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failed {
    pub failure: ErrandFailure,
    /// The other side asked for so long a pause.
    pub retry_after_secs: Option<u32>,
}
