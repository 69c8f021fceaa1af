//! Store while off, push at registration: the one path, on the wire.

use crate::phone::{Phone, Reply};
use crate::server::{Setup, metric};
use crate::wire::{self, DEFERRED_TAG, INSTANCE, REALM, Registration, cpim, message, someone};
use std::time::Duration;

/// Long enough for a push that must not come.
const A_WHILE: Duration = Duration::from_millis(700);

#[test]
fn def_0_a_message_for_a_phone_that_is_off_is_answered_202_and_nothing_is_sent() {
    let phone = Phone::answering(200);
    let server = Setup::behind(phone.address()).start();
    let (caller, bob) = (server.caller(), someone());
    let request = message(caller.via(), &bob, cpim(&bob, "the train is late"));
    let response = caller.request(&request);
    assert_eq!(response.status(), Some(202), "{response:#?}");
    assert!(response.header("Server").is_some_and(|server| server.starts_with("CPM-serv/OMA1.0")), "{response:#?}");
    assert!(response.tag("To").is_some_and(|tag| !tag.is_empty()), "{response:#?}");
    let vias: Vec<_> = request.all("Via").collect();
    let answered: Vec<_> = response.all("Via").collect();
    assert_eq!(answered.len(), vias.len(), "every Via comes back");
    assert_eq!(answered[1], vias[1]);
    assert!(response.header("Supported").is_none() && response.header("Require").is_none(), "spec 4.1: {response:#?}");
    phone.stays_at(0, A_WHILE);
    server.wait_for_metric(metric::QUEUED, 1.0);
}

#[test]
fn push_w1_the_registration_is_answered_before_the_message_is_pushed() {
    let phone = Phone::answering(200);
    let server = Setup::behind(phone.address()).start();
    let (caller, bob) = (server.caller(), someone());
    server.deferred(&caller, &bob, &cpim(&bob, "one"));
    // The port that gets the pushes also sends the REGISTER, so that the order of the two can be seen.
    let register = Registration::of(&bob).next(caller.via(), caller.address(), 3600);
    caller.send_raw(&register.to_bytes());
    let answer = caller.response_to(&register, crate::ua::PATIENCE).expect("an answer to the REGISTER");
    let answered = std::time::Instant::now();
    assert_eq!(answer.status(), Some(200), "{answer:#?}");
    let push = &phone.wait_for(1)[0];
    // One socket's reading may lag the other's by a moment; the server's own order is what `pf` guarantees.
    assert!(push.at + Duration::from_millis(50) > answered, "the push came before the answer");
}

#[test]
fn sndp_5_the_push_has_what_was_stored_and_nothing_of_the_transaction_that_brought_it() {
    let phone = Phone::answering(200);
    let server = Setup::behind(phone.address()).start();
    let (caller, bob) = (server.caller(), someone());
    let body = cpim(&bob, "Hi Bob, the train is late.\r\n\r\n  \t two blanks, ümläuts and a NUL: \0.");
    let sent = message(caller.via(), &bob, body.clone())
        .with("Subject", "Trains")
        .with("InReplyTo-Contribution-ID", "abcdef00-1234-11df-8a39-0800200c9a65");
    assert_eq!(caller.request(&sent).status(), Some(202));
    server.registered(&caller, &mut Registration::of(&bob), &phone, 3600);
    let push = phone.wait_for(1).remove(0).message;

    assert_eq!(push.method(), Some("MESSAGE"));
    assert!(push.uri().starts_with(&format!("sip:{bob}@{REALM}")), "SNDP-3: {}", push.start);
    assert_eq!(push.body, body, "the body, octet for octet");
    for same in [
        "Content-Type",
        "Conversation-ID",
        "Contribution-ID",
        "InReplyTo-Contribution-ID",
        "Date",
        "Subject",
        "P-Asserted-Identity",
    ] {
        assert_eq!(push.header(same), sent.header(same), "{same} of {push:#?}");
    }
    let from = push.header("From").unwrap();
    assert!(from.contains(&format!("sip:{}@{REALM}", wire::ALICE)), "{from}");
    assert_ne!(push.tag("From"), sent.tag("From"), "a tag of its own");
    assert!(push.tag("From").is_some());
    assert!(push.header("To").unwrap().contains(&bob) && push.tag("To").is_none());
    assert_ne!(push.call_id(), sent.call_id(), "a Call-ID of its own");
    assert_ne!(push.branch(), sent.branch());
    assert!(push.branch().starts_with("z9hG4bK"));
    assert_eq!(push.all("Via").count(), 1, "a new request");
    assert!(push.header("CSeq").unwrap().ends_with(" MESSAGE"));
    assert!(push.header("Max-Forwards").is_some());
    for not in ["Contact", "P-Charging-Vector", "Message-UID"] {
        assert!(push.header(not).is_none(), "{not} must not be in {push:#?}");
    }
    let expires: u64 = push.header("Expires").expect("I-27: the remaining life").parse().unwrap();
    assert!((86_300..=86_400).contains(&expires), "{expires}");
}

