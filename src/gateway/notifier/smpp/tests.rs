//! Against an SMSC made with another library (tests/smpp/smsc.js on the npm package `smpp`; script/setup installs it).

use super::super::tests::{Counted, notice};
use super::*;
use crate::config::{Secret, SmppBind, SmppLong};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tokio::sync::mpsc;

/// Nothing here takes so long unless it is broken.
const PATIENCE: Duration = Duration::from_secs(30);

/// The SMSC as a process.
struct Smsc {
    child: Child,
    told: mpsc::Receiver<String>,
    port: u16,
}

impl Smsc {
    async fn start(port: u16, more: &[&Path]) -> Self {
        let cache = std::env::var("XDG_CACHE_HOME").or_else(|_| std::env::var("HOME").map(|home| home + "/.cache"));
        let modules = format!("{}/restante/node/node_modules", cache.unwrap());
        assert!(Path::new(&modules).join("smpp").is_dir(), "the npm package smpp is missing: run script/setup");
        let mut child = Command::new("node")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/smpp/smsc.js"))
            .arg(port.to_string())
            .args(more)
            .env("NODE_PATH", modules)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node is missing: run script/setup");
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (tell, told) = mpsc::channel(1024);
        std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| tell.blocking_send(line)));
        let mut smsc = Self { child, told, port };
        let listening = smsc.next("listening").await;
        smsc.port = u16::try_from(listening["port"].as_u64().unwrap()).unwrap();
        smsc
    }

    /// The next event of this kind; others are passed over.
    async fn next(&mut self, kind: &str) -> Value {
        let reading = async {
            while let Some(line) = self.told.recv().await {
                let event: Value = serde_json::from_str(&line).unwrap();
                if event["event"] == kind {
                    return event;
                }
            }
            panic!("the SMSC ended without {kind}");
        };
        timeout(PATIENCE, reading).await.unwrap_or_else(|_| panic!("no {kind} in {PATIENCE:?}"))
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let id = rustix::process::Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        rustix::process::kill_process(id, signal).unwrap();
    }
}

impl Drop for Smsc {
    fn drop(&mut self) {
        // It may have ended already.
        let _killed = self.child.kill();
        let _ended = self.child.wait();
    }
}

fn config(smsc: &Smsc) -> config::Smpp {
    config::Smpp {
        address: Some(format!("127.0.0.1:{}", smsc.port)),
        system_id: "restante".to_owned(),
        password: Secret("secret".to_owned()),
        system_type: "cpm".to_owned(),
        reconnect_min_ms: 20,
        reconnect_max_ms: 100,
        ..config::Smpp::default()
    }
}

fn start(config: &config::Smpp) -> (Smpp, Arc<Counted>) {
    let counted = Arc::new(Counted::default());
    (Smpp::start(config, Arc::clone(&counted) as _).unwrap(), counted)
}

/// Waits until the connection is bound (or not).
async fn until_bound(smpp: &Smpp, bound: bool) {
    let mut seen = smpp.link.watch();
    let waiting = seen.wait_for(|client| client.is_some() == bound);
    timeout(PATIENCE, waiting).await.expect("the connection does not change").unwrap();
}

async fn bound(smsc: &Smsc, change: impl FnOnce(&mut config::Smpp)) -> (Smpp, Arc<Counted>) {
    let mut config = config(smsc);
    change(&mut config);
    let (smpp, counted) = start(&config);
    until_bound(&smpp, true).await;
    (smpp, counted)
}

/// A user whose number ends in these three digits: they tell the SMSC what to do.
fn user(digits: &str) -> String {
    format!("tel:+12025550{digits}")
}

async fn send(smpp: &Smpp, digits: &str) -> Result<(), NotifyError> {
    timeout(PATIENCE, smpp.notify(notice("n-1", &user(digits)))).await.unwrap()
}

#[tokio::test]
async fn a_notice_becomes_a_short_message() {
    let mut smsc = Smsc::start(0, &[]).await;
    let (smpp, counted) = bound(&smsc, |_| {}).await;
    let bind = smsc.next("bind").await;
    assert_eq!((&bind["kind"], &bind["version"]), (&"transceiver".into(), &0x34.into()));
    assert_eq!(bind["system_type"], "cpm");
    smsc.next("receipt-taken").await;
    send(&smpp, "000").await.unwrap();
    let submit = smsc.next("submit").await;
    assert_eq!(submit["destination"], serde_json::json!(["12025550000", 1, 1]));
    assert_eq!(submit["source"], serde_json::json!(["Restante", 5, 0]));
    assert_eq!(submit["text"], "You have 1 message(s) waiting. Switch on your phone's messaging to get them.");
    smpp.close().await;
    smsc.next("unbind").await;
    assert!(!smpp.is_bound());
    assert!(matches!(send(&smpp, "000").await, Err(NotifyError::Later { .. })));
    assert_eq!(counted.all(), ["bound true", "bound false"]);
}

