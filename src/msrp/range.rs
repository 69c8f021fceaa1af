//! `Byte-Range`: which octets of the message a chunk holds (RFC 4975 section 7.1.1).

use std::fmt;

/// `start-end/total`, positions from 1; `*` where end or total is not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteRange {
    /// Position of the first octet, from 1.
    pub start: u64,
    /// Position of the last octet, from 1; one less than `start` if there is none. `None`: the chunk ends where it ends.
    pub end: Option<u64>,
    /// Octets of the whole message.
    pub total: Option<u64>,
}

impl ByteRange {
    /// What holds when the header is missing: from the first octet on, the rest unknown.
    pub const UNKNOWN: Self = Self { start: 1, end: None, total: None };

    /// Reads the header's value; `None` for anything outside the grammar and for ranges that contradict themselves.
    pub fn parse(text: &str) -> Option<Self> {
        let (range, total) = text.split_once('/')?;
        let (start, end) = range.split_once('-')?;
        let (start, end, total) = (number(start)?, Star::parse(end)?.0, Star::parse(total)?.0);
        let least = start.checked_sub(1)?;
        let ordered = end.is_none_or(|end| end >= least) && total.is_none_or(|total| end.unwrap_or(least) <= total);
        ordered.then_some(Self { start, end, total })
    }

    /// Position of the first octet, from 0.
    pub const fn position(&self) -> u64 {
        self.start.saturating_sub(1)
    }

    /// Whether the chunk says that it holds nothing, as `1-0/0` does.
    pub fn is_empty(&self) -> bool {
        self.end.is_some_and(|end| end < self.start)
    }
}

impl fmt::Display for ByteRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}/{}", self.start, Star(self.end), Star(self.total))
    }
}

/// A number, or `*` for none.
struct Star(Option<u64>);

impl Star {
    fn parse(text: &str) -> Option<Self> {
        if text == "*" { Some(Self(None)) } else { number(text).map(|number| Self(Some(number))) }
    }
}

impl fmt::Display for Star {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(number) => number.fmt(f),
            None => f.write_str("*"),
        }
    }
}

fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    // The last number of all has no successor: nobody has so many octets.
    text.parse().ok().filter(|number| digits && *number < u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ranges_with_and_without_stars_are_read() {
        let range = |start, end, total| Some(ByteRange { start, end, total });
        assert_eq!(ByteRange::parse("1-466/641"), range(1, Some(466), Some(641)));
        assert_eq!(ByteRange::parse("1-0/0"), range(1, Some(0), Some(0)));
        assert_eq!(ByteRange::parse("467-*/641"), range(467, None, Some(641)));
        assert_eq!(ByteRange::parse("1-*/*"), Some(ByteRange::UNKNOWN));
        assert_eq!(ByteRange::parse("642-641/641"), range(642, Some(641), Some(641)));
    }

    #[test]
    fn ranges_that_contradict_themselves_are_refused() {
        let wrong = [
            "",
            "1-2",
            "1/2",
            "0-1/2",
            "0-*/*",
            "5-3/9",
            "1-10/9",
            "11-*/9",
            "*-1/2",
            "-1-2/3",
            "+1-2/3",
            "1-2/",
            "1-/3",
            "1-18446744073709551615/*",
            "1-99999999999999999999/*",
            "a-b/c",
            "1 - 2/3",
        ];
        for text in wrong {
            assert_eq!(ByteRange::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_again(start in 1..u64::MAX, len in 0..1000u64, rest in 0..1000u64, ended: bool, told: bool) {
            let end = (start - 1).saturating_add(len).min(u64::MAX - 1);
            let total = end.saturating_add(rest).min(u64::MAX - 1);
            let range = ByteRange { start, end: ended.then_some(end), total: told.then_some(total) };
            prop_assert_eq!(ByteRange::parse(&range.to_string()), Some(range));
        }
    }
}
