//! Local time: a guest has no clock and no time zone files, so the zone is a rule in the form that POSIX gives to `TZ`, such as
//! `CET-1CEST,M3.5.0,M10.5.0/3`. The last line of a file in `/usr/share/zoneinfo` has it for every place.

mod rule;

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use rule::Change;

const DAY: i64 = 86_400;

/// A time zone: how far local time is ahead of UTC, and when that changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Zone {
    /// Seconds ahead of UTC.
    standard: i64,
    summer: Option<Summer>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Summer {
    /// Seconds ahead of UTC.
    ahead: i64,
    start: Change,
    end: Change,
}

/// What a clock on the wall and a calendar show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Local {
    /// Days since 1970-01-01.
    pub day: i64,
    /// Seconds since midnight.
    pub second: u32,
}

impl Zone {
    /// UTC.
    pub const UTC: Self = Self { standard: 0, summer: None };

    /// Reads a POSIX rule (IEEE Std 1003.1, 8.3, `TZ`): `JST-9`, `<+0330>-3:30`, `CET-1CEST,M3.5.0,M10.5.0/3`. Note that its
    /// numbers count westwards.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        rule::zone(text).ok_or_else(|| {
            format!(
                "'{text}' is no time zone rule: write it as POSIX does, such as CET-1CEST,M3.5.0,M10.5.0/3 or JST-9"
            )
        })
    }

    /// Seconds that local time is ahead of UTC at a moment (milliseconds since 1970).
    pub fn ahead(&self, at: u64) -> i64 {
        self.ahead_at((at / 1000).cast_signed())
    }

    fn ahead_at(&self, at: i64) -> i64 {
        let Some(summer) = &self.summer else { return self.standard };
        let year = rule::year_of((at + self.standard).div_euclid(DAY));
        let start = summer.start.local(year) - self.standard;
        let end = summer.end.local(year) - summer.ahead;
        let summery = if start < end { (start..end).contains(&at) } else { !(end..start).contains(&at) };
        if summery { summer.ahead } else { self.standard }
    }

    /// What the clock shows at a moment (milliseconds since 1970).
    pub fn local(&self, at: u64) -> Local {
        let seconds = (at / 1000).cast_signed() + self.ahead(at);
        Local { day: seconds.div_euclid(DAY), second: seconds.rem_euclid(DAY).unsigned_abs() as u32 }
    }

    /// The first moment, in milliseconds since 1970, at which the clock shows this. A time that the clocks skip is taken as
    /// if they had not been changed.
    pub fn moment(&self, local: Local) -> u64 {
        let clock = local.day.saturating_mul(DAY).saturating_add(i64::from(local.second));
        let shown = |ahead: i64| Some(clock - ahead).filter(|at| self.ahead_at(*at) == ahead);
        let summer = self.summer.map(|summer| summer.ahead);
        // The one that is further ahead comes first.
        let (more, less) = summer
            .map_or((self.standard, self.standard), |summer| (summer.max(self.standard), summer.min(self.standard)));
        let at = shown(more).or_else(|| shown(less)).unwrap_or(clock - less);
        u64::try_from(at).unwrap_or(0).saturating_mul(1000)
    }
}

impl Local {
    /// 0 is Sunday.
    pub fn weekday(&self) -> usize {
        weekday(self.day)
    }
}

/// 0 is Sunday; 1970-01-01 was a Thursday.
fn weekday(day: i64) -> usize {
    (day + 4).rem_euclid(7).unsigned_abs() as usize
}

/// Reads `22:00` or `22:00:30` as seconds since midnight; `24:00` is the end of the day.
///
/// # Errors
/// What is wrong with it.
pub fn time_of_day(text: &str) -> Result<u32, String> {
    let mut parts = text.split(':');
    let mut part = |max: u32| {
        let text = parts.next()?;
        let digits = text.len() == 2 && text.bytes().all(|octet| octet.is_ascii_digit());
        text.parse::<u32>().ok().filter(|number| digits && *number <= max)
    };
    let read = (|| Some(part(24)? * 3600 + part(59)? * 60))();
    let seconds = if text.len() == 8 { part(59) } else { Some(0) };
    let all = read.zip(seconds).map(|(read, seconds)| read + seconds);
    all.filter(|all| *all <= 86_400 && parts.next().is_none())
        .ok_or_else(|| format!("'{text}' is no time of day: write it as 22:00"))
}

/// The number of a weekday by its first three letters, in English: `sun` is 0.
///
/// # Errors
/// What is wrong with it.
pub fn day_of_week(text: &str) -> Result<usize, String> {
    ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
        .iter()
        .position(|day| day.eq_ignore_ascii_case(text))
        .ok_or_else(|| format!("'{text}' is no day: write mon, tue, wed, thu, fri, sat or sun"))
}

/// A span of every day in local time, such as the night from 22:00 to 07:00.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    pub zone: Zone,
    /// Seconds since midnight.
    from: u32,
    until: u32,
    /// On which days it begins, Sunday first.
    days: [bool; 7],
}

impl Window {
    /// From one time of day (seconds since midnight) until another, which is on the next day if it is the earlier one; on
    /// days (Sunday first) when it begins.
    ///
    /// # Errors
    /// Both times are the same.
    pub fn new(zone: Zone, from: u32, until: u32, days: [bool; 7]) -> Result<Self, String> {
        // 00:00 to 24:00 is the whole day; from any other time to the same one could be all of it or nothing.
        let is_whole_day = from == 0 && until == 86_400;
        if from % 86_400 == until % 86_400 && !is_whole_day {
            return Err("from and until are the same time of day".to_owned());
        }
        Ok(Self { zone, from: from % 86_400, until, days })
    }

    /// If a moment (milliseconds since 1970) is inside, the moment at which it ends; always later than the one asked about.
    pub fn ends(&self, at: u64) -> Option<u64> {
        let Local { day, second } = self.zone.local(at);
        let begins = |day: i64| self.days[weekday(day)];
        let end_day = if self.from < self.until {
            (begins(day) && (self.from..self.until).contains(&second)).then_some(day)
        } else if second >= self.from && begins(day) {
            Some(day + 1)
        } else if second < self.until && begins(day - 1) {
            Some(day)
        } else {
            None
        }?;
        Some(self.end_on(end_day, at))
    }

    /// When clocks are put back, the end may come twice: the one after the moment counts.
    fn end_on(&self, day: i64, at: u64) -> u64 {
        let first = self.zone.moment(Local { day, second: self.until });
        if first > at {
            return first;
        }
        let clock = day.saturating_mul(DAY).saturating_add(i64::from(self.until));
        let again = u64::try_from(clock - self.zone.ahead(at)).unwrap_or(0).saturating_mul(1000);
        again.max(at.saturating_add(1))
    }
}

#[cfg(test)]
mod tests;
