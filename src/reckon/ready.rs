//! Whether a task may go into a sprint.

use crate::domain::{Task, TaskId};
use std::collections::BTreeSet;

/// A description says something when it has so many characters.
const CLEAR_CHARS: usize = 20;

/// What a task lacks for a sprint; nothing: it is ready.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// What is missing, in words.
    pub missing: Vec<String>,
}

impl Readiness {
    /// Whether nothing is missing.
    pub fn is_ready(&self) -> bool {
        self.missing.is_empty()
    }
}

/// A task is ready when its description is clear, it says when it counts as done, and no open task
/// must be done before it.
pub fn readiness(task: &Task, open: &BTreeSet<TaskId>) -> Readiness {
    let mut missing = Vec::new();
    let described = task.description.trim().chars().count();
    if described == 0 {
        missing.push("no description".to_owned());
    } else if described < CLEAR_CHARS {
        missing.push("its description is too short to be clear".to_owned());
    }
    if task.acceptance_criteria.trim().is_empty() {
        missing.push("no acceptance criteria".to_owned());
    }
    let waits: Vec<String> =
        task.blocked_by.iter().filter(|id| open.contains(id)).map(ToString::to_string).collect();
    if !waits.is_empty() {
        missing.push(format!("waits for task {}", waits.join(", ")));
    }
    Readiness { missing }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ProjectId, StatusId, TaskKind, Timestamp};
    use std::collections::BTreeMap;

    fn task(description: &str, criteria: &str, waits_for: &[i64]) -> Task {
        let at = Timestamp::UNIX_EPOCH;
        Task {
            id: TaskId(7),
            project: ProjectId(1),
            kind: TaskKind::Task,
            headline: "Voucher codes".into(),
            description: description.into(),
            acceptance_criteria: criteria.into(),
            status: StatusId(3),
            priority: None,
            storypoints: None,
            plan_hours: None,
            hours_remaining: None,
            tags: Vec::new(),
            author: None,
            assignee: None,
            collaborators: Vec::new(),
            due: None,
            work_from: None,
            work_to: None,
            milestone: None,
            sprint: None,
            parent: None,
            blocked_by: waits_for.iter().copied().map(TaskId).collect(),
            sort: 0,
            fields: BTreeMap::new(),
            created: at,
            modified: at,
            revision: 1,
        }
    }

    #[test]
    fn what_a_task_lacks_is_said_and_nothing_else() {
        let clear = "x".repeat(CLEAR_CHARS);
        let short = format!("  {}  ", "é".repeat(CLEAR_CHARS - 1));
        let open = BTreeSet::from([TaskId(5), TaskId(6)]);
        let (no_text, unclear) = ("no description", "its description is too short to be clear");
        for (description, criteria, waits_for, missing) in [
            (clear.as_str(), "It works.", &[][..], &[][..]),
            (&clear, "It works.", &[4], &[]),
            ("", "It works.", &[], &[no_text]),
            (" \n ", "It works.", &[], &[no_text]),
            (&short, "It works.", &[], &[unclear]),
            (&clear, " ", &[], &["no acceptance criteria"]),
            (&clear, "It works.", &[5], &["waits for task 5"]),
            (&clear, "It works.", &[4, 5, 6], &["waits for task 5, 6"]),
            ("", "", &[5], &[no_text, "no acceptance criteria", "waits for task 5"]),
        ] {
            let found = readiness(&task(description, criteria, waits_for), &open);
            assert_eq!(found.missing, missing, "{description:?} {criteria:?} {waits_for:?}");
            assert_eq!(found.is_ready(), missing.is_empty());
        }
    }
}
