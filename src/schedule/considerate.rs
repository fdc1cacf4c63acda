//! When people may be told something: within their hours, not on their holidays, not more a day than they
//! want. Pure.

use crate::domain::{Recipient, Timestamp, to_delta};
use chrono::{Days, NaiveDate, TimeDelta, TimeZone as _};

/// So many days are looked ahead for the next hour in which somebody may be told.
const DAYS_MAX: u64 = 400;

/// A notice, as far as it matters when it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Telling {
    /// When it was stored.
    pub created: Timestamp,
    /// Whether something is wrong that somebody has to see to.
    pub is_alarm: bool,
}

/// Until when it has to wait; `None`: it may be told now. `told_today`: so many were told on the civil day
/// of the recipient.
pub fn waits_until(
    to: &Recipient,
    telling: Telling,
    told_today: u32,
    now: Timestamp,
) -> Option<Timestamp> {
    if telling.is_alarm && to.alarms_always {
        return None;
    }
    let today = to.zone.from_utc_datetime(&now.naive_utc()).date_naive();
    if to.per_day.is_some_and(|most| told_today >= most) {
        let tomorrow = begin_of(to, today + Days::new(1));
        return Some(if is_open(to, tomorrow) { tomorrow } else { opens_after(to, tomorrow) });
    }
    let ready = telling.created + to_delta(to.merge);
    let earliest = now.max(ready);
    let open = if is_open(to, earliest) { earliest } else { opens_after(to, earliest) };
    (open > now).then_some(open)
}

/// The civil day of a recipient on which an instant is: when it began.
pub fn day_began(to: &Recipient, at: Timestamp) -> Timestamp {
    begin_of(to, to.zone.from_utc_datetime(&at.naive_utc()).date_naive())
}

fn is_open(to: &Recipient, at: Timestamp) -> bool {
    let local = to.zone.from_utc_datetime(&at.naive_utc()).naive_local();
    to.hours.as_ref().is_none_or(|hours| hours.covers(local))
}

/// The next instant at which the hours begin. Where there is none in sight it is told after all.
fn opens_after(to: &Recipient, at: Timestamp) -> Timestamp {
    let Some(hours) = &to.hours else { return at };
    let today = to.zone.from_utc_datetime(&at.naive_utc()).date_naive();
    for ahead in 0..DAYS_MAX {
        let day = today + Days::new(ahead);
        if !hours.counts(day) {
            continue;
        }
        let opens = valid(to, day.and_time(hours.from));
        if opens > at {
            return opens;
        }
    }
    at
}

fn begin_of(to: &Recipient, day: NaiveDate) -> Timestamp {
    valid(to, day.and_time(chrono::NaiveTime::MIN))
}

