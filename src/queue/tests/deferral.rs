//! Defer CPM Messages (8.3.2.3): what is taken, until when, what is refused, and the same request again.

use super::story::*;
use super::words::*;
use crate::queue::ORIGIN_MEMORY;
use crate::queue::event::{Event, RefusedBy};
use crate::queue::question::{Admission, Handling, Hook, NotificationCause, Verdict};
use crate::types::Timestamp;

/// The only message in the queue of a story told to here.
fn kept(story: &Story) -> &crate::queue::Entry {
    story.queue.messages().next().expect("one message")
}

#[test]
fn def_0_a_message_for_a_user_who_is_away_is_kept_and_answered_202() {
    given([])
        .when(defer("hello"))
        .then([deferred("hello"), to_push("hello")], [accepted()])
        .then_queued(["hello"])
        .then_next_tick(WEEK);
}

#[test]
fn def_0_a_message_for_a_user_who_is_there_takes_the_same_way_and_leaves_at_once() {
    given([registered(client("phone"))])
        .when(defer("hello"))
        .then([deferred("hello"), to_push("hello"), started("hello", "phone")], [accepted(), sent("hello", "phone")])
        .then_queued(["hello"]);
}

#[test]
fn def_3_def_3a_every_message_gets_a_name_of_its_own_that_we_make() {
    let story = given([]).when(defer("hello")).when(defer("again"));
    let names: Vec<String> = story.queue.messages().map(|entry| entry.id.uri("pf.example.net")).collect();
    assert_eq!(names.len(), 2);
    assert_ne!(names[0], names[1]);
    for name in names {
        let string = name.strip_prefix("sip:").and_then(|rest| rest.strip_suffix("@pf.example.net")).unwrap();
        assert!(
            string.len() == 32 && string.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'a'..=b'f')),
            "{string}"
        );
    }
}

#[test]
fn def_4_what_is_stored_is_what_came_in_the_order_of_arrival() {
    let story = given([]).when(defer("one")).when(defer("two")).when(defer("three"));
    for (entry, name) in story.queue.messages().zip(["one", "two", "three"]) {
        assert_eq!(entry.envelope, message(name).defer.envelope);
    }
    assert_eq!(story.queue.bytes(), 3 * 28);
    story.then_queued(["one", "two", "three"]);
}

#[test]
fn def_5_every_message_has_an_expiry_time() {
    for asked in [None, Some(1), Some(60), Some(WEEK), Some(WEEK + 1), Some(u64::MAX)] {
        let mut asking = message("hello");
        asking.defer.envelope.expires_asked_secs = asked;
        let story = given([]).when(defer(asking));
        let expires = kept(&story).expires_at;
        assert!(expires > at(0) && expires <= at(WEEK), "{asked:?}: {expires}");
    }
}

#[test]
fn def_5a_i_expires_below_the_maximum_is_the_life_of_the_message() {
    let asking = || message("hello").expires(60);
    given([])
        .when(defer(asking()))
        .then([deferred_until(asking(), 60), to_push("hello")], [accepted()])
        .then_next_tick(60);
}

#[test]
fn def_5a_ii_without_expires_or_above_the_maximum_it_is_the_maximum() {
    given([]).when(defer("hello")).then([deferred_until("hello", WEEK), to_push("hello")], [accepted()]);
    for asked in [WEEK, WEEK + 1, u64::MAX] {
        let asking = || message("hello").expires(asked);
        given([]).when(defer(asking())).then([deferred_until(asking(), WEEK), to_push("hello")], [accepted()]);
    }
    let short = given([]).rules(|rules| rules.expiry_max_secs = 10).when(defer("hello"));
    assert_eq!(kept(&short).expires_at, at(10));
}

