//! Calls over real sockets: two endpoints with each other, and an endpoint with a peer that does as it is told.

use super::tests::{House, PATIENCE, Told, drain, peer, plain, read_stream, receive, request_of, response_of, tcp, to};
use super::*;
use crate::sip::dialog::{self, accept};
use crate::sip::{Method, Via};
use bytes::Bytes;
use std::future::Future;
use std::io::Write as _;
use std::net::UdpSocket;

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n";

fn wait<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(PATIENCE, future).await.unwrap() })
}

/// An INVITE without Via of someone who can be reached at this Contact.
fn invite(contact: &str) -> Request {
    let mut request = plain();
    request.method = Method::Invite;
    for (name, value) in [("CSeq", "7 INVITE"), ("Contact", contact), ("Content-Type", "application/sdp")] {
        request.headers.set(name, value.to_owned());
    }
    dialog::offer_session(&mut request, 1800);
    request.body = Bytes::from_static(SDP.as_bytes());
    request
}

fn call(house: &House, branch: &str, target: Target) -> Calling {
    let contact = format!("<sip:{}>", house.udp);
    house.endpoint.invite(OutRequest { request: invite(&contact), branch: branch.to_owned(), target }).unwrap()
}

/// Takes the next call, as WX-7 does; the dialog it becomes.
fn take(house: &House, contact: &str) -> DialogKey {
    let incoming = house.next();
    let mut response = accept(&incoming.request, "callee", contact, 1800).unwrap();
    response.headers.push("Content-Type", "application/sdp");
    response.body = Bytes::from_static(SDP.as_bytes());
    let dialog = house.endpoint.next_dialog();
    house.endpoint.accept(incoming.key, dialog, &response);
    dialog
}

fn ended(dialog: DialogKey, cause: Cause) -> Told {
    Told::Dialog(dialog, DialogEvent::Ended(cause))
}

#[test]
fn two_endpoints_call_each_other_and_either_hangs_up_over_udp_and_over_tcp() {
    for transport in [Transport::Udp, Transport::Tcp] {
        for caller_hangs_up in [true, false] {
            let (caller, answerer) = (House::open(|_| {}), House::open(|_| {}));
            let address = if transport == Transport::Udp { answerer.udp } else { answerer.tcp };
            let calling = call(&caller, "z9hG4bKcall", Target { transport: Some(transport), ..to(address) });
            let name = calling.dialog();
            let name_of = if transport == Transport::Udp { "udp" } else { "tcp" };
            let contact = format!("<sip:{address};transport={name_of}>");
            let theirs = take(&answerer, &contact);
            let established = wait(calling).unwrap();
            assert_eq!((established.dialog, established.response.body.as_ref()), (name, SDP.as_bytes()));
            assert_eq!(answerer.told(), Told::Dialog(theirs, DialogEvent::Confirmed));
            if caller_hangs_up {
                caller.endpoint.hang_up(name);
                assert_eq!((caller.told(), answerer.told()), (ended(name, Cause::HungUp), ended(theirs, Cause::Bye)));
            } else {
                answerer.endpoint.hang_up(theirs);
                assert_eq!((caller.told(), answerer.told()), (ended(name, Cause::Bye), ended(theirs, Cause::HungUp)));
            }
            assert_eq!(answerer.tally.of("dropped ack"), 0);
        }
    }
}

#[test]
fn a_refusal_is_acknowledged_and_told() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let (caller, answerer) = (House::open(|_| {}), House::open(|_| {}));
        let address = if transport == Transport::Udp { answerer.udp } else { answerer.tcp };
        let calling = call(&caller, "z9hG4bKcall", Target { transport: Some(transport), ..to(address) });
        answerer.answer_next(486);
        let Err(CallFailure::Refused(refusal)) = wait(calling) else { panic!("not refused") };
        assert_eq!(refusal.status, 486);
        // With nothing unacknowledged it drains at once.
        drain(&answerer.endpoint, PATIENCE);
        assert_eq!((answerer.tally.of("dropped ack"), answerer.tally.of("response INVITE 486")), (0, 1));
    }
}

