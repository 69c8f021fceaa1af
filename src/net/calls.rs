//! Calls: INVITE transactions and dialogs between the wire, the handler and the rest of the house.

use super::driver::Driver;
use super::flow::{Flow, Key};
use super::outgoing::{Pending, Purpose};
use super::{CallFailure, DropCause, Limit, OutRequest, Target};
use crate::config::Transport;
use crate::sip::dialog::{Accepted, Cause, DialogEvent, DialogInput, DialogKey, DialogRequest, Established};
use crate::sip::transaction::{
    Ack, Handle, InviteClientEvent, InviteClientInput, InviteServerEvent, InviteServerInput, InviteStart, Outcome,
    ServerInput, Start,
};
use crate::sip::{Method, Request, Response, Uri, dialog};
use crate::types::Timestamp;
use bytes::Bytes;
use std::net::{IpAddr, SocketAddr};
use tokio::sync::oneshot;

/// A 422 is met with a longer session so often.
const RETRIES_MAX: u8 = 2;

/// An established call of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    pub dialog: DialogKey,
    /// The 2xx, with the peer's session description.
    pub response: Response,
}

/// Where the outcome of a call goes.
pub(super) type CallReply = oneshot::Sender<Result<Call, CallFailure>>;

/// Who waits for the outcome of a non-INVITE request.
#[derive(Debug)]
pub(super) enum Waiter {
    Caller(oneshot::Sender<Outcome>),
    /// A refresh of a session.
    Dialog {
        dialog: DialogKey,
        cseq: u32,
    },
    /// BYE and CANCEL: whatever is answered, it is over.
    Nobody,
}

/// Whose INVITE it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Invite {
    /// It is to become this dialog.
    Call(DialogKey),
    /// A refresh of the session.
    Refresh { dialog: DialogKey, cseq: u32 },
}

/// A call of ours that has no final answer.
#[derive(Debug)]
pub(super) struct Calling {
    out: OutRequest,
    reply: CallReply,
    /// Its transaction, and where it went, once it is on the wire.
    started: Option<(Handle, Flow)>,
    retries: u8,
}

impl Driver {
    /// How many dialogs there are or may become of what is under way.
    fn dialogs_held(&self) -> usize {
        self.dialogs.len() + self.invites.unanswered() + self.calling.len()
    }

    /// An INVITE or an ACK came in.
    pub(super) fn invite_in(&mut self, request: Request, from: Flow, peer: SocketAddr, now: Timestamp) {
        let reliable = from.is_reliable();
        self.invites.handle_input(InviteServerInput::Request { request, from, reliable }, now);
        self.invite_server_events(Some(peer), now);
    }

    /// Passes on what the INVITE server machine tells. `peer` is where the input came from, if it was a request.
    pub(super) fn invite_server_events(&mut self, peer: Option<SocketAddr>, now: Timestamp) {
        while let Some(event) = self.invites.poll_event() {
            match event {
                InviteServerEvent::Request { key, request, from } => self.new_invite(key, request, from, peer, now),
                InviteServerEvent::Ack { request } => {
                    if !self.dialogs.handle_input(DialogInput::Ack(request)) {
                        self.counters.dropped(DropCause::Ack);
                    }
                }
                InviteServerEvent::Stateless { request, from } => match self.refusal() {
                    Some(limit) => self.refuse(&request, limit, from, now),
                    None => self.hand_over(Key::Stateless(from), request, from, peer),
                },
                InviteServerEvent::Full { request, from } => {
                    self.refuse(&request, Limit::ServerTransactions, from, now);
                }
                InviteServerEvent::Absorbed => self.counters.retransmission_absorbed(),
                InviteServerEvent::Answered { status } => self.counters.response_sent(&Method::Invite, status),
                InviteServerEvent::Late => self.counters.dropped(DropCause::LateAnswer),
                InviteServerEvent::Cancelled { key } => self.handler.on_cancel(super::ServerKey(Key::Invite(key))),
                InviteServerEvent::Unanswered { key } => {
                    self.counters.dropped(DropCause::Unanswered);
                    self.handler.on_cancel(super::ServerKey(Key::Invite(key)));
                }
            }
        }
    }

    fn new_invite(&mut self, key: Handle, request: Request, from: Flow, peer: Option<SocketAddr>, now: Timestamp) {
        if let Some(response) = self.dialogs.receive(&request, from, now) {
            self.counters.request(&request.method);
            let (status, bytes) = (response.status, response.to_bytes());
            return self.invites.handle_input(InviteServerInput::Answer { key, status, bytes }, now);
        }
        // The new INVITE itself is among the unanswered.
        let full = (self.dialogs_held() > self.settings.dialogs_max).then_some(Limit::Dialogs);
        if let Some(limit) = self.refusal().or(full) {
            self.invites.handle_input(InviteServerInput::Forget { key }, now);
            return self.refuse(&request, limit, from, now);
        }
        self.hand_over(Key::Invite(key), request, from, peer);
    }

