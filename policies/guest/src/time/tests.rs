//! Tests of local time; the moments are those of the zone files (`date --date=@N` with `TZ`).

use super::*;
use alloc::vec::Vec;

const BERLIN: &str = "CET-1CEST,M3.5.0,M10.5.0/3";
const EVERY_DAY: [bool; 7] = [true; 7];

fn zone(text: &str) -> Zone {
    Zone::parse(text).unwrap()
}

#[test]
fn rules_of_all_forms_are_read() {
    for (rule, at, hours) in [
        ("UTC0", 1_772_442_847, 0.0),
        ("JST-9", 1_772_442_847, 9.0),
        ("<+0330>-3:30", 1_772_442_847, 3.5),
        ("<-03>3", 1_772_442_847, -3.0),
        // 2026-03-29 01:00 UTC and 2026-10-25 01:00 UTC.
        (BERLIN, 1_774_745_999, 1.0),
        (BERLIN, 1_774_746_000, 2.0),
        (BERLIN, 1_792_889_999, 2.0),
        (BERLIN, 1_792_890_000, 1.0),
        // 2026-03-08 10:00 UTC and 2026-11-01 09:00 UTC.
        ("PST8PDT,M3.2.0,M11.1.0", 1_772_963_999, -8.0),
        ("PST8PDT,M3.2.0,M11.1.0", 1_772_964_000, -7.0),
        ("PST8PDT,M3.2.0,M11.1.0", 1_793_523_599, -7.0),
        ("PST8PDT,M3.2.0,M11.1.0", 1_793_523_600, -8.0),
        // The south: summer over the new year. 2026-04-04 16:00 UTC is the end.
        ("AEST-10AEDT,M10.1.0,M4.1.0/3", 1_767_225_600, 11.0),
        ("AEST-10AEDT,M10.1.0,M4.1.0/3", 1_775_318_399, 11.0),
        ("AEST-10AEDT,M10.1.0,M4.1.0/3", 1_775_318_400, 10.0),
        // Half an hour of summer; a change before midnight; winter time that is negative summer time.
        ("<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", 1_767_225_600, 11.0),
        ("<-02>2<-01>,M3.5.0/-1,M10.5.0/0", 1_774_745_999, -2.0),
        ("<-02>2<-01>,M3.5.0/-1,M10.5.0/0", 1_774_746_000, -1.0),
        ("IST-1GMT0,M10.5.0,M3.5.0/1", 1_767_225_600, 0.0),
        ("IST-1GMT0,M10.5.0,M3.5.0/1", 1_782_864_000, 1.0),
        // By days of the year; all the year.
        ("AAA0BBB,J60,J300", 1_772_330_399, 0.0),
        ("AAA0BBB,J60,J300", 1_772_330_400, 1.0),
        ("XXX3EDT4,0/0,J365/23", 1_772_442_847, -4.0),
    ] {
        assert_eq!(zone(rule).ahead(at * 1000), (hours * 3600.0) as i64, "{rule} at {at}");
    }
}

#[test]
fn what_is_no_rule_is_refused() {
    for rule in [
        "",
        "UTC",
        "Europe/Berlin",
        "+1",
        "CET-1CEST",
        "CET-25",
        "CET-1CEST,M3.5.0",
        "CET-1CEST,M13.5.0,M10.5.0",
        "CET-1CEST,M3.6.0,M10.5.0",
        "CET-1CEST,M3.5.7,M10.5.0",
        "CET-1CEST,J0,J366",
        "CET-1CEST,M3.5.0,M10.5.0/168",
        "CET-1CEST,M3.5.0,M10.5.0x",
        "<>0",
        "<+1 >0",
        "é-1",
        "CET--1",
        "CET-9999999999999999999",
    ] {
        assert!(Zone::parse(rule).unwrap_err().contains("no time zone rule"), "{rule}");
    }
}

#[test]
fn local_time_and_back() {
    let berlin = zone(BERLIN);
    // 2026-03-02 was a Monday.
    let local = berlin.local(1_772_442_847_123);
    assert_eq!((local.day, local.second, local.weekday()), (20_514, 10 * 3600 + 14 * 60 + 7, 1));
    for rule in [BERLIN, "UTC0", "AEST-10AEDT,M10.1.0,M4.1.0/3", "<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "<+13>-13"] {
        let zone = zone(rule);
        for hour in 0..24 * 370 {
            let at = (1_767_225_600 + hour * 3_600) * 1000;
            let back = zone.moment(zone.local(at));
            // An hour that comes twice is told by its first.
            assert!(back == at || at - back == 3_600_000 && zone.local(back) == zone.local(at), "{rule} {at}");
        }
    }
    // 02:30 on the day when clocks go from 02:00 to 03:00.
    let skipped = berlin.moment(Local { day: 20_541, second: 9_000 });
    assert_eq!(skipped, 1_774_747_800_000, "03:30 summer time");
    for at in [0, 1, u64::MAX] {
        let local = berlin.local(at);
        assert!(local.second < 86_400);
        assert!(berlin.moment(local) <= at);
    }
}

