//! The API over real HTTP on a loopback socket.

mod connections;
mod fake;
mod hindsight;
mod log;
mod openapi;
mod orders;
mod tls;
mod uploads;
mod who;

use super::*;
use crate::gateway::notifier::{Notice, Outbox, Uncounted};
use crate::gateway::preferences::{KeptDocuments, NoCounters};
use crate::metrics::Limit;
use crate::queue::question::NotificationCause;
use crate::shelf::MemoryShelf;
use crate::types::{Address, Timestamp};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

/// An answer, split at the empty line.
struct Answer {
    head: String,
    body: String,
}

fn ask(address: SocketAddr, method: &str, path: &str) -> Answer {
    send(address, method, path, "", "")
}

/// With header lines and a body.
fn send(address: SocketAddr, method: &str, path: &str, headers: &str, body: &str) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    let head = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{length}{headers}\r\n");
    stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    Answer { head: head.to_ascii_lowercase(), body: body.to_owned() }
}

/// Runs the API on a free port while `story` asks it from another thread.
fn serving(story: impl FnOnce(SocketAddr, &Metrics, &Readiness) + Send + 'static) {
    serving_with(Views::default(), story);
}

/// The same, with these views.
fn serving_with(views: Views, story: impl FnOnce(SocketAddr, &Metrics, &Readiness) + Send + 'static) {
    serving_as(Config::default(), Patience::default(), views, story);
}

/// The same, with this configuration, and so patient with bodies.
fn serving_as(
    config: Config,
    patience: Patience,
    views: Views,
    story: impl FnOnce(SocketAddr, &Metrics, &Readiness) + Send + 'static,
) {
    serving_for(config, patience, Times::default(), views, story);
}

/// The same, with connections that end after such times.
fn serving_for(
    config: Config,
    patience: Patience,
    times: Times,
    views: Views,
    story: impl FnOnce(SocketAddr, &Metrics, &Readiness) + Send + 'static,
) {
    actix_web::rt::System::new().block_on(async move {
        let metrics = Arc::new(Metrics::new().unwrap());
        let readiness = Readiness::new();
        let admin = config::Admin { listen: "127.0.0.1:0".parse().unwrap(), ..config.admin };
        let limits = Limits { patience, times, ..Limits::new(&config.policy, &metrics) };
        let (server, address) = bind_with(&admin, limits, Arc::clone(&metrics), readiness.clone(), views).unwrap();
        let handle = server.handle();
        let running = actix_web::rt::spawn(server);
        let told = actix_web::rt::task::spawn_blocking(move || story(address, &metrics, &readiness)).await;
        handle.stop(true).await;
        running.await.unwrap().unwrap();
        told.unwrap();
    });
}

#[test]
fn metrics_are_served_in_prometheus_text_format() {
    serving(|address, metrics, _| {
        metrics.limit_hit(Limit::Mailbox);
        let answer = ask(address, "GET", "/metrics");
        assert!(answer.head.starts_with("http/1.1 200"), "{}", answer.head);
        assert!(answer.head.contains("content-type: text/plain; version=0.0.4"), "{}", answer.head);
        assert!(answer.body.contains("restante_limit_hits_total{limit=\"actors.mailbox-max\"} 1\n"));
    });
}

#[test]
fn readiness_says_what_is_missing_until_nothing_is() {
    serving(|address, _, readiness| {
        assert!(ask(address, "GET", "/healthz").head.starts_with("http/1.1 200"));
        readiness.set(Condition::Policy, true);
        readiness.set(Condition::Sip, true);
        let answer = ask(address, "GET", "/readyz");
        assert!(answer.head.starts_with("http/1.1 503"), "{}", answer.head);
        assert!(answer.head.contains("content-type: application/problem+json"), "{}", answer.head);
        assert!(answer.head.contains("retry-after: 1"), "{}", answer.head);
        let problem: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(problem["status"], 503);
        assert_eq!(problem["waiting-for"], serde_json::json!(["journal"]));

        readiness.set(Condition::Journal, true);
        assert!(ask(address, "GET", "/readyz").head.starts_with("http/1.1 200"));
        readiness.set(Condition::Staying, false);
        assert!(ask(address, "GET", "/readyz").body.contains("the server is stopping"));
        assert!(ask(address, "GET", "/healthz").head.starts_with("http/1.1 200"));
    });
}

