//! MSRP URIs and the paths made of them (RFC 4975 sections 6 and 9).

use std::fmt;
use std::ops::Range;
use thiserror::Error;

/// Longest URI that is read, octets.
pub const URI_BYTES_MAX: usize = 1024;

/// Most URIs of one path: relays and the two ends.
pub const PATH_MAX: usize = 8;

/// The port of `msrp:` and `msrps:` when a URI names none (RFC 4975 section 15.4).
const DEFAULT_PORT: u16 = 2855;

/// Why a text is no MSRP URI, or no path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum UriError {
    #[error("it does not begin with msrp:// or msrps://")]
    Scheme,
    #[error("its host is empty or holds what no host may hold")]
    Host,
    #[error("its port is no number from 1 to 65535")]
    Port,
    #[error("its session-id is empty or holds what no session-id may hold")]
    SessionId,
    #[error("it names no transport: `;tcp` is missing")]
    Transport,
    #[error("it has a parameter that breaks the grammar")]
    Parameter,
    #[error("it is longer than {URI_BYTES_MAX} octets")]
    TooLong,
    #[error("the path is empty")]
    Empty,
    #[error("the path has more than {PATH_MAX} URIs")]
    TooMany,
}

/// An MSRP URI, `msrp://host:port/session-id;tcp`. It is kept as it was written, because a peer looks for its own words.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct MsrpUri {
    text: Box<str>,
    secure: bool,
    host: Range<u16>,
    port: Option<u16>,
    session_id: Option<Range<u16>>,
    transport: Range<u16>,
}

impl MsrpUri {
    /// A URI of ours over TCP; an IPv6 address needs no brackets.
    ///
    /// # Errors
    /// [`UriError`] if host or session-id break the grammar.
    pub fn new(secure: bool, host: &str, port: u16, session_id: &str) -> Result<Self, UriError> {
        let scheme = if secure { "msrps" } else { "msrp" };
        if host.contains(':') && !host.starts_with('[') {
            return Self::parse(&format!("{scheme}://[{host}]:{port}/{session_id};tcp"));
        }
        Self::parse(&format!("{scheme}://{host}:{port}/{session_id};tcp"))
    }

    /// Reads a URI.
    ///
    /// # Errors
    /// [`UriError`] for anything outside the grammar, or longer than [`URI_BYTES_MAX`].
    pub fn parse(text: &str) -> Result<Self, UriError> {
        if text.len() > URI_BYTES_MAX {
            return Err(UriError::TooLong);
        }
        let (scheme, rest) = text.split_once("://").ok_or(UriError::Scheme)?;
        let secure = match scheme {
            _ if scheme.eq_ignore_ascii_case("msrp") => false,
            _ if scheme.eq_ignore_ascii_case("msrps") => true,
            _ => return Err(UriError::Scheme),
        };
        let (resource, params) = rest.split_once(';').ok_or(UriError::Transport)?;
        let (authority, session_id) = match resource.split_once('/') {
            Some((authority, session_id)) => (authority, Some(session_id)),
            None => (resource, None),
        };
        // User information has no meaning for an end point, and is no part of the comparison (section 6.1).
        let (user, place) = authority.rsplit_once('@').map_or(("", authority), |(user, place)| (user, place));
        let (host, port) = read_place(place)?;
        if !user.bytes().all(is_user) {
            return Err(UriError::Host);
        }
        if session_id.is_some_and(|id| id.is_empty() || !id.bytes().all(is_session)) {
            return Err(UriError::SessionId);
        }
        let mut params = params.split(';');
        let transport = params.next().unwrap_or_default();
        if transport.is_empty() || !transport.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(UriError::Transport);
        }
        if !params.all(|param| !param.is_empty() && param.bytes().all(is_param)) {
            return Err(UriError::Parameter);
        }
        let place_of = |part: &str| span(text, part);
        Ok(Self {
            secure,
            host: place_of(host),
            port,
            session_id: session_id.map(place_of),
            transport: place_of(transport),
            text: text.into(),
        })
    }

    /// The URI as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// `msrps:`, that is over TLS.
    pub const fn is_secure(&self) -> bool {
        self.secure
    }

    /// Host name or address; an IPv6 address without its brackets.
    pub fn host(&self) -> &str {
        self.part(&self.host)
    }

    /// The port, 2855 if the URI names none.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(DEFAULT_PORT)
    }

    /// What names the session at that end; a relay's own URI may have none.
    pub fn session_id(&self) -> Option<&str> {
        self.session_id.as_ref().map(|range| self.part(range))
    }

    /// The transport, `tcp` everywhere today.
    pub fn transport(&self) -> &str {
        self.part(&self.transport)
    }

    /// Whether both name the same resource (RFC 4975 section 6.1): scheme, host and transport in any case, the port as it is
    /// written (a default is not filled in), the session-id letter by letter; parameters and user information do not count.
    pub fn is_same(&self, other: &Self) -> bool {
        self.secure == other.secure
            && self.host().eq_ignore_ascii_case(other.host())
            && self.port == other.port
            && self.session_id() == other.session_id()
            && self.transport().eq_ignore_ascii_case(other.transport())
    }

    fn part(&self, range: &Range<u16>) -> &str {
        self.text.get(usize::from(range.start)..usize::from(range.end)).unwrap_or_default()
    }
}

