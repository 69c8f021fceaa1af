//! The Via header: where a response goes back to, and what a server notes on it (RFC 3261 section 18.2, RFC 3581).

use super::message::{Header, Headers};
use super::nameaddr::elements;
use super::param::{self, Params, trim, unquoted};
use super::uri::split_host_port;
use std::fmt::{self, Write as _};
use std::net::{IpAddr, SocketAddr};

/// One Via entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Via {
    /// `UDP`, `TCP`, `TLS` …, as written.
    pub transport: String,
    /// As written; an IPv6 address keeps its brackets.
    pub host: String,
    pub port: Option<u16>,
    pub branch: Option<String>,
    /// The address the request came from, noted by the server.
    pub received: Option<String>,
    /// `Some(None)`: asked for; `Some(Some(port))`: noted by the server.
    pub rport: Option<Option<u16>>,
    /// All other parameters, in order, values as written.
    pub params: Vec<(String, Option<String>)>,
}

/// Why a text is no Via.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ViaError {
    #[error("a Via must begin with SIP/2.0/ and a transport")]
    Protocol,
    #[error("the sent-by host or port of the Via is missing or malformed")]
    SentBy,
    #[error("the parameters of the Via break the grammar")]
    Params,
}

/// The pieces of one entry, borrowed.
struct Pieces<'a> {
    transport: &'a str,
    host: &'a str,
    port: Option<u16>,
    /// From the first `;` on.
    params: &'a str,
}

impl Via {
    /// A Via of our own.
    #[must_use]
    pub fn new(transport: &str, host: &str, port: Option<u16>, branch: &str) -> Self {
        Self {
            transport: transport.to_owned(),
            host: host.to_owned(),
            port,
            branch: Some(branch.to_owned()),
            ..Self::default()
        }
    }

    /// Reads one entry (no comma outside quotes).
    ///
    /// # Errors
    /// [`ViaError`] if it breaks the grammar.
    pub fn parse(text: &str) -> Result<Self, ViaError> {
        let pieces = pieces(text)?;
        let mut via = Self {
            transport: pieces.transport.to_owned(),
            host: pieces.host.to_owned(),
            port: pieces.port,
            ..Self::default()
        };
        for item in Params::new(pieces.params) {
            let (name, value) = item.map_err(|_| ViaError::Params)?;
            if name.eq_ignore_ascii_case("branch") && via.branch.is_none() {
                via.branch = Some(value.unwrap_or_default().to_owned());
            } else if name.eq_ignore_ascii_case("received") && via.received.is_none() {
                via.received = Some(unquoted(value.unwrap_or_default()).into_owned());
            } else if name.eq_ignore_ascii_case("rport") && via.rport.is_none() {
                via.rport = Some(match value.filter(|value| !value.is_empty()) {
                    Some(value) => Some(value.parse().map_err(|_| ViaError::Params)?),
                    None => None,
                });
            } else {
                via.params.push((name.to_owned(), value.map(str::to_owned)));
            }
        }
        Ok(via)
    }

    /// The topmost Via of a message, if it can be read.
    #[must_use]
    pub fn top(headers: &Headers) -> Option<Self> {
        let line = headers.get("Via")?;
        Self::parse(elements(line).next()?).ok()
    }

    /// Every Via, topmost first; entries that cannot be read are left out.
    #[must_use]
    pub fn list(headers: &Headers) -> Vec<Self> {
        headers.all("Via").flat_map(elements).filter_map(|text| Self::parse(text).ok()).collect()
    }

    /// The value of any other parameter; empty for one that has none.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&str> {
        let (_, value) = self.params.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        Some(value.as_deref().unwrap_or(""))
    }

    /// Whether every entry of a Via line can be read; allocates nothing, for the reader.
    pub(super) fn check(line: &str) -> Result<(), ViaError> {
        elements(line).try_for_each(Self::check_one)
    }

    /// Whether the first entry of a Via line can be read.
    pub(super) fn check_first(line: &str) -> Result<(), ViaError> {
        elements(line).next().map_or(Err(ViaError::Protocol), Self::check_one)
    }

    fn check_one(text: &str) -> Result<(), ViaError> {
        for item in Params::new(pieces(text)?.params) {
            let (name, value) = item.map_err(|_| ViaError::Params)?;
            if name.eq_ignore_ascii_case("rport") && value.is_some_and(|v| !v.is_empty() && v.parse::<u16>().is_err()) {
                return Err(ViaError::Params);
            }
        }
        Ok(())
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SIP/2.0/{} {}", self.transport, self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        if let Some(branch) = &self.branch {
            write!(f, ";branch={branch}")?;
        }
        if let Some(received) = &self.received {
            write!(f, ";received={received}")?;
        }
        match self.rport {
            Some(Some(port)) => write!(f, ";rport={port}")?,
            Some(None) => f.write_str(";rport")?,
            None => {}
        }
        param::write(f, &self.params)
    }
}

