//! Disposition notifications to the sender (8.3.2.2): who gets one, once, and how long it is tried.

use super::story::*;
use super::words::*;
use crate::queue::Task;
use crate::queue::event::{Action, Disposition, DispositionForgone, ErrandFailure, ErrandKind, Event, StoreCause};

/// A message that is discarded at 60, and reported to its sender.
fn discards() -> Story {
    given([deferred_until(asking("hello", ["negative-delivery"]), 60), to_push("hello")]).at(60).when(tick())
}

fn report(failure: ErrandFailure, retry: Option<u64>) -> crate::queue::event::Event {
    errand_failed(0, ErrandKind::Report, "hello", failure, retry)
}

#[test]
fn exp_2a_iii_a_discarded_message_is_reported_to_a_sender_who_asked_for_it() {
    discards()
        .then(
            [owed("hello", Disposition::Failed), discarded("hello"), begun(0, ErrandKind::Report, "hello")],
            [performs(0)],
        )
        .succeeds(0)
        .then([reported(0, "hello", Disposition::Failed, 202)], [])
        .when(tick())
        .then_nothing();
}

#[test]
fn exp_2a_iii_nobody_else_is_reported_to() {
    let quiet = |message: Message| {
        let story = given([deferred_until(message, 60), to_push("hello")]).at(60).when(tick());
        assert_eq!(story.errands(), []);
    };
    quiet(message("hello"));
    quiet(asking("hello", ["positive-delivery", "display", "processing"]));
    let mut nameless = asking("hello", ["negative-delivery"]);
    nameless.defer.envelope.imdn.as_mut().unwrap().message_id = None;
    quiet(nameless);
    let mut nowhere = asking("hello", ["negative-delivery"]);
    nowhere.defer.envelope.return_address = None;
    quiet(nowhere);
}

#[test]
fn exp_2a_iii_what_was_asked_for_is_read_in_any_case() {
    let story =
        given([deferred_until(asking("hello", ["Negative-Delivery"]), 60), to_push("hello")]).at(60).when(tick());
    assert_eq!(story.errands(), [(0, ErrandKind::Report)]);
}

#[test]
fn i_18_an_anonymous_sender_gets_it_at_the_sealed_address() {
    let message = asking("hello", ["negative-delivery"]).anonymous();
    let story = given([deferred_until(message, 60), to_push("hello")]).at(60).when(tick());
    let Task::Report(report) = &story.queue.errand(0).unwrap().task else { panic!("a report") };
    assert_eq!(report.return_address, "sip:+12025550100@ims.example.net");
    assert!(!format!("{report:?}").contains("12025550100"));
}

#[test]
fn exp_2b_iii_a_stored_message_is_reported_as_delivered() {
    given([deferred_until(asking("hello", ["positive-delivery"]), 60), to_push("hello")])
        .policy(stores)
        .at(60)
        .when(tick())
        .gets_stored(0)
        .then(
            [
                owed("hello", Disposition::Delivered),
                stored(0, "hello", StoreCause::Expired),
                begun(1, ErrandKind::Report, "hello"),
            ],
            [performs(1)],
        );
}

#[test]
fn i_17_stored_is_told_in_place_of_delivered_where_the_operator_wants_it_and_processing_was_asked_for() {
    let disposition = |kinds: &[&str], wanted: bool| {
        let mut message = asking("hello", []);
        message.defer.envelope.imdn.as_mut().unwrap().dispositions = kinds.iter().map(ToString::to_string).collect();
        let story = given([registered(client("phone"))]).and(waiting(message));
        let story = story.rules(|rules| rules.errands.report_stored = wanted);
        let story = story.when(manage("phone", [("hello", Action::Store)])).gets_stored(0);
        story.queue.errand(1).map(|errand| match &errand.task {
            Task::Report(report) => report.disposition,
            task => panic!("{task:?}"),
        })
    };
    assert_eq!(disposition(&["processing", "positive-delivery"], true), Some(Disposition::Stored));
    assert_eq!(disposition(&["processing", "positive-delivery"], false), Some(Disposition::Delivered));
    assert_eq!(disposition(&["positive-delivery"], true), Some(Disposition::Delivered));
    assert_eq!(disposition(&["processing"], true), Some(Disposition::Stored));
    assert_eq!(disposition(&["processing"], false), None);
    assert_eq!(disposition(&["negative-delivery"], true), None);
}

#[test]
fn exp_2a_iii_a_sender_who_is_away_too_is_tried_again_with_growing_pauses() {
    let mut story = discards();
    let mut now = 60;
    for pause in [30, 60, 120, 240, 480, 960, 1920, 3600, 3600] {
        story = story.fails(0, ErrandFailure::Status(480));
        now += pause;
        story = story.then([report(ErrandFailure::Status(480), Some(now))], []).then_next_tick(now);
        story = story.at(now).when(tick()).then([begun(0, ErrandKind::Report, "hello")], [performs(0)]);
    }
}

#[test]
fn exp_2a_iii_it_is_given_up_after_so_long_or_if_another_try_cannot_help() {
    discards()
        .rules(|rules| rules.errands.report_secs_max = 100)
        .at(159)
        .fails(0, ErrandFailure::Timeout)
        .then([report(ErrandFailure::Timeout, Some(189))], [])
        .ticks_until(189)
        .fails(0, ErrandFailure::Timeout)
        .then([report(ErrandFailure::Timeout, None)], []);
    for failure in [ErrandFailure::Status(404), ErrandFailure::Status(603), ErrandFailure::Refused] {
        let story = discards().fails(0, failure).then([report(failure, None)], []);
        assert_eq!(story.errands(), []);
    }
}

#[test]
fn exp_2a_iii_a_pause_that_is_asked_for_is_kept() {
    use crate::queue::command::Failed;
    let failed = Failed { failure: ErrandFailure::Status(503), retry_after_secs: Some(300) };
    discards().ends(0, Err(failed)).then([report(ErrandFailure::Status(503), Some(360))], []);
}

#[test]
fn mng_3x_after_a_crash_the_same_request_for_28_seconds_and_then_a_new_one() {
    let story = discards();
    let names = story.performs().remove(0).transaction;
    let story = story.at(88).when(wake()).then([], [performs(0)]);
    assert_eq!(story.performs().remove(0).transaction, names, "the sender's side absorbs it");
    let story = story
        .at(89)
        .when(wake())
        .then([report(ErrandFailure::Interrupted, Some(89)), begun(0, ErrandKind::Report, "hello")], [performs(0)]);
    assert_ne!(story.performs().remove(0).transaction, names);
}

#[test]
fn mng_3x_an_outcome_of_another_try_is_none_of_ours() {
    use crate::queue::command::{Command, ErrandEnded, Success};
    let ended = |errand| {
        act(Command::ErrandEnded(ErrandEnded { errand, call_id: "stray".to_owned(), result: Ok(Success::Done) }))
    };
    discards().when(ended(0)).then_nothing().when(ended(7)).then_nothing();
}

#[test]
fn a_report_without_room_is_not_owed_and_the_log_says_so() {
    let forgone = Event::DispositionForgone(DispositionForgone { message: id("b"), disposition: Disposition::Failed });
    let story = given([deferred(asking("a", ["negative-delivery"])), to_push("a")])
        .and([deferred(asking("b", ["negative-delivery"])), to_push("b")])
        .rules(|rules| rules.errands.waiting_max = 1)
        .when(manage("phone", [("a", Action::Delete)]))
        .when(manage("phone", [("b", Action::Delete)]));
    assert!(story.run.decision.events.contains(&forgone), "{:?}", story.run.decision.events);
}
