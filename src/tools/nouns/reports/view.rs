//! What reports are made of: sections of lines. Every text of somebody's is one line of bounded length.

use crate::digest::one_line;
use crate::domain::{Project, StatusKind, Task, TaskId, Timestamp};
use crate::reckon::Seen;
use crate::tools::show::Names;
use chrono_tz::Tz;
use schemars::JsonSchema;
use serde::Serialize;

/// One line of a report.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub(super) struct LineView {
    /// The task's number, where it is about one.
    pub task: Option<i64>,
    /// What it rests on, such as `task 7`; empty for what has no number.
    pub reference: String,
    pub headline: String,
    /// The rest, joined by ` · `.
    pub notes: String,
}

/// Lines under a title.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub(super) struct SectionView {
    pub title: String,
    /// Of the lines.
    pub count: u64,
    pub lines: Vec<LineView>,
}

impl SectionView {
    pub(super) fn new(title: impl Into<String>, lines: Vec<LineView>) -> Self {
        Self { title: title.into(), count: count(lines.len()), lines }
    }
}

/// Those that have lines.
pub(super) fn filled(sections: Vec<SectionView>) -> Vec<SectionView> {
    sections.into_iter().filter(|section| section.count > 0).collect()
}

pub(super) fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// `1 task`, `2 tasks`.
pub(super) fn counted(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// A line without a number.
pub(super) fn line(headline: &str, notes: &[String]) -> LineView {
    LineView {
        task: None,
        reference: String::new(),
        headline: one_line(headline),
        notes: joined(notes),
    }
}

/// A line about a task.
pub(super) fn task_line(task: &Task, notes: &[String]) -> LineView {
    LineView {
        task: Some(task.id.0),
        reference: format!("task {}", task.id),
        ..line(&task.headline, notes)
    }
}

/// Notes as one text.
fn joined(notes: &[String]) -> String {
    let notes: Vec<String> = notes.iter().map(|note| one_line(note)).collect();
    notes.into_iter().filter(|note| !note.is_empty()).collect::<Vec<_>>().join(" · ")
}

/// The project's name.
pub(super) fn project_of(names: &Names, task: &Task) -> String {
    names.projects.get(&task.project).map(|project| project.name.clone()).unwrap_or_default()
}

/// What a task's status is called.
pub(super) fn status_of(names: &Names, task: &Task) -> String {
    let project: Option<&Project> = names.projects.get(&task.project);
    let status = project.and_then(|project| project.status(task.status));
    status.map(|status| status.label.clone()).unwrap_or_default()
}

/// Who has it.
pub(super) fn assignee_of(names: &Names, task: &Task) -> String {
    names.person(task.assignee).unwrap_or_else(|| "nobody assigned".to_owned())
}

/// `due Fri 30 Oct`, or nothing.
pub(super) fn due_note(task: &Task, zone: Tz) -> Option<String> {
    task.due.map(|due| format!("due {}", day_text(due, zone)))
}

/// `Fri 30 Oct`.
pub(super) fn day_text(at: Timestamp, zone: Tz) -> String {
    at.with_timezone(&zone).format("%a %-d %b").to_string()
}

/// `09:00`.
pub(super) fn time_text(at: Timestamp, zone: Tz) -> String {
    at.with_timezone(&zone).format("%H:%M").to_string()
}

/// `task 7, task 9`.
pub(super) fn tasks_text(ids: &[TaskId]) -> String {
    let named: Vec<String> = ids.iter().map(|id| format!("task {id}")).collect();
    named.join(", ")
}

/// What keeps a task from going on, for people.
pub(super) fn hindrance(seen: &Seen, waits_for: &[TaskId], now: Timestamp) -> Vec<String> {
    let mut notes = Vec::new();
    if !waits_for.is_empty() {
        notes.push(format!("waits for {}", tasks_text(waits_for)));
    } else if seen.kind == StatusKind::Blocked {
        notes.push("blocked".to_owned());
    }
    if seen.is_overdue(now) {
        notes.push("overdue".to_owned());
    }
    notes
}
