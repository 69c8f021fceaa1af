//! What the queue costs: deciding, folding in, storing and waking, without disk and network.
//!
//! `cargo bench --bench queue`; `-- --test` runs everything once.

// A bench that cannot set its stage has nothing to measure.
#![allow(clippy::expect_used, clippy::unwrap_used)]

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use restante::config;
use restante::formats::Profile;
use restante::queue::command::{Binding, Command, Defer, DeliveryEnded, Outcome, Register};
use restante::queue::decide::{Env, Rules};
use restante::queue::effect::Effect;
use restante::queue::event::{Client, Envelope, Event, Imdn, KeptHeader, KeptName, Source};
use restante::queue::question::{Judge, Mode, Question, Ruling, Verdict};
use restante::queue::run::{Run, run};
use restante::queue::schema::{Record, decode_state, encode_state};
use restante::queue::{Queue, standard};
use restante::types::{Address, ClientId, IdSource, MessageId, OriginKey, SeedSecret, Timestamp};
use std::hint::black_box;

const NOW: Timestamp = Timestamp::from_secs(1_267_521_247);

fn bob() -> Address {
    Address::parse("sip:+12025550200@ims.example.net").expect("an address")
}

fn rules() -> Rules {
    let queue = config::Queue { messages_max: 100_000, ..config::Queue::default() };
    Rules::new(&queue, &config::Errands::default(), "ims.example.net", &config::Realm::default())
}

fn seed(n: u64) -> [u8; 16] {
    let mut seed = [7; 16];
    seed[..8].copy_from_slice(&n.to_be_bytes());
    seed
}

/// The MESSAGE of WX-1, as it is stored.
fn defer(n: u64) -> Command {
    let header = |name, value: &str| KeptHeader { name, value: value.into() };
    let envelope = Envelope {
        mode: Mode::Pager,
        request_uri: "sip:+12025550200@ims.example.net;user=phone".to_owned(),
        headers: vec![
            header(KeptName::From, "<sip:+12025550100@ims.example.net;user=phone>;tag=a1"),
            header(KeptName::To, "<sip:+12025550200@ims.example.net;user=phone>"),
            header(KeptName::PAssertedIdentity, "<sip:+12025550100@ims.example.net;user=phone>"),
            header(KeptName::Date, "Tue, 02 Mar 2010 09:14:07 GMT"),
            header(KeptName::AcceptContact, "*;+g.3gpp.icsi-ref=\"urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.msg\""),
            header(KeptName::ContentType, "message/cpim"),
            header(KeptName::ConversationId, "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"),
            header(KeptName::ContributionId, "abcdef00-1234-11df-8a39-0800200c9a66"),
        ],
        size: 300,
        imdn: Some(Imdn {
            message_id: Some("Mk7xQ2b9LhT0".to_owned()),
            date_time: Some("2010-03-02T09:14:07Z".to_owned()),
            dispositions: vec!["positive-delivery".to_owned(), "negative-delivery".to_owned()],
            from: Some("<sip:+12025550100@ims.example.net>".to_owned()),
            to: Some("<sip:+12025550200@ims.example.net>".to_owned()),
            ..Imdn::default()
        }),
        expires_asked_secs: Some(86_400),
        anonymous: false,
        return_address: Some("sip:+12025550100@ims.example.net".to_owned()),
    };
    Command::Defer(Box::new(Defer { envelope, origin: OriginKey(seed(n)), received_at: NOW, kept: None }))
}

fn register() -> Command {
    let client = Client {
        id: ClientId("<urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6>".to_owned()),
        instance: Some("<urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6>".to_owned()),
        contact: "sip:bob@198.51.100.7:5060".to_owned(),
        tags: vec!["urn:urn-7:3gpp-service.ims.icsi.oma.cpm.msg".to_owned()],
        source: Source::Network,
        route: vec!["<sip:scscf1.ims.example.net:5060;lr>".to_owned()],
        flow: None,
        call_id: "reg".to_owned(),
        cseq: 1,
        registered_at: NOW,
        expires_at: Timestamp(NOW.0 + 3_600_000),
    };
    Command::Register(Register { source: Source::Network, changes: vec![Binding::Bind(client)] })
}

fn ask(question: &Question) -> Ruling<Verdict> {
    Ruling { verdict: standard::answer(question), judge: Judge::Native }
}

fn perform(queue: &mut Queue, command: &Command, n: u64, rules: &Rules) -> Run {
    let ids = IdSource::new(seed(n), SeedSecret([1; 16]));
    let profile = Profile::default();
    run(queue, command, &Env { now: NOW, ids: &ids, rules, profile: &profile }, ask)
}

/// A queue with so many messages and every record that made it.
fn queued(messages: u64, rules: &Rules) -> (Queue, Vec<Record>) {
    let mut queue = Queue::new(bob());
    let mut records = Vec::new();
    for n in 0..messages {
        let events = perform(&mut queue, &defer(n), n, rules).decision.events;
        records.push(Record { user: bob(), seq: n + 1, at: NOW, events });
    }
    (queue, records)
}

