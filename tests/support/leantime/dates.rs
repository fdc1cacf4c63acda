//! How dates are read and written: in the server's zone unless they bring one, and as no date at all
//! where the format is not one of the few that are known.

use super::rows::{NO_DATE, words};
use chrono::{DateTime, Duration, NaiveDate, NaiveDateTime, NaiveTime, TimeZone as _, Utc};
use chrono_tz::Tz;
use serde_json::Value;

/// What a column is for; bare dates mean other instants in each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// The date itself.
    Due,
    /// Noon of the day.
    From,
    /// Noon of the day.
    Until,
}

/// How the text was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Nothing,
    /// With a zone, without fractions.
    Instant,
    Day,
    /// In the server's zone.
    Local,
    /// Month, day and year with slashes.
    Slashes,
    Unreadable,
}

pub fn stored(instant: DateTime<Utc>) -> String {
    instant.format("%Y-%m-%d %H:%M:%S").to_string()
}

pub fn stored_local(instant: DateTime<Utc>, zone: Tz) -> String {
    instant.with_timezone(&zone).format("%Y-%m-%d %H:%M:%S").to_string()
}

/// As the methods that poll write it: `null` for no date.
pub fn iso(value: &Value) -> Value {
    let text = words(value);
    match NaiveDateTime::parse_from_str(&text, "%Y-%m-%d %H:%M:%S") {
        Ok(time) => Value::String(time.format("%Y-%m-%dT%H:%M:%SZ").to_string()),
        Err(_) => Value::Null,
    }
}

pub fn parse(text: &str) -> (Form, Option<NaiveDateTime>) {
    if text.is_empty() || text == NO_DATE {
        return (Form::Nothing, None);
    }
    let has_fraction = text.contains('.');
    if let (Ok(time), false) = (DateTime::parse_from_rfc3339(text), has_fraction) {
        return (Form::Instant, Some(time.naive_utc()));
    }
    if let Ok(day) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return (Form::Day, Some(day.and_time(NaiveTime::MIN)));
    }
    if let Ok(time) = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S") {
        return (Form::Local, Some(time));
    }
    match NaiveDate::parse_from_str(text, "%m/%d/%Y") {
        Ok(day) => (Form::Slashes, Some(day.and_time(NaiveTime::MIN))),
        Err(_) => (Form::Unreadable, None),
    }
}

/// What is kept of a date that came in.
pub fn read(text: &str, column: Use, zone: Tz) -> String {
    let (form, time) = parse(text);
    let Some(time) = time else { return NO_DATE.to_owned() };
    let noon = Duration::hours(12);
    let end = Duration::days(1) - Duration::seconds(1);
    let utc = match (form, column) {
        (Form::Instant, _) | (Form::Day, Use::Due) => time,
        (Form::Day, _) => utc(time + noon, zone),
        (Form::Slashes, Use::From) => utc(time, zone),
        (Form::Slashes, _) => utc(time + end, zone),
        _ => utc(time, zone),
    };
    utc.format("%Y-%m-%d %H:%M:%S").to_string()
}

/// A local time in UTC; the earlier one where the clock was put back, and as it stands where it was
/// put forward.
fn utc(local: NaiveDateTime, zone: Tz) -> NaiveDateTime {
    zone.from_local_datetime(&local).earliest().map_or(local, |time| time.naive_utc())
}

/// The first or the last second of a local day, as sprints are kept.
pub fn day(text: &str, is_end: bool, zone: Tz) -> String {
    let (form, time) = parse(text);
    let Some(time) = time else { return NO_DATE.to_owned() };
    let rest = if is_end { Duration::days(1) - Duration::seconds(1) } else { Duration::zero() };
    let time = if form == Form::Instant { time } else { utc(time + rest, zone) };
    time.format("%Y-%m-%d %H:%M:%S").to_string()
}

/// A stored date as an instant.
pub fn instant(text: &str) -> Option<DateTime<Utc>> {
    parse(text).1.map(|time| time.and_utc())
}
