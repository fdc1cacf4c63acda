//! What waits for a person, and what they decided.

use super::{PersonId, RunId, TaskId, Timestamp};
use serde::{Deserialize, Serialize};

/// What a person decides about work that was handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is done.
    Approved,
    /// Somebody has to work at it again.
    ChangesRequested,
}

/// A decision about what a run handed over. The first one stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// The task.
    pub task: TaskId,
    /// The run that handed it over.
    pub run: RunId,
    /// What was decided.
    pub verdict: Verdict,
    /// What was said with it.
    pub comment: String,
    /// Who decided.
    pub by: PersonId,
    /// Their name, for people.
    pub name: String,
    /// When.
    pub at: Timestamp,
    /// Whether the board shows it: what broke off in between is written by whoever decides again.
    pub written: bool,
}

/// Why a task waits for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitKind {
    /// Work was handed over.
    HandOver,
    /// A question is open.
    Question,
}

/// A task that waits for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// The task.
    pub task: TaskId,
    /// Its one line.
    pub headline: String,
    /// Why it waits.
    pub kind: WaitKind,
    /// Who handed it over or asks, for people.
    pub from: String,
    /// The run that did: what was done is recorded there.
    pub run: RunId,
    /// Whose turn it is: the task's assignee.
    pub owner: Option<PersonId>,
    /// Since when.
    pub since: Timestamp,
    /// Until when an answer is waited for; hand-overs wait for ever.
    pub until: Option<Timestamp>,
    /// What was done, or what is asked.
    pub text: String,
}
