//! Adding and changing tasks.

use super::super::record::{About, Rows};
use super::super::{BoardError, Result, check};
use super::{
    Session, TOUCHED_MAX, Trace, actor, begin, finish, misused, person, project, repeated,
    revision, task,
};
use crate::domain::{
    Entity, NewTask, Project, ProjectId, Sprint, Stamp, Task, TaskEdit, TaskId, Timestamp, Written,
};
use std::collections::BTreeSet;

/// Adds a task.
pub(in crate::board) async fn add_task<S: Session>(
    session: &mut S,
    at: Timestamp,
    stamp: &Stamp,
    new: NewTask,
) -> Result<Written<Task>> {
    if let Some(trace) = begin(session, stamp).await? {
        let Entity::Task(id) = trace.entity else { return misused(stamp, &trace) };
        return repeated(session.find_task(id).await?, &trace);
    }
    check::no_revision(stamp, "a new task")?;
    actor(session, stamp).await?;
    let home = project(session, new.project).await?;
    let edits = check::task_edits(&new.edits)?;
    let mut after = check::bare_task(&new, &home, stamp, at)?;
    references(session, &home, &edits).await?;
    if let Some(parent) = new.parent {
        in_project(session, parent, home.id, "parent").await?;
    }
    for edit in &edits {
        edit.apply(&mut after);
    }
    check::whole_task(&after)?;
    check::planned_work(None, &after)?;
    after.id = session.insert_task(&after, home.kind_of(after.status)).await?;
    let mut rows = Rows::new(stamp, at);
    rows.created(About::task(&after), &after.headline);
    finish(session, stamp, rows, Trace { entity: Entity::Task(after.id), was: None }).await?;
    Ok(Written { after, changed: true })
}

/// Changes a task.
pub(in crate::board) async fn edit_task<S: Session>(
    session: &mut S,
    at: Timestamp,
    stamp: &Stamp,
    id: TaskId,
    edits: &[TaskEdit],
) -> Result<Written<Task>> {
    if let Some(trace) = begin(session, stamp).await? {
        if trace.entity != Entity::Task(id) {
            return misused(stamp, &trace);
        }
        return repeated(session.find_task(id).await?, &trace);
    }
    let before = task(session, id).await?;
    revision(stamp, before.revision, Entity::Task(id))?;
    actor(session, stamp).await?;
    let edits = check::task_edits(edits)?;
    let home = project(session, before.project).await?;
    references(session, &home, &edits).await?;
    let mut after = before.clone();
    for edit in &edits {
        edit.apply(&mut after);
    }
    check::whole_task(&after)?;
    check::planned_work(Some(&before), &after)?;
    no_blocking_circle(session, &before, &after).await?;
    no_parent_circle(session, &before, &after).await?;
    let mut rows = Rows::new(stamp, at);
    rows.task(&before, &after, &edits);
    let changed = !rows.is_empty();
    if changed {
        after.revision += 1;
        after.modified = at;
        session.update_task(&after, home.kind_of(after.status)).await?;
    }
    finish(session, stamp, rows, Trace { entity: Entity::Task(id), was: None }).await?;
    Ok(Written { after, changed })
}

/// What the edits name is there, and of this project where it must be.
async fn references<S: Session>(session: &mut S, home: &Project, edits: &[TaskEdit]) -> Result<()> {
    for edit in edits {
        match edit {
            TaskEdit::Status(status) => check::label(home, *status)?,
            TaskEdit::Assignee(Some(id)) => person(session, *id, "the assignee").await?,
            TaskEdit::Collaborators(people) => {
                for id in people {
                    person(session, *id, "a collaborator").await?;
                }
            }
            TaskEdit::Milestone(Some(id)) => {
                let found = session.find_milestone(*id).await?;
                if found.is_none_or(|milestone| milestone.project != home.id) {
                    return check::malformed(format!(
                        "milestone {id} is not one of project {}: expected one that is",
                        home.id
                    ));
                }
            }
            TaskEdit::Sprint(Some(id)) => {
                let found = super::keep::find::<Sprint, S>(session, *id).await?;
                if found.is_none_or(|sprint| sprint.project != home.id) {
                    return check::malformed(format!(
                        "sprint {id} is not one of project {}: expected one that is",
                        home.id
                    ));
                }
            }
            TaskEdit::Parent(Some(id)) => in_project(session, *id, home.id, "parent").await?,
            TaskEdit::AddBlocker(id) => blocker(session, *id).await?,
            _ => {}
        }
    }
    Ok(())
}

async fn blocker<S: Session>(session: &mut S, id: TaskId) -> Result<()> {
    match session.find_task(id).await? {
        Some(_) => Ok(()),
        None => check::malformed(format!(
            "the blocker, task {id}, is not on the board: expected one that is"
        )),
    }
}

async fn in_project<S: Session>(
    session: &mut S,
    id: TaskId,
    home: ProjectId,
    what: &str,
) -> Result<()> {
    match session.find_task(id).await? {
        Some(other) if other.project == home => Ok(()),
        _ => check::malformed(format!(
            "the {what}, task {id}, is not in project {home}: expected a task that is"
        )),
    }
}

/// Nothing that blocks the task waits for the task, also through others.
async fn no_blocking_circle<S: Session>(
    session: &mut S,
    before: &Task,
    after: &Task,
) -> Result<()> {
    let mut open: Vec<TaskId> =
        after.blocked_by.iter().filter(|id| !before.blocked_by.contains(id)).copied().collect();
    let mut seen: BTreeSet<TaskId> = open.iter().copied().collect();
    while let Some(id) = open.pop() {
        if id == after.id {
            return check::malformed(format!(
                "task {id} would block itself: expected a blocker that does not wait for it"
            ));
        }
        if seen.len() > TOUCHED_MAX {
            return Err(BoardError::Conflict(format!("task {id} waits for too many others")));
        }
        let waits_for = session.find_task(id).await?.map(|t| t.blocked_by).unwrap_or_default();
        open.extend(waits_for.into_iter().filter(|next| seen.insert(*next)));
    }
    Ok(())
}

/// The task is not a part of itself, also through others.
async fn no_parent_circle<S: Session>(session: &mut S, before: &Task, after: &Task) -> Result<()> {
    if after.parent == before.parent {
        return Ok(());
    }
    let mut above = after.parent;
    for _ in 0..TOUCHED_MAX {
        match above {
            None => return Ok(()),
            Some(id) if id == after.id => {
                return check::malformed(format!(
                    "task {id} would be its own parent: expected a parent that is no part of it"
                ));
            }
            Some(id) => above = session.find_task(id).await?.and_then(|t| t.parent),
        }
    }
    Err(BoardError::Conflict(format!("task {} is too deep", after.id)))
}
