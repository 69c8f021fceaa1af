//! Large messages that do not come whole, or must not: what the sender is told, what is left, and that it can try again.

use crate::call::Call;
use crate::large_in::{each_gets_what_was_sent, is_discreet, send_each, server, taken, transfers, user};
use crate::large_peer::{Peer, Told, header, text};
use crate::large_wire::{Offer, Session, invite};
use crate::server::{Server, metric};
use crate::wire::{cpim, someone};

/// What is given up is given up soon.
const SOON: &str = "[msrp]\nbind-secs = 1\nidle-secs = 1\n";

/// What became of the first attempt of a peer that has made two.
fn first(told: &Told) -> &serde_json::Value {
    told.such("sent")[0]
}

fn refused(server: &Server, user: &str, options: &[&str], status: &str) -> Told {
    let expected = format!("SIP status {status}");
    Peer::sending(server, user, &[options, &["--expect", &expected]].concat()).finish().good()
}

fn limit_hits(key: &str) -> String {
    format!("restante_limit_hits_total{{limit=\"{key}\"}}")
}

#[test]
fn a_message_that_breaks_off_is_not_there_and_can_be_sent_again() {
    let mut server = server(SOON);
    let table = [
        "--abort-after 60000",
        "--close-after 60000",
        "--stall-after 60000",
        "--bye-after 60000",
        "--wrong-session",
        "--late 1.5 --expect BYE",
        "--close-after 70000 --unknown-total --announce -1",
        "--abort-after 60000 --order shuffle:1 --chunk 2048",
        "--close-after 60000 --setup passive",
    ];
    let again: Vec<_> = table.iter().map(|options| format!("--resume --size 80000 {options}")).collect();
    let again: Vec<_> = again.iter().map(String::as_str).collect();
    let told: Vec<Told> = send_each(&server, &again).into_iter().map(Told::good).collect();
    for told in &told {
        assert_eq!(told.such("sent").len(), 2, "{told:#?}");
        assert_eq!(told.such("sent")[1]["end"], "transferred");
    }
    // Only those that came whole are there.
    assert_eq!(server.metric(metric::QUEUED), Some(9.0));
    server.wait_for_metric("restante_msrp_sessions", 0.0);
    for (outcome, count) in [("done", 9.0), ("aborted", 2.0), ("idle", 1.0)] {
        server.wait_for_metric(&transfers(outcome), count);
    }
    // Whoever closes the connection, or never comes, says BYE as well: the first of these ends the transfer.
    let either = ["closed", "cancelled", "not-bound"].map(|outcome| server.metric(&transfers(outcome)).unwrap());
    assert!(either[0] >= 1.0 && either[2] >= 1.0, "{either:?}");
    assert!((either.iter().sum::<f64>() - 6.0).abs() < 0.5, "{either:?}");
    server.wait_for_metric("restante_sip_dialogs", 0.0);
    assert_eq!(first(&told[4])["end"], "MSRP status 481");
    assert!(server.metric("restante_msrp_strays_total{cause=\"unknown-session\"}") >= Some(1.0));
    // Which of both is noticed first does not matter.
    let stalled = text(first(&told[2]), "end");
    assert!(stalled.ends_with("BYE from the other end") || stalled.ends_with("closed by the other end"), "{stalled}");
    each_gets_what_was_sent(&server, &told);
    is_discreet(&server);
    // What broke off was taken away at once: nothing is left for the next start.
    server.kill();
    server.start();
    assert_eq!(server.metric("restante_body_orphans_total"), Some(0.0));
}

#[test]
fn a_second_connection_to_a_session_is_refused_and_the_first_goes_on() {
    let (server, bob) = (server(""), someone());
    let sent = Peer::sending(&server, &bob, &["--twice"]).finish().good();
    assert_eq!(sent.only("sent")["second"], 506);
    assert_eq!(server.metric("restante_msrp_strays_total{cause=\"bound-elsewhere\"}"), Some(1.0));
    assert_eq!(sent.digests("sent"), taken(&server, &bob, 1).digests("received"));
}

#[test]
fn a_call_to_which_no_connection_comes_is_hung_up() {
    let (server, bob) = (server(SOON), someone());
    let caller = server.caller();
    let waiting = Call::open(&server, &caller, invite(&caller, &bob, &Offer::default()));
    waiting.acknowledge();
    waiting.is_hung_up();
    server.wait_for_metric(&transfers("not-bound"), 1.0);
    // The other way round: the offerer waits for us, and is not there.
    let nobody = crate::server::free_address().port();
    let offer = Offer { setup: Some("passive"), port: nobody, ..Offer::default() };
    let outward = Call::open(&server, &caller, invite(&caller, &bob, &offer));
    outward.acknowledge();
    outward.is_hung_up();
    server.wait_for_metric(&transfers("connect"), 1.0);
    assert_eq!(server.metric(metric::QUEUED), Some(0.0));
    server.wait_for_metric("restante_sip_dialogs", 0.0);
    is_discreet(&server);
}

