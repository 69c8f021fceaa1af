use super::super::head::{Fault, Kind, Status};
use super::*;
use proptest::prelude::*;

const BIND: &[u8] = include_bytes!("../../tests/fixtures/wx/wx-12a-bind.msrp");
const BOUND: &[u8] = include_bytes!("../../tests/fixtures/wx/wx-12b-200.msrp");
const FIRST: &[u8] = include_bytes!("../../tests/fixtures/wx/wx-12c-chunk.msrp");
const FIRST_ANSWER: &[u8] = include_bytes!("../../tests/fixtures/wx/wx-12d-200.msrp");
const SECOND: &[u8] = include_bytes!("../../tests/fixtures/wx/wx-12e-chunk.msrp");
const SECOND_ANSWER: &[u8] = include_bytes!("../../tests/fixtures/wx/wx-12f-200.msrp");

type Events = (Vec<Event>, Option<ReadError>);

/// What pieces say, with the data between a head and its end joined.
fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Events {
    let mut reader = Reader::new();
    let mut events: Vec<Event> = Vec::new();
    let mut fault = None;
    for piece in pieces {
        reader.push(Bytes::copy_from_slice(piece));
        loop {
            match (reader.next(), events.last_mut()) {
                (Ok(Some(Event::Data(more))), Some(Event::Data(data))) => {
                    *data = [&data[..], &more[..]].concat().into();
                }
                (Ok(Some(event)), _) => events.push(event),
                (Ok(None), _) => break,
                (Err(error), _) => {
                    assert_eq!(fault.replace(error), None, "an error is told once");
                }
            }
        }
        assert!(reader.buffered() <= HEAD_BYTES_MAX, "a head at most is held between pushes");
    }
    (events, fault)
}

/// A frame with this data, between two others.
fn stream(transaction: &str, data: &[u8], flag: char) -> Vec<u8> {
    let paths = "To-Path: msrp://a/x;tcp\r\nFrom-Path: msrp://b/y;tcp\r\n";
    let head = format!("MSRP {transaction} SEND\r\n{paths}Message-ID: m1\r\nContent-Type: a/b\r\n\r\n");
    [BIND, head.as_bytes(), data, format!("\r\n-------{transaction}{flag}\r\n").as_bytes(), BOUND].concat()
}

fn head_of(octets: &[u8]) -> Head {
    match read([octets]).0.swap_remove(0) {
        Event::Head(head) => *head,
        other => panic!("{other:?}"),
    }
}

fn data_of(events: &Events) -> Vec<Bytes> {
    events.0.iter().filter_map(|event| if let Event::Data(data) = event { Some(data.clone()) } else { None }).collect()
}

#[test]
fn wx_12_is_read() {
    let head = head_of(BIND);
    assert_eq!((&*head.transaction, &head.kind, head.has_body), ("b1nd0001", &Kind::Send, false));
    assert_eq!(head.message_id.as_deref(), Some("bobbind01"));
    assert_eq!(head.byte_range.map(|range| range.to_string()).as_deref(), Some("1-0/0"));
    assert_eq!(head.session_id(), Some("q7Zk2mPf"));
    assert!(head.only_binds());
    assert_eq!(read([BIND]).0.last(), Some(&Event::End(Flag::Last)));

    let answer = head_of(BOUND);
    assert_eq!(answer.kind, Kind::Response { status: 200, comment: "OK".into() });

    let (first, second) = (read([FIRST]), read([SECOND]));
    let head = head_of(FIRST);
    assert_eq!((head.success_report, head.failure_report), (Some(false), Some(super::super::head::FailureReport::Yes)));
    assert_eq!(head.content_type.as_deref(), Some("message/cpim"));
    assert!(!head.only_binds() && head.fault.is_none());
    assert_eq!(first.0.last(), Some(&Event::End(Flag::More)));
    assert_eq!(second.0.last(), Some(&Event::End(Flag::Last)));
    assert_eq!((data_of(&first)[0].len(), data_of(&second)[0].len()), (466, 175));
    assert!(data_of(&second)[0].ends_with(b"Alice\r\n"), "the framing line end is no data, the one before it is");
    for answer in [FIRST_ANSWER, SECOND_ANSWER] {
        assert_eq!(read([answer]).0.len(), 2);
    }
}

#[test]
fn wx_12_is_the_same_wherever_it_is_cut() {
    let all = [BIND, BOUND, FIRST, FIRST_ANSWER, SECOND, SECOND_ANSWER].concat();
    let whole = read([&all[..]]);
    assert_eq!(whole.1, None);
    assert_eq!(whole.0.len(), 14);
    for at in 0..=all.len() {
        assert_eq!(read([&all[..at], &all[at..]]), whole, "cut at {at}");
    }
    assert_eq!(read(all.chunks(1)), whole);
}

