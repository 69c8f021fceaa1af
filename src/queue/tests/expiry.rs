//! Handling Deferred CPM Messages on Expiry Time (8.3.2.3.5), and that nothing is delivered after it.

use super::story::*;
use super::words::*;
use crate::queue::command::Outcome;
use crate::queue::event::{DeliveryFailure, ErrandKind, Retry};
use crate::queue::question::{Disposal, Hook, Question, Verdict};

fn to_store(question: &Question) -> Option<Verdict> {
    (question.hook() == Hook::Expiry).then_some(Verdict::Expiry(Disposal::Store))
}

#[test]
fn exp_1_at_expiry_the_preference_is_looked_up() {
    let story = given([deferred_until("hello", 60), to_push("hello")]).at(60).when(tick());
    let [question, telling] = story.asked.as_slice() else { panic!("two questions") };
    assert_eq!((telling.hook(), telling.message().id), (Hook::Notification, id("hello")));
    assert_eq!((question.hook(), question.message().id), (Hook::Expiry, id("hello")));
    assert_eq!(question.context().preferences.expired, None);
}

#[test]
fn exp_2_the_verdict_chooses_the_procedure_and_is_stored_with_its_judge() {
    given([deferred_until("hello", 60), to_push("hello")])
        .at(60)
        .policy(to_store)
        .when(tick())
        .then([awaits_store("hello", component(Disposal::Store)), begun(0, ErrandKind::Store, "hello")], [performs(0)]);
}

#[test]
fn exp_2a_i_a_discarded_message_leaves_the_queue_for_good() {
    given([deferred_until("hello", 60), to_push("hello"), deferred_until("later", 61), to_push("later")])
        .at(60)
        .when(tick())
        .then([discarded("hello")], [])
        .then_queued(["later"])
        .then_next_tick(61)
        .when(register(client("phone")))
        .then(
            [registered(client("phone").since(60)), started("later", "phone")],
            [bound([(&client("phone"), 3540)]), sent("later", "phone")],
        );
}

#[test]
fn exp_2_a_push_that_expired_before_its_turn_to_be_sent_stops_nothing_behind_it() {
    given([registered(client("phone")), deferred_until("hello", 60), to_push("hello"), started("hello", "phone")])
        .and([deferred("next"), to_push("next")])
        .at(60)
        .when(ended("hello", "phone", Outcome::Unsent))
        .then(
            [
                failed("hello", "phone", DeliveryFailure::Interrupted, Retry::AtOnce),
                discarded("hello"),
                started("next", "phone"),
            ],
            [sent("next", "phone")],
        )
        .then_queued(["next"]);
}

#[test]
fn messages_expire_in_the_order_of_their_expiry_whatever_the_order_of_arrival() {
    given([deferred_until("long", 90), to_push("long"), deferred_until("short", 30), to_push("short")])
        .at(100)
        .when(tick())
        .then([discarded("short"), discarded("long")], []);
}

#[test]
fn what_shall_be_stored_waits_for_the_store_is_delivered_to_nobody_and_still_counts() {
    let story = given([deferred_until("hello", 60), to_push("hello")])
        .at(60)
        .policy(to_store)
        .when(tick())
        .when(register(client("phone")))
        .then([registered(client("phone").since(60))], [bound([(&client("phone"), 3540)])])
        .then_queued(["hello"])
        .rules(|rules| rules.messages_max = 1);
    assert_eq!((story.queue.depth(), story.queue.bytes()), (1, 28));
    let story = story.when(defer("next"));
    assert_eq!(story.queue.depth(), 1, "there is no room for the next");
    story.then_next_tick(3600).ticks_until(4 * WEEK).then_queued(["hello"]);
}

#[test]
fn i_29_an_attempt_on_the_wire_at_expiry_is_awaited_and_2xx_is_delivered() {
    let story = given([registered(client("phone")), deferred_until("hello", 60), to_push("hello")])
        .and([started("hello", "phone")])
        .at(61)
        .when(tick())
        .then_nothing()
        .then_queued(["hello"]);
    story.at(70).when(answered("hello", "phone", 200)).then([delivered("hello", "phone", 200)], []).then_queued([]);
}

#[test]
fn i_29_else_the_expiry_procedure_follows_at_once_and_no_new_attempt() {
    given([registered(client("phone")), deferred_until("hello", 60), to_push("hello"), started("hello", "phone")])
        .at(70)
        .when(ended("hello", "phone", Outcome::Timeout))
        .then([failed("hello", "phone", DeliveryFailure::Timeout, Retry::ClientAt(at(100))), discarded("hello")], [])
        .then_queued([]);
}

#[test]
fn i_29_the_other_client_gets_nothing_new_while_the_last_attempt_is_awaited() {
    given([registered(client("phone")), deferred_until("hello", 60), to_push("hello"), started("hello", "phone")])
        .at(60)
        .when(register(client("tablet")))
        .then([registered(client("tablet").since(60))], [bound([(&client("phone"), 3540), (&client("tablet"), 3540)])]);
}

#[test]
fn nothing_starts_at_the_very_moment_of_expiry() {
    given([deferred_until("hello", 60), to_push("hello")])
        .at(60)
        .when(register(client("phone")))
        .then([registered(client("phone").since(60)), discarded("hello")], [bound([(&client("phone"), 3540)])]);
    let story = given([deferred_until("hello", 60), to_push("hello")]);
    let mut last = story;
    last.now = crate::types::Timestamp(at(60).0 - 1);
    let last = last.when(register(client("phone")));
    assert_eq!(last.sends().len(), 1, "a millisecond before, it does");
}

#[test]
fn an_expired_message_nobody_chose_a_handling_for_only_expires() {
    given([deferred_until("hello", 60)]).at(60).when(tick()).then([discarded("hello")], []);
}
