//! INVITE client transactions: our calls, their ACKs and CANCELs (RFC 3261 sections 9.1, 13.2.2.4 and 17.1.1, RFC 6026).

use super::client::Outcome;
use super::slab::{Handle, Slab};
use super::timers::{InviteTimer, Timers};
use super::{Refused, Transmit, key};
use crate::sip::{Headers, Method, Request, Response, Via};
use crate::types::Timestamp;
use bytes::Bytes;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// 2xx with different To-tags that one INVITE may bring: more forks than that are not acknowledged.
const FORKS_MAX: usize = 8;

/// An INVITE to be sent.
#[derive(Clone, Debug)]
pub struct InviteStart<D, T> {
    /// With our Via on top, as printed in `bytes`: ACK and CANCEL repeat of it what they must.
    pub request: Request,
    pub bytes: Bytes,
    pub to: D,
    /// Whether the transport retransmits by itself.
    pub reliable: bool,
    /// Given back with every event.
    pub token: T,
}

/// What happens to an [`InviteClients`].
#[derive(Clone, Debug)]
pub enum InviteClientInput {
    /// A response to an INVITE came.
    Response(Response),
    /// The transport under this transaction failed.
    Failed(Handle),
    /// The user wants the call no more: CANCEL goes out as soon as a provisional response allows it (section 9.1).
    Cancel(Handle),
    /// What acknowledges the 2xx with this To-tag, and every repetition of it.
    Acknowledge { by: Handle, to_tag: String, ack: Ack },
}

/// An ACK to a 2xx: made by the dialog, sent in no transaction, with a branch of its own (section 13.2.2.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ack {
    /// Complete but for our Via.
    pub request: Request,
    pub branch: String,
    /// The URI of the next hop.
    pub hop: String,
}

/// What an [`InviteClients`] has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InviteClientEvent<D, T> {
    /// A provisional response other than 100.
    Provisional { token: T, response: Response },
    /// A 2xx with a To-tag not seen before; a second one is another fork. `request` is ours without its body.
    Accepted { by: Handle, token: T, request: Request, response: Response, to: D },
    /// A 2xx came again: this ACK goes out again.
    Acknowledge(Ack),
    /// Refused, or no final response.
    Ended { token: T, outcome: Outcome },
    /// To be sent in a non-INVITE client transaction, to the same place; our Via is on it.
    Cancel { request: Request, branch: String, to: D },
    /// A response to no INVITE of ours.
    Unmatched(Response),
}

#[derive(Debug)]
enum State {
    /// Nothing came back.
    Calling,
    /// A provisional response came.
    Proceeding,
    /// Refused. The ACK is repeated with every repetition of the refusal.
    Completed(Bytes),
    /// At least one 2xx came (RFC 6026 section 7.2): its To-tags, with their ACKs once these are known.
    Accepted(Vec<(String, Option<Ack>)>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cancel {
    No,
    /// Wanted, but nothing came back yet.
    Wanted,
    Sent,
}

#[derive(Debug)]
struct Transaction<D, T> {
    key: Arc<[u8]>,
    /// Without its body.
    request: Request,
    bytes: Bytes,
    to: D,
    reliable: bool,
    state: State,
    cancel: Cancel,
    token: T,
}

impl<D, T> Transaction<D, T> {
    const fn is_open(&self) -> bool {
        matches!(self.state, State::Calling | State::Proceeding)
    }
}

/// All INVITE client transactions of an endpoint.
#[derive(Debug)]
pub struct InviteClients<D, T> {
    limit: usize,
    transactions: Slab<Transaction<D, T>>,
    by_key: HashMap<Arc<[u8]>, Handle>,
    open: usize,
    timers: Timers<InviteTimer>,
    transmits: VecDeque<Transmit<D>>,
    events: VecDeque<InviteClientEvent<D, T>>,
    scratch: Vec<u8>,
}

impl<D: Clone, T: Clone> InviteClients<D, T> {
    /// Holds at most `limit` transactions.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            transactions: Slab::new(),
            by_key: HashMap::new(),
            open: 0,
            timers: Timers::new(),
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            scratch: Vec::new(),
        }
    }

    /// How many transactions there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.transactions.len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether this one has not ended.
    #[must_use]
    pub fn contains(&self, handle: Handle) -> bool {
        self.transactions.get(handle).is_some()
    }

    /// How many await a final response.
    #[must_use]
    pub const fn open(&self) -> usize {
        self.open
    }

