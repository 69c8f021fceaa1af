//! Giving a large message out: the call, the session, the octets, and what became of it all.

use super::body::{Reading, Stored};
use super::{Room, after_the_call};
use crate::actor::effects::retry_after;
use crate::actor::pace::Turn;
use crate::actor::shared::Shared;
use crate::formats::sdp::OwnMedia;
use crate::metrics::{Direction, Method};
use crate::net::msrp::{Local, MsrpError, TransferError};
use crate::net::{CallFailure, Cause, OutRequest, Target};
use crate::pf::{self, AnswerFault, LargeOutgoing};
use crate::queue::command::Outcome;
use crate::queue::event::{Envelope, TransferFault};
use crate::sip::Request;
use crate::types::{Digest, MessageId};
use std::sync::Arc;
use tokio::sync::oneshot;

/// A message to be given to somebody.
pub(in crate::actor) struct Gift<'a> {
    pub(in crate::actor) message: MessageId,
    pub(in crate::actor) envelope: &'a Envelope,
    pub(in crate::actor) digest: Option<Digest>,
    /// Of the INVITE.
    pub(in crate::actor) branch: &'a str,
}

/// Calls, sends, hangs up (SNDL-0 … SNDL-END-1). `invite` makes the INVITE once it is known where the client is to
/// connect; `None` if there is no way to it.
pub(in crate::actor) async fn give(
    shared: &Arc<Shared>,
    _room: Room,
    gift: &Gift<'_>,
    turn: Option<Turn>,
    invite: impl FnOnce(&OwnMedia) -> Option<(Request, Target)>,
) -> Outcome {
    let Some(msrp) = &shared.large.msrp else { return Outcome::Broken(TransferFault::Unconfigured) };
    let session = match msrp.open(shared.large.secure) {
        Ok(session) => session,
        Err(MsrpError::Closed) => return std::future::pending().await,
        Err(_) => return Outcome::Congestion,
    };
    let Some((request, target)) = invite(&own(session.local())) else { return Outcome::Transport };
    let out = OutRequest { request, branch: gift.branch.to_owned(), target };
    let Ok(calling) = shared.endpoint.invite(out) else { return Outcome::Congestion };
    shared.metrics.request(Direction::Sent, Method::Invite);
    let dialog = calling.dialog();
    let ended = shared.dialogs.watch(dialog);
    let called = match turn {
        Some(turn) => turn.until(calling).await,
        None => calling.await,
    };
    let response = match called {
        Ok(call) => call.response,
        Err(failure) => {
            shared.dialogs.forget(dialog);
            return refused(shared, failure);
        }
    };
    shared.metrics.response(Direction::Received, Method::Invite, response.status);
    let LargeOutgoing { prefix, message } = pf::large_outgoing(gift.envelope);
    let content_type = response.headers.get("Content-Type");
    let outcome = match pf::large_answered(content_type, &response.body, shared.large.secure, message.size) {
        Ok((peer, way)) => {
            let stored = Stored::of(shared, gift.message);
            let source = Reading::new(stored, prefix, gift.envelope.size, gift.digest);
            transfer(session.send(peer, way, message, Box::new(source)), ended).await
        }
        Err(AnswerFault::TooLarge) => Outcome::Broken(TransferFault::TooLarge),
        Err(fault) => {
            tracing::info!(message = %gift.message, %fault, "a large message cannot be sent by this answer; it is kept");
            Outcome::Broken(TransferFault::Answer)
        }
    };
    shared.endpoint.hang_up(dialog);
    outcome
}

/// Both ways to an end: the session's, and the call's before it (I-39).
async fn transfer(
    sending: impl Future<Output = Result<(), TransferError>>,
    ended: oneshot::Receiver<Cause>,
) -> Outcome {
    let mut sending = std::pin::pin!(sending);
    let sent = tokio::select! {
        // What was sent whole is sent, whatever became of the call meanwhile.
        biased;
        sent = &mut sending => sent,
        cause = ended => after_the_call(sending, cause).await,
    };
    match sent {
        Ok(()) => Outcome::Response { status: 200, retry_after_secs: None },
        // The attempt stays open for the next start.
        Err(TransferError::Stopping) => std::future::pending().await,
        Err(error) => {
            tracing::info!(%error, "a large message was not taken; it is kept");
            Outcome::Broken(fault(&error))
        }
    }
}

fn fault(error: &TransferError) -> TransferFault {
    match error {
        TransferError::NotBound => TransferFault::NotBound,
        TransferError::Status(status) => TransferFault::Status(*status),
        TransferError::Path => TransferFault::Answer,
        TransferError::Unanswered | TransferError::Idle => TransferFault::Unanswered,
        TransferError::Source => TransferFault::Damaged,
        _ => TransferFault::Closed,
    }
}

fn refused(shared: &Shared, failure: CallFailure) -> Outcome {
    match failure {
        CallFailure::Refused(response) => {
            shared.metrics.response(Direction::Received, Method::Invite, response.status);
            match response.status {
                // A 2xx that makes no dialog.
                200..=299 => Outcome::Broken(TransferFault::Answer),
                status => {
                    let retry_after_secs = response.headers.get("Retry-After").and_then(retry_after);
                    Outcome::Response { status, retry_after_secs }
                }
            }
        }
        CallFailure::Timeout => Outcome::Timeout,
        CallFailure::Transport => Outcome::Transport,
        CallFailure::Busy => Outcome::Congestion,
    }
}

/// Our side of the session, for its description.
pub(super) fn own(local: &Local) -> OwnMedia {
    OwnMedia {
        uri: local.uri.clone(),
        address: local.address,
        port: local.port,
        secure: local.secure,
        fingerprint: local.fingerprint.clone(),
    }
}
