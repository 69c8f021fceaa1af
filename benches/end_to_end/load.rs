//! A bounded UDP load generator: a few sockets, each with its share of the window in flight, requests made by writing
//! names into a template, answers read only for the branch and the status.

use crate::wire;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Sockets, and threads, at most.
const SOCKETS: usize = 4;
/// T1 (RFC 3261 section 17.1.1.1); the sender of a lost request waits so long before it sends it again.
const T1: Duration = Duration::from_millis(500);
/// No answer for so long ends the bench.
const PATIENCE: Duration = Duration::from_secs(32);

const USER: &str = "+13030000000";
const BRANCH: &str = "z9hG4bK-bench-0000000000000000";
const CALL: &str = "call-0000000000000000";

/// Which request is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Message,
    Register,
}

/// The outcome of a run.
pub struct Done {
    pub count: u64,
    pub retransmissions: u64,
    pub took: Duration,
    latencies: Vec<Duration>,
}

impl Done {
    /// Of the latencies, from first sending to the answer.
    pub fn percentile(&self, percent: usize) -> Duration {
        self.latencies
            .get((self.latencies.len() * percent / 100).min(self.latencies.len().saturating_sub(1)))
            .copied()
            .unwrap_or_default()
    }
}

/// A template and where the names go.
pub struct Load {
    server: SocketAddr,
    kind: Kind,
    bytes: Vec<u8>,
    users: Vec<usize>,
    branches: Vec<usize>,
    calls: Vec<usize>,
}

/// Which users get requests, and when it is over.
struct Errand {
    next: AtomicU64,
    /// Requests to send.
    total: u64,
    deadline: Option<Instant>,
    first: u64,
    users: u64,
    epoch: u64,
}

impl Errand {
    fn take(&self) -> Option<u64> {
        if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return None;
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        (number < self.total).then_some(number)
    }
}

/// A request under way in one place of a socket's window.
struct Slot {
    number: u64,
    bytes: Vec<u8>,
    begun: Instant,
    sent: Instant,
}

impl Load {
    pub fn new(server: SocketAddr, scscf: SocketAddr, kind: Kind) -> Self {
        // RFC 3581: one template for all sockets, answers come back to the one that sent.
        let via = format!("SIP/2.0/UDP 127.0.0.1:9;branch={BRANCH};rport");
        let request = match kind {
            Kind::Message => wire::message(via, USER, wire::cpim(USER, "Hi Bob, the train is late.\r\n")),
            Kind::Register => wire::Registration::of(USER).next(via, scscf, 3600),
        };
        let bytes = request.set("Call-ID", CALL).to_bytes();
        let places = |name: &str| {
            let octets = name.as_bytes();
            (0..=bytes.len() - octets.len()).filter(|&at| &bytes[at..at + octets.len()] == octets).collect::<Vec<_>>()
        };
        let (users, branches, calls) = (places(USER), places(BRANCH), places(CALL));
        assert!(!users.is_empty() && branches.len() == 1 && calls.len() == 1);
        Self { server, kind, bytes, users, branches, calls }
    }

    /// Sends for this long, to this many users in turn.
    pub fn for_a_while(&self, window: usize, span: Duration, users: u64) -> Done {
        self.run(window, u64::MAX / 2, Some(Instant::now() + span), 0, users)
    }

    /// Sends this many, to users `first..first + users` in turn.
    pub fn each(&self, window: usize, total: u64, first: u64, users: u64) -> Done {
        self.run(window, total, None, first, users)
    }

