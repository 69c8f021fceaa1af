//! A large message whose delivery fails stays in the queue (SNDL-ERR-2, I-39), and the client that behaves gets it whole.

use crate::call::{HOST, manage, references};
use crate::handset::{Answer, Offered, Post, is_bye, is_call, letter, offering, sends, take};
use crate::msrp::{self, Link};
use crate::phone::{Reply, is_push};
use crate::server::metric;
use crate::ua::PATIENCE;
use crate::wire::{INSTANCE, Registration, cpim, someone};
use std::net::TcpListener;
use std::time::{Duration, Instant};

/// Long enough for what must not come.
const A_WHILE: Duration = Duration::from_millis(300);
/// Several chunks for each message.
const CHUNKS: &str = "[msrp]\nchunk-bytes-max = 4096\n";

/// A message is offered to a client that answers so.
fn offered(config: &str, size: usize, answer: &Answer) -> (Post, Vec<u8>, Offered) {
    let mut post = Post::with(config);
    let body = post.waits(size);
    post.answers(answer);
    post.registers();
    let offered = post.is_called(1, answer);
    (post, body, offered)
}

/// Offered to a client that connects as it should.
fn connected(config: &str, size: usize) -> (Post, Vec<u8>, Offered, Link) {
    let (post, body, offered) = offered(config, size, &Answer::active());
    let link = offered.bind();
    (post, body, offered, link)
}

/// A client that accepts the call with a description that leads nowhere gets a BYE, and no octet.
fn is_hung_up_on(answer: &Answer, why: &str) {
    let (mut post, body, offered) = offered(CHUNKS, 9_000, answer);
    post.is_hung_up(&offered);
    post.is_kept(why, "");
    post.gets_it_in_the_end(&body);
}

#[test]
fn sndl_err_2_an_answer_without_setup_that_names_no_port_is_hung_up_on() {
    is_hung_up_on(&Answer { setup: None, ..Answer::active() }, "its answer cannot be worked with");
}

#[test]
fn sndl_err_2_a_passive_answer_without_a_port_is_hung_up_on() {
    is_hung_up_on(&Answer { setup: Some("passive"), ..Answer::active() }, "its answer cannot be worked with");
}

#[test]
fn sndl_err_2_an_answer_that_refuses_the_medium_is_hung_up_on() {
    is_hung_up_on(&Answer { port: 0, ..Answer::active() }, "its answer cannot be worked with");
}

#[test]
fn sndl_err_2_an_answer_with_too_small_a_max_size_is_hung_up_on() {
    let more = "a=max-size:9000\r\n".to_owned();
    is_hung_up_on(&Answer { more, ..Answer::active() }, "it takes no message of this size");
}

#[test]
fn sndl_err_2_an_answer_without_a_path_is_hung_up_on() {
    is_hung_up_on(
        &Answer { path: "sip:bob@ims.test".to_owned(), ..Answer::active() },
        "its answer cannot be worked with",
    );
}

#[test]
fn sndl_err_2_a_client_that_is_to_be_called_but_does_not_listen() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap();
    let answer = Answer::listening(&gone, Some("passive"));
    drop(gone);
    let (mut post, body, offered) = offered(CHUNKS, 9_000, &answer);
    post.is_hung_up(&offered);
    post.is_kept("the connection or the call ended before the message", "connect");
    post.gets_it_in_the_end(&body);
}

/// A client that refuses the call.
fn is_refused(status: u16) {
    let mut post = Post::with(CHUNKS);
    let body = post.waits(9_000);
    post.refuses(status);
    post.registers();
    post.phone.wait_for_such(1, is_call);
    let timeline = post.server.wait_for_event(&post.bob, "DeliveryFailed");
    assert!(timeline.contains(&format!("status {status}")), "{timeline}");
    post.server.wait_for_metric(metric::QUEUED, 1.0);
    post.server.wait_for_metric("restante_msrp_sessions", 0.0);
    post.phone.stays_at_such(1, is_call, A_WHILE);
    assert!(post.phone.such(is_bye).is_empty(), "there was no dialog");
    post.gets_it_in_the_end(&body);
}

#[test]
fn sndl_err_2_486_keeps_it() {
    is_refused(486);
}

#[test]
fn sndl_err_2_603_keeps_it() {
    is_refused(603);
}

