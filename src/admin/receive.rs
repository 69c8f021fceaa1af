//! Bodies of requests: limited while they arrive, and cut off when they arrive too slowly.

use super::problem::Problem;
use actix_web::http::{StatusCode, header};
use actix_web::rt::time::timeout;
use actix_web::{HttpRequest, web};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use std::time::Duration;

/// A body must be there in this time: 24 MiB at 1.7 Mbit/s.
pub(super) const BODY_TIME_MAX: Duration = Duration::from_mins(2);
/// A body must go on in this time.
pub(super) const BODY_PAUSE_MAX: Duration = Duration::from_secs(10);

/// How long a body may take.
#[derive(Clone, Copy, Debug)]
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
    TooSlow,
    Broken,
}

/// The length that a request says its body has.
pub(super) fn announced(request: &HttpRequest) -> Option<u64> {
    request.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Reads a body of at most `limit` octets. One that says it is longer is not begun with.
pub(super) async fn receive(
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
                Err(_) => return Err(Cut::TooSlow),
                Ok(None) => return Ok(()),
                Ok(Some(Err(_))) => return Err(Cut::Broken),
                Ok(Some(Ok(more))) if more.len() > limit.saturating_sub(whole.len()) => {
                    return Err(Cut::TooLong(whole.len().saturating_add(more.len()) as u64));
                }
                Ok(Some(Ok(more))) => whole.extend_from_slice(&more),
            }
        }
    };
    timeout(patience.whole, reading).await.map_err(|_| Cut::TooSlow)??;
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
            Self::TooSlow => {
                let detail = format!(
                    "the body came too slowly: it must go on within {} seconds and be there within {}",
                    BODY_PAUSE_MAX.as_secs(),
                    BODY_TIME_MAX.as_secs()
                );
                Problem::new(StatusCode::REQUEST_TIMEOUT, detail)
            }
            Self::Broken => Problem::bad_request("the body ended before it was whole: send it again"),
        }
    }
}
