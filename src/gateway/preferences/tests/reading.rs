//! Reading from an XDMS that is well: WX-17, entity tags, what is believed for how long.

use super::counting::Tally;
use super::xdms::{PROFILE, RULES, Xdms};
use super::*;
use std::sync::Mutex;

#[tokio::test]
async fn wx_17_the_request_is_as_the_example_has_it() {
    let (xdms, tally) = (Xdms::start().await, Arc::default());
    xdms.has(RULES, "etag-7", PUSH);
    let source = xdms.source(&section(), &tally);
    source.read(&user(), at(0)).await;
    let first = xdms.asked().remove(0);
    assert_eq!(first.header("if-none-match"), None);
    source.read(&user(), at(61)).await;
    let second = xdms.asked().remove(0);
    let host = format!("Host: {}", xdms.server.address);
    let expected = [
        "GET /xcap-root/org.openmobilealliance.access-rules/users/sip%3A%2B12025550200%40ims.example.net/access-rules HTTP/1.1",
        &host,
        "X-3GPP-Intended-Identity: \"sip:+12025550200@ims.example.net\"",
        "Accept: application/auth-policy+xml",
        "If-None-Match: \"etag-7\"",
    ];
    // Names of fields know no case (RFC 9110 section 5.1); all else is as it stands there.
    let plain = |line: &str| match line.split_once(": ") {
        Some((name, value)) if !line.starts_with("GET") => format!("{}: {value}", name.to_ascii_lowercase()),
        _ => line.to_owned(),
    };
    assert_eq!(second.head.lines().map(plain).collect::<Vec<_>>(), expected.map(plain));
}

#[tokio::test]
async fn def_6_the_rules_of_the_document_are_read_and_then_at_hand() {
    let (xdms, tally) = (Xdms::start().await, Arc::default());
    xdms.has(RULES, "1", PUSH);
    xdms.has(PROFILE, "1", QUIET);
    let source = xdms.source(&section(), &tally);
    assert_eq!(source.cached(&user(), at(0)), None);
    let profile = source.read(&user(), at(0)).await;
    assert_eq!((profile.origin, manage_or_push(&profile), quiet(&profile)), (Origin::Document, Some(true), true));
    assert_eq!(source.cached(&user(), at(59)), Some(profile.clone()));
    assert_eq!(tally.outcomes(), [Outcome::Found, Outcome::Found]);
    assert_eq!(tally.hits(), [false, true]);
    // Nobody is asked for what is fresh.
    xdms.asked();
    assert_eq!(source.read(&user(), at(59)).await, profile);
    assert!(xdms.asked().is_empty());
}

#[tokio::test]
async fn an_old_profile_is_read_again_with_its_entity_tags() {
    let (xdms, tally) = (Xdms::start().await, Arc::default());
    xdms.has(RULES, "1", PUSH);
    xdms.has(PROFILE, "p1", QUIET);
    let source = xdms.source(&section(), &tally);
    let before = source.read(&user(), at(0)).await;
    tally.outcomes();
    assert_eq!(source.cached(&user(), at(61)), None);
    assert_eq!(source.read(&user(), at(61)).await, before);
    assert_eq!(tally.outcomes(), [Outcome::Unchanged, Outcome::Unchanged]);
    // Only one of them is another: the other stays.
    xdms.has(RULES, "2", &manage());
    let after = source.read(&user(), at(122)).await;
    assert_eq!((manage_or_push(&after), quiet(&after)), (Some(false), true));
    assert_eq!(tally.outcomes(), [Outcome::Found, Outcome::Unchanged]);
    // A clock that goes back makes nothing fresh for ever.
    assert_eq!(source.cached(&user(), at(0)), None);
}

#[tokio::test]
async fn no_documents_are_the_defaults_and_that_is_remembered_too() {
    let (xdms, tally) = (Xdms::start().await, Arc::default());
    let section = config::Preferences { absent_max_age_secs: 300, ..section() };
    let source = xdms.source(&section, &tally);
    let profile = source.read(&user(), at(0)).await;
    assert_eq!((profile.origin, manage_or_push(&profile), quiet(&profile)), (Origin::Absent, None, false));
    assert_eq!(tally.outcomes(), [Outcome::Absent, Outcome::Absent]);
    assert_eq!(source.cached(&user(), at(299)), Some(profile));
    assert_eq!(source.cached(&user(), at(301)), None);
    // A document that comes, and goes.
    xdms.has(RULES, "1", PUSH);
    assert_eq!(source.read(&user(), at(301)).await.origin, Origin::Document);
    xdms.lacks(RULES);
    assert_eq!(source.read(&user(), at(362)).await.origin, Origin::Absent);
}