#[test]
fn unknown_paths_are_404_and_other_methods_405_with_allow() {
    serving(|address, _, _| {
        let answer = ask(address, "GET", "/v1/nothing");
        assert!(answer.head.starts_with("http/1.1 404"), "{}", answer.head);
        let problem: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(problem["title"], "Not Found");
        let answer = ask(address, "DELETE", "/metrics");
        assert!(answer.head.starts_with("http/1.1 405"), "{}", answer.head);
        assert!(answer.head.contains("allow: get, head"), "{}", answer.head);
        let answer = ask(address, "HEAD", "/readyz");
        assert!(answer.head.starts_with("http/1.1 503") && answer.body.is_empty(), "{}", answer.head);
    });
}

fn notice(id: &str) -> Notice {
    Notice {
        id: id.to_owned(),
        user: Address::parse("tel:+12025550200").unwrap(),
        realm: "ims.test".to_owned(),
        cause: NotificationCause::Deferred,
        at: Timestamp(0),
        total: 3,
        messages: Vec::new(),
    }
}

#[test]
fn the_outbox_is_fetched_and_emptied_by_the_gateway() {
    let slot = Slot::<Outbox>::default();
    let outbox = Arc::new(Outbox::open(Arc::new(MemoryShelf::default()), 10, Arc::new(Uncounted)).unwrap());
    for id in ["a", "b", "c/d", "e"] {
        outbox.put(&notice(id)).unwrap();
    }
    let later = (slot.clone(), outbox);
    serving_with(Views { outbox: slot, ..Views::default() }, move |address, _, _| {
        let answer = ask(address, "GET", "/v1/outbox");
        assert!(answer.head.starts_with("http/1.1 503"), "not open yet: {}", answer.head);
        later.0.fill(later.1);
        let get = |path: &str| {
            let answer = ask(address, "GET", path);
            assert!(answer.head.contains("content-type: application/json"), "{}", answer.head);
            serde_json::from_str::<serde_json::Value>(&answer.body).unwrap()
        };
        let page = get("/v1/outbox?limit=2");
        assert_eq!(page["waiting"], 4);
        assert_eq!((&page["notices"][1]["seq"], &page["notices"][1]["notice"]["id"]), (&2.into(), &"b".into()));
        assert_eq!(get("/v1/outbox?after=2")["notices"].as_array().unwrap().len(), 2);
        assert!(ask(address, "DELETE", "/v1/outbox/c%2Fd").head.starts_with("http/1.1 204"));
        assert!(ask(address, "DELETE", "/v1/outbox/c%2Fd").head.starts_with("http/1.1 404"));
        assert_eq!(ask(address, "POST", "/v1/outbox/ack?through=2").body, "{\"taken\":2}\n");
        assert_eq!(get("/v1/outbox")["notices"][0]["notice"]["id"], "e");
    });
}

#[test]
fn what_the_outbox_cannot_do_is_a_problem_in_json() {
    let slot = Slot::<Outbox>::default();
    slot.fill(Arc::new(Outbox::open(Arc::new(MemoryShelf::default()), 10, Arc::new(Uncounted)).unwrap()));
    serving_with(Views { outbox: slot, ..Views::default() }, |address, _, _| {
        for (method, path, status) in [
            ("GET", "/v1/outbox?after=x", 400),
            ("GET", "/v1/outbox?limit=0", 400),
            ("GET", "/v1/outbox?limit=1001", 400),
            ("POST", "/v1/outbox/ack", 400),
            ("POST", "/v1/outbox", 405),
            ("GET", "/v1/outbox/ack", 405),
            ("GET", "/v1/outbox/a", 405),
        ] {
            let answer = ask(address, method, path);
            assert!(answer.head.starts_with(&format!("http/1.1 {status}")), "{method} {path}: {}", answer.head);
            assert!(answer.head.contains("application/problem+json"), "{method} {path}: {}", answer.head);
            let problem: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
            assert_eq!(problem["status"], status);
        }
        assert!(ask(address, "PUT", "/v1/outbox/a").head.contains("allow: delete"));
    });
}

