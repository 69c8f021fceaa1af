//! The keeper: the catalogue of policies, what is bound where, and the stream of orders that both come from.
//!
//! [`event`], [`state`], [`decide`] and [`record`] are pure: an order becomes events, events are written down, and the
//! state is their fold. The rest is the shell around them: what is slow is done first, then one lock is taken, the events
//! are decided and written, and only then do they take effect, by one swap of the host's table.

mod bind;
pub mod decide;
pub mod event;
mod ledger;
mod orders;
pub mod record;
mod restore;
mod signature;
pub mod state;
mod tenure;
mod texts;
mod upload;
mod views;
mod watch;
mod workshop;

#[cfg(test)]
mod tests;

pub use ledger::{Verified, Written, catalogue, component_of, replay, tenures, verify, written};
pub use tenure::Tenures;
pub use texts::{STANDARD, check_name, resolve};
pub use views::entry_view;

use self::decide::{Order, Rules};
use self::orders::State;
use self::signature::Keys;
use self::workshop::Workshop;
use super::policies::{
    Announced, Author, Bind, Entries, Place, Policies, PoliciesError, Realms, Retire, Signed, Upload, Uploaded,
};
use super::view::{PolicyView, RealmView};
use super::{Counters, Host, Limit, Ordered};
use crate::config;
use crate::shelf::Shelf;
use crate::types::{Digest, Timestamp};
use bytes::Bytes;
use std::collections::BTreeSet;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The moment, by the clock that users' records have as well.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Entries that are read at a time, and octets of entries after which an answer ends.
const PAGE: usize = 32;
const PAGE_BYTES: usize = 1 << 20;

/// What the server writes down of its own accord, it signs so.
const OURSELVES: &str = "restante";

/// Keeps policies, and carries out orders about them.
pub struct Keeper {
    host: Arc<Host>,
    workshop: Workshop,
    shelf: Arc<dyn Shelf>,
    limits: config::Policy,
    rules: Rules,
    keys: Keys,
    /// Realms that take signed components only.
    signed_realms: BTreeSet<String>,
    clock: Clock,
    counters: Arc<dyn Counters>,
    /// One order at a time; what it holds is what the shelf says.
    state: Mutex<State>,
    /// Uploads that are being examined.
    examined: AtomicUsize,
    watch: watch::Watch,
}

impl Keeper {
    /// The judges: what is bound now, for every realm.
    pub fn host(&self) -> Arc<Host> {
        Arc::clone(&self.host)
    }

    /// Takes no more orders, and waits until what is being written is written. Questions are answered all the same.
    pub fn close(&self) {
        self.state().closed = true;
        self.watch.close();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// Counts how an order ended.
    fn counted<T>(&self, order: super::Order, result: Result<T, PoliciesError>) -> Result<T, PoliciesError> {
        let ordered = match &result {
            Ok(_) => Ordered::Done,
            Err(
                PoliciesError::Store(_)
                | PoliciesError::Damaged { .. }
                | PoliciesError::Newer { .. }
                | PoliciesError::Engine { .. }
                | PoliciesError::NotNow { .. }
                | PoliciesError::Stopping,
            ) => Ordered::Failed,
            Err(_) => Ordered::Refused,
        };
        if let Err(error) = &result {
            self.count_limit(error);
        }
        self.counters.ordered(order, ordered);
        result
    }

    fn count_limit(&self, error: &PoliciesError) {
        match error {
            PoliciesError::TooLarge { .. } => self.counters.limit_hit(Limit::ComponentBytes),
            PoliciesError::Full { what: "policy.catalogue-bytes-max", .. } => {
                self.counters.limit_hit(Limit::CatalogueBytes);
            }
            PoliciesError::Full { .. } => self.counters.limit_hit(Limit::Catalogue),
            PoliciesError::Busy(_) => self.counters.limit_hit(Limit::Uploads),
            _ => {}
        }
    }

    fn placed(&self, place: Signed<Place>, order: impl FnOnce(Place) -> Order) -> Result<RealmView, PoliciesError> {
        let Signed { author, reason, order: place } = place;
        let realm = place.realm.to_ascii_lowercase();
        let place = Place { realm: realm.clone(), ..place };
        self.carry_out(&Signed { author, reason, order: order(place) }, None, &mut orders::Bench::default())?;
        self.realm(&realm)
    }

    fn put_away(&self, retire: Signed<Retire>) -> Result<PolicyView, PoliciesError> {
        let Signed { author, reason, order: retire } = retire;
        let order = Signed { author, reason, order: Order::Retire(retire.clone()) };
        self.carry_out(&order, None, &mut orders::Bench::default())?;
        self.workshop.forget(retire.policy);
        self.show(retire.policy, &retire.sees)
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.watch.close();
    }
}

impl Policies for Keeper {
    fn upload(&self, upload: Signed<Upload>) -> Result<Uploaded, PoliciesError> {
        self.counted(super::Order::Upload, self.take_in(upload))
    }

