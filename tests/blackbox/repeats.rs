//! The same request again: the same answer, and one message.

use crate::phone::{Phone, Reply};
use crate::server::{Setup, metric};
use crate::ua::{PATIENCE, unique};
use crate::wire::{Registration, cpim, message, someone};
use std::time::Duration;

#[test]
fn a_retransmission_is_absorbed_with_the_same_answer() {
    let phone = Phone::answering(200);
    let server = Setup::behind(phone.address()).start();
    let (caller, bob) = (server.caller(), someone());
    let request = message(caller.via(), &bob, cpim(&bob, "one"));
    let first = caller.request(&request);
    assert_eq!(first.status(), Some(202));
    for _ in 0..3 {
        caller.send_raw(&request.to_bytes());
        let again = caller.response_to(&request, PATIENCE).expect("an answer to the retransmission");
        assert_eq!(again, first, "the same answer, To tag and all");
    }
    server.wait_for_metric(metric::QUEUED, 1.0);
    server.registered(&caller, &mut Registration::of(&bob), &phone, 3600);
    phone.wait_for(1);
    phone.stays_at(1, Duration::from_millis(500));
}

#[test]
fn copies_in_flight_together_are_stored_once() {
    let phone = Phone::answering(200);
    let server = Setup::behind(phone.address()).start();
    let (caller, bob) = (server.caller(), someone());
    let request = message(caller.via(), &bob, cpim(&bob, "one"));
    for _ in 0..10 {
        caller.send_raw(&request.to_bytes());
    }
    let first = caller.response_to(&request, PATIENCE).expect("an answer");
    assert_eq!(first.status(), Some(202));
    while let Some(other) = caller.response_to(&request, Duration::from_millis(200)) {
        assert_eq!(other, first);
    }
    assert_eq!(server.timeline(&bob).matches("MessageDeferred").count(), 1);
}

#[test]
fn after_kill_9_the_same_request_on_a_new_branch_gets_the_answer_it_had() {
    let phone = Phone::answering(200);
    let mut server = Setup::behind(phone.address()).start();
    let (caller, bob) = (server.caller(), someone());
    let request = message(caller.via(), &bob, cpim(&bob, "one"));
    let first = caller.request(&request);
    assert_eq!(first.status(), Some(202));
    server.kill();
    server.start();
    for via in [request.header("Via").unwrap().to_owned(), caller.via(), caller.via()] {
        let mut again = request.clone();
        again.headers[0].1 = via;
        let answer = caller.request(&again);
        assert_eq!(answer.status(), Some(202), "{answer:#?}");
        assert_eq!(answer.tag("To"), first.tag("To"), "the same To tag");
    }
    server.registered(&caller, &mut Registration::of(&bob), &phone, 3600);
    phone.wait_for(1);
    phone.stays_at(1, Duration::from_millis(500));
}

#[test]
fn the_next_request_of_a_call_is_another_message() {
    let phone = Phone::answering(200);
    let server = Setup::behind(phone.address()).start();
    let (caller, bob) = (server.caller(), someone());
    let first = message(caller.via(), &bob, cpim(&bob, "one"));
    assert_eq!(caller.request(&first).status(), Some(202));
    let mut next = first.clone().set("CSeq", "2 MESSAGE");
    next.headers[0].1 = caller.via();
    assert_eq!(caller.request(&next).status(), Some(202));
    let mut other = first.clone();
    other.headers[0].1 = caller.via();
    let other = other.set("From", format!("<sip:carol@ims.test>;tag={}", unique("c")));
    assert_eq!(caller.request(&other).status(), Some(202));
    assert_eq!(server.timeline(&bob).matches("MessageDeferred").count(), 3);
}

#[test]
fn a_repeated_third_party_register_is_answered_alike_and_pushes_once() {
    let phone = Phone::answering(200);
    let server = Setup::behind(phone.address()).start();
    let (caller, bob) = (server.caller(), someone());
    server.deferred(&caller, &bob, &cpim(&bob, "one"));
    let register = Registration::of(&bob).next(caller.via(), phone.address(), 3600);
    let first = caller.request(&register);
    assert_eq!(first.status(), Some(200));
    caller.send_raw(&register.to_bytes());
    assert_eq!(caller.response_to(&register, PATIENCE), Some(first));
    phone.wait_for(1);
    phone.stays_at(1, Duration::from_millis(500));
}

#[test]
fn a_delivery_in_flight_at_kill_9_is_repeated_with_its_own_names() {
    let phone = Phone::with_rule(|_| Reply::Silence);
    let mut server = Setup::behind(phone.address()).start();
    let (caller, bob) = (server.caller(), someone());
    server.deferred(&caller, &bob, &cpim(&bob, "one"));
    server.deferred(&caller, &bob, &cpim(&bob, "two"));
    server.registered(&caller, &mut Registration::of(&bob), &phone, 3600);
    phone.wait_for(1);
    server.kill();
    phone.change(|_| Reply::Status(200));
    let before = phone.repeats();
    server.start();
    // Call-ID, CSeq and branch are those of before the crash, so that the phone knows the first one again; nobody
    // had to register for that, nor for the second one.
    let pushes = phone.wait_for(2);
    assert!(phone.repeats() > before);
    assert_ne!(pushes[0].message.body, pushes[1].message.body);
    server.wait_for_metric(metric::QUEUED, 0.0);
    assert_eq!(phone.count(), 2);
    let delivered = server.wait_for_event(&bob, "MessageDelivered");
    assert!(delivered.matches("DeliveryStarted").count() <= 3, "{delivered}");
}

#[test]
fn a_push_that_is_not_answered_is_retransmitted_within_its_transaction() {
    // The first copies are lost on the way: no answer, and the transaction layer of the far end never saw them.
    let phone = Phone::udp_only(200);
    let mut lost = 2;
    phone.change(move |_| {
        lost -= 1;
        if lost >= 0 { Reply::Lost } else { Reply::Status(200) }
    });
    let server = Setup::behind(phone.address()).start();
    let (caller, bob) = (server.caller(), someone());
    server.deferred(&caller, &bob, &cpim(&bob, "one"));
    server.registered(&caller, &mut Registration::of(&bob), &phone, 3600);
    phone.wait_for(1);
    server.wait_for_metric(metric::QUEUED, 0.0);
    assert_eq!(phone.arrivals().len(), 1);
    assert_eq!(phone.lost(), 2, "Timer E: 500 ms and 1 s later");
}
