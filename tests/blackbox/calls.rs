//! The management INVITE itself (MNG-0 … MNG-2, WX-6 … WX-8): its answers, its dialog, and when nothing is done.

use crate::call::{Call, HOST, acknowledge_refusal, ask, invite, listing, manage, references, waiting};
use crate::phone::is_push;
use crate::server::metric;
use crate::ua::Message;
use crate::wire::{REALM, cpim, someone};
use std::time::Duration;

/// Long enough for what must not come.
const A_WHILE: Duration = Duration::from_millis(700);

#[test]
fn mng_2_the_invite_is_answered_200_without_media_and_ended_by_us_after_the_ack() {
    let w = waiting(2, "");
    let call = Call::open(&w.server, &w.caller, listing(&w.caller, &w.bob, &[(&w.references[0], "deliver")]));
    let answer = &call.answer;
    // WX-7.
    assert_eq!(answer.all("Via").count(), call.invite.all("Via").count());
    assert_eq!(answer.header("Record-Route"), call.invite.header("Record-Route"));
    assert_eq!(answer.header("From"), call.invite.header("From"));
    assert!(answer.tag("To").is_some_and(|tag| !tag.is_empty()));
    assert_eq!(answer.header("Contact"), Some(format!("<sip:{HOST}:{}>", w.server.sip().port()).as_str()));
    assert_eq!(answer.header("P-Asserted-Identity"), Some(format!("<sip:cpm-pf@{HOST}>").as_str()));
    assert_eq!(answer.header("Require"), Some("timer"));
    assert_eq!(answer.header("Session-Expires"), Some("1800;refresher=uac"));
    assert!(answer.header("Server").unwrap().starts_with("CPM-serv/OMA1.0"));
    assert_eq!(answer.header("Content-Type"), Some("application/sdp"));
    let sdp = String::from_utf8(answer.body.clone()).unwrap();
    assert_eq!(sdp.lines().filter(|line| line.starts_with("m=")).collect::<Vec<_>>(), ["m=message 0 TCP/MSRP *"]);
    for line in ["v=0", "s=-", "t=0 0", "c=IN IP4 127.0.0.1"] {
        assert!(sdp.lines().any(|found| found == line), "{line} in {sdp}");
    }
    call.acknowledge();
    let bye = call.is_hung_up();
    assert!(bye.uri().starts_with("sip:bob@"), "the remote target: {}", bye.start);
    assert_eq!(bye.header("Route"), call.invite.header("Record-Route"), "the route set");
    assert_eq!(bye.tag("From"), answer.tag("To"));
    assert_eq!(bye.tag("To"), call.invite.tag("From"));
}

#[test]
fn mng_1_an_empty_queue_is_488_with_the_warning_of_the_standard() {
    let w = waiting(0, "");
    let answer = w.refused(&invite(&w.caller, &w.bob), 488);
    // WX-8.
    assert_eq!(answer.header("Warning"), Some(format!("399 {HOST} \"125 No messages\"").as_str()));
    assert!(answer.header("Server").unwrap().starts_with("CPM-serv/OMA1.0"));
    assert!(answer.body.is_empty() && answer.header("Contact").is_none(), "{answer:#?}");
    let nobody = w.refused(&listing(&w.caller, &w.bob, &[(&format!("sip:{}@{HOST}", "a".repeat(32)), "delete")]), 488);
    assert_eq!(nobody.header("Warning"), answer.header("Warning"));
}

#[test]
fn mng_1_the_names_of_anothers_messages_are_no_messages() {
    // I-37, I-38: and the other's messages stay as they are.
    let w = waiting(2, "");
    let carol = someone();
    w.refused(&listing(&w.caller, &carol, &[(&w.references[0], "delete"), (&w.references[1], "deliver")]), 488);
    w.server.deferred(&w.caller, &carol, &cpim(&carol, "for Carol"));
    let own = references(&w.server, &carol).remove(0);
    manage(&w.server, &w.caller, &carol, &[(&w.references[0], "delete"), (&own, "delete")]);
    w.server.wait_for_metric(metric::QUEUED, 2.0);
    assert!(!w.server.timeline(&w.bob).contains("MessageDeleted"));
    assert_eq!(references(&w.server, &w.bob), w.references);
}

#[test]
fn mng_0_nobody_without_an_identity_of_their_own_manages_anything() {
    // I-38.
    let w = waiting(1, "");
    w.refused(&invite(&w.caller, &w.bob).without("P-Asserted-Identity"), 403);
    let stranger = invite(&w.caller, &w.bob).set("P-Asserted-Identity", "<sip:bob@elsewhere.test>");
    w.refused(&stranger, 403);
    let twice = listing(&w.caller, &w.bob, &[(&w.references[0], "delete")]).without("P-Asserted-Identity");
    w.refused(&twice, 403);
    w.server.wait_for_metric(metric::QUEUED, 1.0);
}

