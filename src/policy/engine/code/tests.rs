//! What is kept is used; what anybody else has touched is not.

use super::*;
use crate::config;
use crate::policy::tests::ENGINE;
use crate::policy::tests::guest::{Guest, answer};
use crate::policy::{Binding, NoCounters, STANDARD_COMPONENT, samples};
use crate::queue::question::{Admission, Verdict};
use crate::shelf::MemoryShelf;

const SECRET: [u8; 32] = [7; 32];

fn cache() -> (Arc<MemoryShelf>, CodeCache) {
    let shelf = Arc::new(MemoryShelf::default());
    (Arc::clone(&shelf), CodeCache::new(shelf, SECRET))
}

/// The only piece on the shelf.
fn piece(shelf: &MemoryShelf) -> (Bytes, Bytes) {
    let mut all = shelf.scan(PREFIX, None, 10).unwrap();
    assert_eq!(all.len(), 1);
    all.remove(0)
}

fn put(shelf: &MemoryShelf, key: &Bytes, value: Vec<u8>) {
    shelf.write(vec![Change::Put { key: key.clone(), value: value.into() }]).unwrap();
}

/// Accepts for so many seconds.
fn component(secs: u32) -> Vec<u8> {
    Guest::new().judge("admission", answer(&[(16, secs)])).build()
}

fn accepts(component: Component) -> u64 {
    let binding = Binding::new(Arc::new(component), "{}").unwrap();
    match binding.judge(&samples::admission()) {
        Ok(Verdict::Admission(Admission::Accept { expiry_max_secs })) => expiry_max_secs,
        other => panic!("{other:?}"),
    }
}

#[test]
fn code_is_kept_found_again_and_forgotten() {
    let (shelf, cache) = cache();
    let bytes = component(60);
    assert!(cache.find(&ENGINE, Digest::of(&bytes)).is_none());
    assert_eq!(accepts(ENGINE.load_cached(&bytes, &cache).unwrap()), 60);
    let kept = piece(&shelf);
    assert!(kept.0.starts_with(&[PREFIX, &Digest::of(&bytes).0].concat()));
    assert!(cache.find(&ENGINE, Digest::of(&bytes)).is_some());
    let again = ENGINE.load_cached(&bytes, &cache).unwrap();
    assert_eq!((again.digest(), accepts(again)), (Digest::of(&bytes), 60));
    assert_eq!(piece(&shelf), kept);
    cache.forget(Digest::of(&bytes)).unwrap();
    assert!(shelf.scan(b"", None, 10).unwrap().is_empty());
    cache.forget(Digest::of(&bytes)).unwrap();
}

#[test]
fn what_an_upload_has_compiled_is_kept_without_compiling_it_again() {
    let (shelf, cache) = cache();
    let (report, component) = crate::policy::check::examine(STANDARD_COMPONENT, None, &ENGINE).unwrap();
    let component = component.unwrap_or_else(|| panic!("{report}"));
    cache.keep(&component).unwrap();
    let kept = piece(&shelf);
    let loaded = ENGINE.load_cached(STANDARD_COMPONENT, &cache).unwrap();
    assert_eq!(loaded.schema(), component.schema());
    assert_eq!(piece(&shelf), kept);
}

#[test]
fn whatever_is_wrong_with_it_it_is_compiled_anew_and_replaced() {
    let (shelf, cache) = cache();
    let bytes = component(60);
    ENGINE.load_cached(&bytes, &cache).unwrap();
    let (key, good) = piece(&shelf);
    let mut wrong = vec![Vec::new(), vec![0; MARK - 1], good[..MARK].to_vec(), good[..good.len() - 1].to_vec()];
    wrong.push([&good[..], b"\0"].concat());
    wrong.push([&[0; MARK], &good[MARK..]].concat());
    for at in [0, MARK - 1, MARK, MARK + 100, good.len() / 2, good.len() - 1] {
        let mut changed = good.to_vec();
        changed[at] ^= 1;
        wrong.push(changed);
    }
    for value in wrong {
        put(&shelf, &key, value);
        assert!(cache.find(&ENGINE, Digest::of(&bytes)).is_none());
        assert_eq!(accepts(ENGINE.load_cached(&bytes, &cache).unwrap()), 60);
        assert!(cache.find(&ENGINE, Digest::of(&bytes)).is_some());
    }
}

