//! Time entries, their sums, and timers in SQL.

use super::super::kept::{self, day_number, day_of};
use super::super::{Result, SUMS_MAX, Timers, Timesheets};
use super::SqlBoard;
use super::dialect::{DbRow, failed};
use super::goals::parsed;
use super::stored::{Stored, written};
use super::text::{Bind, Sql};
use crate::domain::{
    NewTimer, Page, PersonId, ProjectId, Stamp, StopTimer, Stopped, TaskId, TimeChange, TimeEntry,
    TimeEntryId, TimeGroup, TimeKey, TimeKind, TimeQuery, TimeSum, Timer, TimerId, TimerQuery,
    Written, from_millis,
};
use async_trait::async_trait;

/// A kind of work as a column: its place in the list of kinds.
fn kind_number(kind: TimeKind) -> i64 {
    let place = TimeKind::ALL.iter().position(|known| *known == kind);
    place.and_then(|place| i64::try_from(place).ok()).unwrap_or(0)
}

fn kind_of(number: i64) -> sqlx::Result<TimeKind> {
    let kind = usize::try_from(number).ok().and_then(|place| TimeKind::ALL.get(place));
    kind.copied().ok_or_else(|| sqlx::Error::Decode(format!("kind of work {number}").into()))
}

impl Stored for TimeEntry {
    const TABLE: &'static str = "time_entries";
    const COLUMNS: &'static str =
        "id, task, project, person, day, kind, seconds, description, created, modified";
    const PLACE: &'static [&'static str] = &["day", "id"];

    fn read(row: &DbRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: TimeEntryId(row.try_get(0)?),
            task: TaskId(row.try_get(1)?),
            project: ProjectId(row.try_get(2)?),
            person: PersonId(row.try_get(3)?),
            day: day_of(row.try_get(4)?),
            kind: kind_of(row.try_get(5)?)?,
            seconds: u32::try_from(row.try_get::<i64>(6)?).unwrap_or(u32::MAX),
            description: row.try_get(7)?,
            created: from_millis(row.try_get(8)?),
            modified: from_millis(row.try_get(9)?),
        })
    }

    fn numbered(self, id: i64) -> Self {
        Self { id: TimeEntryId(id), ..self }
    }

    fn key(id: TimeEntryId) -> Vec<(&'static str, Bind)> {
        vec![("id", id.0.into())]
    }

    fn values(&self) -> Vec<(&'static str, Bind)> {
        vec![
            ("task", self.task.0.into()),
            ("project", self.project.0.into()),
            ("person", self.person.0.into()),
            ("day", day_number(self.day).into()),
            ("kind", kind_number(self.kind).into()),
            ("seconds", i64::from(self.seconds).into()),
            ("description", self.description.as_str().into()),
            ("created", self.created.timestamp_millis().into()),
            ("modified", self.modified.timestamp_millis().into()),
        ]
    }

    fn narrow(sql: &mut Sql, query: &TimeQuery) {
        sql.and_ints("task", query.tasks.iter().map(|id| id.0));
        sql.and_ints("person", query.people.iter().map(|id| id.0));
        sql.and_ints("project", query.projects.iter().map(|id| id.0));
        sql.and_ints("kind", query.kinds.iter().map(|kind| kind_number(*kind)));
        sql.and_int("day >=", query.from.map(day_number));
        sql.and_int("day <", query.to.map(day_number));
    }

    /// One task, person or project has an index in the order of days; several are picked from all
    /// days of the span, but tasks, of which each has little.
    fn lead(query: &TimeQuery) -> Option<&'static str> {
        Some(match (query.tasks.len(), query.people.len(), query.projects.len()) {
            (1.., _, _) => "time_by_task",
            (_, 1, _) => "time_by_person",
            (_, _, 1) => "time_by_project",
            _ => "time_by_day",
        })
    }
}

/// The statement for sums, which reads nothing but an index.
pub(super) fn sums_sql(query: &TimeQuery, by: TimeGroup) -> Sql {
    let key = match by {
        TimeGroup::Project => "project",
        TimeGroup::Person => "person",
        TimeGroup::Day => "day",
        // Day 0 is a Thursday; no entry is older.
        TimeGroup::Week => "day - (day + 3) % 7",
        TimeGroup::Task => "task",
        TimeGroup::Kind => "kind",
    };
    let billable: Vec<String> = TimeKind::ALL
        .iter()
        .filter(|kind| kind.is_billable())
        .map(|kind| kind_number(*kind).to_string())
        .collect();
    let mut sql = Sql::new("select ");
    sql.push(key).push(" as k, cast(sum(seconds) as bigint), cast(sum(case when kind in (");
    sql.push(&billable.join(", ")).push(") then seconds else 0 end) as bigint), count(*)");
    sql.push(" from time_entries").indexed_by(TimeEntry::lead(query).unwrap_or_default());
    sql.push(" where true");
    TimeEntry::narrow(&mut sql, query);
    sql.push(" group by k order by k limit ").int(i64::try_from(SUMS_MAX + 1).unwrap_or(i64::MAX));
    sql
}

