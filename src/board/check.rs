//! What a board accepts: pure, the same for every adapter, with bounds on everything.
//!
//! Functions answer with the input made regular (instants cut to milliseconds, lists sorted) or
//! with a [`BoardError::Malformed`] that says what was expected. What must be looked up on a board
//! is in `write`.

mod nouns;

pub(super) use nouns::{
    DAY_SECONDS, asked, event, event_edits, goal, goal_board, goal_edits, new_event, new_timer,
    planned_work, sprint, time_change, time_description, time_of_day,
};

use super::{BoardError, Result};
use crate::domain::{
    AssigneeFilter, CommentTarget, Fence, Milestone, NewComment, NewMilestone, NewPerson,
    NewProject, NewTask, Project, Stamp, Status, StatusId, StatusKind, Task, TaskEdit, TaskId,
    TaskKind, TaskQuery, Timestamp, default_statuses, from_millis,
};
use std::collections::{BTreeMap, BTreeSet};

/// Characters of a headline or a name.
const LINE_CHARS_MAX: usize = 255;
/// Bytes of any longer text.
const TEXT_BYTES_MAX: usize = 65_535;
/// Characters of a tag, a label or a field's name.
const WORD_CHARS_MAX: usize = 64;
/// Characters of an address.
const EMAIL_CHARS_MAX: usize = 320;
/// Tags, collaborators or blockers of one task, or labels of one project.
const LIST_MAX: usize = 100;
/// Fields of the team's own on one task.
const FIELDS_MAX: usize = 50;
/// Edits in one step.
const EDITS_MAX: usize = 500;
/// Points or hours.
const AMOUNT_MAX: f64 = 1_000_000.0;
/// Items of one list in a question.
const ASKED_MAX: usize = 500;

/// Something that makes no sense.
pub(super) fn malformed<T>(what: impl Into<String>) -> Result<T> {
    Err(BoardError::Malformed(what.into()))
}

