//! `restante policy`: the life of a policy, from a component that is looked at to one that decides.

mod api;
mod author;
mod diff;
mod past;
mod questions;

pub use api::ApiError;

use super::args::{Limits, Policy};
use super::{CliError, load, out};
use crate::config;
use crate::policy::{Engine, NoCounters, check, engine};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

pub(super) fn run(command: &Policy) -> Result<(), CliError> {
    match command {
        Policy::Check { file, limits, json } => check(file, limits, *json),
        Policy::New(arguments) => author::new(arguments),
        Policy::Test(arguments) => author::test(arguments),
        Policy::Diff(arguments) if !api::is_asked(arguments) => diff::run(arguments),
        Policy::Questions(arguments) => questions::run(arguments),
        _ => api::run(command),
    }
}

/// The process in which a server compiles what is uploaded; its limits are those of the server.
pub(super) fn compile_worker(memory_bytes_max: usize, stack_bytes_max: usize, compile_secs_max: u64) -> ExitCode {
    let limits = config::Policy { memory_bytes_max, stack_bytes_max, compile_secs_max, ..config::Policy::default() };
    engine::compile_worker(&limits)
}

/// Prints the report; an unacceptable component is exit code 65.
fn check(file: &Path, limits: &Limits, json: bool) -> Result<(), CliError> {
    let (bytes, limits) = (read(file)?, limits_of(limits)?);
    let engine = Engine::new(&limits, Arc::new(NoCounters))?;
    let report = check::check(&bytes, &engine)?;
    if json {
        out::result(serde_json::to_string_pretty(&report).unwrap_or_default());
    } else {
        out::result(&report);
    }
    if report.is_acceptable() { Ok(()) } else { Err(CliError::Unacceptable { file: file.to_owned() }) }
}

/// Those of the configuration that is named, else the defaults.
fn limits_of(limits: &Limits) -> Result<config::Policy, CliError> {
    let Some(file) = &limits.config else { return Ok(config::Policy::default()) };
    Ok(load(Some(file), &config::Overrides::default())?.policy)
}

fn read(file: &Path) -> Result<Vec<u8>, CliError> {
    std::fs::read(file).map_err(|cause| CliError::Read { file: file.to_owned(), cause })
}

/// Settings as they are given: a JSON object, or the name of a file that has one.
fn settings(given: Option<&str>) -> Result<Option<Value>, CliError> {
    let Some(given) = given else { return Ok(None) };
    let (origin, text) = if given.trim_start().starts_with('{') {
        (PathBuf::from("--settings"), given.to_owned())
    } else {
        let file = Path::new(given);
        (file.to_owned(), String::from_utf8_lossy(&read(file)?).into_owned())
    };
    match serde_json::from_str::<Value>(&text) {
        Ok(settings) if settings.is_object() => Ok(Some(settings)),
        Ok(_) => Err(CliError::SettingsForm { origin, cause: "it is JSON, but no object".to_owned() }),
        Err(cause) => Err(CliError::SettingsForm { origin, cause: cause.to_string() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn settings_are_given_as_they_are_or_in_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("settings.json");
        std::fs::write(&file, "{\"from\": 22}").unwrap();
        assert_eq!(settings(None).unwrap(), None);
        assert_eq!(settings(Some(" {\"a\":[1]}")).unwrap(), Some(json!({"a": [1]})));
        assert_eq!(settings(file.to_str()).unwrap(), Some(json!({"from": 22})));
        std::fs::write(&file, "[1]").unwrap();
        let error = settings(file.to_str()).unwrap_err().to_string();
        assert!(error.contains("settings.json") && error.contains("no object"), "{error}");
        let error = settings(Some("{1}")).unwrap_err().to_string();
        assert!(error.contains("--settings") && error.contains("line 1"), "{error}");
        assert!(settings(Some("/no/such/file")).unwrap_err().to_string().contains("/no/such/file"));
    }
}
