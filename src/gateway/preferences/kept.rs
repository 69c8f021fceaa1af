//! Preferences from documents kept here: put through the admin API, on the shelf, at hand when they are needed.

use super::cache::{Cache, Entry, Said};
use super::{
    Counters, Document, DocumentError, Documents, Limit, Outcome, Precondition, PreferenceSource, Watcher, origin_of,
    read_into,
};
use crate::config;
use crate::formats::{Origin, Profile};
use crate::shelf::{Change, Shelf, ShelfError, owner};
use crate::types::{Address, Digest, Timestamp};
use bytes::{BufMut as _, Bytes, BytesMut};
use futures_util::future::BoxFuture;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

/// The form of a value on the shelf: this octet, then the document as it came.
const FORM: u8 = 1;

/// A document kept here. `Debug` shows no content: it is personal data.
#[derive(Clone, PartialEq, Eq)]
pub struct Kept {
    pub body: Bytes,
}

/// A document was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Its entity tag from now on.
    pub tag: String,
    /// There was none before.
    pub created: bool,
}

/// The documents on a shelf.
#[derive(Clone)]
pub struct KeptDocuments(Arc<Inner>);

struct Inner {
    shelf: Arc<dyn Shelf>,
    cache: Cache,
    /// Whether the shelf holds any document at all: most have none, and then nobody has to be looked up.
    any: AtomicBool,
    /// Counts changes, so that a reading that was overtaken by one is not remembered.
    changes: AtomicU64,
    /// One change at a time: between a condition and the write nothing else happens.
    writing: Mutex<()>,
    document_octets_max: usize,
    counters: Arc<dyn Counters>,
    told: OnceLock<Watcher>,
}

impl KeptDocuments {
    /// Looks whether there is any document. May wait for the disk.
    ///
    /// # Errors
    /// [`ShelfError`]
    pub fn open(
        shelf: Arc<dyn Shelf>,
        config: &config::Preferences,
        counters: Arc<dyn Counters>,
    ) -> Result<Self, ShelfError> {
        let any = AtomicBool::new(has_any(&*shelf)?);
        Ok(Self(Arc::new(Inner {
            shelf,
            cache: Cache::new(config.cache_users_max, config.cache_bytes_max, Arc::clone(&counters)),
            any,
            changes: AtomicU64::new(0),
            writing: Mutex::default(),
            document_octets_max: config.document_bytes_max,
            counters,
            told: OnceLock::new(),
        })))
    }
}

impl PreferenceSource for KeptDocuments {
    fn cached(&self, user: &Address, now: Timestamp) -> Option<Profile> {
        let found = if self.0.any.load(Ordering::Acquire) {
            self.0.cache.fresh(user, now)
        } else {
            Some(Profile { origin: Origin::Absent, ..Profile::default() })
        };
        self.0.counters.wanted(found.is_some());
        found
    }

    fn read(&self, user: &Address, _: Timestamp) -> BoxFuture<'static, Profile> {
        let (inner, user) = (Arc::clone(&self.0), user.clone());
        Box::pin(async move {
            let read = tokio::task::spawn_blocking(move || inner.load(&user)).await;
            read.unwrap_or_else(|_| unreachable_profile())
        })
    }

    fn changed(&self, told: Watcher) {
        // The first one stays.
        let _ = self.0.told.set(told);
    }
}

impl Documents for KeptDocuments {
    fn octets_max(&self) -> usize {
        self.0.document_octets_max
    }

    fn get(&self, user: &Address, document: Document) -> Result<Option<Kept>, DocumentError> {
        Ok(self.0.kept(user, document)?)
    }

    fn put(
        &self,
        user: &Address,
        document: Document,
        body: Bytes,
        condition: &Precondition,
    ) -> Result<Written, DocumentError> {
        let (octets, limit) = (body.len(), self.0.document_octets_max);
        if octets > limit {
            self.0.counters.limit_hit(Limit::DocumentBytes);
            return Err(DocumentError::TooLong { octets, limit });
        }
        read_into(&mut Profile::default(), document, &body, limit)?;
        let mut value = BytesMut::with_capacity(octets + 1);
        value.put_u8(FORM);
        value.extend_from_slice(&body);
        let tag = Kept { body }.tag();
        let change = Change::Put { key: key(user, document), value: value.freeze() };
        let before = self.0.write(user, document, condition, Some(change))?;
        Ok(Written { tag, created: before.is_none() })
    }

    fn delete(&self, user: &Address, document: Document, condition: &Precondition) -> Result<bool, DocumentError> {
        Ok(self.0.write(user, document, condition, None)?.is_some())
    }
}

