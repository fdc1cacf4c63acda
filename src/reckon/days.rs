//! Days as people work them: local times as instants, working days, and what is free of them.

use crate::domain::{Span, Timestamp};
use chrono::{
    Datelike, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Utc, Weekday,
};
use chrono_tz::Tz;

/// When a day's work begins and ends, around a break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours {
    /// The morning begins.
    pub start: NaiveTime,
    /// The morning ends.
    pub noon: NaiveTime,
    /// The afternoon begins.
    pub after: NaiveTime,
    /// The afternoon ends.
    pub end: NaiveTime,
}

impl Hours {
    /// Whether each comes after the one before.
    pub fn is_in_order(&self) -> bool {
        self.start < self.noon && self.noon <= self.after && self.after < self.end
    }

    /// How much can be done in a day, in minutes.
    pub fn minutes(&self) -> i64 {
        ((self.noon - self.start) + (self.end - self.after)).num_minutes()
    }
}

/// A local time as an instant: the first of two, the first valid one after a gap.
pub fn instant(local: NaiveDateTime, zone: Tz) -> Timestamp {
    // No gap has ever been longer than a day (Samoa skipped one).
    (0..=104)
        .filter_map(|quarters| local.checked_add_signed(TimeDelta::minutes(15 * quarters)))
        .find_map(|local| zone.from_local_datetime(&local).earliest())
        .map_or_else(|| local.and_utc(), |at| at.with_timezone(&Utc))
}

/// The first instant of a day.
pub fn midnight(day: NaiveDate, zone: Tz) -> Timestamp {
    instant(day.and_time(NaiveTime::MIN), zone)
}

/// Whether people work on it: from Monday to Friday.
pub fn is_workday(day: NaiveDate) -> bool {
    !matches!(day.weekday(), Weekday::Sat | Weekday::Sun)
}

/// The last working day before a day: before a Monday it is a Friday, unless that is one of the holidays.
pub fn last_workday(day: NaiveDate, holidays: &[NaiveDate]) -> NaiveDate {
    workdays_before(day, 1, holidays)
}

/// So many working days before a day; with none the day itself.
pub fn workdays_before(day: NaiveDate, count: u32, holidays: &[NaiveDate]) -> NaiveDate {
    let mut at = day;
    let mut left = count;
    while left > 0 {
        let Some(before) = at.checked_sub_days(Days::new(1)) else { return at };
        at = before;
        if is_workday(at) && !holidays.contains(&at) {
            left -= 1;
        }
    }
    at
}

/// What is left of the windows from an instant on, without what is busy; in order.
pub fn free(windows: &[Span], busy: &[Span], not_before: Timestamp) -> Vec<Span> {
    let mut busy: Vec<Span> = busy.iter().copied().filter(|span| span.from < span.to).collect();
    busy.sort_by_key(|span| (span.from, span.to));
    let mut free = Vec::new();
    for window in windows {
        let mut from = window.from.max(not_before);
        for taken in &busy {
            if taken.to <= from || taken.from >= window.to {
                continue;
            }
            if taken.from > from {
                free.push(Span { from, to: taken.from });
            }
            from = from.max(taken.to);
        }
        if from < window.to {
            free.push(Span { from, to: window.to });
        }
    }
    free
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(month: u32, day: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, month, day).unwrap()
    }

    #[test]
    fn before_a_monday_people_worked_on_friday() {
        assert_eq!(last_workday(day(10, 26), &[]), day(10, 23));
        assert_eq!(last_workday(day(10, 27), &[]), day(10, 26));
        assert_eq!(last_workday(day(10, 25), &[]), day(10, 23), "a Sunday looks back, too");
        assert_eq!(workdays_before(day(11, 6), 5, &[]), day(10, 30));
        assert_eq!(workdays_before(day(11, 6), 0, &[]), day(11, 6));
    }

    #[test]
    fn nobody_worked_on_a_holiday() {
        let holidays = [day(10, 23), day(10, 26)];
        assert_eq!(last_workday(day(10, 27), &holidays), day(10, 22));
        assert_eq!(last_workday(day(10, 26), &holidays), day(10, 22), "a holiday looks back, too");
        assert_eq!(workdays_before(day(10, 28), 2, &holidays), day(10, 22));
    }

    #[test]
    fn a_time_that_is_skipped_is_the_next_and_one_that_comes_twice_the_first() {
        let berlin = Tz::Europe__Berlin;
        let at = |month, d, hour| instant(day(month, d).and_hms_opt(hour, 30, 0).unwrap(), berlin);
        assert_eq!(at(3, 29, 2).to_rfc3339(), "2026-03-29T01:00:00+00:00");
        assert_eq!(at(10, 25, 2).to_rfc3339(), "2026-10-25T00:30:00+00:00");
    }
}
