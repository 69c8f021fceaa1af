//! Golden bytes: what is stored today is read for ever, and what is damaged or newer is told apart.
//!
//! A shape that changes on purpose gets a new version in `schema.rs` and a golden file of its own; the old files stay as
//! they are. To write the bytes of the present version: `RESTANTE_GOLDEN=write cargo test --lib queue::tests::goldens`,
//! then read the difference before committing it.

use super::story::*;
use crate::queue::Queue;
use crate::queue::event::*;
use crate::queue::question::{
    Admission, Delivery, Disposal, Failure, Handling, Hook, Judge, Mode, Notification, NotificationCause, Preferences,
    Ruling,
};
use crate::queue::schema::{RECORD_FORMAT, Record, SchemaError, decode_state, encode_state};
use crate::types::{Address, Digest, Octets, Timestamp};
use std::path::Path;
use std::time::{Duration, Instant};

const GOLDEN: &str = include_str!("../golden/record-v1.hex");
/// The kinds that came later, with errands …
const ERRANDS: &str = include_str!("../golden/errands-v1.hex");
/// … with large messages …
const LARGE: &str = include_str!("../golden/large-v1.hex");
/// … and with policies that are asked what they would have said.
const RECALL: &str = include_str!("../golden/recall-v1.hex");

fn fallback<V>(verdict: V, failure: Failure) -> Ruling<V> {
    Ruling { verdict, judge: Judge::Fallback(Digest([5; 32]), failure) }
}

