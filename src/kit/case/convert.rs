//! Documents to questions and verdicts, and back.

use super::{
    CLIENTS_MAX, CaseError, ClientDoc, Decision, MessageDoc, Moment, PlanDoc, PreferencesDoc, QuestionDoc, RefusalDoc,
    TAGS_MAX, VerdictDoc,
};
use crate::queue::question::{
    Admission, ClientView, Context, Delivery, Disposal, Handling, MessageView, Notification, NotificationCause,
    Preferences, Question, Verdict,
};
use crate::types::{Address, ClientId, MessageId, Timestamp};
use std::time::Duration;

/// 2026-03-02T09:14:07Z, the moment of a question that tells none.
const NOW: Timestamp = Timestamp(1_772_442_847_000);
const USER: &str = "sip:+12025550200@ims.example.net";
const CLIENT: &str = "<urn:uuid:00000000-0000-4000-8000-000000000001>";
const TAGS: [&str; 2] = [
    "+g.3gpp.icsi-ref=\"urn:urn-7:3gpp-service.ims.icsi.oma.cpm.msg\"",
    "+g.3gpp.icsi-ref=\"urn:urn-7:3gpp-service.ims.icsi.oma.cpm.deferred\"",
];
const EXPIRY_MAX_SECS: u64 = 7 * 86_400;
const SIZE: u64 = 340;
const CONTENT_TYPE: &str = "message/cpim";
const ID: MessageId = MessageId([0x5a; 16]);
/// How long ago a client registered, and how much longer its registration lasts, unless the document tells.
const REGISTERED_FOR_MS: u64 = 3_000;
const REGISTERED_YET: Duration = Duration::from_hours(1);

/// The question that a document tells.
///
/// # Errors
/// [`CaseError::Field`] if an address or an id has another form, or something is longer than its limit.
pub fn question_of(doc: &QuestionDoc) -> Result<Question, CaseError> {
    belongs(doc)?;
    let now = doc.now.map_or(NOW, |moment| moment.0);
    let client = client_of(doc, now)?;
    let context = context_of(doc, now, client.as_ref())?;
    let message = message_of(doc, &context)?;
    Ok(match doc.decision {
        Decision::Admission => Question::Admission { context, message },
        Decision::Handling => Question::Handling { context, message },
        Decision::Delivery => {
            let ordinary = || client_view("question.client.tags", &ClientDoc::default(), now);
            let client = client.map_or_else(ordinary, Ok)?;
            Question::Delivery { context, message, client }
        }
        Decision::Expiry => Question::Expiry { context, message },
        Decision::Notification => {
            let cause = doc.cause.map_or(NotificationCause::Deferred, NotificationCause::from);
            Question::Notification { context, message, cause }
        }
    })
}

/// A field of another decision is a mistake, not a detail.
fn belongs(doc: &QuestionDoc) -> Result<(), CaseError> {
    let wrong = |field, of: &str| {
        Err(CaseError::Field {
            field,
            why: format!("only a {of} question has one; leave it out, or correct the decision"),
        })
    };
    if doc.client.is_some() && doc.decision != Decision::Delivery {
        return wrong("question.client", "delivery");
    }
    if doc.cause.is_some() && doc.decision != Decision::Notification {
        return wrong("question.cause", "notification");
    }
    Ok(())
}

/// The client that a delivery question is about.
fn client_of(doc: &QuestionDoc, now: Timestamp) -> Result<Option<ClientView>, CaseError> {
    if doc.decision != Decision::Delivery {
        return Ok(None);
    }
    let listed = doc.clients.as_ref().and_then(|clients| clients.first());
    let ordinary = ClientDoc::default();
    client_view("question.client.tags", doc.client.as_ref().or(listed).unwrap_or(&ordinary), now).map(Some)
}

