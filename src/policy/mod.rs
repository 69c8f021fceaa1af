//! The policy host: components are loaded, checked and asked here; a failing one costs a single verdict.
//!
//! `wit/policy.wit` is the contract with whoever writes a policy. Everything that touches WebAssembly is in
//! [`engine`]; the floors above see [`Judges`].

pub mod check;
mod counters;
pub mod engine;
mod host;
pub mod keeper;
mod mask;
pub mod policies;
pub mod samples;
pub mod schema;
mod sense;
pub mod tags;
#[cfg(test)]
pub(crate) mod tests;
pub mod trial;
pub mod view;

pub use counters::{
    Compared, Counters, Limit, LiveCounters, NoCounters, Order, Ordered, Outcome, RealmCounters, ShadowCounters,
};
pub use engine::{Binding, CodeCache, Component, Engine};
pub use host::{Alarm, Bell, Health, Host, Placement, Sample, ShadowCount, masked, verdict_in_words};
pub use keeper::Keeper;
pub use mask::fit_for_log;
pub use policies::{Policies, PoliciesError};
pub use trial::{Trial, Tried};

use crate::queue::question::{Failure, Judge, Question, Ruling, Verdict};
use crate::queue::standard;
use crate::types::Digest;
use std::path::PathBuf;

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
    /// No thread for compiling.
    #[error("the thread that compiles policies cannot start: {detail}. Raise the limit of threads (ulimit -u)")]
    Compiler { detail: String },
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
    /// An instance did not come to an answer about its settings: for want of time or room, which may be the machine's fault.
    #[error("the policy component {digest} does not start: {reason}. Try again, or bind another component")]
    NoAnswer { digest: Digest, failure: Failure, reason: String },
    /// It could not be compiled, for no fault of its own.
    #[error(transparent)]
    Worker(engine::WorkerError),
    /// What is kept of policies cannot be read.
    #[error("the catalogue of policies cannot be opened: {0}")]
    Catalogue(Box<PoliciesError>),
    /// No thread for alarms.
    #[error("the thread that hears alarms of policies cannot start: {0}. Raise the limit of threads (ulimit -u)")]
    Watch(std::io::Error),
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
