//! Performing errands: each becomes one exchange with somebody outside, whose end comes back as a command.

use super::effects::{Ending, body, exchange};
use super::large::{self, Gift, Stored};
use super::registry::Registry;
use super::shared::{Answer, Job, Shared};
use crate::gateway::notifier::{Notice, NoticeMessage, NotifyError};
use crate::gateway::store::{self, Append, Content, Rest, StoreError};
use crate::net::{OutRequest, Target};
use crate::pf::{self, RealmSettings, ReportWay, Reporting, SystemMessage, Verb};
use crate::queue::command::{Command, ErrandEnded, Failed, Outcome, Success};
use crate::queue::effect::{Perform, Reply};
use crate::queue::event::{Channel, Envelope, ErrandFailure, KeptName, Location, Transaction, TransferFault};
use crate::queue::question::{Mode, NotificationCause};
use crate::queue::{Errand, News, Queue, Stray, Task};
use crate::sip::Request;
use crate::types::{MessageId, Timestamp};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

type Doing = Pin<Box<dyn Future<Output = Result<Success, Failed>>>>;

/// Where an errand is done from.
pub(super) struct Desk<'a> {
    pub(super) shared: &'a Arc<Shared>,
    pub(super) registry: &'a Arc<Registry>,
    pub(super) realm: &'a Arc<RealmSettings>,
    pub(super) queue: &'a Queue,
    pub(super) now: Timestamp,
}

/// Begins a try; `None` if the errand has ended by another event of the same command.
pub(super) fn perform(desk: &Desk, perform: &Perform) -> Option<Ending> {
    let errand = desk.queue.errand(perform.errand)?;
    let doing = desk.begin(errand, &perform.transaction);
    let (errand, call_id) = (perform.errand, perform.transaction.call_id.clone());
    Some(Box::pin(async move { Command::ErrandEnded(ErrandEnded { errand, call_id, result: doing.await }) }))
}

impl Desk<'_> {
    fn begin(&self, errand: &Errand, transaction: &Transaction) -> Doing {
        match &errand.task {
            Task::Notify { channel: Channel::InBand(client), news } => {
                let client = self.queue.client(client).map(|registered| &registered.client);
                let request = client.and_then(|client| {
                    let message = SystemMessage { queue: self.queue, news, client, transaction };
                    pf::system_message(&self.shared.settings, self.realm, &message, self.now)
                });
                self.wire(request, transaction)
            }
            Task::Notify { channel: Channel::OutOfBand, news } => self.notify(errand, news),
            Task::Report(report) => {
                let is_registered = self.queue.clients().next().is_some();
                let owed_at = errand.created_at;
                let reporting = Reporting { report, transaction, is_registered, owed_at };
                match pf::report(&self.shared.settings, self.realm, self.shared.secret(), &reporting, self.now) {
                    ReportWay::Out(request) => self.wire(Some(*request), transaction),
                    ReportWay::Home(verb) => Box::pin(submit(Arc::clone(self.registry), *verb)),
                    ReportWay::Nowhere => failed_at_once(ErrandFailure::Refused),
                }
            }
            Task::Store { message, .. } | Task::Record { message } => self.store(*message),
            Task::Withdraw { location, .. } => self.withdraw(location),
            Task::Interwork { message } => self.interwork(*message, transaction),
        }
    }

    /// One request and its answer; without a request there is no way to the client.
    fn wire(&self, request: Option<(Request, Target)>, transaction: &Transaction) -> Doing {
        let Some((request, target)) = request else { return failed_at_once(ErrandFailure::Transport) };
        let (shared, branch) = (Arc::clone(self.shared), transaction.branch.clone());
        Box::pin(async move { told(exchange(&shared, OutRequest { request, branch, target }, None).await) })
    }

    fn notify(&self, errand: &Errand, news: &News) -> Doing {
        let notice = self.notice(errand, news);
        let notifying = self.shared.outside.notifier.notify(notice);
        Box::pin(async move {
            notifying.await.map(|()| Success::Done).map_err(|error| {
                tracing::warn!(%error, "a notification out of band could not be handed over");
                let failure = match &error {
                    NotifyError::Refused { .. } => ErrandFailure::Refused,
                    NotifyError::Busy { .. } => ErrandFailure::Congestion,
                    NotifyError::Later { .. } => ErrandFailure::Transport,
                };
                Failed { failure, retry_after_secs: error.retry_after().map(whole_secs) }
            })
        })
    }

    fn notice(&self, errand: &Errand, news: &News) -> Notice {
        let settings = &self.shared.settings;
        let host = &settings.host;
        let describe = |id: &MessageId, envelope: &Envelope, received_at, expires_at, stored_uid| NoticeMessage {
            uri: id.uri(host),
            size: envelope.size,
            received_at,
            expires_at,
            sender: pf::sender(envelope),
            subject: envelope.text(KeptName::Subject),
            stored_uid,
        };
        let (cause, total, messages) = match news {
            News::Waiting => {
                let waiting = || self.queue.waiting(self.now);
                let described = waiting().take(pf::LISTED_MAX);
                let messages = described.map(|e| describe(&e.id, &e.envelope, e.received_at, e.expires_at, None));
                (NotificationCause::Deferred, waiting().count() as u64, messages.collect())
            }
            News::Ended(gone) => {
                let uid = gone.location.as_ref().map(|location| location.uid);
                let cause = match uid {
                    Some(_) => NotificationCause::ExpiredStored,
                    None => NotificationCause::ExpiredDiscarded,
                };
                (cause, 1, vec![describe(&gone.id, &gone.envelope, gone.received_at, gone.expires_at, uid)])
            }
        };
        let user = self.queue.user().clone();
        Notice {
            id: format!("{}-{}", user.key(), errand.id),
            realm: self.realm.name.clone(),
            user,
            cause,
            at: self.now,
            total,
            messages,
        }
    }

    /// MNG-5, EXP-2b-i, SNDP-6. After a try that failed it may be there already, whichever errand that was of.
    fn store(&self, message: MessageId) -> Doing {
        let Some(entry) = self.queue.message(&message) else { return failed_at_once(ErrandFailure::Moot) };
        let (shared, envelope) = (Arc::clone(self.shared), entry.envelope.clone());
        let (user, received_at) = (self.queue.user().clone(), entry.received_at);
        let may_exist = entry.stray == Stray::Perhaps;
        Box::pin(async move {
            let made = match envelope.mode {
                Mode::Pager => {
                    let Some(body) = body(&shared, message).await else { return Err(failed(ErrandFailure::Refused)) };
                    pf::object(&envelope, &body, &message, received_at)
                }
                Mode::Large => pf::large_object(&envelope, &message, received_at),
            };
            let pf::Object { folder, imdn_message_id, head, body_follows } = made;
            let pieces = || Arc::new(Stored::of(&shared, message));
            let rest = body_follows.then(|| Rest { length: envelope.size, pieces: pieces() });
            let append = Append { user, folder, object: Content { head, rest }, imdn_message_id, may_exist };
            let stored = shared.outside.store.append(append).await;
            stored.map(|place| Success::Stored(location(place))).map_err(|error| store_failed(&message, &error))
        })
    }

    fn withdraw(&self, location: &Location) -> Doing {
        let place =
            store::Location { folder: location.folder.clone(), uidvalidity: location.uidvalidity, uid: location.uid };
        let (shared, user) = (Arc::clone(self.shared), self.queue.user().clone());
        Box::pin(async move {
            let removed = shared.outside.store.remove(&user, &place).await;
            removed.map(|()| Success::Done).map_err(|error| {
                tracing::warn!(user = %user.key(), %error, "a record could not be taken back from the history");
                refused_or_later(&error)
            })
        })
    }

    fn interwork(&self, message: MessageId, transaction: &Transaction) -> Doing {
        let Some(entry) = self.queue.message(&message) else { return failed_at_once(ErrandFailure::Moot) };
        let (shared, realm, envelope) = (Arc::clone(self.shared), Arc::clone(self.realm), entry.envelope.clone());
        let (transaction, digest) = (transaction.clone(), entry.digest);
        if envelope.mode == Mode::Large {
            return Box::pin(async move {
                let room = shared.large.room(&shared.metrics).await;
                let (now, branch) = (shared.now(), &transaction.branch);
                let gift = Gift { message, envelope: &envelope, digest, branch };
                let given = large::give(&shared, room, &gift, None, |own| {
                    pf::interwork_large(&shared.settings, &realm, &envelope, &transaction, own, now)
                });
                told(given.await)
            });
        }
        Box::pin(async move {
            let Some(body) = body(&shared, message).await else { return Err(failed(ErrandFailure::Refused)) };
            let Some((request, target)) = pf::interwork(&shared.settings, &realm, &envelope, &transaction, &body)
            else {
                return Err(failed(ErrandFailure::Unconfigured));
            };
            told(exchange(&shared, OutRequest { request, branch: transaction.branch, target }, None).await)
        })
    }
}

