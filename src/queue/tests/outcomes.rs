//! Sending a Pager Mode Deferred CPM Message (8.3.2.3.3): what comes of an attempt, by the table of spec 4.1.

use super::story::*;
use crate::queue::command::Outcome;
use crate::queue::decide::{Consequence, consequence};
use crate::queue::event::{DeliveryFailure, Event, Gone, Retry};

/// The phone and the tablet are there; the phone has the first of two messages on its way.
fn in_flight() -> Story {
    given([registered(client("phone")), deferred("hello"), to_push("hello"), started("hello", "phone")])
        .and([deferred("next"), to_push("next")])
}

fn retry_of(story: &Story) -> Retry {
    match story.run.decision.events.first() {
        Some(Event::DeliveryFailed(failed)) => failed.retry,
        other => panic!("a failure was expected, not {other:?}"),
    }
}

#[test]
fn sndp_ok_i_14_any_2xx_takes_the_message_from_the_queue() {
    for status in [200, 202, 204, 299] {
        in_flight()
            .when(answered("hello", "phone", status))
            .then([delivered("hello", "phone", status), started("next", "phone")], [sent("next", "phone")])
            .then_queued(["next"]);
    }
}

#[test]
fn sndp_err_2_on_any_error_the_message_stays_in_the_queue() {
    let failures = (300..=699).map(response).chain([Outcome::Timeout, Outcome::Transport, Outcome::Congestion]);
    for outcome in failures {
        let story = in_flight().when(ended("hello", "phone", outcome));
        let kept = story.queue.message(&id("hello")).unwrap_or_else(|| panic!("{outcome:?} lost it"));
        assert!(kept.open.iter().all(|attempt| attempt.transaction.call_id != call("hello", "phone")), "{outcome:?}");
    }
}

#[test]
fn the_retry_table_of_4_1_status_by_status() {
    use Consequence::{ClientAway, ClientPauses, MessageDeclined, PairBarred, PairPauses};
    let table = [
        (ClientPauses, &[300, 301, 302, 305, 380][..]),
        (ClientPauses, &[401, 402, 403, 407, 408, 423, 430, 480, 481, 482, 483, 484, 486, 487, 491, 494]),
        (ClientPauses, &[500, 501, 502, 503, 504, 505, 580, 600]),
        (ClientAway, &[404, 410, 604]),
        (PairBarred, &[413, 415, 488, 513, 606]),
        (PairPauses, &[400, 405, 406, 414, 416, 420, 421, 493]),
        (MessageDeclined, &[603]),
    ];
    for (expected, statuses) in table {
        for status in statuses {
            assert_eq!(consequence(response(*status)), expected, "{status}");
        }
    }
    for outcome in [Outcome::Timeout, Outcome::Transport, Outcome::Congestion] {
        assert_eq!(consequence(outcome), ClientPauses, "{outcome:?}");
    }
}

#[test]
fn what_says_something_of_the_client_stops_all_messages_to_it() {
    for (outcome, failure) in [
        (response(480), DeliveryFailure::Status(480)),
        (response(302), DeliveryFailure::Status(302)),
        (Outcome::Timeout, DeliveryFailure::Timeout),
        (Outcome::Transport, DeliveryFailure::Transport),
        (Outcome::Congestion, DeliveryFailure::Congestion),
    ] {
        in_flight()
            .when(ended("hello", "phone", outcome))
            .then([failed("hello", "phone", failure, Retry::ClientAt(at(30)))], [])
            .at(30)
            .when(tick())
            .then([started("hello", "phone")], [sent("hello", "phone")]);
    }
}

#[test]
fn user_gone_404_410_604_waits_for_a_new_registration_and_for_nothing_else() {
    for status in [404, 410, 604] {
        let story = in_flight()
            .when(answered("hello", "phone", status))
            .then([failed("hello", "phone", DeliveryFailure::Status(status), Retry::ClientWhenRegistered)], [])
            .then_next_tick(3600);
        let anew = client("phone").series("reg-phone", 9).since(3600).until(9000);
        let story = story.ticks_until(3600).then([gone("phone", Gone::Expired)], []);
        story.when(register(anew.clone())).then(
            [registered(anew.clone()), started("hello", "phone")],
            [bound([(&anew, 5400)]), sent("hello", "phone")],
        );
    }
}

