//! What a restart brings back, and what it does about what cannot be brought back.

use super::world::{EAST, WEST, World, bind, config, handling, manager, moody, signed};
use crate::policy::policies::{Policies as _, PoliciesError};
use crate::policy::tests::guest::{Guest, answer, manage};
use crate::policy::{Judges as _, Ordered, PolicyError, STANDARD_COMPONENT};
use crate::queue::question::{Hook, Judge};
use crate::shelf::{Change, MemoryShelf, Shelf, ShelfError};
use crate::types::Digest;
use bytes::Bytes;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

fn standard() -> String {
    Digest::of(STANDARD_COMPONENT).to_string()
}

fn component_key(policy: Digest) -> Bytes {
    [b"component/".as_slice(), &policy.0].concat().into()
}

fn entry_key(seq: u64) -> Bytes {
    [b"entry/".as_slice(), &seq.to_be_bytes()].concat().into()
}

fn put(world: &World, key: Bytes, value: impl Into<Bytes>) {
    world.shelf.write(vec![Change::Put { key, value: value.into() }]).unwrap();
}

/// Its compiled code is gone, so that the component itself is needed.
fn forget_code(world: &World) {
    let code = world.shelf.scan(b"code/", None, 100).unwrap();
    world.shelf.write(code.into_iter().map(|(key, _)| Change::Delete { key }).collect()).unwrap();
}

/// a, then b, then c decide in the east; d is in the shadow.
fn world_with_history() -> (World, [Digest; 4]) {
    let world = World::new();
    let digests = ["a", "b", "c", "d"].map(|text| world.upload(&manager(text)));
    for digest in &digests[..3] {
        world.activate(EAST, *digest);
    }
    world.keeper.shadow(signed(bind(EAST, digests[3], None))).unwrap();
    (world, digests)
}

#[test]
fn the_same_bindings_come_back() {
    let (world, digests) = world_with_history();
    let moody = world.upload(&moody("e"));
    world.keeper.activate(signed(bind(WEST, moody, Some(json!({ "mood": "good" }))))).unwrap();
    let views = |world: &World| [EAST, WEST].map(|realm| world.keeper.realm(realm).unwrap());
    let (before, list) = (views(&world), world.list());
    let world = world.reopened();
    assert_eq!(views(&world), before);
    assert_eq!(world.list(), list);
    assert_eq!(world.ask(EAST).judge, Judge::Component(digests[2]));
    assert_eq!(world.decision(EAST, Hook::Handling).shadow.unwrap().bound.policy, digests[3].to_string());
    world.rollback(EAST).unwrap();
    assert_eq!(world.ask(EAST).judge, Judge::Component(digests[1]), "history comes back, too");
}

#[test]
fn a_component_that_does_not_load_leaves_the_last_good_one() {
    let (world, [a, b, c, d]) = world_with_history();
    // c is gone, b is damaged, and so is the one in the shadow.
    world.shelf.write(vec![Change::Delete { key: component_key(c) }]).unwrap();
    put(&world, component_key(b), manager("x"));
    put(&world, component_key(d), "no component");
    forget_code(&world);
    let world = world.reopened();
    assert_eq!(world.ask(EAST).judge, Judge::Component(a));
    let decision = world.decision(EAST, Hook::Handling);
    assert_eq!((decision.earlier.len(), decision.shadow), (1, None));
    assert!(decision.active.unwrap().trouble.is_some());
    let entries = world.events(8, 9).unwrap();
    assert!(entries.iter().all(|entry| entry.author == "restante"), "{entries:?}");
    let told: Vec<_> = entries.iter().map(|entry| &entry.events[0]).collect();
    let of = |policy: Digest| *told.iter().find(|event| event["policy"] == policy.to_string()).unwrap();
    assert_eq!((&of(c)["why"], &of(c)["role"]), (&json!("its component is missing"), &json!("active")));
    assert_eq!(of(c)["to"], a.to_string(), "b was found bad before");
    assert_eq!((&of(b)["why"], &of(b)["role"]), (&json!("its component is damaged"), &json!("earlier")));
    assert_eq!(of(d)["role"], "shadow");
    assert_eq!(*world.counted.unloadable.lock().unwrap(), 1);
    // Once told it is not told again, and an order is a new beginning.
    let count = world.story().len();
    let world = world.reopened();
    assert_eq!(world.story().len(), count);
    world.activate(EAST, Digest::of(STANDARD_COMPONENT));
    assert_eq!(*world.counted.unloadable.lock().unwrap(), 0);
}

