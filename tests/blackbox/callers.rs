//! Who manages, and over what: digest, TCP, SIPp, a client that is not registered, a full house, a server that ends.

use crate::call::{Call, HOST, ask, invite, listing, manage, managed, references};
use crate::phone::{Phone, is_push, is_system};
use crate::register::credentials;
use crate::server::{Server, Setup, free_address, metric};
use crate::sipp::Sipp;
use crate::ua::{Caller, Message, PATIENCE, Stream, unique};
use crate::wire::{self, REALM, Registration, cpim, message, own_register, someone};
use std::time::Duration;

/// Long enough for what must not come.
const A_WHILE: Duration = Duration::from_millis(700);
const PASSWORD: &str = "correct horse";

/// Nobody is trusted: whoever asks proves who they are. All have the same password.
fn strict(phone: &Phone, users: &[&str]) -> Server {
    let users: Vec<_> = users.iter().map(|user| format!("\"{user}\" = \"{PASSWORD}\"\n")).collect();
    let users = users.concat();
    managed(phone, &format!("[realms.\"{REALM}\".users]\n{users}")).untrusted().start()
}

/// The request again, with what answers the challenge.
fn proven(caller: &Caller, request: &Message, refusal: &Message, user: &str) -> Message {
    assert_eq!(refusal.status(), Some(401), "{refusal:#?}");
    let method = request.method().unwrap();
    let proof = credentials(refusal, user, PASSWORD, method, request.uri());
    let mut again = request.clone().set("CSeq", format!("2 {method}")).with("Authorization", proof);
    again.headers[0].1 = caller.via();
    again
}

#[test]
fn mng_0_a_client_that_is_no_trusted_peer_proves_by_digest_whose_queue_it_manages() {
    let phone = Phone::answering(200);
    let bob = someone();
    let server = strict(&phone, &[&bob, wire::ALICE]);
    let caller = server.caller();
    let register = own_register(caller.via(), &bob, &format!("sip:{bob}@{}", phone.address()), 1, &unique("own"));
    let answer = caller.request(&proven(&caller, &register, &caller.request(&register), &bob));
    assert_eq!(answer.status(), Some(200), "{answer:#?}");
    let body = cpim(&bob, "one");
    let sent = message(caller.via(), &bob, body.clone());
    let answer = caller.request(&proven(&caller, &sent, &caller.request(&sent), wire::ALICE));
    assert_eq!(answer.status(), Some(202), "{answer:#?}");
    let names = references(&server, &bob);

    // What it asserts of itself counts for nothing, and neither does the good password of another.
    let forged = listing(&caller, &bob, &[(&names[0], "delete")]);
    let refusal = ask(&caller, &forged);
    let answer = ask(&caller, &proven(&caller, &forged, &refusal, wire::ALICE));
    assert_eq!(answer.status(), Some(403), "{answer:#?}");
    server.wait_for_metric(metric::QUEUED, 1.0);

    let good = listing(&caller, &bob, &[(&names[0], "deliver")]).without("P-Asserted-Identity");
    let refusal = ask(&caller, &good);
    let call = Call::open(&server, &caller, proven(&caller, &good, &refusal, &bob));
    call.acknowledge();
    call.is_hung_up();
    assert_eq!(phone.wait_for_such(1, is_push)[0].body, body);
    server.wait_for_metric(metric::QUEUED, 0.0);
}

#[test]
fn mng_0_a_telephone_number_and_an_address_of_the_same_user_are_one_owner() {
    // I-38.
    let phone = Phone::answering(200);
    let server = managed(&phone, "").start();
    let (caller, bob) = (server.caller(), someone());
    server.deferred(&caller, &bob, &cpim(&bob, "one"));
    let names = references(&server, &bob);
    let request = listing(&caller, &bob, &[(&names[0], "delete")]);
    let call = Call::open(&server, &caller, request.set("P-Asserted-Identity", format!("<tel:{bob}>")));
    call.acknowledge();
    call.is_hung_up();
    server.wait_for_metric(metric::QUEUED, 0.0);
}

#[test]
fn mng_2_over_tcp_a_long_list_comes_whole_and_the_bye_goes_back_on_the_connection() {
    let phone = Phone::answering(200);
    let server = managed(&phone, "").start();
    let (caller, bob) = (server.caller(), someone());
    for n in 0..10 {
        server.deferred(&caller, &bob, &cpim(&bob, &format!("message {n}")));
    }
    let mut names = references(&server, &bob);
    // Names from earlier notifications, long gone.
    names.extend((0..300).map(|n| format!("sip:{n:032x}@{HOST}")));
    let wanted: Vec<_> = names.iter().map(|name| (name.as_str(), "delete")).collect();
    let mut stream = Stream::connect(server.sip());
    let request = listing(&caller, &bob, &wanted)
        .set("Via", stream.via())
        .without("Record-Route")
        .set("Contact", format!("<sip:bob@{};transport=tcp>", stream.address()));
    assert!(request.body.len() > 20_000);
    let answer = stream.request(&request);
    assert_eq!(answer.status(), Some(200), "{answer:#?}");
    assert!(answer.header("Contact").unwrap().contains(";transport=tcp"), "{answer:#?}");
    let ack = Message::new(format!("ACK sip:{HOST} SIP/2.0"))
        .with("Via", stream.via())
        .with("Max-Forwards", "70")
        .with("From", request.header("From").unwrap())
        .with("To", answer.header("To").unwrap())
        .with("Call-ID", request.call_id())
        .with("CSeq", "1 ACK");
    stream.send_raw(&ack.to_bytes());
    let bye = stream.receive(PATIENCE).expect("a BYE on the connection");
    assert_eq!(bye.method(), Some("BYE"), "{bye:#?}");
    stream.send_raw(&bye.answer(200, "OK").to_bytes());
    server.wait_for_metric(metric::QUEUED, 0.0);
}

