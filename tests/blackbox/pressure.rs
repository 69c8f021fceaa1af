//! Notifications, reports and stored messages when outside parts are slow, full or gone, and when there are many.

use crate::call::{listing, manage, managed, references};
use crate::dovecot::{Dovecot, MASTER_PASSWORD, MASTER_USER};
use crate::phone::{Phone, Reply, is_imdn, is_push, is_system};
use crate::server::{Server, Setup, metric, run, said};
use crate::sipp::Sipp;
use crate::ua::{Caller, Message};
use crate::wire::{REALM, Registration, cpim, imdn_id, message, someone};
use std::collections::HashSet;
use std::time::Duration;

/// Long enough for what must not come.
const A_WHILE: Duration = Duration::from_millis(700);
/// Failures are tried again soon.
const SOON: &str = "[queue]\nbackoff-min-secs = 1\nbackoff-max-secs = 1";

fn short(caller: &Caller, user: &str, body: &[u8]) {
    let request = message(caller.via(), user, body).set("Expires", "1");
    assert_eq!(caller.request(&request).status(), Some(202));
}

fn text(message: &Message) -> String {
    String::from_utf8_lossy(&message.body).into_owned()
}

#[test]
fn mng_n1f_many_messages_at_once_are_told_together() {
    let phone = Phone::with_rule(|_| Reply::Silence);
    let server = managed(&phone, "").start();
    let (caller, bob) = (server.caller(), someone());
    server.registered(&caller, &mut Registration::of(&bob), &phone, 3600);
    server.deferred(&caller, &bob, &cpim(&bob, "one"));
    phone.wait_for_such(1, is_system);
    for n in 0..24 {
        server.deferred(&caller, &bob, &cpim(&bob, &format!("message {n}")));
    }
    // While one is not answered the others wait, and become one.
    server.wait_for_metric(metric::QUEUED, 25.0);
    phone.change(|_| Reply::Status(200));
    std::thread::sleep(A_WHILE);
    let told = phone.wait_for_such(2, is_system);
    assert!(told.len() <= 6, "{} system messages for 25 messages", told.len());
    let last = text(told.last().unwrap());
    assert!(last.contains("number=\"25\""), "{last}");
    assert!(references(&server, &bob).iter().all(|name| last.contains(name)));
}

#[test]
fn mng_n1f_more_than_a_notification_lists_are_counted() {
    let phone = Phone::answering(200);
    let server = managed(&phone, "").start();
    let (caller, bob) = (server.caller(), someone());
    for n in 0..130 {
        server.deferred(&caller, &bob, &cpim(&bob, &format!("message {n}")));
    }
    server.registered(&caller, &mut Registration::of(&bob), &phone, 3600);
    let told = text(&phone.wait_for_such(1, is_system)[0]);
    assert!(told.contains("number=\"130\""), "{told}");
    assert_eq!(told.matches("<message ").count(), 100, "{told}");
    assert_eq!(server.notices()[0]["total"], 1, "the outbox was told at the first one");
}

#[test]
fn exp_2a_iii_a_report_is_tried_again_for_a_user_who_was_put_to_sleep_meanwhile() {
    let phone = Phone::answering(503);
    let server = Setup::behind(phone.address())
        .config("[queue]\nbackoff-min-secs = 4\nbackoff-max-secs = 4\n[actors]\nidle-secs = 1")
        .start();
    let (caller, bob) = (server.caller(), someone());
    short(&caller, &bob, &cpim(&bob, "too late"));
    phone.wait_for_such(1, is_imdn);
    phone.change(|_| Reply::Status(200));
    phone.wait_for_such(2, is_imdn);
    server.wait_for_event(&bob, "DispositionSent");
}

#[test]
fn mng_5_what_does_not_fit_into_the_store_stays_queued() {
    let phone = Phone::answering(200);
    let server = managed(&phone, "").config("[store]\nmessages-max-per-user = 1").start();
    let (caller, bob) = (server.caller(), someone());
    for text in ["one", "two"] {
        server.deferred(&caller, &bob, &cpim(&bob, text));
    }
    let names = references(&server, &bob);
    manage(&server, &caller, &bob, &[(&names[0], "store"), (&names[1], "store")]);
    server.wait_for_event(&bob, "MessageStored");
    server.wait_for_event(&bob, "ErrandFailed");
    server.wait_for_metric(metric::QUEUED, 1.0);
    assert_eq!(server.stored(&bob).len(), 1);
    phone.wait_for_such(1, is_imdn);
    phone.stays_at_such(1, is_imdn, A_WHILE);
    // It can still be managed.
    manage(&server, &caller, &bob, &[(&names[0], "delete"), (&names[1], "delete")]);
    server.wait_for_metric(metric::QUEUED, 0.0);
}

