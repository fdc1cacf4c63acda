//! Changing tasks: adding, editing, tags, dependencies, deleting.

use super::params::TaskParams;
use crate::domain::{NewTask, Reason, Role, TaskEdit, TaskId, TaskKind};
use crate::tools::arguments::{Id, IdOrName, Priority};
use crate::tools::dates::Dates;
use crate::tools::definition::{Answer, Definition, Words};
use crate::tools::guard::told;
use crate::tools::registry::Parts;
use crate::tools::resolve::Directory;
use crate::tools::scope::Reach;
use crate::tools::show::Change;
use crate::tools::write::{Planned, Write};
use crate::tools::{Context, ToolError};
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;

pub(super) fn tools() -> Vec<Definition> {
    let mut tools = vec![
        Definition::write::<AddTask, Change>(
            Words {
                name: "addTask",
                title: "Add a task",
                description: "Adds a task to a project; a part of another task is added by addSubtask. \
                    Example: {\"projectId\": \"Website\", \"headline\": \"Fix the login\", \
                    \"dateToFinish\": \"+3d\"}.",
                example: r#"{"projectId": "Website", "headline": "Fix the login", "dateToFinish": "+3d"}"#,
            },
            Role::Editor,
            (false, false),
            |parts, context, args| Box::pin(add_task(parts, context, args)),
        ),
        Definition::write::<AddSubtask, Change>(
            Words {
                name: "addSubtask",
                title: "Add a subtask",
                description: "Adds a part to a task. Use it to break work down. Example: {\"parentTicket\": \
                    7, \"headline\": \"Write the test\", \"planHours\": 2}.",
                example: r#"{"parentTicket": 7, "headline": "Write the test", "planHours": 2}"#,
            },
            Role::Editor,
            (false, false),
            |parts, context, args| Box::pin(add_subtask(parts, context, args)),
        ),
        Definition::write::<EditTask, Change>(
            Words {
                name: "editTask",
                title: "Edit a task",
                description: "Changes fields of a task; null clears one. \
                    Example: {\"id\": 7, \"params\": {\"status\": \"In Progress\", \"dateToFinish\": null}}.",
                example: r#"{"id": 7, "params": {"status": "In Progress", "dateToFinish": null}}"#,
            },
            Role::Editor,
            (false, true),
            |parts, context, args| Box::pin(edit_task(parts, context, args)),
        ),
        Definition::write::<OneTask, Change>(
            Words {
                name: "deleteTask",
                title: "Delete a task",
                description: "Removes a task, its subtasks and their comments for good. Use it only when \
                    asked to; otherwise set a status. Example: {\"id\": 7}.",
                example: r#"{"id": 7}"#,
            },
            Role::Editor,
            (true, true),
            |parts, context, args| Box::pin(delete_task(parts, context, args)),
        ),
    ];
    tools.extend(marks());
    tools
}

fn marks() -> Vec<Definition> {
    vec![
        mark::<Tag>(
            Words {
                name: "addTag",
                title: "Add a tag",
                description: "Puts one tag on a task; the others stay. Example: {\"id\": 7, \"tag\": \
                    \"needs-clarification\"}.",
                example: r#"{"id": 7, "tag": "needs-clarification"}"#,
            },
            |parts, _, args| Box::pin(edit_tag(parts, args, TaskEdit::AddTag)),
        ),
        mark::<Tag>(
            Words {
                name: "removeTag",
                title: "Remove a tag",
                description: "Takes one tag off a task; the others stay. Example: {\"id\": 7, \"tag\": \
                    \"needs-clarification\"}.",
                example: r#"{"id": 7, "tag": "needs-clarification"}"#,
            },
            |parts, _, args| Box::pin(edit_tag(parts, args, TaskEdit::RemoveTag)),
        ),
        mark::<Dependency>(
            Words {
                name: "addDependency",
                title: "Add a dependency",
                description: "Says that a task can only be done after another one. Example: {\"id\": 7, \
                    \"dependsOn\": 5} means that task 5 blocks task 7.",
                example: r#"{"id": 7, "dependsOn": 5}"#,
            },
            |parts, _, args| Box::pin(edit_blocker(parts, args, TaskEdit::AddBlocker)),
        ),
        mark::<Dependency>(
            Words {
                name: "removeDependency",
                title: "Remove a dependency",
                description: "Says that a task no longer has to wait for another one. Example: {\"id\": 7, \
                    \"dependsOn\": 5}.",
                example: r#"{"id": 7, "dependsOn": 5}"#,
            },
            |parts, _, args| Box::pin(edit_blocker(parts, args, TaskEdit::RemoveBlocker)),
        ),
    ]
}

