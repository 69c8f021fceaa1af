//! `kill -9` while something is owed: reports, stored and interworked messages, management calls.

use crate::call::{Call, listing, manage, managed, references};
use crate::dovecot::{Dovecot, MASTER_PASSWORD, MASTER_USER};
use crate::phone::{Phone, Reply, is_imdn, is_push};
use crate::server::{Server, Setup, metric};
use crate::ua::{Caller, PATIENCE};
use crate::wire::{REALM, Registration, address, cpim, imdn_id, message, someone};
use std::collections::{HashMap, HashSet};
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Long enough for what must not come.
const A_WHILE: Duration = Duration::from_millis(700);

fn short(caller: &Caller, user: &str, body: &[u8]) {
    let request = message(caller.via(), user, body).set("Expires", "1");
    assert_eq!(caller.request(&request).status(), Some(202));
}

fn restart(server: &mut Server) {
    server.kill();
    server.start();
}

#[test]
fn exp_2a_iii_an_owed_report_is_sent_again_under_its_own_names_after_kill_9() {
    let phone = Phone::with_rule(|_| Reply::Silence);
    let mut server = Setup::behind(phone.address()).start();
    let (caller, bob) = (server.caller(), someone());
    short(&caller, &bob, &cpim(&bob, "too late"));
    phone.wait_for_such(1, is_imdn);
    restart(&mut server);
    let repeats = phone.repeats();
    phone.change(|_| Reply::Status(200));
    server.wait_for_event(&bob, "DispositionSent");
    assert!(phone.repeats() > repeats, "it came again");
    phone.stays_at_such(1, is_imdn, A_WHILE);
    restart(&mut server);
    phone.stays_at_such(1, is_imdn, A_WHILE);
    assert_eq!(server.timeline(&bob).matches("DispositionSent").count(), 1);
}

#[test]
fn exp_2a_iii_a_report_of_a_message_that_expired_while_we_were_dead_is_sent_once() {
    let phone = Phone::answering(200);
    let mut server = Setup::behind(phone.address()).start();
    let (caller, bob) = (server.caller(), someone());
    short(&caller, &bob, &cpim(&bob, "too late"));
    server.kill();
    // The passing of its life is the point here.
    std::thread::sleep(Duration::from_millis(1300));
    server.start();
    phone.wait_for_such(1, is_imdn);
    server.wait_for_event(&bob, "DispositionSent");
    phone.stays_at_such(1, is_imdn, A_WHILE);
}

#[test]
fn mng_2_killed_before_the_ack_nothing_was_asked_for() {
    let phone = Phone::answering(200);
    let mut server = managed(&phone, "").start();
    let (caller, bob) = (server.caller(), someone());
    server.deferred(&caller, &bob, &cpim(&bob, "one"));
    let names = references(&server, &bob);
    let call = Call::open(&server, &caller, listing(&caller, &bob, &[(&names[0], "delete")]));
    restart(&mut server);
    call.acknowledge();
    assert_eq!(caller.request(&call.request("BYE", 2)).status(), Some(481), "nobody knows the call any more");
    server.wait_for_metric(metric::QUEUED, 1.0);
    manage(&server, &caller, &bob, &[(&names[0], "delete")]);
    server.wait_for_metric(metric::QUEUED, 0.0);
}

#[test]
fn mng_4_what_is_on_its_way_to_the_isf_gets_there_once() {
    let (phone, isf) = (Phone::answering(200), Phone::with_rule(|_| Reply::Silence));
    let mut server = managed(&phone, &format!("isf = \"sip:{}\"", isf.address())).start();
    let (caller, bob) = (server.caller(), someone());
    server.deferred(&caller, &bob, &cpim(&bob, "one"));
    manage(&server, &caller, &bob, &[(&references(&server, &bob)[0], "interwork")]);
    isf.wait_for(1);
    restart(&mut server);
    isf.change(|_| Reply::Status(200));
    server.wait_for_metric(metric::QUEUED, 0.0);
    server.wait_for_event(&bob, "MessageInterworked");
    isf.stays_at(1, A_WHILE);
}

