//! What an IMAP server says (RFC 3501 section 7), octets in and responses out: only as much of it as we ask for, bounded.

use bytes::{Buf as _, BytesMut};

/// Longest response with its literals, octets: a list of 150,000 UIDs.
const RESPONSE_BYTES_MAX: usize = 1 << 20;
/// Most words of a response.
const TOKENS_MAX: usize = 200_000;

/// Why octets are no response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WireError {
    TooLong,
    Grammar,
}

/// One response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Response {
    /// `+ …`: go on.
    Continue,
    /// The end of the command with this tag.
    Done { tag: String, condition: Condition, code: Code },
    /// An untagged status.
    Status { condition: Condition, code: Code },
    /// Any other untagged response, word by word.
    Data(Vec<Token>),
}

/// How a command ended, or what state the server is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    Ok,
    No,
    Bad,
    Bye,
    PreAuth,
}

/// A response code in brackets: its name in upper case and what follows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Code {
    pub name: String,
    pub values: Vec<String>,
}

/// A word of a response. Lists are not nested here: their brackets are words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Atom(Vec<u8>),
    /// A quoted string or a literal.
    Text(Vec<u8>),
    Open,
    Close,
}

impl Token {
    /// Whether this is the atom of this name; names ignore case.
    pub fn is(&self, name: &str) -> bool {
        matches!(self, Self::Atom(atom) if atom.eq_ignore_ascii_case(name.as_bytes()))
    }

    pub fn number(&self) -> Option<u32> {
        let Self::Atom(atom) = self else { return None };
        std::str::from_utf8(atom).ok()?.parse().ok()
    }
}

/// The octets that have come and are no response yet.
#[derive(Debug, Default)]
pub(super) struct Reader {
    buffer: BytesMut,
    /// How far the end of the response has been sought.
    sought: usize,
}

impl Reader {
    /// Where the next octets go.
    pub fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// Whether nothing is left over.
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// The next response, if all of it is there.
    pub fn next(&mut self) -> Result<Option<Response>, WireError> {
        let Some(length) = self.end()? else { return Ok(None) };
        let octets = self.buffer.split_to(length);
        self.sought = 0;
        read(&octets).map(Some)
    }

    /// The length of the first response: up to the first end of line that no literal follows.
    fn end(&mut self) -> Result<Option<usize>, WireError> {
        loop {
            let found = self.buffer.get(self.sought..).and_then(|rest| memchr::memchr(b'\n', rest));
            let Some(found) = found else {
                let waiting = self.buffer.len().max(self.sought);
                return if waiting > RESPONSE_BYTES_MAX { Err(WireError::TooLong) } else { Ok(None) };
            };
            let line_end = self.sought + found + 1;
            let line = self.buffer[self.sought..line_end].trim_ascii_end();
            let is_first = self.sought == 0;
            match literal(line).filter(|_| !(is_first && is_for_people(line))) {
                Some(octets) => self.sought = line_end.saturating_add(octets),
                None => return Ok(Some(line_end)),
            }
            if self.sought > RESPONSE_BYTES_MAX {
                return Err(WireError::TooLong);
            }
        }
    }
}

/// The octets of the literal that follows this line.
fn literal(line: &[u8]) -> Option<usize> {
    let open = line.strip_suffix(b"}")?;
    let digits = &open[memchr::memrchr(b'{', open)? + 1..];
    (!digits.is_empty() && digits.iter().all(u8::is_ascii_digit))
        .then(|| std::str::from_utf8(digits).ok()?.parse().ok())
        .flatten()
}

/// Whether the line ends in free text, which may end in anything.
fn is_for_people(line: &[u8]) -> bool {
    let mut words = line.split(|octet| *octet == b' ');
    words.next() == Some(b"+") || words.next().is_some_and(|word| condition(word).is_some())
}

