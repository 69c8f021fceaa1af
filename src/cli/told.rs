//! The operator stream as a person reads it, from a server or from a data directory.

use super::tables::{moment, plain, short};
use crate::policy::view::EntryView;
use serde_json::Value;
// Writing to a String cannot fail.
use std::fmt::Write as _;

/// Entries, each with its events under it.
pub fn entries(entries: &[EntryView]) -> String {
    entries.iter().map(entry).collect::<Vec<_>>().join("\n")
}

/// When, who and why; then what.
pub fn entry(entry: &EntryView) -> String {
    let (at, author) = (moment(&entry.at), plain(&entry.author));
    let reason = if entry.reason.is_empty() { String::new() } else { format!("  \"{}\"", plain(&entry.reason)) };
    let mut text = format!("{:>5}  {at}  {author}{reason}", entry.seq);
    for event in &entry.events {
        let _ = write!(text, "\n       {}", what(event));
    }
    text
}

fn what(event: &Value) -> String {
    let Some(members) = event.as_object() else { return plain(&event.to_string()) };
    let name = members.get("event").and_then(Value::as_str).unwrap_or("something");
    // A schema is long: restante policy show has it.
    let told =
        members.iter().filter(|(name, value)| !matches!(name.as_str(), "event" | "settings-schema") && says(value));
    let words: Vec<String> = told.map(|(name, value)| format!("{name} {}", words(value))).collect();
    plain(&format!("{name:<17} {}", words.join(", "))).trim_end().to_owned()
}

fn says(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Array(list) => !list.is_empty(),
        Value::Object(object) => !object.is_empty(),
        Value::String(text) => !text.is_empty(),
        Value::Bool(_) | Value::Number(_) => true,
    }
}

fn words(value: &Value) -> String {
    match value {
        Value::String(text) => short(text),
        Value::Array(list) => list.iter().map(words).collect::<Vec<_>>().join(" "),
        Value::Object(object) => {
            let members = object.iter().map(|(name, value)| format!("{name} {}", words(value)));
            format!("({})", members.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_entry_says_when_who_why_and_what() {
        let view = EntryView {
            seq: 7,
            at: "2026-11-23T08:00:00.123Z".to_owned(),
            author: "anna".to_owned(),
            reason: "one-time passwords".to_owned(),
            chain: "cc".repeat(32),
            events: vec![json!({
                "event": "PolicyActivated", "realm": "a.test", "decisions": ["expiry", "delivery"],
                "policy": "ab".repeat(32), "settings": {}, "name": null,
            })],
        };
        assert_eq!(
            entries(&[view]),
            "    7  2026-11-23T08:00:00Z  anna  \"one-time passwords\"\n       \
             PolicyActivated   decisions expiry delivery, policy abababababab, realm a.test"
        );
    }
}