#[test]
fn when_nothing_loads_the_baseline_decides() {
    let (world, digests) = world_with_history();
    for digest in digests {
        put(&world, component_key(digest), "");
    }
    forget_code(&world);
    let world = world.reopened();
    assert_eq!(world.stack(EAST, Hook::Handling), [standard()]);
    assert_eq!(world.ask(EAST).judge, Judge::Component(Digest::of(STANDARD_COMPONENT)));
}

/// Code of the cache does not make up for a component that is not what it was.
#[test]
fn a_damaged_component_is_not_loaded_from_the_cache() {
    let (world, [_, b, c, _]) = world_with_history();
    put(&world, component_key(c), "no component");
    let world = world.reopened();
    assert_eq!(world.ask(EAST).judge, Judge::Component(b));
}

#[test]
fn a_component_that_the_limits_forbid_now_is_taken_off() {
    let world = World::new();
    let octets: Bytes = Guest::new().judge("handling", crate::policy::tests::guest::manage()).pages(20).build().into();
    let digest = world.upload(&octets);
    world.activate(EAST, digest);
    let mut world = world;
    world.config.policy.memory_bytes_max = 1 << 20;
    let world = world.reopened();
    assert_eq!(world.stack(EAST, Hook::Handling), [standard()]);
    let last = world.events(2, 9).unwrap();
    assert_eq!(last[0].events[0]["why"], "its component is not acceptable any more");
}

#[test]
fn a_rollback_passes_over_what_does_not_load() {
    let (world, [a, b, _, _]) = world_with_history();
    put(&world, component_key(b), "no component");
    forget_code(&world);
    // Opened anew, so that b is not in memory.
    let world = world.reopened();
    world.rollback(EAST).unwrap();
    assert_eq!(world.ask(EAST).judge, Judge::Component(a));
    assert_eq!(world.story()[8..], ["PolicyUnloadable", "PolicyRolledBack"]);
}

#[test]
fn a_damaged_stream_and_a_newer_one_are_different_errors() {
    let told = |change: fn(&World, Vec<u8>)| {
        let (world, _) = world_with_history();
        let value = world.shelf.get(&entry_key(5)).unwrap().unwrap().to_vec();
        change(&world, value);
        match world.try_reopened() {
            Err(PolicyError::Catalogue(error)) => *error,
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("it was opened"),
        }
    };
    let change = |world: &World, mut value: Vec<u8>| {
        let last = value.len() - 1;
        value[last] ^= 1;
        put(world, entry_key(5), value);
    };
    assert!(matches!(told(change), PoliciesError::Damaged { .. }), "a bit");
    let short = told(|world, value| put(world, entry_key(5), value[..20].to_vec()));
    assert!(matches!(short, PoliciesError::Damaged { .. }), "the end");
    let gone = told(|world, _| world.shelf.write(vec![Change::Delete { key: entry_key(5) }]).unwrap());
    assert!(matches!(&gone, PoliciesError::Damaged { why: "an entry is missing", .. }), "{gone}");
    let moved = told(|world, value| put(world, entry_key(4), value));
    assert!(matches!(&moved, PoliciesError::Damaged { why, .. } if why.contains("in the place of another")), "{moved}");
    // An entry that can be read, but is not the one that was written.
    let chain = told(|world, mut value| {
        value[0] ^= 1;
        put(world, entry_key(5), value);
    });
    assert!(matches!(&chain, PoliciesError::Damaged { why, .. } if why.contains("chain")), "{chain}");
    let newer = told(|world, mut value| {
        value[32] = 2;
        put(world, entry_key(5), value);
    });
    assert!(matches!(newer, PoliciesError::Newer { .. }), "{newer}");
}

