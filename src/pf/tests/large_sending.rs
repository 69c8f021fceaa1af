//! Send Large Message Mode Deferred CPM Messages (8.3.2.3.4): the INVITE against WX-10, and what MSRP is told to send.

use super::large::{LIST, finished, invitation, invite, listed, message, own, stored_of};
use super::*;
use crate::msrp::Finished;
use crate::net::Target;
use crate::pf::{LargePush, LargeSettings, interwork_large, large_invite, large_outgoing};
use crate::queue::event::{Envelope, Transaction};
use crate::sip::Part;
use std::time::Duration;

const WX_10: &[u8] = include_bytes!("../../../tests/fixtures/wx/wx-10-large-invite.sip");
/// The moment whose NTP seconds are the session id of WX-10.
const AT: Timestamp = Timestamp::from_secs(3_476_511_247 - 2_208_988_800);

/// The names of WX-10.
fn transaction() -> Transaction {
    Transaction {
        call_id: "l001".to_owned(),
        cseq: 1,
        branch: "z9hG4bKpf.l001".to_owned(),
        from_tag: "pf-l001".to_owned(),
    }
}

/// Behind its S-CSCF, with no instance: so WX-10 has it.
fn client() -> Client {
    Client { instance: None, ..bound(Desk::new().scscf(&request(WX_3))) }
}

/// Without the line that WX-10 does not have (I-27).
fn desk() -> Desk {
    Desk::with(|config| config.queue.push_expires = false)
}

fn sent(desk: &Desk, envelope: &Envelope, client: &Client, message_uid: Option<u32>) -> (Request, Target) {
    let expires_at = AT.after(Duration::from_millis(600_999));
    let push = LargePush { envelope, expires_at, client, transaction: &transaction(), message_uid };
    large_invite(&desk.settings, &desk.settings.realms["ims.example.net"], &push, &own(), AT).unwrap()
}

fn of(request: &Request) -> Request {
    sent(&desk(), &stored_of(request), &client(), None).0
}

fn wx_10() -> Request {
    of(&invite())
}

/// On the wire, with the Via that the endpoint adds.
fn wire(mut request: Request) -> String {
    request.headers.push_front("Via", "SIP/2.0/TCP pf.ims.example.net:5060;branch=z9hG4bKpf.l001");
    String::from_utf8(request.to_bytes().to_vec()).unwrap()
}

fn lines(request: &Request) -> Vec<&str> {
    std::str::from_utf8(&request.body).unwrap().lines().collect()
}

#[test]
fn push_2b_the_invite_is_wx_10_octet_for_octet() {
    assert_eq!(wire(wx_10()), std::str::from_utf8(WX_10).unwrap());
}

#[test]
fn sndl_0_it_is_a_new_invite_of_ours() {
    let made = wx_10();
    assert_eq!((&made.method, made.call_id()), (&Method::Invite, Some("l001@pf.ims.example.net")));
    assert_eq!(made.cseq(), Some((1, Method::Invite)));
    assert_eq!((made.from_tag().as_deref(), made.to_tag()), (Some("pf-l001"), None));
    let contact = "<sip:pf.ims.example.net:5060;transport=tcp>;\
        +g.3gpp.icsi-ref=\"urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.deferred\"";
    assert_eq!(values(&made, "Contact"), [contact], "ours, not that of the sender");
}

#[test]
fn sndl_1_it_carries_the_deferred_tag_in_place_of_the_original_one() {
    let deferred = "*;+g.3gpp.icsi-ref=\"urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.deferred\"";
    assert_eq!(values(&wx_10(), "Accept-Contact"), [deferred]);
    assert_eq!(values(&wx_10(), "P-Asserted-Service"), ["urn:urn-7:3gpp-service.ims.icsi.oma.cpm.deferred"]);
    let named = Client { instance: Some("<urn:uuid:1>".to_owned()), ..client() };
    let made = sent(&desk(), &stored_of(&invite()), &named, None).0;
    let instance = "*;+sip.instance=\"<urn:uuid:1>\";require;explicit";
    assert_eq!(values(&made, "Accept-Contact"), [deferred, instance], "PUSH-W2: for that client and no other");
}

