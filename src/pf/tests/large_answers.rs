//! What a client answers to the offer of a large message (spec 4.3, WX-11): who connects then, and what cannot go on.

use super::*;
use crate::net::msrp::{Peer, Way};
use crate::pf::{AnswerFault, large_answered};

const WX_11: &[u8] = include_bytes!("../../../tests/fixtures/wx/wx-11-200.sip");

fn answered(body: impl Into<Bytes>) -> Result<(Peer, Way), AnswerFault> {
    large_answered(Some("application/sdp"), &body.into(), false, 641)
}

fn wx_11() -> String {
    String::from_utf8(response(WX_11).body.to_vec()).unwrap()
}

/// WX-11 with this in place of that.
fn with_line(line: &str, other: &str) -> Result<(Peer, Way), AnswerFault> {
    assert!(wx_11().contains(line), "{line}");
    answered(wx_11().replace(line, other))
}

/// WX-11 from a client that has a port.
fn callable(setup: &str) -> Result<(Peer, Way), AnswerFault> {
    let callable = wx_11().replace("m=message 9", "m=message 7394").replace(":9/b0b", ":7394/b0b");
    answered(callable.replace("a=setup:active\r\n", setup))
}

#[test]
fn sndl_ok_3_the_client_of_wx_11_connects() {
    let (peer, way) = answered(response(WX_11).body).unwrap();
    assert_eq!(way, Way::Passive);
    assert_eq!(peer.path, ["msrp://198.51.100.7:9/b0bA77x2;tcp"]);
    assert_eq!((peer.secure, peer.fingerprint), (false, None));
}

#[test]
fn sndl_ok_4a_the_to_path_is_the_path_of_the_answer() {
    let relayed = "a=path:msrp://relay.example.net:9000/r1;tcp msrp://198.51.100.7:9/b0bA77x2;tcp";
    let (peer, _) = with_line("a=path:msrp://198.51.100.7:9/b0bA77x2;tcp", relayed).unwrap();
    assert_eq!(peer.path, ["msrp://relay.example.net:9000/r1;tcp", "msrp://198.51.100.7:9/b0bA77x2;tcp"]);
}

#[test]
fn i_23_who_does_not_connect_is_connected_to_if_it_says_where() {
    for setup in ["", "a=setup:passive\r\n", "a=setup:sideways\r\n"] {
        assert_eq!(callable(setup).unwrap().1, Way::Active, "{setup}");
        assert_eq!(with_line("a=setup:active\r\n", setup), Err(AnswerFault::NotCallable), "{setup}");
    }
    for setup in ["a=setup:active\r\n", "a=setup:actpass\r\n"] {
        assert_eq!(callable(setup).unwrap().1, Way::Passive, "{setup}");
    }
    let half = wx_11().replace("m=message 9", "m=message 7394").replace("a=setup:active\r\n", "");
    assert_eq!(answered(half), Err(AnswerFault::NotCallable), "its path has no port");
}

#[test]
fn i_39_an_answer_that_takes_nothing_is_a_fault() {
    for (line, other, fault) in [
        ("m=message 9", "m=message 0", AnswerFault::Refused),
        ("m=message 9 TCP/MSRP *", "m=audio 9 RTP/AVP 0", AnswerFault::Refused),
        ("m=message 9 TCP/MSRP *", "m=message 9 TCP/TLS/MSRP *", AnswerFault::OtherTransport),
        ("a=recvonly", "a=sendonly", AnswerFault::NotReceiving),
        ("a=recvonly", "a=inactive", AnswerFault::NotReceiving),
        ("a=setup:active", "a=setup:holdconn", AnswerFault::NotReceiving),
        ("a=accept-types:message/cpim", "a=accept-types:text/plain", AnswerFault::NoCpim),
        ("a=recvonly", "a=recvonly\r\na=maxsize:640", AnswerFault::TooLarge),
        ("a=recvonly", "a=recvonly\r\na=max-size:640", AnswerFault::TooLarge),
        ("a=path:msrp://198.51.100.7:9/b0bA77x2;tcp\r\n", "", AnswerFault::NoPath),
        ("a=path:msrp://198.51.100.7:9/b0bA77x2;tcp", "a=path:nonsense", AnswerFault::NoPath),
        ("v=0", "v=x", AnswerFault::NoDescription),
    ] {
        assert_eq!(with_line(line, other), Err(fault), "{other}");
    }
    assert_eq!(answered(""), Err(AnswerFault::NoDescription));
    assert_eq!(large_answered(None, &response(WX_11).body, false, 641), Err(AnswerFault::NoDescription));
    assert_eq!(large_answered(Some("text/plain"), &response(WX_11).body, false, 641), Err(AnswerFault::NoDescription));
}

#[test]
fn an_answer_that_takes_enough_is_good() {
    for other in ["a=recvonly\r\na=maxsize:641", "a=sendrecv", "a=x"] {
        assert!(with_line("a=recvonly", other).is_ok(), "{other}");
    }
    let body = format!("--b\r\nContent-Type: application/sdp\r\n\r\n{}\r\n--b--\r\n", wx_11());
    assert!(large_answered(Some("multipart/mixed;boundary=b"), &Bytes::from(body), false, 641).is_ok(), "RFC 5621");
}

#[test]
fn tls_that_was_offered_must_be_taken_with_its_fingerprint() {
    let secure = wx_11().replace("TCP/MSRP", "TCP/TLS/MSRP").replace("msrp://", "msrps://");
    let secure = secure.replace("a=recvonly", "a=recvonly\r\na=fingerprint:SHA-256 AB:CD");
    let (peer, _) = large_answered(Some("application/sdp"), &Bytes::from(secure), true, 641).unwrap();
    assert_eq!((peer.secure, peer.fingerprint.as_deref()), (true, Some("SHA-256 AB:CD")));
    let plain = large_answered(Some("application/sdp"), &response(WX_11).body, true, 641);
    assert_eq!(plain, Err(AnswerFault::OtherTransport), "nobody may take TLS away");
}

#[test]
fn i_39_each_fault_means_a_status_for_the_retry() {
    assert_eq!(AnswerFault::TooLarge.status(), Some(413));
    assert_eq!(AnswerFault::NotCallable.status(), None);
    for fault in [AnswerFault::Refused, AnswerFault::NoDescription, AnswerFault::NotReceiving, AnswerFault::NoCpim] {
        assert_eq!(fault.status(), Some(488), "{fault}");
    }
}
