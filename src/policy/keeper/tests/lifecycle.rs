//! From upload to retirement, and every order that is wrong.

use super::world::{EAST, WEST, World, bind, broken, config, handling, manager, moody, place, signed};
use crate::config::Config;
use crate::policy::policies::{Announced, Bind, Place, Policies as _, PoliciesError, Realms, Signed, Upload};
use crate::policy::{Judges as _, Limit, Order, Ordered, STANDARD_COMPONENT};
use crate::queue::question::{Handling, Hook, Judge, Verdict};
use crate::types::{Digest, Timestamp};
use bytes::Bytes;
use serde_json::json;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const MANAGE: Verdict = Verdict::Handling(Handling::Manage);
const PUSH: Verdict = Verdict::Handling(Handling::Push);

fn standard() -> Digest {
    Digest::of(STANDARD_COMPONENT)
}

#[test]
fn a_policy_goes_from_upload_to_retirement() {
    let world = World::new();
    assert_eq!(world.ask(EAST).judge, Judge::Component(standard()));
    let octets = manager("a");
    let first = world.try_upload(&octets, Some(EAST), None).unwrap();
    assert!(first.new && first.report.is_acceptable() && first.digest == Digest::of(&octets));
    assert!(!world.try_upload(&octets, Some(EAST), None).unwrap().new, "the same again is no error");
    assert_eq!(world.component(first.digest).unwrap(), octets);
    assert_eq!(world.ask(EAST).verdict, PUSH, "nothing is bound by an upload");

    world.keeper.shadow(signed(bind(EAST, first.digest, None))).unwrap();
    assert_eq!(world.ask(EAST).verdict, PUSH, "a shadow has no effect");
    world.until(|world| world.decision(EAST, Hook::Handling).shadow.unwrap().different == 1);
    let shadow = world.decision(EAST, Hook::Handling).shadow.unwrap();
    assert_eq!((shadow.asked, shadow.samples[0].shadow.as_str()), (1, "manage"));

    let view = world.activate(EAST, first.digest);
    assert!(view.decisions.iter().all(|decision| decision.shadow.is_none()), "it decides now");
    assert_eq!(
        world.ask(EAST),
        crate::queue::question::Ruling { verdict: MANAGE, judge: Judge::Component(first.digest) }
    );
    assert_eq!(world.ask(WEST).judge, Judge::Component(standard()), "another realm is another matter");
    assert_eq!(world.stack(EAST, Hook::Handling), [first.digest.to_string(), standard().to_string()]);
    assert_eq!(world.stack(EAST, Hook::Expiry), [standard().to_string()], "it does not decide this");
    let bound = world.show(first.digest).unwrap().bound;
    assert_eq!((bound.len(), bound[0].realm.as_str(), bound[0].role.as_str()), (1, EAST, "active"));
    let retire = || world.retire(first.digest);
    assert!(matches!(retire(), Err(PoliciesError::InUse { bound: places, elsewhere: false }) if places == bound));

    world.rollback(EAST).unwrap();
    assert_eq!(world.ask(EAST).judge, Judge::Component(standard()));
    assert!(matches!(world.rollback(EAST), Err(PoliciesError::NothingToRollBack { .. })));
    let view = retire().unwrap();
    assert_eq!((view.state.as_str(), view.settings_schema), ("retired", None));
    assert!(matches!(world.component(first.digest), Err(PoliciesError::Retired(_))));
    assert!(world.try_upload(&octets, None, None).unwrap().new, "it may come again");
    world.activate(EAST, first.digest);
    assert_eq!(world.ask(EAST).verdict, MANAGE);

    let story = ["PolicyUploaded", "PolicyShadowed", "PolicyActivated", "PolicyRolledBack", "PolicyRetired"];
    assert_eq!(world.story(), [&story[..], &["PolicyUploaded", "PolicyActivated"]].concat());
    let orders = world.counted.orders.lock().unwrap();
    assert_eq!(orders.iter().filter(|(_, ordered)| *ordered == Ordered::Done).count(), 8);
    assert!(
        orders.contains(&(Order::Retire, Ordered::Refused)) && orders.contains(&(Order::Rollback, Ordered::Refused))
    );
}

