//! The commands of docs/policy-authors.md, run one after the other as an author would.

use crate::operator::Operator;
use crate::phone::Phone;
use crate::server::{BINARY, Setup, said};
use crate::wire::REALM;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

const PAGE: &str = include_str!("../../docs/policy-authors.md");

/// What the page's server does with expired messages.
const EXPIRED: &str = "expired = \"store\"";

/// What is said of a block after the three backticks, and the block.
fn blocks(page: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    let mut rest = page;
    while let Some((_, after)) = rest.split_once("\n```") {
        let (info, body) = after.split_once('\n').expect("a block has a body");
        let (block, beyond) = body.split_once("\n```").expect("a block has an end");
        found.push((info, block));
        rest = beyond;
    }
    found
}

/// The commands of the first half of the page; the blocks that are not run are told apart by their names.
fn script() -> String {
    let first_half = PAGE.split_once("\n## The contract").expect("the second half").0;
    let mut script = String::from("set -eux\n");
    for (info, block) in blocks(first_half) {
        match info {
            "sh" => writeln!(script, "{block}").unwrap(),
            // The target is not to be had without the internet: the environment of script/policies stands in. The server
            // is the test's, with the same configuration for its own realm.
            "sh,once" => assert_eq!(block, "rustup target add wasm32-unknown-unknown"),
            "sh,server" => assert!(block.contains("restante serve --config") && block.contains(EXPIRED), "{block}"),
            "text" | "rust" => {}
            other => panic!("{other}: is this block to be run?"),
        }
    }
    script
}

/// What makes `cargo build` work without the target, as `NAME=VALUE` lines of shell.
fn environment() -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("script/policies");
    let output = Command::new(script).arg("--env").output().unwrap();
    assert!(output.status.success(), "run script/setup: {}", said(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// An author's shell, in which `restante` is the program of the tests.
fn shell(directory: &Path, script: &str) -> Command {
    let path = format!("{}:{}", Path::new(BINARY).parent().unwrap().display(), std::env::var("PATH").unwrap());
    let mut shell = Command::new("bash");
    shell.arg("-c").arg(environment() + script).current_dir(directory).env("PATH", path);
    shell.env_remove("CARGO_TARGET_DIR").stdin(Stdio::null());
    shell
}

#[test]
fn from_the_first_line_to_live_as_the_page_says() {
    let phone = Phone::answering(200);
    let server = Setup::behind(phone.address()).config(&format!("[realms.\"{REALM}\"]\n{EXPIRED}")).start();
    let desk = tempfile::tempdir().unwrap();
    let output = shell(desk.path(), &script())
        .env("RESTANTE_SERVER", format!("http://{}", server.admin()))
        .env("RESTANTE_DATA", server.data())
        .env("CONFIG", server.data().with_file_name("restante.toml"))
        .env("SIP", server.sip().to_string())
        .env("REALM", REALM)
        .output()
        .unwrap();
    let told = said(&output);
    assert!(output.status.success(), "{told}");
    assert!(told.contains("a parcel of the shop can be forgotten"), "{told}");
    // What the page promises to show: the shadow, the past, the messages after it was activated.
    assert_eq!(told.matches("-> SIP/2.0 202").count(), 6, "{told}");
    assert!(told.contains("asked 3: 1 the same, 2 different, 0 failed"), "{told}");
    assert!(told.contains("store → discard: 2"), "{told}");
    assert_eq!(told.matches("MessageDiscarded").count(), 2, "{told}");
    let kinds: Vec<String> = Operator::of(&server).stream().into_iter().map(|(kind, _)| kind).collect();
    for kind in
        ["PolicyUploaded", "PolicyShadowed", "ShadowEnded", "PolicyActivated", "PolicyRolledBack", "PolicyRetired"]
    {
        assert!(kinds.iter().any(|it| it == kind), "{kind} in {kinds:?}\n{told}");
    }
    let text = std::fs::read_to_string(desk.path().join("night-shift/real/expiry.yaml")).unwrap();
    assert!(text.contains("decision: expiry") && text.contains("expect: store"), "real questions: {text}");
    for name in ["bank.example", "bob@", "alice@"] {
        assert!(!text.contains(name), "nobody is named: {text}");
    }
}

#[test]
fn a_project_in_c_builds_and_its_cases_pass_as_its_readme_says() {
    let desk = tempfile::tempdir().unwrap();
    let made =
        Command::new(BINARY).args(["policy", "new", "x", "--lang", "c"]).current_dir(desk.path()).output().unwrap();
    assert!(made.status.success(), "{}", said(&made));
    let project = desk.path().join("x");
    let readme = std::fs::read_to_string(project.join("README.md")).unwrap();
    let commands: Vec<&str> =
        blocks(&readme).into_iter().filter(|(info, _)| *info == "sh").map(|(_, block)| block).collect();
    assert!(commands.concat().contains("policy test"), "{readme}");
    let output = shell(&project, &format!("set -eux\n{}", commands.join("\n"))).output().unwrap();
    let told = said(&output);
    assert!(output.status.success(), "{told}");
    assert!(told.contains("a code from the bank is discarded") && !told.contains("FAILED"), "{told}");
}
