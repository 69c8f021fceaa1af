//! Sending a Large Message Mode Deferred CPM Message (8.3.2.3.4): what is on the wire when all goes well.

use crate::handset::{Answer, Offered, Post, Taken, attribute, is_ack, is_bye, is_call, letter, offering, sends, take};
use crate::msrp::Link;
use crate::server::metric;
use crate::ua::Message;
use crate::wire::{self, DEFERRED_TAG, INSTANCE, REALM};
use std::net::TcpListener;
use std::sync::OnceLock;
use std::time::Duration;

/// Long enough for what must not come.
const A_WHILE: Duration = Duration::from_millis(300);
/// Several chunks for each message.
const CHUNKS: &str = "[msrp]\nchunk-bytes-max = 4096";
const CHUNK: usize = 4096;

/// One delivery as WX-10 to WX-13 tell it.
struct Story {
    sent: Message,
    body: Vec<u8>,
    offered: Offered,
    taken: Taken,
    ack: Message,
    bye: Message,
    /// Octets may not come before the session is bound, nor the BYE before the last answer.
    was_silent: bool,
    byes_before_the_last_answer: usize,
    route: String,
    bob: String,
}

fn story() -> &'static Story {
    static STORY: OnceLock<Story> = OnceLock::new();
    STORY.get_or_init(|| {
        let mut post = Post::with(CHUNKS);
        let body = letter(&post.bob, 20_000);
        let sent = offering(&post.caller, &post.bob, body.len()).with("Subject", "Photos, and where they are from");
        let sent = sent.with("InReplyTo-Contribution-ID", "abcdef00-1234-11df-8a39-0800200c9a65");
        sends(&post.server, &post.caller, sent.clone(), &body);
        let answer = Answer::active();
        post.answers(&answer);
        post.registers();
        let offered = post.is_called(1, &answer);
        let mut link = Link::connect(&offered.theirs);
        let was_silent = link.is_silent(A_WHILE);
        offered.bind_on(&mut link);
        let (mut octets, mut frames) = (Vec::new(), Vec::new());
        while octets.len() < body.len() {
            let frame = link.frame();
            octets.extend_from_slice(&frame.body);
            frames.push(frame);
            if octets.len() < body.len() {
                link.send(&frames.last().unwrap().response(200));
            }
        }
        std::thread::sleep(A_WHILE);
        let byes_before_the_last_answer = post.phone.such(is_bye).len();
        assert_eq!(post.server.metric(metric::QUEUED), Some(1.0), "SNDL-END-2: not before the last answer");
        link.send(&frames.last().unwrap().response(200));
        let bye = post.is_hung_up(&offered);
        post.server.wait_for_metric(metric::QUEUED, 0.0);
        let ack = post.phone.wait_for_such(1, is_ack).remove(0);
        post.names_nobody();
        let (route, bob) = (format!("<sip:{};lr>", post.phone.address()), post.bob.clone());
        let taken = Taken { octets, frames };
        Story { sent, body, offered, taken, ack, bye, was_silent, byes_before_the_last_answer, route, bob }
    })
}

fn sdp() -> String {
    String::from_utf8(story().offered.invite.body.clone()).unwrap()
}

#[test]
fn sndl_0_an_initial_invite_of_its_own() {
    let Story { sent, offered: Offered { invite, .. }, .. } = story();
    assert_eq!(invite.method(), Some("INVITE"));
    assert_ne!(invite.call_id(), sent.call_id());
    assert_ne!(invite.branch(), sent.branch());
    assert_ne!(invite.tag("From"), sent.tag("From"));
    assert!(invite.tag("From").is_some() && invite.tag("To").is_none());
    assert_eq!(invite.all("Via").count(), 1);
    assert_eq!(invite.header("CSeq"), Some("1 INVITE"));
    assert_eq!(invite.header("Max-Forwards"), Some("70"));
    let contact = invite.header("Contact").expect("a Contact");
    assert!(contact.contains("+g.3gpp.icsi-ref=\"urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.deferred\""), "{contact}");
    assert_eq!(invite.header("Allow"), Some("INVITE, ACK, BYE, CANCEL, UPDATE, OPTIONS"));
    assert!(invite.header("P-Charging-Vector").is_none());
}

