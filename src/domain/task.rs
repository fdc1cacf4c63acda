//! A task: a unit of work on the board.

use super::{MilestoneId, PersonId, ProjectId, SprintId, StatusId, TaskId, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// A task as the board holds it. Lists are sorted and without doubles.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// The board's id.
    pub id: TaskId,
    /// The project it belongs to.
    pub project: ProjectId,
    /// Task, story, bug or subtask.
    pub kind: TaskKind,
    /// One line.
    pub headline: String,
    /// Markdown.
    pub description: String,
    /// When it counts as done, in Markdown; empty if nobody said.
    pub acceptance_criteria: String,
    /// One of the project's labels.
    pub status: StatusId,
    /// 1 critical … 5 lowest.
    pub priority: Option<u8>,
    /// Effort in points (1 XS, 2 S, 3 M, 5 L, 8 XL, 13 XXL).
    pub storypoints: Option<f64>,
    /// Hours planned.
    pub plan_hours: Option<f64>,
    /// Hours that remain.
    pub hours_remaining: Option<f64>,
    /// Free words.
    pub tags: Vec<String>,
    /// Who added it.
    pub author: Option<PersonId>,
    /// Who is to do it.
    pub assignee: Option<PersonId>,
    /// Who else takes part.
    pub collaborators: Vec<PersonId>,
    /// When it is to be finished.
    pub due: Option<Timestamp>,
    /// Planned begin of the work.
    pub work_from: Option<Timestamp>,
    /// Planned end of the work.
    pub work_to: Option<Timestamp>,
    /// The milestone it counts towards.
    pub milestone: Option<MilestoneId>,
    /// The sprint it is in.
    pub sprint: Option<SprintId>,
    /// The task of which this is a subtask.
    pub parent: Option<TaskId>,
    /// Tasks that must be done first.
    pub blocked_by: Vec<TaskId>,
    /// Its place within a column.
    pub sort: i64,
    /// Whatever else a team keeps on a task, by name (`repository`, `branch`).
    pub fields: BTreeMap<String, String>,
    /// When it was added.
    pub created: Timestamp,
    /// When anything about it last changed.
    pub modified: Timestamp,
    /// Grows by one with every change.
    pub revision: u64,
}

impl Task {
    /// Whether it has a tag, without regard to case or surrounding blanks.
    pub fn has_tag(&self, tag: &str) -> bool {
        let tag = tag.trim().to_lowercase();
        !tag.is_empty() && self.tags.iter().any(|t| t.trim().to_lowercase() == tag)
    }
}

/// What sort of task.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum TaskKind {
    /// Something to do.
    #[default]
    Task,
    /// Something a user wants.
    Story,
    /// Something broken.
    Bug,
    /// A part of another task.
    Subtask,
}

impl TaskKind {
    /// The kind as playbooks and Leantime write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Task => "task",
            Self::Story => "story",
            Self::Bug => "bug",
            Self::Subtask => "subtask",
        }
    }
}

impl fmt::Display for TaskKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for TaskKind {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Task, Self::Story, Self::Bug, Self::Subtask]
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| "expected one of task, story, bug, subtask".to_owned())
    }
}

/// What is needed to add a task; the board fills in the rest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NewTask {
    /// The project it belongs to.
    pub project: ProjectId,
    /// One line, not blank.
    pub headline: String,
    /// Task, story, bug or subtask (a subtask has a parent in the same project).
    pub kind: TaskKind,
    /// The task of which this is a subtask.
    pub parent: Option<TaskId>,
    /// The label; `None` for the project's first label of kind *new*.
    pub status: Option<StatusId>,
    /// Everything else, applied in order to the bare task before it is stored.
    pub edits: Vec<super::TaskEdit>,
}

impl NewTask {
    /// A bare task in a project.
    pub fn new(project: ProjectId, headline: impl Into<String>) -> Self {
        Self {
            project,
            headline: headline.into(),
            kind: TaskKind::Task,
            parent: None,
            status: None,
            edits: Vec::new(),
        }
    }

    /// The same task, changed by one more edit.
    #[must_use]
    pub fn with(mut self, edit: super::TaskEdit) -> Self {
        self.edits.push(edit);
        self
    }
}
