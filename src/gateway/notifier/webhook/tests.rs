//! A real HTTP server of the tests' own: what it is sent, and what its answers mean.

use super::super::tests::{Counted, notice};
use super::*;
use crate::gateway::http::fake::{Act, FakeServer, Seen, answer};
use sha2::Digest as _;
use std::sync::atomic::{AtomicUsize, Ordering};

const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

fn webhook(server: &FakeServer, change: impl FnOnce(&mut config::Webhook)) -> (Webhook, Arc<Counted>) {
    let counted = Arc::new(Counted::default());
    let secrets = vec![Secret("first secret, old".to_owned()), Secret("second secret, new".to_owned())];
    let mut config =
        config::Webhook { url: Some(server.url("/notices?x=1")), secrets, request_secs: 20, ..Default::default() };
    change(&mut config);
    (Webhook::new(&config, Arc::new(|| NOW), Arc::clone(&counted) as _).unwrap(), counted)
}

/// HMAC-SHA256 written out (RFC 2104 section 2), so that it does not share a fault with the program.
fn hmac_by_hand(secret: &str, text: &[u8]) -> String {
    let mut key = [0_u8; 64];
    key[..secret.len()].copy_from_slice(secret.as_bytes());
    let inner = Sha256::digest([&key.map(|octet| octet ^ 0x36)[..], text].concat());
    hex::encode(Sha256::digest([&key.map(|octet| octet ^ 0x5c)[..], &inner[..]].concat()))
}

fn is_signed(seen: &Seen, secret: &str) -> bool {
    let signature = seen.header("x-restante-signature").unwrap();
    let (time, _) = signature.strip_prefix("t=").unwrap().split_once(',').unwrap();
    let text = [time.as_bytes(), b".", &seen.body].concat();
    signature.split(',').any(|part| part == format!("v1={}", hmac_by_hand(secret, &text)))
}

#[tokio::test]
async fn a_notice_is_posted_as_json_and_signed_with_every_secret() {
    let server = FakeServer::start(|_| Act::Say(answer(204, &[], b""))).await;
    let (webhook, _) = webhook(&server, |_| {});
    webhook.notify(notice("n-1", "tel:+12025550200")).await.unwrap();
    let seen = server.seen().remove(0);
    assert_eq!(seen.what(), "POST /notices?x=1");
    assert_eq!(seen.header("content-type"), Some("application/json"));
    assert_eq!(seen.header("idempotency-key"), Some("n-1"));
    assert!(seen.header("x-restante-signature").unwrap().starts_with("t=1700000000,v1="));
    assert!(is_signed(&seen, "first secret, old") && is_signed(&seen, "second secret, new"));
    assert!(!is_signed(&seen, "another secret"));
    let body: serde_json::Value = serde_json::from_slice(&seen.body).unwrap();
    assert_eq!(body["user"], "tel:+12025550200");
    assert_eq!(body["cause"], "deferred");
}

