//! Settings from JSON, as far as settings go: a reader of its own, a few kilobytes.
//!
//! The server has checked the settings against the policy's schema when they come here; the errors are for those who bind
//! the policy without one.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// Objects and lists inside of each other.
const DEPTH_MAX: usize = 16;

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    Null,
    Flag(bool),
    /// As it is written: [`Json::integer`] reads it.
    Number(String),
    Text(String),
    List(Vec<Json>),
    Object(Object),
}

/// A JSON object; the last one of two members with the same name counts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Object(Vec<(String, Json)>);

impl Object {
    /// Reads the settings; no text at all is `{}`.
    ///
    /// # Errors
    /// Where the text is no JSON, or that it is no object.
    pub fn read(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        match Json::read(text)? {
            Json::Object(object) => Ok(object),
            _ => Err("the settings must be a JSON object".to_owned()),
        }
    }

    /// The member of this name.
    pub fn get(&self, name: &str) -> Option<&Json> {
        self.0.iter().rev().find(|(found, _)| found == name).map(|(_, value)| value)
    }

    /// All names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// A text.
    ///
    /// # Errors
    /// It is there, and something else.
    pub fn text(&self, name: &str) -> Result<Option<&str>, String> {
        self.member(name, "a text", |value| match value {
            Json::Text(text) => Some(text.as_str()),
            _ => None,
        })
    }

    /// A whole number.
    ///
    /// # Errors
    /// It is there, and something else.
    pub fn integer(&self, name: &str) -> Result<Option<i64>, String> {
        self.member(name, "a whole number", Json::integer)
    }

    /// `true` or `false`.
    ///
    /// # Errors
    /// It is there, and something else.
    pub fn flag(&self, name: &str) -> Result<Option<bool>, String> {
        self.member(name, "true or false", |value| match value {
            Json::Flag(flag) => Some(*flag),
            _ => None,
        })
    }

    /// A list of texts.
    ///
    /// # Errors
    /// It is there, and something else.
    pub fn texts(&self, name: &str) -> Result<Option<Vec<&str>>, String> {
        self.member(name, "a list of texts", |value| match value {
            Json::List(list) => list
                .iter()
                .map(|value| match value {
                    Json::Text(text) => Some(text.as_str()),
                    _ => None,
                })
                .collect(),
            _ => None,
        })
    }

    /// An object.
    ///
    /// # Errors
    /// It is there, and something else.
    pub fn object(&self, name: &str) -> Result<Option<&Object>, String> {
        self.member(name, "an object", |value| match value {
            Json::Object(object) => Some(object),
            _ => None,
        })
    }

    /// `null` is as good as nothing.
    fn member<'o, T>(
        &'o self,
        name: &str,
        what: &str,
        read: impl FnOnce(&'o Json) -> Option<T>,
    ) -> Result<Option<T>, String> {
        match self.get(name) {
            None | Some(Json::Null) => Ok(None),
            Some(value) => read(value).map(Some).ok_or_else(|| format!("'{name}' must be {what}")),
        }
    }
}

impl Json {
    /// Reads a JSON text (RFC 8259).
    ///
    /// # Errors
    /// What is wrong, and at which octet.
    pub fn read(text: &str) -> Result<Self, String> {
        let mut reader = Reader { text, at: 0 };
        let value = reader.value(0)?;
        reader.space();
        if reader.at == text.len() { Ok(value) } else { Err(reader.wrong("nothing more")) }
    }

    /// The number, if it is whole and fits. How it is written does not matter, as to JSON Schema: `5.0` is 5.
    pub fn integer(&self) -> Option<i64> {
        match self {
            Json::Number(text) => whole(text),
            _ => None,
        }
    }
}

