//! What the host promises, with stand-ins for policies and for the clock.

mod atomicity;
mod judging;
mod shadowing;

use super::guest::Guest;
use super::table::Place;
use super::*;
use crate::policy::{Compared, LiveCounters, NoCounters, RealmCounters, ShadowCounters, samples};
use crate::queue::question::{Delivery, Handling};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// The realm of the built-in questions.
const REALM: &str = "ims.example.net";
const OTHER: &str = "other.example.net";
const MANAGE: Verdict = Verdict::Handling(Handling::Manage);
const PUSH: Verdict = Verdict::Handling(Handling::Push);

fn handling() -> Question {
    Question::Handling { context: samples::sample_context(), message: samples::sample_message() }
}

fn delivery() -> Question {
    let context = samples::sample_context();
    let client = context.clients[0].clone();
    Question::Delivery { context, message: samples::sample_message(), client }
}

fn elsewhere(question: Question) -> Question {
    match question {
        Question::Handling { context, message } => Question::Handling {
            context: crate::queue::question::Context { realm: OTHER.to_owned(), ..context },
            message,
        },
        other => other,
    }
}

/// A clock that stands still unless it is moved.
#[derive(Clone)]
struct Still {
    base: Instant,
    moved: Arc<AtomicU64>,
}

impl Still {
    fn new() -> Self {
        Self { base: Instant::now(), moved: Arc::default() }
    }

    fn forward(&self, time: Duration) {
        self.moved.fetch_add(u64::try_from(time.as_nanos()).unwrap(), Ordering::SeqCst);
    }

    fn clock(&self) -> Clock {
        let still = self.clone();
        Arc::new(move || still.base + Duration::from_nanos(still.moved.load(Ordering::SeqCst)))
    }
}

type Answer = Box<dyn Fn(&Question) -> Result<Verdict, Failure> + Send + Sync>;

/// A stand-in for a policy.
struct Fake {
    digest: Digest,
    answer: Answer,
    asked: AtomicUsize,
}

impl Fake {
    fn of(name: u8, answer: impl Fn(&Question) -> Result<Verdict, Failure> + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { digest: Digest([name; 32]), answer: Box::new(answer), asked: AtomicUsize::new(0) })
    }

    /// Manages everything, unlike the standard.
    fn manages(name: u8) -> Arc<Self> {
        Self::of(name, |_| Ok(MANAGE))
    }

    fn fails(name: u8, failure: Failure) -> Arc<Self> {
        Self::of(name, move |_| Err(failure))
    }

    /// So long each time.
    fn slow(name: u8, still: &Still, takes: Duration) -> Arc<Self> {
        let still = still.clone();
        Self::of(name, move |_| {
            still.forward(takes);
            Ok(MANAGE)
        })
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// As the one that decides what is done with a message.
    fn decides(self: &Arc<Self>, realm: &str) -> Place {
        self.bound(realm, Hook::Handling)
    }

    fn bound(self: &Arc<Self>, realm: &str, hook: Hook) -> Place {
        Place { realm: realm.to_owned(), hook, live: Some(Arc::clone(self) as _), shadow: None }
    }
}

impl Guest for Fake {
    fn digest(&self) -> Digest {
        self.digest
    }

    fn judge(&self, question: &Question) -> Result<Verdict, Failure> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        (self.answer)(question)
    }
}

impl Place {
    fn shadowed_by(mut self, shadow: &Arc<Fake>) -> Self {
        self.shadow = Some(Arc::clone(shadow) as _);
        self
    }
}

/// Remembers in words what was counted.
#[derive(Clone, Default)]
struct Counted(Arc<Mutex<Vec<String>>>);

/// A handle; it says when it goes.
struct Handle(Counted, String);

impl Counted {
    fn note(&self, what: String) {
        self.0.lock().unwrap().push(what);
    }

    fn times(&self, what: &str) -> usize {
        self.0.lock().unwrap().iter().filter(|noted| *noted == what).count()
    }

    fn handle(&self, name: String) -> Handle {
        self.note(format!("+ {name}"));
        Handle(self.clone(), name)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.note(format!("- {}", self.1));
    }
}

impl Counters for Counted {
    fn asked(&self, hook: Hook, outcome: Outcome, _: Duration) {
        self.note(format!("asked {} {}", hook.name(), outcome.name()));
    }
    fn instances(&self, _: u32) {}
    fn lines_dropped(&self, lines: u64) {
        (0..lines).for_each(|_| self.note("line dropped".to_owned()));
    }
    fn limit_hit(&self, limit: Limit) {
        self.note(format!("limit {limit:?}"));
    }
    fn realm(&self, realm: &str) -> Box<dyn RealmCounters> {
        Box::new(self.handle(realm.to_owned()))
    }
    fn live(&self, realm: &str, hook: Hook, policy: Option<Digest>) -> Box<dyn LiveCounters> {
        let policy = policy.map_or(0, |digest| digest.0[0]);
        Box::new(self.handle(format!("{realm} {} live {policy}", hook.name())))
    }
    fn shadow(&self, realm: &str, hook: Hook, policy: Digest) -> Box<dyn ShadowCounters> {
        Box::new(self.handle(format!("{realm} {} shadow {}", hook.name(), policy.0[0])))
    }
}

impl RealmCounters for Handle {
    fn busy(&self, took: Duration) {
        self.0.note(format!("busy {} {took:?}", self.1));
    }
    fn tripped(&self, hook: Hook) {
        self.0.note(format!("tripped {} {}", self.1, hook.name()));
    }
}

impl LiveCounters for Handle {
    fn answered(&self, outcome: Outcome) {
        self.0.note(format!("{}: {}", self.1, outcome.name()));
    }
}

impl ShadowCounters for Handle {
    fn compared(&self, result: Compared) {
        self.0.note(format!("{}: {result:?}", self.1));
    }
}

/// A host with everything around it in the hands of the test.
struct World {
    host: Arc<Host>,
    still: Still,
    counted: Counted,
    alarms: Arc<Mutex<Vec<Alarm>>>,
}

impl World {
    /// Three failures a minute trip; half a second a second for each realm; four questions wait for shadows.
    fn new() -> Self {
        let limits = config::Policy {
            trip_failures: 3,
            trip_window_secs: 60,
            realm_ms_per_second: 500,
            shadow_backlog_max: 4,
            shadow_samples_max: 2,
            ..config::Policy::default()
        };
        let (still, counted, alarms) = (Still::new(), Counted::default(), Arc::new(Mutex::new(Vec::new())));
        let heard = Arc::clone(&alarms);
        let bell: Bell = Box::new(move |alarm| heard.lock().unwrap().push(alarm));
        let host = Host::with_clock(&limits, Arc::new(counted.clone()), bell, still.clock());
        Self { host, still, counted, alarms }
    }

    fn install(&self, places: impl IntoIterator<Item = Place>) {
        self.host.place(places.into_iter().collect());
    }

    fn handling(&self) -> Ruling<Verdict> {
        self.host.ask(&handling())
    }

    fn health(&self) -> Health {
        self.host.health(REALM, Hook::Handling).unwrap()
    }
}

/// What another thread will do soon.
#[track_caller]
fn soon(done: impl Fn() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_mins(1), "it does not happen");
        std::thread::yield_now();
    }
}

fn fallback_of(fake: &Fake, failure: Failure) -> Ruling<Verdict> {
    Ruling { verdict: standard::answer(&handling()), judge: Judge::Fallback(fake.digest, failure) }
}