/// A local time as an instant: the first of two; what the clocks skip is the first instant after it.
fn valid(to: &Recipient, local: chrono::NaiveDateTime) -> Timestamp {
    let mut local = local;
    // No zone skips more than a day.
    for _ in 0..96 {
        if let Some(found) = to.zone.from_local_datetime(&local).earliest() {
            return found.to_utc();
        }
        local += TimeDelta::minutes(15);
    }
    local.and_utc()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Hours;
    use chrono::NaiveTime;
    use chrono::Weekday::{Fri, Mon, Sun, Thu, Tue, Wed};
    use std::time::Duration;

    fn recipient(zone: chrono_tz::Tz) -> Recipient {
        let time = |text: &str| text.parse::<NaiveTime>().unwrap();
        let hours = Hours {
            days: vec![Mon, Tue, Wed, Thu, Fri],
            from: time("08:00:00"),
            to: time("18:00:00"),
            holidays: vec!["2026-12-25".parse().unwrap()],
        };
        Recipient {
            name: "ada".into(),
            channels: Vec::new(),
            zone,
            hours: Some(hours),
            merge: Duration::ZERO,
            per_day: None,
            alarms_always: true,
        }
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn waits(to: &Recipient, now: &str) -> Option<String> {
        let telling = Telling { created: at(now), is_alarm: false };
        waits_until(to, telling, 0, at(now)).map(|until| until.to_rfc3339())
    }

    #[test]
    fn each_is_told_in_the_hours_of_their_own_zone() {
        let (berlin, york) =
            (recipient(chrono_tz::Europe::Berlin), recipient(chrono_tz::America::New_York));
        // A Tuesday, 09:00 in Berlin, 03:00 in New York.
        assert_eq!(waits(&berlin, "2026-11-03T08:00:00Z"), None);
        let until = waits(&york, "2026-11-03T08:00:00Z").unwrap();
        assert_eq!(until, "2026-11-03T13:00:00+00:00");
        // 18:00 belongs to the evening, and after Friday comes Monday.
        let until = waits(&berlin, "2026-11-06T17:00:00Z").unwrap();
        assert_eq!(until, "2026-11-09T07:00:00+00:00");
        // Thursday evening before a holiday on a Friday.
        let until = waits(&berlin, "2026-12-24T20:00:00Z").unwrap();
        assert_eq!(until, "2026-12-28T07:00:00+00:00");
    }

    #[test]
    fn hours_over_midnight_belong_to_the_day_on_which_they_began_also_when_the_clocks_change() {
        let time = |text: &str| text.parse::<NaiveTime>().unwrap();
        let mut night = recipient(chrono_tz::Europe::Berlin);
        let hours = night.hours.as_mut().unwrap();
        (hours.from, hours.to) = (time("22:00:00"), time("06:00:00"));
        assert_eq!(waits(&night, "2026-11-07T03:00:00Z"), None, "Friday's night");
        let until = waits(&night, "2026-11-08T03:00:00Z").unwrap();
        assert_eq!(until, "2026-11-09T21:00:00+00:00");
        // On 2026-03-29 there is no 02:30 in Berlin.
        let mut early = recipient(chrono_tz::Europe::Berlin);
        let hours = early.hours.as_mut().unwrap();
        (hours.from, hours.to) = (time("02:30:00"), time("05:00:00"));
        hours.days = vec![Sun];
        let until = waits(&early, "2026-03-28T12:00:00Z").unwrap();
        assert_eq!(until, "2026-03-29T01:00:00+00:00");
    }

    #[test]
    fn what_comes_close_together_waits_for_each_other_and_a_day_holds_only_so_many() {
        let mut to = recipient(chrono_tz::Europe::Berlin);
        to.merge = Duration::from_mins(10);
        let telling = Telling { created: at("2026-11-03T09:00:00Z"), is_alarm: false };
        let until = waits_until(&to, telling, 0, at("2026-11-03T09:04:00Z"));
        assert_eq!(until, Some(at("2026-11-03T09:10:00Z")));
        assert_eq!(waits_until(&to, telling, 0, at("2026-11-03T09:10:00Z")), None);
        to.per_day = Some(3);
        assert_eq!(waits_until(&to, telling, 2, at("2026-11-03T09:10:00Z")), None);
        let until = waits_until(&to, telling, 3, at("2026-11-03T09:10:00Z"));
        assert_eq!(until, Some(at("2026-11-04T07:00:00Z")));
        // An alarm is told at any hour, unless they want it otherwise.
        let alarm = Telling { is_alarm: true, ..telling };
        assert_eq!(waits_until(&to, alarm, 3, at("2026-11-03T23:00:00Z")), None);
        to.alarms_always = false;
        assert!(waits_until(&to, alarm, 0, at("2026-11-03T23:00:00Z")).is_some());
    }

    #[test]
    fn whoever_has_no_hours_left_is_told_after_all() {
        let mut to = recipient(chrono_tz::UTC);
        to.hours.as_mut().unwrap().days.clear();
        assert_eq!(waits(&to, "2026-11-03T08:00:00Z"), None);
        to.hours = None;
        assert_eq!(waits(&to, "2026-11-08T03:00:00Z"), None);
    }
}
