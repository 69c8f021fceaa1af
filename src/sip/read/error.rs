//! What can be wrong with the octets of a message, and how the sender is told.

use crate::sip::message::Request;

/// The first fault found in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.reason())]
pub enum Fault {
    Empty,
    StartLine,
    RequestUri,
    Version,
    HeaderLine,
    BareCarriageReturn,
    NoEmptyLine,
    HeadersTooLong,
    TooManyLines,
    Missing,
    Duplicate,
    Via,
    From,
    To,
    CallId,
    CSeq,
    CSeqMethod,
    MaxForwards,
    ContentLength,
    NoContentLength,
    Truncated,
    BodyTooLong,
}

impl Fault {
    /// The response code that tells the sender.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::BodyTooLong => 413,
            Self::Version => 505,
            Self::HeadersTooLong | Self::TooManyLines => 513,
            _ => 400,
        }
    }

    /// The reason phrase that tells the sender.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Empty => "Empty Datagram",
            Self::StartLine => "Malformed Start Line",
            Self::RequestUri => "Malformed Request-URI",
            Self::Version => "Version Not Supported",
            Self::HeaderLine => "Malformed Header Line",
            Self::BareCarriageReturn => "Carriage Return In Header",
            Self::NoEmptyLine => "No Empty Line After Headers",
            Self::HeadersTooLong => "Header Block Too Long",
            Self::TooManyLines => "Too Many Header Lines",
            Self::Missing => "Missing Mandatory Header",
            Self::Duplicate => "Single-Value Header Given Twice",
            Self::Via => "Malformed Via",
            Self::From => "Malformed From",
            Self::To => "Malformed To",
            Self::CallId => "Malformed Call-ID",
            Self::CSeq => "Malformed CSeq",
            Self::CSeqMethod => "CSeq Method Differs From Request Method",
            Self::MaxForwards => "Malformed Max-Forwards",
            Self::ContentLength => "Malformed Content-Length",
            Self::NoContentLength => "Missing Content-Length",
            Self::Truncated => "Body Shorter Than Content-Length",
            Self::BodyTooLong => "Request Entity Too Large",
        }
    }
}

impl Fault {
    /// Whether it leaves open where the next message of a stream begins.
    pub(super) const fn is_framing(self) -> bool {
        matches!(
            self,
            Self::StartLine
                | Self::HeaderLine
                | Self::BareCarriageReturn
                | Self::NoEmptyLine
                | Self::HeadersTooLong
                | Self::TooManyLines
                | Self::ContentLength
                | Self::NoContentLength
                | Self::BodyTooLong
        )
    }
}

/// A message that cannot be taken: what is wrong with it, and the request where the sender can be told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{fault}")]
pub struct ReadError {
    fault: Fault,
    fatal: bool,
    request: Option<Box<Request>>,
}

impl ReadError {
    pub(in crate::sip) const fn new(fault: Fault) -> Self {
        Self { fault, fatal: false, request: None }
    }

    pub(super) fn answerable(fault: Fault, request: Request) -> Self {
        Self { fault, fatal: false, request: Some(Box::new(request)) }
    }

    pub(in crate::sip) const fn into_fatal(mut self) -> Self {
        self.fatal = true;
        self
    }

    /// What is wrong.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        self.fault
    }

    /// The response code that tells the sender: 400, 413, 505 or 513.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.fault.status()
    }

    /// The reason phrase that tells the sender.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        self.fault.reason()
    }

    /// Whether the stream it came from cannot be read any further and must be closed (after the answer, if any).
    #[must_use]
    pub const fn is_fatal(&self) -> bool {
        self.fatal
    }

    /// The request as far as it could be read (method, headers, no body): only for making the answer, never to act on.
    /// `None`: nobody can be told, drop it.
    #[must_use]
    pub fn request(&self) -> Option<&Request> {
        self.request.as_deref()
    }

    /// The same, by value.
    #[must_use]
    pub fn into_request(self) -> Option<Request> {
        self.request.map(|request| *request)
    }
}
