//! The author's engine: questions asked with the limits of the server, and more told of each answer.

use super::engine::{Component, Engine, Failed};
use super::{NoCounters, PolicyError, mask};
use crate::config;
use crate::queue::question::{Hook, Question, Verdict};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Times that a question is asked again, to learn what it costs an instance that has answered before.
const AGAIN: usize = 4;

/// A component with settings, to be tried at the desk.
pub struct Trial {
    component: Component,
    settings: String,
    log: Vec<(String, String)>,
}

/// What came of one question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// The verdict as the queue would have it, or how the component failed.
    pub answer: Result<Verdict, Failed>,
    /// What the question cost a fresh instance, in units of wasmtime's fuel: about one for each WebAssembly instruction.
    /// The same question costs the same on every machine.
    pub fuel: u64,
    /// What it cost an instance that has answered before, as the server's have; if it failed, until it failed.
    pub took: Duration,
    /// What it wrote, level and text, as far as the server would have kept it.
    pub log: Vec<(String, String)>,
    /// Where in the component it trapped, the innermost function first; without names if they were stripped.
    pub backtrace: Option<String>,
}

impl Trial {
    /// Compiles the component, with a meter built in, and gives it its settings once.
    ///
    /// # Errors
    /// [`PolicyError`]: it is not acceptable, or refuses the settings.
    pub fn new(component: &[u8], settings: &str, limits: &config::Policy) -> Result<Self, PolicyError> {
        let mut trial = Self::load(component, limits)?;
        trial.settle(settings)?;
        Ok(trial)
    }

    /// Compiles the component, with a meter built in. It must be given settings before it is asked anything.
    ///
    /// # Errors
    /// [`PolicyError`]: it is not acceptable.
    pub fn load(component: &[u8], limits: &config::Policy) -> Result<Self, PolicyError> {
        let limits = config::Policy { instances_max: 1, ..limits.clone() };
        let component = Engine::metered(&limits, Arc::new(NoCounters))?.load(component)?;
        Ok(Self { component, settings: String::new(), log: Vec::new() })
    }

    /// Gives the component other settings (JSON text) from now on, without compiling it again.
    ///
    /// # Errors
    /// [`PolicyError::Settings`]: it refuses them, and keeps those that it had.
    pub fn settle(&mut self, settings: &str) -> Result<(), PolicyError> {
        match self.component.try_seat(settings) {
            Ok(mut seat) => self.log = seat.lines().take(),
            Err(failed) => {
                let (digest, reason) = (self.component.digest(), mask::fit_for_log(&failed.detail, None));
                return Err(PolicyError::Settings { digest, reason });
            }
        }
        settings.clone_into(&mut self.settings);
        Ok(())
    }

    /// The compiled component.
    pub const fn component(&self) -> &Component {
        &self.component
    }

    /// Whether the component answers this decision.
    pub const fn decides(&self, hook: Hook) -> bool {
        self.component.answers(hook)
    }

    /// What it wrote when it started and took its settings, level and text.
    pub fn log(&self) -> &[(String, String)] {
        &self.log
    }

    /// Asks a fresh instance, so that no question depends on those before it.
    pub fn ask(&mut self, question: &Question) -> Tried {
        let start = Instant::now();
        let mut seat = match self.component.try_seat(&self.settings) {
            Ok(seat) => seat,
            Err(failed) => {
                let (took, log) = (start.elapsed(), Vec::new());
                return Tried { answer: Err(failed), fuel: 0, took, log, backtrace: None };
            }
        };
        let (before, start) = (seat.fuel(), Instant::now());
        let answer = self.component.ask(&mut seat, question);
        let took = start.elapsed();
        let fuel = before.saturating_sub(seat.fuel());
        let log = seat.lines().take();
        let mut tried = Tried { answer, fuel, took, log, backtrace: seat.backtrace() };
        for _ in 0..AGAIN {
            if tried.answer.is_err() {
                break;
            }
            let start = Instant::now();
            let again = self.component.ask(&mut seat, question);
            tried.took = start.elapsed().min(tried.took);
            if again != tried.answer {
                tried.log.push((
                    "warn".to_owned(),
                    "restante: asked the same again, this instance answers otherwise: it keeps state between questions"
                        .to_owned(),
                ));
                break;
            }
        }
        tried
    }
}

#[cfg(test)]
mod tests;