#[test]
fn a_socket_that_is_taken_is_told_with_its_address() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let admin = config::Admin { listen: taken.local_addr().unwrap(), ..config::Admin::default() };
    let config = Config { admin, ..Config::default() };
    let error =
        bind(&config, Arc::new(Metrics::new().unwrap()), Readiness::new(), Views::default()).err().unwrap().to_string();
    assert!(error.contains(&config.admin.listen.to_string()) && error.contains("admin.listen"), "{error}");
}

#[test]
fn the_store_kept_here_can_be_looked_into() {
    use crate::gateway::store::{Append, Embedded, MessageStore as _, Uncounted};
    use crate::shelf::MemoryShelf;
    use crate::types::{Address, Timestamp};
    let clock = || Timestamp::from_secs(1_267_520_047);
    let store =
        Embedded::start(Arc::new(MemoryShelf::default()), &config::Store::default(), Arc::new(Uncounted), clock);
    let store = Arc::new(store.unwrap());
    let append = Append {
        user: Address::parse("sip:+12025550200@ims.example.net").unwrap(),
        folder: "12345".to_owned(),
        object: bytes::Bytes::from_static(b"From: anonymous\r\nIMDN-Message-ID: 1\r\n\r\n<script>").into(),
        imdn_message_id: "1".to_owned(),
        may_exist: false,
    };
    actix_web::rt::System::new().block_on(store.append(append)).unwrap();
    let view = Slot::<dyn Reading>::default();
    view.fill(store);
    serving_with(Views { store: view, ..Views::default() }, |address, _, _| {
        let get = |path: &str| ask(address, "GET", path);
        let json = |path: &str| serde_json::from_str::<serde_json::Value>(&get(path).body).unwrap();
        let user = "/v1/users/sip:%2B12025550200@ims.example.net/store";
        let folder = serde_json::json!({
            "name": "Default/12345", "uidvalidity": 1_267_520_047, "uid-next": 2, "messages": 1, "octets": 47
        });
        assert_eq!(json(user), serde_json::json!({ "folders": [folder] }));
        assert_eq!(json(&format!("{user}?after=Default/12345")), serde_json::json!({ "folders": [] }));
        let listed = serde_json::json!({ "uid": 1, "octets": 47, "stored-at": "2010-03-02T08:54:07.000Z" });
        assert_eq!(json(&format!("{user}?folder=Default/12345")), serde_json::json!({ "objects": [listed] }));
        for path in ["Default/12345/1", "Default%2F12345/1"] {
            let object = get(&format!("{user}/{path}"));
            assert!(object.body.ends_with("<script>"), "{}", object.body);
            assert!(object.head.contains("content-type: message/rfc822"), "{}", object.head);
            assert!(object.head.contains("x-content-type-options: nosniff"), "{}", object.head);
        }
        for (path, status) in [
            (format!("{user}/Default/12345/2"), 404),
            (format!("{user}/Default/12345/99999999999"), 404),
            (format!("{user}?folder=Default/1"), 404),
            (format!("{user}?folder=Default/12345&after=x"), 400),
            ("/v1/users/nobody/store".to_owned(), 400),
        ] {
            let refused = get(&path);
            assert!(refused.head.starts_with(&format!("http/1.1 {status}")), "{path}: {}", refused.head);
            assert!(refused.head.contains("application/problem+json"), "{path}: {}", refused.head);
        }
        assert!(ask(address, "DELETE", user).head.starts_with("http/1.1 405"));
    });
    let elsewhere = Slot::<dyn Reading>::default();
    serving_with(Views { store: elsewhere.clone(), ..Views::default() }, move |address, _, _| {
        let answer = ask(address, "GET", "/v1/users/sip:bob@ims.test/store");
        assert!(answer.head.starts_with("http/1.1 503") && answer.body.contains("starting"), "{}", answer.body);
        elsewhere.leave_empty();
        let answer = ask(address, "GET", "/v1/users/sip:bob@ims.test/store");
        assert!(answer.head.starts_with("http/1.1 404") && answer.body.contains("store.imap"), "{}", answer.body);
    });
}

const RULES: &str = "/v1/users/sip%3A%2B12025550200%40ims.example.net/preferences/rules";
const RULESET: &str = "<ruleset xmlns=\"urn:ietf:params:xml:ns:common-policy\"/>";

