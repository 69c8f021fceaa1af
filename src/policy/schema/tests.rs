//! Schemas that work, schemas that are hostile, settings that do not fit.
#![allow(clippy::format_collect)] // Readable; and nothing here is built often.

use super::*;
use crate::policy::tests::ENGINE;
use crate::policy::tests::guest::{Guest, answer, manage};
use serde_json::json;
use std::time::{Duration, Instant};

const BYTES_MAX: usize = 64 << 10;

/// A component that exports this schema.
fn component(schema: &Value) -> Component {
    let mut bare = Guest::new();
    let text = bare.text(schema.to_string().as_bytes());
    let bytes = bare.settings(answer(&[(0, text.0), (4, text.1)]), answer(&[])).judge("handling", manage()).build();
    ENGINE.load(&bytes).unwrap_or_else(|error| panic!("{error}"))
}

fn refusal(schema: &Value) -> SchemaError {
    let start = Instant::now();
    let error = check_schema(&schema.to_string()).unwrap_err();
    // Generous: debug builds on a busy machine. What would be exponential takes for ever.
    assert!(start.elapsed() < Duration::from_secs(20), "{error}");
    assert!(error.to_string().len() < 2_000);
    error
}

/// The settings of a policy for business senders, more or less.
fn business() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Business senders",
        "type": "object",
        "properties": {
            "senders": { "type": "array", "items": { "$ref": "#/$defs/sender" }, "maxItems": 10, "uniqueItems": true },
            "hours": { "type": "integer", "minimum": 1, "maximum": 48, "default": 2 },
            "otp": { "$ref": "#/$defs/what" },
            "family": { "$ref": "#/$defs/what" },
        },
        "additionalProperties": false,
        "$defs": {
            "sender": { "type": "string", "pattern": "^[a-z]+@[a-z.]+$" },
            "what": { "enum": ["discard", "store"] },
        },
        "x-editor": { "anything": [1, { "$ref": "elsewhere" }] },
    })
}

