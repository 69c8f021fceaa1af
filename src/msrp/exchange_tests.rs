//! Receiver and sender as a whole: whatever way the octets take, the message is the same.

use super::print::{SendHead, end_line, send_head};
use super::reader::tests::cut;
use super::testing::{CLIENT, PF, Sink, path, uri};
use super::*;
use crate::types::Timestamp;
use bytes::Bytes;
use proptest::prelude::*;
use std::time::Duration;

const NOW: Timestamp = Timestamp(0);

/// A chunk of a message: from, to, whether it tells its end and the size of the message.
type Part = (usize, usize, bool, bool);

/// Frames of these chunks, each with an id of its own.
fn frames(message: &[u8], parts: &[Part]) -> Vec<u8> {
    let (to, from) = (path(PF), uri(CLIENT));
    let mut ids = TransactionIds::new([3; 16]);
    let mut frames = Vec::new();
    for (start, end, ended, told) in parts {
        let transaction = ids.next();
        let head = send_head(&SendHead {
            transaction: &transaction,
            to: &to,
            from: &from,
            message_id: "m1",
            success_report: Some(true),
            range: ByteRange {
                start: *start as u64 + 1,
                end: ended.then_some(*end as u64),
                total: told.then_some(message.len() as u64),
            },
            content_disposition: None,
            content_type: Some("message/cpim"),
        });
        let flag = if *end == message.len() { Flag::Last } else { Flag::More };
        let end_line = end_line(&transaction, flag);
        frames.extend([head.as_bytes(), &message[*start..*end], b"\r\n", end_line.as_bytes()].concat());
    }
    frames
}

/// Octets come in these pieces.
fn feed(sink: &mut Sink, pieces: &[&[u8]]) {
    let mut reader = Reader::new();
    for piece in pieces {
        reader.push(Bytes::copy_from_slice(piece));
        while let Some(event) = reader.next().unwrap() {
            sink.event(event);
        }
    }
}

/// A message, and chunks in any order that hold all of it, some of it more than once.
fn chunked() -> impl Strategy<Value = (Vec<u8>, Vec<Part>)> {
    let places = prop::collection::vec((any::<usize>(), any::<usize>(), any::<bool>(), any::<bool>()), 0..12);
    let message = prop::collection::vec(any::<u8>(), 1..300);
    (message, places, any::<bool>()).prop_flat_map(|(message, places, told)| {
        let len = message.len();
        let mut ends: Vec<usize> = places.iter().map(|place| place.0 % len).chain([0, len]).collect();
        ends.sort_unstable();
        let ended = |at: usize| places.get(at).is_some_and(|place| place.2);
        let cover = ends.windows(2).enumerate().map(|(at, two)| (two[0], two[1], ended(at), told));
        let again = places.iter().map(|(start, size, ended, knows)| {
            let start = start % len;
            (start, (start + size % 20).min(len), *ended, told && *knows)
        });
        let parts: Vec<Part> = cover.chain(again).collect();
        (Just(message), Just(parts).prop_shuffle())
    })
}

