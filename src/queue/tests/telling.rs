//! Telling the recipient: MNG-N, PUSH-N1, the notifications of expiry, and how often.

use super::story::*;
use super::words::*;
use crate::queue::event::{Action, ErrandFailure, ErrandKind, Gone};
use crate::queue::question::{Hook, Notification, NotificationCause, Question, Verdict};
use crate::queue::{News, Task};

const DEFERRED: NotificationCause = NotificationCause::Deferred;

/// An absent user who manages messages, told of the first out of band as the story began.
fn away() -> Story {
    given([]).prefers(managing()).when(defer("hello"))
}

/// Everyone is told out of band, whatever it is.
fn out_of_band(question: &Question) -> Option<Verdict> {
    let out_of_band = Notification { in_band: false, out_of_band: true, at: None };
    (question.hook() == Hook::Notification).then_some(Verdict::Notification(out_of_band))
}

#[test]
fn mng_n0_registered_clients_are_told_in_band_and_nobody_out_of_band() {
    given([registered(client("phone"))]).prefers(managing()).when(defer("hello")).then(
        [deferred("hello"), to_manage("hello"), told("hello", DEFERRED, [in_band("phone")]), begun_to_tell(0)],
        [accepted(), performs(0)],
    );
}

#[test]
fn mng_n1a_every_registered_client_gets_a_message_of_its_own() {
    given([registered(client("phone")), registered(client("tablet"))])
        .prefers(managing())
        .when(defer("hello"))
        .then(
            [
                deferred("hello"),
                to_manage("hello"),
                told("hello", DEFERRED, [in_band("tablet"), in_band("phone")]),
                begun_to_tell(0),
                begun_to_tell(1),
            ],
            [accepted(), performs(0), performs(1)],
        )
        .succeeds(1)
        .then([notified(1, in_band("phone"), None)], []);
}

#[test]
fn mng_n2_nobody_registered_is_told_out_of_band() {
    away()
        .then(
            [deferred("hello"), to_manage("hello"), told("hello", DEFERRED, [OUT]), begun_to_tell(0)],
            [accepted(), performs(0)],
        )
        .succeeds(0)
        .then([notified(0, OUT, Some(3600))], []);
}

#[test]
fn i_32_one_out_of_band_in_an_absence_then_at_doubling_intervals() {
    let story = away().succeeds(0).at(10).when(defer("next"));
    assert!(story.performs().is_empty(), "it is too early for another");
    let story = story.then_next_tick(3600).at(3600).when(tick()).then([begun_to_tell(1)], [performs(1)]);
    let story = story.succeeds(1).then([notified(1, OUT, Some(3600 + 7200))], []);
    let story = story.when(defer("third")).when(defer("fourth"));
    assert_eq!(story.errands(), [(2, ErrandKind::Notify)], "both are told together");
    story.then_next_tick(10_800);
}

#[test]
fn i_32_what_comes_while_one_is_being_told_waits_as_long() {
    let story = away().when(defer("next"));
    assert!(story.performs().is_empty(), "out of band one at a time");
    let story = story.succeeds(0).then([notified(0, OUT, Some(3600))], []).then_next_tick(3600);
    assert_eq!(story.errands(), [(1, ErrandKind::Notify)]);
}

#[test]
fn i_32_the_pause_grows_to_a_day_at_most() {
    let mut story = away();
    for again in [3600, 7200, 14_400, 28_800, 57_600, 86_400, 86_400] {
        let open = story.errands()[0].0;
        let now = (story.now.0 - at(0).0) / 1000;
        story = story.succeeds(open).then([notified(open, OUT, Some(now + again))], []);
        story = story.at(now + again).when(defer(message(&format!("after {now}")).received(now + again)));
        assert_eq!(story.performs().len(), 1);
    }
}

#[test]
fn i_32_a_registration_ends_the_absence_and_the_next_one_begins_afresh() {
    let story = away().succeeds(0).when(defer("next")).at(20).when(register(client("phone").since(20)));
    let first = told_at(20, "hello", NotificationCause::Reminder, [in_band("phone")]);
    assert!(story.events().contains(&first), "i_34: what waits is told anew");
    assert_eq!(story.errands(), [(2, ErrandKind::Notify)], "nobody needs to be told out of band any more");
    let story = story.succeeds(2).when(register_all(
        crate::queue::event::Source::Client,
        [crate::queue::command::Binding::RemoveAll(Gone::Explicit)],
    ));
    assert_eq!(story.queue.absence(), crate::queue::Absence::default());
    assert_eq!(story.at(30).when(defer("third")).performs().len(), 1, "told at once again");
}

