//! One session in which a message comes: tells what to write where, and what to answer when.

use super::head::{Flag, Head, Kind};
use super::ids::TransactionIds;
use super::print::{self, SendHead};
use super::range::ByteRange;
use super::uri::{MsrpUri, Path};
use bytes::Bytes;
use message::{Chunk, Message, Progress};
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

mod message;

/// Most chunks whose answer waits until the message is kept. There is one; a peer that sends again gets no answer beyond.
const WAITING_MAX: usize = 16;

/// What a receiver takes.
#[derive(Clone, Debug)]
pub struct ReceiverSettings {
    /// Longest message, octets; longer ones are answered 413.
    pub message_bytes_max: u64,
    /// Most pieces with gaps between them that are kept account of; more are answered 413.
    pub ranges_max: usize,
    /// Media types without parameters, in any case (`message/cpim`); `*` takes all.
    pub accept: Arc<[String]>,
}

/// A message that is there as a whole.
#[derive(Clone, PartialEq, Eq)]
pub struct Finished {
    /// Octets.
    pub size: u64,
    pub message_id: String,
    /// As the first chunk had it (DEF-2c-ii).
    pub success_report: Option<String>,
    pub failure_report: Option<String>,
    pub content_type: String,
    pub content_disposition: Option<String>,
}

/// A disposition may name a file of somebody's.
impl fmt::Debug for Finished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Finished")
            .field("size", &self.size)
            .field("message_id", &self.message_id)
            .finish_non_exhaustive()
    }
}

/// Why a message does not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiveFailure {
    /// We refused it with this status.
    Refused(u16),
    /// It is longer than `message_bytes_max` (413).
    TooLarge,
    /// It came in more than `ranges_max` pieces (413).
    TooManyRanges,
    /// The peer gave it up (`#`).
    Aborted,
    /// The peer refused the SEND with which we bound the connection.
    Bind(u16),
}

impl ReceiveFailure {
    /// The status of our refusal; that of chunks which come after an abort is the same as for any that shall stop.
    pub const fn status(self) -> u16 {
        match self {
            Self::Refused(status) => status,
            Self::TooLarge | Self::TooManyRanges | Self::Aborted => 413,
            Self::Bind(_) => 481,
        }
    }
}

/// What is to be done, in this order.
#[derive(Clone, PartialEq, Eq)]
pub enum ReceiverEvent {
    /// The first SEND of the peer for this session was seen.
    Bound,
    /// Octets of the message, the first at this position, from 0. A failure is told with [`Receiver::refuse`].
    Write { position: u64, octets: Bytes },
    /// The last octet is written. Say with [`Receiver::completed`] whether the message is kept.
    Complete(Box<Finished>),
    /// To the connection.
    Transmit(Bytes),
    /// No message comes of this any more. What the peer still sends is to be given in, so that it is answered.
    Failed(ReceiveFailure),
}

impl fmt::Debug for ReceiverEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bound => f.write_str("Bound"),
            Self::Write { position, octets } => write!(f, "Write({position}, {})", octets.len()),
            Self::Complete(done) => write!(f, "Complete({})", done.size),
            Self::Transmit(octets) => write!(f, "Transmit({})", octets.len()),
            Self::Failed(failure) => write!(f, "Failed({failure:?})"),
        }
    }
}

/// One session in which one message comes. After every call take all events, before anything else is given in.
pub struct Receiver {
    settings: ReceiverSettings,
    own: MsrpUri,
    peer: Path,
    ids: TransactionIds,
    /// The transaction of the SEND with which we bind.
    binding: Option<String>,
    bound: bool,
    message: Option<Message>,
    stage: Stage,
    frame: Frame,
    /// Answers that wait until the message is kept.
    waiting: Vec<Head>,
    events: VecDeque<ReceiverEvent>,
}

/// How far the message is.
#[derive(Clone, Copy)]
enum Stage {
    Open,
    /// It is there as a whole, and being kept.
    Finishing,
    /// Every further chunk of it is answered with this.
    Done(u16),
}

/// The frame whose octets come.
enum Frame {
    /// It was answered, or wants no answer.
    Ignored,
    /// A SEND without any octets so far.
    Fresh(Box<Head>),
    Chunk(Chunk),
    /// Of a message that is there already.
    Again(Box<Head>),
}

impl Receiver {
    /// `own` is our URI, `peer` the path from the peer's session description.
    pub fn new(settings: ReceiverSettings, own: MsrpUri, peer: Path, ids: TransactionIds) -> Self {
        Self {
            settings,
            own,
            peer,
            ids,
            binding: None,
            bound: false,
            message: None,
            stage: Stage::Open,
            frame: Frame::Ignored,
            waiting: Vec::new(),
            events: VecDeque::new(),
        }
    }

