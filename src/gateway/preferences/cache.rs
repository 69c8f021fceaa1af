//! Profiles in memory: bounded in users and octets, found without waiting for anybody else.

use super::{Counters, Limit};
use crate::formats::Profile;
use crate::types::{Address, Timestamp};
use std::collections::hash_map::RandomState;
use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// So many parts, each with a lock of its own, unless there are only few users.
const SHARDS: usize = 64;
/// What an entry takes besides its documents, roughly, octets.
const OVERHEAD: usize = 512;

/// What is known of one user.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// What is answered.
    pub profile: Profile,
    /// The documents behind it, as far as they could be had; kept apart, because with only one of two nothing is answered.
    pub good: Profile,
    /// It was read then. A clock that goes back makes it old, not fresh for ever.
    pub read: Timestamp,
    /// It is fresh until then.
    pub until: Timestamp,
    /// What the XDMS said of each document, in the order of [`super::Document::ALL`].
    pub said: [Said; 2],
}

/// The last good answer for one document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Said {
    #[default]
    Nothing,
    Absent,
    /// Its entity tag, if it has one, and its length.
    There {
        tag: Option<String>,
        octets: usize,
    },
}

impl Entry {
    fn weight(&self) -> usize {
        let octets = |said: &Said| match said {
            Said::There { octets, .. } => *octets,
            Said::Nothing | Said::Absent => 0,
        };
        OVERHEAD + self.said.iter().map(octets).sum::<usize>()
    }
}

/// The least recently used makes room, nearly: whoever was used since it was last looked at gets a second chance.
pub(super) struct Cache {
    shards: Box<[Mutex<Shard>]>,
    hasher: RandomState,
    users_max: usize,
    octets_max: usize,
    counters: Arc<dyn Counters>,
}

#[derive(Default)]
struct Shard {
    slots: HashMap<Address, Slot>,
    /// Every key of `slots` once.
    order: VecDeque<Address>,
    octets: usize,
}

struct Slot {
    entry: Entry,
    used: bool,
}

impl Cache {
    pub(super) fn new(users_max: usize, octets_max: usize, counters: Arc<dyn Counters>) -> Self {
        let shards = if users_max < SHARDS * SHARDS { 1 } else { SHARDS };
        Self {
            shards: (0..shards).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            users_max: users_max.div_ceil(shards),
            octets_max: octets_max.div_ceil(shards),
            counters,
        }
    }

    fn shard(&self, user: &Address) -> MutexGuard<'_, Shard> {
        let hash = usize::try_from(self.hasher.hash_one(user) >> 32).unwrap_or_default();
        self.shards[hash % self.shards.len()].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The profile, if it is fresh.
    pub(super) fn fresh(&self, user: &Address, now: Timestamp) -> Option<Profile> {
        let mut shard = self.shard(user);
        let slot = shard.slots.get_mut(user)?;
        slot.used = true;
        (slot.entry.read <= now && now < slot.entry.until).then(|| slot.entry.profile.clone())
    }

    /// All that is known, fresh or not.
    pub(super) fn known(&self, user: &Address) -> Option<Entry> {
        self.shard(user).slots.get(user).map(|slot| slot.entry.clone())
    }

    /// Remembers, if this still holds when nobody else can change what is known of the user.
    pub(super) fn put_if(&self, user: &Address, entry: Entry, still: impl FnOnce() -> bool) {
        let mut shard = self.shard(user);
        if still() {
            shard.put(user, entry);
            shard.make_room(self);
        }
    }

    /// Remembers.
    pub(super) fn put(&self, user: &Address, entry: Entry) {
        self.put_if(user, entry, || true);
    }

    /// Knows nothing of this user any more.
    pub(super) fn forget(&self, user: &Address) {
        let mut shard = self.shard(user);
        if let Some(slot) = shard.slots.remove(user) {
            shard.octets -= slot.entry.weight();
            // Slow, and seldom: the disk failed.
            shard.order.retain(|key| key != user);
        }
    }
}

impl Shard {
    fn put(&mut self, user: &Address, entry: Entry) {
        self.octets += entry.weight();
        if let Some(slot) = self.slots.get_mut(user) {
            self.octets -= slot.entry.weight();
            slot.entry = entry;
        } else {
            self.slots.insert(user.clone(), Slot { entry, used: false });
            self.order.push_back(user.clone());
        }
    }

    /// Ends: every turn takes one out or takes away one second chance.
    fn make_room(&mut self, cache: &Cache) {
        loop {
            let limit = if self.slots.len() > cache.users_max {
                Limit::CachedUsers
            } else if self.octets > cache.octets_max {
                Limit::CachedBytes
            } else {
                return;
            };
            let Some(oldest) = self.order.pop_front() else { return };
            match self.slots.get_mut(&oldest) {
                Some(slot) if slot.used => {
                    slot.used = false;
                    self.order.push_back(oldest);
                }
                _ => {
                    if let Some(slot) = self.slots.remove(&oldest) {
                        self.octets -= slot.entry.weight();
                        cache.counters.limit_hit(limit);
                    }
                }
            }
        }
    }
}
