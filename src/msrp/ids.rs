//! Transaction ids: drawn from random octets that are given in, so that nothing here is random itself.

use sha2::{Digest as _, Sha256};

/// Where the transaction ids of one session come from.
#[derive(Clone)]
pub struct TransactionIds {
    seed: [u8; 16],
    count: u64,
    #[cfg(test)]
    prefix: Option<&'static str>,
}

impl TransactionIds {
    /// `seed` must be fresh random octets for every session.
    pub const fn new(seed: [u8; 16]) -> Self {
        Self {
            seed,
            count: 0,
            #[cfg(test)]
            prefix: None,
        }
    }

    /// Ids as the examples have them: `pfs00001`, `pfs00002`.
    #[cfg(test)]
    pub(super) const fn numbered(prefix: &'static str) -> Self {
        Self { seed: [0; 16], count: 0, prefix: Some(prefix) }
    }

    /// The next id: 16 hexadecimal digits (64 random bits, RFC 4975 section 7.1).
    pub(super) fn next(&mut self) -> String {
        self.count = self.count.wrapping_add(1);
        #[cfg(test)]
        if let Some(prefix) = self.prefix {
            return format!("{prefix}{:05}", self.count);
        }
        let mut hash = Sha256::new();
        hash.update(self.seed);
        hash.update(self.count.to_be_bytes());
        hex::encode(hash.finalize().get(..8).unwrap_or_default())
    }
}
