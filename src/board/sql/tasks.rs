//! Tasks in SQL.

use super::super::page::{self, Frozen, Place, ROWS_BETWEEN_MAX};
use super::super::{BoardError, Result, Tasks, check};
use super::columns::{from_json, kind_number, to_json};
use super::dialect::{Connection, DbRow, Query, failed, in_one_go, query};
use super::memo::Question;
use super::plan::Plan;
use super::stored::written;
use super::text::Sql;
use super::{SqlBoard, history, projects};
use crate::domain::{
    Entity, MilestoneId, NewTask, Page, PersonId, ProjectId, SprintId, Stamp, StatusId, StatusKind,
    Task, TaskEdit, TaskId, TaskOrder, TaskQuery, Timestamp, Written, from_millis,
};
use async_trait::async_trait;

pub(super) const COLUMNS: &str = "t.id, t.project, t.kind, t.headline, t.description, t.acceptance_criteria, \
    t.status, t.priority, t.storypoints, t.plan_hours, t.hours_remaining, t.tags, t.author, \
    t.assignee, t.collaborators, t.due, t.work_from, t.work_to, t.milestone, t.sprint, t.parent, \
    t.blocked_by, t.sort, t.fields, t.created, t.modified, t.revision";

pub(super) fn read(row: &DbRow) -> sqlx::Result<Task> {
    let number = |at: usize| row.try_get::<Option<i64>>(at);
    let instant = |at: usize| number(at).map(|ms| ms.map(from_millis));
    let kind = row.try_get::<&str>(2)?.parse();
    Ok(Task {
        id: TaskId(row.try_get(0)?),
        project: ProjectId(row.try_get(1)?),
        kind: kind.map_err(|error: String| sqlx::Error::Decode(error.into()))?,
        headline: row.try_get(3)?,
        description: row.try_get(4)?,
        acceptance_criteria: row.try_get(5)?,
        status: StatusId(row.try_get(6)?),
        priority: number(7)?.and_then(|priority| u8::try_from(priority).ok()),
        storypoints: row.try_get(8)?,
        plan_hours: row.try_get(9)?,
        hours_remaining: row.try_get(10)?,
        tags: from_json(row.try_get(11)?)?,
        author: number(12)?.map(PersonId),
        assignee: number(13)?.map(PersonId),
        collaborators: from_json(row.try_get(14)?)?,
        due: instant(15)?,
        work_from: instant(16)?,
        work_to: instant(17)?,
        milestone: number(18)?.map(MilestoneId),
        sprint: number(19)?.map(SprintId),
        parent: number(20)?.map(TaskId),
        blocked_by: from_json(row.try_get(21)?)?,
        sort: row.try_get(22)?,
        fields: from_json(row.try_get(23)?)?,
        created: from_millis(row.try_get(24)?),
        modified: from_millis(row.try_get(25)?),
        revision: row.try_get::<i64>(26)?.cast_unsigned(),
    })
}

fn read_all(rows: &[DbRow]) -> Result<Vec<Task>> {
    rows.iter().map(read).collect::<sqlx::Result<_>>().map_err(failed)
}

pub(super) async fn find(on: &mut Connection, id: TaskId) -> Result<Option<Task>> {
    let row = query(
        "select t.id, t.project, t.kind, t.headline, t.description, t.acceptance_criteria, \
         t.status, t.priority, t.storypoints, t.plan_hours, t.hours_remaining, t.tags, t.author, \
         t.assignee, t.collaborators, t.due, t.work_from, t.work_to, t.milestone, t.sprint, \
         t.parent, t.blocked_by, t.sort, t.fields, t.created, t.modified, t.revision \
         from tasks t where t.id = $1",
    )
    .bind(id.0)
    .fetch_optional(on)
    .await?;
    row.as_ref().map(read).transpose().map_err(failed)
}

/// By id, at most `max`.
pub(super) async fn by_id(on: &mut Connection, query: &TaskQuery, max: usize) -> Result<Vec<Task>> {
    let query = TaskQuery { order: TaskOrder::Id, ..query.clone() };
    let projects = asked(on, &query).await?;
    let rows = Plan::new(&query, &projects).page(COLUMNS, None, None, max).fetch_all(on).await?;
    read_all(&rows)
}

/// The projects that a question names.
async fn asked(on: &mut Connection, query: &TaskQuery) -> Result<Vec<crate::domain::Project>> {
    if query.projects.is_empty() {
        return Ok(Vec::new());
    }
    projects::select(on, &query.projects).await
}

