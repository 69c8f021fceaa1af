//! CPM procedures: SIP requests become commands, effects become SIP requests; one file per procedure.
//!
//! Everything here is a function of its arguments: the shell (`actor`, `app`) brings bytes, time and ids, and performs
//! what comes out.

mod challenge;
mod defer;
mod forward;
mod receive;
mod register;
mod reply;
mod send;
mod settings;
mod tags;
mod trust;

#[cfg(test)]
mod tests;

pub use challenge::Gate;
pub use receive::{Receipt, Received, Verb, receive};
pub use reply::{ReplyContext, reply};
pub use send::{Push, push};
pub use settings::{RealmSettings, Settings};
pub use tags::{CPM_DEFERRED, CPM_MSG};
