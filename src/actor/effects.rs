//! Performing effects: replies go to the endpoint, deliveries go out and their endings come back as commands.

use super::shared::{Answer, Shared};
use super::user::UserActor;
use crate::journal::Journal;
use crate::metrics::{Direction, Method};
use crate::net::{NetError, OutRequest, Outcome as NetOutcome};
use crate::pf::{self, Push, RealmSettings};
use crate::queue::Queue;
use crate::queue::command::{DeliveryEnded, Outcome};
use crate::queue::effect::{Effect, Send};
use crate::types::{MessageId, Timestamp};
use bytes::Bytes;
use std::future::Future;
use std::sync::Arc;

/// A delivery on its way; resolves when it has ended.
pub(super) type Ending = std::pin::Pin<Box<dyn Future<Output = DeliveryEnded>>>;

/// Replies at once; what takes time is returned.
pub(super) fn perform(
    shared: &Arc<Shared>,
    realm: &RealmSettings,
    queue: &Queue,
    effects: &[Effect],
    answer: Option<&Answer>,
    now: Timestamp,
) -> Vec<Ending> {
    let mut endings = Vec::new();
    for effect in effects {
        match effect {
            Effect::Reply(reply) => {
                if let Some(answer) = answer {
                    let response = pf::reply(&shared.settings, &answer.context, reply, now);
                    shared.endpoint.respond(answer.key, &response);
                }
            }
            Effect::Send(send) => endings.extend(deliver(shared, realm, queue, send, now)),
        }
    }
    endings
}

/// The message may have come to its end by another attempt of the same command: then there is nothing to send.
fn deliver(shared: &Arc<Shared>, realm: &RealmSettings, queue: &Queue, send: &Send, now: Timestamp) -> Option<Ending> {
    let entry = queue.message(&send.message)?;
    let client = &queue.client(&send.client)?.client;
    let build = |body: &Bytes| {
        let (envelope, expires_at, transaction) = (&entry.envelope, entry.expires_at, &send.transaction);
        let push = Push { envelope, expires_at, client, transaction, body };
        pf::push(&shared.settings, realm, &push, now).map(|(request, target)| OutRequest {
            request,
            branch: transaction.branch.clone(),
            target,
        })
    };
    let out = match shared.journal.body_in_memory(&send.message) {
        Some(body) => build(&body).map(Body::Here),
        // The request is built without its body, which is read where waiting for the disk hurts nobody.
        None => build(&Bytes::new()).map(Body::OnDisk),
    };
    Some(Box::pin(ending(Arc::clone(shared), send.clone(), out)))
}

/// A request that has its body, or still needs it.
enum Body {
    Here(OutRequest),
    OnDisk(OutRequest),
}

async fn ending(shared: Arc<Shared>, send: Send, out: Option<Body>) -> DeliveryEnded {
    let outcome = match out {
        Some(Body::Here(out)) => exchange(&shared, out).await,
        Some(Body::OnDisk(out)) => match fetch(&shared, send.message).await {
            Some(body) => exchange(&shared, with_body(out, body)).await,
            None => Outcome::Transport,
        },
        // No way to this client: as if the request could not be sent.
        None => Outcome::Transport,
    };
    DeliveryEnded { message: send.message, client: send.client, call_id: send.transaction.call_id, outcome }
}

fn with_body(mut out: OutRequest, body: Bytes) -> OutRequest {
    out.request.body = body;
    out
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

async fn exchange(shared: &Shared, out: OutRequest) -> Outcome {
    let outcome = match shared.endpoint.request(out) {
        Ok(outcome) => {
            shared.metrics.request(Direction::Sent, Method::Message);
            outcome
        }
        Err(NetError::Busy) => return Outcome::Congestion,
        Err(_) => return Outcome::Transport,
    };
    match outcome.await {
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
fn retry_after(value: &str) -> Option<u32> {
    let digits = value.trim_start().split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

impl UserActor {
    /// What the deliveries' endings are fed into.
    pub(super) fn watch(&mut self, endings: Vec<Ending>, ctx: &mut actix::Context<Self>) {
        use actix::{ActorFutureExt, AsyncContext, WrapFuture};
        for ending in endings {
            ctx.spawn(ending.into_actor(self).map(|ended, actor, ctx| actor.delivery_ended(ended, ctx)));
        }
    }
}
