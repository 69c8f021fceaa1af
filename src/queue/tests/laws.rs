//! Laws that hold for any sequence of commands under any judge, found out by trying many.

use super::invariants::{Ledger, check_all, check_now};
use super::model::{Model, Whim};
use super::recalling::check_recall;
use super::story::*;
use super::words::*;
use crate::formats::Profile;
use crate::queue::command::{Binding, Command, ErrandEnded, Failed, Item, Manage, Outcome, Register, Success};
use crate::queue::decide::{Env, Rules};
use crate::queue::event::{Action, ErrandFailure, Event, Gone, Source};
use crate::queue::question::{Delivery, Handling, Question, Ruling, Verdict};
use crate::queue::run::{Run, run};
use crate::queue::standard;
use crate::queue::{Queue, Stage};
use crate::types::{IdSource, MessageId, Timestamp};
use proptest::collection::vec;
use proptest::prelude::*;
use std::cell::RefCell;
use std::time::Duration;

/// One thing that may happen.
#[derive(Clone, Debug)]
enum Op {
    Wait {
        secs: u64,
    },
    /// On to the next tick, if there is one.
    Onwards,
    Defer {
        name: u8,
        size: u64,
        expires: Option<u64>,
        late: u64,
    },
    Register {
        client: u8,
        secs: u64,
        series: u8,
        cseq: u32,
        network: bool,
        moved: bool,
    },
    Nameless {
        secs: u64,
    },
    Remove {
        client: u8,
        network: bool,
    },
    RemoveAll {
        network: bool,
    },
    /// Two clients in one request, and one that leaves.
    Several {
        first: u8,
        second: u8,
        leaves: u8,
    },
    /// An attempt in flight ends.
    Ended {
        which: usize,
        outcome: Outcome,
    },
    /// A reg event tells of one client that ended, one that is as it was, and one that comes or is refreshed.
    WholeState {
        stays: u8,
        comes: u8,
        ends: u8,
    },
    /// Something ends that is not in flight.
    Stray {
        which: usize,
        outcome: Outcome,
    },
    Wake,
    /// A client asks for some of what waits, or for all; perhaps it only inquires.
    Manage {
        client: u8,
        list: Option<Vec<(usize, Action)>>,
        inquires: bool,
    },
    /// A try of an errand ends.
    ErrandEnded {
        which: usize,
        result: Result<Success, Failed>,
    },
    /// The preferences are others from now on, or cannot be read.
    Prefers {
        which: u8,
    },
}

fn outcomes() -> impl Strategy<Value = Outcome> {
    let after = proptest::option::of(0..200_u32);
    let table = prop::sample::select(vec![400, 404, 415, 480, 486, 503, 603, 604]);
    let any = prop_oneof![table, 200..700_u16];
    prop_oneof![
        3 => Just(response(200)),
        5 => (any, after).prop_map(|(status, retry_after_secs)| Outcome::Response { status, retry_after_secs }),
        1 => Just(Outcome::Timeout),
        1 => Just(Outcome::Transport),
        1 => Just(Outcome::Congestion),
        1 => Just(Outcome::Unsent),
        2 => prop::sample::select(FAULTS.to_vec()).prop_map(Outcome::Broken),
    ]
}

fn ops() -> impl Strategy<Value = Op> {
    let expires = proptest::option::of(prop_oneof![Just(0), 1..300_u64]);
    let registering = (0..4_u8, 0..600_u64, 0..2_u8, 1..4_u32, any::<bool>(), any::<bool>());
    prop_oneof![
        3 => (0..90_u64).prop_map(|secs| Op::Wait { secs }),
        3 => Just(Op::Onwards),
        6 => (0..30_u8, 0..40_u64, expires, 0..3_u64)
            .prop_map(|(name, size, expires, late)| Op::Defer { name, size, expires, late }),
        4 => registering.prop_map(|(client, secs, series, cseq, network, moved)| {
            Op::Register { client, secs, series, cseq, network, moved }
        }),
        1 => (0..600_u64).prop_map(|secs| Op::Nameless { secs }),
        1 => (0..4_u8, any::<bool>()).prop_map(|(client, network)| Op::Remove { client, network }),
        1 => any::<bool>().prop_map(|network| Op::RemoveAll { network }),
        1 => (0..4_u8, 0..4_u8, 0..4_u8)
            .prop_map(|(stays, comes, ends)| Op::WholeState { stays, comes, ends }),
        1 => (0..4_u8, 0..4_u8, 0..4_u8)
            .prop_map(|(first, second, leaves)| Op::Several { first, second, leaves }),
        8 => (any::<usize>(), outcomes()).prop_map(|(which, outcome)| Op::Ended { which, outcome }),
        1 => (any::<usize>(), outcomes()).prop_map(|(which, outcome)| Op::Stray { which, outcome }),
        1 => Just(Op::Wake),
    ]
}