#[test]
fn mng_6_a_delivery_that_was_asked_for_goes_on_after_kill_9() {
    let phone = Phone::with_rule(|request| if is_push(request) { Reply::Silence } else { Reply::Status(200) });
    let mut server = managed(&phone, "").start();
    let (caller, bob) = (server.caller(), someone());
    server.registered(&caller, &mut Registration::of(&bob), &phone, 3600);
    for text in ["one", "two"] {
        server.deferred(&caller, &bob, &cpim(&bob, text));
    }
    let names = references(&server, &bob);
    manage(&server, &caller, &bob, &[(&names[0], "deliver"), (&names[1], "deliver")]);
    phone.wait_for_such(1, is_push);
    restart(&mut server);
    phone.change(|_| Reply::Status(200));
    let pushed = phone.wait_for_such(2, is_push);
    assert_ne!(pushed[0].body, pushed[1].body);
    server.wait_for_metric(metric::QUEUED, 0.0);
    phone.stays_at_such(2, is_push, A_WHILE);
}

#[test]
fn mng_n2_a_notice_is_in_the_outbox_once_and_survives_kill_9() {
    let phone = Phone::answering(200);
    let mut server = managed(&phone, "").start();
    let (caller, users) = (server.caller(), [someone(), someone(), someone(), someone()]);
    for user in &users {
        server.deferred(&caller, user, &cpim(user, "one"));
    }
    for _ in 0..3 {
        restart(&mut server);
    }
    for user in &users {
        server.wait_for_event(user, "NotificationSent");
    }
    let told: Vec<_> = server.notices().iter().map(|notice| notice["user"].as_str().unwrap().to_owned()).collect();
    let expected: HashSet<_> = users.iter().map(|user| address(user)).collect();
    assert_eq!(told.iter().cloned().collect::<HashSet<_>>(), expected);
    assert_eq!(told.len(), users.len(), "{told:?}");
}

/// Waits until this many reports of different messages have come, and gives the Call-IDs by message.
fn reports(phone: &Phone, count: usize) -> HashMap<String, HashSet<String>> {
    let deadline = Instant::now() + PATIENCE * 2;
    loop {
        let mut all: HashMap<String, HashSet<String>> = HashMap::new();
        for report in phone.such(is_imdn) {
            let text = String::from_utf8_lossy(&report.body).into_owned();
            let id = text.split("<message-id>").nth(1).unwrap().split('<').next().unwrap().to_owned();
            all.entry(id).or_default().insert(report.call_id().to_owned());
        }
        if all.len() >= count {
            return all;
        }
        assert!(Instant::now() < deadline, "{} of {count} reports came", all.len());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Restarts a server again and again while what it was given expires.
fn storm(server: &mut Server, rounds: u32) {
    for round in 0..rounds {
        std::thread::sleep(Duration::from_millis(u64::from(20 + round * 37 % 150)));
        restart(server);
    }
}

#[test]
fn exp_2b_i_a_storm_of_kills_stores_every_message_once_and_reports_it_once() {
    let phone = Phone::answering(200);
    let mut server =
        managed(&phone, "expired = \"store\"").config("[queue]\nbackoff-min-secs = 1\nbackoff-max-secs = 1").start();
    let (caller, users) = (server.caller(), (0..10).map(|_| someone()).collect::<Vec<_>>());
    let mut ids = HashSet::new();
    for user in &users {
        for n in 0..4 {
            let body = cpim(user, &format!("message {n}"));
            ids.insert(imdn_id(&body));
            short(&caller, user, &body);
        }
    }
    std::thread::sleep(Duration::from_millis(300));
    storm(&mut server, 8);
    server.wait_for_metric(metric::QUEUED, 0.0);
    for user in &users {
        let stored = server.stored(user);
        let distinct: HashSet<_> = stored.iter().map(|object| imdn_id(object)).collect();
        assert_eq!(stored.len(), 4, "{user}: {} of 4 different ones\n{}", distinct.len(), server.timeline(user));
        assert_eq!(distinct.len(), 4);
    }
    let reports = reports(&phone, ids.len());
    assert_eq!(reports.keys().cloned().collect::<HashSet<_>>(), ids);
    let doubled: Vec<_> = reports.values().filter(|names| names.len() > 1).collect();
    assert!(doubled.is_empty(), "reported under more than one Call-ID: {doubled:?}");
}

#[test]
fn mng_3x_a_storm_of_kills_reports_every_deleted_message_once() {
    let phone = Phone::answering(200);
    let mut server = managed(&phone, "").start();
    let (caller, users) = (server.caller(), (0..6).map(|_| someone()).collect::<Vec<_>>());
    let mut ids = HashSet::new();
    for user in &users {
        for n in 0..5 {
            let body = cpim(user, &format!("message {n}"));
            ids.insert(imdn_id(&body));
            server.deferred(&caller, user, &body);
        }
    }
    for user in &users {
        let names = references(&server, user);
        let wanted: Vec<_> = names.iter().map(|name| (name.as_str(), "delete")).collect();
        let call = Call::open(&server, &caller, listing(&caller, user, &wanted));
        call.acknowledge();
        call.is_hung_up();
        restart(&mut server);
    }
    server.wait_for_metric(metric::QUEUED, 0.0);
    let reports = reports(&phone, ids.len());
    assert_eq!(reports.keys().cloned().collect::<HashSet<_>>(), ids);
    assert!(reports.values().all(|names| names.len() == 1), "{reports:?}");
}

/// A relay before Dovecot that keeps back what says that an APPEND is done, until it is opened: the client is left
/// between the APPEND and its own record of it.
struct Relay {
    address: SocketAddr,
    open: Arc<AtomicBool>,
    kept_back: Arc<AtomicUsize>,
}

impl Relay {
    fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let relay = Self { address: listener.local_addr().unwrap(), open: Arc::default(), kept_back: Arc::default() };
        let (open, kept_back) = (Arc::clone(&relay.open), Arc::clone(&relay.kept_back));
        // It lives as long as the test process: nobody waits for its threads.
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(upstream) = TcpStream::connect(server) else { continue };
                let (mut from, mut to) = (client.try_clone().unwrap(), upstream.try_clone().unwrap());
                std::thread::spawn(move || {
                    let _ = std::io::copy(&mut from, &mut to);
                    let _ = to.shutdown(Shutdown::Both);
                });
                let (open, kept_back) = (Arc::clone(&open), Arc::clone(&kept_back));
                std::thread::spawn(move || pass_down(upstream, client, &open, &kept_back));
            }
        });
        relay
    }
}

