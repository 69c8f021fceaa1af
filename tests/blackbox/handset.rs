//! A client that large messages are given to, its sender on the other side, and the server between them.

use crate::call::Call;
use crate::msrp::{self, Frame, Link};
use crate::phone::Phone;
use crate::server::{Server, Setup, metric};
use crate::ua::{Caller, Message, PATIENCE, unique};
use crate::wire::{ALICE, Registration, cpim, message, someone};
use std::fmt::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

/// The ICSI of large messages, as it stands in Accept-Contact (spec 1.7).
const LARGE_TAG: &str = r#"*;+g.3gpp.icsi-ref="urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.largemsg""#;
/// Everything is logged, so that a test may look for what must not be.
const LOG: &str = "[log]\nfilter = \"info,restante=trace\"";

/// An INVITE that pushes a large message.
pub fn is_call(message: &Message) -> bool {
    message.method() == Some("INVITE")
}

pub fn is_bye(message: &Message) -> bool {
    message.method() == Some("BYE")
}

pub fn is_ack(message: &Message) -> bool {
    message.method() == Some("ACK")
}

/// A CPIM message of about so many octets, in which nothing repeats.
pub fn letter(to: &str, size: usize) -> Vec<u8> {
    let mut text = String::with_capacity(size + 16);
    for n in 0_usize.. {
        if text.len() >= size {
            break;
        }
        write!(text, "line {n} -------{:x}$\r\n", n.wrapping_mul(2_654_435_761)).unwrap();
    }
    cpim(to, &text)
}

/// Alice's INVITE with a large message of this size.
pub fn offering(caller: &Caller, user: &str, size: usize) -> Message {
    let sdp = format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=message 9 TCP/MSRP *\r\n\
         a=accept-types:message/cpim\r\na=path:msrp://127.0.0.1:9/{};tcp\r\na=file-selector:size:{size}\r\n\
         a=setup:active\r\na=sendonly\r\n",
        unique("alice")
    );
    let mut invite = message(caller.via(), user, "").set("CSeq", "1 INVITE").without("Content-Type").without("Expires");
    invite.start = invite.start.replacen("MESSAGE", "INVITE", 1);
    invite
        .set("P-Asserted-Service", "urn:urn-7:3gpp-service.ims.icsi.oma.cpm.largemsg")
        .set("Accept-Contact", LARGE_TAG)
        .with("Contact", format!("<sip:alice@{}>", caller.address()))
        .with("Supported", "timer")
        .with("Message-Expires", "86400")
        .body("application/sdp", sdp)
}

/// The value of an attribute of a session description.
pub fn attribute<'a>(sdp: &'a str, name: &str) -> Option<&'a str> {
    let prefix = format!("a={name}");
    sdp.lines().find_map(|line| line.strip_prefix(prefix.as_str())).map(|rest| rest.trim_start_matches(':'))
}

fn path(message: &Message) -> String {
    let sdp = String::from_utf8_lossy(&message.body).into_owned();
    attribute(&sdp, "path").unwrap_or_else(|| panic!("no path in {sdp}")).to_owned()
}

/// Alice's message goes into the queue by this INVITE.
pub fn sends(server: &Server, caller: &Caller, invite: Message, body: &[u8]) {
    let ours = path(&invite);
    let call = Call::open(server, caller, invite);
    call.acknowledge();
    let theirs = path(&call.answer);
    let mut link = Link::connect(&theirs);
    link.send(&msrp::send(&theirs, &ours, "Content-Type: message/cpim\r\n", body));
    let response = link.frame();
    assert_eq!(response.status(), Some(200), "{response:?}\n{}", server.log());
    assert_eq!(caller.request(&call.request("BYE", 2)).status(), Some(200));
}

/// What the client says to an INVITE.
#[derive(Clone)]
pub struct Answer {
    /// `a=path`.
    pub path: String,
    pub port: u16,
    pub setup: Option<&'static str>,
    /// More attributes, each with its line end.
    pub more: String,
}

