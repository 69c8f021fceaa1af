//! Verification: every user's chain recomputed from the first record to the head.

use super::AuditError;
use crate::journal::{Head, JournalRead};
use crate::queue::schema::Record;
use crate::types::UserKey;

const SLICE: usize = 1024;

/// What a verification found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    pub users: u64,
    pub records: u64,
    /// Users whose chain breaks, with the record at which it does.
    pub broken: Vec<(UserKey, u64)>,
}

/// Recomputes the chain of every user.
///
/// # Errors
/// [`AuditError::Journal`] if the store itself cannot be read. A broken chain is a finding, not an error.
pub fn verify(journal: &dyn JournalRead) -> Result<Verified, AuditError> {
    let mut found = Verified::default();
    let mut after: Option<UserKey> = None;
    loop {
        let users = journal.users(after.as_ref(), SLICE)?;
        let Some((last, _)) = users.last() else { return Ok(found) };
        after = Some(*last);
        for (user, head) in &users {
            found.users += 1;
            if let Err(seq) = walk(journal, user, *head, &mut found.records) {
                found.broken.push((*user, seq));
            }
        }
    }
}

/// The record at which the chain breaks, if it does: altered, missing, unreadable, or not what the head says.
fn walk(journal: &dyn JournalRead, user: &UserKey, head: Head, records: &mut u64) -> Result<(), u64> {
    let mut at = Head::EMPTY;
    while at.seq < head.seq {
        let slice = journal.records(user, at.seq + 1, SLICE).map_err(|_| at.seq + 1)?;
        if slice.is_empty() {
            return Err(at.seq + 1);
        }
        for stored in slice.into_iter().take_while(|stored| stored.seq <= head.seq) {
            let next = Head { seq: at.seq + 1, chain: at.chain.extend(&stored.record) };
            let record = Record::decode(&stored.record).map_err(|_| next.seq)?;
            if stored.seq != next.seq || record.seq != next.seq || stored.chain != next.chain {
                return Err(next.seq);
            }
            at = next;
            *records += 1;
        }
    }
    if at == head { Ok(()) } else { Err(head.seq) }
}
