//! What we say of our own accord, against the wire examples: system messages (WX-5), disposition notifications (WX-14),
//! and what goes to the ISF.

use super::*;
use crate::formats::msginfo::{MessageList, NotificationFormat, Outcome};
use crate::net::Target;
use crate::pf::{ReportWay, Reporting, SystemMessage, interwork, report, system_message};
use crate::queue::event::{
    ClientRegistered, Disposition, DispositionOwed, Envelope, Event, HandlingChosen, Location, MessageDeferred,
    Transaction,
};
use crate::queue::question::{Admission, Handling, Judge, Ruling};
use crate::queue::{Gone, News, Queue, Task};
use crate::sip::Headers;
use crate::types::{Address, MessageId, OriginKey};

const WX_5: &[u8] = include_bytes!("../../../tests/fixtures/wx/wx-05-system-message.sip");
const WX_14: &[u8] = include_bytes!("../../../tests/fixtures/wx/wx-14-imdn.sip");
const ID: MessageId = MessageId([0xab; 16]);
/// The Date of WX-5.
const WX_5_DATE: Timestamp = Timestamp::from_secs(1_267_552_800);
/// The Date of WX-14, when WX-1 has expired.
const WX_14_DATE: Timestamp = Timestamp::from_secs(1_267_607_648);
const SCSCF_URI: &str = "sip:scscf1.ims.example.net:5060;transport=tcp;lr";
const ISF_URI: &str = "sip:isf.ims.example.net:5070;transport=tcp";

fn names(name: &str) -> Transaction {
    Transaction {
        call_id: name.to_owned(),
        cseq: 1,
        branch: format!("z9hG4bKpf.{name}"),
        from_tag: format!("pf-{name}"),
    }
}

fn envelope() -> Envelope {
    defer(Desk::new().scscf(&request(WX_1))).envelope
}

fn client() -> Client {
    bound(Desk::new().scscf(&request(WX_3)))
}

/// Bob's queue with WX-1 in it, to be managed.
fn queue() -> Queue {
    queue_of(envelope())
}

fn queue_of(envelope: Envelope) -> Queue {
    let native = Judge::Native;
    let deferred = MessageDeferred {
        id: ID,
        envelope,
        origin: OriginKey([1; 16]),
        received_at: NOW,
        expires_at: WX_14_DATE,
        admission: Ruling { verdict: Admission::Accept { expiry_max_secs: 604_800 }, judge: native },
    };
    let handling = HandlingChosen { message: ID, ruling: Ruling { verdict: Handling::Manage, judge: native } };
    let mut queue = Queue::new(Address::parse("sip:+12025550200@ims.example.net;user=phone").unwrap());
    for event in [
        Event::ClientRegistered(ClientRegistered { client: client(), just_registered: true }),
        Event::MessageDeferred(Box::new(deferred)),
        Event::HandlingChosen(handling),
    ] {
        queue.evolve(&event, NOW);
    }
    queue
}

/// The system message that has this to tell.
fn told(news: &News) -> (Request, Target) {
    let (desk, queue, client, transaction) = (Desk::new(), queue(), client(), names("sys01"));
    let message = SystemMessage { queue: &queue, news, client: &client, transaction: &transaction };
    system_message(&desk.settings, &desk.settings.realms["ims.example.net"], &message, WX_5_DATE).unwrap()
}

fn listed(request: &Request) -> MessageList {
    NotificationFormat::default().read(&request.body, &crate::formats::Limits::default(), 100).unwrap()
}

fn ended(location: Option<Location>) -> News {
    News::Ended(Box::new(Gone {
        id: ID,
        envelope: envelope(),
        received_at: NOW,
        expires_at: WX_14_DATE,
        handling: Some(Handling::Manage),
        attempts: 0,
        location,
    }))
}

/// Name and value of every line but these.
fn lines(headers: &Headers, but: &[&str]) -> Vec<(String, String)> {
    let text = |header: &sip::Header| (header.name.to_string(), String::from_utf8(header.value.to_vec()).unwrap());
    headers.iter().map(text).filter(|(name, _)| !but.contains(&name.as_str())).collect()
}