fn condition(word: &[u8]) -> Option<Condition> {
    match word.to_ascii_uppercase().as_slice() {
        b"OK" => Some(Condition::Ok),
        b"NO" => Some(Condition::No),
        b"BAD" => Some(Condition::Bad),
        b"BYE" => Some(Condition::Bye),
        b"PREAUTH" => Some(Condition::PreAuth),
        _ => None,
    }
}

/// Reads a whole response.
fn read(octets: &[u8]) -> Result<Response, WireError> {
    let line = octets.trim_ascii_end();
    if line == b"+" || line.starts_with(b"+ ") {
        return Ok(Response::Continue);
    }
    let space = memchr::memchr(b' ', line).ok_or(WireError::Grammar)?;
    let (tag, rest) = (&line[..space], &line[space + 1..]);
    let (word, text) = rest.split_at(memchr::memchr(b' ', rest).unwrap_or(rest.len()));
    match (tag, condition(word)) {
        (b"*", Some(condition)) => Ok(Response::Status { condition, code: code(text) }),
        // The whole of it, for a literal may end in what looks like white space.
        (b"*", None) => tokens(&octets[space + 1..]).map(Response::Data),
        (_, Some(condition)) => {
            let tag = String::from_utf8(tag.to_vec()).map_err(|_| WireError::Grammar)?;
            Ok(Response::Done { tag, condition, code: code(text) })
        }
        (_, None) => Err(WireError::Grammar),
    }
}

/// `[APPENDUID 1 2] for people`; empty if there is none.
fn code(text: &[u8]) -> Code {
    let inside = text.trim_ascii_start().strip_prefix(b"[");
    let inside = inside.and_then(|rest| rest.get(..memchr::memchr(b']', rest)?)).unwrap_or_default();
    let mut words = inside.split(|octet| *octet == b' ').map(|word| String::from_utf8_lossy(word).into_owned());
    // It is told to operators, so it must not be what a server likes to put there.
    let name = words.next().unwrap_or_default().to_ascii_uppercase();
    let is_name = |name: &String| name.len() <= 32 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    Code { name: Some(name).filter(is_name).unwrap_or_default(), values: words.collect() }
}

fn tokens(mut rest: &[u8]) -> Result<Vec<Token>, WireError> {
    let mut tokens = Vec::new();
    while let Some(first) = rest.first() {
        if tokens.len() >= TOKENS_MAX {
            return Err(WireError::TooLong);
        }
        match first {
            b' ' | b'\r' | b'\n' => rest.advance(1),
            b'(' => {
                tokens.push(Token::Open);
                rest.advance(1);
            }
            b')' => {
                tokens.push(Token::Close);
                rest.advance(1);
            }
            b'"' => tokens.push(quoted(&mut rest)?),
            b'{' => tokens.push(counted(&mut rest)?),
            _ => {
                let ends = |octet: &u8| matches!(octet, b' ' | b'(' | b')' | b'"' | b'{' | b'\r' | b'\n');
                let (atom, after) = rest.split_at(rest.iter().position(ends).unwrap_or(rest.len()));
                tokens.push(Token::Atom(atom.to_vec()));
                rest = after;
            }
        }
    }
    Ok(tokens)
}

fn quoted(rest: &mut &[u8]) -> Result<Token, WireError> {
    let mut text = Vec::new();
    rest.advance(1);
    loop {
        match rest {
            [b'"', after @ ..] => {
                *rest = after;
                return Ok(Token::Text(text));
            }
            [b'\\', escaped, after @ ..] => {
                text.push(*escaped);
                *rest = after;
            }
            [octet, after @ ..] if !matches!(octet, b'\r' | b'\n') => {
                text.push(*octet);
                *rest = after;
            }
            _ => return Err(WireError::Grammar),
        }
    }
}

