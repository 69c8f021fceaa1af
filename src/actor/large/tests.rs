//! What stands between wire and disk, without either: octets gathered for the disk, and read back whole or not at all.

use super::body::{Reading, Stored};
use super::disk::Disk;
use super::taking::Gathered;
use super::*;
use crate::journal::{Append, Body, Journal, MemoryJournal, PIECE};
use crate::metrics::Metrics;
use crate::net::msrp::{Source, SourceError};
use crate::types::{Chain, Digest, MessageId, UserKey};
use bytes::Bytes;

const MESSAGE: MessageId = MessageId([7; 16]);

fn on_runtime<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(test)
}

/// Octets that tell where they stand.
fn octets(count: usize) -> Vec<u8> {
    (0..count).map(|n| u8::try_from(n % 251).unwrap()).collect()
}

/// A journal with this body.
fn keeping(body: &[u8]) -> Arc<dyn Journal> {
    let journal = MemoryJournal::new();
    let mut writer = journal.begin_body(MESSAGE).unwrap();
    writer.write(0, body).unwrap();
    let kept = writer.finish(body.len() as u64).unwrap();
    let append = Append {
        user: UserKey([1; 16]),
        seq: 1,
        chain: Chain([0; 32]),
        record: Bytes::from_static(b"record"),
        bodies: vec![(MESSAGE, Body::Kept { length: kept.length })],
        ended: Vec::new(),
        freed: 0,
        due: None,
    };
    on_runtime(journal.append(append).unwrap()).unwrap().unwrap();
    Arc::new(journal)
}

fn reading(prefix: &'static [u8], body: &[u8], expected: Digest) -> Reading {
    let stored = Stored::new(keeping(body), Disk::new(), MESSAGE);
    Reading::new(stored, Bytes::from_static(prefix), body.len() as u64, Some(expected))
}

/// All of it, in slices of at most this many octets.
fn read(source: &mut Reading, size: usize, max: usize) -> Result<Vec<u8>, SourceError> {
    on_runtime(async {
        let mut read = Vec::new();
        while read.len() < size {
            let octets = source.read(read.len() as u64, max).await?;
            assert!(!octets.is_empty() && octets.len() <= max);
            read.extend_from_slice(&octets);
        }
        Ok(read)
    })
}

#[test]
fn a_body_is_read_in_slices_across_its_pieces_behind_what_is_put_before_it() {
    let body = octets(2 * PIECE + 17);
    for max in [1000, 16 << 10, PIECE, 1 << 20] {
        let mut source = reading(b"From: <sip:a@b>\r\n", &body, Digest::of(&body));
        let expected = [b"From: <sip:a@b>\r\n", body.as_slice()].concat();
        assert_eq!(read(&mut source, expected.len(), max), Ok(expected), "{max} at a time");
    }
}

#[test]
fn octets_may_be_read_again() {
    let body = octets(PIECE + 10);
    let mut source = reading(b"", &body, Digest::of(&body));
    on_runtime(async {
        for position in [0, 5, 5, 0, PIECE as u64 - 1] {
            let at = usize::try_from(position).unwrap();
            assert_eq!(source.read(position, 1).await, Ok(Bytes::copy_from_slice(&body[at..=at])));
        }
    });
    assert_eq!(read(&mut source, body.len(), 4096), Ok(body));
}

#[test]
fn what_is_not_what_was_received_is_not_given_out_whole() {
    let body = octets(PIECE + 10);
    let mut source = reading(b"", &body, Digest::of(b"something else"));
    assert_eq!(read(&mut source, body.len(), 4096), Err(SourceError));
}

#[test]
fn a_missing_piece_ends_the_reading() {
    let stored = Stored::new(Arc::new(MemoryJournal::new()), Disk::new(), MESSAGE);
    let mut source = Reading::new(stored, Bytes::new(), 10, None);
    assert_eq!(read(&mut source, 10, 4096), Err(SourceError));
}

#[test]
fn slices_in_order_are_gathered_up_to_the_end_of_their_piece() {
    let mut gathered = Gathered::default();
    assert!(gathered.takes(1000));
    assert!(!gathered.add(1000, &mut Bytes::from_static(b"abc")));
    assert!(gathered.takes(1003));
    assert!(!gathered.takes(1004), "a gap");
    assert!(!gathered.takes(1002), "an overlap");
    assert!(!gathered.add(1003, &mut Bytes::from_static(b"def")));
    let journal = MemoryJournal::new();
    let mut writer = journal.begin_body(MESSAGE).unwrap();
    writer.write(0, &[b'x'; 1000]).unwrap();
    gathered.write(&mut *writer).unwrap();
    let expected = [&[b'x'; 1000], b"abcdef".as_slice()].concat();
    assert_eq!(writer.finish(1006).unwrap().digest, Digest::of(&expected));
    let mut more = Bytes::from(vec![0; PIECE]);
    assert!(Gathered::default().add(PIECE as u64 + 100, &mut more), "that is all of this piece");
    assert_eq!(more.len(), 100, "the rest is for the next");
}

#[test]
fn each_user_has_so_many_receptions_at_once_and_gets_them_back() {
    let (large, metrics) = (
        Large::new(&config::Msrp { receptions_per_user_max: 2, ..config::Msrp::default() }, None),
        Metrics::new().unwrap(),
    );
    let (bob, carol) = (UserKey([1; 16]), UserKey([2; 16]));
    let first = large.reception(bob, &metrics).unwrap();
    let second = large.reception(bob, &metrics).unwrap();
    assert!(large.reception(bob, &metrics).is_none());
    assert!(large.reception(carol, &metrics).is_some());
    drop(first);
    assert!(large.reception(bob, &metrics).is_some());
    let counted = metrics.render().unwrap();
    assert!(counted.contains("limit=\"msrp.receptions-per-user-max\"} 1"), "{counted}");
    drop(second);
    assert!(lock(&large.receptions).is_empty(), "nobody is remembered for nothing");
}
