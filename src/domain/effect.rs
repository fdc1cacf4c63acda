//! An effect: one write of a run, journaled before it is done and again when it is.

use super::{CODE_COMMENT, Entity, Fence, Mark, TaskId, Timestamp, Value};
use serde::{Deserialize, Serialize};

/// The tool that runs a check by its `name`; its effect says after it whether it `passed`.
pub const RUN_CHECK: &str = "runCheck";

/// One write of one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// Which write of which run.
    pub mark: Mark,
    /// For whom it is done: `agent`, or `rota` for announce, hand-back and settle.
    pub actor: EffectActor,
    /// The tool that does it.
    pub tool: String,
    /// The tool that was called, where it does several: one of them is this effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bulk: Option<String>,
    /// Its arguments.
    pub args: Value,
    /// The run's claimed task, if it has one.
    pub claimed: Option<TaskId>,
    /// The fence of the claim it is done under: a run that is taken over after a crash has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fence: Option<Fence>,
    /// When it was about to be done.
    pub intended: Timestamp,
    /// What came of it; `None` between intent and result.
    pub result: Option<EffectResult>,
}

impl Effect {
    /// Whether it leaves the board as it is: a check that was run, a finding that was noted. It stands
    /// in the journal as what the run can show for itself.
    pub fn is_beside_board(&self) -> bool {
        self.tool == RUN_CHECK || self.tool == CODE_COMMENT
    }
}

/// For whom an effect is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EffectActor {
    /// The run's own work.
    Agent,
    /// The daemon, for the run.
    Rota,
}

/// What came of an effect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EffectResult {
    /// It was done.
    Done {
        /// What changed.
        entity: Entity,
        /// The changed fields before, by name.
        before: Value,
        /// The changed fields after, by name.
        after: Value,
        /// The tool call that puts it back; `None` where nothing can.
        inverse: Option<ToolCall>,
        /// When it was done.
        at: Timestamp,
    },
    /// It was refused or failed, and did not happen.
    Failed {
        /// The tool error's code.
        code: String,
        /// What was said.
        message: String,
    },
    /// It is not known whether it happened; it is never repeated blindly.
    Unknown,
    /// It was only recorded: the run was a shadow.
    Recorded,
    /// It waits for a person, who applies it or does not: the run was staged.
    Proposed {
        /// Which of the proposals that are decided together, from 1.
        number: u32,
        /// What would change; a number of 0 for what is not there yet.
        entity: Entity,
        /// The fields that would change, as they were found.
        before: Value,
        /// The same as they are proposed to be.
        after: Value,
        /// The revision of what was found, where it has one.
        revision: Option<u64>,
    },
}

/// A tool and its arguments.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// The tool's name.
    pub tool: String,
    /// Its arguments, an object.
    pub args: Value,
}
