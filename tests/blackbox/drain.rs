//! SIGTERM: nothing new is begun, what was begun ends, and nothing that was accepted is lost.

use crate::phone::Phone;
use crate::server::Setup;
use crate::ua::Caller;
use crate::wire::{Registration, cpim, message, someone};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Sends until told to stop; gives the bodies that were accepted, and the other answers met.
fn send_until(stop: &AtomicBool, caller: &Caller, user: &str) -> (Vec<Vec<u8>>, Vec<u16>) {
    let (mut accepted, mut others) = (Vec::new(), Vec::new());
    let mut n = 0;
    while !stop.load(Ordering::Relaxed) {
        n += 1;
        let body = cpim(user, &format!("message {n}"));
        let request = message(caller.via(), user, body.clone());
        caller.send_raw(&request.to_bytes());
        match caller.response_to(&request, Duration::from_millis(300)).and_then(|response| response.status()) {
            Some(202) => accepted.push(body),
            Some(status) => others.push(status),
            None => {}
        }
    }
    (accepted, others)
}

#[test]
fn sigterm_under_traffic_ends_with_0_and_keeps_all_that_was_accepted() {
    let phone = Phone::answering(200);
    let mut server = Setup::behind(phone.address()).config("[queue]\nmessages-max = 100000").start();
    let users: Vec<_> = (0..4).map(|_| someone()).collect();
    let stop = AtomicBool::new(false);
    let mut ended_with = None;
    let results: Vec<_> = std::thread::scope(|scope| {
        let senders: Vec<_> = users
            .iter()
            .map(|user| {
                let caller = server.caller();
                let stop = &stop;
                scope.spawn(move || send_until(stop, &caller, user))
            })
            .collect();
        // Let some traffic pass; how much is of no matter.
        std::thread::sleep(Duration::from_millis(500));
        server.terminate();
        ended_with = Some(server.wait_for_end(Duration::from_secs(20)));
        stop.store(true, Ordering::Relaxed);
        senders.into_iter().map(|sender| sender.join().unwrap()).collect()
    });
    assert_eq!(ended_with.unwrap().code(), Some(0), "{}", server.log());
    for (accepted, others) in &results {
        assert!(!accepted.is_empty(), "no traffic before the end");
        assert!(others.iter().all(|status| *status == 503), "while draining only 503 or nothing: {others:?}");
    }
    server.start();
    let caller = server.caller();
    for user in &users {
        server.registered(&caller, &mut Registration::of(user), &phone, 3600);
    }
    let wanted: usize = results.iter().map(|(accepted, _)| accepted.len()).sum();
    let pushed: Vec<_> = phone.wait_for(wanted).into_iter().map(|push| push.message.body).collect();
    for (accepted, _) in &results {
        for body in accepted {
            assert!(pushed.contains(body), "an accepted message is gone: {}", String::from_utf8_lossy(body));
        }
    }
}

#[test]
fn sigterm_at_rest_ends_soon_and_with_0() {
    let phone = Phone::answering(200);
    let mut server = Setup::behind(phone.address()).start();
    server.deferred(&server.caller(), &someone(), b"x");
    let begun = Instant::now();
    server.terminate();
    let status = server.wait_for_end(Duration::from_secs(10));
    assert_eq!(status.code(), Some(0), "{}", server.log());
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}
