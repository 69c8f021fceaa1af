//! A subscription on a virtual clock: what it sends, when, and what it makes of NOTIFYs (RFC 6665, RFC 3680).

use super::*;
use crate::sip::transaction::TRANSACTION;
use crate::sip::{Limits, Message, Method, NameAddr, Response, datagram};
use crate::types::Timestamp;
use bytes::Bytes;

const START: Timestamp = Timestamp::from_secs(1_000_000);
const BOB: &str = "sip:+12025550200@ims.example.net";
const SCSCF: &str = "sip:scscf1.ims.example.net:5060;transport=tcp";

fn after(secs: u64) -> Timestamp {
    START.after(Duration::from_secs(secs))
}

fn plan() -> Plan {
    let mut headers = Headers::new();
    headers.push("P-Asserted-Identity", "<sip:cpm-pf@pf.ims.example.net>");
    Plan {
        event: "reg",
        accept: "application/reginfo+xml",
        resource: BOB.to_owned(),
        local: "sip:pf.ims.example.net".to_owned(),
        contact: "sip:pf.ims.example.net:5060;transport=tcp".to_owned(),
        route: vec![SCSCF.to_owned()],
        host: "pf.ims.example.net".to_owned(),
        expires_secs: 3600,
        headers,
        // No spread of the pauses.
        seed: [0; 16],
    }
}

/// A machine, its far end, and the last SUBSCRIBE between them.
struct Play {
    machine: Subscription,
    sent: Transmit,
    notifies: u32,
}

impl Play {
    fn begin() -> Self {
        let mut machine = Subscription::new(plan(), START);
        let sent = machine.poll_transmit().expect("a SUBSCRIBE");
        Self { machine, sent, notifies: 0 }
    }

    /// Begun, answered and notified at once; subscribed for an hour.
    fn subscribed() -> Self {
        let mut play = Self::begin();
        play.respond(200, &[("Expires", "3600")], START);
        assert_eq!(play.notify("active;expires=3600", START), [Event::Notified]);
        assert!(play.machine.is_subscribed());
        play
    }

    fn respond(&mut self, status: u16, headers: &[(&'static str, &'static str)], now: Timestamp) -> Vec<Event> {
        let mut response = Response::to(&self.sent.request, status, "", "s1");
        for (name, value) in headers {
            response.headers.push(*name, *value);
        }
        self.end(&Outcome::Response(response), now)
    }

    fn end(&mut self, outcome: &Outcome, now: Timestamp) -> Vec<Event> {
        self.machine.handle_input(Input::Outcome { cseq: self.sent.cseq, outcome }, now);
        self.events()
    }

    /// The NOTIFY that belongs to the last SUBSCRIBE.
    fn request(&mut self, state: &'static str) -> Request {
        self.notifies += 1;
        let subscribe = &self.sent.request.headers;
        let mut notify = Request::new(Method::Notify, "sip:pf.ims.example.net:5060;transport=tcp");
        let to = NameAddr::list(subscribe, "To").remove(0).with_param("tag", Some("s1"));
        notify.headers.push("From", to.to_string());
        notify.headers.push("To", subscribe.get("From").unwrap().to_owned());
        notify.headers.push("Call-ID", subscribe.get("Call-ID").unwrap().to_owned());
        notify.headers.push("CSeq", format!("{} NOTIFY", self.notifies));
        notify.headers.push("Contact", "<sip:sub@scscf1.ims.example.net>");
        notify.headers.push("Event", "reg");
        notify.headers.push("Subscription-State", state);
        notify
    }

    fn notify(&mut self, state: &'static str, now: Timestamp) -> Vec<Event> {
        let notify = self.request(state);
        self.put(&notify, now)
    }

    fn put(&mut self, notify: &Request, now: Timestamp) -> Vec<Event> {
        self.machine.handle_input(Input::Notify(notify), now);
        self.events()
    }

    fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.machine.poll_event()).collect()
    }

    /// Nothing happens before this moment, and then time passes.
    fn sleep_until(&mut self, at: Timestamp) -> Vec<Event> {
        assert_eq!(self.machine.poll_timeout(), Some(at));
        self.machine.handle_timeout(at);
        self.events()
    }

    /// The next SUBSCRIBE.
    #[track_caller]
    fn next(&mut self) -> Request {
        self.sent = self.machine.poll_transmit().expect("a SUBSCRIBE");
        assert!(self.machine.poll_transmit().is_none());
        self.sent.request.clone()
    }

    fn sends_nothing(&mut self) {
        assert!(self.machine.poll_transmit().is_none());
    }
}

fn header<'a>(request: &'a Request, name: &str) -> &'a str {
    request.headers.get(name).unwrap_or_default()
}

#[test]
fn the_first_subscribe_goes_to_the_user_through_the_s_cscf() {
    let play = Play::begin();
    let request = &play.sent.request;
    assert_eq!((request.method.clone(), request.uri.as_str()), (Method::Subscribe, BOB));
    assert_eq!(play.sent.hop, format!("{SCSCF};lr"));
    assert_eq!(header(request, "Route"), format!("<{SCSCF};lr>"));
    assert!(header(request, "From").starts_with("<sip:pf.ims.example.net>;tag="));
    assert_eq!(header(request, "To"), format!("<{BOB}>"));
    assert!(header(request, "Call-ID").ends_with("@pf.ims.example.net"));
    assert_eq!(header(request, "Call-ID"), play.machine.call_id());
    assert_eq!(header(request, "CSeq"), "1 SUBSCRIBE");
    assert_eq!(header(request, "Contact"), "<sip:pf.ims.example.net:5060;transport=tcp>");
    assert_eq!(header(request, "Event"), "reg");
    assert_eq!(header(request, "Accept"), "application/reginfo+xml");
    assert_eq!(header(request, "Expires"), "3600");
    assert_eq!(header(request, "P-Asserted-Identity"), "<sip:cpm-pf@pf.ims.example.net>");
}

#[test]
fn it_is_refreshed_in_the_dialog_before_it_runs_out() {
    let mut play = Play::subscribed();
    assert_eq!(play.sleep_until(after(3000)), [], "ten minutes before the end");
    let refresh = play.next();
    assert_eq!(refresh.uri, "sip:sub@scscf1.ims.example.net", "the Contact of the NOTIFY");
    assert_eq!(refresh.headers.get("Route"), None, "no Record-Route, no Route");
    assert_eq!(play.sent.hop, "sip:sub@scscf1.ims.example.net");
    assert_eq!(header(&refresh, "CSeq"), "2 SUBSCRIBE");
    assert_eq!(header(&refresh, "To"), format!("<{BOB}>;tag=s1"));
    assert_eq!(play.respond(200, &[("Expires", "600")], after(3001)), []);
    assert_eq!(play.notify("active;expires=600", after(3001)), [Event::Notified]);
    assert_eq!(play.sleep_until(after(3301)), [], "half of a short life");
    play.next();
}

#[test]
fn the_notifier_shortens_the_life_in_its_answer_or_its_notify() {
    let mut play = Play::begin();
    play.respond(200, &[("Expires", "100")], START);
    play.notify("active", START);
    assert_eq!(play.machine.poll_timeout(), Some(after(50)));
    let mut play = Play::begin();
    play.notify("active", START);
    play.respond(200, &[("Expires", "100")], START);
    assert_eq!(play.machine.poll_timeout(), Some(after(50)));
    play.notify("active;expires=40", START);
    assert_eq!(play.machine.poll_timeout(), Some(after(20)));
}

#[test]
fn a_notify_may_come_before_the_200() {
    let mut play = Play::begin();
    let mut early = play.request("active;expires=60");
    early.headers.push("Record-Route", "<sip:p1.test;lr>, <sip:p2.test;lr>");
    assert_eq!(play.put(&early, START), [Event::Notified]);
    assert!(play.machine.is_subscribed());
    assert_eq!(play.respond(200, &[("Expires", "3600")], START), []);
    assert_eq!(play.sleep_until(after(30)), [], "what the NOTIFY said counts");
    let refresh = play.next();
    let route: Vec<&str> = refresh.headers.all("Route").collect();
    assert_eq!(route, ["<sip:p1.test;lr>", "<sip:p2.test;lr>"], "RFC 6665 section 4.4.1");
    assert_eq!(play.sent.hop, "sip:p1.test;lr");
}

