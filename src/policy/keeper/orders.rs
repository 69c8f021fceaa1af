//! How an order is carried out: decided, written down, and only then in force.

use super::decide::{Order, decide};
use super::event::{Entry, Event, Role, Unloadable};
use super::state::{Catalogue, Slot};
use super::workshop::{Key, Unmade};
use super::{Keeper, ledger, ours, texts};
use crate::policy::policies::{PoliciesError, Signed};
use crate::policy::{Binding, Placement};
use crate::queue::question::Hook;
use crate::types::{Chain, Timestamp};
use bytes::Bytes;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// Times that an order is decided anew because it needs something that is not ready: each slot's history at the most.
const ROUNDS_MAX: usize = 1000;

/// What stands under the keeper's lock.
pub(super) struct State {
    pub catalogue: Catalogue,
    /// The chain after the last entry.
    pub chain: Chain,
    /// Bindings that something is bound to.
    pub ready: HashMap<Key, Arc<Binding>>,
    /// What the configuration binds.
    pub baseline: Arc<Binding>,
    /// When a refused upload was last written down, and how many were not since.
    pub refused: (Option<Timestamp>, u64),
    pub closed: bool,
}

/// What was made ready for an order, and what could not be.
#[derive(Default)]
pub(super) struct Bench {
    pub ready: HashMap<Key, Arc<Binding>>,
    spoilt: HashMap<Key, Unloadable>,
}

/// A binding that an order would bind, and that is not ready.
struct Missing {
    realm: String,
    hook: Hook,
    key: Key,
    /// What it is to the decision before the order.
    role: Role,
}

/// The bindings of a slot, with their keys.
fn keys(slot: &Slot) -> [Option<Key>; 2] {
    [slot.active(), slot.shadow.as_ref()].map(|bound| bound.map(|bound| (bound.policy, Arc::clone(&bound.settings))))
}

impl State {
    /// The first binding that is new after an order, and not ready.
    fn missing(&self, after: &Catalogue, realms: &BTreeSet<String>, bench: &Bench) -> Option<Missing> {
        let ready = |key: &Key| self.ready.contains_key(key) || bench.ready.contains_key(key);
        realms.iter().find_map(|realm| {
            Hook::ALL.into_iter().find_map(|hook| {
                let before = keys(self.catalogue.slot(realm, hook));
                let mut new = keys(after.slot(realm, hook)).into_iter().flatten();
                let key = new.find(|key| !before.iter().flatten().any(|old| old == key) && !ready(key))?;
                Some(Missing { realm: realm.clone(), hook, key, role: Role::Earlier })
            })
        })
    }

    /// The first binding that is bound now, and neither ready nor late; those that decide before those in the shadow.
    fn unready(&self, realms: &BTreeSet<String>, late: &HashSet<Key>) -> Option<Missing> {
        let wanted = |key: &Key| !self.ready.contains_key(key) && !late.contains(key);
        [Role::Active, Role::Shadow].into_iter().enumerate().find_map(|(place, role)| {
            realms.iter().find_map(|realm| {
                Hook::ALL.into_iter().find_map(|hook| {
                    let bound = keys(self.catalogue.slot(realm, hook)).into_iter().nth(place).flatten();
                    let key = bound.filter(|key| wanted(key))?;
                    Some(Missing { realm: realm.clone(), hook, key, role })
                })
            })
        })
    }
}

impl Keeper {
    /// Decides an order, writes it down with the octets that it brings, and puts it in force. What else has to be ready
    /// for it (the targets of a rollback) is made ready first; what cannot be leaves the history, and the next one is
    /// the target. Gives the events; none if all was so already.
    ///
    /// # Errors
    /// [`PoliciesError`]: nothing of the order has happened.
    pub(super) fn carry_out(
        &self,
        order: &Signed<Order>,
        octets: Option<&Bytes>,
        bench: &mut Bench,
    ) -> Result<Vec<Event>, PoliciesError> {
        self.carry_out_if(|| true, order, octets, bench)
    }