#[test]
fn data_that_look_like_an_end_line_are_data() {
    let nasty: [&[u8]; 14] = [
        b"",
        b"\r",
        b"\r\n",
        b"\r\n\r\n",
        b"-------abcd1234",
        b"\r\n-------abcd1234",
        b"\r\n-------abcd1234x\r\n",
        b"\r\n-------abcd12345$\r\n",
        b"\r\n-------abcd123$\r\n",
        b"\r\n------abcd1234$\r\n",
        b"\r\n-------abcd1234$\n",
        b"\r\n-------abcd1234$\r\r\n-------abcd123",
        b"x-------abcd1234$\r\n",
        b"\r\n-------abcd1234-------abcd1234$\r\n-------wxyz5678$\r\n\r\r\n",
    ];
    for data in nasty {
        for flag in ['$', '+', '#'] {
            let octets = stream("abcd1234", data, flag);
            let whole = read([&octets[..]]);
            assert_eq!(whole.1, None);
            let found = data_of(&whole).concat();
            assert_eq!(found.as_slice(), data, "{}", data.escape_ascii());
            assert_eq!(whole.0.iter().filter(|event| matches!(event, Event::Head(_))).count(), 3);
            for at in 0..=octets.len() {
                assert_eq!(read([&octets[..at], &octets[at..]]), whole, "{} cut at {at}", data.escape_ascii());
            }
            assert_eq!(read(octets.chunks(1)), whole);
        }
    }
}

#[test]
fn an_end_line_right_after_the_head_ends_an_empty_body() {
    let octets = stream("abcd1234", b"", '$');
    let at = octets.windows(11).position(|window| window == b"\r\n-------ab").unwrap();
    let tight = [&octets[..at], &octets[at + 2..]].concat();
    assert_eq!(read([&tight[..]]), read([&octets[..]]));
    assert_eq!(read(tight.chunks(1)), read([&octets[..]]));
}

#[test]
fn other_frames_are_read() {
    let paths = "To-Path: msrp://a/x;tcp\r\nFrom-Path: msrp://b/y;tcp\r\n";
    let report =
        format!("MSRP r1 REPORT\r\n{paths}Message-ID: m\r\nByte-Range: 1-9/9\r\nStatus: 000 200 OK\r\n-------r1$\r\n");
    let head = head_of(report.as_bytes());
    assert_eq!((head.kind, head.status), (Kind::Report, Some(Status { namespace: 0, code: 200 })));
    let nickname = head_of(format!("MSRP n1 NICKNAME\r\n{paths}Use-Nickname: \"x\"\r\n-------n1$\r\n").as_bytes());
    assert_eq!((nickname.kind, nickname.fault), (Kind::Other("NICKNAME".into()), None));
    let bare = head_of(b"\r\n\r\nMSRP s1 481\r\nfrom-path: msrp://b/y;tcp\r\nTO-PATH:msrp://a/x;tcp\r\n-------s1$\r\n");
    assert_eq!(bare.kind, Kind::Response { status: 481, comment: String::new() });
}

#[test]
fn faults_that_leave_the_framing_whole_are_noted() {
    let faulty = [
        ("Byte-Range: 5-3/1", Fault::ByteRange),
        ("Byte-Range: 1-2/3\r\nByte-Range: 1-2/4", Fault::Duplicate),
        ("Message-ID: a b", Fault::MessageId),
        ("Message-ID: ", Fault::MessageId),
        ("Success-Report: maybe", Fault::SuccessReport),
        ("Failure-Report: perhaps", Fault::FailureReport),
        ("Status: 200", Fault::Status),
        ("no colon", Fault::HeaderLine),
        (" Folded: line", Fault::HeaderLine),
        ("Content-Type: text/plain\rx", Fault::HeaderLine),
        ("-------other1$", Fault::HeaderLine),
    ];
    for (line, fault) in faulty {
        let octets = format!(
            "MSRP f123 SEND\r\nTo-Path: msrp://a/x;tcp\r\nFrom-Path: msrp://b/y;tcp\r\n{line}\r\n-------f123$\r\n"
        );
        assert_eq!(head_of(octets.as_bytes()).fault, Some(fault), "{line}");
    }
}

#[test]
fn what_is_not_msrp_ends_the_connection_wherever_it_is_cut() {
    let paths = "To-Path: msrp://a/x;tcp\r\nFrom-Path: msrp://b/y;tcp\r\n";
    let long = format!("MSRP f123 SEND\r\n{paths}X: {}", "x".repeat(HEAD_BYTES_MAX));
    let many = format!("MSRP f123 SEND\r\n{paths}{}", "X: y\r\n".repeat(HEAD_BYTES_MAX));
    let wrong = [
        ("GET / HTTP/1.1\r\n\r\n", ReadError::StartLine),
        ("\u{16}\u{3}\u{1}", ReadError::StartLine),
        ("\rMSRP", ReadError::StartLine),
        ("MSRP f123\r\n", ReadError::StartLine),
        ("MSRP f123 \r\n", ReadError::StartLine),
        ("MSRP  SEND\r\n", ReadError::StartLine),
        ("MSRP f/12 SEND\r\n", ReadError::StartLine),
        ("MSRP f123 send\r\n", ReadError::StartLine),
        ("MSRP f123 20 OK\r\n", ReadError::StartLine),
        ("MSRP f123 SEND\n", ReadError::LineEnd),
        ("MSRP f123 SEND\r\nTo-Path: msrp://a/x;tcp\n", ReadError::LineEnd),
        ("MSRP f123 SEND\r\nTo-Path: x\r\n", ReadError::Path),
        ("MSRP f123 SEND\r\nTo-Path: msrp://a/x;tcp\r\n\r\n", ReadError::Path),
        ("MSRP f123 SEND\r\nTo-Path: msrp://a/x;tcp\r\nTo-Path: msrp://a/y;tcp\r\n", ReadError::Path),
        (&long, ReadError::HeadTooLong),
        (&many, ReadError::HeadTooLong),
    ];
    for (text, error) in wrong {
        let octets = [BIND, text.as_bytes(), BIND].concat();
        let whole = read([&octets[..]]);
        assert_eq!((whole.0.len(), whole.1), (2, Some(error)), "{}", &text[..text.len().min(80)]);
        assert_eq!(read(octets.chunks(1)), whole);
        assert_eq!(read(octets.chunks(7)), whole);
    }
}

