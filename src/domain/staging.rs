//! What a staged run proposes, and what a person decides about it.

use super::{Decided, Mark, PlaybookName, RunId, TaskId, Timestamp, Value, Verdict};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Writes that wait for a person. There is one record a task, of the last time; what would be written
/// stands in the journals of the runs that proposed it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Staging {
    /// The claimed task.
    pub task: TaskId,
    /// The run that ended with them.
    pub run: RunId,
    /// Its playbook.
    pub playbook: PlaybookName,
    /// Since when.
    pub since: Timestamp,
    /// Until when a person may decide.
    pub until: Timestamp,
    /// How the work ended, by its name in the playbook.
    pub outcome: Option<String>,
    /// What the work said of itself.
    pub summary: String,
    /// The writes, in the order in which they are applied.
    pub items: Vec<Proposal>,
    /// What a person decided, once one has.
    pub decided: Option<Sentence>,
    /// Nobody decided in time.
    pub expired: bool,
    /// Since when nothing more becomes of them.
    pub closed: Option<Timestamp>,
}

/// One write that is proposed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// What people call it by, from 1.
    pub number: u32,
    /// The journaled effect that proposes it.
    pub mark: Mark,
    /// What became of it.
    pub state: ProposalState,
    /// Why, for people.
    pub why: String,
}

/// What became of a proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProposalState {
    /// Nothing yet.
    Open,
    /// It was written as it was proposed.
    Applied,
    /// It was written as a person changed it.
    Edited,
    /// A person decided that it is not written.
    Rejected,
    /// Nobody decided in time.
    Expired,
    /// Somebody changed the same meanwhile: that stays.
    Conflict,
    /// It could not be written.
    Failed,
}

impl ProposalState {
    /// Whether it was written.
    pub fn is_applied(self) -> bool {
        matches!(self, Self::Applied | Self::Edited)
    }
}

/// What a person decided about proposals.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sentence {
    /// Who, what, when.
    pub decided: Decided,
    /// The numbers of those that are applied; none when all are rejected.
    pub applies: Vec<u32>,
    /// Arguments that a person put in the place of the proposed ones, by number.
    pub edits: BTreeMap<u32, Value>,
}

impl Staging {
    /// Whether a person may still decide.
    pub fn is_open(&self) -> bool {
        self.closed.is_none() && !self.expired && self.decided.is_none()
    }

    /// Whether something of it is to be applied.
    pub fn is_approved(&self) -> bool {
        let decided = self.decided.as_ref();
        decided.is_some_and(|sentence| sentence.decided.verdict == Verdict::Approved)
    }

    /// Whether a person wants this one to be applied.
    pub fn applies(&self, number: u32) -> bool {
        self.decided.as_ref().is_some_and(|sentence| sentence.applies.contains(&number))
    }

    /// How many were written, of how many.
    pub fn applied(&self) -> (usize, usize) {
        let written = self.items.iter().filter(|item| item.state.is_applied()).count();
        (written, self.items.len())
    }
}
