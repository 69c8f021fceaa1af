//! What all connections and sessions know: settings, limits, clock, and whether the server stops.

use super::counters::{Counters, Limit};
use super::routes::Routes;
use super::table::Table;
use super::tls::Identity;
use crate::config;
use crate::msrp::{ReceiverSettings, SenderSettings};
use crate::types::Timestamp;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

/// Chunks that may wait for their response.
const WINDOW: usize = 8;
/// Most pieces of a message with gaps between them.
const RANGES_MAX: usize = 64;
/// The media type of CPM messages (DEF-2).
const ACCEPTED: &str = "message/cpim";

/// What the configuration says, in the units used here.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) sessions_max: usize,
    pub(super) connections_max: usize,
    pub(super) bind: Duration,
    pub(super) idle: Duration,
    pub(super) receiver: ReceiverSettings,
    pub(super) sender: SenderSettings,
}

impl Settings {
    pub(super) fn of(config: &config::Msrp) -> Self {
        Self {
            sessions_max: config.sessions_max,
            connections_max: config.connections_max,
            bind: Duration::from_secs(config.bind_secs),
            idle: Duration::from_secs(config.idle_secs),
            receiver: ReceiverSettings {
                message_bytes_max: config.message_bytes_max,
                ranges_max: RANGES_MAX,
                accept: Arc::new([ACCEPTED.to_owned()]),
            },
            sender: SenderSettings {
                chunk_bytes_max: config.chunk_bytes_max as u64,
                window: WINDOW,
                response: Duration::from_secs(config.response_secs),
            },
        }
    }
}

/// Shared by all tasks of the msrp threads.
pub(super) struct Shared {
    pub(super) settings: Settings,
    pub(super) counters: Arc<dyn Counters>,
    pub(super) clock: Clock,
    pub(super) table: Arc<Table>,
    pub(super) routes: Routes,
    pub(super) identity: Option<Identity>,
    /// `true`: all that is under way ends now.
    pub(super) stopped: watch::Sender<bool>,
    connections: AtomicUsize,
    /// Told when a connection has gone.
    pub(super) closed: Notify,
}

impl Shared {
    pub(super) fn new(settings: Settings, identity: Option<Identity>, counters: Arc<dyn Counters>) -> Self {
        Self {
            table: Arc::new(Table::new(settings.sessions_max, Arc::clone(&counters))),
            settings,
            counters,
            clock: Clock::start(),
            routes: Routes::default(),
            identity,
            stopped: watch::Sender::new(false),
            connections: AtomicUsize::new(0),
            closed: Notify::new(),
        }
    }

    /// Room for one more connection, as long as the permit lives.
    pub(super) fn connection(self: &Arc<Self>) -> Option<Permit> {
        let before = self.connections.fetch_add(1, Ordering::Relaxed);
        // Made first, so that it gives back what was just taken.
        let permit = Permit(Arc::clone(self));
        if before >= self.settings.connections_max {
            self.counters.limit_hit(Limit::Connections);
            return None;
        }
        self.counters.connections(before.saturating_add(1));
        Some(permit)
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Ends when all is to end.
    pub(super) async fn stopped(&self) {
        let mut stopped = self.stopped.subscribe();
        // The sender lives as long as we do.
        stopped.wait_for(|stopped| *stopped).await.ok();
    }
}

/// One connection.
pub(super) struct Permit(Arc<Shared>);

impl Drop for Permit {
    fn drop(&mut self) {
        let before = self.0.connections.fetch_sub(1, Ordering::Relaxed);
        self.0.counters.connections(before.saturating_sub(1));
        self.0.closed.notify_one();
    }
}

/// Counts on from its start, whatever happens to the machine's clock: only distances matter here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock(Instant);

impl Clock {
    fn start() -> Self {
        Self(Instant::now())
    }

    pub(super) fn now(&self) -> Timestamp {
        Timestamp(0).after(self.0.elapsed())
    }

    /// The instant of a moment, at most an hour from now: who waits longer only looks once in vain.
    pub(super) fn instant(&self, at: Timestamp) -> Instant {
        const FAR: Duration = Duration::from_hours(1);
        let from_now = at.since(self.now()).min(FAR);
        // A millisecond more, because moments are cut down to whole ones.
        Instant::now() + from_now + Duration::from_millis(1)
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