/// The columns that an edit can change, in the order of both statements.
fn bind(statement: Query, task: &Task, kind: StatusKind) -> Result<Query> {
    let ms = |at: Option<crate::domain::Timestamp>| at.map(|at| at.timestamp_millis());
    Ok(statement
        .bind(task.project.0)
        .bind(task.kind.as_str())
        .bind(&task.headline)
        .bind(&task.description)
        .bind(&task.acceptance_criteria)
        .bind(task.status.0)
        .bind(kind_number(kind))
        .bind(task.priority.map(i64::from))
        .bind(task.storypoints)
        .bind(task.plan_hours)
        .bind(task.hours_remaining)
        .bind(to_json(&task.tags)?)
        .bind(task.author.map(|id| id.0))
        .bind(task.assignee.map(|id| id.0))
        .bind(to_json(&task.collaborators)?)
        .bind(ms(task.due))
        .bind(ms(task.work_from))
        .bind(ms(task.work_to))
        .bind(task.milestone.map(|id| id.0))
        .bind(task.sprint.map(|id| id.0))
        .bind(task.parent.map(|id| id.0))
        .bind(to_json(&task.blocked_by)?)
        .bind(task.sort)
        .bind(to_json(&task.fields)?)
        .bind(task.created.timestamp_millis())
        .bind(task.modified.timestamp_millis())
        .bind(task.revision.cast_signed()))
}

pub(super) async fn insert(on: &mut Connection, task: &Task, kind: StatusKind) -> Result<TaskId> {
    let statement = query(
        "insert into tasks (project, kind, headline, description, acceptance_criteria, status, \
         status_kind, priority, storypoints, plan_hours, hours_remaining, tags, author, assignee, \
         collaborators, due, work_from, work_to, milestone, sprint, parent, blocked_by, sort, \
         fields, created, modified, revision) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, \
         $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27) \
         returning id",
    );
    let id = TaskId(bind(statement, task, kind)?.int(on).await?);
    beside(on, id, task, kind).await?;
    Ok(id)
}

pub(super) async fn update(on: &mut Connection, task: &Task, kind: StatusKind) -> Result<()> {
    let statement = query(
        "update tasks set project = $1, kind = $2, headline = $3, description = $4, \
         acceptance_criteria = $5, status = $6, status_kind = $7, priority = $8, \
         storypoints = $9, plan_hours = $10, hours_remaining = $11, tags = $12, author = $13, \
         assignee = $14, collaborators = $15, due = $16, work_from = $17, work_to = $18, \
         milestone = $19, sprint = $20, parent = $21, blocked_by = $22, sort = $23, fields = $24, \
         created = $25, modified = $26, revision = $27 where id = $28",
    );
    bind(statement, task, kind)?.bind(task.id.0).execute(on).await?;
    // Each way to the database costs more than either.
    query(in_one_go!(
        "delete from task_tags where task = $1",
        "delete from task_blockers where task = $1"
    ))
    .bind(task.id.0)
    .execute(on)
    .await?;
    beside(on, task.id, task, kind).await
}

/// `modified` alone, wherever it stands.
pub(super) async fn touch(on: &mut Connection, id: TaskId, at: Timestamp) -> Result<()> {
    query(in_one_go!(
        "update tasks set modified = $1 where id = $2",
        "update task_tags set recent = -$1 where task = $2"
    ))
    .bind(at.timestamp_millis())
    .bind(id.0)
    .execute(on)
    .await
}

/// What questions ask for of a task, in tables of its own.
async fn beside(on: &mut Connection, id: TaskId, task: &Task, kind: StatusKind) -> Result<()> {
    let mut sql = Sql::default();
    for (place, tag) in task.tags.iter().enumerate() {
        sql.push(match place {
            0 => {
                "insert into task_tags \
                 (folded, task, status_kind, priority_key, due_key, recent) values "
            }
            _ => ", ",
        });
        sql.row([
            check::fold_tag(tag).into(),
            id.0.into(),
            kind_number(kind).into(),
            page::key(TaskOrder::Priority, task).into(),
            page::key(TaskOrder::Due, task).into(),
            page::key(TaskOrder::Modified, task).into(),
        ]);
    }
    for (place, blocker) in task.blocked_by.iter().enumerate() {
        match place {
            0 => sql.another().push("insert into task_blockers (blocker, task) values "),
            _ => sql.push(", "),
        };
        sql.row([blocker.0.into(), id.0.into()]);
    }
    if !sql.is_empty() {
        sql.fetch_all(on).await?;
    }
    query(
        "insert into task_words (task, headline, description) values ($1, $2, $3) \
         on conflict (task) do update set headline = excluded.headline, \
         description = excluded.description \
         where task_words.headline <> excluded.headline \
         or task_words.description <> excluded.description",
    )
    .bind(id.0)
    .bind(check::fold(&task.headline))
    .bind(check::fold(&task.description))
    .execute(&mut *on)
    .await
}