#[test]
fn sndl_2_the_originator_is_the_original_one() {
    assert_eq!(values(&wx_10(), "P-Asserted-Identity"), ["<sip:+12025550100@ims.example.net;user=phone>"]);
    assert_eq!(values(&of(&and(&invite(), "Privacy", "id")), "P-Asserted-Identity"), [""; 0]);
}

#[test]
fn sndl_3_the_request_uri_is_the_recipients_address() {
    assert_eq!(wx_10().uri, "sip:+12025550200@ims.example.net;user=phone");
}

#[test]
fn sndl_3_where_it_is_the_contact_the_address_is_told_beside_it() {
    let source = crate::queue::event::Source::Client;
    let here =
        Client { source, route: Vec::new(), contact: "sip:bob@198.51.100.7:5070;transport=udp".to_owned(), ..client() };
    let (made, target) = sent(&desk(), &stored_of(&invite()), &here, None);
    assert_eq!(made.uri, "sip:bob@198.51.100.7:5070;transport=udp");
    assert_eq!(values(&made, "P-Called-Party-ID"), ["<sip:+12025550200@ims.example.net;user=phone>"]);
    assert_eq!((target.host.as_str(), target.port), ("198.51.100.7", Some(5070)));
    assert!(values(&made, "Contact")[0].starts_with("<sip:pf.ims.example.net:5060>;"), "the socket of that transport");
}

#[test]
fn sndl_4_the_user_agent_is_the_release_version() {
    assert_eq!(values(&wx_10(), "User-Agent"), ["CPM-serv/OMA1.0"]);
}

#[test]
fn sndl_6_the_session_is_as_long_as_configured() {
    let desk = Desk::with(|config| config.sip.session_secs = 600);
    let made = sent(&desk, &stored_of(&invite()), &client(), None).0;
    assert_eq!(
        (values(&made, "Supported"), values(&made, "Session-Expires")),
        (vec!["timer".to_owned()], vec!["600;refresher=uac".to_owned()])
    );
}

#[test]
fn sndl_5_timer_is_supported() {
    assert_eq!(values(&wx_10(), "Supported"), ["timer"]);
}

#[test]
fn sndl_6_we_refresh_the_session() {
    assert_eq!(values(&wx_10(), "Session-Expires"), ["1800;refresher=uac"]);
}

#[test]
fn sndl_7_the_offer_has_one_msrp_medium() {
    let made = wx_10();
    assert_eq!(values(&made, "Content-Type"), ["application/sdp"]);
    let media: Vec<&str> = lines(&made).into_iter().filter(|line| line.starts_with("m=")).collect();
    assert_eq!(media, ["m=message 2855 TCP/MSRP *"]);
}

#[test]
fn sndl_7a_we_only_send() {
    assert!(lines(&wx_10()).contains(&"a=sendonly"));
}

#[test]
fn sndl_7b_the_message_is_cpim() {
    assert!(lines(&wx_10()).contains(&"a=accept-types:message/cpim"), "I-12: no blank");
}

#[test]
fn sndl_7c_the_path_is_our_msrp_uri() {
    assert!(lines(&wx_10()).contains(&"a=path:msrp://192.0.2.10:2855/q7Zk2mPf;tcp"));
}

#[test]
fn sndl_7d_the_actual_size_is_announced_unless_it_shall_not() {
    assert!(lines(&wx_10()).contains(&"a=file-selector:size:641"));
    let mut quiet = desk();
    quiet.settings.large = Some(LargeSettings { message_bytes_max: 1, file_selector: false });
    let made = sent(&quiet, &stored_of(&invite()), &client(), None).0;
    assert!(!lines(&made).iter().any(|line| line.contains("file-")), "I-11");
}

#[test]
fn sndl_7e_the_client_connects() {
    assert!(lines(&wx_10()).contains(&"a=setup:passive"));
}

