//! The head of a frame: start line and headers.

use super::range::ByteRange;
use super::uri::Path;
use std::fmt;

/// What a frame is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    Send,
    Report,
    /// A method that is not of RFC 4975; answered 501.
    Other(String),
    Response {
        status: u16,
        comment: String,
    },
}

/// How a frame ended: the last character of its end-line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flag {
    /// `$`: the last octet of the message is in this frame.
    Last,
    /// `+`: more frames follow.
    More,
    /// `#`: the sender has given the message up.
    Aborted,
}

impl Flag {
    /// The character on the wire.
    pub const fn octet(self) -> u8 {
        match self {
            Self::Last => b'$',
            Self::More => b'+',
            Self::Aborted => b'#',
        }
    }

    /// The flag of this character.
    pub const fn of(octet: u8) -> Option<Self> {
        match octet {
            b'$' => Some(Self::Last),
            b'+' => Some(Self::More),
            b'#' => Some(Self::Aborted),
            _ => None,
        }
    }
}

/// When the sender wants transaction responses (RFC 4975 section 7.1.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FailureReport {
    #[default]
    Yes,
    No,
    /// Only those that tell of a failure.
    Partial,
}

impl FailureReport {
    /// Of the header's value, in any case.
    pub fn of(value: &str) -> Option<Self> {
        [Self::Yes, Self::No, Self::Partial].into_iter().find(|report| value.eq_ignore_ascii_case(report.as_str()))
    }

    /// The header's value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Partial => "partial",
        }
    }
}

/// `Status` of a REPORT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// `000` is the only one there is.
    pub namespace: u16,
    pub code: u16,
}

/// What is wrong with the head of a frame whose end can still be found; answered 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    HeaderLine,
    Duplicate,
    MessageId,
    ByteRange,
    SuccessReport,
    FailureReport,
    Status,
}

/// Start line and headers of a frame.
#[derive(Clone, PartialEq, Eq)]
pub struct Head {
    pub transaction: String,
    pub kind: Kind,
    pub to_path: Path,
    pub from_path: Path,
    pub message_id: Option<String>,
    pub byte_range: Option<ByteRange>,
    pub success_report: Option<bool>,
    pub failure_report: Option<FailureReport>,
    pub content_type: Option<String>,
    pub content_disposition: Option<String>,
    pub status: Option<Status>,
    /// Whether an empty line and octets (perhaps none) follow, and not the end-line at once.
    pub has_body: bool,
    /// The first fault that was found.
    pub fault: Option<Fault>,
}

impl Head {
    /// Our session that is meant: of the end of the path, whatever host a middlebox wrote beside it (RFC 6714).
    pub fn session_id(&self) -> Option<&str> {
        self.to_path.last()?.session_id()
    }

    /// Whether it is a SEND that only binds a connection to a session: no body, or one that is said to be empty.
    pub fn only_binds(&self) -> bool {
        let empty = |range: ByteRange| range.is_empty() && range.start == 1 && range.total.unwrap_or_default() == 0;
        self.kind == Kind::Send && (!self.has_body || self.byte_range.is_some_and(empty))
    }

    /// Whether a response with this status is wanted: not to responses and reports, nor where `Failure-Report` says no.
    pub fn wants_answer(&self, status: u16) -> bool {
        match self.kind {
            Kind::Report | Kind::Response { .. } => false,
            Kind::Send | Kind::Other(_) => match self.failure_report.unwrap_or_default() {
                FailureReport::Yes => true,
                FailureReport::Partial => !(200..300).contains(&status),
                FailureReport::No => false,
            },
        }
    }
}

/// Paths hold addresses, the media type's parameters and the disposition a file's name: neither is shown.
impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Head");
        out.field("transaction", &self.transaction).field("kind", &self.kind).field("message_id", &self.message_id);
        out.field("byte_range", &self.byte_range).field("has_body", &self.has_body).field("fault", &self.fault);
        out.finish_non_exhaustive()
    }
}
