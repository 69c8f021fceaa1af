//! The MSRP medium: read from offers and answers, written as WX-10 has it.

use super::*;
use proptest::prelude::*;
use std::net::Ipv4Addr;

const WX_10: &str = include_str!("../../../tests/fixtures/wx/wx-10-large-invite.sip");
const WX_11: &str = include_str!("../../../tests/fixtures/wx/wx-11-200.sip");
const HEAD: &str = "v=0\r\no=- 1 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n";

fn own() -> OwnMedia {
    OwnMedia {
        uri: "msrp://192.0.2.10:2855/q7Zk2mPf;tcp".to_owned(),
        address: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 10)),
        port: 2855,
        secure: false,
        fingerprint: None,
    }
}

fn body(message: &str) -> &str {
    message.split_once("\r\n\r\n").unwrap().1
}

fn read(text: &str) -> Media {
    Offer::read(text.as_bytes()).unwrap().message_media().unwrap()
}

/// A plain MSRP medium with these attributes.
fn with(attributes: &[&str]) -> Media {
    read(&described(attributes))
}

fn described(attributes: &[&str]) -> String {
    let lines = attributes.iter().map(|line| format!("a={line}\r\n")).collect::<Vec<_>>().concat();
    format!("{HEAD}m=message 9 TCP/MSRP *\r\na=path:msrp://198.51.100.7:9/b0bA77x2;tcp\r\n{lines}")
}

fn answered(attributes: &[&str]) -> String {
    let offer = Offer::read(described(attributes).as_bytes()).unwrap();
    String::from_utf8(offer.answer(8812, &own())).unwrap()
}

#[test]
fn sndl_7_the_offer_is_that_of_wx_10_octet_for_octet() {
    let offer = String::from_utf8(own().offer(3_476_511_247, Some(641))).unwrap();
    assert_eq!(offer, body(WX_10));
    let quiet = String::from_utf8(own().offer(3_476_511_247, None)).unwrap();
    assert_eq!(quiet, body(WX_10).replace("a=file-selector:size:641\r\n", ""), "I-11");
}

#[test]
fn sndl_7_our_own_offer_is_read_as_it_was_meant() {
    let media = read(body(WX_10));
    let path = vec!["msrp://192.0.2.10:2855/q7Zk2mPf;tcp".to_owned()];
    let wanted = Media {
        secure: false,
        path,
        setup: Some(Setup::Passive),
        direction: Direction::SendOnly,
        accepts_cpim: true,
        max_size: None,
        size: Some(641),
        is_file: false,
        fingerprint: None,
        cema: true,
        address: Some(own().address),
        port: 2855,
    };
    assert_eq!(media, wanted);
}

#[test]
fn the_answer_of_wx_11_is_read() {
    let media = read(body(WX_11));
    assert_eq!((media.setup, media.direction), (Some(Setup::Active), Direction::RecvOnly));
    assert_eq!((media.port, media.address), (9, Some("198.51.100.7".parse().unwrap())));
    assert_eq!(media.path, ["msrp://198.51.100.7:9/b0bA77x2;tcp"]);
}

#[test]
fn a_secure_medium_has_its_fingerprint_and_its_own_transport() {
    let own = OwnMedia {
        uri: "msrps://[2001:db8::10]:2856/x;tcp".to_owned(),
        address: "2001:db8::10".parse().unwrap(),
        secure: true,
        fingerprint: Some("SHA-256 AB:CD".to_owned()),
        ..own()
    };
    let text = String::from_utf8(own.offer(1, None)).unwrap();
    assert!(text.contains("\r\nc=IN IP6 2001:db8::10\r\n") && text.contains("TCP/TLS/MSRP *\r\n"), "{text}");
    let media = read(&text);
    assert_eq!((media.secure, media.fingerprint.as_deref()), (true, Some("SHA-256 AB:CD")));
    let plain = OwnMedia { secure: false, ..own };
    assert!(!String::from_utf8(plain.offer(1, None)).unwrap().contains("fingerprint"));
}

