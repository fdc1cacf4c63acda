//! Adding, changing and removing sprints.

use super::super::record::{About, Rows};
use super::super::{BoardError, Result, check};
use super::keep::{Keeps, find, get, remembered};
use super::{Session, Trace, actor, begin, finish, misused, project, repeated, revision};
use crate::domain::{
    Entity, NewSprint, Sprint, SprintEdit, SprintId, Stamp, TaskQuery, Timestamp, Written,
};

/// Adds a sprint.
pub(in crate::board) async fn add_sprint<S: Session>(
    session: &mut S,
    at: Timestamp,
    stamp: &Stamp,
    new: NewSprint,
) -> Result<Written<Sprint>> {
    if let Some(trace) = begin(session, stamp).await? {
        let Entity::Sprint(id) = trace.entity else { return misused(stamp, &trace) };
        return repeated(find::<Sprint, S>(session, id).await?, &trace);
    }
    check::no_revision(stamp, "a new sprint")?;
    actor(session, stamp).await?;
    project(session, new.project).await?;
    let NewSprint { project, name, from, to } = new;
    let sprint = Sprint { id: SprintId(0), project, name, from, to, revision: 1 };
    check::sprint(&sprint)?;
    let after = session.insert(&sprint).await?;
    let mut rows = Rows::new(stamp, at);
    rows.created(About::kept(&after, None, Some(project)), &after.name);
    finish(session, stamp, rows, Trace { entity: Entity::Sprint(after.id), was: None }).await?;
    Ok(Written { after, changed: true })
}

/// Changes a sprint.
pub(in crate::board) async fn edit_sprint<S: Session>(
    session: &mut S,
    at: Timestamp,
    stamp: &Stamp,
    id: SprintId,
    edits: &[SprintEdit],
) -> Result<Written<Sprint>> {
    if let Some(trace) = begin(session, stamp).await? {
        if trace.entity != Entity::Sprint(id) {
            return misused(stamp, &trace);
        }
        return repeated(find::<Sprint, S>(session, id).await?, &trace);
    }
    let before: Sprint = get(session, id).await?;
    revision(stamp, before.revision, Entity::Sprint(id))?;
    actor(session, stamp).await?;
    let mut after = before.clone();
    for edit in edits {
        edit.apply(&mut after);
    }
    check::sprint(&after)?;
    let mut rows = Rows::new(stamp, at);
    rows.fields(About::kept(&after, None, Some(after.project)), &before, &after);
    let changed = !rows.is_empty();
    if changed {
        after.revision += 1;
        session.update(&after).await?;
    }
    finish(session, stamp, rows, Trace { entity: Entity::Sprint(id), was: None }).await?;
    Ok(Written { after, changed })
}

/// Removes a sprint that no task is in.
pub(in crate::board) async fn delete_sprint<S: Session>(
    session: &mut S,
    at: Timestamp,
    stamp: &Stamp,
    id: SprintId,
) -> Result<Written<Sprint>> {
    if let Some(trace) = begin(session, stamp).await? {
        if trace.entity != Entity::Sprint(id) {
            return misused(stamp, &trace);
        }
        return repeated(find::<Sprint, S>(session, id).await?, &trace);
    }
    let was: Sprint = get(session, id).await?;
    revision(stamp, was.revision, Entity::Sprint(id))?;
    actor(session, stamp).await?;
    let query = TaskQuery { sprint: Some(id), ..TaskQuery::default() };
    if let Some(task) = session.tasks_where(&query, 1).await?.first() {
        return Err(BoardError::Conflict(format!("sprint {id} still has task {}", task.id)));
    }
    Keeps::<Sprint>::remove(session, id).await?;
    let mut rows = Rows::new(stamp, at);
    rows.deleted(About::kept(&was, None, Some(was.project)), &was.name);
    finish(session, stamp, rows, Trace { entity: Entity::Sprint(id), was: remembered(&was) })
        .await?;
    Ok(Written { after: was, changed: true })
}