fn read_sum(row: &DbRow, by: TimeGroup) -> sqlx::Result<TimeSum> {
    let key: i64 = row.try_get(0)?;
    let number = |at: usize| row.try_get::<i64>(at).map(i64::cast_unsigned);
    Ok(TimeSum {
        key: match by {
            TimeGroup::Project => TimeKey::Project(ProjectId(key)),
            TimeGroup::Person => TimeKey::Person(PersonId(key)),
            TimeGroup::Day => TimeKey::Day(day_of(key)),
            TimeGroup::Week => TimeKey::Week(day_of(key)),
            TimeGroup::Task => TimeKey::Task(TaskId(key)),
            TimeGroup::Kind => TimeKey::Kind(kind_of(key)?),
        },
        seconds: number(1)?,
        billable: number(2)?,
        entries: number(3)?,
    })
}

#[async_trait]
impl Timesheets for SqlBoard {
    async fn time_entry(&self, id: TimeEntryId) -> Result<TimeEntry> {
        self.one(id).await
    }

    async fn time_entries(&self, query: &TimeQuery) -> Result<Page<TimeEntry>> {
        self.some(query).await
    }

    async fn log_time(&self, stamp: &Stamp, change: TimeChange) -> Result<Written<TimeEntry>> {
        written!(self, own change, log_time(stamp))
    }

    async fn time_sums(&self, query: &TimeQuery, by: TimeGroup) -> Result<Vec<TimeSum>> {
        kept::begin(&TimeQuery { after: None, ..query.clone() })?;
        let rows = sums_sql(query, by).fetch_all(&mut self.reader().await?).await?;
        let sums: sqlx::Result<Vec<TimeSum>> = rows.iter().map(|row| read_sum(row, by)).collect();
        kept::few_sums(sums.map_err(failed)?)
    }
}

impl Stored for Timer {
    const TABLE: &'static str = "timers";
    const COLUMNS: &'static str = "id, person, task, kind, started, planned";

    fn read(row: &DbRow) -> sqlx::Result<Self> {
        let planned: Option<i64> = row.try_get(5)?;
        Ok(Self {
            id: TimerId(row.try_get(0)?),
            person: PersonId(row.try_get(1)?),
            task: row.try_get::<Option<i64>>(2)?.map(TaskId),
            kind: parsed(row.try_get(3)?)?,
            started: from_millis(row.try_get(4)?),
            planned: planned.map(|seconds| u32::try_from(seconds).unwrap_or(u32::MAX)),
        })
    }

    fn numbered(self, id: i64) -> Self {
        Self { id: TimerId(id), ..self }
    }

    fn key(id: TimerId) -> Vec<(&'static str, Bind)> {
        vec![("id", id.0.into())]
    }

    fn values(&self) -> Vec<(&'static str, Bind)> {
        vec![
            ("person", self.person.0.into()),
            ("task", self.task.map(|id| id.0).into()),
            ("kind", self.kind.as_str().into()),
            ("started", self.started.timestamp_millis().into()),
            ("planned", self.planned.map(i64::from).into()),
        ]
    }

    fn narrow(sql: &mut Sql, query: &TimerQuery) {
        sql.and_ints("person", query.people.iter().map(|id| id.0));
        sql.and_ints("task", query.tasks.iter().map(|id| id.0));
    }
}

#[async_trait]
impl Timers for SqlBoard {
    async fn timer(&self, id: TimerId) -> Result<Timer> {
        self.one(id).await
    }

    async fn timers(&self, query: &TimerQuery) -> Result<Page<Timer>> {
        self.some(query).await
    }

    async fn start_timer(&self, stamp: &Stamp, new: NewTimer) -> Result<Written<Timer>> {
        written!(self, own new, start_timer(stamp))
    }

    async fn stop_timer(&self, stamp: &Stamp, stop: StopTimer) -> Result<Written<Stopped>> {
        written!(self, own stop, stop_timer(stamp))
    }
}