#[test]
fn the_answer_receives_only_and_leaves_the_call_to_the_offerer() {
    let wanted = "v=0\r\no=- 8812 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n\
        m=message 2855 TCP/MSRP *\r\na=accept-types:message/cpim\r\na=accept-wrapped-types:*\r\n\
        a=path:msrp://192.0.2.10:2855/q7Zk2mPf;tcp\r\na=setup:passive\r\na=msrp-cema\r\na=recvonly\r\n";
    assert_eq!(answered(&["setup:active", "msrp-cema", "sendonly"]), wanted);
    assert_eq!(answered(&["setup:actpass", "msrp-cema"]), wanted);
}

#[test]
fn the_setup_of_the_answer_is_what_the_offer_leaves() {
    assert!(answered(&["setup:passive"]).contains("\r\na=setup:active\r\n"), "RFC 6135");
    let old = answered(&[]);
    assert!(!old.contains("a=setup") && !old.contains("cema"), "RFC 4975: the offerer calls; {old}");
    assert_eq!(with(&["setup:holdconn"]).setup_of_answer(), Some(Setup::HoldConn));
    assert_eq!(with(&["setup:ACTPASS"]).setup_of_answer(), Some(Setup::Passive), "in any case");
    assert_eq!(with(&["setup:sideways"]).setup, None);
}

#[test]
fn all_other_media_are_refused_in_the_order_offered() {
    let text = format!(
        "{HEAD}m=audio 4000 RTP/AVP 0\r\na=sendrecv\r\nm=message 0 TCP/MSRP *\r\nm=message 9 TCP/MSRP *\r\n\
        a=path:msrp://h:9/x;tcp\r\nm=message 9 TCP/TLS/MSRP *\r\nm=message 9 UDP *\r\n"
    );
    let offer = Offer::read(text.as_bytes()).unwrap();
    assert_eq!(offer.message_media().unwrap().path, ["msrp://h:9/x;tcp"], "the first that is not refused");
    let answer = String::from_utf8(offer.answer(1, &own())).unwrap();
    let lines: Vec<&str> = answer.lines().filter(|line| line.starts_with("m=")).collect();
    let wanted = [
        "m=audio 0 RTP/AVP 0",
        "m=message 0 TCP/MSRP *",
        "m=message 2855 TCP/MSRP *",
        "m=message 0 TCP/TLS/MSRP *",
        "m=message 0 UDP *",
    ];
    assert_eq!(lines, wanted);
    assert!(answer.ends_with("m=message 0 TCP/TLS/MSRP *\r\nm=message 0 UDP *\r\n"), "and nothing is said of them");
}

#[test]
fn a_description_without_msrp_has_no_message_medium() {
    for media in ["", "m=audio 4000 RTP/AVP 0\r\n", "m=message 9 TCP *\r\n", "m=text 9 TCP/MSRP *\r\n"] {
        let offer = Offer::read(format!("{HEAD}{media}").as_bytes()).unwrap();
        assert_eq!(offer.message_media(), None, "{media}");
        assert_eq!(Offer::read(&offer.answer(1, &own())).unwrap().media(), offer.media());
    }
    let refused = read(&format!("{HEAD}m=message 0 TCP/MSRP *\r\n"));
    assert_eq!((refused.port, refused.path), (0, Vec::new()));
}

#[test]
fn types_have_room_for_cpim_if_they_say_so_or_nothing() {
    for (types, room) in [
        ("accept-types:message/cpim", true),
        ("accept-types:text/plain  Message/CPIM;charset=utf-8", true),
        ("accept-types: message/cpim", true),
        ("accept-types:*", true),
        ("accept-types:text/plain message/*", true),
        ("accept-types:text/plain", false),
        ("accept-types:", false),
        ("accept-wrapped-types:text/plain", true),
    ] {
        assert_eq!(with(&[types]).accepts_cpim, room, "{types}");
    }
}

#[test]
fn sizes_are_read_in_both_spellings_and_among_other_selectors() {
    assert_eq!(with(&["max-size:100"]).max_size, Some(100));
    assert_eq!(with(&["maxsize:100"]).max_size, Some(100), "as deployed servers write it");
    assert_eq!(with(&["max-size:99999999999999999999"]).max_size, Some(u64::MAX));
    assert_eq!(with(&["max-size:-1"]).max_size, None);
    for (selector, size) in [
        ("file-selector:size:641", Some(641)),
        (" file-selector: size:641 ", Some(641)),
        ("file-selector:name:\"a size:1 b\" type:image/jpeg size:641 hash:sha-1:AA", Some(641)),
        ("file-selector:name:\"open size:641", None),
        ("file-selector:size:", None),
        ("file-selector:size:6x", None),
        ("file-selector", None),
    ] {
        assert_eq!(with(&[selector]).size, size, "{selector}");
    }
    assert!(with(&["file-transfer-id:x"]).is_file && !with(&[]).is_file);
}

