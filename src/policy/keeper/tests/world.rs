//! A keeper over a shelf in memory, with guests, a clock and counters of the test.

use crate::config::{self, Config, Realm};
use crate::policy::keeper::Keeper;
use crate::policy::policies::{
    Author, Bind, Place, Policies as _, Realms, Retire, Signature, Signed, Upload, Uploaded,
};
use crate::policy::tests::guest::{Guest, answer, manage};
use crate::policy::view::{DecisionView, EntryView, PolicyView, RealmView};
use crate::policy::{
    Counters, Engine, Judges as _, Limit, Order, Ordered, Outcome, PoliciesError, PolicyError, samples,
};
use crate::queue::question::{Hook, Question, Ruling, Verdict};
use crate::shelf::{MemoryShelf, Shelf};
use crate::types::{Digest, SeedSecret, Timestamp};
use bytes::Bytes;
use serde_json::Value;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

pub const EAST: &str = "east.test";
pub const WEST: &str = "west.test";

/// Remembers what was counted.
#[derive(Default)]
pub struct Counted {
    pub orders: Mutex<Vec<(Order, Ordered)>>,
    pub limits: Mutex<Vec<Limit>>,
    pub unloadable: Mutex<usize>,
}

impl Counters for Counted {
    fn asked(&self, _: Hook, _: Outcome, _: Duration) {}
    fn instances(&self, _: u32) {}
    fn lines_dropped(&self, _: u64) {}

    fn limit_hit(&self, limit: Limit) {
        self.limits.lock().unwrap().push(limit);
    }

    fn unloadable(&self, bindings: usize) {
        *self.unloadable.lock().unwrap() = bindings;
    }

    fn ordered(&self, order: Order, ordered: Ordered) {
        self.orders.lock().unwrap().push((order, ordered));
    }
}

/// Two realms, small limits.
pub fn config() -> Config {
    let policy = config::Policy {
        instances_max: 16,
        trip_failures: 3,
        // A busy machine is no failure of a policy.
        call_ms_max: 2000,
        realm_ms_per_second: 1_000_000,
        component_bytes_max: 1 << 20,
        history_max: 3,
        ..config::Policy::default()
    };
    let realms = [EAST, WEST].map(|realm| (realm.to_owned(), Realm::default())).into();
    Config { realms, policy, ..Config::default() }
}

pub struct World {
    pub config: Config,
    pub shelf: Arc<dyn Shelf>,
    pub now: Arc<AtomicU64>,
    pub counted: Arc<Counted>,
    pub keeper: Arc<Keeper>,
}

impl World {
    pub fn new() -> Self {
        Self::with(config())
    }

    pub fn with(config: Config) -> Self {
        Self::over(config, Arc::new(MemoryShelf::default()))
    }

    pub fn over(config: Config, shelf: Arc<dyn Shelf>) -> Self {
        let (now, counted) = (Arc::new(AtomicU64::new(1_772_442_847_000)), Arc::new(Counted::default()));
        let keeper = open(&config, &shelf, &now, &counted).unwrap_or_else(|error| panic!("{error}"));
        Self { config, shelf, now, counted, keeper }
    }

    /// The server stops and starts again.
    pub fn reopened(self) -> Self {
        self.try_reopened().unwrap_or_else(|error| panic!("{error}"))
    }

    pub fn try_reopened(self) -> Result<Self, PolicyError> {
        let Self { config, shelf, now, keeper, .. } = self;
        keeper.close();
        drop(keeper);
        let counted = Arc::new(Counted::default());
        let keeper = open(&config, &shelf, &now, &counted)?;
        Ok(Self { config, shelf, now, counted, keeper })
    }

    pub fn later(&self, by: Duration) {
        self.now.fetch_add(u64::try_from(by.as_millis()).unwrap(), Ordering::Relaxed);
    }

    pub fn try_upload(
        &self,
        component: &Bytes,
        realm: Option<&str>,
        signature: Option<Signature>,
    ) -> Result<Uploaded, PoliciesError> {
        let (component, realm) = (component.clone(), realm.map(str::to_owned));
        self.keeper.upload(signed(Upload { component, name: None, signature, realm }))
    }

    pub fn upload(&self, component: &Bytes) -> Digest {
        self.try_upload(component, None, None).unwrap_or_else(|error| panic!("{error}")).digest
    }

    pub fn activate(&self, realm: &str, policy: Digest) -> RealmView {
        self.keeper.activate(signed(bind(realm, policy, None))).unwrap_or_else(|error| panic!("{error}"))
    }

    pub fn activate_with(&self, policy: Digest, settings: Value) -> Result<RealmView, PoliciesError> {
        self.keeper.activate(signed(bind(EAST, policy, Some(settings))))
    }

    pub fn rollback(&self, realm: &str) -> Result<RealmView, PoliciesError> {
        self.keeper.rollback(signed(place(realm)))
    }

