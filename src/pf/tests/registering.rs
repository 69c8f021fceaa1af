//! A client's own REGISTER (RFC 3261 section 10.3): who may, for how long, and the way back.

use super::*;
use crate::queue::decide::Env;
use crate::queue::event::{Flow, Gone, Source};
use crate::queue::question::{Judge, Question, Ruling};
use crate::queue::run::run;
use crate::queue::{Queue, standard};
use crate::types::{Address, ClientId, IdSource};
use std::time::Duration;

const INSTANCE: &str = "<urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf7>";

/// As a trusted proxy passes it on, so that no test but those of the gate answers challenges.
fn received(request: &Request) -> Received {
    Desk::new().scscf(request)
}

fn changes(request: &Request) -> Vec<Binding> {
    register(received(request)).changes
}

fn contacts(value: &'static str) -> Request {
    with(&own_register(), "Contact", value)
}

/// Until when each client is bound, as seconds from now; 0 if it is removed.
fn granted(request: &Request) -> Vec<u64> {
    let secs = |change: &Binding| match change {
        Binding::Bind(client) => client.expires_at.since(NOW).as_secs(),
        Binding::Remove(_) => 0,
        other => panic!("{other:?}"),
    };
    changes(request).iter().map(secs).collect()
}

#[test]
fn a_challenge_is_answered_and_the_client_bound() {
    let desk = Desk::new();
    let verb = verb(desk.user(&own_register(), BOB));
    assert_eq!(verb.user, Address::parse("sip:+12025550200@ims.example.net").unwrap());
    let Command::Register(register) = verb.command else { panic!("no registration") };
    assert_eq!(register.source, Source::Client);
    let [Binding::Bind(client)] = &register.changes[..] else { panic!("not bound") };
    assert_eq!((&client.id, client.instance.as_deref()), (&ClientId(INSTANCE.to_owned()), Some(INSTANCE)));
    assert_eq!(client.contact, "sip:bob@198.51.100.7:5060;transport=tcp");
    assert_eq!((client.call_id.as_str(), client.cseq), ("reg-55aa@198.51.100.7", 4));
    assert_eq!((client.registered_at, client.expires_at), (NOW, NOW.after(Duration::from_hours(1))));
    assert!(client.route.is_empty());
}

#[test]
fn the_better_hash_is_offered_first() {
    let challenged = answer(Desk::new().phone(&own_register()));
    let offers: Vec<&str> = challenged.headers.all("WWW-Authenticate").collect();
    assert_eq!(offers.len(), 2);
    assert!(offers[0].contains("algorithm=MD5") && offers[1].contains("algorithm=SHA-256"), "RFC 8760");
    assert!(offers.iter().all(|offer| offer.contains("realm=\"ims.example.net\"") && !offer.contains("stale")));
}

#[test]
fn nobody_registers_for_another_or_with_a_wrong_password() {
    let desk = Desk::new();
    assert_eq!(status(desk.user(&own_register(), ALICE)), 403, "RFC 3261 section 10.3 step 4");
    assert_eq!(status(desk.user(&own_register(), (BOB.0, "wrong"))), 401);
    assert_eq!(status(desk.user(&own_register(), ("nobody", ""))), 401);
    assert_eq!(status(desk.phone(&with(&own_register(), "Authorization", "Digest nonsense"))), 400);
}

#[test]
fn a_captured_register_is_challenged_again() {
    let desk = Desk::new();
    let signed = desk.signed(&own_register(), BOB, 1);
    bound(desk.phone(&signed));
    let again = answer(desk.phone(&signed));
    assert_eq!(again.status, 401);
    assert!(again.headers.get("WWW-Authenticate").unwrap().contains("stale=true"), "the password was right");
}

#[test]
fn a_nonce_that_has_run_out_is_challenged_as_stale() {
    let desk = Desk::new();
    let signed = desk.signed(&own_register(), BOB, 1);
    let late = answer(desk.at(PHONE, Transport::Udp, &signed, NOW.after(Duration::from_mins(5))));
    assert!(late.headers.get("WWW-Authenticate").unwrap().contains("stale=true"));
}

#[test]
fn a_realm_without_digest_believes_its_clients() {
    let desk = Desk::with(|config| config.realms.get_mut("ims.example.net").unwrap().digest = false);
    bound(desk.phone(&own_register()));
}

#[test]
fn a_user_of_no_realm_is_404() {
    let stranger = with(&own_register(), "To", "<sip:bob@elsewhere.example.org>");
    assert_eq!(status(Desk::new().phone(&stranger)), 404);
}

#[test]
fn expires_is_the_contacts_else_the_headers_else_an_hour() {
    for (contact, expires, secs) in [
        ("<sip:b@h>;expires=120", Some("600"), 120),
        ("<sip:b@h>", Some("600"), 600),
        ("<sip:b@h>", None, 3600),
        ("<sip:b@h>;expires=soon", Some("600"), 3600),
        ("<sip:b@h>;expires=+120", Some("600"), 3600),
        ("<sip:b@h>", Some("soon"), 3600),
        ("<sip:b@h>;expires=99999999999", None, 86_400),
        ("<sip:b@h>;expires=0", Some("600"), 0),
        ("<sip:b@h>", Some("0"), 0),
    ] {
        let request = expires.map_or_else(|| contacts(contact), |secs| with(&contacts(contact), "Expires", secs));
        assert_eq!(granted(&request), [secs], "{contact} Expires: {expires:?}");
    }
}

