//! A client and a server in a box with a bad link between them, a virtual clock, and every timer rule by name.

use super::*;
use crate::sip::{Headers, Limits, Message, Method, Request, Response, datagram};
use crate::types::Timestamp;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

const START: Timestamp = Timestamp(1_000_000);

fn at(ms: u64) -> Timestamp {
    START.after(Duration::from_millis(ms))
}

fn request_with_via(method: &Method, via: &str) -> Request {
    let mut headers = Headers::new();
    headers.push("Via", via.to_owned());
    headers.push("From", "<sip:a@a.test>;tag=1");
    headers.push("To", "<sip:b@b.test>");
    headers.push("Call-ID", "c@a.test");
    headers.push("CSeq", format!("7 {method}"));
    headers.push("Max-Forwards", "70");
    headers.push("Subject", "not for a 100");
    Request { method: method.clone(), uri: "sip:b@b.test".to_owned(), headers, body: Bytes::from_static(b"hello") }
}

fn request(branch: &str) -> Request {
    request_with_via(&Method::Message, &format!("SIP/2.0/UDP a.test:5070;branch={branch}"))
}

fn read(bytes: &Bytes) -> Message {
    datagram(bytes, &Limits::default()).unwrap()
}

fn answer_to(request: &Request, status: u16) -> Response {
    Response::to(request, status, "", "tag-of-b")
}

/// Server with one request in it; the key.
fn server_with(request: &Request, reliable: bool) -> (Servers<u8>, Handle) {
    let mut servers = Servers::new(10);
    servers.handle_input(ServerInput::Request { request: request.clone(), from: 1, reliable }, START);
    let Some(ServerEvent::Request { key, request: seen, from: 1 }) = servers.poll_event() else { panic!("not new") };
    assert_eq!(seen, *request);
    (servers, key)
}

fn again(servers: &mut Servers<u8>, request: &Request, now: Timestamp) -> Option<ServerEvent<u8>> {
    servers.handle_input(ServerInput::Request { request: request.clone(), from: 2, reliable: false }, now);
    servers.poll_event()
}

/// Fires every server timer up to `until`; what was sent, with times.
fn run_server(servers: &mut Servers<u8>, until: Timestamp) -> Vec<(u64, Transmit<u8>)> {
    let mut sent = Vec::new();
    while let Some(now) = servers.poll_timeout().filter(|next| *next <= until) {
        servers.handle_timeout(now);
        while let Some(transmit) = servers.poll_transmit() {
            sent.push((now.millis() - START.millis(), transmit));
        }
    }
    sent
}

fn client_with(reliable: bool) -> (Clients<u8, &'static str>, Request) {
    let mut clients = Clients::new(10);
    let request = request("z9hG4bKc1");
    assert!(clients.start(start("z9hG4bKc1", &request, reliable), START).is_ok());
    (clients, request)
}

fn start(branch: &str, request: &Request, reliable: bool) -> Start<u8, &'static str> {
    let (branch, method) = (branch.to_owned(), request.method.clone());
    Start { branch, method, bytes: request.to_bytes(), to: 9, reliable, token: "token" }
}

/// Fires every client timer up to `until`; when something was sent.
fn run_client(clients: &mut Clients<u8, &'static str>, until: Timestamp) -> Vec<u64> {
    let mut sent = Vec::new();
    let mut now = START;
    loop {
        while clients.poll_transmit().is_some() {
            sent.push(now.millis() - START.millis());
        }
        match clients.poll_timeout().filter(|next| *next <= until) {
            Some(next) => now = next,
            None => return sent,
        }
        clients.handle_timeout(now);
    }
}

const ENDED_TIMEOUT: ClientEvent<&str> = ClientEvent::Ended { token: "token", outcome: Outcome::Timeout };

#[test]
fn timer_e_doubles_up_to_t2_and_timer_f_ends_it() {
    let (mut clients, _) = client_with(false);
    let sent = run_client(&mut clients, at(31_999));
    assert_eq!(sent, [0, 500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]);
    assert_eq!((clients.poll_event(), clients.open()), (None, 1));
    assert_eq!(run_client(&mut clients, at(60_000)), [0; 0]);
    assert_eq!(clients.poll_event(), Some(ENDED_TIMEOUT));
    assert!(clients.is_empty() && clients.open() == 0);
}

