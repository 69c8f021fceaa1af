//! Pushing Deferred CPM Messages (8.3.2.3.1): who gets what, when, in which order.

use super::story::*;
use crate::queue::command::Outcome;
use crate::queue::event::{DeliveryFailure, Event, Gone, Retry};
use crate::queue::question::{Delivery, Hook, Verdict};

/// Two messages for a user who is away.
fn two_waiting() -> Story {
    given([deferred("one"), to_push("one"), deferred("two"), to_push("two")])
}

/// The phone has the message on its way.
fn in_flight() -> Story {
    given([registered(client("phone")), deferred("hello"), to_push("hello"), started("hello", "phone")])
}

#[test]
fn push_w1_nothing_is_sent_before_a_client_registers() {
    two_waiting().at(1000).when(tick()).then_nothing().when(wake()).then_nothing().then_queued(["one", "two"]);
}

#[test]
fn push_w2_the_client_that_registers_is_answered_and_then_gets_the_first_message() {
    let phone = client("phone").until(7200).since(100);
    two_waiting()
        .at(100)
        .when(register(phone.clone()))
        .then([registered(phone.clone()), started("one", "phone")], [bound([(&phone, 7100)]), sent("one", "phone")]);
}

#[test]
fn push_w2_a_refresh_is_no_new_registration_and_pushes_nothing_twice() {
    let refresh = || client("phone").series("reg-phone", 2).until(7200);
    in_flight().at(10).when(register(refresh())).then([refreshed(refresh())], [bound([(&refresh(), 7190)])]);
}

#[test]
fn messages_go_one_after_the_other_in_the_order_of_arrival() {
    two_waiting()
        .when(register(client("phone")))
        .then(
            [registered(client("phone")), started("one", "phone")],
            [bound([(&client("phone"), 3600)]), sent("one", "phone")],
        )
        .when(defer("three"))
        .then([deferred("three"), to_push("three")], [accepted()]);
    let story =
        two_waiting().and([registered(client("phone")), started("one", "phone"), deferred("three"), to_push("three")]);
    story
        .when(answered("one", "phone", 200))
        .then([delivered("one", "phone", 200), started("two", "phone")], [sent("two", "phone")])
        .then_queued(["two", "three"]);
}

#[test]
fn so_many_messages_are_in_flight_as_the_operator_says() {
    let waiting = ["one", "two", "three"].into_iter().flat_map(|name| [deferred(name), to_push(name)]);
    given(waiting).rules(|rules| rules.in_flight_max = 2).when(register(client("phone"))).then(
        [registered(client("phone")), started("one", "phone"), started("two", "phone")],
        [bound([(&client("phone"), 3600)]), sent("one", "phone"), sent("two", "phone")],
    );
}

#[test]
fn a_message_goes_to_every_registered_client_the_latest_first_and_the_first_to_take_it_ends_it() {
    given([registered(client("phone")), registered(client("tablet"))]).when(defer("hello")).then(
        [deferred("hello"), to_push("hello"), started("hello", "tablet"), started("hello", "phone")],
        [accepted(), sent("hello", "tablet"), sent("hello", "phone")],
    );
    in_flight()
        .and([registered(client("tablet")), started("hello", "tablet")])
        .when(answered("hello", "tablet", 200))
        .then([delivered("hello", "tablet", 200)], [])
        .when(answered("hello", "phone", 200))
        .then_nothing()
        .then_queued([]);
}

#[test]
fn push_1a_the_policy_is_asked_for_this_message_and_this_client() {
    let story = given([deferred("hello"), to_push("hello")]).when(register(client("phone")));
    let [question] = story.asked.as_slice() else { panic!("one question") };
    assert_eq!(question.hook(), Hook::Delivery);
    assert_eq!(question.message().id, id("hello"));
}

