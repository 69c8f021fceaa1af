//! The users' preferences at work: documents put through the admin API, and those of an XDMS of the tests' own.

use crate::http::{Answer, HttpServer, Request};
use crate::phone::{Phone, is_imdn, is_push, is_system};
use crate::server::{Server, Setup, metric};
use crate::ua::Caller;
use crate::wire::{ALICE, REALM, Registration, address, cpim, message, someone};
use std::time::Duration;

/// Long enough for what must not come.
const A_WHILE: Duration = Duration::from_millis(700);

/// A rule of WX-16 for the messages of this sender, with these actions.
fn rule(sender: &str, actions: &str) -> String {
    format!(
        "<cr:rule id=\"of-{}\"><cr:conditions><cr:identity><cr:one id=\"sip:{sender}@{REALM}\"/></cr:identity>\
         <x:service-list><x:service enabler=\"CPM\"/></x:service-list>\
         <x:media-list><x21:deferred-messages/></x:media-list></cr:conditions>\
         <cr:actions>{actions}</cr:actions></cr:rule>",
        sender.trim_start_matches('+')
    )
}

fn ruleset(rules: &[String]) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<cr:ruleset xmlns:cr=\"urn:ietf:params:xml:ns:common-policy\" \
         xmlns:x=\"urn:oma:xml:xdm:extensions\" xmlns:x21=\"urn:oma:xml:xdm:2.1extensions\">{}</cr:ruleset>",
        rules.concat()
    )
}

/// A message from this user of ours.
fn from(server: &Server, caller: &Caller, sender: &str, to: &str, text: &str) -> Vec<u8> {
    let body = String::from_utf8(cpim(to, text)).unwrap().replace(ALICE, sender).into_bytes();
    let request = message(caller.via(), to, body.clone())
        .set("From", format!("<sip:{sender}@{REALM}>;tag={}", crate::ua::unique("s")))
        .set("P-Asserted-Identity", format!("<sip:{sender}@{REALM}>"));
    assert_eq!(caller.request(&request).status(), Some(202), "{}", server.log());
    body
}

/// What was chosen for each message, in order.
fn handlings(timeline: &str) -> Vec<&'static str> {
    let chosen = timeline.lines().filter(|line| line.contains("HandlingChosen"));
    chosen.map(|line| if line.contains("  manage") { "manage" } else { "push" }).collect()
}

#[test]
fn def_6a_def_6b_the_rule_for_the_sender_decides_between_push_and_manage() {
    let phone = Phone::answering(200);
    let server = Setup::behind(phone.address()).start();
    let (caller, bob, carol) = (server.caller(), someone(), someone());
    let rules = ruleset(&[rule(ALICE, ""), rule(&carol, "<x21:allow-push/>")]);
    server.prefers(&bob, "rules", Some(&rules));
    server.registered(&caller, &mut Registration::of(&bob), &phone, 3600);
    // DEF-6b: the recipient is told, and decides.
    from(&server, &caller, ALICE, &bob, "to be managed");
    phone.wait_for_such(1, is_system);
    assert!(phone.such(is_push).is_empty());
    // DEF-6a.
    let body = from(&server, &caller, &carol, &bob, "to be pushed");
    let pushed = phone.wait_for_such(1, is_push);
    assert_eq!(pushed[0].body, body);
    let timeline = server.wait_for_event(&bob, "MessageDelivered");
    assert_eq!(handlings(&timeline), ["manage", "push"], "{timeline}");
    server.wait_for_metric(metric::QUEUED, 1.0);
    // I-36: no rule is about this sender.
    from(&server, &caller, &someone(), &bob, "of a stranger");
    phone.wait_for_such(2, is_push);
    // Without the document everything is pushed.
    server.prefers(&bob, "rules", None);
    from(&server, &caller, ALICE, &bob, "to be pushed, too");
    phone.wait_for_such(3, is_push);
    phone.stays_at_such(1, is_system, A_WHILE);
}

#[test]
fn push_1a_do_not_disturb_holds_the_push_until_the_document_goes() {
    let phone = Phone::answering(200);
    let server = Setup::behind(phone.address()).start();
    let (caller, bob) = (server.caller(), someone());
    let mut registration = Registration::of(&bob);
    server.registered(&caller, &mut registration, &phone, 3600);
    server.prefers(&bob, "profile", Some("<profile><do-not-disturb>true</do-not-disturb></profile>"));
    let body = cpim(&bob, "shh");
    server.deferred(&caller, &bob, &body);
    server.wait_for_event(&bob, "DeliveryWithheld");
    // A phone that just registered is not disturbed either.
    server.registered(&caller, &mut registration, &phone, 0);
    server.registered(&caller, &mut registration, &phone, 3600);
    phone.stays_at(0, A_WHILE);
    server.wait_for_metric(metric::QUEUED, 1.0);
    // I-31.
    server.prefers(&bob, "profile", None);
    let pushed = phone.wait_for_such(1, is_push);
    assert_eq!(pushed[0].body, body);
    server.wait_for_metric(metric::QUEUED, 0.0);
    assert!(server.timeline(&bob).contains("PreferencesChanged"));
}

