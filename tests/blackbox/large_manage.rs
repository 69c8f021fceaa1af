//! What is done with large messages that a client manages (8.3.2.3.2, Large Message Mode), and what becomes of those that
//! nobody fetches (8.3.2.3.5).

use crate::call::{HOST, listing, manage, references};
use crate::dovecot::{Dovecot, MASTER_PASSWORD, MASTER_USER};
use crate::handset::{Answer, Post, is_call, letter, offering, sends};
use crate::imap_store::Between;
use crate::large_peer::{Peer, header, text};
use crate::phone::{is_imdn, is_push, is_system};
use crate::server::{Server, Setup, metric};
use crate::wire::{ALICE, INSTANCE, REALM, address, imdn_id, someone};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Long enough for what must not come.
const A_WHILE: Duration = Duration::from_millis(400);
/// Of the messages of [`offering`].
const CONVERSATION: &str = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6";
const HISTORY: &str = "<p><allow-offline-storage>active</allow-offline-storage></p>";

/// Users manage their messages themselves; more settings of the realm, and then of all else.
fn managed(more: &str) -> Post {
    Post::with(&format!("[sip]\nhost = \"{HOST}\"\n[realms.\"{REALM}\"]\nhandling = \"manage\"\n{more}"))
}

/// Bob is registered and has large messages of these sizes.
fn waiting(more: &str, sizes: &[usize]) -> (Post, Vec<Vec<u8>>, Vec<String>) {
    let mut post = managed(more);
    post.registers();
    let bodies: Vec<_> = sizes.iter().map(|size| post.waits(*size)).collect();
    let names = references(&post.server, &post.bob);
    (post, bodies, names)
}

/// A large message that lives for a second.
fn short(post: &Post, size: usize) -> Vec<u8> {
    let body = letter(&post.bob, size);
    let invite = offering(&post.caller, &post.bob, body.len()).set("Message-Expires", "1");
    sends(&post.server, &post.caller, invite, &body);
    body
}

fn of_dovecot(dovecot: &Dovecot) -> String {
    store_at(dovecot.imap)
}

fn store_at(imap: SocketAddr) -> String {
    format!(
        "[store]\nimap = \"imap+plain://{imap}\"\nmaster-user = \"{MASTER_USER}\"\nmaster-password = {MASTER_PASSWORD:?}"
    )
}

/// The object of chapter 6 of the Message Storage standard for a message of [`offering`]'s.
fn object(user: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "From: sip:{ALICE}@{REALM}\r\nTo: sip:{user}@{REALM}\r\nDate: Tue, 02 Mar 2010 09:14:07 +0000\r\n\
         Message-Context: multimedia-message\r\nP-Asserted-Service: urn:urn-7:3gpp-service.ims.icsi.oma.cpm.largemsg\r\n\
         Conversation-ID: {CONVERSATION}\r\nContribution-ID: abcdef00-1234-11df-8a39-0800200c9a66\r\n\
         IMDN-Message-ID: {}\r\nContent-Type: Message/CPIM\r\n\r\n",
        imdn_id(body)
    );
    [head.as_bytes(), body].concat()
}

fn sha256(octets: &[u8]) -> String {
    Sha256::digest(octets).iter().fold(String::new(), |mut text, octet| {
        write!(text, "{octet:02x}").unwrap();
        text
    })
}

/// The two are the same octet for octet; says how they differ without printing them.
fn is_same(seen: &[u8], expected: &[u8]) {
    let first = seen.iter().zip(expected).position(|(a, b)| a != b).unwrap_or(seen.len().min(expected.len()));
    let near = String::from_utf8_lossy(&seen[first.saturating_sub(40)..seen.len().min(first + 40)]).into_owned();
    assert_eq!(
        (seen.len(), sha256(seen)),
        (expected.len(), sha256(expected)),
        "they differ from octet {first}, near {near:?}"
    );
}

