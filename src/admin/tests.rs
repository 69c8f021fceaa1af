//! The API over real HTTP on a loopback socket.

use super::*;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

/// An answer, split at the empty line.
struct Answer {
    head: String,
    body: String,
}

fn ask(address: SocketAddr, method: &str, path: &str) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    Answer { head: head.to_ascii_lowercase(), body: body.to_owned() }
}

/// Runs the API on a free port while `story` asks it from another thread.
fn serving(story: impl FnOnce(SocketAddr, &Metrics, &Readiness) + Send + 'static) {
    actix_web::rt::System::new().block_on(async move {
        let metrics = Arc::new(Metrics::new().unwrap());
        let readiness = Readiness::new();
        let config = config::Admin { listen: "127.0.0.1:0".parse().unwrap(), ..config::Admin::default() };
        let (server, address) = bind(&config, Arc::clone(&metrics), readiness.clone()).unwrap();
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

#[test]
fn a_socket_that_is_taken_is_told_with_its_address() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let config = config::Admin { listen: taken.local_addr().unwrap(), ..config::Admin::default() };
    let error = bind(&config, Arc::new(Metrics::new().unwrap()), Readiness::new()).err().unwrap().to_string();
    assert!(error.contains(&config.listen.to_string()) && error.contains("admin.listen"), "{error}");
}

#[test]
fn reaching_the_connection_limit_is_counted() {
    let metrics = Arc::new(Metrics::new().unwrap());
    let connections = Connections { open: Arc::default(), max: 2, metrics: Arc::clone(&metrics) };
    let hits = || metrics.render().unwrap().contains("restante_limit_hits_total{limit=\"admin.connections-max\"} 1\n");
    let (mut first, mut second) = (Extensions::new(), Extensions::new());
    connections.opened(&mut first);
    drop(first);
    connections.opened(&mut second);
    assert!(!hits());
    let mut third = Extensions::new();
    connections.opened(&mut third);
    assert!(hits());
}
