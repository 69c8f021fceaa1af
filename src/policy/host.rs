//! Who answers which decision of which realm: a table of bindings, replaced as a whole between two questions; the
//! standard rule where nothing is bound, where it fails, and where it has had its share.

mod budget;
mod guest;
mod shadow;
mod slot;
mod table;
#[cfg(test)]
mod tests;
mod trip;
mod words;

pub use shadow::{Sample, ShadowCount};
pub use words::{masked, verdict_in_words};

use self::shadow::Desk;
use self::slot::{Realm, Slot};
use self::table::{Place, Table};
use super::{Binding, Counters, Judges, Limit, Outcome};
use crate::config;
use crate::queue::question::{Failure, Hook, Judge, Question, Ruling, Verdict};
use crate::queue::standard;
use crate::types::Digest;
use arc_swap::ArcSwap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What is bound to one decision of one realm.
#[derive(Clone)]
pub struct Placement {
    /// Of the configuration, in lower case.
    pub realm: String,
    pub hook: Hook,
    /// It decides; `None`: the standard rule.
    pub live: Option<Arc<Binding>>,
    /// It is asked the same, without effect.
    pub shadow: Option<Arc<Binding>>,
}

impl Placement {
    /// The binding decides whatever its component exports, in this realm.
    pub fn of(realm: &str, binding: &Arc<Binding>) -> Vec<Self> {
        let place = |hook| Self { realm: realm.to_owned(), hook, live: Some(Arc::clone(binding)), shadow: None };
        Hook::ALL.into_iter().filter(|hook| binding.answers(*hook)).map(place).collect()
    }
}

/// What somebody must do something about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Alarm {
    /// A binding has failed so often that it is not asked any more. Once for each binding.
    Tripped { realm: String, hook: Hook, policy: Digest, failures: u32 },
}

/// Where alarms are rung. It is called on the thread of a question and must not wait.
pub type Bell = Box<dyn Fn(Alarm) + Send + Sync>;

/// How the binding that decides does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Failures of the component within `policy.trip-window-secs`.
    pub failures: u32,
    /// It is not asked any more: the standard rule answers.
    pub tripped: bool,
}

/// The moment, for deadlines and shares.
type Clock = Arc<dyn Fn() -> Instant + Send + Sync>;

/// How long [`Host::install`] waits for questions that are being answered from the table before.
const FAREWELL: Duration = Duration::from_millis(200);
/// So long it does nothing else meanwhile.
const PATIENCE: Duration = Duration::from_millis(1);

/// The judges of all realms.
pub struct Host {
    table: ArcSwap<Table>,
    /// Held while a table is made of the one before.
    installing: Mutex<()>,
    limits: config::Policy,
    counters: Arc<dyn Counters>,
    bell: Bell,
    clock: Clock,
    /// From where moments are counted.
    epoch: Instant,
    desk: Desk,
}

impl Host {
    /// Nothing is bound: the standard rule answers all.
    pub fn new(limits: &config::Policy, counters: Arc<dyn Counters>, bell: Bell) -> Arc<Self> {
        Self::with_clock(limits, counters, bell, Arc::new(Instant::now))
    }

    fn with_clock(limits: &config::Policy, counters: Arc<dyn Counters>, bell: Bell, clock: Clock) -> Arc<Self> {
        let epoch = clock();
        let desk = Desk::new(limits.shadow_backlog_max, Arc::clone(&counters), Arc::clone(&clock), epoch);
        let (table, installing) = (ArcSwap::from_pointee(Table::default()), Mutex::new(()));
        Arc::new(Self { table, installing, limits: limits.clone(), counters, bell, clock, epoch, desk })
    }

    /// From now on exactly this is bound: every question that begins after the return is answered so, and one that is
    /// being answered is answered wholly by what was bound before. A decision whose live binding is the same as before
    /// keeps its health, and its shadow, if that is the same too, its counts. Placements of a binding that does not
    /// export the decision are none. For threads that may wait.
    pub fn install(&self, placements: Vec<Placement>) {
        self.place(placements.into_iter().map(Place::from).collect());
    }

