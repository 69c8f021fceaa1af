//! Messages that come.

use super::*;

#[tokio::test]
async fn def_2c_a_message_in_chunks_is_put_together_and_answered_when_it_is_kept() {
    let house = House::new();
    let (session, uri) = house.open();
    let (shelf, body) = (Shelf { end: Arc::new(Semaphore::new(0)), ..Shelf::new() }, content(100_000));
    let transfer = receive(session, Box::new(shelf.clone()));
    let mut peer = house.connect().await;
    peer.bind(&uri).await;
    assert_eq!(peer.status().await, "200");
    peer.write(&chunk("c001", &uri, "1-60000/100000", &body[..60_000], '+')).await;
    assert_eq!(peer.status().await, "200");
    peer.write(&chunk("c002", &uri, "60001-*/100000", &body[60_000..], '$')).await;
    // The sink has it all and has not said that it is safe: so nothing is answered. Another request shows that we go on.
    while shelf.finished.lock().unwrap().is_none() {
        tokio::task::yield_now().await;
    }
    assert!(!transfer.is_finished() && peer.buffer.is_empty());
    shelf.end.add_permits(1);
    let last = soon(peer.frame()).await.unwrap();
    assert_eq!((last.transaction.as_str(), last.what.as_str()), ("c002", "200"));
    assert_eq!(ended(transfer).await, Ok(()));
    assert!(shelf.held() == body);
    let done = shelf.finished.lock().unwrap().clone().unwrap();
    assert_eq!((done.size, done.message_id.as_str(), done.content_type.as_str()), (100_000, "m1", "message/cpim"));
    drop(peer);
    let totals = house.tallies.none_left().await;
    assert_eq!(totals.ended, [(Direction::In, Ended::Done)]);
    assert_eq!(totals.octets, [100_000, 0]);
}

#[tokio::test]
async fn a_peer_that_binds_before_the_session_is_wanted_is_kept_waiting() {
    let house = House::new();
    let (session, uri) = house.open();
    let (mut one, mut two) = (house.connect().await, house.connect().await);
    one.write(&chunk("0ne0", &uri, "1-5/5", b"hello", '$')).await;
    two.write(&chunk("tw00", &uri, "1-5/5", b"hello", '$')).await;
    // Whoever was seen first has the session, and the other is told so, long before anybody wants the message.
    let (refused, mut kept) = tokio::select! {
        refused = one.frame() => (refused, two),
        refused = two.frame() => (refused, one),
    };
    assert_eq!(refused.unwrap().what, "506");
    let shelf = Shelf::new();
    let transfer = receive(session, Box::new(shelf.clone()));
    assert_eq!(kept.status().await, "200");
    assert_eq!(ended(transfer).await, Ok(()));
    assert_eq!(shelf.held(), b"hello");
}

#[tokio::test]
async fn an_early_peer_is_told_when_the_session_goes_away() {
    let house = House::new();
    let (session, uri) = house.open();
    let (mut one, mut two) = (house.connect().await, house.connect().await);
    one.bind(&uri).await;
    two.bind(&uri).await;
    let (_, mut kept) = tokio::select! {
        refused = one.frame() => (refused, two),
        refused = two.frame() => (refused, one),
    };
    drop(session);
    assert_eq!(kept.status().await, "481");
}

#[tokio::test]
async fn a_second_binder_gets_506_and_a_stranger_481() {
    let house = House::new();
    let (session, uri) = house.open();
    let transfer = receive(session, Box::new(Shelf::new()));
    let (mut first, mut second) = (house.connect().await, house.connect().await);
    first.bind(&uri).await;
    assert_eq!(first.status().await, "200");
    second.bind(&uri).await;
    assert_eq!(second.status().await, "506");
    second.bind("msrp://127.0.0.1:2855/nobody;tcp").await;
    assert_eq!(second.status().await, "481");
    // The host of our URI may be another by the time it comes back (RFC 6714).
    let moved = uri.replace("127.0.0.1", "middlebox.invalid");
    first.write(&chunk("c1ch", &moved, "1-2/2", b"ok", '$')).await;
    assert_eq!(first.status().await, "200");
    assert_eq!(ended(transfer).await, Ok(()));
    let totals = house.tallies.until(|totals| totals.strays.len() == 2).await;
    assert_eq!(totals.strays, [Stray::BoundElsewhere, Stray::UnknownSession]);
}

