//! What was counted, for the tests to look at.

use super::*;
use std::sync::{Mutex, PoisonError};

/// Keeps everything that was counted, in order.
#[derive(Debug, Default)]
pub(super) struct Tally(Mutex<Inside>);

#[derive(Debug, Default)]
struct Inside {
    outcomes: Vec<Outcome>,
    limits: Vec<Limit>,
    hits: Vec<bool>,
    alone: Vec<bool>,
}

impl Tally {
    fn with<T>(&self, look: impl FnOnce(&mut Inside) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The outcomes since the last look.
    pub(super) fn outcomes(&self) -> Vec<Outcome> {
        self.with(|inside| std::mem::take(&mut inside.outcomes))
    }

    pub(super) fn limits(&self) -> Vec<Limit> {
        self.with(|inside| std::mem::take(&mut inside.limits))
    }

    pub(super) fn hits(&self) -> Vec<bool> {
        self.with(|inside| std::mem::take(&mut inside.hits))
    }

    pub(super) fn left_alone(&self) -> Vec<bool> {
        self.with(|inside| std::mem::take(&mut inside.alone))
    }
}

impl Counters for Tally {
    fn wanted(&self, at_hand: bool) {
        self.with(|inside| inside.hits.push(at_hand));
    }

    fn read(&self, outcome: Outcome, _: Duration) {
        self.with(|inside| inside.outcomes.push(outcome));
    }

    fn left_alone(&self, so: bool) {
        self.with(|inside| inside.alone.push(so));
    }

    fn limit_hit(&self, limit: Limit) {
        self.with(|inside| inside.limits.push(limit));
    }
}
