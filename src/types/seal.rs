//! Sealing: a text that only this data directory can read again (I-18: the return address of an anonymous sender).

use super::{OriginKey, SeedSecret};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use sha2::{Digest as _, Sha256};

/// How a sealed text begins; no address does.
const MARK: &str = "sealed:";

impl SeedSecret {
    /// Seals a text that came with this request: ChaCha20-Poly1305 under a key made of the secret. The request is what
    /// makes it unique, so the same request seals the same way.
    #[must_use]
    pub fn seal(&self, origin: &OriginKey, text: &str) -> String {
        let mut octets = text.as_bytes().to_vec();
        // Fails only for texts of many gigabytes; an empty seal opens to nothing.
        if self
            .key()
            .and_then(|key| key.seal_in_place_append_tag(nonce(origin), Aad::from(&origin.0), &mut octets).ok())
            .is_none()
        {
            octets.clear();
        }
        format!("{MARK}{}{}", hex::encode(origin.0), hex::encode(octets))
    }

    /// What was sealed; a text that is not sealed is itself. `None` if it was sealed elsewhere, or altered.
    #[must_use]
    pub fn open(&self, text: &str) -> Option<String> {
        let Some(sealed) = text.strip_prefix(MARK) else { return Some(text.to_owned()) };
        let mut octets = hex::decode(sealed).ok()?;
        let (origin, sealed) = octets.split_first_chunk_mut::<16>()?;
        let origin = OriginKey(*origin);
        let opened = self.key()?.open_in_place(nonce(&origin), Aad::from(&origin.0), sealed).ok()?;
        String::from_utf8(opened.to_vec()).ok()
    }

    fn key(&self) -> Option<LessSafeKey> {
        let mut hash = Sha256::new();
        hash.update(b"restante seal 1");
        hash.update(self.0);
        UnboundKey::new(&CHACHA20_POLY1305, &hash.finalize()).ok().map(LessSafeKey::new)
    }
}

fn nonce(origin: &OriginKey) -> Nonce {
    let mut nonce = [0; NONCE_LEN];
    nonce.iter_mut().zip(Sha256::digest(origin.0)).for_each(|(to, octet)| *to = octet);
    Nonce::assume_unique_for_key(nonce)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: &str = "sip:+12025550100@ims.example.net;user=phone";

    #[test]
    fn i_18_what_is_sealed_shows_nothing_and_opens_here_only() {
        let (here, elsewhere) = (SeedSecret([7; 16]), SeedSecret([8; 16]));
        let origin = OriginKey::of("call", "tag", "1 MESSAGE");
        let sealed = here.seal(&origin, ALICE);
        assert!(!sealed.contains("2025550100") && sealed.starts_with(MARK), "{sealed}");
        assert_eq!(here.open(&sealed).as_deref(), Some(ALICE));
        assert_eq!(elsewhere.open(&sealed), None);
        assert_eq!(here.seal(&origin, ALICE), sealed, "the same request seals the same way");
        assert_ne!(here.seal(&OriginKey::of("other", "tag", "1 MESSAGE"), ALICE), sealed);
    }

    #[test]
    fn what_is_altered_does_not_open_and_what_is_not_sealed_is_itself() {
        let here = SeedSecret([7; 16]);
        let sealed = here.seal(&OriginKey::of("call", "tag", "1 MESSAGE"), ALICE);
        for place in MARK.len()..sealed.len() {
            let mut altered = sealed.clone().into_bytes();
            altered[place] = if altered[place] == b'0' { b'1' } else { b'0' };
            assert_eq!(here.open(&String::from_utf8(altered).unwrap()), None, "at {place}");
        }
        assert_eq!(here.open("sealed:zz"), None);
        assert_eq!(here.open(ALICE).as_deref(), Some(ALICE));
    }
}
