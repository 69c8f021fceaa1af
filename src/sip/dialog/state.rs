//! One dialog as data: who, by which way, and what number comes next (RFC 3261 section 12).

use crate::sip::{Headers, Method, NameAddr, Request, Response, Uri, split_list};
use crate::types::Digest;
use bytes::Bytes;
use std::fmt;

/// What names a dialog at our end.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct DialogId {
    pub call_id: String,
    pub local_tag: String,
    /// Empty for a peer from before RFC 3261.
    pub remote_tag: String,
}

/// A Call-ID may hold a host or an address of a person.
impl fmt::Debug for DialogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DialogId({})", self.local_tag)
    }
}

impl DialogId {
    /// The dialog that a received request says it belongs to; `None` outside of dialogs.
    #[must_use]
    pub fn of(request: &Request) -> Option<Self> {
        let local_tag = request.to_tag()?;
        let remote_tag = request.from_tag().unwrap_or_default();
        Some(Self { call_id: request.call_id()?.to_owned(), local_tag, remote_tag })
    }
}

/// A dialog.
#[derive(Clone, PartialEq, Eq)]
pub struct Dialog {
    id: DialogId,
    /// Our address with our tag.
    local: Bytes,
    /// The peer's address with their tag.
    remote: Bytes,
    /// Route entries, next hop first.
    route_set: Vec<String>,
    /// The peer's Contact.
    target: String,
    /// Our Contact line, repeated when the session is refreshed.
    contact: Option<Bytes>,
    local_cseq: u32,
    remote_cseq: Option<u32>,
}

/// Addresses are personal data.
impl fmt::Debug for Dialog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialog").field("id", &self.id).field("local_cseq", &self.local_cseq).finish_non_exhaustive()
    }
}

impl Dialog {
    /// As the server of an INVITE, from the request and our 2xx (section 12.1.1); `None` if they lack what it needs.
    #[must_use]
    pub fn uas(request: &Request, response: &Response) -> Option<Self> {
        Some(Self {
            id: DialogId {
                call_id: request.call_id()?.to_owned(),
                local_tag: response.to_tag()?,
                remote_tag: request.from_tag().unwrap_or_default(),
            },
            local: response.headers.raw("To")?.clone(),
            remote: request.headers.raw("From")?.clone(),
            route_set: record_route(&request.headers),
            target: contact(&request.headers)?,
            contact: response.headers.raw("Contact").cloned(),
            local_cseq: 0,
            remote_cseq: Some(request.cseq()?.0),
        })
    }

    /// As the client of an INVITE, from our request and a 2xx (section 12.1.2); `None` if they lack what it needs.
    #[must_use]
    pub fn uac(request: &Request, response: &Response) -> Option<Self> {
        let mut route_set = record_route(&response.headers);
        route_set.reverse();
        Some(Self {
            id: DialogId {
                call_id: request.call_id()?.to_owned(),
                local_tag: request.from_tag()?,
                remote_tag: response.to_tag().unwrap_or_default(),
            },
            local: request.headers.raw("From")?.clone(),
            remote: response.headers.raw("To")?.clone(),
            route_set,
            target: contact(&response.headers)?,
            contact: request.headers.raw("Contact").cloned(),
            local_cseq: request.cseq()?.0,
            remote_cseq: None,
        })
    }

    #[must_use]
    pub const fn id(&self) -> &DialogId {
        &self.id
    }

    /// Whether requests go straight to the peer.
    #[must_use]
    pub fn is_direct(&self) -> bool {
        self.route_set.is_empty()
    }

    /// The URI that the next request is sent to: the first route, else the peer.
    #[must_use]
    pub fn hop(&self) -> String {
        self.route_set.first().and_then(|first| route_uri(first)).unwrap_or_else(|| self.target.clone())
    }

