//! What the queue must do: stories by requirement, laws for any sequence of commands, a simulation of days, golden bytes.

// Stories read as sentences only if their words need no prefix and no borrowing.
#![allow(clippy::wildcard_imports, clippy::needless_pass_by_value)]

mod deferral;
mod expiry;
mod goldens;
mod interworking;
mod invariants;
mod judging;
mod large;
mod laws;
mod managing;
mod model;
mod outcomes;
mod preferring;
mod pushing;
mod recalling;
mod registrations;
mod reporting;
mod simulation;
mod storing;
mod story;
mod telling;
mod waking;
mod words;
mod world;
