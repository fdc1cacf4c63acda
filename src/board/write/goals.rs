//! Adding, changing and removing goal boards and goals.

use super::super::record::{About, Rows};
use super::super::{BoardError, Result, check};
use super::keep::{Keeps, find, get, remembered};
use super::{
    Session, TOUCHED_MAX, Trace, actor, begin, finish, misused, person, project, repeated,
    revision, too_many,
};
use crate::domain::{
    CommentQuery, CommentTarget, Entity, Goal, GoalBoard, GoalBoardId, GoalEdit, GoalId, GoalQuery,
    GoalStatus, Metric, NewGoal, NewGoalBoard, Stamp, Timestamp, Value, Written,
};

/// Adds a goal board.
pub(in crate::board) async fn add_goal_board<S: Session>(
    session: &mut S,
    at: Timestamp,
    stamp: &Stamp,
    new: NewGoalBoard,
) -> Result<Written<GoalBoard>> {
    if let Some(trace) = begin(session, stamp).await? {
        let Entity::GoalBoard(id) = trace.entity else { return misused(stamp, &trace) };
        return repeated(find::<GoalBoard, S>(session, id).await?, &trace);
    }
    check::no_revision(stamp, "a goal board")?;
    actor(session, stamp).await?;
    project(session, new.project).await?;
    let board = GoalBoard {
        id: GoalBoardId(0),
        project: new.project,
        title: new.title,
        description: new.description,
        author: stamp.actor,
        created: at,
    };
    check::goal_board(&board)?;
    let after = session.insert(&board).await?;
    let mut rows = Rows::new(stamp, at);
    rows.created(About::kept(&after, None, Some(after.project)), &after.title);
    finish(session, stamp, rows, Trace { entity: Entity::GoalBoard(after.id), was: None }).await?;
    Ok(Written { after, changed: true })
}

/// Removes a goal board without goals.
pub(in crate::board) async fn delete_goal_board<S: Session>(
    session: &mut S,
    at: Timestamp,
    stamp: &Stamp,
    id: GoalBoardId,
) -> Result<Written<GoalBoard>> {
    if let Some(trace) = begin(session, stamp).await? {
        if trace.entity != Entity::GoalBoard(id) {
            return misused(stamp, &trace);
        }
        return repeated(find::<GoalBoard, S>(session, id).await?, &trace);
    }
    let was: GoalBoard = get(session, id).await?;
    check::no_revision(stamp, "a goal board")?;
    actor(session, stamp).await?;
    let query = GoalQuery { boards: vec![id], ..GoalQuery::default() };
    if let Some(goal) = Keeps::<Goal>::list(session, &query, 1).await?.first() {
        let goal = goal.id;
        return Err(BoardError::Conflict(format!("goal board {id} still has goal {goal}")));
    }
    Keeps::<GoalBoard>::remove(session, id).await?;
    let mut rows = Rows::new(stamp, at);
    rows.deleted(About::kept(&was, None, Some(was.project)), &was.title);
    let trace = Trace { entity: Entity::GoalBoard(id), was: remembered(&was) };
    finish(session, stamp, rows, trace).await?;
    Ok(Written { after: was, changed: true })
}

/// Adds a goal.
pub(in crate::board) async fn add_goal<S: Session>(
    session: &mut S,
    at: Timestamp,
    stamp: &Stamp,
    new: NewGoal,
) -> Result<Written<Goal>> {
    if let Some(trace) = begin(session, stamp).await? {
        let Entity::Goal(id) = trace.entity else { return misused(stamp, &trace) };
        return repeated(find::<Goal, S>(session, id).await?, &trace);
    }
    check::no_revision(stamp, "a new goal")?;
    actor(session, stamp).await?;
    check::goal_edits(&new.edits)?;
    let home: GoalBoard = get(session, new.board).await?;
    let mut goal = Goal {
        id: GoalId(0),
        board: home.id,
        project: home.project,
        title: new.title,
        description: String::new(),
        owner: None,
        start_value: new.start_value,
        current_value: new.start_value,
        end_value: new.end_value,
        metric: Metric::default(),
        status: GoalStatus::default(),
        milestone: None,
        parent: None,
        start: None,
        end: None,
        author: stamp.actor,
        created: at,
        modified: at,
        revision: 1,
    };
    for edit in &new.edits {
        edit.apply(&mut goal);
    }
    let goal = check::goal(goal)?;
    references(session, None, &goal).await?;
    let after = session.insert(&goal).await?;
    let mut rows = Rows::new(stamp, at);
    rows.created(About::kept(&after, None, Some(after.project)), &after.title);
    finish(session, stamp, rows, Trace { entity: Entity::Goal(after.id), was: None }).await?;
    Ok(Written { after, changed: true })
}

