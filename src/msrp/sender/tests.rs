use super::*;
use crate::msrp::testing::{CLIENT, PF, events, heads, path, uri};
use crate::msrp::{Event, FailureReport, Fault};

const BIND: &[u8] = include_bytes!("../../../tests/fixtures/wx/wx-12a-bind.msrp");
const BOUND: &[u8] = include_bytes!("../../../tests/fixtures/wx/wx-12b-200.msrp");
const FIRST: &[u8] = include_bytes!("../../../tests/fixtures/wx/wx-12c-chunk.msrp");
const FIRST_ANSWER: &[u8] = include_bytes!("../../../tests/fixtures/wx/wx-12d-200.msrp");
const SECOND: &[u8] = include_bytes!("../../../tests/fixtures/wx/wx-12e-chunk.msrp");
const SECOND_ANSWER: &[u8] = include_bytes!("../../../tests/fixtures/wx/wx-12f-200.msrp");

const START: Timestamp = Timestamp(1000);
const RESPONSE: Duration = Duration::from_secs(30);

fn outgoing(size: usize) -> Outgoing {
    Outgoing {
        message_id: "Lm0b77aa10".into(),
        content_type: "message/cpim".into(),
        content_disposition: None,
        size: size as u64,
        success_report: false,
    }
}

fn sender(chunk_bytes_max: u64, window: usize, message: Outgoing) -> Sender {
    let settings = SenderSettings { chunk_bytes_max, window, response: RESPONSE };
    Sender::new(settings, uri(PF), path(CLIENT), message, TransactionIds::numbered("pfs"))
}

/// One that is bound.
fn ready(chunk_bytes_max: u64, window: usize, message: Outgoing) -> Sender {
    let mut sender = sender(chunk_bytes_max, window, message);
    sender.bound();
    sender
}

/// Octets of a message of this many.
fn content(size: usize) -> Bytes {
    (0..size).map(|at| b"abcdefghijklmnopqrstuvwxyz"[at % 26]).collect::<Vec<u8>>().into()
}

/// All that goes out.
fn transmit(sender: &mut Sender, now: Timestamp) -> Vec<u8> {
    std::iter::from_fn(|| sender.poll_transmit(now)).collect::<Vec<_>>().concat()
}

/// Gives all that is wanted, in slices, until nothing is wanted; what went out.
fn pump(sender: &mut Sender, content: &Bytes, slice: usize, now: Timestamp) -> Vec<u8> {
    let mut out = transmit(sender, now);
    while let Some(want) = sender.wants() {
        let start = usize::try_from(want.position).unwrap();
        sender.give(content.slice(start..start + want.max.min(slice)));
        out.extend(transmit(sender, now));
    }
    out
}

fn answer(transaction: &str, status: u16) -> Head {
    heads(
        format!("MSRP {transaction} {status} X\r\nTo-Path: {PF}\r\nFrom-Path: {CLIENT}\r\n-------{transaction}$\r\n")
            .as_bytes(),
    )
    .remove(0)
}

fn report(message_id: &str, range: &str, status: &str) -> Head {
    let frame = format!(
        "MSRP r001 REPORT\r\nTo-Path: {PF}\r\nFrom-Path: {CLIENT}\r\nMessage-ID: {message_id}\r\nByte-Range: {range}\r\n\
         Status: {status}\r\n-------r001$\r\n"
    );
    heads(frame.as_bytes()).remove(0)
}

fn outcome(sender: &mut Sender) -> Vec<SenderEvent> {
    std::iter::from_fn(|| sender.poll_event()).collect()
}

/// Transaction, range, octets and flag of every frame.
fn frames(octets: &[u8]) -> Vec<(String, String, Vec<u8>, Flag)> {
    let mut frames = Vec::new();
    for event in events(octets) {
        match event {
            Event::Head(head) => {
                frames.push((head.transaction, head.byte_range.unwrap().to_string(), Vec::new(), Flag::Last));
            }
            Event::Data(data) => frames.last_mut().unwrap().2.extend_from_slice(&data),
            Event::End(flag) => frames.last_mut().unwrap().3 = flag,
        }
    }
    frames
}