    fn place(&self, places: Vec<Place>) {
        let _only_one = self.installing.lock().unwrap_or_else(PoisonError::into_inner);
        let table = self.table.load().replaced_by(places, &self.limits, self.counters.as_ref(), (self.clock)());
        let before = self.table.swap(Arc::new(table));
        // What is unbound goes on this thread, not on that of the last question which it answers.
        let start = Instant::now();
        while Arc::strong_count(&before) > 1 && start.elapsed() < FAREWELL {
            // Nearly every question is over in some microseconds.
            if start.elapsed() < PATIENCE {
                std::thread::yield_now();
            } else {
                std::thread::sleep(PATIENCE);
            }
        }
    }

    /// The component that decides.
    pub fn bound(&self, realm: &str, hook: Hook) -> Option<Digest> {
        self.table.load().slot(realm, hook)?.1.live.guest.as_ref().map(|guest| guest.digest())
    }

    /// How the binding that decides does; `None` where none does.
    pub fn health(&self, realm: &str, hook: Hook) -> Option<Health> {
        let table = self.table.load();
        let live = &table.slot(realm, hook)?.1.live;
        live.guest.as_ref()?;
        Some(Health { failures: live.trip.failures(self.since((self.clock)())), tripped: live.trip.is_tripped() })
    }

    /// How the binding in the shadow does; `None` where none is.
    pub fn shadow(&self, realm: &str, hook: Hook) -> Option<ShadowCount> {
        self.table.load().slot(realm, hook)?.1.shadow.as_ref().map(|shadow| shadow.count())
    }

    fn since(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.epoch)
    }
}

impl Judges for Host {
    fn ask(&self, question: &Question) -> Ruling<Verdict> {
        let start = (self.clock)();
        let table = self.table.load();
        let hook = question.hook();
        let Some((realm, slot)) = table.slot(&question.context().realm, hook) else {
            let ruling = native(question);
            self.counters.asked(hook, Outcome::Native, (self.clock)().saturating_duration_since(start));
            return ruling;
        };
        let since = self.since(start);
        let guest = slot.live.guest.as_deref();
        let heard = guest.filter(|_| !slot.live.trip.is_tripped() && self.has_time(realm, since));
        let (ruling, outcome) = match (guest, heard.map(|guest| guest.judge(question))) {
            (None, _) => (native(question), Outcome::Native),
            (Some(guest), None) => fallback(question, guest.digest(), Failure::Unavailable),
            (Some(guest), Some(Err(failure))) => fallback(question, guest.digest(), failure),
            (Some(guest), Some(Ok(verdict))) => {
                (Ruling { verdict, judge: Judge::Component(guest.digest()) }, Outcome::Component)
            }
        };
        let took = (self.clock)().saturating_duration_since(start);
        self.counters.asked(hook, outcome, took);
        slot.live.counters.answered(outcome);
        if let Some(guest) = heard {
            realm.spend(since, took);
            if let Outcome::Failed(failure) = outcome {
                self.failed(realm, slot, guest.digest(), failure, since + took);
            }
        }
        if let Some(shadow) = &slot.shadow {
            self.desk.offer(shadow, question, &ruling.verdict, since);
        }
        ruling
    }
}

impl Host {
    /// Whether the realm's policies have time left this second.
    fn has_time(&self, realm: &Realm, since: Duration) -> bool {
        let some = realm.live.has_some(since);
        if !some {
            self.counters.limit_hit(Limit::RealmBudget);
        }
        some
    }

    /// A failure of the component's own brings it nearer to being tripped.
    #[cold]
    fn failed(&self, realm: &Realm, slot: &Slot, policy: Digest, failure: Failure, since: Duration) {
        if failure == Failure::Unavailable {
            return;
        }
        let Some(failures) = slot.live.trip.failed(since) else { return };
        let (realm_name, hook) = (realm.name.clone(), slot.hook);
        tracing::error!(
            target: "policy", realm = realm_name, decision = hook.name(), digest = %policy, failures,
            "a policy failed too often and is not asked any more; the standard rule answers"
        );
        realm.counters.tripped(hook);
        (self.bell)(Alarm::Tripped { realm: realm_name, hook, policy, failures });
    }
}

fn native(question: &Question) -> Ruling<Verdict> {
    Ruling { verdict: standard::answer(question), judge: Judge::Native }
}

fn fallback(question: &Question, policy: Digest, failure: Failure) -> (Ruling<Verdict>, Outcome) {
    let judge = Judge::Fallback(policy, failure);
    (Ruling { verdict: standard::answer(question), judge }, Outcome::Failed(failure))
}
