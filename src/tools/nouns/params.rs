//! The fields of a task that addTask and editTask take, and the edits they come to.

use super::tasks::refuse;
use crate::domain::{PersonId, Project, SprintId, Task, TaskEdit, TaskId, TaskKind};
use crate::tools::ToolError;
use crate::tools::arguments::{Id, IdOrName, Priority, present};
use crate::tools::dates::Dates;
use crate::tools::registry::Parts;
use crate::tools::resolve::{self, Directory};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// A task's fields; absent ones stay as they are, null clears.
#[expect(clippy::option_option, reason = "absent, null and a value are three things")]
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(super) struct TaskParams {
    /// One line.
    pub headline: Option<String>,
    /// Markdown.
    pub description: Option<String>,
    /// When it counts as done.
    pub acceptance_criteria: Option<String>,
    /// task, story, bug or subtask.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Label, id, or `kind:in_progress`.
    pub status: Option<IdOrName>,
    /// 1 critical … 5 lowest, or the word.
    #[serde(deserialize_with = "present")]
    pub priority: Option<Option<Priority>>,
    /// 1 XS, 2 S, 3 M, 5 L, 8 XL, 13 XXL.
    #[serde(deserialize_with = "present")]
    pub storypoints: Option<Option<f64>>,
    /// As storypoints.
    #[serde(deserialize_with = "present")]
    pub effort: Option<Option<f64>>,
    /// Hours planned.
    #[serde(deserialize_with = "present")]
    pub plan_hours: Option<Option<f64>>,
    /// Those left.
    #[serde(deserialize_with = "present")]
    pub hours_remaining: Option<Option<f64>>,
    /// All; others go.
    pub tags: Option<Vec<String>>,
    /// More.
    pub add_tags: Option<Vec<String>>,
    /// Fewer.
    pub remove_tags: Option<Vec<String>>,
    /// Null for nobody.
    #[serde(deserialize_with = "present")]
    pub editor_id: Option<Option<IdOrName>>,
    /// Who else takes part.
    pub collaborators: Option<Vec<IdOrName>>,
    /// When it is due; a day means its last second.
    #[serde(deserialize_with = "present")]
    pub date_to_finish: Option<Option<String>>,
    /// Planned begin of the work.
    #[serde(deserialize_with = "present")]
    pub edit_from: Option<Option<String>>,
    /// Planned end of the work.
    #[serde(deserialize_with = "present")]
    pub edit_to: Option<Option<String>>,
    /// Id or headline.
    #[serde(deserialize_with = "present")]
    pub milestone: Option<Option<IdOrName>>,
    /// An id.
    #[serde(deserialize_with = "present")]
    pub sprint: Option<Option<Id>>,
    /// Of a subtask.
    #[serde(deserialize_with = "present")]
    pub parent: Option<Option<Id>>,
    /// Tasks that must be done first.
    pub add_dependencies: Option<Vec<Id>>,
    /// Such tasks.
    pub remove_dependencies: Option<Vec<Id>>,
    /// Place in its column.
    pub sort: Option<i64>,
    /// The team's own; null removes.
    pub fields: Option<BTreeMap<String, Option<String>>>,
}

impl TaskParams {
    /// These, and where they say nothing, the others: the fields that addTask takes directly.
    pub(super) fn or(mut self, other: Self) -> Self {
        macro_rules! fill {
            ($($field:ident),*) => { $( self.$field = self.$field.or(other.$field); )* };
        }
        fill!(
            description,
            acceptance_criteria,
            kind,
            status,
            priority,
            storypoints,
            plan_hours,
            tags,
            editor_id,
            date_to_finish,
            edit_from,
            edit_to,
            milestone,
            sprint
        );
        self
    }

    /// The edits, in a fixed order. `seen` is the task as found; `None` for a new one.
    pub(super) async fn edits(
        self,
        parts: &Parts,
        directory: &Directory,
        project: &Project,
        dates: Dates,
        seen: Option<&Task>,
    ) -> Result<Vec<TaskEdit>, ToolError> {
        let mut edits = Vec::new();
        self.texts(&mut edits)?;
        self.numbers(&mut edits);
        self.times(dates, &mut edits)?;
        self.tags(seen, &mut edits);
        if let Some(name) = &self.status {
            edits.push(TaskEdit::Status(resolve::status(project, name)?.id));
        }
        if let Some(name) = &self.editor_id {
            let person = match name {
                Some(name) => directory.person_or_nobody(name)?,
                None => None,
            };
            edits.push(TaskEdit::Assignee(person));
        }
        if let Some(names) = &self.collaborators {
            let people: Result<Vec<PersonId>, _> =
                names.iter().map(|name| directory.person(name)).collect();
            edits.push(TaskEdit::Collaborators(people?));
        }
        if let Some(name) = &self.milestone {
            let milestone = match name {
                Some(IdOrName::Name(text)) if resolve::is_none(text) => None,
                Some(name) => Some(resolve::milestone(parts, project.id, name).await?.id),
                None => None,
            };
            edits.push(TaskEdit::Milestone(milestone));
        }
        Ok(edits)
    }

