//! Following the registration states of users (RFC 3680): one task drives every subscription, in memory only.
//!
//! What is lost in a crash comes back with the user's next third-party REGISTER, or when the user wakes.

use super::registry::Registry;
use super::shared::{Answer, Job, Shared};
use crate::metrics::{Direction, Limit, Method, Metrics};
use crate::net::{Incoming, OutRequest, Outcome, Target};
use crate::pf::reg_event::{self, Interest, Order, Reading, Told};
use crate::pf::{RealmSettings, ReplyContext};
use crate::queue::Queue;
use crate::queue::command::{Binding, Command, Register};
use crate::queue::event::{Gone, Source};
use crate::sip::subscription::{Cause, Event, Input, Reason, Subscription, Transmit};
use crate::sip::transaction::MAGIC_COOKIE;
use crate::types::{Timestamp, UserKey};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Orders and NOTIFYs that may wait for the task.
const WAITING_MAX: usize = 16_384;
/// With nothing to wait for, the task looks around this often.
const FAR: Duration = Duration::from_hours(1);

/// The handle by which orders and NOTIFYs reach the task.
#[derive(Clone)]
pub struct Subscriptions {
    inbox: mpsc::Sender<Arrival>,
    metrics: Arc<Metrics>,
}

/// Something for the task.
enum Arrival {
    Order(Order),
    Notify(Box<Incoming>),
    /// What a NOTIFY told this user could not be stored.
    Missed(UserKey),
}

/// Whom to tell that a NOTIFY's command was not done.
pub struct Missed {
    subscriptions: Subscriptions,
    user: UserKey,
}

impl std::fmt::Debug for Missed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Missed({})", self.user)
    }
}

impl Missed {
    pub(super) fn tell(&self) {
        self.subscriptions.put(Arrival::Missed(self.user));
    }
}

impl Subscriptions {
    /// The handle, and the end that [`Subscriber::new`] wants.
    #[must_use]
    pub fn new(metrics: Arc<Metrics>) -> (Self, Orders) {
        let (inbox, orders) = mpsc::channel(WAITING_MAX);
        (Self { inbox, metrics }, Orders(orders))
    }

    /// What a registration asks for. An order for which there is no room is lost: the next registration repeats it.
    pub fn order(&self, order: Order) {
        self.put(Arrival::Order(order));
    }

    /// Hands over a NOTIFY of the reg event; it is answered, now or later.
    pub(super) fn notify(&self, shared: &Shared, incoming: Incoming) {
        let (key, context) = (incoming.key, ReplyContext::notify(&incoming.request));
        if !self.put(Arrival::Notify(Box::new(incoming))) {
            shared.endpoint.respond(key, &shared.settings.unavailable(&context));
        }
    }

    fn put(&self, arrival: Arrival) -> bool {
        let taken = self.inbox.try_send(arrival);
        if matches!(taken, Err(mpsc::error::TrySendError::Full(_))) {
            self.metrics.limit_hit(Limit::SubscriptionOrders);
        }
        taken.is_ok()
    }
}

impl Shared {
    /// A user has woken who may have been followed before a restart.
    pub(super) fn follow(&self, queue: &Queue, realm: &Arc<RealmSettings>) {
        let clients = queue.clients().map(|registered| &registered.client);
        if let Some(interest) = reg_event::resumed(queue.user(), realm, clients, self.now()) {
            self.subscriptions.order(Order::Resume(Box::new(interest)));
        }
    }
}

/// The task's end of [`Subscriptions`].
pub struct Orders(mpsc::Receiver<Arrival>);

/// The task: every subscription, by user.
pub struct Subscriber {
    registry: Arc<Registry>,
    orders: mpsc::Receiver<Arrival>,
    limit: usize,
    held: HashMap<UserKey, Held>,
    /// Whose NOTIFYs have this Call-ID.
    by_call_id: HashMap<String, UserKey>,
    due: BTreeSet<(Timestamp, UserKey)>,
    in_flight: JoinSet<(UserKey, u64, u32, Outcome)>,
    /// Subscriptions begun so far: an outcome of one that was replaced is nobody's.
    begun: u64,
}

