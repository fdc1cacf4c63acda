//! Working the daemon: running, stopping, arming, releasing. Agents are never offered these.

use super::records::{Anything, Nothing, check_run, instant};
use super::tasks::refuse;
use crate::domain::{PlaybookName, Role, RunId, TaskId, Value};
use crate::tools::arguments::Id;
use crate::tools::definition::{Definition, Words};
use crate::tools::desk::{DeskError, RunRequest, Switch};
use crate::tools::limited::{check_everywhere, check_task};
use crate::tools::registry::Parts;
use crate::tools::show;
use crate::tools::{Context, ToolError};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

pub(super) fn tools() -> Vec<Definition> {
    let mut tools = runs();
    tools.extend(playbooks());
    tools.extend(emergency());
    tools
}

fn runs() -> Vec<Definition> {
    vec![
        Definition::operate::<RunPlaybook, Anything>(
            Words {
                name: "runPlaybook",
                title: "Run a playbook now",
                description: "Runs one occurrence of a playbook as the clock would, and says what happened and why. \
                    Example: {\"playbook\": \"ai-worker\", \"task\": 7}.",
                example: r#"{"playbook": "ai-worker", "task": 7}"#,
            },
            Role::Editor,
            false,
            |parts, context, args| Box::pin(run_playbook(parts, context, args)),
        ),
        Definition::operate::<StopRun, Anything>(
            Words {
                name: "stopRun",
                title: "Stop a run",
                description: "Asks a run to stop and returns when it has; its task is handed back. Example: \
                    {\"run\": \"r-4g8k2m9x1c7p\"}.",
                example: r#"{"run": "r-4g8k2m9x1c7p"}"#,
            },
            Role::Editor,
            true,
            |parts, context, args| {
                Box::pin(async move {
                    let run = RunId::new(args.run.trim());
                    check_run(parts, "stopRun", &run).await?;
                    let stopped = parts.desk()?.stop_run(&run, name_of(context)).await;
                    stopped.map_err(desk_error)?;
                    Ok(Value::map([("run", run.as_str()), ("state", "stopped")]))
                })
            },
        ),
        Definition::operate::<ReleaseClaim, Anything>(
            Words {
                name: "releaseClaim",
                title: "Take a claim away",
                description: "Takes a task away from its holder, or (below manager) asks those who may. Raises the \
                    fence. Example: {\"task\": 7, \"reason\": \"I do it myself.\"}.",
                example: r#"{"task": 7, "reason": "I do it myself."}"#,
            },
            Role::Editor,
            false,
            |parts, context, args| {
                Box::pin(async move {
                    if args.reason.trim().is_empty() {
                        return Err(refuse("reason: say why, for the record"));
                    }
                    let task = TaskId(args.task.0);
                    check_task(parts, "releaseClaim", task).await?;
                    let by = name_of(context);
                    if context.principal.person.role < Role::Manager {
                        let desk = parts.desk()?;
                        let asked = desk.ask_release(task, &args.reason, &context.principal).await;
                        return asked.map_err(desk_error);
                    }
                    parts.desk()?.release_claim(task, &args.reason, by).await.map_err(desk_error)
                })
            },
        ),
    ]
}

fn playbooks() -> Vec<Definition> {
    let words = |name, title, description| Words {
        name,
        title,
        description,
        example: r#"{"playbook": "ai-worker"}"#,
    };
    vec![
        Definition::operate::<ArmPlaybook, Anything>(
            words(
                "armPlaybook",
                "Arm a playbook",
                "Accepts a playbook's triggers and rights as they stand, so that it may start by itself. \
                 Example: {\"playbook\": \"ai-worker\"}.",
            ),
            Role::Manager,
            true,
            |parts, context, args| {
                let ArmPlaybook { playbook, definition } = args;
                let args = OnePlaybook { playbook };
                Box::pin(switch(parts, context, args, Switch::Arm(definition)))
            },
        ),
        Definition::operate::<OnePlaybook, Anything>(
            words(
                "pausePlaybook",
                "Pause a playbook",
                "Keeps a playbook from starting until it is resumed; what runs goes on. Example: \
                 {\"playbook\": \"ai-worker\"}.",
            ),
            Role::Editor,
            true,
            |parts, context, args| Box::pin(switch(parts, context, args, Switch::Pause)),
        ),
        Definition::operate::<OnePlaybook, Anything>(
            words(
                "resumePlaybook",
                "Resume a playbook",
                "Lets a paused playbook start again. Example: {\"playbook\": \"ai-worker\"}.",
            ),
            Role::Editor,
            true,
            |parts, context, args| Box::pin(switch(parts, context, args, Switch::Resume)),
        ),
    ]
}

