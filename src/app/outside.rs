//! The outside parts as the configuration names them: each the embedded default or a real one.

use super::counters::Counted;
use super::node::{AppError, wall_clock};
use super::shelf::DiskShelf;
use crate::actor::{Job, Outside, Registry};
use crate::admin::Views;
use crate::config::Config;
use crate::gateway::notifier::Notifiers;
use crate::gateway::preferences;
use crate::gateway::store::{Embedded, ImapStore, MessageStore};
use crate::journal::RocksJournal;
use crate::queue::command::Command;
use crate::shelf::Shelf;
use crate::types::Address;
use std::sync::Arc;

/// Starts them; those that the API shows are opened to it. Gives the notifiers apart: they are told when to stop.
///
/// # Errors
/// [`AppError`]
pub(super) fn start(
    config: &Config,
    journal: &RocksJournal,
    counted: &Arc<Counted>,
    views: &Views,
) -> Result<(Outside, Arc<Notifiers>), AppError> {
    let shelf: Arc<dyn Shelf> = Arc::new(DiskShelf(journal.shelf()));
    let notifiers =
        Arc::new(Notifiers::start(config, Arc::clone(&shelf), Arc::new(wall_clock), Arc::clone(counted) as _)?);
    views.outbox.fill(notifiers.outbox());
    let counters: Arc<dyn preferences::Counters> = Arc::clone(counted) as _;
    let preferences = Arc::new(preferences::open(config, Arc::clone(&shelf), &counters)?);
    views.preferences.fill(preferences.clone());
    let store: Arc<dyn MessageStore> = if let Some(server) = &config.store.imap {
        views.store.leave_empty();
        Arc::new(ImapStore::start(server, &config.store, Arc::clone(counted) as _)?)
    } else {
        let embedded = Embedded::start(shelf, &config.store, Arc::clone(counted) as _, wall_clock);
        let embedded = Arc::new(embedded.map_err(AppError::Store)?);
        views.store.fill(embedded.clone());
        embedded
    };
    let outside = Outside { preferences, store, notifier: notifiers.clone() };
    Ok((outside, notifiers))
}

/// A change of preferences is a trigger of pushes (I-31): whoever it is about is asked for anew.
pub(super) fn follow(registry: &Arc<Registry>) {
    let told = Arc::downgrade(registry);
    let watcher = move |user: &Address| {
        let Some(registry) = told.upgrade() else { return };
        // Whoever is too busy to hear it now meets the new preferences with the next question.
        if registry.submit(user.key(), Some(user), Job::of(Command::PreferencesChanged)).is_err() {
            tracing::debug!(user = %user.key(), "changed preferences are heeded from the next question on");
        }
    };
    registry.shared().outside.preferences.changed(Arc::new(watcher));
}