fn context_of(doc: &QuestionDoc, now: Timestamp, asked: Option<&ClientView>) -> Result<Context, CaseError> {
    let user = address("question.user", doc.user.as_deref().unwrap_or(USER))?;
    let clients = match &doc.clients {
        Some(clients) if clients.len() > CLIENTS_MAX => {
            return Err(too_many("question.clients", clients.len(), CLIENTS_MAX));
        }
        Some(clients) => {
            let view = |client| client_view("question.clients.tags", client, now);
            clients.iter().map(view).collect::<Result<_, _>>()?
        }
        None => asked.cloned().into_iter().collect(),
    };
    Ok(Context {
        now,
        realm: doc.realm.clone().unwrap_or_else(|| user.host().to_owned()),
        user,
        queue_depth: doc.queue_depth,
        queue_bytes: doc.queue_bytes,
        clients,
        preferences: Preferences {
            allow_push: doc.preferences.allow_push,
            expired: doc.preferences.expired.map(Disposal::from),
            do_not_disturb: doc.preferences.do_not_disturb,
            offline_storage: doc.preferences.offline_storage,
        },
        expiry_max_secs: doc.expiry_max_secs.unwrap_or(EXPIRY_MAX_SECS),
    })
}

fn client_view(field: &'static str, doc: &ClientDoc, now: Timestamp) -> Result<ClientView, CaseError> {
    let tags = match &doc.tags {
        Some(tags) if tags.len() > TAGS_MAX => return Err(too_many(field, tags.len(), TAGS_MAX)),
        Some(tags) => tags.clone(),
        None => TAGS.map(str::to_owned).to_vec(),
    };
    Ok(ClientView {
        id: ClientId(doc.id.clone().unwrap_or_else(|| CLIENT.to_owned())),
        tags,
        registered_at: moment(doc.registered_at, || Timestamp(now.millis().saturating_sub(REGISTERED_FOR_MS))),
        expires_at: moment(doc.expires_at, || now.after(REGISTERED_YET)),
    })
}

fn message_of(doc: &QuestionDoc, context: &Context) -> Result<MessageView, CaseError> {
    let message = &doc.message;
    let received_at = moment(message.received_at, || context.now);
    let lifetime = message.expires_asked_secs.unwrap_or(u64::MAX).min(context.expiry_max_secs);
    let expires_at = moment(message.expires_at, || match doc.decision {
        Decision::Expiry => context.now,
        _ => received_at.after(Duration::from_secs(lifetime)),
    });
    Ok(MessageView {
        id: message.id.as_deref().map_or(Ok(ID), id)?,
        mode: message.mode.into(),
        sender: message.sender.as_deref().map(|text| address("question.message.sender", text)).transpose()?,
        size: message.size.unwrap_or(SIZE),
        content_type: message.content_type.clone().unwrap_or_else(|| CONTENT_TYPE.to_owned()),
        subject: message.subject.clone(),
        received_at,
        expires_asked_secs: message.expires_asked_secs,
        expires_at,
        attempts: message.attempts,
        handling: message.handling.map(Handling::from),
    })
}

fn moment(told: Option<Moment>, else_: impl FnOnce() -> Timestamp) -> Timestamp {
    told.map_or_else(else_, |moment| moment.0)
}

fn address(field: &'static str, text: &str) -> Result<Address, CaseError> {
    Address::parse(text).map_err(|error| CaseError::Field { field, why: error.to_string() })
}

fn id(text: &str) -> Result<MessageId, CaseError> {
    let why = || "an id has 32 hexadecimal digits; leave it out where it does not matter".to_owned();
    MessageId::from_hex(text).ok_or_else(|| CaseError::Field { field: "question.message.id", why: why() })
}

fn too_many(field: &'static str, found: usize, max: usize) -> CaseError {
    CaseError::Field { field, why: format!("there are {found} of them, and {max} are the most") }
}

/// The document of a question, with every field.
#[must_use]
pub fn document_of(question: &Question) -> QuestionDoc {
    let (context, message) = (question.context(), question.message());
    let preferences = &context.preferences;
    QuestionDoc {
        decision: question.hook().into(),
        now: Some(context.now.into()),
        realm: Some(context.realm.clone()),
        user: Some(context.user.as_str().to_owned()),
        queue_depth: context.queue_depth,
        queue_bytes: context.queue_bytes,
        expiry_max_secs: Some(context.expiry_max_secs),
        preferences: PreferencesDoc {
            allow_push: preferences.allow_push,
            expired: preferences.expired.map(Into::into),
            do_not_disturb: preferences.do_not_disturb,
            offline_storage: preferences.offline_storage,
        },
        clients: Some(context.clients.iter().map(client_document).collect()),
        message: message_document(message),
        client: match question {
            Question::Delivery { client, .. } => Some(client_document(client)),
            _ => None,
        },
        cause: match question {
            Question::Notification { cause, .. } => Some((*cause).into()),
            _ => None,
        },
    }
}

