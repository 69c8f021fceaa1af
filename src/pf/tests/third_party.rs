//! The third-party REGISTER of an S-CSCF (spec 4.2, WX-3): who registered, as far as its body tells.

use super::*;
use crate::queue::event::{Gone, Source};
use crate::types::{Address, ClientId};
use std::time::Duration;

const INSTANCE: &str = "<urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf7>";
const SCSCF_URI: &str = "sip:scscf1.ims.example.net:5060;transport=tcp";

fn changes(request: &Request) -> Vec<Binding> {
    let register = register(Desk::new().scscf(request));
    assert_eq!(register.source, Source::Network);
    register.changes
}

/// WX-3 with another body.
fn bearing(media: &'static str, body: impl Into<Bytes>) -> Request {
    Request { body: body.into(), ..with(&request(WX_3), "Content-Type", media) }
}

/// WX-3 whose embedded REGISTER has this changed.
fn telling(from: &str, to: &str) -> Request {
    let inner = String::from_utf8(request(WX_3).body.to_vec()).unwrap();
    assert!(inner.contains(from), "{from}");
    bearing("message/sip", inner.replace(from, to))
}

#[test]
fn wx_3_the_embedded_register_tells_the_client() {
    let verb = verb(Desk::new().scscf(&request(WX_3)));
    assert_eq!(verb.user, Address::parse("sip:+12025550200@ims.example.net").unwrap());
    let client = bound(Desk::new().scscf(&request(WX_3)));
    assert_eq!((client.id, client.instance.as_deref()), (ClientId(INSTANCE.to_owned()), Some(INSTANCE)));
    assert_eq!(client.contact, "sip:bob@198.51.100.7:5060;transport=tcp");
    assert_eq!(client.tags.len(), 4);
    assert!(client.tags.contains(&format!("+g.3gpp.icsi-ref=\"{}\"", crate::pf::CPM_DEFERRED)));
    assert_eq!((client.source, client.flow), (Source::Network, None));
    assert_eq!(client.route, [SCSCF_URI], "the S-CSCF knows the Path");
    assert_eq!((client.call_id.as_str(), client.cseq), ("reg-55aa@198.51.100.7", 4));
    assert_eq!((client.registered_at, client.expires_at), (NOW, NOW.after(Duration::from_hours(1))));
}

#[test]
fn no_client_lives_longer_than_the_network_granted() {
    for (header, inner, secs) in [("600", "3600", 600), ("3600", "600", 600), ("99999999999", "60", 60)] {
        let told = with(&telling("expires=3600", &format!("expires={inner}")), "Expires", header);
        let client = bound(Desk::new().scscf(&told));
        assert_eq!(client.expires_at, NOW.after(Duration::from_secs(secs)), "{header} and {inner}");
    }
}

#[test]
fn the_embedded_200_tells_the_clients_too() {
    let ok = "SIP/2.0 200 OK\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK1\r\nFrom: <sip:b@h>;tag=1\r\nTo: <sip:b@h>;tag=2\r\n\
        Call-ID: 1\r\nCSeq: 1 REGISTER\r\nContact: <sip:a@h>;expires=60, <sip:b@h>;expires=90\r\nContent-Length: 0\r\n\r\n";
    let changes = changes(&bearing("Message/SIP;version=2.0", ok));
    let lives: Vec<(&str, Timestamp)> = changes
        .iter()
        .map(|change| match change {
            Binding::Bind(client) => (client.contact.as_str(), client.expires_at),
            other => panic!("{other:?}"),
        })
        .collect();
    let at = |secs| NOW.after(Duration::from_secs(secs));
    assert_eq!(lives, [("sip:a@h", at(60)), ("sip:b@h", at(90))]);
}

#[test]
fn the_embedded_register_is_found_in_a_multipart() {
    let info =
        b"--x\r\nContent-Type: application/3gpp-ims+xml\r\n\r\n<ims-3gpp/>\r\n--x\r\nContent-Type: message/sip\r\n\r\n";
    let body = [&info[..], &request(WX_3).body, b"\r\n--x--\r\n"].concat();
    let client = bound(Desk::new().scscf(&bearing("multipart/mixed;boundary=x", body)));
    assert_eq!(client.instance.as_deref(), Some(INSTANCE));
}

#[test]
fn without_a_body_that_tells_somebody_is_registered_behind_the_s_cscf() {
    let silent = [
        Request { body: Bytes::new(), ..without(&request(WX_3), "Content-Type") },
        bearing("message/sip", "not SIP at all"),
        bearing("multipart/mixed;boundary=x", "--y--"),
        bearing("application/3gpp-ims+xml", "<ims-3gpp/>"),
    ];
    for request in silent {
        let [Binding::BindNameless(client)] = &changes(&request)[..] else { panic!("not nameless") };
        assert!(client.is_nameless());
        assert_eq!((client.contact.as_str(), &client.route[..]), (SCSCF_URI, &[SCSCF_URI.to_owned()][..]));
        assert_eq!(client.expires_at, NOW.after(Duration::from_hours(1)));
    }
}

#[test]
fn without_a_contact_the_s_cscf_is_whom_from_names() {
    for request in [without(&request(WX_3), "Contact"), with(&request(WX_3), "Contact", "*")] {
        let client = bound(Desk::new().scscf(&request));
        assert_eq!(client.route, ["sip:scscf1.ims.example.net"]);
    }
}

#[test]
fn an_outer_expires_of_0_ends_all_registrations() {
    let gone = [
        with(&request(WX_3), "Expires", "0"),
        with(&request(WX_3), "Contact", "<sip:scscf1.ims.example.net:5060;transport=tcp>;expires=0"),
    ];
    for request in gone {
        assert_eq!(changes(&request), [Binding::RemoveAll(Gone::Network)]);
    }
}

#[test]
fn an_embedded_expires_of_0_ends_that_registration_only() {
    let id = ClientId(INSTANCE.to_owned());
    assert_eq!(changes(&telling("expires=3600", "expires=0")), [Binding::Remove(id.clone())]);
    assert_eq!(changes(&telling(";expires=3600\r\n", "\r\nExpires: 0\r\n")), [Binding::Remove(id)]);
}

#[test]
fn an_embedded_wildcard_ends_all_registrations() {
    let inner = String::from_utf8(request(WX_3).body.to_vec()).unwrap();
    let contact = inner.lines().find(|line| line.starts_with("Contact:")).unwrap();
    assert_eq!(changes(&telling(contact, "Contact: *\r\nExpires: 0")), [Binding::RemoveAll(Gone::Network)]);
}

#[test]
fn only_the_trust_domain_registers_others() {
    assert_eq!(status(Desk::new().phone(&request(WX_3))), 401);
    let claimed = register(Desk::new().user(&request(WX_3), BOB));
    assert_eq!(claimed.source, Source::Client, "it is bob's own REGISTER then, and its body means nothing");
}
