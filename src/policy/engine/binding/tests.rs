//! Instances are shared out between bindings: one that is idle is in nobody's way.

use super::*;
use crate::config;
use crate::policy::tests::guest::{Guest, manage};
use crate::policy::tests::{ENGINE, Recorder};
use crate::policy::{Engine, NoCounters, STANDARD_COMPONENT, samples};
use crate::queue::question::Handling;
use std::sync::Barrier;
use std::sync::atomic::Ordering;

fn handling() -> Question {
    Question::Handling { context: samples::sample_context(), message: samples::sample_message() }
}

fn engine(instances_max: u32) -> Engine {
    Engine::new(&config::Policy { instances_max, ..config::Policy::default() }, Arc::new(NoCounters)).unwrap()
}

fn manager(engine: &Engine) -> Arc<Component> {
    Arc::new(engine.load(&Guest::new().judge("handling", manage()).build()).unwrap())
}

fn bind(component: &Arc<Component>) -> Binding {
    Binding::new(Arc::clone(component), "{}").unwrap()
}

#[test]
fn an_idle_instance_makes_room_for_another_binding() {
    let engine = engine(1);
    let component = manager(&engine);
    let (one, other, third) = (bind(&component), bind(&component), bind(&component));
    for _ in 0..3 {
        for binding in [&one, &other, &third] {
            assert_eq!(binding.judge(&handling()), Ok(Verdict::Handling(Handling::Manage)));
            assert_eq!(binding.idle.len(), 1);
            assert_eq!(engine.0.alive.load(Ordering::SeqCst), 1);
        }
    }
    assert_eq!((one.idle.len(), other.idle.len(), third.idle.len()), (0, 0, 1));
}

#[test]
fn whoever_has_most_idle_instances_gives_one() {
    let engine = engine(4);
    let component = manager(&engine);
    let (rich, poor, new) = (bind(&component), bind(&component), bind(&component));
    let seats: Vec<Seat> = (0..3).map(|_| rich.take().unwrap()).collect();
    for seat in seats {
        rich.idle.put(seat);
    }
    poor.judge(&handling()).unwrap();
    new.judge(&handling()).unwrap();
    assert_eq!((rich.idle.len(), poor.idle.len(), new.idle.len()), (2, 1, 1));
}

#[test]
fn what_a_binding_that_is_gone_held_is_free() {
    let engine = engine(2);
    let component = manager(&engine);
    let gone = bind(&component);
    gone.judge(&handling()).unwrap();
    assert_eq!(engine.0.alive.load(Ordering::SeqCst), 1);
    drop(gone);
    assert_eq!(engine.0.alive.load(Ordering::SeqCst), 0);
    assert!(engine.0.idle.spare().is_none());
}

#[test]
fn busy_instances_are_left_alone() {
    let engine = engine(1);
    let component = manager(&engine);
    let (one, other) = (bind(&component), bind(&component));
    let busy = one.take().unwrap();
    assert_eq!(other.judge(&handling()).unwrap_err().failure, Failure::Unavailable);
    one.idle.put(busy);
    assert!(other.judge(&handling()).is_ok());
}

#[test]
fn many_bindings_on_few_instances_are_all_answered() {
    const THREADS: usize = 2;
    let counters = Arc::new(Recorder::default());
    let limits = config::Policy { instances_max: 2, ..config::Policy::default() };
    let engine = Engine::new(&limits, counters.clone()).unwrap();
    let component = manager(&engine);
    let bindings: Vec<Binding> = (0..5).map(|_| bind(&component)).collect();
    let start = Barrier::new(THREADS);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (bindings, start) = (&bindings, &start);
            scope.spawn(move || {
                start.wait();
                for turn in 0..200 {
                    let binding = &bindings[(turn * (thread + 1)) % bindings.len()];
                    assert_eq!(binding.judge(&handling()), Ok(Verdict::Handling(Handling::Manage)));
                }
            });
        }
    });
    assert!(counters.alive.lock().unwrap().iter().all(|alive| *alive <= 2));
}

#[test]
fn an_examination_takes_no_room_from_those_for_whom_a_message_waits() {
    let engine = engine(1);
    let component = manager(&engine);
    let busy = bind(&component);
    let _busy = busy.take().unwrap();
    let report = crate::policy::check::check(STANDARD_COMPONENT, &engine).unwrap();
    assert!(report.is_acceptable(), "{report}");
    assert_eq!(engine.0.alive.load(Ordering::SeqCst), 1);
}

#[test]
fn instances_for_which_nobody_waits_are_few_and_no_message_waits_for_them() {
    let engine = engine(2);
    let component = manager(&engine);
    let live = bind(&component);
    let held: Vec<Permit> = (0..super::super::TRIALS).map(|_| Permit::for_trial(&engine).unwrap()).collect();
    assert!(live.judge(&handling()).is_ok());
    std::thread::scope(|scope| {
        let order = scope.spawn(|| Binding::new(Arc::clone(&component), "{}").is_ok());
        drop(held);
        assert!(order.join().unwrap());
    });
    assert_eq!(*engine.0.trials.lock().unwrap(), 0);
}

#[test]
fn a_binding_knows_its_settings() {
    let standard = Arc::new(ENGINE.load(STANDARD_COMPONENT).unwrap());
    assert_eq!(Binding::new(standard, "{ }").unwrap().settings(), "{ }");
}
