//! Moments in documents: RFC 3339 with any offset, or milliseconds since 1970.

use crate::types::Timestamp;
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};
use std::fmt;

/// The last moment that RFC 3339 can write, 9999-12-31T23:59:59.999Z; later ones are written as numbers.
const LAST_WRITABLE: Timestamp = Timestamp(253_402_300_799_999);

/// A moment as people write it: `2026-03-02T22:30:00+01:00`, or the milliseconds since 1970-01-01 00:00 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment(pub Timestamp);

impl Moment {
    /// Reads RFC 3339 with `Z` or an offset; `None` if it is something else, or before 1970.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.ends_with(['Z', 'z']) {
            return millis(text).map(|at| Self(Timestamp(at)));
        }
        let (local, offset) = text.split_at_checked(text.len().checked_sub(6)?)?;
        let (sign, offset) = offset.split_at_checked(1)?;
        let (hours, minutes) = offset.split_once(':')?;
        let number = |text: &str, max: u64| {
            let digits = text.len() == 2 && text.bytes().all(|digit| digit.is_ascii_digit());
            text.parse::<u64>().ok().filter(|number| digits && *number <= max)
        };
        let ahead = (number(hours, 23)? * 60 + number(minutes, 59)?) * 60_000;
        let at = millis(&format!("{local}Z"))?;
        let at = match sign {
            "+" => at.checked_sub(ahead)?,
            "-" => at.checked_add(ahead)?,
            _ => return None,
        };
        Some(Self(Timestamp(at)))
    }
}

/// Milliseconds of a moment that ends in `Z`.
fn millis(text: &str) -> Option<u64> {
    let at = humantime::parse_rfc3339(&text.to_ascii_uppercase()).ok()?;
    u64::try_from(at.duration_since(std::time::UNIX_EPOCH).ok()?.as_millis()).ok()
}

impl From<Timestamp> for Moment {
    fn from(at: Timestamp) -> Self {
        Self(at)
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // `to_system` cuts at whole seconds of the last year; what it would cut is written as a number.
        if self.0 < Timestamp(LAST_WRITABLE.millis() - 999) {
            serializer.collect_str(&self.0)
        } else {
            serializer.serialize_u64(self.0.millis())
        }
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl Visitor<'_> for Reader {
    type Value = Moment;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a moment such as 2026-03-02T22:30:00+01:00, or milliseconds since 1970")
    }

    fn visit_u64<E: de::Error>(self, at: u64) -> Result<Moment, E> {
        Ok(Moment(Timestamp(at)))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Moment, E> {
        Moment::parse(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_heeded() {
        let at = |text| Moment::parse(text).map(|moment| moment.0.to_string());
        assert_eq!(at("2026-03-02T22:30:00Z").as_deref(), Some("2026-03-02T22:30:00.000Z"));
        assert_eq!(at("2026-03-02T22:30:00.250+01:00").as_deref(), Some("2026-03-02T21:30:00.250Z"));
        assert_eq!(at("2026-03-02T22:30:00-05:30").as_deref(), Some("2026-03-03T04:00:00.000Z"));
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in
            ["", "now", "2026-03-02", "2026-03-02T22:30:00", "2026-03-02T22:30:00+1:00", "2026-03-02T22:30:00+24:00"]
        {
            assert_eq!(Moment::parse(text), None, "{text}");
        }
        assert_eq!(Moment::parse("1970-01-01T00:30:00+01:00"), None, "before 1970");
        assert_eq!(Moment::parse("2026-03-02T22:30:00é1:00"), None, "no panic inside a character");
    }
}
