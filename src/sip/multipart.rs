//! Multipart bodies (RFC 2046 section 5.1, RFC 5621), read with a limit on the parts and without copying.

use super::message::Headers;
use super::names::known;
use super::param::{Params, trim, unquoted};
use super::via::is_token;
use bytes::Bytes;
use memchr::memmem;
use std::borrow::Cow;

/// One part: its own headers and its octets, a slice of the whole body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    pub headers: Headers,
    pub body: Bytes,
}

/// Why a body cannot be taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MultipartError {
    #[error("the Content-Type is no multipart type, or its boundary is missing or longer than 70 characters")]
    ContentType,
    #[error("the body has no closing delimiter of its boundary")]
    Unclosed,
    #[error("the headers of a part are malformed")]
    Headers,
    #[error("the body has more parts than allowed")]
    TooMany,
}

/// The `type/subtype` of a Content-Type value in lower case, without parameters.
#[must_use]
pub fn media_type(content_type: &str) -> String {
    trim(content_type.split(';').next().unwrap_or_default()).to_ascii_lowercase()
}

/// The parts of a multipart body, at most `max_parts` of them. A body that is not multipart is one part: itself, under
/// its own Content-Type.
///
/// # Errors
/// [`MultipartError`] if the body is not what its type says.
pub fn parts(content_type: &str, body: &Bytes, max_parts: usize) -> Result<Vec<Part>, MultipartError> {
    if !media_type(content_type).starts_with("multipart/") {
        let mut headers = Headers::new();
        headers.push("Content-Type", content_type.to_owned());
        return Ok(vec![Part { headers, body: body.clone() }]);
    }
    let boundary = boundary(content_type).ok_or(MultipartError::ContentType)?;
    let delimiter = [b"--", boundary.as_bytes()].concat();
    let mut parts = Vec::new();
    let mut open: Option<usize> = None;
    let mut at = 0;
    while let Some(found) = find_delimiter(body, &delimiter, at) {
        if let Some(start) = open {
            if parts.len() >= max_parts {
                return Err(MultipartError::TooMany);
            }
            parts.push(part(&body.slice(start..found.content_end.max(start)))?);
        }
        if found.closes {
            return Ok(parts);
        }
        open = Some(found.next);
        at = found.next;
    }
    Err(MultipartError::Unclosed)
}

fn boundary(content_type: &str) -> Option<String> {
    let params = content_type.get(content_type.find(';')?..)?;
    let (_, value) =
        Params::new(params).filter_map(Result::ok).find(|(name, _)| name.eq_ignore_ascii_case("boundary"))?;
    let value = unquoted(value?).into_owned();
    (!value.is_empty() && value.len() <= 70).then_some(value)
}

struct Delimiter {
    /// Where the part before it ends: the line end before a delimiter belongs to the delimiter.
    content_end: usize,
    /// Where the line after it begins.
    next: usize,
    closes: bool,
}

/// The next line from `from` on that is the delimiter: followed by nothing but `--` and white space.
fn find_delimiter(body: &[u8], delimiter: &[u8], from: usize) -> Option<Delimiter> {
    let mut at = from;
    loop {
        let start = at + memmem::find(body.get(at..)?, delimiter)?;
        at = start + delimiter.len();
        if start > 0 && body.get(start - 1) != Some(&b'\n') {
            continue;
        }
        let rest = body.get(at..)?;
        let end = memchr::memchr(b'\n', rest);
        let line = rest.get(..end.unwrap_or(rest.len()))?.trim_ascii_end();
        let (closes, blank) = match line.strip_prefix(b"--") {
            Some(blank) => (true, blank),
            None => (false, line),
        };
        if !blank.is_empty() {
            continue;
        }
        let mut content_end = start.saturating_sub(1);
        if content_end > 0 && body.get(content_end - 1) == Some(&b'\r') {
            content_end -= 1;
        }
        return Some(Delimiter { content_end, next: at + end.map_or(rest.len(), |end| end + 1), closes });
    }
}

/// Most header lines of one part; more is nobody's honest body.
const PART_LINES_MAX: usize = 64;

