//! A data directory with a past: users of two realms whose messages were all managed, and an operator's orders.

use bytes::Bytes;
use restante::app::DiskShelf;
use restante::config::{self, Config, Realm};
use restante::formats::Profile;
use restante::journal::{Append, Body, Head, Journal, RocksJournal, Uncounted};
use restante::policy::policies::{Author, Bind, Policies, Realms, Signed};
use restante::policy::{Engine, Keeper, NoCounters};
use restante::queue::Queue;
use restante::queue::command::{Command, Defer};
use restante::queue::decide::{Env, Rules};
use restante::queue::event::{Envelope, Event, KeptHeader, KeptName};
use restante::queue::question::{Handling, Hook, Judge, Mode, Question, Ruling, Verdict};
use restante::queue::run::run;
use restante::queue::schema::Record;
use restante::queue::standard;
use restante::types::{Address, Digest, IdSource, MessageId, OriginKey, Timestamp};
use std::path::Path;
use std::sync::Arc;

/// Messages of each user.
const MESSAGES: u64 = 3;
/// 2026-01-01T00:00:00Z, seconds.
const BEGIN: u64 = 1_767_225_600;

/// As the standard, but everything is managed.
fn judge(question: &Question) -> Ruling<Verdict> {
    let verdict = match question {
        Question::Handling { .. } => Verdict::Handling(Handling::Manage),
        other => standard::answer(other),
    };
    Ruling { verdict, judge: Judge::Native }
}

/// Writes it; gives the messages of the first user, and who holds the directory open, as a running server does.
pub fn write(directory: &Path) -> (Vec<MessageId>, RocksJournal) {
    let journal = config::Journal {
        directory: directory.to_owned(),
        cache_bytes: 8 << 20,
        write_buffer_bytes: 16 << 20,
        ..config::Journal::default()
    };
    let realms = [("a.test".to_owned(), Realm::default()), ("b.test".to_owned(), Realm::default())];
    let config = Config { journal, realms: realms.into(), ..Config::default() };
    let journal = RocksJournal::open(&config.journal, Arc::new(Uncounted)).unwrap();
    let first = live(&journal, &config, "sip:alice@a.test");
    live(&journal, &config, "sip:bob@b.test");
    order(&journal, &config);
    journal.close();
    (first, journal)
}

fn live(journal: &RocksJournal, config: &Config, address: &str) -> Vec<MessageId> {
    let mut queue = Queue::new(Address::parse(address).unwrap());
    let (mut head, mut messages) = (Head::EMPTY, Vec::new());
    let rules = Rules::new(&config.queue, &config.errands, queue.user().host(), &Realm::default());
    for number in 0..MESSAGES {
        let now = Timestamp::from_secs(BEGIN + 100 * number);
        let mut seed = [0; 16];
        seed.copy_from_slice(&Digest::of(format!("{address}{number}").as_bytes()).0[..16]);
        let ids = IdSource::new(seed, journal.secret());
        let profile = Profile::default();
        let env = Env { now, ids: &ids, rules: &rules, profile: &profile };
        let events = run(&mut queue, &Command::Defer(Box::new(message(seed, now))), &env, judge).decision.events;
        let deferred = events.iter().filter(|event| matches!(event, Event::MessageDeferred(_)));
        let bodies = deferred.map(|event| (event.message().unwrap(), Body::Whole(Bytes::from_static(b"secret"))));
        let bodies: Vec<_> = bodies.collect();
        let ended = events.iter().filter(|event| event.is_end()).filter_map(Event::message).collect::<Vec<_>>();
        messages.extend(bodies.iter().map(|(message, _)| *message));
        let record = Record { user: queue.user().clone(), seq: head.seq + 1, at: now, events }.encode();
        head = Head { seq: head.seq + 1, chain: head.chain.extend(&record) };
        let (user, seq, chain, freed) = (queue.user().key(), head.seq, head.chain, 6 * ended.len() as u64);
        let append = Append { user, seq, chain, record: record.into(), bodies, ended, freed, due: None };
        drop(journal.append(append).unwrap());
    }
    messages
}

/// The first expires before the next comes.
fn message(seed: [u8; 16], received_at: Timestamp) -> Defer {
    let envelope = Envelope {
        mode: Mode::Pager,
        request_uri: "sip:alice@a.test".to_owned(),
        headers: vec![KeptHeader { name: KeptName::Subject, value: "secret plans".into() }],
        size: 6,
        imdn: None,
        expires_asked_secs: Some(50),
        anonymous: false,
        return_address: Some("sip:carol@elsewhere.test".to_owned()),
    };
    Defer { envelope, origin: OriginKey(seed), received_at, kept: None }
}

fn order(journal: &RocksJournal, config: &Config) {
    let clock = Arc::new(|| Timestamp::from_secs(BEGIN));
    let shelf = Arc::new(DiskShelf(journal.catalogue()));
    let engine = Engine::new(&config.policy, Arc::new(NoCounters)).unwrap();
    let keeper = Keeper::open(config, engine, shelf, journal.secret(), clock, Arc::new(NoCounters)).unwrap();
    let policy = keeper.resolve("standard", &Realms::All).unwrap();
    let order = Bind { realm: "a.test".to_owned(), policy, decisions: Some(vec![Hook::Expiry]), settings: None };
    keeper.shadow(Signed { author: Author("anna".to_owned()), reason: "to see".to_owned(), order }).unwrap();
    keeper.close();
}
