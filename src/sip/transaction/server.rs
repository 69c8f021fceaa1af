//! Server transactions: each request goes up once, each retransmission gets the same octets (RFC 3261 section 17.2.2).

use super::slab::{Handle, Slab};
use super::timers::{Timer, Timers};
use super::{Transmit, key};
use crate::sip::{Headers, Method, Request, Response};
use crate::types::Timestamp;
use bytes::Bytes;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// What happens to a [`Servers`].
#[derive(Clone, Debug)]
pub enum ServerInput<D> {
    /// A request other than INVITE and ACK, which are [`super::InviteServers`]' affair, came. `from` is where its answers go, `reliable` whether that transport retransmits by itself.
    Request { request: Request, from: D, reliable: bool },
    /// The user answers, with the printed response. Provisional answers are ignored: the machine says 100 itself,
    /// when RFC 4320 wants it, and no other is allowed to non-INVITE.
    Answer { key: Handle, status: u16, bytes: Bytes },
    /// The user will never answer: the request was passed on statelessly (RFC 3261 section 16.11).
    Forget { key: Handle },
}

/// What a [`Servers`] has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerEvent<D> {
    /// A new request.
    Request { key: Handle, request: Request, from: D },
    /// A request too poor to be matched, to be answered statelessly if at all.
    Stateless { request: Request, from: D },
    /// A new request that there is no place for: answer it statelessly with 503 and Retry-After.
    Full { request: Request, from: D },
    /// A retransmitted request went no further.
    Absorbed,
    /// The final answer was sent for the first time.
    Answered { method: Method, status: u16 },
    /// An answer came when its transaction had ended, or had been answered before; nothing was sent.
    Late,
    /// A request was not answered in 64*T1: its sender has given up, and nothing will be sent (RFC 4320 section 4.2).
    Unanswered,
}

#[derive(Debug)]
enum State {
    /// Nothing sent. Holds the headers that a 100 would repeat.
    Trying(Headers),
    /// 100 sent.
    Proceeding(Bytes),
    /// Final response sent.
    Completed(Bytes),
}

#[derive(Debug)]
struct Transaction<D> {
    key: Arc<[u8]>,
    method: Method,
    to: D,
    reliable: bool,
    state: State,
}

/// All server transactions of an endpoint.
#[derive(Debug)]
pub struct Servers<D> {
    limit: usize,
    transactions: Slab<Transaction<D>>,
    by_key: HashMap<Arc<[u8]>, Handle>,
    unanswered: usize,
    timers: Timers<Timer>,
    transmits: VecDeque<Transmit<D>>,
    events: VecDeque<ServerEvent<D>>,
    scratch: Vec<u8>,
}

impl<D: Clone> Servers<D> {
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

    /// Something came from below or above.
    pub fn handle_input(&mut self, input: ServerInput<D>, now: Timestamp) {
        match input {
            ServerInput::Request { request, from, reliable } => self.request(request, from, reliable, now),
            ServerInput::Answer { key, status, bytes } => self.answer(key, status, bytes, now),
            ServerInput::Forget { key } => self.end(key),
        }
    }

    fn request(&mut self, request: Request, from: D, reliable: bool, now: Timestamp) {
        if !key::of_request(&request, &mut self.scratch) {
            self.events.push_back(ServerEvent::Stateless { request, from });
            return;
        }
        if let Some(handle) = self.by_key.get(self.scratch.as_slice()).copied() {
            self.retransmission(handle);
            return;
        }
        if self.transactions.len() >= self.limit {
            self.events.push_back(ServerEvent::Full { request, from });
            return;
        }
        let key: Arc<[u8]> = Arc::from(self.scratch.as_slice());
        let handle = self.transactions.insert(Transaction {
            key: Arc::clone(&key),
            method: request.method.clone(),
            to: from.clone(),
            reliable,
            state: State::Trying(for_trying(&request.headers)),
        });
        self.by_key.insert(key, handle);
        self.unanswered += 1;
        self.timers.set(Timer::Trying, handle, now);
        self.events.push_back(ServerEvent::Request { key: handle, request, from });
    }

