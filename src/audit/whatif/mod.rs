//! What if: the questions of the past, rebuilt from the journal and asked of a candidate, held against what was decided.
//!
//! Nothing is stored and nobody is told. The candidate is whatever answers questions: this module knows no component.

mod replay;
mod table;
mod tally;
#[cfg(test)]
pub(crate) mod tests;
mod words;

pub use replay::{Counts, Gather, Progress, Scope, walk};
pub use tally::{Change, Example, Sums, Tally};

use super::AuditError;
use crate::config::Config;
use crate::journal::JournalRead;
use crate::queue::question::{Failure, Question, Verdict};
use serde::{Deserialize, Serialize};

/// Whoever is asked what they would have said; on many threads at once.
pub type Candidate<'a> = dyn Fn(&Question) -> Result<Verdict, Failure> + Sync + 'a;

/// What would have been otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhatIf {
    #[serde(flatten)]
    pub counts: Counts,
    pub realms: Tally,
}

impl WhatIf {
    /// Verdicts that differ, of all realms and decisions.
    #[must_use]
    pub fn different(&self) -> u64 {
        self.realms.sums().map(|sums| sums.different).sum()
    }

    /// Questions that the candidate failed on.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.realms.sums().flat_map(|sums| sums.failed.values()).sum()
    }
}

/// How it is done.
#[derive(Clone, Copy, Debug)]
pub struct Means {
    pub threads: usize,
    /// Differences of each kind that are shown one by one: the latest.
    pub examples: usize,
}

/// Asks the candidate every question of the scope. The result does not depend on the number of threads.
///
/// # Errors
/// [`AuditError`] if the journal as a whole cannot be read; a user whose log cannot be is counted.
pub fn what_if(
    journal: &dyn JournalRead,
    config: &Config,
    scope: &Scope,
    candidate: &Candidate,
    means: Means,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<WhatIf, AuditError> {
    let begin = || tally::Asking::new(candidate, means.examples);
    let (asked, counts) = walk(journal, config, scope, means.threads, &begin, progress)?;
    Ok(WhatIf { counts, realms: asked.tally })
}