#[test]
fn mng_6_who_is_not_registered_asks_in_vain_and_the_message_stays_managed() {
    let phone = Phone::answering(200);
    let server = managed(&phone, "").start();
    let (caller, bob) = (server.caller(), someone());
    server.deferred(&caller, &bob, &cpim(&bob, "one"));
    let names = references(&server, &bob);
    manage(&server, &caller, &bob, &[(&names[0], "deliver")]);
    phone.stays_at(0, A_WHILE);
    server.wait_for_metric(metric::QUEUED, 1.0);
    server.registered(&caller, &mut Registration::of(&bob), &phone, 3600);
    // MNG-7: the next notification has it.
    let told = phone.wait_for_such(1, is_system).remove(0);
    assert!(String::from_utf8_lossy(&told.body).contains(&names[0]));
    phone.stays_at_such(0, is_push, A_WHILE);
}

#[test]
fn mng_0_with_as_many_calls_as_may_be_the_next_one_is_put_off() {
    let phone = Phone::answering(200);
    let setup = Setup::behind(phone.address());
    let server = setup.config(&format!("[sip]\nhost = \"{HOST}\"\ndialogs-max = 1")).start();
    let (caller, bob) = (server.caller(), someone());
    server.deferred(&caller, &bob, &cpim(&bob, "one"));
    let call = Call::open(&server, &caller, invite(&caller, &bob));
    let answer = ask(&caller, &invite(&caller, &bob));
    assert_eq!(answer.status(), Some(503), "{answer:#?}");
    assert!(answer.header("Retry-After").is_some());
    call.acknowledge();
    call.is_hung_up();
    let call = Call::open(&server, &caller, invite(&caller, &bob));
    call.acknowledge();
    call.is_hung_up();
}

#[test]
fn mng_2_a_server_that_ends_hangs_up_and_does_nothing_that_was_not_confirmed() {
    let phone = Phone::answering(200);
    let mut server = managed(&phone, "").start();
    let (caller, bob) = (server.caller(), someone());
    server.deferred(&caller, &bob, &cpim(&bob, "one"));
    let names = references(&server, &bob);
    let _call = Call::open(&server, &caller, listing(&caller, &bob, &[(&names[0], "delete")]));
    server.terminate();
    let status = server.wait_for_end(Duration::from_secs(20));
    assert_eq!(status.code(), Some(0), "{}", server.log());
    server.start();
    server.wait_for_metric(metric::QUEUED, 1.0);
    assert!(!server.timeline(&bob).contains("ManagementRequested"));
}

#[test]
fn mng_sipp_is_told_of_two_messages_and_has_one_deleted_and_one_delivered() {
    let scscf = free_address();
    let phoneless = Setup::behind(scscf);
    let server =
        phoneless.config(&format!("[sip]\nhost = \"{HOST}\"\n[realms.\"{REALM}\"]\nhandling = \"manage\"")).start();
    let bob = someone();
    let sent: Vec<_> = (0..2)
        .map(|_| {
            let options = ["-m", "1", "-s", bob.as_str(), "-key", "expires", "86400"];
            Sipp::client("defer.xml", server.sip(), &options).succeeds().sent().remove(0)
        })
        .collect();
    server.wait_for_metric(metric::QUEUED, 2.0);
    let telling = Sipp::server("system-200.xml", scscf, 1);
    let (scscf_text, registration) = (scscf.to_string(), unique("3p"));
    let keys = ["-key", "scscf", &scscf_text, "-key", "nothing", "", "-cid_str", &registration];
    let options = [&["-m", "1", "-s", bob.as_str()], &keys[..]].concat();
    Sipp::client("register.xml", server.sip(), &options).succeeds();
    let told = telling.succeeds().received().remove(0);
    let names = references(&server, &bob);
    assert!(names.iter().all(|name| String::from_utf8_lossy(&told.body).contains(name)), "{told:#?}");

    let manage = |name: &str, action: &str| {
        let keys = ["-m", "1", "-s", &bob, "-key", "message", name, "-key", "action", action];
        Sipp::client("uac-invite-manage.xml", server.sip(), &keys).succeeds();
    };
    let reported = Sipp::server("imdn-200.xml", scscf, 1);
    manage(&names[0], "delete");
    assert!(String::from_utf8_lossy(&reported.succeeds().received()[0].body).contains("<failed/>"));
    server.wait_for_metric(metric::QUEUED, 1.0);
    let push = Sipp::server("push-200.xml", scscf, 1);
    manage(&names[1], "deliver");
    assert_eq!(push.succeeds().received()[0].body, sent[1].body);
    server.wait_for_metric(metric::QUEUED, 0.0);
}
