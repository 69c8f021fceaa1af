//! What is done with the messages that a client manages (MNG-3 … MNG-7).

use crate::call::{Call, HOST, invite, listing, manage, references, waiting};
use crate::phone::{Phone, Reply, is_imdn, is_push, is_system};
use crate::server::metric;
use crate::ua::PATIENCE;
use crate::wire::{self, DEFERRED_TAG, INSTANCE, REALM, Registration, cpim, imdn_id, message, someone};
use std::time::{Duration, Instant};

/// Long enough for what must not come.
const A_WHILE: Duration = Duration::from_millis(700);

#[test]
fn mng_6_deliver_sends_that_message_and_no_other() {
    let w = waiting(3, "");
    w.manage(&[(&w.references[1], "deliver")]);
    let push = w.phone.wait_for_such(1, is_push).remove(0);
    assert_eq!(push.body, w.bodies[1]);
    let wanted: Vec<_> = push.all("Accept-Contact").collect();
    assert!(wanted.contains(&DEFERRED_TAG), "MNG-6a-ii, by 8.3.2.3.3: {wanted:?}");
    assert!(wanted.iter().any(|value| value.contains(INSTANCE)), "to the client that asked: {wanted:?}");
    w.server.wait_for_metric(metric::QUEUED, 2.0);
    // MNG-7.
    w.phone.stays_at_such(1, is_push, A_WHILE);
    w.server.wait_for_event(&w.bob, "MessageDelivered");
}

#[test]
fn mng_6_no_list_at_all_delivers_every_message_in_order() {
    let w = waiting(5, "");
    let call = Call::open(&w.server, &w.caller, invite(&w.caller, &w.bob));
    call.acknowledge();
    call.is_hung_up();
    let pushed: Vec<_> = w.phone.wait_for_such(5, is_push).into_iter().map(|push| push.body).collect();
    assert!(pushed == w.bodies);
    w.server.wait_for_metric(metric::QUEUED, 0.0);
}

#[test]
fn mng_6_an_entry_without_an_action_is_delivered() {
    let w = waiting(2, "");
    let mut request = listing(&w.caller, &w.bob, &[(&w.references[0], "deliver")]);
    let body = String::from_utf8(request.body.clone()).unwrap().replace(";cpm_action=deliver", "");
    request.body = body.into_bytes();
    let call = Call::open(&w.server, &w.caller, request);
    call.acknowledge();
    call.is_hung_up();
    assert_eq!(w.phone.wait_for_such(1, is_push)[0].body, w.bodies[0]);
    w.phone.stays_at_such(1, is_push, A_WHILE);
}

#[test]
fn mng_6a_ii_only_the_client_that_asked_gets_it() {
    let w = waiting(1, "");
    let tablet = "urn:uuid:00000000-0000-1000-8000-aabbccddeeff";
    w.server.registered(&w.caller, &mut Registration::client(&w.bob, tablet), &w.phone, 3600);
    let request = listing(&w.caller, &w.bob, &[(&w.references[0], "deliver")]);
    let contact = request.header("Contact").unwrap().replace(INSTANCE, tablet);
    let call = Call::open(&w.server, &w.caller, request.set("Contact", contact));
    call.acknowledge();
    call.is_hung_up();
    let push = w.phone.wait_for_such(1, is_push).remove(0);
    assert!(push.all("Accept-Contact").any(|value| value.contains(tablet)), "{push:#?}");
    w.phone.stays_at_such(1, is_push, A_WHILE);
}

#[test]
fn mng_6a_ii_a_client_is_known_by_its_gruu_by_its_contact_and_by_being_the_only_one() {
    let w = waiting(0, "");
    let tablet = "urn:uuid:00000000-0000-1000-8000-aabbccddeeff";
    let ask = |contact: String, is_delivered: bool| {
        let before = w.phone.such(is_push).len();
        w.server.deferred(&w.caller, &w.bob, &cpim(&w.bob, &contact));
        let name = references(&w.server, &w.bob).pop().unwrap();
        let request = listing(&w.caller, &w.bob, &[(&name, "deliver")]).set("Contact", format!("<{contact}>"));
        let call = Call::open(&w.server, &w.caller, request);
        call.acknowledge();
        w.server.wait_for_event(&w.bob, "ManagementRequested");
        if is_delivered {
            return w.phone.wait_for_such(before + 1, is_push).pop();
        }
        w.phone.stays_at_such(before, is_push, A_WHILE);
        None
    };
    let only = ask(format!("sip:nobody-knows@{}", w.caller.address()), true).expect("a push");
    assert!(only.all("Accept-Contact").any(|value| value.contains(INSTANCE)), "{only:#?}");

    let mut other = Registration::client(&w.bob, tablet);
    w.server.registered(&w.caller, &mut other, &w.phone, 3600);
    for contact in [format!("sip:{}@{REALM};gr={tablet}", w.bob), other.contact] {
        let push = ask(contact, true).expect("a push");
        assert!(push.all("Accept-Contact").any(|value| value.contains(tablet)), "{push:#?}");
    }
    // One of two, and nobody can say which: neither is taken for the other.
    ask(format!("sip:nobody-knows@{}", w.caller.address()), false);
}

