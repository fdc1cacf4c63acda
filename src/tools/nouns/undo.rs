//! Undoing what a run did, and the digest of what happened.

use super::operate::desk_error;
use super::records::{Anything, check_run, instant};
use super::tasks::refuse;
use crate::domain::{EffectResult, Entity, Role, RunId, TaskId, Value};
use crate::tools::arguments::IdOrName;
use crate::tools::definition::{Annotations, Definition, Words};
use crate::tools::desk::{DigestAsk, UndoAsk};
use crate::tools::limited::{check_everywhere, check_task};
use crate::tools::registry::Parts;
use crate::tools::resolve::Directory;
use crate::tools::{Context, ToolError};
use schemars::JsonSchema;
use serde::Deserialize;

/// Undoing.
pub(super) fn tools() -> Vec<Definition> {
    let undo = Definition::operate::<UndoRun, Anything>(
        Words {
            name: "undoRun",
            title: "Undo a run",
            description: "Puts back what a run changed; what somebody else changed since stays. Example: \
                {\"run\": \"r-4g8k2m9x1c7p\", \"dryRun\": true}.",
            example: r#"{"run": "r-4g8k2m9x1c7p", "dryRun": true}"#,
        },
        Role::Editor,
        false,
        |parts, context, args| Box::pin(undo(parts, context, args)),
    );
    let annotations = Annotations { destructive: true, ..undo.annotations };
    vec![Definition { annotations, ..undo }]
}

/// The digest.
pub(super) fn digest_tools() -> Vec<Definition> {
    vec![Definition::read::<GetDigest, Anything>(
        Words {
            name: "getDigest",
            title: "What happened, and what is coming",
            description: "Overdue, due today, status updates, milestones, what agents did. Example: {\"since\": \"monday\", \"projectIds\": [\"Website\"]}.",
            example: r#"{"since": "monday", "projectIds": ["Website"]}"#,
        },
        Role::Readonly,
        |parts, context, args| Box::pin(digest(parts, context, args)),
    )]
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct UndoRun {
    /// The run.
    run: String,
    /// Only say what would be done.
    #[serde(default)]
    dry_run: bool,
}

async fn undo(parts: &Parts, context: &Context, args: UndoRun) -> Result<Value, ToolError> {
    let run = RunId::new(args.run.trim());
    check_undone(parts, &run).await?;
    let ask = UndoAsk {
        run,
        dry_run: args.dry_run,
        principal: context.principal.clone(),
        zone: context.zone,
    };
    parts.desk()?.undo_run(ask).await.map_err(desk_error)
}

/// What a run changed is put back whole, or not by this caller.
async fn check_undone(parts: &Parts, run: &RunId) -> Result<(), ToolError> {
    let Some(within) = parts.within() else { return Ok(()) };
    check_run(parts, "undoRun", run).await?;
    for effect in parts.records()?.effects(run).await.map_err(desk_error)? {
        let Some(EffectResult::Done { entity, before, after, .. }) = effect.result else {
            continue;
        };
        let on = |fields: &Value| fields.get("task").and_then(Value::as_int).map(TaskId);
        let is_editor = |role: Role| role >= Role::Editor;
        match (entity, on(&after).or(on(&before))) {
            (Entity::Task(task), _) | (Entity::Comment(_), Some(task)) => {
                check_task(parts, "undoRun", task).await?;
            }
            (Entity::Project(project), _) if within.role_in(project).is_some_and(is_editor) => {}
            _ => check_everywhere(parts, "what this run changed")?,
        }
    }
    Ok(())
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
struct GetDigest {
    /// What happened since this day or instant (default yesterday).
    since: Option<String>,
    /// Only of these, by id or name (default all that are open).
    project_ids: Vec<IdOrName>,
    /// Also as it is sent.
    rendered: bool,
}

async fn digest(parts: &Parts, context: &Context, args: GetDigest) -> Result<Value, ToolError> {
    let mut projects = Vec::new();
    if parts.within().is_some() || !args.project_ids.is_empty() {
        let directory = Directory::read(parts, context).await?;
        for name in &args.project_ids {
            projects.push(directory.project(name)?.id);
        }
        if args.project_ids.is_empty() {
            let open = directory.names.projects.values().filter(|project| !project.closed);
            projects.extend(open.map(|project| project.id));
        }
        // None would be all.
        if projects.is_empty() {
            let message =
                "there is no open project for you: ask a manager to make you a member of one";
            return Err(refuse(message));
        }
    }
    let since = instant(parts, context, "since", args.since.as_deref())?;
    let rendered = args.rendered;
    let ask = DigestAsk { now: None, since, projects, zone: context.zone, rendered };
    parts.desk()?.digest(ask).await.map_err(desk_error)
}