    /// Binds the connection that we opened: an empty SEND (RFC 4975 section 5.4).
    pub fn bind(&mut self) {
        let (transaction, message_id) = (self.ids.next(), self.ids.next());
        let mut frame = print::send_head(&SendHead {
            transaction: &transaction,
            to: &self.peer,
            from: &self.own,
            message_id: &message_id,
            success_report: None,
            range: ByteRange { start: 1, end: Some(0), total: Some(0) },
            content_disposition: None,
            content_type: None,
        });
        frame.push_str(&print::end_line(&transaction, Flag::Last));
        self.events.push_back(ReceiverEvent::Transmit(frame.into()));
        self.binding = Some(transaction);
    }

    /// The head of a frame for this session.
    pub fn handle_head(&mut self, head: Head) {
        self.frame = Frame::Ignored;
        match head.kind {
            Kind::Send => self.handle_send(Box::new(head)),
            Kind::Other(_) => self.answer(&head, 501),
            Kind::Response { status, .. } => self.handle_response(&head.transaction, status),
            // We send nothing that could be reported on.
            Kind::Report => {}
        }
    }

    /// Octets of the frame whose head came last.
    pub fn handle_data(&mut self, octets: Bytes) {
        if octets.is_empty() {
            return;
        }
        match std::mem::replace(&mut self.frame, Frame::Ignored) {
            Frame::Ignored => {}
            Frame::Fresh(head) => {
                self.admit(head);
                self.handle_data_of_chunk(octets);
            }
            frame => {
                self.frame = frame;
                self.handle_data_of_chunk(octets);
            }
        }
    }

    /// The end of the frame whose head came last.
    pub fn handle_end(&mut self, flag: Flag) {
        match std::mem::replace(&mut self.frame, Frame::Ignored) {
            Frame::Ignored => {}
            // Without octets it is a chunk of the message that we have, or binds the connection and no more.
            Frame::Fresh(head) if self.is_of_message(&head) && head.has_body => {
                self.admit(head);
                self.end_chunk(flag);
            }
            Frame::Fresh(head) => self.answer(&head, 200),
            frame => {
                self.frame = frame;
                self.end_chunk(flag);
            }
        }
    }

    /// What was announced with [`ReceiverEvent::Complete`] is kept, or refused with this status.
    pub fn completed(&mut self, kept: Result<(), u16>) {
        if !matches!(self.stage, Stage::Finishing) {
            return;
        }
        let status = kept.err().unwrap_or(200);
        self.stage = Stage::Done(status);
        let waiting = std::mem::take(&mut self.waiting);
        for head in &waiting {
            self.answer(head, status);
        }
        match kept {
            Ok(()) => self.report(waiting.first()),
            Err(status) => self.events.push_back(ReceiverEvent::Failed(ReceiveFailure::Refused(status))),
        }
    }

    /// Octets could not be written: the chunk, and all that follow, are refused with this status, at once.
    pub fn refuse(&mut self, status: u16) {
        self.events.clear();
        let waiting = std::mem::take(&mut self.waiting);
        for head in &waiting {
            self.answer(head, status);
        }
        match std::mem::replace(&mut self.frame, Frame::Ignored) {
            Frame::Chunk(chunk) => self.answer(&chunk.head, status),
            Frame::Fresh(head) | Frame::Again(head) => self.answer(&head, status),
            Frame::Ignored => {}
        }
        self.fail(ReceiveFailure::Refused(status));
    }

    /// What to do next.
    pub fn poll_event(&mut self) -> Option<ReceiverEvent> {
        self.events.pop_front()
    }

    fn handle_send(&mut self, head: Box<Head>) {
        if head.fault.is_some() {
            return self.answer(&head, 400);
        }
        if head.session_id() != self.own.session_id() {
            return self.answer(&head, 481);
        }
        if !self.bound {
            self.bound = true;
            self.events.push_back(ReceiverEvent::Bound);
        }
        match self.stage {
            // At once, so that the peer stops; what still comes of the chunk is ignored.
            Stage::Done(status) if status != 200 && !head.only_binds() => self.answer(&head, status),
            _ => self.frame = Frame::Fresh(head),
        }
    }

