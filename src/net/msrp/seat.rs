//! A session on its connection: what is to be done, and how far it is.

use super::error::TransferError;
use super::fingerprint::Fingerprint;
use super::{Sink, Source};
use crate::msrp::{Receiver, Sender};
use crate::types::Timestamp;
use std::sync::Arc;
use tokio::sync::{Notify, oneshot};

/// Where the end of a transfer is told.
pub(super) type Done = oneshot::Sender<Result<(), TransferError>>;

/// A transfer that looks for its connection.
pub(super) struct Job {
    pub(super) id: Arc<str>,
    pub(super) work: Work,
    pub(super) demand: Demand,
    pub(super) done: Done,
    /// Told when a connection was found.
    pub(super) bound: Option<oneshot::Sender<()>>,
}

impl Job {
    /// It comes to nothing.
    pub(super) fn refuse(self, error: TransferError) {
        // Nobody listens if it was given up.
        self.done.send(Err(error)).ok();
    }
}

/// What the connection of a session must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Demand {
    pub(super) secure: bool,
    /// What the peer's session description announced.
    pub(super) fingerprint: Option<Fingerprint>,
}

/// What is to be done.
pub(super) enum Work {
    In(Box<Incoming>),
    Out(Box<Sender>, Box<dyn Source>),
}

/// A message that comes, and where it goes.
pub(super) struct Incoming {
    pub(super) receiver: Receiver,
    pub(super) sink: Box<dyn Sink>,
}

/// A session that sits on a connection.
pub(super) struct Seat {
    pub(super) side: Side,
    /// Gone when the end was told.
    pub(super) done: Option<Done>,
    /// When something moved last.
    pub(super) progressed: Timestamp,
    /// Ends the wait for its sink or source.
    pub(super) cancel: Arc<Notify>,
}

pub(super) enum Side {
    /// Taken out while its sink is at work.
    In(Option<Box<Incoming>>),
    Out(Outward),
}

/// A message that goes.
pub(super) struct Outward {
    pub(super) sender: Box<Sender>,
    /// Taken out while it is read.
    pub(super) source: Option<Box<dyn Source>>,
    /// Among those whose turn comes.
    pub(super) queued: bool,
    /// Given up then: only the end of its frame is still to be written.
    pub(super) leaving: Option<Timestamp>,
}

impl Seat {
    pub(super) fn outward(&mut self) -> Option<&mut Outward> {
        match &mut self.side {
            Side::Out(outward) => Some(outward),
            Side::In(_) => None,
        }
    }

    /// Tells the end, once.
    pub(super) fn tell(&mut self, result: Result<(), TransferError>) {
        if let Some(done) = self.done.take() {
            done.send(result).ok();
        }
        self.cancel.notify_one();
    }
}
