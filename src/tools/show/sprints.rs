//! How sprints are shown.

use super::Names;
use crate::domain::Sprint;
use schemars::JsonSchema;
use serde::Serialize;

/// A sprint, with its project's name beside the id.
#[derive(Serialize, JsonSchema)]
pub(in crate::tools) struct SprintView {
    pub id: i64,
    pub project: i64,
    pub project_name: String,
    pub name: String,
    /// The first day.
    pub start: String,
    /// The last day, which is still in it.
    pub end: String,
    /// Grows by one with every change.
    pub revision: u64,
}

impl Names {
    pub(in crate::tools) fn sprint(&self, sprint: Sprint) -> SprintView {
        let project = self.projects.get(&sprint.project);
        SprintView {
            id: sprint.id.0,
            project: sprint.project.0,
            project_name: project.map(|project| project.name.clone()).unwrap_or_default(),
            name: sprint.name,
            start: sprint.from.to_string(),
            end: sprint.to.to_string(),
            revision: sprint.revision,
        }
    }
}
