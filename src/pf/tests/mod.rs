//! What a request becomes, and what goes on the wire: by requirement, on the wire examples of the specification.

mod answers;
mod deferral;
mod identity;
mod large;
mod large_answers;
mod large_refusals;
mod large_sending;
mod managing;
mod outline;
mod pushing;
mod reg_events;
mod registering;
mod requests;
mod storing;
mod telling;
mod third_party;

use super::{Gate, Receipt, Received, Settings, Verb, receive};
use crate::config::{self, Config, Listen, Realm, Secret, Transport};
use crate::queue::command::{Binding, Command, Defer, Register};
use crate::queue::event::{Client, KeptName};
use crate::sip::{self, Limits, Message, Method, Request, Response};
use crate::types::{SeedSecret, Timestamp};
use bytes::Bytes;
use std::collections::BTreeMap;

const WX_1: &[u8] = include_bytes!("../../../tests/fixtures/wx/wx-01-message.sip");
const WX_2: &[u8] = include_bytes!("../../../tests/fixtures/wx/wx-02-202.sip");
const WX_3: &[u8] = include_bytes!("../../../tests/fixtures/wx/wx-03-register.sip");
const WX_3_200: &[u8] = include_bytes!("../../../tests/fixtures/wx/wx-03-200.sip");
const WX_9: &[u8] = include_bytes!("../../../tests/fixtures/wx/wx-09-pushed-message.sip");

/// Where the S-CSCF sends from: the trust domain.
const SCSCF: &str = "192.0.2.1:5060";
/// Where a client sends from: no trust.
const PHONE: &str = "198.51.100.7:5060";
const SECRET: SeedSecret = SeedSecret([9; 16]);
/// One second after WX-1's Date.
const NOW: Timestamp = Timestamp::from_secs(1_267_521_248);
const ALICE: (&str, &str) = ("+12025550100", "wonderland");
const BOB: (&str, &str) = ("+12025550200", "zanzibar");

/// One function with two realms; the wire examples are of the second by name.
struct Desk {
    settings: Settings,
    gate: Gate,
}

impl Desk {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Config)) -> Self {
        let users = [ALICE, BOB].map(|(user, password)| (user.to_owned(), Secret(password.to_owned())));
        let realm = Realm { users: BTreeMap::from(users), ..Realm::default() };
        let mut config = Config {
            realms: BTreeMap::from([
                ("aaa.example.org".to_owned(), Realm::default()),
                ("ims.example.net".to_owned(), realm),
            ]),
            ..Config::default()
        };
        config.sip.host = Some("pf.ims.example.net".to_owned());
        config.sip.trusted_peers = vec![config::peer("192.0.2.0/24").unwrap()];
        change(&mut config);
        let listening: [Listen; 2] = ["tcp:192.0.2.10:5060", "udp:[2001:db8::10]:5060"].map(|l| l.parse().unwrap());
        Self { settings: Settings::new(&config, &listening), gate: Gate::new(SECRET, 100) }
    }

    fn at(&self, peer: &str, transport: Transport, request: &Request, now: Timestamp) -> Received {
        let receipt = Receipt { request, peer: peer.parse().unwrap(), transport, received_at: now };
        receive(&self.settings, &self.gate, SECRET, receipt)
    }

    fn scscf(&self, request: &Request) -> Received {
        self.at(SCSCF, Transport::Tcp, request, NOW)
    }

    fn phone(&self, request: &Request) -> Received {
        self.at(PHONE, Transport::Udp, request, NOW)
    }

    /// Sends it as a phone, answers the challenge as this user, and sends it again.
    fn user(&self, request: &Request, login: (&str, &str)) -> Received {
        let signed = self.signed(request, login, 1);
        self.phone(&signed)
    }

    /// The request with an answer to the challenge it gets.
    fn signed(&self, request: &Request, (user, password): (&str, &str), nc: u32) -> Request {
        let challenged = answer(self.phone(request));
        assert_eq!(challenged.status, 401);
        let challenge = challenged.headers.get("WWW-Authenticate").unwrap();
        let credentials =
            sip::answer(challenge, &request.method, &request.uri, user, password, "0a4f113b", nc).unwrap();
        with(request, "Authorization", credentials)
    }
}

fn request(octets: &'static [u8]) -> Request {
    match sip::datagram(&Bytes::from_static(octets), &Limits::default()).unwrap() {
        Message::Request(request) => request,
        Message::Response(_) => panic!("a response"),
    }
}

fn response(octets: &'static [u8]) -> Response {
    match sip::datagram(&Bytes::from_static(octets), &Limits::default()).unwrap() {
        Message::Response(response) => response,
        Message::Request(_) => panic!("a request"),
    }
}

/// The client's own REGISTER inside WX-3.
fn own_register() -> Request {
    let body = request(WX_3).body;
    match sip::datagram(&body, &Limits::default()).unwrap() {
        Message::Request(request) => without(&request, "Path"),
        Message::Response(_) => panic!("a response"),
    }
}

/// The same request with this header in place of any of the name.
fn with(request: &Request, name: &'static str, value: impl Into<Bytes>) -> Request {
    let mut request = request.clone();
    request.headers.set(name, value);
    request
}

/// The same request with one more header.
fn and(request: &Request, name: &'static str, value: &'static str) -> Request {
    let mut request = request.clone();
    request.headers.push(name, value);
    request
}

fn without(request: &Request, name: &str) -> Request {
    let mut request = request.clone();
    request.headers.remove(name);
    request
}

fn to(request: &Request, uri: &str) -> Request {
    Request { uri: uri.to_owned(), ..request.clone() }
}

fn answer(received: Received) -> Response {
    match received {
        Received::Answer(response) => response,
        other => panic!("no answer but {other:?}"),
    }
}

fn status(received: Received) -> u16 {
    answer(received).status
}

fn verb(received: Received) -> Verb {
    match received {
        Received::Command(verb) => *verb,
        other => panic!("no command but {other:?}"),
    }
}

fn defer(received: Received) -> Defer {
    match verb(received).command {
        Command::Defer(defer) => *defer,
        other => panic!("not deferred but {other:?}"),
    }
}

fn register(received: Received) -> Register {
    match verb(received).command {
        Command::Register(register) => register,
        other => panic!("no registration but {other:?}"),
    }
}

/// The one client bound.
fn bound(received: Received) -> Client {
    let mut changes = register(received).changes;
    match (changes.len(), changes.pop()) {
        (1, Some(Binding::Bind(client))) => client,
        (_, other) => panic!("no one client bound but {other:?}"),
    }
}

/// The stored values of a header, as text.
fn kept(defer: &Defer, name: KeptName) -> Vec<String> {
    defer.envelope.all(name).map(|value| value.text().into_owned()).collect()
}

/// Every value of a header.
fn values(request: &Request, name: &str) -> Vec<String> {
    request.headers.all(name).map(str::to_owned).collect()
}

/// A request of this method to ourselves, with what every request has.
fn plain(method: &Method, uri: &str) -> Request {
    let mut request = Request::new(method.clone(), uri);
    for (name, value) in [
        ("Via", "SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bK1"),
        ("Max-Forwards", "70"),
        ("From", "<sip:+12025550100@ims.example.net>;tag=1"),
        ("To", "<sip:+12025550200@ims.example.net>"),
        ("Call-ID", "plain@198.51.100.7"),
    ] {
        request.headers.push(name, value);
    }
    request.headers.push("CSeq", format!("1 {method}"));
    request
}
