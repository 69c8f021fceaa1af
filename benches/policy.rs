//! What a policy decision costs: the native rule, a component whose instances are reused, a fresh instance for every
//! question, and what comes before the first question.
//!
//! `policy/native/HOOK` is the standard rule without any component, `policy/reused/HOOK` the embedded standard component
//! as the server asks it: the difference is what the component costs. `policy/fresh/admission` is the same with
//! `calls-per-instance = 1` (instantiate, configure, ask, throw away), `policy/shared/admission` two bindings that take
//! turns on a single instance, the worst that `instances-max` can do. `policy/instantiate`, `policy/compile` and
//! `policy/cached` come before the first question: a binding is tried; the standard component is compiled and examined;
//! its code comes from the cache in place of being compiled. `policy/settings` checks settings against a schema.
//!
//! The swap of a table under load belongs here, too: it is a bench of the host (`swap`, below).
#![allow(clippy::unwrap_used)]

use criterion::{Criterion, criterion_group, criterion_main};
use restante::config;
use restante::policy::schema::check_settings;
use restante::policy::{
    Binding, CodeCache, Component, Engine, Host, Judges, NativeJudge, NoCounters, Placement, STANDARD_COMPONENT,
    samples,
};
use restante::queue::question::{Hook, Judge, Question};
use restante::shelf::MemoryShelf;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

fn engine(limits: &config::Policy) -> Engine {
    Engine::new(limits, Arc::new(NoCounters)).unwrap()
}

fn standard(engine: &Engine) -> Arc<Component> {
    Arc::new(engine.load(STANDARD_COMPONENT).unwrap())
}

fn bind(component: &Arc<Component>) -> Binding {
    Binding::new(Arc::clone(component), "{}").unwrap()
}

fn binding(limits: &config::Policy) -> Binding {
    bind(&standard(&engine(limits)))
}

/// The realm of the built-in questions.
const REALM: &str = "ims.example.net";

/// The standard component as it decides in a server: with its counts, its window of failures, and a budget without end,
/// because a bench asks all the time.
fn host(binding: &Arc<Binding>) -> Arc<Host> {
    let limits = config::Policy { realm_ms_per_second: 1_000_000, ..config::Policy::default() };
    let host = Host::new(&limits, Arc::new(NoCounters), Box::new(|_| {}));
    host.install(Placement::of(REALM, binding));
    host
}

/// Asks the host, and makes sure that the component answered.
fn ask_host(host: &Host, question: &Question) {
    let ruling = black_box(host.ask(black_box(question)));
    assert!(matches!(ruling.judge, Judge::Component(_)), "{:?}", ruling.judge);
}

/// The first built-in question of a hook: an ordinary user, an ordinary message.
fn question(hook: Hook) -> Question {
    samples::all().into_iter().map(|(_, question)| question).find(|question| question.hook() == hook).unwrap()
}

/// Asks, and makes sure that the component answered: a bench of a failure would be a lie.
fn ask(binding: &Binding, question: &Question) {
    assert!(black_box(binding.judge(black_box(question))).is_ok());
}

fn calls(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("policy");
    let reused = binding(&config::Policy::default());
    for hook in Hook::ALL {
        let question = question(hook);
        let name = hook.name();
        group
            .bench_function(format!("native/{name}"), |bencher| bencher.iter(|| NativeJudge.ask(black_box(&question))));
        group.bench_function(format!("reused/{name}"), |bencher| bencher.iter(|| ask(&reused, &question)));
    }
    let admission = question(Hook::Admission);
    let hosted = host(&Arc::new(binding(&config::Policy::default())));
    group.bench_function("hosted/admission", |bencher| bencher.iter(|| ask_host(&hosted, &admission)));
    let fresh = binding(&config::Policy { calls_per_instance: 1, ..config::Policy::default() });
    group.bench_function("fresh/admission", |bencher| bencher.iter(|| ask(&fresh, &admission)));
    let one_instance = config::Policy { instances_max: 1, ..config::Policy::default() };
    let component = standard(&engine(&one_instance));
    let (one, other) = (bind(&component), bind(&component));
    group.bench_function("shared/admission", |bencher| {
        bencher.iter(|| {
            ask(&one, &admission);
            ask(&other, &admission);
        });
    });
    group.finish();
}

fn before_the_first_question(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("policy");
    group.sample_size(20);
    let engine = engine(&config::Policy::default());
    let component = standard(&engine);
    // A binding is tried with one instance: instantiate, configure, throw away.
    group.bench_function("instantiate", |bencher| bencher.iter(|| bind(&component)));
    group.bench_function("compile", |bencher| bencher.iter(|| engine.load(black_box(STANDARD_COMPONENT)).unwrap()));
    let cache = CodeCache::new(Arc::new(MemoryShelf::default()), [7; 32]);
    cache.keep(&component).unwrap();
    group.bench_function("cached", |bencher| {
        bencher.iter(|| engine.load_cached(black_box(STANDARD_COMPONENT), &cache).unwrap());
    });
    let settings = serde_json::json!({});
    group.bench_function("settings", |bencher| {
        bencher.iter(|| check_settings(&component, black_box(&settings), 64 << 10).unwrap());
    });
    group.finish();
}

/// A whole table is replaced while another thread goes on asking: what the operator's order costs, and what a question
/// costs meanwhile.
fn swap_under_load(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("policy");
    let component = standard(&engine(&config::Policy::default()));
    let bindings = [Arc::new(bind(&component)), Arc::new(bind(&component))];
    let (host, admission) = (host(&bindings[0]), question(Hook::Admission));
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                ask_host(&host, &admission);
            }
        });
        let mut turn = 0;
        group.bench_function("swap", |bencher| {
            bencher.iter(|| {
                turn += 1;
                host.install(Placement::of(REALM, &bindings[turn % 2]));
            });
        });
        stop.store(true, Ordering::Relaxed);
        group.bench_function("hosted/after-swaps", |bencher| bencher.iter(|| ask_host(&host, &admission)));
    });
    group.finish();
}

criterion_group!(benches, swap_under_load, calls, before_the_first_question);
criterion_main!(benches);
