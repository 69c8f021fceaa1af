//! The commands against a server that answers as the real one does, over real sockets.

use super::*;
use crate::cli::Exit;
use crate::cli::args::{Args, Command};
use crate::gateway::http::fake::{Act, FakeServer, Seen, answer};
use clap::Parser as _;
use std::path::Path;

const DIGEST: &str = "3b57d9528ff61b600e1f0b070997b9b0d2728227138aaed86f17c88f726e017a";

/// A fake server on a runtime of its own: the command line has another.
struct Town {
    _runtime: tokio::runtime::Runtime,
    server: FakeServer,
}

impl Town {
    fn new(act: impl Fn(&Seen) -> Act + Send + Sync + 'static) -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let server = runtime.block_on(FakeServer::start(act));
        Self { _runtime: runtime, server }
    }

    fn answering(body: Value) -> Self {
        Self::new(move |_| Act::Say(answer(200, &["Content-Type: application/json"], body.to_string().as_bytes())))
    }

    fn refusing(status: u16, problem: &Value) -> Self {
        let body = problem.to_string();
        Self::new(move |_| Act::Say(answer(status, &["Content-Type: application/problem+json"], body.as_bytes())))
    }

    fn run(&self, line: &str) -> Result<String, CliError> {
        self.run_as(line, None)
    }

    fn run_as(&self, line: &str, token: Option<&str>) -> Result<String, CliError> {
        let environment = Environment { server: Some(self.server.url("/")), token: token.map(str::to_owned) };
        perform(line, &environment)
    }

    fn seen(&self) -> Seen {
        self.server.seen().pop().unwrap()
    }

    fn body(&self) -> Value {
        serde_json::from_slice(&self.seen().body).unwrap()
    }
}

/// The command of a line; arguments with spaces in them are written with `+`.
fn perform(line: &str, environment: &Environment) -> Result<String, CliError> {
    let words = line.split_whitespace().map(|word| word.replace('+', " "));
    let args = Args::try_parse_from(["restante", "policy"].map(str::to_owned).into_iter().chain(words)).unwrap();
    let Command::Policy(command) = args.command else { panic!("no policy command") };
    if let Policy::Events { after, limit, server } = &command {
        let mut pages = Vec::new();
        events(server, environment, (*after, *limit), |page| pages.push(page.to_owned()))?;
        return Ok(pages.join("\n"));
    }
    let (server, call, shown) = order(&command)?.unwrap();
    carry_out(server, environment, &call, &shown)
}

fn policy_view() -> Value {
    json!({
        "digest": DIGEST, "name": "night", "state": "validated", "bytes": 84_000, "decides": ["expiry", "delivery"],
        "settings-schema": {"type": "object"}, "uploaded-at": "2026-11-23T08:00:00.123Z", "uploaded-by": "anna",
        "reason": "quiet nights", "signed-by": ["key-1"],
        "bound": [
            {"realm": "a.test", "decision": "delivery", "role": "active"},
            {"realm": "a.test", "decision": "expiry", "role": "active"},
            {"realm": "b.test", "decision": "expiry", "role": "shadow"},
        ],
    })
}

fn realm_view() -> Value {
    let bound = json!({
        "policy": DIGEST, "name": "night", "settings": {"from": 22}, "since": "2026-11-23T08:00:00.000Z",
        "by": "anna", "reason": "quiet nights", "trouble": null,
    });
    let mut shadow = bound.clone();
    let counts = json!({
        "asked": 10, "same": 7, "different": 2, "failed": 1, "dropped": 3,
        "samples": [{"at": "2026-11-23T08:00:01.000Z", "message": "aa", "active": "now", "shadow": "keep"}],
    });
    shadow.as_object_mut().unwrap().extend(counts.as_object().unwrap().clone());
    let mut earlier = bound.clone();
    earlier["trouble"] = json!("it was tripped");
    json!({"realm": "a.test", "decisions": [
        {"decision": "delivery", "active": bound, "shadow": shadow, "earlier": [earlier]},
        {"decision": "expiry", "active": null, "shadow": null, "earlier": []},
    ]})
}

fn file(folder: &Path, name: &str, content: &[u8]) -> String {
    let path = folder.join(name);
    std::fs::write(&path, content).unwrap();
    path.display().to_string()
}