#[test]
fn every_entry_says_who_when_and_why() {
    let world = World::new();
    let digest = world.upload(&manager("a"));
    world.later(Duration::from_mins(1));
    let order = Signed { reason: "ticket 4711, wie gewünscht".to_owned(), ..signed(bind(EAST, digest, None)) };
    world.keeper.activate(order).unwrap();
    let entries = world.events(1, 10).unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!((entries[0].seq, entries[0].author.as_str()), (2, "ops"));
    assert_eq!(entries[0].reason, "ticket 4711, wie gewünscht");
    assert_eq!(entries[0].at, Timestamp(1_772_442_907_000).to_string());
    let event = json!({
        "event": "PolicyActivated", "realm": EAST, "decisions": ["handling"], "policy": digest.to_string(), "settings": {},
    });
    assert_eq!(entries[0].events, [event]);
    let active = world.decision(EAST, Hook::Handling).active.unwrap();
    assert_eq!((active.by.as_deref(), active.since.as_deref()), (Some("ops"), Some(entries[0].at.as_str())));
    assert_eq!(active.trouble, None);
}

#[test]
fn settings_are_checked_and_kept_in_one_form() {
    let world = World::new();
    let digest = world.upload(&moody("a"));
    let told = world.activate_with(digest, json!({ "mood": 7 })).unwrap_err();
    assert!(matches!(&told, PoliciesError::Settings(problems) if problems[0].at == "/mood"), "{told}");
    assert!(matches!(world.activate_with(digest, json!([1])), Err(PoliciesError::Settings(_))));
    let large = json!({ "mood": "x".repeat(70_000) });
    assert!(matches!(world.activate_with(digest, large), Err(PoliciesError::Settings(_))));
    let none = world.upload(&manager("b"));
    assert!(matches!(world.activate_with(none, json!({ "mood": "" })), Err(PoliciesError::Settings(_))));
    assert_eq!(world.ask(EAST).judge, Judge::Component(standard()), "nothing has changed");
    world.activate_with(digest, json!({ "mood": "good" })).unwrap();
    assert_eq!(world.decision(EAST, Hook::Expiry).active.unwrap().settings, json!({ "mood": "good" }));
    // The same once more is no step.
    world.activate_with(digest, json!({ "mood": "good" })).unwrap();
    assert_eq!(world.stack(EAST, Hook::Expiry).len(), 2);
}

#[test]
fn decisions_are_bound_one_by_one() {
    let world = World::new();
    let (both, one) = (world.upload(&moody("a")), world.upload(&manager("b")));
    world.activate(EAST, both);
    world.activate(EAST, one);
    assert_eq!(world.stack(EAST, Hook::Handling)[0], one.to_string());
    assert_eq!(world.stack(EAST, Hook::Expiry)[0], both.to_string());
    let decisions = Some(vec![Hook::Delivery]);
    let wrong = world.keeper.activate(signed(Bind { decisions: decisions.clone(), ..bind(EAST, one, None) }));
    assert!(matches!(wrong, Err(PoliciesError::NotDecided { .. })));
    let nothing = world.keeper.rollback(signed(Place { decisions, ..place(EAST) }));
    assert!(matches!(nothing, Err(PoliciesError::NothingToRollBack { .. })));
    world.keeper.rollback(signed(Place { decisions: Some(vec![Hook::Handling]), ..place(EAST) })).unwrap();
    assert_eq!(world.stack(EAST, Hook::Handling)[0], both.to_string());
}

