//! The state tables of the INVITE machines in virtual time: every timer, lost messages, CANCEL racing with 2xx.

use super::*;
use crate::sip::{Headers, Limits, Message, Method, Request, Response, datagram};
use crate::types::Timestamp;
use std::time::Duration;

const START: Timestamp = Timestamp(1_000_000);

fn at(ms: u64) -> Timestamp {
    START.after(Duration::from_millis(ms))
}

fn invite_of(method: &Method, branch: &str) -> Request {
    let mut headers = Headers::new();
    headers.push("Via", format!("SIP/2.0/UDP a.test:5070;branch={branch}"));
    headers.push("Max-Forwards", "70");
    headers.push("Route", "<sip:p1.test;lr>, <sip:p2.test;lr>");
    headers.push("From", "<sip:a@a.test>;tag=1");
    headers.push("To", "<sip:b@b.test>");
    headers.push("Call-ID", "c@a.test");
    headers.push("CSeq", format!("7 {method}"));
    Request { method: method.clone(), uri: "sip:b@b.test".to_owned(), headers, body: Bytes::from_static(b"v=0") }
}

fn invite() -> Request {
    invite_of(&Method::Invite, "z9hG4bKi1")
}

fn ack() -> Request {
    invite_of(&Method::Ack, "z9hG4bKi1")
}

fn answer(request: &Request, status: u16, tag: &str) -> Response {
    Response::to(request, status, "", tag)
}

fn status_of(bytes: &Bytes) -> u16 {
    match datagram(bytes, &Limits::default()).unwrap() {
        Message::Response(response) => response.status,
        Message::Request(request) => panic!("{}", request.method),
    }
}

type Server = InviteServers<u8>;
type Client = InviteClients<u8, &'static str>;

fn server(reliable: bool) -> (Server, Handle) {
    let mut server = Server::new(2);
    arrives(&mut server, &invite(), reliable, START);
    let Some(InviteServerEvent::Request { key, .. }) = server.poll_event() else { panic!("not new") };
    (server, key)
}

fn arrives(server: &mut Server, request: &Request, reliable: bool, now: Timestamp) {
    server.handle_input(InviteServerInput::Request { request: request.clone(), from: 1, reliable }, now);
}

fn answers(server: &mut Server, key: Handle, status: u16, now: Timestamp) {
    let bytes = answer(&invite(), status, "ours").to_bytes();
    server.handle_input(InviteServerInput::Answer { key, status, bytes }, now);
}

/// Fires every timer up to `until`; what was sent when, what came out of the queue before first.
fn served(server: &mut Server, until: u64) -> Vec<(u64, u16)> {
    let mut sent = Vec::new();
    let mut now = START;
    loop {
        while let Some(transmit) = server.poll_transmit() {
            sent.push((now.millis() - START.millis(), status_of(&transmit.bytes)));
        }
        match server.poll_timeout().filter(|next| *next <= at(until)) {
            Some(next) => now = next,
            None => return sent,
        }
        server.handle_timeout(now);
    }
}

fn sent_now(server: &mut Server) -> Vec<u16> {
    std::iter::from_fn(|| server.poll_transmit()).map(|transmit| status_of(&transmit.bytes)).collect()
}

#[test]
fn rfc_3261_17_2_1_the_server_says_100_after_200_ms_unless_an_answer_came() {
    let (mut silent, _) = server(false);
    assert_eq!(served(&mut silent, 1000), [(200, 100)]);
    arrives(&mut silent, &invite(), false, at(1000));
    assert_eq!((silent.poll_event(), sent_now(&mut silent)), (Some(InviteServerEvent::Absorbed), vec![100]));
    let (mut ringing, key) = server(false);
    answers(&mut ringing, key, 180, START);
    assert_eq!(served(&mut ringing, 1000), [(0, 180)]);
    arrives(&mut ringing, &invite(), false, at(1000));
    assert_eq!(sent_now(&mut ringing), [180], "the last provisional is repeated");
}

