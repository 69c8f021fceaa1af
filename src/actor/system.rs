//! The runtime under the actors: a system for the main thread, and threads for the users.

use actix::{Arbiter, ArbiterHandle, System};
use std::future::Future;

/// Runs a future on an actix system of this thread.
pub fn run<F: Future>(future: F) -> F::Output {
    System::new().block_on(future)
}

/// The threads that run user actors.
pub struct Threads(Vec<Arbiter>);

impl Threads {
    /// So many; 0 is one per core.
    #[must_use]
    pub fn start(wanted: usize) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let wanted = if wanted == 0 { cores } else { wanted };
        Self((0..wanted).map(|_| Arbiter::new()).collect())
    }

    /// Where actors can be started.
    #[must_use]
    pub fn handles(&self) -> Vec<ArbiterHandle> {
        self.0.iter().map(Arbiter::handle).collect()
    }

    /// Ends every thread; what is in memory there is in the journal, too.
    pub fn stop(self) {
        for thread in self.0 {
            thread.stop();
            // A thread that panicked has nothing left to say.
            let _ = thread.join();
        }
    }
}
