//! Black-box tests: the `restante` binary, seen only through its command line, its sockets and its data directory.
//!
//! Requests come from a small user agent of the tests' own (`ua`) and from SIPp (`sipp`, scenarios in `tests/sipp`).
// Helpers of tests are no test functions to clippy, and a test may fail loudly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::print_stderr)]

mod answers;
mod call;
mod callers;
mod calls;
mod commands;
mod crash;
mod dovecot;
mod drain;
mod expiry;
#[path = "../../src/policy/tests/guest.rs"]
#[allow(dead_code)] // The unit tests need more of it.
mod guest;
mod guests;
mod handset;
mod http;
mod identity;
mod imap_store;
mod large_broken;
mod large_crash;
mod large_in;
mod large_kept;
mod large_manage;
mod large_offers;
mod large_out;
mod large_peer;
mod large_tls;
mod large_wire;
mod management;
mod msrp;
mod notified;
mod notifier;
mod operator;
mod phone;
mod policies;
mod policy_docs;
mod preferences;
mod pressure;
mod push;
mod reg_event;
mod register;
mod repeats;
mod reports;
mod restarts;
mod scenarios;
mod server;
mod shipped_policies;
mod sipp;
mod stored;
mod transport;
mod ua;
mod wire;
mod xcap;
