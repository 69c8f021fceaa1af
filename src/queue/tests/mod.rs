//! What the queue must do: stories by requirement, laws for any sequence of commands, a simulation of days, golden bytes.

// Stories read as sentences only if their words need no prefix and no borrowing.
#![allow(clippy::wildcard_imports, clippy::needless_pass_by_value)]

mod deferral;
mod expiry;
mod goldens;
mod invariants;
mod judging;
mod laws;
mod model;
mod outcomes;
mod pushing;
mod registrations;
mod simulation;
mod story;
mod waking;
