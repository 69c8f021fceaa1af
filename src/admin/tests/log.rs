//! What the log tells of requests.

use super::who::{bearer, token};
use super::*;
use std::sync::Mutex;
use tracing_subscriber::EnvFilter;

/// What all tests of this program log as `admin`: they look for names of their own in it.
static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Pen;

impl std::io::Write for Pen {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        LOG.lock().unwrap().extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Runs the API with the logs on, and gives the lines with this text.
fn logged(text: &str, config: Config, views: Views, story: impl FnOnce(SocketAddr) + Send + 'static) -> Vec<String> {
    let log = tracing_subscriber::fmt().with_env_filter(EnvFilter::new("admin=info")).with_ansi(false);
    // Another test may have been first.
    let _ = log.without_time().with_writer(|| Pen).try_init();
    serving_as(config, Patience::default(), views, |address, _, _| story(address));
    let log = String::from_utf8(LOG.lock().unwrap().clone()).unwrap();
    log.lines().filter(|line| line.contains(text)).map(str::to_owned).collect()
}

#[test]
fn who_changes_something_or_looks_into_what_is_of_users_is_in_the_log_without_their_addresses() {
    let mut config = Config::default();
    config.admin.tokens = vec![token("ludwig", &["operator:*"])];
    let (views, _) = with_documents();
    let lines = logged("ludwig", config, views, |address| {
        let headers = bearer("ludwig");
        assert_eq!(status(&send(address, "PUT", RULES, &headers, RULESET)), "201");
        assert_eq!(status(&send(address, "GET", RULES, &headers, "")), "200");
        assert_eq!(status(&send(address, "GET", "/v1/users/nobody/store", &headers, "")), "400");
        assert_eq!(status(&send(address, "POST", "/v1/outbox/ack?through=1", &headers, "")), "503");
        for path in ["/v1/realms", "/v1/operator-events", "/healthz"] {
            send(address, "GET", path, &headers, "");
        }
    });
    let user = Address::parse("sip:+12025550200@ims.example.net").unwrap().key();
    let line = |method: &str, path: &str, status: u16, user: &str| {
        format!(
            " INFO admin: a request was let through name=\"ludwig\" method={method} path=\"{path}\" status={status}{user}"
        )
    };
    let (path, user) = ("/v1/users/{user}/preferences/{document}", format!(" user={user}"));
    assert_eq!(
        lines,
        [
            line("PUT", path, 201, &user),
            line("GET", path, 200, &user),
            line("GET", "/v1/users/{user}/store", 400, ""),
            line("POST", "/v1/outbox/ack", 503, ""),
        ]
    );
}

#[test]
fn a_body_that_does_not_come_whole_is_in_the_log_also_if_its_connection_is_reset() {
    let mut config = Config::default();
    config.admin.tokens = vec![token("robert", &["operator:*"])];
    let (views, fake) = super::fake::Fake::default().views();
    let lines = logged("robert", config, views, move |address| {
        let headers = format!("{}Content-Type: application/wasm\r\n", bearer("robert"));
        let mut stream = TcpStream::connect(address).unwrap();
        let expect = "Content-Length: 100\r\nExpect: 100-continue\r\n";
        write!(stream, "POST /v1/policies HTTP/1.1\r\nHost: x\r\n{headers}{expect}\r\n").unwrap();
        // What is left unread makes the end a reset.
        stream.read_exact(&mut [0; 12]).unwrap();
        drop(stream);
        while status(&send(address, "POST", "/v1/policies", &headers, "abcd")) != "201" {
            std::thread::yield_now();
        }
        assert_eq!(fake.ordered().len(), 1);
    });
    let cut = lines.iter().filter(|line| line.contains("a body was cut off") && line.contains("before it was whole"));
    assert_eq!(cut.count(), 1, "{lines:#?}");
}

#[test]
fn refusals_are_in_the_log_once_a_second_at_most() {
    let mut config = Config::default();
    config.admin.tokens = vec![token("clara", &["sre"])];
    let lines = logged("clara", config, Views::default(), |address| {
        let begun = std::time::Instant::now();
        while begun.elapsed() < Duration::from_millis(1500) {
            assert_eq!(status(&send(address, "GET", RULES, &bearer("clara"), "")), "403");
        }
    });
    assert!((1..=3).contains(&lines.len()), "{lines:#?}");
    assert!(lines[0].contains("WARN admin: a request was refused") && lines[0].ends_with("left_out=0"), "{}", lines[0]);
    assert!(!lines[1].ends_with("left_out=0"), "{}", lines[1]);
    assert!(lines.iter().all(|line| line.contains("cause=Role") && !line.contains("+12025550200")), "{lines:#?}");
}
