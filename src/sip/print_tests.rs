use super::*;
use crate::sip::{Limits, Method, datagram};
use proptest::prelude::*;

#[test]
fn content_length_is_ours_and_only_one() {
    let mut request = Request::new(Method::Message, "sip:bob@x.test");
    request.headers.push("Content-Length", "999");
    request.headers.push("To", "<sip:bob@x.test>");
    request.headers.push("Content-Length", "1");
    request.body = Bytes::from_static(b"hello");
    let text = request.to_bytes();
    assert_eq!(text, "MESSAGE sip:bob@x.test SIP/2.0\r\nContent-Length: 5\r\nTo: <sip:bob@x.test>\r\n\r\nhello");
    request.headers.remove("Content-Length");
    let text = Message::Request(request).to_bytes();
    assert_eq!(text, "MESSAGE sip:bob@x.test SIP/2.0\r\nTo: <sip:bob@x.test>\r\nContent-Length: 5\r\n\r\nhello");
}

#[test]
fn no_value_can_begin_a_line_of_its_own() {
    let mut request = Request::new(Method::Other("X\r\nA: 1".into()), "sip:a b\r\nInjected: 1");
    request.headers.push("Na\r\nme: x", "v\r\nInjected: 1\n\r\n");
    let text = String::from_utf8(request.to_bytes().to_vec()).unwrap();
    assert_eq!(
        text,
        "XA1 sip:a%20b%0D%0AInjected:%201 SIP/2.0\r\nNamex: v  Injected: 1   \r\nContent-Length: 0\r\n\r\n"
    );
    let response =
        Response { status: 200, reason: "OK\r\nInjected: 1".into(), headers: Headers::new(), body: Bytes::new() };
    assert_eq!(response.to_bytes(), "SIP/2.0 200 OK  Injected: 1\r\nContent-Length: 0\r\n\r\n");
}

/// Header values as the reader gives them: no line ends, no white space around.
fn value() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>().prop_filter("line ends", |b| !matches!(b, b'\r' | b'\n')), 0..20)
        .prop_map(|octets| octets.trim_ascii().to_vec())
}

proptest! {
    #[test]
    fn what_is_printed_is_read_back(
        extra in proptest::collection::vec(("[A-Za-z][A-Za-z0-9.-]{3,9}-X", value()), 0..6),
        body in proptest::collection::vec(any::<u8>(), 0..50),
        method in "[A-Z]{1,9}",
        user in "[a-z0-9%;=+]{1,9}",
    ) {
        let mut request = Request::new(Method::of(&method), format!("sip:{user}@x.test;lr"));
        request.headers.push("Via", "SIP/2.0/UDP a.test;branch=z9hG4bK1");
        request.headers.push("From", "<sip:a@x.test>;tag=1");
        request.headers.push("To", "<sip:b@x.test>");
        request.headers.push("Call-ID", "c@x.test");
        request.headers.push("CSeq", format!("1 {method}"));
        request.headers.push("Content-Length", body.len().to_string());
        for (name, value) in extra {
            request.headers.push(name, value);
        }
        request.body = body.into();
        let message = Message::Request(request);
        let printed = message.to_bytes();
        prop_assert_eq!(datagram(&printed, &Limits::default()), Ok(message.clone()));
        prop_assert_eq!(message.to_bytes(), printed);
    }
}