#[test]
fn sndp_0_two_pushes_are_two_requests_of_their_own() {
    let phone = Phone::answering(200);
    let server = Setup::behind(phone.address()).start();
    let (caller, bob) = (server.caller(), someone());
    for text in ["one", "two"] {
        server.deferred(&caller, &bob, &cpim(&bob, text));
    }
    server.registered(&caller, &mut Registration::of(&bob), &phone, 3600);
    let pushes = phone.wait_for(2);
    assert_ne!(pushes[0].message.call_id(), pushes[1].message.call_id());
    assert_ne!(pushes[0].message.branch(), pushes[1].message.branch());
    assert_ne!(pushes[0].message.tag("From"), pushes[1].message.tag("From"));
}

#[test]
fn sndp_1_accept_contact_has_the_deferred_tag_and_asks_for_the_instance_that_registered() {
    let phone = Phone::answering(200);
    let server = Setup::behind(phone.address()).start();
    let (caller, bob) = (server.caller(), someone());
    server.deferred(&caller, &bob, &cpim(&bob, "one"));
    server.registered(&caller, &mut Registration::of(&bob), &phone, 3600);
    let push = phone.wait_for(1).remove(0).message;
    let wanted: Vec<_> = push.all("Accept-Contact").collect();
    assert!(wanted.contains(&DEFERRED_TAG), "{wanted:?}");
    let instance = format!("*;+sip.instance=\"<{INSTANCE}>\";require;explicit");
    assert!(wanted.contains(&instance.as_str()), "{wanted:?}");
    assert!(!wanted.iter().any(|value| value.contains("cpm.msg")), "the tag of the original is replaced: {wanted:?}");
}

#[test]
fn sndp_2_the_authenticated_originator_is_that_of_the_original() {
    let phone = Phone::answering(200);
    let server = Setup::behind(phone.address()).start();
    let (caller, bob) = (server.caller(), someone());
    let carol = format!("<sip:carol@{REALM}>");
    let sent = message(caller.via(), &bob, cpim(&bob, "one")).set("P-Asserted-Identity", carol.clone());
    assert_eq!(caller.request(&sent).status(), Some(202));
    server.registered(&caller, &mut Registration::of(&bob), &phone, 3600);
    let push = phone.wait_for(1).remove(0).message;
    assert_eq!(push.all("P-Asserted-Identity").collect::<Vec<_>>(), [carol.as_str()]);
}

#[test]
fn sndp_4_user_agent_has_the_release_version() {
    let phone = Phone::answering(200);
    let server = Setup::behind(phone.address()).config("[sip]\nrelease = \"CPM-serv/OMA1.0 Test/7\"").start();
    let (caller, bob) = (server.caller(), someone());
    server.deferred(&caller, &bob, &cpim(&bob, "one"));
    server.registered(&caller, &mut Registration::of(&bob), &phone, 3600);
    assert_eq!(phone.wait_for(1)[0].message.header("User-Agent"), Some("CPM-serv/OMA1.0 Test/7"));
}