#[test]
fn sndl_8_it_goes_to_the_s_cscf_that_registered_the_user() {
    let (made, target) = sent(&desk(), &stored_of(&invite()), &client(), None);
    assert_eq!(values(&made, "Route"), ["<sip:scscf1.ims.example.net:5060;transport=tcp;lr>"]);
    let host = "scscf1.ims.example.net".to_owned();
    assert_eq!(target, Target { host, port: Some(5060), transport: Some(Transport::Tcp), flow: None });
    let nowhere = Client {
        source: crate::queue::event::Source::Client,
        contact: "sip:".to_owned(),
        route: Vec::new(),
        ..client()
    };
    let (desk, envelope, transaction) = (desk(), stored_of(&invite()), transaction());
    let push = LargePush {
        envelope: &envelope,
        expires_at: AT,
        client: &nowhere,
        transaction: &transaction,
        message_uid: None,
    };
    assert!(large_invite(&desk.settings, &desk.settings.realms["ims.example.net"], &push, &own(), AT).is_none());
}

#[test]
fn i_15_the_uid_of_the_record_is_told() {
    let made = sent(&desk(), &stored_of(&invite()), &client(), Some(42)).0;
    assert_eq!(values(&made, "Message-UID"), ["42"]);
    assert_eq!(values(&wx_10(), "Message-UID"), [""; 0]);
}

#[test]
fn i_26_the_stored_information_is_replayed_and_nothing_else() {
    let subject = [b"caf", &[0xe9][..]].concat();
    let message = with(&invite(), "Subject", subject.clone());
    let message = and(&message, "InReplyTo-Contribution-ID", "Ab-1");
    let made = of(&and(&message, "Referred-By", "<sip:group@ims.example.net>"));
    for (name, value) in [
        ("InReplyTo-Contribution-ID", "Ab-1"),
        ("Referred-By", "<sip:group@ims.example.net>"),
        ("Conversation-ID", "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"),
        ("Contribution-ID", "bcdef011-2345-11df-8a39-0800200c9a66"),
    ] {
        assert_eq!(values(&made, name), [value], "{name}");
    }
    assert_eq!(made.headers.raw("Subject").unwrap(), &subject, "octet for octet");
    for name in ["P-Charging-Vector", "P-Served-User", "Record-Route", "Expires", "Message-ID", "Success-Report"] {
        assert_eq!(made.headers.get(name), None, "{name}");
    }
}

#[test]
fn i_27_message_expires_tells_the_seconds_that_remain() {
    let made = sent(&Desk::new(), &stored_of(&invite()), &client(), None).0;
    assert_eq!((values(&made, "Message-Expires"), values(&made, "Expires")), (vec!["600".to_owned()], Vec::new()));
    assert_eq!(values(&wx_10(), "Message-Expires"), [""; 0]);
}

#[test]
fn def_2b_the_recipient_list_goes_with_the_offer() {
    let made = of(&listed());
    assert_eq!(values(&made, "Content-Type"), ["multipart/mixed;boundary=cpm-pfl001"]);
    let parts = sip::parts("multipart/mixed;boundary=cpm-pfl001", &made.body, 9).unwrap();
    let types: Vec<String> = parts.iter().map(Part::media_type).collect();
    assert_eq!(types, ["application/sdp", "application/resource-lists+xml"]);
    assert_eq!(parts[0].body, wx_10().body);
    assert_eq!(parts[1].headers.get("Content-Disposition"), Some("recipient-list-history; handling=optional"));
    assert!(parts[1].body.starts_with(b"<resource-lists>") && parts[1].body.ends_with(b"</resource-lists>"));
    let text = std::str::from_utf8(&made.body).unwrap();
    assert!(text.contains(&format!("\r\n--cpm-pfl001\r\n{LIST}\r\n--cpm-pfl001--\r\n")), "octet for octet: {text}");
}

#[test]
fn def_2b_the_boundary_is_not_in_the_list() {
    let parts = super::large::listed();
    let hostile = String::from_utf8(parts.body.to_vec()).unwrap().replace("carol", "cpm-pfl001");
    let made = of(&Request { body: hostile.into(), ..parts });
    let media = values(&made, "Content-Type").remove(0);
    assert_eq!(media, "multipart/mixed;boundary=cpm-pfl001x");
    assert_eq!(sip::parts(&media, &made.body, 9).unwrap().len(), 2);
}

