//! Who answers: bindings, the standard rule, tripped bindings, realms that have used up their time.

use super::*;

#[test]
fn what_is_bound_in_the_realm_answers_and_the_standard_rule_elsewhere() {
    let (world, one, two) = (World::new(), Fake::manages(1), Fake::of(2, |_| Ok(PUSH)));
    world.install([one.decides(REALM), two.decides(OTHER)]);
    assert_eq!(world.handling(), Ruling { verdict: MANAGE, judge: Judge::Component(one.digest) });
    let there = world.host.ask(&elsewhere(handling()));
    assert_eq!(there, Ruling { verdict: PUSH, judge: Judge::Component(two.digest) });
    let unbound = world.host.ask(&delivery());
    assert_eq!(unbound, Ruling { verdict: Verdict::Delivery(Delivery::Now), judge: Judge::Native });
    world.install([one.decides(REALM)]);
    let nowhere = world.host.ask(&elsewhere(handling()));
    assert_eq!(nowhere, Ruling { verdict: standard::answer(&handling()), judge: Judge::Native });
    assert_eq!(two.asked(), 1);
    assert_eq!(world.host.bound(REALM, Hook::Handling), Some(one.digest));
    assert_eq!(world.host.bound(REALM, Hook::Delivery), None);
    assert_eq!(world.host.bound(OTHER, Hook::Handling), None);
    assert_eq!(world.host.health(OTHER, Hook::Handling), None);
    assert_eq!(world.host.health(REALM, Hook::Delivery), None);
    assert_eq!(world.host.shadow(REALM, Hook::Handling), None);
}

#[test]
fn of_two_placements_for_one_decision_the_later_holds() {
    let (world, one, two) = (World::new(), Fake::manages(1), Fake::manages(2));
    let other = Fake::manages(3);
    world.install([
        other.bound(REALM, Hook::Admission),
        one.decides(REALM),
        two.bound(REALM, Hook::Admission),
        two.decides(REALM),
    ]);
    assert_eq!(world.host.bound(REALM, Hook::Handling), Some(two.digest));
    assert_eq!(world.host.bound(REALM, Hook::Admission), Some(two.digest));
}

#[test]
fn a_binding_that_keeps_failing_is_tripped_and_told_of_once() {
    for failure in [Failure::Trap, Failure::Timeout, Failure::Memory, Failure::Refused, Failure::Nonsense] {
        let (world, bad) = (World::new(), Fake::fails(1, failure));
        let good = Fake::manages(2);
        world.install([bad.decides(REALM), good.decides(OTHER)]);
        for failures in 1..=3 {
            assert_eq!(world.handling(), fallback_of(&bad, failure));
            assert_eq!(world.health(), Health { failures, tripped: failures == 3 });
        }
        for _ in 0..10 {
            assert_eq!(world.handling(), fallback_of(&bad, Failure::Unavailable));
        }
        assert_eq!(bad.asked(), 3, "a tripped binding is not asked");
        let told = Alarm::Tripped { realm: REALM.to_owned(), hook: Hook::Handling, policy: bad.digest, failures: 3 };
        assert_eq!(*world.alarms.lock().unwrap(), [told]);
        assert_eq!(world.counted.times("tripped ims.example.net handling"), 1);
        assert_eq!(world.host.ask(&elsewhere(handling())).judge, Judge::Component(good.digest));
    }
}

#[test]
fn each_decision_is_tripped_by_itself() {
    let world = World::new();
    let bad = Fake::of(1, |question| match question.hook() {
        Hook::Handling => Err(Failure::Trap),
        _ => Ok(Verdict::Delivery(Delivery::Keep)),
    });
    world.install([bad.decides(REALM), bad.bound(REALM, Hook::Delivery)]);
    for _ in 0..5 {
        world.handling();
    }
    assert!(world.health().tripped);
    assert_eq!(world.host.health(REALM, Hook::Delivery), Some(Health::default()));
    assert_eq!(world.host.ask(&delivery()).judge, Judge::Component(bad.digest));
}

