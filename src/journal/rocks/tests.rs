//! What only a journal on a disk can show: reopening, crashes, damage, a reader beside it.

mod pieces;

use super::columns::{Column, column};
use super::*;
use crate::journal::conformance::{ALICE, BOB, append, body, chain, commit, config, fill, open, stored, whole};
use crate::types::Chain;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::TempDir;

fn directory() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// The data directory as a crash would leave it: a copy of its files while the server runs.
fn copy_of(from: &Path) -> TempDir {
    let to = directory();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.path().join(entry.file_name())).unwrap();
    }
    to
}

fn advice(error: &JournalError) -> &'static str {
    match error {
        JournalError::Open { advice, .. } => advice,
        other => panic!("not an opening error: {other}"),
    }
}

/// A process that ends while another thread closes the database is aborted.
#[test]
fn whoever_ends_the_process_closes_the_database_last_of_all() {
    let at = directory();
    let journal = open(at.path()).unwrap();
    assert!(!journal.closing().end(Duration::ZERO), "it is held");
    let (closing, (go, wait)) = (journal.closing(), std::sync::mpsc::channel::<()>());
    let holder = std::thread::spawn(move || {
        let _ = wait.recv();
        drop(journal);
    });
    drop(go);
    assert!(closing.end(Duration::from_mins(1)));
    // Nobody holds the directory any more.
    assert!(open(at.path()).is_ok());
    holder.join().unwrap();
}

#[test]
fn everything_is_there_after_closing_and_opening_again() {
    let at = directory();
    let message = MessageId([1; 16]);
    let secret = {
        let journal = open(at.path()).unwrap();
        let due = Some(Timestamp(77));
        commit(&journal, Append { bodies: vec![(message, whole(100_000))], due, ..append(ALICE, 1) }).unwrap();
        let snapshot = Snapshot { seq: 1, chain: chain(ALICE, 1), state: Bytes::from_static(b"state") };
        journal.put_snapshot(&ALICE, &snapshot).unwrap();
        journal.secret()
    };
    let journal = open(at.path()).unwrap();
    assert_eq!(journal.secret().0, secret.0, "the secret is made once");
    let loaded = journal.load(&ALICE).unwrap();
    assert_eq!(loaded.head, Head { seq: 1, chain: chain(ALICE, 1) });
    assert_eq!(loaded.snapshot.unwrap().state, "state");
    assert_eq!(journal.body(&message).unwrap(), Some(body(100_000)));
    assert_eq!(journal.due(Timestamp(0), Timestamp::MAX, 9).unwrap(), [(Timestamp(77), ALICE)]);
    assert_eq!(journal.owner_of(&message).unwrap(), Some(ALICE));
    // An append that was accepted before is a conflict now, never a second record.
    assert!(matches!(commit(&journal, append(ALICE, 1)), Err(JournalError::Conflict { found: 1, .. })));
    commit(&journal, append(ALICE, 2)).unwrap();
}

#[test]
fn two_directories_have_two_secrets() {
    let (one, other) = (directory(), directory());
    assert_ne!(open(one.path()).unwrap().secret().0, open(other.path()).unwrap().secret().0);
}

#[test]
fn every_acknowledged_append_is_in_a_copy_taken_without_closing() {
    let at = directory();
    let journal = open(at.path()).unwrap();
    let message = MessageId([3; 16]);
    fill(&journal, ALICE, 1..=100);
    commit(&journal, Append { bodies: vec![(message, whole(70_000))], ..append(BOB, 1) }).unwrap();
    let copy = copy_of(at.path());
    fill(&journal, ALICE, 101..=110);
    let crashed = open(copy.path()).unwrap();
    assert_eq!(crashed.load(&ALICE).unwrap().tail.len(), 100);
    assert_eq!(crashed.body(&message).unwrap(), Some(body(70_000)));
    assert_eq!(crashed.secret().0, journal.secret().0);
}