#[test]
fn sndp_ok_a_2xx_takes_the_message_out_of_the_queue() {
    for status in [200, 202] {
        let phone = Phone::answering(status);
        let server = Setup::behind(phone.address()).start();
        let (caller, bob) = (server.caller(), someone());
        server.deferred(&caller, &bob, &cpim(&bob, "one"));
        let mut registration = Registration::of(&bob);
        server.registered(&caller, &mut registration, &phone, 3600);
        phone.wait_for(1);
        server.wait_for_metric(metric::QUEUED, 0.0);
        let timeline = server.wait_for_event(&bob, "MessageDelivered");
        let places: Vec<_> = ["MessageDeferred", "ClientRegistered", "DeliveryStarted", "MessageDelivered"]
            .map(|event| timeline.find(event).unwrap_or_else(|| panic!("no {event} in\n{timeline}")))
            .into();
        assert!(places.is_sorted(), "events out of order:\n{timeline}");
        // The next registration edge has nothing to push.
        server.registered(&caller, &mut registration, &phone, 0);
        server.registered(&caller, &mut registration, &phone, 3600);
        phone.stays_at(1, A_WHILE);
    }
}

#[test]
fn sndp_err_2_an_error_keeps_the_message_for_the_next_registration() {
    let phone = Phone::answering(480);
    let server = Setup::behind(phone.address()).start();
    let (caller, bob) = (server.caller(), someone());
    let body = cpim(&bob, "one");
    server.deferred(&caller, &bob, &body);
    let mut registration = Registration::of(&bob);
    server.registered(&caller, &mut registration, &phone, 3600);
    phone.wait_for(1);
    server.wait_for_event(&bob, "DeliveryFailed");
    server.wait_for_metric(metric::QUEUED, 1.0);
    phone.stays_at(1, A_WHILE);
    phone.change(|_| Reply::Status(200));
    server.registered(&caller, &mut registration, &phone, 0);
    phone.stays_at(1, A_WHILE);
    server.registered(&caller, &mut registration, &phone, 3600);
    let pushes = phone.wait_for(2);
    assert_eq!(pushes[1].message.body, body);
    assert_ne!(pushes[1].message.call_id(), pushes[0].message.call_id(), "a new attempt is a new request");
    server.wait_for_metric(metric::QUEUED, 0.0);
}

#[test]
fn sndp_err_2_while_registered_a_failed_delivery_is_tried_again_after_the_back_off() {
    let phone = Phone::answering(503);
    let server = Setup::behind(phone.address()).config("[queue]\nbackoff-min-secs = 1\nbackoff-max-secs = 2").start();
    let (caller, bob) = (server.caller(), someone());
    server.deferred(&caller, &bob, &cpim(&bob, "one"));
    server.registered(&caller, &mut Registration::of(&bob), &phone, 3600);
    let first = phone.wait_for(1).remove(0);
    phone.change(|_| Reply::Status(200));
    let second = phone.wait_for(2).remove(1);
    assert!(second.at - first.at >= Duration::from_millis(900), "{:?} is no back-off", second.at - first.at);
    server.wait_for_metric(metric::QUEUED, 0.0);
}

#[test]
fn push_w2_a_refresh_is_no_new_registration() {
    for answer in [Reply::Silence, Reply::Status(200)] {
        let phone = Phone::with_rule(move |_| answer);
        let server = Setup::behind(phone.address()).start();
        let (caller, bob) = (server.caller(), someone());
        server.deferred(&caller, &bob, &cpim(&bob, "one"));
        let mut registration = Registration::of(&bob);
        server.registered(&caller, &mut registration, &phone, 3600);
        phone.wait_for(1);
        for _ in 0..3 {
            server.registered(&caller, &mut registration, &phone, 3600);
        }
        phone.stays_at(1, A_WHILE);
    }
}

