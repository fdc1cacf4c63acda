//! Timers: time that is running, until it is stopped and becomes time spent.

use super::{Cursor, PersonId, TaskId, TimeEntry, TimeKind, TimerId, Timestamp};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A timer that runs: one for a person and a task, and one for a person without a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timer {
    /// The board's id.
    pub id: TimerId,
    /// Whose.
    pub person: PersonId,
    /// What they work on.
    pub task: Option<TaskId>,
    /// Work, or a break.
    pub kind: TimerKind,
    /// Since when.
    pub started: Timestamp,
    /// For how many seconds it was meant to run.
    pub planned: Option<u32>,
}

impl Timer {
    /// For how many milliseconds it has run; none if the clock was set back.
    pub fn ran_ms(&self, now: Timestamp) -> u64 {
        u64::try_from((now - self.started).num_milliseconds()).unwrap_or(0)
    }
}

/// What a timer is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimerKind {
    /// Work.
    #[default]
    Work,
    /// A break, which is never on a task and never logged.
    Break,
}
words!(TimerKind { Work => "work", Break => "break" });

/// What is needed to start a timer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewTimer {
    /// Whose.
    pub person: PersonId,
    /// What they work on.
    pub task: Option<TaskId>,
    /// Work, or a break.
    pub kind: TimerKind,
    /// Since when, not in the future; `None` for now.
    pub started: Option<Timestamp>,
    /// For how many seconds it is meant to run.
    pub planned: Option<u32>,
}

/// Which timer is to be stopped, and what becomes of its time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopTimer {
    /// Whose.
    pub person: PersonId,
    /// What they work on.
    pub task: Option<TaskId>,
    /// Where its time goes; `None`: it is thrown away.
    pub log: Option<TimerLog>,
}

/// Where a timer's time goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimerLog {
    /// The day that all of it counts for, also where it ran over midnight.
    pub day: NaiveDate,
    /// What sort of work it was.
    pub kind: TimeKind,
    /// What was done.
    pub description: Option<String>,
}

/// What became of a timer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stopped {
    /// The timer as it was.
    pub timer: Timer,
    /// For how many seconds it had run.
    pub ran: u64,
    /// How many seconds were logged: every minute that was begun counts whole, up to what the day
    /// still holds. 0 for a break, without a task, and where it was not to be logged.
    pub logged: u32,
    /// The entry that they were logged to, as it is then.
    pub entry: Option<TimeEntry>,
}

/// Which timers, by id; every part narrows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimerQuery {
    /// Of one of these people.
    pub people: Vec<PersonId>,
    /// On one of these tasks.
    pub tasks: Vec<TaskId>,
    /// At most so many; 0 means 100, more than 1,000 means 1,000.
    pub limit: usize,
    /// Go on after this page's end.
    pub after: Option<Cursor>,
}
