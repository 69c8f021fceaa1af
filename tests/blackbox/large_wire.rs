//! A large message's INVITE and session in the tests' own words, for what the Python peer does not do (WX-10 to WX-12,
//! the other way round).

use crate::ua::{Caller, Message, PATIENCE, unique};
use crate::wire::{ALICE, MSG_TAG, REALM};
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

/// A session description, with what may be wrong about it.
#[derive(Clone)]
pub struct Offer {
    /// Of the medium; nothing for an INVITE without any offer.
    pub medium: &'static str,
    pub port: u16,
    pub protocol: &'static str,
    pub accepts: &'static str,
    pub has_path: bool,
    pub setup: Option<&'static str>,
    pub direction: &'static str,
    /// More attributes, with their ends of line.
    pub more: &'static str,
}

impl Default for Offer {
    fn default() -> Self {
        Self {
            medium: "message",
            port: 9,
            protocol: "TCP/MSRP *",
            accepts: "message/cpim",
            has_path: true,
            setup: Some("active"),
            direction: "sendonly",
            more: "",
        }
    }
}

impl Offer {
    fn text(&self) -> String {
        let mut text = String::from("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n");
        write!(text, "m={} {} {}\r\n", self.medium, self.port, self.protocol).unwrap();
        if self.medium == "message" {
            write!(text, "a=accept-types:{}\r\n", self.accepts).unwrap();
        }
        if self.has_path {
            let scheme = if self.protocol.contains("TLS") { "msrps" } else { "msrp" };
            write!(text, "a=path:{}\r\n", own_uri(scheme, self.port)).unwrap();
        }
        if let Some(setup) = self.setup {
            write!(text, "a=setup:{setup}\r\n").unwrap();
        }
        write!(text, "{}a={}\r\n", self.more, self.direction).unwrap();
        text
    }
}

fn own_uri(scheme: &str, port: u16) -> String {
    format!("{scheme}://127.0.0.1:{port}/the-tests-own;tcp")
}

/// The INVITE of a large message from Alice, as an S-CSCF hands it over.
pub fn invite(caller: &Caller, user: &str, offer: &Offer) -> Message {
    let uri = format!("sip:{user}@{REALM}");
    let invite = Message::new(format!("INVITE {uri} SIP/2.0"))
        .with("Via", caller.via())
        .with("Max-Forwards", "66")
        .with("From", format!("<sip:{ALICE}@{REALM}>;tag={}", unique("a1-")))
        .with("To", format!("<{uri}>"))
        .with("Call-ID", unique("large-"))
        .with("CSeq", "1 INVITE")
        .with("Contact", format!("<sip:alice@{}>", caller.address()))
        .with("P-Asserted-Identity", format!("<sip:{ALICE}@{REALM}>"))
        .with("Accept-Contact", MSG_TAG.replace("cpm.msg", "cpm.largemsg"))
        .with("Allow", "INVITE, ACK, BYE, CANCEL");
    if offer.medium.is_empty() { invite } else { invite.body("application/sdp", offer.text()) }
}

/// The active end of a session: one message, all in one chunk.
pub struct Session {
    stream: TcpStream,
    peer: String,
}

impl Session {
    /// Connects as the 200 to the INVITE says.
    pub fn connect(answer: &Message) -> Self {
        let body = String::from_utf8(answer.body.clone()).unwrap();
        let peer = body.lines().find_map(|line| line.strip_prefix("a=path:")).expect("a path").trim().to_owned();
        let authority = peer.split('/').nth(2).unwrap();
        let stream = TcpStream::connect(authority).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { stream, peer }
    }

    /// A message as one chunk: its transaction and its octets. The headers are whole lines.
    pub fn chunk(&self, body: &[u8], headers: &str) -> (String, Vec<u8>) {
        let (transaction, size) = (unique("t"), body.len());
        let head = format!(
            "MSRP {transaction} SEND\r\nTo-Path: {}\r\nFrom-Path: {}\r\nMessage-ID: {transaction}\r\n{headers}\
             Byte-Range: 1-*/{size}\r\nContent-Type: message/cpim\r\n\r\n",
            self.peer,
            own_uri("msrp", 9)
        );
        let end = format!("\r\n-------{transaction}$\r\n");
        (transaction, [head.as_bytes(), body, end.as_bytes()].concat())
    }

    pub fn write(&mut self, octets: &[u8]) {
        self.stream.write_all(octets).unwrap();
    }

    /// Sends a message and waits for the first answer: its status.
    pub fn send(&mut self, body: &[u8]) -> u16 {
        let (transaction, octets) = self.chunk(body, "");
        self.write(&octets);
        let (mut answer, mut octet) = (Vec::new(), [0]);
        while !answer.ends_with(b"\r\n") {
            self.stream.read_exact(&mut octet).unwrap();
            answer.push(octet[0]);
        }
        let line = String::from_utf8(answer).unwrap();
        let status = line.strip_prefix(&format!("MSRP {transaction} ")).expect("an answer to this SEND");
        status[..3].parse().unwrap()
    }
}
