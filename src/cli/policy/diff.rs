//! `restante policy diff` of a data directory: what a candidate would have decided otherwise.

use super::past::{self, Bar, Opened};
use super::{read, settings};
use crate::audit::hindsight::{self, Review};
use crate::audit::whatif::Means;
use crate::cli::args::Diff;
use crate::cli::{CliError, out};
use crate::config;
use crate::policy::{Binding, Engine, NoCounters};
use bytes::Bytes;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;

/// Threads that ask at once, at most; each may need an instance.
const THREADS_MAX: usize = 256;

pub(super) fn run(arguments: &Diff) -> Result<(), CliError> {
    let opened = past::open(&arguments.past, arguments.data.as_deref())?;
    let threads = arguments.threads.map_or_else(past::cores, usize::from).clamp(1, THREADS_MAX);
    let settings = settings(arguments.settings.as_deref())?.unwrap_or_else(|| json!({}));
    let binding = candidate(arguments, &opened, threads, &settings)?;
    let scope = past::scope(&arguments.past, Vec::new(), None)?;
    let realms = scope.realms.clone();
    let means = Means { threads, examples: arguments.examples };
    let bar = Bar::new();
    let candidate = (&binding, settings);
    let shown = hindsight::review(&*opened.journal, &opened.config, candidate, scope, means, &|seen| bar.show(seen))?;
    drop(bar);
    past::check_realms(&opened, &realms, &shown.found.counts)?;
    if arguments.server.json {
        out::result(serde_json::to_string_pretty(&shown).unwrap_or_default());
    } else {
        out::result(words(&shown));
        if shown.found.different() > 0 {
            out::message("one of them as a case: restante policy questions --from DATA --message ID");
        }
    }
    Ok(())
}

/// A review as a person reads it.
pub fn words(shown: &Review) -> String {
    let from = shown.since.as_ref().map_or_else(|| "from the beginning".to_owned(), |since| format!("since {since}"));
    let to = shown.until.as_ref().map_or_else(String::new, |until| format!(", before {until}"));
    let Review { policy, settings, gave_up, found, .. } = shown;
    let end = if *gave_up {
        "\n\nit failed too often, and was asked no more: the numbers are not those of all questions"
    } else {
        ""
    };
    format!("candidate {policy}, settings {settings}\n{from}{to}\n{found}{end}")
}

fn candidate(arguments: &Diff, opened: &Opened, threads: usize, settings: &Value) -> Result<Binding, CliError> {
    let bytes = octets(&arguments.candidate, opened)?;
    let instances = opened.config.policy.instances_max.max(u32::try_from(threads).unwrap_or(u32::MAX));
    let limits = config::Policy { instances_max: instances, ..opened.config.policy.clone() };
    let engine = Engine::new(&limits, Arc::new(NoCounters))?;
    Ok(hindsight::bind(&engine, &bytes, settings, limits.settings_bytes_max)?)
}

/// A file of this name goes before a policy of this name.
fn octets(candidate: &str, opened: &Opened) -> Result<Bytes, CliError> {
    let file = Path::new(candidate);
    if !file.exists() {
        return past::catalogued(&opened.journal, candidate);
    }
    let max = opened.config.policy.component_bytes_max as u64;
    let length = std::fs::metadata(file).map_err(|cause| CliError::Read { file: file.to_owned(), cause })?.len();
    if length > max {
        return Err(CliError::ComponentTooLong { file: file.to_owned(), length, max });
    }
    Ok(read(file)?.into())
}