    /// Sends an INVITE for the first time.
    ///
    /// # Errors
    /// [`Refused`], with the token; nothing is sent then.
    pub fn start(&mut self, start: InviteStart<D, T>, now: Timestamp) -> Result<Handle, (Refused, T)> {
        let InviteStart { mut request, bytes, to, reliable, token } = start;
        if self.transactions.len() >= self.limit {
            return Err((Refused::Full, token));
        }
        let branch = Via::top(&request.headers).and_then(|via| via.branch).unwrap_or_default();
        key::of_sent(&branch, &Method::Invite, &mut self.scratch);
        if self.by_key.contains_key(self.scratch.as_slice()) {
            return Err((Refused::Duplicate, token));
        }
        request.body = Bytes::new();
        let key: Arc<[u8]> = Arc::from(self.scratch.as_slice());
        let handle = self.transactions.insert(Transaction {
            key: Arc::clone(&key),
            request,
            bytes: bytes.clone(),
            to: to.clone(),
            reliable,
            state: State::Calling,
            cancel: Cancel::No,
            token,
        });
        self.transmits.push_back(Transmit { by: handle, to, bytes });
        self.by_key.insert(key, handle);
        self.open += 1;
        self.timers.set(InviteTimer::BorH, handle, now);
        self.timers.set(InviteTimer::Ringing, handle, now);
        if !reliable {
            self.timers.set(InviteTimer::Again1, handle, now);
        }
        Ok(handle)
    }

    /// Something came from below or above.
    pub fn handle_input(&mut self, input: InviteClientInput, now: Timestamp) {
        match input {
            InviteClientInput::Response(response) => self.response(response, now),
            InviteClientInput::Failed(handle) => self.give_up(handle, Outcome::Transport),
            InviteClientInput::Cancel(handle) => self.cancel(handle, now),
            InviteClientInput::Acknowledge { by, to_tag, ack } => {
                if let Some(State::Accepted(forks)) = self.transactions.get_mut(by).map(|t| &mut t.state)
                    && let Some(fork) = forks.iter_mut().find(|(tag, _)| *tag == to_tag)
                {
                    fork.1 = Some(ack);
                }
            }
        }
    }

    fn response(&mut self, response: Response, now: Timestamp) {
        let matched = key::of_response(&response, &mut self.scratch);
        let handle = if matched { self.by_key.get(self.scratch.as_slice()).copied() } else { None };
        let Some((handle, transaction)) = handle.and_then(|h| self.transactions.get_mut(h).map(|t| (h, t))) else {
            self.events.push_back(InviteClientEvent::Unmatched(response));
            return;
        };
        match (&transaction.state, response.status) {
            (State::Calling | State::Proceeding, ..200) => {
                transaction.state = State::Proceeding;
                let wanted = transaction.cancel == Cancel::Wanted;
                if response.status > 100 {
                    let token = transaction.token.clone();
                    self.events.push_back(InviteClientEvent::Provisional { token, response });
                }
                if wanted {
                    self.send_cancel(handle, now);
                }
            }
            (State::Calling | State::Proceeding | State::Accepted(_), 200..300) => self.accepted(handle, response, now),
            (State::Calling | State::Proceeding, _) => self.refused(handle, response, now),
            // The ACK was lost.
            (State::Completed(ack), 300..) => {
                let (to, bytes) = (transaction.to.clone(), ack.clone());
                self.transmits.push_back(Transmit { by: handle, to, bytes });
            }
            _ => {}
        }
    }

    fn accepted(&mut self, handle: Handle, response: Response, now: Timestamp) {
        let Some(transaction) = self.transactions.get_mut(handle) else { return };
        if transaction.is_open() {
            transaction.state = State::Accepted(Vec::new());
            transaction.bytes = Bytes::new();
            self.open -= 1;
            self.timers.set(InviteTimer::LorM, handle, now);
        }
        let State::Accepted(forks) = &mut transaction.state else { return };
        let tag = response.to_tag().unwrap_or_default();
        match forks.iter().find(|(known, _)| *known == tag) {
            Some((_, Some(ack))) => self.events.push_back(InviteClientEvent::Acknowledge(ack.clone())),
            None if forks.len() < FORKS_MAX => {
                forks.push((tag, None));
                let (token, to) = (transaction.token.clone(), transaction.to.clone());
                let request = transaction.request.clone();
                self.events.push_back(InviteClientEvent::Accepted { by: handle, token, request, response, to });
            }
            // Its first ACK is still to be made, or there are too many forks.
            Some((_, None)) | None => {}
        }
    }

    fn refused(&mut self, handle: Handle, response: Response, now: Timestamp) {
        let Some(transaction) = self.transactions.get_mut(handle) else { return };
        let bytes = ack_to_refusal(&transaction.request, &response).to_bytes();
        self.transmits.push_back(Transmit { by: handle, to: transaction.to.clone(), bytes: bytes.clone() });
        transaction.state = State::Completed(bytes);
        transaction.bytes = Bytes::new();
        self.open -= 1;
        let (token, outcome) = (transaction.token.clone(), Outcome::Response(response));
        self.events.push_back(InviteClientEvent::Ended { token, outcome });
        if transaction.reliable {
            self.end(handle); // Timer D is zero
        } else {
            self.timers.set(InviteTimer::D, handle, now);
        }
    }