pub(super) async fn remove(on: &mut Connection, id: TaskId) -> Result<()> {
    query("delete from tasks where id = $1").bind(id.0).execute(on).await
}

/// The places of tasks that moved since the first page, and those tasks that match, with theirs.
async fn moved(on: &mut Connection, query: &TaskQuery, since: i64) -> Result<Vec<(i64, Task)>> {
    let rows = history::since(on, query.order, since, ROWS_BETWEEN_MAX + 1).await?;
    if rows.len() > ROWS_BETWEEN_MAX {
        return Err(page::too_old());
    }
    let frozen = Frozen::from_rows(query.order, &rows);
    if frozen.keys.is_empty() {
        return Ok(Vec::new());
    }
    let found = read_all(&Plan::moved(query, COLUMNS, since).fetch_all(&mut *on).await?)?;
    let mut placed = Vec::with_capacity(found.len());
    for task in found {
        let key = match frozen.keys.get(&task.id) {
            Some(None) => history::modified_by(on, task.id, since).await?.map(|ms| -ms),
            _ => None,
        };
        placed.push((key.unwrap_or_else(|| frozen.key(query.order, &task)), task));
    }
    Ok(placed)
}

impl SqlBoard {
    async fn page(&self, query: &TaskQuery) -> Result<Page<Task>> {
        let place = page::begin(&self.scope(), query)?;
        let size = query.page_size();
        let mut snapshot = self.snapshot().await?;
        let on = &mut snapshot;
        let moves = query.order != TaskOrder::Id;
        let since = match &place {
            Some(place) => place.since,
            None if moves => history::latest(on).await?,
            None => 0,
        };
        let after = place.as_ref().map(|place| (place.key, place.id));
        let projects = asked(on, query).await?;
        let mut plan = Plan::new(query, &projects);
        if let Some(count) = plan.count_span() {
            let rows = count.fetch_all(on).await?;
            let held: i64 = rows.first().map_or(Ok(0), |row| row.try_get(0)).map_err(failed)?;
            if held <= super::plan::SORTED_MAX {
                plan.sort_span();
            }
        }
        let moved_since = after.filter(|_| moves).map(|_| since);
        // Before the page, which is slow to find among all that moved for a reader who is too late.
        let elsewhere = match moved_since {
            Some(since) => moved(on, query, since).await?,
            None => Vec::new(),
        };
        let rows = plan.page(COLUMNS, after, moved_since, size + 1).fetch_all(on).await?;
        let mut items: Vec<(i64, Task)> = read_all(&rows)?
            .into_iter()
            .map(|task| (page::key(query.order, &task), task))
            .collect();
        if let Some(after) = after.filter(|_| moves) {
            items.extend(elsewhere.into_iter().filter(|(key, task)| (*key, task.id.0) > after));
            items.sort_by_key(|(key, task)| (*key, task.id));
        }
        let more = items.len() > size;
        items.truncate(size);
        let next = items.last().filter(|_| more).map(|(key, task)| {
            let place = Place { since, key: *key, id: task.id.0, below: String::new() };
            page::seal(&self.scope(), query, &place)
        });
        Ok(Page { items: items.into_iter().map(|(_, task)| task).collect(), next })
    }
}

#[async_trait]
impl Tasks for SqlBoard {
    async fn task(&self, id: TaskId) -> Result<Task> {
        let ask = async {
            let found = find(&mut self.reader().await?, id).await?;
            found.ok_or_else(|| BoardError::NotFound { what: Entity::Task(id).to_string() })
        };
        self.memo.recall(Question::Task(id), ask).await
    }

    async fn tasks(&self, query: &TaskQuery) -> Result<Page<Task>> {
        let question = Question::Tasks(Box::new(query.clone()));
        self.memo.recall(question, self.page(query)).await
    }

    async fn add_task(&self, stamp: &Stamp, new: NewTask) -> Result<Written<Task>> {
        written!(self, own new, add_task(stamp))
    }

    async fn edit_task(
        &self,
        stamp: &Stamp,
        id: TaskId,
        edits: &[TaskEdit],
    ) -> Result<Written<Task>> {
        written!(self, edit_task(stamp, id, edits))
    }

    async fn delete_task(&self, stamp: &Stamp, id: TaskId) -> Result<Written<Task>> {
        written!(self, delete_task(stamp, id))
    }
}
