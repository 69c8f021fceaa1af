//! The management INVITE (8.3.2.3.2, WX-6) and its answers (WX-7, WX-8), with the readings of spec 1.4.

use super::*;
use crate::pf::manage::{self, Management, accepted, no_messages};
use crate::queue::command::Item;
use crate::queue::event::Action;
use crate::types::{Address, ClientId, MessageId};

const WX_6: &[u8] = include_bytes!("../../../tests/fixtures/wx/wx-06-management-invite.sip");
const WX_7: &[u8] = include_bytes!("../../../tests/fixtures/wx/wx-07-200.sip");
const WX_8: &[u8] = include_bytes!("../../../tests/fixtures/wx/wx-08-488.sip");
const INSTANCE: &str = "<urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf7>";
const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n\
    m=message 9 TCP/MSRP *\r\na=inactive\r\n";
/// The moment whose NTP seconds are the session id of WX-7.
const AT: Timestamp = Timestamp::from_secs(3_476_511_301 - 2_208_988_800);

fn at(desk: &Desk, peer: &str, request: &Request) -> Result<Management, Response> {
    let receipt = Receipt { request, peer: peer.parse().unwrap(), transport: Transport::Tcp, received_at: AT };
    manage::receive(&desk.settings, &desk.gate, receipt)
}

fn received(request: &Request) -> Result<Management, Response> {
    at(&Desk::new(), SCSCF, request)
}

fn taken(request: &Request) -> Management {
    received(request).unwrap_or_else(|response| panic!("{} {}", response.status, response.reason))
}

fn refused(request: &Request) -> u16 {
    received(request).expect_err("it is refused").status
}

/// WX-6 with another body.
fn bearing(media: &'static str, body: impl Into<Bytes>) -> Request {
    Request { body: body.into(), ..with(&request(WX_6), "Content-Type", media) }
}

fn id(octet: u8) -> MessageId {
    MessageId([octet; 16])
}

fn uri(octet: u8) -> String {
    id(octet).uri("pf.ims.example.net")
}

fn list(entries: &str) -> String {
    format!("<resource-lists xmlns='urn:ietf:params:xml:ns:resource-lists'><list>{entries}</list></resource-lists>")
}

/// WX-6 with these entries only.
fn listing(entries: &str) -> Request {
    bearing("application/resource-lists+xml", list(entries))
}

fn items(request: &Request) -> Option<Vec<Item>> {
    taken(request).manage.list
}

fn only(octet: u8, action: Action) -> Vec<Item> {
    vec![Item { message: id(octet), action }]
}

/// The response on the wire with the tag of the example.
fn wire(response: &Response, tag: &str) -> String {
    let text = String::from_utf8(response.to_bytes().to_vec()).unwrap();
    text.replace(&response.to_tag().unwrap(), tag)
}

#[test]
fn mng_0_wx_6_is_understood() {
    let management = taken(&request(WX_6));
    assert_eq!(management.user, Address::parse("sip:+12025550200@ims.example.net").unwrap());
    assert_eq!(management.realm.name, "ims.example.net");
    assert_eq!(management.manage.client, ClientId(INSTANCE.to_owned()));
    assert_eq!(management.manage.list, Some(Vec::new()), "a list, whose names are none of ours: they are too short");
}

#[test]
fn mng_2_the_200_is_wx_7_octet_for_octet() {
    let desk = Desk::new();
    let made = accepted(&desk.settings, &taken(&request(WX_6)).opening);
    assert_eq!(wire(&made, "pf-m1"), String::from_utf8(WX_7.to_vec()).unwrap());
}

#[test]
fn mng_1_the_488_is_wx_8_octet_for_octet() {
    let desk = Desk::new();
    let made = no_messages(&desk.settings, &taken(&request(WX_6)).opening);
    assert_eq!(wire(&made, "pf-m1"), String::from_utf8(WX_8.to_vec()).unwrap());
}

