//! Bodies in pieces on a real disk: crashes, damage, memory, other programs on the same directory.

use super::*;
use crate::journal::{Body, PIECE, Totals, Uncounted};
use std::sync::atomic::{AtomicUsize, Ordering};

const MESSAGE: MessageId = MessageId([0xcc; 16]);

/// Writes a body and has it brought by an append.
fn bring(journal: &RocksJournal, user: UserKey, seq: u64, message: MessageId, octets: &[u8]) {
    let mut writer = journal.begin_body(message).unwrap();
    for (n, part) in octets.chunks(10_000).enumerate() {
        writer.write(n as u64 * 10_000, part).unwrap();
    }
    let kept = writer.finish(octets.len() as u64).unwrap();
    let bodies = vec![(message, Body::Kept { length: kept.length })];
    commit(journal, Append { bodies, ..append(user, seq) }).unwrap();
}

fn flush(journal: &RocksJournal) {
    for of in Column::ALL {
        journal.db.flush_cf(&column(&journal.db, of).unwrap()).unwrap();
    }
}

fn blob_files(at: &Path) -> usize {
    let entries = std::fs::read_dir(at).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|extension| extension == "blob")).count()
}

#[test]
fn large_pieces_lie_aside_and_are_read_after_a_crash_and_beside_the_server() {
    let at = directory();
    let journal = open(at.path()).unwrap();
    let octets = body(30 * PIECE + 99);
    bring(&journal, ALICE, 1, MESSAGE, &octets);
    let reader = RocksReader::open(at.path()).unwrap();
    assert!(reader.body(&MESSAGE).unwrap().unwrap() == octets, "from the log");
    flush(&journal);
    assert!(blob_files(at.path()) > 0);
    reader.catch_up().unwrap();
    assert!(reader.piece(&MESSAGE, 30).unwrap().unwrap() == octets[30 * PIECE..], "from a blob file");
    assert_eq!(reader.body_length(&MESSAGE).unwrap(), Some(octets.len() as u64));
    let copy = copy_of(at.path());
    assert!(open(copy.path()).unwrap().body(&MESSAGE).unwrap().unwrap() == octets);
}

/// Whether values lie aside is a matter of writing: what knows nothing of it reads and compacts them all the same.
#[test]
fn a_program_from_before_reads_the_directory() {
    let at = directory();
    let octets = body(8 * PIECE);
    {
        let journal = open(at.path()).unwrap();
        bring(&journal, ALICE, 1, MESSAGE, &octets);
        flush(&journal);
    }
    {
        let options = rocksdb::Options::default();
        let names = DB::list_cf(&options, at.path()).unwrap();
        let db = DB::open_cf(&options, at.path(), names).unwrap();
        let bodies = db.cf_handle(Column::Bodies.name()).unwrap();
        db.compact_range_cf(&bodies, None::<&[u8]>, None::<&[u8]>);
        let piece = db.get_cf(&bodies, layout::piece_key(&MESSAGE, 7)).unwrap().unwrap();
        assert!(piece == octets[7 * PIECE..]);
    }
    assert!(open(at.path()).unwrap().body(&MESSAGE).unwrap().unwrap() == octets);
}

#[test]
fn damaged_pieces_are_told_as_such_and_their_message_can_still_end() {
    let at = directory();
    let journal = open(at.path()).unwrap();
    let octets = body(4 * PIECE + 10);
    for (seq, (number, value)) in (1..).zip([
        (2, None),
        (4, None),
        (4, Some(&octets[..9])),
        (4, Some(&octets[..PIECE])),
        (1, Some(&octets[..=PIECE])),
        (1, Some(&[])),
        (0, Some(&[0; 3])),
        (0, Some(&[0xff; 100])),
    ]) {
        let message = MessageId([u8::try_from(seq).unwrap(); 16]);
        bring(&journal, ALICE, seq, message, &octets);
        let key = layout::piece_key(&message, number);
        match value {
            Some(value) => tamper(&journal, Column::Bodies, &key, value),
            None => remove(&journal, Column::Bodies, &key),
        }
        assert!(is_damage(&journal.body(&message)), "{number} of {seq}");
        // A last piece that is longer than it should be is found by its own length, unless it is a full one.
        let is_full = value.is_some_and(|value| value.len() == PIECE);
        assert!(is_full || is_damage(&journal.piece(&message, number)), "{number} of {seq}");
    }
    assert_eq!(journal.healthy(), Ok(()));
    let ended = (1..=8).map(|id| MessageId([id; 16])).collect();
    commit(&journal, Append { ended, ..append(ALICE, 9) }).unwrap();
}

#[test]
fn a_damaged_marker_keeps_no_other_orphan_from_being_swept() {
    let at = directory();
    let journal = open(at.path()).unwrap();
    let writers: Vec<_> = (1..=3)
        .map(|id| {
            let mut writer = journal.begin_body(MessageId([id; 16])).unwrap();
            writer.write(0, &body(PIECE)).unwrap();
            writer
        })
        .collect();
    tamper(&journal, Column::Meta, &layout::writing_key(&MessageId([2; 16])), b"short");
    fill(&journal, ALICE, 1..=1);
    let copy = copy_of(at.path());
    let crashed = open(copy.path()).unwrap();
    assert_eq!(crashed.sweep(usize::MAX).unwrap(), 2);
    fill(&crashed, ALICE, 2..=2);
    drop(writers);
}

