//! INVITEs with large messages: which are taken, the 200 that takes them, and why the others are refused.

use super::large::{bearing, invitation, invite, invited, listed, offering, own};
use super::*;
use crate::net::msrp::Way;
use crate::pf::LargeSettings;

fn refused(request: &Request) -> Response {
    answer(Desk::new().scscf(request))
}

/// Status and the text of the Warning.
fn warned(request: &Request) -> (u16, String) {
    let response = refused(request);
    let warning = response.headers.get("Warning").unwrap_or_default();
    (response.status, warning.split('"').nth(1).unwrap_or_default().to_owned())
}

fn service(icsi: &str) -> Request {
    let escaped = icsi.replacen(':', "%3A", 2);
    let tagged = with(&invite(), "Accept-Contact", format!("*;+g.3gpp.icsi-ref=\"{escaped}\""));
    without(&tagged, "P-Asserted-Service")
}

fn unnamed() -> Request {
    without(&without(&invite(), "Accept-Contact"), "P-Asserted-Service")
}

#[test]
fn def_2_the_service_may_be_named_anywhere_or_nowhere() {
    let large = "urn:urn-7:3gpp-service.ims.icsi.oma.cpm.largemsg";
    invitation(&service(large));
    invitation(&service("URN:urn-7:3gpp-service.ims.icsi.oma.cpm.LARGEMSG"));
    invitation(&service("urn:urn-7:3gpp-service.ims.icsi.oma.cpm.largemsg.group"));
    for name in ["P-Asserted-Service", "P-Preferred-Service"] {
        invitation(&with(&unnamed(), name, large));
    }
    invitation(&unnamed());
    invitation(&with(&unnamed(), "Accept-Contact", "*;+g.gsma.rcs.cpm.pager-large;audio"));
    let two = "*;+g.3gpp.icsi-ref=\"urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.session,\
        urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.largemsg\"";
    invitation(&with(&unnamed(), "Accept-Contact", two));
}

#[test]
fn another_service_is_488_and_is_told_why() {
    let text = "Only large messages are taken here".to_owned();
    for other in [
        "urn:urn-7:3gpp-service.ims.icsi.oma.cpm.session",
        "urn:urn-7:3gpp-service.ims.icsi.oma.cpm.filetransfer",
        "urn:urn-7:3gpp-service.ims.icsi.oma.cpm.largemsgs",
        "urn:urn-7:3gpp-service.ims.icsi.oma.cpm.deferred",
        "urn:urn-7:3gpp-service.ims.icsi.mmtel",
    ] {
        assert_eq!(warned(&service(other)), (488, text.clone()), "{other}");
        assert_eq!(warned(&with(&unnamed(), "P-Asserted-Service", other)), (488, text.clone()), "{other}");
    }
    for tag in ["*;+g.oma.sip-im", "*;+g.3gpp.iari-ref=\"urn%3Aurn-7%3A3gpp-application.ims.iari.rcse.ft\""] {
        assert_eq!(warned(&with(&unnamed(), "Accept-Contact", tag)), (488, text.clone()), "{tag}");
    }
    assert_eq!(
        refused(&service("urn:urn-7:3gpp-service.ims.icsi.mmtel")).headers.get("Warning"),
        Some("399 pf.ims.example.net \"Only large messages are taken here\"")
    );
}

#[test]
fn an_offer_that_brings_no_message_is_488_and_is_told_why() {
    for (line, other, text) in [
        ("m=message 9 TCP/MSRP *", "m=message 0 TCP/MSRP *", "An MSRP medium is needed"),
        ("m=message 9 TCP/MSRP *", "m=audio 4000 RTP/AVP 0", "An MSRP medium is needed"),
        ("a=sendonly", "a=recvonly", "The offerer must send"),
        ("a=sendonly", "a=inactive", "The offerer must send"),
        ("a=accept-types:message/cpim", "a=accept-types:text/plain", "The messages must be message/cpim"),
        ("a=path:msrp://203.0.113.5:9/a11ce;tcp\r\n", "", "A path of MSRP URIs is needed"),
        ("a=path:msrp://203.0.113.5:9/a11ce;tcp", "a=path:http://203.0.113.5/", "A path of MSRP URIs is needed"),
        ("a=setup:active", "a=setup:holdconn", "A connection is needed"),
        ("a=setup:active", "a=setup:passive", "A passive offerer must have a port"),
    ] {
        assert_eq!(warned(&offering(line, other)), (488, text.to_owned()), "{other}");
    }
    let file = offering("a=setup:active", "a=setup:active\r\na=file-transfer-id:x");
    invitation(&file);
    let file = without(&without(&file, "Accept-Contact"), "P-Asserted-Service");
    assert_eq!(warned(&file), (488, "Files are not taken, only messages".to_owned()), "unless it says that it is none");
    let silent = Request { body: Bytes::new(), ..without(&invite(), "Content-Type") };
    assert_eq!(warned(&silent), (488, "An offer is needed".to_owned()));
}

