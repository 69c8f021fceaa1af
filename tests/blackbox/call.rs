//! A client's management INVITE (WX-6) and the dialog it opens, from the client's side (RFC 3261 sections 12 and 13).

use crate::phone::Phone;
use crate::server::{Server, Setup, metric};
use crate::ua::{Caller, Message, PATIENCE, unique};
use crate::wire::{INSTANCE, REALM, Registration, cpim, someone};
use std::time::{Duration, Instant};

/// Our host name in message-URI-IDs and the management address.
pub const HOST: &str = "pf.ims.test";
const BOUNDARY: &str = "cpm-b-4711";
/// What the client offers of media.
const OFFER: &str = "v=0\r\no=- 3476511300 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n\
                     m=message 9 TCP/MSRP *\r\na=accept-types:message/cpim\r\na=inactive\r\n";

/// A realm whose users manage their messages themselves, with more of its settings.
pub fn managed(phone: &Phone, realm: &str) -> Setup {
    Setup::behind(phone.address())
        .config(&format!("[sip]\nhost = \"{HOST}\"\n[realms.\"{REALM}\"]\nhandling = \"manage\"\n{realm}"))
}

/// The message-URI-IDs that the messages of a user were given, in the order of their arrival.
pub fn references(server: &Server, user: &str) -> Vec<String> {
    let timeline = server.timeline(user);
    let deferred = timeline.lines().filter(|line| line.contains("MessageDeferred"));
    let is_id = |word: &&str| word.len() == 32 && word.bytes().all(|octet| octet.is_ascii_hexdigit());
    deferred.map(|line| format!("sip:{}@{HOST}", line.split_whitespace().find(is_id).expect("an id"))).collect()
}

/// WX-6 of this user's client, without any list.
pub fn invite(caller: &Caller, user: &str) -> Message {
    let user = format!("<sip:{user}@{REALM};user=phone>");
    let deferred = "urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.deferred";
    Message::new(format!("INVITE sip:CPMDeferredMsgMgmt@{HOST} SIP/2.0"))
        .with("Via", caller.via())
        .with("Max-Forwards", "68")
        .with("Record-Route", format!("<sip:{};lr>", caller.address()))
        .with("From", format!("{user};tag={}", unique("ue-m")))
        .with("To", format!("<sip:CPMDeferredMsgMgmt@{HOST}>"))
        .with("Call-ID", unique("mgmt-"))
        .with("CSeq", "1 INVITE")
        .with(
            "Contact",
            format!("<sip:bob@{}>;+sip.instance=\"<{INSTANCE}>\";+g.3gpp.icsi-ref=\"{deferred}\"", caller.address()),
        )
        .with("P-Asserted-Identity", user)
        .with("P-Asserted-Service", "urn:urn-7:3gpp-service.ims.icsi.oma.cpm.deferred")
        .with("Accept-Contact", format!("*;+g.3gpp.icsi-ref=\"{deferred}\""))
        .with("Supported", "timer")
        .with("Session-Expires", "1800;refresher=uac")
        .with("Allow", "INVITE, ACK, BYE, CANCEL, OPTIONS, MESSAGE")
        .with("User-Agent", "CPM-client/OMA1.0")
        .body("application/sdp", OFFER)
}

/// WX-6 with these message-URI-IDs, each with its action.
pub fn listing(caller: &Caller, user: &str, wanted: &[(&str, &str)]) -> Message {
    let entry = |(uri, action): &(&str, &str)| format!("  <entry uri=\"{uri};cpm_action={action}\"/>\r\n");
    let entries = wanted.iter().map(entry).collect::<Vec<_>>().concat();
    let list = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\">\r\n \
         <list>\r\n{entries} </list>\r\n</resource-lists>\r\n"
    );
    let body = format!(
        "--{BOUNDARY}\r\nContent-Type: application/sdp\r\n\r\n{OFFER}\r\n--{BOUNDARY}\r\n\
         Content-Type: application/resource-lists+xml\r\nContent-Disposition: recipient-list\r\n\r\n{list}\r\n--{BOUNDARY}--\r\n"
    );
    let mut message = invite(caller, user).set("Content-Type", format!("multipart/mixed;boundary={BOUNDARY}"));
    message.body = body.into_bytes();
    message
}

/// The ACK of a final answer that is no 2xx: of the INVITE's own transaction (RFC 3261 section 17.1.1.3).
pub fn acknowledge_refusal(caller: &Caller, invite: &Message, refusal: &Message) {
    let mut ack = Message::new(invite.start.replacen("INVITE", "ACK", 1));
    for name in ["Via", "Max-Forwards", "From", "Call-ID"] {
        ack = ack.with(name, invite.header(name).unwrap());
    }
    let cseq = invite.header("CSeq").unwrap().replacen("INVITE", "ACK", 1);
    caller.send_raw(&ack.with("To", refusal.header("To").unwrap()).with("CSeq", cseq).to_bytes());
}

