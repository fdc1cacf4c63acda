//! Calendars: events of people, and what a person has to do in a span of time.
//!
//! What lasts whole days is written in dates and never becomes an instant: in whichever zone it is
//! looked at, it is on those days.

use super::{Cursor, EventId, PersonId, Span, Task, Timestamp};
use chrono::{NaiveDate, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

/// An event in somebody's calendar.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CalendarEvent {
    /// The board's id.
    pub id: EventId,
    /// Whose calendar it is in.
    pub owner: PersonId,
    /// One line.
    pub title: String,
    /// Markdown.
    pub description: String,
    /// Where; empty if nobody said.
    pub location: String,
    /// From when to when.
    pub when: When,
    /// When it was added.
    pub created: Timestamp,
    /// When anything about it last changed.
    pub modified: Timestamp,
    /// Grows by one with every change.
    pub revision: u64,
}

/// From when to when something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// From an instant to another; of no length if both are the same.
    Timed(Span),
    /// Whole days, wherever one is.
    Days {
        /// The first day.
        first: NaiveDate,
        /// The last day, which it is still on.
        last: NaiveDate,
    },
}

/// What is needed to add an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewEvent {
    /// Whose calendar it is in.
    pub owner: PersonId,
    /// One line, not blank.
    pub title: String,
    /// Markdown.
    pub description: String,
    /// Where.
    pub location: String,
    /// From when to when.
    pub when: When,
}

edits! {
    /// One change to one field of an event.
    EventEdit of CalendarEvent {
        /// Its one line; not blank.
        Title(String) => title,
        /// Its text.
        Description(String) => description,
        /// Where.
        Location(String) => location,
        /// From when to when.
        When(When) => when,
    }
}

/// A span of time as a calendar is asked for it: in instants for what has instants, in days for
/// what has days. Which days an instant is in depends on a zone, so who asks says both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct During {
    /// The instants.
    pub span: Span,
    /// The first day.
    pub first: NaiveDate,
    /// The last day, which is still meant.
    pub last: NaiveDate,
}

impl During {
    /// Whole days in a zone.
    pub fn days(first: NaiveDate, last: NaiveDate, zone: Tz) -> Self {
        let to = last.succ_opt().unwrap_or(last);
        Self { span: Span { from: midnight(first, zone), to: midnight(to, zone) }, first, last }
    }

    /// A span of instants, with the days that it touches in a zone.
    pub fn instants(span: Span, zone: Tz) -> Self {
        let day = |at: Timestamp| at.with_timezone(&zone).date_naive();
        let last = span.to - TimeDelta::nanoseconds(1);
        Self { span, first: day(span.from), last: day(last.max(span.from)) }
    }

    /// Whether something is in it, at least in part; to the millisecond.
    pub fn meets(&self, when: &When) -> bool {
        match *when {
            When::Timed(Span { from, to }) => {
                let (from, to) = (from.timestamp_millis(), to.timestamp_millis());
                let begin = self.span.from.timestamp_millis();
                from < self.span.to.timestamp_millis() && (to > begin || from >= begin)
            }
            When::Days { first, last } => first <= self.last && last >= self.first,
        }
    }
}

/// The first instant of a day; where clocks skip midnight, or the whole day, the next there is.
fn midnight(day: NaiveDate, zone: Tz) -> Timestamp {
    let local = day.and_time(NaiveTime::MIN);
    (0..=104)
        .filter_map(|quarters| local.checked_add_signed(TimeDelta::minutes(15 * quarters)))
        .find_map(|local| zone.from_local_datetime(&local).earliest())
        .map_or_else(|| local.and_utc(), |at| at.with_timezone(&Utc))
}

/// Which events, by id; every part narrows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventQuery {
    /// In the calendar of one of these people.
    pub owners: Vec<PersonId>,
    /// At least in part then.
    pub during: Option<During>,
    /// At most so many; 0 means 100, more than 1,000 means 1,000.
    pub limit: usize,
    /// Go on after this page's end.
    pub after: Option<Cursor>,
}

/// What one person has to do when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleQuery {
    /// Whose events, and who the tasks are assigned to.
    pub person: PersonId,
    /// At least in part then.
    pub during: During,
}

/// Something that a person has to do at a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scheduled {
    /// An event of theirs.
    Event(CalendarEvent),
    /// A task of theirs for whose work both begin and end are planned.
    Task(Box<Task>),
}

impl Scheduled {
    /// From when to when; `None` for a task without both ends, or with the end before the begin.
    pub fn when(&self) -> Option<When> {
        match self {
            Self::Event(event) => Some(event.when),
            Self::Task(task) => match (task.work_from, task.work_to) {
                (Some(from), Some(to)) if from <= to => Some(When::Timed(Span { from, to })),
                _ => None,
            },
        }
    }

    /// Its place in a schedule: whole days first, then by begin.
    pub fn place(&self) -> (i64, i64, bool, i64) {
        let (rank, begin) = match self.when() {
            Some(When::Days { first, .. }) => (0, i64::from(first.to_epoch_days())),
            Some(When::Timed(span)) => (1, span.from.timestamp_millis()),
            None => (2, 0),
        };
        let (is_task, id) = match self {
            Self::Event(event) => (false, event.id.0),
            Self::Task(task) => (true, task.id.0),
        };
        (rank, begin, is_task, id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::from_millis;

    fn day(year: i32, month: u32, day: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(year, month, day).unwrap()
    }

    #[test]
    fn days_begin_at_the_zones_midnight_also_where_clocks_skip_it() {
        let of = |first, zone: Tz| During::days(first, first, zone).span;
        let berlin = of(day(2026, 3, 29), chrono_tz::Europe::Berlin);
        assert_eq!((berlin.to - berlin.from).num_hours(), 23);
        let beirut = of(day(2022, 3, 27), chrono_tz::Asia::Beirut);
        assert_eq!((beirut.to - beirut.from).num_hours(), 23, "midnight itself is skipped");
        let apia = of(day(2011, 12, 30), chrono_tz::Pacific::Apia);
        assert_eq!(apia.from, apia.to, "a day that never was");
    }

    #[test]
    fn whole_days_are_met_on_their_days_in_every_zone() {
        let event = When::Days { first: day(2026, 5, 1), last: day(2026, 5, 2) };
        for zone in [chrono_tz::Pacific::Apia, chrono_tz::UTC, chrono_tz::Pacific::Pago_Pago] {
            let met: Vec<bool> =
                [day(2026, 4, 30), day(2026, 5, 1), day(2026, 5, 2), day(2026, 5, 3)]
                    .into_iter()
                    .map(|day| During::days(day, day, zone).meets(&event))
                    .collect();
            assert_eq!(met, [false, true, true, false], "{zone}");
        }
    }

    #[test]
    fn what_ends_when_the_span_begins_is_not_in_it_but_an_instant_at_its_begin_is() {
        let at = from_millis;
        let span = Span { from: at(100), to: at(200) };
        let during = During::instants(span, chrono_tz::UTC);
        let meets = |from, to| during.meets(&When::Timed(Span { from: at(from), to: at(to) }));
        assert!(!meets(50, 100) && meets(50, 101) && meets(100, 100) && meets(199, 300));
        assert!(!meets(200, 300) && !meets(99, 99));
        assert_eq!(during.first, during.last);
    }
}
