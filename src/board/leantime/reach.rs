//! Which tasks a write of a task looks at or touches besides its own: nobody else writes to them
//! meanwhile.

use super::governor::Lane;
use super::locks::Held;
use super::{LIST, LeantimeBoard};
use crate::board::Result;
use crate::domain::{Stamp, TaskEdit, TaskId};
use std::collections::BTreeSet;

/// Held by whoever changes what a task is a part of or waits for: circles are looked for through
/// tasks that a write does not name.
const LINKS: &str = "links";
/// How often the tasks that go with one are looked for again.
const TRIES_MAX: usize = 5;

fn task(id: TaskId) -> String {
    format!("task {id}")
}

/// What a new task, or one that is changed, keeps others from.
pub(super) fn names(
    stamp: &Stamp,
    own: impl IntoIterator<Item = TaskId>,
    edits: &[TaskEdit],
) -> Vec<String> {
    let mark = stamp.mark.as_ref().map(|mark| format!("mark {mark}"));
    let mut names: Vec<String> = mark.into_iter().chain(own.into_iter().map(task)).collect();
    for edit in edits {
        match edit {
            TaskEdit::AddBlocker(other) | TaskEdit::Parent(Some(other)) => {
                names.extend([LINKS.to_owned(), task(*other)]);
            }
            TaskEdit::Sprint(Some(sprint)) => names.push(format!("sprint {sprint}")),
            _ => {}
        }
    }
    names
}

impl LeantimeBoard {
    /// Holds a task that is to go, its parts, and those that wait for any of them.
    pub(super) async fn hold_removed(&self, stamp: &Stamp, id: TaskId) -> Result<Held> {
        let mut reached = self.reached(id).await?;
        for _ in 0..TRIES_MAX {
            let mut names = names(stamp, reached.iter().copied(), &[]);
            names.push(LINKS.to_owned());
            let held = self.locks.some(names).await;
            let now = self.reached(id).await?;
            if now.is_subset(&reached) {
                return Ok(held);
            }
            reached = now;
        }
        Ok(self.locks.some(names(stamp, reached, &[])).await)
    }

    async fn reached(&self, id: TaskId) -> Result<BTreeSet<TaskId>> {
        let tasks = self.all_tasks(Lane::People, LIST).await?;
        let mut gone = BTreeSet::from([id]);
        loop {
            let parts: Vec<TaskId> = tasks
                .iter()
                .filter(|task| task.parent.is_some_and(|parent| gone.contains(&parent)))
                .map(|task| task.id)
                .collect();
            let before = gone.len();
            gone.extend(parts);
            if gone.len() == before {
                break;
            }
        }
        let waits = tasks.iter().filter(|task| task.blocked_by.iter().any(|id| gone.contains(id)));
        let waiting: Vec<TaskId> = waits.map(|task| task.id).collect();
        gone.extend(waiting);
        Ok(gone)
    }
}
