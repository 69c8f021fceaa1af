//! One suite for both twins: what every journal promises, whatever it is made of.

mod pieces;

use super::{
    Append, Body, Head, Journal, JournalError, JournalRead as _, MemoryJournal, RocksJournal, Snapshot, Stored, Totals,
    Uncounted,
};
use crate::config;
use crate::types::{Chain, MessageId, Timestamp, UserKey};
use bytes::Bytes;
use std::path::Path;
use std::sync::Arc;

pub(super) const ALICE: UserKey = UserKey([0xa1; 16]);
pub(super) const BOB: UserKey = UserKey([0xb0; 16]);

/// A configuration for small tests in this directory.
pub(super) fn config(directory: &Path) -> config::Journal {
    config::Journal {
        directory: directory.to_owned(),
        cache_bytes: 8 << 20,
        write_buffer_bytes: 16 << 20,
        disk_free_min: 0,
        ..config::Journal::default()
    }
}

pub(super) fn open(directory: &Path) -> Result<RocksJournal, JournalError> {
    RocksJournal::open(&config(directory), Arc::new(Uncounted))
}

pub(super) fn record(user: UserKey, seq: u64) -> Bytes {
    Bytes::from(format!("record {seq} of {user}"))
}

/// The chain of the test records up to `seq`.
pub(super) fn chain(user: UserKey, seq: u64) -> Chain {
    (1..=seq).fold(Chain::GENESIS, |chain, seq| chain.extend(&record(user, seq)))
}

/// An append of the test record with this number.
pub(super) fn append(user: UserKey, seq: u64) -> Append {
    Append {
        user,
        seq,
        chain: chain(user, seq),
        record: record(user, seq),
        bodies: Vec::new(),
        ended: Vec::new(),
        freed: 0,
        due: None,
    }
}

pub(super) fn stored(user: UserKey, seq: u64) -> Stored {
    Stored { seq, chain: chain(user, seq), record: record(user, seq) }
}

/// Hands it over and waits until it is durable.
pub(super) fn commit(journal: &dyn Journal, append: Append) -> Result<(), JournalError> {
    journal.append(append)?.blocking_recv().unwrap_or(Err(JournalError::Closed))
}

pub(super) fn fill(journal: &dyn Journal, user: UserKey, seqs: std::ops::RangeInclusive<u64>) {
    for seq in seqs {
        commit(journal, append(user, seq)).unwrap();
    }
}

/// Octets that differ everywhere, so that a piece in the wrong place shows.
pub(super) fn body(length: usize) -> Bytes {
    let low = |at: usize| at.to_le_bytes()[0];
    (0..length).map(|at| low(at % 251) ^ low(at >> 16)).collect()
}

/// The same as an append brings it.
pub(super) fn whole(length: usize) -> Body {
    Body::Whole(body(length))
}

fn memory(test: fn(&dyn Journal)) {
    test(&MemoryJournal::new());
}

fn rocks(test: fn(&dyn Journal)) {
    let directory = tempfile::tempdir().unwrap();
    test(&open(directory.path()).unwrap());
}