impl Inner {
    fn kept(&self, user: &Address, document: Document) -> Result<Option<Kept>, ShelfError> {
        let Some(value) = self.shelf.get(&key(user, document))? else { return Ok(None) };
        match value.first() {
            Some(&FORM) => Ok(Some(Kept { body: value.slice(1..) })),
            _ => Err(ShelfError { cause: "a document is kept in a form that this version does not know".to_owned() }),
        }
    }

    /// What is on the shelf about this user; remembered unless it changed meanwhile.
    fn load(&self, user: &Address) -> Profile {
        let changes = self.changes.load(Ordering::Acquire);
        match self.look_up(user) {
            Some(entry) => {
                let profile = entry.profile.clone();
                self.cache.put_if(user, entry, || self.changes.load(Ordering::Acquire) == changes);
                profile
            }
            None => unreachable_profile(),
        }
    }

    /// Nothing if a document cannot be had or read: then nothing is known.
    fn look_up(&self, user: &Address) -> Option<Entry> {
        let mut profile = Profile::default();
        let mut said = <[Said; 2]>::default();
        for (document, said) in Document::ALL.into_iter().zip(&mut said) {
            let start = Instant::now();
            let outcome = match self.kept(user, document) {
                Ok(None) => {
                    *said = Said::Absent;
                    Outcome::Absent
                }
                Ok(Some(kept)) => match read_into(&mut profile, document, &kept.body, usize::MAX) {
                    Ok(()) => {
                        *said = Said::There { tag: None, octets: kept.body.len() };
                        Outcome::Found
                    }
                    Err(why) => {
                        tracing::error!(user = %user.key(), document = document.name(), %why, "a document kept here cannot be read any more: put it again");
                        Outcome::Unreadable
                    }
                },
                Err(error) => {
                    tracing::error!(user = %user.key(), document = document.name(), %error, "a document kept here cannot be had");
                    Outcome::Disk
                }
            };
            self.counters.read(outcome, start.elapsed());
            if !matches!(outcome, Outcome::Found | Outcome::Absent) {
                return None;
            }
        }
        profile.origin = origin_of(&profile);
        let good = profile.clone();
        Some(Entry { profile, good, read: Timestamp(0), until: Timestamp::MAX, said })
    }

    /// Writes (or removes, without a change) if the condition holds; gives what was there before. From then on the new
    /// state is at hand, and who wants to know is told.
    fn write(
        &self,
        user: &Address,
        document: Document,
        condition: &Precondition,
        change: Option<Change>,
    ) -> Result<Option<Kept>, DocumentError> {
        let before = {
            let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
            let before = self.kept(user, document)?;
            if !condition.holds(before.as_ref()) {
                return Err(DocumentError::Precondition);
            }
            let removes = change.is_none();
            if removes && before.is_none() {
                return Ok(None);
            }
            // Before the write: a reading from now on is not remembered, so it cannot bring back the old state.
            self.any.store(true, Ordering::Release);
            let written = self.shelf.write(vec![change.unwrap_or_else(|| Change::Delete { key: key(user, document) })]);
            self.changes.fetch_add(1, Ordering::AcqRel);
            // Also after a failure, because then nobody knows what is on the disk.
            match self.look_up(user) {
                Some(entry) => self.cache.put(user, entry),
                None => self.cache.forget(user),
            }
            written?;
            if removes {
                self.any.store(has_any(&*self.shelf)?, Ordering::Release);
            }
            before
        };
        if let Some(told) = self.told.get() {
            told(user);
        }
        Ok(before)
    }
}

impl Precondition {
    fn holds(&self, kept: Option<&Kept>) -> bool {
        match self {
            Self::None => true,
            Self::Matches(tags) => kept.is_some_and(|kept| tags.is_empty() || tags.contains(&kept.tag())),
            Self::Absent => kept.is_none(),
        }
    }
}

impl Kept {
    /// Its strong entity tag, with its quotes (RFC 9110 section 8.8.3): of the content, so that it outlives restarts.
    pub fn tag(&self) -> String {
        format!("\"{}\"", hex::encode(&Digest::of(&self.body).0[..16]))
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kept({} octets)", self.body.len())
    }
}

/// The owner, the user's key (16 octets), and which document.
fn key(user: &Address, document: Document) -> Bytes {
    let mut key = BytesMut::with_capacity(18);
    key.put_u8(owner::DOCUMENTS);
    key.extend_from_slice(&user.key().0);
    key.put_u8(match document {
        Document::Rules => b'r',
        Document::Profile => b'p',
    });
    key.freeze()
}

fn has_any(shelf: &dyn Shelf) -> Result<bool, ShelfError> {
    Ok(!shelf.scan(&[owner::DOCUMENTS], None, 1)?.is_empty())
}

fn unreachable_profile() -> Profile {
    Profile { origin: Origin::Unreachable, ..Profile::default() }
}
