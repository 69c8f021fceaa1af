use super::*;
use proptest::prelude::*;

macro_rules! wx {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_bytes!(concat!("../../../tests/fixtures/wx/wx-", $name, ".sip")).as_slice())),*]
    };
}

/// Every SIP example of the specification, chapter 7.
const WX: [(&str, &[u8]); 14] = wx![
    "01-message",
    "02-202",
    "03-register",
    "03-200",
    "04-notify",
    "05-system-message",
    "06-management-invite",
    "07-200",
    "08-488",
    "09-pushed-message",
    "10-large-invite",
    "11-200",
    "13-bye",
    "14-imdn",
];

pub(super) fn read(octets: &[u8]) -> Result<Message, ReadError> {
    datagram(&Bytes::copy_from_slice(octets), &Limits::default())
}

pub(super) fn request(octets: &[u8]) -> Request {
    match read(octets) {
        Ok(Message::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

/// A small request with these lines put in and this start line.
fn small(start: &str, lines: &str) -> String {
    format!(
        "{start}\r\nVia: SIP/2.0/UDP a.test;branch=z9hG4bK1\r\nFrom: <sip:a@x.test>;tag=1\r\nTo: <sip:b@x.test>\r\n\
         Call-ID: c@x.test\r\nCSeq: 1 OPTIONS\r\n{lines}\r\n"
    )
}

const OPTIONS: &str = "OPTIONS sip:b@x.test SIP/2.0";

fn fault(lines: &str) -> Fault {
    read(small(OPTIONS, lines).as_bytes()).unwrap_err().fault()
}

#[test]
fn every_wire_example_is_read_and_prints_back_octet_for_octet() {
    for (name, octets) in WX {
        let message = read(octets).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(message.to_bytes(), octets, "{name}");
        let body = match &message {
            Message::Request(request) => &request.body,
            Message::Response(response) => &response.body,
        };
        assert_eq!(message.headers().get("Content-Length"), Some(body.len().to_string().as_str()), "{name}");
    }
}

#[test]
fn rsip_agrees_about_the_wire_examples() {
    use rsip::prelude::*;
    for (name, octets) in WX {
        let theirs = rsip::SipMessage::try_from(octets).unwrap_or_else(|error| panic!("{name}: {error}"));
        let ours = read(octets).unwrap();
        let cseq = theirs.cseq_header().unwrap().typed().unwrap();
        let (number, method) = match &ours {
            Message::Request(request) => request.cseq().unwrap(),
            Message::Response(response) => response.cseq().unwrap(),
        };
        assert_eq!((cseq.seq, cseq.method.to_string()), (number, method.to_string()), "{name}");
        assert_eq!(Some(theirs.call_id_header().unwrap().value()), ours.headers().get("Call-ID"), "{name}");
        assert_eq!(theirs.headers().iter().count(), ours.headers().len(), "{name}");
    }
}

#[test]
fn body_and_values_are_slices_of_the_datagram() {
    let bytes = Bytes::from_static(WX[0].1);
    let within = |part: &Bytes| bytes.as_ptr_range().contains(&part.as_ptr());
    let Ok(Message::Request(message)) = datagram(&bytes, &Limits::default()) else { panic!() };
    assert!(within(&message.body));
    assert!(message.headers.iter().all(|header| within(&header.value)));
    assert_eq!(message.body.len(), 340);
}

#[test]
fn rfc_3261_18_3_the_body_of_a_datagram_is_what_content_length_says() {
    let body = |tail: &str| request([small(OPTIONS, ""), tail.into()].concat().as_bytes()).body;
    assert_eq!(body("all the rest"), "all the rest");
    let text = [small(OPTIONS, "l: 3\r\n"), "abcdef".into()].concat();
    assert_eq!(request(text.as_bytes()).body, "abc");
    assert_eq!(fault("Content-Length: 3\r\n"), Fault::Truncated);
    for value in ["-999", "x", "", "1 2", "+1", "99999999999999999999999"] {
        assert_eq!(fault(&format!("Content-Length: {value}\r\n")), Fault::ContentLength, "{value}");
    }
    assert_eq!(fault("Content-Length: 18446744073709551615\r\n"), Fault::Truncated);
}

#[test]
fn single_value_headers_may_not_disagree() {
    for line in ["Call-ID: d", "CSeq: 2 OPTIONS", "f: <sip:z@x>;tag=1", "To: <sip:z@x>", "Via: x"] {
        let found = fault(&format!("{line}\r\n"));
        assert!(matches!(found, Fault::Duplicate | Fault::Via), "{line}: {found:?}");
    }
    assert_eq!(fault("l: 0\r\nContent-Length: 1\r\n"), Fault::ContentLength);
    assert_eq!(fault("Max-Forwards: 1\r\nMax-Forwards: 2\r\n"), Fault::Duplicate);
    assert!(read(small(OPTIONS, "i: c@x.test\r\nMax-Forwards: 0\r\nMax-Forwards: 0\r\n").as_bytes()).is_ok());
}

#[test]
fn requests_need_the_headers_the_transaction_layer_relies_on() {
    for name in ["Via", "From", "To", "Call-ID", "CSeq"] {
        let text: String =
            small(OPTIONS, "").split_inclusive("\r\n").filter(|line| !line.starts_with(&format!("{name}:"))).collect();
        let error = read(text.as_bytes()).unwrap_err();
        assert_eq!((error.fault(), error.request()), (Fault::Missing, None), "{name}");
    }
    assert_eq!(fault("Max-Forwards: 256\r\n"), Fault::MaxForwards);
    assert_eq!(fault("Max-Forwards: many\r\n"), Fault::MaxForwards);
    for cseq in ["2147483648 OPTIONS", "-1 OPTIONS", "1", "OPTIONS", "1 OPT IONS", "36893488147419103232 OPTIONS"] {
        let text = small(OPTIONS, "").replace("1 OPTIONS", cseq);
        assert_eq!(read(text.as_bytes()).unwrap_err().fault(), Fault::CSeq, "{cseq}");
    }
    let text = small(OPTIONS, "").replace("1 OPTIONS", "1 options");
    assert_eq!(read(text.as_bytes()).unwrap_err().fault(), Fault::CSeqMethod, "methods are case-sensitive");
}

#[test]
fn a_fault_carries_the_request_that_can_be_answered() {
    let error = read(small(OPTIONS, "Content-Length: -1\r\nSubject: x\r\n").as_bytes()).unwrap_err();
    assert_eq!((error.status(), error.reason(), error.is_fatal()), (400, "Malformed Content-Length", false));
    let answer = Response::to(&error.into_request().unwrap(), 400, "", "t");
    assert_eq!(answer.headers.get("To"), Some("<sip:b@x.test>;tag=t"));
    for (start, status) in [("OPTIONS sip:b@x.test SIP/7.0", 505), ("OPTIONS <sip:b@x.test> SIP/2.0", 400)] {
        let error = read(small(start, "").as_bytes()).unwrap_err();
        assert_eq!((error.status(), error.request().is_some()), (status, true), "{start}");
    }
    // Nobody answers these: an ACK, a response, a request whose way back is unknown, what is no SIP at all.
    let ack = small("ACK sip:b@x.test SIP/2.0", "Max-Forwards: x\r\n").replace("1 OPTIONS", "1 ACK");
    for text in [
        ack,
        small("SIP/2.0 200 OK", "Content-Length: 9\r\n"),
        small(OPTIONS, "l: x\r\n").replace("SIP/2.0/UDP a.test", "nonsense"),
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n".into(),
        "\r\n\r\n".into(),
        "OPTIONS".into(),
    ] {
        assert_eq!(read(text.as_bytes()).unwrap_err().request(), None, "{text}");
    }
}

#[test]
fn limits_have_their_own_answers() {
    let bytes = Bytes::from_static(WX[0].1);
    let status = |limits: Limits| {
        let error = datagram(&bytes, &limits).unwrap_err();
        assert!(error.request().is_some(), "the first headers are enough to answer");
        error.status()
    };
    let limits = Limits::default();
    assert_eq!(status(Limits { body_bytes: 339, ..limits }), 413);
    assert_eq!(status(Limits { header_bytes: 800, ..limits }), 513);
    assert_eq!(status(Limits { header_lines: 19, ..limits }), 513);
    assert!(datagram(&bytes, &Limits { body_bytes: 340, header_lines: 20, header_bytes: 1200 }).is_ok());
}

#[test]
fn odd_line_ends_are_tolerated_where_they_are_harmless() {
    let plain = request(small(OPTIONS, "Subject: a b\r\nX-Empty: \r\n").as_bytes());
    for text in [
        small(OPTIONS, "s :\ta\r\n b\t \r\nX-Empty:\r\n"),
        small(OPTIONS, "SUBJECT\t: a\r\n \r\n\t b\r\nX-Empty:\r\n\t\r\n"),
        small(OPTIONS, "Subject: a b\r\nX-Empty:\r\n").replace('\r', ""),
        format!("\r\n\n\r\n{}", small(OPTIONS, "Subject: a b\r\nX-Empty:\r\n")),
    ] {
        assert_eq!(request(text.as_bytes()), plain, "{text:?}");
    }
    assert_eq!(plain.headers.raw("x-empty"), Some(&Bytes::new()));
    assert_eq!(fault("Subject: a\rX: b\r\n"), Fault::BareCarriageReturn);
    assert_eq!(fault("no colon here\r\n"), Fault::HeaderLine);
    assert_eq!(fault(": no name\r\n"), Fault::HeaderLine);
    assert_eq!(fault("two words: x\r\n"), Fault::HeaderLine);
    let cut = small(OPTIONS, "Subject: x\r\n");
    assert_eq!(read(&cut.as_bytes()[..cut.len() - 2]).unwrap_err().fault(), Fault::NoEmptyLine);
    assert_eq!(read(&cut.as_bytes()[..cut.len() - 4]).unwrap_err().fault(), Fault::NoEmptyLine);
}

proptest! {
    #[test]
    fn random_octets_never_panic(octets in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = read(&octets);
    }

    #[test]
    fn damaged_messages_never_panic_and_what_is_read_prints_to_the_same(
        which in 0..WX.len(),
        edits in proptest::collection::vec((any::<prop::sample::Index>(), proptest::sample::select(
            &[0u8, b'\r', b'\n', b' ', b':', b';', b',', b'"', b'<', b'>', b'\\', b'9', b'/', 0xff][..])), 1..6),
    ) {
        let mut octets = WX[which].1.to_vec();
        for (at, octet) in edits {
            let at = at.index(octets.len());
            octets[at] = octet;
        }
        if let Ok(message) = read(&octets) {
            let printed = message.to_bytes();
            let again = read(&printed).expect("what we print can be read");
            prop_assert_eq!(again.to_bytes(), printed);
        }
    }
}