/// A message with every field set, and a header that is no UTF-8.
fn full_message() -> Message {
    let mut full = message("full").expires(86_400).anonymous().received(1);
    let envelope = &mut full.defer.envelope;
    envelope.mode = Mode::Large;
    envelope.headers = KeptName::OF_MESSAGE
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

/// Every kind that has to do with errands, every variant of everything in it.
fn errands() -> Vec<Event> {
    let transaction = Transaction::named("errand");
    let location = Location { folder: "Default/f81d4fae".to_owned(), uidvalidity: 1_267_520_047, uid: u32::MAX };
    let actions = [Action::Delete, Action::Interwork, Action::Store, Action::Deliver];
    let both = Notification { in_band: true, out_of_band: true, at: Some(at(7)) };
    let message = id("full");
    let mut events = vec![Event::PreferencesChanged(PreferencesChanged {})];
    events.extend(
        [(Hook::Handling, StandIn::Stale), (Hook::Expiry, StandIn::RealmDefault)]
            .map(|(decision, stand_in)| Event::PreferencesMissed(PreferencesMissed { message, decision, stand_in })),
    );
    let items = actions.map(|action| (message, action)).to_vec();
    events.push(Event::ManagementRequested(ManagementRequested { client: Some(phone("phone")), items }));
    events.push(Event::ManagementRequested(ManagementRequested { client: None, items: vec![] }));
    let channels = vec![Channel::InBand(phone("phone")), Channel::OutOfBand];
    for cause in [
        NotificationCause::Deferred,
        NotificationCause::ExpiredDiscarded,
        NotificationCause::ExpiredStored,
        NotificationCause::Reminder,
    ] {
        let (ruling, channels) = (component(both), channels.clone());
        events.push(Event::NotificationPlanned(NotificationPlanned { message, cause, ruling, channels, at: at(9) }));
    }
    events.push(Event::NotificationCalledFor(NotificationCalledFor { message }));
    for (channel, again_at) in channels.into_iter().zip([None, Some(at(3600))]) {
        events.push(Event::NotificationSent(NotificationSent { errand: 1, channel, again_at }));
    }
    events.push(Event::MessageInterworked(MessageInterworked { errand: 2, message, status: 202 }));
    events.extend(tries(&transaction));
    events.push(Event::DisposalPostponed(DisposalPostponed { message, until: at(60) }));
    events.push(Event::MessageDeleted(MessageDeleted { message }));
    for cause in [StoreCause::Managed, StoreCause::Expired] {
        let location = location.clone();
        events.push(Event::MessageStored(MessageStored { errand: 3, message, location, cause }));
    }
    for disposition in [Disposition::Delivered, Disposition::Failed, Disposition::Stored] {
        events.push(Event::DispositionOwed(DispositionOwed { message, disposition }));
        events.push(Event::DispositionForgone(DispositionForgone { message, disposition }));
        events.push(Event::DispositionSent(DispositionSent { errand: 4, message, disposition, status: 200 }));
    }
    events.push(Event::HistoryAwaited(HistoryAwaited { message }));
    events.push(Event::HistoryRecorded(HistoryRecorded { errand: 5, message, location }));
    events.push(Event::HistoryWithdrawn(HistoryWithdrawn { errand: u64::MAX, message }));
    events
}

fn tries(transaction: &Transaction) -> Vec<Event> {
    let message = Some(id("full"));
    let kinds = [
        (ErrandKind::Notify, ErrandFailure::Status(603)),
        (ErrandKind::Report, ErrandFailure::Timeout),
        (ErrandKind::Store, ErrandFailure::Transport),
        (ErrandKind::Record, ErrandFailure::Congestion),
        (ErrandKind::Withdraw, ErrandFailure::Interrupted),
        (ErrandKind::Interwork, ErrandFailure::Refused),
        (ErrandKind::Interwork, ErrandFailure::Unconfigured),
        (ErrandKind::Notify, ErrandFailure::Moot),
    ];
    let tried = kinds.into_iter().flat_map(|(kind, failure)| {
        let transaction = transaction.clone();
        let retry = (failure != ErrandFailure::Refused).then_some(at(99));
        [
            Event::ErrandBegun(ErrandBegun { errand: 1, kind, message, transaction }),
            Event::ErrandFailed(ErrandFailed { errand: 1, kind, message, failure, retry }),
        ]
    });
    tried.collect()
}

fn record() -> Record {
    Record { user: bob(), seq: 7, at: at(1), events: everything() }
}

fn errand_record() -> Record {
    Record { user: bob(), seq: 8, at: at(2), events: errands() }
}

/// Lines of 32 octets.
fn as_hex(bytes: &[u8]) -> String {
    bytes.chunks(32).map(|line| hex::encode(line) + "\n").collect()
}

/// What large messages brought: kinds, stored headers, every fault of a transfer.
fn large() -> Vec<Event> {
    let mut message = message("large");
    message.defer.envelope.mode = Mode::Large;
    let told = [
        KeptName::ContentType,
        KeptName::ContentDisposition,
        KeptName::MsrpMessageId,
        KeptName::SuccessReport,
        KeptName::FailureReport,
        KeptName::RecipientList,
    ];
    let header = |name: KeptName| KeptHeader { name, value: name.wire().into() };
    message.defer.envelope.headers = KeptName::OF_INVITE.into_iter().chain(told).map(header).collect();
    let mut events = vec![deferred(message), body_kept("large", "large")];
    let retry = Retry::PairAt(at(60));
    events.extend(FAULTS.map(|fault| broken("large", "phone", fault, retry)));
    events
}

fn large_record() -> Record {
    Record { user: bob(), seq: 3, at: at(3), events: large() }
}

/// What asking again brought: the preferences of a question, each of them alone and all at once.
fn recall() -> Vec<Event> {
    let message = id("full");
    let nothing = Preferences::default();
    let all = Preferences {
        allow_push: Some(true),
        expired: Some(Disposal::Discard),
        do_not_disturb: true,
        offline_storage: true,
    };
    let told = [
        (Hook::Admission, all),
        (Hook::Handling, Preferences { allow_push: Some(false), ..nothing.clone() }),
        (Hook::Delivery, Preferences { do_not_disturb: true, ..nothing.clone() }),
        (Hook::Expiry, Preferences { expired: Some(Disposal::Store), ..nothing.clone() }),
        (Hook::Notification, Preferences { offline_storage: true, ..nothing }),
    ];
    let heeded =
        |(decision, preferences)| Event::PreferencesHeeded(PreferencesHeeded { message, decision, preferences });
    told.map(heeded).to_vec()
}

fn recall_record() -> Record {
    Record { user: bob(), seq: 9, at: at(4), events: recall() }
}

fn octets(hex: &str) -> Vec<u8> {
    hex::decode(hex.split_whitespace().collect::<String>()).unwrap()
}

fn golden() -> Vec<u8> {
    octets(GOLDEN)
}

#[test]
fn the_golden_records_hold_every_kind() {
    let mut kinds: Vec<Kind> =
        everything().iter().chain(&errands()).chain(&large()).chain(&recall()).map(Event::kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(kinds, Kind::ALL);
}

#[test]
fn what_is_stored_is_golden_to_the_octet() {
    let files = [
        ("record-v1.hex", record(), GOLDEN),
        ("errands-v1.hex", errand_record(), ERRANDS),
        ("large-v1.hex", large_record(), LARGE),
        ("recall-v1.hex", recall_record(), RECALL),
    ];
    for (name, record, golden) in files {
        let written = as_hex(&record.encode());
        if std::env::var("RESTANTE_GOLDEN").is_ok_and(|wish| wish == "write") {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/queue/golden").join(name);
            std::fs::write(path, written).unwrap();
        } else {
            assert_eq!(written, golden, "stored bytes have changed: see the head of this file");
        }
    }
}

#[test]
fn golden_bytes_are_read() {
    assert_eq!(Record::decode(&golden()), Ok(record()));
    assert_eq!(Record::decode(&octets(ERRANDS)), Ok(errand_record()));
    assert_eq!(Record::decode(&octets(LARGE)), Ok(large_record()));
    assert_eq!(Record::decode(&octets(RECALL)), Ok(recall_record()));
}

#[test]
fn the_numbers_of_the_kinds_are_for_ever() {
    let numbers = Kind::ALL.map(|kind| kind as u16);
    let known = [
        1, 2, 3, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 30, 31, 32, 33, 34, 40, 41,
        42, 43, 44, 45,
    ];
    assert_eq!(numbers, known);
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
    let records = [
        (golden(), record()),
        (octets(ERRANDS), errand_record()),
        (octets(LARGE), large_record()),
        (octets(RECALL), recall_record()),
    ];
    for (bytes, value) in records {
        no_flipped_bit_goes_unseen(&bytes, &value);
    }
}

fn no_flipped_bit_goes_unseen(bytes: &[u8], value: &Record) {
    for place in 0..bytes.len() {
        for bit in 0..8 {
            let mut flipped = bytes.to_vec();
            flipped[place] ^= 1 << bit;
            assert_ne!(Record::decode(&flipped).as_ref(), Ok(value), "bit {bit} of octet {place}");
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
    for bytes in [golden(), octets(ERRANDS), octets(LARGE), octets(RECALL)] {
        for place in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[place] ^= 1 << (place % 8);
            let Ok(record) = Record::decode(&flipped) else { continue };
            let mut queue = Queue::new(bob());
            for event in everything().iter().chain(&record.events) {
                queue.evolve(event, record.at);
            }
            let _ = (queue.next_tick(at(0)), queue.due(at(0)), queue.bytes());
        }
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
