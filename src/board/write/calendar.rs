//! Adding, changing and removing events.

use super::super::record::{About, Rows};
use super::super::{Result, check};
use super::keep::{Keeps, find, get, remembered};
use super::{Session, Trace, actor, begin, finish, misused, person, repeated, revision};
use crate::domain::{
    CalendarEvent, Entity, EventEdit, EventId, NewEvent, Stamp, Timestamp, Written,
};

/// Adds an event.
pub(in crate::board) async fn add_event<S: Session>(
    session: &mut S,
    at: Timestamp,
    stamp: &Stamp,
    new: NewEvent,
) -> Result<Written<CalendarEvent>> {
    if let Some(trace) = begin(session, stamp).await? {
        let Entity::Event(id) = trace.entity else { return misused(stamp, &trace) };
        return repeated(find::<CalendarEvent, S>(session, id).await?, &trace);
    }
    check::no_revision(stamp, "a new event")?;
    actor(session, stamp).await?;
    person(session, new.owner, "the owner").await?;
    let after = session.insert(&check::new_event(new, at)?).await?;
    let mut rows = Rows::new(stamp, at);
    rows.created(About::kept(&after, None, None), &after.title);
    finish(session, stamp, rows, Trace { entity: Entity::Event(after.id), was: None }).await?;
    Ok(Written { after, changed: true })
}

/// Changes an event.
pub(in crate::board) async fn edit_event<S: Session>(
    session: &mut S,
    at: Timestamp,
    stamp: &Stamp,
    id: EventId,
    edits: &[EventEdit],
) -> Result<Written<CalendarEvent>> {
    if let Some(trace) = begin(session, stamp).await? {
        if trace.entity != Entity::Event(id) {
            return misused(stamp, &trace);
        }
        return repeated(find::<CalendarEvent, S>(session, id).await?, &trace);
    }
    let before: CalendarEvent = get(session, id).await?;
    revision(stamp, before.revision, Entity::Event(id))?;
    actor(session, stamp).await?;
    check::event_edits(edits)?;
    let mut after = before.clone();
    for edit in edits {
        edit.apply(&mut after);
    }
    let mut after = check::event(after)?;
    let mut rows = Rows::new(stamp, at);
    rows.fields(About::kept(&after, None, None), &before, &after);
    let changed = !rows.is_empty();
    if changed {
        after.revision += 1;
        after.modified = at;
        session.update(&after).await?;
    }
    finish(session, stamp, rows, Trace { entity: Entity::Event(id), was: None }).await?;
    Ok(Written { after, changed })
}

/// Removes an event.
pub(in crate::board) async fn delete_event<S: Session>(
    session: &mut S,
    at: Timestamp,
    stamp: &Stamp,
    id: EventId,
) -> Result<Written<CalendarEvent>> {
    if let Some(trace) = begin(session, stamp).await? {
        if trace.entity != Entity::Event(id) {
            return misused(stamp, &trace);
        }
        return repeated(find::<CalendarEvent, S>(session, id).await?, &trace);
    }
    let was: CalendarEvent = get(session, id).await?;
    revision(stamp, was.revision, Entity::Event(id))?;
    actor(session, stamp).await?;
    Keeps::<CalendarEvent>::remove(session, id).await?;
    let mut rows = Rows::new(stamp, at);
    rows.deleted(About::kept(&was, None, None), &was.title);
    finish(session, stamp, rows, Trace { entity: Entity::Event(id), was: remembered(&was) })
        .await?;
    Ok(Written { after: was, changed: true })
}
