//! How the board's things are shown: as values with names beside ids, and as text.

mod bulk;
mod calendar;
mod goals;
mod sprints;

pub(super) use bulk::{BulkError, BulkItem, BulkView};
pub(super) use calendar::CalendarView;
pub(super) use goals::{GoalBoardView, GoalView, GoalsView};
pub(super) use sprints::SprintView;

use crate::domain::{
    Activity, Comment, CommentTarget, Milestone, Person, Project, ProjectId, StatusId, Task,
    TaskId, TaskKind, Timestamp, Value,
};
use chrono_tz::Tz;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

/// Any of the house's words as a value; `null` for what no JSON can hold.
pub(super) fn value<T: Serialize>(of: &T) -> Value {
    serde_json::to_value(of).and_then(serde_json::from_value).unwrap_or_default()
}

/// A task with nothing in it, on which an edit shows its value.
pub(super) fn bare_task() -> Task {
    Task {
        id: TaskId(0),
        project: ProjectId(0),
        kind: TaskKind::Task,
        headline: String::new(),
        description: String::new(),
        acceptance_criteria: String::new(),
        status: StatusId(0),
        priority: None,
        storypoints: None,
        plan_hours: None,
        hours_remaining: None,
        tags: Vec::new(),
        author: None,
        assignee: None,
        collaborators: Vec::new(),
        due: None,
        work_from: None,
        work_to: None,
        milestone: None,
        sprint: None,
        parent: None,
        blocked_by: Vec::new(),
        sort: 0,
        fields: BTreeMap::new(),
        created: crate::domain::from_millis(0),
        modified: crate::domain::from_millis(0),
        revision: 0,
    }
}

/// A list, and where to go on.
#[derive(Serialize, JsonSchema)]
pub(super) struct Items<T> {
    /// The items.
    pub items: Vec<T>,
    /// Give this as `cursor` for the next page; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl<T> Items<T> {
    pub(super) fn all(items: Vec<T>) -> Self {
        Self { items, next: None }
    }
}

/// A task, with names beside ids.
#[derive(Serialize, JsonSchema)]
pub(super) struct TaskView {
    pub id: i64,
    pub project: i64,
    pub project_name: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub headline: String,
    pub description: String,
    pub acceptance_criteria: String,
    pub status: i64,
    pub status_label: String,
    /// new, `in_progress`, blocked, waiting or done.
    pub status_kind: String,
    /// 1 critical … 5 lowest.
    pub priority: Option<u8>,
    pub storypoints: Option<f64>,
    pub plan_hours: Option<f64>,
    pub hours_remaining: Option<f64>,
    pub tags: Vec<String>,
    pub author: Option<i64>,
    pub author_name: Option<String>,
    pub assignee: Option<i64>,
    pub assignee_name: Option<String>,
    pub collaborators: Vec<i64>,
    /// When it is to be finished, UTC.
    pub due: Option<String>,
    /// The same as a day of the caller's zone.
    pub due_day: Option<String>,
    pub work_from: Option<String>,
    pub work_to: Option<String>,
    pub milestone: Option<i64>,
    pub sprint: Option<i64>,
    pub parent: Option<i64>,
    /// Tasks that must be done first.
    pub blocked_by: Vec<i64>,
    pub fields: BTreeMap<String, String>,
    pub created: String,
    pub modified: String,
    /// Grows by one with every change.
    pub revision: u64,
}

/// What is needed to show names.
#[derive(Debug)]
pub(super) struct Names {
    pub projects: Arc<BTreeMap<ProjectId, Project>>,
    pub people: Arc<[Person]>,
    pub zone: Tz,
}

impl Names {
    pub(super) fn person(&self, id: Option<crate::domain::PersonId>) -> Option<String> {
        let id = id?;
        self.people.iter().find(|person| person.id == id).map(|person| person.name.clone())
    }

