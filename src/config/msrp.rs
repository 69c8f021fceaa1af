//! `[msrp]`: the sockets, certificate and limits of large messages (RFC 4975).

use super::validate::Check;
use serde::Deserialize;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

const KIB: u64 = 1 << 10;
const GIB: u64 = 1 << 30;

/// `[msrp]`: where large messages come in and go out, and how many at once.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Msrp {
    /// `msrp:HOST:PORT` or `msrps:HOST:PORT` (TLS), any number; without any there are no large messages.
    pub listen: Vec<MsrpListen>,
    /// What peers are told to connect to; without it the listening address.
    pub host: Option<String>,
    /// PEM file with our certificate and those between it and its authority; for `msrps`.
    pub tls_certificate: Option<PathBuf>,
    /// PEM file with the private key that belongs to it.
    pub tls_key: Option<PathBuf>,
    /// Ask clients for TLS when a message is delivered; what senders ask for is their choice. [`Msrp::offers_tls`] says what
    /// stands in.
    pub offer_tls: Option<bool>,
    /// Say the size of a message in the offer (SNDL-7d); a few clients take `file-selector` for a file (I-11).
    pub file_selector: bool,
    /// Threads that move octets; 0 means one per core.
    pub threads: usize,
    /// Longest message, octets; more is answered 413.
    pub message_bytes_max: u64,
    /// Longest chunk we send, octets; a longer message goes in several.
    pub chunk_bytes_max: usize,
    /// Most sessions at once, both ways together; beyond it no large message is taken, and deliveries wait.
    pub sessions_max: usize,
    /// Most large messages being received for one user at once; beyond it 480 with Retry-After.
    pub receptions_per_user_max: usize,
    /// Most large messages being delivered at once; beyond it deliveries wait.
    pub transmissions_max: usize,
    /// Most connections; beyond it new ones are closed at once.
    pub connections_max: usize,
    /// A session is given up if the peer has not connected and bound within this time, seconds.
    pub bind_secs: u64,
    /// A chunk must be answered within this time after its last octet, or after an answer to another, seconds.
    pub response_secs: u64,
    /// A transfer without any progress for so long is given up, seconds.
    pub idle_secs: u64,
}

/// One listening socket, written `msrp:HOST:PORT` or `msrps:HOST:PORT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct MsrpListen {
    /// TLS from the first octet: `msrps`.
    pub secure: bool,
    pub address: SocketAddr,
}

/// Why a text is no listening socket for MSRP.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no MSRP socket: write msrp:HOST:PORT or msrps:HOST:PORT (TLS), with an IP address for HOST")]
pub struct MsrpListenError(String);

impl Default for Msrp {
    fn default() -> Self {
        Self {
            listen: vec![MsrpListen { secure: false, address: SocketAddr::from(([127, 0, 0, 1], 2855)) }],
            host: None,
            tls_certificate: None,
            tls_key: None,
            offer_tls: None,
            file_selector: true,
            threads: 0,
            message_bytes_max: 10 << 20,
            chunk_bytes_max: 64 << 10,
            sessions_max: 8192,
            receptions_per_user_max: 16,
            transmissions_max: 4096,
            connections_max: 8192,
            bind_secs: 10,
            response_secs: 30,
            idle_secs: 30,
        }
    }
}

impl Msrp {
    /// Whether clients are asked for TLS: `msrp.offer-tls`, else only if there is no socket without it.
    #[must_use]
    pub fn offers_tls(&self) -> bool {
        self.offer_tls.unwrap_or_else(|| self.listen.iter().all(|listen| listen.secure))
    }
}

impl std::str::FromStr for MsrpListen {
    type Err = MsrpListenError;

    fn from_str(text: &str) -> Result<Self, MsrpListenError> {
        let wrong = || MsrpListenError(text.to_owned());
        let (scheme, address) = text.split_once(':').ok_or_else(wrong)?;
        let secure = match scheme {
            "msrp" => false,
            "msrps" => true,
            _ => return Err(wrong()),
        };
        Ok(Self { secure, address: address.parse().map_err(|_| wrong())? })
    }
}

impl TryFrom<String> for MsrpListen {
    type Error = MsrpListenError;