#[tokio::test]
async fn it_may_bind_as_a_transmitter_only() {
    let mut smsc = Smsc::start(0, &[]).await;
    let (smpp, _) = bound(&smsc, |config| config.bind = SmppBind::Transmitter).await;
    assert_eq!(smsc.next("bind").await["kind"], "transmitter");
    send(&smpp, "000").await.unwrap();
}

#[tokio::test]
async fn another_library_reads_unicode_long_texts_and_payloads_as_they_were_meant() {
    let mut smsc = Smsc::start(0, &[]).await;
    let (wide, _) = bound(&smsc, |config| config.text = "Сообщений: {count}".to_owned()).await;
    send(&wide, "000").await.unwrap();
    let submit = smsc.next("submit").await;
    assert_eq!((&submit["coding"], &submit["text"]), (&8.into(), &"Сообщений: 1".into()));

    let text = format!("{}{{{}}}", "Grüße ".repeat(30), "count");
    let expected = format!("{}1", "Grüße ".repeat(30));
    let (parts, _) = bound(&smsc, |config| config.text.clone_from(&text)).await;
    send(&parts, "000").await.unwrap();
    let (first, second) = (smsc.next("submit").await, smsc.next("submit").await);
    let joined = [&first, &second].map(|part| part["text"].as_str().unwrap()).concat();
    assert_eq!(joined, expected);
    let number = |part: &Value| part["header"][0].as_str().unwrap().to_owned();
    assert!(number(&first).ends_with("0201") && number(&second).ends_with("0202"), "{first} {second}");

    let (payload, _) = bound(&smsc, |config| (config.text, config.long) = (text, SmppLong::Payload)).await;
    send(&payload, "000").await.unwrap();
    assert_eq!(smsc.next("submit").await["payload"], expected);
}

#[tokio::test]
async fn each_status_says_whether_to_try_again() {
    let smsc = Smsc::start(0, &[]).await;
    let (smpp, _) = bound(&smsc, |_| {}).await;
    // 0x0b: invalid destination, 0x66: rejected.
    for refused in ["011", "102"] {
        assert!(send(&smpp, refused).await.unwrap_err().is_final(), "{refused}");
    }
    // 0x08: system error, 0x64: temporary, 0xff: unknown.
    for later in ["008", "100", "255"] {
        assert!(matches!(send(&smpp, later).await, Err(NotifyError::Later { after: None, .. })), "{later}");
    }
    let nobody = smpp.notify(notice("n", "sip:alice@ims.test")).await.unwrap_err();
    assert!(nobody.is_final() && !nobody.to_string().contains("alice"), "{nobody}");
    assert!(smpp.is_bound());
}

#[tokio::test]
async fn a_throttled_notice_is_to_wait_and_is_taken_at_the_next_try() {
    let smsc = Smsc::start(0, &[]).await;
    let (smpp, _) = bound(&smsc, |_| {}).await;
    let error = send(&smpp, "997").await.unwrap_err();
    assert!(matches!(error, NotifyError::Later { after: Some(_), .. }), "{error}");
    send(&smpp, "997").await.unwrap();
}

#[tokio::test]
async fn an_smsc_that_does_not_answer_a_submission_is_tried_again_later() {
    let smsc = Smsc::start(0, &[]).await;
    let (smpp, _) = bound(&smsc, |config| config.response_secs = 1).await;
    let error = send(&smpp, "999").await.unwrap_err();
    assert!(matches!(&error, NotifyError::Later { cause, .. } if cause.contains("no answer")), "{error}");
    send(&smpp, "000").await.unwrap();
}

#[tokio::test]
async fn a_full_window_asks_for_patience_and_counts_it() {
    let mut smsc = Smsc::start(0, &[]).await;
    let (smpp, counted) = bound(&smsc, |config| (config.window_max, config.response_secs) = (1, 600)).await;
    let waiting = tokio::spawn(smpp.notify(notice("n-1", &user("999"))));
    smsc.next("submit").await;
    let error = send(&smpp, "000").await.unwrap_err();
    assert!(matches!(error, NotifyError::Busy { limit: Limit::SmppWindow, .. }), "{error}");
    assert_eq!(counted.all().last().unwrap(), "smpp.window-max");
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    send(&smpp, "000").await.unwrap();
}

#[tokio::test]
async fn a_connection_that_was_lost_is_made_again() {
    let mut smsc = Smsc::start(0, &[]).await;
    let (smpp, _) = bound(&smsc, |_| {}).await;
    smsc.next("bind").await;
    assert!(matches!(send(&smpp, "998").await, Err(NotifyError::Later { .. })));
    smsc.next("bind").await;
    until_bound(&smpp, true).await;
    send(&smpp, "000").await.unwrap();
    // The same after a bind that the SMSC has forgotten (0x04).
    assert!(matches!(send(&smpp, "004").await, Err(NotifyError::Later { .. })));
    smsc.next("bind").await;
    until_bound(&smpp, true).await;
    send(&smpp, "000").await.unwrap();
}

