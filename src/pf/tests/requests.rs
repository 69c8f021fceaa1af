//! What holds for every request (RFC 3261 section 8.2), and the loop trap.

use super::*;
use crate::net::Target;
use crate::types::{IdSource, MessageId};

const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, UPDATE, MESSAGE, NOTIFY, OPTIONS, REGISTER";

#[test]
fn methods_we_do_not_serve_are_405_with_those_we_do() {
    for method in [Method::Publish, Method::Subscribe, Method::Other("DANCE".to_owned())] {
        let refused = answer(Desk::new().scscf(&plain(&method, "sip:+12025550200@ims.example.net")));
        assert_eq!((refused.status, refused.headers.get("Allow")), (405, Some(ALLOW)), "{method}");
        assert_eq!(refused.headers.get("Server"), Some("CPM-serv/OMA1.0"));
    }
    let strange = with(&plain(&Method::Subscribe, "sip:a@ims.example.net"), "Require", "100rel");
    assert_eq!(status(Desk::new().scscf(&strange)), 405, "section 8.2.1 comes before 8.2.2");
}

#[test]
fn options_tell_what_we_can() {
    let told = answer(Desk::new().phone(&plain(&Method::Options, "sip:pf.ims.example.net")));
    assert_eq!(told.status, 200);
    for (name, value) in
        [("Allow", ALLOW), ("Accept", "*/*"), ("Accept-Encoding", "identity"), ("Supported", "path, timer")]
    {
        assert_eq!(told.headers.get(name), Some(value), "{name}");
    }
    assert!(told.to_tag().is_some());
}

#[test]
fn there_is_nothing_to_cancel_and_nobody_answers_an_ack() {
    let cancel = with(&plain(&Method::Cancel, "sip:+12025550200@ims.example.net"), "Require", "unknown");
    assert_eq!(status(Desk::new().scscf(&cancel)), 481, "its Require is ignored: section 8.2.2.3");
    let ack = Desk::new().scscf(&plain(&Method::Ack, "sip:+12025550200@ims.example.net"));
    assert!(matches!(ack, Received::Nothing), "{ack:?}");
}

#[test]
fn what_belongs_to_no_dialog_is_481() {
    for method in [Method::Bye, Method::Update, Method::Invite] {
        let stray = plain(&method, "sip:CPMDeferredMsgMgmt@pf.ims.example.net");
        let to = format!("{};tag=gone", stray.headers.get("To").unwrap());
        assert_eq!(status(Desk::new().scscf(&with(&stray, "To", to))), 481, "{method}");
    }
}

#[test]
fn without_msrp_an_invite_is_for_management_only_and_may_require_timers_and_lists() {
    let invite = |uri: &str| plain(&Method::Invite, uri);
    for ours in ["pf.ims.example.net", "IMS.example.net;user=x", "aaa.example.org"] {
        let invite = invite(&format!("sip:CPMDeferredMsgMgmt@{ours}"));
        let known = with(&invite, "Require", "timer, recipient-list-invite, path");
        assert_eq!(status(Desk::new().scscf(&known)), 403, "nobody says who asks: {ours}");
        let refused = answer(Desk::new().scscf(&with(&invite, "Require", "timer, 100rel")));
        assert_eq!((refused.status, refused.headers.get("Unsupported")), (420, Some("100rel")));
    }
    for other in ["sip:CPMDeferredMsgMgmt@elsewhere.example.org", "sip:bob@pf.ims.example.net"] {
        let deaf = Desk::with(|config| config.msrp.listen.clear());
        assert_eq!(status(deaf.scscf(&invite(other))), 405, "{other}");
    }
}

#[test]
fn an_extension_we_do_not_know_may_not_be_required() {
    let refused = answer(Desk::new().scscf(&with(&request(WX_1), "Require", "path, 100rel , timer")));
    assert_eq!((refused.status, refused.headers.get("Unsupported")), (420, Some("100rel, timer")));
    for known in ["path", "Path", "", " , "] {
        defer(Desk::new().scscf(&with(&request(WX_1), "Require", known)));
    }
}

#[test]
fn rfc_4475_3_3_11_an_endpoint_takes_a_request_that_has_no_hops_left() {
    assert_eq!(defer(Desk::new().scscf(&with(&request(WX_1), "Max-Forwards", "0"))).envelope.size, 340);
}

/// WX-1 under a Call-ID of ours, as the filter criteria bring it back.
fn own() -> Request {
    let call = IdSource::new([1; 16], SECRET).call(&MessageId([2; 16]), 0);
    with(&request(WX_1), "Call-ID", format!("{call}@pf.ims.example.net"))
}

fn forwarded(request: &Request) -> (Request, Target) {
    match Desk::new().scscf(request) {
        Received::Forward { request, target } => (request, target),
        other => panic!("not passed on but {other:?}"),
    }
}

#[test]
fn our_own_delivery_is_passed_on_to_its_next_route_and_never_deferred() {
    let (onward, target) = forwarded(&own());
    assert_eq!(values(&onward, "Route"), ["<sip:odi-81a4@scscf1.ims.example.net:5060;transport=tcp;lr>"]);
    assert_eq!(values(&onward, "Max-Forwards"), ["65"]);
    let host = "scscf1.ims.example.net".to_owned();
    assert_eq!(target, Target { host, port: Some(5060), transport: Some(Transport::Tcp), flow: None });
    let rest = |request: &Request| without(&without(request, "Route"), "Max-Forwards");
    assert_eq!(rest(&onward), rest(&own()), "all else is as it was");
}

#[test]
fn our_own_route_entry_is_known_in_every_spelling() {
    for ours in ["<sip:PF.ims.example.net>", "<sip:192.0.2.10:5060;lr>", "<sip:[2001:db8:0::10];lr>", "sip:192.0.2.10"]
    {
        let route = format!("{ours}, <sip:next.example.net;lr>");
        let (onward, target) = forwarded(&with(&own(), "Route", route));
        assert_eq!(values(&onward, "Route"), ["<sip:next.example.net;lr>"], "{ours}");
        assert_eq!((target.host.as_str(), target.port), ("next.example.net", None), "{ours}");
    }
    let (onward, target) = forwarded(&with(&own(), "Route", "<sip:192.0.2.10:5070;lr>"));
    assert_eq!(values(&onward, "Route"), ["<sip:192.0.2.10:5070;lr>"], "another port is another's");
    assert_eq!(target.host, "192.0.2.10");
}

#[test]
fn our_own_delivery_without_a_way_onward_is_a_loop() {
    for route in ["<sip:pf.ims.example.net;lr>", "<sip:pf.ims.example.net;lr>, <sip:192.0.2.10;lr>", "<<"] {
        assert_eq!(status(Desk::new().scscf(&with(&own(), "Route", route))), 482, "{route}");
    }
    assert_eq!(status(Desk::new().scscf(&without(&own(), "Route"))), 482);
    assert_eq!(status(Desk::new().scscf(&with(&own(), "Max-Forwards", "0"))), 483);
}

#[test]
fn a_client_cannot_make_a_relay_of_us_with_a_call_id_it_was_sent() {
    assert_eq!(status(Desk::new().phone(&with(&own(), "Route", "<sip:victim.example.org;lr>"))), 482);
}

#[test]
fn a_call_id_of_somebody_elses_making_is_deferred() {
    let call = IdSource::new([1; 16], SeedSecret([8; 16])).call(&MessageId([2; 16]), 0);
    defer(Desk::new().scscf(&with(&request(WX_1), "Call-ID", format!("{call}@pf.ims.example.net"))));
}