    fn texts(&self, edits: &mut Vec<TaskEdit>) -> Result<(), ToolError> {
        if let Some(text) = &self.headline {
            edits.push(TaskEdit::Headline(text.trim().to_owned()));
        }
        edits.extend(self.description.clone().map(TaskEdit::Description));
        edits.extend(self.acceptance_criteria.clone().map(TaskEdit::AcceptanceCriteria));
        if let Some(kind) = &self.kind {
            let kind: TaskKind = kind.parse().map_err(|e| refuse(&format!("type: {e}")))?;
            edits.push(TaskEdit::Kind(kind));
        }
        for (name, value) in self.fields.iter().flatten() {
            edits.push(TaskEdit::Field(name.clone(), value.clone()));
        }
        Ok(())
    }

    fn numbers(&self, edits: &mut Vec<TaskEdit>) {
        let priority = self.priority.map(|given| given.map(|Priority(number)| number));
        edits.extend(priority.map(TaskEdit::Priority));
        edits.extend(self.storypoints.or(self.effort).map(TaskEdit::Storypoints));
        edits.extend(self.plan_hours.map(TaskEdit::PlanHours));
        edits.extend(self.hours_remaining.map(TaskEdit::HoursRemaining));
        edits.extend(self.sprint.map(|id| TaskEdit::Sprint(id.map(|id| SprintId(id.0)))));
        edits.extend(self.parent.map(|id| TaskEdit::Parent(id.map(|id| TaskId(id.0)))));
        edits.extend(self.sort.map(TaskEdit::Sort));
        for id in self.add_dependencies.iter().flatten() {
            edits.push(TaskEdit::AddBlocker(TaskId(id.0)));
        }
        for id in self.remove_dependencies.iter().flatten() {
            edits.push(TaskEdit::RemoveBlocker(TaskId(id.0)));
        }
    }

    fn times(&self, dates: Dates, edits: &mut Vec<TaskEdit>) -> Result<(), ToolError> {
        if let Some(text) = &self.date_to_finish {
            let at = text.as_deref().map(|text| dates.last("dateToFinish", text)).transpose()?;
            edits.push(TaskEdit::Due(at));
        }
        if let Some(text) = &self.edit_from {
            let at = text.as_deref().map(|text| dates.begin("editFrom", text)).transpose()?;
            edits.push(TaskEdit::WorkFrom(at));
        }
        if let Some(text) = &self.edit_to {
            let at = text.as_deref().map(|text| dates.last("editTo", text)).transpose()?;
            edits.push(TaskEdit::WorkTo(at));
        }
        Ok(())
    }

    /// `tags` replaces: what it leaves out is removed one by one, so that a tag which somebody adds
    /// in between stays.
    fn tags(&self, seen: Option<&Task>, edits: &mut Vec<TaskEdit>) {
        let clean = |tags: &Option<Vec<String>>| -> Vec<String> {
            let all = tags.iter().flatten().flat_map(|tag| tag.split(','));
            all.map(|tag| tag.trim().to_owned()).filter(|tag| !tag.is_empty()).collect()
        };
        if self.tags.is_some() {
            let wanted = clean(&self.tags);
            let have = seen.map(|task| task.tags.as_slice()).unwrap_or_default();
            let named = |tag: &String| wanted.iter().any(|w| w.eq_ignore_ascii_case(tag.trim()));
            let gone = have.iter().filter(|tag| !named(tag)).cloned();
            edits.extend(gone.map(TaskEdit::RemoveTag));
            edits.extend(wanted.iter().cloned().map(TaskEdit::AddTag));
        }
        edits.extend(clean(&self.add_tags).into_iter().map(TaskEdit::AddTag));
        edits.extend(clean(&self.remove_tags).into_iter().map(TaskEdit::RemoveTag));
    }
}