#[test]
fn sndl_err_2_488_keeps_it() {
    is_refused(488);
}

#[test]
fn sndl_err_2_404_keeps_it() {
    is_refused(404);
}

#[test]
fn sndl_err_2_a_late_binder_is_given_up_and_gets_it_later() {
    let (mut post, body, offered) = offered("[msrp]\nbind-secs = 1", 9_000, &Answer::active());
    let began = Instant::now();
    let mut link = Link::connect(&offered.theirs);
    post.is_hung_up(&offered);
    assert!(began.elapsed() >= Duration::from_millis(700), "after {:?}", began.elapsed());
    post.is_kept("it did not connect", "not-bound");
    // It comes too late: the session is no more.
    link.send(&msrp::send(&offered.theirs, &offered.ours, "", b""));
    let response = link.next(PATIENCE);
    assert!(response.is_none_or(|response| response.status() == Some(481)));
    post.gets_it_in_the_end(&body);
}

#[test]
fn sndl_ok_5_a_second_connection_to_the_session_is_refused_and_the_first_goes_on() {
    // RFC 4975 section 7.3: 506.
    let (post, body, offered, mut first) = connected(CHUNKS, 40_000);
    let mut second = Link::connect(&offered.theirs);
    second.send(&msrp::send(&offered.theirs, &offered.ours, "", b""));
    assert_eq!(second.frame().status(), Some(506));
    assert!(second.is_silent(A_WHILE), "a chunk for the second");
    assert!(take(&mut first).octets == body);
    post.is_hung_up(&offered);
    post.server.wait_for_metric(metric::QUEUED, 0.0);
    post.server.wait_for_metric("restante_msrp_strays_total{cause=\"bound-elsewhere\"}", 1.0);
}

#[test]
fn sndl_ok_5_who_names_another_session_gets_481_and_no_octet() {
    let (post, body, offered) = offered(CHUNKS, 9_000, &Answer::active());
    let mut link = Link::connect(&offered.theirs);
    let session = offered.theirs.split('/').nth(3).unwrap();
    let guessed = offered.theirs.replace(session, "0123456789abcdefghij;tcp");
    link.send(&msrp::send(&guessed, &offered.ours, "", b""));
    assert_eq!(link.frame().status(), Some(481));
    assert!(link.is_silent(A_WHILE));
    post.server.wait_for_metric("restante_msrp_strays_total{cause=\"unknown-session\"}", 1.0);
    // The right name is taken all the same.
    assert!(offered.take().octets == body);
    post.server.wait_for_metric(metric::QUEUED, 0.0);
}

#[test]
fn i_39_a_connection_that_is_lost_in_the_middle_keeps_the_message() {
    let (mut post, body, offered, mut link) = connected(CHUNKS, 40_000);
    let first = link.frame();
    link.send(&first.response(200));
    link.frame();
    drop(link);
    post.is_hung_up(&offered);
    post.is_kept("the connection or the call ended before the message", "closed");
    post.gets_it_in_the_end(&body);
}

#[test]
fn i_39_bye_before_the_last_answer_keeps_the_message() {
    let (mut post, body, offered, mut link) = connected(CHUNKS, 40_000);
    let first = link.frame();
    post.hangs_up(&offered);
    post.is_kept("the connection or the call ended before the message", "");
    link.send(&first.response(200));
    assert!(post.phone.such(is_bye).is_empty(), "its own BYE ended the call");
    post.gets_it_in_the_end(&body);
}

#[test]
fn i_39_bye_just_after_the_last_answer_is_a_delivery() {
    // They come by different ways, and either may be first.
    for order in [0, 1] {
        let (post, body, offered, mut link) = connected("", 9_000);
        let mut octets = Vec::new();
        let mut last = link.frame();
        octets.extend_from_slice(&last.body);
        while octets.len() < body.len() {
            link.send(&last.response(200));
            last = link.frame();
            octets.extend_from_slice(&last.body);
        }
        if order == 0 {
            post.hangs_up(&offered);
        }
        link.send(&last.response(200));
        if order == 1 {
            post.phone.change(|_| Reply::Status(200));
            post.is_hung_up(&offered);
        }
        assert!(octets == body);
        post.server.wait_for_metric(metric::QUEUED, 0.0);
        post.server.wait_for_event(&post.bob, "MessageDelivered");
    }
}

