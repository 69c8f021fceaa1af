//! The scheduler: wakes sleeping users when something is due. Awake ones have their own alarm.

use super::registry::Registry;
use super::shared::Job;
use crate::journal::JournalError;
use crate::queue::command::Command;
use crate::types::{Timestamp, UserKey};
use std::sync::Arc;
use std::time::Duration;

/// How often the index is looked at: expiry is exact to a second.
const PERIOD: Duration = Duration::from_millis(200);
/// An entry may become visible a little after its moment; so much is looked at again.
const OVERLAP: Duration = Duration::from_secs(2);
/// A pause when no more users can be woken.
const CROWDED: Duration = Duration::from_millis(50);

/// Scans the due index from a watermark on, so that its cost does not grow with what is queued.
pub struct Scheduler {
    registry: Arc<Registry>,
    /// Everything due before this moment has been handed over.
    watermark: Timestamp,
}

impl Scheduler {
    /// Starts with everything that became due while nobody was looking.
    #[must_use]
    pub const fn new(registry: Arc<Registry>) -> Self {
        Self { registry, watermark: Timestamp(0) }
    }

    /// Runs until it is dropped.
    pub async fn run(mut self) {
        loop {
            let pause = self.scan().await;
            tokio::time::sleep(pause).await;
        }
    }

    /// Hands over a batch of due users; says how long to wait for the next.
    async fn scan(&mut self) -> Duration {
        let now = self.registry.shared().now();
        let due = match self.read(now).await {
            Ok(due) => due,
            Err(error) => {
                tracing::error!(%error, "the due index cannot be read; nothing expires until it can");
                return Duration::from_secs(1);
            }
        };
        let limit = self.registry.shared().actors.due_batch_max;
        let more = due.len() >= limit;
        for (at, user) in due {
            self.watermark = at;
            if self.registry.is_awake(&user) {
                // It has its own alarm. Should it fall asleep just now, it is seen again within the overlap.
                continue;
            }
            if self.registry.submit(user, None, Job::of(Command::Tick)).is_err() {
                return CROWDED;
            }
            self.registry.shared().metrics.due_lag(now.since(at));
        }
        if more {
            // Every entry up to the watermark is handed over; the one at it is seen again, which is harmless.
            return Duration::ZERO;
        }
        self.watermark = Timestamp(now.0.saturating_sub(u64::try_from(OVERLAP.as_millis()).unwrap_or_default()));
        PERIOD
    }

    async fn read(&self, now: Timestamp) -> Result<Vec<(Timestamp, UserKey)>, JournalError> {
        let shared = Arc::clone(self.registry.shared());
        let (from, limit) = (self.watermark, shared.actors.due_batch_max);
        let reading = tokio::task::spawn_blocking(move || shared.journal.due(from, now, limit));
        reading.await.unwrap_or(Err(JournalError::Closed))
    }
}
