//! Registrations from the S-CSCF's reg event (RFC 3680), the second source behind an S-CSCF.

use crate::phone::{Phone, Reply};
use crate::server::{Server, Setup, free_address, metric};
use crate::sipp::Sipp;
use crate::ua::unique;
use crate::wire::{REALM, Registration, cpim, someone};
use std::collections::BTreeSet;
use std::net::SocketAddr;

fn following(scscf: SocketAddr) -> Server {
    Setup::behind(scscf).config(&format!("[realms.\"{REALM}\"]\nregistrations = \"reg-event\"")).start()
}

/// A third-party REGISTER without a body: somebody is registered for so long.
fn told(server: &Server, user: &str, scscf: SocketAddr, expires: &str) {
    let (scscf, call_id) = (scscf.to_string(), unique("3p"));
    let options = ["-m", "1", "-s", user, "-key", "scscf", &scscf, "-key", "expires", expires, "-cid_str", &call_id];
    Sipp::client("register-bare.xml", server.sip(), &options).succeeds();
}

/// Takes every push, and answers SUBSCRIBE with this.
fn notifier(status: u16) -> Phone {
    Phone::with_rule(move |request| Reply::Status(if request.method() == Some("SUBSCRIBE") { status } else { 200 }))
}

#[test]
fn push_w2_sipp_notifies_of_a_client_and_the_queued_message_is_pushed_to_it() {
    let scscf = free_address();
    let server = following(scscf);
    let bob = someone();
    let options = ["-m", "1", "-s", &bob, "-key", "expires", "86400"];
    let sent = Sipp::client("defer.xml", server.sip(), &options).succeeds();
    server.wait_for_metric(metric::QUEUED, 1.0);
    let notifier = Sipp::server("reg-event.xml", scscf, 2);
    told(&server, &bob, scscf, "3600");
    server.wait_for_event(&bob, "MessageDelivered");
    server.wait_for_metric("restante_sip_subscriptions", 1.0);
    told(&server, &bob, scscf, "0");
    let trace = notifier.succeeds();
    let came = trace.received();
    let of = |method: &'static str| came.iter().filter(move |message| message.method() == Some(method));
    assert_eq!(of("MESSAGE").next().unwrap().body, sent.sent()[0].body, "octet for octet");
    let subscribes: BTreeSet<_> = of("SUBSCRIBE").map(|request| request.header("CSeq").unwrap()).collect();
    assert_eq!(subscribes.len(), 3, "to subscribe, for the whole state, to leave");
    let timeline = server.timeline(&bob);
    assert_eq!(timeline.matches("ClientRegistered").count(), 1, "what follows a gap is not believed\n{timeline}");
    assert!(timeline.contains("ClientGone"), "{timeline}");
    server.wait_for_metric("restante_sip_subscriptions", 0.0);
    server.wait_for_metric(metric::QUEUED, 0.0);
}

#[test]
fn an_s_cscf_that_refuses_the_subscription_still_gets_the_message() {
    let scscf = notifier(403);
    let server = following(scscf.address());
    let (caller, bob) = (server.caller(), someone());
    server.deferred(&caller, &bob, &cpim(&bob, "hello"));
    told(&server, &bob, scscf.address(), "3600");
    let arrivals = scscf.wait_for(2);
    let methods: Vec<_> = arrivals.iter().map(|arrival| arrival.message.method().unwrap().to_owned()).collect();
    assert_eq!(methods, ["SUBSCRIBE", "MESSAGE"]);
    assert!(!arrivals[1].message.all("Accept-Contact").any(|tag| tag.contains("+sip.instance")), "to whoever it is");
    server.wait_for_metric(metric::QUEUED, 0.0);
}

#[test]
fn a_user_who_wakes_after_a_restart_is_followed_anew() {
    let scscf = notifier(200);
    let mut server = following(scscf.address());
    let (caller, bob) = (server.caller(), someone());
    server.registered(&caller, &mut Registration::of(&bob), &scscf, 3600);
    server.wait_for_event(&bob, "ClientRegistered");
    assert_eq!(scscf.count(), 0, "the body told who it is");
    server.kill();
    server.start();
    let caller = server.caller();
    server.deferred(&caller, &bob, &cpim(&bob, "hello"));
    let arrivals = scscf.wait_for(2);
    assert!(arrivals.iter().any(|arrival| arrival.message.method() == Some("SUBSCRIBE")));
}

#[test]
fn a_notify_that_nobody_subscribed_to_gets_481_and_another_package_489() {
    let scscf = notifier(200);
    let server = following(scscf.address());
    let caller = server.caller();
    let notify = crate::ua::Message::new(format!("NOTIFY sip:{} SIP/2.0", server.sip()))
        .with("Via", caller.via())
        .with("Max-Forwards", "70")
        .with("From", format!("<sip:{}@{REALM}>;tag=s1", someone()))
        .with("To", "<sip:pf.ims.test>;tag=pf")
        .with("Call-ID", unique("n"))
        .with("CSeq", "1 NOTIFY")
        .with("Contact", format!("<sip:{}>", scscf.address()))
        .with("Event", "reg")
        .with("Subscription-State", "active;expires=60");
    assert_eq!(caller.request(&notify).status(), Some(481));
    let other = caller.request(&notify.set("Event", "presence").set("Via", caller.via()));
    assert_eq!((other.status(), other.header("Allow-Events")), (Some(489), Some("reg")));
}