    /// The same, if something still holds when nothing can come in between any more.
    ///
    /// # Errors
    /// As [`Self::carry_out`].
    pub(super) fn carry_out_if(
        &self,
        holds: impl Fn() -> bool,
        order: &Signed<Order>,
        octets: Option<&Bytes>,
        bench: &mut Bench,
    ) -> Result<Vec<Event>, PoliciesError> {
        texts::check_reason(&order.reason)?;
        for _ in 0..ROUNDS_MAX {
            let mut state = self.state();
            if state.closed {
                return Err(PoliciesError::Stopping);
            }
            if !holds() {
                return Ok(Vec::new());
            }
            let events = decide(&state.catalogue, &order.order, &self.rules)?;
            if events.is_empty() {
                return Ok(events);
            }
            let (seq, at) = (state.catalogue.seq.saturating_add(1), self.now());
            let entry = Entry { seq, at, author: order.author.clone(), reason: order.reason.clone(), events };
            let mut after = state.catalogue.clone();
            after.evolve(&entry);
            let Some(missing) = state.missing(&after, &self.rules.realms, bench) else {
                state.chain = ledger::append(self.shelf.as_ref(), state.chain, &entry, octets)?;
                state.catalogue = after;
                // What nobody needs is let go of there; this order may yet need what another one has no use for.
                state.ready.extend(bench.ready.iter().map(|(key, binding)| (key.clone(), Arc::clone(binding))));
                self.install(&mut state);
                return Ok(entry.events);
            };
            drop(state);
            self.make_ready(missing, bench)?;
        }
        let detail = "the order was overtaken by others again and again: give it again".to_owned();
        Err(PoliciesError::Engine { detail })
    }

    /// Makes everything ready that is bound, or takes it off, and puts each in force as soon as it is there. Whether
    /// something is left that may be had later: it could not be read, or there was no time or room for it.
    pub(super) fn catch_up(&self) -> bool {
        let (mut bench, mut late) = (Bench::default(), HashSet::new());
        loop {
            let missing = self.state().unready(&self.rules.realms, &late);
            let Some(missing) = missing else { return !late.is_empty() };
            let (key, realm, decision) = (missing.key.clone(), missing.realm.clone(), missing.hook.name());
            match self.make_ready(missing, &mut bench) {
                Ok(()) => {
                    let mut state = self.state();
                    state.ready.extend(bench.ready.drain());
                    self.install(&mut state);
                }
                Err(PoliciesError::Stopping) => return false,
                Err(error) => {
                    tracing::error!(target: "policy", realm, decision, policy = %key.0, %error, "a policy that is bound is not ready; the standard rule stands in for it, and it is tried again");
                    late.insert(key);
                }
            }
        }
    }

    /// Makes a binding ready; if that cannot be, writes it down and takes it off.
    fn make_ready(&self, missing: Missing, bench: &mut Bench) -> Result<(), PoliciesError> {
        let Missing { realm, hook, key, role } = missing;
        let why = match bench.spoilt.get(&key) {
            Some(why) => *why,
            None => match self.workshop.binding(&key) {
                Ok(binding) => {
                    bench.ready.insert(key, binding);
                    return Ok(());
                }
                Err(Unmade::Failed(error)) => return Err(error),
                Err(Unmade::Unloadable(why, error)) => {
                    let (policy, decision) = (key.0, hook.name());
                    tracing::error!(target: "policy", realm, decision, %policy, %error, "a policy that was bound cannot be made ready; the last good one takes its place");
                    bench.spoilt.insert(key.clone(), why);
                    why
                }
            },
        };
        let order = Order::Unload { realm, hook, policy: key.0, role, why };
        self.carry_out(&ours(order, ""), None, bench)?;
        Ok(())
    }

    /// Puts the state in force: one swap of the host's table.
    pub(super) fn install(&self, state: &mut State) {
        let (mut placements, mut used) = (Vec::new(), HashMap::new());
        for realm in &self.rules.realms {
            for hook in Hook::ALL {
                let slot = state.catalogue.slot(realm, hook);
                let [active, shadow] = keys(slot).map(|key| {
                    let key = key?;
                    let binding = state.ready.get(&key).map(Arc::clone)?;
                    used.insert(key, Arc::clone(&binding));
                    Some(binding)
                });
                let baseline = self.rules.baseline.answers(hook)
                    && slot.active().is_none()
                    && slot.tripped_baseline != Some(self.rules.baseline.policy);
                let live = if baseline { Some(Arc::clone(&state.baseline)) } else { active };
                placements.push(Placement { realm: realm.clone(), hook, live, shadow });
            }
        }
        state.ready = used;
        self.host.install(placements);
        self.counters.unloadable(self.unloadable(state));
    }

    /// Decisions whose binding could not be made ready, as long as no order says otherwise, or is not ready yet.
    fn unloadable(&self, state: &State) -> usize {
        use super::state::TroubleKind::Unloadable;
        let slots = self.rules.realms.iter().flat_map(|realm| Hook::ALL.map(|hook| state.catalogue.slot(realm, hook)));
        let lost =
            |slot: &&Slot| slot.trouble.is_some_and(|trouble| matches!(trouble.what, Unloadable(Role::Active, _)));
        let late = |slot: &&Slot| keys(slot)[0].as_ref().is_some_and(|key| !state.ready.contains_key(key));
        slots.filter(|slot| lost(slot) || late(slot)).count()
    }
}