#[test]
fn a_torn_end_of_the_log_loses_whole_appends_from_the_end_and_nothing_else() {
    let at = directory();
    let journal = open(at.path()).unwrap();
    fill(&journal, ALICE, 1..=50);
    for torn in [1, 7, 200, 1000] {
        let copy = copy_of(at.path());
        let log = std::fs::read_dir(copy.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
            .max_by_key(|path| std::fs::metadata(path).unwrap().len())
            .unwrap();
        let file = std::fs::File::options().write(true).open(log).unwrap();
        file.set_len(file.metadata().unwrap().len() - torn).unwrap();
        let crashed = open(copy.path()).unwrap();
        let loaded = crashed.load(&ALICE).unwrap();
        assert!(loaded.head.seq < 50 && loaded.head.seq >= 40, "{torn} octets torn: {}", loaded.head.seq);
        assert_eq!(loaded.head.chain, chain(ALICE, loaded.head.seq));
        // The log goes on from there.
        commit(&crashed, append(ALICE, loaded.head.seq + 1)).unwrap();
    }
}

const CHILD_DIRECTORY: &str = "RESTANTE_TEST_CHILD_DIRECTORY";

/// Without its variable it does nothing.
#[test]
#[ignore = "no test of its own: the process that the next test starts and kills"]
fn child_that_appends_until_it_is_killed() {
    let Some(at) = std::env::var_os(CHILD_DIRECTORY) else { return };
    let journal = open(Path::new(&at)).unwrap();
    for seq in 1.. {
        commit(&journal, append(ALICE, seq)).unwrap();
        println!("acknowledged {seq}");
    }
}

/// Starts this test in a process of its own, kills that after so many acknowledgements, and tells how many there were.
fn killed_after(test: &str, at: &Path, count: u64) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", test, "--nocapture"])
        .env(CHILD_DIRECTORY, at)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut acknowledged = 0;
    let mut killed = false;
    // After the kill, what is left in the pipe was acknowledged too.
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        let Some(seq) = line.split("acknowledged ").nth(1).and_then(|seq| seq.parse::<u64>().ok()) else { continue };
        acknowledged = seq;
        if seq >= count && !killed {
            child.kill().unwrap();
            killed = true;
        }
    }
    child.wait().unwrap();
    assert!(acknowledged >= count, "only {acknowledged}");
    acknowledged
}

#[test]
fn what_a_killed_process_acknowledged_is_there_when_the_next_one_opens() {
    let at = directory();
    let acknowledged = killed_after("journal::rocks::tests::child_that_appends_until_it_is_killed", at.path(), 200);
    let loaded = open(at.path()).unwrap().load(&ALICE).unwrap();
    assert!(loaded.head.seq >= acknowledged, "{} of {acknowledged} survived", loaded.head.seq);
    assert_eq!(loaded.head.chain, chain(ALICE, loaded.head.seq));
}

#[test]
fn a_second_server_on_the_same_directory_is_told_to_go_elsewhere() {
    let at = directory();
    let _first = open(at.path()).unwrap();
    let error = open(at.path()).unwrap_err();
    assert!(advice(&error).contains("another restante"), "{error}");
}

#[test]
fn a_path_that_is_no_directory_is_explained() {
    let at = directory();
    let file = at.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let error = open(&file.join("data")).unwrap_err();
    assert!(advice(&error).contains("is a file"), "{error}");
}

#[test]
fn a_newer_format_is_refused_even_with_tables_we_do_not_know() {
    let at = directory();
    {
        let journal = open(at.path()).unwrap();
        let meta = column(&journal.db, Column::Meta).unwrap();
        journal.db.put_cf(&meta, layout::META_FORMAT, 9_u32.to_be_bytes()).unwrap();
        journal.db.create_cf("invented-later", &rocksdb::Options::default()).unwrap();
    }
    let newer = JournalError::Newer { found: 9, known: layout::FORMAT };
    assert_eq!(open(at.path()).map(|_| ()), Err(newer.clone()));
    assert_eq!(RocksReader::open(at.path()).map(|_| ()), Err(newer));
}

/// Puts bytes where the journal would never put them.
fn tamper(journal: &RocksJournal, at: Column, key: &[u8], value: &[u8]) {
    journal.db.put_cf(&column(&journal.db, at).unwrap(), key, value).unwrap();
}

fn remove(journal: &RocksJournal, at: Column, key: &[u8]) {
    journal.db.delete_cf(&column(&journal.db, at).unwrap(), key).unwrap();
}

fn is_damage<T>(result: &Result<T, JournalError>) -> bool {
    matches!(result, Err(JournalError::Damaged { .. }))
}

#[test]
fn a_damaged_directory_is_told_at_opening() {
    for (key, value) in [(layout::META_FORMAT, &b"x"[..]), (layout::META_FORMAT, &[0; 4]), (layout::META_SECRET, b"")] {
        let at = directory();
        {
            let journal = open(at.path()).unwrap();
            tamper(&journal, Column::Meta, key, value);
        }
        assert!(is_damage(&open(at.path())));
    }
    let at = directory();
    {
        let journal = open(at.path()).unwrap();
        fill(&journal, ALICE, 1..=1);
        remove(&journal, Column::Meta, layout::META_FORMAT);
    }
    assert!(is_damage(&open(at.path())), "records without a format");
}

#[test]
fn a_start_cut_short_before_the_first_write_is_made_good() {
    let at = directory();
    {
        let journal = open(at.path()).unwrap();
        remove(&journal, Column::Meta, layout::META_FORMAT);
        remove(&journal, Column::Meta, layout::META_SECRET);
    }
    let journal = open(at.path()).unwrap();
    fill(&journal, ALICE, 1..=1);
}

