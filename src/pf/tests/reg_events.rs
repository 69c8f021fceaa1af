//! The reg event (RFC 3680, WX-4): when it is subscribed to, how, and what its NOTIFYs say.

use super::*;
use crate::config::Registrations;
use crate::pf::reg_event::{self, Interest, Order, Reading, Told, plan, resumed};
use crate::pf::{ReplyContext, Verb, reply};
use crate::queue::effect::Reply;
use crate::queue::event::{Gone, Source};
use crate::types::{Address, ClientId};
use std::time::Duration;

const WX_4: &[u8] = include_bytes!("../../../tests/fixtures/wx/wx-04-notify.sip");
const INSTANCE: &str = "<urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf7>";
const SCSCF_URI: &str = "sip:scscf1.ims.example.net:5060;transport=tcp";
const BOB_URI: &str = "sip:+12025550200@ims.example.net;user=phone";

fn desk() -> Desk {
    Desk::with(|config| {
        config.realms.get_mut("ims.example.net").unwrap().registrations = Registrations::RegEvent;
    })
}

/// WX-3 without its body.
fn silent() -> Request {
    Request { body: Bytes::new(), ..without(&request(WX_3), "Content-Type") }
}

fn ordered(request: &Request) -> Verb {
    verb(desk().scscf(request))
}

fn interest() -> Interest {
    match ordered(&silent()).order {
        Some(Order::Follow(interest)) => *interest,
        other => panic!("not to be followed but {other:?}"),
    }
}

fn register_of(verb: &Verb) -> &Register {
    match &verb.command {
        Command::Register(register) => register,
        other => panic!("no registration but {other:?}"),
    }
}

/// WX-4 with another document.
fn telling(version: u32, state: &str, registrations: &str) -> Request {
    let body = format!("<reginfo version='{version}' state='{state}'>{registrations}</reginfo>");
    Request { body: body.into(), ..request(WX_4) }
}

fn of_bob(state: &str, contacts: &str) -> String {
    format!("<registration aor='{BOB_URI}' id='r1' state='{state}'>{contacts}</registration>")
}

fn contact(id: &str, more: &str) -> String {
    format!("<contact id='{id}' {more}><uri>sip:{id}@198.51.100.7</uri></contact>")
}

fn active(id: &str) -> String {
    contact(id, "state='active' event='registered' expires='60'")
}

fn named(id: &str) -> ClientId {
    ClientId(format!("sip:{id}@198.51.100.7"))
}

fn read(told: &mut Told, notify: &Request) -> Vec<Binding> {
    match told.read(&interest(), notify, NOW) {
        Reading::Changes(changes) => changes,
        other => panic!("no changes but {other:?}"),
    }
}

/// Who is bound, who ends and why, and who alone is kept.
fn outline(changes: &[Binding]) -> Vec<String> {
    let one = |change: &Binding| match change {
        Binding::Bind(client) => format!("bind {}", client.id.0),
        Binding::End { client, cause } => format!("end {} {cause:?}", client.0),
        Binding::RemoveOthers { keep, cause } => format!("keep {} {cause:?}", keep.len()),
        other => panic!("{other:?}"),
    };
    changes.iter().map(one).collect()
}

#[test]
fn a_third_party_register_that_names_nobody_asks_for_a_subscription_and_binds_nobody() {
    let verb = ordered(&silent());
    assert_eq!(register_of(&verb), &Register { source: Source::Network, changes: Vec::new() });
    let interest = interest();
    assert_eq!(interest.user, Address::parse(BOB_URI).unwrap());
    assert_eq!((interest.resource.as_str(), interest.hop.as_str()), (BOB_URI, SCSCF_URI));
    assert_eq!(interest.until, NOW.after(Duration::from_hours(1)));
    assert!(interest.nameless.unwrap().is_nameless(), "who stands for all while nobody tells");
}

#[test]
fn one_that_names_its_client_needs_none() {
    let verb = ordered(&request(WX_3));
    assert!(verb.order.is_none());
    assert!(matches!(register_of(&verb).changes[..], [Binding::Bind(_)]));
}

