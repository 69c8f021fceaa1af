//! The parameter grammar that From, Contact, Via and many other headers share: `;name`, `;name=value`, `;name="va;lue"`.

use std::borrow::Cow;

/// A parameter list that breaks the grammar: an empty parameter, a stray character, an open quote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BadParam;

/// One parameter as written: the value keeps its quotes.
pub(super) type Param<'a> = (&'a str, Option<&'a str>);

/// Sets a parameter, in its place if it is there.
pub(super) fn set(params: &mut Vec<(String, Option<String>)>, name: &str, value: Option<&str>) {
    let value = value.map(str::to_owned);
    match params.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
        Some(param) => param.1 = value,
        None => params.push((name.to_owned(), value)),
    }
}

/// Reads parameters one by one; the text begins at the first `;` (white space around every part is allowed).
pub(super) struct Params<'a>(&'a str);

impl<'a> Params<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self(text)
    }

    fn step(&mut self) -> Result<Option<Param<'a>>, BadParam> {
        let text = trim_start(self.0);
        if text.is_empty() {
            return Ok(None);
        }
        let text = trim_start(text.strip_prefix(';').ok_or(BadParam)?);
        let end = text.bytes().position(|b| b == b'=' || ends_value(b)).unwrap_or(text.len());
        let (name, text) = text.split_at(end);
        if name.is_empty() {
            return Err(BadParam);
        }
        let after = trim_start(text);
        let Some(value) = after.strip_prefix('=') else {
            self.0 = after;
            return Ok(Some((name, None)));
        };
        let value = trim_start(value);
        let end = if value.starts_with('"') {
            quoted_end(value).ok_or(BadParam)?
        } else {
            value.bytes().position(ends_value).unwrap_or(value.len())
        };
        let (value, rest) = value.split_at(end);
        self.0 = rest;
        Ok(Some((name, Some(value))))
    }
}

impl<'a> Iterator for Params<'a> {
    type Item = Result<Param<'a>, BadParam>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step();
        if step.is_err() {
            self.0 = "";
        }
        step.transpose()
    }
}

/// What cannot stand in a name or an unquoted value.
const fn ends_value(byte: u8) -> bool {
    matches!(byte, b';' | b'"' | b'<' | b'>' | b',' | b' ' | b'\t')
}

/// Where the quoted string at the beginning of `text` ends, just past its closing quote.
pub(super) fn quoted_end(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// The value without its quotes and escapes; a value that is not quoted is itself.
pub(super) fn unquoted(value: &str) -> Cow<'_, str> {
    let Some(inner) = value.strip_prefix('"').map(|rest| rest.strip_suffix('"').unwrap_or(rest)) else {
        return Cow::Borrowed(value);
    };
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    let mut text = String::with_capacity(inner.len());
    let mut escaped = false;
    for c in inner.chars() {
        if c == '\\' && !escaped {
            escaped = true;
        } else {
            text.push(c);
            escaped = false;
        }
    }
    Cow::Owned(text)
}

/// The text as a quoted string; line ends, which no escape can carry (RFC 3261 section 25.1), become spaces.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\r' | '\n' => out.push(' '),
            _ => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Writes `;name` or `;name=value` for each.
pub(super) fn write(f: &mut std::fmt::Formatter<'_>, params: &[(String, Option<String>)]) -> std::fmt::Result {
    for (name, value) in params {
        match value {
            Some(value) => write!(f, ";{name}={value}")?,
            None => write!(f, ";{name}")?,
        }
    }
    Ok(())
}

/// Without the white space a header value may begin with.
pub(super) fn trim_start(text: &str) -> &str {
    text.trim_start_matches([' ', '\t'])
}

/// Without the white space around a header value.
pub(super) fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}