/// The success of the delivery that this run began.
fn success(run: &Run) -> Command {
    let send = run.decision.effects.iter().find_map(|effect| match effect {
        Effect::Send(send) => Some(send),
        Effect::Reply(_) | Effect::Perform(_) => None,
    });
    let send = send.expect("a delivery in flight");
    Command::DeliveryEnded(DeliveryEnded {
        message: send.message,
        client: send.client.clone(),
        call_id: send.transaction.call_id.clone(),
        outcome: Outcome::Response { status: 200, retry_after_secs: None },
    })
}

/// With a queue of so many: one message more; one delivered and the next begun.
fn deciding(c: &mut Criterion) {
    let rules = rules();
    for depth in [1, 100, 1000] {
        let (queue, _) = queued(depth, &rules);
        let command = defer(u64::MAX);
        c.bench_function(&format!("decide and evolve a deferral, {depth} queued"), |b| {
            b.iter_batched_ref(
                || queue.clone(),
                |queue| perform(queue, black_box(&command), u64::MAX, &rules),
                BatchSize::LargeInput,
            );
        });
        let mut queue = queue;
        let command = success(&perform(&mut queue, &register(), u64::MAX, &rules));
        c.bench_function(&format!("decide and evolve a delivery outcome, {depth} queued"), |b| {
            b.iter_batched_ref(
                || queue.clone(),
                |queue| perform(queue, black_box(&command), u64::MAX, &rules),
                BatchSize::LargeInput,
            );
        });
        let command = defer(u64::MAX);
        c.bench_function(&format!("decide and evolve a deferral while one is in flight, {depth} queued"), |b| {
            b.iter_batched_ref(
                || queue.clone(),
                |queue| perform(queue, black_box(&command), u64::MAX, &rules),
                BatchSize::LargeInput,
            );
        });
    }
}

fn records(c: &mut Criterion) {
    let (_, mut records) = queued(1, &rules());
    let record = records.remove(0);
    let bytes = record.encode();
    let mut group = c.benchmark_group("record of a deferral");
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("encode", |b| b.iter(|| black_box(&record).encode()));
    group.bench_function("decode", |b| b.iter(|| Record::decode(black_box(&bytes))));
    group.finish();
}

/// The stored records of a user to whom so many events have happened: messages come, are delivered, a thousand are left.
fn history(events: usize) -> (Queue, Vec<Vec<u8>>) {
    let rules = rules();
    let mut queue = Queue::new(bob());
    let mut stored = Vec::new();
    let mut count = 0;
    let mut keep = |events: Vec<Event>| {
        count += events.len();
        let seq = stored.len() as u64 + 1;
        stored.push(Record { user: bob(), seq, at: NOW, events }.encode());
        count
    };
    let mut last = perform(&mut queue, &register(), 0, &rules);
    let mut reached = keep(last.decision.events.clone());
    let mut n = 1;
    while reached < events {
        let deferred = perform(&mut queue, &defer(n), n, &rules);
        reached = keep(deferred.decision.events.clone());
        n += 1;
        if queue.in_flight().len() == 1 && n % 2 == 1 {
            let began = if deferred.decision.effects.len() > 1 { deferred } else { last };
            last = perform(&mut queue, &success(&began), n + (1 << 40), &rules);
            reached = keep(last.decision.events.clone());
        } else if deferred.decision.effects.len() > 1 {
            last = deferred;
        }
    }
    (queue, stored)
}

fn waking(c: &mut Criterion) {
    let (queue, stored) = history(10_000);
    c.bench_function("wake from 10,000 events", |b| {
        b.iter(|| {
            let mut queue = Queue::new(bob());
            for bytes in &stored {
                let record = Record::decode(bytes).expect("a record of ours");
                for event in &record.events {
                    queue.evolve(event, record.at);
                }
            }
            queue
        });
    });
    let snapshot = encode_state(&queue);
    let name = format!("wake from a snapshot with {} queued", queue.depth());
    c.bench_function(&name, |b| b.iter(|| decode_state(black_box(&snapshot)).expect("a snapshot of ours")));
    let (few, _) = queued(20, &rules());
    let snapshot = encode_state(&few);
    c.bench_function("wake from a snapshot with 20 queued", |b| {
        b.iter(|| decode_state(black_box(&snapshot)).expect("a snapshot of ours"));
    });
    c.bench_function("make a snapshot with 20 queued", |b| b.iter(|| encode_state(black_box(&few))));
    assert_eq!(few.message(&MessageId(seed(0))).map(|entry| entry.attempts), Some(0));
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).warm_up_time(std::time::Duration::from_millis(500))
        .measurement_time(std::time::Duration::from_secs(2));
    targets = deciding, records, waking
}
criterion_main!(benches);