fn results() -> impl Strategy<Value = Result<Success, Failed>> {
    use ErrandFailure::{Congestion, Interrupted, Refused, Status, Timeout, Transport, Unconfigured};
    let failures =
        vec![Status(404), Status(480), Status(503), Timeout, Transport, Congestion, Interrupted, Refused, Unconfigured];
    let failed = (prop::sample::select(failures), proptest::option::of(0..200_u32))
        .prop_map(|(failure, retry_after_secs)| Err(Failed { failure, retry_after_secs }));
    prop_oneof![
        3 => Just(Ok(Success::Stored(place()))),
        2 => Just(Ok(Success::Response(200))),
        1 => Just(Ok(Success::Done)),
        4 => failed,
    ]
}

/// All that may happen.
fn mixed_ops() -> impl Strategy<Value = Op> {
    let action = prop::sample::select(vec![Action::Delete, Action::Interwork, Action::Store, Action::Deliver]);
    let list = proptest::option::of(vec((any::<usize>(), action), 0..5));
    prop_oneof![
        8 => ops(),
        2 => (0..5_u8, list, any::<bool>())
            .prop_map(|(client, list, inquires)| Op::Manage { client, list, inquires }),
        4 => (any::<usize>(), results()).prop_map(|(which, result)| Op::ErrandEnded { which, result }),
        1 => (0..5_u8).prop_map(|which| Op::Prefers { which }),
    ]
}

fn mixed_rules() -> impl Strategy<Value = Rules> {
    (any_rules(), 1..4_usize, 1..20_usize, any::<bool>(), any::<bool>()).prop_map(
        |(mut rules, in_flight_max, waiting_max, has_isf, notify_when_pushing)| {
            let errands = &mut rules.errands;
            (errands.in_flight_max, errands.waiting_max, errands.has_isf) = (in_flight_max, waiting_max, has_isf);
            rules.notify_when_pushing = notify_when_pushing;
            rules
        },
    )
}

fn any_rules() -> impl Strategy<Value = Rules> {
    (1..8_u64, 40..200_u64, 1..4_usize, 1..4_usize, prop::sample::select(vec![1, 2, 3, 64])).prop_map(
        |(messages_max, bytes_max, clients_max, in_flight_max, questions_max)| Rules {
            messages_max,
            bytes_max,
            clients_max,
            in_flight_max,
            questions_max,
            expiry_max_secs: 400,
            backoff_max_secs: 200,
            ..rules()
        },
    )
}

/// A queue with all that watches it.
struct World {
    queue: Queue,
    ledger: Ledger,
    rules: Rules,
    now: Timestamp,
    commands: u64,
    profile: Profile,
}

impl World {
    fn new(rules: Rules) -> Self {
        Self {
            queue: Queue::new(bob()),
            ledger: Ledger::new(bob()),
            rules,
            now: at(0),
            commands: 0,
            profile: Profile::default(),
        }
    }

    fn fresh_id(&self) -> MessageId {
        id(&format!("command {}", self.commands))
    }

