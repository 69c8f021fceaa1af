//! What was asked can be asked again: every question that led to an event is recalled from the log, exactly.

use super::story::*;
use super::words::*;
use crate::queue::decide::Rules;
use crate::queue::event::{DeferralRefused, Event, PreferencesHeeded, RefusedBy};
use crate::queue::question::{
    Admission, Delivery, Disposal, Hook, Notification, Preferences, Question, Ruling, Verdict,
};
use crate::queue::recall::{Loss, Memory, Recalled, effective, recall};
use crate::queue::{Queue, command::Command};
use crate::types::Timestamp;

/// A question as it was asked, and the answer.
pub type Asked = (Question, Ruling<Verdict>);

/// What the events of a record recall, on the state before it.
pub fn recalled(before: &Queue, events: &[Event], now: Timestamp, rules: &Rules) -> Vec<Memory> {
    let mut queue = before.clone();
    let mut memories = Vec::new();
    for (place, event) in events.iter().enumerate() {
        memories.push(recall(&queue, events, place, now, rules));
        queue.evolve(event, now);
    }
    memories
}

/// The law: in order, each question asked is recalled with its verdict and judge, or is said to be lost; and nothing is
/// recalled that was not asked. `asked` has those of a whole run; an offer's admission and verdicts on something else lead
/// to no event.
pub fn check_recall(before: &Queue, events: &[Event], asked: &[Asked], now: Timestamp, rules: &Rules) -> [usize; 2] {
    let memories = recalled(before, events, now, rules);
    let mut asked = asked.iter();
    let mut counts = [0, 0];
    for memory in memories.into_iter().filter(|memory| *memory != Memory::Unasked) {
        let (question, ruling) = asked.next().expect("what is recalled was asked");
        match memory {
            Memory::Asked(Recalled { question: recalled, verdict, judge }) => {
                assert_eq!(&recalled, question, "the question is the same");
                assert_eq!(recalled.message().subject, question.message().subject, "also where Debug is silent");
                let is_over = matches!(ruling.verdict, Verdict::Delivery(Delivery::HoldUntil(at)) if at <= now);
                let told = if is_over { Verdict::Delivery(Delivery::Now) } else { ruling.verdict.clone() };
                assert_eq!((&verdict, judge), (&told, ruling.judge));
                assert_eq!(effective(question, &verdict), effective(question, &ruling.verdict));
                counts[0] += 1;
            }
            Memory::Lost(loss) => {
                assert_ne!(loss, Loss::Unfit, "our own records fit");
                assert_eq!(loss.hook(), Some(question.hook()));
                counts[1] += 1;
            }
            Memory::Unasked => unreachable!(),
        }
    }
    assert_eq!(asked.next(), None, "every question that was asked led to an event, and is recalled");
    counts
}

/// Questions that need lead to nothing: an offer that is taken.
pub fn leads_to_nothing(command: &Command, events: &[Event]) -> bool {
    matches!(command, Command::Offer(_)) && !events.iter().any(|event| matches!(event, Event::DeferralRefused(_)))
}

fn heeded(events: &[Event]) -> Vec<(Hook, &Preferences)> {
    let told = events.iter().filter_map(|event| match event {
        Event::PreferencesHeeded(PreferencesHeeded { decision, preferences, .. }) => Some((*decision, preferences)),
        _ => None,
    });
    told.collect()
}

#[test]
fn preferences_that_say_something_are_told_before_what_they_led_to() {
    let story = given([registered(client("phone"))]).prefers(disturbs_not()).when(defer("hello"));
    let events = &story.run.decision.events;
    let expected = Preferences { do_not_disturb: true, ..Preferences::default() };
    assert_eq!(
        heeded(events),
        [(Hook::Admission, &expected), (Hook::Handling, &expected), (Hook::Delivery, &expected)]
    );
    for (place, event) in events.iter().enumerate() {
        if let Event::PreferencesHeeded(heeded) = event {
            assert_eq!(events[place + 1].message(), Some(heeded.message), "right before its decision");
        }
    }
}

#[test]
fn preferences_that_say_nothing_are_not_told() {
    let story = given([registered(client("phone"))]).when(defer("hello"));
    assert_eq!(heeded(&story.run.decision.events), []);
}

