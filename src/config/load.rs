//! From text and flags to a checked configuration; every problem is reported, not just the first.

use super::notifier;
use super::places::{self, Place, Places};
use super::{Config, Listen, MsrpListen, Realm, validate};
use ipnet::IpNet;
use serde::Deserialize as _;
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use toml::de::DeTable;

/// So many problems are reported at most.
const PROBLEMS_MAX: usize = 50;

/// The text of a configuration file.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Its name, as problems shall show it.
    pub name: &'a str,
    pub text: &'a str,
}

/// What the command line says; each overrides the file.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// Replaces `sip.listen` if not empty.
    pub listen: Vec<Listen>,
    /// Replaces `msrp.listen` if not empty.
    pub msrp_listen: Vec<MsrpListen>,
    /// Added to the realms of the file; without a file they are the realms.
    pub realms: Vec<String>,
    /// `next-hop` of every realm.
    pub next_hop: Option<String>,
    /// Replaces `sip.trusted-peers` if not empty.
    pub trusted_peers: Vec<IpNet>,
    /// `journal.directory`.
    pub data: Option<PathBuf>,
    /// `admin.listen`.
    pub admin: Option<SocketAddr>,
}

/// Everything that is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    pub problems: Vec<Problem>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub place: Place,
    /// The path of the key; empty if the file could not be understood there.
    pub key: String,
    pub fault: Fault,
}

/// What is wrong with a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Not TOML.
    Syntax { message: String },
    /// An unknown key or a value of the wrong type.
    Shape { message: String },
    /// A number outside of what makes sense.
    Range { value: u64, min: u64, max: u64, unit: &'static str },
    /// A text that is not what it should be.
    Text { value: String, wanted: &'static str },
    /// The same thing twice.
    Twice { value: String },
    /// Two values that do not go together.
    Conflict { why: &'static str, advice: &'static str },
}

impl Config {
    /// The embedded default, or the file's values, with the flags on top; checked.
    ///
    /// # Errors
    /// [`ConfigError`] with every problem found and its place.
    pub fn read(source: Option<Source<'_>>, overrides: &Overrides) -> Result<Self, ConfigError> {
        let mut problems = Vec::new();
        let (mut config, mut places) = match source {
            Some(source) => parse(source, &mut problems),
            None => (Self::default(), Places::default()),
        };
        if source.is_none() && !overrides.realms.is_empty() {
            config.realms.clear();
        }
        lower_realm_names(&mut config, &places, &mut problems);
        overrides.apply(&mut config, &mut places);
        validate::validate(&config, &places, &mut problems);
        problems.truncate(PROBLEMS_MAX);
        if problems.is_empty() { Ok(config) } else { Err(ConfigError { problems }) }
    }
}

/// Reads as much as can be read. What serde refuses is taken out and noted, then the rest is tried again, so that one
/// run shows all the wrong keys.
fn parse(source: Source<'_>, problems: &mut Vec<Problem>) -> (Config, Places) {
    let (mut root, errors) = DeTable::parse_recoverable(source.text);
    let places = Places::of_file(source.name, source.text, root.get_ref());
    for error in &errors {
        let place = places::at(source.name, source.text, error.span().unwrap_or_default().start);
        let fault = Fault::Syntax { message: error.message().to_owned() };
        problems.push(Problem { place, key: String::new(), fault });
    }
    for _ in 0..PROBLEMS_MAX {
        let error = match Config::deserialize(toml::Deserializer::from(root.clone())) {
            Ok(config) => return (config, places),
            Err(error) => error,
        };
        let span = error.span().unwrap_or_default();
        let key = places::take_out(root.get_mut(), &span);
        // A half-read file gives errors of shape that are not the operator's: the syntax comes first.
        if errors.is_empty() {
            let key = key.clone().unwrap_or_default();
            let message = if is_password(&key) { "a password must be a text in quotes" } else { error.message() };
            let fault = Fault::Shape { message: message.to_owned() };
            problems.push(Problem { place: places.at(span.start), key, fault });
        }
        if key.is_none() {
            break;
        }
    }
    (Config::default(), places)
}

/// Serde's messages quote the value: not that of a password.
fn is_password(key: &str) -> bool {
    key == "store.master-password" || notifier::is_secret(key) || key.starts_with("realms.") && key.contains(".users.")
}

/// Host names know no case (RFC 4343): realms are kept in lower case.
fn lower_realm_names(config: &mut Config, places: &Places, problems: &mut Vec<Problem>) {
    let mut lower = BTreeMap::new();
    for (name, realm) in std::mem::take(&mut config.realms) {
        let path = places::join("realms", &name);
        if lower.insert(name.to_ascii_lowercase(), realm).is_some() {
            problems.push(Problem { place: places.of(&path), key: path, fault: Fault::Twice { value: name } });
        }
    }
    config.realms = lower;
    for realm in config.policy.keys.iter_mut().filter_map(|key| key.realms.as_mut()).flatten() {
        realm.make_ascii_lowercase();
    }
}

impl Overrides {
    fn apply(&self, config: &mut Config, places: &mut Places) {
        if !self.listen.is_empty() {
            config.sip.listen.clone_from(&self.listen);
            places.set_by_flag("sip.listen", "--listen");
        }
        if !self.msrp_listen.is_empty() {
            config.msrp.listen.clone_from(&self.msrp_listen);
            places.set_by_flag("msrp.listen", "--msrp-listen");
        }
        if !self.trusted_peers.is_empty() {
            config.sip.trusted_peers.clone_from(&self.trusted_peers);
            places.set_by_flag("sip.trusted-peers", "--trusted-peer");
        }
        for name in &self.realms {
            let name = name.to_ascii_lowercase();
            let path = places::join("realms", &name);
            config.realms.entry(name).or_insert_with(|| {
                places.set_by_flag(&path, "--realm");
                Realm::default()
            });
        }
        if let Some(next_hop) = &self.next_hop {
            for (name, realm) in &mut config.realms {
                realm.next_hop = Some(next_hop.clone());
                places.set_by_flag(&places::join(&places::join("realms", name), "next-hop"), "--next-hop");
            }
        }
        if let Some(data) = &self.data {
            config.journal.directory.clone_from(data);
            places.set_by_flag("journal.directory", "--data");
        }
        if let Some(admin) = self.admin {
            config.admin.listen = admin;
            places.set_by_flag("admin.listen", "--admin");
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.len() {
            1 => f.write_str("the configuration has a problem; put it right and start again:")?,
            n => write!(f, "the configuration has {n} problems; put them right and start again:")?,
        }
        self.problems.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        self.fault.fmt(f)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax { message } => write!(f, "this is no TOML: {message}"),
            Self::Shape { message } => f.write_str(message),
            Self::Range { value, min, max, unit } => {
                write!(f, "{value} is out of range: give {min} to {max}")?;
                if unit.is_empty() { Ok(()) } else { write!(f, " {unit}") }
            }
            Self::Text { value, wanted } => write!(f, "'{value}' will not do: give {wanted}"),
            Self::Twice { value } => write!(f, "'{value}' is there twice: remove one"),
            Self::Conflict { why, advice } => write!(f, "{why}: {advice}"),
        }
    }
}
