use super::*;
use bytes::Bytes;
use proptest::prelude::*;

const WX_1: &[u8] = include_bytes!("../../tests/fixtures/wx/wx-01-message.sip");
const WX_2: &[u8] = include_bytes!("../../tests/fixtures/wx/wx-02-202.sip");
const WX_6: &[u8] = include_bytes!("../../tests/fixtures/wx/wx-06-management-invite.sip");

/// Everything a stream gives for these pieces, faults as text.
fn frames(pieces: &[&[u8]], limits: Limits) -> Vec<Result<Frame, ReadError>> {
    let mut stream = Stream::new(limits);
    let mut out = Vec::new();
    for piece in pieces {
        stream.push(piece);
        loop {
            match stream.next() {
                Ok(None) => break,
                Ok(Some(frame)) => out.push(Ok(frame)),
                Err(error) => out.push(Err(error)),
            }
        }
    }
    out
}

fn faults(octets: &[u8], limits: Limits) -> Vec<(Fault, bool)> {
    frames(&[octets], limits).into_iter().filter_map(Result::err).map(|e| (e.fault(), e.is_fatal())).collect()
}

/// A stream with everything in it: keep-alives, stray line ends, messages, a message with a fault.
fn mixed() -> Vec<u8> {
    let broken =
        b"OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/TCP a;branch=b\r\nFrom: <sip:a\r\nTo: <sip:b@b>\r\nCall-ID: 1\r\n\
                   CSeq: 1 OPTIONS\r\nl: 4\r\n\r\nbody";
    [b"\r\n", WX_1, b"\r\n\r\n", WX_2, b"\n\r\n", broken, b"\r\n\r\n\r\n\r\n", WX_6].concat()
}

#[test]
fn messages_and_keep_alives_come_out_in_order() {
    let out = frames(&[&mixed()], Limits::default());
    let kinds: Vec<_> = out
        .iter()
        .map(|frame| match frame {
            Ok(Frame::Ping) => "ping",
            Ok(Frame::Message(Message::Request(request))) => request.method.as_str(),
            Ok(Frame::Message(Message::Response(_))) => "response",
            Err(error) => error.reason(),
        })
        .collect();
    assert_eq!(kinds, ["MESSAGE", "ping", "response", "Malformed From", "ping", "ping", "INVITE"]);
    let Ok(Frame::Message(message)) = &out[0] else { panic!("{out:?}") };
    assert_eq!(message.to_bytes(), WX_1);
    let Err(error) = &out[3] else { panic!("{out:?}") };
    assert!(!error.is_fatal());
    assert_eq!(error.request().map(|request| request.method.as_str()), Some("OPTIONS"));
}

#[test]
fn octet_by_octet_is_the_same_as_at_once() {
    let octets = mixed();
    let single: Vec<&[u8]> = octets.chunks(1).collect();
    assert_eq!(frames(&single, Limits::default()), frames(&[&octets], Limits::default()));
}

#[test]
fn a_stream_without_content_length_is_lost() {
    let text = String::from_utf8(WX_2.to_vec()).unwrap().replace("Content-Length: 0\r\n", "");
    assert_eq!(faults(text.as_bytes(), Limits::default()), [(Fault::NoContentLength, true)]);
    let text = String::from_utf8(WX_1.to_vec()).unwrap().replace("Content-Length: 340", "Content-Length: -1");
    let out = frames(&[text.as_bytes(), WX_2], Limits::default());
    assert_eq!(out.len(), 1, "nothing comes after a fatal fault: {out:?}");
    let error = out.into_iter().next().unwrap().unwrap_err();
    assert_eq!((error.status(), error.is_fatal()), (400, true));
    assert_eq!(error.into_request().unwrap().call_id(), Some("8f3a0c1e5b@alice.example.net"));
}

#[test]
fn limits_end_the_stream_before_the_octets_pile_up() {
    let limits = Limits { header_bytes: 1000, header_lines: 256, body_bytes: 100 };
    assert_eq!(faults(WX_1, limits), [(Fault::HeadersTooLong, true)]);
    assert_eq!(faults(&[b'x'; 1001], limits), [(Fault::HeadersTooLong, true)]);
    assert_eq!(faults(&[b'x'; 1000], limits), []);
    let limits = Limits { header_bytes: 2000, ..limits };
    let error = frames(&[WX_1], limits).remove(0).unwrap_err();
    assert_eq!((error.status(), error.is_fatal()), (413, true));
    assert!(error.request().is_some());
    let limits = Limits { header_lines: 5, body_bytes: 1000, ..limits };
    assert_eq!(faults(WX_1, limits), [(Fault::TooManyLines, true)]);
}

#[test]
fn headers_of_exactly_the_allowed_size_pass() {
    let limits = Limits { header_bytes: WX_2.len(), ..Limits::default() };
    assert_eq!(frames(&[WX_2], limits).len(), 1);
    assert!(frames(&[WX_2], limits)[0].is_ok());
    let limits = Limits { header_bytes: WX_2.len() - 1, ..limits };
    assert_eq!(faults(WX_2, limits), [(Fault::HeadersTooLong, true)]);
    assert_eq!(super::super::datagram(&Bytes::from_static(WX_2), &limits).unwrap_err().fault(), Fault::HeadersTooLong);
}

#[test]
fn a_message_that_has_begun_is_seen() {
    let mut stream = Stream::new(Limits::default());
    assert!(!stream.is_midway());
    stream.push(&WX_1[..WX_1.len() - 1]);
    assert_eq!(stream.next(), Ok(None));
    assert!(stream.is_midway());
    stream.push(&WX_1[WX_1.len() - 1..]);
    assert!(matches!(stream.next(), Ok(Some(Frame::Message(_)))));
    assert!(!stream.is_midway());
    assert_eq!(stream.buffered(), 0);
}

proptest! {
    #[test]
    fn any_split_of_real_messages_gives_the_same_frames(cuts in proptest::collection::vec(0usize..4000, 0..12)) {
        let octets = mixed();
        let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(octets.len())).collect();
        cuts.sort_unstable();
        let mut pieces = Vec::new();
        let mut from = 0;
        for cut in cuts {
            pieces.push(&octets[from..cut]);
            from = cut;
        }
        pieces.push(&octets[from..]);
        prop_assert_eq!(frames(&pieces, Limits::default()), frames(&[&octets], Limits::default()));
    }

    #[test]
    fn any_split_of_any_octets_gives_the_same_frames(
        text in "([A-Z]{1,3} [a-z:]{0,4} SIP/2.0\r?\n|[a-zA-Z-]{1,4}: ?[ -~]{0,6}\r?\n|l: [0-3]\r\n|\r\n|\n|\r| ){0,20}",
        size in 1usize..9,
        header_bytes in 1usize..120,
    ) {
        let limits = Limits { header_bytes, header_lines: 6, body_bytes: 2 };
        let pieces: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
        prop_assert_eq!(frames(&pieces, limits), frames(&[text.as_bytes()], limits));
    }
}