#[test]
fn timer_e_is_t2_once_a_provisional_answer_came() {
    let (mut clients, request) = client_with(false);
    assert_eq!(run_client(&mut clients, at(600)), [0, 500]);
    clients.handle_input(ClientInput::Response(answer_to(&request, 100)), at(600));
    assert_eq!(clients.poll_event(), None);
    assert_eq!(run_client(&mut clients, at(14_000)), [1500, 5500, 9500, 13_500]);
    clients.handle_input(ClientInput::Response(answer_to(&request, 202)), at(14_000));
    let Some(ClientEvent::Ended { outcome: Outcome::Response(response), .. }) = clients.poll_event() else { panic!() };
    assert_eq!(response.status, 202);
}

#[test]
fn timer_e_is_not_set_over_a_reliable_transport_but_timer_f_is() {
    let (mut clients, _) = client_with(true);
    assert_eq!(run_client(&mut clients, at(60_000)), [0]);
    assert_eq!(clients.poll_event(), Some(ENDED_TIMEOUT));
}

#[test]
fn timer_k_absorbs_late_answers_for_t4() {
    let (mut clients, request) = client_with(false);
    let response = answer_to(&request, 200);
    clients.handle_input(ClientInput::Response(response.clone()), at(100));
    assert!(matches!(clients.poll_event(), Some(ClientEvent::Ended { .. })));
    run_client(&mut clients, at(5099));
    clients.handle_input(ClientInput::Response(response.clone()), at(5099));
    assert_eq!((clients.poll_event(), clients.len(), clients.open()), (None, 1, 0));
    assert_eq!(run_client(&mut clients, at(5100)), [0; 0], "an answered request is not sent again");
    clients.handle_input(ClientInput::Response(response.clone()), at(5100));
    assert_eq!((clients.poll_event(), clients.len()), (Some(ClientEvent::Unmatched(response)), 0));
}

#[test]
fn timer_k_is_zero_over_a_reliable_transport() {
    let (mut clients, request) = client_with(true);
    clients.handle_input(ClientInput::Response(answer_to(&request, 200)), at(100));
    assert!(matches!(clients.poll_event(), Some(ClientEvent::Ended { .. })));
    assert!(clients.is_empty());
}

#[test]
fn a_transport_failure_is_told_once_and_ends_the_transaction() {
    let mut clients = Clients::new(1);
    let request = request("z9hG4bKc1");
    let handle = clients.start(start("z9hG4bKc1", &request, false), START).unwrap();
    assert_eq!(clients.poll_transmit().unwrap().by, handle);
    clients.handle_input(ClientInput::Failed(handle), at(1));
    clients.handle_input(ClientInput::Failed(handle), at(2));
    assert_eq!(clients.poll_event(), Some(ClientEvent::Ended { token: "token", outcome: Outcome::Transport }));
    assert_eq!((clients.poll_event(), clients.len(), clients.contains(handle)), (None, 0, false));
}

#[test]
fn a_client_answers_to_branch_and_method_only() {
    let (mut clients, request) = client_with(false);
    let other_method = request_with_via(&Method::Options, "SIP/2.0/UDP a.test;branch=z9hG4bKc1");
    for stranger in [answer_to(&self::request("z9hG4bKother"), 200), answer_to(&other_method, 200)] {
        clients.handle_input(ClientInput::Response(stranger.clone()), at(1));
        assert_eq!(clients.poll_event(), Some(ClientEvent::Unmatched(stranger)));
    }
    clients.handle_input(ClientInput::Response(answer_to(&request, 486)), at(2));
    assert!(matches!(clients.poll_event(), Some(ClientEvent::Ended { .. })));
}

#[test]
fn client_limits_and_branches_in_use_are_told_with_the_token() {
    let mut clients = Clients::new(2);
    let request = request("z9hG4bKc1");
    assert!(clients.start(start("z9hG4bKc1", &request, false), START).is_ok());
    assert_eq!(clients.start(start("z9hG4bKc1", &request, false), START), Err((Refused::Duplicate, "token")));
    assert!(clients.start(start("z9hG4bKc2", &request, false), START).is_ok());
    assert_eq!(clients.start(start("z9hG4bKc3", &request, false), START), Err((Refused::Full, "token")));
}

