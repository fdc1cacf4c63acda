//! Starting and stopping timers.

use super::super::record::{About, Rows};
use super::super::{BoardError, Result, check};
use super::keep::{Keeps, find, remembered};
use super::time::{book, day_entries, seconds_of};
use super::{
    Session, TOUCHED_MAX, Trace, actor, begin, finish, misused, person, repeated, task, too_many,
};
use crate::domain::{
    Entity, NewTimer, PersonId, ProjectId, Stamp, StopTimer, Stopped, Task, TaskId, TimeAmount,
    TimeChange, TimeEntry, Timer, TimerId, TimerKind, TimerQuery, Timestamp, Written,
    show_duration,
};
use std::time::Duration;

/// Starts a timer.
pub(in crate::board) async fn start_timer<S: Session>(
    session: &mut S,
    at: Timestamp,
    stamp: &Stamp,
    new: NewTimer,
) -> Result<Written<Timer>> {
    if let Some(trace) = begin(session, stamp).await? {
        let Entity::Timer(id) = trace.entity else { return misused(stamp, &trace) };
        return repeated(find::<Timer, S>(session, id).await?, &trace);
    }
    check::no_revision(stamp, "a timer")?;
    actor(session, stamp).await?;
    person(session, new.person, "whose timer it is").await?;
    let on = work_of(session, new.task).await?;
    let started = check::new_timer(&new, at)?;
    if let Some(timer) = running(session, new.person, new.task).await? {
        return Err(BoardError::Conflict(format!(
            "{} runs since {}",
            named(timer.person, timer.task),
            timer.started
        )));
    }
    let NewTimer { person, task, kind, planned, .. } = new;
    let timer = Timer { id: TimerId(0), person, task, kind, started, planned };
    let after = session.insert(&timer).await?;
    let mut rows = Rows::new(stamp, at);
    rows.created(about(&after, on.as_ref()), after.kind.as_str());
    if let Some(task) = on {
        session.touch_task(&task, at).await?;
    }
    finish(session, stamp, rows, Trace { entity: Entity::Timer(after.id), was: None }).await?;
    Ok(Written { after, changed: true })
}

/// Stops a timer. Its time is logged in the same step: every minute that was begun counts whole, up
/// to what the day still holds, so that a timer that was forgotten can be stopped too.
pub(in crate::board) async fn stop_timer<S: Session>(
    session: &mut S,
    at: Timestamp,
    stamp: &Stamp,
    stop: StopTimer,
) -> Result<Written<Stopped>> {
    if let Some(trace) = begin(session, stamp).await? {
        let Entity::Timer(_) = trace.entity else { return misused(stamp, &trace) };
        return repeated(None, &trace);
    }
    check::no_revision(stamp, "a timer")?;
    actor(session, stamp).await?;
    let Some(timer) = running(session, stop.person, stop.task).await? else {
        let what = format!("{}, running,", named(stop.person, stop.task));
        return Err(BoardError::NotFound { what });
    };
    Keeps::<Timer>::remove(session, timer.id).await?;
    let on = work_of(session, timer.task).await?;
    let mut rows = Rows::new(stamp, at);
    let ran_ms = timer.ran_ms(at);
    rows.deleted(about(&timer, on.as_ref()), &show_duration(Duration::from_millis(ran_ms)));
    if let Some(task) = on {
        session.touch_task(&task, at).await?;
    }
    let (logged, entry) = log(session, at, &mut rows, &timer, stop).await?;
    let id = timer.id;
    let after = Stopped { timer, ran: ran_ms / 1_000, logged, entry };
    let trace = Trace { entity: Entity::Timer(id), was: remembered(&after) };
    finish(session, stamp, rows, trace).await?;
    Ok(Written { after, changed: true })
}

/// How much was logged, and to which entry.
async fn log<S: Session>(
    session: &mut S,
    at: Timestamp,
    rows: &mut Rows<'_>,
    timer: &Timer,
    stop: StopTimer,
) -> Result<(u32, Option<TimeEntry>)> {
    let (Some(task), Some(log), TimerKind::Work) = (timer.task, stop.log, timer.kind) else {
        return Ok((0, None));
    };
    let left = check::DAY_SECONDS - seconds_of(&day_entries(session, timer.person, log.day).await?);
    let minutes = i64::try_from(timer.ran_ms(at).div_ceil(60_000)).unwrap_or(i64::MAX);
    let seconds = minutes.saturating_mul(60).min(left);
    if seconds <= 0 {
        return Ok((0, None));
    }
    let change = TimeChange {
        task,
        person: timer.person,
        day: log.day,
        kind: log.kind,
        amount: TimeAmount::Add(seconds),
        description: log.description,
    };
    let entry = book(session, at, rows, &change).await?;
    Ok((u32::try_from(seconds).unwrap_or(0), Some(entry)))
}

/// Timers on a task go with it.
pub(super) async fn remove_timers<S: Session>(
    session: &mut S,
    task: &Task,
    at: Timestamp,
    rows: &mut Rows<'_>,
) -> Result<()> {
    let query = TimerQuery { tasks: vec![task.id], ..TimerQuery::default() };
    for timer in few(session, &query).await? {
        Keeps::<Timer>::remove(session, timer.id).await?;
        let ran = Duration::from_millis(timer.ran_ms(at));
        rows.deleted(about(&timer, Some(task)), &show_duration(ran));
    }
    Ok(())
}

async fn running<S: Session>(
    session: &mut S,
    person: PersonId,
    task: Option<TaskId>,
) -> Result<Option<Timer>> {
    let query = TimerQuery {
        people: vec![person],
        tasks: task.into_iter().collect(),
        ..TimerQuery::default()
    };
    Ok(few(session, &query).await?.into_iter().find(|timer| timer.task == task))
}

async fn few<S: Session>(session: &mut S, query: &TimerQuery) -> Result<Vec<Timer>> {
    let timers = Keeps::<Timer>::list(session, query, TOUCHED_MAX + 1).await?;
    if timers.len() > TOUCHED_MAX {
        return too_many("timers");
    }
    Ok(timers)
}

async fn work_of<S: Session>(session: &mut S, id: Option<TaskId>) -> Result<Option<Task>> {
    match id {
        Some(id) => task(session, id).await.map(Some),
        None => Ok(None),
    }
}

fn about(timer: &Timer, task: Option<&Task>) -> About {
    let home: Option<ProjectId> = task.map(|task| task.project);
    About::kept(timer, timer.task, home)
}

fn named(person: PersonId, task: Option<TaskId>) -> String {
    match task {
        Some(task) => format!("a timer of person {person} on task {task}"),
        None => format!("a timer of person {person} without a task"),
    }
}