#[test]
fn damaged_values_are_typed_errors_and_never_a_panic() {
    let at = directory();
    let journal = open(at.path()).unwrap();
    let message = MessageId([5; 16]);
    fill(&journal, ALICE, 1..=4);
    commit(&journal, Append { bodies: vec![(message, whole(200_000))], ..append(BOB, 1) }).unwrap();
    tamper(&journal, Column::Events, &layout::event_key(&ALICE, 2), b"short");
    assert!(is_damage(&journal.load(&ALICE)));
    assert!(is_damage(&journal.records(&ALICE, 2, 1)));
    assert_eq!(journal.records(&ALICE, 3, 9).unwrap().len(), 2, "the rest can be read");
    remove(&journal, Column::Events, &layout::event_key(&ALICE, 2));
    assert!(is_damage(&journal.load(&ALICE)), "a gap");
    remove(&journal, Column::Events, &layout::event_key(&ALICE, 4));
    assert!(is_damage(&journal.records(&ALICE, 3, 9)), "the last record is missing");
    tamper(&journal, Column::Heads, &ALICE.0, b"head");
    assert!(is_damage(&journal.load(&ALICE)));
    assert!(is_damage(&commit(&journal, append(ALICE, 5))));
    assert!(is_damage(&journal.users(None, 9)));
    assert_eq!(journal.healthy(), Ok(()), "one user's damage is not the server's");
    commit(&journal, append(BOB, 2)).unwrap();
    remove(&journal, Column::Bodies, &layout::piece_key(&message, 2));
    assert!(is_damage(&journal.body(&message)));
    assert_eq!(journal.body_in_memory(&message), None);
    for first in [&[0xff; 20][..], &[0xff; 3], &[0; 9]] {
        tamper(&journal, Column::Bodies, &layout::piece_key(&message, 0), first);
        assert!(is_damage(&journal.body(&message)));
    }
    commit(&journal, Append { ended: vec![message], ..append(BOB, 3) }).unwrap();
    assert_eq!(journal.body(&message).unwrap(), None, "a damaged body can still be ended");
    tamper(&journal, Column::Index, &message.0, b"bob");
    assert!(is_damage(&journal.owner_of(&message)));
    tamper(&journal, Column::Due, b"\x01", b"");
    assert!(is_damage(&journal.due(Timestamp(0), Timestamp::MAX, 9)));
}

#[test]
fn a_record_that_was_changed_with_its_chain_left_standing_shows_at_the_head() {
    let at = directory();
    let journal = open(at.path()).unwrap();
    fill(&journal, ALICE, 1..=2);
    let mut value = Chain([7; 32]).0.to_vec();
    value.extend_from_slice(b"another story");
    tamper(&journal, Column::Events, &layout::event_key(&ALICE, 2), &value);
    assert!(is_damage(&journal.load(&ALICE)));
    // A record after the head cannot be: head and record are written together.
    tamper(&journal, Column::Events, &layout::event_key(&BOB, 1), &value);
    assert!(is_damage(&journal.load(&BOB)));
}

#[test]
fn flipped_bits_in_the_files_are_found_by_checksum() {
    let at = directory();
    {
        let journal = open(at.path()).unwrap();
        fill(&journal, ALICE, 1..=200);
        for of in Column::ALL {
            journal.db.flush_cf(&column(&journal.db, of).unwrap()).unwrap();
        }
    }
    for entry in std::fs::read_dir(at.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "sst") {
            let mut octets = std::fs::read(&path).unwrap();
            for octet in octets.iter_mut().take(64) {
                *octet ^= 0x10;
            }
            std::fs::write(&path, octets).unwrap();
        }
    }
    // Found at opening (meta) or at reading, by the same error.
    let result = open(at.path()).and_then(|journal| journal.load(&ALICE));
    assert!(is_damage(&result));
}

#[test]
fn a_damaged_snapshot_is_ignored_because_the_records_say_the_same() {
    let at = directory();
    let journal = open(at.path()).unwrap();
    fill(&journal, ALICE, 1..=3);
    tamper(&journal, Column::Snapshots, &ALICE.0, b"nonsense");
    let loaded = journal.load(&ALICE).unwrap();
    assert_eq!((loaded.snapshot, loaded.tail.len()), (None, 3));
}

#[test]
fn a_body_on_the_disk_alone_is_not_in_memory_until_it_was_read() {
    let at = directory();
    let message = MessageId([8; 16]);
    {
        let journal = open(at.path()).unwrap();
        commit(&journal, Append { bodies: vec![(message, whole(500))], ..append(ALICE, 1) }).unwrap();
        journal.db.flush_cf(&column(&journal.db, Column::Bodies).unwrap()).unwrap();
    }
    let journal = open(at.path()).unwrap();
    assert_eq!(journal.body_in_memory(&message), None);
    assert_eq!(journal.body(&message).unwrap(), Some(body(500)));
    assert_eq!(journal.body_in_memory(&message), Some(body(500)));
}

