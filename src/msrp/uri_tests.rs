use super::*;
use proptest::prelude::*;

fn uri(text: &str) -> MsrpUri {
    MsrpUri::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn the_parts_of_a_uri_are_found() {
    let own = uri("msrp://192.0.2.10:2855/q7Zk2mPf;tcp");
    assert_eq!((own.host(), own.port(), own.session_id()), ("192.0.2.10", 2855, Some("q7Zk2mPf")));
    assert_eq!((own.is_secure(), own.transport()), (false, "tcp"));
    assert_eq!(own.to_string(), "msrp://192.0.2.10:2855/q7Zk2mPf;tcp");
    let relay = uri("MSRPS://alice%40x@Relay.Example.net;TCP;foo=bar;baz");
    assert_eq!((relay.host(), relay.port(), relay.session_id()), ("Relay.Example.net", 2855, None));
    assert!(relay.is_secure());
    let six = uri("msrp://[2001:db8::1]:9/a/b+c=;tcp");
    assert_eq!((six.host(), six.port(), six.session_id()), ("2001:db8::1", 9, Some("a/b+c=")));
}

#[test]
fn a_uri_of_ours_is_made_and_read() {
    assert_eq!(MsrpUri::new(false, "192.0.2.10", 2855, "q7Zk2mPf"), Ok(uri("msrp://192.0.2.10:2855/q7Zk2mPf;tcp")));
    assert_eq!(MsrpUri::new(true, "2001:db8::1", 2856, "x"), Ok(uri("msrps://[2001:db8::1]:2856/x;tcp")));
    assert_eq!(MsrpUri::new(false, "no such host", 1, "x"), Err(UriError::Host));
    assert_eq!(MsrpUri::new(false, "host", 0, "x"), Err(UriError::Port));
    assert_eq!(MsrpUri::new(false, "host", 1, "x y"), Err(UriError::SessionId));
}

#[test]
fn texts_that_are_no_uri_are_refused() {
    let wrong = [
        ("", UriError::Scheme),
        ("sip://host/x;tcp", UriError::Scheme),
        ("msrp:host/x;tcp", UriError::Scheme),
        ("msrp://host/x", UriError::Transport),
        ("msrp://host/x;", UriError::Transport),
        ("msrp://host/x;t-p", UriError::Transport),
        ("msrp:///x;tcp", UriError::Host),
        ("msrp://:9/x;tcp", UriError::Host),
        ("msrp://[::1/x;tcp", UriError::Host),
        ("msrp://[::1]9/x;tcp", UriError::Host),
        ("msrp://[host]/x;tcp", UriError::Host),
        ("msrp://a b/x;tcp", UriError::Host),
        ("msrp://a<@b/x;tcp", UriError::Host),
        ("msrp://é/x;tcp", UriError::Host),
        ("msrp://host:/x;tcp", UriError::Port),
        ("msrp://host:0/x;tcp", UriError::Port),
        ("msrp://host:+1/x;tcp", UriError::Port),
        ("msrp://host:65536/x;tcp", UriError::Port),
        ("msrp://host/;tcp", UriError::SessionId),
        ("msrp://host/\r\nx;tcp", UriError::SessionId),
        ("msrp://host/x;tcp;", UriError::Parameter),
        ("msrp://host/x;tcp;a b", UriError::Parameter),
    ];
    for (text, error) in wrong {
        assert_eq!(MsrpUri::parse(text), Err(error), "{text:?}");
    }
    let long = format!("msrp://host/{};tcp", "x".repeat(URI_BYTES_MAX));
    assert_eq!(MsrpUri::parse(&long), Err(UriError::TooLong));
}

#[test]
fn comparison_is_that_of_rfc_4975_section_6_1() {
    let base = uri("msrp://host.example.com:8000/asfd34;tcp");
    for same in ["MSRP://Host.example.com:8000/asfd34;TCP", "msrp://bob@host.example.com:8000/asfd34;tcp;x=y"] {
        assert!(base.is_same(&uri(same)), "{same}");
    }
    for other in [
        "msrps://host.example.com:8000/asfd34;tcp",
        "msrp://host.example.com:8001/asfd34;tcp",
        "msrp://host.example.com/asfd34;tcp",
        "msrp://host.example.com:8000/Asfd34;tcp",
        "msrp://host.example.com:8000;tcp",
        "msrp://host.example.com:8000/asfd34;sctp",
        "msrp://host.example.net:8000/asfd34;tcp",
    ] {
        assert!(!base.is_same(&uri(other)), "{other}");
    }
    assert!(!uri("msrp://h:2855/x;tcp").is_same(&uri("msrp://h/x;tcp")), "a default port is not filled in");
}

#[test]
fn a_path_has_an_order_and_an_end() {
    let path = Path::parse("msrp://relay:9/r;tcp  msrp://client:9/c;tcp").unwrap();
    assert_eq!(path.first().and_then(MsrpUri::session_id), Some("r"));
    assert_eq!(path.last().and_then(MsrpUri::session_id), Some("c"));
    assert_eq!(path.to_string(), "msrp://relay:9/r;tcp msrp://client:9/c;tcp");
    assert_eq!(path.uris().len(), 2);
    assert_eq!(Path::parse(" "), Err(UriError::Empty));
    assert_eq!(Path::parse("msrp://h/x;tcp sip:x"), Err(UriError::Scheme));
    assert_eq!(Path::parse(&"msrp://h/x;tcp ".repeat(PATH_MAX + 1)), Err(UriError::TooMany));
    assert!(Path::parse(&"msrp://h/x;tcp ".repeat(PATH_MAX)).is_ok());
}

#[test]
fn addresses_and_session_ids_are_not_shown() {
    let shown = format!("{:?}", Path::parse("msrp://192.0.2.10:2855/q7Zk2mPf;tcp"));
    assert!(!shown.contains("192") && !shown.contains("q7Zk"), "{shown}");
}

proptest! {
    #[test]
    fn no_text_breaks_the_reader_and_what_is_read_is_written_again(text in "(msrps?://)?[ -~é]{0,40}(;tcp)?[ -~]{0,9}") {
        if let Ok(uri) = MsrpUri::parse(&text) {
            prop_assert_eq!(uri.to_string(), text);
            prop_assert!(uri.is_same(&uri));
            prop_assert!(!uri.host().is_empty());
        }
    }
}
