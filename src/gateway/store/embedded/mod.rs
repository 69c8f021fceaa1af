//! The message store kept here, on the shelf: folders with UIDVALIDITY, objects with growing UIDs, limits per user.

mod layout;
mod library;

use super::{Append, BoxFuture, Counters, Limit, Location, MessageStore, Operation, Outcome, StoreError};
use crate::config::Store;
use crate::shelf::Shelf;
use crate::types::{Address, Timestamp};
use bytes::Bytes;
use library::Library;
use std::sync::Arc;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot};

/// Looking into the store kept here. Every call may wait for the disk and belongs on a thread that may.
pub trait Reading: Send + Sync {
    /// The folders of a user whose names come after this one, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError::Failed`]
    fn folders(&self, user: &Address, after: Option<&str>, limit: usize) -> Result<Vec<Folder>, StoreError>;

    /// The objects of a folder whose UIDs are above `after`, at most `limit`; `None` if there is no such folder.
    ///
    /// # Errors
    /// [`StoreError::Failed`]
    fn objects(
        &self,
        user: &Address,
        folder: &str,
        after: u32,
        limit: usize,
    ) -> Result<Option<Vec<Listed>>, StoreError>;

    /// One object.
    ///
    /// # Errors
    /// [`StoreError::Failed`]
    fn object(&self, user: &Address, folder: &str, uid: u32) -> Result<Option<Bytes>, StoreError>;
}

/// A folder.
#[derive(Clone, PartialEq, Eq)]
pub struct Folder {
    /// `Default`, or `Default/…`.
    pub name: String,
    pub uidvalidity: u32,
    pub uid_next: u32,
    pub messages: u64,
    pub octets: u64,
}

/// An object of a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    pub uid: u32,
    pub octets: u64,
    pub stored_at: Timestamp,
}

/// The store: one thread does all that changes something, one after the other, so that no UID is given twice, and so that
/// no more than one large object is in memory. The thread ends when this is dropped, after what waits.
pub struct Embedded {
    library: Arc<Library>,
    jobs: mpsc::Sender<Job>,
    counters: Arc<dyn Counters>,
}

enum Job {
    Append(Append, oneshot::Sender<Result<Location, StoreError>>),
    Remove(Address, Location, oneshot::Sender<Result<(), StoreError>>),
}

impl Embedded {
    /// Starts the thread. `clock` tells the time of new folders and objects.
    ///
    /// # Errors
    /// If there is no thread to be had.
    pub fn start(
        shelf: Arc<dyn Shelf>,
        config: &Store,
        counters: Arc<dyn Counters>,
        clock: impl Fn() -> Timestamp + Send + 'static,
    ) -> std::io::Result<Self> {
        let library = Arc::new(Library::new(shelf, config, Arc::clone(&counters)));
        let (jobs, mut waiting) = mpsc::channel(config.requests_waiting_max);
        let (keeper, counted) = (Arc::clone(&library), Arc::clone(&counters));
        // Only large objects need it, to be read.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        std::thread::Builder::new().name("store".to_owned()).spawn(move || {
            while let Some(job) = waiting.blocking_recv() {
                work(&keeper, counted.as_ref(), &runtime, clock(), job);
            }
        })?;
        Ok(Self { library, jobs, counters })
    }

    fn ask<T: Send + 'static>(
        &self,
        job: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> Job,
    ) -> BoxFuture<'static, Result<T, StoreError>> {
        let (answer, answered) = oneshot::channel();
        let refused = match self.jobs.try_send(job(answer)) {
            Ok(()) => None,
            Err(mpsc::error::TrySendError::Full(_)) => {
                self.counters.limit_hit(Limit::RequestsWaiting);
                Some(StoreError::Busy { key: "store.requests-waiting-max" })
            }
            Err(mpsc::error::TrySendError::Closed(_)) => Some(StoreError::Stopping),
        };
        Box::pin(async {
            match refused {
                Some(error) => Err(error),
                None => answered.await.unwrap_or(Err(StoreError::Stopping)),
            }
        })
    }
}

/// Does one thing and says what came of it; nobody may be listening any more.
fn work(library: &Library, counters: &dyn Counters, runtime: &Runtime, now: Timestamp, job: Job) {
    match job {
        Job::Append(request, answer) => {
            let ended = library.append(&request, now, || runtime.block_on(request.object.gathered()));
            counters.ended(Operation::Append, ended.as_ref().map_or_else(StoreError::outcome, |_| Outcome::Done));
            let _ = answer.send(ended);
        }
        Job::Remove(user, location, answer) => {
            let ended = library.remove(&user, &location);
            counters.ended(Operation::Remove, ended.as_ref().map_or_else(StoreError::outcome, |()| Outcome::Done));
            let _ = answer.send(ended);
        }
    }
}

impl MessageStore for Embedded {
    fn append(&self, request: Append) -> BoxFuture<'static, Result<Location, StoreError>> {
        self.ask(|answer| Job::Append(request, answer))
    }

    fn remove(&self, user: &Address, location: &Location) -> BoxFuture<'static, Result<(), StoreError>> {
        self.ask(|answer| Job::Remove(user.clone(), location.clone(), answer))
    }
}

impl Reading for Embedded {
    fn folders(&self, user: &Address, after: Option<&str>, limit: usize) -> Result<Vec<Folder>, StoreError> {
        self.library.folders(user, after, limit)
    }

    fn objects(
        &self,
        user: &Address,
        folder: &str,
        after: u32,
        limit: usize,
    ) -> Result<Option<Vec<Listed>>, StoreError> {
        self.library.objects(user, folder, after, limit)
    }

    fn object(&self, user: &Address, folder: &str, uid: u32) -> Result<Option<Bytes>, StoreError> {
        self.library.object(user, folder, uid)
    }
}
