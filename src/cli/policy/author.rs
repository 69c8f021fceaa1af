//! `restante policy new` and `test`: what the author of a policy needs at the desk.

use crate::cli::args::{Lang, New, Test};
use crate::cli::{CliError, out};
use crate::kit;
use std::path::PathBuf;

pub(super) fn new(arguments: &New) -> Result<(), CliError> {
    let lang = match arguments.lang {
        Lang::Rust => kit::Lang::Rust,
        Lang::Js => kit::Lang::Js,
        Lang::Python => kit::Lang::Python,
        Lang::C => kit::Lang::C,
    };
    let dir = arguments.dir.clone().unwrap_or_else(|| PathBuf::from(&arguments.name));
    out::result(kit::new(&arguments.name, lang, &dir)?);
    Ok(())
}

/// Verdicts other than expected are exit code 65.
pub(super) fn test(arguments: &Test) -> Result<(), CliError> {
    let limits = super::limits_of(&arguments.limits)?;
    let report = kit::test(&arguments.dir, arguments.component.as_deref(), &limits)?;
    if arguments.json {
        out::result(serde_json::to_string_pretty(&report).unwrap_or_default());
    } else {
        out::result(&report);
    }
    let (failed, cases) = (report.count(kit::Outcome::Failed), report.results.len());
    if failed == 0 { Ok(()) } else { Err(CliError::CasesFailed { failed, cases }) }
}
