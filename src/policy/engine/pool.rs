//! A free list of idle things in as many shards as there are threads, so that those who take seldom meet.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Who waits looks again after so long, even if nobody called: what was thrown away makes room elsewhere.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// Idle things; how many there may be is for the owner to say.
pub struct Pool<T> {
    shards: Box<[Mutex<Vec<T>>]>,
    waiting: AtomicUsize,
    gate: Mutex<()>,
    freed: Condvar,
}

/// The shard of this thread.
fn home() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static HOME: usize = NEXT.fetch_add(1, Ordering::Relaxed));
    HOME.with(|home| *home)
}

/// A panic elsewhere leaves a list of idle things that is as good as before.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T> Pool<T> {
    pub fn new(shards: usize) -> Self {
        Self {
            shards: (0..shards.max(1)).map(|_| Mutex::new(Vec::new())).collect(),
            waiting: AtomicUsize::new(0),
            gate: Mutex::new(()),
            freed: Condvar::new(),
        }
    }

    /// An idle one, this thread's own last one first.
    pub fn take(&self) -> Option<T> {
        let home = home() % self.shards.len();
        let (before, from_home) = self.shards.split_at(home);
        from_home.iter().chain(before).find_map(|shard| lock(shard).pop())
    }

    /// How many are idle, about.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).len()).sum()
    }

    /// Gives it back.
    pub fn put(&self, item: T) {
        if let Some(shard) = self.shards.get(home() % self.shards.len()) {
            lock(shard).push(item);
        }
        if self.waiting.load(Ordering::SeqCst) > 0 {
            drop(lock(&self.gate));
            self.freed.notify_one();
        }
    }

    /// Waits at most this long for one: an idle one, or what `make` gives.
    pub fn wait<E>(&self, limit: Duration, mut make: impl FnMut() -> Result<Option<T>, E>) -> Result<Option<T>, E> {
        let until = Instant::now() + limit;
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let got = loop {
            if let Some(item) = self.take() {
                break Ok(Some(item));
            }
            match make() {
                Ok(None) if Instant::now() < until => {}
                end => break end,
            }
            // Making one is slow: the gate is open meanwhile. What is given back in between is found at the next look.
            drop(self.freed.wait_timeout(lock(&self.gate), LOOK_AGAIN).unwrap_or_else(PoisonError::into_inner));
        };
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        got
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    const LONG: Duration = Duration::from_mins(1);

    #[test]
    fn what_one_thread_gave_back_another_can_take() {
        let pool = Arc::new(Pool::new(4));
        let giver = Arc::clone(&pool);
        std::thread::spawn(move || giver.put(7)).join().unwrap();
        assert_eq!(pool.take(), Some(7));
        assert_eq!(pool.take(), None);
    }

    #[test]
    fn who_waits_gets_what_is_given_back() {
        let pool = Arc::new(Pool::new(2));
        let waiter = Arc::clone(&pool);
        let waiting = std::thread::spawn(move || waiter.wait(LONG, || Ok::<_, ()>(None)));
        while pool.waiting.load(Ordering::SeqCst) == 0 {
            std::thread::yield_now();
        }
        pool.put(7);
        assert_eq!(waiting.join().unwrap(), Ok(Some(7)));
    }

    #[test]
    fn waiting_ends_and_errors_pass_through() {
        let pool = Pool::<u8>::new(1);
        assert_eq!(pool.wait(Duration::ZERO, || Ok::<_, ()>(None)), Ok(None));
        assert_eq!(pool.wait(LONG, || Ok::<_, ()>(Some(1))), Ok(Some(1)));
        assert_eq!(pool.wait(LONG, || Err("no")), Err("no"));
        assert_eq!(pool.waiting.load(Ordering::SeqCst), 0);
    }
}
