//! The yardstick of `script/large-memory`: how fast the same octets go over plain TCP into the same store, and out again.
//!
//! Not a criterion bench: `cargo bench --bench large -- OCTETS DIRECTORY` prints one line of JSON with MiB/s each way.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use bytes::Bytes;
use restante::config;
use restante::journal::{Append, Body, Journal as _, JournalRead as _, PIECE, RocksJournal, Uncounted};
use restante::types::{Chain, MessageId, UserKey};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

/// Octets of one message, as in `script/large-memory`.
const MESSAGE: usize = 10 << 20;

fn main() {
    let (flags, given): (Vec<String>, Vec<String>) = std::env::args().skip(1).partition(|word| word.starts_with("--"));
    let usual = if flags.iter().any(|flag| flag == "--test") { MESSAGE } else { 1 << 30 };
    let octets: usize = given.first().map_or(usual, |octets| octets.parse().expect("OCTETS"));
    let temporary = tempfile::tempdir().unwrap();
    let directory = given.get(1).map_or_else(|| temporary.path().to_owned(), PathBuf::from).join("baseline");
    let config = config::Journal { directory: directory.clone(), ..config::Journal::default() };
    let journal = Arc::new(RocksJournal::open(&config, Arc::new(Uncounted)).unwrap());
    let messages = octets.div_ceil(MESSAGE).max(1);
    let came = timed(messages, || take(&journal, messages));
    let went = timed(messages, || give(&journal, messages));
    journal.close();
    std::fs::remove_dir_all(directory).unwrap();
    println!("{{\"in\": {came:.0}, \"out\": {went:.0}}}");
}

/// MiB/s.
fn timed(messages: usize, work: impl FnOnce()) -> f64 {
    let began = Instant::now();
    work();
    let octets = u32::try_from(messages * (MESSAGE >> 20)).unwrap();
    f64::from(octets) / began.elapsed().as_secs_f64()
}

fn id(n: usize) -> MessageId {
    MessageId((n as u128).to_be_bytes())
}

/// A connection with a thread at its other end.
fn connected(peer: impl FnOnce(TcpStream) + Send + 'static) -> (TcpStream, std::thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let thread = std::thread::spawn(move || peer(TcpStream::connect(address).unwrap()));
    (listener.accept().unwrap().0, thread)
}

/// Piece by piece as they come, each message durable before the next.
fn take(journal: &RocksJournal, messages: usize) {
    let (mut stream, peer) = connected(move |mut stream| {
        let octets: Vec<u8> = (0..MESSAGE).map(|n| u8::try_from(n * n % 251).unwrap()).collect();
        (0..messages).for_each(|_| stream.write_all(&octets).unwrap());
    });
    let mut piece = vec![0; PIECE];
    for n in 0..messages {
        let mut writer = journal.begin_body(id(n)).unwrap();
        for start in (0..MESSAGE).step_by(PIECE) {
            stream.read_exact(&mut piece).unwrap();
            writer.write(start as u64, &piece).unwrap();
        }
        let length = writer.finish(MESSAGE as u64).unwrap().length;
        let append = Append {
            user: UserKey(id(n).0),
            seq: 1,
            chain: Chain([0; 32]),
            record: Bytes::from_static(b"baseline"),
            bodies: vec![(id(n), Body::Kept { length })],
            ended: Vec::new(),
            freed: 0,
            due: None,
        };
        journal.append(append).unwrap().blocking_recv().unwrap().unwrap();
    }
    peer.join().unwrap();
}

fn give(journal: &RocksJournal, messages: usize) {
    let (mut stream, peer) = connected(|mut stream| {
        let mut sink = vec![0; PIECE];
        while stream.read(&mut sink).unwrap() > 0 {}
    });
    for n in 0..messages {
        for number in 0..u32::try_from(MESSAGE / PIECE).unwrap() {
            stream.write_all(&journal.piece(&id(n), number).unwrap().unwrap()).unwrap();
        }
    }
    drop(stream);
    peer.join().unwrap();
}
