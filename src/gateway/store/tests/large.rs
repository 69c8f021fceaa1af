//! Objects whose body is read piece by piece while it goes out.

use super::dovecot::{Dovecot, MASTER_PASSWORD, MASTER_USER};
use super::fake::{Fake, usual};
use super::*;
use crate::config::{ImapServer, Secret, Security, Store};
use crate::gateway::store::{Embedded, ImapStore, PIECE, PieceError, Pieces, Reading, Rest};
use crate::shelf::MemoryShelf;
use crate::types::Timestamp;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// A body in pieces that counts what is asked for and how much of it is in memory.
#[derive(Default)]
struct Counted {
    body: Bytes,
    asked: Mutex<Vec<u32>>,
    alive: Arc<AtomicUsize>,
    alive_most: Arc<AtomicUsize>,
    /// This piece cannot be read …
    fault: Option<(u32, PieceError)>,
    /// … or takes so long.
    pause: Duration,
}

struct Alive(Vec<u8>, Arc<AtomicUsize>);

impl AsRef<[u8]> for Alive {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.1.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Pieces for Counted {
    fn piece(&self, number: u32) -> BoxFuture<'static, Result<Bytes, PieceError>> {
        self.asked.lock().unwrap().push(number);
        let fault = self.fault.clone().filter(|(at, _)| *at == number).map(|(_, error)| error);
        let piece = self.body.chunks(PIECE).nth(number as usize).map(<[u8]>::to_vec);
        let (alive, most, pause) = (Arc::clone(&self.alive), Arc::clone(&self.alive_most), self.pause);
        Box::pin(async move {
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            if let Some(error) = fault {
                return Err(error);
            }
            most.fetch_max(alive.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            Ok(Bytes::from_owner(Alive(piece.ok_or(PieceError::Gone)?, alive)))
        })
    }
}

/// Lines, so that no server has a reason to change them.
fn lines(octets: usize) -> Vec<u8> {
    let line = |n: usize| format!("{n:020} of a large message, in lines of sixty-four octets.\r\n").into_bytes();
    (0..).flat_map(line).take(octets / 2 * 2).collect::<Vec<_>>()
}

fn counted(body: Vec<u8>) -> Counted {
    Counted { body: body.into(), ..Counted::default() }
}

/// The object of this id, with this body after its header block.
fn large(name: &str, id: &str, body: Counted) -> (Append, Arc<Counted>, Vec<u8>) {
    let small = append(name, id);
    let end = memchr::memmem::find(&small.object.head, b"\r\n\r\n").unwrap() + 4;
    let head = small.object.head.slice(..end);
    let whole = [&head[..], &body.body].concat();
    let body = Arc::new(body);
    let rest = Rest { length: body.body.len() as u64, pieces: Arc::clone(&body) as Arc<dyn Pieces> };
    (Append { object: Content { head, rest: Some(rest) }, ..small }, body, whole)
}

fn config() -> Store {
    Store {
        master_user: MASTER_USER.to_owned(),
        master_password: Some(Secret(MASTER_PASSWORD.to_owned())),
        ..Store::default()
    }
}

fn imap(address: SocketAddr, config: &Store) -> (ImapStore, Arc<Told>) {
    let server = ImapServer { security: Security::Plain, host: address.ip().to_string(), port: address.port() };
    let told = Arc::new(Told::default());
    (ImapStore::start(&server, config, Arc::clone(&told) as Arc<dyn Counters>).unwrap(), told)
}

fn embedded(config: &Store) -> Embedded {
    let clock = || Timestamp::from_secs(1_267_520_047);
    Embedded::start(Arc::new(MemoryShelf::default()), config, Arc::new(super::super::Uncounted), clock).unwrap()
}

fn appends(fake: &Fake) -> Vec<String> {
    fake.heard.lock().unwrap().iter().filter(|heard| heard.starts_with("APPEND")).cloned().collect()
}

#[test]
fn a_large_object_goes_out_octet_for_octet_with_one_piece_in_memory() {
    for octets in [0, 2, PIECE, PIECE + 2, 20 * PIECE + 64] {
        let fake = Fake::start(usual);
        let (store, _) = imap(fake.address, &config());
        let (request, body, whole) = large("bob", "large", counted(lines(octets)));
        let place = done(store.append(request)).unwrap();
        assert_eq!((place.uidvalidity, place.uid), (7, 42));
        assert!(fake.literals.lock().unwrap().as_slice() == [whole.clone()], "{octets}");
        assert!(appends(&fake)[0].ends_with(&format!(" () {{{}}}", whole.len())), "{:?}", appends(&fake));
        assert!(body.alive_most.load(Ordering::SeqCst) <= 1, "{octets}");
        assert_eq!(body.alive.load(Ordering::SeqCst), 0);
    }
}

#[test]
fn def_2_dovecot_has_a_large_object_as_it_was_and_a_repeat_finds_it_unread() {
    let dovecot = Dovecot::start();
    let (store, _) = imap(dovecot.imap, &config());
    let (request, body, whole) = large("bob", "large", counted(lines(40 * PIECE + 1_000)));
    let place = done(store.append(request.clone())).unwrap();
    let seen = dovecot.objects("bob@ims.example.net", &place.folder);
    assert_eq!((seen.len(), seen[0].uid), (1, place.uid));
    assert!(seen[0].octets == whole);
    let asked = body.asked.lock().unwrap().len();
    assert_eq!(done(store.append(again(&request))).unwrap(), place);
    assert_eq!(body.asked.lock().unwrap().len(), asked, "its body was not read for that");
    // With NUL octets, as a literal8; what Dovecot tells a client of them is another matter.
    let mut octets = lines(2 * PIECE);
    octets[PIECE + 9] = 0;
    let (request, ..) = large("bob", "nul", counted(octets));
    done(store.append(request)).unwrap();
    assert_eq!(dovecot.objects("bob@ims.example.net", &place.folder).len(), 2);
}

#[test]
fn nul_octets_in_any_piece_need_a_server_that_takes_them() {
    let mut octets = lines(3 * PIECE);
    octets[2 * PIECE + 5] = 0;
    let without = Fake::start(usual);
    let (store, _) = imap(without.address, &config());
    let refused = done(store.append(large("bob", "nul", counted(octets.clone())).0)).unwrap_err();
    assert!(matches!(refused, StoreError::Refused { .. }) && !refused.may_pass(), "{refused}");
    assert!(appends(&without).is_empty());
    let with = Fake::start(|command| match command {
        "CAPABILITY" => Some("* CAPABILITY IMAP4rev1 UIDPLUS BINARY NAMESPACE\r\n$ OK\r\n".to_owned()),
        command => usual(command),
    });
    let (store, _) = imap(with.address, &config());
    let (request, _, whole) = large("bob", "nul", counted(octets));
    done(store.append(request)).unwrap();
    assert!(appends(&with)[0].ends_with(&format!(" () ~{{{}}}", whole.len())), "{:?}", appends(&with));
    assert!(with.literals.lock().unwrap().as_slice() == [whole]);
}

#[test]
fn a_folder_made_after_the_octets_went_out_has_them_sent_again() {
    let asked = AtomicUsize::new(0);
    let fake = Fake::start(move |command| match command.split(' ').next() {
        Some("APPEND") if asked.fetch_add(1, Ordering::Relaxed) == 0 => {
            Some("+ go\r\n$ NO [TRYCREATE] none\r\n".to_owned())
        }
        _ => usual(command),
    });
    let (store, _) = imap(fake.address, &config());
    let (request, _, whole) = large("bob", "large", counted(lines(3 * PIECE)));
    done(store.append(request)).unwrap();
    assert!(fake.literals.lock().unwrap().as_slice() == [whole.clone(), whole]);
}

#[test]
fn a_piece_that_cannot_be_read_ends_the_request_and_the_connection_and_may_pass() {
    let fake = Fake::start(|command| match command {
        "CAPABILITY" => Some("* CAPABILITY IMAP4rev1 UIDPLUS BINARY NAMESPACE\r\n$ OK\r\n".to_owned()),
        command => usual(command),
    });
    let (store, told) = imap(fake.address, &Store { failures_max: 1, ..config() });
    let unreadable = PieceError::Unreadable { cause: "input/output error".to_owned() };
    // The NUL in front spares the reading beforehand, so that the fault comes in the middle of the literal.
    let mut octets = lines(3 * PIECE);
    octets[0] = 0;
    for fault in [PieceError::Gone, unreadable] {
        let body = Counted { fault: Some((1, fault.clone())), ..counted(octets.clone()) };
        let failed = done(store.append(large("bob", "large", body).0)).unwrap_err();
        assert_eq!(failed, StoreError::Piece(fault));
        assert!(failed.may_pass(), "{failed}");
    }
    assert_eq!(appends(&fake).len(), 2);
    assert!(fake.literals.lock().unwrap().is_empty(), "nothing was stored");
    done(store.append(append("bob", "small"))).unwrap();
    assert_eq!(fake.connections.load(Ordering::Relaxed), 3, "each on a connection of its own");
    assert!(told.resting.lock().unwrap().is_empty(), "the server is not to blame");
    let ended: Vec<_> = told.ended.lock().unwrap().iter().map(|(_, outcome)| *outcome).collect();
    assert_eq!(ended, [Outcome::Failed, Outcome::Failed, Outcome::Done]);
}

#[test]
fn pieces_that_do_not_make_the_length_are_no_object() {
    let fake = Fake::start(usual);
    let (store, _) = imap(fake.address, &config());
    let kept = embedded(&Store::default());
    for length in [PIECE as u64 + 1, 3 * PIECE as u64] {
        let (mut request, ..) = large("bob", "large", counted(lines(2 * PIECE)));
        if let Some(rest) = &mut request.object.rest {
            rest.length = length;
        }
        for store in [&store as &dyn MessageStore, &kept] {
            let failed = done(store.append(request.clone())).unwrap_err();
            assert!(matches!(failed, StoreError::Piece(PieceError::Length | PieceError::Gone)), "{failed}");
        }
    }
    assert!(fake.literals.lock().unwrap().is_empty());
}

/// `store.request-secs` is for the whole of a small request; what moves on is not given up because it is long.
#[test]
fn an_append_that_moves_on_outlives_the_time_of_a_request() {
    let fake = Fake::start(usual);
    let (store, _) = imap(fake.address, &Store { command_secs: 1, request_secs: 1, ..config() });
    let body = Counted { pause: Duration::from_millis(150), ..counted(lines(8 * PIECE)) };
    let (request, _, whole) = large("bob", "large", body);
    let began = std::time::Instant::now();
    done(store.append(request)).unwrap();
    assert!(began.elapsed() > Duration::from_secs(2), "read twice, it took longer than a command and a request");
    assert!(fake.literals.lock().unwrap().as_slice() == [whole]);
}

#[test]
fn an_append_that_stands_still_is_given_up_after_the_time_of_a_command() {
    // It says go on, and then reads nothing: what fits into the buffers between is soon full.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        use std::io::{BufRead as _, Write as _};
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"* OK ready\r\n").unwrap();
        let mut lines = std::io::BufReader::new(stream.try_clone().unwrap()).lines();
        while let Some(Ok(line)) = lines.next() {
            let (tag, command) = line.split_once(' ').unwrap();
            if command.starts_with("APPEND") {
                stream.write_all(b"+ go\r\n").unwrap();
                std::thread::sleep(Duration::from_mins(1));
                return;
            }
            let answer = usual(command).unwrap().replace('$', tag);
            let (first, rest) = answer.split_once('\n').unwrap();
            writeln!(stream, "{first}").unwrap();
            if command.starts_with("AUTHENTICATE") {
                lines.next();
            }
            stream.write_all(rest.as_bytes()).unwrap();
        }
    });
    let (store, _) = imap(address, &Store { command_secs: 1, ..config() });
    let (request, ..) = large("bob", "large", counted(lines(400 * PIECE)));
    let late = done(store.append(request)).unwrap_err();
    assert!(matches!(late, StoreError::Timeout { key: "store.command-secs", .. }) && late.may_pass(), "{late}");
}

