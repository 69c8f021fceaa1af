//! The operator stream: what is written down of every order, and of what the server had to do by itself.

use crate::policy::policies::Author;
use crate::queue::question::Hook;
use crate::types::{Digest, Octets, Timestamp};
use serde::{Deserialize, Serialize};

/// One accepted order, or one thing that happened: the unit of atomicity and of the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// From 1, without gaps.
    pub seq: u64,
    pub at: Timestamp,
    pub author: Author,
    /// The operator's own text; may be empty.
    pub reason: String,
    pub events: Vec<Event>,
}

/// Something that happened to the policies of this server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    PolicyUploaded(PolicyUploaded),
    PolicySigned(PolicySigned),
    UploadRefused(UploadRefused),
    PolicyRetired(PolicyRetired),
    PolicyShadowed(PolicyShadowed),
    ShadowEnded(ShadowEnded),
    PolicyActivated(PolicyActivated),
    PolicyRolledBack(PolicyRolledBack),
    PolicyTripped(PolicyTripped),
    PolicyUnloadable(PolicyUnloadable),
}

/// A component was examined, found good, and is kept from now on; or one that is kept already came for one more realm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyUploaded {
    pub policy: Digest,
    /// Octets of the component.
    pub bytes: u64,
    pub name: Option<String>,
    /// The decisions that it exports, in the order of their names.
    pub decides: Vec<Hook>,
    /// The JSON Schema of its settings, as the component gave it.
    pub schema: Option<String>,
    pub signature: Option<SignedBy>,
    /// For which realm it came: whose operators may see it and let it go. `None`: for all.
    pub realm: Option<String>,
}

/// A component that is kept already came again, with a signature that it did not have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicySigned {
    pub policy: Digest,
    pub signature: SignedBy,
}

/// A detached signature that was accepted. It is kept whole, because it is checked again whenever the policy is bound
/// in a realm that wants one: the configuration may mean another key by the same name by then.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SignedBy {
    /// Of `policy.keys`.
    pub key: String,
    /// Ed25519 (RFC 8032), 64 octets.
    pub octets: Octets,
}

/// A component was not taken. Nothing of it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadRefused {
    /// Unknown if it was turned away before it was read.
    pub policy: Option<Digest>,
    /// As many as were announced, or had come.
    pub bytes: u64,
    pub cause: RefusalCause,
    /// Refusals since the last one in the stream that were only counted, because they came too fast.
    pub unrecorded: u64,
    /// For which realm it came, if for one.
    pub realm: Option<String>,
}

/// Why a component was not taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RefusalCause {
    TooLarge,
    /// The kinds of the findings (`restante policy check` explains them), at most [`FINDINGS_MAX`].
    Unacceptable {
        findings: Vec<String>,
    },
    Unsigned {
        realm: String,
    },
    /// The key's name is not kept: whoever comes may write anything there.
    UnknownKey,
    OtherRealm {
        key: String,
    },
    NotYet {
        key: String,
    },
    Expired {
        key: String,
    },
    WrongSignature {
        key: String,
    },
    SignatureForm,
    /// The catalogue has no room: which limit.
    Full {
        limit: String,
    },
}

/// Findings that a refusal names.
pub const FINDINGS_MAX: usize = 8;

/// A policy may not be bound any more, and its component was deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyRetired {
    pub policy: Digest,
}

/// A policy is asked beside the one that decides, without effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyShadowed {
    pub realm: String,
    pub hooks: Vec<Hook>,
    pub policy: Digest,
    /// JSON in its canonical text.
    pub settings: String,
}

/// It is not asked any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShadowEnded {
    pub realm: String,
    pub hooks: Vec<Hook>,
}

/// A policy takes these decisions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyActivated {
    pub realm: String,
    pub hooks: Vec<Hook>,
    pub policy: Digest,
    /// JSON in its canonical text.
    pub settings: String,
    /// `policy.history-max` at that moment: so many earlier bindings are remembered from here on. It stands here so that
    /// what a stream means does not depend on the configuration that reads it.
    pub earlier_max: u32,
}

