//! The byte-level reader: one SIP message out of a datagram, or the head of one out of a stream.

use super::message::{Headers, Message, Method, Request, Response};
use super::nameaddr::NameAddr;
use super::names::{Field, known};
use super::via::{Via, is_token};
use bytes::Bytes;
use memchr::memchr;
use std::borrow::Cow;

mod error;

pub use error::{Fault, ReadError};

/// How much of a message the reader takes; the shell fills it from `[sip]` of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest start line and headers together, octets, with the empty line that ends them.
    pub header_bytes: usize,
    /// Most header lines (a folded line counts once).
    pub header_lines: usize,
    /// Longest body, octets.
    pub body_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { header_bytes: 32 << 10, header_lines: 256, body_bytes: 64 << 10 }
    }
}

/// Reads the one message of a datagram (RFC 3261 section 18.3): line ends before it are skipped, octets behind its
/// `Content-Length` are dropped, and without `Content-Length` the body is the rest. Body and header values are slices of
/// `bytes`.
///
/// # Errors
/// [`ReadError`], which carries the request where it can still be answered.
pub fn datagram(bytes: &Bytes, limits: &Limits) -> Result<Message, ReadError> {
    let start = bytes.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
    let bytes = bytes.slice(start..);
    if bytes.is_empty() {
        return Err(ReadError::new(Fault::Empty));
    }
    let mut head = Head::read(&bytes, limits);
    let rest = bytes.slice(head.len.min(bytes.len())..);
    let body = match head.content_length {
        Some(length) if length <= rest.len() => rest.slice(..length),
        Some(_) => {
            head.blame(Fault::Truncated);
            Bytes::new()
        }
        None => rest,
    };
    if body.len() > limits.body_bytes {
        head.blame(Fault::BodyTooLong);
    }
    head.finish(body)
}

/// What the start line says.
enum Start {
    Request { method: Method, uri: String },
    Response { status: u16, reason: String },
}

/// A start line and headers, read as far as they can be, with the first fault found.
pub(super) struct Head {
    start: Option<Start>,
    headers: Headers,
    seen: Seen,
    /// Octets up to and with the empty line.
    len: usize,
    pub(super) content_length: Option<usize>,
    fault: Option<Fault>,
    /// Whether any fault leaves open where the next message of a stream begins.
    unframed: bool,
}

/// The raw values the checks need; the first of each.
#[derive(Default)]
struct Seen {
    via: Option<Bytes>,
    from: Option<Bytes>,
    to: Option<Bytes>,
    call_id: Option<Bytes>,
    cseq: Option<Bytes>,
    max_forwards: Option<Bytes>,
    content_length: Option<Bytes>,
}

/// A line without its line end, and where the next one begins.
struct Line {
    end: usize,
    next: usize,
}

impl Head {
    /// Reads from the first octet of the start line; never fails, faults are noted.
    pub(super) fn read(bytes: &Bytes, limits: &Limits) -> Self {
        let mut head = Self {
            start: None,
            headers: Headers::with_capacity(24),
            seen: Seen::default(),
            len: bytes.len(),
            content_length: None,
            fault: None,
            unframed: false,
        };
        let whole = bytes.len() <= limits.header_bytes;
        let scope = if whole { bytes.clone() } else { bytes.slice(..limits.header_bytes) };
        match line_at(&scope, 0) {
            Some(line) => {
                head.read_start(scope.get(..line.end).unwrap_or_default());
                if head.start.is_some() {
                    head.read_lines(&scope, line.next, limits, whole);
                    head.check();
                }
            }
            None => head.blame(if whole { Fault::StartLine } else { Fault::HeadersTooLong }),
        }
        head
    }

    /// Notes a fault; the first one stays.
    pub(super) fn blame(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
        self.unframed |= fault.is_framing();
    }

    /// Whether the end of the message cannot be told, so that a stream is lost.
    pub(super) const fn is_unframed(&self) -> bool {
        self.unframed
    }

    /// The message, or the fault with the request that can be answered.
    pub(super) fn finish(self, body: Bytes) -> Result<Message, ReadError> {
        let Self { start, headers, seen, fault, .. } = self;
        let answerable = seen.answerable();
        match (start, fault) {
            (Some(Start::Request { method, uri }), None) => {
                Ok(Message::Request(Request { method, uri, headers, body }))
            }
            (Some(Start::Response { status, reason }), None) => {
                Ok(Message::Response(Response { status, reason, headers, body }))
            }
            // Nobody answers an ACK (RFC 3261 section 17.1.1.3).
            (Some(Start::Request { method, uri }), Some(fault)) if answerable && method != Method::Ack => {
                Err(ReadError::answerable(fault, Request { method, uri, headers, body: Bytes::new() }))
            }
            (_, fault) => Err(ReadError::new(fault.unwrap_or(Fault::StartLine))),
        }
    }

