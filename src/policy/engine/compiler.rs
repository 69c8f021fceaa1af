//! Where slow work is done: one thread of low priority, so that an upload does not take the cores of the service.

use crate::policy::PolicyError;
use rayon::{ThreadPool, ThreadPoolBuilder};

/// The niceness of threads for which nobody waits: about a tenth of a core is left to one where all are busy.
pub const NICENESS: i32 = 10;

/// The thread. Whoever has work waits for it and for those who came before.
pub struct Compiler(ThreadPool);

impl Compiler {
    /// Starts the thread.
    ///
    /// # Errors
    /// [`PolicyError::Compiler`] if the system gives none.
    pub fn start() -> Result<Self, PolicyError> {
        let pool = ThreadPoolBuilder::new()
            .num_threads(1)
            .thread_name(|_| "policy-compiler".to_owned())
            .start_handler(|_| be_nice("policies are compiled"))
            .build();
        pool.map(Self).map_err(|error| PolicyError::Compiler { detail: error.to_string() })
    }

    /// Does the work on the thread; what the work would do in parallel is done there one after the other.
    pub fn run<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        self.0.install(work)
    }
}

/// Lowers the priority of the calling thread; `what` it does, the log tells if that cannot be. On Linux niceness is each
/// thread's own; elsewhere it would be the service's.
pub fn be_nice(what: &str) {
    if cfg!(target_os = "linux")
        && let Err(error) = rustix::process::setpriority_process(None, NICENESS)
    {
        tracing::warn!(target: "policy", %error, "{what} with the priority of the service");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn only_the_compiling_thread_is_nice() {
        let niceness = || rustix::process::getpriority_process(None).unwrap();
        let own = niceness();
        let compiler = Compiler::start().unwrap();
        assert_eq!(compiler.run(niceness), own.max(NICENESS));
        assert_eq!(compiler.run(|| rayon::join(niceness, niceness)), (own.max(NICENESS), own.max(NICENESS)));
        assert_eq!(niceness(), own);
    }
}