#[test]
fn def_5a_a_policy_may_shorten_a_life_but_never_lengthen_it_beyond_the_maximum() {
    for (asked, granted, life) in [(None, 30, 30), (Some(60), 30, 30), (Some(20), 30, 20), (None, u64::MAX, WEEK)] {
        let mut asking = message("hello");
        asking.defer.envelope.expires_asked_secs = asked;
        let accept = move || Admission::Accept { expiry_max_secs: granted };
        given([])
            .policy(move |question| (question.hook() == Hook::Admission).then(|| Verdict::Admission(accept())))
            .when(defer(asking.clone()))
            .then([deferred_by(asking, life, component(accept())), to_push("hello")], [accepted()]);
    }
}

#[test]
fn def_5x_at_its_expiry_a_message_is_handled_by_the_expiry_procedure() {
    given([deferred_until("hello", 60), to_push("hello")])
        .at(59)
        .when(tick())
        .then_nothing()
        .at(60)
        .when(tick())
        .then([discarded("hello")], [])
        .then_queued([]);
}

#[test]
fn i_28_the_life_of_a_message_counts_from_its_receipt_not_from_when_we_come_to_it() {
    let asking = || message("hello").expires(60).received(100);
    given([])
        .at(103)
        .when(defer(asking()))
        .then([deferred_until(asking(), 160), to_push("hello")], [accepted()])
        .then_next_tick(160);
}

#[test]
fn expires_0_runs_the_expiry_procedure_at_once_and_pushes_to_nobody() {
    let asking = || message("hello").expires(0);
    given([registered(client("phone"))])
        .when(defer(asking()))
        .then([deferred_until(asking(), 0), discarded("hello")], [accepted()])
        .then_queued([]);
}

#[test]
fn a_message_whose_life_ended_while_it_waited_for_us_is_accepted_and_expires() {
    let asking = || message("hello").expires(1);
    given([registered(client("phone"))])
        .at(2)
        .when(defer(asking()))
        .then([deferred_until(asking(), 1), discarded("hello")], [accepted()]);
}

#[test]
fn def_6_def_6a_push_is_chosen_once_and_stored_with_its_judge() {
    given([])
        .policy(|question| (question.hook() == Hook::Handling).then_some(Verdict::Handling(Handling::Push)))
        .when(defer("hello"))
        .then([deferred("hello"), handled("hello", component(Handling::Push))], [accepted()])
        .when(register(client("phone")))
        .then(
            [registered(client("phone")), started("hello", "phone")],
            [bound([(&client("phone"), 3600)]), sent("hello", "phone")],
        );
}

#[test]
fn def_6b_a_managed_message_waits_for_its_owner_and_is_pushed_to_nobody() {
    given([registered(client("phone"))])
        .policy(|question| (question.hook() == Hook::Handling).then_some(Verdict::Handling(Handling::Manage)))
        .when(defer("hello"))
        .then(
            [
                deferred("hello"),
                handled("hello", component(Handling::Manage)),
                told("hello", NotificationCause::Deferred, [in_band("phone")]),
                begun_to_tell(0),
            ],
            [accepted(), performs(0)],
        )
        .when(register(client("tablet")))
        .then([registered(client("tablet"))], [bound([(&client("phone"), 3600), (&client("tablet"), 3600)])])
        .ticks_until(WEEK)
        .then_queued([]);
}

#[test]
fn i_36_no_rule_for_deferred_messages_is_push() {
    let story = given([]).when(defer("hello"));
    assert_eq!(story.asked[1].context().preferences.allow_push, None);
    assert_eq!(kept(&story).handling, Some(Handling::Push));
}

#[test]
fn the_quota_of_messages_refuses_the_next_one_with_480_and_retry_after() {
    let full = given([deferred("one"), to_push("one"), deferred("two"), to_push("two")]);
    full.rules(|rules| rules.messages_max = 2)
        .when(defer("three"))
        .then([refused("three", 480, "Queue Full", RefusedBy::MessagesMax)], [refusal(480, "Queue Full", Some(300))])
        .then_queued(["one", "two"])
        .rules(|rules| rules.messages_max = 3)
        .when(defer("three"))
        .then([deferred("three"), to_push("three")], [accepted()]);
}

