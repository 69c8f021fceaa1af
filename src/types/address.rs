//! The canonical name of a CPM user: what queues, realms and keys are made from.

use super::UserKey;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A CPM Address in canonical form: `sip:user@host` or `tel:+number`, no parameters, host in lower case,
/// visual separators gone. Two spellings of one user compare equal.
///
/// Addresses are personal data: `Debug` shows only the hashed key, so that no log line can leak one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Address(String);

/// Why a text is no CPM Address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Neither `sip:`, `sips:` nor `tel:`.
    #[error("an address must begin with sip:, sips: or tel:")]
    Scheme,
    /// No user part, or no host.
    #[error("an address must name a user and a host, as in sip:user@host")]
    Incomplete,
    /// White space, brackets, control characters or a second `@` inside.
    #[error("an address must not contain spaces, brackets, quotes, control characters or a second at sign")]
    Character,
}

impl Address {
    /// Reads any spelling of a `sip:`, `sips:` or `tel:` URI; parameters, headers, port and password are dropped.
    ///
    /// # Errors
    /// [`AddressError`] if the text names no user.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let text = text.trim();
        // White space of any script: it would be trimmed when the address is read again, and name another user then.
        if text.chars().any(|c| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | '"')) {
            return Err(AddressError::Character);
        }
        let (scheme, rest) = text.split_once(':').ok_or(AddressError::Scheme)?;
        match scheme.to_ascii_lowercase().as_str() {
            "sip" | "sips" => Self::from_sip(rest),
            "tel" => Self::from_tel(rest),
            _ => Err(AddressError::Scheme),
        }
    }

    fn from_sip(rest: &str) -> Result<Self, AddressError> {
        // The first one ends the user part: inside it an at sign must be escaped (RFC 3261 section 25.1), while parameters
        // and headers behind the host are often less careful.
        let (user, host) = rest.split_once('@').ok_or(AddressError::Incomplete)?;
        let user = user.split([';', ':']).next().unwrap_or_default();
        let host = host.split([';', '?']).next().unwrap_or_default();
        let host = strip_port(host).trim_end_matches('.');
        if user.is_empty() || host.is_empty() {
            return Err(AddressError::Incomplete);
        }
        if host.contains('@') {
            return Err(AddressError::Character);
        }
        let user = if user.starts_with('+') { digits_only(user) } else { user.to_owned() };
        Ok(Self(format!("sip:{user}@{}", host.to_ascii_lowercase())))
    }

    fn from_tel(rest: &str) -> Result<Self, AddressError> {
        let number = digits_only(rest.split(';').next().unwrap_or_default());
        if number.trim_start_matches('+').is_empty() {
            return Err(AddressError::Incomplete);
        }
        Ok(Self(format!("tel:{number}")))
    }

    /// The address of nobody (RFC 2606), for where one must stand.
    #[must_use]
    pub fn nobody() -> Self {
        Self("sip:nobody@nobody.invalid".to_owned())
    }

    /// The canonical text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part before `@`; the number of a `tel:` address.
    #[must_use]
    pub fn user(&self) -> &str {
        let rest = self.0.split_once(':').map_or("", |(_, rest)| rest);
        rest.split_once('@').map_or(rest, |(user, _)| user)
    }

    /// The SIP domain, empty for a `tel:` address.
    #[must_use]
    pub fn host(&self) -> &str {
        self.0.split_once('@').map_or("", |(_, host)| host)
    }

    /// The same user under another domain: how a `tel:` address is given its realm.
    #[must_use]
    pub fn in_realm(&self, realm: &str) -> Self {
        Self(format!("sip:{}@{}", self.user(), realm.to_ascii_lowercase()))
    }

    /// The hashed name under which everything of this user is kept and logged.
    #[must_use]
    pub fn key(&self) -> UserKey {
        UserKey::of(self)
    }
}

/// Numbers may be written with visual separators (RFC 3966 section 5.1.1); they do not count.
fn digits_only(number: &str) -> String {
    number.chars().filter(|c| !matches!(c, '-' | '.' | '(' | ')')).collect()
}

fn strip_port(host: &str) -> &str {
    match host.strip_prefix('[') {
        Some(_) => host.find(']').map_or(host, |end| &host[..=end]),
        None => host.split(':').next().unwrap_or_default(),
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({})", self.key())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_user_are_one_address() {
        let plain = Address::parse("sip:+12025550200@ims.example.net").unwrap();
        for spelling in [
            "sip:+12025550200@ims.example.net;user=phone",
            "SIP:+1-202-555-0200@IMS.example.net:5060;user=phone",
            "sips:+1(202)5550200;phone-context=x@ims.example.net?Subject=a",
            "sip:+12025550200:secret@ims.example.net.",
            "sip:+12025550200@ims.example.net?Subject=a@b",
        ] {
            assert_eq!(Address::parse(spelling).unwrap(), plain, "{spelling}");
        }
        assert_eq!(plain.host(), "ims.example.net");
        assert_eq!(plain.user(), "+12025550200");
    }

    #[test]
    fn tel_addresses_get_their_realm_later() {
        let tel = Address::parse("tel:+1-202-555-0200;x=y").unwrap();
        assert_eq!(tel.as_str(), "tel:+12025550200");
        assert_eq!(tel.in_realm("IMS.test").as_str(), "sip:+12025550200@ims.test");
    }

    #[test]
    fn what_names_nobody_is_refused() {
        assert_eq!(Address::parse("mailto:a@b"), Err(AddressError::Scheme));
        assert_eq!(Address::parse("sip:ims.example.net"), Err(AddressError::Incomplete));
        assert_eq!(Address::parse("sip:@host"), Err(AddressError::Incomplete));
        assert_eq!(Address::parse("tel:"), Err(AddressError::Incomplete));
        assert_eq!(Address::parse("sip:a b@c"), Err(AddressError::Character));
        assert_eq!(Address::parse("sip:alice@ims.test\u{a0}:5060"), Err(AddressError::Character));
        assert_eq!(Address::parse("sip:alice@ims.test@elsewhere.test"), Err(AddressError::Character));
    }

    #[test]
    fn debug_never_shows_the_address() {
        let shown = format!("{:?}", Address::parse("sip:alice@ims.test").unwrap());
        assert!(!shown.contains("alice"), "{shown}");
    }
}