#[test]
fn def_2c_vi_a_sender_that_wants_no_answers_may_hang_up_before_its_last_octets_are_here() {
    let (server, bob) = (server(""), someone());
    let caller = server.caller();
    let call = Call::open(&server, &caller, invite(&caller, &bob, &Offer::default()));
    call.acknowledge();
    let mut session = Session::connect(&call.answer);
    let body = cpim(&bob, &"x".repeat(100_000));
    let (_, octets) = session.chunk(&body, "Failure-Report: no\r\n");
    let (before, after) = octets.split_at(70_000);
    session.write(before);
    assert_eq!(caller.request(&call.request("BYE", 2)).status(), Some(200));
    session.write(after);
    server.wait_for_metric(metric::QUEUED, 1.0);
    assert_eq!(taken(&server, &bob, 1).only("received")["size"], body.len());
    assert_eq!(server.metric(&transfers("done")), Some(1.0));
}

#[test]
fn a_message_that_is_too_long_is_refused_as_soon_as_it_is_known() {
    let (server, bob) = (server("[msrp]\nmessage-bytes-max = 100000"), someone());
    refused(&server, &bob, &["--announce", "100001"], "413");
    for unannounced in [&["--chunk", "2048"][..], &["--unknown-total"], &["--chunk", "2048", "--order", "reverse"]] {
        let options = [&["--size", "150000", "--announce", "-1", "--expect", ".*"], unannounced].concat();
        let told = Peer::sending(&server, &bob, &options).finish();
        let line = told.only("sent");
        assert_eq!(line["sip_status"], 200, "{line:#}");
        assert_eq!(line["msrp_statuses"]["413"], 1, "{line:#}");
        assert_ne!(line["end"], "transferred", "{line:#}");
    }
    assert_eq!(server.metric(metric::QUEUED), Some(0.0));
    assert_eq!(server.metric(&limit_hits("msrp.message-bytes-max")), Some(3.0));
    server.wait_for_metric(&transfers("declined"), 3.0);
    let sent = Peer::sending(&server, &bob, &["--size", "100000"]).finish().good();
    assert_eq!(sent.digests("sent"), taken(&server, &bob, 1).digests("received"));
}

#[test]
fn a_full_queue_refuses_by_the_announced_size_and_at_the_latest_at_the_end() {
    let (server, bob) =
        (server("[sip]\nbody-bytes-max = 50000\n[queue]\nbytes-max = 50000\nretry-after-secs = 77"), someone());
    let told = refused(&server, &bob, &["--size", "50001"], "480");
    assert_eq!(header(told.only("sent"), "response", "Retry-After"), Some("77"));
    // Each alone would fit.
    let options = ["--size", "30000", "--count", "2", "--parallel", "2", "--hold-at", "10000", "--expect", ".*"];
    let mut both = Peer::sending(&server, &bob, &options);
    both.wait_until_held(2);
    both.go_on();
    let both = both.finish();
    let such = both.such("sent");
    let (there, not): (Vec<_>, Vec<_>) = such.into_iter().partition(|line| line["end"] == "transferred");
    assert_eq!((there.len(), not.len()), (1, 1), "{both:#?}");
    assert_eq!(not[0]["msrp_statuses"]["413"], 1, "{both:#?}");
    server.wait_for_metric(metric::QUEUED, 1.0);
    refused(&server, &bob, &["--size", "30000"], "480");
    assert_eq!(taken(&server, &bob, 1).digests("received"), [text(there[0], "sha256")]);
    // There is room again.
    let again = Peer::sending(&server, &bob, &["--size", "30000"]).finish().good();
    assert_eq!(taken(&server, &bob, 1).digests("received"), again.digests("sent"));
}

#[test]
fn too_many_at_once_for_one_user_are_put_off() {
    let server = server("[msrp]\nreceptions-per-user-max = 2\nsessions-max = 3");
    let (bob, carol, dave) = (user(1), user(2), user(3));
    let hold = ["--count", "2", "--parallel", "2", "--hold-at", "10000"];
    let mut two = Peer::sending(&server, &bob, &hold);
    two.wait_until_held(2);
    let told = refused(&server, &bob, &[], "480");
    assert!(header(told.only("sent"), "response", "Retry-After").is_some(), "{told:#?}");
    assert_eq!(server.metric(&limit_hits("msrp.receptions-per-user-max")), Some(1.0));
    // Others are not concerned, until the server as a whole is full.
    let mut third = Peer::sending(&server, &carol, &["--hold-at", "10000"]);
    third.wait_until_held(1);
    assert_eq!(server.metric("restante_msrp_sessions"), Some(3.0));
    refused(&server, &dave, &[], "503");
    assert_eq!(server.metric(&limit_hits("msrp.sessions-max")), Some(1.0));
    two.go_on();
    third.go_on();
    let (two, third) = (two.finish().good(), third.finish().good());
    server.wait_for_metric("restante_msrp_sessions", 0.0);
    let more = Peer::sending(&server, &bob, &["--seed", "9"]).finish().good();
    let mut sent = [two.digests("sent"), more.digests("sent")].concat();
    sent.sort();
    assert_eq!(taken(&server, &bob, 3).digests("received"), sent);
    assert_eq!(taken(&server, &carol, 1).digests("received"), third.digests("sent"));
    assert_eq!(server.metric(metric::QUEUED), Some(0.0));
}
