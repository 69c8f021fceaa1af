//! Unacceptable components: what is wrong is named, with why and what to do.

use super::guest::{Guest, answer, manage};
use super::{ENGINE, host_of};
use crate::policy::check::{Report, Severity, check};
use crate::policy::{Judges, PolicyError, STANDARD_COMPONENT, samples};
use crate::queue::question::{Handling, Question, Verdict};

/// The report of an unacceptable file: its findings are of these kinds, and its text has these words.
#[track_caller]
fn refused(bytes: &[u8], kinds: &[&str], words: &[&str]) -> Report {
    let report = check(bytes, &ENGINE).unwrap();
    let text = report.to_string();
    assert!(!report.is_acceptable(), "{text}");
    assert_eq!(report.findings().iter().map(|finding| finding.kind).collect::<Vec<_>>(), kinds, "{text}");
    for word in words {
        assert!(text.contains(word), "'{word}' is missing in:\n{text}");
    }
    assert!(text.starts_with("NOT acceptable"), "{text}");
    report
}

fn plain() -> Guest {
    Guest::new().judge("handling", manage())
}

#[test]
fn files_that_are_no_components_are_told_apart() {
    refused(b"", &["empty"], &["The file is empty"]);
    refused(b"#!/bin/sh\n", &["not-wasm"], &["not WebAssembly"]);
    refused(b"(component)", &["text"], &["WebAssembly text", "wasm-tools parse"]);
    refused(&plain().core(), &["core-module"], &["core module", "wasm-component-ld"]);
    refused(&STANDARD_COMPONENT[..STANDARD_COMPONENT.len() / 2], &["compile"], &["cannot be compiled"]);
    let mut large = STANDARD_COMPONENT.to_vec();
    large.resize((24 << 20) + 1, 0);
    refused(&large, &["too-large"], &["25165825 octets", "policy.component-bytes-max"]);
}

#[test]
fn precompiled_code_is_never_taken() {
    refused(&ENGINE.precompiled(STANDARD_COMPONENT), &["precompiled"], &["precompiled native code"]);
}

#[test]
fn wasi_is_refused_with_the_way_out() {
    let bytes = plain().importing("wasi:clocks@0.2.0", "monotonic-clock", "now").build();
    refused(&bytes, &["import"], &["wasi:clocks/monotonic-clock@0.2.0 (now)", "wasm32-unknown-unknown", "no clock"]);
    assert!(matches!(ENGINE.load(&bytes), Err(PolicyError::Unacceptable { .. })));
}

#[test]
fn any_other_import_is_refused_and_all_findings_come_together() {
    let foreign = plain().importing("acme:tools@1.0.0", "lookup", "get");
    refused(&foreign.build(), &["import"], &["acme:tools/lookup@1.0.0 (get)", "and nothing else"]);
    let both = foreign.against(|wit| wit.replace("restante:policy@1.0.0", "restante:policy@2.0.0"));
    refused(&both.build(), &["import", "version"], &["acme:tools/lookup@1.0.0", "handling@2.0.0"]);
}

#[test]
fn another_major_version_is_refused_and_another_minor_one_is_not() {
    let version = |to: &'static str| plain().against(move |wit| wit.replace("policy@1.0.0", &format!("policy@{to}")));
    refused(&version("2.0.0").build(), &["version"], &["handling@2.0.0", "speaks 1.0.0"]);
    refused(&version("0.9.0").build(), &["version"], &["handling@0.9.0"]);

    let newer = version("1.7.0").build();
    let report = check(&newer, &ENGINE).unwrap();
    assert!(report.is_acceptable(), "{report}");
    let question = Question::Handling { context: samples::sample_context(), message: samples::sample_message() };
    assert_eq!(host_of(&ENGINE, &newer).ask(&question).verdict, Verdict::Handling(Handling::Manage));
}

#[test]
fn another_shape_is_refused_in_plain_words() {
    let bytes = plain().against(|wit| wit.replace("attempts: u32,", "attempts: u32, colour: string,")).build();
    refused(&bytes, &["shape"], &["handling has another shape", "10 fields, found 11 fields"]);
    let bytes = plain().against(|wit| wit.replace("manage,", "manage, burn,")).build();
    refused(&bytes, &["shape"], &["handling has another shape", "3 cases, found 4 cases"]);
}