    fn run(&self, window: usize, total: u64, deadline: Option<Instant>, first: u64, users: u64) -> Done {
        static EPOCH: AtomicU64 = AtomicU64::new(1);
        let epoch = EPOCH.fetch_add(1, Ordering::Relaxed) << 40;
        let errand = Errand { next: AtomicU64::new(0), total, deadline, first, users, epoch };
        let sockets = window.min(SOCKETS);
        let begun = Instant::now();
        let parts: Vec<Done> = std::thread::scope(|scope| {
            let errand = &errand;
            let threads: Vec<_> = (0..sockets)
                .map(|n| window / sockets + usize::from(n < window % sockets))
                .map(|share| scope.spawn(move || self.one_socket(share, errand)))
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let mut done = Done { count: 0, retransmissions: 0, took: begun.elapsed(), latencies: Vec::new() };
        for part in parts {
            done.count += part.count;
            done.retransmissions += part.retransmissions;
            done.latencies.extend(part.latencies);
        }
        done.latencies.sort_unstable();
        done
    }

    /// Keeps `share` requests in flight on a socket of its own until the errand is done and all are answered.
    fn one_socket(&self, share: usize, errand: &Errand) -> Done {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(self.server).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let mut slots: Vec<Option<Slot>> = (0..share).map(|slot| self.begin(&socket, errand, slot)).collect();
        let mut done = Done { count: 0, retransmissions: 0, took: Duration::ZERO, latencies: Vec::new() };
        let mut buffer = vec![0; 65_536];
        let mut swept = Instant::now();
        while slots.iter().any(Option::is_some) {
            if let Ok(length) = socket.recv(&mut buffer)
                && let Some((slot, number)) = answered(&buffer[..length], self.kind)
                && slots.get(slot).and_then(Option::as_ref).is_some_and(|open| open.number == number)
            {
                let open = slots[slot].take().unwrap();
                done.count += 1;
                done.latencies.push(open.begun.elapsed());
                slots[slot] = self.begin(&socket, errand, slot);
            }
            if swept.elapsed() > T1 / 4 {
                swept = Instant::now();
                done.retransmissions += sweep(&socket, &mut slots);
            }
        }
        done
    }

    fn begin(&self, socket: &UdpSocket, errand: &Errand, slot: usize) -> Option<Slot> {
        let count = errand.take()?;
        let number = errand.epoch + count;
        let mut bytes = self.bytes.clone();
        let user = format!("+1303{:07}", errand.first + count % errand.users);
        let name = format!("{slot:04x}{number:012x}");
        for (places, offset, text) in [
            (&self.users, 0, user.as_str()),
            (&self.branches, BRANCH.len() - 16, name.as_str()),
            (&self.calls, CALL.len() - 16, name.as_str()),
        ] {
            for place in places {
                bytes[place + offset..place + offset + text.len()].copy_from_slice(text.as_bytes());
            }
        }
        socket.send(&bytes).unwrap();
        let now = Instant::now();
        Some(Slot { number, bytes, begun: now, sent: now })
    }
}

/// Sends again what has waited for T1.
fn sweep(socket: &UdpSocket, slots: &mut [Option<Slot>]) -> u64 {
    let mut count = 0;
    for open in slots.iter_mut().flatten().filter(|open| open.sent.elapsed() > T1) {
        assert!(open.begun.elapsed() < PATIENCE, "no answer within {PATIENCE:?}");
        socket.send(&open.bytes).unwrap();
        open.sent = Instant::now();
        count += 1;
    }
    count
}

/// Slot and number of the request that this final response answers; it must be the one that was hoped for.
fn answered(bytes: &[u8], kind: Kind) -> Option<(usize, u64)> {
    let wanted: &[u8] = match kind {
        Kind::Message => b"SIP/2.0 202",
        Kind::Register => b"SIP/2.0 200",
    };
    let first = bytes.get(..11)?;
    if first == b"SIP/2.0 503" {
        // Asked to come again later: the sweep does.
        return None;
    }
    assert!(first == wanted, "not {}: {}", String::from_utf8_lossy(wanted), String::from_utf8_lossy(bytes));
    let mark = b"z9hG4bK-bench-";
    let at = bytes.windows(mark.len()).position(|part| part == mark)? + mark.len();
    let name = std::str::from_utf8(bytes.get(at..at + 16)?).ok()?;
    Some((usize::from_str_radix(&name[..4], 16).ok()?, u64::from_str_radix(&name[4..], 16).ok()?))
}
