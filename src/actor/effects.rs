//! Performing effects: replies go to the endpoint, deliveries go out and their endings come back as commands.

use super::errands::{self, Desk};
use super::large::{self, Gift};
use super::pace::Turn;
use super::shared::{Answer, Shared};
use super::user::UserActor;
use crate::journal::Journal;
use crate::metrics::{Direction, Method};
use crate::net::{NetError, OutRequest, Outcome as NetOutcome};
use crate::pf::{self, LargePush, Push, RealmSettings};
use crate::queue::Queue;
use crate::queue::command::{Command, DeliveryEnded, Outcome};
use crate::queue::effect::{Effect, Reply, Send};
use crate::queue::event::{Client, Envelope};
use crate::queue::question::Mode;
use crate::types::{Digest, MessageId, Timestamp};
use bytes::Bytes;
use std::future::Future;
use std::sync::Arc;

/// A delivery or an errand on its way; resolves to the command that says how it ended.
pub(super) type Ending = std::pin::Pin<Box<dyn Future<Output = Command>>>;

/// Replies at once; what takes time is returned.
pub(super) fn perform(desk: &Desk, effects: &[Effect], mut answer: Option<Answer>) -> Vec<Ending> {
    let mut endings = Vec::new();
    for effect in effects {
        match effect {
            Effect::Reply(reply) => match (answer.take(), reply) {
                (Some(Answer::Large { key, invitation }), Reply::Invited) => {
                    large::take(desk.registry, key, invitation);
                }
                (Some(answer), reply) => desk.shared.reply(answer, reply, desk.now),
                (None, _) => {}
            },
            Effect::Send(send) => endings.extend(deliver(desk.shared, desk.realm, desk.queue, send)),
            Effect::Perform(perform) => endings.extend(errands::perform(desk, perform)),
        }
    }
    if let Some(Answer::HangUp(dialog)) = answer {
        desk.shared.endpoint.hang_up(dialog);
    }
    endings
}

/// What a push is made of; it is built when its turn has come.
struct Draft {
    realm: Arc<RealmSettings>,
    envelope: Envelope,
    digest: Option<Digest>,
    expires_at: Timestamp,
    client: Client,
    /// SNDP-7.
    message_uid: Option<u32>,
    send: Send,
}

/// The message may have come to its end by another attempt of the same command: then there is nothing to send.
fn deliver(shared: &Arc<Shared>, realm: &Arc<RealmSettings>, queue: &Queue, send: &Send) -> Option<Ending> {
    let entry = queue.message(&send.message)?;
    let draft = Draft {
        realm: Arc::clone(realm),
        envelope: entry.envelope.clone(),
        digest: entry.digest,
        expires_at: entry.expires_at,
        client: queue.client(&send.client)?.client.clone(),
        message_uid: entry.message_uid(),
        send: send.clone(),
    };
    Some(Box::pin(ending(Arc::clone(shared), draft)))
}

async fn ending(shared: Arc<Shared>, draft: Draft) -> Command {
    let outcome = match draft.envelope.mode {
        Mode::Pager => draft.send(&shared).await,
        Mode::Large => draft.give(&shared).await,
    };
    let Send { message, client, transaction } = draft.send;
    Command::DeliveryEnded(DeliveryEnded { message, client, call_id: transaction.call_id, outcome })
}

impl Draft {
    /// Nothing is delivered after its expiry, nor to a client whose registration has run out.
    fn is_late(&self, now: Timestamp) -> bool {
        self.expires_at.min(self.client.expires_at) <= now
    }

    /// 8.3.2.3.3.
    async fn send(&self, shared: &Arc<Shared>) -> Outcome {
        let turn = shared.pace.turn(&shared.metrics).await;
        match body(shared, self.send.message).await {
            Some(_) if self.is_late(shared.now()) => Outcome::Unsent,
            Some(body) => match self.build(shared, &body) {
                Some(out) => exchange(shared, out, Some(turn)).await,
                // No way to this client: as if the request could not be sent.
                None => Outcome::Transport,
            },
            None => Outcome::Transport,
        }
    }