#[test]
fn who_connects_is_what_the_offer_leaves() {
    for (setup, way) in [("a=setup:actpass", Way::Passive), ("a=setup:active", Way::Passive), ("a=x", Way::Passive)] {
        assert_eq!(invitation(&offering("a=setup:active", setup)).way(), way, "{setup}");
    }
    let server = super::large::OFFER.replace("a=setup:active", "a=setup:passive");
    let server = server.replace("m=message 9", "m=message 7394").replace(":9/a11ce", ":7394/a11ce");
    assert_eq!(invitation(&bearing("application/sdp", server)).way(), Way::Active);
    let relayed = "a=path:msrp://relay.example.net:9000/r1;tcp msrp://203.0.113.5:9/a11ce;tcp";
    let relayed = invitation(&offering("a=path:msrp://203.0.113.5:9/a11ce;tcp", relayed));
    assert_eq!(relayed.peer().path.len(), 2);
}

#[test]
fn a_message_announced_as_too_large_is_413() {
    let desk = |most: u64| {
        let mut desk = Desk::new();
        desk.settings.large = Some(LargeSettings { message_bytes_max: most, file_selector: true });
        desk
    };
    assert_eq!(status(desk(640).scscf(&invite())), 413);
    assert_eq!(invited(desk(641).scscf(&invite())).announced_size(), Some(641));
    let silent = offering("a=file-selector:size:641\r\n", "");
    assert_eq!(invited(desk(640).scscf(&silent)).announced_size(), None, "MSRP will tell");
}

#[test]
fn without_msrp_no_large_message_is_taken() {
    let deaf = Desk::with(|config| config.msrp.listen.clear());
    assert_eq!(status(deaf.scscf(&invite())), 405);
}

#[test]
fn a_body_that_is_not_understood_is_refused() {
    assert_eq!(refused(&bearing("application/sdp", "v=1\r\n")).reason, "Malformed Session Description");
    assert_eq!(refused(&bearing("application/sdp", "x".repeat(17_000))).status, 413);
    let unknown = refused(&bearing("text/plain", "hello"));
    assert_eq!(unknown.status, 415);
    assert!(unknown.headers.get("Accept").unwrap().starts_with("application/sdp"));
    let parts = |parts: &str| bearing("multipart/mixed;boundary=b1", format!("{parts}\r\n--b1--\r\n"));
    let sdp = format!("--b1\r\nContent-Type: application/sdp\r\n\r\n{}", super::large::OFFER);
    assert_eq!(refused(&parts(&format!("{sdp}\r\n{sdp}"))).reason, "Body Part Given Twice");
    assert_eq!(refused(&parts(&format!("{sdp}\r\n--b1\r\nContent-Type: text/plain\r\n\r\nx"))).status, 415);
    let optional = "--b1\r\nContent-Type: text/plain\r\nContent-Disposition: x;handling=optional\r\n\r\nx";
    invitation(&parts(&format!("{sdp}\r\n{optional}")));
    let long = "x".repeat(33 << 10);
    let list = format!("{sdp}\r\n--b1\r\nContent-Type: application/resource-lists+xml\r\n\r\n{long}");
    assert_eq!(refused(&parts(&list)).status, 413);
    assert_eq!(refused(&with(&invite(), "Content-Encoding", "gzip")).status, 415);
    assert_eq!(refused(&without(&invite(), "Content-Type")).reason, "Missing Content-Type");
}

#[test]
fn the_session_timer_is_agreed_on_or_refused() {
    let short = refused(&with(&invite(), "Session-Expires", "30"));
    assert_eq!(
        (short.status, short.headers.get("Min-SE"), short.headers.get("Server")),
        (422, Some("90"), Some("CPM-serv/OMA1.0"))
    );
    let long = invitation(&with(&invite(), "Session-Expires", "90000")).accepted(&own());
    assert_eq!(long.headers.get("Session-Expires"), Some("1800;refresher=uac"));
    assert_eq!(refused(&without(&invite(), "Contact")).status, 400);
}

#[test]
fn extensions_that_are_required_must_be_known() {
    invitation(&with(&invite(), "Require", "timer, recipient-list-invite"));
    let unknown = refused(&with(&invite(), "Require", "timer, 100rel"));
    assert_eq!((unknown.status, unknown.headers.get("Unsupported")), (420, Some("100rel")));
}