    /// Runs it twice, compares, watches.
    fn run(&mut self, command: &Command, ask: impl Fn(&Question) -> Ruling<Verdict>) -> Run {
        self.commands += 1;
        let ids = IdSource::new(self.fresh_id().0, SECRET);
        let env = Env { now: self.now, ids: &ids, rules: &self.rules, profile: &self.profile };
        let before = self.queue.clone();
        let mut twin = self.queue.clone();
        let asked = RefCell::new(Vec::new());
        let result = run(&mut self.queue, command, &env, |question| {
            let ruling = ask(question);
            asked.borrow_mut().push((question.clone(), ruling.clone()));
            ruling
        });
        check_recall(&before, &result.decision.events, &asked.take(), self.now, &self.rules);
        assert_eq!(run(&mut twin, command, &env, &ask), result, "the same command again decides the same");
        assert_eq!(twin, self.queue, "and leads to the same state");
        self.ledger.record(self.now, &result.decision.events);
        check_now(&self.queue, &self.ledger, &self.rules, self.now, result.unfinished);
        result
    }

    /// Runs it and the ticks that must follow while it is unfinished.
    fn run_to_end(&mut self, command: &Command, ask: impl Fn(&Question) -> Ruling<Verdict>) -> Vec<Event> {
        let mut run = self.run(command, &ask);
        let mut events = run.decision.events;
        let mut ticks = 0;
        while run.unfinished {
            run = self.run(&Command::Tick, &ask);
            events.extend(run.decision.events);
            ticks += 1;
            assert!(ticks < 1000, "what is to be settled comes to an end");
        }
        let idle = self.run(&Command::Tick, &ask);
        assert_eq!(idle.decision.events, [], "a Tick when all is done does nothing");
        events
    }

    fn defer(&self, name: u8, size: u64, expires: Option<u64>, late: u64) -> Option<Command> {
        let mut message = message(&format!("message {name}")).size(size);
        message.defer.envelope.expires_asked_secs = expires;
        let kinds = ["positive-delivery", "negative-delivery", "processing"].map(str::to_owned);
        message.defer.envelope.imdn.as_mut()?.dispositions = kinds[..usize::from(name % 4)].to_vec();
        message.defer.received_at = Timestamp(self.now.0.saturating_sub(late * 1000));
        if name.is_multiple_of(5) {
            message = message.large(&format!("message {name} at {}", self.now.0));
        }
        Some(Command::Defer(Box::new(message.defer)))
    }

    /// The command of an operation; `None` if there is nothing to do it to.
    fn command(&mut self, op: &Op) -> Option<Command> {
        let source = |network| if network { Source::Network } else { Source::Client };
        Some(match op {
            Op::Wait { secs } => {
                self.now = self.now.after(Duration::from_secs(*secs));
                Command::Tick
            }
            Op::Onwards => {
                self.now = self.queue.next_tick(self.now)?;
                Command::Tick
            }
            Op::Defer { name, size, expires, late } => self.defer(*name, *size, *expires, *late)?,
            Op::Register { client, secs, series, cseq, network, moved } => {
                let contact = format!("sip:{client}@{}", if *moved { "198.51.100.7" } else { "203.0.113.9" });
                let known = self.named(*client, *secs).series(&format!("series {series}"), *cseq).contact(&contact);
                let known = if *network { known.network() } else { known };
                Command::Register(Register { source: source(*network), changes: vec![Binding::Bind(known)] })
            }
            Op::Nameless { secs } => {
                let nameless = self.named(9, *secs).nameless();
                let changes = vec![Binding::BindNameless(nameless)];
                Command::Register(Register { source: Source::Network, changes })
            }
            Op::Remove { client, network } => {
                let changes = vec![Binding::Remove(phone(&format!("client {client}")))];
                Command::Register(Register { source: source(*network), changes })
            }
            Op::RemoveAll { network } => {
                let cause = if *network { Gone::Network } else { Gone::Explicit };
                Command::Register(Register { source: source(*network), changes: vec![Binding::RemoveAll(cause)] })
            }
            Op::WholeState { stays, comes, ends } => {
                let keep = [stays, comes].map(|client| phone(&format!("client {client}"))).to_vec();
                let client = phone(&format!("client {ends}"));
                let changes = vec![
                    Binding::End { client, cause: Gone::Expired },
                    Binding::RemoveOthers { keep, cause: Gone::Network },
                    Binding::Bind(self.named(*comes, 300).network()),
                ];
                Command::Register(Register { source: Source::Network, changes })
            }
            Op::Several { first, second, leaves } => {
                let leaves = Binding::Remove(phone(&format!("client {leaves}")));
                let [first, second] = [first, second].map(|client| Binding::Bind(self.named(*client, 300)));
                Command::Register(Register { source: Source::Client, changes: vec![first, leaves, second] })
            }
            Op::Ended { which, outcome } => {
                let open: Vec<_> = self.queue.messages().flat_map(|e| e.open.iter().map(move |a| (e.id, a))).collect();
                let (message, attempt) = open.get(which.checked_rem(open.len())?)?;
                let mut ended = ended_as("", &attempt.client.0, &attempt.transaction.call_id, *outcome);
                if let Command::DeliveryEnded(ended) = &mut ended.command {
                    ended.message = *message;
                }
                ended.command
            }
            Op::Stray { which, outcome } => {
                let client = format!("client {}", which % 4);
                ended_as(&format!("command {}", which % 20), &client, "stray", *outcome).command
            }
            Op::Wake => Command::Wake,
            Op::Manage { .. } | Op::ErrandEnded { .. } | Op::Prefers { .. } => return self.command_on_errands(op),
        })
    }

