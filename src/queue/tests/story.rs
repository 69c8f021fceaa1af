//! Given, when, then: stories about one user's queue in virtual time, told with messages and clients that have names.

use super::invariants::{Ledger, check_all};
use super::recalling::{check_recall, leads_to_nothing};
use crate::config;
use crate::formats::Profile;
use crate::queue::command::{Binding, Command, Defer, DeliveryEnded, Kept, Outcome, Register};
use crate::queue::decide::{Env, Rules};
use crate::queue::effect::{BoundContact, Effect, Perform, Reply, Send};
use crate::queue::event::{
    BodyKept, Client, ClientGone, ClientRegistered, DeferralRefused, DeliveryFailed, DeliveryFailure, DeliveryStarted,
    DeliveryWithheld, Envelope, ErrandBegun, Event, Gone, HandlingChosen, Imdn, KeptHeader, KeptName, MessageDeferred,
    MessageDelivered, MessageDiscarded, RefusedBy, Retry, Source, StoreAwaited, Transaction, TransferFailed,
    TransferFault,
};
use crate::queue::question::{Admission, Delivery, Disposal, Handling, Judge, Mode, Question, Ruling, Verdict};
use crate::queue::run::{Run, run};
use crate::queue::{Queue, standard};
use crate::types::{Address, ClientId, Digest, IdSource, MessageId, OriginKey, SeedSecret, Timestamp};
use std::cell::RefCell;
use std::rc::Rc;

/// The provider's maximum of these stories, seconds.
pub const WEEK: u64 = 604_800;
pub const SECRET: SeedSecret = SeedSecret([9; 16]);

/// So many seconds after the story began.
pub const fn at(secs: u64) -> Timestamp {
    Timestamp::from_secs(1_267_520_000 + secs)
}

/// The id of the message of this name.
pub fn id(name: &str) -> MessageId {
    let mut id = [0; 16];
    id.copy_from_slice(&Digest::of(name.as_bytes()).0[..16]);
    MessageId(id)
}

/// The id of the client of this name.
pub fn phone(name: &str) -> ClientId {
    ClientId(name.to_owned())
}

pub fn bob() -> Address {
    Address::parse("sip:+12025550200@ims.example.net").unwrap()
}

pub fn rules() -> Rules {
    let (queue, errands) = (config::Queue::default(), config::Errands::default());
    Rules::new(&queue, &errands, "ims.example.net", &config::Realm::default())
}

/// A message as its sender makes it.
#[derive(Clone)]
pub struct Message {
    pub name: String,
    pub defer: Defer,
}

impl From<&str> for Message {
    fn from(name: &str) -> Self {
        message(name)
    }
}

/// A pager message of 28 octets from Alice, received as the story begins.
pub fn message(name: &str) -> Message {
    let header = |name, value: &str| KeptHeader { name, value: value.into() };
    let envelope = Envelope {
        mode: Mode::Pager,
        request_uri: "sip:+12025550200@ims.example.net;user=phone".to_owned(),
        headers: vec![
            header(KeptName::From, "<sip:+12025550100@ims.example.net>;tag=a"),
            header(KeptName::ContentType, "message/cpim"),
            header(KeptName::Subject, "trains"),
        ],
        size: 28,
        imdn: Some(Imdn { message_id: Some("Mk7xQ2b9LhT0".to_owned()), ..Imdn::default() }),
        expires_asked_secs: None,
        anonymous: false,
        return_address: Some("sip:+12025550100@ims.example.net".to_owned()),
    };
    let origin = OriginKey(id(name).0);
    Message { name: name.to_owned(), defer: Defer { envelope, origin, received_at: at(0), kept: None } }
}

impl Message {
    pub fn expires(mut self, secs: u64) -> Self {
        self.defer.envelope.expires_asked_secs = Some(secs);
        self
    }

    pub fn size(mut self, octets: u64) -> Self {
        self.defer.envelope.size = octets;
        self
    }

    pub fn received(mut self, secs: u64) -> Self {
        self.defer.received_at = at(secs);
        self
    }

    /// A large message, whose body has come and is kept under this name.
    pub fn large(mut self, kept: &str) -> Self {
        self.defer.envelope.mode = Mode::Large;
        self.defer.kept = Some(Kept { id: id(kept), digest: Digest::of(kept.as_bytes()) });
        self
    }

    pub fn anonymous(mut self) -> Self {
        self.defer.envelope.anonymous = true;
        self
    }
}

/// One of every kind.
pub const FAULTS: [TransferFault; 9] = [
    TransferFault::Answer,
    TransferFault::TooLarge,
    TransferFault::NotBound,
    TransferFault::Status(400),
    TransferFault::Status(413),
    TransferFault::Unanswered,
    TransferFault::Closed,
    TransferFault::Damaged,
    TransferFault::Unconfigured,
];