impl fmt::Display for MsrpUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A session-id opens a session and an address is somebody's, so neither is shown.
impl fmt::Debug for MsrpUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.secure { "MsrpUri(msrps)" } else { "MsrpUri(msrp)" })
    }
}

impl std::str::FromStr for MsrpUri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        Self::parse(text)
    }
}

/// The way to an end: the next hop first, the end itself last. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path(Vec<MsrpUri>);

impl Path {
    /// Reads the value of `To-Path`, `From-Path` or `a=path`.
    ///
    /// # Errors
    /// [`UriError`] for the first URI that cannot be read, for none and for more than [`PATH_MAX`].
    pub fn parse(text: &str) -> Result<Self, UriError> {
        Self::of(text.split([' ', '\t']).filter(|uri| !uri.is_empty()))
    }

    /// A path of these URIs, in this order.
    ///
    /// # Errors
    /// As [`Path::parse`].
    pub fn of<'a>(uris: impl IntoIterator<Item = &'a str>) -> Result<Self, UriError> {
        let mut path = Vec::with_capacity(1);
        for uri in uris {
            if path.len() == PATH_MAX {
                return Err(UriError::TooMany);
            }
            path.push(MsrpUri::parse(uri)?);
        }
        if path.is_empty() { Err(UriError::Empty) } else { Ok(Self(path)) }
    }

    /// The next hop: where a connection goes to.
    pub fn first(&self) -> Option<&MsrpUri> {
        self.0.first()
    }

    /// The end itself.
    pub fn last(&self) -> Option<&MsrpUri> {
        self.0.last()
    }

    /// All of it, next hop first.
    pub fn uris(&self) -> &[MsrpUri] {
        &self.0
    }
}

impl From<MsrpUri> for Path {
    fn from(uri: MsrpUri) -> Self {
        Self(vec![uri])
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, uri) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str(" ")?;
            }
            f.write_str(uri.as_str())?;
        }
        Ok(())
    }
}

/// Host (without brackets) and port of an authority.
fn read_place(place: &str) -> Result<(&str, Option<u16>), UriError> {
    let (host, port) = if let Some(rest) = place.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or(UriError::Host)?;
        if host.parse::<std::net::Ipv6Addr>().is_err() {
            return Err(UriError::Host);
        }
        match rest.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if rest.is_empty() => (host, None),
            None => return Err(UriError::Host),
        }
    } else {
        let (host, port) = place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port)));
        if host.is_empty() || !host.bytes().all(is_host) {
            return Err(UriError::Host);
        }
        (host, port)
    };
    let port = port.map(|port| read_port(port).ok_or(UriError::Port)).transpose()?;
    Ok((host, port))
}

fn read_port(text: &str) -> Option<u16> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|port| digits && *port > 0)
}

/// Where `part`, a slice of `text`, lies in it. Both are shorter than [`URI_BYTES_MAX`].
fn span(text: &str, part: &str) -> Range<u16> {
    let start = (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
    let place = |at: usize| u16::try_from(at).unwrap_or(u16::MAX);
    place(start)..place(start.saturating_add(part.len()))
}

const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// RFC 3986 section 3.2.2, without the sub-delimiters that no host name of ours has.
const fn is_host(byte: u8) -> bool {
    is_unreserved(byte) || byte == b'%'
}

const fn is_user(byte: u8) -> bool {
    is_unreserved(byte)
        || matches!(byte, b'%' | b':' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b'=')
}

const fn is_session(byte: u8) -> bool {
    is_unreserved(byte) || matches!(byte, b'+' | b'=' | b'/')
}

/// A parameter is a token, and perhaps `=` and a token (RFC 4975 section 9).
const fn is_param(byte: u8) -> bool {
    is_unreserved(byte)
        || matches!(byte, b'!' | b'%' | b'*' | b'+' | b'`' | b'\'' | b'=' | b'#' | b'$' | b'&' | b'^' | b'|')
}

#[cfg(test)]
#[path = "uri_tests.rs"]
mod tests;
