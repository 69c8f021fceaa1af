//! The message that a receiver puts together.

use super::{Finished, ReceiveFailure, ReceiverSettings};
use crate::msrp::head::{FailureReport, Flag, Head};
use crate::msrp::range::ByteRange;
use crate::msrp::spans::Spans;

/// What is known of the message, and which of its octets are there.
pub(super) struct Message {
    pub(super) id: String,
    pub(super) success_report: Option<bool>,
    failure_report: Option<FailureReport>,
    content_type: String,
    content_disposition: Option<String>,
    /// Its size, once a chunk has told it or the last octet was seen.
    total: Option<u64>,
    spans: Spans,
    /// Octets that came, those that came again included.
    received: u64,
    bytes_max: u64,
}

/// A chunk whose octets come.
pub(super) struct Chunk {
    pub(super) head: Box<Head>,
    /// Position of its next octet, from 0.
    position: u64,
    /// Position behind its last octet, if it said so.
    end: Option<u64>,
}

/// What the end of a chunk came to.
pub(super) enum Progress {
    /// There is more to come.
    Going,
    Whole(Box<Finished>),
    Aborted,
}

impl Message {
    /// What the first chunk tells of it.
    pub(super) fn new(head: &Head, settings: &ReceiverSettings) -> Self {
        Self {
            id: head.message_id.clone().unwrap_or_default(),
            success_report: head.success_report,
            failure_report: head.failure_report,
            content_type: head.content_type.clone().unwrap_or_default(),
            content_disposition: head.content_disposition.clone(),
            total: None,
            spans: Spans::new(settings.ranges_max),
            received: 0,
            bytes_max: settings.message_bytes_max,
        }
    }

    /// Begins a chunk, if it fits to those before it.
    pub(super) fn begin(&mut self, head: Box<Head>) -> Result<Chunk, (Box<Head>, ReceiveFailure)> {
        let range = head.byte_range.unwrap_or(ByteRange::UNKNOWN);
        match self.check(range) {
            Ok(()) => Ok(Chunk { head, position: range.position(), end: range.end }),
            Err(failure) => Err((head, failure)),
        }
    }

    fn check(&mut self, range: ByteRange) -> Result<(), ReceiveFailure> {
        if range.total.is_some_and(|total| total > self.bytes_max) || range.position() > self.bytes_max {
            return Err(ReceiveFailure::TooLarge);
        }
        let contradicts = match (self.total, range.total) {
            (Some(known), Some(told)) => known != told,
            (None, Some(told)) => self.spans.end() > told,
            (_, None) => false,
        };
        let total = self.total.or(range.total);
        let beyond = total.is_some_and(|total| range.end.unwrap_or(range.position()) > total);
        if contradicts || beyond {
            return Err(ReceiveFailure::Refused(400));
        }
        self.total = total;
        Ok(())
    }

    /// Takes octets of a chunk; gives the position where they belong.
    pub(super) fn take(&mut self, chunk: &mut Chunk, octets: usize) -> Result<u64, ReceiveFailure> {
        let octets = u64::try_from(octets).unwrap_or(u64::MAX);
        let (start, end) = (chunk.position, chunk.position.saturating_add(octets));
        if chunk.end.is_some_and(|last| end > last) || self.total.is_some_and(|total| end > total) {
            return Err(ReceiveFailure::Refused(400));
        }
        self.received = self.received.saturating_add(octets);
        // Octets may come again, but nobody needs to send everything three times.
        if end > self.bytes_max || self.received > self.bytes_max.saturating_mul(2) {
            return Err(ReceiveFailure::TooLarge);
        }
        self.spans.insert(start..end).map_err(|_| ReceiveFailure::TooManyRanges)?;
        chunk.position = end;
        Ok(start)
    }

    /// The end of a chunk.
    pub(super) fn end(&mut self, chunk: &Chunk, flag: Flag) -> Result<Progress, ReceiveFailure> {
        match flag {
            Flag::Aborted => return Ok(Progress::Aborted),
            // With a known size the flag tells nothing new: chunks may come in any order.
            Flag::Last if self.total.is_none() => {
                if self.spans.end() > chunk.position {
                    return Err(ReceiveFailure::Refused(400));
                }
                self.total = Some(chunk.position);
            }
            Flag::Last | Flag::More => {}
        }
        // Only an interrupted chunk may be shorter than it said.
        if flag == Flag::Last && chunk.end.is_some_and(|end| chunk.position < end) {
            return Err(ReceiveFailure::Refused(400));
        }
        match self.total {
            Some(size) if self.spans.is_whole(size) => Ok(Progress::Whole(Box::new(self.finished(size)))),
            _ => Ok(Progress::Going),
        }
    }

    /// Octets of the whole message, when they are all there.
    pub(super) fn size(&self) -> u64 {
        self.spans.end()
    }

    fn finished(&self, size: u64) -> Finished {
        let success = |wanted| if wanted { "yes" } else { "no" };
        Finished {
            size,
            message_id: self.id.clone(),
            success_report: self.success_report.map(|wanted| success(wanted).to_owned()),
            failure_report: self.failure_report.map(|report| report.as_str().to_owned()),
            content_type: self.content_type.clone(),
            content_disposition: self.content_disposition.clone(),
        }
    }
}
