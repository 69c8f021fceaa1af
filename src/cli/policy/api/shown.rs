//! What a server answered, as a person reads it.

use super::session::Session;
use super::trouble::ApiError;
use crate::cli::policy::diff::words;
use crate::cli::tables::{moment, plain, short, table};
use crate::cli::told;
use crate::policy::view::{Binds, BoundView, DecisionView, EntryView, PolicyView, RealmView, ShadowView};
use serde::Deserialize;
use serde_json::Value;
// Writing to a String cannot fail.
use std::fmt::Write as _;

/// Which answer it is.
#[derive(Clone, Debug)]
pub enum Shown {
    /// For this realm, under this name, if they were said.
    Uploaded {
        realm: Option<String>,
        name: Option<String>,
    },
    Policies,
    Policy,
    Realms,
    Realm,
    Events,
    Review,
}

#[derive(Deserialize)]
struct Uploaded {
    digest: String,
    new: bool,
    #[serde(default)]
    signed: bool,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    report: Value,
}

#[derive(Deserialize)]
struct Policies {
    policies: Vec<PolicyView>,
}

#[derive(Deserialize)]
struct Realms {
    realms: Vec<String>,
}

/// A page of the operator stream.
#[derive(Deserialize)]
pub struct Entries {
    pub entries: Vec<EntryView>,
    /// The last entry that was looked at.
    pub next: u64,
}

impl Shown {
    /// Whether the server works for it longer than people wait without a sign: an upload is compiled, a past is asked.
    pub const fn takes_time(&self) -> bool {
        matches!(self, Self::Uploaded { .. } | Self::Review)
    }

    /// The words for this JSON.
    ///
    /// # Errors
    /// [`ApiError::Answer`]: it is another answer.
    pub fn text(&self, json: &str, session: &Session) -> Result<String, ApiError> {
        Ok(match self {
            Self::Uploaded { realm, name } => uploaded(&serde_json::from_str(json)?, realm.as_deref(), name.as_deref()),
            Self::Policies => policies(&serde_json::from_str::<Policies>(json)?.policies),
            Self::Policy => policy(&serde_json::from_str(json)?),
            Self::Realms => {
                let realms = serde_json::from_str::<Realms>(json)?.realms;
                let list: Vec<String> = realms.iter().map(|realm| plain(realm)).collect();
                if list.is_empty() { format!("no realm at {} is yours to see", session.url()) } else { list.join("\n") }
            }
            Self::Realm => realm(&serde_json::from_str(json)?),
            Self::Review => {
                let review = words(&serde_json::from_str(json)?);
                review.lines().map(plain).collect::<Vec<_>>().join("\n")
            }
            Self::Events => told::entries(&serde_json::from_str::<Entries>(json)?.entries),
        })
    }
}

fn uploaded(uploaded: &Uploaded, realm: Option<&str>, name: Option<&str>) -> String {
    let is_new = if uploaded.new { "kept" } else { "it was there already" };
    let mut text = format!("{}  {is_new}", plain(&uploaded.digest));
    if uploaded.signed && !uploaded.new {
        text.push_str("; the signature is kept with it");
    }
    if name.is_some_and(|name| uploaded.name.as_deref() != Some(name)) {
        let kept =
            uploaded.name.as_deref().map_or_else(|| "has no name".to_owned(), |kept| format!("is called {kept}"));
        let _ = write!(text, "; it still {}", plain(&kept));
    }
    let tests = uploaded.report.get("self-test").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    for test in tests {
        let number = |name: &str| test.get(name).and_then(Value::as_u64).unwrap_or_default();
        let hook = test.get("hook").and_then(Value::as_str).unwrap_or_default();
        let (asked, failed, unlike) = (number("asked"), number("failed"), number("unlike-standard"));
        let answered = asked.saturating_sub(failed);
        let _ = write!(
            text,
            "\n  {:<13} {answered} of {asked} built-in questions answered, {unlike} unlike the standard",
            plain(hook)
        );
    }
    let (policy, realm) = (short(&uploaded.digest), realm.unwrap_or("REALM"));
    let next = if uploaded.new {
        format!("it decides nothing yet: restante policy shadow {policy} --realm {realm}")
    } else {
        format!("what it decides: restante policy show {policy}")
    };
    let _ = write!(text, "\n{next}");
    text
}

fn policies(policies: &[PolicyView]) -> String {
    let row = |policy: &PolicyView| {
        [
            short(&policy.digest),
            policy.name.clone().unwrap_or_else(|| "-".to_owned()),
            policy.state.clone(),
            policy.decides.join(" "),
            policy.uploaded_at.as_deref().map_or_else(|| "built in".to_owned(), moment),
            policy.uploaded_by.clone().unwrap_or_else(|| "-".to_owned()),
            places(&policy.bound),
        ]
    };
    let rows: Vec<_> = policies.iter().map(row).collect();
    table(["policy", "name", "state", "decides", "uploaded", "by", "bound"], &rows)
}

