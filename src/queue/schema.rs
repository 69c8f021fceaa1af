//! The stored shapes: how records and snapshots become bytes and come back, in every version there ever was.
//!
//! One decoder serves waking, replay, audit and tests. A record from a newer program and a damaged one are different
//! errors. Golden bytes (`src/queue/golden/`) pin every version.

use super::event::{Event, Kind};
use super::state::Queue;
use crate::types::{Address, Octets, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

/// The format of the record frame that this program writes. It is the first octet of every record.
pub const RECORD_FORMAT: u8 = 1;

/// Longest thing that will be decoded: nothing a damaged length can say makes us allocate more.
const DECODE_MAX: usize = 64 << 20;

/// Up to this length a thing is small, and so is what it may make us allocate.
const SMALL: usize = 64 << 10;
/// What decoding something small may claim. An integer of eight octets can be stored in one, so it is more than `SMALL`.
const SMALL_MAX: usize = 16 * SMALL;

/// One accepted command: the unit of atomicity, of the chain, and later of replication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub user: Address,
    /// From 1, without gaps.
    pub seq: u64,
    pub at: Timestamp,
    pub events: Vec<Event>,
}

/// Why bytes are no record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    #[error(
        "this {what} has version {found}, written by a newer program; this one knows up to {known}: use the newer program"
    )]
    Newer { what: &'static str, found: u16, known: u16 },
    #[error("event kind {0} is unknown to this program: it was written by a newer one; use that")]
    UnknownKind(u16),
    #[error("the bytes of this {0} are damaged: restore them from a backup")]
    Damaged(&'static str),
}

/// The frame of a record behind its format octet.
#[derive(Serialize, Deserialize)]
struct StoredRecord {
    user: Address,
    seq: u64,
    at: Timestamp,
    events: Vec<StoredEvent>,
}

/// An event in its frame: readable by kind without decoding what is inside.
#[derive(Serialize, Deserialize)]
struct StoredEvent {
    kind: u16,
    version: u8,
    shape: Octets,
}

/// One fixed configuration for everything that is stored; `LIMIT` is for decoding only.
fn config<const LIMIT: usize>() -> impl bincode::config::Config {
    bincode::config::standard().with_limit::<LIMIT>()
}

fn to_bytes<T: Serialize>(value: &T) -> Vec<u8> {
    // Encoding into memory fails only for types that know no length; ours all do, as every test that encodes them shows.
    bincode::serde::encode_to_vec(value, config::<DECODE_MAX>()).unwrap_or_default()
}

fn from_bytes<T: DeserializeOwned>(bytes: &[u8], what: &'static str) -> Result<T, SchemaError> {
    let decoded = if bytes.len() <= SMALL {
        bincode::serde::decode_from_slice(bytes, config::<SMALL_MAX>())
    } else {
        bincode::serde::decode_from_slice(bytes, config::<DECODE_MAX>())
    };
    let (value, used) = decoded.map_err(|_| SchemaError::Damaged(what))?;
    if used == bytes.len() { Ok(value) } else { Err(SchemaError::Damaged(what)) }
}

impl Record {
    /// The bytes that are stored and chained.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let events = self.events.iter().map(StoredEvent::of).collect();
        let stored = StoredRecord { user: self.user.clone(), seq: self.seq, at: self.at, events };
        let mut bytes = vec![RECORD_FORMAT];
        bytes.extend_from_slice(&to_bytes(&stored));
        bytes
    }

    /// Reads a record of any version.
    ///
    /// # Errors
    /// [`SchemaError`]: newer, or damaged.
    pub fn decode(bytes: &[u8]) -> Result<Self, SchemaError> {
        let (format, rest) = bytes.split_first().ok_or(SchemaError::Damaged("record"))?;
        if *format > RECORD_FORMAT {
            return Err(SchemaError::Newer { what: "record", found: (*format).into(), known: RECORD_FORMAT.into() });
        }
        if *format != RECORD_FORMAT {
            return Err(SchemaError::Damaged("record"));
        }
        let stored: StoredRecord = from_bytes(rest, "record")?;
        let events = stored.events.iter().map(StoredEvent::event).collect::<Result<_, _>>()?;
        Ok(Self { user: stored.user, seq: stored.seq, at: stored.at, events })
    }
}