/// A write that puts one mark on a task or takes it off: nothing is lost, and twice is once.
fn mark<A: DeserializeOwned + JsonSchema + 'static>(
    words: Words,
    plan: for<'a> fn(&'a Parts, &'a Context, A) -> Answer<'a, Planned>,
) -> Definition {
    Definition::write::<A, Change>(words, Role::Editor, (false, true), plan)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct AddTask {
    /// One line.
    headline: String,
    /// Id or name; may be left out when there is only one.
    project_id: Option<IdOrName>,
    /// Any other field, as for editTask.
    // Listed there: twice would cost every model 600 tokens.
    #[serde(default)]
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    params: TaskParams,
    /// Markdown.
    description: Option<String>,
    /// Who is to do it.
    editor_id: Option<IdOrName>,
    /// As editorId; 0: you.
    user_id: Option<IdOrName>,
    /// When it is to be finished.
    date_to_finish: Option<String>,
    /// Label, id, or kind:waiting.
    status: Option<IdOrName>,
    /// An id.
    sprint: Option<Id>,
    /// Planned begin of the work.
    edit_from: Option<String>,
    /// Planned end of the work.
    edit_to: Option<String>,
    /// Id or headline.
    milestone: Option<IdOrName>,
    /// Such as AI-Suitable.
    tags: Option<Vec<String>>,
    /// 1 critical … 5 lowest.
    priority: Option<Priority>,
    /// 1 XS, 2 S, 3 M, 5 L, 8 XL, 13 XXL.
    effort: Option<f64>,
    /// Hours planned.
    plan_hours: Option<f64>,
    /// When it counts as done.
    acceptance_criteria: Option<String>,
    /// task (default), story or bug.
    #[serde(rename = "type")]
    kind: Option<String>,
}

async fn add_task(parts: &Parts, context: &Context, args: AddTask) -> Result<Planned, ToolError> {
    let directory = Directory::read(parts, context).await?;
    let project = match (&args.project_id, directory.names.projects.len()) {
        (Some(name), _) => directory.project(name)?,
        (None, 1) => {
            directory.names.projects.values().next().ok_or_else(|| refuse("no project"))?
        }
        (None, _) => {
            return Err(refuse(
                "projectId: say in which project, such as \"projectId\": \"Website\"",
            ));
        }
    };
    let params = args.params.or(TaskParams {
        description: args.description,
        editor_id: args.editor_id.or(args.user_id).map(Some),
        date_to_finish: args.date_to_finish.map(Some),
        status: args.status,
        sprint: args.sprint.map(Some),
        edit_from: args.edit_from.map(Some),
        edit_to: args.edit_to.map(Some),
        milestone: args.milestone.map(Some),
        tags: args.tags,
        priority: args.priority.map(Some),
        storypoints: args.effort.map(Some),
        plan_hours: args.plan_hours.map(Some),
        acceptance_criteria: args.acceptance_criteria,
        kind: args.kind,
        ..TaskParams::default()
    });
    let new = NewTask::new(project.id, args.headline.trim());
    plan_new(parts, context, &directory, new, params, Reach::Project(project.id)).await
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct AddSubtask {
    /// The task.
    parent_ticket: Id,
    /// One line.
    headline: String,
    /// Markdown.
    description: Option<String>,
    /// The parent's project; may be left out.
    project_id: Option<IdOrName>,
    /// Who is to do it.
    editor_id: Option<IdOrName>,
    /// As editorId; 0: you.
    user_id: Option<IdOrName>,
    /// When it is to be finished.
    date_to_finish: Option<String>,
    /// Label, id, or kind:waiting.
    status: Option<IdOrName>,
    /// Planned begin of the work.
    edit_from: Option<String>,
    /// Planned end of the work.
    edit_to: Option<String>,
    /// As for addTask.
    effort: Option<f64>,
    /// Hours planned.
    plan_hours: Option<f64>,
    /// 1 critical … 5 lowest.
    priority: Option<Priority>,
    /// Such as AI-Suitable.
    tags: Option<Vec<String>>,
    /// As for editTask.
    #[serde(default)]
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    params: TaskParams,
}

async fn add_subtask(
    parts: &Parts,
    context: &Context,
    args: AddSubtask,
) -> Result<Planned, ToolError> {
    let directory = Directory::read(parts, context).await?;
    let parent = parts.board.task(TaskId(args.parent_ticket.0)).await.map_err(|e| told(&e))?;
    if let Some(name) = &args.project_id
        && directory.project(name)?.id != parent.project
    {
        return Err(refuse(&format!(
            "projectId: a subtask lies in its parent's project, {}; leave it out",
            parent.project
        )));
    }
    if args.params.parent.is_some() {
        return Err(refuse("params: parentTicket is the parent; leave parent out"));
    }
    let params = args.params.or(TaskParams {
        description: args.description,
        editor_id: args.editor_id.or(args.user_id).map(Some),
        date_to_finish: args.date_to_finish.map(Some),
        status: args.status,
        edit_from: args.edit_from.map(Some),
        edit_to: args.edit_to.map(Some),
        storypoints: args.effort.map(Some),
        plan_hours: args.plan_hours.map(Some),
        priority: args.priority.map(Some),
        tags: args.tags,
        ..TaskParams::default()
    });
    let mut new = NewTask::new(parent.project, args.headline.trim());
    new.kind = TaskKind::Subtask;
    new.parent = Some(parent.id);
    let reach = Reach::Task { id: parent.id, parent: parent.parent, project: parent.project };
    plan_new(parts, context, &directory, new, params, reach).await
}

async fn plan_new(
    parts: &Parts,
    context: &Context,
    directory: &Directory,
    mut new: NewTask,
    params: TaskParams,
    reach: Reach,
) -> Result<Planned, ToolError> {
    if new.headline.is_empty() {
        return Err(refuse("headline: expected one line that is not blank"));
    }
    let project = directory.project_by_id(new.project)?;
    let dates = Dates { zone: context.zone, now: parts.clock.wall() };
    let mut edits = params.edits(parts, directory, project, dates, None).await?;
    let (mut sets_done, mut says_kind) = (false, false);
    edits.retain(|edit| match edit {
        TaskEdit::Status(status) => {
            sets_done = project.kind_of(*status) == crate::domain::StatusKind::Done;
            new.status = Some(*status);
            false
        }
        TaskEdit::Kind(kind) => {
            new.kind = *kind;
            says_kind = true;
            false
        }
        TaskEdit::Parent(parent) => {
            new.parent = *parent;
            false
        }
        _ => true,
    });
    new.edits = edits;
    // A parent named in `params` is reached as the one of addSubtask is.
    let reach = match (new.parent, reach) {
        (Some(parent), Reach::Project(project)) => {
            let parent = parts.board.task(parent).await.map_err(|e| told(&e))?;
            if !says_kind {
                new.kind = TaskKind::Subtask;
            }
            Reach::Task { id: parent.id, parent: parent.parent, project }
        }
        (_, reach) => reach,
    };
    Ok(Planned { sets_done, ..Planned::new(reach, Write::AddTask(new)) })
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct EditTask {
    /// The task.
    id: Id,
    /// The fields to change.
    params: TaskParams,
}

async fn edit_task(parts: &Parts, context: &Context, args: EditTask) -> Result<Planned, ToolError> {
    let directory = Directory::read(parts, context).await?;
    let seen = parts.board.task(TaskId(args.id.0)).await.map_err(|e| told(&e))?;
    let project = directory.project_by_id(seen.project)?;
    let dates = Dates { zone: context.zone, now: parts.clock.wall() };
    let edits = args.params.edits(parts, &directory, project, dates, Some(&seen)).await?;
    if edits.is_empty() {
        return Err(refuse(
            "params: name at least one field, such as {\"status\": \"In Progress\"}",
        ));
    }
    let sets_done = edits.iter().any(|edit| {
        matches!(edit, TaskEdit::Status(status)
            if *status != seen.status
                && project.kind_of(*status) == crate::domain::StatusKind::Done)
    });
    let reach = Reach::Task { id: seen.id, parent: seen.parent, project: seen.project };
    let write = Write::EditTask { seen: Box::new(seen), edits };
    Ok(Planned { sets_done, ..Planned::new(reach, write) })
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct OneTask {
    /// The task.
    id: Id,
}

async fn delete_task(parts: &Parts, _: &Context, args: OneTask) -> Result<Planned, ToolError> {
    let seen = parts.board.task(TaskId(args.id.0)).await.map_err(|e| told(&e))?;
    let reach = Reach::Task { id: seen.id, parent: seen.parent, project: seen.project };
    Ok(Planned::new(reach, Write::DeleteTask(Box::new(seen))))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Tag {
    /// The task.
    id: Id,
    /// One tag.
    tag: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Dependency {
    /// The task that has to wait.
    id: Id,
    /// The task that must be done first.
    depends_on: Id,
}

async fn edit(parts: &Parts, id: Id, edits: Vec<TaskEdit>) -> Result<Planned, ToolError> {
    let seen = parts.board.task(TaskId(id.0)).await.map_err(|e| told(&e))?;
    let reach = Reach::Task { id: seen.id, parent: seen.parent, project: seen.project };
    Ok(Planned::new(reach, Write::EditTask { seen: Box::new(seen), edits }))
}

async fn edit_tag(
    parts: &Parts,
    args: Tag,
    how: fn(String) -> TaskEdit,
) -> Result<Planned, ToolError> {
    edit(parts, args.id, vec![how(one_tag(&args.tag)?)]).await
}

async fn edit_blocker(
    parts: &Parts,
    args: Dependency,
    how: fn(TaskId) -> TaskEdit,
) -> Result<Planned, ToolError> {
    edit(parts, args.id, vec![how(TaskId(args.depends_on.0))]).await
}

fn one_tag(tag: &str) -> Result<String, ToolError> {
    let tag = tag.trim();
    if tag.is_empty() || tag.contains(',') || tag.chars().count() > 100 {
        return Err(refuse(
            "tag: expected one word or phrase without a comma, at most 100 characters",
        ));
    }
    Ok(tag.to_owned())
}

pub(super) fn refuse(message: &str) -> ToolError {
    ToolError::rejected(Reason::InvalidArguments, message)
}
