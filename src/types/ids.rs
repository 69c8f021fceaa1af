//! Names made of digests and random bits: users, messages, clients, the chain.

use super::Address;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt;

/// Fixed-size names that print as lower-case hexadecimal.
macro_rules! hex_name {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// Reads the hexadecimal form; `None` unless it has exactly the right length.
            #[must_use]
            pub fn from_hex(text: &str) -> Option<Self> {
                let mut bytes = [0; $len];
                hex::decode_to_slice(text, &mut bytes).ok()?;
                Some(Self(bytes))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
    };
}

hex_name! {
    /// A served user, hashed: the key of everything kept for them, and the only form that logs may show.
    UserKey, 16
}
hex_name! {
    /// The random part of a message-URI-ID (DEF-3, DEF-3a, I-21): 128 bits, never guessable, never reused.
    MessageId, 16
}
hex_name! {
    /// A SHA-256 digest, for example of a policy component.
    Digest, 32
}
hex_name! {
    /// The chain hash of a user's log after some record: SHA-256 over the chain before it and the record's bytes.
    Chain, 32
}
hex_name! {
    /// What makes a sender's request recognisable when it is sent again: a digest of Call-ID, From-tag and `CSeq`.
    OriginKey, 16
}

/// First half of a SHA-256 over length-prefixed parts, so that no two lists of parts collide.
fn short_digest(parts: &[&[u8]]) -> [u8; 16] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let mut short = [0; 16];
    short.copy_from_slice(&hash.finalize()[..16]);
    short
}

impl UserKey {
    /// The key of this address.
    #[must_use]
    pub fn of(address: &Address) -> Self {
        Self(short_digest(&[b"user", address.as_str().as_bytes()]))
    }
}

impl MessageId {
    /// The message-URI-ID on the wire: `sip:<hex>@<host>` (DEF-3).
    #[must_use]
    pub fn uri(&self, host: &str) -> String {
        format!("sip:{self}@{host}")
    }
}

impl Digest {
    /// SHA-256 of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl Chain {
    /// The chain of an empty log.
    pub const GENESIS: Self = Self([0; 32]);

    /// The chain after one more record.
    #[must_use]
    pub fn extend(&self, record: &[u8]) -> Self {
        let mut hash = Sha256::new();
        hash.update(self.0);
        hash.update(record);
        Self(hash.finalize().into())
    }
}

impl OriginKey {
    /// From the three values that a retransmission repeats (RFC 3261 section 8.2.2.2).
    #[must_use]
    pub fn of(call_id: &str, from_tag: &str, cseq: &str) -> Self {
        Self(short_digest(&[b"origin", call_id.as_bytes(), from_tag.as_bytes(), cseq.as_bytes()]))
    }
}

/// What names a registered CPM client of a user: its `+sip.instance`, else its contact URI.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClientId(pub String);

/// Contact URIs are personal data, so only a digest is shown.
impl fmt::Debug for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientId({})", hex::encode(&short_digest(&[b"client", self.0.as_bytes()])[..4]))
    }
}

/// A secret of this data directory: lets us recognise our own Call-IDs, even after a restart.
#[derive(Clone, Copy)]
pub struct SeedSecret(pub [u8; 16]);

/// The ids one command may use. Randomness enters here, once a command; what is derived from it is a pure function,
/// so that `decide` can be called again and comes to the same names.
#[derive(Clone, Copy)]
pub struct IdSource {
    seed: [u8; 16],
    secret: SeedSecret,
}

impl IdSource {
    /// `seed` must be fresh random bits for every command.
    #[must_use]
    pub const fn new(seed: [u8; 16], secret: SeedSecret) -> Self {
        Self { seed, secret }
    }

    /// The id of a message accepted by this command (one at most).
    #[must_use]
    pub const fn message(&self) -> MessageId {
        MessageId(self.seed)
    }

    /// 32 hexadecimal digits: the name of the `nth` delivery attempt of a message, ending in a mark that only we can make.
    #[must_use]
    pub fn call(&self, message: &MessageId, nth: u32) -> String {
        let stem = hex::encode(&short_digest(&[b"call", &self.seed, &message.0, &nth.to_be_bytes()])[..12]);
        let mark = self.secret.mark(&stem);
        stem + &mark
    }

    /// 32 hexadecimal digits: the name of the `nth` try of a disposition notification. It has no mark: coming in again at the
    /// sender's side it is a message as any other, and deferred if the sender is away.
    #[must_use]
    pub fn report(&self, errand: u64, nth: u32) -> String {
        let parts: [&[u8]; 4] = [b"report", &self.seed, &errand.to_be_bytes(), &nth.to_be_bytes()];
        hex::encode(&short_digest(&parts)[..16])
    }

    /// As [`IdSource::call`], for the `nth` try of an errand.
    #[must_use]
    pub fn errand(&self, errand: u64, nth: u32) -> String {
        let parts: [&[u8]; 4] = [b"errand", &self.seed, &errand.to_be_bytes(), &nth.to_be_bytes()];
        let stem = hex::encode(&short_digest(&parts)[..12]);
        let mark = self.secret.mark(&stem);
        stem + &mark
    }
}

impl SeedSecret {
    fn mark(&self, stem: &str) -> String {
        hex::encode(&short_digest(&[b"mark", &self.0, stem.as_bytes()])[..4])
    }

    /// Whether this Call-ID was made by [`IdSource::call`] with this secret: the loop trap of spec 1.3.
    #[must_use]
    pub fn made(&self, call_id: &str) -> bool {
        let name = call_id.split('@').next().unwrap_or_default();
        name.len() == 32 && name.is_char_boundary(24) && self.mark(&name[..24]) == name[24..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn def_3_the_message_uri_id_is_a_sip_uri_of_128_bits() {
        assert_eq!(MessageId([0xab; 16]).uri("pf.test"), format!("sip:{}@pf.test", "ab".repeat(16)));
        assert_eq!(MessageId::from_hex(&"ab".repeat(16)), Some(MessageId([0xab; 16])));
        assert_eq!(MessageId::from_hex("ab"), None);
    }

    #[test]
    fn our_own_call_ids_are_known_again_and_no_others() {
        let secret = SeedSecret([7; 16]);
        let ids = IdSource::new([1; 16], secret);
        assert!(secret.made(&format!("{}@pf.test", ids.call(&MessageId([2; 16]), 0))));
        assert_ne!(ids.call(&MessageId([2; 16]), 0), ids.call(&MessageId([2; 16]), 1));
        assert!(!SeedSecret([8; 16]).made(&ids.call(&MessageId([2; 16]), 0)));
        assert!(secret.made(&ids.errand(3, 0)));
        assert!(!secret.made(&ids.report(3, 0)), "a report is a message as any other");
        assert_ne!(ids.report(3, 0), ids.report(3, 1));
        assert!(!secret.made("8f3a0c1e5b@alice.example.net"));
        assert!(!secret.made("ééééééééééééééééé"));
    }

    #[test]
    fn origin_keys_depend_on_where_the_parts_end() {
        assert_ne!(OriginKey::of("ab", "c", "1"), OriginKey::of("a", "bc", "1"));
    }
}
