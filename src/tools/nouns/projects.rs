//! Projects and their status labels.

use super::tasks::refuse;
use crate::domain::{NewProject, ProjectEdit, Role, Status, StatusId, StatusKind, Value};
use crate::tools::arguments::{Id, IdOrName};
use crate::tools::definition::{Definition, Words};
use crate::tools::registry::Parts;
use crate::tools::resolve::Directory;
use crate::tools::scope::Reach;
use crate::tools::show::{self, Change, Items, ProjectView, StatusView};
use crate::tools::write::{Planned, Write};
use crate::tools::{Context, ToolError};
use schemars::JsonSchema;
use serde::Deserialize;

pub(super) fn tools() -> Vec<Definition> {
    let mut tools = reads();
    tools.push(Definition::write::<AddProject, Change>(
        Words {
            name: "addProject",
            title: "Add a project",
            description: "Adds a project. Without statuses it gets New, Blocked, In Progress, Waiting for \
                Approval and Done. Example: {\"name\": \"Website\", \"details\": \"The new site.\"}.",
            example: r#"{"name": "Website", "details": "The new site."}"#,
        },
        Role::Manager,
        (false, false),
        |_, _, args| Box::pin(std::future::ready(add(args))),
    ));
    tools.push(Definition::write::<EditProject, Change>(
        Words {
            name: "editProject",
            title: "Edit a project",
            description: "Changes a project's name, text, state or status labels. statuses replaces all: \
                a label with an id keeps its tasks, one that tasks have cannot be left out. Example: {\"id\": \"Website\", \"state\": 1}.",
            example: r#"{"id": "Website", "state": 1}"#,
        },
        Role::Manager,
        (false, true),
        |parts, context, args| Box::pin(edit(parts, context, args)),
    ));
    tools
}

/// The same change with its fields in one object, as Leantime's own tool has it.
pub(super) fn patch() -> Definition {
    Definition::write::<PatchProject, Change>(
        Words {
            name: "patchProject",
            title: "Patch a project",
            description: "The same as editProject. Example: {\"id\": \"Website\", \"params\": {\"state\": 1}}.",
            example: r#"{"id": "Website", "params": {"state": 1}}"#,
        },
        Role::Manager,
        (false, true),
        |parts, context, args| Box::pin(async move { edit(parts, context, args.flat()?).await }),
    )
}