#[test]
fn failures_that_are_far_apart_and_want_of_an_instance_trip_nothing() {
    let (world, bad, busy) = (World::new(), Fake::fails(1, Failure::Trap), Fake::fails(2, Failure::Unavailable));
    world.install([bad.decides(REALM), busy.decides(OTHER)]);
    for _ in 0..20 {
        assert_eq!(world.handling(), fallback_of(&bad, Failure::Trap));
        assert_eq!(world.host.ask(&elsewhere(handling())).judge, Judge::Fallback(busy.digest, Failure::Unavailable));
        world.still.forward(Duration::from_secs(31));
    }
    assert_eq!(world.health(), Health { failures: 1, tripped: false });
    assert_eq!(world.host.health(OTHER, Hook::Handling), Some(Health::default()));
    assert!(world.alarms.lock().unwrap().is_empty());
}

#[test]
fn what_stays_bound_keeps_its_health_and_what_is_bound_anew_begins_well() {
    let (world, bad) = (World::new(), Fake::fails(1, Failure::Trap));
    world.install([bad.decides(REALM)]);
    (0..3).for_each(|_| drop(world.handling()));
    world.install([bad.decides(REALM), Fake::manages(2).decides(OTHER)]);
    assert_eq!(world.health(), Health { failures: 3, tripped: true });
    // The same component, bound again.
    let again = Fake::fails(1, Failure::Trap);
    world.install([again.decides(REALM)]);
    assert_eq!(world.health(), Health::default());
    assert_eq!(world.handling(), fallback_of(&again, Failure::Trap));
    assert_eq!(world.alarms.lock().unwrap().len(), 1);
}

#[test]
fn a_realm_that_used_up_its_time_gets_the_standard_rule_and_others_do_not_suffer() {
    let world = World::new();
    let (slow, other) = (Fake::slow(1, &world.still, Duration::from_millis(10)), Fake::manages(2));
    world.install([slow.decides(REALM), other.decides(OTHER)]);
    // 50 calls take half a second, in which a quarter of a second comes back, and so on: 100 calls in all.
    let asked = (0..300).filter(|_| world.handling().judge == Judge::Component(slow.digest)).count();
    assert_eq!(asked, 100);
    assert_eq!(slow.asked(), asked);
    assert_eq!(world.handling(), fallback_of(&slow, Failure::Unavailable));
    assert_eq!(world.counted.times("limit RealmBudget"), 201);
    assert_eq!(world.counted.times("busy ims.example.net 10ms"), 100);
    assert_eq!(world.host.ask(&elsewhere(handling())).judge, Judge::Component(other.digest));
    assert_eq!(world.health(), Health::default(), "to be slow is no failure");
    // Another policy of the realm has no more time than that one.
    let next = Fake::manages(3);
    world.install([next.decides(REALM), other.decides(OTHER)]);
    assert_eq!(world.handling(), fallback_of(&next, Failure::Unavailable));
    world.still.forward(Duration::from_millis(1));
    assert_eq!(world.handling().judge, Judge::Component(next.digest));
}

#[test]
fn handles_are_made_when_something_is_bound_and_go_when_it_is_unbound() {
    let (world, one, two) = (World::new(), Fake::manages(1), Fake::manages(2));
    let (live, shadow) = ("ims.example.net handling live 1", "ims.example.net handling shadow 2");
    let noted = |sign: &str, what: &str| world.counted.times(&format!("{sign} {what}"));
    world.install([one.decides(REALM).shadowed_by(&two)]);
    world.install([one.decides(REALM).shadowed_by(&two)]);
    assert_eq!((noted("+", live), noted("-", live)), (1, 0));
    assert_eq!((noted("+", shadow), noted("-", shadow)), (1, 0));
    assert_eq!(noted("+", "ims.example.net delivery live 0"), 1, "the standard rule is counted too");
    world.handling();
    assert_eq!(world.counted.times("ims.example.net handling live 1: component"), 1);
    assert_eq!(world.counted.times("asked handling component"), 1);
    world.install([one.decides(REALM)]);
    soon(|| noted("-", shadow) == 1);
    assert_eq!(noted("-", live), 0);
    world.install([two.decides(REALM)]);
    assert_eq!((noted("-", live), noted("-", REALM)), (1, 0));
    world.install([]);
    assert_eq!(noted("-", REALM), 1);
}
