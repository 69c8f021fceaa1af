//! Metrics of large messages: transfers, octets, sessions and connections of MSRP.

use super::family::{By, Grid, Maker};
use super::{Direction, Metrics, Stray, Transfer, gauge};
use prometheus::{Error, IntCounter, IntGauge};

/// The families of large messages.
#[derive(Debug)]
pub(super) struct Transfers {
    ended: Grid<Direction, Transfer>,
    octets: By<Direction, IntCounter>,
    sessions: IntGauge,
    connections: IntGauge,
    strays: By<Stray, IntCounter>,
    orphans: IntCounter,
}

impl Transfers {
    pub(super) fn new(make: &Maker<'_>) -> Result<Self, Error> {
        Ok(Self {
            ended: make.grid("transfers_total", "Transfers of large messages, by how they ended.")?,
            octets: make.counters("transfer_bytes_total", "Octets of large messages that came or went.")?,
            sessions: make.gauge("msrp_sessions", "MSRP sessions held: one for each large message.")?,
            connections: make.gauge("msrp_connections", "MSRP connections, TLS or not.")?,
            strays: make
                .counters("msrp_strays_total", "Connections and requests of MSRP that belong to no transfer.")?,
            orphans: make.counter(
                "body_orphans_total",
                "Bodies of large messages removed because their transfer never ended.",
            )?,
        })
    }
}

impl Metrics {
    /// The transfer of a large message ended.
    pub fn transfer(&self, direction: Direction, outcome: Transfer) {
        self.transfers.ended.at(direction).at(outcome).inc();
    }

    /// So many octets of large messages came or went.
    pub fn transfer_bytes(&self, direction: Direction, octets: u64) {
        self.transfers.octets.at(direction).inc_by(octets);
    }

    /// So many MSRP sessions are held now.
    pub fn set_msrp_sessions(&self, held: usize) {
        self.transfers.sessions.set(gauge(held as u64));
    }

    /// So many MSRP connections are open now.
    pub fn set_msrp_connections(&self, open: usize) {
        self.transfers.connections.set(gauge(open as u64));
    }

    /// Something of MSRP belonged to no transfer.
    pub fn msrp_stray(&self, cause: Stray) {
        self.transfers.strays.at(cause).inc();
    }

    /// So many bodies that a crash or a broken transfer left behind were removed.
    pub fn body_orphans(&self, removed: usize) {
        self.transfers.orphans.inc_by(removed as u64);
    }
}
