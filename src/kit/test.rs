//! `restante policy test`: asks a component the questions of its cases, and compares.

mod find;
mod report;
#[cfg(test)]
mod tests;

pub use report::{CaseResult, Outcome, TestReport};

use super::case::{self, Case, CaseError, VerdictDoc, question_of, verdict_document, verdict_of};
use crate::config;
use crate::policy::policies::SettingsProblem;
use crate::policy::schema::check_settings;
use crate::policy::trial::{Trial, Tried};
use crate::policy::{PolicyError, failure_name};
use crate::queue::question::{Hook, Question, Verdict};
use crate::queue::recall::effective;
use crate::queue::standard;
use crate::types::Digest;
use report::{Answered, Failing};
use serde_json::{Map, Value};
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Case files of one project.
pub const FILES_MAX: usize = 10_000;

/// Why cases cannot be tried at all.
#[derive(Debug, thiserror::Error)]
pub enum TestError {
    #[error("{} cannot be read: {cause}. Check its name and permissions", path.display())]
    Read { path: PathBuf, cause: std::io::Error },
    #[error("no component is built in {}: build it as its README says, or name one with --component (looked for: {looked_for})", dir.display())]
    NoComponent { dir: PathBuf, looked_for: String },
    #[error("there are several components in {}: name one with --component", dir.display())]
    SeveralComponents { dir: PathBuf },
    #[error("{} has more than {limit} octets (policy.component-bytes-max): build it smaller", path.display())]
    TooLong { path: PathBuf, limit: usize },
    #[error("there is no case in {}: write one, such as cases/first.yaml (docs/policy-authors.md)", dir.display())]
    NoCases { dir: PathBuf },
    #[error("there are more than {FILES_MAX} case files in {}: put several cases into one file", dir.display())]
    TooManyFiles { dir: PathBuf },
    #[error(transparent)]
    Case(#[from] CaseError),
    #[error(transparent)]
    Policy(#[from] PolicyError),
}

/// Tries the cases in `cases` of a project with a component; without one, with what the project's build has made.
/// Questions are asked in the order of the files' names.
///
/// # Errors
/// [`TestError`] if there is nothing to ask, nobody to ask, or a case cannot be read. Other verdicts than expected are no
/// errors: they are in the report.
pub fn test(dir: &Path, component: Option<&Path>, limits: &config::Policy) -> Result<TestReport, TestError> {
    let Found { cases, left_out } = cases(&dir.join("cases"))?;
    let path = component.map_or_else(|| find::component(dir), |path| Ok(path.to_owned()))?;
    let bytes = component_of(&path, limits.component_bytes_max)?;
    let mut bench = Bench { trial: None, bytes: &bytes, settings: None, limits };
    let (digest, octets) = (Digest::of(&bytes), bytes.len());
    let mut report = TestReport { component: path, digest, bytes: octets, results: Vec::new(), left_out };
    for (file, case) in cases {
        report.results.push(bench.result(&file, case)?);
    }
    Ok(report)
}

fn component_of(path: &Path, limit: usize) -> Result<Vec<u8>, TestError> {
    let read = |cause| TestError::Read { path: path.to_owned(), cause };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(read)?;
    file.take(limit as u64 + 1).read_to_end(&mut bytes).map_err(read)?;
    if bytes.len() > limit { Err(TestError::TooLong { path: path.to_owned(), limit }) } else { Ok(bytes) }
}

/// What the case directory of a project has.
struct Found {
    /// Every case of every case file, with the file's name.
    cases: Vec<(String, Case)>,
    /// What is no case file, and is left out: directories, and files of another kind.
    left_out: Vec<String>,
}

fn cases(dir: &Path) -> Result<Found, TestError> {
    let none = || TestError::NoCases { dir: dir.to_owned() };
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Err(none()),
        Err(cause) => return Err(TestError::Read { path: dir.to_owned(), cause }),
    };
    let (mut files, mut left_out) = (Vec::new(), Vec::new());
    for entry in entries {
        let path = entry.map_err(|cause| TestError::Read { path: dir.to_owned(), cause })?.path();
        let is_kind = matches!(path.extension().and_then(|kind| kind.to_str()), Some("yaml" | "yml" | "json"));
        if is_kind && !path.is_dir() {
            files.push(path);
        } else {
            left_out.push(name(&path));
        }
        if files.len() > FILES_MAX || left_out.len() > FILES_MAX {
            return Err(TestError::TooManyFiles { dir: dir.to_owned() });
        }
    }
    files.sort();
    left_out.sort();
    let mut cases = Vec::new();
    for file in files {
        let name = name(&file);
        cases.extend(case::read(&file)?.into_iter().map(|case| (name.clone(), case)));
    }
    if cases.is_empty() { Err(none()) } else { Ok(Found { cases, left_out }) }
}

fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The component with the settings of the last case; compiled once, as that can take half a minute.
struct Bench<'b> {
    trial: Option<Trial>,
    bytes: &'b [u8],
    settings: Option<Value>,
    limits: &'b config::Policy,
}

