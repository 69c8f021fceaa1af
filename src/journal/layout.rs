//! Keys and values byte by byte: the one place that knows how the data directory is written (`docs/data-format.md`).
//!
//! Numbers are big-endian, so that the order of the bytes is the order of the numbers.

use super::{Head, JournalError, Snapshot, Stored, Totals};
use crate::types::{Chain, MessageId, SeedSecret, Timestamp, UserKey};
use bytes::Bytes;

/// Version of everything described here. A program refuses a directory with a greater one.
pub(super) const FORMAT: u32 = 1;

/// Octets of a body in one piece.
pub(super) const PIECE: usize = 64 << 10;

/// The key of [`FORMAT`] in `meta`.
pub(super) const META_FORMAT: &[u8] = b"format";
/// The key of [`Totals`] in `meta`.
pub(super) const META_TOTALS: &[u8] = b"totals";
/// The key of the directory's secret in `meta`.
pub(super) const META_SECRET: &[u8] = b"secret";
/// Written (and rewritten) to see whether the store takes writes again after a failure.
pub(super) const META_PROBE: &[u8] = b"probe";

const USER: usize = 16;
const CHAIN: usize = 32;
const SEQ: usize = 8;
const DUE: usize = 8;
/// In front of a body's first piece: the length of the whole body.
const BODY_LENGTH: usize = 8;

/// Splits `N` bytes off the front.
fn take<const N: usize>(bytes: &[u8]) -> Option<([u8; N], &[u8])> {
    bytes.split_first_chunk::<N>().map(|(head, rest)| (*head, rest))
}

fn exactly<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    <[u8; N]>::try_from(bytes).ok()
}

/// `events`: user, sequence number.
pub(super) fn event_key(user: &UserKey, seq: u64) -> [u8; USER + SEQ] {
    let mut key = [0; USER + SEQ];
    key[..USER].copy_from_slice(&user.0);
    key[USER..].copy_from_slice(&seq.to_be_bytes());
    key
}

/// Reads the sequence number of an `events` key of this user.
fn event_seq(user: &UserKey, key: &[u8]) -> Option<u64> {
    let (owner, seq) = take::<USER>(key)?;
    (owner == user.0).then_some(u64::from_be_bytes(exactly(seq)?))
}

/// `events`: the chain after the record, the record.
pub(super) fn write_event(into: &mut Vec<u8>, chain: &Chain, record: &[u8]) {
    into.clear();
    into.extend_from_slice(&chain.0);
    into.extend_from_slice(record);
}

/// Reads one entry of `events`.
pub(super) fn read_event(user: &UserKey, key: &[u8], value: &[u8]) -> Result<Stored, JournalError> {
    let seq =
        event_seq(user, key).ok_or_else(|| damaged("events", &user.to_string(), "its key has the wrong length"))?;
    let (chain, record) =
        take::<CHAIN>(value).ok_or_else(|| damaged_event(user, seq, "the record is shorter than its chain hash"))?;
    Ok(Stored { seq, chain: Chain(chain), record: Bytes::copy_from_slice(record) })
}

/// `heads`: sequence number, chain, entry in the due index (all ones: none).
pub(super) fn write_head(head: &Head, due: Option<Timestamp>) -> [u8; SEQ + CHAIN + DUE] {
    let mut value = [0; SEQ + CHAIN + DUE];
    value[..SEQ].copy_from_slice(&head.seq.to_be_bytes());
    value[SEQ..SEQ + CHAIN].copy_from_slice(&head.chain.0);
    value[SEQ + CHAIN..].copy_from_slice(&due.unwrap_or(Timestamp::MAX).0.to_be_bytes());
    value
}

pub(super) fn read_head(user: &UserKey, value: &[u8]) -> Result<(Head, Option<Timestamp>), JournalError> {
    let read = |value: &[u8]| {
        let (seq, rest) = take::<SEQ>(value)?;
        let (chain, due) = take::<CHAIN>(rest)?;
        let due = Timestamp(u64::from_be_bytes(exactly(due)?));
        let head = Head { seq: u64::from_be_bytes(seq), chain: Chain(chain) };
        Some((head, (due != Timestamp::MAX).then_some(due)))
    };
    read(value).ok_or_else(|| damaged("heads", &user.to_string(), "it has the wrong length"))
}