#[test]
fn policies_are_named_by_digest_beginning_or_name() {
    let world = World::new();
    let upload = |text: &str, name: &str| {
        let upload = Upload { component: manager(text), name: Some(name.to_owned()), signature: None, realm: None };
        world.keeper.upload(signed(upload))
    };
    let (a, b) = (upload("a", "quiet").unwrap().digest, upload("b", "loud").unwrap().digest);
    let c = upload("c", "loud").unwrap().digest;
    let resolve = |text: &str| world.resolve(text);
    assert_eq!(resolve(&a.to_string()).unwrap(), a);
    assert_eq!(resolve(&a.to_string()[..8].to_uppercase()).unwrap(), a);
    assert_eq!(resolve("quiet").unwrap(), a);
    assert_eq!(resolve("standard").unwrap(), standard());
    assert_eq!(resolve(&standard().to_string()[..10]).unwrap(), standard());
    let both = resolve("loud").unwrap_err().to_string();
    for digest in [b, c] {
        assert!(both.contains(&digest.to_string()[..16]) && both.contains("names 2 policies"), "{both}");
    }
    assert!(matches!(resolve(&a.to_string()[..7]), Err(PoliciesError::NoSuchPolicy(_))), "too few digits");
    assert!(matches!(resolve(""), Err(PoliciesError::NoSuchPolicy(_))));
    assert!(matches!(resolve(&"0".repeat(64)), Err(PoliciesError::NoSuchPolicy(_))));
    world.retire(b).unwrap();
    assert!(resolve("loud").is_ok_and(|found| found != b), "a retired one does not stand in the way");
    for bad in ["standard", "", "a b", "é", "deadbeef", &"x".repeat(65)] {
        assert!(matches!(upload("d", bad), Err(PoliciesError::Text { what: "name", .. })), "{bad}");
    }
    let names: Vec<Option<String>> = world.list().into_iter().map(|view| view.name).collect();
    assert_eq!(names, ["loud", "loud", "quiet", "standard"].map(|name| Some(name.to_owned())));
}

#[test]
fn reasons_are_short_and_on_one_line() {
    let world = World::new();
    let order = |reason: String| world.keeper.rollback(Signed { reason, ..signed(place(EAST)) });
    for bad in ["a\nb".to_owned(), "\u{1b}[2J".to_owned(), "\u{202e}a".to_owned(), "x".repeat(513)] {
        assert!(matches!(order(bad), Err(PoliciesError::Text { what: "reason", .. })));
    }
    assert!(matches!(order(String::new()), Err(PoliciesError::NothingToRollBack { .. })));
}

#[test]
fn wrong_orders_change_nothing() {
    let world = World::new();
    let digest = world.upload(&manager("a"));
    let nobody = Digest([9; 32]);
    let keeper = &world.keeper;
    let wrong = |result: Result<(), PoliciesError>, is: fn(&PoliciesError) -> bool| {
        let error = result.unwrap_err();
        assert!(is(&error), "{error}");
        assert!(!error.to_string().is_empty());
    };
    let realm = |error: &PoliciesError| matches!(error, PoliciesError::NoSuchRealm(_));
    wrong(keeper.activate(signed(bind("nowhere.test", digest, None))).map(drop), realm);
    wrong(keeper.end_shadow(signed(place("nowhere.test"))).map(drop), realm);
    wrong(keeper.rollback(signed(place("nowhere.test"))).map(drop), realm);
    wrong(keeper.realm("nowhere.test").map(drop), realm);
    wrong(world.try_upload(&manager("b"), Some("nowhere.test"), None).map(drop), realm);
    let policy = |error: &PoliciesError| matches!(error, PoliciesError::NoSuchPolicy(_));
    wrong(keeper.activate(signed(bind(EAST, nobody, None))).map(drop), policy);
    wrong(keeper.shadow(signed(bind(EAST, nobody, None))).map(drop), policy);
    wrong(world.retire(nobody).map(drop), policy);
    wrong(world.show(nobody).map(drop), policy);
    wrong(world.component(nobody).map(drop), policy);
    wrong(world.retire(standard()).map(drop), |error| matches!(error, PoliciesError::BuiltIn));
    let nothing = |error: &PoliciesError| matches!(error, PoliciesError::NothingShadowed { .. });
    wrong(keeper.end_shadow(signed(place(EAST))).map(drop), nothing);
    assert_eq!(world.story(), ["PolicyUploaded"]);
    assert_eq!(world.ask(EAST).judge, Judge::Component(standard()));
}

