//! The answer that establishes a dialog (WX-7, RFC 3261 section 12.1.1), and the one that refuses its session timer.

use super::ALLOWED;
use super::session::{self, MIN_SE};
use super::state::contact;
use crate::sip::{Part, Request, Response, allow, media_type, parts};
use bytes::Bytes;

/// Parts of a body that are looked at.
const PARTS_MAX: usize = 16;

/// 200 to an INVITE: Record-Route copied, `contact` (a whole header value) added, the session timer agreed with at most
/// `session_secs` (RFC 4028 section 9). The caller adds its own headers and the session description.
///
/// # Errors
/// The refusal to send instead: 422 with Min-SE for too short a session, 400 for an INVITE without a usable Contact.
pub fn accept(request: &Request, to_tag: &str, our_contact: &str, session_secs: u32) -> Result<Response, Response> {
    if contact(&request.headers).is_none() {
        return Err(Response::to(request, 400, "Missing Contact", to_tag));
    }
    let granted = session::grant(&request.headers, session_secs).map_err(|_| too_small(request, to_tag))?;
    let mut response = Response::to(request, 200, "", to_tag);
    for route in request.headers.iter().filter(|header| header.name.eq_ignore_ascii_case("Record-Route")) {
        response.headers.push("Record-Route", route.value.clone());
    }
    response.headers.push("Contact", our_contact.to_owned());
    response.headers.push("Allow", allow(&ALLOWED));
    session::write_grant(&request.headers, granted, &mut response.headers);
    Ok(response)
}

pub(super) fn too_small(request: &Request, to_tag: &str) -> Response {
    let mut response = Response::to(request, 422, "", to_tag);
    response.headers.push("Min-SE", MIN_SE.to_string());
    response
}

/// The session description of a message: its body, or the `application/sdp` part of a multipart one (RFC 5621). `None`
/// if it has none.
#[must_use]
pub fn sdp_of(content_type: Option<&str>, body: &Bytes) -> Option<Bytes> {
    if body.is_empty() {
        return None;
    }
    let content_type = content_type?;
    let all = parts(content_type, body, PARTS_MAX).ok()?;
    let is_sdp = |part: &Part| part.headers.get("Content-Type").is_some_and(|t| media_type(t) == "application/sdp");
    all.into_iter().find(is_sdp).map(|part| part.body)
}
