//! Tests of trying cases: the shipped policies with their own.

use super::*;
use std::fs;

fn policies() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("policies")
}

fn limits() -> config::Policy {
    config::Policy::default()
}

/// A project whose only case file is this one, with the policy `quiet-hours`.
fn tried(yaml: &str) -> TestReport {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("cases")).unwrap();
    fs::write(dir.path().join("cases/one.yaml"), yaml).unwrap();
    test(dir.path(), Some(&policies().join("quiet-hours.wasm")), &limits()).unwrap()
}

fn one(yaml: &str) -> CaseResult {
    tried(yaml).results.remove(0)
}

#[test]
fn the_shipped_policies_answer_their_cases_as_expected() {
    for name in ["quiet-hours", "business-senders"] {
        let report = test(&policies().join(name), None, &limits()).unwrap();
        assert!(report.is_good(), "{report}");
        assert!(report.results.len() >= 8, "{report}");
        assert_eq!(report.count(Outcome::Shown), 0, "{report}");
        assert!(report.results.iter().any(|result| result.fuel > Some(100)), "{report}");
    }
    let c = policies().join("business-senders-c.wasm");
    let report = test(&policies().join("business-senders"), Some(&c), &limits()).unwrap();
    assert!(report.is_good(), "{report}");
}

#[test]
fn another_verdict_fails_and_tells_both() {
    let report = tried("question: { decision: delivery, now: 2026-03-02T23:00:00Z }\nexpect: now");
    assert!(!report.is_good());
    let text = report.to_string();
    for part in [
        "FAILED",
        "one [delivery]: hold-until 2026-03-03T07:00:00.000Z",
        "expected  now",
        " fuel, ",
        "0 as expected, 1 not",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["results"][0]["outcome"], "failed");
    assert_eq!(json["results"][0]["verdict"]["hold-until"], "2026-03-03T07:00:00.000Z");
    assert_eq!(json["digest"].as_str().map(str::len), Some(64));
}

#[test]
fn without_an_expectation_the_verdict_is_shown() {
    let result = one("question: { decision: delivery, now: 2026-03-02T12:00:00Z }");
    assert_eq!(
        (result.outcome, result.verdict.map(|verdict| verdict.to_string())),
        (Outcome::Shown, Some("now".into()))
    );
}

#[test]
fn what_is_not_exported_is_decided_by_the_standard() {
    let result = one("question: { decision: expiry, preferences: { expired: store } }\nexpect: store");
    assert_eq!((result.outcome, result.by, result.fuel), (Outcome::Passed, Some(Answered::Standard), None));
}

#[test]
fn settings_are_checked_as_the_server_does() {
    let result = one("settings: { from: '25:00' }\nquestion: { decision: delivery }\nexpect: now");
    assert_eq!(result.outcome, Outcome::Failed);
    assert!(
        result.trouble.as_ref().is_some_and(|trouble| trouble.contains("schema") && trouble.contains("/from")),
        "{result:?}"
    );
    let result = one("settings: { time-zone: Europe/Berlin }\nquestion: { decision: delivery }");
    assert!(result.trouble.as_ref().is_some_and(|trouble| trouble.contains("CET-1CEST")), "{result:?}");
}

#[test]
fn every_case_has_its_own_settings() {
    let report = tried(
        "- { settings: { from: '12:00' }, question: { decision: delivery, now: 2026-03-02T12:30:00Z }, expect: { hold-until: 2026-03-03T07:00:00Z } }
- { question: { decision: delivery, now: 2026-03-02T12:30:00Z }, expect: now }
- { settings: { from: '99' }, question: { decision: delivery, now: 2026-03-02T12:30:00Z }, expect: now }
- { settings: { from: '12:00' }, question: { decision: delivery, now: 2026-03-02T12:30:00Z }, expect: { hold-until: 2026-03-03T07:00:00Z } }",
    );
    let outcomes: Vec<Outcome> = report.results.iter().map(|result| result.outcome).collect();
    assert_eq!(outcomes, [Outcome::Passed, Outcome::Passed, Outcome::Failed, Outcome::Passed], "{report}");
}

#[test]
fn a_verdict_of_another_decision_is_a_mistake_in_the_case() {
    let result = one("question: { decision: delivery, now: 2026-03-02T12:00:00Z }\nexpect: store");
    assert!(result.trouble.as_ref().is_some_and(|trouble| trouble.contains("one of expiry")), "{result:?}");
}

#[test]
fn a_trap_is_told_with_its_backtrace_and_fails_even_without_an_expectation() {
    use crate::policy::tests::guest::Guest;
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("cases")).unwrap();
    fs::write(dir.path().join("cases/one.json"), r#"{ "question": { "decision": "admission" } }"#).unwrap();
    fs::create_dir(dir.path().join("build")).unwrap();
    fs::write(dir.path().join("build/p.wasm"), Guest::new().judge("admission", "unreachable").build()).unwrap();
    let report = test(dir.path(), None, &limits()).unwrap();
    let result = &report.results[0];
    assert_eq!(
        (result.outcome, result.failing.as_ref().map(|failing| failing.failure)),
        (Outcome::Failed, Some("trap"))
    );
    assert!(result.backtrace.is_some() && report.to_string().contains("  trap      "), "{report}");
}