/// A client that registered itself as the story began, for an hour.
pub fn client(name: &str) -> Client {
    Client {
        id: phone(name),
        instance: Some(format!("<urn:uuid:{name}>")),
        contact: format!("sip:{name}@198.51.100.7:5060"),
        tags: vec!["urn:urn-7:3gpp-service.ims.icsi.oma.cpm.msg".to_owned()],
        source: Source::Client,
        route: Vec::new(),
        flow: None,
        call_id: format!("reg-{name}"),
        cseq: 1,
        registered_at: at(0),
        expires_at: at(3600),
    }
}

/// What a story can do to a client before it registers.
pub trait ClientWords {
    fn until(self, secs: u64) -> Self;
    fn since(self, secs: u64) -> Self;
    fn series(self, call_id: &str, cseq: u32) -> Self;
    fn contact(self, contact: &str) -> Self;
    fn network(self) -> Self;
    fn nameless(self) -> Self;
}

impl ClientWords for Client {
    fn until(self, secs: u64) -> Self {
        Self { expires_at: at(secs), ..self }
    }

    fn since(self, secs: u64) -> Self {
        Self { registered_at: at(secs), ..self }
    }

    fn series(self, call_id: &str, cseq: u32) -> Self {
        Self { call_id: call_id.to_owned(), cseq, ..self }
    }

    fn contact(self, contact: &str) -> Self {
        Self { contact: contact.to_owned(), ..self }
    }

    fn network(self) -> Self {
        Self { source: Source::Network, ..self }
    }

    fn nameless(self) -> Self {
        Self { source: Source::Network, instance: None, call_id: String::new(), ..self }
    }
}

// Events.

pub fn registered(client: Client) -> Event {
    Event::ClientRegistered(ClientRegistered { client, just_registered: true })
}

pub fn refreshed(client: Client) -> Event {
    Event::ClientRegistered(ClientRegistered { client, just_registered: false })
}

pub fn gone(name: &str, cause: Gone) -> Event {
    Event::ClientGone(ClientGone { client: phone(name), cause })
}

pub fn deferred(message: impl Into<Message>) -> Event {
    let message = message.into();
    let from_receipt = message.defer.received_at.0 - at(0).0;
    deferred_until(message, from_receipt / 1000 + WEEK)
}

pub fn deferred_until(message: impl Into<Message>, secs: u64) -> Event {
    deferred_by(message, secs, native(Admission::Accept { expiry_max_secs: WEEK }))
}

pub fn deferred_by(message: impl Into<Message>, secs: u64, admission: Ruling<Admission>) -> Event {
    let Message { name, defer } = message.into();
    let Defer { envelope, origin, received_at, .. } = defer;
    let deferred = MessageDeferred { id: id(&name), envelope, origin, received_at, expires_at: at(secs), admission };
    Event::MessageDeferred(Box::new(deferred))
}

pub fn body_kept(name: &str, octets: &str) -> Event {
    Event::BodyKept(BodyKept { message: id(name), digest: Digest::of(octets.as_bytes()) })
}

pub fn broken(name: &str, client: &str, fault: TransferFault, retry: Retry) -> Event {
    Event::TransferFailed(TransferFailed { message: id(name), client: phone(client), fault, retry })
}

pub fn refused(message: impl Into<Message>, status: u16, reason: &str, by: RefusedBy) -> Event {
    let Defer { envelope, origin, .. } = message.into().defer;
    Event::DeferralRefused(DeferralRefused { origin, size: envelope.size, status, reason: reason.to_owned(), by })
}

pub fn to_push(name: &str) -> Event {
    handled(name, native(Handling::Push))
}

pub fn handled(name: &str, ruling: Ruling<Handling>) -> Event {
    Event::HandlingChosen(HandlingChosen { message: id(name), ruling })
}

pub fn started(name: &str, client: &str) -> Event {
    started_by(name, client, Judge::Native)
}

pub fn started_by(name: &str, client: &str, judge: Judge) -> Event {
    let transaction = Transaction::named(&call(name, client));
    Event::DeliveryStarted(DeliveryStarted { message: id(name), client: phone(client), transaction, judge })
}

/// The Call-ID that a story gives to attempts that are told and not made.
pub fn call(name: &str, client: &str) -> String {
    format!("{name}-to-{client}")
}

pub fn withheld(name: &str, client: &str, ruling: Ruling<Delivery>) -> Event {
    Event::DeliveryWithheld(DeliveryWithheld { message: id(name), client: phone(client), ruling })
}

pub fn delivered(name: &str, client: &str, status: u16) -> Event {
    Event::MessageDelivered(MessageDelivered { message: id(name), client: phone(client), status })
}

pub fn failed(name: &str, client: &str, failure: DeliveryFailure, retry: Retry) -> Event {
    Event::DeliveryFailed(DeliveryFailed { message: id(name), client: phone(client), failure, retry })
}

