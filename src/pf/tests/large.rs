//! Defer CPM Messages (8.3.2.3), Large Message Mode: DEF-2 and DEF-5b, what is stored of an INVITE and its MSRP message.

use super::*;
use crate::formats::sdp::OwnMedia;
use crate::msrp::Finished;
use crate::net::msrp::Way;
use crate::pf::Invitation;
use crate::queue::event::Envelope;
use crate::queue::question::Mode;
use crate::types::{Address, OriginKey};

const CHUNK_1: &str = include_str!("../../../tests/fixtures/wx/wx-12c-chunk.msrp");
const CHUNK_2: &str = include_str!("../../../tests/fixtures/wx/wx-12e-chunk.msrp");

/// What Alice's client sends before WX-10 can be made of it: the message of WX-12.
const INVITE: &str = "INVITE sip:+12025550200@ims.example.net;user=phone SIP/2.0\r\n\
    Via: SIP/2.0/TCP scscf1.ims.example.net:5060;branch=z9hG4bKs1.0b11\r\n\
    Max-Forwards: 66\r\n\
    Record-Route: <sip:scscf1.ims.example.net:5060;transport=tcp;lr>, <sip:pcscf1.ims.example.net:5060;lr>\r\n\
    From: <sip:+12025550100@ims.example.net;user=phone>;tag=a1-8842\r\n\
    To: <sip:+12025550200@ims.example.net;user=phone>\r\n\
    Call-ID: 77aa10@alice.example.net\r\n\
    CSeq: 1 INVITE\r\n\
    Contact: <sip:alice@203.0.113.5:5060;transport=tcp>;\
    +g.3gpp.icsi-ref=\"urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.largemsg\"\r\n\
    P-Asserted-Identity: <sip:+12025550100@ims.example.net;user=phone>\r\n\
    P-Asserted-Service: urn:urn-7:3gpp-service.ims.icsi.oma.cpm.largemsg\r\n\
    P-Served-User: <sip:+12025550200@ims.example.net;user=phone>;sescase=term;regstate=unreg\r\n\
    P-Charging-Vector: icid-value=\"icid-20100302-000018\";orig-ioi=ims.example.net\r\n\
    Accept-Contact: *;+g.3gpp.icsi-ref=\"urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.largemsg\"\r\n\
    Conversation-ID: f81d4fae-7dec-11d0-a765-00a0c91e6bf6\r\n\
    Contribution-ID: bcdef011-2345-11df-8a39-0800200c9a66\r\n\
    Subject: Photos\r\n\
    Date: Tue, 02 Mar 2010 09:20:41 GMT\r\n\
    Message-Expires: 604000\r\n\
    Supported: timer\r\n\
    Session-Expires: 1800;refresher=uac\r\n\
    User-Agent: CPM-client/OMA1.0\r\n\
    Content-Type: application/sdp\r\n\r\n";

pub(super) const OFFER: &str = "v=0\r\no=- 77 1 IN IP4 203.0.113.5\r\ns=-\r\nc=IN IP4 203.0.113.5\r\nt=0 0\r\n\
    m=message 9 TCP/MSRP *\r\na=accept-types:message/cpim\r\na=path:msrp://203.0.113.5:9/a11ce;tcp\r\n\
    a=file-selector:size:641\r\na=setup:active\r\na=msrp-cema\r\na=sendonly\r\n";

/// The part of an INVITE that says who else got it, with its headers.
pub(super) const LIST: &str = "Content-Type: application/resource-lists+xml\r\n\
    Content-Disposition: recipient-list-history; handling=optional\r\n\r\n\
    <resource-lists><list><entry uri=\"sip:carol@ims.example.net\"/></list></resource-lists>";

pub(super) fn invite() -> Request {
    bearing("application/sdp", OFFER)
}

/// The INVITE with another body.
pub(super) fn bearing(media: &'static str, body: impl Into<String>) -> Request {
    let head = INVITE.replace("application/sdp", media);
    let octets = Bytes::from(head + &body.into());
    match sip::datagram(&octets, &Limits::default()).unwrap() {
        Message::Request(request) => request,
        Message::Response(_) => panic!("a response"),
    }
}

/// The INVITE with this line of its offer in place of another.
pub(super) fn offering(line: &str, other: &str) -> Request {
    assert!(OFFER.contains(line), "{line}");
    bearing("application/sdp", OFFER.replace(line, other))
}

