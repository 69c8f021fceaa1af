//! What the journal tells the metrics: a port, so that the journal knows no metrics library.

use super::Totals;
use std::time::Duration;

/// A limit of the journal that can be hit; a label of bounded cardinality.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Limit {
    /// `journal.appends-waiting-max`: an append was refused as [`super::JournalError::Busy`].
    AppendsWaiting,
    /// All waiting appends together are as large as `journal.write-buffer-bytes`: refused as Busy too.
    OctetsWaiting,
    /// `journal.disk-free-min`: an append with bodies was refused as [`super::JournalError::DiskFull`].
    DiskFree,
}

impl Limit {
    /// The name for a metric label.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AppendsWaiting => "journal_appends_waiting",
            Self::OctetsWaiting => "journal_octets_waiting",
            Self::DiskFree => "journal_disk_free",
        }
    }
}

/// Where the journal's figures go. Calls come from the committer's thread and from whoever appends: they must be quick
/// and must not block. Every method does nothing unless it is overridden.
pub trait Counters: Send + Sync + 'static {
    /// One append became durable, so long after it was handed over.
    fn committed(&self, _waited: Duration) {}

    /// One group commit was written: appends in it, octets of its write batch, and how long the synced write took.
    fn batch(&self, _appends: usize, _octets: usize, _write: Duration) {}

    /// What all queues hold, told when the journal is opened and once a batch.
    fn held(&self, _totals: Totals) {}

    /// Appends that wait for the committer, told once a batch.
    fn waiting(&self, _appends: usize) {}

    /// An append was refused because of a limit.
    fn limit_hit(&self, _limit: Limit) {}

    /// An append failed because another writer was there first.
    fn conflict(&self) {}

    /// A body that was begun came to nothing and was discarded: a transfer broke off, or the server stopped meanwhile.
    fn orphan(&self) {}

    /// A write to the store failed.
    fn write_failed(&self) {}
}

/// Counts nothing: for tests and tools.
#[derive(Clone, Copy, Debug, Default)]
pub struct Uncounted;

impl Counters for Uncounted {}