#[test]
fn timer_g_repeats_a_refusal_up_to_t2_until_timer_h() {
    let (mut server, key) = server(false);
    answers(&mut server, key, 486, START);
    let times: Vec<u64> = served(&mut server, 31_999).iter().map(|(ms, _)| *ms).collect();
    assert_eq!(times, [0, 500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]);
    assert_eq!(server.len(), 1);
    served(&mut server, 32_000);
    assert!(server.is_empty(), "Timer H");
}

#[test]
fn an_ack_ends_the_repetition_and_timer_i_absorbs_more_of_them() {
    let (mut server, key) = server(false);
    answers(&mut server, key, 486, START);
    assert_eq!(server.poll_event(), Some(InviteServerEvent::Answered { status: 486 }));
    served(&mut server, 600);
    arrives(&mut server, &ack(), false, at(600));
    assert_eq!((server.poll_event(), served(&mut server, 5599)), (None, vec![]));
    arrives(&mut server, &ack(), false, at(5599));
    assert_eq!(server.poll_event(), Some(InviteServerEvent::Absorbed));
    arrives(&mut server, &invite(), false, at(5599));
    assert_eq!((server.poll_event(), sent_now(&mut server)), (Some(InviteServerEvent::Absorbed), vec![]));
    served(&mut server, 5600);
    assert!(server.is_empty());
}

#[test]
fn over_a_reliable_transport_a_refusal_is_sent_once_and_timer_i_is_zero() {
    let (mut server, key) = server(true);
    answers(&mut server, key, 486, START);
    assert_eq!(served(&mut server, 31_000), [(0, 486)]);
    arrives(&mut server, &ack(), true, at(31_000));
    assert!(server.is_empty());
}

#[test]
fn rfc_6026_after_a_2xx_the_server_absorbs_invites_for_64_t1_and_hands_up_acks() {
    let (mut server, key) = server(false);
    assert!(server.open(key).is_some());
    answers(&mut server, key, 200, START);
    assert_eq!((sent_now(&mut server), server.unanswered()), (vec![200], 0));
    assert_eq!(server.poll_event(), Some(InviteServerEvent::Answered { status: 200 }));
    assert!(server.open(key).is_none());
    arrives(&mut server, &invite(), false, at(500));
    assert_eq!((server.poll_event(), sent_now(&mut server)), (Some(InviteServerEvent::Absorbed), vec![]));
    for request in [ack(), invite_of(&Method::Ack, "z9hG4bKother")] {
        arrives(&mut server, &request, false, at(600));
        assert_eq!(server.poll_event(), Some(InviteServerEvent::Ack { request }));
    }
    answers(&mut server, key, 200, at(700));
    assert_eq!((server.poll_event(), sent_now(&mut server)), (Some(InviteServerEvent::Late), vec![]));
    served(&mut server, 31_999);
    assert_eq!(server.len(), 1);
    served(&mut server, 32_000);
    assert!(server.is_empty(), "Timer L");
}

#[test]
fn rfc_3261_9_2_cancel_makes_an_open_invite_487_and_leaves_an_answered_one() {
    let cancel = invite_of(&Method::Cancel, "z9hG4bKi1");
    let (mut open, key) = server(false);
    assert!(open.cancel(&cancel, "ours", at(1)));
    assert_eq!(sent_now(&mut open), [487]);
    assert_eq!(open.poll_event(), Some(InviteServerEvent::Answered { status: 487 }));
    assert_eq!(open.poll_event(), Some(InviteServerEvent::Cancelled { key }));
    answers(&mut open, key, 200, at(2));
    assert_eq!((open.poll_event(), sent_now(&mut open)), (Some(InviteServerEvent::Late), vec![]));
    assert!(open.cancel(&cancel, "ours", at(3)) && open.poll_event().is_none(), "a second CANCEL changes nothing");

    let (mut answered, key) = server(false);
    answers(&mut answered, key, 200, START);
    sent_now(&mut answered);
    answered.poll_event();
    assert!(answered.cancel(&cancel, "ours", at(1)));
    assert_eq!((answered.poll_event(), sent_now(&mut answered)), (None, vec![]));
    assert!(!answered.cancel(&invite_of(&Method::Cancel, "z9hG4bKother"), "ours", at(1)));
}

