//! Questions to the board: which tasks, which activity, and a page of an answer.

use super::{
    ActivityId, MilestoneId, PersonId, ProjectId, SprintId, StatusId, StatusKind, TaskId, TaskKind,
    Timestamp,
};
use serde::{Deserialize, Serialize};

/// Which tasks; every part narrows, an empty list does not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TaskQuery {
    /// One of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<TaskId>,
    /// In one of these projects.
    pub projects: Vec<ProjectId>,
    /// With one of these labels.
    pub statuses: Vec<StatusId>,
    /// With a label of one of these kinds.
    pub kinds_of_status: Vec<StatusKind>,
    /// Of one of these sorts.
    pub kinds: Vec<TaskKind>,
    /// Assigned so.
    pub assignee: AssigneeFilter,
    /// With all of these tags (without regard to case).
    pub tags_all: Vec<String>,
    /// With at least one of these tags.
    pub tags_any: Vec<String>,
    /// With none of these tags.
    pub tags_none: Vec<String>,
    /// Due at or after.
    pub due_from: Option<Timestamp>,
    /// Due before.
    pub due_to: Option<Timestamp>,
    /// With a due date, or without one.
    pub has_due: Option<bool>,
    /// Last changed before.
    pub unchanged_since: Option<Timestamp>,
    /// Last changed at or after.
    pub modified_from: Option<Timestamp>,
    /// Counting towards this milestone.
    pub milestone: Option<MilestoneId>,
    /// In this sprint.
    pub sprint: Option<SprintId>,
    /// Subtasks of this task.
    pub parent: Option<TaskId>,
    /// That wait for this task (`blocked_by` holds it).
    pub blocked_by: Option<TaskId>,
    /// Headline or description contains this, without regard to case.
    pub text: Option<String>,
    /// In which order.
    pub order: TaskOrder,
    /// At most so many in a page; 0 means 100, more than 1,000 means 1,000.
    pub limit: usize,
    /// Go on after this page's end.
    pub after: Option<Cursor>,
}

impl TaskQuery {
    /// The page size that [`TaskQuery::limit`] asks for.
    pub fn page_size(&self) -> usize {
        if self.limit == 0 { 100 } else { self.limit.min(1_000) }
    }
}

/// To whom a task is assigned.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AssigneeFilter {
    /// To anybody or nobody.
    #[default]
    Any,
    /// To nobody.
    Nobody,
    /// To one of these.
    OneOf(Vec<PersonId>),
}

/// The order of a page; ties are broken by id, tasks without the value come last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskOrder {
    /// Oldest first.
    #[default]
    Id,
    /// Most urgent first.
    Priority,
    /// Soonest first.
    Due,
    /// Most recently changed first.
    Modified,
}

/// Where a page ended: opaque to callers, made by the board that made the page.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cursor(pub String);

/// A part of an answer, and where to go on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Page<T> {
    /// The items, in the order asked for.
    pub items: Vec<T>,
    /// Set when there may be more.
    pub next: Option<Cursor>,
}

/// Which activity; every part narrows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ActivityQuery {
    /// About this task.
    pub task: Option<TaskId>,
    /// About one of these projects.
    pub projects: Vec<ProjectId>,
    /// About this field.
    pub field: Option<String>,
    /// At or after.
    pub from: Option<Timestamp>,
    /// Before.
    pub to: Option<Timestamp>,
    /// Later than this row.
    pub after: Option<ActivityId>,
    /// At most so many; 0 means 100, more than 1,000 means 1,000.
    pub limit: usize,
    /// Latest first instead of earliest first (then `after` means *earlier than*).
    pub latest_first: bool,
}

impl ActivityQuery {
    /// The page size that [`ActivityQuery::limit`] asks for.
    pub fn page_size(&self) -> usize {
        if self.limit == 0 { 100 } else { self.limit.min(1_000) }
    }
}

/// Which comments; every part narrows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CommentQuery {
    /// On this task, project or goal.
    pub on: Option<super::CommentTarget>,
    /// On one of these projects (status updates and project comments).
    pub projects: Vec<ProjectId>,
    /// Only status updates.
    pub rated: bool,
    /// Written at or after.
    pub from: Option<Timestamp>,
    /// Written before.
    pub to: Option<Timestamp>,
    /// Later than this comment.
    pub after: Option<super::CommentId>,
    /// At most so many; 0 means 100, more than 1,000 means 1,000.
    pub limit: usize,
    /// Latest first instead of oldest first (then `after` means *earlier than*).
    pub latest_first: bool,
}

impl CommentQuery {
    /// The page size that [`CommentQuery::limit`] asks for.
    pub fn page_size(&self) -> usize {
        if self.limit == 0 { 100 } else { self.limit.min(1_000) }
    }
}

/// Which milestones; every part narrows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MilestoneQuery {
    /// Of one of these projects.
    pub projects: Vec<ProjectId>,
    /// With a deadline at or after.
    pub to_from: Option<Timestamp>,
    /// With a deadline before.
    pub to_before: Option<Timestamp>,
    /// Reached, or not reached.
    pub done: Option<bool>,
}
