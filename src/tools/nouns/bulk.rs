//! Many of one kind by one call.

use super::tasks::refuse;
use crate::domain::{Role, Value};
use crate::tools::ToolError;
use crate::tools::arguments::{Id, IdOrName};
use crate::tools::batch::Batch;
use crate::tools::definition::{Answer, Definition, Words};
use crate::tools::show;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::future::ready;

/// An item, in the words of the tool for one.
type Item = serde_json::Map<String, serde_json::Value>;

pub(super) fn tasks() -> Vec<Definition> {
    vec![
        Definition::bulk::<BulkAddTasks>(
            Words {
                name: "bulkAddTasks",
                title: "Add tasks",
                description: "Adds up to 100 tasks. Example: {\"tasks\": [{\"projectId\": 1, \
                    \"headline\": \"Buy\"}]}.",
                example: r#"{"tasks": [{"projectId": "Website", "headline": "Fix the login"}]}"#,
            },
            Role::Editor,
            (false, &["addTask"]),
            |_, _, args| now(Ok(each("addTask", args.tasks, (args.atomic, args.dry_run), Ok))),
        ),
        Definition::bulk::<BulkEditTasks>(
            Words {
                name: "bulkEditTasks",
                title: "Edit tasks",
                description: "Edits up to 100 tasks. Example: {\"updates\": [{\"id\": 7, \
                    \"priority\": 1}]}.",
                example: r#"{"updates": [{"id": 7, "status": "Done"}, {"id": 8, "priority": 1}]}"#,
            },
            Role::Editor,
            (true, &["editTask"]),
            |_, _, args| {
                now(Ok(each("editTask", args.updates, (args.atomic, args.dry_run), nested)))
            },
        ),
        Definition::bulk::<CreateSubtasks>(
            Words {
                name: "createSubtasksForTask",
                title: "Add subtasks",
                description: "Adds up to 100 subtasks to one task. Example: {\"parentTaskId\": 7, \
                    \"subtasks\": [{\"headline\": \"Test\"}]}.",
                example: r#"{"parentTaskId": 7, "subtasks": [{"headline": "Write the test", "planHours": 2}]}"#,
            },
            Role::Editor,
            (false, &["addSubtask"]),
            |_, _, args| {
                let mut common = vec![("parentTicket", Value::from(args.parent_task_id.0))];
                common.extend(args.project_id.map(|name| ("projectId", as_value(name))));
                let how = move |item| under(item, &common);
                now(Ok(each("addSubtask", args.subtasks, (args.atomic, args.dry_run), how)))
            },
        ),
    ]
}

pub(super) fn milestones() -> Vec<Definition> {
    vec![Definition::bulk::<AddMilestones>(
        Words {
            name: "addMilestonesForProject",
            title: "Add milestones",
            description: "Adds up to 100 milestones to a project. Example: {\"projectId\": 1, \
                \"editorId\": \"me\", \"milestones\": [{\"headline\": \"Beta\", \"editFrom\": \
                \"today\", \"editTo\": \"+30d\"}]}.",
            example: r##"{"projectId": "Website", "editorId": "me", "milestones": [{"headline": "Beta", "color": "#1b75bb", "editFrom": "today", "editTo": "+30d"}]}"##,
        },
        Role::Manager,
        (false, &["addMilestone"]),
        |_, _, args| {
            let mut common = vec![("projectId", as_value(args.project_id))];
            common.extend(args.editor_id.map(|name| ("editorId", as_value(name))));
            let how = move |item| under(item, &common);
            now(Ok(each("addMilestone", args.milestones, (args.atomic, args.dry_run), how)))
        },
    )]
}

pub(super) fn events() -> Vec<Definition> {
    vec![
        Definition::bulk::<BulkAddEvents>(
            Words {
                name: "bulkAddEvents",
                title: "Add events",
                description: "Adds up to 100 events. Example: {\"events\": [{\"eventTitle\": \
                    \"Fair\", \"dateFrom\": \"today\", \"dateTo\": \"+1d\"}]}.",
                example: r#"{"events": [{"eventTitle": "Fair", "dateFrom": "2026-11-03", "dateTo": "2026-11-04"}]}"#,
            },
            Role::Editor,
            (false, &["addEvent"]),
            |_, _, args| now(Ok(each("addEvent", args.events, (args.atomic, args.dry_run), Ok))),
        ),
        Definition::bulk::<BulkEditEvents>(
            Words {
                name: "bulkEditEvents",
                title: "Edit events",
                description: "Edits up to 100 events. Example: {\"updates\": [{\"id\": 3, \
                    \"eventTitle\": \"Fair\"}]}.",
                example: r#"{"updates": [{"id": 3, "eventTitle": "Fair"}]}"#,
            },
            Role::Editor,
            (true, &["editEvent"]),
            |_, _, args| now(Ok(each("editEvent", args.updates, (args.atomic, args.dry_run), Ok))),
        ),
    ]
}

