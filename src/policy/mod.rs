//! The policy host: components are loaded, checked and asked here; a failing one costs a single verdict.
//!
//! `wit/policy.wit` is the contract with whoever writes a policy. Everything that touches WebAssembly is in
//! [`engine`]; the floors above see [`Judges`].

pub mod check;
pub mod engine;
mod host;
mod mask;
pub mod samples;
mod sense;
#[cfg(test)]
pub(crate) mod tests;

pub use engine::{Binding, Component, Engine};
pub use host::{Host, open};

use crate::queue::question::{Failure, Hook, Judge, Question, Ruling, Verdict};
use crate::queue::standard;
use crate::types::Digest;
use std::path::PathBuf;
use std::time::Duration;

/// The standard behaviour as a component: built from `policies/standard` by `script/policies`.
pub const STANDARD_COMPONENT: &[u8] = include_bytes!("../../policies/standard.wasm");

/// Whoever answers questions.
pub trait Judges: Send + Sync {
    /// Answers at once (microseconds; at most the deadline of a call) and always: where a component fails or none is
    /// bound, the standard rule speaks, and the ruling says so.
    fn ask(&self, question: &Question) -> Ruling<Verdict>;
}

/// The standard rule alone, without any component.
#[derive(Clone, Copy, Debug, Default)]
pub struct NativeJudge;

impl Judges for NativeJudge {
    fn ask(&self, question: &Question) -> Ruling<Verdict> {
        Ruling { verdict: standard::answer(question), judge: Judge::Native }
    }
}

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

/// One word for a failure, for labels and reports.
pub const fn failure_name(failure: Failure) -> &'static str {
    match failure {
        Failure::Trap => "trap",
        Failure::Timeout => "timeout",
        Failure::Memory => "memory",
        Failure::Refused => "refused",
        Failure::Nonsense => "nonsense",
        Failure::Unavailable => "unavailable",
    }
}

/// Where the host counts; the metrics implement it.
pub trait Counters: Send + Sync {
    /// A question was answered, within this time.
    fn asked(&self, hook: Hook, outcome: Outcome, took: Duration);
    /// So many instances are alive now.
    fn instances(&self, alive: u32);
    /// So many lines that policies wrote were dropped, because they wrote too many.
    fn lines_dropped(&self, lines: u64);
}

/// Counts nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoCounters;

impl Counters for NoCounters {
    fn asked(&self, _: Hook, _: Outcome, _: Duration) {}
    fn instances(&self, _: u32) {}
    fn lines_dropped(&self, _: u64) {}
}

/// Why the policy host cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The limits in the configuration and this machine do not go together.
    #[error(
        "the policy engine cannot start: {detail}. Lower policy.instances-max or policy.memory-bytes-max, or give the process \
         more address space (ulimit -v)"
    )]
    Engine { detail: String },
    /// No thread for the deadlines.
    #[error(
        "the thread that keeps the deadlines of policy calls cannot start: {0}. Raise the limit of threads (ulimit -u)"
    )]
    Ticker(std::io::Error),
    /// The configured component cannot be read.
    #[error("the policy component {} cannot be read: {error}. Correct policy.component in the configuration", path.display())]
    Read { path: PathBuf, error: std::io::Error },
    /// It is read, but it is no acceptable policy.
    #[error("the policy component {digest} is not acceptable:{}", findings(.faults))]
    Unacceptable { digest: Digest, faults: Vec<check::Fault> },
    /// It does not take the settings it was bound with.
    #[error(
        "the policy component {digest} refuses its settings: {reason}. Correct the settings, or bind another component"
    )]
    Settings { digest: Digest, reason: String },
}

fn findings(faults: &[check::Fault]) -> String {
    use std::fmt::Write as _;
    faults.iter().fold(String::new(), |mut text, fault| {
        let finding = fault.finding();
        // Writing to a String cannot fail.
        let _ = write!(text, " {}: {}. {}.", finding.what, finding.why, finding.what_to_do);
        text
    })
}
