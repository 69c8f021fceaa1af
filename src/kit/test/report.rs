//! What came of the cases, for people and for programs.

use crate::kit::case::{VerdictDoc, verdict_document};
use crate::queue::question::{Hook, Verdict};
use crate::types::Digest;
use serde::{Serialize, Serializer};
use std::fmt;
use std::path::PathBuf;

/// All cases of a project.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct TestReport {
    pub component: PathBuf,
    #[serde(serialize_with = "hexadecimal")]
    pub digest: Digest,
    /// Octets of the component.
    pub bytes: usize,
    pub results: Vec<CaseResult>,
    /// Names in `cases` that are no case files: directories, and files that do not end in .yaml, .yml or .json.
    pub left_out: Vec<String>,
}

fn hexadecimal<S: Serializer>(digest: &Digest, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(digest)
}

/// What came of a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct CaseResult {
    pub file: String,
    pub case: String,
    pub decision: &'static str,
    pub outcome: Outcome,
    pub expected: Option<VerdictDoc>,
    pub verdict: Option<VerdictDoc>,
    /// Who gave the verdict: the standard behaviour does where the component does not export the decision.
    pub by: Option<Answered>,
    /// How the component failed, if it did.
    pub failing: Option<Failing>,
    /// What is wrong with the case or its settings.
    pub trouble: Option<String>,
    /// About one for each WebAssembly instruction; the same on every machine.
    pub fuel: Option<u64>,
    /// Microseconds that it took an instance that has answered before, on this machine, with the meter for the fuel.
    pub micros: Option<u64>,
    /// What the component wrote: level and text.
    pub log: Vec<(String, String)>,
    /// Where it trapped, the innermost function first.
    pub backtrace: Option<String>,
}

/// Whether a case is as expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    Passed,
    Failed,
    /// Nothing was expected.
    Shown,
}

/// Who gave a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answered {
    Component,
    Standard,
}

/// A failure of the component.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Failing {
    /// `trap`, `timeout`, `memory`, `refused`, `nonsense`, `unavailable`.
    pub failure: &'static str,
    pub detail: String,
}

impl CaseResult {
    pub(super) fn new(file: &str, case: &str, hook: Hook, expected: Option<VerdictDoc>) -> Self {
        Self {
            file: file.to_owned(),
            case: case.to_owned(),
            decision: hook.name(),
            outcome: Outcome::Failed,
            expected,
            verdict: None,
            by: None,
            failing: None,
            trouble: None,
            fuel: None,
            micros: None,
            log: Vec::new(),
            backtrace: None,
        }
    }

    pub(super) fn answered(&mut self, by: Answered, verdict: &Verdict) {
        self.by = Some(by);
        self.verdict = Some(verdict_document(verdict));
    }
}

impl TestReport {
    /// Cases with this outcome.
    pub fn count(&self, outcome: Outcome) -> usize {
        self.results.iter().filter(|result| result.outcome == outcome).count()
    }

    /// Whether no case failed.
    pub fn is_good(&self) -> bool {
        self.count(Outcome::Failed) == 0
    }
}

impl fmt::Display for TestReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} ({} octets)", self.component.display(), self.bytes)?;
        writeln!(f, "sha256 {}", self.digest)?;
        let mut file = "";
        for result in &self.results {
            if result.file != file {
                file = &result.file;
                writeln!(f, "\n{file}")?;
            }
            write!(f, "{result}")?;
        }
        if !self.left_out.is_empty() {
            let names = self.left_out.join(", ");
            writeln!(f, "\nleft out, as case files are directly in cases and end in .yaml, .yml or .json: {names}")?;
        }
        let [passed, failed, shown] = [Outcome::Passed, Outcome::Failed, Outcome::Shown].map(|one| self.count(one));
        write!(f, "\n{passed} as expected, {failed} not, {shown} without an expectation")
    }
}

impl fmt::Display for CaseResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.outcome {
            Outcome::Passed => "ok",
            Outcome::Failed => "FAILED",
            Outcome::Shown => "shown",
        };
        write!(f, "  {word:<8}{} [{}]", self.case, self.decision)?;
        if let Some(verdict) = &self.verdict {
            write!(f, ": {verdict}")?;
        }
        if self.by == Some(Answered::Standard) {
            write!(f, " (not exported: the standard behaviour)")?;
        }
        if let (Some(fuel), Some(micros)) = (self.fuel, self.micros) {
            write!(f, "; {fuel} fuel, {micros} µs")?;
        }
        writeln!(f)?;
        let mut line = |what: &str, text: &dyn fmt::Display| writeln!(f, "          {what:<10}{text}");
        if let Some(expected) = self.expected.as_ref().filter(|expected| Some(*expected) != self.verdict.as_ref()) {
            line(if self.outcome == Outcome::Passed { "same as" } else { "expected" }, expected)?;
        }
        if let Some(failing) = &self.failing {
            line(failing.failure, &failing.detail)?;
        }
        if let Some(trouble) = &self.trouble {
            line("trouble", trouble)?;
        }
        for (level, text) in &self.log {
            line("log", &format_args!("{level}: {text}"))?;
        }
        let mut what = "at";
        for place in self.backtrace.iter().flat_map(|trace| trace.lines()) {
            line(what, &place)?;
            what = "";
        }
        Ok(())
    }
}