/// By realm and role, with the decisions: `a.test: expiry handling (active)`.
fn places(bound: &[Binds]) -> String {
    let mut places: Vec<(String, Vec<&str>)> = Vec::new();
    for place in bound {
        let (realm, role) = (&place.realm, &place.role);
        let known = places.iter_mut().find(|(at, _)| *at == format!("{realm} ({role})"));
        match known {
            Some((_, decisions)) => decisions.push(&place.decision),
            None => places.push((format!("{realm} ({role})"), vec![&place.decision])),
        }
    }
    if places.is_empty() {
        return "-".to_owned();
    }
    places.into_iter().map(|(at, decisions)| format!("{at}: {}", decisions.join(" "))).collect::<Vec<_>>().join("; ")
}

fn policy(policy: &PolicyView) -> String {
    let mut lines = Vec::new();
    let mut line = |name: &str, value: &str| lines.push(format!("{name:<12} {}", plain(value)));
    line("policy", &policy.digest);
    policy.name.iter().for_each(|name| line("name", name));
    policy.realms.iter().filter(|realms| !realms.is_empty()).for_each(|realms| line("for", &realms.join(", ")));
    line("state", &policy.state);
    line("size", &format!("{} octets", policy.bytes));
    line("decides", &policy.decides.join(", "));
    match (&policy.uploaded_at, &policy.uploaded_by) {
        (Some(at), Some(by)) => line("uploaded", &format!("{at} by {by}")),
        (Some(at), None) => line("uploaded", at),
        (None, _) => line("uploaded", "no: it is built in"),
    }
    policy.reason.iter().filter(|reason| !reason.is_empty()).for_each(|reason| line("reason", reason));
    let keys = if policy.signed_by.is_empty() { "nobody".to_owned() } else { policy.signed_by.join(", ") };
    line("signed by", &keys);
    if policy.bound.is_empty() {
        line("bound", "nowhere");
    }
    for place in &policy.bound {
        line("bound", &format!("{} {} ({})", place.realm, place.decision, place.role));
    }
    match &policy.settings_schema {
        None => line("settings", "none"),
        Some(schema) => {
            line("settings", "as this schema wants them:");
            let schema = serde_json::to_string_pretty(schema).unwrap_or_default();
            lines.extend(schema.lines().map(plain));
        }
    }
    lines.join("\n")
}

fn realm(realm: &RealmView) -> String {
    let mut text = format!("realm {}", plain(&realm.realm));
    for decision in &realm.decisions {
        let _ = write!(text, "\n\n{}", plain(&decision.decision));
        text.push_str(&of_decision(decision));
    }
    text
}

fn of_decision(decision: &DecisionView) -> String {
    let mut text = match &decision.active {
        None => "\n  active   the standard rule".to_owned(),
        Some(bound) => format!("\n  active   {}", of_bound(bound)),
    };
    if let Some(shadow) = &decision.shadow {
        let _ = write!(text, "\n  shadow   {}{}", of_bound(&shadow.bound), counts(shadow));
    }
    for earlier in &decision.earlier {
        let _ = write!(text, "\n  earlier  {}", of_bound(earlier));
    }
    text
}

fn of_bound(bound: &BoundView) -> String {
    let mut words = vec![short(&bound.policy)];
    words.extend(bound.name.as_ref().map(|name| format!("({name})")));
    words.extend(bound.since.as_deref().map(|since| format!("since {}", moment(since))));
    words.extend(bound.by.as_ref().map(|by| format!("by {by}")));
    words.extend(bound.reason.as_ref().filter(|reason| !reason.is_empty()).map(|reason| format!("\"{reason}\"")));
    let is_empty = bound.settings.as_object().is_none_or(serde_json::Map::is_empty);
    words.extend((!is_empty).then(|| format!("settings {}", bound.settings)));
    let mut text = plain(&words.join(" "));
    if let Some(trouble) = &bound.trouble {
        let _ = write!(text, "\n           TROUBLE: {}", plain(trouble));
    }
    text
}

fn counts(shadow: &ShadowView) -> String {
    let ShadowView { asked, same, different, failed, dropped, .. } = shadow;
    let mut text = format!(
        "\n           asked {asked}: {same} the same, {different} different, {failed} failed; {dropped} not asked"
    );
    for sample in &shadow.samples {
        let (at, message) = (plain(&sample.at), plain(&sample.message));
        let (active, candidate) = (plain(&sample.active), plain(&sample.shadow));
        let _ = write!(text, "\n           {at}  {message}  active: {active}; shadow: {candidate}");
    }
    text
}
