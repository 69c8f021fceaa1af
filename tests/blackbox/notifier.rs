//! Telling users who are not there, out of band: a webhook and an SMSC, each a program of its own (MNG-N2, I-32).

use crate::http::{Answer, HttpServer, Request};
use crate::phone::{Phone, is_system};
use crate::server::{Server, Setup};
use crate::ua::{Caller, PATIENCE};
use crate::wire::{ALICE, REALM, Registration, address, cpim};
use hmac::{Hmac, Mac as _};
use serde_json::Value;
use sha2::Sha256;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const SECRETS: [&str; 2] = ["the old one, sixteen+", "the new one, sixteen+"];

/// A realm whose users manage their messages themselves and are told in this way.
fn telling(phone: &Phone, kind: &str, section: &str) -> Server {
    Setup::behind(phone.address())
        .config(&format!("[realms.\"{REALM}\"]\nhandling = \"manage\"\n[notifier]\nkind = \"{kind}\""))
        .config(&format!("[queue]\nbackoff-min-secs = 1\nbackoff-max-secs = 1\n{section}"))
        .start()
}

/// Two messages in one absence, then another absence and a third one; `told` waits for so many notices in all.
fn two_absences(server: &Server, phone: &Phone, caller: &Caller, bob: &str, mut told: impl FnMut(usize)) {
    server.deferred(caller, bob, &cpim(bob, "one"));
    told(1);
    server.wait_for_event(bob, "NotificationSent");
    server.deferred(caller, bob, &cpim(bob, "two"));
    let timeline = planned(server, bob, 2);
    assert_eq!(timeline.matches("NotificationSent").count(), 1, "{timeline}");
    // Back, and told in band of both; then gone again.
    let mut registration = Registration::of(bob);
    server.registered(caller, &mut registration, phone, 3600);
    phone.wait_for_such(1, is_system);
    server.registered(caller, &mut registration, phone, 0);
    server.wait_for_event(bob, "ClientGone");
    server.deferred(caller, bob, &cpim(bob, "three"));
    told(2);
}

/// Waits until so many notifications of messages are planned.
fn planned(server: &Server, user: &str, count: usize) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let timeline = server.timeline(user);
        if timeline.lines().filter(|line| line.contains("NotificationPlanned") && line.contains("out of band")).count()
            >= count
        {
            return timeline;
        }
        assert!(Instant::now() < deadline, "not {count} planned\n{timeline}\n{}", server.log());
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Who has any of the secrets can tell that it is ours, and new.
fn is_signed(request: &Request, secret: &str) -> bool {
    let signature = request.header("X-Restante-Signature").expect("a signature");
    let mut parts = signature.split(',');
    let time = parts.next().unwrap().strip_prefix("t=").unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    assert!(now.abs_diff(time.parse().unwrap()) < 60, "{signature}");
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{time}.").as_bytes());
    mac.update(&request.body);
    let expected = format!("v1={}", hex::encode(mac.finalize().into_bytes()));
    parts.any(|part| part == expected)
}

