//! Framing: octets in, as they arrive; heads, data and ends out.

use super::boundary::{Boundary, Found, end_line_flag};
use super::draft::Draft;
use super::head::{Flag, Head};
use bytes::{Buf as _, Bytes};
use memchr::memchr;
use std::fmt;
use thiserror::Error;

/// Longest start line and headers of one frame, octets.
pub const HEAD_BYTES_MAX: usize = 8 << 10;

/// How every frame begins.
const START: &[u8] = b"MSRP ";

/// What the octets of a connection say, in the order of the wire: a head, any number of data, an end.
#[derive(Clone, PartialEq, Eq)]
pub enum Event {
    Head(Box<Head>),
    /// Some of the octets of the frame; never empty.
    Data(Bytes),
    End(Flag),
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Head(head) => head.fmt(f),
            Self::Data(octets) => write!(f, "Data({})", octets.len()),
            Self::End(flag) => write!(f, "End({flag:?})"),
        }
    }
}

/// Why nothing more can be read from this connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ReadError {
    #[error("the peer does not speak MSRP: a frame begins with something else")]
    StartLine,
    #[error("a header of a frame does not end with CRLF")]
    LineEnd,
    #[error("start line and headers of a frame are longer than {HEAD_BYTES_MAX} octets")]
    HeadTooLong,
    #[error("a frame has no To-Path or From-Path that can be read")]
    Path,
}

/// The reading half of one connection. It holds at most one head and what was pushed last, never the data.
#[derive(Default)]
pub struct Reader {
    /// What was pushed and not read.
    input: Bytes,
    /// The begin of a line, or what may be the begin of the end-line.
    held: Vec<u8>,
    state: State,
}

enum State {
    /// Between frames, or within a head.
    Head { draft: Option<Box<Draft>>, octets: usize },
    /// Within the data. The line end that precedes an end-line is held from the start, though it belongs to the head: so
    /// many octets of what is held are no data.
    Data { boundary: Box<Boundary>, foreign: usize },
    /// The end was found and is to be told.
    End(Flag),
    /// After an error.
    Lost,
}

impl Default for State {
    fn default() -> Self {
        Self::Head { draft: None, octets: 0 }
    }
}

impl Reader {
    /// At the begin of a connection.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in what the connection gave; nothing any more after an error. Call [`Reader::next`] until it gives `None` before
    /// the next push: what is left is copied otherwise.
    pub fn push(&mut self, octets: Bytes) {
        if matches!(self.state, State::Lost) {
            return;
        }
        self.input = if self.input.is_empty() { octets } else { [&self.input[..], &octets[..]].concat().into() };
    }

    /// Octets held.
    pub fn buffered(&self) -> usize {
        self.input.len().saturating_add(self.held.len())
    }

    /// Whether a frame has begun and not ended.
    pub fn is_midway(&self) -> bool {
        match &self.state {
            State::Head { draft, .. } => draft.is_some() || !self.held.is_empty(),
            State::Data { .. } | State::End(_) => true,
            State::Lost => false,
        }
    }

