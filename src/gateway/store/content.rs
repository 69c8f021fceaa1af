//! What is stored: an object, held whole if it is small, else read piece by piece while it goes out.

use super::{BoxFuture, StoreError};
use bytes::{BufMut as _, Bytes, BytesMut};
use std::fmt;
use std::sync::Arc;

pub use crate::types::PIECE;

/// An object: header block and body.
#[derive(Clone)]
pub struct Content {
    /// The header block and its empty line; all of a small object.
    pub head: Bytes,
    /// What follows, of a large one.
    pub rest: Option<Rest>,
}

/// The body of a large object.
#[derive(Clone)]
pub struct Rest {
    /// Octets of it.
    pub length: u64,
    pub pieces: Arc<dyn Pieces>,
}

/// Where the body of a large object is read; asked for each piece once or more, in order.
pub trait Pieces: Send + Sync {
    /// A piece of [`PIECE`] octets, numbered from 0. Polled on a runtime of tokio.
    ///
    /// # Errors
    /// [`PieceError`]: then nothing is stored.
    fn piece(&self, number: u32) -> BoxFuture<'static, Result<Bytes, PieceError>>;
}

/// A piece cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PieceError {
    #[error("a piece of it is not there any more")]
    Gone,
    #[error("it cannot be read: {cause}")]
    Unreadable { cause: String },
    #[error("a piece of it has another length than it should")]
    Length,
}

impl From<Bytes> for Content {
    /// A small object.
    fn from(object: Bytes) -> Self {
        Self { head: object, rest: None }
    }
}

/// Its octets are personal data.
impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Content").field("octets", &self.length()).finish_non_exhaustive()
    }
}

impl Content {
    /// Octets of the whole object.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.rest.as_ref().map_or(0, |rest| rest.length).saturating_add(self.head.len() as u64)
    }

    /// Pieces beside the head.
    pub(super) fn pieces(&self) -> u32 {
        let length = self.rest.as_ref().map_or(0, |rest| rest.length);
        u32::try_from(length.div_ceil(PIECE as u64)).unwrap_or(u32::MAX)
    }

    /// One of them, which has the length that it should have.
    pub(super) async fn piece(&self, number: u32) -> Result<Bytes, StoreError> {
        let Some(rest) = &self.rest else { return Err(PieceError::Gone.into()) };
        let piece = rest.pieces.piece(number).await?;
        let expected = rest.length.saturating_sub(u64::from(number) * PIECE as u64).min(PIECE as u64);
        if piece.len() as u64 == expected { Ok(piece) } else { Err(PieceError::Length.into()) }
    }

    /// Whether there is a NUL octet in it. A large object is read for it once more than to be sent.
    pub(super) async fn has_nul(&self) -> Result<bool, StoreError> {
        let mut found = memchr::memchr(0, &self.head).is_some();
        let mut number = 0;
        while !found && number < self.pieces() {
            found = memchr::memchr(0, &self.piece(number).await?).is_some();
            number += 1;
        }
        Ok(found)
    }

    /// All of it in memory.
    pub(super) async fn gathered(&self) -> Result<Bytes, StoreError> {
        if self.rest.is_none() {
            return Ok(self.head.clone());
        }
        let mut whole = BytesMut::with_capacity(usize::try_from(self.length()).unwrap_or_default());
        whole.put_slice(&self.head);
        for number in 0..self.pieces() {
            whole.put_slice(&self.piece(number).await?);
        }
        Ok(whole.freeze())
    }
}