#[test]
fn sndl_err_2_a_client_that_never_reads_is_ended_and_costs_a_bounded_buffer() {
    let secs = "[msrp]\nidle-secs = 1\nresponse-secs = 1\n";
    let (mut post, body, offered, link) = connected(secs, 4 << 20);
    let began = Instant::now();
    post.is_hung_up(&offered);
    assert!(began.elapsed() < Duration::from_secs(6), "after {:?}", began.elapsed());
    let timeline = post.server.wait_for_event(&post.bob, "TransferFailed");
    assert!(timeline.contains("a chunk was not answered"), "{timeline}");
    post.server.wait_for_metric(metric::QUEUED, 1.0);
    post.server.wait_for_metric("restante_msrp_sessions", 0.0);
    post.server.wait_for_metric("restante_msrp_connections", 0.0);
    drop(link);
    post.gets_it_in_the_end(&body);
}

#[test]
fn sndl_ok_4_a_slow_reader_that_answers_is_waited_for() {
    // Longer in all than any of the limits. A few chunks are always on their way, and each must be answered in time.
    let secs = "[msrp]\nidle-secs = 1\nresponse-secs = 2\nchunk-bytes-max = 4096\n";
    let (post, body, offered, mut link) = connected(secs, 90_000);
    let (began, mut octets) = (Instant::now(), Vec::new());
    while octets.len() < body.len() {
        let frame = link.frame();
        octets.extend_from_slice(&frame.body);
        // The slowness is the point.
        std::thread::sleep(Duration::from_millis(110));
        link.send(&frame.response(200));
    }
    assert!(octets == body && began.elapsed() > Duration::from_secs(2), "{:?}", began.elapsed());
    post.is_hung_up(&offered);
    post.server.wait_for_metric(metric::QUEUED, 0.0);
}

/// A client that answers a chunk with this status.
fn is_stopped(status: u16, at: usize) {
    let (mut post, body, offered, mut link) = connected(CHUNKS, 40_000);
    for _ in 1..at {
        let frame = link.frame();
        link.send(&frame.response(200));
    }
    let frame = link.frame();
    link.send(&frame.response(status));
    post.is_hung_up(&offered);
    post.is_kept(&format!("MSRP status {status}"), "refused");
    post.gets_it_in_the_end(&body);
}

#[test]
fn i_39_413_to_a_chunk_keeps_the_message() {
    is_stopped(413, 1);
}

#[test]
fn i_39_481_to_a_chunk_keeps_the_message() {
    is_stopped(481, 3);
}

#[test]
fn i_39_415_to_a_chunk_keeps_the_message() {
    is_stopped(415, 1);
}

#[test]
fn i_39_500_to_a_chunk_keeps_the_message() {
    is_stopped(500, 2);
}

#[test]
fn i_39_a_chunk_that_is_never_answered_keeps_the_message() {
    let (mut post, body, offered, mut link) = connected("[msrp]\nresponse-secs = 1", 9_000);
    let began = Instant::now();
    let frame = link.frame();
    assert!(frame.is_send());
    post.is_hung_up(&offered);
    assert!(began.elapsed() > Duration::from_millis(800), "after {:?}", began.elapsed());
    post.is_kept("a chunk was not answered", "unanswered");
    post.gets_it_in_the_end(&body);
}

#[test]
fn i_39_an_invite_nobody_answers_keeps_the_message_and_others_are_not_held_up() {
    // Timer B is 32 s: this shows only that the rest goes on, and that a restart does not forget it.
    let mut post = Post::with("");
    post.phone.change(|request| if is_call(request) { Reply::Silence } else { Reply::Status(200) });
    let body = post.waits(9_000);
    post.registers();
    post.phone.wait_for_such(1, is_call);
    let carol = someone();
    let pager = cpim(&carol, "meanwhile");
    post.server.deferred(&post.caller, &carol, &pager);
    post.server.registered(&post.caller, &mut Registration::of(&carol), &post.phone, 3600);
    post.server.wait_for_event(&carol, "MessageDelivered");
    assert_eq!(post.server.metric(metric::QUEUED), Some(1.0));
    post.server.kill();
    let answer = Answer::active();
    post.answers(&answer);
    let before = post.phone.such(is_call).len();
    post.server.start();
    let offered = post.is_called(before + 1, &answer);
    assert!(offered.take().octets == body);
    post.server.wait_for_metric(metric::QUEUED, 0.0);
}

