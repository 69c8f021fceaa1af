//! One document from an XDMS: the request of WX-17, and what its answer means (RFC 4825 section 7.5).

use super::{Document, Outcome};
use crate::config;
use crate::gateway::http::{HttpClient, HttpError, Method, Request, Response};
use crate::types::Address;
use bytes::Bytes;
use std::fmt::Write as _;

/// Longer entity tags are not kept: the document is then read whole every time.
const TAG_BYTES_MAX: usize = 256;

/// Where one kind of document is, and what it is called.
struct Place {
    auid: String,
    document: String,
    media_type: String,
}

/// Asks one XDMS.
pub(super) struct Xcap {
    http: HttpClient,
    /// Without a slash at its end.
    root: String,
    rules: Option<Place>,
    profile: Option<Place>,
}

/// An answer.
#[derive(Debug)]
pub(super) enum Fetched {
    There { tag: Option<String>, body: Bytes },
    Unchanged,
    Absent,
}

/// No answer that says anything about the document.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error("the XDMS answered {0}")]
    Status(u16),
}

impl Xcap {
    /// A document kind whose AUID is empty is not asked for.
    pub(super) fn new(http: HttpClient, root: &str, config: &config::Preferences) -> Self {
        let place = |auid: &str, document: &str, media_type: &str| {
            let all = (auid.to_owned(), document.to_owned(), media_type.to_owned());
            let (auid, document, media_type) = all;
            (!auid.is_empty()).then_some(Place { auid, document, media_type })
        };
        Self {
            http,
            root: root.trim_end_matches('/').to_owned(),
            rules: place(&config.rules_auid, &config.rules_document, &config.rules_media_type),
            profile: place(&config.profile_auid, &config.profile_document, &config.profile_media_type),
        }
    }

    fn place(&self, document: Document) -> Option<&Place> {
        match document {
            Document::Rules => self.rules.as_ref(),
            Document::Profile => self.profile.as_ref(),
        }
    }

    /// Whether such documents are asked for at all.
    pub(super) fn asks_for(&self, document: Document) -> bool {
        self.place(document).is_some()
    }

    /// Asks once. With `tag`, an unchanged document is not sent again.
    ///
    /// # Errors
    /// [`Fault`]
    pub(super) async fn get(&self, user: &Address, document: Document, tag: Option<&str>) -> Result<Fetched, Fault> {
        let Some(place) = self.place(document) else { return Ok(Fetched::Absent) };
        let response = self.http.send(self.request(user, place, tag)).await?;
        match response.status {
            200 => Ok(Fetched::There { tag: tag_of(&response), body: response.body }),
            304 if tag.is_some() => Ok(Fetched::Unchanged),
            404 | 410 => Ok(Fetched::Absent),
            status => Err(Fault::Status(status)),
        }
    }

    fn request(&self, user: &Address, place: &Place, tag: Option<&str>) -> Request {
        let segments = [&place.auid, "users", user.as_str(), &place.document];
        let mut url = self.root.clone();
        for segment in segments {
            url.push('/');
            escape(segment, &mut url);
        }
        let mut headers =
            vec![("X-3GPP-Intended-Identity", quoted(user.as_str())), ("Accept", place.media_type.clone())];
        headers.extend(tag.map(|tag| ("If-None-Match", tag.to_owned())));
        Request { method: Method::Get, url, headers, body: Bytes::new() }
    }
}

impl Fault {
    /// How it is counted.
    pub(super) const fn outcome(&self) -> Outcome {
        match self {
            Self::Http(HttpError::Timeout { .. } | HttpError::Busy { .. }) => Outcome::Timeout,
            Self::Http(HttpError::TooLong { .. }) => Outcome::Unreadable,
            Self::Http(HttpError::Connect { .. } | HttpError::Broken { .. }) => Outcome::Transport,
            Self::Status(429 | 500..) => Outcome::Failed,
            Self::Status(_) | Self::Http(HttpError::Url | HttpError::Header { .. }) => Outcome::Refused,
        }
    }

    /// Whether the server as a whole is in trouble: it may be over soon, and asking others of its documents is no use.
    pub(super) const fn is_of_the_server(&self) -> bool {
        matches!(self.outcome(), Outcome::Timeout | Outcome::Transport | Outcome::Failed)
    }
}

fn tag_of(response: &Response) -> Option<String> {
    let tag = response.header("etag")?.trim();
    (!tag.is_empty() && tag.len() <= TAG_BYTES_MAX).then(|| tag.to_owned())
}

/// A path segment (RFC 3986 section 3.3): all but unreserved characters as `%XX`, as WX-17 has it.
fn escape(segment: &str, into: &mut String) {
    for octet in segment.bytes() {
        if octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_' | b'~') {
            into.push(char::from(octet));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(into, "%{octet:02X}");
        }
    }
}

/// The identity between quotes (3GPP TS 24.109 section 7.2). What a header cannot hold is escaped as in a URI.
fn quoted(identity: &str) -> String {
    let mut quoted = String::with_capacity(identity.len() + 2);
    quoted.push('"');
    for octet in identity.bytes() {
        if octet.is_ascii_graphic() && !matches!(octet, b'"' | b'\\') {
            quoted.push(char::from(octet));
        } else {
            let _ = write!(quoted, "%{octet:02X}");
        }
    }
    quoted.push('"');
    quoted
}
