//! A run: one attempt at one task (or at a report) by one playbook.

use super::{
    DaemonId, Fence, OccurrenceId, PersonId, PlaybookName, Reason, RunId, TaskId, Timestamp,
};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The record of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Its name.
    pub id: RunId,
    /// The playbook.
    pub playbook: PlaybookName,
    /// The hash of the definition it runs with; the definition is kept under that hash.
    pub definition: String,
    /// The occurrence that woke it.
    pub occurrence: OccurrenceId,
    /// The task, where the playbook takes tasks.
    pub task: Option<TaskId>,
    /// Which attempt at the task, from 1.
    pub attempt: u32,
    /// The fence of its claim, where it claims.
    pub fence: Option<Fence>,
    /// How it is doing, or how it ended.
    pub state: RunState,
    /// Why it ended so.
    pub reason: Option<Reason>,
    /// More about why, for people; never a secret.
    pub detail: String,
    /// The outcome that the work named.
    pub outcome: Option<String>,
    /// What the work said of itself.
    pub summary: String,
    /// When it started.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// What it used.
    pub usage: Usage,
    /// The daemon that carries it out; records of earlier versions do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub daemon: Option<DaemonId>,
    /// Set when its outcome is about to be written to the board: writes with a higher number are
    /// the settling's, so that a crash in between is finished and not repeated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settle_from: Option<u32>,
    /// How it left its task, where that came to nothing: who changes it from there has looked at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<AsLeft>,
    /// Who is to review what it hands over, where whoever worked named somebody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reviewer: Option<PersonId>,
    /// Who worked, and with which model; records of earlier versions do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<WorkedBy>,
    /// What it found in its workspace, where it reviews.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub looked_at: Option<LookedAt>,
    /// What the work offered as evidence, in bounds; never a secret.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<String>,
}

/// What a reviewer found in its workspace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LookedAt {
    /// The commit that it looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The commit that the branch was at where it comes from, where the work goes on there. Another
    /// one, if the workspace has work of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pushed: Option<String>,
}

/// Who worked in a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkedBy {
    /// The board user that it acted as.
    pub agent: String,
    /// The model of `rota.toml`; `None`: plain steps, or a program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The model's family, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<String>,
    /// Whether a model worked, or a program behind which one may be: plain steps have none.
    #[serde(default)]
    pub is_model: bool,
}

/// A task as a run left it, by the board's own numbers and clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AsLeft {
    /// Its revision.
    pub revision: u64,
    /// When it was last changed or commented on.
    pub modified: Timestamp,
}

/// How a run is doing, or how it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Under way.
    Running,
    /// It did what it was to do.
    Succeeded,
    /// There was nothing to do.
    NothingToDo,
    /// It was not allowed to start.
    Refused,
    /// It ended in an error.
    Failed,
    /// It took longer than `limits.time`.
    TimedOut,
    /// It gave no sign of life for `limits.idle`.
    Stalled,
    /// A person took over.
    Yielded,
    /// Its claim ended under it.
    ClaimLost,
    /// It claimed a success that its journal does not show.
    Unverified,
    /// It waits for a person.
    Waiting,
    /// The daemon died under it.
    Interrupted,
    /// Somebody stopped it.
    Cancelled,
}

impl RunState {
    /// The state as it is printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::NothingToDo => "nothing_to_do",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Stalled => "stalled",
            Self::Yielded => "yielded",
            Self::ClaimLost => "claim_lost",
            Self::Unverified => "unverified",
            Self::Waiting => "waiting",
            Self::Interrupted => "interrupted",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether another attempt may mend it.
    pub fn may_retry(self) -> bool {
        matches!(
            self,
            Self::Failed | Self::TimedOut | Self::Stalled | Self::Unverified | Self::Interrupted
        )
    }
}

impl fmt::Display for RunState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a run used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens sent to a model, those it had read before included.
    pub tokens_in: u64,
    /// Those of them that it had read before and kept: most models charge less for them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub tokens_cached: u64,
    /// Tokens a model sent back.
    pub tokens_out: u64,
    /// Money, in millionths of the currency of `rota.toml`.
    pub cost_micros: u64,
    /// Exchanges with a model.
    pub turns: u32,
    /// Wall time in milliseconds.
    pub elapsed_ms: u64,
}

impl Usage {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            tokens_in: self.tokens_in.saturating_add(other.tokens_in),
            tokens_cached: self.tokens_cached.saturating_add(other.tokens_cached),
            tokens_out: self.tokens_out.saturating_add(other.tokens_out),
            cost_micros: self.cost_micros.saturating_add(other.cost_micros),
            turns: self.turns.saturating_add(other.turns),
            elapsed_ms: self.elapsed_ms.saturating_add(other.elapsed_ms),
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}
