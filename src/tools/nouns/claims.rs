//! Claims of people's assistants: taking a task, keeping it, giving it back.

use super::operate::desk_error;
use super::tasks::refuse;
use crate::domain::{Fence, Role, TaskId, Value};
use crate::tools::arguments::Id;
use crate::tools::definition::{Definition, Words};
use crate::tools::desk::{ClaimAsk, Leave, ReleaseAsk};
use crate::tools::limited::check_task;
use crate::tools::registry::Parts;
use crate::tools::show;
use crate::tools::{Context, ToolError};
use schemars::JsonSchema;
use serde::Deserialize;

/// How long a lease lasts when nothing is said, in minutes.
const MINUTES_DEFAULT: u32 = 30;
/// The longest lease, in minutes.
const MINUTES_MAX: u32 = 240;
/// The longest key that tells a repeated request.
const KEY_CHARS_MAX: usize = 100;

pub(super) fn tools() -> Vec<Definition> {
    vec![
        Definition::operate::<ClaimTask, Held>(
            Words {
                name: "claimTask",
                title: "Claim a task",
                description: "Takes a task for you alone. Each of your calls about it renews the lease. \
                    Keep the fence. Example: {\"task\": 7, \"minutes\": 30}.",
                example: r#"{"task": 7, "minutes": 30}"#,
            },
            Role::Editor,
            false,
            |parts, context, args| Box::pin(claim(parts, context, args)),
        ),
        Definition::operate::<RenewClaim, Held>(
            Words {
                name: "renewClaim",
                title: "Renew a claim",
                description: "Keeps a claimed task while you call no other tools. Example: {\"task\": 7, \"fence\": 3}.",
                example: r#"{"task": 7, "fence": 3}"#,
            },
            Role::Editor,
            true,
            |parts, context, args| Box::pin(renew(parts, context, args)),
        ),
        Definition::operate::<ReleaseTask, Held>(
            Words {
                name: "releaseTask",
                title: "Release a claimed task",
                description: "Ends your claim with a comment for people. Example: {\"task\": 7, \"fence\": 3, \
                    \"comment\": \"Fixed.\", \"outcome\": \"review\"}.",
                example: r#"{"task": 7, "fence": 3, "comment": "The footer is fixed.", "outcome": "review"}"#,
            },
            Role::Editor,
            false,
            |parts, context, args| Box::pin(release(parts, context, args)),
        ),
    ]
}

/// A claim, as it is shown.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct Held {
    /// The task.
    task: i64,
    /// What renewing and releasing need.
    fence: i64,
    /// Where what is done under it is recorded; see showRun.
    run: String,
    /// Who holds it.
    by: String,
    /// working while it is held, free when it was released.
    phase: String,
    /// When it ends unless it is renewed.
    until: Option<String>,
    /// What a person answered to askPerson.
    answer: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ClaimTask {
    /// The task.
    task: Id,
    /// How long you may be silent, 1 to 240 (default 30).
    minutes: Option<u32>,
    /// The same when you repeat the request.
    idempotency_key: Option<String>,
}

async fn claim(parts: &Parts, context: &Context, args: ClaimTask) -> Result<Value, ToolError> {
    let key = args.idempotency_key.filter(|key| !key.trim().is_empty());
    if key.as_ref().is_some_and(|key| key.chars().count() > KEY_CHARS_MAX) {
        return Err(refuse(&format!("idempotencyKey: at most {KEY_CHARS_MAX} characters")));
    }
    check_task(parts, "claimTask", TaskId(args.task.0)).await?;
    let ask = ClaimAsk {
        task: TaskId(args.task.0),
        minutes: minutes(args.minutes)?.unwrap_or(MINUTES_DEFAULT),
        key,
        principal: context.principal.clone(),
    };
    let hold = parts.desk()?.claim_task(ask).await.map_err(desk_error)?;
    Ok(show::value(&hold))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RenewClaim {
    /// The task.
    task: Id,
    /// The fence that claimTask gave you.
    fence: u64,
    /// How long you may be silent from now on, 1 to 240 (default as before).
    minutes: Option<u32>,
}

async fn renew(parts: &Parts, context: &Context, args: RenewClaim) -> Result<Value, ToolError> {
    let (task, fence) = (TaskId(args.task.0), Fence(args.fence));
    check_task(parts, "renewClaim", task).await?;
    let minutes = minutes(args.minutes)?;
    let renewed = parts.desk()?.renew_claim(task, fence, minutes, &context.principal).await;
    Ok(show::value(&renewed.map_err(desk_error)?))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ReleaseTask {
    /// The task.
    task: Id,
    /// The fence that claimTask gave you.
    fence: u64,
    /// What was done and what is left, for people.
    comment: String,
    /// `put_back` (as it was; default) or review (it waits for a person).
    outcome: Option<String>,
}

async fn release(parts: &Parts, context: &Context, args: ReleaseTask) -> Result<Value, ToolError> {
    if args.comment.trim().is_empty() {
        return Err(refuse("comment: say what was done and what is left, for people"));
    }
    let leave = match args.outcome.as_deref().map(str::trim) {
        None | Some("put_back") => Leave::PutBack,
        Some("review") => Leave::Review,
        Some(_) => return Err(refuse("outcome: expected put_back or review")),
    };
    check_task(parts, "releaseTask", TaskId(args.task.0)).await?;
    let ask = ReleaseAsk {
        task: TaskId(args.task.0),
        fence: Fence(args.fence),
        comment: args.comment,
        leave,
        reviewer: None,
        evidence: Vec::new(),
        principal: context.principal.clone(),
    };
    let hold = parts.desk()?.release_task(ask).await.map_err(desk_error)?;
    Ok(show::value(&hold))
}

fn minutes(asked: Option<u32>) -> Result<Option<u32>, ToolError> {
    match asked {
        Some(minutes) if !(1..=MINUTES_MAX).contains(&minutes) => {
            Err(refuse(&format!("minutes: expected 1 to {MINUTES_MAX}, not {minutes}")))
        }
        asked => Ok(asked),
    }
}