#[test]
fn the_realms_defaults_are_told_with_the_preferences() {
    let story = given([]).rules(|rules| rules.expired = Some(Disposal::Store)).when(defer("hello"));
    let expected = Preferences { expired: Some(Disposal::Store), ..Preferences::default() };
    assert_eq!(heeded(&story.run.decision.events)[0], (Hook::Admission, &expected));
}

#[test]
fn a_refusal_is_lost_and_says_so() {
    let refuse = |_: &Question| Some(Verdict::Admission(Admission::Refuse { status: 480, reason: "Later".to_owned() }));
    let before = given([]).prefers(disturbs_not());
    let queue = before.queue.clone();
    let story = before.policy(refuse).when(defer("hello"));
    let events = &story.run.decision.events;
    assert!(matches!(events.as_slice(), [Event::DeferralRefused(DeferralRefused { by: RefusedBy::Policy(_), .. })]));
    assert_eq!(recalled(&queue, events, story.now, &story.rules), [Memory::Lost(Loss::Refused)]);
}

#[test]
fn a_refusal_for_want_of_room_was_no_question() {
    let story = given([]).rules(|rules| rules.messages_max = 0).when(defer("hello"));
    let memories = recalled(&Queue::new(bob()), &story.run.decision.events, story.now, &story.rules);
    assert_eq!(memories, [Memory::Unasked]);
}

#[test]
fn a_hold_that_was_over_is_recalled_as_what_it_came_to() {
    let hold = |question: &Question| {
        matches!(question, Question::Delivery { .. }).then(|| Verdict::Delivery(Delivery::HoldUntil(at(5))))
    };
    let before = given([registered(client("phone")), deferred("hello"), to_push("hello")]).at(9);
    let queue = before.queue.clone();
    let story = before.policy(hold).when(tick());
    let memories = recalled(&queue, &story.run.decision.events, story.now, &story.rules);
    let [Memory::Asked(recalled)] = memories.as_slice() else { panic!("{memories:?}") };
    assert_eq!((&recalled.question, recalled.judge), (&story.asked[0], COMPONENT));
    assert_eq!(recalled.verdict, Verdict::Delivery(Delivery::Now));
}

#[test]
fn verdicts_that_come_to_the_same_are_the_same() {
    let story = given([registered(client("phone"))]).when(defer(message("hello").expires(60)));
    let [admission, _, delivery] = story.asked.as_slice() else { panic!("three questions") };
    let accept = |expiry_max_secs| effective(admission, &Verdict::Admission(Admission::Accept { expiry_max_secs }));
    assert_eq!(accept(60), accept(u64::MAX), "the sender asked for a minute");
    assert_ne!(accept(60), accept(59));
    let hold = |secs| effective(delivery, &Verdict::Delivery(Delivery::HoldUntil(at(secs))));
    assert_eq!(hold(0), Verdict::Delivery(Delivery::Now));
    assert_ne!(hold(1), hold(2));
    let notify =
        |in_band, at| effective(delivery, &Verdict::Notification(Notification { in_band, out_of_band: false, at }));
    assert_eq!(notify(true, Some(at(0))), notify(true, None), "not before now is at once");
    assert_eq!(notify(false, Some(at(9))), notify(false, None), "nobody is told, whenever");
    assert_ne!(notify(true, Some(at(9))), notify(true, None));
}

#[test]
fn what_could_not_be_stored_is_discarded_without_a_question() {
    let mut queue = given([deferred_until("hello", 60), to_push("hello")]).queue;
    queue.evolve(&awaits_store("hello", native(Disposal::Store)), at(60));
    let memories = recalled(&queue, &[discarded("hello")], at(99), &rules());
    assert_eq!(memories, [Memory::Unasked]);
}

#[test]
fn a_record_that_does_not_fit_is_lost_and_nothing_worse() {
    let alien = [to_push("nobody"), started("nobody", "phone"), discarded("nobody"), told("nobody", DEFERRED, [])];
    for memory in recalled(&Queue::new(bob()), &alien, at(0), &rules()) {
        assert_eq!(memory, Memory::Lost(Loss::Unfit));
    }
    assert_eq!(recall(&Queue::new(bob()), &alien, 9, at(0), &rules()), Memory::Unasked);
}

const DEFERRED: crate::queue::question::NotificationCause = crate::queue::question::NotificationCause::Deferred;
