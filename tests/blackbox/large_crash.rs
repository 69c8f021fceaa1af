//! Large messages, and the end of the process: by `kill -9`, by SIGTERM, by a full disk. What was answered 200 is kept.

use crate::call::Call;
use crate::large_in::{is_discreet, server, taken, transfers};
use crate::large_peer::{Peer, text};
use crate::large_wire::{Offer, Session, invite};
use crate::server::{Setup, metric};
use crate::ua::PATIENCE;
use crate::wire::{cpim, someone};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::process::Command;
use std::time::{Duration, Instant};

const ORPHANS: &str = "restante_body_orphans_total";

fn digest(octets: &[u8]) -> String {
    Sha256::digest(octets).iter().fold(String::new(), |mut text, octet| {
        write!(text, "{octet:02x}").unwrap();
        text
    })
}

#[test]
fn def_4_kill_9_right_after_the_last_200_loses_nothing() {
    let (mut server, bob) = (server(""), someone());
    let mut sent = Vec::new();
    for (round, size) in [1301, 65_000, 66_000, 400_000].into_iter().enumerate() {
        let body = cpim(&bob, &format!("round {round}: {}", "x".repeat(size)));
        let caller = server.caller();
        let call = Call::open(&server, &caller, invite(&caller, &bob, &Offer::default()));
        call.acknowledge();
        let status = Session::connect(&call.answer).send(&body);
        server.kill();
        assert_eq!(status, 200);
        sent.push(digest(&body));
        server.start();
        assert_eq!(server.metric(ORPHANS), Some(0.0));
    }
    sent.sort();
    assert_eq!(server.metric(metric::QUEUED), Some(4.0));
    assert_eq!(taken(&server, &bob, 4).digests("received"), sent);
}

#[test]
fn def_4_kill_9_among_many_messages_loses_none_that_was_answered_200() {
    let (mut server, bob) = (server("[msrp]\nreceptions-per-user-max = 100"), someone());
    let (mut accepted, mut orphans) = (BTreeSet::new(), 0.0);
    for (round, after) in [1, 6, 14].into_iter().enumerate() {
        let seed = (1000 * (round + 1)).to_string();
        let options = ["--count", "40", "--parallel", "8", "--size", "70000", "--chunk", "9000", "--seed", &seed];
        let mut sender = Peer::sending(&server, &bob, &options);
        for _ in 0..after {
            sender.wait_for("sent");
        }
        server.kill();
        let told = sender.stop();
        let whole = told.such("sent").into_iter().filter(|line| line["end"] == "transferred");
        accepted.extend(whole.map(|line| text(line, "sha256").to_owned()));
        server.start();
        orphans += server.metric(ORPHANS).unwrap();
    }
    assert!(accepted.len() >= 21, "{}", accepted.len());
    println!("{} were answered 200, {orphans} had not come whole", accepted.len());
    // More may be there: those whose 200 nobody has seen.
    let queued = (0..200).find(|count| server.metric(metric::QUEUED) == Some(f64::from(*count))).unwrap();
    let got = taken(&server, &bob, usize::try_from(queued).unwrap()).digests("received");
    let there: BTreeSet<_> = got.iter().cloned().collect();
    assert_eq!(there.len(), got.len(), "delivered twice");
    assert!(accepted.is_subset(&there), "lost: {:?}", accepted.difference(&there));
    server.wait_for_metric(metric::QUEUED, 0.0);
}

#[test]
fn what_had_not_come_whole_at_kill_9_is_swept_at_the_next_start() {
    let (mut server, bob) = (server(""), someone());
    let options = ["--size", "400000", "--count", "3", "--parallel", "3", "--hold-at", "300000"];
    let mut sender = Peer::sending(&server, &bob, &options);
    sender.wait_until_held(3);
    // The last octets before the pause are on the disk, or on their way to it.
    server.wait_for_metric("restante_transfer_bytes_total{direction=\"received\"}", 900_000.0);
    server.kill();
    sender.stop();
    server.start();
    assert_eq!(server.metric(ORPHANS), Some(3.0));
    assert_eq!(server.metric(metric::QUEUED), Some(0.0));
    let again = Peer::sending(&server, &bob, &["--size", "400000"]).finish().good();
    assert_eq!(taken(&server, &bob, 1).digests("received"), again.digests("sent"));
    server.kill();
    server.start();
    assert_eq!(server.metric(ORPHANS), Some(0.0), "swept once");
    is_discreet(&server);
}

