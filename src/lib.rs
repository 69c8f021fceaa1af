//! Restante: an OMA CPM Participating Function that keeps messages for people whose phones are off.
//!
//! The one idea: commands in, events stored, effects out, in that order, and everything that decides is a pure
//! function. `docs/design.md` has the architecture; a module uses only floors below its own (`tests/tidy.rs`).

// Floor 0
pub mod config;
pub mod metrics;
pub mod shelf;
pub mod types;
// Floor 1
pub mod cpim;
pub mod formats;
pub mod msrp;
pub mod sip;
// Floor 2
#[cfg(test)]
mod fuzzing;
pub mod queue;
// Floor 3
pub mod gateway;
pub mod journal;
pub mod net;
pub mod policy;
// Floor 4
pub mod actor;
pub mod kit;
pub mod pf;
// Floor 5
pub mod admin;
pub mod audit;
// Floor 6
pub mod app;
pub mod cli;
