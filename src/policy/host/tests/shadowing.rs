//! Policies in the shadow: beside the path of the message, counted, sampled, and without any effect.

use super::*;
use crate::queue::question::Admission;
use std::sync::mpsc;

fn count(world: &World) -> ShadowCount {
    world.host.shadow(REALM, Hook::Handling).unwrap()
}

/// A policy that answers when it is let.
fn gated(name: u8) -> (Arc<Fake>, mpsc::Sender<()>) {
    let (open, gate) = mpsc::channel();
    let gate = Mutex::new(gate);
    let fake = Fake::of(name, move |_| {
        // Whoever holds the other end lets go of it at the end of the test.
        let _ = gate.lock().unwrap().recv();
        Ok(PUSH)
    });
    (fake, open)
}

#[test]
fn a_shadow_is_asked_the_same_and_compared() {
    let (world, live) = (World::new(), Fake::manages(1));
    let turn = AtomicUsize::new(0);
    let shadow = Fake::of(2, move |_| match turn.fetch_add(1, Ordering::SeqCst) {
        0 | 1 => Ok(MANAGE),
        2 => Ok(PUSH),
        _ => Err(Failure::Trap),
    });
    world.install([live.decides(REALM).shadowed_by(&shadow)]);
    for asked in 1..=4 {
        assert_eq!(world.handling(), Ruling { verdict: MANAGE, judge: Judge::Component(live.digest) });
        soon(|| count(&world).asked == asked);
    }
    let (at, message) = (samples::sample_context().now, samples::sample_message().id);
    let sample = |shadow| Sample { at, message, active: MANAGE, shadow };
    let samples = vec![sample(Ok(PUSH)), sample(Err(Failure::Trap))];
    assert_eq!(count(&world), ShadowCount { asked: 4, same: 2, different: 1, failed: 1, dropped: 0, samples });
    for (result, times) in [("Same", 2), ("Different", 1), ("Failed", 1), ("Dropped", 0)] {
        assert_eq!(world.counted.times(&format!("ims.example.net handling shadow 2: {result}")), times, "{result}");
    }
}

#[test]
fn a_shadow_that_only_fails_touches_nothing() {
    let (world, live, shadow) = (World::new(), Fake::manages(1), Fake::fails(2, Failure::Trap));
    world.install([live.decides(REALM).shadowed_by(&shadow)]);
    for asked in 1..=20 {
        assert_eq!(world.handling().judge, Judge::Component(live.digest));
        soon(|| count(&world).asked == asked);
    }
    assert_eq!(world.health(), Health::default());
    assert!(world.alarms.lock().unwrap().is_empty());
    assert_eq!(count(&world).failed, 20);
    assert_eq!(count(&world).samples.len(), 2, "policy.shadow-samples-max");
}

#[test]
fn the_standard_rule_can_be_shadowed_too() {
    let (world, shadow) = (World::new(), Fake::manages(2));
    world.install([Place { live: None, ..shadow.decides(REALM) }.shadowed_by(&shadow)]);
    assert_eq!(world.handling().judge, Judge::Native);
    soon(|| count(&world).asked == 1);
    assert_eq!(count(&world).different, 1);
}

#[test]
fn nobody_waits_for_a_shadow_and_what_is_too_much_is_dropped() {
    let (world, live, (shadow, open)) = (World::new(), Fake::manages(1), gated(2));
    world.install([live.decides(REALM).shadowed_by(&shadow)]);
    world.handling();
    soon(|| shadow.asked() == 1);
    // One is being asked, four wait (policy.shadow-backlog-max), ten are dropped.
    for _ in 0..14 {
        assert_eq!(world.handling().judge, Judge::Component(live.digest));
    }
    assert_eq!(count(&world).dropped, 10);
    assert_eq!(world.counted.times("limit ShadowBacklog"), 10);
    (0..5).for_each(|_| open.send(()).unwrap());
    soon(|| count(&world).asked == 5);
    assert_eq!((count(&world).different, count(&world).dropped), (5, 10));
    world.handling();
    open.send(()).unwrap();
    soon(|| count(&world).asked == 6);
}

