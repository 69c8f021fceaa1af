//! Which settings a policy had when it decided: who decided where and since when, of all times.

use super::event::{Entry, Event};
use super::state::Catalogue;
use crate::queue::question::Hook;
use crate::types::{Digest, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The bindings that ever decided: a fold of the operator stream, like the catalogue, which has those of now.
#[derive(Clone, Debug, Default)]
pub struct Tenures {
    state: Catalogue,
    of: BTreeMap<(String, Hook), Vec<Tenure>>,
}

/// From this moment on; without a binding the baseline decides, which has no settings.
#[derive(Clone, Debug)]
struct Tenure {
    since: Timestamp,
    bound: Option<(Digest, Arc<str>)>,
}

impl Tenures {
    /// Folds an entry in.
    pub fn evolve(&mut self, entry: &Entry) {
        self.state.evolve(entry);
        for realm in entry.events.iter().filter_map(realm) {
            for hook in Hook::ALL {
                let active = self.state.slot(realm, hook).active();
                let bound = active.map(|bound| (bound.policy, Arc::clone(&bound.settings)));
                let tenures = self.of.entry((realm.to_owned(), hook)).or_default();
                if tenures.last().map(|last| &last.bound) != Some(&bound) {
                    tenures.push(Tenure { since: entry.at, bound });
                }
            }
        }
    }

    /// The settings (canonical JSON) that orders had given to this policy when it took this decision; `None` if it was the
    /// configuration's.
    pub fn settings(&self, realm: &str, hook: Hook, policy: Digest, at: Timestamp) -> Option<&str> {
        let tenures = self.of.get(&(realm.to_owned(), hook))?;
        // An order is in the stream a moment before it is in force: who decided then may be the one before.
        let is_meant =
            |tenure: &&Tenure| tenure.since <= at && tenure.bound.as_ref().is_none_or(|(bound, _)| *bound == policy);
        let (_, settings) = tenures.iter().rev().find(is_meant)?.bound.as_ref()?;
        Some(settings)
    }
}

/// The realm in which an event may change who decides.
fn realm(event: &Event) -> Option<&str> {
    match event {
        Event::PolicyActivated(event) => Some(&event.realm),
        Event::PolicyRolledBack(event) => Some(&event.realm),
        Event::PolicyTripped(event) => Some(&event.realm),
        Event::PolicyUnloadable(event) => Some(&event.realm),
        Event::PolicyUploaded(_)
        | Event::PolicySigned(_)
        | Event::UploadRefused(_)
        | Event::PolicyRetired(_)
        | Event::PolicyShadowed(_)
        | Event::ShadowEnded(_) => None,
    }
}