#[test]
fn a_strict_router_gets_its_own_uri_and_the_target_last() {
    let mut play = Play::begin();
    let mut notify = play.request("active;expires=60");
    notify.headers.push("Record-Route", "<sip:old.test>, <sip:p2.test;lr>");
    play.put(&notify, START);
    play.respond(200, &[], START);
    play.sleep_until(after(30));
    let refresh = play.next();
    assert_eq!((refresh.uri.as_str(), play.sent.hop.as_str()), ("sip:old.test", "sip:old.test"));
    let route: Vec<&str> = refresh.headers.all("Route").collect();
    assert_eq!(route, ["<sip:p2.test;lr>", "<sip:sub@scscf1.ims.example.net>"], "RFC 3261 section 12.2.1.1");
}

#[test]
fn timer_n_ends_a_subscription_that_gets_no_notify() {
    let mut play = Play::begin();
    assert_eq!(play.respond(200, &[("Expires", "3600")], START), []);
    assert_eq!(play.sleep_until(START.after(TRANSACTION)), [Event::Down(Cause::NoNotify)]);
    assert_eq!(play.sleep_until(START.after(TRANSACTION).after(PAUSE_MIN)), []);
    play.next();
    // Also after a refresh.
    let mut play = Play::subscribed();
    play.sleep_until(after(3000));
    play.next();
    play.respond(200, &[("Expires", "3600")], after(3000));
    assert_eq!(play.sleep_until(after(3032)), [Event::Down(Cause::NoNotify)]);
}

#[test]
fn a_204_needs_no_notify() {
    let mut play = Play::subscribed();
    play.sleep_until(after(3000));
    play.next();
    play.respond(204, &[("Expires", "3600")], after(3000));
    assert_eq!(play.machine.poll_timeout(), Some(after(6000)), "RFC 5839");
}

#[test]
fn a_423_is_answered_with_what_it_wants() {
    let mut play = Play::begin();
    assert_eq!(play.respond(423, &[("Min-Expires", "7200")], START), []);
    let again = play.next();
    assert_eq!((header(&again, "Expires"), header(&again, "CSeq")), ("7200", "2 SUBSCRIBE"));
    assert_eq!(play.respond(423, &[("Min-Expires", "7200")], START), [Event::Down(Cause::Status(423))]);
    for nonsense in [&[("Min-Expires", "4294967295")][..], &[("Min-Expires", "10")], &[]] {
        assert_eq!(Play::begin().respond(423, nonsense, START), [Event::Down(Cause::Status(423))]);
    }
}

#[test]
fn a_481_to_a_refresh_makes_an_unrelated_subscription() {
    let mut play = Play::subscribed();
    let first = play.sent.request.clone();
    play.sleep_until(after(3000));
    play.next();
    assert_eq!(play.respond(481, &[], after(3000)), []);
    let anew = play.next();
    assert_eq!(anew.uri, BOB);
    assert_ne!(header(&anew, "Call-ID"), header(&first, "Call-ID"));
    assert_ne!(header(&anew, "From"), header(&first, "From"));
    assert_eq!(header(&anew, "To"), format!("<{BOB}>"));
    assert_eq!(header(&anew, "Route"), format!("<{SCSCF};lr>"));
    assert!(!play.machine.is_subscribed());
    assert_eq!(play.respond(481, &[], after(3000)), [Event::Down(Cause::Status(481))], "not for ever at once");
}

#[test]
fn spec_4_2_no_binding_480_and_no_permission_403_are_tried_again_ever_more_seldom() {
    let mut play = Play::begin();
    let mut now = START;
    for pause in [30, 60, 120, 240, 480, 960, 1920, 3600, 3600] {
        assert_eq!(play.respond(480, &[], now), [Event::Down(Cause::Status(480))]);
        play.sends_nothing();
        now = now.after(Duration::from_secs(pause));
        assert_eq!(play.sleep_until(now), []);
        play.next();
    }
    assert_eq!(play.respond(403, &[], now), [Event::Down(Cause::Status(403))]);
    play.sleep_until(now.after(PAUSE_MAX));
    play.next();
}

