//! Why a server did not do what it was asked for, in words.

use crate::cli::Exit;
use crate::cli::tables::plain;
use crate::gateway::http::{HttpError, HttpSetupError};
use serde_json::Value;
use std::fmt;
use std::path::PathBuf;

/// What can come between a command and its answer.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    #[error(
        "no server answers at {url}: {cause}. Start one (restante serve), or say where it is with --server or RESTANTE_SERVER"
    )]
    Unreachable { url: String, cause: HttpError },
    #[error("{cause}. Whether it was done is not known: look with restante policy events")]
    Broken { cause: HttpError },
    #[error("{cause}. Nothing was to be changed by it: try again")]
    Unread { cause: HttpError },
    #[error("{cause}. Nothing was to be changed by it: ask for less; restante policy events has --limit")]
    LongAnswer { cause: HttpError },
    #[error("{cause}. Nothing was sent: correct the token, or the name of the key in --signature")]
    Unsendable { cause: HttpError },
    #[error("'{url}' is no address of a server: write it as http://HOST:PORT or https://HOST:PORT")]
    Url { url: String },
    #[error(transparent)]
    Setup(#[from] HttpSetupError),
    #[error("the token in {file} cannot be read: {cause}; check the name and the permissions", file = file.display())]
    Token { file: PathBuf, cause: std::io::Error },
    #[error("{file} has no token: restante token new makes one; the file has it on one line, alone", file = file.display())]
    TokenForm { file: PathBuf },
    #[error("RESTANTE_TOKEN has no token: restante token new makes one; it has no blanks in it")]
    TokenVariable,
    #[error("{file} has no Ed25519 signature: give 64 octets, or their Base64", file = file.display())]
    SignatureForm { file: PathBuf },
    #[error("a server has a configuration of its own: leave --config out, or name no server")]
    OwnConfiguration,
    #[error("a server is asked for one realm, or for all of them: name one --realm, or none")]
    Realms,
    #[error("{0}")]
    Refused(Box<Refusal>),
    #[error(
        "what answers at {url} (status {status}) is not the HTTP API of restante: check --server, and whether a proxy is in between"
    )]
    Foreign { url: String, status: u16 },
    #[error("the server's answer is not understood: {0}; use the restante of the same version as the server's")]
    Answer(#[from] serde_json::Error),
    #[error("no runtime could be started: {0}")]
    Runtime(std::io::Error),
}

/// A refusal as the server told it (RFC 9457).
#[derive(Debug)]
pub struct Refusal {
    pub status: u16,
    /// All of it, as it came.
    pub json: String,
    problem: Value,
}

impl ApiError {
    /// Why there was no answer, to a request that only reads or to another.
    pub(super) fn unanswered(url: &str, only_reads: bool, cause: HttpError) -> Self {
        match cause {
            HttpError::Url => Self::Url { url: url.to_owned() },
            HttpError::Connect { .. } | HttpError::Busy { .. } => Self::Unreachable { url: url.to_owned(), cause },
            HttpError::Header { .. } => Self::Unsendable { cause },
            HttpError::TooLong { .. } if only_reads => Self::LongAnswer { cause },
            _ if only_reads => Self::Unread { cause },
            HttpError::Timeout { .. } | HttpError::Broken { .. } | HttpError::TooLong { .. } => Self::Broken { cause },
        }
    }

    /// The exit code that belongs to it.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        match self {
            Self::Unreachable { .. } | Self::Broken { .. } | Self::Unread { .. } | Self::LongAnswer { .. } => {
                Exit::Unavailable
            }
            Self::Url { .. }
            | Self::Setup(_)
            | Self::Unsendable { .. }
            | Self::TokenForm { .. }
            | Self::TokenVariable
            | Self::SignatureForm { .. }
            | Self::OwnConfiguration
            | Self::Realms => Exit::Usage,
            Self::Token { .. } => Exit::Io,
            Self::Refused(refusal) => match refusal.status {
                401 | 403 => Exit::NotAllowed,
                409 | 410 | 413 | 422 => Exit::Data,
                408 | 429 | 503 => Exit::TryAgain,
                507 => Exit::Unavailable,
                400..=499 => Exit::Usage,
                _ => Exit::Internal,
            },
            Self::Foreign { .. } | Self::Answer(_) => Exit::Protocol,
            Self::Runtime(_) => Exit::Internal,
        }
    }
}

impl Refusal {
    pub(super) fn read(status: u16, json: String) -> Self {
        let problem = serde_json::from_str(&json).unwrap_or_default();
        Self { status, json, problem }
    }

    fn list(&self, name: &str) -> &[Value] {
        self.problem.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let detail = text(&self.problem, "detail");
        let detail = if detail.is_empty() { text(&self.problem, "title") } else { detail };
        write!(f, "the server refuses ({}): {}", self.status, plain(detail))?;
        if self.status == 401 {
            f.write_str("; show who you are with --token-file, RESTANTE_TOKEN or --certificate")?;
        }
        for finding in self.list("findings") {
            let [severity, what, why, advice] =
                ["severity", "what", "why", "what_to_do"].map(|name| plain(text(finding, name)));
            write!(f, "\n\n{severity}: {what}.\n  why:        {why}.\n  what to do: {advice}.")?;
        }
        // The detail has them in one line; a list is read more easily.
        for problem in self.list("problems") {
            let (at, what) = (plain(text(problem, "at")), plain(text(problem, "what")));
            write!(f, "\n  {}: {what}", if at.is_empty() { "settings" } else { &at })?;
        }
        Ok(())
    }
}