/// Of the rules and the profile of users, in that order of asking.
fn xdms(mut rules_of: impl FnMut(&str) -> Option<String> + Send + 'static) -> HttpServer {
    HttpServer::start(move |request| {
        let user = request.path.split("/users/sip%3A").nth(1)?.split("%40").next()?.replace("%2B", "+");
        match rules_of(&user).filter(|_| request.path.contains("access-rules")) {
            Some(rules) => Some(Answer(200, vec!["ETag: \"v1\"".to_owned()], rules.into_bytes())),
            None => Some(Answer::status(404)),
        }
    })
}

fn asking(phone: &Phone, xdms: &HttpServer, more: &str) -> Server {
    let preferences = format!(
        "[preferences]\nxcap-root = {:?}\nretry-pause-ms = 1\nfailure-max-age-secs = 1\nbreaker-pause-secs = 1",
        xdms.url("/xcap-root")
    );
    Setup::behind(phone.address()).config(&preferences).config(more).start()
}

fn about<'a>(came: &'a [Request], user: &str) -> Vec<&'a Request> {
    let user = address(user).replace(':', "%3A").replace('+', "%2B").replace('@', "%40");
    came.iter().filter(|request| request.path.contains(&format!("/users/{user}/"))).collect()
}

#[test]
fn def_6b_the_rules_of_an_xdms_are_asked_for_on_behalf_of_the_recipient_and_obeyed() {
    let phone = Phone::answering(200);
    let (bob, carol) = (someone(), someone());
    let managing = bob.clone();
    let xdms = xdms(move |user| {
        let actions = if user == managing { "" } else { "<x21:allow-push/>" };
        Some(ruleset(&[rule(ALICE, actions)]))
    });
    let server = asking(&phone, &xdms, "");
    let caller = server.caller();
    for user in [&bob, &carol] {
        server.registered(&caller, &mut Registration::of(user), &phone, 3600);
        server.deferred(&caller, user, &cpim(user, "hello"));
    }
    let (told, pushed) = (phone.wait_for_such(1, is_system), phone.wait_for_such(1, is_push));
    assert!(told[0].uri().contains(&bob) && pushed[0].uri().contains(&carol), "{told:#?} {pushed:#?}");
    let came = xdms.came();
    for user in [&bob, &carol] {
        let asked = about(&came, user);
        assert!(!asked.is_empty());
        for request in asked {
            assert_eq!(request.method, "GET");
            let identity = format!("\"{}\"", address(user));
            assert_eq!(request.header("X-3GPP-Intended-Identity"), Some(identity.as_str()), "{request:?}");
        }
    }
    assert!(came[0].path.starts_with("/xcap-root/org.openmobilealliance.access-rules/users/"), "{:?}", came[0]);
}

#[test]
fn exp_1_while_the_xdms_is_down_nothing_is_discarded_until_the_realms_default_stands_in() {
    let phone = Phone::answering(200);
    let xdms = HttpServer::start(|_| None);
    let errands = "[errands]\npostpone-secs = 2\npostponements-max = 3";
    let server = asking(&phone, &xdms, errands);
    let (caller, bob) = (server.caller(), someone());
    let short = message(caller.via(), &bob, cpim(&bob, "too late")).set("Expires", "1");
    assert_eq!(caller.request(&short).status(), Some(202), "a message is taken all the same");
    let timeline = server.wait_for_event(&bob, "DisposalPostponed");
    assert!(timeline.contains("handling: the realm's defaults stood in"), "{timeline}");
    assert!(!timeline.contains("MessageDiscarded"), "{timeline}");
    let timeline = server.wait_for_event(&bob, "MessageDiscarded");
    assert_eq!(timeline.matches("DisposalPostponed").count(), 3, "{timeline}");
    assert!(timeline.contains("expiry: the realm's defaults stood in for the user's preferences"), "{timeline}");
    assert_eq!(timeline.matches("PreferencesMissed").count(), 2, "{timeline}");
    server.wait_for_metric(metric::QUEUED, 0.0);
    phone.wait_for_such(1, is_imdn);

    // An XDMS that is back in time is obeyed, and says otherwise.
    let carol = someone();
    let short = message(caller.via(), &carol, cpim(&carol, "just in time")).set("Expires", "1");
    assert_eq!(caller.request(&short).status(), Some(202));
    server.wait_for_event(&carol, "DisposalPostponed");
    xdms.change(|request| {
        let rules = ruleset(&[rule(ALICE, "<expired>store</expired>")]);
        if request.path.contains("access-rules") {
            return Some(Answer(200, Vec::new(), rules.into_bytes()));
        }
        Some(Answer::status(404))
    });
    let timeline = server.wait_for_event(&carol, "MessageStored");
    assert!(!timeline.contains("expiry: the realm's defaults"), "{timeline}");
    assert_eq!(server.stored(&carol).len(), 1);
}
