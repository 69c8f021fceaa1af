//! Large messages that come, and go as they came: octets, headers, expiry, senders (8.3.2.3, DEF-2).

use crate::large_peer::{Peer, Told, header, text};
use crate::server::{Server, Setup, metric};
use crate::wire::{ALICE, REALM, address, someone};
use std::collections::BTreeMap;

/// A user for each message of a table: `{n}` is the number of the user, as the peer's `--first` and `--users` count.
const MANY: &str = "+12025553{n}";
const FIRST: usize = 100;

/// A server between peers of the tests. It logs whatever it can, so that what must not be in a log would be there.
pub fn server(config: &str) -> Server {
    Setup::alone().config("[log]\nfilter = \"restante=trace\"").config(config).start()
}

/// The user with this number.
pub fn user(number: usize) -> String {
    MANY.replace("{n}", &(FIRST + number).to_string())
}

/// Sends a message to a user of its own with each of these options, all at once.
pub fn send_each(server: &Server, table: &[&str]) -> Vec<Told> {
    let send = |(number, options): (usize, &&str)| {
        let seed = (1000 * (number + 1)).to_string();
        let options: Vec<&str> = options.split_whitespace().chain(["--seed", &seed]).collect();
        Peer::sending(server, &user(number), &options)
    };
    let peers: Vec<Peer> = table.iter().enumerate().map(send).collect();
    peers.into_iter().map(Peer::finish).collect()
}

/// The digests of the messages that lines of this kind tell of, by their recipients.
fn by_recipient<'a>(told: impl IntoIterator<Item = &'a Told>, event: &str) -> BTreeMap<String, String> {
    let lines = told.into_iter().flat_map(|told| told.such(event));
    lines.map(|line| (text(line, "to").to_owned(), text(line, "sha256").to_owned())).collect()
}

/// The first `count` users of [`send_each`] register and take one message each: the very ones that were sent.
pub fn each_gets_what_was_sent(server: &Server, sent: &[Told]) {
    let (first, count) = (FIRST.to_string(), sent.len().to_string());
    let options = ["--users", &count, "--count", &count, "--first", &first, "--brief"];
    let got = Peer::receiving(server, MANY, &options).finish().good();
    assert_eq!(by_recipient([&got], "received"), by_recipient(sent, "sent"));
    server.wait_for_metric(metric::QUEUED, 0.0);
}

/// A user registers, takes `count` messages, and goes.
pub fn taken(server: &Server, user: &str, count: usize) -> Told {
    Peer::receiving(server, user, &["--count", &count.to_string(), "--deregister"]).finish().good()
}

/// How many messages came to this end on their way in.
pub fn transfers(outcome: &str) -> String {
    format!("restante_transfers_total{{direction=\"received\",outcome=\"{outcome}\"}}")
}

/// Nothing of who wrote to whom about what is in the log.
pub fn is_discreet(server: &Server) {
    let log = server.logs();
    for private in [&ALICE[1..], "202555", "@peer.test", "Photos", "anonymous.invalid"] {
        assert!(!log.contains(private), "'{private}' is in the log:\n{log}");
    }
}

#[test]
fn def_2c_vi_chunks_are_put_together_however_they_come() {
    let server = server("");
    let table = [
        "--size 300KiB --chunk 100KiB",
        "--size 100KiB --chunk 2048",
        "--size 100KiB --chunk 2048 --order reverse",
        "--size 100KiB --chunk 3000 --order shuffle:7",
        "--size 100KiB --chunk 7000 --order overlap",
        "--size 400 --chunk 1",
        "--size 400 --chunk 10 --order shuffle:8",
        "--size 3000 --split 1",
        "--size 100KiB --unknown-total",
        "--size 100KiB --unknown-total --announce -1 --chunk 2048",
        "--size 1300KiB --content-type image/jpeg",
        "--size 65536 --content-type image/jpeg --chunk 2048 --order reverse",
    ];
    let sent: Vec<Told> = send_each(&server, &table).into_iter().map(Told::good).collect();
    server.wait_for_metric(metric::QUEUED, 12.0);
    each_gets_what_was_sent(&server, &sent);
    server.wait_for_metric(&transfers("done"), 12.0);
    assert_eq!(server.metric("restante_transfers_total{direction=\"sent\",outcome=\"done\"}"), Some(12.0));
    is_discreet(&server);
}

