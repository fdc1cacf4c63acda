//! Milestones: dates a project promised.

use super::{MilestoneId, PersonId, ProjectId, Timestamp};
use serde::{Deserialize, Serialize};

/// A milestone of a project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Milestone {
    /// The board's id.
    pub id: MilestoneId,
    /// The project it belongs to.
    pub project: ProjectId,
    /// One line.
    pub headline: String,
    /// `#rrggbb`.
    pub color: String,
    /// Who answers for it.
    pub assignee: Option<PersonId>,
    /// When work on it begins.
    pub from: Timestamp,
    /// The deadline.
    pub to: Timestamp,
    /// The milestone that must be reached first.
    pub depends_on: Option<MilestoneId>,
    /// Whether it was reached.
    pub done: bool,
    /// Grows by one with every change.
    pub revision: u64,
}

/// What is needed to add a milestone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewMilestone {
    /// The project it belongs to.
    pub project: ProjectId,
    /// One line.
    pub headline: String,
    /// `#rrggbb`.
    pub color: String,
    /// Who answers for it.
    pub assignee: Option<PersonId>,
    /// When work on it begins.
    pub from: Timestamp,
    /// The deadline; not before `from`.
    pub to: Timestamp,
    /// The milestone that must be reached first.
    pub depends_on: Option<MilestoneId>,
}

/// One change to one field of a milestone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MilestoneEdit {
    /// Its one line; not blank.
    Headline(String),
    /// `#rrggbb`.
    Color(String),
    /// Who answers for it.
    Assignee(Option<PersonId>),
    /// When work on it begins.
    From(Timestamp),
    /// The deadline.
    To(Timestamp),
    /// The milestone that must be reached first.
    DependsOn(Option<MilestoneId>),
    /// Whether it was reached.
    Done(bool),
}

impl MilestoneEdit {
    /// Makes the edit.
    pub fn apply(&self, milestone: &mut Milestone) {
        match self.clone() {
            Self::Headline(text) => milestone.headline = text,
            Self::Color(color) => milestone.color = color,
            Self::Assignee(who) => milestone.assignee = who,
            Self::From(at) => milestone.from = at,
            Self::To(at) => milestone.to = at,
            Self::DependsOn(other) => milestone.depends_on = other,
            Self::Done(done) => milestone.done = done,
        }
    }
}
