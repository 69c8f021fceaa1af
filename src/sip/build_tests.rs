use super::*;

fn request() -> Request {
    let mut request = Request::new(Method::Message, "sip:bob@x.test");
    request.headers.push("Via", "SIP/2.0/UDP a.test;branch=z9hG4bK1, SIP/2.0/UDP b.test;branch=z9hG4bK2");
    request.headers.push("Via", "SIP/2.0/UDP c.test;branch=z9hG4bK3");
    request.headers.push("Max-Forwards", "66");
    request.headers.push("From", "<sip:a@x.test>;tag=f1");
    request.headers.push("To", "sip:bob@x.test");
    request.headers.push("Call-ID", "c@x.test");
    request.headers.push("CSeq", "17  MESSAGE");
    request.headers.push("Timestamp", "54");
    request.headers.push("Expires", "86400");
    request
}

#[test]
fn rfc_3261_8_2_6_an_answer_copies_what_names_the_transaction() {
    let response = Response::to(&request(), 202, "", "pf-1");
    assert_eq!((response.status, response.reason.as_str()), (202, "Accepted"));
    let lines: Vec<_> =
        response.headers.iter().map(|h| (h.name.as_ref(), std::str::from_utf8(&h.value).unwrap())).collect();
    assert_eq!(
        lines,
        [
            ("Via", "SIP/2.0/UDP a.test;branch=z9hG4bK1, SIP/2.0/UDP b.test;branch=z9hG4bK2"),
            ("Via", "SIP/2.0/UDP c.test;branch=z9hG4bK3"),
            ("From", "<sip:a@x.test>;tag=f1"),
            ("To", "sip:bob@x.test;tag=pf-1"),
            ("Call-ID", "c@x.test"),
            ("CSeq", "17  MESSAGE"),
        ]
    );
    assert_eq!(response.to_tag().as_deref(), Some("pf-1"));
    assert_eq!(response.cseq(), Some((17, Method::Message)));
}

#[test]
fn a_to_tag_that_is_there_stays_and_a_100_gets_none() {
    let mut inside = request();
    inside.headers.set("To", "\"Bob\" <sip:bob@x.test>;tag=old");
    assert_eq!(Response::to(&inside, 200, "Fine", "new").to_tag().as_deref(), Some("old"));
    let trying = Response::to(&request(), 100, "", "new");
    assert_eq!(trying.to_tag(), None);
    assert_eq!(trying.headers.get("Timestamp"), Some("54"));
}

#[test]
fn typed_readings() {
    let mut request = request();
    assert_eq!(request.cseq(), Some((17, Method::Message)));
    assert_eq!(request.call_id(), Some("c@x.test"));
    assert_eq!(request.from_tag().as_deref(), Some("f1"));
    assert_eq!(request.to_tag(), None);
    assert_eq!(request.max_forwards(), Some(66));
    assert_eq!(request.expires(), Some(86400));
    for (text, seconds) in
        [("0", Some(0)), ("99999999999999", Some(u32::MAX)), ("-1", None), ("soon", None), ("", None)]
    {
        request.headers.set("Expires", text);
        assert_eq!(request.expires(), seconds, "{text}");
    }
    request.headers.set("CSeq", "2147483648 MESSAGE");
    assert_eq!(request.cseq(), None);
}

#[test]
fn a_tag_is_found_behind_a_display_name_of_any_octets() {
    let mut request = request();
    request.headers.set("From", b"\"\xfc\x00\" <sip:a@x.test>;tag=t9".to_vec());
    assert_eq!(request.from_tag().as_deref(), Some("t9"));
}

#[test]
fn reason_phrases_follow_the_code_or_its_class() {
    assert_eq!(reason_phrase(480), "Temporarily Unavailable");
    assert_eq!(reason_phrase(299), "OK");
    assert_eq!(reason_phrase(499), "Bad Request");
    assert!(REASONS.is_sorted_by_key(|(code, _)| *code));
}