#[test]
fn sndl_ok_4b_the_message_goes_as_cpim_under_its_own_name() {
    let out = large_outgoing(&stored_of(&invite()));
    assert_eq!((out.message.message_id.as_str(), out.message.content_type.as_str()), ("Lm0b77aa10", "message/cpim"));
    assert_eq!((out.message.size, out.message.content_disposition, out.prefix.len()), (641, None, 0));
    assert!(!out.message.success_report, "spec 4.3: all chunks answered is enough");
    let done = Finished {
        content_type: "text/plain".to_owned(),
        content_disposition: Some("render".to_owned()),
        ..finished()
    };
    let odd = large_outgoing(&invitation(&invite()).completed(&done, &message()));
    assert_eq!(
        (odd.message.content_type.as_str(), odd.message.content_disposition.as_deref()),
        ("message/cpim", Some("render"))
    );
}

#[test]
fn sndl_ok_4c_a_cpim_from_that_came_with_the_message_stays_and_one_that_is_missing_is_written() {
    let bare = String::from_utf8(message()).unwrap().replacen("From: <sip:+12025550100@ims.example.net>\r\n", "", 1);
    let prefix = |request: &Request, body: &str| {
        let done = Finished { size: body.len() as u64, ..finished() };
        let envelope = invitation(request).completed(&done, body.as_bytes());
        let out = large_outgoing(&envelope);
        assert_eq!(out.message.size, (out.prefix.len() + body.len()) as u64);
        let made = sent(&desk(), &envelope, &client(), None).0;
        let announced = format!("a=file-selector:size:{}", out.message.size);
        assert!(lines(&made).contains(&announced.as_str()), "SNDL-7d: the actual size");
        String::from_utf8(out.prefix.to_vec()).unwrap()
    };
    let from = "From: <sip:+12025550100@ims.example.net>\r\n";
    assert_eq!(prefix(&invite(), &bare), from);
    let anonymous = and(&invite(), "Privacy", "id");
    assert_eq!(prefix(&anonymous, &bare), "From: <sip:anonymous@anonymous.invalid>\r\n", "I-22: never un-anonymised");
    let named = String::from_utf8(message()).unwrap();
    assert_eq!(prefix(&anonymous, &named), "", "I-22: it is the sender's own affair");
    assert_eq!(prefix(&invite(), "\r\nno headers at all"), "");
}

#[test]
fn mng_4_a_large_message_goes_to_the_isf_as_what_it_came() {
    let desk = Desk::with(|config| {
        let realm = config.realms.get_mut("ims.example.net").unwrap();
        realm.isf = Some("sip:isf.ims.example.net;transport=tcp".to_owned());
    });
    let envelope = stored_of(&invite());
    let made = |desk: &Desk| {
        interwork_large(&desk.settings, &desk.settings.realms["ims.example.net"], &envelope, &transaction(), &own(), AT)
    };
    assert!(made(&Desk::new()).is_none(), "no ISF");
    let (made, target) = made(&desk).unwrap();
    assert_eq!((target.host.as_str(), target.transport), ("isf.ims.example.net", Some(Transport::Tcp)));
    assert_eq!(values(&made, "Route"), [""; 0], "RSN-4");
    assert_eq!((made.method.as_str(), made.uri.as_str()), ("INVITE", "sip:+12025550200@ims.example.net;user=phone"));
    let tag = "*;+g.3gpp.icsi-ref=\"urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.largemsg\"";
    assert_eq!(values(&made, "Accept-Contact"), [tag]);
    assert_eq!(values(&made, "P-Asserted-Service"), ["urn:urn-7:3gpp-service.ims.icsi.oma.cpm.largemsg"]);
    assert!(values(&made, "Contact")[0].ends_with("cpm.largemsg\""));
    assert_eq!(values(&made, "Subject"), ["Photos"]);
    assert_eq!(made.body, wx_10().body);
}
