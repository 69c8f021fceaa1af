//! The policies of a server, over its HTTP API: what is ordered, and what it answers.

mod session;
mod shown;
#[cfg(test)]
mod tests;
mod trouble;

pub use trouble::ApiError;

use super::{past, read, settings};
use crate::cli::args::{Bind, Diff, Place, Policy, Server, SignatureFile, Upload};
use crate::cli::{CliError, out};
use crate::queue::question::Hook;
use crate::types::{Digest, Timestamp};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use indicatif::ProgressBar;
use serde_json::{Map, Value, json};
use session::{Call, Environment, Session, segment};
use shown::{Entries, Shown};
use std::path::Path;
use std::time::Duration;

/// Octets of an Ed25519 signature (RFC 8032).
const SIGNATURE_BYTES: usize = 64;
const TICK: Duration = Duration::from_millis(100);

/// Whether the past of a server is meant, and not that of a data directory.
pub(super) fn is_asked(diff: &Diff) -> bool {
    let says_where = diff.data.is_some() || diff.past.config.is_some();
    diff.server.url.is_some() || !says_where && Environment::read().server.is_some()
}

/// Carries out one of the commands that speak to a server.
///
/// # Errors
/// [`CliError`]
pub(super) fn run(command: &Policy) -> Result<(), CliError> {
    if let Policy::Events { after, limit, server } = command {
        return events(server, &Environment::read(), (*after, *limit), |page| out::result(page.trim_end()));
    }
    let Some((server, call, shown)) = order(command)? else { return Ok(()) };
    let text = carry_out(server, &Environment::read(), &call, &shown)?;
    out::result(text.trim_end());
    Ok(())
}

/// The operator stream from there on to its end, page by page: what was done last is what is looked for.
fn events(
    server: &Server,
    environment: &Environment,
    (after, limit): (u64, u16),
    mut show: impl FnMut(&str),
) -> Result<(), CliError> {
    let session = Session::open(server, environment)?;
    if let Some(note) = session.note() {
        out::message(note);
    }
    let (mut after, mut is_first) = (after, true);
    loop {
        let call = Call::get(&format!("/v1/operator-events?after={after}&limit={limit}"));
        let json = answer(&session, &call, server.json)?;
        let page: Entries = serde_json::from_str(&json).map_err(ApiError::from)?;
        let is_last = page.next <= after;
        after = page.next;
        if server.json {
            // A server that has nothing says so once.
            if is_first || !page.entries.is_empty() {
                show(&json);
            }
            is_first = false;
        } else if !page.entries.is_empty() {
            show(&Shown::Events.text(&json, &session)?);
            is_first = false;
        }
        if is_last {
            break;
        }
    }
    if is_first {
        show("nothing");
    }
    Ok(())
}

/// The server's JSON. A refusal is JSON too, and a program wants all of it.
fn answer(session: &Session, call: &Call, as_json: bool) -> Result<String, ApiError> {
    let answer = session.send(call);
    if let (true, Err(ApiError::Refused(refusal))) = (as_json, &answer) {
        out::result(refusal.json.trim_end());
    }
    answer
}

/// What is printed: the server's JSON as it is, or what it says.
fn carry_out(server: &Server, environment: &Environment, call: &Call, shown: &Shown) -> Result<String, CliError> {
    let session = Session::open(server, environment)?;
    if let Some(note) = session.note() {
        out::message(note);
    }
    let waiting = shown.takes_time().then(waiting);
    let answer = answer(&session, call, server.json);
    if let Some(waiting) = waiting {
        waiting.finish_and_clear();
    }
    if server.json { Ok(answer?) } else { Ok(shown.text(&answer?, &session)?) }
}

/// Turns on stderr, if somebody watches.
fn waiting() -> ProgressBar {
    let spinner = ProgressBar::new_spinner().with_message("the server is at work");
    spinner.enable_steady_tick(TICK);
    spinner
}

