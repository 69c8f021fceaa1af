//! What the notifiers count: a hook of theirs, so that this floor needs no metrics library.

use crate::config::NotifierKind;
use std::time::Duration;

/// How one try ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The outside part has it.
    Taken,
    /// A limit of ours.
    Busy,
    /// To be tried again.
    Later,
    /// Refused for good.
    Refused,
}

/// A limit that was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Notifications per second.
    Rate,
    /// Messages described in one notification: the rest was only counted.
    Messages,
    /// Notifications in the outbox.
    Outbox,
    /// Requests to the webhook at once.
    WebhookInFlight,
    /// Submissions to the SMSC at once.
    SmppWindow,
}

impl Limit {
    /// Its key in the configuration.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Rate => "notifier.per-second-max",
            Self::Messages => "notifier.messages-max",
            Self::Outbox => "notifier.outbox-max",
            Self::WebhookInFlight => "webhook.in-flight-max",
            Self::SmppWindow => "smpp.window-max",
        }
    }
}

/// Who counts.
pub trait Counters: Send + Sync + 'static {
    /// A try ended after so long.
    fn notified(&self, kind: NotifierKind, outcome: Outcome, took: Duration);

    /// So many notifications are in the outbox now.
    fn outbox(&self, waiting: u64);

    /// Whether the SMSC takes submissions now.
    fn smsc_bound(&self, bound: bool);

    /// A limit was reached.
    fn limit_hit(&self, limit: Limit);
}

/// Counts nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Uncounted;

impl Counters for Uncounted {
    fn notified(&self, _: NotifierKind, _: Outcome, _: Duration) {}
    fn outbox(&self, _: u64) {}
    fn smsc_bound(&self, _: bool) {}
    fn limit_hit(&self, _: Limit) {}
}