#[test]
fn components_are_found_where_builds_leave_them() {
    let dir = tempfile::tempdir().unwrap();
    let project = dir.path().join("night-shift");
    let put = |path: &str| {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "x").unwrap();
    };
    put("night-shift/README.md");
    let error = find::component(&project).unwrap_err().to_string();
    assert!(error.contains("build") && error.contains("--component") && error.contains("night-shift.wasm"), "{error}");
    put("night-shift.wasm");
    assert!(find::component(&project).unwrap().ends_with("night-shift.wasm"));
    put("night-shift/build/a.wasm");
    assert!(find::component(&project).unwrap().ends_with("build/a.wasm"));
    put("night-shift/build/b.wasm");
    assert!(matches!(find::component(&project), Err(TestError::SeveralComponents { .. })));
}

#[test]
fn a_dot_in_the_name_of_a_project_makes_no_file_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let project = dir.path().join("night.shift");
    fs::create_dir(&project).unwrap();
    let error = find::component(&project).unwrap_err().to_string();
    assert!(error.contains("night.shift/*.wasm") && error.contains("night.shift.wasm"), "{error}");
    fs::write(project.join("a.wasm"), "x").unwrap();
    assert!(find::component(&project).unwrap().ends_with("night.shift/a.wasm"));
}

#[test]
fn a_field_that_cannot_be_read_is_told_with_its_case_and_the_others_are_tried() {
    let report = tried(
        "- { name: good, question: { decision: delivery, now: 2026-03-02T12:00:00Z }, expect: now }
- { name: bad, question: { decision: expiry, message: { sender: codes@bank.example } }, expect: store }
- { name: good as well, question: { decision: expiry }, expect: discard }",
    );
    let outcomes: Vec<Outcome> = report.results.iter().map(|result| result.outcome).collect();
    assert_eq!(outcomes, [Outcome::Passed, Outcome::Failed, Outcome::Passed], "{report}");
    let text = report.to_string();
    for part in ["one.yaml", "FAILED  bad [expiry]", "question.message.sender is not accepted", "sip:"] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn a_component_that_takes_no_settings_of_its_cases_is_told_with_each_of_them() {
    use crate::policy::tests::guest::{Guest, answer, manage};
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("cases")).unwrap();
    fs::write(dir.path().join("cases/one.yaml"), "- question: { decision: expiry }\n- question: { decision: expiry }")
        .unwrap();
    let component = dir.path().join("p.wasm");
    let mut guest = Guest::new();
    let (at, length) = guest.text(b"{}");
    let guest = guest.settings(answer(&[(0, at), (4, length)]), "unreachable").judge("handling", manage());
    fs::write(&component, guest.build()).unwrap();
    let report = test(dir.path(), Some(&component), &limits()).unwrap();
    assert_eq!(report.count(Outcome::Failed), 2, "{report}");
    assert!(report.results.iter().all(|result| result.trouble.is_some()), "{report}");
}

#[test]
fn verdicts_that_come_to_the_same_are_as_expected() {
    let report = tried(
        "- { question: { decision: admission }, expect: { accept: 999999999 } }
- { question: { decision: delivery, now: 2026-03-02T12:00:00Z }, expect: { hold-until: 2026-03-02T11:00:00Z } }
- { question: { decision: admission }, expect: { accept: 60 } }",
    );
    let outcomes: Vec<Outcome> = report.results.iter().map(|result| result.outcome).collect();
    assert_eq!(outcomes, [Outcome::Passed, Outcome::Passed, Outcome::Failed], "{report}");
    assert!(report.to_string().contains("same as   accept 999999999 s"), "{report}");
}

#[test]
fn what_is_no_case_file_is_named() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("cases/more.yaml")).unwrap();
    for (file, text) in [("one.yaml", "question: { decision: expiry }"), ("two.YAML", ""), ("notes.txt", "")] {
        fs::write(dir.path().join("cases").join(file), text).unwrap();
    }
    let report = test(dir.path(), Some(&policies().join("standard.wasm")), &limits()).unwrap();
    assert_eq!(report.left_out, ["more.yaml", "notes.txt", "two.YAML"]);
    assert!(report.to_string().contains("left out") && report.to_string().contains("two.YAML"), "{report}");
}

#[test]
fn nothing_to_ask_and_bad_files_are_errors() {
    let dir = tempfile::tempdir().unwrap();
    let standard = policies().join("standard.wasm");
    let told = |component: Option<&Path>| test(dir.path(), component, &limits()).unwrap_err().to_string();
    assert!(told(Some(&standard)).contains("there is no case"));
    fs::create_dir(dir.path().join("cases")).unwrap();
    assert!(told(Some(&standard)).contains("there is no case"));
    fs::write(dir.path().join("cases/one.yaml"), "question: { decision: bedtime }").unwrap();
    assert!(told(Some(&standard)).contains("bedtime"));
    fs::write(dir.path().join("cases/one.yaml"), "question: { decision: expiry }").unwrap();
    assert!(told(None).contains("no component is built"));
    assert!(told(Some(&dir.path().join("none.wasm"))).contains("none.wasm cannot be read"));
    assert!(told(Some(&dir.path().join("cases/one.yaml"))).contains("not acceptable"));
    let small = config::Policy { component_bytes_max: 10, ..limits() };
    assert!(test(dir.path(), Some(&standard), &small).unwrap_err().to_string().contains("more than 10 octets"));
}
