//! Large messages between their calls, their MSRP sessions and the journal: taken in (8.3.2.3) and given out (8.3.2.3.4).
//!
//! Which call is one, and what is said in it, is `pf`'s affair; the octets are `net::msrp`'s. Here stands who waits for
//! whom, and that no octet is ever promised before it is durable.

mod body;
mod disk;
mod giving;
mod taking;
#[cfg(test)]
mod tests;

pub(super) use body::Stored;
pub(super) use giving::{Gift, give};
pub(super) use taking::take;

use crate::config;
use crate::metrics::{Limit, Metrics};
use crate::net::Cause;
use crate::net::msrp::{Msrp, TransferError};
use crate::types::UserKey;
use disk::Disk;
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What all transfers share.
pub struct Large {
    /// `None` without a socket: no large message comes, and those that are there wait.
    msrp: Option<Msrp>,
    /// What we offer asks for TLS (`msrp.offer-tls`).
    secure: bool,
    receptions_max: usize,
    /// Messages being taken in, by the user they are for.
    receptions: Arc<Mutex<HashMap<UserKey, usize>>>,
    transmissions: Arc<Semaphore>,
    pub(super) disk: Disk,
}

/// The last octets, or their answers, and the peer's BYE come by different ways, and a sender that wants no answers waits for
/// none: what was sent whole may be confirmed so long after its call.
const GRACE: Duration = Duration::from_secs(2);

/// What becomes of a transfer whose call has ended.
async fn after_the_call(
    transfer: Pin<&mut impl Future<Output = Result<(), TransferError>>>,
    cause: Result<Cause, RecvError>,
) -> Result<(), TransferError> {
    if cause == Ok(Cause::HungUp) {
        // We have not: the server is stopping.
        return Err(TransferError::Stopping);
    }
    tokio::time::timeout(GRACE, transfer).await.unwrap_or(Err(TransferError::Closed))
}

/// The right to take one more message in; given back when it is dropped.
struct Reception {
    user: UserKey,
    receptions: Arc<Mutex<HashMap<UserKey, usize>>>,
}

/// The right to give one more message out.
pub(super) struct Room {
    _permit: Option<OwnedSemaphorePermit>,
}

impl Large {
    #[must_use]
    pub fn new(config: &config::Msrp, msrp: Option<Msrp>) -> Self {
        Self {
            msrp,
            secure: config.offers_tls(),
            receptions_max: config.receptions_per_user_max,
            receptions: Arc::default(),
            transmissions: Arc::new(Semaphore::new(config.transmissions_max)),
            disk: Disk::new(),
        }
    }

    /// No octet is read or written for a large message any more: the journal may close, and the program end.
    pub async fn close(&self) {
        self.disk.close().await;
    }

    /// `None` if as many are being taken in for this user as may be.
    fn reception(&self, user: UserKey, metrics: &Metrics) -> Option<Reception> {
        let mut receptions = lock(&self.receptions);
        let held = receptions.entry(user).or_default();
        if *held >= self.receptions_max {
            metrics.limit_hit(Limit::MsrpReceptions);
            return None;
        }
        *held += 1;
        Some(Reception { user, receptions: Arc::clone(&self.receptions) })
    }

    /// Waits until one more may be given out.
    pub(super) async fn room(&self, metrics: &Metrics) -> Room {
        if self.transmissions.available_permits() == 0 {
            metrics.limit_hit(Limit::MsrpTransmissions);
        }
        // The semaphore is never closed.
        Room { _permit: Arc::clone(&self.transmissions).acquire_owned().await.ok() }
    }
}

impl Drop for Reception {
    fn drop(&mut self) {
        let mut receptions = lock(&self.receptions);
        let left = receptions.get_mut(&self.user).map_or(0, |held| {
            *held -= 1;
            *held
        });
        if left == 0 {
            receptions.remove(&self.user);
        }
    }
}

fn lock(receptions: &Mutex<HashMap<UserKey, usize>>) -> MutexGuard<'_, HashMap<UserKey, usize>> {
    // A panic while it was held cannot have left the map half-changed.
    receptions.lock().unwrap_or_else(PoisonError::into_inner)
}
