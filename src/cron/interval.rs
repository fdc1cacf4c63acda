//! Intervals (`every = "2h"`): instants that are the same after a restart and do not drift.
//!
//! - An interval that divides a day without remainder (`15m`, `2h`) is counted from each local
//!   midnight, in elapsed time; on a day of 23 or 25 hours the last one is cut short or followed by more,
//!   and the next midnight begins anew.
//! - A multiple of whole days (`1d`, `7d`) falls on local midnights, counted in civil days from Monday,
//!   5 January 1970, so that weeks begin on Mondays.
//! - Any other (`7h`, `40s` divides, `50m` does not) is counted from the first instant of 1 January 1970 in the
//!   zone, in elapsed time: never a long or a short one.

use super::zone;
use crate::domain::{Timestamp, from_millis, millis};
use chrono::{Days, NaiveDate};
use chrono_tz::Tz;
use std::time::Duration;

const DAY_MS: i64 = 86_400_000;

/// The shortest interval; shorter ones count as this.
const INTERVAL_MS_MIN: i64 = 1_000;

/// An interval in a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    ms: i64,
    zone: Tz,
}

impl Interval {
    /// Every so often; less than a second counts as a second.
    pub fn new(every: Duration, zone: Tz) -> Self {
        let ms = i64::try_from(millis(every)).unwrap_or(i64::MAX / 4);
        Self { ms: ms.clamp(INTERVAL_MS_MIN, DAY_MS * 366_000), zone }
    }

    /// The first instant after `after`; `None` when the calendar ends.
    pub fn after(&self, after: Timestamp) -> Option<Timestamp> {
        if self.ms % DAY_MS == 0 {
            let step = self.ms / DAY_MS;
            let since = self.days_at(after).div_euclid(step);
            // The day of `after` has begun; only a later one can be next.
            return self.day(since.checked_add(1)?.checked_mul(step)?);
        }
        let (start, end) = self.stretch(after)?;
        let steps = (after.timestamp_millis() - start).div_euclid(self.ms) + 1;
        let next = start.checked_add(steps.checked_mul(self.ms)?)?;
        // Clamped to the end of the calendar, an instant would repeat for ever.
        Some(from_millis(end.map_or(next, |end| next.min(end)))).filter(|next| *next > after)
    }

    /// How many instants there are after `after`, up to and including `until`.
    pub fn count(&self, after: Timestamp, until: Timestamp) -> u64 {
        let mut total: i64 = 0;
        let mut at = after;
        if until <= after {
            return 0;
        }
        if self.ms % DAY_MS == 0 {
            let step = self.ms / DAY_MS;
            let days = self.days_at(until).div_euclid(step) - self.days_at(at).div_euclid(step);
            return u64::try_from(days).unwrap_or(0);
        }
        while let Some((start, end)) = self.stretch(at) {
            let last =
                end.map_or(until.timestamp_millis(), |end| until.timestamp_millis().min(end - 1));
            total += (last - start).div_euclid(self.ms)
                - (at.timestamp_millis() - start).div_euclid(self.ms);
            match end {
                Some(end) if end <= until.timestamp_millis() => {
                    total += 1;
                    at = from_millis(end);
                }
                _ => break,
            }
        }
        u64::try_from(total).unwrap_or(0)
    }

    /// Where the count that `at` falls into began and ends, in milliseconds.
    fn stretch(&self, at: Timestamp) -> Option<(i64, Option<i64>)> {
        if DAY_MS % self.ms != 0 {
            let anchor = zone::day_start(self.zone, NaiveDate::from_ymd_opt(1970, 1, 1)?);
            return Some((anchor.timestamp_millis(), None));
        }
        let day = self.civil_day(at)?;
        let end = zone::day_start(self.zone, day.succ_opt()?);
        Some((zone::day_start(self.zone, day).timestamp_millis(), Some(end.timestamp_millis())))
    }

