//! The reading half of a connection: frames in, each to its session; it waits where a session waits.

use super::counters::{Direction, Limit, Stray};
use super::error::{Refusal, TransferError};
use super::link::Link;
use super::seat::{Incoming, Side};
use super::table::Claim;
use crate::msrp::{Event, Finished, Flag, Head, Kind, Reader, ReceiveFailure, ReceiverEvent, answer};
use bytes::{Bytes, BytesMut};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::sync::Notify;
use tokio::time::timeout_at;

/// Octets read at a time.
const READ: usize = 16 << 10;

/// Why nothing more is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The peer closed, or the connection broke.
    Closed,
    /// What came is no MSRP.
    Garbage,
}

pub(super) struct Reading<R> {
    link: Arc<Link>,
    half: R,
    reader: Reader,
    frame: Frame,
}

/// To whom the octets of the frame at hand go.
enum Frame {
    To(Arc<str>),
    /// To nobody.
    Skipped,
}

/// What became of octets or of a whole message.
enum Fate {
    GoesOn,
    Ended(Result<(), TransferError>),
    /// The seat was taken away meanwhile.
    Gone,
}

impl<R: AsyncRead + Unpin> Reading<R> {
    pub(super) fn new(link: Arc<Link>, half: R) -> Self {
        Self { link, half, reader: Reader::new(), frame: Frame::Skipped }
    }

    /// Reads until there is no more.
    pub(super) async fn run(&mut self) -> End {
        let mut buffer = BytesMut::new();
        loop {
            buffer.reserve(READ);
            match self.half.read_buf(&mut buffer).await {
                Ok(0) | Err(_) => return End::Closed,
                Ok(_) => self.reader.push(buffer.split().freeze()),
            }
            loop {
                match self.reader.next() {
                    Ok(Some(event)) => self.take(event).await,
                    Ok(None) => break,
                    Err(_) => {
                        self.link.shared.counters.stray(Stray::Garbage);
                        return End::Garbage;
                    }
                }
            }
        }
    }

    async fn take(&mut self, event: Event) {
        match event {
            Event::Head(head) => self.frame = self.head(*head).await,
            Event::Data(octets) => {
                if let Frame::To(id) = &self.frame {
                    let id = Arc::clone(id);
                    self.receive(&id, |incoming| incoming.receiver.handle_data(octets)).await;
                }
            }
            Event::End(flag) => {
                if let Frame::To(id) = std::mem::replace(&mut self.frame, Frame::Skipped) {
                    self.end(&id, flag).await;
                }
            }
        }
    }

    async fn end(&mut self, id: &Arc<str>, flag: Flag) {
        self.receive(id, |incoming| incoming.receiver.handle_end(flag)).await;
    }

    /// Finds the session of a frame; a request for none that may be here is refused.
    async fn head(&mut self, head: Head) -> Frame {
        let Some(id) = head.session_id().map(Arc::<str>::from) else {
            self.refuse(&head, 481).await;
            return Frame::Skipped;
        };
        let is_ours = self.link.state().seats.contains_key(&id);
        if !is_ours {
            // An answer that nobody waits for any more.
            if matches!(head.kind, Kind::Response { .. } | Kind::Report) {
                return Frame::Skipped;
            }
            if let Err(status) = self.claim(&id).await {
                self.refuse(&head, status).await;
                return Frame::Skipped;
            }
        }
        let goes = {
            let now = self.link.now();
            let mut state = self.link.state();
            match state.seats.get_mut(&id).map(|seat| (&mut seat.side, &mut seat.progressed)) {
                Some((Side::Out(outward), progressed)) => {
                    outward.sender.handle_head(&head, now);
                    *progressed = now;
                    self.link.look_after(&mut state, &id);
                    true
                }
                Some((Side::In(_), _)) | None => false,
            }
        };
        if goes {
            return Frame::Skipped;
        }
        self.receive(&id, |incoming| incoming.receiver.handle_head(head)).await;
        Frame::To(id)
    }

    async fn refuse(&self, head: &Head, status: u16) {
        if let Some(octets) = answer(head, status) {
            self.link.answer(octets).await;
        }
    }