#[test]
fn a_retransmission_is_absorbed_before_the_answer_and_gets_its_octets_after_it() {
    let request = request("z9hG4bKs1");
    let (mut servers, key) = server_with(&request, false);
    assert_eq!(again(&mut servers, &request, at(500)), Some(ServerEvent::Absorbed));
    assert_eq!(servers.poll_transmit(), None);
    let bytes = answer_to(&request, 202).to_bytes();
    servers.handle_input(ServerInput::Answer { key, status: 202, bytes: bytes.clone() }, at(600));
    let sent = Transmit { by: key, to: 1, bytes };
    assert_eq!(servers.poll_transmit().as_ref(), Some(&sent));
    assert_eq!(servers.poll_event(), Some(ServerEvent::Answered { method: Method::Message, status: 202 }));
    assert_eq!(again(&mut servers, &request, at(1500)), Some(ServerEvent::Absorbed));
    assert_eq!(servers.poll_transmit().as_ref(), Some(&sent));
    assert_eq!(servers.poll_transmit(), None);
}

#[test]
fn timer_j_keeps_the_answer_for_64_t1() {
    let request = request("z9hG4bKs1");
    let (mut servers, key) = server_with(&request, false);
    let bytes = answer_to(&request, 200).to_bytes();
    servers.handle_input(ServerInput::Answer { key, status: 200, bytes }, at(1000));
    servers.poll_event();
    run_server(&mut servers, at(32_999));
    assert_eq!(again(&mut servers, &request, at(32_999)), Some(ServerEvent::Absorbed));
    run_server(&mut servers, at(33_000));
    assert!(servers.is_empty());
    assert!(matches!(again(&mut servers, &request, at(33_000)), Some(ServerEvent::Request { .. })));
}

#[test]
fn timer_j_is_zero_over_a_reliable_transport() {
    let request = request("z9hG4bKs1");
    let (mut servers, key) = server_with(&request, true);
    servers.handle_input(ServerInput::Answer { key, status: 200, bytes: Bytes::from_static(b"x") }, at(1));
    assert!(servers.is_empty() && servers.poll_transmit().is_some());
}

#[test]
fn rfc_4320_4_1_the_server_says_100_when_timer_e_has_reached_t2_and_not_before() {
    for reliable in [false, true] {
        let request = request("z9hG4bKs1");
        let (mut servers, key) = server_with(&request, reliable);
        servers.handle_input(ServerInput::Answer { key, status: 183, bytes: Bytes::from_static(b"no") }, at(10));
        assert_eq!((servers.poll_event(), servers.poll_transmit()), (None, None), "no provisional but 100");
        let sent = run_server(&mut servers, at(4000));
        let [(3500, Transmit { to: 1, bytes, .. })] = sent.as_slice() else { panic!("{sent:?}") };
        let Message::Response(trying) = read(bytes) else { panic!() };
        assert_eq!((trying.status, trying.headers.get("Subject"), trying.body.len()), (100, None, 0));
        for name in ["Via", "From", "To", "Call-ID", "CSeq"] {
            assert_eq!(trying.headers.get(name), request.headers.get(name), "{name}");
        }
        assert_eq!(again(&mut servers, &request, at(4000)), Some(ServerEvent::Absorbed));
        assert_eq!(servers.poll_transmit().map(|t| t.bytes), Some(bytes.clone()), "the last provisional is repeated");
        servers.handle_input(ServerInput::Answer { key, status: 200, bytes: Bytes::from_static(b"x") }, at(5000));
        assert_eq!(servers.poll_transmit().map(|t| t.bytes), Some(Bytes::from_static(b"x")));
    }
}

#[test]
fn rfc_4320_4_1_no_100_after_the_answer() {
    let (mut servers, key) = server_with(&request("z9hG4bKs1"), false);
    servers.handle_input(ServerInput::Answer { key, status: 200, bytes: Bytes::from_static(b"x") }, at(3499));
    servers.poll_transmit();
    assert_eq!(run_server(&mut servers, at(90_000)), []);
}

