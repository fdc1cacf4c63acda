//! What a board accepts of goals, events, time, timers and sprints.

use super::{LINE_CHARS_MAX, TEXT_BYTES_MAX, few, line, long_text, malformed, whole};
use crate::board::Result;
use crate::domain::{
    CalendarEvent, EventEdit, Goal, GoalBoard, GoalEdit, NewEvent, NewTimer, Span, Sprint, Task,
    TimeAmount, TimeChange, TimerKind, Timestamp, When,
};
use chrono::{Datelike, NaiveDate};

/// The largest value of a goal, and the smallest without its sign.
const VALUE_MAX: f64 = 1e15;
/// Edits in one step.
const EDITS_MAX: usize = 500;
/// The seconds of a day.
pub(in crate::board) const DAY_SECONDS: i64 = 86_400;
/// The longest that a timer may be meant to run.
const PLANNED_SECONDS_MAX: u32 = 7 * 86_400;

/// A list of a question is within bounds.
pub(in crate::board) fn asked(count: usize) -> Result<()> {
    few("items in a list of a question", count, super::ASKED_MAX)
}

/// A day that calendars, files and databases agree about.
fn day(what: &str, day: NaiveDate) -> Result<()> {
    if (1..=9_999).contains(&day.year()) {
        return Ok(());
    }
    malformed(format!("{what} {day}: expected a day of the years 1 to 9999"))
}

/// The last day is not before the first.
fn days(first: NaiveDate, last: NaiveDate) -> Result<()> {
    day("the first day", first)?;
    day("the last day", last)?;
    if last < first {
        return malformed(format!(
            "the last day {last} is before the first, {first}: expected the same or a later one"
        ));
    }
    Ok(())
}

/// The instants, cut to milliseconds, of something that does not end before it begins.
fn span(Span { from, to }: Span) -> Result<Span> {
    if to < from {
        return malformed(format!("the end {to} is before the begin {from}: expected it later"));
    }
    day("the begin", from.date_naive())?;
    day("the end", to.date_naive())?;
    Ok(Span { from: whole(from), to: whole(to) })
}

fn when(when: When) -> Result<When> {
    match when {
        When::Timed(instants) => span(instants).map(When::Timed),
        When::Days { first, last } => days(first, last).map(|()| when),
    }
}

/// A number of a goal, without the sign of a zero, which not every board keeps.
fn value(what: &str, number: f64) -> Result<f64> {
    if (-VALUE_MAX..=VALUE_MAX).contains(&number) {
        return Ok(number + 0.0);
    }
    malformed(format!("the {what} is {number}: expected a number up to {VALUE_MAX:e}"))
}

/// A goal board is within bounds.
pub(in crate::board) fn goal_board(board: &GoalBoard) -> Result<()> {
    line("title", &board.title, LINE_CHARS_MAX)?;
    long_text("description", &board.description)
}

/// A goal's edits are few.
pub(in crate::board) fn goal_edits(edits: &[GoalEdit]) -> Result<()> {
    few("edits in one step", edits.len(), EDITS_MAX)
}

/// A goal, made regular.
pub(in crate::board) fn goal(mut goal: Goal) -> Result<Goal> {
    line("title", &goal.title, LINE_CHARS_MAX)?;
    long_text("description", &goal.description)?;
    goal.start_value = value("start value", goal.start_value)?;
    goal.current_value = value("current value", goal.current_value)?;
    goal.end_value = value("end value", goal.end_value)?;
    match (goal.start, goal.end) {
        (Some(first), Some(last)) => days(first, last)?,
        (Some(only), None) | (None, Some(only)) => day("the day", only)?,
        (None, None) => {}
    }
    Ok(goal)
}

/// A new event as it is stored, but for its id.
pub(in crate::board) fn new_event(new: NewEvent, at: Timestamp) -> Result<CalendarEvent> {
    event(CalendarEvent {
        id: crate::domain::EventId(0),
        owner: new.owner,
        title: new.title,
        description: new.description,
        location: new.location,
        when: new.when,
        created: at,
        modified: at,
        revision: 1,
    })
}

