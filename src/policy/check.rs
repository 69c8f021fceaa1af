//! Whether a component is acceptable, and everything that is wrong with it, in words for its author:
//! `restante policy check FILE`.

mod fault;

pub use fault::{Fault, Finding, Interface, Severity, WIT_VERSION};

use super::engine::{Binding, Component, Engine, Failed};
use super::{PolicyError, failure_name, mask, samples};
use crate::queue::question::{Hook, Question, Verdict};
use crate::queue::standard;
use crate::types::Digest;
use serde::Serialize;
use serde::ser::{SerializeStruct as _, Serializer};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Times that each built-in question is asked; the first time warms up.
const ROUNDS: u32 = 5;

/// Failed questions that a report names one by one for each decision.
const FAILURES_NAMED_MAX: usize = 5;

/// What an examination learned besides faults.
#[derive(Clone, Debug)]
pub struct Facts {
    pub digest: Digest,
    pub bytes: usize,
    pub interfaces: Vec<Interface>,
    pub hooks: Vec<Hook>,
    pub schema: Option<String>,
    pub initial_memory_bytes: Option<u64>,
    pub compiled_in: Duration,
    pub instantiated_in: Duration,
}

impl Default for Facts {
    fn default() -> Self {
        Self {
            digest: Digest([0; 32]),
            bytes: 0,
            interfaces: Vec::new(),
            hooks: Vec::new(),
            schema: None,
            initial_memory_bytes: None,
            compiled_in: Duration::ZERO,
            instantiated_in: Duration::ZERO,
        }
    }
}

/// How a decision did with the built-in questions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct HookTest {
    pub hook: &'static str,
    pub asked: usize,
    /// Questions that it did not answer: at most five of them, each with why.
    pub failures: Vec<String>,
    pub failed: usize,
    /// Verdicts that are not the standard's: what the policy changes.
    pub unlike_standard: usize,
    pub median_micros: u64,
    pub slowest_micros: u64,
}

/// Everything about a component, faults and all.
#[derive(Clone, Debug)]
pub struct Report {
    pub facts: Facts,
    pub faults: Vec<Fault>,
    pub self_test: Vec<HookTest>,
}

/// Examines a component, as an upload does, and tries it with the built-in questions.
///
/// # Errors
/// [`PolicyError::Worker`]
pub fn check(bytes: &[u8], engine: &Engine) -> Result<Report, PolicyError> {
    Ok(examine(bytes, None, engine)?.0)
}

/// The report, and the component if the report is acceptable.
pub type Examined = (Report, Option<Arc<Component>>);

/// Examines a component and tries it, with these settings (`{}` if there are none), with the built-in questions.
///
/// # Errors
/// [`PolicyError::Worker`]: it could not be compiled, for no fault of its own.
pub fn examine(bytes: &[u8], settings: Option<&str>, engine: &Engine) -> Result<Examined, PolicyError> {
    engine.quietly(|| examine_here(bytes, settings, engine))
}

fn examine_here(bytes: &[u8], settings: Option<&str>, engine: &Engine) -> Result<Examined, PolicyError> {
    let found = engine.examine(bytes)?;
    let mut report = Report { facts: found.facts, faults: found.faults, self_test: Vec::new() };
    let Some(component) = found.component.map(Arc::new) else { return Ok((report, None)) };
    match Binding::trial(Arc::clone(&component), settings.unwrap_or("{}")) {
        Ok(binding) => self_test(&binding, &mut report),
        Err(error) => {
            let detail = match error {
                PolicyError::Settings { reason, .. } | PolicyError::NoAnswer { reason, .. } => reason,
                other => other.to_string(),
            };
            report.faults.push(Fault::Settings { given: settings.is_some(), detail });
        }
    }
    let component = report.is_acceptable().then_some(component);
    Ok((report, component))
}

fn self_test(binding: &Binding, report: &mut Report) {
    for hook in Hook::ALL.into_iter().filter(|hook| binding.answers(*hook)) {
        let test = try_hook(binding, hook);
        if let Some(first) = test.failures.first() {
            let (failed, asked, first) = (test.failed, test.asked, first.clone());
            report.faults.push(Fault::SelfTest { hook, failed, asked, first });
        }
        report.self_test.push(test);
    }
}

