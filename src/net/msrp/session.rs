//! One large message: its session, and the task that sees it through.

use super::counters::{Counters, Direction, Ended};
use super::error::TransferError;
use super::fingerprint::Fingerprint;
use super::link::Link;
use super::seat::{Demand, Incoming, Job, Work};
use super::shared::Shared;
use super::table::Name;
use super::{Sink, Source};
use crate::msrp::{MsrpUri, Outgoing, Path, Receiver, Sender, TransactionIds};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Our end of a session, for the session description.
#[derive(Clone, PartialEq, Eq)]
pub struct Local {
    /// Our MSRP URI, the whole of `a=path`.
    pub uri: String,
    /// For the `c=` line.
    pub address: IpAddr,
    /// For the `m=` line.
    pub port: u16,
    /// `TCP/TLS/MSRP`.
    pub secure: bool,
    /// Of our certificate, as `a=fingerprint` has it: `SHA-256 AB:CD:…`.
    pub fingerprint: Option<String>,
}

/// The peer's end, from its session description.
#[derive(Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its `a=path`: next hop first, itself last.
    pub path: Vec<String>,
    /// Its `a=fingerprint`: `SHA-256 AB:CD:…`. No other hash is believed.
    pub fingerprint: Option<String>,
    /// `TCP/TLS/MSRP`.
    pub secure: bool,
}

/// Who makes the connection (RFC 6135).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// The peer connects to us.
    Passive,
    /// We connect to the first URI of the peer's path.
    Active,
}

/// A session of ours: its name is known to the listeners as long as it lives.
pub struct Session {
    pub(super) name: Name,
    pub(super) local: Local,
    pub(super) uri: MsrpUri,
    pub(super) shared: Arc<Shared>,
    pub(super) runtime: Handle,
}

impl Session {
    /// What goes into the session description.
    pub fn local(&self) -> &Local {
        &self.local
    }

    /// Takes one message. Every slice is given to the sink before more is read, and the peer is told 200 for the whole only
    /// when [`Sink::finish`] has said so. Dropping the future ends the transfer, except for a `finish` that has begun.
    ///
    /// # Errors
    /// [`TransferError`]: the message is not here, or (after `finish` has begun) was refused by the sink.
    pub async fn receive(self, peer: Peer, way: Way, sink: Box<dyn Sink>) -> Result<(), TransferError> {
        let settings = self.shared.settings.receiver.clone();
        let make = move |own: MsrpUri, path: Path, ids: TransactionIds| {
            Work::In(Box::new(Incoming { receiver: Receiver::new(settings, own, path, ids), sink }))
        };
        self.run(Direction::In, peer, way, make).await
    }

    /// Sends one message. The source is read no faster than the peer reads. Dropping the future ends the transfer.
    ///
    /// # Errors
    /// [`TransferError`]: not every chunk was answered 200.
    pub async fn send(
        self,
        peer: Peer,
        way: Way,
        message: Outgoing,
        source: Box<dyn Source>,
    ) -> Result<(), TransferError> {
        let settings = self.shared.settings.sender;
        let make = move |own: MsrpUri, path: Path, ids: TransactionIds| {
            Work::Out(Box::new(Sender::new(settings, own, path, message, ids)), source)
        };
        self.run(Direction::Out, peer, way, make).await
    }

    /// The transfer is a task of the msrp threads, so that it depends on the asker's life only, not on its runtime.
    async fn run(
        self,
        direction: Direction,
        peer: Peer,
        way: Way,
        make: impl FnOnce(MsrpUri, Path, TransactionIds) -> Work + Send + 'static,
    ) -> Result<(), TransferError> {
        let runtime = self.runtime.clone();
        let mut task = Given(runtime.spawn(watched(self, direction, peer, way, make)));
        // The runtime has ended.
        (&mut task.0).await.unwrap_or(Err(TransferError::Stopping))
    }
}

/// A task that ends when its asker goes.
struct Given(JoinHandle<Result<(), TransferError>>);