#[test]
fn def_2_whoever_connects_and_whatever_is_to_be_reported() {
    let server = server("");
    let table = [
        "--setup active",
        "--setup passive",
        "--setup actpass",
        "--setup none",
        "--late 0.3",
        "--transport tcp",
        "--success-report yes",
        "--success-report yes --failure-report no --chunk 2048",
        "--failure-report partial --chunk 2048 --order reverse",
        "--success-report no --failure-report yes",
        "--failure-report no --size 300KiB",
    ];
    let sent: Vec<Told> = send_each(&server, &table).into_iter().map(Told::good).collect();
    let number_of_reports = |number: usize| sent[number].only("sent")["reports"].as_u64().unwrap();
    let reports: Vec<u64> = (0..table.len()).map(number_of_reports).collect();
    assert!(reports[6] >= 1 && reports[7] >= 1, "{reports:?}");
    assert_eq!(reports.iter().sum::<u64>(), reports[6] + reports[7], "reports that nobody asked for: {reports:?}");
    // Failure-Report: no, and partial: nothing but errors is answered.
    for number in [7, 8] {
        assert_eq!(sent[number].only("sent")["msrp_statuses"], serde_json::json!({}));
    }
    let answer = text(sent[0].only("sent"), "answer");
    for line in ["a=recvonly\r\n", "a=setup:passive\r\n", "a=accept-types:message/cpim\r\n", "a=path:msrp://127.0.0.1:"]
    {
        assert!(answer.contains(line), "{answer}");
    }
    each_gets_what_was_sent(&server, &sent);
}

#[test]
fn def_2a_def_2c_what_was_said_of_a_message_is_said_again() {
    let (server, bob) = (server(""), someone());
    let options = [
        "--header",
        "InReplyTo-Contribution-ID: 01234567-89ab-cdef-0123-456789abcdef",
        "--header",
        "Referred-By: <sip:carol@elsewhere.test>",
        "--content-disposition",
        "render",
        "--imdn",
    ];
    let sent = Peer::sending(&server, &bob, &options).finish().good();
    let got = taken(&server, &bob, 1);
    let (sent, got) = (sent.only("sent"), got.only("received"));
    for name in ["Conversation-ID", "Contribution-ID", "InReplyTo-Contribution-ID", "Subject", "Date", "Referred-By"] {
        let said = header(sent, "invite", name);
        assert!(said.is_some() && said == header(got, "invite", name), "{name}: {got:#}");
    }
    let alice = format!("<{}>", address(ALICE));
    assert!(header(got, "invite", "From").unwrap().starts_with(&alice), "{got:#}");
    assert_eq!(header(got, "invite", "P-Asserted-Identity"), Some(alice.as_str()));
    assert_eq!(got["msrp"]["content-type"], "message/cpim");
    assert_eq!(got["msrp"]["content-disposition"], "render");
    assert_eq!(got["msrp"]["message-id"], sent["message_id"]);
    assert!(text(got, "sdp").contains("a=file-selector:size:20000\r\n"), "{got:#}");
    assert_eq!(sent["sha256"], got["sha256"]);
    is_discreet(&server);
}

#[test]
fn def_2a_iii_an_anonymous_sender_stays_anonymous() {
    let (server, bob) = (server(""), someone());
    let sent = Peer::sending(&server, &bob, &["--anonymous"]).finish().good();
    let got = taken(&server, &bob, 1);
    assert_eq!(sent.digests("sent"), got.digests("received"));
    let got = got.only("received");
    assert_eq!(header(got, "invite", "P-Asserted-Identity"), None);
    assert!(header(got, "invite", "From").unwrap().contains("anonymous@anonymous.invalid"), "{got:#}");
    assert!(!got.to_string().contains(ALICE), "{got:#}");
    is_discreet(&server);
}

