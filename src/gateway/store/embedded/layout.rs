//! The octets of the embedded message store: keys and values on the shelf. docs/data-format.md has them as a table.

use super::super::{Mark, StoreError};
use crate::shelf::owner;
use crate::types::{Timestamp, UserKey};
use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

/// The version of every value but the object's own octets.
const VERSION: u8 = 1;

/// What a key is of: its second octet.
#[derive(Clone, Copy)]
#[repr(u8)]
enum Kind {
    /// The last UIDVALIDITY given.
    Validity = b'v',
    User = b'u',
    Folder = b'n',
    /// What is known of an object without its octets.
    Entry = b'e',
    Object = b'o',
    /// From mark to UID.
    Index = b'i',
}

fn key(kind: Kind, user: &UserKey, rest: &[&[u8]]) -> Bytes {
    let mut key = BytesMut::with_capacity(64);
    key.put_slice(&[owner::FOLDERS, kind as u8]);
    key.put_slice(&user.0);
    for part in rest {
        key.put_slice(part);
    }
    key.freeze()
}

pub(super) fn validity_key() -> Bytes {
    Bytes::from_static(&[owner::FOLDERS, Kind::Validity as u8])
}

pub(super) fn user_key(user: &UserKey) -> Bytes {
    key(Kind::User, user, &[])
}

/// With an empty name: the prefix of all folders of a user.
pub(super) fn folder_key(user: &UserKey, folder: &str) -> Bytes {
    key(Kind::Folder, user, &[folder.as_bytes()])
}

pub(super) fn entry_key(user: &UserKey, uidvalidity: u32, uid: u32) -> Bytes {
    key(Kind::Entry, user, &[&uidvalidity.to_be_bytes(), &uid.to_be_bytes()])
}

/// The prefix of all entries of a folder.
pub(super) fn entries_key(user: &UserKey, uidvalidity: u32) -> Bytes {
    key(Kind::Entry, user, &[&uidvalidity.to_be_bytes()])
}

pub(super) fn object_key(user: &UserKey, uidvalidity: u32, uid: u32) -> Bytes {
    key(Kind::Object, user, &[&uidvalidity.to_be_bytes(), &uid.to_be_bytes()])
}

pub(super) fn index_key(user: &UserKey, uidvalidity: u32, mark: Mark) -> Bytes {
    key(Kind::Index, user, &[&uidvalidity.to_be_bytes(), &mark.0])
}

/// What a user has, or a folder holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub messages: u64,
    pub octets: u64,
}

/// A folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FolderRecord {
    pub uidvalidity: u32,
    pub uid_next: u32,
    pub totals: Totals,
}

/// An object without its octets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub stored_at: Timestamp,
    pub octets: u64,
    pub mark: Mark,
}

impl Totals {
    /// The same, and one more of this size.
    pub const fn and(self, octets: u64) -> Self {
        Self { messages: self.messages.saturating_add(1), octets: self.octets.saturating_add(octets) }
    }

    /// The same without one of this size.
    pub const fn without(self, octets: u64) -> Self {
        Self { messages: self.messages.saturating_sub(1), octets: self.octets.saturating_sub(octets) }
    }

    pub fn write(self) -> Bytes {
        let mut value = BytesMut::new();
        value.put_u8(VERSION);
        self.put(&mut value);
        value.freeze()
    }

    fn put(self, value: &mut BytesMut) {
        value.put_u64(self.messages);
        value.put_u64(self.octets);
    }

    fn get(value: &mut Bytes) -> Option<Self> {
        Some(Self { messages: value.try_get_u64().ok()?, octets: value.try_get_u64().ok()? })
    }

    pub fn read(value: &Bytes) -> Result<Self, StoreError> {
        whole(value, Self::get)
    }
}

impl FolderRecord {
    pub fn write(self) -> Bytes {
        let mut value = BytesMut::new();
        value.put_u8(VERSION);
        value.put_u32(self.uidvalidity);
        value.put_u32(self.uid_next);
        self.totals.put(&mut value);
        value.freeze()
    }

    pub fn read(value: &Bytes) -> Result<Self, StoreError> {
        whole(value, |value| {
            let (uidvalidity, uid_next) = (value.try_get_u32().ok()?, value.try_get_u32().ok()?);
            Some(Self { uidvalidity, uid_next, totals: Totals::get(value)? })
        })
    }
}

impl Entry {
    pub fn write(self) -> Bytes {
        let mut value = BytesMut::new();
        value.put_u8(VERSION);
        value.put_u64(self.stored_at.millis());
        value.put_u64(self.octets);
        value.put_slice(&self.mark.0);
        value.freeze()
    }

    pub fn read(value: &Bytes) -> Result<Self, StoreError> {
        whole(value, |value| {
            let (stored_at, octets) = (Timestamp(value.try_get_u64().ok()?), value.try_get_u64().ok()?);
            let mark = Mark(value.as_ref().try_into().ok()?);
            value.clear();
            Some(Self { stored_at, octets, mark })
        })
    }
}

/// A value of our version, read to its end.
fn whole<T>(value: &Bytes, read: impl Fn(&mut Bytes) -> Option<T>) -> Result<T, StoreError> {
    let mut rest = value.clone();
    if rest.try_get_u8() != Ok(VERSION) {
        return Err(StoreError::Failed {
            cause: "a record of the message store has a version we do not know".to_owned(),
        });
    }
    read(&mut rest).filter(|_| rest.is_empty()).ok_or_else(damaged)
}

/// A UID or UIDVALIDITY alone.
pub(super) fn number(value: &Bytes) -> Result<u32, StoreError> {
    value.as_ref().try_into().map(u32::from_be_bytes).map_err(|_| damaged())
}

/// The UID at the end of an entry's key.
pub(super) fn uid_of(entry_key: &[u8]) -> Result<u32, StoreError> {
    let last = entry_key.last_chunk::<4>().ok_or_else(damaged)?;
    Ok(u32::from_be_bytes(*last))
}

pub(super) fn damaged() -> StoreError {
    StoreError::Failed { cause: "a record of the message store is damaged".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        let user = UserKey([0xaa; 16]);
        let totals = Totals { messages: 2, octets: 3 };
        let folder = FolderRecord { uidvalidity: 1_267_520_047, uid_next: 43, totals };
        let entry = Entry { stored_at: Timestamp(7), octets: 725, mark: Mark([5; 16]) };
        assert_eq!(hex::encode(entry_key(&user, 1, 42)), format!("6665{}000000010000002a", "aa".repeat(16)));
        assert_eq!(hex::encode(folder.write()), "014b8cd22f0000002b00000000000000020000000000000003");
        assert_eq!(hex::encode(entry.write()), format!("01000000000000000700000000000002d5{}", "05".repeat(16)));
        assert_eq!(FolderRecord::read(&folder.write()), Ok(folder));
        assert_eq!(Totals::read(&totals.write()), Ok(totals));
        assert!(Entry::read(&entry.write()).is_ok_and(|read| read == entry));
        assert_eq!(uid_of(&entry_key(&user, 1, 42)), Ok(42));
        let cut = |value: Bytes| (0..value.len()).map(move |length| value.slice(..length));
        assert!(cut(entry.write()).all(|value| Entry::read(&value).is_err()));
        assert!(cut(folder.write()).all(|value| FolderRecord::read(&value).is_err()));
        assert!(cut(totals.write()).all(|value| Totals::read(&value).is_err()));
        let newer = [&[2][..], &totals.write()[1..]].concat().into();
        assert!(Totals::read(&newer).unwrap_err().to_string().contains("version"));
    }
}
