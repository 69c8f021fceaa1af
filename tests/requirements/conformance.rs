//! The table of all requirements in `docs/conformance.md`: made of `tests/conformance.txt` and of the tests' names.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The page, from the root.
pub const PAGE: &str = "docs/conformance.md";
const SOURCE: &str = "tests/conformance.txt";

const HEAD: &str = "\
# Conformance

Every statement of chapter 8.3.2.3 of OMA's *CPM Conversation Functions*, and of the reasons of the change request that
belong to it: where the code does it, which tests show it, and how it is read where the text leaves a choice (I-nn:
[design.md](design.md#readings-of-the-standard)). This page is made by a test, which fails if a place does not exist any
more, or if a test has come or gone: `RESTANTE_CONFORMANCE=write cargo test --test requirements`. What is written by hand
is in `tests/conformance.txt`.
";

/// One line of the source.
pub struct Fact {
    pub id: String,
    statement: String,
    places: Vec<(String, String)>,
    remark: String,
}

/// The facts, under the headings that they stand under.
pub type Chapters = Vec<(String, Vec<Fact>)>;

/// Reads the source.
pub fn read(root: &Path) -> Chapters {
    let text = fs::read_to_string(root.join(SOURCE)).unwrap_or_else(|error| panic!("{SOURCE}: {error}"));
    let mut chapters = Chapters::new();
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        if let Some(heading) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            chapters.push((heading.to_owned(), Vec::new()));
            continue;
        }
        let (_, facts) = chapters.last_mut().unwrap_or_else(|| panic!("{SOURCE}: '{line}' stands before any heading"));
        facts.push(fact(line));
    }
    chapters
}

fn fact(line: &str) -> Fact {
    let columns: Vec<&str> = line.split('|').map(str::trim).collect();
    let [id, statement, places, remark] = columns[..] else {
        panic!("{SOURCE}: '{line}' has not the form: ID | statement | places | remark");
    };
    let place = |place: &str| {
        let (file, item) =
            place.split_once(": ").unwrap_or_else(|| panic!("{SOURCE}: {id}: '{place}' is not FILE: ITEM"));
        (file.trim().to_owned(), item.trim().to_owned())
    };
    let places = places.split(';').filter(|place| !place.trim().is_empty()).map(place).collect();
    Fact { id: id.to_owned(), statement: statement.to_owned(), places, remark: remark.to_owned() }
}

/// Code places that are not there.
pub fn missing_places(root: &Path, chapters: &Chapters) -> Vec<String> {
    let facts = chapters.iter().flat_map(|(_, facts)| facts);
    let places = facts.flat_map(|fact| fact.places.iter().map(move |place| (&fact.id, place)));
    let missing = places
        .filter(|(_, (file, item))| fs::read_to_string(root.join(file)).map_or(true, |text| !declares(&text, item)));
    missing.map(|(id, (file, item))| format!("{SOURCE}: {id}: there is no {item} in {file}")).collect()
}

fn declares(text: &str, item: &str) -> bool {
    ["fn", "struct", "enum", "trait", "const", "static", "type"].iter().any(|keyword| {
        let declaration = format!("{keyword} {item}");
        text.match_indices(&declaration).any(|(at, found)| {
            let is_part = |c: char| c.is_alphanumeric() || c == '_';
            !text[..at].ends_with(is_part) && !text[at + found.len()..].starts_with(is_part)
        })
    })
}

/// The whole page. `tests`: names by ID, each with its file; `pending`: the issue that brings an ID.
pub fn page(
    chapters: &Chapters,
    tests: &BTreeMap<String, Vec<(String, String)>>,
    pending: &BTreeMap<String, String>,
) -> String {
    let all: Vec<&Fact> = chapters.iter().flat_map(|(_, facts)| facts).collect();
    let done = all.iter().filter(|fact| tests.contains_key(&fact.id)).count();
    let mut page = format!("{HEAD}\n{} statements: {done} done, {} to come.\n", all.len(), all.len() - done);
    for (heading, facts) in chapters {
        let head = "| ID | statement | code | tests | reading, remark | state |";
        page.extend(["\n## ", heading, "\n\n", head, "\n"]);
        page += "|---|---|---|---|---|---|\n";
        for fact in facts {
            let named = tests.get(&fact.id).map(Vec::as_slice).unwrap_or_default();
            let state = match pending.get(&fact.id) {
                _ if !named.is_empty() => "done".to_owned(),
                Some(issue) => format!("issue {issue}"),
                None => "no test".to_owned(),
            };
            let (id, statement) = (&fact.id, &fact.statement);
            let (code, shown) = (by_file(&fact.places), by_file(named));
            page.extend([
                "| ",
                [id, statement, &code, &shown, &fact.remark, &state].map(String::as_str).join(" | ").as_str(),
                " |\n",
            ]);
        }
    }
    page
}

/// `file`: item, item; each file once.
fn by_file(places: &[(String, String)]) -> String {
    let mut files: Vec<(&str, Vec<String>)> = Vec::new();
    for (file, item) in places {
        let item = format!("`{item}`");
        match files.iter_mut().find(|(known, _)| known == file) {
            Some((_, items)) => items.push(item),
            None => files.push((file, vec![item])),
        }
    }
    let shown = |(file, items): &(&str, Vec<String>)| {
        let name = file.strip_prefix("src/").unwrap_or(file);
        format!("[{name}](../{file}): {}", items.join(", "))
    };
    files.iter().map(shown).collect::<Vec<_>>().join("<br>")
}
