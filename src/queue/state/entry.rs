//! What a queue is made of: its messages with their attempts and bars, its clients with what is known of their reach.

use super::errand::Gone;
use crate::queue::event::{Client, Envelope, Location, Transaction};
use crate::queue::question::Handling;
use crate::types::{ClientId, Digest, MessageId, Timestamp};
use serde::{Deserialize, Serialize};

/// A registered client and whether it can be reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registered {
    pub client: Client,
    /// Since when it is what it is: it registered, moved to another address, or started anew. The failure of an attempt
    /// that began before says nothing about it.
    pub since: Timestamp,
    pub reach: Reach,
}

/// What failed deliveries taught about a client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reach {
    /// Failures in a row.
    pub failures: u32,
    pub pause: Pause,
}

/// Whether a client may be asked; ordered by length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Pause {
    #[default]
    None,
    Until(Timestamp),
    UntilRegistered,
}

/// A Deferred CPM Message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub id: MessageId,
    pub envelope: Envelope,
    /// Of a body that came piece by piece: SHA-256 of all its octets.
    pub digest: Option<Digest>,
    pub received_at: Timestamp,
    pub expires_at: Timestamp,
    /// `None` until DEF-6 is done.
    pub handling: Option<Handling>,
    /// Attempts in flight, at most one per client.
    pub open: Vec<Attempt>,
    /// Attempts ever started.
    pub attempts: u32,
    /// Clients that do not get it for now.
    pub bars: Vec<(ClientId, Bar)>,
    /// Nobody gets it before somebody registers anew.
    pub declined: bool,
    /// It has expired and shall be stored: it is delivered to nobody any more.
    pub awaits_store: bool,
    /// An errand is about it: nothing else is done with it meanwhile.
    pub busy: bool,
    /// The client that asked for it (MNG-6).
    pub requested: Option<ClientId>,
    pub history: History,
    pub stray: Stray,
    /// How often its expiry was put off, and until when.
    pub postponed: Option<(u32, Timestamp)>,
}

/// Whether the message is in the conversation history (SNDP-6).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum History {
    /// It is not.
    #[default]
    None,
    /// It is about to be.
    Awaited,
    /// It is, there.
    Recorded(Location),
    /// It could not be: the push goes without.
    Skipped,
}

/// Whether a copy may be in the message store of which no place is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stray {
    #[default]
    None,
    /// A try to store or record it, or to take a record back, failed: its answer may have been lost.
    Perhaps,
}

/// A delivery in flight.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    pub client: ClientId,
    pub transaction: Transaction,
    pub started_at: Timestamp,
}

/// Until when a message is not for a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Bar {
    Until(Timestamp),
    UntilRegistered,
}

impl Pause {
    /// Whether the client may not be asked at this moment.
    #[must_use]
    pub fn holds(self, now: Timestamp) -> bool {
        match self {
            Self::None => false,
            Self::Until(at) => at > now,
            Self::UntilRegistered => true,
        }
    }
}

impl Reach {
    /// One more failure. Attempts that were in flight together fail together: they count once, and the longest pause
    /// stands.
    pub(super) fn failed(&mut self, pause: Pause, at: Timestamp) {
        if !self.pause.holds(at) {
            self.failures = self.failures.saturating_add(1);
        }
        self.pause = self.pause.max(pause);
    }
}

impl Entry {
    pub(super) fn bar(&mut self, client: &ClientId, bar: Bar) {
        self.bars.retain(|(barred, _)| barred != client);
        self.bars.push((client.clone(), bar));
    }

    /// When it expires, or the moment until which that was put off.
    #[must_use]
    pub fn disposed_at(&self) -> Timestamp {
        self.postponed.map_or(self.expires_at, |(_, until)| until)
    }

    /// Whether a delivery is on the wire or about to be: others wait for it.
    #[must_use]
    pub fn is_under_way(&self) -> bool {
        !self.open.is_empty() || self.history == History::Awaited
    }

    /// Whether it may be dealt with: alive, and nothing is being done with it.
    #[must_use]
    pub fn is_free(&self, now: Timestamp) -> bool {
        !self.busy && !self.awaits_store && self.expires_at > now
    }

    /// Its UID in the conversation history, if it is there.
    #[must_use]
    pub fn message_uid(&self) -> Option<u32> {
        match &self.history {
            History::Recorded(location) => Some(location.uid),
            History::None | History::Awaited | History::Skipped => None,
        }
    }

    /// What is kept of it beyond its end.
    pub(super) fn gone(&self, location: Option<Location>) -> Gone {
        Gone {
            id: self.id,
            envelope: self.envelope.clone(),
            received_at: self.received_at,
            expires_at: self.expires_at,
            handling: self.handling,
            attempts: self.attempts,
            location,
        }
    }

    /// The moments at which held deliveries may be asked for again.
    pub(super) fn holds(&self) -> impl Iterator<Item = Timestamp> {
        self.bars.iter().filter_map(|(_, bar)| match bar {
            Bar::Until(at) => Some(*at),
            Bar::UntilRegistered => None,
        })
    }

    /// Whether this client is not to get it at this moment.
    #[must_use]
    pub fn is_barred(&self, client: &ClientId, now: Timestamp) -> bool {
        self.declined
            || self.bars.iter().any(|(barred, bar)| match bar {
                Bar::Until(at) => barred == client && *at > now,
                Bar::UntilRegistered => barred == client,
            })
    }
}

impl Registered {
    /// Whether a delivery to it may begin at this moment.
    #[must_use]
    pub fn is_ready(&self, now: Timestamp) -> bool {
        !self.reach.pause.holds(now) && self.client.expires_at > now
    }
}
