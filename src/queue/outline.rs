//! How the queue's values show themselves in logs and panics: without addresses, subjects and other personal data.

use super::effect::BoundContact;
use super::event::{Client, Envelope, Imdn, Location};
use super::question::{ClientView, MessageView};
use super::state::Report;
use std::fmt;

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("id", &self.id)
            .field("tags", &self.tags.len())
            .field("source", &self.source)
            .field("hops", &self.route.len())
            .field("cseq", &self.cseq)
            .field("registered_at", &self.registered_at)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// The stored headers show their names and lengths.
impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Envelope")
            .field("mode", &self.mode)
            .field("headers", &self.headers)
            .field("size", &self.size)
            .field("imdn", &self.imdn)
            .field("expires_asked_secs", &self.expires_asked_secs)
            .field("anonymous", &self.anonymous)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Imdn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Imdn")
            .field("message_id", &self.message_id)
            .field("date_time", &self.date_time)
            .field("dispositions", &self.dispositions)
            .finish_non_exhaustive()
    }
}

/// The folder is named after the conversation.
impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Location({}:{})", self.uidvalidity, self.uid)
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Report")
            .field("message", &self.message)
            .field("disposition", &self.disposition)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for BoundContact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoundContact").field("expires_secs", &self.expires_secs).finish_non_exhaustive()
    }
}

/// A value of a feature tag may be what somebody called their phone.
impl fmt::Debug for ClientView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientView")
            .field("id", &self.id)
            .field("tags", &self.tags.len())
            .field("registered_at", &self.registered_at)
            .field("expires_at", &self.expires_at)
            .finish()
    }
}

impl fmt::Debug for MessageView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageView")
            .field("id", &self.id)
            .field("mode", &self.mode)
            .field("sender", &self.sender)
            .field("size", &self.size)
            .field("content_type", &self.content_type)
            .field("received_at", &self.received_at)
            .field("expires_at", &self.expires_at)
            .field("attempts", &self.attempts)
            .field("handling", &self.handling)
            .finish_non_exhaustive()
    }
}
