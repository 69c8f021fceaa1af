//! The message store on a real IMAP server, Dovecot: expiry, history, management, crashes and outages.

use crate::call::{HOST, managed, references};
use crate::dovecot::{Dovecot, MASTER_PASSWORD, MASTER_USER, Seen};
use crate::phone::{Phone, Reply, is_imdn, is_push};
use crate::server::{Server, Setup, metric};
use crate::sipp::Sipp;
use crate::ua::{Caller, PATIENCE};
use crate::wire::{ALICE, REALM, Registration, cpim, imdn_id, message, someone};
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

/// Where the messages of [`message`]'s conversation are.
const FOLDER: &str = "Default/f81d4fae-7dec-11d0-a765-00a0c91e6bf6";
const QUICK: &str = "[queue]\nbackoff-min-secs = 1\nbackoff-max-secs = 1";
const STORING: &str = "expired = \"store\"";

/// Bob's phone may be on, and the store is here.
fn storing(at: SocketAddr) -> String {
    format!(
        "[store]\nimap = \"imap+plain://{at}\"\nmaster-user = \"{MASTER_USER}\"\nmaster-password = {MASTER_PASSWORD:?}"
    )
}

fn in_store(dovecot: &Dovecot, user: &str) -> Vec<Seen> {
    dovecot.objects(&format!("{user}@{REALM}"), FOLDER)
}

fn short(caller: &Caller, user: &str, body: &[u8]) {
    let request = message(caller.via(), user, body).set("Expires", "1");
    assert_eq!(caller.request(&request).status(), Some(202));
}

/// Waits until the timeline of a user tells this so often.
fn times(server: &Server, user: &str, event: &str, count: usize) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let timeline = server.timeline(user);
        if timeline.matches(event).count() >= count {
            return timeline;
        }
        assert!(Instant::now() < deadline, "{event} not {count} times in\n{timeline}\n{}", server.log());
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The object of chapter 6 of the Message Storage standard for a message of [`message`]'s.
fn object(user: &str, body: &[u8]) -> String {
    format!(
        "From: sip:{ALICE}@{REALM}\r\nTo: sip:{user}@{REALM}\r\nDate: Tue, 02 Mar 2010 09:14:07 +0000\r\n\
         Message-Context: pager-message\r\nP-Asserted-Service: urn:urn-7:3gpp-service.ims.icsi.oma.cpm.msg\r\n\
         Conversation-ID: f81d4fae-7dec-11d0-a765-00a0c91e6bf6\r\n\
         Contribution-ID: abcdef00-1234-11df-8a39-0800200c9a66\r\nIMDN-Message-ID: {}\r\n\
         Content-Type: Message/CPIM\r\n\r\n{}",
        imdn_id(body),
        String::from_utf8_lossy(body)
    )
}

#[test]
fn exp_2b_i_an_expired_message_is_in_dovecot_under_its_conversation_and_the_sender_is_told() {
    let dovecot = Dovecot::start();
    let phone = Phone::answering(200);
    let tls = storing(dovecot.imaps).replace("imap+plain", "imaps");
    let server = managed(&phone, STORING).config(&format!("{tls}\nca-file = {:?}", dovecot.ca_file())).start();
    let (caller, bob) = (server.caller(), someone());
    let body = cpim(&bob, "the train is late");
    short(&caller, &bob, &body);
    let timeline = server.wait_for_event(&bob, "MessageStored");
    let seen = in_store(&dovecot, &bob);
    assert_eq!(seen.len(), 1, "{seen:?}\n{timeline}");
    assert!(!seen[0].flags.contains("\\Seen"), "{}", seen[0].flags);
    assert_eq!(String::from_utf8_lossy(&seen[0].octets), object(&bob, &body));
    assert!(timeline.contains(&format!("uid {}", seen[0].uid)), "{timeline}");
    let told = phone.wait_for_such(1, is_imdn).remove(0);
    let told_body = String::from_utf8_lossy(&told.body).into_owned();
    assert!(told_body.contains("<delivered/>") && told_body.contains(&imdn_id(&body)), "{told_body}");
    server.wait_for_metric(metric::QUEUED, 0.0);
    // The phone that comes now has nothing to fetch: it is in the store.
    server.registered(&caller, &mut Registration::of(&bob), &phone, 3600);
    server.wait_for_event(&bob, "ClientRegistered");
    assert!(phone.such(is_push).is_empty());
}

