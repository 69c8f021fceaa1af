//! Messages that go.

use super::*;
use tokio::net::TcpListener;

fn send(session: Session, octets: &[u8]) -> Transfer {
    let book = Box::new(Book::new(octets.to_vec()));
    tokio::spawn(session.send(peer(), Way::Passive, outgoing(octets.len()), book))
}

/// Reads SENDs until all these octets are there, and answers each.
async fn take_all(stream: &mut Raw, into: &mut [u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    loop {
        let frame = stream.frame().await.expect("a frame, and no end");
        let range = frame.header("Byte-Range").unwrap().to_owned();
        let at = range.split('-').next().unwrap().parse::<usize>().unwrap() - 1;
        into[at..at + frame.body.len()].copy_from_slice(&frame.body);
        stream.answer(&frame, 200).await;
        let is_last = frame.flag == '$';
        frames.push(frame);
        if is_last {
            return frames;
        }
    }
}

#[tokio::test]
async fn sndl_ok_4_a_message_goes_in_chunks_once_the_peer_has_bound() {
    let house = House::with(&config(), |settings| settings.sender.chunk_bytes_max = 30_000);
    let (session, uri) = house.open();
    let body = content(100_000);
    let book = Book::new(body.clone());
    let read = Arc::clone(&book.read);
    let transfer = tokio::spawn(session.send(peer(), Way::Passive, outgoing(body.len()), Box::new(book)));
    let mut stream = house.connect().await;
    // A request shows that the connection is served, and still nothing was sent (SNDL-OK-3).
    stream.bind("msrp://127.0.0.1:1/nobody;tcp").await;
    assert_eq!(stream.status().await, "481");
    assert_eq!(*read.borrow(), 0);
    stream.bind(&uri).await;
    assert_eq!(stream.status().await, "200");
    let mut held = vec![0; body.len()];
    let frames = take_all(&mut stream, &mut held).await;
    assert_eq!(ended(transfer).await, Ok(()));
    assert!(held == body);
    let lengths: Vec<usize> = frames.iter().map(|frame| frame.body.len()).collect();
    assert_eq!(lengths, [30_000, 30_000, 30_000, 10_000]);
    assert!(
        frames.iter().all(|frame| frame.header("To-Path") == Some(PEER) && frame.header("Message-ID") == Some("m2"))
    );
    drop(stream);
    let totals = house.tallies.none_left().await;
    assert_eq!((totals.ended, totals.octets), (vec![(Direction::Out, Ended::Done)], [0, 100_000]));
}

#[tokio::test]
async fn a_peer_that_binds_before_we_send_is_answered_when_we_do() {
    let house = House::new();
    let (session, uri) = house.open();
    let mut stream = house.connect().await;
    stream.bind(&uri).await;
    house.tallies.until(|totals| totals.connections == 1).await;
    let transfer = send(session, b"hello");
    assert_eq!(stream.status().await, "200");
    let mut held = [0; 5];
    take_all(&mut stream, &mut held).await;
    assert_eq!((ended(transfer).await, &held), (Ok(()), b"hello"));
}

#[tokio::test]
async fn def_413_stops_a_message_in_the_middle() {
    let house = House::with(&config(), |settings| settings.sender.chunk_bytes_max = 20_000);
    let (session, uri) = house.open();
    let (source, pace) = (Endless::new(), Arc::new(Semaphore::new(3)));
    let source = Endless { pace: Arc::clone(&pace), ..source };
    let message = outgoing(10 << 20);
    let transfer = tokio::spawn(session.send(peer(), Way::Passive, message, Box::new(source)));
    let mut stream = house.connect().await;
    stream.bind(&uri).await;
    assert_eq!(stream.status().await, "200");
    let first = stream.frame().await.unwrap();
    assert_eq!((first.body.len(), first.flag), (20_000, '+'));
    stream.answer(&first, 413).await;
    // The second chunk has begun: it is given up, and the connection goes on.
    let second = stream.frame().await.unwrap();
    assert_eq!((second.body.len(), second.flag), (16_384, '#'));
    assert_eq!(ended(transfer).await, Err(TransferError::Status(413)));
    stream.bind("msrp://127.0.0.1:1/nobody;tcp").await;
    assert_eq!(stream.status().await, "481");
    assert_eq!(house.tallies.0.borrow().ended, [(Direction::Out, Ended::Refused)]);
}

/// As many octets as are wanted, one slice for each permit.
struct Endless {
    pace: Arc<Semaphore>,
    read: Arc<watch::Sender<u64>>,
}

impl Endless {
    fn new() -> Self {
        Self { pace: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)), read: Arc::default() }
    }
}

impl Source for Endless {
    fn read(&mut self, position: u64, max: usize) -> BoxFuture<'_, Result<Bytes, SourceError>> {
        Box::pin(async move {
            self.pace.acquire().await.unwrap().forget();
            self.read.send_replace(position + max as u64);
            Ok(Bytes::from(vec![7; max]))
        })
    }
}

