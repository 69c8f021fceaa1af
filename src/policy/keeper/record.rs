//! The stored shape of an entry of the operator stream: how it becomes bytes and comes back, in every version there ever
//! was.
//!
//! As in `queue::schema`: a format octet, then the frame, each event readable by kind without decoding what is inside.
//! An entry of a newer program and a damaged one are different errors. Golden bytes (`golden/`) pin every version.

use super::event::{Entry, Event, Kind, PolicyUploaded, RefusalCause, SignedBy, UploadRefused};
use crate::policy::policies::{Author, PoliciesError};
use crate::queue::question::Hook;
use crate::queue::schema::SchemaError;
use crate::types::{Digest, Octets, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The format of the frame that this program writes. It is the first octet of every entry.
pub const ENTRY_FORMAT: u8 = 1;

/// Longest entry that will be decoded: nothing a damaged length can say makes us allocate more.
const DECODE_MAX: usize = 16 << 20;

/// The frame of an entry behind its format octet.
#[derive(Serialize, Deserialize)]
struct StoredEntry {
    seq: u64,
    at: Timestamp,
    author: String,
    reason: String,
    events: Vec<StoredEvent>,
}

#[derive(Serialize, Deserialize)]
struct StoredEvent {
    kind: u16,
    version: u8,
    shape: Octets,
}

/// `PolicyUploaded`, version 1: nobody wrote down for whom.
#[derive(Deserialize)]
struct PolicyUploaded1 {
    policy: Digest,
    bytes: u64,
    name: Option<String>,
    decides: Vec<Hook>,
    schema: Option<String>,
    signature: Option<SignedBy>,
}

impl From<PolicyUploaded1> for PolicyUploaded {
    fn from(old: PolicyUploaded1) -> Self {
        let PolicyUploaded1 { policy, bytes, name, decides, schema, signature } = old;
        Self { policy, bytes, name, decides, schema, signature, realm: None }
    }
}

/// `UploadRefused`, version 1: the realm is known only where it is the cause.
#[derive(Deserialize)]
struct UploadRefused1 {
    policy: Option<Digest>,
    bytes: u64,
    cause: RefusalCause,
    unrecorded: u64,
}

impl From<UploadRefused1> for UploadRefused {
    fn from(old: UploadRefused1) -> Self {
        let UploadRefused1 { policy, bytes, cause, unrecorded } = old;
        let realm = match &cause {
            RefusalCause::Unsigned { realm } => Some(realm.clone()),
            _ => None,
        };
        Self { policy, bytes, cause, unrecorded, realm }
    }
}

impl From<SchemaError> for PoliciesError {
    fn from(error: SchemaError) -> Self {
        match error {
            SchemaError::Damaged(_) => Self::Damaged { what: STREAM.to_owned(), why: "an entry cannot be read" },
            newer => Self::Newer { detail: newer.to_string() },
        }
    }
}

/// What an operator calls it.
pub const STREAM: &str = "the operator stream";

fn config() -> impl bincode::config::Config {
    bincode::config::standard().with_limit::<DECODE_MAX>()
}

fn to_bytes<T: Serialize>(value: &T) -> Vec<u8> {
    // Encoding into memory fails only for types that know no length; ours all do, as every test that encodes them shows.
    bincode::serde::encode_to_vec(value, config()).unwrap_or_default()
}

fn from_bytes<T: DeserializeOwned>(bytes: &[u8], what: &'static str) -> Result<T, SchemaError> {
    let (value, used) = bincode::serde::decode_from_slice(bytes, config()).map_err(|_| SchemaError::Damaged(what))?;
    if used == bytes.len() { Ok(value) } else { Err(SchemaError::Damaged(what)) }
}

impl Entry {
    /// The bytes that are stored and chained.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let stored = StoredEntry {
            seq: self.seq,
            at: self.at,
            author: self.author.0.clone(),
            reason: self.reason.clone(),
            events: self.events.iter().map(StoredEvent::of).collect(),
        };
        let mut bytes = vec![ENTRY_FORMAT];
        bytes.extend_from_slice(&to_bytes(&stored));
        bytes
    }

    /// Reads an entry of any version.
    ///
    /// # Errors
    /// [`SchemaError`]: newer, or damaged.
    pub fn decode(bytes: &[u8]) -> Result<Self, SchemaError> {
        let (format, rest) = bytes.split_first().ok_or(SchemaError::Damaged("entry"))?;
        if *format > ENTRY_FORMAT {
            return Err(SchemaError::Newer { what: "entry", found: (*format).into(), known: ENTRY_FORMAT.into() });
        }
        if *format != ENTRY_FORMAT {
            return Err(SchemaError::Damaged("entry"));
        }
        let stored: StoredEntry = from_bytes(rest, "entry")?;
        let events = stored.events.iter().map(StoredEvent::event).collect::<Result<_, _>>()?;
        let StoredEntry { seq, at, author, reason, .. } = stored;
        Ok(Self { seq, at, author: Author(author), reason, events })
    }
}

impl StoredEvent {
    fn of(event: &Event) -> Self {
        let shape = match event {
            Event::PolicyUploaded(shape) => to_bytes(shape),
            Event::PolicySigned(shape) => to_bytes(shape),
            Event::UploadRefused(shape) => to_bytes(shape),
            Event::PolicyRetired(shape) => to_bytes(shape),
            Event::PolicyShadowed(shape) => to_bytes(shape),
            Event::ShadowEnded(shape) => to_bytes(shape),
            Event::PolicyActivated(shape) => to_bytes(shape),
            Event::PolicyRolledBack(shape) => to_bytes(shape),
            Event::PolicyTripped(shape) => to_bytes(shape),
            Event::PolicyUnloadable(shape) => to_bytes(shape),
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
        // Shapes of older versions are read here and brought up to the present one.
        let (shape, what, old) = (&self.shape.0, kind.name(), self.version < kind.version());
        Ok(match kind {
            Kind::PolicyUploaded if old => Event::PolicyUploaded(from_bytes::<PolicyUploaded1>(shape, what)?.into()),
            Kind::UploadRefused if old => Event::UploadRefused(from_bytes::<UploadRefused1>(shape, what)?.into()),
            Kind::PolicyUploaded => Event::PolicyUploaded(from_bytes(shape, what)?),
            Kind::PolicySigned => Event::PolicySigned(from_bytes(shape, what)?),
            Kind::UploadRefused => Event::UploadRefused(from_bytes(shape, what)?),
            Kind::PolicyRetired => Event::PolicyRetired(from_bytes(shape, what)?),
            Kind::PolicyShadowed => Event::PolicyShadowed(from_bytes(shape, what)?),
            Kind::ShadowEnded => Event::ShadowEnded(from_bytes(shape, what)?),
            Kind::PolicyActivated => Event::PolicyActivated(from_bytes(shape, what)?),
            Kind::PolicyRolledBack => Event::PolicyRolledBack(from_bytes(shape, what)?),
            Kind::PolicyTripped => Event::PolicyTripped(from_bytes(shape, what)?),
            Kind::PolicyUnloadable => Event::PolicyUnloadable(from_bytes(shape, what)?),
        })
    }
}