pub(super) fn time() -> Vec<Definition> {
    vec![Definition::bulk::<BulkLogTime>(
        Words {
            name: "bulkLogTime",
            title: "Log time on tasks",
            description: "Logs up to 100 times. Example: {\"entries\": [{\"ticketId\": 7, \"hours\": 1, \
                \"date\": \"today\", \"kind\": \"TESTING\"}]}.",
            example: r#"{"entries": [{"ticketId": 7, "hours": 1.5, "date": "today", "kind": "DEVELOPMENT"}]}"#,
        },
        Role::Editor,
        (false, &["logTime"]),
        |_, _, args| now(Ok(each("logTime", args.entries, (args.atomic, args.dry_run), Ok))),
    )]
}

macro_rules! bulk_arguments {
    ($(#[$meta:meta] $name:ident { $(#[$doc:meta] $field:ident: $kind:ty,)* })*) => { $(
        #[$meta]
        #[derive(Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields, rename_all = "camelCase")]
        struct $name {
            $(#[$doc] $field: $kind,)*
            /// All or nothing.
            #[serde(default)]
            atomic: bool,
            /// Only shows.
            #[serde(default)]
            dry_run: bool,
        }
    )* };
}

bulk_arguments! {
    /// Tasks to add.
    BulkAddTasks {
        /// Each as for addTask.
        tasks: Vec<Item>,
    }
    /// Tasks to edit.
    BulkEditTasks {
        /// Each an id and fields as for editTask.
        updates: Vec<Item>,
    }
    /// Subtasks to add.
    CreateSubtasks {
        /// A task.
        parent_task_id: Id,
        /// Each as for addSubtask.
        subtasks: Vec<Item>,
        /// The parent's.
        project_id: Option<IdOrName>,
    }
    /// Milestones to add.
    AddMilestones {
        /// Id or name.
        project_id: IdOrName,
        /// Who answers for them.
        editor_id: Option<IdOrName>,
        /// Each as for addMilestone.
        milestones: Vec<Item>,
    }
    /// Events to add.
    BulkAddEvents {
        /// Each as for addEvent.
        events: Vec<Item>,
    }
    /// Events to edit.
    BulkEditEvents {
        /// Each an id and fields as for editEvent.
        updates: Vec<Item>,
    }
    /// Times to log.
    BulkLogTime {
        /// Each as for logTime.
        entries: Vec<Item>,
    }
}

/// What needs nothing from anywhere.
fn now<'a>(batch: Result<Batch, ToolError>) -> Answer<'a, Batch> {
    Box::pin(ready(batch))
}

/// One call for each item.
pub(super) fn each(
    tool: &str,
    items: Vec<Item>,
    how: (bool, bool),
    of: impl Fn(Value) -> Result<Value, ToolError>,
) -> Batch {
    Batch::of(tool, items.into_iter().map(as_value).collect(), how, of)
}

pub(super) fn as_value<T: serde::Serialize>(of: T) -> Value {
    show::value(&of)
}

/// `{id, field: value}` as `{id, params: {field: value}}`.
fn nested(item: Value) -> Result<Value, ToolError> {
    let Value::Map(mut fields) = item else { return Err(refuse("expected an object")) };
    let mut call = BTreeMap::new();
    for name in ["id", "expectedRevision", "revision"] {
        call.extend(fields.remove(name).map(|value| (name.to_owned(), value)));
    }
    if let Some(Value::Map(params)) = fields.remove("params") {
        fields.extend(params);
    }
    call.insert("params".to_owned(), Value::Map(fields));
    Ok(Value::Map(call))
}

/// An item with what all have in common; what it says itself goes before.
fn under(item: Value, common: &[(&str, Value)]) -> Result<Value, ToolError> {
    let Value::Map(mut fields) = item else { return Err(refuse("expected an object")) };
    for (name, value) in common {
        fields.entry((*name).to_owned()).or_insert_with(|| value.clone());
    }
    Ok(Value::Map(fields))
}
