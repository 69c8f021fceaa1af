use super::*;

fn parsed(text: &str) -> Via {
    Via::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn via_line(value: &str) -> Headers {
    let mut headers = Headers::new();
    headers.push("Via", value.to_owned());
    headers
}

#[test]
fn rfc_4475_wsinv_via_lines_are_read() {
    let via = parsed("SIP  / 2.0\t /UDP  192.0.2.2;branch=390skdjuw");
    assert_eq!((via.transport.as_str(), via.host.as_str(), via.port), ("UDP", "192.0.2.2", None));
    assert_eq!(via.branch.as_deref(), Some("390skdjuw"));
    let via = parsed("SIP/2.0/TLS first.example.com : 5070 ;ttl=16;branch = z9hG4bK1;rport");
    assert_eq!((via.host.as_str(), via.port, via.rport), ("first.example.com", Some(5070), Some(None)));
    assert_eq!(via.param("TTL"), Some("16"));
    let via = parsed("SIP/2.0/UDP [2001:db8::9:1]:5062;received=[2001:db8::9:255];branch=z9hG4bKas3-111;rport=5");
    assert_eq!((via.host.as_str(), via.port), ("[2001:db8::9:1]", Some(5062)));
    assert_eq!(response_target(&via), ("2001:db8::9:255".to_owned(), 5));
    assert_eq!(parsed(&via.to_string()), via);
    assert_eq!(parsed("SIP/2.0/UDP [2001:db8::1] : 9").port, Some(9));
}

#[test]
fn what_is_no_via_is_refused() {
    for (text, error) in [
        ("", ViaError::Protocol),
        ("SIP/7.0/UDP host", ViaError::Protocol),
        ("HTTP/2.0/UDP host", ViaError::Protocol),
        ("SIP/2.0/UDP", ViaError::Protocol),
        ("SIP/2.0/UDP ;branch=x", ViaError::SentBy),
        ("SIP/2.0/UDP host:99999", ViaError::SentBy),
        ("SIP/2.0/UDP ho st", ViaError::SentBy),
        ("SIP/2.0/UDP 192.0.2.15;;", ViaError::Params),
        ("SIP/2.0/UDP host;rport=x", ViaError::Params),
    ] {
        assert_eq!(Via::parse(text), Err(error), "{text}");
        assert_eq!(Via::check_first(text), Err(error), "{text}");
    }
}

#[test]
fn received_and_rport_are_noted_on_the_topmost_via_only() {
    let peer = "192.0.2.9:4711".parse().unwrap();
    let noted = |value: &str| {
        let mut headers = via_line(value);
        headers.push("Via", "SIP/2.0/UDP other;rport");
        stamp_received(&mut headers, peer);
        assert_eq!(headers.all("Via").nth(1), Some("SIP/2.0/UDP other;rport"));
        headers.get("Via").unwrap().to_owned()
    };
    assert_eq!(noted("SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1"), "SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1");
    assert_eq!(noted("SIP/2.0/UDP a.test;branch=z9hG4bK1"), "SIP/2.0/UDP a.test;branch=z9hG4bK1;received=192.0.2.9");
    assert_eq!(
        noted("SIP/2.0/UDP 192.0.2.9:5060;rport;branch=z9hG4bK1"),
        "SIP/2.0/UDP 192.0.2.9:5060;rport=4711;branch=z9hG4bK1;received=192.0.2.9"
    );
    assert_eq!(
        noted("SIP/2.0/UDP a.test;received=10.0.0.1;branch=b, SIP/2.0/TCP b.test;rport;branch=c"),
        "SIP/2.0/UDP a.test;branch=b;received=192.0.2.9, SIP/2.0/TCP b.test;rport;branch=c"
    );
    assert_eq!(noted("nonsense"), "nonsense");
}

#[test]
fn a_mapped_ipv6_peer_is_its_ipv4_address() {
    let mut headers = via_line("SIP/2.0/UDP 192.0.2.9;branch=b");
    stamp_received(&mut headers, "[::ffff:192.0.2.9]:5060".parse().unwrap());
    assert_eq!(headers.get("Via"), Some("SIP/2.0/UDP 192.0.2.9;branch=b"));
    stamp_received(&mut headers, "[2001:db8::1]:5060".parse().unwrap());
    assert_eq!(headers.get("Via"), Some("SIP/2.0/UDP 192.0.2.9;branch=b;received=2001:db8::1"));
}

#[test]
fn responses_go_back_where_the_request_came_from() {
    let target = |text: &str| response_target(&parsed(text));
    assert_eq!(target("SIP/2.0/UDP a.test"), ("a.test".to_owned(), 5060));
    assert_eq!(target("SIP/2.0/TLS a.test"), ("a.test".to_owned(), 5061));
    assert_eq!(target("SIP/2.0/UDP a.test:5070;received=192.0.2.1"), ("192.0.2.1".to_owned(), 5070));
    assert_eq!(target("SIP/2.0/UDP a.test:5070;received=192.0.2.1;rport=9"), ("192.0.2.1".to_owned(), 9));
    assert_eq!(target("SIP/2.0/UDP a.test;maddr=239.1.1.1;received=192.0.2.1"), ("239.1.1.1".to_owned(), 5060));
}

#[test]
fn vias_come_off_one_by_one() {
    let mut headers = via_line("SIP/2.0/TCP a;branch=1 ,  SIP/2.0/TCP b;branch=2");
    headers.push("Via", "SIP/2.0/TCP c;branch=3");
    assert_eq!(Via::list(&headers).len(), 3);
    let mut hosts = Vec::new();
    while let Some(via) = pop_top(&mut headers) {
        hosts.push(via.host);
    }
    assert_eq!(hosts, ["a", "b", "c"]);
    assert!(headers.is_empty());
}
