//! The handle by which the rest of the house reaches the sip thread.

use super::bind;
use super::driver::{self, Parts};
use super::flow::Key;
use super::inbox::{Command, Inbox};
use super::{Call, CallFailure, Counters, Handler, OutRequest, Outcome, ServerKey, Target};
use crate::config::{self, Listen};
use crate::sip::dialog::DialogKey;
use crate::sip::{Request, Response};
use crate::types::SeedSecret;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
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
        // An answer, a call and its end per dialog.
        let room = room.saturating_add(config.dialogs_max.saturating_mul(3));
        let inbox =
            Arc::new(Inbox::new(room.saturating_add(1024), config.client_transactions_max, Arc::clone(&counters)));
        let sockets = bind::bind(&config.listen)?;
        let bound = sockets.bound.iter().map(|listen| Bound { listen: *listen }).collect();
        driver::spawn(sockets, Parts { config: config.clone(), secret, handler, counters, inbox: Arc::clone(&inbox) })?;
        Ok((Self { inbox }, bound))
    }

    /// Answers a request. Never blocks; printed here, on the caller's thread. Provisional responses to non-INVITE are
    /// ignored: the transaction says 100 by itself when RFC 4320 wants it. A 2xx to an INVITE is for [`Endpoint::accept`].
    pub fn respond(&self, key: ServerKey, response: &Response) {
        if let Key::Invite(_) = key.0
            && (200..300).contains(&response.status)
        {
            return self.accept(key, self.next_dialog(), response);
        }
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

    /// A name for a dialog that is about to be accepted: what [`Handler::on_dialog`] will say of it can be expected before
    /// it can be said.
    #[must_use]
    pub fn next_dialog(&self) -> DialogKey {
        self.inbox.next_dialog()
    }

    /// Answers an INVITE with a 2xx made by [`crate::sip::dialog::accept()`], which establishes `dialog`: the answer is
    /// repeated until its ACK comes. An INVITE that was cancelled meanwhile ends the dialog as not established. Never
    /// blocks.
    pub fn accept(&self, key: ServerKey, dialog: DialogKey, response: &Response) {
        let bytes = response.to_bytes();
        let command = match key.0 {
            Key::Invite(key) => Command::Accept { key, dialog, response: Box::new(response.clone()), bytes },
            other => Command::Respond { key: other, status: response.status, bytes },
        };
        // As with respond.
        self.inbox.push(command).ok();
    }

    /// Calls: sends an INVITE, acknowledges its 2xx, and meets a 422 with a longer session. Dropping the [`Calling`] before
    /// its outcome takes the call back: CANCEL, or BYE if it was answered in the same moment. It rings for three minutes
    /// at most.
    ///
    /// # Errors
    /// [`NetError::Closed`] after a drain, [`NetError::Busy`] if the sip thread is far behind; nothing was sent.
    pub fn invite(&self, out: OutRequest) -> Result<Calling, NetError> {
        let (reply, outcome) = oneshot::channel();
        let dialog = self.inbox.next_dialog();
        self.inbox.push(Command::Invite { dialog, out: Box::new(out), reply })?;
        Ok(Calling { dialog, outcome, inbox: Some(Arc::clone(&self.inbox)) })
    }

    /// Ends a dialog with BYE, after the ACK of our 2xx if that has not come yet. [`Handler::on_dialog`] tells its end.
    pub fn hang_up(&self, dialog: DialogKey) {
        // An endpoint that has ended has no dialogs.
        self.inbox.push(Command::HangUp { dialog }).ok();
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

    /// Stops accepting, ends all dialogs with BYE, waits until no transaction awaits an answer (at most `within`), then closes every socket and ends
    /// the sip thread. From any runtime.
    pub async fn drain(&self, within: Duration) {
        let (done, ended) = oneshot::channel();
        if self.inbox.push(Command::Drain { within, done }).is_ok() {
            // An error says that the thread has ended already.
            ended.await.ok();
        }
    }
}

/// A call that has no outcome yet; a future of it.
#[must_use = "dropping it takes the call back"]
pub struct Calling {
    dialog: DialogKey,
    outcome: oneshot::Receiver<Result<Call, CallFailure>>,
    /// There until the outcome was taken.
    inbox: Option<Arc<Inbox>>,
}

impl Calling {
    /// The dialog that it becomes if the peer answers with a 2xx.
    #[must_use]
    pub const fn dialog(&self) -> DialogKey {
        self.dialog
    }
}

impl fmt::Debug for Calling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Calling").field(&self.dialog).finish()
    }
}

impl Future for Calling {
    type Output = Result<Call, CallFailure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let outcome = Pin::new(&mut self.outcome).poll(cx);
        if outcome.is_ready() {
            self.inbox = None;
        }
        // The sip thread ended without an outcome.
        outcome.map(|outcome| outcome.unwrap_or(Err(CallFailure::Transport)))
    }
}

impl Drop for Calling {
    fn drop(&mut self) {
        if let Some(inbox) = &self.inbox {
            // An endpoint that has ended has cancelled it.
            inbox.push(Command::HangUp { dialog: self.dialog }).ok();
        }
    }
}
