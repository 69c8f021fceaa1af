//! Tolerant URIs: `sip:`, `sips:`, `tel:`, `urn:` and whatever else stands in a header, read without losing a character.

use super::param;
use crate::types::{Address, AddressError};
use std::fmt;

/// The scheme of a URI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scheme {
    Sip,
    Sips,
    Tel,
    Urn,
    /// Any other, as written.
    Other(String),
}

impl Scheme {
    fn of(text: &str) -> Self {
        match text {
            _ if text.eq_ignore_ascii_case("sip") => Self::Sip,
            _ if text.eq_ignore_ascii_case("sips") => Self::Sips,
            _ if text.eq_ignore_ascii_case("tel") => Self::Tel,
            _ if text.eq_ignore_ascii_case("urn") => Self::Urn,
            _ => Self::Other(text.to_owned()),
        }
    }

    /// The scheme as printed, without the colon.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Sip => "sip",
            Self::Sips => "sips",
            Self::Tel => "tel",
            Self::Urn => "urn",
            Self::Other(text) => text,
        }
    }
}

/// A URI. Percent escapes stay as written in every part. Of a `tel:` URI the number is `user`; of `urn:` and unknown
/// schemes everything behind the colon is `user`; both have no host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uri {
    pub scheme: Scheme,
    /// May hold its own `;parameters`, as in `sip:user;par=x@host`.
    pub user: Option<String>,
    pub password: Option<String>,
    /// As written; an IPv6 address keeps its brackets.
    pub host: String,
    pub port: Option<u16>,
    pub params: Vec<(String, Option<String>)>,
    /// What stands behind `?`.
    pub headers: Option<String>,
}

/// Why a text is no URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UriError {
    #[error("a URI must begin with a scheme and a colon, as in sip:user@host")]
    Scheme,
    #[error("a URI must not contain spaces, angle brackets, quotes or control characters")]
    Character,
    #[error("the host of the URI is missing or malformed")]
    Host,
    #[error("the port of the URI is not a number from 0 to 65535")]
    Port,
    #[error("a parameter of the URI has no name")]
    Param,
}

impl Uri {
    /// `sip:host`, the beginning of one made by hand.
    #[must_use]
    pub fn sip(user: Option<&str>, host: &str, port: Option<u16>) -> Self {
        Self {
            scheme: Scheme::Sip,
            user: user.map(str::to_owned),
            password: None,
            host: host.to_owned(),
            port,
            params: Vec::new(),
            headers: None,
        }
    }

    /// Reads a URI.
    ///
    /// # Errors
    /// [`UriError`] if the text is none.
    pub fn parse(text: &str) -> Result<Self, UriError> {
        if text.bytes().any(|b| b <= b' ' || b == 0x7f || matches!(b, b'<' | b'>' | b'"')) {
            return Err(UriError::Character);
        }
        let (scheme, rest) = text.split_once(':').ok_or(UriError::Scheme)?;
        let scheme_fits = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
        if !scheme_fits || rest.is_empty() {
            return Err(UriError::Scheme);
        }
        match Scheme::of(scheme) {
            scheme @ (Scheme::Sip | Scheme::Sips) => Self::parse_sip(scheme, rest),
            Scheme::Tel => {
                let (number, params) = rest.split_at(rest.find(';').unwrap_or(rest.len()));
                let user = (!number.is_empty()).then(|| number.to_owned()).ok_or(UriError::Host)?;
                Ok(Self { user: Some(user), params: read_params(params)?, ..Self::empty(Scheme::Tel) })
            }
            scheme => Ok(Self { user: Some(rest.to_owned()), ..Self::empty(scheme) }),
        }
    }

    const fn empty(scheme: Scheme) -> Self {
        Self { scheme, user: None, password: None, host: String::new(), port: None, params: Vec::new(), headers: None }
    }

