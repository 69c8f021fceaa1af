//! Bodies of requests: limited while they arrive, and cut off when they arrive too slowly.

use super::problem::Problem;
use super::trail::{Name, Seldom, template};
use super::{Limits, config};
use crate::metrics::Limit;
use actix_web::http::{StatusCode, header};
use actix_web::rt::time::timeout;
use actix_web::{HttpRequest, web};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A body must be there in this time: 24 MiB at 1.7 Mbit/s.
const BODY_TIME_MAX: Duration = Duration::from_mins(2);
/// A body must go on in this time.
const BODY_PAUSE_MAX: Duration = Duration::from_secs(10);
/// Components that are in memory to be received and examined, for each that may be examined at once.
const RECEIVED_FOR_EACH: usize = 4;

/// How long a body may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Patience {
    pub(super) whole: Duration,
    pub(super) pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { whole: BODY_TIME_MAX, pause: BODY_PAUSE_MAX }
    }
}

/// Why a body is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// It has so many octets, or at least so many.
    TooLong(u64),
    /// More than this was asked of our patience.
    TooSlow(Patience),
    Broken,
}

/// The length that a request says its body has.
pub(super) fn announced(request: &HttpRequest) -> Option<u64> {
    request.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Which of the bodies that were cut off are logged.
#[derive(Debug, Default)]
pub(super) struct CutOff {
    slow: Seldom,
    broken: Seldom,
}

impl Limits {
    /// Reads a body of at most `limit` octets. One that says it is longer is not begun with; one that comes too slowly is
    /// counted and logged.
    pub(super) async fn receive(&self, request: &HttpRequest, body: web::Payload, limit: usize) -> Result<Bytes, Cut> {
        let mut coming = Coming { limits: self, request, over: false };
        let result = receive(request, body, limit, self.patience).await;
        coming.over = true;
        result.inspect_err(|cut| self.note(request, *cut))
    }

    fn note(&self, request: &HttpRequest, cut: Cut) {
        let (seldom, cause) = match cut {
            // Whose limit it is counts it.
            Cut::TooLong(_) => return,
            Cut::TooSlow(_) => {
                self.metrics.limit_hit(Limit::AdminBodyTime);
                (&self.cut_off.slow, "it came too slowly")
            }
            Cut::Broken => (&self.cut_off.broken, "it ended before it was whole"),
        };
        if let Some(left_out) = seldom.turn(Instant::now()) {
            let (name, path) = (Name::of(request), template(request));
            tracing::warn!(target: "admin", name, method = %request.method(), path, cause, left_out, "a body was cut off");
        }
    }
}

/// A body that is being received. A connection that is reset takes the handler with it, in the middle of its work: that
/// is noted, too.
struct Coming<'a> {
    limits: &'a Limits,
    request: &'a HttpRequest,
    over: bool,
}

impl Drop for Coming<'_> {
    fn drop(&mut self) {
        if !self.over {
            self.limits.note(self.request, Cut::Broken);
        }
    }
}

async fn receive(
    request: &HttpRequest,
    mut body: web::Payload,
    limit: usize,
    patience: Patience,
) -> Result<Bytes, Cut> {
    let announced = announced(request);
    let over = |octets: u64| usize::try_from(octets).map_or(true, |octets| octets > limit);
    if let Some(octets) = announced.filter(|octets| over(*octets)) {
        return Err(Cut::TooLong(octets));
    }
    let capacity = announced.and_then(|octets| usize::try_from(octets).ok()).unwrap_or_default();
    let mut whole = BytesMut::with_capacity(capacity);
    let reading = async {
        loop {
            match timeout(patience.pause, body.next()).await {
                Err(_) => return Err(Cut::TooSlow(patience)),
                Ok(None) => return Ok(()),
                Ok(Some(Err(_))) => return Err(Cut::Broken),
                Ok(Some(Ok(more))) if more.len() > limit.saturating_sub(whole.len()) => {
                    return Err(Cut::TooLong(whole.len().saturating_add(more.len()) as u64));
                }
                Ok(Some(Ok(more))) => whole.extend_from_slice(&more),
            }
        }
    };
    timeout(patience.whole, reading).await.map_err(|_| Cut::TooSlow(patience))??;
    Ok(whole.freeze())
}

impl Cut {
    /// What the sender is told of a body that may have `limit` octets.
    pub(super) fn problem(self, limit: usize) -> Problem {
        match self {
            Self::TooLong(octets) => {
                let detail = format!("the body has {octets} octets or more: at most {limit} are taken");
                Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
            }
            Self::TooSlow(Patience { whole, pause }) => {
                let detail = format!(
                    "the body came too slowly: it must go on within {} seconds and be there within {}",
                    pause.as_secs_f64(),
                    whole.as_secs_f64()
                );
                Problem::new(StatusCode::REQUEST_TIMEOUT, detail)
            }
            Self::Broken => Problem::bad_request("the body ended before it was whole: send it again"),
        }
    }
}

/// Components that are in memory, and who sends one at this moment.
#[derive(Debug)]
pub(super) struct Receptions {
    seats: Arc<Semaphore>,
    max: usize,
    senders: Arc<Mutex<BTreeSet<String>>>,
}

/// Room for a component: given back when the component is out of memory.
pub(super) type Seat = OwnedSemaphorePermit;

/// Somebody sends a component, until this is dropped.
pub(super) struct Sending {
    name: String,
    senders: Arc<Mutex<BTreeSet<String>>>,
}

/// Why no component is received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoRoom {
    /// So many are in memory.
    Full(usize),
    /// The same sender has not ended another one.
    Another,
}

impl Receptions {
    pub(super) fn new(policy: &config::Policy) -> Self {
        let max = policy.uploads_max.saturating_mul(RECEIVED_FOR_EACH).min(Semaphore::MAX_PERMITS);
        Self { seats: Arc::new(Semaphore::new(max)), max, senders: Arc::default() }
    }

    /// Somebody begins to send one.
    pub(super) fn begin(&self, name: &str) -> Result<(Sending, Seat), NoRoom> {
        let seat = Arc::clone(&self.seats).try_acquire_owned().map_err(|_| NoRoom::Full(self.max))?;
        if !self.senders.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned()) {
            return Err(NoRoom::Another);
        }
        Ok((Sending { name: name.to_owned(), senders: Arc::clone(&self.senders) }, seat))
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.senders.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.name);
    }
}