    pub(super) fn task(&self, task: Task) -> TaskView {
        let project = self.projects.get(&task.project);
        let status = project.and_then(|project| project.status(task.status));
        TaskView {
            id: task.id.0,
            project: task.project.0,
            project_name: project.map(|p| p.name.clone()).unwrap_or_default(),
            kind: task.kind.to_string(),
            status: task.status.0,
            status_label: status.map_or_else(|| task.status.to_string(), |s| s.label.clone()),
            status_kind: status.map_or("new", |s| s.kind.as_str()).to_owned(),
            author_name: self.person(task.author),
            assignee_name: self.person(task.assignee),
            headline: task.headline,
            description: task.description,
            acceptance_criteria: task.acceptance_criteria,
            priority: task.priority,
            storypoints: task.storypoints,
            plan_hours: task.plan_hours,
            hours_remaining: task.hours_remaining,
            tags: task.tags,
            author: task.author.map(|p| p.0),
            assignee: task.assignee.map(|p| p.0),
            collaborators: task.collaborators.into_iter().map(|p| p.0).collect(),
            due: task.due.map(instant),
            due_day: task.due.map(|at| at.with_timezone(&self.zone).date_naive().to_string()),
            work_from: task.work_from.map(instant),
            work_to: task.work_to.map(instant),
            milestone: task.milestone.map(|m| m.0),
            sprint: task.sprint.map(|s| s.0),
            parent: task.parent.map(|t| t.0),
            blocked_by: task.blocked_by.into_iter().map(|t| t.0).collect(),
            fields: task.fields,
            created: instant(task.created),
            modified: instant(task.modified),
            revision: task.revision,
        }
    }

    pub(super) fn comment(&self, comment: Comment) -> CommentView {
        let (task, project, goal) = match comment.on {
            CommentTarget::Task(id) => (Some(id.0), None, None),
            CommentTarget::Project(id) => (None, Some(id.0), None),
            CommentTarget::Goal(id) => (None, None, Some(id.0)),
        };
        CommentView {
            id: comment.id.0,
            task,
            project,
            goal,
            author: comment.author.0,
            author_name: self.person(Some(comment.author)),
            text: comment.text,
            parent: comment.parent.map(|c| c.0),
            rating: comment.rating.map(|r| r.to_string()),
            created: instant(comment.created),
        }
    }

    pub(super) fn milestone(&self, milestone: Milestone) -> MilestoneView {
        MilestoneView {
            id: milestone.id.0,
            project: milestone.project.0,
            headline: milestone.headline,
            color: milestone.color,
            assignee: milestone.assignee.map(|p| p.0),
            assignee_name: self.person(milestone.assignee),
            from: instant(milestone.from),
            to: instant(milestone.to),
            depends_on: milestone.depends_on.map(|m| m.0),
            done: milestone.done,
        }
    }

    pub(super) fn activity(&self, row: Activity) -> ActivityView {
        ActivityView {
            id: row.id.0,
            at: instant(row.at),
            actor: row.actor.map(|p| p.0),
            actor_name: self.person(row.actor),
            entity: row.entity.to_string(),
            task: row.task.map(|t| t.0),
            project: row.project.map(|p| p.0),
            field: row.field,
            before: row.before.to_string(),
            after: row.after.to_string(),
            run: row.mark.map(|mark| mark.run.0),
        }
    }
}

/// A comment, with its author's name.
#[derive(Serialize, JsonSchema)]
pub(super) struct CommentView {
    pub id: i64,
    pub task: Option<i64>,
    pub project: Option<i64>,
    pub goal: Option<i64>,
    pub author: i64,
    pub author_name: Option<String>,
    /// Markdown.
    pub text: String,
    pub parent: Option<i64>,
    /// green, yellow or red: a project's status update.
    pub rating: Option<String>,
    pub created: String,
}

/// A milestone.
#[derive(Serialize, JsonSchema)]
pub(super) struct MilestoneView {
    pub id: i64,
    pub project: i64,
    pub headline: String,
    pub color: String,
    pub assignee: Option<i64>,
    pub assignee_name: Option<String>,
    pub from: String,
    /// The deadline.
    pub to: String,
    pub depends_on: Option<i64>,
    pub done: bool,
}

/// One change that happened.
#[derive(Serialize, JsonSchema)]
pub(super) struct ActivityView {
    pub id: i64,
    pub at: String,
    pub actor: Option<i64>,
    pub actor_name: Option<String>,
    pub entity: String,
    pub task: Option<i64>,
    pub project: Option<i64>,
    pub field: String,
    pub before: String,
    pub after: String,
    /// The run that did it; absent for people.
    pub run: Option<String>,
}

/// A person or an agent.
#[derive(Serialize, JsonSchema)]
pub(super) struct PersonView {
    pub id: i64,
    pub name: String,
    pub email: Option<String>,
    /// person or agent.
    pub kind: String,
    pub role: String,
}

impl From<Person> for PersonView {
    fn from(person: Person) -> Self {
        Self {
            id: person.id.0,
            name: person.name,
            email: person.email,
            kind: value(&person.kind).to_string(),
            role: value(&person.role).to_string(),
        }
    }
}