#[test]
fn a_refresh_is_a_retry_tick_only_after_the_back_off() {
    // Spec 4.2, on re-registrations. The first failure pauses the client for `backoff-min-secs`, 30 s.
    let phone = Phone::answering(503);
    let server = Setup::behind(phone.address()).start();
    let (caller, bob) = (server.caller(), someone());
    server.deferred(&caller, &bob, &cpim(&bob, "one"));
    let mut registration = Registration::of(&bob);
    server.registered(&caller, &mut registration, &phone, 3600);
    phone.wait_for(1);
    server.wait_for_event(&bob, "DeliveryFailed");
    for _ in 0..3 {
        server.registered(&caller, &mut registration, &phone, 3600);
    }
    phone.stays_at(1, A_WHILE);
}

#[test]
fn push_w2_the_client_that_just_registered_gets_it_and_no_other() {
    let phone = Phone::with_rule(|push| {
        let old = push.all("Accept-Contact").any(|value| value.contains(INSTANCE));
        Reply::Status(if old { 480 } else { 200 })
    });
    let server = Setup::behind(phone.address()).start();
    let (caller, bob) = (server.caller(), someone());
    let mut old = Registration::of(&bob);
    server.registered(&caller, &mut old, &phone, 3600);
    server.deferred(&caller, &bob, &cpim(&bob, "one"));
    phone.wait_for(1);
    server.wait_for_event(&bob, "DeliveryFailed");
    let tablet = "urn:uuid:00000000-0000-1000-8000-aabbccddeeff";
    server.registered(&caller, &mut Registration::client(&bob, tablet), &phone, 3600);
    let pushes = phone.wait_for(2);
    let wanted: Vec<_> = pushes[1].message.all("Accept-Contact").collect();
    assert!(wanted.iter().any(|value| value.contains(tablet)), "{wanted:?}");
    assert!(!wanted.iter().any(|value| value.contains(INSTANCE)), "{wanted:?}");
    phone.stays_at(2, A_WHILE);
    server.wait_for_metric(metric::QUEUED, 0.0);
}

#[test]
fn push_1b_twenty_messages_arrive_in_the_order_of_their_acceptance() {
    let phone = Phone::answering(200);
    let server = Setup::behind(phone.address()).start();
    let (caller, bob) = (server.caller(), someone());
    let bodies: Vec<_> = (0..20).map(|n| cpim(&bob, &format!("message {n}"))).collect();
    for body in &bodies {
        server.deferred(&caller, &bob, body);
    }
    server.registered(&caller, &mut Registration::of(&bob), &phone, 3600);
    let pushed: Vec<_> = phone.wait_for(20).into_iter().map(|push| push.message.body).collect();
    assert!(pushed == bodies, "out of order, or changed");
    phone.stays_at(20, A_WHILE);
    server.wait_for_metric(metric::QUEUED, 0.0);
}

#[test]
fn push_1b_a_message_for_a_registered_phone_goes_through_the_queue_at_once() {
    let phone = Phone::answering(200);
    let server = Setup::behind(phone.address()).start();
    let (caller, bob) = (server.caller(), someone());
    server.registered(&caller, &mut Registration::of(&bob), &phone, 3600);
    let body = cpim(&bob, "now");
    server.deferred(&caller, &bob, &body);
    let push = phone.wait_for(1).remove(0).message;
    assert_eq!(push.body, body);
    assert!(push.all("Accept-Contact").any(|value| value == DEFERRED_TAG));
    let timeline = server.wait_for_event(&bob, "MessageDelivered");
    assert!(timeline.contains("MessageDeferred"), "one path for all:\n{timeline}");
}

#[test]
fn push_w1_a_registration_that_has_run_out_is_none() {
    let phone = Phone::answering(200);
    let server = Setup::behind(phone.address()).start();
    let (caller, bob) = (server.caller(), someone());
    let mut registration = Registration::of(&bob);
    server.registered(&caller, &mut registration, &phone, 1);
    server.wait_for_event(&bob, "ClientGone");
    server.deferred(&caller, &bob, &cpim(&bob, "one"));
    phone.stays_at(0, A_WHILE);
    server.registered(&caller, &mut registration, &phone, 3600);
    phone.wait_for(1);
}

