//! Send Pager Mode Deferred CPM Messages (8.3.2.3.3): the pushed request against WX-9, and the way it takes.

use super::*;
use crate::net::Target;
use crate::pf::{Push, push};
use crate::queue::event::{Flow, Source, Transaction};
use crate::sip::Headers;
use std::time::Duration;

/// The names of WX-9.
fn transaction() -> Transaction {
    Transaction {
        call_id: "d001".to_owned(),
        cseq: 1,
        branch: "z9hG4bKpf.d001".to_owned(),
        from_tag: "pf-d001".to_owned(),
    }
}

/// The client of WX-3, behind its S-CSCF.
fn behind_scscf() -> Client {
    bound(Desk::new().scscf(&request(WX_3)))
}

/// The same client, registered with us.
fn registered_here(contact: &str) -> Client {
    Client { source: Source::Client, route: Vec::new(), contact: contact.to_owned(), ..behind_scscf() }
}

fn pushed(desk: &Desk, message: &Request, client: &Client) -> (Request, Target) {
    let defer = defer(desk.scscf(message));
    let push_of = Push {
        envelope: &defer.envelope,
        expires_at: NOW.after(Duration::from_millis(86_400_999)),
        client,
        transaction: &transaction(),
        body: &message.body,
        message_uid: None,
    };
    push(&desk.settings, &desk.settings.realms["ims.example.net"], &push_of, NOW).unwrap()
}

fn wx_9() -> Request {
    pushed(&Desk::new(), &request(WX_1), &behind_scscf()).0
}

/// Name and value of every line but these.
fn lines(headers: &Headers, but: &[&str]) -> Vec<(String, String)> {
    let text = |header: &sip::Header| (header.name.to_string(), String::from_utf8(header.value.to_vec()).unwrap());
    headers.iter().map(text).filter(|(name, _)| !but.contains(&name.as_str())).collect()
}

#[test]
fn push_1b_the_pushed_message_is_wx_9_line_by_line() {
    let (made, example) = (wx_9(), request(WX_9));
    assert_eq!((&made.method, &made.uri), (&example.method, &example.uri));
    // The endpoint adds Via, the printer Content-Length; Message-UID comes with the message store (SNDP-7); Expires is I-27.
    let wanted = lines(&example.headers, &["Via", "Content-Length", "Message-UID"]);
    assert_eq!(lines(&made.headers, &["Expires"]), wanted);
    assert_eq!(made.body, example.body);
}

#[test]
fn sndp_0_it_is_a_new_message_of_ours() {
    let made = wx_9();
    assert_eq!(made.method, Method::Message);
    assert_eq!(made.call_id(), Some("d001@pf.ims.example.net"));
    assert_eq!(made.cseq(), Some((1, Method::Message)));
    assert_eq!((made.from_tag().as_deref(), made.to_tag()), (Some("pf-d001"), None));
    assert_eq!(made.headers.get("Contact"), None, "RFC 3428 section 4");
}

#[test]
fn sndp_0_the_parties_keep_their_names_and_lose_their_old_tags() {
    let message = with(&request(WX_1), "From", "\"A;tag=b \\\"q\\\"\" <sip:a@ims.example.net;x=y>;tag=old;z");
    let message = with(&message, "To", "Bob <sip:+12025550200@ims.example.net>;TAG=dialog");
    let made = pushed(&Desk::new(), &message, &behind_scscf()).0;
    let from = "\"A;tag=b \\\"q\\\"\" <sip:a@ims.example.net;x=y>;z;tag=pf-d001";
    assert_eq!(values(&made, "From"), [from]);
    assert_eq!(values(&made, "To"), ["\"Bob\" <sip:+12025550200@ims.example.net>"]);
}

#[test]
fn sndp_1_it_carries_the_deferred_tag_in_place_of_the_original_one() {
    let accepted = values(&wx_9(), "Accept-Contact");
    assert_eq!(
        accepted.first().unwrap(),
        "*;+g.3gpp.icsi-ref=\"urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.deferred\""
    );
    assert!(!accepted.iter().any(|value| value.contains("cpm.msg")), "I-25");
}

#[test]
fn sndp_2_the_originator_is_the_original_one() {
    assert_eq!(values(&wx_9(), "P-Asserted-Identity"), ["<sip:+12025550100@ims.example.net;user=phone>"]);
    let anonymous = with(&request(WX_1), "Privacy", "id");
    let made = pushed(&Desk::new(), &anonymous, &behind_scscf()).0;
    assert_eq!(values(&made, "P-Asserted-Identity"), [""; 0], "who asked for anonymity is not named");
    let (tel, sip) = ("<tel:+12025550100>", "<sip:+12025550100@ims.example.net>");
    let two = with(&request(WX_1), "P-Asserted-Identity", format!("{sip}, {tel}"));
    assert_eq!(values(&pushed(&Desk::new(), &two, &behind_scscf()).0, "P-Asserted-Identity"), [sip, tel]);
}

