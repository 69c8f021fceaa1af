//! End-to-end figures over UDP loopback, all of them against the real binary and a real disk:
//! deferred messages a second at several windows with the server's processor time for each; messages drained a second
//! when many users register; the time to ready with a long queue; the rate with a policy component against that with the
//! native rule.
//!
//! `cargo bench --bench end_to_end`; with `-- --test` a tiny round that only shows that everything runs; with `-- ratio`
//! component against native alone. Settings:
//! `RESTANTE_BENCH_SECS` (for each window, 10), `RESTANTE_BENCH_SPREAD` (users that deferred messages go to, 50000: nearly
//! every message wakes somebody), `RESTANTE_BENCH_THREADS` (`actors.threads`), `RESTANTE_BENCH_USERS` (who register, 10000), `RESTANTE_BENCH_QUEUED`
//! (for the time to ready and the deep drain, 1000000; 0 leaves them out). The data directory is made under `TMPDIR`:
//! let it be on a real disk.
// A bench that cannot go on says so and stops; it prints its figures.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::print_stderr)]

#[path = "end_to_end/load.rs"]
mod load;
#[path = "end_to_end/ratio.rs"]
mod ratio;
#[path = "end_to_end/sink.rs"]
mod sink;

// Makes components.
#[allow(dead_code)]
#[path = "../src/policy/tests/guest.rs"]
mod guest;

// The harness of the black-box tests: start the binary, build requests.
#[allow(dead_code)]
#[path = "../tests/blackbox/phone.rs"]
mod phone;
#[allow(dead_code)]
#[path = "../tests/blackbox/server.rs"]
mod server;
#[allow(dead_code)]
#[path = "../tests/blackbox/ua.rs"]
mod ua;
#[allow(dead_code)]
#[path = "../tests/blackbox/wire.rs"]
mod wire;

use load::{Kind, Load};
use server::{Server, Setup};
use sink::Sink;
use std::time::{Duration, Instant};

const PER_USER: u64 = 20;
const WINDOW: usize = 256;

/// What is to be measured.
struct Plan {
    span: Duration,
    spread: u64,
    users: u64,
    queued: u64,
}

