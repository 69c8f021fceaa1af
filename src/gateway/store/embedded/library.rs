//! What the embedded store does on the shelf: each change is one write, so a crash leaves all of it or nothing.

use super::super::{Append, Counters, Limit, Location, Mark, Operation, Outcome, StoreError, folder};
use super::layout::{
    self, Entry, FolderRecord, Totals, entries_key, entry_key, folder_key, index_key, object_key, user_key,
    validity_key,
};
use super::{Folder, Listed};
use crate::config::Store;
use crate::shelf::{Change, Shelf};
use crate::types::{Address, Timestamp, UserKey};
use bytes::Bytes;
use std::sync::Arc;

/// The shelf, and what a user may have on it.
pub(super) struct Library {
    shelf: Arc<dyn Shelf>,
    messages_max: u64,
    bytes_max: u64,
    counters: Arc<dyn Counters>,
}

impl Library {
    pub fn new(shelf: Arc<dyn Shelf>, config: &Store, counters: Arc<dyn Counters>) -> Self {
        let (messages_max, bytes_max) = (config.messages_max_per_user, config.bytes_max_per_user);
        Self { shelf, messages_max, bytes_max, counters }
    }

    fn user(&self, user: &UserKey) -> Result<Totals, StoreError> {
        self.shelf.get(&user_key(user))?.map_or_else(|| Ok(Totals::default()), |value| Totals::read(&value))
    }

    fn folder(&self, user: &UserKey, name: &str) -> Result<Option<FolderRecord>, StoreError> {
        self.shelf.get(&folder_key(user, name))?.map(|value| FolderRecord::read(&value)).transpose()
    }

    /// Asks for the octets only when they are to be written.
    pub fn append(
        &self,
        request: &Append,
        now: Timestamp,
        octets_of: impl FnOnce() -> Result<Bytes, StoreError>,
    ) -> Result<Location, StoreError> {
        let (user, name) = (request.user.key(), folder::path(&request.folder));
        let mark = Mark::of(&request.object.head);
        let known = self.folder(&user, &name)?;
        if request.may_exist {
            let found = match known {
                Some(known) => self.find(&user, known.uidvalidity, mark)?,
                None => None,
            };
            self.counters.ended(Operation::Search, if found.is_some() { Outcome::Done } else { Outcome::Absent });
            if let Some((known, uid)) = known.zip(found) {
                return Ok(Location { folder: name, uidvalidity: known.uidvalidity, uid });
            }
        }
        let octets = request.object.length();
        let totals = self.user(&user)?.and(octets);
        self.fits(totals)?;
        let mut changes = Vec::with_capacity(6);
        let mut record = match known {
            Some(known) => known,
            None => self.new_folder(now, &mut changes)?,
        };
        let (uidvalidity, uid) = (record.uidvalidity, record.uid_next);
        record.uid_next =
            uid.checked_add(1).ok_or_else(|| StoreError::Failed { cause: "a folder has no more UIDs".to_owned() })?;
        record.totals = record.totals.and(octets);
        let object = octets_of()?;
        let mut put = |key, value| changes.push(Change::Put { key, value });
        put(object_key(&user, uidvalidity, uid), object);
        put(entry_key(&user, uidvalidity, uid), Entry { stored_at: now, octets, mark }.write());
        put(index_key(&user, uidvalidity, mark), Bytes::copy_from_slice(&uid.to_be_bytes()));
        put(folder_key(&user, &name), record.write());
        put(user_key(&user), totals.write());
        self.shelf.write(changes)?;
        Ok(Location { folder: name, uidvalidity, uid })
    }

    /// A UIDVALIDITY is given once and never again, not even after the data directory was lost: it is no less than the
    /// time in seconds (RFC 3501 section 2.3.1.1).
    fn new_folder(&self, now: Timestamp, changes: &mut Vec<Change>) -> Result<FolderRecord, StoreError> {
        let last = self.shelf.get(&validity_key())?.map_or(Ok(0), |value| layout::number(&value))?;
        let seconds = u32::try_from(now.millis() / 1000).unwrap_or(u32::MAX);
        let next = last.checked_add(1).map(|next| next.max(seconds));
        let uidvalidity =
            next.ok_or_else(|| StoreError::Failed { cause: "there is no UIDVALIDITY left".to_owned() })?;
        changes.push(Change::Put { key: validity_key(), value: Bytes::copy_from_slice(&uidvalidity.to_be_bytes()) });
        Ok(FolderRecord { uidvalidity, uid_next: 1, totals: Totals::default() })
    }