#[test]
fn sndp_err_2_a_delivery_that_was_asked_for_and_failed_leaves_the_message_managed() {
    let w = waiting(1, "");
    w.phone.change(|request| Reply::Status(if is_push(request) { 480 } else { 200 }));
    w.manage(&[(&w.references[0], "deliver")]);
    w.phone.wait_for_such(1, is_push);
    w.server.wait_for_event(&w.bob, "DeliveryFailed");
    w.server.wait_for_metric(metric::QUEUED, 1.0);
    w.phone.change(|_| Reply::Status(200));
    w.manage(&[(&w.references[0], "deliver")]);
    assert_eq!(w.phone.wait_for_such(2, is_push)[1].body, w.bodies[0]);
    w.server.wait_for_metric(metric::QUEUED, 0.0);
}

#[test]
fn mng_3_delete_takes_it_out_of_the_queue_and_nothing_is_sent_to_the_recipient() {
    let w = waiting(2, "");
    w.manage(&[(&w.references[0], "delete")]);
    w.server.wait_for_metric(metric::QUEUED, 1.0);
    w.server.wait_for_event(&w.bob, "MessageDeleted");
    w.phone.stays_at_such(0, is_push, A_WHILE);
    // It is gone for good: the next call finds nothing by this name.
    w.refused(&listing(&w.caller, &w.bob, &[(&w.references[0], "deliver")]), 488);
}

#[test]
fn mng_3x_the_sender_of_a_deleted_message_is_told_as_wx_14_says() {
    let w = waiting(1, "");
    w.manage(&[(&w.references[0], "delete")]);
    let told = w.phone.wait_for_such(1, is_imdn).remove(0);
    let (bob, alice) = (format!("sip:{}@{REALM}", w.bob), format!("sip:{}@{REALM}", wire::ALICE));
    assert_eq!(told.method(), Some("MESSAGE"));
    assert!(told.uri().starts_with(&alice), "{}", told.start);
    let route = told.header("Route").expect("a Route to the S-CSCF");
    assert!(route.contains(";lr") && route.contains(";orig"), "{route}");
    let from = told.header("From").unwrap();
    assert!(from.contains(&bob) && told.tag("From").is_some(), "{from}");
    assert!(told.header("To").unwrap().contains(&alice) && told.tag("To").is_none());
    assert!(told.header("P-Asserted-Identity").unwrap().contains(&bob));
    assert_eq!(told.header("P-Asserted-Service"), Some("urn:urn-7:3gpp-service.ims.icsi.oma.cpm.msg"));
    let served = told.header("P-Served-User").unwrap();
    assert!(served.contains(&bob) && served.ends_with(";sescase=orig;regstate=reg"), "{served}");
    assert_eq!(told.header("Accept-Contact"), Some(wire::MSG_TAG));
    assert_eq!(told.header("Conversation-ID"), Some("f81d4fae-7dec-11d0-a765-00a0c91e6bf6"));
    assert_eq!(told.header("Contribution-ID"), Some("abcdef00-1234-11df-8a39-0800200c9a66"));
    assert_eq!(told.header("Content-Type"), Some("message/cpim"));
    assert!(httpdate::parse_http_date(told.header("Date").unwrap()).is_ok());
    for not in ["Contact", "Expires", "Message-UID"] {
        assert!(told.header(not).is_none(), "{not} in {told:#?}");
    }
    let body = String::from_utf8(told.body.clone()).unwrap();
    let (wrapper, rest) = body.split_once("\r\n\r\n").unwrap();
    let (part, xml) = rest.split_once("\r\n\r\n").unwrap();
    assert!(
        wrapper.contains(&format!("From: <{bob}>\r\nTo: <{alice}>\r\nNS: imdn <urn:ietf:params:imdn>")),
        "{wrapper}"
    );
    assert!(!wrapper.contains("Disposition-Notification"), "an IMDN asks for none: {wrapper}");
    assert!(part.starts_with("Content-Type: message/imdn+xml\r\nContent-Disposition: notification"), "{part}");
    assert!(part.ends_with(&format!("Content-Length: {}", xml.len())), "{part}");
    assert!(xml.contains(&format!("<message-id>{}</message-id>", imdn_id(&w.bodies[0]))), "{xml}");
    assert!(xml.contains("<datetime>2010-03-02T09:14:07Z</datetime>"), "{xml}");
    assert!(xml.contains(&format!("<recipient-uri>{bob}</recipient-uri>")), "{xml}");
    assert!(xml.contains("<delivery-notification>") && xml.contains("<failed/>"), "{xml}");
    w.phone.stays_at_such(1, is_imdn, A_WHILE);
    let timeline = w.server.wait_for_event(&w.bob, "DispositionSent");
    assert_eq!(timeline.matches("DispositionSent").count(), 1);
}