/// A status label of a project.
#[derive(Serialize, JsonSchema)]
pub(super) struct StatusView {
    /// The number that addTask and editTask take as status.
    pub id: i64,
    pub label: String,
    /// new, `in_progress`, blocked, waiting or done.
    pub kind: String,
    /// Its place among the columns, from the left.
    pub order: i32,
}

impl From<&crate::domain::Status> for StatusView {
    fn from(status: &crate::domain::Status) -> Self {
        Self {
            id: status.id.0,
            label: status.label.clone(),
            kind: status.kind.to_string(),
            order: status.order,
        }
    }
}

/// A project.
#[derive(Serialize, JsonSchema)]
pub(super) struct ProjectView {
    pub id: i64,
    pub name: String,
    /// Markdown.
    pub details: String,
    pub closed: bool,
    pub statuses: Vec<StatusView>,
    pub created: String,
}

impl From<Project> for ProjectView {
    fn from(project: Project) -> Self {
        Self {
            id: project.id.0,
            statuses: project.statuses.iter().map(StatusView::from).collect(),
            name: project.name,
            details: project.details,
            closed: project.closed,
            created: instant(project.created),
        }
    }
}

/// What a write came to.
#[derive(Serialize, JsonSchema)]
pub(super) struct Change {
    /// The number of what was changed or added; absent when nothing was written.
    pub id: Option<i64>,
    /// What was changed, such as `task 7`.
    pub entity: String,
    /// False when everything was so already, or when nothing is written in this mode.
    pub changed: bool,
    /// Present when the write was not done: `recorded_only`, proposed, or `done_before` for a key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The changed fields before.
    pub before: BTreeMap<String, serde_json::Value>,
    /// The changed fields after.
    pub after: BTreeMap<String, serde_json::Value>,
    /// The tool call that puts it back, as `tool` and `args`; absent where nothing can.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undo: Option<BTreeMap<String, serde_json::Value>>,
}

pub(super) fn instant(at: Timestamp) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
}

/// A value as a compact text that stands alone: `name: value` lines, empty ones left out.
pub(super) fn text(of: &Value) -> String {
    let mut out = String::new();
    lines(of, 0, &mut out);
    if out.trim().is_empty() { "(nothing)".to_owned() } else { out.trim_end().to_owned() }
}

fn lines(of: &Value, indent: usize, out: &mut String) {
    match of {
        Value::Map(map) => {
            for (name, value) in map.iter().filter(|(_, value)| !is_empty(value)) {
                if is_plain(value) {
                    let _ = writeln!(out, "{:indent$}{name}: {}", "", inline(value, indent + 2));
                } else {
                    let _ = writeln!(out, "{:indent$}{name}:", "");
                    lines(value, indent + 2, out);
                }
            }
        }
        Value::List(items) => {
            for item in items {
                let mut inner = String::new();
                lines(item, indent + 2, &mut inner);
                let _ = writeln!(out, "{:indent$}- {}", "", inner.trim_start().trim_end());
            }
        }
        plain => {
            let _ = writeln!(out, "{:indent$}{}", "", inline(plain, indent));
        }
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Text(text) => text.is_empty(),
        Value::List(items) => items.is_empty(),
        Value::Map(map) => map.is_empty(),
        _ => false,
    }
}

fn is_plain(value: &Value) -> bool {
    match value {
        Value::Map(_) => false,
        Value::List(items) => items.iter().all(|i| !matches!(i, Value::Map(_) | Value::List(_))),
        _ => true,
    }
}

/// A plain value; the lines of a text after its first are indented, so that no text can pass for
/// another field.
fn inline(value: &Value, indent: usize) -> String {
    let text = value.to_string();
    if text.contains('\n') { text.replace('\n', &format!("\n{:indent$}", "")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_several_lines_cannot_pass_for_another_field() {
        let of = Value::map([("headline", "x\nstatus: Done"), ("status", "New")]);
        assert_eq!(text(&of), "headline: x\n  status: Done\nstatus: New");
    }

    #[test]
    fn lists_of_objects_are_bullets_and_empty_fields_are_left_out() {
        let item = |id: i64| Value::map([("id", Value::Int(id)), ("due", Value::Null)]);
        let of = Value::map([("items", Value::List(vec![item(1), item(2)]))]);
        assert_eq!(text(&of), "items:\n  - id: 1\n  - id: 2");
        assert_eq!(text(&Value::Map(BTreeMap::new())), "(nothing)");
    }
}