    fn read_start(&mut self, line: &[u8]) {
        if line.get(..4).is_some_and(|name| name.eq_ignore_ascii_case(b"SIP/")) {
            return match read_status_line(line) {
                Ok(start) => self.start = Some(start),
                Err(fault) => self.blame(fault),
            };
        }
        let Some(space) = memchr(b' ', line) else { return self.blame(Fault::StartLine) };
        let (method, rest) = line.split_at(space);
        let rest = rest.trim_ascii_end();
        let Some(last) = memchr::memrchr(b' ', rest) else { return self.blame(Fault::StartLine) };
        let (uri, version) = (rest.get(1..last).unwrap_or_default(), rest.get(last + 1..).unwrap_or_default());
        let is_sip = version.get(..4).is_some_and(|name| name.eq_ignore_ascii_case(b"SIP/"));
        if method.is_empty() || !method.iter().copied().all(is_token) || !is_sip {
            return self.blame(Fault::StartLine);
        }
        let method = Method::of(&String::from_utf8_lossy(method));
        if !version.eq_ignore_ascii_case(b"SIP/2.0") {
            self.blame(Fault::Version);
        } else if !uri_fits(uri) {
            self.blame(Fault::RequestUri);
        }
        self.start = Some(Start::Request { method, uri: String::from_utf8_lossy(uri).into_owned() });
    }

    fn read_lines(&mut self, scope: &Bytes, mut at: usize, limits: &Limits, whole: bool) {
        loop {
            let Some(mut line) = line_at(scope, at) else {
                return self.blame(if whole { Fault::NoEmptyLine } else { Fault::HeadersTooLong });
            };
            if line.end == at {
                self.len = line.next;
                return;
            }
            let mut folded = false;
            while scope.get(line.next).is_some_and(|b| matches!(b, b' ' | b'\t')) {
                folded = true;
                match line_at(scope, line.next) {
                    Some(more) => line = more,
                    None => return self.blame(if whole { Fault::NoEmptyLine } else { Fault::HeadersTooLong }),
                }
            }
            if self.headers.len() >= limits.header_lines {
                return self.blame(Fault::TooManyLines);
            }
            self.read_header(scope, at, line.end, folded);
            at = line.next;
        }
    }

    fn read_header(&mut self, scope: &Bytes, start: usize, end: usize, folded: bool) {
        let line = scope.get(start..end).unwrap_or_default();
        let Some(colon) = memchr(b':', line) else { return self.blame(Fault::HeaderLine) };
        let name = line.get(..colon).unwrap_or_default().trim_ascii_end();
        if name.is_empty() || !name.iter().copied().all(is_token) {
            return self.blame(Fault::HeaderLine);
        }
        let value = if folded {
            unfold(line.get(colon + 1..).unwrap_or_default())
        } else {
            let value = line.get(colon + 1..).unwrap_or_default();
            let blank = value.iter().take_while(|b| is_blank(**b)).count();
            let tail = value.iter().skip(blank).rev().take_while(|b| is_blank(**b)).count();
            scope.slice(start + colon + 1 + blank..end - tail)
        };
        if memchr(b'\r', &value).is_some() {
            self.blame(Fault::BareCarriageReturn);
        }
        match known(name) {
            Some((name, field)) => {
                self.note(field, &value);
                self.headers.push(Cow::Borrowed(name), value);
            }
            None => self.headers.push(Cow::Owned(String::from_utf8_lossy(name).into_owned()), value),
        }
    }

    /// Keeps what the checks need, and finds single-value headers that say two things.
    fn note(&mut self, field: Field, value: &Bytes) {
        let slot = match field {
            Field::Via => {
                if Via::check(&String::from_utf8_lossy(value)).is_err() {
                    self.blame(Fault::Via);
                }
                if self.seen.via.is_none() {
                    self.seen.via = Some(value.clone());
                }
                return;
            }
            Field::From => &mut self.seen.from,
            Field::To => &mut self.seen.to,
            Field::CallId => &mut self.seen.call_id,
            Field::CSeq => &mut self.seen.cseq,
            Field::MaxForwards => &mut self.seen.max_forwards,
            Field::ContentLength => &mut self.seen.content_length,
            Field::Other => return,
        };
        match slot {
            None => *slot = Some(value.clone()),
            Some(first) if first == value => {}
            Some(_) if field == Field::ContentLength => self.blame(Fault::ContentLength),
            Some(_) => self.blame(Fault::Duplicate),
        }
    }

    /// What the transaction layer relies on. The framing comes first: everything else can be wrong inside a stream that
    /// stays readable.
    fn check(&mut self) {
        if let Some(value) = &self.seen.content_length {
            match read_number(value) {
                Some(length) => self.content_length = Some(usize::try_from(length).unwrap_or(usize::MAX)),
                None => self.blame(Fault::ContentLength),
            }
        }
        if let Some(fault) = self.seen.first_fault(self.start.as_ref()) {
            self.blame(fault);
        }
    }
}