#[test]
fn deregistration_ends_registrations_and_the_subscription() {
    for request in [with(&silent(), "Expires", "0"), with(&request(WX_3), "Expires", "0")] {
        let verb = ordered(&request);
        assert_eq!(register_of(&verb).changes, [Binding::RemoveAll(Gone::Network)]);
        assert!(matches!(verb.order, Some(Order::Leave(user)) if user == verb.user.key()));
    }
}

#[test]
fn a_realm_that_does_not_follow_the_reg_event_subscribes_to_nothing() {
    for request in [silent(), request(WX_3), with(&silent(), "Expires", "0")] {
        assert!(verb(Desk::new().scscf(&request)).order.is_none());
    }
    assert!(verb(desk().scscf(&request(WX_1))).order.is_none());
}

#[test]
fn the_subscription_is_ours_and_goes_to_the_s_cscf() {
    let plan = plan(&desk().settings, &interest(), [1; 16]).unwrap();
    assert_eq!((plan.event, plan.accept), ("reg", "application/reginfo+xml"));
    assert_eq!((plan.resource.as_str(), plan.local.as_str()), (BOB_URI, "sip:pf.ims.example.net"));
    assert_eq!(plan.contact, "sip:pf.ims.example.net:5060;transport=tcp", "the Request-URI of WX-4");
    assert_eq!(plan.route, [SCSCF_URI]);
    assert_eq!(plan.headers.get("P-Asserted-Identity"), Some("<sip:cpm-pf@pf.ims.example.net>"));
    assert_eq!(plan.headers.get("User-Agent"), Some("CPM-serv/OMA1.0"));
    assert_eq!((plan.host.as_str(), plan.expires_secs), ("pf.ims.example.net", 3600));
}

#[test]
fn the_realms_next_hop_comes_before_the_s_cscf() {
    let desk = Desk::with(|config| {
        let realm = config.realms.get_mut("ims.example.net").unwrap();
        realm.registrations = Registrations::RegEvent;
        realm.next_hop = Some("sip:border.example.net".to_owned());
    });
    let Some(Order::Follow(interest)) = verb(desk.scscf(&silent())).order else { panic!("not to be followed") };
    let made = plan(&desk.settings, &interest, [1; 16]).unwrap();
    assert_eq!(made.route, ["sip:border.example.net"]);
    assert_eq!(made.contact, "sip:pf.ims.example.net:5060");
    assert!(plan(&desk.settings, &Interest { hop: "nowhere".to_owned(), ..*interest }, [1; 16]).is_some());
    let nowhere = Interest { hop: "nowhere".to_owned(), ..self::interest() };
    assert!(plan(&self::desk().settings, &nowhere, [1; 16]).is_none());
}

#[test]
fn who_wakes_with_clients_of_the_network_is_followed_again() {
    let realm = &desk().settings.realms["ims.example.net"];
    let client = bound(desk().scscf(&request(WX_3)));
    let bob = Address::parse(BOB_URI).unwrap();
    let again = resumed(&bob, realm, [&client].into_iter(), NOW).unwrap();
    assert_eq!((again.hop.as_str(), again.until), (SCSCF_URI, client.expires_at));
    assert!(resumed(&bob, realm, [&client].into_iter(), client.expires_at).is_none(), "lapsed");
    let own = Client { source: Source::Client, ..client.clone() };
    assert!(resumed(&bob, realm, [&own].into_iter(), NOW).is_none());
    assert!(resumed(&bob, &Desk::new().settings.realms["ims.example.net"], [&client].into_iter(), NOW).is_none());
}

#[test]
fn wx_4_tells_the_client_as_wx_3_does() {
    let changes = read(&mut Told::default(), &request(WX_4));
    let [Binding::RemoveOthers { keep, cause: Gone::Network }, Binding::Bind(client)] = &changes[..] else {
        panic!("{changes:?}")
    };
    assert_eq!(keep, &[ClientId(INSTANCE.to_owned())]);
    let from_wx_3 = bound(Desk::new().scscf(&request(WX_3)));
    let (call_id, cseq) = ("sub-reg-9@pf.ims.example.net".to_owned(), 12);
    assert_eq!(client, &Client { call_id, cseq, ..from_wx_3 }, "ordered by the subscription");
}

