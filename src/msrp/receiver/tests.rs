use super::*;
use crate::msrp::testing::{CLIENT, PF, Sink, heads, path, send, uri};
use crate::msrp::{Event, Reader};

const BIND: &[u8] = include_bytes!("../../../tests/fixtures/wx/wx-12a-bind.msrp");
const BOUND: &[u8] = include_bytes!("../../../tests/fixtures/wx/wx-12b-200.msrp");
const NONE: [&str; 0] = [];

/// The client of WX-12 as a receiver of ours.
fn client() -> Sink {
    let mut sink = Sink::new();
    let settings = sink.receiver.settings.clone();
    sink.receiver = Receiver::new(settings, uri(CLIENT), path(PF), TransactionIds::numbered("bob"));
    sink
}

#[test]
fn wx_12_is_answered_octet_for_octet() {
    let first = include_bytes!("../../../tests/fixtures/wx/wx-12c-chunk.msrp");
    let second = include_bytes!("../../../tests/fixtures/wx/wx-12e-chunk.msrp");
    let mut sink = client();
    let octets = |sink: &mut Sink, frame: &[u8]| {
        sink.feed(frame);
        std::mem::take(&mut sink.sent)
    };
    assert_eq!(octets(&mut sink, first), include_bytes!("../../../tests/fixtures/wx/wx-12d-200.msrp"));
    assert_eq!(octets(&mut sink, second), include_bytes!("../../../tests/fixtures/wx/wx-12f-200.msrp"));
    assert_eq!((sink.content.len(), sink.finished.len(), sink.bound), (641, 1, 1));
    assert!(sink.content.starts_with(b"From: <sip:+12025550100") && sink.content.ends_with(b"Alice\r\n"));
}

#[test]
fn wx_12_an_empty_send_binds_and_no_more() {
    let mut sink = Sink::new();
    sink.feed(BIND);
    assert_eq!((sink.sent.as_slice(), sink.bound), (BOUND, 1));
    assert!(sink.finished.is_empty() && sink.failed.is_empty() && sink.content.is_empty());
    // An empty body with a media type that we do not take binds as well, and so does one of a size not told.
    let odd = String::from_utf8(send("bind2", &["Byte-Range: 1-*/*"], b"", '$')).unwrap();
    sink.sent.clear();
    assert_eq!(sink.take(odd.replace("message/cpim", "text/plain").as_bytes()), ["bind2 200"]);
    assert_eq!(sink.bound, 1, "it is bound once");
    let mut other = send("s001", &["Byte-Range: 1-3/3"], b"abc", '$');
    assert_eq!(sink.take(&other), ["s001 200"]);
    assert_eq!(sink.finished.len(), 1);
    // Also within and after the message.
    other = BIND.to_vec();
    assert_eq!(sink.take(&other), ["b1nd0001 200"]);
}

#[test]
fn we_bind_the_connection_that_we_opened() {
    let mut sink = Sink::new();
    sink.receiver.bind();
    sink.drain();
    let expected = "MSRP pfr00001 SEND\r\nTo-Path: msrp://198.51.100.7:9/b0bA77x2;tcp\r\n\
        From-Path: msrp://192.0.2.10:2855/q7Zk2mPf;tcp\r\nMessage-ID: pfr00002\r\nByte-Range: 1-0/0\r\n-------pfr00001$\r\n";
    assert_eq!(String::from_utf8(std::mem::take(&mut sink.sent)).unwrap(), expected);
    let answer = |status: &str| {
        format!("MSRP pfr00001 {status}\r\nTo-Path: {PF}\r\nFrom-Path: {CLIENT}\r\n-------pfr00001$\r\n").into_bytes()
    };
    assert_eq!(sink.take(&answer("200 OK")), NONE);
    assert_eq!(sink.take(&answer("481 Gone")), NONE, "answered once");
    assert!(sink.failed.is_empty());
    let mut sink = Sink::new();
    sink.receiver.bind();
    sink.drain();
    sink.sent.clear();
    sink.take(&answer("481 Gone"));
    assert_eq!(sink.failed, [ReceiveFailure::Bind(481)]);
}

