//! Dates as people and models write them: instants, civil days in the caller's zone, and offsets.

use super::ToolError;
use super::arguments::shown;
use crate::domain::{Reason, Timestamp, parse_duration, to_delta};
use chrono::{
    DateTime, Datelike, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Utc,
    Weekday,
};
use chrono_tz::Tz;

/// What a date came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// An instant.
    At(Timestamp),
    /// A day of the zone.
    Day(NaiveDate),
}

/// How dates are read: in which zone, and what is now.
#[derive(Clone, Copy, Debug)]
pub struct Dates {
    /// Whose days they are.
    pub zone: Tz,
    /// What `now` is.
    pub now: Timestamp,
}

impl Dates {
    /// Reads `2026-11-03T09:00:00+01:00`, `2026-11-03T09:00` (the zone's time), `2026-11-03`,
    /// `now`, `today`, `tomorrow`, `yesterday`, `friday` (the coming one), `+3d`, `-1w`, `+2h`.
    pub fn read(self, argument: &str, text: &str) -> Result<When, ToolError> {
        let text = text.trim();
        let when = self.parse(text).map(|when| match when {
            When::At(at) => When::At(without_leap(at)),
            When::Day(_) => when,
        });
        when.filter(|when| is_kept(*when)).ok_or_else(|| self.no_date(argument, text))
    }

    fn no_date(self, argument: &str, text: &str) -> ToolError {
        let today = self.today();
        ToolError::rejected(
            Reason::InvalidArguments,
            format!(
                "{argument}: \"{}\" is no date; expected an instant such as \"{today}T09:00:00Z\", \
                 a day such as \"{today}\", or now, today, tomorrow, yesterday, friday, +3d",
                shown(text)
            ),
        )
    }

    /// The instant, if boards keep it: the first and the last day that there are begin and end in
    /// other years elsewhere.
    fn kept(self, argument: &str, text: &str, at: Timestamp) -> Result<Timestamp, ToolError> {
        let is_kept = is_kept(When::At(at));
        is_kept.then_some(at).ok_or_else(|| self.no_date(argument, text.trim()))
    }

    /// The first instant of a day, or the instant itself.
    pub fn begin(self, argument: &str, text: &str) -> Result<Timestamp, ToolError> {
        let at = match self.read(argument, text)? {
            When::At(at) => at,
            When::Day(day) => self.midnight(day),
        };
        self.kept(argument, text, at)
    }

    /// The first instant after a day, or the instant itself: an end that is not included.
    pub fn end(self, argument: &str, text: &str) -> Result<Timestamp, ToolError> {
        Ok(match self.read(argument, text)? {
            When::At(at) => at,
            When::Day(day) => self.midnight(next(day)),
        })
    }

    /// The last second of a day, or the instant itself: when something is to be finished.
    pub fn last(self, argument: &str, text: &str) -> Result<Timestamp, ToolError> {
        let at = match self.read(argument, text)? {
            When::At(at) => at,
            When::Day(day) => self.midnight(next(day)) - TimeDelta::seconds(1),
        };
        self.kept(argument, text, at)
    }

    /// A day; of an instant, the zone's day it is in.
    pub fn day(self, argument: &str, text: &str) -> Result<NaiveDate, ToolError> {
        Ok(match self.read(argument, text)? {
            When::At(at) => at.with_timezone(&self.zone).date_naive(),
            When::Day(day) => day,
        })
    }

    pub(super) fn today(self) -> NaiveDate {
        self.now.with_timezone(&self.zone).date_naive()
    }

