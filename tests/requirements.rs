//! Every requirement ID of the specification is named by a test, or is listed as pending with the issue that brings it.
//!
//! A test names an ID by beginning with it, in lower case and with `_` for `-`: `def_5a_i_the_sender_may_ask_for_less`
//! shows DEF-5a-i.

// Helpers of tests are no test functions to clippy, and a test may fail loudly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

#[path = "requirements/conformance.rs"]
mod conformance;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The first two words of each line that is no comment.
fn pairs(file: &str) -> Vec<(String, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(file);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines()
        .filter(|line| !line.starts_with('#') && !line.trim().is_empty())
        .map(|line| {
            let mut words = line.split_whitespace().map(str::to_owned);
            (words.next().unwrap(), words.next().unwrap_or_else(|| panic!("{file}: '{line}' lacks its second word")))
        })
        .collect()
}

fn rust_files(directory: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The names of the functions under an attribute that ends in `test]`, ignored ones left out.
fn test_names(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let (mut is_test, mut is_ignored) = (false, false);
    for line in text.lines().map(str::trim) {
        if line.starts_with("#[") {
            is_test |= line.contains("test]") || line.contains("test(");
            is_ignored |= line.starts_with("#[ignore");
        } else if let Some(rest) = line.strip_prefix("async fn ").or_else(|| line.strip_prefix("fn ")) {
            if is_test && !is_ignored {
                names.push(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
            }
            (is_test, is_ignored) = (false, false);
        } else if !line.is_empty() && !line.starts_with("//") {
            (is_test, is_ignored) = (false, false);
        }
    }
    names
}

/// The longest ID that the name begins with.
fn named<'a>(test: &str, ids: &'a BTreeSet<String>) -> Option<&'a String> {
    ids.iter()
        .filter(|id| {
            let prefix = id.to_lowercase().replace('-', "_");
            test.strip_prefix(&prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
        })
        .max_by_key(|id| id.len())
}

/// The tests of each ID: file and name, in order.
type Tested = BTreeMap<String, Vec<(String, String)>>;

fn tested(root: &Path, ids: &BTreeSet<String>) -> Tested {
    let mut files = Vec::new();
    for directory in ["src", "tests", "policies"] {
        rust_files(&root.join(directory), &mut files);
    }
    files.sort();
    let mut tested = Tested::new();
    for path in files {
        let file = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        for name in test_names(&fs::read_to_string(&path).unwrap()) {
            if let Some(id) = named(&name, ids) {
                tested.entry(id.clone()).or_default().push((file.clone(), name));
            }
        }
    }
    tested
}

fn print_table(classes: &[(String, String)], tested: &Tested, pending: &BTreeMap<String, String>) {
    let mut groups: BTreeMap<&str, (usize, usize, usize, usize)> = BTreeMap::new();
    for (id, _) in classes {
        let row = groups.entry(id.split('-').next().unwrap()).or_default();
        row.0 += 1;
        row.1 += usize::from(tested.contains_key(id));
        row.2 += usize::from(pending.contains_key(id));
        row.3 += tested.get(id).map_or(0, Vec::len);
    }
    println!("group  requirements  tested  pending  tests");
    for (group, (all, covered, waiting, tests)) in &groups {
        println!("{group:5}  {all:12}  {covered:6}  {waiting:7}  {tests:5}");
    }
    let all = groups.values().fold((0, 0, 0, 0), |a, b| (a.0 + b.0, a.1 + b.1, a.2 + b.2, a.3 + b.3));
    println!("all    {:12}  {:6}  {:7}  {:5}", all.0, all.1, all.2, all.3);
}

#[test]
fn every_requirement_is_tested_or_pending_by_name() {
    let classes = pairs("requirements.txt");
    let ids: BTreeSet<String> = classes.iter().map(|(id, _)| id.clone()).collect();
    assert_eq!(classes.len(), 139, "chapter 8 has 139 lines");
    assert_eq!(ids.len(), classes.len(), "an ID is listed twice in requirements.txt");
    for (id, class) in &classes {
        assert!(matches!(class.as_str(), "S" | "M" | "N" | "-"), "{id}: class '{class}' is none of S, M, N, -");
    }
    let pending: BTreeMap<String, String> = pairs("pending.txt").into_iter().collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tested = tested(root, &ids);
    print_table(&classes, &tested, &pending);

    let mut wrong = Vec::new();
    for (id, class) in &classes {
        match (tested.contains_key(id), pending.contains_key(id)) {
            (false, false) => wrong.push(format!("{id} ({class}) has no test and is not in tests/pending.txt")),
            (true, true) => wrong.push(format!("{id} has a test now: take it out of tests/pending.txt")),
            _ => {}
        }
    }
    wrong
        .extend(pending.keys().filter(|id| !ids.contains(*id)).map(|id| format!("{id} is pending but no requirement")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_page_of_conformance_is_true() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let ids: Vec<String> = pairs("requirements.txt").into_iter().map(|(id, _)| id).collect();
    let chapters = conformance::read(root);
    let listed: Vec<&String> = chapters.iter().flat_map(|(_, facts)| facts).map(|fact| &fact.id).collect();
    assert_eq!(listed, ids.iter().collect::<Vec<_>>(), "conformance.txt has the IDs of requirements.txt, in its order");
    let missing = conformance::missing_places(root, &chapters);
    assert!(missing.is_empty(), "{}", missing.join("\n"));

    let pending = pairs("pending.txt").into_iter().collect();
    let page = conformance::page(&chapters, &tested(root, &ids.into_iter().collect()), &pending);
    let path = root.join(conformance::PAGE);
    if std::env::var_os("RESTANTE_CONFORMANCE").is_some_and(|what| what == "write") {
        fs::write(&path, &page).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    let differs = || {
        let lines = page.lines().zip(kept.lines().chain(std::iter::repeat("")));
        lines.filter(|(made, kept)| made != kept).map(|(made, _)| made).next().unwrap_or_default()
    };
    assert!(
        kept == page,
        "{} is not what is made now, from this line on:\n{}\nrun RESTANTE_CONFORMANCE=write cargo test --test requirements",
        conformance::PAGE,
        differs()
    );
}

#[test]
fn a_test_names_the_longest_id_it_begins_with() {
    let ids: BTreeSet<String> = ["DEF-1", "DEF-1a", "DEF-1a-i", "SNDP-OK"].map(str::to_owned).into();
    for (test, id) in [
        ("def_1a_i_from_is_kept", Some("DEF-1a-i")),
        ("def_1a_the_start_line", Some("DEF-1a")),
        ("def_1_a_pager_message", Some("DEF-1")),
        ("sndp_ok", Some("SNDP-OK")),
        ("sndp_okay", None),
        ("the_def_1", None),
    ] {
        assert_eq!(named(test, &ids).map(String::as_str), id, "{test}");
    }
}

#[test]
fn only_functions_under_a_test_attribute_count() {
    let text = "#[test]\nfn def_0_a() {}\nfn def_4_b() {}\n#[actix_rt::test]\n// why\nasync fn def_5_c() {}\n\
                #[test]\n#[ignore = \"later\"]\nfn def_6_d() {}\n#[cfg(test)]\nmod tests {\nfn def_3_e() {}\n}";
    assert_eq!(test_names(text), ["def_0_a", "def_5_c"]);
}
