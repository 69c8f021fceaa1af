//! Policies of a carrier, from upload to rollback, while messages come and go.

use crate::guests;
use crate::operator::Operator;
use crate::phone::Phone;
use crate::server::{BINARY, Server, Setup, metric, run, said};
use crate::sipp::Sipp;
use crate::wire::{REALM, address, cpim, message, someone};
use serde_json::Value;
use std::process::Command;
use std::time::{Duration, Instant};

/// The events of a user, in order.
fn events(server: &Server, user: &str) -> Vec<Value> {
    let output = Command::new(BINARY)
        .args(["audit", "timeline", "--json", "--user", &address(user), "--data", server.data().to_str().unwrap()])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn is(event: &Value, kind: &str) -> bool {
    event["event"] == kind
}

/// The digest behind `component:DIGEST`.
fn judge(event: &Value) -> &str {
    let judge = event["judge"].as_str().unwrap_or_default();
    judge.strip_prefix("component:").unwrap_or_else(|| panic!("a component judged: {event}"))
}

/// What each decision of an admission and a handling says of whom it is by.
fn is_whole(event: &Value, pushing: &str, managing: &str) {
    let (digest, detail) = (judge(event), event["detail"].as_str().unwrap());
    if is(event, "MessageDeferred") {
        let limit = match digest {
            digest if digest == pushing => ", at most 1000 s",
            digest if digest == managing => ", at most 2000 s",
            _ => ", at most 604800 s",
        };
        assert!(detail.ends_with(limit), "{event}");
    } else {
        assert_eq!(detail, if digest == managing { "manage" } else { "push" }, "{event}");
    }
}

/// The judges of one kind of event, each run of the same one once.
fn turns<'a>(events: &'a [Value], kind: &str) -> Vec<&'a str> {
    let mut judges: Vec<&str> = events.iter().filter(|event| is(event, kind)).map(judge).collect();
    judges.dedup();
    judges
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Waits for more of SIPp's messages.
fn more_come(server: &Server) {
    let queued = || server.metric(metric::QUEUED).unwrap_or_default();
    let before = queued();
    wait_until("messages go on coming", || queued() > before + 20.0);
}

