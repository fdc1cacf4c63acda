//! Removing a task with everything that hangs on it.

use super::super::Result;
use super::super::record::{About, Rows};
use super::{
    Session, TOUCHED_MAX, Trace, actor, begin, finish, misused, project, repeated, revision, task,
    too_many,
};
use crate::domain::{
    CommentQuery, CommentTarget, Entity, Stamp, Task, TaskEdit, TaskId, TaskQuery, Timestamp,
    Written,
};
use std::collections::BTreeSet;

/// Removes a task, its subtasks, their comments and timers. Tasks that waited for one of them wait no
/// longer, which is a change of those tasks.
pub(in crate::board) async fn delete_task<S: Session>(
    session: &mut S,
    at: Timestamp,
    stamp: &Stamp,
    id: TaskId,
) -> Result<Written<Task>> {
    if let Some(trace) = begin(session, stamp).await? {
        if trace.entity != Entity::Task(id) {
            return misused(stamp, &trace);
        }
        return repeated(session.find_task(id).await?, &trace);
    }
    let was = task(session, id).await?;
    revision(stamp, was.revision, Entity::Task(id))?;
    actor(session, stamp).await?;
    let doomed = with_subtasks(session, &was).await?;
    let ids: BTreeSet<TaskId> = doomed.iter().map(|task| task.id).collect();
    let mut rows = Rows::new(stamp, at);
    for task in &doomed {
        super::time::nothing_spent_on(session, task.id).await?;
        unblock(session, task.id, &ids, at, &mut rows).await?;
    }
    // Parts before wholes, replies before what they answer.
    for task in doomed.iter().rev() {
        remove_comments(session, task, &mut rows).await?;
        super::timers::remove_timers(session, task, at, &mut rows).await?;
        session.remove_task(task.id).await?;
        rows.deleted(About::task(task), &task.headline);
    }
    let trace = Trace { entity: Entity::Task(id), was: serde_json::to_string(&was).ok() };
    finish(session, stamp, rows, trace).await?;
    Ok(Written { after: was, changed: true })
}

/// The task and all its parts, wholes before parts.
async fn with_subtasks<S: Session>(session: &mut S, task: &Task) -> Result<Vec<Task>> {
    let mut all = vec![task.clone()];
    let mut next = 0;
    while let Some(parent) = all.get(next).map(|task| task.id) {
        let query = TaskQuery { parent: Some(parent), ..TaskQuery::default() };
        all.extend(session.tasks_where(&query, TOUCHED_MAX + 1).await?);
        if all.len() > TOUCHED_MAX {
            return too_many("subtasks");
        }
        next += 1;
    }
    Ok(all)
}

/// Tasks that stay wait no longer for one that goes.
async fn unblock<S: Session>(
    session: &mut S,
    gone: TaskId,
    doomed: &BTreeSet<TaskId>,
    at: Timestamp,
    rows: &mut Rows<'_>,
) -> Result<()> {
    let query = TaskQuery { blocked_by: Some(gone), ..TaskQuery::default() };
    let waiting = session.tasks_where(&query, TOUCHED_MAX + 1).await?;
    if waiting.len() > TOUCHED_MAX {
        return too_many("waiting tasks");
    }
    for before in waiting.into_iter().filter(|task| !doomed.contains(&task.id)) {
        // All that go at once: one change of the task that waited, with one row.
        let edits: Vec<TaskEdit> = before
            .blocked_by
            .iter()
            .filter(|id| doomed.contains(id))
            .map(|id| TaskEdit::RemoveBlocker(*id))
            .collect();
        let mut after = before.clone();
        for edit in &edits {
            edit.apply(&mut after);
        }
        rows.task(&before, &after, &edits);
        after.revision += 1;
        after.modified = at;
        let kind = project(session, after.project).await?.kind_of(after.status);
        session.update_task(&after, kind).await?;
    }
    Ok(())
}

async fn remove_comments<S: Session>(
    session: &mut S,
    task: &Task,
    rows: &mut Rows<'_>,
) -> Result<()> {
    let query = CommentQuery { on: Some(CommentTarget::Task(task.id)), ..CommentQuery::default() };
    let comments = session.comments_where(&query, TOUCHED_MAX + 1).await?;
    if comments.len() > TOUCHED_MAX {
        return too_many("comments");
    }
    for comment in comments.iter().rev() {
        session.remove_comment(comment.id).await?;
        rows.deleted(About::comment(comment, task.project), &comment.text);
    }
    Ok(())
}