#[tokio::test]
async fn an_smsc_that_was_killed_is_found_again_when_it_is_back() {
    let mut smsc = Smsc::start(0, &[]).await;
    let (smpp, counted) = bound(&smsc, |_| {}).await;
    smsc.child.kill().unwrap();
    smsc.child.wait().unwrap();
    until_bound(&smpp, false).await;
    let error = send(&smpp, "000").await.unwrap_err();
    assert!(matches!(&error, NotifyError::Later { cause, .. } if cause.contains("not connected")), "{error}");
    let mut back = Smsc::start(smsc.port, &[]).await;
    until_bound(&smpp, true).await;
    send(&smpp, "000").await.unwrap();
    assert_eq!(back.next("submit").await["destination"][0], "12025550000");
    assert_eq!(counted.all().last().unwrap(), "bound true");
}

#[tokio::test]
async fn an_smsc_that_hangs_is_found_out_by_asking() {
    let mut smsc = Smsc::start(0, &[]).await;
    let (smpp, _) = bound(&smsc, |config| (config.enquire_link_secs, config.response_secs) = (1, 1)).await;
    smsc.next("enquire-link").await;
    assert!(smpp.is_bound());
    smsc.signal(rustix::process::Signal::STOP);
    until_bound(&smpp, false).await;
    smsc.signal(rustix::process::Signal::CONT);
    until_bound(&smpp, true).await;
    send(&smpp, "000").await.unwrap();
}

#[tokio::test]
async fn a_wrong_password_leaves_us_unbound_and_trying() {
    let mut smsc = Smsc::start(0, &[]).await;
    let (smpp, _) = start(&config::Smpp { password: Secret("wrong".to_owned()), ..config(&smsc) });
    for _ in 0..3 {
        assert_eq!(smsc.next("bind").await["good"], false);
    }
    assert!(!smpp.is_bound());
    assert!(matches!(send(&smpp, "000").await, Err(NotifyError::Later { .. })));
    smpp.close().await;
}

#[tokio::test]
async fn dropping_it_ends_the_connection() {
    let mut smsc = Smsc::start(0, &[]).await;
    let (smpp, _) = bound(&smsc, |_| {}).await;
    drop(smpp);
    smsc.next("unbind").await;
    smsc.next("closed").await;
}

/// Files with the key and certificate of a server for this name, and the authority that vouches for it.
fn certificates(at: &Path) -> [std::path::PathBuf; 3] {
    let authority = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = params.self_signed(&authority).unwrap();
    let issuer = Issuer::new(params, authority);
    let key = KeyPair::generate().unwrap();
    let server = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let write = |name: &str, pem: String| {
        let path = at.join(name);
        std::fs::write(&path, pem).unwrap();
        path
    };
    [write("key.pem", key.serialize_pem()), write("cert.pem", server.pem()), write("ca.pem", root.pem())]
}

#[tokio::test]
async fn tls_believes_the_given_authority_and_no_other() {
    let at = tempfile::tempdir().unwrap();
    let [key, certificate, authority] = certificates(at.path());
    let mut smsc = Smsc::start(0, &[&key, &certificate]).await;
    let (smpp, _) = bound(&smsc, |config| (config.tls, config.ca_file) = (true, Some(authority))).await;
    send(&smpp, "000").await.unwrap();
    smsc.next("submit").await;
    let other = tempfile::tempdir().unwrap();
    let [_, _, stranger] = certificates(other.path());
    let (doubtful, _) = start(&config::Smpp { tls: true, ca_file: Some(stranger), ..config(&smsc) });
    let trying = tokio::time::sleep(Duration::from_millis(300));
    tokio::select! {
        () = until_bound(&doubtful, true) => panic!("a stranger was believed"),
        () = trying => {}
    }
}

#[tokio::test]
async fn what_cannot_be_used_is_told_at_the_start() {
    let counted = || Arc::new(Counted::default());
    let error = |config: &config::Smpp| Smpp::start(config, counted()).unwrap_err().to_string();
    assert!(error(&config::Smpp::default()).contains("smpp.address"));
    let with = |change: fn(&mut config::Smpp)| {
        let mut config = config::Smpp { address: Some("127.0.0.1:1".to_owned()), ..config::Smpp::default() };
        change(&mut config);
        error(&config)
    };
    assert!(with(|config| config.password = Secret("far too long".to_owned())).contains("smpp.password"));
    let missing = with(|config| (config.tls, config.ca_file) = (true, Some("/nowhere/ca.pem".into())));
    assert!(missing.contains("/nowhere/ca.pem"), "{missing}");
}
