//! Telling the recipient in band (8.3.2.3.2, 8.3.2.3.5): the system message of WX-5 and where it goes.

use super::send::way;
use super::{CPM_SYSTEM, RealmSettings, Settings, tags};
use crate::formats::msginfo::{Listed, MessageList, NotificationFormat, Outcome};
use crate::net::Target;
use crate::queue::event::{Client, Envelope, KeptName, Location, Transaction};
use crate::queue::{Entry, Gone, News, Queue};
use crate::sip::{self, Method, Request, Uri};
use crate::types::{MessageId, Timestamp};
use bytes::Bytes;

/// Messages described in one notification; `number` says how many there are.
pub const LISTED_MAX: usize = 100;

/// The media feature tag of the first edition of the standard (I-05).
const LEGACY_TAG: &str = "*;+g.oma.cpm.system-message";

/// A system message to be put on the wire.
#[derive(Clone, Copy)]
pub struct SystemMessage<'a> {
    pub queue: &'a Queue,
    pub news: &'a News,
    pub client: &'a Client,
    pub transaction: &'a Transaction,
}

/// MNG-N1a … MNG-N1h. Complete but for Via; `None` if the registration gives no way at all.
#[must_use]
pub fn system_message(
    settings: &Settings,
    realm: &RealmSettings,
    message: &SystemMessage,
    now: Timestamp,
) -> Option<(Request, Target)> {
    let way = way(realm, message.client)?;
    let address = address(message.queue, message.news, now);
    let mut request = Request::new(Method::Message, way.request_uri(&address));
    request.headers.push("Max-Forwards", "70");
    way.push_route(&address, &mut request);
    names(settings, &address, message.transaction, &mut request);
    request.headers.push("P-Asserted-Service", CPM_SYSTEM);
    request.headers.push("Accept-Contact", tags::accept_icsi(CPM_SYSTEM));
    if settings.legacy_system_tag {
        request.headers.push("Accept-Contact", LEGACY_TAG);
    }
    if let Some(instance) = &message.client.instance {
        request.headers.push("Accept-Contact", tags::accept_instance(instance));
    }
    request.headers.push("User-Agent", settings.release.clone());
    request.headers.push("Date", now.sip_date());
    let format = NotificationFormat::default();
    request.headers.push("Content-Type", format.content_type());
    request.body = Bytes::from(format.print(&list(&settings.host, message.queue, message.news, now)));
    let target = way.target(message.client);
    Some((request, target))
}

/// MNG-N1c: the CPM Address, spelt as in what is told of.
fn address(queue: &Queue, news: &News, now: Timestamp) -> String {
    let envelope = match news {
        News::Waiting => queue.waiting(now).next().map(|entry| &entry.envelope),
        News::Ended(gone) => Some(&gone.envelope),
    };
    envelope.map_or_else(|| queue.user().as_str().to_owned(), |envelope| envelope.request_uri.clone())
}

/// MNG-N1d: the server speaks for itself.
fn names(settings: &Settings, to: &str, transaction: &Transaction, request: &mut Request) {
    // MNG-N1d.
    let server = settings.identity();
    request.headers.push("From", format!("{server};tag={}", transaction.from_tag));
    request.headers.push("To", format!("<{to}>"));
    request.headers.push("Call-ID", format!("{}@{}", transaction.call_id, settings.host));
    request.headers.push("CSeq", sip::cseq(transaction.cseq, &Method::Message));
    request.headers.push("P-Asserted-Identity", server);
}

/// MNG-N1f, MNG-N1g: what waits, or what has become of one message.
fn list(host: &str, queue: &Queue, news: &News, now: Timestamp) -> MessageList {
    match news {
        News::Waiting => MessageList {
            number: queue.waiting(now).count() as u64,
            messages: queue.waiting(now).take(LISTED_MAX).map(|entry| of_entry(host, entry)).collect(),
        },
        News::Ended(gone) => MessageList { number: 1, messages: vec![of_gone(host, gone)] },
    }
}

fn of_entry(host: &str, entry: &Entry) -> Listed {
    listed(host, entry.id, &entry.envelope, (entry.received_at, entry.expires_at), None)
}

fn of_gone(host: &str, gone: &Gone) -> Listed {
    let outcome = match &gone.location {
        Some(Location { uid, .. }) => Outcome::Stored { uid: Some(*uid) },
        None => Outcome::Discarded,
    };
    listed(host, gone.id, &gone.envelope, (gone.received_at, gone.expires_at), Some(outcome))
}

fn listed(
    host: &str,
    id: MessageId,
    envelope: &Envelope,
    (date_time, expiry): (Timestamp, Timestamp),
    outcome: Option<Outcome>,
) -> Listed {
    Listed {
        reference: id.uri(host),
        date_time,
        size: envelope.size,
        expiry,
        subject: envelope.text(KeptName::Subject),
        from: sender(envelope),
        to: Some(bare(&envelope.request_uri)),
        outcome,
    }
}

/// The sender's address, unless they asked for anonymity.
pub fn sender(envelope: &Envelope) -> Option<String> {
    envelope.return_address.as_deref().filter(|_| !envelope.anonymous).map(bare)
}

/// A SIP URI without its parameters.
pub(super) fn bare(uri: &str) -> String {
    Uri::parse(uri).map_or_else(|_| uri.to_owned(), |uri| Uri { params: Vec::new(), headers: None, ..uri }.to_string())
}
