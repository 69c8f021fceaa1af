//! An XDMS that fails: what stands in, how often it is asked, and when it is left alone. Nothing is ever taken for
//! *absent* that is not.

use super::counting::Tally;
use super::xdms::{Mood, PROFILE, RULES, Xdms};
use super::*;

/// A source that has read the documents of the user once.
async fn known(xdms: &Xdms, section: &config::Preferences, tally: &Arc<Tally>) -> XcapSource {
    xdms.has(RULES, "1", PUSH);
    xdms.has(PROFILE, "1", QUIET);
    let source = xdms.source(section, tally);
    source.read(&user(), at(0)).await;
    tally.outcomes();
    xdms.asked();
    source
}

#[tokio::test]
async fn exp_1_without_an_answer_the_last_good_documents_stand_in() {
    let (xdms, tally) = (Xdms::start().await, Arc::default());
    let section = config::Preferences { request_ms_max: 50, breaker_failures: 100, ..section() };
    let source = known(&xdms, &section, &tally).await;
    for (n, (mood, outcome)) in [
        (Mood::Answers(500), Outcome::Failed),
        (Mood::Answers(503), Outcome::Failed),
        (Mood::Answers(429), Outcome::Failed),
        (Mood::HangsUp, Outcome::Transport),
        (Mood::Silent, Outcome::Timeout),
    ]
    .into_iter()
    .enumerate()
    {
        xdms.is(mood.clone());
        let now = at(100 * (n as u64 + 1));
        let profile = source.read(&user(), now).await;
        assert_eq!(profile.origin, Origin::Stale, "{mood:?}");
        assert_eq!((manage_or_push(&profile), quiet(&profile)), (Some(true), true), "{mood:?}");
        // Asked again as often as is allowed, but only for the first document.
        assert_eq!(tally.outcomes(), [outcome, outcome], "{mood:?}");
        // And not again for every message, for a while.
        assert_eq!(source.cached(&user(), now.after(Duration::from_secs(4))).unwrap().origin, Origin::Stale);
        assert_eq!(source.cached(&user(), now.after(Duration::from_secs(6))), None);
    }
    xdms.is(Mood::Well);
    let profile = source.read(&user(), at(1000)).await;
    assert_eq!((profile.origin, manage_or_push(&profile), quiet(&profile)), (Origin::Document, Some(true), true));
    assert_eq!(tally.outcomes(), [Outcome::Unchanged, Outcome::Unchanged]);
}

#[tokio::test]
async fn exp_1_without_an_answer_and_without_knowledge_it_is_unreachable_and_not_absent() {
    let (xdms, tally) = (Xdms::start().await, Arc::default());
    let source = xdms.source(&section(), &tally);
    xdms.is(Mood::Answers(500));
    let profile = source.read(&user(), at(0)).await;
    assert_eq!((profile.origin, manage_or_push(&profile)), (Origin::Unreachable, None));
    assert_eq!(xdms.asked().len(), 2);
}

#[tokio::test]
async fn a_failure_that_passes_is_not_even_seen() {
    let (xdms, tally) = (Xdms::start().await, Arc::default());
    let section = config::Preferences { retry_pause_ms: 20, ..section() };
    xdms.has(RULES, "1", PUSH);
    xdms.is(Mood::HangsUp);
    let source = xdms.source(&section, &tally);
    let reading = tokio::spawn(source.read(&user(), at(0)));
    while xdms.server.seen().is_empty() {
        tokio::task::yield_now().await;
    }
    xdms.is(Mood::Well);
    assert_eq!(reading.await.unwrap().origin, Origin::Document);
    assert_eq!(tally.outcomes(), [Outcome::Transport, Outcome::Found, Outcome::Absent]);
}

#[tokio::test]
async fn a_refusal_is_a_failure_that_is_not_repeated_and_does_not_open_the_breaker() {
    for status in [401, 403, 302, 304, 204, 400] {
        let (xdms, tally) = (Xdms::start().await, Arc::default());
        let section = config::Preferences { breaker_failures: 1, ..section() };
        let source = xdms.source(&section, &tally);
        xdms.is(Mood::Answers(status));
        assert_eq!(source.read(&user(), at(0)).await.origin, Origin::Unreachable, "{status}");
        assert_eq!(tally.outcomes(), [Outcome::Refused], "{status}");
        xdms.is(Mood::Well);
        assert_eq!(source.read(&user(), at(10)).await.origin, Origin::Absent, "{status}");
    }
}