#[test]
fn push_1a_i_what_is_not_wanted_there_stays_in_the_queue_until_the_next_registration() {
    let not_now = |question: &crate::queue::question::Question| {
        (question.hook() == Hook::Delivery).then_some(Verdict::Delivery(Delivery::Keep))
    };
    let story = given([deferred("hello"), to_push("hello")])
        .policy(not_now)
        .when(register(client("phone")))
        .then(
            [registered(client("phone")), withheld("hello", "phone", component(Delivery::Keep))],
            [bound([(&client("phone"), 3600)])],
        )
        .then_queued(["hello"])
        .then_next_tick(3600)
        .policy(|_| None)
        .when(tick())
        .then_nothing();
    let refresh = client("phone").series("reg-phone", 2);
    let story =
        story.at(10).when(register(refresh.clone())).then([refreshed(refresh.clone())], [bound([(&refresh, 3590)])]);
    let story = story.when(register_all(refresh.source, [crate::queue::command::Binding::Remove(phone("phone"))]));
    let story = story.then([gone("phone", Gone::Explicit)], [bound([])]).at(20);
    let anew = client("phone").since(20);
    story
        .when(register(anew.clone()))
        .then([registered(anew.clone()), started("hello", "phone")], [bound([(&anew, 3580)]), sent("hello", "phone")]);
}

#[test]
fn push_1a_i_one_message_that_is_not_wanted_does_not_stop_the_next() {
    two_waiting()
        .policy(|question| {
            let keep = question.hook() == Hook::Delivery && question.message().id == id("one");
            keep.then_some(Verdict::Delivery(Delivery::Keep))
        })
        .when(register(client("phone")))
        .then(
            [
                registered(client("phone")),
                withheld("one", "phone", component(Delivery::Keep)),
                started_by("two", "phone", crate::queue::question::Judge::Native),
            ],
            [bound([(&client("phone"), 3600)]), sent("two", "phone")],
        );
}

#[test]
fn push_1a_i_a_hold_ends_at_its_moment_and_the_policy_is_asked_again() {
    let hold = |question: &crate::queue::question::Question| {
        let early = question.hook() == Hook::Delivery && question.context().now < at(500);
        early.then_some(Verdict::Delivery(Delivery::HoldUntil(at(500))))
    };
    given([deferred("hello"), to_push("hello")])
        .policy(hold)
        .when(register(client("phone")))
        .then(
            [registered(client("phone")), withheld("hello", "phone", component(Delivery::HoldUntil(at(500))))],
            [bound([(&client("phone"), 3600)])],
        )
        .then_next_tick(500)
        .at(499)
        .when(tick())
        .then_nothing()
        .at(500)
        .when(tick())
        .then([started("hello", "phone")], [sent("hello", "phone")]);
}

#[test]
fn a_hold_that_is_over_is_no_hold() {
    given([deferred("hello"), to_push("hello")])
        .at(9)
        .policy(|question| (question.hook() == Hook::Delivery).then_some(Verdict::Delivery(Delivery::HoldUntil(at(9)))))
        .when(register(client("phone")))
        .then(
            [registered(client("phone").since(9)), started_by("hello", "phone", COMPONENT)],
            [bound([(&client("phone"), 3591)]), sent("hello", "phone")],
        );
}

#[test]
fn a_hold_for_one_client_has_its_tick_though_another_hold_ended_that_could_not_be_used() {
    let until = |secs| component(Delivery::HoldUntil(at(secs)));
    let tablet_is_busy = failed("old", "tablet", DeliveryFailure::Status(404), Retry::ClientWhenRegistered);
    given([registered(client("phone")), registered(client("tablet")), deferred_until("old", 1), to_push("old")])
        .and([started("old", "tablet"), deferred("hello"), to_push("hello")])
        .and([withheld("hello", "tablet", until(100)), withheld("hello", "phone", until(200)), tablet_is_busy])
        .at(100)
        .when(tick())
        .then([discarded("old")], [])
        .then_next_tick(200)
        .at(200)
        .when(tick())
        .then([started("hello", "phone")], [sent("hello", "phone")]);
}

#[test]
fn push_1b_what_is_sent_carries_the_names_that_its_event_records() {
    let story = two_waiting().when(register(client("phone")));
    let [send] = story.sends().try_into().unwrap();
    let Some(Event::DeliveryStarted(started)) = story.run.decision.events.last() else { panic!("a delivery") };
    assert_eq!(send.transaction, started.transaction);
    assert!(
        send.transaction.branch.starts_with("z9hG4bK") && send.transaction.branch.ends_with(&send.transaction.call_id)
    );
    assert!(SECRET.made(&format!("{}@pf.example.net", send.transaction.call_id)), "the loop trap knows it again");
    assert!(!send.transaction.from_tag.is_empty());
}

