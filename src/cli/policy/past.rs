//! What `diff` and `questions` share: the part of the past that is looked at, and how far the looking has come.

use crate::app::{ReadCatalogue, wall_clock};
use crate::audit::AuditError;
use crate::audit::whatif::{Counts, Progress, Scope};
use crate::cli::args::Past;
use crate::cli::tables::plain;
use crate::cli::{CliError, load, out};
use crate::config::{Config, Overrides};
use crate::journal::RocksReader;
use crate::policy::policies::Realms;
use crate::policy::{PoliciesError, STANDARD_COMPONENT, keeper};
use crate::queue::question::Hook;
use crate::types::{Digest, MessageId, Timestamp};
use bytes::Bytes;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::BTreeSet;
use std::io::IsTerminal as _;
use std::num::NonZero;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// The data directory as of now, with the configuration that says what it means.
pub(super) struct Opened {
    pub config: Config,
    pub journal: Arc<RocksReader>,
}

/// `data` goes before what the configuration says.
pub(super) fn open(past: &Past, data: Option<&Path>) -> Result<Opened, CliError> {
    let overrides = Overrides { data: data.map(Path::to_owned), ..Overrides::default() };
    let config = load(past.config.as_deref(), &overrides)?;
    let journal = Arc::new(RocksReader::open(&config.journal.directory).map_err(AuditError::from)?);
    Ok(Opened { config, journal })
}

/// From when on, and until before when.
pub(super) fn time(past: &Past) -> Result<Range<Timestamp>, CliError> {
    let now = wall_clock();
    let since = past.since.map_or(Timestamp(0), |since| since.moment(now));
    let until = past.until.map_or(Timestamp::MAX, |until| until.moment(now));
    if since >= until {
        return Err(CliError::NoTime { since, until });
    }
    Ok(since..until)
}

pub(super) fn scope(past: &Past, decisions: Vec<Hook>, message: Option<MessageId>) -> Result<Scope, CliError> {
    let Range { start: since, end: until } = time(past)?;
    let realms = past.realm.iter().map(|realm| realm.to_ascii_lowercase()).collect();
    Ok(Scope { since, until, realms, decisions, message })
}

/// What the realms of the data are to the configuration: a realm that neither has is a typing error, and users of one that
/// the configuration lacks were asked about as if it said nothing of their realm.
pub(super) fn check_realms(opened: &Opened, scope: &[String], counts: &Counts) -> Result<(), CliError> {
    let (known, found) = (&opened.config.realms, &counts.unknown_realms);
    if let Some(realm) = scope.iter().find(|realm| !known.contains_key(*realm) && !found.contains(*realm)) {
        let all: BTreeSet<&String> = known.keys().chain(found).collect();
        let names = all.into_iter().map(|name| plain(name)).collect::<Vec<_>>().join(", ");
        return Err(CliError::NoSuchRealm { realm: plain(realm), known: names });
    }
    let lacking = found.iter().filter(|realm| scope.is_empty() || scope.contains(realm));
    let lacking: Vec<String> = lacking.map(|realm| plain(realm)).collect();
    if !lacking.is_empty() {
        out::message(format_args!(
            "note: the configuration has no realm {}: default values stand in for what it would say; give --config",
            lacking.join(", ")
        ));
    }
    Ok(())
}

/// One thread for each core.
pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

/// On stderr while somebody watches; whoever redirects it wants no bar.
pub(super) struct Bar(ProgressBar);

impl Bar {
    pub(super) fn new() -> Self {
        let is_seen = std::io::stderr().is_terminal();
        let target = if is_seen { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        let style = ProgressStyle::with_template("{bar:40} {pos} of {len} users, {eta} left");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self(bar)
    }

    pub(super) fn show(&self, progress: Progress) {
        self.0.set_length(progress.of);
        self.0.inc(1);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// The component of a policy of the data directory's catalogue, or of the standard policy, named as to a server.
pub(super) fn catalogued(journal: &Arc<RocksReader>, policy: &str) -> Result<Bytes, CliError> {
    let shelf = ReadCatalogue(Arc::clone(journal));
    let state = keeper::catalogue(&shelf)?;
    let standard = Digest::of(STANDARD_COMPONENT);
    let nothing = || CliError::NoCandidate { candidate: policy.to_owned() };
    let digest = match keeper::resolve(policy, &Realms::All, &state, &[(standard, Some(keeper::STANDARD))]) {
        Ok(digest) if digest == standard => return Ok(Bytes::from_static(STANDARD_COMPONENT)),
        Ok(digest) => digest,
        Err(PoliciesError::NoSuchPolicy(_)) => return Err(nothing()),
        Err(error) => return Err(error.into()),
    };
    if state.validated(digest).is_none() {
        return Err(PoliciesError::Retired(digest).into());
    }
    keeper::component_of(&shelf, digest)?.ok_or_else(nothing)
}