#[tokio::test]
async fn a_document_without_an_auid_is_not_asked_for() {
    let (xdms, tally) = (Xdms::start().await, Arc::default());
    xdms.has(PROFILE, "1", QUIET);
    let section = config::Preferences { rules_auid: String::new(), ..section() };
    let source = xdms.source(&section, &tally);
    assert!(quiet(&source.read(&user(), at(0)).await));
    assert_eq!(xdms.asked().iter().map(|seen| seen.what().to_owned()).collect::<Vec<_>>(), [format!("GET {PROFILE}")]);
}

#[tokio::test]
async fn i_31_whoever_wants_to_know_is_told_of_changes_and_only_of_those() {
    let (xdms, tally) = (Xdms::start().await, Arc::default());
    xdms.has(PROFILE, "1", QUIET);
    let source = xdms.source(&section(), &tally);
    let told: Arc<Mutex<Vec<Address>>> = Arc::default();
    let sink = Arc::clone(&told);
    source.changed(Arc::new(move |user| sink.lock().unwrap().push(user.clone())));
    // The first time nothing was known, so nothing changed.
    source.read(&user(), at(0)).await;
    source.read(&user(), at(61)).await;
    assert!(told.lock().unwrap().is_empty());
    xdms.has(PROFILE, "2", "<profile/>");
    assert!(!quiet(&source.read(&user(), at(122)).await));
    assert_eq!(*told.lock().unwrap(), [user()]);
    xdms.lacks(PROFILE);
    source.read(&user(), at(183)).await;
    assert_eq!(told.lock().unwrap().len(), 2);
    source.read(&user(), at(244)).await;
    assert_eq!(told.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn i_31_who_is_not_to_be_disturbed_is_read_again_unasked() {
    let (xdms, tally) = (Xdms::start().await, Arc::default());
    xdms.has(PROFILE, "1", QUIET);
    let source = xdms.source(&config::Preferences { max_age_secs: 1, ..section() }, &tally);
    let (tell, mut told) = tokio::sync::mpsc::channel(8);
    source.changed(Arc::new(move |user| tell.try_send(user.clone()).unwrap()));
    assert!(quiet(&source.read(&user(), at(0)).await));
    xdms.has(PROFILE, "2", "<profile/>");
    assert_eq!(told.recv().await, Some(user()), "nobody asked");
    assert!(!quiet(&source.read(&user(), at(3)).await));
}

#[tokio::test]
async fn many_who_wait_for_one_user_ask_once() {
    let (xdms, tally) = (Xdms::start().await, Arc::default());
    xdms.has(RULES, "1", PUSH);
    let source = xdms.source(&section(), &tally);
    let waiting: Vec<_> = (0..20).map(|_| tokio::spawn(source.read(&user(), at(0)))).collect();
    for profile in waiting {
        assert_eq!(profile.await.unwrap().origin, Origin::Document);
    }
    assert_eq!(xdms.asked().len(), 2);
}

#[tokio::test]
async fn a_reading_goes_on_when_who_began_it_has_gone() {
    let (xdms, tally) = (Xdms::start().await, Arc::default());
    xdms.has(RULES, "1", PUSH);
    let source = xdms.source(&section(), &tally);
    let mut first = source.read(&user(), at(0));
    assert!(futures_util::FutureExt::now_or_never(&mut first).is_none());
    drop(first);
    assert_eq!(source.read(&user(), at(0)).await.origin, Origin::Document);
    assert_eq!(xdms.asked().len(), 2);
}

#[tokio::test]
async fn the_cache_holds_no_more_users_and_octets_than_it_may() {
    let (xdms, tally) = (Xdms::start().await, Arc::<Tally>::default());
    let small = config::Preferences { cache_users_max: 2, ..section() };
    let source = xdms.source(&small, &tally);
    let other = |n: u32| Address::parse(&format!("sip:u{n}@ims.example.net")).unwrap();
    for n in 0..2 {
        source.read(&other(n), at(0)).await;
    }
    assert!(source.cached(&other(0), at(1)).is_some());
    source.read(&other(2), at(1)).await;
    // The one that was used stays.
    assert!(source.cached(&other(0), at(1)).is_some() && source.cached(&other(1), at(1)).is_none());
    assert_eq!(tally.limits(), [Limit::CachedUsers]);
    let few = config::Preferences { cache_users_max: 10, cache_bytes_max: 1200, ..section() };
    xdms.has(RULES, "1", PUSH);
    let source = xdms.source(&few, &tally);
    source.read(&user(), at(0)).await;
    source.read(&other(0), at(0)).await;
    assert!(source.cached(&user(), at(1)).is_none() && source.cached(&other(0), at(1)).is_some());
    assert_eq!(tally.limits(), [Limit::CachedBytes]);
}
