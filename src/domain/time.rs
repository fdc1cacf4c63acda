//! Time as the house speaks of it: wall-clock instants, the store's own time, spans, and how
//! people write durations.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use std::time::Duration;

/// A wall-clock instant in UTC, at the board's precision (milliseconds).
pub type Timestamp = DateTime<Utc>;

/// A wall-clock instant from milliseconds since 1970; clamped to what a calendar can hold.
pub fn from_millis(ms: i64) -> Timestamp {
    DateTime::from_timestamp_millis(ms).unwrap_or(if ms < 0 {
        DateTime::<Utc>::MIN_UTC
    } else {
        DateTime::<Utc>::MAX_UTC
    })
}

/// From this instant, up to but not including that one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// The first instant inside.
    pub from: Timestamp,
    /// The first instant outside.
    pub to: Timestamp,
}

/// The store's own time: lease ends are judged by it and by nothing else.
///
/// Embedded stores count the boot-time clock within one boot; `era` is the boot's id. A time of
/// another era is always past: at opening, under the exclusive lock, all claims of an earlier
/// life have been ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreTime {
    /// Which clock this was read from (a boot id, or the name of a server).
    pub era: String,
    /// Milliseconds on that clock.
    pub ms: u64,
}

impl StoreTime {
    /// This time, later by a duration.
    #[must_use]
    pub fn plus(&self, by: Duration) -> Self {
        Self { era: self.era.clone(), ms: self.ms.saturating_add(millis(by)) }
    }

    /// Whether this time has come: at `now` or before it, or on a clock that no longer runs.
    pub fn is_past(&self, now: &Self) -> bool {
        self.era != now.era || self.ms <= now.ms
    }
}

/// A duration in whole milliseconds, clamped to what a `u64` holds.
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A span of wall-clock time from a duration; clamped to a thousand years.
pub fn to_delta(duration: Duration) -> chrono::TimeDelta {
    chrono::TimeDelta::from_std(duration)
        .unwrap_or_else(|_| chrono::TimeDelta::days(365_000))
        .min(chrono::TimeDelta::days(365_000))
}

/// Reads a duration as people write it: `90s`, `5m`, `1h30m`, `7d`, `250ms`.
///
/// # Errors
/// A text that says what was expected, when the input is not such a duration.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    const EXPECTED: &str = "expected a duration such as \"30s\", \"5m\", \"1h30m\" or \"7d\"";
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(EXPECTED.to_owned());
    }
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let number: u64 = rest[..digits].parse().map_err(|_| EXPECTED.to_owned())?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let unit_ms: u64 = match &rest[..letters] {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 604_800_000,
            _ => return Err(EXPECTED.to_owned()),
        };
        rest = &rest[letters..];
        let part = number.checked_mul(unit_ms).map(Duration::from_millis);
        total = part.and_then(|p| total.checked_add(p)).ok_or("duration is too long")?;
    }
    Ok(total)
}

/// Writes a duration the way [`parse_duration`] reads it, largest units first.
pub fn show_duration(duration: Duration) -> String {
    let mut ms = millis(duration);
    if ms == 0 {
        return "0s".to_owned();
    }
    let mut out = String::new();
    for (unit_ms, unit) in
        [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s"), (1, "ms")]
    {
        let count = ms / unit_ms;
        if count > 0 {
            let _ = write!(out, "{count}{unit}");
            ms %= unit_ms;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_they_are_written() {
        for text in ["30s", "5m", "1h30m", "7d", "250ms", "1d2h3m4s5ms"] {
            assert_eq!(parse_duration(text).map(show_duration).as_deref(), Ok(text));
        }
        assert_eq!(parse_duration("2w"), Ok(Duration::from_hours(14 * 24)));
    }

    #[test]
    fn what_is_no_duration_is_refused_with_an_example() {
        for text in ["", "5", "m", "5 m", "-5m", "1y", "99999999999999999999s"] {
            assert!(parse_duration(text).is_err(), "{text:?} was read");
        }
    }

    #[test]
    fn a_time_of_another_era_is_past() {
        let end = StoreTime { era: "a".into(), ms: 1_000 };
        assert!(!end.is_past(&StoreTime { era: "a".into(), ms: 999 }));
        assert!(end.is_past(&StoreTime { era: "a".into(), ms: 1_000 }));
        assert!(end.is_past(&StoreTime { era: "b".into(), ms: 0 }));
    }
}