#[test]
fn uploads_that_are_refused_leave_a_trace() {
    let config = config();
    let world = World::with(Config { policy: crate::config::Policy { catalogue_max: 1, ..config.policy }, ..config });
    let refused = world.try_upload(&broken(), None, None).unwrap_err();
    assert!(matches!(&refused, PoliciesError::Unacceptable(report) if !report.findings().is_empty()), "{refused}");
    world.later(Duration::from_secs(2));
    let large = Bytes::from(vec![0; (1 << 20) + 1]);
    let refused = world.try_upload(&large, None, None).unwrap_err();
    assert!(matches!(refused, PoliciesError::TooLarge { octets: 1_048_577, limit: 1_048_576 }));
    world.later(Duration::from_secs(2));
    world.upload(&manager("a"));
    let refused = world.try_upload(&manager("b"), None, None).unwrap_err();
    assert!(matches!(refused, PoliciesError::Full { what: "policy.catalogue-max", limit: 1 }));
    let causes: Vec<_> = world.events(0, 9).unwrap().into_iter().map(|e| e.events[0]["cause"].clone()).collect();
    assert_eq!(causes[0], json!({ "kind": "unacceptable", "findings": ["self-test"] }));
    assert_eq!(causes[1], json!({ "kind": "too-large" }));
    assert_eq!(causes[3], json!({ "kind": "full", "limit": "policy.catalogue-max" }));
    assert_eq!(*world.counted.limits.lock().unwrap(), [Limit::ComponentBytes, Limit::Catalogue]);
    assert_eq!(world.list().len(), 2, "nothing of them is kept");
}

#[test]
fn an_upload_that_is_not_even_read_leaves_a_trace() {
    let world = World::new();
    let error = PoliciesError::TooLarge { octets: 1 << 40, limit: 1 << 20 };
    world.keeper.turned_away(
        Signed { reason: "a\nb".to_owned(), ..signed(Announced { octets: 1 << 40, realm: Some(EAST.to_owned()) }) },
        &error,
    );
    let entry = world.events(0, 9).unwrap().remove(0);
    let event = json!({
        "event": "UploadRefused", "policy": null, "bytes": 1_u64 << 40, "cause": { "kind": "too-large" },
        "unrecorded": 0, "realm": EAST,
    });
    assert_eq!((entry.reason.as_str(), entry.events), ("", vec![event]));
    assert_eq!(*world.counted.orders.lock().unwrap(), [(Order::Upload, Ordered::Refused)]);
    assert_eq!(*world.counted.limits.lock().unwrap(), [Limit::ComponentBytes]);
}

#[test]
fn refusals_that_come_fast_are_only_counted() {
    let world = World::new();
    let large = Bytes::from(vec![0; (1 << 20) + 1]);
    let refuse = || assert!(world.try_upload(&large, None, None).is_err());
    (0..50).for_each(|_| refuse());
    assert_eq!(world.story().len(), 1);
    world.later(Duration::from_millis(999));
    refuse();
    assert_eq!(world.story().len(), 1);
    world.later(Duration::from_millis(1));
    refuse();
    let last = world.events(1, 9).unwrap();
    assert_eq!((last.len(), last[0].events[0]["unrecorded"].as_u64()), (1, Some(50)));
}