#[test]
fn mng_n2_a_webhook_is_told_once_in_each_absence_and_again_until_it_takes_it() {
    let mut first = true;
    let webhook = HttpServer::start(move |_| {
        let status = if std::mem::take(&mut first) { 503 } else { 202 };
        Some(Answer::status(status))
    });
    let section = format!("[webhook]\nurl = {:?}\nsecrets = {SECRETS:?}", webhook.url("/told?by=restante"));
    let phone = Phone::answering(200);
    let server = telling(&phone, "webhook", &section);
    let (caller, bob) = (server.caller(), crate::wire::someone());
    // The first is refused once and comes again.
    two_absences(&server, &phone, &caller, &bob, |count| {
        webhook.wait_for(count + 1);
    });
    server.wait_for_metric("restante_queue_messages", 3.0);
    let came = webhook.came();
    assert_eq!(came.len(), 3, "{came:#?}");
    for request in &came {
        assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/told?by=restante"));
        assert_eq!(request.header("Content-Type"), Some("application/json"));
        assert!(SECRETS.iter().all(|secret| is_signed(request, secret)), "{request:?}");
        assert!(!is_signed(request, "another, sixteen+"));
    }
    let notices: Vec<Value> = came.iter().map(|request| serde_json::from_slice(&request.body).unwrap()).collect();
    let ids: Vec<_> = came.iter().map(|request| request.header("Idempotency-Key").unwrap()).collect();
    assert!(ids[0] == ids[1] && ids[1] != ids[2], "a repeat has the name of the first: {ids:?}");
    for (notice, total) in notices.iter().zip([1, 1, 3]) {
        assert_eq!((&notice["user"], &notice["realm"]), (&address(&bob).into(), &REALM.into()));
        assert_eq!((&notice["cause"], &notice["total"]), (&"deferred".into(), &total.into()), "{notice}");
        assert_eq!(notice["messages"].as_array().unwrap().len(), total);
        assert_eq!(notice["messages"][0]["sender"], address(ALICE).as_str());
    }
}

/// The SMSC of `tests/smpp/smsc.js`.
struct Smsc {
    child: Child,
    told: mpsc::Receiver<String>,
}

impl Smsc {
    fn start() -> (Self, u64) {
        let cache = std::env::var("XDG_CACHE_HOME").or_else(|_| std::env::var("HOME").map(|home| home + "/.cache"));
        let modules = format!("{}/restante/node/node_modules", cache.unwrap());
        assert!(Path::new(&modules).join("smpp").is_dir(), "the npm package smpp is missing: run script/setup");
        let mut child = Command::new("node")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/smpp/smsc.js"))
            .arg("0")
            .env("NODE_PATH", modules)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node is missing: run script/setup");
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| tell.send(line)));
        let smsc = Self { child, told };
        let port = smsc.next("listening")["port"].as_u64().unwrap();
        (smsc, port)
    }

    /// The next event of this kind; others are passed over.
    fn next(&self, kind: &str) -> Value {
        loop {
            let line = self.told.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("no {kind}: {error}"));
            let event: Value = serde_json::from_str(&line).unwrap();
            if event["event"] == kind {
                return event;
            }
        }
    }
}

impl Drop for Smsc {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn mng_n2_an_smsc_gets_one_short_message_for_each_absence() {
    let (smsc, port) = Smsc::start();
    let section = format!(
        "[smpp]\naddress = \"127.0.0.1:{port}\"\nsystem-id = \"restante\"\npassword = \"secret\"\nreconnect-min-ms = 20"
    );
    let phone = Phone::answering(200);
    let server = telling(&phone, "smpp", &section);
    assert_eq!(smsc.next("bind")["good"], true);
    // Numbers that end in 997 are throttled once, which is no reason to tell anybody twice.
    let (caller, bob) = (server.caller(), "+12025550997");
    let mut texts = Vec::new();
    two_absences(&server, &phone, &caller, bob, |count| {
        let tries = if count == 1 { 2 } else { 1 };
        let submits: Vec<Value> = (0..tries).map(|_| smsc.next("submit")).collect();
        assert!(submits.iter().all(|submit| submit["destination"][0] == bob.trim_start_matches('+')), "{submits:?}");
        texts.push(submits.last().unwrap()["text"].as_str().unwrap().to_owned());
    });
    assert!(texts.len() == 2 && texts[0].starts_with("You have 1 "), "{texts:?}");
    assert!(texts[1].starts_with("You have 3 "), "{texts:?}");
    times_out_of_band(&server, bob, 2);
}

/// So many notices out of band have been handed over, and no more.
fn times_out_of_band(server: &Server, user: &str, count: usize) {
    let deadline = Instant::now() + PATIENCE;
    let sent = || {
        let timeline = server.timeline(user);
        timeline.lines().filter(|line| line.contains("NotificationSent") && line.contains("out of band")).count()
    };
    while sent() < count {
        assert!(Instant::now() < deadline, "{}", server.timeline(user));
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(sent(), count, "{}", server.timeline(user));
}
