//! Large Message Mode in the queue: what is taken before and after it has come, and what a broken transfer means.

use super::story::*;
use crate::queue::command::Outcome;
use crate::queue::effect::{Effect, Reply};
use crate::queue::event::{DeliveryFailure, Event, RefusedBy, Retry, TransferFault};
use crate::queue::question::{Admission, Delivery, Mode, Question, Verdict};

const INVITED: Effect = Effect::Reply(Reply::Invited);

fn photo() -> Message {
    message("photo").large("photo").size(2_000_000)
}

/// It waits to be pushed.
fn waiting_photo() -> [Event; 3] {
    [deferred(photo()), body_kept("photo", "photo"), to_push("photo")]
}

fn in_flight() -> Story {
    given([registered(client("phone"))]).and(waiting_photo()).and([started("photo", "phone")])
}

#[test]
fn def_2_a_large_message_is_stored_with_the_digest_of_what_came_in_pieces() {
    let story = given([]).when(defer(photo())).then(waiting_photo(), [accepted()]);
    let entry = story.queue.message(&id("photo")).expect("under the name that its pieces have");
    assert_eq!((entry.envelope.mode, entry.envelope.size), (Mode::Large, 2_000_000));
    assert_eq!(entry.digest, photo().defer.kept.map(|kept| kept.digest));
    assert_eq!(story.queue.bytes(), 2_000_000);
}

#[test]
fn def_5b_i_a_message_expires_below_the_maximum_holds() {
    given([]).when(defer(photo().expires(86_400))).then(
        [deferred_until(photo().expires(86_400), 86_400), body_kept("photo", "photo"), to_push("photo")],
        [accepted()],
    );
}

#[test]
fn def_5b_ii_without_message_expires_or_above_it_the_maximum_holds() {
    for message in [photo(), photo().expires(WEEK + 1), photo().expires(u64::MAX)] {
        let expected = [deferred_until(message.clone(), WEEK), body_kept("photo", "photo"), to_push("photo")];
        given([]).when(defer(message)).then(expected, [accepted()]);
    }
}

#[test]
fn what_may_come_is_invited_and_nothing_is_stored_before_it_has_come() {
    given([]).when(offer(photo())).then([], [INVITED]).then_queued([]);
}

#[test]
fn what_is_over_the_quota_is_refused_before_it_comes() {
    let small = |rules: &mut crate::queue::decide::Rules| rules.bytes_max = 1_999_999;
    given([])
        .rules(small)
        .when(offer(photo()))
        .then([refused(photo(), 480, "Queue Full", RefusedBy::BytesMax)], [refusal(480, "Queue Full", Some(300))]);
}

#[test]
fn the_policy_is_asked_before_a_large_message_comes_and_again_when_it_has_come() {
    let refuse = |question: &Question| match question {
        Question::Admission { message, .. } => {
            assert_eq!(message.mode, Mode::Large);
            Some(Verdict::Admission(Admission::Refuse { status: 403, reason: "No Photos".to_owned() }))
        }
        _ => None,
    };
    let by = RefusedBy::Policy(COMPONENT);
    for act in [offer(photo()), defer(photo())] {
        given([])
            .policy(refuse)
            .when(act)
            .then([refused(photo(), 403, "No Photos", by)], [refusal(403, "No Photos", None)])
            .then_queued([]);
    }
}

#[test]
fn push_2a_the_profile_is_asked_for_this_client_and_push_2b_then_it_is_sent() {
    let story = given(waiting_photo()).when(register(client("phone"))).then(
        [registered(client("phone")), started("photo", "phone")],
        [bound([(&client("phone"), 3600)]), sent("photo", "phone")],
    );
    assert!(story.asked.iter().any(|question| matches!(question, Question::Delivery { .. })));
}

#[test]
fn push_2a_i_what_is_not_wanted_at_this_client_stays() {
    let keep = |question: &Question| match question {
        Question::Delivery { .. } => Some(Verdict::Delivery(Delivery::Keep)),
        _ => None,
    };
    given(waiting_photo())
        .policy(keep)
        .when(register(client("phone")))
        .then(
            [registered(client("phone")), withheld("photo", "phone", component(Delivery::Keep))],
            [bound([(&client("phone"), 3600)])],
        )
        .then_queued(["photo"]);
}

#[test]
fn sndl_end_2_what_was_transferred_leaves_the_queue() {
    in_flight()
        .when(ended("photo", "phone", response(200)))
        .then([delivered("photo", "phone", 200)], [])
        .then_queued([]);
}

#[test]
fn sndl_err_2_whatever_breaks_the_message_stays_and_i_39_each_fault_says_of_whom() {
    let paused = Retry::ClientAt(at(30));
    let cases = [
        (TransferFault::Answer, Retry::PairWhenRegistered),
        (TransferFault::TooLarge, Retry::PairWhenRegistered),
        (TransferFault::NotBound, paused),
        (TransferFault::Status(400), Retry::PairAt(at(30))),
        (TransferFault::Status(413), Retry::PairWhenRegistered),
        (TransferFault::Status(481), paused),
        (TransferFault::Unanswered, paused),
        (TransferFault::Closed, paused),
        (TransferFault::Damaged, Retry::PairAt(at(30))),
        (TransferFault::Unconfigured, Retry::PairAt(at(30))),
    ];
    for (fault, retry) in cases {
        in_flight()
            .when(ended("photo", "phone", Outcome::Broken(fault)))
            .then([broken("photo", "phone", fault, retry)], [])
            .then_queued(["photo"]);
    }
}

#[test]
fn what_broke_is_tried_again_after_the_pause() {
    in_flight()
        .when(ended("photo", "phone", Outcome::Broken(TransferFault::Closed)))
        .then_next_tick(30)
        .at(30)
        .when(tick())
        .then([started("photo", "phone")], [sent("photo", "phone")]);
}

#[test]
fn the_call_of_a_large_message_is_gone_with_a_restart_so_it_is_begun_anew() {
    in_flight().at(1).when(wake()).then(
        [failed("photo", "phone", DeliveryFailure::Interrupted, Retry::AtOnce), started("photo", "phone")],
        [sent("photo", "phone")],
    );
}
