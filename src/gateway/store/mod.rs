//! The message store: an IMAP server, or folders kept here.
//!
//! Folders have one name everywhere, `Default/…` with `/` between the levels ([`folder`]); what separates them on an IMAP
//! server is that server's affair.

mod content;
mod counters;
mod embedded;
mod error;
pub mod folder;
mod imap;

#[cfg(test)]
mod tests;

pub use content::{Content, PIECE, PieceError, Pieces, Rest};
pub use counters::{Counters, Limit, Operation, Outcome, Uncounted};
pub use embedded::{Embedded, Folder, Listed, Reading};
pub use error::StoreError;
pub use imap::{ImapStore, StartError};

use crate::types::{Address, Digest};
use std::fmt;
use std::future::Future;
use std::pin::Pin;

/// A future that may be moved between threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Where messages are stored for users (6.1.3 and 8.5 of the standard).
pub trait MessageStore: Send + Sync {
    /// Stores an object, unseen, and says where it is. What is asked for happens even if the future is dropped.
    ///
    /// # Errors
    /// [`StoreError`]; the object may be stored all the same, so ask again with [`Append::may_exist`].
    fn append(&self, request: Append) -> BoxFuture<'static, Result<Location, StoreError>>;

    /// Removes an object (SNDP-ERR-1). One that is not there any more is removed.
    ///
    /// # Errors
    /// [`StoreError`]
    fn remove(&self, user: &Address, location: &Location) -> BoxFuture<'static, Result<(), StoreError>>;
}

/// An object to be stored.
#[derive(Clone)]
pub struct Append {
    /// Whose store.
    pub user: Address,
    /// The folder below the root: the Conversation-ID as it came; empty for the root itself.
    pub folder: String,
    /// Header block and body.
    pub object: Content,
    /// Of the object's header block.
    pub imdn_message_id: String,
    /// This is a repeat: whether it is there already is looked up first.
    pub may_exist: bool,
}

/// Whose and what it is are personal data.
impl fmt::Debug for Append {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Append");
        shown.field("user", &self.user).field("octets", &self.object.length()).field("may_exist", &self.may_exist);
        shown.finish_non_exhaustive()
    }
}

/// Where an object is. A UID means something only with its folder and that folder's UIDVALIDITY (RFC 3501 section
/// 2.3.1.1).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Location {
    /// `Default`, or `Default/…` ([`folder::path`]).
    pub folder: String,
    pub uidvalidity: u32,
    pub uid: u32,
}

/// The folder names a conversation.
impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Location");
        shown.field("uidvalidity", &self.uidvalidity).field("uid", &self.uid).finish_non_exhaustive()
    }
}

/// What tells whether an object is the one asked for: its IMDN-Message-ID, which its sender chose, together with the
/// `From` that the store's own side wrote. Nobody can make us take theirs for another's.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Mark([u8; 16]);

impl Mark {
    /// Of the header block of an object, or of some lines of it.
    fn of(object: &[u8]) -> Self {
        let value = |name| header(object, name).unwrap_or_default();
        let (from, id) = (value("From"), value("IMDN-Message-ID"));
        let digest = Digest::of(&[from, b"\r\n", id].concat());
        let mut mark = [0; 16];
        mark.copy_from_slice(&digest.0[..16]);
        Self(mark)
    }
}

/// The value of a header of the object's own block, trimmed.
fn header<'a>(object: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let lines = object.split(|octet| *octet == b'\n').map(<[u8]>::trim_ascii).take_while(|line| !line.is_empty());
    let mut values = lines.filter_map(|line| {
        let colon = line.iter().position(|octet| *octet == b':')?;
        line[..colon].eq_ignore_ascii_case(name.as_bytes()).then(|| line[colon + 1..].trim_ascii())
    });
    values.next()
}
