//! What arrives: datagrams, messages from streams, responses; and the answers that need no transaction.

use super::calls::Waiter;
use super::driver::Driver;
use super::event::Event;
use super::flow::{ConnId, Flow, Key};
use super::{DropCause, Incoming, Limit, ServerKey};
use crate::sip::transaction::{ClientEvent, ClientInput, InviteClientInput, Outcome, ServerEvent, ServerInput};
use crate::sip::{Message, Method, ReadError, Request, Response, Via, pop_top, response_target, stamp_received};
use crate::types::{Digest, Timestamp};
use bytes::Bytes;
use std::net::{IpAddr, SocketAddr};

/// Where something came in.
#[derive(Clone, Copy)]
enum Entry {
    Udp(usize),
    Tcp(ConnId),
}

impl Driver {
    /// A datagram came.
    pub(super) fn datagram(&mut self, socket: usize, peer: SocketAddr, octets: &[u8], now: Timestamp) {
        // NAT keep-alives: nothing, line ends, or zeros.
        if octets.iter().all(|octet| matches!(octet, b'\r' | b'\n' | 0)) {
            return self.counters.dropped(DropCause::KeepAlive);
        }
        match crate::sip::datagram(&Bytes::copy_from_slice(octets), &self.limits) {
            Ok(message) => self.message(message, Entry::Udp(socket), peer, now),
            Err(error) => self.malformed(error, Entry::Udp(socket), peer, now),
        }
    }

    /// A task beside the loop tells something.
    pub(super) fn event(&mut self, event: Event, now: Timestamp) {
        match event {
            Event::Accepted { stream, peer } if !self.tcp.is_full() => self.tcp.accept(stream, peer),
            Event::Accepted { .. } => self.counters.limit_hit(Limit::Connections),
            Event::Connected { .. } => self.connected(event, now),
            Event::Message { id, message } => {
                if let Some(peer) = self.tcp.peer(id) {
                    self.message(message, Entry::Tcp(id), peer, now);
                }
            }
            Event::Ping { id } => {
                if let Some(peer) = self.tcp.peer(id) {
                    self.transmit(Flow::Tcp { conn: id, fallback: peer }, Bytes::from_static(b"\r\n"), None, now);
                }
            }
            Event::Malformed { id, error } => {
                let is_fatal = error.is_fatal();
                if let Some(peer) = self.tcp.peer(id) {
                    self.malformed(error, Entry::Tcp(id), peer, now);
                }
                if is_fatal {
                    self.closed(id, now);
                }
            }
            Event::Closed { id } => self.closed(id, now),
            Event::Resolved { host, addresses } => self.resolved(host, &addresses, now),
        }
    }

    fn closed(&mut self, id: ConnId, now: Timestamp) {
        // Answers that are under way on it leave first.
        while let Some(transmit) = self.servers.poll_transmit().or_else(|| self.invites.poll_transmit()) {
            self.transmit(transmit.to, transmit.bytes, None, now);
        }
        let orphans = self.tcp.close(id, false);
        self.orphaned(orphans, now);
    }

    fn message(&mut self, message: Message, entry: Entry, peer: SocketAddr, now: Timestamp) {
        match message {
            Message::Request(mut request) => {
                stamp_received(&mut request.headers, peer);
                let from = way_back(&request, entry, peer);
                if matches!(request.method, Method::Invite | Method::Ack) {
                    return self.invite_in(request, from, peer, now);
                }
                let reliable = from.is_reliable();
                self.servers.handle_input(ServerInput::Request { request, from, reliable }, now);
                self.server_events(Some(peer), now);
            }
            // Without calls of ours it can only be for someone whose INVITE we passed on, which `clients` finds out too.
            Message::Response(response) if !self.calls.is_empty() && is_to_invite(&response) => {
                self.calls.handle_input(InviteClientInput::Response(response), now);
                self.invite_client_events(now);
            }
            Message::Response(response) => {
                self.clients.handle_input(ClientInput::Response(response), now);
                self.client_events(now);
            }
        }
    }

    fn malformed(&mut self, error: ReadError, entry: Entry, peer: SocketAddr, now: Timestamp) {
        let (status, reason) = (error.status(), error.reason());
        match error.into_request() {
            Some(mut request) => {
                stamp_received(&mut request.headers, peer);
                let to = way_back(&request, entry, peer);
                self.counters.request(&request.method);
                self.answer(&request, status, reason, None, to, now);
            }
            None => self.counters.dropped(DropCause::Garbage),
        }
    }

    /// Passes on what the server machine tells. `peer` is where the input came from, if it was a request.
    pub(super) fn server_events(&mut self, peer: Option<SocketAddr>, now: Timestamp) {
        while let Some(event) = self.servers.poll_event() {
            match event {
                ServerEvent::Request { key, request, from } => {
                    if self.is_of_a_call(key, &request, from, now) {
                        continue;
                    }
                    if let Some(limit) = self.refusal() {
                        self.servers.handle_input(ServerInput::Forget { key }, now);
                        self.refuse(&request, limit, from, now);
                    } else {
                        self.hand_over(Key::Transaction(key), request, from, peer);
                    }
                }
                ServerEvent::Stateless { request, from } => match self.refusal() {
                    Some(limit) => self.refuse(&request, limit, from, now),
                    None => self.hand_over(Key::Stateless(from), request, from, peer),
                },
                ServerEvent::Full { request, from } => self.refuse(&request, Limit::ServerTransactions, from, now),
                ServerEvent::Absorbed => self.counters.retransmission_absorbed(),
                ServerEvent::Answered { method, status } => self.counters.response_sent(&method, status),
                ServerEvent::Late => self.counters.dropped(DropCause::LateAnswer),
                ServerEvent::Unanswered => self.counters.dropped(DropCause::Unanswered),
            }
        }
    }

