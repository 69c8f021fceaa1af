//! What both twins promise of bodies that come in pieces: whole or nobody's, whatever breaks off.

use super::*;
use crate::journal::{BodyWriter, HEAD_MAX, Kept, PIECE};
use crate::types::Digest;
use proptest::prelude::*;
use tempfile::TempDir;

const MESSAGE: MessageId = MessageId([0xcc; 16]);

/// A journal that can crash.
enum Twin {
    Memory(MemoryJournal),
    Rocks(RocksJournal, TempDir),
}

impl Twin {
    fn journal(&self) -> &dyn Journal {
        match self {
            Self::Memory(journal) => journal,
            Self::Rocks(journal, _) => journal,
        }
    }

    /// The power fails, and the server starts again.
    fn crash(&mut self) {
        match self {
            Self::Memory(journal) => journal.crash(),
            Self::Rocks(_, at) => {
                let copy = tempfile::tempdir().unwrap();
                for entry in std::fs::read_dir(at.path()).unwrap() {
                    let entry = entry.unwrap();
                    std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
                }
                *self = Self::Rocks(open(copy.path()).unwrap(), copy);
            }
        }
    }

    fn set_disk_full(&self, is_full: bool) {
        match self {
            Self::Memory(journal) => journal.set_disk_full(is_full.then_some(5)),
            Self::Rocks(journal, _) => journal.set_disk_free_min(if is_full { u64::MAX } else { 0 }),
        }
    }

