//! Whether a person took over a claimed task, and what is put back then (claims.md, C4: people win).
//!
//! A board may not say who made a change. So what counts is the value: whatever stands in a field and
//! is not what we wrote there last, a person put there.

use super::candidates::folded;
use super::command::{self, Command};
use crate::domain::{
    Claim, Comment, Person, PersonId, PersonKind, Phase, Reason, RunId, StatusId, Task, TaskEdit,
    TaskId,
};

/// The tag by which a person keeps agents off a task.
pub const STOP_TAG: &str = "AI-Stop";

/// A claim that a run of this daemon holds, and what the board says now.
#[derive(Clone, Debug)]
pub struct HeldView<'a> {
    /// The claim.
    pub claim: &'a Claim,
    /// Its task; `None` when it was deleted.
    pub task_now: Option<&'a Task>,
    /// The revision that the agent has seen.
    pub seen_revision: u64,
    /// Comments on the task since it was claimed.
    pub comments: &'a [Comment],
    /// The board user the run acts as.
    pub agent: PersonId,
    /// Who is on the board.
    pub people: &'a [Person],
}

/// What is true about one held claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The task.
    pub task: TaskId,
    /// The run.
    pub run: RunId,
    /// What was found.
    pub finding: Finding,
}

/// What was found about a held claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Nothing changed.
    Same,
    /// Something else changed: the agent's view is refreshed, the run goes on.
    Refresh,
    /// A person took over: the run stops.
    Yield {
        /// Why.
        reason: Reason,
        /// Who or what, for people.
        detail: String,
    },
}

/// Looks at every held claim, in the order given.
pub fn reconcile(held: &[HeldView<'_>]) -> Vec<Verdict> {
    held.iter()
        .map(|view| Verdict {
            task: view.claim.task,
            run: view.claim.run.clone(),
            finding: finding(view),
        })
        .collect()
}

fn finding(view: &HeldView<'_>) -> Finding {
    let Some(task) = view.task_now else {
        return taken(Reason::NotFound, "the task was deleted");
    };
    if task.has_tag(STOP_TAG) {
        return taken(Reason::StopTag, format!("the task has the tag {STOP_TAG:?}"));
    }
    if let Some(comment) = view.comments.iter().find(|comment| is_stop(view, comment)) {
        let detail = format!("{} said stop in comment {}", name(view, comment.author), comment.id);
        return taken(Reason::StopComment, detail);
    }
    if let Some(detail) = changed_assignee(view, task).or_else(|| changed_status(view, task)) {
        return taken(Reason::PersonTookOver, detail);
    }
    if task.revision == view.seen_revision { Finding::Same } else { Finding::Refresh }
}

fn taken(reason: Reason, detail: impl Into<String>) -> Finding {
    Finding::Yield { reason, detail: detail.into() }
}

/// Values that a field may have without a person having set it.
///
/// While the board is being told, the old value may still stand there; while the outcome is written,
/// the same holds for values between, which nobody keeps: there each write checks its revision instead.
fn ours<T: PartialEq + Copy>(phase: Phase, before: Option<T>, wrote: Option<T>) -> Option<Vec<T>> {
    match (phase, wrote) {
        (Phase::Settling | Phase::Free, _) => None,
        // A reserved claim with such values has them from one before it, which may never have shown.
        (Phase::Reserved | Phase::Announced, Some(wrote)) => {
            Some(before.into_iter().chain([wrote]).collect())
        }
        (_, Some(wrote)) => Some(vec![wrote]),
        (_, None) => before.map(|before| vec![before]),
    }
}

fn changed_assignee(view: &HeldView<'_>, task: &Task) -> Option<String> {
    let claim = view.claim;
    // Until the task was read, nothing is known about what was there before.
    let before = claim.before.status.is_some().then_some(claim.before.assignee);
    let ours = ours(claim.phase, before, claim.wrote.assignee)?;
    if ours.contains(&task.assignee) {
        return None;
    }
    Some(match task.assignee {
        Some(person) => format!("the task was assigned to {}", name(view, person)),
        None => "the task was unassigned".to_owned(),
    })
}

fn changed_status(view: &HeldView<'_>, task: &Task) -> Option<String> {
    let claim = view.claim;
    let ours: Vec<StatusId> = ours(claim.phase, claim.before.status, claim.wrote.status)?;
    (!ours.contains(&task.status)).then(|| format!("the task's status was set to {}", task.status))
}

fn is_stop(view: &HeldView<'_>, comment: &Comment) -> bool {
    let by_agent = comment.author == view.agent
        || view
            .people
            .iter()
            .any(|person| person.id == comment.author && person.kind == PersonKind::Agent);
    !by_agent && is_stop_command(&comment.text, &name(view, view.agent))
}

fn name(view: &HeldView<'_>, id: PersonId) -> String {
    let found = view.people.iter().find(|person| person.id == id);
    found.map_or_else(|| format!("user {id}"), |person| person.name.clone())
}

/// Whether a comment is a stop command: its first line that is not blank is, without regard to case and
/// to `.` or `!` at its end, exactly `stop`, `/stop`, or tells the agent to by [`command::told`].
pub fn is_stop_command(text: &str, agent: &str) -> bool {
    let Some(line) = text.lines().map(str::trim).find(|line| !line.is_empty()) else {
        return false;
    };
    let line = folded(line.trim_end_matches(['.', '!']));
    let is_told =
        || command::told(text, &[agent]).is_some_and(|it| it.command == Ok(Command::Stop));
    line == "stop" || line == "/stop" || is_told()
}

/// The edits that put a task back as it was found, field by field, as far as it is still as we wrote it:
/// what a person has set stays.
pub fn put_back(claim: &Claim, task_now: &Task) -> Vec<TaskEdit> {
    let mut edits = Vec::new();
    let (before, wrote) = (&claim.before, &claim.wrote);
    if let Some(assignee) = wrote.assignee
        && task_now.assignee == assignee
        && before.assignee != assignee
    {
        edits.push(TaskEdit::Assignee(before.assignee));
    }
    if let (Some(found), Some(status)) = (before.status, wrote.status)
        && task_now.status == status
        && found != status
    {
        edits.push(TaskEdit::Status(found));
    }
    let had = |tag: &str| before.tags.iter().any(|known| folded(known) == folded(tag));
    let added = wrote.tags.iter().filter(|tag| !had(tag) && task_now.has_tag(tag));
    edits.extend(added.map(|tag| TaskEdit::RemoveTag(tag.clone())));
    edits
}
