//! A policy held against the past: what the command line and the HTTP API have in common.

use super::AuditError;
use super::whatif::{Means, Progress, Scope, WhatIf, what_if};
use crate::config::Config;
use crate::journal::JournalRead;
use crate::policy::{Binding, Engine, PoliciesError, schema};
use crate::queue::question::{Failure, Hook, Question, Verdict};
use crate::types::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What was found, and of what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Review {
    /// Digest of the candidate.
    pub policy: String,
    pub settings: Value,
    /// RFC 3339; `None`: from the beginning.
    pub since: Option<String>,
    /// RFC 3339; `None`: to the end.
    pub until: Option<String>,
    /// The candidate failed so often that it was asked no more: what is left counts as failed, too.
    pub gave_up: bool,
    #[serde(flatten)]
    pub found: WhatIf,
}

/// Questions that a candidate may fail on. Each that does not come to an end costs as much as thousands that do.
const FAILURES_MAX: u64 = 1000;

/// The candidate with its settings.
///
/// # Errors
/// [`PoliciesError`]: it is not acceptable, or does not take these settings.
pub fn bind(
    engine: &Engine,
    component: &[u8],
    settings: &Value,
    settings_bytes_max: usize,
) -> Result<Binding, PoliciesError> {
    let component = Arc::new(engine.load(component)?);
    let settings = schema::check_settings(&component, settings, settings_bytes_max);
    Ok(Binding::new(component, settings.map_err(PoliciesError::Settings)?)?)
}

/// Asks the candidate what it decides of the scope.
///
/// # Errors
/// As [`what_if`].
pub fn review(
    journal: &dyn JournalRead,
    config: &Config,
    candidate: (&Binding, Value),
    scope: Scope,
    means: Means,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Review, AuditError> {
    let (binding, settings) = candidate;
    let decisions = Hook::ALL.into_iter().filter(|hook| binding.answers(*hook)).collect();
    let scope = Scope { decisions, ..scope };
    let patience = Patience { failures: AtomicU64::new(0), max: FAILURES_MAX };
    let candidate = |question: &Question| patience.with(|| ask(binding, question));
    let found = what_if(journal, config, &scope, &candidate, means, progress)?;
    let gave_up = patience.is_over();
    let (policy, since, until) = (binding.digest().to_string(), moment(scope.since), moment(scope.until));
    Ok(Review { policy, settings, since, until, gave_up, found })
}

/// With a candidate that fails.
struct Patience {
    failures: AtomicU64,
    max: u64,
}

impl Patience {
    fn is_over(&self) -> bool {
        self.failures.load(Ordering::Relaxed) >= self.max
    }

    fn with<T>(&self, ask: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
        if self.is_over() {
            return Err(Failure::Unavailable);
        }
        let answer = ask();
        if answer.is_err() {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
        answer
    }
}

/// `None` is no limit.
fn moment(at: Timestamp) -> Option<String> {
    (at != Timestamp(0) && at != Timestamp::MAX).then(|| at.to_string())
}

/// On a machine whose cores are all busy a deadline may pass without any fault of the candidate's: it is asked twice.
pub(super) fn ask(binding: &Binding, question: &Question) -> Result<Verdict, Failure> {
    let once = || binding.judge(question).map_err(|failed| failed.failure);
    match once() {
        Err(Failure::Timeout | Failure::Unavailable) => once(),
        answer => answer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_candidate_that_fails_too_often_is_asked_no_more() {
        let patience = Patience { failures: AtomicU64::new(0), max: 2 };
        assert_eq!(patience.with(|| Ok(7)), Ok(7));
        for _ in 0..2 {
            assert!(!patience.is_over());
            assert_eq!(patience.with::<u8>(|| Err(Failure::Trap)), Err(Failure::Trap));
        }
        assert_eq!(patience.with::<u8>(|| panic!("it was asked again")), Err(Failure::Unavailable));
        assert!(patience.is_over());
    }
}
