//! What a policy decision costs: the native rule, a component whose instances are reused, a fresh instance for every
//! question, and what comes before the first question.
//!
//! `policy/native` is the standard rule without any component, `policy/reused/HOOK` the embedded standard component as
//! the server asks it, `policy/fresh/admission` the same with `calls-per-instance = 1` (instantiate, configure, ask,
//! throw away). `policy/compile` is the cold compilation of the standard component, with its examination.
#![allow(clippy::unwrap_used)]

use criterion::{Criterion, criterion_group, criterion_main};
use restante::config;
use restante::policy::{Binding, Engine, Host, Judges, NativeJudge, NoCounters, STANDARD_COMPONENT, samples};
use restante::queue::question::{Hook, Judge, Question};
use restante::types::Digest;
use std::hint::black_box;
use std::sync::Arc;

fn host(limits: &config::Policy) -> Host {
    let engine = Engine::new(limits, Arc::new(NoCounters)).unwrap();
    let component = Arc::new(engine.load(STANDARD_COMPONENT).unwrap());
    Host::new(Arc::new(NoCounters)).bind_all(&Arc::new(Binding::new(component, "{}").unwrap()))
}

/// The first built-in question of a hook: an ordinary user, an ordinary message.
fn question(hook: Hook) -> Question {
    samples::all().into_iter().map(|(_, question)| question).find(|question| question.hook() == hook).unwrap()
}

/// Asks, and makes sure that the component answered: a bench of the fallback would be a lie.
fn ask(host: &Host, question: &Question) {
    let ruling = black_box(host.ask(black_box(question)));
    assert!(matches!(ruling.judge, Judge::Component(_)), "{:?}", ruling.judge);
}

fn calls(criterion: &mut Criterion) {
    assert_eq!(host(&config::Policy::default()).bound(Hook::Admission), Some(Digest::of(STANDARD_COMPONENT)));
    let mut group = criterion.benchmark_group("policy");
    let admission = question(Hook::Admission);
    group.bench_function("native", |bencher| bencher.iter(|| NativeJudge.ask(black_box(&admission))));
    let reused = host(&config::Policy::default());
    for hook in Hook::ALL {
        let question = question(hook);
        group.bench_function(format!("reused/{}", hook.name()), |bencher| bencher.iter(|| ask(&reused, &question)));
    }
    let fresh = host(&config::Policy { calls_per_instance: 1, ..config::Policy::default() });
    group.bench_function("fresh/admission", |bencher| bencher.iter(|| ask(&fresh, &admission)));
    group.finish();
}

fn before_the_first_question(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("policy");
    group.sample_size(20);
    let engine = Engine::new(&config::Policy::default(), Arc::new(NoCounters)).unwrap();
    let component = Arc::new(engine.load(STANDARD_COMPONENT).unwrap());
    // A binding is tried with one instance: instantiate, configure, throw away.
    group.bench_function("instantiate", |bencher| {
        bencher.iter(|| Binding::new(Arc::clone(&component), "{}").unwrap());
    });
    group.bench_function("compile", |bencher| bencher.iter(|| engine.load(black_box(STANDARD_COMPONENT)).unwrap()));
    group.finish();
}

criterion_group!(benches, calls, before_the_first_question);
criterion_main!(benches);
