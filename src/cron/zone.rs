//! Where a zone's clock is set forward or back, found by asking the zone for its offset.
//!
//! chrono-tz does not publish its transitions. Offsets are looked up by binary search in a table, so
//! bisecting for one costs about a microsecond; it is done only near a transition.

use chrono::{DateTime, NaiveDate, NaiveDateTime, Offset, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

use crate::domain::Timestamp;

/// No clock was ever set by more than this (the date line was crossed by 24 hours).
const SHIFT_MAX: TimeDelta = TimeDelta::hours(26);

/// The clock of a zone is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shift {
    /// The first instant at which the new offset holds.
    pub at: Timestamp,
    /// What was added to UTC before.
    pub before: TimeDelta,
    /// What is added to UTC from then on.
    pub after: TimeDelta,
}

impl Shift {
    /// Whether local times are repeated.
    pub fn is_fold(&self) -> bool {
        self.after < self.before
    }

    /// The local time that the clock shows from then on.
    pub fn local(&self) -> NaiveDateTime {
        self.at.naive_utc() + self.after
    }

    /// The local time that the clock would have shown, had it not been set.
    pub fn local_before(&self) -> NaiveDateTime {
        self.at.naive_utc() + self.before
    }
}

/// What a zone adds to UTC at an instant.
pub fn offset(zone: Tz, at: Timestamp) -> TimeDelta {
    let seconds = zone.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc();
    TimeDelta::seconds(i64::from(seconds))
}

/// The local time in a zone at an instant.
pub fn local(zone: Tz, at: Timestamp) -> NaiveDateTime {
    at.naive_utc() + offset(zone, at)
}

/// The one shift after `from`, up to and including `to`; none if both have the same offset. Both are
/// whole seconds, at most two days apart.
pub fn shift_between(zone: Tz, from: Timestamp, to: Timestamp) -> Option<Shift> {
    let before = offset(zone, from);
    if offset(zone, to) == before {
        return None;
    }
    let (mut low, mut high) = (from.timestamp(), to.timestamp());
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if offset(zone, seconds(middle)) == before {
            low = middle;
        } else {
            high = middle;
        }
    }
    let at = seconds(high);
    Some(Shift { at, before, after: offset(zone, at) })
}

/// The shift that repeats local times which the clock shows at or before `at`, if it is to come soon.
pub fn fold_ahead(zone: Tz, at: Timestamp) -> Option<Shift> {
    shift_between(zone, at, at.checked_add_signed(SHIFT_MAX)?).filter(Shift::is_fold)
}

/// The shift that removed a local time which does not exist.
pub fn gap_around(zone: Tz, local: NaiveDateTime) -> Option<Shift> {
    let middle: DateTime<Utc> = local.and_utc();
    let from = middle.checked_sub_signed(SHIFT_MAX)?;
    shift_between(zone, from, middle.checked_add_signed(SHIFT_MAX)?)
}

/// The first instant of a civil day; of a day that the zone never had, that of the next.
pub fn day_start(zone: Tz, day: NaiveDate) -> Timestamp {
    let midnight = day.and_time(chrono::NaiveTime::MIN);
    match zone.from_local_datetime(&midnight) {
        chrono::LocalResult::Single(at) | chrono::LocalResult::Ambiguous(at, _) => at.to_utc(),
        chrono::LocalResult::None => {
            gap_around(zone, midnight).map_or(midnight.and_utc(), |shift| shift.at)
        }
    }
}

/// An instant from seconds since 1970; clamped to what a calendar can hold.
pub fn seconds(count: i64) -> Timestamp {
    DateTime::from_timestamp(count, 0).unwrap_or(if count < 0 {
        DateTime::<Utc>::MIN_UTC
    } else {
        DateTime::<Utc>::MAX_UTC
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_zone_is_set_twice_within_two_days_since_2000() {
        // `shift_between` assumes it. Samoa and its like crossed the date line once, which is one shift.
        for zone in chrono_tz::TZ_VARIANTS {
            let mut at = seconds(946_684_800);
            let mut last: Option<Timestamp> = None;
            while at < seconds(2_500_000_000) {
                let next = at + TimeDelta::days(1);
                if let Some(shift) = shift_between(zone, at, next) {
                    if let Some(last) = last {
                        assert!(shift.at - last > TimeDelta::hours(52), "{zone} {}", shift.at);
                    }
                    last = Some(shift.at);
                }
                at = next;
            }
        }
    }

    #[test]
    fn a_day_without_midnight_begins_when_the_clock_was_set() {
        let zone = chrono_tz::America::Santiago;
        let day = NaiveDate::from_ymd_opt(2026, 9, 6).unwrap();
        assert_eq!(day_start(zone, day).to_rfc3339(), "2026-09-06T04:00:00+00:00");
        assert_eq!(local(zone, day_start(zone, day)).to_string(), "2026-09-06 01:00:00");
    }

    #[test]
    fn a_day_that_never_was_begins_with_the_next() {
        let zone = chrono_tz::Pacific::Apia;
        let day = NaiveDate::from_ymd_opt(2011, 12, 30).unwrap();
        assert_eq!(day_start(zone, day), day_start(zone, day.succ_opt().unwrap()));
    }
}