    /// A request with a server transaction that the handler need not see: one in a dialog, or a CANCEL. `true` if so.
    pub(super) fn is_of_a_call(&mut self, key: Handle, request: &Request, from: Flow, now: Timestamp) -> bool {
        let response = match request.method {
            Method::Cancel => {
                let known = self.invites.cancel(request, &self.tag(request), now);
                Some(Response::to(request, if known { 200 } else { 481 }, "", &self.tag(request)))
            }
            Method::Bye | Method::Update | Method::Options => self.dialogs.receive(request, from, now),
            _ => None,
        };
        let Some(response) = response else { return false };
        self.counters.request(&request.method);
        let (status, bytes) = (response.status, response.to_bytes());
        self.servers.handle_input(ServerInput::Answer { key, status, bytes }, now);
        true
    }

    /// The handler answered an INVITE with a 2xx.
    pub(super) fn accept(&mut self, key: Handle, dialog: DialogKey, response: &Response, bytes: Bytes, now: Timestamp) {
        let Some((request, way)) = self.invites.open(key) else {
            self.counters.dropped(DropCause::LateAnswer);
            return self.handler.on_dialog(dialog, super::DialogEvent::Ended(Cause::NotEstablished));
        };
        self.dialogs.accept(dialog, Accepted { request, response, bytes: bytes.clone(), way }, now);
        let status = response.status;
        self.invites.handle_input(InviteServerInput::Answer { key, status, bytes }, now);
        if self.is_draining() {
            self.dialogs.handle_input(DialogInput::HangUp(dialog));
        }
    }

    /// A call of ours begins.
    pub(super) fn call(&mut self, dialog: DialogKey, out: OutRequest, reply: CallReply, now: Timestamp) {
        if self.dialogs_held() >= self.settings.dialogs_max {
            self.counters.limit_hit(Limit::Dialogs);
            // Whoever asked may have lost interest.
            return drop(reply.send(Err(CallFailure::Busy)));
        }
        let (request, branch, target) = (out.request.clone(), out.branch.clone(), out.target.clone());
        self.calling.insert(dialog, Calling { out, reply, started: None, retries: 0 });
        self.route(Pending::new(request, branch, target, Purpose::Invite(Invite::Call(dialog))), now);
    }

    /// An INVITE of ours has its way.
    pub(super) fn start_invite(&mut self, invite: Invite, request: Request, bytes: Bytes, to: Flow, now: Timestamp) {
        if let Invite::Call(dialog) = invite
            && !self.calling.contains_key(&dialog)
        {
            return; // Taken back before it was sent.
        }
        let start = InviteStart { request, bytes, to, reliable: to.is_reliable(), token: invite };
        match self.calls.start(start, now) {
            Ok(handle) => {
                if let Invite::Call(dialog) = invite
                    && let Some(calling) = self.calling.get_mut(&dialog)
                {
                    calling.started = Some((handle, to));
                }
                self.depend(to, super::flow::Owner::Invite(handle));
            }
            Err(_) => self.invite_ended(invite, Outcome::Transport, now),
        }
    }

    /// Nobody wants this dialog any more, or the call that it should become.
    pub(super) fn hang_up(&mut self, dialog: DialogKey, now: Timestamp) {
        match self.calling.get(&dialog).map(|calling| calling.started) {
            Some(Some((handle, _))) => {
                self.calls.handle_input(InviteClientInput::Cancel(handle), now);
                // A 2xx that comes all the same finds nobody, is acknowledged and hung up.
                self.calling.remove(&dialog);
            }
            Some(None) => drop(self.calling.remove(&dialog)),
            None => {
                self.dialogs.handle_input(DialogInput::HangUp(dialog));
            }
        }
    }

    /// Ends all dialogs and calls.
    pub(super) fn hang_up_all(&mut self, now: Timestamp) {
        self.dialogs.handle_input(DialogInput::HangUpAll);
        for dialog in self.calling.keys().copied().collect::<Vec<_>>() {
            self.hang_up(dialog, now);
        }
    }

    /// Passes on what the INVITE client machine tells.
    pub(super) fn invite_client_events(&mut self, now: Timestamp) {
        while let Some(event) = self.calls.poll_event() {
            match event {
                InviteClientEvent::Provisional { .. } => {}
                InviteClientEvent::Accepted { by, token, request, response, to } => {
                    self.answered(by, token, &request, response, to, now);
                }
                InviteClientEvent::Acknowledge(ack) => self.acknowledge(ack, None, now),
                InviteClientEvent::Ended { token, outcome } => self.invite_ended(token, outcome, now),
                InviteClientEvent::Cancel { request, branch, to } => self.send_cancel(&request, branch, to, now),
                InviteClientEvent::Unmatched(response) => self.pass_on(response, now),
            }
        }
    }