#[test]
fn mng_3x_a_sender_who_did_not_ask_is_not_told() {
    let w = waiting(0, "");
    for asked in ["negative-delivery", "positive-delivery, display", ""] {
        let body = String::from_utf8(cpim(&w.bob, asked)).unwrap();
        let body = body.replace("positive-delivery, negative-delivery", asked);
        w.server.deferred(&w.caller, &w.bob, body.as_bytes());
    }
    let references = references(&w.server, &w.bob);
    let all: Vec<_> = references.iter().map(|reference| (reference.as_str(), "delete")).collect();
    w.manage(&all);
    w.server.wait_for_metric(metric::QUEUED, 0.0);
    w.phone.wait_for_such(1, is_imdn);
    w.phone.stays_at_such(1, is_imdn, A_WHILE);
}

#[test]
fn mng_5_store_puts_it_into_the_users_message_store_and_takes_it_out_of_the_queue() {
    let w = waiting(2, "");
    w.manage(&[(&w.references[0], "store")]);
    w.server.wait_for_metric(metric::QUEUED, 1.0);
    w.server.wait_for_event(&w.bob, "MessageStored");
    let objects = w.server.stored(&w.bob);
    assert_eq!(objects.len(), 1);
    assert!(objects[0].ends_with(&w.bodies[0]), "the CPIM body, octet for octet");
    let head = String::from_utf8_lossy(&objects[0]).into_owned();
    assert!(head.contains(&format!("IMDN-Message-ID: {}", imdn_id(&w.bodies[0]))), "{head}");
    w.phone.stays_at_such(0, is_push, A_WHILE);
}

#[test]
fn mng_5x_the_sender_of_a_stored_message_gets_a_positive_notification() {
    let w = waiting(1, "");
    w.manage(&[(&w.references[0], "store")]);
    let told = w.phone.wait_for_such(1, is_imdn).remove(0);
    let body = String::from_utf8(told.body).unwrap();
    assert!(body.contains("<delivery-notification>") && body.contains("<delivered/>"), "I-17: {body}");
    assert!(body.contains(&format!("<message-id>{}</message-id>", imdn_id(&w.bodies[0]))), "{body}");
    w.phone.stays_at_such(1, is_imdn, A_WHILE);
}

fn isf_setup(isf: &Phone) -> String {
    format!("isf = \"sip:{}\"\n", isf.address())
}

#[test]
fn mng_4_interwork_sends_it_straight_to_the_isf_without_a_route_and_removes_it_on_2xx() {
    let isf = Phone::answering(202);
    let w = waiting(2, &isf_setup(&isf));
    w.manage(&[(&w.references[0], "interwork")]);
    let sent = isf.wait_for(1).remove(0).message;
    // RSN-4.
    assert_eq!(sent.all("Route").count(), 0, "{sent:#?}");
    assert_eq!(sent.method(), Some("MESSAGE"));
    assert!(sent.uri().contains(&w.bob), "{}", sent.start);
    assert_eq!(sent.body, w.bodies[0]);
    assert!(sent.header("P-Asserted-Identity").unwrap().contains(wire::ALICE));
    assert!(sent.header("From").unwrap().contains(wire::ALICE));
    assert_eq!(sent.header("Conversation-ID"), Some("f81d4fae-7dec-11d0-a765-00a0c91e6bf6"));
    w.server.wait_for_metric(metric::QUEUED, 1.0);
    w.server.wait_for_event(&w.bob, "MessageInterworked");
    isf.stays_at(1, A_WHILE);
    // I-33: the notification is the ISF's affair.
    assert!(w.phone.such(is_imdn).is_empty() && w.phone.such(is_push).is_empty());
}

