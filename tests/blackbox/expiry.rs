//! The end of a message that nobody fetched in time.

use crate::phone::{Phone, Reply, is_push};
use crate::server::{Setup, metric};
use crate::wire::{Registration, cpim, message, someone};
use std::time::{Duration, Instant};

#[test]
fn exp_2a_i_a_message_that_has_run_out_is_discarded_and_never_delivered() {
    let phone = Phone::answering(200);
    let server = Setup::behind(phone.address()).start();
    let (caller, bob) = (server.caller(), someone());
    let sent = Instant::now();
    let short = message(caller.via(), &bob, cpim(&bob, "one second")).set("Expires", "1");
    assert_eq!(caller.request(&short).status(), Some(202));
    server.wait_for_metric(metric::QUEUED, 0.0);
    let took = sent.elapsed();
    assert!(took >= Duration::from_millis(950), "gone after {took:?}");
    assert!(took < Duration::from_millis(2500), "exact to about a second, but gone only after {took:?}");
    server.registered(&caller, &mut Registration::of(&bob), &phone, 3600);
    phone.stays_at_such(0, is_push, Duration::from_millis(700));
    let timeline = server.wait_for_event(&bob, "MessageDiscarded");
    assert!(!timeline.contains("DeliveryStarted"), "{timeline}");
}

#[test]
fn def_5x_expiry_is_kept_by_a_server_that_was_down_at_that_time() {
    let phone = Phone::answering(200);
    let mut server = Setup::behind(phone.address()).start();
    let (caller, bob) = (server.caller(), someone());
    let short = message(caller.via(), &bob, cpim(&bob, "one second")).set("Expires", "1");
    assert_eq!(caller.request(&short).status(), Some(202));
    let long = cpim(&bob, "a day");
    server.deferred(&caller, &bob, &long);
    server.kill();
    // The passing of its life is the point here.
    std::thread::sleep(Duration::from_millis(1300));
    server.start();
    server.registered(&caller, &mut Registration::of(&bob), &phone, 3600);
    assert_eq!(phone.wait_for_such(1, is_push)[0].body, long);
    phone.stays_at_such(1, is_push, Duration::from_millis(500));
    server.wait_for_event(&bob, "MessageDiscarded");
}

#[test]
fn exp_1_expires_0_goes_to_the_expiry_procedure_at_once() {
    let phone = Phone::answering(200);
    let server = Setup::behind(phone.address()).start();
    let (caller, bob) = (server.caller(), someone());
    let dead = message(caller.via(), &bob, cpim(&bob, "no time")).set("Expires", "0");
    assert_eq!(caller.request(&dead).status(), Some(202));
    server.registered(&caller, &mut Registration::of(&bob), &phone, 3600);
    phone.stays_at_such(0, is_push, Duration::from_millis(500));
    server.wait_for_event(&bob, "MessageDiscarded");
    server.wait_for_metric(metric::QUEUED, 0.0);
}

#[test]
fn def_5a_ii_the_providers_maximum_bounds_what_a_sender_may_ask() {
    let phone = Phone::answering(200);
    let server = Setup::behind(phone.address()).config("[realms.\"ims.test\"]\nexpiry-max-secs = 100").start();
    let (caller, bob) = (server.caller(), someone());
    for expires in [None, Some("40"), Some("101"), Some("99999999999999999999"), Some("soon")] {
        let request = message(caller.via(), &bob, cpim(&bob, "x")).without("Expires");
        let request = match expires {
            Some(text) => request.with("Expires", text),
            None => request,
        };
        assert_eq!(caller.request(&request).status(), Some(202), "Expires: {expires:?}");
    }
    server.registered(&caller, &mut Registration::of(&bob), &phone, 3600);
    let left: Vec<u64> =
        phone.wait_for(5).iter().map(|push| push.message.header("Expires").unwrap().parse().unwrap()).collect();
    for (left, most) in left.iter().zip([100, 40, 100, 100, 100]) {
        assert!((most - 5..=most).contains(left), "{left} of {most}");
    }
}

#[test]
fn exp_1_no_new_attempt_is_made_after_expiry() {
    let phone = Phone::with_rule(|_| Reply::Status(503));
    let server = Setup::behind(phone.address()).config("[queue]\nbackoff-min-secs = 2\nbackoff-max-secs = 2").start();
    let (caller, bob) = (server.caller(), someone());
    server.registered(&caller, &mut Registration::of(&bob), &phone, 3600);
    let short = message(caller.via(), &bob, cpim(&bob, "one second")).set("Expires", "1");
    assert_eq!(caller.request(&short).status(), Some(202));
    phone.wait_for_such(1, is_push);
    server.wait_for_event(&bob, "MessageDiscarded");
    phone.stays_at_such(1, is_push, Duration::from_millis(1800));
}

#[test]
fn def_5x_many_messages_of_many_users_run_out_together() {
    let phone = Phone::answering(200);
    let server = Setup::behind(phone.address()).start();
    let caller = server.caller();
    let users: Vec<_> = (0..50).map(|_| someone()).collect();
    for user in &users {
        let short = message(caller.via(), user, cpim(user, "two seconds")).set("Expires", "2");
        assert_eq!(caller.request(&short).status(), Some(202));
    }
    server.wait_for_metric(metric::QUEUED, 0.0);
    for user in &users {
        server.registered(&caller, &mut Registration::of(user), &phone, 3600);
    }
    phone.stays_at_such(0, is_push, Duration::from_millis(500));
}
