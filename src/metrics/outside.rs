//! Metrics of the outside parts: preferences, notifier, message store.

use super::family::{By, Grid, Maker};
use super::{FAST, Lookup, Metrics, Notified, Notifier, Preference, Stored, Storing, gauge};
use prometheus::{Error, Histogram, IntCounter, IntGauge};
use std::time::Duration;

/// The families of the gateway.
#[derive(Debug)]
pub(super) struct Outside {
    preference_lookups: By<Lookup, IntCounter>,
    preference_reads: By<Preference, IntCounter>,
    preference_read_seconds: Histogram,
    preference_servers_left_alone: IntGauge,
    notifications: Grid<Notifier, Notified>,
    notification_seconds: Histogram,
    outbox: IntGauge,
    smsc_bound: IntGauge,
    storings: Grid<Storing, Stored>,
    store_connections: IntGauge,
    store_resting: IntGauge,
}

impl Outside {
    pub(super) fn new(make: &Maker<'_>) -> Result<Self, Error> {
        Ok(Self {
            preference_lookups: make
                .counters("preference_lookups_total", "Profiles that were wanted, by whether they were in memory.")?,
            preference_reads: make
                .counters("preference_reads_total", "Readings of preferences documents, by how they ended.")?,
            preference_read_seconds: make.histogram(
                "preference_read_seconds",
                "Time it took to read a preferences document, or to fail.",
                &FAST,
            )?,
            preference_servers_left_alone: make.gauge(
                "preference_servers_left_alone",
                "XCAP servers that failed too often and are not asked for a while.",
            )?,
            notifications: make.grid("notifications_total", "Tries to tell a user out-of-band that messages wait.")?,
            notification_seconds: make.histogram(
                "notification_seconds",
                "Time of one try to tell a user out-of-band.",
                &FAST,
            )?,
            outbox: make.gauge("outbox_notifications", "Notifications in the outbox.")?,
            smsc_bound: make.gauge("smsc_bound", "Whether the SMSC takes submissions: 1, else 0.")?,
            storings: make.grid("store_requests_total", "Requests to the message store, by how they ended.")?,
            store_connections: make
                .gauge("store_connections", "Connections to the IMAP server of the message store.")?,
            store_resting: make
                .gauge("store_resting", "1 while the message store is left alone after failures in a row.")?,
        })
    }
}

impl Metrics {
    /// A profile was wanted.
    pub fn preference_lookup(&self, lookup: Lookup) {
        self.outside.preference_lookups.at(lookup).inc();
    }

    /// A preferences document was read so, within this time.
    pub fn preference_read(&self, outcome: Preference, took: Duration) {
        self.outside.preference_reads.at(outcome).inc();
        if outcome != Preference::NotAsked {
            self.outside.preference_read_seconds.observe(took.as_secs_f64());
        }
    }

    /// XDMSes that are left alone from now on (positive), or asked again (negative).
    pub fn add_preference_servers_left_alone(&self, change: i64) {
        self.outside.preference_servers_left_alone.add(change);
    }

    /// A try to tell a user out-of-band ended after so long.
    pub fn notification(&self, notifier: Notifier, outcome: Notified, took: Duration) {
        self.outside.notifications.at(notifier).at(outcome).inc();
        self.outside.notification_seconds.observe(took.as_secs_f64());
    }

    /// So many notifications are in the outbox now.
    pub fn set_outbox(&self, waiting: u64) {
        self.outside.outbox.set(gauge(waiting));
    }

    /// Whether the SMSC takes submissions now.
    pub fn set_smsc_bound(&self, bound: bool) {
        self.outside.smsc_bound.set(bound.into());
    }

    /// A request to the message store ended.
    pub fn stored(&self, operation: Storing, outcome: Stored) {
        self.outside.storings.at(operation).at(outcome).inc();
    }

    /// So many connections to the IMAP server are open now.
    pub fn set_store_connections(&self, open: usize) {
        self.outside.store_connections.set(gauge(open as u64));
    }

    /// Whether the message store is left alone.
    pub fn set_store_resting(&self, resting: bool) {
        self.outside.store_resting.set(resting.into());
    }
}
