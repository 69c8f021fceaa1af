//! The fingerprint of a certificate, as session descriptions have it (RFC 8122).

use sha2::{Digest as _, Sha256};
use std::fmt;

/// The SHA-256 of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Of a certificate in DER.
    pub(super) fn of(certificate: &[u8]) -> Self {
        Self(Sha256::digest(certificate).into())
    }

    /// Reads `SHA-256 AB:CD:…`; nothing if it is of another hash or no fingerprint.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (hash, digits) = text.trim().split_once(' ')?;
        let mut octets = [0; 32];
        let mut pairs = digits.trim().split(':');
        for octet in &mut octets {
            let pair = pairs.next().filter(|pair| pair.len() == 2 && pair.bytes().all(|b| b.is_ascii_hexdigit()))?;
            *octet = u8::from_str_radix(pair, 16).ok()?;
        }
        (hash.eq_ignore_ascii_case("sha-256") && pairs.next().is_none()).then_some(Self(octets))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SHA-256")?;
        for (index, octet) in self.0.iter().enumerate() {
            write!(f, "{}{octet:02X}", if index == 0 { ' ' } else { ':' })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_written_and_read_as_rfc_8122_has_them() {
        let own = Fingerprint::of(b"certificate");
        let text = own.to_string();
        assert!(text.starts_with("SHA-256 ") && text.len() == 8 + 32 * 3 - 1, "{text}");
        assert_eq!(Fingerprint::parse(&text), Some(own));
        assert_eq!(Fingerprint::parse(&text.to_lowercase()), Some(own));
        for bad in
            ["", "SHA-256", "SHA-1 AB:CD", &text[..text.len() - 3], &format!("{text}:00"), &text.replace(':', "-")]
        {
            assert_eq!(Fingerprint::parse(bad), None, "{bad}");
        }
        assert_eq!(Fingerprint::parse(&text.replace("SHA-256", "SHA-512")), None);
    }
}
