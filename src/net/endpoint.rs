//! The handle by which the rest of the house reaches the sip thread.

use super::bind;
use super::driver::{self, Parts};
use super::inbox::{Command, Inbox};
use super::{Counters, Handler, OutRequest, Outcome, ServerKey, Target};
use crate::config::{self, Listen};
use crate::sip::{Request, Response};
use crate::types::SeedSecret;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// What the network can meet. Every text says what happened, why, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// A socket could not be opened.
    #[error(
        "cannot listen on {listen}: {cause}; choose an address of this machine and a free port, or stop the program that holds it"
    )]
    Bind { listen: Listen, cause: io::Error },
    /// The thread or its runtime could not be made.
    #[error("cannot start the sip thread: {0}; the machine lacks threads or file descriptors, raise their limits")]
    Thread(io::Error),
    /// Nothing to listen on.
    #[error("no listening socket is configured: give at least one, as in sip.listen = [\"udp:127.0.0.1:5060\"]")]
    NothingToListenOn,
    /// No room for another client transaction.
    #[error("as many requests are in flight as there may be (sip.client-transactions-max): try again later")]
    Busy,
    /// The sip thread has ended.
    #[error("the SIP sockets are closed: the server is stopping")]
    Closed,
}

/// A socket that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// The actual address: a configured port 0 is resolved.
    pub listen: Listen,
}

/// The running SIP end. Cheap to clone; from any thread.
#[derive(Clone)]
pub struct Endpoint {
    inbox: Arc<Inbox>,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Endpoint")
    }
}

impl Endpoint {
    /// Opens every socket, then serves. `secret` makes the branches of stateless forwarding the same after a restart.
    ///
    /// # Errors
    /// [`NetError::Bind`], [`NetError::NothingToListenOn`] or [`NetError::Thread`]; nothing is served then.
    pub fn start(
        config: &config::Sip,
        secret: SeedSecret,
        handler: Arc<dyn Handler>,
        counters: Arc<dyn Counters>,
    ) -> Result<(Self, Vec<Bound>), NetError> {
        // A response and a forward per server transaction, a request per client transaction, and the drain.
        let room = config.server_transactions_max.saturating_mul(2).saturating_add(config.client_transactions_max);
        let inbox =
            Arc::new(Inbox::new(room.saturating_add(1024), config.client_transactions_max, Arc::clone(&counters)));
        let sockets = bind::bind(&config.listen)?;
        let bound = sockets.bound.iter().map(|listen| Bound { listen: *listen }).collect();
        driver::spawn(sockets, Parts { config: config.clone(), secret, handler, counters, inbox: Arc::clone(&inbox) })?;
        Ok((Self { inbox }, bound))
    }

    /// Answers a request. Never blocks; printed here, on the caller's thread. Provisional responses to non-INVITE are
    /// ignored: the transaction says 100 by itself when RFC 4320 wants it.
    pub fn respond(&self, key: ServerKey, response: &Response) {
        let command = Command::Respond { key: key.0, status: response.status, bytes: response.to_bytes() };
        // Cannot be full: it has more room than there are transactions. Were it, the peer's retransmission asks again.
        self.inbox.push(command).ok();
    }

    /// Sends a request in a client transaction of its own; the receiver gets its one outcome.
    ///
    /// # Errors
    /// [`NetError::Busy`] if there are as many client transactions as there may be, [`NetError::Closed`] after a drain;
    /// nothing was sent.
    pub fn request(&self, out: OutRequest) -> Result<oneshot::Receiver<Outcome>, NetError> {
        self.inbox.reserve()?;
        let (reply, outcome) = oneshot::channel();
        match self.inbox.push(Command::Request { out: Box::new(out), reply }) {
            Ok(()) => Ok(outcome),
            Err(error) => {
                self.inbox.release(1);
                Err(error)
            }
        }
    }

    /// Passes a received request on statelessly (RFC 3261 section 16.11): its server transaction is dropped, a Via of ours
    /// with a branch that a retransmission gets again is pushed. The caller has decremented Max-Forwards. A response whose
    /// topmost Via is such a one goes to the next Via.
    pub fn forward(&self, key: ServerKey, request: Request, target: Target) {
        // As with respond: the peer's retransmission asks again.
        self.inbox.push(Command::Forward { key: key.0, request: Box::new(request), target }).ok();
    }

    /// From now on new requests get a stateless 503; retransmissions and open transactions go on.
    pub fn stop_accepting(&self) {
        // An endpoint that has ended accepts nothing either.
        self.inbox.push(Command::StopAccepting).ok();
    }

    /// Stops accepting, waits until no transaction awaits an answer (at most `within`), then closes every socket and ends
    /// the sip thread. From any runtime.
    pub async fn drain(&self, within: Duration) {
        let (done, ended) = oneshot::channel();
        if self.inbox.push(Command::Drain { within, done }).is_ok() {
            // An error says that the thread has ended already.
            ended.await.ok();
        }
    }
}
