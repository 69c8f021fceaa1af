//! The Prometheus metrics: every label is an enum, or a realm of the configuration, or a policy's digest; no address can
//! become one.

mod family;
mod labels;
mod outside;
mod policies;
mod transfers;

#[cfg(test)]
mod tests;

pub use labels::{
    AdminRefusal, Answered, Compared, Deferral, Delivery, Direction, Drop, Errand, Errands, Expiry, Hook,
    JournalFailure, Label, Limit, Lookup, Managed, Method, Notified, Notifier, Order, Ordered, Policy, Preference,
    Refusal, Registration, Role, Side, Source, Status, Stored, Storing, Stray, Transfer,
};
pub use policies::{PolicyActive, PolicyName, PolicyRealm, PolicyShadow};

use family::{By, Cube, Grid, Maker, PREFIX};
use outside::Outside;
use policies::Policies;
use prometheus::process_collector::ProcessCollector;
use prometheus::{Encoder, Histogram, IntCounter, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder};
use std::time::Duration;
use transfers::Transfers;

/// Commits and policy calls: 50 µs to 5 s.
const FAST: [f64; 12] = [0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.25, 1.0, 5.0];
/// Appends of a batch.
const SIZES: [f64; 11] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0];
/// How late something due was done; a second is what we promise.
const LAGS: [f64; 9] = [0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 10.0, 60.0];

/// The registry could not be made: two metrics with one name, or a name that Prometheus refuses. A fault of the program.
#[derive(Debug, thiserror::Error)]
#[error("the metrics could not be made: {0}; this is a fault of the program, please report it")]
pub struct MetricsError(#[from] prometheus::Error);

/// Every metric, with a registry of its own. Counting is cheap and lock-free; share it in an `Arc`.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    registrations: Grid<Source, Registration>,
    deferrals: By<Deferral, IntCounter>,
    deliveries: By<Delivery, IntCounter>,
    expiries: By<Expiry, IntCounter>,
    errands: Grid<Errand, Errands>,
    managed: By<Managed, IntCounter>,
    stand_ins: IntCounter,
    policies: Policies,
    append_seconds: Histogram,
    commit_seconds: Histogram,
    batch_records: Histogram,
    commit_bytes: IntCounter,
    journal_failures: By<JournalFailure, IntCounter>,
    appends_waiting: IntGauge,
    queue_messages: IntGauge,
    queue_bytes: IntGauge,
    awake: IntGauge,
    wakes: IntCounter,
    wake_seconds: Histogram,
    due_lag_seconds: Histogram,
    requests: Grid<Direction, Method>,
    responses: Cube<Direction, Answered, Status>,
    retransmissions: IntCounter,
    drops: By<Drop, IntCounter>,
    refusals: By<Refusal, IntCounter>,
    transactions: By<Side, IntGauge>,
    connections: IntGauge,
    dialogs: IntGauge,
    subscriptions: IntGauge,
    outside: Outside,
    transfers: Transfers,
    limits: By<Limit, IntCounter>,
    admin_refusals: By<AdminRefusal, IntCounter>,
}