#[test]
fn i_31_a_client_that_stays_registered_is_tried_again_after_its_pause() {
    in_flight()
        .when(answered("hello", "phone", 480))
        .then([failed("hello", "phone", DeliveryFailure::Status(480), Retry::ClientAt(at(30)))], [])
        .then_next_tick(30)
        .at(29)
        .when(tick())
        .then_nothing()
        .at(30)
        .when(tick())
        .then([started("hello", "phone")], [sent("hello", "phone")]);
}

#[test]
fn i_31_a_refresh_is_a_retry_only_after_the_back_off() {
    let refresh = client("phone").series("reg-phone", 2);
    in_flight()
        .when(ended("hello", "phone", Outcome::Timeout))
        .then([failed("hello", "phone", DeliveryFailure::Timeout, Retry::ClientAt(at(30)))], [])
        .at(10)
        .when(register(refresh.clone()))
        .then([refreshed(refresh.clone())], [bound([(&refresh, 3590)])])
        .at(30)
        .when(tick())
        .then([started("hello", "phone")], [sent("hello", "phone")]);
}

#[test]
fn a_refresh_does_not_call_back_a_client_that_is_gone() {
    let refresh = client("phone").series("reg-phone", 2);
    in_flight()
        .when(answered("hello", "phone", 404))
        .when(register(refresh.clone()))
        .then([refreshed(refresh.clone())], [bound([(&refresh, 3600)])]);
}

#[test]
fn a_changed_contact_or_a_new_series_of_registrations_resets_the_back_off() {
    let moved = client("phone").series("reg-phone", 2).contact("sip:phone@203.0.113.9:5060");
    let rebooted = client("phone").series("reg-phone-after-reboot", 1);
    for anew in [moved, rebooted] {
        for status in [404, 503] {
            let story = in_flight().when(answered("hello", "phone", status)).when(register(anew.clone()));
            let story = story.then(
                [refreshed(anew.clone()), started("hello", "phone")],
                [bound([(&anew, 3600)]), sent("hello", "phone")],
            );
            let again = story.sends().remove(0).transaction.call_id;
            story
                .when(ended_as("hello", "phone", &again, response(503)))
                .then([failed("hello", "phone", DeliveryFailure::Status(503), Retry::ClientAt(at(30)))], []);
        }
    }
}

#[test]
fn push_w2_the_failure_of_an_attempt_made_before_the_client_came_back_says_nothing_about_it() {
    let back = client("phone").series("reg-phone-after-reboot", 1).until(7200).since(20);
    for outcome in [Outcome::Timeout, Outcome::Transport, response(404), response(503)] {
        let story = in_flight()
            .at(10)
            .when(register_all(back.source, [crate::queue::command::Binding::Remove(phone("phone"))]))
            .at(20)
            .when(register(back.clone()))
            .then([registered(back.clone())], [bound([(&back, 7180)])])
            .at(32)
            .when(ended("hello", "phone", outcome));
        let Some(Event::DeliveryFailed(failed)) = story.run.decision.events.first() else { panic!("it failed") };
        assert_eq!(failed.retry, Retry::AtOnce, "{outcome:?}");
        assert_eq!(story.sends().len(), 1, "it is sent again, to the client that is there now");
    }
}

#[test]
fn attempts_that_fail_together_count_once() {
    let both = given([registered(client("phone")), deferred("one"), to_push("one"), deferred("two"), to_push("two")])
        .and([started("one", "phone"), started("two", "phone")])
        .rules(|rules| rules.in_flight_max = 2);
    let pause = || Retry::ClientAt(at(30));
    both.when(answered("one", "phone", 503))
        .then([failed("one", "phone", DeliveryFailure::Status(503), pause())], [])
        .when(answered("two", "phone", 503))
        .then([failed("two", "phone", DeliveryFailure::Status(503), pause())], [])
        .then_next_tick(30);
}

#[test]
fn a_client_that_is_gone_is_not_called_back_by_a_later_timeout() {
    given([registered(client("phone")), deferred("one"), to_push("one"), deferred("two"), to_push("two")])
        .and([started("one", "phone"), started("two", "phone")])
        .rules(|rules| rules.in_flight_max = 2)
        .when(answered("one", "phone", 404))
        .when(ended("two", "phone", Outcome::Timeout))
        .at(40)
        .when(tick())
        .then_nothing();
}