#[test]
fn def_2c_vi_chunks_are_put_together_in_any_order() {
    let mut sink = Sink::new();
    assert_eq!(sink.take(&send("c003", &["Byte-Range: 7-9/9"], b"ghi", '$')), ["c003 200"]);
    assert_eq!(sink.take(&send("c001", &["Byte-Range: 1-3/9"], b"xbc", '+')), ["c001 200"]);
    assert_eq!(
        sink.take(&send("c00b", &["Byte-Range: 1-*/*"], b"a", '+')),
        ["c00b 200"],
        "what comes again overwrites"
    );
    assert!(sink.finished.is_empty());
    assert_eq!(sink.take(&send("c002", &["Byte-Range: 3-*/9"], b"cdefg", '+')), ["c002 200"]);
    assert_eq!(sink.content, b"abcdefghi");
    assert_eq!(sink.finished.len(), 1);
}

#[test]
fn def_2c_what_the_queue_keeps_of_it_is_told() {
    let mut sink = Sink::new();
    let headers = [
        "Success-Report: yes",
        "Failure-Report: Partial",
        "Byte-Range: 1-3/*",
        "Content-Disposition: attachment; filename=x",
    ];
    assert_eq!(sink.take(&send("c001", &headers, b"abc", '$')), ["REPORT 1-3/3 200"], "partial: no 200");
    let finished = &sink.finished[0];
    assert_eq!((finished.size, finished.message_id.as_str()), (3, "m1"));
    assert_eq!(
        (finished.success_report.as_deref(), finished.failure_report.as_deref()),
        (Some("yes"), Some("partial"))
    );
    assert_eq!(finished.content_type, "message/cpim");
    assert_eq!(finished.content_disposition.as_deref(), Some("attachment; filename=x"));

    let mut sink = Sink::new();
    sink.take(&send("c001", &[], b"abc", '$'));
    assert_eq!((&sink.finished[0].success_report, &sink.finished[0].failure_report), (&None, &None), "only if present");
}

#[test]
fn a_missing_byte_range_is_the_whole_message() {
    let mut sink = Sink::new();
    assert_eq!(sink.take(&send("c001", &[], b"abc", '$')), ["c001 200"]);
    assert_eq!((sink.finished[0].size, sink.content.as_slice()), (3, &b"abc"[..]));
}

#[test]
fn the_last_answer_waits_until_the_message_is_kept() {
    let mut sink = Sink::new();
    sink.kept = None;
    let headers = ["Success-Report: yes", "Byte-Range: 1-3/3"];
    assert_eq!(sink.take(&send("c001", &headers, b"abc", '$')), NONE);
    assert_eq!(sink.take(&send("c002", &headers, b"abc", '$')), NONE, "what comes again waits, too");
    sink.receiver.completed(Ok(()));
    sink.drain();
    assert_eq!(sink.answers(), ["c001 200", "c002 200", "REPORT 1-3/3 200"]);
    sink.receiver.completed(Err(413));
    sink.drain();
    assert_eq!(sink.answers(), NONE, "it is decided once");
    assert_eq!(sink.take(&send("c003", &headers, b"xyz", '$')), ["c003 200"], "and answered the same from then on");
    assert_eq!((sink.content.as_slice(), sink.finished.len()), (&b"abc"[..], 1), "but not written");
}

#[test]
fn a_peer_that_sends_again_and_again_makes_no_heap() {
    let mut sink = Sink::new();
    sink.kept = None;
    for _ in 0..100 {
        sink.take(&send("c001", &[], b"abc", '$'));
    }
    assert_eq!(sink.receiver.waiting.len(), WAITING_MAX);
    sink.receiver.completed(Err(403));
    sink.drain();
    assert_eq!(sink.answers(), ["c001 403"; WAITING_MAX]);
    assert_eq!(sink.failed, [ReceiveFailure::Refused(403)]);
}