    pub(super) fn refusal(&self) -> Option<Limit> {
        if !self.accepting {
            Some(Limit::Draining)
        } else if self.handler.is_overloaded() {
            Some(Limit::Handler)
        } else {
            None
        }
    }

    pub(super) fn hand_over(&self, key: Key, request: Request, from: Flow, peer: Option<SocketAddr>) {
        let Some(peer) = peer else { return };
        self.counters.request(&request.method);
        let transport = Self::transport_of(from);
        self.handler.on_request(Incoming { key: ServerKey(key), request, peer, transport, received_at: self.wall });
    }

    /// A stateless 503 with Retry-After.
    pub(super) fn refuse(&mut self, request: &Request, limit: Limit, to: Flow, now: Timestamp) {
        self.counters.request(&request.method);
        self.counters.limit_hit(limit);
        self.answer(request, 503, "Service Unavailable", Some(self.settings.retry_after_secs), to, now);
    }

    /// Answers without a transaction; a retransmission gets the same octets, because nothing in them depends on the moment.
    fn answer(
        &mut self,
        request: &Request,
        status: u16,
        reason: &str,
        retry_after: Option<u32>,
        to: Flow,
        now: Timestamp,
    ) {
        let mut response = Response::to(request, status, reason, &self.tag(request));
        if let Some(seconds) = retry_after {
            response.headers.push("Retry-After", seconds.to_string());
        }
        self.counters.response_sent(&request.method, status);
        self.transmit(to, response.to_bytes(), None, now);
    }

    /// A To-tag that a retransmission gets again (RFC 3261 section 8.2.7), and an INVITE the same as its CANCEL: of CSeq
    /// only the number counts.
    pub(super) fn tag(&self, request: &Request) -> String {
        let mut from = self.secret.0.to_vec();
        for name in ["From", "Call-ID"] {
            from.extend_from_slice(request.headers.raw(name).map_or(&b""[..], |value| value));
            from.push(0);
        }
        from.extend_from_slice(&request.cseq().map_or(0, |(number, _)| number).to_be_bytes());
        let via = request.headers.get("Via").and_then(|line| line.split(',').next());
        from.extend_from_slice(via.unwrap_or_default().as_bytes());
        let mut tag = Digest::of(&from).to_string();
        tag.truncate(16);
        tag
    }

    /// Passes on what the client machine tells.
    pub(super) fn client_events(&mut self, now: Timestamp) {
        while let Some(event) = self.clients.poll_event() {
            match event {
                ClientEvent::Ended { token, outcome } => self.ended(token, outcome, now),
                ClientEvent::Unmatched(response) => self.pass_on(response, now),
            }
        }
    }

    /// A request of ours has its outcome.
    pub(super) fn ended(&mut self, waiter: Waiter, outcome: Outcome, now: Timestamp) {
        match waiter {
            // Whoever asked may have lost interest.
            Waiter::Caller(reply) => drop(reply.send(outcome)),
            Waiter::Dialog { dialog, cseq } => drop(self.dialogs.outcome(dialog, cseq, &outcome, now)),
            Waiter::Nobody => {}
        }
    }

    /// A response to a request passed on statelessly goes to its next Via (RFC 3261 sections 16.7 and 16.11).
    pub(super) fn pass_on(&mut self, mut response: Response, now: Timestamp) {
        let is_ours = Via::top(&response.headers).is_some_and(|via| self.own.forwarded(&via));
        let next = if is_ours {
            pop_top(&mut response.headers);
            Via::top(&response.headers).and_then(|via| self.way_of(&via))
        } else {
            None
        };
        match next {
            Some(to) => self.transmit(to, response.to_bytes(), None, now),
            None => self.counters.dropped(DropCause::UnmatchedResponse),
        }
    }

    /// The way that a Via tells. It carries an address: we noted `received` wherever the sent-by is none.
    fn way_of(&self, via: &Via) -> Option<Flow> {
        let (host, port) = response_target(via);
        let peer = SocketAddr::new(host.parse().ok()?, port);
        if via.transport.eq_ignore_ascii_case("TCP") {
            let fallback = SocketAddr::new(peer.ip(), via.port.unwrap_or(5060));
            // A connection that has gone has no number: the fall-back is used.
            let conn = self.tcp.to_peer(peer).map_or(ConnId::NONE, |(conn, _)| conn);
            return Some(Flow::Tcp { conn, fallback });
        }
        let socket = self.udp.iter().position(|udp| udp.local().is_ipv4() == peer.is_ipv4())?;
        Some(Flow::Udp { socket, peer })
    }
}

fn is_to_invite(response: &Response) -> bool {
    response.cseq().is_some_and(|(_, method)| method == Method::Invite)
}

/// Where the answers to this request go (RFC 3261 section 18.2.2, RFC 3581 section 4).
fn way_back(request: &Request, entry: Entry, peer: SocketAddr) -> Flow {
    let via = Via::top(&request.headers);
    match entry {
        Entry::Udp(socket) => {
            let target = via.map(|via| response_target(&via));
            let address = target.and_then(|(host, port)| Some(SocketAddr::new(host.parse::<IpAddr>().ok()?, port)));
            Flow::Udp { socket, peer: address.filter(|a| a.is_ipv4() == peer.is_ipv4()).unwrap_or(peer) }
        }
        Entry::Tcp(conn) => {
            let port = via.and_then(|via| via.port).unwrap_or(5060);
            Flow::Tcp { conn, fallback: SocketAddr::new(peer.ip(), port) }
        }
    }
}