#[test]
fn sndp_6_to_err_1_the_history_is_in_dovecot_before_the_push_and_goes_with_its_failure() {
    let dovecot = Arc::new(Dovecot::start());
    let (bob, looks) = (someone(), Arc::new(Mutex::new(Vec::new())));
    // What is in the store at the moment of each push.
    let look = {
        let (dovecot, bob, looks) = (Arc::clone(&dovecot), bob.clone(), Arc::clone(&looks));
        move |status: u16| {
            let (dovecot, bob, looks) = (Arc::clone(&dovecot), bob.clone(), Arc::clone(&looks));
            move |message: &crate::ua::Message| {
                if is_push(message) {
                    let uids: Vec<u32> = in_store(&dovecot, &bob).iter().map(|seen| seen.uid).collect();
                    looks.lock().unwrap().push(uids);
                    return Reply::Status(status);
                }
                Reply::Status(200)
            }
        }
    };
    let phone = Phone::with_rule(look(480));
    let server = Setup::behind(phone.address()).config(&storing(dovecot.imap)).start();
    let caller = server.caller();
    server.prefers(&bob, "profile", Some("<p><allow-offline-storage>active</allow-offline-storage></p>"));
    let body = cpim(&bob, "for the history");
    server.deferred(&caller, &bob, &body);
    assert!(in_store(&dovecot, &bob).is_empty(), "SNDP-6 is part of the push");
    let mut registration = Registration::of(&bob);
    server.registered(&caller, &mut registration, &phone, 3600);
    // SNDP-ERR-1.
    server.wait_for_event(&bob, "HistoryWithdrawn");
    assert!(in_store(&dovecot, &bob).is_empty(), "the failed push leaves no copy");
    server.wait_for_metric(metric::QUEUED, 1.0);
    phone.change(look(200));
    server.registered(&caller, &mut registration, &phone, 0);
    server.registered(&caller, &mut registration, &phone, 3600);
    server.wait_for_metric(metric::QUEUED, 0.0);
    let timeline = server.wait_for_event(&bob, "MessageDelivered");
    assert_eq!(timeline.matches("HistoryRecorded").count(), 2, "recorded anew\n{timeline}");
    let pushes = phone.such(is_push);
    let told: Vec<u32> = pushes.iter().map(|push| push.header("Message-UID").unwrap().parse().unwrap()).collect();
    let looks = looks.lock().unwrap().clone();
    assert_eq!(looks, told.iter().map(|uid| vec![*uid]).collect::<Vec<_>>(), "SNDP-7");
    assert!(told.len() == 2 && told[0] < told[1], "{told:?}");
    let seen = in_store(&dovecot, &bob);
    assert_eq!(seen.iter().map(|seen| seen.uid).collect::<Vec<_>>(), [told[1]]);
    assert_eq!(String::from_utf8_lossy(&seen[0].octets), object(&bob, &body));
}