#[test]
fn an_upload_sends_the_component_with_its_name_reason_and_signature() {
    let folder = tempfile::Builder::new().prefix("upload").tempdir().unwrap();
    let component = file(folder.path(), "p.wasm", b"\0asm");
    let raw = file(folder.path(), "raw.sig", &[7; 64]);
    let text = file(folder.path(), "text.sig", format!("{}\n", STANDARD.encode([7; 64])).as_bytes());
    let tried = json!({"hook": "expiry", "asked": 9, "failed": 0, "unlike-standard": 4});
    let town = Town::answering(json!({"digest": DIGEST, "new": true, "report": {"self-test": [tried]}}));
    let shown = town
        .run_as(
            &format!(
                "upload {component} --name night --realm a.test --reason one-time+passwords --signature key-1:{raw}"
            ),
            Some("t0"),
        )
        .unwrap();
    let seen = town.seen();
    assert_eq!(seen.what(), "POST /v1/policies?name=night&realm=a.test&reason=one-time%20passwords");
    assert_eq!(seen.header("Content-Type"), Some("application/wasm"));
    assert_eq!(seen.header("Authorization"), Some("Bearer t0"));
    assert_eq!(seen.header("Restante-Signature"), Some(format!("key-1:{}", STANDARD.encode([7; 64])).as_str()));
    assert_eq!(seen.body, b"\0asm");
    assert!(shown.contains(DIGEST) && shown.contains("kept"), "{shown}");
    assert!(shown.contains("9 of 9 built-in questions answered, 4 unlike"), "{shown}");
    assert!(shown.contains("decides nothing yet: restante policy shadow 3b57d9528ff6 --realm a.test"), "{shown}");
    town.run(&format!("upload {component} --signature key-1:{text}")).unwrap();
    assert_eq!(town.seen().header("Restante-Signature"), seen.header("Restante-Signature"));
    assert_eq!((town.seen().what(), town.seen().header("Authorization")), ("POST /v1/policies", None));
    let short = file(folder.path(), "short.sig", &[7; 63]);
    let error = town.run(&format!("upload {component} --signature key-1:{short}")).unwrap_err();
    assert!(error.to_string().contains("64 octets"), "{error}");
    let error = town.run("upload /no/such.wasm").unwrap_err();
    assert!(matches!(error, CliError::Read { .. }), "{error}");
}

#[test]
fn what_was_there_is_told_with_what_came_of_its_name_and_signature() {
    let folder = tempfile::tempdir().unwrap();
    let component = file(folder.path(), "p.wasm", b"\0asm");
    let shown = |answer: Value, line: &str| Town::answering(answer).run(&format!("upload {component} {line}")).unwrap();
    let there = json!({"digest": DIGEST, "new": false, "signed": true, "name": "night", "report": {}});
    let told = shown(there, "--name dawn");
    for part in ["it was there already", "the signature is kept with it", "still is called night", "policy show 3b57"] {
        assert!(told.contains(part), "{part} is missing in\n{told}");
    }
    assert!(!told.contains("decides nothing"), "it may well decide: {told}");
    let told = shown(json!({"digest": DIGEST, "new": false, "signed": false, "name": "night"}), "--name night");
    assert!(!told.contains("signature") && !told.contains("still"), "{told}");
}

/// What is looked for is at the end: whoever does not know whether an order was carried out must not see less.
#[test]
fn the_stream_is_shown_to_its_end() {
    let entry = |seq: u64| {
        let event = json!({"event": "ShadowEnded", "realm": "a.test"});
        json!({"seq": seq, "at": "2026-11-23T08:00:00.123Z", "author": "anna", "reason": "", "chain": "cc",
            "events": [event]})
    };
    // Of seven entries the first four are of other realms.
    let town = Town::new(move |seen| {
        let after: u64 = seen.what().split_once("after=").unwrap().1.split('&').next().unwrap().parse().unwrap();
        let last = (after + 2).min(7);
        let entries: Vec<Value> = (after + 1..=last).filter(|seq| *seq > 4).map(entry).collect();
        let body = json!({"entries": entries, "next": last}).to_string();
        Act::Say(answer(200, &["Content-Type: application/json"], body.as_bytes()))
    });
    let shown = town.run("events --limit 2").unwrap();
    assert_eq!(town.server.seen().len(), 5);
    let seqs: Vec<&str> = shown.lines().filter(|line| line.contains("anna")).map(|line| line[..5].trim()).collect();
    assert_eq!(seqs, ["5", "6", "7"], "{shown}");
    let json = town.run("events --after 5 --limit 2 --json").unwrap();
    let pages: Vec<Value> = serde_json::Deserializer::from_str(&json).into_iter().map(Result::unwrap).collect();
    assert_eq!((pages.len(), &pages[0]["entries"][1]["seq"]), (1, &7.into()));
    assert_eq!(town.run("events --after 7").unwrap(), "nothing");
}