#[test]
fn an_interval_too_brief_is_423_unless_it_is_an_hour() {
    let refused = answer(received(&contacts("<sip:b@h>;expires=59")));
    assert_eq!((refused.status, refused.headers.get("Min-Expires")), (423, Some("60")));
    let two = answer(received(&contacts("<sip:a@h>;expires=600, <sip:b@h>;expires=1")));
    assert_eq!(two.status, 423, "all or none");
    let strict = Desk::with(|config| config.realms.get_mut("ims.example.net").unwrap().registration_min_secs = 7200);
    bound(strict.scscf(&contacts("<sip:b@h>;expires=3600")));
    assert_eq!(status(strict.scscf(&contacts("<sip:b@h>;expires=3599"))), 423);
}

#[test]
fn a_wildcard_removes_all_and_must_stand_alone_with_expires_0() {
    let all = with(&contacts("*"), "Expires", "0");
    assert_eq!(changes(&all), [Binding::RemoveAll(Gone::Explicit)]);
    for request in [
        contacts("*"),
        with(&contacts("*"), "Expires", "3600"),
        with(&contacts("*, <sip:b@h>"), "Expires", "0"),
        and(&all, "Contact", "<sip:b@h>"),
    ] {
        assert_eq!(status(received(&request)), 400);
    }
}

#[test]
fn a_contact_that_cannot_be_read_is_not_passed_over() {
    for contact in ["<sip:a@h>, <<sip:b@h>", "bob", "<sip:a@h>;x=\"", "<sip:a b@h>"] {
        let refused = answer(received(&contacts(contact)));
        assert_eq!((refused.status, refused.reason.as_str()), (400, "Malformed Contact"), "{contact}");
    }
}

#[test]
fn several_contacts_are_bound_and_removed_together_whatever_their_q() {
    let many = contacts("<sip:a@h>;q=0.1;expires=100, <sip:b@h>;q=1.0;expires=200, <sip:c@h>;expires=0");
    assert_eq!(granted(&many), [100, 200, 0]);
    let two_lines = and(&contacts("<sip:a@h>"), "Contact", "<sip:b@h>");
    assert_eq!(granted(&two_lines), [3600, 3600]);
}

#[test]
fn a_register_without_contact_only_asks() {
    assert_eq!(changes(&without(&own_register(), "Contact")), []);
}

#[test]
fn a_client_is_its_instance_else_its_contact() {
    let Some(Binding::Remove(id)) = changes(&contacts("<sip:b@h>;expires=0")).pop() else { panic!("not removed") };
    assert_eq!(id, ClientId("sip:b@h".to_owned()));
    let client = bound(received(&contacts("<sip:b@h>;+SIP.instance=\"<urn:uuid:1>\"")));
    assert_eq!(client.id, ClientId("<urn:uuid:1>".to_owned()));
}

#[test]
fn a_gruu_and_every_uri_parameter_stay_as_they_are() {
    let uri = "sip:bob@ims.example.net;gr=urn:uuid:f81d4fae;ob;x=%41";
    let client = bound(received(&with(&own_register(), "Contact", format!("<{uri}>"))));
    assert_eq!(client.contact, uri);
}

#[test]
fn the_path_is_stored_in_its_order() {
    let path = with(&own_register(), "Path", "<sip:p1.example.net;lr>, \"x\" <sip:p2.example.net;lr>");
    let path = and(&path, "Path", "<sip:p3.example.net;lr>");
    let client = bound(received(&path));
    assert_eq!(client.route, ["sip:p1.example.net;lr", "sip:p2.example.net;lr", "sip:p3.example.net;lr"]);
}

#[test]
fn where_it_came_from_is_kept() {
    let desk = Desk::with(|config| config.realms.get_mut("ims.example.net").unwrap().digest = false);
    for (transport, reliable) in [(Transport::Udp, false), (Transport::Tcp, true)] {
        let client = bound(desk.at("198.51.100.7:40000", transport, &own_register(), NOW));
        assert_eq!(client.flow, Some(Flow { reliable, peer: "198.51.100.7:40000".parse().unwrap() }));
    }
}

/// What is asked when a message waits and this REGISTER comes.
fn asked(registration: &Request) -> Vec<Question> {
    let ids = IdSource::new([3; 16], SECRET);
    let mut asked = Vec::new();
    let mut queue = None;
    for received in [Desk::new().scscf(&request(WX_1)), received(registration)] {
        let verb = verb(received);
        let queue = queue.get_or_insert_with(|| Queue::new(verb.user.clone()));
        let profile = crate::formats::Profile::default();
        let env = Env { now: NOW, ids: &ids, rules: &verb.realm.rules, profile: &profile };
        run(queue, &verb.command, &env, |question| {
            asked.push(question.clone());
            Ruling { verdict: standard::answer(question), judge: Judge::Native }
        });
    }
    asked
}

#[test]
fn a_policy_is_told_the_feature_tags_of_the_contact_as_its_contract_says() {
    let contact = "<sip:bob@198.51.100.7:5060;transport=tcp>;+sip.instance=\"<urn:uuid:1>\";expires=600;automata;\
        +g.3gpp.icsi-ref=\"urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.deferred,urn%3Aurn-7%3Ax\";+Example.Device=\"tablet\"";
    let questions = asked(&contacts(contact));
    let Some(Question::Delivery { context, client, .. }) = questions.last() else { panic!("{questions:?}") };
    let tags = [
        "automata",
        "+g.3gpp.icsi-ref=\"urn:urn-7:3gpp-service.ims.icsi.oma.cpm.deferred\"",
        "+g.3gpp.icsi-ref=\"urn:urn-7:x\"",
        "+example.device=\"tablet\"",
    ];
    assert_eq!(client.tags, tags);
    assert_eq!(context.clients[0].tags, tags);
}
