//! One session in which a message goes: wants octets at a position, gives frames.

use super::FIXED_CHUNK_BYTES_MAX;
use super::head::{Flag, Head, Kind};
use super::ids::TransactionIds;
use super::print::{self, SendHead};
use super::range::ByteRange;
use super::spans::Spans;
use super::uri::{MsrpUri, Path};
use crate::types::Timestamp;
use bytes::Bytes;
use chunk::Chunk;
use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

mod chunk;

/// Most frames that wait in a sender: a peer that sends much and reads nothing gets no answers beyond.
const OUT_MAX: usize = 32;

/// Most gaps between the ranges that the peer has reported.
const REPORTED_MAX: usize = 64;

/// How a sender sends.
#[derive(Clone, Copy, Debug)]
pub struct SenderSettings {
    /// Longest chunk, octets; at least one. Above [`FIXED_CHUNK_BYTES_MAX`] chunks leave their end open, and can be
    /// interrupted.
    pub chunk_bytes_max: u64,
    /// Most chunks that wait for their response; at least one.
    pub window: usize,
    /// How long the response to a chunk is waited for (RFC 4975 section 7.1.2: 30 s).
    pub response: Duration,
}

/// The message that goes.
#[derive(Clone)]
pub struct Outgoing {
    pub message_id: String,
    pub content_type: String,
    pub content_disposition: Option<String>,
    /// Octets of the whole message.
    pub size: u64,
    /// Whether a REPORT of the peer is asked for and waited for.
    pub success_report: bool,
}

/// A disposition may name a file of somebody's.
impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing")
            .field("size", &self.size)
            .field("message_id", &self.message_id)
            .finish_non_exhaustive()
    }
}

/// The octets that a sender can take now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Want {
    /// Of the first, from 0.
    pub position: u64,
    /// No more than these, at least one.
    pub max: usize,
}

/// Why a message was not transferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendFailure {
    /// The peer refused a chunk, or reported a failure.
    Status(u16),
    /// A response, or the report, did not come in time.
    Timeout,
    /// We gave it up.
    Aborted,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SenderEvent {
    /// The peer's first SEND was seen: octets may go.
    Bound,
    /// Every chunk was answered 200, and the report came if one was asked for.
    Transferred,
    Failed(SendFailure),
}

/// One session in which one message goes. It holds no octets but those of one [`Sender::give`], and of one chunk that is too
/// short to be interrupted.
pub struct Sender {
    settings: SenderSettings,
    own: MsrpUri,
    peer: Path,
    message: Outgoing,
    ids: TransactionIds,
    bound: bool,
    /// Octets in frames so far.
    position: u64,
    /// The open chunk, and the octets of one that goes as a whole.
    chunk: Option<Chunk>,
    gathered: Vec<u8>,
    out: VecDeque<Piece>,
    unanswered: Vec<Unanswered>,
    reported: Spans,
    report_due: Option<Timestamp>,
    /// An empty message is one frame, too.
    begun: bool,
    ended: bool,
    events: VecDeque<SenderEvent>,
}

/// Octets that go out, and the transaction whose frame they end.
struct Piece {
    octets: Bytes,
    ends: Option<String>,
}

/// A chunk whose response is awaited, from the moment on at which its end went out.
struct Unanswered {
    transaction: String,
    due: Option<Timestamp>,
}

impl Sender {
    /// `own` is our URI, `peer` the path of the answer: all of it becomes the `To-Path` (SNDL-OK-4a). The sender waits until
    /// the session is bound: by the peer's SEND (passive), or by [`Sender::bound`] on a connection that we opened.
    pub fn new(settings: SenderSettings, own: MsrpUri, peer: Path, message: Outgoing, ids: TransactionIds) -> Self {
        let (chunk_bytes_max, window) = (settings.chunk_bytes_max.max(1), settings.window.max(1));
        Self {
            settings: SenderSettings { chunk_bytes_max, window, ..settings },
            own,
            peer,
            message,
            ids,
            bound: false,
            position: 0,
            chunk: None,
            gathered: Vec::new(),
            out: VecDeque::new(),
            unanswered: Vec::new(),
            reported: Spans::new(REPORTED_MAX),
            report_due: None,
            begun: false,
            ended: false,
            events: VecDeque::new(),
        }
    }

    /// We opened the connection: the first chunk binds it.
    pub fn bound(&mut self) {
        self.bound = true;
        if self.message.size == 0 && !self.begun && !self.ended {
            self.send_whole(&Bytes::new());
        }
    }

    /// Whether a frame has begun and not ended: no other session may write on the connection now.
    pub fn is_midway(&self) -> bool {
        self.chunk.is_some() || !self.out.is_empty()
    }