#[test]
fn a_call_that_is_dropped_is_cancelled_and_an_answer_to_it_is_too_late() {
    let (caller, answerer) = (House::open(|_| {}), House::open(|_| {}));
    let calling = call(&caller, "z9hG4bKcall", to(answerer.udp));
    let incoming = answerer.next();
    drop(calling);
    assert_eq!(answerer.told(), Told::Cancelled(incoming.key));
    let response = accept(&incoming.request, "callee", "<sip:callee@127.0.0.1>", 1800).unwrap();
    let dialog = answerer.endpoint.next_dialog();
    answerer.endpoint.accept(incoming.key, dialog, &response);
    assert_eq!(answerer.told(), ended(dialog, Cause::NotEstablished));
    drain(&caller.endpoint, PATIENCE);
    assert_eq!((answerer.tally.of("response INVITE 487"), answerer.tally.of("response CANCEL 200")), (1, 1));
}

#[test]
fn a_call_that_was_answered_and_then_dropped_is_hung_up() {
    let (caller, answerer) = (House::open(|_| {}), House::open(|_| {}));
    let calling = call(&caller, "z9hG4bKcall", to(answerer.udp));
    let theirs = take(&answerer, &format!("<sip:{}>", answerer.udp));
    assert_eq!(answerer.told(), Told::Dialog(theirs, DialogEvent::Confirmed));
    drop(calling);
    assert_eq!(answerer.told(), ended(theirs, Cause::Bye));
}

#[test]
fn a_pinned_target_that_refuses_fails_the_call() {
    let caller = House::open(|_| {});
    let nobody = Target { transport: Some(Transport::Tcp), ..to("127.0.0.1:1".parse().unwrap()) };
    assert_eq!(wait(call(&caller, "z9hG4bKcall", nobody)), Err(CallFailure::Transport));
}

/// Sends it from this socket with a Via of its own.
fn send(phone: &UdpSocket, house: &House, mut request: Request, branch: &str) -> Bytes {
    let address = phone.local_addr().unwrap();
    request.headers.push_front("Via", format!("SIP/2.0/UDP {address};branch={branch};rport"));
    let octets = request.to_bytes();
    phone.send_to(&octets, house.udp).unwrap();
    octets
}

/// The next message that is no 100.
fn hear(phone: &UdpSocket) -> Bytes {
    loop {
        let octets = receive(phone).0;
        if !octets.starts_with(b"SIP/2.0 100") {
            return octets;
        }
    }
}

/// A request of the phone in the dialog that this response established.
fn in_dialog(response: &Response, method: &Method, cseq: u32) -> Request {
    let mut request = invite("<sip:phone@127.0.0.1>");
    for gone in ["Content-Type", "Session-Expires"] {
        request.headers.remove(gone);
    }
    request.body = Bytes::new();
    request.headers.set("To", response.headers.get("To").unwrap().to_owned());
    request.headers.set("CSeq", format!("{cseq} {method}"));
    request.method = method.clone();
    request
}

#[test]
fn a_2xx_is_repeated_until_the_ack_and_bye_ends_the_dialog() {
    let house = House::open(|_| {});
    let phone = peer();
    let contact = format!("<sip:phone@{}>", phone.local_addr().unwrap());
    let octets = send(&phone, &house, invite(&contact), "z9hG4bK1");
    let dialog = take(&house, &format!("<sip:{}>", house.udp));
    let first = hear(&phone);
    phone.send_to(&octets, house.udp).unwrap();
    assert_eq!(hear(&phone), first, "repeated by the dialog");
    let response = response_of(&first);
    assert_eq!((response.status, response.headers.get("Session-Expires")), (200, Some("1800;refresher=uac")));
    send(&phone, &house, in_dialog(&response, &Method::Ack, 7), "z9hG4bK2");
    assert_eq!(house.told(), Told::Dialog(dialog, DialogEvent::Confirmed));
    send(&phone, &house, in_dialog(&response, &Method::Update, 8), "z9hG4bK3");
    let mut answered = response_of(&hear(&phone));
    while answered.cseq().unwrap().1 == Method::Invite {
        answered = response_of(&hear(&phone));
    }
    assert_eq!((answered.status, answered.headers.get("Require")), (200, Some("timer")));
    send(&phone, &house, in_dialog(&response, &Method::Bye, 7), "z9hG4bK4");
    assert_eq!(response_of(&hear(&phone)).status, 500, "out of order");
    send(&phone, &house, in_dialog(&response, &Method::Bye, 9), "z9hG4bK5");
    assert_eq!(response_of(&hear(&phone)).status, 200);
    assert_eq!(house.told(), ended(dialog, Cause::Bye));
    send(&phone, &house, in_dialog(&response, &Method::Bye, 10), "z9hG4bK6");
    assert_eq!(house.answer_next(481).request.method, Method::Bye, "what is of no dialog is the handler's");
    assert!(house.requests.try_recv().is_err());
}

