//! The dialog of a subscription: what RFC 3261 section 12 keeps, for requests of ours only.

use crate::sip::{self, Method, NameAddr, Request, Uri};

/// One dialog, or the attempt at one: without a remote tag nothing has come from the far end yet.
#[derive(Clone)]
pub(super) struct Dialog {
    pub(super) call_id: String,
    pub(super) local_tag: String,
    pub(super) remote_tag: Option<String>,
    /// URIs, nearest first.
    route: Vec<String>,
    target: String,
    remote_cseq: Option<u32>,
}

/// Why a request does not belong into a dialog, as a status.
pub(super) type Misfit = u16;

impl Dialog {
    /// An attempt: the first request goes to `target` through `route`, whose entries are ours to make loose.
    pub(super) fn new(call_id: String, local_tag: String, target: &str, route: &[String]) -> Self {
        let route = route.iter().map(|uri| loose(uri)).collect();
        Self { call_id, local_tag, remote_tag: None, route, target: target.to_owned(), remote_cseq: None }
    }

    /// A request inside the dialog, with From, To, Call-ID, `CSeq` and Route (section 12.2.1.1), and its next hop.
    pub(super) fn request(&self, method: &Method, cseq: u32, local: &str, remote: &str) -> (Request, String) {
        let strict = self.route.first().filter(|first| !is_loose(first));
        let uri = strict.unwrap_or(&self.target);
        let mut request = Request::new(method.clone(), uri.clone());
        request.headers.push("Max-Forwards", "70");
        // A strict router takes the Request-URI for itself; where the request goes stands last.
        let entries = self.route.iter().skip(usize::from(strict.is_some())).chain(strict.map(|_| &self.target));
        for entry in entries {
            request.headers.push("Route", format!("<{entry}>"));
        }
        request.headers.push("From", tagged(local, Some(&self.local_tag)));
        request.headers.push("To", tagged(remote, self.remote_tag.as_deref()));
        request.headers.push("Call-ID", self.call_id.clone());
        request.headers.push("CSeq", sip::cseq(cseq, method));
        let hop = self.route.first().unwrap_or(&self.target).clone();
        (request, hop)
    }

    /// Whether a request from the far end belongs here and comes in order; nothing is changed yet.
    pub(super) fn check(&self, request: &Request) -> Result<(), Misfit> {
        if request.call_id() != Some(&self.call_id) || request.to_tag().as_ref() != Some(&self.local_tag) {
            return Err(481);
        }
        let from_tag = request.from_tag().ok_or(400u16)?;
        if self.remote_tag.as_ref().is_some_and(|known| *known != from_tag) {
            return Err(481);
        }
        let (cseq, _) = request.cseq().ok_or(400u16)?;
        if self.remote_cseq.is_some_and(|last| cseq <= last) {
            return Err(500);
        }
        if self.remote_tag.is_none() && contact(request).is_none() {
            return Err(400);
        }
        Ok(())
    }

    /// Takes in a request that [`Dialog::check`] let through: the first makes the dialog and its route set (RFC 6665
    /// section 4.4.1), every one refreshes the target.
    pub(super) fn accept(&mut self, request: &Request) {
        if self.remote_tag.is_none() {
            self.remote_tag = request.from_tag();
            // We are the far end of the NOTIFY, so its order is ours.
            self.route = NameAddr::list(&request.headers, "Record-Route").into_iter().map(|entry| entry.uri).collect();
        }
        self.remote_cseq = request.cseq().map(|(number, _)| number);
        if let Some(contact) = contact(request) {
            self.target = contact;
        }
    }
}

fn contact(request: &Request) -> Option<String> {
    let contact = NameAddr::list(&request.headers, "Contact").into_iter().next()?;
    (!contact.is_wildcard()).then_some(contact.uri)
}

fn tagged(uri: &str, tag: Option<&str>) -> String {
    let party = NameAddr::of(uri);
    tag.map_or_else(|| party.to_string(), |tag| party.clone().with_param("tag", Some(tag)).to_string())
}

fn is_loose(uri: &str) -> bool {
    Uri::parse(uri).is_ok_and(|uri| uri.param("lr").is_some())
}

fn loose(uri: &str) -> String {
    match Uri::parse(uri) {
        Ok(parsed) if parsed.param("lr").is_none() => parsed.with_param("lr", None).to_string(),
        _ => uri.to_owned(),
    }
}