    fn parse(self, text: &str) -> Option<When> {
        let day = |days: i64| offset(self.today(), days).map(When::Day);
        match text.to_lowercase().as_str() {
            "now" => return Some(When::At(self.now)),
            "today" => return day(0),
            "tomorrow" => return day(1),
            "yesterday" => return day(-1),
            _ => {}
        }
        if let Ok(weekday) = text.parse::<Weekday>() {
            // The coming one: on a Friday, `friday` is in a week.
            let days = weekday.days_since(self.today().weekday());
            return day(if days == 0 { 7 } else { i64::from(days) });
        }
        if let Ok(at) = DateTime::parse_from_rfc3339(text) {
            return Some(When::At(at.with_timezone(&Utc)));
        }
        if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
            return Some(When::Day(date));
        }
        for format in ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M"]
        {
            if let Ok(local) = NaiveDateTime::parse_from_str(text, format) {
                return Some(When::At(self.instant(local)));
            }
        }
        self.relative(text)
    }

    fn relative(self, text: &str) -> Option<When> {
        let (sign, rest) = match text.split_at_checked(1)? {
            ("+", rest) => (1, rest),
            ("-", rest) => (-1, rest),
            _ => return None,
        };
        let whole_days = |unit: char, days: i64| -> Option<i64> {
            rest.strip_suffix(unit)?.parse::<u32>().ok().map(|n| i64::from(n) * days * sign)
        };
        if let Some(days) = whole_days('d', 1).or_else(|| whole_days('w', 7)) {
            return offset(self.today(), days).map(When::Day);
        }
        let delta = to_delta(parse_duration(rest).ok()?);
        let at = if sign > 0 {
            self.now.checked_add_signed(delta)
        } else {
            self.now.checked_sub_signed(delta)
        };
        at.map(When::At)
    }

    fn midnight(self, day: NaiveDate) -> Timestamp {
        self.instant(day.and_time(NaiveTime::MIN))
    }

    /// A local time as an instant: the first of two, the first valid one after a gap.
    pub(super) fn instant(self, local: NaiveDateTime) -> Timestamp {
        (0..=12)
            .map(|quarters| local + TimeDelta::minutes(15 * quarters))
            .find_map(|local| self.zone.from_local_datetime(&local).earliest())
            .map_or_else(|| local.and_utc(), |at| at.with_timezone(&Utc))
    }
}

/// Whether boards keep it: it is of the years 1 to 9999.
fn is_kept(when: When) -> bool {
    let day = match when {
        When::At(at) => at.date_naive(),
        When::Day(day) => day,
    };
    (1..=9_999).contains(&day.year())
}

/// A leap second is the second after it, as POSIX counts: no board keeps one, and where a zone's
/// offset has seconds, as all have before there were time zones, it could not even be written.
fn without_leap(at: Timestamp) -> Timestamp {
    let nanoseconds = at.timestamp_subsec_nanos();
    if nanoseconds < 1_000_000_000 {
        return at;
    }
    DateTime::from_timestamp(at.timestamp() + 1, nanoseconds - 1_000_000_000).unwrap_or(at)
}

fn next(day: NaiveDate) -> NaiveDate {
    day.succ_opt().unwrap_or(day)
}