#[test]
fn a_retry_after_is_honoured_and_no_answer_is_a_failure_too() {
    let mut play = Play::begin();
    assert_eq!(
        play.respond(503, &[("Retry-After", "900 (maintenance);duration=5")], START),
        [Event::Down(Cause::Status(503))]
    );
    assert_eq!(play.sleep_until(after(900)), []);
    play.next();
    assert_eq!(play.end(&Outcome::Timeout, after(932)), [Event::Down(Cause::Timeout)]);
    assert_eq!(play.sleep_until(after(992)), []);
    play.next();
    assert_eq!(play.end(&Outcome::Transport, after(992)), [Event::Down(Cause::Transport)]);
}

#[test]
fn those_who_lost_it_together_come_back_apart() {
    let pause = |first: u8| {
        let mut machine = Subscription::new(Plan { seed: [first; 16], ..plan() }, START);
        let cseq = machine.poll_transmit().unwrap().cseq;
        machine.handle_input(Input::Outcome { cseq, outcome: &Outcome::Timeout }, START);
        machine.poll_timeout().unwrap().since(START)
    };
    assert!(pause(0) < pause(100) && pause(100) < pause(255) && pause(255) < pause(0).mul_f64(1.1));
}

#[test]
fn a_refresh_that_fails_leaves_the_subscription_its_granted_life() {
    let mut play = Play::subscribed();
    play.sleep_until(after(3000));
    play.next();
    assert_eq!(play.end(&Outcome::Timeout, after(3032)), []);
    assert!(play.machine.is_subscribed());
    assert_eq!(play.notify("active;expires=500", after(3040)), [Event::Notified]);
    play.sleep_until(after(3290));
    play.next();
    assert_eq!(play.respond(503, &[], after(3290)), []);
    play.sleep_until(after(3350));
    play.next();
    assert_eq!(play.respond(500, &[("Retry-After", "3600")], after(3350)), []);
    assert_eq!(play.sleep_until(after(3540)), [], "then it has run out, and a new one is tried at once");
    assert_eq!(play.next().uri, BOB);
}

#[test]
fn what_the_notifier_says_at_the_end_decides_what_comes_next() {
    for (state, reason, pause) in [
        ("terminated;reason=deactivated", Reason::Deactivated, Some(0)),
        ("terminated;reason=timeout", Reason::Timeout, Some(0)),
        ("terminated;reason=probation", Reason::Probation, Some(30)),
        ("terminated;reason=probation;retry-after=77", Reason::Probation, Some(77)),
        ("terminated;reason=giveup;retry-after=5", Reason::GiveUp, Some(30)),
        ("terminated", Reason::Other, Some(30)),
        ("terminated;reason=rejected", Reason::Rejected, Some(3600)),
        ("terminated;reason=noresource", Reason::NoResource, None),
        ("terminated;reason=invariant", Reason::Invariant, None),
    ] {
        let mut play = Play::subscribed();
        let now = after(100);
        let events = play.notify(state, now);
        assert_eq!(events[0], Event::Notified, "its body counts");
        assert!(!play.machine.is_subscribed());
        let cause = Cause::Terminated(reason);
        match pause {
            None => {
                assert_eq!(events[1..], [Event::Ended(cause)], "{state}");
                assert_eq!(play.machine.poll_timeout(), None);
            }
            Some(0) => assert_eq!(events.len(), 1, "{state}"),
            Some(secs) => {
                assert_eq!(events[1..], [Event::Down(cause)], "{state}");
                play.sleep_until(now.after(Duration::from_secs(secs)));
            }
        }
        if pause.is_some() {
            assert_eq!(play.next().uri, BOB);
        }
    }
}