#[test]
fn the_quota_of_octets_counts_this_message_too() {
    let half = || message("one").size(60);
    let story = given([deferred(half()), to_push("one")]).rules(|rules| rules.bytes_max = 100);
    story
        .when(defer(message("two").size(41)))
        .then(
            [refused(message("two").size(41), 480, "Queue Full", RefusedBy::BytesMax)],
            [refusal(480, "Queue Full", Some(300))],
        )
        .when(defer(message("three").size(40)))
        .then([deferred(message("three").size(40)), to_push("three")], [accepted()])
        .when(defer(message("huge").size(u64::MAX)))
        .then(
            [refused(message("huge").size(u64::MAX), 480, "Queue Full", RefusedBy::BytesMax)],
            [refusal(480, "Queue Full", Some(300))],
        );
}

#[test]
fn a_quota_asks_no_policy() {
    let story = given([]).rules(|rules| rules.messages_max = 0).when(defer("hello"));
    assert!(story.asked.is_empty());
}

#[test]
fn a_policy_refuses_with_its_own_status_and_reason() {
    let refuse = || Admission::Refuse { status: 403, reason: "Not Wanted".to_owned() };
    given([])
        .policy(move |question| (question.hook() == Hook::Admission).then(|| Verdict::Admission(refuse())))
        .when(defer("hello"))
        .then([refused("hello", 403, "Not Wanted", RefusedBy::Policy(COMPONENT))], [refusal(403, "Not Wanted", None)])
        .then_queued([]);
}

#[test]
fn the_same_request_again_gets_the_same_answer_and_is_stored_once() {
    let again = || {
        let mut again = defer("hello");
        again.seed = id("another name").0;
        again
    };
    let memory = ORIGIN_MEMORY.as_secs();
    given([])
        .when(defer("hello"))
        .then([deferred("hello"), to_push("hello")], [accepted()])
        .at(32)
        .when(again())
        .then([], [accepted()])
        .at(memory)
        .when(again())
        .then([], [accepted()])
        .then_queued(["hello"]);
}

#[test]
fn the_same_request_again_is_known_after_the_message_has_been_delivered_and_when_the_queue_is_full() {
    given([registered(client("phone")), deferred("hello"), to_push("hello"), started("hello", "phone")])
        .when(answered("hello", "phone", 200))
        .then([delivered("hello", "phone", 200)], [])
        .rules(|rules| rules.messages_max = 0)
        .when(defer("hello"))
        .then([], [accepted()])
        .then_queued([]);
}

#[test]
fn other_requests_are_forgotten_by_time_and_by_number() {
    let story = given([]).when(defer(message("hello").expires(1))).ticks_until(1);
    let late = story.at(65);
    assert!(!late.queue.knows_origin(&message("hello").defer.origin, at(65)));
    let many = (0..1100).map(|n| deferred(format!("message {n}").as_str()));
    let story = given(many);
    let known = |n: usize| story.queue.knows_origin(&message(&format!("message {n}")).defer.origin, at(1));
    assert!(known(1099) && known(1100 - 1024) && !known(0));
}

#[test]
fn octets_that_no_queue_can_hold_do_not_overflow() {
    let huge = |name| message(name).size(u64::MAX);
    let story = given([]).rules(|rules| rules.bytes_max = u64::MAX);
    let story = story.when(defer(huge("one")));
    let Event::MessageDeferred(first) = &story.run.decision.events[0] else { panic!("it is taken") };
    let mut queue = story.queue.clone();
    let mut second = first.clone();
    second.id = id("two");
    queue.evolve(&Event::MessageDeferred(second), Timestamp::MAX);
    assert_eq!((queue.depth(), queue.bytes()), (2, u64::MAX));
}
