//! SIP transactions without sockets or clocks (RFC 3261 section 17, RFC 4320, RFC 6026): four machines of five verbs each.
//!
//! [`Servers`] absorbs retransmitted requests and repeats their answers; [`Clients`] retransmits our own requests until
//! they are answered. [`InviteServers`] and [`InviteClients`] do it for INVITE, whose ACK and CANCEL they know. All are
//! driven by `handle_input(what, now)` and `handle_timeout(now)` and are emptied by
//! `poll_transmit()`, `poll_event()` and `poll_timeout()`. The type parameter `D` says where octets go; the machines never look inside it.

mod client;
mod invite_client;
mod invite_server;
mod key;
mod server;
mod slab;
mod timers;

#[cfg(test)]
mod invite_tests;
#[cfg(test)]
mod tests;

pub use client::{ClientEvent, ClientInput, Clients, Outcome, Refused, Start};
pub use invite_client::{Ack, InviteClientEvent, InviteClientInput, InviteClients, InviteStart};
pub use invite_server::{InviteServerEvent, InviteServerInput, InviteServers};
pub use server::{ServerEvent, ServerInput, Servers};
pub use slab::Handle;
pub use timers::{RINGING, T1, T2, T4, TRANSACTION};

use bytes::Bytes;

/// The start of every branch made by RFC 3261 elements (section 8.1.1.7).
pub const MAGIC_COOKIE: &str = "z9hG4bK";

/// Octets to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit<D> {
    /// The transaction that sends, to be told if it fails.
    pub by: Handle,
    pub to: D,
    pub bytes: Bytes,
}