#[tokio::test]
async fn nobody_binds() {
    let house = House::with(&config(), |settings| settings.bind = Duration::from_millis(50));
    let (session, _) = house.open();
    let silent = house.connect().await;
    assert_eq!(ended(receive(session, Box::new(Shelf::new()))).await, Err(TransferError::NotBound));
    let totals = house.tallies.none_left().await;
    assert_eq!((totals.ended, totals.strays), (vec![(Direction::In, Ended::NotBound)], vec![Stray::Unbound]));
    drop(silent);
}

#[tokio::test]
async fn a_connection_that_closes_in_the_middle_ends_the_transfer() {
    let house = House::new();
    let (session, uri) = house.open();
    let shelf = Shelf::new();
    let transfer = receive(session, Box::new(shelf.clone()));
    let mut peer = house.connect().await;
    let whole = chunk("c001", &uri, "1-*/5000", &content(5000), '$');
    peer.write(&whole[..2000]).await;
    soon(shelf.offered.subscribe().wait_for(|offered| *offered > 0)).await.unwrap();
    drop(peer);
    assert_eq!(ended(transfer).await, Err(TransferError::Closed));
    assert!(shelf.finished.lock().unwrap().is_none());
    house.tallies.none_left().await;
}

#[tokio::test]
async fn a_peer_that_falls_silent_is_given_up() {
    let house = House::with(&config(), |settings| settings.idle = Duration::from_millis(50));
    let (session, uri) = house.open();
    let transfer = receive(session, Box::new(Shelf::new()));
    let mut peer = house.connect().await;
    peer.write(&chunk("c001", &uri, "1-*/5000", &content(5000), '$')[..2000]).await;
    assert_eq!(ended(transfer).await, Err(TransferError::Idle));
    let totals = house.tallies.none_left().await;
    assert_eq!(totals.ended, [(Direction::In, Ended::Idle)]);
}

#[tokio::test]
async fn octets_that_cannot_be_kept_are_refused_and_the_peer_stops() {
    let house = House::new();
    let (session, uri) = house.open();
    let transfer = receive(session, Box::new(Shelf { refusal: Some(413), ..Shelf::new() }));
    let mut peer = house.connect().await;
    let whole = chunk("c001", &uri, "1-*/50000", &content(50_000), '$');
    peer.write(&whole[..20_000]).await;
    // In the middle of the chunk, and the rest of it does no harm.
    assert_eq!(peer.status().await, "413");
    assert_eq!(ended(transfer).await, Err(TransferError::Refused(413)));
    peer.write(&whole[20_000..]).await;
    peer.bind(&uri).await;
    assert_eq!(peer.status().await, "481");
}

#[tokio::test]
async fn a_message_that_is_too_long_is_refused_before_it_is_there() {
    let house = House::with(&config(), |settings| settings.receiver.message_bytes_max = 1000);
    let (session, uri) = house.open();
    let shelf = Shelf::new();
    let transfer = receive(session, Box::new(shelf.clone()));
    let mut peer = house.connect().await;
    peer.write(&chunk("c001", &uri, "1-1001/1001", &content(1001), '$')).await;
    assert_eq!(peer.status().await, "413");
    assert_eq!(ended(transfer).await, Err(TransferError::Refused(413)));
    assert_eq!(house.tallies.0.borrow().limits, [Limit::MessageBytes]);
    assert!(shelf.held().is_empty());
}

#[tokio::test]
async fn a_peer_that_gives_up_is_believed() {
    let house = House::new();
    let (session, uri) = house.open();
    let transfer = receive(session, Box::new(Shelf::new()));
    let mut peer = house.connect().await;
    peer.write(&chunk("c001", &uri, "1-*/5000", &content(100), '#')).await;
    assert_eq!(ended(transfer).await, Err(TransferError::Aborted));
}

