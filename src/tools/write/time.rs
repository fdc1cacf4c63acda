//! Writes of time: logging it, starting and stopping timers.

use super::{Acted, call_of};
use crate::board::{self, Board};
use crate::domain::{
    Entity, NewTimer, PersonId, Stamp, StopTimer, Stopped, TaskId, TimeAmount, TimeChange,
    TimeEntry, TimeEntryId, Timer, TimerId, ToolCall, Value, hours_of_seconds, show_duration,
};
use std::collections::BTreeMap;
use std::time::Duration;

/// One write of time, with what was found before it.
#[derive(Clone, Debug)]
pub(in crate::tools) enum TimeWrite {
    Log { change: TimeChange, seen: Option<TimeEntry> },
    Start(NewTimer),
    Stop { stop: StopTimer, seen: Timer },
}

impl TimeWrite {
    /// Does it.
    pub(super) async fn act(&self, board: &dyn Board, stamp: &Stamp) -> board::Result<Acted> {
        Ok(match self {
            Self::Log { change, seen } => {
                let after = board.log_time(stamp, change.clone()).await?.after;
                let before = found_before(change, seen.as_ref(), &after);
                logged(change, before.as_ref(), &after)
            }
            Self::Start(new) => {
                let timer = board.start_timer(stamp, new.clone()).await?.after;
                started(&timer)
            }
            Self::Stop { stop, .. } => {
                let stopped = board.stop_timer(stamp, stop.clone()).await?.after;
                let after = stopped_fields(&stopped);
                ended(&stopped.timer, after, stopped.entry.is_none())
            }
        })
    }

    /// What logging came to, by the entry that it left.
    pub(super) fn left(&self, after: &TimeEntry) -> Option<Acted> {
        let Self::Log { change, seen } = self else { return None };
        let before = found_before(change, seen.as_ref(), after);
        Some(logged(change, before.as_ref(), after))
    }

    /// What it does, or did: to this entity, if that is known by now.
    pub(super) fn shown(&self, entity: Option<Entity>) -> Acted {
        let acted = match self {
            Self::Log { change, seen } => {
                let seen = seen.as_ref();
                logged(change, seen, &foreseen(change, seen))
            }
            Self::Start(new) => Acted {
                inverse: entity.map(|_| discard(new.person, new.task)),
                ..plain(Entity::Timer(TimerId(0)), empty(), timer_fields(&bare(new)))
            },
            Self::Stop { stop, seen } => {
                ended(seen, Value::map([("stopped", true)]), stop.log.is_none())
            }
        };
        Acted { entity: entity.unwrap_or(acted.entity), ..acted }
    }
}

fn plain(entity: Entity, before: Value, after: Value) -> Acted {
    Acted { entity, before, after, inverse: None }
}

fn empty() -> Value {
    Value::Map(BTreeMap::new())
}

/// The entry before a change: somebody may have added to it since it was looked at.
fn found_before(
    change: &TimeChange,
    seen: Option<&TimeEntry>,
    after: &TimeEntry,
) -> Option<TimeEntry> {
    let TimeAmount::Add(more) = change.amount else { return seen.cloned() };
    let seconds = u32::try_from(i64::from(after.seconds) - more).unwrap_or(0);
    if seconds == 0 {
        return None;
    }
    let description = seen.map(|entry| entry.description.clone()).unwrap_or_default();
    Some(TimeEntry { seconds, description, ..after.clone() })
}

/// The entry as a change would leave it.
fn foreseen(change: &TimeChange, seen: Option<&TimeEntry>) -> TimeEntry {
    let spent = seen.map_or(0, |entry| i64::from(entry.seconds));
    let seconds = match change.amount {
        TimeAmount::Add(more) => u32::try_from(spent + more).unwrap_or(0),
        TimeAmount::Set(all) => all,
    };
    let epoch = crate::domain::from_millis(0);
    let mut entry = seen.cloned().unwrap_or_else(|| TimeEntry {
        id: TimeEntryId(0),
        task: change.task,
        project: crate::domain::ProjectId(0),
        person: change.person,
        day: change.day,
        kind: change.kind,
        seconds,
        description: String::new(),
        created: epoch,
        modified: epoch,
    });
    entry.seconds = seconds;
    match (&change.description, change.amount) {
        (Some(line), TimeAmount::Add(_)) if !entry.description.is_empty() => {
            entry.description = format!("{}\n{line}", entry.description);
        }
        (Some(text), _) => entry.description.clone_from(text),
        (None, _) => {}
    }
    entry
}

/// What logging came to.
fn logged(change: &TimeChange, before: Option<&TimeEntry>, after: &TimeEntry) -> Acted {
    let fields = |entry: Option<&TimeEntry>| match entry.filter(|entry| entry.seconds > 0) {
        Some(entry) => entry_fields(entry),
        None => empty(),
    };
    let (old, new) = (fields(before), fields(Some(after)));
    let inverse = (old != new).then(|| undo(change, before, after));
    Acted { inverse, ..plain(Entity::TimeEntry(after.id), old, new) }
}