#[test]
fn mng_0_what_is_wrong_with_an_invite_is_told_before_the_200() {
    // I-19.
    let w = waiting(1, "");
    let good = || listing(&w.caller, &w.bob, &[(&w.references[0], "delete")]);
    let answer = w.refused(&good().with("Require", "recipient-list-invite, 100rel"), 420);
    assert_eq!(answer.header("Unsupported"), Some("100rel"));
    let mut broken = good();
    broken.body = String::from_utf8(broken.body).unwrap().replace("</list>", "").into_bytes();
    w.refused(&broken, 400);
    let other = invite(&w.caller, &w.bob).set("Content-Type", "text/plain");
    assert!(w.refused(&other, 415).header("Accept").unwrap().contains("application/resource-lists+xml"));
    let answer = w.refused(&good().set("Session-Expires", "30"), 422);
    assert_eq!(answer.header("Min-SE"), Some("90"));
    w.refused(&good().without("Contact"), 400);
    let elsewhere = Message { start: format!("INVITE sip:{}@{REALM} SIP/2.0", w.bob), ..good() };
    let warning = w.refused(&elsewhere, 488);
    assert!(warning.header("Warning").unwrap().contains("Only large messages"));
    w.server.wait_for_metric(metric::QUEUED, 1.0);
}

#[test]
fn mng_2_a_list_may_be_required_and_come_without_a_session_description() {
    let w = waiting(1, "");
    let request = listing(&w.caller, &w.bob, &[(&w.references[0], "deliver")]);
    let text = String::from_utf8(request.body.clone()).unwrap();
    let xml = &text[text.find("<?xml").unwrap()..text.find("\r\n--cpm-b-4711--").unwrap()];
    let mut request = request
        .set("Content-Type", "application/resource-lists+xml")
        .with("Content-Disposition", "recipient-list")
        .with("Require", "recipient-list-invite");
    request.body = xml.as_bytes().to_vec();
    let call = Call::open(&w.server, &w.caller, request);
    let sdp = String::from_utf8(call.answer.body.clone()).unwrap();
    assert!(sdp.starts_with("v=0") && !sdp.contains("m="), "I-13, an offer without media: {sdp}");
    call.acknowledge();
    call.is_hung_up();
    assert_eq!(w.phone.wait_for_such(1, is_push)[0].body, w.bodies[0]);
}

#[test]
fn mng_2_without_an_ack_nothing_is_done_and_the_200_is_repeated() {
    let w = waiting(1, "");
    let call = Call::open(&w.server, &w.caller, listing(&w.caller, &w.bob, &[(&w.references[0], "delete")]));
    let again = w.caller.response_to(&call.invite, Duration::from_secs(2)).expect("the 200 again");
    assert_eq!(again, call.answer);
    // The INVITE again is the same INVITE.
    w.caller.send_raw(&call.invite.to_bytes());
    assert_eq!(w.caller.response_to(&call.invite, Duration::from_secs(2)).as_ref(), Some(&call.answer));
    assert!(!w.server.timeline(&w.bob).contains("ManagementRequested"));
    w.server.wait_for_metric(metric::QUEUED, 1.0);
    call.acknowledge();
    call.is_hung_up();
    w.server.wait_for_metric(metric::QUEUED, 0.0);
    assert_eq!(w.server.timeline(&w.bob).matches("ManagementRequested").count(), 1);
}

#[test]
fn mng_2_a_client_that_hangs_up_before_its_ack_wanted_nothing() {
    let w = waiting(1, "");
    let call = Call::open(&w.server, &w.caller, listing(&w.caller, &w.bob, &[(&w.references[0], "delete")]));
    let answer = w.caller.request(&call.request("BYE", 2));
    assert_eq!(answer.status(), Some(200), "{answer:#?}");
    call.acknowledge();
    std::thread::sleep(A_WHILE);
    assert!(!w.server.timeline(&w.bob).contains("ManagementRequested"));
    assert_eq!(w.caller.request(&call.request("BYE", 3)).status(), Some(481), "the dialog is gone");
    w.server.wait_for_metric(metric::QUEUED, 1.0);
}

#[test]
fn mng_2_a_cancel_that_comes_too_late_changes_nothing() {
    // RFC 3261 section 9.2: the final answer is out.
    let w = waiting(1, "");
    let call = Call::open(&w.server, &w.caller, listing(&w.caller, &w.bob, &[(&w.references[0], "delete")]));
    let cancel = cancel(&call.invite);
    assert_eq!(w.caller.request(&cancel).status(), Some(200));
    call.acknowledge();
    call.is_hung_up();
    w.server.wait_for_metric(metric::QUEUED, 0.0);
}

/// RFC 3261 section 9.1.
fn cancel(invite: &Message) -> Message {
    let mut cancel = Message::new(invite.start.replacen("INVITE", "CANCEL", 1));
    for name in ["Via", "Max-Forwards", "From", "To", "Call-ID"] {
        cancel = cancel.with(name, invite.header(name).unwrap());
    }
    cancel.with("CSeq", "1 CANCEL")
}

