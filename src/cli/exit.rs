//! How a command ends: the exit codes, and the errors behind them.

use super::ApiError;
use crate::admin::TlsError;
use crate::app::{AppError, DemoError};
use crate::audit::AuditError;
use crate::config::ConfigError;
use crate::kit::case::CaseError;
use crate::kit::{NewError, TestError};
use crate::policy::{PoliciesError, PolicyError};
use crate::types::Timestamp;
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
    /// The server cannot be reached, or has no room.
    Unavailable = 69,
    /// A fault of the program.
    Internal = 70,
    /// A file, the disk or a socket failed.
    Io = 74,
    /// The server is busy: try again in a moment.
    TryAgain = 75,
    /// What answered is no server of ours.
    Protocol = 76,
    /// The server knows who asks, or cannot, and does not let them.
    NotAllowed = 77,
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
    #[error("cannot write {file}: {cause}; check the name, the permissions and the room on the disk", file = file.display())]
    Write { file: PathBuf, cause: std::io::Error },
    #[error("{file} is there already and is not overwritten: give another --out", file = file.display())]
    Exists { file: PathBuf },
    #[error("{origin}: these are no settings: {cause}; give a JSON object, or the name of a file that has one", origin = origin.display())]
    SettingsForm { origin: PathBuf, cause: String },
    #[error("no time is between {since} and {until}: give a --since before --until")]
    NoTime { since: Timestamp, until: Timestamp },
    #[error("no realm is called {realm}, neither in the configuration nor in the data: there are {known}")]
    NoSuchRealm { realm: String, known: String },
    #[error(
        "'{candidate}' is neither a file nor a policy of the data directory's catalogue: check the name, and --data"
    )]
    NoCandidate { candidate: String },
    #[error("the operator stream cannot be verified: {0}")]
    BrokenOperators(PoliciesError),
    #[error(transparent)]
    Policies(#[from] PoliciesError),
    #[error(transparent)]
    Api(#[from] ApiError),
    #[error(transparent)]
    Case(#[from] CaseError),
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
    #[error("the system gave no random octets: a token cannot be made; try again")]
    NoChance,
    #[error(transparent)]
    New(#[from] NewError),
    #[error(transparent)]
    Test(#[from] TestError),
    #[error("{failed} of {cases} cases are not as expected: the report says which")]
    CasesFailed { failed: usize, cases: usize },
    #[error("{0} users have a broken chain: their logs were altered or damaged; compare them with a backup")]
    BrokenChains(usize),
    #[error(transparent)]
    Tls(#[from] TlsError),
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
            Self::Case(CaseError::Read { .. }) | Self::Test(TestError::Case(CaseError::Read { .. })) => Exit::Io,
            Self::Config(_)
            | Self::Filter { .. }
            | Self::ComponentTooLong { .. }
            | Self::Exists { .. }
            | Self::SettingsForm { .. }
            | Self::NoTime { .. }
            | Self::NoSuchRealm { .. }
            | Self::NoCandidate { .. }
            | Self::New(NewError::Name { .. } | NewError::Reserved { .. } | NewError::Taken { .. })
            | Self::Test(
                TestError::NoComponent { .. }
                | TestError::SeveralComponents { .. }
                | TestError::TooLong { .. }
                | TestError::TooManyFiles { .. },
            )
            | Self::Policies(PoliciesError::Ambiguous(..) | PoliciesError::Retired(_)) => Exit::Usage,
            Self::Unacceptable { .. }
            | Self::BrokenChains(_)
            | Self::BrokenOperators(_)
            | Self::Policies(
                PoliciesError::Damaged { .. } | PoliciesError::Newer { .. } | PoliciesError::Settings(_),
            )
            | Self::Case(_)
            | Self::CasesFailed { .. }
            | Self::Test(
                TestError::Case(_)
                | TestError::Policy(PolicyError::Unacceptable { .. } | PolicyError::Settings { .. })
                | TestError::NoCases { .. },
            )
            | Self::Policy(PolicyError::Unacceptable { .. } | PolicyError::Settings { .. }) => Exit::Data,
            Self::Audit(AuditError::UnknownUser | AuditError::UnknownMessage(_) | AuditError::Schema { .. }) => {
                Exit::Data
            }
            Self::Api(error) => error.exit(),
            Self::Audit(AuditError::Interrupted) | Self::App(AppError::Metrics(_)) | Self::Demo(_) | Self::NoChance => {
                Exit::Internal
            }
            Self::Policies(_)
            | Self::New(_)
            | Self::Test(_)
            | Self::Read { .. }
            | Self::Write { .. }
            | Self::Tls(_)
            | Self::App(_)
            | Self::Audit(AuditError::Journal(_))
            | Self::Policy(_) => Exit::Io,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_that_cannot_be_read_is_another_code_than_one_that_is_wrong() {
        let file = || PathBuf::from("cases/one.yaml");
        let read = || CaseError::Read { file: file(), cause: std::io::ErrorKind::PermissionDenied.into() };
        let wrong = || CaseError::Encoding { file: file(), at: 0 };
        assert_eq!((CliError::from(read()).exit(), CliError::from(wrong()).exit()), (Exit::Io, Exit::Data));
        let [read, wrong] = [read(), wrong()].map(|error| CliError::from(TestError::from(error)).exit());
        assert_eq!((read, wrong), (Exit::Io, Exit::Data));
    }
}
