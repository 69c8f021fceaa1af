//! Nonces that prove themselves, and the bounded memory of how often each was used.

use crate::types::Timestamp;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;

/// `time || HMAC(secret, time || realm)`, hexadecimal: 8 and 16 octets.
pub(super) fn make(secret: &[u8; 32], realm: &str, now: Timestamp) -> String {
    let time = now.millis().to_be_bytes();
    let mac = hmac(secret, &[&time, realm.as_bytes()]);
    [time.as_slice(), mac.get(..16).unwrap_or_default()].map(hex::encode).concat()
}

/// When we made this nonce for this realm; `None` if we did not.
pub(super) fn made_at(secret: &[u8; 32], realm: &str, nonce: &str) -> Option<Timestamp> {
    let mut octets = [0; 24];
    hex::decode_to_slice(nonce, &mut octets).ok()?;
    let at = Timestamp(u64::from_be_bytes(*octets.first_chunk()?));
    super::equal(make(secret, realm, at).as_bytes(), nonce.to_ascii_lowercase().as_bytes()).then_some(at)
}

/// HMAC-SHA-256 (RFC 2104); the key is half a block, so it is padded with zeros.
fn hmac(secret: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let keyed = |pad: u8| {
        let mut block = [pad; 64];
        for (byte, key) in block.iter_mut().zip(secret) {
            *byte ^= key;
        }
        Sha256::new().chain_update(block)
    };
    let inner = parts.iter().fold(keyed(0x36), Sha256::chain_update).finalize();
    keyed(0x5c).chain_update(inner).finalize().into()
}

/// One use of a nonce by one client: what replay protection must remember.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NonceUse {
    /// Digest of user, nonce and the client's own nonce.
    key: [u8; 16],
    /// The nonce count.
    count: u32,
    /// From here on the nonce is refused by itself.
    ends: Timestamp,
}

impl NonceUse {
    pub(super) fn new(parts: &[&str], count: u32, ends: Timestamp) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let mut key = [0; 16];
        key.copy_from_slice(hash.finalize().get(..16).unwrap_or(&[0; 16]));
        Self { key, count, ends }
    }
}

/// Remembers the highest nonce count of every client for as long as its nonce is valid, so that a captured request
/// cannot be sent again. Only those who know a password come in here.
#[derive(Debug)]
pub struct NonceCounts {
    limit: usize,
    highest: HashMap<[u8; 16], (u32, Timestamp)>,
}

impl NonceCounts {
    /// Remembers at most `limit` clients.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { limit, highest: HashMap::new() }
    }

    /// Whether this use is new: its count is higher than all before. A client for whom there is no room is refused too;
    /// challenge both with `stale`, which costs an honest client one round trip.
    pub fn admit(&mut self, nonce: &NonceUse, now: Timestamp) -> bool {
        if let Some((highest, _)) = self.highest.get_mut(&nonce.key) {
            let new = nonce.count > *highest;
            *highest = nonce.count.max(*highest);
            return new;
        }
        if self.highest.len() >= self.limit {
            self.highest.retain(|_, (_, ends)| *ends > now);
        }
        let room = self.highest.len() < self.limit;
        if room {
            self.highest.insert(nonce.key, (nonce.count, nonce.ends));
        }
        room
    }

    /// How many clients are remembered, for the metrics.
    #[must_use]
    pub fn len(&self) -> usize {
        self.highest.len()
    }

    /// Whether nobody is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.highest.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_4231_case_1_the_keyed_hash_is_hmac() {
        // RFC 4231 test case 1 has a key of 20 octets, which HMAC pads with zeros to ours of 32.
        let mut key = [0; 32];
        key[..20].fill(0x0b);
        let mac = hmac(&key, &[b"Hi ", b"There"]);
        assert_eq!(hex::encode(mac), "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    }

    #[test]
    fn only_our_own_nonces_for_the_realm_are_known() {
        let at = Timestamp::from_secs(1_267_521_247);
        let nonce = make(&[1; 32], "ims.test", at);
        assert_eq!(made_at(&[1; 32], "ims.test", &nonce), Some(at));
        assert_eq!(made_at(&[2; 32], "ims.test", &nonce), None);
        assert_eq!(made_at(&[1; 32], "other.test", &nonce), None);
        assert_eq!(made_at(&[1; 32], "ims.test", "00"), None);
        assert_eq!(made_at(&[1; 32], "ims.test", &"é".repeat(24)), None);
    }

    #[test]
    fn a_count_is_admitted_once_and_the_memory_has_a_limit() {
        let at = Timestamp::from_secs;
        let mut counts = NonceCounts::new(2);
        let used = |client: &str, count, ends| NonceUse::new(&["u", "n", client], count, at(ends));
        assert!(counts.admit(&used("a", 1, 10), at(1)));
        assert!(!counts.admit(&used("a", 1, 10), at(1)), "the same request again");
        assert!(counts.admit(&used("a", 3, 10), at(1)));
        assert!(!counts.admit(&used("a", 2, 10), at(1)));
        assert!(counts.admit(&used("b", 1, 20), at(1)));
        assert!(!counts.admit(&used("c", 1, 20), at(1)), "no room");
        assert!(counts.admit(&used("c", 1, 20), at(10)), "the nonce of a is over");
        assert_eq!((counts.len(), counts.is_empty()), (2, false));
    }
}
