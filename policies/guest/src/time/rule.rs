//! The POSIX form of a time zone, and the calendar that its dates need.

use super::{DAY, Summer, Zone, weekday};

/// When summer time starts or ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Change {
    date: Date,
    /// Seconds after the midnight before it, by the clock until then.
    time: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Date {
    /// `Mm.w.d`: the w-th such weekday of the month, the last one if w is 5.
    Weekday { month: i64, week: i64, weekday: i64 },
    /// `Jn`: day 1 to 365; 29 February is not counted.
    Julian(i64),
    /// `n`: day 0 to 365, 29 February counted.
    Ordinal(i64),
}

impl Change {
    /// Seconds since 1970-01-01 00:00 by the clock that is in use until then.
    pub(super) fn local(&self, year: i64) -> i64 {
        let first = day_of(year, 1, 1);
        let leap = i64::from(day_of(year, 3, 1) - day_of(year, 2, 1) == 29);
        let day = match self.date {
            Date::Ordinal(n) => first + n,
            Date::Julian(n) => first + n - 1 + if n >= 60 { leap } else { 0 },
            Date::Weekday { month, week, weekday: wanted } => {
                let first = day_of(year, month, 1);
                let ahead = (wanted - weekday(first) as i64).rem_euclid(7);
                let day = first + ahead + 7 * (week - 1);
                let next = if month == 12 { day_of(year + 1, 1, 1) } else { day_of(year, month + 1, 1) };
                if day < next { day } else { day - 7 }
            }
        };
        day * DAY + self.time
    }
}

/// Days from 1970-01-01 to a date of the Gregorian calendar. Years begin in March here, so that the odd day is the last.
fn day_of(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let (era, year) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year * 365 + year / 4 - year / 100 + of_year - 719_468
}

/// The year of a day since 1970-01-01.
pub(super) fn year_of(day: i64) -> i64 {
    let day = day + 719_468;
    let (era, day) = (day.div_euclid(146_097), day.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    // March is month 0: January and February, from day 306 on, are of the next year.
    era * 400 + year + i64::from(of_year >= 306)
}

/// Reads the whole rule.
pub(super) fn zone(text: &str) -> Option<Zone> {
    let mut rest = Rest(text);
    rest.name()?;
    let standard = -rest.time(24)?;
    if rest.0.is_empty() {
        return Some(Zone { standard, summer: None });
    }
    rest.name()?;
    let ahead = if rest.0.starts_with(',') { standard + 3600 } else { -rest.time(24)? };
    rest.skip(',')?;
    let start = rest.change()?;
    rest.skip(',')?;
    let end = rest.change()?;
    rest.0.is_empty().then_some(Zone { standard, summer: Some(Summer { ahead, start, end }) })
}

/// What of the rule is not read yet.
struct Rest<'t>(&'t str);

impl Rest<'_> {
    fn skip(&mut self, wanted: char) -> Option<()> {
        self.0 = self.0.strip_prefix(wanted)?;
        Some(())
    }

    /// At least three letters, or letters, digits and signs in `<>`.
    fn name(&mut self) -> Option<()> {
        let (name, rest) = if let Some(quoted) = self.0.strip_prefix('<') {
            let (name, rest) = quoted.split_once('>')?;
            let good = name.bytes().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'+' | b'-'));
            (good.then_some(name)?, rest)
        } else {
            self.0.split_at(self.0.bytes().take_while(u8::is_ascii_alphabetic).count())
        };
        self.0 = rest;
        (name.len() >= 3).then_some(())
    }

    fn number(&mut self, max: i64) -> Option<i64> {
        let digits = self.0.bytes().take_while(u8::is_ascii_digit).count();
        let (number, rest) = self.0.split_at(digits);
        self.0 = rest;
        if digits > 3 {
            return None;
        }
        number.parse().ok().filter(|number| *number <= max)
    }

    /// `[+-]h[h][:mm[:ss]]`, in seconds.
    fn time(&mut self, hours_max: i64) -> Option<i64> {
        let sign = if self.skip('-').is_some() { -1 } else { self.skip('+').map_or(1, |()| 1) };
        let mut all = self.number(hours_max)? * 3600;
        for unit in [60, 1] {
            if self.skip(':').is_none() {
                break;
            }
            all += self.number(59)? * unit;
        }
        Some(sign * all)
    }

    /// `date[/time]`.
    fn change(&mut self) -> Option<Change> {
        let date = if self.skip('M').is_some() {
            let month = self.number(12).filter(|month| *month >= 1)?;
            self.skip('.')?;
            let week = self.number(5).filter(|week| *week >= 1)?;
            self.skip('.')?;
            Date::Weekday { month, week, weekday: self.number(6)? }
        } else if self.skip('J').is_some() {
            Date::Julian(self.number(365).filter(|day| *day >= 1)?)
        } else {
            Date::Ordinal(self.number(365)?)
        };
        let time = if self.skip('/').is_some() { self.time(167)? } else { 2 * 3600 };
        Some(Change { date, time })
    }
}
