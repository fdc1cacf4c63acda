//! The coming instants of a playbook, as `rota next` shows them; what they come to when their time
//! has come is decided by [`super::wakes`], which sees the same instants.

use super::Timetable;
use crate::cron::Odd;
use crate::domain::Timestamp;
use chrono::DateTime;
use chrono_tz::Tz;

/// The most instants one forecast holds.
pub const FORECAST_MAX: usize = 10_000;

/// One coming instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forecast {
    /// The planned instant.
    pub planned: Timestamp,
    /// The same in the playbook's zone.
    pub local: DateTime<Tz>,
    /// When it starts: the jitter later.
    pub starts: Timestamp,
    /// Set when the clock is set around it.
    pub odd: Option<Odd>,
    /// It falls outside `on.hours` and will be skipped.
    pub outside_hours: bool,
}

/// The planned instants after `from`, up to and including `to`, at most `count` of them.
pub fn forecast(
    timetable: &Timetable,
    from: Timestamp,
    to: Option<Timestamp>,
    count: usize,
) -> Vec<Forecast> {
    timetable
        .between(from, to.unwrap_or(Timestamp::MAX_UTC))
        .take(count.min(FORECAST_MAX))
        .map(|planned| {
            let starts = timetable.start_of(planned);
            Forecast {
                planned,
                local: planned.with_timezone(&timetable.zone()),
                starts,
                odd: timetable.odd(planned),
                outside_hours: !timetable.within_hours(starts),
            }
        })
        .collect()
}