    pub fn ask(&self, realm: &str) -> Ruling<Verdict> {
        self.keeper.host().ask(&handling(realm))
    }

    /// Policies of a decision: what decides, then what did before.
    pub fn stack(&self, realm: &str, hook: Hook) -> Vec<String> {
        let view = self.decision(realm, hook);
        view.active.into_iter().chain(view.earlier).map(|bound| bound.policy).collect()
    }

    pub fn decision(&self, realm: &str, hook: Hook) -> DecisionView {
        let view = self.keeper.realm(realm).unwrap();
        view.decisions.into_iter().find(|decision| decision.decision == hook.name()).unwrap()
    }

    /// As whoever may see everything.
    pub fn resolve(&self, text: &str) -> Result<Digest, PoliciesError> {
        self.keeper.resolve(text, &Realms::All)
    }

    pub fn list(&self) -> Vec<PolicyView> {
        self.keeper.list(&Realms::All)
    }

    pub fn show(&self, policy: Digest) -> Result<PolicyView, PoliciesError> {
        self.keeper.show(policy, &Realms::All)
    }

    pub fn component(&self, policy: Digest) -> Result<Bytes, PoliciesError> {
        self.keeper.component(policy, &Realms::All)
    }

    pub fn events(&self, after: u64, limit: usize) -> Result<Vec<EntryView>, PoliciesError> {
        Ok(self.keeper.events(after, limit, &Realms::All)?.entries)
    }

    /// As an operator of all realms.
    pub fn retire(&self, policy: Digest) -> Result<PolicyView, PoliciesError> {
        self.keeper.retire(signed(retire(policy, Realms::All)))
    }

    /// The names of all events of the stream, in order.
    pub fn story(&self) -> Vec<String> {
        let entries = self.events(0, 1000).unwrap();
        let events = entries.into_iter().flat_map(|entry| entry.events);
        events.map(|event| event["event"].as_str().unwrap().to_owned()).collect()
    }

    /// Waits until the keeper's own thread has done something.
    pub fn until(&self, what: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !what(self) {
            assert!(start.elapsed() < Duration::from_secs(20), "it did not come: {:?}", self.story());
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

pub fn open(
    config: &Config,
    shelf: &Arc<dyn Shelf>,
    now: &Arc<AtomicU64>,
    counted: &Arc<Counted>,
) -> Result<Arc<Keeper>, PolicyError> {
    let now = Arc::clone(now);
    let clock = Arc::new(move || Timestamp(now.load(Ordering::Relaxed)));
    let engine = Engine::new(&config.policy, Arc::clone(counted) as _)?;
    Keeper::open(config, engine, Arc::clone(shelf), SeedSecret([7; 16]), clock, Arc::clone(counted) as _)
}

pub fn signed<T>(order: T) -> Signed<T> {
    Signed { author: Author("ops".to_owned()), reason: "because".to_owned(), order }
}

pub fn bind(realm: &str, policy: Digest, settings: Option<Value>) -> Bind {
    Bind { realm: realm.to_owned(), policy, decisions: None, settings }
}

/// By an operator of these realms, who has no other role.
pub fn retire(policy: Digest, operates: Realms) -> Retire {
    Retire { policy, sees: operates.clone(), operates }
}

pub fn place(realm: &str) -> Place {
    Place { realm: realm.to_owned(), decisions: None }
}

pub fn handling(realm: &str) -> Question {
    let context = crate::queue::question::Context { realm: realm.to_owned(), ..samples::sample_context() };
    Question::Handling { context, message: samples::sample_message() }
}

/// A policy that always answers `manage` to `handling`, unlike the standard; each text makes another one.
pub fn manager(text: &str) -> Bytes {
    let mut guest = Guest::new();
    guest.text(text.as_bytes());
    guest.judge("handling", manage()).build().into()
}

/// As [`manager`], for `handling` and `expiry` (discard), and it takes settings: with any but `{}` its `handling` traps.
pub fn moody(text: &str) -> Bytes {
    let mut guest = Guest::new();
    let schema =
        guest.text(br#"{"type":"object","properties":{"mood":{"type":"string"}},"additionalProperties":false}"#);
    guest.text(text.as_bytes());
    let configure = format!("(i32.store (i32.const 16) (local.get $length)) {}", answer(&[]));
    let judge = format!("(if (i32.gt_u (i32.load (i32.const 16)) (i32.const 2)) (then unreachable)) {}", manage());
    let guest = guest.settings(answer(&[(0, schema.0), (4, schema.1)]), configure);
    guest.judge("handling", judge).judge("expiry", answer(&[])).build().into()
}

/// No policy: it traps whatever it is asked.
pub fn broken() -> Bytes {
    Guest::new().judge("handling", "unreachable").build().into()
}