/// With documents on a shelf in memory.
fn with_documents() -> (Views, Arc<KeptDocuments>) {
    let section = config::Preferences { document_bytes_max: 1024, ..config::Preferences::default() };
    let documents = KeptDocuments::open(Arc::<MemoryShelf>::default(), &section, Arc::new(NoCounters)).unwrap();
    let (parts, documents) = (Views::default(), Arc::new(documents));
    parts.preferences.fill(documents.clone());
    (parts, documents)
}

/// The value of `ETag`.
fn tag(answer: &Answer) -> String {
    answer.head.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap().to_owned()
}

fn status(answer: &Answer) -> &str {
    answer.head.split(' ').nth(1).unwrap()
}

#[test]
fn a_preferences_document_is_put_read_changed_and_removed() {
    let (parts, documents) = with_documents();
    let user = crate::types::Address::parse("sip:+12025550200@ims.example.net").unwrap();
    let kept = move || documents.get(&user, crate::gateway::preferences::Document::Rules).unwrap();
    serving_with(parts, move |address, _, _| {
        assert_eq!(status(&ask(address, "GET", RULES)), "404");
        let first = send(address, "PUT", RULES, "If-None-Match: *\r\n", RULESET);
        assert_eq!(status(&first), "201");
        assert_eq!(kept().unwrap().body, RULESET);
        let got = ask(address, "GET", RULES);
        assert_eq!((status(&got), got.body.as_str(), tag(&got)), ("200", RULESET, tag(&first)));
        for known in [tag(&first), format!("\"x\", W/{}", tag(&first)), "*".to_owned()] {
            let known = format!("If-None-Match: {known}\r\n");
            assert_eq!(status(&send(address, "GET", RULES, &known, "")), "304", "{known}");
        }
        assert_eq!(status(&send(address, "GET", RULES, "If-None-Match: \"x\"\r\n", "")), "200");
        let changed = RULESET.replace("/>", "></ruleset>");
        let matching = format!("If-Match: \"other\", {}\r\n", tag(&first));
        let second = send(address, "PUT", RULES, &matching, &changed);
        assert_eq!(status(&second), "204");
        assert_ne!(tag(&second), tag(&first));
        // Somebody who does not know of the change.
        let late = send(address, "PUT", RULES, &matching, RULESET);
        assert_eq!(status(&late), "412");
        assert!(late.head.contains("application/problem+json") && late.body.contains("ETag"), "{}", late.body);
        assert_eq!(status(&send(address, "DELETE", RULES, &matching, "")), "412");
        assert_eq!(status(&send(address, "DELETE", RULES, "If-Match: *\r\n", "")), "204");
        assert_eq!(status(&ask(address, "DELETE", RULES)), "404");
        assert!(kept().is_none());
    });
}

#[test]
fn a_preferences_document_that_will_not_do_is_refused_with_the_reason() {
    let (parts, _) = with_documents();
    serving_with(parts, |address, _, _| {
        for (path, headers, body, expected) in [
            (RULES, "", "<ruleset", "422"),
            (RULES, "", "<!DOCTYPE a><ruleset/>", "422"),
            (RULES, "", &"x".repeat(1025), "413"),
            (RULES, "If-Match: *\r\nIf-None-Match: *\r\n", RULESET, "400"),
            (RULES, "If-None-Match: \"a\"\r\n", RULESET, "400"),
            ("/v1/users/mailto%3Aa%40b/preferences/rules", "", RULESET, "400"),
            ("/v1/users/sip%3Aa%40b/preferences/groups", "", RULESET, "404"),
        ] {
            let answer = send(address, "PUT", path, headers, body);
            assert_eq!(status(&answer), expected, "{path} {headers}");
            let problem: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
            assert_eq!(problem["status"].to_string(), expected);
        }
        let answer = ask(address, "POST", RULES);
        assert!(answer.head.starts_with("http/1.1 405") && answer.head.contains("allow: get, head, put, delete"));
    });
    serving(|address, _, _| {
        let answer = ask(address, "GET", RULES);
        assert!(answer.head.starts_with("http/1.1 503") && answer.head.contains("retry-after"), "{}", answer.head);
    });
}
