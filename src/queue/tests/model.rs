//! The queue once more, as simply as it can be said: lists that are walked from end to end, no index, no draft, no fold.

use super::story::{at, native, withheld};
use crate::queue::ORIGIN_MEMORY;
use crate::queue::command::{Binding, Command, Defer, DeliveryEnded, Outcome, Register};
use crate::queue::decide::{Consequence, Rules, consequence};
use crate::queue::event::{
    BodyKept, Client, ClientGone, ClientRegistered, DeferralRefused, DeliveryFailed, DeliveryFailure, DeliveryStarted,
    Event, Gone, HandlingChosen, MessageDeferred, MessageDelivered, MessageDiscarded, RefusedBy, Retry, Source,
    StoreAwaited, Transaction, TransferFailed,
};
use crate::queue::question::{
    Admission, Delivery, Disposal, Handling, Hook, Judge, Mode, Notification, Question, Ruling, Verdict,
};
use crate::types::{ClientId, MessageId, OriginKey, Timestamp};
use std::time::Duration;

/// Everything a random judge goes by.
#[derive(Clone, Copy)]
pub struct Case<'a> {
    pub hook: Hook,
    pub message: &'a MessageId,
    pub client: Option<&'a ClientId>,
    pub now: Timestamp,
    pub attempts: u32,
}

/// A judge who is hard to foresee and always says the same.
#[derive(Clone, Copy, Debug)]
pub struct Whim(pub u64);

impl Whim {
    pub fn on(self, question: &Question) -> Ruling<Verdict> {
        let client = match question {
            Question::Delivery { client, .. } => Some(&client.id),
            _ => None,
        };
        let (message, now) = (question.message(), question.context().now);
        let case = Case { hook: question.hook(), message: &message.id, client, now, attempts: message.attempts };
        native(self.verdict(case))
    }

    fn verdict(self, case: Case) -> Verdict {
        let client = case.client.map(|client| client.0.as_bytes()).unwrap_or_default();
        let facts = case.message.0.iter().chain(client).copied().map(u64::from);
        let facts = facts.chain([case.now.0, u64::from(case.attempts), case.hook as u64]);
        let drawn = facts.fold(self.0, |sum, fact| mixed(sum ^ fact));
        let (dice, more) = (drawn % 10, drawn / 10 % 120);
        match case.hook {
            Hook::Admission if dice == 0 => {
                Verdict::Admission(Admission::Refuse { status: 403, reason: "No".to_owned() })
            }
            Hook::Admission if dice < 3 => Verdict::Admission(Admission::Accept { expiry_max_secs: more }),
            Hook::Admission => Verdict::Admission(Admission::Accept { expiry_max_secs: u64::MAX }),
            Hook::Handling => Verdict::Handling(if dice < 9 { Handling::Push } else { Handling::Manage }),
            Hook::Delivery if dice < 2 => Verdict::Delivery(Delivery::Keep),
            Hook::Delivery if dice < 4 => {
                Verdict::Delivery(Delivery::HoldUntil(case.now.after(Duration::from_secs(more))))
            }
            Hook::Delivery => Verdict::Delivery(Delivery::Now),
            Hook::Notification => Verdict::Notification(Notification {
                in_band: dice < 5,
                out_of_band: dice > 3,
                at: (dice == 4).then(|| case.now.after(Duration::from_secs(more))),
            }),
            Hook::Expiry => Verdict::Expiry(if dice < 7 { Disposal::Discard } else { Disposal::Store }),
        }
    }
}