#[test]
fn a_version_that_is_not_newer_says_nothing() {
    let mut told = Told::default();
    read(&mut told, &telling(7, "full", ""));
    for version in [7, 6, 0] {
        for state in ["full", "partial"] {
            let notify = telling(version, state, &of_bob("active", &active("a")));
            assert_eq!(told.read(&interest(), &notify, NOW), Reading::Nothing, "{version} {state}");
        }
    }
    read(&mut told, &telling(8, "partial", ""));
    read(&mut told, &telling(80, "full", ""));
}

#[test]
fn a_gap_asks_for_the_whole_state_and_believes_nothing_until_it_comes() {
    let mut told = Told::default();
    let partial = |version| telling(version, "partial", &of_bob("active", &active("a")));
    assert_eq!(told.read(&interest(), &partial(0), NOW), Reading::Gap, "the first must be the whole");
    read(&mut told, &telling(1, "full", ""));
    assert_eq!(told.read(&interest(), &partial(3), NOW), Reading::Gap);
    assert_eq!(told.read(&interest(), &partial(4), NOW), Reading::Nothing, "it has been asked for");
    let later = NOW.after(Duration::from_secs(32));
    assert_eq!(told.read(&interest(), &partial(5), later), Reading::Gap, "it did not come");
    read(&mut told, &telling(6, "full", ""));
    read(&mut told, &partial(7));
}

#[test]
fn another_dialog_counts_anew() {
    let mut told = Told::default();
    read(&mut told, &telling(7, "full", ""));
    let anew = with(&telling(0, "full", ""), "Call-ID", "another");
    read(&mut told, &anew);
    assert_eq!(told.read(&interest(), &anew, NOW), Reading::Nothing);
}

#[test]
fn part_of_the_state_changes_what_it_names() {
    let mut told = Told::default();
    let first = read(&mut told, &telling(0, "full", &of_bob("active", &(active("a") + &active("b")))));
    assert_eq!(outline(&first), ["keep 2 Network", "bind sip:a@198.51.100.7", "bind sip:b@198.51.100.7"]);
    let ends = [("expired", Gone::Expired), ("unregistered", Gone::Explicit), ("deactivated", Gone::Network)];
    for (version, (event, cause)) in (1..).zip(ends) {
        let gone = contact("a", &format!("state='terminated' event='{event}'"));
        let changes = read(&mut told, &telling(version, "partial", &of_bob("active", &(gone + &active("c")))));
        let [Binding::End { client, cause: told }, Binding::Bind(bound)] = &changes[..] else { panic!("{changes:?}") };
        assert_eq!((client, *told, &bound.id), (&named("a"), cause, &named("c")));
    }
}

#[test]
fn a_registration_that_ends_ends_all_its_clients() {
    let mut told = Told::default();
    read(&mut told, &telling(0, "full", &of_bob("active", &(active("a") + &active("b")))));
    let gone = of_bob("terminated", &contact("a", "state='terminated' event='unregistered'"));
    let changes = read(&mut told, &telling(1, "partial", &gone));
    assert_eq!(outline(&changes), ["end sip:a@198.51.100.7 Explicit", "keep 0 Network"]);
    let none = read(&mut told, &telling(2, "full", &of_bob("init", "")));
    assert_eq!(outline(&none), ["keep 0 Network"]);
}

#[test]
fn a_contact_that_ends_may_be_named_by_its_id_alone() {
    let mut told = Told::default();
    read(&mut told, &request(WX_4));
    let gone = of_bob("active", &contact("c1", "state='terminated' event='expired'"));
    let changes = read(&mut told, &telling(2, "partial", &gone));
    assert_eq!(outline(&changes), [format!("end {INSTANCE} Expired")]);
}

#[test]
fn only_the_users_own_addresses_count() {
    let others = "<registration aor='sip:eve@ims.example.net' id='r2' state='active'>".to_owned()
        + &active("eve")
        + "</registration>";
    let changes = read(&mut Told::default(), &telling(0, "full", &(others + &of_bob("active", &active("a")))));
    assert_eq!(outline(&changes), ["keep 1 Network", "bind sip:a@198.51.100.7"]);
    let tel = of_bob("active", &active("a")).replace(BOB_URI, "tel:+1-202-555-0200");
    assert_eq!(outline(&read(&mut Told::default(), &telling(0, "full", &tel))).len(), 2, "of the implicit set");
    // One number told under two addresses is one client, and no end beside it.
    let gone = contact("a", "state='terminated' event='rejected'");
    let both = of_bob("active", &active("a")) + &of_bob("terminated", &gone);
    assert_eq!(outline(&read(&mut Told::default(), &telling(0, "full", &both))).len(), 2);
}

