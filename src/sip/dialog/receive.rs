//! Requests of the peer in a dialog: BYE, the refreshes of its session, questions (RFC 3261 sections 12.2.2, 14.2 and 15.1.2).

use super::accept::too_small;
use super::machine::{Cause, DialogKey, Dialogs, Unacked};
use super::session::{self, Refresher};
use super::{ALLOWED, sdp_of};
use crate::sip::{Method, Request, Response, allow};
use crate::types::Timestamp;
use bytes::Bytes;

/// `Retry-After` where the peer was too fast, seconds (sections 12.2.2 and 14.2: 0 to 10).
const SOON_SECS: u32 = 5;

impl<D: Clone> Dialogs<D> {
    /// Answers a request in a dialog: INVITE, UPDATE, BYE and OPTIONS are answered here. `None` for any other method, and
    /// if there is no such dialog. A 2xx to an INVITE is repeated until its ACK comes; `way` is where it goes.
    pub fn receive(&mut self, request: &Request, way: D, now: Timestamp) -> Option<Response> {
        if !matches!(request.method, Method::Invite | Method::Update | Method::Bye | Method::Options) {
            return None;
        }
        let key = self.find(request)?;
        let entry = self.entries.get_mut(&key)?;
        let (cseq, _) = request.cseq()?;
        if !entry.dialog.takes(cseq) {
            return Some(self.answer(request, 500));
        }
        if let Some(refused) = unknown_extension(request) {
            return Some(refused);
        }
        let response = match request.method {
            Method::Bye => {
                self.end(key, Cause::Bye);
                self.answer(request, 200)
            }
            Method::Options => {
                let mut response = self.answer(request, 200);
                response.headers.push("Allow", allow(&ALLOWED));
                response.headers.push("Supported", "timer");
                response
            }
            _ => self.refreshed(key, request, way, now),
        };
        self.schedule(key);
        Some(response)
    }

    fn answer(&self, request: &Request, status: u16) -> Response {
        let mut response = Response::to(request, status, "", "");
        response.headers.push("Server", self.release.clone());
        response
    }

    /// Re-INVITE and UPDATE: the session goes on as it is, or the change is refused and it goes on all the same.
    fn refreshed(&mut self, key: DialogKey, request: &Request, way: D, now: Timestamp) -> Response {
        if let Some(refused) = self.not_now(key, request) {
            return refused;
        }
        let Ok(granted) = session::grant(&request.headers, self.session_secs) else { return too_small(request, "") };
        let mut response = self.answer(request, 200);
        let Some(entry) = self.entries.get_mut(&key) else { return response };
        let offer = sdp_of(request.headers.get("Content-Type"), &request.body);
        if offer.as_ref().is_some_and(|offer| !is_same(entry.remote.as_ref(), offer))
            || offer.is_none() && !request.body.is_empty()
        {
            return self.answer(request, 488);
        }
        entry.dialog.refresh_target(&request.headers);
        if let Some(contact) = entry.dialog.contact() {
            response.headers.push("Contact", contact.clone());
        }
        response.headers.push("Allow", allow(&ALLOWED));
        session::write_grant(&request.headers, granted, &mut response.headers);
        let is_invite = request.method == Method::Invite;
        if let Some(local) = entry.local.clone().filter(|_| offer.is_some() || is_invite) {
            response.headers.push("Content-Type", "application/sdp");
            response.body = local;
        }
        entry.agree(&response.headers, Refresher::Uas, now);
        if is_invite {
            let cseq = request.cseq().map_or(0, |(number, _)| number);
            entry.unacked = Some(Unacked::new(cseq, response.to_bytes(), way, now));
        }
        response
    }

    /// RFC 3261 section 14.2 and RFC 3311 section 5.2: one offer at a time.
    fn not_now(&self, key: DialogKey, request: &Request) -> Option<Response> {
        let entry = self.entries.get(&key)?;
        let offers = request.method == Method::Invite || !request.body.is_empty();
        if offers && entry.unacked.is_some() {
            let mut response = self.answer(request, 500);
            response.headers.push("Retry-After", SOON_SECS.to_string());
            return Some(response);
        }
        (offers && entry.refreshing.is_some()).then(|| self.answer(request, 491))
    }
}

/// RFC 3261 section 8.2.2.3.
fn unknown_extension(request: &Request) -> Option<Response> {
    let required = request.headers.all("Require").flat_map(|line| line.split(',')).map(str::trim);
    let unknown: Vec<&str> = required.filter(|tag| !tag.is_empty() && !tag.eq_ignore_ascii_case("timer")).collect();
    if unknown.is_empty() {
        return None;
    }
    let mut response = Response::to(request, 420, "", "");
    response.headers.push("Unsupported", unknown.join(", "));
    Some(response)
}

/// Whether this is the description we know: the same octets, or the same `o=` line, whose version counts every change
/// (RFC 3264 section 8).
fn is_same(known: Option<&Bytes>, offer: &Bytes) -> bool {
    let Some(known) = known else { return false };
    known == offer || origin(known).is_some() && origin(known) == origin(offer)
}

/// The `o=` line.
fn origin(sdp: &[u8]) -> Option<&[u8]> {
    sdp.split(|byte| matches!(byte, b'\r' | b'\n')).find(|line| line.starts_with(b"o="))
}
