//! Host names to addresses, off the main loop, with a small memory. A and AAAA only: no NAPTR, no SRV.

use super::event::{self, Events};
use super::outgoing::{FORWARDS_MAX, Pending};
use crate::types::Timestamp;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

/// How long an answer is believed.
const LIFE: Duration = Duration::from_secs(30);
/// Names remembered.
const NAMES_MAX: usize = 1024;
/// Names being looked up at a time.
const LOOKUPS_MAX: usize = 64;

/// What is known of a host.
#[derive(Debug)]
pub(super) enum Known {
    /// Its addresses, and the request back.
    Yes(Vec<IpAddr>, Pending),
    /// Being looked up; the request waits.
    Soon,
    /// Too many lookups; the request back.
    Busy(Pending),
}

#[derive(Debug)]
pub(super) struct Resolver {
    names: HashMap<String, (Timestamp, Vec<IpAddr>)>,
    waiting: HashMap<String, Vec<Pending>>,
    events: Events,
}

impl Resolver {
    pub(super) fn new(events: Events) -> Self {
        Self { names: HashMap::new(), waiting: HashMap::new(), events }
    }

    /// Asks for the addresses of the host of a request. How many of ours wait is bounded by the limit of
    /// client transactions, how many passed on by [`FORWARDS_MAX`].
    pub(super) fn ask(&mut self, pending: Pending, now: Timestamp) -> Known {
        let host = &pending.target.host;
        if let Some((until, addresses)) = self.names.get(host)
            && now < *until
        {
            return Known::Yes(addresses.clone(), pending);
        }
        if let Some(waiting) = self.waiting.get_mut(host) {
            if pending.is_forward() && waiting.len() >= FORWARDS_MAX {
                return Known::Busy(pending);
            }
            waiting.push(pending);
            return Known::Soon;
        }
        if self.waiting.len() >= LOOKUPS_MAX {
            return Known::Busy(pending);
        }
        tokio::spawn(event::resolve(host.clone(), self.events.clone()));
        self.waiting.insert(host.clone(), vec![pending]);
        Known::Soon
    }

    /// A lookup ended: remembers the addresses, if any, and hands out who waited.
    pub(super) fn resolved(&mut self, host: String, addresses: Vec<IpAddr>, now: Timestamp) -> Vec<Pending> {
        let waiting = self.waiting.remove(&host).unwrap_or_default();
        if !addresses.is_empty() {
            if self.names.len() >= NAMES_MAX {
                self.names.retain(|_, (until, _)| now < *until);
            }
            if self.names.len() < NAMES_MAX {
                self.names.insert(host, (now.after(LIFE), addresses));
            }
        }
        waiting
    }
}