#[test]
fn sndp_err_1_the_record_of_a_failed_push_is_taken_back_when_the_store_is_there_again() {
    let dovecot = Arc::new(Mutex::new(Dovecot::start()));
    let at = dovecot.lock().unwrap().imap;
    let killed = Arc::clone(&dovecot);
    let phone = Phone::with_rule(move |message| {
        if is_push(message) {
            assert!(message.header("Message-UID").is_some(), "SNDP-7");
            killed.lock().unwrap().kill();
        }
        Reply::Status(480)
    });
    let pauses = "[queue]\nbackoff-min-secs = 3\nbackoff-max-secs = 6";
    let mut server = Setup::behind(phone.address()).config(&storing(at)).config(pauses).start();
    let (caller, bob) = (server.caller(), someone());
    server.prefers(&bob, "profile", Some("<p><allow-offline-storage>active</allow-offline-storage></p>"));
    server.deferred(&caller, &bob, &cpim(&bob, "for the history"));
    let mut registration = Registration::of(&bob);
    server.registered(&caller, &mut registration, &phone, 3600);
    times(&server, &bob, "out of the history, could not be reached; again at", 1);
    // Nobody is there to be asked anew meanwhile, and what is owed to the store outlives us.
    server.registered(&caller, &mut registration, &phone, 0);
    server.kill();
    dovecot.lock().unwrap().run();
    assert_eq!(in_store(&dovecot.lock().unwrap(), &bob).len(), 1, "it is still there");
    server.start();
    server.wait_for_event(&bob, "HistoryWithdrawn");
    assert!(in_store(&dovecot.lock().unwrap(), &bob).is_empty());
    server.wait_for_metric(metric::QUEUED, 1.0);
}

/// SIPp asks that a message be stored (WX-6).
fn store_by_sipp(server: &Server, user: &str, reference: &str) {
    let options =
        ["-m", "1", "-s", user, "-key", "message", reference, "-key", "action", "store", "-key", "host", HOST];
    Sipp::client("uac-invite-manage.xml", server.sip(), &options).succeeds();
}

#[test]
fn mng_5_sipp_has_a_message_stored_in_dovecot_and_what_cannot_be_stored_stays() {
    let mut dovecot = Dovecot::start();
    let phone = Phone::answering(200);
    let server = managed(&phone, "").config(&storing(dovecot.imap)).config(QUICK).start();
    let (caller, bob) = (server.caller(), someone());
    let bodies = ["one", "two"].map(|text| cpim(&bob, text));
    for body in &bodies {
        server.deferred(&caller, &bob, body);
    }
    let names = references(&server, &bob);
    // MNG-5, I-19: a store that is down leaves the message where it is.
    dovecot.kill();
    store_by_sipp(&server, &bob, &names[0]);
    let timeline = server.wait_for_event(&bob, "ErrandFailed");
    assert!(timeline.contains("into the message store, could not be reached; given up"), "{timeline}");
    server.wait_for_metric(metric::QUEUED, 2.0);
    dovecot.run();
    store_by_sipp(&server, &bob, &names[0]);
    server.wait_for_event(&bob, "MessageStored");
    server.wait_for_metric(metric::QUEUED, 1.0);
    let seen = in_store(&dovecot, &bob);
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!(String::from_utf8_lossy(&seen[0].octets), object(&bob, &bodies[0]));
    // MNG-5x.
    let told = phone.wait_for_such(1, is_imdn).remove(0);
    assert!(String::from_utf8_lossy(&told.body).contains("<delivered/>"), "{told:#?}");
    assert_eq!(phone.such(is_imdn).len(), 1, "the failure is no disposition");
}

/// Between us and Dovecot; keeps back the answer to an APPEND while it is told to, and says when one has come.
pub struct Between {
    pub address: SocketAddr,
    pub holds: Arc<AtomicBool>,
    appended: mpsc::Receiver<()>,
}