#[test]
fn times_of_day_and_days_are_read() {
    assert_eq!(time_of_day("22:00"), Ok(79_200));
    assert_eq!(time_of_day("00:00:09"), Ok(9));
    assert_eq!(time_of_day("24:00"), Ok(86_400));
    for text in
        ["", "22", "22:0", "2:00", "24:01", "22:60", "22:00:60", "22:00:", "22:00:00:00", "ab:cd", "+2:00", "22:00é"]
    {
        assert!(time_of_day(text).is_err(), "{text}");
    }
    assert_eq!((day_of_week("sun"), day_of_week("Sat")), (Ok(0), Ok(6)));
    assert!(day_of_week("sunday").is_err());
}

#[test]
fn a_window_over_midnight_ends_on_the_next_day() {
    let window = Window::new(zone(BERLIN), 79_200, 25_200, EVERY_DAY).unwrap();
    // 2026-03-02 21:59:59.999, 22:00, then 2026-03-03 06:59:59, 07:00.
    assert_eq!(window.ends(1_772_485_199_999), None);
    let end = Some(1_772_517_600_000);
    assert_eq!(window.ends(1_772_485_200_000), end);
    assert_eq!(window.ends(1_772_517_599_999), end);
    assert_eq!(window.ends(1_772_517_600_000), None);
}

#[test]
fn a_window_counts_for_the_day_on_which_it_begins() {
    let mut days = [false; 7];
    days[1] = true;
    let night = Window::new(zone(BERLIN), 79_200, 25_200, days).unwrap();
    // Monday 23:00, Tuesday 06:00, Tuesday 23:00, Monday 06:00.
    let inside: Vec<bool> =
        [1_772_488_800, 1_772_514_000, 1_772_575_200, 1_772_427_600].map(|at| night.ends(at * 1000).is_some()).into();
    assert_eq!(inside, [true, true, false, false]);
    let noon = Window::new(zone(BERLIN), 43_200, 86_400, days).unwrap();
    assert_eq!(noon.ends(1_772_449_200_000), Some(1_772_492_400_000), "until midnight");
    let morning = Window::new(zone(BERLIN), 0, 21_600, days).unwrap();
    assert_eq!(morning.ends(1_772_406_000_000), Some(1_772_427_600_000), "from midnight");
}

#[test]
fn windows_end_right_where_clocks_are_changed() {
    let night = Window::new(zone(BERLIN), 79_200, 25_200, EVERY_DAY).unwrap();
    // The nights before 2026-03-29 and 2026-10-25, from 23:00 on: 07:00 comes an hour earlier, an hour later.
    assert_eq!(night.ends(1_774_735_200_000), Some(1_774_760_400_000));
    assert_eq!(night.ends(1_792_875_600_000), Some(1_792_908_000_000));
    // Until 02:30, which comes twice: after the first one the clock shows 02:00 again.
    let short = Window::new(zone(BERLIN), 79_200, 9_000, EVERY_DAY).unwrap();
    assert_eq!(short.ends(1_792_875_600_000), Some(1_792_888_200_000));
    assert_eq!(short.ends(1_792_888_200_000), None, "02:30");
    assert_eq!(short.ends(1_792_890_060_000), Some(1_792_891_800_000), "02:01 the second time");
}

#[test]
fn a_window_ends_later_than_now_and_is_over_then_at_any_moment() {
    for rule in [BERLIN, "PST8PDT,M3.2.0,M11.1.0", "<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "JST-9"] {
        for (from, until) in [(79_200, 25_200), (3_600, 10_800), (7_200, 9_000), (0, 86_400 - 1), (82_800, 86_400)] {
            let window = Window::new(zone(rule), from, until, EVERY_DAY).unwrap();
            for step in 0..365 * 48 {
                let at = (1_767_225_600 + step * 1_800) * 1000;
                if let Some(end) = window.ends(at) {
                    assert!(end > at && end - at <= 25 * 3_600_000, "{rule} {from} {until} {at}: {end}");
                    let then = window.zone.local(end).second;
                    // Where the end is skipped, or comes twice, the clock shows up to an hour more.
                    assert!((then + 86_400 - until % 86_400) % 86_400 <= 3_600, "{rule} {from} {until} {at}: {then}");
                }
            }
        }
    }
}

#[test]
fn a_window_of_no_length_is_refused() {
    assert!(Window::new(Zone::UTC, 3_600, 3_600, EVERY_DAY).is_err());
    assert!(Window::new(Zone::UTC, 0, 0, EVERY_DAY).is_err());
    assert!(Window::new(Zone::UTC, 0, 86_400, EVERY_DAY).is_ok(), "all the day");
}