#[test]
fn push_2b_the_client_that_failed_does_not_keep_it_from_the_other() {
    let mut post = Post::with(CHUNKS);
    let body = post.waits(9_000);
    let answer = Answer::active();
    let (accepting, at) = (answer.clone(), post.phone.address());
    post.phone.say(move |request| {
        let is_first = request.all("Accept-Contact").any(|value| value.contains(INSTANCE));
        is_call(request).then(|| if is_first { request.answer(488, "No") } else { accepting.accept(request, at) })
    });
    post.registers();
    post.server.wait_for_event(&post.bob, "DeliveryFailed");
    let tablet = "urn:uuid:00000000-0000-1000-8000-aabbccddeeff";
    post.server.registered(&post.caller, &mut Registration::client(&post.bob, tablet), &post.phone, 3600);
    let offered = post.is_called(2, &answer);
    assert!(offered.invite.all("Accept-Contact").any(|value| value.contains(tablet)), "{:#?}", offered.invite);
    assert!(offered.take().octets == body);
    post.is_hung_up(&offered);
    post.server.wait_for_metric(metric::QUEUED, 0.0);
    post.phone.stays_at_such(2, is_call, A_WHILE);
}

#[test]
fn push_2b_of_two_clients_one_fails_in_the_middle_and_the_other_takes_it() {
    let mut post = Post::with(CHUNKS);
    let body = post.waits(40_000);
    let answer = Answer::active();
    post.answers(&answer);
    post.registers();
    let failing = post.is_called(1, &answer);
    let mut link = failing.bind();
    link.frame();
    drop(link);
    post.server.wait_for_event(&post.bob, "TransferFailed");
    let tablet = "urn:uuid:00000000-0000-1000-8000-aabbccddeeff";
    post.server.registered(&post.caller, &mut Registration::client(&post.bob, tablet), &post.phone, 3600);
    let offered = post.is_called(2, &answer);
    assert!(offered.invite.all("Accept-Contact").any(|value| value.contains(tablet)), "{:#?}", offered.invite);
    assert!(offered.take().octets == body);
    post.server.wait_for_metric(metric::QUEUED, 0.0);
}

#[test]
fn push_2a_i_do_not_disturb_keeps_it_until_the_document_goes() {
    let mut post = Post::with("");
    let body = post.waits(9_000);
    post.server.prefers(&post.bob, "profile", Some("<p><do-not-disturb>true</do-not-disturb></p>"));
    let answer = Answer::active();
    post.answers(&answer);
    post.registers();
    post.server.wait_for_event(&post.bob, "DeliveryWithheld");
    post.phone.stays_at_such(0, is_call, A_WHILE);
    post.server.prefers(&post.bob, "profile", None);
    assert!(post.is_called(1, &answer).take().octets == body);
    post.server.wait_for_metric(metric::QUEUED, 0.0);
}

#[test]
fn sndl_err_2_killed_in_the_middle_of_a_delivery_the_server_gives_it_whole_after_its_restart() {
    let (mut post, body, _, mut link) = connected(CHUNKS, 40_000);
    let first = link.frame();
    link.send(&first.response(200));
    post.server.kill();
    link.is_closed();
    let answer = Answer::active();
    post.answers(&answer);
    post.server.start();
    // The attempt was open: a client that is registered still is asked again.
    let offered = post.is_called(2, &answer);
    assert_ne!(offered.invite.call_id(), post.phone.such(is_call)[0].call_id());
    let taken = offered.take();
    assert!(taken.octets == body);
    post.is_hung_up(&offered);
    post.server.wait_for_metric(metric::QUEUED, 0.0);
    post.names_nobody();
}

#[test]
fn i_29_a_transfer_that_goes_on_is_awaited_past_its_expiry() {
    let mut post = Post::with(CHUNKS);
    let body = letter(&post.bob, 40_000);
    let invite = offering(&post.caller, &post.bob, body.len()).set("Message-Expires", "2");
    sends(&post.server, &post.caller, invite, &body);
    let answer = Answer::active();
    post.answers(&answer);
    post.registers();
    let mut link = post.is_called(1, &answer).bind();
    let first = link.frame();
    // The passing of its life is the point here.
    std::thread::sleep(Duration::from_millis(2500));
    link.send(&first.response(200));
    let taken = take(&mut link);
    assert_eq!([&first.body[..], &taken.octets[first.body.len()..]].concat(), body);
    post.server.wait_for_metric(metric::QUEUED, 0.0);
    let timeline = post.server.wait_for_event(&post.bob, "MessageDelivered");
    assert!(!timeline.contains("MessageDiscarded"), "{timeline}");
}

