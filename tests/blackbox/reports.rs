//! The end of a message told to both sides: disposition notifications to the sender (8.3.2.2), expiry notifications to
//! the recipient (EXP-2a, EXP-2b).

use crate::call::{HOST, manage, managed, references};
use crate::phone::{Phone, Reply, is_imdn, is_push, is_system};
use crate::server::{Server, Setup, metric};
use crate::ua::{Caller, Message, unique};
use crate::wire::{self, REALM, Registration, address, cpim, imdn_id, message, own_register, someone};
use std::time::Duration;

/// Long enough for what must not come.
const A_WHILE: Duration = Duration::from_millis(700);

fn text(message: &Message) -> String {
    String::from_utf8(message.body.clone()).unwrap()
}

/// A message that lives for a second.
fn short(server: &Server, caller: &Caller, user: &str, body: &[u8]) {
    let request = message(caller.via(), user, body).set("Expires", "1");
    assert_eq!(caller.request(&request).status(), Some(202), "{}", server.log());
}

/// The system messages that tell of a message's end.
fn is_ending(message: &Message) -> bool {
    is_system(message) && String::from_utf8_lossy(&message.body).contains(":outcome=")
}

#[test]
fn exp_2a_iii_the_sender_of_a_discarded_message_gets_a_negative_notification() {
    let phone = Phone::answering(200);
    let server = Setup::behind(phone.address()).start();
    let (caller, bob) = (server.caller(), someone());
    let body = cpim(&bob, "too late");
    short(&server, &caller, &bob, &body);
    let told = phone.wait_for_such(1, is_imdn).remove(0);
    assert!(told.uri().contains(wire::ALICE), "{}", told.start);
    assert!(told.header("P-Served-User").unwrap().ends_with(";sescase=orig;regstate=unreg"), "{told:#?}");
    let text = text(&told);
    assert!(text.contains("<failed/>") && text.contains(&imdn_id(&body)), "{text}");
    server.wait_for_event(&bob, "DispositionSent");
    // I-30: in push mode the recipient is not told.
    phone.stays_at(1, A_WHILE);
    assert!(server.notices().is_empty());
}

#[test]
fn exp_2a_iii_a_sender_who_asked_for_anonymity_is_told_all_the_same() {
    // I-18: the address is kept sealed, and is shown to nobody but the network that routes to it.
    let phone = Phone::answering(200);
    let server = Setup::behind(phone.address()).start();
    let (caller, bob) = (server.caller(), someone());
    let body = String::from_utf8(cpim(&bob, "who?")).unwrap();
    let body = body.replace(&format!("From: <sip:{}@{REALM}>", wire::ALICE), "From: <sip:anonymous@anonymous.invalid>");
    let request = message(caller.via(), &bob, body.into_bytes())
        .set("From", "\"Anonymous\" <sip:anonymous@anonymous.invalid>;tag=a1")
        .with("Privacy", "id")
        .set("Expires", "1");
    assert_eq!(caller.request(&request).status(), Some(202));
    let told = phone.wait_for_such(1, is_imdn).remove(0);
    assert!(told.uri().contains(wire::ALICE), "{}", told.start);
    assert!(!text(&told).contains(wire::ALICE), "{}", text(&told));
}

#[test]
fn exp_2a_ii_in_manage_mode_the_recipient_is_told_that_it_was_discarded() {
    let phone = Phone::answering(200);
    let server = managed(&phone, "").start();
    let (caller, bob) = (server.caller(), someone());
    server.registered(&caller, &mut Registration::of(&bob), &phone, 3600);
    short(&server, &caller, &bob, &cpim(&bob, "too late"));
    let told = phone.wait_for_such(1, is_ending).remove(0);
    let text = text(&told);
    assert!(text.contains(":outcome=\"discarded\"") && text.contains("number=\"1\""), "{text}");
    assert!(text.contains(&format!("message-reference=\"{}\"", references(&server, &bob)[0])), "{text}");
    assert!(!text.contains(":uid="), "{text}");
    // EXP-2a-ii-1: MNG-N1 holds for it as for the others.
    assert_eq!(told.header("P-Asserted-Identity"), Some(format!("<sip:cpm-pf@{HOST}>").as_str()));
    phone.wait_for_such(1, is_imdn);
    server.wait_for_metric(metric::QUEUED, 0.0);
    phone.stays_at_such(1, is_ending, A_WHILE);
    server.wait_for_event(&bob, "MessageDiscarded");
}

