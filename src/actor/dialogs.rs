//! Management INVITEs between their 200 and their ACK: what was asked for is done when the client has confirmed (I-13).

use super::registry::Registry;
use super::shared::{Answer, Job};
use crate::net::{DialogEvent, DialogKey};
use crate::queue::command::{Command, Manage};
use crate::types::Address;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What waits for an ACK; as many as there are dialogs (`sip.dialogs-max`).
#[derive(Default)]
pub struct Dialogs(Mutex<HashMap<DialogKey, Asked>>);

struct Asked {
    user: Address,
    manage: Manage,
}

impl Dialogs {
    /// The 200 is about to be sent.
    pub(super) fn expect(&self, dialog: DialogKey, user: Address, manage: Manage) {
        self.lock().insert(dialog, Asked { user, manage });
    }

    /// The ACK has come: the actions begin. Without one nothing is done, and everything stays deferred.
    pub(super) fn on(&self, registry: &Arc<Registry>, dialog: DialogKey, event: DialogEvent) {
        let Some(Asked { user, manage }) = self.lock().remove(&dialog) else { return };
        if event != DialogEvent::Confirmed {
            return;
        }
        let job = Job { command: Command::Manage(manage), body: None, answer: Some(Answer::HangUp(dialog)) };
        if let Err(refusal) = registry.submit(user.key(), Some(&user), job) {
            registry.shared().turn_away(refusal.into_job().answer);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<DialogKey, Asked>> {
        // A panic while it was held cannot have left the map half-changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