/// The INVITE with a recipient list beside its offer.
pub(super) fn listed() -> Request {
    let parts = format!("--b1\r\nContent-Type: application/sdp\r\n\r\n{OFFER}\r\n--b1\r\n{LIST}\r\n--b1--\r\n");
    bearing("multipart/mixed;boundary=b1", parts)
}

pub(super) fn invited(received: Received) -> Invitation {
    match received {
        Received::Large(invitation) => *invitation,
        other => panic!("no large message but {other:?}"),
    }
}

pub(super) fn invitation(request: &Request) -> Invitation {
    invited(Desk::new().scscf(request))
}

/// The message of WX-12, its two chunks put together.
pub(super) fn message() -> Vec<u8> {
    let data = |chunk: &str| {
        let data = chunk.split_once("\r\n\r\n").unwrap().1;
        data[..data.rfind("\r\n-------").unwrap()].to_owned()
    };
    let whole = data(CHUNK_1) + &data(CHUNK_2);
    assert_eq!(whole.len(), 641);
    whole.into_bytes()
}

/// What MSRP says of it.
pub(super) fn finished() -> Finished {
    Finished {
        size: 641,
        message_id: "Lm0b77aa10".to_owned(),
        success_report: Some("no".to_owned()),
        failure_report: Some("yes".to_owned()),
        content_type: "message/cpim".to_owned(),
        content_disposition: None,
    }
}

/// What is stored of the INVITE and the message of WX-12.
pub(super) fn stored_of(request: &Request) -> Envelope {
    invitation(request).completed(&finished(), &message())
}

pub(super) fn own() -> OwnMedia {
    OwnMedia {
        uri: "msrp://192.0.2.10:2855/q7Zk2mPf;tcp".to_owned(),
        address: "192.0.2.10".parse().unwrap(),
        port: 2855,
        secure: false,
        fingerprint: None,
    }
}

fn texts(envelope: &Envelope, name: KeptName) -> Vec<String> {
    envelope.all(name).map(|value| value.text().into_owned()).collect()
}

fn stored(name: KeptName) -> Vec<String> {
    texts(&stored_of(&invite()), name)
}

#[test]
fn def_2_a_large_message_is_taken_for_the_served_user() {
    let invitation = invitation(&invite());
    assert_eq!(invitation.user, Address::parse("sip:+12025550200@ims.example.net").unwrap());
    assert_eq!(invitation.realm.name, "ims.example.net");
    assert_eq!(invitation.origin, OriginKey::of("77aa10@alice.example.net", "a1-8842", "1 INVITE"));
    assert_eq!((invitation.announced_size(), invitation.is_secure()), (Some(641), false));
    assert_eq!(
        (invitation.peer().path.as_slice(), invitation.way()),
        (&["msrp://203.0.113.5:9/a11ce;tcp".to_owned()][..], Way::Passive)
    );
    let unserved = without(&invite(), "P-Served-User");
    let other = to(&unserved, "sip:+12025550300@ims.example.net");
    assert_eq!(invited(Desk::new().scscf(&other)).user, Address::parse("sip:+12025550300@ims.example.net").unwrap());
}

#[test]
fn def_2_what_is_offered_is_what_will_be_stored_as_far_as_it_is_known() {
    let invitation = invitation(&invite());
    let (offered, completed) = (invitation.offered(), invitation.completed(&finished(), &message()));
    assert_eq!((offered.mode, offered.size), (Mode::Large, 641));
    assert!(completed.headers.starts_with(&offered.headers));
    let silent = super::large::invitation(&offering("a=file-selector:size:641\r\n", ""));
    assert_eq!((silent.announced_size(), silent.offered().size), (None, 0));
}

#[test]
fn def_2a_the_start_line_is_stored() {
    let envelope = stored_of(&invite());
    assert_eq!((envelope.mode, envelope.request_uri), (Mode::Large, invite().uri));
}

#[test]
fn def_2a_i_from_is_stored() {
    assert_eq!(stored(KeptName::From), ["<sip:+12025550100@ims.example.net;user=phone>;tag=a1-8842"]);
}

#[test]
fn def_2a_ii_to_is_stored() {
    assert_eq!(stored(KeptName::To), ["<sip:+12025550200@ims.example.net;user=phone>"]);
}