#[test]
fn code_of_another_component_or_another_secret_is_not_taken() {
    let (shelf, cache) = cache();
    let (minute, hour) = (component(60), component(3600));
    ENGINE.load_cached(&hour, &cache).unwrap();
    let (_, code_of_hour) = piece(&shelf);
    cache.forget(Digest::of(&hour)).unwrap();
    // Good code, well marked, in another's place.
    put(&shelf, &key_of(Digest::of(&minute), &ENGINE.0.hash).into(), code_of_hour.to_vec());
    assert_eq!(accepts(ENGINE.load_cached(&minute, &cache).unwrap()), 60);
    // Good code, marked by another data directory.
    let other = CodeCache::new(shelf.clone(), [8; 32]);
    assert!(other.find(&ENGINE, Digest::of(&minute)).is_none());
    assert_eq!(accepts(ENGINE.load_cached(&minute, &other).unwrap()), 60);
    assert!(cache.find(&ENGINE, Digest::of(&minute)).is_none());
}

#[test]
fn another_engine_compiles_anew_and_what_it_left_is_swept() {
    let (shelf, cache) = cache();
    let bytes = component(60);
    ENGINE.load_cached(&bytes, &cache).unwrap();
    let (old_key, old) = piece(&shelf);
    // Slots of another size make other code.
    let limits = config::Policy { memory_bytes_max: 8 << 20, instances_max: 2, ..config::Policy::default() };
    let engine = Engine::new(&limits, Arc::new(NoCounters)).unwrap();
    assert_ne!(engine.0.hash, ENGINE.0.hash);
    assert_eq!(accepts(engine.load_cached(&bytes, &cache).unwrap()), 60);
    assert_ne!(piece(&shelf).0, old_key);
    // Even if the hash in the key and in the mark were right, the engine looks for itself.
    let code = old.slice(MARK..);
    let mark = cache.mac(Digest::of(&bytes), &engine.0.hash, &code).unwrap().finalize().into_bytes();
    let (key, _) = piece(&shelf);
    put(&shelf, &key, [&mark[..], &code[..]].concat());
    assert!(cache.attest(Digest::of(&bytes), &engine.0.hash, &piece(&shelf).1).is_some());
    assert!(cache.find(&engine, Digest::of(&bytes)).is_none());
    assert_eq!(accepts(engine.load_cached(&bytes, &cache).unwrap()), 60);
    // The number of instances is no reason to compile anew.
    let fewer = config::Policy { instances_max: 3, ..limits };
    assert_eq!(Engine::new(&fewer, Arc::new(NoCounters)).unwrap().0.hash, engine.0.hash);
}

#[test]
fn a_component_that_is_not_acceptable_leaves_no_code() {
    let (shelf, cache) = cache();
    let trap = Guest::new().judge("admission", answer(&[])).starting("unreachable").build();
    assert!(matches!(ENGINE.load_cached(&trap, &cache), Err(PolicyError::Unacceptable { .. })));
    assert!(matches!(ENGINE.load_cached(b"", &cache), Err(PolicyError::Unacceptable { .. })));
    assert!(shelf.scan(b"", None, 10).unwrap().is_empty());
}

#[test]
fn a_shelf_that_fails_costs_time_only() {
    struct Broken;
    impl Shelf for Broken {
        fn get(&self, _: &[u8]) -> Result<Option<Bytes>, ShelfError> {
            Err(ShelfError { cause: "broken".to_owned() })
        }
        fn write(&self, _: Vec<Change>) -> Result<(), ShelfError> {
            Err(ShelfError { cause: "broken".to_owned() })
        }
        fn scan(&self, _: &[u8], _: Option<&[u8]>, _: usize) -> Result<Vec<(Bytes, Bytes)>, ShelfError> {
            Err(ShelfError { cause: "broken".to_owned() })
        }
    }
    let cache = CodeCache::new(Arc::new(Broken), SECRET);
    assert_eq!(accepts(ENGINE.load_cached(&component(60), &cache).unwrap()), 60);
    assert!(cache.forget(Digest::of(b"")).is_err());
}
