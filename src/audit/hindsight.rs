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
    #[serde(flatten)]
    pub found: WhatIf,
}

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
    let found = what_if(journal, config, &scope, &|question| ask(binding, question), means, progress)?;
    let (policy, since, until) = (binding.digest().to_string(), moment(scope.since), moment(scope.until));
    Ok(Review { policy, settings, since, until, found })
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