/// A text as it is compared without regard to case.
pub(super) fn fold(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

/// A tag as it is compared: as [`Task::has_tag`] does.
pub(super) fn fold_tag(tag: &str) -> String {
    tag.trim().to_lowercase()
}

/// An instant at the board's precision.
pub(super) fn whole(at: Timestamp) -> Timestamp {
    from_millis(at.timestamp_millis())
}

fn line(what: &str, text: &str, max: usize) -> Result<()> {
    let chars = text.chars().count();
    if text.trim().is_empty() {
        return malformed(format!("the {what} is blank: expected 1 to {max} characters"));
    }
    if chars > max {
        return malformed(format!("the {what} has {chars} characters: expected 1 to {max}"));
    }
    Ok(())
}

fn long_text(what: &str, text: &str) -> Result<()> {
    if text.len() > TEXT_BYTES_MAX {
        return malformed(format!(
            "the {what} has {} bytes: expected at most {TEXT_BYTES_MAX}",
            text.len()
        ));
    }
    Ok(())
}

/// There is one nought: not every board keeps the sign of another one.
fn amount(what: &str, number: Option<f64>) -> Result<Option<f64>> {
    match number {
        Some(n) if !(0.0..=AMOUNT_MAX).contains(&n) => {
            malformed(format!("{what} of {n}: expected a number from 0 to {AMOUNT_MAX}"))
        }
        _ => Ok(number.map(|n| n + 0.0)),
    }
}

fn few(what: &str, count: usize, max: usize) -> Result<()> {
    if count > max {
        return malformed(format!("{count} {what}: expected at most {max}"));
    }
    Ok(())
}

/// A stamp's numbers fit what boards keep.
pub(super) fn stamp(stamp: &Stamp) -> Result<()> {
    stamp.claim.map_or(Ok(()), |(_, offered)| fence(offered))?;
    if let Some(mark) = &stamp.mark {
        line("run of a mark", mark.run.as_str(), LINE_CHARS_MAX)?;
    }
    Ok(())
}

/// A fence fits what boards keep.
pub(super) fn fence(fence: Fence) -> Result<()> {
    if i64::try_from(fence.0).is_err() {
        return malformed(format!("fence {fence}: expected at most {}", i64::MAX));
    }
    Ok(())
}

/// A stamp that names a revision of something that has none.
pub(super) fn no_revision(stamp: &Stamp, what: &str) -> Result<()> {
    match stamp.revision {
        Some(_) => malformed(format!("{what} has no revision: expected a stamp without one")),
        None => Ok(()),
    }
}

/// The edits, made regular and within bounds by themselves.
pub(super) fn task_edits(edits: &[TaskEdit]) -> Result<Vec<TaskEdit>> {
    few("edits in one step", edits.len(), EDITS_MAX)?;
    edits.iter().map(task_edit).collect()
}

fn task_edit(edit: &TaskEdit) -> Result<TaskEdit> {
    match edit {
        TaskEdit::Headline(text) => line("headline", text, LINE_CHARS_MAX)?,
        TaskEdit::Description(text) => long_text("description", text)?,
        TaskEdit::AcceptanceCriteria(text) => long_text("acceptance criteria", text)?,
        TaskEdit::Priority(Some(p)) if !(1..=5).contains(p) => {
            return malformed(format!("priority {p}: expected 1 (critical) to 5 (lowest)"));
        }
        TaskEdit::Storypoints(points) => {
            return amount("storypoints", *points).map(TaskEdit::Storypoints);
        }
        TaskEdit::PlanHours(hours) => return amount("plan_hours", *hours).map(TaskEdit::PlanHours),
        TaskEdit::HoursRemaining(hours) => {
            return amount("hours_remaining", *hours).map(TaskEdit::HoursRemaining);
        }
        TaskEdit::AddTag(tag) | TaskEdit::RemoveTag(tag) => {
            line("tag", tag.trim(), WORD_CHARS_MAX)?;
        }
        TaskEdit::Collaborators(people) => few("collaborators", people.len(), LIST_MAX)?,
        TaskEdit::Field(name, text) => {
            line("name of a field", name, WORD_CHARS_MAX)?;
            long_text("text of a field", text.as_deref().unwrap_or_default())?;
        }
        TaskEdit::Due(Some(at)) => return Ok(TaskEdit::Due(Some(whole(*at)))),
        TaskEdit::WorkFrom(Some(at)) => return Ok(TaskEdit::WorkFrom(Some(whole(*at)))),
        TaskEdit::WorkTo(Some(at)) => return Ok(TaskEdit::WorkTo(Some(whole(*at)))),
        _ => {}
    }
    Ok(edit.clone())
}

/// A status is one of the project's.
pub(super) fn label(project: &Project, status: StatusId) -> Result<()> {
    if project.status(status).is_some() {
        return Ok(());
    }
    let known: Vec<String> =
        project.statuses.iter().map(|s| format!("{} ({})", s.id, s.label)).collect();
    malformed(format!(
        "status {status} is not one of project {}: expected one of {}",
        project.id,
        known.join(", ")
    ))
}

/// The task that is stored before the edits of [`NewTask`] are applied; its id is not known yet.
pub(super) fn bare_task(
    new: &NewTask,
    project: &Project,
    stamp: &Stamp,
    at: Timestamp,
) -> Result<Task> {
    line("headline", &new.headline, LINE_CHARS_MAX)?;
    let status = match new.status {
        Some(status) => status,
        None => match project.status_of_kind(StatusKind::New) {
            Some(status) => status.id,
            None => {
                return malformed(format!(
                    "project {} has no status of kind new: expected the task's status",
                    project.id
                ));
            }
        },
    };
    label(project, status)?;
    Ok(Task {
        id: TaskId(0),
        project: new.project,
        kind: new.kind,
        headline: new.headline.clone(),
        description: String::new(),
        acceptance_criteria: String::new(),
        status,
        priority: None,
        storypoints: None,
        plan_hours: None,
        hours_remaining: None,
        tags: Vec::new(),
        author: Some(stamp.actor),
        assignee: None,
        collaborators: Vec::new(),
        due: None,
        work_from: None,
        work_to: None,
        milestone: None,
        sprint: None,
        parent: new.parent,
        blocked_by: Vec::new(),
        sort: 0,
        fields: BTreeMap::new(),
        created: at,
        modified: at,
        revision: 1,
    })
}

/// What must hold of a task after all edits.
pub(super) fn whole_task(task: &Task) -> Result<()> {
    if task.kind == TaskKind::Subtask && task.parent.is_none() {
        return malformed("a subtask has no parent: expected a task of the same project");
    }
    few("tags", task.tags.len(), LIST_MAX)?;
    few("blockers", task.blocked_by.len(), LIST_MAX)?;
    few("fields", task.fields.len(), FIELDS_MAX)
}

/// A new person is within bounds.
pub(super) fn new_person(new: &NewPerson) -> Result<()> {
    line("name", &new.name, LINE_CHARS_MAX)?;
    new.email.as_ref().map_or(Ok(()), |email| line("email", email, EMAIL_CHARS_MAX))
}

/// A new project's labels, once everything about it is within bounds.
pub(super) fn new_project(new: &NewProject) -> Result<Vec<Status>> {
    project_name(&new.name)?;
    long_text("details", &new.details)?;
    if new.statuses.is_empty() { Ok(default_statuses()) } else { labels(&new.statuses) }
}

/// A project's name is within bounds.
pub(super) fn project_name(name: &str) -> Result<()> {
    line("name", name, LINE_CHARS_MAX)
}

/// A project's details are within bounds.
pub(super) fn details(text: &str) -> Result<()> {
    long_text("details", text)
}

/// A project's labels, in the order of their columns.
pub(super) fn labels(statuses: &[Status]) -> Result<Vec<Status>> {
    if statuses.is_empty() {
        return malformed("a project has no status: expected at least one");
    }
    few("statuses", statuses.len(), LIST_MAX)?;
    let (mut ids, mut names) = (BTreeSet::new(), BTreeSet::new());
    for status in statuses {
        line("label of a status", &status.label, WORD_CHARS_MAX)?;
        if !ids.insert(status.id) {
            return malformed(format!("status {} is there twice: expected once", status.id));
        }
        if !names.insert(fold(status.label.trim())) {
            return malformed(format!("status {:?} is there twice: expected once", status.label));
        }
    }
    let mut sorted = statuses.to_vec();
    sorted.sort_by_key(|status| status.order);
    Ok(sorted)
}

/// A new milestone, with the id and revision it starts from.
pub(super) fn new_milestone(new: &NewMilestone) -> Milestone {
    Milestone {
        id: crate::domain::MilestoneId(0),
        project: new.project,
        headline: new.headline.clone(),
        color: new.color.clone(),
        assignee: new.assignee,
        from: whole(new.from),
        to: whole(new.to),
        depends_on: new.depends_on,
        done: false,
        revision: 1,
    }
}

/// What must hold of a milestone.
pub(super) fn whole_milestone(milestone: &Milestone) -> Result<()> {
    line("headline", &milestone.headline, LINE_CHARS_MAX)?;
    let digits = milestone.color.strip_prefix('#').unwrap_or_default();
    if digits.len() != 6 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return malformed(format!("color {:?}: expected \"#rrggbb\"", milestone.color));
    }
    if milestone.to < milestone.from {
        return malformed(format!(
            "the deadline {} is before the begin {}: expected it later",
            milestone.to, milestone.from
        ));
    }
    Ok(())
}

