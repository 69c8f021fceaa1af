//! Where components are made ready: read, compiled or taken from the cache, given their settings. All of it is slow.

use super::event::Unloadable;
use super::ledger;
use crate::policy::engine::{Binding, CodeCache, Component, Engine};
use crate::policy::policies::{PoliciesError, SettingsProblem};
use crate::policy::{PolicyError, check, schema};
use crate::queue::question::{Failure, Hook};
use crate::shelf::Shelf;
use crate::types::{Digest, SeedSecret};
use bytes::Bytes;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// What a binding is made of: two of the same are one.
pub(super) type Key = (Digest, Arc<str>);

/// Settings of those that have none.
pub(super) const NO_SETTINGS: &str = "{}";

/// A policy that is there without an upload.
pub(super) struct BuiltIn {
    pub name: Option<&'static str>,
    pub octets: Bytes,
    pub component: Arc<Component>,
}

/// The engine, its cache, and the shelf that components are read from.
pub(super) struct Workshop {
    pub engine: Engine,
    pub cache: CodeCache,
    shelf: Arc<dyn Shelf>,
    settings_bytes_max: usize,
    built_in: HashMap<Digest, BuiltIn>,
    /// Components that something is bound to, or that were just uploaded: they are not compiled twice.
    loaded: Mutex<Loaded>,
}

#[derive(Default)]
struct Loaded {
    bound: HashMap<Digest, Weak<Component>>,
    /// The last one that was examined is bound next, most likely.
    latest: Option<Arc<Component>>,
}

/// Why a binding cannot be made.
pub(super) enum Unmade {
    /// It is its own fault.
    Unloadable(Unloadable, PoliciesError),
    /// The shelf failed; another time it may be there.
    Failed(PoliciesError),
}

impl From<Unmade> for PoliciesError {
    fn from(unmade: Unmade) -> Self {
        match unmade {
            Unmade::Unloadable(_, error) | Unmade::Failed(error) => error,
        }
    }
}

