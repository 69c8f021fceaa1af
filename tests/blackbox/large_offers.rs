//! INVITEs that bring no large message: 488, and a Warning that says what would be taken.

use crate::call::ask;
use crate::large_in::{is_discreet, server};
use crate::large_wire::{Offer, invite};
use crate::server::metric;
use crate::ua::Message;
use crate::wire::{MSG_TAG, someone};

#[test]
fn an_offer_that_no_large_message_can_come_by_is_refused_with_the_reason() {
    let (server, bob) = (server(""), someone());
    let caller = server.caller();
    let good = Offer::default();
    let table = [
        (Offer { medium: "", ..good.clone() }, "An offer is needed"),
        (Offer { medium: "audio", protocol: "RTP/AVP 0", ..good.clone() }, "An MSRP medium is needed"),
        (Offer { port: 0, ..good.clone() }, "An MSRP medium is needed"),
        (Offer { direction: "recvonly", ..good.clone() }, "The offerer must send"),
        (Offer { direction: "inactive", ..good.clone() }, "The offerer must send"),
        (Offer { has_path: false, ..good.clone() }, "A path of MSRP URIs is needed"),
        (Offer { accepts: "text/plain image/*", ..good.clone() }, "The messages must be message/cpim"),
        (Offer { setup: Some("holdconn"), ..good.clone() }, "A connection is needed"),
        (Offer { setup: Some("passive"), ..good.clone() }, "A passive offerer must have a port"),
        (Offer { protocol: "TCP/TLS/MSRP *", ..good }, "MSRP over TLS is not served here"),
    ];
    for (offer, reason) in &table {
        let answer = ask(&caller, &invite(&caller, &bob, offer));
        is_refused(&answer, reason);
    }
    assert_eq!(server.metric(metric::QUEUED), Some(0.0));
    server.wait_for_metric("restante_msrp_sessions", 0.0);
    is_discreet(&server);
}

#[test]
fn an_invite_of_another_service_is_refused_whatever_it_offers() {
    let (server, bob) = (server(""), someone());
    let caller = server.caller();
    let tag = |service: &str| MSG_TAG.replace("oma.cpm.msg", service);
    let services = [
        tag("oma.cpm.session"),
        tag("oma.cpm.filetransfer"),
        tag("mmtel"),
        "*;+g.oma.sip-im".to_owned(),
        "*;+g.3gpp.iari-ref=\"urn%3Aurn-7%3A3gpp-application.ims.iari.rcse.ft\"".to_owned(),
    ];
    for service in services {
        let chat = invite(&caller, &bob, &Offer::default()).set("Accept-Contact", service);
        is_refused(&ask(&caller, &chat), "Only large messages are taken here");
    }
    // Without any word of a service the offer speaks for itself.
    let more = "a=file-selector:name:\"a.jpg\" type:image/jpeg size:9\r\na=file-transfer-id:abc\r\n";
    let file = invite(&caller, &bob, &Offer { more, ..Offer::default() }).without("Accept-Contact");
    is_refused(&ask(&caller, &file), "Files are not taken, only messages");
    let unnamed = invite(&caller, &bob, &Offer::default()).without("Accept-Contact");
    assert_eq!(ask(&caller, &unnamed).status(), Some(200));
}

fn is_refused(answer: &Message, reason: &str) {
    assert_eq!(answer.status(), Some(488), "{reason}: {answer:#?}");
    let warning = answer.header("Warning").unwrap_or_default();
    assert!(warning.contains(&format!("\"{reason}\"")), "'{warning}' is not '{reason}'");
}
