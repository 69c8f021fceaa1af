//! The command line as a script sees it: exit codes, what is on stdout and what on stderr.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "cli/past.rs"]
mod past;

use serde_json::Value;
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

const STANDARD: &str = "policies/standard.wasm";

#[test]
fn a_candidate_is_asked_what_was_asked_and_what_differs_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (messages, _server) = past::write(folder.path());
    let data = folder.path().display();
    let output = restante(&format!("policy diff {STANDARD} --data {data} --threads 2 --examples 2"));
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let told = text(&output.stdout);
    assert!(told.contains("realm a.test") && told.contains("    manage → push: 3\n"), "{told}");
    assert!(told.contains(&messages[2].to_string()) && told.contains("manage, by native; candidate: push"), "{told}");
    let json =
        restante(&format!("policy diff standard --data {data} --since 2026-01-01T00:01:00Z --realm B.test --json"));
    assert_eq!(json.status.code(), Some(0), "{json:?}");
    let found: Value = serde_json::from_slice(&json.stdout).unwrap();
    let handling = &found["realms"]["b.test"]["handling"];
    assert_eq!((&handling["asked"], &handling["different"]), (&2.into(), &2.into()), "{found}");
    assert_eq!((&found["replayed"], &found["realms"]["b.test"]["expiry"]["same"]), (&1.into(), &2.into()), "{found}");
    assert!(found["realms"].get("a.test").is_none(), "{json:?}");
    let note = text(&json.stderr);
    assert!(note.contains("no realm b.test: default values") && note.lines().count() == 1, "{note}");
    for line in [
        "policy diff nosuch",
        "policy diff standard --settings {1}",
        "policy diff standard --since 1h --until 2h",
        "policy diff standard --realm a.tset",
    ] {
        let output = restante(&format!("{line} --data {data}"));
        assert!(output.status.code() == Some(64) && output.stdout.is_empty(), "{line}: {output:?}");
    }
    let output = restante(&format!("policy questions --from {data} --realm a.tset"));
    assert!(output.status.code() == Some(64) && text(&output.stderr).contains("a.test, b.test"), "{output:?}");
    let wants_none = restante(&format!("policy diff standard --settings {{\"a\":1}} --data {data}"));
    assert_eq!(wants_none.status.code(), Some(65), "{wants_none:?}");
}

#[test]
fn real_questions_become_cases_that_name_nobody_and_can_be_tested() {
    let folder = tempfile::tempdir().unwrap();
    let (messages, _server) = past::write(&folder.path().join("data"));
    let (data, project) = (folder.path().join("data"), folder.path().join("project"));
    let (data, project) = (data.display(), project.display());
    let output = restante(&format!(
        "policy questions --from {data} --decision expiry --decision admission --out {project}/cases"
    ));
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(text(&output.stdout), format!("{project}/cases/admission.yaml\n{project}/cases/expiry.yaml\n"));
    let cases = std::fs::read_to_string(format!("{project}/cases/admission.yaml")).unwrap();
    for personal in ["alice", "bob", "carol", "elsewhere.test", "secret", &messages[0].to_string()] {
        assert!(!cases.contains(personal), "{personal} is in\n{cases}");
    }
    assert!(cases.contains("a.test") && cases.contains("2026-01-01T00:00:00"), "{cases}");
    let tested = restante(&format!("policy test {project} --component {STANDARD}"));
    assert_eq!(tested.status.code(), Some(0), "{}{}", text(&tested.stdout), text(&tested.stderr));
    let one = restante(&format!("policy questions --from {data} --decision handling --message {}", messages[1]));
    std::fs::remove_dir_all(format!("{project}/cases")).unwrap();
    std::fs::create_dir_all(format!("{project}/cases")).unwrap();
    std::fs::write(format!("{project}/cases/one.yaml"), &one.stdout).unwrap();
    let tested = restante(&format!("policy test {project} --component {STANDARD} --json"));
    assert_eq!(tested.status.code(), Some(65), "it was managed, and the standard pushes: {tested:?}");
}

