//! The message store: at expiry (EXP-2b), and the history that is kept of pushes (SNDP-6 … SNDP-ERR-1).

use super::story::*;
use super::words::*;
use crate::queue::command::{Binding, Success};
use crate::queue::event::{Action, DeliveryFailure, Disposition, ErrandFailure, ErrandKind, Retry, Source, StoreCause};
use crate::queue::question::{Delivery, Disposal, Hook, Question, Verdict};
use crate::queue::{History, Stray};

/// A message that expires at 60 and is to be stored then.
fn expires() -> Story {
    given([deferred_until(asking("hello", ["negative-delivery"]), 60), to_push("hello")])
        .policy(stores)
        .at(60)
        .when(tick())
}

fn unstored(failure: ErrandFailure, retry: Option<u64>) -> crate::queue::event::Event {
    errand_failed(0, ErrandKind::Store, "hello", failure, retry)
}

#[test]
fn exp_2b_i_it_is_stored_and_its_uid_recorded() {
    expires()
        .then([awaits_store("hello", component(Disposal::Store)), begun(0, ErrandKind::Store, "hello")], [performs(0)])
        .then_queued(["hello"])
        .gets_stored(0)
        .then([stored(0, "hello", StoreCause::Expired)], [])
        .then_queued([]);
}

#[test]
fn i_16_it_stays_until_the_store_has_confirmed_with_a_place() {
    let story = expires().fails(0, ErrandFailure::Transport).then([unstored(ErrandFailure::Transport, Some(90))], []);
    let story = story
        .then_queued(["hello"])
        .then_next_tick(90)
        .at(90)
        .when(tick())
        .then([begun(0, ErrandKind::Store, "hello")], [performs(0)]);
    story.gets_stored(0).then([stored(0, "hello", StoreCause::Expired)], []).then_queued([]);
    let story =
        given([registered(client("phone"))]).and(waiting("hello")).when(manage("phone", [("hello", Action::Store)]));
    story.ends(0, Ok(Success::Done)).then([unstored(ErrandFailure::Refused, None)], []).then_queued(["hello"]);
}

#[test]
fn exp_2b_i_a_store_that_will_not_have_it_or_is_away_for_too_long_ends_in_a_discard() {
    let ends = |story: Story, failure| {
        story
            .then(
                [
                    unstored(failure, None),
                    owed("hello", Disposition::Failed),
                    discarded("hello"),
                    begun(1, ErrandKind::Report, "hello"),
                ],
                [performs(1)],
            )
            .then_queued([]);
    };
    ends(expires().fails(0, ErrandFailure::Refused), ErrandFailure::Refused);
    let story = expires().rules(|rules| rules.errands.store_secs_max = 100).at(160).fails(0, ErrandFailure::Timeout);
    ends(story, ErrandFailure::Timeout);
}

#[test]
fn exp_2b_i_after_a_crash_it_is_stored_anew() {
    for secs in [60, 200] {
        expires().at(secs).when(wake()).then(
            [unstored(ErrandFailure::Interrupted, Some(secs)), begun(0, ErrandKind::Store, "hello")],
            [performs(0)],
        );
    }
}

#[test]
fn mng_5_a_message_that_expires_while_it_is_being_stored_is_the_stores_or_expires_after_all() {
    let story = || {
        given([registered(client("phone")), deferred_until("hello", 60), to_manage("hello")])
            .when(manage("phone", [("hello", Action::Store)]))
            .at(60)
            .when(tick())
            .then_queued(["hello"])
    };
    let open = story().errands().iter().find(|(_, kind)| *kind == ErrandKind::Store).unwrap().0;
    story().gets_stored(open).then_queued([]);
    let failed = story().fails(open, ErrandFailure::Timeout).then_queued([]);
    assert!(failed.events().contains(&discarded("hello")));
}

#[test]
fn i_16_what_a_failed_try_may_have_left_in_the_store_is_known_to_the_next_errand() {
    let perhaps = |story: &Story| story.queue.message(&id("hello")).unwrap().stray == Stray::Perhaps;
    let asked =
        || given([registered(client("phone"))]).and(waiting("hello")).when(manage("phone", [("hello", Action::Store)]));
    let open = asked().errands().iter().find(|(_, kind)| *kind == ErrandKind::Store).unwrap().0;
    assert!(!perhaps(&asked()));
    assert!(perhaps(&asked().fails(open, ErrandFailure::Timeout)), "its answer may have been lost");
    assert!(perhaps(&asked().when(wake())), "as a crash may have lost it");
    let story = recorded_first();
    assert!(!perhaps(&story));
    assert!(perhaps(&story.fails(0, ErrandFailure::Transport)));
}

// History.

/// A push that is recorded first.
fn recorded_first() -> Story {
    given([registered(client("phone")), deferred("hello"), to_push("hello")]).prefers(records()).when(tick())
}

fn unrecorded(failure: ErrandFailure) -> crate::queue::event::Event {
    errand_failed(0, ErrandKind::Record, "hello", failure, None)
}

#[test]
fn sndp_6_a_user_who_wants_history_has_it_before_the_push() {
    recorded_first()
        .then([recording("hello"), begun(0, ErrandKind::Record, "hello")], [performs(0)])
        .gets_stored(0)
        .then([recorded(0, "hello"), started("hello", "phone")], [sent("hello", "phone")]);
}

#[test]
fn sndp_6_without_the_preference_nothing_is_recorded() {
    let plain = given([registered(client("phone")), deferred("hello"), to_push("hello")]);
    plain.when(tick()).then([started("hello", "phone")], [sent("hello", "phone")]);
}