#[test]
fn a_component_that_decides_nothing_is_refused() {
    let mut bare = Guest::new();
    let schema = bare.text(b"{}");
    let only_settings = bare.settings(answer(&[(0, schema.0), (4, schema.1)]), answer(&[]));
    refused(&only_settings.build(), &["no-interface"], &["none of the interfaces", "admission"]);
}

#[test]
fn an_interface_that_we_do_not_know_is_only_noticed() {
    let bytes = plain()
        .judge("prediction", manage())
        .against(|wit| {
            wit.to_owned()
                + "interface prediction { use types.{context, message}; variant v { a, b, c(string) }\n\
                judge: func(context: context, message: message) -> result<v, string>; }"
        })
        .build();
    let report = check(&bytes, &ENGINE).unwrap();
    assert!(report.is_acceptable(), "{report}");
    let findings = report.findings();
    assert_eq!((findings[0].kind, findings[0].severity), ("unknown-interface", Severity::Notice));
}

#[test]
fn a_trap_or_a_hang_at_the_start_is_found() {
    refused(&plain().starting("unreachable").build(), &["start"], &["does not start (trap)"]);
    refused(&plain().starting("(loop $l (br $l))").build(), &["start"], &["does not start (timeout)"]);
    let hog = "(if (i32.eq (memory.grow (i32.const 16384)) (i32.const -1)) (then unreachable))";
    refused(&plain().starting(hog).build(), &["start"], &["does not start (memory)"]);
}

#[test]
fn too_much_memory_at_the_start_is_found() {
    refused(&plain().pages(512).build(), &["compile"], &["policy.memory-bytes-max"]);
}

#[test]
fn bad_settings_are_found() {
    let with = |schema: &[u8], configure: String| {
        let mut bare = Guest::new();
        let text = bare.text(schema);
        bare.settings(answer(&[(0, text.0), (4, text.1)]), configure).judge("handling", manage()).build()
    };
    refused(&with(b"{", answer(&[])), &["schema"], &["no JSON Schema"]);
    refused(&with(b"7", answer(&[])), &["schema"], &["neither an object"]);
    refused(&with(b"\xff", answer(&[])), &["schema-failed"], &["settings.schema fails (nonsense)"]);
    refused(&with(b"{}", answer(&[(0, 1)])), &["settings"], &["refuses the settings {}"]);
    refused(&with(b"{}", "unreachable".to_owned()), &["settings"], &["unreachable"]);
    let report = check(&with(b"{}", answer(&[])), &ENGINE).unwrap();
    assert!(report.is_acceptable(), "{report}");
    assert_eq!(report.facts.schema.as_deref(), Some("{}"));
}

#[test]
fn a_policy_that_fails_the_second_time_is_found() {
    let tired = format!(
        "(i32.store (i32.const 16) (i32.add (i32.load (i32.const 16)) (i32.const 1)))
         (if (i32.gt_u (i32.load (i32.const 16)) (i32.const 1)) (then unreachable)) {}",
        manage()
    );
    let component = Guest::new().judge("handling", tired).build();
    refused(&component, &["self-test"], &["handling fails on", "trap"]);
}

#[test]
fn a_policy_that_fails_on_built_in_questions_is_found() {
    let report = refused(
        &Guest::new().judge("admission", "unreachable").judge("handling", manage()).build(),
        &["self-test"],
        &["admission fails on 18 of 18 built-in questions", "trap"],
    );
    let [admission, handling] = &report.self_test[..] else { panic!("{report}") };
    assert_eq!((admission.hook, admission.failed, admission.failures.len()), ("admission", 18, 5));
    assert_eq!((handling.hook, handling.failed), ("handling", 0));
    assert!(handling.unlike_standard > 0);
}

#[test]
fn reports_are_json_for_programs() {
    let json = serde_json::to_value(check(STANDARD_COMPONENT, &ENGINE).unwrap()).unwrap();
    assert_eq!(json["acceptable"], true);
    assert_eq!(json["decides"].as_array().unwrap().len(), 5);
    assert_eq!(json["settings-schema"]["type"], "object");
    assert_eq!(json["self-test"][0]["failed"], 0);
    let json = serde_json::to_value(check(b"", &ENGINE).unwrap()).unwrap();
    assert_eq!(json["acceptable"], false);
    assert_eq!(json["findings"][0]["kind"], "empty");
    assert_eq!(json["findings"][0]["severity"], "error");
    assert!(!json["findings"][0]["what-to-do"].as_str().unwrap().is_empty());
}
