//! Civil days: from one local midnight to the next, however long that is.

use crate::domain::{Span, Timestamp};
use chrono::{Days, LocalResult, NaiveDate, NaiveTime, TimeDelta, TimeZone as _, Utc};
use chrono_tz::Tz;

/// A day on the calendar of a zone. Days are 23, 24 or 25 hours long; most zones that change
/// their clocks do so at night, some of them at midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CivilDay {
    /// The date on the wall.
    pub date: NaiveDate,
    /// Whose wall.
    pub zone: Tz,
}

impl CivilDay {
    /// The day in which an instant lies.
    pub fn of(at: Timestamp, zone: Tz) -> Self {
        Self { date: at.with_timezone(&zone).date_naive(), zone }
    }

    /// So many days later; stays at the calendar's end.
    #[must_use]
    pub fn plus(self, days: u64) -> Self {
        Self { date: self.date.checked_add_days(Days::new(days)).unwrap_or(self.date), ..self }
    }

    /// So many days earlier; stays at the calendar's begin.
    #[must_use]
    pub fn minus(self, days: u64) -> Self {
        Self { date: self.date.checked_sub_days(Days::new(days)).unwrap_or(self.date), ..self }
    }

    /// The first instant of the day: local midnight, the earlier of two, or the end of the gap
    /// where midnight does not exist.
    pub fn start(self) -> Timestamp {
        let midnight = self.date.and_time(NaiveTime::MIN);
        // No gap has ever been longer than a day (Samoa skipped one); a quarter of an hour is the
        // finest step that offsets have taken since 1970.
        for quarter in 0..=96 {
            let local = midnight + TimeDelta::minutes(15 * quarter);
            match self.zone.from_local_datetime(&local) {
                LocalResult::Single(at) | LocalResult::Ambiguous(at, _) => {
                    return at.with_timezone(&Utc);
                }
                LocalResult::None => {}
            }
        }
        midnight.and_utc()
    }

    /// From its first instant up to the first of the next day.
    pub fn span(self) -> Span {
        Span { from: self.start(), to: self.plus(1).start() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(zone: Tz, year: i32, month: u32, day: u32) -> i64 {
        let date = NaiveDate::from_ymd_opt(year, month, day).unwrap();
        let span = CivilDay { date, zone }.span();
        (span.to - span.from).num_hours()
    }

    #[test]
    fn days_have_the_length_the_zone_gives_them() {
        assert_eq!(hours(Tz::Europe__Berlin, 2026, 3, 28), 24);
        assert_eq!(hours(Tz::Europe__Berlin, 2026, 3, 29), 23);
        assert_eq!(hours(Tz::Europe__Berlin, 2026, 10, 25), 25);
    }

    #[test]
    fn a_day_without_a_midnight_begins_where_the_gap_ends() {
        // Beirut springs forward at midnight: 00:00 does not exist on 29 March 2026.
        let date = NaiveDate::from_ymd_opt(2026, 3, 29).unwrap();
        let day = CivilDay { date, zone: Tz::Asia__Beirut };
        assert_eq!(day.start().with_timezone(&day.zone).time().to_string(), "01:00:00");
        assert_eq!(day.minus(1).span().to, day.start(), "the days tile");
    }

    #[test]
    fn a_date_that_was_skipped_is_empty() {
        // Samoa had no 30 December 2011.
        let date = NaiveDate::from_ymd_opt(2011, 12, 30).unwrap();
        let span = CivilDay { date, zone: Tz::Pacific__Apia }.span();
        assert_eq!(span.from, span.to);
    }

    #[test]
    fn every_instant_lies_in_the_span_of_its_day() {
        for zone in
            [Tz::Europe__Berlin, Tz::America__Sao_Paulo, Tz::Asia__Beirut, Tz::Pacific__Apia]
        {
            let mut at = Utc.with_ymd_and_hms(2011, 1, 1, 0, 7, 0).unwrap();
            for _ in 0..3_000 {
                let span = CivilDay::of(at, zone).span();
                assert!(span.from <= at && at < span.to, "{at} in {zone}: {span:?}");
                at += TimeDelta::minutes(397);
            }
        }
    }
}
