//! Reading Rust source as far as the rules of the house need it: tokens with their lines, and which of them are tests.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A word or a single sign; comments, strings and lifetimes are gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub text: String,
    /// From 1.
    pub line: usize,
    /// Inside an item under `#[cfg(test)]` or `#[test]`, or in a file of such.
    pub test: bool,
    /// How many `mod name { … }` it is inside of.
    pub depth: usize,
}

/// A source file.
#[derive(Debug)]
pub struct File {
    /// Relative to the package, with `/`.
    pub path: String,
    pub text: String,
    pub tokens: Vec<Token>,
    /// Reached by `#[cfg(test)] mod …;`.
    pub test: bool,
}

impl File {
    pub fn new(path: &str, text: &str, is_test: bool) -> Self {
        let mut tokens = lex(text);
        mark_tests(&mut tokens);
        mark_depth(&mut tokens);
        for token in &mut tokens {
            token.test |= is_test;
        }
        Self { path: path.to_owned(), text: text.to_owned(), tokens, test: is_test }
    }

    /// The module below `src` that this file belongs to; `None` for `lib.rs`.
    pub fn module(&self) -> Option<&str> {
        let inside = self.path.strip_prefix("src/")?;
        let name = inside.split('/').next()?;
        let name = name.strip_suffix(".rs").unwrap_or(name);
        (name != "lib").then_some(name)
    }

    /// How many `super` lead from here to the crate root.
    pub fn depth(&self) -> usize {
        let inside = self.path.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
        if inside == "lib" || inside == "main" { 0 } else { inside.split('/').count() }
    }

    /// Names of `mod name;`, with the file of a `#[path = "file"]`, and whether it is under `#[cfg(test)]`.
    fn declared(&self) -> Vec<(String, Option<String>, bool)> {
        self.tokens
            .windows(3)
            .filter(|three| three[0].text == "mod" && three[2].text == ";")
            .map(|three| (three[1].text.clone(), self.path_attribute(three[0].line), three[0].test))
            .collect()
    }

    fn path_attribute(&self, line: usize) -> Option<String> {
        let attributes = self.attributes_above(line);
        Some(attributes.split_once("#[path = \"")?.1.split_once('"')?.0.to_owned())
    }

    /// This line and the attributes and comments right above it.
    pub fn attributes_above(&self, line: usize) -> String {
        let lines: Vec<&str> = self.text.lines().take(line).collect();
        let is_above = |line: &&&str| line.trim_start().starts_with("#[") || line.trim_start().starts_with("//");
        let above = lines.iter().rev().skip(1).take_while(is_above);
        lines.last().into_iter().chain(above).copied().collect::<Vec<_>>().join("\n")
    }
}

/// Every file reached from the crate's roots, and every `.rs` file below `src` that is not.
pub fn load(package: &Path) -> (Vec<File>, Vec<String>) {
    let mut files = Vec::new();
    for root in ["src/lib.rs", "src/main.rs"] {
        follow(package, Path::new(root), false, &mut files);
    }
    let reached: BTreeSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
    let mut all = Vec::new();
    list(package, Path::new("src"), &mut all);
    let dead = all.into_iter().filter(|path| !reached.contains(path.as_str())).collect();
    (files, dead)
}

fn follow(package: &Path, path: &Path, is_test: bool, files: &mut Vec<File>) {
    let Ok(text) = std::fs::read_to_string(package.join(path)) else { return };
    let file = File::new(&path.to_string_lossy(), &text, is_test);
    let stem = path.file_stem().unwrap_or_default();
    let is_root = stem == "lib" || stem == "main" || stem == "mod";
    let below: PathBuf = if is_root { path.with_file_name("") } else { path.with_extension("") };
    let declared = file.declared();
    files.push(file);
    for (name, named_path, under_test) in declared {
        let flat = below.join(format!("{name}.rs"));
        let nested = below.join(&name).join("mod.rs");
        let next = match named_path {
            Some(named) => path.with_file_name(named),
            None if package.join(&flat).exists() => flat,
            None => nested,
        };
        follow(package, &next, is_test || under_test, files);
    }
}

fn list(package: &Path, folder: &Path, found: &mut Vec<String>) {
    let entries = std::fs::read_dir(package.join(folder)).into_iter().flatten().flatten();
    for entry in entries {
        let path = folder.join(entry.file_name());
        if package.join(&path).is_dir() {
            list(package, &path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path.to_string_lossy().into_owned());
        }
    }
    found.sort();
}