fn pieces(text: &str) -> Result<Pieces<'_>, ViaError> {
    let text = trim(text);
    let (head, params) = text.split_at(text.find(';').unwrap_or(text.len()));
    // White space is allowed around both slashes and the colon (RFC 3261 section 25.1).
    let (name, rest) = head.split_once('/').ok_or(ViaError::Protocol)?;
    let (version, rest) = rest.split_once('/').ok_or(ViaError::Protocol)?;
    if !trim(name).eq_ignore_ascii_case("SIP") || trim(version) != "2.0" {
        return Err(ViaError::Protocol);
    }
    let (transport, sent_by) = param::trim_start(rest).split_once([' ', '\t']).ok_or(ViaError::Protocol)?;
    if transport.is_empty() || !transport.bytes().all(is_token) {
        return Err(ViaError::Protocol);
    }
    let sent_by = trim(sent_by);
    if !sent_by.contains([' ', '\t']) {
        let (host, port) = split_host_port(sent_by).map_err(|_| ViaError::SentBy)?;
        return Ok(Pieces { transport, host, port, params });
    }
    // `host : port`: the colon of a port is the last one, behind any IPv6 address.
    let (host, port) = sent_by.rsplit_once(':').ok_or(ViaError::SentBy)?;
    let (host, none) = split_host_port(trim(host)).map_err(|_| ViaError::SentBy)?;
    let port = trim(port);
    if none.is_some() || !port.bytes().all(|b| b.is_ascii_digit()) {
        return Err(ViaError::SentBy);
    }
    Ok(Pieces { transport, host, port: Some(port.parse().map_err(|_| ViaError::SentBy)?), params })
}

/// A token character (RFC 3261 section 25.1).
pub(super) const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~')
}

/// Notes where a request really came from on its topmost Via: `received` where the sent-by host is not the peer's
/// address, and both `received` and the `rport` value where the client asked with `rport` (RFC 3261 section 18.2.1,
/// RFC 3581 section 4). A `received` that the client wrote itself is dropped. Other entries, also of the same line, keep
/// their octets. A Via that cannot be read is left alone.
pub fn stamp_received(headers: &mut Headers, peer: SocketAddr) {
    let Some(line) = headers.iter_mut().find(|header| header.name.eq_ignore_ascii_case("Via")) else { return };
    let Ok(text) = std::str::from_utf8(&line.value) else { return };
    let Some(first) = elements(text).next() else { return };
    if let Some(mut stamped) = stamped(first, peer) {
        stamped.push_str(text.get(first.len()..).unwrap_or_default());
        if stamped != text {
            line.value = stamped.into();
        }
    }
}

fn stamped(first: &str, peer: SocketAddr) -> Option<String> {
    let pieces = pieces(first).ok()?;
    let address = peer.ip().to_canonical();
    let mut out = first.get(..first.find(';').unwrap_or(first.len()))?.to_owned();
    let mut asked = false;
    for item in Params::new(pieces.params) {
        let (name, value) = item.ok()?;
        if name.eq_ignore_ascii_case("received") {
            continue;
        }
        out.push(';');
        out.push_str(name);
        if name.eq_ignore_ascii_case("rport") {
            asked = true;
            let _ = write!(out, "={}", peer.port());
        } else if let Some(value) = value {
            out.push('=');
            out.push_str(value);
        }
    }
    let sent_by: Option<IpAddr> = pieces.host.trim_matches(['[', ']']).parse().ok();
    if asked || sent_by != Some(address) {
        let _ = write!(out, ";received={address}");
    }
    Some(out)
}

/// Where a response goes when the connection of its request cannot be used: host (IPv6 without brackets) and port, in the
/// order `maddr`, `received` with `rport`, sent-by (RFC 3261 section 18.2.2, RFC 3581 section 4).
#[must_use]
pub fn response_target(via: &Via) -> (String, u16) {
    let default = if via.transport.to_ascii_uppercase().starts_with("TLS") { 5061 } else { 5060 };
    let sent_by = via.port.unwrap_or(default);
    let (host, port) = match (via.param("maddr").filter(|maddr| !maddr.is_empty()), &via.received) {
        (Some(maddr), _) => (maddr, sent_by),
        (None, Some(received)) => (received.as_str(), via.rport.flatten().unwrap_or(sent_by)),
        (None, None) => (via.host.as_str(), via.rport.flatten().unwrap_or(sent_by)),
    };
    (host.trim_matches(['[', ']']).to_owned(), port)
}

/// Takes the topmost Via off and hands it out; the rest of its line stays.
pub fn pop_top(headers: &mut Headers) -> Option<Via> {
    let line = headers.iter_mut().find(|header| header.name.eq_ignore_ascii_case("Via"))?;
    let text = std::str::from_utf8(&line.value).ok()?;
    let first = elements(text).next()?;
    let via = Via::parse(first).ok()?;
    let start = first.len() + 1;
    if start < line.value.len() {
        let rest = line.value.slice(start..);
        let blank = rest.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
        line.value = rest.slice(blank..);
    } else {
        let _gone: Option<Header> = headers.remove_first("Via");
    }
    Some(via)
}

#[cfg(test)]
#[path = "via_tests.rs"]
mod tests;
