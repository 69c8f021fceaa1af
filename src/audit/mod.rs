//! Reading the journal after the fact: timelines of users and messages, chain verification.
//!
//! Everything is read from records alone. A timeline shows what happened and who decided it, but neither content nor
//! addresses: auditors see message ids, hashed users and digests.

mod errands;
pub mod hindsight;
mod line;
pub mod questions;
mod timeline;
mod verify;
pub mod whatif;

pub use line::Line;
pub use timeline::{Subject, timeline};
pub use verify::{Verified, verify};

use crate::journal::JournalError;
use crate::queue::schema::SchemaError;
use crate::types::{MessageId, UserKey};

/// Why an audit cannot be done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuditError {
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("this data directory knows nothing of this user: check the spelling of the address and the directory")]
    UnknownUser,
    #[error("this data directory knows nothing of message {0}: check the id and the directory")]
    UnknownMessage(MessageId),
    #[error("a thread ended before its time: see what it said, and report it")]
    Interrupted,
    #[error("record {seq} of user {user} cannot be read: {cause}")]
    Schema { user: UserKey, seq: u64, cause: SchemaError },
}
