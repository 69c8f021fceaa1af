//! Listeners and connections: UDP and TCP sockets driving the sans-IO SIP machine.
//!
//! Everything runs on one thread ("sip") with a runtime of its own, so that no transaction needs a lock. Other threads
//! reach it through an [`Endpoint`], which only puts commands into a bounded inbox; requests come out through a
//! [`Handler`]. No SIP rule lives here that `sip::transaction` could hold.
//!
//! Next hops are IP literals or host names resolved by A and AAAA; NAPTR and SRV (RFC 3263 section 4.1) are not done.

mod bind;
mod clock;
mod counters;
mod driver;
mod endpoint;
mod event;
mod flow;
mod inbox;
mod incoming;
mod outgoing;
mod own;
mod resolve;
mod tcp;
mod udp;

#[cfg(test)]
mod tests;

pub use counters::{Counters, DropCause, Limit, NoCounters};
pub use endpoint::{Bound, Endpoint, NetError};

use crate::config::Transport;
use crate::sip::Request;
use crate::types::Timestamp;
use std::net::SocketAddr;

pub use crate::sip::transaction::Outcome;

/// Who is told of new requests.
pub trait Handler: Send + Sync + 'static {
    /// A request that no transaction knew. Called on the sip thread: must not block. It is answered by
    /// [`Endpoint::respond`] or passed on by [`Endpoint::forward`], from any thread, now or later.
    fn on_request(&self, incoming: Incoming);

    /// Asked before anything is kept for a new request: `true` has it answered with a stateless 503 and Retry-After.
    fn is_overloaded(&self) -> bool {
        false
    }
}

/// A new request.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// Names it in [`Endpoint::respond`] and [`Endpoint::forward`].
    pub key: ServerKey,
    /// As received, its topmost Via stamped with `received` and `rport` (RFC 3261 section 18.2.1, RFC 3581).
    pub request: Request,
    /// The source address of the datagram or connection.
    pub peer: SocketAddr,
    pub transport: Transport,
    pub received_at: Timestamp,
}

/// What names a received request. INVITE has no server transaction yet (RFC 6026 comes with its issue): its key carries
/// the way back instead, and its answers are sent statelessly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerKey(flow::Key);

/// A request to be sent in a client transaction of its own.
#[derive(Clone, Debug)]
pub struct OutRequest {
    /// Complete but for our Via.
    pub request: Request,
    /// The whole branch, magic cookie included. A delivery resumed after a crash repeats its branch.
    pub branch: String,
    pub target: Target,
}

/// Where a request goes: what the next hop's URI said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// An IP address (IPv6 with or without brackets) or a host name.
    pub host: String,
    /// 5060 if absent.
    pub port: Option<u16>,
    /// The URI's `transport` parameter: pins the transport. Without it UDP, or TCP for a long request.
    pub transport: Option<Transport>,
    /// The flow a registration came over: for UDP the source address, which is used (and pins UDP); for TCP the peer of
    /// the connection, which is used while it is open.
    pub flow: Option<(Transport, SocketAddr)>,
}