impl Answer {
    /// WX-11: we connect.
    pub fn active() -> Self {
        Self { path: uri(9), port: 9, setup: Some("active"), more: String::new() }
    }

    /// We are called, at this socket.
    pub fn listening(listener: &TcpListener, setup: Option<&'static str>) -> Self {
        let port = listener.local_addr().unwrap().port();
        Self { path: uri(port), port, setup, more: String::new() }
    }

    fn sdp(&self) -> String {
        let setup = self.setup.map(|setup| format!("a=setup:{setup}\r\n")).unwrap_or_default();
        format!(
            "v=0\r\no=- 8812 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=message {} TCP/MSRP *\r\n\
             a=accept-types:message/cpim\r\na=path:{}\r\n{setup}a=msrp-cema\r\n{}a=recvonly\r\n",
            self.port, self.path, self.more
        )
    }

    /// WX-11 for this INVITE, of a client that is reached here.
    pub fn accept(&self, invite: &Message, at: SocketAddr) -> Message {
        invite
            .answer(200, "OK")
            .with("Contact", format!("<sip:bob@{at}>"))
            .with("Require", "timer")
            .with("Session-Expires", "1800;refresher=uac")
            .body("application/sdp", self.sdp())
    }
}

fn uri(port: u16) -> String {
    format!("msrp://127.0.0.1:{port}/{};tcp", unique("bob"))
}

/// Bob's client, Alice, and the server between them.
pub struct Post {
    pub phone: Phone,
    pub server: Server,
    pub caller: Caller,
    pub bob: String,
    pub registration: Registration,
}

/// A call with a large message, answered as the client meant to.
pub struct Offered {
    pub invite: Message,
    /// What the server called itself.
    pub theirs: String,
    pub ours: String,
}

/// What came by MSRP.
pub struct Taken {
    pub octets: Vec<u8>,
    pub frames: Vec<Frame>,
}

impl Post {
    pub fn with(config: &str) -> Self {
        Self::of(|setup| setup.config(config))
    }

    /// `more` says what else the server is told.
    pub fn of(more: impl FnOnce(Setup) -> Setup) -> Self {
        let phone = Phone::answering(200);
        let server = more(Setup::behind(phone.address())).config(LOG).start();
        let (caller, bob) = (server.caller(), someone());
        let registration = Registration::of(&bob);
        Self { phone, server, caller, bob, registration }
    }

    /// A large message for Bob comes into the queue.
    pub fn waits(&self, size: usize) -> Vec<u8> {
        let body = letter(&self.bob, size);
        sends(&self.server, &self.caller, offering(&self.caller, &self.bob, body.len()), &body);
        body
    }

    /// From now on Bob's client accepts calls so.
    pub fn answers(&self, answer: &Answer) {
        let (answer, address) = (answer.clone(), self.phone.address());
        self.phone.say(move |request| is_call(request).then(|| answer.accept(request, address)));
    }

    /// From now on Bob's client refuses calls.
    pub fn refuses(&self, status: u16) {
        self.phone.say(move |request| is_call(request).then(|| request.answer(status, "Not now")));
    }

    /// Bob's client registers, after it was off.
    pub fn registers(&mut self) {
        for expires in [0, 3600] {
            self.server.registered(&self.caller, &mut self.registration, &self.phone, expires);
        }
    }

    /// Waits for the INVITE of this number, from 1, to which the answer is, or was, `answer`.
    pub fn is_called(&self, number: usize, answer: &Answer) -> Offered {
        let invite = self.phone.wait_for_such(number, is_call).swap_remove(number - 1);
        Offered { theirs: path(&invite), invite, ours: answer.path.clone() }
    }

