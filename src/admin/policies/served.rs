//! Components that are served: they are large, so few are in memory at a time, and none that is not asked for.

use super::upload::MEDIA_TYPE;
use crate::admin::Limits;
use crate::admin::problem::Problem;
use crate::admin::tags;
use crate::metrics::Limit;
use crate::policy::view::PolicyView;
use actix_web::body::{BodySize, MessageBody};
use actix_web::http::{Method, header};
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::OwnedSemaphorePermit;

/// Components that are sent at the same time.
pub(in crate::admin) const SERVED_MAX: usize = 4;

/// The octets of a component on their way to a client, and its seat.
pub(super) struct Served {
    octets: Bytes,
    _seat: OwnedSemaphorePermit,
}

/// Only how long it is.
struct Length(u64);

/// The answer for which the component need not be read: it is known, or only its head is wanted. What is not there any
/// more is refused when it is read.
pub(super) fn without_octets(request: &HttpRequest, view: &PolicyView) -> Result<Option<HttpResponse>, Problem> {
    let tag = format!("\"{}\"", view.digest);
    if view.state == "retired" {
        return Ok(None);
    }
    if tags::is_known(request, &tag)? {
        return Ok(Some(HttpResponse::NotModified().insert_header((header::ETAG, tag)).finish()));
    }
    let head = HttpResponse::Ok().content_type(MEDIA_TYPE).insert_header((header::ETAG, tag)).body(Length(view.bytes));
    Ok((request.method() == Method::HEAD).then_some(head))
}

/// Room for one more.
pub(super) fn seat(limits: &Limits) -> Result<OwnedSemaphorePermit, Problem> {
    Arc::clone(&limits.served).try_acquire_owned().map_err(|_| {
        limits.metrics.limit_hit(Limit::AdminComponents);
        Problem::unavailable(&format!("{SERVED_MAX} components are being fetched already: try again in a moment"))
    })
}

impl Served {
    pub(super) fn new(octets: Bytes, seat: OwnedSemaphorePermit) -> Self {
        Self { octets, _seat: seat }
    }
}

impl MessageBody for Served {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.octets.len() as u64)
    }

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        let octets = std::mem::take(&mut self.get_mut().octets);
        Poll::Ready((!octets.is_empty()).then_some(Ok(octets)))
    }
}

impl MessageBody for Length {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.0)
    }

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        Poll::Ready(None)
    }
}
