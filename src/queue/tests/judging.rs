//! Questions and verdicts: the right facts are asked, what was ruled is stored with its judge, limits stop no message.

use super::story::*;
use crate::queue::event::{Event, RefusedBy};
use crate::queue::question::{
    Admission, ClientView, Delivery, Disposal, Failure, Handling, Hook, Judge, Mode, Preferences, Question, Ruling,
    Verdict,
};
use crate::queue::{Queue, decide, run, standard};
use crate::types::{Address, Digest, IdSource};

fn hooks(story: &Story) -> Vec<Hook> {
    story.asked.iter().map(Question::hook).collect()
}

fn sender() -> Address {
    Address::parse("sip:+12025550100@ims.example.net").unwrap()
}

#[test]
fn an_admission_question_tells_all_that_is_known_before_the_message_is_there() {
    let story = given([registered(client("phone")), registered(client("tablet")), deferred(message("old").size(100))])
        .and([to_push("old"), started("old", "phone"), started("old", "tablet")])
        .at(50)
        .when(defer(message("hello").expires(60).received(49)));
    let Some(Question::Admission { context, message: view }) = story.asked.first() else { panic!("admission first") };
    assert_eq!((context.now, context.realm.as_str(), &context.user), (at(50), "ims.example.net", &bob()));
    assert_eq!((context.queue_depth, context.queue_bytes), (1, 100), "this message is not counted yet");
    assert_eq!((&context.preferences, context.expiry_max_secs), (&Preferences::default(), WEEK));
    let seen = |client: crate::queue::event::Client| ClientView {
        id: client.id,
        tags: client.tags,
        registered_at: client.registered_at,
        expires_at: client.expires_at,
    };
    assert_eq!(context.clients, [seen(client("tablet")), seen(client("phone"))], "the latest registration first");
    assert_eq!((view.id, view.mode, view.size, view.attempts), (id("hello"), Mode::Pager, 28, 0));
    assert_eq!((view.sender.as_ref(), view.content_type.as_str()), (Some(&sender()), "message/cpim"));
    assert_eq!(view.subject.as_deref(), Some("trains"));
    assert_eq!((view.received_at, view.expires_asked_secs, view.expires_at), (at(49), Some(60), at(109)));
}

#[test]
fn a_later_question_tells_the_queue_with_the_message_and_its_attempts() {
    let story = given([deferred("hello"), to_push("hello"), registered(client("phone")), started("hello", "phone")])
        .when(answered("hello", "phone", 480))
        .at(30)
        .when(tick());
    let Some(Question::Delivery { context, message, client: asked }) = story.asked.first() else { panic!("delivery") };
    assert_eq!((context.queue_depth, context.queue_bytes), (1, 28));
    assert_eq!((message.attempts, &asked.id), (1, &phone("phone")));
}

#[test]
fn an_anonymous_sender_is_shown_to_no_policy() {
    let story = given([registered(client("phone"))]).when(defer(message("hello").anonymous()));
    assert_eq!(hooks(&story), [Hook::Admission, Hook::Handling, Hook::Delivery]);
    assert!(story.asked.iter().all(|question| question.message().sender.is_none()));
    assert!(story.queue.messages().all(|entry| entry.envelope.return_address.is_some()), "but notifications find back");
}

#[test]
fn every_verdict_is_stored_with_the_judge_who_gave_it() {
    let story = given([registered(client("phone"))])
        .policy(|question| Some(standard::answer(question)))
        .when(defer(message("hello").expires(60)))
        .then(
            [
                deferred_by(message("hello").expires(60), 60, component(Admission::Accept { expiry_max_secs: WEEK })),
                handled("hello", component(Handling::Push)),
                started_by("hello", "phone", COMPONENT),
            ],
            [accepted(), sent("hello", "phone")],
        );
    let call_id = story.sends().remove(0).transaction.call_id;
    let discard = crate::queue::event::MessageDiscarded { message: id("hello"), ruling: component(Disposal::Discard) };
    let story = story.at(60).when(ended_as("hello", "phone", &call_id, response(503)));
    let [.., discarded, Event::NotificationPlanned(planned)] = story.run.decision.events.as_slice() else {
        panic!("the user's being told is decided last")
    };
    assert_eq!((discarded, planned.ruling.judge), (&Event::MessageDiscarded(discard), COMPONENT));
}

