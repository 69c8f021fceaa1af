//! The sums of a what-if: by realm, decision and kind of change, with some examples.

use super::Candidate;
use super::replay::Gather;
use super::words::change;
use crate::audit::line::judge_name;
use crate::policy::{failure_name, masked, verdict_in_words};
use crate::queue::question::{Hook, Verdict};
use crate::queue::recall::{Loss, Recalled, effective};
use crate::types::UserKey;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Of a decision, a failure, a loss: ours, or as another program told it.
type Name = Cow<'static, str>;

/// By realm, then by the name of the decision.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tally(pub BTreeMap<String, BTreeMap<Name, Sums>>);

/// What came of one decision of one realm.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Sums {
    /// Questions that the candidate was asked: same, different and failed.
    pub asked: u64,
    pub same: u64,
    pub different: u64,
    /// By kind of change, such as `push → manage`.
    pub changes: BTreeMap<String, Change>,
    /// By kind of failure: there the standard rule would have spoken.
    pub failed: BTreeMap<Name, u64>,
    /// Questions that were asked then and cannot be had again, by why.
    pub not_recallable: BTreeMap<Name, u64>,
}

/// Verdicts that differ in the same way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    pub count: u64,
    /// The latest of them, in order.
    pub examples: Vec<Example>,
}

/// One verdict that differs. No address, no content.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Example {
    /// RFC 3339, to the millisecond: as texts they sort as moments do.
    pub at: String,
    pub message: String,
    /// Hashed.
    pub user: String,
    pub recorded: String,
    /// Who decided then.
    pub judge: String,
    pub candidate: String,
}

impl Tally {
    fn of(&mut self, realm: &str, hook: Hook) -> &mut Sums {
        self.0.entry(realm.to_owned()).or_default().entry(hook.name().into()).or_default()
    }

    pub(super) fn sums(&self) -> impl Iterator<Item = &Sums> {
        self.0.values().flat_map(BTreeMap::values)
    }
}

/// One thread's share of the asking.
pub(super) struct Asking<'a> {
    pub tally: Tally,
    candidate: &'a Candidate<'a>,
    examples: usize,
}

impl<'a> Asking<'a> {
    pub fn new(candidate: &'a Candidate<'a>, examples: usize) -> Self {
        Self { tally: Tally::default(), candidate, examples }
    }
}

impl Gather for Asking<'_> {
    fn asked(&mut self, user: UserKey, recalled: Recalled) {
        let answer = (self.candidate)(&recalled.question);
        let sums = self.tally.of(&recalled.question.context().realm, recalled.question.hook());
        sums.asked += 1;
        match answer {
            Ok(verdict) => sums.compare(user, &recalled, &verdict, self.examples),
            Err(failure) => *sums.failed.entry(failure_name(failure).into()).or_default() += 1,
        }
    }

    fn lost(&mut self, realm: &str, loss: Loss, hook: Hook) {
        *self.tally.of(realm, hook).not_recallable.entry(loss_name(loss).into()).or_default() += 1;
    }

    fn join(&mut self, other: Self) {
        for (realm, decisions) in other.tally.0 {
            let own = self.tally.0.entry(realm).or_default();
            for (hook, sums) in decisions {
                own.entry(hook).or_default().join(sums, self.examples);
            }
        }
    }
}

const fn loss_name(loss: Loss) -> &'static str {
    match loss {
        Loss::Refused => "refused",
        Loss::Recorded => "recorded-in-history",
        Loss::Unfit => "unfit",
    }
}

impl Sums {
    fn compare(&mut self, user: UserKey, recalled: &Recalled, candidate: &Verdict, examples: usize) {
        let question = &recalled.question;
        let (recorded, candidate) = (effective(question, &recalled.verdict), effective(question, candidate));
        if recorded == candidate {
            self.same += 1;
            return;
        }
        self.different += 1;
        let change = self.changes.entry(change(&recorded, &candidate)).or_default();
        change.count += 1;
        let words = |verdict| verdict_in_words(&masked(verdict, question));
        let example = Example {
            at: question.context().now.to_string(),
            message: question.message().id.to_string(),
            user: user.to_string(),
            recorded: words(&recorded),
            judge: judge_name(recalled.judge),
            candidate: words(&candidate),
        };
        change.keep([example], examples);
    }

    fn join(&mut self, other: Self, examples: usize) {
        self.asked += other.asked;
        self.same += other.same;
        self.different += other.different;
        for (kind, more) in other.changes {
            let change = self.changes.entry(kind).or_default();
            change.count += more.count;
            change.keep(more.examples, examples);
        }
        for (failure, more) in other.failed {
            *self.failed.entry(failure).or_default() += more;
        }
        for (loss, more) in other.not_recallable {
            *self.not_recallable.entry(loss).or_default() += more;
        }
    }
}

impl Change {
    /// The latest stay, whoever found them first.
    fn keep(&mut self, examples: impl IntoIterator<Item = Example>, most: usize) {
        self.examples.extend(examples);
        self.examples.sort();
        let more = self.examples.len().saturating_sub(most);
        self.examples.drain(..more);
    }
}
