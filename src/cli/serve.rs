//! `restante serve`: hands the checked configuration to the composition root.

use super::{CliError, out};
use crate::app;
use crate::config::{Config, Log};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

pub(super) fn run(config: &Config) -> Result<(), CliError> {
    start_log(&config.log)?;
    Ok(app::serve(config, |line| out::message(line))?)
}

/// Logs go to stderr.
fn start_log(log: &Log) -> Result<(), CliError> {
    let refused = |cause| CliError::Filter { filter: log.filter.clone(), cause };
    let mut filter = EnvFilter::try_new(&log.filter).map_err(refused)?;
    // The libraries below the HTTP API tell paths in their debug lines, and paths have users' addresses in them.
    if filter.max_level_hint().is_none_or(|level| level > LevelFilter::INFO) {
        for library in ["actix_web=info", "actix_http=info"] {
            filter = filter.add_directive(library.parse().map_err(refused)?);
        }
    }
    let format = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Setting it twice is impossible in a program and harmless in a test.
    if log.json {
        format.json().try_init().ok()
    } else {
        format.try_init().ok()
    };
    Ok(())
}
