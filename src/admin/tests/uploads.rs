//! Uploads: what they bring, what is too much, and who is too slow.

use super::fake::{Fake, POLICY};
use super::who::{bearer, with_tokens};
use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

pub(super) const WASM: &str = "Content-Type: application/wasm\r\n";

fn small() -> Config {
    let policy = config::Policy { component_bytes_max: 1024, ..config::Policy::default() };
    Config { policy, ..with_tokens() }
}

#[test]
fn a_component_comes_with_its_name_reason_signature_and_realm() {
    let (views, fake) = Fake::default().views();
    serving_as(small(), Patience::default(), views, move |address, _, _| {
        let signature = format!("Restante-Signature: key:1:{}\r\n", STANDARD.encode([1; 64]));
        let headers = format!("{WASM}{signature}{}", bearer("all"));
        let answer = send(address, "POST", "/v1/policies?name=quiet&reason=why%20not&realm=IMS.test", &headers, "abcd");
        assert_eq!(status(&answer), "201", "{}", answer.body);
        assert!(answer.head.contains(&format!("location: /v1/policies/{POLICY}")), "{}", answer.head);
        let view: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!((&view["digest"], &view["new"]), (&POLICY.to_string().into(), &true.into()));
        assert_eq!(view["report"]["acceptable"], true);
        // The realm of who has only one; who has two must say which.
        let upload = |name: &str, query: &str| {
            status(&send(address, "POST", &format!("/v1/policies{query}"), &format!("{WASM}{}", bearer(name)), "abcd"))
                .to_owned()
        };
        assert_eq!(upload("own", ""), "201");
        assert_eq!(upload("two", ""), "403");
        assert_eq!(upload("two", "?realm=third.test"), "201");
        assert_eq!(upload("two", "?realm=third.test&realm=other.test"), "403");
        assert_eq!(upload("own", "?realm=other.test"), "403");
        assert_eq!(upload("all", ""), "201");
        assert_eq!(upload("all", "?realms=ims.test"), "400");
        assert_eq!(
            fake.ordered(),
            [
                "upload by all (why not): 4 Some(\"quiet\") Some((\"key:1\", 64)) Some(\"ims.test\")",
                "upload by own (): 4 None None Some(\"ims.test\")",
                "upload by two (): 4 None None Some(\"third.test\")",
                "upload by all (): 4 None None None",
            ]
        );
    });
}

#[test]
fn the_same_component_again_is_200() {
    let (views, _) = Fake { known: true, ..Fake::default() }.views();
    serving_with(views, |address, _, _| {
        assert_eq!(status(&send(address, "POST", "/v1/policies", WASM, "abcd")), "200");
    });
}

#[test]
fn what_is_no_component_or_has_no_readable_signature_is_refused_unread() {
    let (views, fake) = Fake::default().views();
    serving_as(small(), Patience::default(), views, move |address, _, _| {
        let good = STANDARD.encode([1; 64]);
        let one = |signature: &str| format!("{WASM}Restante-Signature: {signature}\r\n");
        for (headers, expected) in [
            (String::new(), "415"),
            ("Content-Type: application/json\r\n".to_owned(), "415"),
            (one("key"), "400"),
            (one(&format!(":{good}")), "400"),
            (one("key:!!"), "400"),
            (one(&format!("key:{}", STANDARD.encode([1; 63]))), "400"),
            (one(&format!("key:{good}\r\nRestante-Signature: key:{good}")), "400"),
        ] {
            let answer = send(address, "POST", "/v1/policies", &format!("{headers}{}", bearer("own")), "abcd");
            assert_eq!(status(&answer), expected, "{headers}");
        }
        assert_eq!(fake.ordered(), Vec::<String>::new());
    });
}

/// A request whose body is not sent, or not all of it: what comes back within the time of a test.
fn begin(address: SocketAddr, headers: &str, body: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let head = format!("POST /v1/policies HTTP/1.1\r\nHost: x\r\n{WASM}{headers}{}\r\n{body}", bearer("own"));
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = vec![0; 4096];
    let length = stream.read(&mut answer).unwrap();
    (stream, String::from_utf8_lossy(&answer[..length]).to_ascii_lowercase())
}

