//! What every SIP server must be able to say, and what it must survive.

use crate::phone::Phone;
use crate::server::{Server, Setup};
use crate::ua::{Caller, Message};
use crate::wire::{REALM, Registration, cpim, message, someone};
use std::time::Duration;

fn started() -> (Phone, Server, Caller) {
    let phone = Phone::answering(200);
    let server = Setup::behind(phone.address()).start();
    let caller = server.caller();
    (phone, server, caller)
}

fn allows(response: &Message) -> bool {
    let allowed: Vec<_> = response.all("Allow").flat_map(|line| line.split(',')).map(str::trim).collect();
    ["MESSAGE", "OPTIONS", "REGISTER"].iter().all(|method| allowed.contains(method))
}

/// A request of this method that is right in every other way.
fn request(caller: &Caller, method: &str, uri: &str) -> Message {
    Message::new(format!("{method} {uri} SIP/2.0"))
        .with("Via", caller.via())
        .with("Max-Forwards", "70")
        .with("From", "<sip:probe@ims.test>;tag=p1")
        .with("To", format!("<{uri}>"))
        .with("Call-ID", crate::ua::unique("probe"))
        .with("CSeq", format!("7 {method}"))
}

#[test]
fn a_realm_we_do_not_serve_is_404() {
    let (phone, _server, caller) = started();
    let uri = "sip:+12025550200@elsewhere.example";
    let mut stray = message(caller.via(), "+12025550200", "x");
    stray.start = format!("MESSAGE {uri} SIP/2.0");
    let stray = stray.set("To", format!("<{uri}>")).without("P-Served-User");
    let response = caller.request(&stray);
    assert_eq!(response.status(), Some(404), "{response:#?}");
    phone.stays_at(0, Duration::from_millis(200));
}

#[test]
fn options_is_answered_200_with_what_is_allowed() {
    let (_phone, server, caller) = started();
    let response = caller.request(&request(&caller, "OPTIONS", &format!("sip:{}", server.sip())));
    assert_eq!(response.status(), Some(200), "{response:#?}");
    assert!(allows(&response), "{response:#?}");
}

#[test]
fn an_unknown_method_is_405_with_what_is_allowed() {
    let (_phone, server, caller) = started();
    for method in ["FROBNICATE", "PUBLISH"] {
        let response = caller.request(&request(&caller, method, &format!("sip:{}", server.sip())));
        assert_eq!(response.status(), Some(405), "{response:#?}");
        assert!(allows(&response), "{response:#?}");
    }
}

#[test]
fn what_can_be_answered_and_is_malformed_is_400() {
    let (_phone, server, caller) = started();
    let bob = someone();
    let good = || message(caller.via(), &bob, "x");
    for (fault, bad) in [
        ("CSeq of another method", good().set("CSeq", "1 OPTIONS")),
        ("CSeq that is no number", good().set("CSeq", "one MESSAGE")),
        ("Max-Forwards that is no number", good().set("Max-Forwards", "many")),
        ("no party in From", good().set("From", "<<>;tag=1")),
        ("two Call-IDs", good().with("Call-ID", "another")),
    ] {
        caller.send_raw(&bad.to_bytes());
        let response = caller.receive(Duration::from_secs(5)).unwrap_or_else(|| panic!("{fault}: no answer"));
        assert_eq!(response.status(), Some(400), "{fault}: {response:#?}");
        assert_eq!(response.branch(), bad.branch(), "{fault}");
    }
    // A body cut short: Content-Length promises more than the datagram has.
    let bytes = good().to_bytes();
    caller.send_raw(&bytes[..bytes.len() - 1]);
    assert_eq!(caller.receive(Duration::from_secs(5)).and_then(|response| response.status()), Some(400));
    // Without these no response can be made (RFC 3261 section 8.2.6.2): silence, and nothing is stored.
    for missing in ["Via", "From", "To", "Call-ID", "CSeq"] {
        caller.send_raw(&good().without(missing).to_bytes());
        let response = caller.receive(Duration::from_millis(150));
        assert!(response.as_ref().is_none_or(|response| response.status() == Some(400)), "{missing}: {response:#?}");
    }
    server.deferred(&caller, &bob, b"right");
    assert_eq!(server.timeline(&bob).matches("MessageDeferred").count(), 1);
}

#[test]
fn a_body_over_the_limit_is_413_and_not_stored() {
    let phone = Phone::answering(200);
    let server = Setup::behind(phone.address()).config("[sip]\nbody-bytes-max = 2000").start();
    let (caller, bob) = (server.caller(), someone());
    let response = caller.request(&message(caller.via(), &bob, vec![b'x'; 2001]));
    assert_eq!(response.status(), Some(413), "{response:#?}");
    let response = caller.request(&message(caller.via(), &bob, vec![b'x'; 2000]));
    assert_eq!(response.status(), Some(202), "{response:#?}");
    server.registered(&caller, &mut Registration::of(&bob), &phone, 3600);
    assert_eq!(phone.wait_for(1)[0].message.body.len(), 2000);
    phone.stays_at(1, Duration::from_millis(300));
}

#[test]
fn a_full_queue_is_480_with_retry_after() {
    let phone = Phone::answering(200);
    let server = Setup::behind(phone.address()).config("[queue]\nmessages-max = 3\nretry-after-secs = 77").start();
    let (caller, bob) = (server.caller(), someone());
    for _ in 0..3 {
        server.deferred(&caller, &bob, b"x");
    }
    let response = caller.request(&message(caller.via(), &bob, "x"));
    assert_eq!(response.status(), Some(480), "{response:#?}");
    assert_eq!(response.header("Retry-After"), Some("77"));
    server.deferred(&caller, &someone(), b"others are not hindered");
    server.registered(&caller, &mut Registration::of(&bob), &phone, 3600);
    phone.wait_for(3);
    server.wait_for_event(&bob, "MessageDelivered");
}

