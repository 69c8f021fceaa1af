//! Reading the configuration file: the little IO that the pure `config` module leaves to others.

use super::CliError;
use crate::config::{Config, Overrides, Source};
use std::path::Path;
use tracing_subscriber::EnvFilter;

/// The checked configuration: the file's, or without one the embedded default, with the flags on top.
///
/// # Errors
/// [`CliError::Read`] if the file cannot be read, [`CliError::Config`] with everything that is wrong in it, or
/// [`CliError::Filter`].
pub fn load(file: Option<&Path>, overrides: &Overrides) -> Result<Config, CliError> {
    let read =
        |file: &Path| std::fs::read_to_string(file).map_err(|cause| CliError::Read { file: file.to_owned(), cause });
    let text = file.map(read).transpose()?;
    let name = file.map(|file| file.display().to_string()).unwrap_or_default();
    let source = text.as_deref().map(|text| Source { name: &name, text });
    let config = Config::read(source, overrides)?;
    match EnvFilter::try_new(&config.log.filter) {
        Ok(_) => Ok(config),
        Err(cause) => Err(CliError::Filter { filter: config.log.filter, cause }),
    }
}