    fn cancel(&mut self, handle: Handle, now: Timestamp) {
        let Some(transaction) = self.transactions.get_mut(handle).filter(|t| t.is_open()) else { return };
        match (&transaction.state, transaction.cancel) {
            (State::Calling, Cancel::No) => transaction.cancel = Cancel::Wanted,
            (State::Proceeding, Cancel::No) => self.send_cancel(handle, now),
            _ => {}
        }
    }

    fn send_cancel(&mut self, handle: Handle, now: Timestamp) {
        let Some(transaction) = self.transactions.get_mut(handle) else { return };
        transaction.cancel = Cancel::Sent;
        let request = cancel_of(&transaction.request);
        let branch = Via::top(&request.headers).and_then(|via| via.branch).unwrap_or_default();
        self.events.push_back(InviteClientEvent::Cancel { request, branch, to: transaction.to.clone() });
        self.timers.set(InviteTimer::Cancelled, handle, now);
    }

    /// Time has passed; fires what is due.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        while let Some((timer, handle)) = self.timers.pop(now) {
            let Some(transaction) = self.transactions.get(handle) else { continue };
            match (timer, &transaction.state) {
                (InviteTimer::BorH, State::Calling) | (InviteTimer::Cancelled, State::Calling | State::Proceeding) => {
                    self.give_up(handle, Outcome::Timeout);
                }
                (InviteTimer::Ringing, State::Proceeding) => self.cancel(handle, now),
                (InviteTimer::D, State::Completed(_)) | (InviteTimer::LorM, State::Accepted(_)) => self.end(handle),
                (again, State::Calling) if again.is_again() => {
                    let (to, bytes) = (transaction.to.clone(), transaction.bytes.clone());
                    self.transmits.push_back(Transmit { by: handle, to, bytes });
                    if let Some(next) = again.next_a() {
                        self.timers.set(next, handle, now);
                    }
                }
                _ => {}
            }
        }
    }

    /// Ends a transaction that has no final response.
    fn give_up(&mut self, handle: Handle, outcome: Outcome) {
        let Some(transaction) = self.transactions.get(handle).filter(|t| t.is_open()) else { return };
        let token = transaction.token.clone();
        self.open -= 1;
        self.events.push_back(InviteClientEvent::Ended { token, outcome });
        self.end(handle);
    }

    fn end(&mut self, handle: Handle) {
        let Some(transaction) = self.transactions.remove(handle) else { return };
        self.by_key.remove(&transaction.key);
        self.timers.prune(self.transactions.len(), |handle| self.transactions.get(handle).is_some());
    }

    /// What is to be sent next.
    pub fn poll_transmit(&mut self) -> Option<Transmit<D>> {
        self.transmits.pop_front()
    }

    /// What is to be told next.
    pub fn poll_event(&mut self) -> Option<InviteClientEvent<D, T>> {
        self.events.pop_front()
    }

    /// When to call [`InviteClients::handle_timeout`] next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.timers.next()
    }
}

/// Section 17.1.1.3: Request-URI, top Via, Route, From, Call-ID and the number of the `CSeq` of the INVITE, To of the
/// refusal.
fn ack_to_refusal(invite: &Request, refusal: &Response) -> Request {
    let mut ack = of_the_invite(invite, Method::Ack);
    if let (Some(to), Some(mine)) =
        (refusal.headers.raw("To"), ack.headers.iter_mut().find(|h| h.name.eq_ignore_ascii_case("To")))
    {
        mine.value = to.clone();
    }
    ack
}

/// Section 9.1: the same, with the To of the INVITE.
fn cancel_of(invite: &Request) -> Request {
    of_the_invite(invite, Method::Cancel)
}

fn of_the_invite(invite: &Request, method: Method) -> Request {
    let mut headers = Headers::with_capacity(8);
    if let Some(via) = Via::top(&invite.headers) {
        headers.push("Via", via.to_string());
    }
    headers.push("Max-Forwards", "70");
    for route in invite.headers.all("Route") {
        headers.push("Route", route.to_owned());
    }
    for name in ["From", "To", "Call-ID"] {
        if let Some(value) = invite.headers.raw(name) {
            headers.push(name, value.clone());
        }
    }
    let number = invite.cseq().map_or(1, |(number, _)| number);
    headers.push("CSeq", format!("{number} {method}"));
    Request { method, uri: invite.uri.clone(), headers, body: Bytes::new() }
}