#[test]
fn a_notifier_that_always_ends_it_is_not_asked_always() {
    let mut play = Play::begin();
    assert_eq!(play.notify("terminated;reason=deactivated", START), [Event::Notified]);
    play.next();
    let events = play.notify("terminated;reason=deactivated", START);
    assert_eq!(events, [Event::Notified, Event::Down(Cause::Terminated(Reason::Deactivated))]);
    play.sends_nothing();
}

#[test]
fn leaving_is_a_subscribe_for_0_seconds_and_one_more_notify() {
    let mut play = Play::subscribed();
    play.machine.handle_input(Input::Unsubscribe, after(10));
    let leave = play.next();
    assert_eq!((header(&leave, "Expires"), header(&leave, "CSeq")), ("0", "2 SUBSCRIBE"));
    assert_eq!(play.respond(200, &[("Expires", "0")], after(10)), []);
    play.sends_nothing();
    let events = play.notify("terminated;reason=timeout", after(11));
    assert_eq!(events, [Event::Notified, Event::Ended(Cause::Unsubscribed)]);
    assert_eq!(play.machine.poll_timeout(), None);
    assert_eq!(play.notify("active", after(12)), [Event::Refused(481)]);
}

#[test]
fn leaving_ends_without_the_notify_too() {
    let left = [Event::Ended(Cause::Unsubscribed)];
    let mut play = Play::subscribed();
    play.machine.handle_input(Input::Unsubscribe, after(10));
    play.next();
    assert_eq!(play.respond(481, &[], after(10)), left);
    let mut play = Play::subscribed();
    play.machine.handle_input(Input::Unsubscribe, after(10));
    play.next();
    play.respond(200, &[], after(10));
    assert_eq!(play.sleep_until(after(42)), left, "Timer N");
    let mut play = Play::begin();
    play.respond(480, &[], START);
    play.machine.handle_input(Input::Unsubscribe, START);
    assert_eq!(play.events(), left, "there was nothing to leave");
}

#[test]
fn who_leaves_before_the_first_notify_leaves_when_it_comes() {
    let mut play = Play::begin();
    play.machine.handle_input(Input::Unsubscribe, START);
    play.sends_nothing();
    play.notify("active;expires=60", START);
    play.sends_nothing();
    play.respond(200, &[], START);
    assert_eq!(header(&play.next(), "Expires"), "0");
}

#[test]
fn who_leaves_during_a_refresh_leaves_after_it_however_it_ends() {
    for status in [200, 503] {
        let mut play = Play::subscribed();
        play.machine.handle_input(Input::Refresh, after(10));
        play.next();
        play.machine.handle_input(Input::Unsubscribe, after(10));
        play.sends_nothing();
        assert_eq!(play.respond(status, &[], after(10)), []);
        assert_eq!(header(&play.next(), "Expires"), "0");
        assert_eq!(play.respond(status, &[], after(10)).len(), usize::from(status == 503));
        play.sends_nothing();
    }
}

#[test]
fn the_whole_state_is_asked_for_by_a_refresh() {
    let mut play = Play::subscribed();
    play.machine.handle_input(Input::Refresh, after(10));
    assert_eq!(header(&play.next(), "CSeq"), "2 SUBSCRIBE");
    for _ in 0..3 {
        play.machine.handle_input(Input::Refresh, after(10));
    }
    play.sends_nothing();
    play.respond(200, &[], after(11));
    assert_eq!(header(&play.next(), "CSeq"), "3 SUBSCRIBE", "one for all that asked meanwhile");
    play.respond(200, &[], after(12));
    play.sends_nothing();
    // Somebody registered: no need to wait any longer.
    let mut play = Play::begin();
    play.respond(480, &[], START);
    play.machine.handle_input(Input::Refresh, after(1));
    assert_eq!(play.next().uri, BOB);
}

