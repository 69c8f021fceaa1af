//! What a component decided, as a case: with its settings, and expected only where it would be said again.

use super::mask::Mask;
use super::*;
use crate::config::Realm;
use crate::kit::case::verdict_of;
use crate::policy::policies::{Author, Bind, Policies as _, Realms, Retire, Signed, Upload};
use crate::policy::{Engine, Keeper, NoCounters, samples};
use crate::queue::question::{Delivery, Disposal, Failure, Verdict};
use crate::shelf::MemoryShelf;
use crate::types::{Address, SeedSecret, Timestamp};
use serde_json::json;
use std::sync::Arc;

const REALM: &str = "ims.example.net";
const BOUND: Timestamp = Timestamp(1_772_000_000_000);

fn config() -> Config {
    let realms = [(REALM.to_owned(), Realm::default())].into();
    // A busy machine is no failure of a policy.
    let policy = crate::config::Policy { call_ms_max: 2000, ..Default::default() };
    Config { realms, policy, ..Config::default() }
}

fn signed<T>(order: T) -> Signed<T> {
    Signed { author: Author("ops".to_owned()), reason: String::new(), order }
}

/// A catalogue in which these settings were given to a shipped policy; and, maybe, taken off and retired.
fn bound(policy: &str, settings: Value, retired: bool) -> (Arc<MemoryShelf>, Digest) {
    let (config, shelf) = (config(), Arc::new(MemoryShelf::default()));
    let engine = Engine::new(&config.policy, Arc::new(NoCounters)).unwrap();
    let (clock, secret) = (Arc::new(|| BOUND), SeedSecret([1; 16]));
    let keeper = Keeper::open(&config, engine, Arc::clone(&shelf) as _, secret, clock, Arc::new(NoCounters)).unwrap();
    let file = format!("{}/policies/{policy}.wasm", env!("CARGO_MANIFEST_DIR"));
    let component = std::fs::read(file).unwrap().into();
    let upload = Upload { component, name: None, signature: None, realm: None };
    let policy = keeper.upload(signed(upload)).unwrap().digest;
    let order = Bind { realm: REALM.to_owned(), policy, decisions: None, settings: Some(settings) };
    keeper.activate(signed(order)).unwrap();
    if retired {
        let standard = keeper.resolve("standard", &Realms::All).unwrap();
        let order = Bind { realm: REALM.to_owned(), policy: standard, decisions: None, settings: None };
        keeper.activate(signed(order)).unwrap();
        keeper.retire(signed(Retire { policy, sees: Realms::All, operates: Realms::All })).unwrap();
    }
    keeper.close();
    (shelf, policy)
}

fn sample(hook: Hook, sender: &str) -> Question {
    let of_hook = |(_, question): (_, Question)| (question.hook() == hook).then_some(question);
    let mut question = samples::all().into_iter().find_map(of_hook).unwrap();
    if let Question::Expiry { message, .. } | Question::Delivery { message, .. } = &mut question {
        message.sender = Some(Address::parse(sender).unwrap());
    }
    question
}

fn made(shelf: &MemoryShelf, recalled: &Recalled) -> Case {
    let mut deciders = Deciders::new(shelf, &config().policy).unwrap();
    case(1, recalled, &mut Mask::new([REALM.to_owned()]), &mut deciders)
}

#[test]
fn a_case_has_the_settings_of_the_moment_and_expects_what_they_lead_to() {
    let (shelf, policy) = bound("quiet-hours", json!({ "from": "00:00", "until": "12:00" }), false);
    let question = sample(Hook::Delivery, "sip:bob@ims.example.net");
    let noon = Timestamp(question.context().now.0.next_multiple_of(86_400_000) - 43_200_000);
    let verdict = Verdict::Delivery(Delivery::HoldUntil(noon));
    let case = made(&shelf, &Recalled { question, verdict, judge: Judge::Component(policy) });
    assert_eq!(case.settings, Some(json!({ "from": "00:00", "until": "12:00" })));
    assert_eq!(case.expect.as_ref().map(verdict_of), Some(Verdict::Delivery(Delivery::HoldUntil(noon))));
    assert_eq!(case.name, format!("delivery 1: hold until {noon}, by component:{policy}"));
}

#[test]
fn what_was_decided_by_a_name_that_stands_there_no_more_is_not_expected() {
    let (shelf, policy) = bound("business-senders", json!({ "senders": ["bank.example"] }), false);
    let question = sample(Hook::Expiry, "sip:codes@bank.example");
    let verdict = Verdict::Expiry(Disposal::Discard);
    let decided = |judge| Recalled { question: preferring_to_store(question.clone()), verdict: verdict.clone(), judge };
    let case = made(&shelf, &decided(Judge::Component(policy)));
    assert_eq!((case.expect, case.settings), (None, Some(json!({ "senders": ["bank.example"] }))));
    assert_eq!(case.name, format!("expiry 1: discard, by component:{policy}; asked with these names: store"));
    // A failure is the policy's affair, too: it is shown what it failed on.
    let case = made(&shelf, &decided(Judge::Fallback(policy, Failure::Trap)));
    assert!(case.expect.is_none() && case.settings.is_some(), "{}", case.name);
    let case = made(&shelf, &decided(Judge::Native));
    assert_eq!((case.expect.is_some(), case.settings), (true, None));
}

fn preferring_to_store(mut question: Question) -> Question {
    if let Question::Expiry { context, .. } = &mut question {
        context.preferences.expired = Some(Disposal::Store);
    }
    question
}

#[test]
fn a_component_that_is_gone_cannot_be_asked_and_the_built_in_one_always_can() {
    let (shelf, policy) = bound("business-senders", json!({ "senders": ["bank.example"] }), true);
    let decided = |judge| Recalled {
        question: preferring_to_store(sample(Hook::Expiry, "sip:bob@ims.example.net")),
        verdict: Verdict::Expiry(Disposal::Store),
        judge,
    };
    let case = made(&shelf, &decided(Judge::Component(policy)));
    assert!(case.expect.is_none() && case.name.ends_with("; it cannot be asked again"), "{}", case.name);
    let standard = Digest::of(crate::policy::STANDARD_COMPONENT);
    let case = made(&shelf, &decided(Judge::Component(standard)));
    assert_eq!((case.expect.is_some(), case.settings), (true, None), "{}", case.name);
}
