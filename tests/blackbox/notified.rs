//! Telling the recipient that messages wait to be managed (MNG-N0 … MNG-N2, MNG-W): the system message of WX-5 and the
//! notice in the outbox.

use crate::call::{HOST, managed, references};
use crate::phone::{Phone, Reply, is_push, is_system};
use crate::server::metric;
use crate::ua::Message;
use crate::wire::{self, INSTANCE, REALM, Registration, address, cpim, message, someone};
use std::sync::OnceLock;
use std::time::Duration;

/// Long enough for what must not come.
const A_WHILE: Duration = Duration::from_millis(700);
const SYSTEM_TAG: &str = r#"*;+g.3gpp.icsi-ref="urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.systemmsg""#;

fn text(message: &Message) -> String {
    String::from_utf8(message.body.clone()).unwrap()
}

/// The message-references of a notification, in order.
fn listed(notification: &Message) -> Vec<String> {
    let text = text(notification);
    text.split("message-reference=\"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

/// One message for a registered user, and what they are told.
struct Story {
    user: String,
    sent: Message,
    told: Message,
    reference: String,
    timeline: String,
}

fn story() -> &'static Story {
    static STORY: OnceLock<Story> = OnceLock::new();
    STORY.get_or_init(|| {
        let phone = Phone::answering(200);
        let server = managed(&phone, "").start();
        let (caller, bob) = (server.caller(), someone());
        server.registered(&caller, &mut Registration::of(&bob), &phone, 3600);
        let sent = message(caller.via(), &bob, cpim(&bob, "for later")).with("Subject", "Trains & <ships>");
        assert_eq!(caller.request(&sent).status(), Some(202));
        let told = phone.wait_for_such(1, is_system).remove(0);
        let timeline = server.wait_for_event(&bob, "NotificationSent");
        phone.stays_at(1, A_WHILE);
        server.wait_for_metric(metric::QUEUED, 1.0);
        assert!(server.notices().is_empty(), "told in band, and out of band too");
        let reference = references(&server, &bob).remove(0);
        Story { user: bob, sent, told, reference, timeline }
    })
}

#[test]
fn mng_n0_a_registered_user_is_told_in_band_and_nothing_is_pushed() {
    let story = story();
    assert!(!story.timeline.contains("DeliveryStarted"), "{}", story.timeline);
    assert!(story.timeline.contains("in band"), "{}", story.timeline);
}

#[test]
fn mng_n1a_it_is_a_message_of_its_own() {
    let Story { sent, told, .. } = story();
    assert_eq!(told.method(), Some("MESSAGE"));
    assert_ne!(told.call_id(), sent.call_id());
    assert_eq!(told.all("Via").count(), 1);
    assert!(told.header("CSeq").unwrap().ends_with(" MESSAGE"));
    let from = told.header("From").unwrap();
    assert!(from.starts_with(&format!("<sip:cpm-pf@{HOST}>;tag=")), "the server speaks, not the sender: {from}");
    assert!(told.header("To").unwrap().contains(&story().user) && told.tag("To").is_none());
    assert!(told.header("Contact").is_none() && told.header("Conversation-ID").is_none(), "{told:#?}");
    assert!(httpdate::parse_http_date(told.header("Date").unwrap()).is_ok());
}

#[test]
fn mng_n1b_accept_contact_has_the_tag_of_system_messages() {
    let wanted: Vec<_> = story().told.all("Accept-Contact").collect();
    assert!(wanted.contains(&SYSTEM_TAG), "{wanted:?}");
    assert!(!wanted.iter().any(|value| value.contains("cpm.msg") || value.contains("cpm.deferred")), "{wanted:?}");
    assert!(wanted.iter().any(|value| value.contains(INSTANCE)), "I-20, the client it is for: {wanted:?}");
    let service = story().told.header("P-Asserted-Service");
    assert_eq!(service, Some("urn:urn-7:3gpp-service.ims.icsi.oma.cpm.systemmsg"));
}

#[test]
fn mng_n1c_the_request_uri_is_the_registered_cpm_address() {
    let uri = story().told.uri();
    assert!(uri.starts_with(&format!("sip:{}@{REALM}", story().user)), "{uri}");
}

#[test]
fn mng_n1d_p_asserted_identity_is_the_servers_and_nobody_elses() {
    let identities: Vec<_> = story().told.all("P-Asserted-Identity").collect();
    assert_eq!(identities, [format!("<sip:cpm-pf@{HOST}>")]);
}

#[test]
fn mng_n1e_user_agent_has_the_release_version() {
    let release = story().told.header("User-Agent").expect("a User-Agent");
    assert!(release.starts_with("CPM-serv/OMA1.0"), "{release}");
}

#[test]
fn mng_n1f_the_body_names_the_message_by_its_message_uri_id() {
    let Story { told, reference, .. } = story();
    assert_eq!(told.header("Content-Type"), Some("application/msginfo+xml"));
    assert_eq!(listed(told), [reference.as_str()]);
    assert!(
        text(told).contains("<message-list xmlns=\"urn:ietf:params:xml:ns:msginfo\" number=\"1\">"),
        "{}",
        text(told)
    );
}

#[test]
fn mng_n1g_the_body_has_size_expiry_subject_and_both_parties() {
    let Story { told, sent, user, .. } = story();
    let text = text(told);
    let between = |start: &str, end: &str| {
        let rest = text.split_once(start).unwrap_or_else(|| panic!("no {start} in {text}")).1;
        rest.split(end).next().unwrap().to_owned()
    };
    assert_eq!(between("<size>", "<"), sent.body.len().to_string());
    assert_eq!(between("<subject>", "</subject>"), "Trains &amp; &lt;ships&gt;");
    assert_eq!(between("<from>", "<"), address(wire::ALICE));
    assert_eq!(between("<to>", "<"), address(user));
    // A day after it was received.
    let (received, expiry) = (between("date-time=\"", "\""), between("<expiry>", "<"));
    assert!(received.ends_with('Z') && expiry.ends_with('Z'), "{text}");
    assert_ne!(received[..10], expiry[..10]);
    assert_eq!(received[10..], expiry[10..]);
}

#[test]
fn mng_n1h_it_takes_the_signalling_path() {
    let route: Vec<_> = story().told.all("Route").collect();
    assert_eq!(route.len(), 1, "{:#?}", story().told);
    assert!(route[0].contains(";lr"), "{route:?}");
}

#[test]
fn mng_n1a_every_registered_client_is_told() {
    let phone = Phone::answering(200);
    let server = managed(&phone, "").start();
    let (caller, bob) = (server.caller(), someone());
    let tablet = "urn:uuid:00000000-0000-1000-8000-aabbccddeeff";
    for instance in [INSTANCE, tablet] {
        server.registered(&caller, &mut Registration::client(&bob, instance), &phone, 3600);
    }
    server.deferred(&caller, &bob, &cpim(&bob, "to both"));
    let told = phone.wait_for_such(2, is_system);
    for instance in [INSTANCE, tablet] {
        let asks = |message: &&Message| message.all("Accept-Contact").any(|value| value.contains(instance));
        assert_eq!(told.iter().filter(asks).count(), 1, "{instance}");
    }
    assert_ne!(told[0].call_id(), told[1].call_id());
    phone.stays_at(2, A_WHILE);
}

#[test]
fn mng_n1g_an_anonymous_sender_is_not_named() {
    let phone = Phone::answering(200);
    let server = managed(&phone, "").start();
    let (caller, bob) = (server.caller(), someone());
    server.registered(&caller, &mut Registration::of(&bob), &phone, 3600);
    let sent = message(caller.via(), &bob, cpim(&bob, "who?"))
        .set("From", "\"Anonymous\" <sip:anonymous@anonymous.invalid>;tag=a1")
        .with("Privacy", "id");
    assert_eq!(caller.request(&sent).status(), Some(202));
    let told = phone.wait_for_such(1, is_system).remove(0);
    assert!(!String::from_utf8(told.to_bytes()).unwrap().contains(wire::ALICE), "{told:#?}");
    assert_eq!(listed(&told).len(), 1);
}

#[test]
fn mng_7_the_next_notification_lists_what_is_left() {
    let phone = Phone::answering(200);
    let server = managed(&phone, "").start();
    let (caller, bob) = (server.caller(), someone());
    server.registered(&caller, &mut Registration::of(&bob), &phone, 3600);
    server.deferred(&caller, &bob, &cpim(&bob, "one"));
    phone.wait_for_such(1, is_system);
    server.deferred(&caller, &bob, &cpim(&bob, "two"));
    let told = phone.wait_for_such(2, is_system);
    assert_eq!(listed(&told[1]), references(&server, &bob));
}

#[test]
fn mng_n1h_a_system_message_that_failed_is_tried_again() {
    let phone = Phone::answering(503);
    let server = managed(&phone, "[queue]\nbackoff-min-secs = 1\nbackoff-max-secs = 1").start();
    let (caller, bob) = (server.caller(), someone());
    server.registered(&caller, &mut Registration::of(&bob), &phone, 3600);
    server.deferred(&caller, &bob, &cpim(&bob, "one"));
    phone.wait_for_such(1, is_system);
    phone.change(|_| Reply::Status(200));
    let told = phone.wait_for_such(2, is_system);
    assert_ne!(told[0].call_id(), told[1].call_id(), "a new try is a new request");
    server.wait_for_event(&bob, "NotificationSent");
    phone.stays_at(2, Duration::from_millis(1500));
}

#[test]
fn mng_n2_nobody_registered_a_notice_is_in_the_outbox_and_nothing_on_the_wire() {
    let phone = Phone::answering(200);
    let server = managed(&phone, "").start();
    let (caller, bob) = (server.caller(), someone());
    let sent = message(caller.via(), &bob, cpim(&bob, "one")).with("Subject", "Trains");
    assert_eq!(caller.request(&sent).status(), Some(202));
    server.wait_for_event(&bob, "NotificationSent");
    let notices = server.notices();
    assert_eq!(notices.len(), 1, "{notices:#?}");
    let notice = &notices[0];
    assert_eq!(notice["user"], address(&bob));
    assert_eq!(notice["realm"], REALM);
    assert_eq!(notice["cause"], "deferred");
    assert_eq!(notice["total"], 1);
    let told = &notice["messages"][0];
    assert_eq!(told["uri"], references(&server, &bob)[0]);
    assert_eq!(told["size"], sent.body.len());
    assert_eq!(told["sender"], address(wire::ALICE));
    assert_eq!(told["subject"], "Trains");
    phone.stays_at(0, A_WHILE);
}

#[test]
fn mng_n2_one_notice_for_an_absence_and_another_for_the_next() {
    let phone = Phone::answering(200);
    let server = managed(&phone, "").start();
    let (caller, bob) = (server.caller(), someone());
    for text in ["one", "two", "three"] {
        server.deferred(&caller, &bob, &cpim(&bob, text));
        server.wait_for_event(&bob, "NotificationSent");
    }
    std::thread::sleep(A_WHILE);
    assert_eq!(server.notices().len(), 1, "spec 1.8: one for each absence");
    let mut registration = Registration::of(&bob);
    server.registered(&caller, &mut registration, &phone, 3600);
    phone.wait_for_such(1, is_system);
    server.registered(&caller, &mut registration, &phone, 0);
    server.deferred(&caller, &bob, &cpim(&bob, "four"));
    let deadline = std::time::Instant::now() + crate::ua::PATIENCE;
    while server.notices().len() < 2 {
        assert!(std::time::Instant::now() < deadline, "no second notice\n{}", server.timeline(&bob));
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(server.notices()[1]["total"], 4);
}

#[test]
fn mng_7_the_first_registration_brings_a_reminder_of_all_that_waits() {
    // I-34.
    let phone = Phone::answering(200);
    let server = managed(&phone, "").start();
    let (caller, bob) = (server.caller(), someone());
    for text in ["one", "two"] {
        server.deferred(&caller, &bob, &cpim(&bob, text));
    }
    let mut registration = Registration::of(&bob);
    server.registered(&caller, &mut registration, &phone, 3600);
    let told = phone.wait_for_such(1, is_system);
    assert_eq!(listed(&told[0]), references(&server, &bob));
    // A refresh is no first registration.
    server.registered(&caller, &mut registration, &phone, 3600);
    phone.stays_at(1, A_WHILE);
}

#[test]
fn mng_w_a_registration_alone_delivers_nothing() {
    let phone = Phone::answering(200);
    let server = managed(&phone, "").start();
    let (caller, bob) = (server.caller(), someone());
    server.deferred(&caller, &bob, &cpim(&bob, "one"));
    server.registered(&caller, &mut Registration::of(&bob), &phone, 3600);
    phone.wait_for_such(1, is_system);
    phone.stays_at_such(0, is_push, A_WHILE);
    server.wait_for_metric(metric::QUEUED, 1.0);
}
