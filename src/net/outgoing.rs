//! Requests on their way out: where to, over which transport, and what happens when TCP is not there.

use super::calls::{Invite, Waiter};
use super::driver::Driver;
use super::event::Event;
use super::flow::{ConnId, Flow, Owner};
use super::resolve::Known;
use super::tcp::{Orphans, Sent};
use super::{DropCause, Limit, Target};
use crate::config::Transport;
use crate::sip::Request;
use crate::sip::transaction::{ClientInput, InviteClientInput, Outcome, Start};
use crate::types::Timestamp;
use bytes::Bytes;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// How long a peer without TCP is remembered.
const NO_TCP_LIFE: Duration = Duration::from_mins(1);
/// Peers without TCP remembered.
const NO_TCP_MAX: usize = 4096;

/// Requests passed on that may wait for one name or one connection.
pub(super) const FORWARDS_MAX: usize = 1024;

/// A request that has no way yet.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) request: Request,
    pub(super) branch: String,
    pub(super) target: Target,
    pub(super) purpose: Purpose,
    /// Our Via is the first header line already (and may have to be rewritten).
    has_via: bool,
    /// Where UDP is tried when the connection cannot be made.
    udp_instead: Option<SocketAddr>,
}

/// Whose request it is.
#[derive(Debug)]
pub(super) enum Purpose {
    /// Ours: a client transaction, with who waits for its outcome.
    Transaction(Waiter),
    /// Ours: an INVITE client transaction.
    Invite(Invite),
    /// Passed on statelessly; also the ACK to a 2xx, which is in no transaction.
    Forward,
}

impl Pending {
    pub(super) const fn new(request: Request, branch: String, target: Target, purpose: Purpose) -> Self {
        Self { request, branch, target, purpose, has_via: false, udp_instead: None }
    }

    /// Whether nobody counts it: not ours, only passed on.
    pub(super) const fn is_forward(&self) -> bool {
        matches!(self.purpose, Purpose::Forward)
    }

    /// The printed request with this Via of ours on top.
    fn print(&mut self, via: String) -> Bytes {
        match self.request.headers.iter_mut().next() {
            Some(first) if self.has_via => first.value = via.into(),
            _ => self.request.headers.push_front("Via", via),
        }
        self.has_via = true;
        self.request.to_bytes()
    }
}

/// Peers that took no TCP connection when a long request was to go there.
#[derive(Debug, Default)]
pub(super) struct NoTcp(HashMap<SocketAddr, Timestamp>);

impl NoTcp {
    fn note(&mut self, peer: SocketAddr, now: Timestamp) {
        if self.0.len() >= NO_TCP_MAX {
            self.0.retain(|_, until| now < *until);
        }
        if self.0.len() < NO_TCP_MAX {
            self.0.insert(peer, now.after(NO_TCP_LIFE));
        }
    }

    fn knows(&self, peer: SocketAddr, now: Timestamp) -> bool {
        self.0.get(&peer).is_some_and(|until| now < *until)
    }
}

impl Driver {
    /// Finds the way of a request: flow, literal address or name.
    pub(super) fn route(&mut self, pending: Pending, now: Timestamp) {
        match pending.target.flow {
            Some((Transport::Udp, peer)) => return self.over_udp(pending, peer, now),
            Some((Transport::Tcp, peer)) => {
                if let Some((conn, true)) = self.tcp.to_peer(peer) {
                    return self.over_connection(pending, conn, peer, now);
                }
            }
            None => {}
        }
        match pending.target.host.trim_matches(['[', ']']).parse() {
            Ok(address) => self.by_address(pending, address, now),
            Err(_) => match self.names.ask(pending, now) {
                Known::Yes(addresses, pending) => self.by_addresses(pending, &addresses, now),
                Known::Soon => {}
                Known::Busy(pending) => {
                    self.counters.limit_hit(Limit::Lookups);
                    self.no_way(pending, now);
                }
            },
        }
    }

    /// A name was looked up for these.
    pub(super) fn resolved(&mut self, host: String, addresses: &[IpAddr], now: Timestamp) {
        for pending in self.names.resolved(host, addresses.to_vec(), now) {
            self.by_addresses(pending, addresses, now);
        }
    }

    /// The first address of a family that we listen on.
    fn by_addresses(&mut self, pending: Pending, addresses: &[IpAddr], now: Timestamp) {
        let ours = |address: &&IpAddr| self.listening.iter().any(|local| local.address.is_ipv4() == address.is_ipv4());
        match addresses.iter().find(ours).or(addresses.first()) {
            Some(address) => self.by_address(pending, *address, now),
            None => self.no_way(pending, now),
        }
    }

