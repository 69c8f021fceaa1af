//! The MSRP medium of a session description (RFC 4975 section 8, RFC 6135, RFC 6714, RFC 5547, RFC 8122), read liberally.

use sdp_types::{Attribute, Connection, Media as Medium, Session};
use std::fmt;
use std::net::IpAddr;

/// Most URIs of an `a=path`; a longer path counts as none.
pub const PATH_MAX: usize = 8;

/// What a peer says of the MSRP session it offers or answers.
#[derive(Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is an attribute of its own that is there or not")]
pub struct Media {
    /// `TCP/TLS/MSRP`.
    pub secure: bool,
    /// The URIs of `a=path` in their order: of relays, and last of the peer itself.
    pub path: Vec<String>,
    /// `a=setup`: which side opens the connection.
    pub setup: Option<Setup>,
    /// `sendrecv` if nothing is said.
    pub direction: Direction,
    /// Whether `a=accept-types` has room for `message/cpim`, or is missing.
    pub accepts_cpim: bool,
    /// The largest message that the peer takes, octets (`a=max-size`, `a=maxsize`).
    pub max_size: Option<u64>,
    /// The size announced in `a=file-selector`, octets.
    pub size: Option<u64>,
    /// Whether it is a file rather than a message (`a=file-transfer-id`).
    pub is_file: bool,
    /// `a=fingerprint` as written; the SHA-256 one if there are several.
    pub fingerprint: Option<String>,
    /// `a=msrp-cema`.
    pub cema: bool,
    /// Of the `c=` line, if that is no host name.
    pub address: Option<IpAddr>,
    /// Of the `m=` line; 0 if the medium is refused.
    pub port: u16,
}

/// Values of `a=setup` (RFC 4145 section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setup {
    Active,
    Passive,
    ActPass,
    HoldConn,
}

/// Which way messages may go, seen from the one who says it (RFC 3264 section 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    SendRecv,
    SendOnly,
    RecvOnly,
    Inactive,
}

/// Addresses of a user's device are personal data.
impl fmt::Debug for Media {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Media");
        shown.field("secure", &self.secure).field("setup", &self.setup).field("direction", &self.direction);
        shown.field("size", &self.size).field("max_size", &self.max_size).finish_non_exhaustive()
    }
}

impl Direction {
    /// Whether whoever says it may send.
    #[must_use]
    pub const fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// Whether whoever says it may receive.
    #[must_use]
    pub const fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    fn of(name: &str) -> Option<Self> {
        let known = [
            ("sendrecv", Self::SendRecv),
            ("sendonly", Self::SendOnly),
            ("recvonly", Self::RecvOnly),
            ("inactive", Self::Inactive),
        ];
        known.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, direction)| direction)
    }
}

impl Setup {
    /// The value on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Passive => "passive",
            Self::ActPass => "actpass",
            Self::HoldConn => "holdconn",
        }
    }

    fn of(value: &str) -> Option<Self> {
        let known = [Self::Active, Self::Passive, Self::ActPass, Self::HoldConn];
        known.into_iter().find(|setup| setup.as_str().eq_ignore_ascii_case(value))
    }
}

/// Where the MSRP medium stands: the first that is not refused, else the first.
pub(super) fn place(session: &Session) -> Option<usize> {
    let places = || session.medias.iter().enumerate().filter(|(_, medium)| is_message(medium));
    let place = places().find(|(_, medium)| medium.port != 0).or_else(|| places().next());
    place.map(|(place, _)| place)
}

fn is_message(medium: &Medium) -> bool {
    medium.media.eq_ignore_ascii_case("message") && (is_secure(medium) || medium.proto.eq_ignore_ascii_case("TCP/MSRP"))
}

fn is_secure(medium: &Medium) -> bool {
    medium.proto.eq_ignore_ascii_case("TCP/TLS/MSRP")
}

