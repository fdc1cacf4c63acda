//! What was written over a board.

use super::super::write::Trace;
use super::shelf::Shelves;
use crate::domain::{
    Activity, ActivityId, Comment, CommentId, Fence, Mark, Milestone, MilestoneId, Person,
    PersonId, Project, ProjectId, Task, TaskId,
};
use std::collections::BTreeMap;

/// New entities over a board get ids above this one: far above those of any board below, and
/// still exact in JSON.
pub(super) const BASE: i64 = 1 << 40;

/// Entities as they were written; `None`: removed.
#[derive(Clone, Debug, Default)]
pub(super) struct Layer {
    pub(super) people: BTreeMap<PersonId, Person>,
    pub(super) projects: BTreeMap<ProjectId, Project>,
    pub(super) tasks: BTreeMap<TaskId, Option<Task>>,
    pub(super) milestones: BTreeMap<MilestoneId, Milestone>,
    pub(super) comments: BTreeMap<CommentId, Option<Comment>>,
    pub(super) shelves: Shelves,
    pub(super) fences: BTreeMap<TaskId, Fence>,
    pub(super) marks: BTreeMap<Mark, Trace>,
    pub(super) activity: Vec<Activity>,
    pub(super) last: Last,
}

/// The last ids that were given.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Last {
    pub(super) person: i64,
    pub(super) project: i64,
    pub(super) task: i64,
    pub(super) milestone: i64,
    pub(super) comment: i64,
    pub(super) goal_board: i64,
    pub(super) goal: i64,
    pub(super) event: i64,
    pub(super) time_entry: i64,
    pub(super) timer: i64,
    pub(super) sprint: i64,
    pub(super) activity: i64,
}

impl Last {
    fn at(id: i64) -> Self {
        Self {
            person: id,
            project: id,
            task: id,
            milestone: id,
            comment: id,
            goal_board: id,
            goal: id,
            event: id,
            time_entry: id,
            timer: id,
            sprint: id,
            activity: id,
        }
    }
}

/// The next id after the last.
pub(super) fn next(last: &mut i64) -> i64 {
    *last += 1;
    *last
}

impl Layer {
    /// Nothing written yet; ids go on after this one.
    pub(super) fn after(id: i64) -> Self {
        Self { last: Last::at(id), ..Self::default() }
    }

    /// A layer over this one, for one write.
    pub(super) fn draft(&self) -> Self {
        Self { last: self.last, ..Self::default() }
    }

    /// The write happened.
    pub(super) fn absorb(&mut self, draft: Self) {
        self.people.extend(draft.people);
        self.projects.extend(draft.projects);
        self.tasks.extend(draft.tasks);
        self.milestones.extend(draft.milestones);
        self.comments.extend(draft.comments);
        self.shelves.absorb(draft.shelves);
        self.fences.extend(draft.fences);
        self.marks.extend(draft.marks);
        self.activity.extend(draft.activity);
        self.last = draft.last;
    }

    /// Rows later than one.
    pub(super) fn rows_since(&self, row: i64) -> &[Activity] {
        let from = self.activity.partition_point(|known| known.id <= ActivityId(row));
        self.activity.get(from..).unwrap_or_default()
    }

    /// When a task had last changed by a row, if it was changed here.
    pub(super) fn modified_by(&self, task: TaskId, row: i64) -> Option<i64> {
        let earlier = self.activity.iter().take_while(|known| known.id <= ActivityId(row));
        earlier.filter(|known| known.task == Some(task)).last().map(|row| row.at.timestamp_millis())
    }
}
