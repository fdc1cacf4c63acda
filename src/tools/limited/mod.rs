//! Tokens for some projects only, and people who belong to some only: a board on which there is nothing
//! else, for whoever asks.
//!
//! Reads are narrowed in [`Limited`], which every tool of such a caller works on, so names, ids and
//! lists of other projects are not there. Writes are checked once more where all of them pass
//! ([`check_reach`]). What the daemon is asked for knows no projects: to a token for some it is refused
//! ([`may_call`]), and people are told of what they could see.

mod view;
mod within;

pub(super) use within::{Within, within};

use super::definition::Definition;
use super::guard::told;
use super::registry::Parts;
use super::scope::Reach;
use super::write::{GoalWrite, Planned, Write};
use super::{Context, ToolError, Toolset};
use crate::board::BoardError;
use crate::domain::{GoalEdit, Reason, Role, Task, TaskEdit, TaskId};
use std::sync::Arc;
use view::Limited;

/// Tools outside a noun of the board that keep to the projects by themselves.
const KEEPS_TO_PROJECTS: &[&str] = &["getDigest"];
/// Tools of nouns that belong to no project; a calendar shows the days of all of them.
const BOARDWIDE: &[&str] = &["addPerson", "addProject", "getICalUrl"];

impl Definition {
    /// Whether it is of use to somebody for whom there are some projects only.
    pub fn keeps_to_projects(&self) -> bool {
        let is_of_the_daemon = matches!(
            self.set,
            Toolset::Records
                | Toolset::Operate
                | Toolset::Audit
                | Toolset::Tokens
                | Toolset::Upstreams
                // A run is for no token.
                | Toolset::Code
        );
        !BOARDWIDE.contains(&self.name)
            && (!is_of_the_daemon || KEEPS_TO_PROJECTS.contains(&self.name))
    }
}

/// Whether a caller with such a token may call this tool at all.
pub(super) fn may_call(tool: &Definition, context: &Context) -> Result<(), ToolError> {
    if context.only_projects.is_empty() || tool.keeps_to_projects() {
        return Ok(());
    }
    let message = format!("the token is for some projects only, and {} knows none", tool.name);
    Err(ToolError::rejected(Reason::OutOfScope, message))
}

/// What such a caller works on. Tools that go past the board, to the daemon, ask this one first whether
/// what they are about is there.
pub(super) async fn parts_for(
    parts: &Parts,
    context: &Context,
) -> Result<Option<Parts>, ToolError> {
    let Some(within) = within(parts, context).await? else { return Ok(None) };
    let board = Limited::new(Arc::clone(&parts.board), within.projects());
    Ok(Some(parts.narrowed(Arc::new(board), within)))
}

/// Whether a write stays within what there is for the caller, and names nothing beyond it.
pub(super) async fn check_reach(
    parts: &Parts,
    tool: &Definition,
    planned: &Planned,
) -> Result<(), ToolError> {
    let Some(within) = parts.within() else { return Ok(()) };
    let role = match planned.reach {
        Reach::Task { project, .. } | Reach::Project(project) => within.role_in(project),
        // A person's own days belong to no project.
        Reach::Board if matches!(planned.write, Write::Event(_) | Write::Time(_)) => {
            return Ok(());
        }
        Reach::Board => None,
    };
    let Some(role) = role else {
        let message = "there are some projects only for you, and this is in none of them";
        return Err(ToolError::rejected(Reason::OutOfScope, message));
    };
    is_enough(tool, role)?;
    check_named(parts, planned.write.task_edits()).await?;
    check_goal(parts, &planned.write).await
}

/// A task that is there for whoever asks, who may use this tool on it. For tools that go past the board,
/// to the daemon, which knows all projects.
pub(super) async fn task_for(parts: &Parts, tool: &str, task: TaskId) -> Result<Task, ToolError> {
    let found = parts.board.task(task).await.map_err(|error| told(&error))?;
    let role = parts.within().and_then(|within| within.role_in(found.project));
    let tool = super::catalogue().iter().find(|known| known.name == tool);
    if let (Some(tool), Some(role)) = (tool, role) {
        is_enough(tool, role)?;
    }
    Ok(found)
}

/// The same where nobody is narrowed, but for the question whether there is such a task.
pub(super) async fn check_task(parts: &Parts, tool: &str, task: TaskId) -> Result<(), ToolError> {
    match parts.within() {
        Some(_) => task_for(parts, tool, task).await.map(drop),
        None => Ok(()),
    }
}

/// Whether a task is there for whoever asks.
pub(super) async fn shows(parts: &Parts, task: TaskId) -> Result<bool, ToolError> {
    if parts.within().is_none() {
        return Ok(true);
    }
    match parts.board.task(task).await {
        Ok(_) => Ok(true),
        Err(BoardError::NotFound { .. }) => Ok(false),
        Err(error) => Err(told(&error)),
    }
}

/// Whether all of this is there for whoever asks; `what` says what it is, for the refusal.
pub(super) fn check_everywhere(parts: &Parts, what: &str) -> Result<(), ToolError> {
    if parts.within().is_none() {
        return Ok(());
    }
    let message = format!("{what} is of all projects, and there are some only for you");
    Err(ToolError::rejected(Reason::OutOfScope, message))
}

fn is_enough(tool: &Definition, role: Role) -> Result<(), ToolError> {
    if role >= tool.role {
        return Ok(());
    }
    let (tool, needed, role) =
        (tool.name, super::show::value(&tool.role), super::show::value(&role));
    let message = format!("{tool} needs the role {needed}, and in this project yours is {role}");
    Err(ToolError::rejected(Reason::RoleTooLow, message))
}

/// What a task is tied to has to be there for the caller, too.
async fn check_named(parts: &Parts, edits: &[TaskEdit]) -> Result<(), ToolError> {
    for edit in edits {
        let found = match edit {
            TaskEdit::AddBlocker(task) | TaskEdit::Parent(Some(task)) => {
                parts.board.task(*task).await.map(drop)
            }
            TaskEdit::Milestone(Some(id)) => parts.board.milestone(*id).await.map(drop),
            TaskEdit::Sprint(Some(id)) => parts.board.sprint(*id).await.map(drop),
            _ => Ok(()),
        };
        found.map_err(|error| told(&error))?;
    }
    Ok(())
}

/// What a goal is tied to, likewise.
async fn check_goal(parts: &Parts, write: &Write) -> Result<(), ToolError> {
    let edits = match write {
        Write::Goal(GoalWrite::Add { new, .. }) => &new.edits,
        Write::Goal(GoalWrite::Edit { edits, .. }) => edits,
        _ => return Ok(()),
    };
    for edit in edits {
        let found = match edit {
            GoalEdit::Parent(Some(goal)) => parts.board.goal(*goal).await.map(drop),
            GoalEdit::Milestone(Some(id)) => parts.board.milestone(*id).await.map(drop),
            _ => Ok(()),
        };
        found.map_err(|error| told(&error))?;
    }
    Ok(())
}
