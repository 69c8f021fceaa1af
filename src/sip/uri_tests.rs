use super::*;

fn parsed(text: &str) -> Uri {
    Uri::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn uris_print_as_they_were_written() {
    for text in [
        "sip:alice@example.com",
        "sips:alice:secret@example.com:5061;transport=tcp;lr?Subject=x&Priority=urgent",
        "sip:user;par=u%40example.net@example.com",
        "sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com",
        "sip:null-%00-null@example.com",
        "sip:[2001:db8::10]:5070;maddr=[2001:db8::1]",
        "sip:bob@[2001:db8::9:1]",
        "sip:host",
        "sip:alice@example.com;gr=urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
        "tel:+1-202-555-0100;phone-context=example.com;ext=7",
        "urn:service:sos",
        "nobodyKnowsThisScheme:totallyopaquecontent",
        "http://www.example.com/a?b=c",
    ] {
        assert_eq!(parsed(text).to_string(), text);
    }
}

#[test]
fn the_parts_of_a_sip_uri() {
    let uri = parsed("SIPS:al%69ce;day=tue:pw@example.com:5061;LR;transport=TCP?a=b");
    assert_eq!(uri.scheme, Scheme::Sips);
    assert_eq!(uri.user.as_deref(), Some("al%69ce;day=tue"));
    assert_eq!(uri.password.as_deref(), Some("pw"));
    assert_eq!((uri.host.as_str(), uri.port), ("example.com", Some(5061)));
    assert_eq!((uri.param("lr"), uri.param("Transport"), uri.param("ttl")), (Some(""), Some("TCP"), None));
    assert_eq!(uri.headers.as_deref(), Some("a=b"));
    assert_eq!(parsed("sip:a@b;gr").gr(), Some(""));
    assert_eq!(parsed("sip:a@b;x=1").with_param("X", Some("2")).with_param("lr", None).to_string(), "sip:a@b;x=2;lr");
    assert_eq!(parsed("sip:a@b;;lr;").to_string(), "sip:a@b;lr");
}

#[test]
fn what_is_no_uri_is_refused() {
    for (text, error) in [
        ("", UriError::Scheme),
        ("alice@example.com", UriError::Scheme),
        ("sip:", UriError::Scheme),
        ("1x:abc", UriError::Scheme),
        ("<sip:user@example.com>", UriError::Character),
        ("sip:user@example.com; lr", UriError::Character),
        ("sip:a\r\nb@c", UriError::Character),
        ("sip:@example.com", UriError::Host),
        ("sip:user@", UriError::Host),
        ("sip:a@b@c", UriError::Host),
        ("sip:a@[2001:db8::1", UriError::Host),
        ("sip:a@[nonsense]", UriError::Host),
        ("sip:a@b:70000", UriError::Port),
        ("sip:a@b:", UriError::Port),
        ("sip:a@b;=x", UriError::Param),
        ("tel:;x=y", UriError::Host),
    ] {
        assert_eq!(Uri::parse(text), Err(error), "{text}");
    }
}

#[test]
fn a_uri_names_the_address_of_its_user() {
    let uri = parsed("sip:+1-202-555-0200@IMS.example.net:5060;user=phone");
    assert_eq!(uri.address().unwrap().as_str(), "sip:+12025550200@ims.example.net");
    assert_eq!(parsed("tel:+1-202").address().unwrap().as_str(), "tel:+1202");
    assert_eq!(parsed("urn:service:sos").address(), Err(AddressError::Scheme));
    assert_eq!(parsed("sip:pf.example.net").address(), Err(AddressError::Incomplete));
}

proptest::proptest! {
    #[test]
    fn what_is_read_survives_printing(text in "(sip|sips|tel|urn|x):[ -~é]{0,40}") {
        if let Ok(uri) = Uri::parse(&text) {
            proptest::prop_assert_eq!(Uri::parse(&uri.to_string()), Ok(uri));
        }
    }
}