#[test]
fn i_29_a_transfer_that_fails_after_its_expiry_is_not_tried_again() {
    let mut post = Post::with(CHUNKS);
    let body = letter(&post.bob, 40_000);
    let invite = offering(&post.caller, &post.bob, body.len()).set("Message-Expires", "1");
    sends(&post.server, &post.caller, invite, &body);
    let answer = Answer::active();
    post.answers(&answer);
    post.registers();
    let mut link = post.is_called(1, &answer).bind();
    link.frame();
    std::thread::sleep(Duration::from_millis(1300));
    assert_eq!(post.server.metric(metric::QUEUED), Some(1.0), "it is awaited");
    drop(link);
    post.server.wait_for_event(&post.bob, "MessageDiscarded");
    post.server.wait_for_metric(metric::QUEUED, 0.0);
    post.registers();
    post.phone.stays_at_such(1, is_call, A_WHILE);
}

#[test]
fn sndl_err_2_stopped_in_the_middle_of_a_delivery_the_server_gives_it_whole_after_its_restart() {
    let (mut post, body, stopped, mut link) = connected(CHUNKS, 40_000);
    let first = link.frame();
    link.send(&first.response(200));
    post.server.terminate();
    post.is_hung_up(&stopped);
    let ended = post.server.wait_for_end(Duration::from_secs(20));
    assert_eq!(ended.code(), Some(0), "{}", post.server.log());
    let answer = Answer::active();
    post.answers(&answer);
    post.server.start();
    assert!(post.is_called(2, &answer).take().octets == body);
    post.server.wait_for_metric(metric::QUEUED, 0.0);
    post.names_nobody();
}

#[test]
fn push_2b_no_more_deliveries_than_may_be_are_under_way_and_the_next_waits_for_its_turn() {
    let mut post = Post::with("[msrp]\ntransmissions-max = 1");
    let body = post.waits(9_000);
    let carol = someone();
    let hers = letter(&carol, 9_000);
    sends(&post.server, &post.caller, offering(&post.caller, &carol, hers.len()), &hers);
    let answer = Answer::active();
    post.answers(&answer);
    post.registers();
    let first = post.is_called(1, &answer);
    post.server.registered(&post.caller, &mut Registration::of(&carol), &post.phone, 3600);
    post.server.wait_for_metric("restante_limit_hits_total{limit=\"msrp.transmissions-max\"}", 1.0);
    post.phone.stays_at_such(1, is_call, A_WHILE);
    assert!(first.take().octets == body);
    assert!(post.is_called(2, &answer).take().octets == hers);
    post.server.wait_for_metric(metric::QUEUED, 0.0);
}

#[test]
fn sndl_err_2_without_a_session_to_be_had_it_waits_for_the_back_off() {
    let config = "[msrp]\nsessions-max = 1\n[queue]\nbackoff-min-secs = 1\nbackoff-max-secs = 1";
    let mut post = Post::with(config);
    let body = post.waits(9_000);
    let carol = someone();
    let hers = letter(&carol, 9_000);
    sends(&post.server, &post.caller, offering(&post.caller, &carol, hers.len()), &hers);
    let answer = Answer::active();
    post.answers(&answer);
    post.registers();
    let first = post.is_called(1, &answer);
    post.server.registered(&post.caller, &mut Registration::of(&carol), &post.phone, 3600);
    let timeline = post.server.wait_for_event(&carol, "DeliveryFailed");
    assert!(timeline.contains("too many requests in flight"), "{timeline}");
    assert!(first.take().octets == body);
    assert!(post.is_called(2, &answer).take().octets == hers);
    post.server.wait_for_metric(metric::QUEUED, 0.0);
}