/// Words, numbers and single signs with their lines.
pub fn lex(text: &str) -> Vec<Token> {
    let bytes = text.as_bytes();
    let (mut tokens, mut at, mut line) = (Vec::new(), 0, 1);
    while at < bytes.len() {
        let rest = &text[at..];
        let length = match bytes[at] {
            b'/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            b'/' if rest.starts_with("/*") => block_comment(rest),
            b'"' => quoted(rest, 1),
            b'\'' => char_or_lifetime(rest),
            _ => match string_prefix(rest) {
                Some(length) => length,
                None => word(rest, line, &mut tokens),
            },
        };
        line += text[at..at + length].matches('\n').count();
        at += length;
    }
    tokens
}

/// Pushes the word or sign at the start and tells its length; white space is only skipped.
fn word(rest: &str, line: usize, tokens: &mut Vec<Token>) -> usize {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
    let length = length.max(rest.chars().next().map_or(1, char::len_utf8));
    let text = &rest[..length];
    if !text.trim().is_empty() {
        tokens.push(Token { text: text.to_owned(), line, test: false, depth: 0 });
    }
    length
}

fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        let here = &rest.as_bytes()[at..];
        match here {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

/// The length of a quoted text whose quote ends at `start`.
fn quoted(rest: &str, start: usize) -> usize {
    let bytes = rest.as_bytes();
    let mut at = start;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// The length of `b"…"`, `c"…"`, `b'…'`, `r"…"`, `r#"…"#`, `br#"…"#`, if there is one.
fn string_prefix(rest: &str) -> Option<usize> {
    let prefix = ["br", "cr", "b", "c", "r"].into_iter().find(|prefix| {
        rest.strip_prefix(prefix).is_some_and(|after| {
            let marked = after.trim_start_matches('#').starts_with('"');
            after.starts_with('"') || (prefix.ends_with('r') && marked) || (*prefix == "b" && after.starts_with('\''))
        })
    })?;
    let after = &rest[prefix.len()..];
    if after.starts_with('\'') {
        return Some(prefix.len() + char_or_lifetime(after));
    }
    if !prefix.ends_with('r') {
        return Some(quoted(rest, prefix.len() + 1));
    }
    let marks = after.len() - after.trim_start_matches('#').len();
    let end = format!("\"{}", "#".repeat(marks));
    let start = prefix.len() + marks + 1;
    Some(rest[start..].find(&end).map_or(rest.len(), |found| start + found + end.len()))
}

fn char_or_lifetime(rest: &str) -> usize {
    let mut chars = rest.char_indices().skip(1);
    match chars.next() {
        Some((_, '\\')) => rest[3.min(rest.len())..].find('\'').map_or(rest.len(), |found| found + 4),
        Some((at, c)) if rest[at + c.len_utf8()..].starts_with('\'') => at + c.len_utf8() + 1,
        _ => 1 + rest[1..].find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len() - 1),
    }
}

/// The index after the item that begins at `start`: after its `;`, or after its closing brace.
pub fn item_end(tokens: &[Token], start: usize) -> usize {
    let mut open = 0usize;
    for (index, token) in tokens.iter().enumerate().skip(start) {
        match token.text.as_str() {
            "{" | "(" | "[" => open += 1,
            "}" | ")" | "]" => {
                open = open.saturating_sub(1);
                if open == 0 && token.text == "}" {
                    return index + 1;
                }
            }
            ";" if open == 0 => return index + 1,
            _ => {}
        }
    }
    tokens.len()
}

fn mark_tests(tokens: &mut [Token]) {
    let mut at = 0;
    while at < tokens.len() {
        let attribute: String = tokens[at..].iter().take(7).map(|token| token.text.as_str()).collect();
        if attribute.starts_with("#[cfg(test)]")
            || attribute.starts_with("#[test]")
            || attribute.starts_with("#[cfg(all(test")
        {
            let end = item_end(tokens, after_attributes(tokens, at));
            for token in &mut tokens[at..end] {
                token.test = true;
            }
            at = end;
        } else {
            at += 1;
        }
    }
}

/// The index after the attributes that begin at `at`.
fn after_attributes(tokens: &[Token], mut at: usize) -> usize {
    while tokens.get(at).is_some_and(|token| token.text == "#") {
        let mut open = 0usize;
        at += 1;
        while let Some(token) = tokens.get(at) {
            at += 1;
            match token.text.as_str() {
                "[" => open += 1,
                "]" if open == 1 => break,
                "]" => open -= 1,
                _ => {}
            }
        }
    }
    at
}

fn mark_depth(tokens: &mut [Token]) {
    let mut at = 0;
    while at + 2 < tokens.len() {
        if tokens[at].text == "mod" && tokens[at + 2].text == "{" {
            let end = item_end(tokens, at);
            for token in &mut tokens[at + 2..end] {
                token.depth += 1;
            }
        }
        at += 1;
    }
}