impl Metrics {
    /// A fresh registry with everything at zero.
    ///
    /// # Errors
    /// [`MetricsError`] if two metrics clash.
    pub fn new() -> Result<Self, MetricsError> {
        let registry = Registry::new();
        let make = Maker(&registry);
        registry.register(Box::new(ProcessCollector::new(process_id(), PREFIX)))?;
        let info = Opts::new("build_info", "Always 1; the version of the program is in the label.").namespace(PREFIX);
        let info = IntGaugeVec::new(info, &["version"])?;
        info.get_metric_with_label_values(&[env!("CARGO_PKG_VERSION")])?.set(1);
        registry.register(Box::new(info))?;
        Ok(Self {
            registrations: make.grid("registrations_total", "Registrations of CPM clients that were heard of.")?,
            deferrals: make
                .counters("deferrals_total", "Messages that were to be deferred, by what became of them.")?,
            deliveries: make.counters("deliveries_total", "Delivery attempts that came to an end.")?,
            expiries: make.counters("expiries_total", "Messages that expired, by what was done with them.")?,
            errands: make.grid("errands_total", "Tries of what is done for users besides deliveries.")?,
            managed: make.counters("managed_total", "Messages that clients asked to be dealt with.")?,
            stand_ins: make
                .counter("preferences_missed_total", "Decisions taken without the user's own preferences at hand.")?,
            policies: Policies::new(&make)?,
            append_seconds: make.histogram(
                "append_seconds",
                "Time from handing a record to the journal until it was durable.",
                &FAST,
            )?,
            commit_seconds: make.histogram("commit_seconds", "Time of a group commit with its fsync.", &FAST)?,
            batch_records: make.histogram("commit_batch_records", "Records in a group commit.", &SIZES)?,
            commit_bytes: make.counter("commit_bytes_total", "Octets written by group commits.")?,
            journal_failures: make.counters("journal_failures_total", "Appends and writes that failed.")?,
            appends_waiting: make.gauge("appends_waiting", "Records that wait for the next group commit.")?,
            queue_messages: make.gauge("queue_messages", "Messages in all deferred queues.")?,
            queue_bytes: make.gauge("queue_bytes", "Octets of the bodies of the messages in all deferred queues.")?,
            awake: make.gauge("awake_users", "Users whose actor is in memory.")?,
            wakes: make.counter("wakes_total", "Users woken from the journal.")?,
            wake_seconds: make.histogram("wake_seconds", "Time it took to wake a user.", &FAST)?,
            due_lag_seconds: make.histogram("due_lag_seconds", "How late due work began.", &LAGS)?,
            requests: make.grid("sip_requests_total", "SIP requests, retransmissions not counted.")?,
            responses: make.cube("sip_responses_total", "SIP responses, retransmissions not counted.")?,
            retransmissions: make.counter(
                "sip_retransmissions_absorbed_total",
                "Requests that came again and were given the same answer.",
            )?,
            drops: make.counters("sip_dropped_total", "Datagrams and stream data dropped without an answer.")?,
            refusals: make.counters("sip_refused_total", "New requests that were answered 503 unheard.")?,
            transactions: make.gauges("sip_transactions", "SIP transactions held.")?,
            connections: make.gauge("sip_connections", "SIP connections over TCP.")?,
            dialogs: make
                .gauge("sip_dialogs", "SIP dialogs held: calls, of which management requests are one kind.")?,
            subscriptions: make.gauge("sip_subscriptions", "Subscriptions to registration states held.")?,
            outside: Outside::new(&make)?,
            transfers: Transfers::new(&make)?,
            limits: make.counters("limit_hits_total", "Times a limit of the configuration was reached, by its key.")?,
            admin_refusals: make
                .counters("admin_refusals_total", "Requests to the HTTP API that were refused for who sent them.")?,
            registry,
        })
    }

    /// A request to the HTTP API was refused for who sent it.
    pub fn admin_refusal(&self, cause: AdminRefusal) {
        self.admin_refusals.at(cause).inc();
    }

    /// A client registered, refreshed or went.
    pub fn registration(&self, source: Source, kind: Registration) {
        self.registrations.at(source).at(kind).inc();
    }

    /// A message was to be deferred.
    pub fn deferral(&self, outcome: Deferral) {
        self.deferrals.at(outcome).inc();
    }

    /// A delivery attempt ended.
    pub fn delivery(&self, outcome: Delivery) {
        self.deliveries.at(outcome).inc();
    }

    /// A message expired.
    pub fn expiry(&self, disposal: Expiry) {
        self.expiries.at(disposal).inc();
    }

    /// A try of an errand ended.
    pub fn errand(&self, errand: Errand, outcome: Errands) {
        self.errands.at(errand).at(outcome).inc();
    }

    /// A client asked for something to be done with a message.
    pub fn managed(&self, action: Managed) {
        self.managed.at(action).inc();
    }

    /// A decision had to do without the user's own preferences.
    pub fn preferences_missed(&self) {
        self.stand_ins.inc();
    }

    /// A record became durable, so long after it was handed over.
    pub fn append(&self, waited: Duration) {
        self.append_seconds.observe(waited.as_secs_f64());
    }

