//! Ways back: where the octets of a transaction go.

use crate::sip::transaction::Handle;
use std::net::SocketAddr;

/// Names one TCP connection, never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct ConnId(pub(super) u64);

impl ConnId {
    /// No connection has it.
    pub(super) const NONE: Self = Self(u64::MAX);
}

/// Where octets go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    /// From the UDP socket with this number to a peer.
    Udp { socket: usize, peer: SocketAddr },
    /// On a connection; when it is gone, responses go to `fallback` (RFC 3261 section 18.2.2).
    Tcp { conn: ConnId, fallback: SocketAddr },
}

impl Flow {
    /// Whether the transport retransmits by itself.
    pub(super) const fn is_reliable(self) -> bool {
        matches!(self, Self::Tcp { .. })
    }
}

/// What is inside a `ServerKey`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Transaction(Handle),
    /// An INVITE.
    Invite(Handle),
    Stateless(Flow),
}

/// A transaction of ours that is to know when its octets could not be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    Request(Handle),
    Invite(Handle),
}