#[test]
fn the_list_is_a_table() {
    let town = Town::answering(json!({"policies": [policy_view()]}));
    let shown = town.run("list").unwrap();
    assert_eq!(town.seen().what(), "GET /v1/policies");
    let [heads, row] = shown.lines().collect::<Vec<_>>()[..] else { panic!("{shown}") };
    assert!(heads.starts_with("policy        name   state"), "{shown}");
    assert!(row.starts_with("3b57d9528ff6  night  validated  expiry delivery  2026-11-23T08:00:00Z  anna"), "{shown}");
    assert!(row.ends_with("a.test (active): delivery expiry; b.test (shadow): expiry"), "{shown}");
}

#[test]
fn one_policy_is_shown_whole_and_with_json_as_it_came() {
    let town = Town::answering(policy_view());
    let shown = town.run("show night").unwrap();
    assert_eq!(town.seen().what(), "GET /v1/policies/night");
    for part in
        [DIGEST, "84000 octets", "by anna", "quiet nights", "key-1", "b.test expiry (shadow)", "\"type\": \"object\""]
    {
        assert!(shown.contains(part), "{part} is missing in\n{shown}");
    }
    assert_eq!(town.run("show a/b?c --json").unwrap(), policy_view().to_string());
    assert_eq!(town.seen().what(), "GET /v1/policies/a%2Fb%3Fc");
}

#[test]
fn a_realm_is_shown_with_its_shadow_its_trouble_and_the_way_back() {
    let town = Town::answering(realm_view());
    let shown = town.run("realm a.test").unwrap();
    assert_eq!(town.seen().what(), "GET /v1/realms/a.test/policies");
    for part in [
        "realm a.test",
        "  active   3b57d9528ff6 (night) since 2026-11-23T08:00:00Z by anna \"quiet nights\" settings {\"from\":22}",
        "asked 10: 7 the same, 2 different, 1 failed; 3 not asked",
        "aa  active: now; shadow: keep",
        "  earlier  3b57d9528ff6",
        "TROUBLE: it was tripped",
        "  active   the standard rule",
    ] {
        assert!(shown.contains(part), "{part} is missing in\n{shown}");
    }
    let town = Town::answering(json!({"realms": ["a.test", "b.test"]}));
    assert_eq!(town.run("realm").unwrap(), "a.test\nb.test");
    assert_eq!(town.seen().what(), "GET /v1/realms");
}

#[test]
fn orders_say_what_is_meant_and_nothing_else() {
    let town = Town::answering(realm_view());
    town.run(
        "activate night --realm a.test --decision expiry --decision delivery --settings {\"from\":22} --reason a+b",
    )
    .unwrap();
    assert_eq!(town.seen().what(), "POST /v1/realms/a.test/policies/activate");
    assert_eq!(town.seen().header("Content-Type"), Some("application/json"));
    let expected =
        json!({"policy": "night", "decisions": ["expiry", "delivery"], "settings": {"from": 22}, "reason": "a b"});
    assert_eq!(town.body(), expected);
    town.run("shadow night --realm a.test").unwrap();
    assert_eq!(
        (town.seen().what(), town.body()),
        ("POST /v1/realms/a.test/policies/shadow", json!({"policy": "night"}))
    );
    town.run("end-shadow --realm a.test").unwrap();
    assert_eq!((town.seen().what(), town.body()), ("POST /v1/realms/a.test/policies/end-shadow", json!({})));
    town.run("rollback --realm a.test --decision expiry --reason worse").unwrap();
    let expected = json!({"decisions": ["expiry"], "reason": "worse"});
    assert_eq!((town.seen().what(), town.body()), ("POST /v1/realms/a.test/policies/rollback", expected));
    let town = Town::answering(policy_view());
    town.run("retire night --reason old").unwrap();
    assert_eq!((town.seen().what(), town.body()), ("POST /v1/policies/night/retire", json!({"reason": "old"})));
    let town = Town::answering(json!({"entries": [], "next": 7}));
    assert_eq!(town.run("events --after 7 --limit 5").unwrap(), "nothing");
    assert_eq!(town.seen().what(), "GET /v1/operator-events?after=7&limit=5");
}

