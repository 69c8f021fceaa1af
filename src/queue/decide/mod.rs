//! The decisions: one file per command, each a pure function that asks at most one question.
//!
//! [`decide`] is called with a command and the state before it, [`settle`] again and again on the state after, until
//! nothing is left to do. Either returns [`Step::Ask`] when it needs a verdict, and is then called again with it: being
//! pure, it comes to the same place.

mod defer;
mod deliver;
mod expire;
mod push;
mod register;
mod wake;

use super::command::Command;
use super::effect::Effect;
use super::event::Event;
use super::question::{ClientView, Context, MessageView, Preferences, Question, Ruling, Verdict};
use super::state::{Entry, Queue, Registered};
use crate::config;
use crate::types::{IdSource, Timestamp};

pub use deliver::{Consequence, consequence};

/// What comes from outside into a decision: the moment, the ids, the rules.
#[derive(Clone, Copy)]
pub struct Env<'a> {
    pub now: Timestamp,
    pub ids: &'a IdSource,
    pub rules: &'a Rules,
}

/// The limits and intervals that decisions go by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    pub realm: String,
    pub expiry_max_secs: u64,
    pub messages_max: u64,
    pub bytes_max: u64,
    pub retry_after_secs: u32,
    pub clients_max: usize,
    pub in_flight_max: usize,
    pub backoff_min_secs: u64,
    pub backoff_max_secs: u64,
    pub questions_max: usize,
}

impl Rules {
    /// The rules of a realm.
    #[must_use]
    pub fn new(queue: &config::Queue, name: &str, realm: &config::Realm) -> Self {
        Self {
            realm: name.to_owned(),
            expiry_max_secs: realm.expiry_max_secs,
            messages_max: queue.messages_max,
            bytes_max: queue.bytes_max,
            retry_after_secs: queue.retry_after_secs,
            clients_max: queue.clients_max,
            in_flight_max: queue.in_flight_max,
            backoff_min_secs: queue.backoff_min_secs,
            backoff_max_secs: queue.backoff_max_secs,
            questions_max: queue.questions_max,
        }
    }
}

/// How far a decision came. A question is large, but it lives for one call and is never kept in numbers.
#[allow(clippy::large_enum_variant)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// It needs this verdict; call again with it.
    Ask(Question),
    /// It is taken.
    Done(Decision),
}

/// Events to store and effects to perform once they are durable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    pub events: Vec<Event>,
    pub effects: Vec<Effect>,
}

impl Step {
    /// Nothing to store, nothing to do.
    #[must_use]
    pub fn nothing() -> Self {
        Self::Done(Decision::default())
    }

    fn event(event: Event) -> Self {
        Self::Done(Decision { events: vec![event], effects: Vec::new() })
    }

    fn effect(effect: Effect) -> Self {
        Self::Done(Decision { events: Vec::new(), effects: vec![effect] })
    }
}

/// Takes the decision that a command calls for.
#[must_use]
pub fn decide(queue: &Queue, command: &Command, ruling: Option<&Ruling<Verdict>>, env: &Env) -> Step {
    match command {
        Command::Register(register) => register::decide(queue, register, env),
        Command::Defer(defer) => defer::decide(queue, defer, ruling, env),
        Command::DeliveryEnded(ended) => deliver::ended(queue, ended, env),
        Command::Tick => Step::nothing(),
        Command::Wake => wake::decide(queue, env),
    }
}

/// Does the next thing that the state itself calls for: lapsed registrations, expired messages, handling, deliveries.
#[must_use]
pub fn settle(queue: &Queue, ruling: Option<&Ruling<Verdict>>, env: &Env) -> Step {
    if let Some(client) = queue.first_lapsed(env.now) {
        return register::lapse(client);
    }
    if let Some(entry) = queue.first_expired(env.now) {
        return expire::decide(queue, entry, ruling, env);
    }
    if let Some(entry) = queue.first_unhandled() {
        return defer::handling(queue, entry, ruling, env);
    }
    push::next(queue, ruling, env)
}

/// The ruling as one on this decision. A verdict on another one cannot come from our own host; it counts as none.
macro_rules! ruling_on {
    ($ruling:expr, $variant:ident) => {
        match $ruling {
            Some(Ruling { verdict: Verdict::$variant(verdict), judge }) => {
                Some(Ruling { verdict: verdict.clone(), judge: *judge })
            }
            _ => None,
        }
    };
}
use ruling_on;

fn context(queue: &Queue, env: &Env) -> Context {
    Context {
        now: env.now,
        realm: env.rules.realm.clone(),
        user: queue.user().clone(),
        queue_depth: queue.depth(),
        queue_bytes: queue.bytes(),
        clients: queue.clients().map(client_view).collect(),
        preferences: Preferences::default(),
        expiry_max_secs: env.rules.expiry_max_secs,
    }
}

fn client_view(registered: &Registered) -> ClientView {
    let client = &registered.client;
    ClientView {
        id: client.id.clone(),
        tags: client.tags.clone(),
        registered_at: client.registered_at,
        expires_at: client.expires_at,
    }
}

fn message_view(entry: &Entry) -> MessageView {
    let arrived = Arrived { id: entry.id, received_at: entry.received_at, expires_at: entry.expires_at };
    MessageView { attempts: entry.attempts, ..arrived.view(&entry.envelope) }
}

/// What an envelope does not say of itself.
struct Arrived {
    id: crate::types::MessageId,
    received_at: Timestamp,
    expires_at: Timestamp,
}

impl Arrived {
    fn view(&self, envelope: &super::event::Envelope) -> MessageView {
        use super::event::KeptName;
        let sender = envelope.return_address.as_deref().filter(|_| !envelope.anonymous);
        MessageView {
            id: self.id,
            mode: envelope.mode,
            sender: sender.and_then(|sender| crate::types::Address::parse(sender).ok()),
            size: envelope.size,
            content_type: envelope.text(KeptName::ContentType).unwrap_or_default(),
            subject: envelope.text(KeptName::Subject),
            received_at: self.received_at,
            expires_asked_secs: envelope.expires_asked_secs,
            expires_at: self.expires_at,
            attempts: 0,
        }
    }
}