    /// What can be sent now; `None` while octets wait in [`Sender::poll_transmit`], the window is full, or all was given.
    pub fn wants(&self) -> Option<Want> {
        let full = self.chunk.is_none() && self.unanswered.len() >= self.settings.window;
        if !self.bound || self.ended || full || !self.out.is_empty() {
            return None;
        }
        let begun = match &self.chunk {
            Some(chunk) => chunk.len,
            None => length(&self.gathered),
        };
        let position = self.given();
        let room = self.settings.chunk_bytes_max.saturating_sub(begun).min(self.message.size.saturating_sub(position));
        let max = usize::try_from(room).unwrap_or(usize::MAX);
        (max > 0).then_some(Want { position, max })
    }

    /// The octets that were wanted, or fewer, at least one.
    pub fn give(&mut self, mut octets: Bytes) {
        let Some(want) = self.wants() else { return };
        octets.truncate(want.max);
        if octets.is_empty() {
            return;
        }
        let whole = self.settings.chunk_bytes_max.min(self.message.size.saturating_sub(self.position));
        if self.chunk.is_some() || whole > FIXED_CHUNK_BYTES_MAX {
            self.send_open(octets);
        } else if self.gathered.is_empty() && length(&octets) == whole {
            self.send_whole(&octets);
        } else {
            self.gathered.extend_from_slice(&octets);
            if length(&self.gathered) == whole {
                let octets = Bytes::from(std::mem::take(&mut self.gathered));
                self.send_whole(&octets);
            }
        }
    }

    /// Ends the open chunk with `+`, so that another session gets its turn. `false` if there is none: between chunks, and
    /// within one of at most [`FIXED_CHUNK_BYTES_MAX`] octets, which goes as a whole.
    pub fn interrupt(&mut self) -> bool {
        let open = self.chunk.is_some();
        self.end_chunk(Flag::More);
        open
    }

    /// Gives the message up with `#`; what [`Sender::poll_transmit`] still gives must go out, so that the frame has its end.
    pub fn abort(&mut self) {
        let unfinished = self.position > 0 && self.position < self.message.size;
        if !self.ended && self.chunk.is_none() && unfinished {
            // Between chunks there is nothing to end: an empty chunk carries the flag.
            self.begin_chunk(b"");
        }
        self.fail(SendFailure::Aborted);
    }

    /// A frame of the peer for this session: the SEND that binds, responses, reports. Octets that follow are of no interest.
    pub fn handle_head(&mut self, head: &Head, now: Timestamp) {
        match head.kind {
            Kind::Response { .. } => {
                self.handle_response(head, now);
            }
            Kind::Report => self.handle_report(head, now),
            Kind::Send => self.handle_send(head),
            Kind::Other(_) => self.answer(head, 501),
        }
    }

    /// The response to one of our chunks; `false` if it is not ours.
    pub fn handle_response(&mut self, head: &Head, now: Timestamp) -> bool {
        let Kind::Response { status, .. } = head.kind else { return false };
        let Some(at) = self.unanswered.iter().position(|chunk| chunk.transaction == head.transaction) else {
            return false;
        };
        self.unanswered.remove(at);
        if (200..300).contains(&status) {
            // A slow peer is still a peer: the others of the window are behind this one on its line.
            let due = now.after(self.settings.response);
            self.unanswered.iter_mut().for_each(|chunk| chunk.due = chunk.due.map(|before| before.max(due)));
            self.settle(now);
        } else {
            self.fail(SendFailure::Status(status));
        }
        true
    }

    /// A report of the peer: octets that are there, or a failure that a response could not tell.
    pub fn handle_report(&mut self, head: &Head, now: Timestamp) {
        let Some(status) = head.status.filter(|status| status.namespace == 0) else { return };
        if head.message_id.as_deref() != Some(self.message.message_id.as_str()) {
            return;
        }
        if !(200..300).contains(&status.code) {
            return self.fail(SendFailure::Status(status.code));
        }
        let range = head.byte_range.unwrap_or(ByteRange::UNKNOWN);
        let end = range.end.unwrap_or(self.message.size).min(self.message.size);
        // Reports with too many gaps count no more: without the whole, the report is late.
        let _ = self.reported.insert(range.position()..end);
        self.settle(now);
    }

