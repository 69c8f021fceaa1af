//! Managing Deferred CPM Messages (8.3.2.3.2): what a client asks for, message by message.

use super::story::*;
use super::words::*;
use crate::queue::event::{Action, DeliveryFailure, Disposition, ErrandFailure, ErrandKind, Retry, StoreCause};
use crate::queue::question::Delivery;

/// One registered phone, and messages that wait for it to manage them.
fn waits<const N: usize>(names: [&str; N]) -> Story {
    names.into_iter().fold(given([registered(client("phone"))]), |story, name| story.and(waiting(name)))
}

#[test]
fn mng_1_nothing_to_manage_is_said() {
    given([registered(client("phone"))]).when(inquire_all("phone")).then([], [NOTHING]);
    given([]).when(inquire("phone", [("hello", Action::Delete)])).then([], [NOTHING]);
    given([]).when(manage_all("phone")).then_nothing();
}

#[test]
fn i_37_a_list_that_names_nothing_of_this_user_is_as_an_empty_queue() {
    waits(["hello"])
        .when(inquire("phone", [("foreign", Action::Deliver)]))
        .then([], [NOTHING])
        .when(inquire("phone", [("foreign", Action::Deliver), ("hello", Action::Delete)]))
        .then([], [MANAGED])
        .when(inquire_all("phone"))
        .then([], [MANAGED])
        .when(inquire("phone", []))
        .then([], [NOTHING]);
}

#[test]
fn i_37_what_is_busy_is_in_the_queue_and_what_has_expired_is_not() {
    let story = waits(["hello"]).when(manage("phone", [("hello", Action::Store)]));
    story.when(inquire_all("phone")).then([], [MANAGED]);
    let expired = given([registered(client("phone")), deferred_until("hello", 10), to_push("hello")])
        .and([started("hello", "phone")])
        .at(10);
    expired.when(inquire("phone", [("hello", Action::Delete)])).then([], [NOTHING]);
}

#[test]
fn mng_2_an_inquiry_changes_nothing() {
    let story = waits(["hello"]);
    let before = story.queue.clone();
    let story = story.when(inquire("phone", [("hello", Action::Delete)])).then([], [MANAGED]);
    assert_eq!(story.queue, before, "the actions begin after the ACK (I-13)");
}

#[test]
fn mng_3_delete_takes_it_out_of_the_queue() {
    waits(["hello", "next"])
        .when(manage("phone", [("hello", Action::Delete)]))
        .then([requested(Some("phone"), [("hello", Action::Delete)]), deleted("hello")], [])
        .then_queued(["next"]);
}

#[test]
fn mng_3x_delete_is_reported_to_a_sender_who_asked_for_it_and_to_no_other() {
    given([registered(client("phone"))])
        .and(waiting(asking("hello", ["negative-delivery"])))
        .and(waiting(asking("next", ["positive-delivery", "display"])))
        .when(manage("phone", [("hello", Action::Delete), ("next", Action::Delete)]))
        .then(
            [
                requested(Some("phone"), [("hello", Action::Delete), ("next", Action::Delete)]),
                owed("hello", Disposition::Failed),
                deleted("hello"),
                deleted("next"),
                begun(0, ErrandKind::Report, "hello"),
            ],
            [performs(0)],
        );
}

#[test]
fn mng_5_store_takes_it_out_once_the_store_has_it() {
    waits(["hello"])
        .when(manage("phone", [("hello", Action::Store)]))
        .then(
            [requested(Some("phone"), [("hello", Action::Store)]), begun(0, ErrandKind::Store, "hello")],
            [performs(0)],
        )
        .then_queued(["hello"])
        .gets_stored(0)
        .then([stored(0, "hello", StoreCause::Managed)], [])
        .then_queued([]);
}

#[test]
fn mng_5x_store_is_reported_to_a_sender_who_asked_for_it() {
    given([registered(client("phone"))])
        .and(waiting(asking("hello", ["positive-delivery"])))
        .when(manage("phone", [("hello", Action::Store)]))
        .gets_stored(0)
        .then(
            [
                owed("hello", Disposition::Delivered),
                stored(0, "hello", StoreCause::Managed),
                begun(1, ErrandKind::Report, "hello"),
            ],
            [performs(1)],
        );
}

#[test]
fn i_19_an_action_that_fails_leaves_the_message_deferred() {
    for failure in [ErrandFailure::Timeout, ErrandFailure::Refused, ErrandFailure::Status(503)] {
        let story = waits(["hello"])
            .when(manage("phone", [("hello", Action::Store)]))
            .fails(0, failure)
            .then([errand_failed(0, ErrandKind::Store, "hello", failure, None)], [])
            .then_queued(["hello"]);
        assert_eq!(story.queue.manageable(story.now).count(), 1, "it is in the next notification");
        let story = story.when(manage("phone", [("hello", Action::Store)]));
        assert_eq!(story.errands(), [(1, ErrandKind::Store)], "and may be asked for again");
    }
}

#[test]
fn mng_6_deliver_goes_to_the_client_that_asked_and_to_no_other() {
    let story =
        waits(["hello"]).and([registered(client("tablet"))]).when(manage("phone", [("hello", Action::Deliver)]));
    let call_id = story.sends().remove(0).transaction.call_id;
    story
        .then(
            [requested(Some("phone"), [("hello", Action::Deliver)]), started("hello", "phone")],
            [sent("hello", "phone")],
        )
        .when(ended_as("hello", "phone", &call_id, response(200)))
        .then([delivered("hello", "phone", 200)], [])
        .then_queued([]);
}

