//! What the host knows of one realm and of one decision in it, beyond the swap of a table.

use super::budget::Budget;
use super::guest::Guest;
use super::shadow::Shadow;
use super::trip::Trip;
use crate::config;
use crate::policy::{Counters, LiveCounters, RealmCounters};
use crate::queue::question::Hook;
use std::sync::Arc;
use std::time::Duration;

/// A realm with the time that its policies may take.
pub(super) struct Realm {
    pub(super) name: String,
    /// For the policies that decide.
    pub(super) live: Budget,
    /// For those in the shadow, apart: they never take time from the others.
    pub(super) shadow: Budget,
    pub(super) counters: Box<dyn RealmCounters>,
}

impl Realm {
    pub(super) fn new(name: &str, limits: &config::Policy, counters: &dyn Counters) -> Self {
        let budget = || Budget::new(limits.realm_ms_per_second);
        Self { name: name.to_owned(), live: budget(), shadow: budget(), counters: counters.realm(name) }
    }

    /// A policy that decides was asked at this moment and took so long.
    pub(super) fn spend(&self, since: Duration, took: Duration) {
        self.live.spend(since, took);
        self.counters.busy(took);
    }
}

/// Who decides, and how that goes.
pub(super) struct Live {
    /// `None`: the standard rule.
    pub(super) guest: Option<Arc<dyn Guest>>,
    pub(super) trip: Trip,
    pub(super) counters: Box<dyn LiveCounters>,
}

/// One decision of one realm.
pub(super) struct Slot {
    pub(super) hook: Hook,
    pub(super) live: Arc<Live>,
    pub(super) shadow: Option<Arc<Shadow>>,
}

impl Live {
    pub(super) fn new(
        realm: &str,
        hook: Hook,
        guest: Option<Arc<dyn Guest>>,
        limits: &config::Policy,
        counters: &dyn Counters,
    ) -> Self {
        let counters = counters.live(realm, hook, guest.as_ref().map(|guest| guest.digest()));
        let trip = Trip::new(limits.trip_failures, Duration::from_secs(limits.trip_window_secs));
        Self { guest, trip, counters }
    }

    /// Whether this is who decides now.
    pub(super) fn is(&self, guest: Option<&Arc<dyn Guest>>) -> bool {
        match (&self.guest, guest) {
            (None, None) => true,
            (Some(mine), Some(other)) => Arc::ptr_eq(mine, other),
            _ => false,
        }
    }
}
