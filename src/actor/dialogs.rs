//! Calls that somebody waits for: management INVITEs between their 200 and their ACK (what was asked for is done when the
//! client has confirmed, I-13), and large messages, whose transfer ends with their call.

use super::registry::Registry;
use super::shared::{Answer, Job};
use crate::net::{Cause, DialogEvent, DialogKey};
use crate::queue::command::{Command, Manage};
use crate::types::Address;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// Who waits; as many as there are dialogs (`sip.dialogs-max`).
#[derive(Default)]
pub struct Dialogs(Mutex<HashMap<DialogKey, Waiting>>);

enum Waiting {
    /// For the ACK.
    Manage(Asked),
    /// For the end.
    Transfer(oneshot::Sender<Cause>),
}

struct Asked {
    user: Address,
    manage: Manage,
}

impl Dialogs {
    /// The 200 to a management INVITE is about to be sent.
    pub(super) fn expect(&self, dialog: DialogKey, user: Address, manage: Manage) {
        self.lock().insert(dialog, Waiting::Manage(Asked { user, manage }));
    }

    /// Resolves when this dialog ends. One that never comes to be is to be forgotten.
    pub(super) fn watch(&self, dialog: DialogKey) -> oneshot::Receiver<Cause> {
        let (tell, ended) = oneshot::channel();
        self.lock().insert(dialog, Waiting::Transfer(tell));
        ended
    }

    /// Nothing will be told of this dialog.
    pub(super) fn forget(&self, dialog: DialogKey) {
        self.lock().remove(&dialog);
    }

    /// Something has become of a dialog.
    pub(super) fn on(&self, registry: &Arc<Registry>, dialog: DialogKey, event: DialogEvent) {
        let waiting = {
            let mut waiting = self.lock();
            match (waiting.get(&dialog), event) {
                (None, _) | (Some(Waiting::Transfer(_)), DialogEvent::Confirmed) => return,
                _ => waiting.remove(&dialog),
            }
        };
        match (waiting, event) {
            // Whoever waited may have gone.
            (Some(Waiting::Transfer(tell)), DialogEvent::Ended(cause)) => drop(tell.send(cause)),
            (Some(Waiting::Manage(asked)), DialogEvent::Confirmed) => asked.begin(registry, dialog),
            // Without an ACK nothing is done, and everything stays deferred.
            _ => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<DialogKey, Waiting>> {
        // A panic while it was held cannot have left the map half-changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Asked {
    fn begin(self, registry: &Arc<Registry>, dialog: DialogKey) {
        let job = Job { command: Command::Manage(self.manage), body: None, answer: Some(Answer::HangUp(dialog)) };
        if let Err(refusal) = registry.submit(self.user.key(), Some(&self.user), job) {
            registry.shared().turn_away(refusal.into_job().answer);
        }
    }
}
