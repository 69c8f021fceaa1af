//! The document: what it says is what is served.

use super::who::method_name;
use super::*;
use crate::admin::{openapi, routes};
use serde_json::Value;
use std::collections::BTreeSet;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json");

fn document() -> Value {
    serde_json::from_str(&openapi::document().unwrap()).unwrap()
}

/// To write the file: `RESTANTE_GOLDEN=write cargo test --lib admin::tests::openapi`.
#[test]
fn the_document_in_docs_is_the_one_that_is_served() {
    let text = openapi::document().unwrap();
    if std::env::var("RESTANTE_GOLDEN").is_ok_and(|wish| wish == "write") {
        std::fs::write(FILE, &text).unwrap();
    }
    let kept = std::fs::read_to_string(FILE).unwrap_or_default();
    assert!(kept == text, "docs/openapi.json is not what the program serves: write it anew (RESTANTE_GOLDEN=write)");
    serving(move |address, _, _| {
        let answer = ask(address, "GET", "/openapi.json");
        assert!(answer.head.contains("content-type: application/json"), "{}", answer.head);
        assert_eq!(answer.body, text);
    });
}

#[test]
fn every_route_is_in_the_document_and_the_other_way_round() {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    let served: BTreeSet<(String, String)> = routes::all()
        .iter()
        .map(|endpoint| (endpoint.path.clone(), method_name(&endpoint.method).to_ascii_lowercase()))
        .collect();
    assert_eq!(served.len(), routes::all().len(), "a route is there twice");
    let methods = |item: &Value| item.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let told: BTreeSet<(String, String)> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, item)| methods(item).into_iter().map(|method| (path.clone(), method)))
        .collect();
    assert_eq!(served, told);
}

/// What the router takes is what the document says: each path is there, and takes these methods.
#[test]
fn every_path_of_the_document_is_served_with_its_methods() {
    let document = document();
    serving(move |address, _, _| {
        for (path, item) in document["paths"].as_object().unwrap() {
            let filled = path.replace("{user}", "sip%3Ab%40x").replace("{uid}", "1");
            let filled: String = filled
                .split('/')
                .map(|part| if part.starts_with('{') { "/x".to_owned() } else { format!("/{part}") })
                .collect();
            let answer = ask(address, "PATCH", &filled[1..]);
            assert_eq!(status(&answer), "405", "{path}");
            let allowed = answer.head.lines().find_map(|line| line.strip_prefix("allow: ")).unwrap().to_owned();
            let allowed: BTreeSet<&str> = allowed.split(", ").filter(|method| *method != "head").collect();
            let told: BTreeSet<&str> = item.as_object().unwrap().keys().map(String::as_str).collect();
            assert_eq!(allowed, told, "{path}");
        }
    });
}

#[test]
fn the_document_is_whole() {
    let document = document();
    let mut ids = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let place = format!("{method} {path}");
            assert!(
                ids.insert(operation["operationId"].as_str().unwrap().to_owned()),
                "{place}: its id is there twice"
            );
            assert!(operation["summary"].as_str().is_some_and(|summary| !summary.is_empty()), "{place}");
            let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
            let named = |name: &str| parameters.iter().any(|one| one["in"] == "path" && one["name"] == name);
            let wanted = path.split(['{', '}']).skip(1).step_by(2);
            let wanted: Vec<&str> = wanted.collect();
            assert!(wanted.iter().all(|name| named(name)), "{place}");
            let in_path = parameters.iter().filter(|one| one["in"] == "path").count();
            assert_eq!(in_path, wanted.len(), "{place}");
            let open = !path.starts_with("/v1/");
            assert_eq!(operation["security"].as_array().unwrap().is_empty(), open, "{place}");
            assert_eq!(operation["responses"]["401"].is_null(), open, "{place}");
            assert_eq!(operation["responses"]["403"].is_null(), open, "{place}");
        }
    }
    let mut references = Vec::new();
    collect(&document, &mut references);
    assert!(references.len() > 20, "{references:?}");
    for reference in references {
        let found = document.pointer(reference.trim_start_matches('#'));
        assert!(found.is_some(), "{reference} leads nowhere");
    }
}

fn collect(value: &Value, references: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            if let Some(Value::String(reference)) = members.get("$ref") {
                references.push(reference.clone());
            }
            members.values().for_each(|value| collect(value, references));
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, references)),
        _ => {}
    }
}
