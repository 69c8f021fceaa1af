//! INVITE server transactions: a call goes up once, a refusal is repeated until its ACK (RFC 3261 section 17.2.1, RFC 6026).

use super::slab::{Handle, Slab};
use super::timers::{InviteTimer, Timers};
use super::{Transmit, key};
use crate::sip::{Method, Request, Response};
use crate::types::Timestamp;
use bytes::Bytes;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// What happens to an [`InviteServers`].
#[derive(Clone, Debug)]
pub enum InviteServerInput<D> {
    /// An INVITE or an ACK came. `from` is where answers go, `reliable` whether that transport retransmits by itself.
    Request { request: Request, from: D, reliable: bool },
    /// The user answers, with the printed response: provisional answers any number of times, a final one once. A 2xx is
    /// sent once here; repeating it until the ACK is the dialog's affair (section 13.3.1.4).
    Answer { key: Handle, status: u16, bytes: Bytes },
    /// The user will never answer: the request was passed on statelessly (section 16.11).
    Forget { key: Handle },
}

/// What an [`InviteServers`] has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InviteServerEvent<D> {
    /// A new INVITE.
    Request { key: Handle, request: Request, from: D },
    /// An ACK that no refusal waits for: that of a 2xx, or one that belongs to nothing.
    Ack { request: Request },
    /// A request too poor to be matched, to be answered statelessly if at all.
    Stateless { request: Request, from: D },
    /// A new INVITE that there is no place for: answer it statelessly with 503 and Retry-After.
    Full { request: Request, from: D },
    /// A retransmitted INVITE or a repeated ACK went no further.
    Absorbed,
    /// The final answer was sent for the first time.
    Answered { status: u16 },
    /// An answer came when its transaction had ended, or had been answered or cancelled before; nothing was sent.
    Late,
    /// The caller has taken it back: it was answered 487.
    Cancelled { key: Handle },
    /// Nobody answered it for as long as a call may ring; nothing more will be sent.
    Unanswered { key: Handle },
}

#[derive(Debug)]
enum State {
    /// No final answer yet. The request is kept for the 100, for a 487, and for the dialog that a 2xx makes of it.
    Proceeding { request: Box<Request>, last: Option<Bytes> },
    /// Refused; the answer is repeated until the ACK comes.
    Completed(Bytes),
    /// The ACK to the refusal came.
    Confirmed,
    /// Answered with 2xx (RFC 6026 section 7.1).
    Accepted,
}

#[derive(Debug)]
struct Transaction<D> {
    key: Arc<[u8]>,
    to: D,
    reliable: bool,
    state: State,
}

/// All INVITE server transactions of an endpoint.
#[derive(Debug)]
pub struct InviteServers<D> {
    limit: usize,
    transactions: Slab<Transaction<D>>,
    by_key: HashMap<Arc<[u8]>, Handle>,
    unanswered: usize,
    timers: Timers<InviteTimer>,
    transmits: VecDeque<Transmit<D>>,
    events: VecDeque<InviteServerEvent<D>>,
    scratch: Vec<u8>,
}

impl<D: Clone> InviteServers<D> {
    /// Holds at most `limit` transactions.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            transactions: Slab::new(),
            by_key: HashMap::new(),
            unanswered: 0,
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

    /// How many await the user's final answer.
    #[must_use]
    pub const fn unanswered(&self) -> usize {
        self.unanswered
    }

    /// The request of a transaction that has no final answer yet, and where its answers go.
    #[must_use]
    pub fn open(&self, key: Handle) -> Option<(&Request, D)> {
        let transaction = self.transactions.get(key)?;
        match &transaction.state {
            State::Proceeding { request, .. } => Some((request, transaction.to.clone())),
            _ => None,
        }
    }

    /// Something came from below or above.
    pub fn handle_input(&mut self, input: InviteServerInput<D>, now: Timestamp) {
        match input {
            InviteServerInput::Request { request, .. } if request.method == Method::Ack => self.ack(request, now),
            InviteServerInput::Request { request, from, reliable } => self.invite(request, from, reliable, now),
            InviteServerInput::Answer { key, status, bytes } => self.answer(key, status, bytes, now),
            InviteServerInput::Forget { key } => self.end(key),
        }
    }

    fn invite(&mut self, request: Request, from: D, reliable: bool, now: Timestamp) {
        if !key::of_invite(&request, &mut self.scratch) {
            self.events.push_back(InviteServerEvent::Stateless { request, from });
            return;
        }
        if let Some(handle) = self.by_key.get(self.scratch.as_slice()).copied() {
            self.retransmission(handle);
            return;
        }
        if self.transactions.len() >= self.limit {
            self.events.push_back(InviteServerEvent::Full { request, from });
            return;
        }
        let key: Arc<[u8]> = Arc::from(self.scratch.as_slice());
        let handle = self.transactions.insert(Transaction {
            key: Arc::clone(&key),
            to: from.clone(),
            reliable,
            state: State::Proceeding { request: Box::new(request.clone()), last: None },
        });
        self.by_key.insert(key, handle);
        self.unanswered += 1;
        self.timers.set(InviteTimer::Trying, handle, now);
        self.timers.set(InviteTimer::Ringing, handle, now);
        self.events.push_back(InviteServerEvent::Request { key: handle, request, from });
    }

