//! TCP, and the choice between it and UDP.

use crate::phone::Phone;
use crate::server::{Setup, metric};
use crate::ua::Stream;
use crate::wire::{Registration, cpim, message, someone};

#[test]
fn sndp_8_over_tcp_requests_are_told_apart_by_content_length() {
    let phone = Phone::answering(200);
    let server = Setup::behind(phone.address()).start();
    let bob = someone();
    let mut stream = Stream::connect(server.sip());
    // Three in one write, the last one in pieces.
    let requests: Vec<_> = (0..3).map(|n| message(stream.via(), &bob, cpim(&bob, &format!("text {n}")))).collect();
    let mut bytes = Vec::new();
    for request in &requests {
        bytes.extend_from_slice(b"\r\n\r\n");
        bytes.extend_from_slice(&request.to_bytes());
    }
    let cut = bytes.len() - 100;
    stream.send_raw(&bytes[..cut]);
    for piece in bytes[cut..].chunks(9) {
        stream.send_raw(piece);
    }
    let mut answered: Vec<_> = (0..3)
        .map(|_| stream.receive(crate::ua::PATIENCE).expect("an answer on the connection"))
        .map(|response| (response.status().unwrap(), response.call_id().to_owned()))
        .collect();
    answered.sort();
    let mut wanted: Vec<_> = requests.iter().map(|request| (202, request.call_id().to_owned())).collect();
    wanted.sort();
    assert_eq!(answered, wanted);
    let register = Registration::of(&bob).next(stream.via(), phone.address(), 3600);
    assert_eq!(stream.request(&register).status(), Some(200));
    let pushed: Vec<_> = phone.wait_for(3).into_iter().map(|push| push.message.body).collect();
    assert_eq!(pushed.len(), 3);
    assert!(requests.iter().all(|request| pushed.contains(&request.body)));
    server.wait_for_metric(metric::QUEUED, 0.0);
}

#[test]
fn a_connection_may_end_at_any_octet() {
    let phone = Phone::answering(200);
    let server = Setup::behind(phone.address()).start();
    let bob = someone();
    for cut in [0, 1, 20, 300, 900] {
        let mut stream = Stream::connect(server.sip());
        let bytes = message(stream.via(), &bob, cpim(&bob, "x")).to_bytes();
        stream.send_raw(&bytes[..cut]);
    }
    let mut stream = Stream::connect(server.sip());
    let whole = message(stream.via(), &bob, cpim(&bob, "whole"));
    assert_eq!(stream.request(&whole).status(), Some(202));
    assert_eq!(server.timeline(&bob).matches("MessageDeferred").count(), 1);
}

#[test]
fn sndp_8_a_push_too_long_for_udp_goes_over_tcp_where_the_next_hop_takes_it() {
    for (phone, transport) in [(Phone::answering(200), "TCP"), (Phone::udp_only(200), "UDP")] {
        let server = Setup::behind(phone.address()).start();
        let (caller, bob) = (server.caller(), someone());
        let body = cpim(&bob, &"long ".repeat(400));
        server.deferred(&caller, &bob, &body);
        server.registered(&caller, &mut Registration::of(&bob), &phone, 3600);
        let push = phone.wait_for(1).remove(0);
        assert_eq!(push.transport, transport);
        assert!(push.message.header("Via").unwrap().contains(&format!("/{transport} ")), "{:#?}", push.message);
        assert_eq!(push.message.body, body);
        server.wait_for_metric(metric::QUEUED, 0.0);
    }
}

#[test]
fn a_next_hop_that_names_tcp_is_reached_over_tcp() {
    let phone = Phone::answering(200);
    let mut setup = Setup::behind(phone.address())
        .config(&format!("[realms.\"ims.test\"]\nnext-hop = \"sip:{};transport=tcp\"", phone.address()));
    setup.next_hop = None;
    let server = setup.start();
    let (caller, bob) = (server.caller(), someone());
    server.deferred(&caller, &bob, b"short");
    server.registered(&caller, &mut Registration::of(&bob), &phone, 3600);
    assert_eq!(phone.wait_for(1)[0].transport, "TCP");
}
