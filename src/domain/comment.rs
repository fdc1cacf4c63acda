//! Comments on tasks, projects and goals; a project's status update is a comment with a rating.

use super::{CommentId, GoalId, PersonId, ProjectId, TaskId, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A comment as the board holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comment {
    /// The board's id; later comments have larger ids.
    pub id: CommentId,
    /// What it is about.
    pub on: CommentTarget,
    /// Who wrote it.
    pub author: PersonId,
    /// Markdown.
    pub text: String,
    /// The comment this answers.
    pub parent: Option<CommentId>,
    /// Set on a project's status update, and only there.
    pub rating: Option<Rating>,
    /// When it was written.
    pub created: Timestamp,
}

/// What a comment is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommentTarget {
    /// A task.
    Task(TaskId),
    /// A project.
    Project(ProjectId),
    /// A goal.
    Goal(GoalId),
}

/// How a project is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rating {
    /// As planned.
    Green,
    /// At risk.
    Yellow,
    /// In trouble.
    Red,
}

impl fmt::Display for Rating {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Green => "green",
            Self::Yellow => "yellow",
            Self::Red => "red",
        })
    }
}

/// What is needed to add a comment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewComment {
    /// What it is about.
    pub on: CommentTarget,
    /// Markdown, not blank.
    pub text: String,
    /// The comment this answers.
    pub parent: Option<CommentId>,
    /// For a project's status update.
    pub rating: Option<Rating>,
}