#[test]
fn nobody_else_is_served() {
    let unserved = |uri: &str| refused(&to(&without(&invite(), "P-Served-User"), uri)).status;
    assert_eq!(unserved("sip:bob@elsewhere.example.org"), 404);
    assert_eq!(unserved("sip:pf.ims.example.net"), 404);
    assert_eq!(unserved("mailto:bob@ims.example.net"), 416);
}

#[test]
fn a_sender_outside_the_trust_domain_proves_who_it_is() {
    let desk = Desk::new();
    let direct = without(&invite(), "P-Served-User");
    assert_eq!(status(desk.phone(&direct)), 401);
    let invitation = invited(desk.user(&direct, ALICE));
    assert_eq!(invitation.offered().return_address.as_deref(), Some("sip:+12025550100@ims.example.net"));
    assert_eq!(status(desk.user(&direct, BOB)), 403, "bob is not From");
    let stranger = with(&direct, "From", "<sip:eve@elsewhere.example.org>;tag=1");
    assert_eq!(status(desk.phone(&stranger)), 403);
}

#[test]
fn our_own_delivery_that_comes_back_is_passed_on() {
    let call = crate::types::IdSource::new([3; 16], SECRET).call(&crate::types::MessageId([1; 16]), 0);
    let back = with(&invite(), "Call-ID", format!("{call}@pf.ims.example.net"));
    let back = with(&back, "Route", "<sip:pf.ims.example.net:5060;lr>, <sip:odi-81a4@scscf1.ims.example.net;lr>");
    match Desk::new().scscf(&back) {
        Received::Forward { request, target } => {
            assert_eq!((values(&request, "Route").len(), target.host.as_str()), (1, "scscf1.ims.example.net"));
            assert_eq!((request.max_forwards(), request.body), (Some(65), back.body.clone()));
        }
        other => panic!("not passed on but {other:?}"),
    }
    assert_eq!(status(Desk::new().phone(&back)), 482, "a client makes no relay of us");
    let inside = with(&back, "To", "<sip:+12025550200@ims.example.net>;tag=1");
    assert_eq!(status(Desk::new().scscf(&inside)), 481);
}

#[test]
fn def_2_the_200_opens_a_session_that_receives_only() {
    let made = invitation(&invite()).accepted(&own());
    assert_eq!((made.status, made.headers.get("Content-Type")), (200, Some("application/sdp")));
    let all = |name: &str| made.headers.all(name).map(str::to_owned).collect::<Vec<_>>();
    let route = "<sip:scscf1.ims.example.net:5060;transport=tcp;lr>, <sip:pcscf1.ims.example.net:5060;lr>";
    assert_eq!(all("Record-Route"), [route]);
    let contact = "<sip:pf.ims.example.net:5060;transport=tcp>;\
        +g.3gpp.icsi-ref=\"urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.largemsg\"";
    assert_eq!(all("Contact"), [contact]);
    assert_eq!(
        (all("Require"), all("Session-Expires")),
        (vec!["timer".to_owned()], vec!["1800;refresher=uac".to_owned()])
    );
    let charging = "icid-value=\"icid-20100302-000018\";orig-ioi=ims.example.net;term-ioi=ims.example.net";
    assert_eq!(
        (all("P-Charging-Vector"), all("Server")),
        (vec![charging.to_owned()], vec!["CPM-serv/OMA1.0".to_owned()])
    );
    let sdp = "v=0\r\no=- 3476510048 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n\
        m=message 2855 TCP/MSRP *\r\na=accept-types:message/cpim\r\na=accept-wrapped-types:*\r\n\
        a=path:msrp://192.0.2.10:2855/q7Zk2mPf;tcp\r\na=setup:passive\r\na=msrp-cema\r\na=recvonly\r\n";
    assert_eq!(std::str::from_utf8(&made.body).unwrap(), sdp);
    assert_eq!(made.to_tag(), invitation(&listed()).accepted(&own()).to_tag(), "the same request, the same tag");
}

#[test]
fn tls_that_we_do_not_have_is_488() {
    let secure = offering("m=message 9 TCP/MSRP *", "m=message 9 TCP/TLS/MSRP *");
    let desk = Desk::new();
    let invitation = invited(desk.scscf(&secure));
    assert!(invitation.is_secure() && invitation.peer().secure);
    let refused = invitation.no_tls(&desk.settings);
    let warning = Some("302 pf.ims.example.net \"MSRP over TLS is not served here\"");
    assert_eq!((refused.status, refused.headers.get("Warning")), (488, warning));
    assert_eq!(refused.to_tag(), invitation.accepted(&own()).to_tag());
}

#[test]
fn debug_shows_no_personal_data() {
    let shown = format!("{:?}", Desk::new().scscf(&listed()));
    assert!(shown.starts_with("Large(Invitation"), "{shown}");
    for secret in ["2025550", "alice", "a11ce", "Photos", "203.0.113", "carol"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