/// What the sender was told of this message.
fn told(post: &Post, body: &[u8], what: &str) {
    let imdn = post.phone.wait_for_such(1, is_imdn).remove(0);
    let text = String::from_utf8_lossy(&imdn.body).into_owned();
    assert!(imdn.uri().contains(ALICE), "{}", imdn.start);
    assert!(text.contains(what) && text.contains(&imdn_id(body)), "{text}");
    post.phone.stays_at_such(1, is_imdn, A_WHILE);
}

#[test]
fn mng_n1g_a_notification_tells_the_size_of_a_large_message() {
    let (post, bodies, names) = waiting("", &[20_000]);
    let told = post.phone.wait_for_such(1, is_system).remove(0);
    let text = String::from_utf8(told.body).unwrap();
    assert!(text.contains(&format!("<size>{}</size>", bodies[0].len())), "{text}");
    assert!(text.contains(&format!("message-reference=\"{}\"", names[0])), "{text}");
    post.phone.stays_at_such(0, is_call, A_WHILE);
    post.names_nobody();
}

#[test]
fn mng_6b_ii_deliver_sends_that_message_to_the_client_that_asked() {
    let (post, bodies, names) = waiting("", &[9_000, 10_000]);
    let answer = Answer::active();
    post.answers(&answer);
    manage(&post.server, &post.caller, &post.bob, &[(&names[1], "deliver")]);
    let offered = post.is_called(1, &answer);
    assert!(offered.invite.all("Accept-Contact").any(|value| value.contains(INSTANCE)), "{:#?}", offered.invite);
    is_same(&offered.take().octets, &bodies[1]);
    post.is_hung_up(&offered);
    post.server.wait_for_metric(metric::QUEUED, 1.0);
    // MNG-7.
    post.phone.stays_at_such(1, is_call, A_WHILE);
    post.names_nobody();
}

#[test]
fn mng_6b_ii_a_delivery_that_failed_may_be_asked_for_again() {
    let (post, bodies, names) = waiting("", &[40_000]);
    let answer = Answer::active();
    post.answers(&answer);
    manage(&post.server, &post.caller, &post.bob, &[(&names[0], "deliver")]);
    let failing = post.is_called(1, &answer);
    drop(failing.bind());
    post.is_hung_up(&failing);
    post.server.wait_for_event(&post.bob, "TransferFailed");
    post.phone.stays_at_such(1, is_call, A_WHILE);
    manage(&post.server, &post.caller, &post.bob, &[(&names[0], "deliver")]);
    is_same(&post.is_called(2, &answer).take().octets, &bodies[0]);
    post.server.wait_for_metric(metric::QUEUED, 0.0);
}

#[test]
fn mng_6b_i_what_the_profile_holds_back_stays_although_it_was_asked_for() {
    let (post, bodies, names) = waiting("", &[9_000]);
    let answer = Answer::active();
    post.answers(&answer);
    post.server.prefers(&post.bob, "profile", Some("<p><do-not-disturb>true</do-not-disturb></p>"));
    manage(&post.server, &post.caller, &post.bob, &[(&names[0], "deliver")]);
    post.server.wait_for_event(&post.bob, "DeliveryWithheld");
    post.phone.stays_at_such(0, is_call, A_WHILE);
    post.server.wait_for_metric(metric::QUEUED, 1.0);
    post.server.prefers(&post.bob, "profile", None);
    manage(&post.server, &post.caller, &post.bob, &[(&names[0], "deliver")]);
    is_same(&post.is_called(1, &answer).take().octets, &bodies[0]);
}

#[test]
fn mng_3_mng_3x_a_deleted_large_message_is_gone_and_its_sender_is_told() {
    let (post, bodies, names) = waiting("", &[20_000]);
    manage(&post.server, &post.caller, &post.bob, &[(&names[0], "delete")]);
    post.server.wait_for_metric(metric::QUEUED, 0.0);
    told(&post, &bodies[0], "<failed/>");
    let again = listing(&post.caller, &post.bob, &[(&names[0], "deliver")]);
    assert_eq!(crate::call::ask(&post.caller, &again).status(), Some(488));
    post.phone.stays_at_such(0, is_call, A_WHILE);
}

