//! The far end of the pushes: an S-CSCF's port with every phone behind it.

use crate::ua::{Message, PATIENCE, Stream};
use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What the far end does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    Status(u16),
    /// It arrives, and nothing is heard of it.
    Silence,
    /// The network loses it: the transaction layer never sees it.
    Lost,
}

/// A request that reached the far end: the first of its transaction.
#[derive(Clone, Debug)]
pub struct Arrival {
    pub at: Instant,
    pub transport: &'static str,
    pub message: Message,
}

#[derive(Default)]
struct Inbox {
    arrivals: Vec<Arrival>,
    /// Branch and method of each transaction, when it began, and what it was answered (RFC 3261 section 17.2.3).
    transactions: HashMap<String, (Instant, Option<Vec<u8>>)>,
    repeats: usize,
    lost: usize,
}

/// Tells one kind of requests from the others.
pub type Kind = fn(&Message) -> bool;

/// A Deferred CPM Message (SNDP-1).
pub fn is_push(message: &Message) -> bool {
    message.all("Accept-Contact").any(|value| value.contains("oma.cpm.deferred"))
}

/// A system message (MNG-N1b).
pub fn is_system(message: &Message) -> bool {
    message.all("Accept-Contact").any(|value| value.contains("oma.cpm.systemmsg"))
}

/// A disposition notification (RFC 5438).
pub fn is_imdn(message: &Message) -> bool {
    String::from_utf8_lossy(&message.body).contains("Content-Type: message/imdn+xml") && !is_push(message)
}

type Rule = Box<dyn FnMut(&Message) -> Reply + Send>;
type Words = Box<dyn FnMut(&Message) -> Option<Message> + Send>;

struct Shared {
    inbox: Mutex<Inbox>,
    changed: Condvar,
    rule: Mutex<Rule>,
    words: Mutex<Words>,
    stop: AtomicBool,
}

/// The S-CSCF's port, and every phone behind it: takes pushes over UDP and TCP, and like a real transaction layer
/// absorbs repeats of a branch for 64·T1, answering them as it answered the first.
pub struct Phone {
    address: SocketAddr,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// 64·T1 (RFC 3261 section 17.2.2, Timer J).
const TIMER_J: Duration = Duration::from_secs(32);

impl Phone {
    pub fn answering(status: u16) -> Self {
        Self::with_rule(move |_| Reply::Status(status))
    }

    pub fn with_rule(rule: impl FnMut(&Message) -> Reply + Send + 'static) -> Self {
        Self::start(true, Box::new(rule))
    }

    /// Listens on UDP alone, as SIPp does.
    pub fn udp_only(status: u16) -> Self {
        Self::start(false, Box::new(move |_| Reply::Status(status)))
    }

