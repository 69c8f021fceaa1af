//! Where the policy host counts: a port that the metrics implement, with a handle for every place where a policy is bound.

use super::failure_name;
use crate::queue::question::{Failure, Hook};
use crate::types::Digest;
use std::time::Duration;

/// Who answered a question in the end; a label of the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// The component that is bound to the decision.
    Component,
    /// The native standard rule, because none is bound.
    Native,
    /// The native standard rule, because the component failed so.
    Failed(Failure),
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 8] = [
        Self::Component,
        Self::Native,
        Self::Failed(Failure::Trap),
        Self::Failed(Failure::Timeout),
        Self::Failed(Failure::Memory),
        Self::Failed(Failure::Refused),
        Self::Failed(Failure::Nonsense),
        Self::Failed(Failure::Unavailable),
    ];

    /// The text of its metric label.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Component => "component",
            Self::Native => "native",
            Self::Failed(failure) => failure_name(failure),
        }
    }
}

/// What came of asking a shadow the question that the live policy had answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Compared {
    /// The same verdict.
    Same,
    /// Another verdict.
    Different,
    /// No verdict: a trap, a deadline, nonsense.
    Failed,
    /// It was not asked, because too many questions waited, or because it had used up its time.
    Dropped,
}

/// A limit of the configuration that the policy host or the catalogue reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Limit {
    /// `policy.realm-ms-per-second`
    RealmBudget,
    /// `policy.shadow-backlog-max`
    ShadowBacklog,
    /// `policy.instances-max`
    Instances,
    /// `policy.component-bytes-max`
    ComponentBytes,
    /// `policy.settings-bytes-max`
    SettingsBytes,
    /// `policy.catalogue-max`
    Catalogue,
    /// `policy.catalogue-bytes-max`
    CatalogueBytes,
    /// `policy.uploads-max`
    Uploads,
    /// `policy.start-secs-max`
    StartSecs,
}

/// An order of an operator, or of the server itself, about policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Order {
    Upload,
    Activate,
    Shadow,
    EndShadow,
    Rollback,
    Retire,
    /// The server's own: a tripped binding gives way to the last good one.
    Trip,
}

/// How an order ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ordered {
    /// It is recorded and in force.
    Done,
    /// It was not acceptable: the operator can do something about it.
    Refused,
    /// The server failed: the store, the engine.
    Failed,
}

/// Where the host counts; the metrics implement it.
pub trait Counters: Send + Sync {
    /// A question was answered, within this time.
    fn asked(&self, hook: Hook, outcome: Outcome, took: Duration);
    /// So many instances are alive now.
    fn instances(&self, alive: u32);
    /// So many lines that policies wrote were dropped, because they wrote too many.
    fn lines_dropped(&self, lines: u64);
    /// A limit was reached.
    fn limit_hit(&self, _: Limit) {}
    /// So many bindings that should decide could not be loaded when the server started, and still do not decide.
    fn unloadable(&self, _: usize) {}
    /// An order ended.
    fn ordered(&self, _: Order, _: Ordered) {}
    /// Where the questions of a realm are counted. The realm is one of the configuration.
    fn realm(&self, _: &str) -> Box<dyn RealmCounters> {
        Box::new(NoCounters)
    }
    /// Where a policy that decides is counted; `None` is the standard rule. The handle is dropped when it is unbound:
    /// whatever names the policy goes from the metrics with the last handle for the same place.
    fn live(&self, _: &str, _: Hook, _: Option<Digest>) -> Box<dyn LiveCounters> {
        Box::new(NoCounters)
    }
    /// The same for a policy in the shadow.
    fn shadow(&self, _: &str, _: Hook, _: Digest) -> Box<dyn ShadowCounters> {
        Box::new(NoCounters)
    }
}

/// Counts for a realm.
pub trait RealmCounters: Send + Sync {
    /// Its policies took so long over one question.
    fn busy(&self, took: Duration);
    /// A policy of this decision was tripped.
    fn tripped(&self, hook: Hook);
}

/// Counts for a policy that decides.
pub trait LiveCounters: Send + Sync {
    /// It was asked, and this came of it.
    fn answered(&self, outcome: Outcome);
}

/// Counts for a policy in the shadow.
pub trait ShadowCounters: Send + Sync {
    /// It was to be asked, and this came of it.
    fn compared(&self, result: Compared);
}

/// Counts nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoCounters;

impl Counters for NoCounters {
    fn asked(&self, _: Hook, _: Outcome, _: Duration) {}
    fn instances(&self, _: u32) {}
    fn lines_dropped(&self, _: u64) {}
}

impl RealmCounters for NoCounters {
    fn busy(&self, _: Duration) {}
    fn tripped(&self, _: Hook) {}
}

impl LiveCounters for NoCounters {
    fn answered(&self, _: Outcome) {}
}

impl ShadowCounters for NoCounters {
    fn compared(&self, _: Compared) {}
}
