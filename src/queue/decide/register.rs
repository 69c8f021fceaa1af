//! Registrations: who can be reached, since when, until when (spec 4.2, RFC 3261 section 10.3).

use super::{Decision, Env, Step};
use crate::queue::command::{Binding, Register};
use crate::queue::effect::{BoundContact, Effect, Reply};
use crate::queue::event::{Client, ClientGone, ClientRegistered, Event, Gone, Source};
use crate::queue::state::Queue;
use crate::types::ClientId;
use std::collections::BTreeMap;

/// Applies the changes of one REGISTER, all or none, and answers with the bindings then in force.
pub(super) fn decide(queue: &Queue, register: &Register, env: &Env) -> Step {
    let mut draft = Draft::new(queue, register.source, env);
    for change in &register.changes {
        if let Err(refusal) = draft.apply(change) {
            return Step::effect(Effect::Reply(refusal));
        }
    }
    let bindings = draft.bindings();
    Step::Done(Decision { events: draft.events, effects: vec![Effect::Reply(Reply::Registered(bindings))] })
}

/// A registration that has run out by our own timer counts as gone (duty 3 of spec chapter 5).
pub(super) fn lapse(client: &Client) -> Step {
    Step::event(Event::ClientGone(ClientGone { client: client.id.clone(), cause: Gone::Expired }))
}

/// The bindings as they become while the changes are gone through.
struct Draft<'a> {
    source: Source,
    env: &'a Env<'a>,
    bound: BTreeMap<&'a ClientId, &'a Client>,
    renewed: Vec<Client>,
    events: Vec<Event>,
}

impl<'a> Draft<'a> {
    fn new(queue: &'a Queue, source: Source, env: &'a Env<'a>) -> Self {
        let live = queue.clients().map(|registered| &registered.client).filter(|client| client.expires_at > env.now);
        let bound = live.map(|client| (&client.id, client)).collect();
        Self { source, env, bound, renewed: Vec::new(), events: Vec::new() }
    }

    fn apply(&mut self, change: &'a Binding) -> Result<(), Reply> {
        match change {
            Binding::Bind(client) => self.bind(client),
            Binding::BindNameless(client) => self.bind_nameless(client),
            Binding::Remove(id) => {
                self.remove(id, self.explicit());
                Ok(())
            }
            Binding::End { client, cause } => {
                self.remove(client, *cause);
                Ok(())
            }
            Binding::RemoveAll(cause) => {
                self.remove_others(&[], *cause);
                Ok(())
            }
            Binding::RemoveOthers { keep, cause } => {
                self.remove_others(keep, *cause);
                Ok(())
            }
        }
    }

    const fn explicit(&self) -> Gone {
        match self.source {
            Source::Client => Gone::Explicit,
            Source::Network => Gone::Network,
        }
    }

    fn of_source(&self) -> Vec<&'a ClientId> {
        self.bound.values().filter(|client| client.source == self.source).map(|client| &client.id).collect()
    }

    /// "Just registered" is an edge: a client that is bound already only refreshes.
    fn bind(&mut self, client: &'a Client) -> Result<(), Reply> {
        let known = self.bound.get(&client.id).copied();
        // A nameless client stands for the REGISTERs of many, whose numbers have nothing to do with each other.
        let is_series = known.is_some_and(|known| known.call_id == client.call_id) && !client.is_nameless();
        if is_series && known.is_some_and(|known| known.cseq > client.cseq) {
            return Err(refused(500, "CSeq Out Of Order"));
        }
        self.drop_nameless(client);
        if known.is_none() && self.bound.len() >= self.env.rules.clients_max {
            return Err(refused(403, "Too Many Registered Clients"));
        }
        let before = self.renewed.iter().find(|renewed| renewed.id == client.id).or(known);
        let registered_at = before.map_or(self.env.now, |known| known.registered_at);
        self.register(Client { registered_at, ..client.clone() }, known.is_none());
        self.bound.insert(&client.id, client);
        Ok(())
    }

    /// Once the S-CSCF names a client, the nameless one that stood for it is superseded.
    fn drop_nameless(&mut self, client: &Client) {
        if client.source == Source::Network && !client.is_nameless() {
            let nameless = self.bound.values().filter(|known| known.is_nameless());
            for id in nameless.map(|known| &known.id).collect::<Vec<_>>() {
                self.remove(id, Gone::Network);
            }
        }
    }

    fn bind_nameless(&mut self, client: &'a Client) -> Result<(), Reply> {
        let named =
            self.bound.values().copied().filter(|known| known.source == Source::Network && known.id != client.id);
        let named: Vec<&Client> = named.collect();
        if named.is_empty() {
            return self.bind(client);
        }
        for known in named {
            let expires_at = known.expires_at.max(client.expires_at);
            self.register(Client { expires_at, ..known.clone() }, false);
        }
        Ok(())
    }

    fn register(&mut self, client: Client, just_registered: bool) {
        self.renewed.retain(|renewed| renewed.id != client.id);
        self.renewed.push(client.clone());
        self.events.push(Event::ClientRegistered(ClientRegistered { client, just_registered }));
    }

    fn remove(&mut self, id: &'a ClientId, cause: Gone) {
        self.renewed.retain(|renewed| renewed.id != *id);
        if self.bound.remove(id).is_some() {
            self.events.push(Event::ClientGone(ClientGone { client: id.clone(), cause }));
        }
    }

    fn remove_others(&mut self, keep: &[ClientId], cause: Gone) {
        for id in self.of_source().into_iter().filter(|id| !keep.contains(id)) {
            self.remove(id, cause);
        }
    }

    fn bindings(&self) -> Vec<BoundContact> {
        let untouched =
            self.bound.values().copied().filter(|client| !self.renewed.iter().any(|new| new.id == client.id));
        untouched.chain(&self.renewed).map(|client| self.contact(client)).collect()
    }

    fn contact(&self, client: &Client) -> BoundContact {
        BoundContact {
            contact: client.contact.clone(),
            instance: client.instance.clone(),
            expires_secs: client.expires_at.since(self.env.now).as_secs(),
        }
    }
}

fn refused(status: u16, reason: &str) -> Reply {
    Reply::Refused { status, reason: reason.to_owned(), retry_after_secs: None }
}
