//! A notice as JSON: one line, the same in the outbox and for the webhook.

use super::{Notice, NoticeMessage};
use crate::queue::question::NotificationCause;
use serde::Serialize;

/// What a reader outside sees; names and forms are a promise (docs/operators.md).
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct NoticeView<'a> {
    id: &'a str,
    realm: &'a str,
    user: &'a str,
    cause: &'static str,
    at: String,
    total: u64,
    messages: Vec<MessageView<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct MessageView<'a> {
    uri: &'a str,
    size: u64,
    received_at: String,
    expires_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sender: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stored_uid: Option<u32>,
}

impl<'a> From<&'a NoticeMessage> for MessageView<'a> {
    fn from(message: &'a NoticeMessage) -> Self {
        Self {
            uri: &message.uri,
            size: message.size,
            received_at: message.received_at.to_string(),
            expires_at: message.expires_at.to_string(),
            sender: message.sender.as_deref(),
            subject: message.subject.as_deref(),
            stored_uid: message.stored_uid,
        }
    }
}

/// The line, without its end.
///
/// # Errors
/// None that these types can make; serde's signature wants one.
pub(super) fn line(notice: &Notice) -> Result<String, serde_json::Error> {
    serde_json::to_string(&NoticeView {
        id: &notice.id,
        realm: &notice.realm,
        user: notice.user.as_str(),
        cause: cause(notice.cause),
        at: notice.at.to_string(),
        total: notice.total,
        messages: notice.messages.iter().map(MessageView::from).collect(),
    })
}

const fn cause(cause: NotificationCause) -> &'static str {
    match cause {
        NotificationCause::Deferred => "deferred",
        NotificationCause::ExpiredDiscarded => "expired-discarded",
        NotificationCause::ExpiredStored => "expired-stored",
        NotificationCause::Reminder => "reminder",
    }
}