#[test]
fn wx_12_is_written_octet_for_octet() {
    let data = |frame: &[u8]| match events(frame).swap_remove(1) {
        Event::Data(data) => data,
        other => panic!("{other:?}"),
    };
    let content = Bytes::from([data(FIRST), data(SECOND)].concat());
    let mut sender = sender(466, 1, outgoing(641));
    assert_eq!(sender.wants(), None, "SNDL-OK-3: nothing goes before the peer has bound the session");
    sender.handle_head(&heads(BIND)[0], START);
    assert_eq!(outcome(&mut sender), [SenderEvent::Bound]);
    assert_eq!(transmit(&mut sender, START), BOUND);
    assert_eq!(sender.wants(), Some(Want { position: 0, max: 466 }));
    // Octets that come in slices make the same chunk.
    let first = pump(&mut sender, &content, 100, START);
    assert_eq!(first.escape_ascii().to_string(), FIRST.escape_ascii().to_string());
    assert!(sender.handle_response(&heads(FIRST_ANSWER)[0], START));
    assert_eq!(sender.wants(), Some(Want { position: 466, max: 175 }));
    let second = pump(&mut sender, &content, 1000, START);
    assert_eq!(second.escape_ascii().to_string(), SECOND.escape_ascii().to_string());
    assert!(outcome(&mut sender).is_empty());
    sender.handle_head(&heads(SECOND_ANSWER)[0], START);
    assert_eq!(outcome(&mut sender), [SenderEvent::Transferred]);
    assert_eq!((sender.wants(), sender.poll_timeout(), sender.is_midway()), (None, None, false));
}

#[test]
fn sndl_ok_4a_the_to_path_is_the_whole_answer() {
    let peer = format!("msrp://relay.example.net:2855/r;tcp {CLIENT}");
    let settings = SenderSettings { chunk_bytes_max: 100, window: 1, response: RESPONSE };
    let mut sender = Sender::new(settings, uri(PF), path(&peer), outgoing(3), TransactionIds::new([7; 16]));
    sender.bound();
    let out = pump(&mut sender, &content(3), 100, START);
    let head = heads(&out).remove(0);
    assert_eq!((head.to_path.to_string(), head.from_path.to_string()), (peer, PF.to_owned()));
    assert_eq!(head.transaction.len(), 16);
    assert_eq!((head.success_report, head.failure_report.map(FailureReport::as_str)), (Some(false), Some("yes")));
    assert_eq!(head.fault, None::<Fault>);
}

#[test]
fn long_chunks_leave_their_end_open_and_short_ones_do_not() {
    let (size, content) = (5000, content(5000));
    let mut sender = ready(4096, 9, outgoing(size));
    let out = pump(&mut sender, &content, 1000, START);
    let frames = frames(&out);
    let heads: Vec<_> = frames.iter().map(|(id, range, data, flag)| (&**id, &**range, data.len(), *flag)).collect();
    let expected = [("pfs00001", "1-*/5000", 4096, Flag::More), ("pfs00002", "4097-5000/5000", 904, Flag::Last)];
    assert_eq!(heads, expected);
    assert_eq!(frames.into_iter().flat_map(|frame| frame.2).collect::<Vec<_>>(), content);
}

#[test]
fn a_message_of_one_octet_and_an_empty_one_go() {
    let mut sender = ready(65536, 4, outgoing(1));
    let out = pump(&mut sender, &content(1), 9, START);
    assert_eq!(frames(&out), [("pfs00001".into(), "1-1/1".into(), b"a".to_vec(), Flag::Last)]);
    sender.handle_response(&answer("pfs00001", 200), START);
    assert_eq!(outcome(&mut sender), [SenderEvent::Transferred]);

    let mut sender = ready(65536, 4, outgoing(0));
    assert_eq!(sender.wants(), None);
    let out = transmit(&mut sender, START);
    assert_eq!(frames(&out), [("pfs00001".into(), "1-0/0".into(), Vec::new(), Flag::Last)]);
    assert!(outcome(&mut sender).is_empty());
    sender.handle_response(&answer("pfs00001", 200), START);
    assert_eq!(outcome(&mut sender), [SenderEvent::Transferred]);
}

