//! The decisions: one file per command, each a pure function that asks at most one question.
//!
//! [`decide`] is called with a command and the state before it, [`settle`] again and again on the state after, until
//! nothing is left to do. Either returns [`Step::Ask`] when it needs a verdict, and is then called again with it: being
//! pure, it comes to the same place.

mod defer;
mod deliver;
mod disposition;
mod errand;
mod expire;
mod manage;
mod notify;
mod push;
mod register;
mod wake;

use super::command::Command;
use super::effect::Effect;
use super::event::{Event, PreferencesChanged, PreferencesMissed, StandIn};
use super::question::{
    ClientView, Context, Disposal, Handling, Hook, MessageView, Preferences, Question, Ruling, Verdict,
};
use super::state::{Entry, Queue, Registered};
use crate::config;
use crate::formats::{Expired, Origin, Profile};
use crate::types::{IdSource, MessageId, Timestamp};

pub(super) use defer::expiry;
pub use deliver::{Consequence, consequence};
pub(super) use notify::telling_view;

/// What comes from outside into a decision: the moment, the ids, the rules.
#[derive(Clone, Copy)]
pub struct Env<'a> {
    pub now: Timestamp,
    pub ids: &'a IdSource,
    pub rules: &'a Rules,
    /// The user's preferences.
    pub profile: &'a Profile,
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
    /// Stands in where the user's preferences say nothing (I-36): `None` leaves it to the policy.
    pub handling: Option<Handling>,
    pub expired: Option<Disposal>,
    /// Whether the policy is asked for a notification of a message that waits to be pushed (PUSH-N1).
    pub notify_when_pushing: bool,
    pub errands: ErrandRules,
}

/// What errands go by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrandRules {
    pub in_flight_max: usize,
    pub waiting_max: usize,
    /// A disposition notification is given up after so long.
    pub report_secs_max: u64,
    /// I-17: `stored` instead of `delivered` for a message that was put into the store, where `processing` was asked for.
    pub report_stored: bool,
    /// An expired message that cannot be stored is discarded after so long.
    pub store_secs_max: u64,
    /// Interval of notifications out of band in one absence, doubling up to the second.
    pub out_of_band_again_secs: u64,
    pub out_of_band_again_secs_max: u64,
    /// An expiry is put off by so long while preferences cannot be read, so many times.
    pub postpone_secs: u64,
    pub postponements_max: u32,
    pub has_isf: bool,
}

impl Rules {
    /// The rules of a realm.
    #[must_use]
    pub fn new(queue: &config::Queue, errands: &config::Errands, name: &str, realm: &config::Realm) -> Self {
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
            handling: realm.handling.map(|handling| match handling {
                config::Handling::Push => Handling::Push,
                config::Handling::Manage => Handling::Manage,
            }),
            expired: realm.expired.map(|expired| match expired {
                config::Expired::Discard => Disposal::Discard,
                config::Expired::Store => Disposal::Store,
            }),
            notify_when_pushing: realm.notify_when_pushing,
            errands: ErrandRules::new(errands, realm),
        }
    }
}

impl ErrandRules {
    fn new(errands: &config::Errands, realm: &config::Realm) -> Self {
        Self {
            in_flight_max: errands.in_flight_max,
            waiting_max: errands.waiting_max,
            report_secs_max: errands.report_secs_max,
            report_stored: errands.report_stored,
            store_secs_max: errands.store_secs_max,
            out_of_band_again_secs: errands.out_of_band_again_secs,
            out_of_band_again_secs_max: errands.out_of_band_again_secs_max,
            postpone_secs: errands.postpone_secs,
            postponements_max: errands.postponements_max,
            has_isf: realm.isf.is_some(),
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
        Command::Offer(defer) => defer::offer(queue, defer, ruling, env),
        Command::DeliveryEnded(ended) => deliver::ended(queue, ended, env),
        Command::Inquire(manage) => manage::inquire(queue, manage, env),
        Command::Manage(manage) => manage::decide(queue, manage, env),
        Command::ErrandEnded(ended) => errand::ended(queue, ended, env),
        Command::PreferencesChanged => Step::event(Event::PreferencesChanged(PreferencesChanged {})),
        Command::Tick => Step::nothing(),
        Command::Wake => wake::decide(queue, env),
    }
}

/// Does the next thing that the state itself calls for: lapsed registrations, expired messages, handling, what the
/// recipient is to be told, errands, deliveries.
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
    if let Some(telling) = queue.first_telling() {
        return notify::decide(queue, telling, ruling, env);
    }
    errand::next(queue, env).unwrap_or_else(|| push::next(queue, ruling, env))
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

fn context(queue: &Queue, message: &MessageView, env: &Env) -> Context {
    context_with(queue, preferences(message, env), env.now, env.rules)
}

/// The same, with preferences that are known.
pub(super) fn context_with(queue: &Queue, preferences: Preferences, now: Timestamp, rules: &Rules) -> Context {
    Context {
        now,
        realm: rules.realm.clone(),
        user: queue.user().clone(),
        queue_depth: queue.depth(),
        queue_bytes: queue.bytes(),
        clients: queue.clients().map(client_view).collect(),
        preferences,
        expiry_max_secs: rules.expiry_max_secs,
    }
}

/// The user's preferences for this message, and what the realm says where they say nothing.
fn preferences(message: &MessageView, env: &Env) -> Preferences {
    let found = env.profile.evaluate(message.sender.as_ref().map(crate::types::Address::as_str), env.now);
    let expired = found.expired.map(|expired| match expired {
        Expired::Discard => Disposal::Discard,
        Expired::Store => Disposal::Store,
    });
    Preferences {
        allow_push: found.allow_push.or(env.rules.handling.map(|handling| handling == Handling::Push)),
        expired: expired.or(env.rules.expired),
        do_not_disturb: found.do_not_disturb,
        offline_storage: found.offline_storage,
    }
}

/// What the auditor is told if a decision had to do without the user's own preferences.
fn missed(message: MessageId, decision: Hook, env: &Env) -> Option<Event> {
    let stand_in = match env.profile.origin {
        Origin::Document | Origin::Absent => return None,
        Origin::Stale => StandIn::Stale,
        Origin::Unreachable => StandIn::RealmDefault,
    };
    Some(Event::PreferencesMissed(PreferencesMissed { message, decision, stand_in }))
}

pub(super) fn client_view(registered: &Registered) -> ClientView {
    let client = &registered.client;
    ClientView {
        id: client.id.clone(),
        tags: client.tags.clone(),
        registered_at: client.registered_at,
        expires_at: client.expires_at,
    }
}

pub(super) fn message_view(entry: &Entry) -> MessageView {
    let arrived = Arrived { id: entry.id, received_at: entry.received_at, expires_at: entry.expires_at };
    MessageView { attempts: entry.attempts, handling: entry.handling, ..arrived.view(&entry.envelope) }
}

/// What an envelope does not say of itself.
pub(super) struct Arrived {
    pub(super) id: MessageId,
    pub(super) received_at: Timestamp,
    pub(super) expires_at: Timestamp,
}

impl Arrived {
    pub(super) fn view(&self, envelope: &super::event::Envelope) -> MessageView {
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
            handling: None,
        }
    }
}