    /// 8.3.2.3.4.
    async fn give(&self, shared: &Arc<Shared>) -> Outcome {
        let room = shared.large.room(&shared.metrics).await;
        let turn = shared.pace.turn(&shared.metrics).await;
        if self.is_late(shared.now()) {
            return Outcome::Unsent;
        }
        let (envelope, client, transaction) = (&self.envelope, &self.client, &self.send.transaction);
        let (expires_at, message_uid) = (self.expires_at, self.message_uid);
        let push = LargePush { envelope, expires_at, client, transaction, message_uid };
        let gift = Gift { message: self.send.message, envelope, digest: self.digest, branch: &transaction.branch };
        let now = shared.now();
        large::give(shared, room, &gift, Some(turn), |own| {
            pf::large_invite(&shared.settings, &self.realm, &push, own, now)
        })
        .await
    }

    fn build(&self, shared: &Shared, body: &Bytes) -> Option<OutRequest> {
        let (envelope, client, transaction) = (&self.envelope, &self.client, &self.send.transaction);
        let (expires_at, message_uid) = (self.expires_at, self.message_uid);
        let push = Push { envelope, expires_at, client, transaction, body, message_uid };
        let (request, target) = pf::push(&shared.settings, &self.realm, &push, shared.now())?;
        Some(OutRequest { request, branch: transaction.branch.clone(), target })
    }
}

/// From memory, or read where waiting for the disk hurts nobody.
pub(super) async fn body(shared: &Arc<Shared>, message: MessageId) -> Option<Bytes> {
    match shared.journal.body_in_memory(&message) {
        Some(body) => Some(body),
        None => fetch(shared, message).await,
    }
}

async fn fetch(shared: &Arc<Shared>, message: MessageId) -> Option<Bytes> {
    let journal: Arc<dyn Journal> = Arc::clone(&shared.journal);
    let read = tokio::task::spawn_blocking(move || journal.body(&message)).await;
    match read {
        Ok(Ok(Some(body))) => Some(body),
        Ok(Ok(None)) => {
            tracing::error!(%message, "the body of a queued message is missing; it cannot be delivered");
            None
        }
        Ok(Err(error)) => {
            tracing::error!(%message, %error, "the body of a queued message cannot be read");
            None
        }
        Err(_) => None,
    }
}

/// Sends a request and waits for its outcome; `turn` is given to the next as soon as it may go.
pub(super) async fn exchange(shared: &Shared, out: OutRequest, turn: Option<Turn>) -> Outcome {
    let outcome = match shared.endpoint.request(out) {
        Ok(outcome) => {
            shared.metrics.request(Direction::Sent, Method::Message);
            outcome
        }
        Err(NetError::Busy) => return Outcome::Congestion,
        Err(_) => return Outcome::Transport,
    };
    let outcome = match turn {
        Some(turn) => turn.until(outcome).await,
        None => outcome.await,
    };
    match outcome {
        Ok(NetOutcome::Response(response)) => {
            shared.metrics.response(Direction::Received, Method::Message, response.status);
            let retry_after_secs = response.headers.get("Retry-After").and_then(retry_after);
            Outcome::Response { status: response.status, retry_after_secs }
        }
        Ok(NetOutcome::Timeout) => Outcome::Timeout,
        // The endpoint has gone: the server is stopping, and the attempt stays open for the next start.
        Ok(NetOutcome::Transport) => Outcome::Transport,
        Err(_) => std::future::pending().await,
    }
}

/// RFC 3261 section 20.33: seconds, perhaps followed by a comment or parameters.
pub(super) fn retry_after(value: &str) -> Option<u32> {
    let digits = value.trim_start().split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

impl UserActor {
    /// What the endings of deliveries and errands are fed into.
    pub(super) fn watch(&mut self, endings: Vec<Ending>, ctx: &mut actix::Context<Self>) {
        use actix::{ActorFutureExt, AsyncContext, WrapFuture};
        for ending in endings {
            ctx.spawn(ending.into_actor(self).map(|ended, actor, ctx| actor.ended(ended, ctx)));
        }
    }
}
