//! A webhook: each notice posted as JSON, signed, to the operator's HTTP server.

use super::counters::{Counters, Limit};
use super::{Clock, Notice, Notifier, NotifyError, wire};
use crate::config::{self, Secret};
use crate::gateway::http::{HttpClient, HttpError, HttpSettings, HttpSetupError, Method, Request, Response, Roots};
use crate::types::Timestamp;
use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt as _};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::Semaphore;

/// The longest answer that is read, octets; what it says does not matter.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// When all requests at once are taken: about the time of a few exchanges.
const IN_FLIGHT_PAUSE: Duration = Duration::from_secs(1);
/// The longest `Retry-After` that is believed.
const RETRY_AFTER_MAX: Duration = Duration::from_hours(24);

/// The operator's HTTP server.
pub struct Webhook(Arc<Inner>);

struct Inner {
    client: HttpClient,
    url: String,
    secrets: Vec<Secret>,
    turns: Arc<Semaphore>,
    clock: Clock,
    counters: Arc<dyn Counters>,
}

/// Why the webhook cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub enum WebhookSetupError {
    #[error("no server is named: set webhook.url")]
    Url,
    #[error("webhook: {0}")]
    Http(#[from] HttpSetupError),
}

impl Webhook {
    /// Makes the client; connects nowhere yet.
    ///
    /// # Errors
    /// [`WebhookSetupError`] if the configuration cannot be used.
    pub fn new(config: &config::Webhook, clock: Clock, counters: Arc<dyn Counters>) -> Result<Self, WebhookSetupError> {
        let client = HttpClient::new(&HttpSettings {
            connect_max: Duration::from_secs(config.connect_secs),
            total_max: Duration::from_secs(config.request_secs),
            response_bytes_max: ANSWER_BYTES_MAX,
            in_flight_max: config.in_flight_max,
            roots: config.ca_file.clone().map_or(Roots::System, Roots::File),
            identity: None,
        })?;
        let turns = Arc::new(Semaphore::new(config.in_flight_max.min(Semaphore::MAX_PERMITS)));
        let url = config.url.clone().ok_or(WebhookSetupError::Url)?;
        Ok(Self(Arc::new(Inner { client, url, secrets: config.secrets.clone(), turns, clock, counters })))
    }
}

impl Notifier for Webhook {
    fn notify(&self, notice: Notice) -> BoxFuture<'static, Result<(), NotifyError>> {
        let inner = Arc::clone(&self.0);
        async move { inner.post(&notice).await }.boxed()
    }
}

impl Inner {
    async fn post(&self, notice: &Notice) -> Result<(), NotifyError> {
        let _turn = self.turns.try_acquire().map_err(|_| self.busy())?;
        let body = wire::line(notice).map_err(|error| NotifyError::Refused { cause: error.to_string() })?;
        let now = (self.clock)();
        let request = Request {
            method: Method::Post,
            url: self.url.clone(),
            headers: vec![
                ("Content-Type", "application/json".to_owned()),
                ("User-Agent", concat!("restante/", env!("CARGO_PKG_VERSION")).to_owned()),
                ("Idempotency-Key", notice.id.clone()),
                ("X-Restante-Signature", signature(&self.secrets, now, body.as_bytes())),
            ],
            body: Bytes::from(body),
        };
        match self.client.send(request).await {
            Ok(response) => meaning(&response, now),
            Err(HttpError::Busy { .. }) => Err(self.busy()),
            Err(error @ HttpError::Header { .. }) => Err(NotifyError::Refused { cause: error.to_string() }),
            Err(error) => Err(NotifyError::Later { cause: error.to_string(), after: None }),
        }
    }

    fn busy(&self) -> NotifyError {
        self.counters.limit_hit(Limit::WebhookInFlight);
        NotifyError::Busy { limit: Limit::WebhookInFlight, after: IN_FLIGHT_PAUSE }
    }
}

/// `t=<Unix time>,v1=<HMAC-SHA256 of "t.body", hexadecimal>`, one `v1` for each secret. The time is covered, so that a
/// receiver can refuse what is old.
fn signature(secrets: &[Secret], now: Timestamp, body: &[u8]) -> String {
    let seconds = (now.millis() / 1000).to_string();
    let mut signature = format!("t={seconds}");
    for secret in secrets {
        // A key of any length will do (RFC 2104 section 2).
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.0.as_bytes()) else { continue };
        mac.update(seconds.as_bytes());
        mac.update(b".");
        mac.update(body);
        signature.push_str(",v1=");
        signature.push_str(&hex::encode(mac.finalize().into_bytes()));
    }
    signature
}

/// 2xx: taken. 4xx: never, but for those that speak of time (408, 425, 429). All else: later.
fn meaning(response: &Response, now: Timestamp) -> Result<(), NotifyError> {
    let cause = format!("the server answered with status {}", response.status);
    match response.status {
        200..=299 => Ok(()),
        408 | 425 | 429 => Err(NotifyError::Later { cause, after: retry_after(response, now) }),
        400..=499 => Err(NotifyError::Refused { cause }),
        _ => Err(NotifyError::Later { cause, after: retry_after(response, now) }),
    }
}

/// `Retry-After` (RFC 9110 section 10.2.3): seconds or a date.
fn retry_after(response: &Response, now: Timestamp) -> Option<Duration> {
    let text = response.header("retry-after")?.trim();
    let pause = if let Ok(seconds) = text.parse() {
        Duration::from_secs(seconds)
    } else {
        let at: SystemTime = httpdate::parse_http_date(text).ok()?;
        at.duration_since(now.to_system()).unwrap_or_default()
    };
    Some(pause.min(RETRY_AFTER_MAX))
}

impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Webhook").field("secrets", &self.0.secrets.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