#[test]
fn mng_5_store_puts_a_large_message_into_the_embedded_store_octet_for_octet() {
    let (post, bodies, names) = waiting("", &[200_000]);
    manage(&post.server, &post.caller, &post.bob, &[(&names[0], "store")]);
    post.server.wait_for_event(&post.bob, "MessageStored");
    post.server.wait_for_metric(metric::QUEUED, 0.0);
    let objects = post.server.stored(&post.bob);
    assert_eq!(objects.len(), 1);
    is_same(&objects[0], &object(&post.bob, &bodies[0]));
    // MNG-5x.
    told(&post, &bodies[0], "<delivered/>");
    post.names_nobody();
}

/// The objects of Bob in Dovecot.
fn in_dovecot(dovecot: &Dovecot, post: &Post) -> Vec<crate::dovecot::Seen> {
    dovecot.objects(&format!("{}@{REALM}", post.bob), &format!("Default/{CONVERSATION}"))
}

#[test]
fn mng_5_store_puts_a_large_message_into_dovecot_octet_for_octet() {
    let dovecot = Dovecot::start();
    let (post, bodies, names) = waiting(&of_dovecot(&dovecot), &[300_000]);
    manage(&post.server, &post.caller, &post.bob, &[(&names[0], "store")]);
    let timeline = post.server.wait_for_event(&post.bob, "MessageStored");
    post.server.wait_for_metric(metric::QUEUED, 0.0);
    let seen = in_dovecot(&dovecot, &post);
    assert_eq!(seen.len(), 1);
    is_same(&seen[0].octets, &object(&post.bob, &bodies[0]));
    assert!(timeline.contains(&format!("uid {}", seen[0].uid)), "{timeline}");
    told(&post, &bodies[0], "<delivered/>");
    post.names_nobody();
}

#[test]
fn mng_5_a_large_message_that_dovecot_does_not_take_stays_queued() {
    let mut dovecot = Dovecot::start();
    let (post, bodies, names) = waiting(&of_dovecot(&dovecot), &[50_000]);
    dovecot.kill();
    manage(&post.server, &post.caller, &post.bob, &[(&names[0], "store")]);
    post.server.wait_for_event(&post.bob, "ErrandFailed");
    post.server.wait_for_metric(metric::QUEUED, 1.0);
    dovecot.run();
    manage(&post.server, &post.caller, &post.bob, &[(&names[0], "store")]);
    post.server.wait_for_event(&post.bob, "MessageStored");
    let seen = in_dovecot(&dovecot, &post);
    assert_eq!(seen.len(), 1);
    is_same(&seen[0].octets, &object(&post.bob, &bodies[0]));
}

#[test]
fn mng_5_i_15_killed_between_append_and_our_record_there_is_one_copy_of_a_large_message() {
    let dovecot = Dovecot::start();
    let between = Between::start(dovecot.imap);
    let (mut post, bodies, names) = waiting(&store_at(between.address), &[150_000]);
    manage(&post.server, &post.caller, &post.bob, &[(&names[0], "store")]);
    between.has_appended(1);
    post.server.kill();
    let there = in_dovecot(&dovecot, &post);
    assert_eq!(there.len(), 1);
    between.holds.store(false, Ordering::SeqCst);
    post.server.start();
    post.server.wait_for_event(&post.bob, "MessageStored");
    post.server.wait_for_metric(metric::QUEUED, 0.0);
    assert!(in_dovecot(&dovecot, &post) == there, "a second copy");
    is_same(&there[0].octets, &object(&post.bob, &bodies[0]));
}