#[test]
fn a_notify_of_another_subscription_is_refused_with_481() {
    let mut play = Play::subscribed();
    let good = play.request("active");
    let changed = |name: &'static str, value: &str| {
        let mut request = good.clone();
        request.headers.set(name, value.to_owned());
        request
    };
    for request in [
        changed("Call-ID", "another"),
        changed("To", "<sip:pf.ims.example.net>;tag=x"),
        changed("To", "<sip:pf.ims.example.net>"),
        changed("From", "<sip:+12025550200@ims.example.net>;tag=fork"),
        changed("Event", "reg;id=7"),
    ] {
        assert_eq!(play.put(&request, START), [Event::Refused(481)]);
    }
    assert_eq!(play.put(&changed("Event", "presence"), START), [Event::Refused(489)]);
    assert_eq!(play.put(&changed("Event", ""), START), [Event::Refused(489)]);
    assert_eq!(play.put(&changed("Subscription-State", ";x"), START), [Event::Refused(400)]);
    assert_eq!(play.put(&changed("CSeq", "1 NOTIFY"), START), [Event::Refused(500)], "RFC 3261 section 12.2.2");
    assert_eq!(play.put(&good, START), [Event::Notified]);
    assert_eq!(play.put(&good, START), [Event::Refused(500)]);
}

#[test]
fn the_first_notify_must_say_where_refreshes_go() {
    let mut play = Play::begin();
    let mut request = play.request("active");
    request.headers.remove("Contact");
    assert_eq!(play.put(&request, START), [Event::Refused(400)]);
    request.headers.push("Contact", "<sip:here.test>");
    assert_eq!(play.put(&request, START), [Event::Notified]);
}

#[test]
fn answers_to_attempts_that_are_over_change_nothing() {
    let mut play = Play::begin();
    play.machine.handle_timeout(START.after(TRANSACTION));
    assert_eq!(play.events(), [Event::Down(Cause::NoNotify)]);
    assert_eq!(play.respond(200, &[], after(40)), []);
    assert_eq!(play.notify("active", after(40)), [Event::Refused(481)]);
}

#[test]
fn wx_4_is_a_notify_of_the_subscription_it_names() {
    let octets = Bytes::from_static(include_bytes!("../../../tests/fixtures/wx/wx-04-notify.sip"));
    let Ok(Message::Request(mut notify)) = datagram(&octets, &Limits::default()) else { panic!("a request") };
    let mut play = Play::begin();
    assert_eq!(play.put(&notify, START), [Event::Refused(481)], "not ours: the tag is missing");
    let subscribe = play.sent.request.headers.clone();
    notify.headers.set("To", subscribe.get("From").unwrap().to_owned());
    notify.headers.set("Call-ID", subscribe.get("Call-ID").unwrap().to_owned());
    assert_eq!(play.put(&notify, START), [Event::Notified]);
    play.respond(200, &[], START);
    assert_eq!(play.sleep_until(after(299)), [], "half of 598 seconds");
    assert_eq!(play.next().uri, SCSCF, "its Contact");
}

proptest::proptest! {
    /// Whatever comes in whatever order: at most one SUBSCRIBE is in flight, and a machine that has not ended waits for
    /// something.
    #[test]
    fn it_never_hangs_and_never_floods(steps in proptest::collection::vec((0u8..12, 0u64..5000), 0..60)) {
        let mut play = Play::begin();
        let (mut now, mut open, mut ended) = (START, true, false);
        for (what, secs) in steps {
            now = now.after(Duration::from_secs(secs));
            let events = match what {
                0..=2 if open => { open = false; play.respond([200, 481, 503][usize::from(what)], &[], now) }
                3 if open => { open = false; play.end(&Outcome::Timeout, now) }
                4 => play.notify("active;expires=600", now),
                5 => play.notify("terminated;reason=deactivated", now),
                6 => play.notify("terminated;reason=noresource", now),
                7 => { play.machine.handle_input(Input::Refresh, now); play.events() }
                8 => { play.machine.handle_input(Input::Unsubscribe, now); play.events() }
                _ => { play.machine.handle_timeout(now); play.events() }
            };
            ended |= events.iter().any(|event| matches!(event, Event::Ended(_)));
            if let Some(sent) = play.machine.poll_transmit() {
                proptest::prop_assert!(!ended);
                play.sent = sent;
                open = true;
                proptest::prop_assert!(play.machine.poll_transmit().is_none());
            }
            proptest::prop_assert!(ended == play.machine.poll_timeout().is_none());
        }
    }
}
