//! Instants as people type them.

use crate::domain::Timestamp;
use chrono::{DateTime, LocalResult, NaiveDate, NaiveDateTime, NaiveTime, TimeZone as _, Utc};
use chrono_tz::Tz;
use std::str::FromStr;

/// An instant with its offset, or a local time that needs a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instant {
    /// `2026-03-29T08:00:00+02:00`, `…Z`.
    Exact(Timestamp),
    /// `2026-03-29T08:00` or `2026-03-29` (its first moment), in the zone of whoever types.
    Local(NaiveDateTime),
}

const EXPECTED: &str =
    "expected an instant such as 2026-03-29T08:00:00+02:00, 2026-03-29T08:00 or 2026-03-29";

impl FromStr for Instant {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if let Ok(exact) = DateTime::parse_from_rfc3339(text) {
            return Ok(Self::Exact(exact.with_timezone(&Utc)));
        }
        for form in ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M"] {
            if let Ok(local) = NaiveDateTime::parse_from_str(text, form) {
                return Ok(Self::Local(local));
            }
        }
        let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").map_err(|_| EXPECTED.to_owned())?;
        Ok(Self::Local(day.and_time(NaiveTime::MIN)))
    }
}

impl Instant {
    /// The instant; a local time is of this zone.
    ///
    /// # Errors
    /// What to type instead, when the zone is not known, or has that time not at all or twice.
    pub fn resolve(self, zone: Option<&str>) -> Result<Timestamp, String> {
        let local = match self {
            Self::Exact(instant) => return Ok(instant),
            Self::Local(local) => local,
        };
        let with_offset = "write the instant with its offset, such as 2026-03-29T08:00:00+02:00";
        let zone: Tz = zone
            .and_then(|name| name.parse().ok())
            .ok_or_else(|| format!("the time zone of this machine is not known; {with_offset}"))?;
        match zone.from_local_datetime(&local) {
            LocalResult::Single(instant) => Ok(instant.with_timezone(&Utc)),
            LocalResult::None => Err(format!("{local} does not exist in {zone}; {with_offset}")),
            LocalResult::Ambiguous(..) => {
                Err(format!("{local} happens twice in {zone}; {with_offset}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(text: &str) -> Result<String, String> {
        let instant: Instant = text.parse()?;
        instant.resolve(Some("Europe/Berlin")).map(|at| at.to_rfc3339())
    }

    #[test]
    fn a_local_time_is_of_the_typists_zone() {
        assert_eq!(resolve("2026-07-01T08:00").unwrap(), "2026-07-01T06:00:00+00:00");
        assert_eq!(resolve("2026-07-01").unwrap(), "2026-06-30T22:00:00+00:00");
        assert_eq!(resolve("2026-07-01T08:00:00+09:00").unwrap(), "2026-06-30T23:00:00+00:00");
    }

    #[test]
    fn a_time_that_daylight_saving_removes_or_repeats_is_asked_back() {
        assert!(resolve("2026-03-29T02:30").unwrap_err().contains("does not exist"));
        assert!(resolve("2026-10-25T02:30").unwrap_err().contains("happens twice"));
        assert!(resolve("tomorrow").unwrap_err().contains("2026-03-29"));
        let local: Instant = "2026-07-01".parse().unwrap();
        assert!(local.resolve(None).unwrap_err().contains("offset"));
    }
}
