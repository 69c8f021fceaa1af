//! Work that may wait for the disk, off the threads that move octets.

use std::sync::Arc;
use tokio::sync::Semaphore;

/// Threads that may wait for the disk at once on behalf of large messages: enough to keep it busy, and few enough that
/// their stacks cost nothing.
const WAITING_MAX: usize = 8;

/// The way to them.
#[derive(Clone)]
pub(in crate::actor) struct Disk(Arc<Semaphore>);

impl Disk {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(WAITING_MAX)))
    }

    /// Does this on one of them; `None` if it panicked, or the server is stopping. It is done even if nobody waits for it
    /// any more.
    pub(super) async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        // It is closed when the server stops.
        let permit = Arc::clone(&self.0).acquire_owned().await.ok()?;
        let working = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(permit);
            done
        });
        working.await.ok()
    }

    /// Begins nothing any more, and waits until what was begun is done.
    pub(super) async fn close(&self) {
        let all = u32::try_from(WAITING_MAX).unwrap_or(u32::MAX);
        // Closed already: then somebody else waited.
        let permits = self.0.acquire_many(all).await.ok();
        self.0.close();
        drop(permits);
    }
}