fn reads() -> Vec<Definition> {
    vec![
        Definition::read::<GetAllProjects, Items<ProjectView>>(
            Words {
                name: "getAllProjects",
                title: "List projects",
                description: "The projects with their status labels; closed ones only with \
                    showClosedProjects. Example: {\"showClosedProjects\": true}.",
                example: r#"{"showClosedProjects": true}"#,
            },
            Role::Readonly,
            |parts, context, args| {
                Box::pin(async move {
                    let projects = Directory::read(parts, context).await?.names.projects;
                    let items = projects
                        .values()
                        .filter(|project| args.show_closed_projects || !project.closed)
                        .cloned()
                        .map(ProjectView::from)
                        .collect();
                    Ok(show::value(&Items::<ProjectView>::all(items)))
                })
            },
        ),
        Definition::read::<OneProject, ProjectView>(
            Words {
                name: "getProject",
                title: "Get a project",
                description: "One project with its text and status labels. Example: {\"projectId\": \
                    \"Website\"}.",
                example: r#"{"projectId": "Website"}"#,
            },
            Role::Readonly,
            |parts, context, args| {
                Box::pin(async move {
                    let directory = Directory::read(parts, context).await?;
                    let project = directory.project(&args.project_id)?.clone();
                    Ok(show::value(&ProjectView::from(project)))
                })
            },
        ),
        Definition::read::<OneProject, Items<StatusView>>(
            Words {
                name: "getStatusLabels",
                title: "Get status labels",
                description: "The status labels of a project with id, label and kind, in the order of its \
                    columns. Example: {\"projectId\": \"Website\"}.",
                example: r#"{"projectId": "Website"}"#,
            },
            Role::Readonly,
            |parts, context, args| {
                Box::pin(async move {
                    let directory = Directory::read(parts, context).await?;
                    let project = directory.project(&args.project_id)?;
                    let items = project.statuses.iter().map(StatusView::from).collect();
                    Ok::<Value, ToolError>(show::value(&Items::<StatusView>::all(items)))
                })
            },
        ),
    ]
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
struct GetAllProjects {
    /// Also projects whose work has ended.
    show_closed_projects: bool,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct OneProject {
    /// Id or name of the project.
    project_id: IdOrName,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AddProject {
    /// The name; unique.
    name: String,
    /// Markdown.
    #[serde(default)]
    details: String,
    /// Its status labels, from the left.
    #[serde(default)]
    statuses: Vec<Label>,
}

/// A status label.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Label {
    /// Its id within the project; absent: the next free one.
    id: Option<Id>,
    /// What people read.
    #[serde(rename = "label")]
    text: String,
    /// new, `in_progress`, blocked, waiting or done.
    kind: String,
    /// Its place; absent: as listed.
    order: Option<i32>,
}

fn add(args: AddProject) -> Result<Planned, ToolError> {
    let name = name(&args.name)?;
    let statuses = labels(args.statuses)?;
    let new = NewProject { name, details: args.details, statuses };
    Ok(Planned::new(Reach::Board, Write::AddProject(new)))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct EditProject {
    /// Id or name of the project.
    id: IdOrName,
    /// A new name; unique.
    name: Option<String>,
    /// Markdown.
    details: Option<String>,
    /// 0 open, 1 closed.
    state: Option<i8>,
    /// All its status labels, from the left.
    statuses: Option<Vec<Label>>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PatchProject {
    /// Id or name.
    id: IdOrName,
    /// What editProject takes.
    params: serde_json::Map<String, serde_json::Value>,
}

impl PatchProject {
    fn flat(self) -> Result<EditProject, ToolError> {
        if self.params.contains_key("id") {
            return Err(refuse("params: an id does not change; it stands beside params"));
        }
        let mut params = self.params;
        // Read with any project, which is put in after.
        params.insert("id".to_owned(), 0.into());
        let edits: EditProject = serde_json::from_value(params.into())
            .map_err(|error| refuse(&format!("params: {error}; such as {{\"state\": 1}}")))?;
        Ok(EditProject { id: self.id, ..edits })
    }
}

async fn edit(parts: &Parts, context: &Context, args: EditProject) -> Result<Planned, ToolError> {
    let directory = Directory::read(parts, context).await?;
    let seen = directory.project(&args.id)?.clone();
    let mut edits = Vec::new();
    if let Some(text) = &args.name {
        edits.push(ProjectEdit::Name(name(text)?));
    }
    edits.extend(args.details.map(ProjectEdit::Details));
    match args.state {
        Some(0) => edits.push(ProjectEdit::Closed(false)),
        // Leantime itself stores -1 for closed.
        Some(1 | -1) => edits.push(ProjectEdit::Closed(true)),
        Some(_) => return Err(refuse("state: expected 0 (open) or 1 (closed)")),
        None => {}
    }
    if let Some(statuses) = args.statuses {
        edits.push(ProjectEdit::Statuses(labels(statuses)?));
    }
    if edits.is_empty() {
        return Err(refuse("name at least one field to change, such as \"state\": 1"));
    }
    Ok(Planned::new(Reach::Project(seen.id), Write::EditProject { seen, edits }))
}

fn name(text: &str) -> Result<String, ToolError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(refuse("name: expected one that is not blank"));
    }
    Ok(text.to_owned())
}

fn labels(given: Vec<Label>) -> Result<Vec<Status>, ToolError> {
    let mut next = given.iter().filter_map(|label| label.id).map(|id| id.0).max().unwrap_or(-1);
    let mut statuses = Vec::with_capacity(given.len());
    for (place, label) in (0..).zip(given) {
        let kind: StatusKind =
            label.kind.parse().map_err(|e| refuse(&format!("statuses: kind: {e}")))?;
        let id = label.id.map_or_else(
            || {
                next += 1;
                next
            },
            |id| id.0,
        );
        statuses.push(Status {
            id: StatusId(id),
            label: name(&label.text)?,
            kind,
            order: label.order.unwrap_or(place),
        });
    }
    Ok(statuses)
}
