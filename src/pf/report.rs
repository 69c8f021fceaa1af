//! Telling the sender (8.3.2.2): the disposition notification of WX-14, and where it goes.

use super::notify::bare;
use super::{CPM_MSG, RealmSettings, Settings, Verb, defer, send, tags};
use crate::cpim;
use crate::formats::imdn::{CONTENT_TYPE, Imdn, Kind, Recipient, Status};
use crate::formats::rfc3339;
use crate::net::Target;
use crate::queue::Report;
use crate::queue::event::{Disposition, Transaction};
use crate::sip::{self, Method, NameAddr, Request, Uri};
use crate::types::{Digest, SeedSecret, Timestamp};
use bytes::Bytes;

/// A disposition notification to be sent.
#[derive(Clone, Copy)]
pub struct Reporting<'a> {
    pub report: &'a Report,
    pub transaction: &'a Transaction,
    /// Whether a client of the recipient is registered (P-Served-User).
    pub is_registered: bool,
    /// When it was owed: every try says the same.
    pub owed_at: Timestamp,
}

/// The way of a disposition notification.
pub enum ReportWay {
    /// Over the wire.
    Out(Box<(Request, Target)>),
    /// The sender is a user of ours, and no S-CSCF stands between us: into their own queue.
    Home(Box<Verb>),
    /// There is no way to that address.
    Nowhere,
}

/// The MESSAGE of WX-14 and where it goes: through the realm's S-CSCF on behalf of the recipient (TS 24.229 section
/// 5.7.3), or to the sender.
#[must_use]
pub fn report(
    settings: &Settings,
    realm: &RealmSettings,
    secret: SeedSecret,
    reporting: &Reporting,
    now: Timestamp,
) -> ReportWay {
    // I-18.
    let Some(address) = secret.open(&reporting.report.return_address) else { return ReportWay::Nowhere };
    let Ok(sender) = Uri::parse(&address) else { return ReportWay::Nowhere };
    let mut request = Request::new(Method::Message, address.clone());
    request.headers.push("Max-Forwards", "70");
    if let Some(hop) = &realm.next_hop {
        request.headers.push("Route", send::loose(&hop.clone().with_param("orig", None)));
    }
    names(settings, reporting, &address, &mut request);
    identity(reporting, realm.next_hop.is_some(), &mut request);
    request.headers.push("Date", reporting.owed_at.sip_date());
    request.headers.push("User-Agent", settings.release.clone());
    request.headers.push("Content-Type", "message/cpim");
    request.body = body(reporting, &address);
    if let Some(hop) = &realm.next_hop {
        let target = send::target(hop, None);
        return ReportWay::Out(Box::new((request, target)));
    }
    match defer::inside(settings, &request, secret, now) {
        Some(verb) => ReportWay::Home(Box::new(verb)),
        None if sender.host.is_empty() => ReportWay::Nowhere,
        None => ReportWay::Out(Box::new((request, send::target(&sender, None)))),
    }
}

fn names(settings: &Settings, reporting: &Reporting, sender: &str, request: &mut Request) {
    let Reporting { report, transaction, .. } = reporting;
    let from = NameAddr::of(report.recipient.as_str()).with_param("tag", Some(&transaction.from_tag));
    request.headers.push("From", from.to_string());
    request.headers.push("To", NameAddr::of(sender).to_string());
    request.headers.push("Call-ID", format!("{}@{}", transaction.call_id, settings.host));
    request.headers.push("CSeq", sip::cseq(transaction.cseq, &Method::Message));
}

fn identity(reporting: &Reporting, is_served: bool, request: &mut Request) {
    let recipient = NameAddr::of(reporting.report.recipient.as_str()).to_string();
    request.headers.push("P-Asserted-Identity", recipient.clone());
    request.headers.push("P-Asserted-Service", CPM_MSG);
    if is_served {
        let regstate = if reporting.is_registered { "reg" } else { "unreg" };
        request.headers.push("P-Served-User", format!("{recipient};sescase=orig;regstate={regstate}"));
    }
    request.headers.push("Accept-Contact", tags::accept_icsi(CPM_MSG));
    for (name, value) in
        [("Conversation-ID", &reporting.report.conversation_id), ("Contribution-ID", &reporting.report.contribution_id)]
    {
        if let Some(value) = value {
            request.headers.push(name, value.0.clone());
        }
    }
}

/// RFC 5438 section 7.2.1.1.
fn body(reporting: &Reporting, sender: &str) -> Bytes {
    let Reporting { report, owed_at, .. } = reporting;
    let imdn = &report.imdn;
    let recipient = imdn.to.as_deref().map_or_else(|| bare(&report.recipient), uri_of);
    let original = imdn.original_to.as_deref().map_or_else(|| recipient.clone(), uri_of);
    let (kind, status) = match report.disposition {
        Disposition::Delivered => (Kind::Delivery, Status::Delivered),
        Disposition::Failed => (Kind::Delivery, Status::Failed),
        Disposition::Stored => (Kind::Processing, Status::Stored),
    };
    let content = Imdn {
        message_id: imdn.message_id.clone().unwrap_or_default(),
        date_time: imdn.date_time.clone(),
        recipient: Some(Recipient { uri: recipient.clone(), original }),
        kind,
        status,
    };
    let sender = imdn.from.as_deref().map_or_else(|| bare(sender), uri_of);
    let wrapper = cpim::Notification {
        from: &recipient,
        to: &sender,
        message_id: &name(report),
        date_time: &rfc3339(*owed_at),
        record_routes: &imdn.record_routes,
    };
    Bytes::from(wrapper.wrap(CONTENT_TYPE, &content.print()))
}

/// Its own imdn.Message-ID: the same for every try, so that whoever gets it twice can tell.
fn name(report: &Report) -> String {
    let kind = match report.disposition {
        Disposition::Delivered => "delivered",
        Disposition::Failed => "failed",
        Disposition::Stored => "stored",
    };
    Digest::of(format!("imdn {} {kind}", report.message).as_bytes()).to_string()[..24].to_owned()
}

/// The URI of a CPIM address (`Name <URI>`).
fn uri_of(address: &str) -> String {
    NameAddr::parse(address).map_or_else(|_| address.to_owned(), |address| address.uri)
}