/// A number of JSON that is whole, such as `5`, `5.0`, `0.5e1` or `50e-1`.
fn whole(text: &str) -> Option<i64> {
    let (number, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (before, after) = number.split_once('.').unwrap_or((number, ""));
    let after = after.trim_end_matches('0');
    let digits: i64 = format!("{before}{after}").parse().ok()?;
    if digits == 0 {
        return Some(0);
    }
    let exponent = exponent.parse::<i32>().ok()?.checked_sub(i32::try_from(after.len()).ok()?)?;
    let power = 10_i64.checked_pow(exponent.unsigned_abs())?;
    if exponent >= 0 { digits.checked_mul(power) } else { (digits % power == 0).then(|| digits / power) }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl Reader<'_> {
    fn wrong(&self, expected: &str) -> String {
        format!("the settings are no JSON: {expected} was expected at octet {}", self.at)
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, octet: u8) -> bool {
        let there = self.peek() == Some(octet);
        self.at += usize::from(there);
        there
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn value(&mut self, depth: usize) -> Result<Json, String> {
        if depth > DEPTH_MAX {
            return Err(self.wrong("less depth"));
        }
        self.space();
        match self.peek() {
            Some(b'{') => self.object(depth).map(Json::Object),
            Some(b'[') => self.list(depth).map(Json::List),
            Some(b'"') => self.string().map(Json::Text),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => self.word(),
        }
    }

    fn word(&mut self) -> Result<Json, String> {
        for (word, value) in [("true", Json::Flag(true)), ("false", Json::Flag(false)), ("null", Json::Null)] {
            if self.text[self.at..].starts_with(word) {
                self.at += word.len();
                return Ok(value);
            }
        }
        Err(self.wrong("a value"))
    }

    fn object(&mut self, depth: usize) -> Result<Object, String> {
        let mut members = Vec::new();
        self.at += 1;
        self.space();
        if self.take(b'}') {
            return Ok(Object(members));
        }
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                return Err(self.wrong("a name"));
            }
            let name = self.string()?;
            self.space();
            if !self.take(b':') {
                return Err(self.wrong("a colon"));
            }
            members.push((name, self.value(depth + 1)?));
            self.space();
            if self.take(b'}') {
                return Ok(Object(members));
            }
            if !self.take(b',') {
                return Err(self.wrong("a comma or }"));
            }
        }
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Json>, String> {
        let mut values = Vec::new();
        self.at += 1;
        self.space();
        if self.take(b']') {
            return Ok(values);
        }
        loop {
            values.push(self.value(depth + 1)?);
            self.space();
            if self.take(b']') {
                return Ok(values);
            }
            if !self.take(b',') {
                return Err(self.wrong("a comma or ]"));
            }
        }
    }

    fn digits(&mut self) -> bool {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at > start
    }

    fn number(&mut self) -> Result<Json, String> {
        let start = self.at;
        self.take(b'-');
        let whole = if self.take(b'0') { true } else { self.digits() };
        let fraction = !self.take(b'.') || self.digits();
        let exponent = if self.take(b'e') || self.take(b'E') {
            let _ = self.take(b'+') || self.take(b'-');
            self.digits()
        } else {
            true
        };
        if whole && fraction && exponent {
            Ok(Json::Number(self.text[start..self.at].to_owned()))
        } else {
            Err(self.wrong("a digit"))
        }
    }

    fn string(&mut self) -> Result<String, String> {
        let mut read = String::new();
        self.at += 1;
        loop {
            let start = self.at;
            while !matches!(self.peek(), None | Some(b'"' | b'\\' | 0..0x20)) {
                self.at += 1;
            }
            // Only ASCII ends a run, so it ends between characters.
            read.push_str(&self.text[start..self.at]);
            if self.take(b'"') {
                return Ok(read);
            }
            if !self.take(b'\\') {
                return Err(self.wrong("the end of a text"));
            }
            read.push(self.escaped()?);
        }
    }

    fn escaped(&mut self) -> Result<char, String> {
        let octet = self.peek().unwrap_or_default();
        let plain = match octet {
            b'"' | b'\\' | b'/' => char::from(octet),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                self.at += 1;
                return self.unicode();
            }
            _ => return Err(self.wrong("an escape")),
        };
        self.at += 1;
        Ok(plain)
    }

    /// Four digits after `\u`, or twice four for what is beyond the first 65536 characters.
    fn unicode(&mut self) -> Result<char, String> {
        let first = self.four()?;
        let code = if (0xd800..0xdc00).contains(&first) && self.take(b'\\') && self.take(b'u') {
            let second = self.four()?;
            if !(0xdc00..0xe000).contains(&second) {
                return Err(self.wrong("the second half of a character"));
            }
            0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)
        } else {
            first
        };
        char::from_u32(code).ok_or_else(|| self.wrong("a whole character"))
    }

    fn four(&mut self) -> Result<u32, String> {
        let digits = self.text.as_bytes().get(self.at..self.at + 4).unwrap_or_default();
        let digit = |code: u32, octet: &u8| Some(code << 4 | char::from(*octet).to_digit(16)?);
        let code = digits.iter().try_fold(0, digit).filter(|_| digits.len() == 4);
        let code = code.ok_or_else(|| self.wrong("four hexadecimal digits"))?;
        self.at += 4;
        Ok(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use alloc::vec;

    #[test]
    fn settings_are_read() {
        let text = r#" { "from": "22:00", "n": -12, "x": 1.5, "on": true, "who": ["a", "\u00e4\ud83d\ude00\n\""], "no": null, "o": {"k": []} } "#;
        let settings = Object::read(text).unwrap();
        assert_eq!(settings.text("from"), Ok(Some("22:00")));
        assert_eq!(settings.integer("n"), Ok(Some(-12)));
        assert_eq!(settings.flag("on"), Ok(Some(true)));
        assert_eq!(settings.texts("who"), Ok(Some(vec!["a", "ä😀\n\""])));
        assert_eq!((settings.text("no"), settings.text("absent")), (Ok(None), Ok(None)));
        assert_eq!(settings.object("o").unwrap().unwrap().texts("k"), Ok(Some(vec![])));
        assert_eq!(settings.integer("x").unwrap_err(), "'x' must be a whole number");
        assert_eq!(settings.texts("from").unwrap_err(), "'from' must be a list of texts");
        assert_eq!(settings.names().count(), 7);
        assert_eq!(Object::read("{\"a\":1,\"a\":2}").unwrap().integer("a"), Ok(Some(2)), "the last one counts");
        assert_eq!(Object::read("").unwrap(), Object::default());
    }

    #[test]
    fn a_whole_number_is_one_however_it_is_written() {
        for (text, number) in [
            ("5", 5),
            ("5.0", 5),
            ("-5.00", -5),
            ("1.5e3", 1500),
            ("50E-1", 5),
            ("0.5e+1", 5),
            ("-0.0", 0),
            ("0e999", 0),
            ("9223372036854775807", i64::MAX),
            ("-9223372036854775808.0", i64::MIN),
        ] {
            assert_eq!(Json::read(text).unwrap().integer(), Some(number), "{text}");
        }
        for text in ["5.5", "1e-1", "15e-1", "1e19", "1e999999999999", "1e-2147483648", "9223372036854775808", "\"5\""]
        {
            assert_eq!(Json::read(text).unwrap().integer(), None, "{text}");
        }
    }

    #[test]
    fn what_is_no_json_is_refused_with_its_place() {
        for text in [
            "{",
            "}",
            "[",
            "{]",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "[1,]",
            "nul",
            "01",
            "-",
            "1.",
            "1e",
            "\"",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\ud800\"",
            "\"\\ud800\\u0041\"",
            "\"\\udc00\"",
            "\"\n\"",
            "1 2",
            "'a'",
            "é",
            "\"\\u00é\"",
            "\"\\",
        ] {
            let error = Json::read(text).unwrap_err();
            assert!(error.contains("at octet"), "{text}: {error}");
        }
        assert!(Json::read(&"[".repeat(100_000)).unwrap_err().contains("less depth"));
        assert_eq!(Object::read("[]").unwrap_err(), "the settings must be a JSON object");
        assert_eq!(
            Json::read("{\"a\" 1}").unwrap_err().to_string(),
            "the settings are no JSON: a colon was expected at octet 5"
        );
    }
}
