//! `kill -9`, again and again: what was answered 202 is delivered or still queued, and nothing is delivered twice.
//!
//! `RESTANTE_CRASH_ROUNDS` sets how often the server is killed while it accepts (default 8; a third of that, too, while
//! it delivers), `RESTANTE_CRASH_SEED` the random moments.

use crate::phone::Phone;
use crate::server::{Server, Setup};
use crate::ua::{Message, unique};
use crate::wire::{Registration, message, someone};
use std::collections::{HashMap, HashSet};
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const USERS: usize = 24;
const IN_FLIGHT: usize = 24;
/// T1 on a loopback, so that rounds may be short (RFC 3261 table 4 allows smaller ones there); the rest follows from it.
const T1: Duration = Duration::from_millis(100);
const T2: Duration = Duration::from_millis(800);
/// Timer F would be 64·T1; it has to outlast a restart on a busy machine.
const TIMER_F: Duration = Duration::from_secs(20);

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.next() % (to - from))
    }
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// A client transaction under way.
struct Transaction {
    bytes: Vec<u8>,
    body: Vec<u8>,
    begun: Instant,
    next: Instant,
    pause: Duration,
}

/// What the sender knows in the end.
#[derive(Default)]
struct Sent {
    /// The bodies that were answered 202.
    accepted: Vec<Vec<u8>>,
    /// The bodies whose transaction ended otherwise: they may be delivered, or not.
    unsure: usize,
}

fn body(random: &mut Random, user: &str) -> Vec<u8> {
    let mut body = format!("{} for {user} ", unique("text-")).into_bytes();
    let length = random.next() % 600;
    body.extend((0..length).map(|_| u8::try_from(random.next() % 256).unwrap()));
    body
}

/// Keeps `IN_FLIGHT` transactions going until told to stop, then lets those under way come to their end.
fn send_until(stop: &AtomicBool, server: SocketAddr, users: &[String], mut random: Random) -> Sent {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
    let own = socket.local_addr().unwrap();
    let mut open: HashMap<String, Transaction> = HashMap::new();
    let mut sent = Sent::default();
    let mut buffer = vec![0; 65_536];
    while !(stop.load(Ordering::Relaxed) && open.is_empty()) {
        let now = Instant::now();
        while open.len() < IN_FLIGHT && !stop.load(Ordering::Relaxed) {
            let user = &users[usize::try_from(random.next()).unwrap() % users.len()];
            let body = body(&mut random, user);
            let via = format!("SIP/2.0/UDP {own};branch={}", unique("z9hG4bK-k-"));
            let request = message(via, user, body.clone()).set("Content-Type", "application/octet-stream");
            let transaction = Transaction { bytes: request.to_bytes(), body, begun: now, next: now, pause: T1 };
            open.insert(request.call_id().to_owned(), transaction);
        }
        for transaction in open.values_mut().filter(|transaction| transaction.next <= now) {
            let _ = socket.send_to(&transaction.bytes, server);
            transaction.next = now + transaction.pause;
            transaction.pause = (transaction.pause * 2).min(T2);
        }
        let before = open.len();
        open.retain(|_, transaction| now.duration_since(transaction.begun) < TIMER_F);
        sent.unsure += before - open.len();
        while let Ok(length) = socket.recv(&mut buffer) {
            let Some(response) = Message::parse(&buffer[..length]) else { continue };
            let Some(transaction) = open.remove(response.call_id()) else { continue };
            match response.status() {
                Some(202) => sent.accepted.push(transaction.body),
                _ => sent.unsure += 1,
            }
        }
    }
    sent
}

/// Kills and restarts at random moments.
fn storm(server: &mut Server, rounds: u64, random: &mut Random) {
    for _ in 0..rounds {
        std::thread::sleep(random.millis(50, 700));
        server.kill();
        server.start();
    }
}

fn register_all(server: &Server, registrations: &mut [Registration], phone: &Phone, expires: u32) {
    let caller = server.caller();
    for registration in registrations {
        server.registered(&caller, registration, phone, expires);
    }
}

/// Waits until every accepted body has arrived; `false` if nothing more comes.
fn all_arrived(phone: &Phone, accepted: &HashSet<Vec<u8>>) -> bool {
    let (mut seen, mut last) = (0, Instant::now());
    while last.elapsed() < Duration::from_secs(10) {
        let count = phone.count();
        if count > seen {
            (seen, last) = (count, Instant::now());
            let arrived: HashSet<_> = phone.arrivals().into_iter().map(|arrival| arrival.message.body).collect();
            if accepted.is_subset(&arrived) {
                return true;
            }
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    accepted.is_empty()
}

#[test]
fn def_4_nothing_accepted_is_lost_or_doubled_by_kill_9() {
    let rounds = setting("RESTANTE_CRASH_ROUNDS", 8);
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos();
    let seed = setting("RESTANTE_CRASH_SEED", u64::from(clock)) | 1;
    println!("RESTANTE_CRASH_ROUNDS={rounds} RESTANTE_CRASH_SEED={seed}");
    let mut random = Random(seed);
    let phone = Phone::answering(200);
    let mut server = Setup::behind(phone.address())
        .config("[queue]\nmessages-max = 1000000\nbackoff-min-secs = 1\nbackoff-max-secs = 1")
        .start();
    let users: Vec<_> = (0..USERS).map(|_| someone()).collect();

    let stop = AtomicBool::new(false);
    let (address, for_sender) = (server.sip(), Random(random.next() | 1));
    let sent = std::thread::scope(|scope| {
        let sender = scope.spawn(|| send_until(&stop, address, &users, for_sender));
        storm(&mut server, rounds, &mut random);
        stop.store(true, Ordering::Relaxed);
        sender.join().unwrap()
    });
    let accepted: HashSet<_> = sent.accepted.iter().cloned().collect();
    assert_eq!(accepted.len(), sent.accepted.len(), "the bodies of this test are all different");
    assert!(!accepted.is_empty(), "nothing was accepted");
    assert_eq!(phone.count(), 0, "nobody was registered");

    let mut registrations: Vec<_> = users.iter().map(|user| Registration::of(user)).collect();
    register_all(&server, &mut registrations, &phone, 3600);
    storm(&mut server, rounds.div_ceil(3), &mut random);
    let by_itself = all_arrived(&phone, &accepted);
    if !by_itself {
        // "Or still queued": the next registration edge must bring the rest.
        register_all(&server, &mut registrations, &phone, 0);
        register_all(&server, &mut registrations, &phone, 3600);
        all_arrived(&phone, &accepted);
    }

    let arrivals = phone.arrivals();
    let mut transactions: HashMap<&[u8], Vec<String>> = HashMap::new();
    for arrival in &arrivals {
        let name = format!("{} {}", arrival.message.call_id(), arrival.message.header("CSeq").unwrap());
        transactions.entry(&arrival.message.body).or_default().push(name);
    }
    let lost = accepted.iter().filter(|body| !transactions.contains_key(body.as_slice())).count();
    let doubled: Vec<_> = transactions.values().filter(|names| names.len() > 1).collect();
    println!(
        "{} accepted, {} unsure, {} delivered, {} repeats absorbed, all without a new registration: {by_itself}",
        accepted.len(),
        sent.unsure,
        transactions.len(),
        phone.repeats()
    );
    assert_eq!(lost, 0, "accepted messages that are nowhere, of {}", accepted.len());
    assert!(doubled.is_empty(), "delivered in more than one transaction: {doubled:?}");
    assert!(transactions.len() <= accepted.len() + sent.unsure, "messages arrived that nobody sent, or changed");
    assert!(by_itself, "the deliveries stood still until the next registration");
}
