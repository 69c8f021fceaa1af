//! Folder names: a Conversation-ID becomes one level below the root, whatever is in it, and no two become the same.

use crate::types::Digest;

/// The root of all folders of conversation history (OMNA CPM folder registry).
pub const ROOT: &str = "Default";
/// Between the levels of a [`Location`](super::Location)'s folder.
pub const SEPARATOR: char = '/';
/// Longest level, octets; a longer one is cut and ends in a digest.
const LEVEL_MAX: usize = 120;
/// What is kept of a longer one.
const KEPT: usize = 40;

/// The folder of a conversation: the root if it has no name. Letters, digits and `-_+@` stand for themselves, every
/// other octet is `=` with two hexadecimal digits, so that neither a server's separator nor its wildcards, its modified
/// UTF-7 or its file system meet anything that a sender chose.
#[must_use]
pub fn path(conversation: &str) -> String {
    let conversation = conversation.trim();
    if conversation.is_empty() {
        return ROOT.to_owned();
    }
    format!("{ROOT}{SEPARATOR}{}", level(conversation))
}

fn level(name: &str) -> String {
    use std::fmt::Write as _;
    let mut level = String::new();
    for octet in name.bytes() {
        if is_plain(octet) {
            level.push(char::from(octet));
        } else {
            let _ = write!(level, "={octet:02X}");
        }
        if level.len() > LEVEL_MAX {
            // After `=` an ordinary name has a digit, never `_`: a cut name is no other's.
            let digest = Digest::of(name.as_bytes());
            return format!("{}=_{digest}", &level[..KEPT]);
        }
    }
    level
}

const fn is_plain(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_' | b'+' | b'@')
}

/// Whether this may be a separator on a server: nothing that [`path`] writes into a level.
pub(super) const fn separates(octet: u8) -> bool {
    octet.is_ascii_graphic() && !is_plain(octet) && !matches!(octet, b'=' | b'"' | b'\\' | b'%' | b'*' | b'&')
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn a_usual_conversation_id_is_its_own_name() {
        assert_eq!(
            path("f81d4fae-7dec-11d0-a765-00a0c91e6bf6"),
            "Default/f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
            "as in WX-15"
        );
        assert_eq!((path(""), path(" ")), ("Default".to_owned(), "Default".to_owned()));
    }

    #[test]
    fn hostile_ids_stay_one_harmless_level_and_never_meet() {
        let long = "x".repeat(200);
        let longer = "x".repeat(201);
        let hostile = [
            "..",
            ".",
            "a/b",
            "a.b",
            "a=2Fb",
            "a\r\nX LOGOUT",
            "\"",
            "\\",
            "%",
            "*",
            "&Jjo-",
            "é",
            "\u{0}",
            "~",
            "#news",
            "A",
            "a",
            &long,
            &longer,
        ];
        let paths: HashSet<String> = hostile.iter().map(|id| path(id)).collect();
        assert_eq!(paths.len(), hostile.len());
        for path in paths {
            let level = path.strip_prefix("Default/").unwrap();
            assert!(level.bytes().all(|b| is_plain(b) || b == b'='), "{level}");
            assert!(!level.is_empty() && level.len() <= LEVEL_MAX, "{level}");
        }
    }

    #[test]
    fn what_a_level_is_made_of_separates_nothing() {
        assert!(b"/.|^:".iter().all(|octet| separates(*octet)));
        assert!(b"=-_+@a9\"\\%*& \r".iter().all(|octet| !separates(*octet)));
    }
}
