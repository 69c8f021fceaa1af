//! Real questions as cases for a policy's author: a fair choice of them, with what was decided, under other names.

mod deciders;
#[cfg(test)]
mod deciders_tests;
mod mask;
#[cfg(test)]
mod tests;

pub use deciders::Deciders;

use super::AuditError;
use super::line::judge_name;
use super::whatif::{Counts, Gather, Progress, Scope, walk};
use crate::config::Config;
use crate::journal::JournalRead;
use crate::kit::case::{Case, document_of, verdict_document};
use crate::policy::{failure_name, verdict_in_words};
use crate::queue::question::{Hook, Judge, Question};
use crate::queue::recall::{Loss, Recalled, effective};
use crate::types::{Digest, UserKey};
use mask::Mask;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Cases of one decision, in order of time.
pub type Cases = BTreeMap<&'static str, Vec<Case>>;

/// At most `limit` questions of each decision, as cases that expect what was decided. Which ones is a matter of chance, the
/// same for the same log: every question is as likely as any other.
///
/// Addresses, clients, subjects and message ids are others than in the log, the same ones the same throughout. Moments,
/// sizes and the realms are those of the log, and the settings those that whoever decided had. A case expects nothing if
/// the component that decided would not say the same of the names that stand in it now, or cannot be asked any more.
///
/// # Errors
/// [`AuditError`] if the journal as a whole cannot be read; a user whose log cannot be is counted.
pub fn questions(
    journal: &dyn JournalRead,
    config: &Config,
    scope: &Scope,
    limit: usize,
    deciders: &mut Deciders,
    threads: usize,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<(Cases, Counts), AuditError> {
    let begin = || Choice { limit, chosen: BTreeMap::new() };
    let (choice, counts) = walk(journal, config, scope, threads, &begin, progress)?;
    let mut mask = Mask::new(config.realms.keys().cloned().chain(choice.realms()));
    let mut cases = Cases::new();
    for (hook, found) in choice.in_order() {
        let numbered = found.iter().enumerate();
        let made = numbered.map(|(number, recalled)| case(number + 1, recalled, &mut mask, deciders)).collect();
        cases.insert(hook.name(), made);
    }
    Ok((cases, counts))
}

fn case(number: usize, recalled: &Recalled, mask: &mut Mask, deciders: &mut Deciders) -> Case {
    let settings = deciders.settings(recalled);
    let question = mask.question(&recalled.question);
    let (hook, said, judge) = (question.hook().name(), verdict_in_words(&recalled.verdict), judge_name(recalled.judge));
    let otherwise = otherwise(recalled, &question, settings.as_ref(), deciders);
    Case {
        name: format!("{hook} {number}: {said}, by {judge}{}", otherwise.as_deref().unwrap_or_default()),
        settings,
        question: document_of(&question),
        expect: otherwise.is_none().then(|| verdict_document(&recalled.verdict)),
    }
}

/// Why the verdict of then is not to be expected of this question, in the words that the case's name ends in: a policy may
/// go by a name that stands there no more. The standard rule does not.
fn otherwise(
    recalled: &Recalled,
    masked: &Question,
    settings: Option<&Value>,
    deciders: &mut Deciders,
) -> Option<String> {
    if recalled.judge == Judge::Native {
        return None;
    }
    match deciders.again(recalled.judge, settings, masked) {
        None => Some("; it cannot be asked again".to_owned()),
        Some(Err(failure)) => Some(format!("; asked with these names: {}", failure_name(failure))),
        Some(Ok(verdict)) if effective(masked, &verdict) == effective(masked, &recalled.verdict) => None,
        Some(Ok(verdict)) => Some(format!("; asked with these names: {}", verdict_in_words(&verdict))),
    }
}

/// What a question is drawn by: a digest of what tells it from others.
type Lot = [u8; 32];

/// One command may ask of several clients, and about several causes, at the same moment: each has its own lot.
fn lot(user: UserKey, question: &Question) -> Lot {
    let (context, message) = (question.context(), question.message());
    let mut told = Vec::with_capacity(128);
    told.extend_from_slice(&user.0);
    told.extend_from_slice(&message.id.0);
    told.extend_from_slice(&context.now.0.to_be_bytes());
    told.extend_from_slice(&message.attempts.to_be_bytes());
    told.extend_from_slice(question.hook().name().as_bytes());
    match question {
        Question::Delivery { client, .. } => told.extend_from_slice(client.id.0.as_bytes()),
        Question::Notification { cause, .. } => told.push(*cause as u8),
        Question::Admission { .. } | Question::Handling { .. } | Question::Expiry { .. } => {}
    }
    Digest::of(&told).0
}

/// Those with the lowest lots so far, of each decision.
struct Choice {
    limit: usize,
    chosen: BTreeMap<Hook, BTreeMap<Lot, Recalled>>,
}

impl Choice {
    fn add(&mut self, hook: Hook, lot: Lot, recalled: Recalled) {
        let chosen = self.chosen.entry(hook).or_default();
        if chosen.len() >= self.limit && chosen.last_key_value().is_none_or(|(highest, _)| *highest <= lot) {
            return;
        }
        chosen.insert(lot, recalled);
        if chosen.len() > self.limit {
            chosen.pop_last();
        }
    }

    /// Those that served: the operator's, even if they are not configured (any more).
    fn realms(&self) -> Vec<String> {
        let chosen = self.chosen.values().flat_map(BTreeMap::values);
        let realms: BTreeSet<&str> = chosen.map(|recalled| recalled.question.context().realm.as_str()).collect();
        realms.into_iter().map(str::to_owned).collect()
    }

    fn in_order(self) -> impl Iterator<Item = (Hook, Vec<Recalled>)> {
        self.chosen.into_iter().map(|(hook, chosen)| {
            let mut found: Vec<Recalled> = chosen.into_values().collect();
            found.sort_by_key(|recalled| (recalled.question.context().now, recalled.question.message().id));
            (hook, found)
        })
    }
}

impl Gather for Choice {
    fn asked(&mut self, user: UserKey, recalled: Recalled) {
        self.add(recalled.question.hook(), lot(user, &recalled.question), recalled);
    }

    fn lost(&mut self, _: &str, _: Loss, _: Hook) {}

    fn join(&mut self, other: Self) {
        for (hook, chosen) in other.chosen {
            for (lot, recalled) in chosen {
                self.add(hook, lot, recalled);
            }
        }
    }
}
