//! Real sockets on loopback, every port chosen by the system; nothing is asserted about wall-clock time.

use super::*;
use crate::config::{Listen, Sip};
use crate::sip::{Headers, Limits, Message, Method, Request, Response, Via, datagram};
use crate::types::SeedSecret;
use bytes::Bytes;
use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Longer than anything here takes; only a broken build waits for it.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Default)]
pub(super) struct Tally(Mutex<HashMap<String, usize>>);

impl Tally {
    fn add(&self, what: String) {
        *self.0.lock().unwrap().entry(what).or_default() += 1;
    }

    pub(super) fn of(&self, what: &str) -> usize {
        self.0.lock().unwrap().get(what).copied().unwrap_or_default()
    }
}

impl Counters for Tally {
    fn request(&self, method: &Method) {
        self.add(format!("request {method}"));
    }
    fn response_sent(&self, method: &Method, status: u16) {
        self.add(format!("response {method} {status}"));
    }
    fn retransmission_absorbed(&self) {
        self.add("absorbed".to_owned());
    }
    fn dropped(&self, cause: DropCause) {
        self.add(format!("dropped {}", cause.name()));
    }
    fn limit_hit(&self, limit: Limit) {
        self.add(format!("limit {}", limit.name()));
    }
    fn transactions(&self, _: usize, _: usize) {}
    fn connections(&self, _: usize) {}
    fn dialogs(&self, _: usize) {}
}

/// What a handler is told besides requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    Cancelled(ServerKey),
    Dialog(DialogKey, DialogEvent),
}

struct Desk(Mutex<Sender<Incoming>>, Mutex<Sender<Told>>);

impl Handler for Desk {
    fn on_request(&self, incoming: Incoming) {
        self.0.lock().unwrap().send(incoming).ok();
    }

    fn on_cancel(&self, key: ServerKey) {
        self.1.lock().unwrap().send(Told::Cancelled(key)).ok();
    }

    fn on_dialog(&self, dialog: DialogKey, event: DialogEvent) {
        self.1.lock().unwrap().send(Told::Dialog(dialog, event)).ok();
    }
}

/// A running endpoint with its requests in a channel.
pub(super) struct House {
    pub(super) endpoint: Endpoint,
    pub(super) requests: Receiver<Incoming>,
    told: Receiver<Told>,
    pub(super) tally: Arc<Tally>,
    pub(super) udp: SocketAddr,
    pub(super) tcp: SocketAddr,
}

impl House {
    pub(super) fn open(change: impl FnOnce(&mut Sip)) -> Self {
        let mut config = Sip {
            listen: vec!["udp:127.0.0.1:0".parse().unwrap(), "tcp:127.0.0.1:0".parse().unwrap()],
            ..Sip::default()
        };
        change(&mut config);
        let (tell, requests) = channel();
        let (tell_more, told) = channel();
        let tally = Arc::new(Tally::default());
        let handler = Arc::new(Desk(Mutex::new(tell), Mutex::new(tell_more)));
        let counters: Arc<dyn Counters> = Arc::clone(&tally) as _;
        let (endpoint, bound) = Endpoint::start(&config, SeedSecret([3; 16]), handler, counters).unwrap();
        let [udp, tcp] = bound.as_slice() else { panic!("{bound:?}") };
        assert_eq!((udp.listen.transport, tcp.listen.transport), (Transport::Udp, Transport::Tcp));
        Self { endpoint, requests, told, tally, udp: udp.listen.address, tcp: tcp.listen.address }
    }

    pub(super) fn next(&self) -> Incoming {
        self.requests.recv_timeout(PATIENCE).unwrap()
    }

    pub(super) fn told(&self) -> Told {
        self.told.recv_timeout(PATIENCE).unwrap()
    }

    pub(super) fn answer_next(&self, status: u16) -> Incoming {
        let incoming = self.next();
        self.endpoint.respond(incoming.key, &Response::to(&incoming.request, status, "", "ours"));
        incoming
    }
}

