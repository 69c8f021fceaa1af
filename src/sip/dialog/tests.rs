//! Dialogs on the wire examples, in virtual time, and their laws.

use super::*;
use crate::sip::transaction::{Ack, Outcome};
use crate::sip::{Headers, Limits, Message, Request, Response, datagram};
use crate::types::Timestamp;
use bytes::Bytes;
use proptest::prelude::*;
use std::time::Duration;

const WX_6: &[u8] = include_bytes!("../../../tests/fixtures/wx/wx-06-management-invite.sip");
const WX_7: &[u8] = include_bytes!("../../../tests/fixtures/wx/wx-07-200.sip");
const WX_10: &[u8] = include_bytes!("../../../tests/fixtures/wx/wx-10-large-invite.sip");
const WX_11: &[u8] = include_bytes!("../../../tests/fixtures/wx/wx-11-200.sip");
const WX_13: &[u8] = include_bytes!("../../../tests/fixtures/wx/wx-13-bye.sip");

const START: Timestamp = Timestamp(5_000_000);
const KEY: DialogKey = DialogKey(7);
const CONTACT: &str = "<sip:pf.ims.example.net:5060;transport=tcp>";

fn at(ms: u64) -> Timestamp {
    START.after(Duration::from_millis(ms))
}

fn request(octets: &'static [u8]) -> Request {
    match datagram(&Bytes::from_static(octets), &Limits::default()).unwrap() {
        Message::Request(request) => request,
        Message::Response(_) => panic!("a response"),
    }
}

fn response(octets: &'static [u8]) -> Response {
    match datagram(&Bytes::from_static(octets), &Limits::default()).unwrap() {
        Message::Response(response) => response,
        Message::Request(_) => panic!("a request"),
    }
}

fn lines(headers: &Headers, but: &[&str]) -> Vec<(String, String)> {
    let text = |h: &crate::sip::Header| (h.name.to_string(), String::from_utf8_lossy(&h.value).into_owned());
    let mut lines: Vec<_> = headers.iter().map(text).filter(|(name, _)| !but.contains(&name.as_str())).collect();
    lines.sort();
    lines
}

fn with(mut request: Request, name: &'static str, value: &str) -> Request {
    request.headers.set(name, value.to_owned());
    request
}

fn dialogs() -> Dialogs<u8> {
    Dialogs::new("CPM-serv/OMA1.0".to_owned(), 1800)
}

/// WX-6 answered as in WX-7.
fn as_uas() -> Dialogs<u8> {
    let mut all = dialogs();
    let (request, response) = (request(WX_6), response(WX_7));
    let accepted = Accepted { request: &request, response: &response, bytes: response.to_bytes(), way: 1 };
    all.accept(KEY, accepted, START);
    all
}