/// A message of our own making, into the queue of a user of ours.
async fn submit(registry: Arc<Registry>, verb: Verb) -> Result<Success, Failed> {
    let (answer, answered) = tokio::sync::oneshot::channel();
    let job = Job { command: verb.command, body: verb.body, answer: Some(Answer::Inside(answer)) };
    if registry.submit(verb.user.key(), Some(&verb.user), job).is_err() {
        return Err(failed(ErrandFailure::Congestion));
    }
    match answered.await {
        Ok(Reply::Accepted) => Ok(Success::Response(202)),
        Ok(Reply::Refused { status, retry_after_secs, .. }) => {
            Err(Failed { failure: ErrandFailure::Status(status), retry_after_secs })
        }
        Ok(_) | Err(_) => Err(failed(ErrandFailure::Congestion)),
    }
}

fn told(outcome: Outcome) -> Result<Success, Failed> {
    match outcome {
        Outcome::Response { status: status @ 200..=299, .. } => Ok(Success::Response(status)),
        Outcome::Response { status, retry_after_secs } => {
            Err(Failed { failure: ErrandFailure::Status(status), retry_after_secs })
        }
        Outcome::Timeout => Err(failed(ErrandFailure::Timeout)),
        Outcome::Broken(TransferFault::Status(status)) => {
            Err(Failed { failure: ErrandFailure::Status(status), retry_after_secs: None })
        }
        Outcome::Transport | Outcome::Broken(_) => Err(failed(ErrandFailure::Transport)),
        Outcome::Congestion | Outcome::Unsent => Err(failed(ErrandFailure::Congestion)),
    }
}

fn location(place: store::Location) -> Location {
    Location { folder: place.folder, uidvalidity: place.uidvalidity, uid: place.uid }
}

fn store_failed(message: &MessageId, error: &StoreError) -> Failed {
    tracing::warn!(%message, %error, "a message could not be stored");
    refused_or_later(error)
}

fn refused_or_later(error: &StoreError) -> Failed {
    failed(if error.may_pass() { ErrandFailure::Transport } else { ErrandFailure::Refused })
}

const fn failed(failure: ErrandFailure) -> Failed {
    Failed { failure, retry_after_secs: None }
}

fn failed_at_once(failure: ErrandFailure) -> Doing {
    Box::pin(std::future::ready(Err(failed(failure))))
}

fn whole_secs(pause: Duration) -> u32 {
    u32::try_from(pause.as_secs().max(1)).unwrap_or(u32::MAX)
}