#[test]
fn sndp_3_the_request_uri_is_the_recipients_address() {
    assert_eq!(wx_9().uri, "sip:+12025550200@ims.example.net;user=phone");
}

#[test]
fn sndp_4_the_user_agent_is_the_release_version() {
    let desk = Desk::with(|config| config.sip.release = "CPM-serv/OMA1.0 Restante".to_owned());
    let made = pushed(&desk, &request(WX_1), &behind_scscf()).0;
    assert_eq!(values(&made, "User-Agent"), ["CPM-serv/OMA1.0 Restante"]);
}

#[test]
fn sndp_5_the_stored_information_is_replayed_and_nothing_else() {
    let subject = [b"caf", &[0xe9][..]].concat();
    let message = with(&request(WX_1), "Subject", subject.clone());
    let message = and(&message, "InReplyTo-Contribution-ID", "Ab-1");
    let message = and(&message, "Referred-By", "<sip:group@ims.example.net>");
    let made = pushed(&Desk::new(), &message, &behind_scscf()).0;
    for (name, value) in [
        ("InReplyTo-Contribution-ID", "Ab-1"),
        ("Referred-By", "<sip:group@ims.example.net>"),
        ("Date", "Tue, 02 Mar 2010 09:14:07 GMT"),
        ("Conversation-ID", "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"),
        ("Contribution-ID", "abcdef00-1234-11df-8a39-0800200c9a66"),
        ("Content-Type", "message/cpim"),
    ] {
        assert_eq!(values(&made, name), [value], "{name}");
    }
    assert_eq!(made.headers.raw("Subject").unwrap(), &subject, "octet for octet");
    for name in ["P-Charging-Vector", "P-Served-User", "Record-Route", "Privacy"] {
        assert_eq!(made.headers.get(name), None, "{name}");
    }
}

#[test]
fn sndp_5_an_empty_message_has_no_content_type() {
    let empty = Request { body: Bytes::new(), ..without(&request(WX_1), "Content-Type") };
    assert_eq!(pushed(&Desk::new(), &empty, &behind_scscf()).0.headers.get("Content-Type"), None);
}

#[test]
fn sndp_8_it_goes_to_the_s_cscf_that_registered_the_user() {
    let (made, target) = pushed(&Desk::new(), &request(WX_1), &behind_scscf());
    assert_eq!(values(&made, "Route"), ["<sip:scscf1.ims.example.net:5060;transport=tcp;lr>"]);
    let host = "scscf1.ims.example.net".to_owned();
    assert_eq!(target, Target { host, port: Some(5060), transport: Some(Transport::Tcp), flow: None });
    assert_eq!(made.headers.get("P-Called-Party-ID"), None);
}

#[test]
fn sndp_8_the_realms_next_hop_comes_before_all_others() {
    let desk = Desk::with(|config| {
        let realm = config.realms.get_mut("ims.example.net").unwrap();
        realm.next_hop = Some("sip:proxy.ims.example.net;lr".to_owned());
    });
    for client in [behind_scscf(), registered_here("sip:bob@198.51.100.7")] {
        let (made, target) = pushed(&desk, &request(WX_1), &client);
        assert_eq!(values(&made, "Route"), ["<sip:proxy.ims.example.net;lr>"]);
        assert_eq!(made.uri, request(WX_1).uri);
        assert_eq!((target.host.as_str(), target.port, target.flow), ("proxy.ims.example.net", None, None));
    }
}

#[test]
fn sndp_8_a_client_of_ours_behind_a_path_is_reached_through_it_by_its_contact() {
    let path = ["sip:p1.example.net;lr", "sip:p2.example.net"].map(str::to_owned).to_vec();
    let client = Client { route: path, ..registered_here("sip:bob@10.0.0.7:5060;transport=tcp") };
    let (made, target) = pushed(&Desk::new(), &request(WX_1), &client);
    assert_eq!(values(&made, "Route"), ["<sip:p1.example.net;lr>", "<sip:p2.example.net;lr>"]);
    assert_eq!(made.uri, "sip:bob@10.0.0.7:5060;transport=tcp", "RFC 3327: the home proxy is us");
    assert_eq!(values(&made, "P-Called-Party-ID"), ["<sip:+12025550200@ims.example.net;user=phone>"]);
    assert_eq!((target.host.as_str(), target.flow), ("p1.example.net", None));
}