#[tokio::test]
async fn two_sessions_share_a_connection_and_a_third_is_not_disturbed_by_garbage() {
    let house = House::new();
    let ((one, uri_one), (two, uri_two), (three, uri_three)) = (house.open(), house.open(), house.open());
    let shelves = [Shelf::new(), Shelf::new(), Shelf::new()];
    let one = receive(one, Box::new(shelves[0].clone()));
    let two = receive(two, Box::new(shelves[1].clone()));
    let three = receive(three, Box::new(shelves[2].clone()));
    let (mut shared, mut other) = (house.connect().await, house.connect().await);
    other.write(&chunk("o001", &uri_three, "1-3/6", b"abc", '+')).await;
    assert_eq!(other.status().await, "200");
    shared.write(&chunk("a001", &uri_one, "1-3/6", b"one", '+')).await;
    shared.write(&chunk("b001", &uri_two, "1-3/6", b"two", '+')).await;
    shared.write(&chunk("a002", &uri_one, "4-6/6", b"ONE", '$')).await;
    for id in ["a001", "b001", "a002"] {
        let answer = shared.frame().await.unwrap();
        assert_eq!((answer.transaction.as_str(), answer.what.as_str()), (id, "200"));
    }
    assert_eq!(ended(one).await, Ok(()));
    shared.write(b"GET / HTTP/1.1\r\n\r\n").await;
    assert_eq!(ended(two).await, Err(TransferError::Malformed));
    other.write(&chunk("o002", &uri_three, "4-6/6", b"def", '$')).await;
    assert_eq!(ended(three).await, Ok(()));
    assert_eq!((shelves[0].held(), shelves[2].held()), (b"oneONE".to_vec(), b"abcdef".to_vec()));
}

#[tokio::test]
async fn a_slow_sink_stops_the_reading_and_what_waits_is_bounded() {
    let house = House::new();
    let (session, uri) = house.open();
    let shelf = Shelf { pace: Arc::new(Semaphore::new(0)), ..Shelf::new() };
    let transfer = receive(session, Box::new(shelf.clone()));
    let mut peer = house.connect().await;
    let body = content(8 << 20);
    let whole = chunk("c001", &uri, &format!("1-*/{}", body.len()), &body, '$');
    // So much fits into the sockets; the rest waits with the peer.
    let mut sent = 0;
    while let Ok(written) = timeout(Duration::from_millis(300), peer.stream.write(&whole[sent..])).await {
        sent += written.unwrap();
    }
    assert!(sent < whole.len(), "everything was taken");
    assert!(*shelf.offered.borrow() <= 16 << 10, "{} octets were offered", *shelf.offered.borrow());
    shelf.pace.add_permits(Semaphore::MAX_PERMITS >> 1);
    peer.write(&whole[sent..]).await;
    assert_eq!(peer.status().await, "200");
    assert_eq!(ended(transfer).await, Ok(()));
    assert!(shelf.held() == body);
}