#[test]
fn i_32_one_that_was_under_way_when_the_user_came_back_does_not_count_for_the_next_absence() {
    let story = away().at(5).when(register(client("phone").since(5).until(60))).succeeds(0).at(60).when(tick());
    assert_eq!(story.queue.absence(), crate::queue::Absence::default());
}

#[test]
fn i_34_the_first_registration_is_told_what_waits_and_the_second_is_not() {
    let story = given(waiting("hello")).when(register(client("phone"))).then(
        [registered(client("phone")), told("hello", NotificationCause::Reminder, [in_band("phone")]), begun_to_tell(0)],
        [bound([(&client("phone"), 3600)]), performs(0)],
    );
    story
        .succeeds(0)
        .when(register(client("tablet")))
        .then([registered(client("tablet"))], [bound([(&client("phone"), 3600), (&client("tablet"), 3600)])]);
}

#[test]
fn i_34_a_client_that_has_run_out_and_is_not_struck_off_yet_is_no_client() {
    let story = given([registered(client("old").until(10))]).and(waiting("hello")).at(10);
    let story = story.when(register(client("phone").since(10)));
    assert_eq!(story.performs().len(), 1, "the user was away and is told");
}

#[test]
fn mng_7_what_was_left_is_in_the_notification_of_the_next_deferral() {
    let story = given([registered(client("phone"))])
        .and(waiting("hello"))
        .and(waiting("gone"))
        .prefers(managing())
        .when(manage("phone", [("gone", Action::Delete)]))
        .when(defer("next"));
    assert_eq!(story.performs().len(), 1);
    let told: Vec<_> = story.queue.manageable(story.now).map(|entry| entry.id).collect();
    assert_eq!(told, [id("hello"), id("next")]);
}

#[test]
fn mng_n1a_notifications_that_wait_for_the_same_client_are_joined() {
    let story = given([registered(client("phone"))]).prefers(managing()).when(defer("one"));
    let story = story.when(defer("two")).fails(0, ErrandFailure::Timeout).when(defer("three"));
    assert_eq!(story.queue.errands().filter(|errand| !errand.is_open()).count(), 1, "a list tells everything");
}

#[test]
fn mng_n1a_a_notification_is_moot_when_nothing_waits_any_more_or_its_client_has_gone() {
    let story = given([registered(client("phone"))]).prefers(managing()).when(defer("hello"));
    let story = story.fails(0, ErrandFailure::Status(480));
    story
        .then([telling_failed(0, ErrandFailure::Status(480), Some(30))], [])
        .when(manage("phone", [("hello", Action::Delete)]))
        .at(30)
        .when(tick())
        .then([telling_failed(0, ErrandFailure::Moot, None)], []);
    given([registered(client("phone").until(20))])
        .prefers(managing())
        .when(defer("hello"))
        .fails(0, ErrandFailure::Timeout)
        .ticks_until(30)
        .then([telling_failed(0, ErrandFailure::Moot, None)], []);
}

#[test]
fn mng_n1a_a_system_message_is_tried_three_times() {
    given([registered(client("phone"))])
        .prefers(managing())
        .when(defer("hello"))
        .fails(0, ErrandFailure::Timeout)
        .then([telling_failed(0, ErrandFailure::Timeout, Some(30))], [])
        .ticks_until(30)
        .fails(0, ErrandFailure::Timeout)
        .then([telling_failed(0, ErrandFailure::Timeout, Some(90))], [])
        .ticks_until(90)
        .fails(0, ErrandFailure::Timeout)
        .then([telling_failed(0, ErrandFailure::Timeout, None)], [])
        .then_queued(["hello"]);
}

#[test]
fn mng_n1a_after_a_crash_a_notification_is_told_anew() {
    let story = given([registered(client("phone"))]).prefers(managing()).when(defer("hello"));
    story
        .at(5)
        .when(wake())
        .then([telling_failed(0, ErrandFailure::Interrupted, Some(5)), begun_to_tell(0)], [performs(0)]);
}