    fn command_on_errands(&mut self, op: &Op) -> Option<Command> {
        Some(match op {
            Op::Manage { client, list, inquires } => {
                let known: Vec<MessageId> = self.queue.messages().map(|entry| entry.id).collect();
                let named = |which: usize| which.checked_rem(known.len()).map_or(id("foreign"), |place| known[place]);
                let item = |(which, action): &(usize, Action)| Item { message: named(*which), action: *action };
                let list = list.as_ref().map(|list| list.iter().map(item).collect());
                let manage = Manage { client: phone(&format!("client {client}")), list };
                if *inquires { Command::Inquire(manage) } else { Command::Manage(manage) }
            }
            Op::ErrandEnded { which, result } => {
                let open: Vec<_> = self.queue.errands().filter(|errand| errand.is_open()).collect();
                let errand = open.get(which.checked_rem(open.len())?)?;
                let Stage::Open { transaction, .. } = &errand.stage else { return None };
                let (errand, call_id, result) = (errand.id, transaction.call_id.clone(), result.clone());
                Command::ErrandEnded(ErrandEnded { errand, call_id, result })
            }
            Op::Prefers { which } => {
                self.profile = match which {
                    0 => Profile::default(),
                    1 => disturbs_not(),
                    2 => records(),
                    3 => managing(),
                    _ => unreachable(),
                };
                Command::PreferencesChanged
            }
            _ => return None,
        })
    }

    fn named(&self, client: u8, secs: u64) -> crate::queue::event::Client {
        let expires_at = self.now.after(Duration::from_secs(secs));
        crate::queue::event::Client { expires_at, registered_at: self.now, ..client_of(client) }
    }
}

fn client_of(client: u8) -> crate::queue::event::Client {
    super::story::client(&format!("client {client}"))
}

/// Everything goes through at once.
fn willing(question: &Question) -> Ruling<Verdict> {
    native(match question {
        Question::Handling { .. } => Verdict::Handling(Handling::Push),
        Question::Delivery { .. } => Verdict::Delivery(Delivery::Now),
        other => standard::answer(other),
    })
}