#[test]
fn exp_2b_an_expired_message_that_the_store_refuses_comes_to_an_honest_end() {
    let phone = Phone::answering(200);
    let server = managed(&phone, "expired = \"store\"")
        .config("[store]\nmessages-max-per-user = 1")
        .config(SOON)
        .config("[errands]\nstore-secs-max = 2")
        .start();
    let (caller, bob) = (server.caller(), someone());
    let bodies = [cpim(&bob, "one"), cpim(&bob, "two")];
    for body in &bodies {
        short(&caller, &bob, body);
    }
    server.wait_for_metric(metric::QUEUED, 0.0);
    let reports = phone.wait_for_such(2, is_imdn);
    let of = |body: &[u8]| reports.iter().map(text).find(|report| report.contains(&imdn_id(body))).unwrap();
    let ends: Vec<_> = bodies.iter().map(|body| of(body).contains("<delivered/>")).collect();
    assert_eq!(ends.iter().filter(|is_stored| **is_stored).count(), 1, "{reports:#?}");
    assert_eq!(server.stored(&bob).len(), 1);
    server.wait_for_event(&bob, "MessageDiscarded");
}

#[test]
fn exp_2b_i_with_the_store_away_at_its_expiry_a_message_waits_for_it_and_is_delivered_to_nobody() {
    let mut dovecot = Dovecot::start();
    dovecot.kill();
    let phone = Phone::answering(200);
    let server = managed(&phone, "expired = \"store\"")
        .config(&format!(
            "[store]\nimap = \"imap+plain://{}\"\nmaster-user = \"{MASTER_USER}\"\nmaster-password = {MASTER_PASSWORD:?}",
            dovecot.imap
        ))
        .config(SOON)
        .start();
    let (caller, bob) = (server.caller(), someone());
    let body = cpim(&bob, "keep me");
    short(&caller, &bob, &body);
    server.wait_for_event(&bob, "ErrandFailed");
    server.registered(&caller, &mut Registration::of(&bob), &phone, 3600);
    let answer = crate::call::ask(&caller, &listing(&caller, &bob, &[(&references(&server, &bob)[0], "deliver")]));
    assert_eq!(answer.status(), Some(488), "{answer:#?}");
    assert!(phone.such(is_imdn).is_empty(), "nothing is reported that has not happened");
    dovecot.run();
    server.wait_for_event(&bob, "MessageStored");
    server.wait_for_metric(metric::QUEUED, 0.0);
    let seen = dovecot.objects(&format!("{bob}@{REALM}"), "Default/f81d4fae-7dec-11d0-a765-00a0c91e6bf6");
    assert_eq!(seen.len(), 1);
    assert!(seen[0].octets.ends_with(&body));
    assert!(text(&phone.wait_for_such(1, is_imdn)[0]).contains("<delivered/>"));
    phone.stays_at_such(0, is_push, A_WHILE);
}

#[test]
fn a_report_that_waits_for_its_answer_outlives_a_drained_server() {
    let phone = Phone::with_rule(|_| Reply::Silence);
    let mut server = Setup::behind(phone.address()).start();
    let (caller, bob) = (server.caller(), someone());
    short(&caller, &bob, &cpim(&bob, "too late"));
    phone.wait_for_such(1, is_imdn);
    server.terminate();
    let status = server.wait_for_end(Duration::from_secs(30));
    assert_eq!(status.code(), Some(0), "{}", server.log());
    phone.change(|_| Reply::Status(200));
    server.start();
    server.wait_for_event(&bob, "DispositionSent");
    let ids: HashSet<_> = phone.such(is_imdn).iter().map(|report| imdn_id(&report.body)).collect();
    assert_eq!(ids.len(), 1, "one notification, however often it was said");
}

#[test]
fn mng_2_a_hundred_calls_of_sipp_leave_no_dialog_behind_and_an_unbroken_log() {
    let phone = Phone::udp_only(200);
    let server: Server = managed(&phone, "").start();
    let (caller, bob) = (server.caller(), someone());
    server.deferred(&caller, &bob, &cpim(&bob, "one"));
    let name = references(&server, &bob).remove(0);
    // Nobody is registered, so that it is asked for a hundred times and still there.
    let options =
        ["-m", "100", "-r", "100", "-l", "30", "-s", &bob, "-key", "message", &name, "-key", "action", "deliver"];
    Sipp::client("uac-invite-manage.xml", server.sip(), &options).succeeds();
    server.wait_for_metric("restante_sip_dialogs", 0.0);
    server.wait_for_metric(metric::QUEUED, 1.0);
    assert_eq!(server.timeline(&bob).matches("ManagementRequested").count(), 100);
    let verified = run(&["audit", "verify", "--data", server.data().to_str().unwrap()]);
    assert!(verified.status.success(), "{}", said(&verified));
}