#[test]
fn sndp_7_the_uid_is_known_while_it_is_pushed() {
    let story = recorded_first().gets_stored(0);
    assert_eq!(story.queue.message(&id("hello")).unwrap().history, History::Recorded(place()));
}

#[test]
fn sndp_6_a_later_message_does_not_overtake_one_that_is_being_recorded() {
    let story = recorded_first().when(defer("next"));
    assert!(story.sends().is_empty() && story.performs().is_empty());
    let story = story.gets_stored(0);
    assert_eq!(story.sends()[0].message, id("hello"));
    let call_id = story.sends().remove(0).transaction.call_id;
    story.when(ended_as("hello", "phone", &call_id, response(200))).then(
        [delivered("hello", "phone", 200), recording("next"), begun(1, ErrandKind::Record, "next")],
        [performs(1)],
    );
}

#[test]
fn sndp_6_where_the_store_fails_the_push_goes_without() {
    for failure in [ErrandFailure::Timeout, ErrandFailure::Refused, ErrandFailure::Unconfigured] {
        let story = recorded_first().fails(0, failure);
        story.then([unrecorded(failure), started("hello", "phone")], [sent("hello", "phone")]);
    }
}

#[test]
fn sndp_6_after_a_crash_it_is_recorded_anew_and_then_pushed() {
    let interrupted = errand_failed(0, ErrandKind::Record, "hello", ErrandFailure::Interrupted, Some(5));
    let story = recorded_first().at(5).when(wake());
    story
        .then([interrupted, begun(0, ErrandKind::Record, "hello")], [performs(0)])
        .gets_stored(0)
        .then([recorded(0, "hello"), started("hello", "phone")], [sent("hello", "phone")]);
}

#[test]
fn sndp_6_what_is_out_already_to_another_client_is_not_recorded_any_more() {
    let story = given([registered(client("phone")), deferred("hello"), to_push("hello"), started("hello", "phone")]);
    story.prefers(records()).when(register(client("tablet"))).then(
        [registered(client("tablet")), started("hello", "tablet")],
        [bound([(&client("phone"), 3600), (&client("tablet"), 3600)]), sent("hello", "tablet")],
    );
}

/// The attempt of a recorded push fails at once.
fn recorded_and_failed() -> Story {
    let story = recorded_first().gets_stored(0);
    let call_id = story.sends().remove(0).transaction.call_id;
    story.when(ended_as("hello", "phone", &call_id, response(480)))
}

#[test]
fn sndp_err_1_a_failed_push_takes_its_record_back() {
    let story = recorded_and_failed()
        .then(
            [
                failed("hello", "phone", DeliveryFailure::Status(480), Retry::ClientAt(at(30))),
                begun(1, ErrandKind::Withdraw, "hello"),
            ],
            [performs(1)],
        )
        .ends(1, Ok(Success::Done))
        .then([withdrawn(1, "hello")], []);
    story
        .at(30)
        .when(tick())
        .then([recording("hello"), begun(2, ErrandKind::Record, "hello")], [performs(2)])
        .then_queued(["hello"]);
}

#[test]
fn sndp_err_1_the_next_try_waits_until_the_record_is_gone() {
    let story = recorded_and_failed().at(30).when(tick());
    assert!(story.sends().is_empty());
    let story = story.ends(1, Ok(Success::Done));
    story.then([withdrawn(1, "hello"), recording("hello"), begun(2, ErrandKind::Record, "hello")], [performs(2)]);
}

#[test]
fn sndp_err_1_with_two_clients_the_last_failure_takes_it_back() {
    let story = recorded_first().gets_stored(0);
    let first = story.sends().remove(0).transaction.call_id;
    let story = story.when(register(client("tablet")));
    let second = story.sends().remove(0).transaction.call_id;
    let story = story.when(ended_as("hello", "phone", &first, response(480)));
    assert!(story.performs().is_empty());
    let story = story.when(ended_as("hello", "tablet", &second, response(480)));
    assert_eq!(story.errands(), [(1, ErrandKind::Withdraw)]);
}

#[test]
fn i_15_a_recorded_message_that_ends_undelivered_leaves_no_record() {
    let keep_second = |question: &Question| {
        let is_recorded = question.hook() == Hook::Delivery && question.context().now > at(0);
        is_recorded.then_some(Verdict::Delivery(Delivery::Keep))
    };
    let story = given([registered(client("phone")), deferred_until("hello", 60), to_push("hello")])
        .prefers(records())
        .policy(keep_second)
        .when(tick())
        .at(1)
        .gets_stored(0);
    assert!(story.sends().is_empty(), "the policy changed its mind");
    let story = story.at(60).when(tick());
    assert_eq!(story.errands(), [(1, ErrandKind::Withdraw)]);
    story.then([discarded("hello"), begun(1, ErrandKind::Withdraw, "hello")], [performs(1)]).then_queued([]);
}

#[test]
fn sndp_err_1_what_was_delivered_stays_in_the_history() {
    let story = recorded_first().gets_stored(0);
    let call_id = story.sends().remove(0).transaction.call_id;
    let story = story.when(ended_as("hello", "phone", &call_id, response(200)));
    assert_eq!(story.errands(), []);
}

#[test]
fn sndp_6_a_client_that_goes_while_it_is_recorded_leaves_it_queued() {
    let gone = register_all(Source::Client, [Binding::Remove(phone("phone"))]);
    let story = recorded_first().when(gone).gets_stored(0).then([recorded(0, "hello")], []).then_queued(["hello"]);
    let story = story.when(register(client("phone")));
    assert_eq!(story.sends().len(), 1, "and is not recorded twice");
}
