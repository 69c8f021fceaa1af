//! Golden bytes: what is stored today is read for ever, and what is damaged or newer is told apart.
//!
//! A shape that changes on purpose gets a new version in `record.rs` and a golden file of its own; the old files stay as
//! they are. To write the bytes of the present version:
//! `RESTANTE_GOLDEN=write cargo test --lib policy::keeper::tests::goldens`, then read the difference before committing it.

use super::*;
use crate::policy::keeper::event::*;
use crate::policy::keeper::record::ENTRY_FORMAT;
use crate::policy::keeper::state::Catalogue;
use crate::policy::policies::PoliciesError;
use crate::queue::schema::SchemaError;
use crate::types::{Chain, Octets};
use std::path::Path;

const GOLDEN: &str = include_str!("../golden/entry-v2.hex");
/// Before uploads and their refusals told for which realm they were.
const GOLDEN_1: &str = include_str!("../golden/entry-v1.hex");

fn signature() -> SignedBy {
    SignedBy { key: "release-2026".to_owned(), octets: Octets((0..64).collect()) }
}

fn causes() -> Vec<RefusalCause> {
    let key = || "release-2026".to_owned();
    vec![
        RefusalCause::TooLarge,
        RefusalCause::Unacceptable { findings: vec!["import".to_owned(), "self-test".to_owned()] },
        RefusalCause::Unsigned { realm: EAST.to_owned() },
        RefusalCause::UnknownKey,
        RefusalCause::OtherRealm { key: key() },
        RefusalCause::NotYet { key: key() },
        RefusalCause::Expired { key: key() },
        RefusalCause::WrongSignature { key: key() },
        RefusalCause::SignatureForm,
        RefusalCause::Full { limit: "policy.catalogue-max".to_owned() },
    ]
}

/// Every kind of event, every variant of everything in it.
fn everything() -> Vec<Event> {
    let (realm, hooks) = (EAST.to_owned(), Hook::ALL.to_vec());
    let settings = "{\"from\":\"22:00\"}".to_owned();
    let full = PolicyUploaded {
        name: Some("quiet-hours".to_owned()),
        schema: Some("{\"type\":\"object\"}".to_owned()),
        signature: Some(signature()),
        bytes: 24 << 20,
        realm: Some(EAST.to_owned()),
        ..upload(1, &Hook::ALL)
    };
    let mut events = vec![Event::PolicyUploaded(full), Event::PolicyUploaded(upload(2, &[]))];
    events.push(Event::PolicySigned(PolicySigned { policy: digest(2), signature: signature() }));
    events.extend((0..).zip(causes()).map(|(unrecorded, cause)| {
        let policy = (unrecorded > 0).then(|| digest(3));
        let realm = (unrecorded > 1).then(|| EAST.to_owned());
        Event::UploadRefused(UploadRefused { policy, bytes: u64::MAX, cause, unrecorded, realm })
    }));
    events.push(Event::PolicyRetired(PolicyRetired { policy: digest(2) }));
    let policy = digest(1);
    let (r, h, s) = (realm.clone(), hooks.clone(), settings.clone());
    events.push(Event::PolicyShadowed(PolicyShadowed { realm: r, hooks: h, policy, settings: s }));
    events.push(Event::ShadowEnded(ShadowEnded { realm: realm.clone(), hooks: hooks.clone() }));
    let r = realm.clone();
    events.push(Event::PolicyActivated(PolicyActivated { realm: r, hooks, policy, settings, earlier_max: 16 }));
    let resorts = [Resort::Earlier(digest(4)), Resort::Baseline(BASELINE), Resort::Standard];
    let steps = Hook::ALL.into_iter().zip(resorts).map(|(hook, to)| Step { hook, from: policy, to }).collect();
    events.push(Event::PolicyRolledBack(PolicyRolledBack { realm: realm.clone(), steps }));
    let hook = Hook::Expiry;
    for to in resorts {
        events.push(Event::PolicyTripped(PolicyTripped { realm: realm.clone(), hook, policy, failures: 20, to }));
    }
    for (role, why) in [
        (Role::Active, Unloadable::Missing),
        (Role::Shadow, Unloadable::Damaged),
        (Role::Earlier, Unloadable::Unacceptable),
        (Role::Active, Unloadable::Settings),
    ] {
        let (realm, to) = (realm.clone(), Resort::Standard);
        events.push(Event::PolicyUnloadable(PolicyUnloadable { realm, hook, policy, role, why, to }));
    }
    events
}

fn whole() -> Entry {
    entry(300, everything())
}

/// The same as far as version 1 had it: a realm only where it is the cause.
fn whole_1() -> Entry {
    let mut events = everything();
    for event in &mut events {
        match event {
            Event::PolicyUploaded(event) => event.realm = None,
            Event::UploadRefused(event) if !matches!(event.cause, RefusalCause::Unsigned { .. }) => event.realm = None,
            _ => {}
        }
    }
    entry(300, events)
}