    fn by_address(&mut self, pending: Pending, address: IpAddr, now: Timestamp) {
        let peer = SocketAddr::new(address, pending.target.port.unwrap_or(5060));
        match pending.target.transport {
            Some(Transport::Tcp) => self.over_tcp(pending, peer, now),
            Some(Transport::Udp) => self.over_udp(pending, peer, now),
            None if self.udp_socket_for(peer).is_none() => self.over_tcp(pending, peer, now),
            None => self.over_either(pending, peer, now),
        }
    }

    /// RFC 3261 section 18.1.1: UDP, but a long request over TCP if the peer takes it.
    fn over_either(&mut self, mut pending: Pending, peer: SocketAddr, now: Timestamp) {
        let Some(socket) = self.udp_socket_for(peer) else { return self.no_way(pending, now) };
        let Some(bytes) = self.print(&mut pending, Transport::Udp, peer) else { return self.no_way(pending, now) };
        if bytes.len() <= self.settings.udp_request_bytes_max || self.no_tcp.knows(peer, now) {
            return self.start(pending, bytes, Flow::Udp { socket, peer }, now);
        }
        pending.udp_instead = Some(peer);
        self.over_tcp(pending, peer, now);
    }

    fn over_udp(&mut self, mut pending: Pending, peer: SocketAddr, now: Timestamp) {
        let socket = self.udp_socket_for(peer);
        match (socket, self.print(&mut pending, Transport::Udp, peer)) {
            (Some(socket), Some(bytes)) => self.start(pending, bytes, Flow::Udp { socket, peer }, now),
            _ => self.no_way(pending, now),
        }
    }

    /// On the connection to this address, made if need be.
    fn over_tcp(&mut self, pending: Pending, peer: SocketAddr, now: Timestamp) {
        let conn = match self.tcp.to_peer(peer) {
            Some((conn, true)) => return self.over_connection(pending, conn, peer, now),
            Some((conn, false)) => conn,
            None if self.tcp.is_full() => {
                self.counters.limit_hit(Limit::Connections);
                return self.without_tcp(pending, now);
            }
            None => self.tcp.connect(peer),
        };
        if let Some(pending) = self.tcp.wait(conn, pending) {
            self.without_tcp(pending, now);
        }
    }

    fn over_connection(&mut self, mut pending: Pending, conn: ConnId, peer: SocketAddr, now: Timestamp) {
        match self.print(&mut pending, Transport::Tcp, peer) {
            Some(bytes) => self.start(pending, bytes, Flow::Tcp { conn, fallback: peer }, now),
            None => self.no_way(pending, now),
        }
    }

    /// A connection could not be made: UDP where that is allowed, with the same branch.
    fn without_tcp(&mut self, pending: Pending, now: Timestamp) {
        match pending.udp_instead {
            Some(peer) => self.over_udp(pending, peer, now),
            None => self.no_way(pending, now),
        }
    }

    /// An attempt to connect has ended.
    pub(super) fn connected(&mut self, event: Event, now: Timestamp) {
        let Event::Connected { id, result } = event else { return };
        if let Ok(stream) = result {
            let peer = self.tcp.peer(id);
            for pending in self.tcp.open(id, stream) {
                match peer {
                    Some(peer) => self.over_connection(pending, id, peer, now),
                    None => self.without_tcp(pending, now),
                }
            }
        } else {
            let orphans = self.tcp.close(id, true);
            for pending in &orphans.pending {
                if let Some(peer) = pending.udp_instead {
                    self.no_tcp.note(peer, now);
                }
            }
            self.orphaned(orphans, now);
        }
    }

    /// A connection is gone: what was sent over it has failed, what waited for it looks for another way.
    pub(super) fn orphaned(&mut self, orphans: Orphans, now: Timestamp) {
        for owner in orphans.started {
            self.send_failed(owner, now);
        }
        for pending in orphans.pending {
            self.without_tcp(pending, now);
        }
    }