#[test]
fn not_this_message_there_413_415_488_513_606_goes_to_the_next_client_and_lets_the_next_message_pass() {
    for status in [413, 415, 488, 513, 606] {
        in_flight()
            .when(answered("hello", "phone", status))
            .then(
                [
                    failed("hello", "phone", DeliveryFailure::Status(status), Retry::PairWhenRegistered),
                    started("next", "phone"),
                ],
                [sent("next", "phone")],
            )
            .rules(|rules| rules.in_flight_max = 2)
            .when(register(client("tablet")))
            .then(
                [registered(client("tablet")), started("hello", "tablet"), started("next", "tablet")],
                [
                    bound([(&client("phone"), 3600), (&client("tablet"), 3600)]),
                    sent("hello", "tablet"),
                    sent("next", "tablet"),
                ],
            );
    }
}

#[test]
fn a_request_found_faulty_waits_alone_and_longer_each_time() {
    let story = in_flight()
        .when(answered("hello", "phone", 400))
        .then(
            [failed("hello", "phone", DeliveryFailure::Status(400), Retry::PairAt(at(30))), started("next", "phone")],
            [sent("next", "phone")],
        )
        .then_next_tick(30);
    let next = story.sends().remove(0).transaction.call_id;
    let story = story.when(ended_as("next", "phone", &next, response(200))).at(30).when(tick());
    let again = story.sends().remove(0);
    assert_eq!(again.message, id("hello"));
    let story = story.when(ended_as("hello", "phone", &again.transaction.call_id, response(400)));
    assert_eq!(retry_of(&story), Retry::PairAt(at(90)));
}

#[test]
fn declined_603_goes_to_nobody_before_somebody_registers_anew() {
    let story = in_flight()
        .and([registered(client("tablet")), started("hello", "tablet")])
        .when(answered("hello", "tablet", 603))
        .then([failed("hello", "tablet", DeliveryFailure::Status(603), Retry::MessageWhenRegistered)], [])
        .when(answered("hello", "phone", 603));
    let both = story.sends();
    assert!(both.iter().all(|send| send.message == id("next")) && both.len() == 2, "the next message passes");
    let story = story.rules(|rules| rules.in_flight_max = 2).when(register(client("watch")));
    let to: Vec<_> = story.sends().into_iter().filter(|send| send.message == id("hello")).map(|s| s.client).collect();
    assert_eq!(to, [phone("watch"), phone("tablet"), phone("phone")]);
}

#[test]
fn the_back_off_doubles_up_to_its_maximum_and_a_success_ends_it() {
    let mut story = in_flight();
    let mut call_id = call("hello", "phone");
    let mut secs = 0;
    for pause in [30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600] {
        story = story.and([refreshed(client("phone").until(secs + 10_000))]);
        story = story.at(secs).when(ended_as("hello", "phone", &call_id, response(503)));
        assert_eq!(retry_of(&story), Retry::ClientAt(at(secs + pause)));
        secs += pause;
        story = story.at(secs).when(tick());
        call_id = story.sends().remove(0).transaction.call_id;
    }
    let story = story.when(ended_as("hello", "phone", &call_id, response(200)));
    let next = story.sends().remove(0).transaction.call_id;
    let story = story.when(ended_as("next", "phone", &next, response(503)));
    assert_eq!(retry_of(&story), Retry::ClientAt(at(secs + 30)));
}

#[test]
fn retry_after_is_honoured_if_it_is_longer_up_to_the_maximum() {
    for (asked, pause) in [(0, 30), (10, 30), (120, 120), (3600, 3600), (u32::MAX, 3600)] {
        let outcome = Outcome::Response { status: 503, retry_after_secs: Some(asked) };
        let story = in_flight().when(ended("hello", "phone", outcome));
        assert_eq!(retry_of(&story), Retry::ClientAt(at(pause)), "Retry-After: {asked}");
    }
}

#[test]
fn an_outcome_of_an_attempt_that_is_over_changes_nothing() {
    in_flight()
        .when(ended_as("hello", "phone", "some-other-call", response(200)))
        .then_nothing()
        .when(ended_as("hello", "tablet", &call("hello", "phone"), response(200)))
        .then_nothing()
        .when(answered("hello", "phone", 415))
        .when(answered("hello", "phone", 200))
        .then_nothing();
}

#[test]
fn the_outcome_of_a_client_that_is_gone_leaves_no_trace_of_it() {
    let story = in_flight().and([gone("phone", Gone::Explicit)]).when(answered("hello", "phone", 415));
    assert_eq!(retry_of(&story), Retry::PairWhenRegistered);
    assert!(story.queue.message(&id("hello")).unwrap().bars.is_empty());
    let story = in_flight().and([gone("phone", Gone::Explicit)]).when(answered("hello", "phone", 200));
    story.then([delivered("hello", "phone", 200)], []).then_queued(["next"]);
}