#[test]
fn mng_5_a_large_message_with_nul_octets_is_taken_by_dovecot() {
    let dovecot = Dovecot::start();
    let mut post = managed(&of_dovecot(&dovecot));
    post.registers();
    let mut body = letter(&post.bob, 150_000);
    // Beyond the first piece, so that it is not seen at the first look.
    body[100_000..100_003].copy_from_slice(b"a\0b");
    sends(&post.server, &post.caller, offering(&post.caller, &post.bob, body.len()), &body);
    let names = references(&post.server, &post.bob);
    manage(&post.server, &post.caller, &post.bob, &[(&names[0], "store")]);
    post.server.wait_for_event(&post.bob, "MessageStored");
    let seen = in_dovecot(&dovecot, &post);
    assert_eq!(seen.len(), 1);
    // What Dovecot shows for NUL in a plain literal is its affair; the rest is as it was.
    let expected = object(&post.bob, &body);
    let nul = expected.iter().position(|octet| *octet == 0).unwrap();
    assert_eq!(seen[0].octets.len(), expected.len());
    let mut shown = seen[0].octets.clone();
    shown[nul] = 0;
    is_same(&shown, &expected);
}

#[test]
fn exp_2a_a_large_message_that_has_run_out_is_discarded_and_its_sender_is_told() {
    let mut post = Post::with("");
    let body = short(&post, 20_000);
    post.server.wait_for_event(&post.bob, "MessageDiscarded");
    post.server.wait_for_metric(metric::QUEUED, 0.0);
    told(&post, &body, "<failed/>");
    post.registers();
    post.phone.stays_at_such(0, is_call, A_WHILE);
    post.names_nobody();
}

#[test]
fn exp_2b_a_large_message_that_has_run_out_is_stored_and_its_sender_is_told() {
    let dovecot = Dovecot::start();
    for store in [String::new(), of_dovecot(&dovecot)] {
        let post = Post::with(&format!("[realms.\"{REALM}\"]\nexpired = \"store\"\n{store}"));
        let body = short(&post, 100_000);
        post.server.wait_for_event(&post.bob, "MessageStored");
        post.server.wait_for_metric(metric::QUEUED, 0.0);
        let stored = match store.as_str() {
            "" => post.server.stored(&post.bob),
            _ => in_dovecot(&dovecot, &post).into_iter().map(|seen| seen.octets).collect(),
        };
        assert_eq!(stored.len(), 1);
        is_same(&stored[0], &object(&post.bob, &body));
        told(&post, &body, "<delivered/>");
    }
}

#[test]
fn sndl_err_1_i_15_the_history_is_recorded_before_the_invite_and_taken_back_on_failure() {
    let mut post = Post::with("");
    post.server.prefers(&post.bob, "profile", Some(HISTORY));
    let body = post.waits(100_000);
    assert!(post.server.stored(&post.bob).is_empty(), "it is part of the delivery");
    let answer = Answer::active();
    post.answers(&answer);
    post.registers();
    let failing = post.is_called(1, &answer);
    let stored = post.server.stored(&post.bob);
    assert_eq!(stored.len(), 1, "recorded before the INVITE");
    is_same(&stored[0], &object(&post.bob, &body));
    assert!(failing.invite.header("Message-UID").is_some_and(|uid| uid.parse::<u32>().is_ok()), "its UID in the store");
    let mut link = failing.bind();
    let first = link.frame();
    link.send(&first.response(413));
    // SNDL-ERR-1.
    post.server.wait_for_event(&post.bob, "HistoryWithdrawn");
    assert!(post.server.stored(&post.bob).is_empty(), "the failed delivery leaves no copy");
    let offered = post.gets_it_in_the_end(&body);
    assert!(offered.invite.header("Message-UID").is_some());
    let timeline = post.server.timeline(&post.bob);
    assert_eq!(timeline.matches("HistoryRecorded").count(), 2, "recorded anew\n{timeline}");
    is_same(&post.server.stored(&post.bob)[0], &object(&post.bob, &body));
}

