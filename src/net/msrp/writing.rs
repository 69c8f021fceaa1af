//! The writing half of a connection: answers first, then the messages in turn; it reads no source faster than the peer reads.

use super::Source;
use super::counters::Direction;
use super::error::TransferError;
use super::link::{Link, State};
use super::seat::Seat;
use crate::msrp::Want;
use crate::types::Timestamp;
use bytes::{Buf as _, Bytes};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::sync::Notify;

/// Octets of a message read and written at a time.
const SLICE: usize = 16 << 10;
/// Pieces given to the system at once.
const PIECES: usize = 16;

pub(super) struct Writing<W> {
    link: Arc<Link>,
    half: W,
    /// Begun, and to be written to its end.
    pending: VecDeque<Bytes>,
    /// Whose frame may be open.
    current: Option<Arc<str>>,
    /// Octets it had in this turn.
    had: u64,
}

/// What to do next.
enum Step {
    Write,
    Read(Reads),
    Wait,
}

/// A source that is to be read.
struct Reads {
    id: Arc<str>,
    source: Box<dyn Source>,
    want: Want,
    cancel: Arc<Notify>,
}

impl<W: AsyncWrite + Unpin> Writing<W> {
    pub(super) fn new(link: Arc<Link>, half: W) -> Self {
        Self { link, half, pending: VecDeque::new(), current: None, had: 0 }
    }

    /// Writes until the connection breaks.
    pub(super) async fn run(&mut self) -> io::Error {
        loop {
            let done = match self.next() {
                Step::Write => self.write().await,
                Step::Read(reads) => self.read(reads).await,
                Step::Wait => {
                    self.link.to_write.notified().await;
                    Ok(())
                }
            };
            if let Err(error) = done {
                return error;
            }
        }
    }

    /// What still goes out before the end: answers and reports, but nothing new of any message.
    pub(super) fn last_words(&mut self) {
        let link = Arc::clone(&self.link);
        self.answers(&mut link.state(), link.now());
    }

    /// Writes what was begun, and tells the peer that this was all.
    pub(super) async fn close(&mut self) -> io::Result<()> {
        self.write().await?;
        self.half.shutdown().await
    }

    fn next(&mut self) -> Step {
        let link = Arc::clone(&self.link);
        let now = link.now();
        let mut state = link.state();
        if state.has_answers() {
            self.answers(&mut state, now);
            return Step::Write;
        }
        // Each gives a step, or sleeps and is not among them any more.
        while let Some(id) = self.current.take().or_else(|| state.turns.pop_front()) {
            match self.turn(&mut state, id, now) {
                Step::Wait => {}
                step => return step,
            }
        }
        Step::Wait
    }

    /// Answers and reports go between the frames of messages: a frame that is open is ended with `+`.
    fn answers(&mut self, state: &mut State, now: Timestamp) {
        if let Some(id) = &self.current
            && let Some(outward) = state.seats.get_mut(id).and_then(Seat::outward)
        {
            outward.sender.interrupt();
            while let Some(octets) = outward.sender.poll_transmit(now) {
                self.pending.push_back(octets);
            }
            self.link.look_after(state, id);
        }
        self.link.take_outbox(state, &mut self.pending);
    }

    /// The turn of one message.
    fn turn(&mut self, state: &mut State, id: Arc<str>, now: Timestamp) -> Step {
        let chunk = self.link.shared.settings.sender.chunk_bytes_max;
        let is_over = self.had >= chunk && !state.turns.is_empty();
        let Some(outward) = state.seats.get_mut(&id).and_then(Seat::outward) else { return Step::Wait };
        outward.queued = true;
        if is_over {
            outward.sender.interrupt();
        }
        while let Some(octets) = outward.sender.poll_transmit(now) {
            self.pending.push_back(octets);
        }
        if outward.leaving.is_some() {
            self.link.vacate(state, &id);
        } else if self.link.look_after(state, &id) {
            return self.go_on(state, id, is_over);
        }
        self.had = 0;
        self.step()
    }

    /// The rest of a turn: what was made is written, or a slice is read, or the message sleeps until its peer answers.
    fn go_on(&mut self, state: &mut State, id: Arc<str>, is_over: bool) -> Step {
        let Some(seat) = state.seats.get_mut(&id) else { return self.step() };
        let cancel = Arc::clone(&seat.cancel);
        let Some(outward) = seat.outward() else { return self.step() };
        if is_over || outward.leaving.is_some() {
            self.had = 0;
            state.turns.push_back(id);
            return self.step();
        }
        if !self.pending.is_empty() {
            self.current = Some(id);
            return Step::Write;
        }
        let Some(want) = outward.sender.wants() else {
            outward.queued = false;
            self.had = 0;
            return Step::Wait;
        };
        let Some(source) = outward.source.take() else { return Step::Wait };
        self.current = Some(Arc::clone(&id));
        Step::Read(Reads { id, source, want, cancel })
    }

    fn step(&self) -> Step {
        if self.pending.is_empty() { Step::Wait } else { Step::Write }
    }

    /// Reads a slice of a message. Answers need not wait for that.
    async fn read(&mut self, reads: Reads) -> io::Result<()> {
        let Reads { id, mut source, want, cancel } = reads;
        let max = want.max.min(SLICE);
        let link = Arc::clone(&self.link);
        let result = {
            let mut reading = source.read(want.position, max);
            loop {
                tokio::select! {
                    biased;
                    () = cancel.notified() => return Ok(()),
                    result = &mut reading => break result,
                    () = link.to_write.notified() => {
                        let now = link.now();
                        if link.state().has_answers() {
                            self.answers(&mut link.state(), now);
                        }
                        self.write().await?;
                    }
                }
            }
        };
        let mut state = link.state();
        let Some(seat) = state.seats.get_mut(&id) else { return Ok(()) };
        seat.progressed = link.now();
        let Some(outward) = seat.outward() else { return Ok(()) };
        match result {
            Ok(octets) if !octets.is_empty() && octets.len() <= max => {
                self.had = self.had.saturating_add(octets.len() as u64);
                link.shared.counters.octets(Direction::Out, octets.len() as u64);
                outward.sender.give(octets);
                outward.source = Some(source);
            }
            Ok(_) | Err(_) => link.conclude(&mut state, &id, Err(TransferError::Source)),
        }
        Ok(())
    }

    /// Writes all that is pending; every octet that goes is progress of the message at hand.
    async fn write(&mut self) -> io::Result<()> {
        while !self.pending.is_empty() {
            let written = {
                let mut slices = [IoSlice::new(&[]); PIECES];
                for (slice, piece) in slices.iter_mut().zip(&self.pending) {
                    *slice = IoSlice::new(piece);
                }
                let count = self.pending.len().min(PIECES);
                let (half, slices) = (&mut self.half, slices.get(..count).unwrap_or_default());
                poll_fn(|context| Pin::new(&mut *half).poll_write_vectored(context, slices)).await?
            };
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.advance(written);
            if let Some(id) = &self.current {
                self.link.progress(id);
            }
        }
        self.half.flush().await
    }

    fn advance(&mut self, mut written: usize) {
        while let Some(first) = self.pending.front_mut() {
            if written < first.len() {
                first.advance(written);
                return;
            }
            written -= first.len();
            self.pending.pop_front();
        }
    }
}
