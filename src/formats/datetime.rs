//! RFC 3339 dates as the documents of CPM carry them: read with any offset, written in UTC with whole seconds.

use crate::types::Timestamp;
use std::time::{Duration, UNIX_EPOCH};

/// The moment as `2010-03-02T09:14:07Z`: whole seconds, the rest is cut off (spec 1.8).
#[must_use]
pub fn rfc3339(at: Timestamp) -> String {
    humantime::format_rfc3339_seconds(at.to_system()).to_string()
}

/// Reads an RFC 3339 date-time: `Z` or an offset, any fraction. A date without offset, which XML Schema allows, is UTC.
/// Years before 1970 are the beginning of time: a rule "valid since the year 1" is honest. `None` for anything else.
#[must_use]
pub fn parse_rfc3339(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    // The shortest is 2010-03-02T09:14:07; everything that counts is ASCII, so that cutting is safe.
    if !text.is_ascii() || text.len() < 19 || !text.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let (day_and_time, offset_secs) = split_offset(text)?;
    let (year, rest) = day_and_time.split_at(4);
    let early = year.parse::<u16>().ok()? < 1970;
    // Where the year is too early only the form is checked; 1972 is a leap year, as any may be.
    let readable = if early { format!("1972{rest}Z") } else { format!("{day_and_time}Z") };
    let since = humantime::parse_rfc3339(&readable).ok()?.duration_since(UNIX_EPOCH).ok()?;
    if early {
        return Some(Timestamp(0));
    }
    let offset = Duration::from_secs(offset_secs.unsigned_abs());
    let since = if offset_secs > 0 { since.saturating_sub(offset) } else { since.saturating_add(offset) };
    u64::try_from(since.as_millis()).ok().map(Timestamp)
}

/// The part before the offset, and the offset in seconds east of UTC.
fn split_offset(text: &str) -> Option<(&str, i64)> {
    if let Some(utc) = text.strip_suffix(['Z', 'z']) {
        return Some((utc, 0));
    }
    let Some(at) = text.get(19..)?.find(['+', '-']).map(|at| at + 19) else { return Some((text, 0)) };
    let (date, offset) = text.split_at(at);
    let (sign, offset) = offset.split_at(1);
    let (hours, minutes) = offset.split_once(':')?;
    if hours.len() != 2 || minutes.len() != 2 || !hours.bytes().chain(minutes.bytes()).all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes) = (hours.parse::<i64>().ok()?, minutes.parse::<i64>().ok()?);
    if hours > 23 || minutes > 59 {
        return None;
    }
    let seconds = hours * 3600 + minutes * 60;
    Some((date, if sign == "-" { -seconds } else { seconds }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const AT: Timestamp = Timestamp::from_secs(1_267_521_247);

    #[test]
    fn dates_are_read_in_every_offset_and_written_in_utc() {
        for text in [
            "2010-03-02T09:14:07Z",
            "2010-03-02T10:14:07+01:00",
            "2010-03-02T03:44:07-05:30",
            " 2010-03-02T09:14:07 ",
            "2010-03-02T09:14:07.000z",
        ] {
            assert_eq!(parse_rfc3339(text), Some(AT), "{text}");
        }
        assert_eq!(parse_rfc3339("2010-03-02T09:14:07.25Z"), Some(Timestamp(AT.0 + 250)));
        assert_eq!(rfc3339(Timestamp(AT.0 + 999)), "2010-03-02T09:14:07Z");
    }

    #[test]
    fn years_before_the_epoch_are_its_beginning() {
        assert_eq!(parse_rfc3339("0001-01-01T00:00:00Z"), Some(Timestamp(0)));
        assert_eq!(parse_rfc3339("1970-01-01T00:30:00+01:00"), Some(Timestamp(0)));
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "",
            "now",
            "2010-03-02",
            "2010-13-02T09:14:07Z",
            "2010-03-02T09:14:07+1:00",
            "2010-03-02T09:14:07+24:00",
            "2010-03-02T09:14:07+ab:cd",
            "+010-03-02T09:14:07Z",
            "0001-99-01T00:00:00Z",
            "2010-03-02T09:14:0é7Z",
            "99999-03-02T09:14:07Z",
        ] {
            assert_eq!(parse_rfc3339(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(secs in 0u64..253_402_300_799) {
            prop_assert_eq!(parse_rfc3339(&rfc3339(Timestamp::from_secs(secs))), Some(Timestamp::from_secs(secs)));
        }

        #[test]
        fn any_text_is_a_date_or_none(text in "[0-9TZ:+. -]{0,40}") {
            let _ = parse_rfc3339(&text);
        }
    }
}