#[derive(Default)]
struct Orphans(AtomicUsize);

impl Counters for Orphans {
    fn orphan(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn what_came_to_nothing_is_counted_and_what_was_brought_is_not() {
    let at = directory();
    let counted = Arc::new(Orphans::default());
    let journal = RocksJournal::open(&config(at.path()), Arc::<Orphans>::clone(&counted)).unwrap();
    bring(&journal, ALICE, 1, MESSAGE, &body(PIECE));
    drop(journal.begin_body(MessageId([1; 16])).unwrap());
    let mut writer = journal.begin_body(MessageId([2; 16])).unwrap();
    writer.write(0, &body(3 * PIECE)).unwrap();
    drop(writer);
    journal.close();
    assert_eq!(counted.0.load(Ordering::SeqCst), 2);
}

#[test]
fn reading_large_bodies_leaves_the_cache_to_others() {
    let at = directory();
    {
        let journal = open(at.path()).unwrap();
        bring(&journal, ALICE, 1, MESSAGE, &body(60 * PIECE));
        flush(&journal);
    }
    let journal = open(at.path()).unwrap();
    let bodies = column(&journal.db, Column::Bodies).unwrap();
    let cached = || journal.db.property_int_value_cf(&bodies, "rocksdb.block-cache-usage").unwrap().unwrap();
    let before = cached();
    for number in 0..60 {
        assert_eq!(journal.piece(&MESSAGE, number).unwrap().unwrap().len(), PIECE);
    }
    assert!(cached() - before < 256 << 10, "{} octets more", cached() - before);
}

#[test]
fn a_flood_of_pieces_stays_within_its_memtables() {
    let at = directory();
    let wide = config::Journal { write_buffer_bytes: 1 << 30, ..config(at.path()) };
    let journal = RocksJournal::open(&wide, Arc::new(Uncounted)).unwrap();
    let bodies = column(&journal.db, Column::Bodies).unwrap();
    let octets = body(PIECE);
    let most = std::thread::scope(|scope| {
        let writers: Vec<_> = (1..=4)
            .map(|id| {
                let (journal, octets, bodies) = (&journal, &octets, &bodies);
                scope.spawn(move || {
                    let mut writer = journal.begin_body(MessageId([id; 16])).unwrap();
                    let write = |number: u64| {
                        writer.write(number * PIECE as u64, octets).unwrap();
                        journal.db.property_int_value_cf(bodies, "rocksdb.cur-size-all-mem-tables").unwrap().unwrap()
                    };
                    (0..400).map(write).max().unwrap()
                })
            })
            .collect();
        writers.into_iter().map(|writer| writer.join().unwrap()).max().unwrap()
    });
    assert!(most <= 72 << 20, "{most} octets in memtables");
}

/// Without its variable it does nothing.
#[test]
#[ignore = "no test of its own: the process that the next test starts and kills"]
fn child_that_writes_bodies_until_it_is_killed() {
    let Some(at) = std::env::var_os(CHILD_DIRECTORY) else { return };
    let journal = open(Path::new(&at)).unwrap();
    let mut aside = journal.begin_body(MessageId([0xee; 16])).unwrap();
    for seq in 1_u64.. {
        // Another transfer goes on beside it and never ends.
        aside.write(seq * 5_000, &body(5_000)).unwrap();
        bring(
            &journal,
            ALICE,
            seq,
            MessageId(u128::from(seq).to_be_bytes()),
            &body(usize::try_from(seq * 1_000).unwrap()),
        );
        println!("acknowledged {seq}");
    }
}

#[test]
fn what_a_killed_process_acknowledged_is_whole_and_everything_else_is_swept() {
    let at = directory();
    let child = "journal::rocks::tests::pieces::child_that_writes_bodies_until_it_is_killed";
    let acknowledged = killed_after(child, at.path(), 150);
    let journal = open(at.path()).unwrap();
    let head = journal.load(&ALICE).unwrap().head;
    assert!(head.seq >= acknowledged);
    for seq in 1..=head.seq {
        let message = MessageId(u128::from(seq).to_be_bytes());
        assert!(journal.body(&message).unwrap().unwrap() == body(usize::try_from(seq * 1_000).unwrap()), "{seq}");
        assert!(View::live(&journal.db).marker(&message).unwrap().is_none());
    }
    let swept = journal.sweep(usize::MAX).unwrap();
    assert!((1..=2).contains(&swept), "the one aside, and perhaps the one that was next: {swept}");
    let bodies = column(&journal.db, Column::Bodies).unwrap();
    for entry in journal.db.iterator_cf(&bodies, rocksdb::IteratorMode::Start) {
        let message = MessageId(entry.unwrap().0[..16].try_into().unwrap());
        assert_eq!(journal.owner_of(&message).unwrap(), Some(ALICE), "a piece of nobody's");
    }
    assert_eq!(View::live(&journal.db).writing().unwrap(), []);
    let octets = (1..=head.seq).map(|seq| seq * 1_000).sum();
    assert_eq!(super::open::totals(&journal.db).unwrap(), Totals { messages: head.seq, octets });
}