    /// Binds a session to this connection (RFC 4975 section 5.4). One whose purpose is not known yet is waited for, and
    /// nothing more is read in that time.
    async fn claim(&self, id: &str) -> Result<(), u16> {
        let shared = &self.link.shared;
        let end = tokio::time::Instant::now() + shared.settings.bind;
        loop {
            let news = match shared.table.claim(id, &self.link) {
                Claim::Seated => return Ok(()),
                Claim::Refused(status) => return Err(status),
                Claim::Later(news) => news,
            };
            if timeout_at(end, news.notified()).await.is_err() {
                shared.counters.stray(Stray::UnknownSession);
                return Err(481);
            }
        }
    }

    /// Gives something to the receiver of a session, and does what it says.
    async fn receive(&self, id: &Arc<str>, give: impl FnOnce(&mut Incoming)) {
        let (mut incoming, cancel) = {
            let now = self.link.now();
            let mut state = self.link.state();
            let Some(seat) = state.seats.get_mut(id) else { return };
            seat.progressed = now;
            let Side::In(incoming) = &mut seat.side else { return };
            let Some(incoming) = incoming.take() else { return };
            (incoming, Arc::clone(&seat.cancel))
        };
        give(&mut incoming);
        let mut ended = None;
        while let Some(event) = incoming.receiver.poll_event() {
            let fate = match event {
                ReceiverEvent::Bound => Fate::GoesOn,
                ReceiverEvent::Transmit(octets) => {
                    self.link.answer(octets).await;
                    Fate::GoesOn
                }
                ReceiverEvent::Write { position, octets } => self.write(&mut incoming, &cancel, position, octets).await,
                ReceiverEvent::Complete(done) => {
                    let (back, fate) = self.finish(id, incoming, *done).await;
                    let Some(back) = back else { return };
                    incoming = back;
                    fate
                }
                ReceiverEvent::Failed(failure) => {
                    let limit = match failure {
                        ReceiveFailure::TooLarge => Some(Limit::MessageBytes),
                        ReceiveFailure::TooManyRanges => Some(Limit::Ranges),
                        _ => None,
                    };
                    if let Some(limit) = limit {
                        self.link.shared.counters.limit_hit(limit);
                    }
                    Fate::Ended(Err(failure.into()))
                }
            };
            match fate {
                Fate::GoesOn => {}
                Fate::Ended(result) => {
                    ended.get_or_insert(result);
                }
                Fate::Gone => return,
            }
        }
        self.put_back(id, incoming, ended);
    }

    fn put_back(&self, id: &Arc<str>, back: Box<Incoming>, ended: Option<Result<(), TransferError>>) {
        let now = self.link.now();
        let mut state = self.link.state();
        let Some(seat) = state.seats.get_mut(id) else { return };
        seat.progressed = now;
        if let Side::In(incoming) = &mut seat.side {
            *incoming = Some(back);
        }
        if let Some(result) = ended {
            self.link.conclude(&mut state, id, result);
        }
    }

    async fn write(&self, incoming: &mut Incoming, cancel: &Notify, position: u64, octets: Bytes) -> Fate {
        let length = octets.len() as u64;
        let written = tokio::select! {
            biased;
            () = cancel.notified() => return Fate::Gone,
            written = incoming.sink.write(position, octets) => written,
        };
        match written {
            Ok(()) => {
                self.link.shared.counters.octets(Direction::In, length);
                Fate::GoesOn
            }
            Err(Refusal { status }) => {
                incoming.receiver.refuse(status);
                Fate::Ended(Err(TransferError::Refused(status)))
            }
        }
    }

    /// Once begun this runs to its end, even if the connection breaks: the message may be kept by then, and who waits for the
    /// transfer is to know.
    async fn finish(
        &self,
        id: &Arc<str>,
        mut incoming: Box<Incoming>,
        done: Finished,
    ) -> (Option<Box<Incoming>>, Fate) {
        let tell = self.link.state().seats.get_mut(id).and_then(|seat| seat.done.take());
        let Some(tell) = tell else { return (None, Fate::Gone) };
        let finishing = tokio::spawn(async move {
            let result = incoming.sink.finish(done).await;
            tell.send(result.map_err(|Refusal { status }| TransferError::Refused(status))).ok();
            (incoming, result)
        });
        // It fails only if the runtime ends.
        let Ok((mut incoming, result)) = finishing.await else { return (None, Fate::Gone) };
        incoming.receiver.completed(result.map_err(|Refusal { status }| status));
        (Some(incoming), Fate::Ended(result.map_err(|Refusal { status }| TransferError::Refused(status))))
    }
}
