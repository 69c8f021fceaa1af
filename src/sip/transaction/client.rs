//! Client transactions: our requests, retransmitted until an answer or the end of patience (RFC 3261 section 17.1.2).

use super::slab::{Handle, Slab};
use super::timers::{Timer, Timers};
use super::{Transmit, key};
use crate::sip::{Method, Response};
use crate::types::Timestamp;
use bytes::Bytes;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// How a request of ours ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A final response.
    Response(Response),
    /// No final response in 64*T1 (Timer F).
    Timeout,
    /// The transport could not carry it: no route, no connection, or the connection broke.
    Transport,
}

/// A request to be sent.
#[derive(Clone, Debug)]
pub struct Start<D, T> {
    /// Of the topmost Via; may come from outside, so that a delivery resumed after a crash repeats it.
    pub branch: String,
    pub method: Method,
    /// The printed request.
    pub bytes: Bytes,
    pub to: D,
    /// Whether the transport retransmits by itself.
    pub reliable: bool,
    /// Given back with the outcome.
    pub token: T,
}

/// Why a transaction was not started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// There are as many as there may be.
    Full,
    /// One with this branch and method has not ended yet.
    Duplicate,
}

/// What happens to a [`Clients`].
#[derive(Clone, Debug)]
pub enum ClientInput {
    /// A response came.
    Response(Response),
    /// The transport under this transaction failed.
    Failed(Handle),
}

/// What a [`Clients`] has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientEvent<T> {
    /// A request has ended.
    Ended { token: T, outcome: Outcome },
    /// A response to nothing we sent.
    Unmatched(Response),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing came back.
    Trying,
    /// A provisional response came.
    Proceeding,
    /// A final response came; more of them are absorbed.
    Completed,
}

#[derive(Debug)]
struct Transaction<D, T> {
    key: Arc<[u8]>,
    bytes: Bytes,
    to: D,
    reliable: bool,
    state: State,
    /// Taken when the outcome is told.
    token: Option<T>,
}

/// All client transactions of an endpoint.
#[derive(Debug)]
pub struct Clients<D, T> {
    limit: usize,
    transactions: Slab<Transaction<D, T>>,
    by_key: HashMap<Arc<[u8]>, Handle>,
    open: usize,
    timers: Timers<Timer>,
    transmits: VecDeque<Transmit<D>>,
    events: VecDeque<ClientEvent<T>>,
    scratch: Vec<u8>,
}

impl<D: Clone, T> Clients<D, T> {
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

    /// How many await their outcome.
    #[must_use]
    pub const fn open(&self) -> usize {
        self.open
    }

    /// Sends a request for the first time.
    ///
    /// # Errors
    /// [`Refused`], with the token; nothing is sent then.
    pub fn start(&mut self, start: Start<D, T>, now: Timestamp) -> Result<Handle, (Refused, T)> {
        let Start { branch, method, bytes, to, reliable, token } = start;
        if self.transactions.len() >= self.limit {
            return Err((Refused::Full, token));
        }
        key::of_sent(&branch, &method, &mut self.scratch);
        if self.by_key.contains_key(self.scratch.as_slice()) {
            return Err((Refused::Duplicate, token));
        }
        let key: Arc<[u8]> = Arc::from(self.scratch.as_slice());
        let handle = self.transactions.insert(Transaction {
            key: Arc::clone(&key),
            bytes: bytes.clone(),
            to: to.clone(),
            reliable,
            state: State::Trying,
            token: Some(token),
        });
        self.transmits.push_back(Transmit { by: handle, to, bytes });
        self.by_key.insert(key, handle);
        self.open += 1;
        self.timers.set(Timer::F, handle, now);
        if !reliable {
            self.timers.set(Timer::E1, handle, now);
        }
        Ok(handle)
    }

    /// Something came from below.
    pub fn handle_input(&mut self, input: ClientInput, now: Timestamp) {
        match input {
            ClientInput::Response(response) => self.response(response, now),
            ClientInput::Failed(handle) => self.give_up(handle, Outcome::Transport),
        }
    }

    fn response(&mut self, response: Response, now: Timestamp) {
        let matched = key::of_response(&response, &mut self.scratch);
        let handle = if matched { self.by_key.get(self.scratch.as_slice()).copied() } else { None };
        let Some((handle, transaction)) = handle.and_then(|h| self.transactions.get_mut(h).map(|t| (h, t))) else {
            self.events.push_back(ClientEvent::Unmatched(response));
            return;
        };
        if response.status < 200 {
            if transaction.state == State::Trying {
                transaction.state = State::Proceeding;
            }
            return;
        }
        let Some(token) = transaction.token.take() else { return };
        transaction.state = State::Completed;
        transaction.bytes = Bytes::new();
        self.open -= 1;
        self.events.push_back(ClientEvent::Ended { token, outcome: Outcome::Response(response) });
        if transaction.reliable {
            self.end(handle); // Timer K is zero
        } else {
            self.timers.set(Timer::K, handle, now);
        }
    }

    /// Time has passed; fires what is due.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        while let Some((timer, handle)) = self.timers.pop(now) {
            match timer {
                Timer::F => self.give_up(handle, Outcome::Timeout),
                Timer::K => self.end(handle),
                e => self.retransmit(handle, e, now),
            }
        }
    }

    fn retransmit(&mut self, handle: Handle, fired: Timer, now: Timestamp) {
        let Some(transaction) = self.transactions.get(handle) else { return };
        let next = match transaction.state {
            State::Trying => fired.next_e(),
            State::Proceeding => Some(Timer::ET2),
            State::Completed => None,
        };
        let Some(next) = next else { return };
        self.transmits.push_back(Transmit { by: handle, to: transaction.to.clone(), bytes: transaction.bytes.clone() });
        self.timers.set(next, handle, now);
    }

    /// Ends a transaction that has no final response.
    fn give_up(&mut self, handle: Handle, outcome: Outcome) {
        let Some(token) = self.transactions.get_mut(handle).and_then(|transaction| transaction.token.take()) else {
            return;
        };
        self.open -= 1;
        self.events.push_back(ClientEvent::Ended { token, outcome });
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
    pub fn poll_event(&mut self) -> Option<ClientEvent<T>> {
        self.events.pop_front()
    }

    /// When to call [`Clients::handle_timeout`] next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.timers.next()
    }

    #[cfg(test)]
    pub(super) fn timers_set(&self) -> usize {
        self.timers.len()
    }
}
