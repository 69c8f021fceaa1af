//! Orders derived from the messages of a queue, so that no question costs a walk through all of them.

use super::{Arrival, Entry};
use crate::types::{MessageId, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Derived from the messages and from nothing else.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Indexes {
    pub(super) by_id: BTreeMap<MessageId, Arrival>,
    /// Queued messages by expiry; those that wait for the store have none any more.
    pub(super) by_expiry: BTreeSet<(Timestamp, Arrival)>,
    /// Messages with an attempt in flight, or about to be.
    pub(super) in_flight: BTreeSet<Arrival>,
    /// Held deliveries by the moment they may be asked for again: every one of them, because the earliest may be of a
    /// client that cannot be asked then.
    pub(super) by_hold: BTreeSet<(Timestamp, Arrival)>,
    /// Queued messages whose handling is not chosen yet.
    pub(super) unhandled: BTreeSet<Arrival>,
}

impl Indexes {
    pub(super) fn insert(&mut self, arrival: Arrival, entry: &Entry) {
        self.by_id.insert(entry.id, arrival);
        if entry.awaits_store {
            return;
        }
        self.by_expiry.insert((entry.disposed_at(), arrival));
        if entry.is_under_way() {
            self.in_flight.insert(arrival);
        }
        if entry.handling.is_none() {
            self.unhandled.insert(arrival);
        }
        self.by_hold.extend(entry.holds().map(|at| (at, arrival)));
    }

    pub(super) fn remove(&mut self, arrival: Arrival, entry: &Entry) {
        self.by_id.remove(&entry.id);
        self.by_expiry.remove(&(entry.disposed_at(), arrival));
        self.in_flight.remove(&arrival);
        self.unhandled.remove(&arrival);
        for at in entry.holds() {
            self.by_hold.remove(&(at, arrival));
        }
    }
}