/// `meta`, totals: messages, octets.
pub(super) fn write_totals(totals: &Totals) -> [u8; 16] {
    let mut value = [0; 16];
    value[..8].copy_from_slice(&totals.messages.to_be_bytes());
    value[8..].copy_from_slice(&totals.octets.to_be_bytes());
    value
}

pub(super) fn read_totals(value: &[u8]) -> Result<Totals, JournalError> {
    let read = |value: &[u8]| {
        let (messages, octets) = take::<8>(value)?;
        Some(Totals { messages: u64::from_be_bytes(messages), octets: u64::from_be_bytes(exactly(octets)?) })
    };
    read(value).ok_or_else(|| damaged("meta", "totals", "it has the wrong length"))
}

/// `snapshots`: sequence number, chain, state.
pub(super) fn write_snapshot(snapshot: &Snapshot) -> Vec<u8> {
    let mut value = Vec::with_capacity(SEQ + CHAIN + snapshot.state.len());
    value.extend_from_slice(&snapshot.seq.to_be_bytes());
    value.extend_from_slice(&snapshot.chain.0);
    value.extend_from_slice(&snapshot.state);
    value
}

/// `None` if it is damaged: a snapshot is a cache, the records say the same.
pub(super) fn read_snapshot(value: &[u8]) -> Option<Snapshot> {
    let (seq, rest) = take::<SEQ>(value)?;
    let (chain, state) = take::<CHAIN>(rest)?;
    Some(Snapshot { seq: u64::from_be_bytes(seq), chain: Chain(chain), state: Bytes::copy_from_slice(state) })
}

/// `bodies`: message, number of the piece from 0.
pub(super) fn piece_key(message: &MessageId, piece: u32) -> [u8; USER + 4] {
    let mut key = [0; USER + 4];
    key[..USER].copy_from_slice(&message.0);
    key[USER..].copy_from_slice(&piece.to_be_bytes());
    key
}

/// The pieces of a body of this length: one at least.
pub(super) fn pieces(length: u64) -> Option<u32> {
    u32::try_from(length.div_ceil(PIECE as u64).max(1)).ok()
}

/// The first piece's value: the length of the whole body, then its first octets.
pub(super) fn write_first_piece(into: &mut Vec<u8>, length: u64, octets: &[u8]) {
    into.clear();
    into.extend_from_slice(&length.to_be_bytes());
    into.extend_from_slice(octets);
}

/// Reads the first piece: the length of the whole body, its pieces, and the first octets.
pub(super) fn read_first_piece<'a>(message: &MessageId, value: &'a [u8]) -> Result<(u64, u32, &'a [u8]), JournalError> {
    let (length, octets) =
        take::<BODY_LENGTH>(value).ok_or_else(|| damaged_body(message, "the first piece is too short"))?;
    let length = u64::from_be_bytes(length);
    let pieces = pieces(length).ok_or_else(|| damaged_body(message, "its length is impossible"))?;
    Ok((length, pieces, octets))
}

/// `due`: moment, user; the value is empty.
pub(super) fn due_key(at: Timestamp, user: &UserKey) -> [u8; 8 + USER] {
    let mut key = [0; 8 + USER];
    key[..8].copy_from_slice(&at.0.to_be_bytes());
    key[8..].copy_from_slice(&user.0);
    key
}

pub(super) fn read_due(key: &[u8]) -> Result<(Timestamp, UserKey), JournalError> {
    take::<8>(key)
        .and_then(|(at, user)| Some((Timestamp(u64::from_be_bytes(at)), UserKey(exactly(user)?))))
        .ok_or_else(|| damaged("due", &hex::encode(key), "its key has the wrong length"))
}

/// The first key after every due entry of this moment; `None` at the end of time, where no key is greater.
pub(super) fn due_after(until: Timestamp) -> Option<[u8; 8]> {
    until.0.checked_add(1).map(u64::to_be_bytes)
}