    /// Time has come to this moment.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        if self.poll_timeout().is_some_and(|due| due <= now) {
            self.fail(SendFailure::Timeout);
        }
    }

    /// When [`Sender::handle_timeout`] is to be called next.
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        if self.ended {
            return None;
        }
        self.unanswered.iter().filter_map(|chunk| chunk.due).chain(self.report_due).min()
    }

    /// The next octets for the connection. `now` starts the clock of a chunk whose end is among them, so take them only when
    /// the connection can.
    pub fn poll_transmit(&mut self, now: Timestamp) -> Option<Bytes> {
        let piece = self.out.pop_front()?;
        if let Some(ended) = piece.ends {
            let due = now.after(self.settings.response);
            self.unanswered
                .iter_mut()
                .filter(|chunk| chunk.transaction == ended)
                .for_each(|chunk| chunk.due = Some(due));
        }
        self.settle(now);
        Some(piece.octets)
    }

    /// What came of it; each once.
    pub fn poll_event(&mut self) -> Option<SenderEvent> {
        self.events.pop_front()
    }

    /// The peer's SEND binds the session. It may not send anything else: we offered to send only (SNDL-7a).
    fn handle_send(&mut self, head: &Head) {
        if head.fault.is_some() {
            return self.answer(head, 400);
        }
        if head.session_id() != self.own.session_id() {
            return self.answer(head, 481);
        }
        self.answer(head, if head.only_binds() { 200 } else { 403 });
        if !self.bound {
            self.events.push_back(SenderEvent::Bound);
            self.bound();
        }
    }

    /// Answers go between chunks.
    fn answer(&mut self, head: &Head, status: u16) {
        if self.out.len() >= OUT_MAX {
            return;
        }
        if let Some(octets) = print::answer(head, status) {
            self.interrupt();
            self.out.push_back(Piece { octets, ends: None });
        }
    }

    /// Sends a chunk that says where it ends, as one piece.
    fn send_whole(&mut self, octets: &Bytes) {
        let (transaction, _) = chunk::unused(&mut self.ids, octets);
        let end = self.position.saturating_add(length(octets));
        let head = self.head(&transaction, Some(end));
        let flag = if end == self.message.size { Flag::Last } else { Flag::More };
        let end_line = print::end_line(&transaction, flag);
        let frame = [head.as_bytes(), octets, b"\r\n", end_line.as_bytes()].concat();
        self.position = end;
        self.begun = true;
        self.unanswered.push(Unanswered { transaction: transaction.clone(), due: None });
        self.out.push_back(Piece { octets: frame.into(), ends: Some(transaction) });
    }

    /// Sends octets in a chunk that can be interrupted.
    fn send_open(&mut self, mut octets: Bytes) {
        while !octets.is_empty() {
            if self.chunk.is_none() {
                self.begin_chunk(&octets);
            }
            let Some(chunk) = self.chunk.as_mut() else { return };
            let part = octets.split_to(chunk.room(&octets));
            if !part.is_empty() {
                chunk.add(&part);
                self.position = self.position.saturating_add(length(&part));
                self.out.push_back(Piece { octets: part, ends: None });
            }
            if !octets.is_empty() {
                self.end_chunk(Flag::More);
            }
        }
        if self.position == self.message.size {
            self.end_chunk(Flag::Last);
        } else if self.chunk.as_ref().is_some_and(|chunk| chunk.len >= self.settings.chunk_bytes_max) {
            self.end_chunk(Flag::More);
        }
    }

    fn begin_chunk(&mut self, first: &[u8]) {
        let chunk = Chunk::new(&mut self.ids, first);
        let head = self.head(&chunk.transaction, None);
        self.begun = true;
        self.unanswered.push(Unanswered { transaction: chunk.transaction.clone(), due: None });
        self.out.push_back(Piece { octets: head.into(), ends: None });
        self.chunk = Some(chunk);
    }

    fn end_chunk(&mut self, flag: Flag) {
        if let Some(Chunk { transaction, .. }) = self.chunk.take() {
            let octets = format!("\r\n{}", print::end_line(&transaction, flag)).into();
            self.out.push_back(Piece { octets, ends: Some(transaction) });
        }
    }

    /// The head of the chunk at the current position.
    fn head(&self, transaction: &str, end: Option<u64>) -> String {
        let (start, total) = (self.position.saturating_add(1), Some(self.message.size));
        print::send_head(&SendHead {
            transaction,
            to: &self.peer,
            from: &self.own,
            message_id: &self.message.message_id,
            success_report: Some(self.message.success_report),
            range: ByteRange { start, end, total },
            content_disposition: self.message.content_disposition.as_deref(),
            content_type: Some(&self.message.content_type),
        })
    }

    /// Whether everything went and was answered.
    fn settle(&mut self, now: Timestamp) {
        let all = self.begun && self.position == self.message.size && self.chunk.is_none() && self.out.is_empty();
        if self.ended || !all || !self.unanswered.is_empty() {
            return;
        }
        if !self.message.success_report || self.reported.is_whole(self.message.size) {
            self.ended = true;
            self.events.push_back(SenderEvent::Transferred);
        } else if self.report_due.is_none() {
            self.report_due = Some(now.after(self.settings.response));
        }
    }

    /// Ends the transfer, and the chunk that is open, because others share the connection.
    fn fail(&mut self, failure: SendFailure) {
        self.end_chunk(Flag::Aborted);
        if !self.ended {
            self.ended = true;
            self.gathered = Vec::new();
            self.events.push_back(SenderEvent::Failed(failure));
        }
    }

    /// Octets that were given so far.
    fn given(&self) -> u64 {
        self.position.saturating_add(length(&self.gathered))
    }
}

fn length(octets: &[u8]) -> u64 {
    u64::try_from(octets.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
