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
