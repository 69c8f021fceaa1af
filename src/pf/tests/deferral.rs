//! Defer CPM Messages (8.3.2.3), Pager Mode: DEF-0 and DEF-1, what is stored of a MESSAGE and what is not.

use super::*;
use crate::queue::question::Mode;
use crate::types::{Address, OriginKey};

fn deferred(request: &Request) -> Defer {
    defer(Desk::new().scscf(request))
}

fn stored(name: KeptName) -> Vec<String> {
    kept(&deferred(&request(WX_1)), name)
}

#[test]
fn def_0_a_message_is_deferred_for_the_served_user() {
    let verb = verb(Desk::new().scscf(&request(WX_1)));
    assert_eq!(verb.user, Address::parse("sip:+12025550200@ims.example.net").unwrap());
    assert_eq!(verb.realm.name, "ims.example.net");
    assert_eq!(verb.body, Some(request(WX_1).body));
    let Command::Defer(defer) = verb.command else { panic!("not deferred") };
    assert_eq!(defer.origin, OriginKey::of("8f3a0c1e5b@alice.example.net", "a1-7731", "1 MESSAGE"));
    assert_eq!(defer.received_at, NOW, "I-28: when it was received, whatever its Date says");
}

#[test]
fn def_1_and_def_1a_the_start_line_is_stored() {
    let envelope = deferred(&request(WX_1)).envelope;
    assert_eq!((envelope.mode, envelope.request_uri), (Mode::Pager, request(WX_1).uri));
}

#[test]
fn def_1a_i_from_is_stored() {
    assert_eq!(stored(KeptName::From), ["<sip:+12025550100@ims.example.net;user=phone>;tag=a1-7731"]);
}

#[test]
fn def_1a_ii_to_is_stored() {
    assert_eq!(stored(KeptName::To), ["<sip:+12025550200@ims.example.net;user=phone>"]);
}

#[test]
fn def_1a_iii_every_asserted_identity_is_stored() {
    assert_eq!(stored(KeptName::PAssertedIdentity), ["<sip:+12025550100@ims.example.net;user=phone>"]);
    let two = with(&request(WX_1), "P-Asserted-Identity", "\"A, B\" <sip:a@ims.example.net>, <tel:+12025550100>");
    let two = deferred(&two);
    assert_eq!(kept(&two, KeptName::PAssertedIdentity), ["\"A, B\" <sip:a@ims.example.net>", "<tel:+12025550100>"]);
    assert_eq!(two.envelope.return_address.as_deref(), Some("sip:a@ims.example.net"), "I-18");
}

#[test]
fn def_1a_iii_no_identity_is_stored_of_a_sender_who_asked_for_anonymity() {
    for (privacy, anonymous) in [
        ("id", true),
        ("ID", true),
        ("header;id", true),
        ("user ; critical", true),
        ("header", true),
        ("session, id", true),
        ("none", false),
        ("session", false),
        ("critical", false),
        ("", false),
    ] {
        let defer = deferred(&with(&request(WX_1), "Privacy", privacy));
        assert_eq!(defer.envelope.anonymous, anonymous, "Privacy: {privacy}");
        assert_eq!(kept(&defer, KeptName::PAssertedIdentity).is_empty(), anonymous, "Privacy: {privacy}");
        let owed = SECRET.open(defer.envelope.return_address.as_deref().unwrap());
        let address = Some("sip:+12025550100@ims.example.net;user=phone");
        assert_eq!(owed.as_deref(), address, "I-18: an IMDN is owed all the same");
    }
}

#[test]
fn def_1a_iv_a_subject_is_stored_if_there_is_one() {
    assert!(stored(KeptName::Subject).is_empty());
    let subject = [b"caf", &[0xe9][..]].concat();
    let defer = deferred(&with(&request(WX_1), "Subject", subject.clone()));
    assert_eq!(defer.envelope.all(KeptName::Subject).map(|value| value.0.clone()).collect::<Vec<_>>(), [subject]);
}

#[test]
fn def_1a_v_date_is_stored_and_set_to_now_if_absent() {
    assert_eq!(stored(KeptName::Date), ["Tue, 02 Mar 2010 09:14:07 GMT"]);
    let undated = deferred(&without(&request(WX_1), "Date"));
    assert_eq!(kept(&undated, KeptName::Date), ["Tue, 02 Mar 2010 09:14:08 GMT"]);
}

#[test]
fn def_1a_vi_every_accept_contact_is_stored() {
    let first = "*;+g.3gpp.icsi-ref=\"urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.msg\"";
    assert_eq!(stored(KeptName::AcceptContact), [first]);
    let two = deferred(&and(&request(WX_1), "Accept-Contact", "*;+g.oma.x"));
    assert_eq!(kept(&two, KeptName::AcceptContact), [first, "*;+g.oma.x"]);
}

#[test]
fn def_1a_vii_content_type_is_stored() {
    assert_eq!(stored(KeptName::ContentType), ["message/cpim"]);
}

#[test]
fn def_1a_viii_the_size_of_the_body_is_stored() {
    assert_eq!(deferred(&request(WX_1)).envelope.size, 340);
    let empty = Request { body: Bytes::new(), ..without(&request(WX_1), "Content-Type") };
    assert_eq!(deferred(&empty).envelope.size, 0);
}

#[test]
fn def_1a_ix_conversation_id_is_stored() {
    assert_eq!(stored(KeptName::ConversationId), ["f81d4fae-7dec-11d0-a765-00a0c91e6bf6"]);
}