#[tokio::test]
async fn a_transfer_that_nobody_wants_any_more_leaves_nothing() {
    let house = House::new();
    let (waiting, _) = house.open();
    let (session, uri) = house.open();
    let (unused, _) = house.open();
    let shelf = Shelf { pace: Arc::new(Semaphore::new(0)), ..Shelf::new() };
    let waiting = receive(waiting, Box::new(Shelf::new()));
    let transfer = receive(session, Box::new(shelf.clone()));
    let mut peer = house.connect().await;
    peer.write(&chunk("c001", &uri, "1-*/5000", &content(5000), '$')).await;
    soon(shelf.offered.subscribe().wait_for(|offered| *offered > 0)).await.unwrap();
    drop(unused);
    transfer.abort();
    waiting.abort();
    assert!(peer.frame().await.is_none(), "the connection is of no use to anybody");
    let totals = house.tallies.none_left().await;
    assert_eq!(totals.ended, [(Direction::In, Ended::Cancelled); 2]);
    // Only ours is left of the sink.
    let mut patience = 0;
    while Arc::strong_count(&shelf.octets) > 1 {
        patience += 1;
        assert!(patience < 1_000_000, "the sink was not dropped");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn we_can_be_the_one_who_connects() {
    let house = House::new();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let path = format!("msrp://{}/peer;tcp", listener.local_addr().unwrap());
    let peer = Peer { path: vec![path], fingerprint: None, secure: false };
    let shelves = [Shelf::new(), Shelf::new()];
    let transfers = shelves.clone().map(|shelf| {
        let (session, uri) = house.open();
        (tokio::spawn(session.receive(peer.clone(), Way::Active, Box::new(shelf))), uri)
    });
    // Both over one connection, each bound by an empty SEND.
    let mut stream = Raw::new(soon(listener.accept()).await.unwrap().0);
    let mut bound = Vec::new();
    for _ in 0..2 {
        let bind = stream.frame().await.unwrap();
        assert_eq!((bind.what.as_str(), bind.body.len(), bind.flag), ("SEND", 0, '$'));
        stream.answer(&bind, 200).await;
        bound.push(bind.header("From-Path").unwrap().to_owned());
    }
    for (transfer, uri) in transfers {
        assert!(bound.contains(&uri));
        stream.write(&chunk("c0c0", &uri, "1-4/4", b"ping", '$')).await;
        assert_eq!(stream.status().await, "200");
        assert_eq!(ended(transfer).await, Ok(()));
    }
    assert_eq!(house.tallies.0.borrow().connections, 1);
}

#[tokio::test]
async fn there_are_no_more_sessions_and_connections_than_allowed() {
    let house = House::with(&config(), |settings| (settings.sessions_max, settings.connections_max) = (2, 1));
    let (one, _two) = (house.open().0, house.open().0);
    assert!(matches!(house.msrp.open(false), Err(MsrpError::Busy)));
    drop(one);
    let _three = house.open();
    assert!(matches!(house.msrp.open(true), Err(MsrpError::NoTls)));
    let mut first = house.connect().await;
    first.bind("msrp://127.0.0.1:1/nobody;tcp").await;
    assert_eq!(first.status().await, "481");
    let mut second = house.connect().await;
    assert!(second.frame().await.is_none(), "one connection too many is closed");
    assert_eq!(house.tallies.0.borrow().limits, [Limit::Sessions, Limit::Connections]);
}

#[tokio::test]
async fn who_stops_lets_end_what_is_under_way_and_then_ends_it() {
    let house = House::new();
    let ((quick, uri), (slow, _)) = (house.open(), house.open());
    let quick = receive(quick, Box::new(Shelf::new()));
    let slow = receive(slow, Box::new(Shelf::new()));
    let mut peer = house.connect().await;
    peer.bind(&uri).await;
    assert_eq!(peer.status().await, "200");
    let msrp = house.msrp.clone();
    let drained = tokio::spawn(async move { msrp.drain(Duration::from_millis(500)).await });
    while house.msrp.open(false).is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(matches!(house.msrp.open(false), Err(MsrpError::Closed)));
    peer.write(&chunk("c001", &uri, "1-2/2", b"ok", '$')).await;
    assert_eq!(peer.status().await, "200");
    assert_eq!(ended(quick).await, Ok(()));
    assert_eq!(ended(slow).await, Err(TransferError::Stopping));
    soon(drained).await.unwrap();
    assert_eq!((house.tallies.0.borrow().sessions, house.tallies.0.borrow().connections), (0, 0));
}

#[tokio::test]
async fn when_the_last_handle_goes_every_transfer_ends() {
    let house = House::new();
    let (session, _) = house.open();
    let transfer = receive(session, Box::new(Shelf::new()));
    let House { msrp, .. } = house;
    drop(msrp);
    assert_eq!(ended(transfer).await, Err(TransferError::Stopping));
}
