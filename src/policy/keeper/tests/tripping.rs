//! A policy that fails too often is taken off, and what decided before takes its place.

use super::world::{EAST, WEST, World, bind, config, handling, manager, moody, place, signed};
use crate::policy::keeper::orders::Bench;
use crate::policy::keeper::{decide, ours};
use crate::policy::policies::Policies as _;
use crate::policy::tests::guest::{Guest, answer, manage};
use crate::policy::{Judges as _, Order, Ordered, STANDARD_COMPONENT};
use crate::queue::question::{Failure, Hook, Judge};
use crate::types::Digest;
use bytes::Bytes;
use serde_json::json;

fn standard() -> Digest {
    Digest::of(STANDARD_COMPONENT)
}

/// Asks until it has failed as often as it may.
fn fail(world: &World, realm: &str, policy: Digest) {
    for _ in 0..3 {
        assert_eq!(world.ask(realm).judge, Judge::Fallback(policy, Failure::Trap));
    }
    world.until(|world| world.story().iter().any(|event| event == "PolicyTripped"));
}

#[test]
fn a_tripped_policy_gives_way_to_the_last_good_one() {
    let world = World::new();
    let (good, moody) = (world.upload(&manager("good")), world.upload(&moody("bad")));
    world.activate(EAST, good);
    world.activate_with(moody, json!({ "mood": "bad" })).unwrap();
    world.keeper.activate(signed(bind(WEST, moody, None))).unwrap();
    fail(&world, EAST, moody);
    world.until(|world| world.ask(EAST).judge == Judge::Component(good));
    let entry = world.events(5, 9).unwrap().remove(0);
    let event = json!({
        "event": "PolicyTripped", "realm": EAST, "decision": "handling", "policy": moody.to_string(), "failures": 3,
        "to": good.to_string(),
    });
    assert_eq!((entry.author.as_str(), entry.events), ("restante", vec![event]));
    let decision = world.decision(EAST, Hook::Handling);
    assert!(decision.active.unwrap().trouble.unwrap().contains("failed 3 times"));
    assert_eq!(world.stack(EAST, Hook::Expiry)[0], moody.to_string(), "its other decision did not fail");
    assert_eq!(world.ask(WEST).judge, Judge::Component(moody), "nor did it with other settings");
    // It is in force before it is counted.
    world.until(|world| world.counted.orders.lock().unwrap().contains(&(Order::Trip, Ordered::Done)));
    // It stays so after a restart, and no step leads back to what failed.
    let world = world.reopened();
    assert_eq!(world.stack(EAST, Hook::Handling), [good.to_string(), standard().to_string()]);
    assert!(world.decision(EAST, Hook::Handling).active.unwrap().trouble.is_some());
    // An operator may try again, and it begins with a clean record.
    world.activate_with(moody, json!({ "mood": "bad" })).unwrap();
    assert_eq!(world.decision(EAST, Hook::Handling).active.unwrap().trouble, None);
    assert_eq!(world.ask(EAST).judge, Judge::Fallback(moody, Failure::Trap));
}

/// A component whose `handling` is good for so many calls of an instance.
fn tiring(calls: u32) -> Bytes {
    let tired = format!(
        "(i32.store (i32.const 16) (i32.add (i32.load (i32.const 16)) (i32.const 1)))
         (if (i32.gt_u (i32.load (i32.const 16)) (i32.const {calls})) (then unreachable)) {}",
        manage()
    );
    Guest::new().judge("handling", tired).judge("expiry", answer(&[])).build().into()
}

/// A baseline that has failed leaves the standard rule: there is nothing below it.
#[test]
fn a_tripped_baseline_leaves_the_standard_rule() {
    let directory = tempfile::tempdir().unwrap();
    let (path, octets) = (directory.path().join("own.wasm"), tiring(5));
    std::fs::write(&path, &octets).unwrap();
    let mut config = config();
    config.policy.component = Some(path);
    let world = World::with(config);
    let tripped = |world: &World| world.story().iter().any(|event| event == "PolicyTripped");
    for _ in 0..60 {
        world.ask(EAST);
    }
    world.until(tripped);
    world.until(|world| world.ask(EAST).judge == Judge::Native);
    let active = world.decision(EAST, Hook::Handling).active.unwrap();
    assert!(active.policy == Digest::of(&octets).to_string() && active.trouble.unwrap().contains("tripped"));
    let bound = world.show(Digest::of(&octets)).unwrap().bound;
    assert!(!bound.iter().any(|place| place.realm == EAST && place.decision == "handling"), "{bound:?}");
    assert_eq!(world.events(0, 9).unwrap()[0].events[0]["to"], "the standard rule");
    let world = world.reopened();
    assert_eq!(world.ask(EAST).judge, Judge::Native, "a restart does not make it good");
    // What is bound above it decides, and going back leads to where it was.
    let good = world.upload(&manager("good"));
    world.activate(EAST, good);
    assert_eq!(world.ask(EAST).judge, Judge::Component(good));
    world.keeper.rollback(signed(place(EAST))).unwrap();
    assert_eq!(world.ask(EAST).judge, Judge::Native);
}

/// An operator may have bound the same policy anew, with better settings, while the alarm waited for its turn.
#[test]
fn what_is_not_tripped_any_more_is_not_taken_off() {
    let world = World::new();
    let moody = world.upload(&moody("bad"));
    world.activate_with(moody, json!({ "mood": "bad" })).unwrap();
    let trip =
        ours(decide::Order::Trip { realm: EAST.to_owned(), hook: Hook::Handling, policy: moody, failures: 3 }, "");
    let events = world.keeper.carry_out_if(|| false, &trip, None, &mut Bench::default()).unwrap();
    assert_eq!((events, world.stack(EAST, Hook::Handling)[0].clone()), (Vec::new(), moody.to_string()));
    let events = world.keeper.carry_out_if(|| true, &trip, None, &mut Bench::default()).unwrap();
    assert_eq!((events.len(), world.stack(EAST, Hook::Handling)[0].clone()), (1, standard().to_string()));
}

#[test]
fn an_alarm_about_what_an_operator_has_taken_off_is_about_nothing() {
    let world = World::new();
    let (good, moody) = (world.upload(&manager("good")), world.upload(&moody("bad")));
    world.activate_with(moody, json!({ "mood": "bad" })).unwrap();
    let state = world.keeper.state();
    let host = world.keeper.host();
    (0..3).for_each(|_| drop(host.ask(&handling(EAST))));
    assert_eq!(
        host.ask(&handling(EAST)).judge,
        Judge::Fallback(moody, Failure::Unavailable),
        "at once, before the entry"
    );
    // The operator is faster than the thread.
    let raced = std::thread::scope(|scope| {
        let order = scope.spawn(|| world.keeper.activate(signed(bind(EAST, good, None))).is_ok());
        drop(state);
        order.join().unwrap()
    });
    assert!(raced);
    world.until(|world| world.ask(EAST).judge == Judge::Component(good));
    assert_eq!(world.stack(EAST, Hook::Handling)[0], good.to_string());
}
