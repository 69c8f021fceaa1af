//! The rules of the house (docs/design.md, "The house"), checked on the sources: every violation is told with its place.

#[path = "tidy/source.rs"]
mod source;

use source::{File, Token, item_end};
use std::path::Path;

/// A module uses only floors below its own. `main` stands on `cli`, and that on `app`.
const FLOORS: [(&str, u8); 22] = [
    ("main", 8),
    ("cli", 7),
    ("app", 6),
    ("admin", 5),
    ("audit", 5),
    // The actors call the procedures, so they stand on them.
    ("actor", 5),
    ("pf", 4),
    ("kit", 4),
    ("net", 3),
    ("journal", 3),
    ("policy", 3),
    ("gateway", 3),
    ("queue", 2),
    // Tests only: what the fuzz targets do with the readers of floor 1.
    ("fuzzing", 2),
    ("sip", 1),
    ("msrp", 1),
    ("cpim", 1),
    ("formats", 1),
    ("config", 0),
    ("metrics", 0),
    ("shelf", 0),
    ("types", 0),
];

/// The floors up to this one are pure.
const PURE: u8 = 2;

/// What pure floors do not name: the outside, the time, chance.
const OUTSIDE: [&[&str]; 17] = [
    &["tokio"],
    &["actix"],
    &["actix_rt"],
    &["actix_web"],
    &["rocksdb"],
    &["wasmtime"],
    &["socket2"],
    &["UdpSocket"],
    &["TcpStream"],
    &["TcpListener"],
    &["std", ":", ":", "fs"],
    &["fs", ":", ":"],
    &["File", ":", ":"],
    &["Instant", ":", ":", "now"],
    &["SystemTime", ":", ":", "now"],
    &["getrandom"],
    &["rand", ":", ":"],
];

/// Libraries that only these places may name, so that they can be replaced.
const KEPT_TO: [(&[&str], &[&str]); 6] = [
    (&["actix"], &["src/actor/"]),
    (&["actix_tls"], &["src/admin/"]),
    (&["actix_rt"], &["src/actor/", "src/admin/"]),
    (&["actix_web"], &["src/admin/"]),
    (&["rocksdb"], &["src/journal/rocks"]),
    (&["wasmtime"], &["src/policy/engine"]),
];

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;

#[test]
fn the_rules_of_the_house_are_kept() {
    let (files, dead) = source::load(Path::new(env!("CARGO_MANIFEST_DIR")));
    assert!(files.len() > 10, "only {} files were found: has src moved?", files.len());
    let mut found: Vec<String> = files.iter().flat_map(violations).collect();
    found.extend(dead.iter().map(|path| format!("{path}:1: no module declares this file: declare it or delete it")));
    assert!(found.is_empty(), "{} rules are broken:\n{}", found.len(), found.join("\n"));
}

fn violations(file: &File) -> Vec<String> {
    let rules = [opening, floors, purity, kept_to, size, functions, error_strings];
    let mut found: Vec<(usize, String)> = rules.iter().flat_map(|rule| rule(file)).collect();
    found.sort();
    found.into_iter().map(|(line, what)| format!("{}:{line}: {what}", file.path)).collect()
}

/// Every file opens with a sentence that says what it is for; a file of tests is for its module.
fn opening(file: &File) -> Vec<(usize, String)> {
    let first: Vec<&str> = file.text.lines().map_while(|line| line.strip_prefix("//! ")).collect();
    let sentence = first.join(" ");
    let good = file.test || sentence.len() > 15 && sentence.ends_with(['.', ':', '?', '!', ')']);
    if good { vec![] } else { vec![(1, "open the file with a sentence: //! what it is for.".to_owned())] }
}

/// Floor order.
fn floors(file: &File) -> Vec<(usize, String)> {
    let Some(own) = file.module() else { return vec![] };
    let Some(floor) = floor_of(own) else {
        return vec![(1, format!("module {own} has no floor: give it one in tests/tidy.rs and docs/design.md"))];
    };
    let wrong = |(line, name): (usize, String)| {
        let other = floor_of(&name)?;
        let why = format!("{own} (floor {floor}) uses {name} (floor {other}): use only floors below, or move the code");
        (name != own && other >= floor).then_some((line, why))
    };
    root_references(file).into_iter().filter_map(wrong).collect()
}

fn floor_of(module: &str) -> Option<u8> {
    FLOORS.iter().find(|(name, _)| *name == module).map(|(_, floor)| *floor)
}

/// The modules named right after the crate root: `crate::x`, `crate::{x, y::z}`, `restante::x`, `super::super::x`.
fn root_references(file: &File) -> Vec<(usize, String)> {
    let tokens = &file.tokens;
    let mut found = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        let after = match token.text.as_str() {
            "crate" | "restante" => path_continues(tokens, index),
            "super" if !is_after_path(tokens, index) => through_supers(tokens, index, file.depth() + token.depth),
            _ => None,
        };
        if let Some(after) = after {
            found.extend(heads(tokens, after));
        }
    }
    found
}

