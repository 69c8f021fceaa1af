//! Who is awake: finds a user's actor or wakes it, and turns work away instead of letting it pile up.

use super::shared::{Job, Shared};
use super::user::{Submit, UserActor};
use crate::metrics::Limit;
use crate::types::{Address, UserKey};
use actix::dev::SendError;
use actix::{Actor, Addr, ArbiterHandle};
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Locks are per shard, so that threads seldom meet.
const SHARDS: usize = 64;

/// Every awake user.
pub struct Registry {
    shared: Arc<Shared>,
    arbiters: Vec<ArbiterHandle>,
    shards: Vec<Mutex<HashMap<UserKey, Slot>>>,
    awake: AtomicUsize,
}

#[derive(Clone)]
struct Slot {
    addr: Addr<UserActor>,
    pending: Arc<AtomicUsize>,
}

/// Why a job was not taken; it is given back.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("as many users are awake as there may be (actors.awake-max)")]
    TooManyAwake(Box<Job>),
    #[error("this user has as many commands waiting as there may be (actors.mailbox-max)")]
    MailboxFull(Box<Job>),
}

impl Registry {
    /// Nobody is awake. `arbiters` are the threads that run actors; there must be at least one.
    #[must_use]
    pub fn new(shared: Arc<Shared>, arbiters: Vec<ArbiterHandle>) -> Arc<Self> {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Arc::new(Self { shared, arbiters, shards, awake: AtomicUsize::new(0) })
    }

    /// What the actors share.
    #[must_use]
    pub const fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Hands a job to a user, waking them if need be. `address` names a user who has no log yet.
    ///
    /// # Errors
    /// [`Refusal`], with the job.
    pub fn submit(self: &Arc<Self>, key: UserKey, address: Option<&Address>, job: Job) -> Result<(), Refusal> {
        let job = Box::new(job);
        let mut shard = self.shard(&key);
        let job = match shard.get(&key) {
            None => job,
            Some(slot) => match slot.send(job) {
                Ok(()) => return Ok(()),
                Err(SendError::Full(Submit(job))) => {
                    self.shared.metrics.limit_hit(Limit::Mailbox);
                    return Err(Refusal::MailboxFull(job));
                }
                // Its thread has ended it: it is woken again.
                Err(SendError::Closed(Submit(job))) => {
                    shard.remove(&key);
                    self.changed(-1);
                    job
                }
            },
        };
        if self.awake.load(Ordering::Acquire) >= self.shared.actors.awake_max {
            self.shared.metrics.limit_hit(Limit::AwakeUsers);
            return Err(Refusal::TooManyAwake(job));
        }
        let slot = self.wake(key, address.cloned());
        let sent = slot.send(job);
        shard.insert(key, slot);
        self.changed(1);
        sent.map_err(|error| Refusal::MailboxFull(error.into_inner().0))
    }

    fn wake(self: &Arc<Self>, key: UserKey, address: Option<Address>) -> Slot {
        let pending = Arc::new(AtomicUsize::new(0));
        let (shared, registry, counted) = (Arc::clone(&self.shared), Arc::clone(self), Arc::clone(&pending));
        let thread = usize::from(key.0[1]) % self.arbiters.len().max(1);
        let addr = UserActor::start_in_arbiter(&self.arbiters[thread], move |_| {
            UserActor::new(shared, registry, key, address, counted)
        });
        Slot { addr, pending }
    }

    /// Whether this user is awake and can be sent jobs.
    #[must_use]
    pub(super) fn is_awake(&self, key: &UserKey) -> bool {
        self.shard(key).get(key).is_some_and(|slot| slot.addr.connected())
    }

    /// Takes a user off the list, if nobody has sent them anything that is not begun yet. After `true` nothing will come.
    pub(super) fn retire(&self, key: &UserKey, pending: &Arc<AtomicUsize>) -> bool {
        let mut shard = self.shard(key);
        if pending.load(Ordering::Acquire) > 0 {
            return false;
        }
        if shard.get(key).is_some_and(|slot| Arc::ptr_eq(&slot.pending, pending)) {
            shard.remove(key);
            self.changed(-1);
        }
        true
    }

    fn changed(&self, by: i64) {
        if by > 0 {
            self.awake.fetch_add(1, Ordering::AcqRel)
        } else {
            self.awake.fetch_sub(1, Ordering::AcqRel)
        };
        self.shared.metrics.add_awake(by);
    }

    fn shard(&self, key: &UserKey) -> MutexGuard<'_, HashMap<UserKey, Slot>> {
        // A panic while it was held cannot have left the map half-changed.
        self.shards[usize::from(key.0[0]) % SHARDS].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    fn send(&self, job: Box<Job>) -> Result<(), SendError<Submit>> {
        self.pending.fetch_add(1, Ordering::AcqRel);
        let sent = self.addr.try_send(Submit(job));
        if sent.is_err() {
            self.pending.fetch_sub(1, Ordering::AcqRel);
        }
        sent
    }
}

impl Refusal {
    /// The job that was not taken.
    #[must_use]
    pub fn into_job(self) -> Job {
        match self {
            Self::TooManyAwake(job) | Self::MailboxFull(job) => *job,
        }
    }
}
