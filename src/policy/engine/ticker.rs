//! The clock of the deadlines: a thread that moves the engine's epoch on every millisecond while policies are asked, and
//! sleeps otherwise.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle, Thread};
use std::time::Duration;

/// One tick: the unit of all deadlines.
pub const TICK: Duration = Duration::from_millis(1);

/// Ticks after the last deadline was set, beyond the longest: with traffic the thread is not put to sleep between calls.
const LINGER: u64 = 100;

/// Ticks until it is dropped.
pub struct Ticker {
    clock: Clock,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// Keeps the ticker going.
#[derive(Clone)]
pub struct Clock {
    signs: Arc<Signs>,
    thread: Thread,
}

#[derive(Default)]
struct Signs {
    /// A deadline has been set since the thread looked.
    needed: AtomicBool,
    /// The thread sleeps, or is about to.
    asleep: AtomicBool,
}

impl Clock {
    /// A deadline is being set: from now on there are ticks for as long as the longest deadline may take.
    pub fn need(&self) {
        self.signs.needed.store(true, Ordering::SeqCst);
        if self.signs.asleep.load(Ordering::SeqCst) {
            self.thread.unpark();
        }
    }
}

impl Ticker {
    /// Starts the thread; no deadline is longer than `longest`.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start(engine: wasmtime::Engine, longest: Duration) -> io::Result<Self> {
        let (stop, signs) = (Arc::<AtomicBool>::default(), Arc::<Signs>::default());
        let (stopped, seen) = (Arc::clone(&stop), Arc::clone(&signs));
        let lasting = u64::try_from(longest.as_millis()).unwrap_or(u64::MAX).saturating_add(LINGER);
        let thread = thread::Builder::new().name("policy-ticker".to_owned()).spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                seen.sleep_until_needed();
                let mut left = lasting;
                while left > 0 && !stopped.load(Ordering::Relaxed) {
                    thread::park_timeout(TICK);
                    engine.increment_epoch();
                    left = if seen.needed.swap(false, Ordering::SeqCst) { lasting } else { left - 1 };
                }
            }
        })?;
        let clock = Clock { signs, thread: thread.thread().clone() };
        Ok(Self { clock, stop, thread: Some(thread) })
    }

    /// For whoever sets deadlines.
    pub const fn clock(&self) -> &Clock {
        &self.clock
    }
}

impl Signs {
    /// May come back without need: then a few ticks go by for nothing.
    fn sleep_until_needed(&self) {
        self.asleep.store(true, Ordering::SeqCst);
        // Whoever sets a deadline says so first and looks then, this thread the other way round: one of them sees the other.
        if !self.needed.swap(false, Ordering::SeqCst) {
            thread::park();
        }
        self.asleep.store(false, Ordering::SeqCst);
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A ticker that panicked has nothing more to say.
            let _ = thread.join();
        }
    }
}