    /// The next request of ours (section 12.2.1.1): complete but for Via, and for what its method wants besides.
    #[must_use]
    pub fn request(&mut self, method: Method) -> Request {
        self.local_cseq = self.local_cseq.saturating_add(1);
        self.numbered(method, self.local_cseq)
    }

    /// The ACK to a 2xx to our INVITE of this number (section 13.2.2.4).
    #[must_use]
    pub fn ack(&self, cseq: u32) -> Request {
        self.numbered(Method::Ack, cseq)
    }

    /// A branch that no other request has: another one for each number and method.
    #[must_use]
    pub fn branch(&self, request: &Request) -> String {
        let mut from = Vec::with_capacity(128);
        for part in [&self.id.call_id, &self.id.local_tag, &self.id.remote_tag] {
            from.extend_from_slice(part.as_bytes());
            from.push(0);
        }
        from.extend_from_slice(request.headers.raw("CSeq").map_or(&b""[..], |value| value));
        let mut branch = format!("z9hG4bK-d-{}", Digest::of(&from));
        branch.truncate(42);
        branch
    }

    fn numbered(&self, method: Method, cseq: u32) -> Request {
        let mut headers = Headers::with_capacity(10);
        headers.push("Max-Forwards", "70");
        let (uri, route) = self.way();
        if !route.is_empty() {
            headers.push("Route", route.join(", "));
        }
        headers.push("From", self.local.clone());
        headers.push("To", self.remote.clone());
        headers.push("Call-ID", self.id.call_id.clone());
        headers.push("CSeq", format!("{cseq} {method}"));
        if let Some(contact) = self.contact.as_ref().filter(|_| matches!(method, Method::Invite | Method::Update)) {
            headers.push("Contact", contact.clone());
        }
        Request { method, uri, headers, body: Bytes::new() }
    }

    /// Request-URI and Route. A first router without `lr` is a strict one (RFC 2543): it finds itself in the Request-URI
    /// and the peer at the end of Route.
    fn way(&self) -> (String, Vec<String>) {
        let Some((first, rest)) = self.route_set.split_first() else { return (self.target.clone(), Vec::new()) };
        let uri = route_uri(first);
        let strict = uri.as_deref().and_then(|uri| Uri::parse(uri).ok()).filter(|uri| uri.param("lr").is_none());
        match strict {
            Some(mut uri) => {
                // Section 19.1.1: what may not stand in a Request-URI.
                uri.headers = None;
                uri.params.retain(|(name, _)| !name.eq_ignore_ascii_case("method"));
                let mut route = rest.to_vec();
                route.push(NameAddr::of(self.target.clone()).to_string());
                (uri.to_string(), route)
            }
            None => (self.target.clone(), self.route_set.clone()),
        }
    }

    /// Whether a request of the peer with this number is in order (section 12.2.2); it is remembered then.
    pub fn takes(&mut self, cseq: u32) -> bool {
        if self.remote_cseq.is_some_and(|last| cseq <= last) {
            return false;
        }
        self.remote_cseq = Some(cseq);
        true
    }

    /// A target refresh: where the peer is now.
    pub fn refresh_target(&mut self, headers: &Headers) {
        if let Some(target) = contact(headers) {
            self.target = target;
        }
    }

    /// Our Contact line.
    #[must_use]
    pub const fn contact(&self) -> Option<&Bytes> {
        self.contact.as_ref()
    }
}

/// `Record-Route` entries as written, in order.
fn record_route(headers: &Headers) -> Vec<String> {
    headers.all("Record-Route").flat_map(split_list).map(str::to_owned).collect()
}

fn route_uri(entry: &str) -> Option<String> {
    NameAddr::parse(entry).ok().map(|entry| entry.uri)
}

/// The URI of the one Contact; a `*` is none.
pub(super) fn contact(headers: &Headers) -> Option<String> {
    let first = NameAddr::parse(split_list(headers.get("Contact")?).next()?).ok()?;
    (!first.is_wildcard()).then_some(first.uri)
}