    fn start(&mut self, pending: Pending, bytes: Bytes, to: Flow, now: Timestamp) {
        let Pending { request, branch, purpose, .. } = pending;
        let waiter = match purpose {
            Purpose::Transaction(waiter) => waiter,
            Purpose::Invite(invite) => return self.start_invite(invite, request, bytes, to, now),
            Purpose::Forward => return self.transmit(to, bytes, None, now),
        };
        self.waiting -= 1;
        let reliable = to.is_reliable();
        let start = Start { branch, method: request.method, bytes, to, reliable, token: waiter };
        match self.clients.start(start, now) {
            Ok(handle) => self.depend(to, Owner::Request(handle)),
            // No place was promised (it was, when the request was taken), or the same branch is in flight already.
            Err((_, waiter)) => self.ended(waiter, Outcome::Transport, now),
        }
    }

    /// A transaction is told when the connection it was sent over breaks.
    pub(super) fn depend(&mut self, to: Flow, owner: Owner) {
        if let Flow::Tcp { conn, .. } = to {
            let (clients, calls) = (&self.clients, &self.calls);
            self.tcp.depend(conn, owner, |owner| match owner {
                Owner::Request(handle) => clients.contains(handle),
                Owner::Invite(handle) => calls.contains(handle),
            });
        }
    }

    fn no_way(&mut self, pending: Pending, now: Timestamp) {
        self.failed(pending.purpose, now);
    }

    /// A request could not be sent at all.
    pub(super) fn failed(&mut self, purpose: Purpose, now: Timestamp) {
        match purpose {
            Purpose::Transaction(waiter) => {
                self.waiting -= 1;
                self.ended(waiter, Outcome::Transport, now);
            }
            Purpose::Invite(invite) => self.invite_ended(invite, Outcome::Transport, now),
            Purpose::Forward => self.counters.dropped(DropCause::SendFailed),
        }
    }

    /// Sends octets; tells the client transaction `by` if that fails.
    pub(super) fn transmit(&mut self, to: Flow, bytes: Bytes, by: Option<Owner>, now: Timestamp) {
        let failed = match to {
            Flow::Udp { socket, peer } => match self.udp.get_mut(socket) {
                // A full socket is a lost datagram, which retransmission mends; any other error will not pass.
                Some(udp) => udp.send(peer, bytes).is_err_and(|error| error.kind() != std::io::ErrorKind::WouldBlock),
                None => true,
            },
            Flow::Tcp { conn, fallback } => match self.tcp.send(conn, bytes.clone()) {
                Sent::Ok => false,
                Sent::Gone if by.is_none() => !self.send_anew(fallback, bytes),
                Sent::Gone => true,
                Sent::Overrun(orphans) => {
                    self.counters.limit_hit(Limit::ConnectionBacklog);
                    self.orphaned(orphans, now);
                    true
                }
            },
        };
        if failed {
            self.counters.dropped(DropCause::SendFailed);
            if let Some(by) = by {
                self.send_failed(by, now);
            }
        }
    }

    fn send_failed(&mut self, owner: Owner, now: Timestamp) {
        match owner {
            Owner::Request(handle) => self.clients.handle_input(ClientInput::Failed(handle), now),
            Owner::Invite(handle) => self.calls.handle_input(InviteClientInput::Failed(handle), now),
        }
    }

    /// A response whose connection is gone goes on another one to where its Via says (RFC 3261 section 18.2.2).
    fn send_anew(&mut self, peer: SocketAddr, bytes: Bytes) -> bool {
        let conn = match self.tcp.to_peer(peer) {
            Some((conn, _)) => conn,
            None if self.tcp.is_full() => {
                self.counters.limit_hit(Limit::Connections);
                return false;
            }
            None => self.tcp.connect(peer),
        };
        matches!(self.tcp.send(conn, bytes), Sent::Ok)
    }

    /// Prints a request with a Via for this way; `None` if we listen nowhere that an answer could come to.
    fn print(&mut self, pending: &mut Pending, transport: Transport, peer: SocketAddr) -> Option<Bytes> {
        let fits = |transport| {
            let is =
                move |l: &&crate::config::Listen| l.transport == transport && l.address.is_ipv4() == peer.is_ipv4();
            self.listening.iter().find(is)
        };
        // Over TCP answers come on the connection, so any port of ours will do in the Via.
        let local = fits(transport).or_else(|| self.listening.first()).map(|listen| listen.address)?;
        let via = self.own.via(transport, local, peer, &pending.branch);
        Some(pending.print(via))
    }

    /// The UDP socket that reaches this peer.
    fn udp_socket_for(&self, peer: SocketAddr) -> Option<usize> {
        self.udp.iter().position(|udp| udp.local().is_ipv4() == peer.is_ipv4())
    }
}
