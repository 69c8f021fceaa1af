//! The S-CSCF of the bench: answers every MESSAGE 200 and counts those it has not seen.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hasher};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

#[derive(Default)]
struct Counts {
    distinct: AtomicU64,
    repeats: AtomicU64,
    stop: AtomicBool,
}

/// A port on which every phone takes everything.
pub struct Sink {
    address: SocketAddr,
    counts: Arc<Counts>,
    thread: Option<JoinHandle<()>>,
}

impl Sink {
    pub fn start() -> Self {
        let address = crate::server::free_address();
        let socket = UdpSocket::bind(address).unwrap();
        let _ = socket2::SockRef::from(&socket).set_recv_buffer_size(8 << 20);
        socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let counts = Arc::<Counts>::default();
        let for_thread = Arc::clone(&counts);
        let thread = Some(std::thread::spawn(move || serve(&socket, &for_thread)));
        Self { address, counts, thread }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Transactions, told apart by their branch.
    pub fn count(&self) -> u64 {
        self.counts.distinct.load(Ordering::Relaxed)
    }

    pub fn repeats(&self) -> u64 {
        self.counts.repeats.load(Ordering::Relaxed)
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.counts.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(socket: &UdpSocket, counts: &Counts) {
    let mut seen = HashSet::new();
    let mut buffer = vec![0; 65_536];
    let mut answer = Vec::with_capacity(2048);
    while !counts.stop.load(Ordering::Relaxed) {
        let Ok((length, peer)) = socket.recv_from(&mut buffer) else { continue };
        let Some(via) = reply(&buffer[..length], &mut answer) else { continue };
        let _ = socket.send_to(&answer, peer);
        let counter = if seen.insert(via) { &counts.distinct } else { &counts.repeats };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// Writes the 200 for a MESSAGE; gives a hash of its Via, branch and all.
fn reply(request: &[u8], answer: &mut Vec<u8>) -> Option<u64> {
    if !request.starts_with(b"MESSAGE ") {
        return None;
    }
    answer.clear();
    answer.extend_from_slice(b"SIP/2.0 200 OK\r\n");
    let mut via = None;
    for line in request.split(|octet| *octet == b'\n').skip(1) {
        let text = line.strip_suffix(b"\r").unwrap_or(line);
        if text.is_empty() {
            break;
        }
        let is = |name: &[u8]| text.len() > name.len() && text[..name.len()].eq_ignore_ascii_case(name);
        if is(b"Via:") || is(b"From:") || is(b"Call-ID:") || is(b"CSeq:") {
            answer.extend_from_slice(text);
            answer.extend_from_slice(b"\r\n");
        } else if is(b"To:") {
            answer.extend_from_slice(text);
            answer.extend_from_slice(b";tag=sink\r\n");
        }
        if via.is_none() && is(b"Via:") {
            let mut hash = DefaultHasher::new();
            hash.write(text);
            via = Some(hash.finish());
        }
    }
    answer.extend_from_slice(b"Content-Length: 0\r\n\r\n");
    via
}