/// An event's edits are few.
pub(in crate::board) fn event_edits(edits: &[EventEdit]) -> Result<()> {
    few("edits in one step", edits.len(), EDITS_MAX)
}

/// An event, made regular.
pub(in crate::board) fn event(mut event: CalendarEvent) -> Result<CalendarEvent> {
    line("title", &event.title, LINE_CHARS_MAX)?;
    long_text("description", &event.description)?;
    if event.location.chars().count() > LINE_CHARS_MAX {
        return malformed(format!(
            "the location is too long: expected {LINE_CHARS_MAX} characters"
        ));
    }
    event.when = when(event.when)?;
    Ok(event)
}

/// A change of time is within bounds by itself.
pub(in crate::board) fn time_change(change: &TimeChange) -> Result<()> {
    if !(1_970..=9_999).contains(&change.day.year()) {
        let shown = change.day;
        return malformed(format!("the day {shown}: expected a day of the years 1970 to 9999"));
    }
    match change.amount {
        TimeAmount::Add(0) => malformed("0 seconds more: expected some, or to set the time"),
        TimeAmount::Add(seconds) if !(-DAY_SECONDS..=DAY_SECONDS).contains(&seconds) => {
            malformed(format!("{seconds} seconds: expected at most the {DAY_SECONDS} of a day"))
        }
        TimeAmount::Set(seconds) if i64::from(seconds) > DAY_SECONDS => {
            malformed(format!("{seconds} seconds: expected at most the {DAY_SECONDS} of a day"))
        }
        _ => long_text("description", change.description.as_deref().unwrap_or_default()),
    }
}

/// The description of an entry after a change.
pub(in crate::board) fn time_description(before: &str, change: &TimeChange) -> Result<String> {
    let Some(text) = &change.description else { return Ok(before.to_owned()) };
    if matches!(change.amount, TimeAmount::Set(_)) || before.is_empty() {
        return Ok(text.clone());
    }
    if text.is_empty() {
        return Ok(before.to_owned());
    }
    let both = format!("{before}\n{text}");
    if both.len() > TEXT_BYTES_MAX {
        return malformed(format!(
            "the description would have {} bytes: expected at most {TEXT_BYTES_MAX}",
            both.len()
        ));
    }
    Ok(both)
}

/// The seconds of a day that a person has spent are not more than it has.
pub(in crate::board) fn time_of_day(person: crate::domain::PersonId, seconds: i64) -> Result<()> {
    if seconds > DAY_SECONDS {
        return malformed(format!(
            "person {person} would have {seconds} seconds on that day: expected at most \
             {DAY_SECONDS}"
        ));
    }
    Ok(())
}

/// Since when a new timer runs.
pub(in crate::board) fn new_timer(new: &NewTimer, at: Timestamp) -> Result<Timestamp> {
    if new.kind == TimerKind::Break && new.task.is_some() {
        return malformed("a break is on a task: expected a break without one");
    }
    if new.planned.is_some_and(|seconds| seconds == 0 || seconds > PLANNED_SECONDS_MAX) {
        return malformed(format!(
            "the timer is meant to run {} seconds: expected 1 to {PLANNED_SECONDS_MAX}",
            new.planned.unwrap_or(0)
        ));
    }
    match new.started.map(whole) {
        Some(started) if started > at => {
            malformed(format!("the timer would start at {started}: expected now or earlier"))
        }
        started => Ok(started.unwrap_or(at)),
    }
}

/// What must hold of a sprint.
pub(in crate::board) fn sprint(sprint: &Sprint) -> Result<()> {
    line("name", &sprint.name, LINE_CHARS_MAX)?;
    days(sprint.from, sprint.to)
}

/// The planned work of a task, where it was changed, does not end before it begins.
pub(in crate::board) fn planned_work(before: Option<&Task>, after: &Task) -> Result<()> {
    let plan = |task: &Task| (task.work_from, task.work_to);
    match plan(after) {
        (Some(from), Some(to)) if to < from && before.map(plan) != Some(plan(after)) => malformed(
            format!("the planned work ends at {to}, before it begins at {from}: expected it later"),
        ),
        _ => Ok(()),
    }
}
