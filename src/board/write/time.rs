//! Time that was spent: adding to it and setting it, by hand or by stopping a timer.

use super::super::record::{About, Rows};
use super::super::{BoardError, Result, check};
use super::keep::{Keeps, find, remembered};
use super::{Session, TOUCHED_MAX, Trace, begin, finish, misused, person, repeated, too_many};
use crate::domain::{
    Entity, PersonId, Stamp, TaskId, TimeAmount, TimeChange, TimeEntry, TimeEntryId, TimeQuery,
    Timestamp, Written, show_duration,
};
use chrono::NaiveDate;
use std::time::Duration;

/// Adds to the time of a person, task, day and kind of work, or sets it.
pub(in crate::board) async fn log_time<S: Session>(
    session: &mut S,
    at: Timestamp,
    stamp: &Stamp,
    change: TimeChange,
) -> Result<Written<TimeEntry>> {
    if let Some(trace) = begin(session, stamp).await? {
        let Entity::TimeEntry(id) = trace.entity else { return misused(stamp, &trace) };
        return repeated(find::<TimeEntry, S>(session, id).await?, &trace);
    }
    check::no_revision(stamp, "a time entry")?;
    super::actor(session, stamp).await?;
    let mut rows = Rows::new(stamp, at);
    let after = book(session, at, &mut rows, &change).await?;
    let changed = !rows.is_empty();
    let was = if after.seconds == 0 { remembered(&after) } else { None };
    finish(session, stamp, rows, Trace { entity: Entity::TimeEntry(after.id), was }).await?;
    Ok(Written { after, changed })
}

/// What a person spent on a day, at most so many entries as one write may touch.
pub(super) async fn day_entries<S: Session>(
    session: &mut S,
    who: PersonId,
    day: NaiveDate,
) -> Result<Vec<TimeEntry>> {
    let query = TimeQuery {
        people: vec![who],
        from: Some(day),
        to: day.succ_opt(),
        ..TimeQuery::default()
    };
    let entries = Keeps::<TimeEntry>::list(session, &query, TOUCHED_MAX + 1).await?;
    if entries.len() > TOUCHED_MAX {
        return too_many("time entries");
    }
    Ok(entries)
}

/// All seconds of these entries.
pub(super) fn seconds_of(entries: &[TimeEntry]) -> i64 {
    entries.iter().map(|entry| i64::from(entry.seconds)).sum()
}

/// Makes the change; answers with the entry as it is then, of 0 seconds if it was removed.
pub(super) async fn book<S: Session>(
    session: &mut S,
    at: Timestamp,
    rows: &mut Rows<'_>,
    change: &TimeChange,
) -> Result<TimeEntry> {
    check::time_change(change)?;
    let task = super::task(session, change.task).await?;
    person(session, change.person, "who spent the time").await?;
    let of_day = day_entries(session, change.person, change.day).await?;
    let known = of_day.iter().find(|e| e.task == change.task && e.kind == change.kind).cloned();
    let spent = known.as_ref().map_or(0, |entry| i64::from(entry.seconds));
    let seconds = match change.amount {
        TimeAmount::Add(more) => spent + more,
        TimeAmount::Set(all) => i64::from(all),
    };
    check::time_of_day(change.person, seconds_of(&of_day) - spent + seconds)?;
    let Ok(seconds) = u32::try_from(seconds) else {
        return check::malformed(format!(
            "{} seconds less than {spent}: expected at most those that were spent",
            -(seconds - spent)
        ));
    };
    let Some(before) = known else {
        if seconds == 0 {
            return Err(BoardError::NotFound { what: nothing_spent(change) });
        }
        let entry = TimeEntry {
            id: TimeEntryId(0),
            task: task.id,
            project: task.project,
            person: change.person,
            day: change.day,
            kind: change.kind,
            seconds,
            description: check::time_description("", change)?,
            created: at,
            modified: at,
        };
        let after = session.insert(&entry).await?;
        rows.created(about(&after), &shown(seconds));
        session.touch_task(&task, at).await?;
        return Ok(after);
    };
    let mut after = before.clone();
    after.seconds = seconds;
    after.description = check::time_description(&before.description, change)?;
    if after == before {
        return Ok(before);
    }
    after.modified = at;
    if seconds == 0 {
        Keeps::<TimeEntry>::remove(session, before.id).await?;
        rows.deleted(about(&before), &shown(before.seconds));
    } else {
        session.update(&after).await?;
        rows.fields(about(&after), &before, &after);
    }
    session.touch_task(&task, at).await?;
    Ok(after)
}

/// A task with time spent on it does not go.
pub(super) async fn nothing_spent_on<S: Session>(session: &mut S, id: TaskId) -> Result<()> {
    let query = TimeQuery { tasks: vec![id], ..TimeQuery::default() };
    match Keeps::<TimeEntry>::list(session, &query, 1).await?.first() {
        None => Ok(()),
        Some(entry) => Err(BoardError::Conflict(format!(
            "task {id} has time of person {} on {}: set that to 0 first",
            entry.person, entry.day
        ))),
    }
}

fn nothing_spent(change: &TimeChange) -> String {
    let TimeChange { task, person, day, kind, .. } = change;
    format!("time of person {person} on task {task} on {day} for {kind}")
}

fn about(entry: &TimeEntry) -> About {
    About::kept(entry, Some(entry.task), Some(entry.project))
}

fn shown(seconds: u32) -> String {
    show_duration(Duration::from_secs(u64::from(seconds)))
}
