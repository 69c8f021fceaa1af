//! Cases: a question as a document (YAML or JSON), and the verdict that a policy should give.
//!
//! Every field but the decision has a default, so that a case says only what matters. The documents have the names of
//! `wit/policy.wit`; [`question_of`] and [`document_of`] lead to the questions that the server asks, and back.

mod convert;
mod file;
mod moment;
#[cfg(test)]
mod tests;

pub use convert::{document_of, question_of, verdict_document, verdict_of};
pub use file::{FILE_BYTES_MAX, from_json, from_yaml, read, to_json, to_yaml};
pub use moment::Moment;

use crate::queue::question::{Disposal, Handling, Hook, Mode, NotificationCause};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;
use std::path::PathBuf;

/// Cases that one file may hold.
pub const CASES_MAX: usize = 10_000;
/// Clients that one question may have.
pub const CLIENTS_MAX: usize = 1_000;
/// Feature tags that one client may have.
pub const TAGS_MAX: usize = 1_000;

/// A question, the settings it is asked with, and the verdict that is expected.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Case {
    /// What it shows; a file's cases without a name get the file's.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The policy's settings; none is `{}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<Value>,
    pub question: QuestionDoc,
    /// None: whatever the verdict is, it is only shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<VerdictDoc>,
}

/// A question as a document. Its texts may be personal data, so `Debug` shows the decision only.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct QuestionDoc {
    pub decision: Decision,
    /// None: 2026-03-02T09:14:07Z.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub now: Option<Moment>,
    /// None: the domain of `user`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub realm: Option<String>,
    /// None: `sip:+12025550200@ims.example.net`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    #[serde(default)]
    pub queue_depth: u64,
    /// Octets.
    #[serde(default)]
    pub queue_bytes: u64,
    /// None: 604800, seven days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiry_max_secs: Option<u64>,
    #[serde(default)]
    pub preferences: PreferencesDoc,
    /// None: in a `delivery` question the client in question, else nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clients: Option<Vec<ClientDoc>>,
    #[serde(default)]
    pub message: MessageDoc,
    /// `delivery` only. None: the first of `clients`, else an ordinary one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<ClientDoc>,
    /// `notification` only. None: `deferred`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
}

/// The user's preferences, evaluated.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct PreferencesDoc {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_push: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expired: Option<DisposalDoc>,
    pub do_not_disturb: bool,
    pub offline_storage: bool,
}

/// A registered client. Its id may be personal data, so `Debug` hides it.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ClientDoc {
    /// None: `<urn:uuid:00000000-0000-4000-8000-000000000001>`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// None: those of an RCS client that takes deferred messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
    /// None: three seconds before `now`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registered_at: Option<Moment>,
    /// None: an hour after `now`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Moment>,
}

/// The message in question. Its texts are personal data, so `Debug` hides them.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct MessageDoc {
    /// 32 hexadecimal digits. None: `5a5a…`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    pub mode: ModeDoc,
    /// None: the sender asked for anonymity, or is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sender: Option<String>,
    /// Octets. None: 340.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// None: `message/cpim`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// None: `now`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub received_at: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_asked_secs: Option<u64>,
    /// None: `received-at` and what was asked for, at most `expiry-max-secs`; `now` in an `expiry` question.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Moment>,
    pub attempts: u32,
    /// The attribute of this name; none before it is chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handling: Option<HandlingDoc>,
}

/// A verdict as a document: the cases of all variants in `wit/policy.wit`, whose names differ between decisions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VerdictDoc {
    /// `admission`: seconds.
    Accept(u64),
    /// `admission`.
    Refuse(RefusalDoc),
    /// `handling`.
    Push,
    /// `handling`.
    Manage,
    /// `delivery`.
    Now,
    /// `delivery`.
    HoldUntil(Moment),
    /// `delivery`.
    Keep,
    /// `expiry`.
    Discard,
    /// `expiry`.
    Store,
    /// `notification`.
    None,
    /// `notification`.
    Notify(PlanDoc),
}

