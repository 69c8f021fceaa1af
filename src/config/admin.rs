//! `[admin]`: the HTTP API, and who may do what with it.

use super::places::join;
use super::validate::Check;
use super::{Config, validate};
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Longest name of who may do something, octets.
const NAME_BYTES_MAX: usize = 64;
/// Names that the operator stream has for others.
const TAKEN_NAMES: [&str; 2] = ["local", "restante"];

/// `[admin]`: the HTTP API.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Admin {
    pub listen: SocketAddr,
    pub connections_max: usize,
    /// Serve HTTPS; without it plain HTTP.
    pub tls: Option<AdminTls>,
    /// Who may do what by a bearer token (RFC 6750).
    pub tokens: Vec<AdminToken>,
    /// Who may do what by a client certificate.
    pub certificates: Vec<AdminCertificate>,
}

/// `[admin.tls]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AdminTls {
    /// The server's certificate chain (PEM).
    pub certificate: PathBuf,
    /// Its private key (PEM).
    pub key: PathBuf,
    /// The certificate authorities that vouch for clients (PEM); without them client certificates are not asked for.
    pub client_ca: Option<PathBuf>,
}

/// `[[admin.tokens]]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AdminToken {
    /// The name that events and the log tell as their author.
    pub name: String,
    /// SHA-256 of the token, hexadecimal: the token itself is in no file of the server.
    pub sha256: String,
    pub roles: Vec<Role>,
}

/// `[[admin.certificates]]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AdminCertificate {
    /// The name that events and the log tell as their author.
    pub name: String,
    /// SHA-256 of the certificate in DER, hexadecimal, with or without colons.
    pub sha256: String,
    pub roles: Vec<Role>,
}

impl Admin {
    /// Whether a request must say who sends it: else whoever is at this machine may do everything.
    #[must_use]
    pub const fn asks_who(&self) -> bool {
        !self.tokens.is_empty() || !self.certificates.is_empty()
    }

    /// How a URL of it begins.
    #[must_use]
    pub const fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }
}

/// The 32 octets of a SHA-256 in hexadecimal, with or without colons between them; nothing if it is none.
#[must_use]
pub fn sha256_octets(text: &str) -> Option<[u8; 32]> {
    let mut octets = [0; 32];
    hex::decode_to_slice(text.replace(':', ""), &mut octets).ok()?;
    Some(octets)
}

/// What somebody may do with the HTTP API, written `operator:REALM`, `operator:*`, `auditor` or `sre`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub enum Role {
    /// Decides for a realm: policies, and what is its users'. `None` is every realm.
    Operator(Option<String>),
    /// Reads what happened, and changes nothing.
    Auditor,
    /// Keeps the service running: reads its state, and puts a policy back.
    Sre,
}

/// Why nobody can be called so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallerNameError {
    #[error("a name has 1 to 64 printable characters")]
    Form,
    #[error("the operator stream has this name for another: choose another name")]
    Taken,
}

/// Whether somebody can be called so: the name of a token or of a certificate, and the author in the operator stream.
///
/// # Errors
/// [`CallerNameError`]
pub fn check_caller_name(name: &str) -> Result<(), CallerNameError> {
    if !validate::is_header_text(name) || name.len() > NAME_BYTES_MAX {
        return Err(CallerNameError::Form);
    }
    if TAKEN_NAMES.contains(&name) { Err(CallerNameError::Taken) } else { Ok(()) }
}

/// Why a text is no role.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no role: write operator:REALM, operator:*, auditor or sre")]
pub struct RoleError(String);

impl TryFrom<String> for Role {
    type Error = RoleError;

    fn try_from(text: String) -> Result<Self, RoleError> {
        match text.as_str() {
            "auditor" => Ok(Self::Auditor),
            "sre" => Ok(Self::Sre),
            "operator:*" => Ok(Self::Operator(None)),
            other => match other.strip_prefix("operator:") {
                Some(realm) if !realm.is_empty() => Ok(Self::Operator(Some(realm.to_ascii_lowercase()))),
                _ => Err(RoleError(text)),
            },
        }
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Operator(Some(realm)) => write!(f, "operator:{realm}"),
            Self::Operator(None) => f.write_str("operator:*"),
            Self::Auditor => f.write_str("auditor"),
            Self::Sre => f.write_str("sre"),
        }
    }
}

impl Default for Admin {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            connections_max: 256,
            tls: None,
            tokens: Vec::new(),
            certificates: Vec::new(),
        }
    }
}

/// Adds every problem of the section.
pub(super) fn validate(check: &mut Check<'_>, config: &Config) {
    let admin = &config.admin;
    check.range("admin.connections-max", admin.connections_max, 1, 10_000, "connections");
    let client_ca = admin.tls.as_ref().and_then(|tls| tls.client_ca.as_deref());
    if let Some(tls) = &admin.tls {
        let files = [("certificate", Some(&*tls.certificate)), ("key", Some(&*tls.key)), ("client-ca", client_ca)];
        for (key, file) in files {
            let named = file.is_none_or(|file: &Path| !file.as_os_str().is_empty());
            check.holds(&join("admin.tls", key), named, "no file is named", "name a PEM file");
        }
    }
    callers(check, config, "admin.tokens", admin.tokens.iter().map(|it| (&*it.name, &*it.sha256, &*it.roles)));
    let certificates = admin.certificates.iter().map(|it| (&*it.name, &*it.sha256, &*it.roles));
    callers(check, config, "admin.certificates", certificates);
    check.holds(
        "admin.certificates",
        admin.certificates.is_empty() || client_ca.is_some(),
        "client certificates are of no use without an authority that vouches for them",
        "give admin.tls with client-ca",
    );
    check.holds(
        "admin.tls.client-ca",
        client_ca.is_none() || !admin.certificates.is_empty(),
        "clients are asked for certificates, but none is named",
        "name them in admin.certificates, or remove the key",
    );
}

/// Who may do what: names, hashes, roles.
fn callers<'a>(
    check: &mut Check<'_>,
    config: &Config,
    list: &str,
    callers: impl Iterator<Item = (&'a str, &'a str, &'a [Role])>,
) {
    let (mut names, mut hashes) = (Vec::new(), Vec::new());
    for (index, (name, sha256, roles)) in callers.enumerate() {
        let key = |key: &str| join(&format!("{list}[{index}]"), key);
        let good = |name: &str| check_caller_name(name) != Err(CallerNameError::Form);
        check.text(&key("name"), name, good, "a name of up to 64 printable characters");
        let free = check_caller_name(name) != Err(CallerNameError::Taken);
        check.holds(&key("name"), free, "the operator stream has this name for another", "choose another name");
        // Not shown: it may be the token itself.
        let octets = sha256_octets(sha256);
        let advice = "give 64 hexadecimal digits, as restante token new or sha256sum prints them";
        check.holds(&key("sha256"), octets.is_some(), "this is no SHA-256", advice);
        check.holds(&key("roles"), !roles.is_empty(), "there is no role", "give one at least, such as auditor");
        for role in roles {
            if let Role::Operator(Some(realm)) = role {
                let known = |realm: &str| config.realms.contains_key(realm);
                check.text(&key("roles"), realm, known, "a realm of this configuration, or operator:*");
            }
        }
        names.push(name);
        hashes.push(octets.map_or_else(|| format!("unreadable {index}"), hex::encode));
    }
    check.no_twins(list, &names);
    check.no_twins(list, &hashes);
}