    fn fits(&self, totals: Totals) -> Result<(), StoreError> {
        if totals.messages > self.messages_max {
            self.counters.limit_hit(Limit::Messages);
            return Err(StoreError::Quota);
        }
        if totals.octets > self.bytes_max {
            self.counters.limit_hit(Limit::Octets);
            return Err(StoreError::Quota);
        }
        Ok(())
    }

    fn find(&self, user: &UserKey, uidvalidity: u32, mark: Mark) -> Result<Option<u32>, StoreError> {
        self.shelf.get(&index_key(user, uidvalidity, mark))?.map(|value| layout::number(&value)).transpose()
    }

    /// A folder goes with its last object: its UIDVALIDITY is never given again, so nothing can be taken for another.
    pub fn remove(&self, user: &Address, location: &Location) -> Result<(), StoreError> {
        let (user, Location { folder, uidvalidity, uid }) = (user.key(), location);
        let record = self.folder(&user, folder)?.filter(|record| record.uidvalidity == *uidvalidity);
        let Some(mut record) = record else { return Ok(()) };
        let key = entry_key(&user, *uidvalidity, *uid);
        let Some(entry) = self.shelf.get(&key)? else { return Ok(()) };
        let entry = Entry::read(&entry)?;
        record.totals = record.totals.without(entry.octets);
        let totals = self.user(&user)?.without(entry.octets);
        let mut changes = vec![Change::Delete { key }, Change::Delete { key: object_key(&user, *uidvalidity, *uid) }];
        if self.find(&user, *uidvalidity, entry.mark)? == Some(*uid) {
            changes.push(Change::Delete { key: index_key(&user, *uidvalidity, entry.mark) });
        }
        let kept = |key, value, is_kept| if is_kept { Change::Put { key, value } } else { Change::Delete { key } };
        changes.push(kept(folder_key(&user, folder), record.write(), record.totals.messages > 0));
        changes.push(kept(user_key(&user), totals.write(), totals.messages > 0));
        Ok(self.shelf.write(changes)?)
    }

    pub fn folders(&self, user: &Address, after: Option<&str>, limit: usize) -> Result<Vec<Folder>, StoreError> {
        let user = user.key();
        let prefix = folder_key(&user, "");
        let after = after.map(|after| folder_key(&user, after));
        let found = self.shelf.scan(&prefix, after.as_deref(), limit)?;
        let folder = |(key, value): &(Bytes, Bytes)| {
            let name = key.get(prefix.len()..).and_then(|name| std::str::from_utf8(name).ok());
            let FolderRecord { uidvalidity, uid_next, totals } = FolderRecord::read(value)?;
            let name = name.ok_or_else(layout::damaged)?.to_owned();
            Ok(Folder { name, uidvalidity, uid_next, messages: totals.messages, octets: totals.octets })
        };
        found.iter().map(folder).collect()
    }

    pub fn objects(
        &self,
        user: &Address,
        folder: &str,
        after: u32,
        limit: usize,
    ) -> Result<Option<Vec<Listed>>, StoreError> {
        let user = user.key();
        let Some(FolderRecord { uidvalidity, .. }) = self.folder(&user, folder)? else { return Ok(None) };
        let after = entry_key(&user, uidvalidity, after);
        let found = self.shelf.scan(&entries_key(&user, uidvalidity), Some(&after), limit)?;
        let listed = |(key, value): &(Bytes, Bytes)| {
            let Entry { stored_at, octets, .. } = Entry::read(value)?;
            Ok(Listed { uid: layout::uid_of(key)?, octets, stored_at })
        };
        found.iter().map(listed).collect::<Result<_, _>>().map(Some)
    }

    pub fn object(&self, user: &Address, folder: &str, uid: u32) -> Result<Option<Bytes>, StoreError> {
        let user = user.key();
        match self.folder(&user, folder)? {
            Some(record) => Ok(self.shelf.get(&object_key(&user, record.uidvalidity, uid))?),
            None => Ok(None),
        }
    }
}
