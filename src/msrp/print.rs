//! The octets of frames of ours.

use super::head::{Flag, Head};
use super::range::ByteRange;
use super::uri::{MsrpUri, Path};
use bytes::Bytes;
use std::fmt::Write as _;

/// The end-line of a frame, without the line end that goes before it where there are data.
pub(super) fn end_line(transaction: &str, flag: Flag) -> String {
    format!("-------{transaction}{}\r\n", char::from(flag.octet()))
}

/// The response to a request; `None` where none is wanted (`Failure-Report`, reports, responses).
pub fn answer(request: &Head, status: u16) -> Option<Bytes> {
    if !request.wants_answer(status) {
        return None;
    }
    // To the next hop only, from the end that was asked (RFC 4975 section 7.2).
    let (to, from) = (request.from_path.first()?, request.to_path.last()?);
    let transaction = &request.transaction;
    let mut frame = format!("MSRP {transaction} {status:03} {}\r\n", comment(status));
    line(&mut frame, "To-Path", to.as_str());
    line(&mut frame, "From-Path", from.as_str());
    frame.push_str(&end_line(transaction, Flag::Last));
    Some(frame.into())
}

/// What the head of a SEND of ours says.
pub(super) struct SendHead<'a> {
    pub(super) transaction: &'a str,
    pub(super) to: &'a Path,
    pub(super) from: &'a MsrpUri,
    pub(super) message_id: &'a str,
    /// None in a SEND that only binds.
    pub(super) success_report: Option<bool>,
    pub(super) range: ByteRange,
    pub(super) content_disposition: Option<&'a str>,
    /// With a media type comes the empty line that ends the head.
    pub(super) content_type: Option<&'a str>,
}

/// Start line and headers of a SEND, in the order of WX-12.
pub(super) fn send_head(head: &SendHead<'_>) -> String {
    let mut frame = String::with_capacity(512);
    let _ = write!(frame, "MSRP {} SEND\r\n", head.transaction);
    line(&mut frame, "To-Path", &head.to.to_string());
    line(&mut frame, "From-Path", head.from.as_str());
    line(&mut frame, "Message-ID", head.message_id);
    if let Some(wanted) = head.success_report {
        line(&mut frame, "Success-Report", if wanted { "yes" } else { "no" });
        line(&mut frame, "Failure-Report", "yes");
    }
    line(&mut frame, "Byte-Range", &head.range.to_string());
    if let Some(disposition) = head.content_disposition {
        line(&mut frame, "Content-Disposition", disposition);
    }
    if let Some(media_type) = head.content_type {
        line(&mut frame, "Content-Type", media_type);
        frame.push_str("\r\n");
    }
    frame
}

/// The report that a message is there as a whole (RFC 4975 section 7.1.2), back along the path that it came.
pub(super) fn success_report(transaction: &str, request: &Head, message_id: &str, size: u64) -> Option<Bytes> {
    let own = request.to_path.last()?;
    let mut frame = format!("MSRP {transaction} REPORT\r\n");
    line(&mut frame, "To-Path", &request.from_path.to_string());
    line(&mut frame, "From-Path", own.as_str());
    line(&mut frame, "Message-ID", message_id);
    line(&mut frame, "Byte-Range", &ByteRange { start: 1, end: Some(size), total: Some(size) }.to_string());
    line(&mut frame, "Status", "000 200 OK");
    frame.push_str(&end_line(transaction, Flag::Last));
    Some(frame.into())
}

/// A header. Values may come from afar: nothing in them can end the line.
fn line(frame: &mut String, name: &str, value: &str) {
    frame.push_str(name);
    frame.push_str(": ");
    frame.extend(value.chars().filter(|c| !c.is_control()));
    frame.push_str("\r\n");
}

/// The words for a status (RFC 4975 section 10).
const fn comment(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        403 => "Forbidden",
        408 => "Request Timeout",
        413 => "Stop Sending Message",
        415 => "Unsupported Media Type",
        423 => "Parameter Out Of Bounds",
        481 => "Session Does Not Exist",
        501 => "Not Implemented",
        506 => "Session Already In Use",
        _ => "Failure",
    }
}