struct Held {
    number: u64,
    machine: Subscription,
    interest: Interest,
    told: Told,
    /// As it stands in `by_call_id`.
    call_id: String,
    /// As it stands in `due`.
    due: Option<Timestamp>,
    /// When the whole state is to be asked for, because something was not stored.
    ask_at: Option<Timestamp>,
    leaving: bool,
    ended: bool,
}

impl Subscriber {
    /// At most `limit` users are followed (`sip.subscriptions-max`).
    #[must_use]
    pub fn new(registry: Arc<Registry>, Orders(orders): Orders, limit: usize) -> Self {
        Self {
            registry,
            orders,
            limit,
            held: HashMap::new(),
            by_call_id: HashMap::new(),
            due: BTreeSet::new(),
            in_flight: JoinSet::new(),
            begun: 0,
        }
    }

    /// Runs until it is dropped.
    pub async fn run(mut self) {
        loop {
            let now = self.shared().now();
            let pause = self.due.first().map_or(FAR, |(at, _)| at.since(now).min(FAR));
            tokio::select! {
                Some(arrival) = self.orders.recv() => self.arrived(arrival),
                Some(Ok((user, number, cseq, outcome))) = self.in_flight.join_next() => {
                    self.ended(user, number, cseq, &outcome);
                }
                () = tokio::time::sleep(pause) => self.tick(),
            }
        }
    }

    fn shared(&self) -> &Arc<Shared> {
        self.registry.shared()
    }

    fn arrived(&mut self, arrival: Arrival) {
        let now = self.shared().now();
        match arrival {
            Arrival::Order(Order::Follow(interest)) => self.follow(*interest, now),
            Arrival::Order(Order::Resume(interest)) => {
                if !self.held.contains_key(&interest.user.key()) {
                    self.begin(*interest, now);
                }
            }
            Arrival::Order(Order::Leave(user)) => {
                if let Some(held) = self.held.get_mut(&user) {
                    held.leave(now);
                }
                self.pump(user, now);
            }
            Arrival::Notify(incoming) => self.notify(&incoming, now),
            Arrival::Missed(user) => {
                let pause = Duration::from_secs(self.shared().settings.retry_after_secs.into());
                if let Some(held) = self.held.get_mut(&user) {
                    held.ask_at = Some(now.after(pause));
                }
                self.pump(user, now);
            }
        }
    }

    /// Everything that is due now.
    fn tick(&mut self) {
        let now = self.shared().now();
        while let Some((at, user)) = self.due.first().copied().filter(|(at, _)| *at <= now) {
            self.due.remove(&(at, user));
            if let Some(held) = self.held.get_mut(&user) {
                held.due = None;
                held.tick(now);
            }
            self.pump(user, now);
        }
    }

    /// A registration, new or refreshed: who is followed already has the whole state told again.
    fn follow(&mut self, interest: Interest, now: Timestamp) {
        let user = interest.user.key();
        match self.held.get_mut(&user).filter(|held| !held.leaving) {
            Some(held) => {
                let until = interest.until.max(held.interest.until);
                held.interest = Interest { until, ..interest };
                held.machine.handle_input(Input::Refresh, now);
                self.pump(user, now);
            }
            None => self.begin(interest, now),
        }
    }

    fn begin(&mut self, interest: Interest, now: Timestamp) {
        let user = interest.user.key();
        // One that is leaving makes room for the next; its last NOTIFY is then nobody's.
        self.forget(user);
        let mut seed = [0; 16];
        let has_room = self.held.len() < self.limit;
        if !has_room {
            self.shared().metrics.limit_hit(Limit::Subscriptions);
        }
        let plan = if has_room && getrandom::fill(&mut seed).is_ok() {
            reg_event::plan(&self.shared().settings, &interest, seed)
        } else {
            None
        };
        let Some(plan) = plan else { return self.do_without(interest) };
        self.begun += 1;
        let machine = Subscription::new(plan, now);
        let held = Held {
            number: self.begun,
            machine,
            interest,
            told: Told::default(),
            call_id: String::new(),
            due: None,
            ask_at: None,
            leaving: false,
            ended: false,
        };
        self.held.insert(user, held);
        self.pump(user, now);
    }