#[test]
fn rfc_4320_4_2_a_request_left_unanswered_gets_no_408_and_no_late_answer() {
    let (mut servers, key) = server_with(&request("z9hG4bKs1"), false);
    let statuses: Vec<_> =
        run_server(&mut servers, at(90_000)).iter().map(|(ms, t)| (*ms, t.bytes.slice(8..11))).collect();
    assert_eq!(statuses, [(3500, Bytes::from_static(b"100"))]);
    assert_eq!((servers.poll_event(), servers.len(), servers.unanswered()), (Some(ServerEvent::Unanswered), 0, 0));
    servers.handle_input(ServerInput::Answer { key, status: 200, bytes: Bytes::from_static(b"x") }, at(90_000));
    assert_eq!((servers.poll_event(), servers.poll_transmit()), (Some(ServerEvent::Late), None));
}

#[test]
fn a_second_final_answer_is_not_sent() {
    let (mut servers, key) = server_with(&request("z9hG4bKs1"), false);
    for bytes in [&b"first"[..], b"second"] {
        servers.handle_input(ServerInput::Answer { key, status: 200, bytes: Bytes::from_static(bytes) }, at(1));
    }
    assert_eq!(servers.poll_transmit().map(|t| t.bytes), Some(Bytes::from_static(b"first")));
    assert_eq!(servers.poll_transmit(), None);
    assert!(matches!(servers.poll_event(), Some(ServerEvent::Answered { .. })));
    assert_eq!(servers.poll_event(), Some(ServerEvent::Late));
}

#[test]
fn rfc_3261_17_2_3_branch_sent_by_and_method_make_the_transaction() {
    let (mut servers, _) = server_with(&request("z9hG4bKs1"), false);
    let same = [
        "SIP/2.0/UDP A.TEST:5070;branch=z9hG4bKs1",
        "SIP / 2.0 / UDP a.test:5070 ;x=\"a,;b\";branch=z9hG4bKs1;received=10.0.0.1, SIP/2.0/UDP z;branch=z9hG4bKz",
    ];
    for via in same {
        let event = again(&mut servers, &request_with_via(&Method::Message, via), at(1));
        assert_eq!(event, Some(ServerEvent::Absorbed), "{via}");
    }
    let other = [
        (Method::Message, "SIP/2.0/UDP a.test:5071;branch=z9hG4bKs1"),
        (Method::Message, "SIP/2.0/UDP b.test:5070;branch=z9hG4bKs1"),
        (Method::Message, "SIP/2.0/UDP a.test:5070;branch=z9hG4bKS1"),
        (Method::Cancel, "SIP/2.0/UDP a.test:5070;branch=z9hG4bKs1"),
    ];
    for (method, via) in other {
        let event = again(&mut servers, &request_with_via(&method, via), at(1));
        assert!(matches!(event, Some(ServerEvent::Request { .. })), "{method} {via}");
    }
}

#[test]
fn rfc_2543_requests_are_matched_by_call_id_cseq_tags_and_via() {
    for via in ["SIP/2.0/UDP a.test", "SIP/2.0/UDP a.test;branch=1", "SIP/2.0/UDP a.test;branch"] {
        let old = request_with_via(&Method::Message, via);
        let (mut servers, _) = server_with(&old, false);
        assert_eq!(again(&mut servers, &old, at(1)), Some(ServerEvent::Absorbed));
        for (name, value) in
            [("CSeq", "8 MESSAGE"), ("Call-ID", "d"), ("From", "<sip:a@a.test>;tag=2"), ("Via", "SIP/2.0/UDP b")]
        {
            let mut other = old.clone();
            other.headers.set(name, value);
            assert!(matches!(again(&mut servers, &other, at(1)), Some(ServerEvent::Request { .. })), "{name}");
        }
    }
}

#[test]
fn over_the_server_limit_new_requests_are_handed_back_and_old_ones_still_absorbed() {
    let mut servers = Servers::new(1);
    for (branch, full) in [("z9hG4bK1", false), ("z9hG4bK2", true), ("z9hG4bK2", true)] {
        let request = request(branch);
        servers.handle_input(ServerInput::Request { request, from: 1, reliable: false }, START);
        assert_eq!(matches!(servers.poll_event(), Some(ServerEvent::Full { from: 1, .. })), full);
    }
    assert_eq!(again(&mut servers, &request("z9hG4bK1"), at(1)), Some(ServerEvent::Absorbed));
    assert_eq!(servers.len(), 1);
}

