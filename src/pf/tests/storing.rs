//! The object that is stored, on WX-1 and on what is worse.

use super::*;
use crate::pf::{Object, large_object, object};
use crate::queue::event::{Envelope, KeptHeader};
use crate::queue::question::Mode;
use crate::types::{MessageId, Octets};

const WX_15: &[u8] = include_bytes!("../../../tests/fixtures/wx/wx-15-object.mime");
const ID: MessageId = MessageId([0xab; 16]);

fn deferred(request: &Request) -> Envelope {
    let Received::Command(verb) = Desk::new().scscf(request) else { panic!("no command") };
    let Command::Defer(defer) = verb.command else { panic!("not deferred") };
    defer.envelope
}

fn stored(request: &Request) -> Object {
    object(&deferred(request), &request.body, &ID, NOW)
}

fn text(object: &Object) -> String {
    String::from_utf8_lossy(&object.head).into_owned()
}

#[test]
fn wx_15_obj_is_made_of_wx_1_octet_for_octet() {
    let object = stored(&request(WX_1));
    assert_eq!(object.head.len(), 725);
    assert_eq!(String::from_utf8_lossy(&object.head), String::from_utf8_lossy(WX_15));
    assert_eq!(object.folder, "f81d4fae-7dec-11d0-a765-00a0c91e6bf6");
    assert_eq!(object.imdn_message_id, "Mk7xQ2b9LhT0");
}

#[test]
fn headers_that_are_there_are_copied_and_referred_by_comes_first() {
    let mut request = with(&request(WX_1), "Subject", "Train");
    request.headers.push("Referred-By", "\"Carol\" <sip:+12025550300@ims.example.net;user=phone>");
    request.headers.push("InReplyTo-Contribution-ID", "before");
    request.headers.push("Accept-Contact", "*;+g.oma.other;require");
    let object = text(&stored(&request));
    assert!(object.starts_with("From: sip:+12025550300@ims.example.net\r\n"), "{object}");
    for line in ["Subject: Train", "InReplyTo-Contribution-ID: before", "Accept-Contact: *;+g.oma.other;require"] {
        assert!(object.contains(&format!("\r\n{line}\r\n")), "{line} is missing from {object}");
    }
    assert_eq!(object.matches("Accept-Contact").count(), 1, "the service is told once");
}

#[test]
fn an_anonymous_sender_stays_anonymous() {
    let mut request = with(&request(WX_1), "Privacy", "id");
    request.headers.push("Referred-By", "<sip:+12025550100@ims.example.net>");
    let object = text(&stored(&request));
    assert!(object.starts_with("From: anonymous\r\n"), "{object}");
    let (block, _) = object.split_once("\r\n\r\n").unwrap();
    assert!(!block.contains("+12025550100"), "{block}");
}

#[test]
fn a_body_that_is_no_cpim_is_wrapped_and_named_always_the_same() {
    let mut request = with(&request(WX_1), "Content-Type", "text/plain;charset=utf-8");
    request.body = Bytes::from_static(b"Hi\r\n\r\nBob");
    let object = stored(&request);
    assert_eq!(object, stored(&request));
    assert_eq!(object.imdn_message_id.len(), 32);
    assert!(!text(&object).contains(&ID.to_string()), "the bearer name is not told");
    let (_, message) = std::str::from_utf8(&object.head).unwrap().split_once("\r\n\r\n").unwrap();
    let headers = crate::cpim::read(message.as_bytes()).unwrap();
    assert_eq!(headers.message_id.as_deref(), Some(object.imdn_message_id.as_str()));
    assert_eq!(headers.from.as_deref(), Some("<sip:+12025550100@ims.example.net>"));
    assert!(
        message.ends_with("Content-Type: text/plain;charset=utf-8\r\nContent-Length: 9\r\n\r\nHi\r\n\r\nBob"),
        "{message}"
    );
}

#[test]
fn the_cpim_part_beside_a_recipient_list_is_what_is_stored() {
    let cpim = request(WX_1).body;
    let mut request = with(&request(WX_1), "Content-Type", "multipart/mixed;boundary=b");
    let list = "\r\n--b\r\nContent-Type: application/resource-lists+xml\r\n\r\n<x/>\r\n--b--\r\n";
    request.body = [b"--b\r\nContent-Type: message/cpim\r\n\r\n", &cpim[..], list.as_bytes()].concat().into();
    assert_eq!(stored(&request).head, WX_15);
}

/// Whatever the journal holds: one line stays one line.
#[test]
fn no_stored_value_begins_a_header_of_its_own() {
    let evil = "a\r\nX-Evil: 1\n\u{0}b\u{7f}";
    let kept = |name| KeptHeader { name, value: Octets::from(evil) };
    let mut envelope = deferred(&request(WX_1));
    envelope.request_uri = format!("urn:{evil}");
    envelope.headers = KeptName::OF_MESSAGE.map(kept).into();
    envelope.imdn = Some(crate::queue::event::Imdn { message_id: Some(evil.to_owned()), ..Default::default() });
    for mode in [Mode::Pager, Mode::Large] {
        envelope.mode = mode;
        let object = object(&envelope, &Bytes::from_static(b"body"), &ID, NOW);
        let text = text(&object);
        assert!(!text.contains("\nX-Evil") && !text.contains('\u{0}') && !text.contains('\u{7f}'), "{text}");
        assert!(object.imdn_message_id.bytes().all(|b| b.is_ascii_hexdigit()));
        assert!(text.contains("Date: Tue, 02 Mar 2010 09:14:08 +0000\r\n"), "a date that is none is that of arrival");
    }
    let text = text(&object(&envelope, &Bytes::new(), &ID, NOW));
    assert!(text.contains("\r\nMessage-Context: multimedia-message\r\n"), "{text}");
}

/// WX-13: the header block alone; its body is not looked at.
#[test]
fn def_2_the_object_of_a_large_message_is_its_header_block_and_the_body_follows() {
    let mut envelope = deferred(&request(WX_1));
    let pager = object(&envelope, &Bytes::from_static(b""), &ID, NOW);
    assert!(!pager.body_follows);
    envelope.mode = Mode::Large;
    let large = large_object(&envelope, &ID, NOW);
    assert!(large.body_follows);
    assert_eq!((&large.folder, &large.imdn_message_id), (&pager.folder, &pager.imdn_message_id));
    let block = text(&large);
    assert!(block.ends_with("\r\nContent-Type: Message/CPIM\r\n\r\n"), "{block}");
    assert_eq!(block.matches("\r\n\r\n").count(), 1, "{block}");
    assert!(block.contains("\r\nMessage-Context: multimedia-message\r\n"), "{block}");
    assert!(block.contains("\r\nP-Asserted-Service: urn:urn-7:3gpp-service.ims.icsi.oma.cpm.largemsg\r\n"), "{block}");
    assert_eq!(large, large_object(&envelope, &ID, NOW), "always the same octets");
}
