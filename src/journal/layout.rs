//! Keys and values byte by byte: the one place that knows how the data directory is written (`docs/data-format.md`).
//!
//! Numbers are big-endian, so that the order of the bytes is the order of the numbers.

use super::{Head, JournalError, Snapshot, Stored, Totals};
use crate::types::{Chain, MessageId, PIECE, SeedSecret, Timestamp, UserKey};
use bytes::Bytes;

/// Version of everything described here. A program refuses a directory with a greater one.
pub(super) const FORMAT: u32 = 1;

/// Octets of the longest body that can be kept: 65,536 pieces.
pub(super) const BODY_MAX: u64 = 4 << 30;

/// The key of [`FORMAT`] in `meta`.
pub(super) const META_FORMAT: &[u8] = b"format";
/// The key of [`Totals`] in `meta`.
pub(super) const META_TOTALS: &[u8] = b"totals";
/// The key of the directory's secret in `meta`.
pub(super) const META_SECRET: &[u8] = b"secret";
/// In `meta`, in front of the message: a body that is being written.
pub(super) const META_WRITING: &[u8; 8] = b"writing/";
/// Written (and rewritten) to see whether the store takes writes again after a failure.
pub(super) const META_PROBE: &[u8] = b"probe";

const USER: usize = 16;
const CHAIN: usize = 32;
const SEQ: usize = 8;
const DUE: usize = 8;
/// In front of a body's first piece: the length of the whole body.
const BODY_LENGTH: usize = 8;
/// There, while the body is being written: no length that there can be.
const UNFINISHED: u64 = u64::MAX;
/// Pieces of the longest body.
const PIECES_MAX: u32 = 65_536;

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

/// A body that is being written, as its marker in `meta` tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Writing {
    /// All its pieces have numbers below this.
    pub bound: u32,
    /// Of the whole body, once all is written.
    pub length: Option<u64>,
}

/// `meta`: `writing/`, message.
pub(super) fn writing_key(message: &MessageId) -> [u8; META_WRITING.len() + USER] {
    let mut key = [0; META_WRITING.len() + USER];
    key[..META_WRITING.len()].copy_from_slice(META_WRITING);
    key[META_WRITING.len()..].copy_from_slice(&message.0);
    key
}

/// Which message a marker is of.
pub(super) fn read_writing_key(key: &[u8]) -> Result<MessageId, JournalError> {
    key.strip_prefix(META_WRITING)
        .and_then(exactly)
        .map(MessageId)
        .ok_or_else(|| damaged("meta", &hex::encode(key), "its key has the wrong length"))
}

/// A marker's value: bound, length (all ones: not finished).
pub(super) fn write_writing(writing: &Writing) -> [u8; 12] {
    let mut value = [0; 12];
    value[..4].copy_from_slice(&writing.bound.to_be_bytes());
    value[4..].copy_from_slice(&writing.length.unwrap_or(UNFINISHED).to_be_bytes());
    value
}

pub(super) fn read_writing(message: &MessageId, value: &[u8]) -> Result<Writing, JournalError> {
    let read = |value: &[u8]| {
        let (bound, length) = take::<4>(value)?;
        let (bound, length) = (u32::from_be_bytes(bound), u64::from_be_bytes(exactly(length)?));
        (bound <= PIECES_MAX).then_some(Writing { bound, length: (length != UNFINISHED).then_some(length) })
    };
    read(value)
        .ok_or_else(|| damaged("meta", &format!("writing/{message}"), "it has the wrong length, or a wrong number"))
}

/// How far a marker reaches that is written for this piece: in few steps, so that it is not written anew for each.
pub(super) fn writing_bound(piece: u32) -> u32 {
    const STEP: u32 = 16;
    piece.saturating_add(1).checked_next_power_of_two().unwrap_or(PIECES_MAX).clamp(STEP, PIECES_MAX)
}

/// Piece 0 while the body is being written.
pub(super) fn write_unfinished_piece(into: &mut Vec<u8>, octets: &[u8]) {
    write_first_piece(into, UNFINISHED, octets);
}

/// The octets of a stored piece of a body that is being written.
pub(super) fn unfinished_piece<'a>(
    message: &MessageId,
    number: u32,
    value: &'a [u8],
) -> Result<&'a [u8], JournalError> {
    if number > 0 {
        return Ok(value);
    }
    value.get(BODY_LENGTH..).ok_or_else(|| damaged_body(message, "the first piece is too short"))
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

/// Where so many octets at this position lie in a body.
pub(super) fn range_of(position: u64, octets: usize) -> Result<(usize, usize), JournalError> {
    let end = position.saturating_add(octets as u64);
    let range = usize::try_from(position).ok().zip(usize::try_from(end).ok());
    range.filter(|_| end <= BODY_MAX).ok_or(JournalError::TooLarge { octets: end, max: BODY_MAX })
}

/// An append brings a body that is not there, not finished, or of another length.
pub(super) const UNWRITTEN: &str = "it was not written to its end";
/// A body is finished with a length that its octets do not have.
pub(super) const OTHER_LENGTH: &str = "its octets end elsewhere than its length says";

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
        write_unfinished_piece(&mut value, b"hello");
        assert_eq!(hex(&value), format!("{}{}", "ff".repeat(8), hex::encode("hello")));
        assert_eq!(hex(&writing_key(&message)), format!("{}{}", hex::encode("writing/"), "bb".repeat(16)));
        let writing = Writing { bound: 16, length: None };
        assert_eq!(hex(&write_writing(&writing)), format!("00000010{}", "ff".repeat(8)));
        assert_eq!(hex(&write_writing(&Writing { length: Some(5), ..writing })), "000000100000000000000005");
        assert_eq!(hex(&due_key(Timestamp(1), &user)), format!("0000000000000001{}", "aa".repeat(16)));
    }

    #[test]
    fn a_marker_reaches_beyond_its_piece_in_few_steps() {
        let bounds = [0, 15, 16, 160, 65_535, u32::MAX].map(writing_bound);
        assert_eq!(bounds, [16, 16, 32, 256, 65_536, 65_536]);
        let message = MessageId([1; 16]);
        assert_eq!(read_writing_key(&writing_key(&message)), Ok(message));
        for writing in [Writing { bound: 7, length: None }, Writing { bound: 65_536, length: Some(9) }] {
            assert_eq!(read_writing(&message, &write_writing(&writing)), Ok(writing));
        }
        assert!(read_writing(&message, &write_writing(&Writing { bound: 65_537, length: None })).is_err());
    }

    #[test]
    fn octets_beyond_the_longest_body_are_refused() {
        assert_eq!(range_of(0, 0), Ok((0, 0)));
        assert!(range_of(BODY_MAX - 1, 1).is_ok());
        for (position, octets) in [(BODY_MAX, 1), (u64::MAX, 1), (0, usize::MAX)] {
            assert!(matches!(range_of(position, octets), Err(JournalError::TooLarge { .. })));
        }
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
                let _ = unfinished_piece(&message, 0, &bytes);
                assert!(read_writing_key(&bytes).is_err());
                assert!(length == 12 || read_writing(&message, &bytes).is_err());
                assert_eq!(read_head(&user, &bytes).is_ok(), length == 48);
                assert_eq!(read_due(&bytes).is_ok(), length == 24);
                assert_eq!(read_user("index", &[], &bytes).is_ok(), length == 16);
                assert_eq!(read_secret(&bytes).is_ok(), length == 16);
                assert_eq!(read_format(&bytes).is_ok(), length == 4);
            }
        }
    }
}
