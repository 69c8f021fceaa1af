//! Framing on TCP: octets in, as they arrive; whole messages and keep-alives out.

use super::message::Message;
use super::read::{Fault, Head, Limits, ReadError};
use bytes::{Buf as _, BytesMut};
use memchr::memchr;

/// What a stream carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    Message(Message),
    /// The keep-alive CRLF CRLF; answered with one CRLF (RFC 5626 section 4.4.1).
    Ping,
}

/// The reading half of one connection. It holds at most one message of the allowed size and what was pushed since the last
/// call of [`Stream::next`], so call `next` until it gives `None` after every push.
pub struct Stream {
    limits: Limits,
    buffer: BytesMut,
    /// How much of the buffer was already searched for the end of the headers.
    searched: usize,
    /// Headers that wait for the rest of their body.
    head: Option<Box<Head>>,
    lost: bool,
}

impl Stream {
    /// An empty stream.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, buffer: BytesMut::new(), searched: 0, head: None, lost: false }
    }

    /// Takes in what the connection gave; nothing any more after a fatal error.
    pub fn push(&mut self, octets: &[u8]) {
        if !self.lost {
            self.buffer.extend_from_slice(octets);
        }
    }

    /// Octets held.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// Whether a message has begun and is not complete: a peer that stays in this state is slow or hostile.
    #[must_use]
    pub fn is_midway(&self) -> bool {
        self.head.is_some() || !self.buffer.is_empty()
    }

    /// The next frame; `None` when more octets are needed. The frames do not depend on how the octets were split.
    ///
    /// # Errors
    /// [`ReadError`] for a message that cannot be taken. After one that [is fatal](ReadError::is_fatal) the stream gives
    /// nothing any more; after any other it goes on with the next message.
    #[expect(
        clippy::should_implement_trait,
        reason = "an iterator would end at None, a stream goes on after the next push"
    )]
    pub fn next(&mut self) -> Result<Option<Frame>, ReadError> {
        if self.lost {
            return Ok(None);
        }
        if self.head.is_none() {
            if self.skip_line_ends() {
                return Ok(Some(Frame::Ping));
            }
            let Some(end) = self.head_end() else { return Ok(None) };
            let mut head = Head::read(&self.buffer.split_to(end).freeze(), &self.limits);
            self.searched = 0;
            match head.content_length {
                None => head.blame(Fault::NoContentLength),
                Some(length) if length > self.limits.body_bytes => head.blame(Fault::BodyTooLong),
                Some(_) => {}
            }
            if head.is_unframed() {
                self.lost = true;
                self.buffer = BytesMut::new();
                return Err(head
                    .finish(bytes::Bytes::new())
                    .err()
                    .unwrap_or(ReadError::new(Fault::StartLine))
                    .into_fatal());
            }
            self.head = Some(Box::new(head));
        }
        let length = self.head.as_ref().and_then(|head| head.content_length).unwrap_or_default();
        if self.buffer.len() < length {
            return Ok(None);
        }
        let Some(head) = self.head.take() else { return Ok(None) };
        let body = self.buffer.split_to(length).freeze();
        head.finish(body).map(|message| Some(Frame::Message(message)))
    }

    /// Skips line ends between messages (RFC 3261 section 7.5); true for a keep-alive among them.
    fn skip_line_ends(&mut self) -> bool {
        loop {
            let skip = match self.buffer.as_ref() {
                [b'\r', b'\n', b'\r', b'\n', ..] => {
                    self.buffer.advance(4);
                    return true;
                }
                // Not enough to tell a keep-alive from a stray line end.
                [b'\r', b'\n'] | [b'\r', b'\n', b'\r'] => return false,
                [b'\r', b'\n', ..] => 2,
                [b'\n', ..] => 1,
                _ => return false,
            };
            self.buffer.advance(skip);
        }
    }

    /// How many octets to read as headers: up to the empty line, or all that is allowed when it does not come.
    fn head_end(&mut self) -> Option<usize> {
        let limit = self.limits.header_bytes;
        let scope = self.buffer.get(..limit).unwrap_or(&self.buffer);
        if scope.first() == Some(&b'\r') && scope.len() < 4 {
            return None;
        }
        let mut at = self.searched;
        while let Some(found) = scope.get(at..).and_then(|rest| memchr(b'\n', rest)) {
            let feed = at + found;
            match scope.get(feed + 1..).unwrap_or_default() {
                [b'\n', ..] => return Some(feed + 2),
                [b'\r', b'\n', ..] => return Some(feed + 3),
                [] | [b'\r'] => {
                    self.searched = feed;
                    return self.over_limit();
                }
                _ => at = feed + 1,
            }
        }
        self.searched = scope.len();
        self.over_limit()
    }

    /// One octet more than allowed shows the reader that the headers are too long.
    fn over_limit(&self) -> Option<usize> {
        (self.buffer.len() > self.limits.header_bytes).then_some(self.limits.header_bytes + 1)
    }
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