#[test]
fn lives_are_as_told_else_as_granted() {
    let life = |more: &str, interest: &Interest| {
        let notify = telling(0, "full", &of_bob("active", &contact("a", &format!("state='active' {more}"))));
        match Told::default().read(interest, &notify, NOW) {
            Reading::Changes(changes) => match changes.last() {
                Some(Binding::Bind(client)) => client.expires_at.since(NOW).as_secs(),
                _ => 0,
            },
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(life("expires='60'", &interest()), 60);
    assert_eq!(life("expires='0'", &interest()), 0, "no client then");
    assert_eq!(life("", &Interest { until: NOW.after(Duration::from_secs(77)), ..interest() }), 77);
    assert_eq!(life("", &Interest { until: NOW, ..interest() }), 3600);
    assert_eq!(life("expires='99999999999'", &interest()), 30 * 86_400);
}

#[test]
fn what_has_no_state_or_cannot_be_read_changes_nothing() {
    let mut told = Told::default();
    let mut reading = |request: &Request| told.read(&interest(), request, NOW);
    assert_eq!(reading(&Request { body: Bytes::new(), ..request(WX_4) }), Reading::Nothing);
    assert_eq!(reading(&with(&request(WX_4), "Subscription-State", "pending;expires=5")), Reading::Nothing);
    assert_eq!(reading(&with(&request(WX_4), "Content-Type", "text/plain")), Reading::Unreadable(415));
    assert_eq!(reading(&without(&request(WX_4), "Content-Type")), Reading::Unreadable(415));
    assert_eq!(reading(&Request { body: "<reginfo".into(), ..request(WX_4) }), Reading::Unreadable(400));
    assert!(matches!(reading(&request(WX_4)), Reading::Changes(_)));
}

#[test]
fn a_notify_is_taken_from_the_trust_domain_and_of_the_reg_event_only() {
    let desk = desk();
    assert!(matches!(desk.scscf(&request(WX_4)), Received::Notify));
    assert!(matches!(desk.scscf(&with(&request(WX_4), "Event", " reg ;x=y")), Received::Notify));
    assert_eq!(status(desk.phone(&request(WX_4))), 403);
    for other in ["presence", "", "regx"] {
        let refused = answer(desk.scscf(&with(&request(WX_4), "Event", other)));
        assert_eq!((refused.status, refused.headers.get("Allow-Events")), (489, Some("reg")));
    }
    assert_eq!(status(desk.scscf(&and(&request(WX_4), "Require", "something"))), 420);
    let unread = reg_event::refusal(&desk.settings, &request(WX_4), 415);
    assert_eq!(unread.headers.get("Accept"), Some("application/reginfo+xml"));
}

#[test]
fn a_notify_that_was_stored_is_answered_200_and_one_that_was_not_503() {
    let desk = desk();
    let context = ReplyContext::notify(&request(WX_4));
    let made = reply(&desk.settings, &context, &Reply::Registered(Vec::new()), NOW);
    assert_eq!((made.status, made.headers.get("Contact")), (200, None));
    let full = Reply::Refused { status: 403, reason: String::new(), retry_after_secs: None };
    assert_eq!(reply(&desk.settings, &context, &full, NOW).status, 200, "the notifier need not mind our limit");
    assert_eq!(desk.settings.unavailable(&context).status, 503);
}

#[test]
fn the_reg_event_shows_no_personal_data() {
    let mut told = Told::default();
    let shown = format!("{:?} {:?}", ordered(&silent()).order, told.read(&interest(), &request(WX_4), NOW));
    for private in ["+1202", "5550", "198.51.100", "bob@", "uuid"] {
        assert!(!shown.contains(private), "{private} in {shown}");
    }
}