#[test]
fn from_upload_to_rollback_while_sipp_sends_no_message_is_refused_and_no_decision_is_half() {
    let phone = Phone::answering(200);
    let server = Setup::behind(phone.address()).config("[queue]\nmessages-max = 10000").start();
    let (operator, bob) = (Operator::of(&server), someone());
    let standard = operator.active("admission")["policy"].as_str().unwrap().to_owned();
    let traffic = Sipp::client(
        "defer.xml",
        server.sip(),
        &["-m", "1500", "-r", "100", "-l", "30", "-s", &bob, "-key", "expires", "864000"],
    );
    more_come(&server);

    let pushing = operator.uploads("pushing", &guests::pushing());
    let managing = operator.uploads("managing", &guests::managing());
    operator.does(&["shadow", &managing, "--realm", REALM, "--reason", "let us see"]);
    wait_until("the shadow is asked", || {
        operator.decision("admission")["shadow"]["different"].as_u64().is_some_and(|different| different > 10)
    });
    let shadow = operator.decision("admission")["shadow"].clone();
    assert_eq!(shadow["failed"], 0, "{shadow}");
    assert!(!shadow["samples"].as_array().unwrap().is_empty(), "{shadow}");

    for (order, now) in [
        (vec!["activate", &pushing], &pushing),
        (vec!["activate", &managing], &managing),
        (vec!["rollback"], &pushing),
        (vec!["rollback"], &standard),
    ] {
        operator.does(&[&order[..], &["--realm", REALM, "--reason", "as planned"]].concat());
        assert_eq!(operator.active("admission")["policy"], **now);
        assert_eq!(operator.active("handling")["policy"], **now);
        more_come(&server);
    }
    let trace = traffic.succeeds();
    assert_eq!(trace.received().iter().filter(|answer| answer.status() == Some(202)).count(), 1500);

    assert!(!server.log().contains("could not be stored"), "one user's records are written one after the other");
    let events = events(&server, &bob);
    let judged: Vec<&Value> =
        events.iter().filter(|event| is(event, "MessageDeferred") || is(event, "HandlingChosen")).collect();
    assert_eq!(judged.len(), 3000);
    for event in &judged {
        is_whole(event, &pushing, &managing);
    }
    let expected = [&standard, &pushing, &managing, &pushing, &standard].map(String::as_str);
    for kind in ["MessageDeferred", "HandlingChosen"] {
        assert_eq!(turns(&events, kind), expected, "{kind}: each policy from its activation on, and never before");
    }

    let past = operator.tells(&["diff", &managing, "--realm", REALM, "--since", "1h", "--examples", "1"]);
    let handling = &past["realms"][REALM]["handling"];
    let by_managing = judged.iter().filter(|event| is(event, "HandlingChosen") && judge(event) == managing).count();
    assert_eq!((&handling["asked"], &handling["same"]), (&1500.into(), &by_managing.into()), "{past}");
    assert_eq!(handling["changes"]["push → manage"]["count"], 1500 - by_managing, "{past}");

    let retired = operator.is_refused(&["retire", &standard]);
    assert!(retired.contains("built in"), "{retired}");
    operator.does(&["retire", &pushing, "--reason", "nobody needs it"]);
    let refused = operator.is_refused(&["activate", &pushing, "--realm", REALM]);
    assert!(refused.contains("retired"), "{refused}");
    let kinds: Vec<String> = operator.stream().into_iter().map(|(kind, _)| kind).collect();
    for kind in ["PolicyUploaded", "PolicyShadowed", "PolicyActivated", "PolicyRolledBack", "PolicyRetired"] {
        assert!(kinds.iter().any(|it| it == kind), "{kind} in {kinds:?}");
    }
}

#[test]
fn after_kill_9_the_same_policies_decide() {
    let phone = Phone::answering(200);
    let mut server = Setup::behind(phone.address()).start();
    let operator = Operator::of(&server);
    let managing = operator.uploads("managing", &guests::managing());
    let pushing = operator.uploads("pushing", &guests::pushing());
    operator.does(&["activate", &pushing, "--realm", REALM]);
    operator.does(&["activate", &managing, "--realm", REALM, "--decision", "handling"]);
    operator.does(&["shadow", &managing, "--realm", REALM, "--decision", "admission"]);
    server.kill();
    server.start();
    let operator = Operator::of(&server);
    assert_eq!(operator.active("handling")["policy"], *managing);
    assert_eq!(operator.active("admission")["policy"], *pushing);
    assert_eq!(operator.decision("admission")["shadow"]["policy"], *managing);
    let (caller, bob) = (server.caller(), someone());
    server.deferred(&caller, &bob, &cpim(&bob, "hello"));
    let events = events(&server, &bob);
    assert_eq!(turns(&events, "MessageDeferred"), [&pushing]);
    assert_eq!(turns(&events, "HandlingChosen"), [&managing]);
    operator.does(&["rollback", "--realm", REALM, "--decision", "handling"]);
    assert_eq!(operator.active("handling")["policy"], *pushing, "the way back is kept, too");
}