#[test]
fn an_invite_comes_up_once_and_its_refusal_is_repeated_until_the_ack() {
    let house = House::open(|_| {});
    let phone = peer();
    let octets = send(&phone, &house, invite("<sip:phone@127.0.0.1>"), "z9hG4bK1");
    house.answer_next(405);
    let refusal = hear(&phone);
    assert_eq!(response_of(&refusal).status, 405);
    phone.send_to(&octets, house.udp).unwrap();
    assert_eq!(hear(&phone), refusal);
    assert!(house.requests.try_recv().is_err());
    send(&phone, &house, in_dialog(&response_of(&refusal), &Method::Ack, 7), "z9hG4bK1");
    send(&phone, &house, in_dialog(&response_of(&refusal), &Method::Ack, 7), "z9hG4bKother");
    send(&phone, &house, in_dialog(&response_of(&refusal), &Method::Info, 8), "z9hG4bK2");
    house.answer_next(481);
    assert_eq!(house.tally.of("dropped ack"), 1, "only the stray one");
}

#[test]
fn an_invite_with_nobody_to_answer_it_gets_100_and_cancel_gets_487_with_one_tag() {
    let house = House::open(|_| {});
    let phone = peer();
    send(&phone, &house, invite("<sip:phone@127.0.0.1>"), "z9hG4bK1");
    let incoming = house.next();
    assert!(receive(&phone).0.starts_with(b"SIP/2.0 100"));
    let mut cancel = invite("<sip:phone@127.0.0.1>");
    cancel.method = Method::Cancel;
    cancel.headers.set("CSeq", "7 CANCEL");
    send(&phone, &house, cancel.clone(), "z9hG4bK1");
    let mut both = [response_of(&hear(&phone)), response_of(&hear(&phone))];
    both.sort_by_key(|response| response.status);
    assert_eq!((both[0].status, both[1].status), (200, 487));
    assert_eq!(both[0].to_tag(), both[1].to_tag());
    assert_eq!(house.told(), Told::Cancelled(incoming.key));
    send(&phone, &house, cancel, "z9hG4bKunknown");
    let mut last = response_of(&hear(&phone));
    while last.status == 487 {
        last = response_of(&hear(&phone));
    }
    assert_eq!(last.status, 481);
}

#[test]
fn over_the_dialog_limit_calls_are_refused_both_ways_and_served_again_when_one_ends() {
    let house = House::open(|config| config.dialogs_max = 1);
    let phone = peer();
    let contact = format!("<sip:phone@{}>", phone.local_addr().unwrap());
    send(&phone, &house, invite(&contact), "z9hG4bK1");
    let incoming = house.next();
    let mut second = invite(&contact);
    second.headers.set("Call-ID", "second");
    send(&phone, &house, second.clone(), "z9hG4bK2");
    let refused = response_of(&hear(&phone));
    assert_eq!((refused.status, refused.headers.get("Retry-After")), (503, Some("5")));
    assert_eq!(wait(call(&house, "z9hG4bKmine", to(phone.local_addr().unwrap()))), Err(CallFailure::Busy));
    assert_eq!(house.tally.of("limit dialogs"), 2);
    house.endpoint.respond(incoming.key, &Response::to(&incoming.request, 486, "", "x"));
    assert_eq!(response_of(&hear(&phone)).status, 486);
    send(&phone, &house, second, "z9hG4bK3");
    assert_eq!(house.next().request.call_id(), Some("second"));
}