#[test]
fn mng_0_the_address_is_known_in_any_case_at_our_host_and_at_every_realm() {
    for uri in [
        "sip:cpmdeferredmsgmgmt@PF.ims.example.net",
        "sip:CPMDeferredMsgMgmt@ims.example.net",
        "sip:CPMDEFERREDMSGMGMT@aaa.example.org;transport=tcp",
        "sip:CPMDeferredMsgMgmt@192.0.2.10:5060",
        "sip:CPMDeferredMsgMgmt@[2001:db8::10]",
    ] {
        taken(&to(&request(WX_6), uri));
    }
    for uri in [
        "sip:CPMDeferredMsgMgmt@elsewhere.example.org",
        "sip:+12025550200@ims.example.net",
        "sip:pf.ims.example.net",
        "tel:+12025550200",
        "nonsense",
    ] {
        assert!(!manage::is_management(&Desk::new().settings, uri), "{uri}");
        assert_eq!(refused(&to(&request(WX_6), uri)), 404, "{uri}");
    }
}

#[test]
fn mng_0_the_feature_tag_may_be_missing() {
    taken(&without(&without(&request(WX_6), "Accept-Contact"), "P-Asserted-Service"));
}

#[test]
fn mng_0_only_the_asserted_owner_manages() {
    assert_eq!(refused(&without(&request(WX_6), "P-Asserted-Identity")), 403, "I-38");
    assert_eq!(refused(&with(&request(WX_6), "P-Asserted-Identity", "<sip:eve@elsewhere.example.org>")), 403);
    assert_eq!(refused(&with(&request(WX_6), "P-Asserted-Identity", "nobody")), 403);
    let alice = with(&request(WX_6), "P-Asserted-Identity", "<sip:+12025550100@ims.example.net>");
    assert_eq!(taken(&alice).user, Address::parse("sip:+12025550100@ims.example.net").unwrap(), "From says nothing");
    let both = with(&request(WX_6), "P-Asserted-Identity", "<sip:x@elsewhere.example.org>, <tel:+12025550200>");
    assert_eq!(
        taken(&both).user,
        Address::parse("sip:+12025550200@aaa.example.org").unwrap(),
        "tel: is of the first realm"
    );
}

#[test]
fn mng_0_a_client_outside_the_trust_domain_proves_who_it_is() {
    let desk = Desk::new();
    let invite = request(WX_6);
    let challenged = at(&desk, PHONE, &invite).expect_err("its P-Asserted-Identity is not believed");
    assert_eq!(challenged.status, 401);
    let sign = |(user, password)| {
        let challenge = challenged.headers.get("WWW-Authenticate").unwrap();
        let answer = sip::answer(challenge, &invite.method, &invite.uri, user, password, "0a4f113b", 1).unwrap();
        with(&invite, "Authorization", answer)
    };
    let management = at(&desk, PHONE, &sign(BOB)).expect("bob is From");
    assert_eq!(management.user, Address::parse("sip:+12025550200@ims.example.net").unwrap());
    assert_eq!(at(&desk, PHONE, &sign(ALICE)).expect_err("alice is not").status, 403);
    let open = Desk::with(|config| config.realms.get_mut("ims.example.net").unwrap().digest = false);
    assert_eq!(at(&open, PHONE, &invite).expect_err("nobody proves anything there").status, 403);
}

#[test]
fn mng_0_the_client_is_its_instance_else_its_contact() {
    let named = with(&request(WX_6), "Contact", "<sip:bob@198.51.100.7;transport=tcp>");
    assert_eq!(taken(&named).manage.client, ClientId("sip:bob@198.51.100.7;transport=tcp".to_owned()));
    assert_eq!(refused(&without(&request(WX_6), "Contact")), 400);
    assert_eq!(refused(&with(&request(WX_6), "Contact", "*")), 400);
}

#[test]
fn mng_6_no_list_at_all_is_not_an_empty_list() {
    let silent = Request { body: Bytes::new(), ..without(&request(WX_6), "Content-Type") };
    assert_eq!(items(&silent), None);
    assert_eq!(items(&bearing("application/sdp", OFFER)), None);
    assert_eq!(items(&listing("")), Some(Vec::new()));
}

