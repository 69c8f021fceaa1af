//! Listeners and connections: UDP and TCP sockets driving the sans-IO SIP machine.
//!
//! Everything runs on one thread ("sip") with a runtime of its own, so that no transaction needs a lock. Other threads
//! reach it through an [`Endpoint`], which only puts commands into a bounded inbox; requests come out through a
//! [`Handler`]. No SIP rule lives here that `sip::transaction` could hold.
//!
//! A call is answered with [`Endpoint::accept`] or made with [`Endpoint::invite`]; from then on its dialog lives here: ACK,
//! repeated 2xx, BYE, session refreshes and their answers need nobody else, who is told by [`Handler::on_dialog`].
//!
//! Next hops are IP literals or host names resolved by A and AAAA; NAPTR and SRV (RFC 3263 section 4.1) are not done.

mod bind;
mod calls;
mod clock;
mod counters;
mod driver;
mod endpoint;
mod event;
mod flow;
mod inbox;
mod incoming;
pub mod msrp;
mod outgoing;
mod own;
mod resolve;
mod tcp;
mod udp;

#[cfg(test)]
mod call_tests;
#[cfg(test)]
mod tests;

pub use calls::Call;
pub use counters::{Counters, DropCause, Limit, NoCounters};
pub use endpoint::{Bound, Calling, Endpoint, NetError};

use crate::config::Transport;
use crate::sip::{Request, Response, Uri};
use crate::types::Timestamp;
use std::net::SocketAddr;

pub use crate::sip::dialog::{Cause, DialogKey};
pub use crate::sip::transaction::Outcome;

/// Who is told of new requests.
pub trait Handler: Send + Sync + 'static {
    /// A request that no transaction knew. Called on the sip thread: must not block. It is answered by
    /// [`Endpoint::respond`] or passed on by [`Endpoint::forward`], from any thread, now or later.
    fn on_request(&self, incoming: Incoming);

    /// The caller took an INVITE back before it was answered (RFC 3261 section 9.2): it was answered 487, and an answer of
    /// ours is too late. Called on the sip thread: must not block.
    fn on_cancel(&self, _key: ServerKey) {}

    /// What became of a dialog that [`Endpoint::accept`] or [`Endpoint::invite`] established. `Ended` is the last that is
    /// said of it, also when we hung up. Called on the sip thread: must not block.
    fn on_dialog(&self, _dialog: DialogKey, _event: DialogEvent) {}

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

/// What names a received request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerKey(flow::Key);

/// What became of a dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DialogEvent {
    /// The ACK to our 2xx came; also after each refresh by re-INVITE.
    Confirmed,
    Ended(Cause),
}

/// Why a call of ours came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallFailure {
    /// The final response; a 2xx only if it lacked what a dialog is made of.
    Refused(Response),
    /// No final response in time.
    Timeout,
    /// The transport could not carry it.
    Transport,
    /// There are as many dialogs as there may be (`sip.dialogs-max`); nothing was sent.
    Busy,
}

impl From<Outcome> for CallFailure {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Response(response) => Self::Refused(response),
            Outcome::Timeout => Self::Timeout,
            Outcome::Transport => Self::Transport,
        }
    }
}

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

impl Target {
    /// Where this URI says (RFC 3261 section 19.1.1).
    #[must_use]
    pub fn of(uri: &Uri) -> Self {
        let transport = uri.param("transport").and_then(|transport| match transport {
            _ if transport.eq_ignore_ascii_case("tcp") => Some(Transport::Tcp),
            _ if transport.eq_ignore_ascii_case("udp") => Some(Transport::Udp),
            _ => None,
        });
        Self { host: uri.host.clone(), port: uri.port, transport, flow: None }
    }
}