impl StoredEvent {
    fn of(event: &Event) -> Self {
        let shape = match event {
            Event::ClientRegistered(shape) => to_bytes(shape),
            Event::ClientGone(shape) => to_bytes(shape),
            Event::MessageDeferred(shape) => to_bytes(shape),
            Event::BodyKept(shape) => to_bytes(shape),
            Event::DeferralRefused(shape) => to_bytes(shape),
            Event::HandlingChosen(shape) => to_bytes(shape),
            Event::DeliveryStarted(shape) => to_bytes(shape),
            Event::DeliveryWithheld(shape) => to_bytes(shape),
            Event::MessageDelivered(shape) => to_bytes(shape),
            Event::DeliveryFailed(shape) => to_bytes(shape),
            Event::TransferFailed(shape) => to_bytes(shape),
            Event::MessageDiscarded(shape) => to_bytes(shape),
            Event::StoreAwaited(shape) => to_bytes(shape),
            Event::PreferencesChanged(shape) => to_bytes(shape),
            Event::PreferencesMissed(shape) => to_bytes(shape),
            Event::PreferencesHeeded(shape) => to_bytes(shape),
            Event::ManagementRequested(shape) => to_bytes(shape),
            Event::NotificationPlanned(shape) => to_bytes(shape),
            Event::NotificationSent(shape) => to_bytes(shape),
            Event::NotificationCalledFor(shape) => to_bytes(shape),
            Event::MessageInterworked(shape) => to_bytes(shape),
            Event::ErrandBegun(shape) => to_bytes(shape),
            Event::ErrandFailed(shape) => to_bytes(shape),
            Event::DisposalPostponed(shape) => to_bytes(shape),
            Event::MessageDeleted(shape) => to_bytes(shape),
            Event::MessageStored(shape) => to_bytes(shape),
            Event::DispositionOwed(shape) => to_bytes(shape),
            Event::DispositionSent(shape) => to_bytes(shape),
            Event::HistoryAwaited(shape) => to_bytes(shape),
            Event::HistoryRecorded(shape) => to_bytes(shape),
            Event::HistoryWithdrawn(shape) => to_bytes(shape),
            Event::DispositionForgone(shape) => to_bytes(shape),
        };
        let kind = event.kind();
        Self { kind: kind as u16, version: kind.version(), shape: Octets(shape) }
    }

    fn event(&self) -> Result<Event, SchemaError> {
        let kind = Kind::of(self.kind).ok_or(SchemaError::UnknownKind(self.kind))?;
        if self.version > kind.version() {
            let (found, known) = (self.version.into(), kind.version().into());
            return Err(SchemaError::Newer { what: kind.name(), found, known });
        }
        if self.version == 0 {
            return Err(SchemaError::Damaged(kind.name()));
        }
        // Shapes of older versions are read here and brought up to the present one. There is only one version so far.
        let (shape, what) = (&self.shape.0, kind.name());
        Ok(match kind {
            Kind::ClientRegistered => Event::ClientRegistered(from_bytes(shape, what)?),
            Kind::ClientGone => Event::ClientGone(from_bytes(shape, what)?),
            Kind::MessageDeferred => Event::MessageDeferred(Box::new(from_bytes(shape, what)?)),
            Kind::BodyKept => Event::BodyKept(from_bytes(shape, what)?),
            Kind::DeferralRefused => Event::DeferralRefused(from_bytes(shape, what)?),
            Kind::HandlingChosen => Event::HandlingChosen(from_bytes(shape, what)?),
            Kind::DeliveryStarted => Event::DeliveryStarted(from_bytes(shape, what)?),
            Kind::DeliveryWithheld => Event::DeliveryWithheld(from_bytes(shape, what)?),
            Kind::MessageDelivered => Event::MessageDelivered(from_bytes(shape, what)?),
            Kind::DeliveryFailed => Event::DeliveryFailed(from_bytes(shape, what)?),
            Kind::MessageDiscarded => Event::MessageDiscarded(from_bytes(shape, what)?),
            Kind::StoreAwaited => Event::StoreAwaited(from_bytes(shape, what)?),
            Kind::PreferencesChanged => Event::PreferencesChanged(from_bytes(shape, what)?),
            Kind::PreferencesMissed => Event::PreferencesMissed(from_bytes(shape, what)?),
            Kind::PreferencesHeeded => Event::PreferencesHeeded(from_bytes(shape, what)?),
            Kind::ManagementRequested => Event::ManagementRequested(from_bytes(shape, what)?),
            Kind::NotificationPlanned => Event::NotificationPlanned(from_bytes(shape, what)?),
            Kind::NotificationSent => Event::NotificationSent(from_bytes(shape, what)?),
            Kind::NotificationCalledFor => Event::NotificationCalledFor(from_bytes(shape, what)?),
            Kind::TransferFailed => Event::TransferFailed(from_bytes(shape, what)?),
            Kind::MessageInterworked => Event::MessageInterworked(from_bytes(shape, what)?),
            Kind::ErrandBegun => Event::ErrandBegun(from_bytes(shape, what)?),
            Kind::ErrandFailed => Event::ErrandFailed(from_bytes(shape, what)?),
            Kind::DisposalPostponed => Event::DisposalPostponed(from_bytes(shape, what)?),
            Kind::MessageDeleted => Event::MessageDeleted(from_bytes(shape, what)?),
            Kind::MessageStored => Event::MessageStored(from_bytes(shape, what)?),
            Kind::DispositionOwed => Event::DispositionOwed(from_bytes(shape, what)?),
            Kind::DispositionSent => Event::DispositionSent(from_bytes(shape, what)?),
            Kind::HistoryAwaited => Event::HistoryAwaited(from_bytes(shape, what)?),
            Kind::HistoryRecorded => Event::HistoryRecorded(from_bytes(shape, what)?),
            Kind::HistoryWithdrawn => Event::HistoryWithdrawn(from_bytes(shape, what)?),
            Kind::DispositionForgone => Event::DispositionForgone(from_bytes(shape, what)?),
        })
    }
}