/// Changes a goal.
pub(in crate::board) async fn edit_goal<S: Session>(
    session: &mut S,
    at: Timestamp,
    stamp: &Stamp,
    id: GoalId,
    edits: &[GoalEdit],
) -> Result<Written<Goal>> {
    if let Some(trace) = begin(session, stamp).await? {
        if trace.entity != Entity::Goal(id) {
            return misused(stamp, &trace);
        }
        return repeated(find::<Goal, S>(session, id).await?, &trace);
    }
    let before: Goal = get(session, id).await?;
    revision(stamp, before.revision, Entity::Goal(id))?;
    actor(session, stamp).await?;
    check::goal_edits(edits)?;
    let mut after = before.clone();
    for edit in edits {
        edit.apply(&mut after);
    }
    let mut after = check::goal(after)?;
    references(session, Some(&before), &after).await?;
    let mut rows = Rows::new(stamp, at);
    rows.fields(About::kept(&after, None, Some(after.project)), &before, &after);
    let changed = !rows.is_empty();
    if changed {
        after.revision += 1;
        after.modified = at;
        session.update(&after).await?;
    }
    finish(session, stamp, rows, Trace { entity: Entity::Goal(id), was: None }).await?;
    Ok(Written { after, changed })
}

/// Removes a goal and its comments; its parts are parts of nothing from then on.
pub(in crate::board) async fn delete_goal<S: Session>(
    session: &mut S,
    at: Timestamp,
    stamp: &Stamp,
    id: GoalId,
) -> Result<Written<Goal>> {
    if let Some(trace) = begin(session, stamp).await? {
        if trace.entity != Entity::Goal(id) {
            return misused(stamp, &trace);
        }
        return repeated(find::<Goal, S>(session, id).await?, &trace);
    }
    let was: Goal = get(session, id).await?;
    revision(stamp, was.revision, Entity::Goal(id))?;
    actor(session, stamp).await?;
    let mut rows = Rows::new(stamp, at);
    let query = GoalQuery { parent: Some(id), ..GoalQuery::default() };
    let parts = Keeps::<Goal>::list(session, &query, TOUCHED_MAX + 1).await?;
    if parts.len() > TOUCHED_MAX {
        return too_many("goals");
    }
    for mut part in parts {
        part.parent = None;
        part.revision += 1;
        part.modified = at;
        session.update(&part).await?;
        let about = About::kept(&part, None, Some(part.project));
        rows.changed(about, "parent", Value::Int(id.0), Value::Null);
    }
    let query = CommentQuery { on: Some(CommentTarget::Goal(id)), ..CommentQuery::default() };
    let comments = session.comments_where(&query, TOUCHED_MAX + 1).await?;
    if comments.len() > TOUCHED_MAX {
        return too_many("comments");
    }
    // Replies before what they answer.
    for comment in comments.iter().rev() {
        session.remove_comment(comment.id).await?;
        rows.deleted(About::comment(comment, was.project), &comment.text);
    }
    Keeps::<Goal>::remove(session, id).await?;
    rows.deleted(About::kept(&was, None, Some(was.project)), &was.title);
    finish(session, stamp, rows, Trace { entity: Entity::Goal(id), was: remembered(&was) }).await?;
    Ok(Written { after: was, changed: true })
}

/// What a goal names is there, of its project where it must be, and it is no part of itself.
async fn references<S: Session>(
    session: &mut S,
    before: Option<&Goal>,
    after: &Goal,
) -> Result<()> {
    if let Some(id) = after.owner {
        person(session, id, "the owner").await?;
    }
    if let Some(id) =
        after.milestone.filter(|_| before.map(|b| b.milestone) != Some(after.milestone))
    {
        let found = session.find_milestone(id).await?;
        if found.is_none_or(|milestone| milestone.project != after.project) {
            return check::malformed(format!(
                "milestone {id} is not one of project {}: expected one that is",
                after.project
            ));
        }
    }
    if before.is_some_and(|before| before.parent == after.parent) {
        return Ok(());
    }
    let mut above = after.parent;
    for _ in 0..TOUCHED_MAX {
        let Some(id) = above else { return Ok(()) };
        if before.is_some_and(|before| before.id == id) {
            return check::malformed(format!(
                "goal {id} would be a part of itself: expected a parent that is no part of it"
            ));
        }
        let Some(goal) = find::<Goal, S>(session, id).await? else {
            return check::malformed(format!(
                "the parent, goal {id}, is not on the board: expected one that is"
            ));
        };
        above = goal.parent;
    }
    Err(BoardError::Conflict(format!("goal {} is too deep", after.id)))
}
