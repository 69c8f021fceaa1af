//! The front desk: requests from the network become answers at once, or jobs for a user.

use super::registry::Registry;
use super::shared::{Answer, Job, Shared};
use crate::net::{DialogEvent, DialogKey, Handler, Incoming, ServerKey};
use crate::pf::{self, Gate, Invitation, Management, Receipt, Received, Verb};
use crate::queue::command::{Command, Defer};
use crate::types::Address;
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
            Received::Notify => shared.subscriptions.notify(shared, incoming),
            Received::Manage(management) => open.manage(shared, incoming.key, management),
            Received::Large(invitation) => open.offer(shared, incoming.key, invitation),
        }
    }

    fn on_dialog(&self, dialog: DialogKey, event: DialogEvent) {
        if let Some(open) = self.open.get() {
            open.registry.shared().dialogs.on(&open.registry, dialog, event);
        }
    }

    fn is_overloaded(&self) -> bool {
        self.closing.load(Ordering::Acquire) || self.open.get().is_none()
    }
}

impl Open {
    fn submit(&self, shared: &Shared, key: ServerKey, verb: Verb) {
        let answer = Some(Answer::Wire { key, context: verb.context });
        let job = Job { command: verb.command, body: verb.body, answer };
        if self.hand_over(shared, &verb.user, job) {
            verb.order.into_iter().for_each(|order| shared.subscriptions.order(order));
        }
    }

    /// First it is asked whether there is anything to manage; what is to be done waits for the ACK.
    fn manage(&self, shared: &Shared, key: ServerKey, management: Box<Management>) {
        let (user, command) = (management.user.clone(), Command::Inquire(management.manage.clone()));
        let answer = Some(Answer::Invitation { key, management });
        self.hand_over(shared, &user, Job { command, body: None, answer });
    }

    /// First it is asked whether the message would be taken; then it comes.
    fn offer(&self, shared: &Shared, key: ServerKey, invitation: Box<Invitation>) {
        let user = invitation.user.clone();
        let (origin, received_at) = (invitation.origin, invitation.received_at);
        let offer = Defer { envelope: invitation.offered(), origin, received_at, kept: None };
        let answer = Some(Answer::Large { key, invitation });
        self.hand_over(shared, &user, Job { command: Command::Offer(Box::new(offer)), body: None, answer });
    }

    /// Whether it was taken.
    fn hand_over(&self, shared: &Shared, user: &Address, job: Job) -> bool {
        let taken = self.registry.submit(user.key(), Some(user), job);
        if let Err(refusal) = taken {
            shared.turn_away(refusal.into_job().answer);
            return false;
        }
        true
    }
}