#[test]
fn pieces_on_the_disk_are_all_deleted_at_the_end() {
    let at = directory();
    let messages: Vec<_> = (1..=40).map(|id| MessageId([id; 16])).collect();
    {
        let journal = open(at.path()).unwrap();
        let bodies = messages.iter().map(|message| (*message, whole(usize::from(message.0[0]) * 10_000))).collect();
        commit(&journal, Append { bodies, ..append(ALICE, 1) }).unwrap();
        journal.db.flush_cf(&column(&journal.db, Column::Bodies).unwrap()).unwrap();
    }
    let journal = open(at.path()).unwrap();
    commit(&journal, Append { ended: messages, ..append(ALICE, 2) }).unwrap();
    let bodies = column(&journal.db, Column::Bodies).unwrap();
    assert_eq!(journal.db.iterator_cf(&bodies, rocksdb::IteratorMode::Start).count(), 0);
}

#[test]
fn a_reader_beside_the_server_sees_the_moment_it_opened_and_catches_up() {
    let at = directory();
    let journal = open(at.path()).unwrap();
    let message = MessageId([6; 16]);
    let due = Some(Timestamp(5));
    commit(&journal, Append { bodies: vec![(message, whole(90_000))], due, ..append(ALICE, 1) }).unwrap();
    let reader = RocksReader::open(at.path()).unwrap();
    let own = reader.own.0.clone();
    assert_eq!(reader.records(&ALICE, 1, 9).unwrap(), [stored(ALICE, 1)]);
    assert_eq!(reader.body(&message).unwrap(), Some(body(90_000)));
    assert_eq!(reader.owner_of(&message).unwrap(), Some(ALICE));
    assert_eq!(reader.due(Timestamp(0), Timestamp::MAX, 9).unwrap(), [(Timestamp(5), ALICE)]);
    fill(&journal, ALICE, 2..=3);
    assert_eq!(reader.load(&ALICE).unwrap().head.seq, 1, "it stands still");
    reader.catch_up().unwrap();
    assert_eq!(reader.load(&ALICE).unwrap().tail.len(), 3);
    // The server goes on, moves its tables to files, and deletes logs meanwhile.
    fill(&journal, ALICE, 4..=10);
    for of in Column::ALL {
        journal.db.flush_cf(&column(&journal.db, of).unwrap()).unwrap();
    }
    fill(&journal, ALICE, 11..=12);
    reader.catch_up().unwrap();
    assert_eq!(reader.users(None, 9).unwrap(), [(ALICE, Head { seq: 12, chain: chain(ALICE, 12) })]);
    assert!(own.is_dir());
    drop(reader);
    assert!(!own.exists(), "its temporary directory went with it");
    fill(&journal, ALICE, 13..=13);
}

#[test]
fn a_reader_of_a_stopped_server_works_and_of_nothing_is_told_so() {
    let at = directory();
    fill(&open(at.path()).unwrap(), ALICE, 1..=2);
    assert_eq!(RocksReader::open(at.path()).unwrap().load(&ALICE).unwrap().tail.len(), 2);
    fill(&open(at.path()).unwrap(), ALICE, 3..=3);
    let empty = directory();
    let error = RocksReader::open(empty.path()).unwrap_err();
    assert!(advice(&error).contains("journal.directory"), "{error}");
    assert_eq!(std::fs::read_dir(empty.path()).unwrap().count(), 0, "and nothing is made there");
}

#[test]
fn a_disk_below_its_watermark_takes_deletions_but_no_messages() {
    let at = directory();
    let full = config::Journal { disk_free_min: u64::MAX, ..config(at.path()) };
    let journal = RocksJournal::open(&full, Arc::new(crate::journal::Uncounted)).unwrap();
    let message = Append { bodies: vec![(MessageId([1; 16]), whole(10))], ..append(ALICE, 1) };
    assert!(matches!(commit(&journal, message), Err(JournalError::DiskFull { .. })));
    commit(&journal, append(ALICE, 1)).unwrap();
}

#[test]
fn many_producers_share_commits_and_lose_nothing() {
    let at = directory();
    let journal = open(at.path()).unwrap();
    std::thread::scope(|scope| {
        for producer in 0..16_u8 {
            let journal = &journal;
            scope.spawn(move || fill(journal, UserKey([producer; 16]), 1..=20));
        }
    });
    let users = journal.users(None, 100).unwrap();
    assert_eq!(users.len(), 16);
    for (user, head) in users {
        assert_eq!(head, Head { seq: 20, chain: chain(user, 20) });
    }
}
