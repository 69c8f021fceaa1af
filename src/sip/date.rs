//! The `Date` header's value as a moment (RFC 3261 section 20.17); [`Timestamp::sip_date`] writes it.

use crate::types::Timestamp;
use std::time::{Duration, UNIX_EPOCH};

/// Reads `Tue, 02 Mar 2010 09:14:07 GMT`. `None` for anything else, for other time zones (RFC 4475 section 3.1.2.12) and
/// for years before 1970.
#[must_use]
pub fn parse_date(text: &str) -> Option<Timestamp> {
    // The library also takes the two older forms of HTTP, which SIP never had.
    if text.as_bytes().get(3) != Some(&b',') || !text.ends_with(" GMT") {
        return None;
    }
    let since: Duration = httpdate::parse_http_date(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(Timestamp::from_secs(since.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_as_they_are_written() {
        let at = Timestamp::from_secs(1_267_521_247);
        assert_eq!(parse_date("Tue, 02 Mar 2010 09:14:07 GMT"), Some(at));
        assert_eq!(parse_date(&at.sip_date()), Some(at));
    }

    #[test]
    fn rfc_4475_baddate_is_no_date() {
        for text in [
            "Fri, 01 Jan 2010 16:00:00 EST",
            "Tuesday, 02-Mar-10 09:14:07 GMT",
            "Tue Mar  2 09:14:07 2010",
            "",
            "é, x GMT",
        ] {
            assert_eq!(parse_date(text), None, "{text}");
        }
    }
}
