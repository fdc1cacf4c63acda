//! Marks and fences: what was seen of stamped writes.

use super::super::Result;
use super::super::write::Trace;
use super::dialect::{Connection, failed};
use crate::domain::{
    CommentId, Entity, EventId, Fence, GoalBoardId, GoalId, Mark, MilestoneId, PersonId, ProjectId,
    SprintId, TaskId, TimeEntryId, TimerId,
};
use sqlx::Row;

/// An entity as two columns.
pub(super) fn entity_columns(entity: Entity) -> (&'static str, i64) {
    let kind = match entity {
        Entity::Task(_) => "task",
        Entity::Comment(_) => "comment",
        Entity::Milestone(_) => "milestone",
        Entity::Project(_) => "project",
        Entity::Person(_) => "person",
        Entity::GoalBoard(_) => "goal_board",
        Entity::Goal(_) => "goal",
        Entity::Event(_) => "event",
        Entity::TimeEntry(_) => "time_entry",
        Entity::Timer(_) => "timer",
        Entity::Sprint(_) => "sprint",
        Entity::Outside => "outside",
    };
    (kind, entity.number())
}

/// The entity of two columns.
pub(super) fn entity_of(kind: &str, id: i64) -> sqlx::Result<Entity> {
    Ok(match kind {
        "task" => Entity::Task(TaskId(id)),
        "comment" => Entity::Comment(CommentId(id)),
        "milestone" => Entity::Milestone(MilestoneId(id)),
        "project" => Entity::Project(ProjectId(id)),
        "person" => Entity::Person(PersonId(id)),
        "goal_board" => Entity::GoalBoard(GoalBoardId(id)),
        "goal" => Entity::Goal(GoalId(id)),
        "event" => Entity::Event(EventId(id)),
        "time_entry" => Entity::TimeEntry(TimeEntryId(id)),
        "timer" => Entity::Timer(TimerId(id)),
        "sprint" => Entity::Sprint(SprintId(id)),
        "outside" => Entity::Outside,
        other => return Err(sqlx::Error::Decode(format!("entity {other:?}").into())),
    })
}

pub(super) async fn trace(on: &mut Connection, mark: &Mark) -> Result<Option<Trace>> {
    let row = sqlx::query("select entity, entity_id, was from marks where run = $1 and seq = $2")
        .bind(mark.run.as_str())
        .bind(i64::from(mark.seq))
        .fetch_optional(on)
        .await
        .map_err(failed)?;
    let read = |row: &super::dialect::DbRow| -> sqlx::Result<Trace> {
        Ok(Trace { entity: entity_of(row.try_get(0)?, row.try_get(1)?)?, was: row.try_get(2)? })
    };
    row.as_ref().map(read).transpose().map_err(failed)
}

pub(super) async fn keep_trace(on: &mut Connection, mark: &Mark, trace: Trace) -> Result<()> {
    let (entity, id) = entity_columns(trace.entity);
    sqlx::query("insert into marks (run, seq, entity, entity_id, was) values ($1, $2, $3, $4, $5)")
        .bind(mark.run.as_str().to_owned())
        .bind(i64::from(mark.seq))
        .bind(entity)
        .bind(id)
        .bind(trace.was)
        .execute(on)
        .await
        .map(|_| ())
        .map_err(failed)
}

pub(super) async fn fence(on: &mut Connection, task: TaskId) -> Result<Fence> {
    let seen: Option<i64> = sqlx::query_scalar("select fence from fences where task = $1")
        .bind(task.0)
        .fetch_optional(on)
        .await
        .map_err(failed)?;
    Ok(Fence(seen.and_then(|fence| u64::try_from(fence).ok()).unwrap_or(0)))
}

/// Never lowers it.
pub(super) async fn raise_fence(on: &mut Connection, task: TaskId, fence: Fence) -> Result<()> {
    sqlx::query(
        "insert into fences (task, fence) values ($1, $2) \
         on conflict (task) do update set fence = excluded.fence where fences.fence < excluded.fence",
    )
    .bind(task.0)
    .bind(i64::try_from(fence.0).unwrap_or(i64::MAX))
    .execute(on)
    .await
    .map(|_| ())
    .map_err(failed)
}