    /// Whether nothing is left of the body; a discard may still be under way.
    fn has_nothing_of(&self, message: &MessageId) -> bool {
        for _ in 0..1_000 {
            let left = match self {
                Self::Memory(journal) => journal.unowned(),
                Self::Rocks(journal, _) => journal.left_of(message),
            };
            if left == 0 {
                return self.journal().body(message).unwrap().is_none();
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        false
    }
}

fn memory(test: fn(&mut Twin)) {
    test(&mut Twin::Memory(MemoryJournal::new()));
}

fn rocks(test: fn(&mut Twin)) {
    let at = tempfile::tempdir().unwrap();
    test(&mut Twin::Rocks(open(at.path()).unwrap(), at));
}

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
    def_2c_vi_a_body_of_any_length_comes_in_order_and_is_read_piece_by_piece,
    def_2c_vi_octets_in_any_order_make_the_same_body,
    def_2c_vi_later_octets_go_over_earlier_ones,
    a_body_may_be_read_by_its_message_only_and_ends_with_it,
    a_body_and_its_end_in_one_batch_leave_nothing,
    a_writer_dropped_without_its_append_leaves_nothing,
    a_writer_dropped_while_its_append_waits_takes_nothing_away,
    a_crash_before_the_append_leaves_an_orphan_that_is_swept,
    a_crash_after_the_append_keeps_the_body,
    a_sweep_leaves_alone_what_is_being_written,
    a_sweep_takes_no_more_than_its_limit,
    a_full_disk_ends_the_writer_and_loses_nothing_accepted,
    a_body_said_to_be_kept_that_is_not_fails_its_append_alone,
    a_wrong_length_and_an_impossible_position_are_errors_for_good,
    a_closed_journal_begins_no_body,
);

/// Written in slices of this size, in order.
fn written(journal: &dyn Journal, message: MessageId, octets: &[u8], slice: usize) -> (Box<dyn BodyWriter>, Kept) {
    let mut writer = journal.begin_body(message).unwrap();
    for (n, part) in octets.chunks(slice).enumerate() {
        writer.write((n * slice) as u64, part).unwrap();
    }
    let kept = writer.finish(octets.len() as u64).unwrap();
    (writer, kept)
}

fn brings(user: UserKey, seq: u64, message: MessageId, length: u64) -> Append {
    Append { bodies: vec![(message, Body::Kept { length })], ..append(user, seq) }
}

fn is(kept: &Kept, octets: &[u8]) {
    assert_eq!(kept.length, octets.len() as u64);
    assert_eq!(kept.digest, Digest::of(octets));
    assert_eq!(kept.head, octets[..octets.len().min(HEAD_MAX)]);
}

fn holds(journal: &dyn Journal, message: &MessageId, octets: &[u8]) {
    assert_eq!(journal.body_length(message).unwrap(), Some(octets.len() as u64));
    let mut number = 0;
    let mut read = Vec::new();
    while let Some(piece) = journal.piece(message, number).unwrap() {
        assert!(number == 0 || !piece.is_empty());
        read.extend_from_slice(&piece);
        number += 1;
    }
    assert!(read == octets, "read piece by piece");
    assert_eq!(number as usize, octets.len().div_ceil(PIECE).max(1));
    assert_eq!(journal.piece(message, u32::MAX).unwrap(), None);
    assert!(journal.body(message).unwrap().unwrap() == octets, "read at once");
}

fn def_2c_vi_a_body_of_any_length_comes_in_order_and_is_read_piece_by_piece(twin: &mut Twin) {
    let journal = twin.journal();
    let lengths = [0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 3 * PIECE + 5, 40 * PIECE + 17];
    for (seq, length) in (1..).zip(lengths) {
        let (message, octets) = (MessageId([u8::try_from(seq).unwrap(); 16]), body(length));
        let slice = [1, 1_000, 4_097, PIECE, PIECE + 1][usize::try_from(seq).unwrap() % 5].max(length / 1_000);
        let (_writer, kept) = written(journal, message, &octets, slice);
        is(&kept, &octets);
        commit(journal, brings(ALICE, seq, message, length as u64)).unwrap();
        holds(journal, &message, &octets);
    }
    twin.crash();
    for (id, length) in (1..).zip(lengths) {
        holds(twin.journal(), &MessageId([id; 16]), &body(length));
    }
    assert_eq!(twin.journal().sweep(usize::MAX).unwrap(), 0);
}

fn def_2c_vi_octets_in_any_order_make_the_same_body(twin: &mut Twin) {
    let journal = twin.journal();
    let octets = body(3 * PIECE + 100);
    let orders: [&[(usize, usize)]; 3] = [
        &[(PIECE + 7, 3 * PIECE + 100), (0, PIECE + 7)],
        &[(PIECE, 2 * PIECE), (0, PIECE), (3 * PIECE, 3 * PIECE + 100), (2 * PIECE, 3 * PIECE)],
        &[(10, 20), (PIECE + 10, 3 * PIECE + 100), (0, 10), (20, PIECE + 10)],
    ];
    for (id, order) in (1..).zip(orders) {
        let message = MessageId([id; 16]);
        let mut writer = journal.begin_body(message).unwrap();
        for (begin, end) in order {
            writer.write(*begin as u64, &octets[*begin..*end]).unwrap();
        }
        is(&writer.finish(octets.len() as u64).unwrap(), &octets);
        commit(journal, brings(ALICE, id.into(), message, octets.len() as u64)).unwrap();
        holds(journal, &message, &octets);
    }
}

fn def_2c_vi_later_octets_go_over_earlier_ones(twin: &mut Twin) {
    let journal = twin.journal();
    let mut expected = body(2 * PIECE + 30).to_vec();
    let mut writer = journal.begin_body(MESSAGE).unwrap();
    writer.write(0, &expected).unwrap();
    for at in [0, PIECE - 1, 2 * PIECE + 28, 5] {
        expected[at..at + 2].copy_from_slice(b"!!");
        writer.write(at as u64, b"!!").unwrap();
        writer.write(1, b"").unwrap();
    }
    is(&writer.finish(expected.len() as u64).unwrap(), &expected);
    commit(journal, brings(ALICE, 1, MESSAGE, expected.len() as u64)).unwrap();
    holds(journal, &MESSAGE, &expected);
}

fn a_body_may_be_read_by_its_message_only_and_ends_with_it(twin: &mut Twin) {
    let journal = twin.journal();
    assert_eq!((journal.body_length(&MESSAGE).unwrap(), journal.piece(&MESSAGE, 0).unwrap()), (None, None));
    let octets = body(5 * PIECE);
    let (writer, _) = written(journal, MESSAGE, &octets, 10_000);
    assert_eq!(journal.owner_of(&MESSAGE).unwrap(), None);
    commit(journal, brings(ALICE, 1, MESSAGE, octets.len() as u64)).unwrap();
    drop(writer);
    assert_eq!(journal.owner_of(&MESSAGE).unwrap(), Some(ALICE));
    // The committer has been there since.
    commit(journal, append(BOB, 1)).unwrap();
    commit(journal, append(BOB, 2)).unwrap();
    holds(journal, &MESSAGE, &octets);
    commit(journal, Append { ended: vec![MESSAGE], freed: octets.len() as u64, ..append(ALICE, 2) }).unwrap();
    assert!(twin.has_nothing_of(&MESSAGE));
    assert_eq!((journal.body_length(&MESSAGE).unwrap(), journal.piece(&MESSAGE, 1).unwrap()), (None, None));
}

fn a_body_and_its_end_in_one_batch_leave_nothing(twin: &mut Twin) {
    let journal = twin.journal();
    let length = 3 * PIECE as u64;
    let (_one, _) = written(journal, MESSAGE, &body(3 * PIECE), PIECE);
    commit(journal, Append { ended: vec![MESSAGE], ..brings(ALICE, 1, MESSAGE, length) }).unwrap();
    assert!(twin.has_nothing_of(&MESSAGE));
    let other = MessageId([0xdd; 16]);
    let (_other, _) = written(journal, other, &body(3 * PIECE), PIECE);
    let came = journal.append(brings(ALICE, 2, other, length)).unwrap();
    let went = journal.append(Append { ended: vec![other], ..append(ALICE, 3) }).unwrap();
    assert_eq!((came.blocking_recv().unwrap(), went.blocking_recv().unwrap()), (Ok(()), Ok(())));
    assert!(twin.has_nothing_of(&other));
}

fn a_writer_dropped_without_its_append_leaves_nothing(twin: &mut Twin) {
    let journal = twin.journal();
    let octets = body(20 * PIECE + 3);
    let (writer, _) = written(journal, MESSAGE, &octets, 10_000);
    drop(writer);
    assert!(twin.has_nothing_of(&MESSAGE), "finished, but nobody's");
    let mut writer = journal.begin_body(MESSAGE).unwrap();
    writer.write(30 * PIECE as u64 + 5, &octets).unwrap();
    drop(writer);
    assert!(twin.has_nothing_of(&MESSAGE), "and not even finished");
    drop(journal.begin_body(MESSAGE).unwrap());
    assert!(twin.has_nothing_of(&MESSAGE));
    twin.crash();
    assert_eq!(twin.journal().sweep(usize::MAX).unwrap(), 0);
}

fn a_writer_dropped_while_its_append_waits_takes_nothing_away(twin: &mut Twin) {
    let journal = twin.journal();
    for seq in 1..=20 {
        let (message, octets) = (MessageId([u8::try_from(seq).unwrap(); 16]), body(2 * PIECE));
        let (writer, kept) = written(journal, message, &octets, PIECE);
        let waits = journal.append(brings(ALICE, seq, message, kept.length)).unwrap();
        drop(writer);
        assert_eq!(waits.blocking_recv().unwrap(), Ok(()));
        commit(journal, append(BOB, seq)).unwrap();
        holds(journal, &message, &octets);
    }
    let (writer, kept) = written(journal, MESSAGE, b"late", 1);
    let conflict = journal.append(brings(ALICE, 1, MESSAGE, kept.length)).unwrap();
    drop(writer);
    assert!(matches!(conflict.blocking_recv().unwrap(), Err(JournalError::Conflict { .. })));
    assert!(twin.has_nothing_of(&MESSAGE));
}

fn a_crash_before_the_append_leaves_an_orphan_that_is_swept(twin: &mut Twin) {
    let journal = twin.journal();
    fill(journal, ALICE, 1..=1);
    let (finished, _) = written(journal, MESSAGE, &body(4 * PIECE), 9_999);
    let mut unfinished = journal.begin_body(MessageId([2; 16])).unwrap();
    unfinished.write(100 * PIECE as u64, &body(2 * PIECE)).unwrap();
    let in_memory = journal.begin_body(MessageId([3; 16])).unwrap();
    // A synced write of somebody else, so that all of it is on the disk.
    fill(journal, BOB, 1..=1);
    twin.crash();
    let journal = twin.journal();
    assert_eq!(journal.owner_of(&MESSAGE).unwrap(), None);
    let late = commit(journal, brings(ALICE, 2, MessageId([2; 16]), 2));
    assert!(matches!(late, Err(JournalError::Damaged { .. })), "nothing of the last run can be brought");
    let swept = journal.sweep(usize::MAX).unwrap();
    let expected = if matches!(twin, Twin::Memory(_)) { 3 } else { 2 };
    assert_eq!(swept, expected, "the third had nothing on a disk");
    assert_eq!(journal.sweep(usize::MAX).unwrap(), 0);
    drop((finished, unfinished, in_memory));
    for id in [MESSAGE, MessageId([2; 16]), MessageId([3; 16])] {
        assert!(twin.has_nothing_of(&id));
    }
    fill(twin.journal(), ALICE, 2..=2);
}

fn a_crash_after_the_append_keeps_the_body(twin: &mut Twin) {
    let octets = body(7 * PIECE + 1);
    let (writer, kept) = written(twin.journal(), MESSAGE, &octets, 50_000);
    commit(twin.journal(), brings(ALICE, 1, MESSAGE, kept.length)).unwrap();
    twin.crash();
    drop(writer);
    assert_eq!(twin.journal().sweep(usize::MAX).unwrap(), 0);
    holds(twin.journal(), &MESSAGE, &octets);
    assert_eq!(twin.journal().owner_of(&MESSAGE).unwrap(), Some(ALICE));
}

fn a_sweep_leaves_alone_what_is_being_written(twin: &mut Twin) {
    let octets = body(3 * PIECE);
    let (_writer, _) = written(twin.journal(), MESSAGE, &octets, PIECE);
    assert_eq!(twin.journal().sweep(usize::MAX).unwrap(), 0);
    twin.crash();
    let next = MessageId([4; 16]);
    let (_writer, kept) = written(twin.journal(), next, &octets, PIECE);
    assert_eq!(twin.journal().sweep(usize::MAX).unwrap(), 1, "of the run before");
    commit(twin.journal(), brings(ALICE, 1, next, kept.length)).unwrap();
    holds(twin.journal(), &next, &octets);
}

fn a_sweep_takes_no_more_than_its_limit(twin: &mut Twin) {
    let writers: Vec<_> = (1..=5).map(|id| written(twin.journal(), MessageId([id; 16]), b"octets", 6)).collect();
    fill(twin.journal(), BOB, 1..=1);
    twin.crash();
    let swept: Vec<_> = [2, 0, 2, 2, 2].map(|limit| twin.journal().sweep(limit).unwrap()).into();
    assert_eq!(swept, [2, 0, 2, 1, 0]);
    drop(writers);
}

fn a_full_disk_ends_the_writer_and_loses_nothing_accepted(twin: &mut Twin) {
    let journal = twin.journal();
    let octets = body(2 * PIECE);
    let (_kept, kept) = written(journal, MESSAGE, &octets, PIECE);
    commit(journal, brings(ALICE, 1, MESSAGE, kept.length)).unwrap();
    let other = MessageId([5; 16]);
    let mut writer = journal.begin_body(other).unwrap();
    writer.write(0, &octets).unwrap();
    twin.set_disk_full(true);
    assert!(matches!(journal.begin_body(MessageId([6; 16])).err(), Some(JournalError::DiskFull { .. })));
    assert!(matches!(writer.write(octets.len() as u64, &octets), Err(JournalError::DiskFull { .. })));
    twin.set_disk_full(false);
    let again = writer.write(octets.len() as u64, &octets);
    assert!(matches!(again, Err(JournalError::DiskFull { .. })), "it has failed for good");
    assert!(matches!(writer.finish(octets.len() as u64), Err(JournalError::DiskFull { .. })));
    drop(writer);
    assert!(twin.has_nothing_of(&other));
    holds(journal, &MESSAGE, &octets);
    let (_writer, kept) = written(journal, MessageId([7; 16]), &octets, PIECE);
    commit(journal, brings(ALICE, 2, MessageId([7; 16]), kept.length)).unwrap();
}

fn a_body_said_to_be_kept_that_is_not_fails_its_append_alone(twin: &mut Twin) {
    let journal = twin.journal();
    let mut unfinished = journal.begin_body(MESSAGE).unwrap();
    unfinished.write(0, &body(PIECE)).unwrap();
    let (_writer, kept) = written(journal, MessageId([8; 16]), b"octets", 6);
    for claim in [
        brings(ALICE, 1, MessageId([9; 16]), 6),
        brings(ALICE, 1, MESSAGE, PIECE as u64),
        brings(ALICE, 1, MessageId([8; 16]), 7),
    ] {
        assert!(matches!(commit(journal, claim), Err(JournalError::Damaged { .. })));
    }
    assert_eq!((journal.load(&ALICE).unwrap().head, journal.healthy()), (Head::EMPTY, Ok(())));
    commit(journal, brings(ALICE, 1, MessageId([8; 16]), kept.length)).unwrap();
    let twice = commit(journal, brings(ALICE, 2, MessageId([8; 16]), kept.length));
    assert!(matches!(twice, Err(JournalError::Damaged { .. })), "a body is brought once");
}

fn a_wrong_length_and_an_impossible_position_are_errors_for_good(twin: &mut Twin) {
    let journal = twin.journal();
    for length in [0, 9, 11, u64::MAX] {
        let mut writer = journal.begin_body(MESSAGE).unwrap();
        writer.write(0, b"ten octets").unwrap();
        assert!(matches!(writer.finish(length), Err(JournalError::Damaged { .. })));
        assert!(matches!(writer.finish(10), Err(JournalError::Damaged { .. })));
    }
    for position in [u64::MAX, 4 << 30] {
        let mut writer = journal.begin_body(MESSAGE).unwrap();
        assert!(matches!(writer.write(position, b"x"), Err(JournalError::TooLarge { .. })));
        assert!(matches!(writer.write(0, b"x"), Err(JournalError::TooLarge { .. })));
    }
    assert!(twin.has_nothing_of(&MESSAGE));
}

#[test]
fn totals_count_bodies_that_came_in_pieces() {
    let mut totals = Totals::default();
    let bring =
        Append { bodies: vec![(MESSAGE, Body::Kept { length: 1_000_000 }), (MESSAGE, whole(5))], ..append(ALICE, 1) };
    totals.count(&bring);
    assert_eq!(totals, Totals { messages: 2, octets: 1_000_005 });
    totals.count(&Append { ended: vec![MESSAGE], freed: 1_000_000, ..append(ALICE, 2) });
    assert_eq!(totals, Totals { messages: 1, octets: 5 });
}

fn a_closed_journal_begins_no_body(twin: &mut Twin) {
    let journal = twin.journal();
    let (writer, _) = written(journal, MESSAGE, &body(PIECE), PIECE);
    journal.close();
    assert!(matches!(journal.begin_body(MESSAGE).err(), Some(JournalError::Closed)));
    drop(writer);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Any sequence of writes gives what a plain buffer would hold, and both twins agree.
    #[test]
    fn any_order_of_writes_is_a_buffer(writes in proptest::collection::vec((0..3 * PIECE, 1..2 * PIECE), 1..12)) {
        let end = writes.iter().map(|(at, length)| at + length).max().unwrap();
        let filler = body(end);
        let at = tempfile::tempdir().unwrap();
        let twins = [Twin::Memory(MemoryJournal::new()), Twin::Rocks(open(at.path()).unwrap(), at)];
        let mut expected = filler.to_vec();
        let mut writers = twins.each_ref().map(|twin| twin.journal().begin_body(MESSAGE).unwrap());
        for (n, piece) in filler.chunks(30_000).enumerate() {
            for writer in &mut writers {
                writer.write((n * 30_000) as u64, piece).unwrap();
            }
        }
        for (at, length) in &writes {
            let octets = vec![u8::try_from(at % 256).unwrap(); *length];
            expected[*at..at + length].copy_from_slice(&octets);
            for writer in &mut writers {
                writer.write(*at as u64, &octets).unwrap();
            }
        }
        for (twin, writer) in twins.iter().zip(&mut writers) {
            is(&writer.finish(end as u64).unwrap(), &expected);
            commit(twin.journal(), brings(ALICE, 1, MESSAGE, end as u64)).unwrap();
            holds(twin.journal(), &MESSAGE, &expected);
        }
    }
}