#[test]
fn def_2a_iii_the_asserted_identity_is_stored_unless_anonymity_was_asked_for() {
    assert_eq!(stored(KeptName::PAssertedIdentity), ["<sip:+12025550100@ims.example.net;user=phone>"]);
    let anonymous = stored_of(&and(&invite(), "Privacy", "id"));
    assert!(anonymous.anonymous && texts(&anonymous, KeptName::PAssertedIdentity).is_empty());
    let sealed = anonymous.return_address.unwrap();
    assert!(!sealed.contains("2025550100"), "I-18: {sealed}");
    assert_eq!(SECRET.open(&sealed).as_deref(), Some("sip:+12025550100@ims.example.net;user=phone"));
}

#[test]
fn def_2a_iv_a_subject_is_stored_if_there_is_one() {
    assert_eq!(stored(KeptName::Subject), ["Photos"]);
    assert!(texts(&stored_of(&without(&invite(), "Subject")), KeptName::Subject).is_empty());
}

#[test]
fn def_2a_v_date_is_stored_and_set_to_now_if_absent() {
    assert_eq!(stored(KeptName::Date), ["Tue, 02 Mar 2010 09:20:41 GMT"]);
    let undated = stored_of(&without(&invite(), "Date"));
    assert_eq!(texts(&undated, KeptName::Date), ["Tue, 02 Mar 2010 09:14:08 GMT"]);
}

#[test]
fn def_2a_vi_every_accept_contact_is_stored() {
    let first = "*;+g.3gpp.icsi-ref=\"urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.largemsg\"";
    assert_eq!(stored(KeptName::AcceptContact), [first]);
    let two = stored_of(&and(&invite(), "Accept-Contact", "*;+g.oma.x"));
    assert_eq!(texts(&two, KeptName::AcceptContact), [first, "*;+g.oma.x"]);
}

#[test]
fn def_2a_vii_contact_is_stored() {
    let contact = "<sip:alice@203.0.113.5:5060;transport=tcp>;\
        +g.3gpp.icsi-ref=\"urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.largemsg\"";
    assert_eq!(stored(KeptName::Contact), [contact]);
}

#[test]
fn def_2a_viii_referred_by_is_stored_if_there_is_one() {
    assert!(stored(KeptName::ReferredBy).is_empty());
    let referred = stored_of(&and(&invite(), "Referred-By", "<sip:group@ims.example.net>"));
    assert_eq!(texts(&referred, KeptName::ReferredBy), ["<sip:group@ims.example.net>"]);
}

#[test]
fn def_2a_ix_the_content_type_of_the_send_is_stored_and_not_that_of_the_invite() {
    assert_eq!(stored(KeptName::ContentType), ["message/cpim"]);
    let beside_list = stored_of(&listed());
    assert_eq!(
        texts(&beside_list, KeptName::ContentType),
        ["message/cpim"],
        "I-24: the wrapper is made when it is sent"
    );
}

#[test]
fn def_2a_x_the_size_of_the_whole_message_is_stored() {
    assert_eq!(stored_of(&invite()).size, 641);
    let longer = invitation(&invite()).completed(&Finished { size: 10_000_000, ..finished() }, &message());
    assert_eq!(longer.size, 10_000_000, "what came counts, not what was announced");
}

#[test]
fn def_2a_xi_conversation_id_is_stored() {
    assert_eq!(stored(KeptName::ConversationId), ["f81d4fae-7dec-11d0-a765-00a0c91e6bf6"]);
}

#[test]
fn def_2a_xii_contribution_id_is_stored() {
    assert_eq!(stored(KeptName::ContributionId), ["bcdef011-2345-11df-8a39-0800200c9a66"]);
}

#[test]
fn def_2a_xiii_in_reply_to_contribution_id_is_stored_if_there_is_one() {
    assert!(stored(KeptName::InReplyToContributionId).is_empty());
    let reply = stored_of(&and(&invite(), "InReplyTo-Contribution-ID", "Ab-1"));
    assert_eq!(texts(&reply, KeptName::InReplyToContributionId), ["Ab-1"]);
}

#[test]
fn def_1n_of_an_invite_too_no_other_header_is_stored() {
    let names: Vec<&str> = stored_of(&invite()).headers.iter().map(|header| header.name.wire()).collect();
    let wanted = [
        "From",
        "To",
        "Contact",
        "Accept-Contact",
        "Conversation-ID",
        "Contribution-ID",
        "Subject",
        "Date",
        "P-Asserted-Identity",
        "Content-Type",
        "Message-ID",
        "Success-Report",
        "Failure-Report",
    ];
    assert_eq!(names, wanted);
}