#[test]
fn mng_6_no_list_at_all_is_deliver_all_in_order_of_arrival() {
    let all = [("hello", Action::Deliver), ("next", Action::Deliver)];
    let story = waits(["hello", "next"]).when(manage_all("phone"));
    let call_id = story.sends().remove(0).transaction.call_id;
    story
        .then([requested(Some("phone"), all), started("hello", "phone")], [sent("hello", "phone")])
        .when(ended_as("hello", "phone", &call_id, response(200)))
        .then([delivered("hello", "phone", 200), started("next", "phone")], [sent("next", "phone")]);
}

#[test]
fn mng_6_a_client_that_only_its_s_cscf_knows_is_asked_as_the_nameless_one() {
    given([registered(client("scscf").nameless())])
        .and(waiting("hello"))
        .when(manage("phone", [("hello", Action::Deliver)]))
        .then(
            [requested(Some("scscf"), [("hello", Action::Deliver)]), started("hello", "scscf")],
            [sent("hello", "scscf")],
        );
}

#[test]
fn mng_6_who_is_not_registered_gets_nothing_and_takes_nothing_from_who_is() {
    let story = waits(["hello", "next"]).when(manage_all("phone"));
    assert_eq!(story.requester("next"), Some(phone("phone")));
    let story = story.when(manage("stranger", [("next", Action::Deliver)]));
    assert!(story.sends().is_empty());
    assert_eq!(story.requester("next"), Some(phone("phone")));
}

#[test]
fn mng_6a_i_what_the_active_profile_bars_stays_and_is_in_the_next_notification() {
    let story = waits(["hello"]).prefers(disturbs_not()).when(manage("phone", [("hello", Action::Deliver)])).then(
        [requested(Some("phone"), [("hello", Action::Deliver)]), withheld("hello", "phone", native(Delivery::Keep))],
        [],
    );
    assert_eq!(story.requester("hello"), None);
    assert_eq!(story.queue.manageable(story.now).count(), 1);
}

#[test]
fn i_41_the_default_profile_lets_the_client_through_that_asks() {
    let story = waits(["hello"]).when(manage_all("phone"));
    assert_eq!(story.sends().len(), 1);
}

#[test]
fn mng_6a_ii_a_deliver_that_fails_leaves_it_deferred_until_it_is_asked_for_again() {
    let story = waits(["hello"]).when(manage("phone", [("hello", Action::Deliver)]));
    let call_id = story.sends().remove(0).transaction.call_id;
    story
        .when(ended_as("hello", "phone", &call_id, response(480)))
        .then([failed("hello", "phone", DeliveryFailure::Status(480), Retry::ClientAt(at(30)))], [])
        .ticks_until(600)
        .then_queued(["hello"])
        .when(manage("phone", [("hello", Action::Deliver)]))
        .then(
            [requested(Some("phone"), [("hello", Action::Deliver)]), started("hello", "phone")],
            [sent("hello", "phone")],
        );
}

#[test]
fn mng_6a_ii_a_client_that_speaks_to_us_is_asked_though_it_could_not_be_reached_before() {
    let story = given([registered(client("phone")), deferred("push"), to_push("push"), started("push", "phone")])
        .and(waiting("hello"))
        .when(answered("push", "phone", 404));
    assert!(story.sends().is_empty());
    assert_eq!(story.when(manage("phone", [("hello", Action::Deliver)])).sends().len(), 1);
}

#[test]
fn mng_7_what_is_not_named_stays_deferred_and_is_in_the_next_notification() {
    let story = waits(["hello", "next"]).when(manage("phone", [("hello", Action::Delete)])).then_queued(["next"]);
    let left: Vec<_> = story.queue.manageable(story.now).map(|entry| entry.id).collect();
    assert_eq!(left, [id("next")]);
}

#[test]
fn mng_7_what_is_busy_is_left_alone() {
    waits(["hello"])
        .when(manage("phone", [("hello", Action::Store)]))
        .when(manage("phone", [("hello", Action::Delete)]))
        .then_nothing()
        .when(manage_all("phone"))
        .then_nothing()
        .then_queued(["hello"]);
}

#[test]
fn mng_7_what_is_on_the_wire_is_not_deleted_stored_or_interworked() {
    for action in [Action::Delete, Action::Store, Action::Interwork] {
        given([registered(client("phone")), deferred("hello"), to_push("hello"), started("hello", "phone")])
            .when(inquire("phone", [("hello", action)]))
            .then([], [MANAGED])
            .when(manage("phone", [("hello", action)]))
            .then_nothing()
            .when(answered("hello", "phone", 200))
            .then([delivered("hello", "phone", 200)], []);
    }
}

#[test]
fn mng_7_a_message_named_twice_is_dealt_with_once() {
    waits(["hello"])
        .when(manage("phone", [("hello", Action::Delete), ("hello", Action::Delete)]))
        .then([requested(Some("phone"), [("hello", Action::Delete)]), deleted("hello")], []);
}

#[test]
fn mng_w_what_is_managed_waits_for_the_clients_initiative() {
    let story = waits(["hello"]).when(register(client("phone").series("again", 1)));
    assert!(story.sends().is_empty());
    story.ticks_until(3000).then_queued(["hello"]);
}