#[tokio::test]
async fn a_peer_that_answers_nothing_has_its_window_and_no_more() {
    let house = House::with(&config(), |settings| settings.sender.response = Duration::from_millis(300));
    let (session, uri) = house.open();
    let source = Endless::new();
    let read = Arc::clone(&source.read);
    let transfer = tokio::spawn(session.send(peer(), Way::Passive, outgoing(1 << 30), Box::new(source)));
    let mut stream = house.connect().await;
    stream.bind(&uri).await;
    assert_eq!(ended(transfer).await, Err(TransferError::Unanswered));
    assert_eq!(*read.borrow(), 8 * 65_536);
    house.tallies.none_left().await;
    drop(stream);
}

#[tokio::test]
async fn a_peer_that_never_reads_costs_what_the_sockets_hold_and_is_given_up() {
    let house = House::with(&config(), |settings| {
        (settings.idle, settings.sender.chunk_bytes_max) = (Duration::from_millis(300), 1 << 30);
    });
    let (session, uri) = house.open();
    let source = Endless::new();
    let read = Arc::clone(&source.read);
    let transfer = tokio::spawn(session.send(peer(), Way::Passive, outgoing(1 << 30), Box::new(source)));
    let mut stream = house.connect().await;
    stream.bind(&uri).await;
    assert_eq!(ended(transfer).await, Err(TransferError::Idle));
    assert!(*read.borrow() < 64 << 20, "{} octets were read", *read.borrow());
    house.tallies.none_left().await;
    drop(stream);
}

#[tokio::test]
async fn two_messages_take_turns_on_one_connection() {
    let house = House::with(&config(), |settings| settings.sender.chunk_bytes_max = 40_000);
    let ((one, uri_one), (two, uri_two)) = (house.open(), house.open());
    let (body_one, body_two) = (content(400_000), content(300_000));
    let transfers = [send(one, &body_one), send(two, &body_two)];
    let mut stream = house.connect().await;
    stream.write([binding("b0b1", &uri_one), binding("b0b2", &uri_two)].concat().as_bytes()).await;
    let (mut held, mut order, mut last) = ([vec![0; 400_000], vec![0; 300_000]], Vec::new(), 0);
    while last < 2 {
        let frame = stream.frame().await.unwrap();
        if frame.what != "SEND" {
            continue;
        }
        let of = usize::from(frame.header("From-Path") == Some(uri_two.as_str()));
        let at = frame.header("Byte-Range").unwrap().split('-').next().unwrap().parse::<usize>().unwrap() - 1;
        held[of][at..at + frame.body.len()].copy_from_slice(&frame.body);
        order.push(of);
        last += usize::from(frame.flag == '$');
        stream.answer(&frame, 200).await;
    }
    assert!(held[0] == body_one && held[1] == body_two);
    for transfer in transfers {
        assert_eq!(ended(transfer).await, Ok(()));
    }
    let first_of_two = order.iter().position(|of| *of == 1).unwrap();
    let last_of_one = order.iter().rposition(|of| *of == 0).unwrap();
    assert!(first_of_two < last_of_one, "the second waited for the end of the first: {order:?}");
}

#[tokio::test]
async fn an_answer_interrupts_a_long_chunk_even_while_its_source_is_slow() {
    let house = House::with(&config(), |settings| settings.sender.chunk_bytes_max = 1 << 20);
    let (session, uri) = house.open();
    let source = Endless { pace: Arc::new(Semaphore::new(1)), ..Endless::new() };
    let (pace, read) = (Arc::clone(&source.pace), Arc::clone(&source.read));
    let transfer = tokio::spawn(session.send(peer(), Way::Passive, outgoing(100_000), Box::new(source)));
    let mut stream = house.connect().await;
    stream.bind(&uri).await;
    assert_eq!(stream.status().await, "200");
    soon(read.subscribe().wait_for(|read| *read > 0)).await.unwrap();
    stream.bind("msrp://127.0.0.1:1/nobody;tcp").await;
    let chunk = stream.frame().await.unwrap();
    assert_eq!((chunk.body.len(), chunk.flag), (16_384, '+'));
    assert_eq!(stream.status().await, "481");
    stream.answer(&chunk, 200).await;
    pace.add_permits(100);
    let mut held = vec![0; 100_000];
    take_all(&mut stream, &mut held).await;
    assert_eq!(ended(transfer).await, Ok(()));
    assert!(held[16_384..].iter().all(|octet| *octet == 7));
}

#[tokio::test]
async fn a_chunk_without_an_answer_ends_the_transfer() {
    let house = House::with(&config(), |settings| settings.sender.response = Duration::from_millis(50));
    let (session, uri) = house.open();
    let transfer = send(session, b"hello");
    let mut stream = house.connect().await;
    stream.bind(&uri).await;
    assert_eq!(ended(transfer).await, Err(TransferError::Unanswered));
    house.tallies.none_left().await;
}