#[test]
fn exp_2a_ii_with_nobody_registered_the_notice_is_in_the_outbox() {
    let phone = Phone::answering(200);
    let server =
        managed(&phone, "").config("[errands]\nout-of-band-again-secs = 1\nout-of-band-again-secs-max = 1").start();
    let (caller, bob) = (server.caller(), someone());
    short(&server, &caller, &bob, &cpim(&bob, "too late"));
    let deadline = std::time::Instant::now() + crate::ua::PATIENCE;
    while server.notices().len() < 2 {
        assert!(std::time::Instant::now() < deadline, "{:#?}\n{}", server.notices(), server.timeline(&bob));
        std::thread::sleep(Duration::from_millis(50));
    }
    let causes: Vec<_> = server.notices().iter().map(|notice| notice["cause"].as_str().unwrap().to_owned()).collect();
    assert_eq!(causes, ["deferred", "expired-discarded"]);
    assert_eq!(server.notices()[1]["messages"][0]["uri"], references(&server, &bob)[0]);
}

#[test]
fn exp_2b_an_expired_message_is_stored_and_both_sides_are_told() {
    let phone = Phone::answering(200);
    let server = managed(&phone, "expired = \"store\"").start();
    let (caller, bob) = (server.caller(), someone());
    server.registered(&caller, &mut Registration::of(&bob), &phone, 3600);
    let body = cpim(&bob, "keep me");
    short(&server, &caller, &bob, &body);
    // EXP-2b-ii-1, EXP-2b-ii-2: the message-URI-ID and the UID.
    let told = text(&phone.wait_for_such(1, is_ending)[0]);
    assert!(told.contains(":outcome=\"stored\"") && told.contains(":uid=\"1\""), "{told}");
    assert!(told.contains(&references(&server, &bob)[0]), "{told}");
    // EXP-2b-i.
    let stored = server.stored(&bob);
    assert_eq!(stored.len(), 1);
    assert!(stored[0].ends_with(&body), "the CPIM body, octet for octet");
    // EXP-2b-iii.
    let report = text(&phone.wait_for_such(1, is_imdn)[0]);
    assert!(report.contains("<delivered/>") && report.contains(&imdn_id(&body)), "{report}");
    server.wait_for_metric(metric::QUEUED, 0.0);
    phone.stays_at_such(0, is_push, A_WHILE);
    assert_eq!(phone.such(is_imdn).len(), 1);
}

#[test]
fn exp_2b_i_in_push_mode_it_is_stored_too_and_a_later_registration_gets_no_push() {
    let phone = Phone::answering(200);
    let server = Setup::behind(phone.address()).config(&format!("[realms.\"{REALM}\"]\nexpired = \"store\"")).start();
    let (caller, bob) = (server.caller(), someone());
    let body = cpim(&bob, "keep me");
    short(&server, &caller, &bob, &body);
    server.wait_for_event(&bob, "MessageStored");
    server.registered(&caller, &mut Registration::of(&bob), &phone, 3600);
    phone.stays_at_such(0, is_push, A_WHILE);
    assert_eq!(server.stored(&bob).len(), 1);
    assert_eq!(server.notices().len(), 0, "I-30");
}