/// Sends an INVITE, again and again, until its final answer; a refusal is acknowledged.
pub fn ask(caller: &Caller, invite: &Message) -> Message {
    let (bytes, deadline) = (invite.to_bytes(), Instant::now() + PATIENCE);
    while Instant::now() < deadline {
        caller.send_raw(&bytes);
        while let Some(response) = caller.response_to(invite, Duration::from_millis(500)) {
            match response.status() {
                Some(100..=199) | None => {}
                Some(200..=299) => return response,
                Some(_) => {
                    acknowledge_refusal(caller, invite, &response);
                    return response;
                }
            }
        }
    }
    panic!("no final answer to {} within {PATIENCE:?}", invite.start);
}

/// A call that was answered with a 2xx.
pub struct Call<'a> {
    caller: &'a Caller,
    pub invite: Message,
    pub answer: Message,
}

impl<'a> Call<'a> {
    /// The INVITE must be accepted.
    pub fn open(server: &Server, caller: &'a Caller, invite: Message) -> Self {
        let answer = ask(caller, &invite);
        assert_eq!(answer.status(), Some(200), "{answer:#?}\n{}", server.log());
        Self::answered(caller, invite, answer)
    }

    /// An INVITE and its 2xx.
    pub fn answered(caller: &'a Caller, invite: Message, answer: Message) -> Self {
        Self { caller, invite, answer }
    }

    /// A request in the dialog (RFC 3261 section 12.2.1.1).
    pub fn request(&self, method: &str, cseq: u32) -> Message {
        let contact = self.answer.header("Contact").expect("a Contact in the 200");
        let target = contact.split(['<', '>']).nth(1).unwrap();
        let mut request = Message::new(format!("{method} {target} SIP/2.0"))
            .with("Via", self.caller.via())
            .with("Max-Forwards", "70")
            .with("From", self.invite.header("From").unwrap())
            .with("To", self.answer.header("To").unwrap())
            .with("Call-ID", self.invite.call_id())
            .with("CSeq", format!("{cseq} {method}"));
        for route in self.answer.all("Record-Route") {
            request = request.with("Route", route);
        }
        request
    }

    /// The ACK of the 2xx (RFC 3261 section 13.2.2.4).
    pub fn ack(&self) -> Message {
        let number = self.invite.header("CSeq").unwrap().split(' ').next().unwrap();
        self.request("ACK", number.parse().unwrap())
    }

    pub fn acknowledge(&self) {
        self.caller.send_raw(&self.ack().to_bytes());
    }

    /// Waits for the server's BYE and answers it.
    pub fn is_hung_up(&self) -> Message {
        let deadline = Instant::now() + PATIENCE;
        while let Some(left) = deadline.checked_duration_since(Instant::now()) {
            let Some(message) = self.caller.receive(left) else { break };
            match message.method() {
                Some("BYE") if message.call_id() == self.invite.call_id() => {
                    self.caller.send_raw(&message.answer(200, "OK").to_bytes());
                    return message;
                }
                // The 200 again: its ACK was late or lost (RFC 3261 section 13.2.2.4).
                None if message.status() == Some(200) => self.acknowledge(),
                _ => {}
            }
        }
        panic!("no BYE within {PATIENCE:?}");
    }
}

/// Asks for these actions and goes through the whole call.
pub fn manage(server: &Server, caller: &Caller, user: &str, wanted: &[(&str, &str)]) {
    let call = Call::open(server, caller, listing(caller, user, wanted));
    call.acknowledge();
    call.is_hung_up();
}

/// Bob's phone is on, and messages wait for him.
pub struct Waiting {
    pub phone: Phone,
    pub server: Server,
    pub caller: Caller,
    pub bob: String,
    pub bodies: Vec<Vec<u8>>,
    pub references: Vec<String>,
}

/// Bob in a realm whose users manage their messages.
pub fn waiting(count: usize, realm: &str) -> Waiting {
    let phone = Phone::answering(200);
    let server = managed(&phone, realm).start();
    let (caller, bob) = (server.caller(), someone());
    server.registered(&caller, &mut Registration::of(&bob), &phone, 3600);
    let bodies: Vec<_> = (0..count).map(|n| cpim(&bob, &format!("message {n}"))).collect();
    for body in &bodies {
        server.deferred(&caller, &bob, body);
    }
    server.wait_for_metric(metric::QUEUED, f64::from(u32::try_from(count).unwrap()));
    let references = references(&server, &bob);
    Waiting { phone, server, caller, bob, bodies, references }
}

impl Waiting {
    /// Asks for these actions and goes through the whole call.
    pub fn manage(&self, wanted: &[(&str, &str)]) {
        manage(&self.server, &self.caller, &self.bob, wanted);
    }

    /// The INVITE is refused with this status.
    pub fn refused(&self, invite: &Message, status: u16) -> Message {
        let answer = ask(&self.caller, invite);
        assert_eq!(answer.status(), Some(status), "{answer:#?}\n{}", self.server.log());
        answer
    }
}