impl Drop for Given {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Counts how a transfer ended, also if it was cut off.
struct Tally {
    counters: Arc<dyn Counters>,
    direction: Direction,
    outcome: Option<Ended>,
}

impl Drop for Tally {
    fn drop(&mut self) {
        self.counters.ended(self.direction, self.outcome.unwrap_or(Ended::Cancelled));
    }
}

/// The transfer, counted, until the server stops. The name goes last.
async fn watched(
    session: Session,
    direction: Direction,
    peer: Peer,
    way: Way,
    make: impl FnOnce(MsrpUri, Path, TransactionIds) -> Work,
) -> Result<(), TransferError> {
    let Session { name, local, uri, shared, .. } = session;
    let mut tally = Tally { counters: Arc::clone(&shared.counters), direction, outcome: None };
    let result = tokio::select! {
        biased;
        result = transfer(&shared, &name, &local, &peer, way, |path, ids| make(uri, path, ids)) => result,
        () = shared.stopped() => Err(TransferError::Stopping),
    };
    tally.outcome = Some(result.as_ref().map_or_else(TransferError::ended, |()| Ended::Done));
    result
}

async fn transfer(
    shared: &Arc<Shared>,
    name: &Name,
    local: &Local,
    peer: &Peer,
    way: Way,
    make: impl FnOnce(Path, TransactionIds) -> Work,
) -> Result<(), TransferError> {
    let path = Path::of(peer.path.iter().map(String::as_str)).map_err(|_| TransferError::Path)?;
    let announced = peer.fingerprint.as_deref().filter(|_| local.secure);
    let fingerprint = announced.map(|text| Fingerprint::parse(text).ok_or(TransferError::Fingerprint)).transpose()?;
    // What was announced as protected is never sent in clear, nor the other way round.
    let fits = |hop: &MsrpUri| peer.secure == local.secure && (way == Way::Passive || hop.is_secure() == local.secure);
    let hop = path.first().filter(|hop| fits(hop)).cloned().ok_or(TransferError::Path)?;
    let mut seed = [0; 16];
    getrandom::fill(&mut seed).map_err(|_| TransferError::Source)?;
    let (done, mut ended) = oneshot::channel();
    let (bound, mut is_bound) = oneshot::channel();
    let work = make(path, TransactionIds::new(seed));
    let demand = Demand { secure: local.secure, fingerprint };
    let job = Box::new(Job { id: Arc::clone(&name.id), work, demand, done, bound: Some(bound) });
    match way {
        Way::Passive => {
            shared.table.offer(job);
            // An error here is the job's end, which `ended` tells.
            if timeout(shared.settings.bind, &mut is_bound).await.is_err() {
                return ended.try_recv().unwrap_or(Err(TransferError::NotBound));
            }
        }
        Way::Active => {
            let late = Err(TransferError::Connect(std::io::ErrorKind::TimedOut));
            timeout(shared.settings.bind, sit_down(shared, &hop, job)).await.unwrap_or(late)?;
        }
    }
    ended.await.unwrap_or(Err(TransferError::Closed))
}

/// On a connection to this hop: one that there is, or a new one.
async fn sit_down(shared: &Arc<Shared>, hop: &MsrpUri, mut job: Box<Job>) -> Result<(), TransferError> {
    let first = Link::bind(&mut job.work);
    let pinned = job.demand.fingerprint;
    for _ in 0..2 {
        let link = shared.routes.to(shared, hop, pinned).await?;
        match shared.table.seat(&link, job) {
            None => {
                link.say(first);
                return Ok(());
            }
            // It has ended just now.
            Some(back) => job = back,
        }
    }
    Err(TransferError::Closed)
}

/// Addresses and session-ids are not shown.
impl fmt::Debug for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Local").field("secure", &self.secure).finish_non_exhaustive()
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer").field("secure", &self.secure).finish_non_exhaustive()
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("local", &self.local).finish_non_exhaustive()
    }
}