fn counted(rest: &mut &[u8]) -> Result<Token, WireError> {
    let line_end = memchr::memchr(b'\n', rest).ok_or(WireError::Grammar)?;
    let length = literal(rest[..line_end].trim_ascii_end()).ok_or(WireError::Grammar)?;
    rest.advance(line_end + 1);
    let (text, after) = rest.split_at_checked(length).ok_or(WireError::Grammar)?;
    *rest = after;
    Ok(Token::Text(text.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(octets: &[u8]) -> Result<Vec<Response>, WireError> {
        let mut reader = Reader::default();
        reader.buffer().extend_from_slice(octets);
        let mut found = Vec::new();
        while let Some(response) = reader.next()? {
            found.push(response);
        }
        Ok(found)
    }

    #[test]
    fn appenduid_reaches_us_as_in_wx_15() {
        let said = all(b"+ Ready for literal data\r\na1 OK [APPENDUID 1267520047 42] APPEND completed\r\n").unwrap();
        let code = Code { name: "APPENDUID".into(), values: vec!["1267520047".into(), "42".into()] };
        assert_eq!(said, [Response::Continue, Response::Done { tag: "a1".into(), condition: Condition::Ok, code }]);
    }

    #[test]
    fn literals_are_taken_by_their_length_however_they_arrive() {
        let octets = b"* 7 FETCH (UID 42 BODY[HEADER.FIELDS (FROM)] {9}\r\nFrom: )\r\n FLAGS (\\Seen \"a\\\"{3}\"))\r\n* 3 EXISTS\r\n";
        let whole = all(octets).unwrap();
        assert_eq!(whole.len(), 2);
        let Response::Data(tokens) = &whole[0] else { panic!("{whole:?}") };
        assert!(tokens.contains(&Token::Text(b"From: )\r\n".to_vec())), "{tokens:?}");
        assert!(tokens.contains(&Token::Text(b"a\"{3}".to_vec())), "{tokens:?}");
        let mut reader = Reader::default();
        let mut found = Vec::new();
        for octet in octets {
            reader.buffer().extend_from_slice(&[*octet]);
            found.extend(reader.next().unwrap());
        }
        assert_eq!(found, whole);
        assert!(reader.is_empty());
    }

    #[test]
    fn a_text_for_people_that_ends_like_a_literal_is_none() {
        let said = all(b"* OK all is well {999}\r\na1 NO [TRYCREATE] no {5}\r\n+ {7}\r\n").unwrap();
        assert_eq!(said.len(), 3);
        assert!(matches!(&said[1], Response::Done { code, .. } if code.name == "TRYCREATE"), "{said:?}");
    }

    #[test]
    fn what_is_no_imap_or_without_end_is_refused() {
        for octets in [&b"HTTP/1.1\r\n"[..], b"\r\n", b"* SEARCH \"x\r\n", b"a1 MAYBE\r\n", b"SSH-2.0-x y\r\n"] {
            assert_eq!(all(octets), Err(WireError::Grammar), "{}", String::from_utf8_lossy(octets));
        }
        assert_eq!(all(&vec![b'x'; RESPONSE_BYTES_MAX + 1]), Err(WireError::TooLong));
        assert_eq!(all(b"* 1 FETCH {99999999999}\r\n"), Err(WireError::TooLong));
        assert_eq!(all(b"* 1 FETCH {99999999999999999999999}\r\n"), Err(WireError::Grammar));
        assert_eq!(all(b"* 1 FETCH {100}\r\n"), Ok(vec![]), "the rest is yet to come");
    }

    /// No input makes it panic, and what it takes away it has read: every prefix and every flipped octet.
    #[test]
    fn damaged_responses_never_panic() {
        let good = b"* OK [CAPABILITY IMAP4rev1] hi\r\n* LIST (\\X) \"/\" \"a\"\r\n* 1 FETCH (UID 2 B {3}\r\nabc)\r\na OK [X] y\r\n";
        for at in 0..good.len() {
            let _ = all(&good[at..]);
            for octet in [0, b'"', b'{', b'}', b'\n', b'(', 0xff] {
                let mut bad = good.to_vec();
                bad[at] = octet;
                let _ = all(&bad);
            }
        }
    }
}
