//! Waking after a stop or a crash: what was in flight is repeated under its own names, or begun anew.

use super::story::*;
use super::words::*;
use crate::queue::event::{DeliveryFailure, ErrandFailure, ErrandKind, Event, Gone, Retry};
use crate::queue::question::{Disposal, Hook, Verdict};

fn in_flight() -> Story {
    given([registered(client("phone")), deferred_until("hello", 3000), to_push("hello"), started("hello", "phone")])
}

#[test]
fn within_28_seconds_an_attempt_is_repeated_under_its_own_names() {
    for secs in [0, 5, 28] {
        let story = in_flight().at(secs).when(wake()).then([], [sent("hello", "phone")]);
        assert_eq!(story.sends()[0].transaction.call_id, call("hello", "phone"), "after {secs} s");
        story.when(answered("hello", "phone", 200)).then([delivered("hello", "phone", 200)], []);
    }
}

#[test]
fn later_it_is_interrupted_and_begun_anew_under_new_names() {
    let story = in_flight().at(29).when(wake()).then(
        [failed("hello", "phone", DeliveryFailure::Interrupted, Retry::AtOnce), started("hello", "phone")],
        [sent("hello", "phone")],
    );
    assert_ne!(story.sends()[0].transaction.call_id, call("hello", "phone"));
    assert_eq!(story.queue.message(&id("hello")).unwrap().attempts, 2);
}

#[test]
fn an_interrupted_attempt_does_not_count_against_the_client() {
    let story = in_flight().at(29).when(wake());
    assert_eq!(story.queue.client(&phone("phone")).unwrap().reach, crate::queue::Reach::default());
}

#[test]
fn what_expired_meanwhile_is_not_repeated_but_expires() {
    given([registered(client("phone")), deferred_until("hello", 10), to_push("hello"), started("hello", "phone")])
        .at(10)
        .when(wake())
        .then([failed("hello", "phone", DeliveryFailure::Interrupted, Retry::AtOnce), discarded("hello")], []);
}

#[test]
fn nothing_is_repeated_to_a_client_that_is_not_registered_any_more() {
    given([registered(client("phone").until(10)), deferred("hello"), to_push("hello"), started("hello", "phone")])
        .at(12)
        .when(wake())
        .then([failed("hello", "phone", DeliveryFailure::Interrupted, Retry::AtOnce), gone("phone", Gone::Expired)], [])
        .then_queued(["hello"]);
}

#[test]
fn every_attempt_in_flight_is_looked_at() {
    let story = given([
        registered(client("phone")),
        registered(client("tablet").until(20)),
        deferred("hello"),
        to_push("hello"),
    ])
    .and([started("hello", "phone"), started("hello", "tablet"), deferred("next"), to_push("next")])
    .and([started("next", "phone")])
    .rules(|rules| rules.in_flight_max = 2)
    .at(20)
    .when(wake());
    let again: Vec<_> = story.sends().into_iter().map(|send| (send.message, send.client)).collect();
    assert_eq!(again, [(id("hello"), phone("phone")), (id("next"), phone("phone"))]);
    assert!(matches!(story.run.decision.events.as_slice(), [Event::DeliveryFailed(_), Event::ClientGone(_)]));
}

#[test]
fn whatever_else_the_crash_left_undone_is_done() {
    given([registered(client("phone")), deferred("hello")])
        .when(wake())
        .then([to_push("hello"), started("hello", "phone")], [sent("hello", "phone")]);
    given([registered(client("phone").until(10)), deferred_until("hello", 20), to_push("hello")])
        .at(30)
        .when(wake())
        .then([gone("phone", Gone::Expired), discarded("hello")], []);
}

#[test]
fn a_delivery_in_flight_is_due_since_it_began_so_that_a_restart_finds_it() {
    let story = in_flight().at(5);
    assert_eq!(story.queue.due(at(5)), Some(at(0)));
    let idle = story.when(answered("hello", "phone", 200));
    assert_eq!(idle.queue.due(at(5)), Some(at(3600)));
}

#[test]
fn what_was_being_stored_is_begun_anew_under_new_names() {
    let story = given([deferred_until("hello", 10), to_push("hello")])
        .at(10)
        .policy(|question| (question.hook() == Hook::Expiry).then_some(Verdict::Expiry(Disposal::Store)))
        .when(tick());
    let before = story.performs().remove(0).transaction;
    let story = story.when(wake()).then(
        [
            errand_failed(0, ErrandKind::Store, "hello", ErrandFailure::Interrupted, Some(10)),
            begun(0, ErrandKind::Store, "hello"),
        ],
        [performs(0)],
    );
    assert_ne!(story.performs().remove(0).transaction, before);
}