/// The index after `::`, if it comes after this one.
fn path_continues(tokens: &[Token], index: usize) -> Option<usize> {
    is_path(tokens, index + 1).then_some(index + 3)
}

fn is_path(tokens: &[Token], index: usize) -> bool {
    tokens.get(index..index + 2).is_some_and(|two| two.iter().all(|token| token.text == ":"))
}

fn is_after_path(tokens: &[Token], index: usize) -> bool {
    index >= 2 && is_path(tokens, index - 2)
}

/// The index after a chain of `super::`, if it reaches the crate root.
fn through_supers(tokens: &[Token], mut index: usize, depth: usize) -> Option<usize> {
    let mut steps = 0;
    while tokens.get(index).is_some_and(|token| token.text == "super") {
        steps += 1;
        index = path_continues(tokens, index)?;
    }
    (steps >= depth).then_some(index)
}

/// The first names of a path or of a group of paths.
fn heads(tokens: &[Token], start: usize) -> Vec<(usize, String)> {
    let Some(first) = tokens.get(start) else { return vec![] };
    if first.text != "{" {
        return vec![(first.line, first.text.clone())];
    }
    let (mut found, mut open, mut fresh) = (Vec::new(), 0usize, true);
    for token in &tokens[start..item_end(tokens, start)] {
        match token.text.as_str() {
            "{" => open += 1,
            "}" => open -= 1,
            "," if open == 1 => fresh = true,
            name if open == 1 && fresh => {
                found.push((token.line, name.to_owned()));
                fresh = false;
            }
            _ => {}
        }
    }
    found
}

/// Pure floors do not name the outside; tests may.
fn purity(file: &File) -> Vec<(usize, String)> {
    let Some(floor) = file.module().and_then(floor_of).filter(|floor| *floor <= PURE) else { return vec![] };
    let named = |words: &[&str]| {
        let name = words.concat();
        let why = format!("{name} on floor {floor}: floors 0 to {PURE} are pure; hand the value in from the edge");
        places(file, words).into_iter().map(move |line| (line, why.clone()))
    };
    OUTSIDE.iter().flat_map(|words| named(words)).collect()
}

/// Some libraries are named in one place only; tests may need what they are tested against.
fn kept_to(file: &File) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (words, homes) in KEPT_TO {
        if !homes.iter().any(|home| file.path.starts_with(home)) {
            let why =
                format!("{} may be named in {} only: go through what it offers", words.concat(), homes.join(", "));
            found.extend(places(file, words).into_iter().map(|line| (line, why.clone())));
        }
    }
    found
}

/// The lines where these tokens follow each other, tests apart.
fn places(file: &File, words: &[&str]) -> Vec<usize> {
    file.tokens
        .windows(words.len())
        .filter(|window| window.iter().zip(words).all(|(token, word)| token.text == *word))
        .filter(|window| !window[0].test)
        .map(|window| window[0].line)
        .collect()
}

/// Files have no more lines than one can keep in mind; tests do not count.
fn size(file: &File) -> Vec<(usize, String)> {
    let span = |run: &[Token]| match run {
        [first, .., last] if first.test => last.line - first.line + 1,
        _ => 0,
    };
    let in_tests: usize = file.tokens.chunk_by(|one, next| one.test == next.test).map(span).sum();
    let lines = file.text.lines().count() - in_tests;
    let why = format!("{lines} lines without tests: split the file, {FILE_LINES_MAX} are the most");
    if file.test || lines <= FILE_LINES_MAX { vec![] } else { vec![(1, why)] }
}

/// Functions too, in lines with code between their braces; a table may say `#[expect(clippy::too_many_lines, reason = …)]`.
fn functions(file: &File) -> Vec<(usize, String)> {
    let tokens = &file.tokens;
    let starts = (0..tokens.len()).filter(|index| tokens[*index].text == "fn" && !tokens[*index].test);
    let mut found = Vec::new();
    for start in starts {
        let Some(name) = tokens.get(start + 1) else { continue };
        let item = &tokens[start..item_end(tokens, start)];
        let Some(body) = item.iter().position(|token| token.text == "{") else { continue };
        let mut lines: Vec<usize> = item[body + 1..item.len() - 1].iter().map(|token| token.line).collect();
        lines.dedup();
        if lines.len() > FUNCTION_LINES_MAX && !file.attributes_above(name.line).contains("clippy::too_many_lines") {
            let why = format!("{} has {} lines: split it, {FUNCTION_LINES_MAX} are the most", name.text, lines.len());
            found.push((name.line, why));
        }
    }
    found
}

/// An error says what happened in its variant, not in a text that nobody can match on.
fn error_strings(file: &File) -> Vec<(usize, String)> {
    let tokens = &file.tokens;
    let enums =
        tokens.windows(2).enumerate().filter(|(_, two)| two[0].text == "enum" && two[1].text.ends_with("Error"));
    let mut found = Vec::new();
    for (start, two) in enums {
        let item = &tokens[start..item_end(tokens, start)];
        for four in
            item.windows(4).filter(|four| four[1].text == "(" && four[2].text == "String" && four[3].text == ")")
        {
            let why = format!("{}::{}(String): name what is in the text, with fields", two[1].text, four[0].text);
            found.push((four[0].line, why));
        }
    }
    found
}