fn review_view() -> Value {
    let example = json!({"at": "2026-11-23T08:00:00.123Z", "message": "0123", "user": "4567", "recorded": "push",
        "judge": "standard", "candidate": "manage"});
    let sums = json!({"asked": 3, "same": 2, "different": 1, "changes": {"push → manage": {"count": 1,
        "examples": [example]}}, "failed": {}, "not-recallable": {"refused": 4}});
    json!({"policy": DIGEST, "settings": {"from": 22}, "since": "2026-11-23T07:00:00.000Z", "until": null, "gave-up": false, "users": 9,
        "replayed": 2, "records": 7, "unreadable": 0, "unfit": 0, "realms": {"a.test": {"handling": sums}}})
}

#[test]
fn the_past_of_a_server_is_asked_and_shown_as_that_of_a_directory() {
    let town = Town::answering(review_view());
    let told = town
        .run("diff night --since 2026-11-23T07:00:00Z --realm a.test --settings {\"from\":22} --examples 1")
        .unwrap();
    assert_eq!(town.seen().what(), "POST /v1/policies/night/diff");
    let asked =
        json!({"since": "2026-11-23T07:00:00.000Z", "realm": "a.test", "settings": {"from": 22}, "examples": 1});
    assert_eq!(town.body(), asked);
    for part in [
        &format!("candidate {DIGEST}, settings {{\"from\":22}}\nsince 2026-11-23T07:00:00.000Z\n9 users, 2 of them"),
        "    push → manage: 1\n      2026-11-23T08:00:00.123Z  0123  push, by standard; candidate: manage",
        "not recallable: 4 messages were refused then",
    ] {
        assert!(told.contains(part), "{part} is missing in\n{told}");
    }
    assert_eq!(town.run("diff night --json").unwrap(), review_view().to_string());
    assert_eq!(town.body(), json!({"examples": 3}));
}

#[test]
fn a_file_is_asked_of_a_server_by_its_digest() {
    let folder = tempfile::tempdir().unwrap();
    let candidate = file(folder.path(), "night.wasm", b"\0asm");
    let town = Town::answering(review_view());
    town.run(&format!("diff {candidate}")).unwrap();
    assert_eq!(town.seen().what(), format!("POST /v1/policies/{}/diff", Digest::of(b"\0asm")));
    for line in
        ["diff night --realm a.test --realm b.test", "diff night --config c.toml", "diff night --since 1h --until 2h"]
    {
        assert_eq!(town.run(line).unwrap_err().exit(), Exit::Usage, "{line}");
    }
}

#[test]
fn a_refusal_is_told_with_its_findings_and_has_an_exit_code() {
    let finding = json!({"severity": "error", "kind": "wasi", "what": "It wants a clock", "why": "policies know none",
        "what_to_do": "take the time from the question"});
    let problem = json!({"title": "Unprocessable Entity", "status": 422, "detail": "it is not acceptable",
        "findings": [finding], "problems": [{"at": "/from", "what": "is no number"}]});
    let town = Town::refusing(422, &problem);
    let error = town.run("show night").unwrap_err();
    let told = error.to_string();
    for part in [
        "the server refuses (422): it is not acceptable",
        "error: It wants a clock.",
        "what to do: take the time from the question.",
        "/from: is no number",
    ] {
        assert!(told.contains(part), "{part} is missing in\n{told}");
    }
    assert_eq!(error.exit(), Exit::Data);
    for (status, exit) in [
        (400, Exit::Usage),
        (401, Exit::NotAllowed),
        (403, Exit::NotAllowed),
        (404, Exit::Usage),
        (409, Exit::Data),
        (413, Exit::Data),
        (503, Exit::TryAgain),
        (507, Exit::Unavailable),
        (500, Exit::Internal),
    ] {
        let error = Town::refusing(status, &json!({"detail": "so it is\u{1b}[2J"})).run("list").unwrap_err();
        assert_eq!(error.exit(), exit, "{status}");
        assert!(error.to_string().contains("so it is\u{fffd}[2J"), "{error}");
        assert_eq!(error.to_string().contains("--token-file"), status == 401);
    }
}