#[test]
fn what_is_too_long_is_refused_before_it_is_sent() {
    let (views, fake) = Fake::default().views();
    serving_as(small(), Patience::default(), views, move |address, metrics, _| {
        let (_stream, answer) = begin(address, "Content-Length: 1025\r\n", "");
        assert!(answer.starts_with("http/1.1 413"), "{answer}");
        assert!(answer.contains("policy.component-bytes-max") && answer.contains("1025"), "{answer}");
        let (_stream, answer) = begin(address, "Content-Length: 99999999999999999999\r\n", "");
        assert!(answer.starts_with("http/1.1 4"), "{answer}");
        // In chunks nobody knows before.
        let chunk = format!("{:x}\r\n{}\r\n", 600, "x".repeat(600));
        let (_stream, answer) = begin(address, "Transfer-Encoding: chunked\r\n", &chunk.repeat(2));
        assert!(answer.starts_with("http/1.1 413"), "{answer}");
        assert_eq!(fake.ordered(), Vec::<String>::new());
        // The port counts it.
        let told = "component has 1025 octets, more than policy.component-bytes-max";
        assert!(fake.turned_away.lock().unwrap().iter().any(|why| why.contains(told)));
        assert!(metrics.render().unwrap().contains("{limit=\"policy.component-bytes-max\"} 0\n"));
        // As long as it may be.
        let headers = format!("{WASM}{}", bearer("own"));
        assert_eq!(status(&send(address, "POST", "/v1/policies", &headers, &"x".repeat(1024))), "201");
    });
}

#[test]
fn a_client_that_sends_on_after_the_refusal_still_reads_it() {
    let (views, _) = Fake::default().views();
    serving_as(small(), Patience::default(), views, |address, _, _| {
        let headers = format!("{WASM}{}", bearer("own"));
        assert_eq!(status(&send(address, "POST", "/v1/policies", &headers, &"x".repeat(1 << 20))), "413");
        assert_eq!(status(&send(address, "POST", "/v1/policies", WASM, &"x".repeat(1 << 20))), "401");
    });
}

#[test]
fn a_client_that_is_too_slow_is_cut_off_and_counted() {
    let (views, fake) = Fake::default().views();
    let patience = Patience { whole: Duration::from_mins(1), pause: Duration::from_millis(50) };
    serving_as(small(), patience, views, move |address, metrics, _| {
        let (mut stream, answer) = begin(address, "Content-Length: 100\r\n", "abcd");
        assert!(answer.starts_with("http/1.1 408") && answer.contains("within 50ms"), "{answer}");
        // And the connection ends.
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        assert_eq!(fake.ordered(), Vec::<String>::new());
        assert!(metrics.render().unwrap().contains("{limit=\"internal.admin-body-time\"} 1\n"));
        assert!(fake.turned_away.lock().unwrap()[0].contains("too slowly"));
    });
}

/// Begins an upload that waits for more: the server has taken its seat when this returns.
fn begin_slowly(address: SocketAddr, name: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // The interim answer comes with the first look at the body.
    let expect = "Content-Length: 100\r\nExpect: 100-continue\r\n";
    let head = format!("POST /v1/policies HTTP/1.1\r\nHost: x\r\n{WASM}{expect}{}\r\n", bearer(name));
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = [0; 25];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream
}

#[test]
fn a_slow_upload_keeps_nobody_else_from_uploading() {
    let (views, fake) = Fake::default().views();
    serving_as(small(), Patience::default(), views, move |address, _, _| {
        let upload = |name: &str| {
            let headers = format!("{WASM}{}", bearer(name));
            send(address, "POST", "/v1/policies", &headers, "abcd")
        };
        let slow = begin_slowly(address, "own");
        assert_eq!(status(&upload("all")), "201");
        // A second one by the same sender waits until the first is over.
        let second = upload("own");
        assert!(status(&second) == "503" && second.body.contains("by the same name"), "{}", second.body);
        assert!(second.head.contains("retry-after"), "{}", second.head);
        drop(slow);
        while status(&upload("own")) != "201" {
            std::thread::yield_now();
        }
        let refusals = fake.turned_away.lock().unwrap();
        assert!(refusals.iter().any(|why| why.contains("before it was whole")), "{refusals:?}");
    });
}

#[test]
fn no_more_components_are_in_memory_than_four_for_each_that_may_be_examined() {
    let (views, fake) = Fake::default().views();
    let mut config = small();
    config.admin.tokens.push(super::who::token("fifth", &["operator:*"]));
    config.admin.tokens.push(super::who::token("sixth", &["operator:*"]));
    serving_as(config, Patience::default(), views, move |address, metrics, _| {
        let held = fake.gate.lock().unwrap();
        let slow = ["all", "other", "fifth"].map(|name| begin_slowly(address, name));
        std::thread::scope(|scope| {
            let headers = |name: &str| format!("{WASM}{}", bearer(name));
            let examined =
                scope.spawn(move || status(&send(address, "POST", "/v1/policies", &headers("own"), "abcd")).to_owned());
            while fake.orders.lock().unwrap().is_empty() {
                std::thread::yield_now();
            }
            let more = send(address, "POST", "/v1/policies", &headers("sixth"), "abcd");
            assert!(status(&more) == "503" && more.body.contains("policy.uploads-max"), "{}", more.body);
            assert!(metrics.render().unwrap().contains("{limit=\"policy.uploads-max\"} 1\n"));
            drop(held);
            assert_eq!(examined.join().unwrap(), "201");
            assert_eq!(status(&send(address, "POST", "/v1/policies", &headers("sixth"), "abcd")), "201");
        });
        drop(slow);
    });
}