#[test]
fn a_request_passed_on_statelessly_comes_up_again_when_retransmitted() {
    let request = request("z9hG4bKs1");
    let (mut servers, key) = server_with(&request, false);
    servers.handle_input(ServerInput::Forget { key }, at(1));
    assert_eq!((servers.len(), servers.unanswered()), (0, 0));
    assert!(matches!(again(&mut servers, &request, at(500)), Some(ServerEvent::Request { .. })));
}

#[test]
fn timers_of_ended_transactions_do_not_pile_up() {
    let mut servers = Servers::<u8>::new(10);
    let mut clients = Clients::<u8, &str>::new(10);
    for n in 0..20_000 {
        let request = request(&format!("z9hG4bK{n}"));
        servers.handle_input(ServerInput::Request { request: request.clone(), from: 1, reliable: true }, START);
        let Some(ServerEvent::Request { key, .. }) = servers.poll_event() else { panic!() };
        servers.handle_input(ServerInput::Answer { key, status: 200, bytes: Bytes::new() }, START);
        while servers.poll_event().is_some() || servers.poll_transmit().is_some() {}
        clients.start(start(&format!("z9hG4bK{n}"), &request, true), START).unwrap();
        clients.handle_input(ClientInput::Response(answer_to(&request, 200)), START);
        while clients.poll_event().is_some() || clients.poll_transmit().is_some() {}
    }
    assert!(servers.timers_set() < 2048 && clients.timers_set() < 2048);
}

/// Small, seeded, good enough to lose datagrams with.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

#[derive(Debug)]
enum Happening {
    ToServer(Bytes),
    ToClient(Bytes),
    /// The server's user makes up its mind.
    Answer(Handle, Box<Request>),
}

/// The box: both machines, the link, the server's user.
struct Pair {
    now: Timestamp,
    dice: Dice,
    loss_percent: u64,
    delay_max: u64,
    clients: Clients<(), usize>,
    servers: Servers<()>,
    happenings: BTreeMap<(Timestamp, u64), Happening>,
    serial: u64,
    /// How often the server's user saw each branch, and what it answered.
    seen: HashMap<String, usize>,
    answered: HashMap<String, Response>,
    /// Branches whose final answer came through while the client was waiting.
    arrived: HashMap<String, Timestamp>,
    outcomes: HashMap<usize, (Timestamp, Outcome)>,
}

fn branch_of(headers: &Headers) -> String {
    crate::sip::Via::top(headers).unwrap().branch.unwrap()
}

