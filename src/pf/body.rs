//! The bodies of INVITEs, for management and for large messages alike: parts, and why a body is not taken.

use super::Settings;
use super::reply;
use crate::formats::XmlError;
use crate::formats::resource_lists::ResourceListsError;
use crate::formats::sdp::{self, SdpError};
use crate::sip::{self, Headers, Part, Request, Response, media_type};
use crate::types::Timestamp;

/// The media type of URI lists (RFC 4826).
pub(super) const LIST: &str = "application/resource-lists+xml";
pub(super) const MIXED: &str = "multipart/mixed";
/// Parts of a body that are looked at.
const PARTS_MAX: usize = 16;
/// Seconds from the epoch of NTP to that of Unix: session descriptions count in NTP's (RFC 4566 section 5.2).
const NTP_OFFSET: u64 = 2_208_988_800;

/// Why a body is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyFault {
    /// 400, and why.
    Malformed(&'static str),
    /// 413: beyond a limit.
    TooLarge,
    /// 415: nothing that we know.
    Unknown,
}

impl BodyFault {
    pub(super) const TWICE: Self = Self::Malformed("Body Part Given Twice");

    pub(super) fn answer(self, settings: &Settings, request: &Request) -> Response {
        match self {
            Self::Malformed(reason) => reply::because(settings, request, 400, reason),
            Self::TooLarge => reply::plain(settings, request, 413),
            Self::Unknown => {
                let mut response = reply::plain(settings, request, 415);
                response.headers.push("Accept", [sdp::CONTENT_TYPE, LIST, MIXED].join(", "));
                response
            }
        }
    }
}

/// The parts of the body; none if there is no body.
pub(super) fn parts(request: &Request) -> Result<Vec<Part>, BodyFault> {
    let Some(media) = request.headers.get("Content-Type").filter(|_| !request.body.is_empty()) else {
        return Ok(Vec::new());
    };
    let whole = media_type(media);
    if whole.starts_with("multipart/") && whole != MIXED {
        return Err(BodyFault::Unknown);
    }
    sip::parts(media, &request.body, PARTS_MAX).map_err(|error| match error {
        sip::MultipartError::TooMany => BodyFault::TooLarge,
        _ => BodyFault::Malformed("Malformed Multipart Body"),
    })
}

/// RFC 3261 section 20.11: what is not understood must be, unless it says otherwise.
pub(super) fn is_optional(headers: &Headers) -> bool {
    let disposition = headers.get("Content-Disposition").unwrap_or_default();
    disposition.split(';').skip(1).any(|param| {
        let (name, value) = param.split_once('=').unwrap_or((param, ""));
        name.trim().eq_ignore_ascii_case("handling") && value.trim().eq_ignore_ascii_case("optional")
    })
}

/// The name of a session that begins now, for the `o=` line of its description.
pub(super) const fn session_id(now: Timestamp) -> u64 {
    now.millis() / 1000 + NTP_OFFSET
}

impl From<SdpError> for BodyFault {
    fn from(error: SdpError) -> Self {
        match error {
            SdpError::TooLong(_) | SdpError::TooManyMedia(_) => Self::TooLarge,
            SdpError::Malformed(_) => Self::Malformed("Malformed Session Description"),
        }
    }
}

impl From<ResourceListsError> for BodyFault {
    fn from(error: ResourceListsError) -> Self {
        match error {
            ResourceListsError::TooMany(_)
            | ResourceListsError::Xml(
                XmlError::TooLong(_)
                | XmlError::TooDeep(_)
                | XmlError::TooManyElements(_)
                | XmlError::TooManyAttributes(_)
                | XmlError::ValueTooLong(_),
            ) => Self::TooLarge,
            _ => Self::Malformed("Malformed Resource List"),
        }
    }
}
