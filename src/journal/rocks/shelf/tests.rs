//! What only a shelf beside a journal can show: older directories, closing, readers. Its promises as a map are tested
//! with the twin in memory, in `src/app/shelf/tests.rs`.

use super::*;
use crate::journal::conformance::{ALICE, append, commit, open};
use crate::journal::{Journal as _, JournalRead as _, RocksJournal, RocksReader};
use std::path::Path;

fn put(shelf: &RocksShelf, key: &[u8], value: &[u8]) {
    shelf.write([(key, Some(value))]).unwrap();
}

/// A directory as the first release made it: without the family.
fn without_family(at: &Path) {
    let journal = open(at).unwrap();
    commit(&journal, append(ALICE, 1)).unwrap();
    journal.db.drop_cf(Column::Shelf.name()).unwrap();
}

fn has_family(at: &Path) -> bool {
    DB::list_cf(&rocksdb::Options::default(), at).unwrap().iter().any(|name| name == Column::Shelf.name())
}

#[test]
fn a_directory_without_a_shelf_gets_one_when_it_is_opened() {
    let at = tempfile::tempdir().unwrap();
    without_family(at.path());
    assert!(!has_family(at.path()));
    let journal = open(at.path()).unwrap();
    assert_eq!(journal.load(&ALICE).unwrap().head.seq, 1, "what was there is there");
    put(&journal.shelf(), b"k", b"v");
    drop(journal);
    assert!(has_family(at.path()));
    assert_eq!(open(at.path()).unwrap().shelf().get(b"k").unwrap(), Some(Bytes::from_static(b"v")));
}

#[test]
fn a_reader_opens_a_directory_without_a_shelf_and_makes_none() {
    let at = tempfile::tempdir().unwrap();
    without_family(at.path());
    assert_eq!(RocksReader::open(at.path()).unwrap().load(&ALICE).unwrap().head.seq, 1);
    assert!(!has_family(at.path()));
}

#[test]
fn a_reader_beside_the_server_is_not_disturbed_by_a_shelf_in_use() {
    let at = tempfile::tempdir().unwrap();
    let journal = open(at.path()).unwrap();
    let shelf = journal.shelf();
    put(&shelf, b"a", &vec![7; 100_000]);
    commit(&journal, append(ALICE, 1)).unwrap();
    let reader = RocksReader::open(at.path()).unwrap();
    put(&shelf, b"b", b"later");
    journal.db.flush_cf(&column(&journal.db, Column::Shelf).unwrap()).unwrap();
    commit(&journal, append(ALICE, 2)).unwrap();
    reader.catch_up().unwrap();
    assert_eq!(reader.load(&ALICE).unwrap().head.seq, 2);
}

#[test]
fn a_shelf_outlives_its_journal_and_lets_the_directory_go_with_itself() {
    let at = tempfile::tempdir().unwrap();
    let journal = open(at.path()).unwrap();
    let shelf = journal.shelf();
    put(&shelf, b"before", b"1");
    journal.close();
    put(&shelf, b"after", b"2");
    drop(journal);
    put(&shelf, b"alone", b"3");
    assert!(open(at.path()).is_err(), "the database is still open");
    drop(shelf);
    let shelf = open(at.path()).unwrap().shelf();
    for key in ["before", "after", "alone"] {
        assert!(shelf.get(key.as_bytes()).unwrap().is_some(), "{key}");
    }
}

#[test]
fn what_was_written_is_in_a_copy_taken_without_closing() {
    let (at, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let journal = open(at.path()).unwrap();
    for n in 0..100_u32 {
        put(&journal.shelf(), &n.to_be_bytes(), b"durable");
    }
    for entry in std::fs::read_dir(at.path()).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    assert_eq!(open(copy.path()).unwrap().shelf().scan(b"", None, 1_000).unwrap().len(), 100);
}

#[test]
fn writers_beside_the_committer_lose_nothing() {
    let at = tempfile::tempdir().unwrap();
    let journal: RocksJournal = open(at.path()).unwrap();
    std::thread::scope(|scope| {
        for writer in 0..4_u8 {
            let shelf = journal.shelf();
            scope.spawn(move || (0..25).for_each(|n| put(&shelf, &[writer, n], b"x")));
        }
        (1..=25).for_each(|seq| commit(&journal, append(ALICE, seq)).unwrap());
    });
    assert_eq!(journal.shelf().scan(b"", None, 1_000).unwrap().len(), 100);
    assert_eq!(journal.load(&ALICE).unwrap().tail.len(), 25);
}