#[test]
fn a_configured_component_is_the_baseline_and_must_load() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("own.wasm");
    let (own, other) = (manager("own"), manager("other"));
    std::fs::write(&path, &own).unwrap();
    let mut config = config();
    config.policy.component = Some(path.clone());
    let world = World::with(config);
    assert_eq!(world.ask(EAST).judge, Judge::Component(Digest::of(&own)));
    assert_eq!(world.stack(EAST, Hook::Expiry), Vec::<String>::new(), "it does not decide this, and nothing else does");
    assert!(world.list().iter().any(|view| view.digest == standard()), "the standard is always there");
    world.activate(EAST, Digest::of(&own));
    // Another one is configured: what was bound by an order stays, all the rest follows.
    std::fs::write(&path, &other).unwrap();
    let world = world.reopened();
    assert_eq!(world.ask(EAST).judge, Judge::Component(Digest::of(&own)));
    assert_eq!(world.ask(WEST).judge, Judge::Component(Digest::of(&other)));
    std::fs::write(&path, "no component").unwrap();
    assert!(matches!(world.try_reopened(), Err(PolicyError::Unacceptable { .. })));
}

#[test]
fn a_realm_that_is_configured_no_more_keeps_what_was_bound_there_until_it_is_retired() {
    let mut world = World::new();
    let (a, b) = (world.upload(&manager("a")), world.upload(&manager("b")));
    world.activate(WEST, a);
    world.activate(WEST, b);
    let realm = world.config.realms.remove(WEST).unwrap();
    let mut world = world.reopened();
    assert_eq!(world.ask(WEST).judge, Judge::Native);
    world.retire(b).unwrap();
    world.config.realms.insert(WEST.to_owned(), realm);
    let world = world.reopened();
    assert_eq!(world.ask(WEST).judge, Judge::Component(a));
}

/// A shelf that fails when it is told to: before the write, or after it, as a crash may.
#[derive(Default)]
struct Failing {
    inner: MemoryShelf,
    before: AtomicBool,
    after: AtomicBool,
    /// Of components, as when a block of the disk is damaged.
    unreadable: AtomicBool,
}

impl Shelf for Failing {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, ShelfError> {
        if self.unreadable.load(Ordering::Relaxed) && key.starts_with(b"component/") {
            return Err(ShelfError { cause: "a block is damaged".to_owned() });
        }
        self.inner.get(key)
    }

    fn write(&self, changes: Vec<Change>) -> Result<(), ShelfError> {
        let failed = || Err(ShelfError { cause: "no more disk".to_owned() });
        if self.before.load(Ordering::Relaxed) {
            return failed();
        }
        self.inner.write(changes)?;
        if self.after.load(Ordering::Relaxed) { failed() } else { Ok(()) }
    }

    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<(Bytes, Bytes)>, ShelfError> {
        self.inner.scan(prefix, after, limit)
    }
}

#[test]
fn what_could_not_be_written_is_not_in_force() {
    let shelf = Arc::new(Failing::default());
    let world = World::over(config(), shelf.clone());
    let digest = world.upload(&manager("a"));
    shelf.before.store(true, Ordering::Relaxed);
    let failed = world.keeper.activate(signed(bind(EAST, digest, None)));
    assert!(matches!(failed, Err(PoliciesError::Store(_))));
    assert!(world.try_upload(&manager("b"), None, None).is_err());
    assert_eq!(world.ask(EAST).judge, Judge::Component(Digest::of(STANDARD_COMPONENT)));
    let failed = world.counted.orders.lock().unwrap().iter().filter(|(_, how)| *how == Ordered::Failed).count();
    assert_eq!(failed, 2);
    shelf.before.store(false, Ordering::Relaxed);
    world.activate(EAST, digest);
    assert_eq!(world.reopened().ask(EAST).judge, Judge::Component(digest));
}

