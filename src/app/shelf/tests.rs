//! One suite for both shelves: what every shelf promises, whatever it is made of.

use super::*;
use crate::config;
use crate::gateway::notifier::{self, Notice, Outbox};
use crate::journal::{RocksJournal, Uncounted};
use crate::queue::question::NotificationCause;
use crate::shelf::MemoryShelf;
use crate::types::{Address, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;

fn memory(test: fn(&dyn Shelf)) {
    test(&MemoryShelf::default());
}

fn disk(test: fn(&dyn Shelf)) {
    let directory = tempfile::tempdir().unwrap();
    let config = config::Journal {
        directory: directory.path().to_owned(),
        cache_bytes: 8 << 20,
        write_buffer_bytes: 16 << 20,
        ..config::Journal::default()
    };
    test(&DiskShelf(RocksJournal::open(&config, Arc::new(Uncounted)).unwrap().shelf()));
}

/// Each test once for each shelf.
macro_rules! suite {
    ($($test:ident),+ $(,)?) => {
        mod memory_shelf {
            $(#[test] fn $test() { super::memory(super::$test); })+
        }
        mod disk_shelf {
            $(#[test] fn $test() { super::disk(super::$test); })+
        }
    };
}

suite!(
    what_was_put_is_got_until_it_is_deleted,
    changes_of_one_write_apply_in_order,
    a_scan_keeps_to_its_prefix,
    a_scan_goes_on_after_a_key_that_need_not_be_there,
    a_scan_stops_at_its_limit,
    the_ends_of_the_key_space_are_found,
    random_changes_and_scans_agree_with_a_map,
);

fn put(key: &[u8], value: &[u8]) -> Change {
    Change::Put { key: Bytes::copy_from_slice(key), value: Bytes::copy_from_slice(value) }
}

fn delete(key: &[u8]) -> Change {
    Change::Delete { key: Bytes::copy_from_slice(key) }
}

fn fill(shelf: &dyn Shelf, keys: &[&[u8]]) {
    shelf.write(keys.iter().map(|key| put(key, b"v")).collect()).unwrap();
}

fn keys(shelf: &dyn Shelf, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Vec<Vec<u8>> {
    shelf.scan(prefix, after, limit).unwrap().into_iter().map(|(key, _)| key.to_vec()).collect()
}

fn what_was_put_is_got_until_it_is_deleted(shelf: &dyn Shelf) {
    assert_eq!(shelf.get(b"k").unwrap(), None);
    shelf.write(vec![put(b"k", b"one"), put(b"empty", b""), put(b"long", &[9; 300_000])]).unwrap();
    assert_eq!(shelf.get(b"k").unwrap().unwrap(), "one");
    assert_eq!(shelf.get(b"empty").unwrap().unwrap(), "");
    assert_eq!(shelf.get(b"long").unwrap().unwrap().len(), 300_000);
    shelf.write(vec![put(b"k", b"two")]).unwrap();
    assert_eq!(shelf.get(b"k").unwrap().unwrap(), "two");
    shelf.write(vec![delete(b"k"), delete(b"never there")]).unwrap();
    assert_eq!(shelf.get(b"k").unwrap(), None);
    shelf.write(Vec::new()).unwrap();
}

fn changes_of_one_write_apply_in_order(shelf: &dyn Shelf) {
    shelf
        .write(vec![put(b"a", b"1"), put(b"a", b"2"), put(b"b", b"1"), delete(b"b"), delete(b"c"), put(b"c", b"1")])
        .unwrap();
    assert_eq!(shelf.get(b"a").unwrap().unwrap(), "2");
    assert_eq!(shelf.get(b"b").unwrap(), None);
    assert_eq!(shelf.get(b"c").unwrap().unwrap(), "1");
}

fn a_scan_keeps_to_its_prefix(shelf: &dyn Shelf) {
    fill(shelf, &[b"a", b"o", b"o\0", b"o1", b"o\xff\xff", b"p", b"z"]);
    assert_eq!(keys(shelf, b"o", None, 9), [&b"o"[..], b"o\0", b"o1", b"o\xff\xff"]);
    assert_eq!(keys(shelf, b"o1", None, 9), [b"o1"]);
    assert_eq!(keys(shelf, b"q", None, 9), Vec::<Vec<u8>>::new());
    assert_eq!(keys(shelf, b"", None, 99).len(), 7);
}

fn a_scan_goes_on_after_a_key_that_need_not_be_there(shelf: &dyn Shelf) {
    fill(shelf, &[b"n", b"o1", b"o2", b"o3", b"p"]);
    assert_eq!(keys(shelf, b"o", Some(b"o1"), 9), [b"o2", b"o3"]);
    assert_eq!(keys(shelf, b"o", Some(b"o15"), 9), [b"o2", b"o3"]);
    assert_eq!(keys(shelf, b"o", Some(b"o3"), 9), Vec::<Vec<u8>>::new());
    // Before the prefix, and beyond it.
    assert_eq!(keys(shelf, b"o", Some(b"a"), 9).len(), 3);
    assert_eq!(keys(shelf, b"o", Some(b"p"), 9), Vec::<Vec<u8>>::new());
    assert_eq!(keys(shelf, b"o", Some(b"zz"), 9), Vec::<Vec<u8>>::new());
}

fn a_scan_stops_at_its_limit(shelf: &dyn Shelf) {
    fill(shelf, &[b"o1", b"o2", b"o3"]);
    assert_eq!(keys(shelf, b"o", None, 0), Vec::<Vec<u8>>::new());
    assert_eq!(keys(shelf, b"o", None, 2), [b"o1", b"o2"]);
    assert_eq!(keys(shelf, b"o", Some(b"o2"), 2), [b"o3"]);
}

fn the_ends_of_the_key_space_are_found(shelf: &dyn Shelf) {
    fill(shelf, &[b"\0", b"\xfe", b"\xff", b"\xff\xff", b"\xff\xff\x01"]);
    assert_eq!(keys(shelf, b"\xff", None, 9).len(), 3);
    assert_eq!(keys(shelf, b"\xff\xff", None, 9).len(), 2);
    assert_eq!(keys(shelf, b"\xff", Some(b"\xff\xff"), 9), [b"\xff\xff\x01"]);
    assert_eq!(keys(shelf, b"", Some(b"\xff\xff\x01"), 9), Vec::<Vec<u8>>::new());
    assert_eq!(keys(shelf, b"\xfe", None, 9), [b"\xfe"]);
}

fn random_changes_and_scans_agree_with_a_map(shelf: &dyn Shelf) {
    let mut model: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    let mut state = 7_u64;
    let mut next = move |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) % below
    };
    let octets = [0_u8, 1, b'o', 0xfe, 0xff];
    for round in 0..200 {
        let mut key = || (0..=next(3)).map(|_| octets[usize::try_from(next(5)).unwrap()]).collect::<Vec<u8>>();
        let (changed, prefix, after) = (key(), key(), key());
        if next(3) == 0 {
            model.remove(&changed);
            shelf.write(vec![delete(&changed)]).unwrap();
        } else {
            let value = u64::to_be_bytes(round);
            model.insert(changed.clone(), value.to_vec());
            shelf.write(vec![put(&changed, &value)]).unwrap();
        }
        let expected = |after: Option<&[u8]>| -> Vec<Vec<u8>> {
            let of_prefix = model.keys().filter(|key| key.starts_with(&prefix));
            of_prefix.filter(|key| after.is_none_or(|after| key.as_slice() > after)).take(3).cloned().collect()
        };
        assert_eq!(keys(shelf, &prefix, None, 3), expected(None));
        assert_eq!(keys(shelf, &prefix, Some(&after), 3), expected(Some(&after)));
    }
}

fn outbox_notice(id: &str) -> Notice {
    Notice {
        id: id.to_owned(),
        user: Address::parse("tel:+12025550200").unwrap(),
        realm: "ims.test".to_owned(),
        cause: NotificationCause::Deferred,
        at: Timestamp(0),
        total: 1,
        messages: Vec::new(),
    }
}

/// The data directory as a crash would leave it is a copy of its files while the server runs.
#[test]
fn the_outbox_survives_a_crash_with_everything_that_was_taken_over() {
    let (at, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let journal_at = |directory: &std::path::Path| {
        let config = config::Journal {
            directory: directory.to_owned(),
            cache_bytes: 8 << 20,
            write_buffer_bytes: 16 << 20,
            ..config::Journal::default()
        };
        RocksJournal::open(&config, Arc::new(Uncounted)).unwrap()
    };
    let outbox_of = |journal: &RocksJournal| {
        Outbox::open(Arc::new(DiskShelf(journal.shelf())), 100, Arc::new(notifier::Uncounted)).unwrap()
    };
    let journal = journal_at(at.path());
    let outbox = outbox_of(&journal);
    for n in 0..50 {
        outbox.put(&outbox_notice(&n.to_string())).unwrap();
    }
    assert_eq!(outbox.acknowledge(10), Ok(10));
    for entry in std::fs::read_dir(at.path()).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    let crashed = journal_at(copy.path());
    let outbox = outbox_of(&crashed);
    // The gateway, and whoever was not told that the notice was taken, come again.
    outbox.put(&outbox_notice("49")).unwrap();
    outbox.put(&outbox_notice("3")).unwrap();
    let page = outbox.list(0, 100).unwrap();
    assert_eq!((page.waiting, page.entries.len()), (40, 40));
    assert_eq!(page.entries.first().map(|(seq, _)| *seq), Some(11));
    outbox.put(&outbox_notice("new")).unwrap();
    assert_eq!(outbox.list(50, 9).unwrap().entries[0].0, 51);
}