    /// What was sent last is sent again; after a 2xx and after the ACK nothing is.
    fn retransmission(&mut self, handle: Handle) {
        self.events.push_back(InviteServerEvent::Absorbed);
        let Some(transaction) = self.transactions.get(handle) else { return };
        if let State::Proceeding { last: Some(bytes), .. } | State::Completed(bytes) = &transaction.state {
            self.transmits.push_back(Transmit { by: handle, to: transaction.to.clone(), bytes: bytes.clone() });
        }
    }

    fn ack(&mut self, request: Request, now: Timestamp) {
        let known = key::of_invite(&request, &mut self.scratch);
        let handle = if known { self.by_key.get(self.scratch.as_slice()).copied() } else { None };
        let Some((handle, transaction)) = handle.and_then(|h| self.transactions.get_mut(h).map(|t| (h, t))) else {
            self.events.push_back(InviteServerEvent::Ack { request });
            return;
        };
        match transaction.state {
            // RFC 2543 peers send the ACK of a 2xx with the branch of the INVITE.
            State::Accepted => self.events.push_back(InviteServerEvent::Ack { request }),
            State::Completed(_) => {
                transaction.state = State::Confirmed;
                if transaction.reliable {
                    self.end(handle); // Timer I is zero
                } else {
                    self.timers.set(InviteTimer::I, handle, now);
                }
            }
            State::Proceeding { .. } | State::Confirmed => self.events.push_back(InviteServerEvent::Absorbed),
        }
    }

    fn answer(&mut self, handle: Handle, status: u16, bytes: Bytes, now: Timestamp) {
        let open = |t: &&mut Transaction<D>| matches!(t.state, State::Proceeding { .. });
        let Some(transaction) = self.transactions.get_mut(handle).filter(open) else {
            self.events.push_back(InviteServerEvent::Late);
            return;
        };
        self.transmits.push_back(Transmit { by: handle, to: transaction.to.clone(), bytes: bytes.clone() });
        if status < 200 {
            if let State::Proceeding { last, .. } = &mut transaction.state {
                *last = Some(bytes);
            }
            return;
        }
        self.unanswered -= 1;
        self.events.push_back(InviteServerEvent::Answered { status });
        if status < 300 {
            transaction.state = State::Accepted;
            self.timers.set(InviteTimer::LorM, handle, now);
        } else {
            transaction.state = State::Completed(bytes);
            self.timers.set(InviteTimer::BorH, handle, now);
            if !transaction.reliable {
                self.timers.set(InviteTimer::Again1, handle, now);
            }
        }
    }

    /// A CANCEL came (section 9.2). `false` if it belongs to no INVITE that we know: 481 is its answer, else 200. An
    /// INVITE that has no final answer gets a 487, with `to_tag`.
    pub fn cancel(&mut self, cancel: &Request, to_tag: &str, now: Timestamp) -> bool {
        if !key::of_invite(cancel, &mut self.scratch) {
            return false;
        }
        let Some(handle) = self.by_key.get(self.scratch.as_slice()).copied() else { return false };
        if let Some((request, _)) = self.open(handle) {
            let bytes = Response::to(request, 487, "", to_tag).to_bytes();
            self.answer(handle, 487, bytes, now);
            self.events.push_back(InviteServerEvent::Cancelled { key: handle });
        }
        true
    }

    fn end(&mut self, handle: Handle) {
        let Some(transaction) = self.transactions.remove(handle) else { return };
        self.by_key.remove(&transaction.key);
        if matches!(transaction.state, State::Proceeding { .. }) {
            self.unanswered -= 1;
        }
        self.timers.prune(self.transactions.len(), |handle| self.transactions.get(handle).is_some());
    }

    /// Time has passed; fires what is due.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        while let Some((timer, handle)) = self.timers.pop(now) {
            let Some(transaction) = self.transactions.get(handle) else { continue };
            match (timer, &transaction.state) {
                (InviteTimer::Trying, State::Proceeding { last: None, .. }) => self.say_trying(handle),
                (InviteTimer::Ringing, State::Proceeding { .. }) => {
                    self.events.push_back(InviteServerEvent::Unanswered { key: handle });
                    self.end(handle);
                }
                (InviteTimer::BorH, State::Completed(_))
                | (InviteTimer::I, State::Confirmed)
                | (InviteTimer::LorM, State::Accepted) => self.end(handle),
                (again, State::Completed(bytes)) => {
                    if let Some(next) = again.next_g() {
                        let (to, bytes) = (transaction.to.clone(), bytes.clone());
                        self.transmits.push_back(Transmit { by: handle, to, bytes });
                        self.timers.set(next, handle, now);
                    }
                }
                _ => {}
            }
        }
    }

    fn say_trying(&mut self, handle: Handle) {
        let Some(transaction) = self.transactions.get_mut(handle) else { return };
        let State::Proceeding { request, last } = &mut transaction.state else { return };
        let bytes = Response::to(request, 100, "", "").to_bytes();
        *last = Some(bytes.clone());
        self.transmits.push_back(Transmit { by: handle, to: transaction.to.clone(), bytes });
    }

    /// What is to be sent next.
    pub fn poll_transmit(&mut self) -> Option<Transmit<D>> {
        self.transmits.pop_front()
    }

    /// What is to be told next.
    pub fn poll_event(&mut self) -> Option<InviteServerEvent<D>> {
        self.events.pop_front()
    }

    /// When to call [`InviteServers::handle_timeout`] next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.timers.next()
    }
}