#[test]
fn mng_4_what_the_isf_refuses_stays_queued_and_may_be_asked_for_again() {
    let isf = Phone::answering(500);
    let w = waiting(1, &isf_setup(&isf));
    w.manage(&[(&w.references[0], "interwork")]);
    isf.wait_for(1);
    w.server.wait_for_event(&w.bob, "ErrandFailed");
    w.server.wait_for_metric(metric::QUEUED, 1.0);
    isf.change(|_| Reply::Status(200));
    w.manage(&[(&w.references[0], "interwork")]);
    let sent = isf.wait_for(2);
    assert_ne!(sent[0].message.call_id(), sent[1].message.call_id());
    w.server.wait_for_metric(metric::QUEUED, 0.0);
}

#[test]
fn mng_4_without_an_isf_the_message_is_kept_and_can_still_be_delivered() {
    let w = waiting(1, "");
    w.manage(&[(&w.references[0], "interwork")]);
    w.server.wait_for_event(&w.bob, "ErrandFailed");
    w.server.wait_for_metric(metric::QUEUED, 1.0);
    w.manage(&[(&w.references[0], "deliver")]);
    assert_eq!(w.phone.wait_for_such(1, is_push)[0].body, w.bodies[0]);
}

#[test]
fn mng_3_to_6_four_actions_in_one_call() {
    let isf = Phone::answering(200);
    let w = waiting(5, &format!("{}[log]\nfilter = \"info,restante=trace\"", isf_setup(&isf)));
    let actions = ["deliver", "store", "delete", "interwork"];
    let wanted: Vec<_> = w.references.iter().map(String::as_str).zip(actions).collect();
    w.manage(&wanted);
    assert_eq!(w.phone.wait_for_such(1, is_push)[0].body, w.bodies[0]);
    assert_eq!(isf.wait_for(1)[0].message.body, w.bodies[3]);
    let told = w.phone.wait_for_such(2, is_imdn);
    let of = |n: usize| told.iter().find(|imdn| String::from_utf8_lossy(&imdn.body).contains(&imdn_id(&w.bodies[n])));
    assert!(String::from_utf8_lossy(&of(1).unwrap().body).contains("<delivered/>"));
    assert!(String::from_utf8_lossy(&of(2).unwrap().body).contains("<failed/>"));
    w.server.wait_for_metric(metric::QUEUED, 1.0);
    assert!(w.server.stored(&w.bob)[0].ends_with(&w.bodies[1]));
    // MNG-7: the one that was not named is what the next notification lists.
    w.server.deferred(&w.caller, &w.bob, &cpim(&w.bob, "one more"));
    let deadline = Instant::now() + PATIENCE;
    while !w.phone.such(is_system).iter().any(|told| {
        let text = String::from_utf8_lossy(&told.body).into_owned();
        text.contains("number=\"2\"")
            && text.contains(&w.references[4])
            && !w.references[..4].iter().any(|gone| text.contains(gone))
    }) {
        assert!(Instant::now() < deadline, "{:#?}", w.phone.such(is_system).last());
        std::thread::sleep(Duration::from_millis(20));
    }
    let log = w.server.log();
    assert!(!log.contains(&w.bob) && !log.contains(wire::ALICE), "personal data in the log:\n{log}");
}

#[test]
fn mng_7_unknown_ids_and_unknown_actions_are_passed_over() {
    let w = waiting(2, "");
    let unknown = format!("sip:{}@{HOST}", "0".repeat(32));
    w.manage(&[
        (&unknown, "delete"),
        ("sip:nothing@elsewhere.test", "delete"),
        (&w.references[0], "frobnicate"),
        (&w.references[1], "delete"),
    ]);
    w.server.wait_for_metric(metric::QUEUED, 1.0);
    w.manage(&[(&w.references[0], "deliver")]);
    assert_eq!(w.phone.wait_for_such(1, is_push)[0].body, w.bodies[0]);
}

#[test]
fn mng_6_messages_that_wait_to_be_pushed_can_be_managed_too() {
    // RSN-3. Nobody is registered, so the push waits.
    let phone = Phone::answering(200);
    let setup = crate::server::Setup::behind(phone.address()).config(&format!("[sip]\nhost = \"{HOST}\""));
    let server = setup.start();
    let (caller, bob) = (server.caller(), someone());
    for text in ["one", "two"] {
        assert_eq!(caller.request(&message(caller.via(), &bob, cpim(&bob, text))).status(), Some(202));
    }
    let names = references(&server, &bob);
    manage(&server, &caller, &bob, &[(&names[0], "delete"), (&names[1], "deliver")]);
    server.wait_for_metric(metric::QUEUED, 1.0);
    phone.stays_at_such(0, is_push, A_WHILE);
    server.registered(&caller, &mut Registration::of(&bob), &phone, 3600);
    assert_eq!(phone.wait_for_such(1, is_push).len(), 1);
    server.wait_for_metric(metric::QUEUED, 0.0);
}
