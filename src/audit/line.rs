//! One event as an auditor sees it: when, what, of which message, decided by whom. No address, no content.

use super::errands;
use crate::policy::{failure_name, fit_for_log};
use crate::queue::event::{DeliveryFailure, Event, Gone, RefusedBy, Retry, TransferFault};
use crate::queue::question::{Admission, Delivery, Disposal, Handling, Judge};
use crate::types::{ClientId, Timestamp, UserKey};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::fmt;

/// One line of a timeline; serialises as one JSON object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// RFC 3339, UTC.
    pub at: String,
    /// Hashed.
    pub user: String,
    /// The record's sequence number.
    pub seq: u64,
    /// The event's kind.
    pub event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What is particular to this kind, in words.
    pub detail: String,
    /// Who decided: `component:<digest>`, `native`, or `fallback:<digest>:<failure>`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub judge: Option<String>,
}

impl Line {
    /// The line of an event.
    #[must_use]
    pub fn of(user: UserKey, seq: u64, at: Timestamp, event: &Event) -> Self {
        Self {
            at: at.to_string(),
            user: user.to_string(),
            seq,
            event: event.kind().name(),
            message: event.message().map(|id| id.to_string()),
            detail: detail(event),
            judge: judge(event).map(judge_name),
        }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}  {:>4}  {:<19}", self.at, self.seq, self.event)?;
        if let Some(message) = &self.message {
            write!(f, "  {message}")?;
        }
        if !self.detail.is_empty() {
            write!(f, "  {}", self.detail)?;
        }
        self.judge.iter().try_for_each(|judge| write!(f, "  by {judge}"))
    }
}

/// A client is told apart by a digest; its contact is personal data.
pub(super) fn client(id: &ClientId) -> String {
    let digest = Sha256::digest(id.0.as_bytes());
    format!("client {}", hex::encode(&digest[..4]))
}

fn detail(event: &Event) -> String {
    match event {
        Event::ClientRegistered(event) => {
            let what = if event.just_registered { "just registered" } else { "refreshed" };
            format!("{} {what} until {}", client(&event.client.id), event.client.expires_at)
        }
        Event::ClientGone(event) => format!("{} {}", client(&event.client), gone(event.cause)),
        Event::MessageDeferred(event) => {
            let limit = match &event.admission.verdict {
                Admission::Accept { expiry_max_secs } => format!(", at most {expiry_max_secs} s"),
                Admission::Refuse { .. } => String::new(),
            };
            format!("{} octets, expires {}{limit}", event.envelope.size, event.expires_at)
        }
        Event::DeferralRefused(event) => {
            // A policy may put anything into it.
            let reason = fit_for_log(&event.reason, None);
            format!("{} {reason} ({})", event.status, refused_by(event.by))
        }
        Event::HandlingChosen(event) => match event.ruling.verdict {
            Handling::Push => "push".to_owned(),
            Handling::Manage => "manage".to_owned(),
        },
        Event::DeliveryStarted(event) => format!("to {}, call {}", client(&event.client), event.transaction.call_id),
        Event::DeliveryWithheld(event) => match event.ruling.verdict {
            Delivery::HoldUntil(at) => format!("from {} until {at}", client(&event.client)),
            Delivery::Keep | Delivery::Now => format!("from {} until it registers", client(&event.client)),
        },
        Event::MessageDelivered(event) => format!("to {}, status {}", client(&event.client), event.status),
        Event::DeliveryFailed(event) => {
            format!("to {}, {}; {}", client(&event.client), failure(event.failure), retry(event.retry))
        }
        Event::TransferFailed(event) => {
            format!("to {}, {}; {}", client(&event.client), fault(event.fault), retry(event.retry))
        }
        Event::BodyKept(event) => format!("came in pieces, SHA-256 {}", event.digest),
        Event::MessageDiscarded(event) => disposal(event.ruling.verdict).to_owned(),
        Event::StoreAwaited(event) => disposal(event.ruling.verdict).to_owned(),
        other => errands::detail(other),
    }
}

const fn gone(cause: Gone) -> &'static str {
    match cause {
        Gone::Expired => "expired",
        Gone::Explicit => "deregistered",
        Gone::Network => "deregistered by the network",
    }
}

const fn refused_by(by: RefusedBy) -> &'static str {
    match by {
        RefusedBy::Policy(_) => "policy",
        RefusedBy::MessagesMax => "queue.messages-max",
        RefusedBy::BytesMax => "queue.bytes-max",
    }
}

const fn disposal(disposal: Disposal) -> &'static str {
    match disposal {
        Disposal::Discard => "expired: discard",
        Disposal::Store => "expired: store",
    }
}

fn failure(failure: DeliveryFailure) -> String {
    match failure {
        DeliveryFailure::Status(status) => format!("status {status}"),
        DeliveryFailure::Timeout => "no answer".to_owned(),
        DeliveryFailure::Transport => "could not be sent".to_owned(),
        DeliveryFailure::Congestion => "too many requests in flight".to_owned(),
        DeliveryFailure::Interrupted => "interrupted".to_owned(),
    }
}

fn fault(fault: TransferFault) -> String {
    match fault {
        TransferFault::Answer => "its answer cannot be worked with".to_owned(),
        TransferFault::TooLarge => "it takes no message of this size".to_owned(),
        TransferFault::NotBound => "it did not connect".to_owned(),
        TransferFault::Status(status) => format!("MSRP status {status}"),
        TransferFault::Unanswered => "a chunk was not answered".to_owned(),
        TransferFault::Closed => "the connection or the call ended before the message".to_owned(),
        TransferFault::Damaged => "the stored body is damaged".to_owned(),
        TransferFault::Unconfigured => "there is no MSRP socket".to_owned(),
    }
}

fn retry(retry: Retry) -> String {
    match retry {
        Retry::AtOnce => "again at once".to_owned(),
        Retry::ClientAt(at) => format!("client paused until {at}"),
        Retry::ClientWhenRegistered => "nothing to this client until it registers anew".to_owned(),
        Retry::PairWhenRegistered => "not to this client until it registers anew".to_owned(),
        Retry::PairAt(at) => format!("not to this client before {at}"),
        Retry::MessageWhenRegistered => "declined until somebody registers anew".to_owned(),
    }
}

fn judge(event: &Event) -> Option<Judge> {
    match event {
        Event::MessageDeferred(event) => Some(event.admission.judge),
        Event::DeferralRefused(event) => match event.by {
            RefusedBy::Policy(judge) => Some(judge),
            RefusedBy::MessagesMax | RefusedBy::BytesMax => None,
        },
        Event::HandlingChosen(event) => Some(event.ruling.judge),
        Event::DeliveryStarted(event) => Some(event.judge),
        Event::DeliveryWithheld(event) => Some(event.ruling.judge),
        Event::MessageDiscarded(event) => Some(event.ruling.judge),
        Event::StoreAwaited(event) => Some(event.ruling.judge),
        Event::NotificationPlanned(event) => Some(event.ruling.judge),
        _ => None,
    }
}

/// Who decided, as auditors see it.
pub(super) fn judge_name(judge: Judge) -> String {
    match judge {
        Judge::Component(digest) => format!("component:{digest}"),
        Judge::Native => "native".to_owned(),
        Judge::Fallback(digest, failure) => format!("fallback:{digest}:{}", failure_name(failure)),
    }
}