#[test]
fn no_more_chunks_go_than_the_window_has_place_for() {
    let content = content(100);
    let mut sender = ready(10, 3, outgoing(100));
    assert_eq!(frames(&pump(&mut sender, &content, 10, START)).len(), 3);
    assert!(!sender.handle_response(&answer("other", 200), START));
    assert_eq!(sender.wants(), None);
    assert!(sender.handle_response(&answer("pfs00002", 200), START), "answers may come in any order");
    assert!(!sender.handle_response(&answer("pfs00002", 200), START));
    assert_eq!(frames(&pump(&mut sender, &content, 10, START))[0].1, "31-40/100");
}

#[test]
fn nothing_is_wanted_while_octets_wait_for_the_connection() {
    let content = content(10_000);
    let mut sender = ready(10_000, 3, outgoing(10_000));
    sender.give(content.slice(..4000));
    assert_eq!(sender.wants(), None);
    sender.give(content.slice(4000..));
    transmit(&mut sender, START);
    assert_eq!(sender.wants(), Some(Want { position: 4000, max: 6000 }), "what was not wanted was not taken");
    sender.give(Bytes::new());
    assert_eq!(transmit(&mut sender, START), b"");
}

#[test]
fn an_interrupted_chunk_ends_with_a_plus_and_another_goes_on() {
    let content = content(5000);
    let mut sender = ready(5000, 9, outgoing(5000));
    assert!(!sender.interrupt(), "nothing to end");
    sender.give(content.slice(..3000));
    assert!(sender.is_midway() && sender.interrupt() && !sender.interrupt());
    let mut out = transmit(&mut sender, START);
    assert!(!sender.is_midway());
    out.extend(pump(&mut sender, &content, 700, START));
    let frames = frames(&out);
    assert_eq!(
        frames.iter().map(|frame| (&*frame.1, frame.3)).collect::<Vec<_>>(),
        [("1-*/5000", Flag::More), ("3001-5000/5000", Flag::Last)]
    );
    assert_eq!(frames.into_iter().flat_map(|frame| frame.2).collect::<Vec<_>>(), content);
}

#[test]
fn a_bind_within_a_chunk_is_answered_after_its_end() {
    let content = content(5000);
    let mut sender = ready(5000, 9, outgoing(5000));
    sender.give(content.slice(..3000));
    sender.handle_head(&heads(BIND)[0], START);
    let out = transmit(&mut sender, START);
    assert!(out.ends_with(&[b"-------pfs00001+\r\n", BOUND].concat()));
}

#[test]
fn the_end_line_is_never_among_the_data() {
    // The content guesses the ids: whole, in two slices, one after the other.
    let nasty = [
        "x\r\n-------pfs00001$\r\ny".to_owned(),
        "-------pfs00001-------pfs00002-------pfs00003+".to_owned(),
        "----------------pfs00001\r\n-------pfs00002$\r\n-------pfs00003#\r\n".to_owned(),
    ];
    for text in nasty {
        for chunk in [20, 3000, 100_000] {
            for slice in [1, 2, 3, 7, 11, 16, 100_000] {
                let content = Bytes::from(text.repeat(80));
                let mut sender = ready(chunk, 100_000, outgoing(content.len()));
                let out = pump(&mut sender, &content, slice, START);
                let frames = frames(&out);
                for (id, _, data, _) in &frames {
                    let mark = format!("-------{id}");
                    assert!(!data.windows(mark.len()).any(|window| window == mark.as_bytes()), "{id}");
                }
                let flags: Vec<_> = frames.iter().map(|frame| frame.3).collect();
                assert_eq!(flags.iter().position(|flag| *flag == Flag::Last), Some(flags.len() - 1));
                assert_eq!(frames.into_iter().flat_map(|frame| frame.2).collect::<Vec<_>>(), content);
            }
        }
    }
}

#[test]
fn i_39_a_refused_chunk_ends_the_transfer() {
    for status in [400, 403, 408, 413, 415, 423, 481, 501, 506] {
        let mut sender = ready(10, 3, outgoing(100));
        pump(&mut sender, &content(100), 10, START);
        sender.handle_response(&answer("pfs00002", status), START);
        assert_eq!(outcome(&mut sender), [SenderEvent::Failed(SendFailure::Status(status))]);
        sender.handle_response(&answer("pfs00001", 481), START);
        assert!(outcome(&mut sender).is_empty(), "it fails once");
        assert_eq!((sender.wants(), sender.poll_timeout()), (None, None));
    }
}