#[test]
fn questions_overwrite_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (_, _server) = past::write(&folder.path().join("data"));
    let (data, cases) = (folder.path().join("data"), folder.path().join("cases"));
    let line = format!("policy questions --from {} --decision expiry --out {}", data.display(), cases.display());
    let output = restante(&line);
    assert!(output.status.success() && text(&output.stderr).contains("4 questions about 2 of 2 users"), "{output:?}");
    std::fs::write(cases.join("expiry.yaml"), "mine").unwrap();
    let output = restante(&line);
    assert_eq!(output.status.code(), Some(64), "{output:?}");
    let told = text(&output.stderr);
    assert!(told.contains("expiry.yaml") && told.contains("give another --out"), "{told}");
    assert_eq!(std::fs::read_to_string(cases.join("expiry.yaml")).unwrap(), "mine");
}

#[test]
fn components_are_held_to_the_limits_of_the_configuration_that_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (config, cases) = (folder.path().join("restante.toml"), folder.path().join("cases"));
    std::fs::write(&config, "[realms.\"a.test\"]\n[policy]\ncomponent-bytes-max = 2048\n").unwrap();
    std::fs::create_dir(&cases).unwrap();
    std::fs::write(cases.join("one.yaml"), "question: { decision: expiry }").unwrap();
    let (config, project) = (config.display(), folder.path().display());
    for (line, code) in
        [(format!("policy check {STANDARD}"), 65), (format!("policy test {project} --component {STANDARD}"), 64)]
    {
        assert_eq!(restante(&line).status.code(), Some(0), "{line}");
        let held = restante(&format!("{line} --config {config}"));
        assert_eq!(held.status.code(), Some(code), "{held:?}");
        let told = text(&held.stdout) + &text(&held.stderr);
        assert!(told.contains("2048") && told.contains("policy.component-bytes-max"), "{told}");
    }
}

#[test]
fn what_operators_did_is_read_and_verified() {
    let folder = tempfile::tempdir().unwrap();
    let (_, _server) = past::write(folder.path());
    let data = folder.path().display();
    let output = restante(&format!("audit operators --data {data}"));
    let told = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(told.contains("anna  \"to see\"") && told.contains("PolicyShadowed") && told.contains("a.test"), "{told}");
    let json = text(&restante(&format!("audit operators --data {data} --json")).stdout);
    let entries: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let last = entries.last().unwrap();
    assert_eq!((&last["author"], &last["seq"]), (&"anna".into(), &entries.len().into()), "{json}");
    let none = restante(&format!("audit operators --data {data} --after {}", entries.len()));
    assert!(none.status.success() && none.stdout.is_empty(), "{none:?}");
    let output = restante(&format!("audit verify --data {data}"));
    let told = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(told.starts_with("2 users, 6 records, 0 broken chains\n"), "{told}");
    let expected =
        format!("operators: {} entries, 1 components, whole; chain {}", entries.len(), last["chain"].as_str().unwrap());
    assert!(told.contains(&expected), "{told}");
}

#[test]
fn a_token_is_made_with_what_the_configuration_must_say() {
    let output = restante("token new --name anna --role operator:a.test --role sre --json");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let made: Value = serde_json::from_slice(&output.stdout).unwrap();
    let digest = restante::types::Digest::of(made["token"].as_str().unwrap().as_bytes());
    assert_eq!((made["sha256"].as_str().unwrap(), &made["name"]), (digest.to_string().as_str(), &"anna".into()));
    assert_ne!(
        made,
        serde_json::from_slice::<Value>(
            &restante("token new --name anna --role operator:a.test --role sre --json").stdout
        )
        .unwrap()
    );
}

/// A token that nobody has seen is lost, and a cut file is no result.
#[cfg(target_os = "linux")]
#[test]
fn a_result_that_cannot_be_written_is_exit_code_74() {
    for line in ["token new --name anna --role sre", "check --realm a.test", "--help"] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_restante"));
        let output = command.args(line.split(' ')).stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(74), "{line}: {output:?}");
        assert!(text(&output.stderr).contains("could not be written"), "{line}: {output:?}");
    }
}

#[test]
fn without_a_server_the_api_commands_say_what_to_do_and_are_exit_code_69() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for line in ["policy list", "policy rollback --realm a.test"] {
        let output = restante(&format!("{line} --server http://{free}"));
        assert_eq!(output.status.code(), Some(69), "{output:?}");
        assert!(text(&output.stderr).contains("restante serve") && output.stdout.is_empty(), "{output:?}");
    }
}
