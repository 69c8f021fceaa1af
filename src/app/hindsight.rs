//! The past of this node, for the API to ask: one candidate at a time, on one thread of low priority.

use super::policies::engine;
use crate::audit::hindsight::{bind, review};
use crate::audit::whatif::{Means, Scope};
use crate::config::{self, Config};
use crate::journal::{Head, JournalError, JournalRead, Loaded, Stored};
use crate::policy::engine::be_nice;
use crate::policy::policies::{DiffOrder, EXAMPLES_MAX, Hindsight, HindsightError, Realms};
use crate::policy::{NoCounters, Policies, PoliciesError};
use crate::types::{Digest, MessageId, Timestamp, UserKey};
use bytes::Bytes;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::thread;

/// One thread asks, so one instance does; another may come in the place of one that failed.
const INSTANCES: u32 = 2;

/// The journal and the catalogue of this node.
pub(super) struct Past {
    config: Config,
    journal: Stoppable,
    policies: Arc<dyn Policies>,
    /// Held by whoever asks.
    turn: Mutex<()>,
}

impl Past {
    pub(super) fn new(config: &Config, journal: Arc<dyn JournalRead>, policies: Arc<dyn Policies>) -> Arc<Self> {
        let instances_max = config.policy.instances_max.min(INSTANCES);
        let policy = config::Policy { instances_max, ..config.policy.clone() };
        let journal = Stoppable { journal, stopped: AtomicBool::new(false) };
        Arc::new(Self { config: Config { policy, ..config.clone() }, journal, policies, turn: Mutex::new(()) })
    }

    /// Nothing is asked any more; what is being asked ends at its next look into the journal.
    pub(super) fn close(&self) {
        self.journal.stopped.store(true, Ordering::Relaxed);
    }

    fn scope(&self, order: &DiffOrder) -> Result<Scope, HindsightError> {
        let (since, until) = (order.since.unwrap_or(Timestamp(0)), order.until.unwrap_or(Timestamp::MAX));
        if since >= until {
            return Err(HindsightError::NoTime { since, until });
        }
        let realm = order.realm.as_ref().map(|realm| realm.to_ascii_lowercase());
        if let Some(realm) = realm.as_ref().filter(|realm| !self.config.realms.contains_key(*realm)) {
            return Err(PoliciesError::NoSuchRealm(realm.clone()).into());
        }
        Ok(Scope { since, until, realms: realm.into_iter().collect(), ..Scope::all() })
    }

    fn ask(&self, policy: Digest, order: DiffOrder, scope: Scope) -> Result<Value, HindsightError> {
        let limits = &self.config.policy;
        let settings = order.settings.unwrap_or_else(|| json!({}));
        let component = self.policies.component(policy, &Realms::All)?;
        let engine = engine(limits, Arc::new(NoCounters)).map_err(PoliciesError::from)?;
        let binding = bind(&engine, &component, &settings, limits.settings_bytes_max)?;
        let means = Means { threads: 1, examples: order.examples.min(EXAMPLES_MAX) };
        let found = review(&self.journal, &self.config, (&binding, settings), scope, means, &|_| ());
        // What was found until then is not all.
        self.journal.runs().map_err(|_| PoliciesError::Stopping)?;
        let past = |detail: String| HindsightError::Past { detail };
        serde_json::to_value(found.map_err(|error| past(error.to_string()))?).map_err(|error| past(error.to_string()))
    }
}

impl Hindsight for Past {
    fn diff(&self, policy: Digest, order: DiffOrder) -> Result<Value, HindsightError> {
        let scope = self.scope(&order)?;
        let _turn = match self.turn.try_lock() {
            Ok(turn) => turn,
            Err(TryLockError::Poisoned(poisoned)) => PoisonError::into_inner(poisoned),
            Err(TryLockError::WouldBlock) => return Err(HindsightError::Busy),
        };
        thread::scope(|threads| {
            let asking = thread::Builder::new().name("policy-past".to_owned()).spawn_scoped(threads, || {
                // The service keeps its cores: whoever waits for this waits a little longer.
                be_nice("the past is asked");
                self.ask(policy, order, scope)
            });
            asking.map_err(HindsightError::Thread)?.join().unwrap_or(Err(HindsightError::Interrupted))
        })
    }
}

/// A journal that says it is closed when the server stops, so that nobody waits for the end of a long walk.
struct Stoppable {
    journal: Arc<dyn JournalRead>,
    stopped: AtomicBool,
}

impl Stoppable {
    fn runs(&self) -> Result<&dyn JournalRead, JournalError> {
        if self.stopped.load(Ordering::Relaxed) { Err(JournalError::Closed) } else { Ok(self.journal.as_ref()) }
    }
}

impl JournalRead for Stoppable {
    fn load(&self, user: &UserKey) -> Result<Loaded, JournalError> {
        self.runs()?.load(user)
    }

    fn records(&self, user: &UserKey, seq: u64, limit: usize) -> Result<Vec<Stored>, JournalError> {
        self.runs()?.records(user, seq, limit)
    }

    fn body(&self, message: &MessageId) -> Result<Option<Bytes>, JournalError> {
        self.runs()?.body(message)
    }

    fn piece(&self, message: &MessageId, number: u32) -> Result<Option<Bytes>, JournalError> {
        self.runs()?.piece(message, number)
    }

    fn body_length(&self, message: &MessageId) -> Result<Option<u64>, JournalError> {
        self.runs()?.body_length(message)
    }

    fn due(&self, from: Timestamp, until: Timestamp, limit: usize) -> Result<Vec<(Timestamp, UserKey)>, JournalError> {
        self.runs()?.due(from, until, limit)
    }

    fn owner_of(&self, message: &MessageId) -> Result<Option<UserKey>, JournalError> {
        self.runs()?.owner_of(message)
    }

    fn users(&self, after: Option<&UserKey>, limit: usize) -> Result<Vec<(UserKey, Head)>, JournalError> {
        self.runs()?.users(after, limit)
    }
}

#[cfg(test)]
mod tests;