#[test]
fn sndl_1_accept_contact_has_the_deferred_tag_and_the_instance_that_registered() {
    let wanted: Vec<_> = story().offered.invite.all("Accept-Contact").collect();
    let instance = format!("*;+sip.instance=\"<{INSTANCE}>\";require;explicit");
    assert_eq!(wanted, [DEFERRED_TAG, instance.as_str()]);
    let service = story().offered.invite.header("P-Asserted-Service");
    assert_eq!(service, Some("urn:urn-7:3gpp-service.ims.icsi.oma.cpm.deferred"));
}

#[test]
fn sndl_2_the_authenticated_originator_is_that_of_the_original() {
    let Story { sent, offered, .. } = story();
    let identities: Vec<_> = offered.invite.all("P-Asserted-Identity").collect();
    assert_eq!(identities, sent.all("P-Asserted-Identity").collect::<Vec<_>>());
    assert!(offered.invite.header("From").unwrap().contains(wire::ALICE));
}

#[test]
fn sndl_3_the_request_uri_is_the_recipients_cpm_address() {
    let Story { sent, offered, bob, .. } = story();
    assert_eq!(offered.invite.uri(), sent.uri());
    assert!(offered.invite.header("To").unwrap().contains(&format!("sip:{bob}@{REALM}")));
}

#[test]
fn sndl_4_user_agent_has_the_release_version() {
    let release = story().offered.invite.header("User-Agent").expect("a User-Agent");
    assert!(release.starts_with("CPM-serv/OMA1.0"), "{release}");
}

#[test]
fn sndl_5_timer_is_supported() {
    assert_eq!(story().offered.invite.header("Supported"), Some("timer"));
}

#[test]
fn sndl_6_the_session_timer_is_ours_to_refresh() {
    assert_eq!(story().offered.invite.header("Session-Expires"), Some("1800;refresher=uac"));
}

#[test]
fn sndl_7_the_offer_is_that_of_wx_10() {
    let Story { offered, body, .. } = story();
    assert_eq!(offered.invite.header("Content-Type"), Some("application/sdp"));
    let port = offered.theirs.split([':', '/']).nth(4).unwrap();
    let sdp = sdp();
    let lines: Vec<_> = sdp.split_terminator("\r\n").collect();
    assert!(lines[1].starts_with("o=- ") && lines[1].ends_with(" 1 IN IP4 127.0.0.1"), "{}", lines[1]);
    let (media, path) = (format!("m=message {port} TCP/MSRP *"), format!("a=path:{}", offered.theirs));
    let size = format!("a=file-selector:size:{}", body.len());
    let head = ["v=0", lines[1], "s=-", "c=IN IP4 127.0.0.1", "t=0 0", &media, "a=accept-types:message/cpim"];
    let attributes = [&path, &size, "a=setup:passive", "a=msrp-cema", "a=sendonly"];
    assert_eq!(lines, [&head[..], &attributes].concat());
}

#[test]
fn sndl_7a_the_medium_is_sendonly() {
    assert!(sdp().ends_with("a=sendonly\r\n"), "{}", sdp());
}

#[test]
fn sndl_7b_accept_types_is_message_cpim() {
    assert_eq!(attribute(&sdp(), "accept-types"), Some("message/cpim"));
}

#[test]
fn sndl_7c_the_path_is_a_uri_nobody_can_guess() {
    let uri = attribute(&sdp(), "path").unwrap().to_owned();
    let session = uri.split('/').nth(3).and_then(|rest| rest.strip_suffix(";tcp")).expect("a session-id");
    assert!(uri.starts_with("msrp://127.0.0.1:") && session.len() >= 14, "{uri}: 80 bits (RFC 4975 section 14.1)");
}

#[test]
fn sndl_7d_file_selector_has_the_size_of_what_is_sent() {
    let (sdp, story) = (sdp(), story());
    assert_eq!(attribute(&sdp, "file-selector"), Some(format!("size:{}", story.taken.octets.len()).as_str()));
}

#[test]
fn sndl_7e_the_client_is_to_connect() {
    assert_eq!(attribute(&sdp(), "setup"), Some("passive"));
}

