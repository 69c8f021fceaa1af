//! `restante policy`: is a component acceptable?

use super::{CliError, out};
use crate::config;
use crate::policy::{Engine, NoCounters, check};
use std::path::Path;
use std::sync::Arc;

/// Prints the report; an unacceptable component is exit code 65.
pub(super) fn check(file: &Path, json: bool) -> Result<(), CliError> {
    let bytes = std::fs::read(file).map_err(|cause| CliError::Read { file: file.to_owned(), cause })?;
    let engine = Engine::new(&config::Policy::default(), Arc::new(NoCounters))?;
    let report = check::check(&bytes, &engine);
    if json {
        out::result(serde_json::to_string_pretty(&report).unwrap_or_default());
    } else {
        out::result(&report);
    }
    if report.is_acceptable() { Ok(()) } else { Err(CliError::Unacceptable { file: file.to_owned() }) }
}
