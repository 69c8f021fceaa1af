//! The store kept here.

use super::*;
use crate::config::Store;
use crate::gateway::store::{Embedded, Location, Reading};
use crate::shelf::{Change, MemoryShelf, Shelf, ShelfError};
use crate::types::Timestamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const NOW: Timestamp = Timestamp::from_secs(1_267_520_047);

fn over(shelf: Arc<dyn Shelf>, config: &Store) -> (Embedded, Arc<Told>) {
    let told = Arc::new(Told::default());
    (Embedded::start(shelf, config, Arc::clone(&told) as Arc<dyn Counters>, || NOW).unwrap(), told)
}

#[test]
fn the_embedded_store_conforms() {
    let (store, _) = over(Arc::new(MemoryShelf::default()), &Store::default());
    conformance::holds(&store, &|user, folder| {
        let listed = store.objects(user, folder, 0, 1000).unwrap().unwrap_or_default();
        let octets = |uid| store.object(user, folder, uid).unwrap().unwrap().to_vec();
        listed.iter().map(|one| (one.uid, octets(one.uid))).collect()
    });
}

#[test]
fn what_is_stored_is_there_after_a_restart_and_its_folder_keeps_its_uidvalidity() {
    let shelf: Arc<dyn Shelf> = Arc::new(MemoryShelf::default());
    let first = {
        let (store, _) = over(Arc::clone(&shelf), &Store::default());
        done(store.append(append("bob", "one"))).unwrap()
    };
    let (store, _) = over(shelf, &Store::default());
    let second = done(store.append(append("bob", "two"))).unwrap();
    assert_eq!(second, Location { uid: first.uid + 1, ..first.clone() });
    assert_eq!(done(store.append(again(&append("bob", "one")))).unwrap(), first);
}

#[test]
fn a_uidvalidity_is_given_once_even_if_the_folder_was_gone() {
    let (store, _) = over(Arc::new(MemoryShelf::default()), &Store::default());
    let first = done(store.append(append("bob", "one"))).unwrap();
    assert_eq!(first.uidvalidity, 1_267_520_047, "no less than the time");
    done(store.remove(&user("bob"), &first)).unwrap();
    assert!(store.folders(&user("bob"), None, 10).unwrap().is_empty(), "a folder goes with its last object");
    let second = done(store.append(append("bob", "one"))).unwrap();
    assert!(second.uidvalidity > first.uidvalidity);
    done(store.remove(&user("bob"), &first)).unwrap();
    assert_eq!(store.objects(&user("bob"), &second.folder, 0, 10).unwrap().unwrap().len(), 1);
}

#[test]
fn a_full_store_says_so_and_room_can_be_made() {
    let config = Store { messages_max_per_user: 2, ..Store::default() };
    let (store, told) = over(Arc::new(MemoryShelf::default()), &config);
    let first = done(store.append(append("bob", "one"))).unwrap();
    done(store.append(append("bob", "two"))).unwrap();
    assert_eq!(done(store.append(append("bob", "three"))), Err(StoreError::Quota));
    assert!(StoreError::Quota.may_pass());
    assert!(done(store.append(again(&append("bob", "two")))).is_ok(), "what is there needs no room");
    assert!(done(store.append(append("carol", "three"))).is_ok(), "another's is not full");
    done(store.remove(&user("bob"), &first)).unwrap();
    assert!(done(store.append(append("bob", "three"))).is_ok());
    assert_eq!(*told.limits.lock().unwrap(), [Limit::Messages]);
    let config = Store { bytes_max_per_user: 1000, ..Store::default() };
    let (store, told) = over(Arc::new(MemoryShelf::default()), &config);
    done(store.append(append("bob", "one"))).unwrap();
    assert_eq!(done(store.append(append("bob", "two"))), Err(StoreError::Quota));
    assert_eq!(*told.limits.lock().unwrap(), [Limit::Octets]);
}

#[test]
fn folders_and_objects_are_told_page_by_page() {
    let (store, _) = over(Arc::new(MemoryShelf::default()), &Store::default());
    for folder in ["", "b", "a"] {
        for id in ["one", "two", "three"] {
            done(store.append(Append { folder: folder.to_owned(), ..append("bob", id) })).unwrap();
        }
    }
    let bob = user("bob");
    let names = |after, limit| -> Vec<String> {
        store.folders(&bob, after, limit).unwrap().into_iter().map(|folder| folder.name).collect()
    };
    assert_eq!(names(None, 2), ["Default", "Default/a"]);
    assert_eq!(names(Some("Default/a"), 2), ["Default/b"]);
    let folder = &store.folders(&bob, None, 1).unwrap()[0];
    assert_eq!((folder.messages, folder.uid_next, folder.octets), (3, 4, 2125));
    let page = store.objects(&bob, "Default/a", 1, 1).unwrap().unwrap();
    assert_eq!((page[0].uid, page[0].stored_at, page.len()), (2, NOW, 1));
    assert_eq!(store.objects(&bob, "Default/c", 0, 1).unwrap(), None);
    assert_eq!(store.object(&bob, "Default/a", 4).unwrap(), None);
}

/// A shelf whose disk can fail.
#[derive(Default)]
struct Sick(MemoryShelf, AtomicBool);

impl Shelf for Sick {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, ShelfError> {
        self.0.get(key)
    }

    fn write(&self, changes: Vec<Change>) -> Result<(), ShelfError> {
        if self.1.load(Ordering::Relaxed) {
            Err(ShelfError { cause: "no space".to_owned() })
        } else {
            self.0.write(changes)
        }
    }

    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<(Bytes, Bytes)>, ShelfError> {
        self.0.scan(prefix, after, limit)
    }
}

#[test]
fn a_failing_disk_is_no_stored_message() {
    let shelf = Arc::new(Sick::default());
    let (store, told) = over(Arc::clone(&shelf) as Arc<dyn Shelf>, &Store::default());
    shelf.1.store(true, Ordering::Relaxed);
    let failed = done(store.append(append("bob", "one"))).unwrap_err();
    assert!(matches!(failed, StoreError::Failed { .. }) && failed.may_pass(), "{failed}");
    shelf.1.store(false, Ordering::Relaxed);
    assert_eq!(done(store.append(again(&append("bob", "one")))).unwrap().uid, 1);
    let told = told.ended.lock().unwrap().clone();
    assert_eq!(
        told,
        [
            (Operation::Append, Outcome::Failed),
            (Operation::Search, Outcome::Absent),
            (Operation::Append, Outcome::Done)
        ]
    );
}