    fn start(tcp: bool, rule: Rule) -> Self {
        let shared = Arc::new(Shared {
            inbox: Mutex::default(),
            changed: Condvar::new(),
            rule: Mutex::new(rule),
            words: Mutex::new(Box::new(|_| None)),
            stop: AtomicBool::new(false),
        });
        let (udp, listener) = bind_both();
        let address = udp.local_addr().unwrap();
        udp.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let for_udp = Arc::clone(&shared);
        let mut threads = vec![std::thread::spawn(move || serve_udp(&udp, &for_udp))];
        if tcp {
            listener.set_nonblocking(true).unwrap();
            let for_tcp = Arc::clone(&shared);
            threads.push(std::thread::spawn(move || serve_tcp(&listener, &for_tcp)));
        }
        Self { address, shared, threads }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on requests are answered by this rule.
    pub fn change(&self, rule: impl FnMut(&Message) -> Reply + Send + 'static) {
        *self.shared.rule.lock().unwrap() = Box::new(rule);
    }

    /// From now on requests for which this makes a response get it, and the others what the rule says.
    pub fn say(&self, words: impl FnMut(&Message) -> Option<Message> + Send + 'static) {
        *self.shared.words.lock().unwrap() = Box::new(words);
    }

    /// Everything that has come so far, in order.
    pub fn arrivals(&self) -> Vec<Arrival> {
        self.shared.inbox.lock().unwrap().arrivals.clone()
    }

    /// How many transactions have begun.
    pub fn count(&self) -> usize {
        self.shared.inbox.lock().unwrap().arrivals.len()
    }

    /// Retransmissions that were absorbed.
    pub fn repeats(&self) -> usize {
        self.shared.inbox.lock().unwrap().repeats
    }

    /// Requests that the rule lost.
    pub fn lost(&self) -> usize {
        self.shared.inbox.lock().unwrap().lost
    }

    /// Waits until `count` transactions have begun, and gives them all; panics if they do not come.
    pub fn wait_for(&self, count: usize) -> Vec<Arrival> {
        self.wait_at_most(count, PATIENCE).unwrap_or_else(|arrivals| {
            panic!("{} of {count} pushes came within {PATIENCE:?}: {:#?}", arrivals.len(), arrivals.last())
        })
    }

    /// Waits until `count` transactions have begun; `Err` with what there is when the time is over.
    pub fn wait_at_most(&self, count: usize, within: Duration) -> Result<Vec<Arrival>, Vec<Arrival>> {
        let inbox = self.shared.inbox.lock().unwrap();
        let (inbox, late) =
            self.shared.changed.wait_timeout_while(inbox, within, |inbox| inbox.arrivals.len() < count).unwrap();
        if late.timed_out() && inbox.arrivals.len() < count {
            return Err(inbox.arrivals.clone());
        }
        Ok(inbox.arrivals.clone())
    }

    /// Everything of this kind that has come so far, in order.
    pub fn such(&self, kind: Kind) -> Vec<Message> {
        self.arrivals().into_iter().map(|arrival| arrival.message).filter(kind).collect()
    }

    /// Waits until `count` transactions of this kind have begun, and gives them all; panics if they do not come.
    pub fn wait_for_such(&self, count: usize, kind: Kind) -> Vec<Message> {
        let is_short = |inbox: &mut Inbox| inbox.arrivals.iter().filter(|one| kind(&one.message)).count() < count;
        let inbox = self.shared.inbox.lock().unwrap();
        let (inbox, _) = self.shared.changed.wait_timeout_while(inbox, PATIENCE, is_short).unwrap();
        let all: Vec<_> = inbox.arrivals.iter().map(|arrival| arrival.message.clone()).collect();
        let such: Vec<_> = all.iter().filter(|message| kind(message)).cloned().collect();
        assert!(such.len() >= count, "{} of {count} came within {PATIENCE:?}; all that came: {all:#?}", such.len());
        such
    }

    /// Watches that for this long there are still only `count` transactions of this kind.
    pub fn stays_at_such(&self, count: usize, kind: Kind, during: Duration) {
        let deadline = Instant::now() + during;
        loop {
            let such = self.such(kind);
            assert!(such.len() <= count, "one too many: {such:#?}");
            let Some(left) = deadline.checked_duration_since(Instant::now()) else { break };
            std::thread::sleep(left.min(Duration::from_millis(20)));
        }
        assert_eq!(self.such(kind).len(), count);
    }

    /// Watches that for this long there are still only `count` transactions.
    pub fn stays_at(&self, count: usize, during: Duration) {
        if let Ok(arrivals) = self.wait_at_most(count + 1, during) {
            panic!("a push too many: {:#?}", arrivals[count].message);
        }
        assert_eq!(self.arrivals().len(), count);
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// A UDP and a TCP socket on the same port.
fn bind_both() -> (UdpSocket, TcpListener) {
    for _ in 0..10 {
        let address = crate::server::free_address();
        if let (Ok(udp), Ok(tcp)) = (UdpSocket::bind(address), TcpListener::bind(address)) {
            return (udp, tcp);
        }
    }
    panic!("other processes take every port this one looks at");
}

fn serve_udp(socket: &UdpSocket, shared: &Shared) {
    let mut buffer = vec![0; 65_536];
    while !shared.stop.load(Ordering::Relaxed) {
        let Ok((length, peer)) = socket.recv_from(&mut buffer) else { continue };
        if let Some(answer) = Message::parse(&buffer[..length]).and_then(|message| shared.take(message, "UDP")) {
            let _ = socket.send_to(&answer, peer);
        }
    }
}

fn serve_tcp(listener: &TcpListener, shared: &Arc<Shared>) {
    let mut connections = Vec::new();
    while !shared.stop.load(Ordering::Relaxed) {
        let Ok((stream, _)) = listener.accept() else {
            std::thread::sleep(Duration::from_millis(5));
            continue;
        };
        stream.set_nonblocking(false).unwrap();
        let shared = Arc::clone(shared);
        connections.push(std::thread::spawn(move || {
            let mut stream = Stream::of(stream);
            while !shared.stop.load(Ordering::Relaxed) {
                if let Some(message) = stream.receive(Duration::from_millis(50))
                    && let Some(answer) = shared.take(message, "TCP")
                {
                    stream.try_send(&answer);
                }
            }
        }));
    }
    for connection in connections {
        let _ = connection.join();
    }
}

impl Shared {
    /// The transaction layer: what to send back, if anything.
    fn take(&self, message: Message, transport: &'static str) -> Option<Vec<u8>> {
        message.method()?;
        let now = Instant::now();
        let key = format!("{} {}", message.branch(), message.method()?);
        let mut inbox = self.inbox.lock().unwrap();
        let known = inbox.transactions.get(&key).filter(|(began, _)| now.duration_since(*began) < TIMER_J).cloned();
        inbox.repeats += usize::from(known.is_some());
        if let Some((_, Some(answer))) = known {
            return Some(answer);
        }
        // New, or begun and still without an answer: the user may have come to one.
        let words = (self.words.lock().unwrap())(&message);
        let answer = match words.is_none().then(|| (self.rule.lock().unwrap())(&message)) {
            None => words.map(|response| response.to_bytes()),
            // An ACK is never answered.
            _ if message.method() == Some("ACK") => None,
            Some(Reply::Status(status)) => Some(message.answer(status, "As the test says").to_bytes()),
            Some(Reply::Silence) => None,
            Some(Reply::Lost) => {
                inbox.lost += 1;
                return None;
            }
        };
        if let Some((began, _)) = known {
            inbox.transactions.insert(key, (began, answer.clone()));
            return answer;
        }
        inbox.transactions.insert(key, (now, answer.clone()));
        inbox.arrivals.push(Arrival { at: now, transport, message });
        self.changed.notify_all();
        answer
    }
}