#[test]
fn def_2b_the_recipient_list_is_stored_as_a_whole() {
    assert!(stored(KeptName::RecipientList).is_empty());
    assert_eq!(texts(&stored_of(&listed()), KeptName::RecipientList), [LIST], "with the headers of its part");
}

#[test]
fn def_2c_i_the_message_id_of_the_send_is_stored() {
    assert_eq!(stored(KeptName::MsrpMessageId), ["Lm0b77aa10"]);
}

#[test]
fn def_2c_ii_what_reports_were_asked_for_is_stored_if_it_was_said() {
    assert_eq!(
        (stored(KeptName::SuccessReport), stored(KeptName::FailureReport)),
        (vec!["no".to_owned()], vec!["yes".to_owned()])
    );
    let silent = Finished { success_report: None, failure_report: None, ..finished() };
    let silent = invitation(&invite()).completed(&silent, &message());
    assert!(texts(&silent, KeptName::SuccessReport).is_empty() && texts(&silent, KeptName::FailureReport).is_empty());
}

#[test]
fn def_2c_iii_the_content_type_is_stored_with_its_parameters() {
    let done = Finished { content_type: "message/cpim;charset=utf-8".to_owned(), ..finished() };
    let envelope = invitation(&invite()).completed(&done, &message());
    assert_eq!(texts(&envelope, KeptName::ContentType), ["message/cpim;charset=utf-8"]);
    assert!(envelope.imdn.is_some());
}

#[test]
fn def_2c_iv_the_byte_range_is_the_whole_message() {
    assert_eq!(stored_of(&invite()).size, message().len() as u64, "1-*/641");
}

#[test]
fn def_2c_v_the_content_disposition_is_stored() {
    assert!(stored(KeptName::ContentDisposition).is_empty());
    let done = Finished { content_disposition: Some("render;x=y".to_owned()), ..finished() };
    let envelope = invitation(&invite()).completed(&done, &message());
    assert_eq!(texts(&envelope, KeptName::ContentDisposition), ["render;x=y"]);
}

#[test]
fn def_2c_vi_of_all_chunks_one_message_is_stored() {
    let envelope = stored_of(&invite());
    let chunks = [CHUNK_1, CHUNK_2].map(|chunk| chunk.contains("Byte-Range: 1-466/641"));
    assert_eq!((chunks, envelope.size), ([true, false], 641));
    let imdn = envelope.imdn.unwrap();
    assert_eq!(imdn.message_id.as_deref(), Some("Qv81LrgMsg02"), "DEF-1b: for large messages as well");
    assert_eq!(imdn.dispositions, ["positive-delivery", "negative-delivery"]);
    assert_eq!(imdn.date_time.as_deref(), Some("2010-03-02T09:20:41Z"));
}

#[test]
fn def_2c_the_imdn_headers_are_read_from_the_first_octets() {
    let head = &message()[..300];
    let imdn = invitation(&invite()).completed(&finished(), head).imdn.unwrap();
    assert_eq!(imdn.message_id.as_deref(), Some("Qv81LrgMsg02"));
    let other = Finished { content_type: "text/plain".to_owned(), ..finished() };
    assert_eq!(invitation(&invite()).completed(&other, head).imdn, None, "only CPIM has them");
}

#[test]
fn def_5b_i_the_message_expires_asked_for_is_stored() {
    for (expires, asked) in
        [("604000", Some(604_000)), ("0", Some(0)), (" 7 ", Some(7)), ("99999999999", Some(u64::from(u32::MAX)))]
    {
        let envelope = stored_of(&with(&invite(), "Message-Expires", expires));
        assert_eq!(envelope.expires_asked_secs, asked, "Message-Expires: {expires}");
    }
}

#[test]
fn def_5b_ii_nothing_was_asked_for_if_message_expires_is_missing_or_unreadable() {
    for expires in ["soon", "-1", ""] {
        let envelope = stored_of(&with(&invite(), "Message-Expires", expires));
        assert_eq!(envelope.expires_asked_secs, None, "Message-Expires: {expires}");
    }
    let invite = with(&without(&invite(), "Message-Expires"), "Expires", "5");
    assert_eq!(stored_of(&invite).expires_asked_secs, None, "Expires is the life of the INVITE");
}