fn try_hook(binding: &Binding, hook: Hook) -> HookTest {
    let questions: Vec<(String, Question)> =
        samples::all().into_iter().filter(|(_, question)| question.hook() == hook).collect();
    let mut test = HookTest {
        hook: hook.name(),
        asked: questions.len(),
        failures: Vec::new(),
        failed: 0,
        unlike_standard: 0,
        median_micros: 0,
        slowest_micros: 0,
    };
    let mut times = Vec::new();
    for (name, question) in &questions {
        let (answers, micros): (Vec<_>, Vec<u64>) = (0..ROUNDS).map(|_| timed(|| binding.judge(question))).unzip();
        // The first time warms up.
        times.extend(micros.into_iter().skip(1));
        // What fails the second time fails in a server, too.
        let verdicts: Result<Vec<Verdict>, Failed> = answers.into_iter().collect();
        match verdicts.map(|verdicts| verdicts.into_iter().next()) {
            Ok(first) => test.unlike_standard += usize::from(first != Some(standard::answer(question))),
            Err(failed) => {
                test.failed += 1;
                if test.failures.len() < FAILURES_NAMED_MAX {
                    let detail = mask::fit_for_log(&failed.detail, None);
                    test.failures.push(format!("{name}: {} ({detail})", failure_name(failed.failure)));
                }
            }
        }
    }
    times.sort_unstable();
    test.median_micros = times.get(times.len() / 2).copied().unwrap_or_default();
    test.slowest_micros = times.last().copied().unwrap_or_default();
    test
}

/// With how many microseconds it took.
fn timed<T>(f: impl FnOnce() -> T) -> (T, u64) {
    let start = Instant::now();
    let done = f();
    (done, u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX))
}

impl Report {
    /// Whether the component can be used.
    pub fn is_acceptable(&self) -> bool {
        !self.faults.iter().any(Fault::forbids)
    }

    /// All faults in words, in the order in which they were found.
    pub fn findings(&self) -> Vec<Finding> {
        self.faults.iter().map(Fault::finding).collect()
    }
}

impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let facts = &self.facts;
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let schema = facts.schema.as_deref().and_then(|text| serde_json::from_str::<serde_json::Value>(text).ok());
        let hooks: Vec<&str> = facts.hooks.iter().map(|hook| hook.name()).collect();
        let mut report = serializer.serialize_struct("Report", 11)?;
        report.serialize_field("acceptable", &self.is_acceptable())?;
        report.serialize_field("digest", &facts.digest.to_string())?;
        report.serialize_field("bytes", &facts.bytes)?;
        report.serialize_field("decides", &hooks)?;
        report.serialize_field("interfaces", &facts.interfaces)?;
        report.serialize_field("settings-schema", &schema)?;
        report.serialize_field("initial-memory-bytes", &facts.initial_memory_bytes)?;
        report.serialize_field("compiled-in-micros", &micros(facts.compiled_in))?;
        report.serialize_field("instantiated-in-micros", &micros(facts.instantiated_in))?;
        report.serialize_field("findings", &self.findings())?;
        report.serialize_field("self-test", &self.self_test)?;
        report.end()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let facts = &self.facts;
        writeln!(f, "{}", if self.is_acceptable() { "acceptable" } else { "NOT acceptable" })?;
        writeln!(f, "  sha256      {}", facts.digest)?;
        writeln!(f, "  size        {} octets", facts.bytes)?;
        if !facts.interfaces.is_empty() {
            let names: Vec<String> = facts.interfaces.iter().map(ToString::to_string).collect();
            writeln!(f, "  exports     {}", names.join(", "))?;
        }
        if let Some(bytes) = facts.initial_memory_bytes {
            writeln!(f, "  memory      {} KiB at the start", bytes / 1024)?;
        }
        if !facts.compiled_in.is_zero() {
            writeln!(f, "  compiled    in {:.1?}", facts.compiled_in)?;
        }
        if !facts.instantiated_in.is_zero() {
            writeln!(f, "  started     in {:.1?}", facts.instantiated_in)?;
        }
        if let Some(schema) = &facts.schema {
            writeln!(f, "  settings    {} octets of JSON Schema", schema.len())?;
        }
        for test in &self.self_test {
            writeln!(
                f,
                "  {:<13}{} of {} built-in questions answered, {} unlike the standard; median {} µs, slowest {} µs",
                test.hook,
                test.asked - test.failed,
                test.asked,
                test.unlike_standard,
                test.median_micros,
                test.slowest_micros
            )?;
            for failure in &test.failures {
                writeln!(f, "              failed: {failure}")?;
            }
        }
        for finding in self.findings() {
            let severity = if finding.severity == Severity::Error { "error" } else { "notice" };
            writeln!(f, "\n{severity}: {}.", finding.what)?;
            writeln!(f, "  why:        {}.", finding.why)?;
            writeln!(f, "  what to do: {}.", finding.what_to_do)?;
        }
        Ok(())
    }
}