#[test]
fn mng_n1b_mng_n1d_mng_n1e_the_system_message_is_wx_5_line_by_line() {
    let ((made, _), example) = (told(&News::Waiting), request(WX_5));
    assert_eq!((&made.method, &made.uri), (&example.method, &example.uri));
    // One line more than the example: only this client is meant.
    let ours = lines(&made.headers, &[]).into_iter().filter(|(_, value)| !value.contains("+sip.instance"));
    assert_eq!(ours.collect::<Vec<_>>(), lines(&example.headers, &["Via", "Content-Length"]));
}

#[test]
fn mng_n1f_what_waits_is_told_by_its_message_uri_id() {
    let list = listed(&told(&News::Waiting).0);
    assert_eq!((list.number, list.messages.len()), (1, 1));
    let message = &list.messages[0];
    assert_eq!(message.reference, ID.uri("pf.ims.example.net"));
    assert_eq!((message.date_time, message.expiry, message.size), (NOW, WX_14_DATE, envelope().size));
    assert_eq!(message.from.as_deref(), Some("sip:+12025550100@ims.example.net"));
    assert_eq!(message.outcome, None);
}

#[test]
fn exp_2a_ii_1_that_it_was_discarded_is_told_in_a_message_with_the_tag_of_system_messages() {
    let (made, _) = told(&ended(None));
    assert_eq!(made.method, Method::Message);
    assert!(values(&made, "Accept-Contact").iter().any(|value| value.ends_with("oma.cpm.systemmsg\"")));
    let list = listed(&made);
    assert_eq!((list.number, list.messages[0].outcome), (1, Some(Outcome::Discarded)));
    assert_eq!(list.messages[0].reference, ID.uri("pf.ims.example.net"));
}

#[test]
fn exp_2b_ii_2_that_it_was_stored_is_told_in_a_message_with_the_tag_of_system_messages() {
    let place = Location { folder: "Default/a".to_owned(), uidvalidity: 7, uid: 42 };
    let (made, _) = told(&ended(Some(place)));
    assert_eq!(made.method, Method::Message);
    assert!(values(&made, "Accept-Contact").iter().any(|value| value.ends_with("oma.cpm.systemmsg\"")));
    assert_eq!(listed(&made).messages[0].outcome, Some(Outcome::Stored { uid: Some(42) }));
}

/// The disposition notification owed after this, from a server with this next hop.
fn reported(desk: &Desk, disposition: Disposition) -> ReportWay {
    reported_from(desk, queue(), disposition)
}

fn reported_from(desk: &Desk, mut queue: Queue, disposition: Disposition) -> ReportWay {
    queue.evolve(&Event::DispositionOwed(DispositionOwed { message: ID, disposition }), WX_14_DATE);
    let report_of = queue.errands().find_map(|errand| match &errand.task {
        Task::Report(report) => Some(report.as_ref().clone()),
        _ => None,
    });
    let (report_of, transaction) = (report_of.unwrap(), names("n001"));
    let reporting =
        Reporting { report: &report_of, transaction: &transaction, is_registered: false, owed_at: WX_14_DATE };
    report(&desk.settings, &desk.settings.realms["ims.example.net"], SECRET, &reporting, WX_14_DATE)
}

fn behind_scscf() -> Desk {
    Desk::with(|config| {
        config.realms.get_mut("ims.example.net").unwrap().next_hop = Some(SCSCF_URI.to_owned());
    })
}

/// Without the notification's own name, which we choose.
fn unnamed(body: &[u8]) -> String {
    let text = String::from_utf8(body.to_vec()).unwrap();
    text.lines().filter(|line| !line.starts_with("imdn.Message-ID")).collect::<Vec<_>>().join("\n")
}