/// As a case has it on one line.
impl fmt::Display for VerdictDoc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accept(secs) => write!(f, "accept {secs} s"),
            Self::Refuse(RefusalDoc { status, reason }) => write!(f, "refuse {status} {reason:?}"),
            Self::HoldUntil(at) => write!(f, "hold-until {}", at.0),
            Self::Notify(PlanDoc { in_band, out_of_band, at }) => {
                write!(f, "notify")?;
                for (how, is) in [("in-band", in_band), ("out-of-band", out_of_band)] {
                    if *is {
                        write!(f, " {how}")?;
                    }
                }
                at.map_or(Ok(()), |at| write!(f, " at {}", at.0))
            }
            Self::Push => f.write_str("push"),
            Self::Manage => f.write_str("manage"),
            Self::Now => f.write_str("now"),
            Self::Keep => f.write_str("keep"),
            Self::Discard => f.write_str("discard"),
            Self::Store => f.write_str("store"),
            Self::None => f.write_str("none"),
        }
    }
}

/// How a message is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RefusalDoc {
    /// A SIP status, 400 to 699.
    pub status: u16,
    #[serde(default)]
    pub reason: String,
}

/// How somebody is notified.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct PlanDoc {
    pub in_band: bool,
    pub out_of_band: bool,
    /// None: at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Moment>,
}

/// The words of an enumeration of `wit/policy.wit`, as they stand there, and ours.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident = $ours:ident { $($(#[$attribute:meta])* $word:ident),+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum $name { $($(#[$attribute])* $word),+ }

        impl From<$name> for $ours {
            fn from(word: $name) -> Self {
                match word { $($name::$word => Self::$word),+ }
            }
        }

        impl From<$ours> for $name {
            fn from(word: $ours) -> Self {
                match word { $($ours::$word => Self::$word),+ }
            }
        }
    };
}

words! {
    /// Which decision a question is about.
    Decision = Hook { Admission, Handling, Delivery, Expiry, Notification }
}
words! {
    /// Pager or large.
    #[derive(Default)]
    ModeDoc = Mode { #[default] Pager, Large }
}
words! {
    /// Discard or store.
    DisposalDoc = Disposal { Discard, Store }
}
words! {
    /// Push or manage.
    HandlingDoc = Handling { Push, Manage }
}
words! {
    /// What a notification would be about.
    Cause = NotificationCause { Deferred, ExpiredDiscarded, ExpiredStored, Reminder }
}

impl QuestionDoc {
    /// The ordinary question about this decision: everything by default.
    #[must_use]
    pub fn about(hook: Hook) -> Self {
        Self {
            decision: hook.into(),
            now: None,
            realm: None,
            user: None,
            queue_depth: 0,
            queue_bytes: 0,
            expiry_max_secs: None,
            preferences: PreferencesDoc::default(),
            clients: None,
            message: MessageDoc::default(),
            client: None,
            cause: None,
        }
    }
}

impl fmt::Debug for QuestionDoc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QuestionDoc").field("decision", &self.decision).finish_non_exhaustive()
    }
}

impl fmt::Debug for ClientDoc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientDoc").finish_non_exhaustive()
    }
}

impl fmt::Debug for MessageDoc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageDoc").field("mode", &self.mode).field("size", &self.size).finish_non_exhaustive()
    }
}

/// What is wrong with a case.
#[derive(Debug, thiserror::Error)]
pub enum CaseError {
    #[error("{}: the case file cannot be read: {cause}. Check its path and permissions", file.display())]
    Read { file: PathBuf, cause: std::io::Error },
    #[error("{}: the case file is longer than {FILE_BYTES_MAX} octets: split it", file.display())]
    TooLong { file: PathBuf },
    #[error("{}: the case file is not UTF-8 (octet {at}): save it as UTF-8", file.display())]
    Encoding { file: PathBuf, at: usize },
    #[error("{}: the name of a case file ends in .yaml, .yml or .json: rename it", file.display())]
    Kind { file: PathBuf },
    #[error("{}: {detail}. Correct it there: docs/policy-authors.md has every field of a case", file.display())]
    In { file: PathBuf, detail: String },
    #[error("{detail}. docs/policy-authors.md has every field of a case")]
    Form { detail: String },
    #[error("{field} is not accepted: {why}")]
    Field { field: &'static str, why: String },
    #[error("the case cannot be written: {detail}")]
    Write { detail: String },
}