    fn parse_sip(scheme: Scheme, rest: &str) -> Result<Self, UriError> {
        // The user part may hold ; and ? (RFC 3261 section 25.1), so the @ comes first.
        let (userinfo, rest) = match rest.split_once('@') {
            Some((userinfo, rest)) => (Some(userinfo), rest),
            None => (None, rest),
        };
        let (user, password) =
            match userinfo.map(|info| info.split_once(':').map_or((info, None), |(u, p)| (u, Some(p)))) {
                Some(("", _)) => return Err(UriError::Host),
                Some((user, password)) => (Some(user.to_owned()), password.map(str::to_owned)),
                None => (None, None),
            };
        let (rest, headers) = match rest.split_once('?') {
            Some((rest, headers)) => (rest, Some(headers.to_owned())),
            None => (rest, None),
        };
        let (host_port, params) = rest.split_at(rest.find(';').unwrap_or(rest.len()));
        let (host, port) = split_host_port(host_port)?;
        Ok(Self { scheme, user, password, host: host.to_owned(), port, params: read_params(params)?, headers })
    }

    /// The value of a parameter; empty for one that has none, like `lr`. Names ignore case.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&str> {
        let (_, value) = self.params.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        Some(value.as_deref().unwrap_or(""))
    }

    /// The same URI with one parameter set.
    #[must_use]
    pub fn with_param(mut self, name: &str, value: Option<&str>) -> Self {
        param::set(&mut self.params, name, value);
        self
    }

    /// The `gr` parameter of a GRUU (RFC 5627); empty for a temporary one.
    #[must_use]
    pub fn gr(&self) -> Option<&str> {
        self.param("gr")
    }

    /// The CPM Address this URI names.
    ///
    /// # Errors
    /// [`AddressError`] if it names no user.
    pub fn address(&self) -> Result<Address, AddressError> {
        Address::parse(&self.to_string())
    }
}

fn read_params(text: &str) -> Result<Vec<(String, Option<String>)>, UriError> {
    let mut params = Vec::new();
    // A trailing or doubled semicolon is a common slip and changes nothing.
    for part in text.split(';').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').map_or((part, None), |(name, value)| (name, Some(value)));
        if name.is_empty() {
            return Err(UriError::Param);
        }
        params.push((name.to_owned(), value.map(str::to_owned)));
    }
    Ok(params)
}

/// Splits `host`, `host:port`, `[IPv6]` or `[IPv6]:port`; the brackets stay with the host.
pub(super) fn split_host_port(text: &str) -> Result<(&str, Option<u16>), UriError> {
    let (host, port) = if text.starts_with('[') {
        let end = text.find(']').ok_or(UriError::Host)? + 1;
        let (host, rest) = text.split_at(end);
        if host.get(1..end - 1).is_none_or(|inner| inner.parse::<std::net::Ipv6Addr>().is_err()) {
            return Err(UriError::Host);
        }
        match rest.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if rest.is_empty() => (host, None),
            None => return Err(UriError::Host),
        }
    } else {
        text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)))
    };
    let fits = host.starts_with('[')
        || host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_') || !b.is_ascii());
    if host.is_empty() || !fits {
        return Err(UriError::Host);
    }
    Ok((host, port.map(read_port).transpose()?))
}

fn read_port(text: &str) -> Result<u16, UriError> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(UriError::Port);
    }
    text.parse().map_err(|_| UriError::Port)
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.scheme.as_str())?;
        if let Some(user) = &self.user {
            f.write_str(user)?;
            if let Some(password) = &self.password {
                write!(f, ":{password}")?;
            }
            if matches!(self.scheme, Scheme::Sip | Scheme::Sips) {
                f.write_str("@")?;
            }
        }
        f.write_str(&self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        param::write(f, &self.params)?;
        self.headers.as_ref().map_or(Ok(()), |headers| write!(f, "?{headers}"))
    }
}

impl std::str::FromStr for Uri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

#[cfg(test)]
#[path = "uri_tests.rs"]
mod tests;