impl Seen {
    fn first_fault(&self, start: Option<&Start>) -> Option<Fault> {
        let (Some(_), Some(from), Some(to)) = (&self.via, &self.from, &self.to) else { return Some(Fault::Missing) };
        let (Some(call_id), Some(cseq)) = (&self.call_id, &self.cseq) else { return Some(Fault::Missing) };
        if call_id.is_empty() || call_id.iter().any(|b| is_blank(*b)) {
            return Some(Fault::CallId);
        }
        let Some((_, method)) = read_cseq(cseq) else { return Some(Fault::CSeq) };
        if let Some(Start::Request { method: requested, .. }) = start
            && requested.as_str().as_bytes() != method
        {
            return Some(Fault::CSeqMethod);
        }
        if NameAddr::check(&String::from_utf8_lossy(from)).is_err() {
            return Some(Fault::From);
        }
        if NameAddr::check(&String::from_utf8_lossy(to)).is_err() {
            return Some(Fault::To);
        }
        let hops = self.max_forwards.as_ref()?;
        if read_number(hops).is_some_and(|hops| hops <= 255) { None } else { Some(Fault::MaxForwards) }
    }

    /// Whether an answer to the sender can be made: it needs a Via that says where to and the four headers to copy.
    fn answerable(&self) -> bool {
        let there = |value: &Option<Bytes>| value.as_ref().is_some_and(|value| !value.is_empty());
        there(&self.from)
            && there(&self.to)
            && there(&self.call_id)
            && there(&self.cseq)
            && self.via.as_ref().is_some_and(|via| Via::check_first(&String::from_utf8_lossy(via)).is_ok())
    }
}

/// The line that begins at `at`: up to CRLF, or the LF alone that we tolerate.
fn line_at(bytes: &[u8], at: usize) -> Option<Line> {
    let feed = at + memchr(b'\n', bytes.get(at..)?)?;
    let end = if feed > at && bytes.get(feed - 1) == Some(&b'\r') { feed - 1 } else { feed };
    Some(Line { end, next: feed + 1 })
}

const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Joins the lines of a folded value: every line end with the white space around it becomes one space (RFC 3261
/// section 7.3.1).
fn unfold(value: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(value.len());
    for line in value.split(|b| *b == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let blank = line.iter().take_while(|b| is_blank(**b)).count();
        let line = line.get(blank..).unwrap_or_default();
        let tail = line.iter().rev().take_while(|b| is_blank(**b)).count();
        let line = line.get(..line.len() - tail).unwrap_or_default();
        if !line.is_empty() && !out.is_empty() {
            out.push(b' ');
        }
        out.extend_from_slice(line);
    }
    out.into()
}

/// A Request-URI must not be empty, hold white space or brackets; it may be of any scheme.
fn uri_fits(uri: &[u8]) -> bool {
    let fits = uri.iter().all(|b| *b > b' ' && *b != 0x7f && !matches!(b, b'<' | b'>' | b'"'));
    fits && memchr(b':', uri).is_some_and(|colon| colon > 0) && std::str::from_utf8(uri).is_ok()
}

fn read_status_line(line: &[u8]) -> Result<Start, Fault> {
    let (version, rest) = line.split_at(memchr(b' ', line).ok_or(Fault::StartLine)?);
    if !version.eq_ignore_ascii_case(b"SIP/2.0") {
        return Err(Fault::Version);
    }
    let rest = rest.get(1..).unwrap_or_default();
    let (code, reason) = rest.split_at(rest.len().min(3));
    let status = read_number(code).and_then(|code| u16::try_from(code).ok());
    let status = status.filter(|status| (100..700).contains(status)).ok_or(Fault::StartLine)?;
    let reason = match reason {
        [] => reason,
        [b' ', reason @ ..] => reason,
        _ => return Err(Fault::StartLine),
    };
    // A reason that is not UTF-8 is told with replacement characters: nobody acts on it.
    Ok(Start::Response { status, reason: String::from_utf8_lossy(reason).into_owned() })
}

/// Decimal digits, at least one; `None` for anything else, also for what does not fit.
fn read_number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Number (below 2^31, RFC 3261 section 8.1.1.5) and method of a CSeq value.
pub(super) fn read_cseq(value: &[u8]) -> Option<(u32, &[u8])> {
    let (digits, rest) = value.split_at(value.iter().position(|b| is_blank(*b))?);
    let number = u32::try_from(read_number(digits)?).ok().filter(|number| *number < 1 << 31)?;
    let method = rest.trim_ascii();
    (!method.is_empty() && method.iter().copied().all(is_token)).then_some((number, method))
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod torture;