#[test]
fn exp_2b_iii_report_stored_says_what_happened_to_a_sender_who_asked_for_processing() {
    // I-17, the operator's setting.
    let phone = Phone::answering(200);
    let server = managed(&phone, "expired = \"store\"").config("[errands]\nreport-stored = true").start();
    let (caller, bob) = (server.caller(), someone());
    let body = String::from_utf8(cpim(&bob, "keep me")).unwrap();
    short(&server, &caller, &bob, body.replace("negative-delivery", "processing").as_bytes());
    let report = text(&phone.wait_for_such(1, is_imdn)[0]);
    assert!(report.contains("<processing-notification>") && report.contains("<stored/>"), "{report}");
    phone.stays_at_such(1, is_imdn, A_WHILE);
}

#[test]
fn exp_2a_iii_a_notification_that_could_not_be_sent_is_tried_again() {
    let phone = Phone::answering(503);
    let server = Setup::behind(phone.address()).config("[queue]\nbackoff-min-secs = 1\nbackoff-max-secs = 1").start();
    let (caller, bob) = (server.caller(), someone());
    short(&server, &caller, &bob, &cpim(&bob, "too late"));
    phone.wait_for_such(1, is_imdn);
    phone.change(|_| Reply::Status(200));
    let told = phone.wait_for_such(2, is_imdn);
    let name = |imdn: &Message| imdn_id(&imdn.body);
    assert_eq!(name(&told[0]), name(&told[1]), "one notification, said twice");
    server.wait_for_event(&bob, "DispositionSent");
    phone.stays_at_such(2, is_imdn, Duration::from_millis(1500));
}

#[test]
fn exp_2a_iii_a_notification_that_is_refused_is_not_tried_again() {
    let phone = Phone::answering(404);
    let server = Setup::behind(phone.address()).config("[queue]\nbackoff-min-secs = 1\nbackoff-max-secs = 1").start();
    let (caller, bob) = (server.caller(), someone());
    short(&server, &caller, &bob, &cpim(&bob, "too late"));
    server.wait_for_event(&bob, "ErrandFailed");
    phone.stays_at_such(1, is_imdn, Duration::from_millis(1500));
}

#[test]
fn exp_2a_iii_brought_back_by_the_filter_criteria_of_a_sender_who_is_off_it_is_deferred_for_them() {
    // One function serves both: the S-CSCF of the sender hands the notification to us again, as it does any message for
    // a user of ours who is not registered. It is none of our deliveries (spec 1.3) but a message as any other.
    let phone = Phone::with_rule(|request| if is_imdn(request) { Reply::Silence } else { Reply::Status(200) });
    let server = Setup::behind(phone.address()).start();
    let (caller, bob, alice) = (server.caller(), someone(), someone());
    let body = cpim(&bob, "too late");
    let sender = format!("<{};user=phone>", address(&alice));
    let request = message(caller.via(), &bob, body.clone())
        .set("From", format!("{sender};tag=a1"))
        .set("P-Asserted-Identity", sender.clone())
        .set("Expires", "1");
    assert_eq!(caller.request(&request).status(), Some(202));
    let out = phone.wait_for_such(1, is_imdn).remove(0);
    let mut back = out
        .set("Route", format!("<sip:{};lr>, <sip:{};lr>", server.sip(), phone.address()))
        .set("P-Served-User", format!("{sender};sescase=term;regstate=unreg"));
    back.headers.insert(0, ("Via".to_owned(), caller.via()));
    let answer = caller.request(&back);
    assert_eq!(answer.status(), Some(202), "{answer:#?}");
    phone.change(|_| Reply::Status(200));
    server.wait_for_event(&alice, "MessageDeferred");
    server.registered(&caller, &mut Registration::of(&alice), &phone, 3600);
    let push = phone.wait_for_such(1, is_push).remove(0);
    assert_eq!(push.body, back.body);
    assert!(text(&push).contains("<failed/>") && text(&push).contains(&imdn_id(&body)));
}