impl Drop for House {
    fn drop(&mut self) {
        drain(&self.endpoint, Duration::ZERO);
    }
}

pub(super) fn drain(endpoint: &Endpoint, within: Duration) {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(endpoint.drain(within));
}

pub(super) fn peer() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

pub(super) fn tcp(to: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

pub(super) fn receive(socket: &UdpSocket) -> (Bytes, SocketAddr) {
    let mut buffer = vec![0; 65_535];
    let (length, from) = socket.recv_from(&mut buffer).unwrap();
    (Bytes::copy_from_slice(&buffer[..length]), from)
}

/// One message from a stream: headers and as much body as they say.
pub(super) fn read_stream(stream: &mut TcpStream) -> Bytes {
    let mut octets = Vec::new();
    while !octets.ends_with(b"\r\n\r\n") {
        let mut octet = [0];
        stream.read_exact(&mut octet).unwrap();
        octets.push(octet[0]);
    }
    let text = String::from_utf8_lossy(&octets).to_ascii_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length:")).unwrap().trim().parse().unwrap();
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    octets.extend(body);
    octets.into()
}

pub(super) fn request_of(bytes: &Bytes) -> Request {
    match datagram(bytes, &Limits::default()).unwrap() {
        Message::Request(request) => request,
        Message::Response(response) => panic!("a request was expected: {response:?}"),
    }
}

pub(super) fn response_of(bytes: &Bytes) -> Response {
    match datagram(bytes, &Limits::default()).unwrap() {
        Message::Response(response) => response,
        Message::Request(request) => panic!("a response was expected: {request:?}"),
    }
}

fn message(transport: &str, branch: &str) -> Request {
    let mut request = plain();
    request.headers.push_front("Via", format!("SIP/2.0/{transport} phone.invalid:9;branch={branch};rport"));
    request
}

pub(super) fn plain() -> Request {
    let mut headers = Headers::new();
    headers.push("Max-Forwards", "70");
    headers.push("From", "<sip:a@a.test>;tag=1");
    headers.push("To", "<sip:b@b.test>");
    headers.push("Call-ID", "c@a.test");
    headers.push("CSeq", "7 MESSAGE");
    Request { method: Method::Message, uri: "sip:b@b.test".to_owned(), headers, body: Bytes::from_static(b"hello") }
}

pub(super) fn to(peer: SocketAddr) -> Target {
    Target { host: peer.ip().to_string(), port: Some(peer.port()), transport: None, flow: None }
}

fn out(branch: &str, body: usize, target: Target) -> OutRequest {
    let mut request = plain();
    request.body = vec![b'x'; body].into();
    OutRequest { request, branch: branch.to_owned(), target }
}

#[test]
fn udp_a_request_comes_in_its_answer_goes_out_and_a_retransmission_gets_the_same_octets() {
    let house = House::open(|_| {});
    let phone = peer();
    let octets = message("UDP", "z9hG4bK1").to_bytes();
    phone.send_to(&octets, house.udp).unwrap();
    let incoming = house.answer_next(202);
    assert_eq!((incoming.peer, incoming.transport), (phone.local_addr().unwrap(), Transport::Udp));
    let via = Via::top(&incoming.request.headers).unwrap();
    assert_eq!((via.received.as_deref(), via.rport), (Some("127.0.0.1"), Some(Some(incoming.peer.port()))));
    assert_eq!(incoming.request.body, "hello");
    let (first, from) = receive(&phone);
    assert_eq!((response_of(&first).status, from), (202, house.udp));
    phone.send_to(&octets, house.udp).unwrap();
    assert_eq!(receive(&phone).0, first);
    assert!(house.requests.try_recv().is_err());
    assert_eq!((house.tally.of("absorbed"), house.tally.of("request MESSAGE")), (1, 1));
    assert_eq!(house.tally.of("response MESSAGE 202"), 1);
}

#[test]
fn udp_malformed_requests_get_400_and_garbage_is_dropped_in_silence() {
    let house = House::open(|_| {});
    let phone = peer();
    for garbage in [&b""[..], b"\r\n\r\n", b"\0\0\0\0", b"hello", b"SIP/2.0 200 OK\r\n\r\n", &[0xff; 2000]] {
        phone.send_to(garbage, house.udp).unwrap();
    }
    let mut bad = message("UDP", "z9hG4bK1");
    bad.headers.set("CSeq", "7 INVITE");
    phone.send_to(&bad.to_bytes(), house.udp).unwrap();
    let (octets, _) = receive(&phone);
    assert_eq!(response_of(&octets).status, 400);
    phone.send_to(&bad.to_bytes(), house.udp).unwrap();
    assert_eq!(receive(&phone).0, octets);
    assert_eq!((house.tally.of("dropped keep-alive"), house.tally.of("dropped garbage")), (3, 3));
    assert!(house.requests.try_recv().is_err());
}

#[test]
fn a_response_to_nothing_is_dropped_and_so_is_an_ack() {
    let house = House::open(|_| {});
    let phone = peer();
    let stray = Response::to(&message("UDP", "z9hG4bKstray"), 200, "", "x").to_bytes();
    let mut ack = message("UDP", "z9hG4bK1");
    (ack.method, ack.body) = (Method::Ack, Bytes::new());
    ack.headers.set("CSeq", "7 ACK");
    for octets in [stray, ack.to_bytes(), message("UDP", "z9hG4bK2").to_bytes()] {
        phone.send_to(&octets, house.udp).unwrap();
    }
    assert_eq!(house.answer_next(200).request.method, Method::Message);
    assert_eq!(response_of(&receive(&phone).0).status, 200);
    assert_eq!((house.tally.of("dropped unmatched-response"), house.tally.of("dropped ack")), (1, 1));
}

#[test]
fn tcp_two_messages_in_one_segment_and_one_message_in_two() {
    let house = House::open(|_| {});
    let mut phone = tcp(house.tcp);
    let mut both = message("TCP", "z9hG4bK1").to_bytes().to_vec();
    both.extend_from_slice(&message("TCP", "z9hG4bK2").to_bytes());
    phone.write_all(&both).unwrap();
    for _ in 0..2 {
        let incoming = house.answer_next(200);
        assert_eq!((incoming.peer, incoming.transport), (phone.local_addr().unwrap(), Transport::Tcp));
        assert_eq!(response_of(&read_stream(&mut phone)).status, 200);
    }
    let third = message("TCP", "z9hG4bK3").to_bytes();
    let (head, tail) = third.split_at(third.len() / 2);
    phone.write_all(head).unwrap();
    // A keep-alive on another connection comes back: by then the first half has long been read.
    let mut other = tcp(house.tcp);
    other.write_all(b"\r\n\r\n").unwrap();
    let mut pong = [0; 2];
    other.read_exact(&mut pong).unwrap();
    assert_eq!(&pong, b"\r\n");
    phone.write_all(tail).unwrap();
    assert_eq!(house.answer_next(202).request.body, "hello");
    assert_eq!(response_of(&read_stream(&mut phone)).status, 202);
}

#[test]
fn tcp_a_stream_that_cannot_be_read_on_is_answered_and_closed() {
    let house = House::open(|_| {});
    let mut phone = tcp(house.tcp);
    let good = message("TCP", "z9hG4bK1").to_bytes();
    let bad = String::from_utf8_lossy(&good).replace("Content-Length: 5", "Content-Length: five");
    phone.write_all(bad.as_bytes()).unwrap();
    assert_eq!(response_of(&read_stream(&mut phone)).status, 400);
    assert_eq!(phone.read(&mut [0]).unwrap_or(0), 0);
}

#[test]
fn tcp_over_the_connection_limit_a_connection_is_closed() {
    let house = House::open(|config| config.connections_max = 1);
    let mut first = tcp(house.tcp);
    first.write_all(b"\r\n\r\n").unwrap();
    first.read_exact(&mut [0; 2]).unwrap();
    assert_eq!(tcp(house.tcp).read(&mut [0]).unwrap_or(0), 0);
    assert_eq!(house.tally.of("limit connections"), 1);
    first.write_all(b"\r\n\r\n").unwrap();
    first.read_exact(&mut [0; 2]).unwrap();
}

#[test]
fn tcp_over_the_backlog_limit_the_connection_is_given_up() {
    let house = House::open(|config| config.connection_backlog_max = 10);
    let mut phone = tcp(house.tcp);
    phone.write_all(&message("TCP", "z9hG4bK1").to_bytes()).unwrap();
    house.answer_next(200);
    assert_eq!(phone.read(&mut [0]).unwrap_or(0), 0);
    assert_eq!(house.tally.of("limit connection-backlog"), 1);
}

#[test]
fn udp_our_request_carries_our_via_and_its_outcome_is_the_answer() {
    let house = House::open(|config| config.host = Some("pf.test".to_owned()));
    let phone = peer();
    let outcome = house.endpoint.request(out("z9hG4bKmine", 10, to(phone.local_addr().unwrap()))).unwrap();
    let (octets, from) = receive(&phone);
    let request = request_of(&octets);
    let via = format!("SIP/2.0/UDP pf.test:{};branch=z9hG4bKmine;rport", house.udp.port());
    assert_eq!((request.headers.get("Via"), from), (Some(via.as_str()), house.udp));
    phone.send_to(&Response::to(&request, 480, "", "x").to_bytes(), from).unwrap();
    let Outcome::Response(response) = outcome.blocking_recv().unwrap() else { panic!("no response") };
    assert_eq!(response.status, 480);
}

#[test]
fn rfc_3261_18_1_1_a_long_request_goes_over_tcp_and_the_connection_is_used_again() {
    let house = House::open(|_| {});
    let (phone, listener) = both_transports();
    let target = to(phone.local_addr().unwrap());
    let mut accepted = None;
    for branch in ["z9hG4bK1", "z9hG4bK2"] {
        let outcome = house.endpoint.request(out(branch, 2000, target.clone())).unwrap();
        let stream = accepted.get_or_insert_with(|| listener.accept().unwrap().0);
        let request = request_of(&read_stream(stream));
        let via = Via::top(&request.headers).unwrap();
        assert_eq!((via.transport.as_str(), via.branch.as_deref()), ("TCP", Some(branch)));
        assert_eq!(Via::list(&request.headers).len(), 1);
        stream.write_all(&Response::to(&request, 200, "", "x").to_bytes()).unwrap();
        assert!(matches!(outcome.blocking_recv().unwrap(), Outcome::Response(_)));
    }
    let outcome = house.endpoint.request(out("z9hG4bK3", 2000, target)).unwrap();
    read_stream(accepted.as_mut().unwrap());
    drop(accepted);
    assert_eq!(outcome.blocking_recv().unwrap(), Outcome::Transport, "the connection broke before the answer");
}

/// A UDP socket and a TCP listener on one port.
fn both_transports() -> (UdpSocket, TcpListener) {
    for _ in 0..100 {
        let phone = peer();
        if let Ok(listener) = TcpListener::bind(phone.local_addr().unwrap()) {
            return (phone, listener);
        }
    }
    panic!("no port is free for both");
}

#[test]
fn a_long_request_falls_back_to_udp_with_the_same_branch_and_the_peer_is_remembered() {
    let house = House::open(|_| {});
    let (phone, listener) = both_transports();
    drop(listener);
    let address = phone.local_addr().unwrap();
    let first = house.endpoint.request(out("z9hG4bK1", 2000, to(address))).unwrap();
    let (octets, from) = receive(&phone);
    let request = request_of(&octets);
    let via = Via::list(&request.headers);
    assert_eq!((via.len(), via[0].transport.as_str(), via[0].branch.as_deref()), (1, "UDP", Some("z9hG4bK1")));
    assert_eq!(request.body.len(), 2000);
    phone.send_to(&Response::to(&request, 200, "", "x").to_bytes(), from).unwrap();
    assert!(matches!(first.blocking_recv().unwrap(), Outcome::Response(_)));
    let _listener = TcpListener::bind(address).unwrap();
    let _second = house.endpoint.request(out("z9hG4bK2", 2000, to(address))).unwrap();
    assert_eq!(Via::top(&request_of(&receive(&phone).0).headers).unwrap().branch.as_deref(), Some("z9hG4bK2"));
}

#[test]
fn a_pinned_tcp_target_that_refuses_is_a_transport_failure() {
    let house = House::open(|_| {});
    let (phone, listener) = both_transports();
    drop(listener);
    let target = Target { transport: Some(Transport::Tcp), ..to(phone.local_addr().unwrap()) };
    let outcome = house.endpoint.request(out("z9hG4bK1", 10, target)).unwrap();
    assert_eq!(outcome.blocking_recv().unwrap(), Outcome::Transport);
}

#[test]
fn a_flow_is_the_inbound_connection_while_it_is_open() {
    let house = House::open(|_| {});
    let mut phone = tcp(house.tcp);
    phone.write_all(b"\r\n\r\n").unwrap();
    phone.read_exact(&mut [0; 2]).unwrap();
    let flow = Some((Transport::Tcp, phone.local_addr().unwrap()));
    let target = Target { host: "nobody.invalid".to_owned(), port: None, transport: None, flow };
    let outcome = house.endpoint.request(out("z9hG4bK1", 10, target)).unwrap();
    let request = request_of(&read_stream(&mut phone));
    phone.write_all(&Response::to(&request, 202, "", "x").to_bytes()).unwrap();
    assert!(matches!(outcome.blocking_recv().unwrap(), Outcome::Response(_)));
}

#[test]
fn host_names_are_resolved() {
    let house = House::open(|_| {});
    let phone = peer();
    let port = Some(phone.local_addr().unwrap().port());
    let target = Target { host: "localhost".to_owned(), port, transport: None, flow: None };
    let _outcome = house.endpoint.request(out("z9hG4bK1", 10, target)).unwrap();
    assert_eq!(request_of(&receive(&phone).0).body.len(), 10);
}

#[test]
fn over_the_client_limit_a_request_is_busy_until_one_ends() {
    let house = House::open(|config| config.client_transactions_max = 1);
    let target = Target { transport: Some(Transport::Tcp), ..to("127.0.0.1:1".parse().unwrap()) };
    let first = house.endpoint.request(out("z9hG4bK1", 10, to(peer().local_addr().unwrap()))).unwrap();
    assert!(matches!(house.endpoint.request(out("z9hG4bK2", 10, target.clone())), Err(NetError::Busy)));
    drop(first);
    drop(house);
    let house = House::open(|config| config.client_transactions_max = 1);
    for _ in 0..3 {
        let outcome = loop {
            // The place is given back at the end of the turn in which the outcome was told.
            match house.endpoint.request(out("z9hG4bK3", 10, target.clone())) {
                Ok(outcome) => break outcome,
                Err(_) => std::thread::yield_now(),
            }
        };
        assert_eq!(outcome.blocking_recv().unwrap(), Outcome::Transport);
    }
}

#[test]
fn over_the_server_limit_new_requests_get_503_with_retry_after() {
    let house = House::open(|config| (config.server_transactions_max, config.retry_after_secs) = (1, 17));
    let phone = peer();
    for branch in ["z9hG4bK1", "z9hG4bK2"] {
        phone.send_to(&message("UDP", branch).to_bytes(), house.udp).unwrap();
    }
    let refused = response_of(&receive(&phone).0);
    assert_eq!((refused.status, refused.headers.get("Retry-After")), (503, Some("17")));
    house.answer_next(200);
    assert_eq!(response_of(&receive(&phone).0).status, 200);
    assert_eq!(house.tally.of("limit server-transactions"), 1);
}

#[test]
fn rfc_3261_16_11_a_request_is_passed_on_statelessly_and_its_answer_comes_back() {
    let house = House::open(|_| {});
    let (phone, next_hop) = (peer(), peer());
    let mut branches = Vec::new();
    for _ in 0..2 {
        phone.send_to(&message("UDP", "z9hG4bK1").to_bytes(), house.udp).unwrap();
        let incoming = house.next();
        house.endpoint.forward(incoming.key, incoming.request, to(next_hop.local_addr().unwrap()));
        let (octets, from) = receive(&next_hop);
        let passed = request_of(&octets);
        let vias = Via::list(&passed.headers);
        assert_eq!((vias.len(), vias[1].branch.as_deref(), passed.body.as_ref()), (2, Some("z9hG4bK1"), &b"hello"[..]));
        branches.push(vias[0].branch.clone());
        next_hop.send_to(&Response::to(&passed, 202, "", "far").to_bytes(), from).unwrap();
        let answer = response_of(&receive(&phone).0);
        assert_eq!((answer.status, Via::list(&answer.headers).len()), (202, 1));
    }
    assert_eq!(branches[0], branches[1], "a retransmission has the branch of the first");
    // What only looks like ours goes nowhere.
    let mut forged = Response::to(&message("UDP", "z9hG4bKx"), 200, "", "x");
    forged.headers.push_front("Via", format!("SIP/2.0/UDP {};branch=z9hG4bK-f-{}", house.udp, "0".repeat(32)));
    next_hop.send_to(&forged.to_bytes(), house.udp).unwrap();
    phone.send_to(&message("UDP", "z9hG4bK2").to_bytes(), house.udp).unwrap();
    house.answer_next(404);
    assert_eq!(response_of(&receive(&phone).0).status, 404);
    assert_eq!(house.tally.of("dropped unmatched-response"), 1);
}

#[test]
fn drain_refuses_new_requests_waits_for_answers_and_frees_the_ports() {
    let house = House::open(|_| {});
    let phone = peer();
    phone.send_to(&message("UDP", "z9hG4bK1").to_bytes(), house.udp).unwrap();
    let open = house.next();
    let endpoint = house.endpoint.clone();
    let draining = std::thread::spawn(move || drain(&endpoint, PATIENCE));
    house.endpoint.stop_accepting();
    // Commands are done in order: when this request is out, nothing new is accepted.
    let mine = house.endpoint.request(out("z9hG4bKmine", 1, to(phone.local_addr().unwrap()))).unwrap();
    let (passed, from) = receive(&phone);
    phone.send_to(&message("UDP", "z9hG4bK2").to_bytes(), house.udp).unwrap();
    let refused = response_of(&receive(&phone).0);
    assert_eq!((refused.status, refused.headers.get("Retry-After")), (503, Some("5")));
    phone.send_to(&Response::to(&request_of(&passed), 200, "", "x").to_bytes(), from).unwrap();
    assert!(matches!(mine.blocking_recv().unwrap(), Outcome::Response(_)));
    assert!(!draining.is_finished(), "a request is unanswered");
    house.endpoint.respond(open.key, &Response::to(&open.request, 200, "", "x"));
    assert_eq!(response_of(&receive(&phone).0).status, 200);
    draining.join().unwrap();
    UdpSocket::bind(house.udp).unwrap();
    TcpListener::bind(house.tcp).unwrap();
    let gone = house.endpoint.request(out("z9hG4bK3", 1, to(phone.local_addr().unwrap())));
    assert!(matches!(gone, Err(NetError::Closed)));
}

#[test]
fn a_port_in_use_is_told_with_its_name_and_nothing_is_served() {
    let taken = peer();
    let listen = Listen { transport: Transport::Udp, address: taken.local_addr().unwrap() };
    let config = Sip { listen: vec!["tcp:127.0.0.1:0".parse().unwrap(), listen], ..Sip::default() };
    let desk = Desk(Mutex::new(channel().0), Mutex::new(channel().0));
    let started = Endpoint::start(&config, SeedSecret([3; 16]), Arc::new(desk), Arc::new(NoCounters));
    let error = started.unwrap_err().to_string();
    assert!(error.starts_with(&format!("cannot listen on {listen}: ")), "{error}");
}