impl Plan {
    fn from_environment() -> Self {
        if std::env::args().any(|argument| argument == "--test") {
            return Self { span: Duration::from_millis(300), spread: 50, users: 10, queued: 400 };
        }
        Self {
            span: Duration::from_secs(setting("RESTANTE_BENCH_SECS", 10)),
            spread: setting("RESTANTE_BENCH_SPREAD", 50_000),
            users: setting("RESTANTE_BENCH_USERS", 10_000),
            queued: setting("RESTANTE_BENCH_QUEUED", 1_000_000),
        }
    }
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// Processor time the server has used, user and system.
fn processor_time(server: &Server) -> Duration {
    let text = std::fs::read_to_string(format!("/proc/{}/stat", server.pid())).unwrap();
    // Fields 14 and 15, counted behind the parenthesised name (proc(5)); a tick is 10 ms on Linux.
    let fields: Vec<&str> = text.rsplit_once(") ").unwrap().1.split(' ').collect();
    let ticks = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

/// Highest resident memory so far, MiB.
fn peak_memory(server: &Server) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = text.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

#[allow(clippy::cast_precision_loss)] // Figures for people.
fn rate(count: u64, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}

#[allow(clippy::cast_precision_loss)]
fn micros_each(time: Duration, count: u64) -> f64 {
    time.as_secs_f64() * 1e6 / count.max(1) as f64
}

fn start(sink: &Sink) -> Server {
    start_with(sink, "")
}

fn start_with(sink: &Sink, config: &str) -> Server {
    let threads = setting("RESTANTE_BENCH_THREADS", 0);
    Setup::behind(sink.address())
        .config(&format!(
            "[queue]\nmessages-max = 1000000\n[actors]\nawake-max = 200000\nthreads = {threads}\n\
             [log]\nfilter = \"warn\"\n{config}"
        ))
        .start()
}

/// Deferred messages a second for users who are off.
fn deferral(plan: &Plan, window: usize) {
    let sink = Sink::start();
    let server = start(&sink);
    let load = Load::new(server.sip(), sink.address(), Kind::Message);
    let before = processor_time(&server);
    let done = load.for_a_while(window, plan.span, plan.spread);
    let used = processor_time(&server).checked_sub(before).unwrap();
    println!(
        "deferral: {window:4} in flight: {:8.0}/s, {:6.1} µs of the server's processors each, \
         latency p50 {:.2} ms, p99 {:.2} ms ({} messages, {} retransmissions)",
        rate(done.count, done.took),
        micros_each(used, done.count),
        done.percentile(50).as_secs_f64() * 1e3,
        done.percentile(99).as_secs_f64() * 1e3,
        done.count,
        done.retransmissions,
    );
    assert_eq!(sink.count(), 0, "nobody is registered");
}

/// Puts messages into the queues of users `first..first + users`, each in turn.
fn fill(server: &Server, sink: &Sink, first: u64, users: u64, messages: u64) {
    let begun = Instant::now();
    let done = Load::new(server.sip(), sink.address(), Kind::Message).each(WINDOW, messages, first, users);
    println!(
        "          (filled with {} messages for {users} users in {:.1} s)",
        done.count,
        begun.elapsed().as_secs_f64()
    );
}

/// Messages drained a second when users `first..first + users` register.
fn drain(server: &Server, sink: &Sink, first: u64, users: u64, depth: u64) {
    let wanted = sink.count() + users * PER_USER;
    let before = processor_time(server);
    let begun = Instant::now();
    let registered = Load::new(server.sip(), sink.address(), Kind::Register).each(WINDOW, users, first, users);
    let mut last = (Instant::now(), 0);
    while sink.count() < wanted && last.0.elapsed() < Duration::from_secs(40) {
        std::thread::sleep(Duration::from_millis(1));
        if sink.count() > last.1 {
            last = (Instant::now(), sink.count());
        }
    }
    let took = begun.elapsed();
    let used = processor_time(server).checked_sub(before).unwrap();
    let drained = users * PER_USER - (wanted - sink.count().min(wanted));
    println!(
        "drain: {users} users × {PER_USER} of {depth} queued: {:8.0}/s, {:6.1} µs of the server's processors each, \
         {drained} messages in {:.2} s (all registered after {:.2} s; {} repeats)",
        rate(drained, took),
        micros_each(used, drained),
        took.as_secs_f64(),
        registered.took.as_secs_f64(),
        sink.repeats(),
    );
    assert_eq!(sink.count(), wanted, "messages drained");
}

fn main() {
    let plan = Plan::from_environment();
    ratio::ratio(&plan);
    if std::env::args().any(|argument| argument == "ratio") {
        return;
    }
    for window in [1, 32, 256] {
        deferral(&plan, window);
    }
    let sink = Sink::start();
    let mut server = start(&sink);
    fill(&server, &sink, 0, plan.users, plan.users * PER_USER);
    drain(&server, &sink, 0, plan.users, plan.users * PER_USER);
    let queued = plan.queued / PER_USER * PER_USER;
    if queued == 0 {
        return;
    }
    fill(&server, &sink, plan.users, queued / PER_USER, queued);
    println!("memory: {} MiB at most while {queued} are queued", peak_memory(&server));
    server.kill();
    println!("ready: {:.3} s after kill -9 with {queued} queued", server.start().as_secs_f64());
    println!("memory: {} MiB at most when ready", peak_memory(&server));
    drain(&server, &sink, plan.users, plan.users.min(queued / PER_USER), queued);
    server.terminate();
    let status = server.wait_for_end(Duration::from_mins(1));
    assert_eq!(status.code(), Some(0), "{}", server.log());
    println!("ready: {:.3} s after a clean end", server.start().as_secs_f64());
}