impl Workshop {
    pub(super) fn new(engine: Engine, shelf: Arc<dyn Shelf>, secret: SeedSecret, settings_bytes_max: usize) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"restante policy code 1");
        hash.update(secret.0);
        let cache = CodeCache::new(Arc::clone(&shelf), hash.finalize().into());
        let (built_in, loaded) = (HashMap::new(), Mutex::default());
        Self { engine, cache, shelf, settings_bytes_max, built_in, loaded }
    }

    /// Takes a built-in policy in.
    ///
    /// # Errors
    /// As [`Engine::load_cached`].
    pub(super) fn build_in(&mut self, name: Option<&'static str>, octets: Bytes) -> Result<Digest, PolicyError> {
        let component = Arc::new(self.engine.load_cached(&octets, &self.cache)?);
        let digest = component.digest();
        self.built_in.entry(digest).or_insert(BuiltIn { name, octets, component });
        Ok(digest)
    }

    pub(super) fn built_in(&self, policy: Digest) -> Option<&BuiltIn> {
        self.built_in.get(&policy)
    }

    /// The digests of all built-in policies, in no order.
    pub(super) fn all_built_in(&self) -> impl Iterator<Item = (Digest, &BuiltIn)> {
        self.built_in.iter().map(|(digest, own)| (*digest, own))
    }

    fn loaded(&self) -> std::sync::MutexGuard<'_, Loaded> {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Examines a component that is uploaded, and keeps its code if it is good.
    ///
    /// # Errors
    /// [`PoliciesError::NotNow`]: it could not be compiled, for no fault of its own.
    pub(super) fn examine(&self, octets: &[u8]) -> Result<check::Examined, PoliciesError> {
        let (report, component) = check::examine(octets, None, &self.engine)?;
        if let Some(component) = &component {
            let policy = component.digest();
            if let Err(error) = self.cache.keep(component) {
                tracing::warn!(target: "policy", %policy, %error, "compiled code is not kept; it is compiled again when it is needed");
            }
            let mut loaded = self.loaded();
            loaded.bound.retain(|_, component| component.strong_count() > 0);
            loaded.bound.insert(policy, Arc::downgrade(component));
            loaded.latest = Some(Arc::clone(component));
        }
        Ok((report, component))
    }

    /// The octets of a policy, which are what its digest says.
    pub(super) fn octets(&self, policy: Digest) -> Result<Bytes, Unmade> {
        if let Some(own) = self.built_in(policy) {
            return Ok(own.octets.clone());
        }
        let bad = |why, words| {
            Unmade::Unloadable(why, PoliciesError::Damaged { what: format!("the component {policy}"), why: words })
        };
        let octets = ledger::component_of(self.shelf.as_ref(), policy).map_err(Unmade::Failed)?;
        let octets = octets.ok_or_else(|| bad(Unloadable::Missing, "it is not there"))?;
        if Digest::of(&octets) != policy {
            return Err(bad(Unloadable::Damaged, "its digest is another"));
        }
        Ok(octets)
    }

    /// A component, compiled if it must be.
    pub(super) fn component(&self, policy: Digest) -> Result<Arc<Component>, Unmade> {
        if let Some(own) = self.built_in(policy) {
            return Ok(Arc::clone(&own.component));
        }
        if let Some(component) = self.loaded().bound.get(&policy).and_then(Weak::upgrade) {
            return Ok(component);
        }
        let octets = self.octets(policy)?;
        let component = self.engine.load_cached(&octets, &self.cache);
        let component = Arc::new(component.map_err(|error| match error {
            PolicyError::Unacceptable { .. } => Unmade::Unloadable(Unloadable::Unacceptable, told(error)),
            _ => Unmade::Failed(told(error)),
        })?);
        self.loaded().bound.insert(policy, Arc::downgrade(&component));
        Ok(component)
    }

    /// Settings in their canonical text, if the policy takes such.
    ///
    /// # Errors
    /// [`PoliciesError::Settings`].
    pub(super) fn settings(&self, component: &Component, value: &Value) -> Result<Arc<str>, PoliciesError> {
        // A schema and settings that are made to be slow together are checked at the priority of an upload.
        let text = self.engine.quietly(|| schema::check_settings(component, value, self.settings_bytes_max));
        Ok(text.map_err(PoliciesError::Settings)?.into())
    }

    /// A component with its settings, which one instance is given now.
    pub(super) fn binding(&self, (policy, settings): &Key) -> Result<Arc<Binding>, Unmade> {
        let component = self.component(*policy)?;
        let binding = Binding::new(component, &**settings);
        binding.map(Arc::new).map_err(|error| match error {
            PolicyError::Settings { .. } => Unmade::Unloadable(Unloadable::Settings, told(error)),
            // A busy machine is no reason to take a policy off.
            _ => Unmade::Failed(told(error)),
        })
    }

    /// A policy was retired: its code goes, too.
    pub(super) fn forget(&self, policy: Digest) {
        let mut loaded = self.loaded();
        loaded.bound.remove(&policy);
        loaded.latest.take_if(|component| component.digest() == policy);
        drop(loaded);
        if let Err(error) = self.cache.forget(policy) {
            tracing::warn!(target: "policy", %policy, %error, "the compiled code of a retired policy is still there");
        }
    }
}

/// The decisions that a component exports, in the order of their names.
pub(super) fn decides(component: &Component) -> Vec<Hook> {
    Hook::ALL.into_iter().filter(|hook| component.answers(*hook)).collect()
}

impl From<PolicyError> for PoliciesError {
    fn from(error: PolicyError) -> Self {
        told(error)
    }
}

/// The engine's words as an answer to an order.
fn told(error: PolicyError) -> PoliciesError {
    match error {
        PolicyError::Unacceptable { digest, faults } => {
            let facts = check::Facts { digest, ..check::Facts::default() };
            PoliciesError::Unacceptable(Box::new(check::Report { facts, faults, self_test: Vec::new() }))
        }
        PolicyError::Settings { reason, .. } | PolicyError::NoAnswer { failure: Failure::Timeout, reason, .. } => {
            PoliciesError::Settings(vec![SettingsProblem { at: String::new(), what: reason }])
        }
        PolicyError::Worker(_) | PolicyError::NoAnswer { .. } => PoliciesError::NotNow { detail: error.to_string() },
        other => PoliciesError::Engine { detail: other.to_string() },
    }
}
