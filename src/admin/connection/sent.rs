//! The body of an answer while it is sent: in slices, so that it can be seen whether its client still takes it.

use super::Answering;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use bytes::Bytes;
use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Octets that are handed on at once: the next ones go when these are with the kernel.
const SLICE: usize = 64 << 10;

/// Ends when the last slice is handed on, or nobody wants it any more.
pub(super) struct Sent {
    body: BoxBody,
    /// What the body has given and is not handed on yet.
    rest: Bytes,
    answering: Option<Answering>,
}

impl Sent {
    pub(super) fn new(body: BoxBody, answering: Option<Answering>) -> Self {
        Self { body, rest: Bytes::new(), answering }
    }

    fn slice(&mut self) -> Bytes {
        if let Some(answering) = &self.answering {
            answering.goes_on();
        }
        self.rest.split_to(self.rest.len().min(SLICE))
    }
}

impl MessageBody for Sent {
    type Error = Box<dyn Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = self.get_mut();
        while this.rest.is_empty() {
            match ready!(Pin::new(&mut this.body).poll_next(context)) {
                Some(Ok(more)) => this.rest = more,
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
        Poll::Ready(Some(Ok(this.slice())))
    }
}
