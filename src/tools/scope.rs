//! How far a run's writes reach. Pure.

use super::definition::Definition;
use super::{RunContext, ToolError, ToolKind};
use crate::domain::{EffectActor, ProjectId, Reason, TaskEdit, TaskId, WriteScope};

/// Tools that write to a project, whatever they are given: never to a task alone.
const OF_PROJECTS: &[&str] = &[
    "addMilestone",
    "addMilestonesForProject",
    "addProjectStatusUpdate",
    "addSprint",
    "createGoal",
    "createGoalboard",
    "deleteGoal",
    "deleteGoalboard",
    "deleteSprint",
    "editGoal",
    "editMilestone",
    "editProject",
    "patchProject",
    "removeMember",
    "setMember",
];
/// Tools that write what belongs to no project, whatever they are given.
const OF_THE_BOARD: &[&str] = &[
    "addEvent",
    "addPerson",
    "addProject",
    "bulkAddEvents",
    "bulkEditEvents",
    "deleteEvent",
    "editEvent",
];

/// What a write touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// A task (also by a comment on it or a subtask under it).
    Task { id: TaskId, parent: Option<TaskId>, project: ProjectId },
    /// A project: its own fields, a new task in it, its milestones, goals and status updates.
    Project(ProjectId),
    /// What belongs to no project: people, their calendars, new projects.
    Board,
}

impl Reach {
    fn project(self) -> Option<ProjectId> {
        match self {
            Self::Task { project, .. } | Self::Project(project) => Some(project),
            Self::Board => None,
        }
    }

    fn describe(self) -> String {
        match self {
            Self::Task { id, .. } => format!("task {id}"),
            Self::Project(id) => format!("project {id}"),
            Self::Board => "the whole board".to_owned(),
        }
    }
}

/// Whether `[scope]` leaves an agent any call of this tool at all. Most are judged call by call; one of
/// which every call would be refused is of no use to whoever is offered it.
pub(super) fn leaves_any(run: &RunContext, tool: &Definition) -> bool {
    let is_counted = matches!(tool.kind, ToolKind::Write | ToolKind::Note);
    if run.actor == EffectActor::Rota || !is_counted {
        return true;
    }
    // Each of several counts as one of its own tool, too.
    let singles = tool.singles();
    let leaves_one = singles.is_empty() || singles.iter().any(|single| may_ever(run, single));
    let may_call = may_ever(run, tool.name) && leaves_one;
    may_call && (tool.kind == ToolKind::Note || reaches(run, tool.name))
}

/// Whether `scope.max` leaves any call of what counts.
pub(super) fn may_ever(run: &RunContext, tool: &str) -> bool {
    run.playbook.scope.max.get(tool) != Some(&0)
}

/// Whether any write of this tool can pass [`check`].
fn reaches(run: &RunContext, tool: &str) -> bool {
    let least = if OF_THE_BOARD.contains(&tool) {
        WriteScope::Board
    } else if OF_PROJECTS.contains(&tool) {
        WriteScope::Project
    } else {
        WriteScope::Claimed
    };
    let scope = run.playbook.scope.write;
    let is_somewhere = match scope {
        WriteScope::Claimed => run.task.is_some(),
        WriteScope::Project => run.task.is_some() || !run.projects.is_empty(),
        WriteScope::Board => true,
    };
    is_somewhere && least <= scope
}

/// Whether a run may touch this. `own_project` is the project of the run's task.
pub(super) fn check(
    run: &RunContext,
    own_project: Option<ProjectId>,
    reach: Reach,
) -> Result<(), ToolError> {
    let scope = match run.actor {
        // The daemon acts for the claim: on the claimed task, or as far as the playbook reaches.
        EffectActor::Rota if run.task.is_some() => WriteScope::Claimed,
        EffectActor::Rota | EffectActor::Agent => run.playbook.scope.write,
    };
    let inside = match scope {
        WriteScope::Claimed => run.task.is_some_and(|own| match reach {
            Reach::Task { id, parent, .. } => id == own || parent == Some(own),
            Reach::Project(_) | Reach::Board => false,
        }),
        WriteScope::Project => reach.project().is_some_and(|project| {
            if run.projects.is_empty() {
                own_project == Some(project)
            } else {
                run.projects.contains(&project)
            }
        }),
        WriteScope::Board => true,
    };
    if inside {
        return Ok(());
    }
    let allowed = match (scope, run.task) {
        (WriteScope::Claimed, Some(task)) => {
            format!("task {task}, its subtasks and their comments")
        }
        (WriteScope::Claimed, None) => "nothing: this run has no task".to_owned(),
        _ => "the run's projects".to_owned(),
    };
    Err(ToolError::rejected(
        Reason::OutOfScope,
        format!("{} is out of this run's scope, which is {allowed}", reach.describe()),
    ))
}

/// What no agent may do to a task, however far it reaches: finish it (unless the playbook lets it),
/// or take the sign away that keeps it off.
pub(super) fn check_edits(
    run: &RunContext,
    sets_done: bool,
    edits: &[TaskEdit],
) -> Result<(), ToolError> {
    if run.actor == EffectActor::Rota {
        return Ok(());
    }
    if sets_done && !run.playbook.outcomes.values().any(|outcome| outcome.done_by_agent) {
        return Err(ToolError::rejected(
            Reason::OutOfScope,
            "a status of kind done is set by a person; end with the tool finish instead",
        ));
    }
    let lifts_stop = |edit: &TaskEdit| matches!(edit, TaskEdit::RemoveTag(tag) if tag.trim().eq_ignore_ascii_case("AI-Stop"));
    if edits.iter().any(lifts_stop) {
        return Err(ToolError::rejected(
            Reason::OutOfScope,
            "only a person takes AI-Stop off a task",
        ));
    }
    Ok(())
}
