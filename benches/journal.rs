//! Group commit against raw RocksDB on the same disk in the same run: durable appends per second.
//!
//! One element is one accepted command: a record of 700 octets with a body of 400, synced. `journal/append/N` keeps N
//! commands in flight over one journal (closed loop: each producer waits for its commit before its next append).
//! `raw/put` is RocksDB with one synced put per command from one thread; `raw/batch/N` is one synced batch per N
//! commands, the most that a disk gives. After the groups a line tells the CPU time of one append.
//!
//! The database lies under Cargo's target directory, which should be on the disk to be measured, not in memory.
// Counts of appends are far below 2^52.
#![allow(clippy::unwrap_used, clippy::print_stderr, clippy::cast_precision_loss)]

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use restante::config;
use restante::journal::{Append, Body, Journal, JournalRead as _, RocksJournal, Uncounted};
use restante::types::{Chain, MessageId, UserKey};
use rocksdb::{DB, Options, WriteBatch, WriteOptions};
use std::cell::{Cell, RefCell};
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::task::LocalSet;

const RECORD: usize = 700;
const BODY: usize = 400;

fn directory() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// Octets that do not compress to nothing.
fn octets(length: usize) -> Vec<u8> {
    (0..length).map(|at| ((at * 7919) >> 3).to_le_bytes()[0]).collect()
}

/// Producers that each have one command in flight.
struct Load {
    journal: RocksJournal,
    users: RefCell<Vec<u64>>,
    messages: Cell<u128>,
    record: Bytes,
    body: Bytes,
    runtime: tokio::runtime::Runtime,
    _directory: TempDir,
}

impl Load {
    fn new() -> Self {
        let directory = directory();
        let config = config::Journal { directory: directory.path().join("data"), ..config::Journal::default() };
        Self {
            journal: RocksJournal::open(&config, Arc::new(Uncounted)).unwrap(),
            users: RefCell::default(),
            messages: Cell::new(0),
            record: octets(RECORD).into(),
            body: octets(BODY).into(),
            runtime: tokio::runtime::Builder::new_current_thread().build().unwrap(),
            _directory: directory,
        }
    }

    fn next(&self, producer: usize) -> Append {
        let mut users = self.users.borrow_mut();
        users[producer] += 1;
        let message = self.messages.get() + 1;
        self.messages.set(message);
        let mut user = [0; 16];
        user[..8].copy_from_slice(&(producer as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
        Append {
            user: UserKey(user),
            seq: users[producer],
            chain: Chain::GENESIS,
            record: self.record.clone(),
            bodies: vec![(
                MessageId(message.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835).to_be_bytes()),
                Body::Whole(self.body.clone()),
            )],
            ended: Vec::new(),
            freed: 0,
            due: None,
        }
    }

    /// Carries out so many commands with so many in flight.
    fn run(self: &std::rc::Rc<Self>, commands: u64, in_flight: usize) -> Duration {
        if self.users.borrow().len() < in_flight {
            self.users.borrow_mut().resize(in_flight, 0);
        }
        let left = std::rc::Rc::new(Cell::new(commands));
        let tasks = LocalSet::new();
        for producer in 0..in_flight {
            let (load, left) = (std::rc::Rc::clone(self), std::rc::Rc::clone(&left));
            tasks.spawn_local(async move {
                while left.get() > 0 {
                    left.set(left.get() - 1);
                    load.journal.append(load.next(producer)).unwrap().await.unwrap().unwrap();
                }
            });
        }
        let began = Instant::now();
        self.runtime.block_on(tasks);
        began.elapsed()
    }
}

/// A run has several rounds for every producer at least, so that the loop is really closed.
fn scaled(iterations: u64, unit: u64, run: impl FnOnce(u64) -> Duration) -> Duration {
    let commands = iterations.max(unit);
    run(commands).mul_f64(iterations as f64 / commands as f64)
}

fn appends(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("journal/append");
    group.throughput(Throughput::Elements(1)).sample_size(20).measurement_time(Duration::from_secs(6));
    for in_flight in [1, 32, 1024] {
        let load = std::rc::Rc::new(Load::new());
        group.bench_function(BenchmarkId::from_parameter(in_flight), |bencher| {
            let unit = if in_flight == 1 { 1 } else { in_flight as u64 * 4 };
            bencher.iter_custom(|iterations| scaled(iterations, unit, |commands| load.run(commands, in_flight)));
        });
        black_box(load.journal.users(None, 1).unwrap());
    }
    group.finish();
}

fn raw(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("raw");
    group.throughput(Throughput::Elements(1)).sample_size(20).measurement_time(Duration::from_secs(6));
    let mut synced = WriteOptions::default();
    synced.set_sync(true);
    let value = octets(RECORD + BODY);
    for batch in [1_u64, 32, 1024] {
        let directory = directory();
        let mut options = Options::default();
        options.create_if_missing(true);
        let db = DB::open(&options, directory.path()).unwrap();
        let mut key = 0_u64;
        let mut write = |commands: u64| {
            let began = Instant::now();
            for _ in 0..commands / batch {
                let mut writes = WriteBatch::default();
                for _ in 0..batch {
                    key += 1;
                    writes.put(key.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes(), &value);
                }
                db.write_opt(writes, &synced).unwrap();
            }
            began.elapsed()
        };
        let name = if batch == 1 { BenchmarkId::from_parameter("put") } else { BenchmarkId::new("batch", batch) };
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|iterations| {
                // Whole batches only.
                let commands = iterations.div_ceil(batch) * batch;
                write(commands).mul_f64(iterations as f64 / commands as f64)
            });
        });
    }
    group.finish();
}

/// CPU time of the whole process and of the committer's thread so far. Linux counts it in ticks of 10 ms.
fn cpu() -> (Duration, Duration) {
    let ticks = |stat: &str| -> u32 {
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        after_name.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<u32>().ok()).sum()
    };
    let read = |path: std::path::PathBuf| std::fs::read_to_string(path).unwrap_or_default();
    let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let committer: u32 = threads
        .map(|thread| read(thread.path().join("stat")))
        .filter(|stat| stat.contains("(journal)"))
        .map(|stat| ticks(&stat))
        .sum();
    let tick = Duration::from_millis(10);
    (tick * ticks(&read("/proc/self/stat".into())), tick * committer)
}

fn cpu_per_append(_: &mut Criterion) {
    // `cargo bench -- --test` only wants to know whether it runs.
    let commands = if std::env::args().any(|argument| argument == "--test") { 2_000 } else { 100_000 };
    for in_flight in [32, 1024] {
        let load = std::rc::Rc::new(Load::new());
        let before = cpu();
        let took = load.run(commands, in_flight);
        let after = cpu();
        let each = |now: Duration, then: Duration| now.saturating_sub(then).as_secs_f64() * 1e6 / commands as f64;
        eprintln!(
            "{in_flight} in flight: {:.0} appends/s; CPU per append: {:.1} µs in all, {:.1} µs of it in the committer",
            commands as f64 / took.as_secs_f64(),
            each(after.0, before.0),
            each(after.1, before.1),
        );
    }
}

criterion_group!(benches, appends, raw, cpu_per_append);
criterion_main!(benches);