#[test]
fn i_15_a_refused_invite_leaves_no_copy_in_dovecot_and_a_delivery_leaves_one() {
    let dovecot = Dovecot::start();
    let mut post = Post::with(&of_dovecot(&dovecot));
    post.server.prefers(&post.bob, "profile", Some(HISTORY));
    let body = post.waits(100_000);
    post.refuses(486);
    post.registers();
    post.phone.wait_for_such(1, is_call);
    post.server.wait_for_event(&post.bob, "HistoryWithdrawn");
    assert!(in_dovecot(&dovecot, &post).is_empty());
    let offered = post.gets_it_in_the_end(&body);
    let seen = in_dovecot(&dovecot, &post);
    assert_eq!(seen.len(), 1);
    assert_eq!(offered.invite.header("Message-UID"), Some(seen[0].uid.to_string().as_str()));
    is_same(&seen[0].octets, &object(&post.bob, &body));
}

/// An ISF that takes one message by a call.
fn isf(options: &[&str]) -> (Peer, String) {
    let common = ["receive", "--server", "127.0.0.1:9", "--no-register", "--user", "sip:isf@ims.test"];
    let mut peer = Peer::run(&[&common, options].concat());
    let port = peer.wait_for("ready")["port"].to_string();
    (peer, format!("isf = \"sip:127.0.0.1:{port};transport=tcp\"\n"))
}

#[test]
fn mng_4_interwork_calls_the_isf_and_removes_the_message_when_it_has_it_all() {
    let (peer, setting) = isf(&[]);
    let (post, bodies, names) = waiting(&setting, &[120_000]);
    manage(&post.server, &post.caller, &post.bob, &[(&names[0], "interwork")]);
    let heard = peer.finish().good();
    let line = heard.only("received");
    assert_eq!(text(line, "sha256"), sha256(&bodies[0]));
    // RSN-4: straight to it, and as what the message came.
    assert_eq!(header(line, "invite", "Route"), None, "{line:#}");
    let service = header(line, "invite", "P-Asserted-Service");
    assert_eq!(service, Some("urn:urn-7:3gpp-service.ims.icsi.oma.cpm.largemsg"));
    assert!(header(line, "invite", "Accept-Contact").unwrap().contains("oma.cpm.largemsg"), "{line:#}");
    assert!(header(line, "invite", "P-Asserted-Identity").unwrap().contains(ALICE));
    assert!(text(line, "uri").starts_with(&address(&post.bob)), "{line:#}");
    assert_eq!(text(line, "bye"), "theirs");
    post.server.wait_for_event(&post.bob, "MessageInterworked");
    post.server.wait_for_metric(metric::QUEUED, 0.0);
    // I-33: the notification is the ISF's affair.
    assert!(post.phone.such(is_imdn).is_empty() && post.phone.such(is_push).is_empty());
    post.names_nobody();
}

#[test]
fn mng_4_what_the_isf_does_not_take_stays_queued() {
    for options in [&["--answer", "488"][..], &["--msrp-status", "413"], &["--close-after", "1000"]] {
        let (peer, setting) = isf(options);
        let (post, bodies, names) = waiting(&setting, &[90_000]);
        manage(&post.server, &post.caller, &post.bob, &[(&names[0], "interwork")]);
        post.server.wait_for_event(&post.bob, "ErrandFailed");
        post.server.wait_for_metric(metric::QUEUED, 1.0);
        drop(peer);
        let answer = Answer::active();
        post.answers(&answer);
        manage(&post.server, &post.caller, &post.bob, &[(&names[0], "deliver")]);
        is_same(&post.is_called(1, &answer).take().octets, &bodies[0]);
        post.server.wait_for_metric(metric::QUEUED, 0.0);
    }
}

#[test]
fn mng_4_without_an_isf_a_large_message_is_kept() {
    let (post, _, names) = waiting("", &[9_000]);
    manage(&post.server, &post.caller, &post.bob, &[(&names[0], "interwork")]);
    let timeline = post.server.wait_for_event(&post.bob, "ErrandFailed");
    assert!(timeline.contains("interworking, nobody is configured for it"), "{timeline}");
    post.server.wait_for_metric(metric::QUEUED, 1.0);
}