#[test]
fn sndp_8_a_client_of_ours_is_reached_at_its_contact_as_whom_it_was_called() {
    let client = registered_here("sip:bob@198.51.100.7:5070;transport=udp;gr=urn:uuid:1?Subject=x");
    let (made, target) = pushed(&Desk::new(), &request(WX_1), &client);
    assert_eq!(
        made.uri, "sip:bob@198.51.100.7:5070;transport=udp;gr=urn:uuid:1",
        "RFC 3261 section 19.1.1: no headers"
    );
    assert_eq!(values(&made, "P-Called-Party-ID"), ["<sip:+12025550200@ims.example.net;user=phone>"]);
    assert_eq!(values(&made, "Route"), [""; 0]);
    let host = "198.51.100.7".to_owned();
    assert_eq!(target, Target { host, port: Some(5070), transport: Some(Transport::Udp), flow: None });
}

#[test]
fn sndp_8_the_flow_is_used_where_the_contact_does_not_lead_back() {
    let flow = |reliable, peer: &str| Some(Flow { reliable, peer: peer.parse().unwrap() });
    for (contact, flow, used) in [
        ("sip:bob@198.51.100.7:5060", flow(false, "198.51.100.7:5060"), false),
        ("sip:bob@198.51.100.7:5060", flow(false, "[::ffff:198.51.100.7]:5060"), false),
        ("sip:bob@10.0.0.7:5060", flow(false, "198.51.100.7:40000"), true),
        ("sip:bob@phone.invalid", flow(false, "198.51.100.7:40000"), true),
        ("sip:bob@198.51.100.7:5060;transport=tcp", flow(true, "198.51.100.7:40000"), true),
        ("sip:bob@[2001:db8::7]", flow(false, "[2001:db8::7]:5060"), false),
        ("sip:bob@10.0.0.7:5060", None, false),
    ] {
        let client = Client { flow, ..registered_here(contact) };
        let target = pushed(&Desk::new(), &request(WX_1), &client).1;
        let wanted = flow.filter(|_| used).map(|flow| (flow.transport(), flow.peer));
        assert_eq!(target.flow, wanted, "{contact} seen at {flow:?}");
    }
}

#[test]
fn a_registration_that_leads_nowhere_gives_no_push() {
    let desk = Desk::new();
    let message = request(WX_1);
    let defer = defer(desk.scscf(&message));
    let client = registered_here("sip:");
    let (envelope, transaction, body) = (&defer.envelope, &transaction(), &message.body);
    let nowhere = Push { envelope, expires_at: NOW, client: &client, transaction, body, message_uid: None };
    assert!(push(&desk.settings, &desk.settings.realms["ims.example.net"], &nowhere, NOW).is_none());
}

#[test]
fn push_w2_it_is_for_the_client_that_registered_and_for_no_other() {
    let instance = "*;+sip.instance=\"<urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf7>\";require;explicit";
    assert_eq!(values(&wx_9(), "Accept-Contact").last().unwrap(), instance);
    let unknown = Client { instance: None, ..behind_scscf() };
    assert_eq!(values(&pushed(&Desk::new(), &request(WX_1), &unknown).0, "Accept-Contact").len(), 1);
    let hostile = Client { instance: Some("x\";a=\"b".to_owned()), ..behind_scscf() };
    let made = pushed(&Desk::new(), &request(WX_1), &hostile).0;
    assert_eq!(values(&made, "Accept-Contact").last().unwrap(), "*;+sip.instance=\"x\\\";a=\\\"b\";require;explicit");
}

#[test]
fn i_27_expires_tells_the_seconds_that_remain() {
    assert_eq!(values(&wx_9(), "Expires"), ["86400"], "never longer than it has");
    let quiet = Desk::with(|config| config.queue.push_expires = false);
    assert_eq!(values(&pushed(&quiet, &request(WX_1), &behind_scscf()).0, "Expires"), [""; 0]);
}

#[test]
fn i_27_the_last_second_is_still_a_life() {
    let (desk, message, client) = (Desk::new(), request(WX_1), behind_scscf());
    let defer = defer(desk.scscf(&message));
    let (envelope, transaction, body) = (&defer.envelope, &transaction(), &message.body);
    let expires_at = NOW.after(Duration::from_millis(10));
    let last = Push { envelope, expires_at, client: &client, transaction, body, message_uid: None };
    let (made, _) = push(&desk.settings, &desk.settings.realms["ims.example.net"], &last, NOW).unwrap();
    assert_eq!(values(&made, "Expires"), ["1"]);
}

#[test]
fn what_is_pushed_reads_back_as_it_was_made() {
    let made = wx_9();
    let octets = Bytes::from([&b""[..], &made.to_bytes()].concat());
    let via = b"Via: SIP/2.0/TCP pf.ims.example.net:5060;branch=z9hG4bKpf.d001\r\n";
    let line = memchr::memchr(b'\n', &octets).unwrap() + 1;
    let whole = Bytes::from([&octets[..line], via, &octets[line..]].concat());
    let Ok(Message::Request(read)) = sip::datagram(&whole, &Limits::default()) else { panic!("unreadable") };
    assert_eq!(lines(&read.headers, &["Via", "Content-Length"]), lines(&made.headers, &[]));
    assert_eq!(read.body, made.body);
}