#[test]
fn a_path_may_lead_over_relays_but_not_for_ever() {
    let relayed = with(&[]);
    assert_eq!(relayed.path.len(), 1);
    let path = |n: usize| format!("{HEAD}m=message 9 TCP/MSRP *\r\na=path:{}\r\n", "msrp://r:9/x;tcp ".repeat(n));
    assert_eq!(read(&path(PATH_MAX)).path.len(), PATH_MAX);
    assert_eq!(read(&path(PATH_MAX + 1)).path, Vec::<String>::new());
}

#[test]
fn what_the_session_says_holds_unless_the_medium_says_otherwise() {
    let session = "a=sendonly\r\na=setup:active\r\na=fingerprint:SHA-1 AA\r\na=fingerprint:sha-256 BB\r\n\
        a=max-size:7\r\na=path:msrp://h:9/x;tcp\r\n";
    let media = read(&format!("{HEAD}{session}m=message 9 TCP/TLS/MSRP *\r\n"));
    assert_eq!((media.direction, media.setup, media.max_size), (Direction::SendOnly, Some(Setup::Active), Some(7)));
    assert_eq!(media.fingerprint.as_deref(), Some("sha-256 BB"), "the strong one");
    assert_eq!(media.path, Vec::<String>::new(), "a path is of one medium");
    let own = "c=IN IP6 2001:db8::1\r\na=recvonly\r\na=setup:passive\r\na=fingerprint:SHA-1 CC\r\na=max-size:8\r\n";
    let media = read(&format!("{HEAD}{session}m=message 9 TCP/TLS/MSRP *\r\n{own}"));
    assert_eq!((media.direction, media.setup, media.max_size), (Direction::RecvOnly, Some(Setup::Passive), Some(8)));
    assert_eq!(media.fingerprint.as_deref(), Some("SHA-1 CC"));
    assert_eq!(media.address, Some("2001:db8::1".parse().unwrap()));
    let named = read(&format!("{}m=message 9 TCP/MSRP *\r\n", HEAD.replace("c=IN IP4 198.51.100.7", "c=IN IP4 h")));
    assert_eq!((named.address, named.direction), (None, Direction::SendRecv));
}

#[test]
fn i_12_blanks_in_attributes_are_no_part_of_them() {
    let media = with(&["accept-types: message/cpim", " setup: active ", "msrp-cema ", "sendonly "]);
    assert_eq!((media.setup, media.cema, media.direction), (Some(Setup::Active), true, Direction::SendOnly));
}

#[test]
fn debug_shows_no_address_and_no_session() {
    let shown = format!("{:?} {:?}", with(&["setup:active"]), own());
    assert!(!shown.contains("msrp:") && !shown.contains("198.51") && !shown.contains("192.0.2"), "{shown}");
}

proptest! {
    #[test]
    fn any_medium_is_read_and_its_answer_can_be_read_again(
        attributes in prop::collection::vec("(path|setup|accept-types|file-selector|max-size|fingerprint|sendonly| )?:?[ -~]{0,40}", 0..6),
        port in any::<u16>(),
        secure in any::<bool>(),
    ) {
        let lines = attributes.iter().map(|line| format!("a={line}\r\n")).collect::<Vec<_>>().concat();
        let proto = if secure { "TCP/TLS/MSRP" } else { "TCP/MSRP" };
        let text = format!("{HEAD}m=message {port} {proto} *\r\n{lines}");
        if let Ok(offer) = Offer::read(text.as_bytes()) {
            let media = offer.message_media().unwrap();
            prop_assert_eq!((media.secure, media.port), (secure, port));
            prop_assert!(media.path.len() <= PATH_MAX);
            let own = OwnMedia { secure, ..own() };
            let answer = Offer::read(&offer.answer(1, &own)).unwrap().message_media().unwrap();
            prop_assert_eq!((answer.secure, answer.direction, answer.path), (secure, Direction::RecvOnly, vec![own.uri]));
        }
    }
}