/// A certificate of this machine's for both ends, in PEM files.
fn certificate(home: &std::path::Path, name: &str) -> (String, String) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let [certificate, key] = ["pem", "key"].map(|kind| home.join(format!("{name}.{kind}")));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    (certificate.display().to_string(), key.display().to_string())
}

/// A server that offers TLS, and what a client of its own needs for that.
fn secured(home: &std::path::Path) -> (Server, [String; 5]) {
    let (certificate_file, key) = certificate(home, "server");
    let config = format!(
        "[msrp]\noffer-tls = true\ntls-certificate = {certificate_file:?}\ntls-key = {key:?}\n[log]\nfilter = \"info,restante=trace\""
    );
    let mut setup = Setup::alone().config(&config);
    setup.msrp = "msrps:127.0.0.1:0";
    let (ours, our_key) = certificate(home, "client");
    (setup.start(), ["--tls".to_owned(), "--cert".to_owned(), ours, "--key".to_owned(), our_key])
}

#[test]
fn sndl_7_with_tls_the_fingerprints_agree_and_the_message_comes_whole() {
    let home = tempfile::tempdir().unwrap();
    let (server, tls) = secured(home.path());
    let bob = someone();
    let options: Vec<&str> = tls.iter().map(String::as_str).collect();
    let body = letter(&bob, 150_000);
    // It came over TLS, too: this server has no other socket.
    let file = home.path().join("body");
    std::fs::write(&file, &body).unwrap();
    let from = [&options[..], &["--file", file.to_str().unwrap()]].concat();
    let sent = Peer::sending(&server, &bob, &from).finish().good();
    assert_eq!(sent.digests("sent"), [sha256(&body)]);
    server.wait_for_metric(metric::QUEUED, 1.0);

    // Another certificate's fingerprint, and an answer without TLS.
    let (why, fingerprint) = ("TransferFailed", format!("SHA-256 {}", ["00"; 32].join(":")));
    for wrong in [&["--fingerprint", fingerprint.as_str()][..], &["--plain"]] {
        let failures = server.timeline(&bob).matches(why).count();
        let told = Peer::receiving(&server, &bob, &[&options[..], wrong, &["--deregister"]].concat()).finish();
        let line = told.only("received");
        assert_ne!(line["size"], body.len(), "{line:#}");
        let timeline = server.wait_for_event(&bob, why);
        assert_eq!(timeline.matches(why).count(), failures + 1, "{timeline}");
        assert_eq!(server.metric(metric::QUEUED), Some(1.0));
    }
    let told = Peer::receiving(&server, &bob, &options).finish().good();
    let line = told.only("received");
    assert_eq!(text(line, "sha256"), sha256(&body));
    assert_eq!(line["fingerprint_agrees"], true, "{line:#}");
    let sdp = text(line, "sdp");
    assert!(sdp.contains(" TCP/TLS/MSRP *\r\n") && sdp.contains("a=path:msrps://"), "{sdp}");
    server.wait_for_metric(metric::QUEUED, 0.0);
    let log = server.log();
    assert!(!log.contains(&bob) && !log.contains(ALICE), "personal data in the log:\n{log}");
}

#[test]
fn the_python_peer_takes_a_push_slowly_by_relays_and_by_calling_back() {
    let server = Setup::alone().config("[msrp]\nchunk-bytes-max = 8192").start();
    for options in [&["--rate", "200KiB"][..], &["--path-relay"], &["--setup", "passive"], &["--setup", "none"]] {
        let bob = someone();
        let sent = Peer::sending(&server, &bob, &["--size", "100KiB", "--seed", &bob[2..]]).finish().good();
        let told = Peer::receiving(&server, &bob, &[options, &["--strict"]].concat()).finish().good();
        assert_eq!(told.digests("received"), sent.digests("sent"), "{options:?}");
    }
    server.wait_for_metric(metric::QUEUED, 0.0);
}