/// A new comment is within bounds by itself.
pub(super) fn new_comment(new: &NewComment) -> Result<()> {
    if new.text.trim().is_empty() {
        return malformed("the comment is blank: expected a text");
    }
    long_text("comment", &new.text)?;
    match (new.rating, new.on) {
        (Some(_), CommentTarget::Task(_) | CommentTarget::Goal(_)) => {
            malformed("a comment on a task or goal has a rating: expected one only on a project")
        }
        _ => Ok(()),
    }
}

/// A question's lists are within bounds.
pub(super) fn task_query(query: &TaskQuery) -> Result<()> {
    let people = match &query.assignee {
        AssigneeFilter::OneOf(people) => people.len(),
        _ => 0,
    };
    let longest = [
        query.ids.len(),
        query.projects.len(),
        query.statuses.len(),
        query.kinds_of_status.len(),
        query.kinds.len(),
        people,
        query.tags_all.len(),
        query.tags_any.len(),
        query.tags_none.len(),
    ];
    few("items in a list of a question", longest.into_iter().max().unwrap_or(0), ASKED_MAX)?;
    long_text("text to find", query.text.as_deref().unwrap_or_default())
}

/// A question's list of projects is within bounds.
pub(super) fn asked_projects(count: usize) -> Result<()> {
    few("items in a list of a question", count, ASKED_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_cut_to_milliseconds() {
        let at = from_millis(1_000) + chrono::TimeDelta::microseconds(7);
        let edits = task_edits(&[TaskEdit::Due(Some(at))]).unwrap();
        assert_eq!(edits, [TaskEdit::Due(Some(from_millis(1_000)))]);
    }

    #[test]
    fn a_nought_has_no_sign() {
        let edits = [
            TaskEdit::Storypoints(Some(-0.0)),
            TaskEdit::PlanHours(Some(-0.0)),
            TaskEdit::HoursRemaining(Some(-0.0)),
        ];
        for edit in task_edits(&edits).unwrap() {
            let (TaskEdit::Storypoints(Some(number))
            | TaskEdit::PlanHours(Some(number))
            | TaskEdit::HoursRemaining(Some(number))) = &edit
            else {
                panic!("{edit:?}");
            };
            assert_eq!(number.to_bits(), 0.0_f64.to_bits(), "{edit:?}");
        }
    }

    #[test]
    fn what_is_out_of_bounds_is_refused_with_what_was_expected() {
        let refused = [
            TaskEdit::Headline(" ".into()),
            TaskEdit::Headline("é".repeat(256)),
            TaskEdit::Description("x".repeat(65_536)),
            TaskEdit::Priority(Some(0)),
            TaskEdit::Priority(Some(6)),
            TaskEdit::Storypoints(Some(f64::NAN)),
            TaskEdit::PlanHours(Some(-1.0)),
            TaskEdit::AddTag("  ".into()),
            TaskEdit::AddTag("é".repeat(65)),
            TaskEdit::Field(String::new(), None),
        ];
        for edit in refused {
            let error = task_edits(std::slice::from_ref(&edit)).unwrap_err();
            assert!(error.to_string().contains("expected"), "{edit:?}: {error}");
        }
        assert!(task_edits(&[TaskEdit::Headline("é".repeat(255))]).is_ok());
        assert!(task_edits(&[TaskEdit::Description("x".repeat(65_535))]).is_ok());
        assert!(task_edits(&[TaskEdit::AddTag("é".repeat(64))]).is_ok());
    }

    #[test]
    fn labels_come_in_the_order_of_their_columns_and_once() {
        let mut statuses = default_statuses();
        statuses.reverse();
        assert_eq!(labels(&statuses).unwrap(), default_statuses());
        statuses[0].id = statuses[1].id;
        assert!(labels(&statuses).is_err());
        assert!(labels(&[]).is_err());
    }
}
