//! Where a user's preferences come from: an XDMS over XCAP (RFC 4825), or documents kept here.
//!
//! Reading never fails: what cannot be had is the last good profile ([`Origin::Stale`]) or none at all
//! ([`Origin::Unreachable`]), and says so, so that nothing is discarded for want of an answer (spec chapter 3).

mod breaker;
mod cache;
mod kept;
mod realms;
mod remote;
mod xcap;

#[cfg(test)]
mod tests;

pub use kept::{Kept, KeptDocuments, Written};
pub use realms::{Realms, SetupError, open};
pub use remote::XcapSource;

use crate::formats::{Limits, Origin, Profile, Ruleset, RulesetError, UserProfile, XmlError};
use crate::shelf::ShelfError;
use crate::types::{Address, Timestamp};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use std::sync::Arc;
use std::time::Duration;

/// The preferences of every user, from wherever they come.
pub trait PreferenceSource: Send + Sync {
    /// What is known and fresh enough, at once: no disk, no network, about a microsecond. `None`: [`read`] it.
    ///
    /// [`read`]: PreferenceSource::read
    fn cached(&self, user: &Address, now: Timestamp) -> Option<Profile>;

    /// Reads the documents anew, unless they are fresh. Takes as long as the configured attempts may at most, and always
    /// gives a profile. Await it on a tokio runtime; what was begun goes on if nobody waits any more.
    fn read(&self, user: &Address, now: Timestamp) -> BoxFuture<'static, Profile>;

    /// From now on `told` is called with every user whose documents were found changed (I-31: a trigger of pushes). It
    /// must not wait for anything. Only the first call counts.
    fn changed(&self, told: Watcher);
}

/// Who is told of changes.
pub type Watcher = Arc<dyn Fn(&Address) + Send + Sync>;

/// The documents kept here, as the admin API puts them. Every call may wait for the disk.
pub trait Documents: Send + Sync {
    /// One document.
    ///
    /// # Errors
    /// [`DocumentError`]
    fn get(&self, user: &Address, document: Document) -> Result<Option<Kept>, DocumentError>;

    /// Keeps a document that can be read; it holds from now on.
    ///
    /// # Errors
    /// [`DocumentError`]; then nothing was changed.
    fn put(
        &self,
        user: &Address,
        document: Document,
        body: Bytes,
        condition: &Precondition,
    ) -> Result<Written, DocumentError>;

    /// Longest document, octets.
    fn octets_max(&self) -> usize;

    /// Removes a document; whether it was there.
    ///
    /// # Errors
    /// [`DocumentError`]; then nothing was changed.
    fn delete(&self, user: &Address, document: Document, condition: &Precondition) -> Result<bool, DocumentError>;
}

/// One of the two documents of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Document {
    /// The access rules (DEF-6, EXP-1).
    Rules,
    /// The active user preference profile (PUSH-1a, MNG-6a-i).
    Profile,
}

impl Document {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Rules, Self::Profile];

    /// Its name in the admin API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rules => "rules",
            Self::Profile => "profile",
        }
    }
}

/// When a document may be written (RFC 9110 section 13.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Precondition {
    /// Always.
    #[default]
    None,
    /// `If-Match`: it is there, with one of these entity tags if there are any (none: `*`).
    Matches(Vec<String>),
    /// `If-None-Match: *`: it is not there yet.
    Absent,
}

/// Why a document cannot be read or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    #[error("the domain of this user is none of the realms served here; check the address, or add the realm")]
    NotServed,
    #[error("the documents of this realm are kept by its XDMS; change them there, or unset xcap-root")]
    Elsewhere,
    #[error(
        "the document has {octets} octets, and {limit} are allowed: shorten it, or raise preferences.document-bytes-max"
    )]
    TooLong { octets: usize, limit: usize },
    #[error("the document cannot be read: {0}; correct it and put it again")]
    Unreadable(#[from] Unreadable),
    #[error("the document is not the one that the condition names; get it, look at its ETag, and decide anew")]
    Precondition,
    #[error(transparent)]
    Shelf(#[from] ShelfError),
}

/// Why octets are not the document they should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    #[error(transparent)]
    Rules(#[from] RulesetError),
    #[error(transparent)]
    Profile(#[from] XmlError),
}

/// Why some preferences were not had, or how they were; a label of the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// 200 with a document that can be read, or one kept here.
    Found,
    /// 304: as known.
    Unchanged,
    /// 404: the defaults hold.
    Absent,
    /// 401, 403 or another refusal: the XDMS does not want to tell us.
    Refused,
    /// 5xx or 429: the XDMS is in trouble.
    Failed,
    /// No whole answer in time, or no turn.
    Timeout,
    /// No connection, or it broke.
    Transport,
    /// A document that is no document, or too long. Never taken for *absent*: an alarm.
    Unreadable,
    /// Not even asked: the XDMS has failed too often of late.
    NotAsked,
    /// The disk failed.
    Disk,
}

/// Limits that were reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Limit {
    /// Somebody's profile made room for another's.
    CachedUsers,
    /// The same, for want of octets.
    CachedBytes,
    /// Too many users are being read.
    Reads,
    /// All exchanges with the XDMS were busy for as long as one may take.
    Requests,
    /// A document was too long.
    DocumentBytes,
}

/// Where a source counts; the metrics implement it.
pub trait Counters: Send + Sync {
    /// A profile was wanted; it was at hand, or not.
    fn wanted(&self, at_hand: bool);
    /// A document was read so, within this time.
    fn read(&self, outcome: Outcome, took: Duration);
    /// An XDMS is from now on left alone (`true`), or asked again (`false`).
    fn left_alone(&self, so: bool);
    /// A limit was reached.
    fn limit_hit(&self, limit: Limit);
}

/// Counts nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoCounters;

impl Counters for NoCounters {
    fn wanted(&self, _: bool) {}
    fn read(&self, _: Outcome, _: Duration) {}
    fn left_alone(&self, _: bool) {}
    fn limit_hit(&self, _: Limit) {}
}

/// What one document says, put into its place of a profile.
fn read_into(profile: &mut Profile, document: Document, octets: &[u8], octets_max: usize) -> Result<(), Unreadable> {
    let limits = Limits { octets: octets_max, ..Limits::default() };
    match document {
        Document::Rules => profile.rules = Some(Ruleset::read(octets, &limits)?),
        Document::Profile => profile.user = Some(UserProfile::read(octets, &limits)?),
    }
    Ok(())
}

/// Takes a document's word out of a profile: it is not there.
fn without(profile: &mut Profile, document: Document) {
    match document {
        Document::Rules => profile.rules = None,
        Document::Profile => profile.user = None,
    }
}

/// What a profile of documents as fresh as can be is called.
const fn origin_of(profile: &Profile) -> Origin {
    if profile.rules.is_some() || profile.user.is_some() { Origin::Document } else { Origin::Absent }
}