#[test]
fn octets_pushed_before_the_others_are_read_are_not_lost() {
    let all = [FIRST, SECOND].concat();
    let mut reader = Reader::new();
    for piece in all.chunks(100) {
        reader.push(Bytes::copy_from_slice(piece));
    }
    let mut count = 0;
    while reader.next().unwrap().is_some() {
        count += 1;
    }
    assert_eq!((count, reader.buffered(), reader.is_midway()), (6, 0, false));
}

#[test]
fn data_are_handed_on_and_not_copied() {
    let octets = Bytes::from(stream("abcd1234", &[b'x'; 4096], '$'));
    let mut reader = Reader::new();
    reader.push(octets.clone());
    while let Some(event) = reader.next().unwrap() {
        if let Event::Data(data) = event {
            let range = octets.as_ptr() as usize..octets.as_ptr() as usize + octets.len();
            assert!(range.contains(&(data.as_ptr() as usize)), "a slice of what was pushed");
        }
    }
}

#[test]
fn endless_data_hold_nothing() {
    let mut reader = Reader::new();
    reader.push(Bytes::copy_from_slice(&FIRST[..FIRST.len() - 20]));
    let slice = Bytes::from("\r\n-------pfs0000".repeat(1000));
    for _ in 0..1000 {
        while reader.next().unwrap().is_some() {}
        assert!(reader.buffered() < 80 && reader.held.capacity() <= 2 * HEAD_BYTES_MAX && reader.is_midway());
        reader.push(slice.clone());
    }
}

/// Data made of what an end-line is made of.
fn nasty_data() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(&b"\r\n"[..]),
        Just(&b"\r"[..]),
        Just(&b"-------"[..]),
        Just(&b"---"[..]),
        Just(&b"abcd"[..]),
        Just(&b"\r\n-------abcd"[..]),
        Just(&b"\r\n-------abcdx"[..]),
        Just(&b"abc"[..]),
        Just(&b"$"[..]),
        Just(&b"+\r"[..]),
        Just(&b"hello"[..]),
        Just(&b"\0\xff"[..]),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

/// Cuts into pieces at these places.
pub(in crate::msrp) fn cut(octets: &[u8], mut places: Vec<usize>) -> Vec<&[u8]> {
    for place in &mut places {
        *place %= octets.len() + 1;
    }
    places.extend([0, octets.len()]);
    places.sort_unstable();
    places.windows(2).map(|ends| &octets[ends[0]..ends[1]]).collect()
}

proptest! {
    #[test]
    fn any_split_of_nasty_data_gives_the_same_events(data in nasty_data(), places in prop::collection::vec(any::<usize>(), 0..12)) {
        let octets = stream("abcd", &data, '+');
        let whole = read([&octets[..]]);
        prop_assert_eq!(&read(octets.chunks(1)), &whole);
        prop_assert_eq!(&read(cut(&octets, places)), &whole);
        let ends = [&b"\r\n-------abcd$\r\n"[..], b"\r\n-------abcd+\r\n", b"\r\n-------abcd#\r\n"];
        let framed = [b"\r\n", &data[..], b"\r\n"].concat();
        if !ends.iter().any(|end| framed.windows(end.len()).any(|window| window == *end)) {
            prop_assert_eq!(data_of(&whole).concat(), data);
        }
    }

    #[test]
    fn no_octets_break_the_reader(text in "(MSRP [a-z]{1,4} (SEND|200 OK|X)\r\n)?([-ac:$ \r\n]|To-Path: msrp://a/x;tcp\r\n|From-Path: msrp://a/x;tcp\r\n|\r\n\r\n){0,40}", octets: Vec<u8>, places in prop::collection::vec(any::<usize>(), 0..6)) {
        for octets in [text.as_bytes(), &octets] {
            prop_assert_eq!(read(octets.chunks(1)), read([octets]));
            prop_assert_eq!(read(cut(octets, places.clone())), read([octets]));
        }
    }
}
