//! Moments as data: time enters at the edge and is passed down, nothing below reads a clock.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// A moment, in milliseconds since the Unix epoch (UTC).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// The latest moment that can be told; used as "never".
    pub const MAX: Self = Self(u64::MAX);

    /// From whole seconds since the Unix epoch.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// This moment moved later; saturates.
    #[must_use]
    pub fn after(self, by: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(by.as_millis()).unwrap_or(u64::MAX)))
    }

    /// How long from `earlier` until this moment; zero if `earlier` is not earlier.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// As a `SystemTime`, for the libraries that print dates.
    #[must_use]
    pub fn to_system(self) -> std::time::SystemTime {
        // Year 9999 is the last that RFC 3339 and RFC 3261 dates can write.
        const LAST_WRITABLE_MS: u64 = 253_402_300_799_000;
        std::time::UNIX_EPOCH + Duration::from_millis(self.0.min(LAST_WRITABLE_MS))
    }

    /// The `Date` header's form (RFC 3261 section 20.17): `Tue, 02 Mar 2010 09:14:07 GMT`.
    #[must_use]
    pub fn sip_date(self) -> String {
        httpdate::fmt_http_date(self.to_system())
    }
}

/// RFC 3339 in UTC with milliseconds.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_rfc3339_millis(self.to_system()).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_rfc_3339_and_sip_dates() {
        let at = Timestamp::from_secs(1_267_521_247);
        assert_eq!(at.to_string(), "2010-03-02T09:14:07.000Z");
        assert_eq!(at.sip_date(), "Tue, 02 Mar 2010 09:14:07 GMT");
    }

    #[test]
    fn the_far_future_saturates_instead_of_wrapping() {
        assert_eq!(Timestamp::MAX.after(Duration::from_secs(1)), Timestamp::MAX);
        assert_eq!(Timestamp::MAX.to_string(), "9999-12-31T23:59:59.000Z");
        assert_eq!(Timestamp(5).since(Timestamp(9)), Duration::ZERO);
    }
}