pub fn discarded(name: &str) -> Event {
    Event::MessageDiscarded(MessageDiscarded { message: id(name), ruling: native(Disposal::Discard) })
}

pub fn awaits_store(name: &str, ruling: Ruling<Disposal>) -> Event {
    Event::StoreAwaited(StoreAwaited { message: id(name), ruling })
}

// Commands.

/// A command with the random bits of its ids.
pub struct Act {
    pub command: Command,
    pub seed: [u8; 16],
}

pub fn act(command: Command) -> Act {
    Act { command, seed: [1; 16] }
}

pub fn defer(message: impl Into<Message>) -> Act {
    let message = message.into();
    Act { seed: id(&message.name).0, command: Command::Defer(Box::new(message.defer)) }
}

pub fn offer(message: impl Into<Message>) -> Act {
    let message = message.into();
    Act { seed: id(&message.name).0, command: Command::Offer(Box::new(message.defer)) }
}

pub fn register(client: Client) -> Act {
    register_all(client.source, [Binding::Bind(client)])
}

pub fn register_all(source: Source, changes: impl IntoIterator<Item = Binding>) -> Act {
    act(Command::Register(Register { source, changes: changes.into_iter().collect() }))
}

pub fn ended(name: &str, client: &str, outcome: Outcome) -> Act {
    ended_as(name, client, &call(name, client), outcome)
}

pub fn ended_as(name: &str, client: &str, call_id: &str, outcome: Outcome) -> Act {
    let (message, client, call_id) = (id(name), phone(client), call_id.to_owned());
    act(Command::DeliveryEnded(DeliveryEnded { message, client, call_id, outcome }))
}

pub fn answered(name: &str, client: &str, status: u16) -> Act {
    ended(name, client, response(status))
}

pub const fn response(status: u16) -> Outcome {
    Outcome::Response { status, retry_after_secs: None }
}

pub fn tick() -> Act {
    act(Command::Tick)
}

pub fn wake() -> Act {
    act(Command::Wake)
}

// Effects.

pub fn accepted() -> Effect {
    Effect::Reply(Reply::Accepted)
}

pub fn sent(name: &str, client: &str) -> Effect {
    let transaction = Transaction::named(&call(name, client));
    Effect::Send(Send { message: id(name), client: phone(client), transaction })
}

pub fn bound<const N: usize>(clients: [(&Client, u64); N]) -> Effect {
    let contacts = clients.map(|(client, expires_secs)| BoundContact {
        contact: client.contact.clone(),
        instance: client.instance.clone(),
        expires_secs,
    });
    Effect::Reply(Reply::Registered(contacts.to_vec()))
}

pub fn refusal(status: u16, reason: &str, retry_after_secs: Option<u32>) -> Effect {
    Effect::Reply(Reply::Refused { status, reason: reason.to_owned(), retry_after_secs })
}

// Judges.

/// The native rule's verdict.
pub fn native<V>(verdict: V) -> Ruling<V> {
    Ruling { verdict, judge: Judge::Native }
}

pub const COMPONENT: Judge = Judge::Component(Digest([7; 32]));

/// A component's verdict.
pub fn component<V>(verdict: V) -> Ruling<V> {
    Ruling { verdict, judge: COMPONENT }
}

type Policy = Rc<dyn Fn(&Question) -> Option<Verdict>>;

/// A story at the point where something happens.
pub struct Story {
    pub queue: Queue,
    pub now: Timestamp,
    pub rules: Rules,
    pub profile: Profile,
    policy: Policy,
    pub asked: Vec<Question>,
    pub run: Run,
    ledger: Ledger,
}

/// What has happened, all of it as the story began.
pub fn given(events: impl IntoIterator<Item = Event>) -> Story {
    let mut story = Story {
        queue: Queue::new(bob()),
        now: at(0),
        rules: rules(),
        profile: Profile::default(),
        policy: Rc::new(|_| None),
        asked: Vec::new(),
        run: Run::default(),
        ledger: Ledger::new(bob()),
    };
    story.happened(events);
    story
}

impl Story {
    /// More of what has happened, now.
    pub fn and(mut self, events: impl IntoIterator<Item = Event>) -> Self {
        self.happened(events);
        self
    }

    fn happened(&mut self, events: impl IntoIterator<Item = Event>) {
        let events: Vec<Event> = events.into_iter().collect();
        for event in &events {
            self.queue.evolve(event, self.now);
        }
        self.ledger.given(self.now, &events);
    }

    pub fn at(mut self, secs: u64) -> Self {
        self.now = at(secs);
        self
    }

    pub fn rules(mut self, change: impl FnOnce(&mut Rules)) -> Self {
        change(&mut self.rules);
        self
    }

