//! A component with its settings and its instances: what a decision of a realm is bound to.

use super::lines::Meter;
use super::pool::Pool;
use super::seat::{Failed, Seat};
use super::{Component, Permit};
use crate::policy::PolicyError;
use crate::policy::mask::fit_for_log;
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
    idle: Pool<Seat>,
    meter: Meter,
}

impl Binding {
    /// Binds the component to these settings (JSON text), which one instance is given now, to learn whether they are
    /// accepted.
    ///
    /// # Errors
    /// [`PolicyError::Settings`] if the component refuses them, or fails over them.
    pub fn new(component: Arc<Component>, settings: impl Into<String>) -> Result<Self, PolicyError> {
        let shards = std::thread::available_parallelism().map_or(1, usize::from).min(SHARDS_MAX);
        let binding =
            Self { component, settings: settings.into(), idle: Pool::new(shards), meter: Meter::new(Instant::now()) };
        match binding.open(None) {
            // It is not kept: it stands outside the number of instances.
            Ok(_) => Ok(binding),
            Err(failed) => {
                let reason = fit_for_log(&failed.detail, None);
                Err(PolicyError::Settings { digest: binding.digest(), reason })
            }
        }
    }

    /// The component's name.
    pub fn digest(&self) -> Digest {
        self.component.digest()
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
        self.idle
            .wait(limit, || self.open_within())?
            .ok_or_else(|| Failed::new(Failure::Unavailable, "all policy.instances-max instances are busy"))
    }

    /// One more instance, if their number allows.
    fn open_within(&self) -> Result<Option<Seat>, Failed> {
        Permit::acquire(&self.component.engine).map(|permit| self.open(Some(permit))).transpose()
    }

    fn open(&self, permit: Option<Permit>) -> Result<Seat, Failed> {
        let component = &self.component;
        let mut seat =
            Seat::open(&component.pre, component.engine.call_limits(), component.engine.0.ticker.clock(), permit)?;
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