/// Each test once for each twin.
macro_rules! suite {
    ($($test:ident),+ $(,)?) => {
        mod memory_twin {
            $(#[test] fn $test() { super::memory(super::$test); })+
        }
        mod rocks_twin {
            $(#[test] fn $test() { super::rocks(super::$test); })+
        }
    };
}

suite!(
    a_user_of_whom_nothing_is_known_has_an_empty_log,
    what_was_appended_is_loaded_in_order,
    records_are_read_from_anywhere_up_to_a_limit,
    an_append_that_does_not_follow_the_head_is_a_conflict_and_changes_nothing,
    a_conflict_fails_only_its_own_append_of_a_batch,
    appends_of_one_user_handed_over_together_keep_their_order,
    bodies_of_any_length_come_back_until_their_message_ends,
    a_body_that_ends_with_the_append_that_brought_it_is_gone,
    a_message_has_an_owner_even_after_its_end,
    the_due_index_moves_with_the_append_and_is_scanned_in_order_of_time,
    a_failed_append_moves_no_due_entry,
    a_snapshot_replaces_the_one_before_and_shortens_the_tail,
    a_snapshot_that_does_not_fit_the_log_is_ignored,
    users_are_listed_page_by_page,
    a_closed_journal_has_committed_everything_and_takes_no_more,
    logs_of_neighbouring_users_do_not_mix,
);

fn a_user_of_whom_nothing_is_known_has_an_empty_log(journal: &dyn Journal) {
    let loaded = journal.load(&ALICE).unwrap();
    assert_eq!(loaded.head, Head::EMPTY);
    assert_eq!((loaded.snapshot, loaded.tail), (None, Vec::new()));
    assert_eq!(journal.records(&ALICE, 1, 10).unwrap(), Vec::new());
    assert_eq!(journal.body(&MessageId([1; 16])).unwrap(), None);
    assert_eq!(journal.owner_of(&MessageId([1; 16])).unwrap(), None);
    assert_eq!(journal.users(None, 10).unwrap(), Vec::new());
    assert_eq!(journal.healthy(), Ok(()));
}

fn what_was_appended_is_loaded_in_order(journal: &dyn Journal) {
    fill(journal, ALICE, 1..=20);
    let loaded = journal.load(&ALICE).unwrap();
    assert_eq!(loaded.head, Head { seq: 20, chain: chain(ALICE, 20) });
    assert_eq!(loaded.tail, (1..=20).map(|seq| stored(ALICE, seq)).collect::<Vec<_>>());
}

fn records_are_read_from_anywhere_up_to_a_limit(journal: &dyn Journal) {
    fill(journal, ALICE, 1..=9);
    let seqs = |from, limit| -> Vec<u64> {
        journal.records(&ALICE, from, limit).unwrap().into_iter().map(|stored| stored.seq).collect()
    };
    assert_eq!(seqs(0, 3), [1, 2, 3]);
    assert_eq!(seqs(4, 2), [4, 5]);
    assert_eq!(seqs(8, usize::MAX), [8, 9]);
    assert_eq!(seqs(10, 5), [0; 0]);
    assert_eq!(seqs(u64::MAX, 5), [0; 0]);
    assert_eq!(seqs(1, 0), [0; 0]);
}

fn an_append_that_does_not_follow_the_head_is_a_conflict_and_changes_nothing(journal: &dyn Journal) {
    fill(journal, ALICE, 1..=2);
    for (seq, expected) in [(2, 1), (4, 3), (0, u64::MAX)] {
        let mut late = append(ALICE, 3);
        late.seq = seq;
        late.bodies = vec![(MessageId([1; 16]), whole(10))];
        assert_eq!(commit(journal, late), Err(JournalError::Conflict { user: ALICE, expected, found: 2 }));
    }
    assert_eq!(journal.load(&ALICE).unwrap().head.seq, 2);
    assert_eq!(journal.body(&MessageId([1; 16])).unwrap(), None);
    commit(journal, append(ALICE, 3)).unwrap();
}

fn a_conflict_fails_only_its_own_append_of_a_batch(journal: &dyn Journal) {
    let handed_over: Vec<_> = [append(ALICE, 1), append(ALICE, 1), append(BOB, 1), append(ALICE, 3), append(ALICE, 2)]
        .map(|append| journal.append(append).unwrap())
        .into();
    let results: Vec<_> = handed_over.into_iter().map(|commit| commit.blocking_recv().unwrap().is_ok()).collect();
    assert_eq!(results, [true, false, true, false, true]);
    assert_eq!(journal.load(&ALICE).unwrap().head.seq, 2);
    assert_eq!(journal.load(&BOB).unwrap().head.seq, 1);
}

fn appends_of_one_user_handed_over_together_keep_their_order(journal: &dyn Journal) {
    let commits: Vec<_> = (1..=300).map(|seq| journal.append(append(ALICE, seq)).unwrap()).collect();
    for commit in commits {
        assert_eq!(commit.blocking_recv().unwrap(), Ok(()));
    }
    assert_eq!(journal.load(&ALICE).unwrap().tail.len(), 300);
}

fn bodies_of_any_length_come_back_until_their_message_ends(journal: &dyn Journal) {
    let lengths = [0, 1, 65_535, 65_536, 65_537, 131_072, 300_000];
    let messages: Vec<_> = lengths.iter().zip(1..).map(|(length, id)| (MessageId([id; 16]), body(*length))).collect();
    let bodies = messages.iter().map(|(message, body)| (*message, Body::Whole(body.clone()))).collect();
    commit(journal, Append { bodies, ..append(ALICE, 1) }).unwrap();
    for (message, body) in &messages {
        assert_eq!(journal.body(message).unwrap().as_ref(), Some(body));
        assert_eq!(journal.body_in_memory(message).as_ref(), Some(body), "just written: it is in the memtable");
    }
    let (ended, kept): (Vec<_>, Vec<_>) = messages.iter().partition(|(message, _)| message.0[0] % 2 == 1);
    let ids = ended.iter().map(|(message, _)| *message).collect();
    commit(journal, Append { ended: ids, ..append(ALICE, 2) }).unwrap();
    for (message, _) in ended {
        assert_eq!(journal.body(message).unwrap(), None);
        assert_eq!(journal.body_in_memory(message), None);
    }
    for (message, body) in kept {
        assert_eq!(journal.body(message).unwrap().as_ref(), Some(body));
    }
}

fn a_body_that_ends_with_the_append_that_brought_it_is_gone(journal: &dyn Journal) {
    for (seq, length) in [(1, 10), (2, 200_000)] {
        let message = MessageId([u8::try_from(seq).unwrap(); 16]);
        let both = Append { bodies: vec![(message, whole(length))], ended: vec![message], ..append(ALICE, seq) };
        commit(journal, both).unwrap();
        assert_eq!(journal.body(&message).unwrap(), None);
    }
    // The same, in one batch but in two appends.
    let message = MessageId([9; 16]);
    let brings = journal.append(Append { bodies: vec![(message, whole(200_000))], ..append(ALICE, 3) }).unwrap();
    let ends = journal.append(Append { ended: vec![message], ..append(ALICE, 4) }).unwrap();
    assert_eq!((brings.blocking_recv().unwrap(), ends.blocking_recv().unwrap()), (Ok(()), Ok(())));
    assert_eq!(journal.body(&message).unwrap(), None);
}

fn a_message_has_an_owner_even_after_its_end(journal: &dyn Journal) {
    let message = MessageId([7; 16]);
    commit(journal, Append { bodies: vec![(message, whole(3))], ..append(BOB, 1) }).unwrap();
    assert_eq!(journal.owner_of(&message).unwrap(), Some(BOB));
    commit(journal, Append { ended: vec![message], ..append(BOB, 2) }).unwrap();
    assert_eq!(journal.owner_of(&message).unwrap(), Some(BOB));
}

fn the_due_index_moves_with_the_append_and_is_scanned_in_order_of_time(journal: &dyn Journal) {
    let due_between = |from, until, limit| journal.due(Timestamp(from), Timestamp(until), limit).unwrap();
    commit(journal, Append { due: Some(Timestamp(2_000)), ..append(ALICE, 1) }).unwrap();
    commit(journal, Append { due: Some(Timestamp(1_000)), ..append(BOB, 1) }).unwrap();
    let (alice, bob) = ((Timestamp(2_000), ALICE), (Timestamp(1_000), BOB));
    assert_eq!(due_between(0, u64::MAX, 10), [bob, alice]);
    assert_eq!(due_between(0, u64::MAX, 1), [bob]);
    assert_eq!(due_between(0, u64::MAX, 0), []);
    assert_eq!(due_between(1_000, 2_000, 10), [bob, alice], "both bounds are included");
    assert_eq!(due_between(1_001, 1_999, 10), []);
    assert_eq!(due_between(2_000, 1_000, 10), []);
    commit(journal, Append { due: Some(Timestamp(500)), ..append(ALICE, 2) }).unwrap();
    commit(journal, Append { due: Some(Timestamp(1_000)), ..append(BOB, 2) }).unwrap();
    assert_eq!(due_between(0, u64::MAX, 10), [(Timestamp(500), ALICE), bob]);
    commit(journal, Append { due: None, ..append(ALICE, 3) }).unwrap();
    commit(journal, Append { due: Some(Timestamp(u64::MAX)), ..append(BOB, 3) }).unwrap();
    assert_eq!(due_between(0, u64::MAX - 1, 10), []);
    assert_eq!(due_between(0, u64::MAX, 10), [(Timestamp::MAX, BOB)]);
}

fn a_failed_append_moves_no_due_entry(journal: &dyn Journal) {
    commit(journal, Append { due: Some(Timestamp(10)), ..append(ALICE, 1) }).unwrap();
    commit(journal, Append { due: Some(Timestamp(20)), ..append(ALICE, 3) }).unwrap_err();
    assert_eq!(journal.due(Timestamp(0), Timestamp::MAX, 10).unwrap(), [(Timestamp(10), ALICE)]);
}

fn snapshot(seq: u64, state: &'static str) -> Snapshot {
    Snapshot { seq, chain: chain(ALICE, seq), state: Bytes::from_static(state.as_bytes()) }
}

fn a_snapshot_replaces_the_one_before_and_shortens_the_tail(journal: &dyn Journal) {
    fill(journal, ALICE, 1..=5);
    journal.put_snapshot(&ALICE, &snapshot(2, "two")).unwrap();
    let loaded = journal.load(&ALICE).unwrap();
    assert_eq!(loaded.snapshot, Some(snapshot(2, "two")));
    assert_eq!(loaded.tail, [stored(ALICE, 3), stored(ALICE, 4), stored(ALICE, 5)]);
    journal.put_snapshot(&ALICE, &snapshot(5, "five")).unwrap();
    let loaded = journal.load(&ALICE).unwrap();
    assert_eq!((loaded.head.seq, loaded.snapshot, loaded.tail), (5, Some(snapshot(5, "five")), Vec::new()));
    assert_eq!(journal.records(&ALICE, 1, 10).unwrap().len(), 5, "the story stays whole");
}

fn a_snapshot_that_does_not_fit_the_log_is_ignored(journal: &dyn Journal) {
    fill(journal, ALICE, 1..=3);
    let other_story = Snapshot { chain: Chain([9; 32]), ..snapshot(2, "other") };
    for misfit in [snapshot(4, "from the future"), other_story] {
        journal.put_snapshot(&ALICE, &misfit).unwrap();
        let loaded = journal.load(&ALICE).unwrap();
        assert_eq!((loaded.head.seq, loaded.snapshot, loaded.tail.len()), (3, None, 3));
    }
}

fn users_are_listed_page_by_page(journal: &dyn Journal) {
    let users: Vec<_> = [0x00, 0x01, 0x80, 0xff].map(|byte| UserKey([byte; 16])).into();
    for user in users.iter().rev() {
        fill(journal, *user, 1..=2);
    }
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = journal.users(after.as_ref(), 3).unwrap();
        let Some((last, _)) = page.last() else { break };
        after = Some(*last);
        seen.extend(page);
    }
    let expected: Vec<_> = users.iter().map(|user| (*user, Head { seq: 2, chain: chain(*user, 2) })).collect();
    assert_eq!(seen, expected);
    assert_eq!(journal.users(None, 0).unwrap(), []);
}

fn a_closed_journal_has_committed_everything_and_takes_no_more(journal: &dyn Journal) {
    let commits: Vec<_> = (1..=50).map(|seq| journal.append(append(ALICE, seq)).unwrap()).collect();
    journal.close();
    journal.close();
    for mut commit in commits {
        assert_eq!(commit.try_recv().unwrap(), Ok(()), "resolved before close returned");
    }
    assert_eq!(journal.append(append(ALICE, 51)).map(|_| ()), Err(JournalError::Closed));
    assert_eq!(journal.healthy(), Err(JournalError::Closed));
    assert_eq!(journal.load(&ALICE).unwrap().head.seq, 50, "it can still be read");
}

fn logs_of_neighbouring_users_do_not_mix(journal: &dyn Journal) {
    let next = UserKey({
        let mut bytes = ALICE.0;
        bytes[15] += 1;
        bytes
    });
    fill(journal, ALICE, 1..=3);
    fill(journal, next, 1..=2);
    assert_eq!(journal.load(&ALICE).unwrap().tail.len(), 3);
    assert_eq!(journal.records(&next, 1, 10).unwrap(), [stored(next, 1), stored(next, 2)]);
}

// What only the in-memory twin can show on demand.

#[test]
fn memory_manual_commits_wait_until_told_and_a_crash_drops_them() {
    let journal = MemoryJournal::manual();
    let mut first = journal.append(append(ALICE, 1)).unwrap();
    assert!(first.try_recv().is_err(), "not durable yet");
    assert_eq!(journal.load(&ALICE).unwrap().head, Head::EMPTY);
    assert_eq!(journal.commit_pending(), 1);
    assert_eq!(first.try_recv(), Ok(Ok(())));
    journal.put_snapshot(&ALICE, &snapshot(1, "lost")).unwrap();
    let second = journal.append(append(ALICE, 2)).unwrap();
    journal.crash();
    assert!(second.blocking_recv().is_err(), "nobody answers after a crash");
    let loaded = journal.load(&ALICE).unwrap();
    assert_eq!((loaded.head.seq, loaded.snapshot), (1, None), "an unsynced snapshot goes too");
    journal.append(append(ALICE, 2)).unwrap();
    assert_eq!((journal.pending(), journal.commit_next(5)), (1, 1));
    assert_eq!(journal.load(&ALICE).unwrap().head.seq, 2);
}

#[test]
fn memory_refuses_beyond_its_limit_and_plays_a_sick_disk() {
    let journal = MemoryJournal::manual().with_waiting_max(1);
    let waits = journal.append(append(ALICE, 1)).unwrap();
    assert_eq!(journal.append(append(ALICE, 2)).map(|_| ()), Err(JournalError::Busy { waiting: 1 }));
    let fault = JournalError::Store { cause: "input/output error".to_owned() };
    journal.set_fault(Some(fault.clone()));
    assert_eq!(journal.healthy(), Err(fault.clone()));
    journal.commit_pending();
    assert_eq!(waits.blocking_recv().unwrap(), Err(fault));
    journal.set_fault(None);
    journal.set_disk_full(Some(5));
    let brings = Append { bodies: vec![(MessageId([1; 16]), whole(1))], ..append(ALICE, 1) };
    assert_eq!(journal.append(brings).map(|_| ()), Err(JournalError::DiskFull { free: 5 }));
    assert!(journal.append(append(ALICE, 1)).is_ok());
}
