//! Answers: WX-2, WX-3-200, and what every response of ours has.

use super::*;
use crate::pf::{ReplyContext, reply};
use crate::queue::effect::{BoundContact, Reply};

fn context(received: Received) -> ReplyContext {
    verb(received).context
}

fn accepted(desk: &Desk, request: &Request) -> Response {
    reply(&desk.settings, &context(desk.scscf(request)), &Reply::Accepted, NOW)
}

/// Name and value of every line but these; the tag of To, which is ours to choose, is cut off.
fn lines(response: &Response, but: &[&str]) -> Vec<(String, String)> {
    let text = |header: &sip::Header| {
        let value = String::from_utf8(header.value.to_vec()).unwrap();
        let untagged = value.split(";tag=pf-").next().unwrap().to_owned();
        (header.name.to_string(), untagged)
    };
    let mut lines: Vec<_> =
        response.headers.iter().map(text).filter(|(name, _)| !but.contains(&name.as_str())).collect();
    lines.sort();
    lines
}

#[test]
fn a_deferred_message_is_answered_as_in_wx_2() {
    let made = accepted(&Desk::new(), &request(WX_1));
    let example = response(WX_2);
    assert_eq!((made.status, &made.reason), (example.status, &example.reason));
    assert_eq!(lines(&made, &[]), lines(&example, &["Content-Length"]));
    assert!(made.to_tag().unwrap().starts_with("pf-"));
}

#[test]
fn the_same_request_gets_the_same_tag_also_after_a_restart_and_another_gets_another() {
    let first = accepted(&Desk::new(), &request(WX_1)).to_tag();
    assert_eq!(accepted(&Desk::new(), &request(WX_1)).to_tag(), first);
    assert_ne!(accepted(&Desk::new(), &with(&request(WX_1), "CSeq", "2 MESSAGE")).to_tag(), first);
}

#[test]
fn charging_is_echoed_to_the_trust_domain_only_with_the_recipients_network() {
    let desk = Desk::new();
    let told = with(&request(WX_1), "P-Charging-Vector", "icid-value=1;Term-IOI=x");
    assert_eq!(accepted(&desk, &told).headers.get("P-Charging-Vector"), Some("icid-value=1;Term-IOI=x"));
    assert_eq!(accepted(&desk, &without(&request(WX_1), "P-Charging-Vector")).headers.get("P-Charging-Vector"), None);
    let outside = context(desk.user(&request(WX_1), ALICE));
    assert_eq!(reply(&desk.settings, &outside, &Reply::Accepted, NOW).headers.get("P-Charging-Vector"), None);
}

#[test]
fn responses_to_messages_carry_no_supported_and_no_require() {
    let made = accepted(&Desk::new(), &request(WX_1));
    assert_eq!((made.headers.get("Supported"), made.headers.get("Require")), (None, None));
}

#[test]
fn a_refusal_says_why_and_when_to_try_again() {
    let desk = Desk::new();
    let context = context(desk.scscf(&request(WX_1)));
    let full = Reply::Refused { status: 480, reason: "Queue Full".to_owned(), retry_after_secs: Some(300) };
    let made = reply(&desk.settings, &context, &full, NOW);
    assert_eq!((made.status, made.reason.as_str(), made.headers.get("Retry-After")), (480, "Queue Full", Some("300")));
    let forbidden = Reply::Refused { status: 403, reason: String::new(), retry_after_secs: None };
    let made = reply(&desk.settings, &context, &forbidden, NOW);
    assert_eq!((made.status, made.reason.as_str(), made.headers.get("Retry-After")), (403, "Forbidden", None));
    let busy = desk.settings.unavailable(&context);
    assert_eq!((busy.status, busy.headers.get("Retry-After")), (503, Some("5")));
}

#[test]
fn a_third_party_register_is_answered_as_in_wx_3_200() {
    let desk = Desk::new();
    let context = context(desk.scscf(&request(WX_3)));
    let bindings = vec![BoundContact { contact: "sip:bob@198.51.100.7".to_owned(), instance: None, expires_secs: 9 }];
    let made = reply(&desk.settings, &context, &Reply::Registered(bindings), NOW);
    assert_eq!(lines(&made, &["Date"]), lines(&response(WX_3_200), &["Content-Length"]));
    assert!(made.body.is_empty());
}

#[test]
fn an_own_register_is_answered_with_all_bindings_and_the_path() {
    let desk = Desk::new();
    let path = "<sip:p1.example.net;lr>, <sip:p2.example.net;lr>";
    let context = context(desk.scscf(&with(&own_register(), "Path", path)));
    let bound = |contact: &str, instance: Option<&str>, expires_secs| BoundContact {
        contact: contact.to_owned(),
        instance: instance.map(str::to_owned),
        expires_secs,
    };
    let bindings =
        vec![bound("sip:a@h", Some("<urn:uuid:1>"), 60), bound("sip:b@h", None, 9), bound("sip:c@h", Some("\""), 1)];
    let made = reply(&desk.settings, &context, &Reply::Registered(bindings), NOW);
    let contacts: Vec<&str> = made.headers.all("Contact").collect();
    assert_eq!(
        contacts,
        [
            "<sip:a@h>;expires=60;+sip.instance=\"<urn:uuid:1>\"",
            "<sip:b@h>;expires=9",
            "<sip:c@h>;expires=1;+sip.instance=\"\\\"\"",
        ]
    );
    assert_eq!(made.headers.get("Path"), Some(path));
    assert_eq!(made.headers.get("Date"), Some("Tue, 02 Mar 2010 09:14:08 GMT"), "RFC 3261 section 10.3 step 8");
}
