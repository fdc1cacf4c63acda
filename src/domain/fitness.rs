//! What a model said of a task before it was claimed: whether it is fit to be worked at.

use super::{TaskId, Timestamp};
use serde::{Deserialize, Serialize};

/// What a model said of one revision of a task. There is one record for each playbook and task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fitness {
    /// The task.
    pub task: TaskId,
    /// The revision that was judged.
    pub revision: u64,
    /// Who was asked what: a hash over the model's name and the question's template.
    pub rubric: String,
    /// What came of it.
    pub verdict: FitnessVerdict,
    /// When.
    pub at: Timestamp,
}

/// What came of asking.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FitnessVerdict {
    /// It can be worked at.
    Suitable,
    /// It cannot, yet.
    Unsuitable {
        /// Why.
        reason: String,
        /// What is missing, one thing each.
        missing: Vec<String>,
    },
    /// Nobody knows: the model could not be asked, or its answer could not be read.
    Failed {
        /// Why.
        detail: String,
        /// How often in a row.
        tries: u32,
        /// It is not asked again before this instant.
        not_before: Timestamp,
    },
}
