//! Patterns of senders: what they are held against, and which can match nobody.

use restante_policy::prelude::*;

/// A domain, a number or short code, or an address without its scheme; `*` stands for any characters.
pub struct Pattern(String);

impl Pattern {
    /// The pattern, in any letter case.
    ///
    /// # Errors
    /// Why nobody's address could match it, and what to write.
    pub fn read(text: &str) -> Result<Self, &'static str> {
        wrong(text).map_or_else(|| Ok(Self(text.to_ascii_lowercase())), Err)
    }

    /// Whether it covers an address (without its scheme, in lower case).
    pub fn covers(&self, address: &str) -> bool {
        let (user, domain) = address.split_once('@').unwrap_or((address, ""));
        let pattern = self.0.as_str();
        if pattern.contains('@') {
            matches(pattern, address)
        } else if is_number(pattern) {
            matches(pattern, user)
        } else {
            matches(pattern, domain)
        }
    }
}

/// A number or a short code, of any domain or none.
fn is_number(pattern: &str) -> bool {
    pattern.starts_with('+') || pattern.bytes().all(|octet| octet.is_ascii_digit() || octet == b'*')
}

/// Addresses come without scheme, port, parameters, separators in numbers, and a dot at the end.
fn wrong(pattern: &str) -> Option<&'static str> {
    if pattern.bytes().any(|octet| octet <= b' ' || matches!(octet, b'<' | b'>' | b'"' | b';' | 0x7f)) {
        return Some("addresses have no spaces, quotes, angle brackets and parameters");
    }
    if has_colon(pattern) {
        return Some("leave out the scheme and the port, as in codes@bank.example or +12025550100");
    }
    let (user, domain) = pattern.split_once('@').unwrap_or(("", pattern));
    if pattern.contains('@') && user.is_empty() || domain.is_empty() || domain.contains('@') {
        return Some("write a whole address, as in codes@bank.example, or the domain alone");
    }
    if has_separators(pattern) {
        return Some("write the number without separators, as in +12025550100");
    }
    domain.ends_with('.').then_some("leave out the dot at the end of the domain")
}

/// Outside of the brackets of an IPv6 address.
fn has_colon(pattern: &str) -> bool {
    let mut inside = false;
    pattern.bytes().any(|octet| {
        inside = (inside || octet == b'[') && octet != b']';
        octet == b':' && !inside
    })
}

/// A number begins with `+`, or is nothing but digits and what may stand between them: hyphens and parentheses, since dots
/// are those of an IPv4 address.
fn has_separators(pattern: &str) -> bool {
    let user = pattern.split('@').next().unwrap_or_default();
    if user.starts_with('+') {
        return user.contains(['-', '.', '(', ')']);
    }
    let is_part = |octet: u8| octet.is_ascii_digit() || matches!(octet, b'*' | b'-' | b'(' | b')');
    let has_digit = pattern.bytes().any(|octet| octet.is_ascii_digit());
    has_digit && pattern.bytes().all(is_part) && pattern.contains(['-', '(', ')'])
}

/// Whether a pattern, in which `*` stands for any characters, covers the whole text. Every octet of the text is gone back to
/// at most once for each of the pattern: no pattern takes long.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut at, mut read) = (0, 0);
    let mut star = None;
    while read < text.len() {
        if pattern.get(at) == Some(&b'*') {
            star = Some((at + 1, read));
            at += 1;
        } else if pattern.get(at) == Some(&text[read]) {
            (at, read) = (at + 1, read + 1);
        } else if let Some((after, from)) = star {
            star = Some((after, from + 1));
            (at, read) = (after, from + 1);
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|octet| *octet == b'*')
}
