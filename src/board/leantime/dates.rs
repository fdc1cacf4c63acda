//! The server's dates: written so that it does not misread them, read as it means them.
//!
//! It stores instants as `YYYY-MM-DD HH:MM:SS`, meant as UTC, and takes what it cannot read for no
//! date at all, silently: so only two forms are sent, and none has fractions of a second. A due date
//! at midnight is a date that somebody wrote without a time; any other is an instant.

use crate::domain::Timestamp;
use chrono::{
    DateTime, Days, NaiveDate, NaiveDateTime, NaiveTime, SubsecRound, TimeDelta, TimeZone, Utc,
};
use chrono_tz::Tz;

/// An instant as it is sent.
pub(super) fn instant(at: Timestamp) -> String {
    at.trunc_subsecs(0).format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A day as it is sent.
pub(super) fn day(day: NaiveDate) -> String {
    day.format("%Y-%m-%d").to_string()
}

/// Reads any of the server's forms; nothing for its forms of no date and for what is none.
pub(super) fn read(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if text.is_empty() || text.starts_with("0000-") {
        return None;
    }
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Some(at.with_timezone(&Utc).trunc_subsecs(0));
    }
    let stored = ["%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"];
    if let Some(at) = stored.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
    {
        return Some(at.and_utc());
    }
    NaiveDate::parse_from_str(text, "%Y-%m-%d")
        .ok()
        .map(|day| day.and_time(NaiveTime::MIN).and_utc())
}

/// When something is to be finished. A date without a time lasts until its end, in the server's zone.
pub(super) fn due(text: &str, zone: Tz) -> Option<Timestamp> {
    let at = read(text)?;
    if at.time() != NaiveTime::MIN {
        return Some(at);
    }
    let next = at.date_naive().checked_add_days(Days::new(1))?;
    midnight(next, zone).checked_sub_signed(TimeDelta::seconds(1))
}

/// The day that a stored instant means: midnight literally, anything else in the server's zone.
pub(super) fn day_of(text: &str, zone: Tz) -> Option<NaiveDate> {
    let at = read(text)?;
    Some(if at.time() == NaiveTime::MIN {
        at.date_naive()
    } else {
        at.with_timezone(&zone).date_naive()
    })
}

/// How a due date is sent: as a date where it is the last second of a day there, as an instant
/// otherwise.
pub(super) fn due_to_send(at: Timestamp, zone: Tz) -> String {
    let at = at.trunc_subsecs(0);
    let last = at.with_timezone(&zone).date_naive();
    let stored = last.and_time(NaiveTime::MIN).and_utc();
    if due(&stored.format("%Y-%m-%d %H:%M:%S").to_string(), zone) == Some(at) {
        return day(last);
    }
    // At midnight exactly the server's form would be read as the whole day.
    let at = if at.time() == NaiveTime::MIN { at + TimeDelta::seconds(1) } else { at };
    instant(at)
}

fn midnight(day: NaiveDate, zone: Tz) -> Timestamp {
    let local = day.and_time(NaiveTime::MIN);
    (0..=104)
        .filter_map(|quarters| local.checked_add_signed(TimeDelta::minutes(15 * quarters)))
        .find_map(|local| zone.from_local_datetime(&local).earliest())
        .map_or_else(|| local.and_utc(), |at| at.with_timezone(&Utc))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::from_millis;
    use chrono_tz::America::Los_Angeles;
    use chrono_tz::UTC;
    use proptest::prelude::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn no_date_has_many_forms() {
        for text in
            ["", " ", "0000-00-00 00:00:00", "0000-00-00", "garbage", "24.12.2026", "2026-13-01"]
        {
            assert_eq!(read(text), None, "{text}");
            assert_eq!(due(text, UTC), None, "{text}");
        }
    }

    #[test]
    fn all_forms_of_an_instant_are_the_same() {
        for text in [
            "2026-12-24 15:30:00",
            "2026-12-24T15:30:00Z",
            "2026-12-24T17:30:00+02:00",
            "2026-12-24T15:30:00.000Z",
        ] {
            assert_eq!(read(text), Some(at("2026-12-24T15:30:00Z")), "{text}");
        }
    }

    #[test]
    fn a_date_without_a_time_is_taken_literally_and_lasts_until_its_end_there() {
        assert_eq!(due("2026-12-01 00:00:00", UTC), Some(at("2026-12-01T23:59:59Z")));
        assert_eq!(due("2026-12-01 00:00:00", Los_Angeles), Some(at("2026-12-02T07:59:59Z")));
        // The web form stores the end of the local day.
        assert_eq!(due("2026-12-25 07:59:59", Los_Angeles), Some(at("2026-12-25T07:59:59Z")));
        assert_eq!(
            day_of("2026-12-25 07:59:59", Los_Angeles),
            NaiveDate::from_ymd_opt(2026, 12, 24)
        );
        assert_eq!(
            day_of("2026-12-01 00:00:00", Los_Angeles),
            NaiveDate::from_ymd_opt(2026, 12, 1)
        );
    }

    #[test]
    fn nothing_is_sent_that_the_server_erases() {
        assert_eq!(instant(from_millis(1_790_000_000_123)), "2026-09-21T14:13:20Z");
        assert_eq!(due_to_send(at("2026-12-02T07:59:59Z"), Los_Angeles), "2026-12-01");
        assert_eq!(due_to_send(at("2026-12-01T23:59:59Z"), UTC), "2026-12-01");
        assert_eq!(due_to_send(at("2026-12-01T12:00:00Z"), UTC), "2026-12-01T12:00:00Z");
    }

    proptest! {
        #[test]
        fn a_due_date_comes_back_to_the_second(ms in 0_i64..4_000_000_000_000) {
            for zone in [UTC, Los_Angeles, chrono_tz::Pacific::Apia] {
                let sent = due_to_send(from_millis(ms), zone);
                let stored = read(&sent).unwrap().format("%Y-%m-%d %H:%M:%S").to_string();
                let whole = from_millis(ms).trunc_subsecs(0);
                let back = due(&stored, zone).unwrap();
                prop_assert!((back - whole).num_seconds().abs() <= 1, "{} {} {}", whole, sent, back);
            }
        }
    }
}
