//! Compiled code that outlives the process: kept on a shelf, believed only with this data directory's own mark on it.

use super::native::{self, Trusted};
use super::{Component, Engine};
use crate::policy::PolicyError;
use crate::shelf::{Change, Shelf, ShelfError};
use crate::types::Digest;
use bytes::Bytes;
use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// First octets of every key; the digest of the component and the hash of the engine follow.
const PREFIX: &[u8] = b"code/";

/// What the mark says it is a mark of: a key that is used for something else, too, makes no mark of ours.
const PURPOSE: &[u8] = b"restante: compiled policy 1\0";

/// Octets of a mark, before the code.
const MARK: usize = 32;

/// Most pieces of code of one component that are looked through when it is forgotten: one, and what upgrades left.
const PIECES_MAX: usize = 16;

/// Compiled code kept on a shelf, each piece with an HMAC-SHA256 (RFC 2104) by a key of this data directory. What we did
/// not write ourselves, or wrote for another engine, is not loaded; it is compiled anew.
pub struct CodeCache {
    shelf: Arc<dyn Shelf>,
    secret: [u8; 32],
}

/// Code whose mark was found right.
pub(super) struct Attested(Bytes);

impl Attested {
    pub(super) fn octets(&self) -> &[u8] {
        &self.0
    }
}

impl CodeCache {
    /// Code is kept on this shelf and marked with this secret, which nobody else may know.
    pub fn new(shelf: Arc<dyn Shelf>, secret: [u8; 32]) -> Self {
        Self { shelf, secret }
    }

    /// Keeps the compiled code of a component, in place of what was kept for other engines.
    ///
    /// # Errors
    /// [`ShelfError`]
    pub fn keep(&self, component: &Component) -> Result<(), ShelfError> {
        let engine = &component.engine.0;
        let code = match component.pre.component().serialize() {
            Ok(code) => code,
            Err(error) => return Err(ShelfError { cause: format!("compiled code cannot be kept: {error:#}") }),
        };
        let key = key_of(component.digest(), &engine.hash);
        let Some(mac) = self.mac(component.digest(), &engine.hash, &code) else { return Ok(()) };
        let mut value = Vec::with_capacity(MARK + code.len());
        value.extend_from_slice(&mac.finalize().into_bytes());
        value.extend_from_slice(&code);
        let mut changes = self.stale(component.digest(), Some(&key))?;
        changes.push(Change::Put { key: key.into(), value: value.into() });
        self.shelf.write(changes)
    }

    /// Deletes all code of a component.
    ///
    /// # Errors
    /// [`ShelfError`]
    pub fn forget(&self, policy: Digest) -> Result<(), ShelfError> {
        let changes = self.stale(policy, None)?;
        if changes.is_empty() { Ok(()) } else { self.shelf.write(changes) }
    }

    /// The deletion of every piece of a component's code but one.
    fn stale(&self, policy: Digest, but: Option<&[u8]>) -> Result<Vec<Change>, ShelfError> {
        let prefix = [PREFIX, &policy.0].concat();
        let pieces = self.shelf.scan(&prefix, None, PIECES_MAX)?;
        let others = pieces.into_iter().filter(|(key, _)| Some(key.as_ref()) != but);
        Ok(others.map(|(key, _)| Change::Delete { key }).collect())
    }

    /// The component from its code, if that is there, whole and ours.
    fn find(&self, engine: &Engine, policy: Digest) -> Option<wasmtime::component::Component> {
        let hash = &engine.0.hash;
        let kept = match self.shelf.get(&key_of(policy, hash)) {
            Ok(kept) => kept?,
            Err(error) => {
                tracing::warn!(target: "policy", %policy, %error, "compiled code cannot be read; it is compiled anew");
                return None;
            }
        };
        let Some(code) = self.attest(policy, hash, &kept) else {
            tracing::warn!(target: "policy", %policy, "kept code is damaged or not ours; it is compiled anew");
            return None;
        };
        match native::load(&engine.0.engine, &Trusted::Kept(&code)) {
            Ok(component) => Some(component),
            Err(error) => {
                let error = super::seat::root(&error);
                tracing::info!(target: "policy", %policy, error, "kept code is for another machine; it is compiled anew");
                None
            }
        }
    }

    /// The code in a value, if its mark is right; compared in constant time.
    fn attest(&self, policy: Digest, hash: &[u8; 32], kept: &Bytes) -> Option<Attested> {
        let (mark, code) = kept.split_at_checked(MARK)?;
        self.mac(policy, hash, code)?.verify_slice(mark).ok()?;
        Some(Attested(kept.slice(MARK..)))
    }

    /// `None` never happens: HMAC takes keys of any length.
    fn mac(&self, policy: Digest, hash: &[u8; 32], code: &[u8]) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret).ok()?;
        // Each part but the last has a fixed length, so that no two lists of parts are one text.
        for part in [PURPOSE, &policy.0, hash, code] {
            mac.update(part);
        }
        Some(mac)
    }
}

fn key_of(policy: Digest, hash: &[u8; 32]) -> Vec<u8> {
    [PREFIX, &policy.0, hash].concat()
}

impl Engine {
    /// As [`Engine::load`], with compiled code from the cache if it is there, whole and ours; puts it there otherwise. A
    /// cache that fails costs time, nothing else.
    ///
    /// # Errors
    /// As [`Engine::load`].
    pub fn load_cached(&self, bytes: &[u8], cache: &CodeCache) -> Result<Component, PolicyError> {
        let policy = Digest::of(bytes);
        let kept = cache.find(self, policy).and_then(|compiled| self.examine_kept(bytes, &compiled).component);
        if let Some(component) = kept {
            return Ok(component);
        }
        let component = self.load(bytes)?;
        if let Err(error) = cache.keep(&component) {
            tracing::warn!(target: "policy", %policy, %error, "compiled code is not kept; the next start compiles it again");
        }
        Ok(component)
    }
}

/// SHA-256 of everything that makes code of one engine unfit for another: versions, flags, limits, processor.
pub(super) fn hash_of(engine: &wasmtime::Engine) -> [u8; 32] {
    struct Sha(Sha256);
    impl Hasher for Sha {
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }

        fn finish(&self) -> u64 {
            // Nobody asks: the whole digest is taken below.
            0
        }
    }
    let mut hasher = Sha(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.0.finalize().into()
}

#[cfg(test)]
mod tests;
