//! Marks and fences: what was seen of stamped writes.

use super::super::Result;
use super::super::write::{Seen, Trace};
use super::dialect::{Connection, DbRow, failed, query};
use super::people;
use super::text::Sql;
use crate::domain::{
    CommentId, Entity, EventId, Fence, GoalBoardId, GoalId, Mark, MilestoneId, Person, PersonId,
    ProjectId, SprintId, Stamp, TaskId, TimeEntryId, TimerId,
};

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
    let row = query("select entity, entity_id, was from marks where run = $1 and seq = $2")
        .bind(mark.run.as_str())
        .bind(i64::from(mark.seq))
        .fetch_optional(on)
        .await?;
    let read = |row: &DbRow| -> sqlx::Result<Trace> {
        Ok(Trace { entity: entity_of(row.try_get(0)?, row.try_get(1)?)?, was: row.try_get(2)? })
    };
    row.as_ref().map(read).transpose().map_err(failed)
}

/// Keeps what a mark did, with whatever else the statement does.
pub(super) fn keep(sql: &mut Sql, mark: &Mark, trace: &Trace) {
    let (entity, id) = entity_columns(trace.entity);
    sql.another().push("insert into marks (run, seq, entity, entity_id, was) values ");
    sql.row([
        mark.run.as_str().into(),
        i64::from(mark.seq).into(),
        entity.into(),
        id.into(),
        trace.was.as_deref().into(),
    ]);
}

/// What is known of a stamp's mark and of its task's fence, and the writer: one question, because
/// each way to the database's thread costs more than the answer.
pub(super) async fn seen(on: &mut Connection, stamp: &Stamp) -> Result<(Seen, Option<Person>)> {
    let row = query(
        "select p.id, p.name, p.email, p.kind, p.role, f.fence, m.entity, m.entity_id, m.was \
         from (select 1) as one left join people p on p.id = $1 left join fences f on f.task = $2 \
         left join marks m on m.run = $3 and m.seq = $4",
    )
    .bind(stamp.actor.0)
    .bind(stamp.claim.map(|(task, _)| task.0))
    .bind(stamp.mark.as_ref().map(|mark| mark.run.as_str()))
    .bind(stamp.mark.as_ref().map(|mark| i64::from(mark.seq)))
    .fetch_one(on)
    .await?;
    read_seen(&row).map_err(failed)
}

fn read_seen(row: &DbRow) -> sqlx::Result<(Seen, Option<Person>)> {
    let writer = match row.try_get::<Option<i64>>(0)? {
        Some(_) => Some(people::read(row)?),
        None => None,
    };
    let fence = row.try_get::<Option<i64>>(5)?.and_then(|fence| u64::try_from(fence).ok());
    let trace = match row.try_get::<Option<&str>>(6)? {
        Some(kind) => {
            Some(Trace { entity: entity_of(kind, row.try_get(7)?)?, was: row.try_get(8)? })
        }
        None => None,
    };
    Ok((Seen { trace, fence: Fence(fence.unwrap_or(0)) }, writer))
}

/// Never lowers it.
pub(super) async fn raise_fence(on: &mut Connection, task: TaskId, fence: Fence) -> Result<()> {
    query(
        "insert into fences (task, fence) values ($1, $2) \
         on conflict (task) do update set fence = excluded.fence where fences.fence < excluded.fence",
    )
    .bind(task.0)
    .bind(i64::try_from(fence.0).unwrap_or(i64::MAX))
    .execute(on)
        .await
}