#[test]
fn a_policy_that_keeps_failing_is_tripped_and_no_message_is_lost() {
    let phone = Phone::answering(200);
    let server = Setup::behind(phone.address()).config("[policy]\ntrip-failures = 5").start();
    let operator = Operator::of(&server);
    let pushing = operator.uploads("pushing", &guests::pushing());
    let trapping = operator.uploads("trapping", &guests::trapping(REALM));
    operator.does(&["activate", &pushing, "--realm", REALM]);
    operator.does(&["activate", &trapping, "--realm", REALM]);
    let (caller, bob) = (server.caller(), someone());
    for number in 0..10 {
        server.deferred(&caller, &bob, &cpim(&bob, &format!("message {number}")));
    }
    wait_until("the last good one is back", || operator.active("admission")["policy"] == *pushing);
    server.deferred(&caller, &bob, &cpim(&bob, "afterwards"));
    let events = events(&server, &bob);
    let judges: Vec<&str> = events
        .iter()
        .filter(|event| is(event, "MessageDeferred"))
        .map(|event| event["judge"].as_str().unwrap())
        .collect();
    assert_eq!(judges.len(), 11);
    let fallback = format!("fallback:{trapping}:trap");
    assert!(judges[..5].iter().all(|judge| *judge == fallback), "{judges:#?}");
    assert_eq!(judges[10], format!("component:{pushing}"));
    let stream = operator.stream();
    assert!(stream.contains(&("PolicyTripped".to_owned(), "restante".to_owned())), "{stream:?}");
    assert_eq!(server.metric("restante_policy_trips_total"), Some(1.0));
}

#[test]
fn what_is_no_policy_is_refused_with_findings_and_leaves_a_trace() {
    let phone = Phone::answering(200);
    let server = Setup::behind(phone.address()).config("[policy]\ncomponent-bytes-max = 100000").start();
    let operator = Operator::of(&server);
    let empty = operator.file("empty.wasm", b"");
    let text = operator.file("text.wasm", b"(module)");
    let large = operator.file("large.wasm", &vec![0; 200_000]);
    let missing = operator.is_refused(&["upload", "/nonexistent.wasm"]);
    assert!(missing.contains("/nonexistent.wasm"), "{missing}");
    assert!(operator.is_refused(&["upload", &empty]).contains("empty"));
    assert!(operator.is_refused(&["upload", &text]).contains("text"));
    let counters = [
        "restante_limit_hits_total{limit=\"policy.component-bytes-max\"}",
        "restante_policy_orders_total{order=\"upload\",result=\"refused\"}",
    ];
    let before = counters.map(|counter| server.metric(counter).unwrap_or_default());
    let told = operator.is_refused(&["upload", &large]);
    assert!(told.contains("100000") || told.contains("100 000"), "{told}");
    for (counter, before) in counters.iter().zip(before) {
        let times = server.metric(counter).unwrap_or_default() - before;
        assert!((times - 1.0).abs() < 0.1, "{counter} is counted once, not {times} times");
    }
    assert!(operator.stream().iter().any(|(kind, _)| kind == "UploadRefused"));
    for order in [["activate", "0123456789abcdef"], ["shadow", "nobody"]] {
        let told = operator.is_refused(&[&order[..], &["--realm", REALM]].concat());
        assert!(told.contains("restante policy list"), "{told}");
    }
    let pushing = operator.uploads("pushing", &guests::pushing());
    let told = operator.is_refused(&["activate", &pushing, "--realm", "elsewhere.test"]);
    assert!(told.contains("elsewhere.test"), "{told}");
    let told = operator.is_refused(&["activate", &pushing, "--realm", REALM, "--decision", "expiry"]);
    assert!(told.contains("admission, handling"), "{told}");
    let told = operator.is_refused(&["rollback", "--realm", REALM]);
    assert!(told.contains("nothing"), "{told}");
    let (caller, bob) = (server.caller(), someone());
    let answer = caller.request(&message(caller.via(), &bob, cpim(&bob, "still there")));
    assert_eq!(answer.status(), Some(202));
}

/// A fresh token with its place in the configuration.
fn token(name: &str, role: &str) -> (String, String) {
    let output = run(&["token", "new", "--name", name, "--role", role, "--json"]);
    assert!(output.status.success(), "{}", said(&output));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let entry = format!("[[admin.tokens]]\nname = {name:?}\nsha256 = {}\nroles = [{role:?}]\n", told["sha256"]);
    (told["token"].as_str().unwrap().to_owned(), entry)
}