#[test]
fn def_1a_x_contribution_id_is_stored() {
    assert_eq!(stored(KeptName::ContributionId), ["abcdef00-1234-11df-8a39-0800200c9a66"]);
}

#[test]
fn def_1a_xi_in_reply_to_contribution_id_is_stored_if_there_is_one() {
    assert!(stored(KeptName::InReplyToContributionId).is_empty());
    let reply = deferred(&with(&request(WX_1), "InReplyTo-Contribution-ID", "Ab-1"));
    assert_eq!(kept(&reply, KeptName::InReplyToContributionId), ["Ab-1"], "byte for byte");
}

#[test]
fn def_1n_no_other_header_is_stored() {
    let mut noisy = request(WX_1);
    for name in [
        "P-Charging-Function-Addresses",
        "P-Access-Network-Info",
        "P-Visited-Network-ID",
        "P-Preferred-Identity",
        "Record-Route",
        "Contact",
        "Authorization",
        "X-Unknown",
    ] {
        noisy.headers.push(name, "<sip:secret@ims.example.net>");
    }
    let quiet = deferred(&request(WX_1)).envelope.headers;
    assert_eq!(deferred(&noisy).envelope.headers, quiet, "nothing of them was stored");
    let mut names: Vec<&str> = quiet.iter().map(|header| header.name.wire()).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "Accept-Contact",
            "Content-Type",
            "Contribution-ID",
            "Conversation-ID",
            "Date",
            "From",
            "P-Asserted-Identity",
            "To"
        ],
        "of WX-1's Via, Route, Call-ID, CSeq, P-Charging-Vector … nothing either"
    );
}

#[test]
fn def_1b_the_imdn_headers_of_the_cpim_body_are_stored() {
    let imdn = deferred(&request(WX_1)).envelope.imdn.unwrap();
    assert_eq!(imdn.message_id.as_deref(), Some("Mk7xQ2b9LhT0"));
    assert_eq!(imdn.date_time.as_deref(), Some("2010-03-02T09:14:07Z"));
    assert_eq!(imdn.dispositions, ["positive-delivery", "negative-delivery"]);
    assert_eq!(imdn.to.as_deref(), Some("<sip:+12025550200@ims.example.net>"));
    let text = with(&request(WX_1), "Content-Type", "text/plain");
    assert_eq!(deferred(&text).envelope.imdn, None, "a body that is no CPIM has none, whatever it looks like");
    let other = with(&request(WX_1), "Content-Type", "Message/CPIM ; charset=utf-8");
    assert!(deferred(&other).envelope.imdn.is_some());
}

/// WX-1's body beside a recipient list.
fn listed() -> Request {
    let list =
        b"--b1\r\nContent-Type: application/resource-lists+xml\r\nContent-Disposition: recipient-list-history\r\n\
        \r\n<resource-lists/>\r\n--b1\r\nContent-Type: message/cpim\r\n\r\n";
    let body = [&list[..], &request(WX_1).body, b"\r\n--b1--\r\n"].concat();
    Request { body: body.into(), ..with(&request(WX_1), "Content-Type", "multipart/mixed;boundary=b1") }
}

#[test]
fn def_1b_the_imdn_headers_are_found_beside_a_recipient_list() {
    let imdn = deferred(&listed()).envelope.imdn.unwrap();
    assert_eq!(imdn.message_id.as_deref(), Some("Mk7xQ2b9LhT0"));
}

#[test]
fn def_1c_a_recipient_list_is_stored_with_the_body_it_came_with() {
    let verb = verb(Desk::new().scscf(&listed()));
    assert_eq!(verb.body, Some(listed().body), "verbatim");
    let Command::Defer(defer) = verb.command else { panic!("not deferred") };
    assert_eq!(kept(&defer, KeptName::ContentType), ["multipart/mixed;boundary=b1"], "DEF-1a-vii");
    assert_eq!(defer.envelope.size, listed().body.len() as u64);
}

#[test]
fn def_1d_a_body_is_stored_octet_for_octet() {
    let octets: Vec<u8> = (0..=255).chain([13, 10, 13, 10, 0]).collect();
    for media in ["application/octet-stream", "message/cpim", "multipart/mixed", "text/plain"] {
        let binary = Request { body: octets.clone().into(), ..with(&request(WX_1), "Content-Type", media) };
        assert_eq!(verb(Desk::new().scscf(&binary)).body.as_deref(), Some(&octets[..]), "{media}");
    }
}

#[test]
fn def_5a_i_the_expires_asked_for_is_stored() {
    for (expires, asked) in [
        ("86400", Some(86_400)),
        ("0", Some(0)),
        ("99999999999", Some(u64::from(u32::MAX))),
        ("soon", None),
        ("-1", None),
    ] {
        let defer = deferred(&with(&request(WX_1), "Expires", expires));
        assert_eq!(defer.envelope.expires_asked_secs, asked, "Expires: {expires}");
    }
    assert_eq!(deferred(&without(&request(WX_1), "Expires")).envelope.expires_asked_secs, None);
}

#[test]
fn a_body_that_would_be_spoilt_is_refused() {
    let packed = answer(Desk::new().scscf(&with(&request(WX_1), "Content-Encoding", "gzip")));
    assert_eq!((packed.status, packed.headers.get("Accept-Encoding")), (415, Some("identity")));
    let plain = with(&request(WX_1), "Content-Encoding", "Identity");
    assert_eq!(deferred(&plain).envelope.size, 340);
    let untyped = answer(Desk::new().scscf(&without(&request(WX_1), "Content-Type")));
    assert_eq!((untyped.status, untyped.reason.as_str()), (400, "Missing Content-Type"));
}
