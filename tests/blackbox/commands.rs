//! The command line and the admin port, as scripts and operators use them.

use crate::phone::Phone;
use crate::server::{Setup, metric, run, said};
use crate::wire::{Registration, cpim, someone};
use std::path::{Path, PathBuf};

fn file(directory: &tempfile::TempDir, name: &str, content: impl AsRef<[u8]>) -> String {
    let path: PathBuf = directory.path().join(name);
    std::fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn check_accepts_a_good_configuration_and_opens_nothing() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let good = file(
        &home,
        "good.toml",
        format!(
            "[sip]\nlisten = [\"udp:127.0.0.1:5060\"]\ntrusted-peers = [\"127.0.0.0/8\"]\n\
             [realms.\"ims.test\"]\nexpiry-max-secs = 3600\n[journal]\ndirectory = {:?}\n",
            data.display()
        ),
    );
    let output = run(&["check", "--config", &good]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(!data.exists(), "check makes no data directory");
}

#[test]
fn check_names_an_unknown_key_and_its_line() {
    let home = tempfile::tempdir().unwrap();
    let bad = file(&home, "bad.toml", "[sip]\nlisten = [\"udp:127.0.0.1:5060\"]\n\nlisen-twice = true\n");
    let output = run(&["check", "--config", &bad]);
    assert!(!output.status.success(), "{}", said(&output));
    let told = said(&output);
    assert!(told.contains("lisen-twice"), "the key is named: {told}");
    assert!(told.contains("line 4") || told.contains(":4"), "the line is named: {told}");
}

#[test]
fn check_refuses_what_cannot_be_served() {
    let home = tempfile::tempdir().unwrap();
    for (fault, text) in [
        ("not TOML", "[sip\n"),
        ("no socket", "[sip]\nlisten = [\"carrier-pigeon:1\"]\n"),
        ("wrong type", "[queue]\nmessages-max = \"many\"\n"),
        ("expiry out of range", "[realms.\"ims.test\"]\nexpiry-max-secs = 0\n"),
        ("expiry out of range", "[realms.\"ims.test\"]\nexpiry-max-secs = 2592001\n"),
        ("no network", "[sip]\ntrusted-peers = [\"127.0.0.0/99\"]\n"),
        ("negative", "[queue]\nin-flight-max = -1\n"),
    ] {
        let bad = file(&home, "bad.toml", text);
        let output = run(&["check", "--config", &bad]);
        assert!(matches!(output.status.code(), Some(1..=100)), "{fault}: {}", said(&output));
        assert!(!output.stderr.is_empty() && !said(&output).contains("panicked"), "{fault}: {}", said(&output));
    }
    let missing = run(&["check", "--config", "/nonexistent/restante.toml"]);
    assert!(!missing.status.success() && said(&missing).contains("/nonexistent/restante.toml"), "{}", said(&missing));
}

#[test]
fn serve_refuses_what_check_refuses() {
    let home = tempfile::tempdir().unwrap();
    let bad = file(&home, "bad.toml", "[queue]\nmesages-max = 3\n");
    let output = run(&["serve", "--config", &bad, "--data", home.path().join("d").to_str().unwrap()]);
    assert!(!output.status.success() && said(&output).contains("mesages-max"), "{}", said(&output));
    let output = run(&["serve", "--listen", "udp:nowhere"]);
    assert!(!output.status.success() && said(&output).contains("udp:nowhere"), "{}", said(&output));
}

#[test]
fn a_port_that_is_taken_is_an_error_with_its_name() {
    let taken = crate::server::free_address();
    let _holder = std::net::UdpSocket::bind(taken).unwrap();
    let home = tempfile::tempdir().unwrap();
    let output = run(&[
        "serve",
        "--listen",
        &format!("udp:{taken}"),
        "--msrp-listen",
        "msrp:127.0.0.1:0",
        "--realm",
        "ims.test",
        "--admin",
        &crate::server::free_address().to_string(),
        "--data",
        home.path().join("d").to_str().unwrap(),
    ]);
    assert!(!output.status.success(), "{}", said(&output));
    assert!(said(&output).contains(&taken.port().to_string()), "{}", said(&output));
}

#[test]
fn a_data_directory_serves_one_server_at_a_time() {
    let phone = Phone::answering(200);
    let server = Setup::behind(phone.address()).start();
    let output = run(&[
        "serve",
        "--listen",
        &format!("udp:{}", crate::server::free_address()),
        "--msrp-listen",
        "msrp:127.0.0.1:0",
        "--realm",
        "ims.test",
        "--admin",
        &crate::server::free_address().to_string(),
        "--data",
        server.data().to_str().unwrap(),
    ]);
    assert!(!output.status.success(), "two servers on one directory: {}", said(&output));
    server.deferred(&server.caller(), &someone(), b"the first one goes on");
}

#[test]
fn policy_check_accepts_the_shipped_component_and_says_what_is_wrong_with_others() {
    let home = tempfile::tempdir().unwrap();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/standard.wasm");
    let output = run(&["policy", "check", shipped.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    for hook in ["admission", "handling", "delivery", "expiry"] {
        assert!(said(&output).contains(hook), "{hook} is not named: {}", said(&output));
    }
    let component = std::fs::read(&shipped).unwrap();
    for (fault, bytes) in [
        ("garbage", b"this is no component".to_vec()),
        ("empty", Vec::new()),
        ("cut short", component[..component.len() / 2].to_vec()),
        ("a module", wat::parse_str("(module)").unwrap()),
        ("a component without a decision", wat::parse_str("(component)").unwrap()),
    ] {
        let path = file(&home, "bad.wasm", bytes);
        let output = run(&["policy", "check", &path]);
        assert!(matches!(output.status.code(), Some(1..=100)), "{fault}: {}", said(&output));
        assert!(!output.stderr.is_empty() && !said(&output).contains("panicked"), "{fault}: {}", said(&output));
    }
}

#[test]
fn the_admin_port_tells_health_readiness_and_figures() {
    let phone = Phone::answering(200);
    let server = Setup::behind(phone.address()).start();
    let (caller, bob) = (server.caller(), someone());
    server.deferred(&caller, &bob, &cpim(&bob, "x"));
    assert_eq!(server.get("/healthz").unwrap().0, 200);
    assert_eq!(server.get("/readyz").unwrap().0, 200);
    assert_eq!(server.get("/no-such-page").unwrap().0, 404);
    server.wait_for_metric(metric::QUEUED, 1.0);
    server.registered(&caller, &mut Registration::of(&bob), &phone, 3600);
    phone.wait_for(1);
    server.wait_for_metric(metric::QUEUED, 0.0);
    let (_, text) = server.get("/metrics").unwrap();
    for line in text.lines().filter(|line| !line.is_empty()) {
        let known = line.starts_with("# HELP ") || line.starts_with("# TYPE ") || line.contains(' ');
        assert!(known, "no Prometheus text: {line}");
    }
    for topic in ["regist", "deferr", "deliver", "expir", "polic", "commit", "queue", "awake", "sip", "limit"] {
        let named = text.lines().any(|line| line.starts_with("# HELP ") && line.contains(topic));
        assert!(named, "nothing on '{topic}' in\n{text}");
    }
}

#[test]
fn the_server_prints_what_it_listens_on() {
    let phone = Phone::answering(200);
    let server = Setup::behind(phone.address()).start();
    let log = server.log();
    assert!(log.contains(&format!("udp:{}", server.sip())), "{log}");
    assert!(log.contains(&format!("tcp:{}", server.sip())), "{log}");
}

#[test]
fn the_timeline_can_be_read_beside_a_running_server_and_after_its_end() {
    let phone = Phone::answering(200);
    let mut server = Setup::behind(phone.address()).start();
    let (caller, bob) = (server.caller(), someone());
    server.deferred(&caller, &bob, &cpim(&bob, "x"));
    let beside = server.timeline(&bob);
    assert!(beside.contains("MessageDeferred"), "{beside}");
    server.kill();
    assert_eq!(server.timeline(&bob), beside);
    let missing = run(&["audit", "timeline", "--user", "sip:x@ims.test", "--data", "/nonexistent/data"]);
    assert!(!missing.status.success(), "{}", said(&missing));
}