#[test]
fn sigterm_in_the_middle_of_a_transfer_ends_it_in_order() {
    let (mut server, bob) = (server(""), someone());
    let kept = Peer::sending(&server, &bob, &["--seed", "5"]).finish().good();
    let mut sender = Peer::sending(&server, &bob, &["--size", "400000", "--hold-at", "300000", "--expect", "."]);
    sender.wait_until_held(1);
    server.terminate();
    let status = server.wait_for_end(Duration::from_secs(15));
    assert_eq!(status.code(), Some(0), "{}", server.log());
    sender.go_on();
    let told = sender.finish();
    assert_ne!(told.only("sent")["end"], "transferred", "{told:#?}");
    server.start();
    // Its discard may have come too late for the journal: then it was swept just now.
    assert!(server.metric(ORPHANS) <= Some(1.0), "{}", server.logs());
    assert_eq!(server.metric(metric::QUEUED), Some(1.0));
    let again = Peer::sending(&server, &bob, &["--size", "400000"]).finish().good();
    let mut sent = [kept.digests("sent"), again.digests("sent")].concat();
    sent.sort();
    assert_eq!(taken(&server, &bob, 2).digests("received"), sent);
    is_discreet(&server);
}

#[test]
fn with_too_little_room_on_the_disk_nothing_is_taken_and_everything_is_given() {
    let (mut server, bob) = (server(""), someone());
    let kept = Peer::sending(&server, &bob, &["--size", "200KiB"]).finish().good();
    server.kill();
    server.configure("[journal]\ndisk-free-min = 1099511627776");
    server.start();
    Peer::sending(&server, &bob, &["--expect", "SIP status 503"]).finish().good();
    assert_eq!(server.metric("restante_limit_hits_total{limit=\"journal.disk-free-min\"}"), Some(1.0));
    assert_eq!(taken(&server, &bob, 1).digests("received"), kept.digests("sent"));
    server.wait_for_metric(metric::QUEUED, 0.0);
}

/// A disk whose free space nobody else changes while we look.
fn quiet_disk() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// Octets free on the disk of this directory.
fn free(directory: &std::path::Path) -> u64 {
    let output = Command::new("df").args(["--output=avail", "-B1"]).arg(directory).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().nth(1).expect("a number").trim().parse().unwrap()
}

#[test]
fn a_disk_that_fills_up_in_the_middle_stops_the_sender() {
    const MARGIN: u64 = 24 << 20;
    let home = quiet_disk();
    let least = free(home.path()) - MARGIN;
    let config =
        format!("[log]\nfilter = \"restante=trace\"\n[journal]\nwrite-buffer-bytes = 4194304\ndisk-free-min = {least}");
    let server = Setup::alone().at(&home).config(&config).start();
    let bob = someone();
    let kept = Peer::sending(&server, &bob, &[]).finish().good();
    let options = ["--size", "1MiB", "--chunk", "30000", "--hold-at", "300000", "--expect", "."];
    let mut sender = Peer::sending(&server, &bob, &options);
    sender.wait_until_held(1);
    let filler = home.path().join("filler");
    std::fs::write(&filler, vec![1; usize::try_from(MARGIN).unwrap()]).unwrap();
    sender.go_on();
    let told = sender.finish();
    assert_eq!(told.only("sent")["msrp_statuses"]["413"], 1, "{told:#?}");
    server.wait_for_metric(&transfers("declined"), 1.0);
    Peer::sending(&server, &bob, &["--expect", "SIP status 503"]).finish().good();
    assert_eq!(taken(&server, &bob, 1).digests("received"), kept.digests("sent"));
    // There is room again, and the server finds that out by itself.
    std::fs::remove_file(&filler).unwrap();
    let deadline = Instant::now() + PATIENCE;
    while !server.log().contains("has room again") {
        assert!(Instant::now() < deadline, "{}", server.log());
        std::thread::sleep(Duration::from_millis(50));
    }
    let again = Peer::sending(&server, &bob, &["--size", "1MiB"]).finish().good();
    assert_eq!(taken(&server, &bob, 1).digests("received"), again.digests("sent"));
}
