//! Whoever decided, to be asked again: their components and the settings that they had.

use crate::audit::hindsight::{ask, bind};
use crate::config;
use crate::policy::keeper::{Tenures, component_of, tenures};
use crate::policy::{Binding, Engine, NoCounters, PoliciesError, PolicyError, STANDARD_COMPONENT};
use crate::queue::question::{Failure, Judge, Question, Verdict};
use crate::queue::recall::Recalled;
use crate::shelf::Shelf;
use crate::types::Digest;
use bytes::Bytes;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The catalogue, and what of it was needed so far: at most a binding for each question that is exported.
pub struct Deciders<'s> {
    shelf: &'s dyn Shelf,
    tenures: Tenures,
    engine: Engine,
    /// What is there without an upload.
    built_in: Vec<Bytes>,
    settings_bytes_max: usize,
    /// By digest and settings; `None` if it cannot be had.
    ready: BTreeMap<(Digest, String), Option<Binding>>,
}

impl<'s> Deciders<'s> {
    /// Reads the operator stream of a catalogue.
    ///
    /// # Errors
    /// [`PoliciesError`] if the stream cannot be read, or a component that the configuration names.
    pub fn new(shelf: &'s dyn Shelf, limits: &config::Policy) -> Result<Self, PoliciesError> {
        let mut built_in = vec![Bytes::from_static(STANDARD_COMPONENT)];
        if let Some(path) = &limits.component {
            let octets = std::fs::read(path).map_err(|error| PolicyError::Read { path: path.clone(), error })?;
            built_in.push(octets.into());
        }
        Ok(Self {
            shelf,
            tenures: tenures(shelf)?,
            engine: Engine::new(limits, Arc::new(NoCounters))?,
            built_in,
            settings_bytes_max: limits.settings_bytes_max,
            ready: BTreeMap::new(),
        })
    }

    /// The settings that whoever decided had at that moment; `None` if they had none.
    pub(super) fn settings(&self, recalled: &Recalled) -> Option<Value> {
        let (context, hook) = (recalled.question.context(), recalled.question.hook());
        let settings = self.tenures.settings(&context.realm, hook, digest(recalled.judge)?, context.now)?;
        let settings: Value = serde_json::from_str(settings).ok()?;
        (settings != Value::Object(Map::new())).then_some(settings)
    }

    /// What the component that was asked then says to this question, with these settings. `None`: it was no component, or
    /// it is not to be had any more.
    pub(super) fn again(
        &mut self,
        judge: Judge,
        settings: Option<&Value>,
        question: &Question,
    ) -> Option<Result<Verdict, Failure>> {
        let policy = digest(judge)?;
        let none = Value::Object(Map::new());
        let settings = settings.unwrap_or(&none);
        let name = (policy, settings.to_string());
        if !self.ready.contains_key(&name) {
            let binding = self.binding(policy, settings);
            self.ready.insert(name.clone(), binding);
        }
        let binding = self.ready.get(&name)?.as_ref()?;
        binding.answers(question.hook()).then(|| ask(binding, question))
    }

    fn binding(&self, policy: Digest, settings: &Value) -> Option<Binding> {
        let is_meant = |octets: &&Bytes| Digest::of(octets) == policy;
        let built_in = self.built_in.iter().find(is_meant).cloned();
        let octets =
            built_in.or_else(|| component_of(self.shelf, policy).ok().flatten().filter(|found| is_meant(&found)))?;
        bind(&self.engine, &octets, settings, self.settings_bytes_max).ok()
    }
}

/// The component that was asked, whether it answered or failed.
fn digest(judge: Judge) -> Option<Digest> {
    match judge {
        Judge::Component(digest) | Judge::Fallback(digest, _) => Some(digest),
        Judge::Native => None,
    }
}