#[test]
fn an_invite_that_nobody_answers_is_let_go_when_it_has_rung_long_enough() {
    let (mut server, key) = server(false);
    served(&mut server, 179_999);
    assert_eq!(server.poll_event(), None);
    served(&mut server, 180_000);
    assert_eq!(server.poll_event(), Some(InviteServerEvent::Unanswered { key }));
    assert_eq!((server.len(), server.unanswered()), (0, 0));
}

#[test]
fn over_the_limit_a_new_invite_is_handed_back() {
    let (mut server, _) = server(false);
    arrives(&mut server, &invite_of(&Method::Invite, "z9hG4bKi2"), false, START);
    assert!(matches!(server.poll_event(), Some(InviteServerEvent::Request { .. })));
    arrives(&mut server, &invite_of(&Method::Invite, "z9hG4bKi3"), false, START);
    assert!(matches!(server.poll_event(), Some(InviteServerEvent::Full { .. })));
    arrives(&mut server, &invite(), false, START);
    assert_eq!(server.poll_event(), Some(InviteServerEvent::Absorbed));
}

#[test]
fn an_rfc_2543_ack_finds_its_invite_though_it_has_a_to_tag() {
    let mut old = invite();
    old.headers.set("Via", "SIP/2.0/UDP a.test");
    let mut server = Server::new(2);
    arrives(&mut server, &old, false, START);
    let Some(InviteServerEvent::Request { key, .. }) = server.poll_event() else { panic!("not new") };
    answers(&mut server, key, 486, START);
    server.poll_event();
    let mut ack = ack();
    ack.headers.set("Via", "SIP/2.0/UDP a.test");
    ack.headers.set("To", "<sip:b@b.test>;tag=ours");
    arrives(&mut server, &ack, true, at(1));
    assert_eq!(server.poll_event(), None, "taken, not handed up");
}

fn client(reliable: bool) -> (Client, Handle) {
    let mut client = Client::new(2);
    let handle = client.start(start(reliable), START).unwrap();
    (client, handle)
}

fn start(reliable: bool) -> InviteStart<u8, &'static str> {
    InviteStart { request: invite(), bytes: invite().to_bytes(), to: 9, reliable, token: "token" }
}

/// Fires every timer up to `until`; which methods were sent when.
fn called(client: &mut Client, until: u64) -> Vec<(u64, String)> {
    let mut sent = Vec::new();
    let mut now = START;
    loop {
        for method in out(client) {
            sent.push((now.millis() - START.millis(), method));
        }
        match client.poll_timeout().filter(|next| *next <= at(until)) {
            Some(next) => now = next,
            None => return sent,
        }
        client.handle_timeout(now);
    }
}

fn out(client: &mut Client) -> Vec<String> {
    let method = |bytes: Bytes| String::from_utf8_lossy(bytes.split(|b| *b == b' ').next().unwrap()).into_owned();
    std::iter::from_fn(|| client.poll_transmit()).map(|transmit| method(transmit.bytes)).collect()
}

fn hears(client: &mut Client, status: u16, tag: &str, now: Timestamp) {
    client.handle_input(InviteClientInput::Response(answer(&invite(), status, tag)), now);
}

const fn ended_by(outcome: Outcome) -> InviteClientEvent<u8, &'static str> {
    InviteClientEvent::Ended { token: "token", outcome }
}

#[test]
fn timer_a_doubles_without_end_and_timer_b_ends_it() {
    let (mut client, _) = client(false);
    let times: Vec<u64> = called(&mut client, 31_999).iter().map(|(ms, _)| *ms).collect();
    assert_eq!(times, [0, 500, 1500, 3500, 7500, 15_500, 31_500]);
    assert_eq!((client.poll_event(), client.open()), (None, 1));
    called(&mut client, 32_000);
    assert_eq!(client.poll_event(), Some(ended_by(Outcome::Timeout)));
    assert!(client.is_empty() && client.open() == 0);
}

