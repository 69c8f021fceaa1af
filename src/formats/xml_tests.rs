use super::*;
use proptest::prelude::*;

fn read(text: &str) -> Result<Document, XmlError> {
    Document::read(text.as_bytes(), &Limits::default())
}

fn fault(text: &str) -> XmlError {
    read(text).err().unwrap()
}

fn text(inside: &str) -> String {
    read(&format!("<a>{inside}</a>")).unwrap().root().unwrap().text().to_owned()
}

#[test]
fn elements_are_found_by_local_name() {
    let document = read(
        "\u{feff}<?xml version='1.0' encoding='utf-8'?><!-- c --><?p i?>\n<p:a xmlns:p='urn:p' xmlns='urn:d'>\
         <b x='1' p:x='2'><c>3</c></b><p:b/><d> 4 </d></p:a>\n<!-- end -->",
    )
    .unwrap();
    let root = document.root().unwrap();
    assert_eq!((root.name(), root.children().count(), root.descendants().count()), ("a", 4 - 1, 4));
    let b = root.child("b").unwrap();
    assert_eq!((b.attribute("x"), b.child_text("c"), b.text()), (Some("1"), Some("3"), ""));
    let all: Vec<_> = b.attributes().collect();
    assert_eq!(all, [("x", None, "1"), ("x", Some("urn:p"), "2")]);
    assert_eq!(root.children().map(Element::name).collect::<Vec<_>>(), ["b", "b", "d"]);
    assert_eq!((root.child_text("d"), root.child_text("b"), root.child("e").is_none()), (Some("4"), None, true));
    assert_eq!(b.descendants().map(Element::name).collect::<Vec<_>>(), ["c"]);
}

#[test]
fn references_and_cdata_are_text() {
    assert_eq!(text("&lt;&#x41;&#66;&amp;<![CDATA[<&]]>&quot;&apos;&gt;"), "<AB&<&\"'>");
    assert_eq!(text("one<b>not</b>two"), "onetwo");
    assert_eq!(text("a\r\nb\rc"), "a\nb\nc", "line ends of XML 1.0 section 2.11");
    let document = read("<a x='&lt;&#65; b&#10;c\td'/>").unwrap();
    assert_eq!(document.root().unwrap().attribute("x"), Some("<A b\nc d"));
}

#[test]
fn a_doctype_and_other_entities_are_refused() {
    assert_eq!(fault("<!DOCTYPE a><a/>"), XmlError::Doctype);
    let bomb = "<!DOCTYPE a [<!ENTITY b 'x'><!ENTITY c '&b;&b;'>]><a>&c;</a>";
    assert_eq!(fault(bomb), XmlError::Doctype);
    assert_eq!(fault("<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>"), XmlError::Doctype);
    assert_eq!(fault("<a>&b;</a>"), XmlError::Entity);
    assert_eq!(fault("<a x='&b;'/>"), XmlError::Entity);
    assert_eq!(fault("<a>&#0;</a>"), XmlError::Character);
    assert_eq!(fault("<a>&#x1;</a>"), XmlError::Character);
    assert_eq!(fault("<a x='&#x1;'/>"), XmlError::Character);
    assert_eq!(fault("<a>\u{1}</a>"), XmlError::Character);
    assert_eq!(fault("<a>&#xfffe;</a>"), XmlError::Character);
}

#[test]
fn only_utf_8_is_read() {
    assert_eq!(Document::read(b"<a>\xff</a>", &Limits::default()).err(), Some(XmlError::Encoding));
    assert_eq!(fault("<?xml version='1.0' encoding='UTF-16'?><a/>"), XmlError::Encoding);
    assert_eq!(fault("<?xml version='1.0' encoding='iso-8859-1'?><a/>"), XmlError::Encoding);
    assert!(read("<?xml version='1.0' encoding='US-ASCII'?><a/>").is_ok());
}

#[test]
fn what_is_not_well_formed_is_refused() {
    for text in ["", " ", "hello", "<a/><b/>", "<!-- -->"] {
        assert!(matches!(fault(text), XmlError::Root | XmlError::Malformed(_)), "{text}");
    }
    assert_eq!(fault("<a>"), XmlError::Open);
    assert_eq!(fault("<b:a/>"), XmlError::Prefix);
    assert_eq!(fault("<a b:c='1'/>"), XmlError::Prefix);
    for text in [
        "<a></b>",
        "</a>",
        "<a/>x",
        "x<a/>",
        "<a x='1' x='2'/>",
        "<a x=1/>",
        "<a",
        "<a>&</a>",
        "<a/>&lt;",
        "<![CDATA[x]]><a/>",
        " <?xml version='1.0'?><a/>",
        "<a/><?xml version='1.0'?>",
        "<a x/>",
    ] {
        assert!(matches!(fault(text), XmlError::Malformed(_)), "{text}: {:?}", fault(text));
    }
}

#[test]
fn every_limit_holds_at_its_value_and_is_told() {
    let limits = Limits { octets: 60, depth: 2, elements: 4, attributes: 2, value_octets: 3 };
    let read = |text: &str| Document::read(text.as_bytes(), &limits).err();
    assert_eq!(read("<a><b/><b/><b x='123' y=''/></a>"), None);
    assert_eq!(read(&format!("<a>{}</a>", "x".repeat(54))), Some(XmlError::TooLong(60)));
    assert_eq!(read("<a><b><c/></b></a>"), Some(XmlError::TooDeep(2)));
    assert_eq!(read("<a><b/><b/><b/><b/></a>"), Some(XmlError::TooManyElements(4)));
    assert_eq!(read("<a x='' y='' z=''/>"), Some(XmlError::TooManyAttributes(2)));
    assert_eq!(read("<a x='1234'/>"), Some(XmlError::ValueTooLong(3)));
    assert_eq!(read("<a xmlns:n='1234'/>"), Some(XmlError::ValueTooLong(3)));
}

#[test]
fn a_deep_document_costs_no_stack() {
    let text = format!("{}{}", "<a>".repeat(9000), "</a>".repeat(9000));
    let limits = Limits { octets: 1 << 20, depth: 10_000, elements: 10_000, ..Limits::default() };
    let document = Document::read(text.as_bytes(), &limits).unwrap();
    assert_eq!(document.root().unwrap().descendants().count(), 8999);
    assert_eq!(read(&text).err(), Some(XmlError::TooDeep(32)));
}

proptest! {
    #[test]
    fn any_octets_are_a_document_or_refused(octets in proptest::collection::vec(any::<u8>(), 0..100)) {
        let _ = Document::read(&octets, &Limits::default());
    }

    #[test]
    fn any_markup_is_a_document_within_its_limits_or_refused(
        text in "(</?[ab:]{1,3}( x(mlns(:a)?)?='[&#;1a]{0,4}')?/?>|<!--|-->|<!\\[CDATA\\[|\\]\\]>|<\\?xml |\\?>|&[a#]?;?|x){0,12}",
    ) {
        if let Ok(document) = read(&text) {
            let root = document.root().unwrap();
            let below: usize = root.descendants().map(|element| element.children().count()).sum();
            prop_assert_eq!(below + root.children().count(), root.descendants().count());
        }
    }
}
