//! An occurrence: one planned or asked-for wake of a playbook. Every planned instant ends as
//! *ran* or *skipped*; there are no holes.

use super::{OccurrenceId, PlaybookName, Reason, RunId, StatusId, TaskId, Timestamp};
use serde::{Deserialize, Serialize};

/// The record of an occurrence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Occurrence {
    /// Its name: the playbook, what woke it, and the planned instant.
    pub id: OccurrenceId,
    /// The playbook.
    pub playbook: PlaybookName,
    /// What woke it.
    pub trigger: Trigger,
    /// The instant it was planned for, before jitter; for those by hand, when it was asked for.
    pub planned: Timestamp,
    /// What is to be taken, where the trigger names it (`--task`, rework, an event).
    pub task: Option<TaskId>,
    /// When it was decided upon.
    pub decided: Timestamp,
    /// What became of it.
    pub state: OccurrenceState,
    /// Set where one record accounts for a long run of planned instants that were all skipped for
    /// the same reason; `planned` is then the first of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub covers: Option<Covers>,
    /// The status that the task was put into for it, of a rework or another look: a task with another one was moved
    /// meanwhile, and is left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<StatusId>,
}

/// The instants that one record accounts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Covers {
    /// The last of them.
    pub last: Timestamp,
    /// How many there are, the first and the last included.
    pub count: u64,
}

/// What woke a playbook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// `on.cron`.
    Cron,
    /// `on.every`.
    Every,
    /// `on.event`.
    Event,
    /// `on.webhook`.
    Webhook,
    /// `rota run-once` and its like.
    Manual,
    /// A reviewer asked for changes.
    Rework,
    /// Whoever was asked for changes has answered, or pushed.
    Review,
}

impl Trigger {
    /// The trigger as it stands in an occurrence's id.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cron => "cron",
            Self::Every => "every",
            Self::Event => "event",
            Self::Webhook => "webhook",
            Self::Manual => "manual",
            Self::Rework => "rework",
            Self::Review => "review",
        }
    }
}

impl Occurrence {
    /// Whether a reviewer asked for it, or is asked to look again: what is only taken up again after a
    /// crash has no status of its own to begin with.
    pub fn is_rework(&self) -> bool {
        self.is_passed_on() && self.status.is_some()
    }

    /// Whether one playbook's work led to it.
    pub fn is_passed_on(&self) -> bool {
        matches!(self.trigger, Trigger::Rework | Trigger::Review)
    }

    /// The id of an instant of the clock: the same instant never has two.
    pub fn id_of(playbook: &PlaybookName, trigger: Trigger, planned: Timestamp) -> OccurrenceId {
        let planned = planned.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true);
        OccurrenceId(format!("{playbook}/{}/{planned}", trigger.as_str()))
    }
}

/// What became of an occurrence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OccurrenceState {
    /// Waits for a slot or for the occurrence before it.
    Queued,
    /// Its runs are under way.
    Running,
    /// It ran. `runs` is empty if there was nothing to do; `reason` then says why.
    Ran {
        /// Its runs.
        runs: Vec<RunId>,
        /// How it went, in one word.
        reason: Reason,
        /// When the last of them ended.
        at: Timestamp,
    },
    /// It did not run.
    Skipped {
        /// Why.
        reason: Reason,
    },
}

impl OccurrenceState {
    /// Whether nothing more will become of it.
    pub fn is_settled(&self) -> bool {
        matches!(self, Self::Ran { .. } | Self::Skipped { .. })
    }
}