    /// Waits for the BYE in this call.
    pub fn is_hung_up(&self, offered: &Offered) -> Message {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let bye = self.phone.such(is_bye).into_iter().find(|bye| bye.call_id() == offered.invite.call_id());
            match bye {
                Some(bye) => return bye,
                None => assert!(Instant::now() < deadline, "no BYE"),
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Bob's client hangs up.
    pub fn hangs_up(&self, offered: &Offered) {
        let invite = &offered.invite;
        let target = invite.header("Contact").expect("a Contact").split(['<', '>']).nth(1).unwrap().to_owned();
        let bye = Message::new(format!("BYE {target} SIP/2.0"))
            .with("Via", self.caller.via())
            .with("Max-Forwards", "70")
            .with("From", invite.answer(200, "OK").header("To").unwrap())
            .with("To", invite.header("From").unwrap())
            .with("Call-ID", invite.call_id())
            .with("CSeq", "1 BYE");
        assert_eq!(self.caller.request(&bye).status(), Some(200));
    }

    /// The transfer failed for this reason, as timeline and metrics say, and the message is there.
    pub fn is_kept(&self, why: &str, outcome: &str) {
        let timeline = self.server.wait_for_event(&self.bob, why);
        assert!(timeline.lines().any(|line| line.contains("TransferFailed") && line.contains(why)), "{timeline}");
        assert!(!timeline.contains("MessageDelivered"), "{timeline}");
        self.server.wait_for_metric(metric::QUEUED, 1.0);
        if !outcome.is_empty() {
            self.server.wait_for_metric(&ended(outcome), 1.0);
        }
        self.server.wait_for_metric("restante_msrp_sessions", 0.0);
    }

    /// Bob's client comes back and behaves: it gets the message, whole and once, and nobody is named in the log.
    pub fn gets_it_in_the_end(&mut self, body: &[u8]) -> Offered {
        let answer = Answer::active();
        self.answers(&answer);
        let before = self.phone.such(is_call).len();
        self.registers();
        let offered = self.is_called(before + 1, &answer);
        let taken = offered.take();
        assert!(taken.octets == body, "{} octets of {}", taken.octets.len(), body.len());
        self.is_hung_up(&offered);
        self.server.wait_for_metric(metric::QUEUED, 0.0);
        self.server.wait_for_event(&self.bob, "MessageDelivered");
        self.server.wait_for_metric(&ended("done"), 1.0);
        self.names_nobody();
        offered
    }

    pub fn names_nobody(&self) {
        let log = self.server.logs();
        let named = log.lines().find(|line| line.contains(&self.bob) || line.contains(ALICE));
        assert!(named.is_none(), "personal data in the log: {named:?}");
    }
}

/// The series of transfers to clients that ended so.
pub fn ended(outcome: &str) -> String {
    format!("restante_transfers_total{{direction=\"sent\",outcome=\"{outcome}\"}}")
}

impl Offered {
    /// Connects and binds (SNDL-OK-3, WX-12a).
    pub fn bind(&self) -> Link {
        let mut link = Link::connect(&self.theirs);
        self.bind_on(&mut link);
        link
    }

    pub fn bind_on(&self, link: &mut Link) {
        link.send(&msrp::send(&self.theirs, &self.ours, "", b""));
        let response = link.frame();
        assert_eq!(response.status(), Some(200), "{response:?}");
    }

    /// Connects, binds and takes the whole message.
    pub fn take(&self) -> Taken {
        take(&mut self.bind())
    }
}

/// Takes a whole message: every chunk is answered 200.
pub fn take(link: &mut Link) -> Taken {
    let (mut octets, mut frames) = (Vec::new(), Vec::new());
    loop {
        let frame = link.frame();
        if !frame.is_send() {
            continue;
        }
        let (start, total) = frame.range();
        octets.resize(octets.len().max(start - 1 + frame.body.len()), 0);
        octets[start - 1..start - 1 + frame.body.len()].copy_from_slice(&frame.body);
        link.send(&frame.response(200));
        let is_last = frame.flag == '$';
        frames.push(frame);
        if is_last && octets.len() == total {
            return Taken { octets, frames };
        }
    }
}
