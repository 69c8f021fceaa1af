//! `[store]`: the message store, on an IMAP server or here.

use super::sections::Secret;
use super::validate::Check;
use serde::Deserialize;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

const DAY_SECS: u64 = 86_400;
const MIB: u64 = 1 << 20;

/// `[store]`: where messages go that are stored (MNG-5, EXP-2b) or recorded (SNDP-6).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Store {
    /// The IMAP server; without it folders are kept in the data directory.
    pub imap: Option<ImapServer>,
    /// How the server is told for whom we act.
    pub login: Login,
    /// The name of a user on the server: `{user}`, `{host}` and `{address}` stand for parts of the CPM Address.
    pub user_format: String,
    /// Who we are, for `plain`.
    pub master_user: String,
    pub master_password: Option<Secret>,
    /// PEM file with the authorities that may vouch for the server; without it those of the system.
    pub ca_file: Option<PathBuf>,
    /// Let `imap+plain` go beyond this machine: passwords and messages in clear.
    pub plain_anywhere: bool,
    /// Most connections to the server.
    pub connections_max: usize,
    /// A connection that nobody used for so long is closed, seconds.
    pub connection_idle_secs: u64,
    /// Most requests that wait for a connection or for their turn; beyond it they are tried again later.
    pub requests_waiting_max: usize,
    /// Time for a connection to be made, its TLS and login included, seconds.
    pub connect_secs: u64,
    /// Time for one command to be answered, seconds; of a large object, for each 64 KiB to be read and taken.
    pub command_secs: u64,
    /// Time for a whole request, however many commands it takes, seconds; a large object has command-secs more for each 64 KiB.
    pub request_secs: u64,
    /// After so many failures in a row the server is left alone for a while.
    pub failures_max: u32,
    /// How long it is left alone at first, seconds; it doubles …
    pub rest_min_secs: u64,
    /// … up to this, seconds.
    pub rest_max_secs: u64,
    /// Kept here: most messages of a user.
    pub messages_max_per_user: u64,
    /// Kept here: most octets of a user's messages.
    pub bytes_max_per_user: u64,
}

/// How we log in on behalf of a user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Login {
    /// SASL PLAIN with an authorization identity (RFC 4616): we are `master-user`, and act for the user.
    #[default]
    Plain,
    /// LOGIN with the name that `user-format` gives, such as `{user}@{host}*restante`.
    Login,
}

/// An IMAP server, written `imaps://HOST[:PORT]`, `imap://HOST[:PORT]` or `imap+plain://HOST[:PORT]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct ImapServer {
    pub security: Security,
    /// A host name or an address, IPv6 without brackets.
    pub host: String,
    pub port: u16,
}

/// What keeps others from reading along.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Security {
    /// TLS from the first octet.
    Tls,
    /// STARTTLS, without which nothing is said.
    StartTls,
    /// Nothing.
    Plain,
}

/// Why a text is no IMAP server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is no IMAP server: write imaps://HOST:993, imap://HOST:143 (STARTTLS), or imap+plain://127.0.0.1:143 (no TLS)"
)]
pub struct ImapServerError(String);

impl Default for Store {
    fn default() -> Self {
        Self {
            imap: None,
            login: Login::Plain,
            user_format: "{user}@{host}".to_owned(),
            master_user: "restante".to_owned(),
            master_password: None,
            ca_file: None,
            plain_anywhere: false,
            connections_max: 64,
            connection_idle_secs: 60,
            requests_waiting_max: 10_000,
            connect_secs: 5,
            command_secs: 10,
            request_secs: 30,
            failures_max: 5,
            rest_min_secs: 1,
            rest_max_secs: 60,
            messages_max_per_user: 10_000,
            bytes_max_per_user: 1 << 30,
        }
    }
}

impl ImapServer {
    /// Whether what is said to it stays on this machine.
    #[must_use]
    pub fn is_here(&self) -> bool {
        self.host.eq_ignore_ascii_case("localhost") || self.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }
}

impl TryFrom<String> for ImapServer {
    type Error = ImapServerError;

    fn try_from(text: String) -> Result<Self, ImapServerError> {
        text.parse()
    }
}

impl std::str::FromStr for ImapServer {
    type Err = ImapServerError;

