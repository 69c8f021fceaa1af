//! Golden bytes: what is stored today is read for ever, and what is damaged or newer is told apart.
//!
//! A shape that changes on purpose gets a new version in `schema.rs` and a golden file of its own; the old files stay as
//! they are. To write the bytes of the present version: `RESTANTE_GOLDEN=write cargo test --lib queue::tests::goldens`,
//! then read the difference before committing it.

use super::story::*;
use crate::queue::Queue;
use crate::queue::event::{
    Client, DeliveryFailure, Event, Flow, Gone, Imdn, KeptHeader, KeptName, Kind, MessageDiscarded, RefusedBy, Retry,
    Source,
};
use crate::queue::question::{Admission, Delivery, Disposal, Failure, Handling, Judge, Mode, Ruling};
use crate::queue::schema::{RECORD_FORMAT, Record, SchemaError, decode_state, encode_state};
use crate::types::{Address, Digest, Octets, Timestamp};
use std::path::Path;
use std::time::{Duration, Instant};

const GOLDEN: &str = include_str!("../golden/record-v1.hex");

fn fallback<V>(verdict: V, failure: Failure) -> Ruling<V> {
    Ruling { verdict, judge: Judge::Fallback(Digest([5; 32]), failure) }
}

/// A message with every field set, and a header that is no UTF-8.
fn full_message() -> Message {
    let mut full = message("full").expires(86_400).anonymous().received(1);
    let envelope = &mut full.defer.envelope;
    envelope.mode = Mode::Large;
    envelope.headers = KeptName::ALL
        .into_iter()
        .map(|name| KeptHeader { name, value: Octets([name.wire().as_bytes(), &[0xff, 0, 0x80]].concat()) })
        .collect();
    envelope.size = 1 << 40;
    envelope.imdn = Some(Imdn {
        message_id: Some("Mk7xQ2b9LhT0".to_owned()),
        date_time: Some("2010-03-02T09:14:07Z".to_owned()),
        dispositions: vec!["positive-delivery".to_owned(), "display".to_owned()],
        from: Some("<sip:+12025550100@ims.example.net>".to_owned()),
        to: Some("<sip:+12025550200@ims.example.net>".to_owned()),
        original_to: Some("<sip:group@ims.example.net>".to_owned()),
        record_routes: vec!["<sip:relay.example.net>".to_owned()],
    });
    full
}

fn full_clients() -> [Client; 2] {
    let v4 = Flow { reliable: true, peer: "192.0.2.1:5060".parse().unwrap() };
    let v6 = Flow { reliable: false, peer: "[2001:db8::1]:65535".parse().unwrap() };
    let phone = Client { route: vec!["<sip:pcscf.example.net;lr>".to_owned()], flow: Some(v4), ..client("phone") };
    let tablet = Client { flow: Some(v6), cseq: u32::MAX, source: Source::Network, instance: None, ..client("tablet") };
    [phone, tablet]
}

fn failures() -> Vec<Event> {
    let failures = [
        (DeliveryFailure::Status(699), Retry::ClientWhenRegistered),
        (DeliveryFailure::Timeout, Retry::ClientAt(at(30))),
        (DeliveryFailure::Transport, Retry::PairWhenRegistered),
        (DeliveryFailure::Congestion, Retry::MessageWhenRegistered),
        (DeliveryFailure::Interrupted, Retry::AtOnce),
        (DeliveryFailure::Status(400), Retry::PairAt(at(60))),
    ];
    failures.into_iter().map(|(failure, retry)| failed("full", "phone", failure, retry)).collect()
}

