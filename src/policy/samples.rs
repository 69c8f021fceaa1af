//! The built-in questions: what a component is tried with before it is let near real ones.

use crate::queue::question::{
    ClientView, Context, Disposal, Handling, MessageView, Mode, NotificationCause, Preferences, Question,
};
use crate::types::{Address, ClientId, MessageId, Timestamp};

/// The moment of all built-in questions: 2026-03-02 09:14:07 UTC.
const NOW: Timestamp = Timestamp(1_772_442_847_000);
const DAY_SECS: u64 = 86_400;

fn address(text: &str) -> Option<Address> {
    Address::parse(text).ok()
}

fn client(name: &str) -> ClientView {
    ClientView {
        id: ClientId(format!("<urn:uuid:00000000-0000-4000-8000-{name:0>12}>")),
        tags: vec![
            "+g.3gpp.icsi-ref=\"urn:urn-7:3gpp-service.ims.icsi.oma.cpm.msg\"".to_owned(),
            "+g.3gpp.icsi-ref=\"urn:urn-7:3gpp-service.ims.icsi.oma.cpm.deferred\"".to_owned(),
        ],
        registered_at: Timestamp(NOW.millis() - 3_000),
        expires_at: Timestamp(NOW.millis() + 3_600_000),
    }
}

/// A context with one registered client and ordinary preferences.
///
/// # Panics
/// Never: the address in it is well-formed, which a test shows.
pub fn sample_context() -> Context {
    Context {
        now: NOW,
        realm: "ims.example.net".to_owned(),
        #[allow(clippy::expect_used)] // A literal.
        user: address("sip:+12025550200@ims.example.net").expect("a well-formed address"),
        queue_depth: 3,
        queue_bytes: 1_234,
        clients: vec![client("1")],
        preferences: Preferences { allow_push: Some(true), offline_storage: true, ..Preferences::default() },
        expiry_max_secs: 7 * DAY_SECS,
    }
}

/// A pager-mode message from a known sender.
pub fn sample_message() -> MessageView {
    MessageView {
        id: MessageId([0x5a; 16]),
        mode: Mode::Pager,
        sender: address("sip:+12025550100@ims.example.com"),
        size: 340,
        content_type: "message/cpim".to_owned(),
        subject: Some("Dinner".to_owned()),
        received_at: NOW,
        expires_asked_secs: Some(DAY_SECS),
        expires_at: Timestamp(NOW.millis() + DAY_SECS * 1000),
        attempts: 0,
        handling: None,
    }
}

/// The question that the benches ask: an ordinary admission.
pub fn admission() -> Question {
    Question::Admission { context: sample_context(), message: sample_message() }
}

/// The contexts that make a difference to the standard, each with what it shows.
fn contexts() -> Vec<(&'static str, Context)> {
    let plain = sample_context();
    let prefer = |preferences| Context { preferences, ..plain.clone() };
    vec![
        ("an ordinary user", plain.clone()),
        ("a user without any preference", prefer(Preferences::default())),
        (
            "a user who manages the queue and stores what expires",
            prefer(Preferences { allow_push: Some(false), expired: Some(Disposal::Store), ..Preferences::default() }),
        ),
        (
            "a user who does not want to be disturbed",
            prefer(Preferences { do_not_disturb: true, expired: Some(Disposal::Discard), ..plain.preferences.clone() }),
        ),
        (
            "an unreachable user with a full queue",
            Context { clients: Vec::new(), queue_depth: 1_000, queue_bytes: 10 << 20, ..plain.clone() },
        ),
        (
            "a user with ten clients",
            Context { clients: (0..10).map(|n| client(&n.to_string())).collect(), ..plain.clone() },
        ),
    ]
}

/// The messages that make a difference, each with what it shows.
fn messages() -> Vec<(&'static str, MessageView)> {
    let plain = sample_message();
    vec![
        ("an ordinary message", plain.clone()),
        (
            "a large anonymous message without a subject or an expiry",
            MessageView {
                mode: Mode::Large,
                sender: None,
                size: 50 << 20,
                subject: None,
                expires_asked_secs: None,
                attempts: 7,
                handling: Some(Handling::Manage),
                ..plain.clone()
            },
        ),
        (
            "an empty message with a strange subject",
            MessageView { size: 0, subject: Some("\u{202e}\0 😀\r\n%s{}'\"".to_owned()), ..plain },
        ),
    ]
}

/// All built-in questions, each with what it shows.
pub fn all() -> Vec<(String, Question)> {
    const CAUSES: [NotificationCause; 4] = [
        NotificationCause::Deferred,
        NotificationCause::ExpiredDiscarded,
        NotificationCause::ExpiredStored,
        NotificationCause::Reminder,
    ];
    let mut all = Vec::new();
    for (who, context) in contexts() {
        for (what, message) in messages() {
            let name = format!("{what} for {who}");
            let (c, m) = (|| context.clone(), || message.clone());
            all.push((name.clone(), Question::Admission { context: c(), message: m() }));
            all.push((name.clone(), Question::Handling { context: c(), message: m() }));
            all.push((name.clone(), Question::Expiry { context: c(), message: m() }));
            let to = context.clients.first().cloned().unwrap_or_else(|| client("gone"));
            all.push((name.clone(), Question::Delivery { context: c(), message: m(), client: to }));
            for cause in CAUSES {
                all.push((format!("{name}: {cause:?}"), Question::Notification { context: c(), message: m(), cause }));
            }
        }
    }
    all
}
