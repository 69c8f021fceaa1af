//! What other threads want from the sip thread: a bounded list, one wake-up per batch.

use super::calls::CallReply;
use super::flow::Key;
use super::{Counters, Limit, NetError, OutRequest, Target};
use crate::sip::dialog::DialogKey;
use crate::sip::transaction::{Handle, Outcome};
use crate::sip::{Request, Response};
use bytes::Bytes;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, oneshot};

/// One wish.
#[derive(Debug)]
pub(super) enum Command {
    Respond {
        key: Key,
        status: u16,
        bytes: Bytes,
    },
    Request {
        out: Box<OutRequest>,
        reply: oneshot::Sender<Outcome>,
    },
    /// A 2xx to an INVITE.
    Accept {
        key: Handle,
        dialog: DialogKey,
        response: Box<Response>,
        bytes: Bytes,
    },
    Invite {
        dialog: DialogKey,
        out: Box<OutRequest>,
        reply: CallReply,
    },
    HangUp {
        dialog: DialogKey,
    },
    Forward {
        key: Key,
        request: Box<Request>,
        target: Target,
    },
    StopAccepting,
    Drain {
        within: Duration,
        done: oneshot::Sender<()>,
    },
}

#[derive(Debug, Default)]
struct Commands {
    list: Vec<Command>,
    /// The sip thread has ended: nobody will read the list again.
    closed: bool,
}

/// The list. Pushing never blocks but for the moment another thread pushes.
pub(super) struct Inbox {
    commands: Mutex<Commands>,
    limit: usize,
    wake: Notify,
    /// The sip thread sleeps and must be woken: only the first to find it so pays for that.
    asleep: AtomicBool,
    /// Client transactions promised by [`Inbox::reserve`] and not yet ended.
    clients: AtomicUsize,
    clients_limit: usize,
    /// Dialogs named so far.
    dialogs: AtomicU64,
    counters: Arc<dyn Counters>,
}

impl Inbox {
    /// Takes `limit` commands at most; promises `clients_limit` client transactions at most.
    pub(super) fn new(limit: usize, clients_limit: usize, counters: Arc<dyn Counters>) -> Self {
        Self {
            commands: Mutex::default(),
            limit,
            wake: Notify::new(),
            asleep: AtomicBool::new(false),
            clients: AtomicUsize::new(0),
            clients_limit,
            dialogs: AtomicU64::new(0),
            counters,
        }
    }

    /// Adds a command.
    pub(super) fn push(&self, command: Command) -> Result<(), NetError> {
        {
            let mut commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
            if commands.closed {
                return Err(NetError::Closed);
            }
            if commands.list.len() >= self.limit {
                self.counters.limit_hit(Limit::Inbox);
                return Err(NetError::Busy);
            }
            commands.list.push(command);
        }
        if self.asleep.swap(false, Ordering::SeqCst) {
            self.wake.notify_one();
        }
        Ok(())
    }

    /// Takes a place for a client transaction.
    pub(super) fn reserve(&self) -> Result<(), NetError> {
        let more = |held: usize| (held < self.clients_limit).then_some(held + 1);
        if self.clients.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok() {
            return Ok(());
        }
        self.counters.limit_hit(Limit::ClientTransactions);
        Err(NetError::Busy)
    }

    /// Takes a place for a client transaction that cannot be refused: BYE, CANCEL, a refresh.
    pub(super) fn occupy(&self) {
        self.clients.fetch_add(1, Ordering::Relaxed);
    }

    /// A name that no dialog had before.
    pub(super) fn next_dialog(&self) -> DialogKey {
        DialogKey(self.dialogs.fetch_add(1, Ordering::Relaxed))
    }

    /// Gives back the places of `n` ended client transactions.
    pub(super) fn release(&self, n: usize) {
        self.clients.fetch_sub(n, Ordering::Relaxed);
    }

    /// Swaps what is there for the empty list `into`.
    pub(super) fn take(&self, into: &mut Vec<Command>) {
        std::mem::swap(&mut self.commands.lock().unwrap_or_else(PoisonError::into_inner).list, into);
    }

    /// Says that the sip thread is about to sleep; `false` if it must not, because there is something to do.
    pub(super) fn fall_asleep(&self) -> bool {
        self.asleep.store(true, Ordering::SeqCst);
        self.commands.lock().unwrap_or_else(PoisonError::into_inner).list.is_empty()
    }

    /// The sip thread is at work: it will look without being woken.
    pub(super) fn wake_up(&self) {
        self.asleep.store(false, Ordering::SeqCst);
    }

    /// Takes no more; what is there is forgotten, and whoever waits for it is told by the end of their channel.
    pub(super) fn close(&self) {
        let mut commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
        commands.closed = true;
        commands.list = Vec::new();
    }

    /// Resolves when someone found the thread asleep.
    pub(super) async fn woken(&self) {
        self.wake.notified().await;
    }
}
