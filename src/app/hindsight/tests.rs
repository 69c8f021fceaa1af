//! The past of a small town, asked by policies of a real catalogue.

use super::*;
use crate::audit::whatif::tests::{standard, town};
use crate::config::Realm;
use crate::policy::engine::NICENESS;
use crate::policy::policies::{Author, Signed, Upload};
use crate::policy::tests::guest::{Guest, manage};
use crate::policy::{Keeper, NoCounters, STANDARD_COMPONENT};
use crate::shelf::MemoryShelf;
use crate::types::SeedSecret;

/// The town, and a policy that wants all messages managed.
fn past() -> (Arc<Past>, Digest) {
    let policy = config::Policy { instances_max: 8, ..config::Policy::default() };
    let realms = ["even.test", "odd.test"].map(|realm| (realm.to_owned(), Realm::default())).into();
    let config = Config { realms, policy, ..Config::default() };
    let engine = engine(&config.policy, Arc::new(NoCounters)).unwrap();
    let (clock, shelf) = (Arc::new(|| Timestamp(1_772_442_847_000)), Arc::new(MemoryShelf::default()));
    let keeper = Keeper::open(&config, engine, shelf, SeedSecret([7; 16]), clock, Arc::new(NoCounters)).unwrap();
    let guest = Guest::new();
    let component = guest.judge("handling", manage()).build().into();
    let upload = Upload { component, name: None, signature: None, realm: None };
    let upload = Signed { author: Author("ops".to_owned()), reason: String::new(), order: upload };
    let manager = keeper.upload(upload).unwrap().digest;
    (Past::new(&config, Arc::new(town(&standard).0), keeper), manager)
}

#[test]
fn the_past_tells_what_a_policy_of_the_catalogue_would_have_decided_otherwise() {
    let (past, manager) = past();
    let found = past.diff(Digest::of(STANDARD_COMPONENT), DiffOrder::default()).unwrap();
    let of = |realm: &str, hook: &str| found["realms"][realm][hook].clone();
    assert_eq!((&found["users"], &found["replayed"], &found["settings"]), (&20.into(), &20.into(), &json!({})));
    for realm in ["even.test", "odd.test"] {
        assert_eq!((&of(realm, "handling")["same"], &of(realm, "expiry")["same"]), (&30.into(), &10.into()));
    }
    let since = Some(Timestamp::from_secs(1_767_225_600 + 500));
    let order = DiffOrder { since, realm: Some("ODD.test".to_owned()), examples: 2, ..DiffOrder::default() };
    let found = past.diff(manager, order).unwrap();
    assert_eq!((&found["policy"], &found["since"]), (&json!(manager.to_string()), &json!("2026-01-01T00:08:20.000Z")));
    let handling = &found["realms"]["odd.test"]["handling"];
    assert_eq!((&handling["asked"], &handling["different"]), (&20.into(), &20.into()), "{found}");
    assert_eq!(handling["changes"]["push → manage"]["examples"].as_array().unwrap().len(), 2);
    assert!(found["realms"].get("even.test").is_none() && found["realms"]["odd.test"].get("expiry").is_none());
}

#[test]
fn what_cannot_be_asked_of_the_past_is_refused_with_its_reason() {
    let (past, manager) = past();
    let refused = |order: DiffOrder| past.diff(manager, order).unwrap_err();
    let realm = Some("none.test".to_owned());
    let error = refused(DiffOrder { realm, ..DiffOrder::default() });
    assert!(matches!(error, HindsightError::Policies(PoliciesError::NoSuchRealm(_))), "{error}");
    let error = refused(DiffOrder { settings: Some(json!({"a": 1})), ..DiffOrder::default() });
    assert!(matches!(error, HindsightError::Policies(PoliciesError::Settings(_))), "{error}");
    let (since, until) = (Some(Timestamp(5)), Some(Timestamp(5)));
    let error = refused(DiffOrder { since, until, ..DiffOrder::default() });
    assert!(matches!(error, HindsightError::NoTime { .. }), "{error}");
    let error = past.diff(Digest([1; 32]), DiffOrder::default()).unwrap_err();
    assert!(matches!(error, HindsightError::Policies(PoliciesError::NoSuchPolicy(_))), "{error}");
}

#[test]
fn one_asks_the_past_at_a_time_and_nobody_when_the_server_stops() {
    let (past, manager) = past();
    let turn = past.turn.lock().unwrap();
    assert!(matches!(past.diff(manager, DiffOrder::default()), Err(HindsightError::Busy)));
    drop(turn);
    assert!(past.diff(manager, DiffOrder::default()).is_ok());
    past.close();
    let stopping = past.diff(manager, DiffOrder::default());
    assert!(matches!(stopping, Err(HindsightError::Policies(PoliciesError::Stopping))));
}

#[test]
#[cfg(target_os = "linux")]
fn only_the_thread_that_asks_is_nice() {
    let niceness = || rustix::process::getpriority_process(None).unwrap();
    let own = niceness();
    let asking = thread::spawn(move || {
        be_nice("the past is asked");
        niceness()
    });
    assert_eq!(asking.join().unwrap(), own.max(NICENESS));
    assert_eq!(niceness(), own);
}
