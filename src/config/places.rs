//! Where a key stands in the file, so that every problem can name its line.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Line and column, both from 1.
    File { name: String, line: usize, column: usize },
    /// A command line flag, with its dashes.
    Flag(&'static str),
    /// Neither, so the default holds; `file` is empty if there is none.
    Unset { file: String },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { name, line, column } => write!(f, "{name}:{line}:{column}"),
            Self::Flag(flag) => f.write_str(flag),
            Self::Unset { file } if file.is_empty() => f.write_str("default"),
            Self::Unset { file } => f.write_str(file),
        }
    }
}

/// The place of every key of a file, by its path (`sip.listen[0]`, `realms."ims.test".digest`).
#[derive(Debug, Default)]
pub(super) struct Places {
    name: String,
    text: String,
    starts: BTreeMap<String, usize>,
    flags: BTreeMap<String, &'static str>,
}

impl Places {
    pub(super) fn of_file(name: &str, text: &str, root: &DeTable<'_>) -> Self {
        let mut starts = BTreeMap::new();
        collect("", root, &mut starts);
        Self { name: name.to_owned(), text: text.to_owned(), starts, flags: BTreeMap::new() }
    }

    /// From now on this path and everything below it was set by a flag.
    pub(super) fn set_by_flag(&mut self, path: &str, flag: &'static str) {
        self.starts.retain(|known, _| !known.starts_with(path));
        self.flags.insert(path.to_owned(), flag);
    }

    /// The place of the key, or of the nearest key above it that has one.
    pub(super) fn of(&self, path: &str) -> Place {
        let mut path = path;
        loop {
            if let Some(flag) = self.flags.get(path) {
                return Place::Flag(flag);
            }
            if let Some(start) = self.starts.get(path) {
                return self.at(*start);
            }
            match path.rfind(['.', '[']) {
                Some(cut) => path = &path[..cut],
                None => return Place::Unset { file: self.name.clone() },
            }
        }
    }

    /// The place of an offset into the file.
    pub(super) fn at(&self, offset: usize) -> Place {
        at(&self.name, &self.text, offset)
    }
}

/// The place of an offset into a text.
pub(super) fn at(name: &str, text: &str, offset: usize) -> Place {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    Place::File { name: name.to_owned(), line, column }
}

/// `a.b`, with quotes where TOML wants them.
pub(super) fn join(path: &str, key: &str) -> String {
    let bare = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    let key = if bare { key.to_owned() } else { format!("{key:?}") };
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

fn collect(path: &str, table: &DeTable<'_>, starts: &mut BTreeMap<String, usize>) {
    for (key, value) in table {
        let path = join(path, key.get_ref());
        starts.insert(path.clone(), key.span().start);
        match value.get_ref() {
            DeValue::Table(inner) => collect(&path, inner, starts),
            DeValue::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    let path = format!("{path}[{index}]");
                    starts.insert(path.clone(), item.span().start);
                    if let DeValue::Table(inner) = item.get_ref() {
                        collect(&path, inner, starts);
                    }
                }
            }
            _ => {}
        }
    }
}

/// Takes the innermost key out of the table whose name or value covers `span`, and tells its path.
pub(super) fn take_out(table: &mut DeTable<'_>, span: &Range<usize>) -> Option<String> {
    take_out_below("", table, span)
}

fn take_out_below(path: &str, table: &mut DeTable<'_>, span: &Range<usize>) -> Option<String> {
    for (key, value) in &mut *table {
        if let DeValue::Table(inner) = value.get_mut()
            && let Some(found) = take_out_below(&join(path, key.get_ref()), inner, span)
        {
            return Some(found);
        }
    }
    let covers = |outer: Range<usize>| outer.start <= span.start && span.end <= outer.end;
    let key = table
        .iter()
        .find(|(key, value)| covers(key.span()) || covers(Spanned::span(value)))
        .map(|(key, _)| key.get_ref().to_string())?;
    table.remove(key.as_str());
    Some(join(path, &key))
}