/// The call that takes back what was logged. What was only added is taken away again, so that what
/// others add meanwhile stays; where a text changed too, the entry is set to what it was.
fn undo(change: &TimeChange, before: Option<&TimeEntry>, after: &TimeEntry) -> ToolCall {
    let spent = before.map_or(0, |entry| entry.seconds);
    let mut args = vec![
        ("ticketId", Value::Int(change.task.0)),
        ("date", change.day.to_string().into()),
        ("kind", change.kind.as_str().into()),
        ("userId", change.person.0.into()),
    ];
    let text_stays = before.is_none() || (change.description.is_none() && after.seconds > 0);
    match (change.amount, before) {
        (TimeAmount::Add(more), _) if text_stays => args.push(("hours", hours(-more).into())),
        (_, before) => {
            args.push(("hours", hours(i64::from(spent)).into()));
            args.push(("total", true.into()));
            args.extend(before.map(|e| ("description", e.description.as_str().into())));
        }
    }
    call_of("logTime", args)
}

fn entry_fields(entry: &TimeEntry) -> Value {
    let mut fields = vec![
        ("task", Value::Int(entry.task.0)),
        ("person", entry.person.0.into()),
        ("day", entry.day.to_string().into()),
        ("kind", entry.kind.as_str().into()),
        ("hours", hours(i64::from(entry.seconds)).into()),
    ];
    if !entry.description.is_empty() {
        fields.push(("description", entry.description.as_str().into()));
    }
    Value::map(fields)
}

/// A timer that runs.
fn started(timer: &Timer) -> Acted {
    let inverse = Some(discard(timer.person, timer.task));
    Acted { inverse, ..plain(Entity::Timer(timer.id), empty(), timer_fields(timer)) }
}

/// A timer that ran. It can be started again as it was, unless its time has been logged: that is
/// two things, and no one call takes both back.
fn ended(timer: &Timer, after: Value, is_free: bool) -> Acted {
    let inverse = timer.planned.filter(|_| is_free).map(|planned| {
        let mut args = vec![
            ("duration", Value::from(show_duration(Duration::from_secs(planned.into())))),
            ("type", timer.kind.as_str().into()),
            ("started", timer.started.to_rfc3339().into()),
            ("userId", timer.person.0.into()),
        ];
        args.extend(timer.task.map(|task| ("taskId", task.0.into())));
        call_of("startTimer", args)
    });
    Acted { inverse, ..plain(Entity::Timer(timer.id), timer_fields(timer), after) }
}

fn stopped_fields(stopped: &Stopped) -> Value {
    let ran = Duration::from_secs(stopped.ran);
    let ended = stopped.timer.started + crate::domain::to_delta(ran);
    let mut fields = vec![
        ("ran", Value::from(show_duration(ran))),
        ("ended", ended.to_rfc3339().into()),
        ("logged_hours", hours(i64::from(stopped.logged)).into()),
    ];
    if let Some(entry) = &stopped.entry {
        fields.extend([
            ("task", entry.task.0.into()),
            ("day", entry.day.to_string().into()),
            ("kind", entry.kind.as_str().into()),
            ("hours_of_entry", hours(i64::from(entry.seconds)).into()),
            ("time_entry", entry.id.0.into()),
        ]);
    }
    Value::map(fields)
}

/// The call that stops somebody's timer and throws its time away; 0 is the one without a task. It is
/// often another who undoes: of their own timers none may stop.
fn discard(person: PersonId, task: Option<TaskId>) -> ToolCall {
    let id = task.map_or(0, |task| task.0);
    let args = vec![("ticketId", id.into()), ("discard", true.into()), ("userId", person.0.into())];
    call_of("stopTimer", args)
}

fn bare(new: &NewTimer) -> Timer {
    let NewTimer { person, task, kind, planned, started } = new.clone();
    let started = started.unwrap_or_else(|| crate::domain::from_millis(0));
    Timer { id: TimerId(0), person, task, kind, started, planned }
}

fn timer_fields(timer: &Timer) -> Value {
    let mut fields = vec![
        ("person", Value::Int(timer.person.0)),
        ("type", timer.kind.as_str().into()),
        ("started", timer.started.to_rfc3339().into()),
    ];
    fields.extend(timer.task.map(|task| ("task", task.0.into())));
    if let Some(planned) = timer.planned {
        let planned = Duration::from_secs(planned.into());
        let until = timer.started + crate::domain::to_delta(planned);
        fields.push(("duration", show_duration(planned).into()));
        fields.push(("until", until.to_rfc3339().into()));
    }
    Value::map(fields)
}

/// Hours of seconds, more or less.
fn hours(seconds: i64) -> f64 {
    let hours = hours_of_seconds(seconds.unsigned_abs());
    if seconds < 0 { -hours } else { hours }
}