#[test]
fn sndl_8_it_goes_by_the_next_hop() {
    assert_eq!(story().offered.invite.header("Route"), Some(story().route.as_str()));
}

#[test]
fn i_26_identifiers_subject_and_date_are_those_of_the_original() {
    let Story { sent, offered: Offered { invite, .. }, .. } = story();
    for same in ["Conversation-ID", "Contribution-ID", "InReplyTo-Contribution-ID", "Subject", "Date"] {
        assert!(sent.header(same).is_some() && invite.header(same) == sent.header(same), "{same} of {invite:#?}");
    }
    let left: u64 = invite.header("Message-Expires").expect("I-27").parse().unwrap();
    assert!((86_300..=86_400).contains(&left), "{left}");
    assert!(invite.header("Expires").is_none() && invite.header("Message-UID").is_none());
}

#[test]
fn sndl_ok_2_the_answer_is_acknowledged() {
    let Story { offered, ack, .. } = story();
    assert_eq!(ack.call_id(), offered.invite.call_id());
    assert_eq!(ack.header("CSeq"), Some("1 ACK"));
    assert_eq!(ack.tag("To"), Some("ua-1"));
    assert!(ack.uri().starts_with("sip:bob@"), "to the Contact of the 200: {}", ack.start);
}

#[test]
fn sndl_ok_3_nothing_is_sent_before_the_client_has_bound_the_connection() {
    assert!(story().was_silent);
}

#[test]
fn sndl_ok_4_the_message_comes_whole_in_chunks_that_follow_each_other() {
    let Story { body, taken, .. } = story();
    assert!(taken.octets == *body, "changed");
    let (mut next, last) = (1, taken.frames.len() - 1);
    assert!(last >= body.len() / CHUNK, "{} chunks", last + 1);
    for (n, frame) in taken.frames.iter().enumerate() {
        assert!(frame.is_send() && frame.body.len() <= CHUNK, "{}, {} octets", frame.start, frame.body.len());
        assert_eq!(frame.range(), (next, body.len()));
        assert_eq!(frame.flag, if n == last { '$' } else { '+' });
        assert_eq!(frame.header("Message-ID"), taken.frames[0].header("Message-ID"));
        assert_eq!(frame.header("Success-Report"), Some("no"));
        assert_eq!(frame.header("Failure-Report"), Some("yes"));
        next += frame.body.len();
    }
}

#[test]
fn sndl_ok_4a_to_path_is_the_uri_of_the_answer() {
    let Story { offered, taken, .. } = story();
    for frame in &taken.frames {
        let names: Vec<_> = frame.headers.iter().take(2).map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["To-Path", "From-Path"], "they come first (RFC 4975 section 7.1)");
        assert_eq!(frame.header("To-Path"), Some(offered.ours.as_str()));
        assert_eq!(frame.header("From-Path"), Some(offered.theirs.as_str()));
    }
}

#[test]
fn sndl_ok_4a_to_path_is_the_whole_path_of_an_answer_with_relays() {
    let mut post = Post::with(CHUNKS);
    let body = post.waits(9_000);
    let mut answer = Answer::active();
    answer.path = format!("msrp://relay.test:2855/r1;tcp {}", answer.path);
    post.answers(&answer);
    post.registers();
    let offered = post.is_called(1, &answer);
    let mut link = Link::connect(&offered.theirs);
    offered.bind_on(&mut link);
    let taken = take(&mut link);
    assert!(taken.octets == body);
    for frame in &taken.frames {
        assert_eq!(frame.header("To-Path"), Some(answer.path.as_str()));
    }
    post.is_hung_up(&offered);
    post.server.wait_for_metric(metric::QUEUED, 0.0);
}

#[test]
fn sndl_ok_4b_content_type_is_message_cpim_and_stands_last() {
    for frame in &story().taken.frames {
        let (name, value) = frame.headers.last().unwrap();
        assert_eq!((name.as_str(), value.as_str()), ("Content-Type", "message/cpim"));
    }
}

#[test]
fn sndl_ok_4c_a_cpim_from_that_came_with_the_message_is_kept() {
    let expected = format!("From: <sip:{}@{REALM}>\r\n", wire::ALICE);
    assert!(story().taken.octets.starts_with(expected.as_bytes()));
}