fn part(octets: &Bytes) -> Result<Part, MultipartError> {
    let mut headers = Headers::new();
    let mut at = 0;
    while let Some(rest) = octets.get(at..).filter(|rest| !rest.is_empty()) {
        let feed = memchr::memchr(b'\n', rest);
        let line = rest.get(..feed.unwrap_or(rest.len())).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let start = at;
        at += feed.map_or(rest.len(), |feed| feed + 1);
        if line.is_empty() {
            break;
        }
        if line.first().is_some_and(|b| matches!(b, b' ' | b'\t')) {
            let last = headers.iter_mut().last().ok_or(MultipartError::Headers)?;
            last.value = [last.value.as_ref(), b" ", line.trim_ascii()].concat().into();
            continue;
        }
        let colon = memchr::memchr(b':', line).ok_or(MultipartError::Headers)?;
        let name = line.get(..colon).unwrap_or_default().trim_ascii_end();
        if name.is_empty() || !name.iter().copied().all(is_token) || headers.len() >= PART_LINES_MAX {
            return Err(MultipartError::Headers);
        }
        let name = known(name)
            .filter(|_| name.len() > 1)
            .map_or_else(|| Cow::Owned(String::from_utf8_lossy(name).into_owned()), |(name, _)| Cow::Borrowed(name));
        headers.push(
            name,
            octets.slice_ref(octets.get(start + colon + 1..start + line.len()).unwrap_or_default().trim_ascii()),
        );
    }
    Ok(Part { headers, body: octets.slice(at..) })
}

impl Part {
    /// The media type of the part in lower case; `text/plain` if it says none (RFC 2046 section 5.1).
    #[must_use]
    pub fn media_type(&self) -> String {
        self.headers.get("Content-Type").map_or_else(|| "text/plain".to_owned(), media_type)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::{Limits, Message, datagram};

    fn body(text: &str) -> Bytes {
        Bytes::copy_from_slice(text.replace('\n', "\r\n").as_bytes())
    }

    #[test]
    fn wx_6_has_an_sdp_part_and_a_list_part() {
        let bytes = Bytes::from_static(include_bytes!("../../tests/fixtures/wx/wx-06-management-invite.sip"));
        let Ok(Message::Request(invite)) = datagram(&bytes, &Limits::default()) else { panic!() };
        let parts = parts(invite.headers.get("Content-Type").unwrap(), &invite.body, 8).unwrap();
        let types: Vec<_> = parts.iter().map(Part::media_type).collect();
        assert_eq!(types, ["application/sdp", "application/resource-lists+xml"]);
        assert!(parts[0].body.starts_with(b"v=0\r\n") && parts[0].body.ends_with(b"a=inactive\r\n"));
        assert!(parts[1].body.starts_with(b"<?xml") && parts[1].body.ends_with(b"</resource-lists>\r\n"));
        assert_eq!(parts[1].headers.get("content-disposition"), Some("recipient-list"));
    }

    #[test]
    fn a_register_is_found_among_other_parts() {
        let octets = body(
            "preamble\n--b 1\nContent-Type: message/sip\n\nREGISTER sip:x SIP/2.0\n--b 12\n\n\n--b 1\nX: a\n b\n\nc\n--b 1--\nepilogue",
        );
        let parts = parts("Multipart/Mixed; boundary=\"b 1\"", &octets, 8).unwrap();
        assert_eq!(parts.len(), 2);
        assert_eq!(parts[0].media_type(), "message/sip");
        assert_eq!(parts[0].body, "REGISTER sip:x SIP/2.0\r\n--b 12\r\n\r\n");
        assert_eq!((parts[1].headers.get("X"), parts[1].body.as_ref()), (Some("a b"), b"c".as_slice()));
        assert_eq!(parts[1].media_type(), "text/plain");
    }

    #[test]
    fn a_body_that_is_not_multipart_is_its_only_part() {
        let octets = Bytes::from_static(b"REGISTER");
        let parts = parts("Message/SIP;charset=x", &octets, 1).unwrap();
        assert_eq!((parts.len(), parts[0].media_type().as_str(), &parts[0].body), (1, "message/sip", &octets));
    }

    #[test]
    fn what_is_not_what_it_says_is_refused() {
        let read = |content_type: &str, text: &str, max| parts(content_type, &body(text), max).unwrap_err();
        assert_eq!(read("multipart/mixed", "--b--", 9), MultipartError::ContentType);
        assert_eq!(read("multipart/mixed;boundary=\"\"", "----", 9), MultipartError::ContentType);
        assert_eq!(read("multipart/mixed;boundary=b", "--b\n\nx\n", 9), MultipartError::Unclosed);
        assert_eq!(read("multipart/mixed;boundary=b", "--b\nno header\n\nx\n--b--", 9), MultipartError::Headers);
        assert_eq!(read("multipart/mixed;boundary=b", "--b\n\nx\n--b\n\ny\n--b--", 1), MultipartError::TooMany);
    }

    proptest::proptest! {
        #[test]
        fn any_octets_are_parts_or_refused(text in "(--b(--)?|\r?\n|a: b|x| ){0,30}") {
            let octets = Bytes::copy_from_slice(text.as_bytes());
            if let Ok(parts) = parts("multipart/mixed;boundary=b", &octets, 4) {
                proptest::prop_assert!(parts.len() <= 4);
            }
        }
    }
}