#[test]
fn who_may_do_what_is_told_by_tokens_and_the_stream_names_the_author() {
    let phone = Phone::answering(200);
    let (anna, of_anna) = token("anna", &format!("operator:{REALM}"));
    let (audra, of_audra) = token("audra", "auditor");
    let (sven, of_sven) = token("sven", "sre");
    let server = Setup::behind(phone.address()).config(&[of_anna, of_audra, of_sven].concat()).start();
    let component = guests::pushing();
    let nobody = Operator::of(&server);
    let file = nobody.file("pushing.wasm", &component);
    let upload = ["upload", &file, "--realm", REALM];
    assert!(nobody.is_refused(&upload).contains("token"), "nobody comes in without one");
    assert!(Operator::of(&server).with_token("restante_guessed").is_refused(&["list"]).contains("401"));
    let auditor = Operator::of(&server).with_token(&audra);
    auditor.does(&["list"]);
    assert!(auditor.is_refused(&upload).contains("operator"), "it is said who may");
    let operator = Operator::of(&server).with_token(&anna);
    let pushing = operator.tells(&upload)["digest"].as_str().unwrap().to_owned();
    operator.does(&["activate", &pushing, "--realm", REALM]);
    let reliability = Operator::of(&server).with_token(&sven);
    assert!(!reliability.tries(&["activate", &pushing, "--realm", REALM]).status.success());
    reliability.does(&["rollback", "--realm", REALM, "--reason", "it pages me"]);
    let stream = auditor.stream();
    for (event, author) in [("PolicyUploaded", "anna"), ("PolicyActivated", "anna"), ("PolicyRolledBack", "sven")] {
        assert!(stream.contains(&(event.to_owned(), author.to_owned())), "{event} by {author}: {stream:?}");
    }
    let log = server.log();
    assert!(!log.contains(&anna) && !log.contains("restante_guessed"), "no token is in the log");
    assert!(server.metric("restante_admin_refusals_total").is_some_and(|refusals| refusals >= 3.0));
}

/// Two carriers and whoever runs the server: what the one does is neither seen by the other, nor in its way.
#[test]
fn carriers_on_one_server_do_not_meet() {
    let phone = Phone::answering(200);
    let (anna, of_anna) = token("anna", &format!("operator:{REALM}"));
    let (olga, of_olga) = token("olga", "operator:other.test");
    let (root, of_root) = token("root", "operator:*");
    let config = [of_anna, of_olga, of_root, "[realms.\"other.test\"]\n".to_owned()].concat();
    let server = Setup::behind(phone.address()).config(&config).start();
    let [anna, olga, root] = [anna, olga, root].map(|token| Operator::of(&server).with_token(&token));
    let own = anna.uploads("otp", &guests::pushing());
    for hidden in [&["show", &own][..], &["retire", "otp"], &["activate", &own, "--realm", "other.test"]] {
        assert!(olga.is_refused(hidden).contains("404"), "{hidden:?}");
    }
    // The same name means another policy there; here it goes on meaning what it meant.
    let other = olga.uploads("otp", &guests::managing());
    for operator in [&anna, &root] {
        operator.does(&["activate", "otp", "--realm", REALM]);
        assert_eq!(anna.active("handling")["policy"], own.as_str());
    }
    assert!(root.is_refused(&["show", "otp"]).contains(&other[..16]), "which one is asked back");
    olga.does(&["activate", "otp", "--realm", "other.test"]);
    // What could be gone back to is not for others to throw away, also if it is for both of them.
    anna.does(&["rollback", "--realm", REALM]);
    root.does(&["activate", &own, "--realm", "other.test"]);
    olga.does(&["activate", "otp", "--realm", "other.test"]);
    let told = anna.is_refused(&["retire", &own]);
    assert!(told.contains("403") && !told.contains("other.test"), "{told}");
    assert!(olga.stream().iter().all(|(event, author)| author != "anna" || event == "PolicyUploaded"));
    assert!(anna.stream().iter().all(|(_, author)| author != "olga"));
    root.does(&["retire", &own]);
}

