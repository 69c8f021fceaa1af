//! Questions on their way into a guest, borrowed as far as possible, and verdicts on their way out.

use super::bindings::exports::restante::policy::{admission, delivery, expiry, handling, notification};
use super::bindings::restante::policy::types as wit;
use crate::policy::sense::Nonsense;
use crate::queue::question::{
    Admission, ClientView, Context, Delivery, Disposal, Handling, MessageView, Mode, Notification, NotificationCause,
    Verdict,
};
use crate::types::Timestamp;
use smallvec::SmallVec;

/// Feature tags and clients up to these numbers are lowered without an allocation.
type Tags<'q> = SmallVec<[&'q str; 24]>;
type Clients<'q> = SmallVec<[wit::Client<'q>; 4]>;

/// Calls `f` with the context as the guest sees it. What is known of the message beyond its record in 1.0 is among the
/// attributes.
pub fn with_context<R>(context: &Context, message: &MessageView, f: impl FnOnce(wit::Context<'_>) -> R) -> R {
    let tags: Tags<'_> = context.clients.iter().flat_map(|client| &client.tags).map(String::as_str).collect();
    let attributes: SmallVec<[(&str, &str); 1]> =
        message.handling.map(|handling| (HANDLING, word(handling))).into_iter().collect();
    let mut rest = tags.as_slice();
    let clients: Clients<'_> = context
        .clients
        .iter()
        .map(|view| {
            let (own, others) = rest.split_at_checked(view.tags.len()).unwrap_or_default();
            rest = others;
            client(view, own)
        })
        .collect();
    f(wit::Context {
        now: context.now.millis(),
        realm: &context.realm,
        user: context.user.as_str(),
        queue_depth: context.queue_depth,
        queue_bytes: context.queue_bytes,
        expiry_max_secs: context.expiry_max_secs,
        preferences: wit::Preferences {
            allow_push: context.preferences.allow_push,
            expired: context.preferences.expired.map(|disposal| match disposal {
                Disposal::Discard => wit::Disposal::Discard,
                Disposal::Store => wit::Disposal::Store,
            }),
            do_not_disturb: context.preferences.do_not_disturb,
            offline_storage: context.preferences.offline_storage,
        },
        clients: &clients,
        attributes: &attributes,
    })
}

/// The attribute that says whether the message is pushed or managed, once that is chosen.
const HANDLING: &str = "handling";

const fn word(handling: Handling) -> &'static str {
    match handling {
        Handling::Push => "push",
        Handling::Manage => "manage",
    }
}

/// Calls `f` with the client as the guest sees it.
pub fn with_client<R>(view: &ClientView, f: impl FnOnce(wit::Client<'_>) -> R) -> R {
    let tags: Tags<'_> = view.tags.iter().map(String::as_str).collect();
    f(client(view, &tags))
}

fn client<'q>(view: &'q ClientView, tags: &'q [&'q str]) -> wit::Client<'q> {
    wit::Client {
        id: &view.id.0,
        tags,
        registered_at: view.registered_at.millis(),
        expires_at: view.expires_at.millis(),
    }
}

/// Calls `f` with the message as the guest sees it.
pub fn with_message<R>(view: &MessageView, f: impl FnOnce(wit::Message<'_>) -> R) -> R {
    let mut id = [0; 32];
    // 16 octets fill 32 digits exactly, and digits are UTF-8: neither can fail.
    let _ = hex::encode_to_slice(view.id.0, &mut id);
    f(wit::Message {
        id: std::str::from_utf8(&id).unwrap_or_default(),
        mode: match view.mode {
            Mode::Pager => wit::Mode::Pager,
            Mode::Large => wit::Mode::Large,
        },
        sender: view.sender.as_ref().map(crate::types::Address::as_str),
        size: view.size,
        content_type: &view.content_type,
        subject: view.subject.as_deref(),
        received_at: view.received_at.millis(),
        expires_asked_secs: view.expires_asked_secs,
        expires_at: view.expires_at.millis(),
        attempts: view.attempts,
    })
}

/// The cause as the guest sees it.
pub const fn cause(cause: NotificationCause) -> notification::Cause<'static> {
    match cause {
        NotificationCause::Deferred => notification::Cause::Deferred,
        NotificationCause::ExpiredDiscarded => notification::Cause::ExpiredDiscarded,
        NotificationCause::ExpiredStored => notification::Cause::ExpiredStored,
        NotificationCause::Reminder => notification::Cause::Reminder,
    }
}

fn unknown(extension: &wit::Extension) -> Nonsense {
    let name = &extension.name;
    Nonsense::Extension(name[..name.floor_char_boundary(64)].to_owned())
}

/// A guest's verdict in our words; what has none in ours is [`Nonsense`].
pub trait IntoVerdict {
    fn into_verdict(self) -> Result<Verdict, Nonsense>;
}

impl IntoVerdict for admission::Verdict {
    fn into_verdict(self) -> Result<Verdict, Nonsense> {
        Ok(Verdict::Admission(match self {
            Self::Accept(expiry_max_secs) => Admission::Accept { expiry_max_secs },
            Self::Refuse(refusal) => Admission::Refuse { status: refusal.status, reason: refusal.reason },
            Self::Extension(extension) => return Err(unknown(&extension)),
        }))
    }
}

impl IntoVerdict for handling::Verdict {
    fn into_verdict(self) -> Result<Verdict, Nonsense> {
        Ok(Verdict::Handling(match self {
            Self::Push => Handling::Push,
            Self::Manage => Handling::Manage,
            Self::Extension(extension) => return Err(unknown(&extension)),
        }))
    }
}

impl IntoVerdict for delivery::Verdict {
    fn into_verdict(self) -> Result<Verdict, Nonsense> {
        Ok(Verdict::Delivery(match self {
            Self::Now => Delivery::Now,
            Self::HoldUntil(at) => Delivery::HoldUntil(Timestamp(at)),
            Self::Keep => Delivery::Keep,
            Self::Extension(extension) => return Err(unknown(&extension)),
        }))
    }
}

impl IntoVerdict for expiry::Verdict {
    fn into_verdict(self) -> Result<Verdict, Nonsense> {
        Ok(Verdict::Expiry(match self {
            Self::Discard => Disposal::Discard,
            Self::Store => Disposal::Store,
            Self::Extension(extension) => return Err(unknown(&extension)),
        }))
    }
}

impl IntoVerdict for notification::Verdict {
    fn into_verdict(self) -> Result<Verdict, Nonsense> {
        Ok(Verdict::Notification(match self {
            Self::None => Notification { in_band: false, out_of_band: false, at: None },
            Self::Notify(plan) => {
                Notification { in_band: plan.in_band, out_of_band: plan.out_of_band, at: plan.at.map(Timestamp) }
            }
            Self::Extension(extension) => return Err(unknown(&extension)),
        }))
    }
}