#[test]
fn the_signature_is_the_one_that_openssl_makes() {
    // printf '1700000000.{"id":"n-1"}' | openssl dgst -sha256 -hmac 'first secret, old'
    let secrets = [Secret("first secret, old".to_owned())];
    assert_eq!(
        signature(&secrets, Timestamp(1_700_000_000_999), br#"{"id":"n-1"}"#),
        "t=1700000000,v1=6edf49e32cf22f5dc303756272abaab0cdad109ba3046ccab73127ebdfc361bb"
    );
}

#[tokio::test]
async fn answers_fall_into_taken_refused_and_later() {
    let status = Arc::new(AtomicUsize::new(0));
    let told = Arc::clone(&status);
    let server =
        FakeServer::start(move |_| Act::Say(answer(u16::try_from(told.load(Ordering::Relaxed)).unwrap(), &[], b"no")))
            .await;
    let (webhook, _) = webhook(&server, |_| {});
    for (code, expected) in [
        (200, "taken"),
        (202, "taken"),
        (301, "later"),
        (400, "refused"),
        (401, "refused"),
        (404, "refused"),
        (408, "later"),
        (410, "refused"),
        (422, "refused"),
        (425, "later"),
        (429, "later"),
        (500, "later"),
        (503, "later"),
    ] {
        status.store(code, Ordering::Relaxed);
        let found = match webhook.notify(notice("n", "tel:+12025550200")).await {
            Ok(()) => "taken",
            Err(NotifyError::Refused { .. }) => "refused",
            Err(NotifyError::Later { .. }) => "later",
            Err(NotifyError::Busy { .. }) => "busy",
        };
        assert_eq!(found, expected, "{code}");
    }
    assert_eq!(server.seen().len(), 13, "one try each");
}

#[tokio::test]
async fn retry_after_is_passed_on_in_either_form_and_within_reason() {
    let date = Timestamp::from_secs(1_700_000_090).sip_date();
    let past = Timestamp::from_secs(1_600_000_000).sip_date();
    let cases = [
        ("120".to_owned(), Some(120)),
        (date, Some(90)),
        (past, Some(0)),
        ("99999999".to_owned(), Some(86_400)),
        ("soon".to_owned(), None),
    ];
    for (header, expected) in cases {
        let line = format!("Retry-After: {header}");
        let server = FakeServer::start(move |_| Act::Say(answer(503, &[&line], b""))).await;
        let (webhook, _) = webhook(&server, |_| {});
        let error = webhook.notify(notice("n", "tel:+12025550200")).await.unwrap_err();
        assert_eq!(error.retry_after(), expected.map(Duration::from_secs), "{header}");
    }
}

#[tokio::test]
async fn a_server_that_is_silent_gone_or_chatty_is_tried_again_later() {
    let silent = FakeServer::start(|_| Act::Silence).await;
    let (webhook_of_silent, _) = webhook(&silent, |config| config.request_secs = 1);
    let error = webhook_of_silent.notify(notice("n", "tel:+12025550200")).await.unwrap_err();
    assert!(matches!(&error, NotifyError::Later { cause, .. } if cause.contains("1s")), "{error}");
    let cut = FakeServer::start(|_| Act::SayAndClose(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx".to_vec())).await;
    let (webhook_of_cut, _) = webhook(&cut, |_| {});
    assert!(matches!(webhook_of_cut.notify(notice("n", "tel:+12025550200")).await, Err(NotifyError::Later { .. })));
    // Nobody listens where somebody did.
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (webhook_of_gone, _) = webhook(&silent, |config| config.url = Some(format!("http://{gone}/")));
    assert!(matches!(webhook_of_gone.notify(notice("n", "tel:+12025550200")).await, Err(NotifyError::Later { .. })));
}

#[tokio::test]
async fn more_than_may_be_in_flight_are_told_to_come_again() {
    let server = FakeServer::start(|_| Act::Silence).await;
    let (webhook, counted) = webhook(&server, |config| (config.in_flight_max, config.request_secs) = (1, 600));
    let mut first = webhook.notify(notice("1", "tel:+12025550200"));
    while server.seen().is_empty() {
        tokio::select! {
            ended = &mut first => panic!("{ended:?}"),
            () = tokio::task::yield_now() => {}
        }
    }
    let error = webhook.notify(notice("2", "tel:+12025550200")).await.unwrap_err();
    assert!(matches!(error, NotifyError::Busy { limit: Limit::WebhookInFlight, .. }), "{error}");
    assert_eq!(counted.all(), ["webhook.in-flight-max"]);
}

#[test]
fn a_webhook_without_a_url_is_refused_at_the_start() {
    let error = Webhook::new(&config::Webhook::default(), Arc::new(|| NOW), Arc::new(Counted::default())).unwrap_err();
    assert!(error.to_string().contains("webhook.url"), "{error}");
}
