//! A running node: every part made, bound and started in order, and stopped in the opposite one.

use super::counters::Counted;
use super::hindsight::Past;
use super::{outside, policies};
use crate::actor::{Dialogs, Front, Large, Pace, Registry, Scheduler, Shared, Subscriber, Subscriptions, Threads};
use crate::admin::{self, AdminError, Condition, Readiness, Views};
use crate::config::{Config, Listen, MsrpListen};
use crate::gateway::notifier::{self, Notifiers};
use crate::gateway::preferences;
use crate::gateway::store::StartError;
use crate::journal::{Closing, Journal, JournalError, RocksJournal};
use crate::metrics::{Metrics, MetricsError};
use crate::net::msrp::{Msrp, MsrpError};
use crate::net::{Endpoint, NetError};
use crate::pf::{Gate, Settings};
use crate::policy::{Keeper, PolicyError};
use crate::types::Timestamp;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// How long open transactions may go on when the server stops.
const DRAIN: Duration = Duration::from_secs(5);
/// How long MSRP connections may take to say the rest, once their calls have ended.
const FAREWELL: Duration = Duration::from_secs(1);
/// Bodies of a crash that are removed at a time.
const SWEEP: usize = 1000;
/// How often the journal is asked whether it is well.
const HEALTH_PERIOD: Duration = Duration::from_secs(1);