fn offset(day: NaiveDate, days: i64) -> Option<NaiveDate> {
    let count = Days::new(days.unsigned_abs());
    if days < 0 { day.checked_sub_days(count) } else { day.checked_add_days(count) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn berlin() -> Dates {
        Dates { zone: chrono_tz::Europe::Berlin, now: at("2026-10-24T22:30:00Z") }
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_day_is_a_day_of_the_callers_zone_also_when_it_has_25_hours() {
        // In Berlin it is the 25th already, the day on which clocks go back.
        let dates = berlin();
        assert_eq!(dates.begin("dueFrom", "today").unwrap(), at("2026-10-24T22:00:00Z"));
        assert_eq!(dates.end("dueTo", "2026-10-25").unwrap(), at("2026-10-25T23:00:00Z"));
        assert_eq!(dates.last("dateToFinish", "today").unwrap(), at("2026-10-25T22:59:59Z"));
    }

    #[test]
    fn every_way_to_write_a_date_is_read() {
        for (text, expected) in [
            ("2026-11-03T09:00:00+01:00", "2026-11-03T08:00:00Z"),
            ("2026-11-03T09:00", "2026-11-03T08:00:00Z"),
            ("2026-11-03 09:00:30", "2026-11-03T08:00:30Z"),
            ("now", "2026-10-24T22:30:00Z"),
            ("tomorrow", "2026-10-25T23:00:00Z"),
            ("Yesterday", "2026-10-23T22:00:00Z"),
            // It is Sunday in Berlin.
            ("Friday", "2026-10-29T23:00:00Z"),
            ("sunday", "2026-10-31T23:00:00Z"),
            ("+3d", "2026-10-27T23:00:00Z"),
            ("-1w", "2026-10-17T22:00:00Z"),
            ("+2h30m", "2026-10-25T01:00:00Z"),
        ] {
            assert_eq!(berlin().begin("x", text).unwrap(), at(expected), "{text}");
        }
    }

    #[test]
    fn a_local_time_that_does_not_exist_is_the_first_that_does() {
        assert_eq!(berlin().begin("x", "2026-03-29T02:30").unwrap(), at("2026-03-29T01:00:00Z"));
    }

    #[test]
    fn a_leap_second_is_the_second_after_it() {
        let dates = berlin();
        for (text, expected) in [
            ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"),
            ("2016-12-31T23:59:60.5Z", "2017-01-01T00:00:00.5Z"),
            ("2017-01-01T00:59:60", "2017-01-01T00:00:00Z"),
        ] {
            assert_eq!(dates.begin("x", text).unwrap(), at(expected), "{text}");
        }
        // Before 1912 the clocks there were 16 minutes and 8 seconds behind.
        let dates = Dates { zone: chrono_tz::Africa::Abidjan, ..dates };
        let begin = dates.begin("x", "0001-01-01 23:59:60").unwrap();
        assert_eq!(dates.begin("x", &begin.to_rfc3339()).unwrap(), begin);
    }

    #[test]
    fn what_is_no_date_is_refused_with_examples() {
        for text in
            ["", "soon", "31.12.2026", "2026-13-01", "+d", "+99999999999999d", "é", "10000-01-01"]
        {
            let error = berlin().read("dueTo", text).unwrap_err();
            assert!(error.to_string().contains("2026-10-25"), "{text}: {error}");
        }
    }

    /// Texts that look like dates, and any other.
    fn texts() -> impl Strategy<Value = String> {
        let pieces = prop::sample::select(vec![
            "today",
            "now",
            "friday",
            "Tomorrow",
            "+",
            "-",
            "3",
            "0",
            "99999",
            "d",
            "w",
            "h",
            "30m",
            "2026-10-25",
            "2027-03-28",
            "0001-01-01",
            "9999-12-31",
            "2011-12-30",
            "T",
            " ",
            "02:30",
            "24:00",
            "23:59:60",
            ":00",
            "Z",
            "+14:00",
            "-12:00",
            ".5",
            "\u{0}",
            "é",
            "１",
        ]);
        prop_oneof![
            3 => prop::collection::vec(pieces, 1..5).prop_map(|pieces| pieces.concat()),
            1 => "\\PC{0,20}",
            1 => "[+-]?[0-9]{1,20}[a-z]{0,2}",
            1 => "[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}(:[0-9]{2})?(Z|[+-][0-9]{2}:[0-9]{2})?)?",
        ]
    }

    fn dates() -> impl Strategy<Value = Dates> {
        let zones = 0..chrono_tz::TZ_VARIANTS.len();
        (zones, 0..4_000_000_000_i64).prop_map(|(zone, now)| Dates {
            zone: chrono_tz::TZ_VARIANTS[zone],
            now: Timestamp::from_timestamp(now, 0).unwrap(),
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn whatever_is_written_is_a_date_that_reads_back_equal_or_no_date(dates in dates(), text in texts()) {
            let Ok(when) = dates.read("x", &text) else {
                let refused = dates.begin("x", &text).is_err() && dates.day("x", &text).is_err();
                prop_assert!(refused && dates.end("x", &text).is_err() && dates.last("x", &text).is_err());
                return Ok(());
            };
            let echoed = match when {
                When::At(at) => at.to_rfc3339(),
                When::Day(day) => day.to_string(),
            };
            prop_assert_eq!(dates.read("x", &format!(" {echoed}\n")).unwrap(), when);
            let end = dates.end("x", &text).unwrap();
            if let (Ok(begin), Ok(last)) = (dates.begin("x", &text), dates.last("x", &text)) {
                prop_assert!(begin <= last && last <= end, "{begin} {last} {end}");
                for at in [begin, last] {
                    prop_assert_eq!(dates.read("x", &at.to_rfc3339()).unwrap(), When::At(at));
                }
            } else {
                let day = dates.day("x", &text).unwrap();
                prop_assert!(matches!((day.year(), day.ordinal()), (1, 1) | (9_999, 365)), "{day}");
            }
        }
    }
}
