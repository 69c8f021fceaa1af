//! Who answers which decision: a binding per hook, the standard rule where there is none or where it fails.

use super::{Binding, Counters, Engine, Judges, Outcome, PolicyError, STANDARD_COMPONENT};
use crate::config;
use crate::queue::question::{Hook, Judge, Question, Ruling, Verdict};
use crate::queue::standard;
use crate::types::Digest;
use std::sync::Arc;
use std::time::Instant;

/// The policy of the whole node: one binding for each decision. Bindings per realm are another table of the same.
pub struct Host {
    bindings: [Option<Arc<Binding>>; Hook::ALL.len()],
    counters: Arc<dyn Counters>,
}

/// Starts the engine, loads the configured component (the embedded standard policy if none is) and binds it, without
/// settings, to every decision that it answers.
///
/// # Errors
/// [`PolicyError`]: the limits do not fit the machine, or the component cannot be read, is not acceptable, or wants
/// settings.
pub fn open(config: &config::Policy, counters: Arc<dyn Counters>) -> Result<Host, PolicyError> {
    let engine = Engine::new(config, Arc::clone(&counters))?;
    let component = match &config.component {
        None => engine.load(STANDARD_COMPONENT)?,
        Some(path) => {
            let bytes = std::fs::read(path).map_err(|error| PolicyError::Read { path: path.clone(), error })?;
            engine.load(&bytes)?
        }
    };
    Ok(Host::new(counters).bind_all(&Arc::new(Binding::new(Arc::new(component), "{}")?)))
}

/// The place of a hook in a table of all.
const fn place(hook: Hook) -> usize {
    hook as usize
}

impl Host {
    /// Nothing is bound: the standard rule answers all.
    pub fn new(counters: Arc<dyn Counters>) -> Self {
        Self { bindings: [const { None }; Hook::ALL.len()], counters }
    }

    /// The binding answers this decision, if its component exports it; otherwise nothing changes.
    #[must_use]
    pub fn bind(mut self, hook: Hook, binding: &Arc<Binding>) -> Self {
        if binding.answers(hook)
            && let Some(slot) = self.bindings.get_mut(place(hook))
        {
            *slot = Some(Arc::clone(binding));
        }
        self
    }

    /// The binding answers every decision that its component exports.
    #[must_use]
    pub fn bind_all(self, binding: &Arc<Binding>) -> Self {
        Hook::ALL.into_iter().fold(self, |host, hook| host.bind(hook, binding))
    }

    /// The component bound to a decision.
    pub fn bound(&self, hook: Hook) -> Option<Digest> {
        self.bindings.get(place(hook))?.as_ref().map(|binding| binding.digest())
    }
}

impl Judges for Host {
    fn ask(&self, question: &Question) -> Ruling<Verdict> {
        let start = Instant::now();
        let hook = question.hook();
        let binding = self.bindings.get(place(hook)).and_then(Option::as_deref);
        let (ruling, outcome) = match binding.map(|binding| (binding.digest(), binding.judge(question))) {
            None => (Ruling { verdict: standard::answer(question), judge: Judge::Native }, Outcome::Native),
            Some((digest, Ok(verdict))) => (Ruling { verdict, judge: Judge::Component(digest) }, Outcome::Component),
            Some((digest, Err(failed))) => {
                let judge = Judge::Fallback(digest, failed.failure);
                (Ruling { verdict: standard::answer(question), judge }, Outcome::Failed(failed.failure))
            }
        };
        self.counters.asked(hook, outcome, start.elapsed());
        ruling
    }
}
