//! A component with its settings and its instances: what a decision of a realm is bound to.

use super::lines::Meter;
use super::pool::Pool;
use super::seat::{CallLimits, Failed, Seat};
use super::{Component, Permit};
use crate::policy::mask::fit_for_log;
use crate::policy::{Limit, PolicyError};
use crate::queue::question::{Failure, Hook, Question, Verdict};
use crate::types::Digest;
use std::sync::Arc;
use std::time::Instant;

/// Most shards of a free list; more threads than this share some.
const SHARDS_MAX: usize = 16;

/// Asked by any number of threads at once. A decision or a realm that is to have other settings gets a binding of its
/// own; the compiled component is shared.
pub struct Binding {
    component: Arc<Component>,
    settings: String,
    idle: Arc<Pool<Seat>>,
    meter: Meter,
    /// It is being examined: nobody waits for it, and it takes no room from those for whom somebody waits.
    trial: bool,
}

impl Binding {
    /// Binds the component to these settings (JSON text), which one instance is given now, to learn whether they are
    /// accepted.
    ///
    /// # Errors
    /// [`PolicyError::Settings`] if the component refuses them, or fails over them; [`PolicyError::NoAnswer`].
    pub fn new(component: Arc<Component>, settings: impl Into<String>) -> Result<Self, PolicyError> {
        Self::open_first(component, settings.into(), false)
    }

    /// The same for a component under examination, by one thread.
    ///
    /// # Errors
    /// As [`Binding::new`].
    pub(in crate::policy) fn trial(component: Arc<Component>, settings: &str) -> Result<Self, PolicyError> {
        Self::open_first(component, settings.to_owned(), true)
    }

    fn open_first(component: Arc<Component>, settings: String, trial: bool) -> Result<Self, PolicyError> {
        let shards = std::thread::available_parallelism().map_or(1, usize::from).min(SHARDS_MAX);
        let (idle, meter) = (Arc::new(Pool::new(shards)), Meter::new(Instant::now()));
        let binding = Self { component, settings, idle, meter, trial };
        match binding.open_trial() {
            // It is not kept.
            Ok(_) => {
                if !trial {
                    binding.component.engine.0.idle.add(&binding.idle);
                }
                Ok(binding)
            }
            Err(Failed { failure, detail }) => {
                let (digest, reason) = (binding.digest(), fit_for_log(&detail, None));
                Err(match failure {
                    Failure::Timeout | Failure::Unavailable => PolicyError::NoAnswer { digest, failure, reason },
                    _ => PolicyError::Settings { digest, reason },
                })
            }
        }
    }

    /// The component's name.
    pub fn digest(&self) -> Digest {
        self.component.digest()
    }

    /// The settings (JSON text) that every instance is given.
    pub fn settings(&self) -> &str {
        &self.settings
    }

    /// Whether the component answers this decision.
    pub fn answers(&self, hook: Hook) -> bool {
        self.component.answers(hook)
    }

    /// Asks the component.
    ///
    /// # Errors
    /// [`Failed`]: the caller falls back.
    pub fn judge(&self, question: &Question) -> Result<Verdict, Failed> {
        let mut seat = self.take()?;
        let answer = seat.ask(&self.component.indices, question);
        if !seat.lines().is_empty() {
            self.count_dropped(seat.lines().write(&self.meter, self.digest(), question.hook().name(), Some(question)));
        }
        if let Err(failed) = &answer {
            self.tell(failed, question);
        }
        if !seat.worn(self.component.engine.0.limits.calls_per_instance) {
            self.idle.put(seat);
        }
        answer
    }

    fn take(&self) -> Result<Seat, Failed> {
        if let Some(seat) = self.idle.take() {
            return Ok(seat);
        }
        if let Some(seat) = self.open_within()? {
            return Ok(seat);
        }
        let limit = self.component.engine.call_limits().time;
        self.idle.wait(limit, || self.open_within())?.ok_or_else(|| {
            self.component.engine.0.counters.limit_hit(Limit::Instances);
            Failed::new(Failure::Unavailable, "all policy.instances-max instances are busy")
        })
    }

    /// One more instance, if their number allows, or in place of an idle one of another binding.
    fn open_within(&self) -> Result<Option<Seat>, Failed> {
        if self.trial {
            return self.open_trial().map(Some);
        }
        let engine = &self.component.engine;
        let permit = Permit::acquire(engine).or_else(|| engine.0.idle.spare().map(Seat::into_permit));
        permit.map(|permit| self.open(permit, engine.call_limits())).transpose()
    }

    /// An instance for which nobody waits.
    fn open_trial(&self) -> Result<Seat, Failed> {
        let engine = &self.component.engine;
        self.open(Permit::for_trial(engine)?, engine.trial_limits())
    }

    fn open(&self, permit: Permit, limits: CallLimits) -> Result<Seat, Failed> {
        let component = &self.component;
        let mut seat = Seat::open(&component.pre, limits, component.engine.0.ticker.clock(), permit)?;
        if component.indices.has_settings() {
            let taken = seat.configure(&component.indices, &self.settings);
            let dropped = seat.lines().write(&self.meter, self.digest(), "settings", None);
            self.count_dropped(dropped);
            taken?;
        }
        Ok(seat)
    }

    fn count_dropped(&self, lines: u64) {
        if lines > 0 {
            self.component.engine.0.counters.lines_dropped(lines);
        }
    }

    /// A failing policy is told of at the same limited rate as its own lines.
    fn tell(&self, failed: &Failed, question: &Question) {
        if self.meter.admit(Instant::now()) {
            let (failure, hook) = (crate::policy::failure_name(failed.failure), question.hook().name());
            let detail = fit_for_log(&failed.detail, Some(question));
            tracing::warn!(target: "policy", digest = %self.digest(), hook, failure, detail, "a policy failed; the standard rule answered");
        } else {
            self.count_dropped(1);
        }
    }
}

#[cfg(test)]
mod tests;
