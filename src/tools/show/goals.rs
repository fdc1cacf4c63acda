//! How goals are shown.

use super::{Names, instant};
use crate::domain::{Goal, GoalBoard};
use schemars::JsonSchema;
use serde::Serialize;

/// A goal, with names beside ids.
#[derive(Serialize, JsonSchema)]
pub(in crate::tools) struct GoalView {
    pub id: i64,
    /// The goal board: createGoal takes it as canvasId.
    pub board: i64,
    pub project: i64,
    pub project_name: String,
    pub title: String,
    /// What is measured, in Markdown.
    pub description: String,
    pub owner: Option<i64>,
    pub owner_name: Option<String>,
    pub start_value: f64,
    pub current_value: f64,
    pub end_value: f64,
    /// number, percent or currency.
    pub metric: String,
    /// `on_track`, `at_risk` or missed.
    pub status: String,
    /// How much of the way is done, 0 to 100.
    pub progress: f64,
    pub milestone: Option<i64>,
    /// The goal of which this is a part.
    pub parent: Option<i64>,
    /// The first day.
    pub start: Option<String>,
    /// The last day.
    pub end: Option<String>,
    pub created: String,
    pub modified: String,
    /// Grows by one with every change.
    pub revision: u64,
}

/// A goal board.
#[derive(Serialize, JsonSchema)]
pub(in crate::tools) struct GoalBoardView {
    /// createGoal takes it as canvasId.
    pub id: i64,
    pub project: i64,
    pub title: String,
    pub description: String,
}

/// A project's goals, and the boards they are on.
#[derive(Serialize, JsonSchema)]
pub(in crate::tools) struct GoalsView {
    /// The project's goal boards, or the one that was asked for.
    pub boards: Vec<GoalBoardView>,
    /// The goals.
    pub items: Vec<GoalView>,
    /// Give this as `cursor` for the next page; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl From<GoalBoard> for GoalBoardView {
    fn from(board: GoalBoard) -> Self {
        Self {
            id: board.id.0,
            project: board.project.0,
            title: board.title,
            description: board.description,
        }
    }
}

impl Names {
    pub(in crate::tools) fn goal(&self, goal: Goal) -> GoalView {
        let project = self.projects.get(&goal.project);
        GoalView {
            id: goal.id.0,
            board: goal.board.0,
            project: goal.project.0,
            project_name: project.map(|project| project.name.clone()).unwrap_or_default(),
            owner: goal.owner.map(|person| person.0),
            owner_name: self.person(goal.owner),
            start_value: goal.start_value,
            current_value: goal.current_value,
            end_value: goal.end_value,
            metric: goal.metric.to_string(),
            status: goal.status.to_string(),
            progress: goal.progress(),
            milestone: goal.milestone.map(|milestone| milestone.0),
            parent: goal.parent.map(|parent| parent.0),
            start: goal.start.map(|day| day.to_string()),
            end: goal.end.map(|day| day.to_string()),
            created: instant(goal.created),
            modified: instant(goal.modified),
            revision: goal.revision,
            title: goal.title,
            description: goal.description,
        }
    }
}