/// `index` and the keys of `heads`: a user.
pub(super) fn read_user(column: &'static str, at: &[u8], value: &[u8]) -> Result<UserKey, JournalError> {
    exactly(value).map(UserKey).ok_or_else(|| damaged(column, &hex::encode(at), "a user's key has the wrong length"))
}

pub(super) fn read_format(value: &[u8]) -> Result<u32, JournalError> {
    exactly(value).map(u32::from_be_bytes).ok_or_else(|| damaged("meta", "format", "it has the wrong length"))
}

pub(super) fn read_secret(value: &[u8]) -> Result<SeedSecret, JournalError> {
    exactly(value).map(SeedSecret).ok_or_else(|| damaged("meta", "secret", "it has the wrong length"))
}

pub(super) fn damaged(column: &str, at: &str, what: &'static str) -> JournalError {
    JournalError::Damaged { place: format!("{column}/{at}"), what }
}

pub(super) fn damaged_event(user: &UserKey, seq: u64, what: &'static str) -> JournalError {
    JournalError::Damaged { place: format!("events/{user}/{seq}"), what }
}

pub(super) fn damaged_body(message: &MessageId, what: &'static str) -> JournalError {
    damaged("bodies", &message.to_string(), what)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Changing one of these bytes is a new format: raise [`FORMAT`] and read the old one too.
    #[test]
    fn the_bytes_of_every_key_and_value_of_format_1() {
        let user = UserKey([0xaa; 16]);
        let message = MessageId([0xbb; 16]);
        let chain = Chain([0xcc; 32]);
        let hex = |bytes: &[u8]| hex::encode(bytes);
        assert_eq!(FORMAT, 1);
        assert_eq!(hex(&event_key(&user, 258)), format!("{}0000000000000102", "aa".repeat(16)));
        let mut value = vec![9];
        write_event(&mut value, &chain, b"abc");
        assert_eq!(hex(&value), format!("{}616263", "cc".repeat(32)));
        let head = format!("0000000000000001{}", "cc".repeat(32));
        assert_eq!(hex(&write_head(&Head { seq: 1, chain }, Some(Timestamp(2)))), format!("{head}0000000000000002"));
        assert_eq!(hex(&write_head(&Head { seq: 1, chain }, None)), format!("{head}{}", "ff".repeat(8)));
        let snapshot = Snapshot { seq: 2, chain, state: Bytes::from_static(b"s") };
        assert_eq!(hex(&write_snapshot(&snapshot)), format!("0000000000000002{}73", "cc".repeat(32)));
        assert_eq!(hex(&piece_key(&message, 3)), format!("{}00000003", "bb".repeat(16)));
        write_first_piece(&mut value, 5, b"hello");
        assert_eq!(hex(&value), format!("0000000000000005{}", hex::encode("hello")));
        assert_eq!(hex(&due_key(Timestamp(1), &user)), format!("0000000000000001{}", "aa".repeat(16)));
    }

    #[test]
    fn bodies_are_cut_into_pieces_of_64_kib() {
        assert_eq!(pieces(0), Some(1));
        assert_eq!(pieces(65_536), Some(1));
        assert_eq!(pieces(65_537), Some(2));
        assert_eq!(pieces(u64::MAX), None);
    }

    #[test]
    fn no_bytes_make_a_reader_panic() {
        let user = UserKey([1; 16]);
        let message = MessageId([2; 16]);
        for length in 0..80 {
            for byte in [0x00, 0x7f, 0xff] {
                let bytes = vec![byte; length];
                let _ = read_event(&user, &bytes, &bytes);
                let _ = read_event(&user, &event_key(&user, 1), &bytes);
                let _ = read_snapshot(&bytes);
                let _ = read_first_piece(&message, &bytes);
                assert_eq!(read_head(&user, &bytes).is_ok(), length == 48);
                assert_eq!(read_due(&bytes).is_ok(), length == 24);
                assert_eq!(read_user("index", &[], &bytes).is_ok(), length == 16);
                assert_eq!(read_secret(&bytes).is_ok(), length == 16);
                assert_eq!(read_format(&bytes).is_ok(), length == 4);
            }
        }
    }
}
