//! Why something could not be stored or removed, and whether it is worth another try.

use super::content::PieceError;
use super::counters::Outcome;
use crate::shelf::ShelfError;

/// Why a request to the message store failed. No text has personal data in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    #[error(
        "the message store cannot be reached: {cause}; see that the server of store.imap runs and that the network leads there"
    )]
    Unreachable { cause: String },
    #[error("the message store did not answer in time ({waiting_for}); see how busy it is, or raise {key}")]
    Timeout { waiting_for: &'static str, key: &'static str },
    #[error(
        "the message store failed several times in a row and is left alone for {secs} s; see the log for the first failure"
    )]
    Resting { secs: u64 },
    #[error("too much is waiting for the message store: {key} is reached; raise it if the server can take more")]
    Busy { key: &'static str },
    #[error("the message store cannot do this now ({code}); see its own log")]
    Unavailable { code: String },
    #[error("the message store of this user is full; the user must make room, or be given more")]
    Quota,
    #[error(
        "the message store refuses our login; see store.login, store.user-format, store.master-user and store.master-password, and that the user exists there"
    )]
    Login,
    #[error("the message store does not speak as expected: {what}; see that store.imap names an IMAP4rev1 server")]
    Protocol { what: &'static str },
    #[error("the message store cannot be used: it lacks {what}; choose a server that has it")]
    Lacks { what: &'static str },
    #[error("the message store refuses to {command} ({code}); see its own log")]
    Refused { command: &'static str, code: String },
    #[error("the store failed: {cause}; see the server's log and the disk's health, then restart")]
    Failed { cause: String },
    #[error(
        "a large message cannot be stored: {0}; it is tried again, and if that does not help see the journal's health"
    )]
    Piece(#[from] PieceError),
    #[error("the message store is stopping")]
    Stopping,
}

impl StoreError {
    /// Whether the same request may succeed later without anybody changing the message: all but a refusal of this very
    /// object. A wrong password or a server without UIDPLUS is for the operator to mend, and the message waits for it.
    #[must_use]
    pub const fn may_pass(&self) -> bool {
        !matches!(self, Self::Refused { .. })
    }

    /// Whether the server as a whole is to blame, so that others' requests would fail the same way.
    pub(super) const fn is_of_the_server(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Timeout { .. } | Self::Protocol { .. } | Self::Lacks { .. })
    }

    /// Whether the connection is good for nothing more: a literal that cannot be finished is one without end.
    pub(super) const fn ends_the_connection(&self) -> bool {
        self.is_of_the_server() || matches!(self, Self::Piece(_))
    }

    pub(super) const fn outcome(&self) -> Outcome {
        match self {
            Self::Unreachable { .. } | Self::Resting { .. } | Self::Stopping => Outcome::Unreachable,
            Self::Timeout { .. } => Outcome::Timeout,
            Self::Busy { .. } | Self::Unavailable { .. } => Outcome::Busy,
            Self::Quota => Outcome::Quota,
            Self::Login => Outcome::Login,
            Self::Protocol { .. } | Self::Lacks { .. } | Self::Failed { .. } | Self::Piece(_) => Outcome::Failed,
            Self::Refused { .. } => Outcome::Refused,
        }
    }
}

impl From<ShelfError> for StoreError {
    fn from(error: ShelfError) -> Self {
        Self::Failed { cause: error.cause }
    }
}