/// What is to be asked of whom, and how the answer is shown; `None` for commands that need no server.
fn order(command: &Policy) -> Result<Option<(&Server, Call, Shown)>, CliError> {
    Ok(Some(match command {
        Policy::Upload(upload) => (
            &upload.server,
            uploaded(upload)?,
            Shown::Uploaded { realm: upload.realm.clone(), name: upload.name.clone() },
        ),
        Policy::List { server } => (server, Call::get("/v1/policies"), Shown::Policies),
        Policy::Show { policy, server } => {
            (server, Call::get(&format!("/v1/policies/{}", segment(&policy.policy))), Shown::Policy)
        }
        Policy::Realm { realm: None, server } => (server, Call::get("/v1/realms"), Shown::Realms),
        Policy::Realm { realm: Some(realm), server } => (server, Call::get(&of_realm(realm, "")), Shown::Realm),
        Policy::Activate(bind) => (&bind.server, bound(bind, "/activate")?, Shown::Realm),
        Policy::Shadow(bind) => (&bind.server, bound(bind, "/shadow")?, Shown::Realm),
        Policy::EndShadow(place) => (&place.server, placed(place, "/end-shadow"), Shown::Realm),
        Policy::Rollback(place) => (&place.server, placed(place, "/rollback"), Shown::Realm),
        Policy::Retire { policy, reason, server } => {
            let body = object([("reason", reason.reason.clone().map(Value::from))]);
            (server, Call::post(&format!("/v1/policies/{}/retire", segment(&policy.policy)), &body), Shown::Policy)
        }
        Policy::Diff(diff) => (&diff.server, reviewed(diff)?, Shown::Review),
        Policy::Check { .. }
        | Policy::Events { .. }
        | Policy::CompileWorker { .. }
        | Policy::New(_)
        | Policy::Test(_)
        | Policy::Questions(_) => {
            return Ok(None);
        }
    }))
}

fn of_realm(realm: &str, what: &str) -> String {
    format!("/v1/realms/{}/policies{what}", segment(realm))
}

/// Members that have a value.
fn object<const N: usize>(members: [(&str, Option<Value>); N]) -> Value {
    let told = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(told.collect::<Map<_, _>>())
}

/// No decision named is all of them.
fn decisions(hooks: &[Hook]) -> Option<Value> {
    (!hooks.is_empty()).then(|| hooks.iter().map(|hook| hook.name()).collect::<Vec<_>>().into())
}

fn bound(bind: &Bind, what: &str) -> Result<Call, CliError> {
    let body = object([
        ("policy", Some(json!(bind.policy.policy))),
        ("decisions", decisions(&bind.decision)),
        ("settings", settings(bind.settings.as_deref())?),
        ("reason", bind.reason.reason.clone().map(Value::from)),
    ]);
    Ok(Call::post(&of_realm(&bind.realm, what), &body))
}

fn placed(place: &Place, what: &str) -> Call {
    let body =
        object([("decisions", decisions(&place.decision)), ("reason", place.reason.reason.clone().map(Value::from))]);
    Call::post(&of_realm(&place.realm, what), &body)
}

/// A file is named by its digest: the server knows it, or does not.
fn reviewed(diff: &Diff) -> Result<Call, CliError> {
    if diff.past.config.is_some() {
        return Err(ApiError::OwnConfiguration.into());
    }
    let realm = match diff.past.realm.as_slice() {
        [] => None,
        [realm] => Some(json!(realm)),
        _ => return Err(ApiError::Realms.into()),
    };
    let file = Path::new(&diff.candidate);
    let candidate = if file.exists() { Digest::of(&read(file)?).to_string() } else { diff.candidate.clone() };
    let time = past::time(&diff.past)?;
    let body = object([
        ("since", (time.start > Timestamp(0)).then(|| json!(time.start.to_string()))),
        ("until", (time.end < Timestamp::MAX).then(|| json!(time.end.to_string()))),
        ("realm", realm),
        ("settings", settings(diff.settings.as_deref())?),
        ("examples", Some(json!(diff.examples))),
    ]);
    Ok(Call::post(&format!("/v1/policies/{}/diff", segment(&candidate)), &body))
}

fn uploaded(upload: &Upload) -> Result<Call, CliError> {
    let told = [("name", &upload.name), ("realm", &upload.realm), ("reason", &upload.reason.reason)];
    let query: Vec<String> =
        told.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", segment(value.as_deref()?)))).collect();
    let path = if query.is_empty() { "/v1/policies".to_owned() } else { format!("/v1/policies?{}", query.join("&")) };
    let signature = upload.signature.as_ref().map(signature).transpose()?;
    Ok(Call::upload(&path, read(&upload.file)?, signature))
}

/// The header's value. A file has the octets themselves, or their Base64.
fn signature(signature: &SignatureFile) -> Result<String, CliError> {
    let octets = read(&signature.file)?;
    let octets = if octets.len() == SIGNATURE_BYTES {
        octets
    } else {
        let text: Vec<u8> = octets.into_iter().filter(|octet| !octet.is_ascii_whitespace()).collect();
        STANDARD.decode(text).unwrap_or_default()
    };
    if octets.len() != SIGNATURE_BYTES {
        return Err(ApiError::SignatureForm { file: signature.file.clone() }.into());
    }
    Ok(format!("{}:{}", signature.key, STANDARD.encode(octets)))
}