#[test]
fn a_message_that_cannot_be_kept_is_refused() {
    for status in [403, 408, 413] {
        let mut sink = Sink::new();
        sink.kept = Some(Err(status));
        let answer = [format!("c001 {status}")];
        assert_eq!(sink.take(&send("c001", &["Success-Report: yes"], b"abc", '$')), answer);
        assert_eq!(sink.failed, [ReceiveFailure::Refused(status)]);
        assert_eq!(sink.take(&send("c001", &[], b"abc", '$')), answer, "and so is what comes after");
        assert_eq!(sink.failed.len(), 1);
    }
}

#[test]
fn octets_that_cannot_be_written_stop_the_peer_at_once() {
    let mut sink = Sink::new();
    sink.take(&send("c001", &["Byte-Range: 1-3/9"], b"abc", '+'));
    let frame = send("c002", &["Byte-Range: 4-6/9"], b"def", '+');
    let mut events = crate::msrp::testing::events(&frame).into_iter();
    sink.event(events.next().unwrap());
    sink.event(events.next().unwrap());
    sink.receiver.refuse(413);
    sink.drain();
    assert_eq!(sink.answers(), ["c002 413"]);
    sink.event(events.next().unwrap());
    assert_eq!(sink.answers(), NONE);
    assert_eq!(sink.failed, [ReceiveFailure::Refused(413)]);
    assert_eq!(sink.take(&send("c003", &["Byte-Range: 7-9/9"], b"ghi", '$')), ["c003 413"]);
    assert_eq!(sink.content, b"abcdef");
}

#[test]
fn what_is_too_long_is_answered_413_before_it_has_come() {
    let mut sink = Sink::with(10, 4);
    let begun = |range: &str| {
        let frame = send("c001", &[range], b"abcdefghijklmn", '+');
        frame[..frame.len() - 18].to_vec()
    };
    for range in ["Byte-Range: 1-*/11", "Byte-Range: 12-*/*", "Byte-Range: 1-*/9999999999999999999"] {
        let mut sink = Sink::with(10, 4);
        let mut reader = Reader::new();
        reader.push(begun(range).into());
        while let Some(event) = reader.next().unwrap() {
            sink.event(event);
        }
        assert_eq!(sink.answers(), ["c001 413"], "{range}");
        assert_eq!(sink.failed, [ReceiveFailure::TooLarge]);
        assert!(sink.content.is_empty());
    }
    // A size that is not told shows when it is passed; what still comes is swallowed, aborted or not.
    assert_eq!(sink.take(&send("c001", &["Byte-Range: 1-*/*"], b"abcdef", '+')), ["c001 200"]);
    let frame = send("c002", &["Byte-Range: 7-*/*"], b"ghijklmn", '#');
    assert_eq!(sink.take(&frame), ["c002 413"]);
    assert_eq!(sink.failed, [ReceiveFailure::TooLarge]);
    assert_eq!(sink.take(&send("c003", &["Byte-Range: 7-*/*"], b"g", '$')), ["c003 413"]);
}

#[test]
fn the_longest_message_is_taken() {
    let mut sink = Sink::with(10, 4);
    assert_eq!(sink.take(&send("c001", &["Byte-Range: 1-10/10"], b"abcdefghij", '$')), ["c001 200"]);
    assert_eq!(sink.finished[0].size, 10);
}

#[test]
fn too_many_pieces_with_gaps_are_refused() {
    let mut sink = Sink::new();
    for (start, answer) in [(1, "200"), (3, "200"), (5, "200"), (7, "200"), (9, "413")] {
        let range = format!("Byte-Range: {start}-{start}/100");
        assert_eq!(sink.take(&send("c001", &[&range], b"x", '+')), [format!("c001 {answer}")]);
    }
    assert_eq!(sink.failed, [ReceiveFailure::TooManyRanges]);
}

