//! Interworking (MNG-4): the message goes straight to the Interworking Selection Function.

use super::send::{self, identities, replayed};
use super::{RealmSettings, Settings};
use crate::net::Target;
use crate::queue::event::{Envelope, KeptName, Transaction};
use crate::sip::{Method, Request};
use bytes::Bytes;

/// RSN-4: directly, without the SIP/IP core, and with no Route header to the ISF. It is told whom the message is for by the
/// Request-URI, and as what service it came. `None` if no ISF is configured.
#[must_use]
pub fn interwork(
    settings: &Settings,
    realm: &RealmSettings,
    envelope: &Envelope,
    transaction: &Transaction,
    body: &Bytes,
) -> Option<(Request, Target)> {
    let isf = realm.isf.as_ref()?;
    let mut request = Request::new(Method::Message, envelope.request_uri.clone());
    request.headers.push("Max-Forwards", "70");
    send::names(settings, envelope, transaction, &mut request);
    identities(envelope, &mut request);
    request.headers.push("P-Asserted-Service", super::CPM_MSG);
    for accepted in envelope.all(KeptName::AcceptContact) {
        request.headers.push("Accept-Contact", accepted.0.clone());
    }
    replayed(envelope, &mut request);
    request.headers.push("User-Agent", settings.release.clone());
    if let Some(media) = envelope.all(KeptName::ContentType).next() {
        request.headers.push("Content-Type", media.0.clone());
    }
    request.body = body.clone();
    Some((request, send::target(isf, None)))
}