#[test]
fn a_fallback_is_told_apart_from_the_native_rule() {
    let judge = Judge::Fallback(Digest([3; 32]), Failure::Timeout);
    let ids = IdSource::new([4; 16], SECRET);
    let (mut queue, rules) = (Queue::new(bob()), rules());
    let profile = crate::formats::Profile::default();
    let env = decide::Env { now: at(0), ids: &ids, rules: &rules, profile: &profile };
    let run = run::run(&mut queue, &defer("hello").command, &env, |question| Ruling {
        verdict: standard::answer(question),
        judge,
    });
    let Some(Event::MessageDeferred(deferred)) = run.decision.events.first() else { panic!("deferred") };
    assert_eq!(deferred.admission.judge, judge);
}

#[test]
fn a_verdict_on_something_else_decides_nothing_and_loses_nothing() {
    given([]).policy(|_| Some(Verdict::Delivery(Delivery::Now))).when(defer("hello")).then_queued([]);
    let ids = IdSource::new([4; 16], SECRET);
    let (mut queue, rules) = (Queue::new(bob()), rules());
    queue.evolve(&deferred("hello"), at(0));
    let before = queue.clone();
    let profile = crate::formats::Profile::default();
    let env = decide::Env { now: at(0), ids: &ids, rules: &rules, profile: &profile };
    let run = run::run(&mut queue, &tick().command, &env, |_| native(Verdict::Expiry(Disposal::Discard)));
    assert_eq!((run.decision.events.len(), queue), (0, before));
}

#[test]
fn so_many_questions_are_asked_at_once_and_the_rest_by_the_next_tick() {
    let names = ["one", "two", "three", "four", "five"];
    let mut story = given(names.map(|name| deferred_until(name, 60))).rules(|rules| rules.questions_max = 2).at(60);
    // One on the disposal of each, and one on each whether the user is told of it.
    for left in [3, 1, 0, 0, 0, 0] {
        story = story.when(tick());
        assert_eq!((story.queue.depth(), story.asked.len().min(2)), (left, story.asked.len()));
        let is_over = story.queue.depth() == 0 && story.queue.first_telling().is_none() && story.asked.len() < 2;
        assert_eq!(story.run.unfinished, !is_over);
    }
    assert!(!story.run.unfinished);
}

#[test]
fn a_decision_that_comes_to_its_end_says_so() {
    let story = given([registered(client("phone"))]).when(defer("hello"));
    assert!(!story.run.unfinished);
    let story = given([]).rules(|rules| rules.questions_max = 1).when(defer("hello"));
    assert!(story.run.unfinished, "the handling is still to be asked");
    let story = story.when(tick()).when(tick());
    assert!(!story.run.unfinished);
    assert_eq!(story.queue.messages().next().unwrap().handling, Some(Handling::Push));
}

#[test]
fn the_standard_rule_bars_do_not_disturb_and_knows_manage_and_store() {
    let story = given([registered(client("phone"))]).when(defer("hello"));
    let with = |question: &Question, change: fn(&mut Preferences)| {
        let mut question = question.clone();
        match &mut question {
            Question::Admission { context, .. }
            | Question::Handling { context, .. }
            | Question::Delivery { context, .. }
            | Question::Expiry { context, .. }
            | Question::Notification { context, .. } => change(&mut context.preferences),
        }
        standard::answer(&question)
    };
    let [_, handling, delivery] = story.asked.as_slice() else { panic!("three questions") };
    assert_eq!(with(delivery, |p| p.do_not_disturb = true), Verdict::Delivery(Delivery::Keep));
    assert_eq!(with(handling, |p| p.allow_push = Some(false)), Verdict::Handling(Handling::Manage));
    assert_eq!(with(handling, |p| p.allow_push = Some(true)), Verdict::Handling(Handling::Push));
    let expiring = Question::Expiry { context: delivery.context().clone(), message: delivery.message().clone() };
    assert_eq!(with(&expiring, |p| p.expired = Some(Disposal::Store)), Verdict::Expiry(Disposal::Store));
    assert_eq!(with(&expiring, |_| ()), Verdict::Expiry(Disposal::Discard));
}

#[test]
fn a_refusal_names_its_judge() {
    let story = given([])
        .policy(|_| Some(Verdict::Admission(Admission::Refuse { status: 480, reason: "Later".to_owned() })))
        .when(defer("hello"));
    let Some(Event::DeferralRefused(refused)) = story.run.decision.events.first() else { panic!("refused") };
    assert_eq!(refused.by, RefusedBy::Policy(COMPONENT));
}