/// The lines of the violations of a text, for the tests of the rules.
fn told(path: &str, text: &str) -> Vec<String> {
    violations(&File::new(path, &format!("//! What this file is for, in a sentence.\n{text}"), false))
}

#[test]
fn upper_floors_are_found_however_they_are_written() {
    for text in [
        "use crate::actor::Registry;",
        "use crate::{types::Timestamp, actor};",
        "use crate::{\n    types::{Timestamp, UserKey},\n    actor::{self, Registry},\n};",
        "fn f() { crate::actor::wake(); }",
        "use super::super::actor;",
        "mod inner { use super::super::super::actor::x; }",
        "use crate::journal; // the same floor would do as well: queue is below",
    ] {
        let found = told("src/queue/decide.rs", text);
        assert!(found.len() == 1 && found[0].contains("queue (floor 2) uses"), "{text}: {found:?}");
    }
    for text in [
        "use crate::types::Timestamp;\nuse super::event::{actor, journal};\nuse crate::queue::x;",
        "// use crate::actor\n/* crate::actor /* nested */ */\nconst X: &str = \"crate::actor\";",
        "const X: &str = r#\"use crate::actor;\"#; const Y: char = '\"'; const Z: &str = \"//\"; fn f<'a>(x: &'a str) {}",
        "mod inner { use super::super::actor::x; }",
    ] {
        assert_eq!(told("src/queue/decide.rs", text), Vec::<String>::new(), "{text}");
    }
    assert!(told("src/attic/mod.rs", "")[0].contains("module attic has no floor"));
    assert!(told("src/sip/x.rs", "use crate::cpim;").len() == 1, "modules on one floor do not know each other");
}

#[test]
fn the_outside_is_found_on_pure_floors_but_not_in_their_tests() {
    for text in ["use std::time::Instant;\nfn f() { Instant::now(); }", "use tokio::sync::mpsc;", "use std::fs::read;"]
    {
        assert_eq!(told("src/queue/state.rs", text).len(), if text.contains("fs") { 2 } else { 1 }, "{text}");
        assert_eq!(told("src/queue/state.rs", &format!("#[cfg(test)]\nmod tests {{ {text} }}")), Vec::<String>::new());
        assert_eq!(told("src/net/udp.rs", text), Vec::<String>::new());
    }
    assert_eq!(told("src/sip/x.rs", "use std::net::SocketAddr; fn file(instant: Instant) {}"), Vec::<String>::new());
}

#[test]
fn libraries_stay_where_they_are_kept() {
    assert_eq!(told("src/journal/memory.rs", "use rocksdb::DB;").len(), 1);
    assert_eq!(told("src/journal/rocks/keys.rs", "use rocksdb::DB;"), Vec::<String>::new());
    assert_eq!(told("src/app/mod.rs", "fn f() { actix_rt::System::new(); }").len(), 1);
    assert_eq!(told("src/policy/mod.rs", "mod engine; // wasmtime"), Vec::<String>::new());
}

#[test]
fn long_files_and_functions_are_found_without_their_tests_and_comments() {
    let lines = |n: usize| "    f();\n".repeat(n);
    assert_eq!(
        told("src/pf/x.rs", &format!("fn long() {{\n{}}}", lines(71))),
        ["src/pf/x.rs:2: long has 71 lines: split it, 70 are the most"]
    );
    assert_eq!(told("src/pf/x.rs", &format!("fn good() {{\n{}    // f();\n\n}}", lines(70))), Vec::<String>::new());
    let table =
        format!("#[expect(clippy::too_many_lines, reason = \"a table\")]\npub const fn table() {{\n{}}}", lines(99));
    assert_eq!(told("src/pf/x.rs", &table), Vec::<String>::new());
    assert_eq!(told("src/pf/x.rs", &format!("#[test]\nfn story() {{\n{}}}", lines(600))), Vec::<String>::new());
    assert_eq!(told("src/pf/x.rs", &"const X: u8 = 1;\n".repeat(500)).len(), 1);
    assert_eq!(told("src/pf/x.rs", &"const X: u8 = 1;\n".repeat(499)), Vec::<String>::new());
}

#[test]
fn files_without_an_opening_sentence_and_errors_of_text_are_found() {
    let bare = |text: &str| violations(&File::new("src/pf/x.rs", text, false));
    assert_eq!(bare("use std::fmt;\n").len(), 1);
    assert_eq!(bare("//! Too short\n").len(), 1);
    assert_eq!(bare("//! A sentence that goes on\n//! in a second line.\n//!\n//! More\n"), Vec::<String>::new());
    let found = told(
        "src/pf/x.rs",
        "pub enum PfError {\n    Gone { user: String },\n    #[error(\"{0}\")]\n    Other(String),\n}",
    );
    assert_eq!(found, ["src/pf/x.rs:5: PfError::Other(String): name what is in the text, with fields"]);
}
