//! The user's preferences (spec chapter 3): what they decide, and what happens while they cannot be read.

use super::story::*;
use super::words::*;
use crate::formats::{Origin, Profile};
use crate::queue::event::{ErrandKind, StandIn};
use crate::queue::question::{Delivery, Disposal, Handling, Hook};

#[test]
fn def_6a_a_rule_with_allow_push_is_push_and_without_is_manage() {
    let handling = |profile| {
        let story = given([]).prefers(profile).when(defer("hello"));
        story.queue.message(&id("hello")).unwrap().handling
    };
    assert_eq!(handling(rules_say("<allow-push/>")), Some(Handling::Push));
    assert_eq!(handling(managing()), Some(Handling::Manage));
}

#[test]
fn i_36_where_no_rule_is_about_it_the_realm_decides() {
    let manages = |rules: &mut crate::queue::decide::Rules| rules.handling = Some(Handling::Manage);
    let story = given([]).rules(manages).when(defer("hello"));
    assert_eq!(story.queue.message(&id("hello")).unwrap().handling, Some(Handling::Manage));
    let story = given([]).rules(manages).prefers(rules_say("<allow-push/>")).when(defer("hello"));
    assert_eq!(story.queue.message(&id("hello")).unwrap().handling, Some(Handling::Push));
}

#[test]
fn exp_1_the_users_word_goes_before_the_realms() {
    let end = |profile| {
        let story = given([deferred_until("hello", 60), to_push("hello")])
            .rules(|rules| rules.expired = Some(Disposal::Store))
            .prefers(profile)
            .at(60)
            .when(tick());
        story.queue.depth()
    };
    assert_eq!(end(rules_say("<expired>discard</expired>")), 0);
    assert_eq!(end(rules_say("")), 1, "it is being stored");
}

#[test]
fn push_1a_do_not_disturb_holds_the_push_back() {
    given([registered(client("phone")), deferred("hello"), to_push("hello")])
        .prefers(disturbs_not())
        .when(tick())
        .then([withheld("hello", "phone", native(Delivery::Keep))], [])
        .then_queued(["hello"]);
}

#[test]
fn i_31_a_change_of_the_preferences_lifts_what_they_barred() {
    let story = given([registered(client("phone")), deferred("hello"), to_push("hello")]).prefers(disturbs_not());
    let story = story.when(tick()).when(preferences_changed());
    story
        .then([CHANGED, withheld("hello", "phone", native(Delivery::Keep))], [])
        .prefers(Profile::default())
        .when(tick())
        .then_nothing()
        .when(preferences_changed())
        .then([CHANGED, started("hello", "phone")], [sent("hello", "phone")]);
}

#[test]
fn exp_1_an_unreachable_server_puts_the_expiry_off_and_never_discards() {
    let mut story = given([registered(client("phone")), deferred_until("hello", 60), to_push("hello")])
        .and([withheld("hello", "phone", native(Delivery::Keep))])
        .prefers(unreachable());
    for n in 1..=5 {
        let now = 60 * n;
        story = story.at(now).when(tick()).then([postponed("hello", now + 60)], []).then_next_tick(now + 60);
    }
    story
        .at(360)
        .when(tick())
        .then([missed("hello", Hook::Expiry, StandIn::RealmDefault), discarded("hello")], [])
        .then_queued([]);
}

#[test]
fn exp_1_what_is_put_off_is_delivered_to_nobody() {
    let story = given([deferred_until("hello", 60), to_push("hello")]).prefers(unreachable()).at(60).when(tick());
    let story = story.at(70).when(register(client("phone").since(70)));
    assert!(story.sends().is_empty());
    story.when(inquire_all("phone")).then([], [NOTHING]).then_queued(["hello"]);
}

#[test]
fn exp_1_a_server_that_answers_in_time_decides() {
    let story = given([deferred_until("hello", 60), to_push("hello")]).prefers(unreachable()).at(60).when(tick());
    story
        .prefers(rules_say("<expired>store</expired>"))
        .at(120)
        .when(tick())
        .then([awaits_store("hello", native(Disposal::Store)), begun(0, ErrandKind::Store, "hello")], [performs(0)]);
}

#[test]
fn exp_1_preferences_read_before_stand_in_and_that_is_told() {
    let stale = Profile { origin: Origin::Stale, ..rules_say("<expired>store</expired>") };
    given([deferred_until("hello", 60), to_push("hello")]).prefers(stale).at(60).when(tick()).then(
        [
            missed("hello", Hook::Expiry, StandIn::Stale),
            awaits_store("hello", native(Disposal::Store)),
            begun(0, ErrandKind::Store, "hello"),
        ],
        [performs(0)],
    );
}

#[test]
fn def_6_a_handling_chosen_without_the_preferences_says_so() {
    given([]).prefers(unreachable()).when(defer("hello")).then(
        [deferred("hello"), to_push("hello"), missed("hello", Hook::Handling, StandIn::RealmDefault)],
        [accepted()],
    );
}