/// A registrar of our own: no S-CSCF, phones register with us.
fn alone(more: &str) -> Server {
    let mut setup = Setup::behind(wire_nowhere()).config(&format!("[sip]\nhost = \"{HOST}\"\n{more}"));
    setup.next_hop = None;
    setup.start()
}

fn wire_nowhere() -> std::net::SocketAddr {
    std::net::SocketAddr::from(([127, 0, 0, 1], 9))
}

/// A phone of this user registers with us.
fn phone_on(server: &Server, caller: &Caller, user: &str, phone: &Phone) {
    let contact = format!("sip:{user}@{}", phone.address());
    let request = own_register(caller.via(), user, &contact, 1, &unique("own"));
    let answer = caller.request(&request);
    assert_eq!(answer.status(), Some(200), "{answer:#?}\n{}", server.log());
}

#[test]
fn exp_2a_iii_between_two_users_of_our_own_registrar_it_waits_in_the_senders_queue() {
    let server = alone("");
    let (caller, alices) = (server.caller(), Phone::answering(200));
    let bob = someone();
    let body = cpim(&bob, "too late");
    short(&server, &caller, &bob, &body);
    // Alice is off: what she is owed is in her queue.
    server.wait_for_event(&bob, "DispositionSent");
    let hers = server.wait_for_event(wire::ALICE, "MessageDeferred");
    assert_eq!(hers.matches("MessageDeferred").count(), 1);
    server.wait_for_metric(metric::QUEUED, 1.0);
    phone_on(&server, &caller, wire::ALICE, &alices);
    let push = alices.wait_for(1).remove(0).message;
    assert!(push.uri().contains(&alices.address().to_string()), "{}", push.start);
    assert!(push.header("From").unwrap().contains(&bob), "{push:#?}");
    assert!(push.header("P-Asserted-Identity").unwrap().contains(&bob), "{push:#?}");
    assert_eq!(push.header("Content-Type"), Some("message/cpim"));
    let said = text(&push);
    assert!(said.contains("<failed/>") && said.contains(&imdn_id(&body)), "{said}");
    server.wait_for_metric(metric::QUEUED, 0.0);
    // RFC 5438: a notification asks for none.
    alices.stays_at(1, A_WHILE);
    assert!(!server.timeline(wire::ALICE).contains("DispositionOwed"));
}

#[test]
fn mng_3x_at_our_own_registrar_the_sender_who_is_there_is_told_at_once() {
    let server = alone(&format!("[realms.\"{REALM}\"]\nhandling = \"push\""));
    let (caller, alices) = (server.caller(), Phone::answering(200));
    let bob = someone();
    phone_on(&server, &caller, wire::ALICE, &alices);
    let body = cpim(&bob, "never mind");
    server.deferred(&caller, &bob, &body);
    manage(&server, &caller, &bob, &[(&references(&server, &bob)[0], "delete")]);
    let push = alices.wait_for(1).remove(0).message;
    assert!(text(&push).contains("<failed/>"), "{}", text(&push));
    server.wait_for_metric(metric::QUEUED, 0.0);
}

#[test]
fn mng_n1c_a_client_of_our_own_registrar_is_told_at_its_contact() {
    let server = alone(&format!("[realms.\"{REALM}\"]\nhandling = \"manage\""));
    let (caller, bobs) = (server.caller(), Phone::answering(200));
    let bob = someone();
    phone_on(&server, &caller, &bob, &bobs);
    server.deferred(&caller, &bob, &cpim(&bob, "one"));
    let told = bobs.wait_for_such(1, is_system).remove(0);
    assert_eq!(told.uri(), format!("sip:{bob}@{}", bobs.address()));
    assert_eq!(told.header("P-Called-Party-ID"), Some(format!("<{};user=phone>", address(&bob)).as_str()));
    manage(&server, &caller, &bob, &[(&references(&server, &bob)[0], "deliver")]);
    bobs.wait_for_such(1, is_push);
    server.wait_for_metric(metric::QUEUED, 0.0);
}