#[test]
fn rfc_4028_7_3_a_422_brings_a_longer_session() {
    let house = House::open(|_| {});
    let phone = peer();
    let calling = call(&house, "z9hG4bKcall", to(phone.local_addr().unwrap()));
    let (octets, from) = receive(&phone);
    let first = request_of(&octets);
    let mut short = Response::to(&first, 422, "", "phone");
    short.headers.push("Min-SE", "3600");
    phone.send_to(&short.to_bytes(), from).unwrap();
    assert_eq!(request_of(&receive(&phone).0).method, Method::Ack);
    let second = request_of(&receive(&phone).0);
    for (name, value) in [("CSeq", "8 INVITE"), ("Session-Expires", "3600;refresher=uac"), ("Min-SE", "3600")] {
        assert_eq!(second.headers.get(name), Some(value));
    }
    assert_ne!(Via::top(&second.headers).unwrap().branch, Via::top(&first.headers).unwrap().branch);
    assert_eq!((second.call_id(), second.from_tag()), (first.call_id(), first.from_tag()));
    let taken = accept(&second, "phone", &format!("<sip:phone@{}>", phone.local_addr().unwrap()), 3600).unwrap();
    for _ in 0..2 {
        phone.send_to(&taken.to_bytes(), from).unwrap();
        let ack = request_of(&receive(&phone).0);
        assert_eq!((ack.method.as_str(), ack.headers.get("CSeq")), ("ACK", Some("8 ACK")), "each 2xx is acknowledged");
    }
    assert!(wait(calling).is_ok());
}

#[test]
fn drain_hangs_up_and_waits_for_the_answer() {
    let house = House::open(|_| {});
    let phone = peer();
    let contact = format!("<sip:phone@{}>", phone.local_addr().unwrap());
    send(&phone, &house, invite(&contact), "z9hG4bK1");
    let dialog = take(&house, &format!("<sip:{}>", house.udp));
    let response = response_of(&hear(&phone));
    let endpoint = house.endpoint.clone();
    let draining = std::thread::spawn(move || drain(&endpoint, PATIENCE));
    send(&phone, &house, in_dialog(&response, &Method::Ack, 7), "z9hG4bK2");
    assert_eq!(house.told(), Told::Dialog(dialog, DialogEvent::Confirmed));
    let bye = loop {
        let octets = hear(&phone);
        if octets.starts_with(b"BYE") {
            break request_of(&octets);
        }
    };
    assert!(!draining.is_finished(), "BYE waits for its answer");
    phone.send_to(&Response::to(&bye, 200, "", "").to_bytes(), house.udp).unwrap();
    draining.join().unwrap();
    assert_eq!(house.told(), ended(dialog, Cause::HungUp));
}

#[test]
fn a_client_behind_a_connection_gets_bye_on_it() {
    let house = House::open(|_| {});
    let mut phone = tcp(house.tcp);
    let mut request = invite("<sip:phone@unreachable.invalid;transport=tcp>");
    request.headers.push_front("Via", "SIP/2.0/TCP unreachable.invalid;branch=z9hG4bK1");
    phone.write_all(&request.to_bytes()).unwrap();
    let dialog = take(&house, "<sip:house@127.0.0.1>");
    let mut response = response_of(&read_stream(&mut phone));
    if response.status == 100 {
        response = response_of(&read_stream(&mut phone));
    }
    let mut ack = in_dialog(&response, &Method::Ack, 7);
    ack.headers.push_front("Via", "SIP/2.0/TCP unreachable.invalid;branch=z9hG4bK2");
    phone.write_all(&ack.to_bytes()).unwrap();
    assert_eq!(house.told(), Told::Dialog(dialog, DialogEvent::Confirmed));
    house.endpoint.hang_up(dialog);
    let mut last = read_stream(&mut phone);
    while last.starts_with(b"SIP/2.0") {
        last = read_stream(&mut phone);
    }
    assert_eq!(request_of(&last).method, Method::Bye);
}
