//! Tests of the policy host: the embedded component, hostile guests, unacceptable files.

mod checking;
mod guest;
mod hosting;
mod standard;
pub(crate) mod strategy;

use super::{Binding, Counters, Engine, Host, NoCounters, Outcome};
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
    asked: Mutex<Vec<(Hook, Outcome)>>,
    alive: Mutex<Vec<u32>>,
    dropped: Mutex<u64>,
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

/// A host whose decisions are all bound to this component.
fn host_of(engine: &Engine, bytes: &[u8]) -> Host {
    let component = engine.load(bytes).unwrap_or_else(|error| panic!("{error}"));
    let binding = Binding::new(Arc::new(component), "{}").unwrap_or_else(|error| panic!("{error}"));
    Host::new(Arc::new(NoCounters)).bind_all(&Arc::new(binding))
}