    fn from_str(text: &str) -> Result<Self, ImapServerError> {
        let wrong = || ImapServerError(text.to_owned());
        let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
        let (security, port) = match scheme.to_ascii_lowercase().as_str() {
            "imaps" => (Security::Tls, 993),
            "imap" => (Security::StartTls, 143),
            "imap+plain" => (Security::Plain, 143),
            _ => return Err(wrong()),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, given) = match rest.strip_prefix('[') {
            Some(inside) => {
                let (host, after) = inside.split_once(']').ok_or_else(wrong)?;
                host.parse::<std::net::Ipv6Addr>().map_err(|_| wrong())?;
                (host, after)
            }
            None => rest.split_at(rest.find(':').unwrap_or(rest.len())),
        };
        let port = match given.strip_prefix(':') {
            Some(port) => port.parse().ok().filter(|port| *port > 0).ok_or_else(wrong)?,
            None if given.is_empty() => port,
            None => return Err(wrong()),
        };
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':');
        if host.is_empty() || !host.chars().all(fits) {
            return Err(wrong());
        }
        Ok(Self { security, host: host.to_owned(), port })
    }
}

impl fmt::Display for ImapServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.security {
            Security::Tls => "imaps",
            Security::StartTls => "imap",
            Security::Plain => "imap+plain",
        };
        if self.host.contains(':') {
            return write!(f, "{scheme}://[{}]:{}", self.host, self.port);
        }
        write!(f, "{scheme}://{}:{}", self.host, self.port)
    }
}

/// The ranges, and what a server needs beside its name.
pub(super) fn validate(check: &mut Check<'_>, store: &Store) {
    check.range("store.connections-max", store.connections_max, 1, 10_000, "connections");
    check.range("store.connection-idle-secs", store.connection_idle_secs, 1, DAY_SECS, "seconds");
    check.range("store.requests-waiting-max", store.requests_waiting_max, 1, 1_000_000, "requests");
    check.range("store.connect-secs", store.connect_secs, 1, 600, "seconds");
    check.range("store.command-secs", store.command_secs, 1, 600, "seconds");
    check.range("store.request-secs", store.request_secs, 1, 3600, "seconds");
    check.range("store.failures-max", store.failures_max, 1, 1000, "failures");
    check.range("store.rest-min-secs", store.rest_min_secs, 1, 3600, "seconds");
    check.range("store.rest-max-secs", store.rest_max_secs, 1, 3600, "seconds");
    check.range("store.messages-max-per-user", store.messages_max_per_user, 1, 100_000_000, "messages");
    check.range("store.bytes-max-per-user", store.bytes_max_per_user, MIB, 1 << 40, "octets");
    check.text("store.user-format", &store.user_format, is_user_format, "a text with {user} or {address} in it");
    check.holds(
        "store.rest-min-secs",
        store.rest_min_secs <= store.rest_max_secs,
        "the first rest is longer than the longest",
        "lower it, or raise store.rest-max-secs",
    );
    let Some(server) = &store.imap else { return };
    check.holds(
        "store.imap",
        server.security != Security::Plain || server.is_here() || store.plain_anywhere,
        "passwords and messages would cross the network in clear",
        "write imaps:// or imap://, or set store.plain-anywhere",
    );
    let has_password = store.master_password.as_ref().is_some_and(|password| !password.0.is_empty());
    let has_name = store.login == Login::Login || !store.master_user.is_empty();
    check.holds("store.imap", has_password, "there is no password to log in with", "give store.master-password");
    check.holds("store.imap", has_name, "there is nobody to log in as", "give store.master-user");
}

fn is_user_format(text: &str) -> bool {
    let printable = text.len() <= 200 && text.bytes().all(|b| (b' '..0x7f).contains(&b));
    printable && (text.contains("{user}") || text.contains("{address}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_read_with_the_ports_of_their_kind() {
        let read = |text: &str| text.parse::<ImapServer>().unwrap();
        let of = |security, host: &str, port| ImapServer { security, host: host.to_owned(), port };
        assert_eq!(read("imaps://store.ims.test"), of(Security::Tls, "store.ims.test", 993));
        assert_eq!(read("IMAP://store.ims.test:1143/"), of(Security::StartTls, "store.ims.test", 1143));
        assert_eq!(read("imap+plain://[::1]"), of(Security::Plain, "::1", 143));
        assert_eq!(read("imap+plain://[::1]:1143").to_string(), "imap+plain://[::1]:1143");
        assert!(read("imap+plain://[::1]").is_here() && read("imap+plain://LocalHost").is_here());
        assert!(!read("imap+plain://192.0.2.1").is_here());
        for bad in
            ["store.ims.test", "http://x", "imaps://", "imaps://x:0", "imaps://x:y", "imaps://[::1", "imaps://a b"]
        {
            assert!(bad.parse::<ImapServer>().is_err(), "{bad}");
        }
    }
}