/// WX-10 answered with WX-11, with this line of ours and theirs changed.
fn as_uac(theirs: &[(&'static str, &str)]) -> (Dialogs<u8>, Ack) {
    let mut all = dialogs();
    let mut response = response(WX_11);
    for (name, value) in theirs {
        response.headers.set(*name, (*value).to_owned());
    }
    let ack = all.establish(KEY, Established { request: &request(WX_10), response: &response, way: 1 }, START).unwrap();
    (all, ack)
}

/// A request of the peer in the dialog of WX-6 and WX-7.
fn peer(method: Method, cseq: u32) -> Request {
    let mut request = request(WX_6);
    request.headers.set("To", response(WX_7).headers.get("To").unwrap().to_owned());
    request.headers.set("CSeq", format!("{cseq} {method}"));
    for gone in ["Content-Type", "Route"] {
        request.headers.remove(gone);
    }
    request.body = Bytes::new();
    request.method = method;
    request
}

fn next(all: &mut Dialogs<u8>) -> DialogRequest<u8> {
    match all.poll_event() {
        Some(DialogEvent::Send(send)) => send,
        other => panic!("nothing to send but {other:?}"),
    }
}

/// Fires everything up to `until`; when 2xx were repeated.
fn run(all: &mut Dialogs<u8>, until: u64) -> Vec<u64> {
    let mut sent = Vec::new();
    while let Some(now) = all.poll_timeout().filter(|next| *next <= at(until)) {
        all.handle_timeout(now);
        while all.poll_transmit().is_some() {
            sent.push(now.millis() - START.millis());
        }
    }
    sent
}

fn answer(send: &DialogRequest<u8>, status: u16, lines: &[(&'static str, &str)]) -> (u32, Outcome) {
    let mut response = Response::to(&send.request, status, "", "");
    for (name, value) in lines {
        response.headers.push(*name, (*value).to_owned());
    }
    (send.request.cseq().unwrap().0, Outcome::Response(response))
}

#[test]
fn the_answer_that_establishes_a_dialog_is_that_of_wx_7() {
    let made = accept(&request(WX_6), "pf-m1", CONTACT, 1800).unwrap();
    let theirs = ["P-Asserted-Identity", "Server", "Content-Type", "Content-Length"];
    assert_eq!(made.status, 200);
    assert_eq!(lines(&made.headers, &["Allow"]), lines(&response(WX_7).headers, &theirs));
    assert_eq!(made.headers.get("Allow"), Some("INVITE, ACK, BYE, CANCEL, UPDATE, OPTIONS"));
}

#[test]
fn rfc_4028_9_the_session_timer_is_agreed_or_refused() {
    let grant = |lines: &[(&'static str, &str)]| {
        let mut invite = request(WX_6);
        for gone in ["Supported", "Session-Expires"] {
            invite.headers.remove(gone);
        }
        for (name, value) in lines {
            invite.headers.push(*name, (*value).to_owned());
        }
        let both = |r: Response| {
            let text = |name| r.headers.get(name).map(str::to_owned);
            (r.status, text("Session-Expires"), text("Require"), text("Min-SE"))
        };
        accept(&invite, "t", CONTACT, 1800).map_or_else(both, both)
    };
    let ok = |session: &str, require: Option<&str>| (200, Some(session.to_owned()), require.map(str::to_owned), None);
    let timer = ("Supported", "path, TIMER");
    assert_eq!(grant(&[timer, ("Session-Expires", "600 ; refresher=uas")]), ok("600;refresher=uas", Some("timer")));
    assert_eq!(grant(&[timer, ("Session-Expires", "600")]), ok("600;refresher=uac", Some("timer")));
    assert_eq!(grant(&[timer, ("Session-Expires", "90")]), ok("90;refresher=uac", Some("timer")));
    assert_eq!(grant(&[timer, ("Session-Expires", "7200;refresher=uac")]), ok("1800;refresher=uac", Some("timer")));
    let floor = [timer, ("Session-Expires", "7200"), ("Min-SE", "3600")];
    assert_eq!(grant(&floor), ok("3600;refresher=uac", Some("timer")), "never below the peer's floor");
    assert_eq!(grant(&[timer]), ok("1800;refresher=uac", Some("timer")));
    assert_eq!(grant(&[]), ok("1800;refresher=uas", None), "we refresh for a peer without timers");
    assert_eq!(grant(&[timer, ("Session-Expires", "89")]), (422, None, None, Some("90".to_owned())));
    assert_eq!(grant(&[("Session-Expires", "60")]), ok("90;refresher=uas", None), "a proxy's wish cannot be refused");
    assert_eq!(grant(&[timer, ("Session-Expires", "soon")]), ok("1800;refresher=uac", Some("timer")));
}

#[test]
fn an_invite_without_a_contact_makes_no_dialog() {
    for contact in ["*", "nonsense"] {
        assert_eq!(accept(&with(request(WX_6), "Contact", contact), "t", CONTACT, 1800).unwrap_err().status, 400);
    }
}

#[test]
fn our_bye_is_that_of_wx_13() {
    let (mut all, ack) = as_uac(&[]);
    let example = request(WX_13);
    assert_eq!((ack.request.method.as_str(), ack.request.headers.get("CSeq")), ("ACK", Some("1 ACK")));
    assert_eq!(
        (ack.request.uri.as_str(), ack.request.headers.get("Route")),
        (&*example.uri, example.headers.get("Route"))
    );
    assert_eq!(ack.hop, "sip:scscf1.ims.example.net:5060;transport=tcp;lr");
    all.handle_input(DialogInput::HangUp(KEY));
    let bye = next(&mut all);
    assert_eq!((&bye.request.method, &bye.request.uri), (&example.method, &example.uri));
    assert_eq!(lines(&bye.request.headers, &[]), lines(&example.headers, &["Via", "Content-Length"]));
    assert_eq!((bye.hop, bye.way), (ack.hop, None));
    assert_ne!(bye.branch, ack.branch);
    assert_eq!(all.poll_event(), Some(DialogEvent::Ended(KEY, Cause::HungUp)));
    assert!(all.is_empty() && all.poll_timeout().is_none());
}

#[test]
fn rfc_3261_13_3_1_4_a_2xx_is_repeated_until_its_ack() {
    let mut all = as_uas();
    assert_eq!(run(&mut all, 4000), [500, 1500, 3500]);
    let wrong = with(peer(Method::Ack, 2), "CSeq", "2 ACK");
    assert!(all.handle_input(DialogInput::Ack(wrong)));
    assert_eq!(all.poll_event(), None, "an ACK of another number");
    assert!(all.handle_input(DialogInput::Ack(peer(Method::Ack, 1))));
    assert_eq!(all.poll_event(), Some(DialogEvent::Confirmed(KEY)));
    assert!(all.handle_input(DialogInput::Ack(peer(Method::Ack, 1))), "the ACK of a repeated 2xx");
    assert_eq!((run(&mut all, 60_000), all.poll_event()), (vec![], None));
    let stranger = with(peer(Method::Ack, 1), "Call-ID", "other");
    assert!(!all.handle_input(DialogInput::Ack(stranger)));
}

#[test]
fn rfc_3261_13_3_1_4_a_2xx_without_an_ack_ends_in_bye_after_64_t1() {
    let mut all = as_uas();
    let sent = run(&mut all, 32_000);
    assert_eq!(sent, [500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]);
    let bye = next(&mut all);
    assert_eq!(
        (bye.request.method.as_str(), bye.request.uri.as_str()),
        ("BYE", "sip:bob@198.51.100.7:5060;transport=tcp")
    );
    let route =
        "<sip:scscf1.ims.example.net:5060;transport=tcp;lr>, <sip:pcscf1.ims.example.net:5060;transport=tcp;lr>";
    assert_eq!(bye.request.headers.get("Route"), Some(route), "in the order of Record-Route");
    assert_eq!(bye.request.headers.get("From"), response(WX_7).headers.get("To"));
    assert_eq!(bye.request.headers.get("To"), request(WX_6).headers.get("From"));
    assert_eq!(all.poll_event(), Some(DialogEvent::Ended(KEY, Cause::NoAck)));
}

#[test]
fn rfc_3261_15_bye_waits_for_the_ack() {
    let mut all = as_uas();
    all.handle_input(DialogInput::HangUpAll);
    assert_eq!(all.poll_event(), None);
    all.handle_input(DialogInput::Ack(peer(Method::Ack, 1)));
    assert_eq!(all.poll_event(), Some(DialogEvent::Confirmed(KEY)));
    assert_eq!(next(&mut all).request.method, Method::Bye);
    assert_eq!(all.poll_event(), Some(DialogEvent::Ended(KEY, Cause::HungUp)));
}

#[test]
fn rfc_3261_12_2_2_bye_ends_it_and_what_is_out_of_order_is_500_and_what_is_unknown_is_not_ours() {
    let mut all = as_uas();
    assert_eq!(all.receive(&peer(Method::Bye, 1), 1, START).map(|r| r.status), Some(500));
    for (name, value) in [("Call-ID", "other"), ("To", "<sip:x@y>;tag=other"), ("From", "<sip:x@y>;tag=other")] {
        assert_eq!(all.receive(&with(peer(Method::Bye, 2), name, value), 1, START), None, "{name}");
    }
    assert_eq!(all.receive(&peer(Method::Info, 3), 1, START), None, "not a method of dialogs");
    assert_eq!(all.receive(&peer(Method::Options, 4), 1, START).map(|r| r.status), Some(200));
    let strange = with(peer(Method::Update, 5), "Require", "100rel, timer");
    let refused = all.receive(&strange, 1, START).unwrap();
    assert_eq!((refused.status, refused.headers.get("Unsupported")), (420, Some("100rel")));
    assert_eq!(all.receive(&peer(Method::Bye, 6), 1, START).map(|r| r.status), Some(200));
    assert_eq!(all.poll_event(), Some(DialogEvent::Ended(KEY, Cause::Bye)));
    assert_eq!(all.receive(&peer(Method::Bye, 7), 1, START), None);
}

/// The dialog of WX-6 with its ACK.
fn confirmed() -> Dialogs<u8> {
    let mut all = as_uas();
    all.handle_input(DialogInput::Ack(peer(Method::Ack, 1)));
    all.poll_event();
    all
}

#[test]
fn a_re_invite_that_changes_nothing_is_answered_with_our_description_and_repeated_until_its_ack() {
    let mut all = confirmed();
    let mut again = peer(Method::Invite, 2);
    again.headers.push("Content-Type", "application/sdp");
    again.body = sdp_of(request(WX_6).headers.get("Content-Type"), &request(WX_6).body).unwrap();
    let again = with(again, "Contact", "<sip:bob@198.51.100.8>");
    let answered = all.receive(&again, 3, START).unwrap();
    assert_eq!((answered.status, &answered.body), (200, &response(WX_7).body));
    assert_eq!(answered.headers.get("Session-Expires"), Some("1800;refresher=uac"));
    assert_eq!((answered.headers.get("Require"), answered.headers.get("Contact")), (Some("timer"), Some(CONTACT)));
    let refused = all.receive(&peer(Method::Invite, 3), 3, START).unwrap();
    assert_eq!((refused.status, refused.headers.get("Retry-After")), (500, Some("5")), "the last has no ACK yet");
    assert_eq!(run(&mut all, 1500), [500, 1500]);
    all.handle_input(DialogInput::Ack(peer(Method::Ack, 2)));
    assert_eq!((all.poll_event(), run(&mut all, 9000)), (Some(DialogEvent::Confirmed(KEY)), vec![]));
    let without = all.receive(&peer(Method::Invite, 4), 3, START).unwrap();
    assert_eq!(without.body, response(WX_7).body, "no offer: the answer offers");
    all.handle_input(DialogInput::Ack(peer(Method::Ack, 4)));
    all.poll_event();
    all.handle_input(DialogInput::HangUp(KEY));
    assert_eq!(
        next(&mut all).request.uri,
        "sip:bob@198.51.100.7:5060;transport=tcp",
        "the last refresh names the target"
    );
}

#[test]
fn a_change_of_the_description_is_488_and_the_session_goes_on() {
    let mut all = confirmed();
    for method in [Method::Invite, Method::Update] {
        let mut change = peer(method.clone(), if method == Method::Invite { 2 } else { 3 });
        change.headers.push("Content-Type", "application/sdp");
        change.body = Bytes::from_static(b"v=0\r\no=- 1 2 IN IP4 198.51.100.7\r\n");
        assert_eq!(all.receive(&change, 1, START).map(|r| r.status), Some(488), "{method}");
    }
    assert_eq!(all.len(), 1);
}

#[test]
fn an_update_refreshes_the_session_and_too_short_a_one_is_422() {
    let mut all = confirmed();
    let update = with(peer(Method::Update, 2), "Session-Expires", "300;refresher=uac");
    let answered = all.receive(&update, 1, at(1_700_000)).unwrap();
    assert_eq!((answered.status, answered.body.len()), (200, 0));
    assert_eq!(answered.headers.get("Session-Expires"), Some("300;refresher=uac"));
    assert_eq!(all.poll_timeout(), Some(at(1_700_000 + 268_000)), "its end less 32 s");
    let short = with(peer(Method::Update, 3), "Session-Expires", "60");
    let refused = all.receive(&short, 1, START).unwrap();
    assert_eq!((refused.status, refused.headers.get("Min-SE")), (422, Some("90")));
}

#[test]
fn rfc_4028_10_a_session_that_nobody_refreshes_ends_in_bye() {
    let mut all = confirmed();
    run(&mut all, 1_767_999);
    assert_eq!(all.poll_event(), None);
    run(&mut all, 1_768_000);
    assert_eq!(next(&mut all).request.method, Method::Bye);
    assert_eq!(all.poll_event(), Some(DialogEvent::Ended(KEY, Cause::SessionExpired)));
}

#[test]
fn sndl_ok_1_the_session_timer_runs_with_the_value_received() {
    let (mut all, _) = as_uac(&[("Session-Expires", "600;refresher=uac")]);
    assert_eq!(all.poll_timeout(), Some(at(300_000)), "half of it");
    run(&mut all, 300_000);
    assert_eq!(next(&mut all).request.headers.get("CSeq"), Some("2 INVITE"));
}

#[test]
fn rfc_4028_7_2_we_refresh_at_half_life_by_re_invite_with_the_same_offer() {
    let (mut all, _) = as_uac(&[]);
    run(&mut all, 899_999);
    assert_eq!(all.poll_event(), None);
    run(&mut all, 900_000);
    let refresh = next(&mut all);
    assert_eq!((refresh.request.method.as_str(), &refresh.request.body), ("INVITE", &request(WX_10).body));
    for (name, value) in [("CSeq", "2 INVITE"), ("Session-Expires", "1800;refresher=uac"), ("Supported", "timer")] {
        assert_eq!(refresh.request.headers.get(name), Some(value));
    }
    assert_eq!(refresh.request.headers.get("Contact"), request(WX_10).headers.get("Contact"));
    assert!(run(&mut all, 1_000_000).is_empty(), "one at a time");
    let crossing = peer_of_uac(Method::Invite, 1);
    assert_eq!(all.receive(&crossing, 1, at(900_100)).map(|r| r.status), Some(491));
    let (cseq, outcome) =
        answer(&refresh, 200, &[("Session-Expires", "1800;refresher=uac"), ("Contact", "<sip:new@h>")]);
    let ack = all.outcome(KEY, cseq, &outcome, at(901_000)).unwrap();
    assert_eq!((ack.request.headers.get("CSeq"), ack.request.uri.as_str()), (Some("2 ACK"), "sip:new@h"));
    assert_eq!(all.poll_timeout(), Some(at(1_801_000)));
    assert_eq!(all.outcome(KEY, cseq, &outcome, at(902_000)), None, "told twice");
}

/// A request of the peer in the dialog of WX-10 and WX-11.
fn peer_of_uac(method: Method, cseq: u32) -> Request {
    let (ours, theirs) = (request(WX_10), response(WX_11));
    let mut request = peer(method, cseq);
    for (name, value) in [
        ("From", theirs.headers.get("To").unwrap()),
        ("To", ours.headers.get("From").unwrap()),
        ("Call-ID", ours.call_id().unwrap()),
    ] {
        request.headers.set(name, value.to_owned());
    }
    request
}

#[test]
fn we_refresh_by_update_where_the_peer_takes_it_and_by_invite_when_it_does_not_after_all() {
    let (mut all, _) = as_uac(&[("Allow", "INVITE, ACK, BYE, UPDATE")]);
    run(&mut all, 900_000);
    let update = next(&mut all);
    assert_eq!((update.request.method.as_str(), update.request.body.len()), ("UPDATE", 0));
    let (cseq, outcome) = answer(&update, 405, &[]);
    assert_eq!(all.outcome(KEY, cseq, &outcome, at(900_100)), None);
    assert_eq!(next(&mut all).request.headers.get("CSeq"), Some("3 INVITE"));
}

#[test]
fn rfc_4028_7_3_a_422_is_met_with_a_longer_session() {
    let mut invite = request(WX_10);
    let refusal = |least: &str| {
        let mut refusal = Response::to(&request(WX_10), 422, "", "x");
        refusal.headers.push("Min-SE", least.to_owned());
        refusal
    };
    assert!(!offer_more(&mut invite, &refusal("1800")), "it asks for no more");
    assert!(offer_more(&mut invite, &refusal("3600")));
    for (name, value) in [("Session-Expires", "3600;refresher=uac"), ("Min-SE", "3600"), ("CSeq", "2 INVITE")] {
        assert_eq!(invite.headers.get(name), Some(value));
    }
    let (mut all, _) = as_uac(&[]);
    run(&mut all, 900_000);
    let (cseq, outcome) = answer(&next(&mut all), 422, &[("Min-SE", "4000")]);
    assert_eq!(all.outcome(KEY, cseq, &outcome, at(900_100)), None);
    let again = next(&mut all).request;
    assert_eq!(again.headers.get("Session-Expires"), Some("4000;refresher=uac"));
    assert_eq!(again.headers.get("Min-SE"), Some("4000"));
}

#[test]
fn a_refresh_that_fails_ends_the_dialog_or_waits_as_the_answer_says() {
    let refreshed = || {
        let (mut all, _) = as_uac(&[]);
        run(&mut all, 900_000);
        let send = next(&mut all);
        (all, send)
    };
    let (mut all, send) = refreshed();
    let (cseq, gone) = answer(&send, 481, &[]);
    all.outcome(KEY, cseq, &gone, at(900_100));
    assert_eq!(all.poll_event(), Some(DialogEvent::Ended(KEY, Cause::Unknown)));
    for outcome in [Outcome::Timeout, Outcome::Transport, answer(&send, 408, &[]).1] {
        let (mut all, _) = refreshed();
        all.outcome(KEY, cseq, &outcome, at(900_100));
        assert_eq!(next(&mut all).request.method, Method::Bye);
        assert_eq!(all.poll_event(), Some(DialogEvent::Ended(KEY, Cause::Transport)));
    }
    let (mut all, send) = refreshed();
    let (cseq, glare) = answer(&send, 491, &[]);
    all.outcome(KEY, cseq, &glare, at(900_100));
    let next_at = all.poll_timeout().unwrap().since(at(900_100));
    assert!((2100..4000).contains(&next_at.as_millis()), "{next_at:?}");
    let (mut all, send) = refreshed();
    let (cseq, refused) = answer(&send, 503, &[]);
    all.outcome(KEY, cseq, &refused, at(900_100));
    assert_eq!((all.poll_event(), all.poll_timeout()), (None, Some(at(1_768_000))), "it goes on until its end");
}

#[test]
fn a_2xx_that_nobody_wants_is_acknowledged_and_hung_up() {
    let mut all = dialogs();
    let (request, response) = (request(WX_10), response(WX_11));
    let ack = all.turn_away(KEY, Established { request: &request, response: &response, way: 1 });
    assert_eq!(ack.map(|ack| ack.request.method), Some(Method::Ack));
    assert_eq!(next(&mut all).request.headers.get("CSeq"), Some("2 BYE"));
    assert!(all.poll_event().is_none() && all.is_empty());
}

#[test]
fn rfc_3261_12_2_1_1_a_strict_router_stands_in_the_request_uri() {
    let mut response = response(WX_11);
    response.headers.set("Record-Route", "<sip:last.test;lr>, <sip:first.test;transport=tcp>");
    let mut dialog = Dialog::uac(&request(WX_10), &response).unwrap();
    let bye = dialog.request(Method::Bye);
    assert_eq!(bye.uri, "sip:first.test;transport=tcp");
    let route = "<sip:last.test;lr>, <sip:bob@198.51.100.7:5060;transport=tcp>";
    assert_eq!((bye.headers.get("Route"), dialog.hop().as_str()), (Some(route), "sip:first.test;transport=tcp"));
}

proptest! {
    /// Both ends of one call come to mirrored dialogs: same name, opposite routes, each other's target.
    #[test]
    fn both_ends_agree(hosts in proptest::collection::vec("[a-z]{1,8}", 0..6), split in 0usize..6, cseq in 1u32..2_000_000_000) {
        let entries: Vec<String> = hosts.iter().map(|host| format!("<sip:{host}.test;lr>")).collect();
        let mut invite = request(WX_10);
        invite.headers.remove("Record-Route");
        // However the list is broken into lines.
        let at = split.min(entries.len());
        for part in [&entries[..at], &entries[at..]] {
            if !part.is_empty() {
                invite.headers.push("Record-Route", part.join(", "));
            }
        }
        invite.headers.set("CSeq", format!("{cseq} INVITE"));
        let answer = accept(&invite, "b", "<sip:b@callee.test>", 1800).unwrap();
        let mut callee = Dialog::uas(&invite, &answer).unwrap();
        let mut caller = Dialog::uac(&invite, &answer).unwrap();
        prop_assert_eq!(&caller.id().call_id, &callee.id().call_id);
        prop_assert_eq!((&caller.id().local_tag, &caller.id().remote_tag), (&callee.id().remote_tag, &callee.id().local_tag));
        let (from_caller, from_callee) = (caller.request(Method::Bye), callee.request(Method::Bye));
        let route = |request: &Request| request.headers.get("Route").unwrap_or_default().to_owned();
        let mut reversed = entries.clone();
        reversed.reverse();
        prop_assert_eq!(route(&from_callee), entries.join(", "));
        prop_assert_eq!(route(&from_caller), reversed.join(", "));
        prop_assert_eq!(&from_caller.uri, "sip:b@callee.test");
        // Each finds the dialog by the other's request, and takes it once.
        prop_assert_eq!(DialogId::of(&from_caller), Some(callee.id().clone()));
        prop_assert_eq!(DialogId::of(&from_callee), Some(caller.id().clone()));
        prop_assert!(callee.takes(from_caller.cseq().unwrap().0));
        prop_assert!(!callee.takes(from_caller.cseq().unwrap().0));
        prop_assert!(caller.takes(from_callee.cseq().unwrap().0));
    }

    /// Only what is higher than everything before is taken.
    #[test]
    fn the_order_of_requests_is_kept(numbers in proptest::collection::vec(0u32..50, 1..40)) {
        let mut dialog = Dialog::uac(&request(WX_10), &response(WX_11)).unwrap();
        let mut highest = None;
        for number in numbers {
            let good = highest.is_none_or(|highest| number > highest);
            prop_assert_eq!(dialog.takes(number), good);
            highest = highest.max(Some(number));
        }
    }
}