#[tokio::test]
async fn a_document_that_cannot_be_read_is_no_absent_document() {
    for garbage in ["", "not xml", "<ruleset", "<!DOCTYPE ruleset [<!ENTITY a 'b'>]><ruleset>&a;</ruleset>", "<other/>"]
    {
        let (xdms, tally) = (Xdms::start().await, Arc::default());
        xdms.has(RULES, "g", garbage);
        let source = xdms.source(&section(), &tally);
        assert_eq!(source.read(&user(), at(0)).await.origin, Origin::Unreachable, "{garbage}");
        assert_eq!(tally.outcomes(), [Outcome::Unreadable], "{garbage}");

        let source = known(&xdms, &section(), &tally).await;
        xdms.has(RULES, "g", garbage);
        let profile = source.read(&user(), at(61)).await;
        assert_eq!((profile.origin, manage_or_push(&profile)), (Origin::Stale, Some(true)), "{garbage}");
        assert_eq!(tally.outcomes(), [Outcome::Unreadable], "{garbage}");
    }
}

#[tokio::test]
async fn a_document_that_is_too_long_is_not_taken_and_counted() {
    let (xdms, tally) = (Xdms::start().await, Arc::<Tally>::default());
    let section = config::Preferences { document_bytes_max: 1024, ..section() };
    xdms.has(RULES, "1", &format!("{PUSH}{}", " ".repeat(1024)));
    let source = xdms.source(&section, &tally);
    assert_eq!(source.read(&user(), at(0)).await.origin, Origin::Unreachable);
    assert_eq!((tally.outcomes(), tally.limits()), (vec![Outcome::Unreadable], vec![Limit::DocumentBytes]));
}

#[tokio::test]
async fn with_one_document_of_two_the_other_is_not_taken_for_absent() {
    let (xdms, tally) = (Xdms::start().await, Arc::default());
    xdms.has(RULES, "1", PUSH);
    xdms.has(PROFILE, "g", "<garbage");
    let source = xdms.source(&section(), &tally);
    let profile = source.read(&user(), at(0)).await;
    assert_eq!((profile.origin, manage_or_push(&profile)), (Origin::Unreachable, None));
    // The first one is not forgotten: it needs not be sent again.
    xdms.has(PROFILE, "1", QUIET);
    tally.outcomes();
    let profile = source.read(&user(), at(10)).await;
    assert_eq!((profile.origin, manage_or_push(&profile), quiet(&profile)), (Origin::Document, Some(true), true));
    assert_eq!(tally.outcomes(), [Outcome::Unchanged, Outcome::Found]);
}

#[tokio::test]
async fn an_xdms_that_fails_too_often_is_left_alone_and_then_tried_with_one_request() {
    let (xdms, tally) = (Xdms::start().await, Arc::default());
    let section = config::Preferences { breaker_failures: 3, breaker_pause_secs: 10, attempts_max: 1, ..section() };
    let source = known(&xdms, &section, &tally).await;
    let other = |n: u32| Address::parse(&format!("sip:u{n}@ims.example.net")).unwrap();
    xdms.is(Mood::Answers(503));
    for n in 0..3 {
        assert_eq!(source.read(&other(n), at(100)).await.origin, Origin::Unreachable);
    }
    assert_eq!((xdms.asked().len(), tally.left_alone()), (3, vec![true]));
    tally.outcomes();
    // From now on it is answered at once: with what was known, or that nothing is.
    assert_eq!(source.read(&user(), at(105)).await.origin, Origin::Stale);
    assert_eq!(source.read(&other(9), at(105)).await.origin, Origin::Unreachable);
    assert_eq!((xdms.asked().len(), tally.outcomes()), (0, vec![Outcome::NotAsked; 2]));
    // After the pause one request tries, and while it fails the others are not sent.
    xdms.is(Mood::Answers(500));
    for n in 10..13 {
        assert_eq!(source.read(&other(n), at(115)).await.origin, Origin::Unreachable);
    }
    assert_eq!((xdms.asked().len(), tally.left_alone().len()), (1, 0));
    xdms.is(Mood::Well);
    assert_eq!(source.read(&user(), at(130)).await.origin, Origin::Document);
    assert_eq!(source.read(&other(0), at(130)).await.origin, Origin::Absent);
    assert_eq!(tally.left_alone(), [false]);
}

#[tokio::test]
async fn beyond_so_many_readings_what_is_known_must_do() {
    let (xdms, tally) = (Xdms::start().await, Arc::<Tally>::default());
    let section = config::Preferences { reads_max: 1, request_ms_max: 100, attempts_max: 1, ..section() };
    let source = known(&xdms, &section, &tally).await;
    xdms.is(Mood::Silent);
    let other = Address::parse("sip:other@ims.example.net").unwrap();
    let mut slow = source.read(&other, at(100));
    assert!(futures_util::FutureExt::now_or_never(&mut slow).is_none());
    assert_eq!(source.read(&user(), at(100)).await.origin, Origin::Stale);
    assert_eq!(tally.limits(), [Limit::Reads]);
    assert_eq!(slow.await.origin, Origin::Unreachable);
    xdms.is(Mood::Well);
    assert_eq!(source.read(&user(), at(100)).await.origin, Origin::Document);
}
