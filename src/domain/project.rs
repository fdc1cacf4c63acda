//! Projects, and the status labels each of them defines for its own tasks.

use super::{ProjectId, StatusId, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A project: a set of tasks with its own status labels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Project {
    /// The board's id.
    pub id: ProjectId,
    /// The name; unique without regard to case.
    pub name: String,
    /// What it is about, in Markdown.
    pub details: String,
    /// Whether work on it has ended.
    pub closed: bool,
    /// The labels its tasks may have, in the order of the board's columns.
    pub statuses: Vec<Status>,
    /// When it was added.
    pub created: Timestamp,
}

impl Project {
    /// The label with this id.
    pub fn status(&self, id: StatusId) -> Option<&Status> {
        self.statuses.iter().find(|status| status.id == id)
    }

    /// The label of this name, without regard to case or surrounding blanks.
    pub fn status_named(&self, label: &str) -> Option<&Status> {
        let label = label.trim();
        self.statuses.iter().find(|s| s.label.trim().to_lowercase() == label.to_lowercase())
    }

    /// The first label of a kind, in the order of the columns.
    pub fn status_of_kind(&self, kind: StatusKind) -> Option<&Status> {
        self.statuses.iter().find(|status| status.kind == kind)
    }

    /// The kind of a label; a label the project does not define counts as new.
    pub fn kind_of(&self, id: StatusId) -> StatusKind {
        self.status(id).map_or(StatusKind::New, |status| status.kind)
    }
}

/// A column of a project's board.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The id, unique within the project.
    pub id: StatusId,
    /// What people read.
    pub label: String,
    /// What it means.
    pub kind: StatusKind,
    /// Its place among the columns, from the left.
    pub order: i32,
}

/// What a status means, whatever a team calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StatusKind {
    /// Not begun.
    New,
    /// Being worked on.
    InProgress,
    /// Cannot go on.
    Blocked,
    /// Waits for somebody: a review, an approval, an answer.
    Waiting,
    /// Finished; nobody has to do anything.
    Done,
}

impl StatusKind {
    /// All kinds, in the order a task passes through them.
    pub const ALL: [Self; 5] =
        [Self::New, Self::InProgress, Self::Blocked, Self::Waiting, Self::Done];

    /// The kind as playbooks write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::InProgress => "in_progress",
            Self::Blocked => "blocked",
            Self::Waiting => "waiting",
            Self::Done => "done",
        }
    }
}

impl fmt::Display for StatusKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for StatusKind {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| "expected one of new, in_progress, blocked, waiting, done".to_owned())
    }
}

/// What is needed to add a project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewProject {
    /// The name.
    pub name: String,
    /// What it is about, in Markdown.
    pub details: String,
    /// Its labels; empty for [`default_statuses`].
    pub statuses: Vec<Status>,
}

/// The labels of a project that names none: Leantime's default set.
pub fn default_statuses() -> Vec<Status> {
    [
        (3, "New", StatusKind::New),
        (1, "Blocked", StatusKind::Blocked),
        (4, "In Progress", StatusKind::InProgress),
        (2, "Waiting for Approval", StatusKind::Waiting),
        (0, "Done", StatusKind::Done),
    ]
    .into_iter()
    .zip(0..)
    .map(|((id, label, kind), order)| Status {
        id: StatusId(id),
        label: label.to_owned(),
        kind,
        order,
    })
    .collect()
}

/// One change to one field of a project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProjectEdit {
    /// Its name; not blank.
    Name(String),
    /// What it is about.
    Details(String),
    /// Whether work on it has ended.
    Closed(bool),
    /// Its labels; one that tasks still have cannot be left out.
    Statuses(Vec<Status>),
}