    /// A 2xx came to an INVITE of ours.
    fn answered(
        &mut self,
        by: Handle,
        invite: Invite,
        request: &Request,
        response: Response,
        to: Flow,
        now: Timestamp,
    ) {
        let to_tag = response.to_tag().unwrap_or_default();
        let ack = match invite {
            Invite::Call(dialog) => match self.calling.remove(&dialog) {
                Some(calling) => {
                    let made = Established { request: &calling.out.request, response: &response, way: to };
                    let ack = self.dialogs.establish(dialog, made, now);
                    let outcome = match ack {
                        Some(_) => Ok(Call { dialog, response }),
                        None => Err(CallFailure::Refused(response)),
                    };
                    // Whoever dropped the call says so besides, and then it is hung up.
                    calling.reply.send(outcome).ok();
                    ack
                }
                None => self.dialogs.turn_away(dialog, Established { request, response: &response, way: to }),
            },
            Invite::Refresh { dialog, cseq } => self.dialogs.outcome(dialog, cseq, &Outcome::Response(response), now),
        };
        if let Some(ack) = ack {
            self.acknowledge(ack.clone(), Some(to), now);
            self.calls.handle_input(InviteClientInput::Acknowledge { by, to_tag, ack }, now);
        }
    }

    fn acknowledge(&mut self, ack: Ack, way: Option<Flow>, now: Timestamp) {
        match self.target(&ack.hop, way) {
            Some(target) => self.route(Pending::new(ack.request, ack.branch, target, Purpose::Forward), now),
            None => self.counters.dropped(DropCause::SendFailed),
        }
    }

    /// An INVITE of ours has no 2xx to expect.
    pub(super) fn invite_ended(&mut self, invite: Invite, outcome: Outcome, now: Timestamp) {
        let dialog = match invite {
            Invite::Call(dialog) => dialog,
            Invite::Refresh { dialog, cseq } => {
                self.dialogs.outcome(dialog, cseq, &outcome, now);
                return;
            }
        };
        let Some(mut calling) = self.calling.remove(&dialog) else { return };
        if let Outcome::Response(refusal) = &outcome
            && refusal.status == 422
            && calling.retries < RETRIES_MAX
            && dialog::offer_more(&mut calling.out.request, refusal)
        {
            calling.retries += 1;
            calling.started = None;
            let branch = format!("{}-{}", calling.out.branch, calling.retries);
            let (request, target) = (calling.out.request.clone(), calling.out.target.clone());
            self.calling.insert(dialog, calling);
            return self.route(Pending::new(request, branch, target, Purpose::Invite(invite)), now);
        }
        calling.reply.send(Err(outcome.into())).ok();
    }

    /// To where the INVITE went, whatever names and routes say now (RFC 3261 section 9.1).
    fn send_cancel(&mut self, request: &Request, branch: String, to: Flow, now: Timestamp) {
        self.occupy();
        let (method, bytes, reliable) = (Method::Cancel, request.to_bytes(), to.is_reliable());
        // As many are held as may be: the INVITE ends by its own timer.
        self.clients.start(Start { branch, method, bytes, to, reliable, token: Waiter::Nobody }, now).ok();
    }

    /// Passes on what the dialogs tell and send.
    pub(super) fn dialog_events(&mut self, now: Timestamp) {
        while let Some(event) = self.dialogs.poll_event() {
            match event {
                DialogEvent::Confirmed(dialog) => self.handler.on_dialog(dialog, super::DialogEvent::Confirmed),
                DialogEvent::Ended(dialog, cause) => self.handler.on_dialog(dialog, super::DialogEvent::Ended(cause)),
                DialogEvent::Send(request) => self.send_in_dialog(request, now),
            }
        }
        while let Some((to, bytes)) = self.dialogs.poll_transmit() {
            self.transmit(to, bytes, None, now);
        }
    }

    fn send_in_dialog(&mut self, send: DialogRequest<Flow>, now: Timestamp) {
        let DialogRequest { dialog, request, branch, hop, way } = send;
        let cseq = request.cseq().map_or(0, |(number, _)| number);
        let target = self.target(&hop, way);
        let purpose = if request.method == Method::Invite {
            Purpose::Invite(Invite::Refresh { dialog, cseq })
        } else {
            self.occupy();
            self.waiting += 1;
            let is_bye = request.method == Method::Bye;
            Purpose::Transaction(if is_bye { Waiter::Nobody } else { Waiter::Dialog { dialog, cseq } })
        };
        match target {
            Some(target) => self.route(Pending::new(request, branch, target, purpose), now),
            None => self.failed(purpose, now),
        }
    }

    /// Where a URI says, but on the connection that is there already, and to where a peer behind a NAT was seen.
    fn target(&self, hop: &str, way: Option<Flow>) -> Option<Target> {
        let mut target = Target::of(&Uri::parse(hop).ok()?);
        target.flow = match way {
            Some(Flow::Tcp { conn, .. }) => self.tcp.peer(conn).map(|peer| (Transport::Tcp, peer)),
            Some(Flow::Udp { peer, .. }) if target.transport != Some(Transport::Tcp) => {
                let named = target.host.trim_matches(['[', ']']).parse::<IpAddr>();
                let seen = named.is_ok_and(|named| named.to_canonical() == peer.ip().to_canonical());
                (!seen).then_some((Transport::Udp, peer))
            }
            _ => None,
        };
        Some(target)
    }
}
