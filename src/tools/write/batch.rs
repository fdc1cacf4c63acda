//! Writes that can be several in one step.

use super::{Acted, EventWrite, TimeWrite, Write, edited_task};
use crate::board::{BoardError, OneWrite, Result, Wrote};
use crate::domain::{Entity, Stamp};

impl Write {
    /// As the board takes it among several, under the revision of the stamp or of what was found.
    pub(in crate::tools) fn for_batch(&self, stamp: &Stamp) -> Result<(Stamp, OneWrite)> {
        let revision = stamp.revision.or_else(|| self.revision());
        let stamp = Stamp { revision, ..stamp.clone() };
        let write = match self {
            Self::AddTask(new) => OneWrite::AddTask(new.clone()),
            Self::EditTask { seen, edits } => OneWrite::EditTask(seen.id, edits.clone()),
            Self::AddMilestone(new) => OneWrite::AddMilestone(new.clone()),
            Self::Event(EventWrite::Add(new)) => OneWrite::AddEvent(new.clone()),
            Self::Event(EventWrite::Edit { seen, edits }) => {
                OneWrite::EditEvent(seen.id, edits.clone())
            }
            Self::Time(TimeWrite::Log { change, .. }) => OneWrite::LogTime(change.clone()),
            _ => {
                let what = "this cannot be one of several in one step: leave atomic out";
                return Err(BoardError::Unsupported(what.to_owned()));
            }
        };
        Ok((stamp, write))
    }

    /// What it came to, by what it left.
    pub(in crate::tools) fn wrote(&self, wrote: &Wrote) -> Acted {
        match (self, wrote) {
            (Self::AddTask(_), Wrote::Task(task)) => self.added_task(task),
            (Self::EditTask { seen, edits }, Wrote::Task(task)) => edited_task(seen, edits, task),
            (Self::Time(time), Wrote::TimeEntry(entry)) => {
                let entity = Entity::TimeEntry(entry.id);
                time.left(entry).unwrap_or_else(|| self.shown(Some(entity)))
            }
            (_, Wrote::Task(task)) => self.shown(Some(Entity::Task(task.id))),
            (_, Wrote::Milestone(milestone)) => self.shown(Some(Entity::Milestone(milestone.id))),
            (_, Wrote::Event(event)) => self.shown(Some(Entity::Event(event.id))),
            (_, Wrote::TimeEntry(entry)) => self.shown(Some(Entity::TimeEntry(entry.id))),
        }
    }

    /// The thing that it changes, in words; `None` for one that it adds.
    pub(in crate::tools) fn changes(&self) -> Option<String> {
        match self {
            Self::EditTask { seen, .. } => Some(Entity::Task(seen.id).to_string()),
            Self::Event(EventWrite::Edit { seen, .. }) => Some(Entity::Event(seen.id).to_string()),
            Self::Time(TimeWrite::Log { change, .. }) => {
                let (task, day, kind) = (change.task, change.day, change.kind.as_str());
                Some(format!("{kind} of person {} on task {task}, {day}", change.person))
            }
            _ => None,
        }
    }
}
