//! Any question at all, for property tests.

use crate::queue::question::{
    ClientView, Context, Disposal, Handling, MessageView, Mode, NotificationCause, Preferences, Question,
};
use crate::types::{Address, ClientId, MessageId, Timestamp};
use proptest::prelude::*;

pub fn address() -> impl Strategy<Value = Address> {
    "(sip:[a-z0-9.!*é_-]{1,20}@[a-z0-9][a-z0-9.-]{0,19}|tel:\\+[0-9]{1,15})"
        .prop_map(|text| Address::parse(&text).unwrap())
}

pub fn timestamp() -> impl Strategy<Value = Timestamp> {
    prop_oneof![any::<u64>(), 1_700_000_000_000_u64..1_900_000_000_000, Just(0), Just(u64::MAX)].prop_map(Timestamp)
}

pub fn client() -> impl Strategy<Value = ClientView> {
    (any::<String>(), prop::collection::vec(any::<String>(), 0..6), timestamp(), timestamp()).prop_map(
        |(id, tags, registered_at, expires_at)| ClientView { id: ClientId(id), tags, registered_at, expires_at },
    )
}

pub fn preferences() -> impl Strategy<Value = Preferences> {
    let disposal = prop_oneof![Just(Disposal::Discard), Just(Disposal::Store)];
    (any::<Option<bool>>(), prop::option::of(disposal), any::<bool>(), any::<bool>()).prop_map(
        |(allow_push, expired, do_not_disturb, offline_storage)| Preferences {
            allow_push,
            expired,
            do_not_disturb,
            offline_storage,
        },
    )
}

pub fn context() -> impl Strategy<Value = Context> {
    let sizes = (any::<u64>(), any::<u64>(), 1..=u64::MAX);
    let clients = prop::collection::vec(client(), 0..8);
    (timestamp(), any::<String>(), address(), sizes, clients, preferences()).prop_map(
        |(now, realm, user, (queue_depth, queue_bytes, expiry_max_secs), clients, preferences)| Context {
            now,
            realm,
            user,
            queue_depth,
            queue_bytes,
            clients,
            preferences,
            expiry_max_secs,
        },
    )
}

fn any_handling() -> impl Strategy<Value = Option<Handling>> {
    prop::option::of(prop_oneof![Just(Handling::Push), Just(Handling::Manage)])
}

pub fn message() -> impl Strategy<Value = MessageView> {
    let mode = prop_oneof![Just(Mode::Pager), Just(Mode::Large)];
    let who = (any::<[u8; 16]>(), mode, prop::option::of(address()));
    let what = (any::<u64>(), any::<String>(), any::<Option<String>>());
    let when = (timestamp(), any::<Option<u64>>(), timestamp(), any::<u32>(), any_handling());
    (who, what, when).prop_map(
        |(
            (id, mode, sender),
            (size, content_type, subject),
            (received_at, expires_asked_secs, expires_at, attempts, handling),
        )| {
            MessageView {
                id: MessageId(id),
                mode,
                sender,
                size,
                content_type,
                subject,
                received_at,
                expires_asked_secs,
                expires_at,
                attempts,
                handling,
            }
        },
    )
}

/// Any question; its provider's maximum expiry is at least a second, as the configuration demands.
pub fn question() -> impl Strategy<Value = Question> {
    let cause = prop_oneof![
        Just(NotificationCause::Deferred),
        Just(NotificationCause::ExpiredDiscarded),
        Just(NotificationCause::ExpiredStored),
        Just(NotificationCause::Reminder),
    ];
    (0..5_u8, context(), message(), client(), cause).prop_map(|(hook, context, message, client, cause)| match hook {
        0 => Question::Admission { context, message },
        1 => Question::Handling { context, message },
        2 => Question::Delivery { context, message, client },
        3 => Question::Expiry { context, message },
        _ => Question::Notification { context, message, cause },
    })
}
