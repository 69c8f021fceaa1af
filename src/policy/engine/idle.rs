//! Where all bindings' idle instances are: one that nobody needs makes room for one that somebody needs.

use super::pool::Pool;
use super::seat::Seat;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// The free lists of all bindings of an engine.
#[derive(Default)]
pub struct Idle(Mutex<Vec<Weak<Pool<Seat>>>>);

impl Idle {
    /// One more binding. Lists of bindings that are gone are forgotten.
    pub fn add(&self, pool: &Arc<Pool<Seat>>) {
        let mut pools = self.lock();
        pools.retain(|pool| pool.strong_count() > 0);
        pools.push(Arc::downgrade(pool));
    }

    /// An idle instance of the binding that has most of them, to be thrown away for its permit.
    pub fn spare(&self) -> Option<Seat> {
        let pools: Vec<Arc<Pool<Seat>>> = self.lock().iter().filter_map(Weak::upgrade).collect();
        let mut sizes: Vec<(usize, &Pool<Seat>)> = pools.iter().map(|pool| (pool.len(), pool.as_ref())).collect();
        sizes.sort_unstable_by_key(|(idle, _)| std::cmp::Reverse(*idle));
        sizes.into_iter().take_while(|(idle, _)| *idle > 0).find_map(|(_, pool)| pool.take())
    }

    /// A panic elsewhere leaves a list that is as good as before.
    fn lock(&self) -> MutexGuard<'_, Vec<Weak<Pool<Seat>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
