//! A timeline: every event of a user, or of one message, in order.

use super::{AuditError, Line};
use crate::journal::JournalRead;
use crate::queue::schema::Record;
use crate::types::{MessageId, UserKey};

/// Records read at a time.
const SLICE: usize = 1024;

/// Whose events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    User(UserKey),
    Message(MessageId),
}

/// Calls `show` for every event of the subject, in order.
///
/// # Errors
/// [`AuditError`]: nothing is known of the subject, or a record cannot be read; what was shown until then stands.
pub fn timeline(journal: &dyn JournalRead, subject: Subject, mut show: impl FnMut(&Line)) -> Result<(), AuditError> {
    let (user, only) = match subject {
        Subject::User(user) => (user, None),
        Subject::Message(id) => (journal.owner_of(&id)?.ok_or(AuditError::UnknownMessage(id))?, Some(id)),
    };
    let mut seq = 1;
    loop {
        let records = journal.records(&user, seq, SLICE)?;
        let Some(last) = records.last() else { break };
        let next = last.seq + 1;
        for stored in &records {
            let unreadable = |cause| AuditError::Schema { user, seq: stored.seq, cause };
            let record = Record::decode(&stored.record).map_err(unreadable)?;
            let events = record.events.iter().filter(|event| only.is_none() || event.message() == only);
            events.for_each(|event| show(&Line::of(user, record.seq, record.at, event)));
        }
        seq = next;
    }
    if seq == 1 { Err(AuditError::UnknownUser) } else { Ok(()) }
}
