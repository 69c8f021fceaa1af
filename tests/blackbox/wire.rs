//! Requests in the shape of the specification's worked examples (WX-1, WX-3), and a client's own REGISTER.

use crate::ua::{Message, unique};

pub const REALM: &str = "ims.test";
/// Feature tag of a pager message, as it stands in Accept-Contact (spec 1.7).
pub const MSG_TAG: &str = r#"*;+g.3gpp.icsi-ref="urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.msg""#;
/// Feature tag of a deferred message.
pub const DEFERRED_TAG: &str = r#"*;+g.3gpp.icsi-ref="urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.deferred""#;
pub const INSTANCE: &str = "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf7";
pub const ALICE: &str = "+12025550100";

/// A user nobody else in this process uses.
pub fn someone() -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("+1202{:07}", 5_551_000 + NEXT.fetch_add(1, Ordering::Relaxed))
}

pub fn address(user: &str) -> String {
    format!("sip:{user}@{REALM}")
}

/// The CPIM body of WX-1 around this text.
pub fn cpim(to: &str, text: &str) -> Vec<u8> {
    format!(
        "From: <sip:{ALICE}@{REALM}>\r\nTo: <sip:{to}@{REALM}>\r\nNS: imdn <urn:ietf:params:imdn>\r\n\
         imdn.Message-ID: {}\r\nDateTime: 2010-03-02T09:14:07Z\r\n\
         imdn.Disposition-Notification: positive-delivery, negative-delivery\r\n\r\n\
         Content-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\r\n{text}",
        unique("Mk"),
        text.len()
    )
    .into_bytes()
}

/// The imdn.Message-ID of a CPIM body.
pub fn imdn_id(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    text.lines().find_map(|line| line.strip_prefix("imdn.Message-ID: ")).unwrap().trim().to_owned()
}

/// WX-1: a pager MESSAGE from Alice as an S-CSCF hands it over.
pub fn message(via: String, to: &str, body: impl Into<Vec<u8>>) -> Message {
    let uri = format!("sip:{to}@{REALM};user=phone");
    Message::new(format!("MESSAGE {uri} SIP/2.0"))
        .with("Via", via)
        .with("Via", "SIP/2.0/TCP icscf.ims.test:5060;branch=z9hG4bKi1.0a10")
        .with("Max-Forwards", "66")
        .with("From", format!("<sip:{ALICE}@{REALM};user=phone>;tag={}", unique("a1-")))
        .with("To", format!("<{uri}>"))
        .with("Call-ID", format!("{}@alice.test", unique("c")))
        .with("CSeq", "1 MESSAGE")
        .with("P-Asserted-Identity", format!("<sip:{ALICE}@{REALM};user=phone>"))
        .with("P-Asserted-Service", "urn:urn-7:3gpp-service.ims.icsi.oma.cpm.msg")
        .with("P-Served-User", format!("<{uri}>;sescase=term;regstate=unreg"))
        .with("P-Charging-Vector", r#"icid-value="icid-20100302-000017";orig-ioi=ims.test"#)
        .with("Accept-Contact", MSG_TAG)
        .with("Conversation-ID", "f81d4fae-7dec-11d0-a765-00a0c91e6bf6")
        .with("Contribution-ID", "abcdef00-1234-11df-8a39-0800200c9a66")
        .with("Date", "Tue, 02 Mar 2010 09:14:07 GMT")
        .with("Expires", "86400")
        .with("User-Agent", "CPM-client/OMA1.0")
        .body("message/cpim", body)
}

/// WX-3: the third-party REGISTER of an S-CSCF, with the client's own REGISTER inside.
pub struct Registration {
    pub user: String,
    pub instance: String,
    /// Where the client says it is; part of the embedded REGISTER.
    pub contact: String,
    /// Feature tags beside those of CPM, each with its semicolon before it; part of the same.
    pub features: &'static str,
    call_id: String,
    cseq: u32,
}

impl Registration {
    pub fn of(user: &str) -> Self {
        Self::client(user, INSTANCE)
    }

    pub fn client(user: &str, instance: &str) -> Self {
        Self {
            user: user.to_owned(),
            instance: instance.to_owned(),
            contact: format!("sip:{}@198.51.100.7:5060", unique("bob")),
            features: "",
            call_id: format!("{}@scscf1.ims.test", unique("3p-")),
            cseq: 0,
        }
    }

    /// The next REGISTER: the first one is an initial registration, later ones refresh or, with 0, end it.
    pub fn next(&mut self, via: String, scscf: std::net::SocketAddr, expires: u32) -> Message {
        self.cseq += 1;
        let to = format!("<sip:{}@{REALM};user=phone>", self.user);
        let inner = Message::new(format!("REGISTER sip:{REALM} SIP/2.0"))
            .with("Via", format!("SIP/2.0/TCP 198.51.100.7:5060;branch={}", unique("z9hG4bKue.")))
            .with("Max-Forwards", "67")
            .with("From", format!("{to};tag=ue-31"))
            .with("To", to.clone())
            .with("Call-ID", format!("in-{}", self.call_id))
            .with("CSeq", format!("{} REGISTER", self.cseq))
            .with(
                "Contact",
                format!(
                    "<{}>;+sip.instance=\"<{}>\";+g.3gpp.icsi-ref=\"urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.msg,\
                     urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.deferred\"{};expires={expires}",
                    self.contact, self.instance, self.features
                ),
            )
            .with("Supported", "path, gruu")
            .with("User-Agent", "CPM-client/OMA1.0");
        Message::new(format!("REGISTER sip:pf.{REALM} SIP/2.0"))
            .with("Via", via)
            .with("Max-Forwards", "70")
            .with("From", format!("<sip:scscf1.{REALM}>;tag=s1-{}", self.cseq))
            .with("To", to)
            .with("Call-ID", self.call_id.clone())
            .with("CSeq", format!("{} REGISTER", self.cseq))
            .with("Contact", format!("<sip:{scscf}>"))
            .with("Expires", expires.to_string())
            .body("message/sip", inner.to_bytes())
    }
}

/// A phone's own REGISTER, as to a registrar (RFC 3261 section 10).
pub fn own_register(via: String, user: &str, contact: &str, cseq: u32, call_id: &str) -> Message {
    let to = format!("<sip:{user}@{REALM}>");
    Message::new(format!("REGISTER sip:{REALM} SIP/2.0"))
        .with("Via", via)
        .with("Max-Forwards", "70")
        .with("From", format!("{to};tag=own-1"))
        .with("To", to)
        .with("Call-ID", call_id)
        .with("CSeq", format!("{cseq} REGISTER"))
        .with("Contact", format!("<{contact}>;+sip.instance=\"<{INSTANCE}>\""))
        .with("Expires", "600")
}
