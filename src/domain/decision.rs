//! A decision: what was done or not done about a task or playbook, and why.

use super::{PlaybookName, Reason, RunId, TaskId, Timestamp};
use serde::{Deserialize, Serialize};

/// One decision, as `rota why` tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// The playbook that decided.
    pub playbook: PlaybookName,
    /// The task it was about; `None`: the playbook as a whole.
    pub task: Option<TaskId>,
    /// Why.
    pub reason: Reason,
    /// The particulars, for people: which tag, which limit, who.
    pub detail: String,
    /// The run, where there was one.
    pub run: Option<RunId>,
    /// When it was first decided so; the same decision again is not a new one.
    pub at: Timestamp,
}
