//! Tokens for some projects only: a board on which there is nothing else, for whoever has one.
//!
//! Reads are narrowed in [`Limited`], which every tool of such a caller works on, so names, ids and
//! lists of other projects are not there. Writes are checked once more where all of them pass
//! ([`check_reach`]). What the daemon is asked for knows no projects and is refused ([`may_call`]).

mod view;

use super::definition::Definition;
use super::guard::told;
use super::registry::Parts;
use super::scope::Reach;
use super::write::{GoalWrite, Planned, Write};
use super::{Context, ToolError, Toolset};
use crate::domain::{GoalEdit, Reason, TaskEdit};
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

/// What a caller with such a token works on. Tools that go past the board, to the daemon, ask this one
/// first whether what they are about is there.
pub(super) fn parts_for(parts: &Parts, context: &Context) -> Option<Parts> {
    if context.only_projects.is_empty() {
        return None;
    }
    let board = Limited::new(Arc::clone(&parts.board), context.only_projects.clone());
    Some(parts.over(Arc::new(board)))
}

/// Whether a write stays within the caller's projects, and names nothing beyond them.
pub(super) async fn check_reach(
    parts: &Parts,
    context: &Context,
    planned: &Planned,
) -> Result<(), ToolError> {
    let only = &context.only_projects;
    let is_inside = match planned.reach {
        Reach::Task { project, .. } | Reach::Project(project) => only.contains(&project),
        // A person's own days belong to no project.
        Reach::Board => matches!(planned.write, Write::Event(_) | Write::Time(_)),
    };
    if only.is_empty() {
        return Ok(());
    }
    if is_inside {
        check_named(parts, planned.write.task_edits()).await?;
        return check_goal(parts, &planned.write).await;
    }
    let message = "the token is for some projects only, and this is in none of them";
    Err(ToolError::rejected(Reason::OutOfScope, message))
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
