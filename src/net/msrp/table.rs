//! The sessions of this server by their session-ids, and which connection each is bound to (RFC 4975 section 5.4, RFC 6714).

use super::counters::{Counters, Limit, Stray};
use super::error::{MsrpError, TransferError};
use super::link::Link;
use super::seat::Job;
use super::shared::lock;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, Weak};
use tokio::sync::Notify;

/// Every session from [`Table::open`] until its [`Name`] is dropped.
pub(super) struct Table {
    sessions: Mutex<Sessions>,
    max: usize,
    counters: Arc<dyn Counters>,
    /// Told when the last session has gone.
    empty: Notify,
}

#[derive(Default)]
struct Sessions {
    known: HashMap<Arc<str>, Entry>,
    draining: bool,
}

struct Entry {
    state: State,
    /// Told when a job comes for a connection that was early.
    news: Arc<Notify>,
}

enum State {
    /// Its name is known, what it is for is not yet.
    Open,
    /// A connection said its name before that: it waits.
    Early(Weak<Link>),
    /// Waits for a connection.
    Waiting(Box<Job>),
    Bound(Weak<Link>),
    /// Over, and its task has not noticed yet.
    Over,
}

/// What a connection gets that names a session.
pub(super) enum Claim {
    /// It sits on this connection from now on.
    Seated,
    /// Ask again when there is news.
    Later(Arc<Notify>),
    /// With this status.
    Refused(u16),
}

impl Table {
    pub(super) fn new(max: usize, counters: Arc<dyn Counters>) -> Self {
        Self { sessions: Mutex::default(), max, counters, empty: Notify::new() }
    }

    /// A session with a name that nobody can guess.
    pub(super) fn open(self: &Arc<Self>) -> Result<Name, MsrpError> {
        let mut bits = [0; 16];
        getrandom::fill(&mut bits).map_err(|_| MsrpError::Random)?;
        let mut id = String::with_capacity(32);
        bits.iter().try_for_each(|octet| write!(id, "{octet:02x}")).map_err(|_| MsrpError::Random)?;
        let id: Arc<str> = id.into();
        let mut sessions = lock(&self.sessions);
        if sessions.draining {
            return Err(MsrpError::Closed);
        }
        if sessions.known.len() >= self.max {
            self.counters.limit_hit(Limit::Sessions);
            return Err(MsrpError::Busy);
        }
        sessions.known.insert(Arc::clone(&id), Entry { state: State::Open, news: Arc::default() });
        self.counters.sessions(sessions.known.len());
        Ok(Name { id, table: Arc::clone(self) })
    }

    /// The job waits for a connection, or is given to the early one.
    pub(super) fn offer(&self, job: Box<Job>) {
        let mut sessions = lock(&self.sessions);
        let Some(entry) = sessions.known.get_mut(&job.id) else { return };
        entry.state = State::Waiting(job);
        entry.news.notify_one();
    }

    /// The job goes to a connection of ours. Gives it back if that has ended in the meantime.
    pub(super) fn seat(&self, link: &Arc<Link>, job: Box<Job>) -> Option<Box<Job>> {
        let mut sessions = lock(&self.sessions);
        let entry = sessions.known.get_mut(&job.id)?;
        let back = link.attach(job);
        if back.is_none() {
            entry.state = State::Bound(Arc::downgrade(link));
        }
        back
    }

    /// A connection names a session.
    pub(super) fn claim(&self, id: &str, link: &Arc<Link>) -> Claim {
        let refused = |stray: Stray, status: u16| {
            self.counters.stray(stray);
            Claim::Refused(status)
        };
        let mut sessions = lock(&self.sessions);
        let Some(entry) = sessions.known.get_mut(id) else { return refused(Stray::UnknownSession, 481) };
        let is_other = |holder: &Weak<Link>| holder.upgrade().is_some_and(|holder| !Arc::ptr_eq(&holder, link));
        match std::mem::replace(&mut entry.state, State::Over) {
            State::Early(holder) if is_other(&holder) => {
                entry.state = State::Early(holder);
                refused(Stray::BoundElsewhere, 506)
            }
            State::Bound(holder) if is_other(&holder) => {
                entry.state = State::Bound(holder);
                refused(Stray::BoundElsewhere, 506)
            }
            State::Open | State::Early(_) => {
                entry.state = State::Early(Arc::downgrade(link));
                Claim::Later(Arc::clone(&entry.news))
            }
            State::Waiting(job) if !link.satisfies(&job.demand) => {
                job.refuse(TransferError::Fingerprint);
                refused(Stray::Fingerprint, 403)
            }
            State::Waiting(job) => match link.attach(job) {
                None => {
                    entry.state = State::Bound(Arc::downgrade(link));
                    Claim::Seated
                }
                Some(job) => {
                    job.refuse(TransferError::Closed);
                    Claim::Refused(481)
                }
            },
            // Its transfer has ended on the connection it was bound to.
            State::Bound(_) | State::Over => refused(Stray::UnknownSession, 481),
        }
    }

    /// From now on no session is opened.
    pub(super) fn drain(&self) {
        lock(&self.sessions).draining = true;
    }

    /// Ends when there is no session.
    pub(super) async fn emptied(&self) {
        while !lock(&self.sessions).known.is_empty() {
            self.empty.notified().await;
        }
    }

    fn forget(&self, id: &str) {
        let mut sessions = lock(&self.sessions);
        let entry = sessions.known.remove(id);
        self.counters.sessions(sessions.known.len());
        if sessions.known.is_empty() {
            self.empty.notify_one();
        }
        drop(sessions);
        let Some(entry) = entry else { return };
        entry.news.notify_one();
        if let State::Bound(link) = entry.state
            && let Some(link) = link.upgrade()
        {
            link.detach(id);
        }
    }
}

/// The name of a session: known as long as this lives.
pub(super) struct Name {
    pub(super) id: Arc<str>,
    table: Arc<Table>,
}

impl Drop for Name {
    fn drop(&mut self) {
        self.table.forget(&self.id);
    }
}