/// One step of a well-known mixer of 64 bits (splitmix64).
pub const fn mixed(bits: u64) -> u64 {
    let a = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let b = (a ^ (a >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let c = (b ^ (b >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    c ^ (c >> 31)
}

/// The same queue, slowly.
pub struct Model {
    pub rules: Rules,
    pub whim: Whim,
    clients: Vec<Known>,
    messages: Vec<Kept>,
    origins: Vec<(OriginKey, Timestamp)>,
    now: Timestamp,
    events: Vec<Event>,
}

#[derive(Clone)]
struct Known {
    client: Client,
    since: Timestamp,
    failures: u32,
    /// `Timestamp::MAX`: until it registers.
    paused_until: Timestamp,
}

struct Kept {
    deferred: MessageDeferred,
    handling: Option<Handling>,
    open: Vec<(ClientId, Timestamp)>,
    attempts: u32,
    /// `Timestamp::MAX`: until it registers.
    bars: Vec<(ClientId, Timestamp)>,
    declined: bool,
    stored: bool,
}

const NEVER: Timestamp = Timestamp::MAX;

impl Model {
    pub fn new(rules: Rules, whim: Whim) -> Self {
        let (clients, messages, origins, events) = Default::default();
        Self { rules, whim, clients, messages, origins, now: at(0), events }
    }

    /// The events of a command and of all that follows from it, names of transactions apart.
    pub fn run(&mut self, command: &Command, new_id: MessageId, now: Timestamp) -> Vec<Event> {
        self.now = now;
        match command {
            Command::Register(register) => self.register(register),
            Command::Defer(defer) => self.defer(defer, new_id),
            Command::DeliveryEnded(ended) => self.ended(ended),
            Command::Tick
            | Command::Inquire(_)
            | Command::Offer(_)
            | Command::Manage(_)
            | Command::ErrandEnded(_)
            | Command::PreferencesChanged => {}
            Command::Wake => self.wake(),
        }
        while self.settle() {}
        std::mem::take(&mut self.events)
    }

    fn verdict(&self, hook: Hook, kept: usize, client: Option<&ClientId>) -> Verdict {
        let kept = &self.messages[kept];
        self.whim.verdict(Case { hook, message: &kept.deferred.id, client, now: self.now, attempts: kept.attempts })
    }

    fn defer(&mut self, defer: &Defer, id: MessageId) {
        if self.origins.iter().any(|(origin, at)| *origin == defer.origin && self.now.since(*at) <= ORIGIN_MEMORY) {
            return;
        }
        let size = defer.envelope.size;
        let octets: u64 = self.messages.iter().map(|kept| kept.deferred.envelope.size).sum();
        let refused = |by, status, reason: &str| {
            Event::DeferralRefused(DeferralRefused {
                origin: defer.origin,
                size,
                status,
                reason: reason.to_owned(),
                by,
            })
        };
        if self.messages.len() as u64 >= self.rules.messages_max {
            return self.events.push(refused(RefusedBy::MessagesMax, 480, "Queue Full"));
        }
        if octets + size > self.rules.bytes_max {
            return self.events.push(refused(RefusedBy::BytesMax, 480, "Queue Full"));
        }
        let id = defer.kept.map_or(id, |kept| kept.id);
        let case = Case { hook: Hook::Admission, message: &id, client: None, now: self.now, attempts: 0 };
        let verdict = match self.whim.verdict(case) {
            Verdict::Admission(verdict) => verdict,
            other => panic!("{other:?} is no admission"),
        };
        let max = match &verdict {
            Admission::Refuse { status, reason } => {
                return self.events.push(refused(RefusedBy::Policy(Judge::Native), *status, reason));
            }
            Admission::Accept { expiry_max_secs } => *expiry_max_secs,
        };
        let asked = defer.envelope.expires_asked_secs.unwrap_or(u64::MAX);
        let life = asked.min(max).min(self.rules.expiry_max_secs);
        let deferred = MessageDeferred {
            id,
            envelope: defer.envelope.clone(),
            origin: defer.origin,
            received_at: defer.received_at,
            expires_at: Timestamp(defer.received_at.0 + 1000 * life),
            admission: native(verdict),
        };
        self.origins.push((defer.origin, defer.received_at));
        self.events.push(Event::MessageDeferred(Box::new(deferred.clone())));
        let kept = defer.kept.map(|kept| Event::BodyKept(BodyKept { message: id, digest: kept.digest }));
        self.events.extend(kept);
        let (handling, attempts, open, bars) = Default::default();
        self.messages.push(Kept { deferred, handling, attempts, open, bars, declined: false, stored: false });
    }

    fn register(&mut self, register: &Register) {
        let (clients, events) = (self.clients.clone(), self.events.len());
        let mut edges = Vec::new();
        for change in &register.changes {
            let taken = match change {
                Binding::Bind(client) => self.bind(client, &mut edges),
                Binding::BindNameless(client) => self.bind_nameless(client, &mut edges),
                Binding::Remove(id) => {
                    let explicit = if register.source == Source::Client { Gone::Explicit } else { Gone::Network };
                    self.unbind(|client| client.id == *id, explicit, &mut edges);
                    true
                }
                Binding::End { client, cause } => {
                    self.unbind(|known| known.id == *client, *cause, &mut edges);
                    true
                }
                Binding::RemoveAll(cause) => {
                    self.unbind(|client| client.source == register.source, *cause, &mut edges);
                    true
                }
                Binding::RemoveOthers { keep, cause } => {
                    let leaves = |client: &Client| client.source == register.source && !keep.contains(&client.id);
                    self.unbind(leaves, *cause, &mut edges);
                    true
                }
            };
            if !taken {
                self.clients = clients;
                self.events.truncate(events);
                return;
            }
        }
        for (id, is_edge) in edges {
            for kept in &mut self.messages {
                kept.bars.retain(|(barred, _)| *barred != id);
                kept.declined &= !is_edge;
            }
        }
    }

    fn is_live(&self, known: &Known) -> bool {
        known.client.expires_at > self.now
    }

    fn bind(&mut self, client: &Client, edges: &mut Vec<(ClientId, bool)>) -> bool {
        let place = self.clients.iter().position(|known| known.client.id == client.id && self.is_live(known));
        let old = place.map(|place| self.clients[place].clone());
        if let Some(old) = &old {
            let later = old.client.cseq > client.cseq;
            if old.client.call_id == client.call_id && later && !client.is_nameless() {
                return false;
            }
        }
        if client.source == Source::Network && !client.is_nameless() {
            self.unbind(Client::is_nameless, Gone::Network, edges);
        }
        let live = self.clients.iter().filter(|known| self.is_live(known)).count();
        if old.is_none() && live >= self.rules.clients_max {
            return false;
        }
        self.bound(client, old);
        if place.is_none() {
            edges.push((client.id.clone(), true));
        }
        true
    }

    /// A refresh keeps its place, a new registration comes last.
    fn bound(&mut self, client: &Client, old: Option<Known>) {
        let now = self.now;
        let registered_at = old.as_ref().map_or(now, |old| old.client.registered_at);
        let client = Client { registered_at, ..client.clone() };
        let just_registered = old.is_none();
        self.events.push(Event::ClientRegistered(ClientRegistered { client: client.clone(), just_registered }));
        let fresh = Known { client: client.clone(), since: now, failures: 0, paused_until: Timestamp(0) };
        let Some(old) = old else {
            self.clients.retain(|known| known.client.id != client.id);
            return self.clients.push(fresh);
        };
        let same = old.client.contact == client.contact && old.client.call_id == client.call_id;
        let renewed = if same { Known { client: client.clone(), ..old } } else { fresh };
        let place = self.clients.iter().position(|known| known.client.id == client.id);
        self.clients[place.expect("it was there")] = renewed;
    }

    fn bind_nameless(&mut self, client: &Client, edges: &mut Vec<(ClientId, bool)>) -> bool {
        let others = self.clients.iter().filter(|known| {
            self.is_live(known) && known.client.source == Source::Network && known.client.id != client.id
        });
        let mut others: Vec<Known> = others.cloned().collect();
        others.sort_by(|a, b| a.client.id.cmp(&b.client.id));
        if others.is_empty() {
            return self.bind(client, edges);
        }
        for other in others {
            let expires_at = other.client.expires_at.max(client.expires_at);
            self.bound(&Client { expires_at, ..other.client.clone() }, Some(other));
        }
        true
    }

    fn unbind(&mut self, which: impl Fn(&Client) -> bool, cause: Gone, edges: &mut Vec<(ClientId, bool)>) {
        let live = self.clients.iter().filter(|known| self.is_live(known) && which(&known.client));
        let mut ids: Vec<ClientId> = live.map(|known| known.client.id.clone()).collect();
        ids.sort();
        for client in ids {
            self.clients.retain(|known| known.client.id != client);
            edges.push((client.clone(), false));
            self.events.push(Event::ClientGone(ClientGone { client, cause }));
        }
    }

    fn ended(&mut self, ended: &DeliveryEnded) {
        let Some(place) = self.messages.iter().position(|kept| kept.deferred.id == ended.message) else { return };
        let kept = &mut self.messages[place];
        let Some(open) = kept.open.iter().position(|(client, _)| *client == ended.client) else { return };
        let (_, started_at) = kept.open.remove(open);
        let known = self.clients.iter_mut().find(|known| known.client.id == ended.client);
        let (message, client) = (ended.message, ended.client.clone());
        if let Outcome::Response { status: status @ 200..=299, .. } = ended.outcome {
            if let Some(known) = known {
                (known.failures, known.paused_until) = (0, Timestamp(0));
            }
            self.messages.remove(place);
            return self.events.push(Event::MessageDelivered(MessageDelivered { message, client, status }));
        }
        let (now, attempts) = (self.now, kept.attempts);
        let failures = known.as_ref().map_or(0, |k| k.failures - u32::from(k.paused_until > now));
        let retry = match consequence(ended.outcome) {
            Consequence::PairBarred => Retry::PairWhenRegistered,
            Consequence::MessageDeclined => Retry::MessageWhenRegistered,
            Consequence::Nothing => Retry::AtOnce,
            Consequence::PairPauses => Retry::PairAt(self.later(attempts - 1, ended.outcome)),
            _ if known.as_ref().is_some_and(|known| started_at < known.since) => Retry::AtOnce,
            Consequence::ClientAway => Retry::ClientWhenRegistered,
            Consequence::ClientPauses => Retry::ClientAt(self.later(failures, ended.outcome)),
        };
        let known = self.clients.iter_mut().find(|known| known.client.id == ended.client);
        let kept = &mut self.messages[place];
        let pause = match retry {
            Retry::ClientAt(at) => Some(at),
            Retry::ClientWhenRegistered => Some(NEVER),
            _ => None,
        };
        kept.declined |= retry == Retry::MessageWhenRegistered;
        if let Some(known) = known {
            match retry {
                Retry::PairWhenRegistered => kept.bar(&client, NEVER),
                Retry::PairAt(at) => kept.bar(&client, at),
                _ => {}
            }
            if let Some(pause) = pause {
                known.failures += u32::from(known.paused_until <= now);
                known.paused_until = known.paused_until.max(pause);
            }
        }
        let failure = match ended.outcome {
            Outcome::Response { status, .. } => DeliveryFailure::Status(status),
            Outcome::Timeout => DeliveryFailure::Timeout,
            Outcome::Transport => DeliveryFailure::Transport,
            Outcome::Congestion => DeliveryFailure::Congestion,
            Outcome::Unsent => DeliveryFailure::Interrupted,
            Outcome::Broken(fault) => {
                return self.events.push(Event::TransferFailed(TransferFailed { message, client, fault, retry }));
            }
        };
        self.events.push(Event::DeliveryFailed(DeliveryFailed { message, client, failure, retry }));
    }

    fn later(&self, failures: u32, outcome: Outcome) -> Timestamp {
        let mut secs = self.rules.backoff_min_secs;
        for _ in 0..failures {
            secs = (secs * 2).min(self.rules.backoff_max_secs);
        }
        if let Outcome::Response { retry_after_secs: Some(asked), .. } = outcome {
            secs = secs.max(asked.into()).min(self.rules.backoff_max_secs);
        }
        Timestamp(self.now.0 + 1000 * secs)
    }

    fn wake(&mut self) {
        let there: Vec<ClientId> =
            self.clients.iter().filter(|known| self.is_live(known)).map(|known| known.client.id.clone()).collect();
        for kept in &mut self.messages {
            let (now, expires_at, message) = (self.now, kept.deferred.expires_at, kept.deferred.id);
            let is_large = kept.deferred.envelope.mode == Mode::Large;
            let lost = kept.open.extract_if(.., |(client, started_at)| {
                is_large || now.0 > started_at.0 + 28_000 || expires_at <= now || !there.contains(client)
            });
            self.events.extend(lost.map(|(client, _)| {
                let (failure, retry) = (DeliveryFailure::Interrupted, Retry::AtOnce);
                Event::DeliveryFailed(DeliveryFailed { message, client, failure, retry })
            }));
        }
    }

    /// The next thing to do, if any is left.
    fn settle(&mut self) -> bool {
        self.lapse() || self.expire() || self.handle() || self.push()
    }

    fn lapse(&mut self) -> bool {
        let Some(place) = self.clients.iter().position(|known| !self.is_live(known)) else { return false };
        let client = self.clients.remove(place).client.id;
        for kept in &mut self.messages {
            kept.bars.retain(|(barred, _)| *barred != client);
        }
        self.events.push(Event::ClientGone(ClientGone { client, cause: Gone::Expired }));
        true
    }

    fn expire(&mut self) -> bool {
        let over = |kept: &Kept| !kept.stored && kept.open.is_empty() && kept.deferred.expires_at <= self.now;
        let expired = (0..self.messages.len()).filter(|place| over(&self.messages[*place]));
        let Some(place) = expired.min_by_key(|place| (self.messages[*place].deferred.expires_at, *place)) else {
            return false;
        };
        let message = self.messages[place].deferred.id;
        let Verdict::Expiry(verdict) = self.verdict(Hook::Expiry, place, None) else { panic!("no disposal") };
        let ruling = native(verdict);
        if verdict == Disposal::Discard {
            self.messages.remove(place);
            self.events.push(Event::MessageDiscarded(MessageDiscarded { message, ruling }));
        } else {
            self.messages[place].stored = true;
            self.events.push(Event::StoreAwaited(StoreAwaited { message, ruling }));
        }
        true
    }

    fn handle(&mut self) -> bool {
        let new = |kept: &Kept| kept.handling.is_none() && !kept.stored;
        let Some(place) = self.messages.iter().position(new) else { return false };
        let Verdict::Handling(verdict) = self.verdict(Hook::Handling, place, None) else { panic!("no handling") };
        self.messages[place].handling = Some(verdict);
        let message = self.messages[place].deferred.id;
        self.events.push(Event::HandlingChosen(HandlingChosen { message, ruling: native(verdict) }));
        true
    }

    fn push(&mut self) -> bool {
        let flying = self.messages.iter().filter(|kept| !kept.open.is_empty()).count();
        for place in 0..self.messages.len() {
            let kept = &self.messages[place];
            let may = kept.handling == Some(Handling::Push) && !kept.stored && kept.deferred.expires_at > self.now;
            if !may || kept.declined || (kept.open.is_empty() && flying >= self.rules.in_flight_max) {
                continue;
            }
            let free = self.clients.iter().rev().map(|known| (&known.client.id, known)).find(|(id, known)| {
                self.is_live(known)
                    && known.paused_until <= self.now
                    && !kept.open.iter().any(|(open, _)| open == *id)
                    && !kept.bars.iter().any(|(barred, until)| barred == *id && *until > self.now)
            });
            let Some(client) = free.map(|(id, _)| id.clone()) else { continue };
            let Verdict::Delivery(verdict) = self.verdict(Hook::Delivery, place, Some(&client)) else {
                panic!("no delivery")
            };
            self.offered(place, client, verdict);
            return true;
        }
        false
    }

    fn offered(&mut self, place: usize, client: ClientId, verdict: Delivery) {
        let kept = &mut self.messages[place];
        let held = match verdict {
            Delivery::HoldUntil(at) if at > self.now => Some(at),
            Delivery::Keep => Some(NEVER),
            _ => None,
        };
        let mut event = withheld("", &client.0, native(verdict));
        if let Event::DeliveryWithheld(withheld) = &mut event {
            withheld.message = kept.deferred.id;
        }
        if let Some(until) = held {
            kept.bar(&client, until);
            return self.events.push(event);
        }
        kept.attempts += 1;
        kept.bars.retain(|(barred, _)| *barred != client);
        kept.open.push((client.clone(), self.now));
        self.events.push(Event::DeliveryStarted(DeliveryStarted {
            message: kept.deferred.id,
            client,
            transaction: Transaction::named(""),
            judge: Judge::Native,
        }));
    }
}

impl Kept {
    fn bar(&mut self, client: &ClientId, until: Timestamp) {
        self.bars.retain(|(barred, _)| barred != client);
        self.bars.push((client.clone(), until));
    }
}
