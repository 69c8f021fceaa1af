//! Sending a Large Message Mode Deferred CPM Message (8.3.2.3.4): the INVITE of WX-10 and where it goes.

use super::outgoing::size;
use crate::config::Transport;
use crate::formats::sdp::{self, OwnMedia};
use crate::net::Target;
use crate::pf::{CPM_DEFERRED, CPM_LARGEMSG, RealmSettings, Settings, body, send, tags};
use crate::queue::event::{Client, Envelope, KeptName, Transaction};
use crate::sip::dialog::{ALLOWED, offer_session};
use crate::sip::{Method, Request, allow};
use crate::types::Timestamp;
use bytes::Bytes;
use memchr::memmem;

/// A delivery to be offered. The body goes by MSRP, once the client has answered.
#[derive(Clone, Copy)]
pub struct LargePush<'a> {
    pub envelope: &'a Envelope,
    pub expires_at: Timestamp,
    pub client: &'a Client,
    pub transaction: &'a Transaction,
    /// Its UID in the message store, if its history was recorded (I-15).
    pub message_uid: Option<u32>,
}

/// SNDL-0 … SNDL-8, with the offer of `own`. Complete but for Via; `None` if the registration gives no way at all.
#[must_use]
pub fn large_invite(
    settings: &Settings,
    realm: &RealmSettings,
    push: &LargePush,
    own: &OwnMedia,
    now: Timestamp,
) -> Option<(Request, Target)> {
    let LargePush { envelope, client, transaction, .. } = *push;
    let way = send::way(realm, client)?;
    let target = way.target(client);
    // SNDL-3.
    let mut request = Request::new(Method::Invite, way.request_uri(&envelope.request_uri));
    request.headers.push("Max-Forwards", "70");
    way.push_route(&envelope.request_uri, &mut request);
    send::names(settings, envelope, transaction, &mut request);
    push_contact(settings, &target, CPM_DEFERRED, &mut request);
    send::identity(envelope, client, &mut request);
    send::replayed(envelope, &mut request);
    if let Some(uid) = push.message_uid {
        request.headers.push("Message-UID", uid.to_string());
    }
    if settings.push_expires {
        // I-27 and I-26: nothing on the way keeps it past its life. `Expires` would be that of the INVITE.
        request.headers.push("Message-Expires", push.expires_at.since(now).as_secs().max(1).to_string());
    }
    offer(settings, envelope, transaction, own, now, &mut request);
    Some((request, target))
}

/// MNG-4, RSN-4: directly to the Interworking Selection Function, with no Route header, and as the service that it came as.
/// `None` if no ISF is configured.
#[must_use]
pub fn interwork_large(
    settings: &Settings,
    realm: &RealmSettings,
    envelope: &Envelope,
    transaction: &Transaction,
    own: &OwnMedia,
    now: Timestamp,
) -> Option<(Request, Target)> {
    let target = send::target(realm.isf.as_ref()?, None);
    let mut request = Request::new(Method::Invite, envelope.request_uri.clone());
    request.headers.push("Max-Forwards", "70");
    send::names(settings, envelope, transaction, &mut request);
    push_contact(settings, &target, CPM_LARGEMSG, &mut request);
    send::identities(envelope, &mut request);
    request.headers.push("P-Asserted-Service", CPM_LARGEMSG);
    for accepted in envelope.all(KeptName::AcceptContact) {
        request.headers.push("Accept-Contact", accepted.0.clone());
    }
    send::replayed(envelope, &mut request);
    offer(settings, envelope, transaction, own, now, &mut request);
    Some((request, target))
}

/// Where requests of the dialog reach us. An INVITE whose way is not known yet will hardly fit into a datagram.
fn push_contact(settings: &Settings, target: &Target, icsi: &str, request: &mut Request) {
    let transport = target.flow.map(|(transport, _)| transport).or(target.transport).unwrap_or(Transport::Tcp);
    request.headers.push("Contact", format!("<{}>;{}", settings.contact(transport), tags::icsi_ref(icsi)));
}

/// SNDL-4 … SNDL-7.
fn offer(
    settings: &Settings,
    envelope: &Envelope,
    transaction: &Transaction,
    own: &OwnMedia,
    now: Timestamp,
    request: &mut Request,
) {
    offer_session(request, settings.session_secs);
    request.headers.push("Allow", allow(&ALLOWED));
    request.headers.push("User-Agent", settings.release.clone());
    let announced = settings.large.is_none_or(|large| large.file_selector).then(|| size(envelope));
    let sdp = own.offer(body::session_id(now), announced);
    let (media, content) = match envelope.all(KeptName::RecipientList).next() {
        Some(list) => listed(&sdp, &list.0, &transaction.from_tag),
        None => (sdp::CONTENT_TYPE.to_owned(), sdp),
    };
    request.headers.push("Content-Type", media);
    request.body = Bytes::from(content);
}

/// The offer beside the recipient list that the message came with (DEF-2b, RFC 5621).
fn listed(sdp: &[u8], list: &[u8], name: &str) -> (String, Vec<u8>) {
    let boundary = boundary(list, name);
    let delimiter = format!("--{boundary}");
    let head = format!("{delimiter}\r\nContent-Type: {}\r\n\r\n", sdp::CONTENT_TYPE);
    let between = format!("\r\n{delimiter}\r\n");
    let end = format!("\r\n{delimiter}--\r\n");
    let content = [head.as_bytes(), sdp, between.as_bytes(), list, end.as_bytes()].concat();
    (format!("{};boundary={boundary}", body::MIXED), content)
}

/// Made of a name that nobody could know before, so that it is not in the list; and if it is, made longer. Whatever is not
/// plain is left out, and RFC 2046 allows 70 characters.
fn boundary(list: &[u8], name: &str) -> String {
    let name: String = name.chars().filter(char::is_ascii_alphanumeric).take(32).collect();
    let candidates = (0..32).map(|more| format!("cpm-{name}{}", "x".repeat(more)));
    let mut fitting = candidates.filter(|boundary| memmem::find(list, boundary.as_bytes()).is_none());
    fitting.next().unwrap_or_else(|| format!("cpm-{name}"))
}