#[test]
fn the_embedded_store_gathers_a_large_object_once_and_only_to_write_it() {
    let store = embedded(&Store::default());
    let (request, body, whole) = large("bob", "large", counted(lines(5 * PIECE + 100)));
    let place = done(store.append(request.clone())).unwrap();
    let kept = store.object(&request.user, &place.folder, place.uid).unwrap().unwrap();
    assert!(kept == whole);
    assert_eq!(store.objects(&request.user, &place.folder, 0, 9).unwrap().unwrap()[0].octets, whole.len() as u64);
    assert_eq!(*body.asked.lock().unwrap(), [0, 1, 2, 3, 4, 5]);
    assert_eq!(done(store.append(again(&request))).unwrap(), place);
    assert_eq!(body.asked.lock().unwrap().len(), 6, "not read for the repeat");
    let full = embedded(&Store { bytes_max_per_user: 1_000, ..Store::default() });
    assert_eq!(done(full.append(request)), Err(StoreError::Quota));
    assert_eq!(body.asked.lock().unwrap().len(), 6, "nor for what has no room");
}

#[test]
fn a_piece_that_cannot_be_read_leaves_nothing_in_the_embedded_store() {
    let store = embedded(&Store::default());
    let body = Counted { fault: Some((2, PieceError::Gone)), ..counted(lines(4 * PIECE)) };
    let failed = done(store.append(large("bob", "large", body).0)).unwrap_err();
    assert_eq!(failed, StoreError::Piece(PieceError::Gone));
    assert!(store.folders(&user("bob"), None, 9).unwrap().is_empty());
    let (request, ..) = large("bob", "large", counted(lines(4 * PIECE)));
    assert_eq!(done(store.append(again(&request))).unwrap().uid, 1);
}
