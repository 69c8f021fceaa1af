//! Days of several users in virtual time: phones that come and go, a network that loses, a server that crashes.
//!
//! A run is all in its seed. One that fails prints it; `RESTANTE_SEED=… cargo test --lib queue::tests::simulation` repeats
//! it. `RESTANTE_SEEDS=…` tries so many more.

use super::invariants::{Fate, Ledger, check_all, check_now};
use super::model::Whim;
use super::recalling::check_recall;
use super::story::*;
use super::words::*;
use super::world::*;
use crate::formats::Profile;
use crate::queue::command::{Binding, Command, ErrandEnded, Item, Manage, Outcome, Register};
use crate::queue::decide::{Env, Rules};
use crate::queue::effect::{Effect, Perform, Reply, Send};
use crate::queue::event::{Client, ErrandKind, Event, Gone, Source};
use crate::queue::question::{Question, Ruling, Verdict};
use crate::queue::run::run;
use crate::queue::schema::{decode_state, encode_state};
use crate::queue::{Queue, standard};
use crate::types::{Address, IdSource, MessageId, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

const DAY: u64 = 86_400_000;
/// 64·T1: how long our transaction waits and a client's remembers (RFC 3261 section 17), milliseconds.
const TRANSACTION: u64 = 32_000;

/// What will happen.
#[derive(Debug)]
enum Next {
    Message,
    Switch {
        phone: usize,
    },
    Refresh {
        phone: usize,
        boot: u32,
    },
    /// A request of ours comes to a phone.
    Arrives {
        phone: usize,
        send: Send,
    },
    /// Its answer, or that none came, comes to the server that sent it.
    Ends {
        starts: u32,
        send: Send,
        outcome: Outcome,
    },
    /// A phone that is on manages what waits.
    Manage {
        phone: usize,
    },
    /// What came of a try of an errand comes to the server that began it.
    ErrandEnds {
        starts: u32,
        ended: ErrandEnded,
    },
    Tick,
    Crash,
}

/// One user, the server's part and the world's.
struct Life {
    user: Address,
    queue: Queue,
    snapshot: Option<(usize, Vec<u8>)>,
    ledger: Ledger,
    records: Vec<(Timestamp, Vec<Event>)>,
    phones: Vec<Phone>,
    others: Others,
    profile: Profile,
    agenda: BTreeMap<(u64, u64), Next>,
    promised: BTreeSet<MessageId>,
    /// Messages of which an outcome was lost, so that they may be had twice.
    in_doubt: BTreeSet<MessageId>,
    now: u64,
    tick: Option<Timestamp>,
    /// How often the server was started.
    starts: u32,
    dice: Dice,
    rules: Rules,
    whim: Option<Whim>,
    lossy: bool,
    /// Questions that the log recalled, and that it could not.
    recalled: [usize; 2],
}

impl Life {
    fn new(user: usize, dice: Dice) -> Self {
        let user = Address::parse(&format!("sip:user{user}@ims.example.net")).unwrap();
        let mut life = Self {
            queue: Queue::new(user.clone()),
            ledger: Ledger::new(user.clone()),
            user,
            snapshot: None,
            records: Vec::new(),
            phones: Vec::new(),
            others: Others::default(),
            profile: Profile::default(),
            agenda: BTreeMap::new(),
            promised: BTreeSet::new(),
            in_doubt: BTreeSet::new(),
            now: at(0).0,
            tick: None,
            starts: 0,
            rules: rules(),
            whim: None,
            lossy: true,
            recalled: [0, 0],
            dice,
        };
        life.rules.expiry_max_secs = 86_400;
        life.rules.in_flight_max = 1 + usize::try_from(life.dice.below(3)).unwrap();
        life.rules.questions_max = [1, 3, 64][usize::try_from(life.dice.below(3)).unwrap()];
        life.rules.messages_max = 20;
        life.rules.errands.has_isf = life.dice.percent(50);
        life.rules.errands.in_flight_max = 1 + usize::try_from(life.dice.below(3)).unwrap();
        life.profile =
            [Profile::default(), records(), managing()][usize::try_from(life.dice.below(3)).unwrap()].clone();
        let whim = life.dice.roll();
        life.whim = life.dice.percent(50).then_some(Whim(whim));
        life.lossy = life.dice.percent(70);
        life.phones.resize_with(1 + usize::try_from(life.dice.below(2)).unwrap(), Phone::default);
        life
    }

    fn plan(&mut self, after_ms: u64, next: Next) {
        let tie = self.dice.roll();
        self.agenda.insert((self.now + after_ms, tie), next);
    }

    fn time(&self) -> Timestamp {
        Timestamp(self.now)
    }

    /// Days with messages, then quiet until all has come to its end.
    fn live(&mut self, days: u64) {
        let end = self.now + days * DAY;
        self.plan(0, Next::Message);
        self.plan(5 * 3_600_000, Next::Crash);
        for phone in 0..self.phones.len() {
            let after = self.dice.below(DAY / 4);
            self.plan(after, Next::Switch { phone });
            self.plan(after + 1000, Next::Manage { phone });
        }
        let mut steps = 0;
        while let Some(((when, _), next)) = self.agenda.pop_first() {
            self.now = when;
            let busy = when < end;
            match next {
                Next::Message | Next::Switch { .. } | Next::Manage { .. } | Next::Crash | Next::Refresh { .. }
                    if !busy => {}
                next => self.step(next),
            }
            steps += 1;
            assert!(steps < 200_000, "the world comes to rest");
        }
        self.finish();
    }

    fn step(&mut self, next: Next) {
        match next {
            Next::Message => {
                self.message();
                let after = self.dice.below(DAY / 12);
                self.plan(after, Next::Message);
            }
            Next::Switch { phone } => self.switch(phone),
            Next::Refresh { phone, boot } => {
                if self.phones[phone].on && self.phones[phone].boot == boot {
                    self.register(phone);
                }
            }
            Next::Arrives { phone, send } => self.arrives(phone, send),
            Next::Ends { starts, send, outcome } => {
                if starts == self.starts {
                    self.ends(&send, outcome);
                }
            }
            Next::Manage { phone } => {
                self.manages(phone);
                let after = self.dice.below(DAY / 6);
                self.plan(after, Next::Manage { phone });
            }
            Next::ErrandEnds { starts, ended } => {
                if starts == self.starts {
                    self.run(&Command::ErrandEnded(ended));
                }
            }
            // Only the last one planned counts.
            Next::Tick => {
                if self.tick == Some(self.time()) {
                    self.run(&Command::Tick);
                }
            }
            Next::Crash => {
                self.crash();
                let after = self.dice.below(DAY / 3);
                self.plan(after, Next::Crash);
            }
        }
    }

    fn message(&mut self) {
        let name = self.dice.roll();
        let mut message = message(&format!("{name}")).size(self.dice.below(2000));
        if self.dice.percent(50) {
            message.defer.envelope.expires_asked_secs = Some(self.dice.below(20_000));
        }
        message.defer.received_at = self.time();
        let kinds = ["positive-delivery", "negative-delivery"].map(str::to_owned);
        message.defer.envelope.imdn.as_mut().unwrap().dispositions = kinds.to_vec();
        let command = Command::Defer(Box::new(message.defer));
        let answer = self.run(&command);
        if answer == Some(Reply::Accepted) && self.dice.percent(10) {
            let before = self.queue.clone();
            assert_eq!(self.run(&command), answer, "the same request again gets the same answer");
            assert_eq!(self.queue, before, "and changes nothing");
        }
    }

    fn switch(&mut self, phone: usize) {
        let (clean, stays) = (self.dice.percent(50), self.dice.below(DAY / 3));
        self.phones[phone].on = !self.phones[phone].on;
        if self.phones[phone].on {
            self.phones[phone].boot += 1;
            self.phones[phone].cseq = 0;
            self.phones[phone].answers.clear();
            self.register(phone);
        } else if clean {
            self.registers(Binding::Remove(client_of(phone).id));
        }
        self.plan(stays, Next::Switch { phone });
    }

    fn register(&mut self, phone: usize) {
        let known = &mut self.phones[phone];
        known.cseq += 1;
        let boot = known.boot;
        let client = client_of(phone).series(&format!("boot {boot}"), known.cseq);
        let expires_at = Timestamp(self.now + 3_600_000);
        self.registers(Binding::Bind(Client { expires_at, registered_at: self.time(), ..client }));
        self.plan(3_000_000, Next::Refresh { phone, boot });
    }

    fn registers(&mut self, change: Binding) {
        let answer = self.run(&Command::Register(Register { source: Source::Client, changes: vec![change] }));
        assert!(matches!(answer, Some(Reply::Registered(_))), "{answer:?}");
    }

    /// A request comes to a phone: one that it has seen is answered as before and taken for the same.
    fn arrives(&mut self, phone: usize, send: Send) {
        let expires = self.queue.message(&send.message).map(|entry| entry.expires_at);
        assert!(expires.is_none_or(|at| self.now < at.0 + TRANSACTION), "nothing is sent after its expiry");
        if !self.phones[phone].on {
            return;
        }
        let call = send.transaction.call_id.clone();
        let seen = self.phones[phone].answers.get(&call).filter(|(first, _)| self.now < first + TRANSACTION);
        let status = if let Some((_, status)) = seen {
            *status
        } else {
            let statuses = [200, 200, 200, 200, 200, 202, 480, 486, 503, 415, 400, 603, 404];
            let sides = if self.lossy { statuses.len() } else { 6 };
            let status = statuses[usize::try_from(self.dice.below(sides as u64)).unwrap()];
            self.phones[phone].answers.insert(call, (self.now, status));
            if status < 300 {
                *self.phones[phone].taken.entry(send.message).or_default() += 1;
            }
            status
        };
        if self.lossy && self.dice.percent(10) {
            self.in_doubt.insert(send.message);
            return;
        }
        let after = self.dice.below(300);
        self.plan(after, Next::Ends { starts: self.starts, send, outcome: response(status) });
    }

    fn manages(&mut self, phone: usize) {
        if !self.phones[phone].on {
            return;
        }
        let known: Vec<MessageId> = self.queue.messages().map(|entry| entry.id).collect();
        let dice = &mut self.dice;
        let named: Vec<_> = known.into_iter().filter(|_| dice.percent(30)).collect();
        let list = named.into_iter().map(|message| Item { message, action: any_action(dice) }).collect();
        let list = Some(list).filter(|_| dice.percent(80));
        let manage = Manage { client: client_of(phone).id, list };
        if self.run(&Command::Inquire(manage.clone())) == Some(Reply::Managed) {
            self.run(&Command::Manage(manage));
        }
    }

    /// An errand is tried: its outcome comes later, if we are still there to hear it.
    fn perform(&mut self, perform: &Perform) {
        let call_id = perform.transaction.call_id.clone();
        let errand = self.queue.errand(perform.errand).expect("what is tried is known");
        let (after, result) = self.others.answer(errand, &call_id, self.now, &mut self.dice);
        let ended = ErrandEnded { errand: perform.errand, call_id, result };
        self.plan(after, Next::ErrandEnds { starts: self.starts, ended });
    }

    fn ends(&mut self, send: &Send, outcome: Outcome) {
        let mut ended = ended_as("", &send.client.0, &send.transaction.call_id, outcome).command;
        if let Command::DeliveryEnded(ended) = &mut ended {
            ended.message = send.message;
        }
        self.run(&ended);
    }

    /// The state is lost, and so is every effect that was not performed; the records are not.
    fn crash(&mut self) {
        self.starts += 1;
        self.in_doubt.extend(self.queue.messages().filter(|entry| !entry.open.is_empty()).map(|entry| entry.id));
        let reports =
            self.queue.errands().filter(|errand| errand.is_open() && errand.task.kind() == ErrandKind::Report);
        self.in_doubt.extend(reports.filter_map(|errand| errand.task.message()));
        let down = if self.dice.percent(50) { self.dice.below(20_000) } else { self.dice.below(4 * 3_600_000) };
        let until = self.now + down;
        // While we are away phones are switched and messages refused: all of that happens right after.
        let late: Vec<_> =
            self.agenda.extract_if(..(until, 0), |_, next| !matches!(next, Next::Arrives { .. })).collect();
        for ((_, tie), next) in late {
            self.agenda.insert((until + 1, tie), next);
        }
        self.now = until;
        let (known, mut queue) = match &self.snapshot {
            Some((known, bytes)) if self.starts.is_multiple_of(2) => {
                (*known, decode_state(bytes).expect("our own snapshot"))
            }
            _ => (0, Queue::new(self.user.clone())),
        };
        for (at, events) in &self.records[known..] {
            for event in events {
                queue.evolve(event, *at);
            }
        }
        assert_eq!(queue, self.queue, "what comes back is what was there");
        self.queue = queue;
        check_all(&self.queue, &self.ledger, &self.rules, self.time(), true);
        self.run(&Command::Wake);
    }

    /// Decides, stores, performs; and asks on while there is more to settle.
    fn run(&mut self, command: &Command) -> Option<Reply> {
        let mut answer = None;
        let mut command = command.clone();
        loop {
            let mut bits = [0; 16];
            bits[..8].copy_from_slice(&self.dice.roll().to_be_bytes());
            bits[8..].copy_from_slice(&self.dice.roll().to_be_bytes());
            let ids = IdSource::new(bits, SECRET);
            let env = Env { now: self.time(), ids: &ids, rules: &self.rules, profile: &self.profile };
            let whim = self.whim;
            let (before, mut asked) = (self.queue.clone(), Vec::new());
            let result = run(&mut self.queue, &command, &env, |question| {
                let ruling = judge(whim, question);
                asked.push((question.clone(), ruling.clone()));
                ruling
            });
            let [recalled, lost] = check_recall(&before, &result.decision.events, &asked, self.time(), &self.rules);
            self.recalled = [self.recalled[0] + recalled, self.recalled[1] + lost];
            self.ledger.record(self.time(), &result.decision.events);
            if !result.decision.events.is_empty() {
                self.records.push((self.time(), result.decision.events));
            }
            check_now(&self.queue, &self.ledger, &self.rules, self.time(), result.unfinished);
            for effect in result.decision.effects {
                match effect {
                    Effect::Reply(reply) => answer = Some(reply),
                    Effect::Send(send) => self.send(send),
                    Effect::Perform(perform) => self.perform(&perform),
                }
            }
            if !result.unfinished {
                break;
            }
            command = Command::Tick;
        }
        if answer == Some(Reply::Accepted) {
            self.promised.extend(self.queue.messages().map(|entry| entry.id));
        }
        if self.dice.percent(5) {
            self.snapshot = Some((self.records.len(), encode_state(&self.queue)));
        }
        let tick = self.queue.next_tick(self.time());
        if let Some(next) = tick.filter(|_| tick != self.tick) {
            self.plan(next.0 - self.now, Next::Tick);
        }
        self.tick = tick;
        answer
    }

    fn send(&mut self, send: Send) {
        let phone =
            (0..self.phones.len()).find(|phone| client_of(*phone).id == send.client).expect("one of the phones");
        let entry = self.queue.message(&send.message).expect("what is sent is in the queue");
        assert!(self.now < entry.expires_at.0, "nothing is sent after its expiry");
        let (lost, after) = (self.lossy && self.dice.percent(5), self.dice.below(2000));
        if !lost {
            self.plan(after, Next::Arrives { phone, send: send.clone() });
        }
        self.plan(TRANSACTION, Next::Ends { starts: self.starts, send, outcome: Outcome::Timeout });
    }

    fn finish(&mut self) {
        check_all(&self.queue, &self.ledger, &self.rules, self.time(), false);
        for message in &self.promised {
            let fate = self.ledger.fate(message).expect("every promise is known");
            assert!(!matches!(fate, Fate::Queued | Fate::AwaitsStore), "every message comes to an end");
            let is_stored = self.others.stored.get(message).is_some_and(|uids| !uids.is_empty());
            assert!(fate != Fate::Stored || is_stored, "what counts as stored is in the store");
            let taken: u32 = self.phones.iter().map(|phone| phone.taken.get(message).copied().unwrap_or(0)).sum();
            match fate {
                Fate::Delivered => assert!(taken >= 1, "what counts as delivered has been taken"),
                _ => assert!(taken == 0 || self.in_doubt.contains(message), "what was taken and answered is delivered"),
            }
            for phone in &self.phones {
                let taken = phone.taken.get(message).copied().unwrap_or(0);
                assert!(
                    taken <= 1 || self.in_doubt.contains(message),
                    "nobody gets a message twice while answers arrive"
                );
            }
        }
        assert_eq!(self.queue.clients().count(), 0, "and every registration");
        assert_eq!(self.queue.errands().count(), 0, "and every errand");
        for ((message, kind), calls) in &self.others.told {
            let once = calls.len() == 1 || self.in_doubt.contains(message);
            assert!(once, "no sender is told twice what is {kind} while answers arrive");
        }
    }
}

fn judge(whim: Option<Whim>, question: &Question) -> Ruling<Verdict> {
    match whim {
        Some(whim) => whim.on(question),
        None => native(standard::answer(question)),
    }
}

fn client_of(phone: usize) -> Client {
    client(&format!("phone {phone}"))
}

/// Messages delivered, discarded and other; questions recalled, and lost.
fn simulate(seed: u64) -> [usize; 5] {
    let _named = Seed(seed);
    let mut dice = Dice(seed);
    let mut fates = [0; 5];
    for user in 0..2 {
        let mut life = Life::new(user, Dice(dice.roll()));
        life.live(2);
        fates[3] += life.recalled[0];
        fates[4] += life.recalled[1];
        for message in &life.promised {
            match life.ledger.fate(message) {
                Some(Fate::Delivered) => fates[0] += 1,
                Some(Fate::Discarded) => fates[1] += 1,
                _ => fates[2] += 1,
            }
        }
    }
    fates
}

#[test]
fn days_of_phones_losses_and_crashes_lose_nothing_and_double_nothing() {
    if let Some(seed) = wish("RESTANTE_SEED") {
        simulate(seed);
        return;
    }
    let mut fates = [0; 5];
    for seed in 0..wish("RESTANTE_SEEDS").unwrap_or(8) {
        for (sum, more) in fates.iter_mut().zip(simulate(seed)) {
            *sum += more;
        }
    }
    assert!(
        fates.iter().all(|fate| *fate > 20),
        "delivered, discarded, to be stored; recalled, lost: {fates:?}: all of it happened"
    );
}

#[test]
fn the_same_seed_tells_the_same_story() {
    let log = |_| {
        let mut life = Life::new(0, Dice(7));
        life.live(2);
        life.records
    };
    let [first, second] = [0, 1].map(log);
    assert_eq!(first, second);
    assert!(first.len() > 20, "{} records", first.len());
    let unregistered = |events: &Vec<Event>| {
        events.iter().any(|event| matches!(event, Event::ClientGone(gone) if gone.cause == Gone::Expired))
    };
    assert!(first.iter().any(|(_, events)| unregistered(events)), "phones that went off without a word lapse");
}
