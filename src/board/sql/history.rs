//! The record of every change, in SQL.

use super::super::write::Trace;
use super::super::{History, Result, check, page};
use super::SqlBoard;
use super::columns::{at_or_after, from_json, to_json};
use super::dialect::{Connection, DbRow, failed, query};
use super::text::{Bind, Sql};
use super::traces::{self, entity_columns, entity_of};
use crate::domain::{
    Activity, ActivityId, ActivityQuery, Cursor, Mark, Page, PersonId, ProjectId, RunId, TaskId,
    TaskOrder, from_millis,
};
use async_trait::async_trait;

const SELECT: &str = "select id, at, actor, entity, entity_id, task, project, field, before, \
                      after, run, seq from activity where true";

fn read(row: &DbRow) -> sqlx::Result<Activity> {
    let mark = match (row.try_get::<Option<String>>(10)?, row.try_get::<Option<i64>>(11)?) {
        (Some(run), Some(seq)) => {
            Some(Mark { run: RunId(run), seq: u32::try_from(seq).unwrap_or(u32::MAX) })
        }
        _ => None,
    };
    Ok(Activity {
        id: ActivityId(row.try_get(0)?),
        at: from_millis(row.try_get(1)?),
        actor: row.try_get::<Option<i64>>(2)?.map(PersonId),
        entity: entity_of(row.try_get(3)?, row.try_get(4)?)?,
        task: row.try_get::<Option<i64>>(5)?.map(TaskId),
        project: row.try_get::<Option<i64>>(6)?.map(ProjectId),
        field: row.try_get(7)?,
        before: from_json(row.try_get(8)?)?,
        after: from_json(row.try_get(9)?)?,
        mark,
    })
}

/// So many rows go in one statement: a statement has a bounded number of parameters.
const ROWS_MAX: usize = 32;

/// Keeps rows, and what a mark did, in as few ways to the database's thread as may be.
pub(super) async fn record(
    on: &mut Connection,
    rows: Vec<Activity>,
    trace: Option<(&Mark, Trace)>,
) -> Result<()> {
    let mut chunks = rows.chunks(ROWS_MAX).peekable();
    let mut sql = Sql::default();
    while let Some(chunk) = chunks.next() {
        insert(&mut sql, chunk)?;
        if chunks.peek().is_some() {
            std::mem::take(&mut sql).fetch_all(&mut *on).await?;
        }
    }
    if let Some((mark, trace)) = trace {
        traces::keep(&mut sql, mark, &trace);
    }
    sql.fetch_all(on).await.map(|_| ())
}

fn insert(sql: &mut Sql, rows: &[Activity]) -> Result<()> {
    sql.another().push(
        "insert into activity (at, actor, entity, entity_id, task, project, field, before, \
         after, run, seq) values ",
    );
    for (place, row) in rows.iter().enumerate() {
        let (entity, entity_id) = entity_columns(row.entity);
        sql.push(if place == 0 { "" } else { ", " });
        sql.row([
            row.at.timestamp_millis().into(),
            row.actor.map(|who| who.0).into(),
            entity.into(),
            entity_id.into(),
            row.task.map(|id| id.0).into(),
            row.project.map(|id| id.0).into(),
            row.field.as_str().into(),
            Bind::Text(to_json(&row.before)?),
            Bind::Text(to_json(&row.after)?),
            row.mark.as_ref().map(|mark| mark.run.as_str()).into(),
            row.mark.as_ref().map(|mark| i64::from(mark.seq)).into(),
        ]);
    }
    Ok(())
}

/// The latest row's id; 0 before the first.
pub(super) async fn latest(on: &mut Connection) -> Result<i64> {
    let id = query("select max(id) from activity").maybe_int(on).await?;
    Ok(id.unwrap_or(0))
}

