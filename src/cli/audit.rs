//! `restante audit`: timelines, the operator stream and chain verification of a data directory, also beside a running
//! server.

use super::args::{Operators, Timeline};
use super::{CliError, out, told};
use crate::app::ReadCatalogue;
use crate::audit;
use crate::journal::RocksReader;
use crate::policy::keeper;
use crate::shelf::Shelf;
use std::path::Path;
use std::sync::Arc;

/// Entries read at a time.
const PAGE: usize = 256;

pub(super) fn timeline(arguments: &Timeline) -> Result<(), CliError> {
    let journal = open(&arguments.data)?;
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

/// What operators did, in order.
pub(super) fn operators(arguments: &Operators) -> Result<(), CliError> {
    let shelf = ReadCatalogue(Arc::new(open(&arguments.data)?));
    let mut after = arguments.after;
    loop {
        let written = keeper::written(&shelf, after, PAGE)?;
        let Some(last) = written.last() else { return Ok(()) };
        after = last.entry.seq;
        for view in written.iter().map(keeper::entry_view) {
            if arguments.json {
                out::result(serde_json::to_string(&view).unwrap_or_default());
            } else {
                out::result(told::entry(&view));
            }
        }
    }
}

fn open(data: &Path) -> Result<RocksReader, CliError> {
    Ok(RocksReader::open(data).map_err(audit::AuditError::from)?)
}

/// The chain of every user, and that of the operators; all is told, whatever breaks first.
pub(super) fn verify(data: &Path) -> Result<(), CliError> {
    let journal = Arc::new(open(data)?);
    let found = audit::verify(&*journal)?;
    out::result(format_args!("{} users, {} records, {} broken chains", found.users, found.records, found.broken.len()));
    for (user, seq) in &found.broken {
        out::result(format_args!("user {user}: the chain breaks at record {seq}"));
    }
    let operators = verify_operators(&ReadCatalogue(journal));
    if found.broken.is_empty() { operators } else { Err(CliError::BrokenChains(found.broken.len())) }
}

fn verify_operators(shelf: &dyn Shelf) -> Result<(), CliError> {
    match keeper::verify(shelf) {
        Ok(keeper::Verified { entries, chain, components }) => {
            out::result(format_args!("operators: {entries} entries, {components} components, whole; chain {chain}"));
            Ok(())
        }
        Err(error) => {
            out::result(format_args!("operators: {error}"));
            Err(CliError::BrokenOperators(error))
        }
    }
}