#[tokio::test]
async fn a_message_that_cannot_be_read_is_given_up() {
    let house = House::new();
    let (session, uri) = house.open();
    let book = Book { fails_at: Some(16_384), ..Book::new(content(50_000)) };
    let transfer = tokio::spawn(session.send(peer(), Way::Passive, outgoing(50_000), Box::new(book)));
    let mut stream = house.connect().await;
    stream.bind(&uri).await;
    assert_eq!(stream.status().await, "200");
    let chunk = stream.frame().await.unwrap();
    assert_eq!((chunk.body.len(), chunk.flag), (16_384, '#'));
    assert_eq!(ended(transfer).await, Err(TransferError::Source));
    house.tallies.none_left().await;
}

#[tokio::test]
async fn a_message_that_nobody_wants_sent_any_more_leaves_nothing() {
    let house = House::new();
    let (session, uri) = house.open();
    let source = Endless { pace: Arc::new(Semaphore::new(1)), ..Endless::new() };
    let (pace, read) = (Arc::clone(&source.pace), Arc::clone(&source.read));
    let transfer = tokio::spawn(session.send(peer(), Way::Passive, outgoing(50_000), Box::new(source)));
    let mut stream = house.connect().await;
    stream.bind(&uri).await;
    assert_eq!(stream.status().await, "200");
    soon(read.subscribe().wait_for(|read| *read > 0)).await.unwrap();
    transfer.abort();
    assert_eq!(stream.frame().await.unwrap().flag, '#');
    assert!(stream.frame().await.is_none());
    let totals = house.tallies.none_left().await;
    assert_eq!(totals.ended, [(Direction::Out, Ended::Cancelled)]);
    // The source went, too.
    assert_eq!((Arc::strong_count(&pace), Arc::strong_count(&read)), (1, 1));
}

#[tokio::test]
async fn a_peer_that_goes_in_the_middle_ends_the_transfer() {
    let house = House::new();
    let (session, uri) = house.open();
    let transfer = send(session, &content(50_000));
    let mut stream = house.connect().await;
    stream.bind(&uri).await;
    stream.frame().await.unwrap();
    drop(stream);
    assert_eq!(ended(transfer).await, Err(TransferError::Closed));
    house.tallies.none_left().await;
}

#[tokio::test]
async fn we_can_be_the_one_who_connects() {
    let house = House::with(&config(), |settings| settings.bind = Duration::from_millis(500));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let relay = format!("msrp://{};tcp", listener.local_addr().unwrap());
    let peer = Peer { path: vec![relay.clone(), PEER.to_owned()], fingerprint: None, secure: false };
    let session = house.open().0;
    let book = Box::new(Book::new(b"hello".to_vec()));
    let transfer = tokio::spawn(session.send(peer.clone(), Way::Active, outgoing(5), book));
    let mut stream = Raw::new(soon(listener.accept()).await.unwrap().0);
    // The first chunk binds, and the whole path of the answer is its To-Path (SNDL-OK-4a).
    let chunk = stream.frame().await.unwrap();
    assert_eq!(chunk.header("To-Path"), Some(format!("{relay} {PEER}").as_str()));
    assert_eq!((chunk.body.as_slice(), chunk.flag), (&b"hello"[..], '$'));
    stream.answer(&chunk, 200).await;
    assert_eq!(ended(transfer).await, Ok(()));
    // The next message takes the same connection, which is closed when nobody has wanted it for a while.
    let session = house.open().0;
    let book = Box::new(Book::new(b"again".to_vec()));
    let transfer = tokio::spawn(session.send(peer.clone(), Way::Active, outgoing(5), book));
    let chunk = stream.frame().await.unwrap();
    stream.answer(&chunk, 200).await;
    assert_eq!(ended(transfer).await, Ok(()));
    assert!(stream.frame().await.is_none());
    house.tallies.none_left().await;
    drop(listener);
    let transfer = house.open().0.send(peer, Way::Active, outgoing(5), Box::new(Book::new(b"hello".to_vec())));
    assert_eq!(soon(transfer).await, Err(TransferError::Connect(std::io::ErrorKind::ConnectionRefused)));
}

#[tokio::test]
async fn paths_that_are_of_no_use_are_told() {
    let house = House::new();
    for (path, secure) in [("", false), ("sip:x", false), ("msrps://127.0.0.1:1/p;tcp", false), (PEER, true)] {
        let path = if path.is_empty() { Vec::new() } else { vec![path.to_owned()] };
        let peer = Peer { path, fingerprint: None, secure };
        let book = Box::new(Book::new(b"hello".to_vec()));
        let result = soon(house.open().0.send(peer, Way::Active, outgoing(5), book)).await;
        assert_eq!(result, Err(TransferError::Path));
    }
    assert_eq!(house.tallies.0.borrow().sessions, 0);
}
