//! The arguments of `restante policy`: what goes to a server, what is asked of a data directory, what authors need.

use super::When;
use crate::policy::policies::REASON_BYTES_MAX;
use crate::queue::question::{Hook, NAMES_OF_HOOKS};
use crate::types::MessageId;
use clap::{Args as ClapArgs, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::str::FromStr;

/// `restante policy …`
#[derive(Clone, Debug, Subcommand)]
pub enum Policy {
    /// Says whether a component is acceptable, and why not
    Check {
        /// The component (a WebAssembly file)
        file: PathBuf,
        #[command(flatten)]
        limits: Limits,
        /// One JSON object instead of text
        #[arg(long)]
        json: bool,
    },
    /// Compiles the component on standard input, under hard limits; the server starts it for every upload
    #[command(hide = true)]
    CompileWorker {
        /// `policy.memory-bytes-max` of the server
        #[arg(long)]
        memory_bytes_max: usize,
        /// `policy.stack-bytes-max` of the server
        #[arg(long)]
        stack_bytes_max: usize,
        /// `policy.compile-secs-max` of the server
        #[arg(long)]
        compile_secs_max: u64,
    },
    /// Writes the project of a new policy, which builds as it is
    New(New),
    /// Asks a policy the questions of its cases and compares the verdicts
    Test(Test),
    /// Has a server examine a component and keep it; it decides nothing yet
    Upload(Upload),
    /// Lists the policies that a server keeps
    List {
        #[command(flatten)]
        server: Server,
    },
    /// Shows one policy: what it decides, where it is bound, the schema of its settings
    Show {
        #[command(flatten)]
        policy: Named,
        #[command(flatten)]
        server: Server,
    },
    /// Shows what decides in a realm, what is in the shadow, and what a rollback would put back
    Realm {
        /// The realm (a SIP domain); without it all realms are named
        #[arg(value_name = "REALM")]
        realm: Option<String>,
        #[command(flatten)]
        server: Server,
    },
    /// Lets a policy decide from the next question on
    Activate(Bind),
    /// Asks a policy beside the one that decides, without effect
    Shadow(Bind),
    /// Ends what `shadow` began
    EndShadow(Place),
    /// Puts back what decided before
    Rollback(Place),
    /// Takes a policy out of the catalogue; what it decided stays recorded
    Retire {
        #[command(flatten)]
        policy: Named,
        #[command(flatten)]
        reason: Reason,
        #[command(flatten)]
        server: Server,
    },
    /// Shows what operators did, and what the server had to do itself
    Events {
        /// Only entries after this number
        #[arg(long, value_name = "N", default_value_t = 0)]
        after: u64,
        /// Ask for so many at a time; all are shown in the end, with --json page by page
        #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
        #[command(flatten)]
        server: Server,
    },
    /// Asks a candidate the questions of the past and shows what it would have decided otherwise: the past of a server, if
    /// --server or RESTANTE_SERVER names one, or that of a data directory
    Diff(Diff),
    /// Writes real questions as cases for `restante policy test`, under other names
    ///
    /// They are pseudonymous, not anonymous: moments, sizes, realms and the settings of policies stay.
    Questions(Questions),
}

/// Which policy.
#[derive(Clone, Debug, ClapArgs)]
pub struct Named {
    /// Its digest, at least 8 first digits of it, its name, or `standard`
    #[arg(value_name = "POLICY")]
    pub policy: String,
}

/// Why.
#[derive(Clone, Debug, Default, ClapArgs)]
pub struct Reason {
    /// Why, for whoever reads the operator stream later; no personal data
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub reason: Option<String>,
}

/// Why a text is no reason. The rest the server says; but one that is too long for a request line would not reach it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it has more than {REASON_BYTES_MAX} octets: say it shorter")]
pub struct ReasonError;

fn reason(text: &str) -> Result<String, ReasonError> {
    if text.len() > REASON_BYTES_MAX { Err(ReasonError) } else { Ok(text.to_owned()) }
}

/// The server that is spoken to, and how.
#[derive(Clone, Debug, Default, ClapArgs)]
#[command(next_help_heading = "The server")]
pub struct Server {
    /// Its HTTP API [env: RESTANTE_SERVER] [default: http://127.0.0.1:8080]
    #[arg(long = "server", value_name = "URL")]
    pub url: Option<String>,
    /// File with a bearer token; without it, and without --certificate, the token is that of the environment, if there is
    /// one [env: RESTANTE_TOKEN]
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Certificate authorities that may vouch for the server (PEM); without it those of the system
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// Certificate chain to show to the server (PEM)
    #[arg(long, value_name = "FILE", requires = "key")]
    pub certificate: Option<PathBuf>,
    /// Its private key (PEM)
    #[arg(long, value_name = "FILE", requires = "certificate")]
    pub key: Option<PathBuf>,
    /// The server's JSON instead of text
    #[arg(long, help_heading = None)]
    pub json: bool,
}

/// `restante policy upload …`
#[derive(Clone, Debug, ClapArgs)]
pub struct Upload {
    /// The component (a WebAssembly file)
    pub file: PathBuf,
    /// What people call it: letters, digits, `-`, `_` and `.`
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// The realm it is for: its operators see it and may retire it; if it takes signed components only, it must be signed
    #[arg(long, value_name = "REALM")]
    pub realm: Option<String>,
    /// Ed25519 signature over the component: the key's name in policy.keys, and the file with the signature (64 octets,
    /// or their Base64)
    #[arg(long, value_name = "KEY-ID:FILE")]
    pub signature: Option<SignatureFile>,
    #[command(flatten)]
    pub reason: Reason,
    #[command(flatten)]
    pub server: Server,
}

/// `restante policy activate|shadow …`
#[derive(Clone, Debug, ClapArgs)]
pub struct Bind {
    #[command(flatten)]
    pub policy: Named,
    /// Where
    #[arg(long, value_name = "REALM")]
    pub realm: String,
    /// A decision to take: admission, delivery, expiry, handling or notification; may be repeated; without it all that
    /// the policy exports
    #[arg(long, value_name = "DECISION", value_parser = decision)]
    pub decision: Vec<Hook>,
    /// Settings: a JSON object, or the file that has it
    #[arg(long, value_name = "FILE|JSON")]
    pub settings: Option<String>,
    #[command(flatten)]
    pub reason: Reason,
    #[command(flatten)]
    pub server: Server,
}

/// `restante policy end-shadow|rollback …`
#[derive(Clone, Debug, ClapArgs)]
pub struct Place {
    /// Where
    #[arg(long, value_name = "REALM")]
    pub realm: String,
    /// Only this decision; may be repeated
    #[arg(long, value_name = "DECISION", value_parser = decision)]
    pub decision: Vec<Hook>,
    #[command(flatten)]
    pub reason: Reason,
    #[command(flatten)]
    pub server: Server,
}

/// Which part of the past.
#[derive(Clone, Debug, ClapArgs)]
#[command(next_help_heading = "The past")]
pub struct Past {
    /// Not what was before this moment: a time such as 2026-11-23T08:00:00Z, or how long ago, such as 24h
    #[arg(long, value_name = "TIME|AGE")]
    pub since: Option<When>,
    /// Not what was at this moment or later
    #[arg(long, value_name = "TIME|AGE")]
    pub until: Option<When>,
    /// Only this realm; may be repeated
    #[arg(long, value_name = "REALM")]
    pub realm: Vec<String>,
    /// Configuration file (TOML), for the realms and their limits; without it the embedded default
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// `restante policy diff …`
#[derive(Clone, Debug, ClapArgs)]
pub struct Diff {
    /// The candidate: a file, or a policy that is kept there (digest, first digits of it, or name); a server takes a file
    /// only if it keeps what is in it
    #[arg(value_name = "CANDIDATE")]
    pub candidate: String,
    /// Data directory, in place of a server; one may be running on it [default: that of the configuration, ./data without
    /// one]
    #[arg(long, value_name = "DIR", conflicts_with = "url")]
    pub data: Option<PathBuf>,
    #[command(flatten)]
    pub past: Past,
    /// Settings of the candidate: a JSON object, or the file that has it
    #[arg(long, value_name = "FILE|JSON")]
    pub settings: Option<String>,
    /// Differences to show of each kind
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub examples: usize,
    /// Threads, of this program: a server has one for this [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256), conflicts_with = "url")]
    pub threads: Option<u16>,
    #[command(flatten)]
    pub server: Server,
}

/// `restante policy questions …`
#[derive(Clone, Debug, ClapArgs)]
pub struct Questions {
    /// Data directory; a server may be running on it
    #[arg(long, value_name = "DIR")]
    pub from: PathBuf,
    #[command(flatten)]
    pub past: Past,
    /// Only this decision; may be repeated
    #[arg(long, value_name = "DECISION", value_parser = decision)]
    pub decision: Vec<Hook>,
    /// Only what was asked about this message
    #[arg(long, value_name = "ID", value_parser = super::message_id)]
    pub message: Option<MessageId>,
    /// At most so many of each decision
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub limit: usize,
    /// Where the cases go, one file for each decision; without it all go to stdout
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// `restante policy new …`
#[derive(Clone, Debug, ClapArgs)]
pub struct New {
    /// What it is called: small letters, digits, `-` and `_`, a letter first
    pub name: String,
    /// What it is written in
    #[arg(long, value_enum)]
    pub lang: Lang,
    /// Where the project goes [default: a directory of its name]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// What a policy can be written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Lang {
    Rust,
    Js,
    Python,
    C,
}

/// The limits that a policy is held to.
#[derive(Clone, Debug, Default, ClapArgs)]
pub struct Limits {
    /// Configuration file (TOML) of the server, for the limits of policies; without it the defaults
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// `restante policy test …`
#[derive(Clone, Debug, ClapArgs)]
pub struct Test {
    /// The project: its cases are in `cases`, its component is what its build makes
    pub dir: PathBuf,
    /// Another component
    #[arg(long, value_name = "FILE")]
    pub component: Option<PathBuf>,
    #[command(flatten)]
    pub limits: Limits,
    /// One JSON object instead of text
    #[arg(long)]
    pub json: bool,
}

/// `KEY-ID:FILE`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureFile {
    /// Of `policy.keys`.
    pub key: String,
    pub file: PathBuf,
}

/// Why a text names no signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write KEY-ID:FILE: the key's name in policy.keys, a colon, and the file with the signature")]
pub struct SignatureFileError;

impl FromStr for SignatureFile {
    type Err = SignatureFileError;

    fn from_str(text: &str) -> Result<Self, SignatureFileError> {
        match text.split_once(':') {
            Some((key, file)) if !key.is_empty() && !file.is_empty() => {
                Ok(Self { key: key.to_owned(), file: PathBuf::from(file) })
            }
            _ => Err(SignatureFileError),
        }
    }
}

/// Why a text names no decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no such decision: the decisions are {NAMES_OF_HOOKS}")]
pub struct DecisionError;

fn decision(text: &str) -> Result<Hook, DecisionError> {
    Hook::named(text).ok_or(DecisionError)
}