/// Runs openssl in a directory.
fn openssl(home: &std::path::Path, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new("openssl").args(arguments).current_dir(home).output().unwrap();
    assert!(output.status.success(), "openssl {arguments:?}: {}", said(&output));
    output.stdout
}

#[test]
fn a_realm_may_take_signed_components_only() {
    let home = tempfile::tempdir().unwrap();
    openssl(home.path(), &["genpkey", "-algorithm", "ed25519", "-out", "key.pem"]);
    let public = openssl(home.path(), &["pkey", "-in", "key.pem", "-pubout", "-outform", "DER"]);
    let public = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &public[public.len() - 32..]);
    let phone = Phone::answering(200);
    let config = format!(
        "[realms.{REALM:?}]\nsigned-policies = true\n[[policy.keys]]\nid = \"2026\"\ned25519 = {public:?}\n\
         [[policy.keys]]\nid = \"2025\"\ned25519 = {public:?}\nnot-after = \"2026-01-01T00:00:00Z\"\n"
    );
    let server = Setup::behind(phone.address()).config(&config).start();
    let operator = Operator::of(&server);
    let file = operator.file("pushing.wasm", &guests::pushing());
    let sign = |what: &str, into: &str| {
        let into = home.path().join(into);
        let arguments =
            ["pkeyutl", "-sign", "-rawin", "-inkey", "key.pem", "-in", what, "-out", into.to_str().unwrap()];
        openssl(home.path(), &arguments);
        into.to_str().unwrap().to_owned()
    };
    let good = sign(&file, "good.sig");
    let other = operator.file("other.wasm", &guests::managing());
    let wrong = sign(&other, "wrong.sig");
    let upload = ["upload", &file, "--realm", REALM];
    assert!(operator.is_refused(&upload).contains("signed"));
    for (signature, why) in [
        (format!("2026:{wrong}"), "no Ed25519 signature"),
        (format!("2025:{good}"), "expired"),
        (format!("2024:{good}"), "no key"),
    ] {
        let told = operator.is_refused(&[&upload[..], &["--signature", &signature]].concat());
        assert!(told.contains(why), "{told}");
    }
    let signature = format!("2026:{good}");
    let uploaded = operator.tells(&[&upload[..], &["--signature", &signature]].concat());
    operator.does(&["activate", uploaded["digest"].as_str().unwrap(), "--realm", REALM]);
    assert!(operator.stream().iter().any(|(kind, _)| kind == "UploadRefused"), "wrong ones leave a trace");
}

/// A function whose every local lives through every loop: what the compiler keeps of it grows with their product.
fn bomb() -> Vec<u8> {
    let (locals, loops) = (4_000, 4_000);
    let uses: String = (0..locals).map(|local| format!("local.get {local} drop ")).collect::<Vec<_>>().concat();
    let (open, close) = ("loop ".repeat(loops), "end ".repeat(loops));
    let declared = "i32 ".repeat(locals);
    wat::parse_str(format!("(component (core module (func (local {declared}) {open} {uses} {close})))")).unwrap()
}

#[test]
fn a_component_that_eats_its_compiler_is_refused_while_messages_come() {
    let phone = Phone::answering(200);
    let server = Setup::behind(phone.address()).config("[policy]\ncompile-secs-max = 3").start();
    let (operator, bob) = (Operator::of(&server), someone());
    let file = operator.file("bomb.wasm", &bomb());
    let traffic =
        Sipp::client("defer.xml", server.sip(), &["-m", "200", "-r", "20", "-s", &bob, "-key", "expires", "864000"]);
    let told = operator.is_refused(&["upload", &file]);
    assert!(told.contains("compil"), "{told}");
    traffic.succeeds();
    server.wait_for_metric(metric::QUEUED, 200.0);
    operator.uploads("pushing", &guests::pushing());
}
