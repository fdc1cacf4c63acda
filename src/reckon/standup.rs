//! What one person has to say in the morning: done, today, stuck.

use super::Seen;
use crate::domain::{PersonId, Span, StatusKind, TaskId, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// What a person has to say.
#[derive(Debug, Default)]
pub struct Standup<'a> {
    /// Finished since the last working day began, in that order.
    pub done: Vec<&'a Seen>,
    /// Under way, due or planned today.
    pub today: Vec<&'a Seen>,
    /// Blocked or overdue.
    pub stuck: Vec<(&'a Seen, Stuck)>,
}

impl Standup<'_> {
    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.done.is_empty() && self.today.is_empty() && self.stuck.is_empty()
    }
}

/// Why a task does not go on as it should.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stuck {
    /// Its status says so.
    pub is_blocked: bool,
    /// Open tasks that must be done first.
    pub waits_for: Vec<TaskId>,
    /// It was due before today.
    pub is_overdue: bool,
}

/// What a person has to say, of tasks that are assigned to them. `done_at`: when tasks were finished;
/// `open`: all open tasks, for what waits for them; what was finished in `since..today.from` counts as
/// done, and what was finished today belongs to tomorrow's standup.
pub fn standup<'a>(
    person: PersonId,
    tasks: &'a [Seen],
    done_at: &BTreeMap<TaskId, Timestamp>,
    open: &BTreeSet<TaskId>,
    (since, today): (Timestamp, Span),
) -> Standup<'a> {
    let mut said = Standup::default();
    let own = tasks.iter().filter(|seen| seen.task.assignee == Some(person));
    for seen in own {
        if !seen.is_open() {
            let at = done_at.get(&seen.task.id);
            if at.is_some_and(|at| (since..today.from).contains(at)) {
                said.done.push(seen);
            }
            continue;
        }
        let stuck = stuck(seen, open, today.from);
        if stuck != Stuck::default() {
            said.stuck.push((seen, stuck));
        } else if is_for_today(seen, today) {
            said.today.push(seen);
        }
    }
    said.done.sort_by_key(|seen| (done_at.get(&seen.task.id).copied(), seen.task.id));
    said.today.sort_by_key(|seen| (is_later(seen), seen.task.due, seen.task.id));
    said.stuck.sort_by_key(|(seen, _)| (is_later(seen), seen.task.due, seen.task.id));
    said
}

/// Tasks without a due date come last.
fn is_later(seen: &Seen) -> bool {
    seen.task.due.is_none()
}

fn stuck(seen: &Seen, open: &BTreeSet<TaskId>, today: Timestamp) -> Stuck {
    let waits = seen.task.blocked_by.iter().copied().filter(|id| open.contains(id));
    Stuck {
        is_blocked: seen.kind == StatusKind::Blocked,
        waits_for: waits.collect(),
        is_overdue: seen.is_overdue(today),
    }
}

fn is_for_today(seen: &Seen, today: Span) -> bool {
    let is_due = seen.task.due.is_some_and(|due| due < today.to);
    let is_planned = match (seen.task.work_from, seen.task.work_to) {
        (Some(from), Some(to)) => from < today.to && to > today.from,
        (Some(from), None) => (today.from..today.to).contains(&from),
        _ => false,
    };
    seen.kind == StatusKind::InProgress || is_due || is_planned
}