/// Every kind of event, every variant of everything in it.
fn everything() -> Vec<Event> {
    let [phone, tablet] = full_clients();
    let mut events = vec![registered(phone), refreshed(tablet)];
    events.extend([Gone::Expired, Gone::Explicit, Gone::Network].map(|cause| gone("tablet", cause)));
    events.push(deferred_by(full_message(), 86_401, component(Admission::Accept { expiry_max_secs: u64::MAX })));
    let refuse = Admission::Refuse { status: 403, reason: "Not Wanted".to_owned() };
    events.push(deferred_by(message("odd"), 1, fallback(refuse, Failure::Nonsense)));
    let judge = Judge::Fallback(Digest([5; 32]), Failure::Unavailable);
    events.extend(
        [RefusedBy::Policy(judge), RefusedBy::MessagesMax, RefusedBy::BytesMax]
            .map(|by| refused("other", 480, "Queue Full", by)),
    );
    events.push(handled("full", fallback(Handling::Push, Failure::Trap)));
    events.push(handled("odd", native(Handling::Manage)));
    events.push(started_by("full", "phone", Judge::Native));
    events.push(withheld("full", "tablet", component(Delivery::HoldUntil(at(500)))));
    events.push(withheld("full", "tablet", fallback(Delivery::Keep, Failure::Timeout)));
    events.push(withheld("odd", "tablet", fallback(Delivery::Now, Failure::Memory)));
    events.extend(failures());
    events.push(delivered("full", "phone", 202));
    events.push(Event::MessageDiscarded(MessageDiscarded {
        message: id("odd"),
        ruling: fallback(Disposal::Discard, Failure::Refused),
    }));
    events.push(awaits_store("odd", component(Disposal::Store)));
    events
}

fn record() -> Record {
    Record { user: bob(), seq: 7, at: at(1), events: everything() }
}

/// Lines of 32 octets.
fn as_hex(bytes: &[u8]) -> String {
    bytes.chunks(32).map(|line| hex::encode(line) + "\n").collect()
}

fn golden() -> Vec<u8> {
    hex::decode(GOLDEN.split_whitespace().collect::<String>()).unwrap()
}

