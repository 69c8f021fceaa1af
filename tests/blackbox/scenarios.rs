//! The story of the deferred message, told by SIPp: a tool of others that never saw our code.

use crate::phone::{Phone, is_push};
use crate::server::{Server, Setup, free_address, metric};
use crate::sipp::{Sipp, Trace};
use crate::ua::unique;
use crate::wire::{REALM, Registration, someone};
use std::net::SocketAddr;
use std::time::Duration;

fn defer(server: &Server, user: &str, expires: &str) -> Trace {
    Sipp::client("defer.xml", server.sip(), &["-m", "1", "-s", user, "-key", "expires", expires]).succeeds()
}

/// Runs one of the scenarios that play the S-CSCF's third-party REGISTER; the Call-ID is that of the registration.
fn register(scenario: &str, server: &Server, user: &str, scscf: SocketAddr, registration: &str) {
    let scscf = scscf.to_string();
    let keys = ["-key", "scscf", &scscf, "-key", "nothing", "", "-cid_str", registration];
    Sipp::client(scenario, server.sip(), &[&["-m", "1", "-s", user], &keys[..]].concat()).succeeds();
}

#[test]
fn sndp_ok_sipp_stores_while_off_registers_and_receives_the_same_octets() {
    let scscf = free_address();
    let server = Setup::behind(scscf).start();
    let bob = someone();
    let sent = defer(&server, &bob, "86400");
    server.wait_for_metric(metric::QUEUED, 1.0);
    let push = Sipp::server("push-200.xml", scscf, 1);
    register("register.xml", &server, &bob, scscf, &unique("3p"));
    let pushed = push.succeeds().received().remove(0);
    let original = &sent.sent()[0];
    assert!(!original.body.is_empty());
    assert_eq!(pushed.body, original.body, "octet for octet");
    assert_ne!(pushed.call_id(), original.call_id());
    assert_eq!(pushed.header("P-Asserted-Identity"), original.header("P-Asserted-Identity"));
    server.wait_for_metric(metric::QUEUED, 0.0);
    server.wait_for_event(&bob, "MessageDelivered");
}

#[test]
fn sndp_err_2_sipp_answers_480_and_gets_it_after_the_next_registration() {
    let scscf = free_address();
    let server = Setup::behind(scscf).start();
    let (bob, registration) = (someone(), unique("3p"));
    let sent = defer(&server, &bob, "86400");
    let refusing = Sipp::server("push-480.xml", scscf, 1);
    register("register.xml", &server, &bob, scscf, &registration);
    refusing.succeeds();
    server.wait_for_event(&bob, "DeliveryFailed");
    server.wait_for_metric(metric::QUEUED, 1.0);
    let taking = Sipp::server("push-200.xml", scscf, 1);
    register("reregister.xml", &server, &bob, scscf, &registration);
    assert_eq!(taking.succeeds().received()[0].body, sent.sent()[0].body);
    server.wait_for_metric(metric::QUEUED, 0.0);
}

#[test]
fn push_w2_sipp_refreshes_and_gets_no_second_push() {
    let phone = Phone::udp_only(200);
    let server = Setup::behind(phone.address()).start();
    let bob = someone();
    defer(&server, &bob, "86400");
    register("refresh.xml", &server, &bob, phone.address(), &unique("3p"));
    phone.wait_for(1);
    phone.stays_at(1, Duration::from_millis(700));
}

#[test]
fn a_message_that_sipp_retransmits_is_stored_once_and_answered_alike() {
    let phone = Phone::udp_only(200);
    let server = Setup::behind(phone.address()).start();
    let bob = someone();
    let options = ["-m", "1", "-nr", "-s", &bob, "-key", "expires", "86400"];
    let trace = Sipp::client("retransmission.xml", server.sip(), &options).succeeds();
    let tags: Vec<_> = trace.logs.lines().filter(|line| line.starts_with("To tag ")).collect();
    assert_eq!(tags.len(), 3, "{}", trace.logs);
    assert!(tags.iter().all(|tag| *tag == tags[0]), "{tags:?}");
    server.wait_for_metric(metric::QUEUED, 1.0);
    assert_eq!(server.timeline(&bob).matches("MessageDeferred").count(), 1);
}