proptest! {
    #[test]
    fn def_2c_vi_any_chunks_in_any_order_make_the_same_message(
        (message, parts) in chunked(),
        places in prop::collection::vec(any::<usize>(), 0..20),
    ) {
        let mut sink = Sink::with(300 * 20, 64);
        let octets = frames(&message, &parts);
        feed(&mut sink, &cut(&octets, places));
        prop_assert_eq!(&sink.failed, &[]);
        prop_assert_eq!(&sink.content, &message);
        prop_assert_eq!(sink.finished.len(), 1);
        prop_assert_eq!(sink.finished[0].size, message.len() as u64);
        let answers = sink.answers();
        prop_assert_eq!(answers.len(), parts.len() + 1, "every chunk is answered once, and there is one report");
        prop_assert_eq!(answers.iter().filter(|answer| answer.ends_with(" 200")).count(), answers.len());
    }

    #[test]
    fn what_a_sender_sends_a_receiver_has(
        text in "(\r\n-------0000|-------|[$]\r\n|[a-z]{0,90}|\x00){1,60}",
        chunk_bytes_max in prop_oneof![1..40u64, 2000..5000u64],
        window in 1..5usize,
        slice in 1..3000usize,
        interrupts in prop::collection::vec(any::<bool>(), 1..8),
        places in prop::collection::vec(any::<usize>(), 0..8),
        success_report: bool,
    ) {
        let message = Bytes::from(text.repeat(3));
        let outgoing = Outgoing {
            message_id: "m1".into(),
            content_type: "message/cpim".into(),
            content_disposition: Some("attachment".into()),
            size: message.len() as u64,
            success_report,
        };
        let settings = SenderSettings { chunk_bytes_max, window, response: Duration::from_secs(30) };
        let mut sender = Sender::new(settings, uri(CLIENT), path(PF), outgoing, TransactionIds::new([0; 16]));
        sender.bound();
        let (mut sink, mut there, mut back) = (Sink::with(100_000, 2), Reader::new(), Reader::new());
        let mut outcome = None;
        for turn in 0..10 * message.len() + 10 {
            if let Some(want) = sender.wants() {
                let start = usize::try_from(want.position).unwrap();
                sender.give(message.slice(start..start + want.max.min(slice)));
            }
            if interrupts[turn % interrupts.len()] {
                sender.interrupt();
            }
            while let Some(octets) = sender.poll_transmit(NOW) {
                for piece in cut(&octets, places.clone()) {
                    there.push(Bytes::copy_from_slice(piece));
                    while let Some(event) = there.next().unwrap() {
                        sink.event(event);
                    }
                }
            }
            back.push(std::mem::take(&mut sink.sent).into());
            while let Some(event) = back.next().unwrap() {
                if let Event::Head(head) = event {
                    sender.handle_head(&head, NOW);
                }
            }
            outcome = sender.poll_event();
            if outcome.is_some() {
                break;
            }
        }
        if message.is_empty() {
            // Nobody can tell an empty message from a SEND that only binds: no report comes.
            prop_assert_eq!(outcome, (!success_report).then_some(SenderEvent::Transferred));
            return Ok(());
        }
        prop_assert_eq!(outcome, Some(SenderEvent::Transferred));
        prop_assert_eq!(&sink.content, &message);
        prop_assert_eq!(sink.finished.len(), 1);
        prop_assert_eq!(sink.finished[0].content_disposition.as_deref(), Some("attachment"));
    }

    #[test]
    fn no_frames_break_a_receiver_or_make_it_gather(
        frames in prop::collection::vec(("(SEND|SEND|SEND|REPORT|200 OK|X)", "(m1|m2)?", 0..40u64, 0..40u64, 0..50u64, "[*n]{2}", 0..40usize, "[$+#]", "(yes|no|partial)"), 0..60),
        kept in prop_oneof![Just(None), Just(Some(Ok(()))), Just(Some(Err(413)))],
        refuse in 0..200usize,
    ) {
        let mut sink = Sink::with(40, 3);
        sink.kept = kept;
        let mut sender = Sender::new(
            SenderSettings { chunk_bytes_max: 10, window: 2, response: Duration::from_secs(1) },
            uri(PF),
            path(CLIENT),
            Outgoing { message_id: "m1".into(), content_type: "a/b".into(), content_disposition: None, size: 30, success_report: true },
            TransactionIds::new([1; 16]),
        );
        for (at, (kind, id, start, len, total, stars, size, flag, report)) in frames.into_iter().enumerate() {
            let star = |at: usize, number: u64| if &stars[at..=at] == "*" { "*".to_owned() } else { number.to_string() };
            let id = if id.is_empty() { String::new() } else { format!("Message-ID: {id}\r\n") };
            let body = if size == 0 { String::new() } else { format!("Content-Type: message/cpim\r\n\r\n{}\r\n", "x".repeat(size)) };
            let frame = format!(
                "MSRP t{at} {kind}\r\nTo-Path: {PF}\r\nFrom-Path: {CLIENT}\r\n{id}Failure-Report: {report}\r\nByte-Range: {start}-{}/{}\r\n{body}-------t{at}{flag}\r\n",
                star(0, (start + len).saturating_sub(1)),
                star(1, total),
            );
            for event in testing::events(frame.as_bytes()) {
                if let Event::Head(head) = &event {
                    sender.handle_head(head, NOW);
                }
                sink.event(event);
            }
            if at == refuse {
                sink.receiver.refuse(403);
                sink.drain();
            }
            sender.give(Bytes::from_static(b"0123456789abc"));
            while sender.poll_transmit(NOW).is_some() {}
        }
        prop_assert!(sink.content.len() <= 40);
        prop_assert!(sink.finished.len() <= 1 && sink.failed.len() <= 1 && sink.bound <= 1);
        prop_assert!(sink.finished.is_empty() || sink.failed.is_empty() || kept != Some(Ok(())), "an end is an end");
    }
}