    /// A group commit of so many records and octets was written; the synced write took so long.
    #[expect(clippy::cast_precision_loss, reason = "batches are far smaller than 2^52")]
    pub fn commit(&self, records: usize, octets: usize, took: Duration) {
        self.commit_seconds.observe(took.as_secs_f64());
        self.batch_records.observe(records as f64);
        self.commit_bytes.inc_by(octets as u64);
    }

    /// Something went wrong in the journal.
    pub fn journal_failure(&self, cause: JournalFailure) {
        self.journal_failures.at(cause).inc();
    }

    /// So many appends wait now.
    pub fn set_appends_waiting(&self, waiting: usize) {
        self.appends_waiting.set(gauge(waiting as u64));
    }

    /// The number of messages and the octets in all queues, as found at start.
    pub fn set_queue(&self, messages: u64, bytes: u64) {
        self.queue_messages.set(gauge(messages));
        self.queue_bytes.set(gauge(bytes));
    }

    /// Messages and octets that came (positive) or went (negative).
    pub fn add_queue(&self, messages: i64, bytes: i64) {
        self.queue_messages.add(messages);
        self.queue_bytes.add(bytes);
    }

    /// So many users are awake now.
    pub fn set_awake(&self, users: usize) {
        self.awake.set(gauge(users as u64));
    }

    /// Users who woke (positive) or went to sleep (negative).
    pub fn add_awake(&self, users: i64) {
        self.awake.add(users);
    }

    /// A user was woken; it took so long.
    pub fn wake(&self, took: Duration) {
        self.wakes.inc();
        self.wake_seconds.observe(took.as_secs_f64());
    }

    /// Due work began so much too late.
    pub fn due_lag(&self, lag: Duration) {
        self.due_lag_seconds.observe(lag.as_secs_f64());
    }

    /// A new SIP request.
    pub fn request(&self, direction: Direction, method: Method) {
        self.requests.at(direction).at(method).inc();
    }

    /// A SIP response to a request of this method.
    pub fn response(&self, direction: Direction, method: Method, status: u16) {
        self.responses.at(direction).at(method.into()).at(Status::of(status)).inc();
    }

    /// A request came again and was absorbed.
    pub fn retransmission_absorbed(&self) {
        self.retransmissions.inc();
    }

    /// Something was dropped without an answer.
    pub fn dropped(&self, cause: Drop) {
        self.drops.at(cause).inc();
    }

    /// A new request was answered 503 by the SIP server itself.
    pub fn refused(&self, cause: Refusal) {
        self.refusals.at(cause).inc();
    }

    /// So many SIP transactions are held now.
    pub fn set_transactions(&self, side: Side, held: usize) {
        self.transactions.at(side).set(gauge(held as u64));
    }

    /// SIP transactions that began (positive) or ended (negative).
    pub fn add_transactions(&self, side: Side, change: i64) {
        self.transactions.at(side).add(change);
    }

    /// So many TCP connections are open now.
    pub fn set_connections(&self, open: usize) {
        self.connections.set(gauge(open as u64));
    }

    /// So many SIP dialogs are held now.
    pub fn set_dialogs(&self, held: usize) {
        self.dialogs.set(gauge(held as u64));
    }

    /// TCP connections that opened (positive) or closed (negative).
    pub fn add_connections(&self, change: i64) {
        self.connections.add(change);
    }

    /// So many subscriptions to registration states are held now.
    pub fn set_subscriptions(&self, held: usize) {
        self.subscriptions.set(gauge(held as u64));
    }

    /// A limit of the configuration was reached.
    pub fn limit_hit(&self, limit: Limit) {
        self.limits.at(limit).inc();
    }

    /// Everything in Prometheus' text format.
    ///
    /// # Errors
    /// [`MetricsError`] if a metric cannot be written, which is a fault of the program.
    pub fn render(&self) -> Result<String, MetricsError> {
        let mut text = String::new();
        TextEncoder::new().encode_utf8(&self.registry.gather(), &mut text)?;
        Ok(text)
    }

    /// The media type of [`Metrics::render`].
    #[must_use]
    pub fn media_type() -> String {
        TextEncoder::new().format_type().to_owned()
    }
}

fn process_id() -> i32 {
    i32::try_from(std::process::id()).unwrap_or_default()
}

fn gauge(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
