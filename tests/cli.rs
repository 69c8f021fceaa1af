//! The command line as a script sees it: exit codes, what is on stdout and what on stderr.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::process::{Command, Output};

fn restante(line: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_restante")).args(line.split_whitespace()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn a_good_configuration_is_exit_code_0_with_a_summary_on_stdout() {
    let line =
        "check --listen udp:127.0.0.1:5080 --realm ims.test --next-hop sip:127.0.0.1:5090 --trusted-peer 127.0.0.0/8";
    let output = restante(line);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(text(&output.stdout).contains("udp:127.0.0.1:5080"), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
}

#[test]
fn the_worked_configurations_of_the_operators_page_are_accepted() {
    let page = include_str!("../docs/operators.md");
    let (_, page) = page.split_once("\n## Worked configurations\n").unwrap();
    let (page, _) = page.split_once("\n## ").unwrap();
    let files: Vec<&str> = page.split("```toml\n").skip(1).map(|rest| rest.split_once("```").unwrap().0).collect();
    assert_eq!(files.len(), 5);
    let folder = tempfile::tempdir().unwrap();
    for (index, text) in files.into_iter().enumerate() {
        let file = folder.path().join(format!("{index}.toml"));
        std::fs::write(&file, text).unwrap();
        let output = restante(&format!("check --config {}", file.display()));
        assert_eq!(output.status.code(), Some(0), "{text}\n{output:?}");
    }
}

#[test]
fn a_wrong_configuration_is_exit_code_64_with_every_problem_on_stderr() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("wrong.toml");
    std::fs::write(&file, "[queue]\nmessages-max = 0\n[sipp]\n[realms.\"ims.test\"]\n").unwrap();
    let output = restante(&format!("check --config {}", file.display()));
    assert_eq!(output.status.code(), Some(64), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    let told = text(&output.stderr);
    assert!(told.contains("wrong.toml:2:1: queue.messages-max: 0 is out of range"), "{told}");
    assert!(told.contains("wrong.toml:3:2: sipp: unknown field"), "{told}");
}

#[test]
fn wrong_arguments_are_exit_code_64_and_help_is_0() {
    for line in ["", "srve", "serve --lissen udp:127.0.0.1:5060", "serve --listen 5060", "audit timeline"] {
        assert_eq!(restante(line).status.code(), Some(64), "restante {line}");
    }
    for line in ["--help", "--version", "serve --help"] {
        let output = restante(line);
        assert_eq!(output.status.code(), Some(0), "restante {line}");
        assert!(!output.stdout.is_empty() && output.stderr.is_empty(), "restante {line}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_exit_code_74() {
    let output = restante("check --config /no/such/file.toml");
    assert_eq!(output.status.code(), Some(74), "{output:?}");
    assert!(text(&output.stderr).contains("/no/such/file.toml"), "{output:?}");
}

#[test]
fn the_demo_is_played_to_its_end() {
    let output = restante("demo");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let told = text(&output.stdout);
    for line in [
        "260 octets, the same as Alice sent.",
        "It has expired, and the operator's policy (a WASM component) says: discard.",
        "Bob is back, and nothing comes: nothing is delivered after its expiry.",
        "The post office closed in order (SIGTERM, exit code 0).",
    ] {
        assert!(told.contains(line), "'{line}' is missing in\n{told}");
    }
}

#[test]
fn rsn_3_the_demo_of_managing_is_played_to_its_end() {
    let output = restante("demo --manage");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let told = text(&output.stdout);
    for line in [
        "              total: 1",
        "              3 messages wait:",
        "  bob    -> INVITE 200 OK",
        "  bob    <- MESSAGE: \"Hi Bob, the table is booked for eight.\"",
        "  bob    <- BYE",
        "folder Default/demo-conversation, UID 1:",
        "  | It is 12 Mill Lane, on the left.",
        "\"Lottery\" failed",
        "\"Address\" delivered",
        "The post office closed in order (SIGTERM, exit code 0).",
    ] {
        assert!(told.contains(line), "'{line}' is missing in\n{told}");
    }
    let count = |word| told.matches(word).count();
    assert_eq!(count("MessageDeleted"), 1, "{told}");
    assert_eq!(count("MessageStored"), 1, "{told}");
    assert_eq!(count("DispositionSent"), 2, "{told}");
}
