//! Events and schedules in SQL.

use super::super::kept::{day_number, day_of};
use super::super::{Calendar, Result, SCHEDULED_MAX, kept};
use super::SqlBoard;
use super::dialect::{Connection, DbRow, failed};
use super::stored::{Stored, page_sql, written};
use super::text::{Bind, Sql};
use crate::domain::{
    CalendarEvent, EventEdit, EventId, EventQuery, NewEvent, Page, PersonId, ScheduleQuery,
    Scheduled, Span, Stamp, When, Written, from_millis,
};
use async_trait::async_trait;

impl Stored for CalendarEvent {
    const TABLE: &'static str = "events";
    const COLUMNS: &'static str = "id, owner, title, description, location, begins, ends, \
        first_day, last_day, created, modified, revision";

    fn read(row: &DbRow) -> sqlx::Result<Self> {
        let number = |at: usize| row.try_get::<Option<i64>>(at);
        let when = match (number(5)?, number(6)?, number(7)?, number(8)?) {
            (Some(from), Some(to), None, None) => {
                When::Timed(Span { from: from_millis(from), to: from_millis(to) })
            }
            (None, None, Some(first), Some(last)) => {
                When::Days { first: day_of(first), last: day_of(last) }
            }
            _ => return Err(sqlx::Error::Decode("an event with instants and days".into())),
        };
        Ok(Self {
            id: EventId(row.try_get(0)?),
            owner: PersonId(row.try_get(1)?),
            title: row.try_get(2)?,
            description: row.try_get(3)?,
            location: row.try_get(4)?,
            when,
            created: from_millis(row.try_get(9)?),
            modified: from_millis(row.try_get(10)?),
            revision: row.try_get::<i64>(11)?.cast_unsigned(),
        })
    }

    fn numbered(self, id: i64) -> Self {
        Self { id: EventId(id), ..self }
    }

    fn key(id: EventId) -> Vec<(&'static str, Bind)> {
        vec![("id", id.0.into())]
    }

    fn values(&self) -> Vec<(&'static str, Bind)> {
        let (span, days) = match self.when {
            When::Timed(span) => (Some(span), None),
            When::Days { first, last } => (None, Some((first, last))),
        };
        vec![
            ("owner", self.owner.0.into()),
            ("title", self.title.as_str().into()),
            ("description", self.description.as_str().into()),
            ("location", self.location.as_str().into()),
            ("begins", span.map(|span| span.from.timestamp_millis()).into()),
            ("ends", span.map(|span| span.to.timestamp_millis()).into()),
            ("first_day", days.map(|(first, _)| day_number(first)).into()),
            ("last_day", days.map(|(_, last)| day_number(last)).into()),
            ("created", self.created.timestamp_millis().into()),
            ("modified", self.modified.timestamp_millis().into()),
            ("revision", self.revision.cast_signed().into()),
        ]
    }

    /// What meets a span is found by its end: few things end long after now.
    fn narrow(sql: &mut Sql, query: &EventQuery) {
        let Some(during) = &query.during else {
            sql.and_ints("owner", query.owners.iter().map(|id| id.0));
            return;
        };
        let word = if query.owners.is_empty() { "at" } else { "by" };
        sql.push(" and id in (select id from events");
        sql.indexed_by(&format!("events_{word}_until")).push(" where begins is not null");
        sql.and_ints("owner", query.owners.iter().map(|id| id.0));
        sql.push(" and until > ").int(during.span.from.timestamp_millis());
        sql.push(" and begins < ").int(during.span.to.timestamp_millis());
        sql.push(" union all select id from events");
        sql.indexed_by(&format!("events_{word}_day")).push(" where first_day is not null");
        sql.and_ints("owner", query.owners.iter().map(|id| id.0));
        sql.push(" and last_day >= ").int(day_number(during.first));
        sql.push(" and first_day <= ").int(day_number(during.last)).push(")");
    }
}

/// The tasks of a person whose planned work meets a span.
pub(super) fn work_sql(query: &ScheduleQuery, max: usize) -> Sql {
    let mut sql = Sql::new("select ");
    sql.push(super::tasks::COLUMNS).push(" from tasks t").indexed_by("tasks_by_work");
    sql.push(" where t.work_from is not null and t.work_to is not null and t.assignee = ");
    sql.int(query.person.0).push(" and t.work_to >= t.work_from");
    sql.push(" and t.work_to >= ").int(query.during.span.from.timestamp_millis());
    sql.push(" and t.work_from < ").int(query.during.span.to.timestamp_millis());
    sql.push(" limit ").int(i64::try_from(max).unwrap_or(i64::MAX));
    sql
}

async fn schedule(on: &mut Connection, query: &ScheduleQuery) -> Result<Vec<Scheduled>> {
    let during = Some(query.during);
    let events = EventQuery { owners: vec![query.person], during, ..EventQuery::default() };
    let rows = page_sql::<CalendarEvent>(&events, None, SCHEDULED_MAX + 1).fetch_all(on).await?;
    let mut all = Vec::with_capacity(rows.len());
    for row in &rows {
        all.push(Scheduled::Event(CalendarEvent::read(row).map_err(failed)?));
    }
    let rows = work_sql(query, SCHEDULED_MAX + 1).fetch_all(on).await?;
    for row in &rows {
        all.push(Scheduled::Task(Box::new(super::tasks::read(row).map_err(failed)?)));
    }
    Ok(all)
}

#[async_trait]
impl Calendar for SqlBoard {
    async fn event(&self, id: EventId) -> Result<CalendarEvent> {
        self.one(id).await
    }

    async fn events(&self, query: &EventQuery) -> Result<Page<CalendarEvent>> {
        self.some(query).await
    }

    async fn add_event(&self, stamp: &Stamp, new: NewEvent) -> Result<Written<CalendarEvent>> {
        written!(self, own new, add_event(stamp))
    }

    async fn edit_event(
        &self,
        stamp: &Stamp,
        id: EventId,
        edits: &[EventEdit],
    ) -> Result<Written<CalendarEvent>> {
        written!(self, edit_event(stamp, id, edits))
    }

    async fn delete_event(&self, stamp: &Stamp, id: EventId) -> Result<Written<CalendarEvent>> {
        written!(self, delete_event(stamp, id))
    }

    async fn schedule(&self, query: &ScheduleQuery) -> Result<Vec<Scheduled>> {
        let mut snapshot = self.snapshot().await?;
        kept::scheduled(query, schedule(&mut snapshot, query).await?)
    }
}