/// The medium as it is described on its own level and on that of the session.
pub(super) fn read(session: &Session, medium: &Medium) -> Media {
    let said = Said { medium: &medium.attributes, session: &session.attributes };
    let selector = said.value("file-selector");
    Media {
        secure: is_secure(medium),
        path: said.own("path").map(path).unwrap_or_default(),
        setup: said.value("setup").and_then(Setup::of),
        direction: said.direction(),
        accepts_cpim: said.own("accept-types").is_none_or(has_cpim),
        max_size: said.value("max-size").or_else(|| said.value("maxsize")).and_then(number),
        size: selector.and_then(announced),
        is_file: said.own("file-transfer-id").is_some(),
        fingerprint: said.fingerprint(),
        cema: said.flag("msrp-cema"),
        address: medium.connections.first().or(session.connection.as_ref()).and_then(address),
        port: medium.port,
    }
}

/// The attributes of a medium, and those that hold for all media unless a medium says otherwise. Blanks around names and
/// values are no part of them, though some write them (I-12).
struct Said<'a> {
    medium: &'a [Attribute],
    session: &'a [Attribute],
}

impl<'a> Said<'a> {
    /// What the medium itself says.
    fn own(&self, name: &str) -> Option<&'a str> {
        values(self.medium, name).next()
    }

    fn value(&self, name: &str) -> Option<&'a str> {
        self.own(name).or_else(|| values(self.session, name).next())
    }

    fn flag(&self, name: &str) -> bool {
        let mut all = self.medium.iter().chain(self.session);
        all.any(|attribute| attribute.attribute.trim().eq_ignore_ascii_case(name))
    }

    fn direction(&self) -> Direction {
        let mut all = self.medium.iter().chain(self.session);
        all.find_map(|attribute| Direction::of(attribute.attribute.trim())).unwrap_or(Direction::SendRecv)
    }

    /// RFC 8122 section 5: those of the medium replace those of the session.
    fn fingerprint(&self) -> Option<String> {
        let of = |attributes| {
            let all = || values(attributes, "fingerprint");
            let is_sha_256 =
                |value: &&str| value.get(..8).is_some_and(|function| function.eq_ignore_ascii_case("sha-256 "));
            all().find(is_sha_256).or_else(|| all().next())
        };
        of(self.medium).or_else(|| of(self.session)).map(str::to_owned)
    }
}

fn values<'a>(attributes: &'a [Attribute], name: &str) -> impl Iterator<Item = &'a str> {
    let named = attributes.iter().filter(move |attribute| attribute.attribute.trim().eq_ignore_ascii_case(name));
    named.map(|attribute| attribute.value.as_deref().unwrap_or_default().trim())
}

/// The URIs, separated by blanks (RFC 4975 section 8.1).
fn path(value: &str) -> Vec<String> {
    let uris: Vec<&str> = value.split_ascii_whitespace().take(PATH_MAX + 1).collect();
    if uris.len() > PATH_MAX { Vec::new() } else { uris.into_iter().map(str::to_owned).collect() }
}

/// RFC 4975 section 8.6: types, `message/*`, or `*`; each perhaps with parameters.
fn has_cpim(value: &str) -> bool {
    let entries = value.split_ascii_whitespace().filter_map(|entry| entry.split(';').next());
    let room = ["message/cpim", "message/*", "*"];
    entries.into_iter().any(|entry| room.iter().any(|known| known.eq_ignore_ascii_case(entry)))
}

/// The `size` among the selectors of RFC 5547 section 6. A name in quotes may hold anything but a quote, which is escaped.
fn announced(value: &str) -> Option<u64> {
    let mut quoted = false;
    let mut selectors = value.split(|c: char| {
        quoted ^= c == '"';
        !quoted && c.is_ascii_whitespace()
    });
    selectors.find_map(|selector| {
        let (name, value) = selector.split_once(':')?;
        name.eq_ignore_ascii_case("size").then(|| number(value)).flatten()
    })
}

/// Digits; the largest number if they do not fit.
fn number(text: &str) -> Option<u64> {
    let text = text.trim();
    let is_number = !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}

fn address(connection: &Connection) -> Option<IpAddr> {
    connection.connection_address.split('/').next()?.trim().parse().ok()
}