/// What decided before decides again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyRolledBack {
    pub realm: String,
    pub steps: Vec<Step>,
}

/// One decision of a rollback.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    pub hook: Hook,
    pub from: Digest,
    pub to: Resort,
}

/// Who decides instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Resort {
    /// What was bound before.
    Earlier(Digest),
    /// What the configuration binds.
    Baseline(Digest),
    /// The standard rule, without any component.
    Standard,
}

/// A policy failed too often and does not decide any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyTripped {
    pub realm: String,
    pub hook: Hook,
    pub policy: Digest,
    /// Failures within `policy.trip-window-secs`.
    pub failures: u32,
    pub to: Resort,
}

/// A policy that is bound could not be made ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyUnloadable {
    pub realm: String,
    pub hook: Hook,
    pub policy: Digest,
    pub role: Role,
    pub why: Unloadable,
    /// Who decides now.
    pub to: Resort,
}

/// What a policy is to a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    Active,
    Shadow,
    /// What the next rollback would have put back.
    Earlier,
}

/// Why a policy that is bound cannot be made ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unloadable {
    /// Its component is not there.
    Missing,
    /// Its component is not what it was: the digest of its octets is another.
    Damaged,
    /// It does not compile, or the limits of the configuration forbid it.
    Unacceptable,
    /// It refuses its settings.
    Settings,
}

/// The number of an event kind in the stream. Numbers are never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u16)]
pub enum Kind {
    PolicyUploaded = 1,
    PolicySigned = 2,
    UploadRefused = 3,
    PolicyRetired = 4,
    PolicyShadowed = 10,
    ShadowEnded = 11,
    PolicyActivated = 12,
    PolicyRolledBack = 13,
    PolicyTripped = 20,
    PolicyUnloadable = 21,
}

impl Event {
    /// Its number in the stream.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::PolicyUploaded(_) => Kind::PolicyUploaded,
            Self::PolicySigned(_) => Kind::PolicySigned,
            Self::UploadRefused(_) => Kind::UploadRefused,
            Self::PolicyRetired(_) => Kind::PolicyRetired,
            Self::PolicyShadowed(_) => Kind::PolicyShadowed,
            Self::ShadowEnded(_) => Kind::ShadowEnded,
            Self::PolicyActivated(_) => Kind::PolicyActivated,
            Self::PolicyRolledBack(_) => Kind::PolicyRolledBack,
            Self::PolicyTripped(_) => Kind::PolicyTripped,
            Self::PolicyUnloadable(_) => Kind::PolicyUnloadable,
        }
    }
}

impl Kind {
    /// Every kind, by number.
    pub const ALL: [Self; 10] = [
        Self::PolicyUploaded,
        Self::PolicySigned,
        Self::UploadRefused,
        Self::PolicyRetired,
        Self::PolicyShadowed,
        Self::ShadowEnded,
        Self::PolicyActivated,
        Self::PolicyRolledBack,
        Self::PolicyTripped,
        Self::PolicyUnloadable,
    ];

    /// The kind of this number.
    #[must_use]
    pub fn of(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u16 == number)
    }

    /// The version of its shape that this program writes.
    #[must_use]
    pub const fn version(self) -> u8 {
        match self {
            Self::PolicyUploaded | Self::UploadRefused => 2,
            _ => 1,
        }
    }

    /// Its name, as operators and auditors see it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PolicyUploaded => "PolicyUploaded",
            Self::PolicySigned => "PolicySigned",
            Self::UploadRefused => "UploadRefused",
            Self::PolicyRetired => "PolicyRetired",
            Self::PolicyShadowed => "PolicyShadowed",
            Self::ShadowEnded => "ShadowEnded",
            Self::PolicyActivated => "PolicyActivated",
            Self::PolicyRolledBack => "PolicyRolledBack",
            Self::PolicyTripped => "PolicyTripped",
            Self::PolicyUnloadable => "PolicyUnloadable",
        }
    }
}