#[test]
fn def_2b_a_recipient_list_is_kept_and_goes_with_the_message() {
    let (server, bob) = (server(""), someone());
    let list = ["sip:carol@elsewhere.test", "sip:dave@elsewhere.test"];
    let options = [&["--header", "Require: recipient-list-invite", "--recipient-list"], &list[..]].concat();
    let sent = Peer::sending(&server, &bob, &options).finish().good();
    let got = taken(&server, &bob, 1);
    assert_eq!(sent.digests("sent"), got.digests("received"));
    let got = got.only("received");
    assert!(header(got, "invite", "Content-Type").unwrap().starts_with("multipart/mixed;boundary="), "{got:#}");
    let body = text(got, "sdp");
    let said = ["Content-Type: application/resource-lists+xml\r\n", "Content-Disposition: recipient-list-history\r\n"];
    for said in said.iter().chain(&list) {
        assert_eq!(body.matches(said).count(), 1, "{body}");
    }
}

#[test]
fn def_5b_i_def_5b_ii_the_expiry_is_the_senders_up_to_the_providers() {
    let server = server(&format!("[realms.\"{REALM}\"]\nexpiry-max-secs = 5000"));
    let table = ["--message-expires 1000", "--message-expires 6000", "", "--message-expires 1"];
    let sent: Vec<Told> = send_each(&server, &table).into_iter().map(Told::good).collect();
    server.wait_for_event(&user(3), "MessageDiscarded");
    server.wait_for_metric(metric::QUEUED, 3.0);
    for (number, most) in [1000, 5000, 5000].into_iter().enumerate() {
        let got = taken(&server, &user(number), 1);
        assert_eq!(got.digests("received"), sent[number].digests("sent"));
        let left: u64 = header(got.only("received"), "invite", "Message-Expires").unwrap().parse().unwrap();
        assert!((most - 60..=most).contains(&left), "{left} of {most}");
    }
}

#[test]
fn def_2a_iii_a_trusted_peer_says_who_sends_and_for_whom() {
    let (server, bob) = (server(""), someone());
    let (sip, from) = (server.sip().to_string(), address("carol"));
    let named = [
        format!("P-Asserted-Identity: <{}>", address(ALICE)),
        format!("P-Served-User: <{}>;sescase=term;regstate=unreg", address(&bob)),
    ];
    let to = address("a-name-of-the-same-person");
    let options =
        ["send", "--server", &sip, "--from", &from, "--to", &to, "--header", &named[0], "--header", &named[1]];
    let sent = Peer::run(&options).finish().good();
    let got = taken(&server, &bob, 1);
    assert_eq!(sent.digests("sent"), got.digests("received"));
    let identity = header(got.only("received"), "invite", "P-Asserted-Identity").unwrap();
    assert_eq!(identity, format!("<{}>", address(ALICE)));
}

#[test]
fn a_sender_whom_nobody_vouches_for_proves_who_it_is() {
    let bob = someone();
    let users = format!("[realms.\"{REALM}\"]\nusers = {{ \"{ALICE}\" = \"let me in\", \"{bob}\" = \"me too\" }}");
    let server = Setup::alone().untrusted().config(&users).start();
    let (sip, from, to) = (server.sip().to_string(), address(ALICE), address(&bob));
    let alice = |more: &[&str]| {
        let options = ["send", "--server", &sip, "--from", &from, "--to", &to];
        Peer::run(&[&options, more].concat()).finish().good()
    };
    alice(&["--expect", "SIP status 401"]);
    // What it says of itself is believed no more than that.
    alice(&["--pai", "--expect", "SIP status 401"]);
    let sent = alice(&["--digest", "{user}:let me in", "--pai"]);
    server.wait_for_metric(metric::QUEUED, 1.0);
    let options = ["receive", "--server", &sip, "--user", &to, "--digest", "{user}:me too", "--brief"];
    let got = Peer::run(&options).finish().good();
    assert_eq!(sent.digests("sent"), got.digests("received"));
}