    /// The peer refused what we bound the connection with: nothing will come.
    fn handle_response(&mut self, transaction: &str, status: u16) {
        if self.binding.as_deref() == Some(transaction) {
            self.binding = None;
            if !(200..300).contains(&status) {
                self.fail(ReceiveFailure::Bind(status));
            }
        }
    }

    /// The first octets of a SEND came, or an empty one belongs to the message: is it taken?
    fn admit(&mut self, head: Box<Head>) {
        if head.message_id.is_none() || head.content_type.is_none() {
            return self.answer(&head, 400);
        }
        // One message comes in a session.
        if self.message.is_some() && !self.is_of_message(&head) {
            return self.answer(&head, 403);
        }
        if !matches!(self.stage, Stage::Open) {
            self.frame = Frame::Again(head);
            return;
        }
        let accepted = self.accepts(&head);
        let settings = &self.settings;
        let message = self.message.get_or_insert_with(|| Message::new(&head, settings));
        if !accepted {
            self.answer(&head, 415);
            return self.fail(ReceiveFailure::Refused(415));
        }
        match message.begin(head) {
            Ok(chunk) => self.frame = Frame::Chunk(chunk),
            Err((head, failure)) => {
                self.answer(&head, failure.status());
                self.fail(failure);
            }
        }
    }

    fn handle_data_of_chunk(&mut self, octets: Bytes) {
        let (Frame::Chunk(chunk), Some(message)) = (&mut self.frame, self.message.as_mut()) else { return };
        match message.take(chunk, octets.len()) {
            Ok(position) => self.events.push_back(ReceiverEvent::Write { position, octets }),
            Err(failure) => self.end_badly(failure),
        }
    }

    fn end_chunk(&mut self, flag: Flag) {
        match std::mem::replace(&mut self.frame, Frame::Ignored) {
            Frame::Chunk(chunk) => {
                let Some(message) = self.message.as_mut() else { return };
                let progress = message.end(&chunk, flag);
                self.end_with(chunk, progress);
            }
            Frame::Again(head) => match self.stage {
                Stage::Done(status) => self.answer(&head, status),
                _ if self.waiting.len() < WAITING_MAX => self.waiting.push(*head),
                _ => {}
            },
            Frame::Fresh(_) | Frame::Ignored => {}
        }
    }

    fn end_with(&mut self, chunk: Chunk, progress: Result<Progress, ReceiveFailure>) {
        match progress {
            Ok(Progress::Going) => self.answer(&chunk.head, 200),
            Ok(Progress::Whole(finished)) => {
                self.stage = Stage::Finishing;
                self.waiting.push(*chunk.head);
                self.events.push_back(ReceiverEvent::Complete(finished));
            }
            Ok(Progress::Aborted) => {
                self.answer(&chunk.head, 200);
                self.fail(ReceiveFailure::Aborted);
            }
            Err(failure) => {
                self.frame = Frame::Chunk(chunk);
                self.end_badly(failure);
            }
        }
    }

    /// Refuses the chunk that comes, and with it the message.
    fn end_badly(&mut self, failure: ReceiveFailure) {
        if let Frame::Chunk(chunk) = std::mem::replace(&mut self.frame, Frame::Ignored) {
            self.answer(&chunk.head, failure.status());
        }
        self.fail(failure);
    }

    fn fail(&mut self, failure: ReceiveFailure) {
        if !matches!(self.stage, Stage::Done(_)) {
            self.stage = Stage::Done(failure.status());
            self.events.push_back(ReceiverEvent::Failed(failure));
        }
    }

    fn answer(&mut self, head: &Head, status: u16) {
        self.events.extend(print::answer(head, status).map(ReceiverEvent::Transmit));
    }

    /// Reports the whole message, if that was asked for.
    fn report(&mut self, completing: Option<&Head>) {
        let (Some(message), Some(head)) = (&self.message, completing) else { return };
        if message.success_report == Some(true) || head.success_report == Some(true) {
            let transaction = self.ids.next();
            let report = print::success_report(&transaction, head, &message.id, message.size());
            self.events.extend(report.map(ReceiverEvent::Transmit));
        }
    }

    fn is_of_message(&self, head: &Head) -> bool {
        let message = self.message.as_ref();
        message.is_some_and(|message| head.message_id.as_deref() == Some(message.id.as_str()))
    }

    fn accepts(&self, head: &Head) -> bool {
        let named = head.content_type.as_deref().unwrap_or_default();
        let media_type = named.split(';').next().unwrap_or_default().trim();
        self.settings.accept.iter().any(|accepted| accepted == "*" || accepted.eq_ignore_ascii_case(media_type))
    }
}

#[cfg(test)]
mod tests;
