//! Making requests and responses, and typed readings of the headers that every module asks for.

use super::message::{Headers, Method, Request, Response};
use super::nameaddr::NameAddr;
use super::read::read_cseq;
use bytes::Bytes;

impl Request {
    /// A request without headers and body.
    #[must_use]
    pub fn new(method: Method, uri: impl Into<String>) -> Self {
        Self { method, uri: uri.into(), headers: Headers::new(), body: Bytes::new() }
    }

    /// The `Call-ID`.
    #[must_use]
    pub fn call_id(&self) -> Option<&str> {
        self.headers.get("Call-ID")
    }

    /// Number and method of the `CSeq`.
    #[must_use]
    pub fn cseq(&self) -> Option<(u32, Method)> {
        cseq(&self.headers)
    }

    /// The tag of the `From`.
    #[must_use]
    pub fn from_tag(&self) -> Option<String> {
        tag(&self.headers, "From")
    }

    /// The tag of the `To`: there inside a dialog only.
    #[must_use]
    pub fn to_tag(&self) -> Option<String> {
        tag(&self.headers, "To")
    }

    /// `Expires` in seconds; none if it is missing or no number, the largest if it does not fit (RFC 3261 section 20.19).
    #[must_use]
    pub fn expires(&self) -> Option<u32> {
        delta_seconds(self.headers.get("Expires")?)
    }

    /// `Max-Forwards`, if it is there and a number up to 255.
    #[must_use]
    pub fn max_forwards(&self) -> Option<u8> {
        self.headers.get("Max-Forwards")?.parse().ok()
    }
}

impl Response {
    /// An answer to this request (RFC 3261 section 8.2.6): Via, From, To, Call-ID and CSeq are copied, and for 100 the
    /// Timestamp. `to_tag` is set on a To that has none, except in a 100. An empty `reason` gives the usual one.
    #[must_use]
    pub fn to(request: &Request, status: u16, reason: &str, to_tag: &str) -> Self {
        let reason = if reason.is_empty() { reason_phrase(status) } else { reason };
        let mut headers = Headers::with_capacity(12);
        for name in ["Via", "From", "To", "Call-ID", "CSeq", "Timestamp"] {
            if name == "Timestamp" && status != 100 {
                continue;
            }
            // A request that broke the grammar may have two of the others; one goes back.
            let most = if name == "Via" { usize::MAX } else { 1 };
            for header in request.headers.iter().filter(|header| header.name.eq_ignore_ascii_case(name)).take(most) {
                headers.push(name, header.value.clone());
            }
        }
        if status != 100
            && !to_tag.is_empty()
            && tag(&headers, "To").is_none()
            && let Some(to) = headers.iter_mut().find(|header| header.name == "To")
        {
            to.value = [to.value.as_ref(), b";tag=", to_tag.as_bytes()].concat().into();
        }
        Self { status, reason: reason.to_owned(), headers, body: Bytes::new() }
    }

    /// Number and method of the `CSeq`.
    #[must_use]
    pub fn cseq(&self) -> Option<(u32, Method)> {
        cseq(&self.headers)
    }

    /// The `Call-ID`.
    #[must_use]
    pub fn call_id(&self) -> Option<&str> {
        self.headers.get("Call-ID")
    }

    /// The tag of the `To`.
    #[must_use]
    pub fn to_tag(&self) -> Option<String> {
        tag(&self.headers, "To")
    }
}

fn cseq(headers: &Headers) -> Option<(u32, Method)> {
    let (number, method) = read_cseq(headers.raw("CSeq")?)?;
    Some((number, Method::of(std::str::from_utf8(method).ok()?)))
}

/// Display names may be of any octets (RFC 4475 section 3.1.1.13 has some); the tag is found all the same.
fn tag(headers: &Headers, name: &str) -> Option<String> {
    let text = String::from_utf8_lossy(headers.raw(name)?);
    NameAddr::parse(&text).ok()?.tag().map(str::to_owned)
}

/// Seconds as in `Expires` and the `expires` parameter: digits only, the largest number if they do not fit.
#[must_use]
pub fn delta_seconds(text: &str) -> Option<u32> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u32::MAX))
}

/// The usual reason phrases, by code (RFC 3261 section 21 and the IANA registry).
const REASONS: &[(u16, &str)] = &[
    (100, "Trying"),
    (180, "Ringing"),
    (181, "Call Is Being Forwarded"),
    (182, "Queued"),
    (183, "Session Progress"),
    (199, "Early Dialog Terminated"),
    (200, "OK"),
    (202, "Accepted"),
    (204, "No Notification"),
    (300, "Multiple Choices"),
    (301, "Moved Permanently"),
    (302, "Moved Temporarily"),
    (305, "Use Proxy"),
    (380, "Alternative Service"),
    (400, "Bad Request"),
    (401, "Unauthorized"),
    (402, "Payment Required"),
    (403, "Forbidden"),
    (404, "Not Found"),
    (405, "Method Not Allowed"),
    (406, "Not Acceptable"),
    (407, "Proxy Authentication Required"),
    (408, "Request Timeout"),
    (410, "Gone"),
    (412, "Conditional Request Failed"),
    (413, "Request Entity Too Large"),
    (414, "Request-URI Too Long"),
    (415, "Unsupported Media Type"),
    (416, "Unsupported URI Scheme"),
    (420, "Bad Extension"),
    (421, "Extension Required"),
    (422, "Session Interval Too Small"),
    (423, "Interval Too Brief"),
    (428, "Use Identity Header"),
    (430, "Flow Failed"),
    (433, "Anonymity Disallowed"),
    (439, "First Hop Lacks Outbound Support"),
    (440, "Max-Breadth Exceeded"),
    (469, "Bad Info Package"),
    (470, "Consent Needed"),
    (480, "Temporarily Unavailable"),
    (481, "Call/Transaction Does Not Exist"),
    (482, "Loop Detected"),
    (483, "Too Many Hops"),
    (484, "Address Incomplete"),
    (485, "Ambiguous"),
    (486, "Busy Here"),
    (487, "Request Terminated"),
    (488, "Not Acceptable Here"),
    (489, "Bad Event"),
    (491, "Request Pending"),
    (493, "Undecipherable"),
    (494, "Security Agreement Required"),
    (500, "Server Internal Error"),
    (501, "Not Implemented"),
    (502, "Bad Gateway"),
    (503, "Service Unavailable"),
    (504, "Server Time-out"),
    (505, "Version Not Supported"),
    (513, "Message Too Large"),
    (580, "Precondition Failure"),
    (600, "Busy Everywhere"),
    (603, "Decline"),
    (604, "Does Not Exist Anywhere"),
    (606, "Not Acceptable"),
];

/// The usual reason phrase of a status code; that of its class for one we do not know.
#[must_use]
pub fn reason_phrase(status: u16) -> &'static str {
    let known = REASONS.iter().find(|(code, _)| *code == status).map(|(_, reason)| *reason);
    known.unwrap_or(match status / 100 {
        1 => "Session Progress",
        2 => "OK",
        3 => "Multiple Choices",
        4 => "Bad Request",
        5 => "Server Internal Error",
        _ => "Busy Everywhere",
    })
}

#[cfg(test)]
#[path = "build_tests.rs"]
mod tests;