#[test]
fn a_host_that_goes_waits_for_one_question_only() {
    let (world, live, (shadow, open)) = (World::new(), Fake::manages(1), gated(2));
    world.install([live.decides(REALM).shadowed_by(&shadow)]);
    for _ in 0..5 {
        world.handling();
    }
    soon(|| shadow.asked() == 1);
    drop(open);
    drop(world);
    assert!(shadow.asked() <= 5);
    assert_eq!(Arc::strong_count(&shadow), 1, "the thread and all that waited are gone");
}

#[test]
fn a_shadow_has_time_of_its_own() {
    let world = World::new();
    let (live, shadow) = (Fake::manages(1), Fake::slow(2, &world.still, Duration::from_millis(250)));
    world.install([live.decides(REALM).shadowed_by(&shadow)]);
    for round in 1..=3 {
        world.handling();
        soon(|| count(&world).asked == round);
    }
    // 750 ms in 750 ms of which half could be spent, and 500 were saved up: 125 are left, and then a debt of 0.
    world.handling();
    soon(|| count(&world).asked == 4);
    assert_eq!(world.handling().judge, Judge::Component(live.digest), "the live policy has spent nothing");
    assert_eq!((count(&world).asked, count(&world).dropped), (4, 1));
    world.still.forward(Duration::from_millis(1));
    world.handling();
    soon(|| count(&world).asked == 5);
    assert_eq!(world.counted.times("limit RealmBudget"), 0);
}

#[test]
fn counts_last_as_long_as_both_stay() {
    let (world, live, shadow) = (World::new(), Fake::manages(1), Fake::of(2, |_| Ok(PUSH)));
    let asked = || {
        world.handling();
        soon(|| count(&world).asked > 0);
        count(&world).asked
    };
    world.install([live.decides(REALM).shadowed_by(&shadow)]);
    assert_eq!(asked(), 1);
    world.install([live.decides(REALM).shadowed_by(&shadow), Fake::manages(3).decides(OTHER)]);
    assert_eq!(count(&world).asked, 1);
    world.install([Fake::manages(4).decides(REALM).shadowed_by(&shadow)]);
    assert_eq!(count(&world), ShadowCount::default(), "compared with another policy");
    assert_eq!(asked(), 1);
    world.install([live.decides(REALM)]);
    assert_eq!(world.host.shadow(REALM, Hook::Handling), None);
    world.install([live.decides(REALM).shadowed_by(&shadow)]);
    assert_eq!(count(&world), ShadowCount::default());
}

#[test]
fn want_of_an_instance_is_no_failure_of_the_shadow() {
    let (world, live, shadow) = (World::new(), Fake::manages(1), Fake::fails(2, Failure::Unavailable));
    world.install([live.decides(REALM).shadowed_by(&shadow)]);
    world.handling();
    soon(|| count(&world).dropped == 1);
    assert_eq!(count(&world).asked, 0);
}

#[test]
fn lines_about_differences_are_limited() {
    let (world, live, shadow) = (World::new(), Fake::manages(1), Fake::of(2, |_| Ok(PUSH)));
    world.install([live.decides(REALM).shadowed_by(&shadow)]);
    for asked in 1..=30 {
        world.handling();
        soon(|| count(&world).asked == asked);
    }
    assert_eq!(world.counted.times("line dropped"), 10, "twenty a second");
}

#[test]
fn no_address_gets_into_a_sample() {
    let question = samples::admission();
    let user = question.context().user.as_str().to_owned();
    let refuse = |reason: String| Verdict::Admission(Admission::Refuse { status: 480, reason });
    let (world, said) = (World::new(), refuse(format!("no, {user}")));
    let shadow = Fake::of(2, move |_| Ok(said.clone()));
    world.install([Fake::manages(1).bound(REALM, Hook::Admission).shadowed_by(&shadow)]);
    world.host.ask(&question);
    let count = || world.host.shadow(REALM, Hook::Admission).unwrap();
    soon(|| count().asked == 1);
    assert_eq!(count().samples[0].shadow, Ok(refuse("no, [masked]".to_owned())));
}