#[test]
fn where_nobody_answers_it_is_said_what_to_do() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let nowhere = Environment { server: Some(format!("http://127.0.0.1:{port}")), token: None };
    let error = perform("list", &nowhere).unwrap_err();
    assert_eq!(error.exit(), Exit::Unavailable);
    let told = error.to_string();
    assert!(told.contains("restante serve") && told.contains("--server") && told.contains(&port.to_string()), "{told}");
    let error = perform("list --server pf.test:8080", &nowhere).unwrap_err();
    assert_eq!((error.exit(), error.to_string().contains("http://HOST:PORT")), (Exit::Usage, true), "{error}");
}

#[test]
fn what_is_no_server_of_ours_is_told_apart() {
    let page = Town::new(|_| Act::Say(answer(200, &["Content-Type: text/html"], b"<html>")));
    let error = page.run("list").unwrap_err();
    assert_eq!(error.exit(), Exit::Protocol);
    let proxy = Town::new(|_| Act::Say(answer(502, &["Content-Type: text/html"], b"<html>")));
    assert!(proxy.run("list").unwrap_err().to_string().contains("proxy"));
    let other = Town::answering(json!({"animals": []}));
    let error = other.run("list").unwrap_err();
    assert_eq!((error.exit(), error.to_string().contains("same version")), (Exit::Protocol, true), "{error}");
    let cut = Town::new(|_| Act::SayAndClose(b"HTTP/1.1 200 X\r\nContent-Length: 99\r\n\r\nab".to_vec()));
    let error = cut.run("retire night").unwrap_err();
    assert!(error.to_string().contains("restante policy events"), "{error}");
    let error = cut.run("list").unwrap_err();
    assert!(error.to_string().contains("Nothing was to be changed"), "{error}");
}

#[test]
fn a_token_comes_from_a_file_or_from_the_environment_and_not_in_clear_over_a_network() {
    let folder = tempfile::Builder::new().prefix("token").tempdir().unwrap();
    let town = Town::answering(json!({"policies": []}));
    let good = file(folder.path(), "good", b"restante-a1\n");
    town.run_as(&format!("list --token-file {good}"), Some("other")).unwrap();
    assert_eq!(town.seen().header("Authorization"), Some("Bearer restante-a1"), "the file goes first");
    let bad = file(folder.path(), "bad", b"two words");
    let error = town.run(&format!("list --token-file {bad}")).unwrap_err();
    assert!(error.to_string().contains("restante token new"), "{error}");
    // What is around it does not matter; what cannot be sent is not sent.
    town.run_as("list", Some("restante-a1\r\n")).unwrap();
    assert_eq!(town.seen().header("Authorization"), Some("Bearer restante-a1"));
    let count = town.server.seen().len();
    let error = town.run_as("list", Some("two words")).unwrap_err();
    assert!(error.exit() == Exit::Usage && error.to_string().contains("RESTANTE_TOKEN"), "{error}");
    let wasm = file(folder.path(), "p.wasm", b"\0asm");
    let key = file(folder.path(), "sig", &[7; 64]);
    let error = town.run(&format!("upload {wasm} --signature k\u{7f}:{key}")).unwrap_err();
    assert!(error.exit() == Exit::Usage && error.to_string().contains("Nothing was sent"), "{error}");
    assert_eq!(town.server.seen().len(), count);
    // The server would know them by the token, and write that name down.
    let certified = Server { certificate: Some("me.pem".into()), key: Some("me.key".into()), ..Server::default() };
    let environment = Environment { server: None, token: Some("t".to_owned()) };
    assert_eq!(session::token_for(&certified, &environment).unwrap(), None);
    assert_eq!(session::token_for(&Server::default(), &environment).unwrap().as_deref(), Some("t"));
    let note = |url: &str, token: Option<&str>| {
        let environment = Environment { server: Some(url.to_owned()), token: token.map(str::to_owned) };
        Session::open(&Server::default(), &environment).unwrap().note()
    };
    assert!(note("http://pf.test:8080", Some("t")).unwrap().contains("in clear"));
    assert!(note("HTTP://pf.test:8080", Some("t")).unwrap().contains("in clear"));
    for (url, token) in [
        ("http://pf.test:8080", None),
        ("https://pf.test", Some("t")),
        ("http://127.0.0.1:8080", Some("t")),
        ("http://[::1]:8080/", Some("t")),
        ("http://localhost", Some("t")),
    ] {
        assert_eq!(note(url, token), None, "{url}");
    }
}
