//! Tests of the case documents.

use super::*;
use crate::policy::tests::strategy;
use crate::queue::question::{Admission, Delivery, Notification, Question, Verdict};
use crate::types::Timestamp;
use proptest::prelude::*;

fn verdict() -> impl Strategy<Value = Verdict> {
    let at = strategy::timestamp;
    prop_oneof![
        any::<u64>().prop_map(|expiry_max_secs| Verdict::Admission(Admission::Accept { expiry_max_secs })),
        (any::<u16>(), any::<String>())
            .prop_map(|(status, reason)| Verdict::Admission(Admission::Refuse { status, reason })),
        prop_oneof![Just(Handling::Push), Just(Handling::Manage)].prop_map(Verdict::Handling),
        Just(Verdict::Delivery(Delivery::Now)),
        Just(Verdict::Delivery(Delivery::Keep)),
        at().prop_map(|at| Verdict::Delivery(Delivery::HoldUntil(at))),
        prop_oneof![Just(Disposal::Discard), Just(Disposal::Store)].prop_map(Verdict::Expiry),
        (any::<bool>(), any::<bool>(), prop::option::of(at()))
            .prop_map(|(in_band, out_of_band, at)| Verdict::Notification(Notification { in_band, out_of_band, at })),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_question_and_verdict_comes_back_from_its_document(question in strategy::question(), verdict in verdict()) {
        let case = Case {
            name: "a case".to_owned(),
            settings: Some(serde_json::json!({ "from": "22:00", "days": [1, 2.5, null] })),
            question: document_of(&question),
            expect: Some(verdict_document(&verdict)),
        };
        for read in [from_yaml(&to_yaml(&case).unwrap()).unwrap(), from_json(&to_json(&case).unwrap()).unwrap()] {
            prop_assert_eq!(&read, std::slice::from_ref(&case));
            let same = question_of(&read[0].question).unwrap() == question;
            prop_assert!(same, "{:?}", question.hook());
            prop_assert_eq!(read[0].expect.as_ref().map(verdict_of), Some(verdict.clone()));
        }
    }
}

fn one(yaml: &str) -> Case {
    from_yaml(yaml).unwrap().remove(0)
}

#[test]
fn a_case_says_only_what_matters() {
    let case =
        one("question: { decision: delivery, now: 2026-03-02T22:30:00+01:00 }\nexpect: { hold-until: 1772492400000 }");
    let Question::Delivery { context, message, client } = question_of(&case.question).unwrap() else {
        panic!("another decision")
    };
    assert_eq!(context.now.to_string(), "2026-03-02T21:30:00.000Z");
    assert_eq!(
        (context.realm.as_str(), context.user.as_str()),
        ("ims.example.net", "sip:+12025550200@ims.example.net")
    );
    assert_eq!(context.clients, [client], "who is asked about is registered");
    assert_eq!((message.received_at, message.size), (context.now, 340));
    assert_eq!(message.expires_at, Timestamp(context.now.millis() + 604_800_000));
    assert_eq!(case.expect, Some(VerdictDoc::HoldUntil(Moment(Timestamp(1_772_492_400_000)))));
    assert_eq!(question_of(&QuestionDoc::about(Hook::Expiry)).unwrap().context().clients, []);
}

#[test]
fn verdicts_are_words_or_a_word_with_a_value() {
    for (text, verdict) in [
        ("now", Verdict::Delivery(Delivery::Now)),
        ("none", Verdict::Notification(Notification { in_band: false, out_of_band: false, at: None })),
        (
            "{ notify: { in-band: true } }",
            Verdict::Notification(Notification { in_band: true, out_of_band: false, at: None }),
        ),
        ("{ accept: 60 }", Verdict::Admission(Admission::Accept { expiry_max_secs: 60 })),
        ("{ refuse: { status: 480 } }", Verdict::Admission(Admission::Refuse { status: 480, reason: String::new() })),
    ] {
        let case = one(&format!("question: {{ decision: expiry }}\nexpect: {text}"));
        assert_eq!(case.expect.as_ref().map(verdict_of), Some(verdict), "{text}");
    }
}

#[test]
fn one_file_may_hold_several_cases_and_names_those_without_a_name() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("night.yaml");
    std::fs::write(
        &file,
        "- { name: first, question: { decision: expiry } }\n- { question: { decision: handling } }\n",
    )
    .unwrap();
    let names: Vec<String> = read(&file).unwrap().into_iter().map(|case| case.name).collect();
    assert_eq!(names, ["first", "night 2"]);
}

#[test]
fn errors_name_the_file_and_the_place() {
    let dir = tempfile::tempdir().unwrap();
    let told = |name: &str, text: &str| {
        let file = dir.path().join(name);
        std::fs::write(&file, text).unwrap();
        read(&file).unwrap_err().to_string()
    };
    let error = told("a.yaml", "question:\n  decision: delivery\n  now: yesterday\n");
    for part in ["a.yaml", "question.now", "yesterday", "line 3"] {
        assert!(error.contains(part), "{error}");
    }
    let error = told("b.yaml", "- question: { decision: expiry }\n  expect: keepp\n");
    assert!(error.contains("keepp") && error.contains("line 2") && error.contains("hold-until"), "{error}");
    let error = told("c.json", "{ \"question\": { \"decision\": \"expiry\", \"mesage\": {} } }");
    assert!(error.contains("mesage") && error.contains("line 1") && error.contains("message"), "{error}");
    assert!(told("d.txt", "").contains(".yaml"), "the kind of file");
    assert!(told("e.json", &" ".repeat(5 << 20)).contains("longer than"));
    assert!(told("f.yaml", "").contains("f.yaml"));
    std::fs::write(dir.path().join("i.yaml"), b"name: \xe9t\xe9").unwrap();
    let error = read(&dir.path().join("i.yaml")).unwrap_err().to_string();
    assert!(error.contains("i.yaml") && error.contains("not UTF-8 (octet 6)"), "{error}");
    assert!(told("j.json", &"é".repeat(3 << 20)).contains("longer than"), "cut inside a character");
    assert!(told("g.json", &"[".repeat(100_000)).contains("line 1"), "no stack overflow");
    assert!(told("h.yaml", &"[".repeat(100_000)).contains("h.yaml"), "no stack overflow");
}

#[test]
fn fields_that_make_no_sense_are_named() {
    let told = |yaml: &str| question_of(&one(yaml).question).unwrap_err().to_string();
    assert!(told("question: { decision: expiry, user: nobody }").contains("question.user"));
    assert!(told("question: { decision: expiry, message: { id: 5a } }").contains("32 hexadecimal digits"));
    assert!(told("question: { decision: expiry, client: {} }").contains("only a delivery question"));
    assert!(told("question: { decision: delivery, cause: deferred }").contains("only a notification question"));
    let clients = "{}, ".repeat(CLIENTS_MAX + 1);
    assert!(told(&format!("question: {{ decision: delivery, clients: [{clients}] }}")).contains("1000 are the most"));
}

#[test]
fn debug_shows_nobody() {
    let case =
        one("question: { decision: expiry, user: 'sip:anna@example.net', message: { sender: 'sip:bob@example.net' } }");
    let shown = format!(
        "{case:?} {:?} {:?}",
        case.question.message,
        ClientDoc { id: Some("anna".into()), ..Default::default() }
    );
    assert!(!shown.contains("anna") && !shown.contains("bob"), "{shown}");
}