#[test]
fn mng_n0_a_policy_that_wants_it_later_is_obeyed() {
    let later = |question: &Question| {
        let notification = Notification { in_band: true, out_of_band: false, at: Some(at(50)) };
        (question.hook() == Hook::Notification).then_some(Verdict::Notification(notification))
    };
    let story = given([registered(client("phone"))]).prefers(managing()).policy(later).when(defer("hello"));
    assert!(story.performs().is_empty());
    story.then_next_tick(50).at(50).when(tick()).then([begun_to_tell(0)], [performs(0)]);
}

#[test]
fn push_n1_an_absent_user_may_be_told_of_what_waits_to_be_pushed() {
    let asking = |story: Story| story.rules(|rules| rules.notify_when_pushing = true).when(defer("hello"));
    let story = asking(given([]).policy(out_of_band));
    assert_eq!(story.performs().len(), 1);
    let story = asking(given([]));
    assert!(story.performs().is_empty(), "the standard rule tells nobody");
    let story = asking(given([registered(client("phone"))]).policy(out_of_band));
    assert!(story.performs().is_empty(), "who is there need not be told");
    let story = given([]).policy(out_of_band).when(defer("hello"));
    assert!(story.performs().is_empty(), "nobody asks unless the realm says so");
}

#[test]
fn exp_2a_ii_a_managed_message_that_is_discarded_is_told_by_its_id() {
    let story = given([registered(client("phone")), deferred_until("hello", 60), to_manage("hello")])
        .and([told("hello", DEFERRED, [])])
        .at(60)
        .when(tick())
        .then(
            [
                discarded("hello"),
                told_at(60, "hello", NotificationCause::ExpiredDiscarded, [in_band("phone")]),
                begun(0, ErrandKind::Notify, "hello"),
            ],
            [performs(0)],
        );
    let Task::Notify { news: News::Ended(gone), .. } = &story.queue.errand(0).unwrap().task else { panic!("an end") };
    assert_eq!((gone.id, &gone.location), (id("hello"), &None));
}

#[test]
fn exp_2b_ii_a_managed_message_that_is_stored_is_told_and_not_before() {
    let story = given([registered(client("phone")), deferred_until("hello", 60), to_manage("hello")])
        .and([told("hello", DEFERRED, [])])
        .policy(stores)
        .at(60)
        .when(tick());
    let still = story.queue.errands().all(|errand| errand.task.kind() == ErrandKind::Store);
    assert!(still);
    let story = story.gets_stored(0);
    let planned = told_at(60, "hello", NotificationCause::ExpiredStored, [in_band("phone")]);
    assert!(story.events().contains(&planned));
}

#[test]
fn exp_2b_ii_1_it_has_the_id_and_the_uid() {
    let story = given([registered(client("phone")), deferred_until("hello", 60), to_manage("hello")])
        .and([told("hello", DEFERRED, [])])
        .policy(stores)
        .at(60)
        .when(tick())
        .gets_stored(0);
    let Task::Notify { news: News::Ended(gone), .. } = &story.queue.errand(1).unwrap().task else { panic!("an end") };
    assert_eq!((gone.id, gone.location.clone()), (id("hello"), Some(place())));
}

#[test]
fn i_30_expiry_in_push_mode_is_told_to_nobody() {
    let story = given([registered(client("phone")), deferred_until("hello", 60), to_push("hello")])
        .and([withheld("hello", "phone", native(crate::queue::question::Delivery::Keep))])
        .at(60)
        .when(tick())
        .then([discarded("hello")], []);
    assert_eq!(story.asked.last().map(Question::hook), Some(Hook::Notification), "a policy might want it otherwise");
}

#[test]
fn beyond_its_room_nobody_is_told_and_reports_are_not_crowded_out() {
    let story = given([registered(client("phone"))])
        .prefers(managing())
        .rules(|rules| rules.errands.waiting_max = 1)
        .when(defer("hello"))
        .when(defer(asking("next", ["negative-delivery"])));
    assert_eq!(story.errands(), [(0, ErrandKind::Notify)]);
    let story = story.when(manage("phone", [("next", Action::Delete)]));
    assert_eq!(story.errands(), [(0, ErrandKind::Notify), (1, ErrandKind::Report)]);
}