fn pass_down(mut from: TcpStream, mut to: TcpStream, open: &AtomicBool, kept_back: &AtomicUsize) {
    let mut piece = [0; 16_384];
    while let Ok(length @ 1..) = from.read(&mut piece) {
        let is_done = piece[..length].windows(9).any(|word| word == b"APPENDUID");
        if is_done && !open.load(Ordering::SeqCst) {
            kept_back.fetch_add(1, Ordering::SeqCst);
        } else if to.write_all(&piece[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

#[test]
fn exp_2b_i_killed_between_the_append_and_our_record_of_it_dovecot_has_it_once() {
    let dovecot = Dovecot::start();
    let relay = Relay::before(dovecot.imap);
    let phone = Phone::answering(200);
    let mut server = managed(&phone, "expired = \"store\"")
        .config(&format!(
            "[store]\nimap = \"imap+plain://{}\"\nmaster-user = \"{MASTER_USER}\"\nmaster-password = {MASTER_PASSWORD:?}",
            relay.address
        ))
        .config("[queue]\nbackoff-min-secs = 1\nbackoff-max-secs = 1")
        .start();
    let (caller, bob) = (server.caller(), someone());
    let bodies: Vec<_> = (0..3).map(|n| cpim(&bob, &format!("message {n}"))).collect();
    for body in &bodies {
        short(&caller, &bob, body);
    }
    let deadline = Instant::now() + PATIENCE;
    while relay.kept_back.load(Ordering::SeqCst) == 0 {
        assert!(Instant::now() < deadline, "no APPEND\n{}", server.log());
        std::thread::sleep(Duration::from_millis(10));
    }
    server.kill();
    relay.open.store(true, Ordering::SeqCst);
    server.start();
    server.wait_for_metric(metric::QUEUED, 0.0);
    let seen = dovecot.objects(&format!("{bob}@{REALM}"), "Default/f81d4fae-7dec-11d0-a765-00a0c91e6bf6");
    let ids: Vec<_> = seen.iter().map(|object| imdn_id(&object.octets)).collect();
    assert_eq!(ids.iter().cloned().collect::<HashSet<_>>(), bodies.iter().map(|body| imdn_id(body)).collect());
    assert_eq!(ids.len(), 3, "stored twice: {ids:?}\n{}", server.timeline(&bob));
    reports(&phone, 3);
}