#[test]
fn over_a_reliable_transport_an_invite_is_sent_once() {
    let (mut client, _) = client(true);
    assert_eq!(called(&mut client, 32_000).len(), 1);
    assert_eq!(client.poll_event(), Some(ended_by(Outcome::Timeout)));
}

#[test]
fn a_provisional_answer_ends_the_repetition_and_timer_b() {
    let (mut client, _) = client(false);
    out(&mut client);
    hears(&mut client, 100, "", at(100));
    assert_eq!(client.poll_event(), None);
    hears(&mut client, 180, "b", at(200));
    assert!(matches!(client.poll_event(), Some(InviteClientEvent::Provisional { token: "token", .. })));
    assert_eq!((called(&mut client, 60_000), client.poll_event(), client.open()), (vec![], None, 1));
}

#[test]
fn rfc_3261_17_1_1_3_a_refusal_is_acknowledged_with_the_branch_and_route_of_the_invite_each_time_it_comes() {
    let (mut client, _) = client(false);
    out(&mut client);
    hears(&mut client, 486, "b", at(100));
    let Some(Transmit { bytes, to: 9, .. }) = client.poll_transmit() else { panic!("no ACK") };
    let Message::Request(ack) = datagram(&bytes, &Limits::default()).unwrap() else { panic!("no request") };
    assert_eq!((ack.method, ack.uri.as_str(), ack.body.len()), (Method::Ack, "sip:b@b.test", 0));
    for (name, value) in [
        ("Via", "SIP/2.0/UDP a.test:5070;branch=z9hG4bKi1"),
        ("Route", "<sip:p1.test;lr>, <sip:p2.test;lr>"),
        ("From", "<sip:a@a.test>;tag=1"),
        ("To", "<sip:b@b.test>;tag=b"),
        ("Call-ID", "c@a.test"),
        ("CSeq", "7 ACK"),
    ] {
        assert_eq!(ack.headers.get(name), Some(value));
    }
    assert!(matches!(client.poll_event(), Some(InviteClientEvent::Ended { outcome: Outcome::Response(_), .. })));
    hears(&mut client, 486, "b", at(200));
    assert_eq!((out(&mut client), client.poll_event()), (vec!["ACK".to_owned()], None));
    called(&mut client, 32_099);
    assert_eq!(client.len(), 1);
    called(&mut client, 32_100);
    assert!(client.is_empty(), "Timer D");
}

#[test]
fn timer_d_is_zero_over_a_reliable_transport() {
    let (mut client, _) = client(true);
    hears(&mut client, 404, "b", at(100));
    assert!(client.is_empty());
    assert_eq!(out(&mut client), ["INVITE", "ACK"]);
}

#[test]
fn a_repeated_2xx_is_acknowledged_again_and_another_fork_is_told() {
    let (mut client, handle) = client(false);
    out(&mut client);
    hears(&mut client, 200, "b", at(100));
    let Some(InviteClientEvent::Accepted { by, to: 9, request, .. }) = client.poll_event() else { panic!("no 2xx") };
    assert_eq!((by, request.body.len()), (handle, 0));
    hears(&mut client, 200, "b", at(150));
    assert_eq!(client.poll_event(), None, "its ACK is not known yet");
    let ack = Ack { request: ack(), branch: "z9hG4bKa".to_owned(), hop: "sip:p1.test;lr".to_owned() };
    let made = InviteClientInput::Acknowledge { by, to_tag: "b".to_owned(), ack: ack.clone() };
    client.handle_input(made, at(160));
    hears(&mut client, 200, "b", at(600));
    assert_eq!(client.poll_event(), Some(InviteClientEvent::Acknowledge(ack)));
    hears(&mut client, 200, "fork", at(700));
    assert!(matches!(client.poll_event(), Some(InviteClientEvent::Accepted { .. })));
    hears(&mut client, 486, "third", at(800));
    assert_eq!((client.poll_event(), out(&mut client)), (None, vec![]), "RFC 6026 section 7.2");
    called(&mut client, 32_099);
    assert_eq!(client.len(), 1);
    called(&mut client, 32_100);
    assert!(client.is_empty(), "Timer M");
    hears(&mut client, 200, "b", at(32_200));
    assert!(matches!(client.poll_event(), Some(InviteClientEvent::Unmatched(_))));
}

