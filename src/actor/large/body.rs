//! The body of a large message as it is read back: in order for the wire, by the piece for the message store.

use super::disk::Disk;
use crate::actor::shared::Shared;
use crate::gateway::store::{BoxFuture, PieceError, Pieces};
use crate::journal::{Journal, JournalError, PIECE};
use crate::net::msrp::{Source, SourceError};
use crate::types::{Digest, MessageId};
use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

/// Where the pieces of one body are.
#[derive(Clone)]
pub(in crate::actor) struct Stored {
    journal: Arc<dyn Journal>,
    disk: Disk,
    message: MessageId,
}

impl Stored {
    pub(super) fn new(journal: Arc<dyn Journal>, disk: Disk, message: MessageId) -> Self {
        Self { journal, disk, message }
    }

    /// Of a message in the journal that all share.
    pub(in crate::actor) fn of(shared: &Shared, message: MessageId) -> Self {
        Self::new(Arc::clone(&shared.journal), shared.large.disk.clone(), message)
    }

    /// One piece; that it is missing or cannot be read is told in the log.
    async fn piece(&self, number: u32) -> Result<Bytes, PieceError> {
        let (journal, message) = (Arc::clone(&self.journal), self.message);
        let read = self.disk.run(move || journal.piece(&message, number)).await.unwrap_or(Err(JournalError::Closed));
        let found = match read {
            Ok(piece) => piece.ok_or(PieceError::Gone),
            Err(error) => Err(PieceError::Unreadable { cause: error.to_string() }),
        };
        found.inspect_err(|error| tracing::error!(%message, number, %error, "a piece of a queued message"))
    }
}

impl Pieces for Stored {
    fn piece(&self, number: u32) -> BoxFuture<'static, Result<Bytes, PieceError>> {
        let stored = self.clone();
        Box::pin(async move { stored.piece(number).await })
    }
}

/// A body on its way to the wire: one piece of it in memory, and a digest that grows with it. The last octets are given
/// only if the whole is what was received.
pub(in crate::actor) struct Reading {
    stored: Stored,
    /// Octets that are sent before those of the body.
    prefix: Bytes,
    size: u64,
    expected: Option<Digest>,
    /// Of all octets before `hashed`.
    digest: Sha256,
    hashed: u64,
    piece: Option<(u32, Bytes)>,
}

impl Reading {
    pub(super) fn new(stored: Stored, prefix: Bytes, size: u64, expected: Option<Digest>) -> Self {
        Self { stored, prefix, size, expected, digest: Sha256::new(), hashed: 0, piece: None }
    }

    async fn at(&mut self, position: u64, max: usize) -> Result<Bytes, SourceError> {
        let before = self.prefix.len() as u64;
        match usize::try_from(position) {
            Ok(start) if position < before => {
                let end = self.prefix.len().min(start.saturating_add(max));
                Ok(self.prefix.slice(start..end))
            }
            _ => self.of_body(position - before, max).await,
        }
    }

    async fn of_body(&mut self, position: u64, max: usize) -> Result<Bytes, SourceError> {
        let number = u32::try_from(position / PIECE as u64).map_err(|_| SourceError)?;
        let piece = match &self.piece {
            Some((held, piece)) if *held == number => piece.clone(),
            _ => {
                self.piece = None;
                let piece = self.stored.piece(number).await.map_err(|_| SourceError)?;
                self.piece = Some((number, piece.clone()));
                piece
            }
        };
        let start = usize::try_from(position % PIECE as u64).map_err(|_| SourceError)?;
        let end = piece.len().min(start.saturating_add(max));
        if start >= end {
            return Err(SourceError);
        }
        let octets = piece.slice(start..end);
        if end == piece.len() {
            // It lives on in what was given, as long as that.
            self.piece = None;
        }
        self.check(position, &octets)?;
        Ok(octets)
    }

    /// What is read again is not counted again.
    fn check(&mut self, position: u64, octets: &Bytes) -> Result<(), SourceError> {
        let end = position.saturating_add(octets.len() as u64);
        if position <= self.hashed && end > self.hashed {
            let known = usize::try_from(self.hashed - position).map_err(|_| SourceError)?;
            self.digest.update(octets.get(known..).unwrap_or_default());
            self.hashed = end;
        }
        let is_whole = self.hashed >= self.size;
        let found = || Digest(self.digest.clone().finalize().into());
        match self.expected {
            Some(expected) if is_whole && found() != expected => {
                tracing::error!(message = %self.stored.message, "a stored body is not what was received; it is not delivered");
                Err(SourceError)
            }
            _ => Ok(()),
        }
    }
}

impl Source for Reading {
    fn read(&mut self, position: u64, max: usize) -> BoxFuture<'_, Result<Bytes, SourceError>> {
        Box::pin(self.at(position, max))
    }
}