fn client_document(view: &ClientView) -> ClientDoc {
    ClientDoc {
        id: Some(view.id.0.clone()),
        tags: Some(view.tags.clone()),
        registered_at: Some(view.registered_at.into()),
        expires_at: Some(view.expires_at.into()),
    }
}

fn message_document(view: &MessageView) -> MessageDoc {
    MessageDoc {
        id: Some(view.id.to_string()),
        mode: view.mode.into(),
        sender: view.sender.as_ref().map(|sender| sender.as_str().to_owned()),
        size: Some(view.size),
        content_type: Some(view.content_type.clone()),
        subject: view.subject.clone(),
        received_at: Some(view.received_at.into()),
        expires_asked_secs: view.expires_asked_secs,
        expires_at: Some(view.expires_at.into()),
        attempts: view.attempts,
        handling: view.handling.map(Into::into),
    }
}

/// The document of a verdict.
#[must_use]
pub fn verdict_document(verdict: &Verdict) -> VerdictDoc {
    match verdict {
        Verdict::Admission(Admission::Accept { expiry_max_secs }) => VerdictDoc::Accept(*expiry_max_secs),
        Verdict::Admission(Admission::Refuse { status, reason }) => {
            VerdictDoc::Refuse(RefusalDoc { status: *status, reason: reason.clone() })
        }
        Verdict::Handling(Handling::Push) => VerdictDoc::Push,
        Verdict::Handling(Handling::Manage) => VerdictDoc::Manage,
        Verdict::Delivery(Delivery::Now) => VerdictDoc::Now,
        Verdict::Delivery(Delivery::HoldUntil(at)) => VerdictDoc::HoldUntil((*at).into()),
        Verdict::Delivery(Delivery::Keep) => VerdictDoc::Keep,
        Verdict::Expiry(Disposal::Discard) => VerdictDoc::Discard,
        Verdict::Expiry(Disposal::Store) => VerdictDoc::Store,
        Verdict::Notification(Notification { in_band: false, out_of_band: false, at: None }) => VerdictDoc::None,
        Verdict::Notification(Notification { in_band, out_of_band, at }) => {
            VerdictDoc::Notify(PlanDoc { in_band: *in_band, out_of_band: *out_of_band, at: at.map(Into::into) })
        }
    }
}

/// The verdict that a document tells.
#[must_use]
pub fn verdict_of(doc: &VerdictDoc) -> Verdict {
    match doc {
        VerdictDoc::Accept(expiry_max_secs) => {
            Verdict::Admission(Admission::Accept { expiry_max_secs: *expiry_max_secs })
        }
        VerdictDoc::Refuse(RefusalDoc { status, reason }) => {
            Verdict::Admission(Admission::Refuse { status: *status, reason: reason.clone() })
        }
        VerdictDoc::Push => Verdict::Handling(Handling::Push),
        VerdictDoc::Manage => Verdict::Handling(Handling::Manage),
        VerdictDoc::Now => Verdict::Delivery(Delivery::Now),
        VerdictDoc::HoldUntil(at) => Verdict::Delivery(Delivery::HoldUntil(at.0)),
        VerdictDoc::Keep => Verdict::Delivery(Delivery::Keep),
        VerdictDoc::Discard => Verdict::Expiry(Disposal::Discard),
        VerdictDoc::Store => Verdict::Expiry(Disposal::Store),
        VerdictDoc::None => Verdict::Notification(Notification { in_band: false, out_of_band: false, at: None }),
        VerdictDoc::Notify(PlanDoc { in_band, out_of_band, at }) => Verdict::Notification(Notification {
            in_band: *in_band,
            out_of_band: *out_of_band,
            at: at.map(|moment| moment.0),
        }),
    }
}
