//! Time that people spent on tasks: one entry for each person, task, day and kind of work.

use super::{Cursor, PersonId, ProjectId, TaskId, TimeEntryId, Timestamp};
use chrono::{Datelike, Days, NaiveDate};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// What sort of work time was spent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TimeKind {
    /// Work that a customer pays for.
    #[serde(rename = "GENERAL_BILLABLE")]
    GeneralBillable,
    /// Work that nobody pays for.
    #[serde(rename = "GENERAL_NOT_BILLABLE")]
    GeneralNotBillable,
    /// Planning and meetings.
    #[serde(rename = "PROJECTMANAGEMENT")]
    ProjectManagement,
    /// Making.
    #[serde(rename = "DEVELOPMENT")]
    Development,
    /// Mending what should have worked.
    #[serde(rename = "BUGFIXING_NOT_BILLABLE")]
    BugfixingNotBillable,
    /// Trying out.
    #[serde(rename = "TESTING")]
    Testing,
}
words!(TimeKind {
    GeneralBillable => "GENERAL_BILLABLE",
    GeneralNotBillable => "GENERAL_NOT_BILLABLE",
    ProjectManagement => "PROJECTMANAGEMENT",
    Development => "DEVELOPMENT",
    BugfixingNotBillable => "BUGFIXING_NOT_BILLABLE",
    Testing => "TESTING",
});

impl TimeKind {
    /// What people read.
    pub fn label(self) -> &'static str {
        match self {
            Self::GeneralBillable => "General, billable",
            Self::GeneralNotBillable => "General, not billable",
            Self::ProjectManagement => "Project management",
            Self::Development => "Development",
            Self::BugfixingNotBillable => "Bug fixing, not billable",
            Self::Testing => "Testing",
        }
    }

    /// Whether a customer pays for it.
    pub fn is_billable(self) -> bool {
        !matches!(self, Self::GeneralNotBillable | Self::BugfixingNotBillable)
    }
}

/// What a person spent on a task on a day with one kind of work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeEntry {
    /// The board's id.
    pub id: TimeEntryId,
    /// What was worked on.
    pub task: TaskId,
    /// The task's project.
    pub project: ProjectId,
    /// Who worked.
    pub person: PersonId,
    /// On which day, where they were.
    pub day: NaiveDate,
    /// What sort of work.
    pub kind: TimeKind,
    /// How long; 36 seconds are a hundredth of an hour.
    pub seconds: u32,
    /// What was done.
    pub description: String,
    /// When it was first written.
    pub created: Timestamp,
    /// When it last changed.
    pub modified: Timestamp,
}

/// A change of the time that a person spent on a task on a day with one kind of work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeChange {
    /// What was worked on.
    pub task: TaskId,
    /// Who worked.
    pub person: PersonId,
    /// On which day.
    pub day: NaiveDate,
    /// What sort of work.
    pub kind: TimeKind,
    /// How much more, or how much in all.
    pub amount: TimeAmount,
    /// What was done: another line with `Add`, instead of what stands there with `Set`; `None`
    /// leaves it alone.
    pub description: Option<String>,
}

/// How much time is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeAmount {
    /// So many seconds more, or less; not 0. What comes to 0 is removed.
    Add(i64),
    /// So many seconds in all; 0 removes the entry.
    Set(u32),
}

/// Which time entries, by day; every part narrows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeQuery {
    /// Of one of these people.
    pub people: Vec<PersonId>,
    /// On tasks of one of these projects.
    pub projects: Vec<ProjectId>,
    /// On one of these tasks.
    pub tasks: Vec<TaskId>,
    /// Of one of these kinds.
    pub kinds: Vec<TimeKind>,
    /// On this day or later.
    pub from: Option<NaiveDate>,
    /// Before this day.
    pub to: Option<NaiveDate>,
    /// At most so many; 0 means 100, more than 1,000 means 1,000. Sums do not mind it.
    pub limit: usize,
    /// Go on after this page's end. Sums do not mind it.
    pub after: Option<Cursor>,
}

/// What time is summed up by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeGroup {
    /// By project.
    Project,
    /// By person.
    Person,
    /// By day.
    Day,
    /// By week, from Monday on.
    Week,
    /// By task.
    Task,
    /// By kind of work.
    Kind,
}
words!(TimeGroup {
    Project => "project",
    Person => "user",
    Day => "day",
    Week => "week",
    Task => "ticket",
    Kind => "kind",
});

/// What a sum is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeKey {
    /// A project.
    Project(ProjectId),
    /// A person.
    Person(PersonId),
    /// A day.
    Day(NaiveDate),
    /// The week that begins on this Monday.
    Week(NaiveDate),
    /// A task.
    Task(TaskId),
    /// A kind of work.
    Kind(TimeKind),
}

impl TimeKey {
    /// What an entry counts for.
    pub fn of(entry: &TimeEntry, group: TimeGroup) -> Self {
        match group {
            TimeGroup::Project => Self::Project(entry.project),
            TimeGroup::Person => Self::Person(entry.person),
            TimeGroup::Day => Self::Day(entry.day),
            TimeGroup::Week => Self::Week(monday(entry.day)),
            TimeGroup::Task => Self::Task(entry.task),
            TimeGroup::Kind => Self::Kind(entry.kind),
        }
    }
}

fn monday(day: NaiveDate) -> NaiveDate {
    day - Days::new(u64::from(day.weekday().num_days_from_monday()))
}