    /// Without a subscription somebody is registered, but nobody can say who.
    fn do_without(&self, mut interest: Interest) {
        if let Some(nameless) = interest.nameless.take() {
            self.submit(&interest, vec![Binding::BindNameless(nameless)], None);
        }
    }

    fn notify(&mut self, incoming: &Incoming, now: Timestamp) {
        let request = &incoming.request;
        let user = request.call_id().and_then(|call_id| self.by_call_id.get(call_id)).copied();
        let status = match user.and_then(|user| self.held.get_mut(&user)) {
            None => Some(481),
            Some(held) => {
                held.machine.handle_input(Input::Notify(request), now);
                match held.machine.poll_event() {
                    Some(Event::Notified) => None,
                    Some(Event::Refused(status)) => Some(status),
                    _ => Some(500),
                }
            }
        };
        let Some(user) = user else { return self.answer(incoming, 481) };
        match status {
            Some(status) => self.answer(incoming, status),
            None => self.told(user, incoming, now),
        }
        self.pump(user, now);
    }

    fn told(&mut self, user: UserKey, incoming: &Incoming, now: Timestamp) {
        let Some(held) = self.held.get_mut(&user) else { return };
        // Who has just been deregistered is not registered again by what the S-CSCF said before.
        let reading =
            if held.leaving { Reading::Nothing } else { held.told.read(&held.interest, &incoming.request, now) };
        match reading {
            Reading::Nothing => self.answer(incoming, 200),
            Reading::Unreadable(status) => {
                tracing::warn!(user = %user, status, "a reg-event NOTIFY has a body that cannot be read");
                self.answer(incoming, status);
            }
            Reading::Gap => {
                held.machine.handle_input(Input::Refresh, now);
                self.answer(incoming, 200);
            }
            Reading::Changes(changes) => {
                held.lives_with(&changes);
                // Whoever is told by name needs no stand-in.
                held.interest.nameless = None;
                let missed = Missed { subscriptions: self.registry.shared().subscriptions.clone(), user };
                let context = ReplyContext::notify(&incoming.request);
                let answer = Answer::Event { key: incoming.key, context, missed };
                if let Some(held) = self.held.get(&user) {
                    self.submit(&held.interest, changes, Some(answer));
                }
            }
        }
    }

    fn answer(&self, incoming: &Incoming, status: u16) {
        let response = reg_event::refusal(&self.shared().settings, &incoming.request, status);
        self.shared().endpoint.respond(incoming.key, &response);
    }

    fn submit(&self, interest: &Interest, changes: Vec<Binding>, answer: Option<Answer>) {
        let command = Command::Register(Register { source: Source::Network, changes });
        let job = Job { command, body: None, answer };
        if let Err(refusal) = self.registry.submit(interest.user.key(), Some(&interest.user), job) {
            self.shared().turn_away(refusal.into_job().answer);
        }
    }

    fn ended(&mut self, user: UserKey, number: u64, cseq: u32, outcome: &Outcome) {
        let now = self.shared().now();
        if let Outcome::Response(response) = outcome {
            self.shared().metrics.response(Direction::Received, Method::Subscribe, response.status);
        }
        if let Some(held) = self.held.get_mut(&user).filter(|held| held.number == number) {
            held.machine.handle_input(Input::Outcome { cseq, outcome }, now);
            self.pump(user, now);
        }
    }