impl Bench<'_> {
    /// What came of one case.
    fn result(&mut self, file: &str, case: Case) -> Result<CaseResult, TestError> {
        let mut result = CaseResult::new(file, &case.name, case.question.decision.into(), case.expect);
        let question = match question_of(&case.question) {
            Ok(question) => question,
            Err(error) => {
                result.trouble = Some(error.to_string());
                return Ok(result);
            }
        };
        let settings = case.settings.unwrap_or_else(|| Value::Object(Map::new()));
        if let Some(refusal) = self.settle(&settings)? {
            result.trouble = Some(refusal);
        } else if let Some(trial) = &mut self.trial {
            if trial.decides(question.hook()) {
                let tried = trial.ask(&question);
                heard(&mut result, tried);
            } else {
                result.answered(Answered::Standard, &standard::answer(&question));
            }
        }
        judge(&mut result, &question);
        Ok(result)
    }

    /// Gives the component these settings, if it has others. What it says if it does not want them.
    fn settle(&mut self, settings: &Value) -> Result<Option<String>, TestError> {
        if self.settings.as_ref() == Some(settings) {
            return Ok(None);
        }
        let trial = match &mut self.trial {
            Some(trial) => trial,
            none => none.insert(Trial::load(self.bytes, self.limits)?),
        };
        let text = match check_settings(trial.component(), settings, self.limits.settings_bytes_max) {
            Ok(text) => text,
            Err(problems) => {
                return Ok(Some(format!("its schema does not allow the settings: {}", in_words(&problems))));
            }
        };
        self.settings = None;
        match trial.settle(&text) {
            Ok(()) => self.settings = Some(settings.clone()),
            Err(PolicyError::Settings { reason, .. }) => return Ok(Some(format!("it refuses the settings: {reason}"))),
            Err(other) => return Err(other.into()),
        }
        Ok(None)
    }
}

fn in_words(problems: &[SettingsProblem]) -> String {
    let words = problems.iter().map(|problem| match problem.at.as_str() {
        "" => problem.what.clone(),
        at => format!("{at}: {}", problem.what),
    });
    words.collect::<Vec<_>>().join("; ")
}

/// What a component answered, and what there is to tell of it.
fn heard(result: &mut CaseResult, tried: Tried) {
    result.fuel = Some(tried.fuel);
    result.micros = Some(u64::try_from(tried.took.as_micros()).unwrap_or(u64::MAX));
    result.log = tried.log;
    result.backtrace = tried.backtrace;
    match tried.answer {
        Ok(verdict) => result.answered(Answered::Component, &verdict),
        Err(failed) => {
            result.failing = Some(Failing { failure: failure_name(failed.failure), detail: failed.detail });
        }
    }
}

/// Whether it is what was expected. A failure never is: the server would take the standard behaviour, and count.
fn judge(result: &mut CaseResult, question: &Question) {
    if let Some(expected) = &result.expected {
        let expected = verdict_of(expected);
        if hook_of(&expected) != question.hook() && result.trouble.is_none() {
            let about = hook_of(&expected).name();
            result.trouble = Some(format!("the verdict that it expects is one of {about}: correct the case"));
        }
        // The host takes what cannot be told apart for the same: so does the comparison.
        result.expected = Some(verdict_document(&expected));
    }
    result.outcome = if result.failing.is_some() || result.trouble.is_some() {
        Outcome::Failed
    } else {
        match &result.expected {
            None => Outcome::Shown,
            Some(expected) if result.verdict.as_ref().is_some_and(|verdict| is_same(question, expected, verdict)) => {
                Outcome::Passed
            }
            Some(_) => Outcome::Failed,
        }
    };
}

/// Two verdicts that come to the same are the same, as in `restante policy diff`.
fn is_same(question: &Question, expected: &VerdictDoc, verdict: &VerdictDoc) -> bool {
    effective(question, &verdict_of(expected)) == effective(question, &verdict_of(verdict))
}

const fn hook_of(verdict: &Verdict) -> Hook {
    match verdict {
        Verdict::Admission(_) => Hook::Admission,
        Verdict::Handling(_) => Hook::Handling,
        Verdict::Delivery(_) => Hook::Delivery,
        Verdict::Expiry(_) => Hook::Expiry,
        Verdict::Notification(_) => Hook::Notification,
    }
}
