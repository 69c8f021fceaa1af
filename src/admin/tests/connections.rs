//! Clients that hold connections without using them, against the server as it is.

use super::fake::Fake;
use super::uploads::WASM;
use super::*;
use std::time::Instant;

/// Short enough for a test; what is at work is not concerned.
const SHORT: Times = Times {
    idle: Duration::from_millis(300),
    unread: Duration::from_millis(300),
    crowded: Duration::from_millis(100),
    request: Duration::from_mins(10),
    look: Duration::from_millis(20),
};

/// Ways to hold a connection, most of them such that the server below has no timer for: what is sent, how the answer
/// begins, and what is sent when it has come.
const WAYS: [(&str, &str, &str); 5] = [
    ("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", "http/1.1 200", "G"),
    ("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", "http/1.1 200", "GET /healthz HTTP/1.1\r\nHost:"),
    ("POST /v1/nothing HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", "http/1.1 404", ""),
    ("POST /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", "http/1.1 405", "5\r\nab"),
    ("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", "http/1.1 200", ""),
];

fn hold(address: SocketAddr, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    stream
}

/// Everything up to the end of the connection; fails if there is none.
fn to_the_end(mut stream: TcpStream) -> String {
    let mut all = Vec::new();
    match stream.read_to_end(&mut all) {
        Err(error) if error.kind() != std::io::ErrorKind::ConnectionReset => panic!("it does not end: {error}"),
        _ => String::from_utf8_lossy(&all).to_ascii_lowercase(),
    }
}

#[test]
fn a_connection_that_is_not_used_ends_however_it_is_held() {
    serving_for(Config::default(), Patience::default(), SHORT, Views::default(), |address, _, _| {
        for (text, answer, more) in WAYS {
            let mut stream = hold(address, text);
            stream.peek(&mut [0]).unwrap();
            stream.write_all(more.as_bytes()).unwrap();
            let told = to_the_end(stream);
            assert!(told.starts_with(answer), "{text}{more}: {told}");
        }
    });
}

#[test]
fn a_body_in_chunks_that_was_cut_off_does_not_hold_its_connection() {
    let (views, _) = Fake::default().views();
    let patience = Patience { pause: Duration::from_millis(50), ..Patience::default() };
    serving_for(Config::default(), patience, SHORT, views, |address, _, _| {
        let head = format!("POST /v1/policies HTTP/1.1\r\nHost: x\r\n{WASM}Transfer-Encoding: chunked\r\n\r\n");
        let told = to_the_end(hold(address, &head));
        assert!(told.starts_with("http/1.1 408"), "{told}");
    });
}

#[test]
fn a_request_at_work_is_not_cut_off_and_its_connection_lives_on() {
    let (views, fake) = Fake::default().views();
    serving_for(Config::default(), Patience::default(), SHORT, views, move |address, _, _| {
        let held = fake.gate.lock().unwrap();
        let upload = format!("POST /v1/policies HTTP/1.1\r\nHost: x\r\n{WASM}Content-Length: 4\r\n\r\nabcd");
        let mut stream = hold(address, &upload);
        // Twice as long as an idle connection lives, which is seen on another one.
        for _ in 0..2 {
            to_the_end(hold(address, WAYS[0].0));
        }
        drop(held);
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 201");
    });
}

#[test]
fn whoever_does_not_read_an_answer_is_cut_off() {
    let (views, _) = Fake { component: vec![0; 64 << 20].into(), ..Fake::default() }.views();
    serving_for(Config::default(), Patience::default(), SHORT, views, |address, _, _| {
        let path = "/v1/policies/quiet/component";
        let unread = hold(address, &format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"));
        // Longer than an answer may be left alone; seen on others.
        for _ in 0..3 {
            to_the_end(hold(address, WAYS[0].0));
        }
        assert!(to_the_end(unread).len() < 64 << 20);
        // And whoever reads gets all of it.
        let whole = to_the_end(hold(address, &format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")));
        assert_eq!(whole.split_once("\r\n\r\n").unwrap().1.len(), 64 << 20);
    });
}

#[test]
fn health_is_told_while_strangers_hold_as_many_connections_as_there_may_be() {
    let admin = config::Admin { connections_max: 16, ..config::Admin::default() };
    let config = Config { admin, ..Config::default() };
    let times = Times { idle: Duration::from_mins(10), unread: Duration::from_mins(10), ..SHORT };
    serving_for(config, Patience::default(), times, Views::default(), |address, metrics, _| {
        // They come again as soon as they are thrown out: all of them wait before the one who asks.
        let mut strangers = Vec::new();
        for (text, _, _) in WAYS.iter().cycle().take(64) {
            strangers.push(hold(address, text));
        }
        let begun = Instant::now();
        assert!(ask(address, "GET", "/healthz").head.starts_with("http/1.1 200"));
        assert!(begun.elapsed() < Duration::from_mins(1));
        let counted = metrics.render().unwrap();
        assert!(!counted.contains("restante_limit_hits_total{limit=\"admin.connections-max\"} 0\n"), "{counted}");
    });
}
