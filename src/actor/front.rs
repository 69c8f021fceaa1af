//! The front desk: requests from the network become answers at once, or jobs for a user.

use super::registry::Registry;
use super::shared::{Answer, Job, Shared};
use crate::net::{Handler, Incoming, ServerKey};
use crate::pf::{self, Gate, Receipt, Received, Verb};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// The network's handler. It is made before the sockets and opened after everything else.
#[derive(Default)]
pub struct Front {
    open: OnceLock<Open>,
    closing: AtomicBool,
}

struct Open {
    registry: Arc<Registry>,
    gate: Gate,
}

impl Front {
    /// From now on requests are served; until now they got 503.
    pub fn open(&self, registry: Arc<Registry>, gate: Gate) {
        // Opened once by the composition root; a second time would change nothing.
        let _ = self.open.set(Open { registry, gate });
    }

    /// From now on new requests get 503.
    pub fn close(&self) {
        self.closing.store(true, Ordering::Release);
    }
}

impl Handler for Front {
    fn on_request(&self, incoming: Incoming) {
        let Some(open) = self.open.get() else { return };
        let shared = open.registry.shared();
        let receipt = Receipt {
            request: &incoming.request,
            peer: incoming.peer,
            transport: incoming.transport,
            received_at: incoming.received_at,
        };
        match pf::receive(&shared.settings, &open.gate, shared.secret(), receipt) {
            Received::Nothing => {}
            Received::Answer(response) => shared.endpoint.respond(incoming.key, &response),
            Received::Forward { request, target } => shared.endpoint.forward(incoming.key, request, target),
            Received::Command(verb) => open.submit(shared, incoming.key, *verb),
        }
    }

    fn is_overloaded(&self) -> bool {
        self.closing.load(Ordering::Acquire) || self.open.get().is_none()
    }
}

impl Open {
    fn submit(&self, shared: &Shared, key: ServerKey, verb: Verb) {
        let answer = Some(Answer { key, context: verb.context });
        let job = Job { command: verb.command, body: verb.body, answer };
        if let Err(refusal) = self.registry.submit(verb.user.key(), Some(&verb.user), job) {
            shared.turn_away(refusal.into_job().answer.as_ref());
        }
    }
}
