//! How calls stand to claims: who holds a task may write to it under the claim, and each of their
//! calls renews it; an agent's write to a task that somebody else holds is refused, and so is, once,
//! the first change by an assistant that lost its claim. People at their own terminal always may.

use super::arguments::number_in;
use super::definition::Definition;
use super::registry::Parts;
use super::scope::Reach;
use super::write::{Planned, Write};
use super::{Context, RunContext, ToolError, ToolKind, Toolset, limited};
use crate::domain::{
    EffectActor, Fence, PersonId, PersonKind, Phase, Principal, Reason, RunId, TaskEdit, TaskId,
    Timestamp, Value,
};
use serde::Serialize;

/// A claim that is asked for from outside a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimAsk {
    /// The task.
    pub task: TaskId,
    /// How long the lease lasts from each renewal on.
    pub minutes: u32,
    /// The same for every repetition of this request.
    pub key: Option<String>,
    /// Who is to hold it.
    pub principal: Principal,
}

/// A claim that is to be given up from outside a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseAsk {
    /// The task.
    pub task: TaskId,
    /// The fence that came with the claim.
    pub fence: Fence,
    /// What was done, and why it ends: a comment for people.
    pub comment: String,
    /// How the task is left.
    pub leave: Leave,
    /// Who is to review it, where it is left for review: it is assigned to them.
    pub reviewer: Option<PersonId>,
    /// What shows it, piece by piece, for the record of what was done; the comment holds it, too.
    pub evidence: Vec<String>,
    /// Who holds it.
    pub principal: Principal,
}

/// How a task is left when its claim is released.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Leave {
    /// As it was found, as far as it is still as the claim left it.
    #[default]
    PutBack,
    /// Waiting for a person's review.
    Review,
}

/// Who holds a task now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hold {
    /// The task.
    pub task: TaskId,
    /// The number that the holder needs to renew or release it.
    pub fence: Fence,
    /// What is done under it, and where that is recorded.
    pub run: RunId,
    /// Who holds it, for people.
    pub by: String,
    /// How far the claim has got.
    pub phase: Phase,
    /// When it ends unless it is renewed; `None` while it waits for a person.
    pub until: Option<Timestamp>,
    /// What was answered, where it waited for that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
}

/// How a principal stands to the claim on a task.
#[derive(Debug)]
pub enum Standing {
    /// Nobody holds it.
    Free,
    /// They hold it themselves, and it was renewed: what they write is written under it.
    Own(Box<RunContext>),
    /// They asked a person about it, and wait for the answer.
    Asked,
    /// Somebody else does.
    Others(Hold),
}

/// The claim under which a write is done, if the caller holds the task that it touches.
///
/// # Errors
/// When an agent would take or change a task that somebody else holds, and when an assistant would
/// change one whose claim it lost, and does not know yet.
pub(super) async fn standing(
    parts: &Parts,
    context: &Context,
    planned: &Planned,
) -> Result<Option<RunContext>, ToolError> {
    let Reach::Task { id, .. } = planned.reach else { return Ok(None) };
    if context.is_by_hand {
        return Ok(None);
    }
    let is_settled_by_run = context.run.as_ref().is_some_and(|run| {
        run.actor == EffectActor::Rota || run.claim.is_some_and(|(own, _)| own == id)
    });
    let Some(desk) = parts.desk_if_there().filter(|_| !is_settled_by_run) else { return Ok(None) };
    let principal = &context.principal;
    if context.run.is_none()
        && planned.write.task_edits().iter().any(|edit| matches!(edit, TaskEdit::Status(_)))
        && desk.left_to_people(id, principal).await?.is_some()
    {
        return Err(left_to_people(id));
    }
    match desk.standing(id, principal, takes(&planned.write)).await? {
        Standing::Own(run) if context.run.is_none() => Ok(Some(*run)),
        // Who asks does not answer, and no more does anything that acts for them.
        Standing::Asked if context.run.is_none() => Err(asked(id)),
        Standing::Others(hold)
            if principal.person.kind == PersonKind::Agent && takes(&planned.write) =>
        {
            Err(anothers(&hold))
        }
        Standing::Free | Standing::Own(_) | Standing::Asked | Standing::Others(_) => Ok(None),
    }
}

/// Whether a write takes a task or changes it; talk, time and parts of it do not.
fn takes(write: &Write) -> bool {
    matches!(write, Write::EditTask { .. } | Write::DeleteTask(_))
}

fn left_to_people(task: TaskId) -> ToolError {
    ToolError::rejected(
        Reason::Waiting,
        format!(
            "task {task} was handed over and waits for a person, who moves it on the board or decides with \
             `rota review`"
        ),
    )
}

fn asked(task: TaskId) -> ToolError {
    ToolError::rejected(
        Reason::Waiting,
        format!(
            "you asked a person about task {task}, who answers on the board or at a terminal; claimTask \
             gives it back to you once they have"
        ),
    )
}

fn anothers(hold: &Hold) -> ToolError {
    let until = hold.until.map_or("a person answers".to_owned(), |until| {
        until.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
    });
    ToolError::rejected(
        Reason::AlreadyClaimed,
        format!(
            "task {} is held by {} (run {}) until {until} or later; leave it alone, or take it with \
             claimTask once it is free",
            hold.task, hold.by, hold.run
        ),
    )
}

/// A call that only looks at a task renews the claim of whoever holds it, too.
pub(super) async fn renew(parts: &Parts, context: &Context, tool: &Definition, args: &Value) {
    let is_outside = context.run.is_none() && !context.is_by_hand && tool.kind == ToolKind::Read;
    let Some(task) = named_task(tool, args).filter(|_| is_outside) else { return };
    let Some(desk) = parts.desk_if_there() else { return };
    // Nobody keeps a task by asking for it in vain.
    if !matches!(limited::shows(parts, task).await, Ok(true)) {
        return;
    }
    if let Err(error) = desk.keep_claim(task, &context.principal).await {
        tracing::warn!(%task, %error, "a claim was not renewed by a call");
    }
}

/// The task that the arguments of a tool name.
fn named_task(tool: &Definition, args: &Value) -> Option<TaskId> {
    let module = args.get("module").and_then(Value::as_text);
    let names: &[&str] = match (tool.set, module) {
        (_, Some("ticket" | "task")) => &["entityId"],
        (Toolset::Tasks, _) => &["id", "task"],
        _ => &["task", "taskId", "ticketId"],
    };
    let number = |value: &Value| match value {
        Value::Text(text) => number_in(text),
        value => value.as_int(),
    };
    names.iter().find_map(|name| number(args.get(name)?)).map(TaskId)
}

/// Why a write under the caller's own claim was not done: nothing that is the end of anything else.
pub(super) fn told(error: ToolError, task: TaskId) -> ToolError {
    let reason = error.reason();
    let is_end_of_claim = matches!(
        reason,
        Reason::ClaimLost
            | Reason::TrustWindow
            | Reason::StaleFence
            | Reason::LeaseExpired
            | Reason::ForceReleased
            | Reason::PersonTookOver
            | Reason::StopTag
            | Reason::StopComment
    );
    if !is_end_of_claim {
        return error;
    }
    ToolError::rejected(
        reason,
        format!(
            "your claim on task {task} has ended: {}; nothing was written. Look at the task before \
             you take it again with claimTask",
            reason.text()
        ),
    )
}
