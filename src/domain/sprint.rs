//! Sprints: a few weeks of a project's work.

use super::{Cursor, ProjectId, SprintId};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

/// A sprint of a project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sprint {
    /// The board's id.
    pub id: SprintId,
    /// The project it belongs to.
    pub project: ProjectId,
    /// One line.
    pub name: String,
    /// The first day.
    pub from: NaiveDate,
    /// The last day, which is still in it.
    pub to: NaiveDate,
    /// Grows by one with every change.
    pub revision: u64,
}

impl Sprint {
    /// Whether a day is in it.
    pub fn has(&self, day: NaiveDate) -> bool {
        (self.from..=self.to).contains(&day)
    }
}

/// What is needed to add a sprint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewSprint {
    /// The project it belongs to.
    pub project: ProjectId,
    /// One line, not blank.
    pub name: String,
    /// The first day.
    pub from: NaiveDate,
    /// The last day; not before the first.
    pub to: NaiveDate,
}

edits! {
    /// One change to one field of a sprint.
    SprintEdit of Sprint {
        /// Its one line; not blank.
        Name(String) => name,
        /// The first day.
        From(NaiveDate) => from,
        /// The last day.
        To(NaiveDate) => to,
    }
}

/// Which sprints, by id; every part narrows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SprintQuery {
    /// Of one of these projects.
    pub projects: Vec<ProjectId>,
    /// With this day in them.
    pub on: Option<NaiveDate>,
    /// At most so many; 0 means 100, more than 1,000 means 1,000.
    pub limit: usize,
    /// Go on after this page's end.
    pub after: Option<Cursor>,
}