#[test]
fn octets_that_come_again_without_end_are_refused() {
    let mut sink = Sink::with(10, 4);
    let mut answers = Vec::new();
    for _ in 0..4 {
        answers.extend(sink.take(&send("c001", &["Byte-Range: 1-*/10"], b"abcdefg", '+')));
    }
    assert_eq!(answers, ["c001 200", "c001 200", "c001 413", "c001 413"]);
}

#[test]
fn an_aborted_message_is_dropped() {
    let mut sink = Sink::new();
    sink.take(&send("c001", &["Byte-Range: 1-*/9"], b"abc", '+'));
    assert_eq!(sink.take(&send("c002", &["Byte-Range: 4-*/9"], b"def", '#')), ["c002 200"]);
    assert_eq!(sink.failed, [ReceiveFailure::Aborted]);
    assert_eq!(sink.take(&send("c003", &["Byte-Range: 7-9/9"], b"ghi", '$')), ["c003 413"]);
    assert!(sink.finished.is_empty());
    // Between chunks the flag comes alone.
    let mut sink = Sink::new();
    sink.take(&send("c001", &["Byte-Range: 1-*/9"], b"abc", '+'));
    assert_eq!(sink.take(&send("c002", &["Byte-Range: 4-*/9"], b"", '#')), ["c002 200"]);
    assert_eq!(sink.failed, [ReceiveFailure::Aborted]);
}

#[test]
fn an_empty_last_chunk_ends_a_message_of_unknown_size() {
    let mut sink = Sink::new();
    assert_eq!(sink.take(&send("c001", &["Byte-Range: 1-*/*"], b"abc", '+')), ["c001 200"]);
    assert_eq!(sink.take(&send("c002", &["Byte-Range: 4-*/*"], b"", '$')), ["c002 200"]);
    assert_eq!(sink.finished[0].size, 3);
}

#[test]
fn chunks_that_contradict_each_other_are_answered_400() {
    let both: [(&[&str], &[&str]); 7] = [
        // Another size.
        (&["Byte-Range: 1-3/9"], &["Byte-Range: 4-6/8"]),
        // A size that is less than what is there.
        (&["Byte-Range: 4-6/*"], &["Byte-Range: 1-3/5"]),
        // More octets than the range.
        (&["Byte-Range: 1-3/9"], &["Byte-Range: 4-5/9"]),
        // More octets than the message.
        (&["Byte-Range: 1-3/5"], &["Byte-Range: 4-*/5"]),
        // A range that ends behind the message.
        (&["Byte-Range: 1-3/5"], &["Byte-Range: 4-6/*"]),
        // The last octet before others.
        (&["Byte-Range: 7-9/*"], &["Byte-Range: 4-6/*"]),
        // Fewer octets than the range, and not interrupted.
        (&["Byte-Range: 1-3/9"], &["Byte-Range: 4-8/9"]),
    ];
    for (first, second) in both {
        let mut sink = Sink::new();
        assert_eq!(sink.take(&send("c001", first, b"abc", '+')), ["c001 200"]);
        assert_eq!(sink.take(&send("c002", second, b"def", '$')), ["c002 400"], "{second:?}");
        assert_eq!(sink.failed, [ReceiveFailure::Refused(400)]);
        assert_eq!(sink.take(&send("c003", first, b"abc", '+')), ["c003 400"]);
    }
}

#[test]
fn an_interrupted_chunk_may_be_shorter_than_it_said() {
    let mut sink = Sink::new();
    assert_eq!(sink.take(&send("c001", &["Byte-Range: 1-6/6"], b"abc", '+')), ["c001 200"]);
    assert_eq!(sink.take(&send("c002", &["Byte-Range: 4-6/6"], b"def", '$')), ["c002 200"]);
    assert_eq!(sink.content, b"abcdef");
}