impl Pair {
    fn new(seed: u64, loss_percent: u64, delay_max: u64) -> Self {
        Self {
            now: START,
            dice: Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1),
            loss_percent,
            delay_max,
            clients: Clients::new(1000),
            servers: Servers::new(1000),
            happenings: BTreeMap::new(),
            serial: 0,
            seen: HashMap::new(),
            answered: HashMap::new(),
            arrived: HashMap::new(),
            outcomes: HashMap::new(),
        }
    }

    fn later(&mut self, ms: u64, happening: Happening) {
        self.serial += 1;
        self.happenings.insert((self.now.after(Duration::from_millis(ms)), self.serial), happening);
    }

    /// The link loses, doubles and delays.
    fn link(&mut self, bytes: &Bytes, wrap: fn(Bytes) -> Happening) {
        let copies = if self.dice.roll(100) < 20 { 2 } else { 1 };
        for _ in 0..copies {
            if self.dice.roll(100) >= self.loss_percent {
                let delay = self.dice.roll(self.delay_max + 1);
                self.later(delay, wrap(bytes.clone()));
            }
        }
    }

    fn send(&mut self, token: usize) {
        let branch = format!("z9hG4bK-{token}");
        let bytes = request(&branch).to_bytes();
        let start = Start { branch, method: Method::Message, bytes, to: (), reliable: false, token };
        self.clients.start(start, self.now).unwrap();
        self.settle();
    }

    /// Empties both machines.
    fn settle(&mut self) {
        while let Some(transmit) = self.clients.poll_transmit() {
            self.link(&transmit.bytes, Happening::ToServer);
        }
        while let Some(event) = self.servers.poll_event() {
            if let ServerEvent::Request { key, request, .. } = event {
                *self.seen.entry(branch_of(&request.headers)).or_default() += 1;
                let thinking = self.dice.roll(6000);
                self.later(thinking, Happening::Answer(key, Box::new(request)));
            }
        }
        while let Some(transmit) = self.servers.poll_transmit() {
            self.link(&transmit.bytes, Happening::ToClient);
        }
        while let Some(event) = self.clients.poll_event() {
            if let ClientEvent::Ended { token, outcome } = event {
                assert!(self.outcomes.insert(token, (self.now, outcome)).is_none(), "two outcomes for one request");
            }
        }
    }

    /// Jumps to whatever comes next, until nothing does.
    fn drive(&mut self) {
        loop {
            let happening = self.happenings.keys().next().map(|(at, _)| *at);
            let timers = [self.clients.poll_timeout(), self.servers.poll_timeout(), happening];
            let Some(next) = timers.into_iter().flatten().min() else { return };
            assert!(next >= self.now, "time went back");
            self.now = next;
            if happening == Some(next) {
                self.happen();
            }
            self.clients.handle_timeout(self.now);
            self.servers.handle_timeout(self.now);
            self.settle();
        }
    }

    fn happen(&mut self) {
        let Some((_, happening)) = self.happenings.pop_first() else { return };
        match happening {
            Happening::ToServer(bytes) => {
                let Message::Request(request) = read(&bytes) else { panic!("not a request") };
                self.servers.handle_input(ServerInput::Request { request, from: (), reliable: false }, self.now);
            }
            Happening::ToClient(bytes) => {
                let Message::Response(response) = read(&bytes) else { panic!("not a response") };
                assert!(response.status == 100 || response.status >= 200);
                if response.status >= 200 {
                    self.arrived.entry(branch_of(&response.headers)).or_insert(self.now);
                }
                self.clients.handle_input(ClientInput::Response(response), self.now);
            }
            Happening::Answer(key, request) => {
                let status = [200, 202, 404, 480, 503][usize::try_from(self.dice.roll(5)).unwrap()];
                let response = answer_to(&request, status);
                let bytes = response.to_bytes();
                self.answered.insert(branch_of(&request.headers), response);
                self.servers.handle_input(ServerInput::Answer { key, status, bytes }, self.now);
            }
        }
    }
}

/// Delays stay under 500 ms: the last retransmission leaves at 31.5 s, and Timer J promises no more than 32 s.
#[test]
fn whatever_is_lost_each_request_is_seen_once_and_the_answer_that_arrives_is_the_one_given() {
    let (mut timeouts, mut answers) = (0, 0);
    for seed in 0..400 {
        let mut pair = Pair::new(seed, seed % 10 * 10, 490);
        for token in 0..5 {
            pair.send(token);
        }
        pair.drive();
        assert!(pair.seen.values().all(|times| *times == 1), "seed {seed}: {:?}", pair.seen);
        assert_eq!(pair.outcomes.len(), 5, "seed {seed}");
        for (token, (ended, outcome)) in &pair.outcomes {
            let branch = format!("z9hG4bK-{token}");
            match outcome {
                Outcome::Response(response) => {
                    let given = &pair.answered[&branch];
                    assert_eq!((response.status, response.to_tag()), (given.status, given.to_tag()), "seed {seed}");
                    assert_eq!(pair.arrived[&branch], *ended, "seed {seed}: the first that arrives counts");
                    answers += 1;
                }
                Outcome::Timeout => {
                    assert!(pair.arrived.get(&branch).is_none_or(|arrived| arrived >= ended), "seed {seed}");
                    timeouts += 1;
                }
                Outcome::Transport => panic!("seed {seed}: nobody said the transport failed"),
            }
        }
        assert!(pair.clients.is_empty() && pair.servers.is_empty(), "seed {seed}: something stays for ever");
    }
    assert!(answers > 1000 && timeouts > 50, "the dice were not bad enough: {answers} answers, {timeouts} timeouts");
}