#[test]
fn a_413_within_a_chunk_ends_it_with_a_hash() {
    let content = content(5000);
    let mut sender = ready(5000, 9, outgoing(5000));
    sender.give(content.slice(..3000));
    let mut out = transmit(&mut sender, START);
    sender.handle_response(&answer("pfs00001", 413), START);
    out.extend(transmit(&mut sender, START));
    assert_eq!(frames(&out)[0].3, Flag::Aborted);
    assert_eq!(outcome(&mut sender), [SenderEvent::Failed(SendFailure::Status(413))]);
}

#[test]
fn what_we_give_up_is_told_to_the_peer() {
    let content = content(9000);
    // Within a chunk.
    let mut sender = ready(5000, 9, outgoing(9000));
    sender.give(content.slice(..3000));
    sender.abort();
    sender.abort();
    assert_eq!(frames(&transmit(&mut sender, START))[0].3, Flag::Aborted);
    assert_eq!(outcome(&mut sender), [SenderEvent::Failed(SendFailure::Aborted)]);
    // Between two.
    let mut sender = ready(5000, 1, outgoing(9000));
    pump(&mut sender, &content, 9000, START);
    sender.abort();
    let expected = [("pfs00002".into(), "5001-*/9000".into(), Vec::new(), Flag::Aborted)];
    assert_eq!(frames(&transmit(&mut sender, START)), expected);
    // Before anything went: there is nothing to tell.
    for mut sender in [sender_unbound(), ready(1000, 1, outgoing(9000))] {
        sender.give(content.slice(..100));
        sender.abort();
        assert_eq!(transmit(&mut sender, START), b"");
        assert_eq!(outcome(&mut sender), [SenderEvent::Failed(SendFailure::Aborted)]);
    }
    // After the end it is what it is.
    let mut sender = ready(5000, 9, outgoing(0));
    transmit(&mut sender, START);
    sender.handle_response(&answer("pfs00001", 200), START);
    sender.abort();
    assert_eq!(outcome(&mut sender), [SenderEvent::Transferred]);
}

fn sender_unbound() -> Sender {
    sender(1000, 1, outgoing(9000))
}

#[test]
fn a_response_that_does_not_come_is_a_failure() {
    let content = content(20);
    let mut sender = ready(10, 2, outgoing(20));
    sender.give(content.slice(..10));
    assert_eq!(sender.poll_timeout(), None, "the clock starts when the end goes out");
    transmit(&mut sender, START);
    sender.give(content.slice(10..));
    transmit(&mut sender, Timestamp(5000));
    assert_eq!(sender.poll_timeout(), Some(START.after(RESPONSE)));
    sender.handle_response(&answer("pfs00001", 200), Timestamp(6000));
    // Each response gives those behind it as much time again.
    let due = Timestamp(6000).after(RESPONSE);
    assert_eq!(sender.poll_timeout(), Some(due));
    sender.handle_timeout(Timestamp(due.millis() - 1));
    assert!(outcome(&mut sender).is_empty());
    sender.handle_timeout(due);
    assert_eq!(outcome(&mut sender), [SenderEvent::Failed(SendFailure::Timeout)]);
    assert_eq!(sender.poll_timeout(), None);
}