#[test]
fn a_cancel_a_bye_or_an_update_of_no_call_is_481() {
    let w = waiting(0, "");
    let invite = invite(&w.caller, &w.bob);
    assert_eq!(w.caller.request(&cancel(&invite)).status(), Some(481));
    for method in ["BYE", "UPDATE"] {
        let mut stray = cancel(&invite).set("CSeq", format!("7 {method}")).set("Via", w.caller.via());
        stray.start = stray.start.replacen("CANCEL", method, 1);
        let stray = stray.set("To", format!("<sip:CPMDeferredMsgMgmt@{HOST}>;tag=gone"));
        assert_eq!(w.caller.request(&stray).status(), Some(481), "{method}");
    }
    w.refused(&invite.set("To", format!("<sip:CPMDeferredMsgMgmt@{HOST}>;tag=gone")), 481);
}

#[test]
fn mng_2_the_session_is_refreshed_in_its_dialog() {
    // RFC 4028 section 9, RFC 3261 section 14.2: an offer has to wait for the ACK of the one before, an UPDATE without
    // one has not. When the call has been hung up there is nothing left to refresh.
    let w = waiting(1, "");
    let call = Call::open(&w.server, &w.caller, listing(&w.caller, &w.bob, &[(&w.references[0], "delete")]));
    let refresh = |method: &str, cseq: u32| {
        call.request(method, cseq)
            .with("Contact", call.invite.header("Contact").unwrap())
            .with("Supported", "timer")
            .with("Session-Expires", "600;refresher=uac")
    };
    let answer = w.caller.request(&refresh("UPDATE", 2));
    assert_eq!(answer.status(), Some(200), "{answer:#?}");
    assert_eq!(answer.header("Session-Expires"), Some("600;refresher=uac"));
    let early = refresh("INVITE", 3);
    let answer = ask(&w.caller, &early);
    assert_eq!(answer.status(), Some(500), "{answer:#?}");
    assert!(answer.header("Retry-After").is_some());
    assert!(!w.server.timeline(&w.bob).contains("ManagementRequested"));
    call.acknowledge();
    call.is_hung_up();
    w.server.wait_for_metric(metric::QUEUED, 0.0);
    let late = refresh("INVITE", 4);
    let answer = ask(&w.caller, &late);
    assert_eq!(answer.status(), Some(481), "{answer:#?}");
}

#[test]
fn mng_0_a_realm_is_a_host_of_ours_too() {
    let w = waiting(1, "");
    let mut request = listing(&w.caller, &w.bob, &[(&w.references[0], "delete")]);
    request.start = format!("INVITE sip:cpmdeferredmsgmgmt@{REALM} SIP/2.0");
    let call = Call::open(&w.server, &w.caller, request);
    call.acknowledge();
    call.is_hung_up();
    w.server.wait_for_metric(metric::QUEUED, 0.0);
}

#[test]
fn mng_2_a_call_is_either_cancelled_and_nothing_is_done_or_answered_and_everything_is() {
    // RFC 3261 section 9.2: which of the two wins is a race, but never both.
    let w = waiting(12, "");
    let mut done = 0_u8;
    for (name, pause) in w.references.iter().zip((0..).step_by(200)) {
        let invite = listing(&w.caller, &w.bob, &[(name, "delete")]);
        let cancel = cancel(&invite);
        w.caller.send_raw(&invite.to_bytes());
        // Now the one, now the other comes first.
        std::thread::sleep(Duration::from_micros(pause));
        w.caller.send_raw(&cancel.to_bytes());
        let (mut cancelled, mut answer) = (None, None);
        while cancelled.is_none() || answer.is_none() {
            let message = w.caller.receive(crate::ua::PATIENCE).expect("both are answered");
            let of = |request: &Message| {
                message.call_id() == request.call_id() && message.header("CSeq") == request.header("CSeq")
            };
            match message.status() {
                Some(200..) if of(&cancel) => cancelled = message.status(),
                Some(200..) if of(&invite) => answer = Some(message),
                _ => {}
            }
        }
        assert_eq!(cancelled, Some(200));
        let answer = answer.unwrap();
        match answer.status() {
            Some(200) => {
                let call = Call::answered(&w.caller, invite, answer);
                call.acknowledge();
                call.is_hung_up();
                done += 1;
            }
            Some(487) => acknowledge_refusal(&w.caller, &invite, &answer),
            _ => panic!("{answer:#?}"),
        }
    }
    println!("{done} of {} were answered before they were cancelled", w.references.len());
    let deleted = |timeline: String| timeline.matches("MessageDeleted").count();
    w.server.wait_for_metric(metric::QUEUED, 12.0 - f64::from(done));
    std::thread::sleep(A_WHILE);
    assert_eq!(deleted(w.server.timeline(&w.bob)), usize::from(done));
    w.server.wait_for_metric("restante_sip_dialogs", 0.0);
}