/// What the rows from one on say about people and projects.
pub(super) struct News {
    /// The latest of them; `None`: that one is not there any more, as after a return to an older copy,
    /// whether or not that has gone on since.
    pub(super) latest: Option<i64>,
    /// Whether one of those after it is about a person or a project itself.
    pub(super) changed: bool,
}

pub(super) async fn news_of_directory(on: &mut Connection, row: i64) -> Result<News> {
    let news = query(
        "select max(id), cast(max(case when id > $1 and entity in ('person', 'project') \
         then 1 else 0 end) as bigint), min(id) from activity where id >= $1",
    )
    .bind(row)
    .fetch_one(on)
    .await?;
    let changed: Option<i64> = news.try_get(1).map_err(failed)?;
    let (latest, first): (Option<i64>, Option<i64>) =
        (news.try_get(0).map_err(failed)?, news.try_get(2).map_err(failed)?);
    Ok(News { latest: latest.filter(|_| first == Some(row)), changed: changed == Some(1) })
}

/// Rows later than one that may move a task in an order, earliest first; without long values.
pub(super) async fn since(
    on: &mut Connection,
    order: TaskOrder,
    after: i64,
    max: usize,
) -> Result<Vec<Activity>> {
    let field = page::field(order);
    let before = if field.is_some() { "before" } else { "'null'" };
    let mut sql = Sql::new("select id, at, actor, entity, entity_id, task, project, field, ");
    sql.push(before).push(", 'null', null, null from activity where id > ").int(after);
    sql.push(" and task is not null");
    sql.and_in("field", field.map(|field| Bind::Text(field.to_owned())));
    sql.push(" order by id limit ").int(i64::try_from(max).unwrap_or(i64::MAX));
    let rows = sql.fetch_all(on).await?;
    rows.iter().map(read).collect::<sqlx::Result<_>>().map_err(failed)
}

/// When a task had last changed by a row: by the row itself or one before it.
pub(super) async fn modified_by(
    on: &mut Connection,
    task: TaskId,
    row: i64,
) -> Result<Option<i64>> {
    query("select at from activity where task = $1 and id <= $2 order by id desc limit 1")
        .bind(task.0)
        .bind(row)
        .maybe_int(on)
        .await
}

async fn select(on: &mut Connection, query: &ActivityQuery, max: usize) -> Result<Vec<Activity>> {
    let mut sql = Sql::new(SELECT);
    sql.and_int("task =", query.task.map(|id| id.0));
    sql.and_ints("project", query.projects.iter().map(|id| id.0));
    sql.and_in("field", query.field.iter().map(|field| Bind::Text(field.clone())));
    sql.and_int("at >=", query.from.map(at_or_after));
    sql.and_int("at <", query.to.map(at_or_after));
    // As with comments: what a span or a task holds is small to sort.
    let narrow = query.task.is_some() || query.from.is_some();
    let id = if narrow { "+id" } else { "id" };
    let comparison = if query.latest_first { "<" } else { ">" };
    sql.and_int(&format!("{id} {comparison}"), query.after.map(|row| row.0));
    sql.push(&format!(" order by {id}{} limit ", if query.latest_first { " desc" } else { "" }));
    sql.int(i64::try_from(max).unwrap_or(i64::MAX));
    let rows = sql.fetch_all(on).await?;
    rows.iter().map(read).collect::<sqlx::Result<_>>().map_err(failed)
}

#[async_trait]
impl History for SqlBoard {
    async fn activity(&self, query: &ActivityQuery) -> Result<Page<Activity>> {
        check::asked_projects(query.projects.len())?;
        let size = query.page_size();
        let mut items = select(&mut self.reader().await?, query, size + 1).await?;
        let more = items.len() > size;
        items.truncate(size);
        let next = items.last().filter(|_| more).map(|last| Cursor(last.id.to_string()));
        Ok(Page { items, next })
    }

    async fn latest_activity(&self) -> Result<ActivityId> {
        latest(&mut self.reader().await?).await.map(ActivityId)
    }
}