/// The most that the configuration takes for `journal.disk-free-min`.
const ONE_TIB: u64 = 1 << 40;

/// Octets free on the disk of this directory, as `df` tells.
fn free(directory: &std::path::Path) -> u64 {
    let output = std::process::Command::new("df").args(["-B1", "--output=avail"]).arg(directory).output().unwrap();
    String::from_utf8(output.stdout).unwrap().lines().last().unwrap().trim().parse().unwrap()
}

#[test]
fn a_disk_that_is_nearly_full_takes_no_message_but_delivers_what_it_has() {
    let phone = Phone::answering(200);
    let mut server = Setup::behind(phone.address()).start();
    if free(&server.data()) >= ONE_TIB {
        println!("this disk has more than 1 TiB free: no setting makes that too little, so there is nothing to show");
        return;
    }
    let (caller, bob) = (server.caller(), someone());
    server.deferred(&caller, &bob, b"before");
    server.kill();
    server.configure(&format!("[sip]\nretry-after-secs = 9\n[journal]\ndisk-free-min = {ONE_TIB}"));
    server.start();
    let response = caller.request(&message(caller.via(), &bob, "x"));
    assert_eq!(response.status(), Some(503), "{response:#?}");
    assert_eq!(response.header("Retry-After"), Some("9"));
    server.registered(&caller, &mut Registration::of(&bob), &phone, 3600);
    assert_eq!(phone.wait_for(1)[0].message.body, b"before");
    server.wait_for_event(&bob, "MessageDelivered");
}

#[test]
fn garbage_is_survived() {
    let (phone, server, caller) = started();
    let bob = someone();
    let whole = message(caller.via(), &bob, cpim(&bob, "x")).to_bytes();
    for length in (0..whole.len()).step_by(7) {
        // Cut short in the headers, it is no message; cut short in the body, its Content-Length lies.
        caller.send_raw(&whole[..length]);
    }
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for round in 0_usize..300 {
        let noise: Vec<u8> = (0..round * 5)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                u8::try_from(state & 0xff).unwrap()
            })
            .collect();
        caller.send_raw(&noise);
        let mut flipped = whole.clone();
        let place = usize::try_from(state).unwrap() % flipped.len();
        flipped[place] ^= 0x80;
        caller.send_raw(&flipped);
    }
    for text in [
        "\r\n\r\n",
        "\0\0\0\0",
        "SIP/2.0 200 OK\r\n\r\n",
        "SIP/2.0 999 ?\r\nVia: SIP/2.0/UDP 127.0.0.1:1;branch=z9hG4bK1\r\nCSeq: 1 MESSAGE\r\n\r\n",
        "MESSAGE sip:a@ims.test SIP/2.0\r\nContent-Length: -1\r\n\r\n",
        "MESSAGE sip:a@ims.test SIP/2.0\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "MESSAGE sip:a@ims.test SIP/3.0\r\n\r\n",
        "MESSAGE sip:\r\nVia\r\n: \r\n\r\n",
    ] {
        caller.send_raw(text.as_bytes());
    }
    // What was garbage got no message stored twice or lost after it.
    let fresh = server.caller();
    let carol = someone();
    let body = cpim(&carol, "after the storm");
    server.deferred(&fresh, &carol, &body);
    server.registered(&fresh, &mut Registration::of(&carol), &phone, 3600);
    let pushes = phone.wait_for(1);
    assert!(pushes.iter().any(|push| push.message.body == body), "{pushes:#?}");
    assert_eq!(server.get("/healthz").unwrap().0, 200);
}

#[test]
fn a_datagram_longer_than_its_content_length_ends_where_that_says() {
    let (phone, server, caller) = started();
    let bob = someone();
    let request = message(caller.via(), &bob, "short");
    let mut bytes = request.to_bytes();
    bytes.extend_from_slice(b" and some octets that are not ours");
    caller.send_raw(&bytes);
    assert_eq!(caller.response_to(&request, crate::ua::PATIENCE).and_then(|response| response.status()), Some(202));
    server.registered(&caller, &mut Registration::of(&bob), &phone, 3600);
    assert_eq!(phone.wait_for(1)[0].message.body, b"short");
}

#[test]
fn what_rfc_3261_allows_a_header_line_to_look_like_is_read() {
    let (phone, server, caller) = started();
    let bob = someone();
    let (via, call_id) = (caller.via(), crate::ua::unique("c"));
    let text = format!(
        "\r\nMESSAGE sip:{bob}@{REALM} SIP/2.0\r\nv: {via}\r\nmax-forwards:70\r\nf: \"A, \\\"B\\\";tag=no\" <sip:a@{REALM}>\r\n ;tag=q1\r\n\
         T :  <sip:{bob}@{REALM}>\r\ni: {call_id}\r\nCSEQ: 0001   MESSAGE\r\nc: text/plain\r\nX-Unknown: \u{e9}\r\nl: 2\r\n\r\nhi"
    );
    caller.send_raw(text.as_bytes());
    let response = caller.receive(crate::ua::PATIENCE).expect("an answer");
    assert_eq!(response.status(), Some(202), "{response:#?}");
    server.registered(&caller, &mut Registration::of(&bob), &phone, 3600);
    assert_eq!(phone.wait_for(1)[0].message.body, b"hi");
}