impl Between {
    pub fn start(dovecot: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let holds = Arc::new(AtomicBool::new(true));
        let (tell, appended) = mpsc::channel();
        let holding = Arc::clone(&holds);
        // It ends with the process.
        std::thread::spawn(move || {
            while let Ok((ours, _)) = listener.accept() {
                let theirs = TcpStream::connect(dovecot).unwrap();
                let (there, back) = (ours.try_clone().unwrap(), theirs.try_clone().unwrap());
                std::thread::spawn(move || pass(there, &back, |_| true));
                let (tell, holding) = (tell.clone(), Arc::clone(&holding));
                std::thread::spawn(move || {
                    pass(theirs, &ours, |piece| {
                        let is_held =
                            holding.load(Ordering::SeqCst) && piece.windows(9).any(|part| part == b"APPENDUID");
                        if is_held {
                            let _ = tell.send(());
                        }
                        !is_held
                    });
                });
            }
        });
        Self { address, holds, appended }
    }

    /// Waits until Dovecot has so many objects more, of which nobody knows.
    pub fn has_appended(&self, count: usize) {
        for _ in 0..count {
            self.appended.recv_timeout(PATIENCE).expect("an APPEND");
        }
    }
}

/// Passes on what comes, as long as it may.
fn pass(mut from: TcpStream, mut to: &TcpStream, mut may_go: impl FnMut(&[u8]) -> bool) {
    let mut buffer = [0; 16_384];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if may_go(&buffer[..length]) && to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

#[test]
fn exp_2b_i_mng_5_sndp_6_killed_between_append_and_our_record_there_is_one_copy_in_dovecot() {
    let dovecot = Dovecot::start();
    let between = Between::start(dovecot.imap);
    let phone = Phone::answering(200);
    let mut server = managed(&phone, STORING).config(&storing(between.address)).config(QUICK).start();
    let caller = server.caller();
    let (bob, carol, dave) = (someone(), someone(), someone());
    let [bobs, carols, daves] = [&bob, &carol, &dave].map(|user| cpim(user, "once"));
    // Bob's expires, Carol asks for hers to be stored, Dave's history is recorded.
    short(&caller, &bob, &bobs);
    server.deferred(&caller, &carol, &carols);
    let offline = "<allow-offline-storage>active</allow-offline-storage>";
    server.prefers(&dave, "rules", Some(&rule(&format!("<allow-push/>{offline}"))));
    server.deferred(&caller, &dave, &daves);
    store_by_sipp(&server, &carol, &references(&server, &carol)[0]);
    server.registered(&caller, &mut Registration::of(&dave), &phone, 3600);
    between.has_appended(3);
    for user in [&bob, &carol, &dave] {
        let timeline = server.timeline(user);
        assert!(!timeline.contains("MessageStored") && !timeline.contains("HistoryRecorded"), "{timeline}");
    }
    server.kill();
    let there = [&bob, &carol, &dave].map(|user| in_store(&dovecot, user));
    assert!(there.iter().all(|seen| seen.len() == 1), "{there:?}");
    between.holds.store(false, Ordering::SeqCst);
    server.start();
    server.wait_for_metric(metric::QUEUED, 0.0);
    for (user, event) in [(&bob, "MessageStored"), (&carol, "MessageStored"), (&dave, "MessageDelivered")] {
        server.wait_for_event(user, event);
    }
    assert_eq!(in_store(&dovecot, &bob), there[0]);
    assert_eq!(in_store(&dovecot, &carol), there[1]);
    for (user, there) in [(&bob, &there[0]), (&carol, &there[1])] {
        assert!(server.timeline(user).contains(&format!("uid {}", there[0].uid)), "the copy that was there");
    }
    // Dave's push tells the UID of the one copy that there is.
    let push = phone.wait_for_such(1, is_push).remove(0);
    assert_eq!(in_store(&dovecot, &dave), there[2]);
    assert_eq!(there[2][0].uid.to_string(), push.header("Message-UID").expect("SNDP-7"));
    phone.wait_for_such(2, is_imdn);
}

#[test]
fn mng_5_sndp_6_an_append_whose_answer_was_lost_is_looked_for_before_the_next_one() {
    let dovecot = Dovecot::start();
    let between = Between::start(dovecot.imap);
    let phone = Phone::with_rule(|message| Reply::Status(if is_push(message) { 480 } else { 200 }));
    let store = storing(between.address) + "\ncommand-secs = 1";
    let server = managed(&phone, "").config(&store).start();
    let (caller, carol, dave) = (server.caller(), someone(), someone());
    // Carol's attempt to store and Dave's record come to nothing that we would know of.
    server.deferred(&caller, &carol, &cpim(&carol, "once"));
    let name = references(&server, &carol).remove(0);
    store_by_sipp(&server, &carol, &name);
    let offline = "<allow-push/><allow-offline-storage>active</allow-offline-storage>";
    server.prefers(&dave, "rules", Some(&rule(offline)));
    server.deferred(&caller, &dave, &cpim(&dave, "once"));
    let mut registration = Registration::of(&dave);
    server.registered(&caller, &mut registration, &phone, 3600);
    between.has_appended(2);
    times(&server, &carol, "into the message store, could not be reached; given up", 1);
    times(&server, &dave, "into the history, could not be reached; given up", 1);
    server.wait_for_event(&dave, "DeliveryFailed");
    assert_eq!(phone.such(is_push)[0].header("Message-UID"), None, "a push does not wait for the history");
    server.wait_for_metric(metric::QUEUED, 2.0);
    let there = [&carol, &dave].map(|user| in_store(&dovecot, user));
    assert!(there.iter().all(|seen| seen.len() == 1), "{there:?}");
    between.holds.store(false, Ordering::SeqCst);
    store_by_sipp(&server, &carol, &name);
    server.wait_for_event(&carol, "MessageStored");
    assert_eq!(in_store(&dovecot, &carol), there[0]);
    phone.change(|_| Reply::Status(200));
    server.registered(&caller, &mut registration, &phone, 0);
    server.registered(&caller, &mut registration, &phone, 3600);
    server.wait_for_event(&dave, "MessageDelivered");
    assert_eq!(in_store(&dovecot, &dave), there[1]);
    let uid = there[1][0].uid.to_string();
    assert_eq!(phone.such(is_push)[1].header("Message-UID"), Some(uid.as_str()));
    server.wait_for_metric(metric::QUEUED, 0.0);
}

/// A rule for deferred messages with these actions.
fn rule(actions: &str) -> String {
    format!(
        "<ruleset><rule id=\"r\"><conditions><service-list><service enabler=\"CPM\"/></service-list>\
         <media-list><deferred-messages/></media-list></conditions><actions>{actions}</actions></rule></ruleset>"
    )
}

#[test]
fn exp_2b_an_expired_message_waits_for_a_store_that_is_down() {
    let mut dovecot = Dovecot::start();
    let phone = Phone::answering(200);
    let mut server = managed(&phone, STORING).config(&storing(dovecot.imap)).config(QUICK).start();
    let (caller, bob) = (server.caller(), someone());
    dovecot.kill();
    let body = cpim(&bob, "patience");
    short(&caller, &bob, &body);
    let timeline = times(&server, &bob, "into the message store, could not be reached; again at", 2);
    assert!(!timeline.contains("MessageDiscarded"), "{timeline}");
    assert_eq!(server.metric(metric::QUEUED), Some(1.0));
    // It is not forgotten by a restart either.
    server.kill();
    server.start();
    times(&server, &bob, "again at", 3);
    assert!(phone.such(is_imdn).is_empty(), "nothing has become of it yet");
    dovecot.run();
    server.wait_for_event(&bob, "MessageStored");
    server.wait_for_metric(metric::QUEUED, 0.0);
    let seen = in_store(&dovecot, &bob);
    assert_eq!(seen.iter().map(|seen| imdn_id(&seen.octets)).collect::<Vec<_>>(), [imdn_id(&body)]);
    let told = phone.wait_for_such(1, is_imdn).remove(0);
    assert!(String::from_utf8_lossy(&told.body).contains("<delivered/>"), "{told:#?}");
}
