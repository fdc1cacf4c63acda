//! Adding and changing milestones.

use super::super::record::{About, Rows};
use super::super::{BoardError, Result, check};
use super::{
    Session, TOUCHED_MAX, Trace, actor, begin, finish, misused, not_found, person, project,
    repeated, revision,
};
use crate::domain::{
    Entity, Milestone, MilestoneEdit, MilestoneId, NewMilestone, Stamp, Timestamp, Written,
};

/// Adds a milestone.
pub(in crate::board) async fn add_milestone<S: Session>(
    session: &mut S,
    at: Timestamp,
    stamp: &Stamp,
    new: NewMilestone,
) -> Result<Written<Milestone>> {
    if let Some(trace) = begin(session, stamp).await? {
        let Entity::Milestone(id) = trace.entity else { return misused(stamp, &trace) };
        return repeated(session.find_milestone(id).await?, &trace);
    }
    check::no_revision(stamp, "a new milestone")?;
    actor(session, stamp).await?;
    project(session, new.project).await?;
    let mut after = check::new_milestone(&new);
    sound(session, None, &after).await?;
    after.id = session.insert_milestone(&after).await?;
    let mut rows = Rows::new(stamp, at);
    rows.created(About::milestone(&after), &after.headline);
    finish(session, stamp, rows, Trace { entity: Entity::Milestone(after.id), was: None }).await?;
    Ok(Written { after, changed: true })
}

/// Changes a milestone.
pub(in crate::board) async fn edit_milestone<S: Session>(
    session: &mut S,
    at: Timestamp,
    stamp: &Stamp,
    id: MilestoneId,
    edits: &[MilestoneEdit],
) -> Result<Written<Milestone>> {
    if let Some(trace) = begin(session, stamp).await? {
        if trace.entity != Entity::Milestone(id) {
            return misused(stamp, &trace);
        }
        return repeated(session.find_milestone(id).await?, &trace);
    }
    let found = session.find_milestone(id).await?;
    let before = found.ok_or_else(|| not_found(Entity::Milestone(id)))?;
    revision(stamp, before.revision, Entity::Milestone(id))?;
    actor(session, stamp).await?;
    let mut after = before.clone();
    for edit in edits {
        edit.apply(&mut after);
    }
    (after.from, after.to) = (check::whole(after.from), check::whole(after.to));
    sound(session, Some(&before), &after).await?;
    let mut rows = Rows::new(stamp, at);
    rows.milestone(&before, &after, edits);
    let changed = !rows.is_empty();
    if changed {
        after.revision += 1;
        session.update_milestone(&after).await?;
    }
    finish(session, stamp, rows, Trace { entity: Entity::Milestone(id), was: None }).await?;
    Ok(Written { after, changed })
}

/// Within bounds, about people and milestones that are there, and not waiting for itself.
async fn sound<S: Session>(
    session: &mut S,
    before: Option<&Milestone>,
    after: &Milestone,
) -> Result<()> {
    check::whole_milestone(after)?;
    if let Some(id) = after.assignee {
        person(session, id, "the assignee").await?;
    }
    if before.is_some_and(|before| before.depends_on == after.depends_on) {
        return Ok(());
    }
    let mut first = after.depends_on;
    for _ in 0..TOUCHED_MAX {
        let Some(id) = first else { return Ok(()) };
        if before.is_some_and(|before| before.id == id) {
            return check::malformed(format!(
                "milestone {id} would wait for itself: expected one that does not wait for it"
            ));
        }
        let Some(other) = session.find_milestone(id).await? else {
            return check::malformed(format!(
                "milestone {id} is not on the board: expected one that is"
            ));
        };
        first = other.depends_on;
    }
    Err(BoardError::Conflict("the milestone waits for too many others".to_owned()))
}
