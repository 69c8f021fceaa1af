//! How a command ends: the exit codes, and the errors behind them.

use crate::app::{AppError, DemoError};
use crate::audit::AuditError;
use crate::config::ConfigError;
use crate::policy::PolicyError;
use std::path::PathBuf;
use std::process::ExitCode;

/// Exit codes, those of `sysexits.h` where there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Ok = 0,
    /// Wrong arguments or a wrong configuration: change them and try again.
    Usage = 64,
    /// What was examined is bad: an unacceptable component, a broken chain.
    Data = 65,
    /// A fault of the program.
    Internal = 70,
    /// A file, the disk or a socket failed.
    Io = 74,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    #[error("cannot read {file}: {cause}; check the name and the permissions", file = file.display())]
    Read { file: PathBuf, cause: std::io::Error },
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("log.filter: '{filter}' is no filter: {cause}; give something like info or restante=debug")]
    Filter { filter: String, cause: tracing_subscriber::filter::ParseError },
    #[error(
        "{file} is {length} octets long, more than policy.component-bytes-max ({max}): use a smaller component, or raise it",
        file = file.display()
    )]
    ComponentTooLong { file: PathBuf, length: u64, max: u64 },
    #[error("{file} is not acceptable: the report says why and what to do", file = file.display())]
    Unacceptable { file: PathBuf },
    #[error("{0} users have a broken chain: their logs were altered or damaged; compare them with a backup")]
    BrokenChains(usize),
    #[error(transparent)]
    App(#[from] AppError),
    #[error(transparent)]
    Demo(#[from] DemoError),
    #[error(transparent)]
    Audit(#[from] AuditError),
    #[error(transparent)]
    Policy(#[from] PolicyError),
}

impl CliError {
    /// The exit code that belongs to it.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        match self {
            Self::Config(_) | Self::Filter { .. } | Self::ComponentTooLong { .. } => Exit::Usage,
            Self::Unacceptable { .. } | Self::BrokenChains(_) => Exit::Data,
            Self::Audit(AuditError::UnknownUser | AuditError::UnknownMessage(_) | AuditError::Schema { .. }) => {
                Exit::Data
            }
            Self::App(AppError::Metrics(_)) | Self::Demo(_) => Exit::Internal,
            Self::Read { .. } | Self::App(_) | Self::Audit(AuditError::Journal(_)) | Self::Policy(_) => Exit::Io,
        }
    }
}
