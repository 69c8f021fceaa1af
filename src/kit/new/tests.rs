//! Tests of new projects; that those in Rust and C build is tried by the docs' test (`tests/blackbox/policy_docs.rs`).

use super::*;
use crate::kit::case;
use std::fs;

#[test]
fn every_language_has_a_project_without_gaps() {
    let dir = tempfile::tempdir().unwrap();
    for lang in Lang::ALL {
        let at = dir.path().join(format!("{lang:?}"));
        let project = new("night-shift", lang, &at).unwrap();
        assert!(project.to_string().contains("README.md"), "{project}");
        for file in [".gitignore", "README.md", "cases/expired.yaml"] {
            assert!(project.files.iter().any(|found| found == file), "{lang:?} has no {file}");
        }
        let mut named = 0;
        for file in &project.files {
            if let Ok(text) = fs::read_to_string(at.join(file)) {
                assert!(!text.contains("{{"), "{lang:?}: {file} has a gap");
                named += usize::from(text.contains("night-shift"));
            }
        }
        assert!(named >= 2, "{lang:?}");
        assert!(case::read(&at.join("cases/expired.yaml")).unwrap().len() >= 5);
    }
}

#[test]
fn a_rust_project_has_the_whole_guest_crate() {
    let dir = tempfile::tempdir().unwrap();
    let project = new("one", Lang::Rust, &dir.path().join("one")).unwrap();
    let guest = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/guest");
    let mut open = vec![guest.join("src")];
    let mut found = 0;
    while let Some(at) = open.pop() {
        if at.is_dir() {
            open.extend(fs::read_dir(&at).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            let path = format!("restante-policy/{}", at.strip_prefix(&guest).unwrap().display());
            assert!(project.files.contains(&path), "{path} is missing in src/kit/new/templates.rs");
            found += 1;
        }
    }
    assert!(found > 15, "{found}");
}

#[test]
fn a_rust_project_locks_what_the_shipped_policies_are_built_with() {
    let dir = tempfile::tempdir().unwrap();
    new("night-shift", Lang::Rust, &dir.path().join("x")).unwrap();
    let packages = |text: &str| -> Vec<toml::Value> {
        let lock: toml::Table = text.parse().unwrap();
        lock["package"].as_array().unwrap().clone()
    };
    let shipped = packages(include_str!("../../../policies/Cargo.lock"));
    let locked = packages(&fs::read_to_string(dir.path().join("x/Cargo.lock")).unwrap());
    let (own, others): (Vec<_>, Vec<_>) =
        locked.into_iter().partition(|one| one["name"].as_str() == Some("night-shift"));
    assert_eq!(own.len(), 1);
    assert!(others.len() >= 3 && others.iter().all(|one| shipped.contains(one)), "{others:?}");
}

#[test]
fn the_contract_in_a_project_is_the_server_s() {
    let dir = tempfile::tempdir().unwrap();
    let contract = include_str!("../../../wit/policy.wit");
    for (lang, file) in [(Lang::Rust, "wit/policy.wit"), (Lang::Js, "wit/deps/policy.wit")] {
        let at = dir.path().join(file.replace('/', "-"));
        new("x", lang, &at).unwrap();
        assert_eq!(fs::read_to_string(at.join(file)).unwrap(), contract);
    }
}

#[test]
fn what_is_there_is_not_touched() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("mine"), "x").unwrap();
    let error = new("x", Lang::C, dir.path()).unwrap_err();
    assert!(matches!(error, NewError::Taken { .. }) && error.to_string().contains("--dir"), "{error}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn a_project_may_take_the_place_of_an_empty_directory_and_leaves_nothing_beside_it() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("there/x");
    fs::create_dir_all(&at).unwrap();
    new("x", Lang::C, &at).unwrap();
    assert!(at.join("cases/expired.yaml").exists());
    assert_eq!(fs::read_dir(dir.path().join("there")).unwrap().count(), 1);
    // A file in the way of the directory: nothing is written, and nothing is left.
    fs::write(dir.path().join("file"), "mine").unwrap();
    assert!(new("x", Lang::C, &dir.path().join("file")).is_err());
    assert!(new("x", Lang::C, &dir.path().join("file/x")).is_err());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
}

#[test]
fn names_that_a_later_tool_would_refuse_are_refused_at_once() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["standard", "deadbeef", "match", "core", "std", "restante-policy", "test"] {
        let error = new(name, Lang::Rust, &dir.path().join("x")).unwrap_err();
        assert!(matches!(error, NewError::Reserved { .. }) && error.to_string().contains(name), "{name}: {error}");
    }
}

#[test]
fn names_are_what_all_tools_take() {
    let dir = tempfile::tempdir().unwrap();
    let long = "a".repeat(NAME_BYTES_MAX + 1);
    for name in ["", "9", "-a", "a-", "a_", "A", "a b", "a/b", "../a", "a.b", "é", "a\"", long.as_str()] {
        let error = new(name, Lang::C, &dir.path().join("x")).unwrap_err();
        assert!(matches!(error, NewError::Name { .. }), "{name}: {error}");
    }
    assert!(!dir.path().join("x").exists());
    assert!(new("a_b-9", Lang::C, &dir.path().join("x")).is_ok());
}