#[test]
fn a_built_in_policy_that_is_bound_is_kept() {
    let world = World::new();
    world.activate(EAST, standard());
    assert_eq!(world.story(), ["PolicyUploaded", "PolicyActivated"]);
    assert_eq!(world.ask(EAST).judge, Judge::Component(standard()));
    assert!(matches!(world.retire(standard()), Err(PoliciesError::BuiltIn)));
    assert_eq!(world.list().len(), 1);
    let verified = crate::policy::keeper::verify(world.shelf.as_ref()).unwrap();
    assert_eq!((verified.entries, verified.components), (1, 1));
}

#[test]
fn after_the_end_no_order_is_taken_and_questions_are_answered() {
    let world = World::new();
    let digest = world.upload(&manager("a"));
    world.keeper.close();
    let refused = world.keeper.activate(signed(bind(EAST, digest, None)));
    assert!(matches!(refused, Err(PoliciesError::Stopping)));
    assert_eq!(world.ask(EAST).verdict, PUSH);
    world.keeper.close();
}

/// Orders of many at once: each is whole, all are in the stream, and whoever asks meanwhile is answered by one of them.
#[test]
fn orders_at_the_same_time_are_carried_out_one_after_another() {
    let world = World::new();
    let digests = [world.upload(&manager("a")), world.upload(&manager("b"))];
    let (host, done) = (world.keeper.host(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let mut asked = 0;
            while !done.load(Ordering::Relaxed) {
                let ruling = host.ask(&handling(EAST));
                match ruling.judge {
                    Judge::Component(digest) if digests.contains(&digest) => assert_eq!(ruling.verdict, MANAGE),
                    Judge::Component(digest) if digest == standard() => assert_eq!(ruling.verdict, PUSH),
                    other => panic!("{other:?}"),
                }
                asked += 1;
            }
            asked
        });
        let ordering: Vec<_> = (0..4)
            .map(|n| {
                let world = &world;
                scope.spawn(move || {
                    for turn in 0..10 {
                        let keeper = &world.keeper;
                        let result = match (n + turn) % 4 {
                            0 | 1 => keeper.activate(signed(bind(EAST, digests[turn % 2], None))).map(drop),
                            2 => keeper.shadow(signed(bind(EAST, digests[turn % 2], None))).map(drop),
                            _ => keeper.rollback(signed(place(EAST))).map(drop),
                        };
                        let fine = matches!(result, Ok(()) | Err(PoliciesError::NothingToRollBack { .. }));
                        assert!(fine, "{result:?}");
                    }
                })
            })
            .collect();
        for thread in ordering {
            thread.join().unwrap();
        }
        done.store(true, Ordering::Relaxed);
        assert!(asking.join().unwrap() > 0);
    });
    let verified = crate::policy::keeper::verify(world.shelf.as_ref()).unwrap();
    assert_eq!(verified.entries, world.events(0, 1000).unwrap().len() as u64);
    let before = world.keeper.realm(EAST).unwrap();
    let (was, is) = (before.decisions, world.reopened().keeper.realm(EAST).unwrap().decisions);
    let placed = |view: &crate::policy::view::DecisionView| (view.active.clone(), view.earlier.clone());
    assert_eq!(was.iter().map(placed).collect::<Vec<_>>(), is.iter().map(placed).collect::<Vec<_>>());
}

/// Settings may be long: an answer of many entries with such has fewer of them, and says where to go on.
#[test]
fn pages_of_the_stream_end() {
    let world = World::new();
    let policy = world.upload(&moody("a"));
    let long = |n: usize| json!({ "mood": format!("{n}{}", "x".repeat(40_000)) });
    for n in 0..60 {
        world.activate_with(policy, long(n)).unwrap();
    }
    let (mut after, mut seen, mut pages) = (0, 0, 0);
    loop {
        let page = world.keeper.events(after, 1000, &Realms::All).unwrap();
        if page.entries.is_empty() {
            break;
        }
        assert!(page.entries.len() < 61 && page.next == after + page.entries.len() as u64);
        (after, seen, pages) = (page.next, seen + page.entries.len(), pages + 1);
    }
    assert_eq!((seen, after), (61, 61));
    assert!(pages > 1);
}
