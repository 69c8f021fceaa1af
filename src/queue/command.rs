//! What may be asked of a queue: imperative, with everything a decision needs in it.

use super::event::{Client, Envelope, Gone, Source};
use crate::types::{ClientId, MessageId, OriginKey, Timestamp};

/// A command for one user's queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    Register(Register),
    Defer(Box<Defer>),
    DeliveryEnded(DeliveryEnded),
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
    /// Every client known from this source is gone.
    RemoveAll(Gone),
}

/// A message to be deferred (DEF-0).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defer {
    pub envelope: Envelope,
    pub origin: OriginKey,
    pub received_at: Timestamp,
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
}