impl Kind {
    /// Every kind, by number.
    pub const ALL: [Self; 32] = [
        Self::ClientRegistered,
        Self::ClientGone,
        Self::PreferencesChanged,
        Self::MessageDeferred,
        Self::DeferralRefused,
        Self::HandlingChosen,
        Self::PreferencesMissed,
        Self::ManagementRequested,
        Self::NotificationPlanned,
        Self::NotificationSent,
        Self::NotificationCalledFor,
        Self::BodyKept,
        Self::PreferencesHeeded,
        Self::DeliveryStarted,
        Self::DeliveryWithheld,
        Self::MessageDelivered,
        Self::DeliveryFailed,
        Self::MessageInterworked,
        Self::ErrandBegun,
        Self::ErrandFailed,
        Self::TransferFailed,
        Self::MessageDiscarded,
        Self::StoreAwaited,
        Self::DisposalPostponed,
        Self::MessageDeleted,
        Self::MessageStored,
        Self::DispositionOwed,
        Self::DispositionSent,
        Self::HistoryAwaited,
        Self::HistoryRecorded,
        Self::HistoryWithdrawn,
        Self::DispositionForgone,
    ];

    /// The kind of this number.
    #[must_use]
    pub fn of(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u16 == number)
    }

    /// The version of its shape that this program writes.
    #[must_use]
    pub const fn version(self) -> u8 {
        1
    }

    /// Its name, as auditors see it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ClientRegistered => "ClientRegistered",
            Self::ClientGone => "ClientGone",
            Self::MessageDeferred => "MessageDeferred",
            Self::BodyKept => "BodyKept",
            Self::DeferralRefused => "DeferralRefused",
            Self::HandlingChosen => "HandlingChosen",
            Self::DeliveryStarted => "DeliveryStarted",
            Self::DeliveryWithheld => "DeliveryWithheld",
            Self::MessageDelivered => "MessageDelivered",
            Self::DeliveryFailed => "DeliveryFailed",
            Self::TransferFailed => "TransferFailed",
            Self::MessageDiscarded => "MessageDiscarded",
            Self::StoreAwaited => "StoreAwaited",
            Self::PreferencesChanged => "PreferencesChanged",
            Self::PreferencesMissed => "PreferencesMissed",
            Self::PreferencesHeeded => "PreferencesHeeded",
            Self::ManagementRequested => "ManagementRequested",
            Self::NotificationPlanned => "NotificationPlanned",
            Self::NotificationSent => "NotificationSent",
            Self::NotificationCalledFor => "NotificationCalledFor",
            Self::MessageInterworked => "MessageInterworked",
            Self::ErrandBegun => "ErrandBegun",
            Self::ErrandFailed => "ErrandFailed",
            Self::DisposalPostponed => "DisposalPostponed",
            Self::MessageDeleted => "MessageDeleted",
            Self::MessageStored => "MessageStored",
            Self::DispositionOwed => "DispositionOwed",
            Self::DispositionSent => "DispositionSent",
            Self::HistoryAwaited => "HistoryAwaited",
            Self::HistoryRecorded => "HistoryRecorded",
            Self::HistoryWithdrawn => "HistoryWithdrawn",
            Self::DispositionForgone => "DispositionForgone",
        }
    }
}

/// The fingerprint of the state type: a digest of the sources that make it. Crude, and it cannot be forgotten: any change
/// of them makes old snapshots unreadable, which costs one replay.
static STATE_FINGERPRINT: LazyLock<[u8; 16]> = LazyLock::new(|| {
    let mut hash = Sha256::new();
    for source in [
        include_str!("state.rs"),
        include_str!("state/entry.rs"),
        include_str!("state/indexes.rs"),
        include_str!("state/errand.rs"),
        include_str!("state/errands.rs"),
        include_str!("event.rs"),
        include_str!("event/errands.rs"),
        include_str!("event/kept.rs"),
        include_str!("event/kind.rs"),
        include_str!("question.rs"),
        include_str!("schema.rs"),
        include_str!("../types/address.rs"),
        include_str!("../types/ids.rs"),
        include_str!("../types/octets.rs"),
        include_str!("../types/time.rs"),
    ] {
        hash.update(source);
    }
    let mut fingerprint = [0; 16];
    fingerprint.copy_from_slice(&hash.finalize()[..16]);
    fingerprint
});

/// A snapshot of the state: fingerprint, then the state.
#[must_use]
pub fn encode_state(queue: &Queue) -> Vec<u8> {
    let mut bytes = STATE_FINGERPRINT.to_vec();
    bytes.extend_from_slice(&to_bytes(queue));
    bytes
}

/// The state of a snapshot; `None` if it was made by another version or is damaged: then the log is replayed.
#[must_use]
pub fn decode_state(bytes: &[u8]) -> Option<Queue> {
    let rest = bytes.strip_prefix(STATE_FINGERPRINT.as_slice())?;
    from_bytes(rest, "snapshot").ok()
}