#[test]
fn i_39_what_is_no_msrp_ends_the_transfer_and_keeps_the_message() {
    let (mut post, body, offered, mut link) = connected(CHUNKS, 40_000);
    link.frame();
    link.send(b"HTTP/1.1 200 OK\r\n\r\n");
    post.is_hung_up(&offered);
    post.is_kept("the connection or the call ended before the message", "");
    link.is_closed();
    post.gets_it_in_the_end(&body);
}

#[test]
fn sndl_7a_a_client_that_sends_to_us_is_refused_and_gets_its_message_all_the_same() {
    let (post, body, offered, mut link) = connected(CHUNKS, 20_000);
    let unasked = msrp::send(&offered.theirs, &offered.ours, "Content-Type: text/plain\r\n", b"unasked");
    link.send(&unasked);
    // Answers to what nobody asked change nothing either.
    let [to, from] = [&offered.theirs, &offered.ours];
    link.send(format!("MSRP nobody7 200 OK\r\nTo-Path: {to}\r\nFrom-Path: {from}\r\n-------nobody7$\r\n").as_bytes());
    let (mut octets, mut chunks) = (vec![0; body.len()], Vec::new());
    let refusal = loop {
        let frame = link.frame();
        if !frame.is_send() {
            break frame.status();
        }
        chunks.push(frame);
    };
    assert!(refusal.is_some_and(|status| status >= 400), "{refusal:?}");
    let mut left = body.len();
    while left > 0 {
        let frame = chunks.pop().unwrap_or_else(|| link.frame());
        let start = frame.range().0 - 1;
        octets[start..start + frame.body.len()].copy_from_slice(&frame.body);
        left -= frame.body.len();
        // Twice is once.
        link.send(&[frame.response(200), frame.response(200)].concat());
    }
    assert!(octets == body);
    post.is_hung_up(&offered);
    post.server.wait_for_metric(metric::QUEUED, 0.0);
}

#[test]
fn sndl_end_2_a_client_that_deregisters_in_the_middle_still_gets_it_whole() {
    let (mut post, body, offered, mut link) = connected(CHUNKS, 40_000);
    let first = link.frame();
    post.server.registered(&post.caller, &mut post.registration, &post.phone, 0);
    link.send(&first.response(200));
    let taken = take(&mut link);
    assert!([&first.body[..], &taken.octets[first.body.len()..]].concat() == body);
    post.is_hung_up(&offered);
    post.server.wait_for_metric(metric::QUEUED, 0.0);
    post.server.wait_for_event(&post.bob, "MessageDelivered");
}

#[test]
fn mng_3_a_message_that_is_deleted_while_it_goes_out_is_gone_and_never_given_damaged() {
    let mut post = Post::with(&format!("[sip]\nhost = \"{HOST}\"\n{CHUNKS}"));
    let body = post.waits(600_000);
    let answer = Answer::active();
    post.answers(&answer);
    post.registers();
    let offered = post.is_called(1, &answer);
    let mut link = offered.bind();
    let (mut octets, mut next) = (Vec::new(), Some(link.frame()));
    manage(&post.server, &post.caller, &post.bob, &[(&references(&post.server, &post.bob)[0], "delete")]);
    while let Some(frame) = next {
        octets.extend_from_slice(&frame.body);
        link.send(&frame.response(200));
        next = link.next(Duration::from_millis(500));
    }
    assert!(body.starts_with(&octets), "damaged after {} octets", octets.len());
    post.is_hung_up(&offered);
    post.server.wait_for_metric(metric::QUEUED, 0.0);
    post.server.wait_for_metric("restante_msrp_sessions", 0.0);
    post.registers();
    post.phone.stays_at_such(1, is_call, A_WHILE);
}

#[test]
fn push_2b_a_large_message_and_a_short_one_are_both_delivered() {
    let mut post = Post::with(CHUNKS);
    let body = post.waits(40_000);
    let pager = cpim(&post.bob, "short");
    post.server.deferred(&post.caller, &post.bob, &pager);
    let answer = Answer::active();
    post.answers(&answer);
    post.registers();
    assert!(post.is_called(1, &answer).take().octets == body);
    let is_pager: fn(&crate::ua::Message) -> bool = |message| is_push(message) && message.method() == Some("MESSAGE");
    assert_eq!(post.phone.wait_for_such(1, is_pager)[0].body, pager);
    post.server.wait_for_metric(metric::QUEUED, 0.0);
}
