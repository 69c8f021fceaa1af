//! Everything an operator sets: a commented TOML file, overridden by flags; unknown keys are errors with their line.
//!
//! Reading the file is the caller's affair (`cli::load`): this floor turns text into checked values and does no IO.

mod demo;
mod load;
mod places;
mod sections;
mod validate;

pub use demo::{DEMO_REALM, DEMO_USERS};
pub use load::{ConfigError, Fault, Overrides, Problem, Source};
pub use places::Place;
pub use sections::{
    Actors, Admin, Config, Journal, Listen, ListenError, Log, PeerError, Policy, Queue, Realm, Secret, Sip, Transport,
    peer,
};

#[cfg(test)]
mod tests;
