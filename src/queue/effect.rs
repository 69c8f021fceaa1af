//! What the shell must do once a record is durable. Effects are hints: whatever a crash loses is found again from the state.

use super::event::{ErrandId, Transaction};
use crate::types::{ClientId, MessageId};

/// Something to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Answer whoever sent the command.
    Reply(Reply),
    /// Send this message to this client (8.3.2.3.3).
    Send(Send),
    /// Try this errand.
    Perform(Perform),
}

/// The answer to a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// 202: deferred.
    Accepted,
    /// 200 with the bindings in force.
    Registered(Vec<BoundContact>),
    /// 200 to a management INVITE (MNG-2).
    Managed,
    /// 200 to the INVITE of a large message: it may come.
    Invited,
    /// 488 to a management INVITE, with "125 No messages" (MNG-1).
    NothingToManage,
    /// A refusal.
    Refused { status: u16, reason: String, retry_after_secs: Option<u32> },
}

/// One Contact of a 200 to a REGISTER.
#[derive(Clone, PartialEq, Eq)]
pub struct BoundContact {
    pub contact: String,
    pub instance: Option<String>,
    pub expires_secs: u64,
}

/// A delivery to perform, new or resumed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Send {
    pub message: MessageId,
    pub client: ClientId,
    pub transaction: Transaction,
}

/// A try of an errand, new or resumed. The errand itself is in the state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Perform {
    pub errand: ErrandId,
    pub transaction: Transaction,
}
