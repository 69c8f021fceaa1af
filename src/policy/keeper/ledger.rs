//! The operator stream and the components on a shelf: what is written together is there together, or not at all.
//!
//! Keys (docs/data-format.md): `entry/` and a number lead to a chain and an entry, `component/` and a digest to octets. The
//! engine keeps compiled code under `code/`.

use super::event::{Entry, Event};
use super::record::STREAM;
use super::state::Catalogue;
use super::tenure::Tenures;
use crate::policy::policies::PoliciesError;
use crate::shelf::{Change, Shelf, ShelfError};
use crate::types::{Chain, Digest};
use bytes::{BufMut as _, Bytes, BytesMut};

const ENTRIES: &[u8] = b"entry/";
const COMPONENTS: &[u8] = b"component/";
/// Octets of a chain, before an entry.
const CHAIN: usize = 32;
/// Entries that are read at a time.
const PAGE: usize = 256;

/// An entry as it stands in the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    pub entry: Entry,
    /// The chain after it.
    pub chain: Chain,
}

/// What came of reading a whole stream and holding every entry against the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The number of the last entry.
    pub entries: u64,
    /// The chain after it.
    pub chain: Chain,
    /// Components whose octets are what their digests say.
    pub components: usize,
}

fn entry_key(seq: u64) -> Bytes {
    let mut key = BytesMut::with_capacity(ENTRIES.len() + 8);
    key.put_slice(ENTRIES);
    key.put_u64(seq);
    key.freeze()
}

fn component_key(policy: Digest) -> Bytes {
    Bytes::from([COMPONENTS, &policy.0].concat())
}

fn damaged(why: &'static str) -> PoliciesError {
    PoliciesError::Damaged { what: STREAM.to_owned(), why }
}

/// Writes an entry behind the chain so far, with the octets of the components that it brings, and without those that it
/// retires: one write, on the disk when this returns. Gives the chain after it.
///
/// # Errors
/// [`ShelfError`]: it may or may not be there at the next start.
pub fn append(shelf: &dyn Shelf, chain: Chain, entry: &Entry, octets: Option<&Bytes>) -> Result<Chain, ShelfError> {
    let record = entry.encode();
    let chain = chain.extend(&record);
    let mut changes = Vec::with_capacity(2);
    for event in &entry.events {
        match event {
            Event::PolicyUploaded(upload) => {
                let value = octets.cloned().unwrap_or_default();
                changes.push(Change::Put { key: component_key(upload.policy), value });
            }
            Event::PolicyRetired(retired) => changes.push(Change::Delete { key: component_key(retired.policy) }),
            _ => {}
        }
    }
    let value = Bytes::from([chain.0.as_slice(), &record].concat());
    changes.push(Change::Put { key: entry_key(entry.seq), value });
    shelf.write(changes)?;
    Ok(chain)
}

fn read(key: &[u8], value: &[u8]) -> Result<Written, PoliciesError> {
    let seq = key.strip_prefix(ENTRIES).and_then(|seq| seq.try_into().ok()).map(u64::from_be_bytes);
    let (chain, record) = value.split_first_chunk::<CHAIN>().ok_or_else(|| damaged("an entry is too short"))?;
    let entry = Entry::decode(record)?;
    if Some(entry.seq) != seq {
        return Err(damaged("an entry stands in the place of another"));
    }
    Ok(Written { entry, chain: Chain(*chain) })
}

/// The entries after `after` with the chain after each, at most `limit`. The chain is not verified.
///
/// # Errors
/// [`PoliciesError::Store`], [`PoliciesError::Damaged`] or [`PoliciesError::Newer`].
pub fn written(shelf: &dyn Shelf, after: u64, limit: usize) -> Result<Vec<Written>, PoliciesError> {
    let found = shelf.scan(ENTRIES, Some(&entry_key(after)), limit)?;
    found.iter().map(|(key, value)| read(key, value)).collect()
}

/// Reads the whole stream, in order and held against its chain.
///
/// # Errors
/// As [`written`]; [`PoliciesError::Damaged`] also if an entry is missing or is not what was written.
pub fn replay(shelf: &dyn Shelf, mut each: impl FnMut(&Entry)) -> Result<(u64, Chain), PoliciesError> {
    let (mut last, mut chain) = (0_u64, Chain::GENESIS);
    loop {
        let found = shelf.scan(ENTRIES, Some(&entry_key(last)), PAGE)?;
        if found.is_empty() {
            return Ok((last, chain));
        }
        for (key, value) in &found {
            let written = read(key, value)?;
            if written.entry.seq != last.saturating_add(1) {
                return Err(damaged("an entry is missing"));
            }
            chain = chain.extend(value.get(CHAIN..).unwrap_or_default());
            if chain != written.chain {
                return Err(damaged("an entry is not what was written: the chain says otherwise"));
            }
            last = written.entry.seq;
            each(&written.entry);
        }
    }
}

/// The state that the stream amounts to, and the chain after it.
///
/// # Errors
/// As [`replay`].
pub fn fold(shelf: &dyn Shelf) -> Result<(Catalogue, Chain), PoliciesError> {
    let mut state = Catalogue::default();
    let (_, chain) = replay(shelf, |entry| state.evolve(entry))?;
    Ok((state, chain))
}

/// The state that the stream amounts to.
///
/// # Errors
/// As [`replay`].
pub fn catalogue(shelf: &dyn Shelf) -> Result<Catalogue, PoliciesError> {
    Ok(fold(shelf)?.0)
}

/// Who decided where, of all times.
///
/// # Errors
/// As [`replay`].
pub fn tenures(shelf: &dyn Shelf) -> Result<Tenures, PoliciesError> {
    let mut tenures = Tenures::default();
    replay(shelf, |entry| tenures.evolve(entry))?;
    Ok(tenures)
}

/// Verifies the whole stream, and every component that it says is kept.
///
/// # Errors
/// As [`replay`]; [`PoliciesError::Damaged`] also for a component that is missing or is not what its digest says.
pub fn verify(shelf: &dyn Shelf) -> Result<Verified, PoliciesError> {
    let (state, chain) = fold(shelf)?;
    let mut components = 0;
    for policy in state.policies.iter().filter(|(_, kept)| !kept.retired).map(|(policy, _)| *policy) {
        let damaged = |why| PoliciesError::Damaged { what: format!("the component {policy}"), why };
        let octets = component_of(shelf, policy)?.ok_or_else(|| damaged("it is missing"))?;
        if Digest::of(&octets) != policy {
            return Err(damaged("its digest is another"));
        }
        components += 1;
    }
    Ok(Verified { entries: state.seq, chain, components })
}

/// A component as it stands on the shelf; its digest is not verified.
///
/// # Errors
/// [`PoliciesError::Store`]
pub fn component_of(shelf: &dyn Shelf, policy: Digest) -> Result<Option<Bytes>, PoliciesError> {
    Ok(shelf.get(&component_key(policy))?)
}
