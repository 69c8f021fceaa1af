//! What makes two messages belong to one transaction (RFC 3261 sections 17.1.3 and 17.2.3).

use super::MAGIC_COOKIE;
use crate::sip::nameaddr::elements;
use crate::sip::param::Params;
use crate::sip::{Headers, Method, Request, Response};

/// Writes the key of a received request into `key`; `false` if it has too little to be matched (no Via or no `CSeq`).
pub(super) fn of_request(request: &Request, key: &mut Vec<u8>) -> bool {
    key.clear();
    let Some(via) = top(&request.headers) else { return false };
    if let Some(branch) = branch(via).filter(|branch| branch.starts_with(MAGIC_COOKIE)) {
        part(key, branch.as_bytes());
        let start = key.len();
        part(key, sent_by(via).as_bytes());
        key.iter_mut().skip(start).for_each(u8::make_ascii_lowercase);
        part(key, request.method.as_str().as_bytes());
    } else {
        // RFC 2543 peers: section 17.2.3 compares Request-URI, tags, Call-ID, CSeq and the topmost Via.
        part(key, b"2543");
        part(key, request.method.as_str().as_bytes());
        part(key, request.uri.as_bytes());
        for name in ["From", "To", "Call-ID", "CSeq"] {
            part(key, request.headers.raw(name).map_or(&b""[..], |value| value));
        }
        part(key, via.as_bytes());
    }
    true
}

/// Writes the key of the INVITE that an INVITE, ACK or CANCEL belongs to into `key`; `false` if it has too little to be
/// matched.
pub(super) fn of_invite(request: &Request, key: &mut Vec<u8>) -> bool {
    key.clear();
    let Some(via) = top(&request.headers) else { return false };
    if let Some(branch) = branch(via).filter(|branch| branch.starts_with(MAGIC_COOKIE)) {
        part(key, branch.as_bytes());
        let start = key.len();
        part(key, sent_by(via).as_bytes());
        key.iter_mut().skip(start).for_each(u8::make_ascii_lowercase);
        return true;
    }
    // RFC 2543 peers: an ACK has the tag of the answer in its To, so To is left out.
    part(key, b"2543");
    part(key, request.uri.as_bytes());
    for name in ["From", "Call-ID"] {
        part(key, request.headers.raw(name).map_or(&b""[..], |value| value));
    }
    let number = request.headers.get("CSeq").and_then(|cseq| cseq.split_ascii_whitespace().next());
    part(key, number.unwrap_or_default().as_bytes());
    part(key, via.as_bytes());
    true
}

/// Writes the key of a request of ours into `key`.
pub(super) fn of_sent(branch: &str, method: &Method, key: &mut Vec<u8>) {
    key.clear();
    part(key, branch.as_bytes());
    part(key, method.as_str().as_bytes());
}

/// Writes the key of the request that this response answers into `key`; `false` if the response does not say.
pub(super) fn of_response(response: &Response, key: &mut Vec<u8>) -> bool {
    key.clear();
    let Some(branch) = top(&response.headers).and_then(branch) else { return false };
    let Some(method) = response.headers.get("CSeq").and_then(|cseq| cseq.split_ascii_whitespace().nth(1)) else {
        return false;
    };
    part(key, branch.as_bytes());
    part(key, method.as_bytes());
    true
}

/// Parts are separated by an octet that no header value may hold.
fn part(key: &mut Vec<u8>, bytes: &[u8]) {
    key.extend_from_slice(bytes);
    key.push(0);
}

/// The topmost Via entry as written. `sip::Via` would do, but this runs for every message and allocates nothing.
fn top(headers: &Headers) -> Option<&str> {
    elements(headers.get("Via")?).next()
}

/// The branch of a Via entry.
fn branch(via: &str) -> Option<&str> {
    let (_, params) = via.split_at(via.find(';')?);
    Params::new(params).map_while(Result::ok).find(|(name, _)| name.eq_ignore_ascii_case("branch"))?.1
}

/// Host and port of a Via entry as written: what stands between the transport and the parameters.
fn sent_by(via: &str) -> &str {
    let head = via.split(';').next().unwrap_or_default();
    head.trim().rsplit([' ', '\t']).next().unwrap_or_default()
}