#[test]
fn exp_2a_i_sipp_sends_with_expires_1_and_registers_too_late() {
    let phone = Phone::udp_only(200);
    let server = Setup::behind(phone.address()).start();
    let bob = someone();
    defer(&server, &bob, "1");
    server.wait_for_metric(metric::QUEUED, 0.0);
    server.wait_for_event(&bob, "MessageDiscarded");
    register("register.xml", &server, &bob, phone.address(), &unique("3p"));
    phone.stays_at_such(0, is_push, Duration::from_millis(700));
}

#[test]
fn def_1a_iii_sipp_sends_anonymously_and_the_push_names_nobody() {
    let scscf = free_address();
    let server = Setup::behind(scscf).start();
    let bob = someone();
    let options = ["-m", "1", "-s", &bob, "-key", "expires", "86400"];
    let sent = Sipp::client("anonymous.xml", server.sip(), &options).succeeds();
    assert!(sent.sent()[0].header("P-Asserted-Identity").is_some());
    let push = Sipp::server("push-200.xml", scscf, 1);
    register("register.xml", &server, &bob, scscf, &unique("3p"));
    let pushed = push.succeeds().received().remove(0);
    assert!(pushed.header("P-Asserted-Identity").is_none(), "{pushed:#?}");
    assert!(!String::from_utf8_lossy(&pushed.to_bytes()).contains("12025550100"), "{pushed:#?}");
}

#[test]
fn sipp_gets_404_for_a_realm_we_do_not_serve() {
    let phone = Phone::udp_only(200);
    let server = Setup::behind(phone.address()).start();
    Sipp::client("unknown-realm.xml", server.sip(), &["-m", "1", "-s", "bob", "-key", "expires", "60"]).succeeds();
}

#[test]
fn sipp_calls_a_subscriber_and_is_refused_and_a_stray_bye_is_481() {
    let server = Setup::behind(free_address()).start();
    Sipp::client("uac-invite-refused.xml", server.sip(), &["-m", "3", "-nr", "-s", &someone()]).succeeds();
}

#[test]
fn sipp_registers_with_digest_and_not_with_a_wrong_password() {
    let server = Setup::behind(free_address())
        .untrusted()
        .config(&format!("[realms.\"{REALM}\".users]\nbob = \"correct horse\""))
        .start();
    let options = ["-m", "1", "-s", "bob", "-auth_uri", REALM, "-au", "bob", "-ap"];
    Sipp::client("digest.xml", server.sip(), &[&options[..], &["correct horse"]].concat()).succeeds();
    server.wait_for_event("bob", "ClientRegistered");
    Sipp::client("digest.xml", server.sip(), &[&options[..], &["battery staple"]].concat()).fails();
}

#[test]
fn sipp_loads_two_hundred_messages_and_the_phone_gets_each_once() {
    let phone = Phone::udp_only(200);
    let server = Setup::behind(phone.address()).start();
    let (caller, bob) = (server.caller(), someone());
    let options = ["-m", "200", "-r", "200", "-l", "50", "-s", &bob, "-key", "expires", "86400"];
    let sent = Sipp::client("defer.xml", server.sip(), &options).succeeds().sent();
    server.wait_for_metric(metric::QUEUED, 200.0);
    server.registered(&caller, &mut Registration::of(&bob), &phone, 3600);
    let pushed: Vec<_> = phone.wait_for(200).into_iter().map(|push| push.message.body).collect();
    let distinct: std::collections::HashSet<_> = pushed.iter().collect();
    assert_eq!(distinct.len(), 200);
    assert!(sent.iter().all(|request| distinct.contains(&request.body)));
    phone.stays_at(200, Duration::from_millis(300));
    server.wait_for_metric(metric::QUEUED, 0.0);
}

#[test]
fn sndp_8_sipp_sends_over_tcp() {
    let phone = Phone::answering(200);
    let server = Setup::behind(phone.address()).start();
    let (caller, bob) = (server.caller(), someone());
    let options = ["-t", "t1", "-m", "20", "-r", "100", "-s", &bob, "-key", "expires", "86400"];
    Sipp::client("defer.xml", server.sip(), &options).succeeds();
    server.registered(&caller, &mut Registration::of(&bob), &phone, 3600);
    phone.wait_for(20);
}
