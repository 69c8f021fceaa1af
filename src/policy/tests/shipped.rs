//! The shipped policies: what they decide, and that the one in C says what the one in Rust says. Their cases are tried by
//! `src/kit/test/tests.rs`.

use super::{ENGINE, strategy};
use crate::policy::schema::check_settings;
use crate::policy::{Binding, Component, PolicyError, check::check};
use crate::queue::question::{ClientView, Context, Delivery, Disposal, Handling, Hook, MessageView, Question, Verdict};
use crate::queue::standard;
use crate::types::{Address, Digest, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::{Arc, LazyLock};

const QUIET_HOURS: &[u8] = include_bytes!("../../../policies/quiet-hours.wasm");
const IN_RUST: &[u8] = include_bytes!("../../../policies/business-senders.wasm");
const IN_C: &[u8] = include_bytes!("../../../policies/business-senders-c.wasm");

type Loaded = LazyLock<Arc<Component>>;
static QUIET: Loaded = LazyLock::new(|| Arc::new(ENGINE.load(QUIET_HOURS).unwrap()));
static RUST: Loaded = LazyLock::new(|| Arc::new(ENGINE.load(IN_RUST).unwrap()));
static C: Loaded = LazyLock::new(|| Arc::new(ENGINE.load(IN_C).unwrap()));

fn bound(component: &Arc<Component>, settings: &Value) -> Binding {
    let text = check_settings(component, settings, 64 << 10).unwrap();
    Binding::new(Arc::clone(component), text).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn the_components_are_the_files_that_their_digests_name() {
    for (bytes, kept) in [
        (QUIET_HOURS, include_str!("../../../policies/quiet-hours.wasm.sha256")),
        (IN_RUST, include_str!("../../../policies/business-senders.wasm.sha256")),
        (IN_C, include_str!("../../../policies/business-senders-c.wasm.sha256")),
    ] {
        assert_eq!(kept.split_whitespace().next(), Some(Digest::of(bytes).to_string().as_str()));
    }
}

#[test]
fn they_are_acceptable_and_export_only_what_they_decide() {
    let senders = [Hook::Delivery, Hook::Expiry, Hook::Handling];
    for (bytes, hooks) in
        [(QUIET_HOURS, &[Hook::Delivery, Hook::Notification][..]), (IN_RUST, &senders), (IN_C, &senders)]
    {
        let report = check(bytes, &ENGINE).unwrap();
        assert!(report.is_acceptable(), "{report}");
        assert_eq!(report.facts.hooks, hooks, "{report}");
        assert_eq!(report.self_test.iter().map(|test| test.failed).sum::<usize>(), 0, "{report}");
    }
}

#[test]
fn settings_that_make_no_sense_are_refused_by_the_schema_or_the_policy() {
    for settings in [
        json!({ "from": "7:00" }),
        json!({ "until": "24:30" }),
        json!({ "days": [] }),
        json!({ "days": ["monday"] }),
        json!({ "decisions": ["expiry"] }),
        json!({ "from": 22 }),
        json!({ "form": "22:00" }),
    ] {
        assert!(check_settings(&QUIET, &settings, 64 << 10).is_err(), "{settings}");
    }
    for settings in [json!({ "time-zone": "Europe/Berlin" }), json!({ "from": "07:00", "until": "07:00" })] {
        let text = check_settings(&QUIET, &settings, 64 << 10).unwrap();
        assert!(Binding::new(Arc::clone(&QUIET), text).is_err(), "{settings}");
    }
    for component in [&*RUST, &*C] {
        for settings in [json!({ "senders": "bank" }), json!({ "expired": "keep" }), json!({ "sender": [] })] {
            assert!(check_settings(component, &settings, 64 << 10).is_err(), "{settings}");
        }
    }
}

/// What both say of a list with this sender in it.
fn said_of_sender(component: &Arc<Component>, pattern: &str) -> Result<(), String> {
    let settings = json!({ "senders": ["bank.example", pattern] });
    let text = check_settings(component, &settings, 64 << 10).unwrap();
    match Binding::new(Arc::clone(component), text) {
        Ok(_) => Ok(()),
        Err(PolicyError::Settings { reason, .. }) => Err(reason),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn a_pattern_that_can_match_nobody_is_refused_with_what_to_write() {
    for (pattern, what) in [
        ("sip:otp@bank.example", "leave out the scheme"),
        ("tel:+1202*", "leave out the scheme"),
        ("bank.example:5060", "leave out the scheme and the port"),
        ("bank .example", "no spaces"),
        ("<otp@bank.example>", "angle brackets"),
        ("+12025550100;user=phone", "parameters"),
        ("+1-202-555*", "without separators"),
        ("+1.202@ims.example", "without separators"),
        ("(202)555*", "without separators"),
        ("202-555-0100", "without separators"),
        ("Bank.Example.", "leave out the dot"),
        ("otp@bank.example.", "leave out the dot"),
        ("@bank.example", "the domain alone"),
        ("otp@", "the domain alone"),
        ("otp@bank@example", "the domain alone"),
    ] {
        let said = [&*RUST, &*C].map(|component| said_of_sender(component, pattern).unwrap_err());
        assert_eq!(said[0], said[1]);
        assert!(said[0].contains("sender 2, '") && said[0].contains(what), "{pattern}: {}", said[0]);
    }
    for pattern in
        ["*", "[2001:db8::*]", "otp@[2001:db8::1]", "192.0.2.*", "12345", "1-800.example", "a-b_c@x", "*@*.x"]
    {
        for component in [&*RUST, &*C] {
            assert_eq!(said_of_sender(component, pattern), Ok(()), "{pattern}");
        }
    }
}

#[test]
fn as_many_senders_as_the_schema_allows_find_room() {
    let senders: Vec<String> = (0..1000).map(|number| format!("{number:048}.bank.example")).collect();
    let settings = json!({ "senders": senders, "expired": "discard", "others-expired": "store" });
    assert!(settings.to_string().len() > 60_000, "nearly all that settings may be");
    for component in [&*RUST, &*C] {
        let policy = bound(component, &settings);
        let ask = |sender: &str| {
            let context = crate::policy::samples::sample_context();
            let sender = Address::parse(sender).ok();
            policy.judge(&Question::Expiry {
                context,
                message: MessageView { sender, ..crate::policy::samples::sample_message() },
            })
        };
        assert_eq!(ask(&format!("sip:otp@{}", senders[999])), Ok(Verdict::Expiry(Disposal::Discard)));
        assert_eq!(ask("sip:otp@bank.example"), Ok(Verdict::Expiry(Disposal::Store)));
    }
}

#[test]
fn both_refuse_settings_that_no_schema_has_seen() {
    for text in [
        "",
        "[]",
        "{",
        "{}}",
        "{\"senders\":[1]}",
        "{\"senders\":[\"a\",]}",
        "{\"senders\":\"a\"}",
        "{\"expired\":\"x\"}",
        "{\"expired\":\"discard\"",
        "{\"x\":01}",
        "{\"x\":\"\\ud800\"}",
        "{\"x\":tru}",
        "{\"x\" 1}",
        "{\"x\":1,}",
    ] {
        // No text at all is `{}` to the guest crate, and the server never gives it.
        let accepted = |component: &Arc<Component>| Binding::new(Arc::clone(component), text).is_ok();
        assert_eq!((accepted(&RUST), accepted(&C)), (text.is_empty(), false), "{text}");
    }
    for text in ["{}", " { } ", "{\"x\":[{\"y\":[]},-1.5e+3,null,\"\\u00e9\\ud83d\\ude00\"],\"senders\":null}"] {
        let accepted = |component: &Arc<Component>| Binding::new(Arc::clone(component), text).is_ok();
        assert!(accepted(&RUST) && accepted(&C), "{text}");
    }
}

/// Texts of few letters, so that patterns often cover addresses.
fn pattern() -> impl Strategy<Value = String> {
    prop_oneof!["[ab*]{0,4}", "[ABab12*]{0,3}@[ab*.]{1,5}", "\\+?[12*]{0,4}", "[ab]\\.x", "[a1+*.@: ()\\[\\]-]{1,4}"]
        .prop_filter("the schema wants a letter", |pattern| !pattern.is_empty())
}

fn tag() -> impl Strategy<Value = String> {
    "[aA+]{1,2}( ?=[ ]?\"?[aAb, ]{0,4}\"?)?"
}

fn settings() -> impl Strategy<Value = Value> {
    let disposal = || prop::sample::select(vec!["discard", "store", "preference"]);
    let fits = |pattern: &String| said_of_sender(&RUST, pattern).is_ok();
    let senders = prop::collection::vec(pattern().prop_filter("it could match somebody", fits), 0..5);
    let tags = prop::collection::vec(tag(), 0..4);
    let handling = prop::sample::select(vec!["push", "manage", "preference"]);
    (senders, tags, disposal(), disposal(), handling, any::<u8>()).prop_map(
        |(senders, tags, expired, others, handling, given)| {
            let all = json!({ "senders": senders, "on-request-tags": tags, "expired": expired, "others-expired": others, "handling": handling });
            let members = all.as_object().unwrap().iter().enumerate();
            Value::Object(
                members.filter(|(bit, _)| given >> bit & 1 == 1).map(|(_, (name, value))| (name.clone(), value.clone())).collect(),
            )
        },
    )
}

/// A question about a sender and a client that settings of few letters often cover.
fn question() -> impl Strategy<Value = Question> {
    let sender = prop::option::of("(sip:[abAB]{1,3}@[ab.]{0,3}[ab]|sip:\\+?[12]{1,3}@a|tel:\\+?[12]{1,3})");
    let hook = prop::sample::select(vec![Hook::Delivery, Hook::Expiry, Hook::Handling]);
    (hook, strategy::context(), strategy::message(), sender, prop::collection::vec(tag(), 0..4), strategy::client())
        .prop_map(|(hook, context, message, sender, tags, client)| {
            let message = MessageView { sender: sender.and_then(|text| Address::parse(&text).ok()), ..message };
            match hook {
                Hook::Delivery => Question::Delivery { context, message, client: ClientView { tags, ..client } },
                Hook::Expiry => Question::Expiry { context, message },
                _ => Question::Handling { context, message },
            }
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rust_and_c_agree_on_what_can_match_nobody(pattern in pattern()) {
        prop_assert_eq!(said_of_sender(&RUST, &pattern), said_of_sender(&C, &pattern));
    }

    #[test]
    fn rust_and_c_agree(settings in settings(), questions in prop::collection::vec(question(), 1..8)) {
        let (rust, c) = (bound(&RUST, &settings), bound(&C, &settings));
        for question in questions.iter().chain(&questions) {
            prop_assert_eq!(rust.judge(question), c.judge(question), "{} {:?}", &settings, question.hook());
        }
    }

    #[test]
    fn quiet_hours_hold_until_they_are_over_and_no_longer_than_a_day(
        context in strategy::context(),
        message in strategy::message(),
        client in strategy::client(),
        now in 1_700_000_000_000_u64..1_900_000_000_000,
    ) {
        let settings = json!({ "time-zone": "CET-1CEST,M3.5.0,M10.5.0/3", "from": "21:30", "until": "06:00" });
        let quiet = bound(&QUIET, &settings);
        let ask = |now| quiet.judge(&Question::Delivery {
            context: Context { now: Timestamp(now), ..context.clone() },
            message: message.clone(),
            client: client.clone(),
        });
        let Verdict::Delivery(verdict) = ask(now).unwrap() else { panic!("another decision") };
        match verdict {
            Delivery::Keep => prop_assert!(context.preferences.do_not_disturb),
            Delivery::Now => prop_assert!(!context.preferences.do_not_disturb),
            Delivery::HoldUntil(end) => {
                prop_assert!(end.millis() > now && end.millis() - now <= 10 * 3_600_000);
                prop_assert_eq!(ask(end.millis()).unwrap(), Verdict::Delivery(Delivery::Now));
            }
        }
    }

    #[test]
    fn without_settings_business_senders_is_the_standard(question in question()) {
        for component in [&*RUST, &*C] {
            prop_assert_eq!(bound(component, &json!({})).judge(&question), Ok(standard::answer(&question)));
        }
    }
}

#[test]
fn a_listed_sender_is_told_from_a_family() {
    let policy = bound(&C, &json!({ "senders": ["bank.example"], "handling": "push" }));
    let ask = |sender: &str| {
        let mut context = crate::policy::samples::sample_context();
        context.preferences.allow_push = Some(false);
        let sender = Address::parse(sender).ok();
        let message = MessageView { sender, ..crate::policy::samples::sample_message() };
        policy.judge(&Question::Handling { context, message }).unwrap()
    };
    assert_eq!(ask("sip:codes@bank.example"), Verdict::Handling(Handling::Push));
    assert_eq!(ask("sip:mum@ims.example.net"), Verdict::Handling(Handling::Manage));
}
