//! As what an INVITE comes: by the services that it names (spec 1.7). Only large messages are taken.

use crate::pf::{CPM_LARGEMSG, tags};
use crate::sip::{NameAddr, Request};

/// The service of an INVITE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    /// It says that it brings a large message.
    LargeMessage,
    /// It names no service: what it offers must tell.
    Unnamed,
    /// A session, a file, a call.
    Other,
}

/// Feature tags of services that have no ICSI: those of SIMPLE IM, and applications on top of an unnamed service.
const OTHERS: [&str; 2] = ["+g.oma.sip-im", "+g.3gpp.iari-ref"];

/// What Accept-Contact, P-Asserted-Service and P-Preferred-Service say. A request may name several services: one of them
/// is enough.
pub(super) fn service(request: &Request) -> Service {
    let contacts = NameAddr::list(&request.headers, "Accept-Contact");
    let tags = contacts.iter().flat_map(|contact| tags::services(&contact.params));
    let lines = ["P-Asserted-Service", "P-Preferred-Service"].into_iter().flat_map(|name| request.headers.all(name));
    let named = lines.flat_map(|line| line.split(',')).map(|service| service.trim().to_owned());
    let services: Vec<String> = tags.chain(named).filter(|service| is_service(service)).collect();
    if services.iter().any(|service| is_large_message(service)) {
        Service::LargeMessage
    } else if services.is_empty() {
        Service::Unnamed
    } else {
        Service::Other
    }
}

/// Tags that begin with `+` are capabilities, but for a few.
fn is_service(tag: &str) -> bool {
    !tag.is_empty() && (!tag.starts_with('+') || OTHERS.iter().any(|other| tag.starts_with(other)))
}

/// The ICSI itself, or one below it (`….largemsg.group`).
fn is_large_message(icsi: &str) -> bool {
    let head = icsi.get(..CPM_LARGEMSG.len()).filter(|head| head.eq_ignore_ascii_case(CPM_LARGEMSG));
    head.is_some() && icsi.get(CPM_LARGEMSG.len()..).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}
