//! Taking a large message in: the call is answered, the octets are written as they come, and the last of them is confirmed
//! when the message is durable.

use super::disk::Disk;
use super::giving::own;
use super::{GRACE, Reception, after_the_call};
use crate::actor::registry::Registry;
use crate::actor::shared::{Answer, Job, Shared};
use crate::gateway::store::BoxFuture;
use crate::journal::{BodyWriter, JournalError, Kept, PIECE};
use crate::msrp::Finished;
use crate::net::ServerKey;
use crate::net::msrp::{MsrpError, Refusal, Session, Sink, TransferError};
use crate::pf::{self, Invitation};
use crate::queue::command::{self, Command, Defer};
use crate::queue::effect::Reply;
use crate::types::MessageId;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// A sender that has been told that all is well ends its call; one that does not is hung up on after so long (64·T1).
const FAREWELL: Duration = Duration::from_secs(32);

/// MSRP's "stop sending": there is no room for this message (RFC 4975 section 10).
const NO_ROOM: u16 = 413;
/// MSRP's "try again": it is our trouble, and it may pass.
const LATER: u16 = 408;

/// The queue would take it: the call is answered, and the message may come.
pub(in crate::actor) fn take(registry: &Arc<Registry>, key: ServerKey, invitation: Box<Invitation>) {
    let registry = Arc::clone(registry);
    tokio::spawn(async move {
        match prepare(&registry, &invitation).await {
            Ok(ready) => ready.receive(registry, key, invitation).await,
            Err(trouble) => {
                let shared = registry.shared();
                let answer = trouble.answer(shared, &invitation);
                shared.endpoint.respond(key, &answer);
            }
        }
    });
}

/// Everything there must be before the call is answered.
struct Ready {
    session: Session,
    message: MessageId,
    writer: Box<dyn BodyWriter>,
    reception: Reception,
}

/// Why it cannot be answered with a 200.
enum Trouble {
    /// 503: there is no room; it may pass.
    Later,
    /// 480: as many messages come for this user as may at once.
    Crowded,
    /// 488: no socket of ours takes what is offered.
    NoSuchTransport,
}

impl Trouble {
    fn answer(&self, shared: &Shared, invitation: &Invitation) -> crate::sip::Response {
        match self {
            Self::Later => shared.settings.unavailable(&invitation.context),
            Self::Crowded => {
                let retry_after_secs = Some(shared.settings.retry_after_secs);
                let refused =
                    Reply::Refused { status: 480, reason: "Too Many Messages At Once".to_owned(), retry_after_secs };
                pf::reply(&shared.settings, &invitation.context, &refused, shared.now())
            }
            Self::NoSuchTransport => invitation.no_tls(&shared.settings),
        }
    }
}

async fn prepare(registry: &Arc<Registry>, invitation: &Invitation) -> Result<Ready, Trouble> {
    let shared = registry.shared();
    let msrp = shared.large.msrp.as_ref().ok_or(Trouble::NoSuchTransport)?;
    let reception = shared.large.reception(invitation.user.key(), &shared.metrics).ok_or(Trouble::Crowded)?;
    let message = shared.ids().ok_or(Trouble::Later)?.message();
    let journal = Arc::clone(&shared.journal);
    let begun = shared.large.disk.run(move || journal.begin_body(message)).await.ok_or(Trouble::Later)?;
    let writer = begun.map_err(|error| {
        tracing::warn!(user = %invitation.user.key(), %error, "a large message is not taken");
        Trouble::Later
    })?;
    let session = msrp.open(invitation.is_secure()).map_err(|error| match error {
        MsrpError::NoTls | MsrpError::NoPlain => Trouble::NoSuchTransport,
        _ => Trouble::Later,
    })?;
    Ok(Ready { session, message, writer, reception })
}

impl Ready {
    async fn receive(self, registry: Arc<Registry>, key: ServerKey, invitation: Box<Invitation>) {
        let Self { session, message, writer, reception } = self;
        let shared = Arc::clone(registry.shared());
        let dialog = shared.endpoint.next_dialog();
        let mut ended = shared.dialogs.watch(dialog);
        let answer = invitation.accepted(&own(session.local()));
        let (peer, way) = (invitation.peer().clone(), invitation.way());
        let sink = Arriving {
            disk: shared.large.disk.clone(),
            registry,
            invitation: Arc::from(invitation),
            message,
            writer: Some(writer),
            gathered: Gathered::default(),
        };
        let mut receiving = std::pin::pin!(session.receive(peer, way, Box::new(sink)));
        shared.endpoint.accept(key, dialog, &answer);
        let (received, is_over) = tokio::select! {
            received = &mut receiving => (received, false),
            cause = &mut ended => (after_the_call(receiving, cause).await, true),
        };
        drop(reception);
        match received {
            // The call is the sender's to end.
            Ok(()) if !is_over => drop(tokio::time::timeout(FAREWELL, ended).await),
            Ok(()) => {}
            Err(error) => {
                tracing::info!(%message, %error, "a large message did not come; its sender may send it again");
                if !is_over && matches!(error, TransferError::Refused(_)) {
                    // It was told by MSRP; a BYE by the other way might be there first.
                    drop(tokio::time::timeout(GRACE, ended).await);
                }
            }
        }
        shared.endpoint.hang_up(dialog);
    }
}

/// A message that comes, on its way to the disk.
struct Arriving {
    disk: Disk,
    registry: Arc<Registry>,
    invitation: Arc<Invitation>,
    message: MessageId,
    /// Lent to the disk while it writes.
    writer: Option<Box<dyn BodyWriter>>,
    gathered: Gathered,
}

