//! The value of From, To, Contact, Route, Path and their kind: an optional display name, a URI, header parameters.

use super::message::Headers;
use super::param::{self, Params, quoted, quoted_end, trim, unquoted};
use std::borrow::Cow;
use std::fmt;

/// A `name-addr` or `addr-spec` with the parameters of its header (RFC 3261 section 20.10). `Display` always writes the
/// `name-addr` form, so that parameters can never slip into the URI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameAddr {
    /// The display name without quotes and escapes.
    pub display: Option<String>,
    /// The URI as received; [`super::Uri`] reads it. `*` for the Contact that removes all bindings.
    pub uri: String,
    /// Header parameters in order, values as written (quotes kept); [`NameAddr::param`] takes the quotes off.
    pub params: Vec<(String, Option<String>)>,
}

/// Why a value is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameAddrError {
    #[error("the display name is not a quoted string or plain words")]
    Display,
    #[error("the address has no URI, or one with spaces, or one that needs angle brackets")]
    Uri,
    #[error("the parameters after the address break the grammar")]
    Params,
}

/// The pieces of a value, borrowed.
struct Pieces<'a> {
    display: Option<&'a str>,
    uri: &'a str,
    params: &'a str,
}

impl NameAddr {
    /// An address without display name and parameters.
    #[must_use]
    pub fn of(uri: impl Into<String>) -> Self {
        Self { display: None, uri: uri.into(), params: Vec::new() }
    }

    /// Reads one value.
    ///
    /// # Errors
    /// [`NameAddrError`] if it breaks the grammar.
    pub fn parse(text: &str) -> Result<Self, NameAddrError> {
        let pieces = pieces(text)?;
        let mut params = Vec::new();
        for item in Params::new(pieces.params) {
            let (name, value) = item.map_err(|_| NameAddrError::Params)?;
            params.push((name.to_owned(), value.map(str::to_owned)));
        }
        let display = pieces.display.map(|display| unquoted(display).into_owned());
        Ok(Self { display, uri: pieces.uri.to_owned(), params })
    }

    /// Whether this is the `*` of a Contact header.
    #[must_use]
    pub fn is_wildcard(&self) -> bool {
        self.uri == "*"
    }

    /// The value of a parameter without quotes; empty for a parameter that has none. Names ignore case.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<Cow<'_, str>> {
        let (_, value) = self.params.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        Some(value.as_deref().map_or(Cow::Borrowed(""), unquoted))
    }

    /// The `tag` parameter (RFC 3261 section 19.3).
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        let (_, value) = self.params.iter().find(|(known, _)| known.eq_ignore_ascii_case("tag"))?;
        value.as_deref().filter(|value| !value.is_empty())
    }

    /// The same address with one parameter set; the value is written as given, so quote it with [`NameAddr::quote`] if
    /// it is not a token.
    #[must_use]
    pub fn with_param(mut self, name: &str, value: Option<&str>) -> Self {
        param::set(&mut self.params, name, value);
        self
    }

    /// The text as a quoted string.
    #[must_use]
    pub fn quote(text: &str) -> String {
        quoted(text)
    }

    /// Every address of this header, over all its lines and the commas in them; those that break the grammar are left out.
    #[must_use]
    pub fn list(headers: &Headers, name: &str) -> Vec<Self> {
        headers.all(name).flat_map(split_list).filter_map(|text| Self::parse(text).ok()).collect()
    }

    /// Whether the value could be parsed; allocates nothing, for the reader.
    pub(super) fn check(text: &str) -> Result<(), NameAddrError> {
        let pieces = pieces(text)?;
        Params::new(pieces.params).try_for_each(|item| item.map(|_| ()).map_err(|_| NameAddrError::Params))
    }
}

impl fmt::Display for NameAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_wildcard() {
            return f.write_str("*");
        }
        if let Some(display) = &self.display {
            write!(f, "{} ", quoted(display))?;
        }
        write!(f, "<{}>", self.uri)?;
        param::write(f, &self.params)
    }
}

fn pieces(text: &str) -> Result<Pieces<'_>, NameAddrError> {
    let text = trim(text);
    if text.starts_with('"') {
        let (display, rest) = text.split_at(quoted_end(text).ok_or(NameAddrError::Display)?);
        let rest = param::trim_start(rest).strip_prefix('<').ok_or(NameAddrError::Display)?;
        return bracketed(Some(display), rest);
    }
    match text.bytes().position(|b| matches!(b, b'<' | b';' | b'"')) {
        Some(at) if text.as_bytes().get(at) == Some(&b'<') => {
            let (display, rest) = text.split_at(at);
            let display = trim(display);
            if display.contains([',', '>', '\\']) {
                return Err(NameAddrError::Display);
            }
            bracketed((!display.is_empty()).then_some(display), rest.strip_prefix('<').unwrap_or(rest))
        }
        at => {
            let (uri, params) = text.split_at(at.unwrap_or(text.len()));
            // Without brackets a URI must not hold ? or , (RFC 3261 section 20.10): nobody could tell whose they are.
            if uri.contains([',', '?']) {
                return Err(NameAddrError::Uri);
            }
            Ok(Pieces { display: None, uri: plausible_uri(trim(uri), true)?, params })
        }
    }
}

/// `rest` begins behind the opening bracket.
fn bracketed<'a>(display: Option<&'a str>, rest: &'a str) -> Result<Pieces<'a>, NameAddrError> {
    let (uri, params) = rest.split_once('>').ok_or(NameAddrError::Uri)?;
    Ok(Pieces { display, uri: plausible_uri(uri, false)?, params })
}

/// A scheme, a colon, something behind it, and nothing that would break a header line.
fn plausible_uri(uri: &str, wildcard: bool) -> Result<&str, NameAddrError> {
    if wildcard && uri == "*" {
        return Ok(uri);
    }
    let (scheme, rest) = uri.split_once(':').ok_or(NameAddrError::Uri)?;
    let scheme_fits = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    let rest_fits =
        !rest.is_empty() && !rest.bytes().any(|b| b <= b' ' || b == 0x7f || matches!(b, b'<' | b'>' | b'"'));
    if scheme_fits && rest_fits { Ok(uri) } else { Err(NameAddrError::Uri) }
}

/// The elements of a comma-separated header value; commas in quotes and in angle brackets do not separate. Elements are
/// trimmed, empty ones are left out.
pub fn split_list(value: &str) -> impl Iterator<Item = &str> {
    elements(value).map(trim).filter(|element| !element.is_empty())
}

/// The elements as written: not trimmed, empty ones too.
pub(super) fn elements(value: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(value);
    std::iter::from_fn(move || {
        let text = rest?;
        let end = element_end(text);
        let (element, after) = text.split_at(end);
        rest = after.strip_prefix(',');
        Some(element)
    })
}

fn element_end(text: &str) -> usize {
    let (mut quotes, mut escaped, mut brackets) = (false, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quotes => escaped = true,
            b'"' if !brackets => quotes = !quotes,
            b'<' if !quotes => brackets = true,
            b'>' if !quotes => brackets = false,
            b',' if !quotes && !brackets => return at,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
#[path = "nameaddr_tests.rs"]
mod tests;
