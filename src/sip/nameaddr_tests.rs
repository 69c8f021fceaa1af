use super::*;

fn parsed(text: &str) -> NameAddr {
    NameAddr::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn without_brackets_the_parameters_are_the_headers() {
    let to = parsed("sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n");
    assert_eq!(to.uri, "sip:vivekg@chair-dnrc.example.com");
    assert_eq!(to.tag(), Some("1918181833n"));
    assert_eq!(to.display, None);
    let inside = parsed("<sip:a@b;tag=uri>");
    assert_eq!((inside.tag(), inside.uri.as_str()), (None, "sip:a@b;tag=uri"));
}

#[test]
fn display_names_lose_quotes_and_escapes_and_get_them_back() {
    let from = parsed(r#""J Rosenberg \\\"" <sip:jdrosen@example.com>;tag=98asjd8"#);
    assert_eq!(from.display.as_deref(), Some(r#"J Rosenberg \""#));
    assert_eq!(from.to_string(), r#""J Rosenberg \\\"" <sip:jdrosen@example.com>;tag=98asjd8"#);
    let plain = parsed("caller<sip:caller@example.com>;tag=323");
    assert_eq!(plain.display.as_deref(), Some("caller"));
    assert_eq!(plain.to_string(), r#""caller" <sip:caller@example.com>;tag=323"#);
    assert_eq!(parsed("\"Jürgen; 雪 <x>, y\" <sip:j@x>").display.as_deref(), Some("Jürgen; 雪 <x>, y"));
    assert_eq!(parsed("Jürgen Müller <sip:j@x>").display.as_deref(), Some("Jürgen Müller"));
}

#[test]
fn quoted_parameters_are_kept_as_written_and_read_without_quotes() {
    let contact = parsed(
        r#"<sip:bob@198.51.100.7:5060;transport=tcp>;+sip.instance="<urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf7>";x="a;b,c";audio;expires=3600"#,
    );
    assert_eq!(contact.param("+SIP.instance").as_deref(), Some("<urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf7>"));
    assert_eq!(contact.param("x").as_deref(), Some("a;b,c"));
    assert_eq!(contact.param("audio").as_deref(), Some(""));
    assert_eq!(contact.param("video"), None);
    assert_eq!(parsed(&contact.to_string()), contact);
}

#[test]
fn a_bare_uri_with_a_bracketed_parameter_is_no_display_name() {
    let contact = parsed(r#"sip:a@b;+sip.instance="<urn:uuid:1>""#);
    assert_eq!(contact.uri, "sip:a@b");
    assert_eq!(contact.param("+sip.instance").as_deref(), Some("<urn:uuid:1>"));
}

#[test]
fn the_wildcard_contact_is_known() {
    assert!(parsed(" * ").is_wildcard());
    assert_eq!(parsed("*").to_string(), "*");
    assert!(!parsed("<sip:*@x>").is_wildcard());
    assert_eq!(NameAddr::parse("<*>"), Err(NameAddrError::Uri));
}

#[test]
fn rfc_4475_addresses_that_must_not_pass() {
    for (text, error) in [
        (r#""Mr. J. User <sip:j.user@example.com>"#, NameAddrError::Display),
        (r#""Watson, Thomas" < sip:t.watson@example.org >"#, NameAddrError::Uri),
        ("Bell, Alexander <sip:a.g.bell@example.com>;tag=43", NameAddrError::Display),
        ("sip:user@example.com?Route=%3Csip:sip.example.com%3E", NameAddrError::Uri),
        (r#""Joe" <sip:joe@example.org>;;;;"#, NameAddrError::Params),
        ("<sip:a@b>;x=\"open", NameAddrError::Params),
        ("<sip:a@b> tag=1", NameAddrError::Params),
        ("<sip:a@b", NameAddrError::Uri),
        ("\"only a name\"", NameAddrError::Display),
        ("alice", NameAddrError::Uri),
        ("", NameAddrError::Uri),
    ] {
        assert_eq!(NameAddr::parse(text), Err(error), "{text}");
        assert_eq!(NameAddr::check(text), Err(error), "{text}");
    }
}

#[test]
fn lists_split_at_the_commas_that_separate() {
    let list: Vec<_> = split_list(r#" <sip:a,b@x>,"c, \"d" <sip:d@x>;p="e,f" , ,sip:g@x"#).collect();
    assert_eq!(list, ["<sip:a,b@x>", r#""c, \"d" <sip:d@x>;p="e,f""#, "sip:g@x"]);
    assert_eq!(split_list("").count(), 0);
    let mut headers = Headers::new();
    headers.push("Route", "<sip:a;lr>, <sip:b;lr>");
    headers.push("Route", "<sip:c;lr>");
    let uris: Vec<_> = NameAddr::list(&headers, "route").into_iter().map(|route| route.uri).collect();
    assert_eq!(uris, ["sip:a;lr", "sip:b;lr", "sip:c;lr"]);
}

#[test]
fn line_ends_cannot_be_printed_out_of_a_display_name() {
    let name = NameAddr { display: Some("a\r\nb".into()), ..NameAddr::of("sip:a@b") };
    assert!(!name.to_string().contains(['\r', '\n']));
}

proptest::proptest! {
    #[test]
    fn any_text_is_read_or_refused_and_what_is_read_survives_printing(text in ".{0,60}") {
        if let Ok(name) = NameAddr::parse(&text) {
            proptest::prop_assert_eq!(NameAddr::parse(&name.to_string()), Ok(name));
        }
        proptest::prop_assert!(split_list(&text).all(|element| !element.is_empty()));
    }
}