#[test]
fn rfc_3261_9_1_cancel_waits_for_a_provisional_answer() {
    let (mut client, handle) = client(false);
    client.handle_input(InviteClientInput::Cancel(handle), at(1));
    assert_eq!(client.poll_event(), None);
    hears(&mut client, 100, "", at(100));
    let Some(InviteClientEvent::Cancel { request, branch, to: 9 }) = client.poll_event() else { panic!("no CANCEL") };
    assert_eq!((request.method, branch.as_str()), (Method::Cancel, "z9hG4bKi1"));
    assert_eq!(request.headers.get("CSeq"), Some("7 CANCEL"));
    assert_eq!(request.headers.get("To"), Some("<sip:b@b.test>"), "without a tag");
    assert_eq!(request.headers.get("Route"), invite().headers.get("Route"));
    client.handle_input(InviteClientInput::Cancel(handle), at(200));
    hears(&mut client, 180, "b", at(300));
    let events: Vec<_> = std::iter::from_fn(|| client.poll_event()).collect();
    assert!(matches!(events.as_slice(), [InviteClientEvent::Provisional { .. }]), "one CANCEL: {events:?}");
    hears(&mut client, 487, "b", at(400));
    assert!(matches!(client.poll_event(), Some(InviteClientEvent::Ended { outcome: Outcome::Response(_), .. })));
}

#[test]
fn a_2xx_that_crosses_the_cancel_is_told() {
    let (mut client, handle) = client(false);
    hears(&mut client, 180, "b", at(1));
    client.handle_input(InviteClientInput::Cancel(handle), at(2));
    while client.poll_event().is_some() {}
    hears(&mut client, 200, "b", at(3));
    assert!(matches!(client.poll_event(), Some(InviteClientEvent::Accepted { .. })));
    client.handle_input(InviteClientInput::Cancel(handle), at(4));
    assert_eq!((client.poll_event(), called(&mut client, 32_002).len()), (None, 1), "nothing to cancel any more");
}

#[test]
fn a_cancelled_invite_without_a_final_answer_ends_after_64_t1_and_one_that_only_rings_is_cancelled() {
    let (mut client, handle) = client(false);
    hears(&mut client, 180, "b", at(1000));
    client.handle_input(InviteClientInput::Cancel(handle), at(1000));
    called(&mut client, 32_999);
    assert_eq!(client.len(), 1);
    called(&mut client, 33_000);
    assert!(client.is_empty());

    let (mut client, _) = self::client(false);
    hears(&mut client, 180, "b", at(1000));
    client.poll_event();
    called(&mut client, 179_999);
    assert_eq!(client.poll_event(), None);
    called(&mut client, 180_000);
    assert!(matches!(client.poll_event(), Some(InviteClientEvent::Cancel { .. })));
    called(&mut client, 212_000);
    assert_eq!(client.poll_event(), Some(ended_by(Outcome::Timeout)));
}

#[test]
fn a_failed_transport_is_told_once_and_limits_and_branches_in_use_too() {
    let (mut client, handle) = client(false);
    assert_eq!(client.start(start(false), START), Err((Refused::Duplicate, "token")));
    for _ in 0..2 {
        client.handle_input(InviteClientInput::Failed(handle), at(1));
    }
    assert_eq!((client.poll_event(), client.poll_event()), (Some(ended_by(Outcome::Transport)), None));
    let mut full = Client::new(0);
    assert_eq!(full.start(start(false), START), Err((Refused::Full, "token")));
}