    fn turned_away(&self, upload: Signed<Announced>, error: &PoliciesError) {
        self.turn_away(upload, error);
        self.count_limit(error);
        self.counters.ordered(super::Order::Upload, Ordered::Refused);
    }

    fn resolve(&self, text: &str, realms: &Realms) -> Result<Digest, PoliciesError> {
        let built_in: Vec<_> = self.workshop.all_built_in().map(|(digest, own)| (digest, own.name)).collect();
        texts::resolve(text, realms, &self.state().catalogue, &built_in)
    }

    fn list(&self, realms: &Realms) -> Vec<PolicyView> {
        self.policy_views(realms)
    }

    fn show(&self, policy: Digest, realms: &Realms) -> Result<PolicyView, PoliciesError> {
        self.policy_view(policy, realms).ok_or_else(|| PoliciesError::NoSuchPolicy(policy.to_string()))
    }

    fn component(&self, policy: Digest, realms: &Realms) -> Result<Bytes, PoliciesError> {
        if self.workshop.built_in(policy).is_none() {
            let state = self.state();
            let kept = state.catalogue.policies.get(&policy).filter(|_| state.catalogue.is_shown(policy, realms));
            match kept {
                None => return Err(PoliciesError::NoSuchPolicy(policy.to_string())),
                Some(kept) if kept.retired => return Err(PoliciesError::Retired(policy)),
                Some(_) => {}
            }
        }
        Ok(self.workshop.octets(policy)?)
    }

    fn realm(&self, realm: &str) -> Result<RealmView, PoliciesError> {
        self.realm_view(&realm.to_ascii_lowercase())
    }

    fn realms(&self) -> Vec<String> {
        self.rules.realms.iter().cloned().collect()
    }

    fn activate(&self, bind: Signed<Bind>) -> Result<RealmView, PoliciesError> {
        self.counted(super::Order::Activate, self.bind(bind, Order::Activate))
    }

    fn shadow(&self, bind: Signed<Bind>) -> Result<RealmView, PoliciesError> {
        self.counted(super::Order::Shadow, self.bind(bind, Order::Shadow))
    }

    fn end_shadow(&self, place: Signed<Place>) -> Result<RealmView, PoliciesError> {
        let order = |Place { realm, decisions }| Order::EndShadow { realm, decisions };
        self.counted(super::Order::EndShadow, self.placed(place, order))
    }

    fn rollback(&self, place: Signed<Place>) -> Result<RealmView, PoliciesError> {
        let order = |Place { realm, decisions }| Order::Rollback { realm, decisions };
        self.counted(super::Order::Rollback, self.placed(place, order))
    }

    fn retire(&self, policy: Signed<Retire>) -> Result<PolicyView, PoliciesError> {
        self.counted(super::Order::Retire, self.put_away(policy))
    }

    fn events(&self, after: u64, limit: usize, realms: &Realms) -> Result<Entries, PoliciesError> {
        let (mut found, mut next, mut octets) = (Vec::new(), after, 0);
        // An entry may have settings of any size in it: whoever wants more asks again.
        while found.len() < limit && octets < PAGE_BYTES {
            let page = written(self.shelf.as_ref(), next, PAGE.min(limit - found.len()))?;
            let Some(last) = page.last() else { break };
            next = last.entry.seq;
            octets += page.iter().map(|written| written.entry.encode().len()).sum::<usize>();
            found.extend(page);
        }
        let state = self.state();
        let shown = found.iter().filter(|written| views::is_shown(&written.entry, realms, &state.catalogue));
        Ok(Entries { entries: shown.map(entry_view).collect(), next })
    }
}

/// Signed by the server itself.
fn ours<T>(order: T, reason: &str) -> Signed<T> {
    Signed { author: Author(OURSELVES.to_owned()), reason: reason.to_owned(), order }
}