#[test]
fn the_golden_record_holds_every_kind() {
    let mut kinds: Vec<Kind> = everything().iter().map(Event::kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(kinds, Kind::ALL);
}

#[test]
fn what_is_stored_is_golden_to_the_octet() {
    let bytes = record().encode();
    if std::env::var("RESTANTE_GOLDEN").is_ok_and(|wish| wish == "write") {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/queue/golden/record-v1.hex");
        std::fs::write(path, as_hex(&bytes)).unwrap();
        return;
    }
    assert_eq!(as_hex(&bytes), GOLDEN, "stored bytes have changed: see the head of this file");
}

#[test]
fn golden_bytes_are_read() {
    assert_eq!(Record::decode(&golden()), Ok(record()));
}

#[test]
fn the_numbers_of_the_kinds_are_for_ever() {
    let numbers = Kind::ALL.map(|kind| kind as u16);
    assert_eq!(numbers, [1, 2, 10, 11, 12, 20, 21, 22, 23, 30, 31]);
    for kind in Kind::ALL {
        assert_eq!(Kind::of(kind as u16), Some(kind));
        assert!(!kind.name().is_empty());
    }
    assert_eq!(Kind::of(0), None);
}

#[test]
fn a_newer_format_a_newer_shape_and_an_unknown_kind_are_no_damage() {
    let mut newer = golden();
    newer[0] = 2;
    assert_eq!(Record::decode(&newer), Err(SchemaError::Newer { what: "record", found: 2, known: 1 }));
    let small = Record { user: bob(), seq: 1, at: at(0), events: vec![delivered("hello", "phone", 200)] }.encode();
    // The frame of an event: kind 22, version 1, length of the shape.
    let shape = 16 + 1 + "phone".len() + 1;
    let kind = small.len() - shape - 3;
    assert_eq!(small[kind..kind + 3], [22, 1, u8::try_from(shape).unwrap()]);
    let with = |place: usize, octet: u8| {
        let mut bytes = small.clone();
        bytes[place] = octet;
        Record::decode(&bytes)
    };
    assert_eq!(with(kind, 99), Err(SchemaError::UnknownKind(99)));
    let newer = SchemaError::Newer { what: "MessageDelivered", found: 2, known: 1 };
    assert_eq!(with(kind + 1, 2), Err(newer));
    assert_eq!(with(kind + 1, 0), Err(SchemaError::Damaged("MessageDelivered")));
    assert_eq!(with(0, 0), Err(SchemaError::Damaged("record")));
}

#[test]
fn the_words_for_newer_and_for_damaged_are_different_and_say_what_to_do() {
    let newer = SchemaError::Newer { what: "record", found: 2, known: 1 }.to_string();
    let unknown = SchemaError::UnknownKind(99).to_string();
    let damaged = SchemaError::Damaged("record").to_string();
    assert!(newer.contains("newer program") && newer.contains('2') && newer.contains('1'), "{newer}");
    assert!(unknown.contains("newer") && unknown.contains("99"), "{unknown}");
    assert!(damaged.contains("damaged") && damaged.contains("backup"), "{damaged}");
}

#[test]
fn a_record_cut_off_anywhere_is_damaged() {
    let bytes = golden();
    for length in 0..bytes.len() {
        assert!(matches!(Record::decode(&bytes[..length]), Err(SchemaError::Damaged(_))), "{length} octets");
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert_eq!(Record::decode(&longer), Err(SchemaError::Damaged("record")), "and so is one with more behind it");
}

#[test]
fn no_flipped_bit_panics_or_goes_unseen() {
    let (bytes, value) = (golden(), record());
    for place in 0..bytes.len() {
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[place] ^= 1 << bit;
            assert_ne!(Record::decode(&flipped).as_ref(), Ok(&value), "bit {bit} of octet {place}");
        }
    }
}

#[test]
fn a_damaged_length_makes_nobody_allocate_for_it() {
    // Every length a varint can say, at every place: were it believed, a pass over this record would ask for the memory
    // of the machine; as it is, each is refused before more than 16 times the small limit is claimed.
    let bytes = Record { user: bob(), seq: 1, at: at(0), events: vec![deferred("hello"), to_push("hello")] }.encode();
    let lengths: [&[u8]; 4] = [
        &[251, 0xff, 0xff],
        &[252, 0xff, 0xff, 0xff, 0x03],
        &[252, 0xff, 0xff, 0xff, 0xff],
        &[253, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
    ];
    let begun = Instant::now();
    for place in 1..bytes.len() {
        for length in lengths {
            let damaged = [&bytes[..place], length, &bytes[place + 1..]].concat();
            let _ = Record::decode(&damaged);
        }
    }
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

#[test]
fn damaged_records_that_can_be_read_can_be_replayed() {
    let bytes = golden();
    for place in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[place] ^= 1 << (place % 8);
        let Ok(record) = Record::decode(&flipped) else { continue };
        let mut queue = Queue::new(bob());
        for event in &record.events {
            queue.evolve(event, record.at);
        }
        let _ = (queue.next_tick(at(0)), queue.due(at(0)), queue.bytes());
    }
}

#[test]
fn a_snapshot_of_another_version_or_with_its_end_missing_is_no_snapshot() {
    let story = given([registered(client("phone")), deferred("hello"), to_push("hello"), started("hello", "phone")]);
    let bytes = encode_state(&story.queue);
    assert_eq!(decode_state(&bytes).as_ref(), Some(&story.queue));
    for length in 0..bytes.len() {
        assert_eq!(decode_state(&bytes[..length]), None, "{length} octets");
    }
    for place in 0..16 {
        let mut other = bytes.clone();
        other[place] ^= 1;
        assert_eq!(decode_state(&other), None, "another fingerprint");
    }
    assert_eq!(decode_state(&[bytes.as_slice(), &[0]].concat()), None);
}

#[test]
fn a_large_state_comes_back_too() {
    let many = (0..2000).map(|n| deferred(message(&format!("message {n}"))));
    let story = given(many);
    let bytes = encode_state(&story.queue);
    assert!(bytes.len() > 64 << 10);
    assert_eq!(decode_state(&bytes), Some(story.queue));
}

#[test]
fn the_extremes_of_a_frame_come_back() {
    let record =
        Record { user: Address::parse("tel:+1").unwrap(), seq: u64::MAX, at: Timestamp::MAX, events: Vec::new() };
    let bytes = record.encode();
    assert_eq!((bytes[0], Record::decode(&bytes)), (RECORD_FORMAT, Ok(record)));
}
