//! The keeper of policies over the data directory.

use super::counters::Counted;
use super::node::{AppError, wall_clock};
use super::shelf::DiskShelf;
use crate::admin::Views;
use crate::config::{self, Config};
use crate::journal::{Journal as _, RocksJournal};
use crate::policy::engine::Worker;
use crate::policy::{Counters, Engine, Keeper, PolicyError};
use std::sync::Arc;

/// Opens the catalogue: what was bound is bound again. From then on the API takes orders.
///
/// # Errors
/// [`AppError::Policy`]
pub(super) fn open(
    config: &Config,
    journal: &RocksJournal,
    counted: &Arc<Counted>,
    views: &Views,
) -> Result<Arc<Keeper>, AppError> {
    let shelf = Arc::new(DiskShelf(journal.catalogue()));
    let engine = engine(&config.policy, Arc::clone(counted) as _)?;
    let keeper = Keeper::open(config, engine, shelf, journal.secret(), Arc::new(wall_clock), Arc::clone(counted) as _)?;
    views.policies.fill(keeper.clone());
    Ok(keeper)
}

/// Components are compiled in processes of this very program, so that one that eats memory or time harms nobody else.
pub(super) fn engine(limits: &config::Policy, counters: Arc<dyn Counters>) -> Result<Engine, PolicyError> {
    // The program of the unit tests knows no such command.
    if cfg!(test) {
        return Engine::new(limits, counters);
    }
    Engine::with_worker(limits, counters, Worker::this_program(limits))
}

#[cfg(test)]
mod tests;
