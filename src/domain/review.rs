//! What waits for a person, and what they decided.

use super::{Assistant, CommentId, PersonId, PlaybookName, RunId, StatusId, TaskId, Timestamp};
use serde::{Deserialize, Serialize};

/// Work that was handed over to a person. There is one record a task, of the last time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandOver {
    /// The task.
    pub task: TaskId,
    /// The run that handed it over.
    pub run: RunId,
    /// Who did, for people.
    pub from: String,
    /// Which playbook works at it again when changes are asked for; `None`: an assistant may.
    pub rework: Option<PlaybookName>,
    /// The assistant that handed it over, if one did: it does not decide itself.
    pub assistant: Option<Assistant>,
    /// The status in which it was left: as long as it has that, it waits.
    pub status: StatusId,
    /// Since when.
    pub since: Timestamp,
    /// What was done.
    pub summary: String,
    /// What the run's journal does not show of what it says, where it came back for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unverified: Option<String>,
    /// What was decided, once somebody has.
    pub decided: Option<Decided>,
}

/// What a person decides about work that was handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is done.
    Approved,
    /// Somebody has to work at it again.
    ChangesRequested,
}

/// A decision. The first one stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
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
    /// The last comment on the task before: the one that tells of the decision is a later one.
    pub after: CommentId,
    /// Whether the board shows it: what broke off in between is finished later.
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
    /// Writes are proposed.
    Proposals,
    /// Work was said to be done, and its journal does not show it.
    Unverified,
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
