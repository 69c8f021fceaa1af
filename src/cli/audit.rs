//! `restante audit`: timelines and chain verification of a data directory, also beside a running server.

use super::args::Timeline;
use super::{CliError, out};
use crate::audit;
use crate::journal::RocksReader;
use std::path::Path;

pub(super) fn timeline(arguments: &Timeline) -> Result<(), CliError> {
    let journal = RocksReader::open(&arguments.data).map_err(audit::AuditError::from)?;
    let subject = match (&arguments.subject.user, arguments.subject.message) {
        (Some(user), _) => audit::Subject::User(user.key()),
        (None, Some(message)) => audit::Subject::Message(message),
        // clap wants exactly one.
        (None, None) => return Err(audit::AuditError::UnknownUser.into()),
    };
    let show = |line: &audit::Line| {
        if arguments.json {
            out::result(serde_json::to_string(line).unwrap_or_default());
        } else {
            out::result(line);
        }
    };
    Ok(audit::timeline(&journal, subject, show)?)
}

pub(super) fn verify(data: &Path) -> Result<(), CliError> {
    let journal = RocksReader::open(data).map_err(audit::AuditError::from)?;
    let found = audit::verify(&journal)?;
    out::result(format_args!("{} users, {} records, {} broken chains", found.users, found.records, found.broken.len()));
    for (user, seq) in &found.broken {
        out::result(format_args!("user {user}: the chain breaks at record {seq}"));
    }
    if found.broken.is_empty() { Ok(()) } else { Err(CliError::BrokenChains(found.broken.len())) }
}