    /// A component that rules where it has something to say; the native rule elsewhere.
    pub fn policy(mut self, policy: impl Fn(&Question) -> Option<Verdict> + 'static) -> Self {
        self.policy = Rc::new(policy);
        self
    }

    pub fn when(mut self, act: Act) -> Self {
        let ids = IdSource::new(act.seed, SECRET);
        let env = Env { now: self.now, ids: &ids, rules: &self.rules, profile: &self.profile };
        let asked = RefCell::new(Vec::new());
        let policy = self.policy.clone();
        let ask = |question: &Question| {
            asked.borrow_mut().push(question.clone());
            policy(question).map_or_else(|| native(standard::answer(question)), component)
        };
        let before = self.queue.clone();
        let mut twin = self.queue.clone();
        self.run = run(&mut self.queue, &act.command, &env, ask);
        let questions = asked.take();
        let repeated = run(&mut twin, &act.command, &env, ask);
        assert_eq!((&repeated, &twin), (&self.run, &self.queue), "the same command again decides the same");
        assert_eq!(asked.take(), questions, "and asks the same");
        let answer =
            |question: &Question| policy(question).map_or_else(|| native(standard::answer(question)), component);
        let events = &self.run.decision.events;
        // A verdict on something else leads to nothing.
        let sound = |(question, ruling): &(Question, Ruling<Verdict>)| question.hook() == ruling.verdict.hook();
        let answered: Vec<_> =
            questions.iter().map(|question| (question.clone(), answer(question))).filter(sound).collect();
        if !leads_to_nothing(&act.command, events) {
            check_recall(&before, events, &answered, self.now, &self.rules);
        }
        self.asked = questions;
        self.ledger.record(self.now, &self.run.decision.events);
        check_all(&self.queue, &self.ledger, &self.rules, self.now, self.run.unfinished);
        self
    }

    /// The events and effects of the last command, all of them, in this order. Names of transactions are made up; that
    /// nobody is to be told of something is not told, and neither are the preferences that were heeded.
    pub fn then<const E: usize, const F: usize>(self, events: [Event; E], effects: [Effect; F]) -> Self {
        let told = |events: &[Event]| {
            let events =
                events.iter().filter(|event| !tells_nobody(event) && !matches!(event, Event::PreferencesHeeded(_)));
            events.cloned().map(unnamed).collect::<Vec<_>>()
        };
        assert_eq!(told(&self.run.decision.events), told(&events), "the events");
        let told = |effects: &[Effect]| effects.iter().cloned().map(unnamed_effect).collect::<Vec<_>>();
        assert_eq!(told(&self.run.decision.effects), told(&effects), "the effects");
        self
    }

    pub fn then_nothing(self) -> Self {
        self.then([], [])
    }

    /// Messages in the queue by the names that the story knows them by.
    pub fn then_queued<const N: usize>(self, names: [&str; N]) -> Self {
        let queued: Vec<MessageId> = self.queue.messages().map(|entry| entry.id).collect();
        assert_eq!(queued, names.map(id), "what is in the queue");
        self
    }

    pub fn then_next_tick(self, secs: u64) -> Self {
        assert_eq!(self.queue.next_tick(self.now), Some(at(secs)), "the next tick");
        self
    }

    /// The transactions of the deliveries that the last command sent.
    pub fn sends(&self) -> Vec<Send> {
        sends(&self.run)
    }

    /// Tells on until nothing happens by itself any more: each `Tick` at its moment.
    pub fn ticks_until(mut self, secs: u64) -> Self {
        while let Some(next) = self.queue.next_tick(self.now).filter(|next| *next <= at(secs)) {
            self.now = next;
            self = self.when(tick());
        }
        self.at(secs)
    }
}

pub fn sends(run: &Run) -> Vec<Send> {
    let sends = run.decision.effects.iter().filter_map(|effect| match effect {
        Effect::Send(send) => Some(send.clone()),
        Effect::Reply(_) | Effect::Perform(_) => None,
    });
    sends.collect()
}

/// An event without the names of its transaction.
pub fn unnamed(event: Event) -> Event {
    match event {
        Event::DeliveryStarted(started) => {
            Event::DeliveryStarted(DeliveryStarted { transaction: Transaction::named(""), ..started })
        }
        Event::ErrandBegun(begun) => Event::ErrandBegun(ErrandBegun { transaction: Transaction::named(""), ..begun }),
        event => event,
    }
}

fn tells_nobody(event: &Event) -> bool {
    matches!(event, Event::NotificationPlanned(planned) if planned.channels.is_empty())
}

fn unnamed_effect(effect: Effect) -> Effect {
    match effect {
        Effect::Send(send) => Effect::Send(Send { transaction: Transaction::named(""), ..send }),
        Effect::Perform(perform) => Effect::Perform(Perform { transaction: Transaction::named(""), ..perform }),
        effect @ Effect::Reply(_) => effect,
    }
}