fn emergency() -> Vec<Definition> {
    vec![
        Definition::operate::<StopAll, Anything>(
            Words {
                name: "stopAll",
                title: "Stop everything",
                description: "Ends every run and starts none, also after a restart, until \
                    startAll. Example: {\"reason\": \"Something is wrong.\"}.",
                example: r#"{"reason": "Something is wrong."}"#,
            },
            Role::Editor,
            true,
            |parts, context, args| {
                Box::pin(async move {
                    parts.desk()?.stop_all(name_of(context), &args.reason).await.map_err(desk_error)
                })
            },
        ),
        Definition::operate::<Nothing, Anything>(
            Words {
                name: "startAll",
                title: "Start again",
                description: "Lifts stopAll: playbooks may start runs again. Example: {}.",
                example: "{}",
            },
            Role::Manager,
            true,
            |parts, context, _| {
                Box::pin(async move {
                    parts.desk()?.start_all(name_of(context)).await.map_err(desk_error)
                })
            },
        ),
    ]
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RunPlaybook {
    /// Which playbook.
    playbook: String,
    /// Only this task, past the selection.
    task: Option<Id>,
    /// As if it were this instant.
    at: Option<String>,
    /// Values for templates, by name.
    #[serde(default)]
    set: BTreeMap<String, String>,
    /// Only say what it would do.
    #[serde(default)]
    dry_run: bool,
}

async fn run_playbook(
    parts: &Parts,
    context: &Context,
    args: RunPlaybook,
) -> Result<Value, ToolError> {
    let task = args.task.map(|id| TaskId(id.0));
    match task {
        Some(task) => check_task(parts, "runPlaybook", task).await?,
        None => check_everywhere(parts, "what a playbook finds by itself")?,
    }
    let request = RunRequest {
        playbook: PlaybookName::new(args.playbook.trim()),
        task,
        at: instant(parts, context, "at", args.at.as_deref())?,
        set: args.set,
        by: name_of(context).to_owned(),
        told: context.progress.clone(),
    };
    let report = if args.dry_run {
        parts.steward()?.rehearse(request, &context.principal).await
    } else {
        parts.desk()?.run_playbook(request).await
    };
    Ok(show::value(&report.map_err(desk_error)?))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct StopRun {
    /// The run, r- and twelve characters.
    run: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ReleaseClaim {
    /// The task.
    task: Id,
    /// Why, for the record.
    reason: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct OnePlaybook {
    /// Which playbook.
    playbook: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ArmPlaybook {
    /// Which playbook.
    playbook: String,
    /// Only this one of listPlaybooks.
    definition: Option<String>,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct StopAll {
    /// Why, for the record.
    reason: String,
}

async fn switch(
    parts: &Parts,
    context: &Context,
    args: OnePlaybook,
    switch: Switch,
) -> Result<Value, ToolError> {
    let playbook = PlaybookName::new(args.playbook.trim());
    parts.desk()?.set_playbook(&playbook, switch, name_of(context)).await.map_err(desk_error)
}

fn name_of(context: &Context) -> &str {
    &context.principal.person.name
}

/// A daemon's error, as the caller is told.
pub(in crate::tools) fn desk_error(error: DeskError) -> ToolError {
    error.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Reason;
    use crate::ledger::LedgerError;
    use crate::store::StoreError;

    #[test]
    fn what_local_state_did_not_do_is_told_as_such() {
        let failed = |source| DeskError::Failed { what: "it".into(), source: Some(source) };
        let full = LedgerError::from(StoreError::Failed("the disk is full".into()));
        assert_eq!(desk_error(failed(Box::new(full))).reason(), Reason::StoreFailed);
        assert_eq!(desk_error(failed("another".into())).reason(), Reason::ToolFailed);
    }
}