#[test]
fn rsn_5_each_action_is_read_where_spec_1_4_has_it() {
    let one = uri(1);
    for (name, action) in [
        ("delete", Action::Delete),
        ("INTERWORK", Action::Interwork),
        ("Store", Action::Store),
        ("deliver", Action::Deliver),
    ] {
        for entry in [
            format!("<entry uri='{one};cpm_action={name}'/>"),
            format!("<entry uri='{one}?cpm_action={name}'/>"),
            format!("<entry uri='{one}' cpm_action='{name}'/>"),
        ] {
            assert_eq!(items(&listing(&entry)), Some(only(1, action)), "{entry}");
        }
    }
    let all = format!("<entry uri='{one};cpm_action=delete?cpm_action=store' cpm_action='interwork'/>");
    assert_eq!(items(&listing(&all)), Some(only(1, Action::Delete)), "precedence 1, 3, 2");
}

#[test]
fn rsn_5_an_absent_action_is_deliver_an_unknown_or_contradicted_one_leaves_the_message_deferred() {
    assert_eq!(items(&listing(&format!("<entry uri='{}'/>", uri(1)))), Some(only(1, Action::Deliver)));
    let (one, two, three) = (uri(1), uri(2), uri(3));
    let mixed = format!(
        "<entry uri='{one};cpm_action=eat'/><entry uri='{two};cpm_action=delete'/><entry uri='{two};cpm_action=store'/>\
         <entry uri='{three};cpm_action=store'/><entry uri='{three};cpm_action=store'/>"
    );
    assert_eq!(items(&listing(&mixed)), Some(only(3, Action::Store)));
}

#[test]
fn rsn_5_names_that_are_none_of_ours_are_left_out_without_a_word() {
    let (one, ours) = ("01".repeat(16), uri(2));
    for name in [
        format!("sip:{one}@elsewhere.example.org"),
        format!("sips:{one}@pf.ims.example.net"),
        format!("sip:{}@pf.ims.example.net", &one[2..]),
        format!("sip:{}@pf.ims.example.net", "AB".repeat(16)),
        "sip:pf.ims.example.net".to_owned(),
        "tel:+12025550200".to_owned(),
        "x".to_owned(),
    ] {
        let both = format!("<entry uri='{name}'/><entry uri='{ours};cpm_action=store'/>");
        assert_eq!(items(&listing(&both)), Some(only(2, Action::Store)), "{name}");
    }
    let spelled = format!("<entry uri='SIP:{one}@PF.IMS.example.net:5060'/>");
    assert_eq!(items(&listing(&spelled)), Some(only(1, Action::Deliver)), "one host in any spelling");
}

#[test]
fn mng_0_offer_and_list_come_together_or_alone_in_any_order() {
    let entry = list(&format!("<entry uri='{};cpm_action=delete'/>", uri(1)));
    let parts = |parts: &[(&str, &str)]| {
        let part = |(head, body): &(&str, &str)| format!("--b\r\nContent-Type: {head}\r\n\r\n{body}\r\n");
        bearing("multipart/mixed;boundary=b", parts.iter().map(part).collect::<String>() + "--b--\r\n")
    };
    let sdp = ("application/sdp", OFFER);
    let wanted = ("application/resource-lists+xml\r\nContent-Disposition: recipient-list", entry.as_str());
    for request in [parts(&[sdp, wanted]), parts(&[wanted, sdp]), parts(&[wanted])] {
        assert_eq!(items(&request), Some(only(1, Action::Delete)));
    }
    let extra = ("text/plain\r\nContent-Disposition: render;handling=optional", "hello");
    assert_eq!(items(&parts(&[extra, wanted])), Some(only(1, Action::Delete)));
    assert_eq!(refused(&parts(&[("text/plain", "hello"), wanted])), 415);
    assert_eq!(refused(&parts(&[wanted, wanted])), 400);
    assert_eq!(refused(&parts(&[sdp, sdp])), 400);
    assert_eq!(refused(&parts(&[("multipart/mixed;boundary=c", "--c--")])), 415, "not one inside another");
    let many = vec![extra; 17];
    assert_eq!(refused(&parts(&many)), 413);
}

