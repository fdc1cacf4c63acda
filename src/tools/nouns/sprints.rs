//! Sprints: finding, adding and removing them. A task is put into one by editTask.

use super::tasks::refuse;
use crate::domain::{Cursor, NewSprint, Role, SprintId, SprintQuery, Value};
use crate::tools::arguments::{Id, IdOrName, OneOrMany};
use crate::tools::dates::Dates;
use crate::tools::definition::{Definition, Words};
use crate::tools::guard::told;
use crate::tools::registry::Parts;
use crate::tools::resolve::Directory;
use crate::tools::scope::Reach;
use crate::tools::show::{self, Change, Items, SprintView};
use crate::tools::write::{Planned, SprintWrite, Write};
use crate::tools::{Context, ToolError};
use schemars::JsonSchema;
use serde::Deserialize;

/// The sprints of a page, unless somebody asks for another number.
const PAGE: u32 = 100;

pub(super) fn tools() -> Vec<Definition> {
    vec![
        Definition::read::<FindSprints, Items<SprintView>>(
            Words {
                name: "findSprints",
                title: "Find sprints",
                description: "The sprints of one, several or all projects, also those of one day. Use it \
                    for the id that editTask takes as sprint. Example: {\"projectId\": \"Website\", \
                    \"on\": \"today\"}.",
                example: r#"{"projectId": "Website", "on": "today"}"#,
            },
            Role::Readonly,
            |parts, context, args| Box::pin(find(parts, context, args)),
        ),
        Definition::write::<AddSprint, Change>(
            Words {
                name: "addSprint",
                title: "Add a sprint",
                description: "Adds a sprint to a project; its last day is still in it. Example: \
                    {\"projectId\": \"Website\", \"name\": \"Sprint 12\", \"startDate\": \"monday\", \
                    \"endDate\": \"+2w\"}.",
                example: r#"{"projectId": "Website", "name": "Sprint 12", "startDate": "monday", "endDate": "+2w"}"#,
            },
            Role::Editor,
            (false, false),
            |parts, context, args| Box::pin(add(parts, context, args)),
        ),
        Definition::write::<DeleteSprint, Change>(
            Words {
                name: "deleteSprint",
                title: "Delete a sprint",
                description: "Removes a sprint that no task is in. Example: {\"id\": 3}.",
                example: r#"{"id": 3}"#,
            },
            Role::Editor,
            (true, true),
            |parts, _, args| Box::pin(delete(parts, args)),
        ),
    ]
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
struct FindSprints {
    /// Id or name of a project, or a list; absent: all.
    project_id: Option<OneOrMany<IdOrName>>,
    /// With this day in them.
    on: Option<String>,
    /// Sprints a page, 1 to 1000.
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

async fn find(parts: &Parts, context: &Context, args: FindSprints) -> Result<Value, ToolError> {
    let directory = Directory::read(parts, context).await?;
    let limit = args.limit.unwrap_or(PAGE);
    if !(1..=1_000).contains(&limit) {
        return Err(refuse("limit: expected 1 to 1000, such as 100"));
    }
    let dates = Dates { zone: context.zone, now: parts.clock.wall() };
    let mut query = SprintQuery {
        projects: Vec::new(),
        on: args.on.as_deref().map(|text| dates.day("on", text)).transpose()?,
        limit: usize::try_from(limit).unwrap_or(1_000),
        after: args.cursor.filter(|cursor| !cursor.is_empty()).map(Cursor),
    };
    for name in args.project_id.map(OneOrMany::into_vec).unwrap_or_default() {
        query.projects.push(directory.project(&name)?.id);
    }
    let page = parts.board.sprints(&query).await.map_err(|e| told(&e))?;
    let items = page.items.into_iter().map(|sprint| directory.names.sprint(sprint)).collect();
    let next = page.next.map(|cursor| cursor.0);
    Ok(show::value(&Items::<SprintView> { items, next }))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct AddSprint {
    /// Id or name of the project.
    project_id: IdOrName,
    /// One line.
    name: String,
    /// The first day.
    start_date: String,
    /// The last day.
    end_date: String,
}

async fn add(parts: &Parts, context: &Context, args: AddSprint) -> Result<Planned, ToolError> {
    let directory = Directory::read(parts, context).await?;
    let project = directory.project(&args.project_id)?.id;
    let dates = Dates { zone: context.zone, now: parts.clock.wall() };
    let from = dates.day("startDate", &args.start_date)?;
    let to = dates.day("endDate", &args.end_date)?;
    if to < from {
        return Err(refuse(&format!("endDate: {to} lies before startDate, {from}")));
    }
    let name = args.name.trim().to_owned();
    if name.is_empty() {
        return Err(refuse("name: expected one line that is not blank"));
    }
    let new = NewSprint { project, name, from, to };
    Ok(Planned::new(Reach::Project(project), Write::Sprint(SprintWrite::Add(new))))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct DeleteSprint {
    /// The sprint.
    id: Id,
}

async fn delete(parts: &Parts, args: DeleteSprint) -> Result<Planned, ToolError> {
    let seen = parts.board.sprint(SprintId(args.id.0)).await.map_err(|e| told(&e))?;
    let reach = Reach::Project(seen.project);
    Ok(Planned::new(reach, Write::Sprint(SprintWrite::Delete(seen))))
}
