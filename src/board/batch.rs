//! Several writes in one step.

use super::BoardError;
use crate::domain::{
    CalendarEvent, EventEdit, EventId, Milestone, NewEvent, NewMilestone, NewTask, Stamp, Task,
    TaskEdit, TaskId, TimeChange, TimeEntry,
};

/// More writes are not taken in one step.
pub const BATCH_MAX: usize = 100;

/// A write that can be one of several in one step.
#[derive(Clone, Debug, PartialEq)]
pub enum OneWrite {
    /// Adds a task.
    AddTask(NewTask),
    /// Changes a task.
    EditTask(TaskId, Vec<TaskEdit>),
    /// Adds a milestone.
    AddMilestone(NewMilestone),
    /// Adds an event.
    AddEvent(NewEvent),
    /// Changes an event.
    EditEvent(EventId, Vec<EventEdit>),
    /// Logs time.
    LogTime(TimeChange),
}

/// What one of several came to: the entity as it is after it.
#[derive(Clone, Debug, PartialEq)]
pub enum Wrote {
    /// A task.
    Task(Box<Task>),
    /// A milestone.
    Milestone(Milestone),
    /// An event.
    Event(CalendarEvent),
    /// Time spent.
    TimeEntry(TimeEntry),
}

/// Why several writes did not happen: none of them did, unless the board cannot tell.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct BatchError {
    /// Which one failed; `None` where it was not one of them.
    pub index: Option<usize>,
    /// Why.
    #[source]
    pub error: BoardError,
}

impl From<BoardError> for BatchError {
    fn from(error: BoardError) -> Self {
        Self { index: None, error }
    }
}

/// What is wrong with the number of writes.
pub(super) fn check(writes: &[(Stamp, OneWrite)]) -> Result<(), BatchError> {
    if writes.len() > BATCH_MAX {
        let what = format!("{} writes in one step: expected at most {BATCH_MAX}", writes.len());
        return Err(BoardError::Malformed(what).into());
    }
    Ok(())
}
