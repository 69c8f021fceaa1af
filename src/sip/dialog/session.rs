//! Session timers: who refreshes a session how often, so that no half of it lives on for ever (RFC 4028).

use crate::sip::{Headers, Request, Response, delta_seconds};
use std::fmt;
use std::time::Duration;

/// The shortest interval there may be, seconds (section 5).
pub const MIN_SE: u32 = 90;

/// Who refreshes, by their part in the transaction that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refresher {
    Uac,
    Uas,
}

/// A `Session-Expires` value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionExpires {
    /// The interval, seconds.
    pub secs: u32,
    pub refresher: Option<Refresher>,
}

impl SessionExpires {
    /// Reads the header; `None` if it is missing or breaks the grammar.
    #[must_use]
    pub fn read(headers: &Headers) -> Option<Self> {
        let mut parts = headers.get("Session-Expires")?.split(';').map(str::trim);
        let secs = delta_seconds(parts.next()?)?;
        let named = |part: &str| {
            let (name, value) = part.split_once('=')?;
            name.trim().eq_ignore_ascii_case("refresher").then(|| value.trim().to_ascii_lowercase())
        };
        let refresher = parts.find_map(named).and_then(|who| match who.as_str() {
            "uac" => Some(Refresher::Uac),
            "uas" => Some(Refresher::Uas),
            _ => None,
        });
        Some(Self { secs, refresher })
    }
}

impl fmt::Display for SessionExpires {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.refresher {
            Some(Refresher::Uac) => write!(f, "{};refresher=uac", self.secs),
            Some(Refresher::Uas) => write!(f, "{};refresher=uas", self.secs),
            None => write!(f, "{}", self.secs),
        }
    }
}

/// `Min-SE` in seconds, 90 if it is missing (section 5).
#[must_use]
pub fn min_se(headers: &Headers) -> u32 {
    let text = headers.get("Min-SE").and_then(|text| text.split(';').next());
    text.and_then(|text| delta_seconds(text.trim())).map_or(MIN_SE, |secs| secs.max(MIN_SE))
}

/// Whether an option tag is in `Supported` or `Require`.
#[must_use]
pub fn supports(headers: &Headers, tag: &str) -> bool {
    let listed = |name| headers.all(name).flat_map(|line| line.split(','));
    listed("Supported").chain(listed("Require")).any(|known| known.trim().eq_ignore_ascii_case(tag))
}

/// Asks for a session of this length that we refresh (SNDL-5, SNDL-6).
pub fn offer_session(request: &mut Request, secs: u32) {
    let session = SessionExpires { secs: secs.max(MIN_SE), refresher: Some(Refresher::Uac) };
    if !supports(&request.headers, "timer") {
        request.headers.push("Supported", "timer");
    }
    request.headers.set("Session-Expires", session.to_string());
}

/// Asks again as a 422 wants it (section 7.3), with the next number of `CSeq`. `false` if it did not say, or asks for no
/// more than was offered.
pub fn offer_more(request: &mut Request, too_small: &Response) -> bool {
    let least = min_se(&too_small.headers);
    let offered = SessionExpires::read(&request.headers);
    if too_small.headers.get("Min-SE").is_none() || offered.is_some_and(|offered| offered.secs >= least) {
        return false;
    }
    let Some((number, method)) = request.cseq() else { return false };
    request.headers.set("CSeq", format!("{} {method}", number.saturating_add(1)));
    let refresher = offered.and_then(|offered| offered.refresher);
    request.headers.set("Session-Expires", SessionExpires { secs: least, refresher }.to_string());
    request.headers.set("Min-SE", least.to_string());
    true
}

/// The interval asked for is shorter than we take: 422 with `Min-SE: 90`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooSmall;

/// What the UAS says to a request that begins or refreshes a session (section 9): the interval asked for, but no more than
/// `most` where that is allowed; the refresher asked for, else the UAC, but the UAS if the UAC knows no timer.
pub(super) fn grant(headers: &Headers, most: u32) -> Result<SessionExpires, TooSmall> {
    let asked = SessionExpires::read(headers);
    let timer = supports(headers, "timer");
    let least = min_se(headers);
    let secs = match asked {
        Some(asked) if asked.secs < MIN_SE && timer => return Err(TooSmall),
        Some(asked) => asked.secs.min(most).max(least),
        None => most.max(least),
    };
    let refresher =
        if timer { asked.and_then(|asked| asked.refresher).unwrap_or(Refresher::Uac) } else { Refresher::Uas };
    Ok(SessionExpires { secs, refresher: Some(refresher) })
}

/// Writes the grant into the answer.
pub(super) fn write_grant(request: &Headers, granted: SessionExpires, answer: &mut Headers) {
    if supports(request, "timer") {
        answer.push("Require", "timer");
    }
    answer.push("Session-Expires", granted.to_string());
}

/// When we refresh: at half the interval (section 7.2).
pub(super) const fn refresh_after(secs: u32) -> Duration {
    Duration::from_millis(secs as u64 * 500)
}

/// When the session is given up with BYE: the lesser of 32 s and a third of the interval before its end (section 10).
pub(super) fn give_up_after(secs: u32) -> Duration {
    Duration::from_secs(u64::from(secs - (secs / 3).min(32)))
}