/// A message whose CPIM wrapper has no From, and what came of it.
fn without_from(change: impl Fn(Message) -> Message) -> (Message, Vec<u8>, Vec<u8>) {
    let mut post = Post::with(CHUNKS);
    let whole = letter(&post.bob, 5_000);
    let line = whole.windows(2).position(|two| two == b"\r\n").unwrap() + 2;
    let body = whole[line..].to_vec();
    sends(&post.server, &post.caller, change(offering(&post.caller, &post.bob, body.len())), &body);
    let answer = Answer::active();
    post.answers(&answer);
    post.registers();
    let offered = post.is_called(1, &answer);
    let taken = offered.take();
    post.is_hung_up(&offered);
    post.server.wait_for_metric(metric::QUEUED, 0.0);
    (offered.invite, taken.octets, body)
}

#[test]
fn sndl_ok_4c_a_missing_cpim_from_is_written_and_counted() {
    let (invite, octets, body) = without_from(|invite| invite);
    let from = format!("From: <sip:{}@{REALM}>\r\n", wire::ALICE);
    let expected = [from.as_bytes(), &body].concat();
    assert!(octets == expected, "{}", String::from_utf8_lossy(&octets[..300]));
    let sdp = String::from_utf8(invite.body).unwrap();
    assert_eq!(attribute(&sdp, "file-selector"), Some(format!("size:{}", expected.len()).as_str()), "SNDL-7d");
}

#[test]
fn sndl_ok_4c_a_sender_who_asked_for_anonymity_is_not_named() {
    // I-22.
    let (invite, octets, body) = without_from(|invite| {
        invite.set("From", "\"Anonymous\" <sip:anonymous@anonymous.invalid>;tag=a1").with("Privacy", "id")
    });
    assert!(octets == [b"From: <sip:anonymous@anonymous.invalid>\r\n", &body[..]].concat());
    assert!(invite.header("P-Asserted-Identity").is_none(), "{invite:#?}");
    assert!(!String::from_utf8_lossy(&invite.to_bytes()).contains(wire::ALICE), "{invite:#?}");
}

#[test]
fn sndl_end_1_bye_comes_after_the_last_answer_and_not_before() {
    let Story { bye, offered, byes_before_the_last_answer, .. } = story();
    assert_eq!(*byes_before_the_last_answer, 0);
    assert_eq!(bye.header("CSeq"), Some("2 BYE"));
    assert_eq!(bye.tag("From"), offered.invite.tag("From"));
    assert_eq!(bye.tag("To"), Some("ua-1"));
    assert!(bye.uri().starts_with("sip:bob@"), "{}", bye.start);
}

#[test]
fn sndl_end_2_what_was_taken_is_not_offered_again() {
    let mut post = Post::with("");
    let body = post.waits(3_000);
    post.gets_it_in_the_end(&body);
    post.registers();
    post.phone.stays_at_such(1, is_call, A_WHILE);
    assert_eq!(post.phone.such(is_bye).len(), 1);
}

#[test]
fn sndl_ok_3_a_client_that_answers_passive_is_called() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    is_called_back(&listener, &Answer::listening(&listener, Some("passive")));
}

#[test]
fn sndl_ok_3_a_client_that_says_nothing_of_setup_but_where_it_is_is_called() {
    // Spec 4.3: an endpoint of RFC 4975 believes that the offerer connects.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    is_called_back(&listener, &Answer::listening(&listener, None));
}

fn is_called_back(listener: &TcpListener, answer: &Answer) {
    let mut post = Post::with(CHUNKS);
    let body = post.waits(9_000);
    post.answers(answer);
    post.registers();
    let offered = post.is_called(1, answer);
    let mut link = Link::accept(listener);
    let taken = take(&mut link);
    assert!(taken.octets == body);
    assert_eq!(taken.frames[0].header("To-Path"), Some(answer.path.as_str()));
    assert_eq!(taken.frames[0].header("From-Path"), Some(offered.theirs.as_str()));
    post.is_hung_up(&offered);
    post.server.wait_for_metric(metric::QUEUED, 0.0);
}