    fn try_from(text: String) -> Result<Self, MsrpListenError> {
        text.parse()
    }
}

impl fmt::Display for MsrpListen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "msrps" } else { "msrp" };
        write!(f, "{scheme}:{}", self.address)
    }
}

/// The ranges, and what a socket needs beside its address.
pub(super) fn validate(check: &mut Check<'_>, msrp: &Msrp) {
    let fixed: Vec<_> = msrp.listen.iter().filter(|listen| listen.address.port() != 0).copied().collect();
    check.no_twins("msrp.listen", &fixed);
    if let Some(host) = &msrp.host {
        check.text("msrp.host", host, super::validate::is_host, "a host name or an IP address (IPv6 in brackets)");
    }
    check.range("msrp.threads", msrp.threads, 0, 1024, "threads (0: one per core)");
    check.range("msrp.message-bytes-max", msrp.message_bytes_max, 1, 4 * GIB, "octets");
    check.range("msrp.chunk-bytes-max", msrp.chunk_bytes_max, 2 * KIB, GIB, "octets");
    check.range("msrp.sessions-max", msrp.sessions_max, 1, 1_000_000, "sessions");
    check.range("msrp.receptions-per-user-max", msrp.receptions_per_user_max, 1, 10_000, "messages");
    check.range("msrp.transmissions-max", msrp.transmissions_max, 1, 1_000_000, "messages");
    check.range("msrp.connections-max", msrp.connections_max, 1, 1_000_000, "connections");
    check.range("msrp.bind-secs", msrp.bind_secs, 1, 600, "seconds");
    check.range("msrp.response-secs", msrp.response_secs, 1, 600, "seconds");
    check.range("msrp.idle-secs", msrp.idle_secs, 1, 3600, "seconds");
    for (key, file) in [("msrp.tls-certificate", &msrp.tls_certificate), ("msrp.tls-key", &msrp.tls_key)] {
        let named = file.as_ref().is_none_or(|file| !file.as_os_str().is_empty());
        check.holds(key, named, "no file is named", "name a PEM file, or remove the key");
    }
    together(check, msrp);
}

fn together(check: &mut Check<'_>, msrp: &Msrp) {
    let offered = msrp.listen.is_empty() || msrp.listen.iter().any(|listen| listen.secure == msrp.offers_tls());
    check.holds(
        "msrp.offer-tls",
        offered,
        "there is no socket of the kind that is offered to clients",
        "add one to msrp.listen (msrps: for offer-tls = true, msrp: for false), or change this key",
    );
    let (certificate, key) = (msrp.tls_certificate.is_some(), msrp.tls_key.is_some());
    check.holds(
        "msrp.listen",
        certificate && key || !msrp.listen.iter().any(|listen| listen.secure),
        "an msrps socket has no certificate to show",
        "give msrp.tls-certificate and msrp.tls-key, or listen on msrp: only",
    );
    check.holds(
        "msrp.tls-certificate",
        !certificate || key,
        "a certificate is of no use without its key",
        "give msrp.tls-key",
    );
    check.holds("msrp.tls-key", !key || certificate, "a key is of no use without its certificate", {
        "give msrp.tls-certificate"
    });
    check.holds(
        "msrp.host",
        msrp.host.is_some() || !msrp.listen.iter().any(|listen| listen.address.ip().is_unspecified()),
        "peers cannot be told to connect to 0.0.0.0 or [::]",
        "give msrp.host, or listen on the address that peers can reach",
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_read_as_they_are_written() {
        let listen = |text: &str| text.parse::<MsrpListen>();
        assert_eq!(listen("msrp:127.0.0.1:2855").unwrap(), Msrp::default().listen[0]);
        assert!(listen("msrps:[::1]:0").unwrap().secure);
        assert_eq!(listen("msrps:[::1]:2856").unwrap().to_string(), "msrps:[::1]:2856");
        for bad in ["127.0.0.1:2855", "tcp:127.0.0.1:2855", "msrp:localhost:2855", "msrp:127.0.0.1", "msrp"] {
            assert!(listen(bad).unwrap_err().to_string().contains("write msrp:HOST:PORT"), "{bad}");
        }
    }
}