/// Why a node cannot start or stop as it should.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Policy(#[from] PolicyError),
    #[error(transparent)]
    Notifier(#[from] notifier::SetupError),
    #[error(transparent)]
    Preferences(#[from] preferences::SetupError),
    #[error(transparent)]
    Imap(#[from] StartError),
    #[error("the message store cannot start: {0}. Raise the limit of threads (ulimit -u)")]
    Store(std::io::Error),
    #[error(transparent)]
    Net(#[from] NetError),
    #[error(transparent)]
    Msrp(#[from] MsrpError),
    #[error(transparent)]
    Admin(#[from] AdminError),
    #[error("signals cannot be listened for: {0}")]
    Signals(std::io::Error),
}

/// A node that serves.
pub struct Node {
    front: Arc<Front>,
    endpoint: Endpoint,
    msrp: Option<Msrp>,
    journal: Arc<RocksJournal>,
    keeper: Arc<Keeper>,
    past: Arc<Past>,
    registry: Arc<Registry>,
    threads: Threads,
    readiness: Readiness,
    tasks: Vec<JoinHandle<()>>,
    admin: admin::Running,
    notifiers: Arc<Notifiers>,
    /// The SIP sockets, as bound.
    pub listening: Vec<Listen>,
    /// The MSRP sockets, as bound.
    pub msrp_listening: Vec<MsrpListen>,
    /// The admin socket, as bound.
    pub admin_address: SocketAddr,
}

impl Node {
    /// Opens the journal, loads the policy, binds every socket, and only then serves. On an actix system.
    ///
    /// # Errors
    /// [`AppError`]: what could not be had, why, and what to do.
    pub fn start(config: &Config) -> Result<Self, AppError> {
        let metrics = Arc::new(Metrics::new()?);
        let readiness = Readiness::new();
        let views = Views::default();
        let (admin, admin_address) = admin::start(config, Arc::clone(&metrics), readiness.clone(), views.clone())?;
        let counted = Arc::new(Counted(Arc::clone(&metrics)));
        let journal = Arc::new(RocksJournal::open(&config.journal, counted.clone())?);
        readiness.set(Condition::Journal, true);
        let (outside, notifiers) = outside::start(config, &journal, &counted, &views)?;
        let keeper = policies::open(config, &journal, &counted, &views)?;
        let past = Past::new(config, journal.clone(), keeper.clone());
        views.hindsight.fill(past.clone());
        readiness.set(Condition::Policy, true);
        sweep(&journal)?;
        let (msrp, msrp_listening) = large(config, &counted)?;
        let front = Arc::new(Front::default());
        let (endpoint, bound) = Endpoint::start(&config.sip, journal.secret(), front.clone(), counted)?;
        let listening: Vec<Listen> = bound.iter().map(|bound| bound.listen).collect();
        let (subscriptions, orders) = Subscriptions::new(Arc::clone(&metrics));
        let shared = Arc::new(Shared {
            journal: journal.clone(),
            outside,
            dialogs: Dialogs::default(),
            large: Large::new(&config.msrp, msrp.clone()),
            judges: keeper.host(),
            metrics,
            endpoint: endpoint.clone(),
            settings: Arc::new(Settings::new(config, &listening)),
            actors: config.actors.clone(),
            snapshot_every: config.journal.snapshot_every,
            clock: Arc::new(wall_clock),
            pace: Pace::new(config.actors.pushes_max),
            permits: Arc::new(Semaphore::new(config.actors.wake_permits)),
            subscriptions,
        });
        let threads = Threads::start(config.actors.threads);
        let registry = Registry::new(shared, threads.handles());
        outside::follow(&registry);
        front.open(Arc::clone(&registry), Gate::new(journal.secret(), config.sip.digest_clients_max));
        let scheduler = tokio::task::spawn_local(Scheduler::new(Arc::clone(&registry)).run());
        let subscriber = Subscriber::new(Arc::clone(&registry), orders, config.sip.subscriptions_max);
        let subscriber = tokio::task::spawn_local(subscriber.run());
        let health = tokio::task::spawn_local(watch(Arc::clone(&journal), readiness.clone()));
        readiness.set(Condition::Sip, true);
        let tasks = vec![scheduler, subscriber, health];
        Ok(Self {
            front,
            endpoint,
            msrp,
            journal,
            keeper,
            past,
            registry,
            threads,
            readiness,
            tasks,
            admin,
            notifiers,
            listening,
            msrp_listening,
            admin_address,
        })
    }

    /// For closing the data directory last of all.
    #[must_use]
    pub fn closing(&self) -> Closing {
        self.journal.closing()
    }

    /// Who is awake.
    #[must_use]
    pub const fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// Drains: no new requests, open transactions end, the last commit, then everything closes.
    pub async fn stop(self) {
        self.readiness.set(Condition::Staying, false);
        self.front.close();
        self.past.close();
        for task in &self.tasks {
            task.abort();
        }
        self.endpoint.drain(DRAIN).await;
        if let Some(msrp) = &self.msrp {
            msrp.drain(FAREWELL).await;
        }
        self.registry.shared().large.close().await;
        self.threads.stop();
        self.notifiers.close().await;
        let (journal, keeper) = (Arc::clone(&self.journal), Arc::clone(&self.keeper));
        // Closing waits for the disk.
        let closing = move || {
            keeper.close();
            journal.close();
        };
        if tokio::task::spawn_blocking(closing).await.is_err() {
            tracing::error!("the journal was not closed in order; it will recover when it is opened again");
        }
        self.admin.stop().await;
    }
}

/// Removes what was being received when the server last stopped: before anything new is taken.
fn sweep(journal: &RocksJournal) -> Result<(), JournalError> {
    let mut swept = 0;
    loop {
        let more = journal.sweep(SWEEP)?;
        swept += more;
        if more < SWEEP {
            break;
        }
    }
    if swept > 0 {
        tracing::info!(swept, "large messages that had not come whole when the server stopped were removed");
    }
    Ok(())
}

/// The sockets of large messages, if there are any.
fn large(config: &Config, counted: &Arc<Counted>) -> Result<(Option<Msrp>, Vec<MsrpListen>), MsrpError> {
    if config.msrp.listen.is_empty() {
        return Ok((None, Vec::new()));
    }
    let (msrp, bound) = Msrp::start(&config.msrp, Arc::clone(counted) as _)?;
    Ok((Some(msrp), bound))
}

/// The moment by the system's clock.
pub fn wall_clock() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Readiness follows the journal's health.
async fn watch(journal: Arc<RocksJournal>, readiness: Readiness) {
    loop {
        tokio::time::sleep(HEALTH_PERIOD).await;
        let health = journal.healthy();
        if let Err(error) = &health {
            tracing::error!(%error, "the journal takes no appends");
        }
        readiness.set(Condition::Journal, health.is_ok());
    }
}
