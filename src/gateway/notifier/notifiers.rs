//! All ways of notifying: chosen by realm, under one overall rate, counted.

use super::bucket::Bucket;
use super::counters::{Counters, Limit, Outcome};
use super::outbox::{Outbox, OutboxError};
use super::smpp::{Smpp, SmppSetupError};
use super::webhook::{Webhook, WebhookSetupError};
use super::{Notice, Notifier, NotifyError};
use crate::config::{Config, NotifierKind};
use crate::shelf::Shelf;
use crate::types::Timestamp;
use futures_util::future::{BoxFuture, FutureExt as _};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Where the time comes from.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The notifier of the whole node. Only the ways that some realm goes are made; the outbox always is, so that what a
/// former configuration left in it can be taken off.
pub struct Notifiers {
    by_realm: BTreeMap<String, NotifierKind>,
    outbox: Arc<Outbox>,
    webhook: Option<Webhook>,
    smpp: Option<Smpp>,
    bucket: Mutex<Bucket>,
    messages_max: usize,
    clock: Clock,
    counters: Arc<dyn Counters>,
}

/// Why the notifiers cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    #[error(transparent)]
    Outbox(#[from] OutboxError),
    #[error(transparent)]
    Webhook(#[from] WebhookSetupError),
    #[error(transparent)]
    Smpp(#[from] SmppSetupError),
}

impl Notifiers {
    /// Opens the outbox on the shelf and begins to connect with the SMSC if a realm needs it, on the current tokio
    /// runtime.
    ///
    /// # Errors
    /// [`SetupError`] if the shelf fails or the configuration cannot be used.
    pub fn start(
        config: &Config,
        shelf: Arc<dyn Shelf>,
        clock: Clock,
        counters: Arc<dyn Counters>,
    ) -> Result<Self, SetupError> {
        let outbox = Outbox::open(shelf, config.notifier.outbox_max, Arc::clone(&counters))?;
        let webhook = config
            .notifies_by(NotifierKind::Webhook)
            .then(|| Webhook::new(&config.webhook, Arc::clone(&clock), Arc::clone(&counters)));
        let smpp = config.notifies_by(NotifierKind::Smpp).then(|| Smpp::start(&config.smpp, Arc::clone(&counters)));
        let by_realm = config.realms.keys().map(|realm| (realm.clone(), config.notifier_of(realm))).collect();
        Ok(Self {
            by_realm,
            outbox: Arc::new(outbox),
            webhook: webhook.transpose()?,
            smpp: smpp.transpose()?,
            bucket: Mutex::new(Bucket::new(config.notifier.per_second_max, clock())),
            messages_max: config.notifier.messages_max,
            clock,
            counters,
        })
    }

    /// How users of a realm are notified; [`NotifierKind::None`] for a realm that is not served.
    pub fn kind_of(&self, realm: &str) -> NotifierKind {
        self.by_realm.get(realm).copied().unwrap_or(NotifierKind::None)
    }

    /// The outbox, for those who empty it.
    pub fn outbox(&self) -> Arc<Outbox> {
        Arc::clone(&self.outbox)
    }

    /// Ends the connection with the SMSC in order. What is in flight may fail, and is tried again by whoever sent it.
    pub async fn close(&self) {
        if let Some(smpp) = &self.smpp {
            smpp.close().await;
        }
    }

    fn way(&self, kind: NotifierKind) -> Option<&dyn Notifier> {
        match kind {
            NotifierKind::Outbox => Some(&*self.outbox),
            NotifierKind::Webhook => self.webhook.as_ref().map(|webhook| webhook as &dyn Notifier),
            NotifierKind::Smpp => self.smpp.as_ref().map(|smpp| smpp as &dyn Notifier),
            NotifierKind::None => None,
        }
    }

    /// Hands it to its way, or says why not.
    fn dispatch(
        &self,
        kind: NotifierKind,
        mut notice: Notice,
    ) -> Result<BoxFuture<'static, Result<(), NotifyError>>, NotifyError> {
        let nobody = || NotifyError::Refused { cause: "the realm has no out-of-band notifier".to_owned() };
        let way = self.way(kind).ok_or_else(nobody)?;
        let taken = self.bucket.lock().unwrap_or_else(PoisonError::into_inner).take((self.clock)());
        taken.map_err(|after| {
            self.counters.limit_hit(Limit::Rate);
            NotifyError::Busy { limit: Limit::Rate, after }
        })?;
        if notice.messages.len() > self.messages_max {
            self.counters.limit_hit(Limit::Messages);
            notice.messages.truncate(self.messages_max);
        }
        Ok(way.notify(notice))
    }
}

impl Notifier for Notifiers {
    fn notify(&self, notice: Notice) -> BoxFuture<'static, Result<(), NotifyError>> {
        let kind = self.kind_of(&notice.realm);
        let began = (self.clock)();
        let dispatched = self.dispatch(kind, notice);
        let (clock, counters) = (Arc::clone(&self.clock), Arc::clone(&self.counters));
        async move {
            let result = match dispatched {
                Ok(trying) => trying.await,
                Err(error) => Err(error),
            };
            counters.notified(kind, outcome(&result), clock().since(began));
            result
        }
        .boxed()
    }
}

const fn outcome(result: &Result<(), NotifyError>) -> Outcome {
    match result {
        Ok(()) => Outcome::Taken,
        Err(NotifyError::Busy { .. }) => Outcome::Busy,
        Err(NotifyError::Later { .. }) => Outcome::Later,
        Err(NotifyError::Refused { .. }) => Outcome::Refused,
    }
}

impl std::fmt::Debug for Notifiers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Notifiers").field("by_realm", &self.by_realm).finish_non_exhaustive()
    }
}
