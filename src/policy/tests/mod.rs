//! Tests of the policy host: the embedded component, hostile guests, unacceptable files.

mod checking;
pub(crate) mod guest;
mod hostile;
mod hosting;
mod shipped;
mod standard;
pub(crate) mod strategy;

use super::{Binding, Counters, Engine, Host, NoCounters, Outcome, Placement};
use crate::config;
use crate::queue::question::Hook;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

/// One engine for all tests: what is compiled is compiled side by side.
pub(crate) static ENGINE: LazyLock<Engine> =
    LazyLock::new(|| Engine::new(&config::Policy::default(), Arc::new(NoCounters)).unwrap());

/// Remembers what was counted.
#[derive(Default)]
pub(crate) struct Recorder {
    pub(crate) asked: Mutex<Vec<(Hook, Outcome)>>,
    pub(crate) alive: Mutex<Vec<u32>>,
    pub(crate) dropped: Mutex<u64>,
}

impl Counters for Recorder {
    fn asked(&self, hook: Hook, outcome: Outcome, _: Duration) {
        self.asked.lock().unwrap().push((hook, outcome));
    }

    fn instances(&self, alive: u32) {
        self.alive.lock().unwrap().push(alive);
    }

    fn lines_dropped(&self, lines: u64) {
        *self.dropped.lock().unwrap() += lines;
    }
}

/// A host whose decisions are all bound to this component, in the realm of the built-in questions.
fn host_of(engine: &Engine, bytes: &[u8]) -> Arc<Host> {
    let component = engine.load(bytes).unwrap_or_else(|error| panic!("{error}"));
    let binding = Binding::new(Arc::new(component), "{}").unwrap_or_else(|error| panic!("{error}"));
    hosting(&Arc::new(binding), Arc::new(NoCounters))
}

/// A host that asks this binding whatever it answers.
fn hosting(binding: &Arc<Binding>, counters: Arc<dyn Counters>) -> Arc<Host> {
    // Time enough for whatever a busy machine makes of the tests.
    let limits = config::Policy { realm_ms_per_second: 1_000_000, ..config::Policy::default() };
    let host = Host::new(&limits, counters, Box::new(|_| {}));
    host.install(Placement::of(REALM, binding));
    host
}

/// The realm of the built-in questions.
const REALM: &str = "ims.example.net";