/// One of the sums; the week's number is that of ISO 8601.
impl fmt::Display for TimeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Project(id) => write!(f, "project {id}"),
            Self::Person(id) => write!(f, "person {id}"),
            Self::Day(day) => day.fmt(f),
            Self::Week(monday) => {
                let week = monday.iso_week();
                write!(f, "{}-W{:02}", week.year(), week.week())
            }
            Self::Task(id) => write!(f, "task {id}"),
            Self::Kind(kind) => f.write_str(kind.label()),
        }
    }
}

/// The sum of some entries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeSum {
    /// What they have in common.
    pub key: TimeKey,
    /// All of their time.
    pub seconds: u64,
    /// That of billable kinds.
    pub billable: u64,
    /// How many they are.
    pub entries: u64,
}

/// A person's week, as a timesheet shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Week {
    /// The first of its seven days.
    pub start: NaiveDate,
    /// One row for each task and kind of work that time was spent on.
    pub rows: Vec<WeekRow>,
    /// The seconds of each day.
    pub days: [u64; 7],
}

/// What was spent on a task with one kind of work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeekRow {
    /// The task.
    pub task: TaskId,
    /// The kind of work.
    pub kind: TimeKind,
    /// The seconds of each day.
    pub seconds: [u64; 7],
}

impl Week {
    /// The seven days from `start` on; entries of other days do not count.
    pub fn of<'a>(start: NaiveDate, entries: impl IntoIterator<Item = &'a TimeEntry>) -> Self {
        let mut rows: BTreeMap<(TaskId, TimeKind), [u64; 7]> = BTreeMap::new();
        let mut days = [0; 7];
        for entry in entries {
            let place = usize::try_from((entry.day - start).num_days()).unwrap_or(7);
            let Some(day) = days.get_mut(place) else { continue };
            *day += u64::from(entry.seconds);
            let row = rows.entry((entry.task, entry.kind)).or_default();
            row[place] += u64::from(entry.seconds);
        }
        let rows = rows.into_iter().map(|((task, kind), seconds)| WeekRow { task, kind, seconds });
        Self { start, rows: rows.collect(), days }
    }

    /// The seconds of all seven days.
    pub fn total(&self) -> u64 {
        self.days.iter().sum()
    }
}

/// Whole seconds from hours as people write them; `None` for what is no time of a day.
pub fn seconds_of_hours(hours: f64) -> Option<u32> {
    if !(0.0..=24.0).contains(&hours) {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and 86,400, as was just asked"
    )]
    Some((hours * 3_600.0).round() as u32)
}

/// Hours from seconds; those that were written with two decimals come back as they were.
pub fn hours_of_seconds(seconds: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53, which is many ages")]
    let seconds = seconds as f64;
    seconds / 3_600.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::from_millis;

    #[test]
    fn every_hundredth_of_an_hour_is_exact() {
        for hundredths in 0..=2_400_u32 {
            let hours: f64 =
                format!("{}.{:02}", hundredths / 100, hundredths % 100).parse().unwrap();
            let seconds = seconds_of_hours(hours).unwrap();
            assert_eq!(seconds, hundredths * 36);
            let back = hours_of_seconds(u64::from(seconds));
            assert_eq!(format!("{back:.2}"), format!("{hours:.2}"));
        }
        for hours in [-0.01, 24.01, f64::NAN, f64::INFINITY] {
            assert_eq!(seconds_of_hours(hours), None);
        }
    }

    fn entry(task: i64, day: NaiveDate, kind: TimeKind, seconds: u32) -> TimeEntry {
        TimeEntry {
            id: TimeEntryId(1),
            task: TaskId(task),
            project: ProjectId(1),
            person: PersonId(1),
            day,
            kind,
            seconds,
            description: String::new(),
            created: from_millis(0),
            modified: from_millis(0),
        }
    }

    #[test]
    fn a_week_has_a_row_for_each_task_and_kind_and_seven_days() {
        let start = NaiveDate::from_ymd_opt(2026, 12, 28).unwrap();
        let on = |days: u64| start + Days::new(days);
        let entries = [
            entry(2, on(0), TimeKind::Testing, 60),
            entry(1, on(6), TimeKind::Testing, 120),
            entry(1, on(6), TimeKind::Development, 30),
            entry(1, on(0), TimeKind::Testing, 7),
            entry(1, on(7), TimeKind::Testing, 9_999),
            entry(1, start - Days::new(1), TimeKind::Testing, 9_999),
        ];
        let week = Week::of(start, &entries);
        let rows: Vec<(i64, TimeKind, u64, u64)> =
            week.rows.iter().map(|r| (r.task.0, r.kind, r.seconds[0], r.seconds[6])).collect();
        assert_eq!(
            rows,
            [
                (1, TimeKind::Development, 0, 30),
                (1, TimeKind::Testing, 7, 120),
                (2, TimeKind::Testing, 60, 0)
            ]
        );
        assert_eq!((week.days, week.total()), ([67, 0, 0, 0, 0, 0, 150], 217));
    }

    #[test]
    fn the_last_days_of_a_year_may_be_in_the_first_week_of_the_next() {
        let day = |y, m, d| NaiveDate::from_ymd_opt(y, m, d).unwrap();
        for (on, shown) in [
            (day(2024, 12, 30), "2025-W01"),
            (day(2024, 12, 29), "2024-W52"),
            (day(2027, 1, 3), "2026-W53"),
        ] {
            let key = TimeKey::of(&entry(1, on, TimeKind::Testing, 1), TimeGroup::Week);
            assert_eq!(key.to_string(), shown);
        }
    }
}