    /// Trying: absorbed. Proceeding and Completed: what was sent last is sent again, to where the request first came from.
    fn retransmission(&mut self, handle: Handle) {
        self.events.push_back(ServerEvent::Absorbed);
        if let Some(transaction) = self.transactions.get(handle)
            && let State::Proceeding(bytes) | State::Completed(bytes) = &transaction.state
        {
            self.transmits.push_back(Transmit { by: handle, to: transaction.to.clone(), bytes: bytes.clone() });
        }
    }

    fn answer(&mut self, handle: Handle, status: u16, bytes: Bytes, now: Timestamp) {
        if status < 200 {
            return;
        }
        let Some(transaction) =
            self.transactions.get_mut(handle).filter(|transaction| !matches!(transaction.state, State::Completed(_)))
        else {
            self.events.push_back(ServerEvent::Late);
            return;
        };
        self.transmits.push_back(Transmit { by: handle, to: transaction.to.clone(), bytes: bytes.clone() });
        self.events.push_back(ServerEvent::Answered { method: transaction.method.clone(), status });
        transaction.state = State::Completed(bytes);
        self.unanswered -= 1;
        if transaction.reliable {
            self.end(handle); // Timer J is zero
        } else {
            self.timers.set(Timer::J, handle, now);
        }
    }

    fn end(&mut self, handle: Handle) {
        let Some(transaction) = self.transactions.remove(handle) else { return };
        self.by_key.remove(&transaction.key);
        if !matches!(transaction.state, State::Completed(_)) {
            self.unanswered -= 1;
        }
        self.timers.prune(self.transactions.len(), |handle| self.transactions.get(handle).is_some());
    }

    /// Time has passed; fires what is due.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        while let Some((timer, handle)) = self.timers.pop(now) {
            match timer {
                Timer::Trying => self.say_trying(handle, now),
                Timer::GiveUp => self.give_up(handle),
                _ => self.end(handle),
            }
        }
    }

    /// RFC 4320 section 4.1: 100 if nothing else was said, whatever the transport.
    fn say_trying(&mut self, handle: Handle, now: Timestamp) {
        let Some(transaction) = self.transactions.get_mut(handle) else { return };
        let State::Trying(headers) = &mut transaction.state else { return };
        let trying =
            Response { status: 100, reason: "Trying".to_owned(), headers: std::mem::take(headers), body: Bytes::new() };
        let bytes = trying.to_bytes();
        self.transmits.push_back(Transmit { by: handle, to: transaction.to.clone(), bytes: bytes.clone() });
        transaction.state = State::Proceeding(bytes);
        self.timers.set(Timer::GiveUp, handle, now);
    }

    fn give_up(&mut self, handle: Handle) {
        let open = |t: &Transaction<D>| !matches!(t.state, State::Completed(_));
        if self.transactions.get(handle).is_some_and(open) {
            self.events.push_back(ServerEvent::Unanswered);
            self.end(handle);
        }
    }

    /// What is to be sent next.
    pub fn poll_transmit(&mut self) -> Option<Transmit<D>> {
        self.transmits.pop_front()
    }

    /// What is to be told next.
    pub fn poll_event(&mut self) -> Option<ServerEvent<D>> {
        self.events.pop_front()
    }

    /// When to call [`Servers::handle_timeout`] next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.timers.next()
    }

    #[cfg(test)]
    pub(super) fn timers_set(&self) -> usize {
        self.timers.len()
    }
}

/// What a 100 repeats (RFC 3261 section 8.2.6.2). The values are shared, not copied.
fn for_trying(headers: &Headers) -> Headers {
    let mut kept = Headers::new();
    for header in headers {
        if matches!(header.name.as_ref(), "Via" | "From" | "To" | "Call-ID" | "CSeq" | "Timestamp") {
            kept.push(header.name.clone(), header.value.clone());
        }
    }
    kept
}