#[test]
fn mng_0_bodies_are_judged_before_the_answer() {
    for (media, body, status) in [
        ("text/plain", "hello", 415),
        ("multipart/alternative;boundary=b", "--b--", 415),
        ("multipart/mixed", "--b--", 400),
        ("multipart/mixed;boundary=b", "--b\r\n\r\nx", 400),
        ("application/sdp", "m=nonsense", 400),
        ("application/resource-lists+xml", "<resource-lists>", 400),
        ("application/resource-lists+xml", "<!DOCTYPE x><resource-lists/>", 400),
        ("application/resource-lists+xml", "<list/>", 400),
    ] {
        assert_eq!(refused(&bearing(media, body)), status, "{media} {body}");
    }
    let unknown = received(&bearing("text/plain", "hello")).expect_err("it is refused");
    let taken = "application/sdp, application/resource-lists+xml, multipart/mixed";
    assert_eq!(unknown.headers.get("Accept"), Some(taken));
    assert_eq!(refused(&with(&request(WX_6), "Content-Encoding", "gzip")), 415);
    assert_eq!(refused(&without(&request(WX_6), "Content-Type")), 400);
    let entry = format!("<entry uri='{}'/>", uri(1));
    assert_eq!(items(&listing(&(entry.clone() + &"<entry uri='x'/>".repeat(999)))), Some(only(1, Action::Deliver)));
    assert_eq!(refused(&listing(&entry.repeat(1000))), 413, "over 64 KiB");
    assert_eq!(refused(&listing("<entry uri='x'/>".repeat(1001).as_str())), 413);
    assert_eq!(refused(&bearing("application/sdp", OFFER.to_owned() + &"m=message 9 TCP/MSRP *\r\n".repeat(40))), 413);
}

#[test]
fn mng_2_every_medium_is_refused_and_no_offer_gets_an_empty_one() {
    let desk = Desk::new();
    let body = |request: &Request| {
        let response = accepted(&desk.settings, &taken(request).opening);
        assert_eq!(response.headers.get("Content-Type"), Some("application/sdp"));
        String::from_utf8(response.body.to_vec()).unwrap()
    };
    let two = body(&bearing("application/sdp", OFFER.to_owned() + "m=audio 4000 RTP/AVP 0\r\n"));
    assert!(two.ends_with("m=message 0 TCP/MSRP *\r\nm=audio 0 RTP/AVP 0\r\n"), "{two}");
    assert!(!body(&listing("")).contains("m="), "RFC 3264 section 5");
    let without_media = OFFER.split("m=").next().unwrap();
    assert!(!body(&bearing("application/sdp", without_media)).contains("m="));
}

#[test]
fn mng_2_the_session_timer_is_as_asked() {
    let desk = Desk::new();
    let answer = |request: &Request| accepted(&desk.settings, &taken(request).opening);
    let timer = |response: &Response| {
        let get = |name| response.headers.get(name).map(str::to_owned);
        (get("Require"), get("Session-Expires"))
    };
    let asked = |value: &'static str| with(&request(WX_6), "Session-Expires", value);
    let uac = (Some("timer".to_owned()), Some("600;refresher=uac".to_owned()));
    assert_eq!(timer(&answer(&asked("600"))), uac);
    assert_eq!(timer(&answer(&asked("600 ; refresher=UAC"))), uac);
    assert_eq!(timer(&answer(&asked("90;refresher=uas"))), (None, Some("90;refresher=uas".to_owned())));
    assert_eq!(timer(&answer(&without(&request(WX_6), "Session-Expires"))), (None, None));
    assert_eq!(timer(&answer(&without(&request(WX_6), "Supported"))), (None, None));
    let brief = received(&asked("89")).expect_err("it is refused");
    assert_eq!((brief.status, brief.headers.get("Min-SE")), (422, Some("90")), "RFC 4028 section 9");
    assert_eq!(refused(&asked("soon")), 400);
}

#[test]
fn mng_2_the_same_invite_gets_the_same_answer() {
    let desk = Desk::new();
    let answer = |request: &Request| accepted(&desk.settings, &taken(request).opening).to_bytes();
    assert_eq!(answer(&request(WX_6)), answer(&request(WX_6)));
    assert_ne!(answer(&request(WX_6)), answer(&with(&request(WX_6), "CSeq", "2 INVITE")));
}

#[test]
fn management_shows_no_personal_data() {
    let shown = format!("{:?}", taken(&request(WX_6)));
    for private in ["+1202", "bob", "198.51.100", "uuid", "9f2c41d07be5"] {
        assert!(!shown.contains(private), "{private} in {shown}");
    }
}
