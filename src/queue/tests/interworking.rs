//! MNG-4: what a user wants interworked goes to the ISF.

use super::story::*;
use super::words::*;
use crate::queue::event::{Action, ErrandFailure, ErrandKind};

fn asked() -> Story {
    given([registered(client("phone"))])
        .and(waiting(asking("hello", ["positive-delivery", "negative-delivery", "interworking"])))
        .rules(with_isf)
        .when(manage("phone", [("hello", Action::Interwork)]))
}

#[test]
fn mng_4_interwork_sends_it_to_the_isf() {
    asked()
        .then(
            [requested(Some("phone"), [("hello", Action::Interwork)]), begun(0, ErrandKind::Interwork, "hello")],
            [performs(0)],
        )
        .then_queued(["hello"]);
}

#[test]
fn i_33_a_2xx_of_the_isf_removes_it_and_reports_are_the_isfs_affair() {
    asked().succeeds(0).then([interworked(0, "hello", 202)], []).then_queued([]);
}

#[test]
fn i_33_on_an_error_it_is_kept() {
    for failure in [ErrandFailure::Status(404), ErrandFailure::Status(503), ErrandFailure::Timeout] {
        asked()
            .fails(0, failure)
            .then([errand_failed(0, ErrandKind::Interwork, "hello", failure, None)], [])
            .then_queued(["hello"]);
    }
}

#[test]
fn mng_4_without_an_isf_it_is_kept() {
    given([registered(client("phone"))])
        .and(waiting("hello"))
        .when(manage("phone", [("hello", Action::Interwork)]))
        .then(
            [
                requested(Some("phone"), [("hello", Action::Interwork)]),
                errand_failed(0, ErrandKind::Interwork, "hello", ErrandFailure::Unconfigured, None),
            ],
            [],
        )
        .then_queued(["hello"]);
}

#[test]
fn mng_4_after_a_crash_the_isf_gets_the_same_request_for_28_seconds_and_then_a_new_one() {
    let story = asked();
    let names = story.performs().remove(0).transaction;
    let story = story.at(28).when(wake()).then([], [performs(0)]);
    assert_eq!(story.performs().remove(0).transaction, names);
    let story = story.at(29).when(wake()).then(
        [
            errand_failed(0, ErrandKind::Interwork, "hello", ErrandFailure::Interrupted, Some(29)),
            begun(0, ErrandKind::Interwork, "hello"),
        ],
        [performs(0)],
    );
    assert_ne!(story.performs().remove(0).transaction, names);
}

#[test]
fn mng_4_a_message_that_expires_meanwhile_is_the_isfs_if_it_takes_it() {
    given([registered(client("phone")), deferred_until("hello", 60), to_push("hello")])
        .rules(with_isf)
        .and([withheld("hello", "phone", native(crate::queue::question::Delivery::Keep))])
        .when(manage("phone", [("hello", Action::Interwork)]))
        .at(60)
        .when(tick())
        .then_nothing()
        .succeeds(0)
        .then([interworked(0, "hello", 202)], []);
}
