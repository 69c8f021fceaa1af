//! A head that is being read, line by line.

use super::TRANSACTION_BYTES_MAX;
use super::head::{FailureReport, Fault, Head, Kind, Status};
use super::range::ByteRange;
use super::reader::ReadError;
use super::uri::Path;
use memchr::memchr;

/// Longest Message-ID, octets. The grammar ends at 32; clients write UUIDs and more.
const MESSAGE_ID_BYTES_MAX: usize = 128;

/// Longest value of a header that is kept, octets; paths have their own limit.
const VALUE_BYTES_MAX: usize = 1024;

/// Longest method, octets.
const METHOD_BYTES_MAX: usize = 32;

/// What was read of a head so far.
pub(super) struct Draft {
    transaction: String,
    kind: Kind,
    to_path: Option<Path>,
    from_path: Option<Path>,
    message_id: Option<String>,
    byte_range: Option<ByteRange>,
    success_report: Option<bool>,
    failure_report: Option<FailureReport>,
    content_type: Option<String>,
    content_disposition: Option<String>,
    status: Option<Status>,
    fault: Option<Fault>,
}

impl Draft {
    /// From the start line, without its line end: `MSRP id METHOD`, or `MSRP id 200 comment`.
    pub(super) fn new(line: &[u8]) -> Result<Self, ReadError> {
        let (transaction, kind) = read_start(line).ok_or(ReadError::StartLine)?;
        Ok(Self {
            transaction,
            kind,
            to_path: None,
            from_path: None,
            message_id: None,
            byte_range: None,
            success_report: None,
            failure_report: None,
            content_type: None,
            content_disposition: None,
            status: None,
            fault: None,
        })
    }

    /// The transaction id, which is in the end-line, too.
    pub(super) fn transaction(&self) -> &str {
        &self.transaction
    }

    /// Takes in a header, without its line end. Paths that cannot be read are the only fatal fault: nobody could be answered.
    pub(super) fn header(&mut self, line: &[u8]) -> Result<(), ReadError> {
        let Some((name, value)) = read_header(line) else {
            self.blame(Fault::HeaderLine);
            return Ok(());
        };
        match name.to_ascii_lowercase().as_str() {
            "to-path" => return read_path(&mut self.to_path, value),
            "from-path" => return read_path(&mut self.from_path, value),
            _ if value.len() > VALUE_BYTES_MAX => self.blame(Fault::HeaderLine),
            "message-id" => self.note(|draft| &mut draft.message_id, read_message_id(value), Fault::MessageId),
            "byte-range" => self.note(|draft| &mut draft.byte_range, ByteRange::parse(value), Fault::ByteRange),
            "success-report" => {
                self.note(|draft| &mut draft.success_report, read_success(value), Fault::SuccessReport);
            }
            "failure-report" => {
                self.note(|draft| &mut draft.failure_report, FailureReport::of(value), Fault::FailureReport);
            }
            "status" => self.note(|draft| &mut draft.status, read_status(value), Fault::Status),
            "content-type" => self.note(|draft| &mut draft.content_type, read_text(value), Fault::HeaderLine),
            "content-disposition" => {
                self.note(|draft| &mut draft.content_disposition, read_text(value), Fault::HeaderLine);
            }
            // Extensions are ignored (RFC 4975 section 7.3).
            _ => {}
        }
        Ok(())
    }

    /// The head as a whole.
    pub(super) fn finish(self, has_body: bool) -> Result<Head, ReadError> {
        let (Some(to_path), Some(from_path)) = (self.to_path, self.from_path) else { return Err(ReadError::Path) };
        Ok(Head {
            transaction: self.transaction,
            kind: self.kind,
            to_path,
            from_path,
            message_id: self.message_id,
            byte_range: self.byte_range,
            success_report: self.success_report,
            failure_report: self.failure_report,
            content_type: self.content_type,
            content_disposition: self.content_disposition,
            status: self.status,
            has_body,
            fault: self.fault,
        })
    }

    /// Keeps the value of a header that may be there once.
    fn note<T: PartialEq>(&mut self, slot: fn(&mut Self) -> &mut Option<T>, value: Option<T>, fault: Fault) {
        match (slot(self), value) {
            (_, None) => self.blame(fault),
            (slot @ None, value) => *slot = value,
            (Some(first), Some(value)) if *first == value => {}
            (Some(_), Some(_)) => self.blame(Fault::Duplicate),
        }
    }

    fn blame(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
    }
}

fn read_start(line: &[u8]) -> Option<(String, Kind)> {
    let line = std::str::from_utf8(line).ok().filter(|line| is_printable(line))?;
    let (transaction, rest) = line.strip_prefix("MSRP ")?.split_once(' ')?;
    let fits = (1..=TRANSACTION_BYTES_MAX).contains(&transaction.len()) && transaction.bytes().all(is_ident);
    let (word, comment) = rest.split_once(' ').unwrap_or((rest, ""));
    let kind = match word {
        "SEND" => Kind::Send,
        "REPORT" => Kind::Report,
        _ if word.len() == 3 && word.bytes().all(|b| b.is_ascii_digit()) => {
            Kind::Response { status: word.parse().ok()?, comment: comment.chars().take(VALUE_BYTES_MAX).collect() }
        }
        _ if (1..=METHOD_BYTES_MAX).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_uppercase()) => {
            Kind::Other(word.to_owned())
        }
        _ => return None,
    };
    fits.then(|| (transaction.to_owned(), kind))
}

/// Name and value; `None` if there is no colon, or what no header may hold.
fn read_header(line: &[u8]) -> Option<(&str, &str)> {
    let (name, value) = line.split_at(memchr(b':', line)?);
    let name = std::str::from_utf8(name).ok()?;
    let value = std::str::from_utf8(value.get(1..)?).ok()?.trim_matches([' ', '\t']);
    let named = !name.is_empty() && name.bytes().all(is_name);
    (named && is_printable(value)).then_some((name, value))
}

fn read_path(slot: &mut Option<Path>, value: &str) -> Result<(), ReadError> {
    let path = Path::parse(value).map_err(|_| ReadError::Path)?;
    match slot {
        Some(first) if *first != path => Err(ReadError::Path),
        slot => {
            *slot = Some(path);
            Ok(())
        }
    }
}

fn read_message_id(value: &str) -> Option<String> {
    let fits = (1..=MESSAGE_ID_BYTES_MAX).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_graphic());
    fits.then(|| value.to_owned())
}

fn read_success(value: &str) -> Option<bool> {
    match value {
        _ if value.eq_ignore_ascii_case("yes") => Some(true),
        _ if value.eq_ignore_ascii_case("no") => Some(false),
        _ => None,
    }
}

fn read_text(value: &str) -> Option<String> {
    (!value.is_empty()).then(|| value.to_owned())
}

/// `000 200 OK`.
fn read_status(value: &str) -> Option<Status> {
    let mut words = value.splitn(3, ' ');
    let mut number = || {
        let word = words.next().filter(|word| word.len() == 3 && word.bytes().all(|b| b.is_ascii_digit()))?;
        word.parse().ok()
    };
    Some(Status { namespace: number()?, code: number()? })
}

/// No control characters: what is kept may be written into other protocols' headers.
fn is_printable(text: &str) -> bool {
    !text.chars().any(|c| c.is_control() && c != '\t')
}

/// A character of an `ident` (RFC 4975 section 9).
const fn is_ident(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'+' | b'%' | b'=')
}

/// A character of a header's name.
const fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~')
}