    /// The civil day that has begun at `at`. Where the clock is set back over midnight, the new day's
    /// first minutes show the old date again; the day has begun all the same.
    fn civil_day(&self, at: Timestamp) -> Option<NaiveDate> {
        let day = zone::local(self.zone, at).date();
        let next = day.succ_opt()?;
        Some(if zone::day_start(self.zone, next) <= at { next } else { day })
    }

    /// Civil days from Monday, 5 January 1970 to the day of `at`.
    fn days_at(&self, at: Timestamp) -> i64 {
        let monday = NaiveDate::from_ymd_opt(1970, 1, 5).unwrap_or_default();
        self.civil_day(at).unwrap_or_default().signed_duration_since(monday).num_days()
    }

    fn day(&self, days: i64) -> Option<Timestamp> {
        let monday = NaiveDate::from_ymd_opt(1970, 1, 5)?;
        let days_from = Days::new(days.unsigned_abs());
        let day = if days < 0 {
            monday.checked_sub_days(days_from)
        } else {
            monday.checked_add_days(days_from)
        };
        Some(zone::day_start(self.zone, day?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every(text: &str, zone: Tz, from: &str, count: usize) -> Vec<String> {
        let interval = Interval::new(crate::domain::parse_duration(text).unwrap(), zone);
        let from: Timestamp = from.parse().unwrap();
        std::iter::successors(interval.after(from), |at| interval.after(*at))
            .take(count)
            .map(|at| at.with_timezone(&zone).format("%m-%d %H:%M %Z").to_string())
            .collect()
    }

    #[test]
    fn an_interval_that_divides_a_day_begins_anew_at_each_midnight() {
        let berlin = chrono_tz::Europe::Berlin;
        assert_eq!(
            every("6h", berlin, "2026-03-28T17:30:00Z", 6),
            [
                "03-29 00:00 CET",
                "03-29 07:00 CEST",
                "03-29 13:00 CEST",
                "03-29 19:00 CEST",
                "03-30 00:00 CEST",
                "03-30 06:00 CEST"
            ]
        );
        assert_eq!(
            every("6h", berlin, "2026-10-24T21:30:00Z", 6),
            [
                "10-25 00:00 CEST",
                "10-25 05:00 CET",
                "10-25 11:00 CET",
                "10-25 17:00 CET",
                "10-25 23:00 CET",
                "10-26 00:00 CET"
            ]
        );
    }

    #[test]
    fn whole_days_fall_on_midnights_and_weeks_on_mondays() {
        let berlin = chrono_tz::Europe::Berlin;
        assert_eq!(
            every("7d", berlin, "2026-10-20T00:00:00Z", 3),
            ["10-26 00:00 CET", "11-02 00:00 CET", "11-09 00:00 CET"]
        );
        assert_eq!(
            every("1d", chrono_tz::America::Santiago, "2026-09-05T12:00:00Z", 2),
            ["09-06 01:00 -03", "09-07 00:00 -03"]
        );
    }

    #[test]
    fn any_other_interval_never_changes_its_length() {
        let zone = chrono_tz::Europe::Berlin;
        let interval = Interval::new(Duration::from_hours(7), zone);
        let mut at: Timestamp = "2026-03-25T00:00:00Z".parse().unwrap();
        at = interval.after(at).unwrap();
        for _ in 0..400 {
            let next = interval.after(at).unwrap();
            assert_eq!(next - at, chrono::TimeDelta::hours(7));
            at = next;
        }
    }

    #[test]
    fn counting_agrees_with_walking() {
        let from: Timestamp = "2026-03-27T05:31:07Z".parse().unwrap();
        let until: Timestamp = "2026-11-03T05:30:00Z".parse().unwrap();
        for zone in [chrono_tz::Europe::Berlin, chrono_tz::Australia::Lord_Howe] {
            for text in ["45m", "50m", "2h", "7h", "1d", "2d", "7d", "9h", "3h12m"] {
                let interval = Interval::new(crate::domain::parse_duration(text).unwrap(), zone);
                let walked = std::iter::successors(interval.after(from), |at| interval.after(*at))
                    .take_while(|at| *at <= until)
                    .count();
                assert_eq!(interval.count(from, until), walked as u64, "{text} {zone}");
            }
        }
    }
}
