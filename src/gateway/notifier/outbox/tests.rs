//! In order, once each, bounded, and there until taken off.

use super::super::tests::{Counted, notice};
use super::*;
use crate::shelf::MemoryShelf;

struct Office {
    shelf: Arc<MemoryShelf>,
    outbox: Outbox,
    counted: Arc<Counted>,
}

fn office(max: u64) -> Office {
    let (shelf, counted) = (Arc::new(MemoryShelf::default()), Arc::new(Counted::default()));
    let outbox = Outbox::open(Arc::clone(&shelf) as _, max, Arc::clone(&counted) as _).unwrap();
    Office { shelf, outbox, counted }
}

impl Office {
    fn put(&self, ids: &[&str]) {
        for id in ids {
            self.outbox.put(&notice(id, "tel:+12025550200")).unwrap();
        }
    }

    fn ids(&self) -> Vec<String> {
        listed(&self.outbox, 0)
    }
}

fn listed(outbox: &Outbox, after: u64) -> Vec<String> {
    outbox.list(after, 100).unwrap().entries.iter().map(|(_, line)| id_of(line).unwrap()).collect()
}

#[test]
fn notices_are_listed_in_order_page_by_page() {
    let office = office(10);
    office.put(&["c", "a", "b"]);
    let first = office.outbox.list(0, 2).unwrap();
    assert_eq!(first.waiting, 3);
    assert_eq!(first.entries.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(listed(&office.outbox, 2), ["b"]);
    assert!(listed(&office.outbox, 3).is_empty());
    assert!(listed(&office.outbox, u64::MAX).is_empty());
}

#[test]
fn a_notice_that_comes_again_is_there_once() {
    let office = office(10);
    office.put(&["a", "b", "a", "a"]);
    assert_eq!(office.ids(), ["a", "b"]);
    // Also after it was taken off: the server may not have known that it had put it.
    assert_eq!(office.outbox.acknowledge(1), Ok(1));
    office.put(&["a"]);
    assert_eq!(office.ids(), ["b"]);
}

#[test]
fn what_was_taken_off_is_gone_and_numbers_are_never_given_twice() {
    let office = office(10);
    office.put(&["a", "b", "c"]);
    assert_eq!(office.outbox.remove("b"), Ok(true));
    assert_eq!(office.outbox.remove("b"), Ok(false));
    assert_eq!(office.outbox.remove("never"), Ok(false));
    assert_eq!(office.outbox.remove(""), Ok(false));
    assert_eq!(office.ids(), ["a", "c"]);
    assert_eq!(office.outbox.acknowledge(3), Ok(2));
    assert_eq!(office.outbox.acknowledge(3), Ok(0));
    office.put(&["d"]);
    assert_eq!(office.outbox.list(0, 9).unwrap().entries[0].0, 4);
    assert_eq!(office.counted.all().last().unwrap(), "outbox 1");
}

#[test]
fn many_are_taken_off_in_several_writes() {
    let office = office(5_000);
    for n in 0..1_300 {
        office.put(&[&n.to_string()]);
    }
    assert_eq!(office.outbox.acknowledge(1_200), Ok(1_200));
    assert_eq!(office.outbox.list(0, 1).unwrap().waiting, 100);
}

#[test]
fn ids_are_remembered_for_a_while_and_then_forgotten() {
    let office = office(20_000);
    for n in 0..=REMEMBERED {
        office.put(&[&n.to_string()]);
    }
    office.outbox.acknowledge(u64::MAX).unwrap();
    assert_eq!(office.shelf.scan(&keys::TAKEN, None, usize::MAX).unwrap().len() as u64, REMEMBERED);
    office.put(&["1", "0"]);
    assert_eq!(office.ids(), ["0"], "the oldest was forgotten, the second is remembered");
}

#[tokio::test]
async fn a_full_outbox_asks_for_patience_and_counts_it() {
    let office = office(2);
    office.put(&["a", "b"]);
    let error = office.outbox.notify(notice("c", "tel:+12025550200")).await.unwrap_err();
    assert_eq!(error, NotifyError::Busy { limit: Limit::Outbox, after: FULL_PAUSE });
    assert_eq!(office.counted.all().last().unwrap(), "notifier.outbox-max");
    // What is there already is no new one.
    assert_eq!(office.outbox.notify(notice("a", "tel:+12025550200")).await, Ok(()));
    office.outbox.remove("a").unwrap();
    assert_eq!(office.outbox.notify(notice("c", "tel:+12025550200")).await, Ok(()));
}

#[tokio::test]
async fn an_id_that_cannot_be_kept_is_refused() {
    let office = office(2);
    for id in [String::new(), "x".repeat(201)] {
        assert!(office.outbox.notify(notice(&id, "tel:+12025550200")).await.unwrap_err().is_final());
    }
}

#[test]
fn it_goes_on_where_it_stood() {
    let office = office(10);
    office.put(&["a", "b", "c"]);
    office.outbox.acknowledge(1).unwrap();
    let again = Outbox::open(Arc::clone(&office.shelf) as _, 10, Arc::clone(&office.counted) as _).unwrap();
    assert_eq!(office.counted.all().last().unwrap(), "outbox 2");
    again.put(&notice("b", "tel:+12025550200")).unwrap();
    again.put(&notice("d", "tel:+12025550200")).unwrap();
    assert_eq!(listed(&again, 0), ["b", "c", "d"]);
    assert_eq!(again.list(0, 9).unwrap().entries[2].0, 4);
}

#[test]
fn damage_is_an_error_and_no_panic() {
    let put = |key: &[u8], value: &'static [u8]| {
        let office = office(10);
        office.put(&["a"]);
        let change = Change::Put { key: Bytes::copy_from_slice(key), value: Bytes::from_static(value) };
        office.shelf.write(vec![change]).unwrap();
        office
    };
    let damaged = |result: Result<(), OutboxError>| assert!(matches!(result, Err(OutboxError::Damaged { .. })));
    let office = put(&keys::STATE, b"short");
    damaged(Outbox::open(Arc::clone(&office.shelf) as _, 10, Arc::clone(&office.counted) as _).map(drop));
    damaged(put(&keys::entry(1), b"no notice").outbox.acknowledge(9).map(drop));
    damaged(put(b"oe?", b"{}").outbox.list(0, 9).map(drop));
    damaged(put(b"oia", b"1").outbox.remove("a").map(drop));
}

/// A shelf that fails.
struct Broken;

impl Shelf for Broken {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, ShelfError> {
        if key == keys::STATE { Ok(None) } else { Err(ShelfError { cause: "no disk".to_owned() }) }
    }

    fn write(&self, _: Vec<Change>) -> Result<(), ShelfError> {
        Err(ShelfError { cause: "no disk".to_owned() })
    }

    fn scan(&self, _: &[u8], _: Option<&[u8]>, _: usize) -> Result<Vec<(Bytes, Bytes)>, ShelfError> {
        Err(ShelfError { cause: "no disk".to_owned() })
    }
}

#[tokio::test]
async fn a_shelf_that_fails_is_tried_again_later() {
    let outbox = Outbox::open(Arc::new(Broken), 10, Arc::new(Counted::default())).unwrap();
    let error = outbox.notify(notice("a", "tel:+12025550200")).await.unwrap_err();
    assert!(matches!(&error, NotifyError::Later { cause, .. } if cause.contains("no disk")), "{error}");
}
