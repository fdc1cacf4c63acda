//! Adding, changing and removing comments.

use super::super::record::{About, Rows};
use super::super::{Result, check};
use super::{
    Session, TOUCHED_MAX, Trace, actor, begin, finish, misused, not_found, project, repeated, task,
    too_many,
};
use crate::domain::{
    Comment, CommentId, CommentQuery, CommentTarget, Entity, Goal, NewComment, ProjectId, Stamp,
    Task, Timestamp, Value, Written,
};

/// Adds a comment.
pub(in crate::board) async fn add_comment<S: Session>(
    session: &mut S,
    at: Timestamp,
    stamp: &Stamp,
    new: NewComment,
) -> Result<Written<Comment>> {
    if let Some(trace) = begin(session, stamp).await? {
        let Entity::Comment(id) = trace.entity else { return misused(stamp, &trace) };
        return repeated(session.find_comment(id).await?, &trace);
    }
    check::no_revision(stamp, "a comment")?;
    actor(session, stamp).await?;
    let (home, on) = target(session, new.on).await?;
    check::new_comment(&new)?;
    if let Some(id) = new.parent {
        let found = session.find_comment(id).await?;
        if found.is_none_or(|parent| parent.on != new.on) {
            return check::malformed(format!(
                "comment {id} is not there to be answered: expected one on the same thing"
            ));
        }
    }
    let mut comment = Comment {
        id: CommentId(0),
        on: new.on,
        author: stamp.actor,
        text: new.text,
        parent: new.parent,
        rating: new.rating,
        created: at,
    };
    comment.id = session.insert_comment(&comment).await?;
    if let Some(task) = on {
        // Without a new revision.
        session.touch_task(&task, at).await?;
    }
    let mut rows = Rows::new(stamp, at);
    rows.created(About::comment(&comment, home), &comment.text);
    finish(session, stamp, rows, Trace { entity: Entity::Comment(comment.id), was: None }).await?;
    Ok(Written { after: comment, changed: true })
}

/// Puts another text in the place of a comment's. What it is on does not count as changed.
pub(in crate::board) async fn edit_comment<S: Session>(
    session: &mut S,
    at: Timestamp,
    stamp: &Stamp,
    id: CommentId,
    text: String,
) -> Result<Written<Comment>> {
    let Found { was, home, .. } = match found(session, stamp, id).await? {
        Begun::Now(found) => *found,
        Begun::Before(written) => return Ok(written),
    };
    let after = Comment { text, ..was.clone() };
    let Comment { on, text, parent, rating, .. } = after.clone();
    check::new_comment(&NewComment { on, text, parent, rating })?;
    let mut rows = Rows::new(stamp, at);
    let changed = after.text != was.text;
    if changed {
        session.update_comment(&after).await?;
        let (before, now) = (was.text.as_str().into(), after.text.as_str().into());
        rows.changed(About::comment(&after, home), "text", before, now);
    }
    finish(session, stamp, rows, Trace { entity: Entity::Comment(id), was: None }).await?;
    Ok(Written { after, changed })
}

/// Removes a comment; what answered it answers nothing from then on.
pub(in crate::board) async fn delete_comment<S: Session>(
    session: &mut S,
    at: Timestamp,
    stamp: &Stamp,
    id: CommentId,
) -> Result<Written<Comment>> {
    let Found { was, home, task } = match found(session, stamp, id).await? {
        Begun::Now(found) => *found,
        Begun::Before(written) => return Ok(written),
    };
    let mut rows = Rows::new(stamp, at);
    let query = CommentQuery { on: Some(was.on), after: Some(id), ..CommentQuery::default() };
    let later = session.comments_where(&query, TOUCHED_MAX + 1).await?;
    if later.len() > TOUCHED_MAX {
        return too_many("comments");
    }
    for mut reply in later.into_iter().filter(|comment| comment.parent == Some(id)) {
        reply.parent = None;
        session.update_comment(&reply).await?;
        rows.changed(About::comment(&reply, home), "parent", Value::Int(id.0), Value::Null);
    }
    session.remove_comment(id).await?;
    if let Some(task) = task {
        session.touch_task(&task, at).await?;
    }
    rows.deleted(About::comment(&was, home), &was.text);
    let trace = Trace { entity: Entity::Comment(id), was: serde_json::to_string(&was).ok() };
    finish(session, stamp, rows, trace).await?;
    Ok(Written { after: was, changed: true })
}

/// A comment that is to be written to.
struct Found {
    was: Comment,
    home: ProjectId,
    task: Option<Task>,
}

/// A write to a comment that was, or was not, done before.
enum Begun {
    Now(Box<Found>),
    Before(Written<Comment>),
}

async fn found<S: Session>(session: &mut S, stamp: &Stamp, id: CommentId) -> Result<Begun> {
    if let Some(trace) = begin(session, stamp).await? {
        if trace.entity != Entity::Comment(id) {
            return misused(stamp, &trace);
        }
        return repeated(session.find_comment(id).await?, &trace).map(Begun::Before);
    }
    let found = session.find_comment(id).await?;
    let was = found.ok_or_else(|| not_found(Entity::Comment(id)))?;
    check::no_revision(stamp, "a comment")?;
    actor(session, stamp).await?;
    let (home, task) = target(session, was.on).await?;
    Ok(Begun::Now(Box::new(Found { was, home, task })))
}

/// The project that a comment belongs to, and the task it is on.
async fn target<S: Session>(
    session: &mut S,
    on: CommentTarget,
) -> Result<(ProjectId, Option<Task>)> {
    match on {
        CommentTarget::Task(id) => {
            let task = task(session, id).await?;
            Ok((task.project, Some(task)))
        }
        CommentTarget::Project(id) => Ok((project(session, id).await?.id, None)),
        CommentTarget::Goal(id) => {
            let goal: Goal = super::keep::get(session, id).await?;
            Ok((goal.project, None))
        }
    }
}