#[test]
fn def_4_what_was_accepted_is_there_after_kill_9() {
    let phone = Phone::answering(200);
    let mut server = Setup::behind(phone.address()).start();
    let (caller, bob) = (server.caller(), someone());
    let bodies: Vec<_> = (0..5).map(|n| cpim(&bob, &format!("message {n}"))).collect();
    for body in &bodies {
        server.deferred(&caller, &bob, body);
    }
    server.kill();
    server.start();
    server.registered(&caller, &mut Registration::of(&bob), &phone, 3600);
    let pushed: Vec<_> = phone.wait_for(5).into_iter().map(|push| push.message.body).collect();
    assert!(pushed == bodies);
}

#[test]
fn our_own_delivery_that_comes_back_is_not_deferred_again() {
    // Spec 1.3: an S-CSCF whose filter criteria do not know the deferred tag sends the push to us again.
    // What comes over a second hop is taken, the push itself is not answered.
    let phone = Phone::with_rule(|push| if push.all("Via").count() > 1 { Reply::Status(200) } else { Reply::Silence });
    let server = Setup::behind(phone.address()).start();
    let (caller, bob) = (server.caller(), someone());
    server.deferred(&caller, &bob, &cpim(&bob, "one"));
    server.registered(&caller, &mut Registration::of(&bob), &phone, 3600);
    let push = phone.wait_for(1).remove(0).message;
    let mut back = push.clone();
    back.headers.insert(0, ("Via".to_owned(), caller.via()));
    let answer = caller.request(&back);
    assert_eq!(answer.status(), Some(200), "it is passed on to its next hop: {answer:#?}");
    assert_eq!(phone.wait_for(2)[1].message.body, push.body);
    let timeline = server.timeline(&bob);
    assert_eq!(timeline.matches("MessageDeferred").count(), 1, "stored twice:\n{timeline}");
    server.wait_for_metric(metric::QUEUED, 1.0);
}

#[test]
fn def_1d_bodies_up_to_the_limit_come_through_unchanged() {
    let phone = Phone::answering(200);
    let server = Setup::behind(phone.address()).start();
    let (caller, bob) = (server.caller(), someone());
    for length in [0_usize, 1, 1299, 8000, 40_000] {
        let body: Vec<u8> = (0..length).map(|n| u8::try_from(n * 7 % 256).unwrap()).collect();
        let request = message(caller.via(), &bob, body).set("Content-Type", "application/octet-stream");
        assert_eq!(caller.request(&request).status(), Some(202), "{length} octets");
    }
    server.registered(&caller, &mut Registration::of(&bob), &phone, 3600);
    let lengths: Vec<_> = phone.wait_for(5).into_iter().map(|push| push.message.body.len()).collect();
    assert_eq!(lengths, [0, 1, 1299, 8000, 40_000]);
    for push in phone.arrivals() {
        for (n, octet) in push.message.body.iter().enumerate() {
            assert_eq!(usize::from(*octet), n * 7 % 256);
        }
    }
}

#[test]
fn def_1c_a_recipient_list_beside_a_body_is_kept_with_its_multipart_type() {
    let phone = Phone::answering(200);
    let server = Setup::behind(phone.address()).start();
    let (caller, bob) = (server.caller(), someone());
    let body = format!(
        "--b1\r\nContent-Type: application/resource-lists+xml\r\nContent-Disposition: recipient-list-history\r\n\r\n\
         <resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\"><list><entry uri=\"sip:{bob}@{REALM}\"/></list>\
         </resource-lists>\r\n--b1\r\nContent-Type: message/cpim\r\n\r\n{}\r\n--b1--\r\n",
        String::from_utf8(cpim(&bob, "to all")).unwrap()
    );
    let kind = "multipart/mixed;boundary=b1";
    let sent = message(caller.via(), &bob, body.clone()).set("Content-Type", kind);
    assert_eq!(caller.request(&sent).status(), Some(202));
    server.registered(&caller, &mut Registration::of(&bob), &phone, 3600);
    let push = phone.wait_for(1).remove(0).message;
    assert_eq!(push.body, body.as_bytes());
    assert_eq!(push.header("Content-Type"), Some(kind));
}