#[test]
fn a_report_that_was_asked_for_is_waited_for() {
    let asked = || Outgoing { success_report: true, ..outgoing(20) };
    let sent = || {
        let mut sender = ready(10, 2, asked());
        let out = pump(&mut sender, &content(20), 10, START);
        assert_eq!(heads(&out)[0].success_report, Some(true));
        sender.handle_response(&answer("pfs00001", 200), START);
        sender
    };
    let mut sender = sent();
    sender.handle_head(&report("Lm0b77aa10", "1-10/20", "000 200 OK"), START);
    sender.handle_response(&answer("pfs00002", 200), START);
    assert!(outcome(&mut sender).is_empty());
    sender.handle_head(&report("another", "1-20/20", "000 200 OK"), START);
    sender.handle_head(&report("Lm0b77aa10", "1-20/20", "001 200 OK"), START);
    assert!(outcome(&mut sender).is_empty());
    sender.handle_head(&report("Lm0b77aa10", "11-*/*", "000 200 OK"), START);
    assert_eq!(outcome(&mut sender), [SenderEvent::Transferred]);

    let mut sender = sent();
    sender.handle_head(&report("Lm0b77aa10", "1-20/20", "000 408 Late"), START);
    assert_eq!(outcome(&mut sender), [SenderEvent::Failed(SendFailure::Status(408))]);

    let mut sender = sent();
    sender.handle_response(&answer("pfs00002", 200), Timestamp(2000));
    assert_eq!(sender.poll_timeout(), Some(Timestamp(2000).after(RESPONSE)));
    sender.handle_timeout(Timestamp(2000).after(RESPONSE));
    assert_eq!(outcome(&mut sender), [SenderEvent::Failed(SendFailure::Timeout)]);
}

#[test]
fn a_peer_that_may_not_send_is_told_so() {
    let mut sender = sender_unbound();
    let status = |sender: &mut Sender, frame: &str| {
        sender.handle_head(&heads(frame.as_bytes())[0], START);
        heads(&transmit(sender, START)).into_iter().map(|head| head.kind).next()
    };
    let bind = String::from_utf8(BIND.to_vec()).unwrap();
    let said = |code: u16, comment: &str| Some(Kind::Response { status: code, comment: comment.into() });
    assert_eq!(status(&mut sender, &bind.replace("SEND", "AUTH")), said(501, "Not Implemented"));
    assert_eq!(status(&mut sender, &bind.replace("q7Zk", "abcd")), said(481, "Session Does Not Exist"));
    assert_eq!(status(&mut sender, &bind.replace("1-0/0", "0-0/0")), said(400, "Bad Request"));
    assert!(outcome(&mut sender).is_empty(), "none of these binds");
    let message =
        bind.replace("1-0/0", "1-3/3").replace("\r\n-------", "\r\nContent-Type: text/plain\r\n\r\nabc\r\n-------");
    assert_eq!(status(&mut sender, &message), said(403, "Forbidden"));
    assert_eq!(outcome(&mut sender), [SenderEvent::Bound], "it came to the right place all the same");
    for _ in 0..100 {
        sender.handle_head(&heads(BIND)[0], START);
    }
    assert_eq!(heads(&transmit(&mut sender, START)).len(), OUT_MAX);
}

#[test]
fn header_values_of_the_message_cannot_end_a_line() {
    let message = Outgoing {
        content_type: "message/cpim\r\nX: y".into(),
        content_disposition: Some("attachment;\r\n\r\n-------pfs00001$\r\n".into()),
        ..outgoing(3)
    };
    let mut sender = ready(10, 1, message);
    let head = heads(&pump(&mut sender, &content(3), 10, START)).remove(0);
    assert_eq!(head.content_type.as_deref(), Some("message/cpimX: y"));
    assert_eq!(head.content_disposition.as_deref(), Some("attachment;-------pfs00001$"));
}

#[test]
fn ten_mebibytes_go_without_being_held() {
    let size = 10 << 20;
    let content = Bytes::from(vec![b'-'; size]);
    let mut sender = ready(1 << 20, 4, outgoing(size));
    let mut gone = 0;
    while let Some(want) = sender.wants() {
        let start = usize::try_from(want.position).unwrap();
        sender.give(content.slice(start..start + want.max.min(65536)));
        let held = sender.out.iter().map(|piece| piece.octets.len()).sum::<usize>() + sender.gathered.capacity();
        assert!(held < 65536 + 1024, "one slice, a head and an end: {held}");
        gone += transmit(&mut sender, START).len();
        for at in 0..sender.unanswered.len() {
            let chunk = &sender.unanswered[at];
            if chunk.due.is_some() {
                let answer = answer(&chunk.transaction.clone(), 200);
                sender.handle_response(&answer, START);
                break;
            }
        }
    }
    assert!(gone > size && outcome(&mut sender) == [SenderEvent::Transferred]);
}