/// Lines of 32 octets.
fn as_hex(bytes: &[u8]) -> String {
    bytes.chunks(32).map(|line| hex::encode(line) + "\n").collect()
}

fn octets(golden: &str) -> Vec<u8> {
    hex::decode(golden.split_whitespace().collect::<String>()).unwrap()
}

fn golden() -> Vec<u8> {
    octets(GOLDEN)
}

#[test]
fn the_golden_entry_holds_every_kind() {
    let mut kinds: Vec<Kind> = everything().iter().map(Event::kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(kinds, Kind::ALL);
}

#[test]
fn what_is_stored_is_golden_to_the_octet() {
    let written = as_hex(&whole().encode());
    if std::env::var("RESTANTE_GOLDEN").is_ok_and(|wish| wish == "write") {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/policy/keeper/golden/entry-v2.hex");
        std::fs::write(path, written).unwrap();
    } else {
        assert_eq!(written, GOLDEN, "stored bytes have changed: see the head of this file");
    }
}

#[test]
fn golden_bytes_are_read() {
    assert_eq!(Entry::decode(&golden()), Ok(whole()));
    assert_eq!(Entry::decode(&octets(GOLDEN_1)), Ok(whole_1()));
}

/// The chain of users' records, so that one habit verifies both.
#[test]
fn the_chain_is_that_of_records() {
    // Made with Python's hashlib: sha256(bytes(32) + entry).
    let made = "1834d104f9ffbb042106383b8f5779b52f8a23fab6d9a87fb0c89caa10ca0c31";
    assert_eq!(Chain::GENESIS.extend(&octets(GOLDEN_1)).to_string(), made);
}

#[test]
fn the_numbers_of_the_kinds_are_for_ever() {
    assert_eq!(Kind::ALL.map(|kind| kind as u16), [1, 2, 3, 4, 10, 11, 12, 13, 20, 21]);
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
    assert_eq!(Entry::decode(&newer), Err(SchemaError::Newer { what: "entry", found: 2, known: 1 }));
    let small = entry(1, vec![Event::PolicyRetired(PolicyRetired { policy: digest(7) })]).encode();
    // The frame of an event: kind 4, version 1, length of the shape.
    let kind = small.len() - 32 - 3;
    assert_eq!(small[kind..kind + 3], [4, 1, 32]);
    let with = |place: usize, octet: u8| {
        let mut bytes = small.clone();
        bytes[place] = octet;
        Entry::decode(&bytes)
    };
    assert_eq!(with(kind, 99), Err(SchemaError::UnknownKind(99)));
    assert_eq!(with(kind + 1, 2), Err(SchemaError::Newer { what: "PolicyRetired", found: 2, known: 1 }));
    assert_eq!(with(kind + 1, 0), Err(SchemaError::Damaged("PolicyRetired")));
    assert_eq!(with(0, 0), Err(SchemaError::Damaged("entry")));
}

#[test]
fn newer_and_damaged_are_told_apart_to_the_operator_too() {
    let newer = PoliciesError::from(SchemaError::UnknownKind(99));
    assert!(matches!(&newer, PoliciesError::Newer { .. }) && newer.to_string().contains("newer"), "{newer}");
    let damaged = PoliciesError::from(SchemaError::Damaged("entry"));
    assert!(matches!(&damaged, PoliciesError::Damaged { .. }) && damaged.to_string().contains("backup"), "{damaged}");
}

#[test]
fn an_entry_cut_off_anywhere_is_damaged() {
    let bytes = golden();
    for length in 0..bytes.len() {
        assert!(matches!(Entry::decode(&bytes[..length]), Err(SchemaError::Damaged(_))), "{length} octets");
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert_eq!(Entry::decode(&longer), Err(SchemaError::Damaged("entry")), "and so is one with more behind it");
}

#[test]
fn no_flipped_bit_goes_unseen_and_whatever_can_be_read_can_be_folded() {
    let (bytes, value) = (golden(), whole());
    let mut folded = Catalogue::default();
    folded.evolve(&value);
    for place in 0..bytes.len() {
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[place] ^= 1 << bit;
            let read = Entry::decode(&flipped);
            assert_ne!(read.as_ref(), Ok(&value), "bit {bit} of octet {place}");
            if let Ok(entry) = read {
                folded.clone().evolve(&entry);
            }
        }
    }
}

#[test]
fn an_empty_entry_comes_back() {
    let entry = Entry {
        seq: u64::MAX,
        at: Timestamp::MAX,
        author: Author(String::new()),
        reason: String::new(),
        events: vec![],
    };
    let bytes = entry.encode();
    assert_eq!((bytes[0], Entry::decode(&bytes)), (ENTRY_FORMAT, Ok(entry)));
}