#[test]
fn settings_that_fit_become_canonical_text() {
    let component = component(&business());
    let settings = json!({ "senders": ["bank@x.test"], "otp": "discard", "hours": 3 });
    let text = check_settings(&component, &settings, BYTES_MAX).unwrap();
    assert_eq!(text, r#"{"hours":3,"otp":"discard","senders":["bank@x.test"]}"#);
    assert_eq!(check_settings(&component, &json!({}), BYTES_MAX).unwrap(), "{}");
}

#[test]
fn everything_that_does_not_fit_is_told_with_its_place_and_without_its_value() {
    let component = component(&business());
    let settings = json!({ "senders": ["bank@x.test", "SECRET"], "hours": 77, "otp": "burn", "colour": "red" });
    let problems = check_settings(&component, &settings, BYTES_MAX).unwrap_err();
    let mut places: Vec<&str> = problems.iter().map(|problem| problem.at.as_str()).collect();
    places.sort_unstable();
    assert_eq!(places, ["", "/hours", "/otp", "/senders/1"], "{problems:?}");
    let words: String = problems.iter().map(|problem| format!("{} ", problem.what)).collect();
    assert!(words.contains("48") && words.contains("discard") && words.contains("colour"), "{words}");
    assert!(!words.contains("SECRET") && !words.contains("77") && !words.contains("red"), "{words}");
}

#[test]
fn settings_of_a_policy_without_settings_are_empty() {
    let component = ENGINE.load(&Guest::new().judge("handling", manage()).build()).unwrap();
    assert_eq!(check_settings(&component, &json!({}), BYTES_MAX).unwrap(), "{}");
    for settings in [json!({ "a": 1 }), json!(null), json!([])] {
        let problems = check_settings(&component, &settings, BYTES_MAX).unwrap_err();
        assert!(problems[0].what.contains("no settings"), "{problems:?}");
    }
}

#[test]
fn settings_have_a_longest_length_and_problems_a_largest_number() {
    let anything = component(&json!({}));
    let long = json!({ "text": "x".repeat(100) });
    let problems = check_settings(&anything, &long, 100).unwrap_err();
    assert!(problems[0].what.contains("policy.settings-bytes-max (100)"), "{problems:?}");
    let nothing = component(&json!({ "items": false }));
    let problems = check_settings(&nothing, &json!((0..1000).collect::<Vec<_>>()), BYTES_MAX).unwrap_err();
    assert!(problems.len() <= PROBLEMS_MAX, "{}", problems.len());
    let many = component(&json!({ "items": { "allOf": vec![false; 500] } }));
    let problems = check_settings(&many, &json!((0..1000).collect::<Vec<_>>()), BYTES_MAX).unwrap_err();
    assert_eq!(problems.len(), 1);
    assert!(problems[0].what.contains("too large to say where"), "{problems:?}");
    let forty = json!({ "allOf": vec![true; 40] });
    let costly = json!({ "items": { "allOf": vec![json!({ "$ref": "#/$defs/a" }); 30] }, "$defs": { "a": forty } });
    let costly = component(&costly);
    let problems = check_settings(&costly, &json!(vec![0; 20_000]), BYTES_MAX).unwrap_err();
    assert!(problems[0].what.contains("too large for so large a schema"), "{problems:?}");
}

#[test]
fn recursion_is_refused_however_it_is_dressed() {
    for schema in [
        json!({ "$ref": "#/$defs/a", "$defs": { "a": { "$ref": "#/$defs/a" } } }),
        json!({ "$defs": { "a": { "allOf": [{ "$ref": "#/$defs/b" }] }, "b": { "not": { "$ref": "#/$defs/a" } } } }),
        json!({ "$defs": { "tree": { "properties": { "left": { "$ref": "#/$defs/tree" } } } } }),
    ] {
        assert!(matches!(refusal(&schema), SchemaError::Recursive { .. }), "{schema}");
    }
    assert!(matches!(refusal(&json!({ "$ref": "#" })), SchemaError::Reference { .. }));
    for keyword in ["$dynamicRef", "$recursiveRef", "$id", "$anchor", "definitions", "unevaluatedProperties"] {
        let error = refusal(&json!({ "properties": { "a": { keyword: "#" } } }));
        let SchemaError::Keyword { at, keyword: named } = error else { panic!("{error}") };
        assert_eq!((at.as_str(), named.as_str()), ("/properties/a", keyword));
    }
}

#[test]
fn nothing_is_fetched_from_anywhere() {
    for reference in
        ["https://x.test/schema.json", "file:///etc/passwd", "other.json", "#/properties/a", "#/$defs/none"]
    {
        let schema = json!({ "properties": { "a": { "$ref": reference } } });
        assert_eq!(refusal(&schema), SchemaError::Reference { at: "/properties/a/$ref".to_owned() });
    }
    assert!(matches!(refusal(&json!({ "$ref": 7 })), SchemaError::Reference { .. }));
    assert_eq!(refusal(&json!({ "$schema": "https://x.test/my-own" })), SchemaError::Dialect);
    // What only looks like a reference is data, and stays so.
    let data = json!({ "enum": [{ "$ref": "https://x.test/" }, { "$id": "https://x.test/" }], "properties": { "$ref": true } });
    assert_eq!(check_schema(&data.to_string()), Ok(()));
}

#[test]
fn what_grows_exponentially_through_references_is_refused() {
    let mut definitions = Map::new();
    for level in 0..10 {
        let next = json!({ "$ref": format!("#/$defs/level{}", level + 1) });
        definitions.insert(format!("level{level}"), json!({ "allOf": [next, next, next, next] }));
    }
    definitions.insert("level10".to_owned(), json!({ "type": "string" }));
    assert_eq!(refusal(&json!({ "$ref": "#/$defs/level0", "$defs": definitions })), SchemaError::TooCostly);
}

#[test]
fn depth_is_bounded_in_the_text_and_through_references() {
    let mut nested = json!(true);
    for _ in 0..40 {
        nested = json!({ "not": nested });
    }
    assert!(matches!(refusal(&nested), SchemaError::TooDeep { .. }));
    let chain: Map<String, Value> = (0..1000)
        .map(|link| (format!("l{link}"), json!({ "$ref": format!("#/$defs/l{}", link + 1) })))
        .chain([("l1000".to_owned(), json!(true))])
        .collect();
    assert!(matches!(refusal(&json!({ "$ref": "#/$defs/l0", "$defs": chain })), SchemaError::TooDeep { .. }));
    // Whatever the order in which the definitions are met.
    let chain: Map<String, Value> = (0..20)
        .map(|link| (format!("l{link:02}"), json!({ "not": { "$ref": format!("#/$defs/l{:02}", link + 1) } })))
        .chain([("l20".to_owned(), json!(true))])
        .collect();
    assert!(matches!(refusal(&json!({ "$defs": chain })), SchemaError::TooDeep { .. }));
    let array = format!("{}true{}", "[".repeat(10_000), "]".repeat(10_000));
    assert!(matches!(check_schema(&array), Err(SchemaError::NotJson { .. })));
}

#[test]
fn regular_expressions_take_linear_time_and_little_room() {
    // With backtracking this takes for ever.
    let evil = component(&json!({ "pattern": "^(a+)+$" }));
    let problems = check_settings(&evil, &json!("a".repeat(50_000) + "b"), BYTES_MAX).unwrap_err();
    assert_eq!(problems.len(), 1);
    // What cannot be had in linear time is no pattern, nor is what grows large.
    for pattern in ["(?=a)b", r"(a)\1", "((a{1000}){1000}){1000}", "(", "(?<!x)y"] {
        let error = refusal(&json!({ "properties": { "a": { "pattern": pattern } } }));
        assert!(matches!(error, SchemaError::Invalid { .. }), "{pattern}: {error}");
    }
    let many: Map<String, Value> = (0..65).map(|n| (format!("^{n}$"), json!(true))).collect();
    assert_eq!(refusal(&json!({ "patternProperties": many })), SchemaError::Patterns);
    assert_eq!(refusal(&json!({ "pattern": "a".repeat(513) })), SchemaError::Patterns);
    // The time that is linear is that of each octet in each expression.
    let slow = r"[ab]*a[ab]{200}$";
    let many = component(&json!({ "allOf": vec![json!({ "pattern": slow }); 64] }));
    let long = json!("ab".repeat(25_000));
    let problems = check_settings(&many, &long, BYTES_MAX).unwrap_err();
    assert!(problems[0].what.contains("shorter"), "{problems:?}");
    assert!(check_settings(&component(&json!({ "pattern": "^[ab]*$" })), &long, BYTES_MAX).is_ok());
    let costly: Vec<Value> = (0..64).map(|n| json!({ "pattern": format!("[a-z]{{90{}}}\\pL{{9}}", n % 10) })).collect();
    refusal(&json!({ "allOf": costly }));
}

#[test]
fn what_is_no_schema_is_told_in_words() {
    assert!(matches!(check_schema("{"), Err(SchemaError::NotJson { .. })));
    assert_eq!(check_schema("7"), Err(SchemaError::NotASchema));
    assert_eq!(refusal(&json!({ "items": 7 })), SchemaError::NotASchemaAt { at: "/items".to_owned() });
    assert_eq!(refusal(&json!({ "not": { "anyOf": [3] } })), SchemaError::NotASchemaAt { at: "/not/anyOf".to_owned() });
    assert!(matches!(refusal(&json!({ "type": "strin" })), SchemaError::Invalid { .. }));
    assert!(matches!(refusal(&json!({ "required": "all" })), SchemaError::Invalid { .. }));
    let typo = refusal(&json!({ "requird": ["a"] })).to_string();
    assert!(typo.contains("'requird'") && typo.contains("x-"), "{typo}");
    assert_eq!(
        check_schema(&format!("{{\"title\":\"{}\"}}", "x".repeat(SCHEMA_BYTES_MAX))).unwrap_err(),
        SchemaError::TooLong(SCHEMA_BYTES_MAX + 12)
    );
    let control = refusal(&json!({ "\u{1b}[31m\r\n": 1 })).to_string();
    assert!(!control.contains('\u{1b}') && !control.contains('\n'), "{control:?}");
}