    /// Sends and tells what the user's machine has to send and to tell, and sets its alarm.
    fn pump(&mut self, user: UserKey, now: Timestamp) {
        let Some(held) = self.held.get_mut(&user) else { return };
        let mut changes = Vec::new();
        while let Some(event) = held.machine.poll_event() {
            match event {
                Event::Down(cause) => {
                    tracing::info!(user = %user, ?cause, "no subscription to a registration state; it is tried again");
                    changes.extend(held.interest.nameless.take().map(Binding::BindNameless));
                }
                Event::Ended(cause) => {
                    held.ended = true;
                    if cause == Cause::Terminated(Reason::NoResource) {
                        changes.push(Binding::RemoveAll(Gone::Network));
                    }
                }
                Event::Notified | Event::Refused(_) => {}
            }
        }
        let (number, ended) = (held.number, held.ended);
        let transmits: Vec<Transmit> = std::iter::from_fn(|| held.machine.poll_transmit()).collect();
        if !changes.is_empty()
            && let Some(held) = self.held.get(&user)
        {
            self.submit(&held.interest, changes, None);
        }
        if ended {
            return self.forget(user);
        }
        self.file(user, now);
        for transmit in transmits {
            self.send(user, number, transmit);
        }
    }

    /// Keeps the tables in step with the machine.
    fn file(&mut self, user: UserKey, now: Timestamp) {
        let Some(held) = self.held.get_mut(&user) else { return };
        if held.call_id != held.machine.call_id() {
            self.by_call_id.remove(&held.call_id);
            held.machine.call_id().clone_into(&mut held.call_id);
            self.by_call_id.insert(held.call_id.clone(), user);
        }
        let due = held.next(now);
        if held.due != due {
            if let Some(before) = std::mem::replace(&mut held.due, due) {
                self.due.remove(&(before, user));
            }
            self.due.extend(due.map(|at| (at, user)));
        }
        self.shared().metrics.set_subscriptions(self.held.len());
    }

    fn forget(&mut self, user: UserKey) {
        let Some(held) = self.held.remove(&user) else { return };
        self.by_call_id.remove(&held.call_id);
        if let Some(due) = held.due {
            self.due.remove(&(due, user));
        }
        self.shared().metrics.set_subscriptions(self.held.len());
    }

    fn send(&mut self, user: UserKey, number: u64, transmit: Transmit) {
        let Transmit { cseq, request, hop } = transmit;
        let shared = Arc::clone(self.shared());
        let mut bits = [0; 16];
        let target = reg_event::next_hop(&hop).filter(|_| getrandom::fill(&mut bits).is_ok());
        let branch = format!("{MAGIC_COOKIE}{}", hex::encode(bits));
        let sent =
            target.and_then(|target: Target| shared.endpoint.request(OutRequest { request, branch, target }).ok());
        if sent.is_some() {
            shared.metrics.request(Direction::Sent, Method::Subscribe);
        }
        self.in_flight.spawn(async move {
            let outcome = match sent {
                Some(outcome) => outcome.await.unwrap_or(Outcome::Transport),
                None => Outcome::Transport,
            };
            (user, number, cseq, outcome)
        });
    }
}

impl Held {
    fn leave(&mut self, now: Timestamp) {
        self.leaving = true;
        self.machine.handle_input(Input::Unsubscribe, now);
    }

    fn tick(&mut self, now: Timestamp) {
        if self.machine.poll_timeout().is_some_and(|at| at <= now) {
            self.machine.handle_timeout(now);
        }
        if self.ask_at.is_some_and(|at| at <= now) {
            self.ask_at = None;
            self.machine.handle_input(Input::Refresh, now);
        }
        // Nobody has told of the user for as long as the registration was to live.
        if self.interest.until <= now && !self.leaving {
            self.leave(now);
        }
    }

    /// When [`Held::tick`] has something to do.
    fn next(&self, now: Timestamp) -> Option<Timestamp> {
        let until = (!self.leaving).then_some(self.interest.until);
        let next = self.machine.poll_timeout().into_iter().chain(self.ask_at).chain(until).min();
        next.map(|at| at.max(now))
    }

    /// The S-CSCF's word on its clients may be longer than that of its REGISTER.
    fn lives_with(&mut self, changes: &[Binding]) {
        let ends = changes.iter().filter_map(|change| match change {
            Binding::Bind(client) => Some(client.expires_at),
            _ => None,
        });
        self.interest.until = ends.chain([self.interest.until]).max().unwrap_or(self.interest.until);
    }
}