#[test]
fn a_component_that_cannot_be_read_stops_no_start_and_decides_when_it_can() {
    let shelf = Arc::new(Failing::default());
    let world = World::over(config(), shelf.clone());
    let digest = world.upload(&manager("a"));
    world.activate(EAST, digest);
    let story = world.story();
    shelf.unreadable.store(true, Ordering::Relaxed);
    let world = world.reopened();
    assert_eq!(world.ask(EAST).judge, Judge::Native, "the standard rule stands in");
    assert_eq!((world.story(), *world.counted.unloadable.lock().unwrap()), (story.clone(), 1));
    assert!(world.keeper.catch_up(), "it is late, and tried again");
    // Meanwhile orders are carried out.
    let other = Digest::of(STANDARD_COMPONENT);
    world.activate(WEST, other);
    assert_eq!((world.ask(WEST).judge, world.ask(EAST).judge), (Judge::Component(other), Judge::Native));
    shelf.unreadable.store(false, Ordering::Relaxed);
    assert!(!world.keeper.catch_up());
    assert_eq!(world.ask(EAST).judge, Judge::Component(digest));
    assert_eq!(*world.counted.unloadable.lock().unwrap(), 0);
    assert!(!world.story().contains(&"PolicyUnloadable".to_owned()));
}

/// A component that takes its settings, but thinks about them.
fn slow() -> Bytes {
    let count = "(i32.store (i32.const 24) (i32.sub (i32.load (i32.const 24)) (i32.const 1)))";
    let think = format!(
        "(i32.store (i32.const 24) (i32.const 20000000)) (loop $again {count} (br_if $again (i32.load (i32.const 24))))"
    );
    let mut guest = Guest::new();
    let schema = guest.text(br#"{"type":"object"}"#);
    let guest = guest.settings(answer(&[(0, schema.0), (4, schema.1)]), format!("{think} {}", answer(&[])));
    guest.judge("handling", manage()).build().into()
}

#[test]
fn a_policy_for_which_the_machine_is_too_slow_is_not_taken_off() {
    let mut world = World::new();
    let digest = world.upload(&slow());
    world.activate(EAST, digest);
    let story = world.story();
    world.config.policy.call_ms_max = 1;
    let mut world = world.reopened();
    assert_eq!(world.ask(EAST).judge, Judge::Native);
    assert_eq!(world.story(), story, "another time it may be there");
    world.config.policy.call_ms_max = 2000;
    assert_eq!(world.reopened().ask(EAST).judge, Judge::Component(digest));
}

/// A crash between the write and the swap: the write is what counts.
#[test]
fn what_was_written_before_a_crash_is_in_force_after_it() {
    let shelf = Arc::new(Failing::default());
    let world = World::over(config(), shelf.clone());
    let digest = world.upload(&manager("a"));
    shelf.after.store(true, Ordering::Relaxed);
    assert!(world.keeper.activate(signed(bind(EAST, digest, None))).is_err());
    assert_eq!(world.keeper.host().ask(&handling(EAST)).judge, Judge::Component(Digest::of(STANDARD_COMPONENT)));
    shelf.after.store(false, Ordering::Relaxed);
    let world = world.reopened();
    assert_eq!(world.ask(EAST).judge, Judge::Component(digest));
    assert_eq!(crate::policy::keeper::verify(world.shelf.as_ref()).unwrap().entries, 2);
}

#[test]
fn the_readers_beside_a_server_see_what_it_has_written() {
    use crate::policy::keeper::{catalogue, component_of, verify, written};
    let (world, [a, b, ..]) = world_with_history();
    let shelf = world.shelf.as_ref();
    assert_eq!(written(shelf, 0, 3).unwrap().iter().map(|it| it.entry.seq).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(written(shelf, 8, 9).unwrap(), []);
    assert_eq!(component_of(shelf, a).unwrap(), Some(manager("a")));
    assert_eq!(component_of(shelf, Digest([9; 32])).unwrap(), None);
    assert_eq!(catalogue(shelf).unwrap(), world.keeper.state().catalogue);
    let verified = verify(shelf).unwrap();
    assert_eq!((verified.entries, verified.components), (8, 4));
    let last = world.events(7, 1).unwrap();
    assert_eq!(last[0].chain, verified.chain.to_string());
    put(&world, component_key(b), "no component");
    assert!(matches!(verify(world.shelf.as_ref()), Err(PoliciesError::Damaged { .. })));
}