/// Octets in order that are not written yet: of one piece, so that each way to the disk is worth it, and leaves nothing of
/// a piece behind. They are copied, because a slice of the wire keeps all that was read with it.
#[derive(Default)]
pub(super) struct Gathered {
    position: u64,
    octets: Vec<u8>,
}

impl Gathered {
    /// Whether what stands here may be added.
    pub(super) fn takes(&self, position: u64) -> bool {
        self.octets.is_empty() || self.end() == position
    }

    /// Adds what there is up to the end of the piece. `true` if that is reached: now it is to be written.
    pub(super) fn add(&mut self, position: u64, octets: &mut Bytes) -> bool {
        if self.octets.is_empty() {
            self.position = position;
        }
        let left = PIECE as u64 - position % PIECE as u64;
        let count = usize::try_from(left).map_or(octets.len(), |left| left.min(octets.len()));
        let needed = self.octets.len() + count;
        if needed > self.octets.capacity() {
            // It grows with what comes, and never beyond a piece.
            let wanted = self.octets.capacity().saturating_mul(2).clamp(needed, PIECE);
            self.octets.reserve_exact(wanted - self.octets.len());
        }
        self.octets.extend_from_slice(&octets.split_to(count));
        self.end().is_multiple_of(PIECE as u64)
    }

    fn end(&self) -> u64 {
        self.position.saturating_add(self.octets.len() as u64)
    }

    pub(super) fn write(&self, writer: &mut dyn BodyWriter) -> Result<(), JournalError> {
        if self.octets.is_empty() { Ok(()) } else { writer.write(self.position, &self.octets) }
    }
}

impl Arriving {
    async fn flush(&mut self) -> Result<(), Refusal> {
        let gathered = std::mem::take(&mut self.gathered);
        let Some(mut writer) = self.writer.take() else { return Err(Refusal { status: LATER }) };
        let wrote = self.disk.run(move || {
            let wrote = gathered.write(&mut *writer);
            (writer, wrote)
        });
        let (writer, wrote) = wrote.await.ok_or(Refusal { status: LATER })?;
        self.writer = Some(writer);
        wrote.map_err(|error| refusal(&self.message, &error))
    }
}

impl Sink for Arriving {
    fn write(&mut self, mut position: u64, mut octets: Bytes) -> BoxFuture<'_, Result<(), Refusal>> {
        Box::pin(async move {
            while !octets.is_empty() {
                if !self.gathered.takes(position) {
                    self.flush().await?;
                }
                let before = octets.len();
                let is_full = self.gathered.add(position, &mut octets);
                position = position.saturating_add((before - octets.len()) as u64);
                if is_full {
                    self.flush().await?;
                }
            }
            Ok(())
        })
    }

    /// Once begun it goes on to its end, whoever waits: the record may be durable a moment after the sender has gone.
    fn finish(&mut self, done: Finished) -> BoxFuture<'_, Result<(), Refusal>> {
        let gathered = std::mem::take(&mut self.gathered);
        let storing = self.writer.take().map(|writer| {
            let storing = Storing {
                disk: self.disk.clone(),
                registry: Arc::clone(&self.registry),
                invitation: Arc::clone(&self.invitation),
                message: self.message,
                done,
            };
            tokio::spawn(storing.store(gathered, writer))
        });
        Box::pin(async move {
            match storing {
                Some(storing) => storing.await.unwrap_or(Err(Refusal { status: LATER })),
                None => Err(Refusal { status: LATER }),
            }
        })
    }
}

/// All octets have come.
struct Storing {
    disk: Disk,
    registry: Arc<Registry>,
    invitation: Arc<Invitation>,
    message: MessageId,
    done: Finished,
}

impl Storing {
    /// DEF-2, DEF-4: into the queue. The writer lives until that is decided, for it takes back what nobody owns.
    async fn store(self, gathered: Gathered, mut writer: Box<dyn BodyWriter>) -> Result<(), Refusal> {
        let size = self.done.size;
        let finishing = self.disk.run(move || {
            let finished = gathered.write(&mut *writer).and_then(|()| writer.finish(size));
            (writer, finished)
        });
        let (writer, finished) = finishing.await.ok_or(Refusal { status: LATER })?;
        let kept = finished.map_err(|error| refusal(&self.message, &error))?;
        let stored = self.submit(kept).await;
        drop(writer);
        stored
    }

    async fn submit(&self, kept: Kept) -> Result<(), Refusal> {
        let defer = Defer {
            envelope: self.invitation.completed(&self.done, &kept.head),
            origin: self.invitation.origin,
            // I-28: its last octet has come.
            received_at: self.registry.shared().now(),
            kept: Some(command::Kept { id: self.message, digest: kept.digest }),
        };
        let (answer, answered) = oneshot::channel();
        let answer = Some(Answer::Inside(answer));
        let job = Job { command: Command::Defer(Box::new(defer)), body: None, answer };
        let user = &self.invitation.user;
        if self.registry.submit(user.key(), Some(user), job).is_err() {
            return Err(Refusal { status: LATER });
        }
        match answered.await {
            Ok(Reply::Accepted) => Ok(()),
            Ok(Reply::Refused { status, .. }) => Err(Refusal { status: as_msrp(status) }),
            Ok(_) | Err(_) => Err(Refusal { status: LATER }),
        }
    }
}

fn refusal(message: &MessageId, error: &JournalError) -> Refusal {
    tracing::warn!(%message, %error, "a large message could not be written");
    Refusal { status: NO_ROOM }
}

/// What a refusal of the queue is called in MSRP (RFC 4975 section 10).
const fn as_msrp(status: u16) -> u16 {
    match status {
        480 | 413 | 513 => NO_ROOM,
        500..=599 => LATER,
        _ => 403,
    }
}