    /// The next event; `None` when more octets are needed. The events do not depend on how the octets were split, but that a
    /// split splits data.
    ///
    /// # Errors
    /// [`ReadError`], after which the connection is of no use: where the next frame begins cannot be told.
    #[expect(
        clippy::should_implement_trait,
        reason = "an iterator would end at None, a reader goes on after the next push"
    )]
    pub fn next(&mut self) -> Result<Option<Event>, ReadError> {
        match std::mem::replace(&mut self.state, State::Lost) {
            State::Head { draft, octets } => {
                let event = self.read_head(draft, octets);
                if event.is_err() {
                    (self.input, self.held) = (Bytes::new(), Vec::new());
                }
                event
            }
            State::Data { boundary, foreign } => Ok(self.read_data(boundary, foreign)),
            State::End(flag) => {
                self.state = State::default();
                Ok(Some(Event::End(flag)))
            }
            State::Lost => Ok(None),
        }
    }

    /// Reads lines until the head is there; a head without a body ends at its end-line.
    fn read_head(&mut self, mut draft: Option<Box<Draft>>, mut octets: usize) -> Result<Option<Event>, ReadError> {
        while self.take_line(octets, draft.is_none())? {
            octets = octets.saturating_add(self.held.len());
            let line = self.held.strip_suffix(b"\r\n").ok_or(ReadError::LineEnd)?;
            match draft.as_mut() {
                // Empty lines between frames keep a connection alive.
                None if line.is_empty() => octets = 0,
                None => draft = Some(Box::new(Draft::new(line)?)),
                Some(begun) => {
                    let flag = end_line_flag(line, begun.transaction());
                    if flag.is_none() && !line.is_empty() {
                        begun.header(line)?;
                    } else if let Some(whole) = draft.take() {
                        return self.finish_head(*whole, flag).map(Some);
                    }
                }
            }
            self.held.clear();
        }
        self.state = State::Head { draft, octets };
        Ok(None)
    }

    /// Takes octets up to a line end, or all there are; false if the line is not yet whole.
    fn take_line(&mut self, before: usize, is_start: bool) -> Result<bool, ReadError> {
        let room = HEAD_BYTES_MAX.saturating_sub(before).saturating_sub(self.held.len());
        let scope = self.input.get(..room).unwrap_or(&self.input);
        let end = memchr(b'\n', scope).map(|feed| feed + 1);
        let part = self.input.split_to(end.unwrap_or(scope.len()));
        self.held.extend_from_slice(&part);
        if is_start && !may_begin(&self.held) {
            return Err(ReadError::StartLine);
        }
        if end.is_none() && !self.input.is_empty() {
            return Err(ReadError::HeadTooLong);
        }
        Ok(end.is_some())
    }

    fn finish_head(&mut self, draft: Draft, flag: Option<Flag>) -> Result<Event, ReadError> {
        let boundary = Box::new(Boundary::new(draft.transaction()));
        let head = draft.finish(flag.is_none())?;
        self.held.clear();
        self.state = if let Some(flag) = flag {
            State::End(flag)
        } else {
            self.held.extend_from_slice(b"\r\n");
            State::Data { boundary, foreign: self.held.len() }
        };
        Ok(Event::Head(Box::new(head)))
    }

    fn read_data(&mut self, boundary: Box<Boundary>, mut foreign: usize) -> Option<Event> {
        loop {
            if self.input.is_empty() {
                self.state = State::Data { boundary, foreign };
                return None;
            }
            let (data, found) = if self.held.is_empty() {
                self.search_input(&boundary)
            } else {
                self.search_held(&boundary, &mut foreign)
            };
            match (data.is_empty(), found) {
                (true, Some(flag)) => {
                    self.state = State::default();
                    return Some(Event::End(flag));
                }
                (true, None) => {}
                (false, found) => {
                    self.state = found.map_or(State::Data { boundary, foreign }, State::End);
                    return Some(Event::Data(data));
                }
            }
        }
    }

    /// What of the input is data; holds back what may be the begin of the end-line.
    fn search_input(&mut self, boundary: &Boundary) -> (Bytes, Option<Flag>) {
        match boundary.search(&self.input) {
            Found::End { at, len, flag } => {
                let data = self.input.split_to(at);
                self.input.advance(len);
                (data, Some(flag))
            }
            Found::Perhaps { at } => {
                let data = self.input.split_to(at);
                self.held.extend_from_slice(&std::mem::take(&mut self.input));
                (data, None)
            }
            Found::Nothing => (std::mem::take(&mut self.input), None),
        }
    }

    /// What of the octets held back is data, now that there are more.
    fn search_held(&mut self, boundary: &Boundary, foreign: &mut usize) -> (Bytes, Option<Flag>) {
        let before = self.held.len();
        let more = self.input.get(..boundary.len()).unwrap_or(&self.input);
        self.held.extend_from_slice(more);
        let (at, flag) = match boundary.search(&self.held) {
            Found::End { at, len, flag } if at < before => {
                self.input.advance((at + len).saturating_sub(before));
                self.held.truncate(at);
                (at, Some(flag))
            }
            // It reaches to the end of what is held, so all of the input is in it.
            Found::Perhaps { at } if at < before => {
                self.input.clear();
                (at, None)
            }
            _ => {
                self.held.truncate(before);
                (before, None)
            }
        };
        let rest = self.held.split_off(at);
        let data = Bytes::copy_from_slice(self.held.get(*foreign..).unwrap_or_default());
        if at > 0 || flag.is_some() {
            *foreign = 0;
        }
        self.held = rest;
        (data, flag)
    }
}

/// Whether a frame, or an empty line between frames, may begin with these octets.
fn may_begin(octets: &[u8]) -> bool {
    let empty_line = b"\r\n".starts_with(octets);
    empty_line || octets.iter().zip(START).all(|(octet, start)| octet == start)
}

#[cfg(test)]
#[path = "reader_tests.rs"]
pub(in crate::msrp) mod tests;