#[test]
fn mng_3x_a_negative_notification_is_wx_14_line_by_line() {
    let ReportWay::Out(sent) = reported(&behind_scscf(), Disposition::Failed) else { panic!("not over the wire") };
    let ((made, target), example) = (*sent, request(WX_14));
    assert_eq!((&made.method, &made.uri), (&example.method, &example.uri));
    assert_eq!(lines(&made.headers, &[]), lines(&example.headers, &["Via", "Content-Length"]));
    assert_eq!(unnamed(&made.body), unnamed(&example.body));
    assert_eq!(target, Target::of(&sip::Uri::parse(SCSCF_URI).unwrap()));
}

#[test]
fn mng_5x_a_positive_notification_says_delivered() {
    let ReportWay::Out(sent) = reported(&behind_scscf(), Disposition::Delivered) else { panic!("not over the wire") };
    let text = unnamed(&sent.0.body);
    assert!(text.contains("<delivery-notification>") && text.contains("<delivered/>"), "{text}");
}

#[test]
fn mng_3x_without_an_s_cscf_it_goes_into_the_queue_of_a_sender_of_ours() {
    let ReportWay::Home(verb) = reported(&Desk::new(), Disposition::Failed) else { panic!("not at home") };
    assert_eq!(verb.user, Address::parse("sip:+12025550100@ims.example.net").unwrap());
    assert!(matches!(verb.command, Command::Defer(_)));
}

#[test]
fn rsn_4_the_isf_is_sent_the_message_directly_and_without_route() {
    let desk = Desk::with(|config| {
        let realm = config.realms.get_mut("ims.example.net").unwrap();
        realm.next_hop = Some(SCSCF_URI.to_owned());
        realm.isf = Some(ISF_URI.to_owned());
    });
    let (envelope, body) = (envelope(), request(WX_1).body);
    let realm = &desk.settings.realms["ims.example.net"];
    let (made, target) = interwork(&desk.settings, realm, &envelope, &names("i001"), &body).unwrap();
    assert_eq!(target, Target::of(&sip::Uri::parse(ISF_URI).unwrap()));
    assert_eq!(values(&made, "Route"), Vec::<String>::new());
    assert_eq!((made.uri.as_str(), &made.body), (request(WX_1).uri.as_str(), &body));
    assert_eq!(values(&made, "P-Asserted-Identity"), values(&request(WX_1), "P-Asserted-Identity"));

    let without = &Desk::new();
    let realm = &without.settings.realms["ims.example.net"];
    assert!(interwork(&without.settings, realm, &envelope, &names("i001"), &body).is_none());
}

#[test]
fn i_18_the_address_of_an_anonymous_sender_is_sealed_and_the_notification_finds_back() {
    let (desk, anonymous) = (behind_scscf(), with(&request(WX_1), "Privacy", "id"));
    let sealed = defer(desk.scscf(&anonymous)).envelope;
    assert!(!sealed.return_address.as_ref().unwrap().contains("2025550100"), "{:?}", sealed.return_address);
    let reported_of = |envelope: &Envelope| reported_from(&desk, queue_of(envelope.clone()), Disposition::Failed);
    let ReportWay::Out(out) = reported_of(&sealed) else { panic!("to the S-CSCF") };
    assert_eq!(out.0.uri, request(WX_14).uri);
    let elsewhere = SeedSecret([1; 16]).seal(&OriginKey([1; 16]), "sip:alice@ims.example.net");
    let foreign = Envelope { return_address: Some(elsewhere), ..sealed };
    assert!(matches!(reported_of(&foreign), ReportWay::Nowhere), "sealed by another server");
}

#[test]
fn i_05_the_tag_of_the_first_edition_is_added_where_it_is_wanted() {
    let desk = Desk::with(|config| config.errands.legacy_system_tag = true);
    let (queue, client, transaction) = (queue(), client(), names("sys01"));
    let message = SystemMessage { queue: &queue, news: &News::Waiting, client: &client, transaction: &transaction };
    let made = system_message(&desk.settings, &desk.settings.realms["ims.example.net"], &message, WX_5_DATE).unwrap().0;
    assert!(values(&made, "Accept-Contact").contains(&"*;+g.oma.cpm.system-message".to_owned()));
}