#[test]
fn what_cannot_be_taken_is_refused_with_its_status() {
    let frame = |replace: &str, with: &str| {
        let frame = String::from_utf8(send("c001", &["Byte-Range: 1-3/3"], b"abc", '$')).unwrap();
        assert!(frame.contains(replace));
        frame.replace(replace, with).into_bytes()
    };
    let cases = [
        ("message/cpim", "text/plain", "415", Some(ReceiveFailure::Refused(415))),
        ("message/cpim", "message/cpimx; charset=utf-8", "415", Some(ReceiveFailure::Refused(415))),
        ("Content-Type: message/cpim", "X: y", "400", None),
        ("Message-ID: m1", "X: y", "400", None),
        ("1-3/3", "0-3/3", "400", None),
        ("q7Zk2mPf", "another0", "481", None),
        ("SEND", "NICKNAME", "501", None),
    ];
    for (replace, with, status, failure) in cases {
        let mut sink = Sink::new();
        assert_eq!(sink.take(&frame(replace, with)), [format!("c001 {status}")], "{with}");
        assert_eq!(sink.failed, Vec::from_iter(failure));
        assert!(sink.content.is_empty());
        if failure.is_none() {
            assert_eq!(sink.take(&frame("abc", "xyz")), ["c001 200"], "the message itself can still come");
        }
    }
    let mut sink = Sink::new();
    assert_eq!(sink.take(&frame("message/cpim", "Message/CPIM ;charset=utf-8")), ["c001 200"]);
}

#[test]
fn one_message_comes_in_a_session() {
    let mut sink = Sink::new();
    sink.take(&send("c001", &["Byte-Range: 1-3/6"], b"abc", '+'));
    let other = String::from_utf8(send("o001", &[], b"xyz", '$')).unwrap().replace("m1", "m2");
    assert_eq!(sink.take(other.as_bytes()), ["o001 403"]);
    assert_eq!(sink.take(&send("c002", &["Byte-Range: 4-6/6"], b"def", '$')), ["c002 200"]);
    assert_eq!(sink.take(other.as_bytes()), ["o001 403"]);
    assert_eq!(sink.content, b"abcdef");
}

#[test]
fn no_answers_are_given_where_none_are_wanted() {
    let mut sink = Sink::new();
    assert_eq!(sink.take(&send("c001", &["Failure-Report: no", "Byte-Range: 1-3/6"], b"abc", '+')), NONE);
    assert_eq!(sink.take(&send("c002", &["Failure-Report: partial", "Byte-Range: 4-5/6"], b"de", '+')), NONE);
    assert_eq!(sink.take(&send("c003", &["Failure-Report: partial", "Byte-Range: 1-3/7"], b"abc", '+')), ["c003 400"]);
    assert_eq!(sink.take(&send("c004", &["Failure-Report: no", "Byte-Range: 6-6/6"], b"f", '$')), NONE);
    let report = format!(
        "MSRP r001 REPORT\r\nTo-Path: {PF}\r\nFrom-Path: {CLIENT}\r\nMessage-ID: m1\r\nByte-Range: 1-3/6\r\n\
         Status: 000 413 Stop\r\n-------r001$\r\n"
    );
    assert_eq!(sink.take(report.as_bytes()), NONE, "reports are not answered");
}

#[test]
fn an_answer_goes_to_the_next_hop_and_a_report_the_whole_way() {
    let mut sink = Sink::new();
    let relayed = String::from_utf8(send("c001", &["Success-Report: yes"], b"abc", '$')).unwrap();
    let relayed = relayed.replace(CLIENT, &format!("msrp://relay.example.net:2855/r;tcp {CLIENT}"));
    sink.feed(relayed.as_bytes());
    let heads = heads(&sink.sent);
    assert_eq!(heads[0].to_path.to_string(), "msrp://relay.example.net:2855/r;tcp");
    assert_eq!(heads[1].to_path.to_string(), format!("msrp://relay.example.net:2855/r;tcp {CLIENT}"));
    assert_eq!(heads[1].from_path.to_string(), PF);
}

#[test]
fn events_and_content_are_not_shown() {
    let shown = format!("{:?}", ReceiverEvent::Write { position: 1, octets: Bytes::from_static(b"secret") });
    assert_eq!(shown, "Write(1, 6)");
    assert_eq!(format!("{:?}", Event::Data(Bytes::from_static(b"secret"))), "Data(6)");
}