fn config() -> ProptestConfig {
    ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_queue_does_what_a_naive_list_does(
        rules in any_rules(), whim in any::<u64>(), ops in vec(ops(), 1..50)
    ) {
        let whim = Whim(whim);
        let mut world = World::new(rules.clone());
        let mut model = Model::new(rules, whim);
        for op in &ops {
            let Some(command) = world.command(op) else { continue };
            let new_id = id(&format!("command {}", world.commands + 1));
            let events = world.run_to_end(&command, |question| whim.on(question));
            let expected = model.run(&stray_out(command), new_id, world.now);
            let events: Vec<Event> = events.into_iter().filter(is_core).map(unnamed).collect();
            assert_eq!(events, expected, "{op:?}");
        }
        check_all(&world.queue, &world.ledger, &world.rules, world.now, false);
    }

    #[test]
    fn every_message_reaches_a_willing_client_that_registers(
        rules in any_rules(), whim in any::<u64>(), ops in vec(ops(), 1..40)
    ) {
        let mut world = World::new(Rules { clients_max: 9, ..rules });
        for op in &ops {
            if let Some(command) = world.command(op) {
                world.run_to_end(&command, |question| Whim(whim).on(question));
            }
        }
        let register = Register { source: Source::Client, changes: vec![Binding::Bind(world.named(8, 9999))] };
        world.run_to_end(&Command::Register(register), willing);
        for _ in 0..3 * (ops.len() + 1) {
            if let Some(command) = world.command(&Op::Ended { which: 0, outcome: response(200) }) {
                world.run_to_end(&command, willing);
            }
        }
        let left = world.queue.messages().filter(|entry| !entry.awaits_store && entry.handling == Some(Handling::Push));
        assert_eq!(left.count(), 0, "nobody is forgotten");
    }

    #[test]
    fn ticks_come_to_an_end_and_so_does_every_message(
        rules in any_rules(), whim in any::<u64>(), ops in vec(ops(), 1..40)
    ) {
        let mut world = World::new(rules);
        for op in &ops {
            if let Some(command) = world.command(op) {
                world.run_to_end(&command, |question| Whim(whim).on(question));
            }
        }
        for ticks in 0.. {
            assert!(ticks < 1000, "time goes on, and at some time all has been done");
            while let Some(command) = world.command(&Op::Ended { which: 0, outcome: Outcome::Transport }) {
                world.run_to_end(&command, |question| Whim(whim).on(question));
            }
            let Some(next) = world.queue.next_tick(world.now) else { break };
            world.now = next;
            world.run_to_end(&Command::Tick, |question| Whim(whim).on(question));
        }
        assert!(world.queue.messages().all(|entry| entry.awaits_store), "only what waits for the store is left");
        assert_eq!(world.queue.clients().count(), 0);
    }

    #[test]
    fn whatever_is_mixed_nothing_is_lost_or_told_twice_and_every_errand_comes_to_an_end(
        rules in mixed_rules(), whim in any::<u64>(), ops in vec(mixed_ops(), 1..60)
    ) {
        let mut world = World::new(rules);
        for op in &ops {
            if let Some(command) = world.command(op) {
                // The ledger knows what was promised, and that no report is owed twice.
                world.run_to_end(&command, |question| Whim(whim).on(question));
            }
        }
        check_all(&world.queue, &world.ledger, &world.rules, world.now, false);
        let refused = Err(Failed { failure: ErrandFailure::Refused, retry_after_secs: None });
        for ticks in 0.. {
            assert!(ticks < 1000, "time goes on, and at some time all has been done");
            let ends = [
                Op::ErrandEnded { which: 0, result: refused.clone() },
                Op::Ended { which: 0, outcome: Outcome::Transport },
            ];
            while let Some(command) = ends.iter().find_map(|op| world.command(op)) {
                world.run_to_end(&command, |question| Whim(whim).on(question));
            }
            let Some(next) = world.queue.next_tick(world.now) else { break };
            world.now = next;
            world.run_to_end(&Command::Tick, |question| Whim(whim).on(question));
        }
        assert_eq!((world.queue.errands().count(), world.queue.depth()), (0, 0), "nothing is left");
        assert_eq!(world.queue.due(world.now), None);
    }
}

/// The model knows no errands.
fn is_core(event: &Event) -> bool {
    !matches!(
        event,
        Event::NotificationPlanned(_) | Event::ErrandBegun(_) | Event::ErrandFailed(_) | Event::DispositionOwed(_)
    )
}

/// The model knows no Call-IDs: what ends a stray call is nothing to it.
fn stray_out(command: Command) -> Command {
    match command {
        Command::DeliveryEnded(ended) if ended.call_id == "stray" => Command::Tick,
        command => command,
    }
}