#[test]
fn push_2b_several_large_messages_come_in_the_order_of_their_acceptance() {
    let mut post = Post::with("");
    let bodies: Vec<_> = (0..3).map(|n| post.waits(2_000 + n)).collect();
    let answer = Answer::active();
    post.answers(&answer);
    post.registers();
    for (n, body) in bodies.iter().enumerate() {
        let offered = post.is_called(n + 1, &answer);
        assert!(offered.take().octets == *body, "message {n}");
    }
    post.server.wait_for_metric(metric::QUEUED, 0.0);
    post.phone.wait_for_such(3, is_bye);
}

#[test]
fn a_message_of_a_mebibyte_arrives_as_it_was_and_is_counted() {
    let mut post = Post::with("");
    let body = post.waits(1 << 20);
    post.gets_it_in_the_end(&body);
    let octets = f64::from(u32::try_from(body.len()).unwrap());
    post.server.wait_for_metric("restante_transfer_bytes_total{direction=\"sent\"}", octets);
    assert_eq!(post.server.metric("restante_msrp_sessions"), Some(0.0));
}

#[test]
fn i_11_the_size_is_not_said_if_the_operator_does_not_want_it() {
    let mut post = Post::with("[msrp]\nfile-selector = false");
    let body = post.waits(3_000);
    let offered = post.gets_it_in_the_end(&body);
    let sdp = String::from_utf8(offered.invite.body).unwrap();
    assert!(!sdp.contains("file-selector") && sdp.ends_with("a=sendonly\r\n"), "{sdp}");
}

#[test]
fn def_2b_a_recipient_list_goes_out_beside_the_offer() {
    let mut post = Post::with("");
    let body = letter(&post.bob, 5_000);
    let alone = offering(&post.caller, &post.bob, body.len());
    let list = format!(
        "Content-Type: application/resource-lists+xml\r\nContent-Disposition: recipient-list-history; handling=optional\r\n\r\n\
         <resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\"><list><entry uri=\"sip:{}@{REALM}\"/></list>\
         </resource-lists>",
        post.bob
    );
    let sdp = String::from_utf8(alone.body.clone()).unwrap();
    let both = format!("--b1\r\nContent-Type: application/sdp\r\n\r\n{sdp}\r\n--b1\r\n{list}\r\n--b1--\r\n");
    let invite = alone.without("Content-Type").body("multipart/mixed;boundary=b1", both);
    sends(&post.server, &post.caller, invite, &body);
    let offered = post.gets_it_in_the_end(&body);
    let kind = offered.invite.header("Content-Type").unwrap();
    let boundary = kind.strip_prefix("multipart/mixed;boundary=").unwrap_or_else(|| panic!("{kind}"));
    let pushed = String::from_utf8(offered.invite.body.clone()).unwrap();
    let parts: Vec<_> = pushed.split(&format!("--{boundary}")).collect();
    assert_eq!(parts.len(), 4, "{pushed}");
    assert!(parts[1].starts_with("\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n"), "{pushed}");
    assert_eq!(parts[2], format!("\r\n{list}\r\n"));
}

#[test]
fn sndl_6_a_client_that_wants_a_longer_session_gets_it() {
    // RFC 4028 section 7.3.
    let mut post = Post::with("");
    let body = post.waits(5_000);
    let answer = Answer::active();
    let (accepting, at) = (answer.clone(), post.phone.address());
    post.phone.say(move |request| {
        let is_short = request.header("Session-Expires").is_some_and(|value| value.starts_with("1800;"));
        let refusal = || request.answer(422, "Session Interval Too Small").with("Min-SE", "3000");
        is_call(request).then(|| if is_short { refusal() } else { accepting.accept(request, at) })
    });
    post.registers();
    let offered = post.is_called(2, &answer);
    assert_eq!(offered.invite.header("Session-Expires"), Some("3000;refresher=uac"));
    assert_eq!(offered.invite.header("Min-SE"), Some("3000"));
    assert!(offered.take().octets == body);
    post.server.wait_for_metric(metric::QUEUED, 0.0);
    let timeline = post.server.wait_for_event(&post.bob, "MessageDelivered");
    assert_eq!(timeline.matches("DeliveryStarted").count(), 1, "{timeline}");
}
