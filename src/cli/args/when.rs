//! Moments on the command line: as RFC 3339 has them, or so long ago.

use crate::formats::parse_rfc3339;
use crate::types::Timestamp;
use std::str::FromStr;
use std::time::Duration;

/// A moment, as somebody says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    At(Timestamp),
    /// So long before now.
    Ago(Duration),
}

/// Why a text is no moment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no moment: write it as 2026-11-23T08:00:00Z, or how long ago, such as 24h, 90m or 7days")]
pub struct WhenError(String);

impl When {
    /// The moment itself.
    #[must_use]
    pub fn moment(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Ago(ago) => Timestamp(now.0.saturating_sub(u64::try_from(ago.as_millis()).unwrap_or(u64::MAX))),
        }
    }
}

impl FromStr for When {
    type Err = WhenError;

    fn from_str(text: &str) -> Result<Self, WhenError> {
        let ago = || humantime::parse_duration(text).ok().map(Self::Ago);
        parse_rfc3339(text).map(Self::At).or_else(ago).ok_or_else(|| WhenError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_time_or_an_age() {
        let now = Timestamp::from_secs(1_767_225_600);
        let moment = |text: &str| text.parse::<When>().unwrap().moment(now).to_string();
        assert_eq!(moment("2025-12-31T23:00:00Z"), "2025-12-31T23:00:00.000Z");
        assert_eq!(moment("2025-12-31T23:00:00+01:00"), "2025-12-31T22:00:00.000Z");
        assert_eq!(moment("24h"), "2025-12-31T00:00:00.000Z");
        assert_eq!(moment("1h 30m"), "2025-12-31T22:30:00.000Z");
        assert_eq!("9000000years".parse::<When>().map(|when| when.moment(Timestamp(5))), Ok(Timestamp(0)));
    }

    #[test]
    fn what_is_no_moment_is_told_with_the_right_form() {
        for text in ["yesterday", "", "24", "2025-12-31"] {
            let error = text.parse::<When>().unwrap_err().to_string();
            assert!(error.contains("24h") && error.contains("T08:00:00Z"), "{error}");
        }
    }
}
